#include "core/flow/service.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fs.h"

#define OUTPUT_MAX (1u << 20)

/* ---- processes ---- */

/* Files of /proc have no size: read what comes.  "" if it cannot be read. */
static void read_proc(pid_t pid, const char *name, char *ret, size_t room)
{
    char path[64];
    size_t have = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        have = fread(ret, 1, room - 1, file);
        (void)fclose(file);
    }
    ret[have] = '\0';
}

static bool is_zombie(pid_t pid)
{
    char stat_line[512];

    read_proc(pid, "stat", stat_line, sizeof stat_line);
    /* "12 (a name) with) Z ...": the state follows the last bracket */
    const char *bracket = strrchr(stat_line, ')');
    return bracket != NULL && (strncmp(bracket, ") Z", 3) == 0 || strncmp(bracket, ") X", 3) == 0);
}

/* A script, or nothing: what it starts runs under another name, so that its name tells nothing. */
static bool tells_nothing(const char *executable)
{
    ECERT_AUTO(ecert_auto_close) int fd = open(executable, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char start[2];

    return fd < 0 || read(fd, start, sizeof start) != 2 || memcmp(start, "#!", 2) == 0;
}

/* What the process runs, "" if we may not look (another user's). */
static void read_exe(pid_t pid, char ret[PATH_MAX])
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    const ssize_t n = readlink(path, ret, PATH_MAX - 1);
    ret[n < 0 ? 0 : n] = '\0';
}

/* /proc/PID/exe is the executable; where we may not look, or cannot compare, it counts. */
static bool is_program(pid_t pid, const char *executable)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
    char exe[PATH_MAX];

    if (executable == NULL)
        return true;
    read_exe(pid, exe);
    if (exe[0] == '\0')
        return true; /* is_alive() has seen that it is there */
    char *deleted = strstr(exe, " (deleted)");
    if (deleted != NULL && deleted[10] == '\0')
        *deleted = '\0';
    resolved = realpath(executable, NULL);
    return strcmp(exe, executable) == 0 || (resolved != NULL && strcmp(exe, resolved) == 0) ||
           tells_nothing(executable);
}

static bool is_alive(pid_t pid, const char *executable)
{
    return (kill(pid, 0) == 0 || errno == EPERM) && !is_zombie(pid) && is_program(pid, executable);
}

/* 0: absent, empty, or not a number. */
static pid_t read_pid(const char *pid_file)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    struct ecert_error ignored = {0};
    char *end = NULL;

    if (ecert_fs_read(pid_file, 64, &text, &ignored) != ECERT_OK)
        return 0;
    const long pid = strtol((const char *)text.ptr, &end, 10);
    return pid > 1 && pid <= INT_MAX && (*end == '\0' || *end == '\n') ? (pid_t)pid : 0;
}

/* ---- units ---- */

static const char *systemctl(void)
{
    static const char *const places[] = {"/usr/bin/systemctl", "/bin/systemctl"};

    for (size_t i = 0; i < ARRAY_SIZE(places) && access("/run/systemd/system", F_OK) == 0; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* The process's control group is that of the unit: a line that ends with "/nginx.service". */
static bool is_in_unit(pid_t pid, const char *service)
{
    char groups[8192];
    const size_t n = strlen(service);

    read_proc(pid, "cgroup", groups, sizeof groups);
    for (char *rest = NULL, *line = strtok_r(groups, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        const size_t len = strlen(line);
        if (len > n && line[len - n - 1] == '/' && strcmp(line + len - n, service) == 0)
            return true;
    }
    return false;
}

static enum ecert_status ask_unit(const char *program, const char *service, bool *ret,
                                  struct ecert_error *err)
{
    const char *const argv[] = {program, "is-active", "--quiet", service, NULL};
    const struct ecert_run_spec spec = {.argv = argv, .timeout_ms = 10000, .max_output = 1024};
    ECERT_AUTO(ecert_run_result_clear) struct ecert_run_result result = {0};

    ECERT_TRY(ecert_run(&spec, &result, err));
    *ret = result.exit_code == 0;
    return ECERT_OK;
}

/* ---- finding ---- */

enum ecert_status ecert_service_find(const struct ecert_plan_activation *activation,
                                     struct ecert_service *ret, struct ecert_strings *notes,
                                     struct ecert_error *err)
{
    struct ecert_service service = {.activation = activation, .running = true};
    const char *program = systemctl();
    struct ecert_error why = {0};

    if (activation->pid_file == NULL) {
        /* a systemd that cannot answer leaves the question open: it counts as running */
        if (program != NULL &&
            ask_unit(program, activation->service, &service.running, &why) == ECERT_OK)
            service.by_unit = service.running;
    } else if (ecert_fs_check_trusted(activation->pid_file, &why) == ECERT_E_REFUSED) {
        ECERT_TRY(ecert_strings_printf(notes, err, "the pid file is not believed: %s", why.text));
    } else {
        service.pid = read_pid(activation->pid_file);
        service.running = service.pid != 0 && is_alive(service.pid, activation->executable);
        if (service.pid != 0 && !service.running && is_alive(service.pid, NULL)) {
            char exe[PATH_MAX];

            read_exe(service.pid, exe);
            ECERT_TRY(ecert_strings_printf(
                notes, err,
                "process %d of '%s' runs '%s' and not '%s': it is not taken for the server; name "
                "the server's program in `command` if it is",
                (int)service.pid, activation->pid_file, exe, activation->executable));
        }
        service.by_unit =
            program != NULL && service.running && is_in_unit(service.pid, activation->service);
    }
    *ret = service;
    return ECERT_OK;
}

bool ecert_service_is_alive(const struct ecert_service *service)
{
    const struct ecert_plan_activation *activation = service->activation;

    if (service->pid == 0)
        return true;
    if (is_alive(service->pid, activation->executable))
        return true;
    const pid_t now = read_pid(activation->pid_file);
    return now != 0 && is_alive(now, activation->executable);
}

/* ---- acting ---- */

static bool says_why(struct ecert_view line)
{
    static const char *const marks[] = {"[emerg]", "Syntax error", "syntax error"};

    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (memmem(line.ptr, line.len, marks[i], strlen(marks[i])) != NULL)
            return true;
    /* AH00558 is Apache's remark that it guessed its own name: never the reason */
    return line.len > 8 && memcmp(line.ptr, "AH", 2) == 0 && line.ptr[7] == ':' &&
           memcmp(line.ptr, "AH00558", 7) != 0;
}

static struct ecert_view first_line(struct ecert_view text)
{
    const uint8_t *end = text.len == 0 ? NULL : memchr(text.ptr, '\n', text.len);

    return (struct ecert_view){text.ptr, end == NULL ? text.len : (size_t)(end - text.ptr)};
}

void ecert_service_words(const struct ecert_run_result *result, struct ecert_buffer *out)
{
    const struct ecert_view streams[] = {ecert_bytes_view(&result->err),
                                         ecert_bytes_view(&result->out)};

    for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
        for (struct ecert_view rest = streams[i]; rest.len > 0;) {
            struct ecert_view line = first_line(rest);

            if (says_why(line)) {
                const struct ecert_view next = {rest.ptr + line.len + 1,
                                                rest.len > line.len ? rest.len - line.len - 1 : 0};
                const struct ecert_view more = first_line(next);

                ecert_buffer_add_escaped(
                    out, (struct ecert_view){line.ptr, line.len < 400 ? line.len : 400}, false);
                /* "... Syntax error on line 3 of x:" goes on in the next line */
                if (line.ptr[line.len - 1] == ':' && more.len > 0) {
                    ecert_buffer_add_text(out, " ");
                    ecert_buffer_add_escaped(
                        out, (struct ecert_view){more.ptr, more.len < 400 ? more.len : 400}, false);
                }
                return;
            }
            const size_t step = line.len < rest.len ? line.len + 1 : line.len;
            rest = (struct ecert_view){rest.ptr + step, rest.len - step};
        }
    ecert_run_last_words(result, out);
}

/* Run it; what it says on a failure is the error's text. */
static enum ecert_status command(const char *const *argv, unsigned timeout_ms,
                                 struct ecert_buffer *words, struct ecert_error *err)
{
    /* a reload may start the daemon anew (apachectl graceful), which keeps our pipes */
    const struct ecert_run_spec spec = {
        .argv = argv, .timeout_ms = timeout_ms, .max_output = OUTPUT_MAX, .leaves_daemon = true};
    ECERT_AUTO(ecert_run_result_clear) struct ecert_run_result result = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer said = {0};

    ECERT_TRY(ecert_run(&spec, &result, err));
    ecert_service_words(&result, &said);
    if (said.failed)
        return ecert_error_nomem(err);
    if (result.exit_code != 0)
        return ecert_error_set(err, ECERT_E_COMMAND, "'%s' failed (exit code %d): %.*s", argv[0],
                               result.exit_code, (int)said.len, (const char *)said.ptr);
    if (words != NULL && (result.err.len > 0 || result.out.len > 0))
        ecert_buffer_add(words, ecert_buffer_view(&said));
    return ECERT_OK;
}

static enum ecert_status unit_command(const char *verb, const char *service, unsigned timeout_ms,
                                      struct ecert_error *err)
{
    const char *const argv[] = {systemctl(), verb, service, NULL};

    if (argv[0] == NULL)
        return ecert_error_set(err, ECERT_E_UNSUPPORTED, "systemctl is gone");
    if (command(argv, timeout_ms, NULL, err) != ECERT_OK)
        return ecert_error_wrap(err, "systemctl %s %s", verb, service);
    return ECERT_OK;
}

/* The process runs the very file that the command names; one that was replaced since does not. */
static bool runs_the_command(pid_t pid, const char *program)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = realpath(program, NULL);
    char exe[PATH_MAX];

    read_exe(pid, exe);
    return resolved != NULL && strcmp(exe, resolved) == 0;
}

/* False: it was not sent, the command must do it. */
static bool send_signal(const struct ecert_service *service)
{
    const struct ecert_plan_activation *activation = service->activation;

    if (activation->reload_signal == 0 || service->pid == 0)
        return false;
    /* the pidfd first: what is looked at is then what gets the signal */
    ECERT_AUTO(ecert_auto_close) int pidfd = (int)syscall(SYS_pidfd_open, service->pid, 0u);
    return pidfd >= 0 && is_alive(service->pid, activation->executable) &&
           runs_the_command(service->pid, activation->reload.items[0]) &&
           syscall(SYS_pidfd_send_signal, pidfd, activation->reload_signal, NULL, 0u) == 0;
}

enum ecert_status ecert_service_reload(const struct ecert_service *service, bool tested,
                                       unsigned timeout_ms, struct ecert_buffer *words,
                                       struct ecert_error *err)
{
    if (service->by_unit)
        return unit_command("reload", service->activation->service, timeout_ms, err);
    if (tested && send_signal(service))
        return ECERT_OK;
    return command(ecert_strings_array(&service->activation->reload), timeout_ms, words, err);
}

enum ecert_status ecert_service_start(const struct ecert_service *service, unsigned timeout_ms,
                                      struct ecert_error *err)
{
    if (service->by_unit)
        return unit_command("restart", service->activation->service, timeout_ms, err);
    if (service->activation->start.len == 0)
        return ecert_error_set(err, ECERT_E_UNSUPPORTED,
                               "nothing says how to start '%s'; start it by hand",
                               service->activation->service);
    return command(ecert_strings_array(&service->activation->start), timeout_ms, NULL, err);
}
