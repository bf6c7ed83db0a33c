/* A state directory with one request of www.example.test, and a configuration for its backups. */
#ifndef ECERT_TEST_BACKUP_FIXTURE_H
#define ECERT_TEST_BACKUP_FIXTURE_H

#include "core/issue/backup.h"
#include "tests/support/test_pki.h"

struct backup_fixture {
    char *folder, *place, *second_place;
    struct ecert_config config;
    struct ecert_certificate_config certificate;
    struct ecert_request request;
    struct ecert_bytes key_pem, csr_pem;
    EVP_PKEY *rsa, *ec; /* of the recipients */
    char *rsa_file, *ec_file;
    struct ecert_bytes rsa_pem, ec_pem;
};

void backup_fixture_make(struct backup_fixture *f);
void backup_fixture_clear(struct backup_fixture *f);

/* For a test's setup and teardown: one of them as the test's state; the clock is put right, too. */
int backup_set_up(void **state);
int backup_tear_down(void **state);

/* Another request of the same name. */
void backup_fixture_request(struct backup_fixture *f, struct ecert_request *ret);

void backup_to(struct backup_fixture *f, const char *recipient_or_null);
void backup_under(struct backup_fixture *f, const char *passphrase);

/* Open the kit, write, close; what it must come to. */
enum ecert_status backup_now(struct backup_fixture *f, struct ecert_error *err);

/* The bytes of a file; "" where there is none. */
struct ecert_bytes backup_bytes(const char *path);

/* It says this, and no passphrase of these tests. */
void backup_check_words(const struct ecert_error *err, enum ecert_status status, const char *words);

#endif
