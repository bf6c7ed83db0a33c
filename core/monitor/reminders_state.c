/* What is remembered between two checks, beside what is owed and sent. */
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/store_json.h"
#include "core/monitor/reminders_internal.h"

#define FORMAT   1
#define TIME_MAX INT64_C(253402300799)

void ecert_reminders_state_clear(struct ecert_reminders_state *state)
{
    free(state->no_answer);
    *state = (struct ecert_reminders_state){0};
}

static enum ecert_status read_no_answer(const char *path, json_t *json,
                                        struct ecert_reminders_state *ret, struct ecert_error *err)
{
    json_t *list = json_object_get(json, "no_answer");
    const char *thing;
    json_t *since;

    if (!json_is_object(list))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: no \"no_answer\"", path);
    ret->no_answer = calloc(json_object_size(list) + 1, sizeof *ret->no_answer);
    if (ret->no_answer == NULL)
        return ecert_error_nomem(err);
    json_object_foreach(list, thing, since)
    {
        struct ecert_no_answer *one = &ret->no_answer[ret->n_no_answer];

        if (strlen(thing) != ECERT_THING_LEN)
            return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is damaged: \"%s\"", path,
                                   "no_answer");
        memcpy(one->thing, thing, ECERT_THING_LEN + 1);
        ECERT_TRY(ecert_store_get_number(path, list, thing, TIME_MAX, &one->since, err));
        ret->n_no_answer++;
    }
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
    ECERT_TRY(read_no_answer(path, json, &state, err));
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

enum ecert_status ecert_reminders_state_write(const struct ecert_config *config,
                                              const struct ecert_reminders_state *state,
                                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_json) json_t *list = json_object();

    for (size_t i = 0; i < state->n_no_answer; i++)
        if (json_object_set_new(list, state->no_answer[i].thing,
                                json_integer(state->no_answer[i].since)) != 0)
            return ecert_error_nomem(err);
    ECERT_TRY(state_path(config, &path, err));
    ECERT_TRY(ecert_reminders_make_folder(config, ECERT_FOLDER_OWED, err));
    return ecert_store_write_json(
        path,
        json_pack("{s:i, s:I, s:I, s:I, s:O}", "format", FORMAT, "last_check",
                  (json_int_t)state->last_check, "last_forget", (json_int_t)state->last_forget,
                  "last_digest", (json_int_t)state->last_digest, "no_answer", list),
        err);
}
