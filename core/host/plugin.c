#include "core/host/plugin.h"

#include <string.h>

#include "core/host/lent.h"
#include "core/host/plugin_load.h"
#include "core/host/worker.h"

#define DESCRIBE_TIMEOUT_MS 20000u /* loading is quick; a machine under load is not */

/* What every kind of worker gets. */
struct order {
    const char *file;
    const char *name;
    const struct ecert_job_spec *spec; /* NULL when describing */
};

/* ---- in the worker ---- */

static enum ecert_status describe(struct ecert_worker *worker, void *context,
                                  struct ecert_buffer *answer, struct ecert_error *err)
{
    const struct order *order = context;
    struct ecert_plugin plugin = {0};

    (void)worker;
    ECERT_TRY(ecert_plugin_load(order->file, order->name, &plugin, err));
    ecert_plugin_encode(&plugin, answer);
    return ECERT_OK;
}

static void give_up(struct ecert_job *job)
{
    ecert_worker_leave(job->give_up_context, &job->refused);
}

/* A plugin that does not ask for the key shall not find it in its process either. */
static void withhold_key(const struct ecert_job_spec *spec, const struct ecert_plugin *plugin)
{
    const struct ecert_view key = spec->materials[ECERT_MATERIAL_KEY];

    if ((plugin->needs & ECERT_NEEDS_PRIVATE_KEY) == 0 && key.ptr != NULL)
        explicit_bzero((void *)(uintptr_t)key.ptr, key.len); /* the worker's copy of the memory */
}

static enum ecert_status plan_with(const struct ecert_plugin *plugin, struct ecert_job *job,
                                   struct ecert_buffer *answer, struct ecert_error *err)
{
    const enum ecert_status status = plugin->plan(&ecert_lent_host, job, err);
    if (status != ECERT_OK) {
        const struct ecert_plan looked_at = {.sites = job->plan.sites,
                                             .n_sites = job->plan.n_sites};
        ecert_plan_encode(&looked_at, answer);
        return status;
    }
    if (job->n_refused > 0) { /* it was told and did not listen */
        *err = job->refused;
        return err->status;
    }
    ecert_plugin_encode(plugin, answer);
    ecert_plan_encode(&job->plan, answer);
    return ECERT_OK;
}

static enum ecert_status plan(struct ecert_worker *worker, void *context,
                              struct ecert_buffer *answer, struct ecert_error *err)
{
    const struct order *order = context;
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_plugin plugin = {0};

    ECERT_TRY(ecert_plugin_load(order->file, order->name, &plugin, err));
    withhold_key(order->spec, &plugin);
    ecert_job_init(&job, order->spec, &plugin);
    job.give_up = give_up;
    job.give_up_context = worker;
    return plan_with(&plugin, &job, answer, err);
}

static enum ecert_status discover_with(const struct ecert_plugin *plugin, struct ecert_job *job,
                                       struct ecert_buffer *answer, struct ecert_error *err)
{
    if (plugin->discover == NULL)
        return ecert_error_set(err, ECERT_E_UNSUPPORTED,
                               "plugin '%s' cannot tell which key and certificate a site uses "
                               "at present",
                               plugin->name);
    job->discovering = true;
    ECERT_TRY(plugin->discover(&ecert_lent_host, job, err));
    if (job->n_refused > 0) {
        *err = job->refused;
        return err->status;
    }
    ecert_discovery_encode(&job->discovery, answer);
    return ECERT_OK;
}

static enum ecert_status discover(struct ecert_worker *worker, void *context,
                                  struct ecert_buffer *answer, struct ecert_error *err)
{
    const struct order *order = context;
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_plugin plugin = {0};

    ECERT_TRY(ecert_plugin_load(order->file, order->name, &plugin, err));
    ecert_job_init(&job, order->spec, &plugin);
    job.give_up = give_up;
    job.give_up_context = worker;
    return discover_with(&plugin, &job, answer, err);
}

/* ---- in the parent ---- */

const char *ecert_setting_type_words(enum ecert_setting_type type)
{
    switch (type) {
    case ECERT_SETTING_STRING:
        return "string";
    case ECERT_SETTING_INTEGER:
        return "integer";
    case ECERT_SETTING_BOOLEAN:
        return "boolean";
    case ECERT_SETTING_PATH:
        return "path";
    case ECERT_SETTING_LIST:
        return "array of strings";
    case ECERT_SETTING_COMMAND:
        return "command: array of strings";
    case ECERT_SETTING_OUTPUT_DIRECTORY:
        return "directory to write to";
    }
    return "";
}

static enum ecert_status damaged(const char *name, struct ecert_error *err)
{
    if (err->status == ECERT_E_NOMEM)
        return err->status;
    err->status = ECERT_E_PLUGIN;
    return ecert_error_wrap(err, "plugin '%s'", name);
}

enum ecert_status ecert_plugin_describe(const char *plugin_dir, const char *name,
                                        struct ecert_plugin_description *ret,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *file = NULL;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret answer = {0};
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description read = {0};
    struct ecert_child worker = ECERT_CHILD_NONE;

    ECERT_TRY(ecert_plugin_find(plugin_dir, name, &file, err));
    struct order order = {.file = file, .name = name};
    ECERT_TRY(ecert_worker_start(name, describe, &order, DESCRIBE_TIMEOUT_MS, &worker, err));
    ECERT_TRY(ecert_worker_finish(name, &worker, &answer, NULL, err));
    struct ecert_view stream = ecert_secret_view(&answer);
    if (ecert_plugin_decode(&stream, &read, err) != ECERT_OK)
        return damaged(name, err);
    read.file = file;
    file = NULL;
    *ret = read;
    read = (struct ecert_plugin_description){0};
    return ECERT_OK;
}

static const char *value_of(const struct ecert_job_spec *spec,
                            const struct ecert_plugin_setting *setting)
{
    for (size_t i = 0; i < spec->n_settings; i++)
        if (strcmp(spec->settings[i].name, setting->name) == 0)
            return spec->settings[i].text;
    return setting->default_value;
}

enum ecert_status ecert_plugin_places(const struct ecert_job_spec *spec,
                                      const struct ecert_plugin_description *plugin,
                                      struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_TRY(ecert_strings_add_all(ret, ecert_strings_array(&plugin->may_write), err));
    ECERT_TRY(ecert_strings_add_all(ret, spec->may_write, err));
    for (size_t i = 0; i < plugin->n_settings; i++) {
        const char *directory = value_of(spec, &plugin->settings[i]);

        if (plugin->settings[i].type == ECERT_SETTING_OUTPUT_DIRECTORY && directory != NULL)
            ECERT_TRY(ecert_strings_add(ret, directory, err));
    }
    return ECERT_OK;
}

static enum ecert_status read_plan(const struct ecert_job_spec *spec, struct ecert_view stream,
                                   struct ecert_plan *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description plugin = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings may_write = {0};
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan read = {0};

    if (ecert_plugin_decode(&stream, &plugin, err) != ECERT_OK ||
        ecert_plan_decode(stream, &read, err) != ECERT_OK)
        return damaged(spec->plugin, err);
    ECERT_TRY(ecert_plugin_places(spec, &plugin, &may_write, err));
    if (ecert_plan_check_places(&read, ecert_strings_array(&may_write), err) != ECERT_OK)
        return ecert_error_wrap(err, "plugin '%s'", spec->plugin);
    *ret = read;
    read = (struct ecert_plan){0};
    return ECERT_OK;
}

/* What a plan that failed tells of sites; nothing else of it counts. */
static enum ecert_status read_failed(const struct ecert_job_spec *spec, struct ecert_view stream,
                                     struct ecert_plan *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan read = {0};

    if (ecert_plan_decode(stream, &read, err) != ECERT_OK)
        return damaged(spec->plugin, err);
    *ret = (struct ecert_plan){.sites = read.sites, .n_sites = read.n_sites};
    read.sites = NULL;
    read.n_sites = 0;
    return ECERT_OK;
}

enum ecert_status ecert_plugin_plan_start(const struct ecert_job_spec *spec,
                                          struct ecert_child *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *file = NULL;
    const unsigned timeout_ms = spec->timeout_ms == 0 ? ECERT_WORKER_TIMEOUT_MS : spec->timeout_ms;

    ECERT_TRY(ecert_plugin_find(spec->plugin_dir, spec->plugin, &file, err));
    struct order order = {.file = file, .name = spec->plugin, .spec = spec};
    return ecert_worker_start(spec->plugin, plan, &order, timeout_ms, ret, err);
}

enum ecert_status ecert_plugin_plan_finish(const struct ecert_job_spec *spec,
                                           struct ecert_child *worker, struct ecert_plan *ret,
                                           struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret answer = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret of_failure = {0};
    struct ecert_error damage = {0};

    const enum ecert_status status =
        ecert_worker_finish(spec->plugin, worker, &answer, &of_failure, err);
    if (status == ECERT_OK)
        return read_plan(spec, ecert_secret_view(&answer), ret, err);
    if (of_failure.len > 0 &&
        read_failed(spec, ecert_secret_view(&of_failure), ret, &damage) != ECERT_OK)
        *err = damage;
    return err->status;
}

enum ecert_status ecert_plugin_discover(const struct ecert_job_spec *spec,
                                        struct ecert_discovery *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *file = NULL;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret answer = {0};
    struct ecert_child worker = ECERT_CHILD_NONE;
    const unsigned timeout_ms = spec->timeout_ms == 0 ? ECERT_WORKER_TIMEOUT_MS : spec->timeout_ms;

    ECERT_TRY(ecert_plugin_find(spec->plugin_dir, spec->plugin, &file, err));
    struct order order = {.file = file, .name = spec->plugin, .spec = spec};
    ECERT_TRY(ecert_worker_start(spec->plugin, discover, &order, timeout_ms, &worker, err));
    ECERT_TRY(ecert_worker_finish(spec->plugin, &worker, &answer, NULL, err));
    if (ecert_discovery_decode(ecert_secret_view(&answer), ret, err) != ECERT_OK)
        return damaged(spec->plugin, err);
    return ECERT_OK;
}
