#include "core/flow/shared_chain.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/chain.h"
#include "core/flow/decode.h"
#include "core/flow/holds.h"

#define OTHERS_SHOWN 5

/* ---- who names the file ---- */

/* By another path, too: where links lead to the same file, it is written once. */
static bool is_same_file(const char *a, const char *b)
{
    ECERT_AUTO(ecert_auto_free) char *resolved_a = NULL;
    ECERT_AUTO(ecert_auto_free) char *resolved_b = NULL;
    struct ecert_error ignored = {0};

    if (strcmp(a, b) == 0)
        return true;
    return ecert_fs_resolve_new(a, &resolved_a, &ignored) == ECERT_OK &&
           ecert_fs_resolve_new(b, &resolved_b, &ignored) == ECERT_OK &&
           strcmp(resolved_a, resolved_b) == 0;
}

static bool names_chain(const struct ecert_target_config *target, const char *path)
{
    return target->has_files && target->files[ECERT_MATERIAL_CHAIN] != NULL &&
           is_same_file(target->files[ECERT_MATERIAL_CHAIN], path);
}

/* "'www.example.com' (apache), ..." of other certificates' targets that name it; *ret_n of them. */
static void name_others(const struct ecert_config *config,
                        const struct ecert_certificate_config *certificate, const char *path,
                        size_t *ret_n, struct ecert_buffer *out)
{
    *ret_n = 0;
    for (size_t c = 0; c < config->n_certificates; c++)
        for (size_t t = 0; t < config->certificates[c].n_targets; t++) {
            const struct ecert_target_config *other = &config->certificates[c].targets[t];

            if (&config->certificates[c] == certificate || !names_chain(other, path))
                continue;
            if (++*ret_n <= OTHERS_SHOWN)
                ecert_buffer_printf(out, "%s'%s' (%s)", *ret_n == 1 ? "" : ", ",
                                    config->certificates[c].name, other->id);
        }
    if (*ret_n > OTHERS_SHOWN)
        ecert_buffer_printf(out, " and %zu more", *ret_n - OTHERS_SHOWN);
}

/* ---- what it must hold ---- */

/* The same CA certificate, or another issue of it: what one signed, the other vouches for. */
static bool stands_for(const X509 *one, const X509 *other)
{
    const EVP_PKEY *key = X509_get0_pubkey(one);

    if (ecert_certificate_equal(one, other))
        return true;
    return key != NULL &&
           X509_NAME_cmp(X509_get_subject_name(one), X509_get_subject_name(other)) == 0 &&
           X509_NAME_cmp(X509_get_issuer_name(one), X509_get_issuer_name(other)) == 0 &&
           EVP_PKEY_eq(key, X509_get0_pubkey(other)) == 1;
}

static enum ecert_status add_certificate(STACK_OF(X509) *all, X509 *one, struct ecert_error *err)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (stands_for(sk_X509_value(all, i), one))
            return ECERT_OK;
    if (X509_up_ref(one) != 1)
        return ecert_error_nomem(err);
    if (sk_X509_push(all, one) > 0)
        return ECERT_OK;
    X509_free(one);
    return ecert_error_nomem(err);
}

static enum ecert_status add_chain(STACK_OF(X509) *all, STACK_OF(X509) *chain,
                                   struct ecert_error *err)
{
    for (int i = 0; i < sk_X509_num(chain); i++)
        ECERT_TRY(add_certificate(all, sk_X509_value(chain, i), err));
    return ECERT_OK;
}

static bool is_prepared(const struct ecert_deployment *deployment)
{
    return deployment->standing == ECERT_STANDING_WANTED && !deployment->restores;
}

static enum ecert_status add_deployed(const struct ecert_deployments *deployments, const char *path,
                                      STACK_OF(X509) *all, struct ecert_error *err)
{
    for (size_t i = 0; i < deployments->n; i++)
        if (is_prepared(&deployments->items[i]) && names_chain(deployments->items[i].target, path))
            ECERT_TRY(add_chain(all, deployments->items[i].bundle.chain, err));
    return ECERT_OK;
}

/* Of what a target has now. */
static enum ecert_status add_present(const struct ecert_config *config, const char *name,
                                     const char *target, STACK_OF(X509) *all,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_target_state_clear) struct ecert_target_state state = {0};
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};

    ECERT_TRY(ecert_store_load_target(config->state_dir, name, target, &state, err));
    if (state.actual == 0) /* what it may have is in the file, and stays there */
        return ECERT_OK;
    ECERT_TRY(ecert_store_load(config->state_dir, name, state.actual, &bundle, err));
    return add_chain(all, bundle.chain, err);
}

static enum ecert_status add_all_present(const struct ecert_config *config, const char *path,
                                         STACK_OF(X509) *all, struct ecert_error *err)
{
    for (size_t c = 0; c < config->n_certificates; c++) {
        const struct ecert_certificate_config *certificate = &config->certificates[c];

        for (size_t t = 0; t < certificate->n_targets; t++)
            if (names_chain(&certificate->targets[t], path) &&
                add_present(config, certificate->name, certificate->targets[t].id, all, err) !=
                    ECERT_OK)
                return ecert_error_wrap(err,
                                        "which issuers target '%s' of '%s' needs in '%s' cannot be "
                                        "told",
                                        certificate->targets[t].id, certificate->name, path);
    }
    return ECERT_OK;
}

/* What is there may be needed by a site that no target is for. */
static enum ecert_status add_from_file(const char *path, STACK_OF(X509) *all,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0}; /* a key may be in it */
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded there = {0};
    const int64_t now = ecert_clock_now();
    const enum ecert_status status = ecert_fs_read_secret(path, ECERT_DECODE_MAX_INPUT, &file, err);

    if (status == ECERT_E_NOT_FOUND || (status == ECERT_OK && file.len == 0)) {
        *err = (struct ecert_error){0};
        return ECERT_OK;
    }
    ECERT_TRY(status);
    if (ecert_decode_certificates(ecert_secret_view(&file), (struct ecert_view){0}, &there, err) !=
        ECERT_OK)
        return ecert_error_wrap(err, "'%s', which other targets use as well", path);
    for (int i = 0; i < sk_X509_num(there.certificates); i++) {
        X509 *one = sk_X509_value(there.certificates, i);

        if (ecert_certificate_is_ca(one) && ecert_chain_in_date(one, now))
            ECERT_TRY(add_certificate(all, one, err));
    }
    return ECERT_OK;
}

static enum ecert_status write_pem(STACK_OF(X509) *all, struct ecert_bytes *ret,
                                   struct ecert_error *err)
{
    struct ecert_bundle bundle = {.chain = all}; /* borrowed */

    return ecert_bundle_pem(&bundle, ECERT_MATERIAL_CHAIN, ret, err);
}

static enum ecert_status check_number(STACK_OF(X509) *all, const char *path, const char *others,
                                      struct ecert_error *err)
{
    if (sk_X509_num(all) <= ECERT_SHARED_CHAIN_MAX)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "'%s' is the chain file of %s, too, and would have to hold %d "
                           "certificates for all of them, more than clients accept (%d); name "
                           "another file in `files.chain` of this target, and in the server's "
                           "configuration of its sites",
                           path, others, sk_X509_num(all), ECERT_SHARED_CHAIN_MAX);
}

static enum ecert_status make_content(const struct ecert_config *config,
                                      const struct ecert_deployments *deployments, const char *path,
                                      const char *others, struct ecert_bytes *ret,
                                      struct ecert_error *err)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    enum ecert_status status = all == NULL ? ecert_error_nomem(err) : ECERT_OK;

    if (status == ECERT_OK)
        status = add_deployed(deployments, path, all, err);
    if (status == ECERT_OK)
        status = add_all_present(config, path, all, err);
    if (status == ECERT_OK)
        status = add_from_file(path, all, err);
    if (status == ECERT_OK)
        status = check_number(all, path, others, err);
    if (status == ECERT_OK)
        status = write_pem(all, ret, err);
    sk_X509_pop_free(all, X509_free);
    return status;
}

/* ---- the deployments ---- */

static struct ecert_change_copy *chain_copy(struct ecert_deployment *deployment)
{
    const char *from = deployment->copy_from[ECERT_MATERIAL_CHAIN];

    for (size_t i = 0; i < deployment->change.n_copies; i++)
        if (deployment->copies[i].from == from)
            return &deployment->copies[i];
    return NULL;
}

static void drop_copy(struct ecert_deployment *deployment, const struct ecert_change_copy *copy)
{
    const size_t at = (size_t)(copy - deployment->copies);

    memmove(&deployment->copies[at], &deployment->copies[at + 1],
            (deployment->change.n_copies - at - 1) * sizeof *copy);
    deployment->change.n_copies--;
}

static enum ecert_status settle(const struct ecert_config *config,
                                const struct ecert_deployments *deployments,
                                struct ecert_deployment *deployment, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer others = {0};
    struct ecert_change_copy *copy = chain_copy(deployment);
    size_t n = 0;

    if (copy == NULL)
        return ECERT_OK;
    name_others(config, deployment->certificate, copy->to, &n, &others);
    if (others.failed)
        return ecert_error_nomem(err);
    if (n == 0)
        return ECERT_OK;
    if (ecert_holds(&deployment->bundle, &deployment->certificate->key, ECERT_MATERIAL_CHAIN,
                    copy->from, copy->to)) {
        drop_copy(deployment, copy);
        return ECERT_OK;
    }
    ECERT_TRY(make_content(config, deployments, copy->to, (const char *)others.ptr,
                           &deployment->shared_chain, err));
    copy->content = ecert_bytes_view(&deployment->shared_chain);
    return ecert_strings_printf(&deployment->notes, err,
                                "'%s' is the chain file of %s, too: it holds the issuers of all",
                                copy->to, (const char *)others.ptr);
}

static enum ecert_status leave_restored(const struct ecert_config *config,
                                        struct ecert_deployment *deployment,
                                        struct ecert_error *err)
{
    struct ecert_plan *plan = &deployment->plan;

    for (size_t i = plan->n_files; i-- > 0;) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer others = {0};
        size_t n = 0;

        name_others(config, deployment->certificate, plan->files[i].path, &n, &others);
        if (n == 0)
            continue;
        if (others.failed ||
            ecert_strings_printf(&deployment->notes, err,
                                 "'%s' stays as it is: it is the chain file of %s",
                                 plan->files[i].path, (const char *)others.ptr) != ECERT_OK)
            return ecert_error_nomem(err);
        ecert_plan_drop_file(plan, i);
    }
    return ECERT_OK;
}

void ecert_shared_chain_settle(const struct ecert_config *config,
                               struct ecert_deployments *deployments)
{
    for (size_t i = 0; i < deployments->n; i++) {
        struct ecert_deployment *deployment = &deployments->items[i];
        enum ecert_status status = ECERT_OK;

        if (deployment->standing != ECERT_STANDING_WANTED)
            continue;
        if (deployment->restores)
            status = leave_restored(config, deployment, &deployment->error);
        else if (deployment->target->has_files)
            status = settle(config, deployments, deployment, &deployment->error);
        if (status != ECERT_OK)
            deployment->standing = ECERT_STANDING_UNFIT;
    }
}
