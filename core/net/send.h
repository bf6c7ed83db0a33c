/*
 * One mail by smtp or smtps, and one POST, inside the jail.  See core/flow/network.h for what the
 * root side promises; this is where it is kept.
 *
 * Accepted means accepted by the other side, and once it was, nothing that goes wrong afterwards
 * takes it back: whoever hears of a failure sends again.
 *
 * A password goes over TLS or nowhere, by AUTH PLAIN or LOGIN (under TLS the older challenges gain
 * nothing, and a server that offers them to everybody seldom has what they need).  It is in no
 * sentence: a server that repeats it loses its words.  Nor is an address that is a secret: of those
 * only libcurl's fixed sentences are told, never what it says of this host and this path.
 */
#ifndef ECERT_NET_SEND_H
#define ECERT_NET_SEND_H

#include <curl/curl.h>

#include "core/base/bytes.h"
#include "core/base/message.h"

/*
 * Carry out an ECERT_NET_MAIL or ECERT_NET_POST and append the ECERT_NET_SENT to `answer`.  `multi`
 * has no transfers.  Errors as ecert_network_mail() and ecert_network_post() tell them, and
 * ECERT_E_REFUSED: not a valid request.
 */
ECERT_MUST_CHECK enum ecert_status ecert_net_mail(CURLM *multi, const struct ecert_message *request,
                                                  struct ecert_buffer *answer,
                                                  struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_net_post(CURLM *multi, const struct ecert_message *request,
                                                  struct ecert_buffer *answer,
                                                  struct ecert_error *err);

#endif
