#include "plugins/apache/discover.h"

#include "plugins/apache/choose.h"
#include "plugins/apache/pem.h"
#include "plugins/apache/service.h"
#include "plugins/shared/names.h"

#include <string.h>

static enum ecert_status no_memory(const struct ecert_apache_scan *scan, struct ecert_error *err)
{
    return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
}

/* The block's own directives of a kind, else the server level's. */
static const struct ecert_apache_scope *scope_of(const struct ecert_apache_scan *scan,
                                                 const struct ecert_apache_block *block,
                                                 enum ecert_apache_directive directive)
{
    return ecert_apache_use_count(&block->scope, directive) > 0 ? &block->scope : &scan->server;
}

/*
 * The file that a directive names; *ret stays NULL where there is no directive, and where it names
 * a key in a token ("pkcs11:...") or comes from the server's environment.
 */
static enum ecert_status file_of(const struct ecert_apache_scan *scan,
                                 const struct ecert_apache_use *use, const char **ret,
                                 struct ecert_error *err)
{
    if (use == NULL || strncmp(use->value, "pkcs11:", 7) == 0)
        return ECERT_OK;
    const char *path = ecert_apache_resolve(scan->arena, scan->dump, use->value);
    if (path == NULL)
        return no_memory(scan, err);
    if (path[0] == '/' && strstr(path, "${") == NULL)
        *ret = path;
    return ECERT_OK;
}

/* Of several pairs the one of our key type, else the first. */
static enum ecert_status choose(const struct ecert_apache_scan *scan,
                                const struct ecert_apache_scope *scope, size_t *ret,
                                struct ecert_error *err)
{
    const char *wanted = scan->host->leaf(scan->job)->key_type;
    const size_t n = ecert_apache_use_count(scope, ECERT_APACHE_CERTIFICATE);

    for (size_t i = 0; n > 1 && i < n; i++) {
        const char *path = NULL;
        ECERT_APACHE_TRY(
            file_of(scan, ecert_apache_use_at(scope, ECERT_APACHE_CERTIFICATE, i), &path, err));
        const char *type =
            path != NULL ? ecert_apache_pem_look(scan->host, scan->job, path).key_type : NULL;
        if (type != NULL && strcmp(type, wanted) == 0) {
            *ret = i;
            return ECERT_OK;
        }
    }
    *ret = 0;
    return ECERT_OK;
}

static enum ecert_status fill_files(const struct ecert_apache_scan *scan,
                                    const struct ecert_apache_block *block,
                                    struct ecert_site_record *site, struct ecert_error *err)
{
    const struct ecert_apache_scope *certificates = scope_of(scan, block, ECERT_APACHE_CERTIFICATE);
    const struct ecert_apache_scope *keys = scope_of(scan, block, ECERT_APACHE_KEY);
    const struct ecert_apache_scope *chains = scope_of(scan, block, ECERT_APACHE_CHAIN);
    size_t i = 0;

    ECERT_APACHE_TRY(choose(scan, certificates, &i, err));
    const struct ecert_apache_use *key = ecert_apache_use_at(keys, ECERT_APACHE_KEY, i);
    ECERT_APACHE_TRY(file_of(scan, ecert_apache_use_at(certificates, ECERT_APACHE_CERTIFICATE, i),
                             &site->certificate, err));
    ECERT_APACHE_TRY(file_of(scan, key, &site->key, err));
    ECERT_APACHE_TRY(
        file_of(scan, ecert_apache_use_last(chains, ECERT_APACHE_CHAIN), &site->chain, err));
    if (key == NULL)
        site->key = site->certificate;
    return ECERT_OK;
}

static enum ecert_status fill_addresses(const struct ecert_apache_scan *scan,
                                        const struct ecert_apache_host *host,
                                        struct ecert_site_record *site, struct ecert_error *err)
{
    const struct ecert_probe_record **list =
        ecert_arena_alloc(scan->arena, (host->n_addresses + 1) * sizeof *list);
    struct ecert_probe_record *records =
        ecert_arena_alloc(scan->arena, (host->n_addresses + 1) * sizeof *records);
    size_t n = 0;

    if (list == NULL || records == NULL)
        return no_memory(scan, err);
    for (size_t i = 0; i < host->n_addresses; i++)
        if (ecert_apache_probe_of(scan, host, i, &records[i]))
            list[n++] = &records[i];
    site->addresses = list;
    return ECERT_OK;
}

static enum ecert_status emit(struct ecert_apache_scan *scan, struct ecert_apache_block *block,
                              struct ecert_left_out *left_out, struct ecert_error *err)
{
    const struct ecert_apache_host *host = block->host;
    struct ecert_site_record site = {
        .size = sizeof site,
        .kind = "virtual host",
        .file = host->file[0] == '/' ? host->file : NULL,
        .line = (uint32_t)host->line,
    };
    size_t n = 0;

    if (!block->found)
        return ECERT_OK;
    if (!ecert_apache_complete_names(scan, block))
        return no_memory(scan, err);
    const char **names = ecert_arena_alloc(scan->arena, (host->n_names + 1) * sizeof *names);
    if (names == NULL)
        return no_memory(scan, err);
    for (size_t i = 0; i < host->n_names; i++)
        if (ecert_names_take(left_out, host->names[i], host->file, (unsigned long)host->line))
            names[n++] = host->names[i];
    if (n == 0 && host->n_names > 0)
        return ECERT_OK;
    site.names = names;
    site.enabled = ecert_apache_why_plain(scan, block) == NULL;
    ECERT_APACHE_TRY(fill_files(scan, block, &site, err));
    ECERT_APACHE_TRY(fill_addresses(scan, host, &site, err));
    return scan->host->emit_site(scan->job, &site, err);
}

enum ecert_status ecert_apache_discover(struct ecert_apache_scan *scan, struct ecert_error *err)
{
    struct ecert_left_out left_out = {0};

    for (size_t i = 0; i < scan->n_blocks; i++)
        ECERT_APACHE_TRY(emit(scan, &scan->blocks[i], &left_out, err));
    return ecert_names_note(&left_out, scan->host, scan->job, err);
}
