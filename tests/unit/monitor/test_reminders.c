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
#include "core/monitor/channel.h"
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
        {"every channel", "a@x", "", "", "", true, true, true, true, false, 20, "email:a@x webhook: command:+"},
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
        char text[256] = "", wanted[256] = "";
        struct ecert_watch_config watch = {0};

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
        watch.name = finding.name;
        watch.settings = settings;
        bench.config.watches = &watch;
        bench.config.n_watches = 1;
        finding.settings = &watch.settings;
        /* "+": and the journal, where there is one */
        const size_t stem = strcspn(rows[i].wanted, "+");
        (void)snprintf(wanted, sizeof wanted, "%.*s%s", (int)stem, rows[i].wanted,
                       rows[i].wanted[stem] == '\0' ? ""
                       : ecert_channel_is_configured(&bench.config, ECERT_CHANNEL_JOURNAL)
                           ? " journal:"
                           : "");
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
        if (strcmp(text, wanted) != 0)
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

/* Two lists of one authority, published together. */
static void lists_of_one_end(void **state)
{
    (void)state;
    char places[][32] = {"http://crl.x/1.crl", "http://crl.x/2.crl", "http://crl.x/1.crl"};
    struct ecert_finding list[3];
    struct bench bench;

    bench_begin(&bench);
    for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
        list[i] = bench_certificate("hongkongpost", "", NOW - 10 * DAY, NOW - DAY);
        list[i].watched = ECERT_WATCHED_CRL;
        list[i].where = places[i];
    }
    assert_int_equal(bench_check(&bench, list, 3, NOW, true), 2);
    bench_end(&bench);
}

static void problems_apart(void **state)
{
    (void)state;
    static char issuer[2][48] = {"chain of www", "chain of www and 2 more"};
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
    /* an issuer in one more chain is the same, another issuer is another */
    for (size_t i = 0; i < 3; i++) {
        list[i] = bench_problem("www", ECERT_CONDITION_REVOKED);
        list[i].watched = ECERT_WATCHED_CHAIN;
        list[i].where = issuer[i == 1];
        (void)strcpy(list[i].sha256, i == 2 ? "BB" : "AA");
    }
    assert_int_equal(bench_check(&bench, list, 3, NOW, true), 2);
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
    (void)bench_check(&bench, NULL, 0, NOW + 46 * DAY, true);
    assert_int_equal(bench_files(&bench, "sent"), 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + 46 * DAY + HOUR), 1); /* back again */
    bench_end(&bench);
}

/* A handshake that fails hides a wrong name, which is still there with the next one. */
static void a_blip_forgets_no_problem(void **state)
{
    (void)state;
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_WRONG_NAME);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &finding, NOW), 1);
    for (int hour = 1; hour < 6 * 24; hour++) { /* two days away, then there once: begins anew */
        if (hour % 48 == 0)
            assert_int_equal(bench_check(&bench, &finding, 1, NOW + hour * HOUR, hour == 48), 0);
        else
            (void)bench_check(&bench, NULL, 0, NOW + hour * HOUR, true);
        assert_int_equal(bench_files(&bench, "sent"), 1);
    }
    /* seen by the check at 96 hours, missed from 97 on */
    (void)bench_check(&bench, NULL, 0, NOW + (97 + 48) * HOUR - 1, true);
    assert_int_equal(bench_files(&bench, "sent"), 1);
    (void)bench_check(&bench, NULL, 0, NOW + (97 + 48) * HOUR, true);
    assert_int_equal(bench_files(&bench, "sent"), 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + 150 * HOUR), 1);
    bench_end(&bench);
}

/* Only remind --failed sees them: checks, which do not, must not make them told each time. */
static void a_check_forgets_no_unit(void **state)
{
    (void)state;
    struct ecert_finding finding = bench_problem("ecert-remind", ECERT_CONDITION_FAILED);
    struct bench bench;

    bench_begin(&bench);
    finding.watched = ECERT_WATCHED_UNIT;
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, false), 1);
    (void)bench_check(&bench, NULL, 0, NOW + HOUR, true); /* owed: stays */
    assert_int_equal(bench_send(&bench, NOW + 24 * HOUR, BENCH_ACCEPTS), 1);
    for (int hour = 25; hour < 24 + 48; hour++) {
        (void)bench_check(&bench, NULL, 0, NOW + hour * HOUR, true);
        assert_int_equal(bench_check(&bench, &finding, 1, NOW + hour * HOUR, false), 0);
    }
    (void)bench_check(&bench, NULL, 0, NOW + 72 * HOUR, true);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW + 72 * HOUR, false), 1);
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

static void no_answer_for_ten_minutes(void **state)
{
    (void)state;
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_NO_ANSWER);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 0);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW + 60, true), 0);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW + 599, false), 0);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW + 600, true), 1);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_told),
        cmocka_unit_test(what_is_one_thing),
        cmocka_unit_test(lists_of_one_end),
        cmocka_unit_test(problems_apart),
        cmocka_unit_test(a_blip_forgets_no_problem),
        cmocka_unit_test(a_check_forgets_no_unit),
        cmocka_unit_test(no_answer_for_ten_minutes),
        cmocka_unit_test(a_problem_does_not_hide_the_end),
        cmocka_unit_test(a_problem_is_told_every_week),
        cmocka_unit_test(a_problem_and_a_clock_that_jumped),
        cmocka_unit_test(no_answer_counts_from_the_second_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
