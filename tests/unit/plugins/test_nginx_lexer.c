#include "plugins/nginx/lexer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT(text)   text, sizeof(text) - 1

/*
 * `shape` has one letter for each piece that is not blank: w(ord), c(omment), r(aw), and the
 * punctuation itself.
 */
static const struct row {
    const char *name;
    const char *text;
    size_t len;
    const char *shape;
} rows[] = {
    {"nothing", TEXT(""), ""},
    {"a directive", TEXT("user www-data;\n"), "ww;"},
    {"CRLF and no final newline", TEXT("a b;\r\nc {\r\n}\r\nd e;"), "ww;w{}ww;"},
    {"a comment with punctuation", TEXT("a b; # no { } ; ' \" here\nc;"), "ww;cw;"},
    {"a comment between arguments", TEXT("a # { first\n  b # second ;\n ;"), "wcwc;"},
    {"a comment at the end of the file", TEXT("a; # {"), "w;c"},
    {"a hash inside a word", TEXT("rewrite ^/a#b /c;"), "www;"},
    {"double quotes", TEXT("a \"b; { # } c\" d;"), "www;"},
    {"single quotes", TEXT("a 'b; { \" } c' d;"), "www;"},
    {"an escaped quote", TEXT("a \"b\\\"; {\" c;"), "www;"},
    {"quotes inside a word", TEXT("a b\"c d'e;"), "www;"},
    {"an escaped blank and semicolon", TEXT("a b\\ c\\;d;"), "ww;"},
    {"a variable in braces", TEXT("set $x ${host}y${z};{}"), "www;{}"},
    {"a dollar before a block", TEXT("if ($a$){ b; }"), "ww{w;}"},
    {"a quoted regular expression", TEXT("server_name \"~^a{2,3};b$\" c;"), "www;"},
    {"a closing brace inside a word", TEXT("a b}c;"), "ww;"},
    {"several directives in one line", TEXT("a;b;c{d;}e;"), "w;w;w{w;}w;"},
    {"a directive over many lines", TEXT("a\n\tb\n\tc\n;"), "www;"},
    {"an unclosed quote", TEXT("a 'b; c { d;\n"), "ww"},
    {"a final backslash", TEXT("a b\\"), "ww"},
    {"invalid UTF-8 and NUL", TEXT("a \xff\xfe\x00\x80 b;"), "www;"},
    {"a byte order mark",
     TEXT("\xef\xbb\xbf"
          "a b;"),
     "ww;"},
    {"Lua", TEXT("content_by_lua_block { a = {1; 2} } b;"), "w{r}w;"},
    {"Lua without content", TEXT("content_by_lua_block {} b;"), "w{}w;"},
    {"Lua with arguments", TEXT("set_by_lua_block $x { return '}' }"), "ww{r}"},
    {"Lua strings", TEXT("x_by_lua_block { a = \"}\\\"}\" b = '{\\'{' }c;"), "w{r}w;"},
    {"Lua comments", TEXT("x_by_lua_block {\n -- don't }\n --[[ } ]] --[==[ ]] } ]==]\n}c;"),
     "w{r}w;"},
    {"Lua long brackets", TEXT("x_by_lua_block { a = [[ } ]] b = [=[ ]] } ]=] c = t[1] }d;"),
     "w{r}w;"},
    {"Lua with an unclosed string", TEXT("x_by_lua_block {\n a = '\n}\nb;"), "w{r}w;"},
    {"Lua that never ends", TEXT("x_by_lua_block { a = { } b;"), "w{r"},
    {"Lua, its name in quotes", TEXT("'x_by_lua_block' { a = '}' }b;"), "w{r}w;"},
    {"the name alone is not Lua", TEXT("_by_lua_block { a; }"), "w{w;}"},
    {"Lua of an argument is not Lua", TEXT("a x_by_lua_block { b; }"), "ww{w;}"},
};

/* Reads all pieces: each starts where the one before it ended, the last ends with the text. */
static void read_all(struct ecert_view text, char *shape)
{
    static const char letters[] = " cw;{}r";
    struct ecert_nginx_lexer lexer = {0};
    struct ecert_nginx_piece piece = {0};
    uint32_t at = 0;
    uint32_t line = 1;

    ecert_nginx_lexer_init(&lexer, text);
    while (ecert_nginx_lexer_next(&lexer, &piece)) {
        assert_int_equal(piece.start, at);
        assert_true(piece.end > piece.start);
        assert_true(piece.end <= text.len);
        assert_int_equal(piece.line, line);
        for (; at < piece.end; at++)
            line += text.ptr[at] == '\n';
        if (shape != NULL && piece.kind != ECERT_NGINX_PIECE_BLANK)
            *shape++ = letters[piece.kind];
    }
    assert_int_equal(at, text.len);
    if (shape != NULL)
        *shape = '\0';
}

static void check_row(void **state)
{
    const struct row *row = *state;
    uint8_t *text = malloc(row->len + 1); /* the exact length: a read too far is seen */
    char shape[128];

    assert_non_null(text);
    memcpy(text, row->text, row->len);
    text = realloc(text, row->len == 0 ? 1 : row->len);
    read_all((struct ecert_view){text, row->len}, shape);
    assert_string_equal(shape, row->shape);
    for (size_t len = 0; len < row->len; len++) /* cut anywhere */
        read_all((struct ecert_view){text, len}, NULL);
    free(text);
}

/* Bytes that mean something to the lexer come often. */
static void any_bytes_are_read(void **state)
{
    static const char often[] = "{};#'\"\\$ \t\r\n[]=-ab";
    static const char lua[] = "x_by_lua_block {";
    uint64_t seed = 0x9E3779B97F4A7C15u;
    uint8_t text[512];

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = 0;
        if (round % 2 == 1) {
            memcpy(text, lua, sizeof lua - 1);
            len = sizeof lua - 1;
        }
        const size_t end = len + round % 300;
        for (; len < end; len++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const unsigned r = (unsigned)(seed >> 40);
            text[len] = r % 4 != 0 ? (uint8_t)often[r / 4 % (sizeof often - 1)] : (uint8_t)(r / 4);
        }
        read_all((struct ecert_view){text, len}, NULL);
    }
}

static void words_are_decoded(void **state)
{
    static const struct {
        const char *word, *text;
    } words[] = {
        {"plain", "plain"},
        {"\"a b\"", "a b"},
        {"'a b'", "a b"},
        {"a\\ b", "a\\ b"},
        {"\"a\\\"b\"", "a\"b"},
        {"'a\\'b'", "a'b"},
        {"a\\\\b", "a\\b"},
        {"a\\tb", "a\tb"},
        {"\"\"", ""},
        {"\"unclosed", "unclosed"},
        {"a\\", "a\\"},
        {"'", "'"},
        {"~^www\\d\\.", "~^www\\d\\."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        uint8_t out[64] = {0};
        const struct ecert_view word = {(const uint8_t *)words[i].word, strlen(words[i].word)};
        out[ecert_nginx_word_decode(word, out)] = 0;
        assert_string_equal((const char *)out, words[i].text);
    }
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 2] = {
        cmocka_unit_test(any_bytes_are_read),
        cmocka_unit_test(words_are_decoded),
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[i + 2] = (struct CMUnitTest){.name = rows[i].name,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
