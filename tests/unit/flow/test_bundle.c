#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/bundle.h"
#include "tests/support/test_pki.h"

struct fixture {
    EVP_PKEY *key;
    X509 *root, *sub, *leaf, *other;
};

static int make_fixture(void **state)
{
    static struct fixture f;

    f.key = test_key_ec("P-256");
    f.root = test_root_make("Test Root", f.key);
    f.sub = test_sub_ca_make("Test Sub CA", f.key, "10", f.root, f.key);
    f.leaf = test_leaf_make("www.example.com", f.key, f.sub, f.key);
    f.other = test_certificate_make(&(struct test_certificate){.key = f.key,
                                                               .common_name = "shop.example.com",
                                                               .serial = "2002",
                                                               .issuer = f.sub,
                                                               .issuer_key = f.key});
    *state = &f;
    return 0;
}

static int clear_fixture(void **state)
{
    struct fixture *f = *state;

    X509_free(f->other);
    X509_free(f->leaf);
    X509_free(f->sub);
    X509_free(f->root);
    EVP_PKEY_free(f->key);
    return 0;
}

static STACK_OF(X509) *stack_of(X509 *const *certificates)
{
    STACK_OF(X509) *stack = sk_X509_new_null();

    for (size_t i = 0; certificates[i] != NULL; i++)
        assert_true(sk_X509_push(stack, certificates[i]) > 0);
    return stack;
}

static void check_leaf(X509 *const *certificates, const X509 *want, const char *text1,
                       const char *text2)
{
    STACK_OF(X509) *stack = stack_of(certificates);
    struct ecert_error err = {0};
    X509 *leaf = NULL;

    assert_int_equal(ecert_bundle_find_leaf(stack, &leaf, &err),
                     want == NULL ? ECERT_E_CRYPTO : ECERT_OK);
    assert_ptr_equal(leaf, want);
    if (want == NULL) {
        assert_non_null(strstr(err.text, text1));
        assert_non_null(strstr(err.text, text2));
    }
    sk_X509_free(stack);
}

static void test_find_leaf(void **state)
{
    struct fixture *f = *state;

    check_leaf((X509 *const[]){f->leaf, NULL}, f->leaf, "", "");
    check_leaf((X509 *const[]){f->root, f->sub, f->leaf, NULL}, f->leaf, "", "");
    check_leaf((X509 *const[]){f->leaf, f->sub, f->leaf, NULL}, f->leaf, "", "");
    check_leaf((X509 *const[]){f->root, f->sub, NULL}, NULL, "CA certificates only", "");
    check_leaf((X509 *const[]){NULL}, NULL, "no certificate", "");
    check_leaf((X509 *const[]){f->leaf, f->sub, f->other, NULL}, NULL,
               "'www.example.com' (serial 1001)", "'shop.example.com' (serial 2002)");
}

static size_t count(const struct ecert_bytes *text, const char *what)
{
    size_t n = 0;

    for (const char *p = (const char *)text->ptr; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static void test_pem(void **state)
{
    struct fixture *f = *state;
    struct ecert_bundle bundle = {.leaf = f->leaf,
                                  .chain = stack_of((X509 *const[]){f->sub, NULL})};
    struct ecert_bytes leaf = {0}, chain = {0}, full = {0}, none = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_bundle_pem(&bundle, ECERT_MATERIAL_CERTIFICATE, &leaf, &err), ECERT_OK);
    assert_int_equal(ecert_bundle_pem(&bundle, ECERT_MATERIAL_CHAIN, &chain, &err), ECERT_OK);
    assert_int_equal(ecert_bundle_pem(&bundle, ECERT_MATERIAL_FULLCHAIN, &full, &err), ECERT_OK);
    assert_int_equal(count(&leaf, "BEGIN CERT"), 1);
    assert_int_equal(count(&chain, "BEGIN CERT"), 1);
    struct ecert_bytes joined = test_join(ecert_bytes_view(&leaf), ecert_bytes_view(&chain));
    assert_true(ecert_view_equal(ecert_bytes_view(&joined), ecert_bytes_view(&full)));
    assert_int_equal(ecert_bundle_pem(&bundle, ECERT_MATERIAL_KEY, &none, &err), ECERT_E_REFUSED);
    assert_null(none.ptr);
    sk_X509_free(bundle.chain);
    bundle.chain = NULL; /* an empty chain is an empty text */
    assert_int_equal(ecert_bundle_pem(&bundle, ECERT_MATERIAL_CHAIN, &none, &err), ECERT_OK);
    assert_int_equal(none.len, 0);
    ecert_bytes_clear(&none);
    ecert_bytes_clear(&joined);
    ecert_bytes_clear(&full);
    ecert_bytes_clear(&chain);
    ecert_bytes_clear(&leaf);
}

static void test_clear(void **state)
{
    struct ecert_bundle bundle = {0};

    (void)state;
    ecert_bundle_clear(&bundle);
    ecert_bundle_clear(&bundle);
    assert_null(bundle.leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_leaf),
        cmocka_unit_test(test_pem),
        cmocka_unit_test(test_clear),
    };

    return cmocka_run_group_tests(tests, make_fixture, clear_fixture);
}
