/* `ecert request`: key, backup and CSR, and what the people do next. */

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/words.h"
#include "core/cli/progress.h"
#include "core/cli/requesting.h"
#include "core/flow/requests_left.h"
#include "core/issue/request.h"

/* A mistake of the command line, or NULL. */
static const char *wrong_options(const struct ecert_options *options)
{
    const bool named = options->args[0] != NULL;

    if (options->list && (options->cancel || options->another || options->reason != NULL))
        return "--list only shows requests; leave the other options out";
    if (options->cancel && (options->all || options->another || options->reason != NULL ||
                            options->sheet != NULL || !named || options->args[1] != NULL))
        return "one request is cancelled at a time: ecert request --cancel NAME [--id ID]";
    if (options->id != NULL &&
        (options->list || options->all || options->another || !named || options->args[1] != NULL))
        return "--id says which request of one certificate to show or to cancel: ecert request "
               "[--cancel] NAME --id ID";
    if (options->list || options->cancel)
        return NULL;
    if (options->all && named)
        return "--all means every certificate; leave the names out";
    if (!options->all && !named)
        return "name the certificates, or use --all --reason TEXT; --list shows what is pending";
    if (options->all && options->reason == NULL)
        return "--all asks for every certificate of the configuration at once: say why with "
               "--reason TEXT";
    if (options->reason != NULL && *options->reason == '\0')
        return "--reason is empty; say why";
    return NULL;
}

/* One that has left the configuration has requests that can be listed and given up. */
static enum ecert_status check_names(const struct ecert_app *app, struct ecert_error *err)
{
    for (const char *const *name = app->options.args; *name != NULL; name++) {
        ECERT_AUTO(ecert_requests_clear) struct ecert_requests left = {0};

        struct ecert_error ignored = {0};

        if (ecert_config_check_name(&app->config, *name, err) == ECERT_OK)
            continue;
        if (!(app->options.list || app->options.cancel) ||
            ecert_requests_left_of(&app->config, *name, &left, &ignored) != ECERT_OK || left.n == 0)
            return err->status;
        *err = (struct ecert_error){0};
    }
    return ECERT_OK;
}

/* ---- made ---- */

static json_t *failure_json(const struct ecert_request_outcome *outcome)
{
    json_t *row = json_pack("{s:s, s:s}", "certificate", outcome->certificate->name, "error",
                            outcome->error.text);

    ecert_tell_names(row, outcome->certificate->name);
    return row;
}

/* The certificate came just now: what is wanted may be there. */
static void show_answered(struct ecert_app *app, const struct ecert_request *request, json_t *list)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    char day[ECERT_TIME_TEXT_LEN], text[ECERT_TIME_TEXT_LEN];

    ecert_clock_date(request->closed, day);
    ecert_clock_text(request->closed, text);
    ecert_say(app,
              "%s: the certificate of request %s came back on %s (generation %u); --another makes "
              "one more request",
              ecert_name_shown(request->name, &buffer), request->id, day, request->generation);
    json_t *row = json_pack("{s:s, s:s, s:s, s:i, s:s}", "certificate", request->name, "id",
                            request->id, "state", ecert_request_state_word(request->state),
                            "generation", (int)request->generation, "closed", text);
    ecert_tell_names(row, request->name);
    (void)json_array_append_new(list, row);
}

static bool is_answered(const struct ecert_request_outcome *outcome)
{
    return outcome->error.status == ECERT_OK && outcome->request.state == ECERT_REQUEST_ISSUED;
}

/* One name's outcome; what went wrong with it, or ECERT_OK. */
static enum ecert_status show_one(struct ecert_app *app,
                                  const struct ecert_request_outcome *outcome, json_t *list)
{
    const struct ecert_shown_request shown = {.certificate = outcome->certificate,
                                              .request = &outcome->request,
                                              .again = outcome->again,
                                              .notes = &outcome->notes};
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    struct ecert_error err = outcome->error;

    if (is_answered(outcome)) {
        show_answered(app, &outcome->request, list);
        return ECERT_OK;
    }
    if (err.status == ECERT_OK &&
        ecert_request_show(app, &shown, app->options.all, list, &err) == ECERT_OK)
        return ECERT_OK;
    ecert_complain(app, "%s: %s", ecert_name_shown(outcome->certificate->name, &buffer), err.text);
    (void)json_array_append_new(list, failure_json(outcome));
    return err.status;
}

/* The code of all failures if they are alike, so that one broken rule is told as such. */
static int code_of(int so_far, enum ecert_status status)
{
    const int code = ecert_exit_of(status);

    if (code == ECERT_EXIT_OK || code == so_far)
        return so_far;
    return so_far == ECERT_EXIT_OK ? code : ECERT_EXIT_FAILED;
}

static int show_all(struct ecert_app *app, const struct ecert_request_outcomes *outcomes)
{
    json_t *list = json_array();
    size_t made = 0, again = 0, answered = 0;
    int code = ECERT_EXIT_OK;

    for (size_t i = 0; i < outcomes->n; i++) {
        const enum ecert_status status = show_one(app, &outcomes->items[i], list);

        code = code_of(code, status);
        answered += is_answered(&outcomes->items[i]) ? 1 : 0;
        made += status == ECERT_OK && !outcomes->items[i].again ? 1 : 0;
        again += status == ECERT_OK && outcomes->items[i].again ? 1 : 0;
    }
    if (outcomes->n > 1)
        ecert_say(app, "%zu made, %zu pending before, %zu failed", made - answered, again,
                  outcomes->n - made - again);
    ecert_tell(app, "requests", list);
    return code;
}

static int write_sheet(struct ecert_app *app, const struct ecert_request_outcomes *outcomes)
{
    ECERT_AUTO(ecert_auto_free)
    struct ecert_shown_request *shown = calloc(outcomes->n + 1, sizeof *shown);
    ECERT_AUTO(ecert_auto_free)
    struct ecert_sheet_failure *failures = calloc(outcomes->n + 1, sizeof *failures);
    size_t n = 0, n_failures = 0, left_out = 0;
    struct ecert_error err = {0};

    if (app->options.sheet == NULL)
        return ECERT_EXIT_OK;
    if (shown == NULL || failures == NULL) {
        ecert_complain(app, "out of memory");
        return ECERT_EXIT_FAILED;
    }
    for (size_t i = 0; i < outcomes->n; i++) {
        const struct ecert_request_outcome *outcome = &outcomes->items[i];

        if (outcome->error.status != ECERT_OK)
            failures[n_failures++] = (struct ecert_sheet_failure){
                .name = outcome->certificate->name, .why = outcome->error.text};
        else if (!is_answered(outcome))
            shown[n++] = (struct ecert_shown_request){.certificate = outcome->certificate,
                                                      .request = &outcome->request};
    }
    if (n > 0 &&
        ecert_request_sheet(app, shown, n, failures, n_failures, &left_out, &err) != ECERT_OK)
        ecert_complain(app,
                       "the requests are made, but their sheet is not: %s; `ecert request "
                       "--list --sheet FILE.html` makes it again",
                       err.text);
    return err.status == ECERT_OK && left_out == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}

static int make(struct ecert_app *app)
{
    ECERT_AUTO(ecert_request_outcomes_clear) struct ecert_request_outcomes outcomes = {0};
    struct ecert_progress progress = ecert_progress_of(app, "requests");
    struct ecert_error err = {0};
    const struct ecert_request_wish wish = {
        .names = app->options.all ? NULL : app->options.args,
        .reason = app->options.reason,
        .id = app->options.id,
        .another = app->options.another,
        .without_backup = app->options.no_backup,
        .skip_caa = app->options.no_caa,
        .now = ecert_clock_now(),
        .progress = ecert_progress_call(&progress),
        .progress_context = &progress,
    };

    enum ecert_status status = ecert_request_sheet_check(app, &err);
    if (status == ECERT_OK)
        status = ecert_request_make(&app->context, &wish, &outcomes, &err);
    ecert_progress_end(&progress);
    if (status != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ecert_exit_of(status);
    }
    const int code = show_all(app, &outcomes);
    const int sheet = write_sheet(app, &outcomes);
    if (app->options.all && app->options.sheet == NULL)
        ecert_say(app, "`ecert request --list --sheet FILE.html` makes a sheet with all of them");
    return code == ECERT_EXIT_OK ? sheet : code;
}

/* ---- cancelled ---- */

static int cancel(struct ecert_app *app)
{
    const struct ecert_certificate_config *certificate =
        ecert_config_certificate(&app->config, app->options.args[0]);
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    struct ecert_request request = {0};
    struct ecert_error err = {0};

    if (ecert_request_cancel(&app->context,
                             certificate == NULL ? app->options.args[0] : certificate->name,
                             app->options.id, ecert_clock_now(), &request, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ecert_exit_of(err.status);
    }
    ecert_say(app,
              "%s: request %s is cancelled; its key and CSR stay, so that a certificate that comes "
              "all the same is not lost",
              ecert_name_shown(request.name, &buffer), request.id);
    json_t *row = json_pack("{s:s, s:s, s:s}", "certificate", request.name, "id", request.id,
                            "state", ecert_request_state_word(request.state));
    ecert_tell_names(row, request.name);
    ecert_tell(app, "requests", json_pack("[o]", row));
    ecert_request_clear(&request);
    return ECERT_EXIT_OK;
}

int ecert_cmd_request(struct ecert_app *app)
{
    const char *wrong = wrong_options(&app->options);
    struct ecert_error err = {0};

    if (wrong != NULL) {
        ecert_complain(app, "%s", wrong);
        return ECERT_EXIT_USAGE;
    }
    if (!ecert_words_know(ecert_request_language(app))) {
        ecert_complain(app, "there is no language '%s': en or zh_HK", ecert_request_language(app));
        return ECERT_EXIT_USAGE;
    }
    if (check_names(app, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ECERT_EXIT_USAGE;
    }
    if (app->options.list)
        return ecert_request_list(app);
    return app->options.cancel ? cancel(app) : make(app);
}
