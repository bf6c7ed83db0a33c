#include "core/flow/authority.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fs.h"
#include "core/flow/authority_keys.h"
#include "core/flow/certificate.h"

#define PROFILE_MAX    ((size_t)1 << 20)
#define SYSTEM_ID      "system"
#define SYSTEM_ANCHORS "/etc/ssl/certs/ca-certificates.crt"

static void request_clear(struct ecert_authority_request *request)
{
    for (size_t i = 0; i < request->n_steps; i++) {
        ecert_strings_clear(&request->steps[i].kinds);
        free(request->steps[i].who);
        free(request->steps[i].who_zh);
        free(request->steps[i].text);
        free(request->steps[i].text_zh);
    }
    free(request->steps);
    free(request->country);
    free(request->state);
    free(request->locality);
    ecert_strings_clear(&request->keys);
    *request = (struct ecert_authority_request){0};
}

static void intermediate_clear(struct ecert_authority_intermediate *entry)
{
    free(entry->subject);
    free(entry->url);
    free(entry->sha256);
    free(entry->serial);
    free(entry->validation);
    ecert_strings_clear(&entry->revoked);
    *entry = (struct ecert_authority_intermediate){0};
}

void ecert_authority_clear(struct ecert_authority *authority)
{
    for (size_t i = 0; i < authority->n_intermediates; i++)
        intermediate_clear(&authority->intermediates[i]);
    for (size_t i = 0; i < authority->n_cross_certificates; i++)
        intermediate_clear(&authority->cross_certificates[i]);
    free(authority->intermediates);
    free(authority->cross_certificates);
    free(authority->id);
    free(authority->name);
    free(authority->file);
    sk_X509_pop_free(authority->anchors, X509_free);
    ecert_strings_clear(&authority->crls);
    ecert_strings_clear(&authority->ocsp);
    ecert_strings_clear(&authority->hosts);
    ecert_strings_clear(&authority->policies);
    ecert_strings_clear(&authority->caa);
    request_clear(&authority->request);
    *authority = (struct ecert_authority){0};
}

static enum ecert_status not_found(const char *directory, const char *id, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer known = {0};
    struct ecert_error ignored = {0};

    if (ecert_fs_list(directory, &names, &ignored) != ECERT_OK)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "no authority '%s': cannot list '%s': %s",
                               id, directory, ignored.text);
    ecert_buffer_add_text(&known, SYSTEM_ID);
    for (size_t i = 0; i < names.len; i++) {
        const size_t len = strlen(names.items[i]);
        if (len > 5 && strcmp(names.items[i] + len - 5, ".conf") == 0 && names.items[i][0] != '.')
            ecert_buffer_printf(&known, ", %.*s", (int)(len - 5), names.items[i]);
    }
    if (known.failed)
        return ecert_error_nomem(err);
    return ecert_error_set(err, ECERT_E_NOT_FOUND, "no authority '%s' in '%s'; there are: %s", id,
                           directory, (const char *)known.ptr);
}

/* The id becomes part of a path. */
static bool is_id(const char *id)
{
    return *id != '\0' && *id != '-' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               strlen(id);
}

static enum ecert_status load_system(struct ecert_authority *authority, struct ecert_error *err)
{
    authority->id = strdup(SYSTEM_ID);
    authority->name = strdup("the certificate authorities that this system trusts");
    if (authority->id == NULL || authority->name == NULL)
        return ecert_error_nomem(err);
    if (ecert_authority_load_anchors(authority, SYSTEM_ANCHORS, NULL, err) != ECERT_OK) {
        err->status = ECERT_E_CONFIG;
        return ecert_error_wrap(err, "authority 'system': anchors");
    }
    return ECERT_OK;
}

static enum ecert_status load_file(const char *directory, const char *id,
                                   struct ecert_authority *authority,
                                   struct ecert_strings *ret_mistakes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    char *text = NULL;

    ECERT_TRY(ecert_text_format(&authority->file, err, "%s/%s.conf", directory, id));
    authority->id = strdup(id);
    if (authority->id == NULL)
        return ecert_error_nomem(err);
    if (!ecert_fs_exists(authority->file))
        return not_found(directory, id, err);
    ECERT_TRY(ecert_fs_check_trusted(authority->file, err));
    ECERT_TRY(ecert_fs_read(authority->file, PROFILE_MAX, &bytes, err));
    if (ecert_text_copy(ecert_bytes_view(&bytes), &text, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s' is not a text", authority->file);

    const enum ecert_status status = ecert_authority_read(authority, text, &mistakes, err);
    free(text);
    ECERT_TRY(status);
    if (mistakes.len == 0)
        return ECERT_OK;
    ECERT_TRY(ecert_strings_add_all(ret_mistakes, ecert_strings_array(&mistakes), err));
    return ecert_error_set(err, ECERT_E_CONFIG, "authority profile '%s' has %zu %s",
                           authority->file, mistakes.len,
                           mistakes.len == 1 ? "mistake" : "mistakes");
}

enum ecert_status ecert_authority_load(const char *authorities_dir, const char *id,
                                       struct ecert_authority *ret,
                                       struct ecert_strings *ret_mistakes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_authority_clear) struct ecert_authority authority = {0};

    if (!is_id(id))
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is not the name of an authority: letters, digits, '_' and '-' "
                               "only",
                               id);
    if (strcmp(id, SYSTEM_ID) == 0)
        ECERT_TRY(load_system(&authority, err));
    else
        ECERT_TRY(load_file(authorities_dir, id, &authority, ret_mistakes, err));
    *ret = authority;
    authority = (struct ecert_authority){0};
    return ECERT_OK;
}

bool ecert_authority_lists_host(const struct ecert_authority *authority, const char *url)
{
    static const char scheme[] = "http://";
    const struct ecert_strings *hosts = &authority->hosts;

    if (strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *host = url + sizeof scheme - 1;
    const size_t len = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789.-");
    const char *after = host + len;
    if (*after == ':')
        after += 1 + strspn(after + 1, "0123456789");
    if (*after != '/' && *after != '\0')
        return false;
    for (size_t i = 0; i < hosts->len; i++) {
        if (strlen(hosts->items[i]) == len && strncasecmp(hosts->items[i], host, len) == 0)
            return true;
    }
    return false;
}

const struct ecert_authority_intermediate *ecert_authority_known_revoked(
    const struct ecert_authority *authority, const X509 *certificate)
{
    char sha256[ECERT_SHA256_HEX_LEN];

    ecert_certificate_sha256(certificate, sha256);
    for (size_t i = 0; i < authority->n_intermediates; i++) {
        if (ecert_strings_contain(&authority->intermediates[i].revoked, sha256))
            return &authority->intermediates[i];
    }
    return NULL;
}
