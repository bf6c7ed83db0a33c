#include "plugins/apache/choose.h"

#include "plugins/apache/change.h"

#include <string.h>
#include <strings.h>

/* Choosing, and what to say when nothing was. */
struct choice {
    struct ecert_apache_scan *scan;
    const struct ecert_apache_names *names;
    bool *chosen;
    size_t n_chosen;
    const char *first_reason; /* why the first virtual host with a wanted name was left alone */
};

static enum ecert_status no_memory(const struct ecert_apache_scan *scan, struct ecert_error *err)
{
    return scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
}

static bool has_name(const struct ecert_apache_host *host, const char *name)
{
    for (size_t i = 0; i < host->n_names; i++)
        if (strcasecmp(host->names[i], name) == 0)
            return true;
    return false;
}

const char *ecert_apache_wanted_name(const struct ecert_apache_names *names,
                                     const struct ecert_apache_host *host)
{
    for (size_t i = 0; i < host->n_names; i++)
        for (size_t k = 0; names->list[k] != NULL; k++)
            if (strcasecmp(host->names[i], names->list[k]) == 0)
                return host->names[i];
    return NULL;
}

bool ecert_apache_candidates(struct ecert_apache_scan *scan, const struct ecert_apache_names *names)
{
    const struct ecert_apache_dump *dump = scan->dump;

    for (size_t i = 0; i < dump->n_hosts; i++) {
        struct ecert_apache_host *host = &dump->hosts[i];
        if (names != NULL && !host->aliases_unknown &&
            ecert_apache_wanted_name(names, host) == NULL)
            continue;
        struct ecert_apache_block *blocks =
            ecert_arena_grow(scan->arena, scan->blocks, scan->n_blocks, sizeof *blocks);
        if (blocks == NULL)
            return false;
        scan->blocks = blocks;
        blocks[scan->n_blocks++] = (struct ecert_apache_block){.host = host};
    }
    return true;
}

/* A host that the server listed in the short form. */
bool ecert_apache_complete_names(struct ecert_apache_scan *scan, struct ecert_apache_block *block)
{
    const struct ecert_apache_use *use = NULL;

    for (size_t i = 0; block->host->aliases_unknown &&
                       (use = ecert_apache_use_at(&block->scope, ECERT_APACHE_ALIAS, i)) != NULL;
         i++)
        if (!ecert_apache_host_add_name(scan->arena, block->host, use->value))
            return false;
    return true;
}

static bool has_port(const struct ecert_apache_host *host, uint16_t port)
{
    for (size_t i = 0; i < host->n_addresses; i++)
        if (host->addresses[i].port == port)
            return true;
    return false;
}

const char *ecert_apache_why_plain(const struct ecert_apache_scan *scan,
                                   const struct ecert_apache_block *block)
{
    const struct ecert_apache_use *engine =
        ecert_apache_use_last(&block->scope, ECERT_APACHE_ENGINE);

    if (engine != NULL)
        return ecert_apache_is_on(engine) ? NULL : "it says SSLEngine off";
    if (ecert_apache_is_on(ecert_apache_use_last(&scan->server, ECERT_APACHE_ENGINE)))
        return NULL;
    if (has_port(block->host, 80))
        return "it is plain HTTP (port 80, no SSLEngine)";
    if (has_port(block->host, 443) ||
        ecert_apache_use_at(&block->scope, ECERT_APACHE_CERTIFICATE, 0) != NULL)
        return NULL;
    return "it has neither SSLEngine on, nor port 443, nor an SSLCertificateFile";
}

/* "a, b": the names that the leaf does not cover; "" when it covers all.  NULL: no memory. */
static const char *uncovered(const struct ecert_apache_scan *scan,
                             const struct ecert_apache_host *host)
{
    const char *list = "";

    for (size_t i = 0; list != NULL && i < host->n_names; i++)
        if (!scan->host->covers(scan->job, host->names[i]))
            list = ecert_arena_text(scan->arena, "%s%s'%s'", list, list[0] == '\0' ? "" : ", ",
                                    host->names[i]);
    return list;
}

static enum ecert_status leave(struct choice *choice, const struct ecert_apache_block *block,
                               const char *why, struct ecert_error *err)
{
    const char *note =
        why == NULL
            ? NULL
            : ecert_arena_text(choice->scan->arena, "virtual host '%s' (%s) is left alone: %s",
                               block->host->names[0], block->host->place, why);

    if (note == NULL)
        return no_memory(choice->scan, err);
    if (choice->first_reason == NULL)
        choice->first_reason = note;
    return choice->scan->host->emit_note(choice->scan->job, note, err);
}

static enum ecert_status consider(struct choice *choice, size_t i, struct ecert_error *err)
{
    struct ecert_apache_scan *scan = choice->scan;
    struct ecert_apache_block *block = &scan->blocks[i];

    if (!ecert_apache_complete_names(scan, block))
        return no_memory(scan, err);
    if (ecert_apache_wanted_name(choice->names, block->host) == NULL)
        return ECERT_OK;
    if (!block->found)
        return leave(choice, block, "its <VirtualHost> line was not found there", err);
    const char *plain = ecert_apache_why_plain(scan, block);
    if (plain != NULL)
        return leave(choice, block, plain, err);
    const char *names = uncovered(scan, block->host);
    if (names == NULL)
        return no_memory(scan, err);
    if (names[0] != '\0' && choice->names->is_explicit)
        return scan->host->fail(
            err, ECERT_E_CONFIG,
            "the certificate does not cover %s of the virtual host '%s' (%s); give those names a "
            "virtual host of their own, or get a certificate with them",
            names, block->host->names[0], block->host->place);
    if (names[0] != '\0')
        return leave(choice, block,
                     ecert_arena_text(scan->arena, "the certificate does not cover %s", names),
                     err);
    choice->chosen[i] = true;
    choice->n_chosen++;
    return ECERT_OK;
}

/* ", 'a', 'b'" without those that a chosen host has, where only missing ones are asked for. */
static const char *list_names(const struct choice *choice, bool missing)
{
    const char *list = "";

    for (size_t k = 0; list != NULL && choice->names->list[k] != NULL; k++) {
        bool found = false;
        for (size_t i = 0; missing && i < choice->scan->n_blocks; i++)
            found = found || (choice->chosen[i] &&
                              has_name(choice->scan->blocks[i].host, choice->names->list[k]));
        if (!found)
            list = ecert_arena_text(choice->scan->arena, "%s%s'%s'", list,
                                    list[0] == '\0' ? "" : ", ", choice->names->list[k]);
    }
    return list;
}

static enum ecert_status check_found(const struct choice *choice, struct ecert_error *err)
{
    const struct ecert_host *host = choice->scan->host;
    const bool partly = choice->names->is_explicit && choice->n_chosen > 0;
    const char *list = list_names(choice, partly);

    if (list == NULL)
        return no_memory(choice->scan, err);
    if (choice->n_chosen > 0 && (!partly || list[0] == '\0'))
        return ECERT_OK;
    if (choice->first_reason != NULL)
        return host->fail(err, ECERT_E_CONFIG,
                          "no TLS virtual host found for %s, of %zu that the server named; %s",
                          list, choice->scan->dump->n_hosts, choice->first_reason);
    return host->fail(err, ECERT_E_CONFIG,
                      "no virtual host found for %s, of %zu that the server named; add a "
                      "<VirtualHost *:443> with that ServerName, or name the right ones in the "
                      "target's 'server_names'",
                      list, choice->scan->dump->n_hosts);
}

enum ecert_status ecert_apache_choose(struct ecert_apache_scan *scan,
                                      const struct ecert_apache_names *names, bool **ret_chosen,
                                      struct ecert_error *err)
{
    struct choice choice = {.scan = scan, .names = names};

    choice.chosen = ecert_arena_alloc(scan->arena, scan->n_blocks + 1);
    if (choice.chosen == NULL)
        return no_memory(scan, err);
    for (size_t i = 0; i < scan->n_blocks; i++)
        ECERT_APACHE_TRY(consider(&choice, i, err));
    ECERT_APACHE_TRY(check_found(&choice, err));
    *ret_chosen = choice.chosen;
    return ECERT_OK;
}
