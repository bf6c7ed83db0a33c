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
    {"nothing is known", ENGLISH, NULL, {NULL, NULL, ANY, NULL, NULL}, ORG, SKIP, "neither"},
    {"ours", ENGLISH, NULL, {ENGLISH, NULL, ANY, NULL, NULL}, ORG, OK, ""},
    {"ours, both known", ENGLISH, NULL, {ENGLISH, CHINESE, ANY, NULL, NULL}, ORG, OK, ""},
    {"ours in Chinese",
     CHINESE,
     NULL,
     {ENGLISH, CHINESE, ANY, NULL, NULL},
     ORG,
     OK,
     "in Chinese: '" CHINESE},
    {"only the Chinese name is ours",
     CHINESE,
     NULL,
     {NULL, CHINESE, ANY, NULL, NULL},
     ORG,
     OK,
     "in Chinese"},
    {"Chinese, none configured",
     CHINESE,
     NULL,
     {ENGLISH, NULL, ANY, NULL, NULL},
     ORG,
     BAD,
     "write organization.chinese_name = \"" CHINESE "\" into"},
    {"Chinese, configured since the request",
     CHINESE,
     NULL,
     {ENGLISH, NULL, ANY, CHINESE, NULL},
     ORG,
     OK,
     "in Chinese: '" CHINESE},
    {"another one's Chinese, configured since",
     "你的公司",
     NULL,
     {ENGLISH, NULL, ANY, CHINESE, NULL},
     ORG,
     BAD,
     "another organisation"},
    {"Chinese, as an earlier generation has it",
     CHINESE,
     NULL,
     {ENGLISH, NULL, ANY, NULL, CHINESE},
     ORG,
     OK,
     "in Chinese: '" CHINESE},
    {"English, as an earlier generation has it",
     "Your Company Limited",
     NULL,
     {ENGLISH, NULL, ANY, NULL, "Your Company Limited"},
     ORG,
     BAD,
     "another organisation"},
    {"another one's Chinese",
     "你的公司",
     NULL,
     {ENGLISH, CHINESE, ANY, NULL, NULL},
     ORG,
     BAD,
     "it says '你的公司', ordered for '" ENGLISH "' or '" CHINESE "'"},
    {"Chinese ordered as the name",
     "你的公司",
     NULL,
     {CHINESE, NULL, ANY, NULL, NULL},
     ORG,
     BAD,
     "another"},
    {"English, only Chinese known",
     ENGLISH,
     NULL,
     {NULL, CHINESE, ANY, NULL, NULL},
     ORG,
     BAD,
     "organization.name = \"" ENGLISH "\""},
    {"another",
     "Your Company Limited",
     NULL,
     {ENGLISH, NULL, ANY, NULL, NULL},
     ORG,
     BAD,
     "it says 'Your Company Limited', ordered for '" ENGLISH "'"},
    {"another that begins alike",
     ENGLISH " (UK)",
     NULL,
     {ENGLISH, NULL, ANY, NULL, NULL},
     ORG,
     BAD,
     "another"},
    {"the beginning of ours",
     "My Company",
     NULL,
     {ENGLISH, NULL, ANY, NULL, NULL},
     ORG,
     BAD,
     "another"},
    {"case and blanks",
     " MY  company limited ",
     NULL,
     {ENGLISH, NULL, ANY, NULL, NULL},
     ORG,
     OK,
     "another case"},
    {"a blank is missing",
     "MyCompany Limited",
     NULL,
     {ENGLISH, NULL, ANY, NULL, NULL},
     ORG,
     BAD,
     "another"},
    {"what a terminal could obey",
     "Evil\x1b[2J",
     NULL,
     {ENGLISH, NULL, ANY, NULL, NULL},
     ORG,
     BAD,
     "'Evil\\x1B[2J'"},
    {"none at all", NULL, NULL, {ENGLISH, NULL, ANY, NULL, NULL}, ORG, OK, "names no organisation"},
    {"none at all, OV ordered",
     NULL,
     NULL,
     {ENGLISH, NULL, FOR_OV, NULL, NULL},
     ORG,
     BAD,
     "one was ordered"},
    {"not said", ENGLISH, OV, {NULL, NULL, ANY, NULL, NULL}, VAL, SKIP, "neither"},
    {"OV for OV", ENGLISH, OV, {NULL, NULL, FOR_OV, NULL, NULL}, VAL, OK, ""},
    {"EV for EV", ENGLISH, EV, {NULL, NULL, FOR_EV, NULL, NULL}, VAL, OK, ""},
    {"EV for OV", ENGLISH, EV, {NULL, NULL, FOR_OV, NULL, NULL}, VAL, OK, "more than ordered"},
    {"OV for EV",
     ENGLISH,
     OV,
     {NULL, NULL, FOR_EV, NULL, NULL},
     VAL,
     BAD,
     "EV was ordered, and the certificate is OV"},
    {"neither for EV", ENGLISH, P_ALL, {NULL, NULL, FOR_EV, NULL, NULL}, VAL, BAD, "is not EV"},
    {"neither for OV",
     ENGLISH,
     P_ALL,
     {NULL, NULL, FOR_OV, NULL, NULL},
     VAL,
     BAD,
     "OV was ordered"},
    {"an arc that only begins so",
     ENGLISH,
     "2.23.140.1.1.1",
     {NULL, NULL, FOR_EV, NULL, NULL},
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

/* Two organisationNames: the English one beside the Chinese one vouches for it. */
static void test_both_names(void **state)
{
    (void)state;
    static const struct {
        const char *english;
        enum ecert_status want;
    } rows[] = {{ENGLISH, ECERT_OK}, {"Your Company Limited", ECERT_E_REFUSED}};
    const struct ecert_order order = {.organization = ENGLISH};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
        X509 *leaf = X509_new();
        X509_NAME *name = X509_get_subject_name(leaf);
        struct ecert_error err = {0};

        assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                                    (const unsigned char *)rows[i].english, -1, -1,
                                                    0),
                         1);
        assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                                    (const unsigned char *)CHINESE, -1, -1, 0),
                         1);
        assert_int_equal(ecert_compare_organization(leaf, &order, &notes, &err), rows[i].want);
        X509_free(leaf);
    }
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
                                       cmocka_unit_test(test_further_names),
                                       cmocka_unit_test(test_both_names)};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = run_case,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    const int failed = cmocka_run_group_tests(names, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
