#include "plugins/apache/choose.h"

#include "plugins/apache/create.h"
#include "plugins/apache/module.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_LIST_LEN 3000 /* a clause has room for that */

/* Choosing, and what to say when nothing was. */
struct choice {
    struct ecert_apache_scan *scan;
    const struct ecert_apache_names *names;
    const struct ecert_apache_wish *wish;
    struct ecert_apache_verdict *verdicts;
    size_t n_taken;
    bool *found;              /* for each of the names: a host with it is taken */
    const char *first_reason; /* why the first virtual host with a wanted name was left alone */
    const char **leaves;      /* thumbprints of the hosts that their names took, sorted later */
    size_t n_leaves;
    const char *first_refusal;
    const char *first_used; /* of those below; the rest stands in the sites' records */
    size_t n_used;          /* hosts of (2) to (4) that are not covered */
};

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

    if (ecert_apache_lacks_ssl(scan->dump))
        return "mod_ssl is not loaded";
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

/* ---- what a host uses now -------------------------------------------------------------------- */

/* The block's own directives of a kind, else the server level's. */
static const struct ecert_apache_scope *scope_of(const struct ecert_apache_scan *scan,
                                                 const struct ecert_apache_block *block,
                                                 enum ecert_apache_directive directive)
{
    return block != NULL && ecert_apache_use_count(&block->scope, directive) > 0 ? &block->scope
                                                                                 : &scan->server;
}

static const struct ecert_pem *look(struct ecert_apache_scan *scan,
                                    const struct ecert_apache_use *use)
{
    return ecert_pem_look(&scan->shelf, scan->arena, scan->host, scan->job,
                          use == NULL ? NULL : use->path);
}

bool ecert_apache_pair_of(struct ecert_apache_scan *scan, const struct ecert_apache_block *block,
                          struct ecert_apache_pair *ret)
{
    const struct ecert_apache_scope *certificates = scope_of(scan, block, ECERT_APACHE_CERTIFICATE);
    const char *wanted = scan->host->leaf(scan->job)->key_type;
    const size_t n = ecert_apache_use_count(certificates, ECERT_APACHE_CERTIFICATE);
    const char *replaced = scan->host->leaf(scan->job)->replaced_sha1;
    size_t chosen = 0;

    /* the one whose leaf is replaced; else the first one of the type counts */
    for (size_t i = n; n > 1 && i > 0; i--) {
        const struct ecert_pem *pem =
            look(scan, ecert_apache_use_at(certificates, ECERT_APACHE_CERTIFICATE, i - 1));
        if (pem == NULL)
            return false;
        if (pem->key_type != NULL && strcmp(pem->key_type, wanted) == 0)
            chosen = i - 1;
        if (replaced == NULL || strcmp(pem->sha1, replaced) != 0)
            continue;
        chosen = i - 1;
        break;
    }
    *ret = (struct ecert_apache_pair){
        .certificate = ecert_apache_use_at(certificates, ECERT_APACHE_CERTIFICATE, chosen),
        .key =
            ecert_apache_use_at(scope_of(scan, block, ECERT_APACHE_KEY), ECERT_APACHE_KEY, chosen),
        .chain =
            ecert_apache_use_last(scope_of(scan, block, ECERT_APACHE_CHAIN), ECERT_APACHE_CHAIN),
    };
    return true;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* 192.0.2.1 or [2001:db8::1]: no client asks for one by SNI (RFC 6066, section 3). */
static bool is_address(const char *name)
{
    unsigned char binary[sizeof(struct in6_addr)];

    return name[0] == '[' || inet_pton(AF_INET, name, binary) == 1 ||
           inet_pton(AF_INET6, name, binary) == 1;
}

/* "localhost": no e-Cert can have it, and nobody outside asks for it.  "*" is any name. */
static bool is_local(const char *name)
{
    return strpbrk(name, ".*?") == NULL;
}

/* The first name that the leaf covers; NULL: none. */
static const char *first_covered(const struct ecert_apache_scan *scan,
                                 const struct ecert_apache_host *host)
{
    for (size_t i = 0; i < host->n_names; i++)
        if (scan->host->covers(scan->job, host->names[i]))
            return host->names[i];
    return NULL;
}

/*
 * "'a', 'b'": the names that the leaf does not cover; "" when it covers all.  Addresses do not
 * count, and local names not beside one that is covered.  NULL: no memory.
 */
static const char *uncovered(const struct ecert_apache_scan *scan,
                             const struct ecert_apache_host *host)
{
    const bool beside_covered = first_covered(scan, host) != NULL;
    const char *list = "";
    size_t len = 0, n_more = 0;

    for (size_t i = 0; list != NULL && i < host->n_names; i++) {
        if (is_address(host->names[i]) || (beside_covered && is_local(host->names[i])) ||
            scan->host->covers(scan->job, host->names[i]))
            continue;
        len += strlen(host->names[i]) + 4;
        if (n_more > 0 || (list[0] != '\0' && len > MAX_LIST_LEN))
            n_more++;
        else
            list = ecert_arena_text(scan->arena, "%s%s'%.*s'", list, list[0] == '\0' ? "" : ", ",
                                    MAX_LIST_LEN, host->names[i]);
    }
    return n_more == 0 || list == NULL
               ? list
               : ecert_arena_text(scan->arena, "%s and %zu more", list, n_more);
}

/* The host's name that the target is for, and its place in the target's list; NULL: none. */
static const char *wanted_name(const struct choice *choice, const struct ecert_apache_host *host)
{
    for (size_t i = 0; i < host->n_names; i++)
        for (size_t k = 0; choice->names->list[k] != NULL; k++)
            if (strcasecmp(host->names[i], choice->names->list[k]) == 0)
                return host->names[i];
    return NULL;
}

static void mark_found(struct choice *choice, const struct ecert_apache_host *host)
{
    for (size_t k = 0; choice->names->is_explicit && choice->names->list[k] != NULL; k++)
        for (size_t i = 0; i < host->n_names && !choice->found[k]; i++)
            choice->found[k] = strcasecmp(host->names[i], choice->names->list[k]) == 0;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

/* `why`, with the local name that does not count, if there is one.  NULL: no memory. */
static const char *but_local(const struct ecert_apache_scan *scan,
                             const struct ecert_apache_host *host, const char *why)
{
    for (size_t i = 0; why != NULL && i < host->n_names; i++)
        if (is_local(host->names[i]) && !is_address(host->names[i]) &&
            !scan->host->covers(scan->job, host->names[i]))
            return ecert_arena_text(scan->arena,
                                    "%s; '%.200s' is not counted: a name without a dot is on no "
                                    "e-Cert",
                                    why, host->names[i]);
    return why;
}

static bool take(struct choice *choice, size_t i, const char *name, const char *why)
{
    why = but_local(choice->scan, choice->scan->blocks[i].host, why);
    choice->verdicts[i] = (struct ecert_apache_verdict){.taken = true, .name = name, .why = why};
    choice->n_taken++;
    mark_found(choice, choice->scan->blocks[i].host);
    return why != NULL;
}

static bool leave(struct choice *choice, size_t i, const char *why)
{
    choice->verdicts[i] = (struct ecert_apache_verdict){.why = why};
    return why != NULL;
}

static bool refuse(struct choice *choice, size_t i, const char *why)
{
    choice->verdicts[i] = (struct ecert_apache_verdict){.refused = true, .why = why};
    return why != NULL;
}

/* The one for port 443 is added beside this one: its names are found. */
static bool leave_for_added(struct choice *choice, size_t i, const char *why)
{
    const struct ecert_apache_creations *creations = choice->names->creations;

    if (creations == NULL || creations->of[i] == NULL)
        return false;
    choice->n_taken++;
    mark_found(choice, &creations->of[i]->host);
    return leave(choice, i, why);
}

/* Would `create = true` help? */
static const char *offer(const struct choice *choice, const struct ecert_apache_block *block)
{
    const struct ecert_apache_scan *scan = choice->scan;

    if (choice->names->creations != NULL || ecert_apache_lacks_ssl(scan->dump) || !block->found ||
        !has_port(block->host, 80) || has_port(block->host, 443))
        return "";
    return "; with \"create = true\" in the target one for port 443 is added beside it";
}

/* A host with a wanted name that is not taken: the reason may have to be told. */
static bool leave_wanted(struct choice *choice, size_t i, const char *why)
{
    const struct ecert_apache_host *host = choice->scan->blocks[i].host;

    if (choice->first_reason == NULL && why != NULL)
        choice->first_reason = ecert_arena_text(
            choice->scan->arena, "virtual host '%s' (%s) is left alone: %s%s", host->names[0],
            host->place, why, offer(choice, &choice->scan->blocks[i]));
    return leave(choice, i, why);
}

static bool remember_leaf(struct choice *choice, size_t i)
{
    struct ecert_apache_pair pair = {0};

    if (!choice->names->everywhere ||
        choice->scan->host->leaf(choice->scan->job)->replaced_sha1 != NULL)
        return true;
    if (!ecert_apache_pair_of(choice->scan, &choice->scan->blocks[i], &pair))
        return false;
    const struct ecert_pem *pem = look(choice->scan, pair.certificate);
    if (pem == NULL || pem->sha1[0] == '\0')
        return pem != NULL;
    const char **leaves =
        ecert_arena_grow(choice->scan->arena, choice->leaves, choice->n_leaves, sizeof *leaves);
    if (leaves == NULL)
        return false;
    leaves[choice->n_leaves++] = pem->sha1;
    choice->leaves = leaves;
    return true;
}

/* (1): its names.  Verdicts without `why` are for the second round. */
static bool consider_names(struct choice *choice, size_t i)
{
    struct ecert_apache_scan *scan = choice->scan;
    const struct ecert_apache_block *block = &scan->blocks[i];
    const char *name = wanted_name(choice, block->host);
    const char *plain = block->found ? ecert_apache_why_plain(scan, block) : NULL;

    if (!block->found)
        plain = block->host->file[0] == '/' ? "its <VirtualHost> line was not found there"
                                            : "no file has its <VirtualHost>: a module made it";
    if (plain != NULL && leave_for_added(choice, i, plain))
        return true;
    if (plain != NULL)
        return name != NULL ? leave_wanted(choice, i, plain) : leave(choice, i, plain);
    if (name == NULL)
        return true;
    const char *names = uncovered(scan, block->host);
    if (names == NULL)
        return false;
    if (names[0] == '\0')
        return take(choice, i, name, ecert_arena_text(scan->arena, "it has the name '%s'", name)) &&
               remember_leaf(choice, i);
    const char *why = ecert_arena_text(scan->arena, "the certificate does not cover %s", names);
    if (!choice->names->is_explicit)
        return leave_wanted(choice, i, why);
    if (choice->first_refusal == NULL)
        choice->first_refusal = ecert_arena_text(
            scan->arena,
            "the certificate does not cover %.600s of the virtual host '%.200s' (%s); give those "
            "names a virtual host of their own, or get a certificate with them",
            names, block->host->names[0], block->host->place);
    return choice->first_refusal != NULL && refuse(choice, i, why);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* (2) to (4), as the clause that says it; "" when it is none of them.  NULL: no memory. */
static const char *where_it_was(struct choice *choice, const struct ecert_apache_block *block)
{
    const char *replaced = choice->scan->host->leaf(choice->scan->job)->replaced_sha1;
    struct ecert_apache_pair pair = {0};

    if (!ecert_apache_pair_of(choice->scan, block, &pair))
        return NULL;
    if (pair.certificate == NULL || pair.certificate->path == NULL)
        return "";
    if (strcmp(pair.certificate->path, choice->wish->certificate) == 0)
        return "it uses the target's own file";
    if (replaced == NULL && choice->n_leaves == 0)
        return "";
    const struct ecert_pem *pem = look(choice->scan, pair.certificate);
    if (pem == NULL)
        return NULL;
    const char *leaf = pem->sha1;
    if (leaf[0] == '\0')
        return "";
    if (replaced != NULL)
        return strcmp(leaf, replaced) == 0 ? "it uses the certificate that is replaced" : "";
    return bsearch(&leaf, choice->leaves, choice->n_leaves, sizeof leaf, by_text) != NULL
               ? "it uses the same certificate as a virtual host with the target's names"
               : "";
}

static bool refuse_used(struct choice *choice, size_t i, const char *how, const char *names)
{
    struct ecert_arena *arena = choice->scan->arena;

    if (choice->n_used++ == 0)
        choice->first_used =
            ecert_arena_text(arena, "%s (%.500s)", choice->scan->blocks[i].host->place, names);
    return choice->first_used != NULL &&
           refuse(choice, i,
                  ecert_arena_text(arena, "%s, and the certificate does not cover %s", how, names));
}

static bool consider_use(struct choice *choice, size_t i)
{
    struct ecert_apache_scan *scan = choice->scan;
    const struct ecert_apache_block *block = &scan->blocks[i];
    const struct ecert_apache_verdict *verdict = &choice->verdicts[i];

    if (verdict->taken || verdict->refused || !block->found ||
        ecert_apache_why_plain(scan, block) != NULL)
        return true;
    const char *how = where_it_was(choice, block);
    if (how == NULL)
        return false;
    if (how[0] == '\0')
        return verdict->why != NULL || leave(choice, i, "it has none of the target's names");
    if (!choice->names->everywhere)
        return verdict->why != NULL ||
               leave(choice, i,
                     ecert_arena_text(scan->arena,
                                      "it has none of the target's names, but %s: with "
                                      "\"everywhere_it_was = true\" it is taken too",
                                      how));
    const char *names = uncovered(scan, block->host);
    if (names == NULL)
        return false;
    if (names[0] == '\0')
        return take(choice, i, first_covered(scan, block->host), how);
    return refuse_used(choice, i, how, names);
}

/* ---- what was found -------------------------------------------------------------------------- */

/* "'a', 'b'": all names, or those that no taken host has. */
static const char *list_names(const struct choice *choice, bool missing)
{
    const char *list = "";

    for (size_t k = 0; list != NULL && choice->names->list[k] != NULL; k++)
        if (!missing || !choice->found[k])
            list = ecert_arena_text(choice->scan->arena, "%s%s'%s'", list,
                                    list[0] == '\0' ? "" : ", ", choice->names->list[k]);
    return list;
}

static enum ecert_status check_found(const struct choice *choice, struct ecert_error *err)
{
    const struct ecert_host *host = choice->scan->host;
    const bool partly = choice->names->is_explicit && choice->n_taken > 0;
    const char *list = list_names(choice, partly);

    if (list == NULL)
        return ecert_apache_no_memory(choice->scan, err);
    if (choice->n_taken > 0 && (!partly || list[0] == '\0'))
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

static enum ecert_status fail_without_ssl(const struct choice *choice, struct ecert_error *err)
{
    const struct ecert_apache_scan *scan = choice->scan;
    const char *advice =
        ecert_apache_ssl_advice(scan->host, scan->job, scan->arena, scan->dump->nodes[0].path);
    const char *list = list_names(choice, false);

    if (advice == NULL || list == NULL)
        return ecert_apache_no_memory(scan, err);
    return scan->host->fail(err, ECERT_E_CONFIG,
                            "mod_ssl is not loaded: %.400s; without it the server has no TLS "
                            "virtual host for %.300s",
                            advice, list);
}

static enum ecert_status judge(const struct choice *choice, struct ecert_error *err)
{
    const struct ecert_host *host = choice->scan->host;

    if (ecert_apache_lacks_ssl(choice->scan->dump))
        return fail_without_ssl(choice, err);
    if (choice->first_refusal != NULL)
        return host->fail(err, ECERT_E_CONFIG, "%s", choice->first_refusal);
    if (choice->n_used == 0)
        return check_found(choice, err);
    return host->fail(err, ECERT_E_CONFIG,
                      "everywhere_it_was finds %zu virtual host%s with names that '%s' does not "
                      "cover: %s%s; give them another certificate, or get one with these names",
                      choice->n_used, choice->n_used == 1 ? "" : "s",
                      host->certificate(choice->scan->job), choice->first_used,
                      choice->n_used == 1 ? "" : " and others, which are listed below");
}

enum ecert_status ecert_apache_choose(struct ecert_apache_scan *scan,
                                      const struct ecert_apache_names *names,
                                      const struct ecert_apache_wish *wish,
                                      struct ecert_apache_verdict **ret_verdicts,
                                      struct ecert_error *err)
{
    struct choice choice = {.scan = scan, .names = names, .wish = wish};
    size_t n_names = 0;

    while (names->list[n_names] != NULL)
        n_names++;
    choice.found = ecert_arena_alloc(scan->arena, n_names + 1);
    choice.verdicts =
        ecert_arena_alloc(scan->arena, (scan->n_blocks + 1) * sizeof *choice.verdicts);
    if (choice.found == NULL || choice.verdicts == NULL)
        return ecert_apache_no_memory(scan, err);
    for (size_t i = 0; i < scan->n_blocks; i++)
        if (!consider_names(&choice, i))
            return ecert_apache_no_memory(scan, err);
    if (choice.n_leaves > 1)
        qsort(choice.leaves, choice.n_leaves, sizeof *choice.leaves, by_text);
    for (size_t i = 0; i < scan->n_blocks; i++)
        if (!consider_use(&choice, i))
            return ecert_apache_no_memory(scan, err);
    *ret_verdicts = choice.verdicts;
    return judge(&choice, err);
}
