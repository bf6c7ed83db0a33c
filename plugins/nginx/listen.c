#include "plugins/nginx/listen.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 80

struct ecert_nginx_listen ecert_nginx_listen_default(void)
{
    return (struct ecert_nginx_listen){
        .text = "*:80",
        .address = "0.0.0.0",
        .numeric = true,
        .port = DEFAULT_PORT,
        .last_port = DEFAULT_PORT,
        .tls_over_tcp = true,
    };
}

/* "443" or "8000-8010" (ngx_parse_inet_url()).  False: neither, and then `ret` is as before. */
static bool parse_ports(const char *text, struct ecert_nginx_listen *ret)
{
    char *end = NULL;
    const unsigned long port = strtoul(text, &end, 10);
    unsigned long last = port;

    if (text[0] < '0' || text[0] > '9' || port == 0 || port > UINT16_MAX)
        return false;
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        last = strtoul(end + 1, &end, 10);
    if (*end != '\0' || last < port || last > UINT16_MAX)
        return false;
    ret->port = (uint16_t)port;
    ret->last_port = (uint16_t)last;
    return true;
}

/* A canonical text for an address, so that two spellings of one address compare equal. */
static const char *canonical(struct ecert_nginx *env, int family, const char *text)
{
    unsigned char binary[sizeof(struct in6_addr)];
    char out[INET6_ADDRSTRLEN];

    if (inet_pton(family, text, binary) != 1 || inet_ntop(family, binary, out, sizeof out) == NULL)
        return NULL;
    return ecert_arena_copy(&env->arena, out, strlen(out));
}

static void parse_address(struct ecert_nginx *env, char *text, struct ecert_nginx_listen *listen)
{
    char *port = NULL;
    const char *host = text;
    int family = AF_INET;

    listen->address = listen->text;
    if (strncmp(text, "unix:", 5) == 0)
        return;
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (close == NULL)
            return;
        *close = '\0';
        host = text + 1;
        family = AF_INET6;
        port = close[1] == ':' ? close + 2 : NULL;
    } else if (strchr(text, ':') != NULL) {
        port = strchr(text, ':');
        *port++ = '\0';
    } else if (parse_ports(text, listen)) { /* "127.0.0.1" is no port: the "." is in the way */
        port = text;
        host = "*";
    }
    if (port == NULL)
        listen->port = listen->last_port = DEFAULT_PORT;
    else if (port != text)
        (void)parse_ports(port, listen);
    if (strcmp(host, "*") == 0)
        host = "0.0.0.0";
    listen->by_name = strcmp(host, "localhost") == 0;
    if (listen->by_name)
        host = "127.0.0.1"; /* among others, perhaps */
    const char *address = canonical(env, family, host);
    if (address == NULL) {
        listen->by_name = true;
    } else {
        listen->address = address;
        listen->numeric = listen->port != 0;
    }
}

enum ecert_status ecert_nginx_listen_read(struct ecert_nginx *env,
                                          const struct ecert_nginx_directive *directive,
                                          struct ecert_nginx_listen *ret, struct ecert_error *err)
{
    struct ecert_nginx_listen listen = {.text = "", .address = "", .tls_over_tcp = true};

    for (uint32_t i = 0; i < directive->n_words; i++) {
        char *word = ecert_nginx_argument(env, directive, i);
        if (word == NULL)
            return ecert_nginx_no_memory(env, err);
        if (i == 0) {
            listen.text = ecert_arena_copy(&env->arena, word, strlen(word));
            if (listen.text == NULL)
                return ecert_nginx_no_memory(env, err);
            parse_address(env, word, &listen);
        } else if (strcmp(word, "ssl") == 0) {
            listen.ssl = true;
        } else if (strcmp(word, "quic") == 0) {
            listen.ssl = true;
            listen.tls_over_tcp = false;
        } else if (strcmp(word, "udp") == 0) {
            listen.tls_over_tcp = false;
        } else if (strcmp(word, "proxy_protocol") == 0) {
            listen.proxy_protocol = true;
        } else if (strcmp(word, "default_server") == 0 || strcmp(word, "default") == 0) {
            listen.default_server = true;
        }
    }
    *ret = listen;
    return ECERT_OK;
}

bool ecert_nginx_listen_is_same(const struct ecert_nginx_listen *a,
                                const struct ecert_nginx_listen *b)
{
    return a->port <= b->last_port && b->port <= a->last_port &&
           a->tls_over_tcp == b->tls_over_tcp && strcmp(a->address, b->address) == 0;
}

const char *ecert_nginx_listen_reach(const struct ecert_nginx_listen *listen)
{
    if (!listen->numeric)
        return NULL;
    if (strcmp(listen->address, "0.0.0.0") == 0)
        return "127.0.0.1";
    if (strcmp(listen->address, "::") == 0)
        return "::1";
    return listen->address;
}
