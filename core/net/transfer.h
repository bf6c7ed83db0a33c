/*
 * What every transfer here shares, whether it fetches (fetch.h) or sends (send.h).
 *
 * libcurl and libldap copy what they are told, passwords and secret addresses too, and free without
 * wiping: therefore they get an allocator that wipes whatever they give back.
 */
#ifndef ECERT_NET_TRANSFER_H
#define ECERT_NET_TRANSFER_H

#include <curl/curl.h>

#include "core/base/bytes.h"
#include "core/net/address.h"

#define ECERT_TRANSFER_CONNECT_MS 10000L /* at most, of the time of the whole */

/* Instead of curl_global_init(). */
CURLcode ecert_transfer_init(void);

/* Run one transfer to its end.  ECERT_E_IO: the parent spoke or went away meanwhile. */
ECERT_MUST_CHECK enum ecert_status ecert_transfer_run(CURLM *multi, CURL *easy, CURLcode *ret,
                                                      struct ecert_error *err);

/* What libcurl says in its CURLOPT_ERRORBUFFER, or else of the code, beginning as ours do. */
const char *ecert_transfer_reason(char reason[CURL_ERROR_SIZE], CURLcode code);

/*
 * Which addresses a transfer may connect to.  Looked at after the name was resolved: a name that
 * changes its answer gains nothing.  For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_OPENSOCKETDATA,
 * with CURLOPT_FRESH_CONNECT: a connection that is open has not been looked at.
 */
struct ecert_transfer_gate {
    bool (*allows)(const struct sockaddr *address);
    char refused[ECERT_ADDRESS_TEXT_LEN]; /* one that it would have gone to; "": none */
};
curl_socket_t ecert_transfer_open_socket(void *gate, curlsocktype purpose,
                                         struct curl_sockaddr *address);

/* Can ecert-net read this file?  `what` begins the sentence: "" or "anchors for ". */
ECERT_MUST_CHECK enum ecert_status ecert_transfer_check_readable(const char *path, const char *what,
                                                                 const char *shown,
                                                                 struct ecert_error *err);

/* Nothing but printable ASCII: no line break that would begin a header of its own. */
bool ecert_transfer_is_printable(const char *text);

#endif
