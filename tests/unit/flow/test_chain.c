#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "tests/unit/flow/chain_fixture.h"
#include "tests/unit/flow/fake_network.h"

static int setup(void **state)
{
    *state = fixture_make();
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* ---- the pinned one ---- */

static void fetched_once_then_cached(void **state)
{
    struct fixture *f = *state;
    struct built built = fixture_build(f, NULL, NULL);

    built_expect(&built, f->root, f->sub, NULL);
    assert_int_equal(built.notes.len, 0);
    assert_int_equal(fake_network_calls_of(FIXTURE_SUB_URL), 1);
    built_clear(&built);

    fake_network_cut(true); /* works off the cache when the network is down */
    built = fixture_build(f, NULL, NULL);
    built_expect(&built, f->root, f->sub, NULL);
    assert_int_equal(fake_network_calls_of(FIXTURE_SUB_URL), 1);
    built_clear(&built);
    f->sources.network = NULL;
    built = fixture_build(f, NULL, NULL);
    built_expect(&built, f->root, f->sub, NULL);
    built_clear(&built);
}

/* Issuers, too: neither this address nor another one of the same server. */
static void a_server_that_lets_us_wait_is_asked_once(void **state)
{
    struct fixture *f = *state;

    fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(f->sub))->slow = true;
    for (unsigned i = 0; i < 2; i++) {
        struct built built = fixture_build_for(f, f->leaf, NULL, NULL, true);

        built_expect_failure(&built, built.status, FIXTURE_SUB_URL,
                             i == 0 ? "no answer within 30 s" : "not asked: 'http://www1.test:80'");
        assert_int_equal(fake_network_calls_of(FIXTURE_SUB_URL), 1);
        assert_int_equal(fake_network_calls_of(FIXTURE_CROSS_URL), 0);
        built_clear(&built);
    }
    assert_int_equal(fake_network_calls_of(FIXTURE_ROOT_CRL), 1); /* another server */
}

static void damaged_cache_is_no_cache(void **state)
{
    struct fixture *f = *state;
    struct ecert_bytes other = test_certificate_pem(f->sub_revoked);
    struct ecert_error err = {0};
    char *path = NULL, *folder = NULL;
    const struct ecert_fs_owner owner = ecert_fs_own(0600);

    /* the revoked twin under the name of the current one */
    assert_int_equal(ecert_text_format(&folder, &err, "%s/chains", f->state_dir), ECERT_OK);
    assert_int_equal(ecert_fs_make_directories(folder, 0700, &err), ECERT_OK);
    assert_int_equal(
        ecert_text_format(&path, &err, "%s/%s.pem", folder, f->authority.intermediates[0].sha256),
        ECERT_OK);
    assert_int_equal(ecert_fs_replace(path, ecert_bytes_view(&other), &owner, &err), ECERT_OK);
    struct built built = fixture_build(f, NULL, NULL);
    built_expect(&built, f->root, f->sub, NULL);
    assert_int_equal(fake_network_calls_of(FIXTURE_SUB_URL), 1);
    built_clear(&built);
    ecert_bytes_clear(&other);
    free(folder);
    free(path);
}

static void der_and_pem_are_told_by_content(void **state)
{
    struct fixture *f = *state;

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_der(f->sub));
    struct built built = fixture_build(f, NULL, NULL);
    built_expect(&built, f->root, f->sub, NULL);
    built_clear(&built);
}

static void pinned_but_on_the_crl(void **state)
{
    struct fixture *f = *state;
    static const char *const both[] = {FIXTURE_SERIAL_OLD, FIXTURE_SERIAL_NEW, NULL};
    X509_CRL *crl = test_crl_make(f->root, f->root_key, both, 0, 0);

    (void)fake_network_serve(FIXTURE_ROOT_CRL, test_crl_pem(crl));
    struct built built = fixture_build(f, NULL, NULL);
    built_expect_failure(&built, ECERT_E_REFUSED, "update the profile", FIXTURE_SERIAL_NEW);
    built_clear(&built);
    X509_CRL_free(crl);
}

/* ---- the revoked twin ---- */

static void revoked_by_the_issued_file(void **state)
{
    struct fixture *f = *state;
    struct built built = fixture_build(f, fixture_stack(f->sub_revoked, NULL), NULL);

    built_expect(&built, f->root, f->sub, NULL);
    built_expect_note(&built, "serial 2017 (from the issued file)", "serial 2025");
    built_clear(&built);
}

static void revoked_by_the_operator(void **state)
{
    struct fixture *f = *state;
    struct built built = fixture_build(f, NULL, fixture_stack(f->sub_revoked, NULL));

    built_expect(&built, f->root, f->sub, NULL);
    built_expect_note(&built, "serial 2017 (from the chain file)", "serial 2025");
    built_clear(&built);
}

static void revoked_by_the_address_current_in_the_file(void **state)
{
    struct fixture *f = *state;

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(f->sub_revoked));
    struct built built = fixture_build(f, fixture_stack(f->sub, NULL), NULL);
    built_expect(&built, f->root, f->sub, NULL);
    built_clear(&built);
    /* and the current one was kept: the next leaf may come alone */
    built = fixture_build(f, NULL, NULL);
    built_expect(&built, f->root, f->sub, NULL);
    built_clear(&built);
}

static void revoked_everywhere(void **state)
{
    struct fixture *f = *state;

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(f->sub_revoked));
    struct built built =
        fixture_build(f, fixture_stack(f->sub_revoked, NULL), fixture_stack(f->sub_revoked, NULL));
    built_expect_failure(&built, ECERT_E_REFUSED, "serial 2017", "serial 2025");
    built_clear(&built);
}

static void revoked_and_the_network_is_down(void **state)
{
    struct fixture *f = *state;

    fake_network_cut(true);
    struct built built = fixture_build(f, fixture_stack(f->sub_revoked, NULL), NULL);
    /* NETWORK: the same issued file will do when the address answers again */
    built_expect_failure(&built, ECERT_E_NETWORK, "serial 2017", "serial 2025");
    built_clear(&built);
}

static void revoked_without_serial_in_the_profile(void **state)
{
    struct fixture *f = *state;

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(f->sub_revoked));
    fixture_set(&f->authority.intermediates[0].serial, NULL);
    struct built built = fixture_build(f, NULL, NULL);
    built_expect_failure(&built, ECERT_E_REFUSED, "serial 2017",
                         f->authority.intermediates[0].sha256);
    built_clear(&built);
}

/* A profile without pins and lists has only the CRL to tell them apart. */
static void drop_pins(struct fixture *f)
{
    fixture_set(&f->authority.intermediates[0].sha256, NULL);
    fixture_set(&f->authority.intermediates[0].serial, NULL);
    fixture_empty(&f->authority.intermediates[0].revoked);
}

static void revoked_by_the_crl_alone(void **state)
{
    struct fixture *f = *state;

    drop_pins(f);
    struct built built = fixture_build(f, fixture_stack(f->sub_revoked, NULL), NULL);
    built_expect(&built, f->root, f->sub, NULL);
    built_expect_note(&built, "serial 2017", "serial 2025");
    built_clear(&built);
    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(f->sub_revoked));
    f->authority.n_cross_certificates = 0;
    test_folder_remove(f->state_dir);
    f->sources.state_dir = f->state_dir = test_folder_make();
    built = fixture_build(f, fixture_stack(f->sub_revoked, NULL), NULL);
    f->authority.n_cross_certificates = 1;
    built_expect_failure(&built, ECERT_E_REFUSED, "serial 2017", "is revoked");
    built_clear(&built);
}

/* ---- not pinned ---- */

static X509 *make_next(struct fixture *f)
{
    return test_sub_ca_make(FIXTURE_SUB_NAME, f->sub_key, "2027", f->root, f->root_key);
}

static void newer_than_the_profile(void **state)
{
    struct fixture *f = *state;
    X509 *next = make_next(f);

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(next));
    struct built built = fixture_build(f, NULL, NULL);
    built_expect(&built, f->root, next, NULL);
    built_expect_note(&built, "now serves", "serial 2027");
    built_clear(&built);
    X509_free(next);
}

static void newer_without_a_crl(void **state)
{
    struct fixture *f = *state;
    X509 *next = make_next(f);

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(next));
    fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(f->root_crl))->down = true;
    struct built built = fixture_build(f, NULL, NULL);
    built_expect_failure(&built, ECERT_E_NETWORK, "no CRL in date", "serial 2027");
    built_clear(&built);
    X509_free(next);
}

/* A stranger's CA of the same name: plain HTTP can bring anything. */
static void forged(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = test_key_ec("P-256");
    X509 *root = test_root_make("Test Root CA 3", key);
    X509 *sub = test_sub_ca_make(FIXTURE_SUB_NAME, key, "2025", root, key);

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(sub));
    (void)fake_network_serve(FIXTURE_ISSUERS_URL, test_certificate_pem(sub));
    struct built built = fixture_build(f, fixture_stack(root, sub, NULL), NULL);
    built_expect_failure(&built, ECERT_E_CRYPTO, "is missing", FIXTURE_SUB_NAME);
    built_clear(&built);
    X509_free(sub);
    X509_free(root);
    EVP_PKEY_free(key);
}

/* The current root's name, and no key identifier to betray it: the signature alone must. */
static void forged_without_key_identifiers(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = test_key_ec("P-256");
    X509 *sub = test_certificate_make(&(struct test_certificate){.key = f->sub_key,
                                                                 .common_name = FIXTURE_SUB_NAME,
                                                                 .issuer = f->root,
                                                                 .issuer_key = key,
                                                                 .serial = "2025",
                                                                 .ca = true,
                                                                 .no_key_identifiers = true});

    drop_pins(f);
    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(sub));
    (void)fake_network_serve(FIXTURE_ISSUERS_URL, test_certificate_pem(sub));
    struct built built = fixture_build(f, fixture_stack(sub, NULL), NULL);
    built_expect_failure(&built, ECERT_E_CRYPTO, "is missing", "Test Root CA 3");
    built_clear(&built);
    X509_free(sub);
    EVP_PKEY_free(key);
}

/* A good certificate under another one's name: the cache is not what we wrote, so it is nothing. */
static void cached_under_a_wrong_name(void **state)
{
    struct fixture *f = *state;
    struct ecert_bytes pem = test_certificate_pem(f->sub);
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    struct ecert_crls crls = {0};
    struct ecert_error err = {0};
    char *path = NULL;

    drop_pins(f);
    assert_int_equal(ecert_crls_get(&f->authority, &f->sources, ECERT_CRL_AGE_KEPT, &crls, &err),
                     ECERT_OK);
    ecert_crls_clear(&crls);
    assert_int_equal(ecert_text_format(&path, &err, "%s/chains", f->state_dir), ECERT_OK);
    assert_int_equal(ecert_fs_make_directories(path, 0700, &err), ECERT_OK);
    free(path);
    assert_int_equal(ecert_text_format(&path, &err, "%s/chains/%064d.pem", f->state_dir, 0),
                     ECERT_OK);
    assert_int_equal(ecert_fs_replace(path, ecert_bytes_view(&pem), &owner, &err), ECERT_OK);
    fake_network_cut(true);
    struct built built = fixture_build(f, NULL, NULL);
    built_expect_failure(&built, ECERT_E_NETWORK, "is missing", "connection refused");
    built_clear(&built);
    ecert_bytes_clear(&pem);
    free(path);
}

static void expired_issuer(void **state)
{
    struct fixture *f = *state;

    drop_pins(f);
    fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(f->sub))->down = true;
    f->sources.network = NULL;
    const int64_t now = ecert_clock_now();
    X509 *old = test_certificate_make(&(struct test_certificate){.key = f->sub_key,
                                                                 .common_name = FIXTURE_SUB_NAME,
                                                                 .issuer = f->root,
                                                                 .issuer_key = f->root_key,
                                                                 .serial = "2001",
                                                                 .not_before = now - 9000,
                                                                 .not_after = now - 1,
                                                                 .ca = true});
    struct built built = fixture_build(f, fixture_stack(old, NULL), NULL);
    built_expect_failure(&built, ECERT_E_CRYPTO, "serial 2001", "is valid from");
    built_clear(&built);
    X509_free(old);
}

static void nowhere(void **state)
{
    struct fixture *f = *state;

    (void)fake_network_serve(FIXTURE_SUB_URL, test_certificate_pem(f->root));
    (void)fake_network_serve(FIXTURE_ISSUERS_URL, test_certificate_pem(f->root));
    struct built built = fixture_build(f, NULL, NULL);
    built_expect_failure(&built, ECERT_E_CRYPTO,
                         "'" FIXTURE_SUB_NAME "' of 'www.test.hk' is missing", FIXTURE_SUB_URL);
    built_clear(&built);
}

static void leaf_of_an_anchor(void **state)
{
    struct fixture *f = *state;
    X509 *leaf = test_leaf_make("direct.test.hk", f->leaf_key, f->root, f->root_key);
    struct built built =
        fixture_build_for(f, leaf, fixture_stack(f->root, f->sub, NULL), NULL, false);

    built_expect(&built, f->root, NULL);
    built_clear(&built);
    X509_free(leaf);
}

/* ---- a private CA ---- */

static void private_chain_any_order(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = test_key_ec("P-256");
    X509 *policy = test_sub_ca_make("Policy CA", key, "77", f->root, f->root_key);
    X509 *issuing = test_sub_ca_make("Issuing CA", key, "78", policy, key);
    X509 *leaf = test_leaf_make("in.test.hk", f->leaf_key, issuing, key);

    f->authority.n_intermediates = 0;
    fixture_empty(&f->authority.crls);
    /* root first, the other way round, one twice, a stranger */
    struct built built = fixture_build_for(
        f, leaf, fixture_stack(f->root, policy, f->sub_revoked, issuing, policy, NULL),
        fixture_stack(issuing, NULL), false);
    f->authority.n_intermediates = 1;
    built_expect(&built, f->root, issuing, policy, NULL);
    assert_int_equal(fake_network_calls(), 0);
    built_clear(&built);
    X509_free(leaf);
    X509_free(issuing);
    X509_free(policy);
    EVP_PKEY_free(key);
}

static void deeper_than_eight(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = test_key_ec("P-256");
    X509 *line[10] = {NULL};
    STACK_OF(X509) *all = fixture_stack(NULL);

    f->authority.n_intermediates = 0;
    fixture_empty(&f->authority.crls);
    for (int i = 0; i < 10; i++) {
        char name[16], serial[16];
        (void)snprintf(name, sizeof name, "CA %d", i);
        (void)snprintf(serial, sizeof serial, "%d", 10 + i);
        line[i] = test_sub_ca_make(name, key, serial, i == 0 ? f->root : line[i - 1],
                                   i == 0 ? f->root_key : key);
        assert_true(sk_X509_push(all, line[i]) > 0);
    }
    X509 *leaf = test_leaf_make("deep.test.hk", f->leaf_key, line[9], key);
    struct built built = fixture_build_for(f, leaf, all, NULL, false);
    f->authority.n_intermediates = 1;
    assert_int_equal(built.status, ECERT_E_CRYPTO);
    built_clear(&built);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

/* ---- addresses inside certificates ---- */

static void issuers_address_of_a_listed_host(void **state)
{
    struct fixture *f = *state;

    fixture_set(&f->authority.intermediates[0].url, NULL);
    struct fake_page *page = fake_network_serve(FIXTURE_ISSUERS_URL, test_certificate_der(f->sub));
    struct built built = fixture_build(f, NULL, NULL);
    built_expect(&built, f->root, f->sub, NULL);
    assert_int_equal(page->calls, 1);
    assert_true(page->public_only);
    built_clear(&built);
}

static void issuers_address_of_a_stranger(void **state)
{
    static const char *const hosts[] = {"www2.test", "test", "www1", "www1.test.example", NULL};
    struct fixture *f = *state;

    fixture_set(&f->authority.intermediates[0].url, NULL);
    fixture_empty(&f->authority.hosts);
    for (size_t i = 0; hosts[i] != NULL; i++)
        fixture_add(&f->authority.hosts, hosts[i]);
    struct fake_page *page = fake_network_serve(FIXTURE_ISSUERS_URL, test_certificate_der(f->sub));
    struct built built = fixture_build(f, NULL, NULL);
    built_expect_failure(&built, ECERT_E_CRYPTO, "is missing", "www.test.hk");
    assert_int_equal(page->calls, 0);
    built_clear(&built);
}

static void issuers_address_with_a_user_name(void **state)
{
    struct fixture *f = *state;
    const char *const url = "http://www1.test@evil.example/x";
    X509 *leaf = test_certificate_make(&(struct test_certificate){.key = f->leaf_key,
                                                                  .common_name = "x",
                                                                  .issuer = f->sub,
                                                                  .issuer_key = f->sub_key,
                                                                  .issuers_url = url});

    fixture_set(&f->authority.intermediates[0].url, NULL);
    struct fake_page *page = fake_network_serve(url, test_certificate_der(f->sub));
    struct built built = fixture_build_for(f, leaf, NULL, NULL, false);
    assert_int_equal(built.status, ECERT_E_CRYPTO);
    assert_int_equal(page->calls, 0);
    built_clear(&built);
    X509_free(leaf);
}

static void anchor_of_a_stored_chain(void **state)
{
    struct fixture *f = *state;
    STACK_OF(X509) *chain = fixture_stack(f->sub, f->cross, NULL);
    STACK_OF(X509) *wrong = fixture_stack(f->other, NULL);
    struct ecert_error err = {0};
    X509 *anchor = NULL;

    assert_int_equal(ecert_chain_find_anchor(&f->authority, f->leaf, chain, &anchor, &err),
                     ECERT_OK);
    assert_true(anchor == f->root);
    X509_free(anchor);
    anchor = NULL;
    assert_int_equal(ecert_chain_find_anchor(&f->authority, f->leaf, wrong, &anchor, &err),
                     ECERT_OK);
    assert_null(anchor);
    sk_X509_pop_free(chain, X509_free);
    sk_X509_pop_free(wrong, X509_free);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fetched_once_then_cached),
        TEST(a_server_that_lets_us_wait_is_asked_once),
        TEST(damaged_cache_is_no_cache),
        TEST(der_and_pem_are_told_by_content),
        TEST(pinned_but_on_the_crl),
        TEST(revoked_by_the_issued_file),
        TEST(revoked_by_the_operator),
        TEST(revoked_by_the_address_current_in_the_file),
        TEST(revoked_everywhere),
        TEST(revoked_and_the_network_is_down),
        TEST(revoked_without_serial_in_the_profile),
        TEST(revoked_by_the_crl_alone),
        TEST(newer_than_the_profile),
        TEST(newer_without_a_crl),
        TEST(forged),
        TEST(forged_without_key_identifiers),
        TEST(cached_under_a_wrong_name),
        TEST(expired_issuer),
        TEST(nowhere),
        TEST(leaf_of_an_anchor),
        TEST(private_chain_any_order),
        TEST(deeper_than_eight),
        TEST(issuers_address_of_a_listed_host),
        TEST(issuers_address_of_a_stranger),
        TEST(issuers_address_with_a_user_name),
        TEST(anchor_of_a_stored_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
