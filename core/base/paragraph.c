#include "core/base/paragraph.h"

#include <string.h>

/* ---- columns ---- */

struct range {
    uint32_t from, to;
};

static bool is_in(const struct range *ranges, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++)
        if (code >= ranges[i].from && code <= ranges[i].to)
            return true;
    return false;
}

/* EastAsianWidth W and F, in blocks. */
static bool is_wide(uint32_t code)
{
    static const struct range wide[] = {
        {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x4DBF},   {0x4E00, 0xA4CF},
        {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},
        {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18DFF},
        {0x1AFF0, 0x1B2FF}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
        {0x20000, 0x3FFFD},
    };

    return code >= 0x1100 && is_in(wide, ARRAY_SIZE(wide), code);
}

/* Combining marks, zero-width characters, variation selectors. */
static bool is_without_width(uint32_t code)
{
    static const struct range none[] = {
        {0x0300, 0x036F}, {0x200B, 0x200F}, {0x2060, 0x2064}, {0x20D0, 0x20F0}, {0x302A, 0x302D},
        {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
    };

    return code >= 0x0300 && is_in(none, ARRAY_SIZE(none), code);
}

/* The character at `text`, which does not end there; its length. */
static size_t character_at(const char *text, uint32_t *ret)
{
    const size_t n = ecert_utf8_at((const uint8_t *)text, strnlen(text, 4), ret);

    if (n > 0)
        return n;
    *ret = 0xFFFD; /* a byte that is no character */
    return 1;
}

static size_t columns_of(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len;) {
        uint32_t code;

        i += character_at(text + i, &code);
        n += is_wide(code) ? 2 : is_without_width(code) ? 0 : 1;
    }
    return n;
}

size_t ecert_columns(const char *text)
{
    return columns_of(text, strlen(text));
}

int ecert_padding(const char *text, size_t width)
{
    const size_t n = ecert_columns(text);

    return n < width ? (int)(width - n) : 0;
}

/* ---- where a line may end ---- */

static bool is_one_of(uint32_t code, const uint32_t *codes)
{
    while (*codes != 0 && *codes != code)
        codes++;
    return *codes != 0;
}

/* No line begins with these. */
static bool is_closing(uint32_t code)
{
    static const uint32_t closing[] = {0x3001, 0x3002, 0x3005, 0x3009, 0x300B, 0x300D, 0x300F,
                                       0x3011, 0x3015, 0xFF01, 0xFF05, 0xFF09, 0xFF0C, 0xFF0E,
                                       0xFF1A, 0xFF1B, 0xFF1F, 0xFF5D, 0};

    return is_one_of(code, closing);
}

/* No line ends with these. */
static bool is_opening(uint32_t code)
{
    static const uint32_t opening[] = {0x3008, 0x300A, 0x300C, 0x300E, 0x3010,
                                       0x3014, 0xFF08, 0xFF5B, 0};

    return is_one_of(code, opening);
}

/* Beside a wide character these may be part of a path or an address; a letter is a word's end. */
static bool is_word(uint32_t code)
{
    return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
           (code >= 'a' && code <= 'z');
}

static bool may_end_between(uint32_t before, uint32_t behind)
{
    if (is_closing(behind) || is_opening(before) || is_without_width(behind))
        return false;
    if (is_wide(before))
        return is_wide(behind) || is_word(behind);
    return is_wide(behind) && is_word(before);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

/* The length of the longest of `whole` that stands here; 0: none. */
static size_t whole_at(const char *text, const char *const *whole)
{
    size_t longest = 0;

    for (; whole != NULL && *whole != NULL; whole++) {
        const size_t len = strlen(*whole);

        if (len > longest && strncmp(text, *whole, len) == 0)
            longest = len;
    }
    return longest;
}

/* How much of the text from here on, where no space is, stays on one line. */
static size_t piece_at(const char *text, const char *const *whole)
{
    uint32_t before = 0, code;
    size_t len = 0;

    while (text[len] != '\0' && !is_space(text[len])) {
        const size_t kept = whole_at(text + len, whole);
        size_t n = character_at(text + len, &code);

        if (len > 0 && may_end_between(before, code))
            return len;
        for (; n < kept; n += character_at(text + len + n, &code))
            continue;
        len += n;
        before = code;
    }
    return len;
}

void ecert_paragraph(struct ecert_buffer *out, const char *first, const char *text,
                     const char *const *whole, size_t width)
{
    const size_t indent = ecert_columns(first);
    size_t column = indent;

    ecert_buffer_add_text(out, first);
    for (;;) {
        const char *const end = text;

        while (*text != '\0' && is_space(*text))
            text++;
        if (*text == '\0')
            break;
        const size_t len = piece_at(text, whole), columns = columns_of(text, len);
        const size_t gap = text > end && column > indent ? 1 : 0;
        if (column > indent && column + gap + columns > width) {
            ecert_buffer_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (gap > 0) {
            ecert_buffer_add_text(out, " ");
            column++;
        }
        ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)text, len});
        column += columns;
        text += len;
    }
    ecert_buffer_add_text(out, "\n");
}
