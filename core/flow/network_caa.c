/* The half of network.h that looks CAA records up. */

#include <ctype.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/flow/network_internal.h"
#include "core/net/protocol.h"

void ecert_caa_records_clear(struct ecert_caa_records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        free(records->items[i].tag);
        free(records->items[i].value);
    }
    free(records->items);
    *records = (struct ecert_caa_records){0};
}

/* Bytes that are no printable ASCII become '?': no issuer's name has one, and none is hidden. */
static void make_text(char *text, bool lower)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        *text = c < 0x20 || c > 0x7e ? '?' : lower ? (char)tolower(c) : (char)c;
    }
}

static enum ecert_status take_text(struct ecert_view bytes, bool lower, char **ret,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    for (size_t i = 0; i < bytes.len; i++) {
        const uint8_t byte = bytes.ptr[i] == 0 ? (uint8_t)'?' : bytes.ptr[i];

        ecert_buffer_add(&text, (struct ecert_view){&byte, 1});
    }
    if (text.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_text_copy(ecert_buffer_view(&text), ret, err));
    make_text(*ret, lower);
    return ECERT_OK;
}

/* RDATA of RFC 8659, 4.1: flags, length of the tag, tag, value. */
static enum ecert_status read_record(struct ecert_view bytes, struct ecert_caa_record *ret,
                                     struct ecert_error *err)
{
    if (bytes.len < 2 || bytes.ptr[1] == 0 || bytes.ptr[1] > bytes.len - 2)
        return ecert_error_set(err, ECERT_E_NETWORK, "a CAA record that is not one");
    const size_t tag_len = bytes.ptr[1];

    ret->critical = (bytes.ptr[0] & 0x80) != 0;
    ECERT_TRY(take_text((struct ecert_view){bytes.ptr + 2, tag_len}, true, &ret->tag, err));
    return take_text((struct ecert_view){bytes.ptr + 2 + tag_len, bytes.len - 2 - tag_len}, false,
                     &ret->value, err);
}

static enum ecert_status read_records(const struct ecert_message *message,
                                      struct ecert_caa_records *ret, struct ecert_error *err)
{
    if (message->n == 0)
        return ECERT_OK;
    ret->items = calloc(message->n, sizeof *ret->items);
    if (ret->items == NULL)
        return ecert_error_nomem(err);
    ret->n = message->n;
    for (size_t i = 0; i < message->n; i++)
        ECERT_TRY(read_record(message->fields[i], &ret->items[i], err));
    return ECERT_OK;
}

static enum ecert_status ask(struct ecert_talk *talk, const struct ecert_message *request,
                             struct ecert_caa_records *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_message answer = {0};

    ecert_message_encode(request, &out);
    if (out.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_talk_send(talk, ecert_buffer_view(&out), err));
    ECERT_TRY(ecert_talk_receive(talk, ECERT_NET_RECORDS, &answer, err));
    return read_records(&answer, ret, err);
}

enum ecert_status ecert_network_caa(struct ecert_network *network, const char *resolver,
                                    const char *name, unsigned timeout_ms,
                                    struct ecert_caa_records *ret, struct ecert_error *err)
{
    struct ecert_message request = {.kind = ECERT_NET_CAA};
    struct ecert_caa_records records = {0};
    uint8_t limit[8];

    ecert_message_add_text(&request, resolver);
    ecert_message_add_text(&request, name);
    ecert_message_add_number(&request, timeout_ms, limit);
    ECERT_TRY(ecert_network_start(network, err));
    ECERT_AUTO(ecert_talk_clear)
    struct ecert_talk talk = {.network = network,
                              .until =
                                  ecert_clock_monotonic_ms() + timeout_ms + ECERT_TALK_GRACE_MS,
                              .max_len = (size_t)1 << 20};
    const enum ecert_status status = ask(&talk, &request, &records, err);
    if (status == ECERT_OK) {
        *ret = records;
        return ECERT_OK;
    }
    ecert_caa_records_clear(&records);
    if (!talk.told) /* half an answer may still be on its way */
        (void)ecert_network_stop(network);
    return status;
}
