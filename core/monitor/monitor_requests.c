/* Requests that wait for their certificate, and the copies of their keys. */
#include "core/base/clock.h"
#include "core/flow/requests.h"
#include "core/flow/store.h"
#include "core/issue/backup.h"
#include "core/monitor/monitor_parts.h"

#define DAY 86400

/* Who asked for everything at once waits for all of it, and wants to know sooner. */
#define EMERGENCY_DAYS 1

/* One copy of one key, in the run that looks at them. */
struct copy {
    const struct ecert_certificate_config *entry;
    const struct ecert_request *request;
    const struct ecert_request_backup *backup;
    bool open; /* it is opened, too, if the configuration has what opens it */
};

/* ---- requests ---- */

/* Is its key there, and nobody else's?  What is in it was looked at when it was made. */
static enum ecert_status look_for_key(const struct monitor *monitor,
                                      const struct ecert_request *request, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};

    return ecert_requests_key_file(monitor->config->state_dir, request, &key, err);
}

static int patience(const struct monitor *monitor, const struct ecert_request *request)
{
    return request->reason != NULL ? EMERGENCY_DAYS : monitor->config->reminders.requests_after;
}

static enum ecert_status judge(const struct monitor *monitor, const struct ecert_request *request,
                               struct ecert_finding *finding, struct ecert_error *err)
{
    struct ecert_error why = {0};
    char date[ECERT_TIME_TEXT_LEN];

    if (look_for_key(monitor, request, &why) != ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        finding->condition = monitor_condition_of(why.status);
        return monitor_detail(finding, err, "%s", why.text);
    }
    if (request->problem != NULL) {
        finding->condition = ECERT_CONDITION_UNDECODABLE;
        return monitor_detail(finding, err, "%s", request->problem);
    }
    ecert_clock_date(request->created, date);
    if (request->state == ECERT_REQUEST_MADE) {
        finding->condition = ECERT_CONDITION_NOT_BACKED_UP;
        return monitor_detail(finding, err, "made on %s, and never shown", date);
    }
    if (monitor->now - request->created >= (int64_t)patience(monitor, request) * DAY)
        finding->condition = ECERT_CONDITION_PENDING;
    return monitor_detail(finding, err, "asked for on %s", date);
}

/* ---- copies of keys ---- */

static enum ecert_condition condition_of(enum ecert_backup_state state)
{
    switch (state) {
    case ECERT_BACKUP_OPENS:
    case ECERT_BACKUP_UNCHANGED:
        break;
    case ECERT_BACKUP_MISSING:
        return ECERT_CONDITION_MISSING;
    case ECERT_BACKUP_UNREADABLE:
        return ECERT_CONDITION_UNREADABLE;
    case ECERT_BACKUP_CHANGED:
    case ECERT_BACKUP_SHUT:
        return ECERT_CONDITION_UNDECODABLE;
    }
    return ECERT_CONDITION_FINE;
}

static enum ecert_status tell_copy(const struct monitor *monitor, const struct copy *copy,
                                   struct ecert_error *err)
{
    static const struct ecert_backup_opener by_configuration = {0};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_auto_free) char *words = NULL;
    enum ecert_backup_state state = ECERT_BACKUP_UNCHANGED;
    struct ecert_error why = {0};

    ECERT_TRY(monitor_begin(ECERT_WATCHED_BACKUP, copy->entry->name, &copy->entry->settings,
                            &finding, err, "%s", copy->backup->path));
    if (ecert_backup_check(monitor->config, copy->request, copy->backup,
                           copy->open ? &by_configuration : NULL, &state, &words,
                           &why) != ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        finding.condition = ECERT_CONDITION_UNREADABLE;
        ECERT_TRY(monitor_detail(&finding, err, "%s", why.text));
    } else {
        finding.condition = condition_of(state);
        if (finding.condition != ECERT_CONDITION_FINE && words != NULL)
            ECERT_TRY(monitor_detail(&finding, err, "%s", words));
    }
    return monitor_tell(monitor, &finding, err);
}

/* Whose key is still needed: a pending request's, and that of the newest generation. */
static bool is_needed(const struct monitor *monitor, const struct ecert_certificate_config *entry,
                      const struct ecert_request *request)
{
    const struct monitor_certificate *certificate =
        &monitor->certificates[entry - monitor->config->certificates];

    return ecert_request_is_pending(request) ||
           (request->state == ECERT_REQUEST_ISSUED && request->generation != 0 &&
            request->generation == certificate->newest.number);
}

/*
 * The bytes of every copy are compared.  To open one costs much more, as a passphrase is made
 * expensive to try: of all of them one is opened in a run, another one each day, so that a lost or
 * changed passphrase is found out.
 */
static bool is_opened_today(const struct monitor *monitor, size_t index, size_t n)
{
    return index == (size_t)(monitor->now / DAY) % n;
}

/* ---- all of them ---- */

/* The requests of a certificate, borrowed; NULL: they cannot be read, which is told. */
static enum ecert_status requests_of(const struct monitor *monitor,
                                     const struct ecert_certificate_config *entry,
                                     const struct ecert_requests **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    struct ecert_requests *requests = NULL;
    struct ecert_error why = {0};

    *ret = NULL;
    if (ecert_context_requests(monitor->context, entry, &requests, &why) == ECERT_OK) {
        *ret = requests;
        return ECERT_OK;
    }
    if (why.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    ECERT_TRY(monitor_begin(ECERT_WATCHED_REQUEST, entry->name, &entry->settings, &finding, err,
                            "its requests"));
    finding.condition = ECERT_CONDITION_UNREADABLE;
    ECERT_TRY(monitor_detail(&finding, err, "%s", why.text));
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status tell_requests(const struct monitor *monitor,
                                       const struct ecert_certificate_config *entry, size_t *ret_n,
                                       struct ecert_error *err)
{
    const struct ecert_requests *requests = NULL;

    ECERT_TRY(requests_of(monitor, entry, &requests, err));
    for (size_t i = 0; requests != NULL && i < requests->n; i++) {
        const struct ecert_request *request = &requests->items[i];
        ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

        if (is_needed(monitor, entry, request))
            *ret_n += request->n_backups;
        if (!ecert_request_is_pending(request) && request->problem == NULL)
            continue;
        ECERT_TRY(monitor_begin(ECERT_WATCHED_REQUEST, entry->name, &entry->settings, &finding, err,
                                "request %s", request->id));
        ECERT_TRY(judge(monitor, request, &finding, err));
        ECERT_TRY(monitor_tell(monitor, &finding, err));
    }
    return ECERT_OK;
}

/* *index counts the copies of the run; `gone`: the places that were told. */
static enum ecert_status tell_copies(const struct monitor *monitor,
                                     const struct ecert_certificate_config *entry, size_t n,
                                     size_t *index, struct ecert_strings *gone,
                                     struct ecert_error *err)
{
    struct ecert_requests *requests = NULL;
    struct ecert_error told = {0};

    if (ecert_context_requests(monitor->context, entry, &requests, &told) != ECERT_OK)
        return ECERT_OK;
    for (size_t i = 0; i < requests->n; i++) {
        const struct ecert_request *request = &requests->items[i];

        for (size_t k = 0; is_needed(monitor, entry, request) && k < request->n_backups; k++) {
            const struct copy copy = {entry, request, &request->backups[k],
                                      is_opened_today(monitor, *index, n)};

            bool is_gone = false;

            (*index)++;
            ECERT_TRY(monitor_tell_place(monitor, copy.backup->path, gone, &is_gone, err));
            if (!is_gone)
                ECERT_TRY(tell_copy(monitor, &copy, err));
        }
    }
    return ECERT_OK;
}

enum ecert_status monitor_requests(const struct monitor *monitor, struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings gone = {0}; /* places */
    size_t n = 0, index = 0;

    for (size_t i = 0; i < config->n_certificates; i++)
        if (monitor->certificates[i].wanted)
            ECERT_TRY(tell_requests(monitor, &config->certificates[i], &n, err));
    for (size_t i = 0; i < config->n_certificates && n > 0; i++)
        if (monitor->certificates[i].wanted)
            ECERT_TRY(tell_copies(monitor, &config->certificates[i], n, &index, &gone, err));
    return ECERT_OK;
}
