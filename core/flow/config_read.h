/*
 * Reading one group of a configuration by a table of keys: what config.c and its parts share.
 *
 * A row takes its type from the struct's member, so that the table cannot disagree with it.
 * Nothing stops at the first mistake: each is noted with its place, and reading goes on.
 */
#ifndef ECERT_FLOW_CONFIG_READ_H
#define ECERT_FLOW_CONFIG_READ_H

#include <libconfig.h>

#include "core/flow/config.h"

enum ecert_config_type {
    ECERT_CONFIG_TEXT,
    ECERT_CONFIG_BOOLEAN,
    ECERT_CONFIG_DAY,     /* int: whole days, 0 to ECERT_CONFIG_DAY_MAX */
    ECERT_CONFIG_BITS,    /* unsigned: the size of an RSA key, 2048, 3072 or 4096 */
    ECERT_CONFIG_DAYS,    /* struct ecert_days: an array of them, in any order */
    ECERT_CONFIG_LIST,    /* an array of strings */
    ECERT_CONFIG_COMMAND, /* one string (a program alone) or an array of strings */
    ECERT_CONFIG_CHOICE,  /* a string that stands for an enum's value */
    ECERT_CONFIG_GROUP,   /* { ... }: read by its own table */
    ECERT_CONFIG_GROUPS,  /* ( { ... }, ... ) */
    ECERT_CONFIG_OTHER,   /* read by hand */
};

#define ECERT_CONFIG_DAY_MAX  3650
#define ECERT_CONFIG_DAYS_MAX 15 /* in one array; the last day itself always comes behind them */

/* Is the value acceptable?  Else `err` says why, without the key's name. */
typedef enum ecert_status ecert_config_check(const char *value, struct ecert_error *err);

struct ecert_config_key {
    const char *name;
    enum ecert_config_type type;
    size_t offset;
    bool required;
    const char *default_text;   /* NULL: none; for the reference, and for texts the value */
    ecert_config_check *check;  /* of a text or of each text of a list; NULL: any */
    const char *const *choices; /* NULL-ended; the place in it is the enum's value */
    const struct ecert_config_table *group;
    const char *help;
};

struct ecert_config_table {
    const char *title; /* "certificate" */
    const struct ecert_config_key *keys;
    size_t n;
};

/* The tables: config_keys.c. */
extern const struct ecert_config_table ecert_config_top_table, ecert_config_certificate_table,
    ecert_config_key_table, ecert_config_source_table, ecert_config_target_table,
    ecert_config_files_table, ecert_config_watch_table, ecert_config_contact_table,
    ecert_config_reminders_table, ecert_config_email_table, ecert_config_webhook_table,
    ecert_config_organization_table, ecert_config_backup_table;

struct ecert_config_mistake {
    char *file;
    unsigned line;
    size_t order; /* in which it was found */
    char *text;
    char *absent_path; /* the file that is not there, which ends `ecert config` alone; NULL: it is a
                          mistake for all commands */
    bool missing;      /* of an absent file, as in struct ecert_absent_file */
    size_t certificate; /* of an absent file */
};

/* Whose files may be absent: those of the group that is being read. */
enum ecert_config_scope {
    ECERT_CONFIG_OF_ALL, /* nobody's: every command needs it */
    ECERT_CONFIG_OF_CERTIFICATE,
    ECERT_CONFIG_OF_BACKUP,
    ECERT_CONFIG_OF_REMINDERS,
};

/* A plugin that could not be described: why, said at each target that names it. */
struct ecert_config_bad_plugin {
    bool absent; /* a mistake of the configuration; otherwise its targets fail by themselves */
    char *name;
    char *why;
};

struct ecert_config_reader {
    const char *path; /* of the main file */
    char *include_dir;
    struct ecert_config config;
    struct ecert_config_mistake *mistakes;
    size_t n_mistakes;
    struct ecert_config_bad_plugin *bad_plugins;
    size_t n_bad_plugins;
    enum ecert_config_scope scope;
    bool authorities_are_hidden; /* that this user may not look at them was said */
    bool nomem;                  /* latched: reading goes on, loading fails */
};

void ecert_config_reader_clear(struct ecert_config_reader *reader);

/* What libconfig says of a text that it cannot parse, in words that help; else its own. */
const char *ecert_config_parse_words(const char *of_library);

/* Note a mistake at a setting's place. */
void ecert_config_mistake(struct ecert_config_reader *reader, const config_setting_t *at,
                          const char *fmt, ...) ECERT_PRINTF(3, 4);
void ecert_config_mistake_at(struct ecert_config_reader *reader, const char *file, unsigned line,
                             const char *fmt, ...) ECERT_PRINTF(4, 5);

const char *ecert_config_file_of(const struct ecert_config_reader *reader,
                                 const config_setting_t *setting);

/*
 * Fill in the members of `object` from a group (NULL: only defaults are set).  Wrong types, wrong
 * values and missing keys are noted; `unknown` keys are noted with the nearest known one unless the
 * caller knows more keys (`more`, NULL-ended; NULL: none).  GROUP, GROUPS and OTHER rows are only
 * checked for their type (OTHER: not at all): the caller reads them.
 */
void ecert_config_read_group(struct ecert_config_reader *reader, const config_setting_t *group,
                             const struct ecert_config_table *table, void *object);
void ecert_config_check_unknown(struct ecert_config_reader *reader, const config_setting_t *group,
                                const struct ecert_config_table *table, const char *const *more);

/*
 * One string, or an array of strings; false, and a mistake, if it is none.  A file that is absent
 * (the check failed with an errno, in a scope that lets it) is a mistake, and taken.
 */
bool ecert_config_read_text(struct ecert_config_reader *reader, const config_setting_t *setting,
                            ecert_config_check *check, char **ret);
bool ecert_config_read_list(struct ecert_config_reader *reader, const config_setting_t *setting,
                            ecert_config_check *check, struct ecert_strings *ret);

/* The member if it is there and of this type (wrong types were noted before), or NULL. */
const config_setting_t *ecert_config_member(const config_setting_t *group, const char *name,
                                            int type);

/* "a string", "a number": what stands there. */
const char *ecert_config_type_words(const config_setting_t *setting);

/* A host name that was accepted, as it is kept: A-labels, lower case.  NULL stays NULL. */
void ecert_config_name_to_ascii(struct ecert_config_reader *reader, char **name);
void ecert_config_names_to_ascii(struct ecert_config_reader *reader, struct ecert_strings *names);

/* A command: not empty, its program absolute and trusted, and there, as a file of its scope is.
 * Notes a mistake. */
void ecert_config_check_command(struct ecert_config_reader *reader, const config_setting_t *at,
                                const struct ecert_strings *command);

/* ---- values: config_check.c ---- */

enum ecert_status ecert_config_is_path(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_place(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_file(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_key_file(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_trusted_file(const char *value, struct ecert_error *err);
/* Chinese or A-labels; the reader makes A-labels of it with ecert_config_name_to_ascii(). */
enum ecert_status ecert_config_is_host_name(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_target_id(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_authority_id(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_check_id(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_date(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_source_url(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_directory_url(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_country(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_resolver(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_proxy_url(const char *value, struct ecert_error *err);

/* Of a directory: may a password be sent there?  ldaps, or a numeric loopback address. */
bool ecert_config_is_private_url(const char *value);

/* A trusted file that not everybody may read: it holds a password, a secret, a secret address. */
enum ecert_status ecert_config_is_secret_file(const char *value, struct ecert_error *err);

/*
 * The same if it is there.  Of one that is not, the files that need it are told of when they are
 * looked at: one watch must not stop every command.
 */
enum ecert_status ecert_config_is_watch_secret(const char *value, struct ecert_error *err);

/* Trusted if it is there; it need not be there yet. */
enum ecert_status ecert_config_is_list_file(const char *value, struct ecert_error *err);

/* "www.example.com:443", "192.0.2.1:443", "[2001:db8::1]:443"; also for lines of endpoints_file. */
enum ecert_status ecert_config_is_endpoint(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_server_name(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_starttls(const char *value, struct ecert_error *err);

enum ecert_status ecert_config_is_email(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_sender(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_language(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_digest_day(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_template(const char *value, struct ecert_error *err);
enum ecert_status ecert_config_is_mail_url(const char *value, struct ecert_error *err);

/* https, or http to a loopback address.  The text shows the value: not for one out of a file. */
enum ecert_status ecert_config_is_webhook_url(const char *value, struct ecert_error *err);

/* ---- parts ---- */

/* After all certificates: what two targets must not both write: config_files.c. */
void ecert_config_check_files(struct ecert_config_reader *reader);

/* Read a certificate's group and append it: config_certificate.c. */
void ecert_config_read_certificate(struct ecert_config_reader *reader,
                                   const config_setting_t *group);
void ecert_config_certificate_clear(struct ecert_certificate_config *certificate);

/* Read the group 'source' of a certificate: config_source.c. */
void ecert_config_read_source(struct ecert_config_reader *reader,
                              const config_setting_t *certificate,
                              struct ecert_source_config *source);
void ecert_config_source_clear(struct ecert_source_config *source);

/* Read the targets of a certificate, whose other members are read: config_target.c. */
void ecert_config_read_targets(struct ecert_config_reader *reader, const config_setting_t *list,
                               struct ecert_certificate_config *certificate);
void ecert_config_target_clear(struct ecert_target_config *target);

/*
 * Read the lists 'watch' and 'contacts' and the group 'reminders' of the main file, behind all
 * certificates, whose names they must not repeat: config_watch.c.  The defaults of the reminders
 * are set in every case.
 */
void ecert_config_read_monitoring(struct ecert_config_reader *reader, const config_setting_t *root);
void ecert_config_watch_clear(struct ecert_watch_config *watch);
void ecert_config_contact_clear(struct ecert_contact_config *contact);
void ecert_config_reminders_clear(struct ecert_reminders_config *reminders);

/* Read the groups 'organization' and 'backup' of the main file: config_request.c. */
void ecert_config_read_requesting(struct ecert_config_reader *reader, const config_setting_t *root);
void ecert_config_organization_clear(struct ecert_organization_config *organization);
void ecert_config_backup_clear(struct ecert_backup_config *backup);

/* Who is told of a certificate or watch: what the table could not check.  `group` is its group. */
void ecert_config_check_watch_settings(struct ecert_config_reader *reader,
                                       const config_setting_t *group,
                                       const struct ecert_watch_settings *settings);
void ecert_config_watch_settings_clear(struct ecert_watch_settings *settings);

/* Where plugins are unless the configuration says: config.c.  NULL: out of memory. */
char *ecert_config_default_plugin_dir(void);

#endif
