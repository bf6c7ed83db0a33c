#include "core/flow/config_read.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/nearest.h"

#define SETTINGS_MAX 300

void ecert_config_target_clear(struct ecert_target_config *target)
{
    free(target->plugin);
    free(target->id);
    ecert_strings_clear(&target->server_names);
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        free(target->files[i]);
    for (size_t i = 0; i < target->n_probes; i++)
        ecert_probe_clear(&target->probes[i]);
    free(target->probes);
    ecert_strings_clear(&target->may_write);
    for (size_t i = 0; i < target->n_settings; i++) {
        free(target->settings[i].name);
        free(target->settings[i].text);
        ecert_strings_clear(&target->settings[i].list);
    }
    free(target->settings);
    free(target->plugin_problem);
    *target = (struct ecert_target_config){0};
}

/* ---- the plugin ---- */

static void remember_bad(struct ecert_config_reader *reader, const char *name,
                         const struct ecert_error *why)
{
    struct ecert_config_bad_plugin *bad =
        reallocarray(reader->bad_plugins, reader->n_bad_plugins + 1, sizeof *bad);
    const struct ecert_config_bad_plugin added = {why->status == ECERT_E_NOT_FOUND, strdup(name),
                                                  strdup(why->text)};

    if (bad != NULL)
        reader->bad_plugins = bad;
    if (bad == NULL || added.name == NULL || added.why == NULL) {
        free(added.name);
        free(added.why);
        reader->nomem = true;
        return;
    }
    bad[reader->n_bad_plugins++] = added;
}

/* A plugin's own settings stand beside the core's keys of a target: none may have the same name. */
static const char *name_clash(const struct ecert_plugin_description *plugin)
{
    for (size_t i = 0; i < plugin->n_settings; i++)
        for (size_t k = 0; k < ecert_config_target_table.n; k++)
            if (strcmp(plugin->settings[i].name, ecert_config_target_table.keys[k].name) == 0)
                return plugin->settings[i].name;
    return NULL;
}

static const struct ecert_plugin_description *add_plugin(struct ecert_config_reader *reader,
                                                         const char *name)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description plugin = {0};
    struct ecert_config *config = &reader->config;
    struct ecert_error err = {0};

    if (ecert_plugin_describe(config->plugin_dir, name, &plugin, &err) == ECERT_OK &&
        name_clash(&plugin) != NULL)
        (void)ecert_error_set(&err, ECERT_E_PLUGIN,
                              "plugin '%s' has a setting '%s', which is a key of every target",
                              name, name_clash(&plugin));
    if (err.status != ECERT_OK) {
        remember_bad(reader, name, &err);
        return NULL;
    }
    struct ecert_plugin_description *plugins =
        reallocarray(config->plugins, config->n_plugins + 1, sizeof *plugins);
    if (plugins == NULL) {
        reader->nomem = true;
        return NULL;
    }
    config->plugins = plugins;
    plugins[config->n_plugins] = plugin;
    plugin = (struct ecert_plugin_description){0};
    return &plugins[config->n_plugins++];
}

/* A plugin that is not there is misspelt; one that cannot be loaded is its target's own failure. */
static void note_bad(struct ecert_config_reader *reader, const config_setting_t *group,
                     const struct ecert_config_bad_plugin *bad, char **ret_problem)
{
    if (bad->absent) {
        ecert_config_mistake(reader, config_setting_get_member(group, "plugin"), "%s", bad->why);
        return;
    }
    *ret_problem = strdup(bad->why);
    reader->nomem = reader->nomem || *ret_problem == NULL;
}

/* The description, made once for each plugin; NULL if there is none, see note_bad(). */
static const struct ecert_plugin_description *plugin_of(struct ecert_config_reader *reader,
                                                        const config_setting_t *group,
                                                        const char *name, char **ret_problem)
{
    if (name == NULL)
        return NULL;
    const struct ecert_plugin_description *plugin = ecert_config_plugin(&reader->config, name);
    for (unsigned round = 0; plugin == NULL && round < 2; round++) {
        for (size_t i = 0; i < reader->n_bad_plugins; i++)
            if (strcmp(reader->bad_plugins[i].name, name) == 0) {
                note_bad(reader, group, &reader->bad_plugins[i], ret_problem);
                return NULL;
            }
        if (round == 0)
            plugin = add_plugin(reader, name);
    }
    return plugin;
}

/* ---- settings ---- */

static bool read_number(struct ecert_config_reader *reader, const config_setting_t *setting,
                        char **ret)
{
    const int type = config_setting_type(setting);
    struct ecert_error err = {0};

    if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
        ecert_config_mistake(reader, setting, "'%s' must be a whole number, not %s",
                             config_setting_name(setting), ecert_config_type_words(setting));
        return false;
    }
    const long long value = type == CONFIG_TYPE_INT ? config_setting_get_int(setting)
                                                    : config_setting_get_int64(setting);
    if (ecert_text_format(ret, &err, "%lld", value) != ECERT_OK)
        reader->nomem = true;
    return true;
}

static bool read_boolean(struct ecert_config_reader *reader, const config_setting_t *setting,
                         char **ret)
{
    if (config_setting_type(setting) != CONFIG_TYPE_BOOL) {
        ecert_config_mistake(reader, setting, "'%s' must be true or false, not %s",
                             config_setting_name(setting), ecert_config_type_words(setting));
        return false;
    }
    *ret = strdup(config_setting_get_bool(setting) != 0 ? "true" : "false");
    reader->nomem = reader->nomem || *ret == NULL;
    return true;
}

static bool read_value(struct ecert_config_reader *reader, const config_setting_t *setting,
                       enum ecert_setting_type type, struct ecert_setting_value *value)
{
    switch (type) {
    case ECERT_SETTING_STRING:
        return ecert_config_read_text(reader, setting, NULL, &value->text);
    case ECERT_SETTING_INTEGER:
        return read_number(reader, setting, &value->text);
    case ECERT_SETTING_BOOLEAN:
        return read_boolean(reader, setting, &value->text);
    case ECERT_SETTING_PATH:
        return ecert_config_read_text(reader, setting, ecert_config_is_path, &value->text);
    case ECERT_SETTING_OUTPUT_DIRECTORY:
        return ecert_config_read_text(reader, setting, ecert_config_is_place, &value->text);
    case ECERT_SETTING_LIST:
        value->is_list = true;
        return ecert_config_read_list(reader, setting, NULL, &value->list);
    case ECERT_SETTING_COMMAND:
        value->is_list = true;
        if (!ecert_config_read_list(reader, setting, NULL, &value->list))
            return false;
        ecert_config_check_command(reader, setting, &value->list);
        return true;
    }
    return false;
}

static void read_setting(struct ecert_config_reader *reader, const config_setting_t *setting,
                         const struct ecert_plugin_setting *row, struct ecert_target_config *target)
{
    struct ecert_setting_value *values =
        reallocarray(target->settings, target->n_settings + 1, sizeof *values);

    if (values == NULL) {
        reader->nomem = true;
        return;
    }
    target->settings = values;
    struct ecert_setting_value *added = &values[target->n_settings++];
    *added = (struct ecert_setting_value){.name = strdup(row->name)};
    reader->nomem = reader->nomem || added->name == NULL;
    (void)read_value(reader, setting, row->type, added); /* a mistake was noted, and that is all */
}

static void read_settings(struct ecert_config_reader *reader, const config_setting_t *group,
                          const struct ecert_plugin_description *plugin,
                          struct ecert_target_config *target)
{
    const char *names[SETTINGS_MAX + 1] = {0};

    for (size_t i = 0; i < plugin->n_settings && i < SETTINGS_MAX; i++) {
        const struct ecert_plugin_setting *row = &plugin->settings[i];
        const config_setting_t *setting = config_setting_get_member(group, row->name);

        names[i] = row->name;
        if (setting != NULL)
            read_setting(reader, setting, row, target);
        else if (row->required)
            ecert_config_mistake(reader, group, "this target lacks '%s', which plugin '%s' needs",
                                 row->name, plugin->name);
    }
    ecert_config_check_unknown(reader, group, &ecert_config_target_table, names);
}

/* ---- files ---- */

static void read_files(struct ecert_config_reader *reader, const config_setting_t *target_group,
                       struct ecert_target_config *target)
{
    const config_setting_t *group = ecert_config_member(target_group, "files", CONFIG_TYPE_GROUP);

    if (group == NULL)
        return;
    target->has_files = true;
    ecert_config_read_group(reader, group, &ecert_config_files_table, target);
    ecert_config_check_unknown(reader, group, &ecert_config_files_table, NULL);
    /* by what is written, not by what was accepted */
    const bool key = config_setting_get_member(group, "key") != NULL;
    const bool full = config_setting_get_member(group, "fullchain") != NULL;
    const bool parts = config_setting_get_member(group, "certificate") != NULL &&
                       config_setting_get_member(group, "chain") != NULL;
    if (!key || !(full || parts))
        ecert_config_mistake(reader, group,
                             "'files' needs 'key', and 'fullchain' or both 'certificate' and "
                             "'chain'");
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        for (size_t k = 0; k < i; k++)
            if (target->files[i] != NULL && target->files[k] != NULL &&
                strcmp(target->files[i], target->files[k]) == 0)
                ecert_config_mistake(reader, group, "'files': two of them are '%s'",
                                     target->files[i]);
}

/* ---- probes ---- */

/* "127.0.0.1:443", "[::1]:443", either with "/www.example.com" behind it. */
static bool split_probe(char *text, char **address, char **port, char **name)
{
    char *slash = strchr(text, '/');
    char *end;

    *name = slash == NULL ? NULL : slash + 1;
    if (slash != NULL)
        *slash = '\0';
    *address = text[0] == '[' ? text + 1 : text;
    end = text[0] == '[' ? strchr(text, ']') : strrchr(text, ':');
    if (end == NULL || (text[0] == '[' && end[1] != ':'))
        return false;
    *port = end[0] == ':' ? end + 1 : end + 2;
    *end = '\0';
    return (text[0] == '[' || strchr(text, ':') == NULL) && (*port)[0] != '\0' &&
           strspn(*port, "0123456789") == strlen(*port) && strlen(*port) <= 5 &&
           atoi(*port) <= UINT16_MAX;
}

static void add_probe(struct ecert_config_reader *reader, const config_setting_t *at,
                      const char *text, struct ecert_plan *plan)
{
    ECERT_AUTO(ecert_auto_free) char *copy = strdup(text);
    char *address = NULL, *port = NULL, *name = NULL;
    struct ecert_error err = {0};

    if (copy == NULL) {
        reader->nomem = true;
        return;
    }
    if (!split_probe(copy, &address, &port, &name)) {
        ecert_config_mistake(reader, at, "'probe': '%s' is not ADDRESS:PORT or ADDRESS:PORT/NAME",
                             text);
        return;
    }
    for (char *p = name; p != NULL && *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    const struct ecert_probe_record record = {.size = sizeof record,
                                              .address = address,
                                              .port = (uint16_t)atoi(port),
                                              .server_name = name};
    if (ecert_plan_add_probe(plan, &record, &err) != ECERT_OK) {
        const char *why = strstr(err.text, ": ");

        ecert_config_mistake(reader, at, "'probe': %s", why == NULL ? err.text : why + 2);
    }
}

static void read_probe(struct ecert_config_reader *reader, const config_setting_t *group,
                       struct ecert_target_config *target)
{
    const config_setting_t *setting = config_setting_get_member(group, "probe");
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings texts = {0};
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};

    target->probe = true;
    if (setting == NULL)
        return;
    const int type = config_setting_type(setting);
    if (type == CONFIG_TYPE_BOOL) {
        target->probe = config_setting_get_bool(setting) != 0;
        return;
    }
    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) {
        ecert_config_mistake(reader, setting,
                             "'probe' must be false or an array of strings [ \"...\" ], not %s",
                             ecert_config_type_words(setting));
        return;
    }
    if (config_setting_length(setting) == 0)
        ecert_config_mistake(reader, setting,
                             "'probe' is empty; write false to look at no live server");
    (void)ecert_config_read_list(reader, setting, NULL, &texts);
    for (size_t i = 0; i < texts.len; i++)
        add_probe(reader, setting, texts.items[i], &plan);
    target->probes = plan.probes; /* the type is the same on purpose */
    target->n_probes = plan.n_probes;
    plan.probes = NULL;
    plan.n_probes = 0;
}

/* ---- the target ---- */

/* The plugin's name; with -2, -3 ... where it repeats in this certificate. */
static void set_default_id(struct ecert_config_reader *reader,
                           const struct ecert_certificate_config *certificate,
                           struct ecert_target_config *target)
{
    struct ecert_error err = {0};
    unsigned n = 1;

    if (target->id != NULL || target->plugin == NULL)
        return;
    for (size_t i = 0; i < certificate->n_targets; i++)
        if (certificate->targets[i].plugin != NULL &&
            strcmp(certificate->targets[i].plugin, target->plugin) == 0)
            n++;
    const enum ecert_status status =
        n == 1 ? ecert_text_format(&target->id, &err, "%s", target->plugin)
               : ecert_text_format(&target->id, &err, "%s-%u", target->plugin, n);
    reader->nomem = reader->nomem || status != ECERT_OK;
}

static void check_target(struct ecert_config_reader *reader, const config_setting_t *group,
                         const struct ecert_certificate_config *certificate,
                         const struct ecert_target_config *target)
{
    for (size_t i = 0; i < certificate->n_targets; i++)
        if (target->id != NULL && certificate->targets[i].id != NULL &&
            strcmp(certificate->targets[i].id, target->id) == 0)
            ecert_config_mistake(reader, group,
                                 "target '%s' is there already, at line %u; give one of them "
                                 "another id",
                                 target->id, certificate->targets[i].line);
    if (certificate->key.place == ECERT_KEY_IIS && target->plugin != NULL &&
        strcmp(target->plugin, "iis-export") != 0)
        ecert_config_mistake(reader, group,
                             "plugin '%s' needs the key on this host, but it is in IIS; only "
                             "'iis-export' does without",
                             target->plugin);
}

static void read_target(struct ecert_config_reader *reader, const config_setting_t *group,
                        struct ecert_certificate_config *certificate)
{
    ECERT_AUTO(ecert_config_target_clear) struct ecert_target_config target = {0};

    if (config_setting_type(group) != CONFIG_TYPE_GROUP) {
        ecert_config_mistake(reader, group, "a target must be a group { ... }, not %s",
                             ecert_config_type_words(group));
        return;
    }
    target.line = config_setting_source_line(group);
    ecert_config_read_group(reader, group, &ecert_config_target_table, &target);
    ecert_config_names_to_ascii(reader, &target.server_names);
    read_files(reader, group, &target);
    read_probe(reader, group, &target);
    const struct ecert_plugin_description *plugin =
        plugin_of(reader, group, target.plugin, &target.plugin_problem);
    if (plugin != NULL) /* without it nobody knows which keys there are */
        read_settings(reader, group, plugin, &target);
    set_default_id(reader, certificate, &target);
    check_target(reader, group, certificate, &target);

    struct ecert_target_config *targets =
        reallocarray(certificate->targets, certificate->n_targets + 1, sizeof *targets);
    if (targets == NULL) {
        reader->nomem = true;
        return;
    }
    certificate->targets = targets;
    targets[certificate->n_targets++] = target;
    target = (struct ecert_target_config){0};
}

void ecert_config_read_targets(struct ecert_config_reader *reader, const config_setting_t *list,
                               struct ecert_certificate_config *certificate)
{
    for (int i = 0; list != NULL && i < config_setting_length(list); i++)
        read_target(reader, config_setting_get_elem(list, (unsigned)i), certificate);
}
