/* Requests that wait for their certificate, and the copies of their keys. */
#include "core/base/clock.h"
#include "core/flow/requests_left.h"
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

/* Those of the run. */
struct copies {
    struct ecert_backup_kit *kit; /* who shall open them; NULL: not known, and not judged */
    size_t former;                /* that others can open */
    struct ecert_strings places;  /* the configured ones; those elsewhere are not looked at */
    struct monitor_opened opened; /* which one is opened, of keys that are needed */
    struct ecert_strings gone; /* places that were told: nothing more is said of what is in them */
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
    char date[ECERT_TIME_TEXT_LEN], back[ECERT_TIME_TEXT_LEN];

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
    if (request->refused.when != 0) {
        ecert_clock_date(request->refused.when, back);
        return monitor_detail(finding, err, "asked for on %s; it came back on %s, refused: %s",
                              date, back, request->refused.why);
    }
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

/* Whole, and for those who were configured before: told once for all of them. */
static bool is_former(struct copies *copies, const struct copy *copy, enum ecert_backup_state state)
{
    const bool former = copies->kit != NULL &&
                        (state == ECERT_BACKUP_OPENS || state == ECERT_BACKUP_UNCHANGED ||
                         state == ECERT_BACKUP_SHUT) &&
                        ecert_backup_is_former(copies->kit, copy->backup);

    copies->former += former;
    return former;
}

static enum ecert_status tell_copy(const struct monitor *monitor, struct copies *copies,
                                   const struct copy *copy, struct ecert_error *err)
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
        const bool former = is_former(copies, copy, state);
        /* one that does not open is looked at until somebody has done something about it */
        if (copy->open && state != ECERT_BACKUP_UNCHANGED && (state != ECERT_BACKUP_SHUT || former))
            monitor_opened_note(monitor, &copies->opened);
        finding.condition = former ? ECERT_CONDITION_FINE : condition_of(state);
        if (finding.condition != ECERT_CONDITION_FINE && words != NULL)
            ECERT_TRY(monitor_detail(&finding, err, "%s", words));
    }
    return monitor_tell(monitor, &finding, err);
}

/* A configured place without a copy: where it would lie. */
static enum ecert_status tell_no_copy(const struct monitor *monitor,
                                      const struct ecert_certificate_config *entry,
                                      const struct ecert_request *request, const char *place,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_backup_path(request, place, &path, err));
    ECERT_TRY(monitor_begin(ECERT_WATCHED_BACKUP, entry->name, &entry->settings, &finding, err,
                            "%s", path));
    finding.condition = ECERT_CONDITION_MISSING;
    ECERT_TRY(monitor_detail(&finding, err,
                             "this place has no copy of the key; 'ecert backup' writes it"));
    return monitor_tell(monitor, &finding, err);
}

/*
 * One that was never shown is told of as such, and of one that was made with --no-backup there
 * shall be none.
 */
static bool shall_have_copies(const struct ecert_request *request)
{
    return request->state != ECERT_REQUEST_MADE &&
           (!request->without_backup || request->n_backups > 0);
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

/*
 * The bytes of every copy are compared.  To open one costs much more, as a passphrase is made
 * expensive to try: of all of them one is opened in a run, another one each day, so that a lost or
 * changed passphrase is found out.
 */
static void consider_copies(const struct monitor *monitor, const struct ecert_request *request,
                            struct copies *copies)
{
    for (size_t i = 0; i < request->n_backups; i++)
        if (ecert_backup_is_placed(&request->backups[i], &copies->places))
            monitor_opened_consider(monitor, &copies->opened, &request->backups[i]);
}

/* The keys in use that no request made; none, where that cannot be said, which is told once. */
static enum ecert_status keys_of(const struct monitor *monitor,
                                 const struct ecert_certificate_config *entry,
                                 const struct ecert_requests *requests, bool tell,
                                 struct ecert_requests *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    struct ecert_error why = {0};

    if (ecert_backup_keys(monitor->config, entry, requests, ret, &why) == ECERT_OK)
        return ECERT_OK;
    if (why.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    if (!tell)
        return ECERT_OK;
    ECERT_TRY(monitor_begin(ECERT_WATCHED_BACKUP, entry->name, &entry->settings, &finding, err,
                            "its backups"));
    finding.condition = ECERT_CONDITION_UNREADABLE;
    ECERT_TRY(monitor_detail(&finding, err, "%s", why.text));
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status tell_requests(const struct monitor *monitor,
                                       const struct ecert_certificate_config *entry,
                                       struct copies *copies, struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests keys = {0};
    const struct ecert_requests *requests = NULL;

    ECERT_TRY(requests_of(monitor, entry, &requests, err));
    if (requests != NULL)
        ECERT_TRY(keys_of(monitor, entry, requests, true, &keys, err));
    for (size_t i = 0; i < keys.n; i++)
        consider_copies(monitor, &keys.items[i], copies);
    for (size_t i = 0; requests != NULL && i < requests->n; i++) {
        const struct ecert_request *request = &requests->items[i];
        ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

        if (is_needed(monitor, entry, request))
            consider_copies(monitor, request, copies);
        if (!ecert_request_is_pending(request)) /* damaged or not: nothing is wanted of it */
            continue;
        ECERT_TRY(monitor_begin(ECERT_WATCHED_REQUEST, entry->name, &entry->settings, &finding, err,
                                "request %s", request->id));
        ECERT_TRY(judge(monitor, request, &finding, err));
        ECERT_TRY(monitor_tell(monitor, &finding, err));
    }
    return ECERT_OK;
}

/* One whose certificate has no entry any more is nobody's, whatever its age. */
static enum ecert_status tell_left(const struct monitor *monitor, struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests left = {0};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    struct ecert_error why = {0};

    if (ecert_requests_left(monitor->config, &left, &why) != ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        ECERT_TRY(monitor_begin(ECERT_WATCHED_REQUEST, "requests", NULL, &finding, err,
                                "%s/certificates", monitor->config->state_dir));
        finding.condition = ECERT_CONDITION_UNREADABLE;
        ECERT_TRY(monitor_detail(&finding, err, "%s", why.text));
        return monitor_tell(monitor, &finding, err);
    }
    for (size_t i = 0; i < left.n; i++) {
        char date[ECERT_TIME_TEXT_LEN];

        if (!ecert_request_is_pending(&left.items[i]))
            continue;
        ECERT_TRY(monitor_begin(ECERT_WATCHED_REQUEST, left.items[i].name, NULL, &finding, err,
                                "request %s", left.items[i].id));
        ecert_clock_date(left.items[i].created, date);
        finding.condition = ECERT_CONDITION_PENDING;
        ECERT_TRY(monitor_detail(&finding, err,
                                 "no entry in the configuration any more; asked for on %s", date));
        ECERT_TRY(monitor_tell(monitor, &finding, err));
    }
    return ECERT_OK;
}

/* The copies of one key. */
static enum ecert_status tell_copies_of(const struct monitor *monitor,
                                        const struct ecert_certificate_config *entry,
                                        const struct ecert_request *request, struct copies *copies,
                                        struct ecert_error *err)
{
    bool is_gone = false;

    for (size_t i = 0; i < request->n_backups; i++) {
        if (!ecert_backup_is_placed(&request->backups[i], &copies->places))
            continue;
        const struct copy copy = {entry, request, &request->backups[i],
                                  monitor_opened_is_chosen(&copies->opened, &request->backups[i])};
        ECERT_TRY(monitor_tell_place(monitor, copy.backup->path, &copies->gone, &is_gone, err));
        if (is_gone && copy.open) /* it had its turn: the next one is not to wait for its place */
            monitor_opened_note(monitor, &copies->opened);
        if (!is_gone)
            ECERT_TRY(tell_copy(monitor, copies, &copy, err));
    }
    for (size_t i = 0; i < copies->places.len && shall_have_copies(request); i++)
        if (ecert_backup_in(request, copies->places.items[i]) == NULL)
            ECERT_TRY(tell_no_copy(monitor, entry, request, copies->places.items[i], err));
    return ECERT_OK;
}

static enum ecert_status tell_copies(const struct monitor *monitor,
                                     const struct ecert_certificate_config *entry,
                                     struct copies *copies, struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests keys = {0};
    struct ecert_requests *requests = NULL;
    struct ecert_error told = {0};

    if (ecert_context_requests(monitor->context, entry, &requests, &told) != ECERT_OK)
        return ECERT_OK;
    for (size_t i = 0; i < requests->n; i++)
        if (is_needed(monitor, entry, &requests->items[i]))
            ECERT_TRY(tell_copies_of(monitor, entry, &requests->items[i], copies, err));
    ECERT_TRY(keys_of(monitor, entry, requests, false, &keys, err));
    for (size_t i = 0; i < keys.n; i++)
        ECERT_TRY(tell_copies_of(monitor, entry, &keys.items[i], copies, err));
    return ECERT_OK;
}

/* Places that are one directory: said once, under the first certificate that is looked at. */
static enum ecert_status tell_places(const struct monitor *monitor, const char *why,
                                     struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    size_t i = 0;

    while (i < config->n_certificates && !monitor->certificates[i].wanted)
        i++;
    if (i == config->n_certificates)
        return ECERT_OK;
    ECERT_TRY(monitor_begin(ECERT_WATCHED_BACKUP, config->certificates[i].name,
                            &config->certificates[i].settings, &finding, err, "its backups"));
    finding.condition = ECERT_CONDITION_UNREADABLE;
    ECERT_TRY(monitor_detail(&finding, err, "%s", why));
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status tell_former(const struct monitor *monitor, size_t n,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    if (n == 0)
        return ECERT_OK;
    ECERT_TRY(monitor_begin(ECERT_WATCHED_BACKUP, "backup", NULL, &finding, err,
                            "copies for the present recipients"));
    finding.condition = ECERT_CONDITION_MISSING;
    /* whole sentences: words_sentence.c translates them */
    ECERT_TRY(n == 1 ? monitor_detail(&finding, err,
                                      "one copy is readable only by the former recipients or "
                                      "under the former passphrase; 'ecert backup' writes a new "
                                      "one beside it")
                     : monitor_detail(&finding, err,
                                      "%zu copies are readable only by the former recipients or "
                                      "under the former passphrase; 'ecert backup' writes a new "
                                      "one beside each",
                                      n));
    return monitor_tell(monitor, &finding, err);
}

static enum ecert_status tell_all(const struct monitor *monitor, struct copies *copies,
                                  struct ecert_error *err)
{
    const struct ecert_config *config = monitor->config;
    struct ecert_error why = {0};

    if (ecert_backup_places(config, &copies->places, &why) != ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        ECERT_TRY(tell_places(monitor, why.text, err));
    }
    monitor_opened_load(monitor, &copies->opened);
    for (size_t i = 0; i < config->n_certificates; i++)
        if (monitor->certificates[i].wanted)
            ECERT_TRY(tell_requests(monitor, &config->certificates[i], copies, err));
    /* a recipient or passphrase that cannot be read is told by `ecert config` */
    if (copies->opened.n > 0 && config->backup.wanted &&
        ecert_backup_kit_read(config, &copies->kit, &why) == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < config->n_certificates; i++)
        if (monitor->certificates[i].wanted)
            ECERT_TRY(tell_copies(monitor, &config->certificates[i], copies, err));
    ECERT_TRY(tell_former(monitor, copies->former, err));
    if (monitor->options->names != NULL && monitor->options->names[0] != NULL)
        return ECERT_OK;
    return tell_left(monitor, err);
}

enum ecert_status monitor_requests(const struct monitor *monitor, struct ecert_error *err)
{
    struct copies copies = {0};
    const enum ecert_status status = tell_all(monitor, &copies, err);

    ecert_backup_kit_close(&copies.kit);
    monitor_opened_clear(&copies.opened);
    ecert_strings_clear(&copies.places);
    ecert_strings_clear(&copies.gone);
    return status;
}
