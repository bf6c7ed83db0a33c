#include "plugins/apache/site.h"

#include "plugins/apache/service.h"

#include <string.h>

/* What the core takes of one site; a list is for people to see. */
#define MAX_NAMES     8192
#define MAX_ADDRESSES 256

static const char *path_of(const struct ecert_apache_use *use)
{
    return use == NULL ? NULL : use->path;
}

/* An unread file inherits nothing, as far as is known. */
static enum ecert_status fill_files(struct ecert_apache_scan *scan,
                                    const struct ecert_apache_block *block,
                                    struct ecert_site_record *site, struct ecert_error *err)
{
    struct ecert_apache_pair pair = {0};

    if (!ecert_apache_pair_of(scan, block, &pair))
        return ecert_apache_no_memory(scan, err);
    site->certificate = path_of(pair.certificate);
    site->key = pair.key == NULL ? site->certificate : pair.key->path;
    site->chain = path_of(pair.chain);
    return ECERT_OK;
}

static enum ecert_status fill_addresses(struct ecert_apache_scan *scan,
                                        const struct ecert_apache_host *host,
                                        struct ecert_site_record *site, struct ecert_error *err)
{
    const struct ecert_probe_record **list =
        ecert_arena_alloc(scan->arena, (host->n_addresses + 1) * sizeof *list);
    struct ecert_probe_record *records =
        ecert_arena_alloc(scan->arena, (host->n_addresses + 1) * sizeof *records);
    size_t n = 0;

    if (list == NULL || records == NULL)
        return ecert_apache_no_memory(scan, err);
    for (size_t i = 0; i < host->n_addresses && n < MAX_ADDRESSES; i++)
        if (ecert_apache_probe_of(scan, host, i, &records[i]))
            list[n++] = &records[i];
    site->addresses = list;
    return ECERT_OK;
}

/* What there is to say of it when nobody has chosen among the hosts. */
static const char *describe(const struct ecert_apache_block *block, const char *plain, bool unread)
{
    if (unread)
        return "not enabled: nothing in sites-enabled leads to it";
    if (block->found)
        return plain;
    return block->host->file[0] == '/' ? "its <VirtualHost> line was not found there"
                                       : "no file has its <VirtualHost>: a module made it";
}

enum ecert_status ecert_apache_site_emit(struct ecert_apache_scan *scan,
                                         struct ecert_apache_block *block,
                                         const struct ecert_apache_verdict *verdict, bool unread,
                                         struct ecert_left_out *left_out, struct ecert_error *err)
{
    const struct ecert_apache_host *host = block->host;
    const char *plain = block->found ? ecert_apache_why_plain(scan, block) : "";
    struct ecert_site_record site = {
        .size = sizeof site,
        .kind = "virtual host",
        .file = host->file[0] == '/' ? host->file : NULL,
        .line = host->file[0] == '/' ? (uint32_t)host->line : 0,
        .enabled = plain == NULL && !unread,
        .tls = plain == NULL,
        .taken = verdict != NULL && verdict->taken,
        .why = verdict != NULL ? verdict->why : describe(block, plain, unread),
    };
    const char **names = ecert_arena_alloc(scan->arena, (host->n_names + 1) * sizeof *names);
    size_t n = 0;

    if (names == NULL)
        return ecert_apache_no_memory(scan, err);
    for (size_t i = 0; i < host->n_names && n < MAX_NAMES; i++)
        if (ecert_names_take(left_out, host->names[i], host->file, (unsigned long)host->line))
            names[n++] = host->names[i];
    if (n == 0 && host->n_names > 0)
        return ECERT_OK;
    site.names = names;
    if (block->found)
        ECERT_APACHE_TRY(fill_files(scan, block, &site, err));
    ECERT_APACHE_TRY(fill_addresses(scan, host, &site, err));
    return scan->host->emit_site(scan->job, &site, err);
}

/* ---- the main server ------------------------------------------------------------------------- */

static bool is_wild(const char *address)
{
    return strcmp(address, "*") == 0 || strcmp(address, "_default_") == 0 ||
           strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Does some virtual host answer whatever comes in there? */
static bool is_covered(const struct ecert_apache_scan *scan, const char *address, uint16_t port)
{
    for (size_t i = 0; i < scan->dump->n_hosts; i++) {
        const struct ecert_apache_host *host = &scan->dump->hosts[i];
        for (size_t k = 0; k < host->n_addresses; k++)
            if ((host->addresses[k].port == 0 || host->addresses[k].port == port) &&
                (is_wild(host->addresses[k].text) || strcmp(host->addresses[k].text, address) == 0))
                return true;
    }
    return false;
}

enum ecert_status ecert_apache_main_emit(struct ecert_apache_scan *scan, bool in_plan,
                                         struct ecert_error *err)
{
    static const char no_edit[] = "the main server is not edited: give it a <VirtualHost>";
    const struct ecert_apache_use *engine =
        ecert_apache_use_last(&scan->server, ECERT_APACHE_ENGINE);
    const struct ecert_apache_use *name = ecert_apache_use_last(&scan->server, ECERT_APACHE_NAME);
    const struct ecert_apache_uses *listens = &scan->server.of[ECERT_APACHE_LISTEN];
    struct ecert_apache_pair pair = {0};
    struct ecert_left_out ignored = {0};
    size_t n = 0;

    if (!ecert_apache_is_on(engine))
        return ECERT_OK;
    struct ecert_probe_record *records =
        ecert_arena_alloc(scan->arena, (listens->n + 1) * sizeof *records);
    const struct ecert_probe_record **addresses =
        ecert_arena_alloc(scan->arena, (listens->n + 1) * sizeof *addresses);
    const char *names[2] = {name != NULL ? ecert_apache_bare_name(scan->arena, name->value) : NULL,
                            NULL};
    if (records == NULL || addresses == NULL || !ecert_apache_pair_of(scan, NULL, &pair))
        return ecert_apache_no_memory(scan, err);
    for (size_t i = 0; i < listens->n && n < MAX_ADDRESSES; i++) {
        struct ecert_probe_record *record = &records[n];
        const char *address =
            ecert_apache_listen_of(scan, listens->list[i].value, &record->address, &record->port);
        record->size = sizeof *record;
        if (address != NULL && record->port != 80 && !is_covered(scan, address, record->port))
            addresses[n++] = record;
    }
    if (n == 0 || pair.certificate == NULL)
        return ECERT_OK;
    addresses[n] = NULL;
    if (names[0] != NULL && !ecert_names_take(&ignored, names[0], "", 0))
        names[0] = NULL;
    const struct ecert_site_record site = {
        .size = sizeof site,
        .kind = "main server",
        .names = names,
        .file = scan->tree.nodes[pair.certificate->node].path,
        .line = (uint32_t)pair.certificate->piece.line,
        .addresses = addresses,
        .certificate = pair.certificate->path,
        .key = pair.key == NULL ? pair.certificate->path : pair.key->path,
        .chain = path_of(pair.chain),
        .enabled = true,
        .tls = true,
        .why = in_plan ? no_edit : NULL,
    };
    return scan->host->emit_site(scan->job, &site, err);
}
