/* plugins/iis-export/password.c */
#include "plugins/iis-export/password.h"

#include "tests/support/plugin_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const struct row {
    const char *name, *file, *want; /* want NULL: refused, with the words of `error` */
    const char *error;
} rows[] = {
    {"the first line counts", "correct horse\nanother line\n", "correct horse", NULL},
    {"no line ending is needed", "correct horse", "correct horse", NULL},
    {"a line ending of Windows is one", "correct horse\r\n", "correct horse", NULL},
    {"a byte order mark is not of the password",
     "\xEF\xBB\xBF"
     "correct horse",
     "correct horse", NULL},
    {"blanks at the ends stay", " correct horse ", " correct horse ", NULL},
    {"twelve characters are enough", "123456789012", "123456789012", NULL},
    {"eleven are not", "12345678901", NULL, "has 11 characters; 12 to 127"},
    {"nothing is refused", "", NULL, "is empty"},
    {"an empty first line is refused", "\ncorrect horse\n", NULL, "is empty"},
    {"a mark alone is refused", "\xEF\xBB\xBF\n", NULL, "is empty"},
    {"letters beyond ASCII are refused", "correct h\xC3\xB6rse", NULL, "printable ASCII"},
    {"a tab is refused", "correct\thorse", NULL, "printable ASCII"},
    {"128 characters are too many",
     "1234567890123456789012345678901234567890123456789012345678901234"
     "1234567890123456789012345678901234567890123456789012345678901234",
     NULL, "has 128 characters"},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct ecert_iis_password password = {"untouched"};
    struct ecert_error err = {0};
    const struct ecert_view file = {(const uint8_t *)row->file, strlen(row->file)};
    const enum ecert_status status =
        ecert_iis_password_parse(&test_host, file, "/srv/p.txt", &password, &err);

    if (row->want != NULL) {
        assert_int_equal(status, ECERT_OK);
        assert_string_equal(password.text, row->want);
        return;
    }
    assert_int_equal(status, ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, row->error));
    assert_non_null(strstr(err.text, "'/srv/p.txt'"));
    assert_null(strstr(err.text, "horse")); /* never the password itself */
    assert_string_equal(password.text, "untouched");
}

static void a_made_one_is_accepted_and_new(void **state)
{
    struct ecert_iis_password a = {0}, b = {0}, again = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_iis_password_generate(&test_host, &a, &err), ECERT_OK);
    assert_int_equal(ecert_iis_password_generate(&test_host, &b, &err), ECERT_OK);
    assert_int_equal(strlen(a.text), ECERT_IIS_PASSWORD_GENERATED);
    assert_true(ECERT_IIS_PASSWORD_GENERATED >= 24);
    assert_string_not_equal(a.text, b.text);
    assert_int_equal(ecert_iis_password_parse(
                         &test_host, (struct ecert_view){(const uint8_t *)a.text, strlen(a.text)},
                         "/srv/p.txt", &again, &err),
                     ECERT_OK);
    assert_string_equal(again.text, a.text);
}

/*
 * Drawn evenly, and never a letter that is taken for another.  56,000 letters of 50: 1,120 of each
 * are expected, with a deviation of 33; a modulo of a byte would give some 1,313 of six and 1,094
 * of the others.
 */
static void every_letter_comes_as_often(void **state)
{
    unsigned counts[256] = {0};
    unsigned kinds = 0;
    struct ecert_iis_password made = {0};
    struct ecert_error err = {0};

    (void)state;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(ecert_iis_password_generate(&test_host, &made, &err), ECERT_OK);
        for (const char *c = made.text; *c != '\0'; c++)
            counts[(unsigned char)*c]++;
    }
    for (size_t c = 0; c < 256; c++) {
        if (counts[c] == 0)
            continue;
        kinds++;
        assert_null(strchr("0Oo1IlB8S5Z2", (int)c));
        assert_in_range(counts[c], 1120 - 165, 1120 + 165); /* five deviations */
    }
    assert_int_equal(kinds, 50);
}

int main(void)
{
    enum { N_ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[N_ROWS + 2] = {
        cmocka_unit_test(a_made_one_is_accepted_and_new),
        cmocka_unit_test(every_letter_comes_as_often),
    };

    for (size_t i = 0; i < N_ROWS; i++)
        tests[i + 2] = (struct CMUnitTest){.name = rows[i].name,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
