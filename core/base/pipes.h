/*
 * Reading what a process says until it ends, within a time and a size, and writing what it shall
 * read meanwhile: the common half of running a command and of running a child (process.h).
 *
 * Writing to a process that has ended raises SIGPIPE: whoever gives it input ignores that signal,
 * as main() does.
 */
#ifndef ECERT_BASE_PIPES_H
#define ECERT_BASE_PIPES_H

#include <sys/types.h>

#include "core/base/bytes.h"

struct ecert_pipes {
    int fds[2]; /* read ends; -1: closed */
    struct ecert_buffer read[2];
    size_t max[2];
    bool strict[2];          /* more than max is an error, not cut */
    int input_fd;            /* write end; -1: closed */
    struct ecert_view input; /* borrowed: what is not written yet */
};

#define ECERT_PIPES_EMPTY                \
    {                                    \
        .fds = {-1, -1}, .input_fd = -1, \
    }

/* Make pipe `i`; its write end, close-on-exec, is the caller's. */
ECERT_MUST_CHECK enum ecert_status ecert_pipes_open(struct ecert_pipes *pipes, size_t i, size_t max,
                                                    bool strict, int *ret_write,
                                                    struct ecert_error *err);

/*
 * Make the pipe that the process reads `input` from, which must stay until the wait is over; its
 * read end, close-on-exec, is the caller's.
 */
ECERT_MUST_CHECK enum ecert_status ecert_pipes_open_input(struct ecert_pipes *pipes,
                                                          struct ecert_view input, int *ret_read,
                                                          struct ecert_error *err);

/*
 * Write the input as it is read (a process that does not want all of it is no error), and collect
 * until the process ended and, unless `leave_at_exit`, until both pipes are at their end.
 * Past timeout_ms the process group gets SIGTERM, two seconds later SIGKILL: ECERT_E_TIMEOUT.
 * More than a strict maximum: killed, ECERT_E_REFUSED.  The process is reaped in every case; on
 * failure what is left of its group is killed too.
 */
ECERT_MUST_CHECK enum ecert_status ecert_pipes_wait(struct ecert_pipes *pipes, pid_t pid,
                                                    unsigned timeout_ms, bool leave_at_exit,
                                                    int *ret_status, struct ecert_error *err);

void ecert_pipes_clear(struct ecert_pipes *pipes);

/* setgroups, setresgid, setresuid, and proof that there is no way back; 0 or -1. */
int ecert_drop_root(uid_t uid, gid_t gid);

#endif
