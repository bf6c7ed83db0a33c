#include "plugins/apache/tree.h"

#include <stdlib.h>
#include <string.h>

static int by_path(const void *a, const void *b, void *context)
{
    const struct ecert_apache_node *nodes = context;

    return strcmp(nodes[*(const size_t *)a].path, nodes[*(const size_t *)b].path);
}

static int by_line(const void *a, const void *b, void *context)
{
    const struct ecert_apache_tree *tree = context;
    const size_t left = *(const size_t *)a;
    const size_t right = *(const size_t *)b;

    if (tree->parents[left] != tree->parents[right])
        return tree->parents[left] < tree->parents[right] ? -1 : 1;
    if (tree->nodes[left].line != tree->nodes[right].line)
        return tree->nodes[left].line < tree->nodes[right].line ? -1 : 1;
    return left < right ? -1 : left > right;
}

/* Nodes stand in the order of reading: the parent is the last one that is one level higher. */
static bool find_parents(struct ecert_arena *arena, struct ecert_apache_tree *tree)
{
    size_t deepest = 0;
    size_t level = 0;

    for (size_t i = 0; i < tree->n_nodes; i++)
        deepest = tree->nodes[i].level > deepest ? tree->nodes[i].level : deepest;
    size_t *last = ecert_arena_alloc(arena, (deepest + 1) * sizeof *last); /* of each level */
    if (last == NULL)
        return false;
    for (size_t i = 0; i <= deepest; i++)
        last[i] = ECERT_APACHE_NO_NODE;
    for (size_t i = 0; i < tree->n_nodes; i++) {
        /* an answer that skips a level is not the server's */
        const size_t most = i == 0 ? 0 : level + 1;
        level = tree->nodes[i].level < most ? tree->nodes[i].level : most;
        tree->parents[i] = level == 0 ? i : last[level - 1];
        tree->next[i] = ECERT_APACHE_NO_NODE;
        if (last[level] != ECERT_APACHE_NO_NODE && level > 0 &&
            tree->parents[last[level]] == tree->parents[i])
            tree->next[last[level]] = i;
        last[level] = i;
    }
    return true;
}

static void number_files(struct ecert_apache_tree *tree, size_t *sorted)
{
    for (size_t i = 0; i < tree->n_nodes; i++)
        sorted[i] = i;
    qsort_r(sorted, tree->n_nodes, sizeof *sorted, by_path, tree->nodes);
    for (size_t i = 0; i < tree->n_nodes; i++) {
        const char *path = tree->nodes[sorted[i]].path;
        if (i == 0 || strcmp(tree->files[tree->n_files - 1].path, path) != 0)
            tree->files[tree->n_files++] = (struct ecert_apache_file){.path = path};
        tree->files_of[sorted[i]] = tree->n_files - 1;
    }
}

bool ecert_apache_tree_make(struct ecert_arena *arena, const struct ecert_apache_dump *dump,
                            struct ecert_apache_tree *ret)
{
    const size_t n = dump->n_nodes;
    struct ecert_apache_tree tree = {
        .nodes = dump->nodes,
        .n_nodes = n,
        .parents = ecert_arena_alloc(arena, n * sizeof(size_t)),
        .next = ecert_arena_alloc(arena, n * sizeof(size_t)),
        .by_line = ecert_arena_alloc(arena, n * sizeof(size_t)),
        .files_of = ecert_arena_alloc(arena, n * sizeof(size_t)),
        .files = ecert_arena_alloc(arena, n * sizeof *tree.files),
    };

    if (tree.parents == NULL || tree.next == NULL || tree.by_line == NULL ||
        tree.files_of == NULL || tree.files == NULL || !find_parents(arena, &tree))
        return false;
    number_files(&tree, tree.by_line);
    for (size_t i = 0; i < n; i++)
        tree.by_line[i] = i;
    qsort_r(tree.by_line, n, sizeof *tree.by_line, by_line, &tree);
    *ret = tree;
    return true;
}

size_t ecert_apache_tree_child(const struct ecert_apache_tree *tree, size_t node, size_t line,
                               size_t from)
{
    size_t low = 0;
    size_t high = tree->n_nodes;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const size_t i = tree->by_line[middle];
        const bool before = tree->parents[i] != node      ? tree->parents[i] < node
                            : tree->nodes[i].line != line ? tree->nodes[i].line < line
                                                          : i < from;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == tree->n_nodes)
        return ECERT_APACHE_NO_NODE;
    const size_t found = tree->by_line[low];
    return tree->parents[found] == node && found != node && tree->nodes[found].line == line
               ? found
               : ECERT_APACHE_NO_NODE;
}

/*
 * After a file that includes others, the server tells the line of that last Include for the rest of
 * the pattern's files too (tried with 2.4.71).
 */
static bool is_stale(const struct ecert_apache_tree *tree, size_t child, size_t next)
{
    for (size_t i = child + 1; i < next; i++)
        if (tree->nodes[i].line == tree->nodes[next].line)
            return true;
    return false;
}

size_t ecert_apache_tree_next(const struct ecert_apache_tree *tree, size_t child)
{
    const size_t next = tree->next[child];

    return next != ECERT_APACHE_NO_NODE && (tree->nodes[next].line == tree->nodes[child].line ||
                                            is_stale(tree, child, next))
               ? next
               : ECERT_APACHE_NO_NODE;
}

static int against(const void *path, const void *file)
{
    return strcmp(path, ((const struct ecert_apache_file *)file)->path);
}

struct ecert_apache_file *ecert_apache_tree_find(const struct ecert_apache_tree *tree,
                                                 const char *path)
{
    return tree->n_files == 0
               ? NULL
               : bsearch(path, tree->files, tree->n_files, sizeof *tree->files, against);
}

enum ecert_status ecert_apache_tree_read(const struct ecert_host *host, struct ecert_job *job,
                                         struct ecert_apache_file *file, struct ecert_error *err)
{
    enum ecert_status status = ECERT_OK;

    if (file->is_read)
        return ECERT_OK;
    if (strcmp(file->path, "/dev/null") == 0) /* the one device that the server takes */
        file->text = (struct ecert_view){(const uint8_t *)"", 0};
    else
        status = host->read_file(job, file->path, ECERT_APACHE_FILE_MAX_LEN, &file->text, err);
    file->is_read = status == ECERT_OK;
    return status;
}
