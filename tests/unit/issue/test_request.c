#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/issue/request_parts.h"
#include "tests/support/test_pki.h"
#include "tests/unit/issue/request_fixture.h"

static int make_one(void **state)
{
    static struct request_fixture f;

    request_fixture_make(&f, 1);
    *state = &f;
    return 0;
}

static int clear(void **state)
{
    request_fixture_clear(*state);
    return 0;
}

/* ---- one name ---- */

static void test_first(void **state)
{
    struct request_fixture *f = *state;

    request_backups.fixture = f;
    (void)!request_go(f);
    request_check_ok(f);
    assert_int_equal(f->outcomes.n, 1);
    assert_int_equal(request_backups.calls, 1);
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
    request_check_pair(f, 0);

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
    request_check_ok(f);
    assert_null(f->outcomes.items[0].request.batch);
    memcpy(sha256, f->outcomes.items[0].request.csr_sha256, sizeof sha256);
    assert_int_equal(rmdir(f->place), -1); /* it holds a backup */
    f->wish.now += REQUEST_DAY;
    free(f->config.backup.recipients.items[0]); /* and backups are not looked at any more */
    f->config.backup.recipients.items[0] = strdup("/nonexistent/officer.cer");
    assert_int_equal(request_go_for(f, "w0.myserver.com"), ECERT_OK);
    request_check_ok(f);
    assert_true(f->outcomes.items[0].again);
    assert_string_equal(f->outcomes.items[0].request.csr_sha256, sha256);
    assert_int_equal(f->outcomes.items[0].request.shown, REQUEST_NOW);
    assert_int_equal(request_backups.calls, 1);
    request_check_stored(f, 0, 1);
}

static void test_another(void **state)
{
    struct request_fixture *f = *state;

    assert_int_equal(request_go(f), ECERT_OK);
    f->wish.another = true;
    assert_int_equal(request_go(f), ECERT_OK); /* in the same second */
    request_check_ok(f);
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
    request_check_ok(f);
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
    request_check_ok(f);
    assert_true(f->outcomes.items[0].again);
    assert_true(request_notes(f, 0, "asks for other names than the configuration does now"));
}

/* ---- backups ---- */

static void test_backup_fails(void **state)
{
    struct request_fixture *f = *state;

    request_backups.fail_at = 1;
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
    request_check_ok(f);
    assert_true(f->outcomes.items[0].again);
    assert_int_equal(f->outcomes.items[0].request.state, ECERT_REQUEST_OPEN);
    assert_int_equal(f->outcomes.items[0].request.shown, REQUEST_NOW + 60);
    assert_int_equal(f->outcomes.items[0].request.n_backups, 2);
    request_check_stored(f, 0, 1);
}

/* It was made for what is not wanted any more, and nobody has seen it. */
static void test_made_and_changed(void **state)
{
    struct request_fixture *f = *state;

    request_backups.fail_at = 1;
    assert_int_equal(request_go(f), ECERT_OK);
    free(f->config.organization.name);
    f->config.organization.name = strdup("Our New Name Limited");
    f->wish.now += 60;
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
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
    request_check_stored(f, 0, 0);
    f->wish.without_backup = true;
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    assert_true(f->outcomes.items[0].request.without_backup);
    assert_int_equal(f->outcomes.items[0].request.n_backups, 0);
    assert_int_equal(request_backups.calls, 0);
    assert_true(request_notes(f, 0, "its key has no backup"));
}

static void test_place_missing(void **state)
{
    struct request_fixture *f = *state;

    assert_int_equal(rmdir(f->second_place), 0);
    assert_int_not_equal(request_go(f), ECERT_OK);
    assert_non_null(strstr(f->err.text, f->second_place));
    request_check_stored(f, 0, 0);
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
    request_check_stored(f, 0, 0);
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
    request_check_stored(f, 0, 0);
}

static void test_unknown_authority(void **state)
{
    struct request_fixture *f = *state;

    free(f->config.certificates[0].authority);
    f->config.certificates[0].authority = strdup("nobody");
    assert_int_equal(request_go(f), ECERT_OK);
    request_failed(f, 0, ECERT_E_NOT_FOUND, "nobody");
    request_check_stored(f, 0, 0);
}

static void test_iis(void **state)
{
    struct request_fixture *f = *state;

    f->config.certificates[0].key.place = ECERT_KEY_IIS;
    assert_int_equal(request_go(f), ECERT_OK);
    request_failed(f, 0, ECERT_E_CONFIG, "is made in IIS"); /* left out, and never silently */
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
    request_check_stored(f, 0, 1);
    f->wish.another = true;
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    assert_true(request_notes(f, 0, "cannot be used"));
    request_check_stored(f, 0, 2);
    f->wish.another = false; /* the whole one counts now */
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
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
    request_check_ok(f);
    assert_false(f->outcomes.items[0].request.reused);

    struct ecert_bytes pem = test_key_pem(key, NULL, NULL);
    config->file = test_file_write(f->folder, "old.key", ecert_bytes_view(&pem), 0600);
    config->place = ECERT_KEY_FILE;
    f->wish.another = true;
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    assert_true(f->outcomes.items[0].request.reused);
    assert_string_equal(f->outcomes.items[0].request.key_words, "EC P-384");
    request_check_pair(f, 0);

    EVP_PKEY *newer = test_key_rsa(2048);
    request_add_generation(f, 0, REQUEST_NOW + 39 * REQUEST_DAY, newer);
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    assert_true(f->outcomes.items[0].request.reused);
    assert_string_equal(f->outcomes.items[0].request.key_words, "RSA 2048");
    request_check_pair(f, 0);
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
    request_check_stored(f, 0, 0);

    free(config->passphrase_file);
    config->passphrase_file =
        test_file_write(f->folder, "key-passphrase", ecert_view_of("a word\n"), 0600);
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f);
    assert_int_equal(
        ecert_requests_key_file(f->config.state_dir, &f->outcomes.items[0].request, &file, &err),
        ECERT_OK);
    assert_non_null(strstr((const char *)file.ptr, "BEGIN ENCRYPTED PRIVATE KEY"));
    ecert_secret_clear(&file);
    request_check_pair(f, 0);
}

/* ---- CAA ---- */

static void test_caa(void **state)
{
    struct request_fixture *f = *state;

    request_caa.verdict = ECERT_CAA_FORBIDDEN;
    assert_int_equal(request_go(f), ECERT_OK);
    request_check_ok(f); /* only said */
    assert_true(request_notes(f, 0, "CAA of 'w0.myserver.com': not so"));
    assert_int_equal(request_caa.calls, 1);
    f->wish.skip_caa = true;
    assert_int_equal(request_go(f), ECERT_OK);
    assert_int_equal(request_caa.calls, 1);
}

/* ---- batches ---- */

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

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, make_one, clear)
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
