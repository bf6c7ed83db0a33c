#include "plugins/nginx/edit.h"
#include "tests/unit/plugins/test_nginx_site.h"

#define HTTP(inside) "events {}\nhttp {\n" inside "}\n"
#define SITE(inside) HTTP("server { server_name example.test; " inside " }\n")
#define MAX_PROBES   6

static const char *const www_only[] = {"www.example.test", NULL};
static const char *const wildcard[] = {"example.test", "*.example.test", NULL};
static const char *const ask_both[] = {"www.example.test", "example.test", NULL};
static const char *const ask_www[] = {"www.example.test", NULL};

/* Which blocks are chosen and where they are looked at. */
static const struct row {
    const char *name;
    const char *conf;
    const char *const *names;       /* explicit ones, or NULL */
    const char *const *dns_names;   /* of the leaf; NULL: www.example.test, example.test */
    const char *error;              /* NULL: the plan succeeds */
    const char *note;               /* NULL: not looked at */
    const char *why;                /* of one of the sites; NULL: not looked at */
    const char *probes[MAX_PROBES]; /* "address port name" */
    bool encrypted;                 /* the key */
} rows[] = {
    {.name = "all forms of listen",
     .conf = SITE("listen 443 ssl; listen *:444 ssl; listen [::]:445 ssl; listen 127.0.0.1:446 ssl;"
                  "listen localhost:447 ssl http2; listen unix:/x.sock ssl;"),
     .probes = {"127.0.0.1 443 example.test", "127.0.0.1 444 example.test", "::1 445 example.test",
                "127.0.0.1 446 example.test", "127.0.0.1 447 example.test"}},
    {.name = "no port is port 80, a range is its first",
     .conf = SITE("listen 127.0.0.2 ssl; listen 127.0.0.2:8443-8450 ssl; listen [::2] ssl;"),
     .probes = {"127.0.0.2 80 example.test", "127.0.0.2 8443 example.test", "::2 80 example.test"}},
    {.name = "QUIC is no TLS over TCP, plain sockets are not looked at",
     .conf = SITE("listen 443 quic reuseport; listen 443 ssl; listen 80;"),
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "names of directives and switches in quotes",
     .conf =
         "events {} \"http\" { 'server' { \"listen\" \"443\"; 'server_name' example.test; 'ssl' "
         "\"on\"; } \"server_name\\\"\" { } }",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "ssl on, without listen",
     .conf = SITE("ssl on;"),
     .probes = {"127.0.0.1 80 example.test"}},
    {.name = "ssl on, inherited from below",
     .conf = HTTP("server { listen 81; server_name example.test; } ssl on;"),
     .probes = {"127.0.0.1 81 example.test"}},
    {.name = "ssl of another block holds for the socket",
     .conf = HTTP("server { listen *:443; server_name example.test; }"
                  "server { listen 443 ssl; server_name other.test; }"),
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "ssl of another block holds for one port of a range",
     .conf = HTTP("server { listen 443-445; server_name example.test; }"
                  "server { listen 444 ssl; server_name other.test; }"),
     .probes = {"127.0.0.1 444 example.test"}},
    {.name = "ssl of a range holds for a block at one of its ports",
     .conf = HTTP("server { listen 444; server_name example.test; }"
                  "server { listen 443-445 ssl; server_name other.test; }"),
     .probes = {"127.0.0.1 444 example.test"}},
    {.name = "the PROXY protocol is not spoken",
     .conf = SITE("listen 443 ssl proxy_protocol;"),
     .note = "'listen 443' is not looked at after the reload: it expects the PROXY protocol"},
    {.name = "a socket for the one address goes first",
     .conf = SITE("listen 443 ssl;") "http { server { listen 127.0.0.1:443 ssl; } }",
     .note = "another server block has the address"},
    {.name = "a host name is not resolved",
     .conf = SITE("listen host.invalid:443 ssl;"),
     .note = "it has no numeric address"},
    {.name = "the same probe once",
     .conf = HTTP("server { listen 443 ssl; server_name www.example.test; }"
                  "server { listen 443 ssl; server_name WWW.example.test; }"
                  "server { listen 443 ssl; server_name example.test; }"),
     .probes = {"127.0.0.1 443 www.example.test", "127.0.0.1 443 example.test"}},
    {.name = "a wildcard name",
     .conf = HTTP("server { listen 443 ssl; server_name *.example.test; }"
                  "server { listen 444 ssl; server_name .example.test; }"),
     .dns_names = wildcard,
     .probes = {"127.0.0.1 443 www.example.test", "127.0.0.1 444 example.test"}},
    {.name = "a name with a dot needs the wildcard",
     .conf =
         SITE("listen 443 ssl;") "http { server { listen 444 ssl; server_name .example.test; } }",
     .why = "leaves: it also serves '.example.test', which the certificate does not cover",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "the probe uses the first name that is the target's",
     .conf = SITE("listen 443 ssl; server_name _ \"\" ~^x$ $hostname www.example.test;"),
     .names = ask_www,
     .probes = {"127.0.0.1 443 www.example.test"}},
    {.name = "names in an include, in quotes, in capitals",
     .conf = HTTP("server { listen 443 ssl; include names.conf; }"),
     .probes = {"127.0.0.1 443 www.example.test"}},
    {.name = "includes by pattern and two deep",
     .conf = HTTP("include sites/*.conf; include nothing/*.conf; include /nowhere/[a].conf;"),
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "stream, when it has names",
     .conf = "stream { server { listen 443 ssl; server_name example.test; }"
             " server { listen 444 ssl; } }",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "mail: TLS at once, by STARTTLS, by the port's protocol, inherited, none",
     .conf = "mail { server_name example.test; starttls on;\n"
             "server { listen 993 ssl; protocol imap; server_name WWW.example.test; }\n"
             "server { listen 993; listen 143; listen 144; }\n"
             "server { listen 2525; protocol smtp; starttls only; }\n"
             "server { listen 110; starttls off; }\n"
             "server { listen 1110; protocol pop3; ssl on; } }",
     .probes = {"127.0.0.1 993 www.example.test", "127.0.0.1 993 example.test",
                "127.0.0.1 143 example.test imap", "127.0.0.1 2525 example.test smtp",
                "127.0.0.1 1110 example.test"},
     .why = "leaves: it does not listen with ssl"},
    {.name = "mail: the other name is not covered",
     .conf = "mail { server { listen 993 ssl; server_name other.test; } }" SITE("listen 443 ssl;"),
     .probes = {"127.0.0.1 443 example.test"},
     .why = "leaves: it has none of the target's names"},
    {.name = "QUIC alone is no TLS over TCP, and taken",
     .conf = SITE("listen 443 quic reuseport; http2 on;"),
     .why = "takes: it has the name 'example.test'"},
    {.name = "a block that refuses every handshake",
     .conf = HTTP("ssl_reject_handshake on;\n"
                  "server { listen 443 ssl; server_name www.example.test; }\n"
                  "server { listen 443 ssl; server_name example.test; ssl_reject_handshake off; }"),
     .probes = {"127.0.0.1 443 example.test"},
     .why = "leaves: it refuses every handshake (ssl_reject_handshake)"},
    {.name = "variables are left alone where others are taken",
     .conf =
         SITE("listen 443 ssl; location / { }") "http { server { listen 443 ssl; server_name "
                                                "www.example.test; ssl_certificate "
                                                "$ssl_server_name.pem; ssl_certificate_key k; } }",
     .probes = {"127.0.0.1 443 example.test"},
     .why = "leaves: '$ssl_server_name.pem' in "},
    {.name = "a wildcard's probe is not another block's name",
     .conf = HTTP("server { listen 443 ssl; server_name *.example.test; }"
                  "server { listen 443 ssl; server_name WWW.example.test; ssl_certificate $x; }"),
     .dns_names = wildcard,
     .probes = {"127.0.0.1 443 ecert-probe.example.test"}},
    {.name = "a name with a dot is probed below it where another block has the name itself",
     .conf = HTTP("server { listen 443 ssl; server_name .example.test; }"
                  "server { listen 443 ssl; server_name www.example.test a.test; }"),
     .dns_names = wildcard,
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "a name that an earlier block has is not asked for",
     .conf = HTTP("server { listen 443 ssl; server_name EXAMPLE.test a.test; }"
                  "server { listen 443 ssl; server_name example.test www.example.test; }"),
     .probes = {"127.0.0.1 443 www.example.test"}},
    {.name = "the same on another socket is",
     .conf = HTTP("server { listen 444 ssl; server_name example.test a.test; }"
                  "server { listen 443 ssl; server_name example.test www.example.test; }"),
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "a longer wildcard goes first, an earlier name before a later",
     .conf = HTTP("server { listen 443 ssl; server_name *.example.test; }"
                  "server { listen 443 ssl; server_name www.example.test a.test; }"
                  "server { listen 443 ssl; server_name *.www.example.test a.test; }"),
     .dns_names = wildcard,
     .probes = {"127.0.0.1 443 ecert-probe.example.test"}},
    {.name = "a name with a dot behind the name itself is ignored by nginx",
     .conf = HTTP("server { listen 443 ssl; server_name example.test a.test; }"
                  "server { listen 443 ssl; server_name .example.test; }"),
     .dns_names = wildcard,
     .note = "'listen 443' is not looked at after the reload: other server blocks have its names"},
    {.name = "a name with a dot behind the wildcard is ignored by nginx, and so is the name itself",
     .conf = HTTP("server { listen 443 ssl; server_name *.example.test a.test; }"
                  "server { listen 443 ssl; server_name .example.test; }"
                  "server { listen 443 ssl; server_name example.test; }"),
     .dns_names = wildcard,
     .note = "other server blocks have its names"},
    {.name = "unknown modules, whatever their blocks are",
     .conf = "rtmp { server { listen 1935; application a { live on; server { } } } }\n"
             "\xef\xbb\xbfx \xff\xfe { { } y { 'a }' \"{\" '~^b{2}'; } }\n" SITE(
                 "listen 443 ssl; what ever { include missing.conf; server_name b.test; }"),
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "what a map or an upstream says is nobody's",
     .conf = HTTP("upstream u { server 127.0.0.1:1; include missing.conf; }"
                  "types { include missing.types; } map $x $y { include missing.map; }")
         SITE("listen 443 ssl;"),
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "uncovered names, default",
     .conf = SITE("listen 443 ssl;") "http { server { listen 443 ssl; server_name www.example.test "
                                     "a.test b.test; } }",
     .why = "leaves: it also serves 'a.test', 'b.test', which the certificate does not cover",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "addresses and names without a dot do not count beside a covered one",
     .conf = SITE("listen 443 ssl; server_name 192.0.2.1 [2001:db8::1] localhost;"),
     .why =
         "takes: it has the name 'example.test'; 'localhost' is not counted: a name without a dot "
         "is on no e-Cert",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "nor do addresses alone",
     .conf = SITE("listen 443 ssl; server_name 192.0.2.1 2001:db8::1;"),
     .why = "takes: it has the name 'example.test'",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "what looks like an address does",
     .conf = SITE("listen 443 ssl;") "http { server { listen 443 ssl; server_name www.example.test "
                                     "192.0.2.1.test; } }",
     .why = "leaves: it also serves '192.0.2.1.test', which the certificate does not cover",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "a regular expression beside the name, default",
     .conf = SITE("listen 443 ssl;") "http { server { listen 443 ssl; server_name www.example.test "
                                     "'~^(.+)\\.other\\.test$'; } }",
     .why = "leaves: it also serves what '~^(.+)\\.other\\.test$' stands for, and nobody knows "
            "whether the certificate covers that; 'server_names = [\"www.example.test\"]' takes it",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "a regular expression beside the name, explicit",
     .conf = SITE("listen 443 ssl; server_name www.example.test ~^x$ $hostname;"),
     .names = ask_both,
     .why = "takes: it has the name 'example.test', which 'server_names' asks for; nobody knows "
            "whether the certificate covers what '~^x$', '$hostname' stands for",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "uncovered names, explicit",
     .conf = SITE("listen 443 ssl; server_name a.test;"),
     .names = ask_both,
     .error = "nginx.conf:3: the server block for 'example.test' also serves 'a.test', which the "
              "certificate 'www.example.test' does not cover"},
    {.name = "an explicit name that is nowhere",
     .conf = SITE("listen 443 ssl;"),
     .names = ask_both,
     .error = "that listens with ssl has the name 'www.example.test'; add one, or take"},
    {.name = "a block without ssl",
     .conf = SITE("listen 443 ssl;") "http { server { server_name www.example.test; } }",
     .why = "leaves: it does not listen with ssl",
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "only blocks without ssl",
     .conf = SITE("listen 443;"),
     .error = "none of the 1 server blocks of"},
    {.name = "no block",
     .conf = HTTP("server { listen 443 ssl; server_name other.test; }"),
     .dns_names = www_only,
     .error = "has the name 'www.example.test'; add a server block with 'listen 443 ssl'"},
    {.name = "a block that is not closed",
     .conf = "events {}\nhttp {\n server {\n",
     .error = "nginx.conf:3: the block that starts here is not closed"},
    {.name = "a brace too many", .conf = "events {}\n}\n", .error = "nginx.conf:2: this '}'"},
    {.name = "a directive without its end",
     .conf = "events { worker_connections 5 }",
     .error = "nginx.conf:1: the directive that starts here has no ';'"},
    {.name = "an unclosed quote",
     .conf = "events {}\nhttp { server_name 'a; }\n",
     .error = "nginx.conf:2: the directive that starts here is not finished"},
    {.name = "a missing include",
     .conf = HTTP("\ninclude missing.conf;"),
     .error = "nginx.conf:4: include '"},
    {.name = "an include of a folder",
     .conf = HTTP("include sites;"),
     .error = "not a regular file"},
    {.name = "an error in an include",
     .conf = HTTP("include broken.conf;"),
     .error = "broken.conf:2: the block that starts here is not closed"},
    {.name = "an encrypted key, no ssl_password_file",
     .conf = HTTP("server { listen 443 ssl; server_name example.test; }"
                  "server { listen 443 ssl; server_name a.test; ssl_password_file p; }"),
     .encrypted = true,
     .error = "nginx.conf:3: the key of 'www.example.test' is encrypted, and nginx could not open "
              "it: write \"ssl_password_file FILE;\" into this server block"},
    {.name = "an encrypted key, ssl_password_file in a location only",
     .conf = SITE("listen 443 ssl; location / { ssl_password_file p; }"),
     .encrypted = true,
     .error = "is encrypted, and nginx could not open it"},
    {.name = "an encrypted key, ssl_password_file of stream",
     .conf = SITE("listen 443 ssl;") "stream { ssl_password_file p; }",
     .encrypted = true,
     .error = "is encrypted, and nginx could not open it"},
    {.name = "an encrypted key, ssl_password_file in the block",
     .conf = SITE("listen 443 ssl; ssl_password_file p;"),
     .encrypted = true,
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "an encrypted key, ssl_password_file of http, below",
     .conf = HTTP("server { listen 443 ssl; server_name example.test; } ssl_password_file p;"),
     .encrypted = true,
     .probes = {"127.0.0.1 443 example.test"}},
    {.name = "an include of itself",
     .conf = HTTP("include nginx.conf;"),
     .error = "nginx.conf:3: includes are nested more than 64 deep"},
};

static void write_includes(const struct site *site)
{
    assert_int_equal(mkdir(site_path(site, "sites"), 0755), 0);
    site_text(site, "names.conf", "server_name \"WWW.example.test\";");
    site_text(site, "sites/a.conf", "include one.inc;");
    site_text(site, "sites/b.txt", "server {");
    site_text(site, "one.inc", "server { listen 443 ssl; server_name example.test; }");
    site_text(site, "broken.conf", "# one\nserver {\n");
}

static void check_probes(const struct site *site, const struct row *row)
{
    size_t n = 0;

    for (; n < MAX_PROBES && row->probes[n] != NULL; n++) {
        char text[256];
        assert_true(n < site->job.n_probes);
        const struct test_probe *probe = &site->job.probes[n];
        (void)snprintf(text, sizeof text, "%s %u %s%s%s", probe->address, (unsigned)probe->port,
                       probe->server_name, probe->starttls != NULL ? " " : "",
                       probe->starttls != NULL ? probe->starttls : "");
        assert_string_equal(text, row->probes[n]);
    }
    assert_int_equal(site->job.n_probes, n);
}

static void check_why(const struct site *site, const char *why)
{
    for (size_t i = 0; i < site->job.n_sites; i++)
        if (strncmp(site->job.verdicts[i], why, strlen(why)) == 0)
            return;
    fail_msg("no site says '%s'; the first: '%s'", why, site->job.verdicts[0]);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct site site;

    site_make(&site);
    write_includes(&site);
    site_text(&site, "nginx.conf", row->conf);
    site.job.leaf.dns_names = row->dns_names;
    site.job.key_is_encrypted = row->encrypted;
    const enum ecert_status status = site_plan(&site, row->names);
    if (row->error != NULL) {
        assert_int_equal(status, ECERT_E_CONFIG);
        if (strstr(site.err.text, row->error) == NULL)
            fail_msg("'%s' lacks '%s'", site.err.text, row->error);
    } else {
        if (status != ECERT_OK)
            fail_msg("%s", site.err.text);
        check_probes(&site, row);
        if (row->note != NULL)
            assert_true(test_job_noted(&site.job, row->note));
        if (row->why != NULL)
            check_why(&site, row->why);
    }
    site_remove(&site);
}

static bool has(char *const *list, const char *text)
{
    for (size_t i = 0; list[i] != NULL; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static void the_commands_are_nginx_own(void **state)
{
    struct site site;

    (void)state;
    site_make(&site);
    site_text(&site, "nginx.conf",
              "pid run/x.pid; error_log logs/../e.log; error_log stderr;\n" SITE(
                  "listen 443 ssl; error_log syslog:server=x; access_log off;"
                  "access_log /var/a.log main; access_log logs/$host.log;"
                  "location / { if ($x) { access_log logs/in.log; } access_log /dev/null; }"));
    assert_int_equal(site_plan(&site, NULL), ECERT_OK);
    const struct test_job *job = &site.job;
    assert_int_equal(job->n_tests, 1);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(job->test_argv[i], site.command[i]);
        assert_string_equal(job->reload[i], site.command[i]);
        assert_string_equal(job->start[i], site.command[i]);
    }
    assert_string_equal(job->test_argv[5], "-t");
    assert_null(job->test_argv[6]);
    assert_string_equal(job->reload[5], "-s");
    assert_string_equal(job->reload[6], "reload");
    assert_null(job->reload[7]);
    assert_null(job->start[5]);
    assert_string_equal(job->service, "nginx.service");
    assert_string_equal(job->executable, "/usr/sbin/nginx");
    assert_string_equal(job->pid_file, site_path(&site, "run/x.pid"));
    assert_true(has(job->test_scratch, site_path(&site, "run/x.pid")));
    assert_true(has(job->test_scratch, site_path(&site, "e.log")));
    assert_true(has(job->test_scratch, "/var/a.log"));
    assert_true(has(job->test_scratch, site_path(&site, "logs/in.log")));
    assert_false(has(job->test_scratch, "/dev/null"));
    size_t n = 0;
    while (job->test_scratch[n] != NULL)
        n++;
    assert_int_equal(n, 5); /* and the access log that this nginx was built with */
    assert_int_equal(job->n_runs, 1);
    site_remove(&site);
}

/* A test record does not take as many logs as a host has that gives each of its sites two. */
static void of_many_logs_the_largest_count(void **state)
{
    enum { LOGS = 8100 };
    static char conf[LOGS * 32];
    struct site site;
    size_t at = 0, n = 0;

    (void)state;
    site_make(&site);
    for (unsigned i = 0; i < LOGS; i++)
        at += (size_t)snprintf(conf + at, sizeof conf - at, "error_log l/%u;\n", i);
    (void)snprintf(conf + at, sizeof conf - at, "%s", SITE("listen 443 ssl;"));
    site_text(&site, "nginx.conf", conf);
    assert_int_equal(mkdir(site_path(&site, "l"), 0755), 0);
    site_text(&site, "l/0", "large");
    site_text(&site, "l/8099", "large");
    assert_int_equal(site_plan(&site, NULL), ECERT_OK);
    while (site.job.test_scratch[n] != NULL)
        n++;
    assert_int_equal(n, 8000);
    assert_true(has(site.job.test_scratch, site_path(&site, "l/0")));
    assert_true(has(site.job.test_scratch, site_path(&site, "l/8099")));
    site_remove(&site);
}

static void the_pid_file_is_the_setting(void **state)
{
    struct test_setting settings[3] = {{0}, {.name = "pid_file", .value = "/run/other.pid"}, {0}};
    struct site site;

    (void)state;
    site_make(&site);
    site_text(&site, "nginx.conf", SITE("listen 443 ssl;"));
    settings[0] = site.settings[0];
    site.job.plugin = &ecert_plugin;
    site.job.settings = settings;
    site.job.leaf.dns_names = www_only;
    site.job.leaf.key_type = "rsa";
    site.job.server_names = (const char *const[]){"example.test", NULL};
    site.job.paths[ECERT_MATERIAL_CERTIFICATE] = FULL_CHAIN; /* without a chain of its own */
    site.job.paths[ECERT_MATERIAL_KEY] = KEY;
    /* example.test is asked for, and not covered by this leaf */
    assert_int_equal(ecert_plugin.plan(&test_host, (struct ecert_job *)&site.job, &site.err),
                     ECERT_E_CONFIG);
    site.job.leaf.dns_names = ask_both;
    assert_int_equal(ecert_plugin.plan(&test_host, (struct ecert_job *)&site.job, &site.err),
                     ECERT_OK);
    assert_string_equal(site.job.pid_file, "/run/other.pid");
    assert_int_equal(site.job.n_files, 1);
    site_remove(&site);
}

/* Every wrong set of files or command fails with a sentence that says what to do. */
static void wrong_settings_are_refused(void **state)
{
    static const struct {
        const char *certificate, *chain, *command[4], *words;
    } cases[] = {
        {"/c.pem", "/chain.pem", {"/usr/sbin/nginx", NULL}, "set files.fullchain of target"},
        {NULL, NULL, {"/usr/sbin/nginx", "-c", NULL}, "'-c' in the setting 'command'"},
        {NULL, NULL, {"/usr/sbin/nginx", "-q", NULL}, "'-q' in the setting 'command'"},
        {NULL, NULL, {"/usr/sbin/nginx", "-prel", NULL}, "must be an absolute path"},
        {NULL, NULL, {"/bin/true", NULL}, "did not say how nginx was built"},
        {NULL, NULL, {"/bin/false", NULL}, "'/bin/false -V' ended with 1"},
        {NULL, NULL, {"/usr/sbin/nginx", "-c", "/nowhere.conf", NULL}, "/nowhere.conf"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct site site;
        site_make(&site);
        site.settings[0].list = cases[i].command;
        site.job.paths[ECERT_MATERIAL_CERTIFICATE] = cases[i].certificate;
        site.job.paths[ECERT_MATERIAL_CHAIN] = cases[i].chain;
        assert_int_not_equal(site_plan(&site, NULL), ECERT_OK);
        if (strstr(site.err.text, cases[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", site.err.text, cases[i].words);
        site_remove(&site);
    }
}

/* The file keeps the name under which nginx knows it; the core follows the link. */
static void a_symbolic_link_keeps_its_name(void **state)
{
    struct site site;

    (void)state;
    site_make(&site);
    write_includes(&site);
    assert_int_equal(symlink("../one.inc", site_path(&site, "sites/link.conf")), 0);
    site_text(&site, "nginx.conf", HTTP("include sites/link.conf;"));
    assert_int_equal(site_plan(&site, NULL), ECERT_OK);
    assert_non_null(test_job_file(&site.job, site_path(&site, "sites/link.conf")));
    test_job_clear(&site.job);

    /* ".." behind a link to a folder is left to the file system */
    assert_int_equal(mkdir(site_path(&site, "sites/deep"), 0755), 0);
    assert_int_equal(symlink("sites/deep", site_path(&site, "short")), 0);
    site_text(&site, "nginx.conf", HTTP("include short/../link.conf;"));
    assert_int_equal(site_plan(&site, NULL), ECERT_OK);
    assert_non_null(test_job_file(&site.job, site_path(&site, "one.inc")));
    site_remove(&site);
}

/* -g is configuration, too; -c relative to -p; values glued to their letter. */
static void the_command_line_is_read(void **state)
{
    struct site site;
    char prefix[80];

    (void)state;
    site_make(&site);
    (void)snprintf(prefix, sizeof prefix, "-p%s/", site.dir);
    site.command[1] = prefix;
    site.command[2] = "-cnginx.conf";
    site.command[3] = "-g";
    site.command[4] = "daemon on; pid g.pid;";
    site_text(&site, "nginx.conf", "pid x.pid;" SITE("listen 443 ssl;"));
    assert_int_equal(site_plan(&site, NULL), ECERT_OK);
    assert_string_equal(site.job.pid_file, site_path(&site, "g.pid"));
    assert_non_null(test_job_file(&site.job, site.conf));
    site_remove(&site);
}

/* Whatever a file holds, reading it ends, stays inside it, and changes nothing. */
static void damaged_files_do_no_harm(void **state)
{
    static const char whole[] =
        "events {}\nhttp { include x; server { listen 443 ssl; server_name \"a b\" '~^c{2};$';\n"
        "ssl_certificate ${a}b; # }\n location / { content_by_lua_block { x = [[}]] -- }\n } } } "
        "map $a $b { server 1; } }\n";
    static const char bytes[] = "{};\"'#\\$\n \0\xff[]=-";
    uint32_t seed = 1;
    struct test_job job = {0};
    struct ecert_error err = {0};

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct ecert_nginx env = {.host = &test_host, .job = (struct ecert_job *)&job};
        char text[sizeof whole];
        memcpy(text, whole, sizeof text);
        for (unsigned i = 0; i < 1 + round % 4; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[(seed >> 8) % (sizeof text - 1)] = bytes[(seed >> 24) % sizeof bytes];
        }
        const size_t len = round % 3 == 0 ? (seed >> 4) % sizeof text : sizeof text - 1;
        struct ecert_nginx_file file = {.path = "x", .text = {(const uint8_t *)text, len}};
        struct ecert_view after = {0};
        const enum ecert_status status = ecert_nginx_parse(&env, &file, &err);
        assert_true(status == ECERT_OK || status == ECERT_E_CONFIG);
        assert_int_equal(ecert_nginx_edit_apply(&env, &file, &after, &err), ECERT_OK);
        assert_ptr_equal(after.ptr, text);
        assert_int_equal(after.len, len);
        ecert_arena_clear(&env.arena);
    }
}

/* Deep nesting must not become deep recursion, and is no error to nginx. */
static void deep_nesting_is_opaque(void **state)
{
    struct test_job job = {0};
    struct ecert_nginx env = {.host = &test_host, .job = (struct ecert_job *)&job};
    struct ecert_error err = {0};
    static char text[400000];
    const size_t half = sizeof text * 3 / 4;
    unsigned depth = 0;

    (void)state;
    for (size_t i = 0; i + 3 <= half; i += 3)
        memcpy(text + i, "if{", 3);
    struct ecert_nginx_file file = {.path = "x", .text = {(const uint8_t *)text, half}};
    assert_int_equal(ecert_nginx_parse(&env, &file, &err), ECERT_E_CONFIG);
    assert_string_equal(err.text,
                        "x:1: the block that starts here is not closed; correct the file");

    memset(text + half, '}', half / 3);
    memcpy(text + 297, "pid a;", 6); /* 99 deep: it keeps the blocks around it */
    file =
        (struct ecert_nginx_file){.path = "x", .text = {(const uint8_t *)text, half / 3 * 4 - 2}};
    assert_int_equal(ecert_nginx_parse(&env, &file, &err), ECERT_OK);
    for (const struct ecert_nginx_directive *d = file.first; d != NULL; d = d->first)
        depth++;
    assert_int_equal(depth, 100);
    ecert_arena_clear(&env.arena);
}

int main(void)
{
    static const struct CMUnitTest more[] = {
        cmocka_unit_test(the_commands_are_nginx_own),
        cmocka_unit_test(of_many_logs_the_largest_count),
        cmocka_unit_test(the_pid_file_is_the_setting),
        cmocka_unit_test(wrong_settings_are_refused),
        cmocka_unit_test(a_symbolic_link_keeps_its_name),
        cmocka_unit_test(the_command_line_is_read),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(deep_nesting_is_opaque),
    };
    struct CMUnitTest tests[COUNT(rows) + COUNT(more)] = {0};

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[i] = (struct CMUnitTest){.name = rows[i].name,
                                       .test_func = check_row,
                                       .initial_state = (void *)(uintptr_t)&rows[i]};
    memcpy(tests + COUNT(rows), more, sizeof more);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
