/* Looking at what is owed, without the lock: nothing is written, whatever there is to be settled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "tests/unit/monitor/reminders_bench.h"

/* ---- a tree as text: names, times and bytes ---- */

static struct ecert_buffer *picture;

static int add_to_picture(const char *path, const struct stat *st, int type, struct FTW *at)
{
    struct ecert_bytes content = {0};
    struct ecert_error err = {0};

    (void)at;
    ecert_buffer_printf(picture, "%s %" PRIu64 " %jd.%09ld\n", path, (uint64_t)st->st_ino,
                        (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    if (type == FTW_F && ecert_fs_read(path, 100000, &content, &err) == ECERT_OK)
        ecert_buffer_add(picture, ecert_bytes_view(&content));
    ecert_bytes_clear(&content);
    return 0;
}

static char *picture_of(const struct bench *bench)
{
    struct ecert_buffer text = {0};

    picture = &text;
    assert_int_equal(nftw(bench->folder, add_to_picture, 8, FTW_PHYS), 0);
    assert_non_null(text.ptr);
    return (char *)text.ptr;
}

/* How many are owed, to whom, and what could not be read; the tree must stay as it is. */
static void assert_looks(struct bench *bench, const char *wanted, size_t unread, size_t notes)
{
    ECERT_AUTO(ecert_auto_free) char *before = picture_of(bench);
    ECERT_AUTO(ecert_reminder_list_clear) struct ecert_reminder_list list = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings told = {0};
    struct ecert_error err = {0};
    char text[256] = "";

    assert_int_equal(ecert_reminders_owed(&bench->config, &list, &told, &err), ECERT_OK);
    ECERT_AUTO(ecert_auto_free) char *after = picture_of(bench);
    for (size_t i = 0; i < list.n; i++)
        for (size_t k = 0; k < list.items[i].n_owed; k++)
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s:%s ",
                           list.items[i].finding.name,
                           ecert_channel_word(list.items[i].owed[k].channel));
    assert_string_equal(text, wanted);
    assert_int_equal(list.unread, unread);
    assert_int_equal(told.len, notes);
    assert_string_equal(before, after);
}

static struct ecert_finding ends_in(const char *name, int64_t left)
{
    return bench_certificate(name, "AA", NOW - 300 * DAY, NOW + left);
}

static void begin_with_one(struct bench *bench)
{
    const struct ecert_finding finding = ends_in("www", 5 * DAY);

    bench_begin(bench);
    assert_int_equal(bench_check(bench, &finding, 1, NOW, true), 1);
}

static void what_is_owed(void **state)
{
    struct bench bench;

    (void)state;
    begin_with_one(&bench);
    assert_looks(&bench, "www:webhook ", 0, 0);
    bench_end(&bench);
}

static void another_configuration(void **state)
{
    struct ecert_error err = {0};
    struct bench bench;

    (void)state;
    begin_with_one(&bench);
    assert_int_equal(ecert_strings_add(&bench.config.reminders.command, "/bin/tell", &err),
                     ECERT_OK);
    assert_looks(&bench, "www:webhook www:command ", 0, 0); /* one more */
    bench.config.reminders.has_webhook = false;
    assert_looks(&bench, "www:command ", 0, 1); /* another one */
    ecert_strings_clear(&bench.config.reminders.command);
    assert_looks(&bench, "", 0, 1); /* nobody any more */
    bench.config.reminders.has_webhook = true;
    assert_looks(&bench, "www:webhook ", 0, 0);
    bench_end(&bench);
}

static void a_damaged_file(void **state)
{
    struct bench bench;

    (void)state;
    begin_with_one(&bench);
    ECERT_AUTO(ecert_auto_free) char *file = bench_first_file(&bench, "owed");
    bench_write(file, "{");
    assert_looks(&bench, "", 1, 1);
    /* whoever sends moves it aside, and counts it too */
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    assert_int_equal(ecert_reminders_settle(&bench.config, &list, &bench.notes, &err), ECERT_OK);
    assert_int_equal(list.unread, 1);
    ecert_reminder_list_clear(&list);
    assert_int_equal(bench_files(&bench, "owed"), 0);
    assert_looks(&bench, "", 0, 0);
    bench_end(&bench);
}

/* Told and written down, but not moved yet: the sender may be at it at this moment. */
static void one_that_was_just_told(void **state)
{
    const struct ecert_finding finding = ends_in("www", 5 * DAY);
    ECERT_AUTO(ecert_auto_free) char *back = NULL;
    struct bench bench;

    (void)state;
    bench_begin(&bench);
    assert_int_equal(bench_day(&bench, &finding, NOW), 1);
    ECERT_AUTO(ecert_auto_free) char *sent = bench_first_file(&bench, "sent");
    assert_true(asprintf(&back, "%s/reminders/owed/%s", bench.folder, ecert_path_base(sent)) > 0);
    assert_int_equal(rename(sent, back), 0);
    assert_looks(&bench, "", 0, 0);
    assert_int_equal(bench_files(&bench, "owed"), 1);
    bench_end(&bench);
}

/* That somebody is not named any more is a note, and no failure, for the sender too. */
static void a_note_is_no_failure(void **state)
{
    struct ecert_reminder_list list = {0};
    struct ecert_error err = {0};
    struct bench bench;

    (void)state;
    begin_with_one(&bench);
    bench.config.reminders.has_webhook = false;
    assert_int_equal(ecert_reminders_settle(&bench.config, &list, &bench.notes, &err), ECERT_OK);
    assert_int_equal(bench.notes.len, 1);
    assert_int_equal(list.unread, 0);
    ecert_reminder_list_clear(&list);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_owed),         cmocka_unit_test(another_configuration),
        cmocka_unit_test(a_damaged_file),       cmocka_unit_test(one_that_was_just_told),
        cmocka_unit_test(a_note_is_no_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
