/*
 * The parts of chain building: the pool of certificates that might be issuers (chain_pool.c), the
 * search through it (chain.c), and the cross-certificate (chain_cross.c).  Only these and their
 * tests include this header.
 *
 * The pool only grows during one search.  Being in it means nothing: a candidate is believed by
 * the search, never by where it came from.
 */
#ifndef ECERT_FLOW_CHAIN_PARTS_H
#define ECERT_FLOW_CHAIN_PARTS_H

#include "core/flow/chain.h"

#define ECERT_CHAIN_DEPTH 8 /* issuers between a leaf and its root; public CAs need one or two */
#define ECERT_CHAIN_POOL                                                    \
    256 /* candidates: an issued file full of certificates must not stop us \
         */
#define ECERT_CHAIN_STUCK 16

enum ecert_chain_origin {
    ECERT_CHAIN_FROM_CACHE,
    ECERT_CHAIN_FROM_OPERATOR,
    ECERT_CHAIN_FROM_ISSUED,
    ECERT_CHAIN_FROM_ADDRESS,
};

/* Why a candidate was not taken, as far as the search has found out. */
enum ecert_chain_verdict {
    ECERT_CHAIN_NOT_TRIED,
    ECERT_CHAIN_TAKEN,
    ECERT_CHAIN_REVOKED, /* on the profile's list or on a CRL */
    ECERT_CHAIN_OUT_OF_DATE,
    ECERT_CHAIN_NOT_PINNED, /* a pin exists, this is another certificate */
    ECERT_CHAIN_NO_CRL,     /* not pinned, and no CRL says that it is not revoked */
    ECERT_CHAIN_NO_ANCHOR,  /* leads to no anchor */
};

struct ecert_chain_candidate {
    X509 *certificate; /* owned */
    enum ecert_chain_origin origin;
    char *url;                                        /* FROM_ADDRESS; NULL else */
    const struct ecert_authority_intermediate *entry; /* of the profile, by pin, list or name */
    bool pinned;
    enum ecert_chain_verdict verdict;
};

struct ecert_chain_search {
    const struct ecert_chain_request *request;
    const struct ecert_chain_sources *sources;
    struct ecert_chain_candidate *candidates;
    size_t n;
    struct ecert_strings asked;    /* addresses: each is asked once */
    struct ecert_strings failures; /* one sentence per address that did not answer usefully */
    bool unreachable;              /* one of them may answer another day */
    bool profile_unreachable; /* and it is one of the profile's, not one out of a certificate */
    bool scanned;             /* the whole cache is in the pool */
    bool by_signature;        /* candidates that are not the pinned ones count too */
    struct ecert_strings notes;

    size_t path[ECERT_CHAIN_DEPTH]; /* indices of candidates, the leaf's issuer first */
    size_t n_path;
    X509 *anchor; /* borrowed from the authority */
    unsigned steps;
    X509 *stuck[ECERT_CHAIN_STUCK]; /* borrowed: certificates whose issuer was not found */
    size_t n_stuck;
};

void ecert_chain_search_clear(struct ecert_chain_search *search);

/* ---- chain_pool.c ---- */

/* Put a copy (reference) of a certificate into the pool, once.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_pool_add(struct ecert_chain_search *search,
                                                        X509 *certificate,
                                                        enum ecert_chain_origin origin,
                                                        const char *url, struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_chain_pool_add_all(struct ecert_chain_search *search,
                                                            STACK_OF(X509) *certificates,
                                                            enum ecert_chain_origin origin,
                                                            const char *url,
                                                            struct ecert_error *err);

/* The cached copy of this SHA-256, if there is one whose content has that hash. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_pool_add_cached(struct ecert_chain_search *search,
                                                               const char *sha256,
                                                               struct ecert_error *err);

/* Everything in the cache.  Does it once. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_pool_scan_cache(struct ecert_chain_search *search,
                                                               struct ecert_error *err);

/*
 * What an address serves.  Asked once per search; a failure is a sentence in `failures`, not an
 * error.  `public_only`: the address came out of a certificate.
 */
ECERT_MUST_CHECK enum ecert_status ecert_chain_pool_fetch(struct ecert_chain_search *search,
                                                          const char *url, bool public_only,
                                                          struct ecert_error *err);

/* The caIssuers addresses of a certificate whose host is one of the profile's: fetch them all. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_pool_fetch_issuers(struct ecert_chain_search *search,
                                                                  const X509 *certificate,
                                                                  struct ecert_error *err);

/* Keep a certificate that was believed.  A cache that cannot be written is a note. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_pool_keep(struct ecert_chain_search *search,
                                                         const X509 *certificate,
                                                         struct ecert_error *err);

/* "from the issued file", "from 'http://...'": for sentences. */
void ecert_chain_origin_words(const struct ecert_chain_candidate *candidate, char *ret,
                              size_t size);

/* ---- chain.c ---- */

/* The common name of the issuer field, "" if absent. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_issuer_name(const X509 *certificate, char **ret,
                                                           struct ecert_error *err);

/* ---- chain_explain.c ---- */

/* Why the search found nothing: fills in err and returns its status. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_explain(const struct ecert_chain_search *search,
                                                       struct ecert_error *err);

/* Notes on a chain that was found: what it replaced, and what was believed without its pin. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_note(struct ecert_chain_search *search,
                                                    struct ecert_error *err);

/* ---- chain_cross.c ---- */

/* Append the cross-certificate of the anchor that was found, or a note why there is none. */
ECERT_MUST_CHECK enum ecert_status ecert_chain_add_cross(struct ecert_chain_search *search,
                                                         STACK_OF(X509) *chain,
                                                         struct ecert_error *err);

#endif
