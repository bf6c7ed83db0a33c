#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/message.h"

static struct ecert_buffer sample(void)
{
    struct ecert_buffer wire = {0};
    struct ecert_message message = {.kind = 7};
    uint8_t storage[8];

    ecert_message_add_text(&message, "text");
    ecert_message_add_number(&message, INT64_MIN, storage);
    ecert_message_add_text(&message, NULL);
    ecert_message_encode(&message, &wire);
    return wire;
}

static void test_round_trip(void **state)
{
    struct ecert_buffer wire = sample();
    struct ecert_view stream;
    struct ecert_message got;
    struct ecert_error err = {0};
    int64_t number = 0;
    char *text = NULL;

    (void)state;
    ecert_message_encode(&(struct ecert_message){.kind = 8}, &wire);
    stream = ecert_buffer_view(&wire);
    assert_int_equal(ecert_message_decode(&stream, 4096, &got, &err), ECERT_OK);
    assert_int_equal(got.kind, 7);
    assert_int_equal(got.n, 3);
    assert_int_equal(ecert_message_text(&got, 0, &text, &err), ECERT_OK);
    assert_string_equal(text, "text");
    free(text);
    assert_int_equal(ecert_message_number(&got, 1, &number, &err), ECERT_OK);
    assert_true(number == INT64_MIN);
    assert_int_equal(got.fields[2].len, 0);
    assert_int_equal(ecert_message_number(&got, 0, &number, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_message_number(&got, 3, &number, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_message_text(&got, 3, &text, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_message_decode(&stream, 4096, &got, &err), ECERT_OK);
    assert_int_equal(got.kind, 8);
    assert_int_equal(got.n, 0);
    assert_int_equal(stream.len, 0);
    assert_int_equal(ecert_message_decode(&stream, 4096, &got, &err), ECERT_E_NOT_FOUND);
    ecert_buffer_clear(&wire);
}

static void test_every_cut(void **state)
{
    struct ecert_buffer wire = sample();
    struct ecert_message got = {0};
    struct ecert_error err = {0};

    (void)state;
    for (size_t n = 0; n < wire.len; n++) {
        struct ecert_view stream = {wire.ptr, n};
        assert_int_equal(ecert_message_decode(&stream, 4096, &got, &err), ECERT_E_NOT_FOUND);
        assert_int_equal(stream.len, n); /* nothing was taken off */
    }
    struct ecert_view whole = ecert_buffer_view(&wire);
    assert_int_equal(ecert_message_decode(&whole, 8, &got, &err), ECERT_E_REFUSED);
    ecert_buffer_clear(&wire);
}

static const struct row {
    const char *title;
    const char *wire;
    size_t len;
} rows[] = {
#define ROW(title, wire)              \
    {                                 \
        title, wire, sizeof(wire) - 1 \
    }
    ROW("too short for a kind", "\x03\0\0\0\1\0\0"),
    ROW("a field that leaves the message", "\x0A\0\0\0\1\0\0\0\3\0\0\0ab"),
    ROW("a length of 4 GiB", "\x0A\0\0\0\1\0\0\0\xFF\xFF\xFF\xFF"
                             "ab"),
    ROW("half a length", "\x06\0\0\0\1\0\0\0\1\0"),
    ROW("a message of 4 GiB", "\xFF\xFF\xFF\xFF\1\0\0\0"),
#undef ROW
};

static void check_refused(void **state)
{
    const struct row *row = *state;
    /* an exact copy, so that a sanitizer sees every step beyond it */
    uint8_t *copy = malloc(row->len);
    struct ecert_message got = {.kind = 99};
    struct ecert_error err = {0};

    assert_non_null(copy);
    memcpy(copy, row->wire, row->len);
    struct ecert_view stream = {copy, row->len};
    assert_int_equal(ecert_message_decode(&stream, 4096, &got, &err), ECERT_E_REFUSED);
    assert_int_equal(got.kind, 99);
    free(copy);
}

static void test_too_many_fields(void **state)
{
    struct ecert_buffer wire = {0};
    struct ecert_message message = {.kind = 1}, got;
    struct ecert_error err = {0};

    (void)state;
    for (int i = 0; i < ECERT_MESSAGE_FIELDS; i++)
        ecert_message_add_text(&message, "");
    ecert_message_encode(&message, &wire);
    struct ecert_view stream = ecert_buffer_view(&wire);
    assert_int_equal(ecert_message_decode(&stream, 4096, &got, &err), ECERT_OK);
    ecert_buffer_add(&wire, (struct ecert_view){(const uint8_t *)"\0\0\0\0", 4});
    wire.ptr[0] = (uint8_t)(wire.ptr[0] + 4); /* one more */
    wire.ptr[1] = (uint8_t)(wire.ptr[1] + (wire.ptr[0] < 4));
    stream = ecert_buffer_view(&wire);
    assert_int_equal(ecert_message_decode(&stream, 4096, &got, &err), ECERT_E_REFUSED);
    ecert_buffer_clear(&wire);
}

static void test_write_all(void **state)
{
    struct ecert_error err = {0};
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(full >= 0);
    assert_int_equal(ecert_write_all(full, ecert_view_of("x"), &err), ECERT_E_IO);
    assert_int_equal(ecert_write_all(full, (struct ecert_view){0}, &err), ECERT_OK);
    close(full);
}

int main(void)
{
    struct CMUnitTest refused[ARRAY_SIZE(rows)] = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_write_all),
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        refused[i] = (struct CMUnitTest){.name = rows[i].title,
                                         .test_func = check_refused,
                                         .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests_name("refused", refused, NULL, NULL) +
           cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
