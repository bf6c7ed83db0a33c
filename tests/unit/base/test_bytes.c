#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/clock.h"

static void test_copies(void **state)
{
    struct ecert_bytes bytes = {0};
    struct ecert_secret secret = {0};
    struct ecert_error err = {0};
    char *text = NULL;

    (void)state;
    assert_int_equal(ecert_bytes_copy(ecert_view_of("abc"), &bytes, &err), ECERT_OK);
    assert_int_equal(bytes.len, 3);
    assert_int_equal(bytes.ptr[3], 0); /* a NUL always follows */
    assert_true(ecert_view_equal(ecert_bytes_view(&bytes), ecert_view_of("abc")));
    assert_false(ecert_view_equal(ecert_bytes_view(&bytes), ecert_view_of("abd")));
    assert_true(ecert_view_equal(ecert_view_of(NULL), ecert_view_of("")));
    ecert_bytes_clear(&bytes);
    ecert_bytes_clear(&bytes);
    assert_int_equal(ecert_secret_copy(ecert_view_of(""), &secret, &err), ECERT_OK);
    assert_int_equal(secret.ptr[0], 0);
    ecert_secret_clear(&secret);
    assert_null(secret.ptr);
    assert_int_equal(ecert_text_copy((struct ecert_view){(const uint8_t *)"a\0b", 3}, &text, &err),
                     ECERT_E_REFUSED);
    assert_null(text);
}

static void test_buffer(void **state)
{
    struct ecert_buffer buffer = {0};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        ecert_buffer_printf(&buffer, "%d,", i % 10);
    assert_int_equal(buffer.len, 2000);
    assert_int_equal(strlen((const char *)buffer.ptr), 2000);
    assert_int_equal(ecert_buffer_take(&buffer, &bytes, &err), ECERT_OK);
    assert_null(buffer.ptr);
    assert_memory_equal(bytes.ptr + 1990, "5,6,7,8,9,", 11);
    ecert_bytes_clear(&bytes);
    /* the empty one gives an empty text, not NULL */
    assert_int_equal(ecert_buffer_take(&buffer, &bytes, &err), ECERT_OK);
    assert_string_equal((const char *)bytes.ptr, "");
    ecert_bytes_clear(&bytes);
}

static void test_buffer_remembers_failure(void **state)
{
    struct ecert_buffer buffer = {0};
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    static const uint8_t one;

    (void)state;
    ecert_buffer_add_text(&buffer, "a");
    ecert_buffer_add(&buffer, (struct ecert_view){&one, SIZE_MAX / 2}); /* cannot be had */
    ecert_buffer_add_text(&buffer, "b");
    assert_true(buffer.failed);
    assert_int_equal(ecert_buffer_take(&buffer, &bytes, &err), ECERT_E_NOMEM);
    assert_null(bytes.ptr);
    assert_null(buffer.ptr);
}

static void test_strings(void **state)
{
    static const char *const more[] = {"x", "y", NULL};
    struct ecert_strings strings = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_null(ecert_strings_array(&strings)[0]);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(ecert_strings_printf(&strings, &err, "item %zu", i), ECERT_OK);
        assert_null(ecert_strings_array(&strings)[i + 1]);
    }
    assert_int_equal(ecert_strings_add_all(&strings, more, &err), ECERT_OK);
    assert_int_equal(ecert_strings_add_all(&strings, NULL, &err), ECERT_OK);
    assert_int_equal(strings.len, 102);
    assert_string_equal(strings.items[99], "item 99");
    assert_true(ecert_strings_contain(&strings, "y"));
    assert_false(ecert_strings_contain(&strings, "item 100"));

    ECERT_AUTO(ecert_strings_clear) struct ecert_strings other = {0};
    assert_false(ecert_strings_equal(&strings, &other));
    assert_int_equal(ecert_strings_add_all(&other, ecert_strings_array(&strings), &err), ECERT_OK);
    assert_true(ecert_strings_equal(&strings, &other));
    other.items[0][0] ^= 1;
    assert_false(ecert_strings_equal(&strings, &other));
    ecert_strings_clear(&strings);
    ecert_strings_clear(&strings);
}

static void test_hashes(void **state)
{
    char hex[ECERT_SHA256_HEX_LEN];

    (void)state;
    /* FIPS 180-4's examples */
    ecert_sha256_hex(ecert_view_of("abc"), hex);
    assert_string_equal(hex, "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
    ecert_sha256_hex((struct ecert_view){0}, hex);
    assert_string_equal(hex, "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855");
}

/* ---- text from outside ---- */

static const struct escape {
    const char *title, *from, *to;
    bool multiline;
} escapes[] = {
    {"plain text stays", "abc \"q\" \\", "abc \"q\" \\", false},
    {"UTF-8 stays", "香港 é 😀", "香港 é 😀", false},
    {"escape sequences", "\033[2J", "\\x1B[2J", false},
    {"line ends", "a\nb\tc\r", "a\\x0Ab\\x09c\\x0D", false},
    {"line ends, multiline", "a\nb\tc\r", "a\nb\tc\\x0D", true},
    {"DEL", "\x7F", "\\x7F", false},
    {"C1 as UTF-8", "\xC2\x9B", "\\xC2\\x9B", false},
    {"C1 as a byte", "\x9B", "\\x9B", false},
    {"overlong", "\xC0\xAF", "\\xC0\\xAF", false},
    {"a surrogate", "\xED\xA0\x80", "\\xED\\xA0\\x80", false},
    {"beyond Unicode", "\xF4\x90\x80\x80", "\\xF4\\x90\\x80\\x80", false},
    {"cut short", "a\xE9", "a\\xE9", false},
    {"cut short inside", "\xE9\xA6z", "\\xE9\\xA6z", false},
    {"bidirectional override", "\xE2\x80\xAE", "\\xE2\\x80\\xAE", false},
    {"bidirectional isolate", "\xE2\x81\xA6", "\\xE2\\x81\\xA6", false},
    {"arabic letter mark", "\xD8\x9C", "\\xD8\\x9C", false},
};

static void check_escape(void **state)
{
    const struct escape *row = *state;
    struct ecert_buffer buffer = {0};

    ecert_buffer_add_text(&buffer, "");
    ecert_buffer_add_escaped(&buffer, ecert_view_of(row->from), row->multiline);
    assert_string_equal((const char *)buffer.ptr, row->to);
    ecert_buffer_clear(&buffer);
}

/* ---- errors and times: nothing else tests them alone ---- */

static void test_errors(void **state)
{
    struct ecert_error err = {0};
    char text[2000];

    (void)state;
    errno = ENOSPC;
    assert_int_equal(ecert_error_errno(&err, ECERT_E_IO, "create '%s'", "x"), ECERT_E_IO);
    assert_string_equal(err.text, "create 'x': No space left on device");
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_int_equal(ecert_error_wrap(&err, "stage"), ECERT_E_IO);
    assert_string_equal(err.text, "stage: create 'x': No space left on device");
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)ecert_error_set(&err, ECERT_E_CONFIG, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_string_equal(err.text + sizeof err.text - 4, "...");
    (void)ecert_error_wrap(&err, "front");
    assert_int_equal(strncmp(err.text, "front: aaa", 10), 0);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_string_equal(ecert_status_words(ECERT_E_BUSY), "another run holds the lock");
}

static void test_times(void **state)
{
    char text[ECERT_TIME_TEXT_LEN];

    (void)state;
    ecert_clock_text(1795250520, text);
    assert_string_equal(text, "2026-11-21T08:42:00Z");
    ecert_clock_date(0, text);
    assert_string_equal(text, "1970-01-01");
    ecert_clock_text(INT64_MAX, text);
    assert_string_equal(text, "?");
    ecert_clock_pretend(42);
    assert_int_equal(ecert_clock_now(), 42);
    ecert_clock_pretend(0);
    assert_true(ecert_clock_now() > 1700000000);
}

int main(void)
{
    struct CMUnitTest rows[ARRAY_SIZE(escapes)] = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_buffer_remembers_failure),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_times),
    };

    for (size_t i = 0; i < ARRAY_SIZE(escapes); i++)
        rows[i] = (struct CMUnitTest){.name = escapes[i].title,
                                      .test_func = check_escape,
                                      .initial_state = (void *)(uintptr_t)&escapes[i]};
    return cmocka_run_group_tests_name("escapes", rows, NULL, NULL) +
           cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
