/* The pieces that the text of a first configuration is made of (draft.h). */
#ifndef ECERT_ISSUE_DRAFT_PARTS_H
#define ECERT_ISSUE_DRAFT_PARTS_H

#include "core/issue/draft.h"

/* ---- draft_pieces.c ---- */

/* A value as libconfig reads it: our texts hold no control bytes. */
void ecert_draft_put_string(struct ecert_buffer *out, const char *text);

/* [ "a", "b" ], a new line where one is full; `indent` is of those. */
void ecert_draft_put_list(struct ecert_buffer *out, const char *indent,
                          const struct ecert_strings *texts);

/* INDENTkey = "value"; */
void ecert_draft_put_key(struct ecert_buffer *out, const char *indent, const char *key,
                         const char *value);

/* A comment in lines of its own; whatever is in it, it stays one. */
void ecert_draft_comment(struct ecert_buffer *out, const char *indent, const char *fmt, ...)
    ECERT_PRINTF(3, 4);

/* ---- draft_target.c ---- */

/* The target, or why it is none and what to write. */
void ecert_draft_put_target(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                            bool first, struct ecert_buffer *out);
void ecert_draft_put_no_target(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                               struct ecert_buffer *out);

/* ---- draft_entry.c ---- */

/* A certificate with its targets; it has a name. */
ECERT_MUST_CHECK enum ecert_status ecert_draft_put_entry(const struct ecert_draft *draft,
                                                         size_t index, bool first,
                                                         struct ecert_buffer *out,
                                                         struct ecert_draft_sum *sum,
                                                         struct ecert_error *err);

#endif
