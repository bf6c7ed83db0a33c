#include "plugins/nginx/ready.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file by what it is, not by the name that led to it. */
struct identity {
    dev_t device;
    ino_t inode;
};

static bool identify(const char *path, struct identity *ret)
{
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    *ret = (struct identity){st.st_dev, st.st_ino};
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct identity *left = a;
    const struct identity *right = b;

    if (left->inode != right->inode)
        return left->inode < right->inode ? -1 : 1;
    return (left->device > right->device) - (left->device < right->device);
}

/* Of the files that were read. */
static struct identity *identify_all(struct ecert_nginx *env, const struct ecert_nginx_sites *sites,
                                     size_t *ret_n)
{
    size_t n = 0;

    for (const struct ecert_nginx_file *file = sites->files; file != NULL; file = file->next)
        n++;
    struct identity *known = ecert_arena_alloc(&env->arena, (n + 1) * sizeof *known);
    if (known == NULL)
        return NULL;
    n = 0;
    for (const struct ecert_nginx_file *file = sites->files; file != NULL; file = file->next)
        n += identify(file->path, &known[n]);
    qsort(known, n, sizeof *known, compare);
    *ret_n = n;
    return known;
}

/* A copy of the first http block: what stands in these files changes nothing of the real one. */
static struct ecert_nginx_scope *copy_http(struct ecert_nginx *env,
                                           const struct ecert_nginx_sites *sites)
{
    struct ecert_nginx_scope *copy = ecert_arena_alloc(&env->arena, sizeof *copy);

    if (copy == NULL)
        return NULL;
    copy->kind = ECERT_NGINX_HTTP;
    for (size_t i = 0; i < sites->n_servers; i++)
        if (sites->servers[i]->scope->kind == ECERT_NGINX_HTTP) {
            *copy = *sites->servers[i]->scope;
            break;
        }
    return copy;
}

static enum ecert_status read_one(struct ecert_nginx *env, const struct ecert_nginx_layout *layout,
                                  const char *path, struct ecert_nginx_sites *sites,
                                  struct ecert_error *err)
{
    struct ecert_nginx_scope *http = copy_http(env, sites);
    struct ecert_error wrong = {0};

    if (http == NULL)
        return ecert_nginx_no_memory(env, err);
    const enum ecert_status status =
        ecert_nginx_sites_read_more(env, layout, http, path, sites, &wrong);
    if (status == ECERT_OK)
        return ECERT_OK;
    const char *note =
        status == ECERT_E_NOMEM
            ? NULL
            : ecert_arena_text(&env->arena, "'%s' is not enabled, and its sites are not shown: %s",
                               path, wrong.text);
    return note != NULL ? env->host->emit_note(env->job, note, err)
                        : ecert_nginx_no_memory(env, err);
}

enum ecert_status ecert_nginx_ready_read(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         struct ecert_nginx_sites *sites, struct ecert_error *err)
{
    const char *pattern =
        ecert_arena_text(&env->arena, "%s/sites-available/*", layout->conf_prefix);
    const char *const *paths = NULL;
    struct identity found = {0};
    size_t n = 0;
    const struct identity *known = identify_all(env, sites, &n);

    if (pattern == NULL || known == NULL)
        return ecert_nginx_no_memory(env, err);
    ECERT_NGINX_TRY(env->host->glob(env->job, pattern, &paths, err));
    for (size_t i = 0; paths != NULL && paths[i] != NULL; i++)
        if (identify(paths[i], &found) && bsearch(&found, known, n, sizeof *known, compare) == NULL)
            ECERT_NGINX_TRY(read_one(env, layout, paths[i], sites, err));
    return ECERT_OK;
}
