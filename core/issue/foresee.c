#include "core/issue/foresee.h"

#include <stdlib.h>
#include <string.h>

#include "core/issue/backup.h"
#include "core/issue/csr.h"
#include "core/issue/request_parts.h"

/* The rules that are broken, each with the first certificate that breaks it. */
struct refusals {
    struct ecert_strings rules;
    const struct ecert_certificate_config **first; /* as many as rules */
    size_t *others;
};

static void refusals_clear(struct refusals *refusals)
{
    ecert_strings_clear(&refusals->rules);
    free(refusals->first);
    free(refusals->others);
    *refusals = (struct refusals){0};
}

static enum ecert_status add(struct refusals *refusals,
                             const struct ecert_certificate_config *certificate, const char *rule,
                             struct ecert_error *err)
{
    const size_t n = refusals->rules.len;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(refusals->rules.items[i], rule) == 0) {
            refusals->others[i]++;
            return ECERT_OK;
        }
    }
    const struct ecert_certificate_config **first =
        reallocarray(refusals->first, n + 1, sizeof *first);
    if (first != NULL)
        refusals->first = first;
    size_t *others = reallocarray(refusals->others, n + 1, sizeof *others);
    if (others != NULL)
        refusals->others = others;
    if (first == NULL || others == NULL)
        return ecert_error_nomem(err);
    first[n] = certificate;
    others[n] = 0;
    return ecert_strings_add(&refusals->rules, rule, err);
}

/* NULL: no request is made for it here, or nothing is known of what its CA wants. */
static const struct ecert_authority *authority_of(
    struct ecert_context *context, const struct ecert_certificate_config *certificate)
{
    const struct ecert_authority *authority = NULL;
    struct ecert_error ignored = {0};

    if (certificate->key.place != ECERT_KEY_OURS ||
        ecert_context_authority(context, certificate->authority, &authority, &ignored) !=
            ECERT_OK ||
        !authority->request.known)
        return NULL;
    return authority;
}

/* The rules that this one breaks. */
static enum ecert_status find_rules(struct ecert_context *context,
                                    const struct ecert_certificate_config *certificate,
                                    const struct ecert_authority *authority,
                                    struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_error why = {0};

    ECERT_TRY(request_names(certificate, &names, err));
    const struct ecert_csr_order order = {&context->config->organization,
                                          ecert_strings_array(&names), authority};
    return ecert_csr_check(&order, &certificate->key, NULL, ret, &notes, &why) == ECERT_E_NOMEM
               ? ecert_error_nomem(err)
               : ECERT_OK;
}

enum ecert_status ecert_foresee_refusal(struct ecert_context *context,
                                        const struct ecert_certificate_config *certificate,
                                        char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings rules = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    if (certificate->key.place == ECERT_KEY_IIS)
        return ecert_text_format(
            ret, err,
            "its key is made in IIS (where = \"iis\"), and the request there "
            "too: hand that to the CA, and drop what comes back into '%s/inbox'",
            context->config->state_dir);
    const struct ecert_authority *authority = authority_of(context, certificate);
    if (authority == NULL)
        return ECERT_OK;
    ECERT_TRY(find_rules(context, certificate, authority, &rules, err));
    for (size_t i = 0; i < rules.len; i++)
        ecert_buffer_printf(&text, "%s%s", i > 0 ? "; " : "", rules.items[i]);
    if (text.failed)
        return ecert_error_nomem(err);
    return rules.len == 0 ? ECERT_OK : ecert_text_copy(ecert_buffer_view(&text), ret, err);
}

static enum ecert_status check(struct ecert_context *context,
                               const struct ecert_certificate_config *certificate,
                               const struct ecert_authority *authority, struct refusals *refusals,
                               struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings rules = {0};

    ECERT_TRY(find_rules(context, certificate, authority, &rules, err));
    for (size_t i = 0; i < rules.len; i++)
        ECERT_TRY(add(refusals, certificate, rules.items[i], err));
    return ECERT_OK;
}

static enum ecert_status say(const struct refusals *refusals, struct ecert_strings *ret,
                             struct ecert_error *err)
{
    for (size_t i = 0; i < refusals->rules.len; i++) {
        const struct ecert_certificate_config *first = refusals->first[i];
        ECERT_AUTO(ecert_auto_free) char *more = NULL;

        ECERT_TRY(refusals->others[i] == 0
                      ? ecert_text_format(&more, err, "%s", "")
                      : ecert_text_format(&more, err, " and %zu more", refusals->others[i]));
        ECERT_TRY(ecert_strings_printf(
            ret, err, "%s:%u: certificate '%s'%s: `ecert request` will refuse: %s", first->file,
            first->line, first->name, more, refusals->rules.items[i]));
    }
    return ECERT_OK;
}

static size_t count_former(const struct ecert_backup_kit *kit, const struct ecert_strings *places,
                           const struct ecert_requests *requests)
{
    size_t n = 0;

    for (size_t i = 0; i < requests->n; i++)
        for (size_t k = 0; k < requests->items[i].n_backups; k++)
            n += ecert_backup_is_placed(&requests->items[i].backups[k], places) &&
                 ecert_backup_is_former(kit, &requests->items[i].backups[k]);
    return n;
}

/* What cannot be read is told by those who need it. */
static enum ecert_status look_at_copies(struct ecert_context *context, struct ecert_strings *ret,
                                        struct ecert_error *err)
{
    const struct ecert_config *config = context->config;
    ECERT_AUTO(ecert_backup_kit_close) struct ecert_backup_kit *kit = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings places = {0};
    struct ecert_error why = {0};
    size_t n = 0;

    if (!config->backup.wanted || ecert_backup_kit_read(config, &kit, &why) != ECERT_OK ||
        ecert_backup_places(config, &places, &why) != ECERT_OK)
        return why.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : ECERT_OK;
    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        ECERT_AUTO(ecert_requests_clear) struct ecert_requests keys = {0};
        struct ecert_requests *requests = NULL;

        if (ecert_context_requests(context, entry, &requests, &why) == ECERT_OK &&
            ecert_backup_keys(config, entry, requests, &keys, &why) == ECERT_OK)
            n += count_former(kit, &places, requests) + count_former(kit, &places, &keys);
    }
    if (n == 1)
        return ecert_strings_printf(ret, err,
                                    "%s: one copy of a key is readable only by the former "
                                    "recipients or under the former passphrase; 'ecert backup' "
                                    "writes a new one beside it",
                                    config->file);
    return n == 0 ? ECERT_OK
                  : ecert_strings_printf(ret, err,
                                         "%s: %zu copies of keys are readable only by the former "
                                         "recipients or under the former passphrase; 'ecert "
                                         "backup' writes a new one beside each",
                                         config->file, n);
}

static enum ecert_status try_backups(const struct ecert_config *config, struct ecert_strings *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_backup_kit_close) struct ecert_backup_kit *kit = NULL;
    struct ecert_error why = {0};

    if ((!config->backup.wanted && config->organization.name == NULL) ||
        ecert_backup_kit_open(config, &kit, &why) == ECERT_OK)
        return ECERT_OK;
    if (why.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    return ecert_strings_printf(ret, err, "%s: `ecert request` will refuse: %s", config->file,
                                why.text);
}

enum ecert_status ecert_foresee_refusals(struct ecert_context *context, struct ecert_strings *ret,
                                         struct ecert_error *err)
{
    const struct ecert_config *config = context->config;
    ECERT_AUTO(refusals_clear) struct refusals refusals = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings sentences = {0};
    bool any = false;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_authority *authority = authority_of(context, &config->certificates[i]);

        any = any || authority != NULL;
        if (authority != NULL)
            ECERT_TRY(check(context, &config->certificates[i], authority, &refusals, err));
    }
    ECERT_TRY(say(&refusals, &sentences, err));
    if (any || config->backup.wanted)
        ECERT_TRY(try_backups(config, &sentences, err));
    ECERT_TRY(look_at_copies(context, &sentences, err));
    *ret = sentences;
    sentences = (struct ecert_strings){0};
    return ECERT_OK;
}
