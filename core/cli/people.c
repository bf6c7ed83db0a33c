#include "core/cli/people.h"

#include <strings.h>

#include "core/monitor/channel.h"

static bool is_among(const struct ecert_strings *list, const char *address)
{
    for (size_t i = 0; i < list->len; i++)
        if (strcasecmp(list->items[i], address) == 0)
            return true;
    return false;
}

static enum ecert_status add(const struct ecert_strings *from, struct ecert_strings *ret,
                             struct ecert_error *err)
{
    for (size_t i = 0; i < from->len; i++)
        if (!is_among(ret, from->items[i]))
            ECERT_TRY(ecert_strings_add(ret, from->items[i], err));
    return ECERT_OK;
}

static enum ecert_status add_settings(const struct ecert_watch_settings *settings,
                                      struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_TRY(add(&settings->contacts, ret, err));
    return add(&settings->escalation, ret, err);
}

enum ecert_status ecert_people_untold(const struct ecert_config *config, struct ecert_strings *ret,
                                      struct ecert_error *err)
{
    if (config->reminders.has_email)
        return ECERT_OK;
    for (size_t i = 0; i < config->n_certificates; i++)
        ECERT_TRY(add_settings(&config->certificates[i].settings, ret, err));
    for (size_t i = 0; i < config->n_watches; i++)
        ECERT_TRY(add_settings(&config->watches[i].settings, ret, err));
    ECERT_TRY(add(&config->reminders.escalation, ret, err));
    for (size_t i = 0; i < config->n_contacts; i++)
        if (!is_among(ret, config->contacts[i].email))
            ECERT_TRY(ecert_strings_add(ret, config->contacts[i].email, err));
    return ECERT_OK;
}

/* A journal that the configuration asks for has its readers; by default it just stands there. */
static bool is_anybody_told(const struct ecert_config *config)
{
    return ecert_channel_is_configured(config, ECERT_CHANNEL_EMAIL) ||
           ecert_channel_is_configured(config, ECERT_CHANNEL_WEBHOOK) ||
           ecert_channel_is_configured(config, ECERT_CHANNEL_COMMAND) ||
           (config->reminders.journal_is_chosen &&
            ecert_channel_is_configured(config, ECERT_CHANNEL_JOURNAL));
}

void ecert_people_remark(struct ecert_app *app)
{
    const struct ecert_config *config = &app->config;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings untold = {0};
    struct ecert_error err = {0};

    if (ecert_people_untold(config, &untold, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return;
    }
    if (!is_anybody_told(config))
        ecert_remark(app, "%s: `reminders` has no 'email', 'webhook' or 'command'",
                     ecert_channel_is_configured(config, ECERT_CHANNEL_JOURNAL)
                         ? "only the journal is told"
                         : "nobody is reminded");
    else if (untold.len > 0)
        ecert_remark(app,
                     "%zu %s (%s%s) cannot be told: reminders has no 'email'; see `ecert config`",
                     untold.len, untold.len == 1 ? "address" : "addresses", untold.items[0],
                     untold.len > 1 ? ", ..." : "");
}
