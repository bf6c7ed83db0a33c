/* What is watched, who is told of it, and how: the lists 'watch' and 'contacts', 'reminders'. */
#include "core/flow/config_read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void ecert_config_watch_settings_clear(struct ecert_watch_settings *settings)
{
    ecert_strings_clear(&settings->contacts);
    ecert_strings_clear(&settings->escalation);
    free(settings->thresholds.items);
    free(settings->subscription_thresholds.items);
    free(settings->note);
    *settings = (struct ecert_watch_settings){0};
}

void ecert_config_watch_clear(struct ecert_watch_config *watch)
{
    free(watch->name);
    free(watch->file);
    free(watch->directory);
    free(watch->glob);
    free(watch->password_file);
    free(watch->endpoint);
    free(watch->endpoints_file);
    free(watch->server_name);
    free(watch->starttls);
    ecert_config_watch_settings_clear(&watch->settings);
    free(watch->config_file);
    *watch = (struct ecert_watch_config){0};
}

void ecert_config_contact_clear(struct ecert_contact_config *contact)
{
    free(contact->email);
    free(contact->name);
    free(contact->language);
    *contact = (struct ecert_contact_config){0};
}

void ecert_config_reminders_clear(struct ecert_reminders_config *reminders)
{
    free(reminders->email.server);
    free(reminders->email.user);
    free(reminders->email.password_file);
    free(reminders->email.ca_file);
    free(reminders->email.from);
    ecert_strings_clear(&reminders->email.to);
    free(reminders->webhook.url_file);
    free(reminders->webhook.url);
    free(reminders->webhook.template_name);
    free(reminders->webhook.secret_file);
    free(reminders->webhook.ca_file);
    ecert_strings_clear(&reminders->command);
    ecert_strings_clear(&reminders->escalation);
    free(reminders->language);
    free(reminders->thresholds.items);
    free(reminders->subscription_thresholds.items);
    free(reminders->digest);
    *reminders = (struct ecert_reminders_config){0};
}

static void lower(char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

static void set_default(struct ecert_config_reader *reader, char **member, const char *text)
{
    if (*member == NULL)
        *member = strdup(text);
    reader->nomem = reader->nomem || *member == NULL;
}

/* ---- people ---- */

static bool is_empty_list(const config_setting_t *setting)
{
    return setting != NULL &&
           (config_setting_is_array(setting) || config_setting_is_list(setting)) &&
           config_setting_length(setting) == 0;
}

/* Nobody is told twice of one thing because his address stands there twice. */
static void check_addresses(struct ecert_config_reader *reader, const config_setting_t *group,
                            const char *key, const struct ecert_strings *addresses)
{
    const config_setting_t *at = config_setting_get_member(group, key);

    if (is_empty_list(at))
        ecert_config_mistake(reader, at, "'%s' is empty; leave it out for the default", key);
    for (size_t i = 0; i < addresses->len; i++)
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(addresses->items[i], addresses->items[k]) == 0)
                ecert_config_mistake(reader, at, "'%s': '%s' occurs twice; write it once", key,
                                     addresses->items[i]);
}

void ecert_config_check_watch_settings(struct ecert_config_reader *reader,
                                       const config_setting_t *group,
                                       const struct ecert_watch_settings *settings)
{
    check_addresses(reader, group, "contacts", &settings->contacts);
    check_addresses(reader, group, "escalation", &settings->escalation);
}

static void check_contact(struct ecert_config_reader *reader, const config_setting_t *group,
                          const struct ecert_contact_config *contact)
{
    const struct ecert_config *config = &reader->config;

    for (size_t i = 0; contact->email != NULL && i < config->n_contacts; i++)
        if (config->contacts[i].email != NULL &&
            strcasecmp(config->contacts[i].email, contact->email) == 0)
            ecert_config_mistake(reader, config_setting_get_member(group, "email"),
                                 "contact '%s' is there already; list every address once",
                                 contact->email);
}

static void read_contact(struct ecert_config_reader *reader, const config_setting_t *group)
{
    ECERT_AUTO(ecert_config_contact_clear) struct ecert_contact_config contact = {0};
    struct ecert_config *config = &reader->config;

    if (config_setting_type(group) != CONFIG_TYPE_GROUP) {
        ecert_config_mistake(reader, group,
                             "a contact must be a group { email = \"...\"; }, not %s",
                             ecert_config_type_words(group));
        return;
    }
    ecert_config_read_group(reader, group, &ecert_config_contact_table, &contact);
    ecert_config_check_unknown(reader, group, &ecert_config_contact_table, NULL);
    check_contact(reader, group, &contact);

    struct ecert_contact_config *all =
        reallocarray(config->contacts, config->n_contacts + 1, sizeof *all);
    if (all == NULL) {
        reader->nomem = true;
        return;
    }
    config->contacts = all;
    all[config->n_contacts++] = contact;
    contact = (struct ecert_contact_config){0};
}

/* ---- watches ---- */

static const char *const places[] = {"file", "directory", "glob", "endpoint", "endpoints_file"};

static bool has_key(const config_setting_t *group, const char *key)
{
    return config_setting_get_member(group, key) != NULL;
}

/* By what is written, also where its value was refused: one mistake, not two. */
static void check_place(struct ecert_config_reader *reader, const config_setting_t *group)
{
    const char *first = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        if (!has_key(group, places[i]))
            continue;
        if (first != NULL)
            ecert_config_mistake(reader, config_setting_get_member(group, places[i]),
                                 "'%s' and '%s' exclude each other; make two watches of it", first,
                                 places[i]);
        first = places[i];
    }
    if (first == NULL)
        ecert_config_mistake(reader, group,
                             "this watch says nothing to look at; give it one of 'file', "
                             "'directory', 'glob', 'endpoint' and 'endpoints_file'");
}

static void check_applies(struct ecert_config_reader *reader, const config_setting_t *group,
                          const char *key, bool applies, const char *to)
{
    if (!applies && has_key(group, key))
        ecert_config_mistake(reader, config_setting_get_member(group, key),
                             "'%s' does not apply here: %s", key, to);
}

static void check_watch(struct ecert_config_reader *reader, const config_setting_t *group,
                        const struct ecert_watch_config *watch)
{
    const bool files =
        has_key(group, "file") || has_key(group, "directory") || has_key(group, "glob");
    const bool list = has_key(group, "endpoints_file");
    const bool servers = list || has_key(group, "endpoint");
    const char *of_endpoint = list ? "write it into the lines of 'endpoints_file', behind each "
                                     "endpoint"
                                   : "it is for an 'endpoint', this watch looks at files";

    check_place(reader, group);
    if (files != servers) { /* of none, and of both, that was the mistake */
        check_applies(reader, group, "server_name", servers && !list, of_endpoint);
        check_applies(reader, group, "starttls", servers && !list, of_endpoint);
        check_applies(reader, group, "password_file", files,
                      "it opens PKCS#12 files, this watch looks at a server");
        check_applies(reader, group, "use", files,
                      "it is for the file of an e-Cert (Organisational)");
    }
    ecert_config_check_watch_settings(reader, group, &watch->settings);
}

static void set_default_name(struct ecert_config_reader *reader, struct ecert_watch_config *watch)
{
    const char *const texts[] = {watch->file, watch->directory, watch->glob, watch->endpoint,
                                 watch->endpoints_file};

    for (size_t i = 0; watch->name == NULL && i < ARRAY_SIZE(texts); i++)
        if (texts[i] != NULL)
            set_default(reader, &watch->name, texts[i]);
}

/* `ecert ack NAME` means one thing. */
static void check_name(struct ecert_config_reader *reader, const config_setting_t *group,
                       const struct ecert_watch_config *watch)
{
    const config_setting_t *named = config_setting_get_member(group, "name");
    const config_setting_t *at = named == NULL ? group : named;
    const struct ecert_config *config = &reader->config;

    if (watch->name == NULL)
        return;
    for (size_t i = 0; i < config->n_watches; i++)
        if (config->watches[i].name != NULL &&
            strcasecmp(config->watches[i].name, watch->name) == 0) {
            ecert_config_mistake(reader, at,
                                 "watch '%s' is there already, at line %u; give one of them "
                                 "another 'name'",
                                 watch->name, config->watches[i].line);
            return;
        }
    for (size_t i = 0; i < config->n_certificates; i++)
        if (config->certificates[i].name != NULL &&
            strcasecmp(config->certificates[i].name, watch->name) == 0) {
            ecert_config_mistake(reader, at,
                                 "'%s' is the name of a certificate, at %s:%u, which is watched "
                                 "anyway; give this watch another 'name'",
                                 watch->name, config->certificates[i].file,
                                 config->certificates[i].line);
            return;
        }
}

static void read_watch(struct ecert_config_reader *reader, const config_setting_t *group)
{
    ECERT_AUTO(ecert_config_watch_clear) struct ecert_watch_config watch = {0};
    struct ecert_config *config = &reader->config;

    if (config_setting_type(group) != CONFIG_TYPE_GROUP) {
        ecert_config_mistake(reader, group, "a watch must be a group { ... }, not %s",
                             ecert_config_type_words(group));
        return;
    }
    set_default(reader, &watch.config_file, ecert_config_file_of(reader, group));
    watch.line = config_setting_source_line(group);
    ecert_config_read_group(reader, group, &ecert_config_watch_table, &watch);
    ecert_config_check_unknown(reader, group, &ecert_config_watch_table, NULL);
    lower(watch.endpoint);
    ecert_config_name_to_ascii(reader, &watch.server_name);
    check_watch(reader, group, &watch);
    set_default_name(reader, &watch);
    check_name(reader, group, &watch);

    struct ecert_watch_config *all =
        reallocarray(config->watches, config->n_watches + 1, sizeof *all);
    if (all == NULL) {
        reader->nomem = true;
        return;
    }
    config->watches = all;
    all[config->n_watches++] = watch;
    watch = (struct ecert_watch_config){0};
}

/* ---- reminders ---- */

/* Is it an address of this scheme?  One that was refused is of none. */
static bool has_scheme(const char *url, const char *scheme)
{
    return url != NULL && strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static void check_login(struct ecert_config_reader *reader, const config_setting_t *group,
                        const struct ecert_email_config *email)
{
    const config_setting_t *user = config_setting_get_member(group, "user");
    const config_setting_t *password = config_setting_get_member(group, "password_file");

    if (user != NULL && password == NULL)
        ecert_config_mistake(reader, user, "'user' needs the key 'password_file' beside it");
    if (user == NULL && password != NULL)
        ecert_config_mistake(reader, password, "'password_file' needs the key 'user' beside it");
    if ((user != NULL || password != NULL) && email->starttls == ECERT_STARTTLS_OPPORTUNISTIC &&
        !has_scheme(email->server, "smtps:"))
        ecert_config_mistake(reader, config_setting_get_member(group, "starttls"),
                             "'starttls': with a 'user' it cannot be opportunistic, the password "
                             "is never sent without TLS; write \"required\"");
}

static void read_email(struct ecert_config_reader *reader, const config_setting_t *reminders,
                       struct ecert_reminders_config *ret)
{
    const config_setting_t *group = ecert_config_member(reminders, "email", CONFIG_TYPE_GROUP);

    if (group == NULL)
        return;
    ret->has_email = true;
    ecert_config_read_group(reader, group, &ecert_config_email_table, &ret->email);
    ecert_config_check_unknown(reader, group, &ecert_config_email_table, NULL);
    check_login(reader, group, &ret->email);
    if (has_scheme(ret->email.server, "smtps:") && has_key(group, "starttls"))
        ecert_config_mistake(reader, config_setting_get_member(group, "starttls"),
                             "'starttls' applies to smtp:// only, smtps:// has TLS from the start");
    const config_setting_t *to = config_setting_get_member(group, "to");
    if (is_empty_list(to))
        ecert_config_mistake(reader, to, "'to' is empty; name at least one address");
    else
        check_addresses(reader, group, "to", &ret->email.to);
}

static void read_webhook(struct ecert_config_reader *reader, const config_setting_t *reminders,
                         struct ecert_reminders_config *ret)
{
    const config_setting_t *group = ecert_config_member(reminders, "webhook", CONFIG_TYPE_GROUP);

    if (group == NULL)
        return;
    ret->has_webhook = true;
    ecert_config_read_group(reader, group, &ecert_config_webhook_table, &ret->webhook);
    ecert_config_check_unknown(reader, group, &ecert_config_webhook_table, NULL);
    set_default(reader, &ret->webhook.template_name, "json");
    if (has_key(group, "url") && has_key(group, "url_file"))
        ecert_config_mistake(reader, config_setting_get_member(group, "url_file"),
                             "'url' and 'url_file' exclude each other");
    if (!has_key(group, "url") && !has_key(group, "url_file"))
        ecert_config_mistake(reader, group,
                             "this group 'webhook' lacks the address: 'url', or 'url_file' where "
                             "it is a secret");
    if (has_scheme(ret->webhook.url, "http:") && has_key(group, "ca_file"))
        ecert_config_mistake(reader, config_setting_get_member(group, "ca_file"),
                             "'ca_file' applies to an https address only");
}

static void check_channels(struct ecert_config_reader *reader, const config_setting_t *group,
                           const struct ecert_reminders_config *reminders)
{
    if (!reminders->journal && !has_key(group, "email") && !has_key(group, "webhook") &&
        !has_key(group, "command"))
        ecert_config_mistake(reader, group,
                             "these reminders would reach nobody: 'journal' is false, and there is "
                             "no 'email', 'webhook' or 'command'");
}

static void read_reminders(struct ecert_config_reader *reader, const config_setting_t *root)
{
    struct ecert_reminders_config *reminders = &reader->config.reminders;
    const config_setting_t *group = ecert_config_member(root, "reminders", CONFIG_TYPE_GROUP);

    reminders->journal = true;
    reminders->escalate_from = 7;
    reminders->requests_after = 7;
    ecert_config_read_group(reader, group, &ecert_config_reminders_table, reminders);
    set_default(reader, &reminders->language, "en");
    set_default(reader, &reminders->digest, "monday");
    if (group == NULL)
        return;
    ecert_config_check_unknown(reader, group, &ecert_config_reminders_table, NULL);
    reminders->journal_is_chosen = reminders->journal && has_key(group, "journal");
    check_addresses(reader, group, "escalation", &reminders->escalation);
    read_email(reader, group, reminders);
    read_webhook(reader, group, reminders);
    check_channels(reader, group, reminders);
}

/* ---- all of it ---- */

void ecert_config_read_monitoring(struct ecert_config_reader *reader, const config_setting_t *root)
{
    const config_setting_t *watches = ecert_config_member(root, "watch", CONFIG_TYPE_LIST);
    const config_setting_t *contacts = ecert_config_member(root, "contacts", CONFIG_TYPE_LIST);

    for (int i = 0; watches != NULL && i < config_setting_length(watches); i++)
        read_watch(reader, config_setting_get_elem(watches, (unsigned)i));
    for (int i = 0; contacts != NULL && i < config_setting_length(contacts); i++)
        read_contact(reader, config_setting_get_elem(contacts, (unsigned)i));
    reader->scope = ECERT_CONFIG_OF_REMINDERS;
    read_reminders(reader, root);
    reader->scope = ECERT_CONFIG_OF_ALL;
}
