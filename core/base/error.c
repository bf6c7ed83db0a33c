#include "core/base/error.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void mark_cut(struct ecert_error *err, size_t wanted)
{
    if (wanted >= sizeof err->text)
        memcpy(err->text + sizeof err->text - 4, "...", 4);
}

static size_t vappend(struct ecert_error *err, size_t used, const char *fmt, va_list args)
    ECERT_PRINTF(3, 0);

static size_t vappend(struct ecert_error *err, size_t used, const char *fmt, va_list args)
{
    if (used >= sizeof err->text)
        return used;
    const int n = vsnprintf(err->text + used, sizeof err->text - used, fmt, args);
    if (n > 0)
        used += (size_t)n;
    mark_cut(err, used);
    return used;
}

static size_t append(struct ecert_error *err, size_t used, const char *text)
{
    const size_t len = strlen(text);

    if (used < sizeof err->text) {
        const size_t room = sizeof err->text - used - 1;
        const size_t n = len < room ? len : room;
        memcpy(err->text + used, text, n);
        err->text[used + n] = '\0';
    }
    mark_cut(err, used + len);
    return used + len;
}

enum ecert_status ecert_error_set(struct ecert_error *err, enum ecert_status status,
                                  const char *fmt, ...)
{
    va_list args;

    err->status = status;
    err->sys_errno = 0;
    va_start(args, fmt);
    (void)vappend(err, 0, fmt, args);
    va_end(args);
    return status;
}

enum ecert_status ecert_error_errno(struct ecert_error *err, enum ecert_status status,
                                    const char *fmt, ...)
{
    const int saved = errno;
    char words[256];
    va_list args;

    err->status = status;
    err->sys_errno = saved;
    va_start(args, fmt);
    size_t used = vappend(err, 0, fmt, args);
    va_end(args);
    used = append(err, used, ": ");
    /* the GNU strerror_r: may or may not use the buffer, never fails */
    (void)append(err, used, strerror_r(saved, words, sizeof words));
    return status;
}

enum ecert_status ecert_error_openssl(struct ecert_error *err, enum ecert_status status,
                                      const char *fmt, ...)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    va_list args;

    err->status = status;
    err->sys_errno = 0;
    va_start(args, fmt);
    size_t used = vappend(err, 0, fmt, args);
    va_end(args);
    if (reason != NULL) {
        used = append(err, used, ": ");
        (void)append(err, used, reason);
    }
    ERR_clear_error();
    return status;
}

enum ecert_status ecert_error_wrap(struct ecert_error *err, const char *fmt, ...)
{
    char inner[sizeof err->text];
    va_list args;

    memcpy(inner, err->text, sizeof inner);
    va_start(args, fmt);
    size_t used = vappend(err, 0, fmt, args);
    va_end(args);
    used = append(err, used, ": ");
    (void)append(err, used, inner);
    return err->status;
}

enum ecert_status ecert_error_nomem(struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_NOMEM, "out of memory");
}

const char *ecert_status_words(enum ecert_status status)
{
    switch (status) {
#define ECERT_STATUS_WORDS(name, value, words) \
    case name:                                 \
        return words;
        ECERT_STATUS_LIST(ECERT_STATUS_WORDS)
#undef ECERT_STATUS_WORDS
    }
    return "unknown status"; /* no default above: a new status without words is a warning */
}
