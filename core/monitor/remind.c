#include "core/monitor/remind.h"

#include <stdlib.h>
#include <string.h>

#include "core/monitor/reminders_internal.h"

void ecert_remind_report_clear(struct ecert_remind_report *report)
{
    ecert_findings_clear(&report->findings);
    ecert_telling_clear(&report->telling);
    ecert_telling_clear(&report->unspooled);
    ecert_telling_clear(&report->digest);
    ecert_strings_clear(&report->notes);
    ecert_strings_clear(&report->errors);
    *report = (struct ecert_remind_report){0};
}

size_t ecert_remind_failures(const struct ecert_remind_report *report)
{
    return ecert_remind_local_failures(report) + report->telling.failed + report->digest.failed;
}

size_t ecert_remind_local_failures(const struct ecert_remind_report *report)
{
    return report->errors.len + report->telling.unread + report->unspooled.failed;
}

struct noticing {
    struct ecert_noticing *books;
    struct ecert_remind_report *report;
    struct ecert_findings *unspooled; /* what could not be written down */
    bool failed;
};

/* It cannot be owed: said, and kept to be told at once. */
static enum ecert_status keep_unspooled(struct noticing *noticing,
                                        const struct ecert_finding *finding,
                                        const struct ecert_error *failed, struct ecert_error *err)
{
    noticing->failed = true;
    ECERT_TRY(ecert_strings_printf(&noticing->report->errors, err, "%s: %s", finding->name,
                                   failed->text));
    if (finding->urgency == ECERT_URGENCY_FINE)
        return ECERT_OK;
    return ecert_findings_add(noticing->unspooled, finding, err);
}

static enum ecert_status notice(void *context, const struct ecert_finding *finding,
                                struct ecert_error *err)
{
    struct noticing *noticing = context;
    struct ecert_error failed = {0};
    bool is_new = false;

    if (ecert_noticing_add(noticing->books, finding, &is_new, &failed) == ECERT_E_NOMEM) {
        *err = failed;
        return failed.status;
    }
    if (failed.status != ECERT_OK)
        ECERT_TRY(keep_unspooled(noticing, finding, &failed, err));
    noticing->report->noticed += is_new;
    return ecert_findings_add(&noticing->report->findings, finding, err);
}

/* Only a check that looked at everything can tell that a problem is gone. */
static bool is_complete(const struct ecert_remind_options *options)
{
    const char *const *names = options->monitor.names;

    return options->check && !options->monitor.offline && (names == NULL || *names == NULL);
}

static enum ecert_status check_and_notice(struct ecert_context *context,
                                          const struct ecert_remind_options *options, int64_t now,
                                          struct ecert_remind_report *report,
                                          struct ecert_findings *unspooled, struct ecert_error *err)
{
    ECERT_AUTO(ecert_noticing_free) struct ecert_noticing *books = NULL;
    struct noticing noticing = {.report = report, .unspooled = unspooled};
    enum ecert_status status = ECERT_OK;
    struct ecert_error end = {0};

    if (ecert_noticing_begin(context->config, now, &books, &report->notes, err) != ECERT_OK) {
        if (options->also != NULL && err->status != ECERT_E_NOMEM)
            return ecert_findings_add(unspooled, options->also, &end) == ECERT_OK ? err->status
                                                                                  : end.status;
        return err->status;
    }
    noticing.books = books;
    if (options->also != NULL)
        status = notice(&noticing, options->also, err);
    if (status == ECERT_OK && options->check)
        status = ecert_monitor_run(context, &options->monitor, notice, &noticing, err);
    /* what was noticed so far is kept, whatever ended the check */
    if (ecert_noticing_end(&books, status == ECERT_OK && !noticing.failed && is_complete(options),
                           &end) != ECERT_OK &&
        status == ECERT_OK) {
        *err = end;
        status = end.status;
    }
    return status;
}

static enum ecert_status digest(struct ecert_context *context, bool force, int64_t now,
                                struct ecert_remind_report *report, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) const struct ecert_finding **list = NULL;
    bool due = false, is_time = true;

    ECERT_TRY(ecert_digest_is_due(context->config, now, &due, err));
    if (!due)
        return ECERT_OK;
    if (!force && ecert_digest_is_owed(context->config, now, &is_time) && !is_time) {
        report->digest.waiting++;
        return ECERT_OK;
    }
    list = calloc(report->findings.n + 1, sizeof(const struct ecert_finding *));
    if (list == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < report->findings.n; i++)
        list[i] = &report->findings.items[i];
    return ecert_digest_send(context, list, report->findings.n,
                             report->findings.count[ECERT_URGENCY_FINE], now, &report->digest, err);
}

static enum ecert_status add_error(struct ecert_remind_report *report, const char *step,
                                   const struct ecert_error *failed, struct ecert_error *err)
{
    return ecert_strings_printf(&report->errors, err, "%s: %s", step, failed->text);
}

enum ecert_status ecert_remind(struct ecert_context *context,
                               const struct ecert_remind_options *options, int64_t now,
                               struct ecert_remind_report *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_findings_clear) struct ecert_findings unspooled = {0};
    struct ecert_error check = {0}, send = {0}, at_once = {0}, week = {0};
    struct ecert_remind_report report = {0};
    enum ecert_status status = ECERT_OK;

    if ((options->check || options->also != NULL) &&
        check_and_notice(context, options, now, &report, &unspooled, &check) != ECERT_OK)
        status = add_error(&report, "check", &check, err);
    ecert_findings_sort(&report.findings);
    if (ecert_reminders_send(context, now, options->force, &report.telling, &send) != ECERT_OK &&
        status == ECERT_OK)
        status = add_error(&report, "reminders", &send, err);
    if (unspooled.n > 0 &&
        ecert_findings_tell(context, &unspooled, now, &report.unspooled, &at_once) != ECERT_OK &&
        status == ECERT_OK)
        status = add_error(&report, "telling at once", &at_once, err);
    /* a digest of half a check would say that all else is well */
    if (options->digest && options->check && !options->monitor.offline &&
        check.status == ECERT_OK &&
        digest(context, options->force, now, &report, &week) != ECERT_OK && status == ECERT_OK)
        status = add_error(&report, "digest", &week, err);
    if (status != ECERT_OK)
        ecert_remind_report_clear(&report);
    else
        *ret = report;
    return status;
}

/* ---- names ---- */

/* By the names of the files; one that cannot be read has no name to tell. */
static enum ecert_status add_folder(const struct ecert_config *config, const char *folder,
                                    struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings files = {0};

    ECERT_TRY(ecert_reminders_list(config, folder, &files, err));
    for (size_t i = 0; i < files.len; i++) {
        ECERT_AUTO(ecert_reminder_clear) struct ecert_reminder reminder = {0};
        ECERT_AUTO(ecert_auto_free) char *path = NULL;
        struct ecert_error ignored = {0};
        char key[ECERT_KEY_LEN + 1];

        if (!ecert_key_of_name(files.items[i], key))
            continue;
        ECERT_TRY(ecert_reminders_path(config, folder, key, &path, err));
        if (ecert_reminder_read(path, key, &reminder, &ignored) == ECERT_OK &&
            !ecert_strings_contain(ret, reminder.finding.name))
            ECERT_TRY(ecert_strings_add(ret, reminder.finding.name, err));
    }
    return ECERT_OK;
}

static enum ecert_status add_name(struct ecert_strings *ret, const char *name,
                                  struct ecert_error *err)
{
    if (name == NULL || ecert_strings_contain(ret, name))
        return ECERT_OK;
    return ecert_strings_add(ret, name, err);
}

enum ecert_status ecert_remind_names(const struct ecert_config *config, struct ecert_strings *ret,
                                     struct ecert_error *err)
{
    for (size_t i = 0; i < config->n_certificates; i++) {
        ECERT_TRY(add_name(ret, config->certificates[i].name, err));
        ECERT_TRY(add_name(ret, config->certificates[i].authority, err));
    }
    for (size_t i = 0; i < config->n_watches; i++)
        ECERT_TRY(add_name(ret, config->watches[i].name, err));
    ECERT_TRY(add_folder(config, ECERT_FOLDER_OWED, ret, err));
    return add_folder(config, ECERT_FOLDER_SENT, ret, err);
}
