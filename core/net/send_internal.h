/* What the two halves of send.h share. */
#ifndef ECERT_NET_SEND_INTERNAL_H
#define ECERT_NET_SEND_INTERNAL_H

#include "core/net/send.h"
#include "core/net/url.h"

/* Wipe, then free. */
void ecert_send_forget(char **text);
void ecert_send_forget_url(struct ecert_url *url);

/* Fields of a request.  ECERT_E_REFUSED: not such a number; longer than content may be. */
ECERT_MUST_CHECK enum ecert_status ecert_send_read_timeout(const struct ecert_message *message,
                                                           size_t i, unsigned *ret,
                                                           struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_send_read_flag(const struct ecert_message *message,
                                                        size_t i, bool *ret,
                                                        struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_send_read_content(const struct ecert_message *message,
                                                           size_t i, struct ecert_view *ret,
                                                           struct ecert_error *err);

/* Options that both set; what is sent is not in it. */
bool ecert_send_prepare(CURL *easy, const char *ca_file, unsigned timeout_ms,
                        char reason[CURL_ERROR_SIZE]);

ECERT_MUST_CHECK enum ecert_status ecert_send_encode(struct ecert_view answered,
                                                     struct ecert_buffer *answer,
                                                     struct ecert_error *err);

#endif
