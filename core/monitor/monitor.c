#include "core/monitor/monitor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/nearest.h"
#include "core/flow/source.h"
#include "core/monitor/monitor_parts.h"
#include "core/monitor/thresholds.h"

/* ---- names ---- */

bool monitor_wants(const struct monitor *monitor, const char *name)
{
    const char *const *names = monitor->options->names;

    if (names == NULL || names[0] == NULL)
        return true;
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool wants_everything(const struct monitor *monitor)
{
    return monitor->options->names == NULL || monitor->options->names[0] == NULL;
}

static enum ecert_status check_names(const struct monitor *monitor, struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings known = {0};

    if (wants_everything(monitor))
        return ECERT_OK;
    for (size_t i = 0; i < config->n_certificates; i++)
        ECERT_TRY(ecert_strings_add(&known, config->certificates[i].name, err));
    for (size_t i = 0; i < config->n_watches; i++)
        ECERT_TRY(ecert_strings_add(&known, config->watches[i].name, err));
    for (const char *const *name = monitor->options->names; *name != NULL; name++) {
        if (ecert_strings_contain(&known, *name))
            continue;
        const char *nearest = ecert_nearest_word(*name, ecert_strings_array(&known));
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' has no certificate and no watch named '%s'%s%s%s; `ecert "
                               "check --verbose` lists them",
                               config->file, *name, nearest == NULL ? "" : " (did you mean '",
                               nearest == NULL ? "" : nearest, nearest == NULL ? "" : "'?)");
    }
    return ECERT_OK;
}

/* ---- findings ---- */

enum ecert_status monitor_tell(const struct monitor *monitor, struct ecert_finding *finding,
                               struct ecert_error *err)
{
    finding->urgency = ecert_watched_urgency(finding->watched, finding->condition);
    finding->threshold = ECERT_NO_THRESHOLD;
    ecert_finding_judge_dates(finding, &monitor->config->reminders, monitor->now);
    const enum ecert_status status = monitor->call(monitor->call_context, finding, err);
    ecert_finding_clear(finding);
    return status;
}

/*
 * Printed, escaped, cut in the middle, owned: what a path and a sentence end with tells them apart.
 */
static enum ecert_status print(char **ret, struct ecert_error *err, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
static enum ecert_status print(char **ret, struct ecert_error *err, const char *fmt, va_list args)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    char *plain = NULL;

    if (vasprintf(&plain, fmt, args) < 0)
        return ecert_error_nomem(err);
    ecert_finding_add_text(&escaped, plain, ECERT_SENTENCE_MAX, ECERT_SENTENCE_MAX / 4);
    free(plain);
    if (escaped.failed)
        return ecert_error_nomem(err);
    return ecert_text_copy(ecert_buffer_view(&escaped), ret, err);
}

enum ecert_status monitor_begin(enum ecert_watched watched, const char *name,
                                const struct ecert_watch_settings *settings,
                                struct ecert_finding *ret, struct ecert_error *err, const char *fmt,
                                ...)
{
    ECERT_AUTO(ecert_finding_clear)
    struct ecert_finding finding = {.watched = watched, .settings = settings};
    va_list args;

    ECERT_TRY(ecert_text_copy(ecert_view_of(name), &finding.name, err));
    va_start(args, fmt);
    const enum ecert_status status = print(&finding.where, err, fmt, args);
    va_end(args);
    ECERT_TRY(status);
    *ret = finding;
    finding = (struct ecert_finding){0};
    return ECERT_OK;
}

enum ecert_status monitor_detail(struct ecert_finding *finding, struct ecert_error *err,
                                 const char *fmt, ...)
{
    char *detail = NULL;
    va_list args;

    va_start(args, fmt);
    const enum ecert_status status = print(&detail, err, fmt, args);
    va_end(args);
    ECERT_TRY(status);
    free(finding->detail);
    finding->detail = detail;
    return ECERT_OK;
}

enum ecert_status monitor_check_dates(struct ecert_finding *finding, struct ecert_error *err)
{
    if (finding->condition != ECERT_CONDITION_FINE ||
        (finding->not_before != 0 && finding->not_after != 0))
        return ECERT_OK;
    finding->condition = ECERT_CONDITION_UNDECODABLE;
    return monitor_detail(finding, err, "its dates cannot be read");
}

enum ecert_status monitor_describe(struct ecert_finding *finding, const X509 *certificate,
                                   struct ecert_error *err)
{
    char *title = NULL;

    ECERT_TRY(ecert_served_title(certificate, &title, err));
    free(finding->title);
    finding->title = title;
    ecert_certificate_serial(certificate, finding->serial);
    ecert_certificate_sha256(certificate, finding->sha256);
    finding->not_before = ecert_certificate_not_before(certificate);
    finding->not_after = ecert_certificate_not_after(certificate);
    return monitor_check_dates(finding, err);
}

enum ecert_condition monitor_condition_of(enum ecert_status status)
{
    switch (status) {
    case ECERT_OK:
        return ECERT_CONDITION_FINE;
    case ECERT_E_NOT_FOUND:
        return ECERT_CONDITION_MISSING;
    case ECERT_E_CRYPTO:
        return ECERT_CONDITION_UNDECODABLE;
    case ECERT_E_NETWORK:
    case ECERT_E_TIMEOUT:
        return ECERT_CONDITION_NO_ANSWER;
    case ECERT_E_NOMEM:
    case ECERT_E_IO:
    case ECERT_E_CONFIG:
    case ECERT_E_REFUSED:
    case ECERT_E_PLUGIN:
    case ECERT_E_CHANGED:
    case ECERT_E_COMMAND:
    case ECERT_E_BUSY:
    case ECERT_E_UNSUPPORTED:
        break;
    }
    return ECERT_CONDITION_UNREADABLE;
}

/* ---- the inbox ---- */

static enum ecert_status tell_waiting(const struct monitor *monitor, const char *name,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    struct ecert_error ignored = {0}; /* `ecert run` will say why it cannot be opened */
    char date[ECERT_TIME_TEXT_LEN];
    int64_t from = 0;

    ECERT_TRY(monitor_begin(ECERT_WATCHED_INBOX, name, NULL, &finding, err, "%s/inbox/%s",
                            monitor->config->state_dir, name));
    finding.condition = ECERT_CONDITION_WAITING;
    if (ecert_source_valid_from(monitor->config->state_dir, name, &from, &ignored) == ECERT_OK &&
        from > monitor->now) {
        ecert_clock_date(from, date);
        finding.not_before = from;
        ECERT_TRY(monitor_detail(&finding, err, "valid from %s; `ecert run` takes it then", date));
    }
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status look_into_inbox(const struct monitor *monitor, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings waiting = {0};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    struct ecert_error why = {0};

    if (ecert_source_waiting(monitor->config->state_dir, &waiting, &why) != ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        if (why.sys_errno == ENOENT) /* nothing was ever run: certificates are told as such */
            return ECERT_OK;
        ECERT_TRY(monitor_begin(ECERT_WATCHED_INBOX, "inbox", NULL, &finding, err, "%s/inbox",
                                monitor->config->state_dir));
        finding.condition = ECERT_CONDITION_UNREADABLE;
        ECERT_TRY(monitor_detail(&finding, err, "%s", why.text));
        return monitor_tell(monitor, &finding, err);
    }
    for (size_t i = 0; i < waiting.len; i++)
        ECERT_TRY(tell_waiting(monitor, waiting.items[i], err));
    return ECERT_OK;
}

/* ---- all of it ---- */

static void monitor_clear(struct monitor *monitor)
{
    monitor_endpoints_clear(monitor); /* borrows from the deployments */
    ecert_deployments_clear(&monitor->deployments);
    ecert_served_sites_clear(&monitor->sites);
    monitor_certificates_clear(monitor);
    monitor_authorities_clear(monitor);
}

enum ecert_status ecert_monitor_run(struct ecert_context *context,
                                    const struct ecert_monitor_options *options,
                                    ecert_finding_fn *call, void *call_context,
                                    struct ecert_error *err)
{
    ECERT_AUTO(monitor_clear)
    struct monitor monitor = {.context = context,
                              .config = context->config,
                              .options = options,
                              .call = call,
                              .call_context = call_context,
                              .now = ecert_clock_now()};

    ECERT_TRY(check_names(&monitor, err));
    ECERT_TRY(monitor_choose(&monitor, err));
    ECERT_TRY(monitor_absent(&monitor, err));
    ECERT_TRY(monitor_select_targets(&monitor, err));
    ECERT_TRY(monitor_authorities(&monitor, err));
    ECERT_TRY(monitor_certificates(&monitor, err));
    ECERT_TRY(monitor_requests(&monitor, err));
    ECERT_TRY(monitor_targets(&monitor, err));
    ECERT_TRY(monitor_tell_chains(&monitor, err));
    ECERT_TRY(monitor_tell_unknown(&monitor, err));
    ECERT_TRY(monitor_files(&monitor, err));
    ECERT_TRY(monitor_endpoints(&monitor, err));
    ECERT_TRY(monitor_look(&monitor, err));
    if (!wants_everything(&monitor))
        return ECERT_OK;
    ECERT_TRY(look_into_inbox(&monitor, err));
    return monitor_refused(&monitor, err);
}
