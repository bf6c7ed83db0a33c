#include "core/host/site.h"

#include <stdlib.h>
#include <string.h>

#include "core/host/record.h"

/* ---- lifetimes ---- */

void ecert_site_clear(struct ecert_site *site)
{
    free(site->kind);
    ecert_strings_clear(&site->names);
    free(site->file);
    for (size_t i = 0; i < site->n_addresses; i++)
        ecert_probe_clear(&site->addresses[i]);
    free(site->addresses);
    free(site->certificate);
    free(site->key);
    free(site->chain);
    *site = (struct ecert_site){0};
}

void ecert_discovery_clear(struct ecert_discovery *discovery)
{
    for (size_t i = 0; i < discovery->n_sites; i++)
        ecert_site_clear(&discovery->sites[i]);
    free(discovery->sites);
    ecert_strings_clear(&discovery->notes);
    *discovery = (struct ecert_discovery){0};
}

/* ---- what a text may be ---- */

static enum ecert_status refuse(const char *what, const char *value, const char *why,
                                struct ecert_error *err)
{
    return ecert_record_refuse("site", what, value, why, err);
}

static enum ecert_status check_text(const char *what, const char *text, struct ecert_error *err)
{
    if (text == NULL || text[0] == '\0')
        return ecert_error_set(err, ECERT_E_PLUGIN, "site record: no %s", what);
    if (strnlen(text, ECERT_RECORD_TEXT_MAX) >= ECERT_RECORD_TEXT_MAX)
        return refuse(what, text, "is too long", err);
    return ecert_record_check_text("site", what, text, err);
}

/* Files that are only read may be named as the server names them, with ".." too. */
static enum ecert_status copy_path(const char *what, const char *path, char **ret,
                                   struct ecert_error *err)
{
    if (path == NULL)
        return ECERT_OK;
    ECERT_TRY(check_text(what, path, err));
    if (path[0] != '/')
        return refuse(what, path, "is not an absolute path", err);
    return ecert_text_copy(ecert_view_of(path), ret, err);
}

/* ---- sites ---- */

static enum ecert_status copy_names(const char *const *names, struct ecert_site *site,
                                    struct ecert_error *err)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (i >= ECERT_PLAN_MAX)
            return ecert_error_set(err, ECERT_E_PLUGIN, "site record: more than %d names",
                                   ECERT_PLAN_MAX);
        ECERT_TRY(check_text("name", names[i], err));
        ECERT_TRY(ecert_strings_add(&site->names, names[i], err));
    }
    return ECERT_OK;
}

/* By the rules of a plan's probes. */
static enum ecert_status add_address(struct ecert_site *site,
                                     const struct ecert_probe_record *record,
                                     struct ecert_error *err)
{
    struct ecert_plan plan = {.probes = site->addresses, .n_probes = site->n_addresses};

    if (site->n_addresses >= ECERT_SITE_ADDRESSES_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "site record: more than %d addresses",
                               ECERT_SITE_ADDRESSES_MAX);
    const enum ecert_status status = ecert_plan_add_probe(&plan, record, err);
    site->addresses = plan.probes; /* it may have moved, whatever the status */
    site->n_addresses = plan.n_probes;
    return status;
}

static enum ecert_status copy_addresses(const struct ecert_probe_record *const *records,
                                        struct ecert_site *site, struct ecert_error *err)
{
    for (size_t i = 0; records != NULL && records[i] != NULL; i++)
        ECERT_TRY(add_address(site, records[i], err));
    return ECERT_OK;
}

enum ecert_status ecert_discovery_add_site(struct ecert_discovery *discovery,
                                           const struct ecert_site_record *record,
                                           struct ecert_error *err)
{
    ECERT_AUTO(ecert_site_clear) struct ecert_site site = {0};

    if (record->size < sizeof *record)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "site record: its size is %u, this core needs %zu",
                               (unsigned)record->size, sizeof *record);
    if (discovery->n_sites >= ECERT_SITES_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "more than %d site records", ECERT_SITES_MAX);
    site.line = record->line;
    site.enabled = record->enabled;
    ECERT_TRY(check_text("kind", record->kind, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(record->kind), &site.kind, err));
    ECERT_TRY(copy_names(record->names, &site, err));
    ECERT_TRY(copy_path("file", record->file, &site.file, err));
    ECERT_TRY(copy_addresses(record->addresses, &site, err));
    ECERT_TRY(copy_path("certificate", record->certificate, &site.certificate, err));
    ECERT_TRY(copy_path("key", record->key, &site.key, err));
    ECERT_TRY(copy_path("chain", record->chain, &site.chain, err));
    if ((discovery->n_sites & (discovery->n_sites - 1)) == 0) { /* 0, 1, 2, 4 ...: it is full */
        const size_t room = discovery->n_sites == 0 ? 1 : 2 * discovery->n_sites;
        struct ecert_site *more = reallocarray(discovery->sites, room, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        discovery->sites = more;
    }
    discovery->sites[discovery->n_sites++] = site;
    site = (struct ecert_site){0};
    return ECERT_OK;
}

enum ecert_status ecert_discovery_add_note(struct ecert_discovery *discovery, const char *text,
                                           struct ecert_error *err)
{
    if (discovery->notes.len >= ECERT_PLAN_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "more than %d note records", ECERT_PLAN_MAX);
    ECERT_TRY(check_text("note", text, err));
    return ecert_strings_add(&discovery->notes, text, err);
}
