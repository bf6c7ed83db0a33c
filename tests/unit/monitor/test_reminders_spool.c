/* What becomes of what is owed: crashes, damaged files, refused post. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/monitor/reminders_internal.h"
#include "tests/unit/monitor/reminders_bench.h"

#define WEEK (7 * DAY)

/* A certificate with `left` seconds to go at NOW. */
static struct ecert_finding ends_in(const char *name, int64_t left)
{
    return bench_certificate(name, "AA", NOW - 300 * DAY, NOW + left);
}

/* The names of files must not change from one version to the next: everything would be told again.
 */
static void keys_stay_the_same(void **state)
{
    (void)state;
    const struct ecert_finding end = ends_in("www", 10 * DAY);
    const struct ecert_finding problem = bench_problem("www", ECERT_CONDITION_OTHER_LEAF);
    struct ecert_error err = {0};
    struct ecert_thing thing;
    char key[ECERT_KEY_LEN + 1], read[ECERT_KEY_LEN + 1], name[64];

    assert_int_equal(ecert_thing_of_end(&end, &thing, &err), ECERT_OK);
    ecert_thing_key(&thing, 30, key);
    assert_string_equal(key, "409aec7b7bf4c6c4de39739446aa698f");
    assert_false(ecert_key_is_problem(key));
    ecert_thing_key(&thing, -7, key);
    assert_string_equal(key, "409aec7b7bf4c6c4f61facea0455b604");
    assert_int_equal(ecert_thing_of_problem(&problem, &thing, &err), ECERT_OK);
    ecert_thing_key(&thing, 0, key);
    assert_string_equal(key, "8d52f15d91df930c9907175652422f11");
    assert_true(ecert_key_is_problem(key));
    (void)snprintf(name, sizeof name, "%s.json", key);
    assert_true(ecert_key_of_name(name, read));
    assert_string_equal(read, key);
    (void)snprintf(name, sizeof name, "%s.json.damaged", key);
    assert_false(ecert_key_of_name(name, read));
    assert_false(ecert_key_of_name("state.json", read));
}

/* ---- crashes ---- */

static void killed_between_sent_and_recorded(void **state)
{
    (void)state;
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    assert_int_equal(bench_send(&bench, NOW, BENCH_KILLED), 1);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW + 60, true), 0);
    assert_int_equal(bench_send(&bench, NOW + 60, BENCH_ACCEPTS), 1); /* once more, not never */
    assert_int_equal(bench_send(&bench, NOW + 120, BENCH_ACCEPTS), 0);
    assert_int_equal(bench_files(&bench, "sent"), 1);
    bench_end(&bench);
}

static void killed_between_owed_and_state(void **state)
{
    (void)state;
    const struct ecert_finding list[] = {ends_in("www", 5 * DAY),
                                         bench_problem("www", ECERT_CONDITION_OTHER_LEAF)};
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check_and_die(&bench, list, 2, NOW), 2);
    assert_int_equal(bench_check(&bench, list, 2, NOW + HOUR, true), 0);
    assert_int_equal(bench_send(&bench, NOW + HOUR, BENCH_ACCEPTS), 2);
    assert_int_equal(bench_check_and_die(&bench, list, 2, NOW + 9 * DAY), 2);
    assert_int_equal(bench_send(&bench, NOW + 9 * DAY, BENCH_ACCEPTS), 2);
    assert_int_equal(bench_check(&bench, list, 2, NOW + 9 * DAY + HOUR, true), 0);
    bench_end(&bench);
}

/* All were told and that was written, but the file was not moved any more. */
static void killed_before_the_move(void **state)
{
    (void)state;
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    ECERT_AUTO(ecert_auto_free) char *back = NULL;
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &finding, NOW), 1);
    ECERT_AUTO(ecert_auto_free) char *sent = bench_first_file(&bench, "sent");
    assert_true(asprintf(&back, "%s/reminders/owed/%s", bench.folder, ecert_path_base(sent)) > 0);
    assert_int_equal(rename(sent, back), 0);
    assert_int_equal(bench_day(&bench, &finding, NOW + HOUR), 0);
    assert_int_equal(bench_files(&bench, "owed"), 0);
    assert_int_equal(bench_files(&bench, "sent"), 1);
    bench_end(&bench);
}

static void temporaries_are_removed(void **state)
{
    (void)state;
    ECERT_AUTO(ecert_auto_free) char *left = NULL;
    struct bench bench;

    bench_begin(&bench);
    (void)bench_check(&bench, NULL, 0, NOW, true);
    assert_true(asprintf(&left, "%s/reminders/owed/.ab.json.ecert-0123456789ABCDEF", bench.folder) >
                0);
    bench_write(left, "{");
    (void)bench_check(&bench, NULL, 0, NOW + DAY, true);
    assert_true(ecert_fs_exists(left));
    (void)bench_check(&bench, NULL, 0, NOW + WEEK, true);
    assert_false(ecert_fs_exists(left));
    bench_end(&bench);
}

/* ---- damaged files ---- */

static void damaged_files(void **state)
{
    (void)state;
    static const char *const contents[] = {
        "", "{", "[]", "{}", "{\"format\": 9}", "{\"format\": 1, \"key\": \"x\"}", "\xFF\xFE"};
    const struct ecert_finding list[] = {ends_in("www", 5 * DAY), ends_in("mail", 5 * DAY)};

    for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
        struct bench bench;

        bench_begin(&bench);
        assert_int_equal(bench_check(&bench, list, 2, NOW, true), 2);
        ECERT_AUTO(ecert_auto_free) char *file = bench_first_file(&bench, "owed");
        bench_write(file, contents[i]);
        assert_int_equal(bench_send(&bench, NOW, BENCH_ACCEPTS), 1); /* the other one */
        assert_int_equal(bench.notes.len, 1);
        assert_non_null(strstr(bench.notes.items[0], file));
        assert_false(ecert_fs_exists(file));
        assert_int_equal(bench_check(&bench, list, 2, NOW + DAY, true), 1); /* owed again */
        assert_int_equal(bench_send(&bench, NOW + DAY, BENCH_ACCEPTS), 1);
        bench_end(&bench);
    }
}

static void a_damaged_state(void **state)
{
    (void)state;
    const struct ecert_finding list[] = {ends_in("www", 5 * DAY),
                                         bench_problem("www", ECERT_CONDITION_OTHER_LEAF)};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, list, 2, NOW, true), 2);
    assert_int_equal(bench_send(&bench, NOW, BENCH_ACCEPTS), 2);
    assert_true(asprintf(&path, "%s/reminders/state.json", bench.folder) > 0);
    bench_write(path, "{\"format\": 1, \"last_check\":");
    assert_int_equal(bench_check(&bench, list, 2, NOW + DAY, true), 0);
    assert_int_equal(bench.notes.len, 1);
    assert_true(ecert_fs_exists(path));
    bench_end(&bench);
}

static void a_damaged_record_of_a_problem(void **state)
{
    (void)state;
    const struct ecert_finding finding = bench_problem("www", ECERT_CONDITION_OTHER_LEAF);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &finding, NOW), 1);
    ECERT_AUTO(ecert_auto_free) char *file = bench_first_file(&bench, "sent");
    bench_write(file, "");
    assert_int_equal(bench_day(&bench, &finding, NOW + DAY), 1); /* twice rather than never */
    assert_int_equal(bench_day(&bench, &finding, NOW + 2 * DAY), 0);
    bench_end(&bench);
}

/* What the texts are: everything comes back as it was. */
static void what_is_written_is_read(void **state)
{
    (void)state;
    char name[] = "\xE9\x83\xB5\xE6\x94\xBF", where[] = "/etc/a\"b\\c.pem", detail[] = "one\ntwo";
    struct ecert_finding finding = ends_in(name, 5 * DAY);
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    struct bench bench;

    bench_begin(&bench);
    finding.where = where;
    finding.detail = detail;
    (void)strcpy(finding.serial, "0123");
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    assert_int_equal(ecert_reminders_owed(&bench.config, &list, &bench.notes, &err), ECERT_OK);
    assert_int_equal(list.n, 1);
    const struct ecert_reminder *is = &list.items[0];
    assert_int_equal(strspn(is->key, "0123456789abcdef"), 32);
    assert_int_equal(is->created, NOW);
    assert_int_equal(is->since, 0);
    assert_string_equal(is->finding.name, name);
    assert_string_equal(is->finding.where, where);
    assert_string_equal(is->finding.detail, detail);
    assert_null(is->finding.title);
    assert_null(is->finding.settings);
    assert_string_equal(is->finding.serial, "0123");
    assert_string_equal(is->finding.sha256, "AA");
    assert_int_equal(is->finding.watched, ECERT_WATCHED_FILE);
    assert_int_equal(is->finding.condition, ECERT_CONDITION_EXPIRES);
    assert_int_equal(is->finding.urgency, ECERT_URGENCY_DUE);
    assert_int_equal(is->finding.not_before, finding.not_before);
    assert_int_equal(is->finding.not_after, finding.not_after);
    assert_int_equal(is->finding.threshold, 7);
    ecert_reminder_list_clear(&list);
    bench_end(&bench);
}

/* ---- trying again ---- */

static void add_command(struct bench *bench)
{
    struct ecert_error err = {0};

    assert_int_equal(ecert_strings_add(&bench->config.reminders.command, "/bin/tell", &err),
                     ECERT_OK);
}

static void the_back_off(void **state)
{
    (void)state;
    static const int minutes[] = {5, 15, 60, 240, 240, 240};
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    const struct ecert_error refused = {.status = ECERT_E_NETWORK, .text = "451 later"};
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    struct bench bench;
    int64_t now = NOW;

    bench_begin(&bench);
    add_command(&bench);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    for (size_t i = 0; i < ARRAY_SIZE(minutes); i++) {
        assert_int_equal(ecert_reminders_owed(&bench.config, &list, &bench.notes, &err), ECERT_OK);
        assert_true(ecert_owed_is_due(&list.items[0].owed[0], now));
        assert_int_equal(ecert_reminder_told(&bench.config, &list.items[0], 0, now, &refused, &err),
                         ECERT_OK);
        ecert_reminder_list_clear(&list);
        assert_int_equal(ecert_reminders_owed(&bench.config, &list, &bench.notes, &err), ECERT_OK);
        const struct ecert_owed *owed = &list.items[0].owed[0];
        assert_int_equal(owed->tries, i + 1);
        assert_string_equal(owed->last_error, "451 later");
        assert_int_equal(owed->next_try, now + minutes[i] * 60);
        assert_false(ecert_owed_is_due(owed, now + minutes[i] * 60 - 1));
        assert_true(ecert_owed_is_due(owed, now + minutes[i] * 60));
        assert_true(ecert_owed_is_due(owed, now - DAY));             /* the clock was put back */
        assert_true(ecert_owed_is_due(&list.items[0].owed[1], now)); /* the other is not held up */
        now += minutes[i] * 60;
        ecert_reminder_list_clear(&list);
    }
    assert_int_equal(bench_send(&bench, now, BENCH_ACCEPTS), 2);
    assert_int_equal(bench_files(&bench, "sent"), 1);
    ecert_strings_clear(&bench.config.reminders.command);
    bench_end(&bench);
}

/* One of two accepts: only the other is tried again. */
static void half_is_accepted(void **state)
{
    (void)state;
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    const struct ecert_error accepted = {0};
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    struct bench bench;

    bench_begin(&bench);
    add_command(&bench);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    assert_int_equal(ecert_reminders_owed(&bench.config, &list, &bench.notes, &err), ECERT_OK);
    assert_int_equal(ecert_reminder_told(&bench.config, &list.items[0], 1, NOW, &accepted, &err),
                     ECERT_OK);
    ecert_reminder_list_clear(&list);
    assert_int_equal(bench_files(&bench, "owed"), 1);
    assert_int_equal(ecert_reminders_owed(&bench.config, &list, &bench.notes, &err), ECERT_OK);
    assert_false(list.items[0].owed[0].told);
    assert_true(list.items[0].owed[1].told);
    assert_int_equal(list.items[0].owed[1].told_at, NOW);
    ecert_reminder_list_clear(&list);
    assert_int_equal(bench_send(&bench, NOW, BENCH_ACCEPTS), 1);
    ecert_strings_clear(&bench.config.reminders.command);
    bench_end(&bench);
}

/* ---- another configuration since ---- */

static void set_to(struct bench *bench, const char *address)
{
    struct ecert_error err = {0};

    ecert_strings_clear(&bench->config.reminders.email.to);
    assert_int_equal(ecert_strings_add(&bench->config.reminders.email.to, address, &err), ECERT_OK);
}

/* Who is owed what there is: "webhook email:a@x.hk". */
static void assert_owed(struct bench *bench, const char *wanted)
{
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    char text[256] = "";

    assert_int_equal(ecert_reminders_settle(&bench->config, &list, &bench->notes, &err), ECERT_OK);
    for (size_t i = 0; i < list.n; i++)
        for (size_t k = 0; k < list.items[i].n_owed; k++) {
            const struct ecert_owed *owed = &list.items[i].owed[k];

            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s%s",
                           text[0] == '\0' ? "" : " ",
                           owed->told ? "told" : ecert_channel_word(owed->channel),
                           owed->to == NULL ? "" : ":", owed->to == NULL ? "" : owed->to);
        }
    assert_string_equal(text, wanted);
    ecert_reminder_list_clear(&list);
}

static void who_is_owed_goes_by_today(void **state)
{
    (void)state;
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    char name[] = "www";
    struct ecert_watch_config watch = {.name = name};
    struct ecert_error err = {0};
    struct bench bench;

    bench_begin(&bench);
    bench.config.reminders.has_email = true;
    set_to(&bench, "a@x.hk");
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    assert_owed(&bench, "email:a@x.hk webhook");
    set_to(&bench, "a@X.HK"); /* is the same address */
    assert_owed(&bench, "email:a@x.hk webhook");
    assert_int_equal(bench.notes.len, 0);
    set_to(&bench, "b@x.hk");
    assert_owed(&bench, "webhook email:b@x.hk");
    assert_int_equal(bench.notes.len, 1);
    assert_non_null(strstr(bench.notes.items[0], "'www'"));
    assert_non_null(strstr(bench.notes.items[0], "email to a@x.hk"));
    assert_owed(&bench, "webhook email:b@x.hk");
    assert_int_equal(bench.notes.len, 1); /* it was written down */
    /* a contact of its own, whom the configuration of today has by the finding's name */
    assert_int_equal(ecert_strings_add(&watch.settings.contacts, "c@x.hk", &err), ECERT_OK);
    bench.config.watches = &watch;
    bench.config.n_watches = 1;
    assert_owed(&bench, "webhook email:c@x.hk");
    bench.config.reminders.has_webhook = false;
    add_command(&bench);
    assert_owed(&bench, "email:c@x.hk command");
    assert_int_equal(bench.notes.len, 3);
    bench.config.reminders.has_email = false;
    ecert_strings_clear(&bench.config.reminders.command);
    assert_owed(&bench, ""); /* nobody is left */
    assert_int_equal(bench_files(&bench, "owed"), 0);
    assert_int_equal(bench_files(&bench, "sent"), 1);
    ecert_strings_clear(&watch.settings.contacts);
    ecert_strings_clear(&bench.config.reminders.email.to);
    bench_end(&bench);
}

/* Who took it stays on record; the last one who did not is removed, and all is told. */
static bool has_journal;

bool __wrap_ecert_journal_is_here(const char *folder, const char *syslog_socket);
bool __wrap_ecert_journal_is_here(const char *folder, const char *syslog_socket)
{
    (void)folder;
    (void)syslog_socket;
    return has_journal;
}

/* That it is restarted just now is no reason to forget what it is to be told. */
static void a_journal_that_is_away_is_still_owed(void **state)
{
    (void)state;
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    struct bench bench;

    bench_begin(&bench);
    bench.config.reminders.has_webhook = false;
    bench.config.reminders.journal = true;
    has_journal = true;
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    has_journal = false;
    assert_owed(&bench, "journal");
    assert_int_equal(bench_send(&bench, NOW, BENCH_REFUSES), 0);
    assert_int_equal(bench_files(&bench, "owed"), 1);
    bench.config.reminders.journal = false; /* nobody wants it any more */
    assert_int_equal(bench_send(&bench, NOW + DAY, BENCH_ACCEPTS), 0);
    assert_int_equal(bench_files(&bench, "owed"), 0);
    bench_end(&bench);
}

static void the_only_one_who_refused_is_removed(void **state)
{
    (void)state;
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    const struct ecert_error accepted = {0};
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    struct bench bench;

    bench_begin(&bench);
    add_command(&bench);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, true), 1);
    assert_int_equal(ecert_reminders_owed(&bench.config, &list, &bench.notes, &err), ECERT_OK);
    assert_int_equal(ecert_reminder_told(&bench.config, &list.items[0], 1, NOW, &accepted, &err),
                     ECERT_OK);
    ecert_reminder_list_clear(&list);
    assert_owed(&bench, "webhook told");
    bench.config.reminders.has_webhook = false;
    assert_owed(&bench, "");
    assert_int_equal(bench_files(&bench, "sent"), 1);
    ecert_strings_clear(&bench.config.reminders.command);
    bench_end(&bench);
}

/* The mail server is away for a fortnight: then one letter comes, of what counts. */
static void what_is_owed_is_superseded(void **state)
{
    (void)state;
    const struct ecert_finding list[] = {ends_in("www", 30 * DAY),
                                         bench_problem("www", ECERT_CONDITION_OTHER_LEAF)};
    struct bench bench;

    bench_begin(&bench);
    for (int day = 0; day < 24; day++) {
        (void)bench_check(&bench, list, 2, NOW + day * DAY, true);
        (void)bench_send(&bench, NOW + day * DAY, BENCH_REFUSES);
        assert_int_equal(bench_files(&bench, "owed"), 2);
    }
    assert_int_equal(bench_send(&bench, NOW + 24 * DAY, BENCH_ACCEPTS), 2);
    assert_int_equal(bench.letters[0].threshold + bench.letters[1].threshold,
                     7 + ECERT_NO_THRESHOLD);
    bench_end(&bench);
}

static void what_is_fine_leaves_nothing(void **state)
{
    (void)state;
    const struct ecert_finding finding = ends_in("www", 100 * DAY);
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, &finding, 1, NOW, false), 0);
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    assert_true(asprintf(&folder, "%s/reminders", bench.folder) > 0);
    assert_false(ecert_fs_exists(folder));
    bench_end(&bench);
}

/* Keys of things that are gone are forgotten after 400 days, those of what is there never. */
static void old_keys_are_forgotten(void **state)
{
    (void)state;
    const struct ecert_finding list[] = {ends_in("www", 5 * DAY), ends_in("mail", 5 * DAY)};
    struct bench bench;

    bench_begin(&bench);
    assert_int_equal(bench_check(&bench, list, 2, NOW, true), 2);
    (void)bench_send(&bench, NOW, BENCH_ACCEPTS);
    assert_int_equal(bench_files(&bench, "sent"), 2);
    (void)bench_check(&bench, NULL, 0, NOW + 399 * DAY, true);
    assert_int_equal(bench_files(&bench, "sent"), 2);
    (void)bench_check(&bench, list, 1, NOW + 410 * DAY, true);
    (void)bench_send(&bench, NOW + 410 * DAY, BENCH_ACCEPTS); /* www: 57 weeks past */
    assert_int_equal(bench_files(&bench, "sent"), 2);         /* www at 7 and -392 */
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_stay_the_same),
        cmocka_unit_test(killed_between_sent_and_recorded),
        cmocka_unit_test(killed_between_owed_and_state),
        cmocka_unit_test(killed_before_the_move),
        cmocka_unit_test(temporaries_are_removed),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(a_damaged_state),
        cmocka_unit_test(a_damaged_record_of_a_problem),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_back_off),
        cmocka_unit_test(half_is_accepted),
        cmocka_unit_test(who_is_owed_goes_by_today),
        cmocka_unit_test(a_journal_that_is_away_is_still_owed),
        cmocka_unit_test(the_only_one_who_refused_is_removed),
        cmocka_unit_test(what_is_owed_is_superseded),
        cmocka_unit_test(what_is_fine_leaves_nothing),
        cmocka_unit_test(old_keys_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
