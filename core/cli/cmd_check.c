/* `ecert check`: how everything stands whose expiry is followed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/cli/check_machines.h"
#include "core/cli/columns.h"
#include "core/cli/day.h"
#include "core/cli/output.h"
#include "core/cli/people.h"
#include "core/cli/progress.h"
#include "core/monitor/monitor.h"
#include "core/monitor/reminders.h"
#include "core/monitor/words.h"

#define METRICS_MODE   0644 /* node_exporter is somebody else */
#define NAME_WIDTH_MAX 40   /* a longer name moves its own line only */
#define TEXT_WIDTH     70   /* of what stands below */

/* ---- who knows ---- */

/* One for each finding; until 0: no ack keeps it quiet. */
struct acks {
    struct ecert_ack *items;
    size_t n;
};

static void acks_clear(struct acks *acks)
{
    for (size_t i = 0; i < acks->n; i++)
        ecert_ack_clear(&acks->items[i]);
    free(acks->items);
}

/* What cannot be read is said once, and keeps nothing quiet. */
static enum ecert_status find_acks(struct ecert_app *app, const struct ecert_findings *findings,
                                   int64_t now, struct acks *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_quiet_free) struct ecert_quiet *quiet = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings said = {0};

    ECERT_TRY(ecert_quiet_new(&app->config, now, &quiet, err));
    ret->items = calloc(findings->n + 1, sizeof *ret->items);
    if (ret->items == NULL)
        return ecert_error_nomem(err);
    ret->n = findings->n;
    for (size_t i = 0; i < findings->n; i++) {
        struct ecert_error why = {0};
        const enum ecert_status status =
            ecert_quiet_find(quiet, &findings->items[i], &ret->items[i], &why);

        if (status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        if (status == ECERT_OK || status == ECERT_E_NOT_FOUND ||
            ecert_strings_contain(&said, why.text))
            continue;
        ecert_complain(app, "%s", why.text);
        ECERT_TRY(ecert_strings_add(&said, why.text, err));
    }
    return ECERT_OK;
}

/* ---- the table ---- */

static const char *colour_of(enum ecert_urgency urgency)
{
    switch (urgency) {
    case ECERT_URGENCY_CRITICAL:
        return "\033[1;31m";
    case ECERT_URGENCY_DUE:
        return "\033[33m";
    case ECERT_URGENCY_UNKNOWN:
        return "\033[35m";
    case ECERT_URGENCY_FINE:
        break;
    }
    return "\033[32m";
}

struct table {
    struct ecert_app *app;
    bool colours;
    size_t name_width;
    int64_t now;
};

static void say_row(const struct table *table, const struct ecert_finding *finding)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const char *name = ecert_name_shown(finding->name, &buffer);
    const char *state = ecert_urgency_word(finding->urgency);
    char days[16] = "-", prefix[64];

    if (finding->not_after != 0)
        (void)snprintf(days, sizeof days, "%d", ecert_finding_days(finding, table->now));
    (void)snprintf(prefix, sizeof prefix, "%s%-8s%s",
                   table->colours ? colour_of(finding->urgency) : "", state,
                   table->colours ? "\033[0m" : "");
    ecert_say_behind(table->app, prefix, " %5s  %s%*s  %s", days, name,
                     ecert_padding(name, table->name_width), "",
                     finding->where == NULL ? "-" : finding->where);
}

/* Indented, in lines of words; a word that is longer than a line stands alone. */
static void say_below(const struct table *table, const struct ecert_buffer *text)
{
    const char *line = text->len == 0 ? "" : (const char *)text->ptr;

    while (*line != '\0') {
        size_t len = strcspn(line, " ");
        for (size_t next; line[len] == ' '; len = next) {
            next = len + 1 + strcspn(line + len + 1, " ");
            if (next > TEXT_WIDTH)
                break;
        }
        ecert_say(table->app, "         %.*s", (int)len, line);
        line += len + (line[len] == ' ');
    }
}

/* Below one that is not fine: how it stands, why that matters, what to do, and who knows. */
static void say_words(const struct table *table, const struct ecert_finding *finding,
                      const struct ecert_ack *ack)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer state = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer why = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer to_do = {0};
    char date[ECERT_TIME_TEXT_LEN];

    ecert_finding_text(finding, table->now, &state);
    ecert_buffer_add_text(&why, "Why: ");
    ecert_words_why(&why, finding);
    ecert_buffer_add_text(&to_do, "To do: ");
    ecert_words_what_to_do(&to_do, finding);
    say_below(table, &state);
    say_below(table, &why);
    say_below(table, &to_do);
    if (ack->until == 0)
        return;
    ecert_day_text(ack->until, date);
    ecert_say(table->app, "         no reminders until %s: %s%s%s", date,
              ack->by == NULL ? "?" : ack->by, ack->note == NULL ? "" : ": ",
              ack->note == NULL ? "" : ack->note);
}

static void say_table(struct ecert_app *app, const struct ecert_findings *findings,
                      const struct ecert_ack *acks, int64_t now)
{
    struct table table = {
        .app = app, .colours = isatty(STDOUT_FILENO) == 1, .name_width = 4, .now = now};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer counts = {0};
    size_t n = findings->n;

    while (!app->options.verbose && n > 0 && /* fine ones stand last */
           findings->items[n - 1].urgency == ECERT_URGENCY_FINE)
        n--;
    for (size_t i = 0; i < n; i++) {
        ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
        const size_t width = ecert_columns(ecert_name_shown(findings->items[i].name, &buffer));
        if (width > table.name_width && width <= NAME_WIDTH_MAX)
            table.name_width = width;
    }
    if (n > 0)
        ecert_say(app, "%-8s %5s  %-*s  %s", "STATE", "DAYS", (int)table.name_width, "NAME",
                  "WHERE");
    for (size_t i = 0; i < n; i++) {
        say_row(&table, &findings->items[i]);
        if (findings->items[i].urgency != ECERT_URGENCY_FINE)
            say_words(&table, &findings->items[i], &acks[i]);
    }
    ecert_counts_text(findings, &counts);
    if (counts.len > 0)
        ecert_say(app, "%s", (const char *)counts.ptr);
}

/* ---- for programs ---- */

static void tell_json(struct ecert_app *app, const struct ecert_findings *findings,
                      const struct ecert_ack *acks, int64_t now)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->n; i++)
        (void)json_array_append_new(
            list, ecert_check_finding_json(&findings->items[i], now, acks[i].until));
    ecert_tell(app, "findings", list);
    ecert_tell(app, "counts", ecert_counts_json(findings));
    ecert_tell(app, "worst", json_string(ecert_urgency_word(ecert_findings_worst(findings))));
}

static size_t count_owed(const struct ecert_reminder_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < list->items[i].n_owed; k++)
            n += !list->items[i].owed[k].told;
    return n;
}

static enum ecert_status write_metrics(struct ecert_app *app, const struct ecert_findings *findings,
                                       int64_t now, struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminder_list_clear) struct ecert_reminder_list owed = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes metrics = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    const struct ecert_fs_owner owner = ecert_fs_own(METRICS_MODE);

    ECERT_TRY(ecert_reminders_owed(&app->config, &owed, &notes, err));
    for (size_t i = 0; i < notes.len; i++)
        ecert_complain(app, "%s", notes.items[i]);
    ECERT_TRY(ecert_check_metrics(findings, count_owed(&owed), now, &metrics, err));
    ECERT_TRY(ecert_fs_resolve_new(app->options.prometheus, &path, err));
    ECERT_TRY(ecert_output_check(path, "# HELP ecert_", 0, err));
    return ecert_fs_replace(path, ecert_bytes_view(&metrics), &owner, err);
}

/* ---- the command ---- */

static enum ecert_status collect(void *context, const struct ecert_finding *finding,
                                 struct ecert_error *err)
{
    struct ecert_findings *findings = context;
    const size_t before = findings->n;

    ECERT_TRY(ecert_findings_add(findings, finding, err));
    if (findings->n > before) /* the configuration outlives the list */
        findings->items[before].settings = finding->settings;
    return ECERT_OK;
}

/* No finding at all, not even a fine one, is no good news. */
static bool is_empty(const struct ecert_findings *findings)
{
    for (size_t i = 0; i < ECERT_URGENCIES; i++)
        if (findings->count[i] > 0)
            return false;
    return true;
}

static enum ecert_status say_empty(const struct ecert_app *app, struct ecert_error *err)
{
    if (app->config.n_certificates == 0 && app->config.n_watches == 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "nothing is watched: '%s' has no certificate and no watch",
                               app->config.file);
    return ecert_error_set(err, ECERT_E_CONFIG, "nothing was looked at%s",
                           app->options.offline ? "; --offline asks no server" : "");
}

/* What could not be told, in the form that was asked for; nothing was found. */
static int cannot_tell(struct ecert_app *app, const struct ecert_error *err)
{
    ecert_complain(app, "%s", err->text);
    if (app->options.nagios)
        ecert_say(app, "ECERT UNKNOWN - %s", err->text);
    return ECERT_URGENCY_UNKNOWN;
}

/* Last, where everybody looks: an operator shall not take what was left out for what is fine. */
static void say_passed_over(struct ecert_app *app,
                            const struct ecert_monitor_passed_over *passed_over)
{
    const size_t n = passed_over->live, watched = passed_over->watched;

    ecert_tell(app, "not_looked_at",
               json_pack("{s:I, s:I}", "live", (json_int_t)n, "watched", (json_int_t)watched));
    if (n > 0 || watched > 0)
        ecert_say(app, "not looked at (--offline): %zu live server%s, %zu watched endpoint%s", n,
                  n == 1 ? "" : "s", watched, watched == 1 ? "" : "s");
}

/*
 * What was found is told whatever failed behind it (NULL: nothing did), which counts as one that
 * could not be told.
 */
static int tell_all(struct ecert_app *app, struct ecert_findings *findings,
                    const struct ecert_monitor_passed_over *passed_over, int64_t now,
                    const char *failed)
{
    ECERT_AUTO(acks_clear) struct acks acks = {0};
    struct ecert_error err = {0};

    if (find_acks(app, findings, now, &acks, &err) != ECERT_OK)
        return cannot_tell(app, &err);
    findings->count[ECERT_URGENCY_UNKNOWN] += failed != NULL;
    if (app->json != NULL)
        tell_json(app, findings, acks.items, now);
    else if (app->options.nagios)
        ecert_check_nagios(app, findings, failed, now);
    else
        say_table(app, findings, acks.items, now);
    say_passed_over(app, passed_over);
    if (failed != NULL)
        ecert_complain(app, "%s", failed);
    return (int)ecert_findings_worst(findings);
}

int ecert_cmd_check(struct ecert_app *app)
{
    const int64_t now = ecert_clock_now();
    struct ecert_progress progress = ecert_progress_of(app, "handshakes");
    struct ecert_monitor_passed_over passed_over = {0};
    const struct ecert_monitor_options options = {.names = app->options.args,
                                                  .offline = app->options.offline,
                                                  .passed_over = &passed_over,
                                                  .progress = ecert_progress_call(&progress),
                                                  .progress_context = &progress};
    ECERT_AUTO(ecert_findings_clear)
    struct ecert_findings findings = {.keep_fine = app->options.verbose || app->json != NULL ||
                                                   app->options.prometheus != NULL};
    struct ecert_error err = {0};

    enum ecert_status status = ecert_monitor_run(&app->context, &options, collect, &findings, &err);
    ecert_progress_end(&progress);
    ecert_findings_sort(&findings);
    ecert_words_use("en");
    /* half a check writes no metrics: those of the last one are there, and grow old */
    if (status == ECERT_OK && app->options.prometheus != NULL)
        status = write_metrics(app, &findings, now, &err);
    if (is_empty(&findings) && (status != ECERT_OK || say_empty(app, &err) != ECERT_OK))
        return cannot_tell(app, &err);
    const int code =
        tell_all(app, &findings, &passed_over, now, status == ECERT_OK ? NULL : err.text);
    if (!app->options.nagios && ecert_findings_worst(&findings) != ECERT_URGENCY_FINE)
        ecert_people_remark(app);
    return code;
}
