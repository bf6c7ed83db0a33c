/* What is remembered between two checks, beside what is owed and sent. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/store_json.h"
#include "core/monitor/reminders_internal.h"

#define FORMAT   1
#define TIME_MAX INT64_C(253402300799)

void ecert_things_since_clear(struct ecert_things_since *things)
{
    free(things->items);
    *things = (struct ecert_things_since){0};
}

enum ecert_status ecert_things_since_add(struct ecert_things_since *things, const char *thing,
                                         int64_t since, struct ecert_error *err)
{
    struct ecert_thing_since *items = things->items;
    const size_t n = things->n;

    if ((n & (n + 1)) == 0) /* doubled at each power of two */
        items = reallocarray(items, 2 * (n + 1), sizeof *items);
    if (items == NULL)
        return ecert_error_nomem(err);
    things->items = items;
    memcpy(items[n].thing, thing, ECERT_THING_LEN);
    items[n].thing[ECERT_THING_LEN] = '\0';
    items[n].since = since;
    things->n++;
    return ECERT_OK;
}

static int by_thing(const void *a, const void *b)
{
    const struct ecert_thing_since *x = a, *y = b;

    return strcmp(x->thing, y->thing);
}

const struct ecert_thing_since *ecert_things_since_find(const struct ecert_things_since *things,
                                                        const char *thing)
{
    struct ecert_thing_since wanted = {.since = 0};

    if (things->n == 0)
        return NULL;
    memcpy(wanted.thing, thing, ECERT_THING_LEN);
    return bsearch(&wanted, things->items, things->n, sizeof wanted, by_thing);
}

void ecert_reminders_state_clear(struct ecert_reminders_state *state)
{
    ecert_things_since_clear(&state->no_answer);
    ecert_things_since_clear(&state->absent);
    *state = (struct ecert_reminders_state){0};
}

static enum ecert_status read_things(const char *path, json_t *json, const char *key,
                                     struct ecert_things_since *ret, struct ecert_error *err)
{
    json_t *list = json_object_get(json, key);
    const char *thing;
    json_t *number;

    if (!json_is_object(list))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: no \"%s\"", path, key);
    json_object_foreach(list, thing, number)
    {
        int64_t since = 0;

        if (strlen(thing) != ECERT_THING_LEN)
            return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: \"%s\"", path, key);
        ECERT_TRY(ecert_store_get_number(path, list, thing, TIME_MAX, &since, err));
        ECERT_TRY(ecert_things_since_add(ret, thing, since, err));
    }
    if (ret->n > 1)
        qsort(ret->items, ret->n, sizeof *ret->items, by_thing);
    return ECERT_OK;
}

static enum ecert_status read_state(const char *path, struct ecert_reminders_state *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;
    ECERT_AUTO(ecert_reminders_state_clear) struct ecert_reminders_state state = {0};
    int64_t format = 0;

    ECERT_TRY(ecert_store_read_json(path, &json, err));
    ECERT_TRY(ecert_store_get_number(path, json, "format", FORMAT, &format, err));
    ECERT_TRY(ecert_store_get_number(path, json, "last_check", TIME_MAX, &state.last_check, err));
    ECERT_TRY(ecert_store_get_number(path, json, "last_forget", TIME_MAX, &state.last_forget, err));
    ECERT_TRY(ecert_store_get_number(path, json, "last_digest", TIME_MAX, &state.last_digest, err));
    ECERT_TRY(read_things(path, json, "no_answer", &state.no_answer, err));
    if (json_object_get(json, "absent") != NULL) /* the first versions did not write it */
        ECERT_TRY(read_things(path, json, "absent", &state.absent, err));
    *ret = state;
    state = (struct ecert_reminders_state){0};
    return ECERT_OK;
}

static enum ecert_status state_path(const struct ecert_config *config, char **ret,
                                    struct ecert_error *err)
{
    return ecert_text_format(ret, err, "%s/reminders/state.json", config->state_dir);
}

enum ecert_status ecert_reminders_state_read(const struct ecert_config *config,
                                             struct ecert_reminders_state *ret,
                                             struct ecert_strings *notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_reminders_state none = {0};

    ECERT_TRY(state_path(config, &path, err));
    const enum ecert_status status = read_state(path, ret, err);
    if (status != ECERT_E_NOT_FOUND && status != ECERT_E_REFUSED)
        return status;
    *ret = none;
    return status == ECERT_E_NOT_FOUND ? ECERT_OK : ecert_reminders_set_aside(path, notes, err);
}

enum ecert_status ecert_reminders_state_look(const struct ecert_config *config,
                                             struct ecert_reminders_state *ret,
                                             struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_reminders_state none = {0};

    ECERT_TRY(state_path(config, &path, err));
    const enum ecert_status status = read_state(path, ret, err);
    if (status != ECERT_E_NOT_FOUND && status != ECERT_E_REFUSED)
        return status;
    *ret = none;
    return ECERT_OK;
}

/* A thing that is there twice is written as it was added last; NULL: no memory. */
static json_t *things_json(const struct ecert_things_since *things)
{
    json_t *list = json_object();

    for (size_t i = 0; list != NULL && i < things->n; i++)
        if (json_object_set_new(list, things->items[i].thing,
                                json_integer(things->items[i].since)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

enum ecert_status ecert_reminders_state_write(const struct ecert_config *config,
                                              const struct ecert_reminders_state *state,
                                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(state_path(config, &path, err));
    ECERT_TRY(ecert_reminders_make_folder(config, ECERT_FOLDER_OWED, err));
    return ecert_store_write_json(
        path,
        json_pack("{s:i, s:I, s:I, s:I, s:o, s:o}", "format", FORMAT, "last_check",
                  (json_int_t)state->last_check, "last_forget", (json_int_t)state->last_forget,
                  "last_digest", (json_int_t)state->last_digest, "no_answer",
                  things_json(&state->no_answer), "absent", things_json(&state->absent)),
        err);
}
