/*
 * The edits of the apache plugin, byte for byte, on configurations that the real server accepts
 * before and after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plugins/test_apache_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HEAD    "<VirtualHost *:18443>\n    ServerName www.example.test\n"
#define ON      "    SSLEngine on\n"
#define OLD     "    SSLCertificateFile @/old/rsa.pem\n    SSLCertificateKeyFile @/old/rsa.key\n"
#define NEW     "    SSLCertificateFile @/live/fullchain.pem\n" NEW_KEY
#define NEW_KEY "    SSLCertificateKeyFile @/live/privkey.pem\n"
#define LEAF    "    SSLCertificateFile @/live/cert.pem\n" NEW_KEY
#define TAIL    "</VirtualHost>\n"
#define WHY     "   (ecert: the chain is in SSLCertificateFile)"

/* clang-format off */
static const struct row {
    const char *name;
    const char *before;
    const char *after;   /* NULL: no file record */
    const char *snippet; /* sites/snippet.conf */
    const char *snippet_after;
    const char *error;   /* words of it: nothing is planned */
    size_t n_runs;       /* of the server's command; 0: one */
    bool split;          /* `files` with certificate and chain, no fullchain */
} rows[] = {
    {.name = "values are replaced", HEAD ON OLD TAIL, HEAD ON NEW TAIL},
    {.name = "what is right stays", HEAD ON NEW TAIL, NULL},
    {.name = "right by a Define and the server root",
     "Define LIVE @/live\n" HEAD ON "SSLCertificateFile ${LIVE}/fullchain.pem\n"
     "SSLCertificateKeyFile live/privkey.pem\n" TAIL, NULL},
    {.name = "everything is added in the block's indentation",
     "<VirtualHost *:443>\n\tServerName www.example.test\n" TAIL,
     "<VirtualHost *:443>\n\tServerName www.example.test\n\tSSLEngine on\n"
     "\tSSLCertificateFile @/live/fullchain.pem\n\tSSLCertificateKeyFile @/live/privkey.pem\n" TAIL},
    {.name = "SSLEngine goes before the certificate", HEAD OLD TAIL, HEAD ON NEW TAIL},
    {.name = "SSLEngine of the server level is enough",
     "SSLEngine on\n" HEAD OLD TAIL, "SSLEngine on\n" HEAD NEW TAIL},
    {.name = "a missing key follows its certificate", HEAD ON "  SSLCertificateFile @/old/rsa.pem\n\n" TAIL,
     HEAD ON "  SSLCertificateFile @/live/fullchain.pem\n"
     "  SSLCertificateKeyFile @/live/privkey.pem\n\n" TAIL},
    {.name = "a certificate goes before its key", HEAD ON "  SSLCertificateKeyFile @/old/rsa.key\n" TAIL,
     HEAD ON "  SSLCertificateFile @/live/fullchain.pem\n"
     "  SSLCertificateKeyFile @/live/privkey.pem\n" TAIL},
    {.name = "a left-over chain file becomes a comment",
     HEAD ON OLD "\tSSLCertificateChainFile  '@/old/rsa.pem' \n" TAIL,
     HEAD ON NEW "\t# SSLCertificateChainFile  '@/old/rsa.pem' " WHY "\n" TAIL},
    {.name = "so does a joined one",
     HEAD ON OLD "  SSLCertificateChainFile \\\n    @/old/rsa.pem\n" TAIL,
     HEAD ON NEW "  # SSLCertificateChainFile \\\n    @/old/rsa.pem" WHY "\n" TAIL},
    {.name = "an inherited chain file is overridden",
     "SSLCertificateChainFile @/old/rsa.pem\n" HEAD ON OLD TAIL,
     "SSLCertificateChainFile @/old/rsa.pem\n" HEAD ON NEW
     "    SSLCertificateChainFile @/live/fullchain.pem\n" TAIL},
    {.name = "once only",
     "SSLCertificateChainFile @/old/rsa.pem\n" HEAD ON NEW
     "    SSLCertificateChainFile @/live/fullchain.pem\n" TAIL, NULL},
    {.name = "what a macro holds is not the server level",
     .before = "<Macro M>\nSSLCertificateChainFile @/old/rsa.pem\n</Macro>\n" HEAD ON OLD TAIL,
     .after = "<Macro M>\nSSLCertificateChainFile @/old/rsa.pem\n</Macro>\n" HEAD ON NEW TAIL},
    {.name = "a key is added once to a file of two chosen blocks",
     .before = HEAD ON " Include sites/snippet.conf\n" TAIL
     "<VirtualHost *:18444>\n ServerName www.example.test\n SSLEngine on\n"
     " Include @/sites/snippet.conf\n" TAIL,
     .snippet = " SSLCertificateFile @/old/rsa.pem\n",
     .snippet_after = " SSLCertificateFile @/live/fullchain.pem\n"
                      " SSLCertificateKeyFile @/live/privkey.pem\n"},
    {.name = "certificate and chain apart", HEAD ON OLD "  SSLCertificateChainFile @/old/rsa.pem\n" TAIL,
     HEAD ON LEAF "  SSLCertificateChainFile @/live/chain.pem\n" TAIL, .split = true},
    {.name = "a chain file is added after the key", HEAD ON OLD "    ServerAlias example.test\n" TAIL,
     HEAD ON LEAF "    SSLCertificateChainFile @/live/chain.pem\n    ServerAlias example.test\n"
     TAIL, .split = true},
    {.name = "CR LF, quotes, case, blanks and comments",
     "<virtualhost *:18443>\r\n\tservername www.example.test\r\n"
     "\t# SSLCertificateFile /no \\\r\n\t  still a comment\r\n\tsslengine ON\r\n"
     "\tSSLCERTIFICATEFILE\t\"@/old/rsa.pem\"  \r\n\tsslcertificatekeyfile  '@/old/rsa.key'\r\n"
     "</virtualhost>\r\n# end, no line ending",
     "<virtualhost *:18443>\r\n\tservername www.example.test\r\n"
     "\t# SSLCertificateFile /no \\\r\n\t  still a comment\r\n\tsslengine ON\r\n"
     "\tSSLCERTIFICATEFILE\t\"@/live/fullchain.pem\"  \r\n"
     "\tsslcertificatekeyfile  '@/live/privkey.pem'\r\n"
     "</virtualhost>\r\n# end, no line ending"},
    {.name = "CR LF in what is added",
     "<VirtualHost *:443>\r\n  ServerName www.example.test\r\n</VirtualHost>\r\n",
     "<VirtualHost *:443>\r\n  ServerName www.example.test\r\n  SSLEngine on\r\n"
     "  SSLCertificateFile @/live/fullchain.pem\r\n  SSLCertificateKeyFile @/live/privkey.pem\r\n"
     "</VirtualHost>\r\n"},
    {.name = "joined head and value",
     "# \xff\xfe \\\n <VirtualHost *:1>\n<VirtualHost \\\n *:18443 \\\n >\n"
     "    ServerName www.example.test\n" ON
     "    SSLCertificateFile \\\n      @/old/rsa.pem\n    SSLCertificateKeyFile @/old/rsa.key\n"
     TAIL,
     "# \xff\xfe \\\n <VirtualHost *:1>\n<VirtualHost \\\n *:18443 \\\n >\n"
     "    ServerName www.example.test\n" ON
     "    SSLCertificateFile \\\n      @/live/fullchain.pem\n" NEW_KEY TAIL},
    {.name = "a Define as the value", HEAD ON "SSLCertificateFile ${OLD}/rsa.pem\n"
     "SSLCertificateKeyFile \"${OLD}/rsa.key\"\n" TAIL,
     HEAD ON "SSLCertificateFile @/live/fullchain.pem\n"
     "SSLCertificateKeyFile \"@/live/privkey.pem\"\n" TAIL},
    {.name = "a tab in an empty block with a tab",
     "\t<VirtualHost *:443>\n\t</VirtualHost>\nServerName www.example.test\n",
     "\t<VirtualHost *:443>\n\t\tSSLEngine on\n\t\tSSLCertificateFile @/live/fullchain.pem\n"
     "\t\tSSLCertificateKeyFile @/live/privkey.pem\n\t</VirtualHost>\nServerName www.example.test\n"},
    {.name = "a name that is defined twice",
     "Define C @/old/rsa\n<VirtualHost *:18443>\nServerName other.test\n" ON
     " SSLCertificateFile ${C}.pem\n SSLCertificateKeyFile ${C}.key\n" TAIL
     "UnDefine C\nDefine C @/live\n" HEAD ON " SSLCertificateFile ${C}/fullchain.pem\n"
     " SSLCertificateKeyFile ${C}/privkey.pem\n" TAIL "UnDefine C\n", NULL},
    {.name = "sections by version, file and module",
     HEAD ON "<IfVersion < 2.4>\n SSLCertificateFile @/none\n</IfVersion>\n"
     "<IfVersion >= 2.4>\n" OLD "</IfVersion>\n<IfVersion !>= 2.4.1>\nSSLEngine off\n</IfVersion>\n"
     "<IfFile @/none>\n <IfFile @/none>\n </IfFile>\n SSLCertificateFile @/none\n</IfFile>\n"
     "<IfFile !@/old>\nSSLEngine off\n</IfFile>\n<IfFile old/rsa.pem>\n SSLEngine on\n</IfFile>\n"
     "<IfModule mod_gnutls.c>\n SSLEngine off\n</IfModule>\n<IfModule gnutls_module>\n"
     " SSLEngine off\n</IfModule>\n<IfModule !event.c>\n SSLEngine off\n</IfModule>\n"
     "<IfModule !mod_macro.c>\n SSLCertificateFile @/none\n</IfModule>\n" TAIL,
     HEAD ON "<IfVersion < 2.4>\n SSLCertificateFile @/none\n</IfVersion>\n"
     "<IfVersion >= 2.4>\n" NEW "</IfVersion>\n<IfVersion !>= 2.4.1>\nSSLEngine off\n</IfVersion>\n"
     "<IfFile @/none>\n <IfFile @/none>\n </IfFile>\n SSLCertificateFile @/none\n</IfFile>\n"
     "<IfFile !@/old>\nSSLEngine off\n</IfFile>\n<IfFile old/rsa.pem>\n SSLEngine on\n</IfFile>\n"
     "<IfModule mod_gnutls.c>\n SSLEngine off\n</IfModule>\n<IfModule gnutls_module>\n"
     " SSLEngine off\n</IfModule>\n<IfModule !event.c>\n SSLEngine off\n</IfModule>\n"
     "<IfModule !mod_macro.c>\n SSLCertificateFile @/none\n</IfModule>\n" TAIL, .n_runs = 2},
    {.name = "sections by expression, directive, and quotes behind the mark",
     HEAD ON "<IfVersion = /^2\\.4\\./>\n" OLD "</IfVersion>\n<IfVersion !~ ^2>\nSSLEngine off\n</IfVersion>\n"
     "<IfDirective !SSLEngine>\nSSLEngine off\n</IfDirective>\n<IfSection !VirtualHost>\nSSLEngine off\n</IfSection>\n"
     "<IfFile !\"@/old\">\nSSLEngine off\n</IfFile>\n<IfDefine LATER>\nSSLEngine off\n</IfDefine>\n"
     TAIL "Define LATER\n",
     HEAD ON "<IfVersion = /^2\\.4\\./>\n" NEW "</IfVersion>\n<IfVersion !~ ^2>\nSSLEngine off\n</IfVersion>\n"
     "<IfDirective !SSLEngine>\nSSLEngine off\n</IfDirective>\n<IfSection !VirtualHost>\nSSLEngine off\n</IfSection>\n"
     "<IfFile !\"@/old\">\nSSLEngine off\n</IfFile>\n<IfDefine LATER>\nSSLEngine off\n</IfDefine>\n"
     TAIL "Define LATER\n", .n_runs = 2},
    {.name = "a module that is loaded further down is not there yet",
     HEAD ON "<IfModule headers_module>\n SSLEngine off\n</IfModule>\n<IfModule !mod_headers.c>\n" OLD
     "</IfModule>\n<IfModule core.c>\n<IfModule mod_so.c>\n SSLEngine on\n</IfModule>\n</IfModule>\n" TAIL
     "LoadModule \"headers_module\" /usr/lib/apache2/modules/mod_headers.so\n",
     HEAD ON "<IfModule headers_module>\n SSLEngine off\n</IfModule>\n<IfModule !mod_headers.c>\n" NEW
     "</IfModule>\n<IfModule core.c>\n<IfModule mod_so.c>\n SSLEngine on\n</IfModule>\n</IfModule>\n" TAIL
     "LoadModule \"headers_module\" /usr/lib/apache2/modules/mod_headers.so\n"},
    {.name = "what UnDefine ended",
     "Define A\nUnDefine A\n" HEAD ON OLD "<IfDefine A>\n SSLEngine off\n</IfDefine>\n" TAIL,
     "Define A\nUnDefine A\n" HEAD ON NEW "<IfDefine A>\n SSLEngine off\n</IfDefine>\n" TAIL},
    {.name = "a macro's text is no block",
     "<Macro M $a>\n# </Macro>\n<VirtualHost *:1>\nSSLEngine on\n</VirtualHost>\n</macro>\n" HEAD ON OLD TAIL,
     "<Macro M $a>\n# </Macro>\n<VirtualHost *:1>\nSSLEngine on\n</VirtualHost>\n</macro>\n" HEAD ON NEW TAIL},
    {.name = "a template that is included twice", .before = "Define N www\nInclude sites/snippet.conf\n"
     "Define N wild\nInclude sites/snippet.conf\n",
     .snippet = "<VirtualHost *:18443>\nServerName ${N}.example.test\nServerAlias *.wild.test\n" ON OLD TAIL,
     .error = "does not cover 'wild.example.test'"},
    {.name = "nested sections",
     "<IfModule mod_ssl.c>\n" HEAD "  <IfModule ssl_module>\n  SSLEngine on\n"
     "  SSLCertificateFile @/old/rsa.pem\n  </IfModule>\n  <Directory />\n"
     "    Options None\n  </Directory>\n  SSLCertificateKeyFile @/old/rsa.key\n"
     "  <IfModule !mod_ssl.c>\n    SSLEngine off\n  </IfModule>\n"
     "  <IfDefine NOT_DEFINED>\n    SSLEngine off\n  </IfDefine>\n"
     "  <IfDefine !OLD>\n    SSLEngine off\n  </IfDefine>\n" TAIL "</IfModule>\n",
     "<IfModule mod_ssl.c>\n" HEAD "  <IfModule ssl_module>\n  SSLEngine on\n"
     "  SSLCertificateFile @/live/fullchain.pem\n  </IfModule>\n  <Directory />\n"
     "    Options None\n  </Directory>\n  SSLCertificateKeyFile @/live/privkey.pem\n"
     "  <IfModule !mod_ssl.c>\n    SSLEngine off\n  </IfModule>\n"
     "  <IfDefine NOT_DEFINED>\n    SSLEngine off\n  </IfDefine>\n"
     "  <IfDefine !OLD>\n    SSLEngine off\n  </IfDefine>\n" TAIL "</IfModule>\n"},
    {.name = "several blocks, others stay",
     HEAD ON OLD TAIL "<VirtualHost *:18443>\n ServerName other.test\n" ON OLD TAIL
     "<VirtualHost 127.0.0.1:18444>\n ServerName WWW.example.test\n" ON OLD TAIL,
     HEAD ON NEW TAIL "<VirtualHost *:18443>\n ServerName other.test\n" ON OLD TAIL
     "<VirtualHost 127.0.0.1:18444>\n ServerName WWW.example.test\n" ON NEW TAIL},
    {.name = "the pair of our type", HEAD ON
     " SSLCertificateFile @/old/ec.pem\n SSLCertificateKeyFile @/old/ec.key\n" OLD TAIL,
     HEAD ON " SSLCertificateFile @/old/ec.pem\n SSLCertificateKeyFile @/old/ec.key\n" NEW TAIL},
    {.name = "a single pair of the other type", HEAD ON
     "    SSLCertificateFile @/old/ec.pem\n    SSLCertificateKeyFile @/old/ec.key\n" TAIL,
     HEAD ON NEW TAIL},
    {.name = "two pairs of our type", HEAD ON OLD OLD TAIL, HEAD ON NEW NEW TAIL},
    {.name = "the target's own path, and another pair of our type before it",
     HEAD ON OLD NEW TAIL},
    {.name = "a chain file is not needed by the pair that stays", HEAD ON OLD
     " SSLCertificateFile @/old/ecfull.pem\n SSLCertificateKeyFile @/old/ec.key\n"
     " SSLCertificateChainFile @/old/rsa.pem\n" TAIL,
     HEAD ON NEW " SSLCertificateFile @/old/ecfull.pem\n SSLCertificateKeyFile @/old/ec.key\n"
     " # SSLCertificateChainFile @/old/rsa.pem" WHY "\n" TAIL},
    {.name = "an alias in the short form",
     "<VirtualHost 127.0.0.1:18443>\n ServerName example.test\n ServerAlias \"www.example.test\"\n"
     ON OLD TAIL,
     "<VirtualHost 127.0.0.1:18443>\n ServerName example.test\n ServerAlias \"www.example.test\"\n"
     ON NEW TAIL},
    {.name = "an empty block but for its alias", "ServerName www.example.test\n<VirtualHost *:443>\n" TAIL,
     "ServerName www.example.test\n<VirtualHost *:443>\n    SSLEngine on\n" NEW TAIL},
    {.name = "directives in an included file",
     HEAD " Include sites/snippet.conf\n" TAIL, NULL,
     .snippet = "SSLEngine on\nSSLCertificateFile @/old/rsa.pem\nSSLCertificateKeyFile @/old/rsa.key",
     .snippet_after = "SSLEngine on\nSSLCertificateFile @/live/fullchain.pem\n"
                      "SSLCertificateKeyFile @/live/privkey.pem"},
    {.name = "a key added at the end of an included file",
     HEAD ON " Include sites/snippet.conf\n" TAIL, NULL,
     .snippet = "\tSSLCertificateFile @/old/rsa.pem",
     .snippet_after = "\tSSLCertificateFile @/live/fullchain.pem\n"
                      "\tSSLCertificateKeyFile @/live/privkey.pem"},
    {.name = "an included file of two chosen blocks",
     HEAD ON " Include sites/snippet.conf\n" TAIL
     "<VirtualHost *:18444>\n ServerName www.example.test\n SSLEngine on\n"
     " IncludeOptional @/sites/snip*.conf\n" TAIL, NULL,
     .snippet = OLD, .snippet_after = NEW},
    {.name = "a chain file in a shared file is overridden",
     HEAD ON OLD " Include sites/snippet.conf\n" TAIL
     "<VirtualHost *:18443>\n ServerName other.test\n" ON OLD
     " Include sites/snippet.conf\n" TAIL,
     HEAD ON NEW " Include sites/snippet.conf\n"
     "    SSLCertificateChainFile @/live/fullchain.pem\n" TAIL
     "<VirtualHost *:18443>\n ServerName other.test\n" ON OLD
     " Include sites/snippet.conf\n" TAIL,
     .snippet = "SSLCertificateChainFile @/old/rsa.pem\n"},
};
/* clang-format on */

static struct test_server server;

static void check_file(const struct test_job *job, const char *path, const char *before,
                       const char *after)
{
    const struct test_file *file = test_job_file(job, path);

    if (after == NULL) {
        assert_null(file);
        return;
    }
    char *was = test_server_text(&server, before);
    char *want = test_server_text(&server, after);
    assert_non_null(file);
    assert_string_equal((const char *)file->content, want);
    assert_int_equal(file->len, strlen(want));
    assert_string_equal((const char *)file->expected, was);
    assert_false(file->secret);
    test_server_write(&server, strrchr(path, '/') + 1, after);
    free(was);
    free(want);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    char *snippet = test_server_text(&server, "@/sites/snippet.conf");
    struct test_job job;
    struct ecert_error err = {0};

    test_server_write(&server, "site.conf", row->before);
    test_server_write(&server, "sites/snippet.conf", row->snippet != NULL ? row->snippet : "");
    assert_true(test_server_accepts(&server));
    test_server_job(&server, &job);
    if (row->split)
        job.paths[ECERT_MATERIAL_FULLCHAIN] = NULL;
    const enum ecert_status status = ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err);
    if (row->error != NULL) {
        assert_int_equal(status, ECERT_E_CONFIG);
        assert_non_null(strstr(err.text, row->error));
        assert_int_equal(job.n_files, 0);
        test_job_clear(&job);
        free(snippet);
        return;
    }
    if (status != ECERT_OK)
        fail_msg("%s", err.text);
    check_file(&job, server.site_file, row->before, row->after);
    if (row->snippet_after != NULL) {
        const struct test_file *file = test_job_file(&job, snippet);
        char *want = test_server_text(&server, row->snippet_after);
        assert_non_null(file);
        assert_string_equal((const char *)file->content, want);
        free(want);
        test_server_write(&server, "sites/snippet.conf", row->snippet_after);
    }
    assert_int_equal(job.n_files,
                     (row->after != NULL ? 1 : 0) + (row->snippet_after != NULL ? 1 : 0));
    assert_int_equal(job.n_runs, row->n_runs == 0 ? 1 : row->n_runs);
    assert_true(test_server_accepts(&server));
    test_job_clear(&job);

    /* a second plan finds nothing to change */
    test_server_job(&server, &job);
    if (row->split)
        job.paths[ECERT_MATERIAL_FULLCHAIN] = NULL;
    assert_int_equal(ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err), ECERT_OK);
    assert_int_equal(job.n_files, 0);
    test_job_clear(&job);
    free(snippet);
}

/* A NUL byte ends the line for the server; what follows it stays. */
static void bytes_behind_a_nul_stay(void **state)
{
    static const char site[] = HEAD ON "#\xff\0\\\nSSLCertificateFile\t@/old/rsa.pem\0 x \\\n"
                                       "SSLCertificateKeyFile @/old/rsa.key\0\n" TAIL;
    static const char want[] = HEAD ON "#\xff\0\\\nSSLCertificateFile\t/live/full.pem\0 x \\\n"
                                       "SSLCertificateKeyFile /live/key.pem\0\n" TAIL;
    struct test_job job;
    struct ecert_error err = {0};
    FILE *file = fopen(server.site_file, "w");

    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < sizeof site - 1; i++)
        assert_true(site[i] == '@' ? fputs(server.folder, file) >= 0 : fputc(site[i], file) != EOF);
    assert_int_equal(fclose(file), 0);
    assert_true(test_server_accepts(&server));
    test_server_job(&server, &job);
    job.paths[ECERT_MATERIAL_FULLCHAIN] = "/live/full.pem";
    job.paths[ECERT_MATERIAL_KEY] = "/live/key.pem";
    if (ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(job.n_files, 1);
    assert_int_equal(job.files[0].len, sizeof want - 1);
    assert_memory_equal(job.files[0].content, want, sizeof want - 1);
    test_job_clear(&job);
}

/* A path with a blank is quoted. */
static void an_odd_path_is_quoted(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};
    char *odd = test_server_text(&server, "@/odd folder/\"full\".pem");
    char *want = test_server_text(
        &server, HEAD ON "    SSLCertificateFile \"@/odd folder/\\\"full\\\".pem\"\n" NEW_KEY TAIL);

    (void)state;
    test_server_write(&server, "site.conf", HEAD ON OLD TAIL);
    test_server_job(&server, &job);
    job.paths[ECERT_MATERIAL_FULLCHAIN] = odd;
    assert_int_equal(ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err), ECERT_OK);
    assert_int_equal(job.n_files, 1);
    assert_string_equal((const char *)job.files[0].content, want);
    test_job_clear(&job);
    free(odd);
    free(want);
}

/* The server tells the line of the last nested Include for the files that follow it. */
static void a_file_after_one_that_includes_another(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    test_server_write(&server, "live/empty.conf", "");
    test_server_write(&server, "sites-available/1.conf", "\n\nInclude @/live/empty.conf\n");
    test_server_write(&server, "sites-available/2.conf", HEAD ON OLD TAIL);
    test_server_write(&server, "site.conf", "IncludeOptional sites-available/*.conf\n");
    assert_true(test_server_accepts(&server));
    test_server_job(&server, &job);
    if (ecert_plugin.plan(&test_host, (struct ecert_job *)&job, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(job.n_files, 1);
    test_job_clear(&job);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 3] = {
        cmocka_unit_test(an_odd_path_is_quoted), cmocka_unit_test(bytes_behind_a_nul_stay),
        cmocka_unit_test(a_file_after_one_that_includes_another)};

    if (!test_server_make(&server)) {
        (void)fprintf(stderr, "skipped: there is no %s\n", APACHE);
        return 77;
    }
    for (size_t i = 0; i < COUNT(rows); i++)
        tests[3 + i] = (struct CMUnitTest){.name = rows[i].name,
                                           .test_func = check_row,
                                           .initial_state = (void *)(uintptr_t)&rows[i]};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_server_remove(&server);
    return failed;
}
