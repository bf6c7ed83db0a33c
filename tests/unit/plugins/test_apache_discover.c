/* Which pair each virtual host has at present, as `ecert adopt` wants to know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/test_rows.h"
#include "tests/unit/plugins/test_apache_server.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HEAD "<VirtualHost *:18443>\nServerName www.example.test\n"
#define ON   "SSLEngine on\n"
#define RSA  "SSLCertificateFile @/old/rsa.pem\nSSLCertificateKeyFile @/old/rsa.key\n"
#define EC   "SSLCertificateFile @/old/ec.pem\nSSLCertificateKeyFile @/old/ec.key\n"
#define TAIL "</VirtualHost>\n"

static struct test_server server;

/* clang-format off */
static const struct row {
    const char *name;
    const char *site;     /* what stands in site.conf */
    const char *want;     /* of www.example.test; NULL: there is none */
    const char *key_type; /* NULL: rsa */
    size_t n_sites;
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
};
/* clang-format on */

static void check_row(void **state)
{
    const struct row *row = *state;
    char *want = row->want == NULL ? NULL : test_server_text(&server, row->want);
    struct ecert_error err = {0};
    struct test_job job = {0};

    test_server_write(&server, "site.conf", row->site);
    test_server_job(&server, &job);
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
    free(want);
    test_job_clear(&job);
}

static int make(void **state)
{
    (void)state;
    return test_server_make(&server) ? 0 : -1;
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
