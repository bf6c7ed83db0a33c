#include "tests/unit/issue/request_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/flow/store.h"
#include "core/issue/backup.h"
#include "tests/support/test_pki.h"

struct request_backups request_backups;

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
    request_backups.calls++;
    if (request_backups.calls == request_backups.die_at)
        _exit(9);
    if (request_backups.fixture != NULL) {
        struct ecert_requests stored = request_stored(request_backups.fixture, 0);
        struct ecert_secret key = {0};

        assert_int_equal(stored.items[stored.n - 1].state, ECERT_REQUEST_MADE);
        assert_int_equal(stored.items[stored.n - 1].shown, 0);
        assert_int_equal(ecert_requests_key_file(config->state_dir, request, &key, err), ECERT_OK);
        ecert_secret_clear(&key);
        ecert_requests_clear(&stored);
    }
    if (request_backups.calls == request_backups.fail_at)
        return ecert_error_set(err, ECERT_E_IO, "place '/mnt/x' is full");
    return __real_ecert_backup_write(kit, config, request, err);
}

struct request_caa request_caa;

enum ecert_status __wrap_ecert_caa_check(struct ecert_network *network, const char *resolver,
                                         const char *const *names,
                                         const struct ecert_authority *authority,
                                         enum ecert_caa_verdict *verdicts,
                                         struct ecert_strings *ret_notes, struct ecert_error *err);

enum ecert_status __wrap_ecert_caa_check(struct ecert_network *network, const char *resolver,
                                         const char *const *names,
                                         const struct ecert_authority *authority,
                                         enum ecert_caa_verdict *verdicts,
                                         struct ecert_strings *ret_notes, struct ecert_error *err)
{
    (void)network;
    (void)resolver;
    request_caa.calls++;
    assert_string_equal(authority->caa.items[0], "ecert.gov.hk");
    for (size_t i = 0; names[i] != NULL; i++) {
        verdicts[i] = request_caa.verdict;
        if (request_caa.verdict >= ECERT_CAA_FORBIDDEN)
            ECERT_TRY(ecert_strings_printf(ret_notes, err, "CAA of '%s': not so", names[i]));
    }
    return ECERT_OK;
}

static void format(char **ret, const char *folder, const char *name)
{
    struct ecert_error err = {0};

    free(*ret);
    *ret = NULL;
    assert_int_equal(ecert_text_format(ret, &err, "%s/%s", folder, name), ECERT_OK);
}

/* The one who can open the backups: that costs a test less than a passphrase. */
static void add_recipient(struct request_fixture *f, const X509 *certificate)
{
    struct ecert_bytes pem = test_certificate_pem(certificate);
    char *path = test_file_write(f->folder, "officer.cer", ecert_bytes_view(&pem), 0644);
    struct ecert_error err = {0};

    assert_int_equal(ecert_strings_add(&f->config.backup.recipients, path, &err), ECERT_OK);
    ecert_bytes_clear(&pem);
    free(path);
}

static void write_authority(struct request_fixture *f)
{
    static const char profile[] = "name = \"Hongkong Post\";\n"
                                  "anchors = ( { file = \"%s/root.pem\"; } );\n"
                                  "caa = [ \"eCert.gov.hk\" ];\n"
                                  "request = { country = \"HK\"; max_names = 50; };\n";
    EVP_PKEY *key = test_key_ec("P-256");
    X509 *root = test_root_make("Root", key);
    struct ecert_bytes pem = test_certificate_pem(root);
    struct ecert_buffer text = {0};

    ecert_buffer_printf(&text, profile, f->folder);
    X509 *officer =
        test_certificate_make(&(struct test_certificate){.key = key, .common_name = "officer"});
    add_recipient(f, officer);
    X509_free(officer);
    free(test_file_write(f->folder, "root.pem", ecert_bytes_view(&pem), 0600));
    free(test_file_write(f->folder, "hk.conf", ecert_buffer_view(&text), 0600));
    ecert_buffer_clear(&text);
    ecert_bytes_clear(&pem);
    X509_free(root);
    EVP_PKEY_free(key);
}

static void add_certificates(struct request_fixture *f, size_t n)
{
    struct ecert_error err = {0};

    f->config.certificates = calloc(n, sizeof *f->config.certificates);
    assert_non_null(f->config.certificates);
    f->config.n_certificates = n;
    for (size_t i = 0; i < n; i++) {
        struct ecert_certificate_config *certificate = &f->config.certificates[i];

        assert_int_equal(ecert_text_format(&certificate->name, &err, "w%zu.myserver.com", i),
                         ECERT_OK);
        certificate->authority = strdup("hk");
        certificate->key.place = ECERT_KEY_OURS;
        certificate->key.type = ECERT_KEY_TYPE_EC;
    }
}

void request_fixture_make(struct request_fixture *f, size_t n)
{
    struct ecert_error err = {0};

    request_caa = (struct request_caa){0};
    request_backups = (struct request_backups){0};
    *f = (struct request_fixture){.wish = {.now = REQUEST_NOW}};
    f->folder = test_folder_make();
    format(&f->place, f->folder, "place");
    format(&f->second_place, f->folder, "second");
    format(&f->config.state_dir, f->folder, "state");
    format(&f->config.file, f->folder, "ecert.conf");
    f->config.authorities_dir = strdup(f->folder);
    assert_int_equal(mkdir(f->place, 0700) | mkdir(f->second_place, 0700), 0);
    assert_int_equal(ecert_store_prepare(f->config.state_dir, &err), ECERT_OK);
    write_authority(f);
    add_certificates(f, n);
    f->config.organization.name = strdup("My Organisation Limited");
    f->config.organization.chinese_name = strdup("我的機構有限公司");
    f->config.backup.wanted = true;
    assert_int_equal(ecert_strings_add(&f->config.backup.places, f->place, &err), ECERT_OK);
    assert_int_equal(ecert_strings_add(&f->config.backup.places, f->second_place, &err), ECERT_OK);
    f->context.config = &f->config; /* without a network: nothing here asks it */
}

void request_fixture_clear(struct request_fixture *f)
{
    ecert_request_outcomes_clear(&f->outcomes);
    ecert_context_clear(&f->context);
    ecert_config_clear(&f->config);
    free(f->place);
    free(f->second_place);
    test_folder_remove(f->folder);
}

enum ecert_status request_go(struct request_fixture *f)
{
    ecert_request_outcomes_clear(&f->outcomes);
    f->err = (struct ecert_error){0};
    return ecert_request_make(&f->context, &f->wish, &f->outcomes, &f->err);
}

enum ecert_status request_go_for(struct request_fixture *f, const char *name)
{
    const char *const names[] = {name, NULL};

    f->wish.names = names;
    const enum ecert_status status = request_go(f);
    f->wish.names = NULL;
    return status;
}

struct ecert_requests request_stored(const struct request_fixture *f, size_t i)
{
    struct ecert_requests requests = {0};
    struct ecert_error err = {0};

    if (ecert_requests_load(f->config.state_dir, f->config.certificates[i].name, &requests, &err) !=
        ECERT_OK)
        fail_msg("%s", err.text);
    return requests;
}

void request_failed(const struct request_fixture *f, size_t i, enum ecert_status status,
                    const char *words)
{
    const struct ecert_error *error = &f->outcomes.items[i].error;

    if (error->status != status || strstr(error->text, words) == NULL)
        print_error("wanted '%s', got %d '%s'\n", words, error->status, error->text);
    assert_int_equal(error->status, status);
    assert_non_null(strstr(error->text, words));
}

bool request_notes(const struct request_fixture *f, size_t i, const char *words)
{
    const struct ecert_strings *notes = &f->outcomes.items[i].notes;

    for (size_t k = 0; k < notes->len; k++)
        if (strstr(notes->items[k], words) != NULL)
            return true;
    return false;
}

void request_add_generation(struct request_fixture *f, size_t i, int64_t not_after, EVP_PKEY *key)
{
    const char *name = f->config.certificates[i].name;
    EVP_PKEY *own = key == NULL ? test_key_ec("P-256") : NULL;
    EVP_PKEY *used = key == NULL ? own : key;
    struct ecert_bytes pem = test_key_pem(used, NULL, NULL);
    struct ecert_bundle bundle = {.chain = sk_X509_new_null()};
    struct ecert_generation_facts facts = {.imported = REQUEST_NOW};
    struct ecert_error err = {0};
    bool added = false;

    bundle.leaf = test_certificate_make(
        &(struct test_certificate){.key = used,
                                   .common_name = name,
                                   .not_before = not_after - 199 * REQUEST_DAY,
                                   .not_after = not_after});
    assert_int_equal(ecert_secret_copy(ecert_bytes_view(&pem), &bundle.key_pem, &err), ECERT_OK);
    facts.origin = strdup("test");
    facts.authority = strdup("hk");
    if (ecert_store_add(f->config.state_dir, name, &bundle, &facts, &added, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_true(added);
    ecert_generation_facts_clear(&facts);
    ecert_bundle_clear(&bundle);
    ecert_bytes_clear(&pem);
    EVP_PKEY_free(own);
}

/* ---- what was made ---- */

void request_check_ok(const struct request_fixture *f)
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

void request_check_stored(const struct request_fixture *f, size_t i, size_t want)
{
    struct ecert_requests stored = request_stored(f, i);

    assert_int_equal(stored.n, want);
    ecert_requests_clear(&stored);
}

/* The CSR on disk is of the key on disk, and the request says so. */
void request_check_pair(const struct request_fixture *f, size_t i)
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
