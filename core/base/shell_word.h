/* A word of a command line that a person is told to type. */
#ifndef ECERT_BASE_SHELL_WORD_H
#define ECERT_BASE_SHELL_WORD_H

#include "core/base/bytes.h"

/* Append it as a shell takes it: "www.x.hk", "'*.x.hk'".  What is no text is escaped (bytes.h). */
void ecert_shell_word_add(struct ecert_buffer *out, const char *word);

/* The same, allocated.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_shell_word(const char *word, char **ret,
                                                    struct ecert_error *err);

#endif
