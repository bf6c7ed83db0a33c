/* What lasts: how often it is told, what is kept of it, and what is only out of sight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/bytes.h"
#include "tests/unit/monitor/reminders_bench.h"

#define WEEK      (7 * DAY)
#define TWO_YEARS 731

/* Written down by hand: each week for eight weeks, then every fourth. */
static const int told_weeks[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  12,  16,
                                 20, 24, 28, 32, 36, 40, 44, 48, 52, 56,  60,
                                 64, 68, 72, 76, 80, 84, 88, 92, 96, 100, 104};

static bool is_told_on(int day)
{
    for (size_t i = 0; i < ARRAY_SIZE(told_weeks); i++)
        if (day == 7 * told_weeks[i])
            return true;
    return false;
}

/* Somebody looks every day, and after four months on one day of the week. */
static int next_look(int day)
{
    return day + (day < 17 * 7 ? 1 : 7);
}

static void two_years(struct bench *bench, const struct ecert_finding *finding, size_t kept)
{
    bench_begin(bench);
    for (int day = 0; day < TWO_YEARS; day = next_look(day)) {
        if (bench_day(bench, finding, NOW + day * DAY) != is_told_on(day))
            fail_msg("day %d", day);
        assert_true(bench_files(bench, "sent") <= kept + 1); /* and what was told just now */
    }
    assert_int_equal(bench->n_letters, ARRAY_SIZE(told_weeks));
}

static void a_problem_of_two_years(void **state)
{
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_OTHER_LEAF);
    struct bench bench;

    (void)state;
    two_years(&bench, &finding, 2);
    bench_end(&bench);
}

/* Nobody takes an expired certificate away. */
static void an_end_two_years_ago(void **state)
{
    const struct ecert_finding finding = bench_certificate("www", "AA", NOW - 300 * DAY, NOW);
    struct bench bench;

    (void)state;
    two_years(&bench, &finding, 3); /* 0, and two of the weeks */
    assert_int_equal(bench.letters[bench.n_letters - 1].threshold, -728);
    bench_end(&bench);
}

/* While it is owed, what was told before is kept; the clock may go back by two days then. */
static void a_clock_put_back_a_little(void **state)
{
    const struct ecert_finding list[] = {bench_problem("www", ECERT_CONDITION_OTHER_LEAF),
                                         bench_certificate("www", "AA", NOW - 300 * DAY, NOW)};
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    for (int week = 0; week < 20; week++)
        for (int back = 0; back <= 2; back++) {
            const int64_t now = NOW + week * WEEK - back * DAY;
            const size_t wanted = back == 0 && is_told_on(7 * week) ? 2 : 0;

            if (week == 0 && back > 0)
                continue;
            (void)bench_check(&bench, list, 2, now, true);
            if (bench_send(&bench, now, BENCH_ACCEPTS) != wanted)
                fail_msg("week %d, %d days back", week, back);
        }
    bench_end(&bench);
}

/* What is refused for months is owed once, and the history of the problem is not lost by it. */
static void refused_for_months(void **state)
{
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_OTHER_LEAF);
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    for (int day = 0; day < 40; day++)
        (void)bench_day(&bench, &finding, NOW + day * DAY);
    for (int day = 40; day < 100; day++) {
        (void)bench_check(&bench, &finding, 1, NOW + day * DAY, true);
        (void)bench_send(&bench, NOW + day * DAY, BENCH_REFUSES);
        assert_true(bench_files(&bench, "owed") <= 1);
    }
    assert_int_equal(bench_send(&bench, NOW + 100 * DAY, BENCH_ACCEPTS), 1);
    for (int day = 101; day < 200; day++)
        if (bench_day(&bench, &finding, NOW + day * DAY) != is_told_on(day))
            fail_msg("day %d", day);
    bench_end(&bench);
}

/* ---- out of sight ---- */

/* A server that is down for a week comes back as it was: its wrong name is no news. */
static void down_for_a_week(void **state)
{
    const struct ecert_finding wrong = bench_problem("www", ECERT_CONDITION_WRONG_NAME);
    const struct ecert_finding down = bench_problem("www", ECERT_CONDITION_NO_ANSWER);
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &wrong, NOW), 1);
    (void)bench_check(&bench, &down, 1, NOW + HOUR, true);
    assert_int_equal(bench_day(&bench, &down, NOW + 2 * HOUR), 1); /* that it is down */
    for (int hour = 3; hour < 5 * 24; hour += 6)
        assert_int_equal(bench_day(&bench, &down, NOW + hour * HOUR), 0);
    assert_int_equal(bench_day(&bench, &wrong, NOW + 5 * DAY), 0);
    assert_int_equal(bench_day(&bench, &wrong, NOW + 7 * DAY), 1); /* its week */
    /* it answers, and is right for two days: then it is news */
    (void)bench_check(&bench, NULL, 0, NOW + 8 * DAY, true);
    (void)bench_check(&bench, NULL, 0, NOW + 10 * DAY, true);
    assert_int_equal(bench_day(&bench, &wrong, NOW + 10 * DAY + HOUR), 1);
    bench_end(&bench);
}

/* Only that place is out of sight, and that it is down is seen from outside. */
static void another_place_is_seen(void **state)
{
    struct ecert_finding list[2] = {bench_problem("www", ECERT_CONDITION_WRONG_NAME),
                                    bench_problem("mail", ECERT_CONDITION_NO_ANSWER)};
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    (void)bench_check(&bench, list, 2, NOW, true);
    (void)bench_check(&bench, list, 2, NOW + HOUR, true);
    assert_int_equal(bench_send(&bench, NOW + HOUR, BENCH_ACCEPTS), 2);
    (void)bench_check(&bench, &list[1], 1, NOW + DAY, true);
    (void)bench_check(&bench, &list[1], 1, NOW + 3 * DAY, true);
    assert_int_equal(bench_files(&bench, "sent"), 1); /* www's is forgotten */
    /* unreadable now: that it is gone is seen none the less */
    list[1].condition = ECERT_CONDITION_UNREADABLE;
    (void)bench_check(&bench, &list[1], 1, NOW + 4 * DAY, true);
    (void)bench_check(&bench, &list[1], 1, NOW + 6 * DAY, true);
    assert_int_equal(bench_files(&bench, "sent"), 0);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_of_two_years),    cmocka_unit_test(an_end_two_years_ago),
        cmocka_unit_test(a_clock_put_back_a_little), cmocka_unit_test(refused_for_months),
        cmocka_unit_test(down_for_a_week),           cmocka_unit_test(another_place_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
