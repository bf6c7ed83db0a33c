/*
 * Servers of test_network.c: a real nginx of our own on 127.0.0.1 (free ports, own prefix and
 * configuration) for http and TLS, and a few lines of dialogue in a forked process for STARTTLS,
 * which that nginx cannot do.
 */
#ifndef ECERT_TESTS_UNIT_FLOW_NET_SERVER_H
#define ECERT_TESTS_UNIT_FLOW_NET_SERVER_H

#include <openssl/x509.h>
#include <sys/types.h>

#include "core/flow/network.h"

struct net_site {
    char folder[256]; /* www/ is what nginx serves, readable by everybody */
    char ca_file[300];
    unsigned http, https, proxy; /* ports */
    unsigned closed, silent;     /* refuses; accepts and says nothing */
    int closed_fd, silent_fd;
    pid_t nginx;
    X509 *root, *sub;
    EVP_PKEY *root_key, *sub_key;
    X509 *a, *b, *dual_rsa, *dual_ec; /* leaves of a.example, b.example, dual.example */
};

/* Everything, or the test ends with a message. */
void net_site_start(struct net_site *site);
void net_site_end(struct net_site *site);

/* The same, and an ecert-net (ECERT_NET_PROGRAM, `program`) that asks them; for group set-ups. */
int net_begin(struct net_site *site, struct ecert_network *network, const char *program);
int net_end(struct net_site *site, struct ecert_network *network);

/* Write a file below the folder; returns its full name, valid until the next call. */
const char *net_site_write(const struct net_site *site, const char *name, const void *bytes,
                           size_t len, mode_t mode);

/* What the tests fetch: www/file ("content\n"), www/empty, www/slow, and a pipe beside them. */
void net_site_publish(const struct net_site *site);

/* Fetch http://127.0.0.1:PORT/path with these validators (NULL: none). */
enum ecert_status net_site_fetch(const struct net_site *site, struct ecert_network *by,
                                 const char *path, const char *etag, const char *modified,
                                 struct ecert_fetched *ret, struct ecert_error *err);

/* A server in a process of its own. */
struct net_starttls {
    pid_t pid;
    unsigned port;
};

/* Talks plain text as that protocol does, then TLS with the leaf of a.example. */
void net_starttls_start(struct net_starttls *server, const struct net_site *site,
                        const char *protocol);
void net_starttls_end(struct net_starttls *server);

/* Calls `serve` with one connection after the other, and closes it; ended as the other. */
void net_server_start(struct net_starttls *server, const char *address,
                      void (*serve)(int fd, const void *context), const void *context);

/*
 * A handshake with the key and the certificates of a file in the folder (a.pem; disorder.pem: the
 * chain in the wrong order), or of b.pem for the name b.example; then wait until the other closes.
 */
void net_serve_tls(int fd, const struct net_site *site, const char *pair);

bool net_has_address(const char *address);
unsigned net_free_port(void);
bool net_can_connect(unsigned port);

#endif
