/*
 * Whose certificate is this?  Found by public key, never by a file's name:
 *
 *   1. the requests of every certificate (requests.h) whose name the leaf carries: one that is
 *      waited for before one that is issued or cancelled
 *   2. the configured keys of such certificates: key.file; without one the key that the file itself
 *      carries; for a key that never leaves its Windows host the name decides, unless a request has
 *      the key
 *   3. the requests of certificates whose name the leaf does not carry, then their configured keys
 */
#ifndef ECERT_FLOW_MATCH_H
#define ECERT_FLOW_MATCH_H

#include "core/flow/context.h"
#include "core/flow/decode.h"

/* What is looked for, gathered once per file; borrowed. */
struct ecert_candidate {
    const struct ecert_decoded *decoded;
    X509 *leaf;
    uint8_t key_id[ECERT_SHA256_LEN];
};

/* Does the file carry the leaf's key?  Its index, or -1. */
int ecert_candidate_carried_key(const struct ecert_candidate *candidate);

struct ecert_match {
    const struct ecert_certificate_config *certificate;
    struct ecert_request *request; /* of the context; NULL: none has this key */
    bool answers; /* false: none, or the request uses the key of an earlier certificate again, and
                     this is such an earlier one: here before the request was made, in whatever
                     generation, or valid from more than two days before that on */
};

/*
 * `only` (may be NULL): look at this certificate alone.  ECERT_E_NOT_FOUND: nobody's; the text says
 * which names it has, and which requests wait for a certificate of these names; ECERT_E_CONFIG: the
 * same, but something could not be read that may be the one, or it answers a pending request whose
 * certificate has no entry any more (requests_left.h); ECERT_E_REFUSED: two share the key.
 * Notes (a key that others can read) go to ret_notes.
 */
ECERT_MUST_CHECK enum ecert_status ecert_match_find(struct ecert_context *context,
                                                    const struct ecert_candidate *candidate,
                                                    const char *only, struct ecert_match *ret,
                                                    struct ecert_strings *ret_notes,
                                                    struct ecert_error *err);

/*
 * A file that is no certificate: is it the CSR of one of the requests?  ECERT_E_REFUSED, and the
 * text says of which; ECERT_OK: it is not.
 */
ECERT_MUST_CHECK enum ecert_status ecert_match_csr(struct ecert_context *context,
                                                   struct ecert_view file, struct ecert_error *err);

#endif
