/* What is to be done for one name, before anything is written. */
#include "core/issue/request_parts.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/shell_word.h"
#include "core/flow/key.h"
#include "core/issue/caa.h"
#include "core/issue/csr.h"
#include "core/issue/foresee.h"
#include "core/issue/new_key.h"
#include "core/issue/sheet.h"

/* After so many names in a row without an answer nobody is asked any more: each costs its time. */
#define SILENT_MAX 3

/* A certificate that came so many seconds ago has just come. */
#define JUST_NOW ((int64_t)86400)

/* ---- what is configured now ---- */

enum ecert_status request_names(const struct ecert_certificate_config *certificate,
                                struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(ecert_strings_add(&names, certificate->name, err));
    for (size_t i = 0; i < certificate->names.len; i++)
        if (strcmp(certificate->names.items[i], certificate->name) != 0)
            ECERT_TRY(ecert_strings_add(&names, certificate->names.items[i], err));
    *ret = names;
    names = (struct ecert_strings){0};
    return ECERT_OK;
}

static bool texts_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct ecert_csr_order order_of(const struct request_run *run,
                                       const struct ecert_strings *names,
                                       const struct ecert_authority *authority)
{
    return (struct ecert_csr_order){.organization = &run->context->config->organization,
                                    .names = ecert_strings_array(names),
                                    .authority = authority};
}

/* A key that was there before is of the kind that it is. */
static bool is_other_key(const struct ecert_request *request, const struct ecert_key_config *key)
{
    if (request->reused)
        return key->policy != ECERT_KEY_POLICY_REUSE;
    return !ecert_csr_key_is(key, request->key_words);
}

/* In what this request differs from one that would be made today, in words, owned; NULL: in
 * nothing. */
static enum ecert_status find_difference(const struct request_run *run,
                                         const struct ecert_request *request,
                                         const struct ecert_certificate_config *certificate,
                                         const struct ecert_csr_order *order,
                                         const struct ecert_strings *names, char **ret,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes csr = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    const struct {
        bool differs;
        const char *words;
    } rows[] = {
        {!ecert_strings_equal(&request->names, names), "other names"},
        {!texts_equal(request->organization, order->organization->name), "another organisation"},
        {!texts_equal(request->chinese_organization, order->organization->chinese_name),
         "another Chinese name of the organisation"},
        {!texts_equal(request->authority, certificate->authority), "another authority"},
        {request->validation != certificate->validation, "another validation"},
        {is_other_key(request, &certificate->key), "another kind of key"},
    };
    bool same = true;

    *ret = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].differs)
            ecert_buffer_printf(&text, "%s%s", text.len > 0 ? ", " : "", rows[i].words);
    if (text.len == 0) { /* it has the names and the organisation, too */
        ECERT_TRY(ecert_requests_csr(run->context->config->state_dir, request, &csr, err));
        if (ecert_csr_asks_for(order, ecert_bytes_view(&csr), &same, err) != ECERT_OK)
            return ecert_error_wrap(err, "request %s", request->id);
    }
    if (!same)
        ecert_buffer_add_text(&text, "another country, state or locality");
    if (text.failed)
        return ecert_error_nomem(err);
    return text.len == 0 ? ECERT_OK : ecert_text_copy(ecert_buffer_view(&text), ret, err);
}

static enum ecert_status join_mistakes(const struct ecert_strings *mistakes,
                                       struct ecert_error *error, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    for (size_t i = 0; i < mistakes->len; i++)
        ecert_buffer_printf(&text, "%s%s", i > 0 ? "; " : "", mistakes->items[i]);
    if (text.failed)
        return ecert_error_nomem(err);
    (void)ecert_error_set(error, ECERT_E_CONFIG, "%s", (const char *)text.ptr);
    return ECERT_OK;
}

/* May it be asked for, with the key that is there (in words; NULL: with a new one)?  What is wrong
 * is outcome->error. */
static enum ecert_status check_order(const struct ecert_csr_order *order, const char *present,
                                     struct ecert_request_outcome *outcome, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};

    if (ecert_csr_check(order, &outcome->certificate->key, present, &mistakes, &outcome->notes,
                        &outcome->error) == ECERT_OK ||
        mistakes.len == 0)
        return ECERT_OK;
    return join_mistakes(&mistakes, &outcome->error, err);
}

/* ---- requests that are there ---- */

/* The newest that is waited for and whole; else the newest that is waited for and damaged. */
static struct ecert_request *find_pending(struct ecert_requests *requests)
{
    struct ecert_request *damaged = NULL;

    for (size_t i = requests->n; i-- > 0;) {
        struct ecert_request *request = &requests->items[i];

        if (!ecert_request_is_pending(request))
            continue;
        if (request->problem == NULL)
            return request;
        if (damaged == NULL)
            damaged = request;
    }
    return damaged;
}

/* The one that was asked for by its id; NULL: the outcome's error says why not. */
static struct ecert_request *find_asked(struct ecert_requests *requests, const char *id,
                                        struct ecert_request_outcome *outcome)
{
    struct ecert_request *request =
        request_find(requests, outcome->certificate->name, id, &outcome->error);

    if (request == NULL || ecert_request_is_pending(request))
        return request;
    (void)ecert_error_set(&outcome->error, ECERT_E_REFUSED,
                          "request %s is not pending: it is %s; `ecert request --list --all` shows "
                          "every request",
                          id, ecert_request_state_word(request->state));
    return NULL;
}

/* Those that wait beside the one that is shown. */
static enum ecert_status note_others(const struct ecert_requests *requests,
                                     const struct ecert_request *pending,
                                     struct ecert_request_outcome *outcome, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer ids = {0};
    ECERT_AUTO(ecert_auto_free) char *name = NULL;
    size_t n = 0;

    for (size_t i = 0; i < requests->n; i++) {
        const struct ecert_request *request = &requests->items[i];

        if (request == pending || !ecert_request_is_pending(request))
            continue;
        ecert_buffer_printf(&ids, "%s%s", n++ > 0 ? ", " : "", request->id);
    }
    if (n == 0)
        return ECERT_OK;
    if (ids.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_shell_word(outcome->certificate->name, &name, err));
    return ecert_strings_printf(
        &outcome->notes, err, "%zu more %s pending: %s; `ecert request %s --id ID` shows %s", n,
        n == 1 ? "is" : "are", (const char *)ids.ptr, name, n == 1 ? "it" : "one");
}

static void take_over(struct ecert_request *from, struct ecert_request *to)
{
    *to = *from;
    *from = (struct ecert_request){0};
}

static enum ecert_status is_damaged(const struct ecert_request *pending,
                                    const struct request_run *run, struct request_work *work,
                                    struct ecert_error *err)
{
    struct ecert_request_outcome *outcome = work->outcome;

    if (run->wish->another)
        return ecert_strings_printf(&outcome->notes, err, "request %s cannot be used: %s",
                                    pending->id, pending->problem);
    work->step = REQUEST_NOTHING;
    (void)ecert_error_set(&outcome->error, ECERT_E_REFUSED,
                          "request %s is pending and damaged: %s; mend it, or ask for another one "
                          "with --another",
                          pending->id, pending->problem);
    return ECERT_OK;
}

/* What was asked for as a first certificate may be a re-issue by now: one was adopted since. */
static enum ecert_status note_other_kind(const struct request_run *run,
                                         const struct ecert_request *pending,
                                         struct ecert_request_outcome *outcome,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *why = NULL;
    ECERT_AUTO(ecert_auto_free) char *name = NULL;
    enum ecert_request_kind kind = pending->kind;
    struct ecert_error ignored = {0};

    if (ecert_request_kind_of(run->context, outcome->certificate, run->wish->now, &kind, &why,
                              &ignored) != ECERT_OK ||
        kind == pending->kind)
        return ignored.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    ECERT_TRY(ecert_shell_word(pending->name, &name, err));
    return ecert_strings_printf(&outcome->notes, err,
                                "its steps are those of a %s, as which it was asked for; by now it "
                                "would be a %s (%s): if the CA was not asked yet, give it up with "
                                "`ecert request --cancel %s --id %s` and ask again",
                                ecert_sheet_kind(pending->kind), ecert_sheet_kind(kind), why, name,
                                pending->id);
}

/* Who says why once more may think that it is written down. */
static enum ecert_status note_reason(const struct request_run *run,
                                     const struct ecert_request *pending,
                                     struct ecert_request_outcome *outcome, struct ecert_error *err)
{
    if (run->wish->reason == NULL || pending->reason == NULL ||
        strcmp(run->wish->reason, pending->reason) == 0)
        return ECERT_OK;
    return ecert_strings_printf(
        &outcome->notes, err, "its reason stays the one that it was made for: %s", pending->reason);
}

/* One that nobody has seen yet is not the CA's turn: it is finished also where another is wished.
 */
static enum ecert_status look_at_pending(const struct ecert_requests *requests,
                                         struct ecert_request *pending,
                                         const struct request_run *run, struct request_work *work,
                                         const struct ecert_csr_order *order,
                                         const struct ecert_strings *names, struct ecert_error *err)
{
    struct ecert_request_outcome *outcome = work->outcome;
    ECERT_AUTO(ecert_auto_free) char *differs = NULL;

    if (pending == NULL)
        return ECERT_OK;
    if (pending->problem != NULL)
        return is_damaged(pending, run, work, err);
    if (pending->state == ECERT_REQUEST_OPEN && run->wish->another)
        return ECERT_OK;
    if (find_difference(run, pending, outcome->certificate, order, names, &differs,
                        &outcome->error) != ECERT_OK)
        return ECERT_OK;
    if (pending->state == ECERT_REQUEST_MADE) {
        if (differs != NULL && run->wish->id != NULL) {
            ECERT_AUTO(ecert_auto_free) char *name = NULL;

            ECERT_TRY(ecert_shell_word(pending->name, &name, err));
            (void)ecert_error_set(&outcome->error, ECERT_E_REFUSED,
                                  "request %s was never shown, and asks for %s than the "
                                  "configuration does now; `ecert request %s` makes a new one in "
                                  "its place",
                                  pending->id, differs, name);
            return ECERT_OK;
        }
        if (differs != NULL) {
            take_over(pending, &work->stale);
            return ECERT_OK;
        }
        ECERT_TRY(check_order(order, pending->key_words, outcome, err));
        if (outcome->error.status != ECERT_OK)
            return ECERT_OK;
    }
    if (differs != NULL)
        ECERT_TRY(ecert_strings_printf(&outcome->notes, err,
                                       "request %s asks for %s than the configuration does now; "
                                       "ask for another one with --another",
                                       pending->id, differs));
    ECERT_TRY(note_others(requests, pending, outcome, err));
    ECERT_TRY(note_other_kind(run, pending, outcome, err));
    ECERT_TRY(note_reason(run, pending, outcome, err));
    work->step = pending->state == ECERT_REQUEST_MADE ? REQUEST_FINISH : REQUEST_NOTHING;
    outcome->again = true;
    take_over(pending, &outcome->request);
    return ECERT_OK;
}

/* ---- one that was answered just now ---- */

/* Of those that were issued the one in use, if that was within a day; NULL: none. */
static struct ecert_request *find_answered(struct ecert_requests *requests, int64_t now)
{
    struct ecert_request *last = NULL;

    for (size_t i = 0; i < requests->n; i++) {
        struct ecert_request *request = &requests->items[i];

        if (request->state == ECERT_REQUEST_ISSUED && request->problem == NULL &&
            (last == NULL || request->generation >= last->generation))
            last = request;
    }
    return last != NULL && last->generation > 0 && now - last->closed < JUST_NOW ? last : NULL;
}

/* Whoever asks again on the day the certificate came, for the same, has most likely not seen it. */
static enum ecert_status look_at_answered(const struct request_run *run, struct request_work *work,
                                          struct ecert_requests *requests,
                                          const struct ecert_csr_order *order,
                                          const struct ecert_strings *names, bool *ret,
                                          struct ecert_error *err)
{
    struct ecert_request *answered = find_answered(requests, run->wish->now);
    ECERT_AUTO(ecert_auto_free) char *differs = NULL;
    struct ecert_error why = {0}; /* a CSR that is lost differs from nothing */

    *ret = false;
    if (answered == NULL || run->wish->another || run->wish->reason != NULL ||
        work->stale.id != NULL)
        return ECERT_OK;
    if (find_difference(run, answered, work->outcome->certificate, order, names, &differs, &why) ==
        ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    if (differs != NULL)
        return ECERT_OK;
    take_over(answered, &work->outcome->request);
    *ret = true;
    return ECERT_OK;
}

/* ---- a new one ---- */

static enum ecert_status fill_in(const struct request_run *run, struct ecert_request_outcome *into,
                                 struct ecert_strings *names, struct ecert_error *err)
{
    const struct ecert_certificate_config *certificate = into->certificate;
    const struct ecert_organization_config *organization = &run->context->config->organization;
    ECERT_AUTO(ecert_request_clear)
    struct ecert_request request = {.state = ECERT_REQUEST_MADE,
                                    .created = run->wish->now,
                                    .validation = certificate->validation,
                                    .without_backup = run->wish->without_backup};

    ECERT_TRY(ecert_text_copy(ecert_view_of(certificate->name), &request.name, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(certificate->authority), &request.authority, err));
    if (run->wish->reason != NULL)
        ECERT_TRY(ecert_text_copy(ecert_view_of(run->wish->reason), &request.reason, err));
    if (organization->name != NULL)
        ECERT_TRY(ecert_text_copy(ecert_view_of(organization->name), &request.organization, err));
    if (organization->chinese_name != NULL)
        ECERT_TRY(ecert_text_copy(ecert_view_of(organization->chinese_name),
                                  &request.chinese_organization, err));
    request.names = *names;
    *names = (struct ecert_strings){0};
    take_over(&request, &into->request);
    return ECERT_OK;
}

/* A vault that is shut is found out now, and not when there is a key that cannot be kept. */
static enum ecert_status try_passphrase(const struct ecert_key_config *key, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};

    return key->encrypted ? ecert_key_passphrase(key, &passphrase, err) : ECERT_OK;
}

/* The open one of this key that asks for the same; NULL: none. */
static enum ecert_status find_twin(const struct request_run *run, const struct request_work *work,
                                   struct ecert_requests *requests,
                                   const uint8_t key_id[ECERT_SHA256_LEN],
                                   const struct ecert_csr_order *order,
                                   const struct ecert_strings *names, struct ecert_request **ret,
                                   struct ecert_error *err)
{
    *ret = NULL;
    for (size_t i = requests->n; i-- > 0 && work->stale.id == NULL;) {
        struct ecert_request *request = &requests->items[i];
        ECERT_AUTO(ecert_auto_free) char *differs = NULL;

        if (request->state != ECERT_REQUEST_OPEN || request->problem != NULL ||
            memcmp(request->key_id, key_id, ECERT_SHA256_LEN) != 0)
            continue;
        ECERT_TRY(
            find_difference(run, request, work->outcome->certificate, order, names, &differs, err));
        if (differs != NULL)
            continue;
        *ret = request;
        return ECERT_OK;
    }
    return ECERT_OK;
}

/*
 * The policy "reuse": the key that is there, if any, and what it is in words.  A second request of
 * it that asks for the same would be the same CSR, and a certificate could answer only one of them:
 * the first is shown again.
 */
static enum ecert_status look_at_present_key(const struct request_run *run,
                                             struct request_work *work,
                                             struct ecert_requests *requests,
                                             const struct ecert_csr_order *order,
                                             const struct ecert_strings *names, char **ret_words,
                                             struct ecert_error *err)
{
    struct ecert_request_outcome *outcome = work->outcome;
    struct ecert_request *twin = NULL;
    uint8_t key_id[ECERT_SHA256_LEN];

    if (request_present_key(run->context, outcome->certificate, &work->present, &outcome->notes,
                            &outcome->error) != ECERT_OK ||
        work->present == NULL ||
        ecert_new_key_describe(work->present, ret_words, key_id, &outcome->error) != ECERT_OK ||
        find_twin(run, work, requests, key_id, order, names, &twin, &outcome->error) != ECERT_OK ||
        twin == NULL)
        return ECERT_OK;
    ECERT_TRY(ecert_strings_printf(&outcome->notes, err,
                                   "request %s has the present key already, and another one would "
                                   "be the same CSR: it is shown again; for another key write "
                                   "key.policy = \"new\"",
                                   twin->id));
    outcome->again = true;
    take_over(twin, &outcome->request);
    return ECERT_OK;
}

static enum ecert_status prepare_new(struct request_run *run, struct request_work *work,
                                     struct ecert_requests *requests,
                                     const struct ecert_csr_order *order,
                                     struct ecert_strings *names, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *present = NULL;
    ECERT_AUTO(ecert_auto_free) char *why = NULL;
    struct ecert_request_outcome *outcome = work->outcome;
    enum ecert_request_kind kind = ECERT_REQUEST_FIRST;

    if (outcome->certificate->key.policy == ECERT_KEY_POLICY_REUSE)
        ECERT_TRY(look_at_present_key(run, work, requests, order, names, &present, err));
    if (outcome->again || outcome->error.status != ECERT_OK)
        return ECERT_OK;
    ECERT_TRY(check_order(order, present, outcome, err));
    if (present != NULL && !ecert_csr_key_is(&outcome->certificate->key, present))
        ECERT_TRY(ecert_strings_printf(&outcome->notes, err,
                                       "the key is the present one, %s: with key.policy = "
                                       "\"reuse\" the kind of key that is configured does not "
                                       "count",
                                       present));
    if (outcome->error.status != ECERT_OK ||
        try_passphrase(&outcome->certificate->key, &outcome->error) != ECERT_OK ||
        ecert_request_kind_of(run->context, outcome->certificate, run->wish->now, &kind, &why,
                              &outcome->error) != ECERT_OK)
        return ECERT_OK;
    ECERT_TRY(fill_in(run, outcome, names, err));
    outcome->request.kind = kind;
    work->step = REQUEST_NEW;
    return ECERT_OK;
}

/* ---- CAA ---- */

static bool is_silent(const enum ecert_caa_verdict *verdicts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (verdicts[i] != ECERT_CAA_UNKNOWN)
            return false;
    return true;
}

/* It is only said: the record may be changed while the application is on its way. */
static enum ecert_status look_at_caa(struct request_run *run, struct ecert_request_outcome *outcome,
                                     const struct ecert_authority *authority,
                                     struct ecert_error *err)
{
    const struct ecert_strings *names = &outcome->request.names;

    if (run->wish->skip_caa || authority->caa.len == 0 || names->len == 0)
        return ECERT_OK;
    if (run->silent >= SILENT_MAX)
        return ecert_strings_add(&outcome->notes,
                                 "its CAA records were not looked up: there was no answer for the "
                                 "names before",
                                 err);
    enum ecert_caa_verdict *verdicts = calloc(names->len, sizeof *verdicts);
    if (verdicts == NULL)
        return ecert_error_nomem(err);
    const enum ecert_status status =
        ecert_caa_check(&run->context->network, run->context->config->resolver,
                        ecert_strings_array(names), authority, verdicts, &outcome->notes, err);
    if (status == ECERT_OK)
        run->silent = is_silent(verdicts, names->len) ? run->silent + 1 : 0;
    free(verdicts);
    return status;
}

/* ---- all of it ---- */

enum ecert_status request_prepare(struct request_run *run, struct request_work *work,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_request_outcome *outcome = work->outcome;
    const struct ecert_certificate_config *certificate = outcome->certificate;
    const struct ecert_authority *authority = NULL;
    bool answered = false;

    if (certificate->key.place == ECERT_KEY_IIS) {
        ECERT_AUTO(ecert_auto_free) char *why = NULL;

        ECERT_TRY(ecert_foresee_refusal(run->context, certificate, &why, err));
        (void)ecert_error_set(&outcome->error, ECERT_E_CONFIG, "%s", why);
        return ECERT_OK;
    }
    ECERT_TRY(request_names(certificate, &names, err));
    if (ecert_requests_load(run->context->config->state_dir, certificate->name, &requests,
                            &outcome->error) != ECERT_OK ||
        ecert_context_authority(run->context, certificate->authority, &authority,
                                &outcome->error) != ECERT_OK)
        return ECERT_OK;
    const struct ecert_csr_order order = order_of(run, &names, authority);
    struct ecert_request *pending = run->wish->id == NULL
                                        ? find_pending(&requests)
                                        : find_asked(&requests, run->wish->id, outcome);
    if (outcome->error.status == ECERT_OK)
        ECERT_TRY(look_at_pending(&requests, pending, run, work, &order, &names, err));
    if (!outcome->again && outcome->error.status == ECERT_OK)
        ECERT_TRY(look_at_answered(run, work, &requests, &order, &names, &answered, err));
    if (answered)
        return ECERT_OK;
    if (!outcome->again && outcome->error.status == ECERT_OK)
        ECERT_TRY(prepare_new(run, work, &requests, &order, &names, err));
    if (outcome->error.status != ECERT_OK)
        return ECERT_OK;
    return look_at_caa(run, outcome, authority, err);
}
