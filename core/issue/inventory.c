#include "core/issue/inventory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/flow/certificate.h"

const char *ecert_inventory_chain_word(enum ecert_inventory_chain chain)
{
    switch (chain) {
#define ECERT_INVENTORY_WORD(value, word) \
    case value:                           \
        return word;
        ECERT_INVENTORY_CHAIN_LIST(ECERT_INVENTORY_WORD)
    }
    return "?";
}

const char *ecert_inventory_key_word(enum ecert_inventory_key_state key)
{
    switch (key) {
        ECERT_INVENTORY_KEY_LIST(ECERT_INVENTORY_WORD)
#undef ECERT_INVENTORY_WORD
    }
    return "?";
}

/* ---- lifetimes ---- */

static void server_clear(struct ecert_inventory_server *server)
{
    free(server->plugin);
    free(server->own.name);
    ecert_strings_clear(&server->own.list);
    ecert_strings_clear(&server->words);
    ecert_strings_clear(&server->notes);
    *server = (struct ecert_inventory_server){0};
}

static void certificate_clear(struct ecert_inventory_certificate *certificate)
{
    free(certificate->file);
    free(certificate->chain_file);
    free(certificate->problem);
    ecert_auto_x509_stack(&certificate->certificates);
    free(certificate->authority);
    free(certificate->sites);
    *certificate = (struct ecert_inventory_certificate){0};
}

void ecert_inventory_clear(struct ecert_inventory *found)
{
    for (size_t i = 0; i < found->n_servers; i++)
        server_clear(&found->servers[i]);
    for (size_t i = 0; i < found->n_certificates; i++)
        certificate_clear(&found->certificates[i]);
    for (size_t i = 0; i < found->n_sites; i++) {
        ecert_site_clear(&found->sites[i].site);
        free(found->sites[i].key_problem);
        free(found->sites[i].managed_by);
    }
    for (size_t i = 0; i < found->n_authorities; i++)
        ecert_authority_clear(&found->authorities[i]);
    free(found->servers);
    free(found->certificates);
    free(found->sites);
    free(found->authorities);
    ecert_strings_clear(&found->looked_for);
    ecert_strings_clear(&found->problems);
    ecert_strings_clear(&found->remarks);
    *found = (struct ecert_inventory){0};
}

enum ecert_status ecert_inventory_place(const struct ecert_site *site, char **ret,
                                        struct ecert_error *err)
{
    if (site->file == NULL)
        return ecert_text_format(ret, err, "%s of '%s'", site->kind,
                                 site->names.len > 0 ? site->names.items[0] : "");
    if (site->line == 0)
        return ecert_text_format(ret, err, "%s in %s", site->kind, site->file);
    return ecert_text_format(ret, err, "%s at %s:%u", site->kind, site->file, (unsigned)site->line);
}

/* ---- asking them ---- */

static enum ecert_status ask(const struct ecert_config *config,
                             const struct ecert_inventory_server *server, const char *key_type,
                             struct ecert_discovery *ret, struct ecert_error *err)
{
    static const char *const none[] = {NULL};
    const struct ecert_job_spec spec = {
        .plugin_dir = config->plugin_dir,
        .plugin = server->plugin,
        .certificate = "",
        .target = server->plugin,
        .server_names = none,
        .settings = server->settings,
        .n_settings = server->n_settings,
        .leaf = {.key_type = key_type},
    };

    return ecert_plugin_discover(&spec, ret, err);
}

static bool are_texts_same(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool has_same_files(const struct ecert_site *a, const struct ecert_site *b)
{
    return are_texts_same(a->certificate, b->certificate) && are_texts_same(a->key, b->key) &&
           are_texts_same(a->chain, b->chain);
}

/* Takes the site over. */
static enum ecert_status add_site(struct ecert_inventory *found, size_t server,
                                  struct ecert_site *site, struct ecert_error *err)
{
    if ((found->n_sites & (found->n_sites - 1)) == 0) { /* 0, 1, 2, 4 ...: it is full */
        const size_t room = found->n_sites == 0 ? 1 : 2 * found->n_sites;
        struct ecert_inventory_site *more = reallocarray(found->sites, room, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        found->sites = more;
    }
    found->sites[found->n_sites++] =
        (struct ecert_inventory_site){.server = server, .site = *site, .certificate = SIZE_MAX};
    *site = (struct ecert_site){0};
    return ECERT_OK;
}

/* The same sites through another program of the plugin: it is one server. */
static bool is_known_server(const struct ecert_inventory *found, size_t server,
                            const struct ecert_discovery *discovery)
{
    for (size_t first = 0; first < found->n_sites;) {
        const size_t other = found->sites[first].server;
        size_t n = 0;
        bool same = strcmp(found->servers[other].plugin, found->servers[server].plugin) == 0;

        for (; first + n < found->n_sites && found->sites[first + n].server == other; n++)
            ;
        for (size_t i = 0, k = 0; same && i < n; i++) { /* some may be there twice, as two pairs */
            const struct ecert_site *site = &found->sites[first + i].site;

            if (k < discovery->n_sites && has_same_files(site, &discovery->sites[k]) &&
                are_texts_same(site->file, discovery->sites[k].file) &&
                site->line == discovery->sites[k].line)
                k++;
            same = i + 1 < n || k == discovery->n_sites;
        }
        if (same && n > 0)
            return true;
        first += n;
    }
    return false;
}

/*
 * A site with two pairs names the one of the key type that is looked for: it is asked for both, and
 * shown with each.
 */
static enum ecert_status ask_server(const struct ecert_config *config,
                                    struct ecert_inventory *found, size_t at, bool wished,
                                    struct ecert_error *err)
{
    struct ecert_inventory_server *server = &found->servers[at];
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery rsa = {0};
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery ec = {0};

    if (ask(config, server, "rsa", &rsa, &server->error) != ECERT_OK ||
        ask(config, server, "ec", &ec, &server->error) != ECERT_OK) {
        /* a plugin that cannot tell is no server, unless somebody asked for it */
        server->passed_over = server->error.status == ECERT_E_UNSUPPORTED && !wished;
        return server->error.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    }
    ECERT_TRY(ecert_strings_add_all(&server->notes, ecert_strings_array(&rsa.notes), err));
    if (rsa.n_sites > 0 && is_known_server(found, at, &rsa)) {
        server->passed_over = true;
        return ECERT_OK;
    }
    for (size_t i = 0; i < rsa.n_sites; i++) {
        const bool two = i < ec.n_sites && ec.n_sites == rsa.n_sites &&
                         !has_same_files(&rsa.sites[i], &ec.sites[i]);

        ECERT_TRY(add_site(found, at, &rsa.sites[i], err));
        if (two)
            ECERT_TRY(add_site(found, at, &ec.sites[i], err));
    }
    return ECERT_OK;
}

/* Those that were passed over leave the list. */
static void close_ranks(struct ecert_inventory *found)
{
    size_t kept = 0;

    for (size_t i = 0; i < found->n_servers; i++) {
        if (found->servers[i].passed_over) {
            server_clear(&found->servers[i]);
            continue;
        }
        for (size_t k = 0; k < found->n_sites; k++)
            if (found->sites[k].server == i)
                found->sites[k].server = kept;
        if (kept != i)
            found->servers[kept] = found->servers[i];
        if (found->servers[kept].own.name != NULL)
            found->servers[kept].settings = &found->servers[kept].own;
        kept++;
    }
    found->n_servers = kept;
}

/* ---- who has it already ---- */

static bool has_name(const struct ecert_site *site, const char *name)
{
    for (size_t i = 0; i < site->names.len; i++)
        if (strcasecmp(site->names.items[i], name) == 0)
            return true;
    return false;
}

static bool has_any(const struct ecert_site *site, const struct ecert_strings *names)
{
    for (size_t i = 0; i < names->len; i++)
        if (has_name(site, names->items[i]))
            return true;
    return false;
}

static bool is_target_of(const struct ecert_inventory_server *server, const struct ecert_site *site,
                         const struct ecert_certificate_config *certificate,
                         const struct ecert_target_config *target)
{
    const char *path = target->files[ECERT_MATERIAL_FULLCHAIN] != NULL
                           ? target->files[ECERT_MATERIAL_FULLCHAIN]
                           : target->files[ECERT_MATERIAL_CERTIFICATE];

    if (strcmp(server->plugin, target->plugin) != 0 ||
        !ecert_inventory_is_server_of(server, target))
        return false;
    if (path != NULL) /* of two pairs each has a target */
        return site->certificate != NULL && strcmp(path, site->certificate) == 0;
    return target->server_names.len > 0
               ? has_any(site, &target->server_names)
               : has_name(site, certificate->name) || has_any(site, &certificate->names);
}

static enum ecert_status find_targets(const struct ecert_config *config,
                                      struct ecert_inventory *found, struct ecert_error *err)
{
    for (size_t i = 0; i < found->n_sites; i++) {
        struct ecert_inventory_site *site = &found->sites[i];

        for (size_t c = 0; c < config->n_certificates; c++) {
            const struct ecert_certificate_config *certificate = &config->certificates[c];

            for (size_t t = 0; t < certificate->n_targets && site->managed_by == NULL; t++)
                if (is_target_of(&found->servers[site->server], &site->site, certificate,
                                 &certificate->targets[t]))
                    ECERT_TRY(ecert_text_format(&site->managed_by, err, "%s: %s", certificate->name,
                                                certificate->targets[t].id));
        }
    }
    return ECERT_OK;
}

enum ecert_status ecert_inventory_look(const struct ecert_config *config,
                                       const struct ecert_inventory_wishes *wishes,
                                       struct ecert_inventory *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_inventory_clear) struct ecert_inventory found = {0};
    const bool wished = (wishes->plugins != NULL && wishes->plugins[0] != NULL) ||
                        (wishes->commands != NULL && wishes->commands[0] != NULL);

    ECERT_TRY(ecert_inventory_choose(config, wishes, &found, err));
    for (size_t i = 0; i < found.n_servers; i++)
        ECERT_TRY(ask_server(config, &found, i, wished, err));
    close_ranks(&found);
    ECERT_TRY(find_targets(config, &found, err));
    ECERT_TRY(ecert_inventory_load_authorities(config->authorities_dir, &found, err));
    ECERT_TRY(ecert_inventory_read(&found, err));
    *ret = found;
    found = (struct ecert_inventory){0};
    return ECERT_OK;
}
