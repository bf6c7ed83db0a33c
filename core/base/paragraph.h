/*
 * Text for a screen: how many columns it takes, and lines of it that fit.
 *
 * A column is that of a character terminal.  An East Asian wide character (Unicode Standard Annex
 * 11, W and F) takes two, a combining one none.
 */
#ifndef ECERT_BASE_PARAGRAPH_H
#define ECERT_BASE_PARAGRAPH_H

#include "core/base/bytes.h"

/* What invalid UTF-8 takes is not known: one column for each byte. */
size_t ecert_columns(const char *text);

/* Blanks behind the text that fill it up to `width` columns; 0 where it is as wide already. */
int ecert_padding(const char *text, size_t width);

/*
 * Append `first` and `text` as lines of at most `width` columns, each with its line end; from the
 * second on they are indented to the end of `first`.  A line ends at a space, or beside a wide
 * character where Chinese typesetting allows it: not before closing punctuation, not behind an
 * opening one.  Nothing else is cut: no word, no address, no path, and none of `whole` (NULL-ended;
 * NULL: none), such as a file name with spaces or in Chinese; what is longer than a line has one to
 * itself.  Runs of spaces and line ends in `text` count as one space.
 */
void ecert_paragraph(struct ecert_buffer *out, const char *first, const char *text,
                     const char *const *whole, size_t width);

#endif
