/*
 * What the parts of probe.h share: one handshake under way, and what was seen in it.
 *
 *   probe_request.c  reads what is asked
 *   probe_attempt.c  begins one connection with libcurl, and says why there was no handshake
 *   probe_tls.c      what is offered in a handshake, and what is kept of it
 *   probe_ldap.c     STARTTLS of LDAP, which libcurl does not know
 *   probe_turns.c    whose turn it is
 *   probe.c          all of them at once
 */
#ifndef ECERT_NET_PROBE_ATTEMPT_H
#define ECERT_NET_PROBE_ATTEMPT_H

#include <openssl/ssl.h>

#include "core/net/probe.h"
#include "core/net/protocol.h"

struct ecert_ldap;

struct ecert_attempt {
    const struct ecert_net_endpoint *endpoint; /* NULL: none is under way */
    const char *key_type;
    size_t index;
    int64_t until; /* monotonic ms */
    CURL *easy;
    struct curl_slist *connect_to;
    struct ecert_ldap *ldap; /* owns the connection, once it is set; `easy` is NULL then */
    bool begun, completed;   /* the handshake */
    int alert;               /* a fatal one that the server sent; -1: none */
    char reason[CURL_ERROR_SIZE];
    struct ecert_bytes certificates[ECERT_NET_MAX_CERTIFICATES];
    size_t n_certificates;
};

/* ---- one connection ---- */

/* Fill an empty one and hand it to `multi`.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_attempt_begin(struct ecert_attempt *attempt, CURLM *multi,
                                                       const struct ecert_net_probe *probe,
                                                       size_t index, struct ecert_error *err);

/* Take it from `multi`; the connection is closed. */
void ecert_attempt_end(struct ecert_attempt *attempt, CURLM *multi);

/* Append why there was no handshake: a sentence about the outcome `code`. */
void ecert_attempt_explain(const struct ecert_attempt *attempt, CURLcode code,
                           struct ecert_buffer *why);

/* With this outcome it leaves a thread behind that still resolves its name. */
bool ecert_attempt_hangs(const struct ecert_attempt *attempt, CURLcode code);

bool ecert_attempt_is_ldap(const struct ecert_attempt *attempt);

/* ---- its handshake ---- */

/* Before the first handshake of the process.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_attempt_init_tls(struct ecert_error *err);

/* Make `ctx` offer what is asked, and keep in `attempt` what is seen; false: OpenSSL refused. */
bool ecert_attempt_prepare_tls(struct ecert_attempt *attempt, SSL_CTX *ctx);

/* ---- LDAP ---- */

/*
 * libcurl has connected: take the connection over (its handle leaves `multi`) and ask for TLS.
 * ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_ldap_take_over(struct ecert_attempt *attempt, CURLM *multi,
                                                        struct ecert_error *err);

/*
 * Go on as far as possible without waiting.  CURLE_AGAIN: not over, ecert_ldap_wants() says what it
 * waits for; CURLE_OK: the handshake was completed; another code, with attempt->reason, is for
 * ecert_attempt_explain().
 */
CURLcode ecert_ldap_step(struct ecert_attempt *attempt);
struct curl_waitfd ecert_ldap_wants(const struct ecert_attempt *attempt);

void ecert_ldap_free(struct ecert_ldap *ldap);

#endif
