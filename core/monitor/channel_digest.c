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

static enum ecert_status read_list(const struct ecert_config *config, int64_t *since,
                                   struct ecert_strings *had, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_json) json_t *json = NULL;
    int64_t format = 0;
    size_t i;
    json_t *who;

    ECERT_TRY(path_of(config, &path, err));
    ECERT_TRY(ecert_store_read_json(path, &json, err));
    ECERT_TRY(ecert_store_get_number(path, json, "format", FORMAT, &format, err));
    ECERT_TRY(ecert_store_get_number(path, json, "since", TIME_MAX, since, err));
    json_array_foreach(json_object_get(json, "told"), i, who)
    {
        if (json_is_string(who))
            ECERT_TRY(ecert_strings_add(had, json_string_value(who), err));
    }
    return ECERT_OK;
}

void ecert_digest_recall(const struct ecert_config *config, int64_t now, int64_t *since,
                         struct ecert_strings *had)
{
    struct ecert_error ignored = {0};
    bool next = true;

    if (read_list(config, since, had, &ignored) == ECERT_OK &&
        ecert_digest_day_came(config, *since, now, &next, &ignored) == ECERT_OK && !next)
        return;
    ecert_strings_clear(had);
    *since = now;
}

static bool append(json_t *list, const struct ecert_strings *who)
{
    for (size_t i = 0; i < who->len; i++)
        if (json_array_append_new(list, ecert_store_json_string(who->items[i])) != 0)
            return false;
    return true;
}

enum ecert_status ecert_digest_remember(const struct ecert_config *config, int64_t since,
                                        const struct ecert_strings *had,
                                        const struct ecert_strings *now_had,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    json_t *list;

    ECERT_TRY(path_of(config, &path, err));
    if (now_had->len == 0)
        return ECERT_OK;
    list = json_array();
    if (!append(list, had) || !append(list, now_had)) {
        json_decref(list);
        return ecert_error_nomem(err);
    }
    ECERT_TRY(ecert_reminders_make_folder(config, ECERT_FOLDER_OWED, err));
    return ecert_store_write_json(
        path,
        json_pack("{s:i, s:I, s:o}", "format", FORMAT, "since", (json_int_t)since, "told", list),
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
