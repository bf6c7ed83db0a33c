/* Wrong on purpose: plan() writes garbage into every open descriptor from 3 on, the pipe of the
 * records among them. */
#include <ecert/plugin.h>

#include <string.h>
#include <unistd.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    char garbage[4096];

    (void)host;
    (void)job;
    (void)err;
    memset(garbage, 0xa5, sizeof garbage);
    for (int fd = 3; fd < 64; fd++) {
        const ssize_t written = write(fd, garbage, sizeof garbage);

        (void)written; /* most are not open, or not for writing */
    }
    return ECERT_OK;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "garbage",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
