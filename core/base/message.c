#include "core/base/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void ecert_message_add(struct ecert_message *message, struct ecert_view field)
{
    if (message->n >= ECERT_MESSAGE_FIELDS || field.len > UINT32_MAX / 2)
        abort();
    message->fields[message->n++] = field;
}

void ecert_message_add_text(struct ecert_message *message, const char *text)
{
    ecert_message_add(message, ecert_view_of(text));
}

void ecert_message_add_number(struct ecert_message *message, int64_t number, uint8_t storage[8])
{
    for (int i = 0; i < 8; i++)
        storage[i] = (uint8_t)((uint64_t)number >> (8 * i));
    ecert_message_add(message, (struct ecert_view){storage, 8});
}

void ecert_message_encode(const struct ecert_message *message, struct ecert_buffer *buffer)
{
    uint8_t word[4];
    size_t len = 4;

    for (size_t i = 0; i < message->n; i++)
        len += 4 + message->fields[i].len;
    if (len > UINT32_MAX) {
        buffer->failed = true;
        return;
    }
    put_u32(word, (uint32_t)len);
    ecert_buffer_add(buffer, (struct ecert_view){word, 4});
    put_u32(word, message->kind);
    ecert_buffer_add(buffer, (struct ecert_view){word, 4});
    for (size_t i = 0; i < message->n; i++) {
        put_u32(word, (uint32_t)message->fields[i].len);
        ecert_buffer_add(buffer, (struct ecert_view){word, 4});
        ecert_buffer_add(buffer, message->fields[i]);
    }
}

enum ecert_status ecert_message_decode(struct ecert_view *stream, size_t max_len,
                                       struct ecert_message *ret, struct ecert_error *err)
{
    struct ecert_message message = {0};

    if (stream->len < 4)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "the stream ends inside a message");
    const size_t len = get_u32(stream->ptr);
    if (len < 4 || len > max_len)
        return ecert_error_set(err, ECERT_E_REFUSED, "a message of %zu bytes (limit %zu)", len,
                               max_len);
    if (stream->len - 4 < len)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "the stream ends inside a message");

    const uint8_t *p = stream->ptr + 4;
    size_t left = len - 4;
    message.kind = get_u32(p);
    p += 4;
    while (left > 0) {
        if (left < 4 || get_u32(p) > left - 4 || message.n == ECERT_MESSAGE_FIELDS)
            return ecert_error_set(err, ECERT_E_REFUSED, "a message whose fields do not fit it");
        const size_t n = get_u32(p);
        message.fields[message.n++] = (struct ecert_view){p + 4, n};
        p += 4 + n;
        left -= 4 + n;
    }
    stream->ptr += 4 + len;
    stream->len -= 4 + len;
    *ret = message;
    return ECERT_OK;
}

enum ecert_status ecert_message_number(const struct ecert_message *message, size_t i, int64_t *ret,
                                       struct ecert_error *err)
{
    uint64_t value = 0;

    if (i >= message->n || message->fields[i].len != 8)
        return ecert_error_set(err, ECERT_E_REFUSED, "message %u: field %zu is not a number",
                               (unsigned)message->kind, i);
    for (int k = 0; k < 8; k++)
        value |= (uint64_t)message->fields[i].ptr[k] << (8 * k);
    *ret = (int64_t)value;
    return ECERT_OK;
}

enum ecert_status ecert_message_text(const struct ecert_message *message, size_t i, char **ret,
                                     struct ecert_error *err)
{
    if (i >= message->n)
        return ecert_error_set(err, ECERT_E_REFUSED, "message %u: field %zu is missing",
                               (unsigned)message->kind, i);
    return ecert_text_copy(message->fields[i], ret, err);
}

enum ecert_status ecert_write_all(int fd, struct ecert_view bytes, struct ecert_error *err)
{
    while (bytes.len > 0) {
        const ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ecert_error_errno(err, ECERT_E_IO, "write");
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return ECERT_OK;
}
