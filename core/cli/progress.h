/* A progress bar on standard error: on a terminal only, and not with --quiet or --json. */
#ifndef ECERT_CLI_PROGRESS_H
#define ECERT_CLI_PROGRESS_H

#include "core/cli/app.h"

struct ecert_progress {
    bool wanted, shown;
    const char *what; /* "handshakes" */
    size_t percent;   /* as it was drawn last */
};

struct ecert_progress ecert_progress_of(const struct ecert_app *app, const char *what);

/* For the options of ecert_monitor_run(), with the bar as its context; NULL: not wanted. */
typedef void ecert_progress_fn(void *context, size_t done, size_t of);
ecert_progress_fn *ecert_progress_call(const struct ecert_progress *progress);

/* Wipe it off. */
void ecert_progress_end(struct ecert_progress *progress);

#endif
