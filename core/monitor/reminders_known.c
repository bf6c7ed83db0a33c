/* The keys that are owed or sent, in memory. */
#include <stdlib.h>
#include <string.h>

#include "core/monitor/reminders_internal.h"

void ecert_known_clear(struct ecert_known *known)
{
    free(known->items);
    *known = (struct ecert_known){0};
}

static int by_key(const void *a, const void *b)
{
    const struct ecert_known_key *x = a, *y = b;

    return memcmp(x->key, y->key, ECERT_KEY_LEN);
}

static enum ecert_status make_room(struct ecert_known *known, size_t more, struct ecert_error *err)
{
    size_t room = known->room == 0 ? 64 : known->room;
    struct ecert_known_key *items;

    if (known->n + more <= known->room)
        return ECERT_OK;
    while (room < known->n + more)
        room *= 2;
    items = reallocarray(known->items, room, sizeof *items);
    if (items == NULL)
        return ecert_error_nomem(err);
    known->items = items;
    known->room = room;
    return ECERT_OK;
}

static enum ecert_status load_folder(const struct ecert_config *config, const char *folder,
                                     bool owed, struct ecert_known *known, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(ecert_reminders_list(config, folder, &names, err));
    ECERT_TRY(make_room(known, names.len + 1, err));
    for (size_t i = 0; i < names.len; i++) {
        struct ecert_known_key *key = &known->items[known->n];

        *key = (struct ecert_known_key){.owed = owed, .sent = !owed};
        if (ecert_key_of_name(names.items[i], key->key))
            known->n++;
    }
    return ECERT_OK;
}

/* A key in both folders is one. */
static void join_twins(struct ecert_known *known)
{
    size_t n = 0;

    for (size_t i = 0; i < known->n; i++) {
        struct ecert_known_key *last = n > 0 ? &known->items[n - 1] : NULL;

        if (last == NULL || by_key(last, &known->items[i]) != 0) {
            known->items[n++] = known->items[i];
            continue;
        }
        last->owed = last->owed || known->items[i].owed;
        last->sent = last->sent || known->items[i].sent;
    }
    known->n = n;
}

enum ecert_status ecert_known_load(const struct ecert_config *config, struct ecert_known *ret,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_known_clear) struct ecert_known known = {0};

    /* owed before sent: what moves between the two listings is found twice, never not at all */
    ECERT_TRY(load_folder(config, ECERT_FOLDER_OWED, true, &known, err));
    ECERT_TRY(load_folder(config, ECERT_FOLDER_SENT, false, &known, err));
    qsort(known.items, known.n, sizeof *known.items, by_key);
    join_twins(&known);
    *ret = known;
    known = (struct ecert_known){0};
    return ECERT_OK;
}

/* The first item whose first `len` digits are not below these. */
static size_t first_at(const struct ecert_known *known, const char *digits, size_t len)
{
    size_t low = 0, high = known->n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (memcmp(known->items[middle].key, digits, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ecert_known_of(const struct ecert_known *known, const struct ecert_thing *thing,
                    size_t *ret_first, size_t *ret_n)
{
    const size_t first = first_at(known, thing->prefix, ECERT_THING_LEN);
    size_t end = first;

    while (end < known->n && memcmp(known->items[end].key, thing->prefix, ECERT_THING_LEN) == 0)
        end++;
    *ret_first = first;
    *ret_n = end - first;
}

struct ecert_known_key *ecert_known_find(const struct ecert_known *known, const char *key)
{
    const size_t at = first_at(known, key, ECERT_KEY_LEN);

    if (at == known->n || memcmp(known->items[at].key, key, ECERT_KEY_LEN) != 0 ||
        (!known->items[at].owed && !known->items[at].sent))
        return NULL;
    return &known->items[at];
}

enum ecert_status ecert_known_add_owed(struct ecert_known *known, const char *key,
                                       struct ecert_error *err)
{
    const size_t at = first_at(known, key, ECERT_KEY_LEN);
    const bool is_there = at < known->n && memcmp(known->items[at].key, key, ECERT_KEY_LEN) == 0;

    if (!is_there) {
        ECERT_TRY(make_room(known, 1, err));
        memmove(&known->items[at + 1], &known->items[at], (known->n - at) * sizeof *known->items);
        known->n++;
        known->items[at] = (struct ecert_known_key){0};
        memcpy(known->items[at].key, key, ECERT_KEY_LEN);
    }
    known->items[at].owed = known->items[at].seen = true;
    return ECERT_OK;
}

enum ecert_status ecert_known_drop_owed(const struct ecert_config *config,
                                        struct ecert_known_key *key, struct ecert_error *err)
{
    if (key->owed)
        ECERT_TRY(ecert_reminders_remove(config, ECERT_FOLDER_OWED, key->key, err));
    key->owed = false;
    return ECERT_OK;
}

enum ecert_status ecert_known_drop(const struct ecert_config *config, struct ecert_known_key *key,
                                   struct ecert_error *err)
{
    ECERT_TRY(ecert_known_drop_owed(config, key, err));
    if (key->sent)
        ECERT_TRY(ecert_reminders_remove(config, ECERT_FOLDER_SENT, key->key, err));
    key->sent = false;
    return ECERT_OK;
}
