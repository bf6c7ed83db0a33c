#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/chain_parts.h"

#define WHERE_MAX 512

/* "A; B", cut to what an error's text holds anyway. */
static enum ecert_status join(const struct ecert_strings *sentences, struct ecert_buffer *out,
                              struct ecert_error *err)
{
    for (size_t i = 0; i < sentences->len; i++)
        ecert_buffer_printf(out, "%s%s", i > 0 ? "; " : "", sentences->items[i]);
    ecert_buffer_add_text(out, "");
    return out->failed ? ecert_error_nomem(err) : ECERT_OK;
}

static const struct ecert_chain_candidate *first_with(const struct ecert_chain_search *search,
                                                      enum ecert_chain_verdict verdict)
{
    for (size_t i = 0; i < search->n; i++) {
        if (search->candidates[i].verdict == verdict)
            return &search->candidates[i];
    }
    return NULL;
}

/* What is known of the current certificate of an entry without having it. */
static enum ecert_status describe_current(const struct ecert_authority_intermediate *entry,
                                          struct ecert_buffer *out, struct ecert_error *err)
{
    if (entry == NULL || (entry->serial == NULL && entry->sha256 == NULL))
        ecert_buffer_add_text(out, "the current one is not known to the authority's profile");
    else if (entry->serial == NULL)
        ecert_buffer_printf(out, "the current one has SHA-256 %s", entry->sha256);
    else
        ecert_buffer_printf(out, "the current one has serial %s", entry->serial);
    return out->failed ? ecert_error_nomem(err) : ECERT_OK;
}

static enum ecert_status explain_revoked(const struct ecert_chain_search *search,
                                         const struct ecert_chain_candidate *revoked,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer current = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer failures = {0};
    char serial[ECERT_SERIAL_HEX_LEN], where[WHERE_MAX];

    ECERT_TRY(ecert_certificate_title(revoked->certificate, &title, err));
    ECERT_TRY(describe_current(revoked->entry, &current, err));
    ECERT_TRY(join(&search->failures, &failures, err));
    ecert_certificate_serial(revoked->certificate, serial);
    ecert_chain_origin_words(revoked, where, sizeof where);
    if (revoked->pinned)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the issuer '%s' with serial %s (%s) is on the CRL of its issuer, "
                               "though the profile of the authority '%s' pins it as the current "
                               "one; update the profile",
                               title, serial, where, search->request->authority->id);
    return ecert_error_set(
        err, search->profile_unreachable ? ECERT_E_NETWORK : ECERT_E_REFUSED,
        "the issuer '%s' with serial %s (%s) is revoked and is not installed; %s, and it was not "
        "found%s%s; put it into the certificate's chain_file, or let the authority's addresses be "
        "reached",
        title, serial, where, (const char *)current.ptr, failures.len > 0 ? ": " : "",
        failures.len > 0 ? (const char *)failures.ptr : "");
}

static enum ecert_status explain_no_crl(const struct ecert_chain_search *search,
                                        const struct ecert_chain_candidate *candidate,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer problems = {0};
    char serial[ECERT_SERIAL_HEX_LEN], where[WHERE_MAX];

    ECERT_TRY(ecert_certificate_title(candidate->certificate, &title, err));
    if (search->request->crls != NULL)
        ECERT_TRY(join(&search->request->crls->problems, &problems, err));
    ecert_certificate_serial(candidate->certificate, serial);
    ecert_chain_origin_words(candidate, where, sizeof where);
    /* NETWORK: when the CRL is to be had again, the same file will do */
    return ecert_error_set(err, ECERT_E_NETWORK,
                           "the issuer '%s' with serial %s (%s) is not pinned, and no CRL in date "
                           "says that it is not revoked%s%s",
                           title, serial, where, problems.len > 0 ? ": " : "",
                           problems.len > 0 ? (const char *)problems.ptr : "");
}

static enum ecert_status explain_dates(const struct ecert_chain_candidate *candidate,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    char serial[ECERT_SERIAL_HEX_LEN], where[WHERE_MAX];
    char from[ECERT_TIME_TEXT_LEN], until[ECERT_TIME_TEXT_LEN];

    ECERT_TRY(ecert_certificate_title(candidate->certificate, &title, err));
    ecert_certificate_serial(candidate->certificate, serial);
    ecert_chain_origin_words(candidate, where, sizeof where);
    ecert_clock_text(ecert_certificate_not_before(candidate->certificate), from);
    ecert_clock_text(ecert_certificate_not_after(candidate->certificate), until);
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "the issuer '%s' with serial %s (%s) is valid from %s to %s only, and "
                           "no other is to be had; ask the CA for the current one",
                           title, serial, where, from, until);
}

static enum ecert_status explain_missing(const struct ecert_chain_search *search,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *title = NULL;
    ECERT_AUTO(ecert_auto_free) char *issuer = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer asked = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer failures = {0};
    X509 *stuck = search->n_stuck > 0 ? search->stuck[0] : search->request->leaf;

    ECERT_TRY(ecert_certificate_title(stuck, &title, err));
    ECERT_TRY(ecert_chain_issuer_name(stuck, &issuer, err));
    for (size_t i = 0; i < search->asked.len; i++)
        ecert_buffer_printf(&asked, ", '%s'", search->asked.items[i]);
    ecert_buffer_add_text(&asked, "");
    ECERT_TRY(join(&search->failures, &failures, err));
    if (asked.failed)
        return ecert_error_nomem(err);
    if (ecert_certificate_is_self_signed(stuck))
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "'%s' is self-signed, and it is no anchor of the authority '%s'",
                               title, search->request->authority->id);
    return ecert_error_set(
        err, search->unreachable ? ECERT_E_NETWORK : ECERT_E_CRYPTO,
        "the issuer '%s' of '%s' is missing: it is no anchor of the authority '%s', and none that "
        "leads to an anchor was found in the chain_file, the issued file, the cache%s%s%s",
        issuer, title, search->request->authority->id, asked.len > 0 ? (const char *)asked.ptr : "",
        failures.len > 0 ? ": " : "", failures.len > 0 ? (const char *)failures.ptr : "");
}

enum ecert_status ecert_chain_explain(const struct ecert_chain_search *search,
                                      struct ecert_error *err)
{
    const struct ecert_chain_candidate *candidate = first_with(search, ECERT_CHAIN_REVOKED);

    if (candidate != NULL)
        return explain_revoked(search, candidate, err);
    candidate = first_with(search, ECERT_CHAIN_NO_CRL);
    if (candidate != NULL)
        return explain_no_crl(search, candidate, err);
    candidate = first_with(search, ECERT_CHAIN_OUT_OF_DATE);
    if (candidate != NULL)
        return explain_dates(candidate, err);
    return explain_missing(search, err);
}

/* ---- notes on a chain that was found ---- */

static bool is_revoked(const struct ecert_chain_search *search,
                       const struct ecert_chain_candidate *candidate, X509 *issuer)
{
    return ecert_authority_known_revoked(search->request->authority, candidate->certificate) !=
               NULL ||
           (ecert_chain_is_issuer(issuer, candidate->certificate) &&
            ecert_crls_look_up(search->request->crls, candidate->certificate, issuer) ==
                ECERT_REVOKED_YES);
}

/* Revoked certificates of the same name that somebody offered instead of this member. */
static enum ecert_status note_replaced(struct ecert_chain_search *search,
                                       const struct ecert_chain_candidate *member, X509 *issuer,
                                       const char *title, struct ecert_error *err)
{
    char good[ECERT_SERIAL_HEX_LEN], bad[ECERT_SERIAL_HEX_LEN], where[WHERE_MAX];

    ecert_certificate_serial(member->certificate, good);
    for (size_t i = 0; i < search->n; i++) {
        const struct ecert_chain_candidate *other = &search->candidates[i];

        if (other == member ||
            X509_NAME_cmp(X509_get_subject_name(other->certificate),
                          X509_get_subject_name(member->certificate)) != 0 ||
            !is_revoked(search, other, issuer))
            continue;
        ecert_certificate_serial(other->certificate, bad);
        ecert_chain_origin_words(other, where, sizeof where);
        ECERT_TRY(ecert_strings_printf(&search->notes, err,
                                       "the revoked '%s' with serial %s (%s) was replaced by the "
                                       "current one with serial %s",
                                       title, bad, where, good));
    }
    return ECERT_OK;
}

static enum ecert_status note_not_pinned(struct ecert_chain_search *search,
                                         const struct ecert_chain_candidate *member,
                                         const char *title, struct ecert_error *err)
{
    char serial[ECERT_SERIAL_HEX_LEN];

    if (member->pinned || member->entry == NULL || member->entry->sha256 == NULL)
        return ECERT_OK;
    ecert_certificate_serial(member->certificate, serial);
    if (member->origin == ECERT_CHAIN_FROM_ADDRESS)
        return ecert_strings_printf(&search->notes, err,
                                    "the address '%s' now serves '%s' with serial %s, which the "
                                    "profile does not know; it is believed by its signature and "
                                    "the CRL",
                                    member->url, title, serial);
    char where[WHERE_MAX];
    ecert_chain_origin_words(member, where, sizeof where);
    return ecert_strings_printf(&search->notes, err,
                                "'%s' with serial %s (%s) is not the one that the profile knows; "
                                "it is believed by its signature and the CRL",
                                title, serial, where);
}

enum ecert_status ecert_chain_note(struct ecert_chain_search *search, struct ecert_error *err)
{
    for (size_t i = 0; i < search->n_path; i++) {
        const struct ecert_chain_candidate *member = &search->candidates[search->path[i]];
        X509 *issuer = i + 1 < search->n_path ? search->candidates[search->path[i + 1]].certificate
                                              : search->anchor;
        ECERT_AUTO(ecert_auto_free) char *title = NULL;

        ECERT_TRY(ecert_certificate_title(member->certificate, &title, err));
        ECERT_TRY(note_replaced(search, member, issuer, title, err));
        ECERT_TRY(note_not_pinned(search, member, title, err));
    }
    return ECERT_OK;
}
