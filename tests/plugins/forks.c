/* Wrong on purpose: plan() leaves a child behind that keeps the pipe of the records open. */
#include <ecert/plugin.h>

#include <unistd.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    const pid_t child = fork();

    if (child < 0)
        return host->fail(err, ECERT_E_IO, "fork");
    if (child == 0) {
        (void)alarm(600); /* should nobody end it, it ends by itself */
        for (;;)
            (void)pause();
    }
    return host->emit_note(job, "it left a child behind", err);
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "forks",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
