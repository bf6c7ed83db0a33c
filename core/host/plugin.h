/*
 * Plugins as the core sees them.
 *
 * dlopen runs constructors, so it happens in forked workers only, never in the parent: describing a
 * plugin, planning with it and discovering with it are three kinds of worker.  Before dlopen: the
 * file is trusted (ecert_fs_check_trusted).  After it: the symbol, `abi`, `size`, the mandatory
 * members, the name equal to the file's, and sane settings rows, each with a sentence that shows
 * both values. The plugin's file is PLUGIN_DIR/NAME.so; NAME is [a-z0-9_-]; no search path from
 * anywhere.
 */
#ifndef ECERT_HOST_PLUGIN_H
#define ECERT_HOST_PLUGIN_H

#include "core/base/process.h"
#include "core/host/plan.h"
#include "core/host/site.h"

struct ecert_plugin_setting {
    char *name;
    enum ecert_setting_type type;
    bool required;
    char *default_value; /* NULL: none */
    char *help;
};

/* What describing a plugin gave. */
struct ecert_plugin_description {
    char *file;
    uint32_t abi, size;
    char *name, *version, *summary;
    uint32_t needs;
    struct ecert_plugin_setting *settings;
    size_t n_settings;
    struct ecert_strings may_write;
    struct ecert_strings programs; /* where its server's program may lie, the most usual first */
};

void ecert_plugin_description_clear(struct ecert_plugin_description *description);

/*
 * Load the plugin in a worker and ask for its descriptor.  ECERT_E_NOT_FOUND: no such file (the
 * text lists the plugins that are there); ECERT_E_REFUSED: not trusted; ECERT_E_PLUGIN: not a
 * plugin of this ABI, or it crashed while loading; ECERT_E_TIMEOUT.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_describe(const char *plugin_dir, const char *name,
                                                         struct ecert_plugin_description *ret,
                                                         struct ecert_error *err);

/* "string", "array of strings", ...: how a setting is written, for references. */
const char *ecert_setting_type_words(enum ecert_setting_type type);

/* Names of the NAME.so files of a directory, sorted. */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_list(const char *plugin_dir,
                                                     struct ecert_strings *ret,
                                                     struct ecert_error *err);

/* A setting's value as the configuration gave it: `text` for single values, `list` for lists. */
struct ecert_setting_value {
    char *name;
    char *text;
    struct ecert_strings list;
    bool is_list;
};

/* Everything a job is asked for; borrowed for the duration of the call. */
struct ecert_job_spec {
    const char *plugin_dir;
    const char *plugin;
    const char *certificate;
    const char *target;
    const char *const *server_names; /* NULL-ended, lower case A-labels */
    bool server_names_explicit;
    const struct ecert_setting_value *settings; /* only those which the configuration sets */
    size_t n_settings;
    const char *paths[ECERT_MATERIAL_COUNT];           /* NULL: this target does not get it */
    struct ecert_view materials[ECERT_MATERIAL_COUNT]; /* the key is withheld from plugins
                                                          without ECERT_NEEDS_PRIVATE_KEY: pass it
                                                          only when the description asks, and in
                                                          memory that may be written, because the
                                                          worker wipes its copy otherwise */
    struct ecert_leaf_facts leaf;
    const char *const *may_write; /* the configuration's additions, NULL-ended, may be NULL */
    bool with_sites;              /* plan: the sites it looked at are wanted, too; else only those
                                     because of which it fails */
    bool key_is_encrypted;        /* what lies at paths[ECERT_MATERIAL_KEY] */
    unsigned timeout_ms;          /* 0: ECERT_WORKER_TIMEOUT_MS */
};

#define ECERT_WORKER_TIMEOUT_MS 120000u
#define ECERT_WORKER_MAX_OUTPUT ((size_t)64 << 20)

/*
 * Begin to plan one target in a worker.  The caller goes on with something else, keeps `spec` and
 * what it borrows as they are, and then finishes, or gives up by ecert_child_clear().
 * ECERT_E_NOT_FOUND, ECERT_E_REFUSED: no such plugin, not trusted; ECERT_E_PLUGIN: not started.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_plan_start(const struct ecert_job_spec *spec,
                                                           struct ecert_child *ret,
                                                           struct ecert_error *err);

/*
 * The plan, decoded, validated, and its places checked.
 *
 * Whatever plan() returned other than ECERT_OK comes back with its text, and *ret then holds the
 * sites that it emitted until then, and nothing else: to be cleared as ever.  ECERT_E_PLUGIN:
 * crashed, left early, or said something that is no valid record; ECERT_E_TIMEOUT; ECERT_E_REFUSED:
 * a file outside what the target may touch.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_plan_finish(const struct ecert_job_spec *spec,
                                                            struct ecert_child *worker,
                                                            struct ecert_plan *ret,
                                                            struct ecert_error *err);

/*
 * All directories that a target of `plugin` may write below, appended; of `spec` only the settings
 * and may_write are looked at.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_places(
    const struct ecert_job_spec *spec, const struct ecert_plugin_description *plugin,
    struct ecert_strings *ret, struct ecert_error *err);

/*
 * The sites that a target's server has at present.  Of `spec` the paths, the materials and what is
 * known of a leaf are empty, but for leaf.key_type.
 *
 * ECERT_E_UNSUPPORTED: the plugin cannot tell.  Else as ecert_plugin_plan_start() and _finish().
 */
ECERT_MUST_CHECK enum ecert_status ecert_plugin_discover(const struct ecert_job_spec *spec,
                                                         struct ecert_discovery *ret,
                                                         struct ecert_error *err);

#endif
