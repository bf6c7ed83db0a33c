/* How the steps of a run are told: the same words for `fetch`, `import`, `deploy` and `run`. */
#ifndef ECERT_CLI_REPORT_H
#define ECERT_CLI_REPORT_H

#include "core/cli/app.h"
#include "core/flow/pipeline.h"

/* Each returns how many failed; what waits for its day or is passed over has not. */
size_t ecert_report_recovered(struct ecert_app *app, const struct ecert_pipeline_report *report);
size_t ecert_report_arrivals(struct ecert_app *app, const struct ecert_arrivals *arrivals);
size_t ecert_report_deployments(struct ecert_app *app, const struct ecert_deployments *deployments);

/* "www.x.hk: generation 2, valid until 2027-06-05 (196 days)" */
void ecert_report_taken(struct ecert_app *app, const char *origin,
                        const struct ecert_intake_result *result);

/* What a row of "targets" has in common for `plan`, `deploy`, `rollback` and `run`. */
json_t *ecert_deployment_json(const struct ecert_deployment *deployment);

json_t *ecert_arrival_json(const struct ecert_arrival *arrival);

#endif
