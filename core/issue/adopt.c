#include "core/issue/adopt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/issue/adopt_parts.h"

#define LOOK_MS 3000 /* one handshake */

static void adoption_clear(struct ecert_adoption *adoption)
{
    free(adoption->site);
    free(adoption->key_file);
    free(adoption->certificate_file);
    ecert_strings_clear(&adoption->notes);
    free(adoption->unfit);
    *adoption = (struct ecert_adoption){0};
}

void ecert_adoptions_clear(struct ecert_adoptions *adoptions)
{
    for (size_t i = 0; i < adoptions->n; i++)
        adoption_clear(&adoptions->items[i]);
    free(adoptions->items);
    *adoptions = (struct ecert_adoptions){0};
}

/* ---- one target ---- */

/*
 * The store's newest generation is what every target shall have: an older certificate must not
 * become it, nor one that a deployment would refuse.
 */
static enum ecert_status check_newest(const struct ecert_config *config,
                                      const struct ecert_adoption *adoption, const X509 *leaf,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    const char *name = adoption->certificate->name;
    char sha256[ECERT_SHA256_HEX_LEN];
    unsigned newest = 0;

    ECERT_TRY(ecert_store_newest(config->state_dir, name, &newest, err));
    if (newest == 0)
        return ECERT_OK;
    ECERT_TRY(ecert_store_facts(config->state_dir, name, newest, &facts, err));
    ecert_certificate_sha256(leaf, sha256);
    if (strcmp(sha256, facts.sha256) == 0)
        return ECERT_OK;
    if (adoption->unfit != NULL)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the %s uses '%s', which would be refused as an issued file, and "
                               "generation %u is there already, which `ecert run` deploys there; "
                               "nothing is adopted: %s",
                               adoption->site, adoption->certificate_file, newest, adoption->unfit);
    if (facts.unfit != NULL || ecert_certificate_not_before(leaf) > facts.not_before)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "the %s uses an older certificate, '%s', than generation %u, which "
                           "`ecert run` deploys there; nothing is adopted",
                           adoption->site, adoption->certificate_file, newest);
}

static enum ecert_status store(const struct ecert_config *config, struct ecert_adoption *adoption,
                               struct ecert_deployment *deployment, struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};

    ECERT_TRY(ecert_text_format(&facts.origin, err, "adopted: %s", adoption->site));
    ECERT_TRY(
        ecert_text_copy(ecert_view_of(adoption->certificate->authority), &facts.authority, err));
    ECERT_TRY(ecert_strings_add_all(&facts.notes, ecert_strings_array(&adoption->notes), err));
    if (adoption->unfit != NULL)
        ECERT_TRY(ecert_text_copy(ecert_view_of(adoption->unfit), &facts.unfit, err));
    facts.imported = ecert_clock_now();
    ECERT_TRY(ecert_store_add(config->state_dir, adoption->certificate->name, &deployment->bundle,
                              &facts, &adoption->added, err));
    deployment->generation = facts.number;
    return ECERT_OK;
}

/* The link that a server reads through once it was deployed to: it must agree with the state. */
static enum ecert_status make_link(const struct ecert_config *config,
                                   const struct ecert_deployment *deployment,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_auto_free) char *value = NULL;
    ECERT_AUTO(ecert_auto_close) int fd = -1;

    if (deployment->target->has_files)
        return ECERT_OK; /* copies stand there instead, which a deployment makes */
    ECERT_TRY(
        ecert_store_path(config->state_dir, deployment->certificate->name, "live", &folder, err));
    ECERT_TRY(ecert_text_format(&value, err, "../generations/%04u", deployment->generation));
    ECERT_TRY(ecert_fs_make_directories(folder, 0700, err));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", folder);
    return ecert_fs_replace_link(fd, value, deployment->target->id, err);
}

static enum ecert_status say_present(const struct ecert_deployment *deployment,
                                     struct ecert_adoption *adoption, struct ecert_error *err)
{
    char when[ECERT_TIME_TEXT_LEN];

    ecert_clock_text(deployment->state.deployed, when);
    return ecert_strings_printf(&adoption->notes, err,
                                "has generation %u since %s; it is left alone",
                                deployment->state.actual, when);
}

static enum ecert_status adopt(struct ecert_context *context, struct ecert_deployment *deployment,
                               struct ecert_adoption *adoption, struct ecert_error *err)
{
    const struct ecert_config *config = context->config;
    ECERT_AUTO(ecert_auto_free) char *chain_file = NULL;

    if (!deployment->has_state) {
        *err = deployment->error;
        return err->status;
    }
    if (deployment->state.actual > 0)
        return say_present(deployment, adoption, err);
    ECERT_TRY(ecert_adopt_find_site(config, deployment, adoption, &chain_file, err));
    ECERT_TRY(ecert_adopt_read(context, adoption, chain_file, &deployment->bundle, err));
    ECERT_TRY(check_newest(config, adoption, deployment->bundle.leaf, err));
    ECERT_TRY(store(config, adoption, deployment, err));
    /* the state last: until it is there, the target counts as having nothing */
    ECERT_TRY(make_link(config, deployment, err));
    ECERT_TRY(ecert_deploy_write_adopted(config, deployment, err));
    adoption->generation = deployment->generation;
    return ECERT_OK;
}

/* ---- the server ---- */

/* The first certificate that one of the probes is served, asking for this kind; NULL: none. */
static X509 *first_served(struct ecert_context *context, const struct ecert_plan *plan,
                          const char *key_type, struct ecert_seen *seen)
{
    struct ecert_error ignored = {0}; /* a server that is not seen is not judged */

    if (plan->n_probes == 0 || ecert_network_probe(&context->network, plan->probes, plan->n_probes,
                                                   key_type, LOOK_MS, seen, &ignored) != ECERT_OK)
        return NULL;
    for (size_t i = 0; i < plan->n_probes; i++)
        if (seen[i].answered)
            return sk_X509_value(seen[i].certificates, 0);
    return NULL;
}

static void clear_seen(struct ecert_seen *seen, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ecert_seen_clear(&seen[i]);
}

/* Its files may be newer than what it has loaded: it is asked, and not touched. */
static enum ecert_status look(struct ecert_context *context,
                              const struct ecert_deployment *deployment,
                              struct ecert_adoption *adoption, struct ecert_error *err)
{
    X509 *const leaf = deployment->bundle.leaf;
    const struct ecert_plan *plan = &deployment->plan;
    const bool is_ec = EVP_PKEY_get_base_id(X509_get0_pubkey(leaf)) == EVP_PKEY_EC;
    struct ecert_seen *seen = calloc(plan->n_probes + 1, sizeof *seen);
    enum ecert_status status = ECERT_OK;
    char serial[ECERT_SERIAL_HEX_LEN];

    if (seen == NULL)
        return ecert_error_nomem(err);
    X509 *served = first_served(context, plan, is_ec ? "ec" : "rsa", seen);
    if (served == NULL) { /* it may have loaded one of the other kind alone */
        clear_seen(seen, plan->n_probes);
        served = first_served(context, plan, NULL, seen);
    }
    if (served != NULL && !ecert_certificate_equal(served, leaf)) {
        ecert_certificate_serial(served, serial);
        status = ecert_strings_printf(&adoption->notes, err,
                                      "the server still serves serial %s: it was not reloaded "
                                      "since; `ecert deploy` reloads it",
                                      serial);
    }
    clear_seen(seen, plan->n_probes);
    free(seen);
    return status;
}

/* ---- all of them ---- */

/* What `ecert run` will do now that there is a generation. */
static enum ecert_status note_others(const struct ecert_config *config,
                                     struct ecert_adoption *adoption, struct ecert_error *err)
{
    const struct ecert_certificate_config *entry = adoption->certificate;

    for (size_t i = 0; i < entry->n_targets; i++) {
        ECERT_AUTO(ecert_target_state_clear) struct ecert_target_state state = {0};

        ECERT_TRY(ecert_store_load_target(config->state_dir, entry->name, entry->targets[i].id,
                                          &state, err));
        if (state.actual < adoption->generation)
            ECERT_TRY(ecert_strings_printf(
                &adoption->notes, err,
                adoption->unfit == NULL
                    ? "target '%s' does not have it: `ecert run` deploys it there"
                    : "target '%s' does not have it, and `ecert run` refuses to deploy it there",
                entry->targets[i].id));
    }
    return ECERT_OK;
}

enum ecert_status ecert_adopt(struct ecert_context *context, const char *const *names,
                              const char *target_id, struct ecert_adoptions *ret,
                              struct ecert_error *err)
{
    const struct ecert_deploy_selection how = {.names = names, .target = target_id};
    ECERT_AUTO(ecert_deployments_clear) struct ecert_deployments deployments = {0};
    ECERT_AUTO(ecert_adoptions_clear) struct ecert_adoptions adoptions = {0};

    ECERT_TRY(ecert_deploy_select(context, &how, &deployments, err));
    adoptions.items = calloc(deployments.n + 1, sizeof *adoptions.items);
    if (adoptions.items == NULL)
        return ecert_error_nomem(err);
    adoptions.n = deployments.n;
    for (size_t i = 0; i < deployments.n; i++) {
        struct ecert_deployment *deployment = &deployments.items[i];
        struct ecert_adoption *adoption = &adoptions.items[i];

        adoption->certificate = deployment->certificate;
        adoption->target = deployment->target;
        (void)!adopt(context, deployment, adoption, &adoption->error);
    }
    for (size_t i = 0; i < adoptions.n; i++)
        if (adoptions.items[i].generation > 0) {
            ECERT_TRY(look(context, &deployments.items[i], &adoptions.items[i], err));
            ECERT_TRY(note_others(context->config, &adoptions.items[i], err));
        }
    *ret = adoptions;
    adoptions = (struct ecert_adoptions){0};
    return ECERT_OK;
}
