/* plugins/iis-export/iis_export.c: the whole plan, carried out into a folder by the test. */
#include "plugins/iis-export/pkcs12.h"

#include "tests/support/plugin_host.h"
#include "tests/unit/plugins/test_iis_export_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#define FRIENDLY "www.example.test until 2027-06-30"
#define OLD      "1111111111111111111111111111111111111111"

static struct test_certs certs;
static char folder[64];

static int make_certs(void **state)
{
    (void)state;
    test_certs_make(&certs);
    return 0;
}

static int clear_certs(void **state)
{
    (void)state;
    test_certs_clear(&certs);
    return 0;
}

static int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%.40s/iis.XXXXXX", base == NULL ? "/tmp" : base);
    return mkdtemp(folder) == NULL;
}

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {
        "www.example.test.pfx",
        "www.example.test.p7b",
        "www.example.test.password.txt",
        "Install-www.example.test.ps1",
        "www.example.test-README.txt",
        "www.example.test-SHA256SUMS",
        "own.txt",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(in_folder(names[i]));
    return rmdir(folder);
}

static void write_file(const char *path, const void *content, size_t len)
{
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    assert_int_equal(fwrite(content, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

/* ---- one deployment ------------------------------------------------------------------------- */

/* Up to seven settings beside `directory`; ends with name NULL. */
static struct test_setting settings[8];

static void set(const char *name, const char *value)
{
    size_t n = 0;

    while (settings[n].name != NULL && strcmp(settings[n].name, name) != 0)
        n++;
    assert_true(n + 1 < sizeof settings / sizeof *settings);
    settings[n] = (struct test_setting){.name = name, .value = value};
}

static void fresh_settings(void)
{
    memset(settings, 0, sizeof settings);
    set("directory", folder);
}

static const char *const names[] = {"www.example.test", NULL};

/* An empty file may come as no pointer at all: the contract does not say. */
static enum ecert_status read_empty_as_null(struct ecert_job *job, const char *path, size_t max_len,
                                            struct ecert_view *ret, struct ecert_error *err)
{
    const enum ecert_status status = test_host.read_file(job, path, max_len, ret, err);

    if (status == ECERT_OK && ret->len == 0)
        ret->ptr = NULL;
    return status;
}

static enum ecert_status plan_with(const char *key, const char *leaf, const char *sha1,
                                   struct test_job *job, struct ecert_error *err)
{
    *job = (struct test_job){
        .plugin = &ecert_plugin,
        .settings = settings,
        .leaf = {.size = sizeof job->leaf,
                 .common_name = "www.example.test",
                 .dns_names = names,
                 .not_after = TEST_NOT_AFTER,
                 .sha1 = sha1,
                 .replaced_sha1 = OLD},
    };
    if (key != NULL)
        job->materials[ECERT_MATERIAL_KEY] = test_view(key);
    job->materials[ECERT_MATERIAL_CERTIFICATE] = test_view(leaf);
    job->materials[ECERT_MATERIAL_CHAIN] = test_view(certs.ca_pem);
    struct ecert_host host = test_host;
    host.read_file = read_empty_as_null;
    return ecert_plugin.plan(&host, (struct ecert_job *)job, err);
}

/* Plan, and write what it asks for, as the core would. */
static void deploy(const char *key, const char *leaf, const char *sha1, struct test_job *job)
{
    struct ecert_error err = {0};

    if (plan_with(key, leaf, sha1, job, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < job->n_files; i++)
        write_file(job->files[i].path, job->files[i].content, job->files[i].len);
}

static void refused(enum ecert_status want, const char *words)
{
    struct test_job job;
    struct ecert_error err = {0};

    assert_int_equal(plan_with(certs.key_pem, certs.leaf_pem, certs.sha1, &job, &err), want);
    if (strstr(err.text, words) == NULL)
        fail_msg("no '%s' in '%s'", words, err.text);
    assert_int_equal(job.n_files, 0);
    test_job_clear(&job);
}

/* NULL: the file opens with this password and holds what it should. */
static const char *look_into(const struct test_file *file, const char *profile,
                             const char *password)
{
    struct ecert_iis_identity identity = {0};
    struct ecert_error err = {0};

    assert_int_equal(ecert_iis_identity_parse(&test_host, test_view(certs.key_pem),
                                              test_view(certs.leaf_pem), test_view(certs.ca_pem),
                                              &identity, &err),
                     ECERT_OK);
    const char *difference =
        ecert_iis_pkcs12_check((struct ecert_view){file->content, file->len}, &identity,
                               ecert_iis_profile_find(profile), password, FRIENDLY);
    ecert_iis_identity_clear(&identity);
    return difference;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void a_first_deployment_makes_everything(void **state)
{
    struct test_job job;

    (void)state;
    fresh_settings();
    set("site", "Default Web Site");
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    assert_int_equal(job.n_files, 5);

    const struct test_file *pfx = test_job_file(&job, in_folder("www.example.test.pfx"));
    const struct test_file *word = test_job_file(&job, in_folder("www.example.test.password.txt"));
    const struct test_file *sums = test_job_file(&job, in_folder("www.example.test-SHA256SUMS"));
    assert_non_null(pfx);
    assert_non_null(word);
    assert_non_null(sums);
    assert_non_null(test_job_file(&job, in_folder("Install-www.example.test.ps1")));
    assert_non_null(test_job_file(&job, in_folder("www.example.test-README.txt")));
    assert_true(pfx->secret);
    assert_true(word->secret);
    assert_int_equal(word->mode, 0600);
    assert_null(pfx->expected);
    assert_int_equal(word->content[word->len - 1], '\n');

    char password[128] = {0};
    memcpy(password, word->content, word->len - 1);
    assert_true(strlen(password) >= 24);
    assert_null(look_into(pfx, "modern", password));
    assert_null(strstr((const char *)sums->content, "password"));
    for (size_t i = 0; i < job.n_notes; i++)
        assert_null(strstr(job.notes[i], password));
    for (size_t i = 0; i < job.n_files; i++)
        if (&job.files[i] != word)
            assert_null(memmem(job.files[i].content, job.files[i].len, password, strlen(password)));
    assert_true(test_job_noted(&job, "Install-www.example.test.ps1"));
    assert_false(test_job_noted(&job, "no 'site'"));
    assert_int_equal(job.n_tests + job.n_activations + job.n_probes + job.n_runs, 0);
    test_job_clear(&job);

    /* as sha256sum(1) sees it */
    char command[256];
    (void)snprintf(command, sizeof command,
                   "cd '%s' && sha256sum --status -c www.example.test-SHA256SUMS", folder);
    assert_int_equal(system(command), 0);
}

static void an_unchanged_one_asks_for_nothing(void **state)
{
    struct test_job job;

    (void)state;
    fresh_settings();
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    test_job_clear(&job);
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    assert_int_equal(job.n_files, 0);
    assert_int_equal(job.n_notes, 0);
    test_job_clear(&job);
}

static void a_renewal_keeps_the_password_and_remembers_the_old(void **state)
{
    struct test_job job;

    (void)state;
    fresh_settings();
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    test_job_clear(&job);
    deploy(certs.key_pem, certs.next_leaf_pem, certs.next_sha1, &job);
    assert_null(test_job_file(&job, in_folder("www.example.test.password.txt")));

    const struct test_file *pfx = test_job_file(&job, in_folder("www.example.test.pfx"));
    assert_non_null(pfx);
    assert_non_null(pfx->expected);
    const struct test_file *script = test_job_file(&job, in_folder("Install-www.example.test.ps1"));
    assert_non_null(script);
    assert_non_null(memmem(script->content, script->len, certs.sha1, strlen(certs.sha1)));
    assert_non_null(memmem(script->content, script->len, OLD, strlen(OLD)));
    test_job_clear(&job);
}

static void another_profile_makes_another_file(void **state)
{
    static const char password[] = "correct horse battery\n";
    struct test_job job;

    (void)state;
    fresh_settings();
    write_file(in_folder("own.txt"), password, strlen(password));
    set("password_file", in_folder("own.txt"));
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    assert_int_equal(job.n_files, 4); /* the password is there already */
    assert_null(look_into(test_job_file(&job, in_folder("www.example.test.pfx")), "modern",
                          "correct horse battery"));
    test_job_clear(&job);

    set("profile", "windows-2016");
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    const struct test_file *pfx = test_job_file(&job, in_folder("www.example.test.pfx"));
    assert_non_null(pfx);
    assert_null(look_into(pfx, "windows-2016", "correct horse battery"));
    test_job_clear(&job);
}

static void a_new_password_makes_a_new_file(void **state)
{
    struct test_job job;

    (void)state;
    fresh_settings();
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    test_job_clear(&job);
    write_file(in_folder("www.example.test.password.txt"), "another password\n", 17);
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    const struct test_file *pfx = test_job_file(&job, in_folder("www.example.test.pfx"));
    assert_non_null(pfx);
    assert_null(look_into(pfx, "modern", "another password"));
    test_job_clear(&job);
}

static void a_file_that_is_damaged_is_made_anew(void **state)
{
    static const char *const broken[] = {"", "not a PKCS#12"};
    struct test_job job;

    (void)state;
    fresh_settings();
    deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
    test_job_clear(&job);
    for (size_t i = 0; i < 2; i++) {
        write_file(in_folder("www.example.test.pfx"), broken[i], strlen(broken[i]));
        deploy(certs.key_pem, certs.leaf_pem, certs.sha1, &job);
        const struct test_file *pfx = test_job_file(&job, in_folder("www.example.test.pfx"));
        assert_non_null(pfx);
        assert_non_null(pfx->expected); /* also of the empty one: it is there */
        test_job_clear(&job);
    }
}

static void a_key_made_in_iis_gives_a_pkcs7(void **state)
{
    struct test_job job;

    (void)state;
    fresh_settings();
    deploy(NULL, certs.leaf_pem, certs.sha1, &job);
    assert_int_equal(job.n_files, 4);
    const struct test_file *p7b = test_job_file(&job, in_folder("www.example.test.p7b"));
    assert_non_null(p7b);
    assert_false(p7b->secret);
    assert_null(test_job_file(&job, in_folder("www.example.test.password.txt")));
    assert_true(test_job_noted(&job, "www.example.test.p7b"));
    assert_true(test_job_noted(&job, "no 'site' is set"));
    test_job_clear(&job);
    deploy(NULL, certs.leaf_pem, certs.sha1, &job);
    assert_int_equal(job.n_files, 0);
    test_job_clear(&job);
}

static void wrong_settings_are_refused(void **state)
{
    static const struct {
        const char *name, *value, *words;
    } rows[] = {
        {"directory", "/nonexistent/iis", "directory '/nonexistent/iis' does not exist"},
        {"directory", "/etc/passwd", "'/etc/passwd' does not exist"},
        {"directory", "/*", "'/*' does not exist"},
        {"profile", "Modern", "profile 'Modern' is not known"},
        {"port", "0", "port '0'"},
        {"port", "65536", "port '65536'"},
        {"port", "443x", "port '443x'"},
        {"host_header", "www.example.test", "'site' is not"},
        {"site", "\xff", "not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh_settings();
        write_file(in_folder("own.txt"), "correct horse battery\n", 22);
        set("password_file", in_folder("own.txt"));
        set(rows[i].name, rows[i].value);
        refused(ECERT_E_CONFIG, rows[i].words);
    }
}

static void a_short_password_is_refused(void **state)
{
    (void)state;
    fresh_settings();
    write_file(in_folder("own.txt"), "short\n", 6);
    set("password_file", in_folder("own.txt"));
    refused(ECERT_E_REFUSED, "has 5 characters");
    write_file(in_folder("own.txt"), "", 0);
    refused(ECERT_E_REFUSED, "is empty");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct test_job job;
    struct ecert_error err = {0};

    (void)state;
    fresh_settings();
    assert_int_equal(plan_with(certs.other_key_pem, certs.leaf_pem, certs.sha1, &job, &err),
                     ECERT_E_CRYPTO);
    assert_int_equal(job.n_files, 0);
    test_job_clear(&job);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_first_deployment_makes_everything),
        IN_FOLDER(an_unchanged_one_asks_for_nothing),
        IN_FOLDER(a_renewal_keeps_the_password_and_remembers_the_old),
        IN_FOLDER(another_profile_makes_another_file),
        IN_FOLDER(a_new_password_makes_a_new_file),
        IN_FOLDER(a_file_that_is_damaged_is_made_anew),
        IN_FOLDER(a_key_made_in_iis_gives_a_pkcs7),
        IN_FOLDER(wrong_settings_are_refused),
        IN_FOLDER(a_short_password_is_refused),
        IN_FOLDER(a_key_of_another_certificate_is_refused),
    };

    return cmocka_run_group_tests(tests, make_certs, clear_certs);
}
