#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/diff.h"
#include "tests/support/test_rows.h"

/* ---- unified ---- */

static const struct unified_row {
    const char *name, *a, *b, *want;
} unified_rows[] = {
    {"equal texts differ in nothing", "a\nb\n", "a\nb\n", ""},
    {"two empty texts", "", "", ""},
    {"one line changes", "a\nb\nc\n", "a\nB\nc\n",
     "--- A\n+++ B\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
    {"a new file", "", "a\nb\n", "--- A\n+++ B\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
    {"a file that goes", "a\n", "", "--- A\n+++ B\n@@ -1 +0,0 @@\n-a\n"},
    {"one line alone has no length", "a\n", "b\n", "--- A\n+++ B\n@@ -1 +1 @@\n-a\n+b\n"},
    {"three lines of context, no more", "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
     "1\n2\n3\n4\nX\n6\n7\n8\n9\n",
     "--- A\n+++ B\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n"},
    {"near hunks are one block", "1\n2\n3\n4\n5\n6\n7\n8\n", "X\n2\n3\n4\n5\n6\n7\nY\n",
     "--- A\n+++ B\n@@ -1,8 +1,8 @@\n-1\n+X\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+Y\n"},
    {"far hunks are two", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "X\n2\n3\n4\n5\n6\n7\n8\nY\n",
     "--- A\n+++ B\n@@ -1,4 +1,4 @@\n-1\n+X\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+Y\n"},
    {"the last line without an end", "a\nb", "a\nc\n",
     "--- A\n+++ B\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"},
    {"only the end of the last line", "a\n", "a",
     "--- A\n+++ B\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"},
    {"what a terminal obeys is escaped", "a\n", "\x1b[2J\n",
     "--- A\n+++ B\n@@ -1 +1 @@\n-a\n+\\x1B[2J\n"},
    {"a tab stays", "a\n", "\tb\n", "--- A\n+++ B\n@@ -1 +1 @@\n-a\n+\tb\n"},
};

static void check_unified(void **state)
{
    const struct unified_row *row = *state;
    struct ecert_buffer out = {0};
    struct ecert_error err = {0};

    assert_int_equal(
        ecert_diff_unified("A", ecert_view_of(row->a), "B", ecert_view_of(row->b), &out, &err),
        ECERT_OK);
    ecert_buffer_add(&out, (struct ecert_view){(const uint8_t *)"", 1});
    /* the escape's letters may be of either case */
    assert_int_equal(strcasecmp((const char *)out.ptr, row->want), 0);
    ecert_buffer_clear(&out);
}

/* ---- the shortest edit ---- */

/* Length of the shortest edit by the book: n + m - 2 * longest common subsequence. */
static size_t shortest(const char *a, size_t n, const char *b, size_t m)
{
    size_t table[33][33] = {{0}};

    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++)
            table[i][j] = a[i - 1] == b[j - 1]                ? table[i - 1][j - 1] + 1
                          : table[i - 1][j] > table[i][j - 1] ? table[i - 1][j]
                                                              : table[i][j - 1];
    return n + m - 2 * table[n][m];
}

static struct ecert_bytes lines_of(const char *letters, size_t n)
{
    struct ecert_buffer buffer = {0};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    for (size_t i = 0; i < n; i++)
        ecert_buffer_printf(&buffer, "%c\n", letters[i]);
    assert_int_equal(ecert_buffer_take(&buffer, &bytes, &err), ECERT_OK);
    return bytes;
}

static void random_texts(void **state)
{
    (void)state;
    struct ecert_error err = {0};

    srand(7);
    for (int round = 0; round < 4000; round++) {
        char a[32], b[32];
        const size_t n = (size_t)rand() % 32, m = (size_t)rand() % 32;
        size_t edits = 0, conflict = 0;
        struct ecert_diff diff = {0};
        struct ecert_bytes merged = {0};

        for (size_t i = 0; i < 32; i++) {
            a[i] = (char)('a' + rand() % (1 + round % 6));
            b[i] = (char)('a' + rand() % (1 + round % 6));
        }
        struct ecert_bytes left = lines_of(a, n), right = lines_of(b, m);
        const struct ecert_view version = ecert_bytes_view(&right);
        assert_int_equal(ecert_diff_lines(ecert_bytes_view(&left), version, &diff, &err), ECERT_OK);
        for (size_t i = 0; i < diff.n; i++) {
            edits += diff.hunks[i].a_len + diff.hunks[i].b_len;
            if (i > 0) /* in order, not touching */
                assert_true(diff.hunks[i].a_start >
                            diff.hunks[i - 1].a_start + diff.hunks[i - 1].a_len);
        }
        assert_int_equal(edits, shortest(a, n, b, m));
        /* applying it gives the other text */
        assert_int_equal(
            ecert_diff_merge(ecert_bytes_view(&left), &version, 1, &merged, &conflict, &err),
            ECERT_OK);
        assert_true(ecert_view_equal(ecert_bytes_view(&merged), version));
        ecert_bytes_clear(&merged);
        ecert_bytes_clear(&left);
        ecert_bytes_clear(&right);
        ecert_diff_clear(&diff);
    }
}

/* ---- merging ---- */

static const struct merge_row {
    const char *name, *base;
    const char *versions[3];
    const char *want; /* NULL: a conflict ... */
    size_t conflict;  /* ... that this version loses */
} merge_rows[] = {
    {"different lines", "a\nb\nc\n", {"A\nb\nc\n", "a\nb\nC\n"}, "A\nb\nC\n", 0},
    {"neighbouring lines", "a\nb\n", {"A\nb\n", "a\nB\n"}, "A\nB\n", 0},
    {"the same change counts once", "a\nb\n", {"a\nB\n", "a\nB\n", "A\nb\n"}, "A\nB\n", 0},
    {"the same insertion counts once", "a\nb\n", {"a\nx\nb\n", "a\nx\nb\n"}, "a\nx\nb\n", 0},
    {"an insertion before a changed line", "a\nb\n", {"a\nB\n", "a\nx\nb\n"}, "a\nx\nB\n", 0},
    {"a version that changes nothing", "a\n", {"a\n", "b\n"}, "b\n", 0},
    {"the same line differently", "a\nb\n", {"a\nX\n", "a\nY\n"}, NULL, 1},
    {"two insertions at one place", "a\nb\n", {"a\nx\nb\n", "a\ny\nb\n"}, NULL, 1},
    {"the later one loses", "a\nb\nc\n", {"A\nb\nc\n", "a\nb\nC\n", "a\nb\nD\n"}, NULL, 2},
    {"removed and changed", "a\nb\nc\n", {"a\nc\n", "a\nX\nc\n"}, NULL, 1},
    {"two new files", "", {"a\n", "b\n"}, NULL, 1},
    {"two equal new files", "", {"a\n", "a\n"}, "a\n", 0},
};

static void check_merge(void **state)
{
    const struct merge_row *row = *state;
    struct ecert_view versions[3];
    struct ecert_bytes merged = {0};
    struct ecert_error err = {0};
    size_t n = 0, conflict = 99;

    for (; n < 3 && row->versions[n] != NULL; n++)
        versions[n] = ecert_view_of(row->versions[n]);
    const enum ecert_status status =
        ecert_diff_merge(ecert_view_of(row->base), versions, n, &merged, &conflict, &err);
    if (row->want == NULL) {
        assert_int_equal(status, ECERT_E_CHANGED);
        assert_int_equal(conflict, row->conflict);
        assert_null(merged.ptr);
    } else {
        assert_int_equal(status, ECERT_OK);
        assert_string_equal(merged.ptr, row->want);
        assert_int_equal(conflict, 99);
    }
    ecert_bytes_clear(&merged);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(unified_rows) + ARRAY_SIZE(merge_rows) + 1] = {
        cmocka_unit_test(random_texts)};
    size_t n = 1;

    n += TEST_ADD_ROWS(tests + n, check_unified, unified_rows);
    n += TEST_ADD_ROWS(tests + n, check_merge, merge_rows);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
