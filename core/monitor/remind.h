/*
 * Reminding, once: what `ecert remind` does, and `ecert run` after deploying.
 *
 *     check    look at everything                                  monitor.h
 *     notice   what crossed a threshold becomes owed, on disk      reminders.h
 *     send     everything that is owed                             channel.h
 *     digest   once a week, so that silence means "all is well"    channel.h
 *
 * A step that fails does not stop the next: what is owed is sent although the check failed.  What
 * cannot be written down (a full disk) is told at once, as it cannot be owed, and stops no other
 * finding; with the next check it is told again.  An offline check sends no digest.  The
 * caller holds the lock.
 */
#ifndef ECERT_MONITOR_REMIND_H
#define ECERT_MONITOR_REMIND_H

#include "core/monitor/channel.h"
#include "core/monitor/findings.h"
#include "core/monitor/monitor.h"

struct ecert_remind_options {
    bool check;  /* look and notice; else only what is owed already is sent */
    bool digest; /* the weekly one, too, if it is due */
    bool force;  /* also what waits for its next try */
    struct ecert_monitor_options monitor;
    const struct ecert_finding *also; /* noticed too, seen by the caller; NULL: none */
};

struct ecert_remind_report {
    struct ecert_findings findings; /* what is not fine, the rest counted; of a check */
    size_t noticed;                 /* reminders that became owed now */
    struct ecert_telling telling;
    struct ecert_telling unspooled; /* of what could not be written down; see errors */
    struct ecert_telling digest;
    struct ecert_strings notes;  /* a damaged file that was moved aside */
    struct ecert_strings errors; /* a step that failed, one sentence each */
};
void ecert_remind_report_clear(struct ecert_remind_report *report);

/* How much failed: steps, files that cannot be read, and recipients that did not accept. */
size_t ecert_remind_failures(const struct ecert_remind_report *report);

/*
 * Of these, what no further try mends: not a recipient that did not accept what is still owed to
 * him, or the digest, which stays due.
 */
size_t ecert_remind_local_failures(const struct ecert_remind_report *report);

/*
 * The names that can be acknowledged: of certificates, watches, the authorities of certificates,
 * and what any reminder that is owed or was sent carries.
 */
ECERT_MUST_CHECK enum ecert_status ecert_remind_names(const struct ecert_config *config,
                                                      struct ecert_strings *ret,
                                                      struct ecert_error *err);

/* All of it.  What failed is in the report; an error is one of memory only. */
ECERT_MUST_CHECK enum ecert_status ecert_remind(struct ecert_context *context,
                                                const struct ecert_remind_options *options,
                                                int64_t now, struct ecert_remind_report *ret,
                                                struct ecert_error *err);

#endif
