/* plugins/example/example.c: what the smallest plugin plans. */
#include "tests/support/plugin_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY   "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\n"
#define CERTS "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n"

static char folder[64], path[128];

static int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%.40s/example.XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/site.pem", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void write_file(const char *content)
{
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    assert_true(fputs(content, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static struct ecert_view view(const char *text)
{
    return (struct ecert_view){(const uint8_t *)text, strlen(text)};
}

static enum ecert_status plan(const char *key, struct test_job *job, struct ecert_error *err)
{
    static const char *const test[] = {"/usr/sbin/haproxy", "-c", "-f", "/etc/haproxy.cfg", NULL};
    static const char *const reload[] = {"/usr/bin/systemctl", "reload", "haproxy.service", NULL};
    static struct test_setting settings[] = {
        {"directory", folder, NULL},
        {"file", "site.pem", NULL},
        {"service", "haproxy.service", NULL},
        {"pid_file", "/run/haproxy.pid", NULL},
        {"test", NULL, test},
        {"reload", NULL, reload},
        {NULL, NULL, NULL},
    };

    *job = (struct test_job){.plugin = &ecert_plugin, .settings = settings};
    if (key != NULL)
        job->materials[ECERT_MATERIAL_KEY] = view(key);
    job->materials[ECERT_MATERIAL_FULLCHAIN] = view(CERTS);
    return ecert_plugin.plan(&test_host, (struct ecert_job *)job, err);
}

static void key_and_certificates_go_into_one_file(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(plan(KEY, &job, &err), ECERT_OK);
    const struct test_file *file = test_job_file(&job, path);
    assert_non_null(file);
    assert_int_equal(file->len, strlen(KEY CERTS));
    assert_memory_equal(file->content, KEY CERTS, file->len);
    assert_true(file->secret);
    assert_null(file->expected);
    assert_string_equal(job.test_argv[0], "/usr/sbin/haproxy");
    assert_string_equal(job.service, "haproxy.service");
    assert_string_equal(job.reload[1], "reload");
    assert_string_equal(job.pid_file, "/run/haproxy.pid");
    assert_null(job.start);
    assert_int_equal(job.n_tests, 1);
    assert_int_equal(job.n_activations, 1);
    test_job_clear(&job);
}

static void what_was_there_is_expected_there(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    write_file("old");
    assert_int_equal(plan(KEY, &job, &err), ECERT_OK);
    const struct test_file *file = test_job_file(&job, path);
    assert_non_null(file);
    assert_int_equal(file->expected_len, 3);
    assert_memory_equal(file->expected, "old", 3);
    test_job_clear(&job);
}

static void an_unchanged_file_is_not_asked_for(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    write_file(KEY CERTS);
    assert_int_equal(plan(KEY, &job, &err), ECERT_OK);
    assert_int_equal(job.n_files, 0);
    test_job_clear(&job);
}

static void without_a_key_it_says_so(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(plan(NULL, &job, &err), ECERT_E_CONFIG);
    assert_non_null(strstr(err.text, "no private key"));
    assert_int_equal(job.n_files, 0);
    test_job_clear(&job);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(key_and_certificates_go_into_one_file),
        IN_FOLDER(what_was_there_is_expected_there),
        IN_FOLDER(an_unchanged_file_is_not_asked_for),
        IN_FOLDER(without_a_key_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
