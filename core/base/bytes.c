#include "core/base/bytes.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ecert_auto_free(void *pointer_to_pointer)
{
    void *pointer;

    /* memcpy: reading any pointer through `void **` would break the aliasing rules */
    memcpy(&pointer, pointer_to_pointer, sizeof pointer);
    free(pointer);
}

struct ecert_view ecert_view_of(const char *text)
{
    if (text == NULL)
        return (struct ecert_view){0};
    return (struct ecert_view){(const uint8_t *)text, strlen(text)};
}

bool ecert_view_equal(struct ecert_view a, struct ecert_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static uint8_t *copy_with_nul(struct ecert_view from)
{
    uint8_t *ptr = malloc(from.len + 1);

    if (ptr == NULL)
        return NULL;
    if (from.len > 0)
        memcpy(ptr, from.ptr, from.len);
    ptr[from.len] = 0;
    return ptr;
}

enum ecert_status ecert_bytes_copy(struct ecert_view from, struct ecert_bytes *ret,
                                   struct ecert_error *err)
{
    uint8_t *ptr = copy_with_nul(from);

    if (ptr == NULL)
        return ecert_error_nomem(err);
    *ret = (struct ecert_bytes){ptr, from.len};
    return ECERT_OK;
}

enum ecert_status ecert_secret_copy(struct ecert_view from, struct ecert_secret *ret,
                                    struct ecert_error *err)
{
    uint8_t *ptr = copy_with_nul(from);

    if (ptr == NULL)
        return ecert_error_nomem(err);
    *ret = (struct ecert_secret){ptr, from.len};
    return ECERT_OK;
}

enum ecert_status ecert_text_copy(struct ecert_view from, char **ret, struct ecert_error *err)
{
    if (from.len > 0 && memchr(from.ptr, 0, from.len) != NULL)
        return ecert_error_set(err, ECERT_E_REFUSED, "a text holds a NUL byte");
    char *text = (char *)copy_with_nul(from);
    if (text == NULL)
        return ecert_error_nomem(err);
    *ret = text;
    return ECERT_OK;
}

bool ecert_text_is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

char *ecert_text_vformat(const char *fmt, va_list args)
{
    char *text = NULL;

    return vasprintf(&text, fmt, args) < 0 ? NULL : text;
}

enum ecert_status ecert_text_format(char **ret, struct ecert_error *err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *text = ecert_text_vformat(fmt, args);
    va_end(args);
    if (text == NULL)
        return ecert_error_nomem(err);
    *ret = text;
    return ECERT_OK;
}

void ecert_bytes_clear(struct ecert_bytes *bytes)
{
    free(bytes->ptr);
    *bytes = (struct ecert_bytes){0};
}

void ecert_secret_clear(struct ecert_secret *secret)
{
    if (secret->ptr != NULL)
        OPENSSL_cleanse(secret->ptr, secret->len);
    free(secret->ptr);
    *secret = (struct ecert_secret){0};
}

/* Room for `more` bytes and a NUL; moves by hand because realloc would leave a copy unwiped. */
static bool reserve(struct ecert_buffer *buffer, size_t more)
{
    if (buffer->failed)
        return false;
    if (more < SIZE_MAX / 4 && buffer->len + more < buffer->capacity)
        return true;

    size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;
    while (capacity <= buffer->len + more && capacity < SIZE_MAX / 4)
        capacity *= 2;
    uint8_t *ptr = more < SIZE_MAX / 4 ? malloc(capacity) : NULL;
    if (ptr == NULL) {
        buffer->failed = true;
        return false;
    }
    if (buffer->ptr != NULL) {
        memcpy(ptr, buffer->ptr, buffer->len);
        OPENSSL_cleanse(buffer->ptr, buffer->len);
        free(buffer->ptr);
    }
    buffer->ptr = ptr;
    buffer->capacity = capacity;
    return true;
}

void ecert_buffer_add(struct ecert_buffer *buffer, struct ecert_view bytes)
{
    if (!reserve(buffer, bytes.len))
        return;
    if (bytes.len > 0)
        memcpy(buffer->ptr + buffer->len, bytes.ptr, bytes.len);
    buffer->len += bytes.len;
    buffer->ptr[buffer->len] = 0;
}

void ecert_buffer_add_text(struct ecert_buffer *buffer, const char *text)
{
    ecert_buffer_add(buffer, ecert_view_of(text));
}

void ecert_buffer_printf(struct ecert_buffer *buffer, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    const int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        buffer->failed = true;
        return;
    }
    ecert_buffer_add(buffer, (struct ecert_view){(const uint8_t *)text, (size_t)n});
    OPENSSL_cleanse(text, (size_t)n);
    free(text);
}

void ecert_buffer_clear(struct ecert_buffer *buffer)
{
    if (buffer->ptr != NULL)
        OPENSSL_cleanse(buffer->ptr, buffer->len);
    free(buffer->ptr);
    *buffer = (struct ecert_buffer){0};
}

enum ecert_status ecert_buffer_take(struct ecert_buffer *buffer, struct ecert_bytes *ret,
                                    struct ecert_error *err)
{
    if (buffer->failed || !reserve(buffer, 0)) {
        ecert_buffer_clear(buffer);
        return ecert_error_nomem(err);
    }
    buffer->ptr[buffer->len] = 0;
    *ret = (struct ecert_bytes){buffer->ptr, buffer->len};
    *buffer = (struct ecert_buffer){0};
    return ECERT_OK;
}

enum ecert_status ecert_strings_add(struct ecert_strings *strings, const char *text,
                                    struct ecert_error *err)
{
    char *copy = strdup(text);
    /* doubled at each power of two, so that a long list costs linear time */
    const bool full = (strings->len & (strings->len + 1)) == 0;
    char **items = strings->items;

    if (copy != NULL && (full || items == NULL))
        items = reallocarray(strings->items, 2 * (strings->len + 1), sizeof *items);
    if (copy == NULL || items == NULL) {
        free(copy);
        return ecert_error_nomem(err);
    }
    items[strings->len] = copy;
    items[strings->len + 1] = NULL;
    strings->items = items;
    strings->len++;
    return ECERT_OK;
}

enum ecert_status ecert_strings_printf(struct ecert_strings *strings, struct ecert_error *err,
                                       const char *fmt, ...)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = ecert_text_vformat(fmt, args);
    va_end(args);
    if (text == NULL)
        return ecert_error_nomem(err);
    return ecert_strings_add(strings, text, err);
}

enum ecert_status ecert_strings_add_all(struct ecert_strings *strings, const char *const *texts,
                                        struct ecert_error *err)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        ECERT_TRY(ecert_strings_add(strings, texts[i], err));
    return ECERT_OK;
}

bool ecert_strings_equal(const struct ecert_strings *a, const struct ecert_strings *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

bool ecert_strings_contain(const struct ecert_strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->len; i++)
        if (strcmp(strings->items[i], text) == 0)
            return true;
    return false;
}

void ecert_strings_clear(struct ecert_strings *strings)
{
    for (size_t i = 0; i < strings->len; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct ecert_strings){0};
}

const char *const *ecert_strings_array(const struct ecert_strings *strings)
{
    static const char *const none[] = {NULL};

    return strings->items == NULL ? none : (const char *const *)strings->items;
}

void ecert_sha256(struct ecert_view bytes, uint8_t ret[ECERT_SHA256_LEN])
{
    static const uint8_t nothing;

    (void)SHA256(bytes.ptr == NULL ? &nothing : bytes.ptr, bytes.len, ret);
}

void ecert_hex(struct ecert_view bytes, char *ret)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < bytes.len; i++) {
        *ret++ = digits[bytes.ptr[i] >> 4];
        *ret++ = digits[bytes.ptr[i] & 15];
    }
    *ret = '\0';
}

void ecert_sha256_hex(struct ecert_view bytes, char ret[ECERT_SHA256_HEX_LEN])
{
    uint8_t hash[ECERT_SHA256_LEN];

    ecert_sha256(bytes, hash);
    ecert_hex((struct ecert_view){hash, sizeof hash}, ret);
}

size_t ecert_utf8_at(const uint8_t *p, size_t len, uint32_t *ret)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t code;

    if (n == 0 || n > len || p[0] > 0xF4)
        return 0;
    if (n == 1) {
        *ret = p[0];
        return 1;
    }
    code = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    if (code < smallest[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *ret = code;
    return n;
}

static bool is_plain(uint32_t code, bool multiline)
{
    if (code == '\n' || code == '\t')
        return multiline;
    if (code < 0x20 || (code >= 0x7F && code < 0xA0))
        return false;
    /* bidirectional controls reorder what the reader sees; line and paragraph separators end it */
    return !(code == 0x061C || (code >= 0x200E && code <= 0x200F) ||
             (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069));
}

void ecert_buffer_add_escaped(struct ecert_buffer *buffer, struct ecert_view text, bool multiline)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t code = 0;
        const size_t n = ecert_utf8_at(text.ptr + i, text.len - i, &code);

        if (n > 0 && is_plain(code, multiline)) {
            ecert_buffer_add(buffer, (struct ecert_view){text.ptr + i, n});
            i += n;
            continue;
        }
        for (size_t end = i + (n > 0 ? n : 1); i < end; i++)
            ecert_buffer_printf(buffer, "\\x%02X", text.ptr[i]);
    }
}
