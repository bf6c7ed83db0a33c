#include "tests/unit/issue/backup_fixture.h"

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

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/store.h"

static void csr_sha256_of(const struct ecert_bytes *pem, char ret[ECERT_SHA256_HEX_LEN])
{
    BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;

    assert_int_equal(PEM_read_bio(bio, &name, &header, &der, &len), 1);
    ecert_sha256_hex((struct ecert_view){der, (size_t)len}, ret);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
}

static void make_request(struct backup_fixture *f, struct ecert_request *request,
                         struct ecert_bytes *key_pem, struct ecert_bytes *csr_pem)
{
    EVP_PKEY *key = test_key_ec("P-256");
    struct ecert_error err = {0};

    *key_pem = test_key_pem(key, NULL, NULL);
    *csr_pem = test_csr_pem(key, "www.example.test");
    *request = (struct ecert_request){.name = strdup("www.example.test"),
                                      .authority = strdup("hongkongpost"),
                                      .key_words = strdup("EC P-256"),
                                      .created = 1795250520};
    assert_int_equal(ecert_strings_add(&request->names, "www.example.test", &err), ECERT_OK);
    test_public_key_id(key, request->key_id);
    csr_sha256_of(csr_pem, request->csr_sha256);
    if (ecert_requests_add(f->config.state_dir, request, ecert_bytes_view(key_pem),
                           ecert_bytes_view(csr_pem), &err) != ECERT_OK)
        fail_msg("%s", err.text);
    EVP_PKEY_free(key);
}

void backup_fixture_request(struct backup_fixture *f, struct ecert_request *ret)
{
    struct ecert_bytes key_pem = {0}, csr_pem = {0};

    make_request(f, ret, &key_pem, &csr_pem);
    ecert_bytes_clear(&key_pem);
    ecert_bytes_clear(&csr_pem);
}

static char *recipient_file(struct backup_fixture *f, const char *name, EVP_PKEY *key)
{
    X509 *certificate = test_certificate_make(
        &(struct test_certificate){.key = key, .common_name = name, .serial = "0A1B"});
    struct ecert_bytes pem = test_certificate_pem(certificate);
    char *path = test_file_write(f->folder, name, ecert_bytes_view(&pem), 0644);

    ecert_bytes_clear(&pem);
    X509_free(certificate);
    return path;
}

void backup_fixture_make(struct backup_fixture *f)
{
    struct ecert_error err = {0};

    *f = (struct backup_fixture){0};
    f->folder = test_folder_make();
    assert_true(asprintf(&f->place, "%s/place", f->folder) > 0);
    assert_true(asprintf(&f->second_place, "%s/second", f->folder) > 0);
    assert_true(asprintf(&f->config.state_dir, "%s/state", f->folder) > 0);
    assert_int_equal(mkdir(f->place, 0700) | mkdir(f->second_place, 0700), 0);
    assert_int_equal(ecert_store_prepare(f->config.state_dir, &err), ECERT_OK);
    f->certificate.name = strdup("www.example.test");
    f->certificate.key.place = ECERT_KEY_OURS;
    f->config.certificates = &f->certificate;
    f->config.n_certificates = 1;
    f->config.backup.wanted = true;
    assert_int_equal(ecert_strings_add(&f->config.backup.places, f->place, &err), ECERT_OK);
    assert_int_equal(ecert_strings_add(&f->config.backup.places, f->second_place, &err), ECERT_OK);
    f->rsa = test_key_rsa(2048);
    f->ec = test_key_ec("P-384");
    f->rsa_file = recipient_file(f, "officer.cer", f->rsa);
    f->ec_file = recipient_file(f, "deputy.cer", f->ec);
    f->rsa_pem = test_key_pem(f->rsa, NULL, NULL);
    f->ec_pem = test_key_pem(f->ec, NULL, NULL);
    make_request(f, &f->request, &f->key_pem, &f->csr_pem);
}

void backup_fixture_clear(struct backup_fixture *f)
{
    ecert_request_clear(&f->request);
    ecert_bytes_clear(&f->key_pem);
    ecert_bytes_clear(&f->csr_pem);
    ecert_bytes_clear(&f->rsa_pem);
    ecert_bytes_clear(&f->ec_pem);
    EVP_PKEY_free(f->rsa);
    EVP_PKEY_free(f->ec);
    free(f->certificate.name);
    free(f->config.state_dir);
    ecert_strings_clear(&f->config.backup.places);
    ecert_strings_clear(&f->config.backup.recipients);
    free(f->config.backup.passphrase_file);
    free(f->place);
    free(f->second_place);
    free(f->rsa_file);
    free(f->ec_file);
    test_folder_remove(f->folder);
}

int backup_set_up(void **state)
{
    static struct backup_fixture f;

    backup_fixture_make(&f);
    *state = &f;
    return 0;
}

int backup_tear_down(void **state)
{
    backup_fixture_clear(*state);
    ecert_clock_pretend(0);
    return 0;
}

void backup_to(struct backup_fixture *f, const char *recipient)
{
    struct ecert_error err = {0};

    assert_int_equal(ecert_strings_add(&f->config.backup.recipients, recipient, &err), ECERT_OK);
}

void backup_under(struct backup_fixture *f, const char *passphrase)
{
    free(f->config.backup.passphrase_file);
    f->config.backup.passphrase_file =
        test_file_write(f->folder, "passphrase", ecert_view_of(passphrase), 0600);
}

enum ecert_status backup_now(struct backup_fixture *f, struct ecert_error *err)
{
    struct ecert_backup_kit *kit = NULL;

    *err = (struct ecert_error){0};
    if (ecert_backup_kit_open(&f->config, &kit, err) == ECERT_OK)
        (void)!ecert_backup_write(kit, &f->config, &f->request, err);
    ecert_backup_kit_close(&kit);
    return err->status;
}

struct ecert_bytes backup_bytes(const char *path)
{
    struct ecert_bytes bytes = {0};
    struct ecert_error ignored = {0};

    (void)!ecert_fs_read(path, 1 << 20, &bytes, &ignored);
    return bytes;
}

void backup_check_words(const struct ecert_error *err, enum ecert_status status, const char *words)
{
    if (err->status != status || strstr(err->text, words) == NULL)
        print_error("wanted '%s', got %d '%s'\n", words, err->status, err->text);
    assert_int_equal(err->status, status);
    assert_non_null(strstr(err->text, words));
    assert_null(strstr(err->text, "sesame"));
}
