#include "core/host/record.h"

#include <string.h>

enum ecert_status ecert_record_refuse(const char *record, const char *what, const char *value,
                                      const char *why, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer shown = {0};

    ecert_buffer_add_escaped(
        &shown, (struct ecert_view){(const uint8_t *)value, strnlen(value, 200)}, false);
    ecert_buffer_add(&shown, (struct ecert_view){(const uint8_t *)"", 1});
    if (shown.failed)
        return ecert_error_nomem(err);
    return ecert_error_set(err, ECERT_E_PLUGIN, "%s record: %s%s'%s' %s", record,
                           what == NULL ? "" : what, what == NULL ? "" : " ",
                           (const char *)shown.ptr, why);
}

/* One rule for what a terminal could obey: the one that escaping has. */
enum ecert_status ecert_record_check_text(const char *record, const char *what, const char *text,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};

    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), false);
    if (escaped.failed)
        return ecert_error_nomem(err);
    if (!ecert_view_equal(ecert_buffer_view(&escaped), ecert_view_of(text)))
        return ecert_record_refuse(record, what, text, "holds control bytes or is not UTF-8", err);
    return ECERT_OK;
}
