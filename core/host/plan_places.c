#include "core/host/plan.h"

#include <string.h>

#include "core/base/fs.h"

/* "/etc" would be everything: a place has at least two parts. */
static bool is_narrow(const char *directory)
{
    return ecert_path_is_plain(directory) && strchr(directory + 1, '/') != NULL;
}

/* The directories with links followed.  One that is not there, or is wide now, lets nothing in. */
static enum ecert_status resolve_places(const char *const *may_write, struct ecert_strings *ret,
                                        struct ecert_error *err)
{
    for (size_t i = 0; may_write != NULL && may_write[i] != NULL; i++) {
        ECERT_AUTO(ecert_auto_free) char *resolved = NULL;

        if (!is_narrow(may_write[i]))
            return ecert_error_set(err, ECERT_E_REFUSED,
                                   "may_write: '%s' is not an absolute path of at least two parts",
                                   may_write[i]);
        const enum ecert_status status = ecert_fs_resolve_new(may_write[i], &resolved, err);
        if (status == ECERT_E_NOT_FOUND)
            continue;
        ECERT_TRY(status);
        if (is_narrow(resolved))
            ECERT_TRY(ecert_strings_add(ret, resolved, err));
    }
    return ECERT_OK;
}

static enum ecert_status check_place(const char *path, const struct ecert_strings *places,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;

    if (ecert_fs_resolve_new(path, &resolved, err) != ECERT_OK)
        return ecert_error_wrap(err, "the plan's file '%s'", path);
    for (size_t i = 0; i < places->len; i++)
        if (ecert_path_is_below(resolved, places->items[i]))
            return ECERT_OK;
    if (strcmp(path, resolved) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the plan writes '%s', which is outside of what this target may "
                               "touch; if it shall, add its directory to the target's may_write",
                               path);
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "the plan writes '%s', which is '%s' and outside of what this target "
                           "may touch; if it shall, add that directory to the target's may_write",
                           path, resolved);
}

enum ecert_status ecert_plan_check_places(const struct ecert_plan *plan,
                                          const char *const *may_write, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings places = {0};

    ECERT_TRY(resolve_places(may_write, &places, err));
    for (size_t i = 0; i < plan->n_files; i++)
        ECERT_TRY(check_place(plan->files[i].path, &places, err));
    *err = (struct ecert_error){0}; /* a place that is not there left its words */
    return ECERT_OK;
}

enum ecert_status ecert_plan_check_place(const char *path, const char *const *may_write,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings places = {0};

    ECERT_TRY(resolve_places(may_write, &places, err));
    ECERT_TRY(check_place(path, &places, err));
    *err = (struct ecert_error){0};
    return ECERT_OK;
}
