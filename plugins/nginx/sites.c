#include "plugins/nginx/sites.h"

#include "plugins/nginx/lexer.h"

#include <stdlib.h>
#include <string.h>

#define MAX_INCLUDE_DEPTH 64
#define MAX_INCLUDES      200000
#define BUCKETS           4096

struct reader {
    struct ecert_nginx *env;
    const struct ecert_nginx_layout *layout;
    struct ecert_nginx_sites sites;
    struct ecert_nginx_file **buckets;
    unsigned includes;
};

/* Where in the configuration a directive stands, includes resolved. */
struct place {
    enum ecert_nginx_kind context; /* HTTP, STREAM, MAIL; NONE: the main context */
    struct ecert_nginx_scope *scope;
    struct ecert_nginx_server *server; /* NULL: in none, or in one that is of no interest */
    bool location;
    unsigned depth; /* of includes */
};

static enum ecert_status walk(struct reader *reader, const struct place *place,
                              struct ecert_nginx_directive *first, struct ecert_error *err);

/* ---- files ----------------------------------------------------------------------------------- */

static size_t bucket_of(const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (; *path != '\0'; path++)
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    return hash % BUCKETS;
}

/*
 * The path that a record may carry.  ".." is left to the file system, because what stands before
 * it may be a symbolic link.
 */
static const char *clean_path(struct ecert_nginx *env, const char *base, const char *name)
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

static enum ecert_status load(struct reader *reader, const char *path,
                              struct ecert_nginx_file **ret, struct ecert_error *err)
{
    struct ecert_nginx *env = reader->env;
    struct ecert_nginx_file **bucket = &reader->buckets[bucket_of(path)];
    struct ecert_view text = {0};

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
    if (reader->sites.last_file == NULL)
        reader->sites.files = file;
    else
        reader->sites.last_file->next = file;
    reader->sites.last_file = file;
    *ret = file;
    return ECERT_OK;
}

static enum ecert_status include_one(struct reader *reader, const struct place *place,
                                     const struct ecert_nginx_directive *from, const char *path,
                                     struct ecert_error *err)
{
    struct ecert_nginx *env = reader->env;
    struct ecert_nginx_file *file = NULL;
    struct place inside = *place;

    if (path == NULL)
        return ecert_nginx_no_memory(env, err);
    if (++inside.depth > MAX_INCLUDE_DEPTH)
        return env->host->fail(err, ECERT_E_CONFIG,
                               "%s:%u: includes are nested more than %d deep; does '%s' include "
                               "itself?",
                               from->file->path, from->line, MAX_INCLUDE_DEPTH, path);
    if (++reader->includes > MAX_INCLUDES)
        return env->host->fail(err, ECERT_E_CONFIG, "%s:%u: more than %d includes",
                               from->file->path, from->line, MAX_INCLUDES);
    const enum ecert_status status = load(reader, path, &file, err);
    if (status == ECERT_E_NOT_FOUND || status == ECERT_E_REFUSED || status == ECERT_E_IO) {
        const char *why = ecert_arena_copy(&env->arena, err->text, strlen(err->text));
        return env->host->fail(err, ECERT_E_CONFIG, "%s:%u: include '%s': %s", from->file->path,
                               from->line, path, why != NULL ? why : "cannot be read");
    }
    if (status != ECERT_OK)
        return status;
    return walk(reader, &inside, file->first, err);
}

static enum ecert_status include(struct reader *reader, const struct place *place,
                                 const struct ecert_nginx_directive *from, struct ecert_error *err)
{
    struct ecert_nginx *env = reader->env;
    const char *const *paths = NULL;

    if (from->n_words != 1)
        return env->host->fail(err, ECERT_E_CONFIG, "%s:%u: 'include' takes one path",
                               from->file->path, from->line);
    const char *name = ecert_nginx_argument(env, from, 0);
    if (name == NULL)
        return ecert_nginx_no_memory(env, err);
    const char *base = reader->layout->conf_prefix;
    if (strpbrk(name, "*?[") == NULL)
        return include_one(reader, place, from, clean_path(env, base, name), err);

    const char *pattern =
        name[0] == '/' ? name : ecert_arena_text(&env->arena, "%s/%s", base, name);
    if (pattern == NULL)
        return ecert_nginx_no_memory(env, err);
    ECERT_NGINX_TRY(env->host->glob(env->job, pattern, &paths, err));
    for (size_t i = 0; paths != NULL && paths[i] != NULL; i++)
        ECERT_NGINX_TRY(include_one(reader, place, from, clean_path(env, "", paths[i]), err));
    return ECERT_OK;
}

/* ---- directives ------------------------------------------------------------------------------ */

static enum ecert_status add_log(struct reader *reader, const char *path, struct ecert_error *err)
{
    struct ecert_nginx_sites *sites = &reader->sites;
    const char **logs =
        ecert_arena_grow(&reader->env->arena, sites->logs, sites->n_logs, sizeof *logs);

    if (logs == NULL || path == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    sites->logs = logs;
    sites->logs[sites->n_logs++] = path;
    return ECERT_OK;
}

/* Only what nginx opens as a file when it starts. */
static bool is_log_file(const char *value)
{
    return strchr(value, '$') == NULL && strcmp(value, "off") != 0 &&
           strcmp(value, "stderr") != 0 && strncmp(value, "syslog:", 7) != 0 &&
           strncmp(value, "memory:", 7) != 0 && strncmp(value, "|", 1) != 0;
}

static enum ecert_status take_log(struct reader *reader,
                                  const struct ecert_nginx_directive *directive,
                                  struct ecert_error *err)
{
    if (directive->n_words == 0)
        return ECERT_OK;
    const char *value = ecert_nginx_argument(reader->env, directive, 0);
    if (value == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    if (!is_log_file(value))
        return ECERT_OK;
    return add_log(reader, ecert_nginx_resolve(reader->env, reader->layout->prefix, value), err);
}

static enum ecert_status take_pid(struct reader *reader,
                                  const struct ecert_nginx_directive *directive,
                                  struct ecert_error *err)
{
    if (directive->n_words == 0 || reader->sites.pid_path != NULL)
        return ECERT_OK;
    const char *value = ecert_nginx_argument(reader->env, directive, 0);
    if (value == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    reader->sites.pid_path = ecert_nginx_resolve(reader->env, reader->layout->prefix, value);
    return reader->sites.pid_path != NULL ? ECERT_OK : ecert_nginx_no_memory(reader->env, err);
}

static enum ecert_status take_names(struct reader *reader, struct ecert_nginx_server *server,
                                    const struct ecert_nginx_directive *directive,
                                    struct ecert_error *err)
{
    for (uint32_t i = 0; i < directive->n_words; i++) {
        const char **names =
            ecert_arena_grow(&reader->env->arena, server->names, server->n_names, sizeof *names);
        const char *name = ecert_nginx_argument(reader->env, directive, i);
        if (names == NULL || name == NULL)
            return ecert_nginx_no_memory(reader->env, err);
        server->names = names;
        server->names[server->n_names++] = name;
    }
    return ECERT_OK;
}

static enum ecert_status note_loopback(struct reader *reader,
                                       const struct ecert_nginx_server *server,
                                       const struct ecert_nginx_listen *listen,
                                       struct ecert_error *err)
{
    struct ecert_nginx_sites *sites = &reader->sites;

    if (!listen->tls_over_tcp ||
        (strcmp(listen->address, "127.0.0.1") != 0 && strcmp(listen->address, "::1") != 0))
        return ECERT_OK;
    sites->loopbacks = ecert_arena_grow(&reader->env->arena, sites->loopbacks, sites->n_loopbacks,
                                        sizeof *sites->loopbacks);
    if (sites->loopbacks == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    sites->loopbacks[sites->n_loopbacks++] =
        (struct ecert_nginx_loopback){server, listen->address, listen->port};
    return ECERT_OK;
}

static enum ecert_status take_listen(struct reader *reader, struct ecert_nginx_server *server,
                                     const struct ecert_nginx_directive *directive,
                                     struct ecert_error *err)
{
    struct ecert_nginx_listen *listens =
        ecert_arena_grow(&reader->env->arena, server->listens, server->n_listens, sizeof *listens);

    if (listens == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    server->listens = listens;
    ECERT_NGINX_TRY(
        ecert_nginx_listen_read(reader->env, directive, &listens[server->n_listens], err));
    return note_loopback(reader, server, &listens[server->n_listens++], err);
}

static enum ecert_status take_pair_half(struct reader *reader,
                                        const struct ecert_nginx_directive *directive,
                                        const struct ecert_nginx_directive ***list, size_t *n,
                                        struct ecert_error *err)
{
    const struct ecert_nginx_directive **grown =
        ecert_arena_grow(&reader->env->arena, *list, *n, sizeof *grown);

    if (grown == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    *list = grown;
    grown[(*n)++] = directive;
    return ECERT_OK;
}

static enum ecert_status enter_server(struct reader *reader, const struct place *place,
                                      struct ecert_nginx_directive *block, struct ecert_error *err)
{
    struct ecert_nginx_sites *sites = &reader->sites;
    struct place inside = *place;

    if (place->scope != NULL) {
        struct ecert_nginx_server **servers = ecert_arena_grow(&reader->env->arena, sites->servers,
                                                               sites->n_servers, sizeof *servers);
        inside.server = ecert_arena_alloc(&reader->env->arena, sizeof *inside.server);
        if (servers == NULL || inside.server == NULL)
            return ecert_nginx_no_memory(reader->env, err);
        *inside.server = (struct ecert_nginx_server){.block = block, .scope = place->scope};
        sites->servers = servers;
        sites->servers[sites->n_servers++] = inside.server;
    }
    return walk(reader, &inside, block->first, err);
}

static enum ecert_status enter_context(struct reader *reader, const struct place *place,
                                       struct ecert_nginx_directive *block, struct ecert_error *err)
{
    struct place inside = *place;

    inside.context = block->kind;
    if (block->kind != ECERT_NGINX_MAIL) {
        inside.scope = ecert_arena_alloc(&reader->env->arena, sizeof *inside.scope);
        if (inside.scope == NULL)
            return ecert_nginx_no_memory(reader->env, err);
    }
    return walk(reader, &inside, block->first, err);
}

static void take_ssl(const struct place *place, const struct ecert_nginx_directive *directive)
{
    const bool on = ecert_nginx_argument_is(directive, 0, "on");

    if (place->server != NULL)
        place->server->ssl = on ? ECERT_NGINX_ON : ECERT_NGINX_OFF;
    else if (place->scope != NULL)
        place->scope->ssl = on;
}

/* One below the server blocks holds for them too. */
static void take_password_file(const struct place *place)
{
    if (place->location)
        return;
    if (place->server != NULL)
        place->server->passwords = true;
    else if (place->scope != NULL)
        place->scope->passwords = true;
}

bool ecert_nginx_sites_has_passwords(const struct ecert_nginx_server *server)
{
    return server->passwords || server->scope->passwords;
}

static enum ecert_status take_in_server(struct reader *reader, struct ecert_nginx_server *server,
                                        const struct ecert_nginx_directive *directive,
                                        struct ecert_error *err)
{
    if (directive->kind == ECERT_NGINX_LISTEN)
        return take_listen(reader, server, directive, err);
    if (directive->kind == ECERT_NGINX_SERVER_NAME)
        return take_names(reader, server, directive, err);
    if (directive->kind == ECERT_NGINX_CERTIFICATE)
        return take_pair_half(reader, directive, &server->certificates, &server->n_certificates,
                              err);
    return take_pair_half(reader, directive, &server->keys, &server->n_keys, err);
}

/* Of the http block: inherited, and overridden by the block's own. */
static enum ecert_status take_in_scope(struct reader *reader, struct ecert_nginx_scope *scope,
                                       const struct ecert_nginx_directive *directive,
                                       struct ecert_error *err)
{
    if (scope != NULL && directive->kind == ECERT_NGINX_CERTIFICATE)
        return take_pair_half(reader, directive, &scope->certificates, &scope->n_certificates, err);
    if (scope != NULL && directive->kind == ECERT_NGINX_CERTIFICATE_KEY)
        return take_pair_half(reader, directive, &scope->keys, &scope->n_keys, err);
    return ECERT_OK;
}

static enum ecert_status take(struct reader *reader, const struct place *place,
                              struct ecert_nginx_directive *directive, struct ecert_error *err)
{
    struct place inside = *place;

    switch (directive->kind) {
    case ECERT_NGINX_INCLUDE:
        return include(reader, place, directive, err);
    case ECERT_NGINX_HTTP:
    case ECERT_NGINX_STREAM:
    case ECERT_NGINX_MAIL:
        return enter_context(reader, place, directive, err);
    case ECERT_NGINX_SERVER:
        return enter_server(reader, place, directive, err);
    case ECERT_NGINX_LOCATION:
        inside.location = true;
        return walk(reader, &inside, directive->first, err);
    case ECERT_NGINX_ERROR_LOG:
    case ECERT_NGINX_ACCESS_LOG:
        return take_log(reader, directive, err);
    case ECERT_NGINX_PID:
        return take_pid(reader, directive, err);
    case ECERT_NGINX_SSL:
        take_ssl(place, directive);
        return ECERT_OK;
    case ECERT_NGINX_PASSWORD_FILE:
        take_password_file(place);
        return ECERT_OK;
    case ECERT_NGINX_LISTEN:
    case ECERT_NGINX_SERVER_NAME:
    case ECERT_NGINX_CERTIFICATE:
    case ECERT_NGINX_CERTIFICATE_KEY:
        if (place->location)
            return ECERT_OK;
        if (place->server != NULL)
            return take_in_server(reader, place->server, directive, err);
        return take_in_scope(reader, place->scope, directive, err);
    case ECERT_NGINX_NONE:
        break;
    }
    return ECERT_OK;
}

static enum ecert_status walk(struct reader *reader, const struct place *place,
                              struct ecert_nginx_directive *first, struct ecert_error *err)
{
    for (; first != NULL; first = first->next)
        ECERT_NGINX_TRY(take(reader, place, first, err));
    return ECERT_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The text of -g is configuration, too. */
static enum ecert_status read_directives(struct reader *reader, struct ecert_error *err)
{
    const char *text = reader->layout->directives;
    const struct place main_context = {0};

    if (text == NULL)
        return ECERT_OK;
    struct ecert_nginx_file *file = ecert_arena_alloc(&reader->env->arena, sizeof *file);
    if (file == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    file->path = "-g";
    file->text = (struct ecert_view){(const uint8_t *)text, strlen(text)};
    ECERT_NGINX_TRY(ecert_nginx_parse(reader->env, file, err));
    return walk(reader, &main_context, file->first, err);
}

static enum ecert_status add_built_in_logs(struct reader *reader, struct ecert_error *err)
{
    if (reader->layout->error_log != NULL)
        ECERT_NGINX_TRY(add_log(reader, reader->layout->error_log, err));
    if (reader->layout->access_log != NULL)
        ECERT_NGINX_TRY(add_log(reader, reader->layout->access_log, err));
    return ECERT_OK;
}

enum ecert_status ecert_nginx_sites_read(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         struct ecert_nginx_sites *ret, struct ecert_error *err)
{
    struct reader reader = {.env = env, .layout = layout};
    const struct place main_context = {0};
    struct ecert_nginx_file *file = NULL;

    reader.buckets = ecert_arena_alloc(&env->arena, BUCKETS * sizeof(struct ecert_nginx_file *));
    if (reader.buckets == NULL)
        return ecert_nginx_no_memory(env, err);
    ECERT_NGINX_TRY(read_directives(&reader, err));
    ECERT_NGINX_TRY(load(&reader, layout->conf_path, &file, err));
    ECERT_NGINX_TRY(walk(&reader, &main_context, file->first, err));
    ECERT_NGINX_TRY(add_built_in_logs(&reader, err));
    if (reader.sites.pid_path == NULL)
        reader.sites.pid_path = layout->pid_path;
    *ret = reader.sites;
    return ECERT_OK;
}

bool ecert_nginx_sites_is_tls(const struct ecert_nginx_sites *sites,
                              const struct ecert_nginx_server *server,
                              const struct ecert_nginx_listen *listen)
{
    if (listen->ssl || server->ssl == ECERT_NGINX_ON ||
        (server->ssl == ECERT_NGINX_UNSET && server->scope->ssl))
        return true;
    for (size_t i = 0; i < sites->n_servers; i++) {
        const struct ecert_nginx_server *other = sites->servers[i];
        for (size_t j = 0; other->scope == server->scope && j < other->n_listens; j++)
            if (other->listens[j].ssl && ecert_nginx_listen_is_same(&other->listens[j], listen))
                return true;
    }
    return false;
}

bool ecert_nginx_sites_has_tls(const struct ecert_nginx_sites *sites,
                               const struct ecert_nginx_server *server)
{
    const struct ecert_nginx_listen otherwise = ecert_nginx_listen_default();

    for (size_t i = 0; i < server->n_listens; i++)
        if (ecert_nginx_sites_is_tls(sites, server, &server->listens[i]))
            return true;
    return server->n_listens == 0 && ecert_nginx_sites_is_tls(sites, server, &otherwise);
}
