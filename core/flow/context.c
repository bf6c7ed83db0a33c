#include "core/flow/context.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/key.h"

static enum ecert_status init_network(const struct ecert_config *config, bool goes_on,
                                      struct ecert_network *ret, struct ecert_error *err)
{
    struct ecert_error why = {0};

    if (!goes_on)
        return ecert_network_init(ret, NULL, config->proxy, err);
    if (ecert_network_init(ret, NULL, config->proxy, &why) == ECERT_OK)
        return ECERT_OK;
    return ecert_network_init_unfit(ret, why.text, err);
}

enum ecert_status ecert_context_init(struct ecert_context *context,
                                     const struct ecert_config *config, bool goes_on,
                                     struct ecert_error *err)
{
    struct ecert_context made = {.config = config};

    ECERT_TRY(init_network(config, goes_on, &made.network, err));
    made.keys = calloc(config->n_certificates + 1, sizeof *made.keys);
    if (made.keys == NULL) {
        ecert_network_clear(&made.network);
        return ecert_error_nomem(err);
    }
    *context = made;
    return ECERT_OK;
}

void ecert_context_clear(struct ecert_context *context)
{
    if (context->config == NULL) /* never initialised */
        return;
    for (size_t i = 0; i < context->n_authorities; i++) {
        ecert_authority_clear(&context->authorities[i].authority);
        ecert_crls_clear(&context->authorities[i].crls);
    }
    free(context->authorities);
    free(context->keys);
    for (size_t i = 0; context->requests != NULL && i < context->config->n_certificates; i++)
        ecert_requests_clear(&context->requests[i].requests);
    free(context->requests);
    ecert_strings_clear(&context->silent);
    ecert_network_clear(&context->network);
    *context = (struct ecert_context){0};
}

static enum ecert_status join(struct ecert_error *err, const struct ecert_strings *mistakes)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    if (mistakes->len == 0)
        return err->status;
    for (size_t i = 0; i < mistakes->len; i++)
        ecert_buffer_printf(&text, "%s%s", i > 0 ? "; " : "", mistakes->items[i]);
    return ecert_error_set(err, err->status, "%s",
                           text.failed ? "out of memory" : (const char *)text.ptr);
}

static enum ecert_status find(struct ecert_context *context, const char *id,
                              struct ecert_context_authority **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};

    for (size_t i = 0; i < context->n_authorities; i++) {
        if (strcmp(context->authorities[i].authority.id, id) == 0) {
            *ret = &context->authorities[i];
            return ECERT_OK;
        }
    }
    struct ecert_context_authority *more = reallocarray(
        context->authorities, context->n_authorities + 1, sizeof *context->authorities);
    if (more == NULL)
        return ecert_error_nomem(err);
    context->authorities = more;
    struct ecert_context_authority *entry = &more[context->n_authorities];
    *entry = (struct ecert_context_authority){0};
    if (ecert_authority_load(context->config->authorities_dir, id, &entry->authority, &mistakes,
                             err) != ECERT_OK)
        return join(err, &mistakes);
    context->n_authorities++;
    *ret = entry;
    return ECERT_OK;
}

enum ecert_status ecert_context_authority(struct ecert_context *context, const char *id,
                                          const struct ecert_authority **ret,
                                          struct ecert_error *err)
{
    struct ecert_context_authority *entry = NULL;

    ECERT_TRY(find(context, id, &entry, err));
    *ret = &entry->authority;
    return ECERT_OK;
}

enum ecert_status ecert_context_crls(struct ecert_context *context, const char *id, int64_t max_age,
                                     const struct ecert_crls **ret, struct ecert_error *err)
{
    const struct ecert_chain_sources sources = {context->config->state_dir, &context->network,
                                                &context->silent};
    struct ecert_context_authority *entry = NULL;

    ECERT_TRY(find(context, id, &entry, err));
    if (!entry->has_crls || max_age < entry->crls_max_age) {
        struct ecert_crls crls = {0};

        ECERT_TRY(ecert_crls_get(&entry->authority, &sources, max_age, &crls, err));
        ecert_crls_clear(&entry->crls);
        entry->crls = crls;
        entry->crls_max_age = max_age;
        entry->has_crls = true;
    }
    *ret = &entry->crls;
    return ECERT_OK;
}

enum ecert_status ecert_context_key_id(struct ecert_context *context,
                                       const struct ecert_certificate_config *certificate,
                                       const uint8_t **ret, struct ecert_strings *ret_notes,
                                       struct ecert_error *err)
{
    const size_t i = (size_t)(certificate - context->config->certificates);
    struct ecert_context_key *key = &context->keys[i];

    if (!key->known) {
        ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};

        ECERT_TRY(ecert_key_load(&certificate->key, &pem, key->id, ret_notes, err));
        key->known = true;
    }
    *ret = key->id;
    return ECERT_OK;
}

enum ecert_status ecert_context_requests(struct ecert_context *context,
                                         const struct ecert_certificate_config *certificate,
                                         struct ecert_requests **ret, struct ecert_error *err)
{
    const struct ecert_config *config = context->config;

    if (context->requests == NULL) {
        context->requests = calloc(config->n_certificates + 1, sizeof *context->requests);
        if (context->requests == NULL)
            return ecert_error_nomem(err);
    }
    struct ecert_context_requests *entry = &context->requests[certificate - config->certificates];
    if (!entry->known) {
        ECERT_TRY(ecert_requests_load(config->state_dir, certificate->name, &entry->requests, err));
        entry->known = true;
    }
    *ret = &entry->requests;
    return ECERT_OK;
}
