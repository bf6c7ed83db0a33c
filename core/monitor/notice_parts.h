/* What the renderings of a notice share, and what their tests reach. */
#ifndef ECERT_MONITOR_NOTICE_PARTS_H
#define ECERT_MONITOR_NOTICE_PARTS_H

#include "core/monitor/notice.h"

/* ---- pieces, in the language in use, UTF-8 of one line (notice_text.c) ---- */

/* A text from outside, control characters escaped; NULL adds nothing. */
void ecert_notice_add(struct ecert_buffer *out, const char *text);

/* As above, at most `max` bytes of it, never half a character, with an ellipsis where it was cut.
 */
void ecert_notice_add_cut(struct ecert_buffer *out, const char *text, size_t max);

/* "reminder", "digest", "test": for programs, and stable. */
const char *ecert_notice_kind_word(enum ecert_notice_kind kind);

void ecert_notice_subject(const struct ecert_notice *notice, struct ecert_buffer *out);
void ecert_notice_intro(const struct ecert_notice *notice, struct ecert_buffer *out);

/* "NAME: STATE" */
/* As ecert_notice_add(), of a finding's `where` or `detail`, in the reader's language. */
void ecert_notice_add_sentence(struct ecert_buffer *out, const char *text);

void ecert_notice_headline(struct ecert_buffer *out, const struct ecert_finding *finding,
                           int64_t now);

/* Why they were watched; NULL: nobody wrote it down. */
const char *ecert_notice_note(const struct ecert_finding *finding);

/*
 * Findings of the same kind in the same state are explained once.  Is this the first of its kind?
 * (Then *ret_n says how many there are, and `names` gets their names, the first few.)
 */
bool ecert_notice_explains(const struct ecert_notice *notice, size_t which, size_t *ret_n,
                           struct ecert_buffer *names);

/* What to do about `n` findings like this one: the command has NAME in it where they are many. */
void ecert_notice_what_to_do(struct ecert_buffer *out, const struct ecert_finding *finding,
                             size_t n);

/* "Sent by ecert on HOST, TIME" and how to quiet it. */
void ecert_notice_closing(const struct ecert_notice *notice, struct ecert_buffer *out);

/* ---- whole parts ---- */

/* How many findings a mail lists; what is more is counted. */
size_t ecert_notice_rows(const struct ecert_notice *notice);

/* The same, with no more than make a mail of ECERT_NOTICE_MAIL_MAX bytes; at least one. */
size_t ecert_notice_mail_fits(const struct ecert_notice *notice);

/* text/plain and text/html, lines end with "\n"; text/calendar, with CRLF, and is there any? */
void ecert_notice_text(const struct ecert_notice *notice, struct ecert_buffer *out);
void ecert_notice_html(const struct ecert_notice *notice, struct ecert_buffer *out);
bool ecert_notice_ics(const struct ecert_notice *notice, struct ecert_buffer *out);

#endif
