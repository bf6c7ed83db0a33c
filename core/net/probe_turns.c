#include "core/net/probe_turns.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "core/net/protocol.h"

#define NONE SIZE_MAX

/* A queue of endpoints; who comes next is in turns->behind[]. */
struct queue {
    size_t first, last;
};

struct place {
    size_t example;       /* one of its endpoints */
    size_t n;             /* under way, or in `ready`: their turn is kept for them */
    size_t silent;        /* so many in a row let us wait */
    struct queue waiting; /* for one of those to end */
};

struct ecert_turns {
    const struct ecert_net_probe *probe;
    size_t seen; /* endpoints that were looked at, in their order */
    size_t next; /* NONE: not chosen */
    size_t n_places;
    struct queue ready;   /* they waited, and their turn has come */
    struct place *places; /* room for n */
    size_t *place_of;     /* n */
    size_t *behind;       /* n; NONE: the last one */
};

/* ---- queues ---- */

static void append(struct ecert_turns *turns, struct queue *queue, size_t index)
{
    turns->behind[index] = NONE;
    if (queue->first == NONE)
        queue->first = index;
    else
        turns->behind[queue->last] = index;
    queue->last = index;
}

static size_t take_first(const struct ecert_turns *turns, struct queue *queue)
{
    const size_t index = queue->first;

    if (index != NONE)
        queue->first = turns->behind[index];
    return index;
}

/* ---- places ---- */

static size_t hash(const struct ecert_net_endpoint *endpoint)
{
    size_t value = endpoint->port;

    for (const char *p = endpoint->address; *p != '\0'; p++)
        value = value * 31 + (size_t)tolower((unsigned char)*p);
    return value;
}

static bool is_same(const struct ecert_net_endpoint *a, const struct ecert_net_endpoint *b)
{
    return a->port == b->port && strcasecmp(a->address, b->address) == 0;
}

/* `table`, of a power of two of slots and more than there are places: 0, or 1 + the place. */
static size_t find_place(struct ecert_turns *turns, size_t *table, size_t slots, size_t index)
{
    const struct ecert_net_endpoint *endpoints = turns->probe->endpoints;
    size_t at = hash(&endpoints[index]) & (slots - 1);

    while (table[at] != 0 &&
           !is_same(&endpoints[turns->places[table[at] - 1].example], &endpoints[index]))
        at = (at + 1) & (slots - 1);
    if (table[at] == 0) {
        turns->places[turns->n_places] = (struct place){.example = index, .waiting = {NONE, NONE}};
        table[at] = ++turns->n_places;
    }
    return table[at] - 1;
}

static bool find_places(struct ecert_turns *turns)
{
    size_t slots = 16;

    while (slots < 2 * turns->probe->n)
        slots *= 2;
    size_t *table = calloc(slots, sizeof *table);
    for (size_t i = 0; table != NULL && i < turns->probe->n; i++)
        turns->place_of[i] = find_place(turns, table, slots, i);
    free(table);
    return table != NULL;
}

/* ---- turns ---- */

enum ecert_status ecert_turns_new(const struct ecert_net_probe *probe, struct ecert_turns **ret,
                                  struct ecert_error *err)
{
    struct ecert_turns *turns = calloc(1, sizeof *turns);

    if (turns == NULL)
        return ecert_error_nomem(err);
    *turns = (struct ecert_turns){.probe = probe,
                                  .next = NONE,
                                  .ready = {NONE, NONE},
                                  .places = calloc(probe->n + 1, sizeof *turns->places),
                                  .place_of = calloc(probe->n + 1, sizeof *turns->place_of),
                                  .behind = calloc(probe->n + 1, sizeof *turns->behind)};
    if (turns->places == NULL || turns->place_of == NULL || turns->behind == NULL ||
        !find_places(turns)) {
        ecert_turns_free(turns);
        return ecert_error_nomem(err);
    }
    *ret = turns;
    return ECERT_OK;
}

void ecert_turns_free(struct ecert_turns *turns)
{
    if (turns == NULL)
        return;
    free(turns->places);
    free(turns->place_of);
    free(turns->behind);
    free(turns);
}

bool ecert_turns_next(struct ecert_turns *turns, size_t *ret_index)
{
    if (turns->next == NONE)
        turns->next = take_first(turns, &turns->ready);
    while (turns->next == NONE && turns->seen < turns->probe->n) {
        const size_t index = turns->seen++;
        struct place *place = &turns->places[turns->place_of[index]];

        if (place->n == ECERT_NET_AT_ONCE_PLACE) {
            append(turns, &place->waiting, index);
            continue;
        }
        place->n++;
        turns->next = index;
    }
    *ret_index = turns->next;
    return turns->next != NONE;
}

void ecert_turns_begin(struct ecert_turns *turns)
{
    turns->next = NONE;
}

void ecert_turns_end(struct ecert_turns *turns, size_t index, bool answered)
{
    struct place *place = &turns->places[turns->place_of[index]];
    const size_t waited = take_first(turns, &place->waiting);

    place->silent = answered ? 0 : place->silent + 1;
    if (waited != NONE)
        append(turns, &turns->ready, waited);
    else
        place->n--;
}

bool ecert_turns_is_silent(const struct ecert_turns *turns, size_t index)
{
    return turns->places[turns->place_of[index]].silent >= ECERT_NET_AT_ONCE_PLACE;
}
