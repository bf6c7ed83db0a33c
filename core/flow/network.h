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
    char *unfit;   /* why it is not started, whoever asks; NULL: it can be */
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

/*
 * A network half that cannot be used (a sentence says why): each request fails with ECERT_E_NETWORK
 * and that sentence.  For those who have more to do than to ask.
 */
ECERT_MUST_CHECK enum ecert_status ecert_network_init_unfit(struct ecert_network *network,
                                                            const char *why,
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

/* ---- sending ---- */

struct ecert_mail {
    const char *server; /* smtp:// or smtps:// */
    bool require_tls;   /* STARTTLS must work; always so with a user */
    const char *user;   /* NULL: no authentication */
    struct ecert_view password;
    const char *ca_file;       /* NULL: the system's */
    const char *from, *to;     /* envelope addresses, bare */
    struct ecert_view message; /* whole, CRLF */
    unsigned timeout_ms;
};

/*
 * Hand one message for one recipient to a server.  ECERT_OK: it was accepted (250 after the data).
 * ECERT_E_NETWORK: it was not: DNS, refused, TLS (the certificate is verified), authentication, the
 * server's own words with their code; ECERT_E_REFUSED: a user without TLS; ECERT_E_TIMEOUT.
 */
ECERT_MUST_CHECK enum ecert_status ecert_network_mail(struct ecert_network *network,
                                                      const struct ecert_mail *mail,
                                                      struct ecert_error *err);

struct ecert_post {
    const char *url; /* https; http only to a loopback address (127.0.0.0/8, ::1) or any_http */
    const char *content_type;
    const char *signature; /* value of X-Ecert-Signature; NULL: none */
    const char *ca_file;
    struct ecert_view body;
    size_t max_len;   /* bytes of the answer that are kept; 0: none is wanted */
    bool show_url;    /* false: the URL is a secret and stands in no error */
    bool public_only; /* as of a fetch */
    bool any_http;    /* http to every host: nothing secret goes out, the answer is signed (OCSP) */
    unsigned timeout_ms;
};

/* POST.  ECERT_OK: a 2xx status; redirects are not followed.  Errors as of a fetch. */
ECERT_MUST_CHECK enum ecert_status ecert_network_post(struct ecert_network *network,
                                                      const struct ecert_post *post,
                                                      struct ecert_bytes *ret_answer,
                                                      struct ecert_error *err);

/* ---- looking up ---- */

/* One CAA record (RFC 8659, 4.1). */
struct ecert_caa_record {
    bool critical;
    char *tag;   /* lower case */
    char *value; /* as it was sent; bytes that are not printable ASCII are "?" */
};

struct ecert_caa_records {
    struct ecert_caa_record *items; /* none: the name has none, or does not exist */
    size_t n;
};
void ecert_caa_records_clear(struct ecert_caa_records *records);

/*
 * The CAA records of one name (no climbing; aliases are followed by the resolver).  `resolver`:
 * "192.0.2.53:53", NULL: those of /etc/resolv.conf.  That the name does not exist is no error.
 * ECERT_E_NETWORK: the server failed or refused (its own word); ECERT_E_TIMEOUT.
 */
ECERT_MUST_CHECK enum ecert_status ecert_network_caa(struct ecert_network *network,
                                                     const char *resolver, const char *name,
                                                     unsigned timeout_ms,
                                                     struct ecert_caa_records *ret,
                                                     struct ecert_error *err);

/* Where issued certificates lie in a directory (RFC 4523: userCertificate;binary). */
struct ecert_search {
    const char *url;     /* ldap://host[:port] or ldaps://host[:port] */
    const char *base;    /* distinguished name */
    const char *filter;  /* RFC 4515, values escaped already */
    const char *bind_dn; /* NULL: anonymous; else only with ldaps, or to a loopback address */
    struct ecert_view password;
    const char *ca_file;
    size_t max_len; /* bytes of the whole answer: the values, and with each its entry's name */
    unsigned timeout_ms;
};

struct ecert_found {
    struct ecert_bytes *items; /* the values of userCertificate;binary of every entry: DER, if so */
    size_t n;
    char **entries; /* the distinguished name of the entry of each */
};
void ecert_found_clear(struct ecert_found *found);

/*
 * Subtree search.  Referrals are not followed: which there were is in ret_notes.  None found is no
 * error.  ECERT_E_NETWORK: not reached, TLS, bind refused, the server's own words ("No such
 * object"); ECERT_E_REFUSED: too large or too many (core/net/protocol.h), a password without TLS;
 * ECERT_E_TIMEOUT.
 */
ECERT_MUST_CHECK enum ecert_status ecert_network_search(struct ecert_network *network,
                                                        const struct ecert_search *search,
                                                        struct ecert_found *ret,
                                                        struct ecert_strings *ret_notes,
                                                        struct ecert_error *err);

/* ---- probing ---- */

/* What one handshake saw. */
struct ecert_seen {
    bool answered;                /* a TLS handshake was completed and certificates were sent */
    char *why_not;                /* NULL if answered: "connection refused", "timed out", ... */
    STACK_OF(X509) *certificates; /* as sent: leaf first, the rest as the server sorts it */
};
void ecert_seen_clear(struct ecert_seen *seen);

/*
 * An endpoint's address may be a host name: it is resolved by ecert-net ("the name does not
 * resolve" is a reason not to answer); it does not become the server name.  starttls "ldap" is the
 * extended request of RFC 4511, 4.14.
 *
 * Handshake with every endpoint, all at the same time (but few at one address and port), each
 * within timeout_ms of its turn.  An address and port where nothing but time limits was met is not
 * asked for the rest of its names: they timed out.  `key_type`: "rsa" or "ec" asks for a
 * certificate of that kind only (a server may have one of each), NULL for any.  `ret` has room for
 * n results; an endpoint that does not answer is a result, not an error.
 * ECERT_E_NETWORK / ECERT_E_IO: ecert-net itself failed.
 */
ECERT_MUST_CHECK enum ecert_status ecert_network_probe(struct ecert_network *network,
                                                       const struct ecert_probe *probes, size_t n,
                                                       const char *key_type, unsigned timeout_ms,
                                                       struct ecert_seen *ret,
                                                       struct ecert_error *err);

/* How far it is: `done` of `n` endpoints have answered, or not in time.  Must not use `network`. */
typedef void ecert_network_progress_fn(void *context, size_t done, size_t n);

/* The same, and `progress` (NULL: not wanted) is called as each answer arrives. */
ECERT_MUST_CHECK enum ecert_status ecert_network_probe_all(
    struct ecert_network *network, const struct ecert_probe *probes, size_t n, const char *key_type,
    unsigned timeout_ms, ecert_network_progress_fn *progress, void *context, struct ecert_seen *ret,
    struct ecert_error *err);

/*
 * This one was decoded in a limited child when it was taken: the same bytes, seen in a handshake,
 * need no second trial (a child costs as much as half a handshake).
 */
void ecert_network_knows(struct ecert_network *network, const X509 *certificate);

#endif
