#include "core/host/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/message.h"
#include "core/base/process.h"
#include "core/host/plugin.h"

#define ANSWER        1u  /* kind of the one message */
#define ANSWER_PLACE  64u /* bytes for the message around the answer and the error's text */
#define STATUS_LAST   ECERT_E_UNSUPPORTED
#define LEFTOVERS_MAX 200 /* rounds of 5 ms before what will not end is taken along */

struct ecert_worker {
    int fd;
    dev_t device; /* of the pipe, as it was before the plugin was there */
    ino_t inode;
    ecert_worker_fn *job;
    void *context;
};

/* ---- in the worker ---- */

/* A plugin may close our descriptor and open a file in its place: records must not go there. */
static bool pipe_is_ours(const struct ecert_worker *worker)
{
    struct stat st;

    return fstat(worker->fd, &st) == 0 && st.st_dev == worker->device &&
           st.st_ino == worker->inode && S_ISFIFO(st.st_mode);
}

/* The exit code of the worker. */
static int answer(const struct ecert_worker *worker, enum ecert_status status,
                  const struct ecert_error *why, struct ecert_view body)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer head = {0};
    struct ecert_message message = {.kind = ANSWER};
    struct ecert_error err = {0};
    uint8_t storage[3][8];

    ecert_message_add_number(&message, status, storage[0]);
    ecert_message_add_number(&message, why->sys_errno, storage[1]);
    /* a plugin may have filled the text to its last byte */
    ecert_message_add(&message, (struct ecert_view){(const uint8_t *)why->text,
                                                    strnlen(why->text, sizeof why->text)});
    ecert_message_add_number(&message, (int64_t)body.len, storage[2]);
    ecert_message_encode(&message, &head);
    if (head.failed || !pipe_is_ours(worker))
        return 1;
    if (ecert_write_all(worker->fd, ecert_buffer_view(&head), &err) != ECERT_OK ||
        ecert_write_all(worker->fd, body, &err) != ECERT_OK)
        return 1;
    return 0;
}

/* SIGKILL for each of our children, by the kernel's own list (proc(5)). */
static void kill_children(void)
{
    char path[64], text[4096];

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    char *p = text;
    for (char *end = p;; p = end) {
        const long pid = strtol(p, &end, 10);

        if (end == p)
            return;
        (void)kill((pid_t)pid, SIGKILL);
    }
}

/*
 * End what the plugin left running; we are its parent, or became it (PR_SET_CHILD_SUBREAPER).
 * True if there was something.  What has ended by itself is only reaped.
 */
static bool end_leftovers(void)
{
    bool alive = false;

    for (unsigned round = 0; round < LEFTOVERS_MAX; round++) {
        pid_t pid;

        do {
            pid = waitpid(-1, NULL, WNOHANG);
        } while (pid > 0 || (pid < 0 && errno == EINTR));
        if (pid < 0)
            return alive;                  /* no child any more */
        if (round >= LEFTOVERS_MAX / 10) { /* it had its moment to end by itself */
            alive = true;
            kill_children();
        }
        ecert_clock_sleep_ms(5);
    }
    (void)kill(0, SIGKILL); /* the group, ourselves included: the parent reports that */
    return true;
}

void ecert_worker_leave(struct ecert_worker *worker, const struct ecert_error *why)
{
    const int code = answer(worker, why->status, why, (struct ecert_view){0});

    (void)end_leftovers();
    _exit(code);
}

static int work(void *context, int fd)
{
    struct ecert_worker *worker = context;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer body = {0};
    struct ecert_error err = {0};
    struct stat st;

    /* a handler of the parent's would run the parent's code here, in the middle of a plugin */
    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    if (fstat(fd, &st) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return 1;
    worker->fd = fd;
    worker->device = st.st_dev;
    worker->inode = st.st_ino;
    enum ecert_status status = worker->job(worker, worker->context, &body, &err);
    const bool left_over = end_leftovers();
    if (left_over)
        status = ecert_error_set(&err, ECERT_E_PLUGIN, "left a process behind");
    if (body.failed)
        status = ecert_error_nomem(&err);
    if (left_over || body.failed)
        ecert_buffer_clear(&body);
    return answer(worker, status, &err, ecert_buffer_view(&body));
}

/* ---- in the parent ---- */

static void wipe(struct ecert_bytes *bytes)
{
    if (bytes->ptr != NULL)
        explicit_bzero(bytes->ptr, bytes->len);
    ecert_bytes_clear(bytes);
}

static enum ecert_status no_answer(const char *plugin, const char *why, struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_PLUGIN, "plugin '%s' %s", plugin, why);
}

/* The job's own failure: its text comes from a plugin, so it is escaped. */
static enum ecert_status failed(const char *plugin, int64_t status, int64_t sys_errno,
                                struct ecert_view text, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer shown = {0};

    if (status < ECERT_OK || status > STATUS_LAST)
        return ecert_error_set(err, ECERT_E_PLUGIN, "plugin '%s' returned %lld, which is no status",
                               plugin, (long long)status);
    ecert_buffer_add_escaped(&shown, text, false);
    ecert_buffer_add(&shown, (struct ecert_view){(const uint8_t *)"", 1});
    if (shown.failed)
        return ecert_error_nomem(err);
    if (shown.len == 1)
        (void)ecert_error_set(err, (enum ecert_status)status, "plugin '%s' gave no reason", plugin);
    else
        (void)ecert_error_set(err, (enum ecert_status)status, "%s", (const char *)shown.ptr);
    err->sys_errno = (int)sys_errno;
    if (status == ECERT_E_PLUGIN && strncmp(err->text, "plugin '", 8) != 0)
        return ecert_error_wrap(err, "plugin '%s'", plugin);
    return err->status;
}

static enum ecert_status read_answer(const char *plugin, struct ecert_view stream,
                                     struct ecert_secret *ret, struct ecert_secret *ret_failed,
                                     struct ecert_error *err)
{
    struct ecert_message message = {0};
    int64_t status = 0, sys_errno = 0, len = 0;

    if (stream.len == 0)
        return no_answer(plugin, "ended before it had answered", err);
    if (ecert_message_decode(&stream, stream.len, &message, err) != ECERT_OK ||
        message.kind != ANSWER || message.n != 4 ||
        ecert_message_number(&message, 0, &status, err) != ECERT_OK ||
        ecert_message_number(&message, 1, &sys_errno, err) != ECERT_OK ||
        ecert_message_number(&message, 3, &len, err) != ECERT_OK || len < 0 ||
        (uint64_t)len != stream.len)
        return no_answer(plugin, "wrote to the core's pipe what is no answer", err);
    if (status != ECERT_OK) {
        if (ret_failed != NULL && stream.len > 0)
            ECERT_TRY(ecert_secret_copy(stream, ret_failed, err));
        return failed(plugin, status, sys_errno, message.fields[2], err);
    }
    return ecert_secret_copy(stream, ret, err);
}

/* What happened to the process is told as the plugin's doing. */
static enum ecert_status blame(const char *plugin, struct ecert_error *err)
{
    /* crashed, left with a code, said too much: the plugin's fault */
    if (err->status == ECERT_E_REFUSED)
        err->status = ECERT_E_PLUGIN;
    return ecert_error_wrap(err, "plugin '%s'", plugin);
}

enum ecert_status ecert_worker_start(const char *plugin, ecert_worker_fn *job, void *context,
                                     unsigned timeout_ms, struct ecert_child *ret,
                                     struct ecert_error *err)
{
    struct ecert_worker worker = {.fd = -1, .job = job, .context = context};
    const struct ecert_child_limits limits = {
        .timeout_ms = timeout_ms,
        .max_output = ECERT_WORKER_MAX_OUTPUT + ANSWER_PLACE + sizeof err->text,
        .may_fork = true,   /* the server's own commands answer many questions */
        .drop_root = false, /* and they need root, as reading its keys does */
    };

    if (ecert_child_start(work, &worker, &limits, ret, err) != ECERT_OK)
        return blame(plugin, err);
    return ECERT_OK;
}

enum ecert_status ecert_worker_finish(const char *plugin, struct ecert_child *worker,
                                      struct ecert_secret *ret, struct ecert_secret *ret_failed,
                                      struct ecert_error *err)
{
    ECERT_AUTO(wipe) struct ecert_bytes bytes = {0};

    if (ecert_child_finish(worker, &bytes, err) != ECERT_OK)
        return blame(plugin, err);
    return read_answer(plugin, ecert_bytes_view(&bytes), ret, ret_failed, err);
}
