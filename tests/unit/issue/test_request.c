#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/issue/backup.h"
#include "core/issue/request_parts.h"
#include "tests/support/test_pki.h"
#include "tests/unit/issue/request_fixture.h"

#define MANY 70 /* more than are made at a time */

/* ---- what the test replaces of the program ---- */

/* Backups that can be made to fail, and that look at what is on disk when they are asked for. */
static struct {
    const struct request_fixture *fixture; /* NULL: nothing is looked at */
    unsigned calls;
    unsigned fail_at, die_at; /* the n-th call; 0: none */
} backups;

enum ecert_status __real_ecert_backup_write(struct ecert_backup_kit *kit,
                                            const struct ecert_config *config,
                                            struct ecert_request *request, struct ecert_error *err);
enum ecert_status __wrap_ecert_backup_write(struct ecert_backup_kit *kit,
                                            const struct ecert_config *config,
                                            struct ecert_request *request, struct ecert_error *err);

enum ecert_status __wrap_ecert_backup_write(struct ecert_backup_kit *kit,
                                            const struct ecert_config *config,
                                            struct ecert_request *request, struct ecert_error *err)
{
    backups.calls++;
    if (backups.calls == backups.die_at)
        _exit(9);
    if (backups.fixture != NULL) {
        struct ecert_requests stored = request_stored(backups.fixture, 0);
        struct ecert_secret key = {0};

        assert_int_equal(stored.items[stored.n - 1].state, ECERT_REQUEST_MADE);
        assert_int_equal(stored.items[stored.n - 1].shown, 0);
        assert_int_equal(ecert_requests_key_file(config->state_dir, request, &key, err), ECERT_OK);
        ecert_secret_clear(&key);
        ecert_requests_clear(&stored);
    }
    if (backups.calls == backups.fail_at)
        return ecert_error_set(err, ECERT_E_IO, "place '/mnt/x' is full");
    return __real_ecert_backup_write(kit, config, request, err);
}

static int make_one(void **state)
{
    static struct request_fixture f;

    memset(&backups, 0, sizeof backups);
    request_fixture_make(&f, 1);
    *state = &f;
    return 0;
}

static int make_many(void **state)
{
    (void)make_one(state);
    request_fixture_clear(*state);
    request_fixture_make(*state, MANY);
    return 0;
}

static int clear(void **state)
{
    request_fixture_clear(*state);
    return 0;
}

static void check_ok(const struct request_fixture *f)
{
    if (f->err.status != ECERT_OK)
        print_error("%s\n", f->err.text);
    assert_int_equal(f->err.status, ECERT_OK);
    for (size_t i = 0; i < f->outcomes.n; i++) {
        if (f->outcomes.items[i].error.status != ECERT_OK)
            print_error("%s\n", f->outcomes.items[i].error.text);
        assert_int_equal(f->outcomes.items[i].error.status, ECERT_OK);
    }
}

static void check_stored(const struct request_fixture *f, size_t i, size_t want)
{
    struct ecert_requests stored = request_stored(f, i);

    assert_int_equal(stored.n, want);
    ecert_requests_clear(&stored);
}

/* The CSR on disk is of the key on disk, and the request says so. */
static void check_pair(const struct request_fixture *f, size_t i)
{
    const struct ecert_request *request = &f->outcomes.items[i].request;
    struct ecert_secret key = {0};
    struct ecert_bytes csr = {0};
    struct ecert_error err = {0};

    if (ecert_requests_key(f->config.state_dir, request, &f->config.certificates[i].key, &key,
                           &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ecert_requests_csr(f->config.state_dir, request, &csr, &err), ECERT_OK);
    BIO *key_bio = BIO_new_mem_buf(key.ptr, (int)key.len);
    BIO *csr_bio = BIO_new_mem_buf(csr.ptr, (int)csr.len);
    EVP_PKEY *private = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    X509_REQ *parsed = PEM_read_bio_X509_REQ(csr_bio, NULL, NULL, NULL);
    assert_non_null(private);
    assert_non_null(parsed);
    assert_int_equal(X509_REQ_verify(parsed, private), 1);
    X509_REQ_free(parsed);
    EVP_PKEY_free(private);
    BIO_free(key_bio);
    BIO_free(csr_bio);
    ecert_secret_clear(&key);
    ecert_bytes_clear(&csr);
}

/* ---- one name ---- */

static void test_first(void **state)
{
    struct request_fixture *f = *state;

    backups.fixture = f;
    (void)!request_go(f);
    check_ok(f);
    assert_int_equal(f->outcomes.n, 1);
    assert_int_equal(backups.calls, 1);
    const struct ecert_request *request = &f->outcomes.items[0].request;
    assert_false(f->outcomes.items[0].again);
    assert_string_equal(request->id, "20261121T084200Z");
    assert_string_equal(request->name, "w0.myserver.com");
    assert_string_equal(request->authority, "hk");
    assert_string_equal(request->organization, "My Organisation Limited");
    assert_string_equal(request->chinese_organization, "我的機構有限公司");
    assert_string_equal(request->key_words, "EC P-256");
    assert_string_equal(request->batch, "20261121T084200Z");
    assert_int_equal(request->state, ECERT_REQUEST_OPEN);
    assert_int_equal(request->kind, ECERT_REQUEST_FIRST);
    assert_int_equal(request->created, REQUEST_NOW);
    assert_int_equal(request->shown, REQUEST_NOW);
    assert_int_equal(request->n_backups, 2);
    assert_false(request->without_backup);
    assert_false(request->reused);
    check_pair(f, 0);

    struct ecert_requests stored = request_stored(f, 0);
    assert_int_equal(stored.n, 1);
    assert_int_equal(stored.items[0].state, ECERT_REQUEST_OPEN);
    assert_int_equal(stored.items[0].shown, REQUEST_NOW);
    assert_int_equal(stored.items[0].n_backups, 2);
    assert_memory_equal(stored.items[0].key_id, request->key_id, ECERT_SHA256_LEN);
    assert_string_equal(stored.items[0].csr_sha256, request->csr_sha256);
    ecert_requests_clear(&stored);
    assert_true(request_notes(f, 0, "every backup is on the same file system"));
}

static void test_again(void **state)
{
    struct request_fixture *f = *state;
    char sha256[ECERT_SHA256_HEX_LEN];

    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    check_ok(f);
    assert_null(f->outcomes.items[0].request.batch);
    memcpy(sha256, f->outcomes.items[0].request.csr_sha256, sizeof sha256);
    assert_int_equal(rmdir(f->place), -1); /* it holds a backup */
    f->wish.now += REQUEST_DAY;
    free(f->config.backup.recipients.items[0]); /* and backups are not looked at any more */
    f->config.backup.recipients.items[0] = strdup("/nonexistent/officer.cer");
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    check_ok(f);
    assert_true(f->outcomes.items[0].again);
    assert_string_equal(f->outcomes.items[0].request.csr_sha256, sha256);
    assert_int_equal(f->outcomes.items[0].request.shown, REQUEST_NOW);
    assert_int_equal(backups.calls, 1);
    check_stored(f, 0, 1);
}

static void test_another(void **state)
{
    struct request_fixture *f = *state;

    assert_int_equal(request_go(f), ECERT_OK);
    f->wish.another = true;
    assert_int_equal(request_go(f), ECERT_OK); /* in the same second */
    check_ok(f);
    assert_false(f->outcomes.items[0].again);
    assert_string_equal(f->outcomes.items[0].request.id, "20261121T084200Z-2");
    struct ecert_requests stored = request_stored(f, 0);
    assert_int_equal(stored.n, 2);
    assert_int_equal(stored.items[0].state, ECERT_REQUEST_OPEN);
    assert_memory_not_equal(stored.items[0].key_id, stored.items[1].key_id, ECERT_SHA256_LEN);
    ecert_requests_clear(&stored);
    f->wish.another = false; /* the newest is the one that is shown */
    assert_int_equal(request_go(f), ECERT_OK);
    assert_string_equal(f->outcomes.items[0].request.id, "20261121T084200Z-2");
}

static void test_several_names(void **state)
{
    struct request_fixture *f = *state;
    struct ecert_strings *names = &f->config.certificates[0].names;

    assert_int_equal(ecert_strings_add(names, "w0.myserver.com", &f->err), ECERT_OK);
    assert_int_equal(ecert_strings_add(names, "shop.myserver.com", &f->err), ECERT_OK);
    (void)!request_go(f);
    check_ok(f);
    const struct ecert_request *request = &f->outcomes.items[0].request;
    assert_int_equal(request->names.len, 2);
    assert_string_equal(request->names.items[0], "w0.myserver.com");
    assert_string_equal(request->names.items[1], "shop.myserver.com");
}

static void test_changed_configuration(void **state)
{
    struct request_fixture *f = *state;
    struct ecert_strings *names = &f->config.certificates[0].names;

    assert_int_equal(request_go(f), ECERT_OK);
    assert_int_equal(ecert_strings_add(names, "shop.myserver.com", &f->err), ECERT_OK);
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_true(f->outcomes.items[0].again);
    assert_true(request_notes(f, 0, "asks for other names than the configuration does now"));
}

/* ---- backups ---- */

static void test_backup_fails(void **state)
{
    struct request_fixture *f = *state;

    backups.fail_at = 1;
    assert_int_equal(request_go(f), ECERT_OK);
    request_failed(f, 0, ECERT_E_IO, "place '/mnt/x' is full");
    request_failed(f, 0, ECERT_E_IO, "its CSR is not shown yet");
    struct ecert_requests stored = request_stored(f, 0);
    assert_int_equal(stored.n, 1);
    assert_int_equal(stored.items[0].state, ECERT_REQUEST_MADE);
    ecert_requests_clear(&stored);

    f->wish.now += 60;
    f->wish.another = true; /* nobody has seen the one that is there */
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_true(f->outcomes.items[0].again);
    assert_int_equal(f->outcomes.items[0].request.state, ECERT_REQUEST_OPEN);
    assert_int_equal(f->outcomes.items[0].request.shown, REQUEST_NOW + 60);
    assert_int_equal(f->outcomes.items[0].request.n_backups, 2);
    check_stored(f, 0, 1);
}

/* It was made for what is not wanted any more, and nobody has seen it. */
static void test_made_and_changed(void **state)
{
    struct request_fixture *f = *state;

    backups.fail_at = 1;
    assert_int_equal(request_go(f), ECERT_OK);
    free(f->config.organization.name);
    f->config.organization.name = strdup("Our New Name Limited");
    f->wish.now += 60;
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_false(f->outcomes.items[0].again);
    struct ecert_requests stored = request_stored(f, 0);
    assert_int_equal(stored.n, 2);
    assert_int_equal(stored.items[0].state, ECERT_REQUEST_CANCELLED);
    assert_int_equal(stored.items[0].closed, REQUEST_NOW + 60);
    assert_int_equal(stored.items[1].state, ECERT_REQUEST_OPEN);
    assert_string_equal(stored.items[1].organization, "Our New Name Limited");
    ecert_requests_clear(&stored);
}

static void test_no_backup_configured(void **state)
{
    struct request_fixture *f = *state;

    f->config.backup.wanted = false;
    assert_int_equal(request_go(f), ECERT_E_CONFIG);
    assert_non_null(strstr(f->err.text, "no backup of keys is configured"));
    assert_null(f->outcomes.items);
    check_stored(f, 0, 0);
    f->wish.without_backup = true;
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_true(f->outcomes.items[0].request.without_backup);
    assert_int_equal(f->outcomes.items[0].request.n_backups, 0);
    assert_int_equal(backups.calls, 0);
    assert_true(request_notes(f, 0, "its key has no backup"));
}

static void test_place_missing(void **state)
{
    struct request_fixture *f = *state;

    assert_int_equal(rmdir(f->second_place), 0);
    assert_int_not_equal(request_go(f), ECERT_OK);
    assert_non_null(strstr(f->err.text, f->second_place));
    check_stored(f, 0, 0);
}

/* ---- refusals ---- */

static void test_unknown_name(void **state)
{
    struct request_fixture *f = *state;
    const char *const names[] = {"w0.myserver.com", "w0.myservr.com", NULL};

    f->wish.names = names;
    assert_int_equal(request_go(f), ECERT_E_CONFIG);
    assert_non_null(strstr(f->err.text, "did you mean 'w0.myserver.com'"));
    f->wish.names = NULL;
    check_stored(f, 0, 0);
}

static void test_mistakes(void **state)
{
    struct request_fixture *f = *state;

    f->config.organization.country = strdup("CN");
    free(f->config.organization.name);
    f->config.organization.name = NULL;
    assert_int_equal(request_go(f), ECERT_OK);
    request_failed(f, 0, ECERT_E_CONFIG, "wants C = \"HK\"");
    request_failed(f, 0, ECERT_E_CONFIG, "'organization.name' is missing");
    check_stored(f, 0, 0);
}

static void test_unknown_authority(void **state)
{
    struct request_fixture *f = *state;

    free(f->config.certificates[0].authority);
    f->config.certificates[0].authority = strdup("nobody");
    assert_int_equal(request_go(f), ECERT_OK);
    request_failed(f, 0, ECERT_E_NOT_FOUND, "nobody");
    check_stored(f, 0, 0);
}

static void test_iis(void **state)
{
    struct request_fixture *f = *state;

    f->config.certificates[0].key.place = ECERT_KEY_IIS;
    assert_int_equal(request_go(f), ECERT_OK);
    assert_int_equal(f->outcomes.n, 0);
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_failed(f, 0, ECERT_E_CONFIG, "is made in IIS");
}

static void test_damaged(void **state)
{
    struct request_fixture *f = *state;
    char *path = NULL;

    assert_int_equal(request_go(f), ECERT_OK);
    assert_true(asprintf(&path, "%s/certificates/w0.myserver.com/requests/%s/privkey.pem",
                         f->config.state_dir, f->outcomes.items[0].request.id) > 0);
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_int_equal(request_go(f), ECERT_OK);
    request_failed(f, 0, ECERT_E_REFUSED, "ecert restore");
    request_failed(f, 0, ECERT_E_REFUSED, "--another");
    check_stored(f, 0, 1);
    f->wish.another = true;
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_true(request_notes(f, 0, "cannot be used"));
    check_stored(f, 0, 2);
    f->wish.another = false; /* the whole one counts now */
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_true(f->outcomes.items[0].again);
}

/* ---- keys ---- */

static void test_reuse(void **state)
{
    struct request_fixture *f = *state;
    EVP_PKEY *key = test_key_ec("P-384");
    struct ecert_key_config *config = &f->config.certificates[0].key;

    config->policy = ECERT_KEY_POLICY_REUSE;
    assert_int_equal(request_go(f), ECERT_OK); /* there is none yet */
    check_ok(f);
    assert_false(f->outcomes.items[0].request.reused);

    struct ecert_bytes pem = test_key_pem(key, NULL, NULL);
    config->file = test_file_write(f->folder, "old.key", ecert_bytes_view(&pem), 0600);
    config->place = ECERT_KEY_FILE;
    f->wish.another = true;
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_true(f->outcomes.items[0].request.reused);
    assert_string_equal(f->outcomes.items[0].request.key_words, "EC P-384");
    check_pair(f, 0);

    EVP_PKEY *newer = test_key_rsa(2048);
    request_add_generation(f, 0, REQUEST_NOW + 39 * REQUEST_DAY, newer);
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_true(f->outcomes.items[0].request.reused);
    assert_string_equal(f->outcomes.items[0].request.key_words, "RSA 2048");
    check_pair(f, 0);
    ecert_bytes_clear(&pem);
    EVP_PKEY_free(newer);
    EVP_PKEY_free(key);
}

static void test_encrypted(void **state)
{
    struct request_fixture *f = *state;
    struct ecert_key_config *config = &f->config.certificates[0].key;
    struct ecert_secret file = {0};
    struct ecert_error err = {0};

    config->encrypted = true;
    config->passphrase_file = strdup("/nonexistent/passphrase");
    assert_int_equal(request_go(f), ECERT_OK);
    request_failed(f, 0, ECERT_E_NOT_FOUND, "/nonexistent/passphrase");
    check_stored(f, 0, 0);

    free(config->passphrase_file);
    config->passphrase_file =
        test_file_write(f->folder, "key-passphrase", ecert_view_of("a word\n"), 0600);
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_int_equal(
        ecert_requests_key_file(f->config.state_dir, &f->outcomes.items[0].request, &file, &err),
        ECERT_OK);
    assert_non_null(strstr((const char *)file.ptr, "BEGIN ENCRYPTED PRIVATE KEY"));
    ecert_secret_clear(&file);
    check_pair(f, 0);
}

/* ---- CAA ---- */

static void test_caa(void **state)
{
    struct request_fixture *f = *state;

    request_caa.verdict = ECERT_CAA_FORBIDDEN;
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f); /* only said */
    assert_true(request_notes(f, 0, "CAA of 'w0.myserver.com': not so"));
    assert_int_equal(request_caa.calls, 1);
    f->wish.skip_caa = true;
    assert_int_equal(request_go(f), ECERT_OK);
    assert_int_equal(request_caa.calls, 1);
}

/* ---- many names ---- */

struct steps {
    size_t done, calls;
};

static void count(void *context, size_t done, size_t n)
{
    struct steps *steps = context;

    assert_int_equal(n, MANY);
    assert_int_equal(done, steps->done + 1);
    steps->done = done;
    steps->calls++;
}

static void test_many(void **state)
{
    struct request_fixture *f = *state;
    struct steps steps = {0};

    f->wish.reason = "the CA revokes everything";
    f->wish.progress = count;
    f->wish.progress_context = &steps;
    f->config.certificates[66].key.place = ECERT_KEY_OURS;
    free(f->config.certificates[66].name);
    f->config.certificates[66].name = strdup("my_server.com"); /* one that is wrong */
    assert_int_equal(request_go(f), ECERT_OK);
    assert_int_equal(f->outcomes.n, MANY);
    assert_int_equal(steps.calls, MANY);
    assert_int_equal(backups.calls, MANY - 1);
    request_failed(f, 66, ECERT_E_CONFIG, "it holds '_'");
    for (size_t i = 0; i < MANY; i++) {
        if (i == 66)
            continue;
        const struct ecert_request_outcome *outcome = &f->outcomes.items[i];
        assert_int_equal(outcome->error.status, ECERT_OK);
        assert_ptr_equal(outcome->certificate, &f->config.certificates[i]);
        assert_string_equal(outcome->request.name, f->config.certificates[i].name);
        assert_string_equal(outcome->request.reason, "the CA revokes everything");
        assert_string_equal(outcome->request.batch, "20261121T084200Z");
        assert_int_equal(outcome->request.state, ECERT_REQUEST_OPEN);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(outcome->request.key_id, f->outcomes.items[k].request.key_id,
                                    ECERT_SHA256_LEN);
    }
    check_pair(f, MANY - 1);
}

/* Killed between key and backup of one in the middle: the same command goes on. */
static void test_killed(void **state)
{
    struct request_fixture *f = *state;
    int status = 0;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        backups.die_at = 10;
        (void)!request_go(f);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    f->wish.now += 600;
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    for (size_t i = 0; i < MANY; i++) {
        const struct ecert_request_outcome *outcome = &f->outcomes.items[i];

        assert_int_equal(outcome->again, i < 64); /* so many had keys */
        assert_int_equal(outcome->request.state, ECERT_REQUEST_OPEN);
        assert_int_equal(outcome->request.n_backups, 2);
        assert_string_equal(outcome->request.batch, "20261121T084200Z"); /* still the same */
        check_stored(f, i, 1);
    }
    /* those that were finished were not touched again */
    assert_int_equal(backups.calls, MANY - 9);
}

static void test_another_reason_is_another_batch(void **state)
{
    struct request_fixture *f = *state;

    assert_int_equal(request_go(f), ECERT_OK);
    f->wish.now += 600;
    f->wish.reason = "a key was stolen";
    f->wish.another = true;
    assert_int_equal(request_go(f), ECERT_OK);
    assert_string_equal(f->outcomes.items[0].request.batch, "20261121T085200Z");
}

/* Where nobody answers, many names must not wait for it one after the other. */
static void test_caa_silent(void **state)
{
    struct request_fixture *f = *state;

    request_caa.verdict = ECERT_CAA_UNKNOWN;
    assert_int_equal(request_go(f), ECERT_OK);
    check_ok(f);
    assert_int_equal(request_caa.calls, 3);
    assert_true(request_notes(f, 2, "CAA of 'w2.myserver.com'"));
    assert_true(request_notes(f, 3, "were not looked up"));
}

/* A place is full in the middle: the others are asked for all the same. */
static void test_one_fails(void **state)
{
    struct request_fixture *f = *state;

    backups.fail_at = 10;
    assert_int_equal(request_go(f), ECERT_OK);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(f->outcomes.items[i].error.status, i == 9 ? ECERT_E_IO : ECERT_OK);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, make_one, clear)
#define ALL(test) cmocka_unit_test_setup_teardown(test, make_many, clear)
    const struct CMUnitTest tests[] = {
        ONE(test_first),
        ONE(test_again),
        ONE(test_another),
        ONE(test_several_names),
        ONE(test_changed_configuration),
        ONE(test_backup_fails),
        ONE(test_made_and_changed),
        ONE(test_no_backup_configured),
        ONE(test_place_missing),
        ONE(test_unknown_name),
        ONE(test_mistakes),
        ONE(test_unknown_authority),
        ONE(test_iis),
        ONE(test_damaged),
        ONE(test_reuse),
        ONE(test_encrypted),
        ONE(test_caa),
        ONE(test_another_reason_is_another_batch),
        ALL(test_many),
        ALL(test_killed),
        ALL(test_caa_silent),
        ALL(test_one_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
