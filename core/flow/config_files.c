/*
 * Files that more than one target names.  What two certificates would write in turns serves
 * neither; the exception is a file of issuers (core/flow/shared_chain.h).
 */
#include <stdlib.h>
#include <string.h>

#include "core/flow/config_read.h"

/* A file of one target; the order of its members is the order of the configuration. */
struct named_file {
    const char *path;
    size_t certificate, target, material;
};

static int by_path(const void *a, const void *b)
{
    const struct named_file *x = a, *y = b;
    const int path = strcmp(x->path, y->path);

    if (path != 0)
        return path;
    if (x->certificate != y->certificate)
        return x->certificate < y->certificate ? -1 : 1;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    return x->material < y->material ? -1 : x->material > y->material;
}

static size_t add_target(const struct ecert_config *config, size_t c, size_t t,
                         struct named_file *files, size_t n)
{
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++) {
        const char *path = config->certificates[c].targets[t].files[i];

        if (path != NULL)
            files[n++] = (struct named_file){path, c, t, i};
    }
    return n;
}

static bool is_one_authority(const struct ecert_certificate_config *a,
                             const struct ecert_certificate_config *b)
{
    return a->authority != NULL && b->authority != NULL && strcmp(a->authority, b->authority) == 0;
}

static void check_pair(struct ecert_config_reader *reader, const struct named_file *first,
                       const struct named_file *second)
{
    const struct ecert_certificate_config *a = &reader->config.certificates[first->certificate];
    const struct ecert_certificate_config *b = &reader->config.certificates[second->certificate];
    const struct ecert_target_config *theirs = &a->targets[first->target];
    const struct ecert_target_config *ours = &b->targets[second->target];
    const bool same_kind = first->material == second->material;
    const bool both_chains = same_kind && first->material == ECERT_MATERIAL_CHAIN;

    if (a == b && (same_kind || theirs == ours)) /* two of one target are told of there */
        return;
    if (both_chains && is_one_authority(a, b))
        return;
    ecert_config_mistake_at(
        reader, b->file, ours->line,
        both_chains ? "'files': '%s' is the chain file of target '%s' of '%s' (line %u), which is "
                      "of another authority; each authority needs a chain file of its own"
                    : "'files': '%s' is written by target '%s' of '%s' (line %u), too; only "
                      "'chain' may be one file for several certificates",
        second->path, theirs->id == NULL ? "?" : theirs->id, a->name == NULL ? "?" : a->name,
        theirs->line);
}

void ecert_config_check_files(struct ecert_config_reader *reader)
{
    const struct ecert_config *config = &reader->config;
    size_t n_targets = 0, n = 0;

    for (size_t c = 0; c < config->n_certificates; c++)
        n_targets += config->certificates[c].n_targets;
    ECERT_AUTO(ecert_auto_free)
    struct named_file *files = calloc(n_targets * ECERT_MATERIAL_COUNT + 1, sizeof *files);
    if (files == NULL) {
        reader->nomem = true;
        return;
    }
    for (size_t c = 0; c < config->n_certificates; c++)
        for (size_t t = 0; t < config->certificates[c].n_targets; t++)
            n = add_target(config, c, t, files, n);
    if (n > 0)
        qsort(files, n, sizeof *files, by_path);
    for (size_t first = 0, i = 1; i < n; i++) {
        if (strcmp(files[first].path, files[i].path) == 0)
            check_pair(reader, &files[first], &files[i]);
        else
            first = i;
    }
}
