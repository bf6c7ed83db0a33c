/* How reminding is told: the same words for `ecert remind`, `run` and `status`. */
#ifndef ECERT_CLI_REMINDING_H
#define ECERT_CLI_REMINDING_H

#include "core/cli/app.h"
#include "core/monitor/remind.h"

/*
 * Who was told, who did not accept, what failed; and "reminders" of the JSON: {"noticed", "told",
 * "failed", "waiting", "accepted": [...], "errors": [...], "counts"}.  How much failed.
 */
size_t ecert_report_reminding(struct ecert_app *app, const struct ecert_remind_report *report);

/* Everything that is still owed, and "owed" of the JSON.  How much could not be read: 0 or 1. */
size_t ecert_report_owed(struct ecert_app *app);

/*
 * The end of `ecert run`: check, notice, send, digest.  How much failed that no further try mends:
 * what a channel did not accept is still owed, and said.
 */
size_t ecert_remind_after_run(struct ecert_app *app);

#endif
