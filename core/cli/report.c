#include "core/cli/report.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/cli/sites.h"
#include "core/flow/certificate.h"
#include "core/flow/outcome_json.h"

static int days_left(int64_t not_after)
{
    return (int)((not_after - ecert_clock_now()) / 86400);
}

size_t ecert_report_recovered(struct ecert_app *app, const struct ecert_pipeline_report *report)
{
    const struct ecert_strings *recovered = &report->recovered;

    for (size_t i = 0; i < recovered->len; i++) /* a difference has lines of its own */
        if (strchr(recovered->items[i], '\n') != NULL)
            ecert_say_text(app, ecert_view_of(recovered->items[i]));
        else
            ecert_say(app, "%s", recovered->items[i]);
    if (recovered->len > 0)
        ecert_tell(app, "recovered", ecert_strings_json(recovered));
    for (size_t i = 0; i < report->dead.len; i++)
        ecert_complain(app, "%s", report->dead.items[i]);
    return report->dead.len + (report->stuck.len > 0);
}

/* ---- arrivals ---- */

void ecert_report_taken(struct ecert_app *app, const char *origin,
                        const struct ecert_intake_result *result)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const char *name = ecert_name_shown(result->certificate->name, &buffer);
    const int days = days_left(result->not_after);
    char date[ECERT_TIME_TEXT_LEN];

    ecert_clock_date(result->not_after, date);
    if (result->added)
        ecert_say(app, "%s: taken for %s as generation %u, valid until %s (%d day%s)", origin, name,
                  result->generation, date, days, days == 1 ? "" : "s");
    else if (result->outdated)
        ecert_say(app, "%s: for %s, older than generation %u, kept out of use", origin, name,
                  result->generation);
    else
        ecert_say(app, "%s: already known: generation %u of %s", origin, result->generation, name);
    for (size_t i = 0; i < result->notes.len; i++)
        ecert_say(app, "  note: %s", result->notes.items[i]);
}

json_t *ecert_arrival_json(const struct ecert_arrival *arrival)
{
    const struct ecert_intake_result *result = &arrival->result;
    json_t *json =
        json_pack("{s:s, s:o, s:o}", "outcome", ecert_arrival_word(arrival->kind), "origin",
                  ecert_text_json(arrival->origin), "moved_to", ecert_text_json(arrival->moved_to));
    char from[ECERT_TIME_TEXT_LEN];

    if (result->certificate != NULL)
        (void)json_object_update_new(
            json, json_pack("{s:s, s:i, s:s, s:o}", "certificate", result->certificate->name,
                            "generation", (int)result->generation, "sha256", result->sha256,
                            "notes", ecert_strings_json(&result->notes)));
    if (result->certificate != NULL)
        ecert_tell_names(json, result->certificate->name);
    if (result->early != 0) {
        ecert_clock_text(result->early, from);
        (void)json_object_set_new(json, "valid_from", json_string(from));
    }
    if (arrival->kind == ECERT_ARRIVAL_REJECTED || arrival->kind == ECERT_ARRIVAL_FAILED)
        (void)json_object_set_new(json, "error", ecert_text_json(arrival->error.text));
    return json;
}

/* The clock is named because a wrong one looks the same. */
static void report_early(struct ecert_app *app, const struct ecert_arrival *arrival)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    char from[ECERT_TIME_TEXT_LEN], now[ECERT_TIME_TEXT_LEN];

    ecert_clock_text(arrival->result.early, from);
    ecert_clock_text(ecert_clock_now(), now);
    ecert_say(app, "%s: for %s, valid from %s; `ecert run` takes it then (it is %s now)",
              arrival->origin, ecert_name_shown(arrival->result.certificate->name, &buffer), from,
              now);
}

static size_t report_arrival(struct ecert_app *app, const struct ecert_arrival *arrival)
{
    switch (arrival->kind) {
    case ECERT_ARRIVAL_TAKEN:
    case ECERT_ARRIVAL_KNOWN:
        ecert_report_taken(app, arrival->origin, &arrival->result);
        return 0;
    case ECERT_ARRIVAL_EARLY:
        report_early(app, arrival);
        return 0;
    case ECERT_ARRIVAL_FOLDER:
        ecert_say(app, "%s: is a folder: put the certificate file itself into the inbox",
                  arrival->origin);
        return 0;
    case ECERT_ARRIVAL_HIDDEN:
        ecert_say_more(app, "%s: is hidden, and passed over", arrival->origin);
        return 0;
    case ECERT_ARRIVAL_UNCHANGED:
        ecert_say_more(app, "%s: nothing new", arrival->origin);
        for (size_t i = 0; i < arrival->result.notes.len; i++)
            ecert_say_more(app, "  %s", arrival->result.notes.items[i]);
        return 0;
    case ECERT_ARRIVAL_REJECTED:
        ecert_complain(app, "%s: %s; the file is now '%s'", arrival->origin, arrival->error.text,
                       arrival->moved_to == NULL ? "?" : arrival->moved_to);
        return 1;
    case ECERT_ARRIVAL_FAILED:
        ecert_complain(app, "%s: %s; it will be tried again", arrival->origin, arrival->error.text);
        return 1;
    }
    return 1;
}

size_t ecert_report_arrivals(struct ecert_app *app, const struct ecert_arrivals *arrivals)
{
    json_t *list = json_array();
    size_t failed = 0;

    for (size_t i = 0; i < arrivals->n; i++) {
        failed += report_arrival(app, &arrivals->items[i]);
        (void)json_array_append_new(list, ecert_arrival_json(&arrivals->items[i]));
    }
    ecert_tell(app, "sources", list);
    return failed;
}

/* ---- deployments ---- */

static void say_endpoint(struct ecert_app *app, const struct ecert_observation *seen)
{
    const bool v6 = strchr(seen->probe.address, ':') != NULL;
    char was[ECERT_TIME_TEXT_LEN] = "", is[ECERT_TIME_TEXT_LEN] = "";

    if (seen->before[0] != '\0')
        ecert_clock_date(seen->before_not_after, was);
    if (seen->after[0] != '\0')
        ecert_clock_date(seen->after_not_after, is);
    ecert_say(
        app, "  %s%s%s:%u%s%s: before %.16s%s%s, now %.16s%s%s", v6 ? "[" : "", seen->probe.address,
        v6 ? "]" : "", (unsigned)seen->probe.port, seen->probe.server_name == NULL ? "" : " ",
        seen->probe.server_name == NULL ? "" : seen->probe.server_name,
        seen->before[0] == '\0' ? "nothing" : seen->before, was[0] == '\0' ? "" : " until ", was,
        seen->after[0] == '\0' ? "nothing" : seen->after, is[0] == '\0' ? "" : " until ", is);
}

/* A note may have lines of its own: a difference. */
static void say_note(const struct ecert_app *app, const char *note)
{
    const char *end = strchrnul(note, '\n');

    ecert_say(app, "  note: %.*s", (int)(end - note), note);
    if (*end == '\n')
        ecert_say_text(app, ecert_view_of(end + 1));
}

/* What a person has still to do, where something new is to be done with. */
static bool is_next_step(const struct ecert_outcome *outcome, const char *note)
{
    return outcome->n_files > 0 && outcome->error.status == ECERT_OK &&
           strstr(note, "next, by hand: ") != NULL;
}

static const char *restored_words(enum ecert_outcome_kind kind)
{
    switch (kind) {
    case ECERT_OUTCOME_DEPLOYED:
        return "put back, and the server was seen to serve what it served then";
    case ECERT_OUTCOME_UNCHANGED:
        return "it is so already";
    case ECERT_OUTCOME_NOT_RUNNING:
        return "put back; the server is not running";
    case ECERT_OUTCOME_PLACED:
    case ECERT_OUTCOME_REFUSED:
    case ECERT_OUTCOME_UNDONE:
    case ECERT_OUTCOME_UNDO_FAILED:
        break;
    }
    return "put back; there is nothing to look at";
}

static void report_outcome(struct ecert_app *app, const struct ecert_deployment *deployment)
{
    const struct ecert_outcome *outcome = &deployment->outcome;
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const char *name = ecert_name_shown(deployment->certificate->name, &buffer);
    const char *id = deployment->target->id;

    if (outcome->error.status != ECERT_OK)
        ecert_complain(app, "%s: %s: %s: %s", name, id, ecert_outcome_sentence(outcome->kind),
                       outcome->error.text);
    else if (deployment->restores)
        ecert_say(app,
                  "%s: %s: as it was before ecert: %s; `ecert run` leaves it so until a newer "
                  "certificate comes, `ecert deploy %s` deploys again",
                  name, id, restored_words(outcome->kind), name);
    else
        ecert_say(app, "%s: %s: generation %u: %s%s", name, id, deployment->generation,
                  ecert_outcome_sentence(outcome->kind),
                  outcome->kind == ECERT_OUTCOME_UNCHANGED && outcome->n_observations > 0
                      ? ", and it is served"
                      : "");
    for (size_t i = 0; i < outcome->n_observations; i++)
        say_endpoint(app, &outcome->observations[i]);
    for (size_t i = 0; i < outcome->n_files; i++)
        ecert_say(app, "  changed: %s", outcome->files[i].path);
    for (size_t i = 0; i < outcome->notes.len; i++)
        say_note(app, outcome->notes.items[i]);
    for (size_t i = 0; i < deployment->notes.len; i++)
        say_note(app, deployment->notes.items[i]);
    for (size_t i = 0; i < deployment->plan.notes.len; i++) {
        const char *note = deployment->plan.notes.items[i];

        if (is_next_step(outcome, note))
            ecert_say(app, "  %s", note);
        else
            ecert_say_more(app, "  plugin: %s", note);
    }
}

/* Why nothing is done, where somebody asked for something. */
static void say_notes(struct ecert_app *app, const struct ecert_deployment *deployment)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;

    for (size_t i = 0; i < deployment->notes.len; i++)
        ecert_say(app, "%s: %s: %s", ecert_name_shown(deployment->certificate->name, &buffer),
                  deployment->target->id, deployment->notes.items[i]);
}

static void report_deployment(struct ecert_app *app, const struct ecert_deployment *deployment)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const char *name = ecert_name_shown(deployment->certificate->name, &buffer);
    const char *id = deployment->target->id;
    char when[ECERT_TIME_TEXT_LEN];

    switch (deployment->standing) {
    case ECERT_STANDING_CURRENT:
        say_notes(app, deployment);
        ecert_say_more(app, "%s: %s: has generation %u, nothing to do", name, id,
                       deployment->generation);
        return;
    case ECERT_STANDING_WAITING:
        ecert_clock_text(deployment->state.next_try, when);
        ecert_say(app, "%s: %s: failed %u time%s, next try at %s (`ecert deploy` tries now): %s",
                  name, id, deployment->state.failures, deployment->state.failures == 1 ? "" : "s",
                  when, deployment->state.last_error);
        return;
    case ECERT_STANDING_NOTHING:
        ecert_say_more(app, "%s: %s: no certificate has been taken yet", name, id);
        return;
    case ECERT_STANDING_UNFIT:
        ecert_complain(app, "%s: %s: %s", name, id, deployment->error.text);
        ecert_complain_of_sites(app, deployment);
        for (size_t i = 0; deployment->restores && i < deployment->notes.len; i++)
            say_note(app, deployment->notes.items[i]);
        return;
    case ECERT_STANDING_HELD:
        say_notes(app, deployment);
        ecert_say_more(app, "%s: %s: held as it was before ecert (`ecert deploy %s` deploys again)",
                       name, id, name);
        return;
    case ECERT_STANDING_WANTED:
        report_outcome(app, deployment);
        return;
    }
}

json_t *ecert_deployment_json(const struct ecert_deployment *deployment)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i}", "certificate", deployment->certificate->name, "target",
        deployment->target->id, "plugin", deployment->target->plugin, "standing",
        ecert_standing_word(deployment->standing), "generation", (int)deployment->generation);

    ecert_tell_names(json, deployment->certificate->name);
    if (deployment->standing == ECERT_STANDING_UNFIT)
        (void)json_object_set_new(json, "error", ecert_text_json(deployment->error.text));
    if (deployment->standing == ECERT_STANDING_WAITING)
        (void)json_object_set_new(json, "error", ecert_text_json(deployment->state.last_error));
    if (deployment->has_outcome) {
        (void)json_object_set_new(json, "outcome",
                                  json_string(ecert_outcome_word(deployment->outcome.kind)));
        (void)json_object_update_new(json, ecert_outcome_json(&deployment->outcome));
        if (deployment->outcome.error.status != ECERT_OK)
            (void)json_object_set_new(json, "error",
                                      ecert_text_json(deployment->outcome.error.text));
    }
    if (deployment->plan.notes.len > 0)
        (void)json_object_set_new(json, "plugin_notes",
                                  ecert_strings_json(&deployment->plan.notes));
    if (deployment->restores) {
        (void)json_object_set_new(json, "restores", json_true());
        (void)json_object_set_new(json, "restore_notes", ecert_strings_json(&deployment->notes));
    }
    if (deployment->with_sites || deployment->plan.n_sites > 0)
        (void)json_object_set_new(json, "sites", ecert_sites_json(&deployment->plan));
    return json;
}

size_t ecert_report_deployments(struct ecert_app *app, const struct ecert_deployments *deployments)
{
    json_t *list = json_array();

    for (size_t i = 0; i < deployments->n; i++) {
        report_deployment(app, &deployments->items[i]);
        (void)json_array_append_new(list, ecert_deployment_json(&deployments->items[i]));
    }
    ecert_tell(app, "targets", list);
    return ecert_deploy_failures(deployments);
}
