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
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/requests.h"
#include "core/flow/requests_json.h"
#include "core/flow/store.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_state.h"

#define NAME "*.example.com"
#define AT   "certificates/_wildcard.example.com/requests/"
#define NOON 1795262400 /* 2026-11-21T12:00:00Z */
#define ID   "20261121T120000Z"

static struct fixture {
    EVP_PKEY *key, *other;
    struct ecert_bytes key_pem, encrypted_pem, other_pem, csr_pem, other_csr_pem;
    uint8_t key_id[ECERT_SHA256_LEN];
    char csr_sha256[ECERT_SHA256_HEX_LEN];
} pki;

static void csr_sha256_of(const struct ecert_bytes *pem, char ret[ECERT_SHA256_HEX_LEN])
{
    BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    X509_REQ *csr = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    unsigned char *der = NULL;
    const int len = i2d_X509_REQ(csr, &der);

    assert_true(len > 0);
    ecert_sha256_hex((struct ecert_view){der, (size_t)len}, ret);
    OPENSSL_free(der);
    X509_REQ_free(csr);
    (void)BIO_free(bio);
}

static int make_pki(void **state)
{
    (void)state;
    pki.key = test_key_ec("P-256");
    pki.other = test_key_ec("P-256");
    pki.key_pem = test_key_pem(pki.key, NULL, NULL);
    pki.encrypted_pem = test_key_pem(pki.key, "AES-256-CBC", "correct horse");
    pki.other_pem = test_key_pem(pki.other, NULL, NULL);
    pki.csr_pem = test_csr_pem(pki.key, NAME);
    pki.other_csr_pem = test_csr_pem(pki.other, NAME);
    test_public_key_id(pki.key, pki.key_id);
    csr_sha256_of(&pki.csr_pem, pki.csr_sha256);
    return 0;
}

static int clear_pki(void **state)
{
    (void)state;
    ecert_bytes_clear(&pki.key_pem);
    ecert_bytes_clear(&pki.encrypted_pem);
    ecert_bytes_clear(&pki.other_pem);
    ecert_bytes_clear(&pki.csr_pem);
    ecert_bytes_clear(&pki.other_csr_pem);
    EVP_PKEY_free(pki.key);
    EVP_PKEY_free(pki.other);
    return 0;
}

static char *text(const char *from)
{
    char *copy = strdup(from);

    assert_non_null(copy);
    return copy;
}

static struct ecert_request new_request(void)
{
    struct ecert_request request = {
        .name = text(NAME),
        .kind = ECERT_REQUEST_RENEWAL,
        .reason = text("key \"leaked\""),
        .batch = text("20261121T115959Z"),
        .created = NOON,
        .authority = text("hongkongpost"),
        .organization = text("My Company Limited"),
        .chinese_organization = text("我的公司"),
        .validation = ECERT_VALIDATION_EV,
        .key_words = text("EC P-256"),
        .reused = true,
    };
    struct ecert_error err = {0};

    assert_int_equal(ecert_strings_add(&request.names, NAME, &err), ECERT_OK);
    assert_int_equal(ecert_strings_add(&request.names, "example.com", &err), ECERT_OK);
    memcpy(request.key_id, pki.key_id, sizeof request.key_id);
    memcpy(request.csr_sha256, pki.csr_sha256, sizeof request.csr_sha256);
    return request;
}

static enum ecert_status add(const char *state_dir, struct ecert_request *request,
                             const struct ecert_bytes *key, struct ecert_error *err)
{
    return ecert_requests_add(state_dir, request, ecert_bytes_view(key),
                              ecert_bytes_view(&pki.csr_pem), err);
}

/* One more request with this key; its id. */
static char *added(const char *state_dir, const struct ecert_bytes *key)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    struct ecert_error err = {0};

    assert_int_equal(add(state_dir, &request, key, &err), ECERT_OK);
    return text(request.id);
}

static struct ecert_requests load(const char *state_dir)
{
    struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_requests_load(state_dir, NAME, &requests, &err), ECERT_OK);
    return requests;
}

static char *path_of(const char *state_dir, const char *sub)
{
    struct ecert_error err = {0};
    char *path = NULL;

    assert_int_equal(ecert_text_format(&path, &err, "%s/%s", state_dir, sub), ECERT_OK);
    return path;
}

static unsigned mode_of(const char *state_dir, const char *sub)
{
    ECERT_AUTO(ecert_auto_free) char *path = path_of(state_dir, sub);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return (unsigned)(st.st_mode & 07777);
}

static void test_none(void **state)
{
    struct ecert_requests requests = load(*state);

    assert_int_equal(requests.n, 0);
    ecert_requests_clear(&requests);
}

static void test_round_trip(void **state)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    assert_int_equal(add(*state, &request, &pki.key_pem, &err), ECERT_OK);
    assert_string_equal(request.id, ID);
    assert_int_equal(mode_of(*state, AT ID), 0700);
    assert_int_equal(mode_of(*state, AT ID "/privkey.pem"), 0600);
    assert_int_equal(mode_of(*state, AT ID "/request.csr"), 0600);
    assert_int_equal(mode_of(*state, AT ID "/request.json"), 0600);

    request.state = ECERT_REQUEST_ISSUED;
    request.shown = NOON + 1;
    request.closed = NOON + 2;
    request.generation = 7;
    request.without_backup = true;
    request.backups = calloc(1, sizeof *request.backups);
    assert_non_null(request.backups);
    request.n_backups = 1;
    request.backups[0] =
        (struct ecert_request_backup){.path = text("/mnt/我的/a.p7m"), .written = 5, .opened = 6};
    ecert_sha256_hex(ecert_view_of("a backup"), request.backups[0].sha256);
    assert_int_equal(ecert_requests_save(*state, &request, &err), ECERT_OK);

    requests = load(*state);
    assert_int_equal(requests.n, 1);
    const struct ecert_request *got = &requests.items[0];
    assert_null(got->problem);
    assert_string_equal(got->id, ID);
    assert_string_equal(got->name, NAME);
    assert_int_equal(got->state, ECERT_REQUEST_ISSUED);
    assert_int_equal(got->kind, ECERT_REQUEST_RENEWAL);
    assert_string_equal(got->reason, "key \"leaked\"");
    assert_string_equal(got->batch, "20261121T115959Z");
    assert_int_equal(got->created, NOON);
    assert_int_equal(got->shown, NOON + 1);
    assert_int_equal(got->closed, NOON + 2);
    assert_string_equal(got->authority, "hongkongpost");
    assert_true(ecert_strings_equal(&got->names, &request.names));
    assert_string_equal(got->organization, "My Company Limited");
    assert_string_equal(got->chinese_organization, "我的公司");
    assert_int_equal(got->validation, ECERT_VALIDATION_EV);
    assert_string_equal(got->key_words, "EC P-256");
    assert_true(got->reused);
    assert_memory_equal(got->key_id, pki.key_id, ECERT_SHA256_LEN);
    assert_string_equal(got->csr_sha256, request.csr_sha256);
    assert_int_equal(got->n_backups, 1);
    assert_string_equal(got->backups[0].path, "/mnt/我的/a.p7m");
    assert_string_equal(got->backups[0].sha256, request.backups[0].sha256);
    assert_int_equal(got->backups[0].written, 5);
    assert_int_equal(got->backups[0].opened, 6);
    assert_true(got->without_backup);
    assert_int_equal(got->generation, 7);
}

/* Those of one second are numbered, and -10 is younger than -2. */
static void test_ids_of_one_second(void **state)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};

    for (unsigned i = 1; i <= 11; i++) {
        ECERT_AUTO(ecert_auto_free) char *id = added(*state, &pki.key_pem);
        char want[64] = ID;
        if (i > 1)
            (void)snprintf(want, sizeof want, ID "-%u", i);
        assert_string_equal(id, want);
    }
    requests = load(*state);
    assert_int_equal(requests.n, 11);
    assert_string_equal(requests.items[0].id, ID);
    assert_string_equal(requests.items[1].id, ID "-2");
    assert_string_equal(requests.items[9].id, ID "-10");
    assert_string_equal(requests.items[10].id, ID "-11");
}

/* A backup that is put back keeps its id, and never takes another's place. */
static void test_given_id(void **state)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    struct ecert_error err = {0};

    request.id = text("20250101T000000Z-3");
    assert_int_equal(add(*state, &request, &pki.key_pem, &err), ECERT_OK);
    assert_string_equal(request.id, "20250101T000000Z-3");
    assert_int_equal(add(*state, &request, &pki.other_pem, &err), ECERT_E_REFUSED);
    assert_int_equal(ecert_requests_key_file(*state, &request, &key, &err), ECERT_OK);
    assert_true(ecert_view_equal(ecert_secret_view(&key), ecert_bytes_view(&pki.key_pem)));
    free(request.id);
    request.id = text("../../x");
    assert_int_equal(add(*state, &request, &pki.key_pem, &err), ECERT_E_REFUSED);
}

static void test_left_over(void **state)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    ECERT_AUTO(ecert_auto_free)
    char *folder = path_of(*state, AT "." ID "-2.ecert-0123456789ABCDEF");
    ECERT_AUTO(ecert_auto_free) char *file = NULL;
    struct ecert_error err = {0};

    free(added(*state, &pki.key_pem));
    assert_int_equal(ecert_fs_make_directories(folder, 0700, &err), ECERT_OK);
    free(test_file_write(folder, "privkey.pem", ecert_view_of("half a key"), 0600));
    file = test_file_write(*state, AT ID "/.request.json.ecert-0123456789ABCDEF",
                           ecert_view_of("half"), 0600);
    requests = load(*state);
    assert_int_equal(requests.n, 1);
    assert_null(requests.items[0].problem);
    assert_int_equal(ecert_store_tidy(*state, &err), ECERT_OK);
    assert_false(ecert_fs_exists(folder));
    assert_false(ecert_fs_exists(file));
    assert_int_equal(mode_of(*state, AT ID "/privkey.pem"), 0600);
}

/* ---- what is damaged ---- */

/* Which file brings it back, so that nobody has to look for it. */
static void test_lost_key_names_its_backups(void **state)
{
    char first[] = "/mnt/a.p7m", second[] = "/mnt/b.p7m";
    struct ecert_request_backup backups[] = {{.path = first}, {.path = second}};
    struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    char *id = added(*state, &pki.key_pem);
    char *path = path_of(*state, AT ID "/privkey.pem");
    requests = load(*state);
    struct ecert_request copy = requests.items[0];
    for (size_t i = 0; i < ARRAY_SIZE(backups); i++)
        ecert_sha256_hex(ecert_view_of(backups[i].path), backups[i].sha256);
    copy.backups = backups;
    copy.n_backups = 2;
    assert_int_equal(ecert_requests_save(*state, &copy, &err), ECERT_OK);
    ecert_requests_clear(&requests);
    assert_int_equal(unlink(path), 0);
    requests = load(*state);
    assert_non_null(requests.items[0].problem);
    if (strstr(requests.items[0].problem, "is lost; put it back from a backup with 'ecert restore "
                                          "FILE', of '/mnt/a.p7m' or '/mnt/b.p7m'") == NULL)
        fail_msg("%s", requests.items[0].problem);
    ecert_requests_clear(&requests);
    free(path);
    free(id);
}

struct damage {
    const char *name;
    const char *file;     /* of the request's folder */
    const char *text;     /* instead of it; NULL: removed */
    unsigned mode;        /* 0: 0600 */
    const char *want;     /* in the problem */
    bool json_is_damaged; /* else everything else is known */
};

static const struct damage damages[] = {
    {"JSON that is cut", "request.json", "{\"id\": ", 0, "is damaged (line 1", true},
    {"no JSON object", "request.json", "[]", 0, "no JSON object", true},
    {"JSON of nothing", "request.json", "{}", 0, "\"id\" is not a text", true},
    {"a lost JSON", "request.json", NULL, 0, "request.json", true},
    {"JSON: the folder to move", "request.json", "", 0,
     AT ID "' out of the state directory: it has the private key", true},
    {"a lost key", "privkey.pem", NULL, 0, "is lost; put it back from a backup", false},
    {"a key for everybody", "privkey.pem", "x", 0644, "may be touched by others (mode 0644)",
     false},
    {"a lost CSR", "request.csr", NULL, 0, "request.csr' is lost; put it back", false},
    {"an empty CSR", "request.csr", "", 0, "request.csr' is not the one that was made", false},
    {"a CSR that is none", "request.csr", "x", 0, "request.csr' is not the one", false},
};

static void test_damage(void **state)
{
    const struct damage *row = *state;
    char *folder = NULL;
    struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    assert_int_equal(test_state_make((void **)&folder), 0);
    char *id = added(folder, &pki.key_pem);
    char *second = added(folder, &pki.key_pem);
    char sub[128];
    (void)snprintf(sub, sizeof sub, AT ID "/%s", row->file);
    char *path = path_of(folder, sub);
    if (row->text == NULL)
        assert_int_equal(unlink(path), 0);
    else
        free(test_file_write(folder, sub, ecert_view_of(row->text),
                             row->mode == 0 ? 0600 : row->mode));

    requests = load(folder);
    assert_int_equal(requests.n, 2); /* the other one is not hidden */
    assert_null(requests.items[1].problem);
    const struct ecert_request *got = &requests.items[0];
    assert_non_null(got->problem);
    if (strstr(got->problem, row->want) == NULL)
        fail_msg("%s", got->problem);
    assert_string_equal(got->id, ID);
    assert_string_equal(got->name, NAME);
    /* whose it is stays known: from the JSON, else from the CSR */
    assert_memory_equal(got->key_id, pki.key_id, ECERT_SHA256_LEN);
    assert_int_equal(got->authority == NULL, row->json_is_damaged);
    /* what is damaged is not written over with what could not be read */
    assert_int_equal(ecert_requests_save(folder, got, &err),
                     row->json_is_damaged ? ECERT_E_REFUSED : ECERT_OK);
    ecert_requests_clear(&requests);
    free(path);
    free(second);
    free(id);
    test_folder_remove(folder);
}

/* Every member is looked at: take each away, or make it something else. */
static void test_every_member(void **state)
{
    static const char *const members[] = {"id",         "name",       "state",     "kind",
                                          "created",    "shown",      "closed",    "names",
                                          "key_id",     "csr_sha256", "backups",   "without_backup",
                                          "generation", "reused",     "authority", "validation"};
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes json = {0};
    struct ecert_error err = {0};

    (void)state;
    request.id = text(ID);
    assert_int_equal(ecert_request_to_json(&request, &json, &err), ECERT_OK);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        ECERT_AUTO(ecert_request_clear) struct ecert_request got = {0};
        ECERT_AUTO(ecert_auto_free) char *wrong = text((const char *)json.ptr);
        char quoted[64];

        (void)snprintf(quoted, sizeof quoted, "\"%s\"", members[i]);
        char *at = strstr(wrong, quoted);
        assert_non_null(at);
        at[1] = '_';
        if (ecert_request_from_json(ecert_view_of(wrong), "x.json", &got, &err) != ECERT_E_REFUSED)
            fail_msg("\"%s\" may be missing", members[i]);
        assert_non_null(strstr(err.text, quoted));
        assert_non_null(strstr(err.text, "'x.json' is damaged"));
    }
}

static void test_another_name(void **state)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes json = {0};
    struct ecert_error err = {0};

    free(added(*state, &pki.key_pem));
    request.id = text("20200101T000000Z");
    assert_int_equal(ecert_request_to_json(&request, &json, &err), ECERT_OK);
    free(test_file_write(*state, AT ID "/request.json", ecert_bytes_view(&json), 0600));
    requests = load(*state);
    assert_non_null(strstr(requests.items[0].problem, "says that it is request 20200101T000000Z"));
    assert_string_equal(requests.items[0].id, ID);
}

/* ---- keys ---- */

static void test_key(void **state)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes csr = {0};
    const struct ecert_key_config config = {0};
    struct ecert_error err = {0};

    assert_int_equal(add(*state, &request, &pki.key_pem, &err), ECERT_OK);
    assert_int_equal(ecert_requests_key(*state, &request, &config, &key, &err), ECERT_OK);
    assert_true(ecert_view_equal(ecert_secret_view(&key), ecert_bytes_view(&pki.key_pem)));
    assert_int_equal(ecert_requests_csr(*state, &request, &csr, &err), ECERT_OK);
    assert_true(ecert_view_equal(ecert_bytes_view(&csr), ecert_bytes_view(&pki.csr_pem)));
}

/* Shown under the digest of another one it would be signed, and the certificate of no use. */
static void test_wrong_csr(void **state)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes csr = {0};
    struct ecert_error err = {0};

    assert_int_equal(add(*state, &request, &pki.key_pem, &err), ECERT_OK);
    free(test_file_write(*state, AT ID "/request.csr", ecert_bytes_view(&pki.other_csr_pem), 0600));
    assert_int_equal(ecert_requests_csr(*state, &request, &csr, &err), ECERT_E_CHANGED);
    assert_null(csr.ptr);
    assert_non_null(strstr(err.text, "put it back with 'ecert restore'"));
    requests = load(*state);
    assert_non_null(requests.items[0].problem);
    assert_non_null(strstr(requests.items[0].problem, "request.csr' is not the one"));
    assert_true(ecert_request_needs_repair(&requests.items[0]));
    requests.items[0].state = ECERT_REQUEST_CANCELLED;
    assert_false(ecert_request_needs_repair(&requests.items[0]));
}

static void test_encrypted_key(void **state)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    ECERT_AUTO(ecert_auto_free)
    char *file = test_file_write(*state, "passphrase", ecert_view_of("correct horse\n"), 0600);
    const struct ecert_key_config with = {.passphrase_file = file}, without = {0};
    struct ecert_error err = {0};

    assert_int_equal(add(*state, &request, &pki.encrypted_pem, &err), ECERT_OK);
    assert_int_equal(ecert_requests_key(*state, &request, &without, &key, &err), ECERT_E_CRYPTO);
    assert_null(key.ptr);
    assert_int_equal(ecert_requests_key(*state, &request, &with, &key, &err), ECERT_OK);
    assert_true(ecert_view_equal(ecert_secret_view(&key), ecert_bytes_view(&pki.key_pem)));
}

static void test_wrong_key(void **state)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = new_request();
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    const struct ecert_key_config config = {0};
    struct ecert_error err = {0};

    assert_int_equal(add(*state, &request, &pki.other_pem, &err), ECERT_OK);
    assert_int_equal(ecert_requests_key(*state, &request, &config, &key, &err), ECERT_E_CHANGED);
    free(test_file_write(*state, AT ID "/privkey.pem", ecert_bytes_view(&pki.key_pem), 0640));
    assert_int_equal(ecert_requests_key(*state, &request, &config, &key, &err), ECERT_E_REFUSED);
    free(test_file_write(*state, AT ID "/privkey.pem", ecert_view_of("no key"), 0600));
    assert_int_equal(ecert_requests_key(*state, &request, &config, &key, &err), ECERT_E_CRYPTO);
    assert_null(key.ptr);
}

static void test_of_key(void **state)
{
    static const enum ecert_request_state states[] = {
        ECERT_REQUEST_CANCELLED, ECERT_REQUEST_ISSUED, ECERT_REQUEST_MADE,
        ECERT_REQUEST_OPEN,      ECERT_REQUEST_OPEN,   ECERT_REQUEST_ISSUED};
    struct ecert_request items[ARRAY_SIZE(states)] = {0};
    const struct ecert_requests requests = {items, ARRAY_SIZE(states)};
    uint8_t id[ECERT_SHA256_LEN] = {1};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        items[i].state = states[i];
        items[i].key_id[0] = 1;
    }
    assert_ptr_equal(ecert_requests_of_key(&requests, id), &items[4]);
    items[4].key_id[0] = items[3].key_id[0] = 2;
    assert_ptr_equal(ecert_requests_of_key(&requests, id), &items[2]);
    items[2].key_id[0] = 2;
    assert_ptr_equal(ecert_requests_of_key(&requests, id), &items[5]);
    items[5].key_id[0] = items[1].key_id[0] = 2;
    assert_ptr_equal(ecert_requests_of_key(&requests, id), &items[0]);
    id[0] = 3;
    assert_null(ecert_requests_of_key(&requests, id));
    assert_true(ecert_request_is_pending(&items[2]) && ecert_request_is_pending(&items[3]));
    assert_false(ecert_request_is_pending(&items[0]) || ecert_request_is_pending(&items[1]));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, test_state_make, test_state_remove)

int main(void)
{
    const struct CMUnitTest plain[] = {
        TEST(test_none),
        TEST(test_round_trip),
        TEST(test_ids_of_one_second),
        TEST(test_given_id),
        TEST(test_left_over),
        TEST(test_lost_key_names_its_backups),
        TEST(test_another_name),
        TEST(test_key),
        TEST(test_wrong_csr),
        TEST(test_encrypted_key),
        TEST(test_wrong_key),
        cmocka_unit_test(test_every_member),
        cmocka_unit_test(test_of_key),
    };
    struct CMUnitTest rows[ARRAY_SIZE(damages)] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
        rows[i] = (struct CMUnitTest){.name = damages[i].name,
                                      .test_func = test_damage,
                                      .initial_state = (void *)(uintptr_t)&damages[i]};
    const int failed = cmocka_run_group_tests(plain, make_pki, clear_pki);
    return failed + cmocka_run_group_tests(rows, make_pki, clear_pki);
}
