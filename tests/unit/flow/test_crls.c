#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "tests/unit/flow/chain_fixture.h"
#include "tests/unit/flow/fake_network.h"

#define DAY ((int64_t)86400)

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

static struct ecert_crls get_younger(struct fixture *f, int64_t max_age)
{
    struct ecert_crls crls = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_crls_get(&f->authority, &f->sources, max_age, &crls, &err), ECERT_OK);
    return crls;
}

static struct ecert_crls get(struct fixture *f)
{
    return get_younger(f, ECERT_CRL_AGE_KEPT);
}

/* Get them, ask for both sub CAs, and expect so many calls and problems. */
static void expect_younger(struct fixture *f, int64_t max_age, enum ecert_revocation new,
                           enum ecert_revocation old, unsigned calls, const char *problem)
{
    struct ecert_crls crls = get_younger(f, max_age);

    assert_int_equal(ecert_crls_look_up(&crls, f->sub, f->root), new);
    assert_int_equal(ecert_crls_look_up(&crls, f->sub_revoked, f->root), old);
    assert_int_equal(fake_network_calls_of(FIXTURE_ROOT_CRL), calls);
    if (problem == NULL)
        assert_int_equal(crls.problems.len, 0);
    else if (!fixture_says(&crls.problems, problem))
        fail_msg("no problem with '%s'", problem);
    ecert_crls_clear(&crls);
}

static void expect(struct fixture *f, enum ecert_revocation new, enum ecert_revocation old,
                   unsigned calls, const char *problem)
{
    expect_younger(f, ECERT_CRL_AGE_KEPT, new, old, calls, problem);
}

static void serve(X509_CRL *crl)
{
    (void)fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(crl));
    X509_CRL_free(crl);
}

static void fetched_and_cached_for_a_day(void **state)
{
    struct fixture *f = *state;

    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    ecert_clock_pretend(ecert_clock_now() + DAY + 10);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
}

static void pem_is_taken_too(void **state)
{
    struct fixture *f = *state;

    (void)fake_network_serve(FIXTURE_ROOT_CRL, test_crl_pem(f->root_crl));
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
}

/* 304: the copy is good for another day. */
static void asked_conditionally(void **state)
{
    struct fixture *f = *state;

    fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(f->root_crl))->etag = "\"a\"";
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    /* the same ETag for other bytes: whoever sees the bytes was not asked conditionally */
    static const char *const none[] = {NULL};
    serve(test_crl_make(f->root, f->root_key, none, 0, 0));
    fake_network_serve(FIXTURE_ROOT_CRL, (struct ecert_bytes){0})->etag = "\"a\"";
    ecert_clock_pretend(ecert_clock_now() + DAY + 10);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
}

/* What is new is judged by what the CA says now; what is kept, by the copy of today. */
static void asked_afresh_for_what_is_new(void **state)
{
    static const char *const both[] = {FIXTURE_SERIAL_OLD, FIXTURE_SERIAL_NEW, NULL};
    struct fixture *f = *state;

    fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(f->root_crl))->etag = "\"a\"";
    expect_younger(f, ECERT_CRL_AGE_NEW, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    ecert_clock_pretend(ecert_clock_now() + ECERT_CRL_AGE_NEW - 1);
    expect_younger(f, ECERT_CRL_AGE_NEW, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    ecert_clock_pretend(ecert_clock_now() + 1);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    /* 304: the copy counts as new again */
    fake_network_serve(FIXTURE_ROOT_CRL, (struct ecert_bytes){0})->etag = "\"a\"";
    expect_younger(f, ECERT_CRL_AGE_NEW, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
    expect_younger(f, ECERT_CRL_AGE_NEW, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
    /* revoked meanwhile */
    fake_network_serve(FIXTURE_ROOT_CRL, (struct ecert_bytes){0})->etag = NULL;
    serve(test_crl_make(f->root, f->root_key, both, 0, 0));
    ecert_clock_pretend(ecert_clock_now() + ECERT_CRL_AGE_NEW);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
    expect_younger(f, ECERT_CRL_AGE_NEW, ECERT_REVOKED_YES, ECERT_REVOKED_YES, 3, NULL);
}

/* A thousand certificates do not wait a thousand times for the server of the lists. */
static void one_that_lets_us_wait_is_asked_once(void **state)
{
    struct fixture *f = *state;

    fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(f->root_crl))->slow = true;
    fixture_add(&f->authority.crls, FIXTURE_SUB_CRL); /* of the same server */
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1, "no answer within 30 s");
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1,
           "not asked: 'http://crl1.test:80' did not answer in time before, in this run");
    assert_int_equal(fake_network_calls_of(FIXTURE_SUB_CRL), 0);
    assert_int_equal(fake_network_calls(), 1);
    ecert_strings_clear(&f->silent); /* the next run */
    fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(f->root_crl))->slow = false;
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, "HTTP status 404");
}

/* Nobody answers: the copy of today serves, and nothing is made of it. */
static void the_copy_serves_while_nobody_answers(void **state)
{
    struct fixture *f = *state;

    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    fake_network_cut(true);
    ecert_clock_pretend(ecert_clock_now() + ECERT_CRL_AGE_NEW);
    expect_younger(f, ECERT_CRL_AGE_NEW, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
}

static void not_to_be_had(void **state)
{
    struct fixture *f = *state;

    fake_network_cut(true);
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1,
           "no CRL from '" FIXTURE_ROOT_CRL "': connection refused"); /* its address once */
    f->sources.network = NULL;
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1, FIXTURE_ROOT_CRL);
}

static void out_of_date_still_says_yes(void **state)
{
    struct fixture *f = *state;
    struct ecert_crls crls = get(f);

    ecert_crls_clear(&crls);
    fake_network_cut(true);
    ecert_clock_pretend(ecert_clock_now() + 8 * DAY);
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_YES, 2, "out of date");
}

static void the_last_second_counts(void **state)
{
    struct fixture *f = *state;
    const int64_t end = ecert_clock_now() + 100;

    serve(test_crl_make(f->root, f->root_key, NULL, 0, end));
    ecert_clock_pretend(end);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_NO, 1, NULL);
    ecert_clock_pretend(end + 1);
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 2, "out of date");
}

static void of_the_future(void **state)
{
    struct fixture *f = *state;

    serve(test_crl_make(f->root, f->root_key, NULL, ecert_clock_now() + DAY,
                        ecert_clock_now() + 2 * DAY));
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1, "not valid yet");
}

/* The address answers with the root's name and another key; the good copy stays. */
static void forged(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = test_key_ec("P-256");
    X509_CRL *crl = test_crl_make(f->root, key, NULL, 0, 0);
    struct ecert_bytes der = test_crl_der(crl);

    X509_CRL_free(crl);
    (void)fake_network_serve(FIXTURE_ROOT_CRL, der);
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1, "not its signature");
    (void)fake_network_serve(FIXTURE_ROOT_CRL, test_crl_der(f->root_crl));
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, NULL);
    crl = test_crl_make(f->root, key, NULL, 0, 0);
    serve(crl);
    ecert_clock_pretend(ecert_clock_now() + DAY + 10);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 3, "not its signature");
    EVP_PKEY_free(key);
}

/* An old list from before the revocation, signed and in date. */
static void rolled_back(void **state)
{
    struct fixture *f = *state;

    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    serve(test_crl_make(f->root, f->root_key, NULL, ecert_clock_now() - 2 * DAY, 0));
    ecert_clock_pretend(ecert_clock_now() + DAY + 10);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2, "older than");
}

static void not_a_crl(void **state)
{
    struct fixture *f = *state;
    struct ecert_bytes page = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_bytes_copy(ecert_view_of("<html>moved</html>"), &page, &err), ECERT_OK);
    (void)fake_network_serve(FIXTURE_ROOT_CRL, page);
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1, FIXTURE_ROOT_CRL);
}

/* Whatever became of the cache, it is fetched anew. */
static void damaged_cache(void **state)
{
    struct fixture *f = *state;
    struct ecert_strings names = {0};
    struct ecert_error err = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    char *folder = NULL;

    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
    assert_int_equal(ecert_text_format(&folder, &err, "%s/crls", f->state_dir), ECERT_OK);
    assert_int_equal(ecert_fs_list(folder, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 2);
    for (size_t i = 0; i < names.len; i++) {
        char *path = NULL;
        assert_int_equal(ecert_text_format(&path, &err, "%s/%s", folder, names.items[i]), ECERT_OK);
        assert_int_equal(ecert_fs_replace(path, ecert_view_of("{"), &owner, &err), ECERT_OK);
        free(path);
        expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 2 + (unsigned)i, NULL);
    }
    ecert_strings_clear(&names);
    free(folder);
}

static void add_point(X509_CRL *crl, int ca, int user, EVP_PKEY *key)
{
    ISSUING_DIST_POINT *point = ISSUING_DIST_POINT_new();

    assert_non_null(point);
    point->onlyCA = ca ? 0xff : 0;
    point->onlyuser = user ? 0xff : 0;
    assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_issuing_distribution_point, point, 1, 0), 1);
    ISSUING_DIST_POINT_free(point);
    assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
}

static void narrowed_to_cas(void **state)
{
    struct fixture *f = *state;
    static const char *const old[] = {FIXTURE_SERIAL_OLD, NULL};
    X509_CRL *crl = test_crl_make(f->root, f->root_key, old, 0, 0);

    add_point(crl, 1, 0, f->root_key);
    serve(crl);
    expect(f, ECERT_REVOKED_NO, ECERT_REVOKED_YES, 1, NULL);
}

/* A list of leaves only proves nothing about a CA. */
static void narrowed_to_leaves(void **state)
{
    struct fixture *f = *state;
    X509_CRL *crl = test_crl_make(f->root, f->root_key, NULL, 0, 0);

    add_point(crl, 0, 1, f->root_key);
    serve(crl);
    expect(f, ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_UNKNOWN, 1, NULL);
}

static void of_another_issuer(void **state)
{
    struct fixture *f = *state;
    struct ecert_crls crls = get(f);

    assert_int_equal(ecert_crls_look_up(&crls, f->leaf, f->sub), ECERT_REVOKED_UNKNOWN);
    assert_int_equal(ecert_crls_look_up(NULL, f->sub, f->root), ECERT_REVOKED_UNKNOWN);
    ecert_crls_clear(&crls);
}

/* A sub CA's list is not judged when it comes; a stranger's proves nothing when it is used. */
static void of_a_sub_ca(void **state)
{
    static const char *const leaf[] = {"1001", NULL};
    struct fixture *f = *state;
    X509_CRL *made[] = {test_crl_make(f->sub, f->root_key, leaf, 0, 0),
                        test_crl_make(f->sub, f->sub_key, leaf, 0, 0)};
    const enum ecert_revocation want[] = {ECERT_REVOKED_UNKNOWN, ECERT_REVOKED_YES};

    fixture_add(&f->authority.crls, FIXTURE_SUB_CRL);
    for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
        (void)fake_network_serve(FIXTURE_SUB_CRL, test_crl_der(made[i]));
        X509_CRL_free(made[i]);
        struct ecert_crls crls = get(f);
        assert_int_equal(ecert_crls_look_up(&crls, f->leaf, f->sub), want[i]);
        ecert_crls_clear(&crls);
        ecert_clock_pretend(ecert_clock_now() + DAY + 10);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fetched_and_cached_for_a_day),
        TEST(pem_is_taken_too),
        TEST(asked_conditionally),
        TEST(asked_afresh_for_what_is_new),
        TEST(one_that_lets_us_wait_is_asked_once),
        TEST(the_copy_serves_while_nobody_answers),
        TEST(not_to_be_had),
        TEST(out_of_date_still_says_yes),
        TEST(the_last_second_counts),
        TEST(of_the_future),
        TEST(forged),
        TEST(rolled_back),
        TEST(not_a_crl),
        TEST(damaged_cache),
        TEST(narrowed_to_cas),
        TEST(narrowed_to_leaves),
        TEST(of_another_issuer),
        TEST(of_a_sub_ca),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
