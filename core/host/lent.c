#include "core/host/lent.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/process.h"

#define RUN_TIMEOUT_MS 60000u
#define RUN_MAX_OUTPUT ((size_t)16 << 20)
#define REFUSED_MAX    1000 /* records; who emits more of them does not listen */

/* ---- the job ---- */

void ecert_job_init(struct ecert_job *job, const struct ecert_job_spec *spec,
                    const struct ecert_plugin *plugin)
{
    *job = (struct ecert_job){.spec = spec, .plugin = plugin, .leaf = spec->leaf};
    job->leaf.size = sizeof job->leaf;
}

void ecert_job_clear(struct ecert_job *job)
{
    ecert_plan_clear(&job->plan);
    ecert_discovery_clear(&job->discovery);
    for (size_t i = 0; i < job->n_owned; i++)
        free(job->owned[i]);
    free(job->owned);
    *job = (struct ecert_job){0};
}

/* Keep a block until the job ends; NULL, and the block is freed, if that cannot be. */
static void *keep(struct ecert_job *job, void *block)
{
    if ((job->n_owned & (job->n_owned - 1)) == 0) {
        const size_t room = job->n_owned == 0 ? 1 : 2 * job->n_owned;
        void **owned = block == NULL ? NULL : reallocarray(job->owned, room, sizeof *owned);

        if (owned == NULL) {
            free(block);
            return NULL;
        }
        job->owned = owned;
    }
    if (block != NULL)
        job->owned[job->n_owned++] = block;
    return block;
}

/*
 * The contract's questions take a const job, since they change nothing that the plugin sees; what
 * they allocate is kept in the job all the same.
 */
static struct ecert_job *mutable(const struct ecert_job *job)
{
    return (struct ecert_job *)(uintptr_t)job;
}

/* Hand a list over to the job; the texts and the array itself. */
static const char *const *keep_strings(struct ecert_job *job, struct ecert_strings *strings)
{
    static const char *const none[] = {NULL};
    char **items = strings->items;

    *strings = (struct ecert_strings){0};
    if (items == NULL)
        return none;
    char **array = keep(job, items);
    for (size_t i = 0; array != NULL && items[i] != NULL; i++)
        if (keep(job, items[i]) == NULL)
            return NULL;
    return (const char *const *)array;
}

/* ---- the target and its certificate ---- */

static bool key_is_encrypted(const struct ecert_job *job)
{
    return job->spec->key_is_encrypted;
}

static const char *certificate(const struct ecert_job *job)
{
    return job->spec->certificate;
}

static const char *target(const struct ecert_job *job)
{
    return job->spec->target;
}

static const char *const *server_names(const struct ecert_job *job, bool *ret_explicit)
{
    static const char *const none[] = {NULL};

    *ret_explicit = job->spec->server_names_explicit;
    return job->spec->server_names == NULL ? none : job->spec->server_names;
}

/* RFC 9525, 6.3: equal, or "*" stands for exactly one whole label, the leftmost. */
static bool covers_one(const char *pattern, const char *name)
{
    const char *rest = strchr(name, '.');

    if (strcasecmp(pattern, name) == 0)
        return true;
    return strncmp(pattern, "*.", 2) == 0 && rest != NULL && rest != name &&
           strcasecmp(pattern + 1, rest) == 0;
}

static bool covers(const struct ecert_job *job, const char *host_name)
{
    char name[256];
    const size_t n = host_name == NULL ? 0 : strlen(host_name);

    if (n == 0 || n >= sizeof name)
        return false;
    memcpy(name, host_name, n + 1);
    if (name[n - 1] == '.') /* the root's own label */
        name[n - 1] = '\0';
    for (size_t i = 0; job->leaf.dns_names != NULL && job->leaf.dns_names[i] != NULL; i++)
        if (covers_one(job->leaf.dns_names[i], name))
            return true;
    return false;
}

static const struct ecert_setting_value *configured(const struct ecert_job *job, const char *name)
{
    for (size_t i = 0; name != NULL && i < job->spec->n_settings; i++)
        if (strcmp(job->spec->settings[i].name, name) == 0)
            return &job->spec->settings[i];
    return NULL;
}

static const struct ecert_setting *row_of(const struct ecert_job *job, const char *name)
{
    const struct ecert_setting *row = job->plugin->settings;

    for (; name != NULL && row != NULL && row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static const char *setting(const struct ecert_job *job, const char *name)
{
    const struct ecert_setting_value *value = configured(job, name);
    const struct ecert_setting *row = row_of(job, name);

    if (value != NULL)
        return value->is_list ? NULL : value->text;
    if (row == NULL || row->type == ECERT_SETTING_LIST || row->type == ECERT_SETTING_COMMAND)
        return NULL;
    return row->default_value;
}

static const char *const *setting_list(const struct ecert_job *job, const char *name)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings words = {0};
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    const struct ecert_setting_value *value = configured(job, name);
    const struct ecert_setting *row = row_of(job, name);
    struct ecert_error err = {0};
    char *save = NULL;

    if (value != NULL)
        return value->is_list ? ecert_strings_array(&value->list) : NULL;
    if (row == NULL || row->default_value == NULL ||
        (row->type != ECERT_SETTING_LIST && row->type != ECERT_SETTING_COMMAND))
        return NULL;
    if (ecert_text_copy(ecert_view_of(row->default_value), &text, &err) != ECERT_OK)
        return NULL;
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        if (ecert_strings_add(&words, word, &err) != ECERT_OK)
            return NULL;
    return keep_strings(mutable(job), &words);
}

static const char *path(const struct ecert_job *job, enum ecert_material which)
{
    return (unsigned)which < ECERT_MATERIAL_COUNT ? job->spec->paths[which] : NULL;
}

static struct ecert_view material(const struct ecert_job *job, enum ecert_material which)
{
    if ((unsigned)which >= ECERT_MATERIAL_COUNT ||
        (which == ECERT_MATERIAL_KEY && (job->plugin->needs & ECERT_NEEDS_PRIVATE_KEY) == 0))
        return (struct ecert_view){0};
    return job->spec->materials[which];
}

static const struct ecert_leaf_facts *leaf(const struct ecert_job *job)
{
    return &job->leaf;
}

/* ---- looking at the server ---- */

static enum ecert_status check_absolute(const char *what, const char *text, struct ecert_error *err)
{
    if (text == NULL || text[0] != '/')
        return ecert_error_set(err, ECERT_E_REFUSED, "%s '%s' is not absolute", what,
                               text == NULL ? "" : text);
    return ECERT_OK;
}

static enum ecert_status read_file(struct ecert_job *job, const char *name, size_t max_len,
                                   struct ecert_view *ret, struct ecert_error *err)
{
    struct ecert_bytes bytes = {0};

    ECERT_TRY(check_absolute("path", name, err));
    ECERT_TRY(ecert_fs_read(name, max_len, &bytes, err));
    if (keep(job, bytes.ptr) == NULL)
        return ecert_error_nomem(err);
    *ret = ecert_bytes_view(&bytes);
    return ECERT_OK;
}

static enum ecert_status glob_paths(struct ecert_job *job, const char *pattern,
                                    const char *const **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings found = {0};
    ECERT_AUTO(globfree) glob_t matches = {0};

    ECERT_TRY(check_absolute("pattern", pattern, err));
    errno = 0;
    const int result = glob(pattern, 0, NULL, &matches);
    if (result == GLOB_NOSPACE)
        return ecert_error_nomem(err);
    if (result != 0 && result != GLOB_NOMATCH)
        return ecert_error_errno(err, ECERT_E_IO, "list '%s'", pattern);
    for (size_t i = 0; result == 0 && i < matches.gl_pathc; i++)
        ECERT_TRY(ecert_strings_add(&found, matches.gl_pathv[i], err));
    const char *const *list = keep_strings(job, &found);
    if (list == NULL)
        return ecert_error_nomem(err);
    *ret = list;
    return ECERT_OK;
}

/* A command must not outlive the worker that asked for it: the worker may be killed any moment. */
static int die_with_worker(void *context)
{
    const pid_t *worker = context;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return -1;
    return getppid() == *worker ? 0 : -1;
}

static enum ecert_status run(struct ecert_job *job, const char *const *argv,
                             struct ecert_command_result *ret, struct ecert_error *err)
{
    struct ecert_run_result result = {0};
    pid_t worker = getpid();

    ECERT_TRY(check_absolute("command", argv == NULL ? NULL : argv[0], err));
    const struct ecert_run_spec spec = {.argv = argv,
                                        .timeout_ms = RUN_TIMEOUT_MS,
                                        .max_output = RUN_MAX_OUTPUT,
                                        .enter = die_with_worker,
                                        .context = &worker};
    ECERT_TRY(ecert_run(&spec, &result, err));
    const struct ecert_bytes out = result.out, errors = result.err;
    const void *kept_out = keep(job, out.ptr);
    const void *kept_err = keep(job, errors.ptr);
    if (kept_out == NULL || kept_err == NULL)
        return ecert_error_nomem(err);
    *ret = (struct ecert_command_result){.exit_code = result.exit_code,
                                         .out = ecert_bytes_view(&out),
                                         .err = ecert_bytes_view(&errors)};
    return ECERT_OK;
}

static void forget(struct ecert_job *job, struct ecert_view bytes)
{
    const void *block = bytes.ptr;

    if (block == NULL || job->n_owned == 0)
        return;
    if (job->owned[job->n_owned - 1] == block) { /* read a moment ago */
        job->n_owned--;
        free(job->owned[job->n_owned]);
        return;
    }
    for (size_t i = 0; i < job->n_owned; i++) {
        const size_t at = (job->forgotten + i) % job->n_owned;

        if (job->owned[at] == block) {
            free(job->owned[at]);
            job->owned[at] = NULL;
            job->forgotten = at + 1;
            return;
        }
    }
}

/* ---- the plan ---- */

/* Remember what was refused, in case the plugin does not care. */
static enum ecert_status emitted(struct ecert_job *job, enum ecert_status status,
                                 const struct ecert_error *err)
{
    if (status == ECERT_OK)
        return status;
    if (job->n_refused++ == 0)
        job->refused = *err;
    if (job->n_refused > REFUSED_MAX && job->give_up != NULL)
        job->give_up(job);
    return status;
}

/* May this record be emitted here, and is there one? */
static enum ecert_status check_record(const struct ecert_job *job, const char *kind, bool there,
                                      struct ecert_error *err)
{
    if (job->discovering)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "%s record: discover() emits sites and notes only", kind);
    if (!there)
        return ecert_error_set(err, ECERT_E_PLUGIN, "a record that is NULL");
    return ECERT_OK;
}

static enum ecert_status emit_file(struct ecert_job *job, const struct ecert_file_record *file,
                                   struct ecert_error *err)
{
    enum ecert_status status = check_record(job, "file", file != NULL, err);

    if (status == ECERT_OK)
        status = ecert_plan_add_file(&job->plan, file, err);
    return emitted(job, status, err);
}

static enum ecert_status emit_test(struct ecert_job *job, const char *const *argv,
                                   const char *const *scratch, struct ecert_error *err)
{
    enum ecert_status status = check_record(job, "test", true, err);

    if (status == ECERT_OK)
        status = ecert_plan_add_test(&job->plan, argv, scratch, err);
    return emitted(job, status, err);
}

static enum ecert_status emit_activate(struct ecert_job *job,
                                       const struct ecert_activate_record *activate,
                                       struct ecert_error *err)
{
    enum ecert_status status = check_record(job, "activate", activate != NULL, err);

    if (status == ECERT_OK)
        status = ecert_plan_set_activation(&job->plan, activate, err);
    return emitted(job, status, err);
}

static enum ecert_status emit_probe(struct ecert_job *job, const struct ecert_probe_record *probe,
                                    struct ecert_error *err)
{
    enum ecert_status status = check_record(job, "probe", probe != NULL, err);

    if (status == ECERT_OK)
        status = ecert_plan_add_probe(&job->plan, probe, err);
    return emitted(job, status, err);
}

/* Nobody wants to see it but where the plan fails because of it: thousands cost nothing. */
static enum ecert_status pass_site(struct ecert_job *job, const struct ecert_site_record *site,
                                   struct ecert_error *err)
{
    if (job->n_unwanted >= ECERT_SITES_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "more than %d site records", ECERT_SITES_MAX);
    job->n_unwanted++;
    return ecert_site_check(site, err);
}

static bool is_refused(const struct ecert_site_record *site)
{
    return site->size >= offsetof(struct ecert_site_record, why) + sizeof site->why &&
           site->refused;
}

static enum ecert_status emit_site(struct ecert_job *job, const struct ecert_site_record *site,
                                   struct ecert_error *err)
{
    if (site == NULL)
        return emitted(job, ecert_error_set(err, ECERT_E_PLUGIN, "a record that is NULL"), err);
    if (job->discovering)
        return emitted(
            job, ecert_sites_add_escaped(&job->discovery.sites, &job->discovery.n_sites, site, err),
            err);
    if (!job->spec->with_sites && !is_refused(site))
        return emitted(job, pass_site(job, site, err), err);
    return emitted(job, ecert_sites_add_escaped(&job->plan.sites, &job->plan.n_sites, site, err),
                   err);
}

/* A note may quote a server's configuration: what a terminal could obey is escaped, not refused. */
static enum ecert_status emit_note(struct ecert_job *job, const char *text, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer shown = {0};

    ecert_buffer_add_escaped(&shown, ecert_view_of(text), false);
    ecert_buffer_add(&shown, (struct ecert_view){(const uint8_t *)"", 1});
    if (shown.failed)
        return emitted(job, ecert_error_nomem(err), err);
    const char *escaped = (const char *)shown.ptr;
    return emitted(job,
                   job->discovering ? ecert_discovery_add_note(&job->discovery, escaped, err)
                                    : ecert_plan_add_note(&job->plan, escaped, err),
                   err);
}

ECERT_PRINTF(3, 4)
static enum ecert_status fail(struct ecert_error *err, enum ecert_status status, const char *fmt,
                              ...)
{
    char text[sizeof err->text];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return ecert_error_set(err, status == ECERT_OK ? ECERT_E_PLUGIN : status, "%s", text);
}

const struct ecert_host ecert_lent_host = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_host),
    .certificate = certificate,
    .target = target,
    .server_names = server_names,
    .covers = covers,
    .setting = setting,
    .setting_list = setting_list,
    .path = path,
    .material = material,
    .leaf = leaf,
    .read_file = read_file,
    .glob = glob_paths,
    .run = run,
    .emit_file = emit_file,
    .emit_test = emit_test,
    .emit_activate = emit_activate,
    .emit_probe = emit_probe,
    .emit_note = emit_note,
    .fail = fail,
    .key_is_encrypted = key_is_encrypted,
    .emit_site = emit_site,
    .forget = forget,
};
