#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/flow/service.h"
#include "tests/support/test_pki.h"

static struct ecert_plan plan_with(const char *pid_file, const char *executable,
                                   const char *const *reload)
{
    struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    const struct ecert_activate_record record = {.size = sizeof record,
                                                 .service = "x.service",
                                                 .reload = reload,
                                                 .pid_file = pid_file,
                                                 .executable = executable};

    assert_int_equal(ecert_plan_set_activation(&plan, &record, &err), ECERT_OK);
    return plan;
}

static const char *const true_argv[] = {"/bin/true", NULL};

static bool is_running(const char *pid_file, const char *executable, size_t *ret_notes)
{
    struct ecert_plan plan = plan_with(pid_file, executable, true_argv);
    struct ecert_service service = {0};
    struct ecert_strings notes = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_service_find(&plan.activation, &service, &notes, &err), ECERT_OK);
    *ret_notes = notes.len;
    ecert_strings_clear(&notes);
    ecert_plan_clear(&plan);
    return service.running;
}

static void who_is_believed(void **state)
{
    (void)state;
    char *folder = test_folder_make(), own[32], zombie[32], exe[4096];
    const ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    const pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    assert_true(len > 0);
    exe[len] = '\0';
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0); /* not reaped */
    (void)snprintf(own, sizeof own, "%d\n", (int)getpid());
    (void)snprintf(zombie, sizeof zombie, "%d\n", (int)pid);
    const struct {
        const char *name, *text, *executable;
        unsigned mode;
        bool running;
        size_t notes;
    } rows[] = {
        {"own.pid", own, exe, 0644, true, 0},
        {"any.pid", own, NULL, 0644, true, 0},
        /* another program: not the server, and that is said */
        {"other.pid", own, "/bin/true", 0644, false, 1},
        /* a script starts something of another name: the pid alone decides */
        {"script.pid", own, "/usr/bin/ldd", 0644, true, 0},
        {"absent-program.pid", own, "/usr/sbin/absent", 0644, true, 0},
        {"zombie.pid", zombie, NULL, 0644, false, 0},
        {"gone.pid", "2147480000\n", NULL, 0644, false, 0},
        {"empty.pid", "", NULL, 0644, false, 0},
        {"words.pid", "12 monkeys", NULL, 0644, false, 0},
        {"minus.pid", "-1\n", NULL, 0644, false, 0},
        /* not believed, so it counts as running, and that is said */
        {"open.pid", "2147480000\n", NULL, 0666, true, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *path =
            test_file_write(folder, rows[i].name, ecert_view_of(rows[i].text), rows[i].mode);
        size_t notes = 0;

        assert_int_equal(chmod(path, rows[i].mode), 0);
        const bool running = is_running(path, rows[i].executable, &notes);
        if (running != rows[i].running || notes != rows[i].notes)
            print_error("%s\n", rows[i].name);
        assert_int_equal(running, rows[i].running);
        assert_int_equal(notes, rows[i].notes);
        free(path);
    }
    size_t notes = 0;
    char *absent = NULL;
    assert_true(asprintf(&absent, "%s/absent.pid", folder) > 0);
    assert_false(is_running(absent, NULL, &notes));
    free(absent);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    test_folder_remove(folder);
}

static void what_a_reload_says(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum ecert_status status;
        const char *words;
    } rows[] = {
        {"exit 0", ECERT_OK, ""},
        {"echo all well", ECERT_OK, "all well"},
        {"echo one >&2; echo two >&2; exit 3", ECERT_E_COMMAND, "(exit code 3): two"},
        {"exec sleep 9", ECERT_E_TIMEOUT, "did not end within 0.5 seconds"},
        /* a daemon that stays behind with our pipes does not hold us up */
        {"sleep 3 & exit 0", ECERT_OK, ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *const argv[] = {"/bin/sh", "-c", rows[i].line, NULL};
        struct ecert_plan plan = plan_with(NULL, NULL, argv);
        const struct ecert_service service = {.activation = &plan.activation, .running = true};
        struct ecert_buffer words = {0};
        struct ecert_error err = {0};

        assert_int_equal(ecert_service_reload(&service, false, 500, &words, &err), rows[i].status);
        ecert_buffer_add(&words, (struct ecert_view){(const uint8_t *)"", 1});
        assert_non_null(
            strstr(rows[i].status == ECERT_OK ? (const char *)words.ptr : err.text, rows[i].words));
        ecert_buffer_clear(&words);
        ecert_plan_clear(&plan);
    }
}

static void no_way_to_start(void **state)
{
    (void)state;
    struct ecert_plan plan = plan_with(NULL, NULL, true_argv);
    const struct ecert_service service = {.activation = &plan.activation};
    struct ecert_error err = {0};

    assert_int_equal(ecert_service_start(&service, 500, &err), ECERT_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "start it by hand"));
    ecert_plan_clear(&plan);
}

static void the_line_that_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *err, *out, *want;
    } rows[] = {
        {"nginx: [emerg] unknown directive \"x\" in /a:1\n"
         "nginx: configuration file /a test failed\n",
         "", "nginx: [emerg] unknown directive \"x\" in /a:1"},
        {"AH00558: apache2: Could not reliably determine the name\n"
         "AH00526: Syntax error on line 3 of /a.conf:\n"
         "SSLCertificateFile: file '/x' does not exist\nAction 'configtest' failed.\n",
         "",
         "AH00526: Syntax error on line 3 of /a.conf: SSLCertificateFile: file '/x' does not "
         "exist"},
        {"", "just this\n", "just this"},
        {"first\nlast\n\n", "", "last"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_run_result result = {.exit_code = 1};
        struct ecert_buffer words = {0};
        struct ecert_error err = {0};

        assert_int_equal(ecert_bytes_copy(ecert_view_of(rows[i].err), &result.err, &err), ECERT_OK);
        assert_int_equal(ecert_bytes_copy(ecert_view_of(rows[i].out), &result.out, &err), ECERT_OK);
        ecert_service_words(&result, &words);
        ecert_buffer_add(&words, (struct ecert_view){(const uint8_t *)"", 1});
        assert_string_equal(words.ptr, rows[i].want);
        ecert_buffer_clear(&words);
        ecert_run_result_clear(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_believed),
        cmocka_unit_test(what_a_reload_says),
        cmocka_unit_test(no_way_to_start),
        cmocka_unit_test(the_line_that_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
