/* Keys that came with a certificate are backed up at once, where backups are configured. */
#ifndef ECERT_CLI_BACKING_H
#define ECERT_CLI_BACKING_H

#include "core/cli/app.h"
#include "core/flow/source.h"

/*
 * The key is in use already: that it cannot be backed up refuses nothing.  It becomes one of the
 * notes, and `ecert check` tells of it until `ecert backup` has written what is missing.
 */
void ecert_back_up_taken(const struct ecert_app *app,
                         const struct ecert_certificate_config *certificate,
                         struct ecert_strings *notes);

/* The same for everything that was taken. */
void ecert_back_up_arrivals(const struct ecert_app *app, struct ecert_arrivals *arrivals);

#endif
