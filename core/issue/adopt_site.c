#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/flow/settings.h"
#include "core/host/plugin.h"
#include "core/issue/adopt_parts.h"
#include "core/issue/served.h"

static const char *pair_part(const char *path)
{
    return path == NULL ? "" : path;
}

static bool has_same_pair(const struct ecert_site *a, const struct ecert_site *b)
{
    return strcmp(pair_part(a->certificate), pair_part(b->certificate)) == 0 &&
           strcmp(pair_part(a->key), pair_part(b->key)) == 0;
}

static bool has_name(const struct ecert_site *site, const char *name)
{
    for (size_t i = 0; i < site->names.len; i++)
        if (strcasecmp(site->names.items[i], name) == 0)
            return true;
    return false;
}

/* "server block at /etc/nginx/sites-enabled/x:3" */
static enum ecert_status describe(const struct ecert_site *site, char **ret,
                                  struct ecert_error *err)
{
    if (site->file == NULL)
        return ecert_text_format(ret, err, "%s of '%s'", site->kind,
                                 site->names.len > 0 ? site->names.items[0] : "");
    if (site->line == 0)
        return ecert_text_format(ret, err, "%s in %s", site->kind, site->file);
    return ecert_text_format(ret, err, "%s at %s:%u", site->kind, site->file, (unsigned)site->line);
}

/* ---- asking ---- */

static enum ecert_status ask(const struct ecert_config *config,
                             const struct ecert_deployment *deployment,
                             const struct ecert_strings *names, unsigned timeout_ms,
                             struct ecert_discovery *ret, struct ecert_error *err)
{
    const struct ecert_target_config *target = deployment->target;
    const struct ecert_job_spec spec = {
        .plugin_dir = config->plugin_dir,
        .plugin = target->plugin,
        .certificate = deployment->certificate->name,
        .target = target->id,
        .server_names = ecert_strings_array(names),
        .server_names_explicit = target->server_names.len > 0,
        .settings = target->settings,
        .n_settings = target->n_settings,
        .leaf = {.key_type = deployment->certificate->key.type == ECERT_KEY_TYPE_EC ? "ec" : "rsa"},
        .may_write = ecert_strings_array(&target->may_write),
        .timeout_ms = timeout_ms,
    };

    if (target->plugin_problem != NULL)
        return ecert_error_set(err, ECERT_E_PLUGIN, "%s", target->plugin_problem);
    return ecert_plugin_discover(&spec, ret, err);
}

/* ---- choosing ---- */

/* The choice as it grows; `found` is borrowed from the discovery. */
struct choice {
    const struct ecert_discovery *discovery;
    const struct ecert_deployment *deployment;
    struct ecert_adoption *adoption;
    const struct ecert_site *found;
};

static enum ecert_status refuse_two(const struct choice *choice, const struct ecert_site *other,
                                    const char *name, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *first = NULL;
    ECERT_AUTO(ecert_auto_free) char *second = NULL;

    ECERT_TRY(describe(choice->found, &first, err));
    ECERT_TRY(describe(other, &second, err));
    return ecert_error_set(
        err, ECERT_E_REFUSED,
        "two sites with different pairs are meant: the %s uses '%s' and '%s', and the %s, for "
        "'%s', uses '%s' and '%s'; let them use the same, or give each a target of its own with "
        "server_names",
        first, pair_part(choice->found->certificate), pair_part(choice->found->key), second, name,
        pair_part(other->certificate), pair_part(other->key));
}

/* Where the server answers for this name; the operator's own addresses go before them. */
static enum ecert_status add_probes(const struct ecert_deployment *deployment,
                                    const struct ecert_site *site, const char *name,
                                    struct ecert_plan *plan, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *sni = NULL;

    if (deployment->target->n_probes > 0)
        return ECERT_OK;
    /* a wildcard name is looked at by one of the names that it stands for */
    ECERT_TRY(strncmp(name, "*.", 2) == 0 ? ecert_text_format(&sni, err, "www%s", name + 1)
                                          : ecert_text_copy(ecert_view_of(name), &sni, err));
    for (size_t i = 0; i < site->n_addresses; i++) {
        const struct ecert_probe *address = &site->addresses[i];
        const struct ecert_probe_record record = {
            .size = sizeof record,
            .address = address->address,
            .port = address->port,
            .server_name = address->server_name != NULL ? address->server_name : sni,
            .starttls = address->starttls,
        };
        bool known = false;

        for (size_t k = 0; k < plan->n_probes; k++)
            known = known || (plan->probes[k].port == record.port &&
                              strcmp(plan->probes[k].address, record.address) == 0 &&
                              strcmp(plan->probes[k].server_name, record.server_name) == 0);
        if (!known)
            ECERT_TRY(ecert_plan_add_probe(plan, &record, err));
    }
    return ECERT_OK;
}

/* Every TLS site with this name; *ret: there is one. */
static enum ecert_status take_name(struct choice *choice, const char *name, bool must_agree,
                                   struct ecert_plan *plan, bool *ret, struct ecert_error *err)
{
    *ret = false;
    for (size_t i = 0; i < choice->discovery->n_sites; i++) {
        const struct ecert_site *site = &choice->discovery->sites[i];
        ECERT_AUTO(ecert_auto_free) char *words = NULL;

        if (!site->enabled || !has_name(site, name))
            continue;
        *ret = true;
        if (choice->found == NULL)
            choice->found = site;
        if (has_same_pair(choice->found, site)) {
            ECERT_TRY(add_probes(choice->deployment, site, name, plan, err));
            continue;
        }
        if (must_agree)
            return refuse_two(choice, site, name, err);
        ECERT_TRY(describe(site, &words, err));
        ECERT_TRY(ecert_strings_printf(&choice->adoption->notes, err,
                                       "the %s, for '%s', uses another pair, '%s'; the first "
                                       "deployment changes that, too",
                                       words, name, pair_part(site->certificate)));
    }
    return ECERT_OK;
}

static enum ecert_status no_site(const struct choice *choice, const char *name,
                                 struct ecert_error *err)
{
    for (size_t i = 0; i < choice->discovery->n_sites; i++) {
        const struct ecert_site *site = &choice->discovery->sites[i];
        ECERT_AUTO(ecert_auto_free) char *words = NULL;

        if (!has_name(site, name))
            continue;
        ECERT_TRY(describe(site, &words, err));
        return ecert_error_set(err, ECERT_E_NOT_FOUND,
                               "the %s has the name '%s', but it speaks no TLS: there is nothing "
                               "to adopt",
                               words, name);
    }
    return ecert_error_set(err, ECERT_E_NOT_FOUND,
                           "none of the %zu sites that plugin '%s' found has the name '%s'; name "
                           "the right one in 'server_names' of target '%s'",
                           choice->discovery->n_sites, choice->deployment->target->plugin, name,
                           choice->deployment->target->id);
}

static bool is_everywhere(const struct ecert_target_config *target)
{
    for (size_t i = 0; i < target->n_settings; i++)
        if (strcmp(target->settings[i].name, "everywhere_it_was") == 0)
            return target->settings[i].text != NULL &&
                   strcmp(target->settings[i].text, "true") == 0;
    return false;
}

/* With everywhere_it_was a site of whatever name, or none, that reads the target's own file. */
static enum ecert_status take_file(struct choice *choice, const char *name, struct ecert_plan *plan,
                                   struct ecert_error *err)
{
    const struct ecert_target_config *target = choice->deployment->target;
    const char *own = target->files[ECERT_MATERIAL_FULLCHAIN] != NULL
                          ? target->files[ECERT_MATERIAL_FULLCHAIN]
                          : target->files[ECERT_MATERIAL_CERTIFICATE];

    if (!is_everywhere(target) || own == NULL)
        return ECERT_OK;
    for (size_t i = 0; i < choice->discovery->n_sites; i++) {
        const struct ecert_site *site = &choice->discovery->sites[i];

        if (!site->enabled || site->certificate == NULL || strcmp(site->certificate, own) != 0)
            continue;
        if (choice->found == NULL)
            choice->found = site;
        if (!has_same_pair(choice->found, site))
            return refuse_two(choice, site, name, err);
        ECERT_TRY(add_probes(choice->deployment, site, name, plan, err));
    }
    return ECERT_OK;
}

static enum ecert_status choose(struct choice *choice, const struct ecert_strings *names,
                                struct ecert_plan *plan, struct ecert_error *err)
{
    const bool is_explicit = choice->deployment->target->server_names.len > 0;
    bool there = false;

    for (size_t i = 0; i < names->len; i++) {
        /* without server_names the first is the certificate's own, and decides */
        ECERT_TRY(take_name(choice, names->items[i], is_explicit || i == 0, plan, &there, err));
        if (!there && is_explicit)
            return no_site(choice, names->items[i], err);
    }
    if (choice->found == NULL)
        ECERT_TRY(take_file(choice, names->items[0], plan, err));
    return choice->found != NULL ? ECERT_OK : no_site(choice, names->items[0], err);
}

static enum ecert_status copy_files(const struct ecert_site *site, struct ecert_adoption *adoption,
                                    char **ret_chain_file, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *words = NULL;

    ECERT_TRY(describe(site, &words, err));
    if (site->certificate == NULL || site->key == NULL)
        return ecert_error_set(err, ECERT_E_NOT_FOUND,
                               "the %s names no %s that is a file of its own (none, or with "
                               "variables, or in a token); deploy instead",
                               words, site->certificate == NULL ? "certificate" : "key");
    ECERT_TRY(ecert_text_format(&adoption->site, err, "%s %s", adoption->target->plugin, words));
    ECERT_TRY(ecert_text_copy(ecert_view_of(site->key), &adoption->key_file, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(site->certificate), &adoption->certificate_file, err));
    return site->chain == NULL ? ECERT_OK
                               : ecert_text_copy(ecert_view_of(site->chain), ret_chain_file, err);
}

static enum ecert_status collect_names(const struct ecert_deployment *deployment,
                                       struct ecert_strings *ret, struct ecert_error *err)
{
    const struct ecert_certificate_config *certificate = deployment->certificate;

    if (deployment->target->server_names.len > 0)
        return ecert_strings_add_all(ret, ecert_strings_array(&deployment->target->server_names),
                                     err);
    ECERT_TRY(ecert_strings_add(ret, certificate->name, err));
    return ecert_strings_add_all(ret, ecert_strings_array(&certificate->names), err);
}

enum ecert_status ecert_adopt_find_site(const struct ecert_config *config,
                                        struct ecert_deployment *deployment,
                                        struct ecert_adoption *adoption, char **ret_chain_file,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_discovery_clear) struct ecert_discovery discovery = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct choice choice = {
        .discovery = &discovery, .deployment = deployment, .adoption = adoption};

    ECERT_TRY(collect_names(deployment, &names, err));
    ECERT_TRY(ask(config, deployment, &names, 0, &discovery, err));
    ECERT_TRY(ecert_strings_add_all(&adoption->notes, ecert_strings_array(&discovery.notes), err));
    ECERT_TRY(choose(&choice, &names, &deployment->plan, err));
    ECERT_TRY(ecert_deployment_choose_probes(deployment, &deployment->plan, err));
    return copy_files(choice.found, adoption, ret_chain_file, err);
}

/* ---- served.h ---- */

void ecert_served_sites_clear(struct ecert_served_sites *sites)
{
    ecert_discovery_clear(&sites->discovery);
    *sites = (struct ecert_served_sites){0};
}

static enum ecert_status discover(const struct ecert_config *config,
                                  const struct ecert_deployment *deployment,
                                  const struct ecert_strings *names,
                                  struct ecert_served_sites *sites, struct ecert_error *err)
{
    char settings[ECERT_SHA256_HEX_LEN];

    ECERT_TRY(ecert_settings_fingerprint(deployment->target, settings, err));
    if (settings[0] == '\0' || strcmp(settings, sites->settings) != 0) {
        ecert_served_sites_clear(sites);
        (void)!ask(config, deployment, names, ECERT_SERVED_TIMEOUT_MS, &sites->discovery,
                   &sites->error);
        memcpy(sites->settings, settings, sizeof sites->settings);
    }
    if (sites->error.status != ECERT_OK)
        *err = sites->error;
    return sites->error.status;
}

enum ecert_status ecert_served_places(const struct ecert_config *config,
                                      const struct ecert_deployment *deployment,
                                      struct ecert_served_sites *sites, struct ecert_plan *ret,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    if (!deployment->target->probe)
        return ECERT_OK;
    if (deployment->target->n_probes > 0)
        return ecert_deployment_choose_probes(deployment, ret, err);
    ECERT_TRY(collect_names(deployment, &names, err));
    ECERT_TRY(discover(config, deployment, &names, sites, err));
    for (size_t i = 0; i < names.len; i++)
        for (size_t k = 0; k < sites->discovery.n_sites; k++) {
            const struct ecert_site *site = &sites->discovery.sites[k];

            if (site->enabled && has_name(site, names.items[i]))
                ECERT_TRY(add_probes(deployment, site, names.items[i], ret, err));
        }
    return ECERT_OK;
}
