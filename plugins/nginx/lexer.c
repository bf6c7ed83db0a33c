#include "plugins/nginx/lexer.h"

#include <string.h>

void ecert_nginx_lexer_init(struct ecert_nginx_lexer *lexer, struct ecert_view text)
{
    *lexer = (struct ecert_nginx_lexer){.text = text.ptr, .len = (uint32_t)text.len, .line = 1};
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The offset of the first `c` from `at` on, or the end of the text. */
static uint32_t find(const struct ecert_nginx_lexer *lexer, uint32_t at, int c)
{
    const uint8_t *hit = at < lexer->len ? memchr(lexer->text + at, c, lexer->len - at) : NULL;

    return hit == NULL ? lexer->len : (uint32_t)(hit - lexer->text);
}

static uint32_t skip_blanks(struct ecert_nginx_lexer *lexer, uint32_t at)
{
    while (at < lexer->len && is_blank(lexer->text[at])) {
        lexer->line += lexer->text[at] == '\n';
        at++;
    }
    return at;
}

/* A backslash takes the next byte with it. */
static uint32_t skip_escape(struct ecert_nginx_lexer *lexer, uint32_t at)
{
    if (at + 1 < lexer->len)
        lexer->line += lexer->text[at + 1] == '\n';
    return at + 2 < lexer->len ? at + 2 : lexer->len;
}

static uint32_t skip_quoted(struct ecert_nginx_lexer *lexer, uint32_t at)
{
    const uint8_t quote = lexer->text[at++];

    while (at < lexer->len && lexer->text[at] != quote) {
        if (lexer->text[at] == '\\') {
            at = skip_escape(lexer, at);
            continue;
        }
        lexer->line += lexer->text[at] == '\n';
        at++;
    }
    return at < lexer->len ? at + 1 : at;
}

static uint32_t skip_word(struct ecert_nginx_lexer *lexer, uint32_t at)
{
    if (lexer->text[at] == '"' || lexer->text[at] == '\'')
        return skip_quoted(lexer, at);
    while (at < lexer->len) {
        const uint8_t c = lexer->text[at];
        if (is_blank(c) || c == ';' || c == '{')
            break;
        if (c == '\\')
            at = skip_escape(lexer, at);
        else if (c == '$' && at + 1 < lexer->len && lexer->text[at + 1] == '{')
            at += 2;
        else
            at++;
    }
    return at;
}

/* ---- Lua ------------------------------------------------------------------------------------- */

/* "[[" or "[==[" at `at`: true, and the number of "=". */
static bool is_long_bracket(const struct ecert_nginx_lexer *lexer, uint32_t at, uint32_t *ret_level)
{
    uint32_t p = at + 1;

    if (at >= lexer->len || lexer->text[at] != '[')
        return false;
    while (p < lexer->len && lexer->text[p] == '=')
        p++;
    if (p >= lexer->len || lexer->text[p] != '[')
        return false;
    *ret_level = p - at - 1;
    return true;
}

/* Behind the "]==]" that closes the long bracket at `at`. */
static uint32_t skip_long_bracket(const struct ecert_nginx_lexer *lexer, uint32_t at,
                                  uint32_t level)
{
    at += level + 2;
    while ((at = find(lexer, at, ']')) < lexer->len) {
        uint32_t p = at + 1;
        while (p < lexer->len && lexer->text[p] == '=')
            p++;
        if (p < lexer->len && lexer->text[p] == ']' && p - at - 1 == level)
            return p + 1;
        at = p; /* not at + 1: "====" would be looked at again and again */
    }
    return lexer->len;
}

static uint32_t skip_lua_string(const struct ecert_nginx_lexer *lexer, uint32_t at)
{
    const uint8_t quote = lexer->text[at++];

    /* an unescaped line feed ends it: Lua would refuse the string, the braces below still count */
    while (at < lexer->len && lexer->text[at] != quote && lexer->text[at] != '\n')
        at += lexer->text[at] == '\\' ? 2 : 1;
    return at < lexer->len ? at + 1 : lexer->len;
}

static uint32_t skip_lua_comment(const struct ecert_nginx_lexer *lexer, uint32_t at)
{
    uint32_t level = 0;

    if (is_long_bracket(lexer, at + 2, &level))
        return skip_long_bracket(lexer, at + 2, level);
    return find(lexer, at, '\n');
}

/* The offset of the "}" that closes the block, or the end of the text. */
static uint32_t skip_lua(const struct ecert_nginx_lexer *lexer, uint32_t at)
{
    uint32_t depth = 0;
    uint32_t level = 0;

    while (at < lexer->len) {
        const uint8_t c = lexer->text[at];
        if (c == '}' && depth-- == 0)
            return at;
        if (c == '{')
            depth++;
        if (c == '"' || c == '\'')
            at = skip_lua_string(lexer, at);
        else if (c == '-' && at + 1 < lexer->len && lexer->text[at + 1] == '-')
            at = skip_lua_comment(lexer, at);
        else if (c == '[' && is_long_bracket(lexer, at, &level))
            at = skip_long_bracket(lexer, at, level);
        else
            at++;
    }
    return lexer->len;
}

static uint32_t skip_raw(struct ecert_nginx_lexer *lexer, uint32_t at)
{
    const uint32_t end = skip_lua(lexer, at);

    for (uint32_t p = find(lexer, at, '\n'); p < end; p = find(lexer, p + 1, '\n'))
        lexer->line++;
    return end;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool names_lua_block(const struct ecert_nginx_lexer *lexer, uint32_t start, uint32_t end)
{
    static const char suffix[] = "_by_lua_block";
    const uint32_t len = sizeof suffix - 1;
    const uint8_t first = lexer->text[start];

    if ((first == '"' || first == '\'') && lexer->text[end - 1] == first)
        end--;
    return end - start > len && memcmp(lexer->text + end - len, suffix, len) == 0;
}

static void after_word(struct ecert_nginx_lexer *lexer, uint32_t start, uint32_t end)
{
    if (lexer->in_directive)
        return;
    lexer->in_directive = true;
    lexer->lua = names_lua_block(lexer, start, end);
}

static uint32_t after_punctuation(struct ecert_nginx_lexer *lexer, bool opens)
{
    lexer->raw = opens && lexer->lua;
    lexer->in_directive = false;
    lexer->lua = false;
    return lexer->at + 1;
}

static enum ecert_nginx_piece_kind read_piece(struct ecert_nginx_lexer *lexer, uint32_t *ret_end)
{
    const uint32_t at = lexer->at;

    switch (lexer->text[at]) {
    case ' ':
    case '\t':
    case '\n':
    case '\r':
        *ret_end = skip_blanks(lexer, at);
        return ECERT_NGINX_PIECE_BLANK;
    case '#':
        *ret_end = find(lexer, at, '\n');
        return ECERT_NGINX_PIECE_COMMENT;
    case ';':
        *ret_end = after_punctuation(lexer, false);
        return ECERT_NGINX_PIECE_END;
    case '{':
        *ret_end = after_punctuation(lexer, true);
        return ECERT_NGINX_PIECE_OPEN;
    case '}':
        *ret_end = after_punctuation(lexer, false);
        return ECERT_NGINX_PIECE_CLOSE;
    default:
        *ret_end = skip_word(lexer, at);
        after_word(lexer, at, *ret_end);
        return ECERT_NGINX_PIECE_WORD;
    }
}

bool ecert_nginx_lexer_next(struct ecert_nginx_lexer *lexer, struct ecert_nginx_piece *ret)
{
    struct ecert_nginx_piece piece = {.start = lexer->at, .line = lexer->line};

    if (lexer->at >= lexer->len)
        return false;
    if (lexer->raw) {
        lexer->raw = false;
        piece.kind = ECERT_NGINX_PIECE_RAW;
        piece.end = skip_raw(lexer, lexer->at);
    }
    if (piece.end <= piece.start) /* no Lua here, or an empty Lua block */
        piece.kind = read_piece(lexer, &piece.end);
    lexer->at = piece.end;
    *ret = piece;
    return true;
}

static uint8_t decode_escape(uint8_t c)
{
    switch (c) {
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case '"':
    case '\'':
    case '\\':
        return c;
    default:
        return 0; /* the backslash stays */
    }
}

size_t ecert_nginx_word_decode(struct ecert_view word, uint8_t *out)
{
    size_t at = 0;
    size_t end = word.len;
    size_t n = 0;

    if (word.len >= 2 && (word.ptr[0] == '"' || word.ptr[0] == '\'')) {
        at = 1;
        end -= word.ptr[end - 1] == word.ptr[0];
    }
    while (at < end) {
        const uint8_t escaped =
            word.ptr[at] == '\\' && at + 1 < end ? decode_escape(word.ptr[at + 1]) : 0;
        out[n++] = escaped != 0 ? escaped : word.ptr[at];
        at += escaped != 0 ? 2 : 1;
    }
    return n;
}
