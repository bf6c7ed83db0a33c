#include "plugins/nginx/files.h"

#include "plugins/nginx/lexer.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u

static size_t bucket_of(const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *path != '\0'; path++)
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    return hash % BUCKETS;
}

const char *ecert_nginx_files_path(struct ecert_nginx *env, const char *base, const char *name)
{
    if (strstr(name, "..") == NULL)
        return ecert_nginx_resolve(env, base, name);
    const char *joined = name[0] == '/' ? name : ecert_arena_text(&env->arena, "%s/%s", base, name);
    char *real = joined == NULL ? NULL : realpath(joined, NULL);
    if (real == NULL)
        return ecert_nginx_resolve(env, base, name);
    const char *path = ecert_arena_copy(&env->arena, real, strlen(real));
    free(real);
    return path;
}

enum ecert_status ecert_nginx_files_load(struct ecert_nginx *env, struct ecert_nginx_sites *sites,
                                         const char *path, struct ecert_nginx_file **ret,
                                         struct ecert_error *err)
{
    struct ecert_view text = {0};

    if (sites->buckets == NULL)
        sites->buckets =
            ecert_arena_alloc(&env->arena, BUCKETS * sizeof(struct ecert_nginx_file *));
    if (sites->buckets == NULL)
        return ecert_nginx_no_memory(env, err);
    struct ecert_nginx_file **bucket = &sites->buckets[bucket_of(path)];

    for (struct ecert_nginx_file *known = *bucket; known != NULL; known = known->next_in_bucket)
        if (strcmp(known->path, path) == 0) {
            *ret = known;
            return ECERT_OK;
        }
    ECERT_NGINX_TRY(env->host->read_file(env->job, path, ECERT_NGINX_MAX_FILE_LEN, &text, err));
    struct ecert_nginx_file *file = ecert_arena_alloc(&env->arena, sizeof *file);
    if (file == NULL)
        return ecert_nginx_no_memory(env, err);
    *file = (struct ecert_nginx_file){.path = path, .text = text, .next_in_bucket = *bucket};
    ECERT_NGINX_TRY(ecert_nginx_parse(env, file, err));
    *bucket = file;
    if (sites->last_file == NULL)
        sites->files = file;
    else
        sites->last_file->next = file;
    sites->last_file = file;
    *ret = file;
    return ECERT_OK;
}
