/*
 * A worker: a forked process that does one thing with one plugin and answers over a pipe.
 *
 * The answer is one message with the status, the text and the length of what follows, then that
 * many bytes, then the end.  Whatever else arrives (a plugin that writes to every descriptor, a
 * crash half way, an exit before the answer) is no answer.
 */
#ifndef ECERT_HOST_WORKER_H
#define ECERT_HOST_WORKER_H

#include "core/base/process.h"

/*
 * The worker's own half, kept between the job and the core: a job that must leave at once (it runs
 * deep inside a plugin) calls ecert_worker_leave() and never comes back.
 */
struct ecert_worker;

_Noreturn void ecert_worker_leave(struct ecert_worker *worker, const struct ecert_error *why);

/*
 * Runs in the worker; appends what is to be handed to the parent to `answer`, also where it fails
 * but has something to say of that.
 */
typedef enum ecert_status ecert_worker_fn(struct ecert_worker *worker, void *context,
                                          struct ecert_buffer *answer, struct ecert_error *err);

/*
 * Begin the job in a worker; the caller goes on with something else.  `context` is needed only
 * during the call: the worker has its own copy of everything.  ECERT_E_PLUGIN: not started.
 */
ECERT_MUST_CHECK enum ecert_status ecert_worker_start(const char *plugin, ecert_worker_fn *job,
                                                      void *context, unsigned timeout_ms,
                                                      struct ecert_child *ret,
                                                      struct ecert_error *err);

/*
 * Hand out what the job appended, as a secret because plans may hold keys.
 * A status other than ECERT_OK that the job returned comes back with its text, control bytes
 * escaped; then *ret stays as it is, and *ret_failed, which may be NULL, is what the job appended
 * until then.  ECERT_E_PLUGIN: it crashed, left early, left a process behind, said more than
 * ECERT_WORKER_MAX_OUTPUT, or what it said is no answer.  ECERT_E_TIMEOUT: timeout_ms, counted
 * from here, are over.
 */
ECERT_MUST_CHECK enum ecert_status ecert_worker_finish(const char *plugin,
                                                       struct ecert_child *worker,
                                                       struct ecert_secret *ret,
                                                       struct ecert_secret *ret_failed,
                                                       struct ecert_error *err);

#endif
