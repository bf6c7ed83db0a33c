#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/process.h"
#include "core/issue/backup_parts.h"
#include "tests/unit/issue/backup_fixture.h"

static struct ecert_view key_of(const struct ecert_bytes *pem)
{
    return ecert_bytes_view(pem);
}

/* Open the first backup and compare what is in it. */
static void check_opens(struct backup_fixture *f, const struct ecert_backup_opener *opener)
{
    struct ecert_backup_content content = {0};
    struct ecert_error err = {0};
    struct ecert_bytes file = backup_bytes(f->request.backups[0].path);

    if (ecert_backup_read(ecert_bytes_view(&file), opener, &content, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_true(ecert_view_equal(ecert_secret_view(&content.key_pem), key_of(&f->key_pem)));
    assert_true(
        ecert_view_equal(ecert_bytes_view(&content.csr_pem), ecert_bytes_view(&f->csr_pem)));
    assert_memory_equal(content.key_id, f->request.key_id, sizeof content.key_id);
    assert_string_equal(content.request.id, f->request.id);
    assert_string_equal(content.request.name, "www.example.test");
    ecert_backup_content_clear(&content);
    ecert_bytes_clear(&file);
}

/* Not opened, and why. */
static void check_shut(struct ecert_view file, const struct ecert_backup_opener *opener,
                       const char *words)
{
    struct ecert_backup_content content = {0};
    struct ecert_error err = {0};

    (void)!ecert_backup_read(file, opener, &content, &err);
    backup_check_words(&err, ECERT_E_CRYPTO, words);
    assert_null(content.key_pem.ptr);
}

static void test_both_ways(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    const struct ecert_backup_opener by_rsa = {.recipient_key = key_of(&f->rsa_pem)},
                                     by_ec = {.recipient_key = key_of(&f->ec_pem)},
                                     by_words = {.passphrase =
                                                     ecert_view_of("open sesame, at once")};

    backup_to(f, f->rsa_file);
    backup_to(f, f->ec_file);
    backup_under(f, "open sesame, at once\n");
    if (backup_now(f, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(f->request.n_backups, 2);
    for (size_t i = 0; i < 2; i++) {
        struct stat st;
        char *path = NULL;

        assert_true(asprintf(&path, "%s/www.example.test-%s.p7m",
                             i == 0 ? f->place : f->second_place, f->request.id) > 0);
        assert_string_equal(f->request.backups[i].path, path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_true(f->request.backups[i].written > 0);
        assert_true(f->request.backups[i].opened > 0);
        free(path);
    }
    check_opens(f, &by_rsa);
    check_opens(f, &by_ec);
    check_opens(f, &by_words);
}

static void test_recipients_alone(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};

    backup_to(f, f->ec_file);
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    assert_int_equal(f->request.backups[0].opened, 0); /* nobody here could open it */
    check_opens(f, &(struct ecert_backup_opener){.recipient_key = key_of(&f->ec_pem)});
}

static void test_a_locked_recipient_key(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_bytes locked = test_key_pem(f->rsa, "AES-256-CBC", "card");
    struct ecert_bytes file;
    struct ecert_error err = {0};
    struct ecert_backup_opener opener = {.recipient_key = key_of(&locked),
                                         .recipient_key_passphrase = ecert_view_of("card")};

    backup_to(f, f->rsa_file);
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    check_opens(f, &opener);
    opener.recipient_key_passphrase = ecert_view_of("cart");
    file = backup_bytes(f->request.backups[0].path);
    check_shut(ecert_bytes_view(&file), &opener, "the key to open it with");
    ecert_bytes_clear(&file);
    ecert_bytes_clear(&locked);
}

/* ---- without us ---- */

static void check_openssl(struct backup_fixture *f, const char *const *how)
{
    const char *argv[16] = {"/usr/bin/openssl",        "cms", "-decrypt", "-inform", "DER", "-in",
                            f->request.backups[0].path};
    size_t n = 7;
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    while (*how != NULL)
        argv[n++] = *how++;
    const struct ecert_run_spec spec = {.argv = argv, .timeout_ms = 20000, .max_output = 1 << 20};
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_OK);
    if (result.exit_code != 0)
        print_error("%s\n", (const char *)result.err.ptr);
    assert_int_equal(result.exit_code, 0);
    assert_non_null(strstr((const char *)result.out.ptr, (const char *)f->key_pem.ptr));
    assert_non_null(strstr((const char *)result.out.ptr, (const char *)f->csr_pem.ptr));
    assert_non_null(strstr((const char *)result.out.ptr, "-----BEGIN ECERT REQUEST-----"));
    ecert_run_result_clear(&result);
}

static void test_openssl_opens_it(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    char *rsa = test_file_write(f->folder, "rsa.key", key_of(&f->rsa_pem), 0600);
    char *ec = test_file_write(f->folder, "ec.key", key_of(&f->ec_pem), 0600);

    backup_to(f, f->rsa_file);
    backup_to(f, f->ec_file);
    backup_under(f, "open sesame, at once");
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    check_openssl(f, (const char *[]){"-inkey", rsa, "-recip", f->rsa_file, NULL});
    check_openssl(f, (const char *[]){"-inkey", ec, "-recip", f->ec_file, NULL});
    check_openssl(f, (const char *[]){"-pwri_password", "open sesame, at once", NULL});
    free(rsa);
    free(ec);
}

/* The key is in no file but the request's own, and in no temporary one either. */
static void test_no_key_in_the_clear(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    struct ecert_strings names = {0};

    backup_under(f, "open sesame, at once");
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    assert_int_equal(ecert_fs_list(f->place, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 1);
    struct ecert_bytes file = backup_bytes(f->request.backups[0].path);
    assert_null(memmem(file.ptr, file.len, "PRIVATE KEY", 11));
    assert_null(memmem(file.ptr, file.len, f->key_pem.ptr + 40, 40));
    ecert_bytes_clear(&file);
    ecert_strings_clear(&names);
}

/* ---- what is not opened ---- */

static void test_not_opened(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    const struct ecert_backup_opener right = {.passphrase = ecert_view_of("open sesame, at once")};
    struct ecert_bytes other = test_key_pem(f->ec, NULL, NULL);

    backup_to(f, f->rsa_file);
    backup_under(f, "open sesame, at once");
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    struct ecert_bytes file = backup_bytes(f->request.backups[0].path);
    const struct ecert_view view = ecert_bytes_view(&file);
    check_shut(view, &(struct ecert_backup_opener){0}, "there is nothing to open it with");
    check_shut(view, &(struct ecert_backup_opener){.passphrase = ecert_view_of("x")},
               "this passphrase does not open it; who can open it: serial 0A1B of "
               "'/CN=officer.cer'; a passphrase");
    check_shut(view, &(struct ecert_backup_opener){.recipient_key = key_of(&other)},
               "this key does not open it");
    check_shut(view, &(struct ecert_backup_opener){.recipient_key = key_of(&f->csr_pem)},
               "the key to open it with");
    check_shut(ecert_bytes_view(&f->key_pem), &right, "not a backup");
    check_shut((struct ecert_view){0}, &right, "not a backup");
    for (size_t len = 1; len < view.len; len += 97)
        check_shut((struct ecert_view){view.ptr, len}, &right, "it is cut off or damaged");
    struct ecert_bytes longer = test_join(view, ecert_view_of("x"));
    check_shut(ecert_bytes_view(&longer), &right, "1 bytes follow its end");
    ecert_bytes_clear(&longer);
    /* whatever is changed is never a key that is not the request's */
    for (size_t at = 0; at < view.len; at += 41) {
        struct ecert_backup_content content = {0};

        file.ptr[at] ^= 0x10;
        if (ecert_backup_read(view, &right, &content, &err) == ECERT_OK)
            assert_memory_equal(content.key_id, f->request.key_id, sizeof content.key_id);
        ecert_backup_content_clear(&content);
        file.ptr[at] ^= 0x10;
    }
    ecert_bytes_clear(&other);
    ecert_bytes_clear(&file);
}

/* Sealed like a backup, and something else in it. */
static void test_other_content(void **state)
{
    struct backup_fixture *f = *state;
    const struct ecert_backup_opener opener = {.passphrase = ecert_view_of("open sesame, at once")};
    struct ecert_bytes other_csr = test_csr_pem(f->ec, "www.example.test");
    struct ecert_bytes mixed = test_join(key_of(&f->key_pem), ecert_bytes_view(&other_csr));
    struct ecert_bytes twice = test_join(key_of(&f->key_pem), key_of(&f->key_pem));
    static const char request[] =
        "-----BEGIN ECERT REQUEST-----\ne30=\n-----END ECERT REQUEST-----\n";
    struct ecert_bytes exchanged = test_join(ecert_bytes_view(&mixed), ecert_view_of(request));
    struct ecert_bytes right = test_join(key_of(&f->key_pem), ecert_bytes_view(&f->csr_pem));
    struct ecert_bytes no_json = test_join(ecert_bytes_view(&right), ecert_view_of(request));
    const struct {
        struct ecert_view content;
        const char *words;
    } rows[] = {
        {ecert_view_of("a letter\n"), "key, CSR and request are not all in it"},
        {ecert_bytes_view(&f->key_pem), "key, CSR and request are not all in it"},
        {ecert_bytes_view(&twice), "a block 'PRIVATE KEY' that does not belong there"},
        {ecert_bytes_view(&exchanged), "the key and the CSR in it do not belong together"},
        {ecert_bytes_view(&no_json), "request.json in it"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_bytes file = {0};
        struct ecert_error err = {0};

        assert_int_equal(ecert_backup_seal(NULL, opener.passphrase, rows[i].content, &file, &err),
                         ECERT_OK);
        check_shut(ecert_bytes_view(&file), &opener, rows[i].words);
        ecert_bytes_clear(&file);
    }
    ecert_bytes_clear(&other_csr);
    ecert_bytes_clear(&mixed);
    ecert_bytes_clear(&twice);
    ecert_bytes_clear(&exchanged);
    ecert_bytes_clear(&right);
    ecert_bytes_clear(&no_json);
}

/* One place fails after the kit was opened: the other has its backup, and that is noted. */
static void test_one_place_fails(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    struct ecert_backup_kit *kit = NULL;

    backup_under(f, "open sesame, at once");
    assert_int_equal(ecert_backup_kit_open(&f->config, &kit, &err), ECERT_OK);
    assert_int_equal(rmdir(f->place), 0); /* unmounted meanwhile */
    (void)!ecert_backup_write(kit, &f->config, &f->request, &err);
    backup_check_words(&err, ECERT_E_IO, f->place);
    assert_null(strstr(err.text, f->second_place));
    assert_int_equal(f->request.n_backups, 1);
    ecert_backup_kit_close(&kit);
    assert_int_equal(mkdir(f->place, 0700), 0);
    assert_int_equal(backup_now(f, &err), ECERT_OK); /* what is missing, and no more */
    assert_int_equal(f->request.n_backups, 2);
}

/* What was sealed ahead is what is written; one that could not be is told when it is written. */
static void test_sealed_ahead(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    struct ecert_backup_kit *kit = NULL;
    char absent_id[] = "20200101T000000Z", sha256[ECERT_SHA256_HEX_LEN];
    struct ecert_request again = f->request, absent = f->request; /* borrowed */

    backup_to(f, f->rsa_file);
    backup_to(f, f->ec_file);
    backup_under(f, "open sesame, at once");
    absent.id = absent_id;
    const struct ecert_request *const all[] = {&absent, &f->request, &again, &again, &f->request};
    assert_int_equal(ecert_backup_kit_open(&f->config, &kit, &err), ECERT_OK);
    for (int i = 0; i < 3; i++) /* what was sealed before is forgotten */
        ecert_backup_seal_ahead(kit, &f->config, all, ARRAY_SIZE(all) - (i == 0));
    assert_int_equal(kit->n_ahead, ARRAY_SIZE(all));
    assert_null(kit->ahead[0].sealed.file.ptr);
    for (size_t i = 0; i < kit->n_ahead; i++)
        assert_null(kit->ahead[i].content.ptr); /* no key is left in the clear */
    assert_int_equal(kit->ahead[1].sealed.opened > 0, true);
    memcpy(sha256, kit->ahead[1].sealed.sha256, sizeof sha256);
    assert_string_not_equal(sha256, kit->ahead[2].sealed.sha256);
    assert_int_equal(ecert_backup_write(kit, &f->config, &f->request, &err), ECERT_OK);
    assert_int_equal(f->request.n_backups, 2);
    assert_string_equal(f->request.backups[0].sha256, sha256);
    assert_string_equal(f->request.backups[1].sha256, sha256);
    assert_null(kit->ahead[1].sealed.file.ptr);
    check_opens(f,
                &(struct ecert_backup_opener){.passphrase = ecert_view_of("open sesame, at once")});
    absent.n_backups = 0;
    absent.backups = NULL;
    (void)!ecert_backup_write(kit, &f->config, &absent, &err);
    backup_check_words(&err, ECERT_E_NOT_FOUND, absent_id);
    ecert_backup_kit_close(&kit);
}

/* A disk that takes no more, here a limit on the size of files: no half file is left. */
static void test_full(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    struct ecert_backup_kit *kit = NULL;
    struct rlimit old, small;

    backup_under(f, "open sesame, at once");
    assert_int_equal(ecert_backup_kit_open(&f->config, &kit, &err), ECERT_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){200, old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    (void)!ecert_backup_write(kit, &f->config, &f->request, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    backup_check_words(&err, ECERT_E_IO, "File too large");
    assert_int_equal(f->request.n_backups, 0);
    assert_int_equal(backup_count(f->place) + backup_count(f->second_place), 0);
    ecert_backup_kit_close(&kit);
}

/* ---- again ---- */

static void check_state(struct backup_fixture *f, const struct ecert_backup_opener *opener,
                        enum ecert_backup_state want, const char *words)
{
    enum ecert_backup_state got = ECERT_BACKUP_UNREADABLE;
    struct ecert_error err = {0};
    char *why = NULL;

    if (ecert_backup_check(&f->config, &f->request, &f->request.backups[0], opener, &got, &why,
                           &err) != ECERT_OK)
        fail_msg("%s", err.text);
    if (got != want || strstr(why == NULL ? "" : why, words) == NULL)
        print_error("wanted %d '%s', got %d '%s'\n", want, words, got, why == NULL ? "" : why);
    assert_int_equal(got, want);
    assert_non_null(strstr(why == NULL ? "" : why, words));
    free(why);
}

static void test_never_overwritten(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    char *first = NULL;

    assert_true(asprintf(&first, "%s/www.example.test-%s.p7m", f->place, f->request.id) > 0);
    backup_under(f, "open sesame, at once");
    free(test_file_write(f->place, ecert_path_base(first), ecert_view_of("somebody's"), 0600));
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    struct ecert_bytes bytes = backup_bytes(first);
    assert_string_equal((const char *)bytes.ptr, "somebody's");
    ecert_bytes_clear(&bytes);
    assert_non_null(strstr(f->request.backups[0].path, "-2.p7m"));
    check_opens(f,
                &(struct ecert_backup_opener){.passphrase = ecert_view_of("open sesame, at once")});

    assert_int_equal(backup_now(f, &err), ECERT_OK); /* all are there: nothing is written */
    assert_int_equal(backup_count(f->place), 2);
    assert_int_equal(backup_count(f->second_place), 1);

    /* one was damaged: it stays, and another is written beside it */
    free(test_file_write(f->place, ecert_path_base(f->request.backups[0].path),
                         ecert_view_of("damaged"), 0600));
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    assert_int_equal(f->request.n_backups, 2);
    assert_non_null(strstr(f->request.backups[0].path, "-3.p7m"));
    assert_int_equal(backup_count(f->place), 3);
    assert_int_equal(backup_count(f->second_place), 1);
    free(first);
}

/* A run that ended between the file and its note; with recipients alone nothing proves it. */
static void test_unknown_backup(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    char *first = NULL;

    assert_true(asprintf(&first, "%s/www.example.test-%s.p7m", f->place, f->request.id) > 0);
    backup_under(f, "open sesame, at once");
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    for (int i = 0; i < 2; i++) {
        const size_t n = f->request.n_backups;

        for (size_t k = 0; k < n; k++)
            free(f->request.backups[k].path);
        f->request.n_backups = 0;
        if (i == 1) /* one more recipient since then: the old one does not name him */
            backup_to(f, f->ec_file);
        assert_int_equal(backup_now(f, &err), ECERT_OK);
        assert_int_equal(f->request.n_backups, 2);
        assert_int_equal(backup_count(f->place), (size_t)i + 1);
        assert_int_equal(strcmp(f->request.backups[0].path, first) == 0, i == 0);
        check_state(f, &(struct ecert_backup_opener){0}, ECERT_BACKUP_OPENS, "");
    }
    free(first);
}

/* ---- checking ---- */

static void test_check(void **state)
{
    struct backup_fixture *f = *state;
    struct ecert_error err = {0};
    const struct ecert_backup_opener nothing = {0}, key = {.recipient_key = key_of(&f->ec_pem)},
                                     other = {.recipient_key = key_of(&f->rsa_pem)};
    struct ecert_request second;

    backup_to(f, f->ec_file);
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    check_state(f, &nothing, ECERT_BACKUP_UNCHANGED, "");
    check_state(f, &key, ECERT_BACKUP_OPENS, "");
    check_state(f, &other, ECERT_BACKUP_SHUT, "this key does not open it; who can open it: serial");
    backup_under(f, "open sesame, at once");
    check_state(f, &nothing, ECERT_BACKUP_SHUT, "this passphrase does not open it");

    /* exchanged: the backup of another request, bytes and digest agreeing */
    backup_fixture_request(f, &second);
    struct ecert_request first = f->request;
    f->request = second;
    assert_int_equal(backup_now(f, &err), ECERT_OK);
    second = f->request;
    f->request = first;
    char *kept_path = f->request.backups[0].path;
    char kept_sha256[ECERT_SHA256_HEX_LEN];
    memcpy(kept_sha256, f->request.backups[0].sha256, sizeof kept_sha256);
    f->request.backups[0].path = second.backups[0].path;
    check_state(f, &key, ECERT_BACKUP_CHANGED, "these are not the bytes");
    memcpy(f->request.backups[0].sha256, second.backups[0].sha256, sizeof kept_sha256);
    check_state(f, &key, ECERT_BACKUP_CHANGED, "holds the key of another request");
    f->request.backups[0].path = kept_path;
    memcpy(f->request.backups[0].sha256, kept_sha256, sizeof kept_sha256);
    ecert_request_clear(&second);

    assert_int_equal(truncate(kept_path, 100), 0);
    check_state(f, &key, ECERT_BACKUP_CHANGED, "these are not the bytes");
    assert_int_equal(unlink(kept_path), 0);
    check_state(f, &key, ECERT_BACKUP_MISSING, "is the share mounted?");
    assert_int_equal(mkdir(kept_path, 0700), 0);
    check_state(f, &key, ECERT_BACKUP_UNREADABLE, "regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, backup_set_up, backup_tear_down)
        TEST(test_both_ways),
        TEST(test_recipients_alone),
        TEST(test_a_locked_recipient_key),
        TEST(test_openssl_opens_it),
        TEST(test_no_key_in_the_clear),
        TEST(test_not_opened),
        TEST(test_other_content),
        TEST(test_one_place_fails),
        TEST(test_sealed_ahead),
        TEST(test_full),
        TEST(test_never_overwritten),
        TEST(test_unknown_backup),
        TEST(test_check),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
