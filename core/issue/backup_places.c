/* The configured places, and what a request has in them. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/flow/store.h"
#include "core/issue/backup_parts.h"

/* One directory under two names holds one copy, and is lost at once. */
static enum ecert_status check_apart(const char *a, const char *b, struct ecert_error *err)
{
    struct stat x, y;

    if (strcmp(a, b) != 0 &&
        (stat(a, &x) != 0 || stat(b, &y) != 0 || x.st_dev != y.st_dev || x.st_ino != y.st_ino))
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_CONFIG,
                           "places of backups '%s' and '%s' are one directory, which is one copy; "
                           "name another one, or one of them only",
                           a, b);
}

enum ecert_status ecert_backup_places(const struct ecert_config *config, struct ecert_strings *ret,
                                      struct ecert_error *err)
{
    const struct ecert_strings *configured = &config->backup.places;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings places = {0};

    for (size_t i = 0; i < configured->len; i++) {
        ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
        struct ecert_error ignored = {0}; /* one that is not there has its name all the same */

        for (size_t k = 0; k < i; k++)
            ECERT_TRY(check_apart(configured->items[k], configured->items[i], err));
        const bool there = ecert_fs_resolve(configured->items[i], &resolved, &ignored) == ECERT_OK;
        ECERT_TRY(ecert_strings_add(&places, there ? resolved : configured->items[i], err));
    }
    *ret = places;
    places = (struct ecert_strings){0};
    return ECERT_OK;
}

static bool is_in(const struct ecert_request_backup *backup, const char *place)
{
    const char *path = backup->path, *base = ecert_path_base(path);
    const size_t len = strlen(place);

    return base > path && (size_t)(base - path) == len + 1 && strncmp(path, place, len) == 0;
}

struct ecert_request_backup *ecert_backup_in(const struct ecert_request *request, const char *place)
{
    for (size_t i = 0; i < request->n_backups; i++)
        if (is_in(&request->backups[i], place))
            return &request->backups[i];
    return NULL;
}

bool ecert_backup_is_placed(const struct ecert_request_backup *backup,
                            const struct ecert_strings *places)
{
    for (size_t i = 0; i < places->len; i++)
        if (is_in(backup, places->items[i]))
            return true;
    return places->len == 0;
}

enum ecert_status ecert_backup_file_name(const struct ecert_request *request, unsigned i,
                                         char **ret, struct ecert_error *err)
{
    char folder[512], number[16] = "";

    ecert_store_folder(request->name, folder, sizeof folder);
    if (i > 1)
        (void)snprintf(number, sizeof number, "-%u", i);
    return ecert_text_format(ret, err, "%s-%s%s.p7m", folder, request->id, number);
}

enum ecert_status ecert_backup_path(const struct ecert_request *request, const char *place,
                                    char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *name = NULL;

    ECERT_TRY(ecert_backup_file_name(request, 1, &name, err));
    return ecert_text_format(ret, err, "%s/%s", place, name);
}
