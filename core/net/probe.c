#include "core/net/probe.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/net/protocol.h"

/* One handshake under way. */
struct attempt {
    const struct ecert_net_endpoint *endpoint;
    const char *key_type;
    size_t index;
    CURL *easy;
    struct curl_slist *connect_to;
    bool begun, completed; /* the handshake */
    int alert;             /* a fatal one that the server sent; -1: none */
    char reason[CURL_ERROR_SIZE];
    struct ecert_bytes certificates[ECERT_NET_MAX_CERTIFICATES];
    size_t n_certificates;
};

/* The attempt of an SSL_CTX, for OpenSSL's information callback, which has no argument. */
static int attempt_index = -1;

static void attempt_clear(struct attempt *attempt)
{
    curl_easy_cleanup(attempt->easy);
    curl_slist_free_all(attempt->connect_to);
    for (size_t i = 0; i < attempt->n_certificates; i++)
        ecert_bytes_clear(&attempt->certificates[i]);
    *attempt = (struct attempt){0};
}

/* ---- requests ---- */

static void endpoint_clear(struct ecert_net_endpoint *endpoint)
{
    free(endpoint->address);
    free(endpoint->server_name);
    free(endpoint->starttls);
    *endpoint = (struct ecert_net_endpoint){0};
}

void ecert_net_probe_clear(struct ecert_net_probe *probe)
{
    for (size_t i = 0; i < probe->n; i++)
        endpoint_clear(&probe->endpoints[i]);
    free(probe->endpoints);
    free(probe->key_type);
    *probe = (struct ecert_net_probe){0};
}

enum ecert_status ecert_net_probe_read(const struct ecert_message *message,
                                       struct ecert_net_probe *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_net_probe_clear) struct ecert_net_probe probe = {0};
    int64_t timeout_ms, n;

    ECERT_TRY(ecert_message_text(message, 0, &probe.key_type, err));
    ECERT_TRY(ecert_message_number(message, 1, &timeout_ms, err));
    ECERT_TRY(ecert_message_number(message, 2, &n, err));
    if (strcmp(probe.key_type, "") != 0 && strcmp(probe.key_type, "rsa") != 0 &&
        strcmp(probe.key_type, "ec") != 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "the key type is not 'rsa' or 'ec'");
    if (timeout_ms <= 0 || timeout_ms > INT32_MAX || n < 0 || n > ECERT_NET_MAX_ENDPOINTS)
        return ecert_error_set(err, ECERT_E_REFUSED, "a probe of %lld endpoints within %lld ms",
                               (long long)n, (long long)timeout_ms);
    probe.timeout_ms = (unsigned)timeout_ms;
    if (n > 0 && (probe.endpoints = calloc((size_t)n, sizeof *probe.endpoints)) == NULL)
        return ecert_error_nomem(err);
    probe.n = (size_t)n;
    *ret = probe;
    probe = (struct ecert_net_probe){0};
    return ECERT_OK;
}

static bool is_host_name(const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("-._", *p) == NULL)
            return false;
    return strlen(name) <= 255;
}

static bool is_numeric(const char *address)
{
    uint8_t ip[16];

    return inet_pton(AF_INET, address, ip) == 1 || inet_pton(AF_INET6, address, ip) == 1;
}

static bool is_starttls(const char *word)
{
    static const char *const words[] = {"", "smtp", "imap", "pop3", "ftp"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

enum ecert_status ecert_net_endpoint_read(const struct ecert_message *message,
                                          struct ecert_net_endpoint *ret, struct ecert_error *err)
{
    ECERT_AUTO(endpoint_clear) struct ecert_net_endpoint endpoint = {0};
    int64_t port;

    ECERT_TRY(ecert_message_text(message, 0, &endpoint.address, err));
    ECERT_TRY(ecert_message_number(message, 1, &port, err));
    ECERT_TRY(ecert_message_text(message, 2, &endpoint.server_name, err));
    ECERT_TRY(ecert_message_text(message, 3, &endpoint.starttls, err));
    /* these become parts of a URL */
    if (!is_numeric(endpoint.address) || port <= 0 || port > UINT16_MAX ||
        !is_host_name(endpoint.server_name) || !is_starttls(endpoint.starttls))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "not an endpoint: address '%.64s' port %lld, server name '%.255s', "
                               "starttls '%.16s'",
                               endpoint.address, (long long)port, endpoint.server_name,
                               endpoint.starttls);
    endpoint.port = (uint16_t)port;
    *ret = endpoint;
    endpoint = (struct ecert_net_endpoint){0};
    return ECERT_OK;
}

/* ---- what OpenSSL calls ---- */

/* In place of verification, with what the server sent, in its order. */
static int keep_certificates(X509_STORE_CTX *store, void *context)
{
    struct attempt *attempt = context;
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);

    for (int i = 0; i < sk_X509_num(sent); i++) {
        unsigned char *der = NULL;

        if (attempt->n_certificates == ECERT_NET_MAX_CERTIFICATES)
            return 1; /* more says nothing: such a chain is wrong already */
        const int len = i2d_X509(sk_X509_value(sent, i), &der);
        if (len < 0)
            return 0;
        attempt->certificates[attempt->n_certificates++] =
            (struct ecert_bytes){der, (size_t)len}; /* OpenSSL's allocator is malloc */
    }
    return 1;
}

static void watch_handshake(const SSL *ssl, int where, int value)
{
    struct attempt *attempt = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), attempt_index);

    if (attempt == NULL)
        return;
    if ((where & SSL_CB_HANDSHAKE_START) != 0)
        attempt->begun = true;
    if ((where & SSL_CB_HANDSHAKE_DONE) != 0)
        attempt->completed = true;
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        attempt->alert = value;
}

/* Offer only what a key of this kind can sign: the server has to choose its other certificate. */
static bool ask_for_key_type(SSL_CTX *ctx, const char *key_type)
{
    static const struct {
        const char *key_type, *ciphers, *signatures;
    } kinds[] = {
        {"", "ALL:@SECLEVEL=0", NULL},
        {"rsa", "aRSA:@SECLEVEL=0",
         "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pss_pss_sha256:"
         "rsa_pss_pss_sha384:rsa_pss_pss_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA1"},
        {"ec", "aECDSA:@SECLEVEL=0",
         "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:ECDSA+SHA1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].key_type, key_type) == 0)
            return SSL_CTX_set_cipher_list(ctx, kinds[i].ciphers) == 1 &&
                   (kinds[i].signatures == NULL ||
                    SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SIGALGS_LIST, 0,
                                 (void *)(uintptr_t)kinds[i].signatures) ==
                        1); /* SSL_CTX_set1_sigalgs_list() casts const away */
    return false;
}

static CURLcode prepare_tls(CURL *easy, void *ssl_ctx, void *context)
{
    struct attempt *attempt = context;
    SSL_CTX *ctx = ssl_ctx;

    (void)easy;
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_cert_verify_callback(ctx, keep_certificates, attempt);
    SSL_CTX_set_info_callback(ctx, watch_handshake);
    if (SSL_CTX_set_ex_data(ctx, attempt_index, attempt) != 1 ||
        !ask_for_key_type(ctx, attempt->key_type))
        return CURLE_SSL_CONNECT_ERROR;
    return CURLE_OK;
}

/* ---- one attempt ---- */

static bool build_url(const struct ecert_net_endpoint *endpoint, char **ret_url, char **ret_to,
                      struct ecert_error *err)
{
    const bool v6 = strchr(endpoint->address, ':') != NULL;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    const bool tls_at_once = endpoint->starttls[0] == '\0';
    const bool named = endpoint->server_name[0] != '\0';

    /* the URL's host is what becomes SNI; an address in its place is not sent as SNI.
     * The path is the name that we greet an SMTP server with. */
    return ecert_text_format(ret_url, err, "%s://%s%s%s:%u/localhost",
                             tls_at_once ? "https" : endpoint->starttls, named ? "" : open,
                             named ? endpoint->server_name : endpoint->address, named ? "" : close,
                             (unsigned)endpoint->port) == ECERT_OK &&
           ecert_text_format(ret_to, err, "::%s%s%s:%u", open, endpoint->address, close,
                             (unsigned)endpoint->port) == ECERT_OK;
}

static bool set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,smtp,imap,pop3,ftp") == CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            (long)(CURLPROTO_HTTPS | CURLPROTO_SMTP | CURLPROTO_IMAP |
                                   CURLPROTO_POP3 | CURLPROTO_FTP)) == CURLE_OK;
#endif
}

static bool prepare(struct attempt *attempt, unsigned timeout_ms)
{
    ECERT_AUTO(ecert_auto_free) char *url = NULL;
    ECERT_AUTO(ecert_auto_free) char *to = NULL;
    struct ecert_error ignored = {0};

    if (!build_url(attempt->endpoint, &url, &to, &ignored))
        return false;
    attempt->connect_to = curl_slist_append(NULL, to);
    attempt->easy = curl_easy_init();

    CURL *easy = attempt->easy;
    bool ok = attempt->connect_to != NULL && easy != NULL && set_protocols(easy);
#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_URL, url);
    SET(CURLOPT_CONNECT_TO, attempt->connect_to);
    SET(CURLOPT_PRIVATE, attempt);
    SET(CURLOPT_ERRORBUFFER, attempt->reason);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    SET(CURLOPT_FTPSSLAUTH, (long)CURLFTPAUTH_TLS);
    SET(CURLOPT_SSL_VERIFYPEER, 0L);
    SET(CURLOPT_SSL_VERIFYHOST, 0L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1);
    SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    SET(CURLOPT_SSL_ENABLE_ALPN, 0L);
    SET(CURLOPT_CAINFO, NULL); /* libcurl would parse every anchor of the system, for nothing */
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, prepare_tls);
    SET(CURLOPT_SSL_CTX_DATA, attempt);
#undef SET
    return ok;
}

/* ---- why there was no handshake ---- */

static bool says(const struct attempt *attempt, const char *words)
{
    return strstr(attempt->reason, words) != NULL;
}

static bool answered_without_tls(const struct attempt *attempt)
{
    /* OpenSSL's words for a first byte that begins no TLS record, over its versions */
    return says(attempt, "wrong version number") || says(attempt, "http request") ||
           says(attempt, "packet length too long") || says(attempt, "unknown protocol") ||
           says(attempt, "record layer failure");
}

static void explain_tls(const struct attempt *attempt, struct ecert_buffer *why)
{
    if (attempt->alert >= 0)
        ecert_buffer_printf(why, "the server refused the handshake (alert: %s)",
                            SSL_alert_desc_string_long(attempt->alert));
    else if (answered_without_tls(attempt))
        ecert_buffer_add_text(why, "no TLS is spoken there");
    else if (says(attempt, "SSL_ERROR_SYSCALL") || says(attempt, "unexpected eof") ||
             says(attempt, "reset by peer"))
        ecert_buffer_add_text(why, "the server closed the connection during the handshake");
    else
        ecert_buffer_printf(why, "the handshake failed: %s", attempt->reason);
}

static void explain_connect(const struct attempt *attempt, struct ecert_buffer *why)
{
    long sys_errno = 0;

    (void)curl_easy_getinfo(attempt->easy, CURLINFO_OS_ERRNO, &sys_errno);
    if (sys_errno == ECONNREFUSED)
        ecert_buffer_add_text(why, "connection refused");
    else
        ecert_buffer_printf(why, "cannot connect: %s",
                            sys_errno != 0 ? strerror((int)sys_errno) : attempt->reason);
}

static void explain(const struct attempt *attempt, CURLcode code, struct ecert_buffer *why)
{
    if (code == CURLE_COULDNT_CONNECT)
        explain_connect(attempt, why);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        ecert_buffer_add_text(why, attempt->begun ? "timed out in the handshake" : "timed out");
    else if (code == CURLE_SSL_CONNECT_ERROR || attempt->alert >= 0)
        explain_tls(attempt, why);
    else if (code == CURLE_USE_SSL_FAILED)
        ecert_buffer_add_text(why, "the server does not offer STARTTLS");
    else if (code == CURLE_WEIRD_SERVER_REPLY)
        ecert_buffer_printf(why, "not the greeting of a ready %s server",
                            attempt->endpoint->starttls);
    else
        ecert_buffer_add_text(why, attempt->reason[0] != '\0' ? attempt->reason
                                                              : curl_easy_strerror(code));
}

static enum ecert_status report(const struct attempt *attempt, CURLcode code, int fd,
                                struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer why = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct ecert_message message = {.kind = ECERT_NET_SEEN};
    const bool seen = attempt->completed && attempt->n_certificates > 0;
    uint8_t index[8];

    if (!seen && attempt->completed)
        ecert_buffer_add_text(&why, "the server sent no certificate");
    else if (!seen)
        explain(attempt, code, &why);
    ecert_message_add_number(&message, (int64_t)attempt->index, index);
    ecert_message_add(&message, ecert_buffer_view(&why));
    for (size_t i = 0; seen && i < attempt->n_certificates; i++)
        ecert_message_add(&message, ecert_bytes_view(&attempt->certificates[i]));
    ecert_message_encode(&message, &out);
    if (why.failed || out.failed)
        return ecert_error_nomem(err);
    return ecert_write_all(fd, ecert_buffer_view(&out), err);
}

/* ---- all of them ---- */

struct round {
    CURLM *multi;
    const struct ecert_net_probe *probe;
    int fd;
    struct attempt attempts[ECERT_NET_AT_ONCE]; /* easy == NULL: free */
    size_t started, reported;
};

static enum ecert_status begin_one(struct round *round, struct attempt *attempt,
                                   struct ecert_error *err)
{
    const struct ecert_net_probe *probe = round->probe;

    *attempt = (struct attempt){.endpoint = &probe->endpoints[round->started],
                                .key_type = probe->key_type,
                                .index = round->started,
                                .alert = -1};
    round->started++;
    if (!prepare(attempt, probe->timeout_ms) ||
        curl_multi_add_handle(round->multi, attempt->easy) != CURLM_OK)
        return ecert_error_nomem(err);
    return ECERT_OK;
}

static enum ecert_status begin_some(struct round *round, struct ecert_error *err)
{
    for (size_t i = 0; i < ECERT_NET_AT_ONCE && round->started < round->probe->n; i++)
        if (round->attempts[i].easy == NULL)
            ECERT_TRY(begin_one(round, &round->attempts[i], err));
    return ECERT_OK;
}

static enum ecert_status end_one(struct round *round, struct attempt *attempt, CURLcode code,
                                 struct ecert_error *err)
{
    const enum ecert_status status = report(attempt, code, round->fd, err);

    (void)curl_multi_remove_handle(round->multi, attempt->easy);
    attempt_clear(attempt);
    round->reported++;
    return status;
}

static enum ecert_status end_some(struct round *round, struct ecert_error *err)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(round->multi, &left)) != NULL) {
        char *attempt = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        const CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &attempt);
        ECERT_TRY(end_one(round, (struct attempt *)(void *)attempt, code, err));
    }
    /* after STARTTLS libcurl would log in; what we came for is there already */
    for (size_t i = 0; i < ECERT_NET_AT_ONCE; i++)
        if (round->attempts[i].easy != NULL && round->attempts[i].completed)
            ECERT_TRY(end_one(round, &round->attempts[i], CURLE_OK, err));
    return ECERT_OK;
}

static enum ecert_status run(struct round *round, struct ecert_error *err)
{
    struct curl_waitfd parent = {.fd = round->fd, .events = CURL_WAIT_POLLIN};
    int running;

    while (round->reported < round->probe->n) {
        ECERT_TRY(begin_some(round, err));
        if (curl_multi_perform(round->multi, &running) != CURLM_OK)
            return ecert_error_set(err, ECERT_E_IO, "libcurl failed");
        const size_t before = round->reported;
        ECERT_TRY(end_some(round, err));
        if (round->reported != before)
            continue; /* there is room to begin others */
        parent.revents = 0;
        if (curl_multi_poll(round->multi, &parent, 1, 1000, NULL) != CURLM_OK ||
            parent.revents != 0)
            return ecert_error_set(err, ECERT_E_IO, "the probe was interrupted");
    }
    return ECERT_OK;
}

enum ecert_status ecert_net_probe_run(CURLM *multi, const struct ecert_net_probe *probe, int fd,
                                      struct ecert_error *err)
{
    struct round *round = calloc(1, sizeof *round);

    if (attempt_index < 0)
        attempt_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (round == NULL || attempt_index < 0) {
        free(round);
        return ecert_error_nomem(err);
    }
    round->multi = multi;
    round->probe = probe;
    round->fd = fd;
    const enum ecert_status status = run(round, err);
    for (size_t i = 0; i < ECERT_NET_AT_ONCE; i++)
        if (round->attempts[i].easy != NULL) {
            (void)curl_multi_remove_handle(multi, round->attempts[i].easy);
            attempt_clear(&round->attempts[i]);
        }
    free(round);
    return status;
}
