/* `ecert import` and `ecert fetch`: certificates in, nothing deployed. */

#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/cli/backing.h"
#include "core/cli/report.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"

/* The password of --password-file, or nothing. */
static enum ecert_status password_of(const struct ecert_app *app, struct ecert_secret *ret,
                                     struct ecert_error *err)
{
    if (app->options.password_file == NULL)
        return ECERT_OK;
    return ecert_password_read(app->options.password_file, ret, err);
}

static enum ecert_status import_one(struct ecert_app *app, const char *path, const char *origin,
                                    struct ecert_view passphrase,
                                    struct ecert_intake_result *result, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0}; /* a key may be among them */

    ECERT_TRY(ecert_fs_read_secret(path, ECERT_DECODE_MAX_INPUT, &bytes, err));
    const struct ecert_intake_file file = {.bytes = ecert_secret_view(&bytes),
                                           .passphrase = passphrase,
                                           .origin = origin,
                                           .only = app->options.name};
    return ecert_intake(&app->context, &file, result, err);
}

/* `import` is asked for now: what cannot be taken now has failed.  In the inbox it would wait. */
static enum ecert_status taken_now(const struct ecert_app *app,
                                   const struct ecert_intake_result *result,
                                   struct ecert_error *err)
{
    char from[ECERT_TIME_TEXT_LEN], now[ECERT_TIME_TEXT_LEN];

    if (result->early == 0)
        return ECERT_OK;
    ecert_clock_text(result->early, from);
    ecert_clock_text(ecert_clock_now(), now);
    return ecert_error_set(err, ECERT_E_CHANGED,
                           "%s: valid from %s (it is %s now); drop it into '%s/inbox', where it "
                           "waits until then",
                           result->certificate->name, from, now, app->config.state_dir);
}

int ecert_cmd_import(struct ecert_app *app)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret password = {0};
    struct ecert_error err = {0};
    json_t *list = json_array();
    int code = ECERT_EXIT_OK;

    if ((app->options.name != NULL &&
         ecert_config_check_name(&app->config, app->options.name, &err) != ECERT_OK) ||
        password_of(app, &password, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        json_decref(list);
        return ECERT_EXIT_USAGE;
    }
    for (const char *const *path = app->options.args; *path != NULL; path++) {
        ECERT_AUTO(ecert_auto_free) char *origin = NULL;
        struct ecert_arrival arrival = {.kind = ECERT_ARRIVAL_FAILED};

        if (ecert_text_format(&origin, &arrival.error, "import: %s", *path) == ECERT_OK &&
            import_one(app, *path, origin, ecert_secret_view(&password), &arrival.result,
                       &arrival.error) == ECERT_OK &&
            taken_now(app, &arrival.result, &arrival.error) == ECERT_OK) {
            arrival.kind = ecert_arrival_of(&arrival.result);
            if (arrival.result.generation > 0)
                ecert_back_up_taken(app, arrival.result.certificate, &arrival.result.notes);
            ecert_report_taken(app, *path, &arrival.result);
        } else {
            ecert_complain(app, "%s: %s", *path, arrival.error.text);
            code = ECERT_EXIT_FAILED;
        }
        arrival.origin = origin; /* borrowed for the JSON */
        (void)json_array_append_new(list, ecert_arrival_json(&arrival));
        ecert_intake_result_clear(&arrival.result);
    }
    ecert_tell(app, "sources", list);
    return code;
}

static bool any_told(const struct ecert_app *app, const struct ecert_arrivals *arrivals)
{
    for (size_t i = 0; i < arrivals->n; i++)
        if (arrivals->items[i].kind != ECERT_ARRIVAL_HIDDEN || app->options.verbose)
            return true;
    return false;
}

int ecert_cmd_fetch(struct ecert_app *app)
{
    ECERT_AUTO(ecert_arrivals_clear) struct ecert_arrivals arrivals = {0};
    struct ecert_error err = {0};

    for (const char *const *name = app->options.args; *name != NULL; name++) {
        if (ecert_config_check_name(&app->config, *name, &err) != ECERT_OK) {
            ecert_complain(app, "%s", err.text);
            return ECERT_EXIT_USAGE;
        }
    }
    if (ecert_source_fetch(&app->context, app->options.args, &arrivals, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ecert_exit_of(err.status);
    }
    ecert_back_up_arrivals(app, &arrivals);
    if (!any_told(app, &arrivals))
        ecert_say(app, "nothing new: drop issued certificates into '%s/inbox'",
                  app->config.state_dir);
    return ecert_report_arrivals(app, &arrivals) == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}
