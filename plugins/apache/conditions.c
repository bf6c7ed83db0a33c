#include "plugins/apache/conditions.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum verdict { ACTIVE, INACTIVE, UNKNOWN };

static enum verdict decided(bool active)
{
    return active ? ACTIVE : INACTIVE;
}

/* The n-th argument, with ${NAME} replaced; NULL: none, or no memory. */
static const char *argument(const struct ecert_apache_conditions *conditions,
                            struct ecert_view text, const struct ecert_apache_piece *head, size_t n)
{
    struct ecert_apache_word word = {0};
    size_t at = head->name.end;

    for (size_t i = 0; i <= n; i++)
        if (!ecert_apache_next_word(text, head, &at, &word))
            return NULL;
    return ecert_apache_word_value(conditions->variables, text, word);
}

/* ---- <IfModule> ------------------------------------------------------------------------------ */

static bool ends(const char *text, size_t len, const char *with)
{
    const size_t n = strlen(with);

    return len >= n && strncmp(text + len - n, with, n) == 0;
}

static bool has(struct ecert_apache_loaded *loaded, const char *before, const char *name,
                size_t len)
{
    char module[256];
    const int n = snprintf(module, sizeof module, "%s%.*s_module", before, (int)len, name);

    return n > 0 && (size_t)n < sizeof module && ecert_apache_loaded_has(loaded, module, (size_t)n);
}

/* Some module has a name that this one begins with: "mod_rpaf-2.0.c" may be rpaf_module. */
static bool has_similar(const struct ecert_apache_dump *dump, const char *name, size_t len)
{
    for (size_t i = 0; i < dump->n_modules; i++) {
        const size_t n = strlen(dump->modules[i]);
        if (n > strlen("_module") && n - strlen("_module") < len &&
            strncmp(dump->modules[i], name, n - strlen("_module")) == 0)
            return true;
    }
    return false;
}

static enum verdict module(struct ecert_apache_loaded *loaded, const char *name)
{
    static const char *const mpms[] = {"event", "prefork", "worker"};
    const size_t len = strlen(name);

    if (loaded->dump->n_modules == 0)
        return UNKNOWN;
    if (ends(name, len, "_module"))
        return decided(ecert_apache_loaded_has(loaded, name, len));
    for (size_t i = 0; i < sizeof mpms / sizeof mpms[0]; i++)
        if (len == strlen(mpms[i]) + 2 && ends(name, len, ".c") &&
            strncmp(name, mpms[i], len - 2) == 0)
            return decided(has(loaded, "mpm_", name, len - 2));
    if (strcmp(name, "core.c") == 0 || strcmp(name, "http_core.c") == 0)
        return ACTIVE;
    if (strncmp(name, "mod_", 4) != 0 || len <= 6 || !ends(name, len, ".c"))
        return UNKNOWN;
    if (has(loaded, "", name + 4, len - 6))
        return ACTIVE;
    return has_similar(loaded->dump, name + 4, len - 6) ? UNKNOWN : INACTIVE;
}

/* ---- <IfVersion> ----------------------------------------------------------------------------- */

/* "Server version: Apache/2.4.71 (Debian)" */
static void ask_version(struct ecert_apache_conditions *conditions)
{
    const char *const *command = conditions->host->setting_list(conditions->job, "command");
    const char *const argv[] = {command[0], "-v", NULL};
    struct ecert_command_result result = {0};
    struct ecert_error ignored = {0};

    conditions->version_asked = true;
    if (conditions->host->run(conditions->job, argv, &result, &ignored) != ECERT_OK)
        return;
    const char *said = ecert_arena_copy(conditions->arena, result.out.ptr, result.out.len);
    const char *found = said == NULL ? NULL : strstr(said, "Apache/");
    if (found != NULL)
        (void)sscanf(found, "Apache/%9u.%9u.%9u", &conditions->version[0], &conditions->version[1],
                     &conditions->version[2]);
}

/* As mod_version.c does it: what is left out of "2.4" is 0. */
static int compare_version(const unsigned *is, const char *wanted)
{
    for (size_t i = 0; i < 3; i++) {
        char *end = NULL;
        const unsigned long n = *wanted == '\0' ? 0 : strtoul(wanted, &end, 10);
        if (is[i] != n)
            return is[i] < n ? -1 : 1;
        wanted = end == NULL || *end == '\0' ? "" : end + 1;
    }
    return 0;
}

/* "/EXPR/" or EXPR; what POSIX says otherwise than the server's PCRE is not decided. */
static enum verdict matches(const struct ecert_apache_conditions *conditions, const char *wanted)
{
    const size_t slash = wanted[0] == '/' ? 1 : 0;
    const size_t len = strlen(wanted);
    char version[64];
    regex_t expression;

    for (const char *p = wanted; *p != '\0'; p++)
        if ((p[0] == '\\' && isalnum((unsigned char)p[1])) || (p[0] == '(' && p[1] == '?'))
            return UNKNOWN;
    const char *bare = len < 2 * slash
                           ? NULL
                           : ecert_arena_copy(conditions->arena, wanted + slash, len - 2 * slash);
    if (bare == NULL || regcomp(&expression, bare, REG_EXTENDED | REG_NOSUB) != 0)
        return UNKNOWN;
    (void)snprintf(version, sizeof version, "%u.%u.%u", conditions->version[0],
                   conditions->version[1], conditions->version[2]);
    const bool matched = regexec(&expression, version, 0, NULL, 0) == 0;
    regfree(&expression);
    return decided(matched);
}

static enum verdict version(struct ecert_apache_conditions *conditions, const char *first,
                            const char *second)
{
    const char *operator= second == NULL ? "=" : first;
    const char *wanted = second == NULL ? first : second;

    if (!conditions->version_asked)
        ask_version(conditions);
    if (conditions->version[0] == 0)
        return UNKNOWN;
    if (operator[0] == '~' || wanted[0] == '/')
        return matches(conditions, wanted);
    const int order = compare_version(conditions->version, wanted);
    if (strcmp(operator, "=") == 0 || strcmp(operator, "==") == 0)
        return decided(order == 0);
    if (operator[0] != '<' && operator[0] != '>')
        return UNKNOWN;
    return decided((operator[0] == '<' ? order < 0 : order> 0) ||
                   (operator[1] == '=' && order == 0));
}

/* ---- <IfFile> -------------------------------------------------------------------------------- */

static enum verdict file(const struct ecert_apache_conditions *conditions, const char *name)
{
    const char *path = ecert_apache_resolve(conditions->arena, conditions->dump, name);
    char *pattern = path == NULL || path[0] != '/'
                        ? NULL
                        : ecert_arena_alloc(conditions->arena, 2 * strlen(path) + 1);
    const char *const *found = NULL;
    struct ecert_error ignored = {0};
    char *end = pattern;

    if (pattern == NULL)
        return UNKNOWN;
    for (; *path != '\0'; *end++ = *path++)
        if (strchr("*?[]\\", *path) != NULL)
            *end++ = '\\';
    if (conditions->host->glob(conditions->job, pattern, &found, &ignored) != ECERT_OK)
        return UNKNOWN;
    return decided(found[0] != NULL);
}

/* ---- sections -------------------------------------------------------------------------------- */

static enum verdict judge(struct ecert_apache_conditions *conditions, struct ecert_view text,
                          const struct ecert_apache_piece *head, const char *name)
{
    if (ecert_apache_is(text, head, "IfDefine"))
        return decided(ecert_apache_is_defined(conditions->variables, name));
    if (ecert_apache_is(text, head, "IfModule"))
        return module(conditions->loaded, name);
    if (ecert_apache_is(text, head, "IfFile"))
        return file(conditions, name);
    if (ecert_apache_is(text, head, "IfDirective") && strncasecmp(name, "SSL", 3) == 0)
        return module(conditions->loaded, "ssl_module");
    if (ecert_apache_is(text, head, "IfSection") && strcasecmp(name, "VirtualHost") == 0)
        return ACTIVE;
    return ecert_apache_is(text, head, "IfVersion")
               ? version(conditions, name, argument(conditions, text, head, 1))
               : UNKNOWN;
}

/* !"a" has its quotes behind the mark. */
static const char *bare(const struct ecert_apache_conditions *conditions, const char *word)
{
    const size_t len = strlen(word);

    if (len < 2 || (word[0] != '"' && word[0] != '\'') || word[len - 1] != word[0])
        return word;
    const char *copy = ecert_arena_copy(conditions->arena, word + 1, len - 2);
    return copy == NULL ? word : copy;
}

bool ecert_apache_is_inactive(struct ecert_apache_conditions *conditions, struct ecert_view text,
                              const struct ecert_apache_piece *head)
{
    const uint8_t *name = text.ptr + head->name.begin;

    if (head->name.end - head->name.begin < strlen("IfFile") || (name[0] | 0x20) != 'i')
        return false;
    const char *word = argument(conditions, text, head, 0);
    if (word == NULL)
        return false;
    const bool negated = word[0] == '!';
    const enum verdict verdict =
        judge(conditions, text, head, negated ? bare(conditions, word + 1) : word);
    return verdict == (negated ? ACTIVE : INACTIVE);
}

static bool has_same_name(struct ecert_view text, const struct ecert_apache_piece *a,
                          const struct ecert_apache_piece *b)
{
    const size_t len = a->name.end - a->name.begin;

    return len == b->name.end - b->name.begin &&
           strncasecmp((const char *)text.ptr + a->name.begin,
                       (const char *)text.ptr + b->name.begin, len) == 0;
}

void ecert_apache_skip(struct ecert_apache_lexer *lexer, const struct ecert_apache_piece *head)
{
    struct ecert_apache_piece piece = {0};

    for (size_t open = 1; open > 0 && ecert_apache_next(lexer, &piece);) {
        if (piece.kind == ECERT_APACHE_OPEN && has_same_name(lexer->text, head, &piece))
            open++;
        else if (piece.kind == ECERT_APACHE_CLOSE && has_same_name(lexer->text, head, &piece))
            open--;
    }
}

static void skip_to_line(struct ecert_apache_lexer *lexer, const char *line, const char *other)
{
    struct ecert_apache_piece piece = {0};

    while (ecert_apache_next(lexer, &piece))
        if (ecert_apache_is_line(lexer->text, &piece, line) ||
            (other != NULL && ecert_apache_is_line(lexer->text, &piece, other)))
            return;
}

/* The macro's end is a word of its own, in any case. */
static void skip_to_close(struct ecert_apache_lexer *lexer, const struct ecert_apache_piece *head)
{
    struct ecert_apache_piece piece = {0};

    while (ecert_apache_next(lexer, &piece))
        if (piece.kind == ECERT_APACHE_CLOSE && has_same_name(lexer->text, head, &piece))
            return;
}

bool ecert_apache_skip_opaque(struct ecert_apache_lexer *lexer,
                              const struct ecert_apache_piece *head)
{
    const struct ecert_view text = lexer->text;
    const char *const name = (const char *)text.ptr + head->name.begin;
    const size_t len = head->name.end - head->name.begin;

    if (head->kind == ECERT_APACHE_DIRECTIVE) {
        if (len == 0 || (name[0] != '=' && name[0] != '_'))
            return false;
        if (ecert_apache_is(text, head, "__END__"))
            lexer->at = text.len;
        else if (ecert_apache_is(text, head, "=pod") || ecert_apache_is(text, head, "=back"))
            skip_to_line(lexer, "=cut", "=over apache");
        return true;
    }
    if (ecert_apache_is(text, head, "Perl"))
        skip_to_line(lexer, "</Perl>", NULL);
    else if (ecert_apache_is(text, head, "Macro") || (len > 3 && strncasecmp(name, "Lua", 3) == 0))
        skip_to_close(lexer, head);
    else
        return false;
    return true;
}
