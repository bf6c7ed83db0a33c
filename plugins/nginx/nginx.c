/*
 * The plugin for nginx: reads the configuration, finds the server blocks of the target, points
 * their ssl_certificate and ssl_certificate_key at the new files, and says how nginx tests and
 * reloads it and where the certificate must then be served.  For `ecert adopt` it tells which pairs
 * the server blocks have at present.
 */
#include "plugins/nginx/discover.h"
#include "plugins/nginx/edit.h"
#include "plugins/nginx/names.h"
#include "plugins/nginx/pairs.h"
#include "plugins/nginx/probes.h"
#include "plugins/nginx/ready.h"
#include "plugins/nginx/select.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_SCRATCH ((size_t)8000) /* a test record takes no more than 8192 */

static const struct ecert_setting settings[] = {
    {"command", ECERT_SETTING_COMMAND, false, "/usr/sbin/nginx",
     "the nginx program; may carry -c, -p, -e and -g; -t and -s reload are added to it"},
    {"service", ECERT_SETTING_STRING, false, "nginx.service", "the systemd unit that runs it"},
    {"pid_file", ECERT_SETTING_PATH, false, NULL,
     "the pid file, where it is not the one of the configuration"},
    {"everywhere_it_was", ECERT_SETTING_BOOLEAN, false, "false",
     "each place that today uses the certificate that is replaced, whatever its name"},
    {0},
};

static const char *const may_write[] = {
    "/etc/nginx",
    "/usr/local/nginx/conf",
    "/usr/local/etc/nginx",
    NULL,
};

/* Debian, RHEL, Alpine, Gentoo and nginx.org; from source and FreeBSD; OpenResty; Homebrew; panels.
 */
static const char *const programs[] = {
    "/usr/sbin/nginx",
    "/usr/local/sbin/nginx",
    "/usr/local/nginx/sbin/nginx",
    "/usr/bin/nginx",
    "/usr/local/bin/nginx",
    "/usr/local/openresty/nginx/sbin/nginx",
    "/opt/nginx/sbin/nginx",
    "/opt/homebrew/bin/nginx",
    "/www/server/nginx/sbin/nginx",
    NULL,
};

/* The server's command with up to two more words. */
static const char *const *command_with(struct ecert_nginx *env, const char *first,
                                       const char *second)
{
    const char *const *command = env->host->setting_list(env->job, "command");
    size_t n = 0;

    while (command[n] != NULL)
        n++;
    const char **argv = ecert_arena_alloc(&env->arena, (n + 3) * sizeof *argv);
    if (argv == NULL)
        return NULL;
    memcpy(argv, command, n * sizeof *argv);
    argv[n] = first;
    argv[n + 1] = second;
    return argv;
}

/* ---- files and commands ---------------------------------------------------------------------- */

static enum ecert_status emit_file(struct ecert_nginx *env, struct ecert_nginx_file *file,
                                   struct ecert_error *err)
{
    struct ecert_file_record record = {
        .size = sizeof record, .path = file->path, .uid = -1, .gid = -1, .mode = -1};

    record.expected = file->text;
    ECERT_NGINX_TRY(ecert_nginx_edit_apply(env, file, &record.content, err));
    return env->host->emit_file(env->job, &record, err);
}

/* The last of what is done with the texts: each is given back. */
static enum ecert_status emit_files(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                                    struct ecert_error *err)
{
    struct ecert_nginx one = {.host = env->host, .job = env->job};
    enum ecert_status status = ECERT_OK;

    for (struct ecert_nginx_file *file = sites->files; file != NULL && status == ECERT_OK;
         file = file->next) {
        if (file->n_edits != 0)
            status = emit_file(&one, file, err);
        ecert_arena_reuse(&one.arena); /* the host has its copy */
        if (ECERT_HOST_HAS(env->host, forget))
            env->host->forget(env->job, file->text);
        file->text = (struct ecert_view){0};
    }
    ecert_arena_clear(&one.arena);
    return status;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct sized {
    const char *path;
    off_t size;
};

static int compare_sizes(const void *a, const void *b)
{
    const struct sized *left = a;
    const struct sized *right = b;

    return (left->size < right->size) - (left->size > right->size);
}

/* Of more logs than a test record takes, those whose contents would be the most to copy. */
static enum ecert_status keep_largest(struct ecert_nginx *env, const char **scratch, size_t *n,
                                      struct ecert_error *err)
{
    struct stat st;

    if (*n <= MAX_SCRATCH)
        return ECERT_OK;
    struct sized *logs = ecert_arena_alloc(&env->arena, *n * sizeof *logs);
    if (logs == NULL)
        return ecert_nginx_no_memory(env, err);
    for (size_t i = 0; i < *n; i++)
        logs[i] = (struct sized){scratch[i], stat(scratch[i], &st) == 0 ? st.st_size : 0};
    qsort(logs, *n, sizeof *logs, compare_sizes);
    for (size_t i = 0; i < MAX_SCRATCH; i++)
        scratch[i] = logs[i].path;
    *n = MAX_SCRATCH;
    return ECERT_OK;
}

static enum ecert_status emit_test(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                                   struct ecert_error *err)
{
    const char *const *argv = command_with(env, "-t", NULL);
    const char **scratch = ecert_arena_alloc(&env->arena, (sites->n_logs + 2) * sizeof *scratch);
    size_t n = 0;

    if (argv == NULL || scratch == NULL)
        return ecert_nginx_no_memory(env, err);
    memcpy(scratch, sites->logs, sites->n_logs * sizeof *scratch);
    scratch[sites->n_logs] = sites->pid_path;
    qsort(scratch, sites->n_logs + 1, sizeof *scratch, compare_paths);
    for (size_t i = 0; i <= sites->n_logs; i++)
        if (strncmp(scratch[i], "/dev/", 5) != 0 &&
            (n == 0 || strcmp(scratch[n - 1], scratch[i]) != 0))
            scratch[n++] = scratch[i];
    ECERT_NGINX_TRY(keep_largest(env, scratch, &n, err));
    scratch[n] = NULL;
    return env->host->emit_test(env->job, argv, scratch, err);
}

static enum ecert_status emit_activate(struct ecert_nginx *env,
                                       const struct ecert_nginx_sites *sites,
                                       struct ecert_error *err)
{
    const char *pid_file = env->host->setting(env->job, "pid_file");
    const struct ecert_activate_record record = {
        .size = sizeof record,
        .service = env->host->setting(env->job, "service"),
        .reload = command_with(env, "-s", "reload"),
        .start = command_with(env, NULL, NULL),
        .pid_file = pid_file != NULL ? pid_file : sites->pid_path,
        .executable = env->host->setting_list(env->job, "command")[0],
        .reload_signal = SIGHUP, /* nginx's manual, "Controlling nginx" */
    };

    if (record.reload == NULL || record.start == NULL)
        return ecert_nginx_no_memory(env, err);
    return env->host->emit_activate(env->job, &record, err);
}

/* ---- encrypted keys -------------------------------------------------------------------------- */

/* Whether the passphrases are the right ones, nginx's own test says. */
static enum ecert_status check_passwords(struct ecert_nginx *env,
                                         const struct ecert_nginx_sites *sites,
                                         struct ecert_error *err)
{
    const struct ecert_host *host = env->host;

    if (!ECERT_HOST_HAS(host, key_is_encrypted) || !host->key_is_encrypted(env->job))
        return ECERT_OK;
    for (size_t i = 0; i < sites->n_servers; i++) {
        const struct ecert_nginx_server *server = sites->servers[i];

        if (server->chosen && !ecert_nginx_sites_has_passwords(server))
            return host->fail(err, ECERT_E_CONFIG,
                              "%s:%u: the key of '%s' is encrypted, and nginx could not open it: "
                              "write \"ssl_password_file FILE;\" into this server block or the "
                              "block around it, where FILE holds the passphrase on a line of its "
                              "own and only root can read it",
                              server->block->file->path, server->block->line,
                              host->certificate(env->job));
    }
    return ECERT_OK;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static enum ecert_status choose_and_edit(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         const struct ecert_nginx_pair *pair,
                                         struct ecert_nginx_sites *sites, struct ecert_error *err)
{
    ECERT_NGINX_TRY(ecert_nginx_select(env, layout, pair, sites, err));
    ecert_nginx_pairs_find_outsiders(env, sites, ecert_nginx_names_are_covered);
    for (size_t i = 0; i < sites->n_servers; i++)
        if (sites->servers[i]->chosen)
            ECERT_NGINX_TRY(ecert_nginx_pairs_edit(env, layout, sites->servers[i], pair, err));
    return check_passwords(env, sites, err);
}

static enum ecert_status make_plan(struct ecert_nginx *env, struct ecert_error *err)
{
    struct ecert_nginx_layout layout = {0};
    struct ecert_nginx_sites sites = {0};
    struct ecert_nginx_pair pair = {0};
    struct ecert_error ignored = {0};

    ECERT_NGINX_TRY(ecert_nginx_pairs_want(env, &pair, err));
    ECERT_NGINX_TRY(
        ecert_nginx_layout_find(env, env->host->setting_list(env->job, "command"), &layout, err));
    ECERT_NGINX_TRY(ecert_nginx_sites_read(env, &layout, &sites, err));
    const enum ecert_status status = choose_and_edit(env, &layout, &pair, &sites, err);
    if (status != ECERT_OK) {
        (void)ecert_nginx_report(env, &layout, &sites, &pair, &ignored);
        return status;
    }
    ECERT_NGINX_TRY(ecert_nginx_report(env, &layout, &sites, &pair, err));
    ECERT_NGINX_TRY(emit_files(env, &sites, err));
    ECERT_NGINX_TRY(emit_test(env, &sites, err));
    ECERT_NGINX_TRY(emit_activate(env, &sites, err));
    return ecert_nginx_probes_emit(env, &sites, err);
}

static enum ecert_status plan(const struct ecert_host *host, struct ecert_job *job,
                              struct ecert_error *err)
{
    struct ecert_nginx env = {.host = host, .job = job};
    const enum ecert_status status = make_plan(&env, err);

    ecert_arena_clear(&env.arena);
    return status;
}

static enum ecert_status find_sites(struct ecert_nginx *env, struct ecert_error *err)
{
    struct ecert_nginx_layout layout = {0};
    struct ecert_nginx_sites sites = {0};

    ECERT_NGINX_TRY(
        ecert_nginx_layout_find(env, env->host->setting_list(env->job, "command"), &layout, err));
    ECERT_NGINX_TRY(ecert_nginx_sites_read(env, &layout, &sites, err));
    ECERT_NGINX_TRY(ecert_nginx_ready_read(env, &layout, &sites, err));
    return ecert_nginx_discover(env, &layout, &sites, err);
}

static enum ecert_status discover(const struct ecert_host *host, struct ecert_job *job,
                                  struct ecert_error *err)
{
    struct ecert_nginx env = {.host = host, .job = job};
    const enum ecert_status status = find_sites(&env, err);

    ecert_arena_clear(&env.arena);
    return status;
}

const struct ecert_plugin ecert_plugin = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_plugin),
    .name = "nginx",
    .version = "0.1.0",
    .summary = "ssl_certificate and ssl_certificate_key of nginx's server blocks",
    .settings = settings,
    .plan = plan,
    .discover = discover,
    .may_write = may_write,
    .programs = programs,
};
