/*
 * The configuration: what the operator wrote, checked against the tables of keys.
 *
 * Every key comes from one table (name, type, required, default, help) that also prints the
 * reference (`ecert config --reference`), the example file and the manual page.  All mistakes are
 * reported at once, each "FILE:LINE: sentence" with the nearest known key; nothing of a
 * configuration with mistakes is used.  The file, what it includes and every file or command it
 * names must be trusted (ecert_fs_check_trusted).  A file of a certificate or of the group 'backup'
 * that is not there, or that this user cannot get at, is a mistake for `ecert config` alone: other
 * commands go on, and only what needs that file fails (`absent`).
 *
 * Strings are UTF-8; host names may be written in Chinese and are kept as A-labels, lower case.
 * Everything is owned by the struct.
 */
#ifndef ECERT_FLOW_CONFIG_H
#define ECERT_FLOW_CONFIG_H

#include "core/host/plugin.h"

/*
 * Where the key of an issued certificate is looked for.  First of all, for every place but "iis",
 * among the requests that `ecert request` made (requests.h).
 */
enum ecert_key_place {
    ECERT_KEY_FILE, /* then key.file: made elsewhere */
    ECERT_KEY_OURS, /* no key.file: then in the issued file itself (PKCS#12, PEM with a key) */
    ECERT_KEY_IIS,  /* key.where = "iis": it never leaves the Windows host */
};

enum ecert_key_type { ECERT_KEY_TYPE_RSA, ECERT_KEY_TYPE_EC };
enum ecert_key_curve { ECERT_KEY_CURVE_P256, ECERT_KEY_CURVE_P384 };

/* What `ecert request` does for a certificate that had a key before. */
enum ecert_key_policy {
    ECERT_KEY_POLICY_NEW,   /* a new key for each request */
    ECERT_KEY_POLICY_REUSE, /* the key of the newest generation, else key.file, else a new one */
};

struct ecert_key_config {
    enum ecert_key_place place;
    char *file;
    char *passphrase_file;                   /* NULL: none */
    struct ecert_strings passphrase_command; /* empty: none */
    /* of the keys that `ecert request` makes */
    enum ecert_key_type type;
    unsigned bits; /* of RSA: 2048 (default), 3072 or 4096 */
    enum ecert_key_curve curve;
    enum ecert_key_policy policy;
    bool encrypted; /* wherever ecert keeps the key, deployed files too, it is encrypted with its
                       passphrase; the server must know it (docs/decisions/0014) */
};

enum ecert_source_type { ECERT_SOURCE_INBOX, ECERT_SOURCE_URL, ECERT_SOURCE_LDAP };

struct ecert_source_config {
    enum ecert_source_type type;
    char *url;           /* http, https or file; of a directory ldap://host[:port], ldaps://... */
    char *ca_file;       /* anchors for an https or ldaps server; NULL: the system's */
    char *password_file; /* of a PKCS#12; NULL: none */
    char *base;          /* of a directory: where it is searched, "o=...,c=hk" */
    char *filter;        /* RFC 4515, "%s" stands for the server name; default "(cn=%s)" */
    char *bind_dn;       /* NULL: anonymous */
    char *bind_password_file;
};

/* Who applies: the subject of every CSR (CA guide: C, ST, L, O).  NULL: not given. */
struct ecert_organization_config {
    char *country; /* two letters */
    char *state;
    char *locality;
    char *name;
    char
        *chinese_name; /* the O of a certificate whose applicant chose "Confirm Opt with Chinese" */
};

/* Where copies of keys go before a CSR is shown (core/issue/backup.h). */
struct ecert_backup_config {
    bool wanted;                             /* the group is there */
    struct ecert_strings recipients;         /* certificate files; each can open every backup */
    char *passphrase_file;                   /* or one who knows this; NULL: none */
    struct ecert_strings passphrase_command; /* empty: none */
    struct ecert_strings places;             /* directories; every one of them gets every backup */
};

struct ecert_target_config {
    char *plugin;
    char *id;                          /* names the live link */
    struct ecert_strings server_names; /* empty: the leaf's names */
    char *files[ECERT_MATERIAL_COUNT]; /* NULL: not placed; all NULL: live links */
    bool has_files;
    bool probe;                 /* false: do not look at the live server */
    struct ecert_probe *probes; /* addresses to look at instead of those found */
    size_t n_probes;
    struct ecert_strings may_write;
    struct ecert_setting_value *settings;
    size_t n_settings;
    char *plugin_problem; /* why its plugin cannot be loaded; NULL: it can.  Then the settings are
                             not known, and the target fails by itself (docs/decisions/0006) */
    unsigned line;
};

/* Days before an end, as they were written; empty: the defaults (core/monitor/thresholds.h). */
struct ecert_days {
    int *items; /* falling, each 0 to 3650, none twice */
    size_t n;
};

/* Who is told of a thing, and when: the same for certificates and watches. */
struct ecert_watch_settings {
    struct ecert_strings contacts;   /* e-mail addresses; empty: reminders.email.to */
    struct ecert_strings escalation; /* told too from reminders.escalate_from on; empty: as there */
    struct ecert_days thresholds;
    struct ecert_days subscription_thresholds; /* of a certificate: for its subscription */
    char *note; /* why it is watched: said in every reminder; NULL: none */
};

enum ecert_watch_use { ECERT_WATCH_PLAIN, ECERT_WATCH_ORGANISATIONAL };

/* Exactly one of file, directory, glob, endpoint and endpoints_file. */
struct ecert_watch_config {
    char *name; /* for `ecert ack` and reports; default: the path or the endpoint */
    char *file, *directory, *glob;
    char *password_file;  /* of PKCS#12 files */
    char *endpoint;       /* "host:port", "[::1]:443" */
    char *endpoints_file; /* one endpoint a line: host:port [server_name [starttls]]; # comments */
    char *server_name;    /* SNI, and the name that the leaf must cover; default: the host */
    char *starttls;       /* "smtp", "imap", "pop3", "ftp", "ldap"; NULL: TLS at once */
    enum ecert_watch_use use; /* "organisational": the e-Cert that on-line renewal needs */
    struct ecert_watch_settings settings;
    char *config_file;
    unsigned line;
};

/* Somebody with a name or a language of his own; addresses that are not listed have neither. */
struct ecert_contact_config {
    char *email;
    char *name;     /* UTF-8; NULL: none */
    char *language; /* "en", "zh_HK"; NULL: reminders.language */
};

enum ecert_starttls_use { ECERT_STARTTLS_REQUIRED, ECERT_STARTTLS_OPPORTUNISTIC };

struct ecert_email_config {
    char *server;                     /* smtp://host[:port] or smtps://host[:port] */
    enum ecert_starttls_use starttls; /* of smtp://: "required" (default), "opportunistic" */
    char *user, *password_file;       /* only with smtps or required STARTTLS */
    char *ca_file;                    /* anchors of the server; NULL: the system's */
    char *from;                       /* "ecert@myserver.com" or "Name <ecert@myserver.com>" */
    struct ecert_strings to;          /* the fall-back: whoever has no contacts of his own */
};

struct ecert_webhook_config {
    char *url_file; /* its first line: https://... (http only to a loopback address); the address is
                       a secret like a password */
    char *url;      /* or here, where the configuration may show it; exactly one of the two */
    char *template_name; /* "json" (default), "slack", "teams" */
    char *secret_file;   /* HMAC-SHA256 of the body in X-Ecert-Signature: sha256=HEX; NULL: none */
    char *ca_file;
};

struct ecert_reminders_config {
    bool has_email, has_webhook;
    struct ecert_email_config email;
    struct ecert_webhook_config webhook;
    struct ecert_strings command; /* argv; JSON on standard input; empty: none */
    bool journal;                 /* default true */
    bool journal_is_chosen;       /* true, and the configuration says so */
    struct ecert_strings escalation;
    int escalate_from;                         /* days; default 7 */
    int requests_after;                        /* days that a request may wait; default 7 */
    char *language;                            /* default "en" */
    struct ecert_days thresholds;              /* of certificates */
    struct ecert_days subscription_thresholds; /* of subscriptions */
    char *digest; /* "monday" ... "sunday" (default "monday"), "never" */
};

/* ECERT_VALIDATION_ANY: not said, whatever comes is right. */
enum ecert_validation { ECERT_VALIDATION_ANY, ECERT_VALIDATION_OV, ECERT_VALIDATION_EV };

struct ecert_certificate_config {
    char *name;                 /* server name as applied for; also the folder's name */
    struct ecert_strings names; /* further names that the leaf must cover */
    char *authority;
    struct ecert_key_config key;
    struct ecert_source_config source;
    char *chain_file;                 /* NULL: none */
    bool cross_certificate;           /* default true */
    enum ecert_validation validation; /* what was ordered */
    struct ecert_strings allow;       /* ids of checks that may fail */
    char *subscription_ends;          /* "2027-06-30"; NULL: not given */
    struct ecert_watch_settings settings;
    struct ecert_target_config *targets;
    size_t n_targets;
    char *file; /* where it stands */
    unsigned line;
};

/* A file that the configuration names and that cannot be found, or not be reached. */
struct ecert_absent_file {
    size_t
        certificate; /* index of the entry that names it; ECERT_ABSENT_OF_BACKUP: 'backup' does */
    bool missing;    /* there is no such file; otherwise it cannot be reached */
    char *path;
    char *mistake; /* "FILE:LINE: 'file': ...": the sentence of `ecert config` */
};
#define ECERT_ABSENT_OF_BACKUP SIZE_MAX

struct ecert_config {
    char *file;
    char *state_dir;
    char *plugin_dir;
    char *authorities_dir;
    char *proxy;    /* for http and https; NULL: none, whatever the environment says */
    char *resolver; /* "192.0.2.53:53", asked for CAA records; NULL: those of /etc/resolv.conf */
    struct ecert_organization_config organization;
    struct ecert_backup_config backup;
    struct ecert_certificate_config *certificates;
    size_t n_certificates;
    struct ecert_watch_config *watches;
    size_t n_watches;
    struct ecert_contact_config *contacts;
    size_t n_contacts;
    struct ecert_reminders_config reminders;
    struct ecert_plugin_description *plugins; /* of every plugin that a target names */
    size_t n_plugins;
    struct ecert_absent_file *absent; /* in the order of mistakes; whoever reads such a file finds
                                         the failure, and checks its trust if it is there by then */
    size_t n_absent;
};

#define ECERT_CONFIG_DEFAULT "/etc/ecert/ecert.conf"

/*
 * Read, check, and hand out.  On ECERT_E_CONFIG `ret_mistakes` holds every mistake as one sentence
 * each, "FILE:LINE: ...", in the order of the file, those of other files (include_dir) behind it
 * by name; `err` says how many.  Files that are absent are among them, and are no failure where
 * nothing else is wrong: then ret->absent has them.  Other failures: ECERT_E_NOT_FOUND,
 * ECERT_E_REFUSED (the file itself is not trusted), ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_config_load(const char *path, struct ecert_config *ret,
                                                     struct ecert_strings *ret_mistakes,
                                                     struct ecert_error *err);
void ecert_config_clear(struct ecert_config *config);

/* For what works without any: the default directories and nothing else; `file` stays NULL. */
ECERT_MUST_CHECK enum ecert_status ecert_config_without_file(struct ecert_config *ret,
                                                             struct ecert_error *err);

/* The entry with this name, in A-labels or as a person writes it (host_name.h), or NULL. */
const struct ecert_certificate_config *ecert_config_certificate(const struct ecert_config *config,
                                                                const char *name);

/* ECERT_E_CONFIG: no entry has this name that a person gave; the text has the nearest one. */
ECERT_MUST_CHECK enum ecert_status ecert_config_check_name(const struct ecert_config *config,
                                                           const char *name,
                                                           struct ecert_error *err);

/* The description of a target's plugin; NULL only where the target has a plugin_problem. */
const struct ecert_plugin_description *ecert_config_plugin(const struct ecert_config *config,
                                                           const char *plugin);

/*
 * Every key with type, default and help, as text for people; with the settings of every plugin
 * that is installed (NULL: in the default directory).
 */
void ecert_config_reference(const struct ecert_config *config_or_null, struct ecert_buffer *out);

#endif
