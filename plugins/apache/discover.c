#include "plugins/apache/discover.h"

#include "plugins/apache/site.h"

#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *a, const void *b)
{
    const struct ecert_view *left = a;
    const struct ecert_view *right = b;

    if (left->len != right->len)
        return left->len < right->len ? -1 : 1;
    return left->len == 0 ? 0 : memcmp(left->ptr, right->ptr, left->len);
}

/* The texts that the server reads, sorted; NULL: no memory. */
static struct ecert_view *sort_texts(const struct ecert_apache_scan *scan, size_t *ret_n)
{
    const struct ecert_apache_tree *tree = &scan->tree;
    struct ecert_view *texts = ecert_arena_alloc(scan->arena, tree->n_files * sizeof *texts);
    size_t n = 0;

    for (size_t i = 0; texts != NULL && i < tree->n_files; i++)
        if (tree->files[i].is_read)
            texts[n++] = tree->files[i].text;
    if (n > 1)
        qsort(texts, n, sizeof *texts, by_bytes);
    *ret_n = n;
    return texts;
}

static enum ecert_status emit_unread(struct ecert_apache_scan *scan, const char *path,
                                     const struct ecert_view *texts, size_t n_texts,
                                     struct ecert_left_out *left_out, struct ecert_error *err)
{
    struct ecert_apache_block *blocks = NULL;
    struct ecert_error ignored = {0};
    struct ecert_view text = {0};
    size_t n = 0;

    if (scan->host->read_file(scan->job, path, ECERT_APACHE_FILE_MAX_LEN, &text, &ignored) !=
            ECERT_OK ||
        bsearch(&text, texts, n_texts, sizeof text, by_bytes) != NULL)
        return ECERT_OK; /* a folder, or enabled */
    ECERT_APACHE_TRY(ecert_apache_scan_unread(scan, path, text, &blocks, &n, err));
    for (size_t i = 0; i < n; i++)
        if (blocks[i].found)
            ECERT_APACHE_TRY(ecert_apache_site_emit(scan, &blocks[i], NULL, true, left_out, err));
    return ECERT_OK;
}

static enum ecert_status emit_available(struct ecert_apache_scan *scan,
                                        struct ecert_left_out *left_out, struct ecert_error *err)
{
    const char *main_file = scan->dump->nodes[0].path;
    const char *slash = strrchr(main_file, '/');
    const char *pattern = slash == NULL ? NULL
                                        : ecert_arena_text(scan->arena, "%.*s/sites-available/*",
                                                           (int)(slash - main_file), main_file);
    const char *const *found = NULL;
    size_t n = 0;

    if (slash == NULL)
        return ECERT_OK;
    const struct ecert_view *texts = sort_texts(scan, &n);
    if (pattern == NULL || texts == NULL)
        return ecert_apache_no_memory(scan, err);
    ECERT_APACHE_TRY(scan->host->glob(scan->job, pattern, &found, err));
    for (size_t i = 0; found[i] != NULL; i++)
        ECERT_APACHE_TRY(emit_unread(scan, found[i], texts, n, left_out, err));
    return ECERT_OK;
}

enum ecert_status ecert_apache_discover(struct ecert_apache_scan *scan, struct ecert_error *err)
{
    struct ecert_left_out left_out = {0};

    for (size_t i = 0; i < scan->n_blocks; i++)
        ECERT_APACHE_TRY(
            ecert_apache_site_emit(scan, &scan->blocks[i], NULL, false, &left_out, err));
    ECERT_APACHE_TRY(ecert_apache_main_emit(scan, false, err));
    ECERT_APACHE_TRY(emit_available(scan, &left_out, err));
    return ecert_names_note(&left_out, scan->host, scan->job, err);
}
