/* What the parts of search.h share. */
#ifndef ECERT_NET_SEARCH_INTERNAL_H
#define ECERT_NET_SEARCH_INTERNAL_H

#include <ldap.h>
#include <openssl/ssl.h>

#include "core/base/bytes.h"

struct ecert_search_run {
    char *url, *base, *filter, *bind_dn, *ca_file; /* bind_dn and ca_file: "" is none */
    struct ecert_view password;                    /* in the request */
    size_t max_len;
    unsigned timeout_ms;
    bool tls, loopback_only;
    int64_t until; /* monotonic ms */
    SSL_CTX *ctx;
    SSL *ssl;   /* NULL: no TLS */
    LDAP *ldap; /* owns the socket */
    ber_len_t max_message;
    struct ecert_buffer found; /* encoded */
    size_t n_found, len;       /* len: of their values */
    struct ecert_strings notes;
};

/*
 * Connect, with TLS where the URL says so: run->ldap, whose socket never blocks.  The connection
 * and the handshake are ours and not libldap's: its own say "Can't contact LDAP server" whatever
 * the reason, and a server that is silent in the handshake keeps it for ever.
 * ECERT_E_NETWORK, ECERT_E_REFUSED, ECERT_E_TIMEOUT; ECERT_E_IO: the parent.
 */
ECERT_MUST_CHECK enum ecert_status ecert_search_open(struct ecert_search_run *run,
                                                     struct ecert_error *err);

/* The handshake on a connected socket, and run->ssl.  Errors likewise. */
ECERT_MUST_CHECK enum ecert_status ecert_search_shake_hands(struct ecert_search_run *run, int fd,
                                                            const char *host,
                                                            struct ecert_error *err);

/* From now on libldap speaks through run->ssl.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_search_use_tls(struct ecert_search_run *run,
                                                        Sockbuf *socket, struct ecert_error *err);

/* Wait for one of these events of poll(), at most `ms`; -1: until the end of the time. */
ECERT_MUST_CHECK enum ecert_status ecert_search_wait(const struct ecert_search_run *run, int fd,
                                                     short events, int ms, struct ecert_error *err);

#endif
