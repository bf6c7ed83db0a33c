#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/preload.h"
#include "tests/support/test_pki.h"

struct files {
    char *folder, *key, *other_key, *locked_key, *fullchain, *cut, *cut_chain, *no_end, *text;
    X509 *leaf, *sub;
};

static char *write_text(const char *folder, const char *name, struct ecert_bytes bytes)
{
    char *path = test_file_write(folder, name, ecert_bytes_view(&bytes), 0600);

    ecert_bytes_clear(&bytes);
    return path;
}

static int set_up(void **state)
{
    struct files *f = calloc(1, sizeof *f);
    EVP_PKEY *ca = test_key_ec("P-256"), *key = test_key_rsa(2048), *other = test_key_rsa(2048);
    X509 *root = test_root_make("Root", ca);

    f->folder = test_folder_make();
    f->sub = test_sub_ca_make("Sub", ca, "2", root, ca);
    f->leaf = test_leaf_make("www.example.test", key, f->sub, ca);
    f->key = write_text(f->folder, "key.pem", test_key_pem(key, NULL, NULL));
    f->other_key = write_text(f->folder, "other.pem", test_key_pem(other, NULL, NULL));
    f->locked_key = write_text(f->folder, "locked.pem", test_key_pem(key, "AES-256-CBC", "x"));
    struct ecert_bytes a = test_certificate_pem(f->leaf), b = test_certificate_pem(f->sub);
    struct ecert_bytes both = test_join(ecert_bytes_view(&a), ecert_bytes_view(&b));
    const struct ecert_view all = ecert_bytes_view(&both);
    f->fullchain = test_file_write(f->folder, "full.pem", all, 0644);
    f->cut = test_file_write(f->folder, "cut.pem", (struct ecert_view){all.ptr, a.len / 2}, 0644);
    f->cut_chain = test_file_write(f->folder, "cut_chain.pem",
                                   (struct ecert_view){all.ptr, all.len - b.len / 2}, 0644);
    f->no_end =
        test_file_write(f->folder, "no_end.pem", (struct ecert_view){all.ptr, all.len - 10}, 0644);
    f->text = test_file_write(f->folder, "text.pem", ecert_view_of("hello\n"), 0644);
    ecert_bytes_clear(&a);
    ecert_bytes_clear(&b);
    ecert_bytes_clear(&both);
    X509_free(root);
    EVP_PKEY_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct files *f = *state;
    char *const texts[] = {f->key, f->other_key, f->locked_key, f->fullchain,
                           f->cut, f->cut_chain, f->no_end,     f->text};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    X509_free(f->leaf);
    X509_free(f->sub);
    test_folder_remove(f->folder);
    free(f);
    return 0;
}

static void every_pair_is_judged_by_itself(void **state)
{
    const struct files *f = *state;
    static const uint8_t long_one[4096] = {'x'}; /* more than OpenSSL takes */
    const struct ecert_view right = ecert_view_of("x"), wrong = ecert_view_of("y");
    const struct {
        struct ecert_pair pair;
        const char *want; /* NULL: good */
    } rows[] = {
        {{f->key, f->fullchain, f->leaf, {0}}, NULL},
        {{NULL, f->fullchain, f->leaf, {0}}, NULL},
        {{f->key, f->fullchain, NULL, {0}}, NULL},
        {{f->other_key, f->fullchain, f->leaf, {0}}, "other.pem"},
        {{f->locked_key, f->fullchain, f->leaf, {0}}, "locked.pem"},
        {{f->locked_key, f->fullchain, f->leaf, right}, NULL},
        {{f->locked_key, f->fullchain, f->leaf, wrong}, "kept under an earlier passphrase"},
        {{f->locked_key, f->fullchain, f->leaf, {long_one, sizeof long_one}}, "locked.pem"},
        {{f->key, f->fullchain, f->leaf, right}, NULL},
        {{f->key, f->cut, f->leaf, {0}}, "block 1 of 1 of"},
        {{f->key, f->cut_chain, f->leaf, {0}}, "block 2 of 2 of"},
        {{f->key, f->no_end, f->leaf, {0}}, "block 2 of 2 of"},
        {{f->key, f->text, f->leaf, {0}}, "holds no PEM certificate"},
        {{f->key, "/nonexistent/full.pem", f->leaf, {0}}, "No such file"},
        {{"/nonexistent/key.pem", f->fullchain, f->leaf, {0}}, "/nonexistent/key.pem"},
        {{f->key, f->fullchain, f->sub, {0}}, "does not begin with the certificate to deploy"},
    };
    struct ecert_pair pairs[ARRAY_SIZE(rows)];
    struct ecert_error results[ARRAY_SIZE(rows)], err = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        pairs[i] = rows[i].pair;
    assert_int_equal(ecert_preload(pairs, ARRAY_SIZE(rows), results, &err), ECERT_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(results[i].status, rows[i].want == NULL ? ECERT_OK : ECERT_E_CRYPTO);
        if (rows[i].want != NULL && strstr(results[i].text, rows[i].want) == NULL)
            print_error("row %zu: %s\n", i, results[i].text);
        assert_true(rows[i].want == NULL || strstr(results[i].text, rows[i].want) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_pair_is_judged_by_itself, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
