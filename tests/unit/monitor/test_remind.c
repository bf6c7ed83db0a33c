/*
 * One pass: check, notice, send, digest; a step that fails does not stop the next.  The steps stand
 * in this file (the linker's --wrap, see tests/unit/CMakeLists.txt) and write down their calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/monitor/remind.h"

#define NOW 1795000000

/* ---- the steps ---- */

static struct steps {
    char log[512];
    const char *fails; /* this step does */
    bool digest_due, digest_waits;
} steps;

static enum ecert_status step(const char *name, struct ecert_error *err)
{
    (void)strcat(strcat(steps.log, steps.log[0] == '\0' ? "" : " "), name);
    if (steps.fails != NULL && strncmp(name, steps.fails, strlen(steps.fails)) == 0)
        return ecert_error_set(err, ECERT_E_IO, "%s failed", steps.fails);
    return ECERT_OK;
}

/* What --wrap calls in the place of `name`; declared, so that no warning is needed off. */
#define WRAP(type, name, ...)        \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

WRAP(enum ecert_status, ecert_noticing_begin, const struct ecert_config *config, int64_t now,
     struct ecert_noticing **ret, struct ecert_strings *ret_notes, struct ecert_error *err)
{
    (void)config, (void)now;
    ECERT_TRY(step("begin", err));
    *ret = (struct ecert_noticing *)&steps;
    return ecert_strings_add(ret_notes, "one was damaged", err);
}

WRAP(enum ecert_status, ecert_noticing_add, struct ecert_noticing *noticing,
     const struct ecert_finding *finding, bool *ret_new, struct ecert_error *err)
{
    assert_ptr_equal(noticing, &steps);
    ECERT_TRY(step(finding->name, err));
    *ret_new = finding->urgency != ECERT_URGENCY_FINE;
    return ECERT_OK;
}

WRAP(enum ecert_status, ecert_noticing_end, struct ecert_noticing **noticing, bool complete,
     struct ecert_error *err)
{
    *noticing = NULL;
    return step(complete ? "end(complete)" : "end", err);
}

WRAP(void, ecert_noticing_free, struct ecert_noticing **noticing)
{
    *noticing = NULL;
}

WRAP(enum ecert_status, ecert_monitor_run, struct ecert_context *context,
     const struct ecert_monitor_options *options, ecert_finding_fn *call, void *call_context,
     struct ecert_error *err)
{
    static char a[] = "one", b[] = "two", c[] = "three";
    const struct ecert_finding findings[] = {
        {.name = a, .urgency = ECERT_URGENCY_DUE, .not_after = NOW + 500},
        {.name = b, .urgency = ECERT_URGENCY_FINE, .not_after = NOW + 400},
        {.name = c, .urgency = ECERT_URGENCY_CRITICAL},
    };

    (void)context, (void)options;
    for (size_t i = 0; i < ARRAY_SIZE(findings); i++)
        ECERT_TRY(call(call_context, &findings[i], err));
    return step("monitor", err);
}

WRAP(enum ecert_status, ecert_reminders_send, struct ecert_context *context, int64_t now,
     bool force, struct ecert_telling *ret, struct ecert_error *err)
{
    (void)context;
    assert_int_equal(now, NOW);
    *ret = (struct ecert_telling){.told = 2, .failed = 1};
    return step(force ? "send(force)" : "send", err);
}

WRAP(enum ecert_status, ecert_findings_tell, struct ecert_context *context,
     const struct ecert_findings *findings, int64_t now, struct ecert_telling *ret,
     struct ecert_error *err)
{
    (void)context, (void)now;
    assert_int_equal(findings->n, 1);
    *ret = (struct ecert_telling){.told = 1};
    return step("at-once", err);
}

WRAP(enum ecert_status, ecert_digest_is_due, const struct ecert_config *config, int64_t now,
     bool *ret, struct ecert_error *err)
{
    (void)config, (void)now, (void)err;
    *ret = steps.digest_due;
    return ECERT_OK;
}

WRAP(bool, ecert_digest_is_owed, const struct ecert_config *config, int64_t now, bool *ret_is_time)
{
    (void)config, (void)now;
    *ret_is_time = !steps.digest_waits;
    return true;
}

WRAP(enum ecert_status, ecert_digest_send, struct ecert_context *context,
     const struct ecert_finding *const *findings, size_t n, size_t fine, int64_t now,
     struct ecert_telling *ret, struct ecert_error *err)
{
    (void)context, (void)now;
    assert_int_equal(n, 2); /* what is not fine, the worst first */
    assert_string_equal(findings[0]->name, "three");
    assert_string_equal(findings[1]->name, "one");
    assert_int_equal(fine, 1);
    *ret = (struct ecert_telling){.told = 1};
    return step("digest", err);
}

/* ---- the tests ---- */

static const char *const one_name[] = {"one", NULL}, *const no_names[] = {NULL};
static char unit[] = "x.service";
static const struct ecert_finding failed = {.name = unit, .urgency = ECERT_URGENCY_CRITICAL};

static const struct row {
    const char *title;
    struct ecert_remind_options options;
    const char *fails;
    bool digest_due;
    const char *log;
    size_t errors, failures, noticed;
} rows[] = {
    {"all",
     {.check = true, .digest = true},
     NULL,
     true,
     "begin one two three monitor end(complete) send digest",
     0,
     1,
     2},
    {"no digest is due",
     {.check = true, .digest = true},
     NULL,
     false,
     "begin one two three monitor end(complete) send",
     0,
     1,
     2},
    {"without names",
     {.check = true, .monitor = {.names = no_names}},
     NULL,
     false,
     "begin one two three monitor end(complete) send",
     0,
     1,
     2},
    {"some of it is not all",
     {.check = true, .monitor = {.names = one_name}},
     NULL,
     false,
     "begin one two three monitor end send",
     0,
     1,
     2},
    {"offline is not all",
     {.check = true, .monitor = {.offline = true}},
     NULL,
     false,
     "begin one two three monitor end send",
     0,
     1,
     2},
    {"only what is owed", {.digest = true, .force = true}, NULL, true, "send(force)", 0, 1, 0},
    {"a unit", {.digest = true, .also = &failed}, NULL, true, "begin x.service end send", 0, 1, 1},
    {"the books cannot be read",
     {.check = true, .digest = true},
     "begin",
     true,
     "begin send",
     1,
     2,
     0},
    {"the check fails",
     {.check = true, .digest = true},
     "monitor",
     true,
     "begin one two three monitor end send",
     1,
     2,
     2},
    {"a reminder cannot be written",
     {.check = true, .digest = true},
     "b",
     true,
     "begin send",
     1,
     2,
     0},
    {"one finding cannot be written down",
     {.check = true, .digest = true},
     "thr",
     true,
     "begin one two three monitor end send at-once digest",
     1,
     2,
     1},
    {"that a unit failed cannot be written down",
     {.also = &failed},
     "x",
     false,
     "begin x.service end send at-once",
     1,
     2,
     0},
    {"that a unit failed, without books",
     {.also = &failed},
     "begin",
     false,
     "begin send at-once",
     1,
     2,
     0},
    {"offline, no digest",
     {.check = true, .digest = true, .monitor = {.offline = true}},
     NULL,
     true,
     "begin one two three monitor end send",
     0,
     1,
     2},
    {"the books cannot be closed",
     {.check = true, .digest = true},
     "end",
     true,
     "begin one two three monitor end(complete) send",
     1,
     2,
     2},
    {"the sending fails",
     {.check = true, .digest = true},
     "send",
     true,
     "begin one two three monitor end(complete) send digest",
     1,
     2,
     2},
    {"the digest fails",
     {.check = true, .digest = true},
     "digest",
     true,
     "begin one two three monitor end(complete) send digest",
     1,
     2,
     2},
};

/* One that was not accepted waits for its next try; who asks for it now gets it now. */
static void a_digest_waits_for_its_turn(void **state)
{
    (void)state;
    for (int force = 0; force < 2; force++) {
        const struct ecert_remind_options options = {
            .check = true, .digest = true, .force = force == 1};
        struct ecert_context context = {0};
        struct ecert_remind_report report = {0};
        struct ecert_error err = {0};

        steps = (struct steps){.digest_due = true, .digest_waits = true};
        assert_int_equal(ecert_remind(&context, &options, NOW, &report, &err), ECERT_OK);
        assert_int_equal(strstr(steps.log, "digest") != NULL, force);
        assert_int_equal(report.digest.waiting, 1 - force);
        ecert_remind_report_clear(&report);
    }
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct ecert_context context = {0};
    struct ecert_remind_report report = {0};
    struct ecert_error err = {0};

    steps = (struct steps){.fails = row->fails, .digest_due = row->digest_due};
    assert_int_equal(ecert_remind(&context, &row->options, NOW, &report, &err), ECERT_OK);
    assert_string_equal(steps.log, row->log);
    assert_int_equal(report.errors.len, row->errors);
    assert_int_equal(ecert_remind_failures(&report), row->failures);
    assert_int_equal(report.noticed, row->noticed);
    assert_int_equal(report.telling.told, 2);
    ecert_remind_report_clear(&report);
}

static void test_findings(void **state)
{
    static char name[] = "n";
    struct ecert_findings findings = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_findings_worst(&findings), ECERT_URGENCY_FINE);
    for (int i = 0; i < 100; i++) {
        const struct ecert_finding one = {.name = name,
                                          .urgency = i % 10 == 0 ? ECERT_URGENCY_UNKNOWN
                                                                 : ECERT_URGENCY_FINE,
                                          .not_after = i == 0 ? 0 : NOW + 1000 - i};
        assert_int_equal(ecert_findings_add(&findings, &one, &err), ECERT_OK);
    }
    assert_int_equal(findings.n, 10);
    assert_int_equal(findings.count[ECERT_URGENCY_FINE], 90);
    assert_int_equal(findings.soonest, NOW + 1000 - 99);
    assert_int_equal(ecert_findings_worst(&findings), ECERT_URGENCY_UNKNOWN);
    const struct ecert_finding due = {.name = name, .urgency = ECERT_URGENCY_DUE};
    assert_int_equal(ecert_findings_add(&findings, &due, &err), ECERT_OK);
    assert_int_equal(ecert_findings_worst(&findings), ECERT_URGENCY_DUE);
    ecert_findings_sort(&findings);
    assert_int_equal(findings.items[0].urgency, ECERT_URGENCY_DUE);
    ecert_findings_clear(&findings);
    findings.keep_fine = true;
    const struct ecert_finding fine = {.name = name};
    assert_int_equal(ecert_findings_add(&findings, &fine, &err), ECERT_OK);
    assert_int_equal(findings.n, 1);
    ecert_findings_clear(&findings);
}

int main(void)
{
    struct CMUnitTest row_tests[ARRAY_SIZE(rows)] = {0};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_findings),
                                       cmocka_unit_test(a_digest_waits_for_its_turn)};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        row_tests[i] = (struct CMUnitTest){.name = rows[i].title,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests_name("remind", row_tests, NULL, NULL) +
           cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
