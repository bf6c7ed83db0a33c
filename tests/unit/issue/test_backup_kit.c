/* Kits that do not open: recipients, their files, places. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
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

    backup_under(f, "open sesame, at once");
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

/* One directory, by a link or by the same name twice, is one copy. */
static void test_one_directory(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_strings places = {0};
    struct ecert_error err = {0};
    char *path = NULL;

    backup_under(f, "open sesame, at once");
    assert_int_equal(rmdir(f->second_place) | symlink("place", f->second_place), 0);
    for (int i = 0; i < 2; i++) {
        (void)!backup_now(f, &err);
        backup_check_words(&err, ECERT_E_CONFIG, "are one directory, which is one copy");
        assert_non_null(strstr(err.text, f->place));
        assert_int_equal(ecert_backup_places(&f->config, &places, &err), ECERT_E_CONFIG);
        ecert_strings_clear(&f->config.backup.places); /* also one that is not there */
        assert_int_equal(ecert_strings_add(&f->config.backup.places, "/nonexistent", &err),
                         ECERT_OK);
        assert_int_equal(ecert_strings_add(&f->config.backup.places, "/nonexistent", &err),
                         ECERT_OK);
        (void)!ecert_backup_places(&f->config, &places, &err);
        backup_check_words(&err, ECERT_E_CONFIG, "are one directory");
        ecert_strings_clear(&f->config.backup.places);
        assert_int_equal(ecert_strings_add(&f->config.backup.places, f->second_place, &err),
                         ECERT_OK);
        assert_int_equal(ecert_strings_add(&f->config.backup.places, f->place, &err), ECERT_OK);
    }
    /* a link alone is fine, and its backups are where it leads */
    free(f->config.backup.places.items[--f->config.backup.places.len]);
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    assert_int_equal(ecert_backup_places(&f->config, &places, &err), ECERT_OK);
    assert_int_equal(places.len, 1);
    assert_string_equal(places.items[0], f->place);
    assert_ptr_equal(ecert_backup_in(&f->request, places.items[0]), &f->request.backups[0]);
    assert_true(ecert_backup_is_placed(&f->request.backups[0], &places));
    assert_int_equal(ecert_backup_path(&f->request, f->place, &path, &err), ECERT_OK);
    assert_string_equal(path, f->request.backups[0].path);
    free(path);

    /* elsewhere: below a place is not in it, and neither is a longer name */
    free(places.items[0]);
    places.items[0] = strndup(f->place, strlen(f->place) - 1);
    assert_null(ecert_backup_in(&f->request, places.items[0]));
    assert_false(ecert_backup_is_placed(&f->request.backups[0], &places));
    free(places.items[0]);
    places.items[0] = strdup(f->folder);
    assert_false(ecert_backup_is_placed(&f->request.backups[0], &places));
    ecert_strings_clear(&places);
    assert_true(ecert_backup_is_placed(&f->request.backups[0], &places)); /* nowhere to be */
}

/* What a killed run left is removed once nobody can be at work on it, and nothing else is. */
static void test_leftovers(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_strings names = {0};
    struct ecert_error err = {0};
    static const struct {
        const char *name;
        int64_t age;
        bool stays;
    } rows[] = {
        {".backup.ecert-0123456789ABCDEF", 7200, false},
        {".backup.ecert-1123456789ABCDEF", 60, true}, /* another machine writes it now */
        {".notes.ecert-0123456789ABCDEF", 7200, true},
        {".try.ecert-0123456789ABCDEF", 7200, false},
        {".try.ecert-0123456789ABCDEF.p7m", 7200, true},
        {"x.try.ecert-0123456789ABCDEF", 7200, true},
    };
    const size_t n = ARRAY_SIZE(rows);
    size_t at = 0;

    backup_under(f, "open sesame, at once");
    for (size_t i = 0; i < n; i++) {
        char *path = test_file_write(f->second_place, rows[i].name, ecert_view_of("x"), 0600);
        const struct timespec then = {.tv_sec = ecert_clock_now() - rows[i].age};

        assert_int_equal(utimensat(AT_FDCWD, path, (const struct timespec[]){then, then}, 0), 0);
        free(path);
    }
    struct ecert_backup_kit *kit = NULL;
    assert_int_equal(ecert_backup_kit_open(&f->config, &kit, &err), ECERT_OK);
    ecert_backup_kit_close(&kit);
    assert_int_equal(ecert_fs_list(f->second_place, &names, &err), ECERT_OK);
    for (size_t i = 0; i < n; i++)
        if (rows[i].stays)
            assert_string_equal(at < names.len ? names.items[at++] : "(none)", rows[i].name);
    assert_int_equal(names.len, at);
    ecert_strings_clear(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recipients, backup_set_up, backup_tear_down),
        cmocka_unit_test_setup_teardown(test_recipient_files, backup_set_up, backup_tear_down),
        cmocka_unit_test_setup_teardown(test_places, backup_set_up, backup_tear_down),
        cmocka_unit_test_setup_teardown(test_one_directory, backup_set_up, backup_tear_down),
        cmocka_unit_test_setup_teardown(test_leftovers, backup_set_up, backup_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
