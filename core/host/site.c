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
    free(site->why);
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
enum ecert_status ecert_site_add_address(struct ecert_site *site,
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
        ECERT_TRY(ecert_site_add_address(site, records[i], err));
    return ECERT_OK;
}

enum ecert_status ecert_site_check(const struct ecert_site_record *record, struct ecert_error *err)
{
    if (record->size < ECERT_SITE_RECORD_SIZE_V1)
        return ecert_error_set(err, ECERT_E_PLUGIN,
                               "site record: its size is %u, this core needs %zu",
                               (unsigned)record->size, ECERT_SITE_RECORD_SIZE_V1);
    if (record->kind == NULL || record->kind[0] == '\0')
        return ecert_error_set(err, ECERT_E_PLUGIN, "site record: no kind");
    return ECERT_OK;
}

/*
 * What the first version did not know.  Its structure ends in padding where `tls`, `taken` and
 * `refused` lie now: all of them are there, or none.
 */
static enum ecert_status copy_later_members(const struct ecert_site_record *record,
                                            struct ecert_site *site, struct ecert_error *err)
{
    site->tls = record->enabled;
    if (record->size < offsetof(struct ecert_site_record, why) + sizeof record->why)
        return ECERT_OK;
    site->tls = record->tls || record->enabled;
    if (record->taken && record->refused)
        return ecert_error_set(err, ECERT_E_PLUGIN, "site record: it is taken and refused");
    site->taken = record->taken;
    site->refused = record->refused;
    if (record->why == NULL)
        return ECERT_OK;
    ECERT_TRY(check_text("why", record->why, err));
    return ecert_text_copy(ecert_view_of(record->why), &site->why, err);
}

enum ecert_status ecert_sites_add(struct ecert_site **sites, size_t *n,
                                  const struct ecert_site_record *record, struct ecert_error *err)
{
    ECERT_AUTO(ecert_site_clear) struct ecert_site site = {0};

    ECERT_TRY(ecert_site_check(record, err));
    if (*n >= ECERT_SITES_MAX)
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
    ECERT_TRY(copy_later_members(record, &site, err));
    if ((*n & (*n - 1)) == 0) { /* 0, 1, 2, 4 ...: it is full */
        struct ecert_site *more = reallocarray(*sites, *n == 0 ? 1 : 2 * *n, sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        *sites = more;
    }
    (*sites)[(*n)++] = site;
    site = (struct ecert_site){0};
    return ECERT_OK;
}

enum ecert_status ecert_discovery_add_site(struct ecert_discovery *discovery,
                                           const struct ecert_site_record *record,
                                           struct ecert_error *err)
{
    return ecert_sites_add(&discovery->sites, &discovery->n_sites, record, err);
}

enum ecert_status ecert_discovery_add_note(struct ecert_discovery *discovery, const char *text,
                                           struct ecert_error *err)
{
    if (discovery->notes.len >= ECERT_PLAN_MAX)
        return ecert_error_set(err, ECERT_E_PLUGIN, "more than %d note records", ECERT_PLAN_MAX);
    ECERT_TRY(check_text("note", text, err));
    return ecert_strings_add(&discovery->notes, text, err);
}
