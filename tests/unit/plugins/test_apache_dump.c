/* The server's answer, as httpd 2.4 prints it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/apache/dump.h"
#include "plugins/apache/variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct row {
    const char *name;
    const char *text;
    const char *want; /* FILE:LINE names @addresses; "+" after it: further aliases are unknown */
} rows[] = {
    {"no virtual host", "VirtualHost configuration:\n", ""},
    {"a name-based one",
     "*:443                  is a NameVirtualHost\n"
     "         default server www.a.test (/etc/a.conf:2)\n"
     "         port 443 namevhost www.a.test (/etc/a.conf:2)\n"
     "                 alias a.test\n"
     "                 wild alias *.a.test\n"
     "         port 443 namevhost b.test (/etc/b.conf:7)\n",
     "/etc/a.conf:2 www.a.test a.test *.a.test @*:443; /etc/b.conf:7 b.test @*:443; "},
    {"the short form", "127.0.0.1:443          a.test (/etc/a.conf:1)\n",
     "/etc/a.conf:1+ a.test @127.0.0.1:443; "},
    {"IPv6", "[::1]:443              a.test (/etc/a.conf:1)\n", "/etc/a.conf:1+ a.test @::1:443; "},
    {"_default_ and any port", "_default_:*            a.test (/etc/a.conf:1)\n",
     "/etc/a.conf:1+ a.test @_default_:0; "},
    {"one host at three addresses",
     "127.0.0.1:443          a.test (/etc/a.conf:1)\n"
     "[::1]:443              a.test (/etc/a.conf:1)\n"
     "*:8443                 is a NameVirtualHost\n"
     "         port 8443 namevhost a.test (/etc/a.conf:1)\n"
     "                 alias b.test\n"
     "         port 8443 namevhost c.test (/etc/a.conf:9)\n",
     "/etc/a.conf:1 a.test b.test @127.0.0.1:443 @::1:443 @*:8443; "
     "/etc/a.conf:9 c.test @*:8443; "},
    {"a colon and a blank in the file name", "*:443    a.test (/etc/a (b):c.conf:12)\n",
     "/etc/a (b):c.conf:12+ a.test @*:443; "},
    {"a macro",
     "*:443    m.test (macro 'vh' (defined on line 32 of \"/etc/m.conf\") used on line 38 of "
     "\"/etc/m.conf\":1)\n",
     "/etc/m.conf:32M+ m.test @*:443; "},
    {"lines of other modules", "Hello (world) : x\n*:443\n   (\n  (9x) y\n(*) z\n: (\n", ""},
    {"a torn line", "*:443                  is a NameVirtualHost\n         port 443 namevhost a.te",
     ""},
    {"an alias without a host", "                 alias a.test\n", ""},
    {"a port that is none", "*:99999   a.test (/etc/a.conf:1)\n", ""},
};

static void describe(const struct ecert_apache_dump *dump, char *to, size_t len)
{
    FILE *out = fmemopen(to, len, "w");

    assert_non_null(out);
    for (size_t i = 0; i < dump->n_hosts; i++) {
        const struct ecert_apache_host *host = &dump->hosts[i];
        (void)fprintf(out, "%s:%zu%s%s", host->file, host->line, host->macro ? "M" : "",
                      host->aliases_unknown ? "+" : "");
        for (size_t k = 0; k < host->n_names; k++)
            (void)fprintf(out, " %s", host->names[k]);
        for (size_t k = 0; k < host->n_addresses; k++)
            (void)fprintf(out, " @%s:%u", host->addresses[k].text, host->addresses[k].port);
        (void)fputs("; ", out);
    }
    (void)fputc('\0', out);
    (void)fclose(out);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct ecert_arena arena = {0};
    struct ecert_apache_dump dump = {0};
    char found[1024] = "";

    assert_true(ecert_apache_dump_parse(
        &arena, (struct ecert_view){(const uint8_t *)row->text, strlen(row->text)}, &dump));
    describe(&dump, found, sizeof found);
    assert_string_equal(found, row->want);
    ecert_arena_clear(&arena);
}

static void includes_and_facts(void **state)
{
    static const char text[] = "Included configuration files:\n"
                               "  (*) /etc/apache2/apache2.conf\n"
                               "    (146) /etc/apache2/mods-enabled/ssl.load\n"
                               "      (3) /etc/a b.conf\n"
                               "    (225) /etc/apache2/sites-enabled/x.conf\n"
                               "ServerRoot: \"/etc/apache2\"\n"
                               "PidFile: \"/run/apache2/apache2.pid\"\n"
                               "Define: DUMP_VHOSTS\n"
                               "Define: OLD=/etc/old\n"
                               "Define: PORT=443\n"
                               "Loaded Modules:\n"
                               " core_module (static)\n"
                               " ssl_module (shared)\n"
                               " nss_module (elsewhere)\n";
    struct ecert_arena arena = {0};
    struct ecert_apache_dump dump = {0};

    (void)state;
    assert_true(ecert_apache_dump_parse(
        &arena, (struct ecert_view){(const uint8_t *)text, sizeof text - 1}, &dump));
    assert_int_equal(dump.n_nodes, 4);
    assert_int_equal(dump.nodes[0].level, 0);
    assert_int_equal(dump.nodes[0].line, 0);
    assert_int_equal(dump.nodes[2].level, 2);
    assert_int_equal(dump.nodes[2].line, 3);
    assert_string_equal(dump.nodes[2].path, "/etc/a b.conf");
    assert_int_equal(dump.nodes[3].level, 1);
    assert_string_equal(dump.server_root, "/etc/apache2");
    assert_string_equal(dump.pid_file, "/run/apache2/apache2.pid");
    assert_int_equal(dump.n_defines, 3);
    assert_string_equal(dump.defines[1], "OLD=/etc/old");
    assert_int_equal(dump.n_modules, 2);
    assert_int_equal(dump.n_built_in, 1);
    assert_string_equal(dump.built_in[0], "core_module");
    assert_true(ecert_apache_has_module(&dump, "ssl_module", 10));
    assert_true(ecert_apache_has_module(&dump, "core_module", 11));
    assert_false(ecert_apache_has_module(&dump, "ssl", 3));
    assert_false(ecert_apache_has_module(&dump, "nss_module", 10));
    ecert_arena_clear(&arena);
}

static void paths_are_resolved(void **state)
{
    static const struct {
        const char *value, *want;
    } paths[] = {
        {"/etc/a.pem", "/etc/a.pem"},
        {"ssl/a.pem", "/etc/apache2/ssl/a.pem"},
        {"./ssl//a.pem", "/etc/apache2/ssl/a.pem"},
        {"../ssl/a.pem", "/etc/ssl/a.pem"},
        {"/etc//ssl/./x/../a.pem", "/etc/ssl/a.pem"},
        {"/../a.pem", "/a.pem"},
        {"/etc/..a/.b.pem", "/etc/..a/.b.pem"},
    };
    struct ecert_arena arena = {0};
    const struct ecert_apache_dump dump = {.server_root = "/etc/apache2"};

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_string_equal(ecert_apache_resolve(&arena, &dump, paths[i].value), paths[i].want);
    ecert_arena_clear(&arena);
}

/* Define, UnDefine, and what apachectl's "envvars" gives the server. */
static void variables_are_known(void **state)
{
    static const char envvars[] = "# a comment\nunset HOME\n"
                                  "if [ \"${A##/b}\" != \"x\" ] ; then\n\tSUFFIX=\"-${A##/b}\"\n"
                                  "else\n\tSUFFIX=\nfi\n"
                                  "export RUN=/run/apache2$SUFFIX\n: ${LANG:=C}\n"
                                  "CERT='/etc/$x'\t# so\nexport DEEP=\"${RUN}/a b\"\n"
                                  "BAD=`id`\nWORSE=$(id)\nESCAPED=a\\b\nOPEN=\"a\nLAST=1";
    static const struct {
        const char *value, *want;
    } values[] = {
        {"${RUN}/x", "/run/apache2/x"},
        {"${CERT}", "/etc/$x"},
        {"a${DEEP}b", "a/run/apache2/a bb"},
        {"${BAD}${WORSE}", "${BAD}${WORSE}"},
        {"${ESCAPED}", "${ESCAPED}"},
        {"${OPEN}", "${OPEN}"},
        {"${LAST}${LAST}", "11"},
        {"${D}-${NONE}-${D}", "d-${NONE}-d"},
        {"${E}|", "|"},
        {"${D", "${D"},
        {"$D {D} ${}", "$D {D} ${}"},
    };
    struct ecert_arena arena = {0};
    struct ecert_apache_variables variables = {.arena = &arena};

    (void)state;
    assert_string_equal(ecert_apache_expand(&variables, "${RUN}"), "${RUN}");
    assert_true(ecert_apache_environment(
        &variables, (struct ecert_view){(const uint8_t *)envvars, sizeof envvars - 1}));
    assert_true(ecert_apache_define(&variables, "D", "d") &&
                ecert_apache_define(&variables, "E", ""));
    for (size_t i = 0; i < COUNT(values); i++)
        assert_string_equal(ecert_apache_expand(&variables, values[i].value), values[i].want);
    assert_true(ecert_apache_is_defined(&variables, "D"));
    assert_false(ecert_apache_is_defined(&variables, "RUN"));
    assert_true(ecert_apache_define(&variables, "RUN", "mine"));
    assert_string_equal(ecert_apache_expand(&variables, "${RUN}"), "mine");
    assert_true(ecert_apache_undefine(&variables, "RUN"));
    assert_string_equal(ecert_apache_expand(&variables, "${RUN}"), "/run/apache2");
    ecert_arena_clear(&arena);
}

static void random_answers_are_survived(void **state)
{
    static const char alphabet[] = "\n\n  (*):[]port namevhost alias macro 'defined on line \"1\0";
    uint32_t seed = 7;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[128];
        struct ecert_arena arena = {0};
        struct ecert_apache_dump dump = {0};
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        assert_true(
            ecert_apache_dump_parse(&arena, (struct ecert_view){bytes, sizeof bytes}, &dump));
        ecert_arena_clear(&arena);
    }
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 4] = {
        cmocka_unit_test(includes_and_facts),
        cmocka_unit_test(paths_are_resolved),
        cmocka_unit_test(variables_are_known),
        cmocka_unit_test(random_answers_are_survived),
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[4 + i] = (struct CMUnitTest){.name = rows[i].name,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
