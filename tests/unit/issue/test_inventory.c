#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "core/issue/inventory.h"
#include "tests/support/test_pki.h"

/* Roots of two CAs, of which one has a profile; "sub" and "cross" lead to it. */
static EVP_PKEY *root_key, *sub_key, *key, *far_key, *far_sub_key;
static X509 *root, *sub, *leaf, *far_root, *far_sub, *far_leaf, *own;
static char post[] = "post", system_id[] = "system", sub_name[] = "Sub";
static struct ecert_authority authorities[2];
static struct ecert_authority_intermediate entries[1];
static struct ecert_inventory found;

static int setup(void **state)
{
    (void)state;
    root_key = test_key_ec("P-256");
    sub_key = test_key_ec("P-256");
    key = test_key_ec("P-256");
    far_key = test_key_ec("P-256");
    far_sub_key = test_key_ec("P-256");
    root = test_root_make("Root", root_key);
    sub = test_sub_ca_make("Sub", sub_key, "02", root, root_key);
    leaf = test_leaf_make("www.x.hk", key, sub, sub_key);
    far_root = test_root_make("Far Root", far_key);
    far_sub = test_sub_ca_make("Far Sub", far_sub_key, "02", far_root, far_key);
    far_leaf = test_leaf_make("www.x.hk", key, far_sub, far_sub_key);
    own = test_leaf_make("www.x.hk", key, NULL, NULL);
    entries[0].subject = sub_name;
    authorities[0] = (struct ecert_authority){
        .id = post, .anchors = sk_X509_new_null(), .intermediates = entries, .n_intermediates = 1};
    assert_int_equal(sk_X509_push(authorities[0].anchors, root), 1);
    authorities[1] = (struct ecert_authority){.id = system_id, .anchors = sk_X509_new_null()};
    found = (struct ecert_inventory){.authorities = authorities, .n_authorities = 2};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    X509 *const certificates[] = {root, sub, leaf, far_root, far_sub, far_leaf, own};
    EVP_PKEY *const keys[] = {root_key, sub_key, key, far_key, far_sub_key};

    for (size_t i = 0; i < ARRAY_SIZE(certificates); i++)
        X509_free(certificates[i]);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        EVP_PKEY_free(keys[i]);
    for (size_t i = 0; i < ARRAY_SIZE(authorities); i++)
        sk_X509_free(authorities[i].anchors);
    return 0;
}

static X509 *letter(char c)
{
    switch (c) {
    case 'l':
        return leaf;
    case 's':
        return sub;
    case 'r':
        return root;
    case 'L':
        return far_leaf;
    case 'S':
        return far_sub;
    case 'R':
        return far_root;
    default:
        return own;
    }
}

static void test_chains(void **state)
{
    (void)state;
    static const struct {
        const char *what, *sent;
        enum ecert_inventory_chain want;
        const char *authority; /* NULL: not known */
        bool by_profile;
    } rows[] = {
        {"leaf and issuer", "ls", ECERT_INVENTORY_COMPLETE, "post", true},
        {"with the root", "lsr", ECERT_INVENTORY_COMPLETE, "post", true},
        {"the root in front of the issuer", "lrs", ECERT_INVENTORY_OUT_OF_ORDER, "post", true},
        {"a foreign issuer in between", "lSs", ECERT_INVENTORY_OUT_OF_ORDER, "post", true},
        {"the leaf alone, known by its issuer's name", "l", ECERT_INVENTORY_INCOMPLETE, "post",
         true},
        {"the leaf alone, of nobody known", "L", ECERT_INVENTORY_INCOMPLETE, NULL, false},
        {"of nobody known", "LS", ECERT_INVENTORY_UNKNOWN, NULL, false},
        {"of nobody known, with its root", "LSR", ECERT_INVENTORY_UNKNOWN, NULL, false},
        {"self-signed", "o", ECERT_INVENTORY_SELF_SIGNED, NULL, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_inventory_certificate certificate = {.certificates = sk_X509_new_null()};
        struct ecert_error err = {0};

        for (const char *c = rows[i].sent; *c != '\0'; c++)
            assert_true(sk_X509_push(certificate.certificates, letter(*c)) > 0);
        certificate.leaf = sk_X509_value(certificate.certificates, 0);
        assert_int_equal(ecert_inventory_judge(&found, &certificate, &err), ECERT_OK);
        if (certificate.chain != rows[i].want)
            fail_msg("%s: %s", rows[i].what, ecert_inventory_chain_word(certificate.chain));
        if (rows[i].authority == NULL)
            assert_null(certificate.authority);
        else
            assert_string_equal(certificate.authority, rows[i].authority);
        assert_int_equal(certificate.is_issued_by_profile, rows[i].by_profile);
        free(certificate.authority);
        sk_X509_free(certificate.certificates);
    }
}

/* What the operating system believes is no profile: such a certificate is replaced by ours. */
static void test_system(void **state)
{
    (void)state;
    struct ecert_inventory_certificate certificate = {.certificates = sk_X509_new_null(),
                                                      .leaf = far_leaf};
    struct ecert_error err = {0};

    assert_true(sk_X509_push(authorities[1].anchors, far_root) > 0);
    assert_true(sk_X509_push(certificate.certificates, far_leaf) > 0);
    assert_true(sk_X509_push(certificate.certificates, far_sub) > 0);
    assert_int_equal(ecert_inventory_judge(&found, &certificate, &err), ECERT_OK);
    assert_int_equal(certificate.chain, ECERT_INVENTORY_COMPLETE);
    assert_string_equal(certificate.authority, "system");
    assert_false(certificate.is_issued_by_profile);
    free(certificate.authority);
    sk_X509_free(certificate.certificates);
    (void)sk_X509_pop(authorities[1].anchors);
}

static void test_place(void **state)
{
    (void)state;
    char kind[] = "server block", file[] = "/etc/x", name[] = "www.x.hk";
    char *names[] = {name, NULL};
    const struct {
        struct ecert_site site;
        const char *want;
    } rows[] = {
        {{.kind = kind, .file = file, .line = 3}, "server block at /etc/x:3"},
        {{.kind = kind, .file = file}, "server block in /etc/x"},
        {{.kind = kind, .names = {names, 1}}, "server block of 'www.x.hk'"},
        {{.kind = kind}, "server block of ''"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_error err = {0};
        char *place = NULL;

        assert_int_equal(ecert_inventory_place(&rows[i].site, &place, &err), ECERT_OK);
        assert_string_equal(place, rows[i].want);
        free(place);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_place),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
