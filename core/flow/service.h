/*
 * The service behind a group: does it run, reload it, start it again.
 *
 * A pid file is believed only when it and its directory are trusted (fs.h), the process is alive,
 * and /proc/PID/exe is the executable that the plan names (also "... (deleted)", after an upgrade
 * of the package).  Without a pid file the unit is asked; without systemd the service counts as
 * running.  A unit reloads through `systemctl reload`, everything else through its own command.
 */
#ifndef ECERT_FLOW_SERVICE_H
#define ECERT_FLOW_SERVICE_H

#include <sys/types.h>

#include "core/base/process.h"
#include "core/host/plan.h"

struct ecert_service {
    const struct ecert_plan_activation *activation; /* borrowed */
    bool running;
    bool by_unit; /* the running process belongs to the unit of that name */
    pid_t pid;    /* 0: not known */
};

/*
 * Look at the service now.  `note` gets a sentence where the pid file is not believed (the service
 * then counts as running).  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_service_find(
    const struct ecert_plan_activation *activation, struct ecert_service *ret,
    struct ecert_strings *notes, struct ecert_error *err);

/* Still there, or again there under another number?  True where no pid is known. */
bool ecert_service_is_alive(const struct ecert_service *service);

/*
 * Reload it: `systemctl reload` where a unit runs it; else, if the configuration has just been
 * `tested`, by the signal that the server's own command would send (through a pidfd) where that
 * command is the program that runs; else by the command.  *words gets what the command printed
 * last, if anything.  ECERT_E_COMMAND: it left with another code than 0, and the text has its
 * words; ECERT_E_IO, ECERT_E_TIMEOUT.
 */
ECERT_MUST_CHECK enum ecert_status ecert_service_reload(const struct ecert_service *service,
                                                        bool tested, unsigned timeout_ms,
                                                        struct ecert_buffer *words,
                                                        struct ecert_error *err);

/* Start it after it died.  ECERT_E_UNSUPPORTED: the plan does not say how; else as above. */
ECERT_MUST_CHECK enum ecert_status ecert_service_start(const struct ecert_service *service,
                                                       unsigned timeout_ms,
                                                       struct ecert_error *err);

/*
 * The sentence of a server out of all that it printed: the line that says why, which is the first
 * with "[emerg]", "Syntax error" or an Apache number ("AH00526:"), else the last line.
 */
void ecert_service_words(const struct ecert_run_result *result, struct ecert_buffer *out);

#endif
