#include "core/flow/source.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/inbox.h"
#include "core/flow/ldap_source.h"
#include "core/flow/url_source.h"

const char *ecert_arrival_word(enum ecert_arrival_kind kind)
{
    switch (kind) {
#define ECERT_ARRIVAL_WORD(value, word) \
    case value:                         \
        return word;
        ECERT_ARRIVAL_LIST(ECERT_ARRIVAL_WORD)
#undef ECERT_ARRIVAL_WORD
    }
    return "?";
}

enum ecert_arrival_kind ecert_arrival_of(const struct ecert_intake_result *result)
{
    if (result->early != 0)
        return ECERT_ARRIVAL_EARLY;
    return result->added ? ECERT_ARRIVAL_TAKEN : ECERT_ARRIVAL_KNOWN;
}

static void arrival_clear(struct ecert_arrival *arrival)
{
    free(arrival->origin);
    free(arrival->moved_to);
    ecert_intake_result_clear(&arrival->result);
    *arrival = (struct ecert_arrival){0};
}

void ecert_arrivals_clear(struct ecert_arrivals *arrivals)
{
    for (size_t i = 0; i < arrivals->n; i++)
        arrival_clear(&arrivals->items[i]);
    free(arrivals->items);
    *arrivals = (struct ecert_arrivals){0};
}

enum ecert_status ecert_arrivals_add(struct ecert_arrivals *arrivals, const char *origin,
                                     struct ecert_arrival **ret, struct ecert_error *err)
{
    struct ecert_arrival *more =
        reallocarray(arrivals->items, arrivals->n + 1, sizeof *arrivals->items);

    if (more == NULL)
        return ecert_error_nomem(err);
    arrivals->items = more;
    more[arrivals->n] = (struct ecert_arrival){0};
    ECERT_TRY(ecert_text_copy(ecert_view_of(origin), &more[arrivals->n].origin, err));
    *ret = &more[arrivals->n++];
    return ECERT_OK;
}

static bool is_wanted(const char *name, const char *const *names)
{
    if (names == NULL || names[0] == NULL)
        return true;
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

enum ecert_status ecert_source_fetch(struct ecert_context *context, const char *const *names,
                                     struct ecert_arrivals *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_arrivals_clear) struct ecert_arrivals arrivals = {0};
    const struct ecert_config *config = context->config;

    ECERT_TRY(ecert_inbox_take(context, &arrivals, err));
    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];

        if (!is_wanted(entry->name, names))
            continue;
        if (entry->source.type == ECERT_SOURCE_URL)
            ECERT_TRY(ecert_url_take(context, entry, &arrivals, err));
        if (entry->source.type == ECERT_SOURCE_LDAP)
            ECERT_TRY(ecert_ldap_take(context, entry, &arrivals, err));
    }
    *ret = arrivals;
    arrivals = (struct ecert_arrivals){0};
    return ECERT_OK;
}
