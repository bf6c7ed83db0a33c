/* What is said to people about findings, in their language (core/base/words.h). */
#ifndef ECERT_MONITOR_WORDS_H
#define ECERT_MONITOR_WORDS_H

#include "core/base/words.h"
#include "core/monitor/finding.h"

/*
 * Each appends sentences of one line, UTF-8, control characters escaped as \xNN; whoever writes
 * HTML or mail escapes for it.
 */
/* "expires in 12 days (2026-12-03)" */
void ecert_words_state(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now);
/* why it matters */
void ecert_words_why(struct ecert_buffer *out, const struct ecert_finding *finding);
/* what to do, with the command (the finding's name in it as a shell's word) or the CA's steps */
void ecert_words_what_to_do(struct ecert_buffer *out, const struct ecert_finding *finding);

/*
 * A finding's `where` or `detail` in the language in use.  Findings carry English, so that what is
 * spooled, compared and told to programs does not depend on a reader: our sentences are known again
 * by their form; names, paths and the words of the system and of libraries stay as they are.  What
 * is not known stays as it is, and so does what is longer than 2 KB: a stranger wrote most of it.
 */
void ecert_words_sentence(struct ecert_buffer *out, const char *text);

/* The forms, with %s for what differs: for the tests. */
const char *const *ecert_words_sentences(size_t *ret_n);

const char *ecert_words_watched(enum ecert_watched watched); /* "certificate", "證書" */
const char *ecert_words_urgency(enum ecert_urgency urgency); /* "due", "需跟進" */

#endif
