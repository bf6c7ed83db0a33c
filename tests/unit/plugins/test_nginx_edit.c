#include "tests/support/test_rows.h"
#include "tests/unit/plugins/test_nginx_site.h"

/* What stands before and after the part of the configuration that a row is about. */
#define CERT(path)     "ssl_certificate " path ";"
#define CERT_KEY(path) "ssl_certificate_key " path ";"
#define NEW            CERT(FULL_CHAIN)
#define NEW_KEY        CERT_KEY(KEY)
#define OTHER          "server { listen 443 ssl; server_name other.test; include snippet.conf; }\n"

static const struct row {
    const char *name;
    const char *conf;         /* of the http block */
    const char *want;         /* NULL: no file record */
    const char *snippet;      /* snippet.conf; NULL: there is none */
    const char *want_snippet; /* NULL: no file record */
    const char *error;        /* NULL: the plan succeeds */
    const char *path;         /* of the full chain; NULL: FULL_CHAIN */
} rows[] = {
    {.name = "values are replaced, all else stays",
     .conf = "# caf\xe9 { ;\nserver\t{ # x\n  listen  443 ssl;# a\n  server_name www.example.test "
             "example.test ;\n  ssl_certificate\t/old.pem ; # old\n\n  ssl_certificate_key "
             "old.key;\n  location / { return 200 \"}\"; }\n}",
     .want = "# caf\xe9 { ;\nserver\t{ # x\n  listen  443 ssl;# a\n  server_name www.example.test "
             "example.test ;\n  ssl_certificate\t/live/full.pem ; # old\n\n  ssl_certificate_key "
             "/live/key.pem;\n  location / { return 200 \"}\"; }\n}"},
    {.name = "what is right already is not touched",
     .conf = "server { listen 443 ssl; server_name example.test; " NEW NEW_KEY " }"},
    {.name = "the quotes stay",
     .conf = "server { listen 443 ssl; server_name example.test;\n" CERT("\"/a b\"")
         CERT_KEY("'/a'") "}",
     .want = "server { listen 443 ssl; server_name example.test;\n" CERT("\"/live/full.pem\"")
         CERT_KEY("'/live/key.pem'") "}"},
    {.name = "quotes where the path needs them",
     .conf = "server { listen 443 ssl; server_name example.test;" CERT("/a") NEW_KEY "}",
     .want = "server { listen 443 ssl; server_name example.test;"
             "ssl_certificate \"/a b;\\\"c\";" NEW_KEY "}",
     .path = "/a b;\"c"},
    {.name = "a path with a dollar is refused",
     .conf = "server { listen 443 ssl; server_name example.test;" CERT("/a") NEW_KEY "}",
     .path = "/a$b",
     .error = "the path '/a$b' contains '$'"},
    {.name = "missing directives become lines",
     .conf = "server {\n    listen 80;\n    listen 443 ssl; # tls\n    server_name "
             "example.test;\n\n    root /x;\n}\n",
     .want = "server {\n    listen 80;\n    listen 443 ssl; # tls\n    server_name "
             "example.test;\n    " NEW "\n    " NEW_KEY "\n\n    root /x;\n}\n"},
    {.name = "with tabs and CRLF",
     .conf = "server {\r\n\tlisten 443 ssl;\r\n\tserver_name\r\n\t\texample.test;\r\n}\r\n",
     .want = "server {\r\n\tlisten 443 ssl;\r\n\tserver_name\r\n\t\texample.test;\r\n\t" NEW
             "\r\n\t" NEW_KEY "\r\n}\r\n"},
    {.name = "after the last one on its own line",
     .conf = "server {\n  listen 443 ssl;\n  server_name example.test; root /x;\n}\n",
     .want = "server {\n  listen 443 ssl;\n  " NEW "\n  " NEW_KEY
             "\n  server_name example.test; root /x;\n}\n"},
    {.name = "in the line where there is one line",
     .conf = "server { listen 443 ssl; server_name example.test; root /x; }",
     .want = "server { listen 443 ssl; server_name example.test; " NEW " " NEW_KEY " root /x; }"},
    {.name = "at the start where the block names nothing itself",
     .conf = "  server { # here\n    include snippet.conf;\n  }\n",
     .want = "  server { # here\n    " NEW "\n    " NEW_KEY "\n    include snippet.conf;\n  }\n",
     .snippet = "listen 443 ssl; server_name example.test;"},
    {.name = "at the start, one line",
     .conf = "server { include snippet.conf; }",
     .want = "server { " NEW " " NEW_KEY " include snippet.conf; }",
     .snippet = "listen 443 ssl; server_name example.test;"},
    {.name = "only the key is missing",
     .conf = "server {\n listen 443 ssl;\n server_name example.test;\n " CERT("/a") "\n}",
     .want = "server {\n listen 443 ssl;\n server_name example.test;\n " NEW "\n " NEW_KEY "\n}"},
    {.name = "those of the http block are overridden where others inherit them",
     .conf = CERT("/a") CERT_KEY("/b") "\nserver { listen 443 ssl; server_name example.test; }\n"
                                       "server { listen 443 ssl default_server; }",
     .want = CERT("/a") CERT_KEY("/b") "\nserver { listen 443 ssl; server_name example.test; " NEW
                                       " " NEW_KEY " }\n"
                                       "server { listen 443 ssl default_server; }"},
    {.name = "those of the http block are changed where the target is for all that inherit them",
     .conf = CERT("/a") CERT_KEY("'/b'") "\nserver { listen 443 ssl; server_name example.test; }\n"
                                         "server { listen 443 ssl; " CERT("/c") CERT_KEY(
                                             "/d") "}"
                                                   "server { listen 80; server_name other.test; }",
     .want =
         NEW CERT_KEY("'/live/key.pem'") "\nserver { listen 443 ssl; server_name example.test; }\n"
                                         "server { listen 443 ssl; " CERT("/c") CERT_KEY(
                                             "/d") "}"
                                                   "server { listen 80; server_name other.test; }"},
    {.name = "the key of the http block is overridden, the certificate is the block's",
     .conf = CERT_KEY("/b") "\nserver { listen 443 ssl; server_name example.test; " CERT(
         "/a") " }\n"
               "server { listen 443 ssl; server_name x.test; " CERT("/a") " }",
     .want = CERT_KEY("/b") "\nserver { listen 443 ssl; server_name example.test; " NEW " " NEW_KEY
                            " }\nserver { listen 443 ssl; server_name x.test; " CERT("/a") " }"},
    {.name = "more keys than certificates: the first is the one",
     .conf = "server { listen 443 ssl; server_name example.test; " CERT("/a") CERT_KEY("/b")
         CERT_KEY("/c") " }",
     .want = "server { listen 443 ssl; server_name example.test; " NEW NEW_KEY CERT_KEY("/c") " }"},
    {.name = "two blanks deep",
     .conf = "\n  server {\n    include snippet.conf;\n  }\n  server {\n  }\n",
     .want = "\n  server {\n    " NEW "\n    " NEW_KEY "\n    include snippet.conf;\n  }\n"
             "  server {\n  }\n",
     .snippet = "listen 443 ssl; server_name example.test;"},
    {.name = "all blocks with the name",
     .conf = "server { listen 443 ssl; server_name example.test;" CERT("/a")
         CERT_KEY("/b") "}\n"
                        "server { listen [::]:443 ssl; server_name EXAMPLE.test;" CERT("/a")
                            CERT_KEY("/b") "}",
     .want = "server { listen 443 ssl; server_name example.test;" NEW NEW_KEY "}\n"
             "server { listen [::]:443 ssl; server_name EXAMPLE.test;" NEW NEW_KEY "}"},
    {.name = "a snippet of chosen blocks is changed once",
     .conf = "server { listen 443 ssl; server_name example.test; include snippet.conf; }\n"
             "server { listen 444 ssl; server_name www.example.test; include snippet.conf; }\n"
             "server { listen 445 ssl default_server; server_name _; include snippet.conf; }\n"
             "server { listen 80; server_name other.test; include snippet.conf; }",
     .snippet = CERT("/a") "\n" CERT_KEY("/b") "\n",
     .want_snippet = NEW "\n" NEW_KEY "\n"},
    {.name = "a snippet that others need stays, and a pair of its own goes behind it",
     .conf = "server { listen 443 ssl; server_name example.test; include snippet.conf; }\n" OTHER,
     .snippet = "\n" CERT("/a") "\n" CERT_KEY("/b") "\n",
     .want = "server { listen 443 ssl; server_name example.test; include snippet.conf; " NEW
             " " NEW_KEY " }\n" OTHER},
    {.name = "behind the include, on lines of their own",
     .conf = "server {\r\n\tinclude snippet.conf; # tls\r\n\tlisten 443 ssl;\r\n\tserver_name "
             "example.test;\r\n}\r\n" OTHER,
     .snippet = CERT("/a") "\n" CERT_KEY("/b") "\n",
     .want = "server {\r\n\tinclude snippet.conf; # tls\r\n\t" NEW "\r\n\t" NEW_KEY
             "\r\n\tlisten 443 ssl;\r\n\tserver_name example.test;\r\n}\r\n" OTHER},
    {.name = "a pair of its own behind a snippet is found again",
     .conf = "server { listen 443 ssl; server_name example.test; include snippet.conf; " NEW NEW_KEY
             " }\n" OTHER,
     .snippet = CERT("/a") "\n" CERT_KEY("/b") "\n"},
    {.name = "a snippet with the certificate alone is refused where others need it",
     .conf = CERT_KEY("/b") "server { listen 443 ssl; server_name example.test; include "
                            "snippet.conf; }\n" OTHER,
     .snippet = "\n" CERT("/a") "\n",
     .error = "snippet.conf:2: this ssl_certificate also serves the server block at"},
    {.name = "a snippet that is right already may have other users",
     .conf = "server { listen 443 ssl; server_name example.test; include snippet.conf; }\n" OTHER,
     .snippet = NEW NEW_KEY},
    {.name = "a whole block that is included twice",
     .conf = "include snippet.conf; include ./snippet.conf;",
     .snippet = "server { listen 443 ssl; server_name example.test; }",
     .want_snippet = "server { listen 443 ssl; server_name example.test; " NEW " " NEW_KEY " }"},
    {.name = "a value with a variable",
     .conf = "\nserver { listen 443 ssl; server_name example.test; " CERT("/c/$ssl_server_name.pem")
         CERT_KEY("/k") "}",
     .error = "nginx.conf:3 is not the path of a file; write 'ssl_certificate /live/full.pem;' and "
              "'ssl_certificate_key /live/key.pem;' into the block instead"},
    {.name = "a key in an engine",
     .conf = "server { listen 443 ssl; server_name example.test; " NEW CERT_KEY("engine:x:y") "}",
     .error = "'engine:x:y' in "},
    {.name = "two certificates and one key",
     .conf = "server { listen 443 ssl; server_name example.test; " NEW NEW NEW_KEY "}",
     .error = "has 2 ssl_certificate and 1 ssl_certificate_key"},
    {.name = "two pairs of unknown type",
     .conf = "server { listen 443 ssl; server_name example.test; " CERT("/a") CERT_KEY("/a")
         CERT("/b") CERT_KEY("/b") "}",
     .error =
         "none of its certificates is of the type 'rsa'; add 'ssl_certificate /live/full.pem;'"},
    {.name = "two pairs, one ours already",
     .conf = "server { listen 443 ssl; server_name example.test; " CERT("/a") CERT_KEY("/a")
         NEW CERT_KEY("/b") "}",
     .want = "server { listen 443 ssl; server_name example.test; " CERT("/a") CERT_KEY("/a")
         NEW NEW_KEY "}"},
    {.name = "Lua, maps and comments are left alone",
     .conf = "map $a $b { default 0; server { } }\nserver { listen 443 ssl; server_name "
             "example.test;\n location / { content_by_lua_block { x = '}' -- }\n } }\n" CERT("/a")
                 NEW_KEY "}",
     .want = "map $a $b { default 0; server { } }\nserver { listen 443 ssl; server_name "
             "example.test;\n location / { content_by_lua_block { x = '}' -- }\n } }\n" NEW NEW_KEY
             "}"},
};

static void check_file(const struct site *site, const char *name, const char *before,
                       const char *want)
{
    const struct test_file *file = test_job_file(&site->job, site_path(site, name));

    if (want == NULL) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    assert_string_equal((const char *)file->content, want);
    assert_int_equal(file->len, strlen(want));
    assert_string_equal((const char *)file->expected, before);
    assert_int_equal(file->mode, -1);
    assert_false(file->secret);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    char *conf = NULL;
    char *want = NULL;
    struct site site;

    site_make(&site);
    assert_true(asprintf(&conf, "events {}\nhttp {%s}\n", row->conf) > 0);
    assert_true(asprintf(&want, "events {}\nhttp {%s}\n", row->want != NULL ? row->want : "") > 0);
    site_text(&site, "nginx.conf", conf);
    if (row->snippet != NULL)
        site_text(&site, "snippet.conf", row->snippet);
    site.job.paths[ECERT_MATERIAL_FULLCHAIN] = row->path;
    const enum ecert_status status = site_plan(&site, NULL);
    if (row->error != NULL) {
        assert_int_equal(status, ECERT_E_CONFIG);
        if (strstr(site.err.text, row->error) == NULL)
            fail_msg("'%s' lacks '%s'", site.err.text, row->error);
        assert_int_equal(site.job.n_files, 0);
    } else {
        if (status != ECERT_OK)
            fail_msg("%s", site.err.text);
        check_file(&site, "nginx.conf", conf, row->want != NULL ? want : NULL);
        check_file(&site, "snippet.conf", row->snippet, row->want_snippet);
    }
    free(conf);
    free(want);
    site_remove(&site);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows)] = {0};

    (void)TEST_ADD_ROWS(tests, check_row, rows);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
