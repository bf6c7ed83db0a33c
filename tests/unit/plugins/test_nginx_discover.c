/* Which pair each server block has at present, as `ecert adopt` wants to know. */
#include "tests/support/test_rows.h"
#include "tests/unit/plugins/test_nginx_site.h"

#define HTTP(text)  "events {}\nhttp {\n" text "\n}\n"
#define PAIR(which) "ssl_certificate " which ".pem; ssl_certificate_key " which ".key;"

/* "@" is the folder. */
static const struct row {
    const char *name;
    const char *conf;
    const char *site; /* of www.example.test; NULL: there is none */
    const char *why;  /* of the first site; NULL: not looked at */
    const char *error;
    const char *key_type; /* NULL: rsa */
    bool ready;           /* there are sites-available and sites-enabled */
    size_t n_sites;
} rows[] = {
    /* clang-format off */
    {.name = "a block with its own pair", .n_sites = 1,
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test other.test; " PAIR("a") " }"),
     .site = "server block www.example.test,other.test @/nginx.conf:3 @/a.pem @/a.key - on 127.0.0.1:443"},
    {.name = "paths are the server's: relative to its configuration, quoted, absolute", .n_sites = 1,
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test;\n"
                  "ssl_certificate \"tls/../a b.pem\"; ssl_certificate_key /x/a.key; }"),
     .site = "server block www.example.test @/nginx.conf:3 @/a b.pem /x/a.key - on 127.0.0.1:443"},
    {.name = "inherited from http, each of the two by itself", .n_sites = 1,
     .conf = HTTP(PAIR("h") "\nserver { listen 443 ssl; server_name www.example.test; ssl_certificate a.pem; }"),
     .site = "server block www.example.test @/nginx.conf:4 @/a.pem @/h.key - on 127.0.0.1:443"},
    {.name = "inherited although it stands behind the block", .n_sites = 1,
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test; }\n" PAIR("h")),
     .site = "server block www.example.test @/nginx.conf:3 @/h.pem @/h.key - on 127.0.0.1:443"},
    {.name = "a location's are not the block's", .n_sites = 1,
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test; location / { " PAIR("l") " } }"),
     .site = "server block www.example.test @/nginx.conf:3 - - - on 127.0.0.1:443"},
    {.name = "no file: variables and engines", .n_sites = 1,
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test;\n"
                  "ssl_certificate $name.pem; ssl_certificate_key engine:e:k; }"),
     .site = "server block www.example.test @/nginx.conf:3 - - - on 127.0.0.1:443"},
    {.name = "of two pairs the one of the key type", .n_sites = 1, .key_type = "ec",
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test; " PAIR("rsa") PAIR("ec") " }"),
     .site = "server block www.example.test @/nginx.conf:3 @/ec.pem @/ec.key - on 127.0.0.1:443"},
    {.name = "of two pairs the first, where none is of the type", .n_sites = 1, .key_type = "ec",
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test; " PAIR("rsa") PAIR("b") " }"),
     .site = "server block www.example.test @/nginx.conf:3 @/rsa.pem @/rsa.key - on 127.0.0.1:443"},
    {.name = "a plain block speaks no TLS", .n_sites = 1,
     .conf = HTTP("server { listen 80; server_name www.example.test; " PAIR("a") " }"),
     .site = "server block www.example.test @/nginx.conf:3 @/a.pem @/a.key - off"},
    {.name = "addresses: none for a plain socket, a socket of the PROXY protocol, a shadowed one", .n_sites = 2,
     .conf = HTTP("server { listen 80; listen 443 ssl; listen [::1]:8443 ssl; listen 10.0.0.1:444 ssl proxy_protocol;\n"
                  "server_name www.example.test; " PAIR("a") " }\n"
                  "server { listen 127.0.0.1:443 ssl; server_name b.test; }"),
     .site = "server block www.example.test @/nginx.conf:3 @/a.pem @/a.key - on ::1:8443"},
    {.name = "names: .x is two, expressions are none", .n_sites = 1,
     .conf = HTTP("server { listen 443 ssl; server_name ~^w .x.test _ www.example.test $h; " PAIR("a") " }"),
     .site = "server block x.test,*.x.test,www.example.test @/nginx.conf:3 @/a.pem @/a.key - on 127.0.0.1:443"},
    {.name = "names that are none are left out", .n_sites = 2,
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test b\xff.test \"c\x1b[2J.test\" d.test; " PAIR("a") " }\n"
                  "server { listen 443 ssl; server_name \xe9; " PAIR("b") " }"),
     .site = "server block www.example.test,d.test @/nginx.conf:3 @/a.pem @/a.key - on 127.0.0.1:443"},
    {.name = "a block without a name", .n_sites = 2,
     .conf = HTTP("server { listen 443 ssl; " PAIR("a") " }\nserver { listen 443 ssl; server_name _; }"),
     .site = "server block @/nginx.conf:3 @/a.pem @/a.key - on 127.0.0.1:443", .why = "leaves: -"},
    {.name = "mail", .n_sites = 1,
     .conf = "events {}\nmail { server { listen 993 ssl; server_name www.example.test; " PAIR("a") " } }",
     .site = "mail server block www.example.test @/nginx.conf:2 @/a.pem @/a.key - on 127.0.0.1:993"},
    {.name = "stream, and what it inherits", .n_sites = 1,
     .conf = "events {}\nstream { " PAIR("a") "server { listen 993 ssl; proxy_pass b; } }",
     .site = "stream server block @/nginx.conf:2 @/a.pem @/a.key - on 127.0.0.1:993"},
    {.name = "what is said of a variable", .n_sites = 1,
     .conf = HTTP("server { listen 443 ssl; ssl_certificate $a\xff; }"),
     .site = "server block @/nginx.conf:3 - - - on 127.0.0.1:443", .why = "leaves: '$a?' in @/nginx.conf:3 is not the path of a file"},
    {.name = "sites-available: what is enabled by a link is not shown twice", .n_sites = 3,
     .conf = HTTP("include sites-enabled/*;"), .ready = true,
     .site = "server block a.test @/sites-enabled/a:1 @/a.pem @/a.key - on 127.0.0.1:443", .why = "leaves: -"},
    {.name = "a directive without its value",
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test; ssl_certificate; }"),
     .error = "nginx.conf:3: 'ssl_certificate' takes one path"},
    {.name = "an unclosed block", .conf = "http { server {", .error = "is not closed"},
    /* clang-format on */
};

/* "@" replaced by the folder. */
static void expand(const struct site *site, const char *text, char *ret, size_t size)
{
    size_t n = 0;

    for (; *text != '\0' && n + 1 < size; text++)
        n += (size_t)(*text == '@' ? snprintf(ret + n, size - n, "%s", site->dir)
                                   : snprintf(ret + n, size - n, "%c", *text));
    ret[n] = '\0';
}

static void write_certificate(const struct site *site, const char *name, const char *type)
{
    char command[400];

    (void)snprintf(command, sizeof command,
                   "openssl req -x509 -newkey %s -nodes -keyout /dev/null -out %s -subj /CN=x "
                   "2>/dev/null",
                   type, site_path(site, name));
    assert_int_equal(system(command), 0);
}

static void write_ready(const struct site *site)
{
    assert_int_equal(mkdir(site_path(site, "sites-available"), 0755), 0);
    assert_int_equal(mkdir(site_path(site, "sites-enabled"), 0755), 0);
    site_text(site, "sites-available/a",
              "server { listen 443 ssl; server_name a.test; " PAIR("a") " }");
    site_text(site, "sites-available/b",
              "server { listen 443 ssl; server_name b.test; include c; }"
              "server { listen 80; server_name b.test; }");
    site_text(site, "sites-available/broken", "server {");
    site_text(site, "c", PAIR("b"));
    assert_int_equal(symlink("../sites-available/a", site_path(site, "sites-enabled/a")), 0);
}

static void check_ready(const struct site *site)
{
    char want[512];

    expand(site, "server block b.test @/sites-available/b:1 @/b.pem @/b.key - ready", want,
           sizeof want);
    assert_string_equal(site->job.sites[1], want);
    assert_string_equal(site->job.verdicts[1],
                        "leaves: not enabled: nothing that nginx reads leads to it");
    assert_non_null(strstr(site->job.verdicts[2], "leaves: not enabled"));
    assert_true(test_job_noted(
        &site->job, "sites-available/broken' is not enabled, and its sites are not shown"));
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct test_job *job = NULL;
    struct site site;
    char want[512];

    site_make(&site);
    site_text(&site, "nginx.conf", row->conf);
    if (row->ready)
        write_ready(&site);
    if (row->key_type != NULL) {
        write_certificate(&site, "rsa.pem", "rsa:2048");
        write_certificate(&site, "ec.pem", "ec -pkeyopt ec_paramgen_curve:P-256");
    }
    job = &site.job;
    job->plugin = &ecert_plugin;
    job->settings = site.settings;
    job->leaf = (struct ecert_leaf_facts){
        .size = sizeof job->leaf, .key_type = row->key_type == NULL ? "rsa" : row->key_type};
    const enum ecert_status status =
        ecert_plugin.discover(&test_host, (struct ecert_job *)job, &site.err);
    if (row->error != NULL) {
        assert_int_equal(status, ECERT_E_CONFIG);
        if (strstr(site.err.text, row->error) == NULL)
            fail_msg("'%s' lacks '%s'", site.err.text, row->error);
        site_remove(&site);
        return;
    }
    if (status != ECERT_OK)
        fail_msg("%s", site.err.text);
    assert_int_equal(job->n_sites, row->n_sites);
    if (row->ready)
        check_ready(&site);
    else
        assert_int_equal(job->n_notes, strstr(row->name, "left out") != NULL);
    if (job->n_notes > 0 && !row->ready)
        assert_true(test_job_noted(job, "3 names of sites are no host name"));
    assert_int_equal(job->n_files + job->n_tests + job->n_activations + job->n_probes, 0);
    if (row->site != NULL) {
        expand(&site, row->site, want, sizeof want);
        assert_string_equal(job->sites[0], want);
    }
    if (row->why != NULL) {
        expand(&site, row->why, want, sizeof want);
        assert_string_equal(job->verdicts[0], want);
    }
    site_remove(&site);
}

/* "example.test", then 9,000 more in one server block. */
static void write_many_names(const struct site *site)
{
    char *conf = calloc(9100, 16);
    size_t len = 0;

    assert_non_null(conf);
    len += (size_t)sprintf(conf, "http {\nserver { listen 443 ssl; server_name example.test");
    for (unsigned i = 0; i < 9000; i++)
        len += (size_t)sprintf(conf + len, " n%u.test", i);
    len += (size_t)sprintf(conf + len, "; }\n}\n");
    site_write(site, "nginx.conf", conf, len);
    free(conf);
}

static void more_names_than_a_site_takes_are_cut(void **state)
{
    static const char note[] = "nginx.conf:2: of the 9001 names of the server block the first 8192 "
                               "are told";
    struct site site;

    (void)state;
    site_make(&site);
    write_many_names(&site);
    site.job.plugin = &ecert_plugin;
    site.job.settings = site.settings;
    site.job.leaf = (struct ecert_leaf_facts){.size = sizeof site.job.leaf, .key_type = "rsa"};
    assert_int_equal(ecert_plugin.discover(&test_host, (struct ecert_job *)&site.job, &site.err),
                     ECERT_OK);
    assert_int_equal(site.job.n_sites, 1);
    assert_true(test_job_noted(&site.job, note));
    assert_null(strstr(site.job.sites[0], "n8191.test"));
    site_remove(&site);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 1] = {0};

    tests[TEST_ADD_ROWS(tests, check_row, rows)] =
        (struct CMUnitTest)cmocka_unit_test(more_names_than_a_site_takes_are_cut);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
