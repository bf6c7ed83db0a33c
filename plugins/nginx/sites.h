/*
 * The server blocks of a configuration: the main file and everything that it includes, read once,
 * in nginx's order.
 *
 * A file that is included in several places is parsed once and walked once for each place.
 */
#ifndef ECERT_NGINX_SITES_H
#define ECERT_NGINX_SITES_H

#include "plugins/nginx/layout.h"
#include "plugins/nginx/listen.h"

/* The http or stream block around server blocks. */
struct ecert_nginx_scope {
    bool ssl;       /* "ssl on", inherited by the server blocks that say nothing */
    bool passwords; /* ssl_password_file, inherited likewise */
    /* inherited by those that have none of the kind */
    const struct ecert_nginx_directive **certificates, **keys;
    size_t n_certificates, n_keys;
};

enum ecert_nginx_switch { ECERT_NGINX_UNSET, ECERT_NGINX_ON, ECERT_NGINX_OFF };

/* A server block in one place; directives may come from files that it includes. */
struct ecert_nginx_server {
    struct ecert_nginx_directive *block;
    const struct ecert_nginx_scope *scope;
    const char **names; /* decoded, in the case of the file */
    size_t n_names;
    struct ecert_nginx_listen *listens;
    size_t n_listens;
    const struct ecert_nginx_directive **certificates, **keys;
    size_t n_certificates, n_keys;
    enum ecert_nginx_switch ssl; /* the directive "ssl" */
    bool passwords;              /* it has an ssl_password_file of its own */
    const char *chosen_for; /* the first of its names that the target is for; NULL: left alone */
};

/* A socket that goes before the one for all addresses when this host looks at itself. */
struct ecert_nginx_loopback {
    const struct ecert_nginx_server *server;
    const char *address; /* "127.0.0.1" or "::1" */
    uint16_t port;
};

struct ecert_nginx_sites {
    struct ecert_nginx_server **servers;
    size_t n_servers;
    struct ecert_nginx_file *files, *last_file; /* linked by `next` */
    struct ecert_nginx_loopback *loopbacks;     /* on TCP */
    size_t n_loopbacks;
    const char *pid_path;
    const char **logs; /* absolute, without variables; the built-in ones too; may repeat */
    size_t n_logs;
};

/*
 * Reads the configuration.  ECERT_E_CONFIG, naming file and line: braces that do not match, a
 * file to include that is not there or cannot be read, includes nested more than 64 deep or more
 * than 200,000 of them.  ECERT_E_NOT_FOUND, ECERT_E_IO, ECERT_E_REFUSED: the main file cannot be
 * read.  ECERT_E_NOMEM.
 */
enum ecert_status ecert_nginx_sites_read(struct ecert_nginx *env,
                                         const struct ecert_nginx_layout *layout,
                                         struct ecert_nginx_sites *ret, struct ecert_error *err);

/* Does nginx get a passphrase for this block's key, of its own or of the http block? */
bool ecert_nginx_sites_has_passwords(const struct ecert_nginx_server *server);

/* Does connecting to `listen`, one of this server block's, start with a TLS handshake? */
bool ecert_nginx_sites_is_tls(const struct ecert_nginx_sites *sites,
                              const struct ecert_nginx_server *server,
                              const struct ecert_nginx_listen *listen);

/* True if that holds for one of its sockets. */
bool ecert_nginx_sites_has_tls(const struct ecert_nginx_sites *sites,
                               const struct ecert_nginx_server *server);

#endif
