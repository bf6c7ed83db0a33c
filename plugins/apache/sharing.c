#include "plugins/apache/sharing.h"

#include <string.h>

void ecert_apache_find_shared(struct ecert_apache_scan *scan, const bool *chosen)
{
    for (size_t i = 0; i < scan->n_blocks; i++)
        scan->blocks[i].left = !chosen[i];
    for (size_t i = 0; i < scan->tree.n_files; i++)
        scan->tree.files[i].shared = scan->tree.files[i].compared = false;
    for (size_t i = 0; i < scan->tree.n_nodes; i++)
        if (scan->owners[i] == 0 || !chosen[scan->owners[i] - 1])
            scan->tree.files[scan->tree.files_of[i]].shared = true;
}

static bool has_same_bytes(const struct ecert_apache_file *a, const struct ecert_apache_file *b)
{
    return a->is_read && b->is_read && a->text.len == b->text.len &&
           (a->text.len == 0 || memcmp(a->text.ptr, b->text.ptr, a->text.len) == 0);
}

static bool is_same_file(const struct ecert_apache_scan *scan, const char *a, const char *b)
{
    const char *const argv[] = {"/usr/bin/test", a, "-ef", b, NULL};
    struct ecert_command_result result = {0};
    struct ecert_error ignored = {0};

    return scan->host->run(scan->job, argv, &result, &ignored) != ECERT_OK || result.exit_code != 1;
}

bool ecert_apache_is_shared(struct ecert_apache_scan *scan, size_t node)
{
    struct ecert_apache_tree *tree = &scan->tree;
    struct ecert_apache_file *file = &tree->files[tree->files_of[node]];

    for (size_t i = 0; i < tree->n_files && !file->shared && !file->compared; i++) {
        struct ecert_apache_file *other = &tree->files[i];
        struct ecert_error ignored = {0};
        if (!other->shared)
            continue;
        /* what cannot be read here (a macro's) is none of ours */
        if (ecert_apache_tree_read(scan->host, scan->job, other, &ignored) == ECERT_OK &&
            has_same_bytes(file, other))
            file->shared = is_same_file(scan, file->path, other->path);
    }
    file->compared = true;
    return file->shared;
}

static const struct ecert_apache_file *file_of(const struct ecert_apache_scan *scan,
                                               const struct ecert_apache_block *block)
{
    return block->found && block->node != ECERT_APACHE_NO_NODE
               ? &scan->tree.files[scan->tree.files_of[block->node]]
               : NULL;
}

const struct ecert_apache_block *ecert_apache_find_twin(const struct ecert_apache_scan *scan,
                                                        const struct ecert_apache_block *block)
{
    const struct ecert_apache_file *file = file_of(scan, block);

    for (size_t i = 0; file != NULL && i < scan->n_blocks; i++) {
        const struct ecert_apache_block *other = &scan->blocks[i];
        const struct ecert_apache_file *read = other->left ? file_of(scan, other) : NULL;
        if (read == NULL || read == file || other->host->line != block->host->line)
            continue;
        if (has_same_bytes(file, read) && is_same_file(scan, file->path, read->path))
            return other;
    }
    return NULL;
}

bool ecert_apache_is_read_again(const struct ecert_apache_scan *scan, size_t node)
{
    const struct ecert_apache_tree *tree = &scan->tree;
    const struct ecert_apache_file *file = &tree->files[tree->files_of[node]];

    for (size_t i = 0; i < tree->n_nodes; i++)
        if (i != node && tree->files_of[i] == tree->files_of[node])
            return true;
    for (size_t i = 0; i < tree->n_files; i++)
        if (&tree->files[i] != file && has_same_bytes(file, &tree->files[i]) &&
            is_same_file(scan, file->path, tree->files[i].path))
            return true;
    return false;
}
