/* What `ecert check` found, for programs: JSON, monitoring plugins, Prometheus. */
#ifndef ECERT_CLI_CHECK_MACHINES_H
#define ECERT_CLI_CHECK_MACHINES_H

#include <jansson.h>

#include "core/cli/app.h"
#include "core/monitor/findings.h"

/* As ecert_finding_json(), and "acknowledged_until"; `ack_until` 0: nobody did. */
json_t *ecert_check_finding_json(const struct ecert_finding *finding, int64_t now,
                                 int64_t ack_until);

/* How it stands, in one sentence, with what only the moment knows. */
void ecert_finding_text(const struct ecert_finding *finding, int64_t now, struct ecert_buffer *out);

/* {"fine": n, "due": n, "critical": n, "unknown": n} */
json_t *ecert_counts_json(const struct ecert_findings *findings);

/* "1 critical, 2 due, 40 fine" */
void ecert_counts_text(const struct ecert_findings *findings, struct ecert_buffer *out);

/*
 * The output of a monitoring plugin (monitoring-plugins.org, development guidelines): a status
 * line, "|", performance figures; then one line for each that is not fine, and one for what ended
 * the check early (`failed`, which is counted among the unknown ones already; NULL: nothing did).
 */
void ecert_check_nagios(const struct ecert_app *app, const struct ecert_findings *findings,
                        const char *failed, int64_t now);

/*
 * Metrics in Prometheus' text format.  Labels name, watched, where and serial; each series once,
 * whatever was found twice:
 *
 *   ecert_certificate_not_after_seconds, ecert_certificate_not_before_seconds    not of CRLs
 *   ecert_certificate_condition{..., condition, urgency} 1    of what is not fine
 *   ecert_findings{urgency}, ecert_reminders_owed, ecert_check_timestamp_seconds
 */
ECERT_MUST_CHECK enum ecert_status ecert_check_metrics(const struct ecert_findings *findings,
                                                       size_t owed, int64_t now,
                                                       struct ecert_bytes *ret,
                                                       struct ecert_error *err);

#endif
