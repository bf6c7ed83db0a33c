/* Tables on a screen: how wide a text is there. */
#ifndef ECERT_CLI_COLUMNS_H
#define ECERT_CLI_COLUMNS_H

#include <stddef.h>

/* Columns of a text in UTF-8: a Chinese character takes two (East Asian Wide, Unicode TR 11). */
size_t ecert_columns(const char *text);

/* Blanks behind the text that fill it up to `width`; 0 where it is as wide already. */
int ecert_padding(const char *text, size_t width);

#endif
