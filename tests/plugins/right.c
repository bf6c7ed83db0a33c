/* Right on purpose, the one among the wrong: tells as notes what the core lent it. */
#include <ecert/plugin.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct ecert_setting settings[] = {
    {"directory", ECERT_SETTING_OUTPUT_DIRECTORY, false, NULL, "a directory that it may write"},
    {"word", ECERT_SETTING_STRING, false, "none", "what to do or say"},
    {"port", ECERT_SETTING_INTEGER, false, "443", "a number"},
    {"list", ECERT_SETTING_LIST, false, "a b", "some words"},
    {"command", ECERT_SETTING_COMMAND, false, "/bin/echo hello", "a command that it runs"},
    {NULL, 0, false, NULL, NULL},
};

static enum ecert_status note(const struct ecert_host *host, struct ecert_job *job,
                              const char *name, const char *value, struct ecert_error *err)
{
    char text[600];

    (void)snprintf(text, sizeof text, "%s=%s", name, value == NULL ? "(none)" : value);
    return host->emit_note(job, text, err);
}

static enum ecert_status place(const struct ecert_host *host, struct ecert_job *job,
                               struct ecert_error *err)
{
    const char *directory = host->setting(job, "directory");
    char path[4096];

    if (directory == NULL)
        return ECERT_OK;
    (void)snprintf(path, sizeof path, "%s/right.txt", directory);
    const struct ecert_file_record file = {
        .size = sizeof file,
        .path = path,
        .content = host->material(job, ECERT_MATERIAL_CERTIFICATE),
        .uid = -1,
        .gid = -1,
        .mode = -1,
    };
    return host->emit_file(job, &file, err);
}

static const struct ecert_site_record site = {.size = sizeof site,
                                              .kind = "site",
                                              .key = "/etc/right.key",
                                              .enabled = true,
                                              .taken = true,
                                              .why = "it is the only one"};

static const char *const programs[] = {"/usr/sbin/right", "/opt/right/right", NULL};

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    const struct ecert_view key = host->material(job, ECERT_MATERIAL_KEY);
    struct ecert_command_result result = {0};
    const char *word = host->setting(job, "word");
    enum ecert_status status = ECERT_OK;

    if (strcmp(word, "fail") == 0)
        return host->fail(err, ECERT_E_CONFIG, "no site of '%s' \033[31mhere", host->target(job));
    if (strcmp(word, "silent") == 0)
        return ECERT_E_IO;
    if (strcmp(word, "status") == 0)
        return (enum ecert_status)77;
    void *address = NULL;
    if (sscanf(word, "peek %p", &address) == 1) /* what is left of a key that it did not ask for */
        return note(host, job, "peek", *(const char *)address == '\0' ? "wiped" : "there", err);
    if (strcmp(word, "site") == 0)
        return host->emit_site(job, &site, err);
    if (strcmp(word, "ignore") == 0) {
        (void)host->emit_test(job, NULL, NULL, err);
        return ECERT_OK;
    }
    status = host->run(job, host->setting_list(job, "command"), &result, err);
    if (status == ECERT_OK)
        status = note(host, job, "said", (const char *)result.out.ptr, err);
    if (status == ECERT_OK)
        status = note(host, job, "certificate", host->certificate(job), err);
    if (status == ECERT_OK)
        status = note(host, job, "word", word, err);
    if (status == ECERT_OK)
        status = note(host, job, "port", host->setting(job, "port"), err);
    if (status == ECERT_OK)
        status = note(host, job, "list", host->setting_list(job, "list")[0], err);
    if (status == ECERT_OK)
        status = note(host, job, "key", key.ptr == NULL ? NULL : "seen", err);
    return status == ECERT_OK ? place(host, job, err) : status;
}

/* One site, and as a note what is known while there is no certificate. */
static enum ecert_status discover(const struct ecert_host *host, struct ecert_job *job,
                                  struct ecert_error *err)
{
    const char *word = host->setting(job, "word");
    bool is_explicit = false;
    char text[600];

    if (strcmp(word, "file") == 0)
        return place(host, job, err);
    if (strcmp(word, "ignore") == 0) {
        (void)host->emit_site(job, NULL, err);
        return ECERT_OK;
    }
    if (strcmp(word, "crash") == 0)
        (void)raise(SIGSEGV);
    (void)snprintf(text, sizeof text, "%s %s %d %d", host->server_names(job, &is_explicit)[0],
                   host->leaf(job)->key_type, host->leaf(job)->dns_names == NULL,
                   host->path(job, ECERT_MATERIAL_KEY) == NULL);
    const enum ecert_status status = host->emit_note(job, text, err);
    return status == ECERT_OK ? host->emit_site(job, &site, err) : status;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "right",
    .version = "1.0",
    .summary = "right on purpose",
    .settings = settings,
    .plan = plan,
    .discover = discover,
    .programs = programs,
};
