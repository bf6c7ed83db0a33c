#include "core/base/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"

#define GRACE_MS  2000 /* between SIGTERM and SIGKILL */
#define READS_MAX 1024 /* in one go: more than any pipe holds */

enum ecert_status ecert_pipes_open(struct ecert_pipes *pipes, size_t i, size_t max, bool strict,
                                   int *ret_write, struct ecert_error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "make a pipe");
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pipes->fds[i] = ends[0];
    pipes->max[i] = max;
    pipes->strict[i] = strict;
    *ret_write = ends[1];
    return ECERT_OK;
}

enum ecert_status ecert_pipes_open_input(struct ecert_pipes *pipes, struct ecert_view input,
                                         int *ret_read, struct ecert_error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "make a pipe");
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    pipes->input_fd = ends[1];
    pipes->input = input;
    *ret_read = ends[0];
    return ECERT_OK;
}

/* Write what fits now; the end is told by closing.  Who closed the other end has read enough. */
static void feed(struct ecert_pipes *pipes)
{
    while (pipes->input_fd >= 0) {
        if (pipes->input.len == 0) {
            ecert_auto_close(&pipes->input_fd);
            return;
        }
        const ssize_t n = write(pipes->input_fd, pipes->input.ptr, pipes->input.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            ecert_auto_close(&pipes->input_fd);
            return;
        }
        pipes->input.ptr += n;
        pipes->input.len -= (size_t)n;
    }
}

/* Read what is there now.  ECERT_E_REFUSED: more than a strict maximum. */
static enum ecert_status drain_into(struct ecert_pipes *pipes, size_t i, uint8_t *chunk,
                                    size_t size, struct ecert_error *err)
{
    /* not for ever: who writes faster than we read must not keep us from looking at the time */
    for (unsigned reads = 0; pipes->fds[i] >= 0 && reads < READS_MAX; reads++) {
        const ssize_t n = read(pipes->fds[i], chunk, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* EAGAIN: nothing more for now */
        if (n == 0) {
            ecert_auto_close(&pipes->fds[i]);
            break;
        }
        const size_t room = pipes->max[i] - pipes->read[i].len;
        if (pipes->strict[i] && (size_t)n > room)
            return ecert_error_set(err, ECERT_E_REFUSED, "answered more than %zu bytes",
                                   pipes->max[i]);
        ecert_buffer_add(&pipes->read[i],
                         (struct ecert_view){chunk, (size_t)n < room ? (size_t)n : room});
    }
    return ECERT_OK;
}

static enum ecert_status drain(struct ecert_pipes *pipes, size_t i, struct ecert_error *err)
{
    uint8_t chunk[16384];
    const enum ecert_status status = drain_into(pipes, i, chunk, sizeof chunk, err);

    explicit_bzero(chunk, sizeof chunk); /* a child's answer may hold a key */
    return status;
}

/* Wait for something to read, for room to write or for the end of the process, at most `ms`. */
static void wait_for_event(const struct ecert_pipes *pipes, int pidfd, int64_t ms)
{
    struct pollfd fds[] = {{.fd = pipes->fds[0], .events = POLLIN},
                           {.fd = pipes->fds[1], .events = POLLIN},
                           {.fd = pipes->input_fd, .events = POLLOUT},
                           {.fd = pidfd, .events = POLLIN}};

    /* without a pidfd (Linux before 5.3) look ten times a second whether it has ended */
    if (pidfd < 0 && ms > 100)
        ms = 100;
    (void)poll(fds, ARRAY_SIZE(fds), ms < 0 ? 0 : (int)ms);
}

static enum ecert_status collect(struct ecert_pipes *pipes, pid_t pid, int pidfd,
                                 unsigned timeout_ms, bool leave_at_exit, bool *reaped,
                                 int *ret_status, struct ecert_error *err)
{
    const int64_t until = ecert_clock_monotonic_ms() + timeout_ms;

    for (;;) {
        if (!*reaped && waitpid(pid, ret_status, WNOHANG) == pid)
            *reaped = true;
        feed(pipes);
        ECERT_TRY(drain(pipes, 0, err)); /* after the look: what it wrote before it ended is in */
        ECERT_TRY(drain(pipes, 1, err));
        if (*reaped && (leave_at_exit || (pipes->fds[0] < 0 && pipes->fds[1] < 0)))
            return ECERT_OK;

        const int64_t left = until - ecert_clock_monotonic_ms();
        if (left <= 0)
            return ecert_error_set(err, ECERT_E_TIMEOUT, "did not end within %u.%u seconds",
                                   timeout_ms / 1000, timeout_ms % 1000 / 100);
        wait_for_event(pipes, *reaped ? -1 : pidfd, left);
    }
}

/* SIGTERM, a moment to tidy up, SIGKILL, and reap. */
static void end_group(pid_t pid)
{
    const int64_t until = ecert_clock_monotonic_ms() + GRACE_MS;

    (void)kill(-pid, SIGTERM);
    while (ecert_clock_monotonic_ms() < until) {
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            (void)kill(-pid, SIGKILL);
            return;
        }
        ecert_clock_sleep_ms(5);
    }
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

enum ecert_status ecert_pipes_wait(struct ecert_pipes *pipes, pid_t pid, unsigned timeout_ms,
                                   bool leave_at_exit, int *ret_status, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
    bool reaped = false;
    const enum ecert_status status =
        collect(pipes, pid, pidfd, timeout_ms, leave_at_exit, &reaped, ret_status, err);

    if (!reaped)
        end_group(pid);
    else if (status != ECERT_OK)
        (void)kill(-pid, SIGKILL);
    return status;
}

void ecert_pipes_clear(struct ecert_pipes *pipes)
{
    for (size_t i = 0; i < ARRAY_SIZE(pipes->fds); i++) {
        ecert_auto_close(&pipes->fds[i]);
        ecert_buffer_clear(&pipes->read[i]);
    }
    ecert_auto_close(&pipes->input_fd);
}

int ecert_drop_root(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return -1;
    return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? -1 : 0; /* must fail */
}
