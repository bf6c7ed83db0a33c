/*
 * The certificate signing request (PKCS#10, RFC 2986) as the CA's guide wants it: C, ST, L, O, CN
 * in this order; OU, e-mail address, challenge password and optional company name absent; SHA-256;
 * no subject alternative name unless the authority's profile says so.  C is a PrintableString, the
 * others UTF8String (or PrintableString where the text allows it: what `openssl req` makes).
 */
#ifndef ECERT_ISSUE_CSR_H
#define ECERT_ISSUE_CSR_H

#include <openssl/evp.h>

#include "core/flow/authority.h"
#include "core/flow/config.h"

/* Borrowed. */
struct ecert_csr_order {
    const struct ecert_organization_config *organization;
    const char *const *names; /* A-labels, the CN first; NULL-ended */
    const struct ecert_authority *authority;
};

/*
 * May this be asked for?  Every rule that is broken is one sentence in ret_mistakes, with the value
 * and the rule: a country other than the profile's, an empty organisation, state or locality that
 * the profile fixes otherwise, a name that is none, a wildcard among several names, too many names,
 * the same name twice, an internal name or IP address (Baseline Requirements 7.1.2.7.12).
 * `present` is the key that is there already, as ecert_new_key_describe() says it ("RSA 2048"):
 * below 2048 bits of RSA it is a mistake (6.1.5).  NULL: one is made as `key` says.  A key that the
 * profile does not name is a note.  ECERT_E_CONFIG if there is any mistake.
 */
ECERT_MUST_CHECK enum ecert_status ecert_csr_check(
    const struct ecert_csr_order *order, const struct ecert_key_config *key, const char *present,
    struct ecert_strings *ret_mistakes, struct ecert_strings *ret_notes, struct ecert_error *err);

/* Make it, verify its own signature, and hand out PEM and the SHA-256 of its DER.  ECERT_E_CRYPTO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_csr_make(const struct ecert_csr_order *order,
                                                  EVP_PKEY *key, struct ecert_bytes *ret_pem,
                                                  char ret_sha256[ECERT_SHA256_HEX_LEN],
                                                  struct ecert_error *err);

/* Is this what a new key of this configuration would be, in ecert_new_key_describe()'s words? */
bool ecert_csr_key_is(const struct ecert_key_config *key, const char *words);

/*
 * Has this CSR (PEM) the subject and the names that one made for this order today would have?
 * ECERT_E_CRYPTO: it is none.
 */
ECERT_MUST_CHECK enum ecert_status ecert_csr_asks_for(const struct ecert_csr_order *order,
                                                      struct ecert_view pem, bool *ret,
                                                      struct ecert_error *err);

/* The same PEM with "NEW CERTIFICATE REQUEST" in both of its lines: what the guide's screens show.
 */
ECERT_MUST_CHECK enum ecert_status ecert_csr_new_header(struct ecert_view pem,
                                                        struct ecert_bytes *ret,
                                                        struct ecert_error *err);

#endif
