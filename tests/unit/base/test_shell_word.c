#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/base/shell_word.h"

static const struct {
    const char *word, *want;
} rows[] = {
    {"www.myserver.com", "www.myserver.com"},
    {"*.wild.com", "'*.wild.com'"},
    {"", "''"},
    {"-x", "'-x'"},
    {"a b", "'a b'"},
    {"$(x)", "'$(x)'"},
    {"it's", "'it'\\''s'"},
};

static void test_quoted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ecert_error err = {0};
        char *got = NULL;

        assert_int_equal(ecert_shell_word(rows[i].word, &got, &err), ECERT_OK);
        assert_string_equal(got, rows[i].want);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quoted)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
