/* Wrong on purpose: asks for a path with ".." below a directory that it may write. */
#include <ecert/plugin.h>

#include <stdio.h>

static const struct ecert_setting settings[] = {
    {"directory", ECERT_SETTING_OUTPUT_DIRECTORY, false, NULL, "a directory that it may write"},
    {NULL, 0, false, NULL, NULL},
};

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    const char *directory = host->setting(job, "directory");
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/../ecert-test-dotdot",
                   directory == NULL ? "/tmp" : directory);
    static const uint8_t text[] = "written by a wrong plugin\n";
    const struct ecert_file_record file = {
        .size = sizeof file,
        .path = path,
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
    .name = "dotdot",
    .version = "1.0",
    .summary = "wrong on purpose",
    .settings = settings,
    .plan = plan,
};
