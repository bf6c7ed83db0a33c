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
