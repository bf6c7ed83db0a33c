#include <string.h>
#include <strings.h>

#include "core/monitor/channel_internal.h"

int ecert_address_compare(const char *a, const char *b)
{
    const char *at_a = strrchr(a, '@'), *at_b = strrchr(b, '@');

    if (at_a == NULL || at_b == NULL || at_a - a != at_b - b)
        return strcmp(a, b);
    const int local = memcmp(a, b, (size_t)(at_a - a));
    return local != 0 ? local : strcasecmp(at_a, at_b);
}

const struct ecert_contact_config *ecert_contact_of(const struct ecert_config *config,
                                                    const char *email)
{
    for (size_t i = 0; i < config->n_contacts; i++)
        if (ecert_address_compare(config->contacts[i].email, email) == 0)
            return &config->contacts[i];
    return NULL;
}

const struct ecert_watch_settings *ecert_watch_settings_of(const struct ecert_config *config,
                                                           const char *name)
{
    for (size_t i = 0; i < config->n_certificates; i++)
        if (strcmp(config->certificates[i].name, name) == 0)
            return &config->certificates[i].settings;
    for (size_t i = 0; i < config->n_watches; i++)
        if (config->watches[i].name != NULL && strcmp(config->watches[i].name, name) == 0)
            return &config->watches[i].settings;
    return NULL;
}

static bool is_listed(const struct ecert_strings *list, const char *address)
{
    for (size_t i = 0; i < list->len; i++)
        if (ecert_address_compare(list->items[i], address) == 0)
            return true;
    return false;
}

static enum ecert_status add_new(struct ecert_strings *ret, const char *address,
                                 struct ecert_error *err)
{
    return is_listed(ret, address) ? ECERT_OK : ecert_strings_add(ret, address, err);
}

static enum ecert_status add_each(struct ecert_strings *ret, const struct ecert_strings *addresses,
                                  struct ecert_error *err)
{
    for (size_t i = 0; i < addresses->len; i++)
        ECERT_TRY(add_new(ret, addresses->items[i], err));
    return ECERT_OK;
}

static enum ecert_status collect(const struct ecert_config *config, struct ecert_strings *ret,
                                 struct ecert_error *err)
{
    ECERT_TRY(add_each(ret, &config->reminders.email.to, err));
    ECERT_TRY(add_each(ret, &config->reminders.escalation, err));
    for (size_t i = 0; i < config->n_contacts; i++)
        ECERT_TRY(add_new(ret, config->contacts[i].email, err));
    for (size_t i = 0; i < config->n_certificates; i++) {
        ECERT_TRY(add_each(ret, &config->certificates[i].settings.contacts, err));
        ECERT_TRY(add_each(ret, &config->certificates[i].settings.escalation, err));
    }
    for (size_t i = 0; i < config->n_watches; i++) {
        ECERT_TRY(add_each(ret, &config->watches[i].settings.contacts, err));
        ECERT_TRY(add_each(ret, &config->watches[i].settings.escalation, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_contacts_all(const struct ecert_config *config, struct ecert_strings *ret,
                                     struct ecert_error *err)
{
    struct ecert_strings all = {0};

    if (collect(config, &all, err) != ECERT_OK) {
        ecert_strings_clear(&all);
        return err->status;
    }
    *ret = all;
    return ECERT_OK;
}

enum ecert_status ecert_bare_address(const char *text, char **ret, struct ecert_error *err)
{
    const char *open = strrchr(text, '<');
    const char *start = open == NULL ? text : open + 1;
    const size_t len = strcspn(start, "> \t\r\n");

    /* behind the address nothing but its bracket, where it has one */
    if (len == 0 || memchr(start, '@', len) == NULL ||
        strcmp(start + len, open == NULL ? "" : ">") != 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is no mail address: write \"user@host\" or "
                               "\"Name <user@host>\"",
                               text);
    return ecert_text_copy((struct ecert_view){(const uint8_t *)start, len}, ret, err);
}

void ecert_notice_address(struct ecert_notice *notice, const struct ecert_config *config,
                          enum ecert_channel channel, const char *to)
{
    const struct ecert_contact_config *contact = to == NULL ? NULL : ecert_contact_of(config, to);

    notice->language = config->reminders.language == NULL ? "en" : config->reminders.language;
    if (contact != NULL && contact->language != NULL)
        notice->language = contact->language;
    if (channel != ECERT_CHANNEL_EMAIL)
        return;
    notice->to = to;
    notice->to_name = contact == NULL ? NULL : contact->name;
    notice->from = config->reminders.email.from;
}
