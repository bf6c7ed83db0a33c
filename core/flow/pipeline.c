#include "core/flow/pipeline.h"

void ecert_pipeline_report_clear(struct ecert_pipeline_report *report)
{
    ecert_strings_clear(&report->recovered);
    ecert_strings_clear(&report->stuck);
    ecert_strings_clear(&report->dead);
    ecert_arrivals_clear(&report->arrivals);
    ecert_deployments_clear(&report->deployments);
    ecert_bytes_clear(&report->diff);
}

enum ecert_status ecert_pipeline_recover(struct ecert_context *context,
                                         struct ecert_pipeline_report *report,
                                         struct ecert_error *err)
{
    const struct ecert_transaction_env env = {.state_dir = context->config->state_dir,
                                              .network = &context->network};

    return ecert_transaction_recover(&env, &report->recovered, &report->stuck, &report->dead, err);
}

/* For whoever wants to read along; what would be refused is told by its outcome. */
static enum ecert_status keep_diff(struct ecert_pipeline_report *report, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer diff = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings refused = {0};
    size_t changes = 0;

    if (!report->with_diff)
        return ECERT_OK;
    ECERT_TRY(ecert_deploy_diff(&report->deployments, &diff, &changes, &refused, err));
    return ecert_buffer_take(&diff, &report->diff, err);
}

enum ecert_status ecert_pipeline_deploy(struct ecert_context *context,
                                        const struct ecert_deploy_selection *how,
                                        struct ecert_pipeline_report *report,
                                        struct ecert_error *err)
{
    ECERT_TRY(ecert_deploy_select(context, how, &report->deployments, err));
    ecert_deploy_prepare(context, &report->deployments);
    ecert_deploy_leave_alone(&report->deployments, &report->stuck);
    ECERT_TRY(keep_diff(report, err));
    if (report->before_changes != NULL)
        report->before_changes();
    return ecert_deploy_carry_out(context, &report->deployments, err);
}

enum ecert_status ecert_pipeline_run(struct ecert_context *context,
                                     struct ecert_pipeline_report *report, struct ecert_error *err)
{
    const struct ecert_deploy_selection whatever_needs_it = {.with_sites = report->with_diff};

    ECERT_TRY(ecert_pipeline_recover(context, report, err));
    ECERT_TRY(ecert_source_fetch(context, NULL, &report->arrivals, err));
    return ecert_pipeline_deploy(context, &whatever_needs_it, report, err);
}
