#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/net/probe.h"
#include "core/net/protocol.h"

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

/* These become parts of a URL: nothing that means something there. */
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

bool ecert_net_endpoint_is_named(const struct ecert_net_endpoint *endpoint)
{
    return !is_numeric(endpoint->address);
}

static bool is_address(const char *address)
{
    return is_numeric(address) || (isalnum((unsigned char)address[0]) && is_host_name(address));
}

static bool is_starttls(const char *word)
{
    static const char *const words[] = {"", "smtp", "imap", "pop3", "ftp", "ldap"};

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
    if (!is_address(endpoint.address) || port <= 0 || port > UINT16_MAX ||
        !is_host_name(endpoint.server_name) || !is_starttls(endpoint.starttls))
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "not an endpoint: address '%.255s' port %lld, server name '%.255s', "
                               "starttls '%.16s'",
                               endpoint.address, (long long)port, endpoint.server_name,
                               endpoint.starttls);
    endpoint.port = (uint16_t)port;
    *ret = endpoint;
    endpoint = (struct ecert_net_endpoint){0};
    return ECERT_OK;
}
