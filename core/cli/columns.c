#include "core/cli/columns.h"

size_t ecert_columns(const char *text)
{
    size_t n = 0;

    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
        if ((*c & 0xC0) != 0x80)     /* not a byte that continues a character */
            n += *c >= 0xE1 ? 2 : 1; /* roughly: what is wide begins at U+1100 */
    return n;
}

int ecert_padding(const char *text, size_t width)
{
    const size_t n = ecert_columns(text);

    return n < width ? (int)(width - n) : 0;
}
