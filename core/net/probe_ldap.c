/*
 * STARTTLS of LDAP (RFC 4511, section 4.14) on a connection that libcurl has opened: one extended
 * request, its answer, the handshake.  libcurl speaks LDAP through another library only, and never
 * with TLS of our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/net/probe_attempt.h"

struct ecert_ldap {
    int fd;
    short events; /* what it waits for, as CURL_WAIT_* */
    size_t sent;
    uint8_t answer[4096]; /* a result, its words, perhaps referrals: never near this */
    size_t n_answer;
    SSL_CTX *ctx;
    SSL *ssl; /* set once the server has agreed */
};

/* LDAPMessage { messageID 1, extendedReq [APPLICATION 23] { requestName [0] StartTLS } } */
static const uint8_t request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                                 "1.3.6.1.4.1.1466.20037";
#define REQUEST_LEN (sizeof request - 1)

void ecert_ldap_free(struct ecert_ldap *ldap)
{
    if (ldap == NULL)
        return;
    SSL_free(ldap->ssl);
    SSL_CTX_free(ldap->ctx);
    ecert_auto_close(&ldap->fd);
    free(ldap);
}

enum ecert_status ecert_ldap_take_over(struct ecert_attempt *attempt, CURLM *multi,
                                       struct ecert_error *err)
{
    curl_socket_t theirs = CURL_SOCKET_BAD;
    struct ecert_ldap *ldap = calloc(1, sizeof *ldap);

    if (ldap == NULL)
        return ecert_error_nomem(err);
    /* a descriptor of our own: libcurl closes an idle connection on which something arrives */
    (void)curl_easy_getinfo(attempt->easy, CURLINFO_ACTIVESOCKET, &theirs);
    ldap->fd = theirs == CURL_SOCKET_BAD ? -1 : fcntl(theirs, F_DUPFD_CLOEXEC, 0);
    ldap->events = CURL_WAIT_POLLOUT;
    attempt->ldap = ldap;
    (void)curl_multi_remove_handle(multi, attempt->easy);
    curl_easy_cleanup(attempt->easy);
    attempt->easy = NULL;
    return ECERT_OK;
}

struct curl_waitfd ecert_ldap_wants(const struct ecert_attempt *attempt)
{
    return (struct curl_waitfd){.fd = attempt->ldap->fd, .events = attempt->ldap->events};
}

/* Not over: wait for this. */
static CURLcode wait_to(struct ecert_ldap *ldap, short events)
{
    ldap->events = events;
    return CURLE_AGAIN;
}

static CURLcode give_up(struct ecert_attempt *attempt, CURLcode code, const char *reason)
{
    (void)snprintf(attempt->reason, sizeof attempt->reason, "%s", reason);
    return code;
}

static CURLcode lose(struct ecert_attempt *attempt)
{
    return give_up(attempt, CURLE_GOT_NOTHING, "the server closed the connection before TLS");
}

/* ---- asking ---- */

static CURLcode send_request(struct ecert_attempt *attempt)
{
    struct ecert_ldap *ldap = attempt->ldap;

    while (ldap->sent < REQUEST_LEN) {
        const ssize_t n = send(ldap->fd, request + ldap->sent, REQUEST_LEN - ldap->sent,
                               MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return wait_to(ldap, CURL_WAIT_POLLOUT);
        if (n < 0)
            return lose(attempt);
        ldap->sent += (size_t)n;
    }
    return CURLE_OK;
}

/* ---- the answer: BER with definite lengths (RFC 4511, section 5.1) ---- */

enum { INTEGER = 0x02, TEXT = 0x04, ENUMERATED = 0x0a, SEQUENCE = 0x30, EXTENDED_ANSWER = 0x78 };

/*
 * The element that begins at `bytes`: 1 with its content, 0 if it goes on behind them, -1 if it is
 * another one.
 */
static int look_at(struct ecert_view bytes, uint8_t tag, struct ecert_view *ret)
{
    size_t head = 2, len;

    if (bytes.len > 0 && bytes.ptr[0] != tag)
        return -1;
    if (bytes.len < 2)
        return 0;
    len = bytes.ptr[1];
    if (len >= 0x80) {
        const size_t more = len & 0x7f;

        if (more == 0 || more > 4)
            return -1;
        head += more;
        if (bytes.len < head)
            return 0;
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | bytes.ptr[i];
    }
    *ret = (struct ecert_view){bytes.ptr + head, len};
    return len > bytes.len - head ? 0 : 1;
}

/* Take the element off the front; it must be there whole. */
static bool take(struct ecert_view *from, uint8_t tag, struct ecert_view *ret)
{
    const uint8_t *const end = from->ptr + from->len;

    if (look_at(*from, tag, ret) != 1)
        return false;
    from->ptr = ret->ptr + ret->len;
    from->len = (size_t)(end - from->ptr);
    return true;
}

static const char *name_of(unsigned result)
{
    static const struct {
        unsigned result;
        const char *name;
    } names[] = {/* RFC 4511, appendix A.2 */
                 {1, "operationsError"},
                 {8, "strongerAuthRequired"},
                 {10, "referral"},
                 {13, "confidentialityRequired"},
                 {50, "insufficientAccess"},
                 {51, "busy"},
                 {52, "unavailable"},
                 {53, "unwillingToPerform"},
                 {80, "other"}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].result == result)
            return names[i].name;
    return "an error";
}

static CURLcode judge(struct ecert_attempt *attempt, unsigned result, struct ecert_view words)
{
    if (result == 0)
        return CURLE_OK;
    if (result == 2) /* protocolError: an extended operation that it does not know (4.14.2) */
        return CURLE_USE_SSL_FAILED;
    const int shown = words.len < 128 ? (int)words.len : 128;
    (void)snprintf(attempt->reason, sizeof attempt->reason,
                   "the server refused STARTTLS: %s (%u)%s%.*s", name_of(result), result,
                   shown > 0 ? ", " : "", shown, shown > 0 ? (const char *)words.ptr : "");
    return CURLE_REMOTE_ACCESS_DENIED;
}

/* `message`: the content of one LDAPMessage. */
static CURLcode read_answer(struct ecert_attempt *attempt, struct ecert_view message)
{
    struct ecert_view id, answer, result, matched, words;

    /* 0 is the server's notice that it disconnects (4.4.1), with the result that says why */
    if (!take(&message, INTEGER, &id) || id.len != 1 || id.ptr[0] > 1 ||
        !take(&message, EXTENDED_ANSWER, &answer) || !take(&answer, ENUMERATED, &result) ||
        result.len != 1 || !take(&answer, TEXT, &matched) || !take(&answer, TEXT, &words) ||
        (id.ptr[0] == 0 && result.ptr[0] == 0))
        return CURLE_WEIRD_SERVER_REPLY;
    return judge(attempt, result.ptr[0], words);
}

static CURLcode receive_answer(struct ecert_attempt *attempt)
{
    struct ecert_ldap *ldap = attempt->ldap;

    for (;;) {
        struct ecert_view message, answer = {ldap->answer, ldap->n_answer};
        const int state = look_at(answer, SEQUENCE, &message);

        if (state < 0 || (state == 0 && ldap->n_answer == sizeof ldap->answer))
            return CURLE_WEIRD_SERVER_REPLY;
        if (state > 0 && message.ptr + message.len != answer.ptr + answer.len)
            return CURLE_WEIRD_SERVER_REPLY; /* before our part of TLS it has no more to say */
        if (state > 0)
            return read_answer(attempt, message);
        const ssize_t n = recv(ldap->fd, ldap->answer + ldap->n_answer,
                               sizeof ldap->answer - ldap->n_answer, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return wait_to(ldap, CURL_WAIT_POLLIN);
        if (n <= 0)
            return lose(attempt);
        ldap->n_answer += (size_t)n;
    }
}

/* ---- the handshake ---- */

static CURLcode begin_handshake(struct ecert_attempt *attempt)
{
    struct ecert_ldap *ldap = attempt->ldap;
    char *name = attempt->endpoint->server_name;

    ldap->ctx = SSL_CTX_new(TLS_client_method());
    if (ldap->ctx == NULL || SSL_CTX_set_min_proto_version(ldap->ctx, TLS1_VERSION) != 1 ||
        !ecert_attempt_prepare_tls(attempt, ldap->ctx) ||
        (ldap->ssl = SSL_new(ldap->ctx)) == NULL || SSL_set_fd(ldap->ssl, ldap->fd) != 1 ||
        (name[0] != '\0' &&
         SSL_ctrl(ldap->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name) != 1))
        return give_up(attempt, CURLE_SSL_CONNECT_ERROR, "OpenSSL cannot begin");
    return CURLE_OK;
}

static CURLcode shake_hands(struct ecert_attempt *attempt)
{
    struct ecert_ldap *ldap = attempt->ldap;

    ERR_clear_error();
    const int n = SSL_connect(ldap->ssl);
    const int error = n == 1 ? SSL_ERROR_NONE : SSL_get_error(ldap->ssl, n);
    if (error == SSL_ERROR_NONE)
        return CURLE_OK;
    if (error == SSL_ERROR_WANT_READ)
        return wait_to(ldap, CURL_WAIT_POLLIN);
    if (error == SSL_ERROR_WANT_WRITE)
        return wait_to(ldap, CURL_WAIT_POLLOUT);
    /* words that ecert_attempt_explain() knows from libcurl, which passes on the same */
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return give_up(attempt, CURLE_SSL_CONNECT_ERROR,
                   error == SSL_ERROR_SYSCALL || reason == NULL ? "SSL_ERROR_SYSCALL" : reason);
}

CURLcode ecert_ldap_step(struct ecert_attempt *attempt)
{
    CURLcode code = CURLE_OK;

    if (attempt->ldap->fd < 0)
        return lose(attempt);
    if (attempt->ldap->ssl == NULL) {
        code = send_request(attempt);
        if (code == CURLE_OK)
            code = receive_answer(attempt);
        if (code == CURLE_OK)
            code = begin_handshake(attempt);
    }
    return code == CURLE_OK ? shake_hands(attempt) : code;
}
