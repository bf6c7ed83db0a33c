#include <openssl/evp.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/chain_parts.h"

/* The anchor's name and key, certified by somebody else. */
static bool is_for(const X509 *certificate, const X509 *anchor)
{
    return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_subject_name(anchor)) == 0 &&
           EVP_PKEY_eq(X509_get0_pubkey(certificate), X509_get0_pubkey(anchor)) == 1 &&
           !ecert_certificate_equal(certificate, anchor) &&
           !ecert_certificate_is_self_signed(certificate);
}

static bool is_pinned(const struct ecert_authority *authority, const X509 *certificate)
{
    char sha256[ECERT_SHA256_HEX_LEN];

    ecert_certificate_sha256(certificate, sha256);
    for (size_t i = 0; i < authority->n_cross_certificates; i++) {
        const char *pin = authority->cross_certificates[i].sha256;
        if (pin != NULL && strcmp(pin, sha256) == 0)
            return true;
    }
    return false;
}

/*
 * By its pin, or by the signature of another anchor.  In both cases not if a CRL of that anchor
 * lists it, or the profile knows it as revoked.
 */
static bool is_believed(const struct ecert_chain_search *search, X509 *certificate)
{
    const struct ecert_authority *authority = search->request->authority;
    bool believed = is_pinned(authority, certificate);

    if (ecert_authority_known_revoked(authority, certificate) != NULL)
        return false;
    for (int i = 0; i < sk_X509_num(authority->anchors); i++) {
        X509 *anchor = sk_X509_value(authority->anchors, i);
        if (anchor == search->anchor || !ecert_chain_is_issuer(anchor, certificate))
            continue;
        if (ecert_crls_look_up(search->request->crls, certificate, anchor) == ECERT_REVOKED_YES)
            return false;
        believed = true;
    }
    return believed;
}

/* The best of the pool that is believed, in date or not; those in date first.  NULL: none. */
static struct ecert_chain_candidate *best(const struct ecert_chain_search *search)
{
    struct ecert_chain_candidate *found = NULL;
    const int64_t now = ecert_clock_now();

    for (size_t i = 0; i < search->n; i++) {
        struct ecert_chain_candidate *candidate = &search->candidates[i];

        if (!is_for(candidate->certificate, search->anchor) ||
            !is_believed(search, candidate->certificate))
            continue;
        if (found == NULL || (!ecert_chain_in_date(found->certificate, now) &&
                              ecert_chain_in_date(candidate->certificate, now)))
            found = candidate;
    }
    return found;
}

/* Cache first; an address is asked only while nothing believable is in the pool. */
static enum ecert_status gather(struct ecert_chain_search *search, struct ecert_error *err)
{
    const struct ecert_authority *authority = search->request->authority;

    for (size_t i = 0; i < authority->n_cross_certificates; i++) {
        if (authority->cross_certificates[i].sha256 != NULL)
            ECERT_TRY(
                ecert_chain_pool_add_cached(search, authority->cross_certificates[i].sha256, err));
    }
    for (size_t i = 0; i < authority->n_cross_certificates && best(search) == NULL; i++)
        ECERT_TRY(ecert_chain_pool_fetch(search, authority->cross_certificates[i].url, false, err));
    if (best(search) == NULL) /* one without a pin may have been kept in an earlier run */
        return ecert_chain_pool_scan_cache(search, err);
    return ECERT_OK;
}

static enum ecert_status note_absent(struct ecert_chain_search *search, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    const size_t n = search->failures.len;

    ECERT_TRY(ecert_certificate_title(search->anchor, &title, err));
    return ecert_strings_printf(&search->notes, err,
                                "no cross-certificate of '%s' that can be believed is to be had, "
                                "it was left out (only old clients need it)%s%s",
                                title, n > 0 ? ": " : "",
                                n > 0 ? search->failures.items[n - 1] : "");
}

static enum ecert_status note_dates(struct ecert_chain_search *search, const X509 *certificate,
                                    struct ecert_error *err)
{
    char serial[ECERT_SERIAL_HEX_LEN];
    char from[ECERT_TIME_TEXT_LEN], until[ECERT_TIME_TEXT_LEN];

    ecert_certificate_serial(certificate, serial);
    ecert_clock_text(ecert_certificate_not_before(certificate), from);
    ecert_clock_text(ecert_certificate_not_after(certificate), until);
    return ecert_strings_printf(&search->notes, err,
                                "the cross-certificate with serial %s is valid from %s to %s only; "
                                "it was left out (only old clients need it)",
                                serial, from, until);
}

enum ecert_status ecert_chain_add_cross(struct ecert_chain_search *search, STACK_OF(X509) *chain,
                                        struct ecert_error *err)
{
    if (search->request->authority->n_cross_certificates == 0)
        return ECERT_OK;
    ECERT_TRY(gather(search, err));
    const struct ecert_chain_candidate *cross = best(search);
    if (cross == NULL)
        return note_absent(search, err);
    if (!ecert_chain_in_date(cross->certificate, ecert_clock_now()))
        return note_dates(search, cross->certificate, err);
    if (sk_X509_push(chain, cross->certificate) <= 0)
        return ecert_error_nomem(err);
    (void)X509_up_ref(cross->certificate);
    if (cross->origin == ECERT_CHAIN_FROM_ADDRESS)
        return ecert_chain_pool_keep(search, cross->certificate, err);
    return ECERT_OK;
}
