#include "plugins/apache/variables.h"

#include <ctype.h>
#include <string.h>

#define N_BUCKETS 256u

struct ecert_apache_variable {
    struct ecert_apache_variable *next; /* of the same bucket */
    const char *name;
    const char *defined;     /* NULL: it is not */
    const char *environment; /* NULL: it is not there */
};

static size_t bucket_of(const char *name, size_t len)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return hash % N_BUCKETS;
}

static struct ecert_apache_variable *find(const struct ecert_apache_variables *variables,
                                          const char *name, size_t len)
{
    if (variables->buckets == NULL)
        return NULL;
    for (struct ecert_apache_variable *v = variables->buckets[bucket_of(name, len)]; v != NULL;
         v = v->next)
        if (strncmp(v->name, name, len) == 0 && v->name[len] == '\0')
            return v;
    return NULL;
}

static struct ecert_apache_variable *need(struct ecert_apache_variables *variables,
                                          const char *name, size_t len)
{
    struct ecert_apache_variable *variable = find(variables, name, len);

    if (variable != NULL)
        return variable;
    if (variables->buckets == NULL)
        variables->buckets =
            ecert_arena_alloc(variables->arena, N_BUCKETS * sizeof(struct ecert_apache_variable *));
    if (variables->buckets == NULL)
        return NULL;
    struct ecert_apache_variable **bucket = &variables->buckets[bucket_of(name, len)];
    variable = ecert_arena_alloc(variables->arena, sizeof *variable);
    const char *copy = ecert_arena_copy(variables->arena, name, len);
    if (variable == NULL || copy == NULL)
        return NULL;
    variable->name = copy;
    variable->next = *bucket;
    *bucket = variable;
    return variable;
}

bool ecert_apache_define(struct ecert_apache_variables *variables, const char *name,
                         const char *value)
{
    struct ecert_apache_variable *variable = need(variables, name, strlen(name));

    if (variable != NULL)
        variable->defined = ecert_arena_copy(variables->arena, value, strlen(value));
    return variable != NULL && variable->defined != NULL;
}

bool ecert_apache_suppose(struct ecert_apache_variables *variables, const char *name,
                          const char *value)
{
    struct ecert_apache_variable *variable = need(variables, name, strlen(name));

    if (variable != NULL && variable->environment == NULL)
        variable->environment = ecert_arena_copy(variables->arena, value, strlen(value));
    return variable != NULL && variable->environment != NULL;
}

bool ecert_apache_undefine(struct ecert_apache_variables *variables, const char *name)
{
    struct ecert_apache_variable *variable = need(variables, name, strlen(name));

    if (variable != NULL)
        variable->defined = NULL;
    return variable != NULL;
}

bool ecert_apache_is_defined(const struct ecert_apache_variables *variables, const char *name)
{
    const struct ecert_apache_variable *variable = find(variables, name, strlen(name));

    return variable != NULL && variable->defined != NULL;
}

static const char *value_of(const struct ecert_apache_variables *variables, const char *name,
                            size_t len)
{
    const struct ecert_apache_variable *variable = find(variables, name, len);

    if (variable == NULL)
        return NULL;
    return variable->defined != NULL ? variable->defined : variable->environment;
}

/* The next ${NAME} of a value that is known; false: none. */
static bool next_known(const struct ecert_apache_variables *variables, const char *value,
                       const char **ret_open, const char **ret_close, const char **ret_with)
{
    for (const char *open = strstr(value, "${"); open != NULL; open = strstr(open + 2, "${")) {
        const char *close = strchr(open, '}');
        const char *with =
            close == NULL ? NULL : value_of(variables, open + 2, (size_t)(close - open - 2));
        if (close == NULL)
            return false;
        if (with == NULL)
            continue;
        *ret_open = open;
        *ret_close = close;
        *ret_with = with;
        return true;
    }
    return false;
}

const char *ecert_apache_expand(const struct ecert_apache_variables *variables, const char *value)
{
    const char *open = NULL, *close = NULL, *with = NULL;
    size_t room = strlen(value) + 1;
    bool any = false;

    for (const char *at = value; next_known(variables, at, &open, &close, &with); at = close + 1) {
        room += strlen(with);
        any = true;
    }
    if (!any)
        return value;
    char *text = ecert_arena_alloc(variables->arena, room);
    char *end = text;
    const char *at = value;
    while (text != NULL && next_known(variables, at, &open, &close, &with)) {
        end = mempcpy(end, at, (size_t)(open - at));
        end = mempcpy(end, with, strlen(with));
        at = close + 1;
    }
    if (text != NULL)
        memcpy(end, at, strlen(at) + 1);
    return text;
}

const char *ecert_apache_word_value(const struct ecert_apache_variables *variables,
                                    struct ecert_view text, struct ecert_apache_word word)
{
    const char *value = ecert_apache_word_text(variables->arena, text, word);

    return value == NULL ? NULL : ecert_apache_expand(variables, value);
}

/* ---- envvars --------------------------------------------------------------------------------- */

static size_t name_len(const char *text)
{
    size_t n = 0;

    while (isalnum((unsigned char)text[n]) || text[n] == '_')
        n++;
    return n;
}

/* $NAME or ${NAME} at `*at`; false: something else that a shell would work out. */
static bool put_variable(const struct ecert_apache_variables *variables, const char **at,
                         char **end, const char *limit)
{
    const bool braces = (*at)[1] == '{';
    const char *name = *at + (braces ? 2 : 1);
    const size_t len = name_len(name);

    if (len == 0 || (braces && name[len] != '}'))
        return false;
    const char *value = value_of(variables, name, len);
    const size_t n = value == NULL ? 0 : strlen(value); /* a shell's empty text */
    if (n >= (size_t)(limit - *end))
        return false;
    *end = value == NULL ? *end : (char *)mempcpy(*end, value, n);
    *at = name + len + (braces ? 1 : 0);
    return true;
}

/* The value of an assignment, as the shell would see it; false: not by these means. */
static bool shell_value(const struct ecert_apache_variables *variables, const char *text,
                        char *value, size_t size)
{
    char *end = value;
    const char *const limit = value + size - 1;
    char quote = '\0';

    for (const char *at = text; *at != '\0';) {
        if (end == limit)
            return false;
        if (quote == '\0' && (*at == ' ' || *at == '\t' || *at == ';' || *at == '#' || *at == '\r'))
            break;
        if (*at == '`' || *at == '\\')
            return false;
        if (*at == '$' && quote != '\'') {
            if (!put_variable(variables, &at, &end, limit))
                return false;
        } else if (*at == quote || (quote == '\0' && (*at == '"' || *at == '\''))) {
            quote = quote == '\0' ? *at : '\0';
            at++;
        } else {
            *end++ = *at++;
        }
    }
    *end = '\0';
    return quote == '\0';
}

static bool assign(struct ecert_apache_variables *variables, const char *line)
{
    char value[4096];

    line += strspn(line, " \t");
    if (strncmp(line, "export", 6) == 0 && (line[6] == ' ' || line[6] == '\t'))
        line += 6 + strspn(line + 6, " \t");
    const size_t len = name_len(line);
    if (len == 0 || line[len] != '=' ||
        !shell_value(variables, line + len + 1, value, sizeof value))
        return true;
    struct ecert_apache_variable *variable = need(variables, line, len);
    if (variable != NULL)
        variable->environment = ecert_arena_copy(variables->arena, value, strlen(value));
    return variable != NULL && variable->environment != NULL;
}

bool ecert_apache_environment(struct ecert_apache_variables *variables, struct ecert_view text)
{
    char *line = ecert_arena_copy(variables->arena, text.ptr, text.len);

    if (line == NULL)
        return false;
    for (const char *const end = line + text.len; line < end;) {
        const size_t len = strcspn(line, "\n");
        line[len] = '\0';
        if (!assign(variables, line))
            return false;
        line += len + 1;
    }
    return true;
}
