/* How the sites that a plan looked at are told: those taken, those left, and why. */
#ifndef ECERT_CLI_SITES_H
#define ECERT_CLI_SITES_H

#include "core/cli/app.h"
#include "core/flow/deploy.h"

/*
 * For each target the sites taken, then those left, a line each.  More than 20 that are left for
 * the same reason are one line that counts them, but with --verbose.  A target whose plan tells of
 * none is passed over.
 */
void ecert_say_sites(struct ecert_app *app, const struct ecert_deployments *deployments);

/* [{kind, names, file, line, taken, why}], in the order of the plugin. */
json_t *ecert_sites_json(const struct ecert_plan *plan);

#endif
