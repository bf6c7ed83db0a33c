/* A profile's text into an authority; what is wrong with it, line by line. */
#include "core/flow/authority_keys.h"

#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/nearest.h"

#define KEYS_MAX  16
#define COUNT_MAX 1000

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

static void anchor_clear(struct ecert_authority_anchor *anchor)
{
    free(anchor->sha256);
    free(anchor->file);
    *anchor = (struct ecert_authority_anchor){0};
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

static enum ecert_status read_bool(struct reader *reader, const config_setting_t *setting,
                                   const struct ecert_authority_key *key, bool *member,
                                   struct ecert_error *err)
{
    if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
        return mistake(reader, setting, err, "'%s' must be true or false, without quotes",
                       key->name);
    *member = config_setting_get_bool(setting) == CONFIG_TRUE;
    return ECERT_OK;
}

static enum ecert_status read_count(struct reader *reader, const config_setting_t *setting,
                                    const struct ecert_authority_key *key, unsigned *member,
                                    struct ecert_error *err)
{
    const int value =
        config_setting_type(setting) == CONFIG_TYPE_INT ? config_setting_get_int(setting) : 0;

    if (value < 1 || value > COUNT_MAX)
        return mistake(reader, setting, err, "'%s' must be a number from 1 to %d, without quotes",
                       key->name, COUNT_MAX);
    *member = (unsigned)value;
    return ECERT_OK;
}

static enum ecert_status read_groups(struct reader *reader, const config_setting_t *setting,
                                     const struct ecert_authority_key *key,
                                     struct ecert_error *err);
static enum ecert_status read_request(struct reader *reader, config_setting_t *setting,
                                      const struct ecert_authority_key *key,
                                      struct ecert_error *err);

static enum ecert_status read_key(struct reader *reader, config_setting_t *setting,
                                  const struct ecert_authority_key *key, void *object,
                                  struct ecert_error *err)
{
    void *member = (char *)object + key->offset;

    if (key->type == ECERT_PROFILE_GROUPS)
        return read_groups(reader, setting, key, err);
    if (key->type == ECERT_PROFILE_GROUP)
        return read_request(reader, setting, key, err);
    if (key->type == ECERT_PROFILE_BOOL)
        return read_bool(reader, setting, key, member, err);
    if (key->type == ECERT_PROFILE_COUNT)
        return read_count(reader, setting, key, member, err);
    if (is_list(key->type))
        return read_texts(reader, setting, key, member, err);
    return read_scalar(reader, setting, key, member, err);
}

static enum ecert_status read_group(struct reader *reader, config_setting_t *setting,
                                    const struct ecert_authority_group *group, void *object,
                                    struct ecert_error *err)
{
    for (int i = 0; i < config_setting_length(setting); i++) {
        config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
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

/* ---- requests ---- */

static enum ecert_status read_request(struct reader *reader, config_setting_t *setting,
                                      const struct ecert_authority_key *key,
                                      struct ecert_error *err)
{
    struct ecert_authority_request *request = &reader->authority->request;

    if (!config_setting_is_group(setting))
        return mistake(reader, setting, err, "'%s' must be a group: { key = value; ... }",
                       key->name);
    request->known = true;
    return read_group(reader, setting, key->groups, request, err);
}

static enum ecert_status read_step(struct reader *reader, config_setting_t *setting,
                                   const struct ecert_authority_group *group,
                                   struct ecert_error *err)
{
    struct ecert_authority_request *request = &reader->authority->request;
    struct ecert_authority_step *grown =
        reallocarray(request->steps, request->n_steps + 1, sizeof *grown);

    if (grown == NULL)
        return ecert_error_nomem(err);
    grown[request->n_steps] = (struct ecert_authority_step){0};
    request->steps = grown;
    return read_group(reader, setting, group, &grown[request->n_steps++], err);
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
        else if (key->groups->kind == ECERT_PROFILE_STEP)
            ECERT_TRY(read_step(reader, element, key->groups, err));
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
                                    config_error_line(&config), config_error_text(&config));
    ECERT_TRY(read_group(reader, config_root_setting(&config), &ecert_authority_top,
                         reader->authority, err));
    ECERT_TRY(check_ocsp(reader, config_root_setting(&config), err));
    if (reader->mistakes.len == 0 && sk_X509_num(reader->authority->anchors) < 1)
        return mistake(reader, config_root_setting(&config), err,
                       "'anchors' is empty; without a root nothing can be believed");
    return ECERT_OK;
}

enum ecert_status ecert_authority_read(struct ecert_authority *authority, const char *text,
                                       struct ecert_strings *ret_mistakes, struct ecert_error *err)
{
    struct reader reader = {.file = authority->file, .authority = authority};
    const enum ecert_status status = read_profile(&reader, text, err);

    if (status == ECERT_OK)
        *ret_mistakes = reader.mistakes;
    else
        ecert_strings_clear(&reader.mistakes);
    return status;
}
