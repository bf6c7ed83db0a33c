#include "plugins/nginx/names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MAX_LISTED   8
#define MAX_LIST_LEN 3000 /* of a list that shall be whole: a clause has room for that */

static bool is_unknowable(const char *name)
{
    return name[0] == '~' || strchr(name, '$') != NULL;
}

/* 192.0.2.1 or [2001:db8::1]: no client asks for one by SNI (RFC 6066, section 3). */
static bool is_address(const char *name)
{
    unsigned char binary[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];
    const size_t len = strlen(name);

    if (inet_pton(AF_INET, name, binary) == 1 || inet_pton(AF_INET6, name, binary) == 1)
        return true;
    if (name[0] != '[' || name[len - 1] != ']' || len - 2 >= sizeof text)
        return false;
    memcpy(text, name + 1, len - 2);
    text[len - 2] = '\0';
    return inet_pton(AF_INET6, text, binary) == 1;
}

/* "", "_", and what else people write for a name that nobody asks for: "--", "!@#"; an address */
static bool is_nobody(const char *name)
{
    if (is_address(name))
        return true;
    while (*name != '\0' && !isalnum((unsigned char)*name) && !(*name & 0x80))
        name++;
    return *name == '\0';
}

bool ecert_nginx_names_is_known(const char *name)
{
    return !is_unknowable(name) && !is_nobody(name);
}

/* "*.parent", itself, among the names of the leaf. */
static bool covers_all_below(const struct ecert_nginx *env, const char *parent)
{
    const char *const *names = env->host->leaf(env->job)->dns_names;

    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        if (names[i][0] == '*' && strcasecmp(names[i] + 1, parent) == 0)
            return true;
    return false;
}

bool ecert_nginx_names_covers(const struct ecert_nginx *env, const char *name)
{
    if (name[0] == '.')
        return env->host->covers(env->job, name + 1) && covers_all_below(env, name);
    if (name[0] == '*')
        return covers_all_below(env, name + 1);
    return env->host->covers(env->job, name);
}

bool ecert_nginx_names_is_local(const char *name)
{
    return strchr(name, '.') == NULL && ecert_nginx_names_is_known(name);
}

/* Does the block have a name that the leaf covers?  Then local ones beside it do not count. */
static bool has_covered(const struct ecert_nginx *env, const struct ecert_nginx_server *server)
{
    for (size_t i = 0; i < server->n_names; i++)
        if (ecert_nginx_names_is_known(server->names[i]) &&
            ecert_nginx_names_covers(env, server->names[i]))
            return true;
    return false;
}

/* `beside_covered`: see has_covered() */
static bool is_uncovered(const struct ecert_nginx *env, const char *name, bool beside_covered)
{
    return ecert_nginx_names_is_known(name) && !ecert_nginx_names_covers(env, name) &&
           !(beside_covered && ecert_nginx_names_is_local(name));
}

bool ecert_nginx_names_are_covered(const struct ecert_nginx *env,
                                   const struct ecert_nginx_server *server)
{
    const bool beside_covered = has_covered(env, server);

    for (size_t i = 0; i < server->n_names; i++)
        if (is_unknowable(server->names[i]) || is_uncovered(env, server->names[i], beside_covered))
            return false;
    return true;
}

/* Of `n` names as many as there is room for.  NULL: no memory. */
static const char *list(struct ecert_nginx *env, const char *const *names, size_t n, size_t max_n)
{
    const char *text = "";
    size_t shown = 0, len = 0;

    for (; shown < n && shown < max_n && text != NULL; shown++) {
        len += strlen(names[shown]) + 4;
        if (shown > 0 && len > MAX_LIST_LEN)
            break;
        text = ecert_arena_text(&env->arena, "%s%s'%.*s'", text, shown == 0 ? "" : ", ",
                                MAX_LIST_LEN, names[shown]);
    }
    if (shown < n && text != NULL)
        text = ecert_arena_text(&env->arena, "%s and %zu more", text, n - shown);
    return text;
}

const char *ecert_nginx_names_list(struct ecert_nginx *env, const char *const *names, size_t n)
{
    return list(env, names, n, MAX_LISTED);
}

enum ecert_status ecert_nginx_names_list_uncovered(struct ecert_nginx *env,
                                                   const struct ecert_nginx_server *server,
                                                   bool unknown, size_t *ret_n, const char **ret,
                                                   struct ecert_error *err)
{
    const char **names = ecert_arena_alloc(&env->arena, server->n_names * sizeof *names);
    const bool beside_covered = has_covered(env, server);
    size_t n = 0;

    if (names == NULL)
        return ecert_nginx_no_memory(env, err);
    for (size_t i = 0; i < server->n_names; i++) {
        const char *name = server->names[i];
        if (is_unknowable(name) ? unknown : is_uncovered(env, name, beside_covered))
            names[n++] = name;
    }
    *ret = list(env, names, n, SIZE_MAX);
    *ret_n = n;
    return *ret != NULL ? ECERT_OK : ecert_nginx_no_memory(env, err);
}
