/* `ecert restore`: a request comes back from a backup, and a key to its generations. */

#include "core/base/fs.h"
#include "core/cli/opening.h"
#include "core/flow/key.h"
#include "core/flow/outcome_json.h"

#define FILE_MAX ((size_t)4 << 20)

static enum ecert_status read_file(struct ecert_app *app, const char *path,
                                   struct ecert_backup_content *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_opening_clear) struct ecert_opening opening = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes file = {0};
    const struct ecert_backup_config *config = &app->config.backup;

    ECERT_TRY(ecert_opening_read(&app->options, &opening, err));
    if (app->options.key == NULL && app->options.password_file == NULL) {
        if (config->passphrase_file == NULL && config->passphrase_command.len == 0)
            return ecert_error_set(err, ECERT_E_CONFIG,
                                   "the configuration has no passphrase of backups: open '%s' with "
                                   "--key FILE (the private key of a recipient) or --password-file "
                                   "FILE (the passphrase)",
                                   path);
        if (ecert_passphrase_find(config->passphrase_file, &config->passphrase_command, &passphrase,
                                  err) != ECERT_OK)
            return ecert_error_wrap(err, "passphrase of backups");
        opening.opener.passphrase = ecert_secret_view(&passphrase);
    }
    ECERT_TRY(ecert_fs_read(path, FILE_MAX, &file, err));
    if (ecert_backup_read(ecert_bytes_view(&file), &opening.opener, ret, err) == ECERT_OK)
        return ECERT_OK;
    return ecert_error_wrap(err, "'%s'", path);
}

static json_t *generations_json(const struct ecert_backup_generations *generations)
{
    json_t *list = json_array();

    for (size_t i = 0; i < generations->n; i++) {
        const struct ecert_backup_generation *one = &generations->items[i];
        json_t *live = json_array();

        for (size_t k = 0; k < one->live.len; k++)
            (void)json_array_append_new(live, ecert_text_json(one->live.items[k]));
        (void)json_array_append_new(
            list, json_pack("{s:i, s:b, s:o, s:o, s:o}", "generation", (int)one->number, "restored",
                            one->left == NULL, "why", ecert_text_json(one->left), "live", live,
                            "next", ecert_text_json(one->to_deploy ? "deploy" : NULL)));
    }
    return list;
}

/* One sentence each: what is there again, who uses it, and what is next. */
static void say_generation(struct ecert_app *app, const char *name,
                           const struct ecert_backup_generation *one)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer live = {0};

    if (one->left != NULL) {
        ecert_complain(app,
                       "%s: the key of generation %u was left as it is: %s (if it is damaged, move "
                       "it away and restore again)",
                       name, one->number, one->left);
        return;
    }
    for (size_t i = 0; i < one->live.len; i++)
        ecert_buffer_printf(&live, "%s%s", i == 0 ? ", which is live for " : ", ",
                            one->live.items[i]);
    ecert_say(app, "%s: the private key of generation %u%s%s is back; %s", name, one->number,
              live.len == 0 || live.failed ? "" : (const char *)live.ptr, live.len == 0 ? "" : ",",
              one->to_deploy ? "'ecert deploy' is next" : "nothing else is to be done");
}

static int usage(struct ecert_app *app, const struct ecert_error *err)
{
    ecert_complain(app, "%s", err->text);
    return ecert_exit_of(err->status);
}

static void say_request(struct ecert_app *app, const struct ecert_request *request, bool restored)
{
    ecert_say(app,
              restored ? "%s: request %s is back, with its key"
                       : "%s: request %s and its key were there already",
              request->name, request->id);
}

/* A key that no request made belongs to generations only. */
static int say_key(struct ecert_app *app, const struct ecert_backup_content *content,
                   const struct ecert_backup_generations *generations)
{
    const char *name = content->request.name;

    if (generations->of_key > 0 && generations->n == 0)
        ecert_say(app, "%s: the key was there already", name);
    if (generations->of_key > 0)
        return ECERT_EXIT_OK;
    ecert_complain(
        app,
        "%s: no generation has a certificate of this key, and nothing was put back; "
        "'openssl cms -decrypt -inform DER' takes key and certificate out of the backup, "
        "for 'ecert import'",
        name);
    return ECERT_EXIT_FAILED;
}

/* What went well before a failure is said, too. */
static int restore_generations(struct ecert_app *app, const struct ecert_backup_content *content)
{
    struct ecert_backup_generations generations = {0};
    struct ecert_error err = {0};
    int code = ECERT_EXIT_OK;

    if (ecert_backup_restore_generations(&app->config, content, &generations, &err) != ECERT_OK)
        code = usage(app, &err);
    else if (ecert_backup_is_of_key(&content->request))
        code = say_key(app, content, &generations);
    for (size_t i = 0; i < generations.n; i++) {
        say_generation(app, content->request.name, &generations.items[i]);
        if (generations.items[i].left != NULL)
            code = ECERT_EXIT_FAILED;
    }
    ecert_tell(app, "generations", generations_json(&generations));
    ecert_backup_generations_clear(&generations);
    return code;
}

int ecert_cmd_restore(struct ecert_app *app)
{
    ECERT_AUTO(ecert_backup_content_clear) struct ecert_backup_content content = {0};
    const char *path = app->options.args[0];
    struct ecert_error err = {0};
    bool restored = false;

    if (read_file(app, path, &content, &err) != ECERT_OK)
        return usage(app, &err);
    if (!ecert_backup_is_of_key(&content.request)) {
        if (ecert_backup_restore(&app->config, &content, &restored, &err) != ECERT_OK)
            return usage(app, &err);
        say_request(app, &content.request, restored);
    }
    ecert_tell(app, "certificate", json_string(content.request.name));
    if (app->json != NULL)
        ecert_tell_names(app->json, content.request.name);
    ecert_tell(app, "id", json_string(content.request.id));
    ecert_tell(app, "restored", json_boolean(restored));
    return restore_generations(app, &content);
}
