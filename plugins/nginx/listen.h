/*
 * The sockets of a server block: the arguments of `listen`, as ngx_parse_url() and
 * ngx_http_core_listen() understand them.
 */
#ifndef ECERT_NGINX_LISTEN_H
#define ECERT_NGINX_LISTEN_H

#include "plugins/nginx/tree.h"

struct ecert_nginx_listen {
    const char *text;    /* as written, for sentences */
    const char *address; /* "0.0.0.0" and "::" stand for all; else as written: a name, "unix:…" */
    bool numeric;        /* `address` is an IPv4 or IPv6 address */
    bool by_name;        /* it is a host name, which nginx resolves: any address, or several */
    uint16_t port;       /* the first of a range; 0: none, or not understood */
    uint16_t last_port;  /* of a range; else the same one */
    bool ssl;            /* this directive says "ssl" or "quic" */
    bool tls_over_tcp;   /* not QUIC, not DTLS */
    bool proxy_protocol; /* a plain handshake would be refused */
    bool default_server; /* it says so */
};

/* ECERT_E_NOMEM.  What is not understood gives a socket that is not numeric. */
enum ecert_status ecert_nginx_listen_read(struct ecert_nginx *env,
                                          const struct ecert_nginx_directive *directive,
                                          struct ecert_nginx_listen *ret, struct ecert_error *err);

/* The socket of a server block without any `listen`: "*:80". */
struct ecert_nginx_listen ecert_nginx_listen_default(void);

/*
 * The same address, and a port that both have: nginx makes one socket of the two for each such
 * port, and `ssl` of one holds for both.
 */
bool ecert_nginx_listen_is_same(const struct ecert_nginx_listen *a,
                                const struct ecert_nginx_listen *b);

/* The numeric address at which this machine reaches the socket; NULL: none is known. */
const char *ecert_nginx_listen_reach(const struct ecert_nginx_listen *listen);

#endif
