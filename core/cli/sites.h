/* How the sites that a plan looked at are told: those taken, those left, and why. */
#ifndef ECERT_CLI_SITES_H
#define ECERT_CLI_SITES_H

#include "core/cli/app.h"
#include "core/flow/deploy.h"

/*
 * For each target the sites taken, then those left, a line each.  More than 20 that are left for
 * the same reason are one line that counts them, but with --verbose.  A target whose plan tells of
 * none, or could not be made, is passed over.
 */
void ecert_say_sites(struct ecert_app *app, const struct ecert_deployments *deployments);

/*
 * Behind the complaint that a plan could not be made: each site because of which that is so, in
 * full, on standard error.  The others follow as above where sites were asked for and there is no
 * such site, or with --verbose.
 */
void ecert_complain_of_sites(struct ecert_app *app, const struct ecert_deployment *one);

/* [{kind, names, file, line, taken, refused, why}], in the order of the plugin. */
json_t *ecert_sites_json(const struct ecert_plan *plan);

#endif
