#include "plugins/apache/parameters.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The words behind the first one.  False: no memory. */
static bool words_of(const struct ecert_apache_scan *scan, struct ecert_view text,
                     const struct ecert_apache_piece *piece, const char ***ret, size_t *ret_n)
{
    struct ecert_apache_word word = {0};
    size_t at = piece->name.end;
    const char **list = NULL;
    size_t n = 0;

    if (ecert_apache_next_word(text, piece, &at, &word))
        while (ecert_apache_next_word(text, piece, &at, &word)) {
            list = ecert_arena_grow(scan->arena, list, n, sizeof *list);
            const char *value = ecert_apache_word_value(&scan->variables, text, word);
            if (list == NULL || value == NULL)
                return false;
            list[n++] = value;
        }
    *ret = list;
    *ret_n = n;
    return true;
}

/* ... used on line 38 of "/etc/x.conf":1; false: it is no file's. */
static bool find_use(struct ecert_apache_scan *scan, const struct ecert_apache_host *host,
                     struct ecert_view *ret_text, struct ecert_apache_piece *ret)
{
    static const char used[] = "\") used on line ", of[] = " of \"";
    const char *at = strstr(host->place, used);
    const char *close = strrchr(host->place, '"');
    struct ecert_error ignored = {0};
    char *end = NULL;

    if (at == NULL)
        return false;
    const unsigned long line = strtoul(at + strlen(used), &end, 10);
    if (strncmp(end, of, strlen(of)) != 0 || end[strlen(of)] != '/' || close <= end + strlen(of))
        return false;
    const char *begin = end + strlen(of);
    const char *path = ecert_arena_copy(scan->arena, begin, (size_t)(close - begin));
    struct ecert_apache_file *file =
        path == NULL ? NULL : ecert_apache_tree_find(&scan->tree, path);
    if (file == NULL || ecert_apache_tree_read(scan->host, scan->job, file, &ignored) != ECERT_OK)
        return false;
    struct ecert_apache_lexer lexer = {.text = file->text};
    while (ecert_apache_next(&lexer, ret) && ret->line < line)
        ;
    *ret_text = file->text;
    return ret->line == line && ret->kind == ECERT_APACHE_DIRECTIVE &&
           ecert_apache_is(file->text, ret, "Use");
}

bool ecert_apache_parameters_of(struct ecert_apache_scan *scan,
                                const struct ecert_apache_host *host, struct ecert_view text,
                                const struct ecert_apache_piece *head,
                                struct ecert_apache_parameters *ret)
{
    struct ecert_apache_parameters found = {0};
    struct ecert_apache_piece use = {0};
    struct ecert_view use_text = {0};
    size_t n_values = 0;

    *ret = found;
    if (!words_of(scan, text, head, &found.names, &found.n))
        return false;
    ret->has_any = found.has_any = found.n > 0;
    if (found.n == 0 || !find_use(scan, host, &use_text, &use))
        return true;
    if (!words_of(scan, use_text, &use, &found.values, &n_values))
        return false;
    if (n_values == found.n)
        *ret = found;
    return true;
}

const char *ecert_apache_parameters_fill(struct ecert_arena *arena,
                                         const struct ecert_apache_parameters *parameters,
                                         const char *value)
{
    const char *filled = "";

    while (filled != NULL && *value != '\0') {
        const char *with = NULL;
        size_t longest = 0;
        for (size_t i = 0; i < parameters->n; i++) {
            const size_t len = strlen(parameters->names[i]);
            if (len <= longest || strncasecmp(value, parameters->names[i], len) != 0)
                continue;
            longest = len;
            with = parameters->values[i];
        }
        filled = with != NULL ? ecert_arena_text(arena, "%s%s", filled, with)
                              : ecert_arena_text(arena, "%s%c", filled, *value);
        value += with != NULL ? longest : 1;
    }
    return filled;
}
