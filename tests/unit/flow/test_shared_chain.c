#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/chain.h"
#include "core/flow/decode.h"
#include "core/flow/shared_chain.h"
#include "tests/support/test_pki.h"

#define CAS 10

/*
 * Three certificates, a.x, b.x and c.x, whose targets name one chain file.  The issuers are
 * cas[0], cas[1] ...; `reissued` is cas[0] with its name and key once more, `expired` is over.
 */
struct scene {
    char *folder;
    char *path; /* the chain file */
    EVP_PKEY *root_key, *ca_keys[CAS], *key;
    X509 *root, *cas[CAS], *reissued, *expired;
    struct ecert_target_config targets[3];
    struct ecert_certificate_config certificates[3];
    struct ecert_config config;
    struct ecert_deployment items[3];
    struct ecert_deployments deployments;
};

static char *text(const char *literal) /* borrowed: nothing of it is changed */
{
    return (char *)(uintptr_t)literal;
}

static STACK_OF(X509) *chain_of(X509 *ca)
{
    STACK_OF(X509) *chain = sk_X509_new_null();

    assert_non_null(chain);
    assert_int_equal(X509_up_ref(ca), 1);
    assert_int_equal(sk_X509_push(chain, ca), 1);
    return chain;
}

/* The target has a generation whose chain is this. */
static void has(struct scene *scene, size_t at, X509 *ca)
{
    const char *name = scene->certificates[at].name;
    struct ecert_generation_facts facts = {.origin = text("test"), .authority = text("ca")};
    struct ecert_target_state state = {0};
    struct ecert_bundle bundle = {.leaf = test_leaf_make(name, scene->key, ca, scene->ca_keys[0]),
                                  .chain = chain_of(ca)};
    struct ecert_error err = {0};
    bool added = false;

    if (ecert_store_add(scene->config.state_dir, name, &bundle, &facts, &added, &err) != ECERT_OK)
        fail_msg("%s", err.text);
    state.actual = facts.number;
    assert_int_equal(ecert_store_save_target(scene->config.state_dir, name, "apache", &state, &err),
                     ECERT_OK);
    ecert_bundle_clear(&bundle);
}

/* It is to get one with this chain. */
static void gets(struct scene *scene, size_t at, X509 *ca)
{
    struct ecert_deployment *deployment = &scene->items[scene->deployments.n++];

    *deployment = (struct ecert_deployment){
        .certificate = &scene->certificates[at],
        .target = &scene->targets[at],
        .standing = ECERT_STANDING_WANTED,
        .bundle = {.leaf = test_leaf_make("new.x", scene->key, ca, scene->ca_keys[0]),
                   .chain = chain_of(ca)},
    };
    deployment->copy_from[ECERT_MATERIAL_KEY] = strdup("/generation/privkey.pem");
    deployment->copy_from[ECERT_MATERIAL_CHAIN] = strdup("/generation/chain.pem");
    deployment->copies[0] = (struct ecert_change_copy){
        .from = deployment->copy_from[ECERT_MATERIAL_KEY], .to = "/k", .secret = true};
    deployment->copies[1] =
        (struct ecert_change_copy){.from = deployment->copy_from[ECERT_MATERIAL_CHAIN],
                                   .to = scene->targets[at].files[ECERT_MATERIAL_CHAIN]};
    deployment->change.n_copies = 2;
}

static void file_holds(const struct scene *scene, X509 *const *certificates, size_t n)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0644);
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_error err = {0};

    ecert_buffer_add_text(&out, "# by hand\n");
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ecert_certificate_pem(certificates[i], &out, &err), ECERT_OK);
    assert_int_equal(ecert_fs_replace(scene->path,
                                      (struct ecert_view){(const uint8_t *)out.ptr, out.len},
                                      &owner, &err),
                     ECERT_OK);
}

static struct scene *begin(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    static const char *const names[] = {"a.x", "b.x", "c.x"};
    struct ecert_error err = {0};
    char *state_dir = NULL;
    char serial[8], ca_name[16];

    assert_non_null(scene);
    scene->folder = test_folder_make();
    assert_int_equal(ecert_text_format(&scene->path, &err, "%s/chain.pem", scene->folder),
                     ECERT_OK);
    assert_int_equal(ecert_text_format(&state_dir, &err, "%s/state", scene->folder), ECERT_OK);
    assert_int_equal(ecert_store_prepare(state_dir, &err), ECERT_OK);
    scene->root_key = test_key_ec("P-256");
    scene->key = test_key_ec("P-256");
    scene->root = test_root_make("Root", scene->root_key);
    for (size_t i = 0; i < CAS; i++) {
        scene->ca_keys[i] = test_key_ec("P-256");
        (void)snprintf(serial, sizeof serial, "%02zu", i + 10);
        (void)snprintf(ca_name, sizeof ca_name, "CA %zu", i);
        scene->cas[i] =
            test_sub_ca_make(ca_name, scene->ca_keys[i], serial, scene->root, scene->root_key);
    }
    scene->reissued =
        test_sub_ca_make("CA 0", scene->ca_keys[0], "77", scene->root, scene->root_key);
    scene->expired = X509_dup(scene->cas[CAS - 1]);
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(scene->expired), -60));
    assert_true(X509_sign(scene->expired, scene->root_key, EVP_sha256()) > 0);
    for (size_t i = 0; i < 3; i++) {
        scene->targets[i] = (struct ecert_target_config){.id = text("apache"), .has_files = true};
        scene->targets[i].files[ECERT_MATERIAL_CHAIN] = scene->path;
        scene->certificates[i] = (struct ecert_certificate_config){
            .name = text(names[i]), .targets = &scene->targets[i], .n_targets = 1};
    }
    scene->config = (struct ecert_config){
        .state_dir = state_dir, .certificates = scene->certificates, .n_certificates = 3};
    scene->deployments = (struct ecert_deployments){.items = scene->items};
    return scene;
}

static void end(struct scene *scene)
{
    for (size_t i = 0; i < scene->deployments.n; i++) {
        struct ecert_deployment *deployment = &scene->items[i];

        ecert_bundle_clear(&deployment->bundle);
        ecert_bytes_clear(&deployment->shared_chain);
        ecert_strings_clear(&deployment->notes);
        ecert_plan_clear(&deployment->plan);
        free(deployment->copy_from[ECERT_MATERIAL_KEY]);
        free(deployment->copy_from[ECERT_MATERIAL_CHAIN]);
    }
    for (size_t i = 0; i < CAS; i++) {
        X509_free(scene->cas[i]);
        EVP_PKEY_free(scene->ca_keys[i]);
    }
    X509_free(scene->reissued);
    X509_free(scene->expired);
    X509_free(scene->root);
    EVP_PKEY_free(scene->root_key);
    EVP_PKEY_free(scene->key);
    free(scene->config.state_dir);
    free(scene->path);
    test_folder_remove(scene->folder);
    free(scene);
}

static void settle(struct scene *scene)
{
    ecert_shared_chain_settle(&scene->config, &scene->deployments);
}

/* Nothing but the key is written. */
static void expect_nothing(const struct ecert_deployment *deployment)
{
    assert_int_equal(deployment->standing, ECERT_STANDING_WANTED);
    assert_int_equal(deployment->change.n_copies, 1);
    assert_string_equal(deployment->copies[0].to, "/k");
}

static void expect(const struct ecert_deployment *deployment, X509 *const *certificates, size_t n)
{
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded written = {0};
    struct ecert_error err = {0};

    if (deployment->standing != ECERT_STANDING_WANTED)
        fail_msg("%s", deployment->error.text);
    assert_int_equal(deployment->change.n_copies, 2);
    assert_int_equal(ecert_decode_certificates(deployment->copies[1].content,
                                               (struct ecert_view){0}, &written, &err),
                     ECERT_OK);
    assert_int_equal(sk_X509_num(written.certificates), n);
    for (size_t i = 0; i < n; i++)
        if (!ecert_certificate_equal(sk_X509_value(written.certificates, (int)i), certificates[i]))
            fail_msg("certificate %zu is another one", i);
}

static void nothing_is_written_while_the_file_holds_it(void **state)
{
    struct scene *scene = begin();

    (void)state;
    has(scene, 0, scene->cas[0]);
    has(scene, 1, scene->cas[1]);
    file_holds(scene, (X509 *[]){scene->cas[1], scene->cas[0], scene->root}, 3);
    gets(scene, 0, scene->cas[0]);
    settle(scene);
    expect_nothing(&scene->items[0]);
    end(scene);
}

static void the_file_gets_what_all_need(void **state)
{
    struct scene *scene = begin();

    (void)state;
    has(scene, 0, scene->cas[0]);
    has(scene, 1, scene->cas[1]);
    /* nobody has told of cas[4], and what is expired serves nobody */
    file_holds(scene, (X509 *[]){scene->cas[0], scene->cas[1], scene->cas[4], scene->expired}, 4);
    gets(scene, 0, scene->cas[2]);
    settle(scene);
    expect(&scene->items[0], (X509 *[]){scene->cas[2], scene->cas[0], scene->cas[1], scene->cas[4]},
           4);
    assert_non_null(strstr(scene->items[0].notes.items[0], "'b.x' (apache), 'c.x' (apache)"));
    end(scene);
}

/* What somebody took out comes back, because a target's leaf needs it. */
static void what_a_target_needs_comes_back(void **state)
{
    struct scene *scene = begin();

    (void)state;
    has(scene, 0, scene->cas[0]);
    has(scene, 1, scene->cas[1]);
    gets(scene, 0, scene->cas[2]); /* there is no file at all */
    settle(scene);
    expect(&scene->items[0], (X509 *[]){scene->cas[2], scene->cas[0], scene->cas[1]}, 3);
    end(scene);
}

/* A sub CA that was re-issued (the old one may be revoked) takes the place of the old one. */
static void a_reissued_issuer_replaces_the_old_one(void **state)
{
    struct scene *scene = begin();

    (void)state;
    has(scene, 0, scene->cas[0]);
    has(scene, 1, scene->cas[0]);
    file_holds(scene, (X509 *[]){scene->cas[0]}, 1);
    gets(scene, 0, scene->reissued);
    settle(scene);
    expect(&scene->items[0], (X509 *[]){scene->reissued}, 1);
    end(scene);
}

static void two_deployments_want_the_same(void **state)
{
    struct scene *scene = begin();

    (void)state;
    has(scene, 0, scene->cas[0]);
    has(scene, 1, scene->cas[0]);
    has(scene, 2, scene->cas[3]);
    file_holds(scene, (X509 *[]){scene->cas[0]}, 1);
    gets(scene, 0, scene->cas[1]);
    gets(scene, 1, scene->cas[2]);
    settle(scene);
    for (size_t i = 0; i < 2; i++)
        expect(&scene->items[i],
               (X509 *[]){scene->cas[1], scene->cas[2], scene->cas[0], scene->cas[3]}, 4);
    end(scene);
}

static void more_than_clients_take_are_refused(void **state)
{
    struct scene *scene = begin();

    (void)state;
    file_holds(scene, scene->cas, ECERT_SHARED_CHAIN_MAX);
    gets(scene, 0, scene->cas[ECERT_SHARED_CHAIN_MAX]);
    settle(scene);
    assert_int_equal(scene->items[0].standing, ECERT_STANDING_UNFIT);
    assert_int_equal(scene->items[0].error.status, ECERT_E_REFUSED);
    assert_non_null(strstr(scene->items[0].error.text, "'b.x' (apache), 'c.x' (apache), too, and "
                                                       "would have to hold 9"));
    assert_non_null(strstr(scene->items[0].error.text, "`files.chain`"));
    end(scene);
}

/* Nobody else's: as it always was. */
static void a_file_of_one_certificate_is_left_to_it(void **state)
{
    struct scene *scene = begin();
    char other[] = "/elsewhere";

    (void)state;
    scene->targets[1].files[ECERT_MATERIAL_CHAIN] = other;
    scene->targets[2].files[ECERT_MATERIAL_CHAIN] = NULL;
    file_holds(scene, (X509 *[]){scene->cas[0]}, 1);
    gets(scene, 0, scene->cas[0]);
    settle(scene);
    assert_int_equal(scene->items[0].change.n_copies, 2);
    assert_int_equal(scene->items[0].copies[1].content.len, 0);
    end(scene);
}

static void a_link_is_the_file_behind_it(void **state)
{
    struct scene *scene = begin();
    char *link = NULL;
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_text_format(&link, &err, "%s/link.pem", scene->folder), ECERT_OK);
    scene->targets[1].files[ECERT_MATERIAL_CHAIN] = link;
    scene->targets[2].files[ECERT_MATERIAL_CHAIN] = NULL;
    has(scene, 1, scene->cas[1]);
    file_holds(scene, (X509 *[]){scene->cas[1]}, 1);
    assert_int_equal(symlink(scene->path, link), 0);
    gets(scene, 0, scene->cas[2]);
    settle(scene);
    expect(&scene->items[0], (X509 *[]){scene->cas[2], scene->cas[1]}, 2);
    free(link);
    end(scene);
}

static void a_file_that_cannot_be_understood_is_refused(void **state)
{
    struct scene *scene = begin();
    const struct ecert_fs_owner owner = ecert_fs_own(0644);
    struct ecert_error err = {0};

    (void)state;
    assert_int_equal(ecert_fs_replace(scene->path, ecert_view_of("-----BEGIN CERTIFICATE-----\nx"),
                                      &owner, &err),
                     ECERT_OK);
    gets(scene, 0, scene->cas[2]);
    settle(scene);
    assert_int_equal(scene->items[0].standing, ECERT_STANDING_UNFIT);
    assert_non_null(strstr(scene->items[0].error.text, "which other targets use as well"));
    end(scene);
}

static void the_way_back_leaves_it_to_the_others(void **state)
{
    struct scene *scene = begin();
    struct ecert_deployment *deployment = &scene->items[0];
    static const uint8_t any[ECERT_SHA256_LEN] = {0};
    struct ecert_error err = {0};

    (void)state;
    *deployment = (struct ecert_deployment){.certificate = &scene->certificates[0],
                                            .target = &scene->targets[0],
                                            .standing = ECERT_STANDING_WANTED,
                                            .restores = true};
    scene->deployments.n = 1;
    for (size_t i = 0; i < 3; i++) {
        const struct ecert_file_record record = {.size = sizeof record,
                                                 .path = i == 1   ? scene->path
                                                         : i == 0 ? "/a"
                                                                  : "/b",
                                                 .content = ecert_view_of("before"),
                                                 .uid = -1,
                                                 .gid = -1,
                                                 .mode = -1};
        assert_int_equal(ecert_plan_add_file_expecting(&deployment->plan, &record, true, any, &err),
                         ECERT_OK);
    }
    settle(scene);
    assert_int_equal(deployment->plan.n_files, 2);
    assert_string_equal(deployment->plan.files[0].path, "/a");
    assert_string_equal(deployment->plan.files[1].path, "/b");
    assert_non_null(strstr(deployment->notes.items[0], "stays as it is: it is the chain file of"));
    end(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_while_the_file_holds_it),
        cmocka_unit_test(the_file_gets_what_all_need),
        cmocka_unit_test(what_a_target_needs_comes_back),
        cmocka_unit_test(a_reissued_issuer_replaces_the_old_one),
        cmocka_unit_test(two_deployments_want_the_same),
        cmocka_unit_test(more_than_clients_take_are_refused),
        cmocka_unit_test(a_file_of_one_certificate_is_left_to_it),
        cmocka_unit_test(a_link_is_the_file_behind_it),
        cmocka_unit_test(a_file_that_cannot_be_understood_is_refused),
        cmocka_unit_test(the_way_back_leaves_it_to_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
