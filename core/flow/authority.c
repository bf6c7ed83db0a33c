#include "core/flow/authority.h"

#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/flow/authority_keys.h"
#include "core/flow/certificate.h"
#include "core/flow/config_read.h"
#include "core/flow/nearest.h"

#define PROFILE_MAX    ((size_t)1 << 20)
#define KEYS_MAX       16
#define SYSTEM_ID      "system"
#define SYSTEM_ANCHORS "/etc/ssl/certs/ca-certificates.crt"

/* One profile being read: what it becomes, and what is wrong with it. */
struct reader {
    const char *file;
    struct ecert_authority *authority;
    struct ecert_strings mistakes;
};

static void auto_config(config_t *config)
{
    config_destroy(config);
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

static void anchor_clear(struct ecert_authority_anchor *anchor)
{
    free(anchor->sha256);
    free(anchor->file);
    *anchor = (struct ecert_authority_anchor){0};
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
    *authority = (struct ecert_authority){0};
}

/* ---- mistakes ---- */

static enum ecert_status mistake(struct reader *reader, const config_setting_t *at,
                                 struct ecert_error *err, const char *fmt, ...) ECERT_PRINTF(4, 5);

static enum ecert_status mistake(struct reader *reader, const config_setting_t *at,
                                 struct ecert_error *err, const char *fmt, ...)
{
    struct ecert_error sentence = {0};
    va_list args;

    va_start(args, fmt);
    /* cut, never overrun: a mistake is a sentence, whatever stands in the file */
    (void)vsnprintf(sentence.text, sizeof sentence.text, fmt, args);
    va_end(args);
    return ecert_strings_printf(&reader->mistakes, err, "%s:%u: %s", reader->file,
                                (unsigned)config_setting_source_line(at), sentence.text);
}

static enum ecert_status unknown_key(struct reader *reader, const config_setting_t *setting,
                                     const struct ecert_authority_group *group,
                                     struct ecert_error *err)
{
    const char *names[KEYS_MAX + 1] = {NULL};

    for (size_t i = 0; i < group->n_keys && i < KEYS_MAX; i++)
        names[i] = group->keys[i].name;
    const char *name = config_setting_name(setting);
    const char *nearest = ecert_nearest_word(name, names);
    if (nearest != NULL)
        return mistake(reader, setting, err, "unknown key '%s'; did you mean '%s'?", name, nearest);

    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer known = {0};
    for (size_t i = 0; i < group->n_keys; i++)
        ecert_buffer_printf(&known, "%s%s", i > 0 ? ", " : "", names[i]);
    if (known.failed)
        return ecert_error_nomem(err);
    return mistake(reader, setting, err, "unknown key '%s'; known here: %s", name,
                   (const char *)known.ptr);
}

/* ---- values ---- */

static bool is_list(enum ecert_authority_key_type type)
{
    return type >= ECERT_PROFILE_URLS && type < ECERT_PROFILE_GROUPS;
}

static enum ecert_status read_scalar(struct reader *reader, const config_setting_t *setting,
                                     const struct ecert_authority_key *key, char **member,
                                     struct ecert_error *err)
{
    struct ecert_error why = {0};
    char *value = NULL;

    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return mistake(reader, setting, err, "'%s' must be a %s in quotes", key->name,
                       ecert_authority_key_type_words(key->type));
    if (ecert_authority_value(key->type, config_setting_get_string(setting), &value, &why) !=
        ECERT_OK) {
        if (why.status != ECERT_E_CONFIG)
            return ecert_error_nomem(err);
        return mistake(reader, setting, err, "'%s': %s", key->name, why.text);
    }
    free(*member);
    *member = value;
    return ECERT_OK;
}

static enum ecert_status read_texts(struct reader *reader, const config_setting_t *setting,
                                    const struct ecert_authority_key *key,
                                    struct ecert_strings *member, struct ecert_error *err)
{
    if (!config_setting_is_array(setting) && !config_setting_is_list(setting))
        return mistake(reader, setting, err, "'%s' must be a %s: [ \"...\", \"...\" ]", key->name,
                       ecert_authority_key_type_words(key->type));
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        char *value = NULL;

        ECERT_TRY(read_scalar(reader, element, key, &value, err));
        if (value == NULL)
            continue; /* a mistake, noted */
        const enum ecert_status status = ecert_strings_add(member, value, err);
        free(value);
        ECERT_TRY(status);
    }
    return ECERT_OK;
}

static enum ecert_status read_groups(struct reader *reader, const config_setting_t *setting,
                                     const struct ecert_authority_key *key,
                                     struct ecert_error *err);

static enum ecert_status read_key(struct reader *reader, const config_setting_t *setting,
                                  const struct ecert_authority_key *key, void *object,
                                  struct ecert_error *err)
{
    void *member = (char *)object + key->offset;

    if (key->type == ECERT_PROFILE_GROUPS)
        return read_groups(reader, setting, key, err);
    if (is_list(key->type))
        return read_texts(reader, setting, key, member, err);
    return read_scalar(reader, setting, key, member, err);
}

static enum ecert_status read_group(struct reader *reader, config_setting_t *setting,
                                    const struct ecert_authority_group *group, void *object,
                                    struct ecert_error *err)
{
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        const char *name = config_setting_name(element);
        const struct ecert_authority_key *key = NULL;

        for (size_t k = 0; k < group->n_keys; k++) {
            if (strcmp(group->keys[k].name, name) == 0)
                key = &group->keys[k];
        }
        if (key == NULL)
            ECERT_TRY(unknown_key(reader, element, group, err));
        else
            ECERT_TRY(read_key(reader, element, key, object, err));
    }
    for (size_t k = 0; k < group->n_keys; k++) {
        if (group->keys[k].required &&
            config_setting_get_member(setting, group->keys[k].name) == NULL)
            ECERT_TRY(mistake(reader, setting, err, "'%s' is missing: %s", group->keys[k].name,
                              group->keys[k].help));
    }
    return ECERT_OK;
}

/* ---- anchors ---- */

static enum ecert_status read_anchor(struct reader *reader, config_setting_t *setting,
                                     const struct ecert_authority_group *group,
                                     struct ecert_error *err)
{
    ECERT_AUTO(anchor_clear) struct ecert_authority_anchor anchor = {0};
    struct ecert_error why = {0};
    const size_t before = reader->mistakes.len;

    ECERT_TRY(read_group(reader, setting, group, &anchor, err));
    if (reader->mistakes.len != before || anchor.file == NULL)
        return ECERT_OK;
    if (ecert_authority_load_anchors(reader->authority, anchor.file, anchor.sha256, &why) ==
        ECERT_OK)
        return ECERT_OK;
    if (why.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    return mistake(reader, setting, err, "anchor: %s", why.text);
}

/* ---- lists of groups ---- */

/* One more entry at the end of the list; it is part of the list, complete or not. */
static enum ecert_status grow(struct ecert_authority_intermediate **list, size_t *n,
                              struct ecert_authority_intermediate **ret, struct ecert_error *err)
{
    struct ecert_authority_intermediate *grown =
        reallocarray(*list, *n + 1, sizeof(struct ecert_authority_intermediate));

    if (grown == NULL)
        return ecert_error_nomem(err);
    grown[*n] = (struct ecert_authority_intermediate){0};
    *ret = &grown[*n];
    *list = grown;
    (*n)++;
    return ECERT_OK;
}

static enum ecert_status read_intermediate(struct reader *reader, config_setting_t *setting,
                                           const struct ecert_authority_group *group,
                                           struct ecert_error *err)
{
    struct ecert_authority *authority = reader->authority;
    struct ecert_authority_intermediate *entry = NULL;

    if (group->kind == ECERT_PROFILE_INTERMEDIATE)
        ECERT_TRY(grow(&authority->intermediates, &authority->n_intermediates, &entry, err));
    else
        ECERT_TRY(
            grow(&authority->cross_certificates, &authority->n_cross_certificates, &entry, err));
    ECERT_TRY(read_group(reader, setting, group, entry, err));
    if (entry->sha256 != NULL && ecert_strings_contain(&entry->revoked, entry->sha256))
        return mistake(reader, setting, err, "the pin '%s' is listed as revoked too; one is wrong",
                       entry->sha256);
    return ECERT_OK;
}

static enum ecert_status read_groups(struct reader *reader, const config_setting_t *setting,
                                     const struct ecert_authority_key *key, struct ecert_error *err)
{
    if (!config_setting_is_list(setting))
        return mistake(reader, setting, err, "'%s' must be a list of groups: ( { ... }, ... )",
                       key->name);
    for (int i = 0; i < config_setting_length(setting); i++) {
        config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);

        if (!config_setting_is_group(element))
            ECERT_TRY(mistake(reader, element, err,
                              "entry %d of '%s' must be a group: { key = value; ... }", i + 1,
                              key->name));
        else if (key->groups->kind == ECERT_PROFILE_ANCHOR)
            ECERT_TRY(read_anchor(reader, element, key->groups, err));
        else
            ECERT_TRY(read_intermediate(reader, element, key->groups, err));
    }
    return ECERT_OK;
}

/* ---- the file ---- */

/*
 * A profile is one file: libconfig would open what `@include` names, wherever that is and whoever
 * may write it.
 */
static enum ecert_status refuse_includes(struct reader *reader, const char *text,
                                         struct ecert_error *err)
{
    unsigned line = 1;

    for (const char *at = text; at != NULL; line++) {
        const char *word = at + strspn(at, " \t");
        if (strncmp(word, "@include", strlen("@include")) == 0)
            ECERT_TRY(ecert_strings_printf(&reader->mistakes, err,
                                           "%s:%u: a profile cannot include other files; write "
                                           "the settings here",
                                           reader->file, line));
        at = strchr(at, '\n');
        if (at != NULL)
            at++;
    }
    return ECERT_OK;
}

/* A responder that would never be asked is a mistake, not something to find out later. */
static enum ecert_status check_ocsp(struct reader *reader, const config_setting_t *root,
                                    struct ecert_error *err)
{
    const config_setting_t *setting = config_setting_get_member(root, "ocsp");
    const struct ecert_strings *ocsp = &reader->authority->ocsp;

    for (size_t i = 0; i < ocsp->len; i++)
        if (!ecert_authority_lists_host(reader->authority, ocsp->items[i]))
            ECERT_TRY(mistake(reader, setting, err,
                              "'ocsp': '%s' is not an http address of one of the 'hosts'; add its "
                              "host there",
                              ocsp->items[i]));
    return ECERT_OK;
}

static enum ecert_status read_profile(struct reader *reader, const char *text,
                                      struct ecert_error *err)
{
    ECERT_AUTO(auto_config) config_t config;

    config_init(&config);
    ECERT_TRY(refuse_includes(reader, text, err));
    if (reader->mistakes.len > 0)
        return ECERT_OK;
    if (config_read_string(&config, text) != CONFIG_TRUE)
        return ecert_strings_printf(&reader->mistakes, err, "%s:%d: %s", reader->file,
                                    config_error_line(&config),
                                    ecert_config_parse_words(config_error_text(&config)));
    ECERT_TRY(read_group(reader, config_root_setting(&config), &ecert_authority_top,
                         reader->authority, err));
    ECERT_TRY(check_ocsp(reader, config_root_setting(&config), err));
    if (reader->mistakes.len == 0 && sk_X509_num(reader->authority->anchors) < 1)
        return mistake(reader, config_root_setting(&config), err,
                       "'anchors' is empty; without a root nothing can be believed");
    return ECERT_OK;
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
    struct reader reader = {.authority = authority};
    char *text = NULL;
    struct stat st;

    ECERT_TRY(ecert_text_format(&authority->file, err, "%s/%s.conf", directory, id));
    authority->id = strdup(id);
    if (authority->id == NULL)
        return ecert_error_nomem(err);
    if (lstat(authority->file, &st) != 0 && errno == EACCES)
        return ecert_error_errno(err, ECERT_E_IO,
                                 "authority '%s': this user may not enter '%s'; run ecert as root, "
                                 "or let the user's group enter and read it",
                                 id, directory);
    if (!ecert_fs_exists(authority->file))
        return not_found(directory, id, err);
    ECERT_TRY(ecert_fs_check_trusted(authority->file, err));
    ECERT_TRY(ecert_fs_read(authority->file, PROFILE_MAX, &bytes, err));
    if (ecert_text_copy(ecert_bytes_view(&bytes), &text, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s' is not a text", authority->file);

    reader.file = authority->file;
    enum ecert_status status = read_profile(&reader, text, err);
    free(text);
    const size_t n = reader.mistakes.len;
    if (status == ECERT_OK && n > 0) {
        status = ecert_strings_add_all(ret_mistakes, ecert_strings_array(&reader.mistakes), err);
        if (status == ECERT_OK)
            status = ecert_error_set(err, ECERT_E_CONFIG, "authority profile '%s' has %zu %s",
                                     authority->file, n, n == 1 ? "mistake" : "mistakes");
    }
    ecert_strings_clear(&reader.mistakes);
    return status;
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
