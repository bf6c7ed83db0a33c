/*
 * Messages: how the processes of one run speak, and what the journal is made of.
 *
 * A message is a kind and a few fields of bytes.  On the wire: u32 total length of what follows,
 * u32 kind, then each field as u32 length and bytes; little-endian.  A reader takes nothing on
 * trust: a length that leaves the message, more than ECERT_MESSAGE_FIELDS fields, or a message
 * longer than the limit given is ECERT_E_REFUSED.
 */
#ifndef ECERT_BASE_MESSAGE_H
#define ECERT_BASE_MESSAGE_H

#include "core/base/bytes.h"

#define ECERT_MESSAGE_FIELDS 64

struct ecert_message {
    uint32_t kind;
    size_t n;
    struct ecert_view fields[ECERT_MESSAGE_FIELDS]; /* borrowed */
};

/* Builders; a full message latches nothing: more fields than fit abort() (a programming error). */
void ecert_message_add(struct ecert_message *message, struct ecert_view field);
void ecert_message_add_text(struct ecert_message *message, const char *text); /* NULL: empty */
void ecert_message_add_number(struct ecert_message *message, int64_t number, uint8_t storage[8]);

/* Append the message in wire form. */
void ecert_message_encode(const struct ecert_message *message, struct ecert_buffer *buffer);

/*
 * Take the first message off `*stream`; its fields point into the stream.  ECERT_E_NOT_FOUND: the
 * stream ends before the message does (read more); ECERT_E_REFUSED: not a message.
 */
ECERT_MUST_CHECK enum ecert_status ecert_message_decode(struct ecert_view *stream, size_t max_len,
                                                        struct ecert_message *ret,
                                                        struct ecert_error *err);

/* Field `i` as a number or a text (the caller frees).  ECERT_E_REFUSED: absent or not one. */
ECERT_MUST_CHECK enum ecert_status ecert_message_number(const struct ecert_message *message,
                                                        size_t i, int64_t *ret,
                                                        struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_message_text(const struct ecert_message *message, size_t i,
                                                      char **ret, struct ecert_error *err);

/* Write all of it to a descriptor; ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_write_all(int fd, struct ecert_view bytes,
                                                   struct ecert_error *err);

#endif
