#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
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

static void cross_goes_last(void **state)
{
    struct fixture *f = *state;
    struct built built = fixture_build_for(f, f->leaf, NULL, NULL, true);

    built_expect(&built, f->root, f->sub, f->cross, NULL);
    built_clear(&built);
    fake_network_cut(true);
    built = fixture_build_for(f, f->leaf, NULL, NULL, true);
    built_expect(&built, f->root, f->sub, f->cross, NULL);
    assert_int_equal(fake_network_calls_of(FIXTURE_CROSS_URL), 1);
    built_clear(&built);
}

static void cross_not_to_be_had(void **state)
{
    struct fixture *f = *state;

    fake_network_serve(FIXTURE_CROSS_URL, test_certificate_der(f->cross))->down = true;
    struct built built = fixture_build_for(f, f->leaf, NULL, NULL, true);
    built_expect(&built, f->root, f->sub, NULL);
    built_expect_note(&built, "no cross-certificate", "connection refused");
    built_clear(&built);
}

static void cross_by_signature(void **state)
{
    struct fixture *f = *state;

    fixture_set(&f->authority.cross_certificates[0].sha256, NULL);
    struct built built = fixture_build_for(f, f->leaf, NULL, NULL, true);
    built_expect(&built, f->root, f->sub, f->cross, NULL);
    built_clear(&built);
}

static void cross_by_a_stranger(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = test_key_ec("P-256");
    X509 *root = test_root_make("Other Root R3", key);
    X509 *cross = test_sub_ca_make("Test Root CA 3", f->root_key, "C0", root, key);

    (void)fake_network_serve(FIXTURE_CROSS_URL, test_certificate_der(cross));
    struct built built = fixture_build_for(f, f->leaf, fixture_stack(cross, NULL), NULL, true);
    built_expect(&built, f->root, f->sub, NULL);
    built_expect_note(&built, "no cross-certificate", "left out");
    built_clear(&built);
    X509_free(cross);
    X509_free(root);
    EVP_PKEY_free(key);
}

/* Pinned, but for another key than the anchor's: the wrong certificate in the profile. */
static void cross_for_another_key(void **state)
{
    struct fixture *f = *state;
    char hash[ECERT_SHA256_HEX_LEN];
    X509 *wrong = test_sub_ca_make("Test Root CA 3", f->sub_key, "C1", f->other, f->other_key);

    ecert_certificate_sha256(wrong, hash);
    fixture_set(&f->authority.cross_certificates[0].sha256, hash);
    (void)fake_network_serve(FIXTURE_CROSS_URL, test_certificate_der(wrong));
    struct built built = fixture_build_for(f, f->leaf, NULL, NULL, true);
    built_expect(&built, f->root, f->sub, NULL);
    built_expect_note(&built, "no cross-certificate", "left out");
    built_clear(&built);
    X509_free(wrong);
}

static void cross_only_while_it_is_valid(void **state)
{
    struct fixture *f = *state;
    const int64_t end = ecert_clock_now() + 5000;
    char hash[ECERT_SHA256_HEX_LEN];
    X509 *cross = test_certificate_make(&(struct test_certificate){.key = f->root_key,
                                                                   .common_name = "Test Root CA 3",
                                                                   .issuer = f->other,
                                                                   .issuer_key = f->other_key,
                                                                   .serial = "C2",
                                                                   .not_after = end,
                                                                   .ca = true});

    ecert_certificate_sha256(cross, hash);
    fixture_set(&f->authority.cross_certificates[0].sha256, hash);
    (void)fake_network_serve(FIXTURE_CROSS_URL, test_certificate_der(cross));
    ecert_clock_pretend(end); /* its last second */
    struct built built = fixture_build_for(f, f->leaf, NULL, NULL, true);
    built_expect(&built, f->root, f->sub, cross, NULL);
    built_clear(&built);
    ecert_clock_pretend(end + 1);
    built = fixture_build_for(f, f->leaf, NULL, NULL, true);
    built_expect(&built, f->root, f->sub, NULL);
    built_expect_note(&built, "serial C2", "left out");
    built_clear(&built);
    X509_free(cross);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cross_goes_last),     TEST(cross_not_to_be_had),   TEST(cross_by_signature),
        TEST(cross_by_a_stranger), TEST(cross_for_another_key), TEST(cross_only_while_it_is_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
