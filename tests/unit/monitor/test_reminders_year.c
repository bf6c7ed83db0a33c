/* A year of days, played through: sleeps, clock jumps, killed processes, refused post. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/monitor/reminders_bench.h"

/* What a year is played with: something that is renewed `renew_left` days before each end. */
struct thing {
    const char *name;
    enum ecert_watched watched;
    int lifetime, renew_left; /* renew_left may be below 0: too late */
    const int *days;          /* the thresholds, written down by hand; ending with 0 */
};

static const int of_199[] = {30, 14, 7, 3, 1, 0};
static const int of_47[] = {31, 15, 7, 3, 1, 0};
static const int of_subscription[] = {60, 45, 30, 14, 7, 3, 1, 0};

static const struct thing things[] = {
    {"of 199 days", ECERT_WATCHED_CERTIFICATE, 199, 10, of_199},
    {"of 47 days", ECERT_WATCHED_ENDPOINT, 47, -9, of_47},
    {"subscription", ECERT_WATCHED_SUBSCRIPTION, 170, 2, of_subscription},
};
#define THINGS ARRAY_SIZE(things)

/* The threshold that counts, worked out anew: nothing of thresholds.c is used. */
static int counts_now(const struct thing *thing, int64_t not_after, int64_t now)
{
    int best = ECERT_NO_THRESHOLD;

    for (const int *t = thing->days;; t++) {
        if (not_after - now < (*t + 1) * DAY)
            best = *t;
        if (*t == 0)
            break;
    }
    for (int week = 1; week <= 8; week++)
        if (not_after - now < (1 - 7 * week) * DAY)
            best = -7 * week;
    return best;
}

/* The life of the thing that is in use at `now`. */
static struct ecert_finding in_use(const struct thing *thing, int64_t now)
{
    const int64_t period = (thing->lifetime - thing->renew_left) * DAY;
    const int64_t life = (now - NOW) / period;
    const int64_t from = NOW + life * period;
    char sha256[ECERT_SHA256_HEX_LEN] = "";

    if (thing->watched != ECERT_WATCHED_SUBSCRIPTION)
        (void)snprintf(sha256, sizeof sha256, "%064d", (int)life);
    struct ecert_finding finding =
        bench_certificate(thing->name, sha256, from, from + thing->lifetime * DAY);
    finding.watched = thing->watched;
    if (thing->watched == ECERT_WATCHED_SUBSCRIPTION)
        finding.not_before = 0;
    return finding;
}

static unsigned lcg(uint64_t *seed, unsigned below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*seed >> 33) % below;
}

/* How many letters of this life there are, and the smallest and last threshold of them. */
static size_t letters_of(const struct bench *bench, const struct ecert_finding *finding,
                         int *ret_smallest)
{
    size_t n = 0;

    *ret_smallest = INT32_MAX;
    for (size_t i = 0; i < bench->n_letters; i++)
        if (strcmp(bench->letters[i].name, finding->name) == 0 &&
            bench->letters[i].not_after == finding->not_after) {
            n++;
            if (bench->letters[i].threshold < *ret_smallest)
                *ret_smallest = bench->letters[i].threshold;
        }
    return n;
}

/* Whatever counts at this moment was told, or something smaller. */
static void nothing_is_lost(const struct bench *bench, int64_t now)
{
    for (size_t i = 0; i < THINGS; i++) {
        const struct ecert_finding finding = in_use(&things[i], now);
        const int wanted = counts_now(&things[i], finding.not_after, now);
        int smallest = 0;

        (void)letters_of(bench, &finding, &smallest);
        if (wanted != ECERT_NO_THRESHOLD && smallest > wanted)
            fail_msg("%s: %d was not told", things[i].name, wanted);
    }
}

static void nothing_is_told_twice(const struct bench *bench)
{
    for (size_t i = 0; i < bench->n_letters; i++)
        for (size_t k = i + 1; k < bench->n_letters; k++)
            if (strcmp(bench->letters[i].key, bench->letters[k].key) == 0)
                fail_msg("'%s' at %d was told on days %d and %d", bench->letters[i].name,
                         bench->letters[i].threshold, (int)((bench->letters[i].at - NOW) / DAY),
                         (int)((bench->letters[k].at - NOW) / DAY));
}

static void check_all(struct bench *bench, int64_t now, bool die)
{
    struct ecert_finding findings[THINGS];

    for (size_t i = 0; i < THINGS; i++)
        findings[i] = in_use(&things[i], now);
    if (die)
        (void)bench_check_and_die(bench, findings, THINGS, now);
    else
        (void)bench_check(bench, findings, THINGS, now, true);
}

/* Somebody who looks every day hears of every threshold, on its day, once. */
static void every_day_of_a_year(void **state)
{
    (void)state;
    struct bench bench;
    size_t told[THINGS] = {0};

    bench_begin(&bench);
    for (int day = 0; day < 366; day++) {
        const int64_t now = NOW + day * DAY + 8 * HOUR;
        const size_t before = bench.n_letters;

        check_all(&bench, now, false);
        (void)bench_send(&bench, now, BENCH_ACCEPTS);
        for (size_t i = 0; i < THINGS; i++) {
            const struct ecert_finding finding = in_use(&things[i], now);
            const struct ecert_finding was = in_use(&things[i], now - DAY);
            const int wanted = counts_now(&things[i], finding.not_after, now);
            const bool crossed = wanted != ECERT_NO_THRESHOLD &&
                                 (was.not_after != finding.not_after ||
                                  wanted != counts_now(&things[i], was.not_after, now - DAY));
            bool found = false;

            for (size_t k = before; k < bench.n_letters; k++)
                if (strcmp(bench.letters[k].name, things[i].name) == 0) {
                    found = true;
                    assert_int_equal(bench.letters[k].threshold, wanted);
                }
            assert_int_equal(found, crossed);
            told[i] += found;
        }
    }
    /* 199 days, renewed at 10: 30 and 14, and the 30 of the next; 47 days, renewed 9 days late: 31
     * 15 7 3 1 0 -7 six times, and the 31 of the next; subscription, at 2: six of eight, twice */
    assert_int_equal(told[0], 3);
    assert_int_equal(told[1], 6 * 7 + 1);
    assert_int_equal(told[2], 12);
    nothing_is_told_twice(&bench);
    assert_int_equal(bench_files(&bench, "owed"), 0);
    bench_end(&bench);
}

static void sleeps_of_a_day_to_three_weeks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        uint64_t random = seed;
        struct bench bench;

        bench_begin(&bench);
        for (int64_t now = NOW; now < NOW + 366 * DAY;
             now += (1 + lcg(&random, 20)) * DAY + lcg(&random, 7200)) {
            check_all(&bench, now, false);
            (void)bench_send(&bench, now, BENCH_ACCEPTS);
            nothing_is_lost(&bench, now);
        }
        nothing_is_told_twice(&bench);
        assert_true(bench.n_letters > 10);
        bench_end(&bench);
    }
}

/*
 * Any sequence of sleeps, clocks that are off by up to a day, checks that die, post that is refused
 * and senders that are killed: what counts is told, and twice only after a kill.
 */
static void any_sequence(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed <= 22; seed++) {
        const bool kills = seed % 2 == 0;
        uint64_t random = seed;
        struct bench bench;

        bench_begin(&bench);
        for (int64_t right = NOW + DAY; right < NOW + 300 * DAY;) {
            const int64_t now = right - DAY / 2 + lcg(&random, (unsigned)DAY);
            const unsigned luck = lcg(&random, 10);

            check_all(&bench, now, luck == 0);
            if (luck == 1) {
                (void)bench_send(&bench, now, BENCH_REFUSES);
            } else if (luck == 2 && kills) {
                (void)bench_send(&bench, now, BENCH_KILLED);
            } else if (luck > 2) {
                /* whoever was refused an hour ago is tried by the next run, hours later */
                (void)bench_send(&bench, now + 5 * HOUR, BENCH_ACCEPTS);
                nothing_is_lost(&bench, now);
            }
            right += (int64_t)(1 + lcg(&random, luck == 9 ? 20 : 2)) * DAY;
        }
        if (!kills)
            nothing_is_told_twice(&bench);
        bench_end(&bench);
    }
}

static size_t day(struct bench *bench, int64_t left)
{
    const struct ecert_finding finding =
        bench_certificate("www", "AA", NOW - 300 * DAY, NOW + 100 * DAY);

    return bench_day(bench, &finding, NOW + 100 * DAY - left);
}

static void a_clock_that_is_put_back(void **state)
{
    (void)state;
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(day(&bench, 15 * DAY - 60), 1); /* 14 */
    assert_int_equal(day(&bench, 15 * DAY + 60), 0); /* an hour, or two minutes, back: 15 days */
    assert_int_equal(day(&bench, 15 * DAY - 90), 0);
    assert_int_equal(day(&bench, 16 * DAY - 60), 0); /* summer time, a day */
    assert_int_equal(day(&bench, 17 * DAY - 60), 0); /* two days */
    assert_int_equal(day(&bench, 14 * DAY), 0);
    assert_int_equal(day(&bench, 40 * DAY), 0); /* a month: it was never true */
    assert_int_equal(day(&bench, 31 * DAY), 0);
    assert_int_equal(day(&bench, 30 * DAY), 1); /* never told so far */
    assert_int_equal(day(&bench, 14 * DAY), 1); /* again: now it is */
    assert_string_equal(bench.letters[0].key, bench.letters[2].key);
    assert_int_equal(day(&bench, 13 * DAY), 0);
    bench_end(&bench);
}

static void a_clock_that_jumped_ahead(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t by;
        size_t told_ahead, told_later; /* at the wrong time; when the time came */
    } rows[] = {
        {"an hour", HOUR, 0, 1},     {"a day", DAY, 1, 0},        {"two days", 2 * DAY, 1, 0},
        {"a month", 30 * DAY, 1, 1}, {"a year", 365 * DAY, 1, 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bench bench;

        bench_begin(&bench);
        assert_int_equal(day(&bench, 31 * DAY + 12 * HOUR), 0);
        assert_int_equal(day(&bench, 31 * DAY + 12 * HOUR - rows[i].by), rows[i].told_ahead);
        assert_int_equal(day(&bench, 31 * DAY + 11 * HOUR), 0);
        if (day(&bench, 30 * DAY + 11 * HOUR) != rows[i].told_later)
            fail_msg("%s", rows[i].what);
        assert_int_equal(day(&bench, 29 * DAY), 0);
        assert_int_equal(day(&bench, 14 * DAY), 1);
        bench_end(&bench);
    }
}

/* What is owed when the clock is put back is not owed any more, and is owed when its time comes. */
static void owed_at_a_wrong_time(void **state)
{
    (void)state;
    const struct ecert_finding finding =
        bench_certificate("www", "AA", NOW - 300 * DAY, NOW + 100 * DAY);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW + 95 * DAY, true), 1);
    (void)bench_send(&bench, NOW + 95 * DAY, BENCH_REFUSES);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 0);
    assert_int_equal(bench_files(&bench, "owed"), 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + 95 * DAY), 1);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_a_year),
        cmocka_unit_test(sleeps_of_a_day_to_three_weeks),
        cmocka_unit_test(any_sequence),
        cmocka_unit_test(a_clock_that_is_put_back),
        cmocka_unit_test(a_clock_that_jumped_ahead),
        cmocka_unit_test(owed_at_a_wrong_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
