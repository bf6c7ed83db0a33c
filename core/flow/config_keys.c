/* The tables of keys, and the reference printed from them. */
#include "core/flow/config_read.h"

#include <assert.h>

/* The type comes from the member itself, so a row cannot disagree with the struct. */
/* clang-format off */
#define TYPE_OF(type, member)                      \
    _Generic(((type *)NULL)->member,               \
        char *: ECERT_CONFIG_TEXT,                 \
        bool: ECERT_CONFIG_BOOLEAN,                \
        int: ECERT_CONFIG_DAY,                     \
        unsigned: ECERT_CONFIG_BITS,               \
        struct ecert_days: ECERT_CONFIG_DAYS,      \
        struct ecert_strings: ECERT_CONFIG_LIST)

#define KEY(of, member, is_required, standard, checked_by, words)                             \
    KEY_AS(#member, of, member, is_required, standard, checked_by, words)

#define KEY_AS(key, of, member, is_required, standard, checked_by, words)                     \
    {.name = key, .type = TYPE_OF(of, member), .offset = offsetof(of, member),            \
     .required = is_required, .default_text = standard, .check = checked_by, .help = words}

#define CHOICE(key, of, member, standard, from, words)                                        \
    {.name = key, .type = ECERT_CONFIG_CHOICE, .offset = offsetof(of, member),                \
     .default_text = standard, .choices = from, .help = words}

#define TABLE(words, rows) {.title = words, .keys = rows, .n = ARRAY_SIZE(rows)}

/* In the order of the enums; "" cannot be chosen by a word. */
static const char *const places[] = {"", "", "iis", NULL};
static const char *const key_types[] = {"rsa", "ec", NULL};
static const char *const curves[] = {"P-256", "P-384", NULL};
static const char *const policies[] = {"new", "reuse", NULL};
static const char *const source_types[] = {"inbox", "url", "ldap", NULL};
static const char *const validations[] = {"", "ov", "ev", NULL};
static const char *const watch_uses[] = {"", "organisational", NULL};
static const char *const starttls_uses[] = {"required", "opportunistic", NULL};

static_assert(ECERT_KEY_IIS == 2, "the list above is in the order of the enum");
static_assert(ECERT_KEY_TYPE_EC == 1, "the list above is in the order of the enum");
static_assert(ECERT_KEY_CURVE_P384 == 1, "the list above is in the order of the enum");
static_assert(ECERT_KEY_POLICY_REUSE == 1, "the list above is in the order of the enum");
static_assert(ECERT_VALIDATION_EV == 2, "the list above is in the order of the enum");
static_assert(ECERT_SOURCE_LDAP == 2, "the list above is in the order of the enum");
static_assert(ECERT_WATCH_ORGANISATIONAL == 1, "the list above is in the order of the enum");
static_assert(ECERT_STARTTLS_OPPORTUNISTIC == 1, "the list above is in the order of the enum");
static_assert(sizeof(enum ecert_key_place) == sizeof(unsigned), "choices are written as unsigned");

#define OF struct ecert_key_config
static const struct ecert_config_key key_keys[] = {
    KEY(OF, file, false, NULL, ecert_config_is_key_file,
        "a private key that was made elsewhere, PEM; without it the key is the one of a request, "
        "or the issued file must bring it"),
    KEY(OF, passphrase_file, false, NULL, ecert_config_is_trusted_file,
        "file with the key's passphrase on its first line"),
    KEY(OF, passphrase_command, false, NULL, NULL,
        "command that prints the key's passphrase; [program, arguments ...]"),
    CHOICE("where", OF, place, NULL, places,
           "\"iis\": the key was made in IIS and never leaves the Windows host"),
    CHOICE("type", OF, type, "rsa", key_types, "of the keys that are made: \"rsa\" or \"ec\""),
    KEY(OF, bits, false, "2048", NULL, "of an RSA key that is made: 2048, 3072 or 4096"),
    CHOICE("curve", OF, curve, "P-256", curves,
           "of an EC key that is made: \"P-256\" or \"P-384\""),
    CHOICE("policy", OF, policy, "new", policies,
           "key of the next request: \"new\", or \"reuse\" the present one"),
    KEY(OF, encrypted, false, "false", NULL,
        "keep it encrypted with its passphrase, deployed too; the server must know that"),
};
#undef OF

#define OF struct ecert_source_config
static const struct ecert_config_key source_keys[] = {
    CHOICE("type", OF, type, "inbox", source_types,
           "\"inbox\": files are dropped into STATE_DIR/inbox; \"url\": fetched from 'url'; "
           "\"ldap\": looked for in the directory 'url'"),
    KEY(OF, url, false, NULL, ecert_config_is_source_url,
        "address of the issued certificate: http, https or file; of a directory: ldap or ldaps"),
    KEY(OF, ca_file, false, NULL, ecert_config_is_trusted_file,
        "anchors for an https or ldaps server, PEM; by default the system's"),
    KEY(OF, password_file, false, NULL, ecert_config_is_trusted_file,
        "file with the password of an issued PKCS#12 on its first line"),
    KEY(OF, base, false, NULL, NULL, "of a directory: where it is searched, \"o=...,c=hk\""),
    KEY(OF, filter, false, "(cn=%s)", NULL,
        "of a directory: RFC 4515, %s stands for the server name"),
    KEY(OF, bind_dn, false, NULL, NULL,
        "of a directory: whom to bind as; by default nobody; never sent without TLS"),
    KEY(OF, bind_password_file, false, NULL, ecert_config_is_secret_file,
        "file with the password of 'bind_dn' on its first line"),
};
#undef OF

#define FILE_ROW(key, material, words)                                                        \
    {.name = key, .type = ECERT_CONFIG_TEXT, .check = ecert_config_is_path, .help = words,    \
     .offset = offsetof(struct ecert_target_config, files) + (material) * sizeof(char *)}
static const struct ecert_config_key files_keys[] = {
    FILE_ROW("key", ECERT_MATERIAL_KEY, "where the server reads the private key"),
    FILE_ROW("certificate", ECERT_MATERIAL_CERTIFICATE, "the leaf alone"),
    FILE_ROW("chain", ECERT_MATERIAL_CHAIN, "the issuers, without the root; several certificates of "
             "one authority may have one file"),
    FILE_ROW("fullchain", ECERT_MATERIAL_FULLCHAIN, "the leaf, then the chain"),
};

#define OF struct ecert_target_config
static const struct ecert_config_key target_keys[] = {
    KEY(OF, plugin, true, NULL, NULL, "kind of server: a plugin that is installed"),
    KEY(OF, id, false, "the plugin's name, with -2, -3 ... where it repeats",
        ecert_config_is_target_id, "names the target in reports and its folder of links"),
    KEY(OF, server_names, false, "the names of the certificate", ecert_config_is_host_name,
        "the sites that this target is for; each must be found"),
    {.name = "files", .type = ECERT_CONFIG_GROUP, .group = &ecert_config_files_table,
     .help = "where the server has its files; by default it is pointed at links below STATE_DIR"},
    {.name = "probe", .type = ECERT_CONFIG_OTHER, .default_text = "true",
     .help = "false: do not look at the live server; or the addresses to look at, "
             "[ \"127.0.0.1:443/www.example.com\" ]"},
    KEY(OF, may_write, false, NULL, ecert_config_is_place,
        "directories that the plan may write below, beside the plugin's own"),
};
#undef OF

/* Who is told, and when: of certificates and watches. */
#define SETTINGS_ROWS                                                                         \
    KEY_AS("contacts", OF, settings.contacts, false, "reminders.email.to",                    \
           ecert_config_is_email, "e-mail addresses of those who are told"),                  \
    KEY_AS("escalation", OF, settings.escalation, false, "reminders.escalation",              \
           ecert_config_is_email, "told too from reminders.escalate_from days on"),           \
    KEY_AS("thresholds", OF, settings.thresholds, false, "those of reminders", NULL,          \
           "how many days before the end somebody is told, [ 30, 14, 7 ]"),                   \
    KEY_AS("note", OF, settings.note, false, NULL, NULL,                                      \
           "why it matters, or what to do: said in every reminder")

#define OF struct ecert_certificate_config
static const struct ecert_config_key certificate_keys[] = {
    KEY(OF, name, true, NULL, ecert_config_is_host_name,
        "the server name as applied for: a host name or \"*.host\""),
    KEY(OF, names, false, NULL, ecert_config_is_host_name,
        "further names that the certificate must cover"),
    KEY(OF, authority, true, NULL, ecert_config_is_authority_id,
        "profile of the CA, a file of authorities_dir; \"system\": any CA the system trusts"),
    {.name = "key", .type = ECERT_CONFIG_GROUP, .group = &ecert_config_key_table,
     .help = "the private key"},
    {.name = "source", .type = ECERT_CONFIG_GROUP, .group = &ecert_config_source_table,
     .help = "where the issued certificate comes from"},
    CHOICE("validation", OF, validation, NULL, validations,
           "what was ordered, \"ov\" or \"ev\"; another certificate is refused"),
    KEY(OF, chain_file, false, NULL, ecert_config_is_file,
        "issuers' certificates of your own, checked like all others"),
    KEY(OF, cross_certificate, false, "true", NULL,
        "serve the authority's cross-certificate while it is valid"),
    KEY(OF, allow, false, NULL, ecert_config_is_check_id,
        "ids of checks that may fail for this certificate"),
    KEY(OF, subscription_ends, false, NULL, ecert_config_is_date,
        "last day of the subscription, \"2027-06-30\""),
    KEY_AS("subscription_thresholds", OF, settings.subscription_thresholds, false,
           "those of reminders", NULL,
           "how many days before the end of the subscription somebody is told"),
    SETTINGS_ROWS,
    {.name = "targets", .type = ECERT_CONFIG_GROUPS, .group = &ecert_config_target_table,
     .help = "the servers that use the certificate"},
};
#undef OF

#define OF struct ecert_watch_config
static const struct ecert_config_key watch_keys[] = {
    KEY(OF, file, false, NULL, ecert_config_is_path,
        "a file of certificates: PEM, DER, PKCS#7 or PKCS#12; of these five keys exactly one"),
    KEY(OF, directory, false, NULL, ecert_config_is_path,
        "every certificate file in it and below"),
    KEY(OF, glob, false, NULL, ecert_config_is_path,
        "every file that matches, \"/etc/*/tls/*.pem\""),
    KEY(OF, endpoint, false, NULL, ecert_config_is_endpoint,
        "a server, \"www.example.com:443\" or \"[2001:db8::1]:443\""),
    KEY(OF, endpoints_file, false, NULL, ecert_config_is_list_file,
        "servers, one per line: host:port [server_name [starttls]]"),
    KEY(OF, name, false, "the path or the endpoint", NULL,
        "names it in reports and for `ecert ack`"),
    KEY(OF, password_file, false, NULL, ecert_config_is_watch_secret,
        "file with the password of PKCS#12 files on its first line"),
    KEY(OF, server_name, false, "the host of the endpoint", ecert_config_is_server_name,
        "the name to ask the server for, which its certificate must cover"),
    KEY(OF, starttls, false, NULL, ecert_config_is_starttls,
        "the server starts with this protocol: \"smtp\", \"imap\", \"pop3\", \"ftp\", \"ldap\""),
    CHOICE("use", OF, use, NULL, watch_uses,
           "\"organisational\": the representative's e-Cert, which on-line renewal needs"),
    SETTINGS_ROWS,
};
#undef OF

#define OF struct ecert_contact_config
static const struct ecert_config_key contact_keys[] = {
    KEY(OF, email, true, NULL, ecert_config_is_email, "the address, as it stands in other lists"),
    KEY(OF, name, false, NULL, NULL, "how the person is addressed"),
    KEY(OF, language, false, "reminders.language", ecert_config_is_language,
        "\"en\" or \"zh_HK\""),
};
#undef OF

#define OF struct ecert_email_config
static const struct ecert_config_key email_keys[] = {
    KEY(OF, server, true, NULL, ecert_config_is_mail_url,
        "smtp://host[:port] or smtps://host[:port]"),
    CHOICE("starttls", OF, starttls, "required", starttls_uses,
           "of smtp://: \"opportunistic\" sends without TLS to a server that has none"),
    KEY(OF, user, false, NULL, NULL, "to log in with; never sent without TLS"),
    KEY(OF, password_file, false, NULL, ecert_config_is_secret_file,
        "file with the user's password on its first line"),
    KEY(OF, ca_file, false, NULL, ecert_config_is_trusted_file,
        "anchors for the server, PEM; by default the system's"),
    KEY(OF, from, true, NULL, ecert_config_is_sender,
        "the sender, \"ecert@example.com\" or \"Name <ecert@example.com>\""),
    KEY(OF, to, true, NULL, ecert_config_is_email,
        "told of everything that has no contacts of its own, and sent the digest"),
};
#undef OF

#define OF struct ecert_webhook_config
static const struct ecert_config_key webhook_keys[] = {
    KEY(OF, url, false, NULL, ecert_config_is_webhook_url,
        "https address (http only to a loopback address); or 'url_file', exactly one of them"),
    KEY(OF, url_file, false, NULL, ecert_config_is_secret_file,
        "file with the address on its first line: an address with a token in it is a secret"),
    KEY_AS("template", OF, template_name, false, "json", ecert_config_is_template,
           "what is sent: \"json\", \"slack\" or \"teams\""),
    KEY(OF, secret_file, false, NULL, ecert_config_is_secret_file,
        "file with the key of the signature (HMAC-SHA256, header X-Ecert-Signature)"),
    KEY(OF, ca_file, false, NULL, ecert_config_is_trusted_file,
        "anchors for the https server, PEM; by default the system's"),
};
#undef OF

#define OF struct ecert_reminders_config
static const struct ecert_config_key reminders_keys[] = {
    {.name = "email", .type = ECERT_CONFIG_GROUP, .group = &ecert_config_email_table,
     .help = "send e-mail"},
    {.name = "webhook", .type = ECERT_CONFIG_GROUP, .group = &ecert_config_webhook_table,
     .help = "POST to an address"},
    {.name = "command", .type = ECERT_CONFIG_COMMAND, .offset = offsetof(OF, command),
     .help = "run a program, \"/path\" or [program, arguments ...]; it reads JSON from standard "
             "input"},
    KEY(OF, journal, false, "true", NULL, "write to the journal or syslog"),
    KEY(OF, escalation, false, NULL, ecert_config_is_email,
        "e-mail addresses that are told too when it becomes urgent"),
    KEY(OF, escalate_from, false, "7", NULL, "so many days before the end it is urgent"),
    KEY(OF, requests_after, false, "7", NULL,
        "so many days a request may wait for its certificate before somebody is told"),
    KEY(OF, language, false, "en", ecert_config_is_language,
        "\"en\" or \"zh_HK\", for whom 'contacts' gives no other"),
    KEY(OF, thresholds, false, "by the lifetime of the certificate", NULL,
        "how many days before a certificate's end somebody is told"),
    KEY(OF, subscription_thresholds, false, "[ 60, 45, 30, 14, 7, 3, 1, 0 ]", NULL,
        "the same of subscriptions"),
    KEY(OF, digest, false, "monday", ecert_config_is_digest_day,
        "day of the weekly overview, or \"never\""),
};
#undef OF

#define OF struct ecert_organization_config
static const struct ecert_config_key organization_keys[] = {
    KEY(OF, country, false, NULL, ecert_config_is_country, "C: two letters, \"HK\""),
    KEY(OF, state, false, NULL, NULL, "ST: \"Hong Kong\""),
    KEY(OF, locality, false, NULL, NULL, "L: \"Hong Kong\""),
    KEY(OF, name, false, NULL, NULL, "O: the organisation as it is registered"),
    KEY(OF, chinese_name, false, NULL, NULL,
        "its Chinese name, which the CA puts into O if the applicant so chooses"),
};
#undef OF

#define OF struct ecert_backup_config
static const struct ecert_config_key backup_keys[] = {
    KEY(OF, recipients, false, NULL, ecert_config_is_trusted_file,
        "certificates (files); whoever has the key of one of them can open every backup"),
    KEY(OF, passphrase_file, false, NULL, ecert_config_is_secret_file,
        "file with a passphrase that opens every backup, on its first line"),
    KEY(OF, passphrase_command, false, NULL, NULL,
        "command that prints it; [program, arguments ...]"),
    KEY(OF, places, true, NULL, ecert_config_is_place,
        "directories that each get every backup; one of them should be on another machine"),
};
#undef OF

#define OF struct ecert_config_reader
static const struct ecert_config_key top_keys[] = {
    KEY_AS("state_dir", OF, config.state_dir, false, "/var/lib/ecert", ecert_config_is_place,
           "generations, links, inbox, journal, records"),
    KEY_AS("plugin_dir", OF, config.plugin_dir, false, "where the plugins were installed",
           ecert_config_is_path, "directory of the plugins"),
    KEY_AS("authorities_dir", OF, config.authorities_dir, false, "/etc/ecert/authorities",
           ecert_config_is_path, "directory of the authorities' profiles, ID.conf"),
    KEY(OF, include_dir, false, NULL, ecert_config_is_path,
        "each *.conf in it holds the keys of one certificate, or a 'certificates' list"),
    KEY_AS("proxy", OF, config.proxy, false, NULL, ecert_config_is_proxy_url,
           "proxy for http and https; the environment is not asked"),
    KEY_AS("resolver", OF, config.resolver, false, "those of /etc/resolv.conf",
           ecert_config_is_resolver, "name server that is asked for CAA records, \"192.0.2.53:53\""),
    {.name = "organization", .type = ECERT_CONFIG_GROUP,
     .group = &ecert_config_organization_table, .help = "who applies: the subject of every CSR"},
    {.name = "backup", .type = ECERT_CONFIG_GROUP, .group = &ecert_config_backup_table,
     .help = "where copies of new keys go, and who can open them"},
    {.name = "certificates", .type = ECERT_CONFIG_GROUPS,
     .group = &ecert_config_certificate_table, .help = "the managed certificates"},
    {.name = "watch", .type = ECERT_CONFIG_GROUPS, .group = &ecert_config_watch_table,
     .help = "what else must not expire unnoticed: files and servers"},
    {.name = "contacts", .type = ECERT_CONFIG_GROUPS, .group = &ecert_config_contact_table,
     .help = "names and languages of those who are told"},
    {.name = "reminders", .type = ECERT_CONFIG_GROUP, .group = &ecert_config_reminders_table,
     .help = "how, when and whom to remind"},
};
#undef OF

const struct ecert_config_table ecert_config_top_table = TABLE("configuration", top_keys);
const struct ecert_config_table ecert_config_certificate_table =
    TABLE("certificate", certificate_keys);
const struct ecert_config_table ecert_config_key_table = TABLE("key", key_keys);
const struct ecert_config_table ecert_config_source_table = TABLE("source", source_keys);
const struct ecert_config_table ecert_config_target_table = TABLE("target", target_keys);
const struct ecert_config_table ecert_config_files_table = TABLE("group of files", files_keys);
const struct ecert_config_table ecert_config_watch_table = TABLE("watch", watch_keys);
const struct ecert_config_table ecert_config_contact_table = TABLE("contact", contact_keys);
const struct ecert_config_table ecert_config_reminders_table =
    TABLE("group 'reminders'", reminders_keys);
const struct ecert_config_table ecert_config_organization_table =
    TABLE("group 'organization'", organization_keys);
const struct ecert_config_table ecert_config_backup_table = TABLE("group 'backup'", backup_keys);
const struct ecert_config_table ecert_config_email_table = TABLE("group 'email'", email_keys);
const struct ecert_config_table ecert_config_webhook_table =
    TABLE("group 'webhook'", webhook_keys);
/* clang-format on */

/* ---- the reference ---- */

static const char *type_words(const struct ecert_config_key *key)
{
    switch (key->type) {
    case ECERT_CONFIG_TEXT:
    case ECERT_CONFIG_CHOICE:
        return "string";
    case ECERT_CONFIG_BOOLEAN:
        return "boolean";
    case ECERT_CONFIG_DAY:
    case ECERT_CONFIG_BITS:
        return "whole number";
    case ECERT_CONFIG_DAYS:
        return "array of whole numbers";
    case ECERT_CONFIG_LIST:
        return "array of strings";
    case ECERT_CONFIG_COMMAND:
        return "string or array of strings";
    case ECERT_CONFIG_GROUP:
        return "group";
    case ECERT_CONFIG_GROUPS:
        return "list of groups";
    case ECERT_CONFIG_OTHER:
        return "false or array of strings";
    }
    return "";
}

static void print_row(struct ecert_buffer *out, unsigned depth, const char *name, const char *type,
                      bool required, const char *standard, const char *help)
{
    ecert_buffer_printf(out, "%*s%s (%s", (int)(2 * depth), "", name, type);
    if (required)
        ecert_buffer_add_text(out, ", required");
    if (standard != NULL)
        ecert_buffer_printf(out, ", default: %s", standard);
    ecert_buffer_printf(out, ")\n%*s%s\n", (int)(2 * depth + 6), "", help);
}

/* The tables nest three deep, and never in a circle. */
static void print_table(struct ecert_buffer *out, unsigned depth,
                        const struct ecert_config_table *table)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct ecert_config_key *key = &table->keys[i];

        print_row(out, depth, key->name, type_words(key), key->required, key->default_text,
                  key->help);
        if (key->group != NULL)
            print_table(out, depth + 1, key->group);
    }
}

static void print_plugin(struct ecert_buffer *out, const char *plugin_dir, const char *name)
{
    ECERT_AUTO(ecert_plugin_description_clear) struct ecert_plugin_description plugin = {0};
    struct ecert_error err = {0};

    if (ecert_plugin_describe(plugin_dir, name, &plugin, &err) != ECERT_OK) {
        ecert_buffer_printf(out, "\nsettings of a target with plugin = \"%s\": not known: %s\n",
                            name, err.text);
        return;
    }
    ecert_buffer_printf(out, "\nsettings of a target with plugin = \"%s\" (%s)\n\n", name,
                        plugin.summary);
    for (size_t i = 0; i < plugin.n_settings; i++)
        print_row(out, 1, plugin.settings[i].name,
                  ecert_setting_type_words(plugin.settings[i].type), plugin.settings[i].required,
                  plugin.settings[i].default_value, plugin.settings[i].help);
}

void ecert_config_reference(const struct ecert_config *config_or_null, struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_auto_free) char *standard = ecert_config_default_plugin_dir();
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings plugins = {0};
    const char *plugin_dir = config_or_null == NULL ? standard : config_or_null->plugin_dir;
    struct ecert_error err = {0};

    print_table(out, 0, &ecert_config_top_table);
    if (plugin_dir == NULL) {
        out->failed = true;
        return;
    }
    if (ecert_plugin_list(plugin_dir, &plugins, &err) != ECERT_OK)
        ecert_buffer_printf(out, "\nplugins: not known: %s\n", err.text);
    for (size_t i = 0; i < plugins.len; i++)
        print_plugin(out, plugin_dir, plugins.items[i]);
}
