#include "core/flow/chain.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/chain_parts.h"

#define ROUNDS_MAX 24
#define STEPS_MAX  2000 /* signatures looked at; a pool made to be slow is given up */

/* ---- certificates ---- */

bool ecert_chain_is_issuer(X509 *issuer, X509 *subject)
{
    bool good = X509_check_issued(issuer, subject) == X509_V_OK &&
                ecert_certificate_is_ca(issuer) &&
                X509_verify(subject, X509_get0_pubkey(issuer)) == 1;

    ERR_clear_error(); /* "no" is an answer here, not an error */
    return good;
}

bool ecert_chain_in_date(const X509 *certificate, int64_t now)
{
    return ecert_certificate_not_before(certificate) <= now &&
           now <= ecert_certificate_not_after(certificate);
}

enum ecert_status ecert_chain_issuer_name(const X509 *certificate, char **ret,
                                          struct ecert_error *err)
{
    const X509_NAME *name = X509_get_issuer_name(certificate);
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *text = NULL;

    if (at < 0)
        return ecert_text_copy((struct ecert_view){0}, ret, err);
    const int len =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (len < 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "read the name of an issuer");
    const enum ecert_status status =
        ecert_text_copy((struct ecert_view){text, (size_t)len}, ret, err);
    OPENSSL_free(text);
    return status;
}

static X509 *issuing_anchor(const struct ecert_authority *authority, X509 *certificate)
{
    const int64_t now = ecert_clock_now();

    for (int i = 0; i < sk_X509_num(authority->anchors); i++) {
        X509 *anchor = sk_X509_value(authority->anchors, i);
        if (ecert_chain_in_date(anchor, now) && ecert_chain_is_issuer(anchor, certificate))
            return anchor;
    }
    return NULL;
}

static bool is_anchor(const struct ecert_authority *authority, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(authority->anchors); i++) {
        if (ecert_certificate_equal(sk_X509_value(authority->anchors, i), certificate))
            return true;
    }
    return false;
}

/* ---- the search ---- */

/* Pinned first, then those in date, then the latest. */
static bool is_better(const struct ecert_chain_candidate *a, const struct ecert_chain_candidate *b)
{
    const int64_t now = ecert_clock_now();
    const bool a_in_date = ecert_chain_in_date(a->certificate, now);

    if (a->pinned != b->pinned)
        return a->pinned;
    if (a_in_date != ecert_chain_in_date(b->certificate, now))
        return a_in_date;
    return ecert_certificate_not_before(a->certificate) >
           ecert_certificate_not_before(b->certificate);
}

/* Is this CA on the path already, in this or another certificate for the same name and key? */
static bool is_on_path(const struct ecert_chain_search *search, X509 *certificate)
{
    for (size_t i = 0; i < search->n_path; i++) {
        X509 *member = search->candidates[search->path[i]].certificate;
        if (X509_NAME_cmp(X509_get_subject_name(member), X509_get_subject_name(certificate)) == 0 &&
            EVP_PKEY_eq(X509_get0_pubkey(member), X509_get0_pubkey(certificate)) == 1)
            return true;
    }
    return false;
}

/* Those of the pool that issued `current`, the best first; their number is returned. */
static size_t find_issuers(struct ecert_chain_search *search, X509 *current,
                           size_t ret[ECERT_CHAIN_POOL])
{
    size_t n = 0;

    for (size_t i = 0; i < search->n; i++) {
        const struct ecert_chain_candidate *candidate = &search->candidates[i];

        if (X509_NAME_cmp(X509_get_subject_name(candidate->certificate),
                          X509_get_issuer_name(current)) != 0 ||
            search->steps++ > STEPS_MAX ||
            !ecert_chain_is_issuer(candidate->certificate, current) ||
            is_on_path(search, candidate->certificate))
            continue;
        size_t at = n++;
        for (; at > 0 && is_better(candidate, &search->candidates[ret[at - 1]]); at--)
            ret[at] = ret[at - 1];
        ret[at] = i;
    }
    return n;
}

/* What can be said of a candidate before its own issuer is known. */
static enum ecert_chain_verdict judge_alone(const struct ecert_chain_search *search,
                                            const struct ecert_chain_candidate *candidate)
{
    if (ecert_authority_known_revoked(search->request->authority, candidate->certificate) != NULL)
        return ECERT_CHAIN_REVOKED;
    if (!ecert_chain_in_date(candidate->certificate, ecert_clock_now()))
        return ECERT_CHAIN_OUT_OF_DATE;
    if (!search->by_signature && !candidate->pinned && candidate->entry != NULL &&
        candidate->entry->sha256 != NULL)
        return ECERT_CHAIN_NOT_PINNED;
    if (ecert_certificate_is_self_signed(candidate->certificate))
        return ECERT_CHAIN_NO_ANCHOR; /* a root, and none of ours: the anchors were asked first */
    return ECERT_CHAIN_TAKEN;
}

/*
 * And once it is known.  A pinned one is refused only if the CRL lists it.  Any other needs a CRL
 * that does not, wherever the profile names CRLs; where it takes the place of a pinned one, its
 * issuer must be an anchor itself.
 */
static enum ecert_chain_verdict judge_by_issuer(const struct ecert_chain_search *search,
                                                const struct ecert_chain_candidate *candidate,
                                                X509 *issuer)
{
    const struct ecert_authority *authority = search->request->authority;

    switch (ecert_crls_look_up(search->request->crls, candidate->certificate, issuer)) {
    case ECERT_REVOKED_YES:
        return ECERT_CHAIN_REVOKED;
    case ECERT_REVOKED_UNKNOWN:
        if (!candidate->pinned && (authority->crls.len > 0 ||
                                   (candidate->entry != NULL && candidate->entry->sha256 != NULL)))
            return ECERT_CHAIN_NO_CRL;
        break;
    case ECERT_REVOKED_NO:
        break;
    }
    if (!candidate->pinned && candidate->entry != NULL && candidate->entry->sha256 != NULL &&
        !is_anchor(authority, issuer))
        return ECERT_CHAIN_NOT_PINNED;
    return ECERT_CHAIN_TAKEN;
}

/* A path from `current` to an anchor, in depth first.  On false the path is as it was. */
static bool extend(struct ecert_chain_search *search, X509 *current)
{
    size_t issuers[ECERT_CHAIN_POOL];
    const size_t depth = search->n_path;

    search->anchor = issuing_anchor(search->request->authority, current);
    if (search->anchor != NULL)
        return true;
    const size_t n = depth < ECERT_CHAIN_DEPTH ? find_issuers(search, current, issuers) : 0;
    for (size_t i = 0; i < n; i++) {
        struct ecert_chain_candidate *candidate = &search->candidates[issuers[i]];

        candidate->verdict = judge_alone(search, candidate);
        if (candidate->verdict != ECERT_CHAIN_TAKEN)
            continue;
        search->path[search->n_path++] = issuers[i];
        if (extend(search, candidate->certificate)) {
            X509 *issuer = search->n_path > depth + 1
                               ? search->candidates[search->path[depth + 1]].certificate
                               : search->anchor;
            candidate->verdict = judge_by_issuer(search, candidate, issuer);
            if (candidate->verdict == ECERT_CHAIN_TAKEN)
                return true;
        } else {
            candidate->verdict = ECERT_CHAIN_NO_ANCHOR;
        }
        search->n_path = depth;
    }
    search->anchor = NULL;
    if (search->n_stuck < ECERT_CHAIN_STUCK)
        search->stuck[search->n_stuck++] = current;
    return false;
}

static bool look(struct ecert_chain_search *search)
{
    for (size_t i = 0; i < search->n; i++)
        search->candidates[i].verdict = ECERT_CHAIN_NOT_TRIED;
    search->n_path = 0;
    search->n_stuck = 0;
    search->steps = 0;
    return extend(search, search->request->leaf);
}

/* ---- where to look next ---- */

/* The profile's addresses for whoever issued `certificate`. */
static enum ecert_status ask_profile(struct ecert_chain_search *search, const X509 *certificate,
                                     struct ecert_error *err)
{
    const struct ecert_authority *authority = search->request->authority;
    ECERT_AUTO(ecert_auto_free) char *name = NULL;

    ECERT_TRY(ecert_chain_issuer_name(certificate, &name, err));
    for (size_t i = 0; i < authority->n_intermediates; i++) {
        const struct ecert_authority_intermediate *entry = &authority->intermediates[i];
        if (entry->url != NULL && strcmp(entry->subject, name) == 0)
            ECERT_TRY(ecert_chain_pool_fetch(search, entry->url, false, err));
    }
    return ECERT_OK;
}

typedef enum ecert_status ask_fn(struct ecert_chain_search *search, const X509 *certificate,
                                 struct ecert_error *err);

/* Ask on behalf of every certificate whose issuer is missing. */
static enum ecert_status ask_for_all(struct ecert_chain_search *search, ask_fn *ask,
                                     struct ecert_error *err)
{
    for (size_t i = 0; i < search->n_stuck; i++)
        ECERT_TRY(ask(search, search->stuck[i], err));
    return ECERT_OK;
}

/* One step wider; *ret_more is false when there is nowhere left to look. */
static enum ecert_status widen(struct ecert_chain_search *search, bool *ret_more,
                               struct ecert_error *err)
{
    const size_t before = search->n;

    *ret_more = true;
    ECERT_TRY(ask_for_all(search, ask_profile, err));
    if (search->n > before)
        return ECERT_OK;
    ECERT_TRY(ecert_chain_pool_scan_cache(search, err));
    if (search->n > before)
        return ECERT_OK;
    ECERT_TRY(ask_for_all(search, ecert_chain_pool_fetch_issuers, err));
    if (search->n > before)
        return ECERT_OK;
    *ret_more = !search->by_signature;
    search->by_signature = true; /* the pinned one is not to be had anywhere */
    return ECERT_OK;
}

/* What needs no network: the pinned ones of the cache, and what we were given. */
static enum ecert_status fill_pool(struct ecert_chain_search *search, struct ecert_error *err)
{
    const struct ecert_chain_request *request = search->request;

    for (size_t i = 0; i < request->authority->n_intermediates; i++) {
        if (request->authority->intermediates[i].sha256 != NULL)
            ECERT_TRY(ecert_chain_pool_add_cached(
                search, request->authority->intermediates[i].sha256, err));
    }
    ECERT_TRY(ecert_chain_pool_add_all(search, request->operator_file, ECERT_CHAIN_FROM_OPERATOR,
                                       NULL, err));
    return ecert_chain_pool_add_all(search, request->offered, ECERT_CHAIN_FROM_ISSUED, NULL, err);
}

static enum ecert_status find_path(struct ecert_chain_search *search, struct ecert_error *err)
{
    bool more = true;

    ECERT_TRY(fill_pool(search, err));
    for (unsigned round = 0; round < ROUNDS_MAX && more; round++) {
        if (look(search))
            return ECERT_OK;
        ECERT_TRY(widen(search, &more, err));
    }
    return ecert_chain_explain(search, err);
}

/* ---- the result ---- */

static enum ecert_status collect(struct ecert_chain_search *search, STACK_OF(X509) *chain,
                                 struct ecert_error *err)
{
    for (size_t i = 0; i < search->n_path; i++) {
        const struct ecert_chain_candidate *member = &search->candidates[search->path[i]];

        if (sk_X509_push(chain, member->certificate) <= 0)
            return ecert_error_nomem(err);
        (void)X509_up_ref(member->certificate);
        /* also the pinned one that came with the issued file: the next one may come alone */
        if (member->origin == ECERT_CHAIN_FROM_ADDRESS ||
            (member->pinned && member->origin != ECERT_CHAIN_FROM_CACHE))
            ECERT_TRY(ecert_chain_pool_keep(search, member->certificate, err));
    }
    ECERT_TRY(ecert_chain_note(search, err));
    if (search->request->cross_certificate)
        ECERT_TRY(ecert_chain_add_cross(search, chain, err));
    return ECERT_OK;
}

enum ecert_status ecert_chain_build(const struct ecert_chain_request *request,
                                    const struct ecert_chain_sources *sources,
                                    STACK_OF(X509) **ret_chain, X509 **ret_anchor,
                                    struct ecert_strings *ret_notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_chain_search_clear)
    struct ecert_chain_search search = {.request = request, .sources = sources};
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *chain = sk_X509_new_null();

    if (chain == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(find_path(&search, err));
    X509 *anchor = search.anchor;
    ECERT_TRY(collect(&search, chain, err));
    ECERT_TRY(ecert_strings_add_all(ret_notes, ecert_strings_array(&search.notes), err));
    (void)X509_up_ref(anchor);
    *ret_anchor = anchor;
    *ret_chain = chain;
    chain = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_chain_find_anchor(const struct ecert_authority *authority, X509 *leaf,
                                          STACK_OF(X509) *chain, X509 **ret,
                                          struct ecert_error *err)
{
    X509 *current = leaf;
    X509 *anchor = issuing_anchor(authority, current);

    (void)err; /* finding nothing is no error, and nothing is allocated */
    for (int i = 0; anchor == NULL && i < sk_X509_num(chain); i++) {
        X509 *next = sk_X509_value(chain, i);
        if (!ecert_chain_is_issuer(next, current))
            return ECERT_OK;
        current = next;
        anchor = issuing_anchor(authority, current);
    }
    if (anchor == NULL)
        return ECERT_OK;
    (void)X509_up_ref(anchor);
    *ret = anchor;
    return ECERT_OK;
}
