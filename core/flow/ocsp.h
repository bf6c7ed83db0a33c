/*
 * OCSP (RFC 6960): what a responder of the authority says of one certificate, now.
 *
 * Asked are the addresses of the profile (`ocsp`), never one out of a certificate, and only while
 * the profile's `hosts` list them.  They are plain http: an answer is believed for its signature,
 * which is the issuer's, or that of a responder whose certificate the same issuer signed for this
 * purpose (extended key usage OCSPSigning, RFC 6960, 4.2.2.2).  Whether that certificate is revoked
 * itself is not asked: there would be no end to it.
 *
 * An answer counts from thisUpdate to nextUpdate, with five minutes for clocks that differ; one
 * without nextUpdate counts for those five minutes only.  Every question has a nonce.  Responders
 * that sign ahead of time leave it out of the answer, which is accepted; another nonce is not.
 *
 * An answer is decoded in a limited child first, like every file from outside (decode.h).
 */
#ifndef ECERT_FLOW_OCSP_H
#define ECERT_FLOW_OCSP_H

#include "core/flow/chain.h"

struct ecert_ocsp_answer {
    enum ecert_revocation revoked; /* UNKNOWN: the responder says that it does not know it */
    int64_t revoked_at;            /* of YES: when; else 0 */
    const char *reason;            /* of YES: "keyCompromise", ... (static); NULL: not given */
    int64_t this_update;
    int64_t next_update; /* 0: not given */
};

/*
 * Ask one address after the other until one of them gives an answer that is believed.  `issuer` is
 * the leaf's, as the chain has it.
 *
 * ECERT_E_NOT_FOUND: the profile names no responder.  Else the failure of the last address, which
 * the text names: ECERT_E_NETWORK, ECERT_E_TIMEOUT: not reached, or it declined to answer
 * ("trylater", "unauthorized"); ECERT_E_REFUSED: its host is not listed, the answer is too large,
 * its decoding was stopped, or it is not in date; ECERT_E_CRYPTO: the answer is none, or is about
 * another certificate, or its signature or nonce is wrong; also when `issuer` did not issue `leaf`.
 */
ECERT_MUST_CHECK enum ecert_status ecert_ocsp_ask(const struct ecert_authority *authority,
                                                  struct ecert_network *network, X509 *leaf,
                                                  X509 *issuer, struct ecert_ocsp_answer *ret,
                                                  struct ecert_error *err);

#endif
