/* `ecert plan`, `deploy`, `rollback` and `run`. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/shell_word.h"
#include "core/cli/backing.h"
#include "core/cli/reminding.h"
#include "core/cli/report.h"
#include "core/cli/sites.h"
#include "core/flow/outcome_json.h"
#include "core/flow/requests.h"
#include "core/issue/foresee.h"

static int end_with(struct ecert_app *app, const struct ecert_error *err)
{
    ecert_complain(app, "%s", err->text);
    return ecert_exit_of(err->status);
}

/*
 * A transaction is not left half way because somebody pressed a key, and what it did is told: from
 * the first change on these signals wait until the program ends by itself (its steps are bounded in
 * time).  Before that, and while recovering, which can be done again, they end it at once.  kill -9
 * and power cuts are what the journal is for.
 */
static void mask_signals(int how)
{
    sigset_t held;

    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGHUP);
    (void)sigprocmask(how, &held, NULL);
}

static void hold_signals(void)
{
    mask_signals(SIG_BLOCK);
}

static json_t *targets_json(const struct ecert_deployments *deployments)
{
    json_t *list = json_array();

    for (size_t i = 0; i < deployments->n; i++)
        (void)json_array_append_new(list, ecert_deployment_json(&deployments->items[i]));
    return list;
}

/* The newest that is pending; NULL: none, or it cannot be told here (`ecert check` says why). */
static const struct ecert_request *find_pending(struct ecert_app *app,
                                                const struct ecert_certificate_config *certificate)
{
    struct ecert_requests *requests = NULL;
    struct ecert_error told_elsewhere = {0};

    if (ecert_context_requests(&app->context, certificate, &requests, &told_elsewhere) != ECERT_OK)
        return NULL;
    for (size_t i = requests->n; i-- > 0;)
        if (ecert_request_is_pending(&requests->items[i]))
            return &requests->items[i];
    return NULL;
}

/* `takes`: the command that takes what lies in the inbox, and goes on from there. */
static void say_nothing_taken(struct ecert_app *app, const struct ecert_deployment *one,
                              const char *takes)
{
    const struct ecert_request *pending = find_pending(app, one->certificate);
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const char *name = ecert_name_shown(one->certificate->name, &buffer);
    char date[ECERT_TIME_TEXT_LEN];

    if (pending == NULL) {
        ECERT_AUTO(ecert_auto_free) char *refusal = NULL;
        ECERT_AUTO(ecert_auto_free) char *word = NULL;
        struct ecert_error ignored = {0};

        if (ecert_foresee_refusal(&app->context, one->certificate, &refusal, &ignored) ==
                ECERT_OK &&
            refusal != NULL)
            ecert_say(app, "%s: %s: no certificate has been taken yet: no request is made: %s",
                      name, one->target->id, refusal);
        else if (ecert_shell_word(one->certificate->name, &word, &ignored) == ECERT_OK)
            ecert_say(app,
                      "%s: %s: no certificate has been taken yet: `ecert request %s` makes the "
                      "request; drop what was issued into '%s/inbox' and run `ecert %s`",
                      name, one->target->id, word, app->config.state_dir, takes);
        return;
    }
    ecert_clock_date(pending->created, date);
    ecert_say(app,
              "%s: %s: no certificate has been taken yet: request %s is pending since %s; drop "
              "what was issued into '%s/inbox' and run `ecert %s`",
              name, one->target->id, pending->id, date, app->config.state_dir, takes);
}

int ecert_cmd_plan(struct ecert_app *app)
{
    const struct ecert_deploy_selection how = {.names = app->options.args,
                                               .target = app->options.target,
                                               .every = true,
                                               .keeps_holds = true,
                                               .with_sites = true};
    ECERT_AUTO(ecert_deployments_clear) struct ecert_deployments deployments = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer diff = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings refused = {0};
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    struct ecert_error err = {0};
    size_t changes = 0;

    if (ecert_deploy_select(&app->context, &how, &deployments, &err) != ECERT_OK ||
        ecert_deploy_pass_over_unfit(&app->config, &deployments, &err) != ECERT_OK)
        return end_with(app, &err);
    ecert_deploy_prepare(&app->context, &deployments);
    if (ecert_deploy_diff(&deployments, &diff, &changes, &refused, &err) != ECERT_OK)
        return end_with(app, &err);
    for (size_t i = 0; i < deployments.n; i++) {
        const struct ecert_deployment *one = &deployments.items[i];

        if (one->standing == ECERT_STANDING_NOTHING)
            say_nothing_taken(app, one, "fetch");
        if (one->standing == ECERT_STANDING_HELD)
            ecert_say(app,
                      "%s: %s: held as it was before ecert until a newer certificate comes; `ecert "
                      "deploy %s` deploys again",
                      ecert_name_shown(one->certificate->name, &buffer), one->target->id,
                      one->certificate->name);
        for (size_t k = 0; (one->standing == ECERT_STANDING_CURRENT || one->shared_chain.len > 0) &&
                           k < one->notes.len;
             k++)
            ecert_say(app, "%s: %s: %s", one->certificate->name, one->target->id,
                      one->notes.items[k]);
        for (size_t k = 0; k < one->plan.notes.len; k++)
            ecert_say(app, "%s: %s: %s", ecert_name_shown(one->certificate->name, &buffer),
                      one->target->id, one->plan.notes.items[k]);
    }
    ecert_say_sites(app, &deployments);
    ecert_say_text(app, ecert_buffer_view(&diff));
    if (app->json != NULL && diff.ptr != NULL)
        ecert_tell(app, "diff", ecert_text_json((const char *)diff.ptr));
    ecert_tell(app, "changes", json_integer((json_int_t)changes));
    ecert_tell(app, "targets", targets_json(&deployments));

    size_t unfit = refused.len;
    for (size_t i = 0; i < refused.len; i++)
        ecert_complain(app, "%s", refused.items[i]);
    for (size_t i = 0; i < deployments.n; i++) {
        const struct ecert_deployment *one = &deployments.items[i];
        if (one->standing != ECERT_STANDING_UNFIT)
            continue;
        ecert_complain(app, "%s: %s: %s", ecert_name_shown(one->certificate->name, &buffer),
                       one->target->id, one->error.text);
        ecert_complain_of_sites(app, one);
        unfit++;
    }
    if (unfit > 0)
        return ECERT_EXIT_FAILED;
    if (changes == 0)
        ecert_say(app, "nothing to change in files; `ecert status` shows what is served");
    return changes > 0 && app->options.exit_code ? ECERT_EXIT_CHANGES : ECERT_EXIT_OK;
}

/* Recover, then deploy as selected, and tell. */
static int deploy(struct ecert_app *app, const struct ecert_deploy_selection *how)
{
    ECERT_AUTO(ecert_pipeline_report_clear)
    struct ecert_pipeline_report report = {.before_changes = hold_signals,
                                           .with_diff = app->options.verbose};
    struct ecert_error err = {0};

    enum ecert_status status = ecert_pipeline_recover(&app->context, &report, &err);
    if (status == ECERT_OK)
        status = ecert_pipeline_deploy(&app->context, how, &report, &err);
    size_t failed = ecert_report_recovered(app, &report);
    ecert_say_sites(app, &report.deployments);
    if (app->options.verbose)
        ecert_say_text(app, ecert_bytes_view(&report.diff));
    failed += ecert_report_deployments(app, &report.deployments);
    if (status != ECERT_OK)
        return end_with(app, &err);
    for (size_t i = 0; i < report.deployments.n; i++) {
        const struct ecert_deployment *one = &report.deployments.items[i];
        if (one->standing == ECERT_STANDING_NOTHING)
            say_nothing_taken(app, one, "run");
    }
    return failed == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}

int ecert_cmd_deploy(struct ecert_app *app)
{
    const struct ecert_deploy_selection how = {.names = app->options.args,
                                               .target = app->options.target,
                                               .every = true,
                                               .with_sites = app->options.verbose};

    return deploy(app, &how);
}

int ecert_cmd_rollback(struct ecert_app *app)
{
    struct ecert_deploy_selection how = {.names = app->options.args,
                                         .target = app->options.target,
                                         .with_sites = app->options.verbose,
                                         .rollback = true};

    if (app->options.to != NULL) {
        char *end = NULL;
        errno = 0;
        const unsigned long to = strtoul(app->options.to, &end, 10);
        if (errno != 0 || *end != '\0' || to > 999999) {
            ecert_complain(app,
                           "--to '%s' is not the number of a generation: it takes 1, 2, ..., or 0 "
                           "for as it was before ecert",
                           app->options.to);
            return ECERT_EXIT_USAGE;
        }
        how.to_generation = (unsigned)to;
        how.to_nothing = to == 0;
    }
    return deploy(app, &how);
}

int ecert_cmd_run(struct ecert_app *app)
{
    ECERT_AUTO(ecert_pipeline_report_clear)
    struct ecert_pipeline_report report = {.before_changes = hold_signals,
                                           .with_diff = app->options.verbose};
    struct ecert_error err = {0};

    const enum ecert_status status = ecert_pipeline_run(&app->context, &report, &err);
    size_t failed = ecert_report_recovered(app, &report);
    ecert_back_up_arrivals(app, &report.arrivals);
    failed += ecert_report_arrivals(app, &report.arrivals);
    ecert_say_sites(app, &report.deployments);
    if (app->options.verbose)
        ecert_say_text(app, ecert_bytes_view(&report.diff));
    failed += ecert_report_deployments(app, &report.deployments);
    if (status != ECERT_OK)
        ecert_complain(app, "%s", err.text);
    mask_signals(SIG_UNBLOCK); /* reminding can be ended anywhere: what is owed stays owed */
    /* whatever happened above: most of all then somebody has to be told what expires */
    failed += ecert_remind_after_run(app);
    if (status != ECERT_OK)
        return ecert_exit_of(status);
    return failed == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}
