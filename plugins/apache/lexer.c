#include "plugins/apache/lexer.h"

#include <string.h>

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The length of a joined line end at `at`: a backslash, then LF or CR LF; 0 if there is none. */
static size_t joint(struct ecert_view text, size_t at, size_t end)
{
    if (at + 1 < end && text.ptr[at] == '\\' && text.ptr[at + 1] == '\n')
        return 2;
    if (at + 2 < end && text.ptr[at] == '\\' && text.ptr[at + 1] == '\r' &&
        text.ptr[at + 2] == '\n')
        return 3;
    return 0;
}

static size_t skip_joints(struct ecert_view text, size_t at, size_t end)
{
    for (size_t n = joint(text, at, end); n != 0; n = joint(text, at, end))
        at += n;
    return at;
}

static size_t skip_spaces(struct ecert_view text, size_t at, size_t end)
{
    for (;;) {
        at = skip_joints(text, at, end);
        if (at >= end || !is_space(text.ptr[at]))
            return at;
        at++;
    }
}

static bool is_joined(struct ecert_view text, size_t begin, size_t line_feed)
{
    if (line_feed > begin && text.ptr[line_feed - 1] == '\r')
        line_feed--;
    return line_feed > begin && text.ptr[line_feed - 1] == '\\';
}

/* The end of the logical line that starts at lexer->at; counts its physical lines. */
static size_t logical_end(struct ecert_apache_lexer *lexer, size_t *ret_seen)
{
    const struct ecert_view text = lexer->text;
    size_t at = lexer->at;

    for (;;) {
        const uint8_t *found = memchr(text.ptr + at, '\n', text.len - at);
        const size_t line_feed = found == NULL ? text.len : (size_t)(found - text.ptr);
        const uint8_t *nul = memchr(text.ptr + at, '\0', line_feed - at);
        const size_t end = found == NULL ? text.len : line_feed + 1;

        lexer->line++;
        *ret_seen = nul != NULL ? (size_t)(nul - text.ptr) : end;
        if (nul != NULL || end == text.len || !is_joined(text, at, line_feed))
            return end;
        at = end;
    }
}

/* A directive's name ends at a blank, a section's at ">" too. */
static struct ecert_apache_word name_at(struct ecert_view text, size_t at, size_t end, bool section)
{
    struct ecert_apache_word name = {at, at};

    while (name.end < end && !is_space(text.ptr[name.end]) &&
           !(section && text.ptr[name.end] == '>')) {
        const size_t n = joint(text, name.end, end);
        name.end += n != 0 ? n : 1;
    }
    return name;
}

static void classify(struct ecert_view text, struct ecert_apache_piece *piece)
{
    const size_t end = piece->seen;
    size_t at = skip_spaces(text, piece->begin, end);

    if (at >= end)
        return;
    if (text.ptr[at] == '#') {
        piece->kind = ECERT_APACHE_COMMENT;
    } else if (text.ptr[at] != '<') {
        piece->kind = ECERT_APACHE_DIRECTIVE;
        piece->name = name_at(text, at, end, false);
    } else {
        at = skip_joints(text, at + 1, end);
        piece->kind = ECERT_APACHE_OPEN;
        if (at < end && text.ptr[at] == '/') {
            piece->kind = ECERT_APACHE_CLOSE;
            at = skip_joints(text, at + 1, end);
        }
        piece->name = name_at(text, at, end, true);
    }
}

bool ecert_apache_next(struct ecert_apache_lexer *lexer, struct ecert_apache_piece *ret)
{
    if (lexer->at >= lexer->text.len)
        return false;

    struct ecert_apache_piece piece = {.begin = lexer->at};
    piece.end = logical_end(lexer, &piece.seen);
    piece.line = lexer->line;
    classify(lexer->text, &piece);
    lexer->at = piece.end;
    *ret = piece;
    return true;
}

static size_t quoted_end(struct ecert_view text, size_t at, size_t end)
{
    const uint8_t quote = text.ptr[at++];

    for (at = skip_joints(text, at, end); at < end && text.ptr[at] != quote;
         at = skip_joints(text, at, end)) {
        if (text.ptr[at] == '\\') {
            const size_t escaped = skip_joints(text, at + 1, end);
            at = escaped < end && (text.ptr[escaped] == quote || text.ptr[escaped] == '\\')
                     ? escaped + 1
                     : at + 1;
        } else {
            at++;
        }
    }
    return at < end ? at + 1 : end;
}

bool ecert_apache_next_word(struct ecert_view text, const struct ecert_apache_piece *piece,
                            size_t *at, struct ecert_apache_word *ret)
{
    size_t end = piece->seen;

    if (piece->kind == ECERT_APACHE_OPEN) /* the head's own ">" is the last one */
        for (size_t i = piece->seen; i > piece->name.end; i--)
            if (text.ptr[i - 1] == '>') {
                end = i - 1;
                break;
            }
    const size_t begin = skip_spaces(text, *at, end);
    if (begin >= end)
        return false;

    struct ecert_apache_word word = {begin, begin};
    if (text.ptr[begin] == '"' || text.ptr[begin] == '\'') {
        word.end = quoted_end(text, begin, end);
        while (word.end > begin + 1 && is_space(text.ptr[word.end - 1]))
            word.end--; /* a quote that is never closed ends with the line */
    } else {
        word = name_at(text, begin, end, false);
    }
    *at = word.end;
    *ret = word;
    return true;
}

bool ecert_apache_is(struct ecert_view text, const struct ecert_apache_piece *piece,
                     const char *name)
{
    size_t at = piece->name.begin;
    const size_t end = piece->name.end;
    /* the server takes a quoted name as well */
    const bool quoted = end - at >= 2 && (text.ptr[at] == '"' || text.ptr[at] == '\'') &&
                        text.ptr[end - 1] == text.ptr[at] && ++at != 0;

    for (const char *p = name;; p++, at++) {
        at = skip_joints(text, at, end);
        const bool over = at >= end - (quoted ? 1 : 0);
        if (*p == '\0' || over)
            return *p == '\0' && over;
        uint8_t c = text.ptr[at];
        uint8_t wanted = (uint8_t)*p;
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c | 0x20);
        if (wanted >= 'A' && wanted <= 'Z')
            wanted = (uint8_t)(wanted | 0x20);
        if (c != wanted)
            return false;
    }
}

bool ecert_apache_is_line(struct ecert_view text, const struct ecert_apache_piece *piece,
                          const char *line)
{
    size_t at = skip_spaces(text, piece->begin, piece->seen);

    for (; *line != '\0'; line++, at = skip_joints(text, at + 1, piece->seen))
        if (at >= piece->seen || text.ptr[at] != (uint8_t)*line)
            return false;
    return skip_spaces(text, at, piece->seen) >= piece->seen;
}

char *ecert_apache_word_text(struct ecert_arena *arena, struct ecert_view text,
                             struct ecert_apache_word word)
{
    char *copy = ecert_arena_alloc(arena, word.end - word.begin + 1);
    size_t len = 0;
    size_t at = word.begin;
    uint8_t quote = 0;

    if (copy == NULL)
        return NULL;
    if (at < word.end && (text.ptr[at] == '"' || text.ptr[at] == '\''))
        quote = text.ptr[at++];
    for (at = skip_joints(text, at, word.end); at < word.end;
         at = skip_joints(text, at + 1, word.end)) {
        if (quote != 0 && text.ptr[at] == quote)
            break;
        if (quote != 0 && text.ptr[at] == '\\') {
            const size_t next = skip_joints(text, at + 1, word.end);
            if (next < word.end && (text.ptr[next] == quote || text.ptr[next] == '\\'))
                at = next;
        }
        copy[len++] = (char)text.ptr[at];
    }
    copy[len] = '\0';
    return copy;
}

size_t ecert_apache_indent(struct ecert_view text, const struct ecert_apache_piece *piece)
{
    size_t at = piece->begin;

    while (at < piece->end && (text.ptr[at] == ' ' || text.ptr[at] == '\t'))
        at++;
    return at - piece->begin;
}

const char *ecert_apache_line_end(struct ecert_view text, const struct ecert_apache_piece *piece)
{
    if (piece->end == piece->begin || text.ptr[piece->end - 1] != '\n')
        return "";
    return piece->end - piece->begin >= 2 && text.ptr[piece->end - 2] == '\r' ? "\r\n" : "\n";
}
