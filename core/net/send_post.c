/* The POST half of send.h. */

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/protocol.h"
#include "core/net/send_internal.h"
#include "core/net/transfer.h"

/* Read and dropped beyond what is wanted, so that the connection can be used again. */
#define MAX_DROPPED ((size_t)64 << 10)

#define HIDDEN "the webhook" /* instead of an address that is a secret */

struct post {
    char *url, *content_type, *signature, *ca_file, *proxy; /* "" is none, but for the first two */
    struct ecert_view body;                                 /* in the request */
    size_t max_len;
    bool show_url, public_only, any_http;
    unsigned timeout_ms;
};

/* The way of one POST to its server. */
struct exchange {
    const struct post *post;
    CURL *easy;
    struct ecert_url url;
    char *name;
    struct curl_slist *headers;
    struct ecert_transfer_gate gate;
    char reason[CURL_ERROR_SIZE];
    struct ecert_buffer answer;
    size_t dropped;
};

static void post_clear(struct post *post)
{
    ecert_send_forget(&post->url);
    free(post->content_type);
    free(post->signature);
    free(post->ca_file);
    free(post->proxy);
    *post = (struct post){0};
}

static void exchange_clear(struct exchange *exchange)
{
    curl_easy_cleanup(exchange->easy);
    curl_slist_free_all(exchange->headers);
    ecert_send_forget_url(&exchange->url);
    free(exchange->name);
    ecert_buffer_clear(&exchange->answer);
    explicit_bzero(exchange, sizeof *exchange);
}

/* ---- the request ---- */

static enum ecert_status read_post(const struct ecert_message *message, struct post *post,
                                   struct ecert_error *err)
{
    int64_t max_len;

    ECERT_TRY(ecert_message_text(message, 0, &post->url, err));
    ECERT_TRY(ecert_send_read_flag(message, 1, &post->show_url, err));
    ECERT_TRY(ecert_message_text(message, 2, &post->content_type, err));
    ECERT_TRY(ecert_message_text(message, 3, &post->signature, err));
    ECERT_TRY(ecert_message_text(message, 4, &post->ca_file, err));
    ECERT_TRY(ecert_message_number(message, 5, &max_len, err));
    ECERT_TRY(ecert_send_read_timeout(message, 6, &post->timeout_ms, err));
    ECERT_TRY(ecert_send_read_flag(message, 7, &post->public_only, err));
    ECERT_TRY(ecert_send_read_flag(message, 8, &post->any_http, err));
    ECERT_TRY(ecert_message_text(message, 9, &post->proxy, err));
    ECERT_TRY(ecert_send_read_content(message, 10, &post->body, err));
    if (max_len < 0 || max_len > (int64_t)ECERT_NET_MAX_BODY)
        return ecert_error_set(err, ECERT_E_REFUSED, "a size limit of %lld bytes (0 to %zu)",
                               (long long)max_len, ECERT_NET_MAX_BODY);
    if (post->content_type[0] == '\0' || !ecert_transfer_is_printable(post->content_type) ||
        !ecert_transfer_is_printable(post->signature) || !ecert_transfer_is_printable(post->url))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "a URL, content type or signature with bytes that are not printable "
                               "ASCII, or no content type");
    post->max_len = (size_t)max_len;
    return ECERT_OK;
}

/* ---- the address ---- */

/* How a sentence begins: the address in quotes, or words for one that is a secret. */
static enum ecert_status name_it(struct exchange *exchange, struct ecert_error *err)
{
    if (!exchange->post->show_url)
        return ecert_text_copy(ecert_view_of(HIDDEN), &exchange->name, err);
    return ecert_text_format(&exchange->name, err, "'%s'", exchange->url.shown);
}

static enum ecert_status read_url(struct exchange *exchange, struct ecert_error *err)
{
    const struct post *post = exchange->post;
    const enum ecert_status status = ecert_url_parse(post->url, &exchange->url, err);

    if (status == ECERT_E_REFUSED && !post->show_url) /* the sentence may show what stands in it */
        return ecert_error_set(err, status,
                               HIDDEN ": its address is not one of the form https://HOST/… (http "
                                      "only to a loopback address)");
    if (status != ECERT_OK)
        return status;
    ECERT_TRY(name_it(exchange, err));
    if (exchange->url.kind == ECERT_URL_FILE)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "%s: an address to send to must begin with https:// (or http:// for "
                               "a loopback address)",
                               exchange->name);
    return ECERT_OK;
}

static bool is_plain(const struct exchange *exchange)
{
    return exchange->url.kind == ECERT_URL_HTTP;
}

/* ---- what libcurl calls ---- */

static size_t take_answer(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;
    const size_t len = size * n, room = exchange->post->max_len - exchange->answer.len;
    const size_t kept = len < room ? len : room;
    long status = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299)
        return 0; /* the text of an error or redirect page: nobody reads it */
    ecert_buffer_add(&exchange->answer, (struct ecert_view){(const uint8_t *)bytes, kept});
    exchange->dropped += len - kept;
    return exchange->dropped > MAX_DROPPED ? 0 : len;
}

/* ---- the transfer ---- */

static bool set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS)) ==
           CURLE_OK;
#endif
}

static bool add_header(struct exchange *exchange, const char *name, const char *value)
{
    ECERT_AUTO(ecert_auto_free) char *line = NULL;
    struct ecert_error ignored = {0};

    if (ecert_text_format(&line, &ignored, "%s:%s%s", name, value[0] == '\0' ? "" : " ", value) !=
        ECERT_OK)
        return false;
    struct curl_slist *longer = curl_slist_append(exchange->headers, line);
    if (longer == NULL)
        return false;
    exchange->headers = longer;
    return true;
}

static bool add_headers(struct exchange *exchange)
{
    const struct post *post = exchange->post;

    return add_header(exchange, "Content-Type", post->content_type) &&
           (post->signature[0] == '\0' ||
            add_header(exchange, "X-Ecert-Signature", post->signature)) &&
           add_header(exchange, "Expect", ""); /* none: it would cost a second of waiting */
}

static bool prepare(struct exchange *exchange)
{
    const struct post *post = exchange->post;
    CURL *easy = exchange->easy = curl_easy_init();
    const bool gated = post->public_only || (is_plain(exchange) && !post->any_http);
    bool ok = ecert_send_prepare(easy, post->ca_file, post->timeout_ms, exchange->reason) &&
              set_protocols(easy) && add_headers(exchange);

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_URL, exchange->url.text);
    SET(CURLOPT_PROXY, gated ? "" : post->proxy);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "ecert/" ECERT_VERSION);
    SET(CURLOPT_HTTPHEADER, exchange->headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
    SET(CURLOPT_POSTFIELDS, post->body.len == 0 ? "" : (const char *)post->body.ptr);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, exchange);
    if (gated) {
        /* what is public is never loopback: plain http is looked at with the narrower of the two */
        exchange->gate.allows =
            post->public_only ? ecert_address_is_public : ecert_address_is_loopback;
        SET(CURLOPT_OPENSOCKETFUNCTION, ecert_transfer_open_socket);
        SET(CURLOPT_OPENSOCKETDATA, &exchange->gate);
        SET(CURLOPT_FRESH_CONNECT, 1L);
    }
#undef SET
    return ok;
}

/* ---- what is told of a failure ---- */

/* libcurl's own sentence names hosts and more: of a secret address only the fixed ones are told. */
static const char *reason_of(struct exchange *exchange, CURLcode code)
{
    long verified = X509_V_OK;

    if (exchange->post->show_url)
        return ecert_transfer_reason(exchange->reason, code);
    if (code == CURLE_PEER_FAILED_VERIFICATION &&
        curl_easy_getinfo(exchange->easy, CURLINFO_SSL_VERIFYRESULT, &verified) == CURLE_OK)
        /* libcurl leaves "unspecified" when the chain is good and the name is not */
        return verified != X509_V_OK && verified != X509_V_ERR_UNSPECIFIED
                   ? X509_verify_cert_error_string(verified)
                   : "its certificate is not one for that host";
    exchange->reason[0] = '\0';
    return ecert_transfer_reason(exchange->reason, code);
}

static enum ecert_status explain_gate(const struct exchange *exchange, struct ecert_error *err)
{
    const char *address = exchange->post->show_url ? exchange->gate.refused : "one";

    if (exchange->post->public_only)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "%s: its host has no public address but %s, and only public "
                               "addresses are wanted",
                               exchange->name, address);
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "%s: http without TLS is sent to a loopback address only "
                           "(127.0.0.0/8, ::1), and its host has %s; use https",
                           exchange->name, address);
}

static enum ecert_status explain(struct exchange *exchange, CURLcode code, struct ecert_error *err)
{
    const struct post *post = exchange->post;
    long sys_errno = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &sys_errno);
    if (exchange->gate.refused[0] != '\0')
        return explain_gate(exchange, err);
    if (code == CURLE_OUT_OF_MEMORY)
        return ecert_error_nomem(err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ecert_error_set(err, ECERT_E_TIMEOUT, "%s did not answer within %u.%u seconds",
                               exchange->name, post->timeout_ms / 1000,
                               post->timeout_ms % 1000 / 100);
    if (code == CURLE_COULDNT_CONNECT && sys_errno != 0) {
        errno = (int)sys_errno;
        return ecert_error_errno(err, ECERT_E_NETWORK, "%s: connect", exchange->name);
    }
    return ecert_error_set(err, ECERT_E_NETWORK, "%s: %s", exchange->name,
                           reason_of(exchange, code));
}

static enum ecert_status judge(struct exchange *exchange, CURLcode code, struct ecert_error *err)
{
    long status = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status <= 299) /* taken, however the answer goes on: `code` may complain */
        return exchange->answer.failed ? ecert_error_nomem(err) : ECERT_OK;
    if (status >= 300 && status <= 399)
        return ecert_error_set(err, ECERT_E_NETWORK,
                               "%s: HTTP status %ld, a redirect, which is not followed; configure "
                               "the address that it leads to",
                               exchange->name, status);
    if (status >= 400)
        return ecert_error_set(err, ECERT_E_NETWORK, "%s: HTTP status %ld", exchange->name, status);
    return explain(exchange, code, err);
}

static enum ecert_status send_it(CURLM *multi, struct exchange *exchange, struct ecert_error *err)
{
    const struct post *post = exchange->post;
    CURLcode code = CURLE_OK;

    ECERT_TRY(read_url(exchange, err));
    if (post->ca_file[0] != '\0' && !is_plain(exchange))
        ECERT_TRY(ecert_transfer_check_readable(
            post->ca_file, "anchors for ", post->show_url ? exchange->url.shown : HIDDEN, err));
    if (!prepare(exchange))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "%s: libcurl refuses the request (is the proxy's address valid?)",
                               exchange->name);
    ECERT_TRY(ecert_transfer_run(multi, exchange->easy, &code, err));
    return judge(exchange, code, err);
}

enum ecert_status ecert_net_post(CURLM *multi, const struct ecert_message *request,
                                 struct ecert_buffer *answer, struct ecert_error *err)
{
    ECERT_AUTO(post_clear) struct post post = {0};
    ECERT_AUTO(exchange_clear) struct exchange exchange = {.post = &post};

    ECERT_TRY(read_post(request, &post, err));
    ECERT_TRY(send_it(multi, &exchange, err));
    return ecert_send_encode(ecert_buffer_view(&exchange.answer), answer, err);
}
