#include "plugins/nginx/layout.h"

#include <string.h>

/* What the command line of the server says. */
struct options {
    const char *conf, *prefix, *error_log, *directives;
};

char *ecert_nginx_resolve(struct ecert_nginx *env, const char *base, const char *name)
{
    char *path = ecert_arena_text(&env->arena, "%s/%s", name[0] == '/' ? "" : base, name);
    size_t n = 0;

    for (const char *part = path; part != NULL && *part != '\0';) {
        part += strspn(part, "/");
        const size_t len = strcspn(part, "/");
        if (len == 2 && part[0] == '.' && part[1] == '.') {
            while (n > 0 && path[--n] != '/')
                continue;
        } else if (len != 0 && !(len == 1 && part[0] == '.')) {
            path[n++] = '/';
            memmove(path + n, part, len); /* never to the right: what is ahead is not read yet */
            n += len;
        }
        part += len;
    }
    if (path != NULL) {
        if (n == 0)
            path[n++] = '/';
        path[n] = '\0';
    }
    return path;
}

char *ecert_nginx_folder(struct ecert_nginx *env, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path)
        return ecert_arena_copy(&env->arena, "/", 1);
    return ecert_arena_copy(&env->arena, path, (size_t)(slash - path));
}

/* ---- the command line ------------------------------------------------------------------------ */

static const char **find_option(struct options *options, char letter)
{
    switch (letter) {
    case 'c':
        return &options->conf;
    case 'p':
        return &options->prefix;
    case 'e':
        return &options->error_log;
    case 'g':
        return &options->directives;
    default:
        return NULL;
    }
}

/* As nginx reads them: the value stands behind the letter, or is the next argument. */
static enum ecert_status read_options(struct ecert_nginx *env, const char *const *argv,
                                      struct options *ret, struct ecert_error *err)
{
    for (size_t i = 1; argv[i] != NULL; i++) {
        const char *const word = argv[i];
        const char **value = word[0] == '-' && word[1] != '\0' ? find_option(ret, word[1]) : NULL;

        if (value == NULL)
            return env->host->fail(err, ECERT_E_CONFIG,
                                   "'%s' in the setting 'command' of target '%s' is not one of "
                                   "nginx's options -c, -p, -g and -e; leave it out",
                                   word, env->host->target(env->job));
        *value = word[2] != '\0' ? word + 2 : argv[++i];
        if (*value == NULL)
            return env->host->fail(err, ECERT_E_CONFIG,
                                   "'%s' in the setting 'command' of target '%s' has no value",
                                   word, env->host->target(env->job));
    }
    if (ret->prefix != NULL && ret->prefix[0] != '/')
        return env->host->fail(err, ECERT_E_CONFIG,
                               "'-p %s' in the setting 'command' of target '%s' must be an "
                               "absolute path",
                               ret->prefix, env->host->target(env->job));
    return ECERT_OK;
}

/* ---- the built-in values --------------------------------------------------------------------- */

/* The length of a configure argument: blanks inside quotes belong to it. */
static size_t argument_len(const char *text, const char *end)
{
    char quote = '\0';
    const char *p = text;

    for (; p < end && *p != '\n' && (quote != '\0' || *p != ' '); p++) {
        if (quote == '\0' && (*p == '\'' || *p == '"'))
            quote = *p;
        else if (*p == quote)
            quote = '\0';
    }
    return (size_t)(p - text);
}

/* The value of "--name=" among the configure arguments, else `otherwise`. */
static const char *built_in(struct ecert_nginx *env, struct ecert_view arguments, const char *name,
                            const char *otherwise)
{
    const size_t name_len = strlen(name);
    const char *const end = (const char *)arguments.ptr + arguments.len;
    size_t len = 0;

    for (const char *p = (const char *)arguments.ptr; p < end && *p != '\n'; p += len) {
        p += *p == ' ';
        len = argument_len(p, end);
        if (len > name_len && strncmp(p, name, name_len) == 0)
            return ecert_arena_copy(&env->arena, p + name_len, len - name_len);
    }
    return otherwise;
}

static enum ecert_status ask_version(struct ecert_nginx *env, const char *program,
                                     struct ecert_view *ret, struct ecert_error *err)
{
    static const char label[] = "configure arguments:";
    const char *const argv[] = {program, "-V", NULL};
    struct ecert_command_result result = {0};

    ECERT_NGINX_TRY(env->host->run(env->job, argv, &result, err));
    const uint8_t *at = result.err.ptr == NULL
                            ? NULL
                            : memmem(result.err.ptr, result.err.len, label, sizeof label - 1);
    if (result.exit_code != 0 || at == NULL)
        return env->host->fail(err, ECERT_E_COMMAND,
                               "'%s -V' ended with %d and did not say how nginx was built; is the "
                               "first word of the setting 'command' an nginx?",
                               program, result.exit_code);
    at += sizeof label - 1;
    *ret = (struct ecert_view){at, result.err.len - (size_t)(at - result.err.ptr)};
    return ECERT_OK;
}

static const char *log_path(struct ecert_nginx *env, const char *prefix, const char *value)
{
    if (value == NULL || strcmp(value, "stderr") == 0)
        return NULL;
    return ecert_nginx_resolve(env, prefix, value);
}

enum ecert_status ecert_nginx_layout_find(struct ecert_nginx *env, const char *const *argv,
                                          struct ecert_nginx_layout *ret, struct ecert_error *err)
{
    struct ecert_nginx_layout layout = {0};
    struct ecert_view arguments = {0};
    struct options options = {0};

    if (argv == NULL || argv[0] == NULL)
        return env->host->fail(err, ECERT_E_CONFIG, "the setting 'command' of target '%s' is empty",
                               env->host->target(env->job));
    ECERT_NGINX_TRY(read_options(env, argv, &options, err));
    ECERT_NGINX_TRY(ask_version(env, argv[0], &arguments, err));

    /* the values of nginx's own `configure` where the builder gave none */
    const char *prefix = options.prefix != NULL
                             ? options.prefix
                             : built_in(env, arguments, "--prefix=", "/usr/local/nginx");
    const char *conf = options.conf != NULL
                           ? options.conf
                           : built_in(env, arguments, "--conf-path=", "conf/nginx.conf");
    const char *error_log = options.error_log != NULL
                                ? options.error_log
                                : built_in(env, arguments, "--error-log-path=", "logs/error.log");
    const char *access_log = built_in(env, arguments, "--http-log-path=", "logs/access.log");
    const char *pid = built_in(env, arguments, "--pid-path=", "logs/nginx.pid");
    if (prefix == NULL || conf == NULL || pid == NULL)
        return ecert_nginx_no_memory(env, err);
    layout.prefix = ecert_nginx_resolve(env, "", prefix);
    if (layout.prefix == NULL)
        return ecert_nginx_no_memory(env, err);
    layout.conf_path = ecert_nginx_resolve(env, layout.prefix, conf);
    layout.pid_path = ecert_nginx_resolve(env, layout.prefix, pid);
    layout.error_log = log_path(env, layout.prefix, error_log);
    layout.access_log = log_path(env, layout.prefix, access_log);
    layout.directives = options.directives;
    if (layout.conf_path == NULL || layout.pid_path == NULL)
        return ecert_nginx_no_memory(env, err);
    layout.conf_prefix = ecert_nginx_folder(env, layout.conf_path);
    if (layout.conf_prefix == NULL)
        return ecert_nginx_no_memory(env, err);
    *ret = layout;
    return ECERT_OK;
}
