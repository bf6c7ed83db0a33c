/* The connecting part of search.h. */

#include <errno.h>
#include <ldap.h>
#include <netdb.h>
#include <openldap.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/net/address.h"
#include "core/net/protocol.h"
#include "core/net/search_internal.h"
#include "core/net/transfer.h"

static void free_desc(LDAPURLDesc **desc)
{
    ldap_free_urldesc(*desc);
}

static void free_addresses(struct addrinfo **addresses)
{
    if (*addresses != NULL)
        freeaddrinfo(*addresses);
}

static enum ecert_status late(const struct ecert_search_run *run, struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_TIMEOUT, "'%s' did not answer within %u.%u seconds",
                           run->url, run->timeout_ms / 1000, run->timeout_ms % 1000 / 100);
}

enum ecert_status ecert_search_wait(const struct ecert_search_run *run, int fd, short events,
                                    int ms, struct ecert_error *err)
{
    struct pollfd fds[2] = {{.fd = ECERT_NET_SOCKET, .events = POLLIN},
                            {.fd = fd, .events = events}};

    for (;;) {
        const int64_t left = run->until - ecert_clock_monotonic_ms();

        if (left <= 0)
            return late(run, err);
        const int ready = poll(fds, 2, ms >= 0 && ms < left ? ms : (int)left);
        if (ready < 0 && errno != EINTR)
            return ecert_error_errno(err, ECERT_E_IO, "poll");
        if (fds[0].revents != 0)
            return ecert_error_set(err, ECERT_E_IO, "the search was interrupted");
        if (ready > 0 || ms >= 0)
            return ECERT_OK;
    }
}

/* ---- the connection ---- */

static enum ecert_status connect_one(const struct ecert_search_run *run,
                                     const struct addrinfo *address, int *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close)
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char text[ECERT_ADDRESS_TEXT_LEN];
    socklen_t size = sizeof errno;
    int why = 0;

    if (run->loopback_only && !ecert_address_is_loopback(address->ai_addr)) {
        ecert_address_text(address->ai_addr, text);
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s': a password is sent without TLS to a loopback address only "
                               "(127.0.0.0/8, ::1), and its host has %s; use ldaps",
                               run->url, text);
    }
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_NETWORK, "'%s': make a socket", run->url);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        return ecert_error_errno(err, ECERT_E_NETWORK, "'%s': connect", run->url);
    ECERT_TRY(ecert_search_wait(run, fd, POLLOUT, -1, err));
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0 || why != 0) {
        errno = why;
        return ecert_error_errno(err, ECERT_E_NETWORK, "'%s': connect", run->url);
    }
    *ret = ecert_fd_take(&fd);
    return ECERT_OK;
}

/* The first of its addresses that answers; the error is that of the last. */
static enum ecert_status connect_to(const struct ecert_search_run *run, const LDAPURLDesc *desc,
                                    int *ret, struct ecert_error *err)
{
    ECERT_AUTO(free_addresses) struct addrinfo *addresses = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[16];

    (void)snprintf(port, sizeof port, "%d", desc->lud_port);
    const int failed = getaddrinfo(desc->lud_host, port, &hints, &addresses);
    if (failed != 0 || addresses == NULL)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': resolve '%s': %s", run->url,
                               desc->lud_host, gai_strerror(failed));
    for (const struct addrinfo *one = addresses; one != NULL; one = one->ai_next) {
        *err = (struct ecert_error){0};
        if (connect_one(run, one, ret, err) == ECERT_OK)
            return ECERT_OK;
        if (err->status == ECERT_E_IO || err->status == ECERT_E_TIMEOUT)
            break;
    }
    return err->status;
}

enum ecert_status ecert_search_open(struct ecert_search_run *run, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int fd = -1;
    ECERT_AUTO(free_desc) LDAPURLDesc *desc = NULL;
    const int version = LDAP_VERSION3;
    Sockbuf *socket = NULL;

    if (ldap_url_parse(run->url, &desc) != LDAP_URL_SUCCESS || desc->lud_host == NULL ||
        desc->lud_host[0] == '\0')
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not the address of a directory",
                               run->url);
    ECERT_TRY(connect_to(run, desc, &fd, err));
    if (run->tls)
        ECERT_TRY(ecert_search_shake_hands(run, fd, desc->lud_host, err));
    if (ldap_init_fd(fd, LDAP_PROTO_TCP, run->url, &run->ldap) != LDAP_SUCCESS)
        return ecert_error_set(err, ECERT_E_NOMEM, "start libldap");
    (void)ecert_fd_take(&fd); /* libldap's now */
    if (ldap_set_option(run->ldap, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
        ldap_set_option(run->ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
        ldap_get_option(run->ldap, LDAP_OPT_SOCKBUF, &socket) != LDAP_OPT_SUCCESS ||
        ber_sockbuf_ctrl(socket, LBER_SB_OPT_SET_MAX_INCOMING, &run->max_message) != 1)
        return ecert_error_set(err, ECERT_E_IO, "'%s': libldap refuses an option", run->url);
    return run->tls ? ecert_search_use_tls(run, socket, err) : ECERT_OK;
}
