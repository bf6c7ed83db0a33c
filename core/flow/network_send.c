/* The sending half of network.h. */

#include <string.h>

#include "core/base/clock.h"
#include "core/flow/network_internal.h"
#include "core/net/protocol.h"

/* One request to its end.  `content` is the part of it that may be long. */
static enum ecert_status ask(struct ecert_talk *talk, const struct ecert_message *request,
                             struct ecert_view content, struct ecert_message *ret,
                             struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

    if (content.len > ECERT_NET_MAX_CONTENT)
        return ecert_error_set(err, ECERT_E_REFUSED, "%zu bytes to send (limit %zu)", content.len,
                               ECERT_NET_MAX_CONTENT);
    ecert_message_encode(request, &out);
    if (out.failed)
        return ecert_error_nomem(err);
    if (out.len - content.len > ECERT_NET_MAX_REQUEST)
        return ecert_error_set(err, ECERT_E_REFUSED, "an address of %zu bytes",
                               out.len - content.len);
    ECERT_TRY(ecert_talk_send(talk, ecert_buffer_view(&out), err));
    ECERT_TRY(ecert_talk_receive(talk, ECERT_NET_SENT, ret, err));
    if (ret->n != 1)
        return ecert_error_set(err, ECERT_E_NETWORK, "an answer that does not fit the question");
    return ECERT_OK;
}

/* As ask(), keeping at most `max_len` bytes of the answer. */
static enum ecert_status send_request(struct ecert_talk *talk, const struct ecert_message *request,
                                      struct ecert_view content, size_t max_len,
                                      struct ecert_bytes *ret, struct ecert_error *err)
{
    struct ecert_message answer = {0};
    enum ecert_status status = ask(talk, request, content, &answer, err);

    if (status == ECERT_OK && answer.fields[0].len > max_len)
        status = ecert_error_set(err, ECERT_E_NETWORK, "an answer that does not fit the question");
    if (status == ECERT_OK)
        status = ecert_bytes_copy(answer.fields[0], ret, err);
    if (status != ECERT_OK && !talk->told) /* half an answer may still be on its way */
        (void)ecert_network_stop(talk->network);
    return status;
}

enum ecert_status ecert_network_mail(struct ecert_network *network, const struct ecert_mail *mail,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes nothing = {0};
    struct ecert_message request = {.kind = ECERT_NET_MAIL};
    uint8_t require_tls[8], timeout_ms[8];

    ecert_message_add_text(&request, mail->server);
    ecert_message_add_number(&request, mail->require_tls, require_tls);
    ecert_message_add_text(&request, mail->user);
    ecert_message_add(&request, mail->password);
    ecert_message_add_text(&request, mail->ca_file);
    ecert_message_add_text(&request, mail->from);
    ecert_message_add_text(&request, mail->to);
    ecert_message_add_number(&request, mail->timeout_ms, timeout_ms);
    ecert_message_add(&request, mail->message);
    ECERT_TRY(ecert_network_start(network, err));
    /* saying good-bye to the server may take as long again, and is no reason to doubt a 250 */
    ECERT_AUTO(ecert_talk_clear)
    struct ecert_talk talk = {.network = network,
                              .until = ecert_clock_monotonic_ms() + 2 * (int64_t)mail->timeout_ms +
                                       ECERT_TALK_GRACE_MS,
                              .max_len = ECERT_NET_MAX_REQUEST};
    return send_request(&talk, &request, mail->message, 0, &nothing, err);
}

enum ecert_status ecert_network_post(struct ecert_network *network, const struct ecert_post *post,
                                     struct ecert_bytes *ret_answer, struct ecert_error *err)
{
    struct ecert_message request = {.kind = ECERT_NET_POST};
    uint8_t show_url[8], max_len[8], timeout_ms[8], public_only[8], any_http[8];

    ecert_message_add_text(&request, post->url);
    ecert_message_add_number(&request, post->show_url, show_url);
    ecert_message_add_text(&request, post->content_type);
    ecert_message_add_text(&request, post->signature);
    ecert_message_add_text(&request, post->ca_file);
    ecert_message_add_number(&request, (int64_t)post->max_len, max_len);
    ecert_message_add_number(&request, post->timeout_ms, timeout_ms);
    ecert_message_add_number(&request, post->public_only, public_only);
    ecert_message_add_number(&request, post->any_http, any_http);
    ecert_message_add_text(&request, network->proxy);
    ecert_message_add(&request, post->body);
    ECERT_TRY(ecert_network_start(network, err));
    ECERT_AUTO(ecert_talk_clear)
    struct ecert_talk talk = {.network = network,
                              .until = ecert_clock_monotonic_ms() + post->timeout_ms +
                                       ECERT_TALK_GRACE_MS,
                              .max_len = post->max_len + ECERT_NET_MAX_REQUEST};
    return send_request(&talk, &request, post->body, post->max_len, ret_answer, err);
}
