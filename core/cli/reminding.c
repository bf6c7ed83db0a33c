#include "core/cli/reminding.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/cli/check_machines.h"
#include "core/cli/people.h"
#include "core/flow/outcome_json.h"

static void say_telling(struct ecert_app *app, const char *what,
                        const struct ecert_telling *telling)
{
    for (size_t i = 0; i < telling->accepted.len; i++) {
        const char *who = telling->accepted.items[i];

        /* nobody was told by the journal: this line would stand in it beside the entry */
        if (strcmp(who, ecert_channel_word(ECERT_CHANNEL_JOURNAL)) == 0)
            ecert_say_more(app, "%s: accepted: %s", what, who);
        else
            ecert_say(app, "%s: accepted: %s", what, who);
    }
    for (size_t i = 0; i < telling->errors.len; i++)
        ecert_complain(app, "%s: %s", what, telling->errors.items[i]);
}

static json_t *telling_json(const struct ecert_telling *telling)
{
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "told", (json_int_t)telling->told, "failed",
                     (json_int_t)telling->failed, "waiting", (json_int_t)telling->waiting,
                     "accepted", ecert_strings_json(&telling->accepted), "errors",
                     ecert_strings_json(&telling->errors));
}

size_t ecert_report_reminding(struct ecert_app *app, const struct ecert_remind_report *report)
{
    const struct ecert_telling *telling = &report->telling;
    json_t *json = telling_json(telling);

    for (size_t i = 0; i < report->notes.len; i++)
        ecert_say(app, "note: %s", report->notes.items[i]);
    say_telling(app, "reminder", telling);
    if (telling->failed > 0)
        ecert_say(
            app,
            "what was not accepted is still owed (`ecert status`); it is tried again, with pauses");
    if (telling->waiting > 0)
        ecert_say(app, "reminder: %zu recipient%s waiting for the next try (`ecert status`)",
                  telling->waiting, telling->waiting == 1 ? " is" : "s are");
    say_telling(app, "told, but not written down", &report->unspooled);
    say_telling(app, "digest", &report->digest);
    for (size_t i = 0; i < report->errors.len; i++)
        ecert_complain(app, "%s", report->errors.items[i]);
    (void)json_object_set_new(json, "noticed", json_integer((json_int_t)report->noticed));
    (void)json_object_set_new(json, "counts", ecert_counts_json(&report->findings));
    (void)json_object_set_new(json, "digest", telling_json(&report->digest));
    if (ecert_findings_worst(&report->findings) != ECERT_URGENCY_FINE)
        ecert_people_remark(app);
    ecert_tell(app, "reminders", json);
    return ecert_remind_failures(report);
}

size_t ecert_remind_after_run(struct ecert_app *app)
{
    const struct ecert_remind_options options = {.check = true, .digest = true};
    ECERT_AUTO(ecert_remind_report_clear) struct ecert_remind_report report = {0};
    struct ecert_error err = {0};

    if (ecert_remind(&app->context, &options, ecert_clock_now(), &report, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return 1;
    }
    (void)ecert_report_reminding(app, &report);
    return ecert_remind_local_failures(&report);
}

/* ---- what is owed ---- */

static void say_owed(struct ecert_app *app, const struct ecert_reminder *reminder,
                     const struct ecert_owed *owed, json_t *list)
{
    const char *name = reminder->finding.name;
    const char *condition = ecert_condition_word(reminder->finding.condition);
    char when[ECERT_TIME_TEXT_LEN] = "";

    if (owed->next_try != 0)
        ecert_clock_text(owed->next_try, when);
    ecert_say(app, "owed: a reminder of %s (%s): %s%s%s, %u tr%s%s%s%s%s", name, condition,
              ecert_channel_word(owed->channel), owed->to == NULL ? "" : " to ",
              owed->to == NULL ? "" : owed->to, owed->tries, owed->tries == 1 ? "y" : "ies",
              when[0] == '\0' ? "" : ", next at ", when, owed->last_error == NULL ? "" : ": ",
              owed->last_error == NULL ? "" : owed->last_error);
    (void)json_array_append_new(
        list,
        json_pack("{s:s, s:o, s:s, s:s, s:o, s:i, s:o, s:o}", "key", reminder->key, "name",
                  ecert_text_json(name), "condition", condition, "channel",
                  ecert_channel_word(owed->channel), "to", ecert_text_json(owed->to), "tries",
                  (int)owed->tries, "next_try", ecert_text_json(when[0] == '\0' ? NULL : when),
                  "error", ecert_text_json(owed->last_error)));
}

size_t ecert_report_owed(struct ecert_app *app)
{
    ECERT_AUTO(ecert_reminder_list_clear) struct ecert_reminder_list owed = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_error err = {0};

    const enum ecert_status status = ecert_reminders_owed(&app->config, &owed, &notes, &err);
    for (size_t i = 0; i < notes.len; i++)
        ecert_complain(app, "%s", notes.items[i]);
    if (status != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return 1;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < owed.n; i++)
        for (size_t k = 0; k < owed.items[i].n_owed; k++)
            if (!owed.items[i].owed[k].told)
                say_owed(app, &owed.items[i], &owed.items[i].owed[k], list);
    ecert_tell(app, "owed", list);
    return owed.unread > 0;
}
