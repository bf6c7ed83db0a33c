#include "core/flow/network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/message.h"
#include "core/base/process.h"
#include "core/flow/network_internal.h"
#include "core/net/protocol.h"

/* ---- starting and ending ---- */

/* In a build tree ecert-net lies beside us; installed, it never does. */
static enum ecert_status find_program(char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *self = NULL;
    ECERT_AUTO(ecert_auto_free) char *beside = NULL;

    ECERT_TRY(ecert_fs_resolve("/proc/self/exe", &self, err));
    *strrchr(self, '/') = '\0';
    ECERT_TRY(ecert_text_format(&beside, err, "%s/ecert-net", self));
    if (!ecert_fs_exists(beside))
        return ecert_text_format(ret, err, "%s", ECERT_LIBEXECDIR "/ecert-net");
    *ret = beside;
    beside = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_network_init(struct ecert_network *network, const char *program,
                                     const char *proxy, struct ecert_error *err)
{
    struct ecert_network made = {.fd = -1};

    enum ecert_status status = program == NULL
                                   ? find_program(&made.program, err)
                                   : ecert_text_copy(ecert_view_of(program), &made.program, err);
    if (status == ECERT_OK && proxy != NULL)
        status = ecert_text_copy(ecert_view_of(proxy), &made.proxy, err);
    if (status == ECERT_OK)
        status = ecert_fs_check_trusted(made.program, err);
    if (status != ECERT_OK) {
        ecert_network_clear(&made);
        return ecert_error_wrap(err, "the network half");
    }
    *network = made;
    return ECERT_OK;
}

enum ecert_status ecert_network_init_unfit(struct ecert_network *network, const char *why,
                                           struct ecert_error *err)
{
    struct ecert_network made = {.fd = -1};

    ECERT_TRY(ecert_text_copy(ecert_view_of(why), &made.unfit, err));
    *network = made;
    return ECERT_OK;
}

/* The new process; it owns nothing of ours but its end of the socket. */
static void become(const char *program, int fd, pid_t parent)
{
    char *const argv[] = {(char *)(uintptr_t)program, NULL};
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    (void)setpgid(0, 0);
    if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || dup2(fd, ECERT_NET_SOCKET) < 0)
        _exit(127);
    ecert_process_close_others(-1);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    /* it asks for this again when it has changed its user; until then this one counts */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(127);
    (void)execve(program, argv, (char *const *)(uintptr_t)ecert_minimal_environment);
    _exit(127);
}

enum ecert_status ecert_network_start(struct ecert_network *network, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int ours = -1;
    ECERT_AUTO(ecert_auto_close) int theirs = -1;
    const pid_t self = getpid();
    int ends[2];

    if (network->unfit != NULL)
        return ecert_error_set(err, ECERT_E_NETWORK, "%s", network->unfit);
    if (network->pid > 0 && network->fd < 0) /* released */
        (void)ecert_network_stop(network);
    if (network->pid > 0 && waitpid(network->pid, NULL, WNOHANG) == 0)
        return ECERT_OK;
    if (network->pid > 0) { /* it ended since the last answer */
        network->pid = 0;
        ecert_auto_close(&network->fd);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "make a socket pair");
    ours = ends[0];
    theirs = ends[1];
    const pid_t pid = fork();
    if (pid < 0)
        return ecert_error_errno(err, ECERT_E_IO, "fork");
    if (pid == 0)
        become(network->program, theirs, self);
    (void)setpgid(pid, pid);
    network->fd = ecert_fd_take(&ours);
    network->pid = pid;
    return ECERT_OK;
}

/* It keeps nothing that would have to be saved: the quickest end is the cleanest. */
int ecert_network_stop(struct ecert_network *network)
{
    int status = 0;

    if (network->pid <= 0)
        return 0;
    ecert_auto_close(&network->fd);
    (void)kill(network->pid, SIGKILL);
    while (waitpid(network->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    network->pid = 0;
    return status;
}

void ecert_network_release(struct ecert_network *network)
{
    if (network->pid <= 0)
        return;
    ecert_auto_close(&network->fd);
    (void)kill(network->pid, SIGKILL);
}

void ecert_network_clear(struct ecert_network *network)
{
    (void)ecert_network_stop(network);
    free(network->program);
    free(network->unfit);
    free(network->proxy);
    *network = (struct ecert_network){.fd = -1};
}

/* ---- talking ---- */

void ecert_talk_clear(struct ecert_talk *talk)
{
    ecert_buffer_clear(&talk->in);
}

static enum ecert_status gone(struct ecert_talk *talk, struct ecert_error *err)
{
    const char *program = talk->network->program;
    int status = 0;

    /* it closed its end: give it the moment to end by itself, so that its own reason is known */
    for (int i = 0; i < 100; i++) {
        const pid_t pid = waitpid(talk->network->pid, &status, WNOHANG);

        if (pid == talk->network->pid) {
            talk->network->pid = 0;
            ecert_auto_close(&talk->network->fd);
            break;
        }
        ecert_clock_sleep_ms(2);
    }
    if (talk->network->pid > 0)
        status = ecert_network_stop(talk->network);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return ecert_error_set(err, ECERT_E_IO, "'%s' cannot be run", program);
    if (WIFSIGNALED(status))
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s' ended without an answer (signal %d, %s)",
                               program, WTERMSIG(status), strsignal(WTERMSIG(status)));
    return ecert_error_set(err, ECERT_E_NETWORK, "'%s' ended without an answer (exit code %d)",
                           program, WEXITSTATUS(status));
}

/* Wait until the socket is ready, within the time. */
static enum ecert_status wait_for(struct ecert_talk *talk, short events, struct ecert_error *err)
{
    for (;;) {
        struct pollfd fd = {.fd = talk->network->fd, .events = events};
        const int64_t left = talk->until - ecert_clock_monotonic_ms();

        if (left <= 0)
            return ecert_error_set(err, ECERT_E_TIMEOUT, "'%s' did not answer in time",
                                   talk->network->program);
        const int n = poll(&fd, 1, left > 60000 ? 60000 : (int)left);
        if (n > 0)
            return ECERT_OK;
        if (n < 0 && errno != EINTR)
            return ecert_error_errno(err, ECERT_E_IO, "poll");
    }
}

enum ecert_status ecert_talk_send(struct ecert_talk *talk, struct ecert_view bytes,
                                  struct ecert_error *err)
{
    while (bytes.len > 0) {
        ECERT_TRY(wait_for(talk, POLLOUT, err));
        const ssize_t n =
            send(talk->network->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return ECERT_OK;
        if (n < 0)
            return ecert_error_errno(err, ECERT_E_IO, "write to '%s'", talk->network->program);
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return ECERT_OK;
}

static enum ecert_status receive_some(struct ecert_talk *talk, struct ecert_error *err)
{
    uint8_t chunk[65536];

    ECERT_TRY(wait_for(talk, POLLIN, err));
    const ssize_t n = recv(talk->network->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return ECERT_OK;
    if (n <= 0)
        return gone(talk, err);
    ecert_buffer_add(&talk->in, (struct ecert_view){chunk, (size_t)n});
    explicit_bzero(chunk, (size_t)n); /* a fetched file may hold a key */
    return talk->in.failed ? ecert_error_nomem(err) : ECERT_OK;
}

/* An ECERT_NET_FAILED becomes the error that it tells, with nothing in it a terminal could obey. */
static enum ecert_status pass_failure_on(struct ecert_talk *talk,
                                         const struct ecert_message *message,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    int64_t status;

    ECERT_TRY(ecert_message_number(message, 0, &status, err));
    if (message->n != 2 || status <= ECERT_OK || status > ECERT_E_UNSUPPORTED)
        return ecert_error_set(err, ECERT_E_NETWORK, "an answer that is not one");
    ecert_buffer_add_escaped(&words, message->fields[1], false);
    if (words.failed)
        return ecert_error_nomem(err);
    talk->told = true;
    return ecert_error_set(err, (enum ecert_status)status, "%.*s", (int)words.len,
                           words.ptr == NULL ? "" : (const char *)words.ptr);
}

/* What has come and was not taken yet. */
static struct ecert_view rest_of(const struct ecert_talk *talk)
{
    if (talk->in.ptr == NULL) /* nothing at all: not even an offset of 0 may be added to NULL */
        return (struct ecert_view){0};
    return (struct ecert_view){talk->in.ptr + talk->taken, talk->in.len - talk->taken};
}

enum ecert_status ecert_talk_receive(struct ecert_talk *talk, uint32_t kind,
                                     struct ecert_message *ret, struct ecert_error *err)
{
    for (;;) {
        struct ecert_view left = rest_of(talk);
        const size_t before = left.len;
        const enum ecert_status status =
            before == 0 ? ECERT_E_NOT_FOUND : ecert_message_decode(&left, talk->max_len, ret, err);

        if (status == ECERT_OK) {
            talk->taken += before - left.len;
            if (ret->kind == ECERT_NET_FAILED)
                return pass_failure_on(talk, ret, err);
            if (ret->kind == kind)
                return ECERT_OK;
            return ecert_error_set(err, ECERT_E_NETWORK, "an answer of kind %u",
                                   (unsigned)ret->kind);
        }
        if (status != ECERT_E_NOT_FOUND)
            return status;
        if (talk->taken == talk->in.len) {
            talk->in.len = 0;
            talk->taken = 0;
        }
        ECERT_TRY(receive_some(talk, err));
    }
}
