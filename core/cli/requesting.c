#include "core/cli/requesting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/host_name.h"
#include "core/flow/outcome_json.h"
#include "core/flow/requests_left.h"
#include "core/flow/store.h"
#include "core/issue/awaited.h"
#include "core/issue/csr.h"
#include "core/issue/request.h"
#include "core/issue/sheet.h"

/* What is read for one request before it is shown. */
struct details {
    const struct ecert_authority *authority; /* NULL: it cannot be read */
    char *why;                               /* it is of its kind; NULL: not known any more */
    char *inbox, *csr_file, *key_file;
    struct ecert_bytes pem;
    struct ecert_strings steps;
};

static void details_clear(struct details *details)
{
    free(details->why);
    free(details->inbox);
    free(details->csr_file);
    free(details->key_file);
    ecert_bytes_clear(&details->pem);
    ecert_strings_clear(&details->steps);
    *details = (struct details){0};
}

const char *ecert_request_language(const struct ecert_app *app)
{
    return app->options.language == NULL ? app->config.reminders.language : app->options.language;
}

enum ecert_status ecert_request_inbox(const struct ecert_app *app, char **ret,
                                      struct ecert_error *err)
{
    return ecert_text_format(ret, err, "%s/inbox", app->config.state_dir);
}

/* A file of its folder. */
static enum ecert_status path_of(const struct ecert_app *app, const struct ecert_request *request,
                                 const char *file, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *sub = NULL;

    ECERT_TRY(ecert_text_format(&sub, err, "requests/%s/%s", request->id, file));
    return ecert_store_path(app->config.state_dir, request->name, sub, ret, err);
}

/* Why it is of its kind, as long as that is so. */
static char *why_of(struct ecert_app *app, const struct ecert_shown_request *shown)
{
    struct ecert_error ignored = {0};
    enum ecert_request_kind kind;
    char *why = NULL;

    if (ecert_request_kind_of(&app->context, shown->certificate, ecert_clock_now(), &kind, &why,
                              &ignored) != ECERT_OK)
        return NULL;
    if (kind == shown->request->kind)
        return why;
    free(why);
    return NULL;
}

enum ecert_status ecert_request_pem(const struct ecert_app *app,
                                    const struct ecert_request *request, struct ecert_bytes *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes pem = {0};

    ECERT_TRY(ecert_requests_csr(app->config.state_dir, request, &pem, err));
    if (app->options.new_header)
        return ecert_csr_new_header(ecert_bytes_view(&pem), ret, err);
    *ret = pem;
    pem = (struct ecert_bytes){0};
    return ECERT_OK;
}

static enum ecert_status read_details(struct ecert_app *app,
                                      const struct ecert_shown_request *shown,
                                      struct details *details, struct ecert_error *err)
{
    const struct ecert_request *request = shown->request;

    ECERT_TRY(ecert_request_inbox(app, &details->inbox, err));
    ECERT_TRY(path_of(app, request, "request.csr", &details->csr_file, err));
    ECERT_TRY(path_of(app, request, "privkey.pem", &details->key_file, err));
    ECERT_TRY(ecert_request_pem(app, request, &details->pem, err));
    ECERT_TRY(ecert_context_authority(&app->context, request->authority, &details->authority, err));
    details->why = why_of(app, shown);
    const struct ecert_sheet_entry entry = {.request = request,
                                            .authority = details->authority,
                                            .csr_pem = ecert_bytes_view(&details->pem),
                                            .csr_file = details->csr_file,
                                            .kind_why = details->why};
    return ecert_sheet_steps(&entry, ecert_request_language(app), details->inbox, &details->steps,
                             err);
}

/* ---- text ---- */

/* "www.x.hk, b.x.hk", as people read them. */
static enum ecert_status names_of(const struct ecert_request *request, struct ecert_buffer *ret,
                                  struct ecert_error *err)
{
    for (size_t i = 0; i < request->names.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *shown = NULL;

        ECERT_TRY(ecert_host_name_shown(request->names.items[i], &shown, err));
        ecert_buffer_printf(ret, "%s%s", i > 0 ? ", " : "", shown);
    }
    ecert_buffer_add(ret, (struct ecert_view){(const uint8_t *)"", 1});
    return ret->failed ? ecert_error_nomem(err) : ECERT_OK;
}

static void say_backups(const struct ecert_app *app, const struct ecert_request *request)
{
    char day[ECERT_TIME_TEXT_LEN];

    for (size_t i = 0; i < request->n_backups; i++) {
        ecert_clock_date(request->backups[i].opened, day);
        ecert_say(app, "  backup        '%s'%s%s", request->backups[i].path,
                  request->backups[i].opened == 0
                      ? ", not opened since it was written (`ecert backup --check`)"
                      : ", opened ",
                  request->backups[i].opened == 0 ? "" : day);
    }
    if (request->n_backups == 0 && request->without_backup)
        ecert_say(app, "  backup        none, as you said: if the key is lost, the certificate is "
                       "of no use");
}

static enum ecert_status say_facts(const struct ecert_app *app,
                                   const struct ecert_shown_request *shown,
                                   const struct details *details, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer names = {0};
    const struct ecert_request *request = shown->request;

    ECERT_TRY(names_of(request, &names, err));
    ecert_say(app, "  names         %s", (const char *)names.ptr);
    if (request->organization != NULL)
        ecert_say(app, "  organisation  %s%s%s", request->organization,
                  request->chinese_organization == NULL ? "" : ", ",
                  request->chinese_organization == NULL ? "" : request->chinese_organization);
    if (request->validation != ECERT_VALIDATION_ANY)
        ecert_say(app, "  validation    %s",
                  request->validation == ECERT_VALIDATION_EV ? "EV" : "OV");
    if (request->reason != NULL)
        ecert_say(app, "  reason        %s", request->reason);
    ecert_say(app, "  key           %s, %s, '%s'", request->key_words,
              request->reused ? "the present one" : "new", details->key_file);
    say_backups(app, request);
    return ECERT_OK;
}

/* What a line never ends in: files and names that the steps speak of. */
static enum ecert_status whole_of(const struct ecert_request *request,
                                  const struct details *details, struct ecert_strings *ret,
                                  struct ecert_error *err)
{
    ECERT_TRY(ecert_strings_add(ret, details->csr_file, err));
    ECERT_TRY(ecert_strings_add(ret, details->key_file, err));
    ECERT_TRY(ecert_strings_add(ret, details->inbox, err));
    for (size_t i = 0; i < request->names.len; i++) {
        ECERT_AUTO(ecert_auto_free) char *unicode = NULL;

        ECERT_TRY(ecert_host_name_unicode(request->names.items[i], &unicode, err));
        if (unicode != NULL)
            ECERT_TRY(ecert_strings_add(ret, unicode, err));
    }
    return ECERT_OK;
}

static void say_steps(const struct ecert_app *app, const struct details *details,
                      const struct ecert_strings *whole)
{
    ecert_say(app, "What to do now:");
    for (size_t i = 0; i < details->steps.len; i++) {
        char number[32];

        (void)snprintf(number, sizeof number, "%3zu. ", i + 1);
        ecert_say_paragraph(app, number, details->steps.items[i], ecert_strings_array(whole));
    }
    ecert_say(app, "%s", "");
}

static enum ecert_status say_request(const struct ecert_app *app,
                                     const struct ecert_shown_request *shown,
                                     const struct details *details, bool brief,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings whole = {0};
    ECERT_AUTO(ecert_auto_free) char *name = NULL;
    const struct ecert_request *request = shown->request;

    ECERT_TRY(whole_of(request, details, &whole, err));
    ECERT_TRY(ecert_host_name_shown(request->name, &name, err));
    ecert_say(app, "%s: request %s %s (%s%s%s)", name, request->id,
              shown->again ? "is pending" : "was made", ecert_sheet_kind(request->kind),
              details->why == NULL ? "" : ": ", details->why == NULL ? "" : details->why);
    if (!brief)
        ECERT_TRY(say_facts(app, shown, details, err));
    for (size_t i = 0; shown->notes != NULL && i < shown->notes->len; i++)
        ecert_say(app, "  note          %s", shown->notes->items[i]);
    ecert_say(app, "  request       '%s'", details->csr_file);
    ecert_say(app, "  its SHA-256   %s", request->csr_sha256);
    if (brief)
        return ECERT_OK;
    ecert_say(app, "%s", "");
    ecert_say_text(app, ecert_bytes_view(&details->pem));
    ecert_say(app, "%s", "");
    say_steps(app, details, &whole);
    return ECERT_OK;
}

/* ---- JSON ---- */

static json_t *moment(int64_t seconds)
{
    char text[ECERT_TIME_TEXT_LEN];

    if (seconds == 0)
        return json_null();
    ecert_clock_text(seconds, text);
    return json_string(text);
}

json_t *ecert_request_backups_json(const struct ecert_request *request)
{
    json_t *list = json_array();

    for (size_t i = 0; i < request->n_backups; i++)
        (void)json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o}", "path",
                                                    ecert_text_json(request->backups[i].path),
                                                    "sha256", request->backups[i].sha256, "written",
                                                    moment(request->backups[i].written), "opened",
                                                    moment(request->backups[i].opened)));
    return list;
}

static json_t *request_json(const struct ecert_shown_request *shown, const struct details *details)
{
    static const char *const validations[] = {NULL, "ov", "ev"};
    const struct ecert_strings none = {0};
    const struct ecert_request *request = shown->request;
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "certificate", request->name, "id",
        request->id, "state", ecert_request_state_word(request->state), "kind",
        ecert_request_kind_word(request->kind), "again", shown->again, "why",
        ecert_text_json(details->why), "created", moment(request->created), "reason",
        ecert_text_json(request->reason), "batch", ecert_text_json(request->batch), "names",
        ecert_strings_json(&request->names));
    json_t *more = json_pack(
        "{s:o, s:o, s:o, s:o, s:b, s:s, s:o, s:o, s:b, s:o, s:s, s:o, s:o}", "organization",
        ecert_text_json(request->organization), "chinese_organization",
        ecert_text_json(request->chinese_organization), "validation",
        ecert_text_json(validations[request->validation]), "key",
        ecert_text_json(request->key_words), "reused", request->reused, "key_file",
        details->key_file, "backups", ecert_request_backups_json(request), "authority",
        ecert_text_json(request->authority), "without_backup", request->without_backup, "csr",
        ecert_text_json((const char *)details->pem.ptr), "csr_file", details->csr_file, "notes",
        ecert_strings_json(shown->notes == NULL ? &none : shown->notes), "steps",
        ecert_strings_json(&details->steps));

    ecert_tell_names(row, request->name);
    (void)json_object_set_new(row, "csr_sha256", json_string(request->csr_sha256));
    (void)json_object_update(row, more);
    json_decref(more);
    return row;
}

enum ecert_status ecert_request_show(struct ecert_app *app, const struct ecert_shown_request *shown,
                                     bool brief, json_t *list, struct ecert_error *err)
{
    ECERT_AUTO(details_clear) struct details details = {0};

    ECERT_TRY(read_details(app, shown, &details, err));
    ECERT_TRY(say_request(app, shown, &details, brief, err));
    (void)json_array_append_new(list, request_json(shown, &details));
    return ECERT_OK;
}

/* ---- what is awaited ---- */

static bool is_configured(const struct ecert_app *app, const struct ecert_request *request)
{
    return ecert_config_certificate(&app->config, request->name) != NULL;
}

static enum ecert_status awaited_of(struct ecert_app *app, const struct ecert_request *request,
                                    bool several, struct ecert_awaited *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *inbox = NULL;
    const struct ecert_authority *authority = NULL;
    struct ecert_error ignored = {0}; /* `ecert config` tells what is wrong with a profile */

    if (!is_configured(app, request))
        return ecert_awaited_of_left(request, ret, err);
    ECERT_TRY(ecert_request_inbox(app, &inbox, err));
    if (request->authority != NULL && ecert_context_authority(&app->context, request->authority,
                                                              &authority, &ignored) != ECERT_OK)
        authority = NULL;
    return ecert_awaited_of(request, several, authority, inbox, ret, err);
}

static json_t *refused_json(const struct ecert_request_refusal *refused)
{
    return refused->when == 0
               ? json_null()
               : json_pack("{s:o, s:o, s:o}", "when", moment(refused->when), "why",
                           ecert_text_json(refused->why), "file", ecert_text_json(refused->file));
}

static json_t *row_json(const struct ecert_app *app, const struct ecert_request *request,
                        const struct ecert_awaited *awaited)
{
    const int64_t since = request->state == ECERT_REQUEST_OPEN && request->shown != 0
                              ? request->shown
                              : request->created;

    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o}", "certificate",
        request->name, "id", request->id, "state", ecert_request_state_word(request->state), "kind",
        ecert_request_kind_word(request->kind), "since", moment(since), "closed",
        moment(request->closed), "awaited", ecert_text_json(awaited->what), "from",
        ecert_text_json(awaited->from), "next", ecert_text_json(awaited->next), "reason",
        ecert_text_json(request->reason), "batch", ecert_text_json(request->batch), "generation",
        (int)request->generation, "problem", ecert_text_json(request->problem), "refused",
        refused_json(&request->refused));

    if (row == NULL)
        return NULL;
    ecert_tell_names(row, request->name);
    (void)json_object_set_new(row, "configured", json_boolean(is_configured(app, request)));
    return row;
}

enum ecert_status ecert_request_row(struct ecert_app *app, const struct ecert_request *request,
                                    bool several, json_t **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_awaited_clear) struct ecert_awaited awaited = {0};

    ECERT_TRY(awaited_of(app, request, several, &awaited, err));
    *ret = row_json(app, request, &awaited);
    return *ret == NULL ? ecert_error_nomem(err) : ECERT_OK;
}

static enum ecert_status say_pending(struct ecert_app *app, const struct ecert_request *request,
                                     bool several, json_t *list, struct ecert_error *err)
{
    ECERT_AUTO(ecert_awaited_clear) struct ecert_awaited awaited = {0};
    ECERT_AUTO(ecert_auto_free) char *when = NULL;
    const int64_t since = request->shown != 0 ? request->shown : request->created;
    const int days = (int)((ecert_clock_now() - since) / 86400);
    char day[ECERT_TIME_TEXT_LEN];

    ECERT_TRY(awaited_of(app, request, several, &awaited, err));
    ecert_clock_date(since, day);
    if (since != 0) /* a damaged one does not tell */
        ECERT_TRY(
            ecert_text_format(&when, err, " since %s (%d day%s)", day, days, days == 1 ? "" : "s"));
    ecert_say(app, "  request %s: %s is awaited from %s%s", request->id, awaited.what, awaited.from,
              when == NULL ? "" : when);
    ecert_say(app, "      next: %s", awaited.next);
    (void)json_array_append_new(list, row_json(app, request, &awaited));
    return ECERT_OK;
}

size_t ecert_request_status_left(struct ecert_app *app, json_t *list)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests left = {0};
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    const char *before = NULL;
    struct ecert_error err = {0};
    size_t unreadable = 0;

    enum ecert_status status = ecert_requests_left(&app->config, &left, &err);
    for (size_t i = 0; status == ECERT_OK && i < left.n; i++) {
        const struct ecert_request *request = &left.items[i];

        if (!ecert_request_is_pending(request))
            continue;
        if (before == NULL || strcmp(before, request->name) != 0)
            ecert_say(app, "%s: no entry in the configuration any more",
                      ecert_name_shown(request->name, &buffer));
        before = request->name;
        status = say_pending(app, request, true, list, &err);
        unreadable += ecert_request_needs_repair(request) ? 1 : 0;
    }
    if (status == ECERT_OK)
        return unreadable;
    ecert_complain(app, "%s", err.text);
    return unreadable + 1;
}

size_t ecert_request_status(struct ecert_app *app, const char *name, json_t *list)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    struct ecert_error err = {0};
    size_t unreadable = 0;

    enum ecert_status status = ecert_requests_load(app->config.state_dir, name, &requests, &err);
    const bool several = ecert_requests_pending(&requests) > 1;
    for (size_t i = 0; status == ECERT_OK && i < requests.n; i++) {
        const struct ecert_request *request = &requests.items[i];

        if (!ecert_request_is_pending(request) && request->problem == NULL)
            continue;
        status = say_pending(app, request, several, list, &err);
        unreadable += ecert_request_needs_repair(request) ? 1 : 0;
    }
    if (status == ECERT_OK)
        return unreadable;
    ECERT_AUTO(ecert_auto_free) char *buffer = NULL;
    ecert_complain(app, "%s: %s", ecert_name_shown(name, &buffer), err.text);
    return unreadable + 1;
}
