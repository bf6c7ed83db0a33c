/*
 * What the steps of one run share: the configuration, the network half, and what was loaded once
 * (authorities with their CRLs, the identities of the configured keys).
 *
 * One owner, one thread.  Private keys are never kept here: a key is read when it is needed and
 * wiped at once; only the SHA-256 of its public key stays.
 */
#ifndef ECERT_FLOW_CONTEXT_H
#define ECERT_FLOW_CONTEXT_H

#include "core/flow/chain.h"
#include "core/flow/config.h"
#include "core/flow/requests.h"

struct ecert_context_authority {
    struct ecert_authority authority;
    struct ecert_crls crls;
    bool has_crls;
    int64_t crls_max_age; /* how old a copy was allowed to be when they were got */
};

struct ecert_context_key {
    bool known;
    uint8_t id[ECERT_SHA256_LEN];
};

struct ecert_context_requests {
    bool known;
    struct ecert_requests requests;
};

struct ecert_context {
    const struct ecert_config *config; /* borrowed */
    struct ecert_network network;
    struct ecert_context_authority *authorities;
    size_t n_authorities;
    struct ecert_context_key *keys;          /* one per certificate of the configuration */
    struct ecert_context_requests *requests; /* likewise; NULL: none was asked for yet */
    struct ecert_strings silent;             /* servers that did not answer, silent.h */
};

/*
 * `goes_on`: a network half that cannot be used (it is missing, or others may write it) is no error
 * here, but told by each request: what is on disk can be looked at without it.
 */
ECERT_MUST_CHECK enum ecert_status ecert_context_init(struct ecert_context *context,
                                                      const struct ecert_config *config,
                                                      bool goes_on, struct ecert_error *err);
void ecert_context_clear(struct ecert_context *context);

/*
 * The authority of a certificate, loaded on first use.  *ret is borrowed and stays valid until the
 * next call.  Mistakes of the profile are joined into the error's text.
 */
ECERT_MUST_CHECK enum ecert_status ecert_context_authority(struct ecert_context *context,
                                                           const char *id,
                                                           const struct ecert_authority **ret,
                                                           struct ecert_error *err);

/*
 * Its CRLs, borrowed likewise: got on first use (ecert_crls_get), and once more if a smaller
 * max_age is wanted later, so that an address is asked twice in a run at most.
 */
ECERT_MUST_CHECK enum ecert_status ecert_context_crls(struct ecert_context *context, const char *id,
                                                      int64_t max_age,
                                                      const struct ecert_crls **ret,
                                                      struct ecert_error *err);

/*
 * The SHA-256 of the public key of a certificate's configured key file, read on first use.
 * Notes (a key that others can read) go to ret_notes on that occasion.
 */
ECERT_MUST_CHECK enum ecert_status ecert_context_key_id(
    struct ecert_context *context, const struct ecert_certificate_config *certificate,
    const uint8_t **ret, struct ecert_strings *ret_notes, struct ecert_error *err);

/*
 * The requests of a certificate of the configuration, loaded on first use; borrowed.  Whoever saves
 * one of them changes it here too.  A folder that could not be read is tried again next time.
 */
ECERT_MUST_CHECK enum ecert_status ecert_context_requests(
    struct ecert_context *context, const struct ecert_certificate_config *certificate,
    struct ecert_requests **ret, struct ecert_error *err);

#endif
