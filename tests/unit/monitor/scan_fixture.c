#include "tests/unit/monitor/scan_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct scan_pki scan_pki;
struct scan_told scan_told;

int scan_fixture_make(void **state)
{
    static const char *const names[] = {"first.example.com", "second.example.com", NULL};

    (void)state;
    scan_pki.folder = test_folder_make();
    scan_pki.rsa = test_key_rsa(2048);
    scan_pki.ec = test_key_ec("P-384");
    scan_pki.ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    scan_pki.certificates[ROOT] = test_root_make("Test Root", scan_pki.rsa);
    X509 *root = scan_pki.certificates[ROOT];
    scan_pki.certificates[RSA_LEAF] =
        test_leaf_make("rsa.example.com", scan_pki.rsa, root, scan_pki.rsa);
    scan_pki.certificates[EC_LEAF] = test_certificate_make(
        &(struct test_certificate){.key = scan_pki.ec,
                                   .issuer = root,
                                   .issuer_key = scan_pki.rsa,
                                   .common_name = "ec.example.com",
                                   .serial = "00F1E2D3C4B5A69788796A5B4C3D2E1F",
                                   .not_before = 1,
                                   .not_after = 4102444800,
                                   .names = names,
                                   .leaf_constraints = true});
    scan_pki.certificates[ED_LEAF] =
        test_certificate_make(&(struct test_certificate){.key = scan_pki.ed,
                                                         .issuer = root,
                                                         .issuer_key = scan_pki.rsa,
                                                         .common_name = "ed.example.com"});
    scan_pki.certificates[NAMELESS] = test_certificate_make(&(struct test_certificate){
        .key = scan_pki.ec, .issuer = root, .issuer_key = scan_pki.rsa, .names = names});
    scan_pki.certificates[WIDE] = test_certificate_make(
        &(struct test_certificate){.key = scan_pki.ec,
                                   .issuer = root,
                                   .issuer_key = scan_pki.rsa,
                                   .common_name = "\xE8\xAD\x89\xE6\x9B\xB8 \x1B[31m"});
    for (size_t i = 0; i < N_CERTIFICATES; i++) {
        scan_pki.pem[i] = test_certificate_pem(scan_pki.certificates[i]);
        scan_pki.der[i] = test_certificate_der(scan_pki.certificates[i]);
    }
    scan_pki.key = test_key_pem(scan_pki.ec, "AES-256-CBC", "not given");
    return scan_pki.ed == NULL;
}

int scan_fixture_clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CERTIFICATES; i++) {
        X509_free(scan_pki.certificates[i]);
        ecert_bytes_clear(&scan_pki.pem[i]);
        ecert_bytes_clear(&scan_pki.der[i]);
    }
    ecert_bytes_clear(&scan_pki.key);
    EVP_PKEY_free(scan_pki.rsa);
    EVP_PKEY_free(scan_pki.ec);
    EVP_PKEY_free(scan_pki.ed);
    test_folder_remove(scan_pki.folder);
    return 0;
}

/* ---- scanning and collecting ---- */

void scan_told_clear(void)
{
    for (size_t i = 0; i < scan_told.n; i++) {
        free(scan_told.items[i].file);
        free(scan_told.items[i].title);
        free(scan_told.items[i].error);
    }
    scan_told = (struct scan_told){0};
}

static enum ecert_status take(void *context, const struct ecert_scanned *scanned,
                              struct ecert_error *err)
{
    struct scan_told *into = context;

    if (into->end_after > 0 && into->n == into->end_after)
        return ecert_error_set(err, ECERT_E_REFUSED, "enough");
    assert_true(into->n < ARRAY_SIZE(into->items));
    into->items[into->n++] = (struct scan_said){strdup(scanned->file), strdup(scanned->title),
                                                strdup(scanned->error), *scanned};
    return ECERT_OK;
}

struct ecert_scan *scan_opened(const char *password_file)
{
    struct ecert_scan *scan = NULL;
    struct ecert_error err = {0};

    scan_told_clear();
    assert_int_equal(ecert_scan_open(password_file, take, &scan_told, &scan, &err), ECERT_OK);
    return scan;
}

void scan_add_file(struct ecert_scan *scan, const char *file)
{
    struct ecert_error err = {0};

    assert_int_equal(ecert_scan_add(scan, file, &err), ECERT_OK);
}

void scan_done(struct ecert_scan *scan)
{
    struct ecert_error err = {0};

    assert_int_equal(ecert_scan_finish(scan, &err), ECERT_OK);
    ecert_scan_free(&scan);
    assert_null(scan);
}

void scan_one_file(const char *file, const char *password_file)
{
    struct ecert_scan *scan = scan_opened(password_file);

    scan_add_file(scan, file);
    scan_done(scan);
}
