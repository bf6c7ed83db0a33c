/* What is owed, to whom, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "tests/unit/monitor/reminders_bench.h"

#define WEEK (7 * DAY)

/* A certificate with `left` seconds to go at NOW. */
static struct ecert_finding ends_in(const char *name, int64_t left)
{
    return bench_certificate(name, "AA", NOW - 300 * DAY, NOW + left);
}

/* ---- who is told ---- */

static char *word(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    return copy;
}

static void set_list(struct ecert_strings *list, const char *texts)
{
    ECERT_AUTO(ecert_auto_free) char *copy = word(texts);
    struct ecert_error err = {0};
    char *rest = NULL;

    for (const char *one = strtok_r(copy, " ", &rest); one != NULL;
         one = strtok_r(NULL, " ", &rest))
        assert_int_equal(ecert_strings_add(list, one, &err), ECERT_OK);
}

static void who_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *what, *to, *escalation, *own, *own_escalation;
        bool email, webhook, command, journal, problem;
        int days;
        const char *wanted;
    } rows[] = {
        /* clang-format off */
        {"nobody", "a@x", "", "", "", false, false, false, false, false, 1, ""},
        {"an e-mail without an address", "", "", "", "", true, false, false, false, false, 20, ""},
        {"the fall-back", "a@x b@x", "", "", "", true, false, false, false, false, 20, "email:a@x email:b@x"},
        {"his own contact", "a@x", "", "c@x", "", true, false, false, false, false, 20, "email:c@x"},
        {"not escalated yet", "a@x", "boss@x", "", "", true, false, false, false, false, 8, "email:a@x"},
        {"escalated", "a@x", "boss@x", "", "", true, false, false, false, false, 7, "email:a@x email:boss@x!"},
        {"his own escalation", "a@x", "boss@x", "", "chief@x", true, false, false, false, false, 7, "email:a@x email:chief@x!"},
        {"critical", "a@x", "boss@x", "", "", true, false, false, false, true, 0, "email:a@x email:boss@x!"},
        {"each once", "a@X.hk A@x.hk", "a@x.HK boss@x", "", "", true, false, false, false, false, 0, "email:a@X.hk email:A@x.hk email:boss@x!"},
        {"every channel", "a@x", "", "", "", true, true, true, true, false, 20, "email:a@x webhook: command: journal:"},
        {"no e-mail", "a@x", "boss@x", "c@x", "", false, false, true, false, false, 0, "command:"},
        /* clang-format on */
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_watch_settings settings = {0};
        struct ecert_reminder_list list = {0};
        struct ecert_finding finding = rows[i].problem
                                           ? bench_problem("www", ECERT_CONDITION_OTHER_LEAF)
                                           : ends_in("www", rows[i].days * DAY + HOUR);
        struct ecert_error err = {0};
        struct bench bench;
        char text[256] = "";

        bench_begin(&bench);
        struct ecert_reminders_config *reminders = &bench.config.reminders;
        set_list(&reminders->email.to, rows[i].to);
        set_list(&reminders->escalation, rows[i].escalation);
        set_list(&settings.contacts, rows[i].own);
        set_list(&settings.escalation, rows[i].own_escalation);
        if (rows[i].command)
            set_list(&reminders->command, "/bin/tell");
        reminders->has_email = rows[i].email;
        reminders->has_webhook = rows[i].webhook;
        reminders->journal = rows[i].journal;
        finding.settings = &settings;
        const size_t n = bench_check(&bench, &finding, 1, NOW, true);
        assert_int_equal(ecert_reminders_owed(&bench.config, &list, &bench.notes, &err), ECERT_OK);
        assert_int_equal(list.n, n);
        for (size_t k = 0; list.n > 0 && k < list.items[0].n_owed; k++) {
            const struct ecert_owed *owed = &list.items[0].owed[k];

            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s:%s",
                           k > 0 ? " " : "", ecert_channel_word(owed->channel),
                           owed->to == NULL ? "" : owed->to);
        }
        if (list.n > 0 && list.items[0].escalated)
            (void)strcat(text, "!");
        if (strcmp(text, rows[i].wanted) != 0)
            fail_msg("%s: %s", rows[i].what, text);
        assert_int_equal(bench_files(&bench, "owed"), rows[i].wanted[0] != '\0');
        ecert_reminder_list_clear(&list);
        ecert_strings_clear(&reminders->email.to);
        ecert_strings_clear(&reminders->escalation);
        ecert_strings_clear(&reminders->command);
        ecert_strings_clear(&settings.contacts);
        ecert_strings_clear(&settings.escalation);
        bench_end(&bench);
    }
}

/* ---- what is one thing ---- */

static void what_is_one_thing(void **state)
{
    (void)state;
    struct ecert_finding list[8];
    struct bench bench;

    bench_begin(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        list[i] = ends_in("www", 10 * DAY);
    list[1].watched = ECERT_WATCHED_TARGET; /* on disk and on the server, under one name: one */
    list[2].name = list[2].title = word("mail"); /* under another: two */
    (void)strcpy(list[3].sha256, "BB");          /* another certificate of that name: three */
    list[4].where = NULL;                        /* found at another place: no new one */
    list[5].watched = ECERT_WATCHED_SUBSCRIPTION;
    list[5].sha256[0] = '\0'; /* four */
    list[6] = list[5];
    list[6].not_after += DAY; /* another year of it: five */
    list[7] = list[6];
    list[7].watched = ECERT_WATCHED_INBOX; /* six */
    assert_int_equal(bench_check(&bench, list, ARRAY_SIZE(list), NOW, true), 6);
    assert_int_equal(bench_check(&bench, list, ARRAY_SIZE(list), NOW + HOUR, true), 0);
    assert_int_equal(bench_files(&bench, "owed"), 6);
    free(list[2].name);
    bench_end(&bench);
}

static void problems_apart(void **state)
{
    (void)state;
    static char places[][48] = {"generation 3",          "generation 4",
                                "/a.pem, certificate 1", "/a.pem, certificate 2",
                                "/b.pem, certificate 2", "/generation 1/b.pem"};
    struct ecert_finding list[9];
    struct bench bench;

    bench_begin(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
        list[i] = bench_problem("www", ECERT_CONDITION_UNREADABLE);
        list[i].where = places[i < ARRAY_SIZE(places) ? i : 0];
    }
    list[6].condition = ECERT_CONDITION_MISSING;
    (void)strcpy(list[7].sha256, "CC");
    list[8].watched = ECERT_WATCHED_FILE;
    /* generation, a.pem, b.pem, generation 1/b.pem, missing, CC, file */
    assert_int_equal(bench_check(&bench, list, ARRAY_SIZE(list), NOW, true), 7);
    bench_end(&bench);
}

/* A server with a broken chain whose certificate ends soon: both are told. */
static void a_problem_does_not_hide_the_end(void **state)
{
    (void)state;
    struct ecert_finding finding = ends_in("www", 5 * DAY);
    char detail[] = "the intermediate is missing";
    struct bench bench;

    bench_begin(&bench);
    finding.condition = ECERT_CONDITION_INCOMPLETE_CHAIN;
    finding.urgency = ECERT_URGENCY_CRITICAL;
    finding.detail = detail;
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1); /* a finding, not a count */
    assert_int_equal(bench_send(&bench, NOW, BENCH_ACCEPTS), 2);
    const bool first = bench.letters[0].condition == ECERT_CONDITION_EXPIRES;
    assert_int_equal(bench.letters[!first].condition, ECERT_CONDITION_EXPIRES);
    assert_int_equal(bench.letters[!first].threshold, 7);
    assert_int_equal(bench.letters[first].condition, ECERT_CONDITION_INCOMPLETE_CHAIN);
    assert_int_equal(bench_day(&bench, &finding, NOW + DAY), 0);
    bench_end(&bench);
}

/* ---- problems ---- */

static void a_problem_is_told_every_week(void **state)
{
    (void)state;
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_OTHER_LEAF);
    struct bench bench;

    bench_begin(&bench);
    for (int day = 0; day < 30; day++)
        assert_int_equal(bench_day(&bench, &finding, NOW + day * DAY), day % 7 == 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + 42 * DAY), 1); /* slept: one, not two */
    assert_int_equal(bench_day(&bench, &finding, NOW + 42 * DAY - HOUR), 0); /* back: no older */
    assert_int_equal(bench_day(&bench, &finding, NOW + 42 * DAY + HOUR), 0);
    /* it is gone, but only a complete check can tell */
    (void)bench_check(&bench, NULL, 0, NOW + 43 * DAY, false);
    assert_int_equal(bench_day(&bench, &finding, NOW + 43 * DAY), 0);
    (void)bench_check(&bench, NULL, 0, NOW + 44 * DAY, true);
    assert_int_equal(bench_files(&bench, "sent"), 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + 44 * DAY + HOUR), 1); /* back again */
    bench_end(&bench);
}

static void a_problem_and_a_clock_that_jumped(void **state)
{
    (void)state;
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_OTHER_LEAF);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &finding, NOW), 1);
    assert_int_equal(bench_day(&bench, &finding, NOW + 31 * DAY), 1); /* a month ahead */
    assert_int_equal(bench_day(&bench, &finding, NOW + DAY), 0);
    for (int week = 1; week < 7; week++) /* the fourth too, which was told at the wrong time */
        assert_int_equal(bench_day(&bench, &finding, NOW + week * WEEK), 1);
    /* first seen a year ahead: its weeks begin anew */
    bench_end(&bench);
    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &finding, NOW + 365 * DAY), 1);
    assert_int_equal(bench_day(&bench, &finding, NOW), 1);
    assert_int_equal(bench_day(&bench, &finding, NOW + DAY), 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + WEEK), 1);
    bench_end(&bench);
}

static void no_answer_counts_from_the_second_time(void **state)
{
    (void)state;
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_NO_ANSWER);
    const struct ecert_finding other = bench_problem("mail", ECERT_CONDITION_NO_ANSWER);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &finding, NOW), 0);
    (void)bench_check(&bench, NULL, 0, NOW + DAY, true); /* it answered */
    assert_int_equal(bench_day(&bench, &finding, NOW + 2 * DAY), 0);
    (void)bench_check(&bench, &other, 1, NOW + 2 * DAY + HOUR, false); /* looked at another only */
    assert_int_equal(bench_day(&bench, &finding, NOW + 3 * DAY), 1);
    assert_int_equal(bench_day(&bench, &finding, NOW + 4 * DAY), 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + 9 * DAY), 1); /* a week since it began */
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_told),
        cmocka_unit_test(what_is_one_thing),
        cmocka_unit_test(problems_apart),
        cmocka_unit_test(a_problem_does_not_hide_the_end),
        cmocka_unit_test(a_problem_is_told_every_week),
        cmocka_unit_test(a_problem_and_a_clock_that_jumped),
        cmocka_unit_test(no_answer_counts_from_the_second_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
