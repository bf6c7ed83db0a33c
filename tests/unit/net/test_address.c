#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/net/address.h"

static const struct row {
    const char *name, *address;
    bool is_public;
} rows[] = {
    {"a public address", "8.8.8.8", true},
    {"just below 10/8", "9.255.255.255", true},
    {"just above 10/8", "11.0.0.0", true},
    {"just below 172.16/12", "172.15.255.255", true},
    {"just above 172.16/12", "172.32.0.0", true},
    {"just below shared", "100.63.255.255", true},
    {"just above shared", "100.128.0.0", true},
    {"just below multicast", "223.255.255.255", true},
    {"unspecified", "0.0.0.0", false},
    {"loopback", "127.0.0.1", false},
    {"all of loopback", "127.255.255.254", false},
    {"RFC 1918, 10", "10.1.2.3", false},
    {"RFC 1918, 172", "172.31.255.255", false},
    {"RFC 1918, 192", "192.168.0.1", false},
    {"link-local (metadata)", "169.254.169.254", false},
    {"shared (CGNAT)", "100.64.0.1", false},
    {"multicast", "224.0.0.1", false},
    {"broadcast", "255.255.255.255", false},
    {"a public IPv6 address", "2606:4700::1111", true},
    {"IPv6 unspecified", "::", false},
    {"IPv6 loopback", "::1", false},
    {"IPv6 link-local", "fe80::1", false},
    {"IPv6 unique-local", "fd00::1", false},
    {"IPv6 multicast", "ff02::1", false},
    {"IPv4-mapped loopback", "::ffff:127.0.0.1", false},
    {"IPv4-mapped, even if public", "::ffff:8.8.8.8", false},
    {"NAT64 of a public address", "64:ff9b::808:808", true},
    {"NAT64 of a private address", "64:ff9b::a00:1", false},
    {"6to4 of a private address", "2002:c0a8:1::1", false},
    {"Teredo", "2001::1", false},
    {"IPv6 documentation", "2001:db8::1", false},
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    char text[ECERT_ADDRESS_TEXT_LEN];

    if (inet_pton(AF_INET, row->address, &v4->sin_addr) == 1) {
        storage.ss_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, row->address, &v6->sin6_addr), 1);
        storage.ss_family = AF_INET6;
    }
    assert_int_equal(ecert_address_is_public((const struct sockaddr *)&storage), row->is_public);
    ecert_address_text((const struct sockaddr *)&storage, text);
    assert_string_equal(text, row->address);
}

static bool is_loopback(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;

    storage.ss_family = strchr(text, ':') == NULL ? AF_INET : AF_INET6;
    assert_int_equal(
        inet_pton(storage.ss_family, text,
                  storage.ss_family == AF_INET ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr),
        1);
    return ecert_address_is_loopback((const struct sockaddr *)&storage);
}

static void loopback_is_this_machine_only(void **state)
{
    static const char *const others[] = {"126.255.255.255", "128.0.0.0", "0.0.0.0", "10.0.0.1",
                                         "8.8.8.8",         "::",        "::2",     "fe80::1",
                                         "::ffff:127.0.0.1"};

    (void)state;
    assert_true(is_loopback("127.0.0.1"));
    assert_true(is_loopback("127.255.255.254"));
    assert_true(is_loopback("::1"));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(is_loopback(others[i]));
}

static void other_families_are_not_public(void **state)
{
    const struct sockaddr address = {.sa_family = AF_UNIX};
    char text[ECERT_ADDRESS_TEXT_LEN];

    (void)state;
    assert_false(ecert_address_is_public(&address));
    assert_false(ecert_address_is_loopback(&address));
    ecert_address_text(&address, text);
    assert_string_equal(text, "an address that is not IP");
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(rows) + 2] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i] = (struct CMUnitTest){.name = rows[i].name,
                                       .test_func = check_row,
                                       .initial_state = (void *)(uintptr_t)&rows[i]};
    tests[ARRAY_SIZE(rows)] = (struct CMUnitTest)cmocka_unit_test(other_families_are_not_public);
    tests[ARRAY_SIZE(rows) + 1] =
        (struct CMUnitTest)cmocka_unit_test(loopback_is_this_machine_only);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
