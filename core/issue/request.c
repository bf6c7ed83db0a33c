#include "core/issue/request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/issue/new_key.h"
#include "core/issue/request_parts.h"

/*
 * So many keys are made before their requests are finished: enough for every processor, few enough
 * that an interrupted run has finished nearly all that it began.
 */
#define AT_A_TIME 64

/* A batch that was interrupted is taken up again within this time, under the same reason. */
#define BATCH_GOES_ON ((int64_t)86400)

void ecert_request_outcomes_clear(struct ecert_request_outcomes *outcomes)
{
    for (size_t i = 0; i < outcomes->n; i++) {
        ecert_request_clear(&outcomes->items[i].request);
        ecert_strings_clear(&outcomes->items[i].notes);
    }
    free(outcomes->items);
    *outcomes = (struct ecert_request_outcomes){0};
}

static void run_clear(struct request_run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        ecert_request_clear(&run->works[i].stale);
        EVP_PKEY_free(run->works[i].present);
    }
    free(run->works);
    free(run->batch);
    free(run->weak_backups);
    ecert_backup_kit_close(&run->kit);
    *run = (struct request_run){0};
}

static void failed(struct request_work *work, const struct ecert_error *why)
{
    work->outcome->error = *why;
    work->step = REQUEST_NOTHING;
}

/* ---- which names ---- */

static bool is_chosen(const struct ecert_request_outcomes *outcomes,
                      const struct ecert_certificate_config *certificate)
{
    for (size_t i = 0; i < outcomes->n; i++)
        if (outcomes->items[i].certificate == certificate)
            return true;
    return false;
}

static enum ecert_status choose_named(const struct ecert_config *config, const char *const *names,
                                      struct ecert_request_outcomes *outcomes,
                                      struct ecert_error *err)
{
    for (; *names != NULL; names++) {
        ECERT_TRY(ecert_config_check_name(config, *names, err));
        const struct ecert_certificate_config *certificate =
            ecert_config_certificate(config, *names);
        if (!is_chosen(outcomes, certificate))
            outcomes->items[outcomes->n++].certificate = certificate;
    }
    return ECERT_OK;
}

static enum ecert_status choose(const struct ecert_config *config, const char *const *names,
                                struct ecert_request_outcomes *outcomes, struct ecert_error *err)
{
    outcomes->items = calloc(config->n_certificates + 1, sizeof *outcomes->items);
    if (outcomes->items == NULL)
        return ecert_error_nomem(err);
    if (names != NULL)
        return choose_named(config, names, outcomes, err);
    for (size_t i = 0; i < config->n_certificates; i++)
        outcomes->items[outcomes->n++].certificate = &config->certificates[i];
    return ECERT_OK;
}

/* ---- batches ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* That of a pending request if it is from the same emergency: the run before was interrupted. */
static const char *batch_to_go_on(const struct request_run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        const struct ecert_request *request = &run->works[i].outcome->request;

        if (run->works[i].outcome->again && request->batch != NULL &&
            same_text(request->reason, run->wish->reason) &&
            run->wish->now - request->created < BATCH_GOES_ON)
            return request->batch;
    }
    return NULL;
}

static enum ecert_status set_batch(struct request_run *run, struct ecert_error *err)
{
    const time_t now = (time_t)run->wish->now;
    const char *before = batch_to_go_on(run);
    char moment[32];
    struct tm tm;

    if (run->wish->names != NULL)
        return ECERT_OK;
    if (gmtime_r(&now, &tm) == NULL || strftime(moment, sizeof moment, "%Y%m%dT%H%M%SZ", &tm) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "%lld is no time", (long long)now);
    ECERT_TRY(ecert_text_copy(ecert_view_of(before != NULL ? before : moment), &run->batch, err));
    for (size_t i = 0; i < run->n; i++)
        if (run->works[i].step == REQUEST_NEW)
            ECERT_TRY(ecert_text_copy(ecert_view_of(run->batch),
                                      &run->works[i].outcome->request.batch, err));
    return ECERT_OK;
}

/* Is there something of this run that a request of before lacks?  An emergency is its own batch. */
static enum ecert_status join(const struct request_run *run, struct ecert_request *request,
                              bool *ret_changed, struct ecert_error *err)
{
    const bool calls = run->wish->reason != NULL && request->reason == NULL;
    const bool joins = run->batch != NULL && (request->batch == NULL || calls);

    *ret_changed = calls || joins;
    if (calls)
        ECERT_TRY(ecert_text_copy(ecert_view_of(run->wish->reason), &request->reason, err));
    if (!joins)
        return ECERT_OK;
    free(request->batch);
    request->batch = NULL;
    return ecert_text_copy(ecert_view_of(run->batch), &request->batch, err);
}

/* What was pending before is waited for in this emergency like the others: its table has it. */
static enum ecert_status join_pending(struct request_run *run, struct ecert_error *err)
{
    for (size_t i = 0; i < run->n; i++) {
        struct request_work *work = &run->works[i];
        struct ecert_request *request = &work->outcome->request;
        struct ecert_error why = {0};
        bool changed = false;

        if (!work->outcome->again || work->outcome->error.status != ECERT_OK)
            continue;
        ECERT_TRY(join(run, request, &changed, err));
        if (changed &&
            ecert_requests_save(run->context->config->state_dir, request, &why) != ECERT_OK)
            failed(work, &why);
    }
    return ECERT_OK;
}

/* ---- backups ---- */

static bool needs_backup(const struct request_run *run)
{
    for (size_t i = 0; i < run->n; i++)
        if (run->works[i].step != REQUEST_NOTHING)
            return !run->wish->without_backup;
    return false;
}

/* A place on the same disk is lost with it. */
static enum ecert_status look_at_places(struct request_run *run, struct ecert_error *err)
{
    const struct ecert_config *config = run->context->config;
    struct stat state, place;

    if (stat(config->state_dir, &state) != 0)
        return ECERT_OK;
    for (size_t i = 0; i < config->backup.places.len; i++)
        if (stat(config->backup.places.items[i], &place) != 0 || place.st_dev != state.st_dev)
            return ECERT_OK;
    return ecert_text_format(&run->weak_backups, err,
                             "every backup is on the same file system as '%s': a disk that is lost "
                             "takes key and backups with it",
                             config->state_dir);
}

static enum ecert_status open_kit(struct request_run *run, struct ecert_error *err)
{
    const struct ecert_config *config = run->context->config;

    if (!needs_backup(run))
        return ECERT_OK;
    if (!config->backup.wanted)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "no backup of keys is configured, and a certificate whose key is "
                               "lost is useless: write the group 'backup' into '%s', or say "
                               "--no-backup",
                               config->file);
    ECERT_TRY(ecert_backup_kit_open(config, &run->kit, err));
    return look_at_places(run, err);
}

/* ---- steps 2 and 3: keys and CSRs, on disk ---- */

/* What was made for another order and never shown is given up before there is a new one. */
static void give_up_stale(struct request_run *run, struct request_work *work)
{
    struct ecert_error why = {0};

    if (work->stale.id == NULL)
        return;
    work->stale.state = ECERT_REQUEST_CANCELLED;
    work->stale.closed = run->wish->now;
    if (ecert_requests_save(run->context->config->state_dir, &work->stale, &why) != ECERT_OK)
        failed(work, &why);
}

static void keep(struct request_run *run, struct request_work *work, EVP_PKEY *key, bool reused)
{
    struct ecert_error why = {0};

    if (request_keep(run, work, key, reused, &why) == ECERT_OK)
        work->step = REQUEST_FINISH;
    else
        failed(work, &why);
}

struct making {
    struct request_run *run;
    struct request_work *works;
    size_t n;
};

/* One that fails must not stop the others, so this never does. */
static enum ecert_status keep_new(void *context, size_t i, EVP_PKEY *key, struct ecert_error *err)
{
    const struct making *making = context;

    (void)err;
    if (key != NULL)
        keep(making->run, &making->works[i], key, false);
    return ECERT_OK;
}

static void make_keys(struct request_run *run, struct request_work *works, size_t n)
{
    const struct ecert_key_config *configs[AT_A_TIME] = {NULL};
    struct making making = {run, works, n};
    struct ecert_error why = {0};

    for (size_t i = 0; i < n; i++) {
        if (works[i].step != REQUEST_NEW)
            continue;
        give_up_stale(run, &works[i]);
        if (works[i].step == REQUEST_NEW && works[i].present != NULL)
            keep(run, &works[i], works[i].present, true);
        if (works[i].step == REQUEST_NEW)
            configs[i] = &works[i].outcome->certificate->key;
    }
    if (ecert_new_keys(configs, n, keep_new, &making, &why) == ECERT_OK)
        return;
    for (size_t i = 0; i < n; i++)
        if (works[i].step == REQUEST_NEW)
            failed(&works[i], &why);
}

/* ---- steps 4 and 5: backed up, and only then shown ---- */

static enum ecert_status back_up(struct request_run *run, struct ecert_request_outcome *outcome,
                                 struct ecert_error *err)
{
    const struct ecert_config *config = run->context->config;
    struct ecert_request *request = &outcome->request;
    struct ecert_error second = {0};

    if (run->kit == NULL) {
        request->without_backup = true;
        return ecert_strings_add(&outcome->notes,
                                 "its key has no backup: if it is lost, the certificate is useless",
                                 err);
    }
    if (run->weak_backups != NULL)
        ECERT_TRY(ecert_strings_add(&outcome->notes, run->weak_backups, err));
    if (ecert_backup_write(run->kit, config, request, err) == ECERT_OK) {
        request->without_backup = false;
        return ECERT_OK;
    }
    /* what went well is remembered; the error that is told is the first one */
    if (ecert_requests_save(config->state_dir, request, &second) != ECERT_OK)
        return ecert_error_wrap(err, "request %s (and it could not be noted: %s)", request->id,
                                second.text);
    return ecert_error_wrap(
        err,
        "request %s is made, but its CSR is not shown yet (the same command goes "
        "on from there)",
        request->id);
}

static enum ecert_status finish(struct request_run *run, struct ecert_request_outcome *outcome,
                                struct ecert_error *err)
{
    ECERT_TRY(back_up(run, outcome, err));
    outcome->request.state = ECERT_REQUEST_OPEN;
    outcome->request.shown = run->wish->now;
    return ecert_requests_save(run->context->config->state_dir, &outcome->request, err);
}

/* Of those that have no copy yet: one that was interrupted may only need to be written elsewhere.
 */
static void seal_ahead(struct request_run *run, const struct request_work *works, size_t n)
{
    const struct ecert_request *requests[AT_A_TIME];
    size_t wanted = 0;

    for (size_t i = 0; i < n; i++)
        if (works[i].step == REQUEST_FINISH && works[i].outcome->request.n_backups == 0)
            requests[wanted++] = &works[i].outcome->request;
    if (run->kit != NULL && wanted > 1)
        ecert_backup_seal_ahead(run->kit, run->context->config, requests, wanted);
}

static void finish_all(struct request_run *run, struct request_work *works, size_t n)
{
    seal_ahead(run, works, n);
    for (size_t i = 0; i < n; i++) {
        struct ecert_error why = {0};

        if (works[i].step == REQUEST_FINISH && finish(run, works[i].outcome, &why) != ECERT_OK)
            failed(&works[i], &why);
        run->done++;
        if (run->wish->progress != NULL)
            run->wish->progress(run->wish->progress_context, run->done, run->n);
    }
}

/* ---- the whole ---- */

static enum ecert_status prepare(struct request_run *run, struct ecert_request_outcomes *outcomes,
                                 struct ecert_error *err)
{
    run->works = calloc(outcomes->n + 1, sizeof *run->works);
    if (run->works == NULL)
        return ecert_error_nomem(err);
    run->n = outcomes->n;
    for (size_t i = 0; i < run->n; i++)
        run->works[i].outcome = &outcomes->items[i];
    for (size_t i = 0; i < run->n; i++)
        ECERT_TRY(request_prepare(run, &run->works[i], err));
    ECERT_TRY(request_note_served(run, err));
    ECERT_TRY(set_batch(run, err));
    ECERT_TRY(open_kit(run, err)); /* nothing is written before it is there */
    return join_pending(run, err);
}

enum ecert_status ecert_request_make(struct ecert_context *context,
                                     const struct ecert_request_wish *wish,
                                     struct ecert_request_outcomes *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_request_outcomes_clear) struct ecert_request_outcomes outcomes = {0};
    ECERT_AUTO(run_clear) struct request_run run = {.context = context, .wish = wish};

    ECERT_TRY(choose(context->config, wish->names, &outcomes, err));
    ECERT_TRY(prepare(&run, &outcomes, err));
    for (size_t i = 0; i < run.n; i += AT_A_TIME) {
        const size_t n = run.n - i < AT_A_TIME ? run.n - i : AT_A_TIME;

        make_keys(&run, &run.works[i], n);
        finish_all(&run, &run.works[i], n);
    }
    *ret = outcomes;
    outcomes = (struct ecert_request_outcomes){0};
    return ECERT_OK;
}
