/* Wrong on purpose: plan() closes every descriptor, the pipe of the records among them. */
#include <ecert/plugin.h>

#include <unistd.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    (void)host;
    (void)job;
    (void)err;
    for (int fd = 0; fd < 1024; fd++)
        (void)close(fd);
    return ECERT_OK;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "closes",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
