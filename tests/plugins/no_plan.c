/* Wrong on purpose: a mandatory member, plan, is NULL. */
#include <ecert/plugin.h>

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "no_plan",
    .version = "1.0",
    .summary = "wrong on purpose",
};
