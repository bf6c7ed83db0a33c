/* Which sockets speak TLS: what blocks inherit, and what they learn of each other. */
#include "plugins/nginx/sites.h"

#include <string.h>

static bool is_on(enum ecert_nginx_switch own, enum ecert_nginx_switch inherited)
{
    return own == ECERT_NGINX_ON || (own == ECERT_NGINX_UNSET && inherited == ECERT_NGINX_ON);
}

const char *ecert_nginx_sites_kind(const struct ecert_nginx_server *server)
{
    if (server->scope->kind == ECERT_NGINX_MAIL)
        return "mail server block";
    return server->scope->kind == ECERT_NGINX_STREAM ? "stream server block" : "server block";
}

bool ecert_nginx_sites_has_passwords(const struct ecert_nginx_server *server)
{
    return server->passwords || server->scope->passwords;
}

bool ecert_nginx_sites_rejects(const struct ecert_nginx_server *server)
{
    return is_on(server->on.rejects, server->scope->on.rejects);
}

bool ecert_nginx_sites_is_tls(const struct ecert_nginx_sites *sites,
                              const struct ecert_nginx_server *server,
                              const struct ecert_nginx_listen *listen)
{
    return listen->ssl || is_on(server->on.ssl, server->scope->on.ssl) ||
           ecert_nginx_sockets_are_ssl(&sites->sockets, server->scope, listen, NULL);
}

uint16_t ecert_nginx_sites_tls_port(const struct ecert_nginx_sites *sites,
                                    const struct ecert_nginx_server *server,
                                    const struct ecert_nginx_listen *listen)
{
    uint16_t port = listen->port;

    if (!listen->ssl && !is_on(server->on.ssl, server->scope->on.ssl))
        (void)ecert_nginx_sockets_are_ssl(&sites->sockets, server->scope, listen, &port);
    return port;
}

bool ecert_nginx_sites_may_speak_tls(const struct ecert_nginx_sites *sites,
                                     const struct ecert_nginx_server *server)
{
    if (ecert_nginx_sites_rejects(server))
        return false;
    for (size_t i = 0; i < server->n_listens; i++)
        if (ecert_nginx_sockets_may_be_ssl(&sites->sockets, &server->listens[i]))
            return true;
    return server->tls;
}

static bool has_starttls(const struct ecert_nginx_server *server)
{
    return server->scope->kind == ECERT_NGINX_MAIL &&
           is_on(server->on.starttls, server->scope->on.starttls);
}

bool ecert_nginx_sites_speaks_tls(const struct ecert_nginx_sites *sites,
                                  const struct ecert_nginx_server *server)
{
    if (ecert_nginx_sites_rejects(server))
        return false;
    for (size_t i = 0; i < server->n_listens; i++)
        if (ecert_nginx_sites_is_tls(sites, server, &server->listens[i]))
            return true;
    return has_starttls(server);
}

/* The protocol that nginx takes for a port where the block has no "protocol": its mail modules. */
static const char *protocol_of_port(uint16_t port)
{
    switch (port) {
    case 25:
    case 465:
    case 587:
        return "smtp";
    case 143:
    case 993:
        return "imap";
    case 110:
    case 995:
        return "pop3";
    default:
        return NULL;
    }
}

const char *ecert_nginx_sites_starttls(const struct ecert_nginx_sites *sites,
                                       const struct ecert_nginx_server *server,
                                       const struct ecert_nginx_listen *listen)
{
    static const char *const kinds[] = {"smtp", "imap", "pop3"};

    if (!has_starttls(server) || ecert_nginx_sites_is_tls(sites, server, listen))
        return NULL;
    if (server->protocol == NULL)
        return protocol_of_port(listen->port);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(server->protocol, kinds[i]) == 0)
            return kinds[i];
    return NULL;
}
