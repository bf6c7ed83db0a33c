/*
 * ecert-net: the network half.  Started by ecert (core/flow/network.c), never by hand; it answers
 * requests on descriptor 0 (protocol.h) until that closes.
 *
 * Order: empty the environment, load what is loaded from files, lock ourselves in, and only then
 * look at the first byte from anybody.
 */
#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/message.h"
#include "core/base/process.h"
#include "core/net/caa.h"
#include "core/net/fetch.h"
#include "core/net/jail.h"
#include "core/net/probe.h"
#include "core/net/protocol.h"
#include "core/net/send.h"
#include "core/net/transfer.h"

/* What was read and not yet taken. */
struct inbox {
    struct ecert_buffer buffer;
    size_t taken;
};

/* ECERT_E_NOT_FOUND: the parent closed its end. */
static enum ecert_status read_more(struct inbox *inbox, struct ecert_error *err)
{
    uint8_t chunk[16384];
    ssize_t n;

    do
        n = read(ECERT_NET_SOCKET, chunk, sizeof chunk);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return ecert_error_set(err, ECERT_E_NOT_FOUND, "the parent is gone");
    ecert_buffer_add(&inbox->buffer, (struct ecert_view){chunk, (size_t)n});
    OPENSSL_cleanse(chunk, (size_t)n);
    return inbox->buffer.failed ? ecert_error_nomem(err) : ECERT_OK;
}

/* A MAIL or POST brings what it delivers along; nothing else may be that long. */
static size_t limit_of(struct ecert_view stream)
{
    if (stream.len >= 8 && /* its length, its kind: message.h */
        !((stream.ptr[4] == ECERT_NET_MAIL || stream.ptr[4] == ECERT_NET_POST) &&
          stream.ptr[5] == 0 && stream.ptr[6] == 0 && stream.ptr[7] == 0))
        return ECERT_NET_MAX_REQUEST;
    return ECERT_NET_MAX_REQUEST + ECERT_NET_MAX_CONTENT;
}

/* The next message; its fields are valid until the next call. */
static enum ecert_status next_message(struct inbox *inbox, struct ecert_message *ret,
                                      struct ecert_error *err)
{
    for (;;) {
        struct ecert_view left = {inbox->buffer.ptr + inbox->taken,
                                  inbox->buffer.len - inbox->taken};
        const size_t before = left.len;
        const enum ecert_status status =
            before == 0 ? ECERT_E_NOT_FOUND : ecert_message_decode(&left, limit_of(left), ret, err);

        if (status == ECERT_OK)
            inbox->taken += before - left.len;
        if (status != ECERT_E_NOT_FOUND)
            return status;
        if (inbox->taken == inbox->buffer.len) { /* all taken: begin at the front again */
            OPENSSL_cleanse(inbox->buffer.ptr,
                            inbox->buffer.len); /* maybe a password; maybe NULL */
            inbox->buffer.len = 0;
            inbox->taken = 0;
        }
        ECERT_TRY(read_more(inbox, err));
    }
}

static enum ecert_status send_failure(const struct ecert_error *failure, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_message message = {.kind = ECERT_NET_FAILED};
    uint8_t status[8];

    ecert_message_add_number(&message, (int64_t)failure->status, status);
    ecert_message_add_text(&message, failure->text);
    ecert_message_encode(&message, &out);
    if (out.failed)
        return ecert_error_nomem(err);
    return ecert_write_all(ECERT_NET_SOCKET, ecert_buffer_view(&out), err);
}

/* What one request and one answer are. */
static enum ecert_status answer_one(CURLM *multi, const struct ecert_message *message,
                                    struct ecert_buffer *out, struct ecert_error *err)
{
    switch (message->kind) {
    case ECERT_NET_FETCH:
        return ecert_net_fetch(multi, message, out, err);
    case ECERT_NET_MAIL:
        return ecert_net_mail(multi, message, out, err);
    case ECERT_NET_POST:
        return ecert_net_post(multi, message, out, err);
    default:
        return ecert_net_caa(message, out, err);
    }
}

static bool is_for_one_answer(uint32_t kind)
{
    return kind == ECERT_NET_FETCH || kind == ECERT_NET_MAIL || kind == ECERT_NET_POST ||
           kind == ECERT_NET_CAA;
}

static enum ecert_status probe(CURLM *multi, struct inbox *inbox,
                               const struct ecert_message *message, struct ecert_error *err)
{
    ECERT_AUTO(ecert_net_probe_clear) struct ecert_net_probe probe = {0};

    ECERT_TRY(ecert_net_probe_read(message, &probe, err));
    for (size_t i = 0; i < probe.n; i++) {
        struct ecert_message endpoint = {0};

        ECERT_TRY(next_message(inbox, &endpoint, err));
        if (endpoint.kind != ECERT_NET_ENDPOINT)
            return ecert_error_set(err, ECERT_E_REFUSED, "endpoint %zu is missing", i);
        ECERT_TRY(ecert_net_endpoint_read(&endpoint, &probe.endpoints[i], err));
    }
    return ecert_net_probe_run(multi, &probe, ECERT_NET_SOCKET, err);
}

/* Answer one request; anything but ECERT_OK ends the program. */
static enum ecert_status serve_one(CURLM *multi, struct inbox *inbox, struct ecert_error *err)
{
    struct ecert_error failure = {0};
    struct ecert_message message = {0};

    ECERT_TRY(next_message(inbox, &message, err));
    if (is_for_one_answer(message.kind)) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

        if (answer_one(multi, &message, &out, &failure) != ECERT_OK)
            return send_failure(&failure, err);
        return ecert_write_all(ECERT_NET_SOCKET, ecert_buffer_view(&out), err);
    }
    if (message.kind != ECERT_NET_PROBE)
        return ecert_error_set(err, ECERT_E_REFUSED, "a message of kind %u",
                               (unsigned)message.kind);
    if (probe(multi, inbox, &message, &failure) != ECERT_OK) {
        /* in the middle of its endpoints or its answers: there is no going on */
        ECERT_TRY(send_failure(&failure, err));
        *err = failure;
        return failure.status;
    }
    return ECERT_OK;
}

/* Descriptor 0 is one end of a socket pair when ecert starts this program, and at no other time. */
static bool is_started_by_ecert(void)
{
    int domain = 0;
    socklen_t size = sizeof domain;

    return getsockopt(ECERT_NET_SOCKET, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           domain == AF_UNIX;
}

static enum ecert_status start(CURLM **ret_multi, struct ecert_error *err)
{
    ECERT_TRY(ecert_process_harden(err));
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return ecert_error_errno(err, ECERT_E_IO, "ignore SIGPIPE");
    /* openssl.cnf can load foreign code; whoever comes first decides, so before libcurl */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "start OpenSSL");
    ECERT_TRY(ecert_jail_enter(err));
    if (ecert_transfer_init() != CURLE_OK || (*ret_multi = curl_multi_init()) == NULL)
        return ecert_error_set(err, ECERT_E_IO, "start libcurl");
    return ECERT_OK;
}

int main(void)
{
    struct inbox inbox = {0};
    struct ecert_error err = {0};
    CURLM *multi = NULL;

    if (!is_started_by_ecert()) {
        (void)fputs("ecert-net: this is the network half of ecert, which starts it; see "
                    "`ecert --help`\n",
                    stderr);
        return 2;
    }
    if (start(&multi, &err) != ECERT_OK) {
        struct ecert_error ignored = {0};

        (void)ecert_error_wrap(&err, "ecert-net cannot lock itself in");
        (void)send_failure(&err, &ignored);
        return 1;
    }
    while (serve_one(multi, &inbox, &err) == ECERT_OK)
        continue;
    ecert_buffer_clear(&inbox.buffer);
    (void)curl_multi_cleanup(multi);
    curl_global_cleanup();
    return err.status == ECERT_E_NOT_FOUND ? 0 : 1;
}
