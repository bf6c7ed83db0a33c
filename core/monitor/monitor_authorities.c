#include <openssl/asn1.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/monitor/monitor_parts.h"

static void authority_clear(struct monitor_authority *authority)
{
    for (size_t i = 0; i < authority->n_issuers; i++) {
        X509_free(authority->issuers[i].certificate);
        free(authority->issuers[i].first);
    }
    free(authority->issuers);
    free(authority->ocsp_problem);
    ecert_crls_clear(&authority->crls);
    free(authority->id);
}

void monitor_authorities_clear(struct monitor *monitor)
{
    for (size_t i = 0; i < monitor->n_authorities; i++)
        authority_clear(&monitor->authorities[i]);
    free(monitor->authorities);
}

struct monitor_authority *monitor_authority_of(const struct monitor *monitor, const char *id)
{
    for (size_t i = 0; i < monitor->n_authorities; i++)
        if (strcmp(monitor->authorities[i].id, id) == 0)
            return &monitor->authorities[i];
    return NULL;
}

/* ---- CRLs ---- */

/* What one list says of itself. */
static enum ecert_status describe_crl(const X509_CRL *crl, struct ecert_finding *finding,
                                      struct ecert_error *err)
{
    const ASN1_TIME *from = X509_CRL_get0_lastUpdate(crl), *until = X509_CRL_get0_nextUpdate(crl);
    struct tm tm = {0};

    if (from != NULL && ASN1_TIME_to_tm(from, &tm) == 1)
        finding->not_before = (int64_t)timegm(&tm);
    if (until == NULL || ASN1_TIME_to_tm(until, &tm) != 1) {
        finding->condition = ECERT_CONDITION_REVOCATION_UNKNOWN;
        return monitor_detail(finding, err,
                              "it has no nextUpdate, so that nobody can say whether it is current");
    }
    finding->not_after = (int64_t)timegm(&tm);
    return ECERT_OK;
}

/* One address of the profile, told; its list joins the others. */
static enum ecert_status get_crl(const struct monitor *monitor,
                                 const struct ecert_authority *profile, char *url,
                                 struct monitor_authority *authority, bool quiet,
                                 struct ecert_error *err)
{
    const struct ecert_chain_sources sources = {
        monitor->config->state_dir, monitor->options->offline ? NULL : &monitor->context->network,
        &monitor->context->silent};
    struct ecert_authority one = *profile; /* borrows everything */
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_crls_clear) struct ecert_crls got = {0};
    X509_CRL *crl = NULL;

    one.crls = (struct ecert_strings){.items = &url, .len = 1};
    ECERT_TRY(ecert_crls_get(&one, &sources, ECERT_CRL_AGE_KEPT, &got, err));
    ECERT_TRY(monitor_begin(ECERT_WATCHED_CRL, authority->id, NULL, &finding, err, "%s", url));
    crl = sk_X509_CRL_pop(got.crls);
    if (crl == NULL)
        finding.condition = ECERT_CONDITION_REVOCATION_UNKNOWN;
    else if (sk_X509_CRL_push(authority->crls.crls, crl) <= 0) {
        X509_CRL_free(crl);
        return ecert_error_nomem(err);
    }
    if (crl != NULL)
        ECERT_TRY(describe_crl(crl, &finding, err));
    if (got.problems.len > 0)
        ECERT_TRY(monitor_detail(&finding, err, "%s", got.problems.items[0]));
    if (finding.not_after != 0 && finding.not_after < monitor->now && monitor->options->offline)
        finding.condition = ECERT_CONDITION_REVOCATION_UNKNOWN; /* nobody was asked for a new one */
    const bool fine =
        finding.condition == ECERT_CONDITION_FINE && finding.not_after >= monitor->now;
    return quiet && fine ? ECERT_OK : monitor_tell(monitor, &finding, err);
}

/* Once per authority; of one that only watched servers come from, what fails is told. */
static enum ecert_status get_crls(const struct monitor *monitor,
                                  struct monitor_authority *authority, bool quiet,
                                  struct ecert_error *err)
{
    const struct ecert_authority *profile = NULL;

    if (authority->has_crls)
        return ECERT_OK;
    authority->has_crls = true;
    authority->crls.crls = sk_X509_CRL_new_null();
    if (authority->crls.crls == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_context_authority(monitor->context, authority->id, &profile, err));
    for (size_t i = 0; i < profile->crls.len; i++)
        ECERT_TRY(get_crl(monitor, profile, profile->crls.items[i], authority, quiet, err));
    return ECERT_OK;
}

/* ---- loading ---- */

static enum ecert_status tell_broken(const struct monitor *monitor, const char *id,
                                     const struct ecert_error *why, struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    if (why->status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    ECERT_TRY(monitor_begin(ECERT_WATCHED_ANCHOR, id, NULL, &finding, err, "authority '%s'", id));
    finding.condition =
        why->status == ECERT_E_NOT_FOUND ? ECERT_CONDITION_MISSING : ECERT_CONDITION_UNREADABLE;
    ECERT_TRY(monitor_detail(&finding, err, "%s", why->text));
    return monitor_tell(monitor, &finding, err);
}

/* *ret NULL: it cannot be loaded, which is told. */
static enum ecert_status load(struct monitor *monitor, const char *id,
                              struct monitor_authority **ret, struct ecert_error *err)
{
    const struct ecert_authority *profile = NULL;
    struct ecert_error why = {0};

    *ret = NULL;
    if (ecert_context_authority(monitor->context, id, &profile, &why) != ECERT_OK)
        return tell_broken(monitor, id, &why, err);
    struct monitor_authority *more =
        reallocarray(monitor->authorities, monitor->n_authorities + 1, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    monitor->authorities = more;
    struct monitor_authority *entry = &more[monitor->n_authorities];
    *entry = (struct monitor_authority){0};
    ECERT_TRY(ecert_text_copy(ecert_view_of(id), &entry->id, err));
    monitor->n_authorities++;
    *ret = entry;
    return ECERT_OK;
}

/* The roots of a profile; those of the system are not the operator's choice, and a hundred. */
static enum ecert_status tell_anchors(const struct monitor *monitor, const char *id,
                                      struct ecert_error *err)
{
    const struct ecert_authority *profile = NULL;

    ECERT_TRY(ecert_context_authority(monitor->context, id, &profile, err));
    if (profile->file == NULL)
        return ECERT_OK;
    for (int i = 0; i < sk_X509_num(profile->anchors); i++) {
        ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

        ECERT_TRY(monitor_begin(ECERT_WATCHED_ANCHOR, id, NULL, &finding, err, "root %d of %s",
                                i + 1, profile->file));
        ECERT_TRY(monitor_describe(&finding, sk_X509_value(profile->anchors, i), err));
        ECERT_TRY(monitor_tell(monitor, &finding, err));
    }
    return ECERT_OK;
}

static enum ecert_status take_up(struct monitor *monitor, const char *id, struct ecert_error *err)
{
    struct monitor_authority *authority = NULL;

    ECERT_TRY(load(monitor, id, &authority, err));
    if (authority == NULL)
        return ECERT_OK;
    ECERT_TRY(tell_anchors(monitor, id, err));
    return get_crls(monitor, authority, false, err);
}

enum ecert_status monitor_authorities(struct monitor *monitor, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings done = {0};
    const struct ecert_config *config = monitor->config;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];

        if (!monitor_wants(monitor, entry->name) || ecert_strings_contain(&done, entry->authority))
            continue;
        ECERT_TRY(ecert_strings_add(&done, entry->authority, err));
        ECERT_TRY(take_up(monitor, entry->authority, err));
    }
    return ECERT_OK;
}

/* ---- for watched servers ---- */

/* The ids of all profiles, and "system". */
static enum ecert_status list_profiles(const struct monitor *monitor, struct ecert_strings *ret,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    struct ecert_error ignored = {0}; /* no directory: no profiles */

    ECERT_TRY(ecert_strings_add(ret, "system", err));
    if (ecert_fs_list(monitor->config->authorities_dir, &names, &ignored) == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < names.len; i++) {
        char *suffix = strrchr(names.items[i], '.');

        if (names.items[i][0] == '.' || suffix == NULL || strcmp(suffix, ".conf") != 0)
            continue;
        *suffix = '\0';
        ECERT_TRY(ecert_strings_add(ret, names.items[i], err));
    }
    return ECERT_OK;
}

static enum ecert_status get_crls_if_seen(struct monitor *monitor,
                                          struct monitor_authority *authority,
                                          struct ecert_error *err)
{
    const struct ecert_authority *profile = NULL;

    if (authority->has_crls)
        return ECERT_OK;
    ECERT_TRY(ecert_context_authority(monitor->context, authority->id, &profile, err));
    for (size_t i = 0; i < monitor->n_asked; i++)
        if (ecert_served_concerns(profile, &monitor->endpoints.seen[i]))
            return get_crls(monitor, authority, true, err);
    return ECERT_OK;
}

enum ecert_status monitor_more_authorities(struct monitor *monitor, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings ids = {0};

    ECERT_TRY(list_profiles(monitor, &ids, err));
    for (size_t i = 0; i < ids.len; i++) {
        struct monitor_authority *authority = monitor_authority_of(monitor, ids.items[i]);

        if (authority == NULL)
            ECERT_TRY(load(monitor, ids.items[i], &authority, err));
        if (authority != NULL)
            ECERT_TRY(get_crls_if_seen(monitor, authority, err));
    }
    return ECERT_OK;
}

enum ecert_status monitor_known(const struct monitor *monitor, struct ecert_known_authority **ret,
                                size_t *ret_n, struct ecert_error *err)
{
    struct ecert_known_authority *known = calloc(monitor->n_authorities + 1, sizeof *known);

    if (known == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < monitor->n_authorities; i++) {
        const struct monitor_authority *authority = &monitor->authorities[i];

        /* loaded before: nothing moves */
        if (ecert_context_authority(monitor->context, authority->id, &known[i].authority, err) !=
            ECERT_OK) {
            free(known);
            return err->status;
        }
        known[i].crls = authority->has_crls ? &authority->crls : NULL;
    }
    *ret = known;
    *ret_n = monitor->n_authorities;
    return ECERT_OK;
}
