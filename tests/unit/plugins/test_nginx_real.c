/* The real nginx judges the configuration before and after the edit. */
#include "tests/support/test_pki.h"
#include "tests/unit/plugins/test_nginx_site.h"

static EVP_PKEY *rsa;
static EVP_PKEY *ec;

static int make_keys(void **state)
{
    (void)state;
    rsa = test_key_rsa(2048);
    ec = test_key_ec("P-256");
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    return 0;
}

/* NAME.pem and NAME.key. */
static void write_pair(const struct site *site, const char *name, EVP_PKEY *key)
{
    static const char *const names[] = {"www.example.test", "example.test", NULL};
    const struct test_certificate what = {.key = key, .common_name = name, .names = names};
    X509 *certificate = test_certificate_make(&what);
    struct ecert_bytes pem = test_certificate_pem(certificate);
    struct ecert_bytes key_pem = test_key_pem(key, NULL, NULL);
    char file[64];

    (void)snprintf(file, sizeof file, "%s.pem", name);
    site_write(site, file, pem.ptr, pem.len);
    (void)snprintf(file, sizeof file, "%s.key", name);
    site_write(site, file, key_pem.ptr, key_pem.len);
    ecert_bytes_clear(&pem);
    ecert_bytes_clear(&key_pem);
    X509_free(certificate);
}

static void remove_pair(const struct site *site, const char *name)
{
    char file[64];

    (void)snprintf(file, sizeof file, "%s.pem", name);
    assert_int_equal(unlink(site_path(site, file)), 0);
    (void)snprintf(file, sizeof file, "%s.key", name);
    assert_int_equal(unlink(site_path(site, file)), 0);
}

/* nginx -t with the site's own prefix and configuration. */
static bool nginx_accepts(struct site *site)
{
    const char *const argv[] = {"/usr/sbin/nginx", "-p", site->dir, "-c", "nginx.conf", "-t", NULL};
    struct ecert_command_result result = {0};
    struct ecert_error err = {0};

    assert_int_equal(test_host.run((struct ecert_job *)&site->job, argv, &result, &err), ECERT_OK);
    if (result.exit_code != 0)
        print_message("%s", (const char *)result.err.ptr);
    return result.exit_code == 0;
}

static void carry_out(const struct site *site)
{
    for (size_t i = 0; i < site->job.n_files; i++) {
        FILE *file = fopen(site->job.files[i].path, "we");
        assert_non_null(file);
        assert_int_equal(fwrite(site->job.files[i].content, 1, site->job.files[i].len, file),
                         site->job.files[i].len);
        assert_int_equal(fclose(file), 0);
    }
}

#define HEAD                                                                                     \
    "pid nginx.pid; error_log error.log; events {}\n"                                            \
    "http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;" \
    " uwsgi_temp_path t4; scgi_temp_path t5;\n"

/* What goes wrong without the edit: the old files are gone, only the new ones can be loaded. */
static void check_edit(const char *body, const char *snippet, EVP_PKEY *key, const char *type,
                       const char *keep)
{
    static char full_chain[256];
    static char key_path[256];
    struct site site;
    char *conf = NULL;

    site_make(&site);
    write_pair(&site, "old", rsa);
    write_pair(&site, "old-ec", ec);
    write_pair(&site, "new pair", key);
    assert_true(asprintf(&conf, HEAD "%s}\n", body) > 0);
    site_text(&site, "nginx.conf", conf);
    site_text(&site, "snippet.conf", snippet);
    assert_true(nginx_accepts(&site));

    (void)strcpy(full_chain, site_path(&site, "new pair.pem"));
    (void)strcpy(key_path, site_path(&site, "new pair.key"));
    site.job.paths[ECERT_MATERIAL_FULLCHAIN] = full_chain;
    site.job.paths[ECERT_MATERIAL_KEY] = key_path;
    site.job.leaf.key_type = type;
    if (site_plan(&site, NULL) != ECERT_OK)
        fail_msg("%s", site.err.text);
    assert_int_equal(site.job.n_files, 1);
    carry_out(&site);
    if (keep != NULL && strcmp(keep, "both") == 0)
        assert_non_null(
            strstr((const char *)site.job.files[0].content, "  ssl_certificate 'old-ec.pem';\n"));
    if (keep == NULL || (strcmp(keep, "old") != 0 && strcmp(keep, "both") != 0))
        remove_pair(&site, "old");
    if (keep == NULL || (strcmp(keep, "old-ec") != 0 && strcmp(keep, "both") != 0))
        remove_pair(&site, "old-ec");
    assert_true(nginx_accepts(&site));

    /* a second plan finds nothing to change */
    struct test_job again = {.paths = {0}, .leaf = site.job.leaf};
    again.paths[ECERT_MATERIAL_FULLCHAIN] = full_chain;
    again.paths[ECERT_MATERIAL_KEY] = key_path;
    test_job_clear(&site.job);
    site.job = again;
    assert_int_equal(site_plan(&site, NULL), ECERT_OK);
    assert_int_equal(site.job.n_files, 0);
    free(conf);
    site_remove(&site);
}

static void a_pair_is_replaced(void **state)
{
    (void)state;
    check_edit("server { listen 127.0.0.1:8443 ssl; server_name example.test;\n"
               "  ssl_certificate old.pem; ssl_certificate_key 'old.key'; }",
               "", rsa, "rsa", NULL);
}

static void a_pair_is_added(void **state)
{
    (void)state;
    check_edit("server {\r\n\tlisten 127.0.0.1:8443 ssl;\r\n\tserver_name example.test;\r\n}\r\n"
               "ssl_certificate old.pem; ssl_certificate_key old.key;\r\n"
               "server { listen 127.0.0.1:8444; server_name other.test; }",
               "", rsa, "rsa", "old");
}

static void a_snippet_is_changed(void **state)
{
    (void)state;
    check_edit("server { listen 127.0.0.1:8443 ssl; server_name example.test;\n"
               "  include snippet.conf; }\n"
               "server { listen 127.0.0.1:8444 ssl; server_name www.example.test;\n"
               "  include snippet.conf; }",
               "ssl_certificate old.pem;\nssl_certificate_key old.key;\n", rsa, "rsa", NULL);
}

#define TWO_PAIRS                                                     \
    "server { listen 127.0.0.1:8443 ssl; server_name example.test;\n" \
    "  ssl_certificate old.pem; ssl_certificate_key old.key;\n"       \
    "  ssl_certificate old-ec.pem; ssl_certificate_key old-ec.key; }\n"

static void of_two_pairs_the_ec_one(void **state)
{
    (void)state;
    check_edit(TWO_PAIRS, "", ec, "ec", "old");
}

static void of_two_pairs_the_rsa_one(void **state)
{
    (void)state;
    check_edit(TWO_PAIRS, "", rsa, "rsa", "old-ec");
}

static void behind_a_snippet_of_others(void **state)
{
    (void)state;
    check_edit("server { listen 127.0.0.1:8443 ssl; server_name example.test;\n"
               "  include snippet.conf;\n}\n"
               "server { listen 127.0.0.1:8444 ssl; server_name other.test;\n"
               "  include snippet.conf; }",
               "ssl_certificate old.pem;\nssl_certificate_key old.key;\n", rsa, "rsa", "old");
}

/* Without its own ECDSA pair the block would serve RSA alone. */
static void what_is_inherited_of_the_other_type_stays(void **state)
{
    (void)state;
    check_edit("ssl_certificate old.pem; ssl_certificate_key old.key;\n"
               "ssl_certificate 'old-ec.pem'; ssl_certificate_key old-ec.key;\n"
               "server {\n  listen 127.0.0.1:8443 ssl;\n  server_name example.test;\n}\n"
               "server { listen 127.0.0.1:8444 ssl; }",
               "", rsa, "rsa", "both");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_replaced),
        cmocka_unit_test(a_pair_is_added),
        cmocka_unit_test(a_snippet_is_changed),
        cmocka_unit_test(of_two_pairs_the_ec_one),
        cmocka_unit_test(of_two_pairs_the_rsa_one),
        cmocka_unit_test(behind_a_snippet_of_others),
        cmocka_unit_test(what_is_inherited_of_the_other_type_stays),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
