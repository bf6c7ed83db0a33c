/* The transaction on files alone: no server is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_world.h"

static void expect_words(const struct ecert_outcome *outcome, const char *words)
{
    if (strstr(outcome->error.text, words) == NULL)
        print_error("not in '%s': '%s'\n", outcome->error.text, words);
    assert_non_null(strstr(outcome->error.text, words));
}

/* ---- without activation, merging, secrets ---- */

static void add_file(struct ecert_plan *plan, const char *path, const char *text,
                     const char *expected, bool secret)
{
    struct ecert_error err = {0};
    const struct ecert_file_record file = {.size = sizeof file,
                                           .path = path,
                                           .content = ecert_view_of(text),
                                           .expected = ecert_view_of(expected),
                                           .secret = secret,
                                           .uid = -1,
                                           .gid = -1,
                                           .mode = -1};

    assert_int_equal(ecert_plan_add_file(plan, &file, &err), ECERT_OK);
}

static void files_alone(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *path = NULL, *key = NULL, *to = NULL, *out = NULL;
    struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    struct ecert_outcome outcome = {0};
    struct ecert_buffer diff = {0};
    struct ecert_strings refused = {0};
    struct stat st;
    size_t changes = 0;

    assert_true(asprintf(&path, "%s/new.txt", folder) > 0);
    assert_true(asprintf(&out, "%s/site.pfx", folder) > 0);
    assert_true(asprintf(&to, "%s/copied.key", folder) > 0);
    key = test_file_write(folder, "privkey.pem", ecert_view_of("secret words"), 0600);
    free(test_file_write(folder, "copied.key",
                         ecert_view_of("-----BEGIN PRIVATE KEY-----\nolder words"), 0644));
    add_file(&plan, path, "hello\n", NULL, false);
    add_file(&plan, out, "pkcs12", NULL, true);
    const struct ecert_change_copy copy = {.from = key, .to = to, .secret = true};
    const struct ecert_change change = {.certificate = "c",
                                        .target = "t",
                                        .plan = &plan,
                                        .copies = &copy,
                                        .n_copies = 1,
                                        .look = true};
    struct ecert_transaction_env env = {.state_dir = folder};

    assert_int_equal(ecert_transaction_diff(&change, 1, &diff, &changes, &refused, &err), ECERT_OK);
    assert_int_equal(changes, 3);
    assert_int_equal(refused.len, 0);
    assert_non_null(strstr((const char *)diff.ptr, "+hello"));
    assert_null(strstr((const char *)diff.ptr, "secret words"));
    assert_false(ecert_fs_exists(path));
    assert_int_equal(ecert_transaction_run(&env, &change, 1, &outcome, &err), ECERT_OK);
    assert_int_equal(outcome.kind, ECERT_OUTCOME_PLACED);
    assert_int_equal(outcome.n_files, 3);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(stat(out, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640); /* an old 0644 is not kept for a key */
    assert_int_equal(outcome.notes.len, 1);
    assert_non_null(strstr(outcome.notes.items[0], "had mode 0644"));
    ecert_outcome_clear(&outcome);
    ecert_buffer_clear(&diff);
    ecert_plan_clear(&plan);
    free(path);
    free(out);
    free(to);
    free(key);
    test_folder_remove(folder);
}

static void two_targets_of_one_file(void **state)
{
    (void)state;
    static const struct {
        const char *texts[3];
        const char *want;
        enum ecert_outcome_kind kinds[3];
    } rows[] = {
        {{"A\nb\nc\nd\n", "a\nb\nc\nD\n", "a\nb\nc\nD\n"},
         "A\nb\nc\nD\n",
         {ECERT_OUTCOME_DEPLOYED, ECERT_OUTCOME_DEPLOYED, ECERT_OUTCOME_DEPLOYED}},
        {{"A\nb\nc\nd\n", "X\nb\nc\nd\n", "a\nb\nc\nD\n"},
         "A\nb\nc\nD\n",
         {ECERT_OUTCOME_DEPLOYED, ECERT_OUTCOME_REFUSED, ECERT_OUTCOME_DEPLOYED}},
    };

    for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
        char *folder = test_folder_make();
        char *path = test_file_write(folder, "x.conf", ecert_view_of("a\nb\nc\nd\n"), 0640);
        struct ecert_plan plans[3] = {{0}};
        struct ecert_change changes[3];
        struct ecert_outcome outcomes[3];
        struct ecert_error err = {0};
        struct ecert_transaction_env env = {.state_dir = folder};
        const char *const reload[] = {"/bin/true", NULL};
        struct stat st;

        for (size_t i = 0; i < 3; i++) {
            const struct ecert_activate_record activate = {
                .size = sizeof activate, .service = "x.service", .reload = reload};

            add_file(&plans[i], path, rows[r].texts[i], "a\nb\nc\nd\n", false);
            assert_int_equal(ecert_plan_set_activation(&plans[i], &activate, &err), ECERT_OK);
            changes[i] =
                (struct ecert_change){.certificate = "c", .target = "t", .plan = &plans[i]};
        }
        assert_int_equal(ecert_transaction_run(&env, changes, 3, outcomes, &err), ECERT_OK);
        char *now = test_world_read(path);
        assert_string_equal(now, rows[r].want);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        for (size_t i = 0; i < 3; i++) {
            const enum ecert_outcome_kind want = rows[r].kinds[i] == ECERT_OUTCOME_DEPLOYED
                                                     ? ECERT_OUTCOME_PLACED
                                                     : rows[r].kinds[i];
            assert_int_equal(outcomes[i].kind, want);
            ecert_outcome_clear(&outcomes[i]);
            ecert_plan_clear(&plans[i]);
        }
        free(now);
        free(path);
        test_folder_remove(folder);
    }
}

/*
 * The second target is refused for the first line; owner, mode and secrecy that it wished for the
 * file are not the first one's.
 */
static void wishes_of_a_refused_target(void **state)
{
    (void)state;
    static const struct {
        int64_t modes[2]; /* -1: no wish */
        bool secret, existed;
        unsigned want;
    } rows[] = {
        {{-1, 0666}, false, true, 0640},  {{0604, 0666}, false, true, 0604},
        {{-1, 0666}, false, false, 0644}, {{0604, -1}, true, true, 0604},
        {{-1, 0600}, true, false, 0644},
    };

    for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
        char *folder = test_folder_make();
        char *path = test_file_write(folder, "x.conf", ecert_view_of("a\nb\n"), 0640);
        static const char *const texts[] = {"A\nb\n", "X\nb\n"};
        struct ecert_plan plans[2] = {{0}};
        struct ecert_change changes[2];
        struct ecert_outcome outcomes[2];
        struct ecert_error err = {0};
        struct ecert_transaction_env env = {.state_dir = folder};
        const char *const reload[] = {"/bin/true", NULL};
        struct stat st;

        if (!rows[r].existed)
            assert_int_equal(unlink(path), 0);
        for (size_t i = 0; i < 2; i++) {
            const struct ecert_activate_record activate = {
                .size = sizeof activate, .service = "x.service", .reload = reload};

            add_file(&plans[i], path, texts[i], rows[r].existed ? "a\nb\n" : NULL,
                     rows[r].secret && i == 1);
            plans[i].files[0].mode = (int32_t)rows[r].modes[i];
            assert_int_equal(ecert_plan_set_activation(&plans[i], &activate, &err), ECERT_OK);
            changes[i] =
                (struct ecert_change){.certificate = "c", .target = "t", .plan = &plans[i]};
        }
        assert_int_equal(ecert_transaction_run(&env, changes, 2, outcomes, &err), ECERT_OK);
        assert_int_equal(outcomes[0].kind, ECERT_OUTCOME_PLACED);
        assert_int_equal(outcomes[1].kind, ECERT_OUTCOME_REFUSED);
        assert_int_equal(stat(path, &st), 0);
        if ((st.st_mode & 07777) != rows[r].want)
            print_error("row %zu\n", r);
        assert_int_equal(st.st_mode & 07777, rows[r].want);
        for (size_t i = 0; i < 2; i++) {
            ecert_outcome_clear(&outcomes[i]);
            ecert_plan_clear(&plans[i]);
        }
        free(path);
        test_folder_remove(folder);
    }
}

static void a_directory_that_others_may_write(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *open_dir = NULL, *path = NULL;
    struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    struct ecert_outcome outcome = {0};
    struct ecert_transaction_env env = {.state_dir = folder};

    assert_true(asprintf(&open_dir, "%s/open", folder) > 0);
    assert_true(asprintf(&path, "%s/x", open_dir) > 0);
    assert_int_equal(mkdir(open_dir, 0777), 0);
    assert_int_equal(chmod(open_dir, 0777), 0);
    add_file(&plan, path, "x", NULL, false);
    const struct ecert_change change = {.certificate = "c", .target = "t", .plan = &plan};
    assert_int_equal(ecert_transaction_run(&env, &change, 1, &outcome, &err), ECERT_OK);
    assert_int_equal(outcome.kind, ECERT_OUTCOME_REFUSED);
    expect_words(&outcome, "can be written by others");
    assert_false(ecert_fs_exists(path));
    ecert_outcome_clear(&outcome);
    ecert_plan_clear(&plan);
    free(path);
    free(open_dir);
    test_folder_remove(folder);
}

/* In a child with a mount namespace of its own: a tmpfs of 64 KiB that is nearly full. */
static int fill_a_disk(const char *folder)
{
    struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    struct ecert_outcome outcome = {0};
    struct ecert_transaction_env env = {.state_dir = folder};
    struct ecert_strings names = {0};
    char *disk = NULL, *path = NULL, *two = NULL, *big = calloc(1, 200001);

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return 77;
    assert_true(asprintf(&disk, "%s/disk", folder) > 0);
    assert_true(asprintf(&path, "%s/a.conf", disk) > 0);
    assert_true(asprintf(&two, "%s/b.conf", disk) > 0);
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=128k,mode=0700") != 0)
        return 77;
    test_world_write(path, "old\n");
    memset(big, 'x', 200000);
    add_file(&plan, path, "new\n", "old\n", false);
    add_file(&plan, two, big, NULL, false);
    const struct ecert_change change = {.certificate = "c", .target = "t", .plan = &plan};
    assert_int_equal(ecert_transaction_run(&env, &change, 1, &outcome, &err), ECERT_OK);
    assert_int_equal(outcome.kind, ECERT_OUTCOME_REFUSED);
    expect_words(&outcome, "No space left on device");
    char *now = test_world_read(path);
    assert_string_equal(now, "old\n");
    assert_int_equal(ecert_fs_list(disk, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 1);
    ecert_strings_clear(&names);
    ecert_outcome_clear(&outcome);
    ecert_plan_clear(&plan);
    char *const texts[] = {now, disk, path, two, big};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    return 0;
}

static void a_full_disk(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *transactions = NULL;
    struct ecert_strings names = {0};
    struct ecert_error err = {0};
    int status = 0;

    if (geteuid() != 0) {
        test_folder_remove(folder);
        print_message("skipped: only root can mount a small disk\n");
        skip();
    }
    const pid_t pid = fork();
    if (pid == 0)
        _exit(fill_a_disk(folder));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        test_folder_remove(folder);
        print_message("skipped: mounting is not permitted here\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(asprintf(&transactions, "%s/transactions", folder) > 0);
    assert_int_equal(ecert_fs_list(transactions, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 0);
    free(transactions);
    test_folder_remove(folder);
}

/* `files` that name a file of another kind: nothing is replaced, and it is said. */
static void a_file_that_is_no_pem(void **state)
{
    (void)state;
    char *folder = test_folder_make(), *key = NULL, *to = NULL;
    struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    struct ecert_outcome outcome = {0};
    struct ecert_bytes left = {0};

    assert_true(asprintf(&to, "%s/passwd", folder) > 0);
    key = test_file_write(folder, "privkey.pem", ecert_view_of("secret words"), 0600);
    free(test_file_write(folder, "passwd", ecert_view_of("root:x:0:0\n"), 0644));
    const struct ecert_change_copy copy = {.from = key, .to = to, .secret = true};
    const struct ecert_change change = {
        .certificate = "c", .target = "t", .plan = &plan, .copies = &copy, .n_copies = 1};
    struct ecert_transaction_env env = {.state_dir = folder};

    assert_int_equal(ecert_transaction_run(&env, &change, 1, &outcome, &err), ECERT_OK);
    assert_int_equal(outcome.kind, ECERT_OUTCOME_REFUSED);
    assert_non_null(strstr(outcome.error.text, "holds no PEM text and is not replaced"));
    assert_int_equal(ecert_fs_read(to, 100, &left, &err), ECERT_OK);
    assert_string_equal((const char *)left.ptr, "root:x:0:0\n");
    ecert_bytes_clear(&left);
    ecert_outcome_clear(&outcome);
    free(key);
    free(to);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_alone),
        cmocka_unit_test(a_file_that_is_no_pem),
        cmocka_unit_test(two_targets_of_one_file),
        cmocka_unit_test(wishes_of_a_refused_target),
        cmocka_unit_test(a_directory_that_others_may_write),
        cmocka_unit_test(a_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
