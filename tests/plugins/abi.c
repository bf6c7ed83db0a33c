/* Wrong on purpose: speaks another version of the contract. */
#include <ecert/plugin.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    (void)host;
    (void)job;
    (void)err;
    return ECERT_OK;
}

const struct ecert_plugin ecert_plugin = {
    .abi = 99,
    .size = sizeof(struct ecert_plugin),
    .name = "abi",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
