#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/key.h"
#include "core/flow/store.h"
#include "core/issue/backup.h"
#include "core/issue/new_key.h"
#include "tests/unit/issue/backup_fixture.h"

struct world {
    struct backup_fixture f;
    struct ecert_backup_content content;
    char *folder; /* of the request */
};

static int make(void **state)
{
    static struct world w;
    struct ecert_error err = {0};

    w = (struct world){0};
    backup_fixture_make(&w.f);
    backup_under(&w.f, "open sesame, at once");
    assert_int_equal(backup_now(&w.f, &err), ECERT_OK);
    struct ecert_bytes file = backup_bytes(w.f.request.backups[0].path);
    assert_int_equal(ecert_backup_read(ecert_bytes_view(&file),
                                       &(struct ecert_backup_opener){
                                           .passphrase = ecert_view_of("open sesame, at once")},
                                       &w.content, &err),
                     ECERT_OK);
    ecert_bytes_clear(&file);
    assert_true(asprintf(&w.folder, "%s/certificates/www.example.test/requests/%s",
                         w.f.config.state_dir, w.f.request.id) > 0);
    *state = &w;
    return 0;
}

static int clear(void **state)
{
    struct world *w = *state;

    ecert_backup_content_clear(&w->content);
    free(w->folder);
    backup_fixture_clear(&w->f);
    return 0;
}

static char *file_of(const struct world *w, const char *name)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", w->folder, name) > 0);
    return path;
}

static void check_restore(struct world *w, bool want)
{
    struct ecert_error err = {0};
    bool restored = !want;

    if (ecert_backup_restore(&w->f.config, &w->content, &restored, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(restored, want);
}

/* Key, CSR and request.json are there, private, and nothing is wrong with them. */
static void check_whole(struct world *w)
{
    struct ecert_requests requests = {0};
    struct ecert_secret key = {0};
    struct ecert_error err = {0};
    struct stat st;
    char *path = file_of(w, "privkey.pem");

    assert_int_equal(
        ecert_requests_load(w->f.config.state_dir, "www.example.test", &requests, &err), ECERT_OK);
    assert_int_equal(requests.n, 1);
    assert_null(requests.items[0].problem);
    assert_string_equal(requests.items[0].id, w->f.request.id);
    if (ecert_requests_key(w->f.config.state_dir, &requests.items[0], &w->f.certificate.key, &key,
                           &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_true(ecert_view_equal(ecert_secret_view(&key), ecert_bytes_view(&w->f.key_pem)));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ecert_requests_clear(&requests);
    ecert_secret_clear(&key);
    free(path);
}

static void check_file(const struct world *w, const char *name, const char *want)
{
    char *path = file_of(w, name);
    struct ecert_bytes bytes = backup_bytes(path);

    assert_string_equal(bytes.ptr == NULL ? "(none)" : (const char *)bytes.ptr, want);
    ecert_bytes_clear(&bytes);
    free(path);
}

static void put(const struct world *w, const char *name, const char *text, unsigned mode)
{
    free(test_file_write(w->folder, name, ecert_view_of(text), mode));
}

static void lose(const struct world *w, const char *name)
{
    char *path = file_of(w, name);

    assert_int_equal(unlink(path), 0);
    free(path);
}

static void test_all_is_there(void **state)
{
    struct world *w = *state;

    check_restore(w, false);
    check_whole(w);
    check_file(w, "privkey.pem.kept-1", "(none)");
}

static void test_folder_is_lost(void **state)
{
    struct world *w = *state;
    struct ecert_error err = {0};

    assert_int_equal(ecert_fs_remove_tree(AT_FDCWD, w->folder, &err), ECERT_OK);
    check_restore(w, true);
    check_whole(w);
    check_restore(w, false);
}

/* The backup is from before the CSR was shown; the CA may have it all the same. */
static void test_counts_as_shown(void **state)
{
    struct world *w = *state;
    struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    assert_int_equal(w->content.request.state, ECERT_REQUEST_MADE);
    assert_int_equal(ecert_fs_remove_tree(AT_FDCWD, w->folder, &err), ECERT_OK);
    check_restore(w, true);
    assert_int_equal(
        ecert_requests_load(w->f.config.state_dir, "www.example.test", &requests, &err), ECERT_OK);
    assert_int_equal(requests.items[0].state, ECERT_REQUEST_OPEN);
    assert_int_equal(requests.items[0].shown, requests.items[0].created);
    ecert_requests_clear(&requests);
}

static void test_one_file_is_lost(void **state)
{
    static const char *const names[] = {"privkey.pem", "request.csr", "request.json"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        lose(*state, names[i]);
        check_restore(*state, true);
        check_whole(*state);
    }
}

/* Another content is kept, each time, and by us alone. */
static void test_damaged_files_are_kept(void **state)
{
    struct world *w = *state;
    struct stat st;

    put(w, "privkey.pem", "damaged", 0644);
    put(w, "request.csr", "letter", 0600);
    put(w, "request.json", "{", 0600);
    check_restore(w, true);
    check_whole(w);
    check_file(w, "privkey.pem.kept-1", "damaged");
    check_file(w, "request.csr.kept-1", "letter");
    check_file(w, "request.json.kept-1", "{");
    char *kept = file_of(w, "privkey.pem.kept-1");
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    free(kept);

    EVP_PKEY *other = test_key_ec("P-256");
    struct ecert_bytes pem = test_key_pem(other, NULL, NULL);
    put(w, "privkey.pem", (const char *)pem.ptr, 0600);
    check_restore(w, true);
    check_whole(w);
    check_file(w, "privkey.pem.kept-1", "damaged");
    check_file(w, "privkey.pem.kept-2", (const char *)pem.ptr);
    ecert_bytes_clear(&pem);
    EVP_PKEY_free(other);
}

/* What happened to the request since the backup was made stays. */
static void test_newer_record_stays(void **state)
{
    struct world *w = *state;
    struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    w->f.request.state = ECERT_REQUEST_CANCELLED;
    assert_int_equal(ecert_requests_save(w->f.config.state_dir, &w->f.request, &err), ECERT_OK);
    lose(w, "privkey.pem");
    check_restore(w, true);
    check_whole(w);
    assert_int_equal(
        ecert_requests_load(w->f.config.state_dir, "www.example.test", &requests, &err), ECERT_OK);
    assert_int_equal(requests.items[0].state, ECERT_REQUEST_CANCELLED);
    ecert_requests_clear(&requests);
}

/* ---- what became of it ---- */

static void check_request(struct world *w, enum ecert_request_state state, int64_t shown,
                          unsigned generation)
{
    struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_fs_remove_tree(AT_FDCWD, w->folder, &err), ECERT_OK);
    check_restore(w, true);
    check_whole(w);
    assert_int_equal(
        ecert_requests_load(w->f.config.state_dir, "www.example.test", &requests, &err), ECERT_OK);
    assert_int_equal(requests.items[0].state, state);
    assert_int_equal(requests.items[0].shown, shown);
    assert_int_equal(requests.items[0].generation, generation);
    assert_int_equal(requests.items[0].closed != 0, generation != 0);
    ecert_requests_clear(&requests);
}

/* A generation of this key, imported so long after the request was made. */
static void issue(struct world *w, const struct ecert_bytes *key_pem, int64_t after)
{
    BIO *bio = BIO_new_mem_buf(key_pem->ptr, (int)key_pem->len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    struct ecert_bundle bundle = {.chain = sk_X509_new_null()};
    struct ecert_generation_facts facts = {.origin = strdup("import: x"),
                                           .authority = strdup("hongkongpost"),
                                           .imported = w->f.request.created + after};
    struct ecert_error err = {0};
    bool added = false;

    bundle.leaf = test_certificate_make(
        &(struct test_certificate){.key = key, .common_name = "www.example.test"});
    if (ecert_secret_copy(ecert_bytes_view(key_pem), &bundle.key_pem, &err) != ECERT_OK ||
        ecert_store_add(w->f.config.state_dir, "www.example.test", &bundle, &facts, &added, &err) !=
            ECERT_OK)
        fail_msg("%s", err.text);
    assert_true(added);
    ecert_generation_facts_clear(&facts);
    ecert_bundle_clear(&bundle);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

/* Every backup says "made": it is older than the moment the CSR was shown. */
static void test_state(void **state)
{
    struct world *w = *state;
    const int64_t created = w->f.request.created;

    check_request(w, ECERT_REQUEST_OPEN, created, 0);
    issue(w, &w->f.ec_pem, 5); /* another key */
    check_request(w, ECERT_REQUEST_OPEN, created, 0);
    issue(w, &w->f.key_pem, -5); /* of the request before, with the same key */
    w->content.request.reused = true;
    check_request(w, ECERT_REQUEST_OPEN, created, 0);
    w->content.request.reused = false;
    check_request(w, ECERT_REQUEST_ISSUED, created, 2);
    issue(w, &w->f.key_pem, 7);
    issue(w, &w->f.ec_pem, 9);
    check_request(w, ECERT_REQUEST_ISSUED, created, 3);
    w->content.request.reused = true;
    check_request(w, ECERT_REQUEST_ISSUED, created, 3);
}

/* No room for the new file, here a limit on the size of files: the present ones stay in place. */
static void test_no_room(void **state)
{
    struct world *w = *state;
    struct ecert_error err = {0};
    struct ecert_strings names = {0};
    struct rlimit old, small;
    bool restored = true;

    put(w, "privkey.pem", "damaged", 0600);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){100, old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const enum ecert_status status =
        ecert_backup_restore(&w->f.config, &w->content, &restored, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, ECERT_E_IO);
    assert_non_null(strstr(err.text, "File too large"));
    check_file(w, "privkey.pem", "damaged");
    assert_int_equal(ecert_fs_list(w->folder, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 3); /* nothing was set aside, nothing half is left */
    ecert_strings_clear(&names);
    check_restore(w, true);
    check_whole(w);
}

static void test_encrypted(void **state)
{
    struct world *w = *state;
    struct ecert_error err = {0};
    char *path = file_of(w, "privkey.pem");
    bool restored = true;

    lose(w, "privkey.pem");
    w->f.certificate.key.encrypted = true;
    assert_int_equal(ecert_backup_restore(&w->f.config, &w->content, &restored, &err),
                     ECERT_E_CONFIG);
    assert_false(ecert_fs_exists(path)); /* not even for a moment in the clear */
    w->f.certificate.key.passphrase_file =
        test_file_write(w->f.folder, "key-passphrase", ecert_view_of("tiger"), 0600);
    check_restore(w, true);
    struct ecert_bytes bytes = backup_bytes(path);
    assert_non_null(strstr((const char *)bytes.ptr, "BEGIN ENCRYPTED PRIVATE KEY"));
    check_whole(w);
    ecert_bytes_clear(&bytes);
    free(w->f.certificate.key.passphrase_file);
    w->f.certificate.key = (struct ecert_key_config){.place = ECERT_KEY_OURS};
    free(path);
}

/* A key stored encrypted is in its backup without: one secret opens it. */
static void test_backup_of_an_encrypted_key(void **state)
{
    struct world *w = *state;
    struct ecert_error err = {0};
    struct ecert_key_config *key = &w->f.certificate.key;

    lose(w, "privkey.pem");
    key->encrypted = true;
    key->passphrase_file =
        test_file_write(w->f.folder, "key-passphrase", ecert_view_of("tiger"), 0600);
    check_restore(w, true);
    assert_int_equal(unlink(w->f.request.backups[0].path), 0);
    if (backup_now(&w->f, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    struct ecert_bytes file = backup_bytes(w->f.request.backups[0].path);
    ecert_backup_content_clear(&w->content);
    assert_int_equal(ecert_backup_read(ecert_bytes_view(&file),
                                       &(struct ecert_backup_opener){
                                           .passphrase = ecert_view_of("open sesame, at once")},
                                       &w->content, &err),
                     ECERT_OK);
    assert_true(
        ecert_view_equal(ecert_secret_view(&w->content.key_pem), ecert_bytes_view(&w->f.key_pem)));
    ecert_bytes_clear(&file);
    free(key->passphrase_file);
    *key = (struct ecert_key_config){.place = ECERT_KEY_OURS};
}

static void test_unknown_name(void **state)
{
    struct world *w = *state;
    struct ecert_error err = {0};
    bool restored = true;

    w->f.config.n_certificates = 0;
    assert_int_equal(ecert_backup_restore(&w->f.config, &w->content, &restored, &err),
                     ECERT_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "write an entry with name = \"www.example.test\""));
    assert_true(restored);
}

/* request.json is from outside: an id never leads out of the folder of requests. */
static void test_wrong_id(void **state)
{
    static const char *const ids[] = {"../../x", "20261121T084200Z/..", "x"};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct ecert_error err = {0};
        bool restored = true;

        free(w->content.request.id);
        w->content.request.id = strdup(ids[i]);
        assert_int_equal(ecert_backup_restore(&w->f.config, &w->content, &restored, &err),
                         ECERT_E_REFUSED);
    }
}

static void test_new_key_pem(void **state)
{
    (void)state;
    EVP_PKEY *key = test_key_ec("P-256");
    struct ecert_secret plain = {0}, locked = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_new_key_pem(key, (struct ecert_view){0}, &plain, &err), ECERT_OK);
    assert_int_equal(ecert_new_key_pem(key, ecert_view_of("tiger"), &locked, &err), ECERT_OK);
    assert_non_null(strstr((const char *)plain.ptr, "BEGIN PRIVATE KEY"));
    assert_non_null(strstr((const char *)locked.ptr, "BEGIN ENCRYPTED PRIVATE KEY"));
    ecert_secret_clear(&plain);
    ecert_secret_clear(&locked);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clear)
        TEST(test_all_is_there),
        TEST(test_folder_is_lost),
        TEST(test_counts_as_shown),
        TEST(test_one_file_is_lost),
        TEST(test_damaged_files_are_kept),
        TEST(test_newer_record_stays),
        TEST(test_state),
        TEST(test_no_room),
        TEST(test_encrypted),
        TEST(test_backup_of_an_encrypted_key),
        TEST(test_unknown_name),
        TEST(test_wrong_id),
        cmocka_unit_test(test_new_key_pem),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
