/*
 * example: the smallest complete plugin, to start your own from (docs/plugin-guide.md).
 *
 * It serves a server that reads one fixed file with key, certificate and chain one after the
 * other, as HAProxy does, checks its configuration with one command and reloads with another:
 *
 *   { plugin = "example"; directory = "/etc/haproxy/tls"; file = "site.pem";
 *     service = "haproxy.service"; pid_file = "/run/haproxy.pid";
 *     test = [ "/usr/sbin/haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg" ];
 *     reload = [ "/usr/bin/systemctl", "reload", "haproxy.service" ]; }
 */
#include <ecert/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The core checks the configuration with this table: plan() sees valid values only. */
static const struct ecert_setting settings[] = {
    {"directory", ECERT_SETTING_OUTPUT_DIRECTORY, true, NULL, "where the server reads the file"},
    {"file", ECERT_SETTING_STRING, true, NULL, "its name there"},
    {"test", ECERT_SETTING_COMMAND, true, NULL, "command that checks the configuration"},
    {"reload", ECERT_SETTING_COMMAND, true, NULL, "command that makes the server read it again"},
    {"start", ECERT_SETTING_COMMAND, false, NULL, "command that starts the server, for the undo"},
    {"service", ECERT_SETTING_STRING, true, NULL, "the server's unit: one reload for each"},
    {"pid_file", ECERT_SETTING_PATH, false, NULL, "tells whether the server runs"},
    {NULL, 0, false, NULL, NULL},
};

/* Say what the file shall hold.  Nothing is written here: the core does that, or undoes it. */
static enum ecert_status emit_combined(const struct ecert_host *host, struct ecert_job *job,
                                       const char *path, struct ecert_view combined,
                                       struct ecert_error *err)
{
    struct ecert_file_record file = {
        .size = sizeof file, /* lets the contract grow */
        .path = path,
        .content = combined,
        .secret = true, /* a private key: never shown, 0600 unless the old file is stricter */
        .uid = -1,      /* -1: as the file that is replaced */
        .gid = -1,
        .mode = -1,
    };
    const enum ecert_status status = host->read_file(job, path, 1 << 20, &file.expected, err);

    if (status != ECERT_OK && status != ECERT_E_NOT_FOUND)
        return status;
    if (status == ECERT_OK && file.expected.len == combined.len &&
        memcmp(file.expected.ptr, combined.ptr, combined.len) == 0)
        return ECERT_OK; /* nothing to change: emit nothing, and nothing is done */
    return host->emit_file(job, &file, err);
}

/* The whole plan, as records: which file, how to test it, how to activate it. */
static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    const struct ecert_view key = host->material(job, ECERT_MATERIAL_KEY);
    const struct ecert_view certificates = host->material(job, ECERT_MATERIAL_FULLCHAIN);
    const struct ecert_activate_record activate = {
        .size = sizeof activate,
        .service = host->setting(job, "service"),
        .reload = host->setting_list(job, "reload"),
        .start = host->setting_list(job, "start"),
        .pid_file = host->setting(job, "pid_file"),
    };
    char path[4096];
    enum ecert_status status = ECERT_OK;

    if (key.ptr == NULL) /* say what is wrong and what to do; no capital, no full stop */
        return host->fail(err, ECERT_E_CONFIG, "there is no private key on this host");
    const int len = snprintf(path, sizeof path, "%s/%s", host->setting(job, "directory"),
                             host->setting(job, "file"));
    if (len < 0 || (size_t)len >= sizeof path)
        return host->fail(err, ECERT_E_CONFIG, "'file' is too long");

    uint8_t *combined = malloc(key.len + certificates.len);
    if (combined == NULL)
        return host->fail(err, ECERT_E_NOMEM, "out of memory");
    memcpy(combined, key.ptr, key.len);
    memcpy(combined + key.len, certificates.ptr, certificates.len);

    status = emit_combined(host, job, path,
                           (struct ecert_view){combined, key.len + certificates.len}, err);
    explicit_bzero(combined, key.len); /* key material is wiped wherever it was copied to */
    free(combined);
    if (status == ECERT_OK)
        status = host->emit_test(job, host->setting_list(job, "test"), NULL, err);
    if (status == ECERT_OK)
        status = host->emit_activate(job, &activate, err);
    return status; /* no probe record: the target's setting `probe` names the addresses */
}

/* The one symbol that a plugin exports.  Members that are not named are 0 or NULL. */
const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "example",
    .version = "1.0",
    .summary = "one PEM file with key and certificates, as HAProxy reads it",
    .settings = settings,
    .needs = ECERT_NEEDS_PRIVATE_KEY,
    .plan = plan,
};
