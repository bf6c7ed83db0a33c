/* Wrong on purpose: plan() aborts. */
#include <ecert/plugin.h>

#include <stdlib.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    (void)host;
    (void)job;
    (void)err;
    abort();
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "abort",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
