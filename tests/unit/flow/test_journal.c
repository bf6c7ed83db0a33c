#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/flow/journal.h"
#include "core/flow/staging.h"
#include "tests/support/test_pki.h"

/* A change of one file, one new file and one link, with its journal begun. */
struct begun {
    char *folder, *path;
    struct ecert_plan plan;
    struct ecert_change change;
    struct ecert_outcome outcome;
    struct ecert_items items;
    struct ecert_journal journal;
};

static void begin(struct begun *b)
{
    const char *const reload[] = {"/bin/true", "a word", "", NULL};
    const char *const start[] = {"/bin/start", NULL};
    const struct ecert_activate_record activate = {.size = sizeof activate,
                                                   .service = "x.service",
                                                   .reload = reload,
                                                   .start = start,
                                                   .executable = "/bin/x"};
    struct ecert_member member = {.outcome = &b->outcome, .waiting = true};
    struct ecert_error err = {0};
    char *fresh = NULL, *live = NULL;

    b->folder = test_folder_make();
    b->path = test_file_write(b->folder, "x.conf", ecert_view_of("old\n"), 0640);
    assert_true(asprintf(&fresh, "%s/new.conf", b->folder) > 0);
    assert_true(asprintf(&live, "%s/live", b->folder) > 0);
    const struct ecert_file_record files[] = {
        {sizeof files[0], b->path, ecert_view_of("new\n"), ecert_view_of("old\n"), false, -1, -1,
         -1},
        {sizeof files[0], fresh, ecert_view_of("fresh\n"), {0}, true, -1, -1, -1}};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ecert_plan_add_file(&b->plan, &files[i], &err), ECERT_OK);
    assert_int_equal(ecert_plan_set_activation(&b->plan, &activate, &err), ECERT_OK);
    b->change = (struct ecert_change){.certificate = "c",
                                      .target = "t",
                                      .plan = &b->plan,
                                      .live_dir = live,
                                      .live_link = "t",
                                      .live_value = "../generations/0001"};
    member.change = &b->change;
    assert_int_equal(ecert_items_collect(&member, 1, true, &b->items, &err), ECERT_OK);
    assert_int_equal(b->items.n, 3);
    assert_int_equal(
        ecert_journal_begin(b->folder, &b->items, &b->plan.activation, &b->journal, &err),
        ECERT_OK);
    free(fresh);
    free(live);
}

static void end(struct begun *b)
{
    ecert_journal_clear(&b->journal);
    ecert_items_clear(&b->items);
    ecert_plan_clear(&b->plan);
    ecert_outcome_clear(&b->outcome);
    free(b->path);
    test_folder_remove(b->folder);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct begun b = {0};
    struct ecert_journal_content content = {0};
    struct ecert_error err = {0};

    begin(&b);
    assert_int_equal(ecert_journal_add_mark(&b.journal, ECERT_MARK_COMMIT, &err), ECERT_OK);
    assert_int_equal(ecert_journal_add_mark(&b.journal, ECERT_MARK_ACTIVATE, &err), ECERT_OK);
    assert_int_equal(ecert_journal_read(b.journal.folder, &content, &err), ECERT_OK);
    assert_true(content.ready && content.commit && content.activate && !content.done);
    assert_true(content.same_boot);
    assert_int_equal(content.items.n, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct ecert_item *was = &b.items.list[i], *is = &content.items.list[i];

        assert_string_equal(is->path, was->path);
        assert_string_equal(is->directory, was->directory);
        assert_string_equal(is->name, was->name);
        assert_string_equal(is->temporary, was->temporary);
        assert_string_equal(is->backup, was->backup);
        assert_int_equal(is->existed, was->existed);
        assert_int_equal(is->secret, was->secret);
        assert_int_equal(is->is_link, was->is_link);
        assert_int_equal(is->before_owner.mode, was->before_owner.mode);
        assert_memory_equal(is->before_sha256, was->before_sha256, ECERT_SHA256_LEN);
        assert_memory_equal(is->after_sha256, was->after_sha256, ECERT_SHA256_LEN);
        assert_null(is->after.ptr); /* contents are never in the journal */
    }
    assert_string_equal(content.plan.activation.service, "x.service");
    assert_null(content.plan.activation.pid_file);
    assert_string_equal(content.plan.activation.executable, "/bin/x");
    assert_int_equal(content.plan.activation.reload.len, 3);
    assert_string_equal(content.plan.activation.reload.items[2], "");
    assert_string_equal(content.plan.activation.start.items[0], "/bin/start");
    ecert_journal_content_clear(&content);
    end(&b);
}

/* Cut anywhere, or with any byte changed, it is never read as more than was written. */
static void a_torn_tail_is_normal(void **state)
{
    (void)state;
    struct begun b = {0};
    struct ecert_error err = {0};
    struct ecert_bytes whole = {0};
    char *path = NULL;

    begin(&b);
    assert_true(asprintf(&path, "%s/journal", b.journal.folder) > 0);
    assert_int_equal(ecert_fs_read(path, 1u << 20, &whole, &err), ECERT_OK);
    assert_int_equal(ecert_journal_add_mark(&b.journal, ECERT_MARK_DONE, &err), ECERT_OK);
    struct ecert_bytes marked = {0};
    assert_int_equal(ecert_fs_read(path, 1u << 20, &marked, &err), ECERT_OK);
    for (size_t cut = 0; cut < marked.len; cut += cut < whole.len - 30 ? 7 : 1) {
        struct ecert_journal_content content = {0};
        const struct ecert_fs_owner own = ecert_fs_own(0600);

        assert_int_equal(ecert_fs_replace(path, (struct ecert_view){marked.ptr, cut}, &own, &err),
                         ECERT_OK);
        assert_int_equal(ecert_journal_read(b.journal.folder, &content, &err), ECERT_OK);
        assert_int_equal(content.ready, cut >= whole.len);
        assert_false(content.done);
        ecert_journal_content_clear(&content);
    }
    for (size_t at = 0; at < marked.len; at += 5) {
        struct ecert_journal_content content = {0};
        const struct ecert_fs_owner own = ecert_fs_own(0600);

        marked.ptr[at] ^= 0x20;
        assert_int_equal(ecert_fs_replace(path, ecert_bytes_view(&marked), &own, &err), ECERT_OK);
        assert_int_equal(ecert_journal_read(b.journal.folder, &content, &err), ECERT_OK);
        assert_false(content.done);
        marked.ptr[at] ^= 0x20;
        ecert_journal_content_clear(&content);
    }
    ecert_bytes_clear(&whole);
    ecert_bytes_clear(&marked);
    free(path);
    end(&b);
}

static void staging_is_undone_wholly(void **state)
{
    (void)state;
    struct begun b = {0};
    struct ecert_error err = {0};
    struct ecert_strings notes = {0}, names = {0};
    const struct ecert_transaction_env env = {0};
    struct stat before, after;
    size_t failed = 0, restored = 0;
    bool durable = false;

    begin(&b);
    assert_int_equal(stat(b.path, &before), 0);
    assert_int_equal(ecert_staging_write(&b.items, &b.journal, &failed, &err), ECERT_OK);
    assert_int_equal(ecert_staging_commit(&env, &b.items, &durable, &err), ECERT_OK);
    assert_true(durable);
    assert_int_equal(stat(b.path, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_int_equal(ecert_staging_undo(&b.items, &b.journal, &restored, &notes, &err), ECERT_OK);
    assert_int_equal(restored, 3);
    assert_int_equal(stat(b.path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* the very file, not a copy */
    assert_int_equal(ecert_staging_undo(&b.items, &b.journal, &restored, &notes, &err), ECERT_OK);
    assert_int_equal(restored, 0); /* a second time there is nothing to do */
    assert_int_equal(ecert_staging_clean(&b.items, &b.journal, &err), ECERT_OK);
    assert_int_equal(ecert_journal_end(&b.journal, &err), ECERT_OK);
    assert_int_equal(ecert_fs_list(b.folder, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 3); /* live, transactions, x.conf */
    assert_int_equal(notes.len, 0);
    ecert_strings_clear(&names);
    end(&b);
}

/* Somebody's edit between staging and commit stops the commit. */
static void an_edit_before_the_commit(void **state)
{
    (void)state;
    struct begun b = {0};
    struct ecert_error err = {0};
    const struct ecert_transaction_env env = {0};
    size_t failed = 0;
    bool durable = false;

    begin(&b);
    assert_int_equal(ecert_staging_write(&b.items, &b.journal, &failed, &err), ECERT_OK);
    free(test_file_write(b.folder, "x.conf", ecert_view_of("by hand\n"), 0640));
    assert_int_equal(ecert_staging_commit(&env, &b.items, &durable, &err), ECERT_E_CHANGED);
    assert_int_equal(ecert_staging_clean(&b.items, &b.journal, &err), ECERT_OK);
    struct ecert_bytes now = {0};
    assert_int_equal(ecert_fs_read(b.path, 100, &now, &err), ECERT_OK);
    assert_string_equal(now.ptr, "by hand\n");
    ecert_bytes_clear(&now);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_torn_tail_is_normal),
        cmocka_unit_test(staging_is_undone_wholly),
        cmocka_unit_test(an_edit_before_the_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
