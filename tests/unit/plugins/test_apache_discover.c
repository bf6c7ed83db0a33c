/* Which pair each virtual host has at present, as `ecert adopt` wants to know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/test_rows.h"
#include "tests/unit/plugins/test_apache_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HEAD "<VirtualHost *:18443>\nServerName www.example.test\n"
#define ON   "SSLEngine on\n"
#define RSA  "SSLCertificateFile @/old/rsa.pem\nSSLCertificateKeyFile @/old/rsa.key\n"
#define EC   "SSLCertificateFile @/old/ec.pem\nSSLCertificateKeyFile @/old/ec.key\n"
#define TAIL "</VirtualHost>\n"

static struct test_server server;
static char control[300]; /* FOLDER/apachectl */

/* clang-format off */
static const struct row {
    const char *name;
    const char *site;     /* what stands in site.conf */
    const char *want;     /* of www.example.test; NULL: there is none */
    const char *key_type; /* NULL: rsa */
    size_t n_sites;
    const char *available; /* what stands in sites-available/a.conf; NULL: nothing */
    const char *why;       /* "leaves: WHY" of www.example.test; NULL: not looked at */
    bool control;          /* by an apachectl with an "envvars" */
} rows[] = {
    {.name = "its own pair and aliases", .n_sites = 1,
     .site = HEAD "ServerAlias a.test *.b.test\n" ON RSA TAIL,
     .want = "virtual host www.example.test,a.test,*.b.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18443"},
    {.name = "a chain file, relative names, quotes and defines", .n_sites = 1,
     .site = "Define old \"@/old\"\n" HEAD ON "SSLCertificateFile \"${old}/rsa.pem\"\n"
             "SSLCertificateKeyFile old/rsa.key\nSSLCertificateChainFile old/full.pem\n" TAIL,
     .want = "virtual host www.example.test @/site.conf:2 @/old/rsa.pem @/old/rsa.key @/old/full.pem on 127.0.0.1:18443"},
    {.name = "inherited from the server level", .n_sites = 1,
     .site = RSA "SSLCertificateChainFile @/old/full.pem\n" HEAD ON TAIL,
     .want = "virtual host www.example.test @/site.conf:4 @/old/rsa.pem @/old/rsa.key @/old/full.pem on 127.0.0.1:18443"},
    {.name = "of two pairs the one of the key type", .n_sites = 1, .key_type = "ec", .site = HEAD ON RSA EC TAIL,
     .want = "virtual host www.example.test @/site.conf:1 @/old/ec.pem @/old/ec.key - on 127.0.0.1:18443"},
    {.name = "of two pairs the first otherwise", .n_sites = 1, .key_type = "other", .site = HEAD ON RSA EC TAIL,
     .want = "virtual host www.example.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18443"},
    {.name = "no certificate at all", .n_sites = 1, .site = HEAD TAIL,
     .want = "virtual host www.example.test @/site.conf:1 - - - off 127.0.0.1:18443"},
    {.name = "SSLEngine off", .n_sites = 1, .site = HEAD "SSLEngine off\n" RSA TAIL,
     .want = "virtual host www.example.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - off 127.0.0.1:18443"},
    {.name = "every virtual host, also plain ones", .n_sites = 3,
     .site = "<VirtualHost *:80>\nServerName www.example.test\n" TAIL
             "<VirtualHost *:18443>\nServerName shop.test\n" ON EC TAIL
             "<VirtualHost 127.0.0.1:18444>\nServerName c.test\nServerAlias d.test\n" ON RSA TAIL,
     .want = "virtual host www.example.test @/site.conf:1 - - - off 127.0.0.1:80"},
    {.name = "aliases that the server does not list", .n_sites = 1,
     .site = "<VirtualHost 127.0.0.1:18444>\nServerName www.example.test\nServerAlias d.test\n" ON RSA TAIL,
     .want = "virtual host www.example.test,d.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18444"},
    {.name = "names that are none are left out", .n_sites = 1,
     .site = "<VirtualHost 127.0.0.1:18444>\nServerName www.example.test\nServerAlias b\xff.test d.test\n" ON RSA TAIL,
     .want = "virtual host www.example.test,d.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18444"},
    {.name = "none", .site = "", .n_sites = 0},
    {.name = "one that is not enabled", .n_sites = 2,
     .site = "<VirtualHost *:18443>\nServerName shop.test\n" ON EC TAIL,
     .available = "Define D www\n<IfModule mod_ssl.c>\n<VirtualHost _default_:443 [::1]:444>\n"
     "ServerName https://www.example.test:443\nServerAlias a.test\n" ON RSA TAIL "</IfModule>\n"
     "<IfModule gnutls_module>\n<VirtualHost *:1>\n" TAIL "</IfModule>\n",
     .want = "virtual host www.example.test,a.test @/sites-available/a.conf:3 @/old/rsa.pem "
     "@/old/rsa.key - ready 127.0.0.1:443,::1:444",
     .why = "leaves: not enabled: nothing in sites-enabled leads to it"},
    {.name = "one that is enabled is told once", .n_sites = 1, .site = HEAD ON RSA TAIL,
     .available = HEAD ON RSA TAIL,
     .want = "virtual host www.example.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18443"},
    {.name = "one that is not enabled and never ends", .n_sites = 0, .site = "", .available = HEAD ON RSA},
    {.name = "plain ones say so", .n_sites = 1, .site = HEAD "SSLEngine off\n" TAIL,
     .want = "virtual host www.example.test @/site.conf:1 - - - off 127.0.0.1:18443",
     .why = "leaves: it says SSLEngine off"},
    {.name = "the main server", .n_sites = 1, .site = "ServerName https://www.example.test\n" ON RSA,
     .want = "main server www.example.test @/site.conf:3 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18443"},
    {.name = "a main server that no address reaches", .n_sites = 1, .site = ON RSA
     "<VirtualHost _default_:18443>\nServerName www.example.test\n" TAIL,
     .want = "virtual host www.example.test @/site.conf:4 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18443"},
    {.name = "a macro's hosts", .n_sites = 4,
     .site = "<Macro VH $name $pem>\n# c\n\n<VirtualHost *:18444>\nServerName plain.$name\n" TAIL
     "<VirtualHost \\\n *:18443>\nServerName $name\n" ON "SSLCertificateFile $pem\n"
     "SSLCertificateKeyFile @/old/rsa.key\n" TAIL "</Macro>\nUse VH www.example.test @/old/rsa.pem\n"
     "Use VH b.test @/old/rsa.pem\n",
     .want = "virtual host www.example.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18443"},
    {.name = "the environment of apachectl", .n_sites = 1, .control = true,
     .site = HEAD ON "SSLCertificateFile ${ECERT_FOLDER}/rsa.pem\nSSLCertificateKeyFile ${ECERT_FOLDER}/rsa.key\n" TAIL,
     .want = "virtual host www.example.test @/site.conf:1 @/old/rsa.pem @/old/rsa.key - on 127.0.0.1:18443"},
};
/* clang-format on */

static void check_row(void **state)
{
    const struct row *row = *state;
    char *want = row->want == NULL ? NULL : test_server_text(&server, row->want);
    struct ecert_error err = {0};
    struct test_job job = {0};

    test_server_write(&server, "site.conf", row->site);
    test_server_write(&server, "sites-available/a.conf",
                      row->available == NULL ? "" : row->available);
    test_server_write(&server, "envvars", "export ECERT_FOLDER=\"@/old\"\n");
    test_server_job(&server, &job);
    if (row->control)
        server.command[0] = control;
    job.leaf = (struct ecert_leaf_facts){.size = sizeof job.leaf,
                                         .key_type = row->key_type == NULL ? "rsa" : row->key_type};
    if (ecert_plugin.discover(&test_host, (struct ecert_job *)&job, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(job.n_sites, row->n_sites);
    assert_int_equal(job.n_notes, strstr(row->name, "left out") != NULL);
    if (job.n_notes > 0)
        assert_true(test_job_noted(&job, "1 name of a site is no host name"));
    assert_int_equal(job.n_files + job.n_tests + job.n_activations + job.n_probes, 0);
    if (want != NULL) {
        const char *site = test_job_site(&job, "www.example.test");
        assert_non_null(site);
        assert_string_equal(site, want);
    }
    if (row->why != NULL)
        assert_string_equal(test_job_verdict(&job, "www.example.test"), row->why);
    free(want);
    test_job_clear(&job);
}

static int make(void **state)
{
    (void)state;
    if (!test_server_make(&server))
        return -1;
    (void)snprintf(control, sizeof control, "%s/apachectl", server.folder);
    test_server_write(&server, "apachectl", "#!/bin/sh\n. \"@/envvars\"\nexec " APACHE " $*\n");
    return chmod(control, 0755);
}

static int clear(void **state)
{
    (void)state;
    test_server_remove(&server);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows)] = {0};

    (void)TEST_ADD_ROWS(tests, check_row, rows);
    return cmocka_run_group_tests(tests, make, clear);
}
