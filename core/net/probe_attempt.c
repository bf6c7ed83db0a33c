#include "core/net/probe_attempt.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"

bool ecert_attempt_is_ldap(const struct ecert_attempt *attempt)
{
    return strcmp(attempt->endpoint->starttls, "ldap") == 0;
}

static const char *scheme(const struct ecert_attempt *attempt)
{
    if (ecert_attempt_is_ldap(attempt))
        return "http"; /* nothing of it is spoken: libcurl resolves and connects */
    return attempt->endpoint->starttls[0] == '\0' ? "https" : attempt->endpoint->starttls;
}

static bool build_url(const struct ecert_attempt *attempt, char **ret_url, char **ret_to,
                      struct ecert_error *err)
{
    const struct ecert_net_endpoint *endpoint = attempt->endpoint;
    const bool v6 = strchr(endpoint->address, ':') != NULL;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";

    /* the URL's host is what becomes SNI, and an IP address is never sent as SNI: where there is no
     * server name, one stands in for it.  The path is the name that we greet an SMTP server with */
    return ecert_text_format(ret_url, err, "%s://%s:%u/localhost", scheme(attempt),
                             endpoint->server_name[0] != '\0' ? endpoint->server_name : "127.0.0.1",
                             (unsigned)endpoint->port) == ECERT_OK &&
           ecert_text_format(ret_to, err, "::%s%s%s:%u", open, endpoint->address, close,
                             (unsigned)endpoint->port) == ECERT_OK;
}

static bool set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,smtp,imap,pop3,ftp") ==
           CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS | CURLPROTO_SMTP |
                                   CURLPROTO_IMAP | CURLPROTO_POP3 | CURLPROTO_FTP)) == CURLE_OK;
#endif
}

static CURLcode prepare_tls(CURL *easy, void *ssl_ctx, void *attempt)
{
    (void)easy;
    return ecert_attempt_prepare_tls(attempt, ssl_ctx) ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

static bool prepare(struct ecert_attempt *attempt, unsigned timeout_ms)
{
    ECERT_AUTO(ecert_auto_free) char *url = NULL;
    ECERT_AUTO(ecert_auto_free) char *to = NULL;
    struct ecert_error ignored = {0};

    if (!build_url(attempt, &url, &to, &ignored))
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
    /* the connection ends with the attempt; LDAP goes on with it */
    SET(CURLOPT_FORBID_REUSE, ecert_attempt_is_ldap(attempt) ? 0L : 1L);
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
#if LIBCURL_VERSION_NUM >= 0x075700
    /* a thread that still resolves when its time is over is left behind: waiting for it (as long as
     * the resolver tries, ten seconds and more) would stop all the others */
    SET(CURLOPT_QUICK_EXIT, 1L);
#endif
#undef SET
    return ok;
}

enum ecert_status ecert_attempt_begin(struct ecert_attempt *attempt, CURLM *multi,
                                      const struct ecert_net_probe *probe, size_t index,
                                      struct ecert_error *err)
{
    *attempt = (struct ecert_attempt){.endpoint = &probe->endpoints[index],
                                      .key_type = probe->key_type,
                                      .index = index,
                                      .until = ecert_clock_monotonic_ms() + probe->timeout_ms,
                                      .alert = -1};
    if (!prepare(attempt, probe->timeout_ms) ||
        curl_multi_add_handle(multi, attempt->easy) != CURLM_OK)
        return ecert_error_nomem(err);
    return ECERT_OK;
}

void ecert_attempt_end(struct ecert_attempt *attempt, CURLM *multi)
{
    if (attempt->easy != NULL)
        (void)curl_multi_remove_handle(multi, attempt->easy);
    curl_easy_cleanup(attempt->easy);
    curl_slist_free_all(attempt->connect_to);
    ecert_ldap_free(attempt->ldap);
    for (size_t i = 0; i < attempt->n_certificates; i++)
        ecert_bytes_clear(&attempt->certificates[i]);
    *attempt = (struct ecert_attempt){0};
}

/* ---- why there was no handshake ---- */

static bool says(const struct ecert_attempt *attempt, const char *words)
{
    return strstr(attempt->reason, words) != NULL;
}

static bool answered_without_tls(const struct ecert_attempt *attempt)
{
    /* OpenSSL's words for a first byte that begins no TLS record, over its versions */
    return says(attempt, "wrong version number") || says(attempt, "http request") ||
           says(attempt, "packet length too long") || says(attempt, "unknown protocol") ||
           says(attempt, "record layer failure");
}

static void explain_tls(const struct ecert_attempt *attempt, struct ecert_buffer *why)
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

static void explain_connect(const struct ecert_attempt *attempt, struct ecert_buffer *why)
{
    long sys_errno = 0;

    (void)curl_easy_getinfo(attempt->easy, CURLINFO_OS_ERRNO, &sys_errno);
    if (sys_errno == ECONNREFUSED)
        ecert_buffer_add_text(why, "connection refused");
    else
        ecert_buffer_printf(why, "cannot connect: %s",
                            sys_errno != 0 ? strerror((int)sys_errno) : attempt->reason);
}

bool ecert_attempt_hangs(const struct ecert_attempt *attempt, CURLcode code)
{
    return code == CURLE_OPERATION_TIMEDOUT && says(attempt, "Resolving timed out");
}

static void explain_timeout(const struct ecert_attempt *attempt, struct ecert_buffer *why)
{
    if (attempt->begun)
        ecert_buffer_add_text(why, "timed out in the handshake");
    else if (ecert_attempt_hangs(attempt, CURLE_OPERATION_TIMEDOUT))
        ecert_buffer_add_text(why, "the name was not resolved in time");
    else
        ecert_buffer_add_text(why, "timed out");
}

static void explain_greeting(const struct ecert_attempt *attempt, struct ecert_buffer *why)
{
    if (ecert_attempt_is_ldap(attempt))
        ecert_buffer_add_text(why, "not the answer of an LDAP server");
    else
        ecert_buffer_printf(why, "not the greeting of a ready %s server",
                            attempt->endpoint->starttls);
}

void ecert_attempt_explain(const struct ecert_attempt *attempt, CURLcode code,
                           struct ecert_buffer *why)
{
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        ecert_buffer_add_text(why, says(attempt, "failed to start")
                                       ? "the name cannot be resolved now"
                                       : "the name does not resolve");
    else if (code == CURLE_COULDNT_CONNECT)
        explain_connect(attempt, why);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        explain_timeout(attempt, why);
    else if (code == CURLE_SSL_CONNECT_ERROR || attempt->alert >= 0)
        explain_tls(attempt, why);
    else if (code == CURLE_USE_SSL_FAILED)
        ecert_buffer_add_text(why, "the server does not offer STARTTLS");
    else if (code == CURLE_WEIRD_SERVER_REPLY)
        explain_greeting(attempt, why);
    else
        ecert_buffer_add_text(why, attempt->reason[0] != '\0' ? attempt->reason
                                                              : curl_easy_strerror(code));
}
