#include "core/flow/endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"

static void forget(struct ecert_endpoints *endpoints)
{
    for (size_t i = 0; endpoints->seen != NULL && i < endpoints->n; i++)
        ecert_seen_clear(&endpoints->seen[i]);
    free(endpoints->seen);
    endpoints->seen = NULL;
}

void ecert_endpoints_clear(struct ecert_endpoints *endpoints)
{
    forget(endpoints);
    free(endpoints->probes);
    *endpoints = (struct ecert_endpoints){0};
}

enum ecert_status ecert_endpoints_add(struct ecert_endpoints *endpoints,
                                      const struct ecert_probe *probe, struct ecert_error *err)
{
    forget(endpoints);
    if (endpoints->n == endpoints->room) {
        const size_t room = endpoints->room == 0 ? 16 : 2 * endpoints->room;
        struct ecert_probe *more = reallocarray(endpoints->probes, room, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        endpoints->probes = more;
        endpoints->room = room;
    }
    endpoints->probes[endpoints->n++] = *probe;
    return ECERT_OK;
}

enum ecert_status ecert_endpoints_add_target(struct ecert_endpoints *endpoints,
                                             const struct ecert_target_state *state,
                                             struct ecert_error *err)
{
    for (size_t i = 0; i < state->n_probes; i++)
        ECERT_TRY(ecert_endpoints_add(endpoints, &state->probes[i], err));
    return ECERT_OK;
}

enum ecert_status ecert_endpoints_look(struct ecert_endpoints *endpoints,
                                       struct ecert_network *network, const char *key_type,
                                       ecert_network_progress_fn *progress, void *context,
                                       struct ecert_error *err)
{
    forget(endpoints);
    endpoints->seen = calloc(endpoints->n + 1, sizeof *endpoints->seen);
    if (endpoints->seen == NULL)
        return ecert_error_nomem(err);
    if (endpoints->n == 0)
        return ECERT_OK;
    return ecert_network_probe_all(network, endpoints->probes, endpoints->n, key_type,
                                   ECERT_ENDPOINTS_TIMEOUT_MS, progress, context, endpoints->seen,
                                   err);
}

/* ---- a second and a third time ---- */

struct again {
    struct ecert_endpoints endpoints;
    size_t *index; /* of each, among those that it was taken from */
};

static void again_clear(struct again *again)
{
    ecert_endpoints_clear(&again->endpoints);
    free(again->index);
}

static const char *key_type_of(const char *const *key_types, size_t index)
{
    return key_types == NULL ? NULL : key_types[index];
}

static bool same_type(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Those with a doubtful answer that are asked for this kind of key. */
static enum ecert_status choose(const struct ecert_endpoints *from,
                                const struct ecert_endpoints_judge *judge, const char *key_type,
                                struct again *ret, struct ecert_error *err)
{
    ret->index = calloc(from->n + 1, sizeof *ret->index);
    if (ret->index == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < from->n; i++) {
        if (!from->seen[i].answered || !same_type(key_type_of(judge->key_types, i), key_type) ||
            judge->doubt(judge->context, i, &from->seen[i]) == 0)
            continue;
        ret->index[ret->endpoints.n] = i;
        ECERT_TRY(ecert_endpoints_add(&ret->endpoints, &from->probes[i], err));
    }
    return ECERT_OK;
}

static void take_better(struct ecert_endpoints *to, const struct ecert_endpoints_judge *judge,
                        struct again *again)
{
    for (size_t k = 0; k < again->endpoints.n; k++) {
        struct ecert_seen *now = &again->endpoints.seen[k];
        struct ecert_seen *before = &to->seen[again->index[k]];

        if (!now->answered || judge->doubt(judge->context, again->index[k], now) >=
                                  judge->doubt(judge->context, again->index[k], before))
            continue;
        ecert_seen_clear(before);
        *before = *now;
        *now = (struct ecert_seen){0};
    }
}

static enum ecert_status ask_again(struct ecert_endpoints *endpoints, struct ecert_network *network,
                                   const struct ecert_endpoints_judge *judge, const char *key_type,
                                   unsigned *pause_ms, struct ecert_error *err)
{
    ECERT_AUTO(again_clear) struct again again = {0};
    struct ecert_error why = {0};

    ECERT_TRY(choose(endpoints, judge, key_type, &again, err));
    if (again.endpoints.n == 0)
        return ECERT_OK;
    ecert_clock_sleep_ms(*pause_ms);
    *pause_ms = 0; /* one pause for all of them */
    if (ecert_endpoints_look(&again.endpoints, network, key_type, NULL, NULL, &why) == ECERT_OK)
        take_better(endpoints, judge, &again);
    return why.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
}

enum ecert_status ecert_endpoints_settle(struct ecert_endpoints *endpoints,
                                         struct ecert_network *network,
                                         const struct ecert_endpoints_judge *judge,
                                         struct ecert_error *err)
{
    static const unsigned pauses_ms[] = {250, 500};
    static const char *const key_types[] = {NULL, "rsa", "ec"};

    for (size_t round = 0; endpoints->seen != NULL && round < ARRAY_SIZE(pauses_ms); round++) {
        unsigned pause_ms = pauses_ms[round];

        for (size_t i = 0; i < ARRAY_SIZE(key_types); i++)
            ECERT_TRY(ask_again(endpoints, network, judge, key_types[i], &pause_ms, err));
    }
    return ECERT_OK;
}
