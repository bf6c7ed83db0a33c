/* `ecert discover`: what this host serves over TLS. */

#include <openssl/bio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/paragraph.h"
#include "core/cli/looking.h"
#include "core/flow/certificate.h"
#include "core/flow/outcome_json.h"

#define NAME_WIDTH_MAX \
    36 /* 120 columns in all with an IPv4 address; a longer name moves its own line only */
#define OTHERS_SHOWN 5 /* of those that use the same files; JSON has all */
#define DAY          86400

/* ---- what is said of a certificate ---- */

/* "CN=www.example.com, O=...", UTF-8; the caller frees.  NULL: no memory. */
static char *name_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct ecert_error ignored = {0};
    char *text = NULL;

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0,
                                          (XN_FLAG_RFC2253 | XN_FLAG_SPC_EQ) &
                                              ~(unsigned long)ASN1_STRFLGS_ESC_MSB &
                                              ~(unsigned long)XN_FLAG_SPC_EQ) >= 0) {
        char *bytes = NULL;
        const long len = BIO_get_mem_data(bio, &bytes);
        if (ecert_text_copy((struct ecert_view){(const uint8_t *)bytes, len > 0 ? (size_t)len : 0},
                            &text, &ignored) != ECERT_OK)
            text = NULL;
    }
    BIO_free(bio);
    return text;
}

static int bits_of(const X509 *leaf)
{
    const EVP_PKEY *key = X509_get0_pubkey(leaf);

    return key == NULL ? 0 : EVP_PKEY_get_bits(key);
}

/* "RSA 2048", "EC 256" */
static void key_text(const X509 *leaf, char *ret, size_t size)
{
    const char *type = ecert_certificate_key_type(leaf);

    (void)snprintf(ret, size, "%s %d",
                   strcmp(type, "rsa") == 0  ? "RSA"
                   : strcmp(type, "ec") == 0 ? "EC"
                                             : "other",
                   bits_of(leaf));
}

static long long days_left(const X509 *leaf)
{
    const int64_t left = ecert_certificate_not_after(leaf) - ecert_clock_now();

    return (long long)(left >= 0 ? left / DAY : -((-left + DAY - 1) / DAY));
}

static void end_text(const X509 *leaf, char *ret, size_t size)
{
    char date[ECERT_TIME_TEXT_LEN];

    ecert_clock_date(ecert_certificate_not_after(leaf), date);
    (void)snprintf(ret, size, "%s (%lld days)", date, days_left(leaf));
}

/* ---- JSON ---- */

static json_t *server_json(const struct ecert_inventory_server *server)
{
    const bool failed = server->error.status != ECERT_OK;

    return json_pack("{s:s, s:o, s:o, s:o}", "plugin", server->plugin, "command",
                     ecert_strings_json(&server->words), "notes",
                     ecert_strings_json(&server->notes), "error",
                     ecert_text_json(failed ? server->error.text : NULL));
}

static json_t *indices_json(const struct ecert_inventory_certificate *certificate,
                            const size_t *numbers)
{
    json_t *list = json_array();

    for (size_t i = 0; i < certificate->n_sites; i++)
        if (numbers[certificate->sites[i]] != ECERT_INVENTORY_NOTHING)
            (void)json_array_append_new(list,
                                        json_integer((json_int_t)numbers[certificate->sites[i]]));
    return list;
}

static void add_leaf(json_t *json, const struct ecert_inventory_certificate *certificate)
{
    const X509 *leaf = certificate->leaf;
    ECERT_AUTO(ecert_auto_free) char *subject = name_text(X509_get_subject_name(leaf));
    ECERT_AUTO(ecert_auto_free) char *issuer = name_text(X509_get_issuer_name(leaf));
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error ignored = {0};
    char not_before[ECERT_TIME_TEXT_LEN], not_after[ECERT_TIME_TEXT_LEN];
    char serial[ECERT_SERIAL_HEX_LEN];

    ecert_clock_text(ecert_certificate_not_before(leaf), not_before);
    ecert_clock_text(ecert_certificate_not_after(leaf), not_after);
    ecert_certificate_serial(leaf, serial);
    (void)!ecert_certificate_names(leaf, &names, &ignored);
    (void)json_object_update_new(
        json, json_pack("{s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:I, s:s, s:i}", "subject",
                        ecert_text_json(subject), "issuer", ecert_text_json(issuer), "names",
                        ecert_strings_json(&names), "serial", serial, "sha256", certificate->sha256,
                        "not_before", not_before, "not_after", not_after, "days_left",
                        (json_int_t)days_left(leaf), "key_type", ecert_certificate_key_type(leaf),
                        "key_bits", bits_of(leaf)));
}

static json_t *certificate_json(const struct ecert_inventory_certificate *certificate,
                                const size_t *numbers)
{
    json_t *json = json_pack(
        "{s:o, s:o, s:s, s:o, s:o, s:o}", "file", ecert_text_json(certificate->file), "chain_file",
        ecert_text_json(certificate->chain_file), "chain",
        ecert_inventory_chain_word(certificate->chain), "authority",
        ecert_text_json(certificate->authority), "error", ecert_text_json(certificate->problem),
        "sites", indices_json(certificate, numbers));

    if (certificate->leaf != NULL)
        add_leaf(json, certificate);
    return json;
}

static json_t *addresses_json(const struct ecert_site *site)
{
    json_t *list = json_array();

    for (size_t i = 0; i < site->n_addresses; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "address",
                                                    site->addresses[i].address, "port",
                                                    (int)site->addresses[i].port, "starttls",
                                                    ecert_text_json(site->addresses[i].starttls)));
    return list;
}

static json_t *index_json(size_t index)
{
    return index == ECERT_INVENTORY_NOTHING ? json_null() : json_integer((json_int_t)index);
}

static json_t *site_json(const struct ecert_inventory_site *one, const char *plugin)
{
    const struct ecert_site *site = &one->site;

    return json_pack("{s:s, s:i, s:s, s:o, s:o, s:i, s:b, s:b, s:o, s:o, s:o, s:o, s:s, s:o, s:o}",
                     "plugin", plugin, "server", (int)one->server, "kind", site->kind, "names",
                     ecert_strings_json(&site->names), "file", ecert_text_json(site->file), "line",
                     (int)site->line, "tls", site->tls, "enabled", site->enabled, "why",
                     ecert_text_json(site->why), "addresses", addresses_json(site), "certificate",
                     index_json(one->certificate), "key_file", ecert_text_json(site->key), "key",
                     ecert_inventory_key_word(one->key), "key_error",
                     ecert_text_json(one->key_problem), "target", ecert_text_json(one->managed_by));
}

/* ---- the table ---- */

struct table {
    struct ecert_app *app;
    const struct ecert_inventory *found;
    size_t name_width;
    size_t *numbers; /* of each site among those that are shown; NOTHING: it is not */
    size_t n_shown;
};

/* A site's place in the table: what needs somebody soonest comes first. */
struct place {
    int rank;
    int64_t end;
    size_t certificate, site;
};

enum { RANK_UNREADABLE, RANK_ENDS, RANK_NO_CERTIFICATE, RANK_NOT_ENABLED, RANK_PLAIN };

static struct place place_of(const struct ecert_inventory *found, size_t at)
{
    const struct ecert_inventory_site *site = &found->sites[at];
    struct place place = {.certificate = site->certificate, .site = at};
    const X509 *leaf = NULL;

    if (site->certificate != ECERT_INVENTORY_NOTHING) {
        leaf = found->certificates[site->certificate].leaf;
        place.end = leaf == NULL ? 0 : ecert_certificate_not_after(leaf);
    }
    place.rank = !site->site.tls                                ? RANK_PLAIN
                 : !site->site.enabled                          ? RANK_NOT_ENABLED
                 : leaf != NULL                                 ? RANK_ENDS
                 : site->certificate != ECERT_INVENTORY_NOTHING ? RANK_UNREADABLE
                                                                : RANK_NO_CERTIFICATE;
    return place;
}

/* Those with the same files stand together, in the order of the server's configuration. */
static int by_end(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    if (x->certificate != y->certificate)
        return x->certificate < y->certificate ? -1 : 1;
    return x->site < y->site ? -1 : x->site > y->site;
}

static bool is_shown(const struct ecert_app *app, const struct ecert_inventory_site *site)
{
    return site->site.tls || app->options.all;
}

static const char *name_at(const struct ecert_site *site, size_t i, char **buffer)
{
    if (i < site->names.len)
        return ecert_name_shown(site->names.items[i], buffer);
    return i == 0 ? "(no name)" : "";
}

static char *address_at(const struct ecert_site *site, size_t i)
{
    const struct ecert_probe *address = &site->addresses[i];
    const bool six = strchr(address->address, ':') != NULL;
    struct ecert_error ignored = {0};
    char *text = NULL;

    if (ecert_text_format(&text, &ignored, "%s%s%s:%u%s%s", six ? "[" : "", address->address,
                          six ? "]" : "", (unsigned)address->port,
                          address->starttls == NULL ? "" : " ",
                          address->starttls == NULL ? "" : address->starttls) != ECERT_OK)
        return NULL;
    return text;
}

/* Names on the left, one below the other, and the addresses on the right likewise. */
static void say_rows(const struct table *table, const struct ecert_inventory_site *one)
{
    const struct ecert_site *site = &one->site;
    const struct ecert_inventory_certificate *certificate =
        one->certificate == ECERT_INVENTORY_NOTHING ? NULL
                                                    : &table->found->certificates[one->certificate];
    const X509 *leaf = certificate == NULL ? NULL : certificate->leaf;
    const size_t rows = site->names.len > site->n_addresses ? site->names.len : site->n_addresses;
    char end[64] = "-", key[32] = "-";
    char *buffer = NULL;

    if (leaf != NULL) {
        end_text(leaf, end, sizeof end);
        key_text(leaf, key, sizeof key);
    }
    for (size_t i = 0; i < (rows == 0 ? 1 : rows); i++) {
        ECERT_AUTO(ecert_auto_free)
        char *address = i < site->n_addresses ? address_at(site, i) : NULL;
        const char *name = name_at(site, i, &buffer);
        const char *chain =
            certificate == NULL ? "-" : ecert_inventory_chain_word(certificate->chain);

        if (i == 0 || address != NULL)
            ecert_say(table->app, "%s%*s  %-22s  %-9s  %-19s  %s", name,
                      ecert_padding(name, table->name_width), "", i == 0 ? end : "",
                      i == 0 ? key : "", i == 0 ? chain : "", address == NULL ? "" : address);
        else
            ecert_say(table->app, "%s", name);
    }
    free(buffer);
}

/* "used by 3 more sites: nginx server block at /x:3, ...", in lines of their own */
static void say_others(const struct table *table, size_t at)
{
    const struct ecert_inventory_site *one = &table->found->sites[at];
    const struct ecert_inventory_certificate *certificate =
        &table->found->certificates[one->certificate];
    size_t shown = 0;

    if (certificate->n_sites < 2)
        return;
    ecert_say(table->app, "    these files are used by %zu more site%s:", certificate->n_sites - 1,
              certificate->n_sites == 2 ? "" : "s");
    for (size_t i = 0; i < certificate->n_sites && shown < OTHERS_SHOWN; i++) {
        const struct ecert_inventory_site *other = &table->found->sites[certificate->sites[i]];
        ECERT_AUTO(ecert_auto_free) char *place = NULL;
        struct ecert_error ignored = {0};

        if (other == one || ecert_inventory_place(&other->site, &place, &ignored) != ECERT_OK)
            continue;
        ecert_say(table->app, "      %s %s", table->found->servers[other->server].plugin, place);
        shown++;
    }
    if (certificate->n_sites - 1 > shown)
        ecert_say(table->app, "      and %zu more", certificate->n_sites - 1 - shown);
}

/* How many other certificates' sites have the same file of issuers. */
static size_t count_chain_sharers(const struct ecert_inventory *found,
                                  const struct ecert_inventory_certificate *certificate)
{
    size_t n = 0;

    for (size_t i = 0; certificate->chain_file != NULL && i < found->n_certificates; i++) {
        const struct ecert_inventory_certificate *other = &found->certificates[i];

        if (other != certificate && other->chain_file != NULL &&
            strcmp(other->chain_file, certificate->chain_file) == 0)
            n++;
    }
    return n;
}

static void say_certificate(const struct table *table,
                            const struct ecert_inventory_certificate *certificate)
{
    const size_t sharers = count_chain_sharers(table->found, certificate);

    if (certificate->leaf != NULL) {
        ECERT_AUTO(ecert_auto_free)
        char *subject = name_text(X509_get_subject_name(certificate->leaf));
        ECERT_AUTO(ecert_auto_free)
        char *issuer = name_text(X509_get_issuer_name(certificate->leaf));

        ecert_say(table->app, "    for %s", subject == NULL ? "" : subject);
        ecert_say(table->app, "    issued by %s (authority %s)", issuer == NULL ? "" : issuer,
                  certificate->authority == NULL ? "not known" : certificate->authority);
    }
    if (sharers > 0)
        ecert_say(table->app, "    the chain file is that of %zu more certificate%s", sharers,
                  sharers == 1 ? "" : "s");
    if (certificate->problem != NULL)
        ecert_say(table->app, "    not read: %s%s", certificate->problem,
                  geteuid() == 0 ? "" : " (root may read more)");
}

static void say_place(const struct table *table, const struct ecert_inventory_site *one)
{
    const struct ecert_site *site = &one->site;
    const char *state = site->enabled ? "enabled" : site->tls ? "not enabled" : "without TLS";
    /* the plugin's reason begins with what it is the reason of */
    const bool told = site->why != NULL && strncmp(site->why, state, strlen(state)) == 0;
    const bool owned = one->managed_by != NULL;
    ECERT_AUTO(ecert_auto_free) char *place = NULL;
    struct ecert_error ignored = {0};

    if (ecert_inventory_place(site, &place, &ignored) != ECERT_OK)
        return;
    ecert_say(table->app, "    %s %s, %s%s%s%s%s", table->found->servers[one->server].plugin, place,
              told ? "" : state, told || site->why == NULL ? "" : ": ",
              site->why == NULL ? "" : site->why,
              !site->enabled ? ""
              : owned        ? "; target "
                             : "; no target of ecert",
              owned ? one->managed_by : "");
}

static bool is_text_same(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* `above`: the site before it in the table; NULL: it is the first. */
static void say_site(const struct table *table, size_t at, const struct ecert_inventory_site *above)
{
    const struct ecert_inventory_site *one = &table->found->sites[at];
    const struct ecert_site *site = &one->site;
    const bool files_as_above = above != NULL && one->certificate != ECERT_INVENTORY_NOTHING &&
                                above->certificate == one->certificate;
    const bool key_as_above = files_as_above && is_text_same(site->key, above->site.key);

    say_rows(table, one);
    say_place(table, one);
    if (files_as_above)
        ecert_say(table->app, "    certificate%s of the site above",
                  key_as_above ? " and key" : "");
    else if (site->certificate != NULL)
        ecert_say(table->app, "    certificate %s%s%s", site->certificate,
                  site->chain == NULL ? "" : ", chain ", site->chain == NULL ? "" : site->chain);
    if (site->key != NULL && !key_as_above)
        ecert_say(table->app, "    key %s: %s", site->key, ecert_inventory_key_word(one->key));
    if (one->key_problem != NULL && !key_as_above)
        ecert_say(table->app, "    not read: %s%s", one->key_problem,
                  geteuid() == 0 ? "" : " (root may read more)");
    if (one->certificate == ECERT_INVENTORY_NOTHING || files_as_above)
        return;
    say_certificate(table, &table->found->certificates[one->certificate]);
    say_others(table, at);
}

/* Sites that are shown get the numbers by which the JSON names them. */
static void count_shown(struct table *table)
{
    char *buffer = NULL;
    size_t n = 0;

    table->name_width = 5;
    for (size_t i = 0; i < table->found->n_sites; i++) {
        const struct ecert_site *site = &table->found->sites[i].site;

        table->numbers[i] = ECERT_INVENTORY_NOTHING;
        if (!is_shown(table->app, &table->found->sites[i]))
            continue;
        table->numbers[i] = n++;
        for (size_t k = 0; k == 0 || k < site->names.len; k++) {
            const size_t width = ecert_columns(name_at(site, k, &buffer));

            if (width > table->name_width && width <= NAME_WIDTH_MAX)
                table->name_width = width;
        }
    }
    free(buffer);
    table->n_shown = n;
}

static bool say_table(const struct table *table)
{
    const struct ecert_inventory *found = table->found;
    const struct ecert_inventory_site *above = NULL;
    ECERT_AUTO(ecert_auto_free)
    struct place *places = calloc(found->n_sites + 1, sizeof *places);
    size_t n = 0;

    if (places == NULL)
        return false;
    for (size_t i = 0; i < found->n_sites; i++)
        if (table->numbers[i] != ECERT_INVENTORY_NOTHING)
            places[n++] = place_of(found, i);
    qsort(places, n, sizeof *places, by_end);
    if (n > 0)
        ecert_say(table->app, "%s%*s  %-22s  %-9s  %-19s  %s", "NAMES",
                  ecert_padding("NAMES", table->name_width), "", "ENDS", "KEY", "CHAIN",
                  "ADDRESSES");
    for (size_t i = 0; i < n; i++) {
        say_site(table, places[i].site, above);
        above = &found->sites[places[i].site];
    }
    return true;
}

static void tell(const struct table *table)
{
    const struct ecert_inventory *found = table->found;
    json_t *servers = json_array(), *certificates = json_array(), *sites = json_array();

    for (size_t i = 0; i < found->n_servers; i++)
        (void)json_array_append_new(servers, server_json(&found->servers[i]));
    for (size_t i = 0; i < found->n_certificates; i++)
        (void)json_array_append_new(certificates,
                                    certificate_json(&found->certificates[i], table->numbers));
    for (size_t i = 0; i < found->n_sites; i++)
        if (table->numbers[i] != ECERT_INVENTORY_NOTHING)
            (void)json_array_append_new(
                sites, site_json(&found->sites[i], found->servers[found->sites[i].server].plugin));
    ecert_tell(table->app, "looked_for", ecert_strings_json(&found->looked_for));
    ecert_tell(table->app, "servers", servers);
    ecert_tell(table->app, "certificates", certificates);
    ecert_tell(table->app, "sites", sites);
}

int ecert_cmd_discover(struct ecert_app *app)
{
    ECERT_AUTO(ecert_inventory_clear) struct ecert_inventory found = {0};
    int code = ECERT_EXIT_OK;

    if (!ecert_looking(app, &found, &code))
        return code;
    ECERT_AUTO(ecert_auto_free) size_t *numbers = calloc(found.n_sites + 1, sizeof *numbers);
    struct table table = {.app = app, .found = &found, .numbers = numbers};
    if (numbers != NULL)
        count_shown(&table);
    if (numbers == NULL || !say_table(&table)) {
        ecert_complain(app, "out of memory");
        return ECERT_EXIT_FAILED;
    }
    if (app->json != NULL)
        tell(&table);
    const size_t failed = ecert_looking_tell(app, &found);
    if (table.n_shown == 0 && found.n_servers > failed)
        ecert_say(app, "no site%s", app->options.all ? "" : " with TLS (--all shows the others)");
    return failed > 0 ? ECERT_EXIT_FAILED : ECERT_EXIT_OK;
}
