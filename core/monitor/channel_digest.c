/* Who had this week's digest: one who does not take it does not make it daily for the others. */
#include <errno.h>
#include <unistd.h>

#include "core/flow/store_json.h"
#include "core/monitor/channel_internal.h"
#include "core/monitor/reminders_internal.h"

#define FORMAT   1
#define TIME_MAX INT64_C(253402300799)

static enum ecert_status path_of(const struct ecert_config *config, char **ret,
                                 struct ecert_error *err)
{
    return ecert_text_format(ret, err, "%s/reminders/digest.json", config->state_dir);
}

void ecert_digest_memory_clear(struct ecert_digest_memory *memory)
{
    ecert_strings_clear(&memory->had);
    *memory = (struct ecert_digest_memory){0};
}

/* The first versions did not write tries and next_try: then it is tried at once. */
static enum ecert_status read_memory(const struct ecert_config *config,
                                     struct ecert_digest_memory *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;
    int64_t format = 0;
    size_t i;
    json_t *who;

    ECERT_TRY(path_of(config, &path, err));
    ECERT_TRY(ecert_store_read_json(path, &json, err));
    ECERT_TRY(ecert_store_get_number(path, json, "format", FORMAT, &format, err));
    ECERT_TRY(ecert_store_get_number(path, json, "since", TIME_MAX, &ret->since, err));
    const json_int_t tries = json_integer_value(json_object_get(json, "tries"));
    ret->tries = tries < 0 || tries > INT16_MAX ? INT16_MAX : (unsigned)tries;
    ret->next_try = json_integer_value(json_object_get(json, "next_try"));
    json_array_foreach(json_object_get(json, "told"), i, who)
    {
        if (json_is_string(who))
            ECERT_TRY(ecert_strings_add(&ret->had, json_string_value(who), err));
    }
    return ECERT_OK;
}

/* That of this week, if there is one. */
static bool recall(const struct ecert_config *config, int64_t now, struct ecert_digest_memory *ret)
{
    struct ecert_error ignored = {0};
    bool next = true;

    if (read_memory(config, ret, &ignored) == ECERT_OK &&
        ecert_digest_day_came(config, ret->since, now, &next, &ignored) == ECERT_OK && !next)
        return true;
    ecert_digest_memory_clear(ret);
    return false;
}

void ecert_digest_recall(const struct ecert_config *config, int64_t now,
                         struct ecert_digest_memory *ret)
{
    if (!recall(config, now, ret))
        ret->since = now;
}

bool ecert_digest_is_owed(const struct ecert_config *config, int64_t now, bool *ret_is_time)
{
    ECERT_AUTO(ecert_digest_memory_clear) struct ecert_digest_memory memory = {0};
    struct ecert_error ignored = {0};
    bool due = false;

    *ret_is_time = false;
    if (!recall(config, now, &memory) ||
        ecert_digest_is_due(config, now, &due, &ignored) != ECERT_OK || !due)
        return false;
    *ret_is_time = ecert_try_is_due(memory.next_try, now);
    return true;
}

static bool append(json_t *list, const struct ecert_strings *who)
{
    for (size_t i = 0; i < who->len; i++)
        if (json_array_append_new(list, ecert_store_json_string(who->items[i])) != 0)
            return false;
    return true;
}

enum ecert_status ecert_digest_remember(const struct ecert_config *config,
                                        const struct ecert_digest_memory *memory,
                                        const struct ecert_strings *now_had, int64_t now,
                                        struct ecert_error *err)
{
    const unsigned tries = memory->tries < INT16_MAX ? memory->tries + 1 : memory->tries;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    json_t *list;

    ECERT_TRY(path_of(config, &path, err));
    list = json_array();
    if (!append(list, &memory->had) || !append(list, now_had)) {
        json_decref(list);
        return ecert_error_nomem(err);
    }
    ECERT_TRY(ecert_reminders_make_folder(config, ECERT_FOLDER_OWED, err));
    return ecert_store_write_json(
        path,
        json_pack("{s:i, s:I, s:i, s:I, s:o}", "format", FORMAT, "since", (json_int_t)memory->since,
                  "tries", (int)tries, "next_try", (json_int_t)ecert_next_try(memory->tries, now),
                  "told", list),
        err);
}

enum ecert_status ecert_digest_forget(const struct ecert_config *config, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_of(config, &path, err));
    if (unlink(path) != 0 && errno != ENOENT)
        return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", path);
    return ECERT_OK;
}
