#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/clock.h"
#include "tests/unit/flow/checks_bench.h"

/* ---- the cases: each bends one thing ---- */

static void with_key(struct bench *b, EVP_PKEY *key)
{
    b->key = key;
    b->what.key = key;
    bench_reissue(b);
}

static void rsa_1024(struct bench *b)
{
    with_key(b, test_key_rsa(1024));
}

static void rsa_2048(struct bench *b)
{
    with_key(b, test_key_rsa(2048));
}

static void p_224(struct bench *b)
{
    with_key(b, test_key_ec("P-224"));
}

static void p_521(struct bench *b)
{
    with_key(b, test_key_ec("P-521"));
}

static void sha1(struct bench *b)
{
    b->what.digest = "SHA1";
    bench_reissue(b);
}

static void sha1_in_the_chain(struct bench *b)
{
    b->extra = test_certificate_make(&(struct test_certificate){.key = b->f->sub_key,
                                                                .common_name = FIXTURE_SUB_NAME,
                                                                .issuer = b->f->root,
                                                                .issuer_key = b->f->root_key,
                                                                .serial = "2026",
                                                                .digest = "SHA1",
                                                                .ca = true});
    bench_drop_chain(b);
    bench_push(b, b->extra);
}

static void no_chain(struct bench *b)
{
    bench_drop_chain(b);
}

static void no_anchor(struct bench *b)
{
    b->input.anchor = NULL;
}

static void upside_down(struct bench *b)
{
    bench_drop_chain(b);
    bench_push(b, b->f->cross);
    bench_push(b, b->f->sub);
}

static void twice(struct bench *b)
{
    bench_drop_chain(b);
    bench_push(b, b->f->sub);
    bench_push(b, b->f->sub);
}

static void with_root(struct bench *b)
{
    bench_drop_chain(b);
    bench_push(b, b->f->sub);
    bench_push(b, b->f->root);
}

static void root_alone(struct bench *b)
{
    bench_drop_chain(b);
    bench_push(b, b->f->root);
}

static void expired_in_the_chain(struct bench *b)
{
    b->extra = test_certificate_make(
        &(struct test_certificate){.key = b->f->sub_key,
                                   .common_name = FIXTURE_SUB_NAME,
                                   .issuer = b->f->root,
                                   .issuer_key = b->f->root_key,
                                   .serial = "2026",
                                   .not_after = ecert_clock_now() - 1,
                                   .not_before = ecert_clock_now() - 900 * DAY,
                                   .ca = true});
    bench_drop_chain(b);
    bench_push(b, b->extra);
}

static void anchor_of_a_stranger(struct bench *b)
{
    sk_X509_pop_free(b->f->authority.anchors, X509_free);
    b->f->authority.anchors = fixture_stack(b->f->other, NULL);
    bench_drop_chain(b);
    bench_push(b, b->f->sub);
}

static void no_anchors_at_all(struct bench *b)
{
    sk_X509_pop_free(b->f->authority.anchors, X509_free);
    b->f->authority.anchors = NULL;
}

static void revoked_twin(struct bench *b)
{
    bench_drop_chain(b);
    bench_push(b, b->f->sub_revoked);
}

static const struct check_case cases[] = {
    {"key-strength: P-256", bench_good, "key-strength", OK, NULL},
    {"key-strength: P-521", p_521, "key-strength", OK, NULL},
    {"key-strength: P-224", p_224, "key-strength", BAD, "224 bits"},
    {"key-strength: RSA 2048", rsa_2048, "key-strength", OK, NULL},
    {"key-strength: RSA 1024", rsa_1024, "key-strength", BAD, "1024 bits"},
    {"signature-strength: good", bench_good, "signature-strength", OK, NULL},
    {"signature-strength: SHA-1 leaf", sha1, "signature-strength", BAD, "sha1"},
    {"signature-strength: SHA-1 issuer", sha1_in_the_chain, "signature-strength", BAD, "sha1"},
    {"chain-complete: good", bench_good, "chain-complete", OK, NULL},
    {"chain-complete: in any order", upside_down, "chain-complete", OK, NULL},
    {"chain-complete: leaf alone", no_chain, "chain-complete", BAD, "'www.test.hk' is missing"},
    {"chain-complete: leaf and root", root_alone, "chain-complete", BAD, "is missing"},
    {"chain-complete: ends nowhere", no_anchor, "chain-complete", BAD, "anchor"},
    {"chain-order: good, cross last", bench_good, "chain-order", OK, NULL},
    {"chain-order: upside down", upside_down, "chain-order", BAD, "did not issue"},
    {"chain-order: twice", twice, "chain-order", BAD, "twice"},
    {"chain-no-root: good", bench_good, "chain-no-root", OK, NULL},
    {"chain-no-root: with root", with_root, "chain-no-root", BAD, "the root 'Test Root CA 3'"},
    {"chain-dates: good", bench_good, "chain-dates", OK, NULL},
    {"chain-dates: expired issuer", expired_in_the_chain, "chain-dates", BAD, FIXTURE_SUB_NAME},
    {"chain-anchor: good", bench_good, "chain-anchor", OK, NULL},
    {"chain-anchor: with the root in it", with_root, "chain-anchor", OK, NULL},
    {"chain-anchor: dates are other rows' business", bench_expired_yesterday, "chain-anchor", OK,
     NULL},
    {"chain-anchor: leaf alone", no_chain, "chain-anchor", BAD, "stopped at 'www.test.hk'"},
    {"chain-anchor: a stranger's", anchor_of_a_stranger, "chain-anchor", BAD, "stopped at"},
    {"chain-anchor: no default paths", no_anchors_at_all, "chain-anchor", BAD, "stopped at"},
    {"chain-anchor: not for servers", bench_for_clients, "chain-anchor", BAD, "purpose"},
    {"chain-revoked: good, no CRL for the cross-certificate", bench_good, "chain-revoked", OK,
     NULL},
    {"chain-revoked: the twin", revoked_twin, "chain-revoked", BAD, "serial 2017"},
    {"chain-revoked: no CRLs", bench_no_crls, "chain-revoked", UNK, "serial 2025"},
    {"chain-revoked: none in the profile", bench_profile_without_crls, "chain-revoked", SKIP, NULL},
    {"chain-known-bad: good", bench_good, "chain-known-bad", OK, NULL},
    {"chain-known-bad: the twin", revoked_twin, "chain-known-bad", BAD,
     "serial 2017 is known to be revoked; the current one has serial 2025"},
    {"the twin verifies in every other respect", revoked_twin, "chain-anchor", OK, NULL},
};

/* ---- the table itself ---- */

static void every_row_is_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < ecert_checks_count(); i++) {
        struct ecert_check_result row = {0};
        ecert_checks_describe(i, &row);
        assert_true(ecert_check_exists(row.id));
        assert_true(strlen(row.sentence) > 10);
    }
    assert_false(ecert_check_exists("no-such-check"));
    assert_false(ecert_check_exists(""));
}

static void verdict_joins_the_fatal_ones(void **state)
{
    struct ecert_check_result results[ROWS_MAX];
    struct bench *bench = bench_make();
    struct ecert_strings notes = {0};
    struct ecert_error err = {0};

    (void)state;
    ecert_checks_run(&bench->input, results);
    assert_int_equal(ecert_checks_verdict(results, ecert_checks_count(), &notes, &err), ECERT_OK);
    assert_int_equal(notes.len, 0);
    bench_other_key(bench);
    bench_name_not_covered(bench);
    with_root(bench);     /* not fatal */
    bench_no_crls(bench); /* two that could not tell */
    ecert_checks_run(&bench->input, results);
    assert_int_equal(ecert_checks_verdict(results, ecert_checks_count(), &notes, &err),
                     ECERT_E_REFUSED);
    assert_non_null(strstr(err.text, "key-match: "));
    assert_non_null(strstr(err.text, "; names: "));
    assert_null(strstr(err.text, "chain-no-root"));
    assert_int_equal(notes.len, 3);
    assert_true(fixture_says(&notes, "check 'chain-no-root' failed: "));
    assert_true(fixture_says(&notes, "check 'leaf-revoked' could not tell: "));
    ecert_strings_clear(&notes);
    bench_free(bench);
}

static void allowed_by_id_only(void **state)
{
    static const char *const allow[] = {"names", NULL};
    struct ecert_check_result results[ROWS_MAX];
    struct bench *bench = bench_make();
    struct ecert_strings notes = {0};
    struct ecert_error err = {0};

    (void)state;
    bench_name_not_covered(bench);
    bench->input.allow = allow;
    ecert_checks_run(&bench->input, results);
    assert_true(bench_find(results, "names")->allowed);
    assert_false(bench_find(results, "key-match")->allowed);
    assert_int_equal(ecert_checks_verdict(results, ecert_checks_count(), &notes, &err), ECERT_OK);
    assert_true(fixture_says(&notes, "check 'names' failed, which the configuration allows: "));
    bench_other_key(bench);
    ecert_checks_run(&bench->input, results);
    assert_int_equal(ecert_checks_verdict(results, ecert_checks_count(), &notes, &err),
                     ECERT_E_REFUSED);
    assert_null(strstr(err.text, "names"));
    ecert_strings_clear(&notes);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest plain[] = {
        cmocka_unit_test(every_row_is_described),
        cmocka_unit_test(verdict_joins_the_fatal_ones),
        cmocka_unit_test(allowed_by_id_only),
    };
    struct CMUnitTest tests[ARRAY_SIZE(cases) + ARRAY_SIZE(plain)] = {{0}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = check_case_run,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    memcpy(tests + ARRAY_SIZE(cases), plain, sizeof plain);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
