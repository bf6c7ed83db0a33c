#include "core/host/wire.h"

#include <string.h>

#include "core/host/plan.h"

void ecert_wire_join(const struct ecert_strings *strings, struct ecert_buffer *ret)
{
    for (size_t i = 0; i < strings->len; i++)
        ecert_buffer_add(ret, (struct ecert_view){(const uint8_t *)strings->items[i],
                                                  strlen(strings->items[i]) + 1});
}

enum ecert_status ecert_wire_number(const struct ecert_message *message, size_t i, int64_t min,
                                    int64_t max, int64_t *ret, struct ecert_error *err)
{
    int64_t value = 0;

    ECERT_TRY(ecert_message_number(message, i, &value, err));
    if (value < min || value > max)
        return ecert_error_set(err, ECERT_E_PLUGIN, "field %zu: %lld is out of its range", i,
                               (long long)value);
    *ret = value;
    return ECERT_OK;
}

enum ecert_status ecert_wire_optional(const struct ecert_message *message, size_t i, char **ret,
                                      struct ecert_error *err)
{
    if (i < message->n && message->fields[i].len == 0)
        return ECERT_OK;
    return ecert_message_text(message, i, ret, err);
}

enum ecert_status ecert_wire_list(const struct ecert_message *message, size_t i,
                                  struct ecert_strings *ret, struct ecert_error *err)
{
    if (i >= message->n)
        return ecert_error_set(err, ECERT_E_PLUGIN, "field %zu is missing", i);
    struct ecert_view left = message->fields[i];
    while (left.len > 0) {
        const char *text = (const char *)left.ptr;
        const size_t n = strnlen(text, left.len);

        if (n == left.len)
            return ecert_error_set(err, ECERT_E_PLUGIN, "field %zu: a list without its end", i);
        if (ret->len >= ECERT_PLAN_MAX)
            return ecert_error_set(err, ECERT_E_PLUGIN, "field %zu: more than %d texts", i,
                                   ECERT_PLAN_MAX);
        ECERT_TRY(ecert_strings_add(ret, text, err));
        left.ptr += n + 1;
        left.len -= n + 1;
    }
    return ECERT_OK;
}

static enum ecert_status take(const struct ecert_message *message,
                              const struct ecert_wire_kind *kinds, size_t n_kinds, void *context,
                              struct ecert_error *err)
{
    if (message->kind == 0 || message->kind >= n_kinds)
        return ecert_error_set(err, ECERT_E_PLUGIN, "a record of unknown kind %u",
                               (unsigned)message->kind);
    const struct ecert_wire_kind *kind = &kinds[message->kind];
    if (message->n != kind->fields)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%s record: %zu fields instead of %zu",
                               kind->name, message->n, kind->fields);
    const enum ecert_status status = kind->take(context, message, err);
    if (status == ECERT_OK || status == ECERT_E_NOMEM)
        return status;
    err->status = ECERT_E_PLUGIN; /* whatever is wrong with a field, the plugin said it */
    if (strstr(err->text, " record:") == NULL)
        (void)ecert_error_wrap(err, "%s record", kind->name);
    return ECERT_E_PLUGIN;
}

enum ecert_status ecert_wire_decode(struct ecert_view stream, const struct ecert_wire_kind *kinds,
                                    size_t n_kinds, void *context, struct ecert_error *err)
{
    struct ecert_message message = {0};

    while (message.kind != n_kinds - 1) {
        const enum ecert_status status = ecert_message_decode(&stream, stream.len, &message, err);

        if (status == ECERT_E_NOT_FOUND || status == ECERT_E_REFUSED)
            return ecert_error_set(err, ECERT_E_PLUGIN,
                                   "the records are damaged or end before their end record");
        ECERT_TRY(status);
        ECERT_TRY(take(&message, kinds, n_kinds, context, err));
    }
    if (stream.len != 0)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%zu bytes follow the end record", stream.len);
    return ECERT_OK;
}
