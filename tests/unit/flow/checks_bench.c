#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "tests/unit/flow/checks_bench.h"

void bench_push(struct bench *bench, X509 *certificate)
{
    assert_true(sk_X509_push(bench->input.chain, certificate) > 0);
    (void)X509_up_ref(certificate);
}

void bench_drop_chain(struct bench *bench)
{
    while (sk_X509_num(bench->input.chain) > 0)
        X509_free(sk_X509_pop(bench->input.chain));
}

/* A leaf as the fixture's, to be changed in bench->what before bench_reissue(). */
void bench_reissue(struct bench *bench)
{
    uint8_t *id = bench->key_id;
    struct ecert_error err = {0};

    X509_free(bench->leaf);
    bench->leaf = test_certificate_make(&bench->what);
    bench->input.leaf = bench->leaf;
    assert_int_equal(ecert_certificate_key_id(bench->leaf, id, &err), ECERT_OK);
}

struct bench *bench_make(void)
{
    struct bench *bench = calloc(1, sizeof *bench);

    assert_non_null(bench);
    struct fixture *f = bench->f = fixture_make();
    const int64_t now = ecert_clock_now();
    bench->names[0] = "www.test.hk";
    bench->what = (struct test_certificate){.key = f->leaf_key,
                                            .common_name = "www.test.hk",
                                            .names = bench->names,
                                            .issuer = f->sub,
                                            .issuer_key = f->sub_key,
                                            .serial = "1001",
                                            .not_before = now - 3600,
                                            .not_after = now - 3600 + 199 * DAY - 1,
                                            .eku = "serverAuth",
                                            .policies = P_ALL,
                                            .leaf_constraints = true};
    bench->crls.crls = sk_X509_CRL_new_null();
    X509_CRL *none = test_crl_make(f->sub, f->sub_key, NULL, 0, 0);
    assert_true(sk_X509_CRL_push(bench->crls.crls, f->root_crl) > 0);
    assert_int_equal(X509_CRL_up_ref(f->root_crl), 1);
    assert_true(sk_X509_CRL_push(bench->crls.crls, none) > 0);
    bench->input = (struct ecert_check_input){.authority = &f->authority,
                                              .chain = fixture_stack(f->sub, f->cross, NULL),
                                              .anchor = f->root,
                                              .key_id = bench->key_id,
                                              .names = bench->names,
                                              .crls = &bench->crls,
                                              .now = now};
    bench_reissue(bench);
    return bench;
}

void bench_free(struct bench *bench)
{
    sk_X509_pop_free(bench->input.chain, X509_free);
    ecert_crls_clear(&bench->crls);
    X509_free(bench->leaf);
    X509_free(bench->newest);
    X509_free(bench->extra);
    EVP_PKEY_free(bench->key);
    fixture_free(bench->f);
    free(bench);
}

/* ---- bends that more than one program uses ---- */

void bench_good(struct bench *b)
{
    (void)b;
}

void bench_other_key(struct bench *b)
{
    b->key_id[0] ^= 1;
}

void bench_name_not_covered(struct bench *b)
{
    static const char *const names[] = {"www.test.hk", "shop.test.hk", NULL};

    b->input.names = names;
}

/* By every clock, OpenSSL's own too. */
void bench_expired_yesterday(struct bench *b)
{
    b->what.not_before -= 2 * DAY;
    b->what.not_after = b->input.now - DAY;
    bench_reissue(b);
}

void bench_for_clients(struct bench *b)
{
    b->what.eku = "clientAuth,emailProtection";
    bench_reissue(b);
}

void bench_no_crls(struct bench *b)
{
    b->input.crls = NULL;
}

void bench_profile_without_crls(struct bench *b)
{
    fixture_empty(&b->f->authority.crls);
    b->input.crls = NULL;
}

/* ---- running a case ---- */

const struct ecert_check_result *bench_find(const struct ecert_check_result *results,
                                            const char *id)
{
    for (size_t i = 0; i < ecert_checks_count(); i++) {
        if (strcmp(results[i].id, id) == 0)
            return &results[i];
    }
    fail_msg("no row '%s'", id);
    return NULL;
}

void check_case_run(void **state)
{
    const struct check_case *row = *state;
    struct ecert_check_result results[ROWS_MAX];
    struct bench *bench = bench_make();

    assert_true(ecert_checks_count() <= ROWS_MAX);
    row->bend(bench);
    ecert_checks_run(&bench->input, results);
    const struct ecert_check_result *result = bench_find(results, row->id);
    if (result->outcome != row->want || (row->why != NULL && strstr(result->why, row->why) == NULL))
        fail_msg("outcome %d: '%s'", (int)result->outcome, result->why);
    if (result->outcome != ECERT_CHECK_PASSED)
        assert_true(result->why[0] != '\0');
    bench_free(bench);
}
