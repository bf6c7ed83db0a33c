/*
 * The chain for one leaf: ordered, without the root, without repetitions, nothing expired, nothing
 * revoked; for authorities with cross-certificates, the valid one last.
 *
 * Where certificates come from, in this order: the profile's pinned intermediate (cache, then its
 * address), the operator's chain file, the issued file itself, the address in the certificate
 * (caIssuers) if its host is one of the profile's.  The CA re-issued its sub CAs in 2025 with the
 * same name, key and key identifier as the revoked ones of 2017, so name, key identifier and
 * signature prove nothing here: only the pin, or the signature together with the root's CRL.
 */
#ifndef ECERT_FLOW_CHAIN_H
#define ECERT_FLOW_CHAIN_H

#include "core/flow/authority.h"
#include "core/flow/network.h"

/*
 * Where the caches are, and whom to ask; borrowed.  STATE/chains/SHA256.pem holds certificates that
 * were believed once; a file whose content has another hash than its name says is as good as
 * absent.  STATE/crls/ holds CRLs (DER) by the SHA-256 of their address, with ETag and time of
 * fetching beside them.  Both folders are made when something is kept.
 */
struct ecert_chain_sources {
    const char *state_dir;
    struct ecert_network *network; /* NULL: work off the cache */
    struct ecert_strings *silent;  /* servers that are not asked any more in this run: silent.h */
};

/* Fresh copies of the authority's CRLs, as far as they are to be had. */
struct ecert_crls {
    STACK_OF(X509_CRL) *crls;
    struct ecert_strings problems; /* one sentence per CRL that is missing or out of date */
};
void ecert_crls_clear(struct ecert_crls *crls);

/*
 * Seconds that a copy may be old before its address is asked again.  KEPT: for a certificate that
 * the target has already; looking again once a day finds a revocation without troubling the CA.
 * NEW: for one that nobody has decided on yet.  A copy of this morning would let in what was
 * revoked at noon; ten minutes still let the certificates of one session (`ecert fetch`, `ecert
 * plan`, `ecert run`) share one answer.
 */
#define ECERT_CRL_AGE_KEPT ((int64_t)24 * 60 * 60)
#define ECERT_CRL_AGE_NEW  ((int64_t)10 * 60)

/*
 * Get the CRLs: from the cache while nextUpdate is in the future and the copy is younger than
 * max_age seconds, else fetched (conditionally: an unchanged one costs a 304) and cached.  While
 * its address does not answer, a copy in date serves on, however old.  A CRL that cannot be had is
 * a problem, not an error.  Their signatures are checked when they are used.
 */
ECERT_MUST_CHECK enum ecert_status ecert_crls_get(const struct ecert_authority *authority,
                                                  const struct ecert_chain_sources *sources,
                                                  int64_t max_age, struct ecert_crls *ret,
                                                  struct ecert_error *err);

enum ecert_revocation { ECERT_REVOKED_NO, ECERT_REVOKED_YES, ECERT_REVOKED_UNKNOWN };

/*
 * Is the certificate on a CRL of its issuer?  UNKNOWN: no CRL of that issuer with a good signature
 * that has not passed its nextUpdate.  A CRL out of date that lists it still says YES.
 */
enum ecert_revocation ecert_crls_look_up(const struct ecert_crls *crls, const X509 *certificate,
                                         X509 *issuer);

struct ecert_chain_request {
    const struct ecert_authority *authority;
    X509 *leaf;
    STACK_OF(X509) *offered;       /* rest of the issued file; may be NULL */
    STACK_OF(X509) *operator_file; /* the certificate's chain_file; may be NULL */
    bool cross_certificate;
    const struct ecert_crls *crls;
};

/*
 * Build it.  *ret_chain (owned by the caller, as its members) may be empty only if an anchor issued
 * the leaf.  *ret_anchor is owned too.  ret_notes: what was replaced, left out, believed and why.
 *
 * ECERT_E_CRYPTO: an issuer is missing (names it and where it was looked for);
 * ECERT_E_REFUSED: only a revoked issuer is to be had: the sentence names the serial of the
 * revoked one and of the current one (its SHA-256 where the profile does not give the serial).
 * ECERT_E_NETWORK instead of either, with the same sentence: an address (for a revoked issuer: one
 * of the profile's) did not answer usefully, or there is no network, so that the same file may do
 * another day; also when an issuer that is not pinned is there, but no CRL in date to say that it
 * is not revoked.
 */
ECERT_MUST_CHECK enum ecert_status ecert_chain_build(const struct ecert_chain_request *request,
                                                     const struct ecert_chain_sources *sources,
                                                     STACK_OF(X509) **ret_chain, X509 **ret_anchor,
                                                     struct ecert_strings *ret_notes,
                                                     struct ecert_error *err);

/* Did `issuer` sign `subject`, and may it?  Name, key identifier, key usage, signature. */
bool ecert_chain_is_issuer(X509 *issuer, X509 *subject);

/* RFC 5280, 4.1.2.5: from notBefore to notAfter, both included. */
bool ecert_chain_in_date(const X509 *certificate, int64_t now);

/*
 * The anchor at the end of a chain that was built before: of the certificate after the leaf's last
 * issuer.  *ret (owned) stays NULL if there is none any more.
 */
ECERT_MUST_CHECK enum ecert_status ecert_chain_find_anchor(const struct ecert_authority *authority,
                                                           X509 *leaf, STACK_OF(X509) *chain,
                                                           X509 **ret, struct ecert_error *err);

#endif
