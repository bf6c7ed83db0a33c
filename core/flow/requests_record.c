/* One request as a struct: releasing it, choosing one of several. */

#include <stdlib.h>
#include <string.h>

#include "core/flow/requests.h"

void ecert_request_clear(struct ecert_request *request)
{
    free(request->id);
    free(request->name);
    free(request->reason);
    free(request->batch);
    free(request->authority);
    ecert_strings_clear(&request->names);
    free(request->organization);
    free(request->chinese_organization);
    free(request->key_words);
    for (size_t i = 0; i < request->n_backups; i++)
        free(request->backups[i].path);
    free(request->backups);
    free(request->refused.why);
    free(request->refused.file);
    free(request->problem);
    *request = (struct ecert_request){0};
}

void ecert_requests_clear(struct ecert_requests *requests)
{
    for (size_t i = 0; i < requests->n; i++)
        ecert_request_clear(&requests->items[i]);
    free(requests->items);
    *requests = (struct ecert_requests){0};
}

bool ecert_request_is_pending(const struct ecert_request *request)
{
    return request->state == ECERT_REQUEST_OPEN || request->state == ECERT_REQUEST_MADE;
}

size_t ecert_requests_pending(const struct ecert_requests *requests)
{
    size_t n = 0;

    for (size_t i = 0; i < requests->n; i++)
        n += ecert_request_is_pending(&requests->items[i]) ? 1 : 0;
    return n;
}

bool ecert_request_needs_repair(const struct ecert_request *request)
{
    return request->problem != NULL && ecert_request_is_pending(request);
}

/* Which of two with the same key is the one: the states in this order, then the newer. */
static unsigned rank(const struct ecert_request *request)
{
    switch (request->state) {
    case ECERT_REQUEST_OPEN:
        return 4;
    case ECERT_REQUEST_MADE:
        return 3;
    case ECERT_REQUEST_ISSUED:
        return 2;
    case ECERT_REQUEST_CANCELLED:
        break;
    }
    return 1;
}

const struct ecert_request *ecert_requests_of_key(const struct ecert_requests *requests,
                                                  const uint8_t key_id[ECERT_SHA256_LEN])
{
    const struct ecert_request *found = NULL;

    for (size_t i = 0; i < requests->n; i++) {
        const struct ecert_request *request = &requests->items[i];
        if (memcmp(request->key_id, key_id, ECERT_SHA256_LEN) == 0 &&
            (found == NULL || rank(request) >= rank(found)))
            found = request;
    }
    return found;
}
