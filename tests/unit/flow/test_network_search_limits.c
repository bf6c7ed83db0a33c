/*
 * How much a directory may answer: through the real ecert-net, against a server that sends what it
 * is told to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/flow/net_server.h"

static struct ecert_network network;

static int start(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    if (ecert_network_init(&network, ECERT_NET_PROGRAM, NULL, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ecert_network_clear(&network);
    return 0;
}

static void say(int fd, const void *context)
{
    const struct ecert_buffer *answer = context;
    char asked[1000];

    if (read(fd, asked, sizeof asked) <= 0 ||
        write(fd, answer->ptr, answer->len) != (ssize_t)answer->len)
        return;
    while (read(fd, asked, sizeof asked) > 0)
        continue;
}

static void add_length(struct ecert_buffer *ber, uint8_t tag, size_t len)
{
    const uint8_t head[] = {tag, 0x83, (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

    ecert_buffer_add(ber, (struct ecert_view){head, sizeof head});
}

static void add_element(struct ecert_buffer *ber, uint8_t tag, struct ecert_view content)
{
    add_length(ber, tag, content.len);
    ecert_buffer_add(ber, content);
}

/* Put an element around what is there. */
static void enclose(struct ecert_buffer *ber, uint8_t tag, const char *before)
{
    struct ecert_buffer whole = {0};
    const size_t n = strlen(before);

    add_length(&whole, tag, n + ber->len);
    ecert_buffer_add_text(&whole, before);
    ecert_buffer_add(&whole, ecert_buffer_view(ber));
    ecert_buffer_clear(ber);
    *ber = whole;
}

/* RFC 4511, 4.5.2: one entry with `n` values of one byte each, and the end of the search. */
static void make_answer(struct ecert_buffer *ret, size_t name_len, size_t n)
{
    static const char end[] = "\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
    struct ecert_buffer values = {0}, name = {0};

    for (size_t i = 0; i < n; i++)
        add_element(&values, 0x04, ecert_view_of("x"));
    enclose(&values, 0x31, "");
    struct ecert_buffer attribute = {0};
    add_element(&attribute, 0x04, ecert_view_of("userCertificate;binary"));
    ecert_buffer_add(&attribute, ecert_buffer_view(&values));
    enclose(&attribute, 0x30, "");
    enclose(&attribute, 0x30, "");
    ecert_buffer_add_text(&name, "cn=");
    while (name.len < name_len)
        ecert_buffer_add_text(&name, "a");
    add_element(ret, 0x04, ecert_buffer_view(&name));
    ecert_buffer_add(ret, ecert_buffer_view(&attribute));
    enclose(ret, 0x64, "");
    enclose(ret, 0x30, "\x02\x01\x01");
    ecert_buffer_add(ret, (struct ecert_view){(const uint8_t *)end, sizeof end - 1});
    assert_false(ret->failed);
    ecert_buffer_clear(&values);
    ecert_buffer_clear(&attribute);
    ecert_buffer_clear(&name);
}

/* 100 KB on the wire must not be 400 MB in two processes: the name goes with each value. */
static void names_count(void **state)
{
    static const struct {
        size_t name_len, n;
        const char *words; /* NULL: it is taken */
    } rows[] = {
        {4096, 2, NULL},
        {4097, 1, "the name of an entry has more than 4096 bytes"},
        {20, 500, NULL},
        {20, 501, "the answer has more than 500 certificates"},
        {99, 80, NULL}, /* (99 + 1) * 80 = 8000 */
        {100, 80, "the answer is larger than 8000 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer answer = {0};
        ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
        struct ecert_error err = {0};
        struct net_starttls server;
        char url[64];

        make_answer(&answer, rows[i].name_len, rows[i].n);
        net_server_start(&server, "127.0.0.1", say, &answer);
        (void)snprintf(url, sizeof url, "ldap://127.0.0.1:%u", server.port);
        const struct ecert_search search = {.url = url,
                                            .base = "o=x",
                                            .filter = "(cn=a)",
                                            .max_len = rows[i].n == 80 ? 8000 : 1 << 20,
                                            .timeout_ms = 5000};
        const enum ecert_status status =
            ecert_network_search(&network, &search, &found, &notes, &err);
        net_starttls_end(&server);
        if (rows[i].words != NULL) {
            if (status != ECERT_E_REFUSED || strstr(err.text, rows[i].words) == NULL)
                fail_msg("status %d: '%s' lacks '%s'", (int)status, err.text, rows[i].words);
            continue;
        }
        if (status != ECERT_OK)
            fail_msg("%s", err.text);
        assert_int_equal(found.n, rows[i].n);
        assert_int_equal(strlen(found.entries[0]), rows[i].name_len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_count),
    };

    return cmocka_run_group_tests(tests, start, end);
}
