#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/host/plugin.h"
#include "core/host/plugin_load.h"

static char folder[] = "/tmp/ecert-test-plugin-XXXXXX";
static char key[] = "-----BEGIN PRIVATE KEY-----"; /* writable: the worker wipes its copy */

static bool with_sites;           /* of the next plan */
static const char *refused = "0"; /* a setting of the plugin "sites" */

/* A job of plugin `name`; its output directory is the test's folder. */
static enum ecert_status plan_with(const char *dir, const char *name, const char *word,
                                   struct ecert_plan *ret, struct ecert_error *err)
{
    struct ecert_setting_value values[] = {
        {.name = (char *)(uintptr_t) "directory", .text = folder},
        {.name = (char *)(uintptr_t) "refused", .text = (char *)(uintptr_t)refused},
        {.name = (char *)(uintptr_t) "word", .text = (char *)(uintptr_t)word},
    };
    static const char *const names[] = {"www.x.test", NULL};
    const struct ecert_job_spec spec = {
        .plugin_dir = dir,
        .plugin = name,
        .certificate = "www.x.test",
        .target = name,
        .server_names = names,
        .settings = values,
        .n_settings = word == NULL ? 2 : 3,
        .materials = {[ECERT_MATERIAL_KEY] = {(const uint8_t *)key, sizeof key - 1},
                      [ECERT_MATERIAL_CERTIFICATE] = {(const uint8_t *)"CERT", 4}},
        .leaf = {.dns_names = names},
        .with_sites = with_sites,
        .timeout_ms = 1500,
    };

    struct ecert_child worker = ECERT_CHILD_NONE;

    ECERT_TRY(ecert_plugin_plan_start(&spec, &worker, err));
    return ecert_plugin_plan_finish(&spec, &worker, ret, err);
}

static void expect_words(const struct ecert_error *err, const char *want)
{
    if (strstr(err->text, want) == NULL)
        fail_msg("'%s' does not say '%s'", err->text, want);
}

/* ---- wrong on purpose ---- */

static const struct wrong {
    const char *plugin;
    enum ecert_status status;
    const char *want;
} wrong[] = {
    /* clang-format off */
    {"abi", ECERT_E_PLUGIN, "abi.so' has ABI 99, this core needs 1"},
    {"abort", ECERT_E_PLUGIN, "plugin 'abort': crashed (signal 6, Aborted)"},
    {"babble", ECERT_E_PLUGIN, "plugin 'babble': more than 8192 note records"},
    {"closes", ECERT_E_PLUGIN, "plugin 'closes': left with exit code 1"},
    {"crash", ECERT_E_PLUGIN, "plugin 'crash': crashed (signal 11, Segmentation fault)"},
    {"dotdot", ECERT_E_PLUGIN, "/../ecert-test-dotdot' is not an absolute path without '.', '..'"},
    {"exits", ECERT_E_PLUGIN, "plugin 'exits' ended before it had answered"},
    {"forks", ECERT_E_PLUGIN, "plugin 'forks': left a process behind"},
    {"garbage", ECERT_E_PLUGIN, "plugin 'garbage' wrote to the core's pipe what is no answer"},
    {"hang", ECERT_E_TIMEOUT, "plugin 'hang': did not end within 1.5 seconds"},
    {"no_plan", ECERT_E_PLUGIN, "no_plan.so' lacks the mandatory member 'plan'"},
    {"no_symbol", ECERT_E_PLUGIN, "no_symbol.so' exports no 'ecert_plugin'"},
    {"outside", ECERT_E_REFUSED, "the plan writes '/etc/ecert-test-outside', which is outside"},
    {"plain_library", ECERT_E_PLUGIN, "plain_library.so' exports no 'ecert_plugin'"},
    {"relative", ECERT_E_PLUGIN, "plugin 'relative': file record: 'etc/ecert-test-relative' is not"},
    {"truncated", ECERT_E_PLUGIN, "truncated.so' is truncated: its descriptor has 8 bytes, this core needs"},
    {"two_activations", ECERT_E_PLUGIN, "'ecert-test.service' is the second one; a plan has at most one"},
    {"absent", ECERT_E_NOT_FOUND, "plugin 'absent' is not installed; in '"},
    {"absent", ECERT_E_NOT_FOUND, "'plain_library', 'relative', 'right', 'sites', 'truncated'"},
    {"../right", ECERT_E_NOT_FOUND, "plugin '../right' is not installed"},
    {"", ECERT_E_NOT_FOUND, "plugin '' is not installed"},
    /* clang-format on */
};

static void expect_right(void)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};

    if (plan_with(TEST_PLUGIN_DIR, "right", NULL, &plan, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(plan.n_files, 1);
}

/* It fails with its sentence, nothing is handed out, and the next target is planned as ever. */
static void a_wrong_plugin_fails_alone(void **state)
{
    const struct wrong *row = *state;
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};

    assert_int_equal(plan_with(TEST_PLUGIN_DIR, row->plugin, NULL, &plan, &err), row->status);
    expect_words(&err, row->want);
    assert_int_equal(err.status, row->status);
    assert_int_equal(plan.n_files + plan.n_tests + plan.notes.len, 0);
    expect_right();
}

/* The plugin that left a child behind: the child is gone too. */
static void what_a_plugin_leaves_behind_is_ended(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    assert_int_equal(plan_with(TEST_PLUGIN_DIR, "forks", NULL, &plan, &err), ECERT_E_PLUGIN);
    /* orphans come to us: there is none, dead or alive */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* ---- discovering ---- */

static enum ecert_status discover_with(const char *name, const char *word,
                                       struct ecert_discovery *ret, struct ecert_error *err)
{
    struct ecert_setting_value values[] = {
        {.name = (char *)(uintptr_t) "directory", .text = folder},
        {.name = (char *)(uintptr_t) "word", .text = (char *)(uintptr_t)word},
    };
    static const char *const names[] = {"www.x.test", NULL};
    const struct ecert_job_spec spec = {
        .plugin_dir = TEST_PLUGIN_DIR,
        .plugin = name,
        .certificate = "www.x.test",
        .target = name,
        .server_names = names,
        .settings = values,
        .n_settings = word == NULL ? 1 : 2,
        .leaf = {.key_type = "ec"},
        .timeout_ms = 1500,
    };

    return ecert_plugin_discover(&spec, ret, err);
}

static void sites_are_discovered(void **state)
{
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery found = {0};
    struct ecert_error err = {0};

    (void)state;
    if (discover_with("right", NULL, &found, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(found.n_sites, 1);
    assert_string_equal(found.sites[0].key, "/etc/right.key");
    assert_string_equal(found.notes.items[0], "www.x.test ec 1 1");
}

static const struct wrong_discovery {
    const char *name, *plugin, *word;
    enum ecert_status status;
    const char *want;
} wrong_discoveries[] = {
    /* clang-format off */
    {"a plugin without discover()", "dotdot", NULL, ECERT_E_UNSUPPORTED, "plugin 'dotdot' cannot tell which key and certificate"},
    {"a plugin that is not there", "absent", NULL, ECERT_E_NOT_FOUND, "plugin 'absent' is not installed"},
    {"discover() that emits a file", "right", "file", ECERT_E_PLUGIN, "file record: discover() emits sites and notes only"},
    {"discover() that does not listen", "right", "ignore", ECERT_E_PLUGIN, "a record that is NULL"},
    {"discover() that crashes", "right", "crash", ECERT_E_PLUGIN, "plugin 'right': crashed (signal 11"},
    /* clang-format on */
};

static void a_wrong_discovery_fails(void **state)
{
    const struct wrong_discovery *row = *state;
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery found = {0};
    struct ecert_error err = {0};

    assert_int_equal(discover_with(row->plugin, row->word, &found, &err), row->status);
    expect_words(&err, row->want);
    assert_int_equal(found.n_sites + found.notes.len, 0);
}

static void a_plan_has_sites_if_they_are_wanted(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    for (int wanted = 0; wanted < 2; wanted++) {
        ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};

        with_sites = wanted != 0;
        const enum ecert_status status = plan_with(TEST_PLUGIN_DIR, "right", "site", &plan, &err);
        with_sites = false;
        assert_int_equal(status, ECERT_OK);
        assert_int_equal(plan.n_sites, wanted);
        if (wanted != 0)
            assert_string_equal(plan.sites[0].why, "it is the only one");
    }
}

static void a_plan_that_fails_has_the_sites_that_it_told_of(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < 2; wanted++) {
        ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
        struct ecert_error err = {0};

        with_sites = wanted != 0;
        refused = "3000";
        const enum ecert_status status = plan_with(TEST_PLUGIN_DIR, "sites", NULL, &plan, &err);
        with_sites = false;
        refused = "0";
        assert_int_equal(status, ECERT_E_CONFIG);
        assert_string_equal(err.text, "there are 3000 of them");
        /* who did not ask for the sites gets those that the failure is about */
        assert_int_equal(plan.n_sites, wanted != 0 ? 3006 : 3000);
        const struct ecert_site *last = &plan.sites[plan.n_sites - 1];
        assert_true(last->refused && !last->taken);
        assert_string_equal(last->names.items[0], "u3000.example");
        assert_string_equal(last->why, "it has another name");
        assert_int_equal(plan.n_files + plan.n_tests + plan.n_probes + plan.notes.len, 0);
    }
}

/* ---- trust ---- */

static void copy_right_to(const char *path, mode_t mode)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(mode);

    assert_int_equal(ecert_fs_read(TEST_PLUGIN_DIR "/right.so", (size_t)64 << 20, &bytes, &err),
                     ECERT_OK);
    assert_int_equal(ecert_fs_replace(path, ecert_bytes_view(&bytes), &owner, &err), ECERT_OK);
}

static void a_plugin_that_others_may_write_is_refused(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description description = {0};
    struct ecert_error err = {0};
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/right.so", folder);
    copy_right_to(path, 0755);
    if (plan_with(folder, "right", NULL, &plan, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    ecert_plan_clear(&plan);
    assert_int_equal(chmod(path, 0757), 0);
    assert_int_equal(plan_with(folder, "right", NULL, &plan, &err), ECERT_E_REFUSED);
    expect_words(&err, "plugin 'right': ");
    assert_int_equal(ecert_plugin_describe(folder, "right", &description, &err), ECERT_E_REFUSED);
    assert_int_equal(unlink(path), 0);
}

static void a_plugin_in_a_directory_of_everybody_is_refused(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    char dir[128], path[160];

    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/open", folder);
    (void)snprintf(path, sizeof path, "%s/right.so", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    copy_right_to(path, 0755);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_int_equal(plan_with(dir, "right", NULL, &plan, &err), ECERT_E_REFUSED);
    assert_int_equal(chmod(dir, 0700), 0);
}

static void a_file_of_another_name_is_refused(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/left.so", folder);
    copy_right_to(path, 0755);
    assert_int_equal(plan_with(folder, "left", NULL, &plan, &err), ECERT_E_PLUGIN);
    expect_words(&err, "/left.so' calls itself 'right'; its file must be 'right.so'");
}

/* ---- the right one ---- */

static void a_plan_comes_back(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    static const char *const notes[] = {
        "said=hello\\x0A", "certificate=www.x.test", "word=tell", "port=443", "list=a",
        "key=(none)", /* it did not ask for the key */
    };

    (void)state;
    if (plan_with(TEST_PLUGIN_DIR, "right", "tell", &plan, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(plan.notes.len, ARRAY_SIZE(notes));
    for (size_t i = 0; i < ARRAY_SIZE(notes); i++)
        assert_string_equal(plan.notes.items[i], notes[i]);
    assert_int_equal(plan.n_files, 1);
    assert_int_equal(plan.files[0].content.len, 4);
    assert_string_equal(key, "-----BEGIN PRIVATE KEY-----"); /* only the worker's copy is gone */
}

/* The worker is a fork: the key that the core holds is at the same address, and must be wiped. */
static void a_key_that_is_not_needed_is_wiped(void **state)
{
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};
    char word[64];

    (void)state;
    (void)snprintf(word, sizeof word, "peek %p", (void *)key);
    if (plan_with(TEST_PLUGIN_DIR, "right", word, &plan, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_string_equal(plan.notes.items[0], "peek=wiped");
}

static const struct answer {
    const char *word;
    enum ecert_status status;
    const char *want;
} answers[] = {
    {"fail", ECERT_E_CONFIG, "no site of 'right' \\x1B[31mhere"},
    {"silent", ECERT_E_IO, "plugin 'right' gave no reason"},
    {"status", ECERT_E_PLUGIN, "plugin 'right' returned 77, which is no status"},
    {"ignore", ECERT_E_PLUGIN, "plugin 'right': test record: no command"},
};

static void a_failure_comes_back_with_its_text(void **state)
{
    const struct answer *row = *state;
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan plan = {0};
    struct ecert_error err = {0};

    assert_int_equal(plan_with(TEST_PLUGIN_DIR, "right", row->word, &plan, &err), row->status);
    expect_words(&err, row->want);
}

static void a_plugin_is_described(void **state)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description got = {0};
    struct ecert_error err = {0};

    (void)state;
    if (ecert_plugin_describe(TEST_PLUGIN_DIR, "right", &got, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_string_equal(got.name, "right");
    assert_string_equal(got.summary, "right on purpose");
    assert_int_equal(got.abi, ECERT_PLUGIN_ABI);
    assert_int_equal(got.size, sizeof(struct ecert_plugin));
    assert_int_equal(got.n_settings, 5);
    assert_string_equal(got.settings[0].name, "directory");
    assert_int_equal(got.settings[0].type, ECERT_SETTING_OUTPUT_DIRECTORY);
    assert_null(got.settings[0].default_value);
    assert_string_equal(got.settings[2].default_value, "443");
    assert_int_equal(got.may_write.len, 0);
    assert_int_equal(got.programs.len, 2);
    assert_string_equal(got.programs.items[1], "/opt/right/right");
    assert_non_null(strstr(got.file, "/right.so"));
}

/* Built against the first version of the contract: its descriptor ends before `programs`. */
static void a_plugin_of_the_first_version_is_described(void **state)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description got = {0};
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery found = {0};
    struct ecert_error err = {0};

    (void)state;
    if (ecert_plugin_describe(TEST_PLUGIN_DIR, "first_version", &got, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(got.size, ECERT_PLUGIN_SIZE_V1);
    assert_int_equal(got.programs.len, 0);
    if (discover_with("first_version", NULL, &found, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(found.n_sites, 1);
    assert_true(found.sites[0].enabled && found.sites[0].tls);
    assert_null(found.sites[0].why);
}

static void a_wrong_plugin_is_not_described(void **state)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description got = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_plugin_describe(TEST_PLUGIN_DIR, "abi", &got, &err), ECERT_E_PLUGIN);
    expect_words(&err, "has ABI 99, this core needs 1");
    assert_null(got.name);
}

/* ---- descriptors ---- */

static enum ecert_status no_plan(const struct ecert_host *host, struct ecert_job *job,
                                 struct ecert_error *err)
{
    (void)host;
    (void)job;
    (void)err;
    return ECERT_OK;
}

static const struct descriptor {
    const char *name;
    struct ecert_setting rows[3];
    const char *want; /* NULL: fine */
    const char *may_write;
    uint32_t needs;
    const char *summary;
    const char *program;
} descriptors[] = {
    /* clang-format off */
    {"no settings", {{0}}, NULL, NULL, 0, "s", NULL},
    {"good rows", {{"a_b", ECERT_SETTING_PATH, false, "/etc/x", "h"}, {"c", ECERT_SETTING_BOOLEAN, false, "false", "h"}}, NULL, "/etc/x", 1, "s", NULL},
    {"a capital", {{"Abc", ECERT_SETTING_STRING, false, NULL, "h"}}, "setting 'Abc' is not lower case", NULL, 0, "s", NULL},
    {"a hyphen", {{"a-b", ECERT_SETTING_STRING, false, NULL, "h"}}, "setting 'a-b' is not lower case", NULL, 0, "s", NULL},
    {"no name at all", {{"", ECERT_SETTING_STRING, false, NULL, "h"}}, "setting '' is not lower case", NULL, 0, "s", NULL},
    {"a type of tomorrow", {{"a", (enum ecert_setting_type)8, false, NULL, "h"}}, "setting 'a' has the type 8, which this core does not know", NULL, 0, "s", NULL},
    {"type 0", {{"a", (enum ecert_setting_type)0, false, NULL, "h"}}, "has the type 0", NULL, 0, "s", NULL},
    {"no help", {{"a", ECERT_SETTING_STRING, false, NULL, ""}}, "setting 'a' has no help", NULL, 0, "s", NULL},
    {"NULL help", {{"a", ECERT_SETTING_STRING, false, NULL, NULL}}, "setting 'a' has no help", NULL, 0, "s", NULL},
    {"a number that is none", {{"a", ECERT_SETTING_INTEGER, false, "12x", "h"}}, "has the default '12x', which is not of its type", NULL, 0, "s", NULL},
    {"a truth that is none", {{"a", ECERT_SETTING_BOOLEAN, false, "yes", "h"}}, "has the default 'yes'", NULL, 0, "s", NULL},
    {"a relative path", {{"a", ECERT_SETTING_PATH, false, "x/y", "h"}}, "has the default 'x/y'", NULL, 0, "s", NULL},
    {"a relative command", {{"a", ECERT_SETTING_COMMAND, false, "nginx -t", "h"}}, "has the default 'nginx -t'", NULL, 0, "s", NULL},
    {"required with a default", {{"a", ECERT_SETTING_STRING, true, "x", "h"}}, "setting 'a' is required and has a default", NULL, 0, "s", NULL},
    {"twice", {{"a", ECERT_SETTING_STRING, false, NULL, "h"}, {"a", ECERT_SETTING_LIST, false, NULL, "h"}}, "setting 'a' occurs twice", NULL, 0, "s", NULL},
    {"all of /etc", {{0}}, "may_write '/etc' is not an absolute path of at least two parts", "/etc", 0, "s", NULL},
    {"a relative place", {{0}}, "may_write 'etc/x'", "etc/x", 0, "s", NULL},
    {"programs", {{0}}, NULL, NULL, 0, "s", "/usr/sbin/x"},
    {"a program of two ways", {{0}}, "programs '/usr/../x' is not an absolute path", NULL, 0, "s", "/usr/../x"},
    {"a relative program", {{0}}, "programs 'sbin/x' is not an absolute path", NULL, 0, "s", "sbin/x"},
    {"needs of tomorrow", {{0}}, "needs 0x2, this core can give 0x1", NULL, 2, "s", NULL},
    {"no summary", {{0}}, "lacks the mandatory member 'summary'", NULL, 0, NULL, NULL},
    {"a summary of two lines", {{0}}, "version and summary must be one line each", NULL, 0, "a\nb", NULL},
    /* clang-format on */
};

static void a_descriptor_is_judged(void **state)
{
    const struct descriptor *row = *state;
    const char *const places[] = {row->may_write, NULL};
    const char *const programs[] = {row->program, NULL};
    struct ecert_error err = {0};
    const struct ecert_plugin plugin = {.name = "p",
                                        .version = "1",
                                        .summary = row->summary,
                                        .settings = row->rows,
                                        .needs = row->needs,
                                        .plan = no_plan,
                                        .may_write = places,
                                        .programs = programs};
    const enum ecert_status status = ecert_plugin_check("/p.so", "p", &plugin, &err);

    assert_int_equal(status, row->want == NULL ? ECERT_OK : ECERT_E_PLUGIN);
    if (row->want != NULL)
        expect_words(&err, row->want);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    return ecert_fs_remove_tree(AT_FDCWD, folder, &err) == ECERT_OK ? 0 : -1;
}

/* cmocka wants a pointer that is not const; the rows are only read */
#define ROW(title, row, test) \
    ((struct CMUnitTest){     \
        .name = (title), .test_func = (test), .initial_state = (void *)(uintptr_t)(row)})

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(what_a_plugin_leaves_behind_is_ended),
        cmocka_unit_test(a_plugin_that_others_may_write_is_refused),
        cmocka_unit_test(a_plugin_in_a_directory_of_everybody_is_refused),
        cmocka_unit_test(a_file_of_another_name_is_refused),
        cmocka_unit_test(a_plan_comes_back),
        cmocka_unit_test(a_plan_has_sites_if_they_are_wanted),
        cmocka_unit_test(a_plan_that_fails_has_the_sites_that_it_told_of),
        cmocka_unit_test(sites_are_discovered),
        cmocka_unit_test(a_key_that_is_not_needed_is_wiped),
        cmocka_unit_test(a_plugin_is_described),
        cmocka_unit_test(a_plugin_of_the_first_version_is_described),
        cmocka_unit_test(a_wrong_plugin_is_not_described),
    };
    struct CMUnitTest tests[ARRAY_SIZE(fixed) + ARRAY_SIZE(wrong) + ARRAY_SIZE(answers) +
                            ARRAY_SIZE(descriptors) + ARRAY_SIZE(wrong_discoveries)];
    size_t n = ARRAY_SIZE(fixed);

    memcpy(tests, fixed, sizeof fixed);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        tests[n++] = ROW(wrong[i].plugin, &wrong[i], a_wrong_plugin_fails_alone);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        tests[n++] = ROW(answers[i].word, &answers[i], a_failure_comes_back_with_its_text);
    for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
        tests[n++] = ROW(descriptors[i].name, &descriptors[i], a_descriptor_is_judged);
    for (size_t i = 0; i < ARRAY_SIZE(wrong_discoveries); i++)
        tests[n++] = ROW(wrong_discoveries[i].name, &wrong_discoveries[i], a_wrong_discovery_fails);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
