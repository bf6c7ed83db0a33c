/* Files that more than one target of a first configuration would write. */

#include <stdlib.h>
#include <string.h>

#include "core/issue/draft.h"

enum role { ROLE_KEY, ROLE_LEAF, ROLE_FULLCHAIN, ROLE_CHAIN };

struct claim {
    const char *path;
    enum role role;
    const char *leaf; /* SHA-256 */
    size_t use;
};

static int by_path(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static size_t claim_files(const struct ecert_draft *draft, struct claim *claims)
{
    size_t n = 0;

    for (size_t i = 0; i < draft->n_uses; i++) {
        const struct ecert_draft_use *use = &draft->uses[i];
        const struct ecert_inventory_certificate *file =
            &draft->found->certificates[use->certificate];

        if (use->key_file != NULL)
            claims[n++] = (struct claim){use->key_file, ROLE_KEY, file->sha256, i};
        claims[n++] = (struct claim){
            file->file, file->chain_file == NULL ? ROLE_FULLCHAIN : ROLE_LEAF, file->sha256, i};
        if (file->chain_file != NULL)
            claims[n++] = (struct claim){file->chain_file, ROLE_CHAIN, file->sha256, i};
    }
    return n;
}

static enum ecert_status refuse_sharing(struct ecert_draft *draft, const struct claim *claim,
                                        const char *why, struct ecert_error *err)
{
    struct ecert_draft_use *use = &draft->uses[claim->use];

    if (use->problem != NULL)
        return ECERT_OK;
    use->is_shared = true;
    return ecert_text_format(&use->problem, err, "'%s' %s", claim->path, why);
}

/* It becomes a target, as far as is known. */
static bool is_target(const struct ecert_draft *draft, const struct ecert_draft_use *use)
{
    return use->problem == NULL && use->entry != ECERT_INVENTORY_NOTHING &&
           draft->entries[use->entry].name != NULL;
}

/*
 * The claims of one path are all for a chain: can it stay one file?  For certificates of one
 * authority, and two of them at least that have a target, because one alone would not know that it
 * shares (core/flow/shared_chain.h).
 */
static bool can_share_chain(const struct ecert_draft *draft, const struct claim *claims, size_t n)
{
    const char *authority = NULL;
    size_t first = ECERT_INVENTORY_NOTHING;
    bool several = false;

    for (size_t i = 0; i < n; i++) {
        const struct ecert_draft_use *use = &draft->uses[claims[i].use];

        if (!is_target(draft, use))
            continue;
        const char *other = ecert_draft_authority(draft, &draft->entries[use->entry]);
        if (authority != NULL && strcmp(authority, other) != 0)
            return false;
        authority = other;
        several = several || (first != ECERT_INVENTORY_NOTHING && first != use->entry);
        first = use->entry;
    }
    return several;
}

static enum ecert_status judge_path(struct ecert_draft *draft, const struct claim *claims, size_t n,
                                    bool of_chains, struct ecert_error *err)
{
    bool other_leaf = false, other_role = false, all_chains = true;

    for (size_t i = 0; i < n; i++) {
        other_leaf = other_leaf || strcmp(claims[i].leaf, claims[0].leaf) != 0;
        other_role = other_role || claims[i].role != claims[0].role;
        all_chains = all_chains && claims[i].role == ROLE_CHAIN;
    }
    if (all_chains != of_chains || (!other_leaf && !other_role))
        return ECERT_OK;
    if (all_chains && can_share_chain(draft, claims, n)) {
        for (size_t i = 0; i < n; i++)
            draft->uses[claims[i].use].shares_chain = true;
        return ECERT_OK;
    }
    for (size_t i = 0; i < n; i++)
        ECERT_TRY(refuse_sharing(draft, &claims[i],
                                 other_leaf ? "is used with another certificate, too, which a "
                                              "renewal of this one would break"
                                            : "is used in two ways: what one of them needs there "
                                              "the other cannot use",
                                 err));
    return ECERT_OK;
}

/* What a renewal writes must be nobody else's: another certificate's key, or another form. */
enum ecert_status ecert_draft_find_sharing(struct ecert_draft *draft, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free)
    struct claim *claims = calloc(3 * draft->n_uses + 1, sizeof *claims);

    if (claims == NULL)
        return ecert_error_nomem(err);
    const size_t n = claim_files(draft, claims);
    if (n > 0)
        qsort(claims, n, sizeof *claims, by_path);
    /* chains last: who has a target by then decides whether they can be one file */
    for (unsigned of_chains = 0; of_chains < 2; of_chains++)
        for (size_t first = 0, end = 0; first < n; first = end) {
            for (end = first; end < n && strcmp(claims[end].path, claims[first].path) == 0;)
                end++;
            ECERT_TRY(judge_path(draft, &claims[first], end - first, of_chains == 1, err));
        }
    return ECERT_OK;
}
