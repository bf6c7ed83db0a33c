/* The half of network.h that searches in a directory. */

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/flow/network_internal.h"
#include "core/net/protocol.h"

void ecert_found_clear(struct ecert_found *found)
{
    for (size_t i = 0; i < found->n; i++) {
        ecert_bytes_clear(&found->items[i]);
        free(found->entries[i]);
    }
    free(found->items);
    free(found->entries);
    *found = (struct ecert_found){0};
}

/* A stranger's words, with nothing in them that a terminal could obey. */
static enum ecert_status escape(struct ecert_view words, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    ecert_buffer_add_escaped(&text, words, false);
    if (text.failed)
        return ecert_error_nomem(err);
    return ecert_text_copy(ecert_buffer_view(&text), ret, err);
}

static enum ecert_status read_notes(const struct ecert_message *message,
                                    struct ecert_strings *notes, struct ecert_error *err)
{
    for (size_t i = 1; i < message->n; i++) {
        ECERT_AUTO(ecert_auto_free) char *note = NULL;

        ECERT_TRY(escape(message->fields[i], &note, err));
        ECERT_TRY(ecert_strings_add(notes, note, err));
    }
    return ECERT_OK;
}

static enum ecert_status read_found(struct ecert_talk *talk, size_t i, size_t *left,
                                    struct ecert_found *found, struct ecert_error *err)
{
    struct ecert_message message = {0};

    ECERT_TRY(ecert_talk_receive(talk, ECERT_NET_FOUND, &message, err));
    if (message.n != 2 || message.fields[0].len > ECERT_NET_MAX_ENTRY_NAME ||
        message.fields[1].len > *left || message.fields[0].len > *left - message.fields[1].len)
        return ecert_error_set(err, ECERT_E_NETWORK, "an answer that does not fit the question");
    *left -= message.fields[0].len + message.fields[1].len;
    found->n = i + 1; /* from here on it is cleared with the others */
    ECERT_TRY(escape(message.fields[0], &found->entries[i], err));
    return ecert_bytes_copy(message.fields[1], &found->items[i], err);
}

static enum ecert_status ask(struct ecert_talk *talk, const struct ecert_message *request,
                             size_t max_len, struct ecert_found *found, struct ecert_strings *notes,
                             struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_message answer = {0};
    int64_t n;

    ecert_message_encode(request, &out);
    if (out.failed)
        return ecert_error_nomem(err);
    if (out.len > ECERT_NET_MAX_REQUEST)
        return ecert_error_set(err, ECERT_E_REFUSED, "a question of %zu bytes", out.len);
    ECERT_TRY(ecert_talk_send(talk, ecert_buffer_view(&out), err));
    ECERT_TRY(ecert_talk_receive(talk, ECERT_NET_SEARCHED, &answer, err));
    ECERT_TRY(ecert_message_number(&answer, 0, &n, err));
    if (n < 0 || n > ECERT_NET_MAX_FOUND)
        return ecert_error_set(err, ECERT_E_NETWORK, "an answer that does not fit the question");
    ECERT_TRY(read_notes(&answer, notes, err));
    found->items = calloc((size_t)n + 1, sizeof *found->items);
    found->entries = calloc((size_t)n + 1, sizeof *found->entries);
    if (found->items == NULL || found->entries == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < (size_t)n; i++)
        ECERT_TRY(read_found(talk, i, &max_len, found, err));
    return ECERT_OK;
}

enum ecert_status ecert_network_search(struct ecert_network *network,
                                       const struct ecert_search *search, struct ecert_found *ret,
                                       struct ecert_strings *ret_notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_found_clear) struct ecert_found found = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_message request = {.kind = ECERT_NET_SEARCH};
    uint8_t max_len[8], timeout_ms[8];

    ecert_message_add_text(&request, search->url);
    ecert_message_add_text(&request, search->base);
    ecert_message_add_text(&request, search->filter);
    ecert_message_add_text(&request, search->bind_dn);
    ecert_message_add(&request, search->password);
    ecert_message_add_text(&request, search->ca_file);
    ecert_message_add_number(&request, (int64_t)search->max_len, max_len);
    ecert_message_add_number(&request, search->timeout_ms, timeout_ms);
    ECERT_TRY(ecert_network_start(network, err));
    ECERT_AUTO(ecert_talk_clear)
    struct ecert_talk talk = {.network = network,
                              .until = ecert_clock_monotonic_ms() + search->timeout_ms +
                                       ECERT_TALK_GRACE_MS,
                              .max_len = search->max_len + ECERT_NET_MAX_REQUEST};
    enum ecert_status status = ask(&talk, &request, search->max_len, &found, &notes, err);
    if (status != ECERT_OK && !talk.told) /* half an answer may still be on its way */
        (void)ecert_network_stop(network);
    if (status == ECERT_OK)
        status = ecert_strings_add_all(ret_notes, ecert_strings_array(&notes), err);
    if (status != ECERT_OK)
        return status;
    *ret = found;
    found = (struct ecert_found){0};
    return ECERT_OK;
}
