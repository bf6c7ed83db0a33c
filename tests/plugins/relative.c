/* Wrong on purpose: asks for a relative path. */
#include <ecert/plugin.h>

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    static const uint8_t text[] = "written by a wrong plugin\n";
    const struct ecert_file_record file = {
        .size = sizeof file,
        .path = "etc/ecert-test-relative",
        .content = {text, sizeof text - 1},
        .uid = -1,
        .gid = -1,
        .mode = -1,
    };

    return host->emit_file(job, &file, err);
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "relative",
    .version = "1.0",
    .summary = "wrong on purpose",
    .plan = plan,
};
