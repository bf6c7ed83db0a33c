#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/bytes.h"
#include "core/flow/nearest.h"

static const char *const known[] = {"name",    "file",       "url",      "sha256", "subject",
                                    "revoked", "validation", "policies", NULL};

static const struct row {
    const char *name, *word, *want;
} rows[] = {
    {"a word that is known is its own nearest", "subject", "subject"},
    {"two neighbours swapped", "fiel", "file"},
    {"two digits swapped", "sha265", "sha256"},
    {"a letter left out", "revokd", "revoked"},
    {"a letter too many", "namee", "name"},
    {"a plural", "urls", "url"},
    {"another letter", "polisies", "policies"},
    {"case does not count", "SUBJECT", "subject"},
    {"two slips in a long word", "vallidaton", "validation"},
    {"of a short word only one slip", "nm", NULL},
    {"nothing in common", "passphrase", NULL},
    {"the empty word", "", NULL},
    {"a word far too long",
     "subjectsubjectsubjectsubjectsubjectsubjectsubjectsubjectsubjectsubject", NULL},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    const char *nearest = ecert_nearest_word(row->word, known);

    if (row->want == NULL)
        assert_null(nearest);
    else
        assert_string_equal(nearest, row->want);
}

static void first_of_equals(void **state)
{
    static const char *const both[] = {"cat", "car", NULL};
    static const char *const none[] = {NULL};

    (void)state;
    assert_string_equal(ecert_nearest_word("cab", both), "cat");
    assert_null(ecert_nearest_word("cab", none));
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(rows) + 1] = {{0}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i] = (struct CMUnitTest){.name = rows[i].name,
                                       .test_func = check_row,
                                       .initial_state = (void *)(uintptr_t)&rows[i]};
    tests[ARRAY_SIZE(rows)] = (struct CMUnitTest)cmocka_unit_test(first_of_equals);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
