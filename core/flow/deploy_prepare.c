/*
 * One deployment made ready: its generation loaded, its plugin asked, and checked again while the
 * plugin asks its server.
 */

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/checks.h"
#include "core/flow/deploy.h"
#include "core/flow/holds.h"
#include "core/flow/key.h"

#define KEY_MAX ((size_t)1 << 20)

static const char *const material_files[ECERT_MATERIAL_COUNT] = {
    [ECERT_MATERIAL_KEY] = "privkey.pem",
    [ECERT_MATERIAL_CERTIFICATE] = "cert.pem",
    [ECERT_MATERIAL_CHAIN] = "chain.pem",
    [ECERT_MATERIAL_FULLCHAIN] = "fullchain.pem",
};

/*
 * Time has passed since the certificate was taken: it may have expired, or stand on a CRL now.
 * Before the target gets what it does not have, the CRLs must be new.
 * Going back on purpose is not a mistake, so `live` is not looked at then.
 */
static enum ecert_status check_again(struct ecert_context *context,
                                     struct ecert_deployment *deployment, struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = deployment->certificate;
    const struct ecert_authority *authority = NULL;
    const struct ecert_crls *crls = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free)
    struct ecert_check_result *results = calloc(ecert_checks_count(), sizeof *results);
    ECERT_AUTO(ecert_auto_x509) X509 *anchor = NULL;

    if (results == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_context_authority(context, entry->authority, &authority, err));
    ECERT_TRY(ecert_context_crls(
        context, entry->authority,
        deployment->state.actual == deployment->generation ? ECERT_CRL_AGE_KEPT : ECERT_CRL_AGE_NEW,
        &crls, err));
    ECERT_TRY(ecert_strings_add(&names, entry->name, err));
    ECERT_TRY(ecert_strings_add_all(&names, ecert_strings_array(&entry->names), err));
    ECERT_TRY(ecert_chain_find_anchor(authority, deployment->bundle.leaf, deployment->bundle.chain,
                                      &anchor, err));
    const struct ecert_check_input input = {
        .authority = authority,
        .leaf = deployment->bundle.leaf,
        .chain = deployment->bundle.chain,
        .anchor = anchor,
        .names = ecert_strings_array(&names),
        .crls = crls,
        .allow = ecert_strings_array(&entry->allow),
        .now = ecert_clock_now(),
    };
    ecert_checks_run(&input, results);
    if (ecert_checks_verdict(results, ecert_checks_count(), &deployment->notes, err) != ECERT_OK)
        return ecert_error_wrap(err, "generation %u of '%s'", deployment->generation, entry->name);
    return ECERT_OK;
}

/* ---- its key ---- */

/* Is it encrypted?  Its bytes are looked at and forgotten. */
static enum ecert_status look_at_key(struct ecert_deployment *deployment, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret kept = {0};

    if (deployment->key_file == NULL)
        return ECERT_OK;
    ECERT_TRY(ecert_fs_read_secret(deployment->key_file, KEY_MAX, &kept, err));
    deployment->key_is_encrypted = ecert_key_is_encrypted(ecert_secret_view(&kept));
    return ECERT_OK;
}

/* For plugins that pack it up: without encryption. */
static enum ecert_status open_key(const struct ecert_deployment *deployment,
                                  struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret kept = {0};
    uint8_t key_id[ECERT_SHA256_LEN];

    if (!deployment->key_is_encrypted)
        return ecert_fs_read_secret(deployment->key_file, KEY_MAX, ret, err);
    ECERT_TRY(ecert_fs_read_secret(deployment->key_file, KEY_MAX, &kept, err));
    if (ecert_key_open(&deployment->certificate->key, ecert_secret_view(&kept), ret, key_id, err) !=
        ECERT_OK)
        return ecert_error_wrap(err, "'%s'", deployment->key_file);
    return ECERT_OK;
}

/* ---- where the files are, and will be ---- */

static enum ecert_status name_places(const char *state_dir, struct ecert_deployment *deployment,
                                     struct ecert_error *err)
{
    const char *name = deployment->certificate->name;
    ECERT_AUTO(ecert_auto_free) char *generation = NULL;
    ECERT_AUTO(ecert_auto_free) char *sub = NULL;

    ECERT_TRY(ecert_text_format(&sub, err, "generations/%04u", deployment->generation));
    ECERT_TRY(ecert_store_path(state_dir, name, sub, &generation, err));
    ECERT_TRY(ecert_store_path(state_dir, name, "live", &deployment->live_dir, err));
    ECERT_TRY(ecert_text_format(&deployment->live_value, err, "../%s", sub));
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        ECERT_TRY(ecert_text_format(&deployment->copy_from[i], err, "%s/%s", generation,
                                    material_files[i]));
    ECERT_TRY(ecert_text_copy(ecert_view_of(deployment->copy_from[ECERT_MATERIAL_FULLCHAIN]),
                              &deployment->fullchain_file, err));
    if (!ecert_fs_exists(deployment->copy_from[ECERT_MATERIAL_KEY]))
        return ECERT_OK; /* made on another host */
    return ecert_text_copy(ecert_view_of(deployment->copy_from[ECERT_MATERIAL_KEY]),
                           &deployment->key_file, err);
}

/* A job on its way: the texts of its spec are owned here until its worker has answered. */
struct ecert_preparation {
    struct ecert_child worker;
    struct ecert_job_spec spec;
    char *paths[ECERT_MATERIAL_COUNT];
    struct ecert_bytes pems[ECERT_MATERIAL_COUNT];
    struct ecert_secret key;
    struct ecert_strings names;
    char *common_name;
    char serial[ECERT_SERIAL_HEX_LEN];
    char sha256[ECERT_SHA256_HEX_LEN];
    char sha1[41];
};

static void preparation_free(struct ecert_preparation **preparation)
{
    struct ecert_preparation *texts = *preparation;

    *preparation = NULL;
    if (texts == NULL)
        return;
    ecert_child_clear(&texts->worker);
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++) {
        free(texts->paths[i]);
        ecert_bytes_clear(&texts->pems[i]);
    }
    ecert_secret_clear(&texts->key);
    ecert_strings_clear(&texts->names);
    free(texts->common_name);
    free(texts);
}

static enum ecert_status fill_paths(const struct ecert_deployment *deployment,
                                    struct ecert_preparation *texts, struct ecert_error *err)
{
    const struct ecert_target_config *target = deployment->target;

    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++) {
        if (i == ECERT_MATERIAL_KEY && deployment->key_file == NULL)
            continue;
        if (target->has_files && target->files[i] == NULL)
            continue;
        if (target->has_files)
            ECERT_TRY(ecert_text_copy(ecert_view_of(target->files[i]), &texts->paths[i], err));
        else
            ECERT_TRY(ecert_text_format(&texts->paths[i], err, "%s/%s/%s", deployment->live_dir,
                                        target->id, material_files[i]));
    }
    return ECERT_OK;
}

static enum ecert_status fill_texts(const struct ecert_deployment *deployment, uint32_t needs,
                                    struct ecert_preparation *texts, struct ecert_error *err)
{
    const X509 *leaf = deployment->bundle.leaf;

    ECERT_TRY(fill_paths(deployment, texts, err));
    for (size_t i = ECERT_MATERIAL_CERTIFICATE; i < ECERT_MATERIAL_COUNT; i++)
        ECERT_TRY(
            ecert_bundle_pem(&deployment->bundle, (enum ecert_material)i, &texts->pems[i], err));
    if ((needs & ECERT_NEEDS_PRIVATE_KEY) != 0 && deployment->key_file != NULL)
        ECERT_TRY(open_key(deployment, &texts->key, err));
    ECERT_TRY(ecert_certificate_names(leaf, &texts->names, err));
    ECERT_TRY(ecert_certificate_common_name(leaf, &texts->common_name, err));
    ecert_certificate_serial(leaf, texts->serial);
    ecert_certificate_sha256(leaf, texts->sha256);
    ecert_certificate_sha1(leaf, texts->sha1);
    return ECERT_OK;
}

static enum ecert_status ask_plugin(struct ecert_context *context,
                                    const struct ecert_deployment *deployment,
                                    struct ecert_preparation *texts, struct ecert_error *err)
{
    const struct ecert_target_config *target = deployment->target;
    const struct ecert_plugin_description *plugin =
        ecert_config_plugin(context->config, target->plugin);
    const struct ecert_target_state *state = &deployment->state;

    ECERT_TRY(fill_texts(deployment, plugin->needs, texts, err));
    const bool is_explicit = target->server_names.len > 0;
    texts->spec = (struct ecert_job_spec){
        .plugin_dir = context->config->plugin_dir,
        .plugin = target->plugin,
        .certificate = deployment->certificate->name,
        .target = target->id,
        .server_names = ecert_strings_array(is_explicit ? &target->server_names : &texts->names),
        .server_names_explicit = is_explicit,
        .settings = target->settings,
        .n_settings = target->n_settings,
        .leaf =
            {
                .size = sizeof(struct ecert_leaf_facts),
                .common_name = texts->common_name,
                .dns_names = ecert_strings_array(&texts->names),
                .key_type = ecert_certificate_key_type(deployment->bundle.leaf),
                .not_before = ecert_certificate_not_before(deployment->bundle.leaf),
                .not_after = ecert_certificate_not_after(deployment->bundle.leaf),
                .serial = texts->serial,
                .sha256 = texts->sha256,
                .sha1 = texts->sha1,
                /* of what is being replaced; deploying the same again replaces nothing */
                .replaced_sha1 =
                    state->actual_sha1[0] != '\0' && strcmp(state->actual_sha1, texts->sha1) != 0
                        ? state->actual_sha1
                        : NULL,
            },
        .may_write = ecert_strings_array(&target->may_write),
        .with_sites = deployment->with_sites,
        .key_is_encrypted = deployment->key_is_encrypted,
    };
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++) {
        texts->spec.paths[i] = texts->paths[i];
        texts->spec.materials[i] = ecert_bytes_view(&texts->pems[i]);
    }
    texts->spec.materials[ECERT_MATERIAL_KEY] = ecert_secret_view(&texts->key);
    const enum ecert_status status = ecert_plugin_plan_start(&texts->spec, &texts->worker, err);
    /* the worker has its copy; the workers of other plugins, forked from now on, shall not */
    texts->spec.materials[ECERT_MATERIAL_KEY] = (struct ecert_view){0};
    ecert_secret_clear(&texts->key);
    return status;
}

enum ecert_status ecert_deployment_choose_probes(const struct ecert_deployment *deployment,
                                                 struct ecert_plan *plan, struct ecert_error *err)
{
    const struct ecert_target_config *target = deployment->target;

    if (target->n_probes == 0)
        return ECERT_OK;
    for (size_t i = 0; i < plan->n_probes; i++)
        ecert_probe_clear(&plan->probes[i]);
    plan->n_probes = 0;
    for (size_t i = 0; i < target->n_probes; i++) {
        const struct ecert_probe *probe = &target->probes[i];
        const struct ecert_probe_record record = {
            .size = sizeof record,
            .address = probe->address,
            .port = probe->port,
            .server_name =
                probe->server_name != NULL ? probe->server_name : deployment->certificate->name,
            .starttls = probe->starttls,
        };
        ECERT_TRY(ecert_plan_add_probe(plan, &record, err));
    }
    return ECERT_OK;
}

/* May others read it?  A deployment puts that right. */
static bool is_open_to_others(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & 0137) != 0;
}

/*
 * The target has this generation, and its own file holds it, as it was before ecert came or as
 * somebody wrote it since: no reason to write it.  What was adopted is touched in no way.
 */
static bool is_there(const struct ecert_deployment *deployment, enum ecert_material which)
{
    const struct ecert_target_state *state = &deployment->state;
    const char *path = deployment->target->files[which];

    if (state->actual != deployment->generation ||
        !ecert_holds(&deployment->bundle, &deployment->certificate->key, which,
                     deployment->copy_from[which], path))
        return false;
    return which != ECERT_MATERIAL_KEY || ecert_deployment_is_adopted(deployment) ||
           !is_open_to_others(path);
}

static void fill_change(struct ecert_deployment *deployment)
{
    const struct ecert_target_config *target = deployment->target;
    struct ecert_change *change = &deployment->change;

    *change = (struct ecert_change){
        .certificate = deployment->certificate->name,
        .target = target->id,
        .plan = &deployment->plan,
        .copies = deployment->copies,
        .key_file = deployment->key_file,
        .fullchain_file = deployment->fullchain_file,
        .key = deployment->key_is_encrypted ? &deployment->certificate->key : NULL,
        .leaf = deployment->bundle.leaf,
        .chain = deployment->bundle.chain,
        .key_type = ecert_certificate_key_type(deployment->bundle.leaf),
        .look = target->probe,
    };
    if (!target->has_files) {
        change->live_dir = deployment->live_dir;
        change->live_link = target->id;
        change->live_value = deployment->live_value;
        return;
    }
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        if (target->files[i] != NULL && (i != ECERT_MATERIAL_KEY || deployment->key_file != NULL) &&
            !is_there(deployment, (enum ecert_material)i))
            deployment->copies[change->n_copies++] =
                (struct ecert_change_copy){.from = deployment->copy_from[i],
                                           .to = target->files[i],
                                           .secret = i == ECERT_MATERIAL_KEY};
}

enum ecert_status ecert_deploy_prepare_begin(struct ecert_context *context,
                                             struct ecert_deployment *deployment,
                                             struct ecert_preparation **ret,
                                             struct ecert_error *err)
{
    const char *state_dir = context->config->state_dir;

    if (deployment->target->plugin_problem != NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%s", deployment->target->plugin_problem);
    ECERT_TRY(ecert_store_load(state_dir, deployment->certificate->name, deployment->generation,
                               &deployment->bundle, err));
    ECERT_TRY(name_places(state_dir, deployment, err));
    ECERT_TRY(look_at_key(deployment, err));
    ECERT_AUTO(preparation_free)
    struct ecert_preparation *preparation = calloc(1, sizeof *preparation);
    if (preparation == NULL)
        return ecert_error_nomem(err);
    preparation->worker = (struct ecert_child)ECERT_CHILD_NONE;
    ECERT_TRY(ask_plugin(context, deployment, preparation, err));
    ECERT_TRY(check_again(context, deployment, err));
    *ret = preparation;
    preparation = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_deploy_prepare_end(struct ecert_deployment *deployment,
                                           struct ecert_preparation *preparation,
                                           struct ecert_error *err)
{
    ECERT_AUTO(preparation_free) struct ecert_preparation *owned = preparation;

    ECERT_TRY(ecert_plugin_plan_finish(&owned->spec, &owned->worker, &deployment->plan, err));
    ECERT_TRY(ecert_deployment_choose_probes(deployment, &deployment->plan, err));
    fill_change(deployment);
    return ECERT_OK;
}
