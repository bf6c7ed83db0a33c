/* Wrong on purpose: asks for two activations; a plan has one at most. */
#include <ecert/plugin.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    static const char *const reload[] = {"/bin/true", NULL};
    const struct ecert_activate_record activate = {
        .size = sizeof activate,
        .service = "ecert-test.service",
        .reload = reload,
        .start = reload,
    };
    const enum ecert_status status = host->emit_activate(job, &activate, err);

    /* the second is asked for even where the first was refused */
    (void)status;
    return host->emit_activate(job, &activate, err);
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "two_activations",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
