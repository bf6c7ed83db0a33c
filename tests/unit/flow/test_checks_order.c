#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/flow/compare.h"
#include "tests/unit/flow/checks_bench.h"

#define OV P_ALL ",2.23.140.1.2.2"
#define EV P_ALL ",2.23.140.1.1"

/* One case: what the leaf says, what was ordered. */
struct order_case {
    const char *name;
    const char *says;     /* O of the leaf; NULL: none */
    const char *policies; /* NULL: those of the fixture */
    struct ecert_order order;
    const char *id;
    enum ecert_check_outcome want;
    const char *why;
};

#define ENGLISH "My Company Limited"
#define CHINESE "我的有限公司"
#define ORG     "organization"
#define VAL     "validation"
#define ANY     ECERT_VALIDATION_ANY
#define FOR_OV  ECERT_VALIDATION_OV
#define FOR_EV  ECERT_VALIDATION_EV

static const struct order_case cases[] = {
    {"nothing is known", ENGLISH, NULL, {NULL, NULL, ANY}, ORG, SKIP, "neither"},
    {"ours", ENGLISH, NULL, {ENGLISH, NULL, ANY}, ORG, OK, ""},
    {"ours, both known", ENGLISH, NULL, {ENGLISH, CHINESE, ANY}, ORG, OK, ""},
    {"ours in Chinese", CHINESE, NULL, {ENGLISH, CHINESE, ANY}, ORG, OK, "in Chinese: '" CHINESE},
    {"only the Chinese name is ours", CHINESE, NULL, {NULL, CHINESE, ANY}, ORG, OK, "in Chinese"},
    {"Chinese, none configured", CHINESE, NULL, {ENGLISH, NULL, ANY}, ORG, OK, "is taken for"},
    {"another one's Chinese",
     "你的公司",
     NULL,
     {ENGLISH, CHINESE, ANY},
     ORG,
     BAD,
     "it says '你的公司', ordered for '" ENGLISH "' or '" CHINESE "'"},
    {"Chinese ordered as the name", "你的公司", NULL, {CHINESE, NULL, ANY}, ORG, BAD, "another"},
    {"English, only Chinese known", ENGLISH, NULL, {NULL, CHINESE, ANY}, ORG, OK, "only the"},
    {"another",
     "Your Company Limited",
     NULL,
     {ENGLISH, NULL, ANY},
     ORG,
     BAD,
     "it says 'Your Company Limited', ordered for '" ENGLISH "'"},
    {"another that begins alike", ENGLISH " (UK)", NULL, {ENGLISH, NULL, ANY}, ORG, BAD, "another"},
    {"the beginning of ours", "My Company", NULL, {ENGLISH, NULL, ANY}, ORG, BAD, "another"},
    {"case and blanks",
     " MY  company limited ",
     NULL,
     {ENGLISH, NULL, ANY},
     ORG,
     OK,
     "another case"},
    {"a blank is missing", "MyCompany Limited", NULL, {ENGLISH, NULL, ANY}, ORG, BAD, "another"},
    {"what a terminal could obey",
     "Evil\x1b[2J",
     NULL,
     {ENGLISH, NULL, ANY},
     ORG,
     BAD,
     "'Evil\\x1B[2J'"},
    {"none at all", NULL, NULL, {ENGLISH, NULL, ANY}, ORG, OK, "names no organisation"},
    {"none at all, OV ordered", NULL, NULL, {ENGLISH, NULL, FOR_OV}, ORG, BAD, "one was ordered"},
    {"not said", ENGLISH, OV, {NULL, NULL, ANY}, VAL, SKIP, "neither"},
    {"OV for OV", ENGLISH, OV, {NULL, NULL, FOR_OV}, VAL, OK, ""},
    {"EV for EV", ENGLISH, EV, {NULL, NULL, FOR_EV}, VAL, OK, ""},
    {"EV for OV", ENGLISH, EV, {NULL, NULL, FOR_OV}, VAL, OK, "more than ordered"},
    {"OV for EV",
     ENGLISH,
     OV,
     {NULL, NULL, FOR_EV},
     VAL,
     BAD,
     "EV was ordered, and the certificate is OV"},
    {"neither for EV", ENGLISH, P_ALL, {NULL, NULL, FOR_EV}, VAL, BAD, "is not EV"},
    {"neither for OV", ENGLISH, P_ALL, {NULL, NULL, FOR_OV}, VAL, BAD, "OV was ordered"},
    {"an arc that only begins so",
     ENGLISH,
     "2.23.140.1.1.1",
     {NULL, NULL, FOR_EV},
     VAL,
     BAD,
     "is not EV"},
};

static void run_case(void **state)
{
    const struct order_case *row = *state;
    struct ecert_check_result results[ROWS_MAX];
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct bench *bench = bench_make();
    struct ecert_error err = {0};

    bench->what.organization = row->says;
    if (row->policies != NULL)
        bench->what.policies = row->policies;
    bench_reissue(bench);
    bench->input.order = &row->order;
    ecert_checks_run(&bench->input, results);
    const struct ecert_check_result *result = bench_find(results, row->id);
    if (result->outcome != row->want || strstr(result->why, row->why) == NULL)
        fail_msg("outcome %d: '%s'", (int)result->outcome, result->why);
    assert_int_equal(row->why[0] == '\0', result->why[0] == '\0');
    /* it stops the deployment, and what is odd but fine is said */
    (void)(ecert_checks_verdict(results, ecert_checks_count(), &notes, &err) == ECERT_OK);
    if (row->want == BAD)
        assert_non_null(strstr(err.text, row->why));
    if (row->want == OK && row->why[0] != '\0')
        assert_true(fixture_says(&notes, row->why));
    bench_free(bench);
}

/* ---- names ---- */

static void check_names(const char *const *of_leaf, const char *const *asked, bool requested,
                        const char *note)
{
    struct ecert_check_result results[ROWS_MAX];
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct bench *bench = bench_make();
    struct ecert_error err = {0};

    bench->what.names = of_leaf;
    bench_reissue(bench);
    bench->input.names = asked;
    bench->input.requested = requested;
    ecert_checks_run(&bench->input, results);
    const struct ecert_check_result *result = bench_find(results, "names");
    assert_int_equal(result->outcome, ECERT_CHECK_PASSED);
    assert_int_equal(ecert_checks_verdict(results, ecert_checks_count(), &notes, &err), ECERT_OK);
    if (note == NULL)
        assert_string_equal(result->why, "");
    else if (!fixture_says(&notes, note))
        fail_msg("'%s'", result->why);
    bench_free(bench);
}

static void test_bare_name(void **state)
{
    static const char *const leaf[] = {"*.test.hk", "test.hk", NULL}, *const asked[] = {"*.test.hk",
                                                                                        NULL};
    (void)state;
    check_names(leaf, asked, true, NULL);
}

static void test_further_names(void **state)
{
    static const char *const leaf[] = {"a.hk", "b.hk", "c.hk", "d.hk",
                                       "e.hk", "f.hk", "g.hk", NULL},
                             *const asked[] = {"a.hk", NULL};

    (void)state;
    check_names(leaf, asked, true, "also covers 'b.hk', 'c.hk', 'd.hk', 'e.hk', 'f.hk' and 1 more");
    check_names(leaf, asked, false, NULL); /* the configuration need not name them all */
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(cases)] = {{0}};
    const struct CMUnitTest names[] = {cmocka_unit_test(test_bare_name),
                                       cmocka_unit_test(test_further_names)};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = run_case,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    const int failed = cmocka_run_group_tests(names, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
