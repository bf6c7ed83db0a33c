/* TLS of search.h: OpenSSL, as everywhere else, between libldap and the socket. */

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include "core/net/search_internal.h"
#include "core/net/transfer.h"

#define SYSTEM_ANCHORS "/etc/ssl/certs/ca-certificates.crt"

/* ---- the handshake ---- */

static bool is_numeric(const char *host)
{
    unsigned char address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
    if (is_numeric(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 &&
           /* SSL_set_tlsext_host_name() casts const away */
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1;
}

static enum ecert_status prepare(struct ecert_search_run *run, int fd, const char *host,
                                 struct ecert_error *err)
{
    const char *anchors = run->ca_file[0] != '\0' ? run->ca_file : SYSTEM_ANCHORS;

    ECERT_TRY(ecert_transfer_check_readable(anchors, "anchors for ", run->url, err));
    ERR_clear_error();
    run->ctx = SSL_CTX_new(TLS_client_method());
    if (run->ctx == NULL || SSL_CTX_set_min_proto_version(run->ctx, TLS1_2_VERSION) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "'%s': start TLS", run->url);
    SSL_CTX_set_verify(run->ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_file(run->ctx, anchors) != 1)
        return ecert_error_openssl(err, ECERT_E_NETWORK, "anchors for '%s': '%s'", run->url,
                                   anchors);
    run->ssl = SSL_new(run->ctx);
    if (run->ssl == NULL || SSL_set_fd(run->ssl, fd) != 1 || !expect_host(run->ssl, host))
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "'%s': start TLS", run->url);
    return ECERT_OK;
}

static enum ecert_status explain(const struct ecert_search_run *run, int sys_errno,
                                 struct ecert_error *err)
{
    const long verified = SSL_get_verify_result(run->ssl);

    if (verified != X509_V_OK)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': its certificate is not believed: %s",
                               run->url, X509_verify_cert_error_string(verified));
    if (ERR_peek_error() != 0)
        return ecert_error_openssl(err, ECERT_E_NETWORK, "'%s': TLS", run->url);
    if (sys_errno == 0)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': TLS: the server closed the connection",
                               run->url);
    errno = sys_errno;
    return ecert_error_errno(err, ECERT_E_NETWORK, "'%s': TLS", run->url);
}

enum ecert_status ecert_search_shake_hands(struct ecert_search_run *run, int fd, const char *host,
                                           struct ecert_error *err)
{
    ECERT_TRY(prepare(run, fd, host, err));
    for (;;) {
        errno = 0;
        const int done = SSL_connect(run->ssl);
        const int sys_errno = errno;

        if (done == 1)
            return ECERT_OK;
        const int wanted = SSL_get_error(run->ssl, done);
        if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE)
            return explain(run, sys_errno, err);
        ECERT_TRY(
            ecert_search_wait(run, fd, wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, -1, err));
    }
}

/* ---- what libldap calls ---- */

static int set_up(Sockbuf_IO_Desc *layer, void *ssl)
{
    layer->sbiod_pvt = ssl;
    return 0;
}

static int nothing(Sockbuf_IO_Desc *layer)
{
    (void)layer;
    return 0;
}

/* Read by TLS and not yet by libldap: poll() does not tell of it. */
static int control(Sockbuf_IO_Desc *layer, int option, void *value)
{
    if (option == LBER_SB_OPT_DATA_READY && SSL_pending(layer->sbiod_pvt) > 0)
        return 1;
    return LBER_SBIOD_CTRL_NEXT(layer, option, value);
}

static ber_slen_t outcome(SSL *ssl, int n)
{
    const int why = SSL_get_error(ssl, n);

    if (n > 0)
        return n;
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

static ber_slen_t read_some(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
    ERR_clear_error();
    return outcome(layer->sbiod_pvt,
                   SSL_read(layer->sbiod_pvt, bytes, len > INT32_MAX ? INT32_MAX : (int)len));
}

static ber_slen_t write_some(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
    ERR_clear_error();
    return outcome(layer->sbiod_pvt,
                   SSL_write(layer->sbiod_pvt, bytes, len > INT32_MAX ? INT32_MAX : (int)len));
}

enum ecert_status ecert_search_use_tls(struct ecert_search_run *run, Sockbuf *socket,
                                       struct ecert_error *err)
{
    static Sockbuf_IO layer = {set_up, nothing, control, read_some, write_some, nothing};

    if (ber_sockbuf_add_io(socket, &layer, LBER_SBIOD_LEVEL_TRANSPORT, run->ssl) != 0)
        return ecert_error_nomem(err);
    return ECERT_OK;
}
