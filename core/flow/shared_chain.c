#include "core/flow/shared_chain.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/chain.h"
#include "core/flow/decode.h"
#include "core/flow/holds.h"

#define OTHERS_SHOWN 5

/* ---- who names the file ---- */

/* A target's chain file, links resolved: by whatever path it is named, it is written once. */
struct named {
    const struct ecert_certificate_config *certificate;
    const struct ecert_target_config *target;
    char *path;
};

/* What is settled at once; borrowed but for `named`, which is in the configuration's order. */
struct settling {
    const struct ecert_config *config;
    struct ecert_deployments *deployments;
    struct named *named;
    size_t n_named;
};

static void settling_clear(struct settling *settling)
{
    for (size_t i = 0; i < settling->n_named; i++)
        free(settling->named[i].path);
    free(settling->named);
}

/* As it is where it cannot be resolved: whoever writes it will say why. */
static enum ecert_status resolve(const char *path, char **ret, struct ecert_error *err)
{
    struct ecert_error ignored = {0};

    if (ecert_fs_resolve_new(path, ret, &ignored) == ECERT_OK)
        return ECERT_OK;
    return ecert_text_copy(ecert_view_of(path), ret, err);
}

static enum ecert_status find_named(struct settling *settling, struct ecert_error *err)
{
    const struct ecert_config *config = settling->config;
    size_t n = 0;

    for (size_t c = 0; c < config->n_certificates; c++)
        n += config->certificates[c].n_targets;
    settling->named = calloc(n + 1, sizeof *settling->named);
    if (settling->named == NULL)
        return ecert_error_nomem(err);
    for (size_t c = 0; c < config->n_certificates; c++)
        for (size_t t = 0; t < config->certificates[c].n_targets; t++) {
            const struct ecert_target_config *target = &config->certificates[c].targets[t];
            struct named *one = &settling->named[settling->n_named];

            if (target->files[ECERT_MATERIAL_CHAIN] == NULL)
                continue;
            *one = (struct named){&config->certificates[c], target, NULL};
            ECERT_TRY(resolve(target->files[ECERT_MATERIAL_CHAIN], &one->path, err));
            settling->n_named++;
        }
    return ECERT_OK;
}

/*
 * "'www.example.com' (apache), ..." of other certificates' targets that name the file; *ret_n of
 * them.  *ret_path (the caller frees): the file itself.
 */
static enum ecert_status name_others(const struct settling *settling,
                                     const struct ecert_certificate_config *certificate,
                                     const char *path, char **ret_path, size_t *ret_n,
                                     struct ecert_buffer *out, struct ecert_error *err)
{
    *ret_n = 0;
    ECERT_TRY(resolve(path, ret_path, err));
    for (size_t i = 0; i < settling->n_named; i++) {
        const struct named *other = &settling->named[i];

        if (other->certificate == certificate || strcmp(other->path, *ret_path) != 0)
            continue;
        if (++*ret_n <= OTHERS_SHOWN)
            ecert_buffer_printf(out, "%s'%s' (%s)", *ret_n == 1 ? "" : ", ",
                                other->certificate->name, other->target->id);
    }
    if (*ret_n > OTHERS_SHOWN)
        ecert_buffer_printf(out, " and %zu more", *ret_n - OTHERS_SHOWN);
    return out->failed ? ecert_error_nomem(err) : ECERT_OK;
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

/* Its copy of the chain; NULL: it has none, or what is there will do. */
static struct ecert_change_copy *chain_copy(struct ecert_deployment *deployment)
{
    const char *from = deployment->copy_from[ECERT_MATERIAL_CHAIN];

    for (size_t i = 0; from != NULL && i < deployment->change.n_copies; i++)
        if (deployment->copies[i].from == from)
            return &deployment->copies[i];
    return NULL;
}

static bool is_prepared(const struct ecert_deployment *deployment)
{
    return deployment->standing == ECERT_STANDING_WANTED && !deployment->restores;
}

/* Of those that write the file. */
static enum ecert_status add_deployed(const struct settling *settling, const char *path,
                                      STACK_OF(X509) *all, struct ecert_error *err)
{
    for (size_t i = 0; i < settling->deployments->n; i++) {
        struct ecert_deployment *deployment = &settling->deployments->items[i];
        bool named = false;

        for (size_t k = 0; k < settling->n_named; k++)
            named = named || (settling->named[k].target == deployment->target &&
                              strcmp(settling->named[k].path, path) == 0);
        if (named && is_prepared(deployment) && chain_copy(deployment) != NULL)
            ECERT_TRY(add_chain(all, deployment->bundle.chain, err));
    }
    return ECERT_OK;
}

/* Of what a target has now. */
static enum ecert_status add_present(const struct ecert_config *config, const struct named *one,
                                     STACK_OF(X509) *all, struct ecert_error *err)
{
    ECERT_AUTO(ecert_target_state_clear) struct ecert_target_state state = {0};
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    const char *name = one->certificate->name;

    ECERT_TRY(ecert_store_load_target(config->state_dir, name, one->target->id, &state, err));
    if (state.actual == 0) /* what it may have is in the file, and stays there */
        return ECERT_OK;
    ECERT_TRY(ecert_store_load(config->state_dir, name, state.actual, &bundle, err));
    return add_chain(all, bundle.chain, err);
}

static enum ecert_status add_all_present(const struct settling *settling, const char *path,
                                         STACK_OF(X509) *all, struct ecert_error *err)
{
    for (size_t i = 0; i < settling->n_named; i++) {
        const struct named *one = &settling->named[i];

        if (strcmp(one->path, path) == 0 &&
            add_present(settling->config, one, all, err) != ECERT_OK)
            return ecert_error_wrap(err, "which issuers target '%s' of '%s' needs in '%s'",
                                    one->target->id, one->certificate->name, path);
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

static enum ecert_status make_content(const struct settling *settling, const char *path,
                                      const char *others, struct ecert_bytes *ret,
                                      struct ecert_error *err)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    enum ecert_status status = all == NULL ? ecert_error_nomem(err) : ECERT_OK;

    if (status == ECERT_OK)
        status = add_deployed(settling, path, all, err);
    if (status == ECERT_OK)
        status = add_all_present(settling, path, all, err);
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

static void drop_copy(struct ecert_deployment *deployment, const struct ecert_change_copy *copy)
{
    const size_t at = (size_t)(copy - deployment->copies);

    memmove(&deployment->copies[at], &deployment->copies[at + 1],
            (deployment->change.n_copies - at - 1) * sizeof *copy);
    deployment->change.n_copies--;
}

/* First of all: who needs nothing written has no part in what is. */
static enum ecert_status drop_held(const struct settling *settling,
                                   struct ecert_deployment *deployment, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer others = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_change_copy *copy = chain_copy(deployment);
    size_t n = 0;

    if (copy == NULL)
        return ECERT_OK;
    ECERT_TRY(name_others(settling, deployment->certificate, copy->to, &path, &n, &others, err));
    if (n > 0 && ecert_holds(&deployment->bundle, &deployment->certificate->key,
                             ECERT_MATERIAL_CHAIN, copy->from, copy->to))
        drop_copy(deployment, copy);
    return ECERT_OK;
}

/* What another deployment of this run writes there. */
static struct ecert_view made_already(const struct settling *settling, const char *path,
                                      const struct ecert_deployment *deployment)
{
    struct ecert_deployment *other = settling->deployments->items;

    for (; other != deployment; other++) {
        const struct ecert_change_copy *copy = is_prepared(other) ? chain_copy(other) : NULL;

        if (copy != NULL && copy->content.len > 0 && strcmp(copy->to, path) == 0)
            return copy->content;
    }
    return (struct ecert_view){0};
}

static enum ecert_status settle(const struct settling *settling,
                                struct ecert_deployment *deployment, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer others = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_change_copy *copy = chain_copy(deployment);
    size_t n = 0;

    if (copy == NULL)
        return ECERT_OK;
    ECERT_TRY(name_others(settling, deployment->certificate, copy->to, &path, &n, &others, err));
    if (n == 0)
        return ECERT_OK;
    copy->content = made_already(settling, copy->to, deployment);
    if (copy->content.len == 0) {
        ECERT_TRY(
            make_content(settling, path, (const char *)others.ptr, &deployment->shared_chain, err));
        copy->content = ecert_bytes_view(&deployment->shared_chain);
    }
    return ecert_strings_printf(&deployment->notes, err,
                                "'%s' is the chain file of %s, too: it gets the issuers of all",
                                copy->to, (const char *)others.ptr);
}

static enum ecert_status leave_restored(const struct settling *settling,
                                        struct ecert_deployment *deployment,
                                        struct ecert_error *err)
{
    struct ecert_plan *plan = &deployment->plan;

    for (size_t i = plan->n_files; i-- > 0;) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer others = {0};
        ECERT_AUTO(ecert_auto_free) char *path = NULL;
        size_t n = 0;

        ECERT_TRY(name_others(settling, deployment->certificate, plan->files[i].path, &path, &n,
                              &others, err));
        if (n == 0)
            continue;
        ECERT_TRY(ecert_strings_printf(&deployment->notes, err,
                                       "'%s' stays as it is: it is the chain file of %s, too",
                                       plan->files[i].path, (const char *)others.ptr));
        ecert_plan_drop_file(plan, i);
    }
    return ECERT_OK;
}

typedef enum ecert_status settle_one(const struct settling *settling,
                                     struct ecert_deployment *deployment, struct ecert_error *err);

static void settle_each(const struct settling *settling, bool restores, settle_one *one)
{
    for (size_t i = 0; i < settling->deployments->n; i++) {
        struct ecert_deployment *deployment = &settling->deployments->items[i];

        if (deployment->standing == ECERT_STANDING_WANTED && deployment->restores == restores &&
            one(settling, deployment, &deployment->error) != ECERT_OK)
            deployment->standing = ECERT_STANDING_UNFIT;
    }
}

static enum ecert_status fail(const struct settling *settling, struct ecert_deployment *deployment,
                              struct ecert_error *err)
{
    (void)settling;
    (void)deployment;
    return ecert_error_nomem(err);
}

void ecert_shared_chain_settle(const struct ecert_config *config,
                               struct ecert_deployments *deployments)
{
    ECERT_AUTO(settling_clear)
    struct settling settling = {.config = config, .deployments = deployments};
    struct ecert_error err = {0};
    const bool ready = find_named(&settling, &err) == ECERT_OK;

    settle_each(&settling, true, ready ? leave_restored : fail);
    settle_each(&settling, false, ready ? drop_held : fail);
    settle_each(&settling, false, ready ? settle : fail);
}
