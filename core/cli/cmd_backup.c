/* `ecert backup`: copies of keys, and whether they open. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/cli/opening.h"
#include "core/cli/progress.h"
#include "core/cli/requesting.h"
#include "core/flow/outcome_json.h"
#include "core/issue/backup.h"

/* One run over the keys of the chosen certificates. */
struct work {
    struct ecert_app *app;
    struct ecert_backup_kit *kit;      /* NULL with --check */
    struct ecert_backup_opener opener; /* with --check, like all until the progress */
    struct ecert_backup_kit *present;  /* who shall open them; NULL: that cannot be read */
    struct ecert_strings places;
    struct ecert_progress progress;
    json_t *list;
    size_t done, n;               /* keys */
    size_t written, opened, same; /* backups */
    size_t bad;
};

/* ---- which certificates ---- */

static bool is_chosen(const struct ecert_app *app, const struct ecert_certificate_config *entry)
{
    if (app->options.args[0] == NULL)
        return true;
    for (const char *const *arg = app->options.args; *arg != NULL; arg++)
        if (ecert_config_certificate(&app->config, *arg) == entry)
            return true;
    return false;
}

static enum ecert_status check_names(const struct ecert_app *app, struct ecert_error *err)
{
    for (const char *const *arg = app->options.args; *arg != NULL; arg++)
        ECERT_TRY(ecert_config_check_name(&app->config, *arg, err));
    return ECERT_OK;
}

static void bad(struct work *work, const char *name, const char *text)
{
    work->bad++;
    ecert_complain(work->app, "%s: %s", name, text);
}

/* ---- writing ---- */

/*
 * Was it noted like this before?  The sum counts, too: one that was lost comes back under its old
 * name with other bytes.  Those of before keep their order.
 */
static bool is_noted(const struct ecert_strings *sums, const struct ecert_request *request,
                     size_t i)
{
    return i < sums->len && strcmp(sums->items[i], request->backups[i].sha256) == 0;
}

/* What is not as it was noted before. */
static void say_new(struct work *work, const struct ecert_request *request,
                    const struct ecert_strings *paths, const struct ecert_strings *sums)
{
    for (size_t i = 0; i < request->n_backups; i++) {
        const struct ecert_request_backup *backup = &request->backups[i];
        const bool again = ecert_strings_contain(paths, backup->path);

        if (again && is_noted(sums, request, i))
            continue;
        work->written++;
        ecert_say(work->app, "%s %s: %s%s", request->name, request->id, backup->path,
                  again ? ", in the place of the one that was noted" : "");
    }
}

/* How many have a note of their passphrase: those of before get it when they are looked at. */
static size_t count_noted(const struct ecert_request *request)
{
    size_t n = 0;

    for (size_t i = 0; i < request->n_backups; i++)
        n += request->backups[i].under[0] != '\0';
    return n;
}

static enum ecert_status write_one(struct work *work, struct ecert_request *request,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings paths = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings sums = {0};
    const char *state_dir = work->app->config.state_dir;
    struct ecert_error saving = {0};

    for (size_t i = 0; i < request->n_backups; i++) {
        ECERT_TRY(ecert_strings_add(&paths, request->backups[i].path, err));
        ECERT_TRY(ecert_strings_add(&sums, request->backups[i].sha256, err));
    }
    const size_t written = work->written, noted = count_noted(request);
    const enum ecert_status status =
        ecert_backup_write(work->kit, &work->app->config, request, err);
    say_new(work, request, &paths, &sums);
    /* also what went well before it failed */
    if ((work->written > written || count_noted(request) > noted) &&
        ecert_backup_save(state_dir, request, &saving) != ECERT_OK && status == ECERT_OK) {
        *err = saving;
        return saving.status;
    }
    json_t *row = json_pack("{s:s, s:s, s:o}", "certificate", request->name, "id", request->id,
                            "backups", ecert_request_backups_json(request));
    ecert_tell_names(row, request->name);
    (void)json_array_append_new(work->list, row);
    return status;
}

/* ---- checking ---- */

static const char *word_of(enum ecert_backup_state state)
{
    switch (state) {
    case ECERT_BACKUP_OPENS:
        return "opens";
    case ECERT_BACKUP_UNCHANGED:
        return "unchanged";
    case ECERT_BACKUP_MISSING:
        return "missing";
    case ECERT_BACKUP_CHANGED:
        return "changed";
    case ECERT_BACKUP_SHUT:
        return "shut";
    case ECERT_BACKUP_UNREADABLE:
        return "unreadable";
    }
    return "?";
}

static void say_row(struct work *work, const struct ecert_request *request, const char *word,
                    const char *path, const char *why, bool is_bad)
{
    work->bad += is_bad;
    ecert_say(work->app, "%-10s  %s  %s  %s%s%s", word, request->name, request->id,
              path == NULL ? "-" : path, why == NULL ? "" : ": ", why == NULL ? "" : why);
    json_t *row =
        json_pack("{s:s, s:s, s:o, s:s, s:o}", "certificate", request->name, "id", request->id,
                  "path", ecert_text_json(path), "state", word, "why", ecert_text_json(why));
    ecert_tell_names(row, request->name);
    (void)json_array_append_new(work->list, row);
}

/* The bytes that were written, and those who are configured now cannot open them. */
static bool is_former(const struct work *work, const struct ecert_request_backup *backup,
                      enum ecert_backup_state state)
{
    return work->present != NULL &&
           (state == ECERT_BACKUP_OPENS || state == ECERT_BACKUP_UNCHANGED ||
            state == ECERT_BACKUP_SHUT) &&
           ecert_backup_is_former(work->present, backup);
}

static void say_state(struct work *work, const struct ecert_request *request,
                      const struct ecert_request_backup *backup, enum ecert_backup_state state,
                      const char *why)
{
    if (is_former(work, backup, state)) {
        say_row(work, request, "former", backup->path,
                "readable only by the former recipients or under the former passphrase; 'ecert "
                "backup' writes a new one beside it",
                true);
        return;
    }
    work->opened += state == ECERT_BACKUP_OPENS;
    work->same += state == ECERT_BACKUP_UNCHANGED;
    say_row(work, request, word_of(state), backup->path, why,
            state != ECERT_BACKUP_OPENS && state != ECERT_BACKUP_UNCHANGED);
}

static enum ecert_status check_backup(struct work *work, const struct ecert_request *request,
                                      struct ecert_request_backup *backup, bool *changed,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *why = NULL;
    enum ecert_backup_state state = ECERT_BACKUP_UNREADABLE;

    ECERT_TRY(
        ecert_backup_check(&work->app->config, request, backup, &work->opener, &state, &why, err));
    if (state == ECERT_BACKUP_OPENS) {
        backup->opened = ecert_clock_now();
        *changed = true;
    }
    say_state(work, request, backup, state, why);
    return ECERT_OK;
}

/* No backup anywhere is in order where the operator said that there shall be none. */
static enum ecert_status say_none(struct work *work, const struct ecert_request *request,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer why = {0};

    if (request->without_backup) {
        say_row(work, request, "none", NULL, "the request was made with --no-backup", false);
        return ECERT_OK;
    }
    for (size_t i = 0; i < work->places.len; i++)
        ecert_buffer_printf(&why, "%s'%s'", i == 0 ? "there is none in " : ", ",
                            work->places.items[i]);
    ecert_buffer_printf(&why, "%s'ecert backup' writes what is missing", why.len > 0 ? "; " : "");
    if (why.failed)
        return ecert_error_nomem(err);
    say_row(work, request, "none", NULL, (const char *)why.ptr, true);
    return ECERT_OK;
}

static enum ecert_status check_places(struct work *work, const struct ecert_request *request,
                                      struct ecert_error *err)
{
    for (size_t i = 0; i < work->places.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *why = NULL;
        const char *place = work->places.items[i];

        if (ecert_backup_in(request, place) != NULL)
            continue;
        ECERT_TRY(ecert_text_format(
            &why, err, "there is none in '%s'; 'ecert backup' writes what is missing", place));
        say_row(work, request, "missing", place, why, true);
    }
    return ECERT_OK;
}

static enum ecert_status check_one(struct work *work, struct ecert_request *request,
                                   struct ecert_error *err)
{
    bool changed = false;

    for (size_t i = 0; i < request->n_backups; i++) {
        struct ecert_request_backup *backup = &request->backups[i];

        if (ecert_backup_is_placed(backup, &work->places))
            ECERT_TRY(check_backup(work, request, backup, &changed, err));
        else
            say_row(work, request, "elsewhere", backup->path,
                    "it is in no configured place, and was not looked at", false);
    }
    ECERT_TRY(request->n_backups == 0 ? say_none(work, request, err)
                                      : check_places(work, request, err));
    return changed ? ecert_backup_save(work->app->config.state_dir, request, err) : ECERT_OK;
}

/* ---- all of them ---- */

static void do_one(struct work *work, struct ecert_request *request)
{
    struct ecert_error err = {0};

    work->n++;
    if (ecert_request_needs_repair(request))
        bad(work, request->name, request->problem);
    else if (request->problem != NULL) /* nobody waits for it: told, and no trouble */
        ecert_say(work->app, "%s: %s", request->name, request->problem);
    else if ((work->kit == NULL ? check_one(work, request, &err)
                                : write_one(work, request, &err)) != ECERT_OK)
        bad(work, request->name, err.text);
}

/* The keys of its requests, and those in use that no request made. */
static enum ecert_status do_keys(struct work *work, const struct ecert_certificate_config *entry,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests keys = {0};

    ECERT_TRY(ecert_requests_load(work->app->config.state_dir, entry->name, &requests, err));
    for (size_t i = 0; i < requests.n; i++)
        do_one(work, &requests.items[i]);
    ECERT_TRY(ecert_backup_keys(&work->app->config, entry, &requests, &keys, err));
    for (size_t i = 0; i < keys.n; i++)
        do_one(work, &keys.items[i]);
    return ECERT_OK;
}

static void do_all(struct work *work)
{
    const struct ecert_config *config = &work->app->config;
    ecert_progress_fn *progress = ecert_progress_call(&work->progress);

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        struct ecert_error err = {0};

        if (is_chosen(work->app, entry) && do_keys(work, entry, &err) != ECERT_OK)
            bad(work, entry->name, err.text);
        if (progress != NULL)
            progress(&work->progress, i + 1, config->n_certificates);
    }
    ecert_progress_end(&work->progress);
}

static int usage(struct ecert_app *app, const struct ecert_error *err)
{
    ecert_complain(app, "%s", err->text);
    return ecert_exit_of(err->status);
}

/* ---- the commands ---- */

static int check_all(struct work *work)
{
    ECERT_AUTO(ecert_opening_clear) struct ecert_opening opening = {0};
    struct ecert_error err = {0};

    if (ecert_opening_read(&work->app->options, &opening, &err) != ECERT_OK ||
        ecert_backup_places(&work->app->config, &work->places, &err) != ECERT_OK)
        return usage(work->app, &err);
    work->opener = opening.opener;
    /* what cannot be read is told by 'ecert config', and with each copy that it should open */
    if (work->app->config.backup.wanted &&
        ecert_backup_kit_read(&work->app->config, &work->present, &err) != ECERT_OK)
        work->present = NULL;
    do_all(work);
    ecert_backup_kit_close(&work->present);
    if (work->n == 0)
        ecert_say(work->app, "there are no keys to back up");
    else
        ecert_say(work->app, "%zu opened, %zu unchanged, %zu not in order", work->opened,
                  work->same, work->bad);
    if (work->same > 0)
        ecert_say(work->app, "unchanged: the bytes that were written; --key FILE with the key of a "
                             "recipient tells whether they open");
    return work->bad > 0 ? ECERT_EXIT_FAILED : ECERT_EXIT_OK;
}

static int write_all(struct work *work)
{
    struct ecert_error err = {0};

    if (work->app->options.key != NULL || work->app->options.password_file != NULL) {
        ecert_complain(work->app, "--key and --password-file open backups: add --check");
        return ECERT_EXIT_USAGE;
    }
    if (ecert_backup_kit_open(&work->app->config, &work->kit, &err) != ECERT_OK)
        return usage(work->app, &err);
    do_all(work);
    const size_t renewed = ecert_backup_kit_renewed(work->kit);
    ecert_backup_kit_close(&work->kit);
    if (renewed > 0)
        ecert_say(work->app,
                  renewed == 1
                      ? "%zu copy is readable only by the former recipients or under the former "
                        "passphrase; there is a new one beside it, and the old one stays"
                      : "%zu copies are readable only by the former recipients or under the former "
                        "passphrase; there is a new one beside each, and the old ones stay",
                  renewed);
    ecert_tell(work->app, "renewed", json_integer((json_int_t)renewed));
    if (work->n == 0)
        ecert_say(work->app, "there are no keys to back up");
    else if (work->written == 0 && work->bad == 0)
        ecert_say(work->app, "%zu %s: every place has its backups", work->n,
                  work->n == 1 ? "key" : "keys");
    return work->bad > 0 ? ECERT_EXIT_FAILED : ECERT_EXIT_OK;
}

int ecert_cmd_backup(struct ecert_app *app)
{
    struct work work = {
        .app = app, .progress = ecert_progress_of(app, "backups"), .list = json_array()};
    struct ecert_error err = {0};
    int code = ECERT_EXIT_OK;

    if (check_names(app, &err) != ECERT_OK)
        code = usage(app, &err);
    else
        code = app->options.check ? check_all(&work) : write_all(&work);
    ecert_strings_clear(&work.places);
    ecert_tell(app, app->options.check ? "backups" : "requests", work.list);
    return code;
}
