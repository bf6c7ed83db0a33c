/* The other half of decode.h: keys and CRLs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "tests/support/test_pki.h"

static struct {
    EVP_PKEY *rsa, *ec;
    X509 *root, *leaf;
    X509_CRL *crl;
    struct ecert_bytes leaf_pem, leaf_der, key_pem, crl_pem, crl_der;
} pki;

static int make_pki(void **state)
{
    static const char *const revoked[] = {"10", NULL};

    (void)state;
    pki.rsa = test_key_rsa(2048);
    pki.ec = test_key_ec("P-256");
    pki.root = test_root_make("Test Root", pki.rsa);
    pki.leaf = test_leaf_make("www.example.com", pki.ec, pki.root, pki.rsa);
    pki.crl = test_crl_make(pki.root, pki.rsa, revoked, 0, 0);
    pki.leaf_pem = test_certificate_pem(pki.leaf);
    pki.leaf_der = test_certificate_der(pki.leaf);
    pki.key_pem = test_key_pem(pki.ec, NULL, NULL);
    pki.crl_pem = test_crl_pem(pki.crl);
    pki.crl_der = test_crl_der(pki.crl);
    return 0;
}

static int clear_pki(void **state)
{
    struct ecert_bytes *const texts[] = {&pki.leaf_pem, &pki.leaf_der, &pki.key_pem, &pki.crl_pem,
                                         &pki.crl_der};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ecert_bytes_clear(texts[i]);
    X509_CRL_free(pki.crl);
    X509_free(pki.leaf);
    X509_free(pki.root);
    EVP_PKEY_free(pki.ec);
    EVP_PKEY_free(pki.rsa);
    return 0;
}

static struct ecert_bytes join(const struct ecert_bytes *a, const struct ecert_bytes *b)
{
    return test_join(ecert_bytes_view(a), ecert_bytes_view(b));
}

static struct ecert_bytes copy_of(const struct ecert_bytes *bytes)
{
    return test_join(ecert_bytes_view(bytes), (struct ecert_view){0});
}

/* ---- keys ---- */

static void check_key(struct ecert_bytes file, const char *passphrase, const EVP_PKEY *want)
{
    struct ecert_secret pem = {0};
    uint8_t id[ECERT_SHA256_LEN] = {0}, want_id[ECERT_SHA256_LEN];
    struct ecert_error err = {0};
    const enum ecert_status status =
        ecert_decode_key(ecert_bytes_view(&file), ecert_view_of(passphrase), &pem, id, &err);

    if (status != ECERT_OK)
        print_error("%s\n", err.text);
    assert_int_equal(status, ECERT_OK);
    test_public_key_id(want, want_id);
    assert_memory_equal(id, want_id, sizeof id);
    struct ecert_bytes want_pem = test_key_pem(want, NULL, NULL);
    assert_true(ecert_view_equal(ecert_secret_view(&pem), ecert_bytes_view(&want_pem)));
    ecert_bytes_clear(&want_pem);
    ecert_secret_clear(&pem);
    ecert_bytes_clear(&file);
}

static void test_keys(void **state)
{
    struct ecert_bytes plain = test_key_traditional_pem(pki.rsa, NULL, NULL);
    const struct ecert_bytes mark = {(uint8_t *)(uintptr_t) "\xEF\xBB\xBF", 3};

    (void)state;
    check_key(copy_of(&pki.key_pem), NULL, pki.ec);
    check_key(copy_of(&pki.key_pem), "not needed", pki.ec);
    check_key(test_key_pem(pki.rsa, NULL, NULL), NULL, pki.rsa);
    check_key(copy_of(&plain), NULL, pki.rsa);
    check_key(test_key_traditional_pem(pki.ec, NULL, NULL), NULL, pki.ec);
    check_key(test_key_pem(pki.rsa, "AES-256-CBC", "x y"), "x y", pki.rsa);
    check_key(test_key_pem(pki.ec, "DES-EDE3-CBC", "x"), "x", pki.ec);
    check_key(test_key_traditional_pem(pki.rsa, "DES-EDE3-CBC", "x"), "x", pki.rsa);
    check_key(test_key_traditional_pem(pki.ec, "AES-128-CBC", "x"), "x", pki.ec);
    check_key(test_key_pkcs8_der(pki.rsa), NULL, pki.rsa);
    check_key(test_key_traditional_der(pki.rsa), NULL, pki.rsa);
    check_key(test_key_traditional_der(pki.ec), NULL, pki.ec);
    check_key(join(&pki.leaf_pem, &plain), NULL, pki.rsa);
    check_key(join(&mark, &plain), NULL, pki.rsa);
    ecert_bytes_clear(&plain);
}

static void check_bad_key(struct ecert_bytes file, const char *passphrase, const char *want_text)
{
    struct ecert_secret pem = {0};
    uint8_t id[ECERT_SHA256_LEN] = {0};
    struct ecert_error err = {0};
    const enum ecert_status status =
        ecert_decode_key(ecert_bytes_view(&file), ecert_view_of(passphrase), &pem, id, &err);

    if (status == ECERT_OK || strstr(err.text, want_text) == NULL)
        print_error("wanted '%s', got '%s'\n", want_text, err.text);
    assert_int_equal(status, ECERT_E_CRYPTO);
    assert_non_null(strstr(err.text, want_text));
    assert_null(pem.ptr);
    ecert_bytes_clear(&file);
}

static void test_bad_keys(void **state)
{
    struct ecert_bytes rsa = test_key_pem(pki.rsa, NULL, NULL);

    (void)state;
    check_bad_key(test_key_pem(pki.ec, "AES-256-CBC", "x"), NULL,
                  "`passphrase_file` or `passphrase_command`");
    check_bad_key(test_key_traditional_pem(pki.rsa, "DES-EDE3-CBC", "x"), NULL,
                  "`passphrase_file` or `passphrase_command`");
    check_bad_key(test_key_pem(pki.ec, "AES-256-CBC", "x"), "y", "the passphrase is wrong");
    check_bad_key(test_key_traditional_pem(pki.rsa, "DES-EDE3-CBC", "x"), "y",
                  "the passphrase is wrong");
    check_bad_key(join(&rsa, &pki.key_pem), NULL, "holds 2 private keys");
    check_bad_key(copy_of(&pki.leaf_pem), NULL, "no private key, only certificates");
    check_bad_key(copy_of(&pki.leaf_der), NULL, "no private key, only a certificate");
    check_bad_key(test_public_key_pem(pki.ec), NULL, "only a public key");
    rsa.ptr[rsa.len - 100] = '!';
    check_bad_key(copy_of(&rsa), NULL, "is damaged");
    check_bad_key((struct ecert_bytes){0}, NULL, "the file is empty");
    ecert_bytes_clear(&rsa);
}

/* ---- CRLs ---- */

static void test_crls(void **state)
{
    const struct ecert_bytes *const good[] = {&pki.crl_pem, &pki.crl_der};
    const struct ecert_bytes *const bad[] = {&pki.leaf_pem, &pki.leaf_der, &pki.key_pem};
    X509_CRL *crl = NULL;
    struct ecert_error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(ecert_decode_crl(ecert_bytes_view(good[i]), &crl, &err), ECERT_OK);
        struct ecert_bytes der = test_crl_der(crl);
        assert_true(ecert_view_equal(ecert_bytes_view(&der), ecert_bytes_view(&pki.crl_der)));
        ecert_bytes_clear(&der);
        ecert_auto_crl(&crl);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(ecert_decode_crl(ecert_bytes_view(bad[i]), &crl, &err), ECERT_E_CRYPTO);
        assert_non_null(strstr(err.text, "the file holds no CRL"));
        assert_null(crl);
    }
    const struct ecert_view cut = {pki.crl_der.ptr, pki.crl_der.len - 1};
    assert_int_equal(ecert_decode_crl(cut, &crl, &err), ECERT_E_CRYPTO);
    assert_non_null(strstr(err.text, "truncated"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_crls),
    };

    return cmocka_run_group_tests(tests, make_pki, clear_pki);
}
