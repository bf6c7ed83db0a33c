#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/pipes.h"
#include "core/flow/private_view.h"
#include "tests/support/test_pki.h"

struct place {
    char *folder, *conf, *fresh, *live, *log, *workspace;
    struct ecert_plan plan;
    struct ecert_outcome outcome;
    struct ecert_items items;
};

static void set_up(struct place *p)
{
    struct ecert_member member = {.outcome = &p->outcome, .waiting = true};
    struct ecert_error err = {0};

    p->folder = test_folder_make();
    p->conf = test_file_write(p->folder, "x.conf", ecert_view_of("old\n"), 0640);
    p->log = test_file_write(p->folder, "x.log", ecert_view_of("a long log\n"), 0604);
    assert_true(asprintf(&p->fresh, "%s/fresh.conf", p->folder) > 0);
    assert_true(asprintf(&p->live, "%s/live", p->folder) > 0);
    assert_true(asprintf(&p->workspace, "%s/work", p->folder) > 0);
    assert_int_equal(mkdir(p->workspace, 0700), 0);
    const struct ecert_file_record files[] = {
        {sizeof files[0], p->conf, ecert_view_of("new\n"), ecert_view_of("old\n"), false, -1, -1,
         -1},
        {sizeof files[0], p->fresh, ecert_view_of("fresh\n"), {0}, false, -1, -1, -1}};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ecert_plan_add_file(&p->plan, &files[i], &err), ECERT_OK);
    const struct ecert_change change = {.certificate = "c",
                                        .target = "t",
                                        .plan = &p->plan,
                                        .live_dir = p->live,
                                        .live_link = "t",
                                        .live_value = "../generations/0007"};
    member.change = &change;
    assert_int_equal(ecert_items_collect(&member, 1, true, &p->items, &err), ECERT_OK);
}

static void tear_down(struct place *p)
{
    char *const texts[] = {p->conf, p->fresh, p->live, p->log, p->workspace};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    ecert_items_clear(&p->items);
    ecert_plan_clear(&p->plan);
    ecert_outcome_clear(&p->outcome);
    test_folder_remove(p->folder);
}

/* Run a shell line in the view (only tests use a shell); what it printed, or NULL: no view here. */
static char *in_view(const struct place *p, bool with_items, const char *line)
{
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    const char *const scratch[] = {p->log, "/nonexistent/log", NULL};
    const struct ecert_view_spec spec = {.items = with_items ? &p->items : NULL,
                                         .workspace = p->workspace,
                                         .scratch = scratch,
                                         .argv = argv,
                                         .timeout_ms = 10000};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};
    const enum ecert_status status = ecert_private_view_run(&spec, &result, &err);

    if (status != ECERT_OK) {
        print_message("no private view: %s\n", err.text);
        assert_int_equal(status, ECERT_E_UNSUPPORTED);
        return NULL;
    }
    if (result.err.len > 0)
        print_message("%s", (const char *)result.err.ptr);
    char *out = strdup(result.out.ptr == NULL ? "" : (const char *)result.out.ptr);
    ecert_run_result_clear(&result);
    return out;
}

static void expect_in_view(const struct place *p, bool with_items, const char *line,
                           const char *want)
{
    char *out = in_view(p, with_items, line);

    if (out == NULL) {
        print_message("skipped: a private view is not permitted here\n");
        skip();
    }
    assert_string_equal(out, want);
    free(out);
}

static char *line_for(const struct place *p, const char *fmt)
{
    char *line = NULL;

    assert_true(asprintf(&line, "cd '%s' && %s", p->folder, fmt) > 0);
    return line;
}

static void changes_are_in_place_in_the_view_only(void **state)
{
    (void)state;
    struct place p = {0};

    set_up(&p);
    static const struct {
        const char *line;
        bool with_items;
        const char *want;
    } rows[] = {
        {"cat x.conf fresh.conf; readlink live/t; stat -c %a x.conf", true,
         "new\nfresh\n../generations/0007\n640\n"},
        {"cat x.conf; ls fresh.conf live/t 2>/dev/null", false, "old\n"},
        {"cat x.log; stat -c '%s %a' x.log", true, "0 604\n"}, /* scratch: empty, same mode */
        {"echo thrown away > x.conf; echo more >> x.log; mkdir made; rm live/t; cat x.conf", true,
         "thrown away\n"},
        {"echo x > /dev/null && test -r /proc/self/status && echo devices", true, "devices\n"},
        {"grep NoNewPrivs /proc/self/status", true, "NoNewPrivs:\t1\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *line = line_for(&p, rows[i].line);

        expect_in_view(&p, rows[i].with_items, line, rows[i].want);
        free(line);
    }
    /* the real disk: nothing of all that */
    struct ecert_bytes now = {0};
    struct ecert_error err = {0};
    struct ecert_strings names = {0};
    assert_int_equal(ecert_fs_read(p.conf, 100, &now, &err), ECERT_OK);
    assert_string_equal(now.ptr, "old\n");
    ecert_bytes_clear(&now);
    assert_int_equal(ecert_fs_read(p.log, 100, &now, &err), ECERT_OK);
    assert_string_equal(now.ptr, "a long log\n");
    ecert_bytes_clear(&now);
    assert_int_equal(ecert_fs_list(p.folder, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 4); /* live, work, x.conf, x.log */
    ecert_strings_clear(&names);
    assert_int_equal(ecert_fs_list(p.workspace, &names, &err), ECERT_OK);
    assert_int_equal(names.len, 0);
    ecert_strings_clear(&names);
    tear_down(&p);
}

static void few_capabilities_are_left(void **state)
{
    (void)state;
    struct place p = {0};

    if (geteuid() != 0) {
        print_message("skipped: only root has capabilities to give up\n");
        skip();
    }
    set_up(&p);
    /* CHOWN 0, DAC_OVERRIDE 1, DAC_READ_SEARCH 2, FOWNER 3, SETGID 6, SETUID 7, NET_BIND 10 */
    expect_in_view(&p, true, "grep CapEff /proc/self/status", "CapEff:\t00000000000004cf\n");
    tear_down(&p);
}

/* Without root there is none, and that is said: the transaction then tests after the commit. */
static void without_root(void **state)
{
    (void)state;
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0) {
        struct place p = {0};

        if (geteuid() == 0 && ecert_drop_root(65534, 65534) != 0)
            _exit(1);
        set_up(&p);
        char *out = in_view(&p, true, "true"); /* asserts ECERT_E_UNSUPPORTED */
        const int code = out == NULL ? 0 : 1;
        free(out);
        tear_down(&p);
        _exit(code);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_exit_code_is_the_tests(void **state)
{
    (void)state;
    struct place p = {0};
    const char *const argv[] = {"/bin/sh", "-c", "echo no >&2; exit 126", NULL};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    set_up(&p);
    const struct ecert_view_spec spec = {
        .items = &p.items, .workspace = p.workspace, .argv = argv, .timeout_ms = 10000};
    const enum ecert_status status = ecert_private_view_run(&spec, &result, &err);
    if (status == ECERT_OK) {
        assert_int_equal(result.exit_code, 126);
        assert_string_equal(result.err.ptr, "no\n");
    } else {
        assert_int_equal(status, ECERT_E_UNSUPPORTED);
    }
    ecert_run_result_clear(&result);
    tear_down(&p);
}

/* What cannot be made is said, not passed over: a workspace that does not exist. */
static void a_view_that_cannot_be_made(void **state)
{
    (void)state;
    struct place p = {0};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};
    const char *const argv[] = {"/bin/true", NULL};

    set_up(&p);
    const struct ecert_view_spec spec = {
        .items = &p.items, .workspace = "/nonexistent", .argv = argv, .timeout_ms = 10000};
    assert_int_equal(ecert_private_view_run(&spec, &result, &err), ECERT_E_UNSUPPORTED);
    assert_true(err.text[0] != '\0');
    tear_down(&p);
}

/* Not a judgement, a number to look at: the view against the bare command. */
static void what_it_costs(void **state)
{
    (void)state;
    struct place p = {0};
    const char *const argv[] = {"/bin/true", NULL};
    const int rounds = 50;
    int64_t times[2] = {0};

    set_up(&p);
    for (int view = 0; view < 2; view++) {
        const int64_t start = ecert_clock_monotonic_ms();

        for (int i = 0; i < rounds; i++) {
            struct ecert_run_result result = {0};
            struct ecert_error err = {0};
            const struct ecert_run_spec bare = {
                .argv = argv, .timeout_ms = 10000, .max_output = 100};
            const struct ecert_view_spec spec = {
                .items = &p.items, .workspace = p.workspace, .argv = argv, .timeout_ms = 10000};
            const enum ecert_status status = view == 0
                                                 ? ecert_run(&bare, &result, &err)
                                                 : ecert_private_view_run(&spec, &result, &err);
            assert_true(status == ECERT_OK || status == ECERT_E_UNSUPPORTED);
            ecert_run_result_clear(&result);
        }
        times[view] = ecert_clock_monotonic_ms() - start;
    }
    print_message("bare %.2f ms, in a view %.2f ms\n", (double)times[0] / rounds,
                  (double)times[1] / rounds);
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_in_place_in_the_view_only),
        cmocka_unit_test(few_capabilities_are_left),
        cmocka_unit_test(without_root),
        cmocka_unit_test(the_exit_code_is_the_tests),
        cmocka_unit_test(a_view_that_cannot_be_made),
        cmocka_unit_test(what_it_costs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
