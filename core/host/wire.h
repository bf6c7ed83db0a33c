/*
 * Fields of a plugin's records on the wire (base/message.h), the way there and back.
 *
 * What comes back was said by a plugin: every failure but ECERT_E_NOMEM and ECERT_E_REFUSED (of
 * the message itself) is ECERT_E_PLUGIN, and the text names the field.
 */
#ifndef ECERT_HOST_WIRE_H
#define ECERT_HOST_WIRE_H

#include "core/base/bytes.h"
#include "core/base/message.h"

/* A list is one field: each text with its NUL. */
void ecert_wire_join(const struct ecert_strings *strings, struct ecert_buffer *ret);

/* The texts of such a field, no more than ECERT_PLAN_MAX. */
ECERT_MUST_CHECK enum ecert_status ecert_wire_list(const struct ecert_message *message, size_t i,
                                                   struct ecert_strings *ret,
                                                   struct ecert_error *err);

/* A number from `min` to `max`. */
ECERT_MUST_CHECK enum ecert_status ecert_wire_number(const struct ecert_message *message, size_t i,
                                                     int64_t min, int64_t max, int64_t *ret,
                                                     struct ecert_error *err);

/* A text; an empty field is none, and *ret stays as it is. */
ECERT_MUST_CHECK enum ecert_status ecert_wire_optional(const struct ecert_message *message,
                                                       size_t i, char **ret,
                                                       struct ecert_error *err);

#endif
