#include "core/flow/requests_left.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/store.h"

#define WILDCARD "_wildcard."

/* The certificate whose folder this is; NULL: out of memory. */
static char *name_of(const char *folder)
{
    char *name = NULL;

    if (strncmp(folder, WILDCARD, strlen(WILDCARD)) != 0)
        return strdup(folder);
    return asprintf(&name, "*.%s", folder + strlen(WILDCARD)) < 0 ? NULL : name;
}

/* Append them, and take them out of `from`. */
static enum ecert_status move_all(struct ecert_requests *from, struct ecert_requests *to,
                                  struct ecert_error *err)
{
    if (from->n == 0)
        return ECERT_OK;
    struct ecert_request *more = reallocarray(to->items, to->n + from->n, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    memcpy(more + to->n, from->items, from->n * sizeof *more);
    to->items = more;
    to->n += from->n;
    free(from->items);
    *from = (struct ecert_requests){0};
    return ECERT_OK;
}

/* A name that no folder can have, or a file: nobody's request. */
static bool has_requests(const char *state_dir, const char *name)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error ignored = {0};

    return ecert_store_path(state_dir, name, "requests", &path, &ignored) == ECERT_OK &&
           ecert_fs_exists(path);
}

enum ecert_status ecert_requests_left_of(const struct ecert_config *config, const char *name,
                                         struct ecert_requests *ret, struct ecert_error *err)
{
    if (ecert_config_certificate(config, name) != NULL || !has_requests(config->state_dir, name))
        return ECERT_OK;
    return ecert_requests_load(config->state_dir, name, ret, err);
}

enum ecert_status ecert_requests_left(const struct ecert_config *config, struct ecert_requests *ret,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests left = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings folders = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_text_format(&path, err, "%s/certificates", config->state_dir));
    const enum ecert_status status = ecert_fs_list(path, &folders, err);
    if (status == ECERT_E_NOT_FOUND) {
        *err = (struct ecert_error){0};
        return ECERT_OK;
    }
    ECERT_TRY(status);
    for (size_t i = 0; i < folders.len; i++) {
        ECERT_AUTO(ecert_requests_clear) struct ecert_requests of_one = {0};
        ECERT_AUTO(ecert_auto_free) char *name = name_of(folders.items[i]);

        if (name == NULL)
            return ecert_error_nomem(err);
        ECERT_TRY(ecert_requests_left_of(config, name, &of_one, err));
        ECERT_TRY(move_all(&of_one, &left, err));
    }
    *ret = left;
    left = (struct ecert_requests){0};
    return ECERT_OK;
}
