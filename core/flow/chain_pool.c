#include "core/flow/chain_parts.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/silent.h"

#define FETCH_MAX        ((size_t)1 << 20)
#define FETCH_TIMEOUT_MS 20000u
#define CACHED_MAX       ((size_t)64 << 10)
#define ADDRESSES_MAX    4 /* of one certificate: more than that is no CA's doing */

void ecert_chain_search_clear(struct ecert_chain_search *search)
{
    for (size_t i = 0; i < search->n; i++) {
        X509_free(search->candidates[i].certificate);
        free(search->candidates[i].url);
    }
    free(search->candidates);
    ecert_strings_clear(&search->asked);
    ecert_strings_clear(&search->failures);
    ecert_strings_clear(&search->notes);
    *search = (struct ecert_chain_search){0};
}

/* ---- the pool ---- */

static enum ecert_status find_entry(const struct ecert_authority *authority,
                                    struct ecert_chain_candidate *candidate,
                                    struct ecert_error *err)
{
    char sha256[ECERT_SHA256_HEX_LEN];
    char *name = NULL;

    ecert_certificate_sha256(candidate->certificate, sha256);
    for (size_t i = 0; i < authority->n_intermediates; i++) {
        const struct ecert_authority_intermediate *entry = &authority->intermediates[i];
        if (entry->sha256 != NULL && strcmp(entry->sha256, sha256) == 0) {
            candidate->entry = entry;
            candidate->pinned = true;
            return ECERT_OK;
        }
    }
    candidate->entry = ecert_authority_known_revoked(authority, candidate->certificate);
    if (candidate->entry != NULL)
        return ECERT_OK;
    ECERT_TRY(ecert_certificate_common_name(candidate->certificate, &name, err));
    for (size_t i = 0; i < authority->n_intermediates && candidate->entry == NULL; i++) {
        if (strcmp(authority->intermediates[i].subject, name) == 0)
            candidate->entry = &authority->intermediates[i];
    }
    free(name);
    return ECERT_OK;
}

enum ecert_status ecert_chain_pool_add(struct ecert_chain_search *search, X509 *certificate,
                                       enum ecert_chain_origin origin, const char *url,
                                       struct ecert_error *err)
{
    struct ecert_chain_candidate added = {.certificate = certificate, .origin = origin};

    for (size_t i = 0; i < search->n; i++) {
        if (ecert_certificate_equal(search->candidates[i].certificate, certificate))
            return ECERT_OK;
    }
    if (search->n >= ECERT_CHAIN_POOL)
        return ECERT_OK;
    ECERT_TRY(find_entry(search->request->authority, &added, err));
    struct ecert_chain_candidate *grown =
        reallocarray(search->candidates, search->n + 1, sizeof *grown);
    if (grown == NULL)
        return ecert_error_nomem(err);
    search->candidates = grown;
    if (url != NULL && (added.url = strdup(url)) == NULL)
        return ecert_error_nomem(err);
    (void)X509_up_ref(certificate);
    search->candidates[search->n++] = added;
    return ECERT_OK;
}

enum ecert_status ecert_chain_pool_add_all(struct ecert_chain_search *search,
                                           STACK_OF(X509) *certificates,
                                           enum ecert_chain_origin origin, const char *url,
                                           struct ecert_error *err)
{
    for (int i = 0; i < sk_X509_num(certificates); i++)
        ECERT_TRY(ecert_chain_pool_add(search, sk_X509_value(certificates, i), origin, url, err));
    return ECERT_OK;
}

void ecert_chain_origin_words(const struct ecert_chain_candidate *candidate, char *ret, size_t size)
{
    switch (candidate->origin) {
    case ECERT_CHAIN_FROM_CACHE:
        (void)snprintf(ret, size, "from the cache");
        return;
    case ECERT_CHAIN_FROM_OPERATOR:
        (void)snprintf(ret, size, "from the chain file");
        return;
    case ECERT_CHAIN_FROM_ISSUED:
        (void)snprintf(ret, size, "from the issued file");
        return;
    case ECERT_CHAIN_FROM_ADDRESS:
        (void)snprintf(ret, size, "from '%s'", candidate->url);
        return;
    }
    (void)snprintf(ret, size, "from nowhere");
}

/* ---- the cache ---- */

/*
 * The DER in a cached PEM file, only if its hash is the file's name: what a disk, a restore or a
 * person did to the file shows here, before anything is parsed.  NULL: absent or not that.
 */
static X509 *read_cached(const char *path, const char *sha256)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes pem = {0};
    struct ecert_error ignored = {0};
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    X509 *certificate = NULL;
    char hash[ECERT_SHA256_HEX_LEN];

    if (ecert_fs_read(path, CACHED_MAX, &pem, &ignored) != ECERT_OK)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &len) == 1 && len > 0) {
        const struct ecert_view view = {der, (size_t)len};
        ecert_sha256_hex(view, hash);
        if (strcmp(hash, sha256) != 0 ||
            ecert_certificate_parse(view, &certificate, &ignored) != ECERT_OK)
            certificate = NULL;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

static enum ecert_status cache_path(const struct ecert_chain_search *search, const char *sha256,
                                    char **ret, struct ecert_error *err)
{
    return ecert_text_format(ret, err, "%s/chains/%s.pem", search->sources->state_dir, sha256);
}

enum ecert_status ecert_chain_pool_add_cached(struct ecert_chain_search *search, const char *sha256,
                                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_x509) X509 *certificate = NULL;
    char *path = NULL;

    ECERT_TRY(cache_path(search, sha256, &path, err));
    certificate = read_cached(path, sha256);
    free(path);
    if (certificate == NULL)
        return ECERT_OK;
    return ecert_chain_pool_add(search, certificate, ECERT_CHAIN_FROM_CACHE, NULL, err);
}

enum ecert_status ecert_chain_pool_scan_cache(struct ecert_chain_search *search,
                                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error ignored = {0};
    char *folder = NULL;

    if (search->scanned)
        return ECERT_OK;
    search->scanned = true;
    ECERT_TRY(ecert_text_format(&folder, err, "%s/chains", search->sources->state_dir));
    const enum ecert_status status = ecert_fs_list(folder, &names, &ignored);
    free(folder);
    if (status != ECERT_OK) /* nothing was ever kept */
        return ECERT_OK;
    for (size_t i = 0; i < names.len; i++) {
        char *name = names.items[i];
        const size_t len = strlen(name);

        if (len != ECERT_SHA256_HEX_LEN - 1 + 4 || strcmp(name + len - 4, ".pem") != 0)
            continue;
        name[len - 4] = '\0';
        ECERT_TRY(ecert_chain_pool_add_cached(search, name, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_chain_pool_keep(struct ecert_chain_search *search, const X509 *certificate,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer pem = {0};
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    struct ecert_error why = {0};
    char sha256[ECERT_SHA256_HEX_LEN];

    ecert_certificate_sha256(certificate, sha256);
    ECERT_TRY(cache_path(search, sha256, &path, err));
    ECERT_TRY(ecert_text_format(&folder, err, "%s/chains", search->sources->state_dir));
    ECERT_TRY(ecert_certificate_pem(certificate, &pem, err));
    if (pem.failed)
        return ecert_error_nomem(err);
    if (ecert_fs_make_directories(folder, 0700, &why) == ECERT_OK &&
        ecert_fs_replace(path, ecert_buffer_view(&pem), &owner, &why) == ECERT_OK)
        return ECERT_OK;
    return ecert_strings_printf(&search->notes, err,
                                "a chain certificate could not be kept, it will be fetched again: "
                                "%s",
                                why.text);
}

/* ---- the network ---- */

static enum ecert_status fetch(struct ecert_chain_search *search, const char *url, bool public_only,
                               struct ecert_decoded *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_fetched_clear) struct ecert_fetched fetched = {0};
    const struct ecert_fetch request = {.url = url,
                                        .max_len = FETCH_MAX,
                                        .timeout_ms = FETCH_TIMEOUT_MS,
                                        .public_only = public_only};

    if (search->sources->network == NULL)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s' was not asked", url);
    ECERT_TRY(ecert_silent_fetch(search->sources->silent, search->sources->network, &request,
                                 &fetched, err));
    if (ecert_decode_certificates(ecert_bytes_view(&fetched.body), (struct ecert_view){0}, ret,
                                  err) != ECERT_OK)
        return ecert_error_wrap(err, "what '%s' serves", url);
    return ECERT_OK;
}

enum ecert_status ecert_chain_pool_fetch(struct ecert_chain_search *search, const char *url,
                                         bool public_only, struct ecert_error *err)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    struct ecert_error why = {0};

    if (ecert_strings_contain(&search->asked, url))
        return ECERT_OK;
    ECERT_TRY(ecert_strings_add(&search->asked, url, err));
    switch (fetch(search, url, public_only, &decoded, &why)) {
    case ECERT_OK:
        return ecert_chain_pool_add_all(search, decoded.certificates, ECERT_CHAIN_FROM_ADDRESS, url,
                                        err);
    case ECERT_E_NOMEM:
        return ecert_error_nomem(err);
    case ECERT_E_REFUSED: /* too large, a private address: tomorrow as well */
        return ecert_strings_add(&search->failures, why.text, err);
    case ECERT_E_NETWORK:
    case ECERT_E_TIMEOUT:
    case ECERT_E_CRYPTO: /* an error page, half a file */
    case ECERT_E_IO:
    case ECERT_E_CONFIG:
    case ECERT_E_PLUGIN:
    case ECERT_E_NOT_FOUND:
    case ECERT_E_CHANGED:
    case ECERT_E_COMMAND:
    case ECERT_E_BUSY:
    case ECERT_E_UNSUPPORTED:
        break;
    }
    search->unreachable = true;
    search->profile_unreachable = search->profile_unreachable || !public_only;
    return ecert_strings_add(&search->failures, why.text, err);
}

static enum ecert_status fetch_access(struct ecert_chain_search *search,
                                      const ACCESS_DESCRIPTION *access, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *url = NULL;
    struct ecert_error ignored = {0};

    if (OBJ_obj2nid(access->method) != NID_ad_ca_issuers || access->location->type != GEN_URI)
        return ECERT_OK;
    const ASN1_IA5STRING *uri = access->location->d.uniformResourceIdentifier;
    const struct ecert_view text = {ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri)};
    if (ecert_text_copy(text, &url, &ignored) != ECERT_OK)
        return ignored.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    if (!ecert_authority_lists_host(search->request->authority, url))
        return ECERT_OK;
    return ecert_chain_pool_fetch(search, url, true, err);
}

enum ecert_status ecert_chain_pool_fetch_issuers(struct ecert_chain_search *search,
                                                 const X509 *certificate, struct ecert_error *err)
{
    AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    enum ecert_status status = ECERT_OK;

    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(info) && i < ADDRESSES_MAX && status == ECERT_OK;
         i++)
        status = fetch_access(search, sk_ACCESS_DESCRIPTION_value(info, i), err);
    AUTHORITY_INFO_ACCESS_free(info);
    return status;
}
