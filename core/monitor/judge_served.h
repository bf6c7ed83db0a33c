/*
 * Judging what a handshake saw: the leaf that is served, its name, its chain.
 *
 * Pure: nothing is read and nobody is asked.  Completeness and order are judged by names and
 * signatures.  A root that is sent along is no fault; a chain is complete where it ends at a
 * self-signed certificate or below a known root; so the deployed chain is good without its upper
 * part, the cross-certificate that only old clients need.  Where the root is not known, a chain of
 * two and more is believed (a private CA) if each of them issued another one: one that did not
 * shows that a certificate in the middle was left out.  A leaf alone is not believed, unless its
 * root is in a known profile.
 */
#ifndef ECERT_MONITOR_JUDGE_SERVED_H
#define ECERT_MONITOR_JUDGE_SERVED_H

#include "core/flow/chain.h"
#include "core/monitor/finding.h"

/* What is known of one authority; borrowed. */
struct ecert_known_authority {
    const struct ecert_authority *authority;
    const struct ecert_crls *crls; /* NULL: none were got */
};

struct ecert_served_question {
    const struct ecert_seen *seen;
    const char *host; /* name or address that the leaf must cover; NULL: it is not judged */
    const struct ecert_known_authority *known;
    size_t n_known;

    /* what a deployment put there; NULL and 0: nothing is known of it */
    const char *deployed_sha256, *deployed_serial;
    unsigned generation;
    STACK_OF(X509) *deployed_chain;
};

struct ecert_served_problem {
    enum ecert_condition condition;
    char *detail; /* a sentence, escaped */
};

/* In the order of the handshake: leaf, chain, issuers.  {0}: nothing is wrong. */
struct ecert_served_problems {
    struct ecert_served_problem *items;
    size_t n;
};
void ecert_served_problems_clear(struct ecert_served_problems *problems);

/*
 * Everything that is wrong, but for the dates: OTHER_LEAF, WRONG_NAME, REVOKED, INCOMPLETE_CHAIN or
 * WRONG_CHAIN, REVOKED_ISSUER, or NO_ANSWER alone.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_judge_served(const struct ecert_served_question *question,
                                                      struct ecert_served_problems *ret,
                                                      struct ecert_error *err);

/*
 * How far is an answer from what was deployed?  0: it is that, or nothing is known of it; 1:
 * another chain; 2: another leaf.
 */
unsigned ecert_served_doubt(const struct ecert_served_question *question);

/*
 * Is this one of a list of certificates, whose issuer may stand there too, revoked?  *ret is a
 * sentence with its serial, and for one that the profile knows with that of the current one; NULL:
 * nothing is known against it.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_judge_issuer(const struct ecert_known_authority *known,
                                                      STACK_OF(X509) *certificates, int index,
                                                      char **ret, struct ecert_error *err);

/* Does a certificate of the handshake come from this authority, as far as names say? */
bool ecert_served_concerns(const struct ecert_authority *authority, const struct ecert_seen *seen);

/*
 * Is there an entry for this serial in a CRL that bears the issuer's name?  Quick, and not checked:
 * "no" can be believed as far as the CRLs can, "yes" needs ecert_crls_look_up().
 */
bool ecert_crls_may_list(const struct ecert_crls *crls, const ASN1_INTEGER *serial,
                         const X509_NAME *issuer);

/* Is it written as an IP address, and not a name? */
bool ecert_served_is_address(const char *host);

/*
 * A person's name for a certificate: common name, else the first DNS name, else ""; escaped, and
 * cut to ECERT_TITLE_MAX characters.
 */
ECERT_MUST_CHECK enum ecert_status ecert_served_title(const X509 *certificate, char **ret,
                                                      struct ecert_error *err);

#endif
