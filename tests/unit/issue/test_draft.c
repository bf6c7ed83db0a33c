#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow/certificate.h"
#include "core/issue/draft.h"
#include "tests/support/test_pki.h"

/* ---- a host as a plugin would tell of it ---- */

enum ecert_status __wrap_ecert_plugin_describe(const char *plugin_dir, const char *name,
                                               struct ecert_plugin_description *ret,
                                               struct ecert_error *err);
enum ecert_status __wrap_ecert_plugin_describe(const char *plugin_dir, const char *name,
                                               struct ecert_plugin_description *ret,
                                               struct ecert_error *err)
{
    (void)plugin_dir;
    ret->settings = calloc(1, sizeof *ret->settings);
    ret->n_settings = 1;
    ret->settings[0].name = strdup("everywhere_it_was");
    return ecert_text_copy(ecert_view_of(name), &ret->name, err);
}

static EVP_PKEY *key;

static char *text(const char *literal) /* borrowed: nothing of it is changed */
{
    return (char *)(uintptr_t)literal;
}

/* What a test says of a site; names divided by blanks, of a leaf likewise. */
struct row {
    const char *certificate, *chain, *key;
    const char *leaf_names; /* the first is the common name */
    const char *names;
    size_t server;
    const char *organization;
};

struct host {
    struct ecert_inventory found;
    struct ecert_inventory_server servers[2];
    struct ecert_inventory_certificate certificates[16];
    struct ecert_inventory_site sites[16];
    X509 *leafs[16];
    const char *leaf_names[16];
    size_t n_leafs;
    struct ecert_config config;
    struct ecert_draft draft;
    struct ecert_bytes text;
    struct ecert_draft_sum sum;
};

static void split(const char *words, struct ecert_strings *ret)
{
    struct ecert_error err = {0};

    while (*words != '\0') {
        const size_t n = strcspn(words, " ");
        char *word = strndup(words, n);

        assert_int_equal(ecert_strings_add(ret, word, &err), ECERT_OK);
        free(word);
        words += n + (words[n] == ' ');
    }
}

static X509 *leaf_of(struct host *host, const struct row *row)
{
    struct ecert_strings names = {0};

    for (size_t i = 0; i < host->n_leafs; i++)
        if (strcmp(host->leaf_names[i], row->leaf_names) == 0)
            return host->leafs[i];
    split(row->leaf_names, &names);
    const struct test_certificate what = {.key = key,
                                          .common_name = names.items[0],
                                          .organization = row->organization,
                                          .names = ecert_strings_array(&names)};
    host->leafs[host->n_leafs] = test_certificate_make(&what);
    host->leaf_names[host->n_leafs] = row->leaf_names;
    ecert_strings_clear(&names);
    return host->leafs[host->n_leafs++];
}

static size_t certificate_of(struct host *host, const struct row *row)
{
    struct ecert_inventory *found = &host->found;

    for (size_t i = 0; i < found->n_certificates; i++)
        if (strcmp(host->certificates[i].file, row->certificate) == 0)
            return i;
    struct ecert_inventory_certificate *one = &host->certificates[found->n_certificates];
    one->file = text(row->certificate);
    one->chain_file = row->chain == NULL ? NULL : text(row->chain);
    one->leaf = leaf_of(host, row);
    one->chain = ECERT_INVENTORY_COMPLETE;
    ecert_certificate_sha256(one->leaf, one->sha256);
    return found->n_certificates++;
}

static void begin(struct host *host, const struct row *rows, size_t n)
{
    struct ecert_error err = {0};

    *host = (struct host){0};
    host->found = (struct ecert_inventory){.servers = host->servers,
                                           .n_servers = 2,
                                           .certificates = host->certificates,
                                           .sites = host->sites,
                                           .n_sites = n};
    host->servers[0] = (struct ecert_inventory_server){.plugin = text("nginx"), .is_default = true};
    host->servers[1] =
        (struct ecert_inventory_server){.plugin = text("apache"), .is_default = true};
    host->config = (struct ecert_config){
        .state_dir = text("/s"), .plugin_dir = text("/p \"\\"), .authorities_dir = text("/a")};
    for (size_t i = 0; i < n; i++) {
        struct ecert_inventory_site *site = &host->sites[i];

        *site = (struct ecert_inventory_site){.server = rows[i].server,
                                              .certificate = certificate_of(host, &rows[i]),
                                              .key = ECERT_INVENTORY_KEY_MATCHES};
        site->site = (struct ecert_site){.kind = text("server block"),
                                         .file = text("/x\n# a\" line"),
                                         .line = (uint32_t)(i + 1),
                                         .certificate = text(rows[i].certificate),
                                         .key = text(rows[i].key),
                                         .enabled = true,
                                         .tls = true};
        split(rows[i].names, &site->site.names);
    }
    assert_int_equal(ecert_draft_make(&host->found, &host->config, &host->draft, &err), ECERT_OK);
    assert_int_equal(ecert_draft_text(&host->draft, &host->text, &host->sum, &err), ECERT_OK);
}

static void end(struct host *host)
{
    ecert_bytes_clear(&host->text);
    ecert_draft_clear(&host->draft);
    for (size_t i = 0; i < host->n_leafs; i++)
        X509_free(host->leafs[i]);
    for (size_t i = 0; i < host->found.n_sites; i++)
        ecert_strings_clear(&host->sites[i].site.names);
}

static bool says(const struct host *host, const char *words)
{
    return strstr((const char *)host->text.ptr, words) != NULL;
}

/* ---- what becomes a target ---- */

#define WWW  "www.x.hk x.hk"
#define WILD "*.x.hk x.hk"
#define SHOP "shop.x.hk"

static void test_uses(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct row rows[3];
        size_t n, targets, commented, entries;
        const char *says; /* NULL: nothing in particular */
    } cases[] = {
        {"one site",
         {{"/c", NULL, "/k", WWW, "www.x.hk", 0, NULL}},
         1,
         1,
         0,
         1,
         "server_names = [ \"www.x.hk\" ];"},
        {"two sites share the files",
         {{"/c", NULL, "/k", WILD, "a.x.hk", 0, NULL}, {"/c", NULL, "/k", WILD, "b.x.hk", 0, NULL}},
         2,
         1,
         0,
         1,
         "everywhere_it_was = true;"},
        {"one of two has a name that is not covered",
         {{"/c", NULL, "/k", WILD, "a.x.hk", 0, NULL}, {"/c", NULL, "/k", WILD, "b.y.hk", 0, NULL}},
         2,
         1,
         0,
         1,
         "not for each name of the"},
        {"two servers share the files",
         {{"/c", NULL, "/k", WWW, "www.x.hk", 0, NULL},
          {"/c", NULL, "/k", WWW, "www.x.hk", 1, NULL}},
         2,
         2,
         0,
         1,
         NULL},
        {"one name, two certificates: which one is meant cannot be said",
         {{"/c", NULL, "/k", WWW, "www.x.hk", 0, NULL},
          {"/d", NULL, "/l", WILD " www.x.hk", "www.x.hk", 0, NULL}},
         2,
         0,
         2,
         2,
         "each of its names is that of another site"},
        {"no name is covered",
         {{"/c", NULL, "/k", WWW, "y.hk", 0, NULL}},
         1,
         0,
         1,
         1,
         "none of its sites has a name"},
        {"no name at all",
         {{"/c", NULL, "/k", WWW, "", 0, NULL}},
         1,
         1,
         0,
         1,
         "plugin = \"nginx\";\n        # wherever the certificate that is replaced is in use: "
         "these "
         "sites have no name\n        everywhere_it_was = true;"},
        {"no name at all, and a second pair of the same certificate",
         {{"/c", NULL, "/k", WWW, "", 0, NULL}, {"/d", NULL, "/l", WWW, "www.x.hk", 0, NULL}},
         2,
         1,
         1,
         1,
         "none of its sites has a name"},
        {"what has no target is watched",
         {{"/c", NULL, "/k", WWW, "y.hk", 0, NULL}},
         1,
         0,
         1,
         1,
         "watch = (\n  { file = \"/c\"; }\n"},
        {"key and certificate in one file",
         {{"/c", NULL, "/c", WWW, "www.x.hk", 0, NULL}},
         1,
         0,
         1,
         1,
         "#{ plugin = \"nginx\";"},
        {"one key for two certificates",
         {{"/c", NULL, "/k", WWW, "www.x.hk", 0, NULL}, {"/d", NULL, "/k", SHOP, SHOP, 0, NULL}},
         2,
         0,
         2,
         2,
         "'/k' is used with another"},
        {"one chain file for two certificates",
         {{"/c", "/ca", "/k", WWW, "www.x.hk", 1, NULL}, {"/d", "/ca", "/l", SHOP, SHOP, 1, NULL}},
         2,
         2,
         0,
         2,
         "the chain file is that of other certificates"},
        {"one chain file, and one of the two can be no target",
         {{"/c", "/ca", "/k", WWW, "www.x.hk", 1, NULL},
          {"/d", "/ca", "/l", SHOP, "y.hk", 1, NULL}},
         2,
         0,
         2,
         2,
         "'/ca' is used with another"},
        {"one chain file, and a third site that can be no target",
         {{"/c", "/ca", "/k", WWW, "www.x.hk", 1, NULL},
          {"/d", "/ca", "/l", SHOP, SHOP, 1, NULL},
          {"/e", "/ca", "/m", "z.hk", "y.hk", 1, NULL}},
         3,
         2,
         1,
         3,
         "the chain file is that of other certificates"},
        {"one chain file, and one of the two shares its key",
         {{"/c", "/ca", "/k", WWW, "www.x.hk", 1, NULL},
          {"/d", "/ca", "/l", SHOP, SHOP, 1, NULL},
          {"/e", "/cb", "/l", "z.hk", "z.hk", 1, NULL}},
         3,
         0,
         3,
         3,
         "'/ca' is used with another"},
        {"one file is the chain of one and all of another",
         {{"/c", "/ca", "/k", WWW, "www.x.hk", 1, NULL}, {"/ca", NULL, "/l", SHOP, SHOP, 1, NULL}},
         2,
         0,
         2,
         2,
         "'/ca' is used with another"},
        {"the leaf alone, and chain",
         {{"/c", "/ca", "/k", WWW, "www.x.hk", 1, NULL}},
         1,
         1,
         0,
         1,
         "certificate = \"/c\";\n          chain = \"/ca\";"},
        {"a second certificate of the one name is watched",
         {{"/c", NULL, "/k", SHOP, SHOP, 0, NULL},
          {"/d", NULL, "/l", SHOP " " SHOP, SHOP, 1, NULL}},
         2,
         1,
         1,
         2,
         "{ file = \"/d\"; }"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct host host;

        begin(&host, cases[i].rows, cases[i].n);
        if (host.sum.targets != cases[i].targets || host.sum.commented != cases[i].commented ||
            host.draft.n_entries != cases[i].entries ||
            (cases[i].says != NULL && !says(&host, cases[i].says)))
            fail_msg("%s: %zu targets, %zu comments, %zu entries:\n%s", cases[i].what,
                     host.sum.targets, host.sum.commented, host.draft.n_entries,
                     (const char *)host.text.ptr);
        end(&host);
    }
}

static void test_two_files_with_one_leaf(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"/c", NULL, "/k", WILD, "a.x.hk", 0, NULL},
        {"/c", NULL, "/k", WILD, "b.x.hk", 0, NULL},
        {"/copy", NULL, "/copy.key", WILD, "c.x.hk", 0, NULL},
    };
    struct host host;

    begin(&host, rows, ARRAY_SIZE(rows));
    assert_int_equal(host.draft.n_entries, 1);
    assert_int_equal(host.sum.targets, 2);
    /* the one would take the other's sites along */
    assert_false(says(&host, "everywhere_it_was"));
    end(&host);
}

/* The common name goes first, wherever it stands among the names; none of them is there twice. */
static void test_names(void **state)
{
    (void)state;
    struct host host;

    begin(&host, &(struct row){"/c", NULL, "/k", "www.x.hk a.x.hk www.x.hk", "a.x.hk", 0, NULL}, 1);
    assert_string_equal(host.draft.entries[0].name, "www.x.hk");
    assert_int_equal(host.draft.entries[0].names.len, 1);
    assert_true(says(&host, "names = [ \"a.x.hk\" ];"));
    end(&host);
}

/* ---- the text ---- */

static void test_organization(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"/c", NULL, "/k", "a.x.hk", "a.x.hk", 0, "One \"A\" \\ Limited"},
        {"/d", NULL, "/l", "b.x.hk", "b.x.hk", 0, "Two"},
        {"/e", NULL, "/m", "c.x.hk", "c.x.hk", 0, "One \"A\" \\ Limited"},
    };
    struct host host;

    begin(&host, rows, 3);
    assert_true(says(&host, "\norganization = {\n"));
    assert_true(says(&host, "  name = \"One \\\"A\\\" \\\\ Limited\";"));
    assert_true(says(&host, "  country = \"HK\";"));
    assert_true(says(&host, "#  locality = ")); /* not known: nothing is invented */
    assert_true(says(&host, "2 of the 3 certificates"));
    end(&host);
    begin(&host, &(struct row){"/c", NULL, "/k", WWW, "www.x.hk", 0, NULL}, 1);
    assert_true(says(&host, "\n#organization = {\n"));
    end(&host);
}

static void test_quoting(void **state)
{
    (void)state;
    const struct row row = {"/c \"q\\", NULL, "/k", WWW, "www.x.hk", 0, NULL};
    struct host host;

    begin(&host, &row, 1);
    assert_true(says(&host, "fullchain = \"/c \\\"q\\\\\";"));
    assert_true(says(&host, "plugin_dir = \"/p \\\"\\\\\";"));
    assert_false(says(&host, "\n# a\" line")); /* a comment stays one */
    end(&host);
}

/* A long list goes on in further lines, and none of them ends with a blank. */
static void test_long_list(void **state)
{
    (void)state;
    struct host host;

    begin(&host,
          &(struct row){"/c", NULL, "/k", WILD,
                        "a-name-of-some-length.x.hk b-name-of-some-length.x.hk "
                        "c-name-of-some-length.x.hk d-name-of-some-length.x.hk",
                        0, NULL},
          1);
    assert_true(says(&host, "-name-of-some-length.x.hk\",\n          \""));
    assert_false(says(&host, " \n"));
    end(&host);
}

static void test_nothing(void **state)
{
    (void)state;
    struct host host;

    begin(&host, NULL, 0);
    assert_int_equal(host.sum.certificates, 0);
    assert_true(says(&host, "certificates = (\n  # { name"));
    end(&host);
}

static int setup(void **state)
{
    (void)state;
    key = test_key_ec("P-256");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uses),      cmocka_unit_test(test_two_files_with_one_leaf),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_organization),
        cmocka_unit_test(test_quoting),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_long_list),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
