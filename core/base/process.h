/*
 * Processes: commands that are run, and children that do one job and answer over a pipe.
 *
 * Never a shell: argv goes to the program as it stands.  Every descriptor but 0, 1 and 2 is closed
 * in the new process, signals are reset, standard input is empty unless given, the environment is
 * fixed.  Each runs in a process group of its own that is killed when its time is over.
 */
#ifndef ECERT_BASE_PROCESS_H
#define ECERT_BASE_PROCESS_H

#include <sys/types.h>

#include "core/base/bytes.h"
#include "core/base/pipes.h"

/*
 * What the calling process does while a command runs: called once, when the command was started;
 * the command's time counts from its return.
 */
struct ecert_meanwhile {
    void (*call)(void *context);
    void *context;
};

struct ecert_run_spec {
    const char *const *argv; /* argv[0] is an absolute path; ends with NULL */
    unsigned timeout_ms;     /* then SIGTERM, and SIGKILL two seconds later; must not be 0 */
    size_t max_output;       /* bytes kept of each stream; what is beyond is read and dropped */
    struct ecert_view input; /* for its standard input; it need not read all; empty: none */
    /*
     * Called in the new process before exec, if set.  Anything but 0 ends it with exit code 126;
     * why, it tells its caller by means of its own (`context`).
     */
    int (*enter)(void *context);
    void *context;
    /*
     * The command leaves a daemon behind that keeps our pipes open: what it prints is read only
     * until the command itself ends.
     */
    bool leaves_daemon;
    const struct ecert_meanwhile *meanwhile; /* NULL: the caller only waits */
};

struct ecert_run_result {
    int exit_code; /* 128 + N when signal N ended it */
    struct ecert_bytes out, err;
};

/* The minimal environment of every command: PATH, LANG=C, LC_ALL=C. */
extern const char *const ecert_minimal_environment[];

/*
 * Run a command to its end.  A non-zero exit is not an error here.  ECERT_E_IO: it could not be
 * started; ECERT_E_TIMEOUT: it was killed; ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_run(const struct ecert_run_spec *spec,
                                             struct ecert_run_result *ret, struct ecert_error *err);
void ecert_run_result_clear(struct ecert_run_result *result);

/* One line for a person out of what a command printed: its last non-empty line, escaped, cut. */
void ecert_run_last_words(const struct ecert_run_result *result, struct ecert_buffer *buffer);

/* ---- children ---- */

/* What a child may use. */
struct ecert_child_limits {
    unsigned timeout_ms;  /* wall clock; the group is killed then */
    size_t max_output;    /* bytes it may answer; more is ECERT_E_REFUSED */
    unsigned cpu_seconds; /* 0: no limit */
    size_t address_space; /* bytes; 0: no limit, as in builds with AddressSanitizer */
    bool may_fork;        /* false: RLIMIT_NPROC 0 and no descriptor but the pipe */
    bool drop_root;       /* become nobody (65534) when we are root */
};

/*
 * The child's job.  It answers by writing to `fd`; its return value is the exit code.
 * It runs in a fork: it must leave by returning.
 */
typedef int ecert_child_fn(void *context, int fd);

/* One that was started and whose answer has not been collected yet. */
struct ecert_child {
    pid_t pid; /* 0: none */
    struct ecert_pipes pipes;
    unsigned timeout_ms;
};
#define ECERT_CHILD_NONE                     \
    {                                        \
        .pid = 0, .pipes = ECERT_PIPES_EMPTY \
    }

/*
 * Fork and let the child run `job`; the parent goes on at once with something else.  An answer that
 * fills the pipe waits there until it is collected.  ECERT_E_IO: it could not be started.
 */
ECERT_MUST_CHECK enum ecert_status ecert_child_start(ecert_child_fn *job, void *context,
                                                     const struct ecert_child_limits *limits,
                                                     struct ecert_child *ret,
                                                     struct ecert_error *err);

/*
 * Collect its answer; the time that it may take counts from here, because what the parent did
 * meanwhile is not the child's fault.  The child is gone afterwards in every case.
 *
 * ECERT_E_TIMEOUT: it was killed; ECERT_E_REFUSED: it answered too much, crashed or left with a
 * code other than 0 (the text says which: "crashed (signal 11, Segmentation fault)"); ECERT_E_IO:
 * it could not be confined, so that its job was not begun (exit code 125 means this).
 */
ECERT_MUST_CHECK enum ecert_status ecert_child_finish(struct ecert_child *child,
                                                      struct ecert_bytes *ret,
                                                      struct ecert_error *err);

/* End one whose answer nobody wants any more; nothing if it is gone. */
void ecert_child_clear(struct ecert_child *child);

/* Start and finish. */
ECERT_MUST_CHECK enum ecert_status ecert_child_run(ecert_child_fn *job, void *context,
                                                   const struct ecert_child_limits *limits,
                                                   struct ecert_bytes *ret,
                                                   struct ecert_error *err);

/* ---- our own process ---- */

/*
 * First thing in main(): empty the environment (OPENSSL_CONF runs foreign code, http_proxy diverts
 * connections, LD_* and TZ belong to whoever set them), set the minimal one, umask 077, no core
 * dumps, descriptors 0 to 2 open.  ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_process_harden(struct ecert_error *err);

/* Close every descriptor but 0, 1, 2 and `keep` (-1: none). */
void ecert_process_close_others(int keep);

#endif
