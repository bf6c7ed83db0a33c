#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/message.h"
#include "core/base/process.h"

/* ---- commands ---- */

static enum ecert_status run_sh(const char *script, unsigned timeout_ms, size_t max_output,
                                bool leaves_daemon, struct ecert_run_result *ret,
                                struct ecert_error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct ecert_run_spec spec = {.argv = argv,
                                        .timeout_ms = timeout_ms,
                                        .max_output = max_output,
                                        .leaves_daemon = leaves_daemon};

    return ecert_run(&spec, ret, err);
}

static const struct command {
    const char *title, *script;
    int exit_code;
    const char *out, *err;
} commands[] = {
    {"output and exit code", "echo out; echo err >&2; exit 3", 3, "out\n", "err\n"},
    {"killed by a signal", "kill -9 $$", 128 + 9, "", ""},
    {"standard input is empty", "cat", 0, "", ""},
    {"the environment is fixed", "echo $HOME$OPENSSL_CONF$LD_PRELOAD $LANG", 0, "C\n", ""},
    {"no descriptor leaks", "ls /proc/self/fd | wc -l", 0, "4\n", ""}, /* 0 1 2, ls's own */
    {"the umask is the usual one", "umask", 0, "0022\n", ""},
    {"SIGPIPE is as usual", "trap | wc -l; grep SigIgn /proc/self/status | cut -f2", 0,
     "0\n0000000000000000\n", ""},
    {"output is cut", "printf '%0200d' 0 | tr 0 x", 0,
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxx"
     "xxxx",
     ""},
};

static void check_command(void **state)
{
    const struct command *row = *state;
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    assert_int_equal(run_sh(row->script, 10000, 100, false, &result, &err), ECERT_OK);
    assert_int_equal(result.exit_code, row->exit_code);
    assert_string_equal((const char *)result.out.ptr, row->out);
    assert_string_equal((const char *)result.err.ptr, row->err);
    ecert_run_result_clear(&result);
}

static int surround(void **state)
{
    (void)state;
    /* what a command must not see */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)open("/dev/null", O_RDONLY); /* inheritable, on purpose */
    return setenv("OPENSSL_CONF", "/trap", 1);
}

static void test_cannot_start(void **state)
{
    const char *const absent[] = {"/nonexistent/x", NULL};
    const char *const directory[] = {"/tmp", NULL};
    struct ecert_run_spec spec = {.argv = absent, .timeout_ms = 1000, .max_output = 100};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_E_IO);
    assert_string_equal(err.text, "cannot run '/nonexistent/x': No such file or directory");
    assert_null(result.out.ptr);
    spec.argv = directory;
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_OK);
    assert_int_equal(result.exit_code, 127);
    assert_non_null(strstr((const char *)result.err.ptr, "cannot run '/tmp': Permission denied"));
    ecert_run_result_clear(&result);
}

/* The whole group is ended, and one that does not listen to SIGTERM too. */
static void test_timeout(void **state)
{
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};
    int64_t before = ecert_clock_monotonic_ms();

    (void)state;
    assert_int_equal(run_sh("sleep 60 & sleep 60", 200, 100, false, &result, &err),
                     ECERT_E_TIMEOUT);
    assert_non_null(strstr(err.text, "'/bin/sh': did not end within 0.2 seconds"));
    assert_true(ecert_clock_monotonic_ms() - before < 2000);
    before = ecert_clock_monotonic_ms();
    assert_int_equal(run_sh("trap '' TERM; sleep 60; sleep 60", 200, 100, false, &result, &err),
                     ECERT_E_TIMEOUT);
    assert_true(ecert_clock_monotonic_ms() - before < 5000);
    assert_null(result.out.ptr);
}

/* A command that leaves a daemon behind with our pipe open. */
static void test_daemon(void **state)
{
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};
    const int64_t before = ecert_clock_monotonic_ms();

    (void)state;
    assert_int_equal(run_sh("sleep 3 & echo started", 2500, 100, true, &result, &err), ECERT_OK);
    assert_string_equal((const char *)result.out.ptr, "started\n");
    assert_true(ecert_clock_monotonic_ms() - before < 2000);
    ecert_run_result_clear(&result);
}

static int say_no(void *context)
{
    (void)dprintf(2, "%s", (const char *)context);
    return -1;
}

static void test_enter(void **state)
{
    static char words[] = "no namespace";
    const char *const argv[] = {"/bin/echo", "not reached", NULL};
    const struct ecert_run_spec spec = {
        .argv = argv, .timeout_ms = 5000, .max_output = 100, .enter = say_no, .context = words};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_OK);
    assert_int_equal(result.exit_code, 126);
    assert_string_equal((const char *)result.err.ptr, "no namespace");
    assert_string_equal((const char *)result.out.ptr, "");
    ecert_run_result_clear(&result);
}

static void test_last_words(void **state)
{
    static const struct {
        const char *script, *words;
    } rows[] = {
        {"echo out; printf 'first\\nlast \\033[2J\\n\\n' >&2", "last \\x1B[2J"},
        {"echo out", "out"},
        {"exit 5", "it left with exit code 5 and said nothing"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ecert_run_result result = {0};
        struct ecert_buffer words = {0};
        struct ecert_error err = {0};
        assert_int_equal(run_sh(rows[i].script, 5000, 1000, false, &result, &err), ECERT_OK);
        ecert_run_last_words(&result, &words);
        assert_string_equal((const char *)words.ptr, rows[i].words);
        ecert_buffer_clear(&words);
        ecert_run_result_clear(&result);
    }
}

/* ---- children ---- */

static const struct ecert_child_limits usual = {
    .timeout_ms = 5000, .max_output = 1000, .drop_root = true};

static int answer(void *context, int fd)
{
    struct ecert_error err = {0};

    return ecert_write_all(fd, ecert_view_of(context), &err) == ECERT_OK ? 0 : 1;
}

static int crash(void *context, int fd)
{
    (void)context;
    (void)fd;
    (void)raise(SIGSEGV);
    return 0;
}

static int leave(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 9;
}

static int hang(void *context, int fd)
{
    (void)fd;
    while (context != NULL)
        (void)pause();
    return 0;
}

static int babble(void *context, int fd)
{
    struct ecert_error err = {0};

    while (ecert_write_all(fd, ecert_view_of(context), &err) == ECERT_OK)
        continue;
    return 0;
}

/* What must not work in there; the answer is a word per thing that did. */
static int try_things(void *context, int fd)
{
    char name[64];
    (void)context;
    const pid_t pid = geteuid() == 0 ? 0 : fork(); /* root is not bound by RLIMIT_NPROC */
    if (pid == 0 && geteuid() != 0)
        _exit(0);
    if (pid >= 0)
        (void)dprintf(fd, "fork ");
    if (geteuid() == 0 || setuid(0) == 0)
        (void)dprintf(fd, "root ");
    (void)snprintf(name, sizeof name, "/tmp/ecert-test-child-%ld", (long)getpid());
    const int file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (file >= 0 && write(file, "x", 1) == 1)
        (void)dprintf(fd, "write ");
    (void)unlink(name);
    if (file >= 0)
        (void)close(file);
    for (int i = 3; i < 256; i++)
        if (i != fd && fcntl(i, F_GETFD) >= 0)
            (void)dprintf(fd, "descriptor %d ", i);
    (void)dprintf(fd, "done");
    return 0;
}

static const struct child {
    const char *title;
    ecert_child_fn *job;
    const char *text; /* its context */
    unsigned timeout_ms;
    enum ecert_status status;
    const char *want; /* answer, or part of the error */
} children[] = {
    {"an answer", answer, "hello", 5000, ECERT_OK, "hello"},
    {"no answer", answer, "", 5000, ECERT_OK, ""},
    {"a crash", crash, "", 5000, ECERT_E_REFUSED, "crashed (signal 11, Segmentation fault)"},
    {"an exit code", leave, "", 5000, ECERT_E_REFUSED, "left with exit code 9"},
    {"a hang", hang, "", 200, ECERT_E_TIMEOUT, "did not end within 0.2 seconds"},
    {"too much", babble, "0123456789", 5000, ECERT_E_REFUSED, "answered more than 1000 bytes"},
    {"its limits", try_things, "", 5000, ECERT_OK, "done"},
};

static void check_child(void **state)
{
    const struct child *row = *state;
    struct ecert_child_limits limits = usual;
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    char context[64];

    (void)snprintf(context, sizeof context, "%s", row->text);
    limits.timeout_ms = row->timeout_ms;
    assert_int_equal(ecert_child_run(row->job, context, &limits, &bytes, &err), row->status);
    if (row->status == ECERT_OK)
        assert_string_equal((const char *)bytes.ptr, row->want);
    else
        assert_non_null(strstr(err.text, row->want));
    ecert_bytes_clear(&bytes);
}

/* The parent goes on between start and finish; one that nobody waits for any more is ended. */
static void test_child_apart(void **state)
{
    struct ecert_child first = ECERT_CHILD_NONE, second = ECERT_CHILD_NONE;
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    char one[] = "one", two[] = "two";

    (void)state;
    assert_int_equal(ecert_child_start(answer, one, &usual, &first, &err), ECERT_OK);
    assert_int_equal(ecert_child_start(answer, two, &usual, &second, &err), ECERT_OK);
    assert_int_equal(ecert_child_finish(&second, &bytes, &err), ECERT_OK);
    assert_string_equal((const char *)bytes.ptr, "two");
    ecert_bytes_clear(&bytes);
    assert_int_equal(ecert_child_finish(&first, &bytes, &err), ECERT_OK);
    assert_string_equal((const char *)bytes.ptr, "one");
    ecert_bytes_clear(&bytes);
    assert_int_equal(ecert_child_start(hang, one, &usual, &first, &err), ECERT_OK);
    const pid_t pid = first.pid;
    ecert_child_clear(&first);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    ecert_child_clear(&first);
}

static void feed(void *context)
{
    const int fd = open(context, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "fed", 3), 3);
    assert_int_equal(close(fd), 0);
}

/* The command reads what its caller writes while it runs: one after the other would hang. */
static void test_meanwhile(void **state)
{
    char fifo[] = "/tmp/ecert-test-fifo-XXXXXX";
    const char *const argv[] = {"/bin/cat", fifo, NULL};
    const struct ecert_meanwhile meanwhile = {feed, fifo};
    const struct ecert_run_spec spec = {
        .argv = argv, .timeout_ms = 5000, .max_output = 100, .meanwhile = &meanwhile};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_non_null(mkdtemp(fifo));
    assert_int_equal(rmdir(fifo), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_OK);
    assert_string_equal((const char *)result.out.ptr, "fed");
    ecert_run_result_clear(&result);
    assert_int_equal(unlink(fifo), 0);
}

/* Far more than a pipe holds goes in and comes out at the same time; not all need be wanted. */
static const struct input {
    const char *title, *script;
    size_t len;
    const char *out; /* how it begins */
} inputs[] = {
    {"input is read to its end", "wc -c", 1000000, "1000000\n"},
    {"input and output at the same time", "cat | wc -c; cat", 300000, "300000\n"},
    {"echoed while it is written", "cat", 300000, "xxxxxxxxxx"},
    {"only a part is wanted", "head -c 3", 1000000, "xxx"},
    {"none is wanted", "echo done", 1000000, "done\n"},
    {"closed, and a while of work", "exec <&-; sleep 0.2; echo done", 1000000, "done\n"},
    {"read late", "sleep 0.2; wc -c", 100000, "100000\n"},
    {"a single byte", "cat", 1, "x"},
    {"its end of the pipe is all it gets", "ls /proc/self/fd | wc -l", 10, "4\n"},
};

static void check_input(void **state)
{
    const struct input *row = *state;
    const char *const argv[] = {"/bin/sh", "-c", row->script, NULL};
    uint8_t *text = malloc(row->len);
    const struct ecert_run_spec spec = {
        .argv = argv, .timeout_ms = 5000, .max_output = 400000, .input = {text, row->len}};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    assert_non_null(text);
    memset(text, 'x', row->len);
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_OK);
    assert_int_equal(result.exit_code, 0);
    assert_int_equal(strncmp((const char *)result.out.ptr, row->out, strlen(row->out)), 0);
    if (strcmp(row->script, "cat") == 0)
        assert_int_equal(result.out.len, row->len);
    ecert_run_result_clear(&result);
    free(text);
}

/* Who never reads is not waited for longer than anybody else. */
static void test_input_timeout(void **state)
{
    static uint8_t text[200000];
    const char *const argv[] = {"/bin/sleep", "60", NULL};
    const struct ecert_run_spec spec = {
        .argv = argv, .timeout_ms = 200, .max_output = 10, .input = {text, sizeof text}};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};
    const int64_t before = ecert_clock_monotonic_ms();

    (void)state;
    assert_int_equal(ecert_run(&spec, &result, &err), ECERT_E_TIMEOUT);
    assert_true(ecert_clock_monotonic_ms() - before < 2000);
}

static void test_harden(void **state)
{
    struct ecert_error err = {0};
    int status = 0;

    (void)state;
    assert_int_equal(setenv("http_proxy", "http://trap", 1), 0);
    const pid_t pid = fork(); /* this process keeps its environment: cmocka reads it */
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(ecert_process_harden(&err) == ECERT_OK && getenv("http_proxy") == NULL &&
                      strcmp(getenv("LC_ALL"), "C") == 0
                  ? 7
                  : 1);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
    struct CMUnitTest command_tests[ARRAY_SIZE(commands)] = {0};
    struct CMUnitTest child_tests[ARRAY_SIZE(children)] = {0};
    struct CMUnitTest input_tests[ARRAY_SIZE(inputs)] = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cannot_start),  cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_daemon),        cmocka_unit_test(test_enter),
        cmocka_unit_test(test_last_words),    cmocka_unit_test(test_harden),
        cmocka_unit_test(test_child_apart),   cmocka_unit_test(test_meanwhile),
        cmocka_unit_test(test_input_timeout),
    };

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        command_tests[i] = (struct CMUnitTest){.name = commands[i].title,
                                               .test_func = check_command,
                                               .initial_state = (void *)(uintptr_t)&commands[i]};
    for (size_t i = 0; i < ARRAY_SIZE(children); i++)
        child_tests[i] = (struct CMUnitTest){.name = children[i].title,
                                             .test_func = check_child,
                                             .initial_state = (void *)(uintptr_t)&children[i]};
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++)
        input_tests[i] = (struct CMUnitTest){.name = inputs[i].title,
                                             .test_func = check_input,
                                             .initial_state = (void *)(uintptr_t)&inputs[i]};
    return cmocka_run_group_tests_name("commands", command_tests, surround, NULL) +
           cmocka_run_group_tests_name("input", input_tests, NULL, NULL) +
           cmocka_run_group_tests_name("children", child_tests, NULL, NULL) +
           cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
