/* Acknowledging, and the weekly digest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/fs.h"
#include "tests/unit/monitor/reminders_bench.h"

static void acknowledge(struct bench *bench, const char *name, int64_t until, const char *note)
{
    char given[512], words[64], by[] = "root";
    struct ecert_ack ack = {.name = given, .until = until, .note = words, .by = by, .when = NOW};
    struct ecert_error err = {0};

    (void)snprintf(given, sizeof given, "%s", name);
    (void)snprintf(words, sizeof words, "%s", note);
    if (ecert_ack_write(&bench->config, &ack, &err) != ECERT_OK)
        fail_msg("%s", err.text);
}

static enum ecert_status read_ack(struct bench *bench, const char *name, int64_t now,
                                  const char *note)
{
    struct ecert_ack ack = {0};
    struct ecert_error err = {0};
    const enum ecert_status status = ecert_ack_read(&bench->config, name, now, &ack, &err);

    if (status == ECERT_OK) {
        assert_string_equal(ack.name, name);
        assert_string_equal(ack.note, note);
        assert_string_equal(ack.by, "root");
        assert_int_equal(ack.when, NOW);
    } else {
        assert_null(ack.name);
    }
    ecert_ack_clear(&ack);
    return status;
}

static void quiet_until_its_end(void **state)
{
    (void)state;
    const struct ecert_finding list[] = {
        bench_certificate("www", "AA", NOW - 300 * DAY, NOW + 40 * DAY),
        bench_problem("www", ECERT_CONDITION_OTHER_LEAF),
        bench_certificate("mail", "AA", NOW - 300 * DAY, NOW + 40 * DAY)};
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, &list[1], 1, NOW - DAY, true), 1); /* known by then */
    acknowledge(&bench, "www", NOW + 30 * DAY - 1, "the new one is on its way");
    assert_int_equal(bench_check(&bench, list, 3, NOW + 10 * DAY, true), 1); /* mail, 30 */
    assert_int_equal(bench_check(&bench, list, 3, NOW + 26 * DAY, true), 1); /* mail, 14 */
    assert_int_equal(bench_check(&bench, list, 3, NOW + 30 * DAY - 1, true), 0);
    /* over: the threshold that counts by now, not those before it; and the problem */
    assert_int_equal(bench_check(&bench, list, 3, NOW + 30 * DAY, true), 2);
    assert_int_equal(bench_send(&bench, NOW + 30 * DAY, BENCH_ACCEPTS), 3);
    assert_int_equal(bench_check(&bench, list, 3, NOW + 31 * DAY, true), 0);
    bench_end(&bench);
}

/* "renewal ordered" does not mean that a revocation is known too. */
static void what_is_new_is_told(void **state)
{
    (void)state;
    const struct ecert_finding list[] = {
        bench_certificate("www", "AA", NOW - 300 * DAY, NOW + 5 * DAY),
        bench_problem("www", ECERT_CONDITION_WRONG_NAME),
        bench_problem("www", ECERT_CONDITION_REVOKED)};
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, &list[1], 1, NOW - DAY, true), 1);
    assert_int_equal(bench_send(&bench, NOW - DAY, BENCH_ACCEPTS), 1);
    acknowledge(&bench, "www", NOW + 30 * DAY - 1, "renewal ordered");
    assert_int_equal(bench_check(&bench, list, 2, NOW + HOUR, true), 0);
    assert_int_equal(bench_check(&bench, list, 3, NOW + 2 * HOUR, true), 1);
    assert_int_equal(bench_send(&bench, NOW + 2 * HOUR, BENCH_ACCEPTS), 1);
    assert_int_equal(bench.letters[1].condition, ECERT_CONDITION_REVOKED);
    /* its next week is told too, that of the known one is not, and the end is quiet */
    assert_int_equal(bench_check(&bench, list, 3, NOW + 8 * DAY, true), 1);
    assert_int_equal(bench_send(&bench, NOW + 8 * DAY, BENCH_ACCEPTS), 1);
    assert_int_equal(bench.letters[2].condition, ECERT_CONDITION_REVOKED);
    acknowledge(&bench, "mail", NOW + 30 * DAY - 1, "another name");
    assert_int_equal(bench_check(&bench, list, 3, NOW + 9 * DAY, true), 0);
    bench_end(&bench);
}

static enum ecert_status find_quiet(const struct bench *bench, const struct ecert_finding *finding,
                                    int64_t now)
{
    ECERT_AUTO(ecert_quiet_free) struct ecert_quiet *quiet = NULL;
    ECERT_AUTO(ecert_ack_clear) struct ecert_ack ack = {0};
    struct ecert_error err = {0};

    if (ecert_quiet_new(&bench->config, now, &quiet, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    const enum ecert_status status = ecert_quiet_find(quiet, finding, &ack, &err);
    assert_int_equal(status == ECERT_OK, ack.until != 0);
    return status;
}

/* Who shows findings says of the same ones that they are quiet. */
static void shown_as_quiet_is_what_nobody_is_told(void **state)
{
    (void)state;
    struct ecert_finding end = bench_certificate("www", "AA", NOW - 300 * DAY, NOW + 5 * DAY);
    const struct ecert_finding fine = bench_certificate("www", "AB", NOW, NOW + 300 * DAY);
    const struct ecert_finding known = bench_problem("www", ECERT_CONDITION_WRONG_NAME);
    const struct ecert_finding silent = bench_problem("www", ECERT_CONDITION_NO_ANSWER);
    const struct ecert_finding newer = bench_problem("www", ECERT_CONDITION_REVOKED);
    struct ecert_finding other = bench_problem("mail", ECERT_CONDITION_WRONG_NAME);
    const struct ecert_finding before[] = {known, silent, other};
    const int64_t later = NOW + 2 * DAY;
    struct bench bench;

    end.condition = ECERT_CONDITION_EXPIRES;
    bench_begin(&bench);
    assert_int_equal(find_quiet(&bench, &known, NOW), ECERT_E_NOT_FOUND);  /* no folder at all */
    assert_int_equal(bench_check(&bench, before, 3, NOW - HOUR, true), 2); /* one is too early */
    acknowledge(&bench, "www", NOW + 30 * DAY - 1, "I know");
    assert_int_equal(find_quiet(&bench, &end, later), ECERT_OK);
    assert_int_equal(find_quiet(&bench, &fine, later), ECERT_E_NOT_FOUND);
    assert_int_equal(find_quiet(&bench, &known, later), ECERT_OK);
    assert_int_equal(find_quiet(&bench, &silent, later), ECERT_OK);
    assert_int_equal(find_quiet(&bench, &newer, later), ECERT_E_NOT_FOUND);
    assert_int_equal(find_quiet(&bench, &other, later), ECERT_E_NOT_FOUND);
    /* told and still there a week later: known as long */
    assert_int_equal(bench_check(&bench, &newer, 1, later, true), 1);
    assert_int_equal(bench_send(&bench, later, BENCH_ACCEPTS), 3);
    assert_int_equal(find_quiet(&bench, &known, later + HOUR), ECERT_OK);
    assert_int_equal(find_quiet(&bench, &newer, later + HOUR), ECERT_E_NOT_FOUND);
    assert_int_equal(find_quiet(&bench, &known, NOW + 30 * DAY), ECERT_E_NOT_FOUND); /* over */
    bench_end(&bench);
}

/* Asking mends nothing: that is for those who hold the lock. */
static void asking_what_is_quiet_writes_nothing(void **state)
{
    (void)state;
    const struct ecert_finding known = bench_problem("www", ECERT_CONDITION_NO_ANSWER);
    char path[512];
    struct bench bench;

    bench_begin(&bench);
    acknowledge(&bench, "www", NOW + 30 * DAY - 1, "I know");
    (void)snprintf(path, sizeof path, "%s/reminders/state.json", bench.config.state_dir);
    bench_write(path, "{");
    assert_int_equal(find_quiet(&bench, &known, NOW + HOUR), ECERT_E_NOT_FOUND);
    assert_true(ecert_fs_exists(path));
    (void)snprintf(path, sizeof path, "%s/reminders/acks/www.json", bench.config.state_dir);
    bench_write(path, "{");
    assert_int_equal(find_quiet(&bench, &known, NOW + HOUR), ECERT_E_REFUSED);
    assert_true(ecert_fs_exists(path));
    bench_end(&bench);
}

static void names_of_all_kinds(void **state)
{
    (void)state;
    static char long_name[400];
    memset(long_name, 'x', sizeof long_name - 1);
    const char *const names[] = {"www.myserver.com",
                                 "*.myserver.com",
                                 "/etc/ssl/x.pem",
                                 "10.0.0.1:443",
                                 "[::1]:443",
                                 "..",
                                 ".hidden",
                                 "history",
                                 "a%2Fb",
                                 "a/b",
                                 "\xE9\x83\xB5",
                                 "history.jsonl",
                                 long_name};
    struct bench bench;

    bench_begin(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(read_ack(&bench, names[i], NOW, ""), ECERT_E_NOT_FOUND);
        acknowledge(&bench, names[i], NOW + DAY, names[i][0] == '.' ? "dot" : "plain");
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct ecert_finding finding =
            bench_certificate(names[i], "AA", NOW - 300 * DAY, NOW + 5 * DAY);
        const char *note = names[i][0] == '.' ? "dot" : "plain";

        assert_int_equal(read_ack(&bench, names[i], NOW, note), ECERT_OK);
        assert_int_equal(read_ack(&bench, names[i], NOW + DAY, note), ECERT_OK);
        assert_int_equal(read_ack(&bench, names[i], NOW + DAY + 1, note), ECERT_E_NOT_FOUND);
        assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 0);
        assert_int_equal(bench_check(&bench, &finding, 1, NOW + DAY + 1, true), 1);
    }
    assert_int_equal(bench_files(&bench, "acks"), ARRAY_SIZE(names));
    bench_end(&bench);
}

static void every_ack_is_on_record(void **state)
{
    (void)state;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    struct ecert_error err = {0};
    struct bench bench;
    size_t lines = 0;

    bench_begin(&bench);
    assert_true(asprintf(&path, "%s/reminders/acks/history.jsonl", bench.folder) > 0);
    acknowledge(&bench, "www", NOW + DAY, "one");
    acknowledge(&bench, "www", NOW + 2 * DAY, "two\nlines");
    assert_int_equal(read_ack(&bench, "www", NOW + 2 * DAY, "two\nlines"), ECERT_OK);
    FILE *file = fopen(path, "a"); /* a crash in the middle of a line */
    assert_non_null(file);
    assert_true(fputs("{\"format\":1,\"na", file) >= 0);
    assert_int_equal(fclose(file), 0);
    acknowledge(&bench, "www", NOW + 3 * DAY, "three");
    assert_int_equal(ecert_fs_read(path, 4096, &text, &err), ECERT_OK);
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    assert_int_equal(lines, 4);
    assert_non_null(strstr((const char *)text.ptr, "\"note\":\"one\""));
    assert_non_null(strstr((const char *)text.ptr, "\"note\":\"two\\nlines\""));
    assert_non_null(strstr((const char *)text.ptr, "\n{\"format\":1,\"name\":\"www\",\"until\":"));
    bench_end(&bench);
}

static void a_damaged_ack_quiets_nobody(void **state)
{
    (void)state;
    const struct ecert_finding finding =
        bench_certificate("www", "AA", NOW - 300 * DAY, NOW + 5 * DAY);
    struct bench bench;

    bench_begin(&bench);
    acknowledge(&bench, "www", NOW + DAY, "x");
    ECERT_AUTO(ecert_auto_free) char *file = bench_first_file(&bench, "acks");
    bench_write(file, "{\"name\": \"www\"}");
    assert_int_equal(read_ack(&bench, "www", NOW, ""), ECERT_E_REFUSED);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    assert_int_equal(bench.notes.len, 1);
    assert_int_equal(read_ack(&bench, "www", NOW, ""), ECERT_E_NOT_FOUND);
    bench_end(&bench);
}

/* ---- the digest ---- */

static bool is_due(struct bench *bench, int64_t now)
{
    struct ecert_error err = {0};
    bool due = false;

    if (ecert_digest_is_due(&bench->config, now, &due, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    return due;
}

static bool send_if_due(struct bench *bench, int64_t now)
{
    struct ecert_error err = {0};
    const bool due = is_due(bench, now);

    if (due && ecert_digest_sent(&bench->config, now, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    return due;
}

static void begin_digest(struct bench *bench, const char *day, const char *zone)
{
    bench_begin(bench);
    assert_int_equal(zone == NULL ? unsetenv("TZ") : setenv("TZ", zone, 1), 0);
    ECERT_AUTO(ecert_auto_free) char *copy = NULL;
    struct ecert_error err = {0};
    assert_int_equal(ecert_text_copy(ecert_view_of(day), &copy, &err), ECERT_OK);
    bench->config.reminders.digest = copy;
    copy = NULL;
}

static void end_digest(struct bench *bench)
{
    free(bench->config.reminders.digest);
    assert_int_equal(unsetenv("TZ"), 0);
    bench_end(bench);
}

/* NOW is a Saturday at midnight, UTC; runs are at a random minute of the hour after eight. */
static void once_a_week(void **state)
{
    (void)state;
    struct bench bench;

    begin_digest(&bench, "monday", "UTC");
    assert_true(send_if_due(&bench, NOW + 8 * HOUR)); /* the first one says that it works */
    for (int day = 1; day < 60; day++) {
        const int64_t now = NOW + day * DAY + 8 * HOUR + (day * 1237) % 3600;

        assert_int_equal(send_if_due(&bench, now), day % 7 == 2);
        assert_false(send_if_due(&bench, now + HOUR));
    }
    end_digest(&bench);
}

static void digests_and_sleeps(void **state)
{
    (void)state;
    struct bench bench;

    begin_digest(&bench, "sunday", "UTC");
    assert_true(send_if_due(&bench, NOW));
    assert_true(send_if_due(&bench, NOW + DAY));      /* Sunday */
    assert_true(send_if_due(&bench, NOW + 12 * DAY)); /* slept over one: Thursday */
    assert_false(send_if_due(&bench, NOW + 14 * DAY));
    assert_true(send_if_due(&bench, NOW + 15 * DAY));  /* Sunday again */
    assert_true(send_if_due(&bench, NOW + 300 * DAY)); /* one, not forty */
    assert_false(send_if_due(&bench, NOW + 300 * DAY + HOUR));
    /* the clock goes back: an hour or a day repeats nothing, half a year does not silence it */
    assert_false(send_if_due(&bench, NOW + 300 * DAY - HOUR));
    assert_false(send_if_due(&bench, NOW + 299 * DAY));
    assert_true(send_if_due(&bench, NOW + 100 * DAY));
    assert_false(send_if_due(&bench, NOW + 100 * DAY));
    end_digest(&bench);
}

/*
 * Europe/Berlin as a rule of POSIX: no zone files are needed.  Summer time begins on Sunday
 * 2027-03-28 and ends on Sunday 2027-10-31; midnight in Berlin is 23:00 or 22:00 UTC.
 */
static void digests_by_the_clock_on_the_wall(void **state)
{
    (void)state;
    const char *zone = "CET-1CEST,M3.5.0,M10.5.0/3";
    const int64_t monday = INT64_C(1806271200); /* 2027-03-29 at midnight there, 22:00 UTC */
    struct bench bench;

    begin_digest(&bench, "monday", zone);
    struct tm tm;
    const time_t at = (time_t)monday;
    tzset();
    assert_non_null(localtime_r(&at, &tm));
    assert_int_equal(tm.tm_wday, 1);
    assert_int_equal(tm.tm_hour, 0);
    assert_int_equal(tm.tm_mday, 29);
    assert_true(send_if_due(&bench, monday - 7 * DAY + 2 * HOUR)); /* the Monday before */
    assert_false(send_if_due(&bench, monday - 1));
    assert_true(send_if_due(&bench, monday));
    assert_false(send_if_due(&bench, monday + 6 * DAY));
    for (int week = 1; week < 52; week++) { /* over the end of summer time: on Mondays only */
        int64_t day = monday + week * 7 * DAY;
        const time_t t = (time_t)day;
        assert_non_null(localtime_r(&t, &tm));
        day += tm.tm_hour == 23 ? HOUR : 0; /* winter: midnight is an hour later */
        assert_false(send_if_due(&bench, day - 1));
        assert_true(send_if_due(&bench, day));
        assert_false(send_if_due(&bench, day + 3 * HOUR));
    }
    end_digest(&bench);
    begin_digest(&bench, "monday", "HKT-8"); /* Monday there is still Sunday in UTC */
    assert_true(send_if_due(&bench, NOW));
    assert_false(send_if_due(&bench, NOW + DAY + 16 * HOUR - 1));
    assert_true(send_if_due(&bench, NOW + DAY + 16 * HOUR));
    end_digest(&bench);
}

static void never_a_digest(void **state)
{
    (void)state;
    struct bench bench;

    begin_digest(&bench, "never", "UTC");
    assert_false(is_due(&bench, NOW));
    assert_false(is_due(&bench, NOW + 2 * DAY));
    end_digest(&bench);
}

/* Checks and digests write the same file, and neither forgets the other's. */
static void checks_keep_the_digest(void **state)
{
    (void)state;
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_NO_ANSWER);
    struct ecert_noticing *noticing = NULL;
    struct ecert_error err = {0};
    struct bench bench;

    begin_digest(&bench, "saturday", "UTC");
    (void)bench_check(&bench, &finding, 1, NOW, true);
    assert_int_equal(ecert_noticing_begin(&bench.config, NOW + HOUR, &noticing, &bench.notes, &err),
                     ECERT_OK);
    assert_true(send_if_due(&bench, NOW + HOUR)); /* while the check goes on */
    bool is_new = false;
    assert_int_equal(ecert_noticing_add(noticing, &finding, &is_new, &err), ECERT_OK);
    assert_true(is_new); /* the second time */
    assert_int_equal(ecert_noticing_end(&noticing, true, &err), ECERT_OK);
    assert_false(is_due(&bench, NOW + 2 * HOUR));
    end_digest(&bench);
}

static void a_damaged_state_is_told_by_a_digest(void **state)
{
    (void)state;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct bench bench;

    begin_digest(&bench, "saturday", "UTC");
    assert_true(send_if_due(&bench, NOW));
    assert_true(asprintf(&path, "%s/reminders/state.json", bench.folder) > 0);
    bench_write(path, "{\"format\": 1}");
    assert_true(send_if_due(&bench, NOW + HOUR));
    assert_false(send_if_due(&bench, NOW + HOUR));
    end_digest(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_until_its_end),
        cmocka_unit_test(what_is_new_is_told),
        cmocka_unit_test(shown_as_quiet_is_what_nobody_is_told),
        cmocka_unit_test(asking_what_is_quiet_writes_nothing),
        cmocka_unit_test(names_of_all_kinds),
        cmocka_unit_test(every_ack_is_on_record),
        cmocka_unit_test(a_damaged_ack_quiets_nobody),
        cmocka_unit_test(once_a_week),
        cmocka_unit_test(digests_and_sleeps),
        cmocka_unit_test(digests_by_the_clock_on_the_wall),
        cmocka_unit_test(never_a_digest),
        cmocka_unit_test(checks_keep_the_digest),
        cmocka_unit_test(a_damaged_state_is_told_by_a_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
