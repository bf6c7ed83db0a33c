/*
 * Tables of named rows as tests of their own: each row is a struct whose first member is its name,
 * a `const char *`, and is given to the test as its initial state.
 */
#ifndef ECERT_TESTS_SUPPORT_TEST_ROWS_H
#define ECERT_TESTS_SUPPORT_TEST_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* `rows`: n of `size` bytes each, which are only read.  Returns n. */
static inline size_t test_add_rows(struct CMUnitTest *tests, CMUnitTestFunction test,
                                   const void *rows, size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        const char *row = (const char *)rows + i * size;

        tests[i] = (struct CMUnitTest){.test_func = test, .initial_state = (void *)(uintptr_t)row};
        memcpy(&tests[i].name, row, sizeof tests[i].name);
    }
    return n;
}

#define TEST_ADD_ROWS(tests, test, rows) \
    test_add_rows(tests, test, rows, sizeof(rows) / sizeof((rows)[0]), sizeof((rows)[0]))

#endif
