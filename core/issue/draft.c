#include "core/issue/draft.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/flow/certificate.h"

#define DEFAULT_AUTHORITY "hongkongpost"

static void use_clear(struct ecert_draft_use *use)
{
    free(use->sites);
    ecert_strings_clear(&use->names);
    ecert_strings_clear(&use->left);
    free(use->problem);
    *use = (struct ecert_draft_use){0};
}

static void entry_clear(struct ecert_draft_entry *entry)
{
    free(entry->name);
    ecert_strings_clear(&entry->names);
    ecert_strings_clear(&entry->odd);
    *entry = (struct ecert_draft_entry){0};
}

void ecert_draft_clear(struct ecert_draft *draft)
{
    for (size_t i = 0; draft->plugins != NULL && i < draft->found->n_servers; i++)
        ecert_plugin_description_clear(&draft->plugins[i]);
    for (size_t i = 0; i < draft->n_uses; i++)
        use_clear(&draft->uses[i]);
    for (size_t i = 0; i < draft->n_entries; i++)
        entry_clear(&draft->entries[i]);
    for (size_t i = 0; i < 4; i++)
        free(draft->subject[i]);
    free(draft->plugins);
    free(draft->uses);
    free(draft->entries);
    *draft = (struct ecert_draft){0};
}

/* ---- which files are used where ---- */

static bool are_texts_same(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static struct ecert_draft_use *find_use(struct ecert_draft *draft,
                                        const struct ecert_inventory_site *site)
{
    for (size_t i = draft->n_uses; i-- > 0;) { /* neighbours share files more often than not */
        struct ecert_draft_use *use = &draft->uses[i];

        if (use->server == site->server && use->certificate == site->certificate &&
            are_texts_same(use->key_file, site->site.key))
            return use;
    }
    return NULL;
}

static enum ecert_status find_entry(struct ecert_draft *draft, size_t certificate, size_t *ret,
                                    struct ecert_error *err)
{
    const struct ecert_inventory_certificate *file = &draft->found->certificates[certificate];

    *ret = ECERT_INVENTORY_NOTHING;
    if (file->leaf == NULL)
        return ECERT_OK;
    for (size_t i = 0; i < draft->n_entries; i++)
        if (strcmp(draft->found->certificates[draft->entries[i].certificate].sha256,
                   file->sha256) == 0) {
            *ret = i;
            return ECERT_OK;
        }
    struct ecert_draft_entry *more =
        reallocarray(draft->entries, draft->n_entries + 1, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    draft->entries = more;
    more[draft->n_entries] = (struct ecert_draft_entry){.certificate = certificate};
    *ret = draft->n_entries++;
    return ECERT_OK;
}

static enum ecert_status add_use(struct ecert_draft *draft, const struct ecert_inventory_site *site,
                                 struct ecert_draft_use **ret, struct ecert_error *err)
{
    struct ecert_draft_use *more = reallocarray(draft->uses, draft->n_uses + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    draft->uses = more;
    *ret = &more[draft->n_uses++];
    **ret = (struct ecert_draft_use){.server = site->server,
                                     .certificate = site->certificate,
                                     .key_file = site->site.key,
                                     .key = site->key};
    return find_entry(draft, site->certificate, &(*ret)->entry, err);
}

static enum ecert_status collect_uses(struct ecert_draft *draft, struct ecert_error *err)
{
    for (size_t i = 0; i < draft->found->n_sites; i++) {
        const struct ecert_inventory_site *site = &draft->found->sites[i];
        struct ecert_draft_use *use = NULL;

        if (!site->site.enabled || site->certificate == ECERT_INVENTORY_NOTHING)
            continue;
        use = find_use(draft, site);
        if (use == NULL)
            ECERT_TRY(add_use(draft, site, &use, err));
        if ((use->n_sites & (use->n_sites - 1)) == 0) { /* 0, 1, 2, 4 ...: it is full */
            size_t *more =
                reallocarray(use->sites, use->n_sites == 0 ? 1 : 2 * use->n_sites, sizeof *more);

            if (more == NULL)
                return ecert_error_nomem(err);
            use->sites = more;
        }
        use->sites[use->n_sites++] = i;
    }
    return ECERT_OK;
}

/* ---- which names choose its sites, and no others ---- */

/* A name of a site, sorted, so that those of thousands are found again. */
struct named {
    const char *name;
    size_t server, site;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    const int name = strcasecmp(x->name, y->name);

    if (name != 0)
        return name;
    return x->server < y->server ? -1 : x->server > y->server;
}

static struct named *sort_names(const struct ecert_inventory *found, size_t *ret_n)
{
    struct named *all = NULL;
    size_t n = 0;

    for (size_t i = 0; i < found->n_sites; i++)
        n += found->sites[i].site.names.len;
    all = calloc(n + 1, sizeof *all);
    *ret_n = 0;
    for (size_t i = 0; all != NULL && i < found->n_sites; i++)
        for (size_t k = 0; found->sites[i].site.enabled && k < found->sites[i].site.names.len; k++)
            all[(*ret_n)++] =
                (struct named){found->sites[i].site.names.items[k], found->sites[i].server, i};
    if (all != NULL && *ret_n > 0)
        qsort(all, *ret_n, sizeof *all, by_name);
    return all;
}

static bool is_same_place(const struct ecert_site *a, const struct ecert_site *b)
{
    return are_texts_same(a->file, b->file) && a->line == b->line;
}

/* One of the use's own, or its other pair. */
static bool belongs(const struct ecert_draft *draft, const struct ecert_draft_use *use, size_t site)
{
    for (size_t i = 0; i < use->n_sites; i++)
        if (use->sites[i] == site || is_same_place(&draft->found->sites[use->sites[i]].site,
                                                   &draft->found->sites[site].site))
            return true;
    return false;
}

/* Does the name choose a site with other files, too? */
static bool is_ambiguous(const struct ecert_draft *draft, const struct ecert_draft_use *use,
                         const char *name, const struct named *all, size_t n)
{
    const struct named wanted = {.name = name, .server = use->server};
    const struct named *found = bsearch(&wanted, all, n, sizeof *all, by_name);

    while (found != NULL && found > all && by_name(found - 1, &wanted) == 0)
        found--;
    for (; found != NULL && found < all + n && by_name(found, &wanted) == 0; found++)
        if (!belongs(draft, use, found->site))
            return true;
    return false;
}

/* Is there another pair of the same leaf?  Then "everywhere" would take its sites along. */
static bool has_twin(const struct ecert_draft *draft, const struct ecert_draft_use *use)
{
    for (size_t i = 0; i < draft->n_uses; i++)
        if (&draft->uses[i] != use && draft->uses[i].server == use->server &&
            draft->uses[i].entry == use->entry)
            return true;
    return false;
}

/* A stream server, say, that answers whatever it is asked for. */
static bool is_nameless(const struct ecert_draft *draft, const struct ecert_draft_use *use)
{
    for (size_t i = 0; i < use->n_sites; i++)
        if (draft->found->sites[use->sites[i]].site.names.len > 0)
            return false;
    return true;
}

static bool has_setting(const struct ecert_plugin_description *plugin, const char *name)
{
    for (size_t i = 0; i < plugin->n_settings; i++)
        if (strcmp(plugin->settings[i].name, name) == 0)
            return true;
    return false;
}

static bool can_be_everywhere(const struct ecert_draft *draft, const struct ecert_draft_use *use)
{
    return has_setting(&draft->plugins[use->server], "everywhere_it_was") && !has_twin(draft, use);
}

static enum ecert_status choose_names(const struct ecert_draft *draft, struct ecert_draft_use *use,
                                      const struct named *all, size_t n, struct ecert_error *err)
{
    const X509 *leaf = draft->found->certificates[use->certificate].leaf;
    bool ambiguous = false;

    use->everywhere = is_nameless(draft, use) && can_be_everywhere(draft, use);
    if (use->everywhere) /* they are found by the file that they use */
        return ECERT_OK;
    for (size_t i = 0; i < use->n_sites; i++) {
        const struct ecert_site *site = &draft->found->sites[use->sites[i]].site;
        ECERT_AUTO(ecert_auto_free) char *place = NULL;
        bool covered = site->names.len > 0;

        for (size_t k = 0; k < site->names.len; k++) {
            const char *name = site->names.items[k];

            if (!ecert_certificate_covers(leaf, name)) {
                covered = false;
                continue;
            }
            const bool other = is_ambiguous(draft, use, name, all, n);
            ambiguous = ambiguous || other;
            if (!other && !ecert_strings_contain(&use->names, name))
                ECERT_TRY(ecert_strings_add(&use->names, name, err));
        }
        if (covered)
            continue;
        ECERT_TRY(ecert_inventory_place(site, &place, err));
        ECERT_TRY(ecert_strings_add(&use->left, place, err));
    }
    if (use->names.len > 0)
        return ECERT_OK;
    return ecert_text_format(&use->problem, err, "%s",
                             ambiguous
                                 ? "each of its names is that of another site with other "
                                   "files, too, so that none says which one is meant"
                                 : "none of its sites has a name that the certificate is for, "
                                   "and by their names sites are found");
}

/* ---- what becomes of each ---- */

static const char *problem_of_key(const struct ecert_draft_use *use)
{
    switch (use->key) {
    case ECERT_INVENTORY_KEY_NONE:
        return "it names no key that is a file";
    case ECERT_INVENTORY_KEY_DIFFERS:
        return "its key does not belong to its certificate";
    case ECERT_INVENTORY_KEY_UNREADABLE:
        return "its key cannot be read; begin again as root";
    case ECERT_INVENTORY_KEY_ENCRYPTED: /* it is told what to write */
    case ECERT_INVENTORY_KEY_MATCHES:
        break;
    }
    return NULL;
}

static enum ecert_status judge_use(struct ecert_draft *draft, struct ecert_draft_use *use,
                                   const struct named *all, size_t n, struct ecert_error *err)
{
    const struct ecert_inventory_certificate *file = &draft->found->certificates[use->certificate];
    const char *problem = problem_of_key(use);

    if (use->entry == ECERT_INVENTORY_NOTHING)
        return ECERT_OK;
    ECERT_TRY(choose_names(draft, use, all, n, err));
    if (use->problem != NULL)
        return ECERT_OK;
    if (problem != NULL)
        return ecert_text_format(&use->problem, err, "%s", problem);
    if (strcmp(use->key_file, file->file) != 0)
        return ECERT_OK;
    use->is_shared = true;
    return ecert_text_format(&use->problem, err,
                             "'%s' holds key and certificate in one file, and ecert writes each "
                             "into a file of its own",
                             file->file);
}

/* Where it would take sites of another target along, or one that it is not for, it is not set. */
static void choose_everywhere(struct ecert_draft *draft, struct ecert_draft_use *use)
{
    if (!can_be_everywhere(draft, use) || use->left.len > 0 || use->n_sites < 2)
        return;
    use->everywhere = true;
}

static enum ecert_status judge_uses(struct ecert_draft *draft, struct ecert_error *err)
{
    size_t n = 0;
    ECERT_AUTO(ecert_auto_free) struct named *all = sort_names(draft->found, &n);

    if (all == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < draft->n_uses; i++)
        ECERT_TRY(judge_use(draft, &draft->uses[i], all, n, err));
    ECERT_TRY(ecert_draft_find_sharing(draft, err));
    for (size_t i = 0; i < draft->n_uses; i++)
        choose_everywhere(draft, &draft->uses[i]);
    return ECERT_OK;
}

/* Hongkong Post where it is installed: this program is made for it. */
static const struct ecert_authority *default_authority(const struct ecert_inventory *found)
{
    for (size_t i = 0; i < found->n_authorities; i++)
        if (strcmp(found->authorities[i].id, DEFAULT_AUTHORITY) == 0)
            return &found->authorities[i];
    return found->n_authorities > 0 ? &found->authorities[0] : NULL;
}

static enum ecert_status describe_plugins(struct ecert_draft *draft, struct ecert_error *err)
{
    draft->plugins = calloc(draft->found->n_servers + 1, sizeof *draft->plugins);
    if (draft->plugins == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < draft->found->n_servers; i++)
        ECERT_TRY(ecert_plugin_describe(draft->config->plugin_dir, draft->found->servers[i].plugin,
                                        &draft->plugins[i], err));
    return ECERT_OK;
}

enum ecert_status ecert_draft_make(const struct ecert_inventory *found,
                                   const struct ecert_config *config, struct ecert_draft *ret,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_draft_clear)
    struct ecert_draft draft = {.found = found, .config = config};

    draft.authority = default_authority(found);
    ECERT_TRY(describe_plugins(&draft, err));
    ECERT_TRY(collect_uses(&draft, err));
    ECERT_TRY(ecert_draft_name_entries(&draft, err));
    ECERT_TRY(judge_uses(&draft, err));
    ECERT_TRY(ecert_draft_find_subject(&draft, err));
    *ret = draft;
    draft = (struct ecert_draft){0};
    return ECERT_OK;
}
