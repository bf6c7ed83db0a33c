/* Which virtual hosts the apache plugin takes, what it refuses, and the records after the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plugins/test_apache_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HEAD "<VirtualHost *:18443>\n    ServerName www.example.test\n"
#define ON   "    SSLEngine on\n"
#define OLD  "    SSLCertificateFile @/old/rsa.pem\n    SSLCertificateKeyFile @/old/rsa.key\n"
#define EC   "    SSLCertificateFile @/old/ec.pem\n    SSLCertificateKeyFile @/old/ec.key\n"
#define FULL "    SSLCertificateFile @/old/full.pem\n    SSLCertificateKeyFile @/old/rsa.key\n"
#define TAIL "</VirtualHost>\n"

static const char *const www[] = {"www.example.test", NULL};
static const char *const www_and_shop[] = {"www.example.test", "shop.example.test", NULL};

static struct test_server server;

/* clang-format off */
static const struct row {
    const char *name;
    const char *site;
    const char *error;  /* words of it; NULL: a plan is made */
    const char *error2; /* further words */
    const char *left;   /* words of the reason of a site that is left; NULL: there is none */
    size_t n_files;
    const char *const *server_names;
    const char *snippet;
    size_t drop; /* 1 + a material that the target does not get */
    const char *option; /* a further word of the command */
    bool encrypted; /* the key */
} rows[] = {
    {.name = "nothing there", .site = "",
     .error = "no virtual host found for 'www.example.test', 'example.test', '*.wild.test', of 0",
     .error2 = "ServerName"},
    {.name = "other names only", .site = "<VirtualHost *:18443>\nServerName a.test\n" ON OLD TAIL,
     .error = "of 1 that the server named"},
    {.name = "a plain host is left alone",
     .site = HEAD ON OLD TAIL "<VirtualHost *:80>\nServerName www.example.test\n" TAIL,
     .left = "leaves: it is plain HTTP (port 80", .n_files = 1},
    {.name = "only a plain host", .site = "<VirtualHost *:80>\nServerName www.example.test\n" TAIL,
     .error = "no TLS virtual host found for", .error2 = "plain HTTP", .left = "plain HTTP"},
    {.name = "SSLEngine off is left alone",
     .site = HEAD ON OLD TAIL "<VirtualHost *:443>\nServerName www.example.test\nSSLEngine off\n"
             OLD TAIL, .left = "it says SSLEngine off", .n_files = 1},
    {.name = "neither port nor directive",
     .site = HEAD TAIL, .error = "it has neither SSLEngine on, nor port 443",
     .left = "neither"},
    {.name = "a name that is not covered, by default",
     .site = HEAD " ServerAlias other.test third.test\n" ON OLD TAIL
             "<VirtualHost *:18443>\nServerName example.test\n" ON OLD TAIL,
     .left = "does not cover 'other.test', 'third.test'", .n_files = 1},
    {.name = "a name that is not covered, explicit",
     .site = HEAD " ServerAlias other.test\n" ON OLD TAIL, .server_names = www,
     .error = "the certificate does not cover 'other.test' of the virtual host"},
    {.name = "an explicit name that is not found", .site = HEAD ON OLD TAIL,
     .server_names = www_and_shop, .error = "no virtual host found for 'shop.example.test', of 1"},
    {.name = "an explicit name", .site = HEAD ON OLD TAIL, .server_names = www, .n_files = 1},
    {.name = "a wild alias", .n_files = 1,
     .site = "<VirtualHost *:18443>\nServerName example.test\nServerAlias *.wild.test\n" ON OLD TAIL},
    {.name = "a shared included file", .site = HEAD ON " Include sites/snippet.conf\n" TAIL
     "<VirtualHost *:18443>\nServerName b.test\n" ON " Include sites/snippet.conf\n" TAIL,
     .snippet = OLD, .error = "/sites/snippet.conf' line 1 sets",
     .error2 = "for other virtual hosts too; take it out of that file and write "},
    {.name = "a macro", .site = "<Macro VH $name>\n<VirtualHost *:18443>\nServerName $name\n" ON OLD
     TAIL "</Macro>\nUse VH www.example.test\n",
     .error = "macros are not edited: write \"SSLEngine on\"", .error2 = "macro 'vh' (defined on line 1"},
    {.name = "a macro that is right",
     .site = "<Macro VH $name>\n<VirtualHost *:18443>\nServerName $name\n" ON
     "SSLCertificateFile @/live/fullchain.pem\nSSLCertificateKeyFile @/live/privkey.pem\n"
     TAIL "</Macro>\nUse VH www.example.test\n"},
    {.name = "a macro whose Use has the right files",
     .site = "<Macro VH $name $c ${k}>\n<VirtualHost *:18443>\nServerName $name\n" ON
     "SSLCertificateFile $c.pem\nSSLCertificateKeyFile \"${k}\"\n" TAIL "</Macro>\n"
     "Use VH b.test @/old/rsa @/old/rsa.key\nUse VH www.example.test \\\n@/live/fullchain @/live/privkey.pem\n"},
    {.name = "a macro that makes others too", .site = "<Macro VH $name $c>\n<VirtualHost *:18443>\n"
     "ServerName $name\n" ON "SSLCertificateFile $c.pem\nSSLCertificateKeyFile $c.key\n" TAIL "</Macro>\n"
     "Use VH b.test @/old/rsa\nUse VH www.example.test @/old/rsa\n",
     .error = "is made by a macro 'vh' (defined on line 1 of \"", .error2 = "of other names too, so give this name"},
    {.name = "a nested macro, used in an included file", .snippet = "Use OUTER www.example.test\n",
     .site = "<Macro INNER $n>\n<VirtualHost *:18443>\nServerName $n\n" ON OLD TAIL "</Macro>\n"
     "<Macro OUTER $n>\nUse INNER $n\n</Macro>\nInclude @/sites/snippet.conf\n",
     .error = "macros are not edited: write \"SSLEngine on\"", .error2 = "/sites/snippet.conf\"\":1; macros"},
    {.name = "a macro before an Include does not hide it",
     .site = "<Macro INC $name>\n\n\n\n\n\n\n\n\n\n\n\nInclude @/live/empty.conf\n</Macro>\n"
     "Use INC a\n" HEAD "Include sites/snippet.conf\n" TAIL,
     .snippet = ON "SSLCertificateFile @/live/fullchain.pem\n"
                "SSLCertificateKeyFile @/live/privkey.pem\n"},
    {.name = "two pairs, none of our type", .site = HEAD ON EC EC TAIL,
     .error = "none of them names a certificate with a key of type 'rsa'"},
    {.name = "two pairs at the server level", .site = OLD EC HEAD ON OLD TAIL,
     .error = "is for all virtual hosts", .error2 = "/site.conf' line 3"},
    {.name = "fewer keys than certificates",
     .site = HEAD ON " SSLCertificateFile @/old/ec.pem\n SSLCertificateFile @/old/rsa.pem\n" TAIL,
     .error = "fewer SSLCertificateKeyFile than SSLCertificateFile"},
    {.name = "a chain file that another pair needs",
     .site = HEAD ON OLD EC " SSLCertificateChainFile @/old/rsa.pem\n" TAIL,
     .error = "holds the chain of '", .error2 = "line 8"},
    {.name = "a broken configuration", .site = HEAD ON "  SSLEngine sideways\n" OLD TAIL,
     .error = "the server's configuration is broken: /usr/sbin/apache2 -t says (exit code 1): AH00526: "
              "Syntax error on line 4 of ", .error2 = "Argument must be On or Off"},
    {.name = "no mod_ssl", .site = HEAD ON OLD TAIL, .option = "-DNOSSL",
     .error = "Invalid command 'SSLEngine'", .error2 = "; mod_ssl is not loaded: write \"LoadModule ssl_module /usr/lib/"},
    {.name = "no chain", .site = HEAD ON OLD TAIL, .drop = 1 + ECERT_MATERIAL_FULLCHAIN,
     .error = "the target's 'files' name no complete chain"},
    {.name = "an encrypted key, no dialog", .site = HEAD ON OLD TAIL, .encrypted = true,
     .error = "the key of 'www.example.test' is encrypted, and the server could not open it: write "
              "\"SSLPassPhraseDialog exec:PROGRAM\"", .error2 = "outside of every <VirtualHost>"},
    {.name = "an encrypted key, the terminal is asked",
     .site = "SSLPassPhraseDialog builtin\n" HEAD ON OLD TAIL, .encrypted = true,
     .error = "could not open it (it has 'builtin'): write"},
    {.name = "an encrypted key, a program", .n_files = 1, .encrypted = true,
     .site = "SSLPassPhraseDialog \"exec:/bin/echo\"\n" HEAD ON OLD TAIL},
    {.name = "an encrypted key, a pipe", .n_files = 1, .encrypted = true,
     .site = "sslpassphrasedialog |/bin/cat\n" HEAD ON OLD TAIL},
    {.name = "an encrypted key that is not placed", .site = HEAD ON OLD TAIL, .encrypted = true,
     .drop = 1 + ECERT_MATERIAL_KEY, .n_files = 1},
    {.name = "a key that is not ours to set stays", .site = HEAD ON OLD TAIL,
     .drop = 1 + ECERT_MATERIAL_KEY, .n_files = 1},
    {.name = "no key at all", .site = HEAD ON TAIL, .drop = 1 + ECERT_MATERIAL_KEY,
     .error = "names no SSLCertificateKeyFile; add 'key'"},
};
/* clang-format on */

static bool is_left(const struct test_job *job, const char *words)
{
    for (size_t i = 0; i < job->n_sites; i++)
        if (strncmp(job->verdicts[i], "leaves: ", 8) == 0 &&
            strstr(job->verdicts[i], words) != NULL)
            return true;
    return false;
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct test_job job;
    struct ecert_error err = {0};

    test_server_write(&server, "site.conf", row->site);
    test_server_write(&server, "sites/snippet.conf", row->snippet != NULL ? row->snippet : "");
    test_server_write(&server, "live/empty.conf", "");
    test_server_job(&server, &job);
    job.server_names = row->server_names;
    job.key_is_encrypted = row->encrypted;
    server.command[3] = row->option;
    if (row->drop == 1 + ECERT_MATERIAL_FULLCHAIN)
        job.paths[ECERT_MATERIAL_CHAIN] = NULL;
    if (row->drop != 0)
        job.paths[row->drop - 1] = NULL;

    const enum ecert_status status = ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err);
    if (row->error == NULL && status != ECERT_OK)
        fail_msg("%s", err.text);
    if (row->error != NULL) {
        assert_int_not_equal(status, ECERT_OK);
        if (strstr(err.text, row->error) == NULL ||
            (row->error2 != NULL && strstr(err.text, row->error2) == NULL))
            fail_msg("%s", err.text);
        assert_int_equal(job.n_activations, 0);
    } else {
        assert_int_equal(job.n_activations, 1);
    }
    assert_int_equal(job.n_files, row->n_files);
    assert_int_equal(job.n_notes, 0);
    if (row->left != NULL && !is_left(&job, row->left))
        fail_msg("%s", job.n_sites > 0 ? job.verdicts[0] : "no site");
    test_job_clear(&job);
}

/* ---- everywhere_it_was ------------------------------------------------------------------------
 */

#define HOST(name, pair) "<VirtualHost *:18443>\nServerName " name "\nSSLEngine on\n" pair TAIL
#define LIVE                                      \
    "SSLCertificateFile @/live/./fullchain.pem\n" \
    "SSLCertificateKeyFile @/live/privkey.pem\n"

/* clang-format off */
static const struct where_row {
    const char *name;
    const char *site;
    bool off;            /* everywhere_it_was is not set */
    bool replaced;       /* the thumbprint of old/rsa.pem is known as that which is replaced */
    const char *want;    /* "NAME VERDICT" of each site, in the order of the file; NULL: not looked at */
    const char *error;   /* words of it; NULL: a plan is made */
    const char *const *server_names;
} where_rows[] = {
    {.name = "the certificate of a host that its name took", .want =
     "www.example.test takes: it has the name 'www.example.test'; "
     "a.wild.test takes: it uses the same certificate as a virtual host with the target's names; "
     "b.test leaves: it has none of the target's names; ",
     .site = HOST("www.example.test", OLD) HOST("a.wild.test", OLD) HOST("b.test", EC)},
    {.name = "the target's own path", .want =
     "www.example.test takes: it has the name 'www.example.test'; "
     "a.wild.test takes: it uses the target's own file; ",
     .site = HOST("www.example.test", OLD) HOST("a.wild.test", LIVE)},
    {.name = "one found in any way is enough", .replaced = true, .want =
     "a.wild.test takes: it uses the certificate that is replaced; "
     "b.wild.test leaves: it has none of the target's names; ",
     .site = HOST("a.wild.test", OLD) HOST("b.wild.test", EC)},
    {.name = "inherited from the server level", .replaced = true, .want =
     "a.wild.test takes: it uses the certificate that is replaced; "
     "b.wild.test leaves: it has none of the target's names; ",
     .site = OLD HOST("a.wild.test", "") HOST("b.wild.test", EC)},
    {.name = "of two pairs the one of our type", .replaced = true, .want =
     "a.wild.test takes: it uses the certificate that is replaced; ",
     .site = HOST("a.wild.test", EC OLD)},
    {.name = "of two pairs the one that is replaced, not the one of our type", .replaced = true, .want =
     "a.wild.test takes: it uses the certificate that is replaced; ",
     .site = HOST("a.wild.test", FULL OLD)},
    {.name = "a pair of our type behind it would be served", .replaced = true, .want =
     "a.wild.test takes: it uses the certificate that is replaced; ",
     .site = HOST("a.wild.test", OLD FULL),
     .error = "has a second certificate with a key of type 'rsa', '@/old/full.pem' in '@/site.conf' line"},
    {.name = "a plain one is left", .replaced = true, .want =
     "www.example.test takes: it has the name 'www.example.test'; "
     "a.wild.test leaves: it says SSLEngine off; ",
     .site = HOST("www.example.test", OLD) HOST("a.wild.test", "SSLEngine off\n" OLD)},
    {.name = "nothing is known to be replaced, and no name is found", .site = HOST("a.wild.test", OLD),
     .want = "a.wild.test leaves: it has none of the target's names; ", .error = "no virtual host found for"},
    {.name = "names that are not covered are refused, all of them", .replaced = true, .want =
     "www.example.test takes: it has the name 'www.example.test'; "
     "a.test refuses: it uses the certificate that is replaced, and the certificate does not cover 'a.test', 'b.test'; "
     "x.wild.test takes: it uses the certificate that is replaced; "
     "example.test refuses: it uses the certificate that is replaced, and the certificate does not cover 'c.test'; ",
     .site = HOST("www.example.test", OLD) HOST("a.test\nServerAlias b.test x.wild.test", OLD)
     HOST("x.wild.test", OLD) HOST("example.test\nServerAlias c.test", OLD),
     .error = "not cover: @/site.conf:7 ('a.test', 'b.test') and others, which are listed below; give"},
    {.name = "not set: it is left, and told", .off = true, .replaced = true, .want =
     "www.example.test takes: it has the name 'www.example.test'; "
     "a.wild.test leaves: it has none of the target's names, but it uses the certificate that is replaced:"
     " with \"everywhere_it_was = true\" it is taken too; "
     "b.wild.test leaves: it has none of the target's names, but it uses the target's own file:"
     " with \"everywhere_it_was = true\" it is taken too; ",
     .site = HOST("www.example.test", OLD) HOST("a.wild.test", OLD) HOST("b.wild.test", LIVE)},
    {.name = "not set, first deployment: none of the names", .off = true, .want =
     "www.example.test takes: it has the name 'www.example.test'; "
     "a.wild.test leaves: it has none of the target's names; ",
     .site = HOST("www.example.test", OLD) HOST("a.wild.test", OLD)},
    {.name = "explicit names must each be found", .server_names = www_and_shop, .replaced = true,
     .want = "www.example.test takes: it has the name 'www.example.test'; "
     "a.wild.test takes: it uses the certificate that is replaced; ",
     .site = HOST("www.example.test", OLD) HOST("a.wild.test", OLD),
     .error = "no virtual host found for 'shop.example.test', of 2"},
    {.name = "another file with the same leaf", .replaced = true, .want =
     "a.wild.test takes: it uses the certificate that is replaced; ",
     .site = HOST("a.wild.test", "SSLCertificateFile @/old\\\n/./copy.pem\nSSLCertificateKeyFile @/old/rsa.key\n")},
};
/* clang-format on */

static void check_where(void **state)
{
    const struct where_row *row = *state;
    const struct test_setting settings[] = {
        {.name = "command", .list = server.command},
        {.name = "everywhere_it_was", .value = row->off ? "false" : "true"},
        {.name = NULL},
    };
    struct test_job job;
    struct ecert_error err = {0};
    char *error = row->error == NULL ? NULL : test_server_text(&server, row->error);
    char found[2048] = "";
    size_t len = 0;

    test_server_write(&server, "site.conf", row->site);
    test_server_job(&server, &job);
    server.command[3] = NULL;
    job.settings = settings;
    job.server_names = row->server_names;
    job.leaf.replaced_sha1 = row->replaced ? test_server_old_sha1() : NULL;
    const enum ecert_status status = ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err);
    for (size_t i = 0; i < job.n_sites; i++)
        len += (size_t)snprintf(found + len, sizeof found - len, "%.*s %s; ",
                                (int)strcspn(job.sites[i] + strlen("virtual host "), ", "),
                                job.sites[i] + strlen("virtual host "), job.verdicts[i]);
    if (error == NULL && status != ECERT_OK)
        fail_msg("%s", err.text);
    assert_string_equal(found, row->want);
    if (error != NULL && (status == ECERT_OK || strstr(err.text, error) == NULL))
        fail_msg("%s", err.text);
    if (error != NULL)
        assert_int_equal(job.n_files + job.n_activations, 0);
    free(error);
    test_job_clear(&job);
}

static void check_list(char **found, const char *const *want)
{
    size_t i = 0;

    for (; want[i] != NULL; i++)
        assert_string_equal(found[i], want[i]);
    assert_null(found[i]);
}

static void the_records_after_the_files(void **state)
{
    const char *const test[] = {APACHE, "-f", server.main_file, "-t", NULL};
    const char *const reload[] = {APACHE, "-f", server.main_file, "-k", "graceful", NULL};
    const char *const start[] = {APACHE, "-f", server.main_file, "-k", "start", NULL};
    char *pid_file = test_server_text(&server, "@/run/httpd.pid");
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    test_server_write(&server, "site.conf", HEAD ON OLD TAIL);
    test_server_job(&server, &job);
    assert_int_equal(ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err), ECERT_OK);
    assert_int_equal(job.n_tests, 1);
    check_list(job.test_argv, test);
    assert_null(job.test_scratch);
    check_list(job.reload, reload);
    check_list(job.start, start);
    assert_string_equal(job.service, "apache2.service");
    assert_string_equal(job.executable, APACHE);
    assert_string_equal(job.pid_file, pid_file);
    test_job_clear(&job);
    free(pid_file);
}

static void settings_win(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};
    const struct test_setting settings[] = {
        {.name = "command", .list = server.command},
        {.name = "service", .value = "web.service"},
        {.name = "pid_file", .value = "/run/web.pid"},
        {.name = NULL},
    };

    (void)state;
    test_server_write(&server, "site.conf", HEAD ON OLD TAIL);
    test_server_job(&server, &job);
    job.settings = settings;
    assert_int_equal(ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err), ECERT_OK);
    assert_string_equal(job.service, "web.service");
    assert_string_equal(job.pid_file, "/run/web.pid");
    test_job_clear(&job);
}

/* Debian's control script, by the settings' default word. */
static void through_apachectl(void **state)
{
    const char *const command[] = {"/usr/sbin/apachectl", "-f", server.main_file, NULL};
    const struct test_setting settings[] = {{.name = "command", .list = command}, {.name = NULL}};
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    if (access(command[0], X_OK) != 0)
        skip();
    test_server_write(&server, "site.conf", HEAD ON OLD TAIL);
    test_server_job(&server, &job);
    job.settings = settings;
    if (ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(job.n_files, 1);
    assert_string_equal(job.reload[0], command[0]);
    assert_string_equal(job.reload[3], "-k");
    assert_string_equal(job.executable, APACHE);
    assert_string_equal(job.service, "apache2.service");
    test_job_clear(&job);
}

/* "ADDRESS PORT NAME" of each probe, in the server's order. */
static const struct probe_row {
    const char *name;
    const char *site;
    const char *want;
} probe_rows[] = {
    {"a wildcard address", HEAD ON OLD TAIL, "127.0.0.1 18443 www.example.test; "},
    {"a Listen with an address",
     "Listen 127.0.0.2:18444\n<VirtualHost *:18444>\n"
     "ServerName example.test\n" ON OLD TAIL,
     "127.0.0.2 18444 example.test; "},
    {"a Listen by a Define",
     "Define PORT 18445\nListen [::1]:${PORT}\n<VirtualHost *:${PORT}>\n"
     "ServerName example.test\n" ON OLD TAIL,
     "::1 18445 example.test; "},
    {"one address", "<VirtualHost 127.0.0.9:18443>\nServerName example.test\n" ON OLD TAIL,
     "127.0.0.9 18443 example.test; "},
    {"IPv6; the server calls [::] \"*\"",
     "<VirtualHost [::1]:18443 [::]:18444>\nServerName example.test\n" ON OLD TAIL,
     "::1 18443 example.test; 127.0.0.1 18444 example.test; "},
    {"_default_ and any port", "<VirtualHost _default_:*>\nServerName example.test\n" ON OLD TAIL,
     "127.0.0.1 443 example.test; "},
    {"a wild alias",
     "<VirtualHost *:443>\nServerName a.wild.test\nServerAlias *.wild.test\n" ON OLD TAIL,
     "127.0.0.1 443 www.wild.test; "},
    {"port 80 beside 443", "<VirtualHost *:80 *:443>\nServerName example.test\n" ON OLD TAIL,
     "127.0.0.1 443 example.test; "},
    {"two hosts", HEAD ON OLD TAIL "<VirtualHost *:18443>\nServerName example.test\n" ON OLD TAIL,
     "127.0.0.1 18443 www.example.test; 127.0.0.1 18443 example.test; "},
};

static void check_probes(void **state)
{
    const struct probe_row *row = *state;
    struct test_job job;
    struct ecert_error err = {0};
    char found[512] = "";
    size_t len = 0;

    test_server_write(&server, "site.conf", row->site);
    test_server_job(&server, &job);
    server.command[3] = NULL;
    if (ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < job.n_probes; i++)
        len +=
            (size_t)snprintf(found + len, sizeof found - len, "%s %u %s; ", job.probes[i].address,
                             job.probes[i].port, job.probes[i].server_name);
    assert_string_equal(found, row->want);
    test_job_clear(&job);
}

static void a_command_that_is_no_server(void **state)
{
    const char *const command[] = {"/bin/true", NULL};
    const struct test_setting settings[] = {{.name = "command", .list = command}, {.name = NULL}};
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    test_server_job(&server, &job);
    job.settings = settings;
    assert_int_equal(ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err),
                     ECERT_E_COMMAND);
    assert_non_null(strstr(err.text, "names no configuration file"));
    test_job_clear(&job);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + COUNT(probe_rows) + COUNT(where_rows) + 4] = {
        cmocka_unit_test(the_records_after_the_files),
        cmocka_unit_test(settings_win),
        cmocka_unit_test(a_command_that_is_no_server),
        cmocka_unit_test(through_apachectl),
    };
    size_t n = 4;

    if (!test_server_make(&server)) {
        (void)fprintf(stderr, "skipped: there is no %s\n", APACHE);
        return 77;
    }
    for (size_t i = 0; i < COUNT(rows); i++)
        tests[n++] = (struct CMUnitTest){.name = rows[i].name,
                                         .test_func = check_row,
                                         .initial_state = (void *)(uintptr_t)&rows[i]};
    for (size_t i = 0; i < COUNT(where_rows); i++)
        tests[n++] = (struct CMUnitTest){.name = where_rows[i].name,
                                         .test_func = check_where,
                                         .initial_state = (void *)(uintptr_t)&where_rows[i]};
    for (size_t i = 0; i < COUNT(probe_rows); i++)
        tests[n++] = (struct CMUnitTest){.name = probe_rows[i].name,
                                         .test_func = check_probes,
                                         .initial_state = (void *)(uintptr_t)&probe_rows[i]};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_server_remove(&server);
    return failed;
}
