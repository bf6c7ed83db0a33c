/* Wrong on purpose: exports a descriptor under another name. */
#include <ecert/plugin.h>

extern ECERT_EXPORT const struct ecert_plugin my_plugin;

const struct ecert_plugin my_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "no_symbol",
    .version = "1.0",
    .summary = "wrong on purpose",
};
