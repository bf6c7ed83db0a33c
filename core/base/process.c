#include "core/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/pipes.h"

const char *const ecert_minimal_environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "LC_ALL=C",
    NULL};

/* ---- our own process ---- */

void ecert_process_close_others(int keep)
{
    if (keep > 3)
        (void)close_range(3, (unsigned)keep - 1, 0);
    (void)close_range(keep < 3 ? 3 : (unsigned)keep + 1, ~0u, 0);
}

enum ecert_status ecert_process_harden(struct ecert_error *err)
{
    const struct rlimit no_core = {0, 0};

    for (int fd = 0; fd < 3; fd++) /* or the first file opened would be our standard error */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_NOCTTY) != fd)
            return ecert_error_errno(err, ECERT_E_IO, "open '/dev/null'");
    if (clearenv() != 0)
        return ecert_error_errno(err, ECERT_E_IO, "empty the environment");
    for (size_t i = 0; ecert_minimal_environment[i] != NULL; i++) {
        ECERT_AUTO(ecert_auto_free) char *name = strdup(ecert_minimal_environment[i]);
        char *equals = name == NULL ? NULL : strchr(name, '=');

        if (equals == NULL)
            return ecert_error_nomem(err);
        *equals = '\0';
        if (setenv(name, equals + 1, 1) != 0)
            return ecert_error_errno(err, ECERT_E_IO, "set the environment");
    }
    (void)umask(077);
    if (setrlimit(RLIMIT_CORE, &no_core) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "switch core dumps off");
    return ECERT_OK;
}

/* Our handlers only set a flag that the new process would never look at. */
static void reset_signals(void)
{
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- commands ---- */

/* The new process, up to exec.  What goes wrong is written to descriptor 2, exit 127. */
static void become(const struct ecert_run_spec *spec, int in, int out, int err)
{
    if (in < 0)
        in = open("/dev/null", O_RDONLY);

    (void)setpgid(0, 0);
    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(127);
    ecert_process_close_others(-1);
    reset_signals();
    (void)umask(022); /* what a server's own command expects, not our 077 */
    if (spec->enter != NULL && spec->enter(spec->context) != 0)
        _exit(126);
    (void)execve(spec->argv[0], (char *const *)(uintptr_t)spec->argv,
                 (char *const *)(uintptr_t)ecert_minimal_environment);
    (void)dprintf(2, "cannot run '%s': %s", spec->argv[0], strerror(errno));
    _exit(127);
}

static int exit_code_of(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

enum ecert_status ecert_run(const struct ecert_run_spec *spec, struct ecert_run_result *ret,
                            struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int in_read = -1;
    ECERT_AUTO(ecert_auto_close) int out_write = -1;
    ECERT_AUTO(ecert_auto_close) int err_write = -1;
    ECERT_AUTO(ecert_pipes_clear) struct ecert_pipes pipes = ECERT_PIPES_EMPTY;
    int status = 0;

    if (access(spec->argv[0], X_OK) != 0) /* a clear sentence for the usual mistake */
        return ecert_error_errno(err, ECERT_E_IO, "cannot run '%s'", spec->argv[0]);
    ECERT_TRY(ecert_pipes_open(&pipes, 0, spec->max_output, false, &out_write, err));
    ECERT_TRY(ecert_pipes_open(&pipes, 1, spec->max_output, false, &err_write, err));
    if (spec->input.len > 0)
        ECERT_TRY(ecert_pipes_open_input(&pipes, spec->input, &in_read, err));

    const pid_t pid = fork();
    if (pid < 0)
        return ecert_error_errno(err, ECERT_E_IO, "fork");
    if (pid == 0)
        become(spec, in_read, out_write, err_write);
    (void)setpgid(pid, pid); /* here too: whichever comes first */
    ecert_auto_close(&in_read);
    ecert_auto_close(&out_write);
    ecert_auto_close(&err_write);
    if (spec->meanwhile != NULL)
        spec->meanwhile->call(spec->meanwhile->context);
    if (ecert_pipes_wait(&pipes, pid, spec->timeout_ms, spec->leaves_daemon, &status, err) !=
        ECERT_OK)
        return ecert_error_wrap(err, "'%s'", spec->argv[0]);

    struct ecert_run_result result = {.exit_code = exit_code_of(status)};
    if (ecert_buffer_take(&pipes.read[0], &result.out, err) != ECERT_OK ||
        ecert_buffer_take(&pipes.read[1], &result.err, err) != ECERT_OK) {
        ecert_run_result_clear(&result);
        return err->status;
    }
    *ret = result;
    return ECERT_OK;
}

void ecert_run_result_clear(struct ecert_run_result *result)
{
    ecert_bytes_clear(&result->out);
    ecert_bytes_clear(&result->err);
    result->exit_code = 0;
}

/* The last line that is not blank; false if there is none. */
static bool last_line(struct ecert_view text, struct ecert_view *ret)
{
    size_t end = text.len;

    while (end > 0 && strchr(" \t\r\n", text.ptr[end - 1]) != NULL)
        end--;
    size_t start = end;
    while (start > 0 && text.ptr[start - 1] != '\n')
        start--;
    *ret = (struct ecert_view){text.ptr + start, end - start};
    return end > start;
}

void ecert_run_last_words(const struct ecert_run_result *result, struct ecert_buffer *buffer)
{
    struct ecert_view line = {0};

    if (!last_line(ecert_bytes_view(&result->err), &line) &&
        !last_line(ecert_bytes_view(&result->out), &line)) {
        ecert_buffer_printf(buffer, "it left with exit code %d and said nothing",
                            result->exit_code);
        return;
    }
    if (line.len > 400)
        line.len = 400;
    ecert_buffer_add_escaped(buffer, line, false);
}

/* ---- children ---- */

#define NOT_CONFINED 125 /* exit code: its job was not begun */

static void limit(int what, rlim_t value)
{
    const struct rlimit both = {value, value};

    if (setrlimit((__rlimit_resource_t)what, &both) != 0)
        _exit(NOT_CONFINED);
}

/* AddressSanitizer reserves terabytes of addresses: a limit on them would stop any child. */
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_SHADOW_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_SHADOW_MEMORY 1
#endif
#endif
#ifndef HAVE_SHADOW_MEMORY
#define HAVE_SHADOW_MEMORY 0
#endif

static void confine(const struct ecert_child_limits *limits)
{
    if (limits->cpu_seconds > 0)
        limit(RLIMIT_CPU, limits->cpu_seconds);
    if (limits->address_space > 0 && !HAVE_SHADOW_MEMORY)
        limit(RLIMIT_AS, limits->address_space);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 && limits->drop_root)
        _exit(NOT_CONFINED);
    if (limits->drop_root && geteuid() == 0) {
        /* groups, then group, then user: after the last there is no way back */
        if (ecert_drop_root(65534, 65534) != 0)
            _exit(NOT_CONFINED);
    }
    if (!limits->may_fork) {
        limit(RLIMIT_NPROC, 0);
        limit(RLIMIT_FSIZE, 0); /* it answers over a pipe and writes no file */
    }
}

static void child_main(ecert_child_fn *job, void *context, const struct ecert_child_limits *limits,
                       int fd)
{
    const int null = open("/dev/null", O_RDWR);

    (void)setpgid(0, 0);
    reset_signals();
    /* a child neither reads the terminal nor writes to it: what it has to say goes over the pipe */
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(NOT_CONFINED);
    ecert_process_close_others(fd);
    confine(limits);
    _exit(job(context, fd));
}

enum ecert_status ecert_child_start(ecert_child_fn *job, void *context,
                                    const struct ecert_child_limits *limits,
                                    struct ecert_child *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int answer = -1;
    ECERT_AUTO(ecert_pipes_clear) struct ecert_pipes pipes = ECERT_PIPES_EMPTY;

    ECERT_TRY(ecert_pipes_open(&pipes, 0, limits->max_output, true, &answer, err));
    const pid_t pid = fork();
    if (pid < 0)
        return ecert_error_errno(err, ECERT_E_IO, "fork");
    if (pid == 0)
        child_main(job, context, limits, answer);
    (void)setpgid(pid, pid);
    *ret = (struct ecert_child){pid, pipes, limits->timeout_ms};
    pipes = (struct ecert_pipes)ECERT_PIPES_EMPTY;
    return ECERT_OK;
}

static enum ecert_status judge_end(int status, struct ecert_error *err)
{
    if (WIFSIGNALED(status))
        return ecert_error_set(err, ECERT_E_REFUSED, "crashed (signal %d, %s)", WTERMSIG(status),
                               strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == NOT_CONFINED)
        return ecert_error_set(err, ECERT_E_IO,
                               "could not be confined: as root, ecert needs CAP_SETUID and "
                               "CAP_SETGID, or a user of its own");
    if (WEXITSTATUS(status) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "left with exit code %d", WEXITSTATUS(status));
    return ECERT_OK;
}

enum ecert_status ecert_child_finish(struct ecert_child *child, struct ecert_bytes *ret,
                                     struct ecert_error *err)
{
    int end = 0;
    enum ecert_status status =
        ecert_pipes_wait(&child->pipes, child->pid, child->timeout_ms, true, &end, err);

    child->pid = 0; /* reaped, whatever happened */
    if (status == ECERT_OK)
        status = judge_end(end, err);
    if (status == ECERT_OK)
        status = ecert_buffer_take(&child->pipes.read[0], ret, err);
    ecert_child_clear(child);
    return status;
}

void ecert_child_clear(struct ecert_child *child)
{
    if (child->pid > 0) {
        (void)kill(-child->pid, SIGKILL);
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    ecert_pipes_clear(&child->pipes);
    *child = (struct ecert_child)ECERT_CHILD_NONE;
}

enum ecert_status ecert_child_run(ecert_child_fn *job, void *context,
                                  const struct ecert_child_limits *limits, struct ecert_bytes *ret,
                                  struct ecert_error *err)
{
    struct ecert_child child = ECERT_CHILD_NONE;

    ECERT_TRY(ecert_child_start(job, context, limits, &child, err));
    return ecert_child_finish(&child, ret, err);
}
