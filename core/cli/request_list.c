/* `ecert request --list`: what is pending, what is awaited from whom; what of a batch is back. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/paragraph.h"
#include "core/cli/requesting.h"
#include "core/flow/outcome_json.h"
#include "core/flow/requests_left.h"
#include "core/issue/foresee.h"

/* The requests of every certificate that was asked about. */
struct listing {
    struct ecert_requests *loaded; /* one per certificate */
    const struct ecert_certificate_config **certificates;
    size_t n_loaded;
    struct ecert_shown_request *shown; /* those that are listed */
    size_t n;
    size_t unreadable;
};

static void listing_clear(struct listing *listing)
{
    for (size_t i = 0; i < listing->n_loaded; i++)
        ecert_requests_clear(&listing->loaded[i]);
    free(listing->loaded);
    free(listing->certificates);
    free(listing->shown);
    *listing = (struct listing){0};
}

static void load_one(struct ecert_app *app, const struct ecert_certificate_config *certificate,
                     struct listing *listing)
{
    struct ecert_error err = {0};

    if (ecert_requests_load(app->config.state_dir, certificate->name,
                            &listing->loaded[listing->n_loaded], &err) != ECERT_OK) {
        ECERT_AUTO(ecert_auto_free) char *buffer = NULL;

        ecert_complain(app, "%s: %s", ecert_name_shown(certificate->name, &buffer), err.text);
        listing->unreadable++;
        return;
    }
    listing->certificates[listing->n_loaded++] = certificate;
}

/* Those of a certificate without an entry; of all of them where no name is given. */
static enum ecert_status load_left(struct ecert_app *app, const char *name, struct listing *listing,
                                   struct ecert_error *err)
{
    struct ecert_requests *left = &listing->loaded[listing->n_loaded];

    listing->certificates[listing->n_loaded++] = NULL;
    return name == NULL ? ecert_requests_left(&app->config, left, err)
                        : ecert_requests_left_of(&app->config, name, left, err);
}

static enum ecert_status load(struct ecert_app *app, struct listing *listing,
                              struct ecert_error *err)
{
    const char *const *names = app->options.args;
    const size_t most = app->config.n_certificates;
    size_t n = 0;

    while (names[n] != NULL)
        n++;
    listing->loaded = calloc(most + n + 2, sizeof *listing->loaded);
    listing->certificates = calloc(most + n + 2, sizeof *listing->certificates);
    if (listing->loaded == NULL || listing->certificates == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const struct ecert_certificate_config *certificate =
            ecert_config_certificate(&app->config, names[i]);

        if (certificate != NULL)
            load_one(app, certificate, listing);
        else
            ECERT_TRY(load_left(app, names[i], listing, err));
    }
    for (size_t i = 0; n == 0 && i < most; i++)
        load_one(app, &app->config.certificates[i], listing);
    return n == 0 ? load_left(app, NULL, listing, err) : ECERT_OK;
}

/* ---- which ---- */

static bool same_batch(const struct ecert_request *request, const char *batch)
{
    return request->batch != NULL && strcmp(request->batch, batch) == 0;
}

static bool batch_is_pending(const struct listing *listing, const char *batch)
{
    for (size_t i = 0; i < listing->n_loaded; i++)
        for (size_t k = 0; k < listing->loaded[i].n; k++)
            if (same_batch(&listing->loaded[i].items[k], batch) &&
                ecert_request_is_pending(&listing->loaded[i].items[k]))
                return true;
    return false;
}

/* The batches of which something is pending, each once; borrowed. */
struct batches {
    const char **items;
    size_t n;
};

static bool knows(const struct batches *batches, const char *batch)
{
    for (size_t i = 0; i < batches->n; i++)
        if (strcmp(batches->items[i], batch) == 0)
            return true;
    return false;
}

static enum ecert_status find_batches(const struct listing *listing, struct batches *ret,
                                      struct ecert_error *err)
{
    size_t most = 1;

    for (size_t i = 0; i < listing->n_loaded; i++)
        most += listing->loaded[i].n;
    ret->items = calloc(most, sizeof *ret->items);
    if (ret->items == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < listing->n_loaded; i++)
        for (size_t k = 0; k < listing->loaded[i].n; k++) {
            const char *batch = listing->loaded[i].items[k].batch;

            if (batch != NULL && !knows(ret, batch) && batch_is_pending(listing, batch))
                ret->items[ret->n++] = batch;
        }
    return ECERT_OK;
}

/* Pending ones, damaged ones, and those of a batch that is not wholly back; with --all, each. */
static bool is_wanted(const struct ecert_app *app, const struct batches *batches,
                      const struct ecert_request *request)
{
    return app->options.all || request->problem != NULL || ecert_request_is_pending(request) ||
           (request->batch != NULL && knows(batches, request->batch));
}

static enum ecert_status choose(const struct ecert_app *app, const struct batches *batches,
                                struct listing *listing, struct ecert_error *err)
{
    size_t most = 1;

    for (size_t i = 0; i < listing->n_loaded; i++)
        most += listing->loaded[i].n;
    listing->shown = calloc(most, sizeof *listing->shown);
    if (listing->shown == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < listing->n_loaded; i++) {
        const bool several = ecert_requests_pending(&listing->loaded[i]) > 1;

        for (size_t k = 0; k < listing->loaded[i].n; k++) {
            const struct ecert_request *request = &listing->loaded[i].items[k];

            if (is_wanted(app, batches, request))
                listing->shown[listing->n++] =
                    (struct ecert_shown_request){.certificate = listing->certificates[i],
                                                 .request = request,
                                                 .again = true,
                                                 .several = several};
        }
    }
    return ECERT_OK;
}

/* ---- the table ---- */

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text == NULL ? "" : text;
}

/* So wide that every value of the column fits, and its title. */
static int width_of(const json_t *rows, const char *key, const char *title)
{
    size_t width = strlen(title);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const size_t len = strlen(text_of(json_array_get(rows, i), key));
        width = len > width ? len : width;
    }
    return (int)width;
}

/* The same of the names, as people read them. */
static int width_of_names(const json_t *rows)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    size_t width = strlen("NAME");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const char *name = text_of(json_array_get(rows, i), "name");
        const size_t columns = ecert_columns(ecert_name_shown(name, &buffer));

        width = columns > width ? columns : width;
    }
    return (int)width;
}

/* As it is here.  A row has what programs read: UTC. */
static void since_of(const json_t *row, char ret[ECERT_LOCAL_TEXT_LEN])
{
    const char *text = text_of(row, *text_of(row, "closed") == '\0' ? "since" : "closed");
    struct tm tm = {0};

    if (strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL)
        (void)strcpy(ret, "-"); /* a damaged one does not tell */
    else
        ecert_clock_local((int64_t)timegm(&tm), ret);
}

static int width_of_moments(const json_t *rows)
{
    char since[ECERT_LOCAL_TEXT_LEN];
    size_t width = strlen("SINCE");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        since_of(json_array_get(rows, i), since);
        width = strlen(since) > width ? strlen(since) : width;
    }
    return (int)width;
}

static void say_table(const struct ecert_app *app, const json_t *rows)
{
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const int name = width_of_names(rows), id = width_of(rows, "id", "REQUEST"),
              state = width_of(rows, "state", "STATE"), moment = width_of_moments(rows);
    char since[ECERT_LOCAL_TEXT_LEN];

    ecert_say(app, "%-*s  %-*s  %-*s  %-*s  %s", name, "NAME", id, "REQUEST", state, "STATE",
              moment, "SINCE", "AWAITED");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *what = text_of(row, "awaited");
        const char *shown = ecert_name_shown(text_of(row, "name"), &buffer);

        since_of(row, since);
        ecert_say(app, "%s%*s  %-*s  %-*s  %-*s  %s%s%s", shown, name - (int)ecert_columns(shown),
                  "", id, text_of(row, "id"), state, text_of(row, "state"), moment, since,
                  *what == '\0' ? "-" : what, *what == '\0' ? "" : ", from ", text_of(row, "from"));
        /* those of a batch all wait for the same, which is said once, below */
        if (*what != '\0' && (*text_of(row, "batch") == '\0' || app->options.verbose ||
                              json_is_object(json_object_get(row, "refused"))))
            ecert_say(app, "    next: %s", text_of(row, "next"));
    }
}

/* ---- batches ---- */

/* Has it a request of this batch, or a later one, which is as good? */
static bool is_asked_for(const struct ecert_requests *requests, const char *batch)
{
    for (size_t i = 0; i < requests->n; i++)
        if (same_batch(&requests->items[i], batch) || strcmp(requests->items[i].id, batch) >= 0)
            return true;
    return false;
}

/* The certificates that were to be asked for with the others, and have no request; with why. */
static void add_left_out(struct ecert_app *app, struct listing *listing, const char *batch,
                         json_t *list)
{
    for (size_t i = 0; app->options.args[0] == NULL && i < listing->n_loaded; i++) {
        const struct ecert_certificate_config *certificate = listing->certificates[i];
        ECERT_AUTO(ecert_auto_free) char *why = NULL;
        struct ecert_error err = {0};

        if (certificate == NULL || is_asked_for(&listing->loaded[i], batch))
            continue;
        if (ecert_foresee_refusal(&app->context, certificate, &why, &err) != ECERT_OK) {
            ecert_complain(app, "%s", err.text);
            listing->unreadable++;
            continue;
        }
        json_t *row =
            json_pack("{s:s, s:o}", "certificate", certificate->name, "why",
                      ecert_text_json(why != NULL ? why : "no request was made for it then"));
        ecert_tell_names(row, certificate->name);
        (void)json_array_append_new(list, row);
    }
}

static void say_left_out(const struct ecert_app *app, const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        ECERT_AUTO(ecert_auto_free) char *buffer = NULL;

        ecert_say(app, "    %s has no request: %s",
                  ecert_name_shown(text_of(row, "certificate"), &buffer), text_of(row, "why"));
    }
}

static json_t *batch_json(const struct listing *listing, const char *batch)
{
    json_t *back = json_array(), *missing = json_array(), *given_up = json_array();
    const char *reason = NULL;

    for (size_t i = 0; i < listing->n_loaded; i++)
        for (size_t k = 0; k < listing->loaded[i].n; k++) {
            const struct ecert_request *request = &listing->loaded[i].items[k];

            if (!same_batch(request, batch))
                continue;
            reason = request->reason;
            (void)json_array_append_new(request->state == ECERT_REQUEST_ISSUED      ? back
                                        : request->state == ECERT_REQUEST_CANCELLED ? given_up
                                                                                    : missing,
                                        json_string(request->name));
        }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "batch", ecert_text_json(batch), "reason",
                     ecert_text_json(reason), "back", back, "missing", missing, "cancelled",
                     given_up);
}

static void say_batch(struct ecert_app *app, struct listing *listing, const char *batch,
                      json_t *list)
{
    json_t *row = batch_json(listing, batch), *left_out = json_array();
    const size_t back = json_array_size(json_object_get(row, "back"));
    const size_t missing = json_array_size(json_object_get(row, "missing"));
    char without[64] = "";

    add_left_out(app, listing, batch, left_out);
    const size_t n = json_array_size(left_out);
    if (n > 0)
        (void)snprintf(without, sizeof without, ", %zu %s no request", n, n == 1 ? "has" : "have");
    ecert_say(app, "batch %s%s%s: %zu of %zu are back, %zu %s missing%s", batch,
              json_is_null(json_object_get(row, "reason")) ? "" : ", ", text_of(row, "reason"),
              back, back + missing + n, missing, missing == 1 ? "is" : "are", without);
    say_left_out(app, left_out);
    (void)json_object_set_new(row, "left_out", left_out);
    ecert_say(app,
              "    next: hand the requests on; --sheet FILE.html makes a page of them, with the "
              "steps");
    (void)json_array_append_new(list, row);
}

/* ---- the command ---- */

static enum ecert_status make_rows(struct ecert_app *app, const struct listing *listing,
                                   json_t *rows, struct ecert_error *err)
{
    for (size_t i = 0; i < listing->n; i++) {
        json_t *row = NULL;

        ECERT_TRY(ecert_request_row(app, listing->shown[i].request, listing->shown[i].several, &row,
                                    err));
        (void)json_array_append_new(rows, row);
    }
    return ECERT_OK;
}

static enum ecert_status show(struct ecert_app *app, struct listing *listing,
                              const struct batches *batches, json_t *rows, json_t *list,
                              struct ecert_error *err)
{
    for (size_t i = 0; i < listing->n; i++)
        listing->unreadable += ecert_request_needs_repair(listing->shown[i].request) ? 1 : 0;
    const enum ecert_status status = make_rows(app, listing, rows, err);
    if (status == ECERT_OK && listing->n > 0)
        say_table(app, rows);
    else if (status == ECERT_OK)
        ecert_say(app, "%s",
                  app->options.all ? "there are no requests"
                                   : "no request is pending (--all lists the others, too)");
    for (size_t i = 0; i < batches->n; i++)
        say_batch(app, listing, batches->items[i], list);
    return status;
}

/* Those of `batches` (rows of JSON) that have no request, borrowed: each once. */
static struct ecert_sheet_failure *failures_of(const json_t *batches, size_t *ret_n)
{
    size_t most = 1;

    for (size_t i = 0; i < json_array_size(batches); i++)
        most += json_array_size(json_object_get(json_array_get(batches, i), "left_out"));
    struct ecert_sheet_failure *failures = calloc(most, sizeof *failures);
    for (size_t i = 0; failures != NULL && i < json_array_size(batches); i++) {
        const json_t *rows = json_object_get(json_array_get(batches, i), "left_out");

        for (size_t k = 0; k < json_array_size(rows); k++) {
            const json_t *row = json_array_get(rows, k);
            bool known = false;

            for (size_t m = 0; m < *ret_n; m++)
                known = known || strcmp(failures[m].name, text_of(row, "certificate")) == 0;
            if (!known)
                failures[(*ret_n)++] =
                    (struct ecert_sheet_failure){text_of(row, "certificate"), text_of(row, "why")};
        }
    }
    return failures;
}

static enum ecert_status write_sheet(struct ecert_app *app, struct listing *listing,
                                     const json_t *batches, struct ecert_error *err)
{
    size_t left_out = 0, n_failures = 0;

    if (app->options.sheet == NULL)
        return ECERT_OK;
    ECERT_AUTO(ecert_auto_free)
    struct ecert_sheet_failure *failures = failures_of(batches, &n_failures);
    if (failures == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(
        ecert_request_sheet(app, listing->shown, listing->n, failures, n_failures, &left_out, err));
    listing->unreadable += left_out;
    return ECERT_OK;
}

static enum ecert_status list_requests(struct ecert_app *app, struct listing *listing,
                                       struct batches *batches, json_t *rows, json_t *list,
                                       struct ecert_error *err)
{
    ECERT_TRY(ecert_request_sheet_check(app, err));
    ECERT_TRY(load(app, listing, err));
    ECERT_TRY(find_batches(listing, batches, err));
    ECERT_TRY(choose(app, batches, listing, err));
    ECERT_TRY(show(app, listing, batches, rows, list, err));
    return write_sheet(app, listing, list, err);
}

int ecert_request_list(struct ecert_app *app)
{
    ECERT_AUTO(listing_clear) struct listing listing = {0};
    struct batches batches = {0};
    struct ecert_error err = {0};
    json_t *rows = json_array(), *list = json_array();

    const enum ecert_status status = list_requests(app, &listing, &batches, rows, list, &err);
    free(batches.items);
    ecert_tell(app, "batches", list);
    ecert_tell(app, "requests", rows);
    if (status != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ecert_exit_of(status);
    }
    return listing.unreadable == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}
