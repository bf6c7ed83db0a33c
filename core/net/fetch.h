/*
 * One file by http, https or file, inside the jail.  See core/flow/network.h for what the root
 * side promises; this is where it is kept.
 *
 * Nothing of the surroundings takes part: the proxy is the one of the request or none, no .netrc,
 * no cookies, no redirect that libcurl follows by itself.  A sentence shows a URL without its user,
 * password, query and fragment, which may be secrets.
 */
#ifndef ECERT_NET_FETCH_H
#define ECERT_NET_FETCH_H

#include <curl/curl.h>

#include "core/base/bytes.h"
#include "core/base/message.h"

/*
 * Carry out an ECERT_NET_FETCH and append the ECERT_NET_FETCHED to `answer`.  `multi` has no
 * transfers; it keeps connections and parsed anchors between fetches.  Errors as
 * ecert_network_fetch() tells them, and ECERT_E_REFUSED: not a valid request.
 */
ECERT_MUST_CHECK enum ecert_status ecert_net_fetch(CURLM *multi,
                                                   const struct ecert_message *request,
                                                   struct ecert_buffer *answer,
                                                   struct ecert_error *err);

#endif
