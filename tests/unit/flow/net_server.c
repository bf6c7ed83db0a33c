#include "tests/unit/flow/net_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "test servers: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- certificates ---- */

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    need(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
}

/* `names`: a subjectAltName value; NULL makes a CA. */
static X509 *issue(const char *cn, const char *names, EVP_PKEY *key, X509 *issuer,
                   EVP_PKEY *issuer_key)
{
    static long serial = 1000;
    X509 *certificate = X509_new();

    need(certificate != NULL, "X509_new");
    X509 *by = issuer == NULL ? certificate : issuer;
    (void)X509_set_version(certificate, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    (void)X509_set_pubkey(certificate, key);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                     (const unsigned char *)cn, -1, -1, 0);
    (void)X509_set_issuer_name(certificate, X509_get_subject_name(by));
    add_extension(certificate, by, NID_basic_constraints,
                  names == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (names != NULL)
        add_extension(certificate, by, NID_subject_alt_name, names);
    need(X509_sign(certificate, issuer_key, EVP_sha256()) > 0, "sign");
    return certificate;
}

/* The leaf, what is sent after it, and its key; NULL: none. */
static void write_pem(const struct net_site *site, const char *name, X509 *leaf, X509 *second,
                      X509 *third, EVP_PKEY *key)
{
    char path[400];

    (void)snprintf(path, sizeof path, "%s/%s", site->folder, name);
    FILE *file = fopen(path, "w");
    need(file != NULL, path);
    (void)PEM_write_X509(file, leaf);
    if (second != NULL)
        (void)PEM_write_X509(file, second);
    if (third != NULL)
        (void)PEM_write_X509(file, third);
    if (key != NULL)
        (void)PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    need(fclose(file) == 0, path);
}

static void make_certificates(struct net_site *site)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256");

    site->root_key = EVP_EC_gen("P-256");
    site->sub_key = EVP_EC_gen("P-256");
    need(rsa != NULL && ec != NULL && site->root_key != NULL && site->sub_key != NULL, "keys");
    site->root = issue("Test Root", NULL, site->root_key, NULL, site->root_key);
    site->sub = issue("Test Sub CA", NULL, site->sub_key, site->root, site->root_key);
    site->a = issue("a.example", "DNS:a.example,IP:127.0.0.1", rsa, site->sub, site->sub_key);
    site->b = issue("b.example", "DNS:b.example", ec, site->sub, site->sub_key);
    site->dual_rsa = issue("dual.example", "DNS:dual.example", rsa, site->sub, site->sub_key);
    site->dual_ec = issue("dual.example", "DNS:dual.example", ec, site->sub, site->sub_key);
    write_pem(site, "a.pem", site->a, site->sub, NULL, rsa);
    write_pem(site, "b.pem", site->b, site->sub, NULL, ec);
    write_pem(site, "dual-rsa.pem", site->dual_rsa, site->sub, NULL, rsa);
    write_pem(site, "dual-ec.pem", site->dual_ec, site->sub, NULL, ec);
    write_pem(site, "ca.pem", site->root, NULL, NULL, NULL);
    write_pem(site, "disorder.pem", site->a, site->root, site->sub, rsa);
    (void)snprintf(site->ca_file, sizeof site->ca_file, "%s/ca.pem", site->folder);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
}

/* ---- sockets and files ---- */

/* -1: this machine has no such address. */
static int bind_free(const char *address, unsigned *ret_port, bool listening)
{
    struct addrinfo *info = NULL;
    const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct sockaddr_in6 bound; /* the port is at the same place for both families */
    socklen_t len = sizeof bound;
    const int on = 1;

    need(getaddrinfo(address, NULL, &numeric, &info) == 0, address);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
                    bind(fd, info->ai_addr, info->ai_addrlen) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(info);
    if (fd < 0)
        return -1;
    need(getsockname(fd, (struct sockaddr *)&bound, &len) == 0, "getsockname");
    need(!listening || listen(fd, 512) == 0, "listen");
    *ret_port = ntohs(bound.sin6_port);
    return fd;
}

bool net_has_address(const char *address)
{
    unsigned port;
    const int fd = bind_free(address, &port, false);

    (void)close(fd);
    return fd >= 0;
}

unsigned net_free_port(void)
{
    unsigned port = 0;
    const int fd = bind_free("127.0.0.1", &port, false);

    need(fd >= 0, "bind");
    (void)close(fd);
    return port;
}

const char *net_site_write(const struct net_site *site, const char *name, const void *bytes,
                           size_t len, mode_t mode)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", site->folder, name);
    (void)unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && fchmod(fd, mode) == 0, path);
    (void)close(fd);
    return path;
}

static void make_directory(const struct net_site *site, const char *name)
{
    char path[400];

    (void)snprintf(path, sizeof path, "%s/%s", site->folder, name);
    need(mkdir(path, 0755) == 0 && chmod(path, 0755) == 0, path);
}

static void make_folder(struct net_site *site)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(site->folder, sizeof site->folder, "%s/ecert-network-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    need(mkdtemp(site->folder) != NULL && chmod(site->folder, 0755) == 0, site->folder);
    make_directory(site, "www");
    make_directory(site, "tmp");
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* ---- nginx ---- */

static const char tls_server[] = "server { listen 127.0.0.1:%u ssl; server_name %s; %s "
                                 "location = /down { return 302 http://127.0.0.1/file; } }\n";

static void write_configuration(const struct net_site *site)
{
    char path[400];

    (void)snprintf(path, sizeof path, "%s/nginx.conf", site->folder);
    FILE *file = fopen(path, "w");
    need(file != NULL, path);
    (void)fprintf(file,
                  "daemon off; master_process off; pid nginx.pid; error_log error.log;\n"
                  "events { worker_connections 1024; }\n"
                  "http { access_log access.log; root www; keepalive_timeout 5;\n"
                  "client_body_temp_path tmp/1; proxy_temp_path tmp/2; fastcgi_temp_path tmp/3;\n"
                  "uwsgi_temp_path tmp/4; scgi_temp_path tmp/5;\n"
                  "server { listen 127.0.0.1:%u;\n"
                  "location = /slow { limit_rate 500; }\n"
                  "location = /same { return 302 /file; }\n"
                  "location = /chain { return 301 /same; }\n"
                  "location = /elsewhere { return 302 http://localhost:%u/file?token=hidden; }\n"
                  "location = /other-scheme { return 302 ftp://127.0.0.1/file; }\n"
                  "location = /loop { return 302 /loop; }\n"
                  "location = /secret { return 302 http://me:hidden@127.0.0.1:%u/file; }\n"
                  "location = /agent { return 200 $http_user_agent; }\n"
                  "location = /headers { return 200 \"$http_cookie$http_authorization\"; }\n"
                  "location = /broken { return 500; } }\n"
                  "server { listen 127.0.0.1:%u; location / { return 200 \"proxied "
                  "$request\"; } }\n",
                  site->http, site->http, site->http, site->proxy);
    (void)fprintf(file, tls_server, site->https, "a.example",
                  "ssl_certificate a.pem; ssl_certificate_key a.pem;");
    (void)fprintf(file, tls_server, site->https, "b.example",
                  "ssl_certificate b.pem; ssl_certificate_key b.pem;");
    (void)fprintf(file, tls_server, site->https, "dual.example",
                  "ssl_certificate dual-rsa.pem; ssl_certificate_key dual-rsa.pem; "
                  "ssl_certificate dual-ec.pem; ssl_certificate_key dual-ec.pem;");
    (void)fprintf(file, tls_server, site->https, "refused.example", "ssl_reject_handshake on;");
    (void)fprintf(file, "}\n");
    need(fclose(file) == 0, path);
}

bool net_can_connect(unsigned port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;

    (void)close(fd);
    return ok;
}

static void start_nginx(struct net_site *site)
{
    char prefix[300], error_log[300];

    (void)snprintf(prefix, sizeof prefix, "%s/", site->folder);
    (void)snprintf(error_log, sizeof error_log, "%s/error.log", site->folder);
    site->nginx = fork();
    need(site->nginx >= 0, "fork");
    if (site->nginx == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execl("/usr/sbin/nginx", "nginx", "-p", prefix, "-c", "nginx.conf", "-e", error_log,
                    (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        need(waitpid(site->nginx, NULL, WNOHANG) == 0, "nginx ended");
        if (net_can_connect(site->http) && net_can_connect(site->https))
            return;
        (void)usleep(10000);
    }
    need(false, "nginx does not answer");
}

void net_site_start(struct net_site *site)
{
    int fds[3];

    *site = (struct net_site){0};
    make_folder(site);
    make_certificates(site);
    fds[0] = bind_free("127.0.0.1", &site->http, false);
    fds[1] = bind_free("127.0.0.1", &site->https, false);
    fds[2] = bind_free("127.0.0.1", &site->proxy, false);
    for (int i = 0; i < 3; i++)
        (void)close(fds[i]);
    site->closed_fd = bind_free("127.0.0.1", &site->closed, false);
    site->silent_fd = bind_free("127.0.0.1", &site->silent, true);
    write_configuration(site);
    start_nginx(site);
}

void net_site_end(struct net_site *site)
{
    X509 *const certificates[] = {site->root, site->sub,      site->a,
                                  site->b,    site->dual_rsa, site->dual_ec};

    (void)kill(site->nginx, SIGTERM);
    (void)waitpid(site->nginx, NULL, 0);
    (void)close(site->closed_fd);
    (void)close(site->silent_fd);
    for (size_t i = 0; i < sizeof certificates / sizeof certificates[0]; i++)
        X509_free(certificates[i]);
    EVP_PKEY_free(site->root_key);
    EVP_PKEY_free(site->sub_key);
    (void)nftw(site->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int net_begin(struct net_site *site, struct ecert_network *network, const char *program)
{
    struct ecert_error err = {0};

    net_site_start(site);
    return ecert_network_init(network, program, NULL, &err) == ECERT_OK ? 0 : -1;
}

int net_end(struct net_site *site, struct ecert_network *network)
{
    ecert_network_clear(network);
    net_site_end(site);
    return 0;
}

/* ---- STARTTLS ---- */

struct line {
    const char *expect; /* what the client's line must contain */
    const char *answer;
    bool tls; /* afterwards */
};

static const struct dialogue {
    const char *protocol, *greeting;
    struct line lines[3];
} dialogues[] = {
    {"smtp",
     "220 test ESMTP\r\n",
     {{"EHLO", "250-test\r\n250 STARTTLS\r\n", false}, {"STARTTLS", "220 go\r\n", true}}},
    {"smtp without STARTTLS", "220 test ESMTP\r\n", {{"EHLO", "250 test\r\n", false}}},
    {"smtp that is not ready", "554 no\r\n", {{"QUIT", "221 bye\r\n", false}}},
    {"imap",
     "* OK test\r\n",
     {{"CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK done\r\n", false},
      {"STARTTLS", "TAG OK go\r\n", true}}},
    {"pop3",
     "+OK test\r\n",
     {{"CAPA", "+OK\r\nSTLS\r\n.\r\n", false}, {"STLS", "+OK go\r\n", true}}},
    {"ftp", "220 test\r\n", {{"AUTH TLS", "234 go\r\n", true}}},
};

static SSL_CTX *make_server_context(const struct net_site *site, const char *pair)
{
    char pem[400];
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    (void)snprintf(pem, sizeof pem, "%s/%s", site->folder, pair);
    need(ctx != NULL && SSL_CTX_use_certificate_chain_file(ctx, pem) == 1 &&
             SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) == 1,
         pem);
    return ctx;
}

static int choose_by_name(SSL *ssl, int *alert, void *b)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (name != NULL && strcmp(name, "b.example") == 0)
        (void)SSL_set_SSL_CTX(ssl, b);
    return SSL_TLSEXT_ERR_OK;
}

void net_serve_tls(int fd, const struct net_site *site, const char *pair)
{
    char byte;
    SSL_CTX *ctx = make_server_context(site, pair), *b = make_server_context(site, "b.pem");

    (void)SSL_CTX_set_tlsext_servername_callback(ctx, choose_by_name);
    (void)SSL_CTX_set_tlsext_servername_arg(ctx, b);
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        (void)SSL_read(ssl, &byte, 1);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    SSL_CTX_free(b);
}

/* "TAG" in an answer stands for the first word of the client's line (IMAP). */
static bool send_answer(int fd, const char *line, const char *answer)
{
    const char *tag = strstr(answer, "TAG");

    if (tag == NULL)
        return write(fd, answer, strlen(answer)) > 0;
    return dprintf(fd, "%.*s%.*s%s", (int)(tag - answer), answer, (int)strcspn(line, " "), line,
                   tag + 3) > 0;
}

static void talk(int fd, const struct dialogue *dialogue, const struct net_site *site)
{
    char line[512];

    if (write(fd, dialogue->greeting, strlen(dialogue->greeting)) < 0)
        return;
    for (const struct line *step = dialogue->lines; step->expect != NULL; step++) {
        const ssize_t n = read(fd, line, sizeof line - 1);

        if (n <= 0)
            return;
        line[n] = '\0';
        if (strstr(line, step->expect) == NULL || !send_answer(fd, line, step->answer))
            return;
        if (step->tls) {
            net_serve_tls(fd, site, "a.pem");
            return;
        }
    }
    (void)!read(fd, line, sizeof line); /* wait until the other side closes */
}

struct conversation {
    const struct dialogue *dialogue;
    const struct net_site *site;
};

static void hold(int fd, const void *context)
{
    const struct conversation *conversation = context;

    talk(fd, conversation->dialogue, conversation->site);
}

void net_server_start(struct net_starttls *server, const char *address,
                      void (*serve)(int fd, const void *context), const void *context)
{
    const int fd = bind_free(address, &server->port, true);

    need(fd >= 0, address);
    server->pid = fork();
    need(server->pid >= 0, "fork");
    if (server->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGPIPE, SIG_IGN);
        for (;;) {
            const int client = accept(fd, NULL, NULL);

            serve(client, context);
            (void)close(client);
        }
    }
    (void)close(fd);
}

void net_starttls_start(struct net_starttls *server, const struct net_site *site,
                        const char *protocol)
{
    struct conversation conversation = {.site = site};

    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++)
        if (strcmp(dialogues[i].protocol, protocol) == 0)
            conversation.dialogue = &dialogues[i];
    need(conversation.dialogue != NULL, protocol);
    net_server_start(server, "127.0.0.1", hold, &conversation);
}

void net_starttls_end(struct net_starttls *server)
{
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
}

/* ---- the network half ---- */

void net_site_publish(const struct net_site *site)
{
    static const char big[20000];
    char pipe_path[400];

    (void)umask(022);
    (void)net_site_write(site, "www/file", "content\n", 8, 0644);
    (void)net_site_write(site, "www/empty", "", 0, 0644);
    (void)net_site_write(site, "www/slow", big, sizeof big, 0644);
    (void)snprintf(pipe_path, sizeof pipe_path, "%s/pipe", site->folder);
    need(mkfifo(pipe_path, 0644) == 0, pipe_path);
}

enum ecert_status net_site_fetch(const struct net_site *site, struct ecert_network *by,
                                 const char *path, const char *etag, const char *modified,
                                 struct ecert_fetched *ret, struct ecert_error *err)
{
    char url[400];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", site->http, path);
    return ecert_network_fetch(by,
                               &(struct ecert_fetch){.url = url,
                                                     .max_len = 1000000,
                                                     .timeout_ms = 10000,
                                                     .etag = etag,
                                                     .modified = modified},
                               ret, err);
}
