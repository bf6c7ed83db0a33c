#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "tests/support/test_pki.h"
#include "tests/support/test_world.h"

static struct test_world *begin(size_t sites)
{
    struct test_world *world = test_world_make(sites);

    if (world == NULL) {
        print_message("skipped: there is no /usr/sbin/nginx\n");
        skip();
    }
    return world;
}

static void end(struct test_world *world)
{
    char *leftover = test_world_leftover(world);

    if (leftover != NULL)
        print_error("left over: %s\n", leftover);
    assert_null(leftover);
    test_world_free(world);
}

static void deploy(struct test_world *world)
{
    struct ecert_error err = {0};

    for (size_t i = 0; i < world->n; i++)
        ecert_outcome_clear(&world->outcomes[i]);
    const enum ecert_status status =
        ecert_transaction_run(&world->env, world->changes, world->n, world->outcomes, &err);
    if (status != ECERT_OK)
        print_error("%s\n", err.text);
    assert_int_equal(status, ECERT_OK);
}

static void expect(const struct test_world *world, size_t site, enum ecert_outcome_kind kind)
{
    const struct ecert_outcome *outcome = &world->outcomes[site];

    if (outcome->kind != kind)
        print_error("site %zu: %s: %s\n", site, ecert_outcome_word(outcome->kind),
                    outcome->error.text);
    assert_string_equal(ecert_outcome_word(outcome->kind), ecert_outcome_word(kind));
}

static void expect_words(const struct ecert_outcome *outcome, const char *words)
{
    if (strstr(outcome->error.text, words) == NULL)
        print_error("not in '%s': '%s'\n", outcome->error.text, words);
    assert_non_null(strstr(outcome->error.text, words));
}

static size_t count_lines(const char *path, const char *words)
{
    char *text = test_world_read(path);
    size_t n = 0;

    for (const char *p = text; p != NULL && (p = strstr(p, words)) != NULL; p++)
        n++;
    free(text);
    return n;
}

/* ---- the good ways ---- */

static void one_site_is_deployed(void **state)
{
    (void)state;
    struct test_world *world = begin(1);
    struct test_site *site = &world->sites[0];

    test_world_start(world);
    const int64_t start = ecert_clock_monotonic_ms();
    deploy(world);
    print_message("first deployment: %lld ms\n", (long long)(ecert_clock_monotonic_ms() - start));
    expect(world, 0, ECERT_OUTCOME_DEPLOYED);
    assert_true(world->outcomes[0].activated);
    assert_int_equal(world->outcomes[0].n_files, 2);
    assert_int_equal(world->outcomes[0].n_observations, 1);
    assert_null(world->outcomes[0].observations[0].problem);
    assert_int_equal(world->outcomes[0].observations[0].chain_sent, 1);
    assert_string_not_equal(world->outcomes[0].observations[0].before,
                            world->outcomes[0].observations[0].after);
    assert_true(test_world_serves(world, 0, site->new_leaf));
    assert_true(test_world_conf_is(world, 0, site->new_conf));

    /* a second time there is nothing to do, and it is seen to be served */
    test_world_plan(world);
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_UNCHANGED);
    assert_false(world->outcomes[0].activated);
    assert_true(test_world_serves(world, 0, site->new_leaf));
    end(world);
}

static void ten_sites_cost_one_reload(void **state)
{
    (void)state;
    struct test_world *world = begin(10);

    test_world_start(world);
    const size_t before = count_lines(world->log, "(SIGHUP) received");
    deploy(world);
    for (size_t i = 0; i < world->n; i++) {
        expect(world, i, ECERT_OUTCOME_DEPLOYED);
        assert_true(test_world_serves(world, i, world->sites[i].new_leaf));
    }
    assert_int_equal(count_lines(world->log, "(SIGHUP) received") - before, 1);
    end(world);
}

static void a_server_that_is_not_running(void **state)
{
    (void)state;
    struct test_world *world = begin(1);

    deploy(world);
    expect(world, 0, ECERT_OUTCOME_NOT_RUNNING);
    assert_false(world->outcomes[0].activated);
    assert_true(test_world_conf_is(world, 0, world->sites[0].new_conf));
    assert_int_not_equal(access(world->pid_file, F_OK), 0);
    end(world);
}

/* In place, but the running server has not taken it: one reload does it. */
static void in_place_but_not_served(void **state)
{
    (void)state;
    struct test_world *world = begin(1);
    struct ecert_error err = {0};

    test_world_start(world);
    test_world_write(world->sites[0].conf, world->sites[0].new_conf);
    assert_int_equal(ecert_fs_make_directories(world->sites[0].live_dir, 0700, &err), ECERT_OK);
    const int dir = open(world->sites[0].live_dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(symlinkat("../generations/0001", dir, "nginx"), 0);
    (void)close(dir);
    test_world_plan(world);
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_DEPLOYED);
    assert_int_equal(world->outcomes[0].n_files, 0);
    assert_true(world->outcomes[0].activated);
    end(world);
}

/* ---- refused before anything changes ---- */

static void a_mismatched_key_is_refused(void **state)
{
    (void)state;
    struct test_world *world = begin(2);
    EVP_PKEY *other = test_key_ec("P-256");
    struct ecert_bytes pem = test_key_pem(other, NULL, NULL);
    char *before = test_world_read(world->sites[0].conf);

    test_world_start(world);
    test_world_write(world->sites[0].key_file, (const char *)pem.ptr);
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_REFUSED);
    expect_words(&world->outcomes[0], "privkey.pem");
    assert_true(test_world_conf_is(world, 0, before));
    expect(world, 1, ECERT_OUTCOME_DEPLOYED); /* its neighbour is not held up */
    free(before);
    ecert_bytes_clear(&pem);
    EVP_PKEY_free(other);
    end(world);
}

static void an_edit_since_the_plan_is_refused(void **state)
{
    (void)state;
    struct test_world *world = begin(2);

    test_world_start(world);
    char *mine = test_world_read(world->sites[1].conf);
    char *edited = NULL;
    assert_true(asprintf(&edited, "%s# by hand\n", mine) > 0);
    test_world_write(world->sites[1].conf, edited);
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_DEPLOYED);
    expect(world, 1, ECERT_OUTCOME_REFUSED);
    expect_words(&world->outcomes[1], "was changed since the plan was made");
    assert_true(test_world_conf_is(world, 1, edited));
    free(mine);
    free(edited);
    end(world);
}

/* The server's test finds the bad one; the others go on without it. */
static void the_bad_one_is_found(void **state, bool no_private_view)
{
    (void)state;
    struct test_world *world = begin(4);
    char *bad = strdup(world->sites[2].new_conf);
    char *before = test_world_read(world->sites[2].conf);

    memcpy(strstr(bad, "location"), "lacation", 8);
    free(world->sites[2].new_conf);
    world->sites[2].new_conf = bad;
    world->env.no_private_view = no_private_view;
    test_world_plan(world);
    test_world_start(world);
    deploy(world);
    for (size_t i = 0; i < world->n; i++)
        if (i != 2) {
            expect(world, i, ECERT_OUTCOME_DEPLOYED);
            assert_int_equal(world->outcomes[i].proved, !no_private_view);
            assert_int_equal(world->outcomes[i].notes.len, no_private_view ? 1 : 0);
        }
    expect(world, 2, no_private_view ? ECERT_OUTCOME_UNDONE : ECERT_OUTCOME_REFUSED);
    expect_words(&world->outcomes[2], "the server refuses the new configuration");
    expect_words(&world->outcomes[2], "unknown directive \"lacation\"");
    assert_true(test_world_conf_is(world, 2, before));
    assert_true(test_world_serves(world, 2, world->sites[2].old_leaf));
    free(before);
    end(world);
}

static void the_bad_one_is_found_in_views(void **state)
{
    the_bad_one_is_found(state, false);
}

static void the_bad_one_is_found_without_views(void **state)
{
    the_bad_one_is_found(state, true);
}

static void broken_before(void **state, bool no_private_view)
{
    (void)state;
    struct test_world *world = begin(2);
    char *conf = NULL;

    test_world_start(world);
    assert_true(asprintf(&conf, "%s/nginx/conf.d/zz.conf", world->folder) > 0);
    test_world_write(conf, "not_a_directive 1;\n");
    world->env.no_private_view = no_private_view;
    deploy(world);
    for (size_t i = 0; i < 2; i++) {
        expect(world, i, no_private_view ? ECERT_OUTCOME_UNDONE : ECERT_OUTCOME_REFUSED);
        expect_words(&world->outcomes[i], "already broken before");
        expect_words(&world->outcomes[i], "not_a_directive");
        assert_true(test_world_serves(world, i, world->sites[i].old_leaf));
    }
    free(conf);
    end(world);
}

static void broken_before_in_views(void **state)
{
    broken_before(state, false);
}

static void broken_before_without_views(void **state)
{
    broken_before(state, true);
}

/* ---- undone ---- */

/* A reload that returns 0 and does nothing: another process has the port that it wants. */
static void a_reload_that_does_nothing(void **state)
{
    (void)state;
    struct test_world *world = begin(1);
    struct test_world *other = begin(1);
    char *text = NULL, *before = test_world_read(world->sites[0].conf);

    test_world_start(other);
    test_world_start(world);
    assert_true(asprintf(&text, "%sserver { listen 127.0.0.1:%u; }\n", world->sites[0].new_conf,
                         other->port) > 0);
    free(world->sites[0].new_conf);
    world->sites[0].new_conf = text;
    world->env.look_timeout_ms = 700;
    test_world_plan(world);
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_UNDONE);
    expect_words(&world->outcomes[0], "still serves 'site0.example.test' (serial B0");
    expect_words(&world->outcomes[0], "although the reload had reported success");
    expect_words(&world->outcomes[0], "everything was put back");
    assert_true(test_world_conf_is(world, 0, before));
    free(before);
    end(other);
    end(world);
}

/* One site whose endpoint serves somebody else; the other of its group is deployed. */
static void one_of_two_does_not_serve(void **state)
{
    (void)state;
    struct test_world *world = begin(2);

    test_world_start(world);
    world->changes[1].leaf = world->sites[0].old_leaf; /* never to be seen there */
    world->changes[1].fullchain_file = NULL;
    world->env.look_timeout_ms = 700;
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_DEPLOYED);
    expect(world, 1, ECERT_OUTCOME_UNDONE);
    assert_true(test_world_serves(world, 0, world->sites[0].new_leaf));
    assert_true(test_world_serves(world, 1, world->sites[1].old_leaf));
    end(world);
}

static void a_chain_that_is_not_sent(void **state)
{
    (void)state;
    struct test_world *world = begin(1);
    struct ecert_bytes leaf = test_certificate_pem(world->sites[0].new_leaf);

    test_world_start(world);
    test_world_write(world->sites[0].fullchain_file, (const char *)leaf.ptr);
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_UNDONE);
    expect_words(&world->outcomes[0], "sends no intermediate");
    assert_true(test_world_serves(world, 0, world->sites[0].old_leaf));
    ecert_bytes_clear(&leaf);
    end(world);
}

static struct test_world *hooked; /* the world of the hook that is called */

static void kill_the_server(const char *point)
{
    if (strcmp(point, "activate") != 0)
        return;
    char *text = test_world_read(hooked->pid_file);
    (void)kill(atoi(text), SIGTERM);
    for (int i = 0; i < 300 && access(hooked->pid_file, F_OK) == 0; i++)
        ecert_clock_sleep_ms(10);
    free(text);
}

static void a_server_that_dies_is_started_again(void **state)
{
    (void)state;
    struct test_world *world = begin(1);

    test_world_start(world);
    hooked = world;
    world->env.at = kill_the_server;
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_UNDONE);
    expect_words(&world->outcomes[0], "died after its reload");
    expect_words(&world->outcomes[0], "started again");
    assert_true(test_world_serves(world, 0, world->sites[0].old_leaf));
    world->env.at = NULL;
    end(world);
}

static void edit_by_hand(const char *point)
{
    if (strcmp(point, "activate") == 0)
        test_world_write(hooked->sites[0].conf, "# all by hand\n");
}

static void a_later_edit_is_left(void **state)
{
    (void)state;
    struct test_world *world = begin(1);

    test_world_start(world);
    hooked = world;
    world->env.at = edit_by_hand;
    world->env.look_timeout_ms = 500;
    world->changes[0].leaf = world->root; /* never to be seen there: the look fails */
    world->changes[0].fullchain_file = NULL;
    deploy(world);
    expect(world, 0, ECERT_OUTCOME_UNDO_FAILED);
    expect_words(&world->outcomes[0], "was changed by somebody after us");
    assert_true(test_world_conf_is(world, 0, "# all by hand\n"));
    const char *note = world->outcomes[0].notes.items[1]; /* [0]: of the link, the last rename */
    assert_non_null(strstr(note, "our change:"));
    assert_non_null(strstr(note, "the change since:"));
    assert_non_null(strstr(note, "+# all by hand"));
    /* what stood there before is kept, and named */
    const char *kept = strstr(note, "kept as '");
    assert_non_null(kept);
    char *path = strndup(kept + 9, strcspn(kept + 9, "'"));
    char *text = test_world_read(path);
    assert_non_null(text);
    assert_non_null(strstr(text, "/old/site0.pem"));
    assert_int_equal(unlink(path), 0);
    free(path);
    free(text);
    world->env.at = NULL;
    end(world);
}

/* ---- kill -9 at every point, then the next run ---- */

static const char *deadly_point;

static void die_here(const char *point)
{
    if (strcmp(point, deadly_point) == 0)
        (void)raise(SIGKILL);
}

static void killed_at(const char *point, bool want_new, bool failing)
{
    struct test_world *world = begin(2);
    struct ecert_strings notes = {0};
    struct ecert_error err = {0};
    char *before[2];

    test_world_start(world);
    for (size_t i = 0; i < 2; i++)
        before[i] = test_world_read(world->sites[i].conf);
    if (failing)
        for (size_t i = 0; i < 2; i++) {
            world->changes[i].leaf = world->root;
            world->changes[i].fullchain_file = NULL;
        }
    world->env.look_timeout_ms = failing ? 300 : 2000;
    struct ecert_strings stuck = {0}, dead = {0};
    world->env.at = die_here;
    deadly_point = point;
    const pid_t pid = fork();
    if (pid == 0) {
        deploy(world);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    world->env.at = NULL;
    assert_int_equal(ecert_transaction_recover(&world->env, &notes, &stuck, &dead, &err), ECERT_OK);
    for (size_t i = 0; i < 2; i++) {
        struct test_site *site = &world->sites[i];
        char *link = NULL;

        assert_true(test_world_conf_is(world, i, want_new ? site->new_conf : before[i]));
        assert_true(asprintf(&link, "%s/nginx", site->live_dir) > 0);
        assert_int_equal(ecert_fs_exists(link), want_new);
        assert_true(test_world_serves(world, i, want_new ? site->new_leaf : site->old_leaf));
        free(link);
        free(before[i]);
    }
    assert_int_equal(notes.len, want_new ? 0 : 1);
    assert_int_equal(stuck.len, 0);
    assert_int_equal(dead.len, 0);
    ecert_strings_clear(&notes);
    end(world);
}

static void killed_at_each_point(void **state)
{
    (void)state;
    static const char *const points[] = {"journal",  "stage",    "prove", "commit",
                                         "commit-1", "activate", "look"};

    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        killed_at(points[i], false, false);
    killed_at("record", true, false);
    killed_at("undo", false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_site_is_deployed),
        cmocka_unit_test(ten_sites_cost_one_reload),
        cmocka_unit_test(a_server_that_is_not_running),
        cmocka_unit_test(in_place_but_not_served),
        cmocka_unit_test(a_mismatched_key_is_refused),
        cmocka_unit_test(an_edit_since_the_plan_is_refused),
        cmocka_unit_test(the_bad_one_is_found_in_views),
        cmocka_unit_test(the_bad_one_is_found_without_views),
        cmocka_unit_test(broken_before_in_views),
        cmocka_unit_test(broken_before_without_views),
        cmocka_unit_test(a_reload_that_does_nothing),
        cmocka_unit_test(one_of_two_does_not_serve),
        cmocka_unit_test(a_chain_that_is_not_sent),
        cmocka_unit_test(a_server_that_dies_is_started_again),
        cmocka_unit_test(a_later_edit_is_left),
        cmocka_unit_test(killed_at_each_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
