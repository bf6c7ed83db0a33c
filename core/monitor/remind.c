#include "core/monitor/remind.h"

#include <stdlib.h>

void ecert_remind_report_clear(struct ecert_remind_report *report)
{
    ecert_findings_clear(&report->findings);
    ecert_telling_clear(&report->telling);
    ecert_telling_clear(&report->digest);
    ecert_strings_clear(&report->notes);
    ecert_strings_clear(&report->errors);
    *report = (struct ecert_remind_report){0};
}

size_t ecert_remind_failures(const struct ecert_remind_report *report)
{
    return report->errors.len + report->telling.failed + report->digest.failed;
}

struct noticing {
    struct ecert_noticing *books;
    struct ecert_remind_report *report;
};

static enum ecert_status notice(void *context, const struct ecert_finding *finding,
                                struct ecert_error *err)
{
    struct noticing *noticing = context;
    bool is_new = false;

    ECERT_TRY(ecert_noticing_add(noticing->books, finding, &is_new, err));
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
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_noticing_free) struct ecert_noticing *books = NULL;
    struct noticing noticing = {.report = report};
    enum ecert_status status = ECERT_OK;
    struct ecert_error end = {0};

    ECERT_TRY(ecert_noticing_begin(context->config, now, &books, &report->notes, err));
    noticing.books = books;
    if (options->also != NULL)
        status = notice(&noticing, options->also, err);
    if (status == ECERT_OK && options->check)
        status = ecert_monitor_run(context, &options->monitor, notice, &noticing, err);
    /* what was noticed so far is kept, whatever ended the check */
    if (ecert_noticing_end(&books, status == ECERT_OK && is_complete(options), &end) != ECERT_OK &&
        status == ECERT_OK) {
        *err = end;
        status = end.status;
    }
    return status;
}

static enum ecert_status digest(struct ecert_context *context, int64_t now,
                                struct ecert_remind_report *report, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) const struct ecert_finding **list = NULL;
    bool due = false;

    ECERT_TRY(ecert_digest_is_due(context->config, now, &due, err));
    if (!due)
        return ECERT_OK;
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
    struct ecert_error check = {0}, send = {0}, week = {0};
    struct ecert_remind_report report = {0};
    enum ecert_status status = ECERT_OK;

    if ((options->check || options->also != NULL) &&
        check_and_notice(context, options, now, &report, &check) != ECERT_OK)
        status = add_error(&report, "check", &check, err);
    ecert_findings_sort(&report.findings);
    if (ecert_reminders_send(context, now, options->force, &report.telling, &send) != ECERT_OK &&
        status == ECERT_OK)
        status = add_error(&report, "reminders", &send, err);
    /* a digest of half a check would say that all else is well */
    if (options->digest && options->check && check.status == ECERT_OK &&
        digest(context, now, &report, &week) != ECERT_OK && status == ECERT_OK)
        status = add_error(&report, "digest", &week, err);
    if (status != ECERT_OK)
        ecert_remind_report_clear(&report);
    else
        *ret = report;
    return status;
}
