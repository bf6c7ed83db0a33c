#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "tests/support/test_pki.h"

/* ---- RFC 9525 ---- */

static const struct cover {
    const char *title, *name, *host;
    bool covered;
} covers[] = {
    {"the same name", "www.example.com", "www.example.com", true},
    {"case does not count", "www.Example.COM", "WWW.example.com", true},
    {"a trailing dot of the host is tolerated", "www.example.com", "www.example.com.", true},
    {"a trailing dot of the name is tolerated", "www.example.com.", "www.example.com", true},
    {"another name", "www.example.com", "example.com", false},
    {"a name that only ends alike", "example.com", "www.example.com", false},
    {"a wildcard covers one label", "*.example.com", "www.example.com", true},
    {"a wildcard, trailing dot", "*.example.com", "www.example.com.", true},
    {"a wildcard does not cover two labels", "*.example.com", "a.b.example.com", false},
    {"a wildcard does not cover what only begins alike", "*.example.com",
     "www.example.com.example.org", false},
    {"nor does a plain name", "www.example.com", "www.example.com.example.org", false},
    {"a wildcard does not cover its own domain", "*.example.com", "example.com", false},
    {"a wildcard does not cover an empty label", "*.example.com", ".example.com", false},
    {"a wildcard host needs the same wildcard", "*.example.com", "*.example.com", true},
    {"a wildcard host is not covered by a deeper one", "*.example.com", "*.b.example.com", false},
    {"a wildcard host is not covered by a plain name", "www.example.com", "*.example.com", false},
    {"a wildcard above does not cover a wildcard host", "*.com", "*.example.com", false},
    {"a part of a label is no wildcard", "w*.example.com", "www.example.com", false},
    {"a wildcard in the middle is none", "www.*.com", "www.example.com", false},
    {"an IPv4 address is not covered", "127.0.0.1", "127.0.0.1", false},
    {"nor by a wildcard", "*.0.0.1", "127.0.0.1", false},
    {"an IPv6 address is not covered", "::1", "::1", false},
    {"the empty host", "*.example.com", "", false},
    {"a star alone covers nothing", "*", "com", false},
};

static void check_cover(void **state)
{
    const struct cover *row = *state;
    const char *const names[] = {"other.example.org", row->name, NULL};

    assert_int_equal(ecert_names_cover(names, row->host), row->covered);
    assert_false(ecert_names_cover(NULL, row->host));
}

/* ---- what a certificate says ---- */

struct fixture {
    EVP_PKEY *rsa, *ec;
    X509 *root, *leaf;
};

static int make_fixture(void **state)
{
    static struct fixture f;

    f.rsa = test_key_rsa(2048);
    f.ec = test_key_ec("P-256");
    f.root = test_root_make("Test Root", f.rsa);
    f.leaf = test_leaf_make("www.example.com", f.ec, f.root, f.rsa);
    *state = &f;
    return 0;
}

static int clear_fixture(void **state)
{
    struct fixture *f = *state;

    X509_free(f->leaf);
    X509_free(f->root);
    EVP_PKEY_free(f->ec);
    EVP_PKEY_free(f->rsa);
    return 0;
}

static void test_numbers(void **state)
{
    const struct fixture *f = *state;
    X509 *c = test_certificate_make(
        &(struct test_certificate){.key = f->ec,
                                   .serial = "0ABC0102030405060708090A0B0C0D0E0F1011",
                                   .not_before = 1700000000,
                                   .not_after = 1800000000});
    const struct ecert_bytes der = test_certificate_der(c);
    char serial[ECERT_SERIAL_HEX_LEN], sha256[ECERT_SHA256_HEX_LEN], want[ECERT_SHA256_HEX_LEN];
    char sha1[41];

    ecert_certificate_serial(c, serial);
    assert_string_equal(serial, "0ABC0102030405060708090A0B0C0D0E0F1011");
    ecert_certificate_sha256(c, sha256);
    ecert_sha256_hex(ecert_bytes_view(&der), want);
    assert_string_equal(sha256, want);
    ecert_certificate_sha1(c, sha1);
    assert_int_equal(strlen(sha1), 40);
    assert_int_equal(ecert_certificate_not_before(c), 1700000000);
    assert_int_equal(ecert_certificate_not_after(c), 1800000000);
    struct ecert_bytes owned = der;
    ecert_bytes_clear(&owned);
    X509_free(c);
}

static void test_long_serial(void **state)
{
    const struct fixture *f = *state;
    X509 *c = test_certificate_make(&(struct test_certificate){
        .key = f->ec,
        .serial = "0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20"});
    X509 *zero = test_certificate_make(&(struct test_certificate){.key = f->ec, .serial = "0"});
    char serial[ECERT_SERIAL_HEX_LEN];

    ecert_certificate_serial(c, serial);
    assert_string_equal(serial, "0102030405060708090A0B0C0D0E0F1011121314...");
    ecert_certificate_serial(zero, serial);
    assert_string_equal(serial, "00");
    X509_free(c);
    X509_free(zero);
}

static void test_names(void **state)
{
    const struct fixture *f = *state;
    static const char *const names[] = {"WWW.Example.com",
                                        "*.example.com",
                                        "w*.example.com",
                                        "bad name.example.com",
                                        "a..b",
                                        "new\nline.com",
                                        "xn--5nq.hk",
                                        "",
                                        NULL};
    static const char *const others[] = {"IP:127.0.0.1", "email:a@b.c", NULL};
    X509 *c = test_certificate_make(
        &(struct test_certificate){.key = f->ec, .names = names, .others = others});
    struct ecert_strings got = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_certificate_names(c, &got, &err), ECERT_OK);
    assert_int_equal(got.len, 3);
    assert_string_equal(got.items[0], "www.example.com");
    assert_string_equal(got.items[1], "*.example.com");
    assert_string_equal(got.items[2], "xn--5nq.hk");
    assert_true(ecert_certificate_covers(c, "shop.example.com"));
    assert_false(ecert_certificate_covers(c, "127.0.0.1"));
    assert_false(ecert_certificate_covers(f->root, "Test Root"));
    ecert_strings_clear(&got);
    X509_free(c);
}

static void check_words(const struct test_certificate *what, const char *common_name,
                        const char *title)
{
    X509 *c = test_certificate_make(what);
    char *text = NULL;
    struct ecert_error err = {0};

    assert_int_equal(ecert_certificate_common_name(c, &text, &err), ECERT_OK);
    assert_string_equal(text, common_name);
    free(text);
    assert_int_equal(ecert_certificate_title(c, &text, &err), ECERT_OK);
    assert_string_equal(text, title);
    free(text);
    X509_free(c);
}

static void test_words(void **state)
{
    const struct fixture *f = *state;

    check_words(&(struct test_certificate){.key = f->ec, .common_name = "a", .organization = "b"},
                "a", "a");
    check_words(&(struct test_certificate){.key = f->ec, .organization = "香港郵政"}, "",
                "香港郵政");
    check_words(&(struct test_certificate){.key = f->ec}, "", "a certificate without a subject");
    /* what a terminal could obey is shown, not sent */
    check_words(&(struct test_certificate){.key = f->ec, .common_name = "a\033[2Jb"}, "a\033[2Jb",
                "a\\x1B[2Jb");
}

static void test_kinds(void **state)
{
    const struct fixture *f = *state;
    X509 *forged = test_certificate_make(&(struct test_certificate){
        .key = f->ec, .common_name = "Test Root", .issuer = f->root, .issuer_key = f->ec});

    assert_true(ecert_certificate_is_ca(f->root));
    assert_false(ecert_certificate_is_ca(f->leaf));
    assert_true(ecert_certificate_is_self_signed(f->root));
    assert_false(ecert_certificate_is_self_signed(f->leaf));
    X509 *twin = test_certificate_make(&(struct test_certificate){
        .key = f->rsa, .common_name = "Test Root", .issuer = f->root, .issuer_key = f->ec});
    assert_false(ecert_certificate_is_self_signed(twin)); /* its name, not its signature */
    assert_string_equal(ecert_certificate_key_type(f->root), "rsa");
    assert_string_equal(ecert_certificate_key_type(f->leaf), "ec");
    assert_true(ecert_certificate_equal(f->root, f->root));
    assert_false(ecert_certificate_equal(f->root, f->leaf));
    X509_free(twin);
    X509_free(forged);
}

static void test_key_id(void **state)
{
    const struct fixture *f = *state;
    X509 *again = test_leaf_make("other.example.com", f->ec, f->root, f->rsa);
    uint8_t a[ECERT_SHA256_LEN], b[ECERT_SHA256_LEN], c[ECERT_SHA256_LEN];
    struct ecert_error err = {0};

    assert_int_equal(ecert_certificate_key_id(f->leaf, a, &err), ECERT_OK);
    assert_int_equal(ecert_certificate_key_id(again, b, &err), ECERT_OK);
    assert_int_equal(ecert_certificate_key_id(f->root, c, &err), ECERT_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    X509_free(again);
}

static void test_bytes(void **state)
{
    const struct fixture *f = *state;
    struct ecert_bytes der = test_certificate_der(f->leaf);
    struct ecert_bytes want = test_certificate_pem(f->leaf);
    struct ecert_bytes longer = test_join(ecert_bytes_view(&der), ecert_view_of("x"));
    struct ecert_buffer pem = {0};
    struct ecert_error err = {0};
    X509 *parsed = NULL;

    assert_int_equal(ecert_certificate_parse(ecert_bytes_view(&der), &parsed, &err), ECERT_OK);
    assert_true(ecert_certificate_equal(parsed, f->leaf));
    ecert_auto_x509(&parsed);
    assert_int_equal(ecert_certificate_parse(ecert_bytes_view(&longer), &parsed, &err),
                     ECERT_E_CRYPTO);
    assert_non_null(strstr(err.text, "1 bytes follow"));
    assert_int_equal(
        ecert_certificate_parse((struct ecert_view){der.ptr, der.len - 1}, &parsed, &err),
        ECERT_E_CRYPTO);
    assert_int_equal(ecert_certificate_parse((struct ecert_view){0}, &parsed, &err),
                     ECERT_E_CRYPTO);
    assert_null(parsed);
    assert_int_equal(ecert_certificate_pem(f->leaf, &pem, &err), ECERT_OK);
    assert_true(ecert_view_equal(ecert_buffer_view(&pem), ecert_bytes_view(&want)));
    ecert_buffer_clear(&pem);
    ecert_bytes_clear(&longer);
    ecert_bytes_clear(&want);
    ecert_bytes_clear(&der);
}

int main(void)
{
    struct CMUnitTest rows[ARRAY_SIZE(covers)] = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_long_serial),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_words),
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_key_id),
        cmocka_unit_test(test_bytes),
    };

    for (size_t i = 0; i < ARRAY_SIZE(covers); i++)
        rows[i] = (struct CMUnitTest){.name = covers[i].title,
                                      .test_func = check_cover,
                                      .initial_state = (void *)(uintptr_t)&covers[i]};
    return cmocka_run_group_tests_name("names", rows, NULL, NULL) +
           cmocka_run_group_tests_name("certificate", tests, make_fixture, clear_fixture);
}
