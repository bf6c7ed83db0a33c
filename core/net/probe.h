/*
 * TLS handshakes with many endpoints at once, to see which certificates they send.
 *
 * The look is not the judge: no certificate is verified, old protocol versions and weak keys are
 * accepted, so that what is there can be seen and told.  An endpoint counts as seen when the
 * handshake was completed, which proves that the server holds the leaf's key.  Each handshake is a
 * full one on a connection of its own; nothing but the handshake (and what STARTTLS needs before
 * it) is sent.
 */
#ifndef ECERT_NET_PROBE_H
#define ECERT_NET_PROBE_H

#include <curl/curl.h>

#include "core/base/bytes.h"
#include "core/base/message.h"

struct ecert_net_endpoint {
    char *address; /* an IP address, or a host name that is resolved here */
    uint16_t port;
    char *server_name; /* "" is none */
    char *starttls;    /* "" is TLS at once */
};

/* What an ECERT_NET_PROBE announces. */
struct ecert_net_probe {
    char *key_type; /* "", "rsa" or "ec" */
    unsigned timeout_ms;
    struct ecert_net_endpoint *endpoints; /* room for n; the caller fills them */
    size_t n;
};
void ecert_net_probe_clear(struct ecert_net_probe *probe);

/* ECERT_E_REFUSED: not a valid PROBE, not a valid ENDPOINT. */
ECERT_MUST_CHECK enum ecert_status ecert_net_probe_read(const struct ecert_message *message,
                                                        struct ecert_net_probe *ret,
                                                        struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_net_endpoint_read(const struct ecert_message *message,
                                                           struct ecert_net_endpoint *ret,
                                                           struct ecert_error *err);

/* Its address has to be resolved. */
bool ecert_net_endpoint_is_named(const struct ecert_net_endpoint *endpoint);

/*
 * Probe and write one ECERT_NET_SEEN per endpoint to `fd` as it is known, at most
 * ECERT_NET_AT_ONCE at a time, and at most ECERT_NET_AT_ONCE_PLACE of one address and port
 * (probe_turns.h).  `multi` has no transfers.  ECERT_E_IO: the parent is gone;
 * ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_net_probe_run(CURLM *multi,
                                                       const struct ecert_net_probe *probe, int fd,
                                                       struct ecert_error *err);

#endif
