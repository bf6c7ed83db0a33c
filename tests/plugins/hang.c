/* Wrong on purpose: plan() never returns. */
#include <ecert/plugin.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    const volatile int for_ever = 1; /* volatile: the compiler has to look each time */

    (void)host;
    (void)job;
    (void)err;
    while (for_ever != 0)
        ;
    return ECERT_OK;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "hang",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
