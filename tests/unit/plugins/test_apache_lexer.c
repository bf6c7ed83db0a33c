/* The pieces of a file are the file, whatever it holds, and are what the server takes them for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/apache/conditions.h"
#include "plugins/apache/lexer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct row {
    const char *name;
    const char *text;
    const char *want; /* for each piece: kind letter, line, name and words in brackets */
} rows[] = {
    {"an empty file", "", ""},
    {"a directive", "SSLEngine on\n", "D1[SSLEngine][on]"},
    {"no final line ending", "SSLEngine on", "D1[SSLEngine][on]"},
    {"CR LF", "A b\r\n\r\n# c\r\n", "D1[A][b] B2 C3"},
    {"tabs and blanks", "\t A \t b\tc  \n", "D1[A][b][c]"},
    {"a joined directive", "A \\\n  b\nC d\n", "D2[A][b] D3[C][d]"},
    {"a joined CR LF", "A \\\r\n  b\r\nC d\r\n", "D2[A][b] D3[C][d]"},
    {"a joined comment", "# A \\\nB c\nD e\n", "C2 D3[D][e]"},
    {"two backslashes join too", "# A \\\\\nB c\nD e\n", "C2 D3[D][e]"},
    {"a backslash before a blank does not", "# A \\ \nB c\n", "C1 D2[B][c]"},
    {"a backslash at the end of the file", "A b\\", "D1[A][b\\]"},
    {"a join at the end of the file", "A b\\\n", "D1[A][b]"},
    {"a word across lines", "A b\\\nc\n", "D2[A][bc]"},
    {"a name across lines", "SSLEn\\\ngine on\n", "D2[SSLEngine][on]"},
    {"double quotes", "A \"b c\" d\n", "D1[A][b c][d]"},
    {"single quotes", "A 'b \"c' d\n", "D1[A][b \"c][d]"},
    {"escapes in quotes", "A \"b\\\"c\\\\d\\e\"\n", "D1[A][b\"c\\d\\e]"},
    {"a quote that is never closed", "A \"b c\r\nD e\n", "D1[A][b c] D2[D][e]"},
    {"a hash within a line", "A b#c # d\n", "D1[A][b#c][#][d]"},
    {"a section", "<VirtualHost *:443 [::1]:443>\n</VirtualHost>\n",
     "O1[VirtualHost][*:443][[::1]:443] X2[VirtualHost]"},
    {"a joined head", "<VirtualHost \\\n *:443 \\\n >\n", "O3[VirtualHost][*:443]"},
    {"a section without arguments", "<Perl>\n</Perl>", "O1[Perl] X2[Perl]"},
    {"a bare bracket", "<\n</\n", "O1[] X2[]"},
    {"bytes that are no UTF-8", "A \xff\xfe\n", "D1[A][\xff\xfe]"},
    {"only a line ending", "\n\r\n", "B1 B2"},
};

static void describe(struct ecert_arena *arena, struct ecert_view text, char *to, size_t len)
{
    struct ecert_apache_lexer lexer = {.text = text};
    struct ecert_apache_piece piece = {0};
    struct ecert_apache_word word = {0};
    FILE *out = fmemopen(to, len, "w");

    assert_non_null(out);
    while (ecert_apache_next(&lexer, &piece)) {
        size_t at = piece.name.end;
        (void)fprintf(out, "%s%c%zu", piece.begin == 0 ? "" : " ", "BCDOX"[piece.kind], piece.line);
        if (piece.kind >= ECERT_APACHE_DIRECTIVE)
            (void)fprintf(out, "[%s]", ecert_apache_word_text(arena, text, piece.name));
        while (piece.kind >= ECERT_APACHE_DIRECTIVE && piece.kind != ECERT_APACHE_CLOSE &&
               ecert_apache_next_word(text, &piece, &at, &word))
            (void)fprintf(out, "[%s]", ecert_apache_word_text(arena, text, word));
    }
    (void)fputc('\0', out);
    (void)fclose(out);
}

/* Pieces follow one another from the first byte to the last, none is empty, words lie within. */
static void check_identity(struct ecert_view text)
{
    struct ecert_apache_lexer lexer = {.text = text};
    struct ecert_apache_piece piece = {0};
    size_t at = 0;
    size_t lines = 0;

    while (ecert_apache_next(&lexer, &piece)) {
        struct ecert_apache_word word = {0};
        size_t after = piece.name.end;
        assert_int_equal(piece.begin, at);
        assert_true(piece.end > piece.begin);
        at = piece.end;
        assert_true(piece.line > lines);
        lines = piece.line;
        (void)ecert_apache_indent(text, &piece);
        (void)ecert_apache_line_end(text, &piece);
        (void)ecert_apache_is(text, &piece, "SSLEngine");
        while (piece.kind >= ECERT_APACHE_DIRECTIVE &&
               ecert_apache_next_word(text, &piece, &after, &word)) {
            struct ecert_arena arena = {0};
            assert_true(word.begin >= piece.name.end && word.end <= piece.end);
            assert_true(word.end > word.begin);
            assert_non_null(ecert_apache_word_text(&arena, text, word));
            ecert_arena_clear(&arena);
        }
    }
    assert_int_equal(at, text.len);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    /* a copy without the NUL, so that a read beyond the end is found */
    const size_t len = strlen(row->text);
    uint8_t *bytes = malloc(len == 0 ? 1 : len);
    struct ecert_arena arena = {0};
    char found[1024] = "";

    assert_non_null(bytes);
    memcpy(bytes, row->text, len);
    describe(&arena, (struct ecert_view){bytes, len}, found, sizeof found);
    assert_string_equal(found, row->want);
    check_identity((struct ecert_view){bytes, len});
    ecert_arena_clear(&arena);
    free(bytes);
}

static void random_bytes_keep_their_identity(void **state)
{
    static const char alphabet[] = "\\\n\r\t \"'#<>/aSSLEngine\xff\0{}$";
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1664525u + 1013904223u;
        const size_t len = (seed >> 16) % 64;
        uint8_t *bytes = malloc(len + 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        uint8_t *exact = realloc(bytes, len == 0 ? 1 : len);
        assert_non_null(exact);
        check_identity((struct ecert_view){exact, len});
        free(exact);
    }
}

static void a_large_file_is_read(void **state)
{
    static const char line[] = "    SSLCertificateFile /etc/ssl/certs/www.pem\r\n";
    const size_t n = ((size_t)50 << 20) / (sizeof line - 1);
    const size_t len = n * (sizeof line - 1);
    uint8_t *bytes = malloc(len);
    struct ecert_apache_lexer lexer = {.text = {bytes, len}};
    struct ecert_apache_piece piece = {0};
    size_t found = 0;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        memcpy(bytes + i * (sizeof line - 1), line, sizeof line - 1);
    while (ecert_apache_next(&lexer, &piece))
        found += ecert_apache_is(lexer.text, &piece, "sslcertificatefile") ? 1 : 0;
    assert_int_equal(found, n);
    assert_int_equal(piece.line, n);
    free(bytes);
}

/* What the server sees of a line with a NUL byte ends there, and nothing joins the next one. */
static void a_nul_byte_ends_the_line(void **state)
{
    static const char bytes[] = "A b\0c \\\nD\0 \"e\n<V\0 f>\r\n#\0\\\n\0G\nH i";
    const struct ecert_view text = {(const uint8_t *)bytes, sizeof bytes - 1};
    struct ecert_arena arena = {0};
    char found[1024] = "";

    (void)state;
    describe(&arena, text, found, sizeof found);
    assert_string_equal(found, "D1[A][b] D2[D] O3[V] C4 B5 D6[H][i]");
    check_identity(text);
    ecert_arena_clear(&arena);
}

/* What modules read as their own text: the line where Apache's goes on.  Tried with mod_perl. */
static void opaque_sections_are_passed_over(void **state)
{
    static const struct {
        const char *text;
        size_t next; /* the line of the next piece; 0: the file ends */
    } texts[] = {
        {"<Perl>\n$x = q(\n<Perl>\n<VirtualHost *:9>\n{ { );\n  </Perl>  \nA\n", 7},
        {"<Perl>\nprint \"</Perl>\";\n</Perl>\nA\n", 4},
        {"<Perl>\n</Perl>x\n</perl>\n</Perl >\n</Perl>\nA\n", 6},
        {"<Perl>\n# \\\n</Perl>\n1;\n</Perl>\r\nA\n", 6},
        {"<Perl>\n</Pe\\\nrl>\nA\n", 4},
        {"<perl >\n1;\n", 0},
        {"=pod\n<VirtualHost *:9>\n=cutter\n =cut\nA\n", 5},
        {"=pod\nx\n=over apache\nA\n", 4},
        {"=back\nx\n=cut\nA\n", 4},
        {"__END__\nA\n", 0},
        {"<Macro X>\n<Macro Y>\n</macro>\nA\n", 4},
        {"<LuaHookFixups>\n</LuaHook>\n</luahookfixups>\nA\n", 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct ecert_apache_lexer lexer = {
            .text = {(const uint8_t *)texts[i].text, strlen(texts[i].text)}};
        struct ecert_apache_piece piece = {0};
        assert_true(ecert_apache_next(&lexer, &piece));
        assert_true(ecert_apache_skip_opaque(&lexer, &piece));
        const bool more = ecert_apache_next(&lexer, &piece);
        assert_int_equal(more ? piece.line : 0, texts[i].next);
    }
}

static void names_do_not_depend_on_case(void **state)
{
    static const struct {
        const char *text, *name;
        bool same;
    } names[] = {
        {"sslengine on", "SSLEngine", true},     {"SSLENGINE", "SSLEngine", true},
        {"SSLEngin on", "SSLEngine", false},     {"SSLEngines on", "SSLEngine", false},
        {"\"SSLEngine\" on", "SSLEngine", true}, {"</virtualHOST>", "VirtualHost", true},
        {"'SSLEngine' on", "SSLEngine", true},   {"'SSLEngine\" on", "SSLEngine", false},
        {"SSL\\\nEngine on", "SSLEngine", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct ecert_apache_lexer lexer = {
            .text = {(const uint8_t *)names[i].text, strlen(names[i].text)}};
        struct ecert_apache_piece piece = {0};
        assert_true(ecert_apache_next(&lexer, &piece));
        assert_int_equal(ecert_apache_is(lexer.text, &piece, names[i].name), names[i].same);
    }
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 5] = {
        cmocka_unit_test(a_nul_byte_ends_the_line),
        cmocka_unit_test(opaque_sections_are_passed_over),
        cmocka_unit_test(random_bytes_keep_their_identity),
        cmocka_unit_test(a_large_file_is_read),
        cmocka_unit_test(names_do_not_depend_on_case),
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[5 + i] = (struct CMUnitTest){.name = rows[i].name,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
