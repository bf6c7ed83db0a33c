#include "core/flow/requests_json.h"

#include <stdlib.h>
#include <string.h>

#include "core/flow/store_json.h"

#define MOST_BACKUPS 1024
#define MOST_NAMES   1024

static const char *const state_words[] = {
#define WORD(value, word) [value] = (word),
    ECERT_REQUEST_STATE_LIST(WORD)
#undef WORD
};

static const char *const kind_words[] = {
#define WORD(value, word) [value] = (word),
    ECERT_REQUEST_KIND_LIST(WORD)
#undef WORD
};

static const char *const validation_words[] = {
    [ECERT_VALIDATION_ANY] = "any",
    [ECERT_VALIDATION_OV] = "ov",
    [ECERT_VALIDATION_EV] = "ev",
};

const char *ecert_request_state_word(enum ecert_request_state state)
{
    return (size_t)state < ARRAY_SIZE(state_words) ? state_words[state] : "unknown";
}

const char *ecert_request_kind_word(enum ecert_request_kind kind)
{
    return (size_t)kind < ARRAY_SIZE(kind_words) ? kind_words[kind] : "unknown";
}

/* ---- writing ---- */

static json_t *names_json(const struct ecert_strings *names)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < names->len; i++)
        if (json_array_append_new(array, ecert_store_json_string(names->items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *backups_json(const struct ecert_request *request)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < request->n_backups; i++) {
        const struct ecert_request_backup *backup = &request->backups[i];
        json_t *one =
            json_pack("{s:o, s:s, s:I, s:I, s:s}", "path", ecert_store_json_string(backup->path),
                      "sha256", backup->sha256, "written", (json_int_t)backup->written, "opened",
                      (json_int_t)backup->opened, "under", backup->under);
        if (json_array_append_new(array, one) != 0) { /* NULL is refused there */
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* null: nothing was refused */
static json_t *refused_json(const struct ecert_request_refusal *refused)
{
    return refused->when == 0 ? json_null()
                              : json_pack("{s:I, s:o, s:o}", "when", (json_int_t)refused->when,
                                          "why", ecert_store_json_string(refused->why), "file",
                                          ecert_store_json_string(refused->file));
}

enum ecert_status ecert_request_to_json(const struct ecert_request *request,
                                        struct ecert_bytes *ret, struct ecert_error *err)
{
    char key_id[ECERT_SHA256_HEX_LEN];

    ecert_hex((struct ecert_view){request->key_id, sizeof request->key_id}, key_id);
    return ecert_store_json_text(
        json_pack(
            "{s:o, s:o, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:s, s:o, "
            "s:b, s:s, s:s, s:o, s:b, s:I, s:o}",
            "id", ecert_store_json_string(request->id), "name",
            ecert_store_json_string(request->name), "state",
            ecert_request_state_word(request->state), "kind",
            ecert_request_kind_word(request->kind), "reason",
            ecert_store_json_string(request->reason), "batch",
            ecert_store_json_string(request->batch), "created", (json_int_t)request->created,
            "shown", (json_int_t)request->shown, "closed", (json_int_t)request->closed, "authority",
            ecert_store_json_string(request->authority), "names", names_json(&request->names),
            "organization", ecert_store_json_string(request->organization), "chinese_organization",
            ecert_store_json_string(request->chinese_organization), "validation",
            validation_words[request->validation], "key",
            ecert_store_json_string(request->key_words), "reused", (int)request->reused, "key_id",
            key_id, "csr_sha256", request->csr_sha256, "backups", backups_json(request),
            "without_backup", (int)request->without_backup, "generation",
            (json_int_t)request->generation, "refused", refused_json(&request->refused)),
        ret, err);
}

/* ---- reading ---- */

static enum ecert_status wrong(const char *path, const char *key, const char *wanted,
                               struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: \"%s\" is not %s", path, key,
                           wanted);
}

static enum ecert_status read_word(const char *path, const json_t *json, const char *key,
                                   const char *const *words, size_t n, size_t *ret,
                                   struct ecert_error *err)
{
    const char *text = json_string_value(json_object_get(json, key));

    for (size_t i = 0; text != NULL && i < n; i++)
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return ECERT_OK;
        }
    return wrong(path, key, "one of its words", err);
}

static enum ecert_status read_words(const char *path, const json_t *json,
                                    struct ecert_request *request, struct ecert_error *err)
{
    size_t state = 0, kind = 0, validation = 0;

    ECERT_TRY(read_word(path, json, "state", state_words, ARRAY_SIZE(state_words), &state, err));
    ECERT_TRY(read_word(path, json, "kind", kind_words, ARRAY_SIZE(kind_words), &kind, err));
    ECERT_TRY(read_word(path, json, "validation", validation_words, ARRAY_SIZE(validation_words),
                        &validation, err));
    request->state = (enum ecert_request_state)state;
    request->kind = (enum ecert_request_kind)kind;
    request->validation = (enum ecert_validation)validation;
    return ECERT_OK;
}

static enum ecert_status read_bool(const char *path, const json_t *json, const char *key, bool *ret,
                                   struct ecert_error *err)
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_boolean(value))
        return wrong(path, key, "true or false", err);
    *ret = json_is_true(value);
    return ECERT_OK;
}

static bool is_hex(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789ABCDEF") == len;
}

/* A SHA-256 in upper-case hexadecimal. */
static enum ecert_status read_digest(const char *path, const json_t *json, const char *key,
                                     char ret[ECERT_SHA256_HEX_LEN], struct ecert_error *err)
{
    ECERT_TRY(ecert_store_get_into(path, json, key, ret, ECERT_SHA256_HEX_LEN, err));
    if (!is_hex(ret, ECERT_SHA256_HEX_LEN - 1))
        return wrong(path, key, "a SHA-256", err);
    return ECERT_OK;
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

static enum ecert_status read_key_id(const char *path, const json_t *json,
                                     uint8_t ret[ECERT_SHA256_LEN], struct ecert_error *err)
{
    char text[ECERT_SHA256_HEX_LEN];

    ECERT_TRY(read_digest(path, json, "key_id", text, err));
    for (size_t i = 0; i < ECERT_SHA256_LEN; i++)
        ret[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    return ECERT_OK;
}

static enum ecert_status read_names(const char *path, const json_t *json, struct ecert_strings *ret,
                                    struct ecert_error *err)
{
    const json_t *array = json_object_get(json, "names");

    if (!json_is_array(array) || json_array_size(array) == 0 || json_array_size(array) > MOST_NAMES)
        return wrong(path, "names", "a list of names", err);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL || text[0] == '\0')
            return wrong(path, "names", "a list of names", err);
        ECERT_TRY(ecert_strings_add(ret, text, err));
    }
    return ECERT_OK;
}

static enum ecert_status read_backup(const char *path, const json_t *json,
                                     struct ecert_request_backup *backup, struct ecert_error *err)
{
    if (json_object_get(json, "under") != NULL) /* absent in those of before */
        ECERT_TRY(
            ecert_store_get_into(path, json, "under", backup->under, sizeof backup->under, err));
    ECERT_TRY(ecert_store_get_text(path, json, "path", false, &backup->path, err));
    ECERT_TRY(read_digest(path, json, "sha256", backup->sha256, err));
    ECERT_TRY(ecert_store_get_number(path, json, "written", INT64_MAX, &backup->written, err));
    return ecert_store_get_number(path, json, "opened", INT64_MAX, &backup->opened, err);
}

static enum ecert_status read_backups(const char *path, const json_t *json,
                                      struct ecert_request *request, struct ecert_error *err)
{
    const json_t *array = json_object_get(json, "backups");
    const size_t n = json_array_size(array);

    if (!json_is_array(array) || n > MOST_BACKUPS)
        return wrong(path, "backups", "a list", err);
    if (n == 0)
        return ECERT_OK;
    request->backups = calloc(n, sizeof *request->backups);
    if (request->backups == NULL)
        return ecert_error_nomem(err);
    request->n_backups = n;
    for (size_t i = 0; i < n; i++)
        ECERT_TRY(read_backup(path, json_array_get(array, i), &request->backups[i], err));
    return ECERT_OK;
}

static enum ecert_status read_texts(const char *path, const json_t *json,
                                    struct ecert_request *request, struct ecert_error *err)
{
    const struct {
        const char *key;
        bool optional;
        char **ret;
    } texts[] = {{"id", false, &request->id},
                 {"name", false, &request->name},
                 {"reason", true, &request->reason},
                 {"batch", true, &request->batch},
                 {"authority", false, &request->authority},
                 {"organization", true, &request->organization},
                 {"chinese_organization", true, &request->chinese_organization},
                 {"key", true, &request->key_words}};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ECERT_TRY(
            ecert_store_get_text(path, json, texts[i].key, texts[i].optional, texts[i].ret, err));
    return ECERT_OK;
}

/* Absent in those of before. */
static enum ecert_status read_refused(const char *path, const json_t *json,
                                      struct ecert_request_refusal *refused,
                                      struct ecert_error *err)
{
    const json_t *value = json_object_get(json, "refused");

    if (value == NULL || json_is_null(value))
        return ECERT_OK;
    if (!json_is_object(value))
        return wrong(path, "refused", "an object", err);
    ECERT_TRY(ecert_store_get_number(path, value, "when", INT64_MAX, &refused->when, err));
    ECERT_TRY(ecert_store_get_text(path, value, "why", false, &refused->why, err));
    return ecert_store_get_text(path, value, "file", false, &refused->file, err);
}

static enum ecert_status read_request(const char *path, const json_t *json,
                                      struct ecert_request *request, struct ecert_error *err)
{
    ECERT_TRY(read_texts(path, json, request, err));
    ECERT_TRY(read_words(path, json, request, err));
    ECERT_TRY(ecert_store_get_number(path, json, "created", INT64_MAX, &request->created, err));
    ECERT_TRY(ecert_store_get_number(path, json, "shown", INT64_MAX, &request->shown, err));
    ECERT_TRY(ecert_store_get_number(path, json, "closed", INT64_MAX, &request->closed, err));
    ECERT_TRY(read_names(path, json, &request->names, err));
    ECERT_TRY(read_bool(path, json, "reused", &request->reused, err));
    ECERT_TRY(read_key_id(path, json, request->key_id, err));
    ECERT_TRY(read_digest(path, json, "csr_sha256", request->csr_sha256, err));
    ECERT_TRY(read_backups(path, json, request, err));
    ECERT_TRY(read_bool(path, json, "without_backup", &request->without_backup, err));
    ECERT_TRY(ecert_store_get_unsigned(path, json, "generation", &request->generation, err));
    return read_refused(path, json, &request->refused, err);
}

enum ecert_status ecert_request_from_json(struct ecert_view text, const char *path,
                                          struct ecert_request *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = {0};
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;

    ECERT_TRY(ecert_store_parse_json(text, path, &json, err));
    ECERT_TRY(read_request(path, json, &request, err));
    *ret = request;
    request = (struct ecert_request){0};
    return ECERT_OK;
}
