/* The virtual host for port 443 that `create = true` adds, as the real server's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/apache/module.h"
#include "tests/unit/plugins/test_apache_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PAIR                                        \
    "    SSLEngine on\n"                            \
    "    SSLCertificateFile @/live/fullchain.pem\n" \
    "    SSLCertificateKeyFile @/live/privkey.pem\n"
#define OLD  "SSLEngine on\nSSLCertificateFile @/old/rsa.pem\nSSLCertificateKeyFile @/old/rsa.key\n"
#define HEAD "<VirtualHost *:80>\n    ServerName www.example.test\n"
#define NEW  "\n<VirtualHost *:443>\n    ServerName www.example.test\n"
#define ROOT "    DocumentRoot @/live\n"
#define TAIL "</VirtualHost>\n"
#define L443 "Listen 443\n"

static const char *const explicit_names[] = {"www.example.test", "shop.example.test", NULL};

static struct test_server server;

/* clang-format off */
static const struct row {
    const char *name;
    const char *site;
    const char *want;   /* the site's file afterwards */
    const char *error, *error2; /* words of it */
    const char *note;   /* words of a note; NULL: there is none */
    const char *probes; /* NULL: not looked at */
    const char *snippet;
    const char *const *server_names;
    const char *option; /* a further word of the command */
    bool off;           /* `create` is not set */
    bool no_key;
} rows[] = {
    {.name = "the site, with a Listen behind the one for port 80",
     .site = "Listen 80\n# the site\n" HEAD ROOT TAIL "# end\n",
     .want = "Listen 80\n" L443 "# the site\n" HEAD ROOT TAIL NEW ROOT PAIR TAIL "# end\n",
     .probes = "127.0.0.1 443 www.example.test; "},
    {.name = "a Listen that is there", .site = L443 HEAD ROOT TAIL,
     .want = L443 HEAD ROOT TAIL NEW ROOT PAIR TAIL},
    {.name = "a Listen with a protocol, an address and an odd case",
     .site = "  lIsTeN\t127.0.0.3:80 http\n" HEAD TAIL,
     .want = "  lIsTeN\t127.0.0.3:80 http\n  lIsTeN\t127.0.0.3:443\n" HEAD TAIL NEW PAIR TAIL,
     .probes = "127.0.0.3 443 www.example.test; "},
    {.name = "each Listen for port 80, IPv4 and IPv6",
     .site = "Listen 0.0.0.0:80\nListen [::]:80\n" HEAD TAIL,
     .want = "Listen 0.0.0.0:80\nListen 0.0.0.0:443\nListen [::]:80\nListen [::]:443\n" HEAD TAIL
             NEW PAIR TAIL},
    {.name = "a Listen for each address",
     .site = "Listen [::1]:80\nListen 127.0.0.2:80\n<VirtualHost 127.0.0.2:80 [::1]:80>\n"
             "    ServerName www.example.test\n" TAIL,
     .want = "Listen [::1]:80\nListen [::1]:443\nListen 127.0.0.2:80\nListen 127.0.0.2:443\n"
             "<VirtualHost 127.0.0.2:80 [::1]:80>\n    ServerName www.example.test\n" TAIL
             "\n<VirtualHost 127.0.0.2:443 [::1]:443>\n    ServerName www.example.test\n" PAIR TAIL},
    {.name = "two sites, one Listen",
     .site = "Listen 80\n" HEAD TAIL "<VirtualHost *:80>\n    ServerName example.test\n" TAIL,
     .want = "Listen 80\n" L443 HEAD TAIL NEW PAIR TAIL "<VirtualHost *:80>\n    ServerName example.test\n"
             TAIL "\n<VirtualHost *:443>\n    ServerName example.test\n" PAIR TAIL,
     .probes = "127.0.0.1 443 www.example.test; 127.0.0.1 443 example.test; "},
    {.name = "a Listen by a Define", .site = "Define P 80\nListen ${P}\n" HEAD TAIL,
     .want = "Define P 80\nListen ${P}\n" L443 HEAD TAIL NEW PAIR TAIL},
    {.name = "a Listen for port 443 elsewhere, and one at the end of the file",
     .site = "<VirtualHost 127.0.0.2:80>\n    ServerName www.example.test\n" TAIL
             "Listen 127.0.0.2:80\nListen 127.0.0.1:443",
     .want = "<VirtualHost 127.0.0.2:80>\n    ServerName www.example.test\n" TAIL
             "\n<VirtualHost 127.0.0.2:443>\n    ServerName www.example.test\n" PAIR TAIL
             "Listen 127.0.0.2:80\nListen 127.0.0.1:443\nListen 127.0.0.2:443\n",
     .probes = "127.0.0.2 443 www.example.test; "},
    {.name = "no Listen at all", .site = HEAD TAIL, .error = "no Listen for port 80 was found"},
    {.name = "addresses: IPv4, IPv6, _default_, another port",
     .site = L443 "<VirtualHost 127.0.0.4:80 [::1]:80 _default_:80 127.0.0.4:8080>\n"
             "ServerName www.example.test\n" TAIL,
     .want = L443 "<VirtualHost 127.0.0.4:80 [::1]:80 _default_:80 127.0.0.4:8080>\n"
             "ServerName www.example.test\n" TAIL
             "\n<VirtualHost 127.0.0.4:443 [::1]:443 _default_:443>\n"
             "ServerName www.example.test\nSSLEngine on\nSSLCertificateFile @/live/fullchain.pem\n"
             "SSLCertificateKeyFile @/live/privkey.pem\n" TAIL},
    {.name = "addresses: a name and variables, quoted",
     .site = L443 "Define A 127.0.0.5\nDefine P 80\n<VirtualHost \"${A}:80\" 127.0.0.6:${P}>\n"
             "    ServerName www.example.test\n" TAIL,
     .want = L443 "Define A 127.0.0.5\nDefine P 80\n<VirtualHost \"${A}:80\" 127.0.0.6:${P}>\n"
             "    ServerName www.example.test\n" TAIL
             "\n<VirtualHost ${A}:443 127.0.0.6:443>\n    ServerName www.example.test\n" PAIR TAIL,
     .probes = "127.0.0.6 443 www.example.test; 127.0.0.5 443 www.example.test; "},
    {.name = "CRLF, tabs, and no line end at the end",
     .site = L443 "\t<VirtualHost *:80>\r\n\t\tServerName www.example.test\r\n\t</VirtualHost>",
     .want = L443 "\t<VirtualHost *:80>\r\n\t\tServerName www.example.test\r\n\t</VirtualHost>\r\n"
             "\r\n\t<VirtualHost *:443>\r\n\t\tServerName www.example.test\r\n\t\tSSLEngine on\r\n"
             "\t\tSSLCertificateFile @/live/fullchain.pem\r\n"
             "\t\tSSLCertificateKeyFile @/live/privkey.pem\r\n\t</VirtualHost>"},
    {.name = "what leads to https is left out, elsewhere it stays",
     .site = L443 HEAD ROOT "    # all of it\n    Redirect permanent / https://www.example.test/\n"
             "    Redirect /shop https://other.test/\n    RedirectMatch ^/(.*) https://example.test/$1\n"
             "    RedirectTemp /port https://www.example.test:8443/\n"
             "    <Location /x>\n        redirect permanent https://WWW.example.test/x\n    </Location>\n"
             "    ServerAlias example.test\n" TAIL,
     .want = L443 HEAD ROOT "    # all of it\n    Redirect permanent / https://www.example.test/\n"
             "    Redirect /shop https://other.test/\n    RedirectMatch ^/(.*) https://example.test/$1\n"
             "    RedirectTemp /port https://www.example.test:8443/\n"
             "    <Location /x>\n        redirect permanent https://WWW.example.test/x\n    </Location>\n"
             "    ServerAlias example.test\n" TAIL
             NEW ROOT "    # all of it\n    Redirect /shop https://other.test/\n"
             "    RedirectTemp /port https://www.example.test:8443/\n"
             "    <Location /x>\n    </Location>\n"
             "    ServerAlias example.test\n" PAIR TAIL,
     .note = "is without 'Redirect permanent / https://www.example.test/' (line 6), 'RedirectMatch"},
    {.name = "a RewriteRule goes with its conditions",
     .site = L443 HEAD ROOT "    RewriteEngine on\n    RewriteCond %{HTTPS} off\n"
             "    # and\n    RewriteCond %{HTTP_HOST} x\n"
             "    RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R,L]\n"
             "    RewriteCond %{HTTP_HOST} y\n    RewriteRule ^/a$ /b [L]\n" TAIL,
     .want = L443 HEAD ROOT "    RewriteEngine on\n    RewriteCond %{HTTPS} off\n"
             "    # and\n    RewriteCond %{HTTP_HOST} x\n"
             "    RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R,L]\n"
             "    RewriteCond %{HTTP_HOST} y\n    RewriteRule ^/a$ /b [L]\n" TAIL
             NEW ROOT "    RewriteEngine on\n    # and\n"
             "    RewriteCond %{HTTP_HOST} y\n    RewriteRule ^/a$ /b [L]\n" PAIR TAIL,
     .note = "'RewriteCond %{HTTPS} off' (line 6)"},
    {.name = "rules that are counted",
     .site = L443 HEAD ROOT "RewriteEngine on\nRewriteRule ^/a - [S=1]\n"
             "RewriteRule ^ https://www.example.test/\n" TAIL,
     .error = "a RewriteRule to https:// stands among others", .note = "is left alone"},
    {.name = "nothing but a redirection",
     .site = L443 HEAD "    Redirect / https://www.example.test/\n" TAIL,
     .error = "it does nothing but lead to https://", .error2 = "write it by hand, with \"SSLEngine on\""},
    {.name = "names that the certificate does not cover",
     .site = L443 HEAD "    ServerAlias a.test example.test \\\n      b.test\n    ServerAlias c.test\n" TAIL,
     .want = L443 HEAD "    ServerAlias a.test example.test \\\n      b.test\n    ServerAlias c.test\n" TAIL
             NEW "    ServerAlias example.test \\\n\n" PAIR TAIL,
     .note = "does not get the names 'a.test', 'b.test', 'c.test'"},
    {.name = "a ServerName that it does not cover",
     .site = L443 "<VirtualHost *:80>\nServerName a.test\nServerAlias www.example.test\n" TAIL,
     .error = "its ServerName 'a.test' is not covered by the certificate"},
    {.name = "a ServerName with a port",
     .site = L443 "<VirtualHost *:80>\n    ServerName http://www.example.test:80\n" TAIL,
     .want = L443 "<VirtualHost *:80>\n    ServerName http://www.example.test:80\n" TAIL NEW PAIR TAIL},
    {.name = "another virtual host has TLS for the name", .site = L443 HEAD TAIL
     "<VirtualHost *:443>\nServerName www.example.test\n" OLD TAIL,
     .want = L443 HEAD TAIL "<VirtualHost *:443>\nServerName www.example.test\nSSLEngine on\n"
             "SSLCertificateFile @/live/fullchain.pem\nSSLCertificateKeyFile @/live/privkey.pem\n" TAIL},
    {.name = "another one has it by a wild alias", .site = L443 HEAD TAIL
     "<VirtualHost *:443>\nServerName z.test\nServerAlias *.example.test\n" OLD TAIL,
     .error = "no TLS virtual host found", .error2 = "plain HTTP"},
    {.name = "an alias that has a virtual host of its own",
     .site = L443 "<VirtualHost *:443>\nServerName z.test\n" OLD TAIL
     "<VirtualHost *:443>\nServerName example.test\nSSLEngine on\n"
     "SSLCertificateFile @/live/fullchain.pem\nSSLCertificateKeyFile @/live/privkey.pem\n" TAIL
     HEAD "    ServerAlias example.test\n" TAIL,
     .want = L443 "<VirtualHost *:443>\nServerName z.test\n" OLD TAIL
     "<VirtualHost *:443>\nServerName example.test\nSSLEngine on\n"
     "SSLCertificateFile @/live/fullchain.pem\nSSLCertificateKeyFile @/live/privkey.pem\n" TAIL
     HEAD "    ServerAlias example.test\n" TAIL NEW PAIR TAIL,
     .note = "does not get the names 'example.test'"},
    {.name = "a ServerName that has one, and an alias that has none",
     .site = L443 "<VirtualHost *:443>\nServerName example.test\n" OLD TAIL
     "<VirtualHost *:80>\nServerName example.test\nServerAlias www.example.test\n" TAIL,
     .error = "its ServerName 'example.test' has a virtual host with TLS already"},
    {.name = "it would be the default server",
     .site = L443 HEAD TAIL "<VirtualHost *:443>\nServerName z.test\n" OLD TAIL,
     .error = "it would take the place of 'z.test' (", .error2 = "/site.conf:5) as the default server of *:443"},
    {.name = "another one stays the default server",
     .site = L443 "<VirtualHost _default_:443>\nServerName z.test\n" OLD TAIL HEAD TAIL,
     .want = L443 "<VirtualHost _default_:443>\nServerName z.test\n" OLD TAIL HEAD TAIL NEW PAIR TAIL},
    {.name = "it would hide others",
     .site = L443 "<VirtualHost *:443>\nServerName z.test\n" OLD TAIL
     "<VirtualHost 127.0.0.1:80>\nServerName www.example.test\n" TAIL,
     .error = "at 127.0.0.1:443 it would hide 'z.test'"},
    {.name = "it would be hidden",
     .site = L443 "<VirtualHost 127.0.0.1:443>\nServerName z.test\n" OLD TAIL HEAD TAIL,
     .error = "it would be hidden by 'z.test'"},
    {.name = "hidden for port 80 too",
     .site = L443 "<VirtualHost 127.0.0.1:443 127.0.0.1:80>\nServerName z.test\n" OLD TAIL HEAD TAIL,
     .want = L443 "<VirtualHost 127.0.0.1:443 127.0.0.1:80>\nServerName z.test\n" OLD TAIL HEAD TAIL
             NEW PAIR TAIL},
    {.name = "two for port 80", .site = L443 HEAD TAIL "<VirtualHost [::1]:80>\nServerName www.example.test\n" TAIL,
     .error = "/site.conf:5 has the name 'www.example.test' for port 80 too"},
    {.name = "made by a macro",
     .site = L443 "<Macro VH $n>\n<VirtualHost *:80>\nServerName $n\n" TAIL "</Macro>\nUse VH www.example.test\n",
     .error = "a macro makes it", .error2 = "(macro 'vh' (defined on line 2 of \""},
    {.name = "a macro within it", .site = L443 "<Macro X>\nRedirect / https://www.example.test/\n</Macro>\n"
     HEAD ROOT "Use X\n" TAIL, .error = "'Use' in '", .error2 = "line 8 may hold anything"},
    {.name = "in a file that is read twice", .snippet = HEAD TAIL,
     .site = L443 "Include @/sites/snippet.conf\nInclude @/sites/snip*.conf\n", .error = "the server reads the file more than once"},
    {.name = "an included file without a redirection", .snippet = ROOT,
     .site = L443 HEAD "    Include @/sites/snippet.conf\n" TAIL,
     .want = L443 HEAD "    Include @/sites/snippet.conf\n" TAIL NEW "    Include @/sites/snippet.conf\n"
             PAIR TAIL},
    {.name = "an included file with one", .snippet = "\nRedirect / https://www.example.test/\n",
     .site = L443 HEAD ROOT "    Include @/sites/snippet.conf\n" TAIL,
     .error = "/sites/snippet.conf' line 2 would lead to itself on port 443"},
    {.name = "an included file with a name that is not covered", .snippet = "ServerAlias a.test\n",
     .site = L443 HEAD "    Include @/sites/snippet.conf\n" TAIL,
     .error = "'ServerAlias' in '", .error2 = "would have to be another one"},
    {.name = "an included file with SSL directives", .snippet = "SSLEngine off\n",
     .site = L443 HEAD "    Include @/sites/snippet.conf\n" TAIL,
     .error = "a file that it includes sets SSL directives"},
    {.name = "SSLEngine off beside port 80", .site = L443 HEAD "    SSLEngine off\n" TAIL,
     .want = L443 HEAD "    SSLEngine off\n" TAIL NEW PAIR TAIL, .note = "'SSLEngine off' (line 4)"},
    {.name = "a chain of the server level",
     .site = L443 "SSLCertificateChainFile @/live/chain.pem\n" HEAD TAIL,
     .want = L443 "SSLCertificateChainFile @/live/chain.pem\n" HEAD TAIL NEW PAIR
             "    SSLCertificateChainFile @/live/fullchain.pem\n" TAIL},
    {.name = "sections are copied, what is not read too",
     .site = L443 HEAD "  <Directory @>\n    Options None\n    <IfModule none.c>\n      X\n    </IfModule>\n"
             "  </Directory>\n" TAIL,
     .want = L443 HEAD "  <Directory @>\n    Options None\n    <IfModule none.c>\n      X\n    </IfModule>\n"
             "  </Directory>\n" TAIL NEW "  <Directory @>\n    Options None\n    <IfModule none.c>\n      X\n"
             "    </IfModule>\n  </Directory>\n" PAIR TAIL},
    {.name = "an explicit name that has no virtual host", .site = L443 HEAD TAIL,
     .server_names = explicit_names, .error = "no virtual host found for 'shop.example.test'"},
    {.name = "no key to name", .site = L443 HEAD TAIL, .no_key = true, .error = "'files' name no key"},
    {.name = "off by default", .site = HEAD TAIL, .off = true,
     .error = "it is plain HTTP (port 80, no SSLEngine); with \"create = true\" in the target one for "
              "port 443 is added beside it"},
    {.name = "mod_ssl is not loaded", .site = L443 HEAD TAIL, .option = "-DNOSSL",
     .error = "mod_ssl is not loaded: write \"LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\" into '",
     .error2 = "the server has no TLS virtual host for 'www.example.test'"},
    {.name = "mod_ssl is not loaded, and nobody minds", .off = true, .option = "-DNOSSL",
     .site = "<IfModule mod_ssl.c>\nListen 443\n<VirtualHost *:443>\nServerName www.example.test\n"
             OLD TAIL "</IfModule>\n", .error = "mod_ssl is not loaded: "},
    {.name = "mod_ssl is not loaded, within the virtual host", .off = true, .option = "-DNOSSL",
     .site = "<VirtualHost *:443>\nServerName www.example.test\n<IfModule mod_ssl.c>\n"
             OLD "</IfModule>\n" TAIL, .error = "mod_ssl is not loaded: "},
};
/* clang-format on */

static void check_site(const struct row *row, const struct test_job *job)
{
    char *want = test_server_text(&server, row->want);
    const struct test_file *file = test_job_file(job, server.site_file);
    char probes[512] = "";
    size_t len = 0;

    if (file == NULL)
        fail_msg("nothing was changed");
    else if (file->len != strlen(want) || memcmp(file->content, want, file->len) != 0)
        fail_msg("%.*s", (int)file->len, (const char *)file->content);
    assert_int_equal(job->n_files, 1);
    for (size_t i = 0; i < job->n_probes; i++)
        len += (size_t)snprintf(probes + len, sizeof probes - len, "%s %u %s; ",
                                job->probes[i].address, job->probes[i].port,
                                job->probes[i].server_name);
    if (row->probes != NULL)
        assert_string_equal(probes, row->probes);
    test_server_write(&server, "site.conf", row->want);
    assert_true(test_server_accepts(&server));
    free(want);
}

static void make_job(const struct row *row, struct test_job *job, struct test_setting *settings)
{
    test_server_job(&server, job);
    server.command[3] = row->option;
    settings[0] = (struct test_setting){.name = "command", .list = server.command};
    settings[1] = row->off ? (struct test_setting){.name = NULL}
                           : (struct test_setting){.name = "create", .value = "true"};
    settings[2] = (struct test_setting){.name = NULL};
    job->settings = settings;
    job->server_names = row->server_names;
    if (row->no_key)
        job->paths[ECERT_MATERIAL_KEY] = NULL;
}

static const char *listeners = ""; /* what /proc/net/tcp has */

static enum ecert_status run(struct ecert_job *job, const char *const *argv,
                             struct ecert_command_result *ret, struct ecert_error *err)
{
    if (strcmp(argv[0], "/bin/cat") != 0)
        return test_host.run(job, argv, ret, err);
    assert_string_equal(argv[1], "/proc/net/tcp");
    *ret = (struct ecert_command_result){.out = {(const uint8_t *)listeners, strlen(listeners)}};
    return ECERT_OK;
}

static enum ecert_status plan(struct test_job *job, struct ecert_error *err)
{
    struct ecert_host host = test_host;

    host.run = run;
    return ecert_plugin.plan(&host, (struct ecert_job *)job, err);
}

/* What was added is found by the next plan, which has nothing to change. */
static void check_again(const struct row *row)
{
    struct test_setting settings[3];
    struct test_job job;
    struct ecert_error err = {0};

    make_job(row, &job, settings);
    if (plan(&job, &err) != ECERT_OK)
        fail_msg("again: %s", err.text);
    assert_int_equal(job.n_files, 0);
    assert_non_null(strstr(test_job_verdict(&job, "www.example.test"), ": it "));
    test_job_clear(&job);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct test_setting settings[3];
    struct test_job job;
    struct ecert_error err = {0};

    test_server_write(&server, "site.conf", row->site);
    test_server_write(&server, "sites/snippet.conf", row->snippet != NULL ? row->snippet : "");
    make_job(row, &job, settings);
    assert_true(test_server_accepts(&server));
    const enum ecert_status status = plan(&job, &err);
    if (row->error == NULL && status != ECERT_OK)
        fail_msg("%s", err.text);
    if (row->error != NULL) {
        assert_int_equal(status, ECERT_E_CONFIG);
        if (strstr(err.text, row->error) == NULL ||
            (row->error2 != NULL && strstr(err.text, row->error2) == NULL))
            fail_msg("%s", err.text);
        assert_int_equal(job.n_files, 0);
    } else {
        check_site(row, &job);
        assert_int_equal(job.n_notes, row->note != NULL ? 1 : 0);
        if (row->note != NULL && !test_job_noted(&job, row->note))
            fail_msg("%s", job.notes[0]);
    }
    test_job_clear(&job);
    if (row->error == NULL)
        check_again(row);
}

/* Two sites are told of: the one that is there, and the one that is added. */
static void what_is_added_is_a_site(void **state)
{
    const struct row row = {.site = L443 HEAD TAIL};
    struct test_setting settings[3];
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    test_server_write(&server, "site.conf", row.site);
    make_job(&row, &job, settings);
    assert_int_equal(plan(&job, &err), ECERT_OK);
    assert_int_equal(job.n_sites, 2);
    assert_string_equal(job.verdicts[0], "leaves: it is plain HTTP (port 80, no SSLEngine)");
    assert_string_equal(job.verdicts[1], "takes: added beside the one for port 80 (line 2)");
    assert_int_equal(job.n_runs, 1);
    test_job_clear(&job);
}

/* Another program has the port: the server would end at its reload. */
static void a_port_that_is_taken(void **state)
{
    static const struct {
        const char *site, *listeners, *error;
    } cases[] = {
        {"Listen 80\n" HEAD TAIL, "   0: 057F007F:01BB 00000000:0000 0A 00000000:0\n",
         "\"Listen 443\" is needed, and another program listens at port 443 of '127.0.127.5'"},
        {"Listen 127.0.0.2:80\n" HEAD TAIL,
         "  sl\n   1: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 "
         "0A\n",
         "port 443 of '::'"},
        {"Listen 127.0.0.2:80\n" HEAD TAIL, "   0: 0300007F:01BB 00000000:0000 0A 0\n", NULL},
        {"Listen 127.0.0.2:80\n" HEAD TAIL, "   0: 0200007F:01BB 00000000:0000 01 0\n", NULL},
        {"Listen 127.0.0.2:80\n" HEAD TAIL, "   0: 0200007F:01BC 00000000:0000 0A 0\n", NULL},
        {"Listen 443\n" HEAD TAIL, "   0: 00000000:01BB 00000000:0000 0A 0\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct row row = {.site = cases[i].site};
        struct test_setting settings[3];
        struct test_job job;
        struct ecert_error err = {0};
        test_server_write(&server, "site.conf", row.site);
        make_job(&row, &job, settings);
        listeners = cases[i].listeners;
        const enum ecert_status status = plan(&job, &err);
        listeners = "";
        assert_int_equal(status, cases[i].error == NULL ? ECERT_OK : ECERT_E_CONFIG);
        if (cases[i].error != NULL && strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s", err.text);
        test_job_clear(&job);
    }
}

/* What is said where mod_ssl is missing, by the files that a layout has. */
static void what_to_do_without_mod_ssl(void **state)
{
    static const struct {
        const char *folder, *file, *text, *main_file, *want;
    } layouts[] = {
        {"sites/mods-available", "sites/mods-available/ssl.load", "", "sites/apache2.conf",
         "a2enmod ssl, and restart the server"},
        {"live/conf.modules.d", "live/conf.modules.d/x", "", "live/conf/httpd.conf",
         "dnf install mod_ssl"},
        {"live/modules", "live/modules/mod_ssl.so", "", "live/conf/httpd.conf",
         "write \"LoadModule ssl_module modules/mod_ssl.so\" into "
         "'@/live/conf/../conf.modules.d/00-ssl.conf'"},
        {"old/conf", "old/conf/httpd.conf",
         "#LoadModule ssl_modules x\r\n# LoadModule\tssl_module libexec/mod_ssl.so\r\n",
         "old/conf/httpd.conf",
         "take away the \"#\" before \"LoadModule\tssl_module libexec/mod_ssl.so\" in "
         "'@/old/conf/httpd.conf' line 2"},
    };
    struct ecert_arena arena = {0};
    struct test_job job;

    (void)state;
    test_server_job(&server, &job);
    for (size_t i = 0; i < COUNT(layouts); i++) {
        char path[600];
        char *want = test_server_text(&server, layouts[i].want);
        (void)snprintf(path, sizeof path, "%s/%s", server.folder, layouts[i].folder);
        assert_int_equal(mkdir(path, 0755), 0);
        (void)snprintf(path, sizeof path, "%s/live/conf", server.folder);
        (void)mkdir(path, 0755);
        test_server_write(&server, layouts[i].file, layouts[i].text);
        (void)snprintf(path, sizeof path, "%s/%s", server.folder, layouts[i].main_file);
        assert_string_equal(
            ecert_apache_ssl_advice(&test_host, (struct ecert_job *)&job, &arena, path), want);
        free(want);
    }
    assert_string_equal(ecert_apache_guess_main_file(&test_host, (struct ecert_job *)&job),
                        server.main_file);
    ecert_arena_clear(&arena);
    test_job_clear(&job);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 3] = {cmocka_unit_test(what_is_added_is_a_site),
                                                cmocka_unit_test(what_to_do_without_mod_ssl),
                                                cmocka_unit_test(a_port_that_is_taken)};

    if (!test_server_make(&server)) {
        (void)fprintf(stderr, "skipped: there is no %s\n", APACHE);
        return 77;
    }
    for (size_t i = 0; i < COUNT(rows); i++)
        tests[i + 3] = (struct CMUnitTest){.name = rows[i].name,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_server_remove(&server);
    return failed;
}
