/* Wrong on purpose: plan() emits notes for ever, whatever the host answers. */
#include <ecert/plugin.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    while (host != NULL)
        (void)host->emit_note(job, "and another thing", err);
    return ECERT_OK;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "babble",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
