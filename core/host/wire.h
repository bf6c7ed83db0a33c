/*
 * A plugin's records on the wire (base/message.h): their fields, the way there and back, and the
 * stream of them.
 *
 * What comes back was said by a plugin: every failure of a field but ECERT_E_NOMEM and
 * ECERT_E_REFUSED (of the message itself) is ECERT_E_PLUGIN, and the text names the field.
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

/* Takes over what one record says; `context` is the caller's own. */
typedef enum ecert_status ecert_wire_take_fn(void *context, const struct ecert_message *message,
                                             struct ecert_error *err);

/* What a record of one kind is called in errors, how many fields it has, who takes it. */
struct ecert_wire_kind {
    const char *name;
    size_t fields;
    ecert_wire_take_fn *take;
};

/*
 * Hand each record of the stream to its kind's function, in order.  `kinds` is indexed by the kind
 * of the message, element 0 is no kind, and the last of the `n_kinds` is the end record, behind
 * which nothing may stand.  ECERT_E_PLUGIN: a record of no kind or with another number of fields,
 * a function refused (with whatever status: the plugin said it), or the stream is damaged, cut
 * short, or goes on after its end record; the text names the record's kind.
 */
ECERT_MUST_CHECK enum ecert_status ecert_wire_decode(struct ecert_view stream,
                                                     const struct ecert_wire_kind *kinds,
                                                     size_t n_kinds, void *context,
                                                     struct ecert_error *err);

#endif
