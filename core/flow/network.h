/*
 * The root side of the network half: starts `ecert-net` (core/net/), asks, and believes nothing of
 * what comes back: bytes are bytes until they are decoded (decode.h) and checked.
 *
 * ecert-net is a co-process: started once, on first use (or ahead of time, so that its start-up
 * overlaps with other work), it answers requests over a socket pair until it is closed.  It has no
 * root, no new privileges, cannot execute anything, and sees none of our descriptors.
 */
#ifndef ECERT_FLOW_NETWORK_H
#define ECERT_FLOW_NETWORK_H

#include <openssl/x509.h>

#include "core/host/plan.h"

#define ECERT_NETWORK_FAMILIAR_MAX 64

struct ecert_network {
    char *program; /* absolute path of ecert-net */
    char *proxy;   /* NULL: none */
    int fd;        /* -1: not started */
    int pid;
    /* certificates that a limited child has decoded before (SHA-256 of their DER), as a ring */
    uint8_t familiar[ECERT_NETWORK_FAMILIAR_MAX][ECERT_SHA256_LEN];
    size_t n_familiar; /* ever; the latest ECERT_NETWORK_FAMILIAR_MAX are kept */
};

/* Nothing is started yet.  `program` NULL: the installed one, or the one beside this executable. */
ECERT_MUST_CHECK enum ecert_status ecert_network_init(struct ecert_network *network,
                                                      const char *program, const char *proxy,
                                                      struct ecert_error *err);

/* Start it now if it is not running; returns without waiting for it. */
ECERT_MUST_CHECK enum ecert_status ecert_network_start(struct ecert_network *network,
                                                       struct ecert_error *err);

/*
 * It is not needed for now: it ends while the caller goes on (its end takes a millisecond), and is
 * reaped later.  The next request starts another.
 */
void ecert_network_release(struct ecert_network *network);

/* End the co-process and reap it. */
void ecert_network_clear(struct ecert_network *network);

/* ---- fetching ---- */

struct ecert_fetch {
    const char *url;
    size_t max_len;       /* bytes; a longer answer is refused */
    unsigned timeout_ms;  /* of the whole transfer */
    const char *ca_file;  /* anchors for https; NULL: the system's */
    const char *etag;     /* of the copy that we have; NULL: none */
    const char *modified; /* its Last-Modified, as it was sent; NULL: none */
    bool public_only;     /* the address came out of a certificate: never a private address */
};

struct ecert_fetched {
    bool unchanged; /* 304: what we have is current; body is empty */
    struct ecert_bytes body;
    char *etag;     /* NULL: none sent */
    char *modified; /* NULL: none sent */
};
void ecert_fetched_clear(struct ecert_fetched *fetched);

/*
 * http, https or file.  Redirects are followed only to the same host (compared without case), at
 * most three.  ECERT_E_NETWORK: with the URL and the reason (DNS, refused, TLS, "HTTP status 404",
 * a redirect elsewhere and where to); ECERT_E_REFUSED: too large, scheme not allowed, private
 * address; ECERT_E_TIMEOUT.
 */
ECERT_MUST_CHECK enum ecert_status ecert_network_fetch(struct ecert_network *network,
                                                       const struct ecert_fetch *fetch,
                                                       struct ecert_fetched *ret,
                                                       struct ecert_error *err);

/* ---- probing ---- */

/* What one handshake saw. */
struct ecert_seen {
    bool answered;                /* a TLS handshake was completed and certificates were sent */
    char *why_not;                /* NULL if answered: "connection refused", "timed out", ... */
    STACK_OF(X509) *certificates; /* as sent: leaf first */
};
void ecert_seen_clear(struct ecert_seen *seen);

/*
 * Handshake with every endpoint, all at the same time, each within timeout_ms.  `key_type`: "rsa"
 * or "ec" asks for a certificate of that kind only (a server may have one of each), NULL for any.
 * `ret` has room for n results; an endpoint that does not answer is a result, not an error.
 * ECERT_E_NETWORK / ECERT_E_IO: ecert-net itself failed.
 */
ECERT_MUST_CHECK enum ecert_status ecert_network_probe(struct ecert_network *network,
                                                       const struct ecert_probe *probes, size_t n,
                                                       const char *key_type, unsigned timeout_ms,
                                                       struct ecert_seen *ret,
                                                       struct ecert_error *err);

/*
 * This one was decoded in a limited child when it was taken: the same bytes, seen in a handshake,
 * need no second trial (a child costs as much as half a handshake).
 */
void ecert_network_knows(struct ecert_network *network, const X509 *certificate);

#endif
