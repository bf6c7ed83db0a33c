#include "core/net/transfer.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <lber.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/net/protocol.h"

/* ---- an allocator that wipes ---- */

union block {
    size_t len; /* of what follows */
    max_align_t align;
};

static void *take(size_t len)
{
    union block *block = len > SIZE_MAX - sizeof *block ? NULL : malloc(sizeof *block + len);

    if (block == NULL)
        return NULL;
    block->len = len;
    return block + 1;
}

static void give_back(void *bytes)
{
    union block *block = bytes;

    if (block == NULL)
        return;
    block--;
    explicit_bzero(block + 1, block->len);
    free(block);
}

static void *take_again(void *bytes, size_t len)
{
    void *longer = take(len);

    if (longer == NULL || bytes == NULL)
        return longer;
    const size_t before = ((const union block *)bytes - 1)->len;
    memcpy(longer, bytes, before < len ? before : len);
    give_back(bytes);
    return longer;
}

static char *take_text(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = take(size);

    return copy == NULL ? NULL : memcpy(copy, text, size);
}

static void *take_zeroed(size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size)
        return NULL;
    void *bytes = take(n * size);
    return bytes == NULL ? NULL : memset(bytes, 0, n * size);
}

/* libldap copies passwords too. */
static void *take_for_ldap(ber_len_t len, void *context)
{
    (void)context;
    return take(len);
}

static void *take_zeroed_for_ldap(ber_len_t n, ber_len_t size, void *context)
{
    (void)context;
    return take_zeroed(n, size);
}

static void *take_again_for_ldap(void *bytes, ber_len_t len, void *context)
{
    (void)context;
    return take_again(bytes, len);
}

static void give_back_for_ldap(void *bytes, void *context)
{
    (void)context;
    give_back(bytes);
}

CURLcode ecert_transfer_init(void)
{
    BerMemoryFunctions functions = {take_for_ldap, take_zeroed_for_ldap, take_again_for_ldap,
                                    give_back_for_ldap};

    if (ber_set_option(NULL, LBER_OPT_MEMORY_FNS, &functions) != LBER_OPT_SUCCESS)
        return CURLE_FAILED_INIT;
    return curl_global_init_mem(CURL_GLOBAL_ALL, take, give_back, take_again, take_text,
                                take_zeroed);
}

/* ---- running ---- */

enum ecert_status ecert_transfer_run(CURLM *multi, CURL *easy, CURLcode *ret,
                                     struct ecert_error *err)
{
    struct curl_waitfd parent = {.fd = ECERT_NET_SOCKET, .events = CURL_WAIT_POLLIN};
    int running = 0, left = 0;

    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        return ecert_error_nomem(err);
    for (;;) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            break;
        const CURLMsg *message = curl_multi_info_read(multi, &left);
        if (message != NULL && message->msg == CURLMSG_DONE) {
            *ret = message->data.result;
            (void)curl_multi_remove_handle(multi, easy);
            return ECERT_OK;
        }
        if (curl_multi_poll(multi, &parent, 1, 1000, NULL) != CURLM_OK || parent.revents != 0)
            break;
        parent.revents = 0;
    }
    (void)curl_multi_remove_handle(multi, easy);
    return ecert_error_set(err, ECERT_E_IO, "the transfer was interrupted");
}

const char *ecert_transfer_reason(char reason[CURL_ERROR_SIZE], CURLcode code)
{
    if (reason[0] == '\0')
        (void)strncat(reason, curl_easy_strerror(code), CURL_ERROR_SIZE - 1);
    if (isupper((unsigned char)reason[0]) && islower((unsigned char)reason[1]))
        reason[0] = (char)tolower((unsigned char)reason[0]);
    return reason;
}

/* ---- what it may touch ---- */

curl_socket_t ecert_transfer_open_socket(void *context, curlsocktype purpose,
                                         struct curl_sockaddr *address)
{
    struct ecert_transfer_gate *gate = context;

    (void)purpose;
    if (!gate->allows(&address->addr)) {
        ecert_address_text(&address->addr, gate->refused);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

enum ecert_status ecert_transfer_check_readable(const char *path, const char *what,
                                                const char *shown, struct ecert_error *err)
{
    /* O_NONBLOCK: opening a pipe that nobody writes would last for ever */
    ECERT_AUTO(ecert_auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 && errno == EACCES)
        return ecert_error_errno(err, ECERT_E_NETWORK,
                                 "%s'%s': ecert-net runs without root (as user %u) and cannot read "
                                 "'%s'; the file must be readable by everybody (chmod o+r, and o+x "
                                 "on its directories)",
                                 what, shown, (unsigned)geteuid(), path);
    if (fd < 0 || fstat(fd, &st) != 0)
        return ecert_error_errno(err, ECERT_E_NETWORK, "%s'%s': open '%s'", what, shown, path);
    if (!S_ISREG(st.st_mode))
        return ecert_error_set(err, ECERT_E_NETWORK, "%s'%s': '%s' is not a regular file", what,
                               shown, path);
    return ECERT_OK;
}

bool ecert_transfer_is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}
