/* `ecert adopt`: what a server uses already becomes generation 1. */

#include "core/issue/adopt.h"

#include "core/cli/app.h"
#include "core/cli/backing.h"
#include "core/cli/report.h"
#include "core/flow/outcome_json.h"

static json_t *notes_json(const struct ecert_strings *notes)
{
    json_t *list = json_array();

    for (size_t i = 0; i < notes->len; i++)
        (void)json_array_append_new(list, ecert_text_json(notes->items[i]));
    return list;
}

static const char *word_of(const struct ecert_adoption *adoption)
{
    if (adoption->error.status != ECERT_OK)
        return "failed";
    return adoption->generation > 0 ? "adopted" : "left-alone";
}

static json_t *adoption_json(const struct ecert_adoption *adoption)
{
    const bool failed = adoption->error.status != ECERT_OK;

    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:b, s:o, s:o}", "certificate",
        adoption->certificate->name, "target", adoption->target->id, "plugin",
        adoption->target->plugin, "outcome", word_of(adoption), "site",
        ecert_text_json(adoption->site), "key_file", ecert_text_json(adoption->key_file),
        "certificate_file", ecert_text_json(adoption->certificate_file), "generation",
        (int)adoption->generation, "added", adoption->added, "notes", notes_json(&adoption->notes),
        "error", ecert_text_json(failed ? adoption->error.text : NULL));

    ecert_tell_names(row, adoption->certificate->name);
    return row;
}

static void show(struct ecert_app *app, const struct ecert_adoption *adoption)
{
    const char *name = adoption->certificate->name, *target = adoption->target->id;

    if (adoption->generation > 0)
        ecert_say(app, "%s: %s: %s generation %u: %s", name, target,
                  adoption->added ? "adopted as" : "has, as was kept already,",
                  adoption->generation, adoption->site);
    if (adoption->generation > 0)
        ecert_say_more(app, "      key '%s', certificate '%s'", adoption->key_file,
                       adoption->certificate_file);
    for (size_t i = 0; i < adoption->notes.len; i++)
        ecert_say(app, "%s: %s: %s", name, target, adoption->notes.items[i]);
    if (adoption->error.status != ECERT_OK)
        ecert_complain(app, "%s: %s: %s", name, target, adoption->error.text);
}

/* What an interrupted run left of a site is not what its server uses. */
static enum ecert_status recover(struct ecert_app *app, int *ret_code, struct ecert_error *err)
{
    ECERT_AUTO(ecert_pipeline_report_clear) struct ecert_pipeline_report report = {0};

    const enum ecert_status status = ecert_pipeline_recover(&app->context, &report, err);
    *ret_code = ecert_report_recovered(app, &report) == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
    if (status == ECERT_OK && report.stuck.len > 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "what an interrupted run changed cannot be undone yet: nothing is "
                               "adopted");
    return status;
}

int ecert_cmd_adopt(struct ecert_app *app)
{
    const char *const *names = app->options.args[0] == NULL ? NULL : app->options.args;
    ECERT_AUTO(ecert_adoptions_clear) struct ecert_adoptions adoptions = {0};
    struct ecert_error err = {0};
    json_t *list = json_array();
    int code = ECERT_EXIT_OK;
    bool any = false;

    if (recover(app, &code, &err) != ECERT_OK ||
        ecert_adopt(&app->context, names, app->options.target, &adoptions, &err) != ECERT_OK) {
        json_decref(list);
        ecert_complain(app, "%s", err.text);
        return ecert_exit_of(err.status);
    }
    for (size_t i = 0; i < adoptions.n; i++) {
        if (adoptions.items[i].generation > 0)
            ecert_back_up_taken(app, adoptions.items[i].certificate, &adoptions.items[i].notes);
        show(app, &adoptions.items[i]);
        (void)json_array_append_new(list, adoption_json(&adoptions.items[i]));
        any = any || adoptions.items[i].generation > 0;
        if (adoptions.items[i].error.status != ECERT_OK)
            code = ECERT_EXIT_FAILED;
    }
    if (any)
        ecert_say(app, "nothing on the servers was changed");
    ecert_tell(app, "targets", list);
    return code;
}
