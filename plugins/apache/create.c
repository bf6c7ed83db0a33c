#include "plugins/apache/create.h"

#include "plugins/apache/choose.h"
#include "plugins/apache/copy.h"
#include "plugins/apache/service.h"
#include "plugins/apache/sharing.h"

#include <string.h>
#include <strings.h>

/* What is looked for, and what was found so far. */
struct search {
    struct ecert_apache_changes *changes;
    struct ecert_apache_scan *scan;
    const char *const *names;
    struct ecert_apache_creations *found;
    struct ecert_error *err;
};

static enum ecert_status no_memory(const struct search *search)
{
    return search->scan->host->fail(search->err, ECERT_E_NOMEM, "out of memory");
}

enum ecert_status ecert_apache_create_refuse(const struct ecert_apache_changes *changes,
                                             const struct ecert_apache_block *beside,
                                             const char *why, struct ecert_error *err)
{
    const struct ecert_apache_wish *wish = &changes->wish;

    if (why == NULL)
        return changes->scan->host->fail(err, ECERT_E_NOMEM, "out of memory");
    return changes->scan->host->fail(
        err, ECERT_E_CONFIG,
        "no virtual host for port 443 is added beside '%.100s' (%.300s): %.400s; write it by hand, "
        "with \"SSLEngine on\", \"SSLCertificateFile %s\" and \"SSLCertificateKeyFile %s\"",
        beside->host->names[0], beside->host->place, why, wish->certificate,
        wish->key != NULL ? wish->key : "...");
}

static enum ecert_status refuse(const struct search *search, const struct ecert_apache_block *block,
                                const char *why)
{
    return ecert_apache_create_refuse(search->changes, block, why, search->err);
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool has_port(const struct ecert_apache_host *host, uint16_t port)
{
    for (size_t i = 0; i < host->n_addresses; i++)
        if (host->addresses[i].port == port)
            return true;
    return false;
}

static bool has_name(const struct ecert_apache_host *host, const char *name)
{
    for (size_t i = 0; i < host->n_names; i++)
        if (strcasecmp(host->names[i], name) == 0)
            return true;
    return false;
}

/* Plain HTTP at port 80, and neither at port 443 nor at every port. */
static bool is_plain(const struct ecert_apache_scan *scan, const struct ecert_apache_block *block)
{
    return has_port(block->host, 80) && !has_port(block->host, 443) && !has_port(block->host, 0) &&
           (!block->found || ecert_apache_why_plain(scan, block) != NULL);
}

/* Does some virtual host answer to this name with TLS, or at port 443? */
static bool has_tls(const struct ecert_apache_scan *scan, const char *name)
{
    for (size_t i = 0; i < scan->n_blocks; i++) {
        const struct ecert_apache_block *block = &scan->blocks[i];
        if (!ecert_apache_answers_to(block->host, name) || is_plain(scan, block))
            continue;
        if (has_port(block->host, 443) || has_port(block->host, 0) ||
            ecert_apache_why_plain(scan, block) == NULL)
            return true;
    }
    return false;
}

/* The target's name for which a virtual host is missing beside this one; NULL: none. */
static const char *missing_name(const struct search *search, const struct ecert_apache_block *block)
{
    for (size_t k = 0; search->names[k] != NULL; k++)
        if (has_name(block->host, search->names[k]) && !has_tls(search->scan, search->names[k]))
            return search->names[k];
    return NULL;
}

/* The names that it can have: the certificate covers them, and no other answers to them. */
static enum ecert_status take_names(const struct search *search,
                                    const struct ecert_apache_block *block,
                                    struct ecert_apache_creation *creation)
{
    struct ecert_apache_scan *scan = search->scan;
    const struct ecert_apache_host *host = block->host;

    for (size_t i = 0; i < host->n_names; i++) {
        const bool covered = scan->host->covers(scan->job, host->names[i]);
        const bool taken = covered && has_tls(scan, host->names[i]);
        if (i == 0 && (!covered || taken))
            return refuse(search, block,
                          ecert_arena_text(scan->arena, "its ServerName '%s' %s", host->names[0],
                                           taken ? "has a virtual host with TLS already, that "
                                                   "may get the other names as ServerAlias"
                                                 : "is not covered by the certificate"));
        if (covered && !taken &&
            !ecert_apache_host_add_name(scan->arena, &creation->host, host->names[i]))
            return no_memory(search);
    }
    return ECERT_OK;
}

/* ---- whether the block can be copied --------------------------------------------------------- */

static const struct ecert_apache_block *find_twin(const struct search *search,
                                                  const struct ecert_apache_block *block,
                                                  const char *name)
{
    for (size_t i = 0; i < search->scan->n_blocks; i++) {
        const struct ecert_apache_block *other = &search->scan->blocks[i];
        if (other != block && is_plain(search->scan, other) && has_name(other->host, name))
            return other;
    }
    return NULL;
}

/* A directive of certificates that an included file has: it is the other one's too. */
static bool includes_tls(const struct ecert_apache_block *block)
{
    static const enum ecert_apache_directive kinds[] = {
        ECERT_APACHE_ENGINE, ECERT_APACHE_CERTIFICATE, ECERT_APACHE_KEY, ECERT_APACHE_CHAIN};
    const struct ecert_apache_use *use = NULL;

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; (use = ecert_apache_use_at(&block->scope, kinds[k], i)) != NULL; i++)
            if (use->node != block->node)
                return true;
    return false;
}

static enum ecert_status check_block(const struct search *search,
                                     const struct ecert_apache_block *block, const char *name)
{
    const struct ecert_apache_scan *scan = search->scan;
    const struct ecert_apache_block *twin = find_twin(search, block, name);

    if (twin != NULL)
        return refuse(search, block,
                      ecert_arena_text(scan->arena,
                                       "the virtual host %.200s has the name '%s' for port 80 too",
                                       twin->host->place, name));
    if (block->host->macro)
        return refuse(search, block, "a macro makes it, and macros are not edited");
    if (!block->found)
        return refuse(search, block, "its <VirtualHost> line was not found there");
    if (ecert_apache_is_read_again(scan, block->node))
        return refuse(search, block, "the server reads the file more than once");
    if (includes_tls(block))
        return refuse(search, block, "a file that it includes sets SSL directives");
    if (search->changes->wish.key == NULL)
        return refuse(search, block, "the target's 'files' name no key");
    if (ecert_apache_use_count(&scan->server, ECERT_APACHE_CERTIFICATE) > 1)
        return refuse(search, block,
                      "the server has several SSLCertificateFile for all virtual hosts");
    return ECERT_OK;
}

/* ---- addresses ------------------------------------------------------------------------------- */

bool ecert_apache_is_any(const char *address)
{
    return address[0] == '\0' || strcmp(address, "*") == 0 || strcmp(address, "_default_") == 0 ||
           strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || (ecert_apache_is_any(a) && ecert_apache_is_any(b));
}

static enum ecert_status take_addresses(const struct search *search,
                                        const struct ecert_apache_block *block,
                                        struct ecert_apache_creation *creation)
{
    const struct ecert_apache_host *host = block->host;

    creation->host.addresses = ecert_arena_alloc(
        search->scan->arena, (host->n_addresses + 1) * sizeof *creation->host.addresses);
    if (creation->host.addresses == NULL)
        return no_memory(search);
    for (size_t i = 0; i < host->n_addresses; i++)
        if (host->addresses[i].port == 80)
            creation->host.addresses[creation->host.n_addresses++] =
                (struct ecert_apache_address){.text = host->addresses[i].text, .port = 443};
    return ECERT_OK;
}

/* Who answers at port 443 of an address, or of one that overlaps it. */
struct neighbours {
    const struct ecert_apache_block *earlier; /* there, and read before us */
    const struct ecert_apache_block *later;   /* there, and read behind us or it is not known */
    const struct ecert_apache_block *wider;   /* at "*", while we are not */
    const struct ecert_apache_block *closer;  /* at an address of its own, while we are at "*" */
};

static void look_at(const struct ecert_apache_block *beside, const char *address,
                    const struct ecert_apache_block *other, struct neighbours *ret)
{
    const struct ecert_apache_host *host = other->host;

    for (size_t i = 0; i < host->n_addresses; i++) {
        const char *text = host->addresses[i].text;
        if (host->addresses[i].port != 443 && host->addresses[i].port != 0)
            continue;
        if (!is_same(text, address)) {
            if (ecert_apache_is_any(text))
                ret->wider = other;
            else if (ecert_apache_is_any(address))
                ret->closer = other;
        } else if (other->order != 0 && other->order < beside->order) {
            ret->earlier = other;
        } else {
            ret->later = other;
        }
    }
}

/* At port 80 such an address has virtual hosts of its own too: it is so already. */
static bool is_so_for_port_80(const struct ecert_apache_scan *scan,
                              const struct ecert_apache_block *closer)
{
    for (size_t i = 0; i < closer->host->n_addresses; i++) {
        bool found = false;
        for (size_t k = 0; k < scan->n_blocks && !found; k++)
            for (size_t m = 0; m < scan->blocks[k].host->n_addresses && !found; m++)
                found = scan->blocks[k].host->addresses[m].port == 80 &&
                        strcmp(scan->blocks[k].host->addresses[m].text,
                               closer->host->addresses[i].text) == 0;
        if (!found)
            return false;
    }
    return true;
}

static enum ecert_status check_address(const struct search *search,
                                       const struct ecert_apache_block *block, const char *address)
{
    const struct ecert_apache_scan *scan = search->scan;
    struct neighbours near = {0};

    for (size_t i = 0; i < scan->n_blocks; i++)
        look_at(block, address, &scan->blocks[i], &near);
    if (near.later != NULL && near.earlier == NULL)
        return refuse(
            search, block,
            ecert_arena_text(scan->arena,
                             "it would take the place of '%.100s' (%.200s) as the default "
                             "server of %s:443; the place for it is behind that one",
                             near.later->host->names[0], near.later->host->place, address));
    if (near.earlier == NULL && near.wider != NULL)
        return refuse(search, block,
                      ecert_arena_text(scan->arena,
                                       "at %s:443 it would hide '%.100s' (%.200s), which is at any "
                                       "address; <VirtualHost *:443> would not",
                                       address, near.wider->host->names[0],
                                       near.wider->host->place));
    if (near.closer != NULL && !is_so_for_port_80(scan, near.closer))
        return refuse(search, block,
                      ecert_arena_text(scan->arena,
                                       "it would be hidden by '%.100s' (%.200s), which is at an "
                                       "address of its own: use that address",
                                       near.closer->host->names[0], near.closer->host->place));
    if (near.earlier == NULL &&
        ecert_apache_is_on(ecert_apache_use_last(&scan->server, ECERT_APACHE_ENGINE)))
        return refuse(search, block, "it would hide the main server, which speaks TLS");
    return ECERT_OK;
}

/* ---- the run --------------------------------------------------------------------------------- */

static enum ecert_status add_edit(const struct search *search,
                                  const struct ecert_apache_creation *creation)
{
    const struct ecert_apache_block *block = creation->beside;
    const char *text = NULL;
    size_t at = 0;

    ECERT_APACHE_TRY(ecert_apache_copy(search->changes, creation, &text, &at, search->err));
    const struct ecert_apache_edit edit = {
        .path = block->host->file, .text = block->text, .begin = at, .end = at, .with = text};
    if (!ecert_apache_edits_add(search->scan->arena, &search->changes->edits, &edit))
        return no_memory(search);
    return ecert_apache_create_listens(search->changes, creation, search->found->n_listens,
                                       search->err);
}

static enum ecert_status create_beside(const struct search *search,
                                       const struct ecert_apache_block *block, const char *name)
{
    struct ecert_apache_creations *found = search->found;
    struct ecert_apache_creation creation = {
        .beside = block,
        .name = name,
        .why = ecert_arena_text(search->scan->arena, "added beside the one for port 80 (line %zu)",
                                block->host->line),
    };
    struct ecert_apache_creation *list =
        ecert_arena_grow(search->scan->arena, found->list, found->n, sizeof *list);

    if (list == NULL || creation.why == NULL)
        return no_memory(search);
    ECERT_APACHE_TRY(check_block(search, block, name));
    creation.host.place = block->host->place;
    creation.host.file = block->host->file;
    ECERT_APACHE_TRY(take_names(search, block, &creation));
    ECERT_APACHE_TRY(take_addresses(search, block, &creation));
    for (size_t i = 0; i < creation.host.n_addresses; i++)
        ECERT_APACHE_TRY(check_address(search, block, creation.host.addresses[i].text));
    ECERT_APACHE_TRY(add_edit(search, &creation));
    list[found->n++] = creation;
    found->list = list;
    return ECERT_OK;
}

enum ecert_status ecert_apache_create(struct ecert_apache_changes *changes,
                                      const char *const *names, struct ecert_apache_creations *ret,
                                      struct ecert_error *err)
{
    struct ecert_apache_scan *scan = changes->scan;
    const struct search search = {
        .changes = changes, .scan = scan, .names = names, .found = ret, .err = err};

    *ret = (struct ecert_apache_creations){
        .n_listens = ecert_apache_use_count(&scan->server, ECERT_APACHE_LISTEN),
        .of = ecert_arena_alloc(scan->arena, (scan->n_blocks + 1) * sizeof *ret->of)};
    if (ret->of == NULL)
        return no_memory(&search);
    if (ecert_apache_lacks_ssl(scan->dump))
        return ECERT_OK;
    for (size_t i = 0; i < scan->n_blocks; i++) {
        const struct ecert_apache_block *block = &scan->blocks[i];
        const char *name = is_plain(scan, block) ? missing_name(&search, block) : NULL;
        if (name != NULL)
            ECERT_APACHE_TRY(create_beside(&search, block, name));
    }
    for (size_t i = 0; i < ret->n; i++)
        ret->of[ret->list[i].beside - scan->blocks] = &ret->list[i];
    return ECERT_OK;
}
