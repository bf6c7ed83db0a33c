/*
 * The server blocks of a configuration: the main file and everything that it includes, read once,
 * in nginx's order.
 *
 * A file that is included in several places is parsed once and walked once for each place.
 */
#ifndef ECERT_NGINX_SITES_H
#define ECERT_NGINX_SITES_H

#include "plugins/nginx/layout.h"
#include "plugins/nginx/sockets.h"

enum ecert_nginx_switch { ECERT_NGINX_UNSET = 0, ECERT_NGINX_ON, ECERT_NGINX_OFF };

/* Directives that are "on" or "off"; a server block that does not say it inherits. */
struct ecert_nginx_switches {
    enum ecert_nginx_switch ssl;
    enum ecert_nginx_switch rejects;  /* ssl_reject_handshake */
    enum ecert_nginx_switch starttls; /* of mail; "only" is on */
};

/* The http, stream or mail block around server blocks: what those inherit that say nothing. */
struct ecert_nginx_scope {
    enum ecert_nginx_kind kind; /* HTTP, STREAM, MAIL */
    struct ecert_nginx_switches on;
    bool passwords;   /* ssl_password_file */
    const char *name; /* server_name of a mail block; NULL: none */
    const struct ecert_nginx_directive **certificates, **keys;
    size_t n_certificates, n_keys;
    /* a block that inherits them and that the target is not for; NULL: none */
    const struct ecert_nginx_server *certificate_outsider, *key_outsider;
};

/* A server block in one place; directives may come from files that it includes. */
struct ecert_nginx_server {
    struct ecert_nginx_directive *block;
    const struct ecert_nginx_scope *scope;
    const char **names; /* decoded, in the case of the file */
    size_t n_names;
    struct ecert_nginx_listen
        *listens; /* never none: without `listen` the socket that nginx makes */
    size_t n_listens;
    const struct ecert_nginx_directive **certificates, **keys; /* its own */
    size_t n_certificates, n_keys;
    const struct ecert_nginx_directive *pair_end; /* of the block itself, or an include in it: the
                                                     last that brought one of these; NULL: none */
    struct ecert_nginx_switches on;
    const char *protocol;   /* of a mail block: "smtp", "imap", "pop3"; NULL: not known */
    bool passwords;         /* it has an ssl_password_file of its own */
    bool read;              /* false: it stands ready, but nothing includes its file */
    bool tls;               /* one of its sockets speaks TLS, or does after STARTTLS */
    bool chosen;            /* the target is for it */
    const char *chosen_for; /* the name that made it so; NULL: none did */
    bool refused;           /* because of it there is no plan */
    const char *why;        /* it was chosen or left: see struct ecert_site_record */
};

struct ecert_nginx_sites {
    struct ecert_nginx_server **servers;
    size_t n_servers;
    struct ecert_nginx_file *files, *last_file; /* linked by `next` */
    struct ecert_nginx_file **buckets;          /* the same ones, by path */
    struct ecert_nginx_sockets sockets;
    const char *pid_path;
    const char **logs; /* absolute, without variables; the built-in ones too; may repeat */
    size_t n_logs;
};

/*
 * Reads the configuration.  ECERT_E_CONFIG, naming file and line: braces that do not match, a
 * file to include that is not there or cannot be read, includes nested more than 64 deep or more
 * than 2,000,000 of them.  ECERT_E_NOT_FOUND, ECERT_E_IO, ECERT_E_REFUSED: the main file cannot be
 * read.  ECERT_E_NOMEM.
 */
enum ecert_status ecert_nginx_sites_read(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         struct ecert_nginx_sites *ret, struct ecert_error *err);

/*
 * Adds the server blocks of a file that the configuration does not lead to, as if the block `http`
 * included it: their `read` is false.  Failures as above, and then `sites` is as before.
 */
enum ecert_status ecert_nginx_sites_read_more(struct ecert_nginx *env,
                                              const struct ecert_nginx_layout *layout,
                                              struct ecert_nginx_scope *http, const char *path,
                                              struct ecert_nginx_sites *sites,
                                              struct ecert_error *err);

/* "server block", "mail server block" or "stream server block". */
const char *ecert_nginx_sites_kind(const struct ecert_nginx_server *server);

/* Does nginx get a passphrase for this block's key, of its own or of the http block? */
bool ecert_nginx_sites_has_passwords(const struct ecert_nginx_server *server);

/* Does the block refuse every handshake by ssl_reject_handshake? */
bool ecert_nginx_sites_rejects(const struct ecert_nginx_server *server);

/* Does any of its sockets speak TLS, or does it after STARTTLS? */
bool ecert_nginx_sites_speaks_tls(const struct ecert_nginx_sites *sites,
                                  const struct ecert_nginx_server *server);

/*
 * Could it, for all that is known?  A socket is a host name's, or another block's of the same port
 * is, and they may be one.
 */
bool ecert_nginx_sites_may_speak_tls(const struct ecert_nginx_sites *sites,
                                     const struct ecert_nginx_server *server);

/* The port of a range that starts with a TLS handshake; else, and if none does, the first. */
uint16_t ecert_nginx_sites_tls_port(const struct ecert_nginx_sites *sites,
                                    const struct ecert_nginx_server *server,
                                    const struct ecert_nginx_listen *listen);

/*
 * Does connecting to `listen`, one of this server block's, start with a TLS handshake?  Of a range
 * one port is enough.
 */
bool ecert_nginx_sites_is_tls(const struct ecert_nginx_sites *sites,
                              const struct ecert_nginx_server *server,
                              const struct ecert_nginx_listen *listen);

/*
 * The protocol of a mail block's socket that begins without TLS and has STARTTLS: "smtp", "imap",
 * "pop3"; NULL: it has not, or it is not known which.
 */
const char *ecert_nginx_sites_starttls(const struct ecert_nginx_sites *sites,
                                       const struct ecert_nginx_server *server,
                                       const struct ecert_nginx_listen *listen);

#endif
