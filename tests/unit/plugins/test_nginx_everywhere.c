/* Which server blocks are taken with `everywhere_it_was` and without, and what is said of each. */
#include "tests/support/test_pki.h"
#include "tests/support/test_rows.h"
#include "tests/unit/plugins/test_nginx_site.h"

#define MAX_WHYS    6
#define PAIR(which) "ssl_certificate " which ".pem; ssl_certificate_key " which ".key; "
#define TLS(names)  "\nserver { listen 443 ssl; server_name " names "; "

static const char *const ask_www[] = {"www.example.test", NULL};
static const char *const ask_two[] = {"www.example.test", "c.example.test", NULL};
static const char *const wildcard[] = {"www.example.test", "*.example.test", NULL};

/* The files old.pem and same.pem hold one leaf, other.pem and ec.pem others. */
static const struct row {
    const char *name;
    const char *conf; /* of the http block */
    const char *const *names;
    const char *error[4];
    const char *whys[MAX_WHYS]; /* of the sites in their order */
    const char *no_error;       /* words that the error must not have */
    size_t n_changed;           /* values of nginx.conf */
    bool everywhere;
    bool replaced;     /* the leaf of old.pem was the target's before */
    bool ec_leaf;      /* the new one has an EC key */
    const char *keeps; /* a path that the changed file still has; NULL: not looked at */
} rows[] = {
    /* clang-format off */
    {.name = "off: other names are left, and it is said",
     .conf = TLS("www.example.test") PAIR("old") "}" TLS("a.example.test") PAIR("old") "}"
             TLS("b.example.test") PAIR("other") "}" TLS("_") PAIR("same") "}"
             "server { listen 443 ssl; ssl_certificate " FULL_CHAIN "; ssl_certificate_key " KEY "; }",
     .replaced = true, .n_changed = 2,
     .whys = {"takes: it has the name 'www.example.test'",
              "leaves: it has none of the target's names, but it uses the certificate that is replaced; "
              "'everywhere_it_was = true' takes it",
              "leaves: it has none of the target's names",
              "leaves: it has none of the target's names, but it uses the certificate that is replaced; "
              "'everywhere_it_was = true' takes it",
              "leaves: it has no name, but it uses the target's own file; 'everywhere_it_was = true' takes it"}},
    {.name = "by name, by path, by the leaf replaced, and no longer by the leaf of a named one",
     .everywhere = true, .replaced = true, .n_changed = 7,
     .conf = TLS("www.example.test") PAIR("other") "}" TLS("a.example.test") PAIR("same") "}"
             TLS("b.example.test") PAIR("other") "}" TLS("_") PAIR("ec") "}"
             TLS("d.example.test") "ssl_certificate " FULL_CHAIN "; ssl_certificate_key k; }"
             "server { listen 443 ssl; " PAIR("old") "}",
     .whys = {"takes: it has the name 'www.example.test'",
              "takes: it uses the certificate that is replaced",
              "leaves: it has none of the target's names",
              "leaves: it has none of the target's names",
              "takes: it uses the target's own file",
              "takes: it uses the certificate that is replaced"}},
    {.name = "without a name that is found",
     .everywhere = true, .replaced = true, .n_changed = 2,
     .conf = TLS("a.example.test") PAIR("old") "}" "server { server_name www.example.test; }",
     .whys = {"takes: it uses the certificate that is replaced", "leaves: it does not listen with ssl"}},
    {.name = "of two pairs the one that is replaced",
     .everywhere = true, .replaced = true, .n_changed = 2,
     .conf = TLS("a.example.test") PAIR("old") PAIR("ec") "}",
     .whys = {"takes: it uses the certificate that is replaced"}},
    {.name = "of two pairs the one that is replaced, not the one of our type",
     .everywhere = true, .replaced = true, .n_changed = 2, .ec_leaf = true,
     .conf = TLS("a.example.test") PAIR("ec") PAIR("old") "}",
     .keeps = "ec.pem",
     .whys = {"takes: it uses the certificate that is replaced"}},
    {.name = "of two pairs the target's own path, not the one of our type",
     .n_changed = 0, .ec_leaf = true,
     .conf = TLS("www.example.test") PAIR("ec") "ssl_certificate " FULL_CHAIN "; ssl_certificate_key " KEY "; }",
     .whys = {"takes: it has the name 'www.example.test'"}},
    {.name = "a pair of our type behind the target's own path would be served",
     .names = ask_www,
     .conf = TLS("www.example.test") "\nssl_certificate " FULL_CHAIN "; ssl_certificate_key " KEY ";\n" PAIR("other") "}",
     .error = {"nginx.conf:5: this ssl_certificate is of the type 'rsa' and stands behind that of ",
               "nginx.conf:4, which is to be '/live/full.pem'"}},
    {.name = "the same, and it is left",
     .n_changed = 2,
     .conf = TLS("www.example.test") PAIR("old") "}"
             TLS("www.example.test") "ssl_certificate " FULL_CHAIN "; ssl_certificate_key " KEY "; " PAIR("other") "}",
     .whys = {"takes: it has the name 'www.example.test'",
              "leaves: of its certificates of the type 'rsa' nginx serves that of "}},
    {.name = "inherited from http, and all of them are taken: one change",
     .everywhere = true, .replaced = true, .n_changed = 2,
     .conf = PAIR("old") TLS("a.example.test") "}" TLS("b.example.test") "}",
     .whys = {"takes: it uses the certificate that is replaced", "takes: it uses the certificate that is replaced"}},
    {.name = "stream-like: no name at all",
     .everywhere = true, .replaced = true, .n_changed = 2,
     .conf = "} stream { server { listen 993 ssl; " PAIR("old") "}",
     .whys = {"takes: it uses the certificate that is replaced"}},
    {.name = "names that are not covered are refused, all of them",
     .everywhere = true, .replaced = true,
     .conf = TLS("www.example.test") PAIR("old") "}" TLS("a.test b.test a.example.test") PAIR("same") "}"
             TLS("'~^x{2}'") PAIR("old") "}" TLS("c.test") PAIR("other") "}" TLS("$h") PAIR("old") "}",
     .error = {"finds 3 server blocks with names", "nginx.conf:4 ('a.test', 'b.test') and others",
               "; give them a pair of their own"},
     .no_error = "c.test",
     .whys = {"takes: it has the name 'www.example.test'",
              "refuses: it uses the certificate that is replaced, and the certificate does not cover "
              "'a.test', 'b.test'",
              "refuses: it uses the certificate that is replaced, and the certificate does not cover '~^x{2}'",
              "leaves: it has none of the target's names",
              "refuses: it uses the certificate that is replaced, and the certificate does not cover '$h'"}},
    {.name = "an explicit name's block with others is refused, and the rest is told",
     .everywhere = true, .names = ask_two,
     .conf = TLS("www.example.test a.test") PAIR("old") "}" TLS("c.example.test b.test") PAIR("old") "}"
             TLS("d.example.test") PAIR("other") "}",
     .error = {"nginx.conf:3: the server block for 'www.example.test' also serves 'a.test', which"},
     .whys = {"refuses: it also serves 'a.test', which the certificate does not cover",
              "refuses: it also serves 'b.test', which the certificate does not cover",
              "leaves: it has none of the target's names"}},
    {.name = "the leaf of a named one is nobody's concern where another is replaced",
     .everywhere = true, .replaced = true, .n_changed = 2,
     .conf = TLS("www.example.test") PAIR("other") "}" TLS("c.test") PAIR("other") "}",
     .whys = {"takes: it has the name 'www.example.test'", "leaves: it has none of the target's names"}},
    {.name = "refused before the first deployment, and it says why",
     .everywhere = true,
     .conf = TLS("www.example.test") PAIR("old") "}" TLS("c.test") PAIR("old") "}",
     .error = {"nginx.conf:4 ('c.test')"},
     .no_error = "replaced",
     .whys = {"takes: it has the name 'www.example.test'",
              "refuses: it uses the certificate of a site that has the target's name, and the certificate does "
              "not cover 'c.test'"}},
    {.name = "an explicit name must be found by name",
     .everywhere = true, .replaced = true, .names = ask_two,
     .conf = TLS("www.example.test") PAIR("old") "}" TLS("a.example.test") PAIR("old") "}",
     .error = {"has the name 'c.example.test'"}},
    {.name = "explicit names, and others by the leaf",
     .everywhere = true, .names = ask_www, .n_changed = 4,
     .conf = TLS("www.example.test") PAIR("old") "}" TLS("a.example.test") PAIR("same") "}",
     .whys = {"takes: it has the name 'www.example.test'",
              "takes: it uses the certificate of a site that has the target's name"}},
    {.name = "nothing is found",
     .everywhere = true, .replaced = true,
     .conf = TLS("a.example.test") PAIR("other") "}",
     .error = {"none of the 1 server blocks of"}},
    {.name = "a file that is not there has no leaf to share",
     .everywhere = true, .n_changed = 2,
     .conf = TLS("www.example.test") PAIR("gone") "}" TLS("a.example.test") PAIR("gone") "}",
     .whys = {"takes: it has the name 'www.example.test'", "leaves: it has none of the target's names"}},
    {.name = "taken with the one that shares its snippet",
     .names = ask_www,
     .conf = TLS("www.example.test") "include snippet.conf; }" TLS("_") "include snippet.conf; }"
             TLS("a.example.test") "include snippet.conf; }",
     .whys = {"takes: it has the name 'www.example.test'", "takes: it has the ssl_certificate of the block at ",
              "takes: it has the ssl_certificate of the block at "}},
    {.name = "a snippet's pair of the other type would stay beside ours",
     .conf = TLS("www.example.test") "include ec.conf; }" TLS("a.test") "include ec.conf; }",
     .error = {"ec.conf:1: this ssl_certificate also serves the server block at ", "nginx.conf:4, whose names"}},
    {.name = "a snippet that an outsider has at a port of the range",
     .n_changed = 2,
     .conf = "\nserver { listen 443-445 ssl; server_name www.example.test; include snippet.conf; }"
             "\nserver { listen 444; server_name b.test; include snippet.conf; }",
     .whys = {"takes: it has the name 'www.example.test'", "leaves: it has none of the target's names"}},
    {.name = "a snippet that an outsider has at a host name, which may be ours",
     .n_changed = 2,
     .conf = "\nserver { listen 192.0.2.1:443 ssl; server_name www.example.test; include snippet.conf; }"
             "\nserver { listen host.invalid:443; server_name b.test; include snippet.conf; }",
     .whys = {"takes: it has the name 'www.example.test'", "leaves: it does not listen with ssl"}},
    {.name = "a snippet that a block without TLS has",
     .conf = "\nserver { listen 192.0.2.1:443 ssl; server_name www.example.test; include snippet.conf; }"
             "\nserver { listen 192.0.2.2:443; server_name b.test; include snippet.conf; }",
     .whys = {"takes: it has the name 'www.example.test'", "leaves: it does not listen with ssl"}},
    {.name = "a snippet that a block has whose only name is local",
     .n_changed = 2,
     .conf = TLS("www.example.test") "include snippet.conf; }" TLS("intranet") "include snippet.conf; }",
     .whys = {"takes: it has the name 'www.example.test'", "leaves: it has none of the target's names"}},
    {.name = "what a terminal could obey is not said",
     .n_changed = 2,
     .conf = TLS("www.example.test") PAIR("old") "}" TLS("www.example.test \"\x1b[2J\xff.test\"") PAIR("old") "}",
     .whys = {"takes: it has the name 'www.example.test'", "leaves: it also serves '?[2J?.test', which"}},
    /* clang-format on */
};

static struct ecert_bytes old_pem, other_pem, ec_pem;
static char old_sha1[41];

static struct ecert_bytes make(EVP_PKEY *key, char *ret_sha1)
{
    static const char *const names[] = {"www.example.test", NULL};
    const struct test_certificate what = {.key = key, .common_name = "x", .names = names};
    X509 *certificate = test_certificate_make(&what);
    const struct ecert_bytes pem = test_certificate_pem(certificate);
    unsigned char hash[20];

    assert_int_equal(X509_digest(certificate, EVP_sha1(), hash, NULL), 1);
    for (size_t i = 0; ret_sha1 != NULL && i < sizeof hash; i++)
        (void)snprintf(ret_sha1 + 2 * i, 3, "%02X", hash[i]);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
}

static int make_certificates(void **state)
{
    (void)state;
    old_pem = make(test_key_rsa(2048), old_sha1);
    other_pem = make(test_key_rsa(2048), NULL);
    ec_pem = make(test_key_ec("P-256"), NULL);
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    ecert_bytes_clear(&old_pem);
    ecert_bytes_clear(&other_pem);
    ecert_bytes_clear(&ec_pem);
    return 0;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (text = strstr(text, word); text != NULL; text = strstr(text + 1, word))
        n++;
    return n;
}

static void check_whys(const struct site *site, const struct row *row)
{
    size_t n = 0;

    for (; n < MAX_WHYS && row->whys[n] != NULL; n++) {
        assert_true(n < site->job.n_sites);
        if (strncmp(site->job.verdicts[n], row->whys[n], strlen(row->whys[n])) != 0)
            fail_msg("'%s' is not '%s'", site->job.verdicts[n], row->whys[n]);
    }
    assert_int_equal(site->job.n_sites, n);
}

static void check_success(const struct site *site, const struct row *row)
{
    const struct test_file *file = test_job_file(&site->job, site->conf);

    check_whys(site, row);
    assert_int_equal(file != NULL, row->n_changed > 0);
    if (row->keeps != NULL)
        assert_int_equal(count((const char *)file->content, row->keeps), 1);
    if (file != NULL)
        assert_int_equal(count((const char *)file->content, "/live/") -
                             count((const char *)file->expected, "/live/"),
                         row->n_changed);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    char *conf = NULL;
    struct site site;

    site_make(&site);
    assert_true(asprintf(&conf, "events {}\nhttp {%s}\n", row->conf) > 0);
    site_text(&site, "nginx.conf", conf);
    site_text(&site, "snippet.conf", PAIR("old"));
    site_text(&site, "ec.conf", PAIR("ec"));
    site_write(&site, "old.pem", old_pem.ptr, old_pem.len);
    site_write(&site, "same.pem", old_pem.ptr, old_pem.len);
    site_write(&site, "other.pem", other_pem.ptr, other_pem.len);
    site_write(&site, "ec.pem", ec_pem.ptr, ec_pem.len);
    site.job.leaf.dns_names = wildcard;
    site.job.leaf.key_type = row->ec_leaf ? "ec" : "rsa";
    site.job.leaf.replaced_sha1 = row->replaced ? old_sha1 : NULL;
    if (row->everywhere)
        site.settings[1] = (struct test_setting){.name = "everywhere_it_was", .value = "true"};
    const enum ecert_status status = site_plan(&site, row->names);
    assert_int_equal(status, row->error[0] != NULL ? ECERT_E_CONFIG : ECERT_OK);
    for (size_t i = 0; i < 4 && row->error[i] != NULL; i++)
        if (strstr(site.err.text, row->error[i]) == NULL)
            fail_msg("'%s' lacks '%s'", site.err.text, row->error[i]);
    if (row->no_error != NULL)
        assert_null(strstr(site.err.text, row->no_error));
    if (row->error[0] == NULL)
        check_success(&site, row);
    else if (row->whys[0] != NULL)
        check_whys(&site, row);
    free(conf);
    site_remove(&site);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows)] = {0};

    (void)TEST_ADD_ROWS(tests, check_row, rows);
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
