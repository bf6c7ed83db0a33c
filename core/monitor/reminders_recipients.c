/* Who is told of a finding. */
#include <stdlib.h>

#include "core/monitor/channel_internal.h"
#include "core/monitor/reminders_internal.h"

struct recipients {
    struct ecert_owed *items;
    size_t n;
};

static void clear(struct recipients *recipients)
{
    ecert_owed_free(recipients->items, recipients->n);
    *recipients = (struct recipients){0};
}

int ecert_owed_compare(const struct ecert_owed *a, const struct ecert_owed *b)
{
    if (a->channel != b->channel)
        return a->channel < b->channel ? -1 : 1;
    return ecert_address_compare(a->to == NULL ? "" : a->to, b->to == NULL ? "" : b->to);
}

static enum ecert_status add(struct recipients *recipients, enum ecert_channel channel,
                             const char *to, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *copy = NULL;
    struct ecert_owed *items;

    for (size_t i = 0; to != NULL && i < recipients->n; i++)
        if (recipients->items[i].to != NULL &&
            ecert_address_compare(recipients->items[i].to, to) == 0)
            return ECERT_OK;
    if (to != NULL)
        ECERT_TRY(ecert_text_copy(ecert_view_of(to), &copy, err));
    items = reallocarray(recipients->items, recipients->n + 1, sizeof *items);
    if (items == NULL)
        return ecert_error_nomem(err);
    items[recipients->n++] = (struct ecert_owed){.channel = channel, .to = copy};
    recipients->items = items;
    copy = NULL;
    return ECERT_OK;
}

static enum ecert_status add_addresses(struct recipients *recipients,
                                       const struct ecert_strings *addresses,
                                       struct ecert_error *err)
{
    for (size_t i = 0; i < addresses->len; i++)
        ECERT_TRY(add(recipients, ECERT_CHANNEL_EMAIL, addresses->items[i], err));
    return ECERT_OK;
}

static bool is_for_escalation(const struct ecert_config *config,
                              const struct ecert_finding *finding)
{
    return finding->urgency == ECERT_URGENCY_CRITICAL ||
           (finding->threshold != ECERT_NO_THRESHOLD &&
            finding->threshold <= config->reminders.escalate_from);
}

static enum ecert_status add_people(const struct ecert_config *config,
                                    const struct ecert_finding *finding,
                                    struct recipients *recipients, bool *ret_escalated,
                                    struct ecert_error *err)
{
    const struct ecert_reminders_config *reminders = &config->reminders;
    const struct ecert_strings *contacts = &reminders->email.to;
    const struct ecert_strings *escalation = &reminders->escalation;

    if (finding->settings != NULL && finding->settings->contacts.len > 0)
        contacts = &finding->settings->contacts;
    if (finding->settings != NULL && finding->settings->escalation.len > 0)
        escalation = &finding->settings->escalation;
    ECERT_TRY(add_addresses(recipients, contacts, err));
    *ret_escalated = is_for_escalation(config, finding) && escalation->len > 0;
    return *ret_escalated ? add_addresses(recipients, escalation, err) : ECERT_OK;
}

enum ecert_status ecert_recipients(const struct ecert_config *config,
                                   const struct ecert_finding *finding, struct ecert_owed **ret,
                                   size_t *ret_n, bool *ret_escalated, struct ecert_error *err)
{
    ECERT_AUTO(clear) struct recipients recipients = {0};
    bool escalated = false;

    for (enum ecert_channel channel = 0; channel < ECERT_CHANNEL_COUNT; channel++) {
        if (!ecert_channel_is_configured(config, channel))
            continue;
        if (channel == ECERT_CHANNEL_EMAIL)
            ECERT_TRY(add_people(config, finding, &recipients, &escalated, err));
        else
            ECERT_TRY(add(&recipients, channel, NULL, err));
    }
    *ret = recipients.items;
    *ret_n = recipients.n;
    *ret_escalated = escalated;
    recipients = (struct recipients){0};
    return ECERT_OK;
}
