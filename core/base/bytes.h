/*
 * Bytes and strings.  Ownership is in the type: a `view` is borrowed, `bytes` are owned, a
 * `secret` is owned key material that is wiped when it is cleared and that no logging call accepts.
 * {0} is the empty object of each; clearing accepts it.
 */
#ifndef ECERT_BASE_BYTES_H
#define ECERT_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>

#include "core/base/error.h"

/* Run `fn(&variable)` when the variable goes out of scope.  GCC and Clang only, by choice. */
#define ECERT_AUTO(fn) __attribute__((cleanup(fn)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* ECERT_AUTO(ecert_auto_free) char *text = NULL; */
void ecert_auto_free(void *pointer_to_pointer);

/* Owned bytes that may be logged, compared and stored.  A NUL always follows ptr[len - 1]. */
struct ecert_bytes {
    uint8_t *ptr;
    size_t len;
};

/* Owned key material or a passphrase.  A NUL always follows. */
struct ecert_secret {
    uint8_t *ptr;
    size_t len;
};

static inline struct ecert_view ecert_bytes_view(const struct ecert_bytes *bytes)
{
    return (struct ecert_view){bytes->ptr, bytes->len};
}

static inline struct ecert_view ecert_secret_view(const struct ecert_secret *secret)
{
    return (struct ecert_view){secret->ptr, secret->len};
}

/* The bytes of a NUL-ended text, without the NUL.  NULL is the empty view. */
struct ecert_view ecert_view_of(const char *text);

bool ecert_view_equal(struct ecert_view a, struct ecert_view b);

/* Copies.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_bytes_copy(struct ecert_view from, struct ecert_bytes *ret,
                                                    struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_secret_copy(struct ecert_view from,
                                                     struct ecert_secret *ret,
                                                     struct ecert_error *err);

/* A NUL-ended copy of a view; a NUL inside is ECERT_E_REFUSED.  The caller frees. */
ECERT_MUST_CHECK enum ecert_status ecert_text_copy(struct ecert_view from, char **ret,
                                                   struct ecert_error *err);

/* A formatted text that the caller frees.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_text_format(char **ret, struct ecert_error *err,
                                                     const char *fmt, ...) ECERT_PRINTF(3, 4);

/* The same with the arguments of a caller; NULL: no memory. */
char *ecert_text_vformat(const char *fmt, va_list args) ECERT_PRINTF(1, 0);

bool ecert_text_is_ascii(const char *text);

void ecert_bytes_clear(struct ecert_bytes *bytes);
void ecert_secret_clear(struct ecert_secret *secret); /* wipes */

/*
 * A growing buffer.  Adding never fails visibly: the first failure is remembered, later calls do
 * nothing, and ecert_buffer_take() reports it.  Growth wipes what it leaves behind, so a buffer may
 * hold key material until it is cleared.
 */
struct ecert_buffer {
    uint8_t *ptr;
    size_t len;
    size_t capacity;
    bool failed;
};

void ecert_buffer_add(struct ecert_buffer *buffer, struct ecert_view bytes);
void ecert_buffer_add_text(struct ecert_buffer *buffer, const char *text);
void ecert_buffer_printf(struct ecert_buffer *buffer, const char *fmt, ...) ECERT_PRINTF(2, 3);
void ecert_buffer_clear(struct ecert_buffer *buffer); /* wipes */
static inline struct ecert_view ecert_buffer_view(const struct ecert_buffer *buffer)
{
    return (struct ecert_view){buffer->ptr, buffer->len};
}

/* Hand the content out; the buffer is empty afterwards.  ECERT_E_NOMEM if any add failed. */
ECERT_MUST_CHECK enum ecert_status ecert_buffer_take(struct ecert_buffer *buffer,
                                                     struct ecert_bytes *ret,
                                                     struct ecert_error *err);

/* An owned, NULL-ended list of texts.  {0} is the empty list (items == NULL). */
struct ecert_strings {
    char **items;
    size_t len;
};

ECERT_MUST_CHECK enum ecert_status ecert_strings_add(struct ecert_strings *strings,
                                                     const char *text, struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_strings_printf(struct ecert_strings *strings,
                                                        struct ecert_error *err, const char *fmt,
                                                        ...) ECERT_PRINTF(3, 4);
/* Append a copy of each text of a NULL-ended array (NULL is the empty one). */
ECERT_MUST_CHECK enum ecert_status ecert_strings_add_all(struct ecert_strings *strings,
                                                         const char *const *texts,
                                                         struct ecert_error *err);
bool ecert_strings_contain(const struct ecert_strings *strings, const char *text);
bool ecert_strings_equal(const struct ecert_strings *a, const struct ecert_strings *b);
void ecert_strings_clear(struct ecert_strings *strings);

/* The list as the const argv-like array that callers want; never NULL, always NULL-ended. */
const char *const *ecert_strings_array(const struct ecert_strings *strings);

#define ECERT_SHA256_LEN     32
#define ECERT_SHA256_HEX_LEN 65 /* with the NUL */

void ecert_sha256(struct ecert_view bytes, uint8_t ret[ECERT_SHA256_LEN]);

/* Upper-case hexadecimal; `ret` has room for 2 * bytes.len + 1. */
void ecert_hex(struct ecert_view bytes, char *ret);
void ecert_sha256_hex(struct ecert_view bytes, char ret[ECERT_SHA256_HEX_LEN]);

/* The length of the UTF-8 sequence at p (RFC 3629), 0 if it is none; the code point in *ret. */
size_t ecert_utf8_at(const uint8_t *p, size_t len, uint32_t *ret);

/*
 * Append text from outside with everything that a terminal could obey replaced by \xNN: C0, DEL,
 * C1 (also as UTF-8), invalid UTF-8, and the bidirectional controls.  Other UTF-8 stays readable.
 * Line feed and tab stay only if `multiline`.
 */
void ecert_buffer_add_escaped(struct ecert_buffer *buffer, struct ecert_view text, bool multiline);

#endif
