#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/holds.h"
#include "tests/support/test_pki.h"

struct scene {
    char folder[64];
    EVP_PKEY *root_key, *sub_key, *key, *other_key;
    X509 *root, *sub, *leaf, *other;
    struct ecert_bundle bundle;
    struct ecert_bytes leaf_pem, sub_pem, root_pem, other_pem, key_pem;
};

static void put(const struct scene *scene, const char *name, const char *text)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    struct ecert_error err = {0};
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", scene->folder, name);
    assert_int_equal(ecert_fs_replace(path, ecert_view_of(text), &owner, &err), ECERT_OK);
}

static bool holds(const struct scene *scene, enum ecert_material which)
{
    static const struct ecert_key_config no_passphrase = {0};
    char kept[128], path[128];

    (void)snprintf(kept, sizeof kept, "%s/kept.key", scene->folder);
    (void)snprintf(path, sizeof path, "%s/there", scene->folder);
    return ecert_holds(&scene->bundle, &no_passphrase, which, kept, path);
}

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    assert_non_null(scene);
    (void)snprintf(scene->folder, sizeof scene->folder, "/tmp/ecert-holds-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    scene->root_key = test_key_ec("P-256");
    scene->sub_key = test_key_ec("P-256");
    scene->key = test_key_ec("P-256");
    scene->other_key = test_key_ec("P-256");
    scene->root = test_root_make("Root", scene->root_key);
    scene->sub = test_sub_ca_make("Sub", scene->sub_key, "02", scene->root, scene->root_key);
    scene->leaf = test_leaf_make("www.x.hk", scene->key, scene->sub, scene->sub_key);
    scene->other = test_leaf_make("www.x.hk", scene->other_key, scene->sub, scene->sub_key);
    scene->bundle.leaf = scene->leaf;
    scene->bundle.chain = sk_X509_new_null();
    assert_int_equal(sk_X509_push(scene->bundle.chain, scene->sub), 1);
    scene->leaf_pem = test_certificate_pem(scene->leaf);
    scene->sub_pem = test_certificate_pem(scene->sub);
    scene->root_pem = test_certificate_pem(scene->root);
    scene->other_pem = test_certificate_pem(scene->other);
    scene->key_pem = test_key_pem(scene->key, NULL, NULL);
    put(scene, "kept.key", (const char *)scene->key_pem.ptr);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    struct ecert_error err = {0};

    (void)!ecert_fs_remove_tree(-1, scene->folder, &err);
    sk_X509_free(scene->bundle.chain);
    X509_free(scene->root);
    X509_free(scene->sub);
    X509_free(scene->leaf);
    X509_free(scene->other);
    EVP_PKEY_free(scene->root_key);
    EVP_PKEY_free(scene->sub_key);
    EVP_PKEY_free(scene->key);
    EVP_PKEY_free(scene->other_key);
    ecert_bytes_clear(&scene->leaf_pem);
    ecert_bytes_clear(&scene->sub_pem);
    ecert_bytes_clear(&scene->root_pem);
    ecert_bytes_clear(&scene->other_pem);
    ecert_bytes_clear(&scene->key_pem);
    free(scene);
    return 0;
}

/* 'l' leaf, 's' sub, 'r' root, 'o' another leaf, '#' a comment */
static void test_certificates(void **state)
{
    const struct scene *scene = *state;
    static const struct {
        const char *what;
        const char *file;
        bool certificate, chain, fullchain;
    } rows[] = {
        {"the same", "ls", true, true, true},
        {"comments and the root", "#l#s#r", true, true, true},
        {"another order behind the leaf", "lrs", true, true, true},
        {"without its issuer", "l", true, false, false},
        {"the leaf is not the first", "sl", false, true, false},
        {"another leaf", "os", false, true, false},
        {"the issuers alone", "sr", false, true, false},
        {"nothing of ours", "#", false, false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_buffer text = {0};

        for (const char *c = rows[i].file; *c != '\0'; c++)
            ecert_buffer_add_text(&text, *c == 'l'   ? (const char *)scene->leaf_pem.ptr
                                         : *c == 's' ? (const char *)scene->sub_pem.ptr
                                         : *c == 'r' ? (const char *)scene->root_pem.ptr
                                         : *c == 'o' ? (const char *)scene->other_pem.ptr
                                                     : "a word of somebody's\r\n");
        ecert_buffer_add(&text, (struct ecert_view){(const uint8_t *)"", 1});
        put(scene, "there", (const char *)text.ptr);
        ecert_buffer_clear(&text);
        if (holds(scene, ECERT_MATERIAL_CERTIFICATE) != rows[i].certificate ||
            holds(scene, ECERT_MATERIAL_CHAIN) != rows[i].chain ||
            holds(scene, ECERT_MATERIAL_FULLCHAIN) != rows[i].fullchain)
            fail_msg("%s", rows[i].what);
    }
}

static void test_keys(void **state)
{
    const struct scene *scene = *state;
    struct ecert_bytes forms[] = {
        test_key_pem(scene->key, NULL, NULL),
        test_key_traditional_pem(scene->key, NULL, NULL),
        test_key_pem(scene->other_key, NULL, NULL),
        test_key_pem(scene->key, "AES-256-CBC", "secret"),
    };
    const bool want[] = {true, true, false, false};

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        put(scene, "there", (const char *)forms[i].ptr);
        assert_int_equal(holds(scene, ECERT_MATERIAL_KEY), want[i]);
        ecert_bytes_clear(&forms[i]);
    }
}

static void test_absent(void **state)
{
    const struct scene *scene = *state;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/there", scene->folder);
    (void)remove(path);
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        assert_false(holds(scene, (enum ecert_material)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_absent),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
