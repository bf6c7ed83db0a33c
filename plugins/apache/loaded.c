#include "plugins/apache/loaded.h"

#include <string.h>

static bool is_listed(const char *const *list, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(list[i], name, len) == 0 && list[i][len] == '\0')
            return true;
    return false;
}

/* The name in a LoadModule line joins a list; false: no memory. */
static bool add(const struct ecert_apache_loaded *loaded, const char ***list, size_t *n,
                struct ecert_view text, const struct ecert_apache_piece *piece)
{
    size_t at = piece->name.end;
    struct ecert_apache_word word = {0};

    if (!ecert_apache_next_word(text, piece, &at, &word))
        return true;
    const char *name = ecert_apache_word_value(loaded->variables, text, word);
    const char **larger = ecert_arena_grow(loaded->arena, *list, *n, sizeof *larger);
    if (name == NULL || larger == NULL)
        return false;
    larger[(*n)++] = name;
    *list = larger;
    return true;
}

bool ecert_apache_loaded_add(struct ecert_apache_loaded *loaded, struct ecert_view text,
                             const struct ecert_apache_piece *piece)
{
    return add(loaded, &loaded->names, &loaded->n_names, text, piece);
}

/* A file that cannot be read ends the walk, and a list that lacks a name makes it seem loaded. */
static void find_named(struct ecert_apache_loaded *loaded)
{
    loaded->named_asked = true;
    for (size_t i = 0; i < loaded->tree->n_files; i++) {
        struct ecert_apache_file *file = &loaded->tree->files[i];
        struct ecert_apache_piece piece = {0};
        struct ecert_error ignored = {0};
        if (ecert_apache_tree_read(loaded->host, loaded->job, file, &ignored) != ECERT_OK)
            continue;
        struct ecert_apache_lexer lexer = {.text = file->text};
        while (ecert_apache_next(&lexer, &piece))
            if (piece.kind == ECERT_APACHE_DIRECTIVE &&
                ecert_apache_is(file->text, &piece, "LoadModule") &&
                !add(loaded, &loaded->named, &loaded->n_named, file->text, &piece))
                return;
    }
}

bool ecert_apache_loaded_has(struct ecert_apache_loaded *loaded, const char *name, size_t len)
{
    if (!ecert_apache_has_module(loaded->dump, name, len))
        return false;
    if (is_listed(loaded->dump->built_in, loaded->dump->n_built_in, name, len) ||
        is_listed(loaded->names, loaded->n_names, name, len))
        return true;
    if (!loaded->named_asked)
        find_named(loaded);
    return !is_listed(loaded->named, loaded->n_named, name, len);
}
