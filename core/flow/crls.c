#include "core/flow/chain.h"

#include <jansson.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/silent.h"

#define TIMEOUT_MS 20000u
#define FACTS_MAX  ((size_t)64 << 10)

/* A CRL of the cache: STATE/crls/NAME.crl with its facts in NAME.json. */
struct copy {
    char *file; /* .crl */
    char *facts_file;
    X509_CRL *crl; /* NULL: none in the cache */
    char *etag, *modified;
    int64_t fetched;
};

static void copy_clear(struct copy *copy)
{
    free(copy->file);
    free(copy->facts_file);
    free(copy->etag);
    free(copy->modified);
    X509_CRL_free(copy->crl);
    *copy = (struct copy){0};
}

static void auto_json(json_t **json)
{
    json_decref(*json);
}

void ecert_crls_clear(struct ecert_crls *crls)
{
    sk_X509_CRL_pop_free(crls->crls, X509_CRL_free);
    ecert_strings_clear(&crls->problems);
    *crls = (struct ecert_crls){0};
}

/* ---- times ---- */

/* `t` <= `now`?  An unreadable time is not. */
static bool is_past(const ASN1_TIME *t, int64_t now)
{
    const int order = t == NULL ? -2 : ASN1_TIME_cmp_time_t(t, (time_t)now);

    return order == -1 || order == 0;
}

/* RFC 5280, 5.1.2.5: every CRL has a nextUpdate; one without it can never be said to be current. */
static bool is_in_date(const X509_CRL *crl, int64_t now)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

    return is_past(X509_CRL_get0_lastUpdate(crl), now) && next != NULL &&
           ASN1_TIME_cmp_time_t(next, (time_t)now) >= 0;
}

/* ---- the cache ---- */

static enum ecert_status name_files(const char *state_dir, const char *url, struct copy *copy,
                                    struct ecert_error *err)
{
    char hash[ECERT_SHA256_HEX_LEN];

    ecert_sha256_hex(ecert_view_of(url), hash);
    ECERT_TRY(ecert_text_format(&copy->file, err, "%s/crls/%s.crl", state_dir, hash));
    return ecert_text_format(&copy->facts_file, err, "%s/crls/%s.json", state_dir, hash);
}

static char *text_member(const json_t *facts, const char *name)
{
    const char *text = json_string_value(json_object_get(facts, name));

    return text == NULL ? NULL : strdup(text);
}

/*
 * What the cache holds; anything unreadable there is as good as absent, and is fetched anew.
 * The DER was written by us after the decode child had passed it.
 */
static void read_copy(struct copy *copy)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes der = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    ECERT_AUTO(auto_json) json_t *facts = NULL;
    struct ecert_error ignored = {0};

    if (ecert_fs_read(copy->file, ECERT_DECODE_MAX_CRL, &der, &ignored) != ECERT_OK ||
        ecert_fs_read(copy->facts_file, FACTS_MAX, &text, &ignored) != ECERT_OK)
        return;
    facts = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    const json_t *fetched = json_object_get(facts, "fetched");
    const unsigned char *at = der.ptr;
    if (!json_is_integer(fetched) || der.len > INT32_MAX)
        return;
    copy->crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    copy->fetched = json_integer_value(fetched);
    copy->etag = text_member(facts, "etag");
    copy->modified = text_member(facts, "modified");
}

static enum ecert_status write_facts(const struct copy *copy, const char *url,
                                     struct ecert_error *err)
{
    ECERT_AUTO(auto_json)
    json_t *facts = json_pack("{s:s, s:s*, s:s*, s:I}", "url", url, "etag", copy->etag, "modified",
                              copy->modified, "fetched", (json_int_t)copy->fetched);
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    char *text = facts == NULL ? NULL : json_dumps(facts, JSON_INDENT(2));

    if (text == NULL)
        return ecert_error_nomem(err);
    const enum ecert_status status =
        ecert_fs_replace(copy->facts_file, ecert_view_of(text), &owner, err);
    free(text);
    return status;
}

static enum ecert_status write_copy(const char *state_dir, const struct copy *copy, const char *url,
                                    struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    unsigned char *der = NULL;
    char *directory = NULL;

    ECERT_TRY(ecert_text_format(&directory, err, "%s/crls", state_dir));
    enum ecert_status status = ecert_fs_make_directories(directory, 0700, err);
    free(directory);
    ECERT_TRY(status);
    const int len = i2d_X509_CRL(copy->crl, &der);
    if (len < 0)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "write the CRL of '%s'", url);
    /* the facts last: a CRL without its own facts would be asked for with a wrong ETag */
    status = ecert_fs_replace(copy->file, (struct ecert_view){der, (size_t)len}, &owner, err);
    OPENSSL_free(der);
    ECERT_TRY(status);
    return write_facts(copy, url, err);
}

/* ---- fetching ---- */

/* 1: an anchor signed it; 0: it names an anchor as its issuer, which did not; -1: by another CA */
static int signed_by_anchor(const struct ecert_authority *authority, X509_CRL *crl)
{
    int answer = -1;

    for (int i = 0; i < sk_X509_num(authority->anchors); i++) {
        X509 *anchor = sk_X509_value(authority->anchors, i);

        if (X509_NAME_cmp(X509_get_subject_name(anchor), X509_CRL_get_issuer(crl)) != 0)
            continue;
        if (X509_CRL_verify(crl, X509_get0_pubkey(anchor)) == 1)
            return 1;
        answer = 0;
    }
    return answer;
}

/*
 * Would this new copy take something away?  Whoever sits between us and the CA may answer with a
 * forged CRL, or with an old one from before a revocation; the root's can be judged at once.
 */
static enum ecert_status judge(const struct ecert_authority *authority, const char *url,
                               X509_CRL *old, X509_CRL *new, struct ecert_error *err)
{
    const int new_signed = signed_by_anchor(authority, new);

    if (new_signed == 0)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the CRL from '%s' bears the root's name but not its signature",
                               url);
    if (new_signed == 1 && old != NULL && signed_by_anchor(authority, old) == 1 &&
        X509_NAME_cmp(X509_CRL_get_issuer(old), X509_CRL_get_issuer(new)) == 0 &&
        ASN1_TIME_compare(X509_CRL_get0_lastUpdate(new), X509_CRL_get0_lastUpdate(old)) < 0)
        return ecert_error_set(
            err, ECERT_E_REFUSED,
            "the CRL from '%s' is older than the one that came from there before", url);
    return ECERT_OK;
}

/* Bring the copy up to date from the network. */
static enum ecert_status refresh(const struct ecert_authority *authority,
                                 const struct ecert_chain_sources *sources, const char *url,
                                 struct copy *copy, struct ecert_error *err)
{
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    ECERT_AUTO(ecert_auto_crl) X509_CRL *crl = NULL;
    const bool conditional = copy->crl != NULL;
    const struct ecert_fetch fetch = {.url = url,
                                      .max_len = ECERT_DECODE_MAX_CRL,
                                      .timeout_ms = TIMEOUT_MS,
                                      .etag = conditional ? copy->etag : NULL,
                                      .modified = conditional ? copy->modified : NULL};

    if (sources->network == NULL)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s' was not asked for a CRL", url);
    ECERT_TRY(ecert_silent_fetch(sources->silent, sources->network, &fetch, &fetched, err));
    copy->fetched = ecert_clock_now();
    if (fetched.unchanged && conditional)
        return write_facts(copy, url, err);
    if (ecert_decode_crl(ecert_bytes_view(&fetched.body), &crl, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s'", url);
    ECERT_TRY(judge(authority, url, copy->crl, crl, err));
    X509_CRL_free(copy->crl);
    copy->crl = crl;
    crl = NULL;
    free(copy->etag);
    free(copy->modified);
    copy->etag = fetched.etag;
    copy->modified = fetched.modified;
    fetched.etag = fetched.modified = NULL;
    return write_copy(sources->state_dir, copy, url, err);
}

/* ---- getting them ---- */

static bool is_fresh(const struct copy *copy, int64_t max_age, int64_t now)
{
    return copy->crl != NULL && is_in_date(copy->crl, now) && copy->fetched <= now &&
           now - copy->fetched < max_age;
}

/* An error of the transfer begins with the address, which stands before it here anyway. */
static const char *behind_url(const char *text, const char *url)
{
    const size_t len = strlen(url);

    return text[0] == '\'' && strncmp(text + 1, url, len) == 0 &&
                   strncmp(text + 1 + len, "': ", 3) == 0
               ? text + len + 4
               : text;
}

static enum ecert_status note_problem(const struct copy *copy, const char *url,
                                      const struct ecert_error *why, struct ecert_crls *crls,
                                      struct ecert_error *err)
{
    const char *reason = why->status == ECERT_OK ? "" : behind_url(why->text, url);
    const char *separator = why->status == ECERT_OK ? "" : ": ";

    if (copy->crl == NULL)
        return ecert_strings_printf(&crls->problems, err, "no CRL from '%s'%s%s", url, separator,
                                    reason);
    if (!is_in_date(copy->crl, ecert_clock_now()))
        return ecert_strings_printf(&crls->problems, err,
                                    "the CRL from '%s' is out of date (its next update was due, or "
                                    "it is not valid yet)%s%s",
                                    url, separator, reason);
    /* a good copy in hand; a failed attempt at a newer one matters only if the answer was wrong */
    if (why->status == ECERT_E_CRYPTO || why->status == ECERT_E_REFUSED ||
        why->status == ECERT_E_IO)
        return ecert_strings_printf(&crls->problems, err, "the CRL of before stays in use: %s",
                                    why->text);
    return ECERT_OK;
}

static enum ecert_status get_one(const struct ecert_authority *authority,
                                 const struct ecert_chain_sources *sources, const char *url,
                                 int64_t max_age, struct ecert_crls *crls, struct ecert_error *err)
{
    ECERT_AUTO(copy_clear) struct copy copy = {0};
    struct ecert_error why = {0};

    ECERT_TRY(name_files(sources->state_dir, url, &copy, err));
    read_copy(&copy);
    if (!is_fresh(&copy, max_age, ecert_clock_now()) &&
        refresh(authority, sources, url, &copy, &why) == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    ECERT_TRY(note_problem(&copy, url, &why, crls, err));
    if (copy.crl == NULL)
        return ECERT_OK;
    if (sk_X509_CRL_push(crls->crls, copy.crl) <= 0)
        return ecert_error_nomem(err);
    copy.crl = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_crls_get(const struct ecert_authority *authority,
                                 const struct ecert_chain_sources *sources, int64_t max_age,
                                 struct ecert_crls *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_crls_clear) struct ecert_crls crls = {.crls = sk_X509_CRL_new_null()};

    if (crls.crls == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < authority->crls.len; i++)
        ECERT_TRY(get_one(authority, sources, authority->crls.items[i], max_age, &crls, err));
    *ret = crls;
    crls = (struct ecert_crls){0};
    return ECERT_OK;
}

/* ---- asking them ---- */

/*
 * Does the CRL speak of this certificate at all?  RFC 5280, 5.2.5: an issuing distribution point
 * narrows it to CAs or to leaves.  *ret_whole is false where silence proves nothing: some reasons
 * only, or a delta (5.2.4).
 */
static bool is_about(const X509_CRL *crl, const X509 *certificate, bool *ret_whole)
{
    ISSUING_DIST_POINT *point =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
    const bool is_ca = ecert_certificate_is_ca(certificate);
    bool about = true;

    *ret_whole = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0;
    if (point == NULL) /* absent, or one that cannot be read: then it narrows in an unknown way */
        return X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) < 0;
    if ((point->onlyuser > 0 && is_ca) || (point->onlyCA > 0 && !is_ca) || point->onlyattr > 0 ||
        point->indirectCRL > 0)
        about = false;
    if (point->onlysomereasons != NULL)
        *ret_whole = false;
    ISSUING_DIST_POINT_free(point);
    return about;
}

static bool may_sign_crls(X509 *issuer)
{
    /* no keyUsage is all of them: X509_get_key_usage() says UINT32_MAX then */
    return (X509_get_key_usage(issuer) & KU_CRL_SIGN) != 0;
}

enum ecert_revocation ecert_crls_look_up(const struct ecert_crls *crls, const X509 *certificate,
                                         X509 *issuer)
{
    enum ecert_revocation answer = ECERT_REVOKED_UNKNOWN;
    const int64_t now = ecert_clock_now();

    if (crls == NULL || !may_sign_crls(issuer))
        return ECERT_REVOKED_UNKNOWN;
    for (int i = 0; i < sk_X509_CRL_num(crls->crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(crls->crls, i);
        X509_REVOKED *entry = NULL;
        bool whole = false;

        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0 ||
            !is_about(crl, certificate, &whole) ||
            X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
            continue;
        if (X509_CRL_get0_by_serial(crl, &entry, X509_get0_serialNumber(certificate)) == 1)
            return ECERT_REVOKED_YES; /* in date or not: nobody is taken off a CRL again */
        if (whole && is_in_date(crl, now))
            answer = ECERT_REVOKED_NO;
    }
    return answer;
}
