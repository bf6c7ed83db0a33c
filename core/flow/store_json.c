#include "core/flow/store_json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"

#define JSON_MAX ((size_t)8 << 20)

void ecert_auto_json(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

enum ecert_status ecert_store_parse_json(struct ecert_view text, const char *path, json_t **ret,
                                         struct ecert_error *err)
{
    json_error_t why;

    ECERT_AUTO(ecert_auto_json)
    json_t *json = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
        ecert_buffer_add_escaped(&words, ecert_view_of(why.text), false);
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' is damaged (line %d: %s); move it away, or put its backup "
                               "back",
                               path, why.line, words.len > 0 ? (const char *)words.ptr : "?");
    }
    if (!json_is_object(json))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: it holds no JSON object",
                               path);
    *ret = json;
    json = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_store_read_json(const char *path, json_t **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};

    ECERT_TRY(ecert_fs_read(path, JSON_MAX, &text, err));
    return ecert_store_parse_json(ecert_bytes_view(&text), path, ret, err);
}

enum ecert_status ecert_store_json_text(json_t *object, struct ecert_bytes *ret,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};
    char *text = object == NULL ? NULL : json_dumps(object, JSON_INDENT(2));

    json_decref(object);
    if (text == NULL) /* nothing else can make it fail: every text is UTF-8 */
        return ecert_error_nomem(err);
    ecert_buffer_add_text(&buffer, text);
    ecert_buffer_add_text(&buffer, "\n");
    free(text);
    return ecert_buffer_take(&buffer, ret, err);
}

enum ecert_status ecert_store_write_json(const char *path, json_t *object, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(0600);

    ECERT_TRY(ecert_store_json_text(object, &text, err));
    return ecert_fs_replace(path, ecert_bytes_view(&text), &owner, err);
}

json_t *ecert_store_json_string(const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};

    if (text == NULL)
        return json_null();
    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), true);
    if (escaped.failed)
        return NULL;
    return json_string(escaped.len > 0 ? (const char *)escaped.ptr : "");
}

static enum ecert_status wrong(const char *path, const char *key, const char *wanted,
                               struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: \"%s\" is not %s", path, key,
                           wanted);
}

enum ecert_status ecert_store_get_number(const char *path, const json_t *object, const char *key,
                                         int64_t max, int64_t *ret, struct ecert_error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) > max ||
        (max < INT64_MAX && json_integer_value(value) < 0))
        return wrong(path, key, "a number in its range", err);
    *ret = json_integer_value(value);
    return ECERT_OK;
}

enum ecert_status ecert_store_get_unsigned(const char *path, const json_t *object, const char *key,
                                           unsigned *ret, struct ecert_error *err)
{
    int64_t value = 0;

    ECERT_TRY(ecert_store_get_number(path, object, key, INT_MAX, &value, err));
    *ret = (unsigned)value;
    return ECERT_OK;
}

enum ecert_status ecert_store_get_text(const char *path, const json_t *object, const char *key,
                                       bool optional, char **ret, struct ecert_error *err)
{
    const json_t *value = json_object_get(object, key);

    if (optional && (value == NULL || json_is_null(value))) {
        *ret = NULL;
        return ECERT_OK;
    }
    if (!json_is_string(value))
        return wrong(path, key, "a text", err);
    return ecert_text_copy(ecert_view_of(json_string_value(value)), ret, err);
}

enum ecert_status ecert_store_get_into(const char *path, const json_t *object, const char *key,
                                       char *ret, size_t size, struct ecert_error *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value) || json_string_length(value) >= size)
        return wrong(path, key, "a text of its length", err);
    (void)snprintf(ret, size, "%s", json_string_value(value));
    return ECERT_OK;
}
