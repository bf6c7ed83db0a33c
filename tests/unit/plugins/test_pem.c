/* What certificate files hold, each read once however often it is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/shared/pem.h"
#include "tests/support/plugin_host.h"
#include "tests/support/test_pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>

struct fixture {
    char *folder;
    char *rsa, *ec; /* PEM of a leaf each, and of a key */
    char *key;
    char rsa_sha1[ECERT_PEM_SHA1_HEX_LEN], ec_sha1[ECERT_PEM_SHA1_HEX_LEN];
    struct ecert_host host; /* the usual one, which counts reads */
    struct test_job job;
    struct ecert_arena arena;
    struct ecert_pem_shelf shelf;
};

static size_t n_reads;

static enum ecert_status count_read(struct ecert_job *job, const char *path, size_t max_len,
                                    struct ecert_view *ret, struct ecert_error *err)
{
    n_reads++;
    return test_host.read_file(job, path, max_len, ret, err);
}

static char *text_of(struct ecert_bytes bytes)
{
    char *text = strndup((const char *)bytes.ptr, bytes.len);

    assert_non_null(text);
    ecert_bytes_clear(&bytes);
    return text;
}

static char *make_leaf(EVP_PKEY *key, char sha1[ECERT_PEM_SHA1_HEX_LEN])
{
    X509 *leaf =
        test_certificate_make(&(struct test_certificate){.key = key, .common_name = "a.example"});
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    assert_int_equal(X509_digest(leaf, EVP_sha1(), hash, &len), 1);
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(sha1 + 2 * i, 3, "%02X", hash[i]);
    char *pem = text_of(test_certificate_pem(leaf));
    X509_free(leaf);
    return pem;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    EVP_PKEY *rsa = test_key_rsa(2048), *ec = test_key_ec("P-256");

    assert_non_null(f);
    f->folder = test_folder_make();
    f->rsa = make_leaf(rsa, f->rsa_sha1);
    f->ec = make_leaf(ec, f->ec_sha1);
    f->key = text_of(test_key_pem(ec, NULL, NULL));
    f->host = test_host;
    f->host.read_file = count_read;
    n_reads = 0;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    test_job_clear(&f->job);
    ecert_arena_clear(&f->arena);
    test_folder_remove(f->folder);
    free(f->rsa);
    free(f->ec);
    free(f->key);
    free(f);
    return 0;
}

static const struct ecert_pem *look(struct fixture *f, const char *path)
{
    return ecert_pem_look(&f->shelf, &f->arena, &f->host, (struct ecert_job *)&f->job, path);
}

/* A file of these texts, one after the other; the path is the caller's. */
static char *write_file(struct fixture *f, const char *name, const char *const *parts)
{
    char text[16384] = "";

    for (; *parts != NULL; parts++) {
        assert_true(strlen(text) + strlen(*parts) < sizeof text);
        strcat(text, *parts);
    }
    return test_file_write(f->folder, name, ecert_view_of(text), 0644);
}

static void files_are_told(void **state)
{
    struct fixture *f = *state;
    const struct row {
        const char *name;
        const char *parts[4];
        const char *key_type;
        size_t n;
        const char *sha1;
    } rows[] = {
        {"rsa", {f->rsa}, "rsa", 1, f->rsa_sha1},
        {"ec", {f->ec}, "ec", 1, f->ec_sha1},
        {"the first one counts", {f->ec, f->rsa, f->rsa}, "ec", 3, f->ec_sha1},
        {"key before certificate", {f->key, f->rsa}, "rsa", 1, f->rsa_sha1},
        {"text around it", {"Subject: x\n", f->ec, "the end\n"}, "ec", 1, f->ec_sha1},
        {"a key alone", {f->key}, NULL, 0, ""},
        {"empty", {""}, NULL, 0, ""},
        {"no PEM", {"hello\n"}, NULL, 0, ""},
        {"no certificate inside",
         {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f->rsa},
         NULL,
         0,
         ""},
        {"cut short", {"-----BEGIN CERTIFICATE-----\nMIIB\n"}, NULL, 0, ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = write_file(f, rows[i].name, rows[i].parts);
        const struct ecert_pem *pem = look(f, path);

        free(path);
        assert_non_null(pem);
        if (rows[i].n != pem->n_certificates || strcmp(rows[i].sha1, pem->sha1) != 0 ||
            strcmp(rows[i].key_type == NULL ? "-" : rows[i].key_type,
                   pem->key_type == NULL ? "-" : pem->key_type) != 0)
            fail_msg("%s: %zu %s %s", rows[i].name, pem->n_certificates, pem->sha1,
                     pem->key_type == NULL ? "-" : pem->key_type);
    }
}

/* Behind a right header: every part of a certificate, and each of its bytes another one. */
static void damaged_der_is_none_or_still_read(void **state)
{
    struct fixture *f = *state;
    BIO *in = BIO_new_mem_buf(f->ec, -1);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;

    assert_int_equal(PEM_read_bio(in, &name, &header, &der, &len), 1);
    for (long i = 0; i < 2 * len; i++) {
        BIO *out = BIO_new(BIO_s_mem());
        char *text = NULL, file[32];
        if (i >= len)
            der[i - len] ^= 0x5A;
        assert_true(PEM_write_bio(out, name, header, der, i < len ? i : len) >= 0);
        assert_int_equal(BIO_write(out, "", 1), 1);
        assert_true(BIO_get_mem_data(out, &text) > 0);
        (void)snprintf(file, sizeof file, "damaged-%ld", i);
        char *path = write_file(f, file, (const char *const[]){text, NULL});
        const struct ecert_pem *pem = look(f, path);
        assert_true(pem->n_certificates <= (i < len ? 0 : 1));
        assert_int_equal(pem->n_certificates == 1, strlen(pem->sha1) == 40);
        if (i >= len)
            der[i - len] ^= 0x5A;
        free(path);
        BIO_free(out);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(in);
}

/*
 * Each byte of a file another one, or gone: what is read quickly is what OpenSSL reads.  A line
 * before it is what makes OpenSSL read it.
 */
static void what_is_read_quickly_is_what_openssl_reads(void **state)
{
    static const char others[] = "=\n\r !A-+";
    struct fixture *f = *state;
    const size_t len = strlen(f->ec);

    for (size_t i = 0; i < len; i++)
        for (size_t k = 0; k < sizeof others; k++) {
            char text[2][4096], *path[2] = {0};
            const struct ecert_pem *pem[2] = {0};

            memcpy(text[0], f->ec, len + 1);
            if (others[k] != '\0')
                text[0][i] = others[k];
            else
                memmove(text[0] + i, text[0] + i + 1, len - i);
            (void)snprintf(text[1], sizeof text[1], "\n%.4000s", text[0]);
            for (size_t side = 0; side < 2; side++) {
                char name[32];
                (void)snprintf(name, sizeof name, "%zu-%zu-%zu", i, k, side);
                path[side] = write_file(f, name, (const char *const[]){text[side], NULL});
                pem[side] = look(f, path[side]);
                assert_int_equal(unlink(path[side]), 0);
                free(path[side]);
            }
            if (strcmp(pem[0]->sha1, pem[1]->sha1) != 0 ||
                pem[0]->n_certificates != pem[1]->n_certificates)
                fail_msg("byte %zu as %d: %s, OpenSSL: %s", i, others[k], pem[0]->sha1,
                         pem[1]->sha1);
        }
}

static void a_file_is_read_once(void **state)
{
    struct fixture *f = *state;
    char *path = write_file(f, "one", (const char *const[]){f->rsa, NULL});
    const struct ecert_pem *pem = look(f, path);

    assert_int_equal(unlink(path), 0);
    assert_ptr_equal(look(f, path), pem);
    assert_string_equal(look(f, path)->sha1, f->rsa_sha1);
    assert_int_equal(n_reads, 1);
    free(path);
}

static void a_missing_file_is_asked_for_once(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++)
        assert_int_equal(look(f, "/nonexistent/ecert/a.pem")->n_certificates, 0);
    assert_int_equal(n_reads, 1);
    assert_int_equal(look(f, f->folder)->n_certificates, 0); /* not a regular file */
}

static void what_is_no_path_is_not_read(void **state)
{
    struct fixture *f = *state;
    const char *const none[] = {NULL, "", "relative.pem", "data:x", "$ssl_server_name.pem"};

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        const struct ecert_pem *pem = look(f, none[i]);

        assert_non_null(pem);
        assert_int_equal(pem->n_certificates, 0);
        assert_string_equal(pem->sha1, "");
    }
    assert_int_equal(n_reads, 0);
}

/* More of them than there are buckets: no two are taken for one another. */
static void many_files_are_kept_apart(void **state)
{
    struct fixture *f = *state;
    char *rsa = write_file(f, "rsa", (const char *const[]){f->rsa, NULL});
    char *ec = write_file(f, "ec", (const char *const[]){f->ec, NULL});
    char path[4096];

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 6000; i++) {
            (void)snprintf(path, sizeof path, "%s/%d", f->folder, i);
            if (round == 0)
                assert_int_equal(link(i % 2 == 0 ? rsa : ec, path), 0);
            assert_string_equal(look(f, path)->key_type, i % 2 == 0 ? "rsa" : "ec");
        }
    assert_int_equal(n_reads, 6000);
    free(rsa);
    free(ec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_der_is_none_or_still_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_read_quickly_is_what_openssl_reads, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_is_read_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_is_asked_for_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_path_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(many_files_are_kept_apart, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
