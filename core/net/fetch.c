#include "core/net/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/net/protocol.h"
#include "core/net/transfer.h"
#include "core/net/url.h"

#define MAX_LOCATION  4096
#define MAX_REDIRECTS 3

struct request {
    char *url, *ca_file, *etag, *modified, *proxy; /* "" is none, but for the URL */
    size_t max_len;
    unsigned timeout_ms;
    bool public_only;
};

/* One exchange with one address: the first, or one that a redirect led to. */
struct exchange {
    const struct request *request;
    CURL *easy;
    struct ecert_url url;
    struct curl_slist *headers;
    char reason[CURL_ERROR_SIZE];
    struct ecert_transfer_gate gate;
    long status;
    bool too_large;
    struct ecert_buffer body;
    char etag[ECERT_NET_MAX_VALIDATOR + 1];
    char modified[ECERT_NET_MAX_VALIDATOR + 1];
    char location[MAX_LOCATION + 1];
};

static void request_clear(struct request *request)
{
    free(request->url);
    free(request->ca_file);
    free(request->etag);
    free(request->modified);
    free(request->proxy);
    *request = (struct request){0};
}

static void exchange_clear(struct exchange *exchange)
{
    curl_easy_cleanup(exchange->easy);
    curl_slist_free_all(exchange->headers);
    ecert_url_clear(&exchange->url);
    ecert_buffer_clear(&exchange->body);
    *exchange = (struct exchange){0};
}

/* ---- the request ---- */

static enum ecert_status read_request(const struct ecert_message *message, struct request *request,
                                      struct ecert_error *err)
{
    int64_t max_len, timeout_ms, public_only;

    ECERT_TRY(ecert_message_text(message, 0, &request->url, err));
    ECERT_TRY(ecert_message_number(message, 1, &max_len, err));
    ECERT_TRY(ecert_message_number(message, 2, &timeout_ms, err));
    ECERT_TRY(ecert_message_text(message, 3, &request->ca_file, err));
    ECERT_TRY(ecert_message_text(message, 4, &request->etag, err));
    ECERT_TRY(ecert_message_text(message, 5, &request->modified, err));
    ECERT_TRY(ecert_message_number(message, 6, &public_only, err));
    ECERT_TRY(ecert_message_text(message, 7, &request->proxy, err));
    if (max_len <= 0 || max_len > (int64_t)ECERT_NET_MAX_BODY)
        return ecert_error_set(err, ECERT_E_REFUSED, "a size limit of %lld bytes (1 to %zu)",
                               (long long)max_len, ECERT_NET_MAX_BODY);
    if (timeout_ms <= 0 || timeout_ms > INT32_MAX)
        return ecert_error_set(err, ECERT_E_REFUSED, "a time limit of %lld ms",
                               (long long)timeout_ms);
    /* a line break in a validator would add a header of its own */
    if (!ecert_transfer_is_printable(request->etag) ||
        !ecert_transfer_is_printable(request->modified) ||
        !ecert_transfer_is_printable(request->url))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "a URL, ETag or Last-Modified with bytes that are not printable "
                               "ASCII");
    request->max_len = (size_t)max_len;
    request->timeout_ms = (unsigned)timeout_ms;
    request->public_only = public_only != 0;
    return ECERT_OK;
}

/* ---- files ---- */

static enum ecert_status check_files(const struct exchange *exchange, struct ecert_error *err)
{
    const struct ecert_url *url = &exchange->url;

    if (url->kind == ECERT_URL_HTTPS && exchange->request->ca_file[0] != '\0')
        return ecert_transfer_check_readable(exchange->request->ca_file, "anchors for ", url->shown,
                                             err);
    if (url->kind == ECERT_URL_FILE)
        return ecert_transfer_check_readable(url->path, "", url->shown, err);
    return ECERT_OK;
}

/* ---- what libcurl calls ---- */

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;
    long status = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && exchange->url.kind != ECERT_URL_FILE)
        return 0; /* the text of an error or redirect page: nobody reads it */
    if (n * size > exchange->request->max_len - exchange->body.len) {
        exchange->too_large = true;
        return 0;
    }
    ecert_buffer_add(&exchange->body, (struct ecert_view){(const uint8_t *)bytes, n * size});
    return exchange->body.failed ? 0 : n * size;
}

/* "Name: value\r\n" → the value, if that is the name, and the value fits and is printable. */
static void take_header(const char *line, size_t len, const char *name, char *ret, size_t max_len)
{
    const size_t name_len = strlen(name);

    if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return;
    line += name_len + 1;
    len -= name_len + 1;
    while (len > 0 && isspace((unsigned char)line[0])) {
        line++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)line[len - 1]))
        len--;
    ret[0] = '\0';
    if (len > max_len)
        return; /* half of it would never match */
    for (size_t i = 0; i < len; i++)
        if (line[i] < 0x20 || line[i] > 0x7e)
            return;
    memcpy(ret, line, len);
    ret[len] = '\0';
}

static size_t take_headers(char *line, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;

    if (n * size > 5 && memcmp(line, "HTTP/", 5) == 0) { /* after a 100 comes another answer */
        exchange->etag[0] = '\0';
        exchange->modified[0] = '\0';
        exchange->location[0] = '\0';
    }
    take_header(line, n * size, "ETag", exchange->etag, ECERT_NET_MAX_VALIDATOR);
    take_header(line, n * size, "Last-Modified", exchange->modified, ECERT_NET_MAX_VALIDATOR);
    take_header(line, n * size, "Location", exchange->location, MAX_LOCATION);
    return n * size;
}

/* ---- the transfer ---- */

static bool set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,file") == CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS | CURLPROTO_FILE)) == CURLE_OK;
#endif
}

static bool add_header(struct exchange *exchange, const char *name, const char *value)
{
    ECERT_AUTO(ecert_auto_free) char *line = NULL;
    struct ecert_error ignored = {0};

    if (value[0] == '\0')
        return true;
    if (ecert_text_format(&line, &ignored, "%s: %s", name, value) != ECERT_OK)
        return false;
    struct curl_slist *longer = curl_slist_append(exchange->headers, line);
    if (longer == NULL)
        return false;
    exchange->headers = longer;
    return true;
}

static bool prepare(struct exchange *exchange, int64_t left_ms)
{
    const struct request *request = exchange->request;
    CURL *easy = exchange->easy = curl_easy_init();
    bool ok = easy != NULL && add_header(exchange, "If-None-Match", request->etag) &&
              add_header(exchange, "If-Modified-Since", request->modified) && set_protocols(easy);

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_URL, exchange->url.text);
    SET(CURLOPT_PRIVATE, exchange);
    SET(CURLOPT_ERRORBUFFER, exchange->reason);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, request->public_only ? "" : request->proxy);
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "ecert/" ECERT_VERSION);
    SET(CURLOPT_HTTPHEADER, exchange->headers);
    SET(CURLOPT_TIMEOUT_MS, (long)left_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        left_ms < ECERT_TRANSFER_CONNECT_MS ? left_ms : ECERT_TRANSFER_CONNECT_MS);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_len);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_HEADERFUNCTION, take_headers);
    SET(CURLOPT_HEADERDATA, exchange);
    if (request->ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, request->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* these anchors and no others */
    }
    if (request->public_only) {
        exchange->gate.allows = ecert_address_is_public;
        SET(CURLOPT_OPENSOCKETFUNCTION, ecert_transfer_open_socket);
        SET(CURLOPT_OPENSOCKETDATA, &exchange->gate);
        SET(CURLOPT_FRESH_CONNECT, 1L);
    }
#undef SET
    return ok;
}

static enum ecert_status explain(struct exchange *exchange, CURLcode code, struct ecert_error *err)
{
    long sys_errno = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &sys_errno);
    if (exchange->gate.refused[0] != '\0')
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': its host has the private address %s; what a certificate "
                               "names is fetched from public addresses only",
                               exchange->url.shown, exchange->gate.refused);
    if (exchange->too_large || code == CURLE_FILESIZE_EXCEEDED)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is larger than %zu bytes",
                               exchange->url.shown, exchange->request->max_len);
    if (exchange->body.failed || code == CURLE_OUT_OF_MEMORY)
        return ecert_error_nomem(err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ecert_error_set(err, ECERT_E_TIMEOUT, "'%s': not fetched within %u.%u seconds",
                               exchange->url.shown, exchange->request->timeout_ms / 1000,
                               exchange->request->timeout_ms % 1000 / 100);
    if (code == CURLE_COULDNT_CONNECT && sys_errno != 0) {
        errno = (int)sys_errno;
        return ecert_error_errno(err, ECERT_E_NETWORK, "'%s': connect", exchange->url.shown);
    }
    return ecert_error_set(err, ECERT_E_NETWORK, "'%s': %s", exchange->url.shown,
                           ecert_transfer_reason(exchange->reason, code));
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static enum ecert_status judge(struct exchange *exchange, CURLcode code, struct ecert_error *err)
{
    const struct request *request = exchange->request;
    const bool conditional = request->etag[0] != '\0' || request->modified[0] != '\0';
    long status = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    exchange->status = exchange->url.kind == ECERT_URL_FILE ? 200 : status; /* a file has none */
    /* the body of anything but 200 is cut off on purpose, so `code` may say that it broke */
    const bool answered = code == CURLE_OK || code == CURLE_WRITE_ERROR ||
                          code == CURLE_FILESIZE_EXCEEDED || code == CURLE_HTTP_RETURNED_ERROR;
    if (answered && exchange->gate.refused[0] == '\0' && status != 0 && status != 200) {
        if (is_redirect(status) || (status == 304 && conditional))
            return ECERT_OK;
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': HTTP status %ld", exchange->url.shown,
                               status);
    }
    return code == CURLE_OK ? ECERT_OK : explain(exchange, code, err);
}

/* Fetch one URL; whatever status judge() accepts. */
static enum ecert_status exchange_once(CURLM *multi, const struct request *request, const char *url,
                                       int64_t until, struct exchange *exchange,
                                       struct ecert_error *err)
{
    CURLcode code = CURLE_OK;

    exchange->request = request;
    ECERT_TRY(ecert_url_parse(url, &exchange->url, err));
    if (request->public_only && exchange->url.kind == ECERT_URL_FILE)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': an address out of a certificate must be http or https",
                               exchange->url.shown);
    ECERT_TRY(check_files(exchange, err));
    const int64_t left = until - ecert_clock_monotonic_ms();
    if (left <= 0)
        return explain(exchange, CURLE_OPERATION_TIMEDOUT, err);
    if (!prepare(exchange, left))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': libcurl refuses the request (is the proxy's address valid?)",
                               exchange->url.shown);
    ECERT_TRY(ecert_transfer_run(multi, exchange->easy, &code, err));
    return judge(exchange, code, err);
}

/* Where a redirect leads, if we may go there. */
static enum ecert_status next_url(const struct exchange *from, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_url_clear) struct ecert_url to = {0};

    /* not CURLINFO_REDIRECT_URL: libcurl fills that in only when it has read the page's body */
    if (from->location[0] == '\0')
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': HTTP status %ld without a Location",
                               from->url.shown, from->status);
    ECERT_TRY(ecert_url_redirect(&from->url, from->location, &to, err));
    return ecert_text_copy(ecert_view_of(to.text), ret, err);
}

static enum ecert_status encode(const struct exchange *exchange, struct ecert_buffer *answer,
                                struct ecert_error *err)
{
    struct ecert_message message = {.kind = ECERT_NET_FETCHED};
    uint8_t unchanged[8];

    ecert_message_add_number(&message, exchange->status == 304, unchanged);
    ecert_message_add(&message, ecert_buffer_view(&exchange->body));
    ecert_message_add_text(&message, exchange->etag);
    ecert_message_add_text(&message, exchange->modified);
    ecert_message_encode(&message, answer);
    return answer->failed ? ecert_error_nomem(err) : ECERT_OK;
}

enum ecert_status ecert_net_fetch(CURLM *multi, const struct ecert_message *request,
                                  struct ecert_buffer *answer, struct ecert_error *err)
{
    ECERT_AUTO(request_clear) struct request wanted = {0};
    ECERT_AUTO(ecert_auto_free) char *url = NULL;

    ECERT_TRY(read_request(request, &wanted, err));
    const int64_t until = ecert_clock_monotonic_ms() + wanted.timeout_ms;
    ECERT_TRY(ecert_text_copy(ecert_view_of(wanted.url), &url, err));
    for (int redirects = 0;; redirects++) {
        ECERT_AUTO(exchange_clear) struct exchange exchange = {0};
        char *next = NULL;

        ECERT_TRY(exchange_once(multi, &wanted, url, until, &exchange, err));
        if (!is_redirect(exchange.status))
            return encode(&exchange, answer, err);
        if (redirects == MAX_REDIRECTS)
            return ecert_error_set(err, ECERT_E_NETWORK, "'%s': more than %d redirects",
                                   exchange.url.shown, MAX_REDIRECTS);
        ECERT_TRY(next_url(&exchange, &next, err));
        free(url);
        url = next;
    }
}
