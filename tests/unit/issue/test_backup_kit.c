/* Kits that do not open: recipients, their files, places. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/issue/backup.h"
#include "tests/unit/issue/backup_fixture.h"

static void test_recipients(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    EVP_PKEY *small = test_key_rsa(1024), *signer = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct test_certificate what = {.key = f->rsa, .common_name = "x"};
    const int64_t day = 86400, now = ecert_clock_now();
    const struct {
        const char *name;
        EVP_PKEY *key;
        int64_t from, to;
        bool only_signs;
        const char *words;
    } rows[] = {
        {"expired", f->rsa, now - 9 * day, now - day, false, "it expired on "},
        {"future", f->rsa, now + day, now + 9 * day, false, "it is valid from "},
        {"small", small, 0, 0, false, "its RSA key has 1024 bits"},
        {"signs", f->rsa, 0, 0, true, "key usage does not permit key encipherment"},
        {"signs-ec", f->ec, 0, 0, true, "key usage does not permit key agreement"},
        {"ed25519", signer, 0, 0, false, "its key is neither RSA nor EC"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        what.key = rows[i].key;
        what.not_before = rows[i].from;
        what.not_after = rows[i].to;
        what.leaf_constraints = rows[i].only_signs;
        /* signed by an RSA key, because Ed25519 takes no digest */
        X509 *ca = test_root_make("CA", f->rsa);
        what.issuer = ca;
        what.issuer_key = f->rsa;
        X509 *certificate = test_certificate_make(&what);
        struct ecert_bytes pem = test_certificate_pem(certificate);
        char *path = test_file_write(f->folder, rows[i].name, ecert_bytes_view(&pem), 0644);

        backup_to(f, path);
        (void)!backup_now(f, &err);
        backup_check_words(&err, ECERT_E_CONFIG, rows[i].words);
        assert_non_null(strstr(err.text, path));
        assert_int_equal(f->request.n_backups, 0);
        ecert_strings_clear(&f->config.backup.recipients);
        ecert_bytes_clear(&pem);
        X509_free(certificate);
        X509_free(ca);
        free(path);
    }
    EVP_PKEY_free(small);
    EVP_PKEY_free(signer);
}

static void test_recipient_files(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    struct ecert_bytes a = backup_bytes(f->rsa_file), b = backup_bytes(f->ec_file);
    struct ecert_bytes both = test_join(ecert_bytes_view(&a), ecert_bytes_view(&b));
    char *two = test_file_write(f->folder, "two.pem", ecert_bytes_view(&both), 0644);
    char *none = test_file_write(f->folder, "none.pem", ecert_view_of("hello"), 0644);
    const struct {
        const char *path;
        enum ecert_status status;
        const char *words;
    } rows[] = {{two, ECERT_E_CONFIG, "holds 2 certificates"},
                {none, ECERT_E_CONFIG, "none.pem"},
                {"/nonexistent/officer.cer", ECERT_E_NOT_FOUND, "/nonexistent/officer.cer"}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        backup_to(f, rows[i].path);
        (void)!backup_now(f, &err);
        backup_check_words(&err, rows[i].status, rows[i].words);
        ecert_strings_clear(&f->config.backup.recipients);
    }
    assert_int_equal(chmod(f->rsa_file, 0666), 0); /* who may write it chooses who reads keys */
    backup_to(f, f->rsa_file);
    (void)!backup_now(f, &err);
    backup_check_words(&err, ECERT_E_REFUSED, "officer.cer");
    ecert_bytes_clear(&a);
    ecert_bytes_clear(&b);
    ecert_bytes_clear(&both);
    free(two);
    free(none);
}

static void test_places(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};

    backup_under(f, "open sesame");
    assert_int_equal(rmdir(f->second_place), 0);
    (void)!backup_now(f, &err);
    backup_check_words(&err, ECERT_E_NOT_FOUND, "is the share mounted?");
    free(test_file_write(f->folder, "second", ecert_view_of("x"), 0600));
    (void)!backup_now(f, &err);
    backup_check_words(&err, ECERT_E_REFUSED, "is no directory");
    assert_int_equal(unlink(f->second_place), 0);
    assert_int_equal(mkdir(f->second_place, 0777) | chmod(f->second_place, 0777), 0);
    (void)!backup_now(f, &err);
    backup_check_words(&err, ECERT_E_REFUSED, f->second_place);
    if (geteuid() == 0) {
        assert_int_equal(chmod(f->second_place, 0700) | chown(f->second_place, 65534, 65534), 0);
        (void)!backup_now(f, &err);
        backup_check_words(&err, ECERT_E_REFUSED, f->second_place);
    }
    assert_int_equal(f->request.n_backups, 0);
    f->config.backup.wanted = false;
    (void)!backup_now(f, &err);
    backup_check_words(&err, ECERT_E_CONFIG, "no backups are configured");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recipients, backup_set_up, backup_tear_down),
        cmocka_unit_test_setup_teardown(test_recipient_files, backup_set_up, backup_tear_down),
        cmocka_unit_test_setup_teardown(test_places, backup_set_up, backup_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
