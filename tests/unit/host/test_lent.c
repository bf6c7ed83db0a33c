#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/host/lent.h"
#include "tests/support/test_rows.h"

static const struct ecert_host *const host = &ecert_lent_host;
static char folder[] = "/tmp/ecert-test-lent-XXXXXX";

static const struct ecert_setting rows[] = {
    {"text", ECERT_SETTING_STRING, false, "by default", "h"},
    {"empty", ECERT_SETTING_STRING, false, NULL, "h"},
    {"list", ECERT_SETTING_LIST, false, "  a   b ", "h"},
    {"nothing", ECERT_SETTING_LIST, false, "", "h"},
    {"set", ECERT_SETTING_STRING, false, "by default", "h"},
    {"set_list", ECERT_SETTING_COMMAND, false, "/bin/true", "h"},
    {NULL, 0, false, NULL, NULL},
};
static const char *const dns_names[] = {"www.x.test", "*.y.test", "*.Z.test", NULL};

static char command[] = "/bin/echo -n";
static char *command_items[] = {command, NULL};
static char set[] = "set", set_list[] = "set_list", value[] = "by hand";
static const struct ecert_setting_value values[] = {
    {.name = set, .text = value},
    {.name = set_list, .list = {command_items, 1}, .is_list = true},
};

static const struct ecert_job_spec spec = {
    .certificate = "c",
    .target = "t",
    .server_names = dns_names,
    .server_names_explicit = true,
    .settings = values,
    .n_settings = ARRAY_SIZE(values),
    .paths = {[ECERT_MATERIAL_KEY] = "/live/key.pem"},
    .materials = {[ECERT_MATERIAL_KEY] = {(const uint8_t *)"KEY", 3},
                  [ECERT_MATERIAL_CHAIN] = {(const uint8_t *)"CHAIN", 5}},
    .leaf = {.common_name = "cn", .dns_names = dns_names},
};

static struct ecert_plugin plugin = {.name = "p", .settings = rows};

static void the_key_may_be_encrypted(void **state)
{
    struct ecert_job_spec locked = spec;
    struct ecert_job job = {0};
    struct ecert_host old = *host;

    (void)state;
    locked.key_is_encrypted = true;
    ecert_job_init(&job, &spec, &plugin);
    assert_false(host->key_is_encrypted(&job));
    ecert_job_clear(&job);
    ecert_job_init(&job, &locked, &plugin);
    assert_true(host->key_is_encrypted(&job));
    ecert_job_clear(&job);
    assert_true(ECERT_HOST_HAS(host, key_is_encrypted));
    old.size = offsetof(struct ecert_host, key_is_encrypted); /* a core of before */
    assert_false(ECERT_HOST_HAS(&old, key_is_encrypted));
}

static void settings_answer(void **state)
{
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    assert_string_equal(host->setting(&job, "text"), "by default");
    assert_null(host->setting(&job, "empty"));
    assert_null(host->setting(&job, "list")); /* a list is no text */
    assert_null(host->setting(&job, "unknown"));
    assert_null(host->setting(&job, NULL));
    assert_string_equal(host->setting(&job, "set"), "by hand");
    assert_null(host->setting(&job, "set_list"));
    const char *const *list = host->setting_list(&job, "list");
    assert_string_equal(list[0], "a");
    assert_string_equal(list[1], "b");
    assert_null(list[2]);
    assert_null(host->setting_list(&job, "nothing")[0]);
    assert_null(host->setting_list(&job, "text")); /* a text is no list */
    assert_string_equal(host->setting_list(&job, "set_list")[0], "/bin/echo -n"); /* one word */
    assert_null(host->setting_list(&job, "unknown"));
}

static void the_target_answers(void **state)
{
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    bool explicitly = false;

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    assert_string_equal(host->certificate(&job), "c");
    assert_string_equal(host->target(&job), "t");
    assert_string_equal(host->server_names(&job, &explicitly)[0], "www.x.test");
    assert_true(explicitly);
    assert_string_equal(host->path(&job, ECERT_MATERIAL_KEY), "/live/key.pem");
    assert_null(host->path(&job, ECERT_MATERIAL_CHAIN));
    assert_null(host->path(&job, (enum ecert_material)9));
    assert_int_equal(host->leaf(&job)->size, sizeof(struct ecert_leaf_facts));
    assert_string_equal(host->leaf(&job)->common_name, "cn");
}

static void the_key_is_for_those_who_need_it(void **state)
{
    struct ecert_plugin needy = plugin;
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    ECERT_AUTO(ecert_job_clear) struct ecert_job with_key = {0};

    (void)state;
    needy.needs = ECERT_NEEDS_PRIVATE_KEY;
    ecert_job_init(&job, &spec, &plugin);
    ecert_job_init(&with_key, &spec, &needy);
    assert_null(host->material(&job, ECERT_MATERIAL_KEY).ptr);
    assert_int_equal(host->material(&with_key, ECERT_MATERIAL_KEY).len, 3);
    assert_int_equal(host->material(&job, ECERT_MATERIAL_CHAIN).len, 5);
    assert_null(host->material(&job, ECERT_MATERIAL_FULLCHAIN).ptr);
    assert_null(host->material(&with_key, (enum ecert_material)4).ptr);
}

/* RFC 9525, 6.3 */
static const struct name {
    const char *name;
    bool covered;
} names[] = {
    {"www.x.test", true}, {"WWW.X.test", true},    {"www.x.test.", true},
    {"x.test", false},    {"a.www.x.test", false}, {"a.y.test", true},
    {"a.z.test", true},   {"y.test", false},       {"a.b.y.test", false},
    {".y.test", false},   {"*.y.test", true},      {"", false},
    {".", false},         {"wwwxx.test", false},   {"xwww.x.test", false},
};

static void a_name_is_judged(void **state)
{
    const struct name *row = *state;
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};

    ecert_job_init(&job, &spec, &plugin);
    assert_int_equal(host->covers(&job, row->name), row->covered);
    assert_false(host->covers(&job, NULL));
}

static void write_file(const char *name, const char *text)
{
    struct ecert_error err = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(ecert_fs_replace(path, ecert_view_of(text), &owner, &err), ECERT_OK);
}

static void files_are_read(void **state)
{
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_error err = {0};
    struct ecert_view view = {0};
    char path[128];

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    write_file("a.conf", "hello");
    (void)snprintf(path, sizeof path, "%s/a.conf", folder);
    assert_int_equal(host->read_file(&job, path, 5, &view, &err), ECERT_OK);
    assert_memory_equal(view.ptr, "hello", 6); /* and a NUL */
    assert_int_equal(host->read_file(&job, path, 4, &view, &err), ECERT_E_REFUSED);
    assert_int_equal(host->read_file(&job, folder, 4, &view, &err), ECERT_E_REFUSED);
    assert_int_equal(host->read_file(&job, "/nowhere/at/all", 4, &view, &err), ECERT_E_NOT_FOUND);
    assert_int_equal(host->read_file(&job, "a.conf", 4, &view, &err), ECERT_E_REFUSED);
    assert_string_equal(err.text, "path 'a.conf' is not absolute");
    assert_int_equal(host->read_file(&job, NULL, 4, &view, &err), ECERT_E_REFUSED);
}

static void patterns_are_followed(void **state)
{
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_error err = {0};
    const char *const *found = NULL;
    char pattern[128];

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    write_file("b.conf", "");
    write_file("a.conf", "");
    write_file(".hidden.conf", "");
    (void)snprintf(pattern, sizeof pattern, "%s/*.conf", folder);
    assert_int_equal(host->glob(&job, pattern, &found, &err), ECERT_OK);
    assert_string_equal(ecert_path_base(found[0]), "a.conf");
    assert_string_equal(ecert_path_base(found[1]), "b.conf");
    assert_null(found[2]);
    assert_int_equal(host->glob(&job, "/nowhere/*", &found, &err), ECERT_OK);
    assert_null(found[0]);
    assert_int_equal(host->glob(&job, "*.conf", &found, &err), ECERT_E_REFUSED);
}

static void commands_are_run(void **state)
{
    static const char *const echo[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};
    static const char *const absent[] = {"/nowhere/at/all", NULL};
    static const char *const relative[] = {"sh", NULL};
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_command_result result = {0};
    struct ecert_error err = {0};

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    assert_int_equal(host->run(&job, echo, &result, &err), ECERT_OK);
    assert_int_equal(result.exit_code, 3);
    assert_memory_equal(result.out.ptr, "out\n", 5);
    assert_memory_equal(result.err.ptr, "err\n", 5);
    assert_int_equal(host->run(&job, absent, &result, &err), ECERT_E_IO);
    assert_int_equal(host->run(&job, relative, &result, &err), ECERT_E_REFUSED);
    assert_string_equal(err.text, "command 'sh' is not absolute");
    assert_int_equal(host->run(&job, NULL, &result, &err), ECERT_E_REFUSED);
}

static void refused_records_are_remembered(void **state)
{
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    const struct ecert_probe_record nowhere = {.size = sizeof nowhere, .address = "::", .port = 1};
    struct ecert_error err = {0};

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    assert_int_equal(host->emit_note(&job, "fine \033", &err), ECERT_OK);
    assert_string_equal(job.plan.notes.items[0], "fine \\x1B");
    assert_int_equal(job.n_refused, 0);
    assert_int_equal(host->emit_probe(&job, &nowhere, &err), ECERT_E_PLUGIN);
    assert_int_equal(host->emit_file(&job, NULL, &err), ECERT_E_PLUGIN);
    assert_int_equal(host->emit_activate(&job, NULL, &err), ECERT_E_PLUGIN);
    assert_int_equal(host->emit_probe(&job, NULL, &err), ECERT_E_PLUGIN);
    assert_int_equal(host->emit_test(&job, NULL, NULL, &err), ECERT_E_PLUGIN);
    assert_int_equal(host->emit_note(&job, NULL, &err), ECERT_E_PLUGIN);
    assert_int_equal(job.n_refused, 6);
    assert_string_equal(job.refused.text, "probe record: '::' is a wildcard address");
}

static void what_is_read_can_be_forgotten(void **state)
{
    char path[] = "/tmp/ecert-test-lent-XXXXXX";
    const int fd = mkstemp(path);
    struct ecert_view texts[40] = {0};
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_error err = {0};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    assert_int_equal(close(fd), 0);
    ecert_job_init(&job, &spec, &plugin);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(host->read_file(&job, path, 100, &texts[i], &err), ECERT_OK);
    assert_int_equal(unlink(path), 0);
    /* the newest, the first ones in their order, one behind the place looked at, one twice */
    static const size_t order[] = {39, 38, 0, 1, 2, 30, 3, 31, 31, 37};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        host->forget(&job, texts[order[i]]);
    host->forget(&job, (struct ecert_view){0});
    host->forget(&job, (struct ecert_view){(const uint8_t *)"other", 5});
    for (size_t i = 4; i < 30; i++)
        assert_memory_equal(texts[i].ptr, "text", 4);
    size_t n = 0;
    for (size_t i = 0; i < job.n_owned; i++)
        n += job.owned[i] != NULL;
    assert_int_equal(n, 40 - 9);
}

static void sites_are_kept_where_they_are_wanted(void **state)
{
    static const char *const odd[] = {"a\033", NULL};
    const struct ecert_site_record site = {
        .size = sizeof site, .kind = "k", .names = odd, .why = "no\n"};
    const struct ecert_site_record bad = {.size = 8, .kind = "k"};
    struct ecert_job_spec wanted = spec;
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    ECERT_AUTO(ecert_job_clear) struct ecert_job shown = {0};
    struct ecert_error err = {0};

    (void)state;
    wanted.with_sites = true;
    ecert_job_init(&job, &spec, &plugin);
    ecert_job_init(&shown, &wanted, &plugin);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(host->emit_site(&job, &site, &err), ECERT_OK);
        assert_int_equal(host->emit_site(&shown, &site, &err), ECERT_OK);
    }
    assert_int_equal(job.plan.n_sites, 0);
    assert_int_equal(shown.plan.n_sites, 3);
    assert_string_equal(shown.plan.sites[2].names.items[0], "a\\x1B");
    assert_string_equal(shown.plan.sites[2].why, "no\\x0A");
    assert_int_equal(shown.discovery.n_sites, 0);
    /* a wrong one is refused in both */
    assert_int_equal(host->emit_site(&job, &bad, &err), ECERT_E_PLUGIN);
    assert_int_equal(host->emit_site(&shown, &bad, &err), ECERT_E_PLUGIN);
    assert_int_equal(host->emit_site(&job, NULL, &err), ECERT_E_PLUGIN);
    assert_int_equal(job.n_refused, 2);
    assert_int_equal(shown.n_refused, 1);
}

static void too_many_sites_are_refused_unseen_too(void **state)
{
    const struct ecert_site_record site = {.size = sizeof site, .kind = "k"};
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_error err = {0};

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    for (int i = 0; i < ECERT_SITES_MAX; i++)
        assert_int_equal(host->emit_site(&job, &site, &err), ECERT_OK);
    assert_int_equal(host->emit_site(&job, &site, &err), ECERT_E_PLUGIN);
    assert_string_equal(err.text, "more than 65536 site records");
}

static jmp_buf gave_up;

static void note_giving_up(struct ecert_job *job)
{
    (void)job;
    longjmp(gave_up, 1);
}

static void who_does_not_listen_is_given_up(void **state)
{
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_error err = {0};
    volatile unsigned tries = 0;

    (void)state;
    ecert_job_init(&job, &spec, &plugin);
    job.give_up = note_giving_up;
    if (setjmp(gave_up) == 0)
        for (; tries < 5000; tries++)
            (void)host->emit_test(&job, NULL, NULL, &err);
    assert_int_equal(tries, 1000);
}

static void fail_speaks(void **state)
{
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal((host->fail)(&err, ECERT_E_CONFIG, "site '%s', line %d", "x", 3),
                     ECERT_E_CONFIG);
    assert_string_equal(err.text, "site 'x', line 3");
    assert_int_equal((host->fail)(&err, ECERT_OK, "it went well"), ECERT_E_PLUGIN);
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

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(settings_answer),
        cmocka_unit_test(the_key_may_be_encrypted),
        cmocka_unit_test(the_target_answers),
        cmocka_unit_test(the_key_is_for_those_who_need_it),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(patterns_are_followed),
        cmocka_unit_test(commands_are_run),
        cmocka_unit_test(refused_records_are_remembered),
        cmocka_unit_test(what_is_read_can_be_forgotten),
        cmocka_unit_test(sites_are_kept_where_they_are_wanted),
        cmocka_unit_test(too_many_sites_are_refused_unseen_too),
        cmocka_unit_test(who_does_not_listen_is_given_up),
        cmocka_unit_test(fail_speaks),
    };
    struct CMUnitTest tests[ARRAY_SIZE(fixed) + ARRAY_SIZE(names)];
    size_t n = ARRAY_SIZE(fixed);

    memcpy(tests, fixed, sizeof fixed);
    n += TEST_ADD_ROWS(tests + n, a_name_is_judged, names);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
