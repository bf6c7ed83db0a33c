/* The fetching half of network.h. */

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/flow/network_internal.h"
#include "core/net/protocol.h"

void ecert_fetched_clear(struct ecert_fetched *fetched)
{
    ecert_bytes_clear(&fetched->body);
    free(fetched->etag);
    free(fetched->modified);
    *fetched = (struct ecert_fetched){0};
}

static void encode_fetch(const struct ecert_network *network, const struct ecert_fetch *fetch,
                         struct ecert_buffer *out)
{
    struct ecert_message message = {.kind = ECERT_NET_FETCH};
    uint8_t max_len[8], timeout_ms[8], public_only[8];

    ecert_message_add_text(&message, fetch->url);
    ecert_message_add_number(&message, (int64_t)fetch->max_len, max_len);
    ecert_message_add_number(&message, fetch->timeout_ms, timeout_ms);
    ecert_message_add_text(&message, fetch->ca_file);
    ecert_message_add_text(&message, fetch->etag);
    ecert_message_add_text(&message, fetch->modified);
    ecert_message_add_number(&message, fetch->public_only, public_only);
    ecert_message_add_text(&message, network->proxy);
    ecert_message_encode(&message, out);
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

/* A validator is stored and sent again later: ecert-net lets only printable, short ones pass. */
static enum ecert_status read_validator(const struct ecert_message *message, size_t i, char **ret,
                                        struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;

    ECERT_TRY(ecert_message_text(message, i, &text, err));
    if (text[0] == '\0')
        return ECERT_OK;
    if (strlen(text) > ECERT_NET_MAX_VALIDATOR || !is_printable(text))
        return ecert_error_set(err, ECERT_E_NETWORK, "an answer with an unusable ETag");
    *ret = text;
    text = NULL;
    return ECERT_OK;
}

static enum ecert_status read_fetched(const struct ecert_message *message,
                                      const struct ecert_fetch *fetch, struct ecert_fetched *ret,
                                      struct ecert_error *err)
{
    int64_t unchanged;

    ECERT_TRY(ecert_message_number(message, 0, &unchanged, err));
    if (message->n != 4 || message->fields[1].len > fetch->max_len ||
        (unchanged != 0 &&
         (message->fields[1].len != 0 || (fetch->etag == NULL && fetch->modified == NULL))))
        return ecert_error_set(err, ECERT_E_NETWORK, "an answer that does not fit the question");
    ret->unchanged = unchanged != 0;
    ECERT_TRY(ecert_bytes_copy(message->fields[1], &ret->body, err));
    ECERT_TRY(read_validator(message, 2, &ret->etag, err));
    return read_validator(message, 3, &ret->modified, err);
}

static enum ecert_status talk_fetch(struct ecert_talk *talk, const struct ecert_fetch *fetch,
                                    struct ecert_fetched *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_message message = {0};

    encode_fetch(talk->network, fetch, &out);
    if (out.failed)
        return ecert_error_nomem(err);
    if (out.len > ECERT_NET_MAX_REQUEST)
        return ecert_error_set(err, ECERT_E_REFUSED, "an address of %zu bytes", out.len);
    ECERT_TRY(ecert_talk_send(talk, ecert_buffer_view(&out), err));
    ECERT_TRY(ecert_talk_receive(talk, ECERT_NET_FETCHED, &message, err));
    return read_fetched(&message, fetch, ret, err);
}

enum ecert_status ecert_network_fetch(struct ecert_network *network,
                                      const struct ecert_fetch *fetch, struct ecert_fetched *ret,
                                      struct ecert_error *err)
{
    struct ecert_fetched fetched = {0};

    ECERT_TRY(ecert_network_start(network, err));
    ECERT_AUTO(ecert_talk_clear)
    struct ecert_talk talk = {.network = network,
                              .until = ecert_clock_monotonic_ms() + fetch->timeout_ms +
                                       ECERT_TALK_GRACE_MS,
                              .max_len = fetch->max_len + ECERT_NET_MAX_REQUEST};
    const enum ecert_status status = talk_fetch(&talk, fetch, &fetched, err);
    if (status == ECERT_OK) {
        *ret = fetched;
        return ECERT_OK;
    }
    ecert_fetched_clear(&fetched);
    if (!talk.told) /* half an answer may still be on its way: the next one needs a new process */
        (void)ecert_network_stop(network);
    return status;
}
