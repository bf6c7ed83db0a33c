/*
 * What this host serves over TLS at present, whoever set it up: every site that the plugins find in
 * their servers' configurations, and what its files hold (docs/decisions/0017).
 *
 * It only looks.  Files are decoded in a limited child (core/flow/decode.h); of a private key
 * nothing is kept but the SHA-256 of its public half.  Each file is read once, however many sites
 * name it.  What cannot be asked or read is told where it belongs and hides nothing else.
 */
#ifndef ECERT_ISSUE_INVENTORY_H
#define ECERT_ISSUE_INVENTORY_H

#include "core/flow/authority.h"
#include "core/flow/config.h"

/* X(value, word): how far the certificates that a site sends lead */
#define ECERT_INVENTORY_CHAIN_LIST(X)                                                           \
    X(ECERT_INVENTORY_UNREADABLE, "not readable") /* no certificate could be read */            \
    X(ECERT_INVENTORY_SELF_SIGNED, "self-signed")                                               \
    X(ECERT_INVENTORY_COMPLETE, "complete") /* to an anchor of a profile, or the system's */    \
    X(ECERT_INVENTORY_OUT_OF_ORDER,                                                             \
      "out of order")                           /* likewise, but not each behind its subject */ \
    X(ECERT_INVENTORY_INCOMPLETE, "incomplete") /* an issuer is missing */                      \
    X(ECERT_INVENTORY_UNKNOWN, "authority not known") /* issuers are there, no anchor is known */

enum ecert_inventory_chain {
#define ECERT_INVENTORY_ENUM(value, word) value,
    ECERT_INVENTORY_CHAIN_LIST(ECERT_INVENTORY_ENUM)
#undef ECERT_INVENTORY_ENUM
};
const char *ecert_inventory_chain_word(enum ecert_inventory_chain chain);

/* X(value, word): the private key of a site */
#define ECERT_INVENTORY_KEY_LIST(X)                                                   \
    X(ECERT_INVENTORY_KEY_NONE, "none") /* in no file, or not said */                 \
    X(ECERT_INVENTORY_KEY_MATCHES, "matches")                                         \
    X(ECERT_INVENTORY_KEY_DIFFERS, "does not match")                                  \
    X(ECERT_INVENTORY_KEY_ENCRYPTED, "encrypted") /* so that nothing else is known */ \
    X(ECERT_INVENTORY_KEY_UNREADABLE, "not readable")

enum ecert_inventory_key_state {
#define ECERT_INVENTORY_ENUM(value, word) value,
    ECERT_INVENTORY_KEY_LIST(ECERT_INVENTORY_ENUM)
#undef ECERT_INVENTORY_ENUM
};
const char *ecert_inventory_key_word(enum ecert_inventory_key_state key);

/* A server that was asked, or would have been. */
struct ecert_inventory_server {
    char *plugin;
    const struct ecert_setting_value *settings; /* borrowed from the configuration, or `own` */
    size_t n_settings;
    struct ecert_setting_value own; /* the command, where no target of the configuration has one */
    struct ecert_strings words;     /* how it is called, for people; empty: the plugin's default */
    bool is_default;                /* called as the plugin calls it by itself */
    struct ecert_strings notes;     /* the plugin's */
    struct ecert_error error;       /* why it could not be asked */
    bool passed_over;               /* gone from the list when all were asked */
};

/* The certificates of one pair of files: what a site sends. */
struct ecert_inventory_certificate {
    char *file, *chain_file;      /* chain_file NULL: none of its own */
    char *problem;                /* a sentence; NULL: it was read */
    STACK_OF(X509) *certificates; /* of both files, in their order; NULL: not read */
    size_t n_in_file;             /* so many of them are in `file` */
    X509 *leaf;                   /* borrowed from them; NULL: not read */
    char sha256[ECERT_SHA256_HEX_LEN];
    enum ecert_inventory_chain chain;
    char *authority;           /* the profile that it belongs to, "system", or NULL: not known */
    bool is_issued_by_profile; /* by signature or by name, of a profile that is not "system" */
    size_t *sites;             /* indices of those that use both files */
    size_t n_sites;
};

struct ecert_inventory_site {
    size_t server; /* index */
    struct ecert_site site;
    size_t certificate; /* index; ECERT_INVENTORY_NOTHING: it names none */
    enum ecert_inventory_key_state key;
    char *key_problem; /* a sentence; NULL: none */
    char *managed_by;  /* "www.example.com: nginx": a target of the configuration; NULL: none */
};
#define ECERT_INVENTORY_NOTHING SIZE_MAX

struct ecert_inventory {
    struct ecert_inventory_server *servers;
    size_t n_servers;
    struct ecert_inventory_certificate *certificates;
    size_t n_certificates;
    struct ecert_inventory_site *sites; /* in the order of the servers */
    size_t n_sites;
    struct ecert_authority *authorities; /* the profiles that could be loaded, "system" last */
    size_t n_authorities;
    struct ecert_strings looked_for; /* programs of plugins without a server here */
    struct ecert_strings problems;   /* plugins that could not be loaded */
    struct ecert_strings remarks; /* profiles that could not be loaded: fewer anchors are known */
};

void ecert_inventory_clear(struct ecert_inventory *found);

struct ecert_inventory_wishes {
    const char *const *plugins;  /* only these, NULL-ended; NULL or empty: each that is installed */
    const char *const *commands; /* "nginx=/opt/nginx/sbin/nginx -c /x.conf", split at blanks:
                                    instead of what the plugin would look for; NULL-ended */
};

/*
 * Ask each server: of a plugin the servers of its targets in the configuration, else each of its
 * programs that is there.  A server that cannot be asked has an error, and that is all.
 *
 * `config` may be ecert_config_without_file().  ECERT_E_CONFIG: a wish that names no plugin, or
 * one that cannot tell; ECERT_E_NOT_FOUND, ECERT_E_IO: no plugin directory.
 */
ECERT_MUST_CHECK enum ecert_status ecert_inventory_look(const struct ecert_config *config,
                                                        const struct ecert_inventory_wishes *wishes,
                                                        struct ecert_inventory *ret,
                                                        struct ecert_error *err);

/* "server block at /etc/nginx/sites-enabled/x:3"; the caller frees. */
ECERT_MUST_CHECK enum ecert_status ecert_inventory_place(const struct ecert_site *site, char **ret,
                                                         struct ecert_error *err);

/* ---- parts, each in a file of its own ---- */

/* inventory_servers.c: the servers that shall be asked, and what was looked for in vain. */
ECERT_MUST_CHECK enum ecert_status ecert_inventory_choose(
    const struct ecert_config *config, const struct ecert_inventory_wishes *wishes,
    struct ecert_inventory *found, struct ecert_error *err);

/* inventory_servers.c: is this target's server the one that was asked? */
bool ecert_inventory_is_server_of(const struct ecert_inventory_server *server,
                                  const struct ecert_target_config *target);

/* inventory_files.c: read what the sites name; fills in certificates, and each site's key. */
ECERT_MUST_CHECK enum ecert_status ecert_inventory_read(struct ecert_inventory *found,
                                                        struct ecert_error *err);

/* inventory_chain.c: the profiles of a directory, and "system"; one that cannot be loaded is told.
 */
ECERT_MUST_CHECK enum ecert_status ecert_inventory_load_authorities(const char *directory,
                                                                    struct ecert_inventory *found,
                                                                    struct ecert_error *err);

/* inventory_chain.c: fill in chain, authority and is_issued_by_profile of one that was read. */
ECERT_MUST_CHECK enum ecert_status ecert_inventory_judge(
    const struct ecert_inventory *found, struct ecert_inventory_certificate *certificate,
    struct ecert_error *err);

#endif
