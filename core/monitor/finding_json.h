/*
 * A finding as JSON: the same object in webhooks, for commands (docs/reminders.md, which is the
 * promise) and in `ecert check --json`.
 */
#ifndef ECERT_MONITOR_FINDING_JSON_H
#define ECERT_MONITOR_FINDING_JSON_H

#include <jansson.h>

#include "core/monitor/finding.h"

/*
 * Every key is there; what is not known, or is not of this kind, is null, and so are "why" and
 * "what_to_do" of what is fine.  "note" is that of its settings.  The sentences are in the language
 * in use (words.h).  A new reference; NULL: no memory.
 */
json_t *ecert_finding_json(const struct ecert_finding *finding, int64_t now);

/* RFC 3339 in UTC; 0: null. */
json_t *ecert_moment_json(int64_t seconds);

#endif
