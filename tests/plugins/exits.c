/* Wrong on purpose: plan() ends the process with status 0 before it has said anything. */
#include <ecert/plugin.h>

#include <unistd.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    (void)host;
    (void)job;
    (void)err;
    _exit(0);
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "exits",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
