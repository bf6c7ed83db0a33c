#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/monitor/thresholds.h"

#define DAY ((int64_t)86400)
#define NOW INT64_C(1800000000)

static void as_text(const struct ecert_thresholds *list, char ret[128])
{
    size_t at = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < list->n; i++)
        at += (size_t)snprintf(ret + at, 128 - at, "%s%d", i > 0 ? " " : "", list->days[i]);
}

static int own[] = {20, 10, 5};
static int own_of_subscription[] = {80, 40};
static int of_all[] = {100, 50};
static int of_subscriptions[] = {75, 0};
static int many[] = {400, 350, 300, 250, 200, 150, 120, 100, 90, 80, 70, 60, 50, 40, 30, 20, 10};

static void those_that_apply(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum ecert_watched watched;
        int64_t lifetime;
        bool is_own, is_configured;
        const char *wanted;
    } rows[] = {
        {"subscription", ECERT_WATCHED_SUBSCRIPTION, 0, false, false, "60 45 30 14 7 3 1 0"},
        {"397 days", ECERT_WATCHED_CERTIFICATE, 397 * DAY, false, false, "30 14 7 3 1 0"},
        {"199 days", ECERT_WATCHED_FILE, 199 * DAY - 1, false, false, "30 14 7 3 1 0"},
        {"90 days and a second", ECERT_WATCHED_FILE, 90 * DAY + 1, false, false, "30 14 7 3 1 0"},
        {"90 days", ECERT_WATCHED_FILE, 90 * DAY, false, false, "60 30 7 3 1 0"},
        {"47 days", ECERT_WATCHED_ENDPOINT, 47 * DAY - 1, false, false, "31 15 7 3 1 0"},
        {"21 days", ECERT_WATCHED_ENDPOINT, 21 * DAY, false, false, "14 7 3 1 0"},
        {"6 days", ECERT_WATCHED_TARGET, 6 * DAY, false, false, "4 2 1 0"},
        {"an hour", ECERT_WATCHED_TARGET, 3600, false, false, "0"},
        {"not known", ECERT_WATCHED_FILE, 0, false, false, "30 14 7 3 1 0"},
        {"the wrong way round", ECERT_WATCHED_FILE, -5, false, false, "30 14 7 3 1 0"},
        {"chain", ECERT_WATCHED_CHAIN, 3650 * DAY, false, false, "90 60 30 14 7 3 1 0"},
        {"short chain", ECERT_WATCHED_CHAIN, 60 * DAY, false, false, "90 60 30 14 7 3 1 0"},
        {"anchor", ECERT_WATCHED_ANCHOR, 0, false, false, "90 60 30 14 7 3 1 0"},
        {"CRL", ECERT_WATCHED_CRL, 7 * DAY, true, true, ""},
        {"of its own", ECERT_WATCHED_FILE, 397 * DAY, true, true, "20 10 5 0"},
        {"subscription, its own", ECERT_WATCHED_SUBSCRIPTION, 0, true, true, "80 40 0"},
        {"of all certificates", ECERT_WATCHED_FILE, 47 * DAY, false, true, "100 50 0"},
        {"of all subscriptions", ECERT_WATCHED_SUBSCRIPTION, 0, false, true, "75 0"},
        {"of all chains", ECERT_WATCHED_CHAIN, 0, false, true, "100 90 60 50 0"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct ecert_watch_settings settings = {
            .thresholds = {own, 3}, .subscription_thresholds = {own_of_subscription, 2}};
        const struct ecert_reminders_config configured = {
            .thresholds = {of_all, 2}, .subscription_thresholds = {of_subscriptions, 2}};
        const struct ecert_reminders_config none = {0};
        struct ecert_thresholds list;
        char text[128];

        ecert_thresholds_for(rows[i].is_configured ? &configured : &none,
                             rows[i].is_own ? &settings : NULL, rows[i].watched, rows[i].lifetime,
                             &list);
        as_text(&list, text);
        if (strcmp(text, rows[i].wanted) != 0)
            fail_msg("%s: %s instead of %s", rows[i].what, text, rows[i].wanted);
    }
}

static void too_many_lose_the_farthest(void **state)
{
    (void)state;
    const struct ecert_watch_settings settings = {.thresholds = {many, ARRAY_SIZE(many)}};
    const struct ecert_reminders_config none = {0};
    struct ecert_thresholds list;

    ecert_thresholds_for(&none, &settings, ECERT_WATCHED_FILE, 0, &list);
    assert_int_equal(list.n, ECERT_THRESHOLDS_MAX);
    assert_int_equal(list.days[0], 300);
    assert_int_equal(list.days[ECERT_THRESHOLDS_MAX - 2], 10);
    assert_int_equal(list.days[ECERT_THRESHOLDS_MAX - 1], 0);
}

static void which_is_crossed(void **state)
{
    (void)state;
    const struct ecert_thresholds list = {{30, 14, 7, 0}, 4};
    const struct ecert_thresholds none = {0};
    static const int rows[][2] = {{31, ECERT_NO_THRESHOLD},
                                  {30, 30},
                                  {15, 30},
                                  {14, 14},
                                  {8, 14},
                                  {7, 7},
                                  {1, 7},
                                  {0, 0},
                                  {-1, 0},
                                  {-90, 0}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(ecert_thresholds_crossed(&list, rows[i][0]), rows[i][1]);
    assert_int_equal(ecert_thresholds_crossed(&none, -5), ECERT_NO_THRESHOLD);
}

static void weeks_past_the_end(void **state)
{
    (void)state;
    static const int rows[][2] = {{5, 0},     {0, 0},     {-1, 0},     {-6, 0},      {-7, -7},
                                  {-13, -7},  {-14, -14}, {-55, -49},  {-56, -56},   {-63, -56},
                                  {-83, -56}, {-84, -84}, {-111, -84}, {-112, -112}, {-900, -896}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(ecert_thresholds_past_end(rows[i][0]), rows[i][1]);
    for (int64_t week = 0, next; week < 100; week = next) {
        next = ecert_week_told_next(week);
        assert_int_equal(next - week, week < 8 ? 1 : 4);
        assert_int_equal(ecert_week_told(next - 1), week);
        assert_int_equal(ecert_week_told_next(next - 1), next);
        assert_int_equal(ecert_week_told(next), next);
    }
}

static void dates_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum ecert_watched watched;
        int64_t begun, left; /* seconds; left 0: no end */
        enum ecert_condition before, condition;
        enum ecert_urgency urgency;
        int threshold;
    } rows[] = {
    /* clang-format off */
#define FINE    ECERT_CONDITION_FINE
#define EXPIRES ECERT_CONDITION_EXPIRES
        {"far", ECERT_WATCHED_FILE, 300 * DAY, 31 * DAY, FINE, FINE, ECERT_URGENCY_FINE, -1},
        {"30 days", ECERT_WATCHED_FILE, 300 * DAY, 31 * DAY - 1, FINE, EXPIRES, ECERT_URGENCY_DUE, 30},
        {"4 days", ECERT_WATCHED_FILE, 300 * DAY, 4 * DAY, FINE, EXPIRES, ECERT_URGENCY_DUE, 7},
        {"3 days", ECERT_WATCHED_FILE, 300 * DAY, 4 * DAY - 1, FINE, EXPIRES, ECERT_URGENCY_CRITICAL, 3},
        {"last second", ECERT_WATCHED_FILE, 300 * DAY, 1, FINE, EXPIRES, ECERT_URGENCY_CRITICAL, 0},
        {"past", ECERT_WATCHED_FILE, 300 * DAY, -1, FINE, ECERT_CONDITION_EXPIRED, ECERT_URGENCY_CRITICAL, 0},
        {"subscription, 14", ECERT_WATCHED_SUBSCRIPTION, 0, 14 * DAY, FINE, EXPIRES, ECERT_URGENCY_DUE, 14},
        {"subscription, 7", ECERT_WATCHED_SUBSCRIPTION, 0, 7 * DAY, FINE, EXPIRES, ECERT_URGENCY_CRITICAL, 7},
        {"47 days, second third", ECERT_WATCHED_FILE, 20 * DAY, 27 * DAY, FINE, EXPIRES, ECERT_URGENCY_DUE, 31},
        {"tomorrow's", ECERT_WATCHED_FILE, -DAY, 300 * DAY, FINE, ECERT_CONDITION_NOT_YET_VALID, ECERT_URGENCY_DUE, -1},
        {"tomorrow's, served", ECERT_WATCHED_ENDPOINT, -DAY, 300 * DAY, FINE, ECERT_CONDITION_NOT_YET_VALID, ECERT_URGENCY_CRITICAL, -1},
        {"tomorrow's, of a target", ECERT_WATCHED_TARGET, -DAY, 300 * DAY, FINE, ECERT_CONDITION_NOT_YET_VALID, ECERT_URGENCY_CRITICAL, -1},
        {"no end", ECERT_WATCHED_INBOX, 0, 0, FINE, FINE, ECERT_URGENCY_FINE, -1},
        {"CRL, an hour left", ECERT_WATCHED_CRL, DAY, 3600, FINE, FINE, ECERT_URGENCY_FINE, -1},
        {"CRL, past", ECERT_WATCHED_CRL, DAY, -3600, FINE, ECERT_CONDITION_EXPIRED, ECERT_URGENCY_CRITICAL, 0},
        {"revoked", ECERT_WATCHED_FILE, 300 * DAY, 5 * DAY, ECERT_CONDITION_REVOKED, ECERT_CONDITION_REVOKED, ECERT_URGENCY_UNKNOWN, 7},
#undef FINE
#undef EXPIRES
        /* clang-format on */
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct ecert_reminders_config none = {0};
        struct ecert_finding finding = {.watched = rows[i].watched,
                                        .condition = rows[i].before,
                                        /* a finding that has a condition keeps what it brought */
                                        .urgency = rows[i].before == ECERT_CONDITION_FINE
                                                       ? ECERT_URGENCY_FINE
                                                       : ECERT_URGENCY_UNKNOWN,
                                        .not_before = NOW - rows[i].begun,
                                        .not_after = rows[i].left == 0 ? 0 : NOW + rows[i].left,
                                        .threshold = 77};

        ecert_finding_judge_dates(&finding, &none, NOW);
        if (finding.condition != rows[i].condition || finding.urgency != rows[i].urgency ||
            finding.threshold != rows[i].threshold)
            fail_msg("%s: %s, %s, %d", rows[i].what, ecert_condition_word(finding.condition),
                     ecert_urgency_word(finding.urgency), finding.threshold);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_apply), cmocka_unit_test(too_many_lose_the_farthest),
        cmocka_unit_test(which_is_crossed), cmocka_unit_test(weeks_past_the_end),
        cmocka_unit_test(dates_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
