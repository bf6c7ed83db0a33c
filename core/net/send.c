/* What the two halves of send.h share: send_mail.c and send_post.c. */

#include <stdlib.h>
#include <string.h>

#include "core/net/protocol.h"
#include "core/net/send_internal.h"
#include "core/net/transfer.h"

void ecert_send_forget(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    ecert_auto_free(text);
}

void ecert_send_forget_url(struct ecert_url *url)
{
    char **const texts[] = {&url->text, &url->shown, &url->host, &url->path};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ecert_send_forget(texts[i]);
    *url = (struct ecert_url){0};
}

enum ecert_status ecert_send_read_timeout(const struct ecert_message *message, size_t i,
                                          unsigned *ret, struct ecert_error *err)
{
    int64_t timeout_ms;

    ECERT_TRY(ecert_message_number(message, i, &timeout_ms, err));
    if (timeout_ms <= 0 || timeout_ms > INT32_MAX)
        return ecert_error_set(err, ECERT_E_REFUSED, "a time limit of %lld ms",
                               (long long)timeout_ms);
    *ret = (unsigned)timeout_ms;
    return ECERT_OK;
}

enum ecert_status ecert_send_read_flag(const struct ecert_message *message, size_t i, bool *ret,
                                       struct ecert_error *err)
{
    int64_t flag;

    ECERT_TRY(ecert_message_number(message, i, &flag, err));
    *ret = flag != 0;
    return ECERT_OK;
}

enum ecert_status ecert_send_read_content(const struct ecert_message *message, size_t i,
                                          struct ecert_view *ret, struct ecert_error *err)
{
    if (message->n != i + 1) /* it is the last field of both */
        return ecert_error_set(err, ECERT_E_REFUSED, "message %u: %zu fields instead of %zu",
                               (unsigned)message->kind, message->n, i + 1);
    if (message->fields[i].len > ECERT_NET_MAX_CONTENT)
        return ecert_error_set(err, ECERT_E_REFUSED, "more than %zu bytes to send",
                               ECERT_NET_MAX_CONTENT);
    *ret = message->fields[i];
    return ECERT_OK;
}

bool ecert_send_prepare(CURL *easy, const char *ca_file, unsigned timeout_ms,
                        char reason[CURL_ERROR_SIZE])
{
    const long timeout = (long)timeout_ms;
    bool ok = easy != NULL;

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_ERRORBUFFER, reason);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_TIMEOUT_MS, timeout);
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        timeout < ECERT_TRANSFER_CONNECT_MS ? timeout : ECERT_TRANSFER_CONNECT_MS);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, ca_file);
        SET(CURLOPT_CAPATH, NULL); /* these anchors and no others */
    }
#undef SET
    return ok;
}

enum ecert_status ecert_send_encode(struct ecert_view answered, struct ecert_buffer *answer,
                                    struct ecert_error *err)
{
    struct ecert_message message = {.kind = ECERT_NET_SENT};

    ecert_message_add(&message, answered);
    ecert_message_encode(&message, answer);
    return answer->failed ? ecert_error_nomem(err) : ECERT_OK;
}
