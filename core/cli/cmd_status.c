/* `ecert status`: what each target shall have, has, and serves at this moment. */

#include <string.h>

#include "core/base/clock.h"
#include "core/cli/reminding.h"
#include "core/cli/requesting.h"
#include "core/flow/certificate.h"
#include "core/flow/deploy.h"
#include "core/flow/endpoints.h"
#include "core/flow/outcome_json.h"
#include "core/flow/source.h"

/* Its server's files are as they were before ecert: what is served is not ecert's. */
static bool stands_at_nothing(const struct ecert_target_state *state)
{
    return state->nothing && state->actual == 0;
}

/* Does it serve what its target has?  The endpoints stand in the order of the targets. */
static unsigned doubt(void *context, size_t index, const struct ecert_seen *seen)
{
    const struct ecert_deployments *deployments = context;
    char sha256[ECERT_SHA256_HEX_LEN];
    size_t i = 0;

    for (; index >= deployments->items[i].state.n_probes; i++)
        index -= deployments->items[i].state.n_probes;
    if (stands_at_nothing(&deployments->items[i].state))
        return 0;
    ecert_certificate_sha256(sk_X509_value(seen->certificates, 0), sha256);
    return strcmp(sha256, deployments->items[i].state.actual_sha256) == 0 ? 0 : 1;
}

/*
 * One handshake per endpoint of every target, all at once, in the order of the targets; more with
 * those that seem to serve another certificate.
 */
static enum ecert_status look(struct ecert_app *app, struct ecert_deployments *deployments,
                              struct ecert_endpoints *live, struct ecert_error *err)
{
    for (size_t i = 0; i < deployments->n; i++)
        ECERT_TRY(ecert_endpoints_add_target(live, &deployments->items[i].state, err));
    const struct ecert_endpoints_judge judge = {.doubt = doubt, .context = deployments};
    ECERT_TRY(ecert_endpoints_look(live, &app->context.network, NULL, NULL, NULL, err));
    return ecert_endpoints_settle(live, &app->context.network, &judge, err);
}

/* What one endpoint serves, in words, compared with what was deployed there; NULL: nothing is. */
static void serves(const struct ecert_seen *seen, const char *expected, struct ecert_buffer *out)
{
    char sha256[ECERT_SHA256_HEX_LEN], date[ECERT_TIME_TEXT_LEN];

    if (!seen->answered) {
        ecert_buffer_printf(out, "does not answer: %s",
                            seen->why_not == NULL ? "?" : seen->why_not);
        return;
    }
    const X509 *leaf = sk_X509_value(seen->certificates, 0);
    ecert_certificate_sha256(leaf, sha256);
    ecert_clock_date(ecert_certificate_not_after(leaf), date);
    if (expected == NULL)
        ecert_buffer_printf(out, "serves, as before ecert, %.16s until %s", sha256, date);
    else if (strcmp(sha256, expected) == 0)
        ecert_buffer_printf(out, "serves it (until %s, %d more in the chain)", date,
                            sk_X509_num(seen->certificates) - 1);
    else
        ecert_buffer_printf(out, "SERVES ANOTHER certificate: %.16s until %s", sha256, date);
}

/* A moment, or null where there is none. */
static json_t *time_json(bool known, int64_t seconds)
{
    char text[ECERT_TIME_TEXT_LEN];

    if (!known)
        return json_null();
    ecert_clock_text(seconds, text);
    return json_string(text);
}

static json_t *seen_json(const struct ecert_probe *probe, const struct ecert_seen *seen,
                         const char *words)
{
    char sha256[ECERT_SHA256_HEX_LEN] = "";
    int64_t not_after = 0;

    if (seen->answered) {
        ecert_certificate_sha256(sk_X509_value(seen->certificates, 0), sha256);
        not_after = ecert_certificate_not_after(sk_X509_value(seen->certificates, 0));
    }
    return json_pack("{s:s, s:i, s:o, s:b, s:s, s:o, s:o}", "address", probe->address, "port",
                     (int)probe->port, "server_name", ecert_text_json(probe->server_name),
                     "answered", seen->answered, "sha256", sha256, "not_after",
                     time_json(seen->answered, not_after), "words", ecert_text_json(words));
}

static void show_endpoint(struct ecert_app *app, const struct ecert_probe *probe,
                          const struct ecert_seen *seen, const char *expected, json_t *list)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};
    const bool v6 = strchr(probe->address, ':') != NULL;

    serves(seen, expected, &words);
    const char *text = words.ptr == NULL ? "" : (const char *)words.ptr;
    ecert_say(app, "      %s%s%s:%u%s%s %s", v6 ? "[" : "", probe->address, v6 ? "]" : "",
              (unsigned)probe->port, probe->server_name == NULL ? "" : " ",
              probe->server_name == NULL ? "" : probe->server_name, text);
    (void)json_array_append_new(list, seen_json(probe, seen, text));
}

static json_t *certificate_json(const struct ecert_certificate_config *entry,
                                const struct ecert_generation_facts *newest)
{
    const bool known = newest->number > 0;

    json_t *row =
        json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "certificate", entry->name, "generation",
                  (int)newest->number, "sha256", ecert_text_json(known ? newest->sha256 : NULL),
                  "serial", ecert_text_json(known ? newest->serial : NULL), "not_after",
                  time_json(known, newest->not_after), "subscription_ends",
                  ecert_text_json(entry->subscription_ends));

    ecert_tell_names(row, entry->name);
    return row;
}

/* The line of a certificate: its newest generation.  How much could not be read: 0 or 1. */
static size_t show_certificate(struct ecert_app *app, const struct ecert_certificate_config *entry,
                               json_t *list)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const char *name = ecert_name_shown(entry->name, &buffer);
    struct ecert_error err = {0};
    char date[ECERT_TIME_TEXT_LEN];
    unsigned newest = 0;

    if (ecert_store_newest(app->config.state_dir, entry->name, &newest, &err) == ECERT_OK &&
        newest > 0 &&
        ecert_store_facts(app->config.state_dir, entry->name, newest, &facts, &err) == ECERT_OK) {
        const int days = (int)((facts.not_after - ecert_clock_now()) / 86400);

        ecert_clock_date(facts.not_after, date);
        ecert_say(app, "%s: newest generation %u, valid until %s (%d day%s), serial %s%s%s", name,
                  newest, date, days, days == 1 ? "" : "s", facts.serial,
                  entry->subscription_ends == NULL ? "" : ", subscription ends ",
                  entry->subscription_ends == NULL ? "" : entry->subscription_ends);
    } else if (err.status != ECERT_OK) {
        ecert_complain(app, "%s: %s", name, err.text);
    } else {
        ecert_say(app, "%s: no certificate has been taken yet", name);
    }
    (void)json_array_append_new(list, certificate_json(entry, &facts));
    return err.status == ECERT_OK ? 0 : 1;
}

/* Expiry and serial of what a target has; null if it has nothing, or that is not in the store. */
static void add_leaf(const struct ecert_app *app, const struct ecert_deployment *deployment,
                     json_t *target)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    struct ecert_error ignored = {0};
    const unsigned actual = deployment->state.actual;
    const bool known =
        actual > 0 && ecert_store_facts(app->config.state_dir, deployment->certificate->name,
                                        actual, &facts, &ignored) == ECERT_OK;

    (void)json_object_set_new(target, "serial", ecert_text_json(known ? facts.serial : NULL));
    (void)json_object_set_new(target, "not_after", time_json(known, facts.not_after));
}

/* How much could not be read: 0 or 1. */
static size_t show_target(struct ecert_app *app, const struct ecert_deployment *deployment,
                          const struct ecert_endpoints *live, size_t first, json_t *list)
{
    const struct ecert_target_state *state = &deployment->state;
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    json_t *endpoints = json_array();
    char when[ECERT_TIME_TEXT_LEN];

    if (state->actual > 0) {
        ecert_clock_text(state->deployed, when);
        ecert_say(
            app, "  %s: has generation %u since %s%s%s%s", deployment->target->id, state->actual,
            when,
            state->actual == deployment->generation ? ""
            : deployment->restores                  ? "; to be put back as it was before ecert"
                                                    : "; a newer one is owed",
            deployment->settings_changed ? "; its settings were changed since, which is owed" : "",
            state->desired > 0 && deployment->generation == state->desired ? "; held by a rollback"
                                                                           : "");
    } else {
        ecert_say(app, "  %s: %s", deployment->target->id,
                  deployment->standing == ECERT_STANDING_HELD
                      ? "held as it was before ecert (`ecert rollback --to 0`)"
                  : deployment->generation == 0 ? "nothing to deploy yet"
                                                : "never deployed: owed");
    }
    if (state->last_error != NULL) {
        ecert_clock_text(state->next_try, when);
        ecert_say(app, "      failed %u time%s, next try %s: %s", state->failures,
                  state->failures == 1 ? "" : "s", when, state->last_error);
    }
    for (size_t k = 0; k < state->n_probes; k++)
        show_endpoint(app, &live->probes[first + k], &live->seen[first + k],
                      stands_at_nothing(state) ? NULL : state->actual_sha256, endpoints);
    if (deployment->standing == ECERT_STANDING_UNFIT)
        ecert_complain(app, "%s: %s: %s", ecert_name_shown(deployment->certificate->name, &buffer),
                       deployment->target->id, deployment->error.text);
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:i, s:o, s:o}", "certificate",
                  deployment->certificate->name, "target", deployment->target->id, "plugin",
                  deployment->target->plugin, "standing", ecert_standing_word(deployment->standing),
                  "generation", (int)state->actual, "wanted", (int)deployment->generation, "sha256",
                  state->actual_sha256, "failures", (int)state->failures, "error",
                  ecert_text_json(state->last_error), "live", endpoints);
    ecert_tell_names(row, deployment->certificate->name);
    add_leaf(app, deployment, row);
    (void)json_array_append_new(list, row);
    return deployment->standing == ECERT_STANDING_UNFIT ? 1 : 0;
}

/* A file that cannot be opened here (a password, no certificate): `ecert run` will say why. */
static void show_waiting(struct ecert_app *app, const char *name, json_t *list)
{
    struct ecert_error ignored = {0};
    char text[ECERT_TIME_TEXT_LEN];
    int64_t from = 0;

    const bool known =
        ecert_source_valid_from(app->config.state_dir, name, &from, &ignored) == ECERT_OK;
    ecert_clock_text(from, text);
    if (known && from > ecert_clock_now())
        ecert_say(app, "waiting in the inbox: %s (valid from %s; `ecert run` takes it then)", name,
                  text);
    else
        ecert_say(app, "waiting in the inbox: %s (`ecert run` takes it)", name);
    (void)json_array_append_new(list, json_pack("{s:o, s:o}", "file", ecert_text_json(name),
                                                "valid_from", time_json(known, from)));
}

static size_t show_inbox(struct ecert_app *app)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings waiting = {0};
    struct ecert_error err = {0};

    if (ecert_source_waiting(app->config.state_dir, &waiting, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return 1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < waiting.len; i++)
        show_waiting(app, waiting.items[i], list);
    ecert_tell(app, "inbox", list);
    return 0;
}

int ecert_cmd_status(struct ecert_app *app)
{
    const struct ecert_deploy_selection how = {.names = app->options.args};
    ECERT_AUTO(ecert_deployments_clear) struct ecert_deployments deployments = {0};
    ECERT_AUTO(ecert_endpoints_clear) struct ecert_endpoints live = {0};
    struct ecert_error err = {0};
    json_t *list = json_array(), *certificates = json_array(), *requests = json_array();
    const struct ecert_certificate_config *shown = NULL;
    size_t unreadable = 0;

    if (ecert_deploy_select(&app->context, &how, &deployments, &err) != ECERT_OK ||
        look(app, &deployments, &live, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        json_decref(list);
        json_decref(certificates);
        json_decref(requests);
        return ecert_exit_of(err.status);
    }
    for (size_t i = 0, first = 0; i < deployments.n; i++) {
        if (deployments.items[i].certificate != shown) {
            unreadable += show_certificate(app, deployments.items[i].certificate, certificates);
            unreadable +=
                ecert_request_status(app, deployments.items[i].certificate->name, requests);
        }
        shown = deployments.items[i].certificate;
        unreadable += show_target(app, &deployments.items[i], &live, first, list);
        first += deployments.items[i].state.n_probes;
    }
    if (app->options.args[0] == NULL)
        unreadable += ecert_request_status_left(app, requests);
    unreadable += show_inbox(app);
    unreadable += ecert_report_owed(app);
    ecert_tell(app, "certificates", certificates);
    ecert_tell(app, "targets", list);
    ecert_tell(app, "requests", requests);
    /* what stands badly is told, not failed; what could not be told is */
    return unreadable == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}
