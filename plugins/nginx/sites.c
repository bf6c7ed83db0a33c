#include "plugins/nginx/sites.h"

#include "plugins/nginx/files.h"

#include <string.h>

#define MAX_INCLUDE_DEPTH 64
#define MAX_INCLUDES      2000000 /* 40,000 blocks with 50 each; not what doubles at each step */

struct reader {
    struct ecert_nginx *env;
    bool ready; /* files that nginx does not read */
    const struct ecert_nginx_layout *layout;
    struct ecert_nginx_sites sites;
    unsigned includes;
};

/* Where in the configuration a directive stands, includes resolved. */
struct place {
    struct ecert_nginx_scope *scope;   /* NULL: the main context */
    struct ecert_nginx_server *server; /* NULL: in none */
    bool location;
    const struct ecert_nginx_directive *entry; /* the include in the server block that led here */
    unsigned depth;                            /* of includes */
};

static enum ecert_status walk(struct reader *reader, const struct place *place,
                              struct ecert_nginx_directive *first, struct ecert_error *err);

/* ---- files ----------------------------------------------------------------------------------- */

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
    const enum ecert_status status =
        ecert_nginx_files_load(reader->env, &reader->sites, path, &file, err);
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
        return include_one(reader, place, from, ecert_nginx_files_path(env, base, name), err);

    const char *pattern =
        name[0] == '/' ? name : ecert_arena_text(&env->arena, "%s/%s", base, name);
    if (pattern == NULL)
        return ecert_nginx_no_memory(env, err);
    ECERT_NGINX_TRY(env->host->glob(env->job, pattern, &paths, err));
    for (size_t i = 0; paths != NULL && paths[i] != NULL; i++)
        ECERT_NGINX_TRY(
            include_one(reader, place, from, ecert_nginx_files_path(env, "", paths[i]), err));
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

static enum ecert_status add_name(struct reader *reader, struct ecert_nginx_server *server,
                                  const char *name, struct ecert_error *err)
{
    const char **names =
        ecert_arena_grow(&reader->env->arena, server->names, server->n_names, sizeof *names);

    if (names == NULL || name == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    server->names = names;
    server->names[server->n_names++] = name;
    return reader->ready ? ECERT_OK
                         : ecert_nginx_sockets_add_name(reader->env, &reader->sites.sockets, server,
                                                        name, err);
}

static enum ecert_status take_names(struct reader *reader, const struct place *place,
                                    const struct ecert_nginx_directive *directive,
                                    struct ecert_error *err)
{
    for (uint32_t i = 0; i < directive->n_words; i++) {
        const char *name = ecert_nginx_argument(reader->env, directive, i);
        if (name == NULL)
            return ecert_nginx_no_memory(reader->env, err);
        if (place->server != NULL)
            ECERT_NGINX_TRY(add_name(reader, place->server, name, err));
        else if (place->scope != NULL && place->scope->kind == ECERT_NGINX_MAIL)
            place->scope->name = name;
    }
    return ECERT_OK;
}

static enum ecert_status add_listen(struct reader *reader, struct ecert_nginx_server *server,
                                    const struct ecert_nginx_listen *listen,
                                    struct ecert_error *err)
{
    struct ecert_nginx_listen *listens =
        ecert_arena_grow(&reader->env->arena, server->listens, server->n_listens, sizeof *listens);

    if (listens == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    server->listens = listens;
    listens[server->n_listens++] = *listen;
    if (reader->ready)
        return ECERT_OK;
    return ecert_nginx_sockets_add(reader->env, &reader->sites.sockets, server->scope, server,
                                   listen, err);
}

static enum ecert_status take_listen(struct reader *reader, struct ecert_nginx_server *server,
                                     const struct ecert_nginx_directive *directive,
                                     struct ecert_error *err)
{
    struct ecert_nginx_listen listen = {0};

    ECERT_NGINX_TRY(ecert_nginx_listen_read(reader->env, directive, &listen, err));
    return add_listen(reader, server, &listen, err);
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
    struct place inside = {.scope = place->scope, .depth = place->depth};

    if (place->scope == NULL)
        return ECERT_OK; /* nginx would not have it there */
    struct ecert_nginx_server **servers =
        ecert_arena_grow(&reader->env->arena, sites->servers, sites->n_servers, sizeof *servers);
    inside.server = ecert_arena_alloc(&reader->env->arena, sizeof *inside.server);
    if (servers == NULL || inside.server == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    *inside.server =
        (struct ecert_nginx_server){.block = block, .scope = place->scope, .read = !reader->ready};
    sites->servers = servers;
    sites->servers[sites->n_servers++] = inside.server;
    ECERT_NGINX_TRY(walk(reader, &inside, block->first, err));
    const struct ecert_nginx_listen otherwise = ecert_nginx_listen_default();
    return inside.server->n_listens > 0 ? ECERT_OK
                                        : add_listen(reader, inside.server, &otherwise, err);
}

static enum ecert_status enter_context(struct reader *reader, const struct place *place,
                                       struct ecert_nginx_directive *block, struct ecert_error *err)
{
    struct place inside = *place;

    inside.scope = ecert_arena_alloc(&reader->env->arena, sizeof *inside.scope);
    if (inside.scope == NULL)
        return ecert_nginx_no_memory(reader->env, err);
    inside.scope->kind = block->kind;
    return walk(reader, &inside, block->first, err);
}

static void take_switch(const struct place *place, const struct ecert_nginx_directive *directive)
{
    struct ecert_nginx_switches *on = place->server != NULL ? &place->server->on : NULL;
    const enum ecert_nginx_switch value =
        ecert_nginx_argument_is(directive, 0, "on") || ecert_nginx_argument_is(directive, 0, "only")
            ? ECERT_NGINX_ON
            : ECERT_NGINX_OFF;

    if (on == NULL && place->scope != NULL)
        on = &place->scope->on;
    if (on == NULL || place->location)
        return;
    if (directive->kind == ECERT_NGINX_SSL)
        on->ssl = value;
    else if (directive->kind == ECERT_NGINX_STARTTLS)
        on->starttls = value;
    else
        on->rejects = value;
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

static enum ecert_status take_protocol(struct reader *reader, const struct place *place,
                                       const struct ecert_nginx_directive *directive,
                                       struct ecert_error *err)
{
    if (place->server == NULL || place->location || directive->n_words == 0)
        return ECERT_OK;
    place->server->protocol = ecert_nginx_argument(reader->env, directive, 0);
    return place->server->protocol != NULL ? ECERT_OK : ecert_nginx_no_memory(reader->env, err);
}

static enum ecert_status take_in_server(struct reader *reader, const struct place *place,
                                        const struct ecert_nginx_directive *directive,
                                        struct ecert_error *err)
{
    struct ecert_nginx_server *server = place->server;

    server->pair_end = place->entry != NULL ? place->entry : directive;
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
        inside.entry = place->entry != NULL || place->server == NULL ? place->entry : directive;
        return include(reader, &inside, directive, err);
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
    case ECERT_NGINX_REJECT_HANDSHAKE:
    case ECERT_NGINX_STARTTLS:
        take_switch(place, directive);
        return ECERT_OK;
    case ECERT_NGINX_PROTOCOL:
        return take_protocol(reader, place, directive, err);
    case ECERT_NGINX_PASSWORD_FILE:
        take_password_file(place);
        return ECERT_OK;
    case ECERT_NGINX_LISTEN:
        return place->server == NULL ? ECERT_OK
                                     : take_listen(reader, place->server, directive, err);
    case ECERT_NGINX_SERVER_NAME:
        return take_names(reader, place, directive, err);
    case ECERT_NGINX_CERTIFICATE:
    case ECERT_NGINX_CERTIFICATE_KEY:
        if (place->location)
            return ECERT_OK;
        if (place->server != NULL)
            return take_in_server(reader, place, directive, err);
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

/* What only the whole configuration says of each of the blocks from `first` on. */
static enum ecert_status finish(struct reader *reader, size_t first, struct ecert_error *err)
{
    struct ecert_nginx_sites *sites = &reader->sites;

    for (size_t i = first; i < sites->n_servers; i++) {
        struct ecert_nginx_server *server = sites->servers[i];
        if (server->n_names == 0 && server->scope->name != NULL)
            ECERT_NGINX_TRY(add_name(reader, server, server->scope->name, err));
        server->tls = ecert_nginx_sites_speaks_tls(sites, server);
    }
    return ECERT_OK;
}

static enum ecert_status read_all(struct reader *reader, struct ecert_error *err)
{
    const struct place main_context = {0};
    struct ecert_nginx_file *file = NULL;

    ECERT_NGINX_TRY(read_directives(reader, err));
    ECERT_NGINX_TRY(
        ecert_nginx_files_load(reader->env, &reader->sites, reader->layout->conf_path, &file, err));
    ECERT_NGINX_TRY(walk(reader, &main_context, file->first, err));
    ECERT_NGINX_TRY(add_built_in_logs(reader, err));
    if (reader->sites.pid_path == NULL)
        reader->sites.pid_path = reader->layout->pid_path;
    return finish(reader, 0, err);
}

enum ecert_status ecert_nginx_sites_read(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         struct ecert_nginx_sites *ret, struct ecert_error *err)
{
    struct reader reader = {.env = env, .layout = layout};

    ECERT_NGINX_TRY(read_all(&reader, err));
    *ret = reader.sites;
    return ECERT_OK;
}

enum ecert_status ecert_nginx_sites_read_more(struct ecert_nginx *env,
                                              const struct ecert_nginx_layout *layout,
                                              struct ecert_nginx_scope *http, const char *path,
                                              struct ecert_nginx_sites *sites,
                                              struct ecert_error *err)
{
    struct reader reader = {.env = env, .layout = layout, .ready = true, .sites = *sites};
    const struct place place = {.scope = http};
    struct ecert_nginx_file *file = NULL;

    ECERT_NGINX_TRY(ecert_nginx_files_load(env, &reader.sites, path, &file, err));
    ECERT_NGINX_TRY(walk(&reader, &place, file->first, err));
    ECERT_NGINX_TRY(finish(&reader, sites->n_servers, err));
    *sites = reader.sites;
    return ECERT_OK;
}
