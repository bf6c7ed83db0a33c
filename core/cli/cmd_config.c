/* `ecert config` and `ecert plugins`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/cli/people.h"
#include "core/flow/authority.h"
#include "core/flow/outcome_json.h"
#include "core/issue/foresee.h"

static int reference(struct ecert_app *app)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    ECERT_AUTO(ecert_config_clear) struct ecert_config config = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    /* with a configuration its plugins' settings are shown too; without one, the keys alone */
    const bool loaded =
        ecert_config_load(app->options.config, &config, &mistakes, &err) == ECERT_OK;
    ecert_config_reference(loaded ? &config : NULL, &text);
    ecert_authority_reference(&text);
    ecert_say_text(app, ecert_buffer_view(&text));
    if (app->json != NULL && text.ptr != NULL)
        ecert_tell(app, "reference", json_string((const char *)text.ptr));
    return ECERT_EXIT_OK;
}

static bool is_named_before(const struct ecert_config *config, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(config->certificates[k].authority, config->certificates[i].authority) == 0)
            return true;
    return false;
}

/* Every profile that a certificate names must load, too; what is wrong with one is said once. */
static size_t check_authorities(struct ecert_app *app)
{
    const struct ecert_config *config = &app->config;
    size_t failed = 0;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        const struct ecert_authority *authority = NULL;
        struct ecert_error err = {0};

        if (is_named_before(config, i))
            continue;
        if (ecert_context_authority(&app->context, entry->authority, &authority, &err) == ECERT_OK)
            continue;
        ecert_complain(app, "%s:%u: certificate '%s': %s", entry->file, entry->line, entry->name,
                       err.text);
        failed++;
    }
    return failed;
}

/* Every key that is named must open; what is worth a remark (others can read it) is said. */
static size_t check_keys(struct ecert_app *app)
{
    size_t failed = 0;

    for (size_t i = 0; i < app->config.n_certificates; i++) {
        const struct ecert_certificate_config *entry = &app->config.certificates[i];
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
        struct ecert_error err = {0};
        const uint8_t *id = NULL;

        if (entry->key.place == ECERT_KEY_FILE &&
            ecert_context_key_id(&app->context, entry, &id, &notes, &err) != ECERT_OK) {
            ecert_complain(app, "%s:%u: certificate '%s': %s", entry->file, entry->line,
                           entry->name, err.text);
            failed++;
        }
        for (size_t k = 0; k < notes.len; k++)
            ecert_remark(app, "%s:%u: certificate '%s': %s", entry->file, entry->line, entry->name,
                         notes.items[k]);
    }
    return failed;
}

/* Plugins that are there but cannot be loaded: their targets would fail in each run. */
static size_t check_plugins(struct ecert_app *app)
{
    size_t failed = 0;

    for (size_t i = 0; i < app->config.n_certificates; i++) {
        const struct ecert_certificate_config *entry = &app->config.certificates[i];
        for (size_t k = 0; k < entry->n_targets; k++) {
            if (entry->targets[k].plugin_problem == NULL)
                continue;
            ecert_complain(app, "%s:%u: target '%s': %s", entry->file, entry->targets[k].line,
                           entry->targets[k].id, entry->targets[k].plugin_problem);
            failed++;
        }
    }
    return failed;
}

/*
 * Files of the server's own places: nothing makes their directory, so that deploying would be
 * refused.  Only here is it a mistake: a run leaves out the one target whose disk is not there.
 */
static size_t check_files(struct ecert_app *app, const struct ecert_certificate_config *entry,
                          const struct ecert_target_config *target)
{
    size_t failed = 0;

    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++) {
        ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
        struct ecert_error err = {0};

        if (target->files[i] == NULL ||
            ecert_fs_resolve_new(target->files[i], &resolved, &err) == ECERT_OK)
            continue;
        if (err.status == ECERT_E_NOT_FOUND)
            (void)ecert_error_set(&err, ECERT_E_NOT_FOUND,
                                  "its directory does not exist; make it, or correct the path");
        ecert_complain(app, "%s:%u: target '%s': files: '%s': %s", entry->file, target->line,
                       target->id, target->files[i], err.text);
        failed++;
    }
    return failed;
}

static size_t check_places(struct ecert_app *app)
{
    size_t failed = 0;

    for (size_t i = 0; i < app->config.n_certificates; i++) {
        const struct ecert_certificate_config *entry = &app->config.certificates[i];
        for (size_t k = 0; k < entry->n_targets; k++)
            failed += check_files(app, entry, &entry->targets[k]);
    }
    return failed;
}

/* ---- people ---- */

static enum ecert_status check_people(struct ecert_app *app, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings untold = {0};

    ECERT_TRY(ecert_people_untold(&app->config, &untold, err));
    for (size_t i = 0; i < untold.len; i++)
        ecert_remark(app, "%s: %s cannot be told: reminders has no 'email'", app->config.file,
                     untold.items[i]);
    return ECERT_OK;
}

/* ---- requests ---- */

/* No mistakes: who only deploys what others applied for needs none of it. */
static enum ecert_status check_requests(struct ecert_app *app, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings refusals = {0};

    ECERT_TRY(ecert_foresee_refusals(&app->context, &refusals, err));
    for (size_t i = 0; i < refusals.len; i++)
        ecert_remark(app, "%s", refusals.items[i]);
    return ECERT_OK;
}

/* ---- what it comes to ---- */

struct sum {
    const char *word, *words, *key;
    size_t n;
};

static void say_fine(struct ecert_app *app)
{
    const struct ecert_config *config = &app->config;
    struct sum sums[] = {
        {"certificate", "certificates", "certificates", config->n_certificates},
        {"target", "targets", "targets", 0},
        {"watch", "watches", "watches", config->n_watches},
        {"contact", "contacts", "contacts", config->n_contacts},
    };
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    for (size_t i = 0; i < config->n_certificates; i++)
        sums[1].n += config->certificates[i].n_targets;
    for (size_t i = 0; i < ARRAY_SIZE(sums); i++) {
        ecert_buffer_printf(&text, "%s%zu %s", i > 0 ? ", " : "", sums[i].n,
                            sums[i].n == 1 ? sums[i].word : sums[i].words);
        ecert_tell(app, sums[i].key, json_integer((json_int_t)sums[i].n));
    }
    if (config->n_certificates > 0)
        ecert_say(app, "%s: fine: %s", config->file, text.failed ? "" : (const char *)text.ptr);
    else if (config->n_watches > 0)
        ecert_say(app, "%s: fine: nothing is deployed, %zu watch%s followed, %zu contact%s",
                  config->file, config->n_watches, config->n_watches == 1 ? " is" : "es are",
                  config->n_contacts, config->n_contacts == 1 ? "" : "s");
    else
        ecert_remark(app, "%s: no certificate is configured: nothing will be deployed",
                     config->file);
}

/* Other commands go on without these files; here they are mistakes like any other. */
static int say_absent(struct ecert_app *app)
{
    const struct ecert_config *config = &app->config;
    json_t *mistakes = json_array();

    for (size_t i = 0; i < config->n_absent; i++) {
        ecert_complain(app, "%s", config->absent[i].mistake);
        (void)json_array_append_new(mistakes, json_string(config->absent[i].mistake));
    }
    ecert_complain(app, "'%s' has %zu mistake%s", config->file, config->n_absent,
                   config->n_absent == 1 ? "" : "s");
    ecert_tell(app, "mistakes", mistakes);
    return ECERT_EXIT_USAGE;
}

int ecert_cmd_config(struct ecert_app *app)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};
    struct ecert_error err = {0};

    if (app->options.reference)
        return reference(app);
    const enum ecert_status status =
        ecert_config_load(app->options.config, &app->config, &mistakes, &err);
    if (status != ECERT_OK) {
        for (size_t i = 0; i < mistakes.len; i++)
            ecert_complain(app, "%s", mistakes.items[i]);
        ecert_complain(app, "%s", err.text);
        ecert_tell(app, "mistakes", ecert_strings_json(&mistakes));
        return ECERT_EXIT_USAGE;
    }
    if (app->config.n_absent > 0)
        return say_absent(app);
    if (ecert_context_init(&app->context, &app->config, false, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ECERT_EXIT_FAILED;
    }
    const size_t failed =
        check_authorities(app) + check_keys(app) + check_plugins(app) + check_places(app);
    if (failed > 0)
        return ECERT_EXIT_USAGE;
    if (check_people(app, &err) != ECERT_OK || check_requests(app, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ECERT_EXIT_FAILED;
    }
    say_fine(app);
    return ECERT_EXIT_OK;
}

/* ---- plugins ---- */

static json_t *description_json(const struct ecert_plugin_description *plugin)
{
    json_t *settings = json_array();

    for (size_t i = 0; i < plugin->n_settings; i++) {
        const struct ecert_plugin_setting *row = &plugin->settings[i];
        (void)json_array_append_new(
            settings, json_pack("{s:s, s:s, s:b, s:o, s:s}", "name", row->name, "type",
                                ecert_setting_type_words(row->type), "required", row->required,
                                "default", ecert_text_json(row->default_value), "help", row->help));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:o, s:o, s:o}", "name", plugin->name,
                     "version", plugin->version, "summary", plugin->summary, "file", plugin->file,
                     "abi", (int)plugin->abi, "sees_the_key",
                     (plugin->needs & ECERT_NEEDS_PRIVATE_KEY) != 0, "may_write",
                     ecert_strings_json(&plugin->may_write), "programs",
                     ecert_strings_json(&plugin->programs), "settings", settings);
}

static void say_plugin(struct ecert_app *app, const struct ecert_plugin_description *plugin)
{
    ecert_say(app, "%s %s: %s", plugin->name, plugin->version, plugin->summary);
    ecert_say(app, "  file %s, ABI %u, %s", plugin->file, (unsigned)plugin->abi,
              (plugin->needs & ECERT_NEEDS_PRIVATE_KEY) != 0 ? "sees the private key"
                                                             : "never sees the private key");
    for (size_t i = 0; i < plugin->may_write.len; i++)
        ecert_say(app, "  may change files below %s", plugin->may_write.items[i]);
    for (size_t i = 0; i < plugin->programs.len; i++)
        ecert_say(app, "  looks for the server's program at %s", plugin->programs.items[i]);
    for (size_t i = 0; i < plugin->n_settings; i++) {
        const struct ecert_plugin_setting *row = &plugin->settings[i];
        ecert_say(app, "  %s (%s%s%s%s): %s", row->name, ecert_setting_type_words(row->type),
                  row->required ? ", required" : "", row->default_value == NULL ? "" : ", default ",
                  row->default_value == NULL ? "" : row->default_value, row->help);
    }
}

int ecert_cmd_plugins(struct ecert_app *app)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error err = {0};
    json_t *list = json_array();
    int code = ECERT_EXIT_OK;

    if (ecert_plugin_list(app->config.plugin_dir, &names, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        json_decref(list);
        return ECERT_EXIT_FAILED;
    }
    for (size_t i = 0; i < names.len; i++) {
        ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description plugin = {0};

        if (ecert_plugin_describe(app->config.plugin_dir, names.items[i], &plugin, &err) !=
            ECERT_OK) {
            ecert_complain(app, "%s", err.text);
            code = ECERT_EXIT_FAILED;
            continue;
        }
        say_plugin(app, &plugin);
        (void)json_array_append_new(list, description_json(&plugin));
    }
    if (names.len == 0)
        ecert_say(app, "no plugin in '%s'", app->config.plugin_dir);
    ecert_tell(app, "plugins", list);
    return code;
}
