/* Giving up a pending request: nothing is deleted, its key may still be wanted. */
#include <stdlib.h>
#include <string.h>

#include "core/issue/request_parts.h"

static bool list_ids(const struct ecert_requests *requests, bool pending, struct ecert_buffer *text)
{
    for (size_t i = 0; i < requests->n; i++)
        if (!pending || ecert_request_is_pending(&requests->items[i]))
            ecert_buffer_printf(text, "%s%s (%s)", text->len > 0 ? ", " : "", requests->items[i].id,
                                ecert_request_state_word(requests->items[i].state));
    return !text->failed;
}

struct ecert_request *request_find(struct ecert_requests *requests, const char *name,
                                   const char *id, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer known = {0};

    for (size_t i = 0; i < requests->n; i++) {
        if (strcmp(requests->items[i].id, id) == 0)
            return &requests->items[i];
    }
    if (!list_ids(requests, false, &known)) {
        (void)ecert_error_nomem(err);
        return NULL;
    }
    (void)ecert_error_set(
        err, ECERT_E_NOT_FOUND, "'%s' has no request '%s'; there %s%s", name, id,
        known.len == 0 ? "is none" : "are: ", known.len == 0 ? "" : (const char *)known.ptr);
    return NULL;
}

static struct ecert_request *find_only(struct ecert_requests *requests, const char *name,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer pending = {0};
    struct ecert_request *last = NULL;
    size_t n = 0;

    for (size_t i = 0; i < requests->n; i++) {
        if (ecert_request_is_pending(&requests->items[i])) {
            last = &requests->items[i];
            n++;
        }
    }
    if (last == NULL) {
        (void)ecert_error_set(err, ECERT_E_NOT_FOUND, "'%s' has no pending request", name);
        return NULL;
    }
    if (n == 1)
        return last;
    if (!list_ids(requests, true, &pending)) {
        (void)ecert_error_nomem(err);
        return NULL;
    }
    (void)ecert_error_set(err, ECERT_E_REFUSED,
                          "'%s' has %zu pending requests: %s; say which with --id", name, n,
                          (const char *)pending.ptr);
    return NULL;
}

static enum ecert_status cancel(const char *state_dir, struct ecert_request *request, int64_t now,
                                struct ecert_error *err)
{
    if (request->state == ECERT_REQUEST_ISSUED)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "request %s cannot be given up: its certificate is there "
                               "(generation %u)",
                               request->id, request->generation);
    if (request->state == ECERT_REQUEST_CANCELLED)
        return ECERT_OK;
    request->state = ECERT_REQUEST_CANCELLED;
    request->closed = now;
    return ecert_requests_save(state_dir, request, err);
}

enum ecert_status ecert_request_cancel(struct ecert_context *context, const char *name,
                                       const char *id, int64_t now, struct ecert_request *ret,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    const char *state_dir = context->config->state_dir;

    ECERT_TRY(ecert_requests_load(state_dir, name, &requests, err));
    struct ecert_request *request =
        id != NULL ? request_find(&requests, name, id, err) : find_only(&requests, name, err);
    if (request == NULL)
        return err->status;
    ECERT_TRY(cancel(state_dir, request, now, err));
    *ret = *request;
    *request = (struct ecert_request){0};
    return ECERT_OK;
}
