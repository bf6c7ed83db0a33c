#include "tests/unit/plugins/test_apache_server.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char main_text[] =
    "ServerRoot \"@\"\n"
    "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n"
    "LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n"
    "LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so\n"
    "LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\n"
    "LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so\n"
    "LoadModule macro_module /usr/lib/apache2/modules/mod_macro.so\n"
    "<IfDefine !NOSSL>\n"
    "LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n"
    "</IfDefine>\n"
    "PidFile @/run/httpd.pid\n"
    "DefaultRuntimeDir @/run\n"
    "Mutex pthread\n"
    "ErrorLog @/error.log\n"
    "ServerName main.example.test\n"
    "Define OLD @/old\n"
    "Listen 127.0.0.1:18443\n"
    "Include @/site.conf\n";

static void need(bool fine, const char *what)
{
    if (fine)
        return;
    perror(what);
    abort();
}

static char *join(const struct test_server *server, const char *name)
{
    char *path = NULL;

    need(asprintf(&path, "%s/%s", server->folder, name) > 0, name);
    return path;
}

char *test_server_text(const struct test_server *server, const char *text)
{
    char *filled = calloc(1, strlen(text) * (strlen(server->folder) + 1) + 1);
    size_t len = 0;

    need(filled != NULL, "memory");
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '@') {
            filled[len++] = *p;
        } else {
            memcpy(filled + len, server->folder, strlen(server->folder));
            len += strlen(server->folder);
        }
    }
    return filled;
}

void test_server_write(const struct test_server *server, const char *name, const char *text)
{
    char *path = join(server, name);
    char *filled = test_server_text(server, text);
    FILE *file = fopen(path, "w");

    need(file != NULL, path);
    need(fputs(filled, file) >= 0 && fclose(file) == 0, path);
    free(filled);
    free(path);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_NAME_new();

    need(x != NULL && subject != NULL, "certificate");
    (void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                     -1, 0);
    (void)X509_set_version(x, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    (void)X509_set_subject_name(x, subject);
    (void)X509_set_issuer_name(x, subject);
    (void)X509_set_pubkey(x, key);
    need(X509_sign(x, key, EVP_sha256()) > 0, "sign");
    X509_NAME_free(subject);
    return x;
}

static char old_sha1[41];

const char *test_server_old_sha1(void)
{
    return old_sha1;
}

static void remember(const X509 *x)
{
    unsigned char hash[20];

    need(X509_digest(x, EVP_sha1(), hash, NULL) == 1, "digest");
    for (size_t i = 0; i < sizeof hash; i++)
        (void)snprintf(old_sha1 + 2 * i, 3, "%02X", hash[i]);
}

static void write_certificates(const struct test_server *server, const char *name, EVP_PKEY *key,
                               int count)
{
    char *path = join(server, name);
    FILE *file = fopen(path, "w");
    X509 *x = make_certificate(key, name);

    need(file != NULL, path);
    if (strcmp(name, "old/rsa.pem") == 0)
        remember(x);
    for (int i = 0; i < count; i++)
        need(PEM_write_X509(file, x) == 1, path);
    need(fclose(file) == 0, path);
    X509_free(x);
    free(path);
}

static void write_key(const struct test_server *server, const char *name, EVP_PKEY *key)
{
    char *path = join(server, name);
    FILE *file = fopen(path, "w");

    need(file != NULL, path);
    need(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0,
         path);
    free(path);
}

static void copy_file(const struct test_server *server, const char *name, const char *to)
{
    char *from_path = join(server, name);
    char *to_path = join(server, to);

    need(link(from_path, to_path) == 0, to_path);
    free(from_path);
    free(to_path);
}

static void make_folder(const struct test_server *server, const char *name)
{
    char *path = join(server, name);

    need(mkdir(path, 0755) == 0, path);
    free(path);
}

static void make_files(const struct test_server *server)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    EVP_PKEY *ec = EVP_EC_gen("P-256");

    need(rsa != NULL && ec != NULL, "keys");
    write_certificates(server, "old/rsa.pem", rsa, 1);
    copy_file(server, "old/rsa.pem", "old/copy.pem");
    write_certificates(server, "old/full.pem", rsa, 2);
    write_certificates(server, "old/ec.pem", ec, 1);
    write_certificates(server, "old/ecfull.pem", ec, 2);
    write_key(server, "old/rsa.key", rsa);
    write_key(server, "old/ec.key", ec);
    write_certificates(server, "live/fullchain.pem", rsa, 2);
    write_certificates(server, "live/cert.pem", rsa, 1);
    write_certificates(server, "live/chain.pem", ec, 1);
    write_key(server, "live/privkey.pem", rsa);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
}

bool test_server_make(struct test_server *server)
{
    static const char *const files[ECERT_MATERIAL_COUNT] = {
        [ECERT_MATERIAL_KEY] = "live/privkey.pem",
        [ECERT_MATERIAL_CERTIFICATE] = "live/cert.pem",
        [ECERT_MATERIAL_CHAIN] = "live/chain.pem",
        [ECERT_MATERIAL_FULLCHAIN] = "live/fullchain.pem",
    };
    static const char *const folders[] = {"old",       "live", "run", "sites", "sites-available",
                                          "odd folder"};
    const char *base = getenv("TMPDIR");

    if (access(APACHE, X_OK) != 0)
        return false;
    *server = (struct test_server){0};
    (void)snprintf(server->folder, sizeof server->folder, "%s/ecert-apache-XXXXXX",
                   base != NULL ? base : "/tmp");
    need(mkdtemp(server->folder) != NULL, server->folder);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        make_folder(server, folders[i]);
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        (void)snprintf(server->paths[i], sizeof server->paths[i], "%s/%s", server->folder,
                       files[i]);
    (void)snprintf(server->main_file, sizeof server->main_file, "%s/httpd.conf", server->folder);
    (void)snprintf(server->site_file, sizeof server->site_file, "%s/site.conf", server->folder);
    make_files(server);
    test_server_write(server, "httpd.conf", main_text);
    return true;
}

static int run(const char *const *argv)
{
    int state = 0;
    const pid_t pid = fork();

    if (pid == 0) {
        need(freopen("/dev/null", "w", stdout) != NULL && dup2(STDOUT_FILENO, STDERR_FILENO) >= 0,
             "/dev/null");
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    need(pid > 0 && waitpid(pid, &state, 0) == pid, argv[0]);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128;
}

void test_server_remove(struct test_server *server)
{
    const char *const argv[] = {"/bin/rm", "-rf", server->folder, NULL};

    need(server->folder[0] == '/' && run(argv) == 0, server->folder);
}

void test_server_job(struct test_server *server, struct test_job *job)
{
    static const char *const names[] = {"www.example.test", "example.test", "*.wild.test", NULL};

    server->command[0] = APACHE;
    server->command[1] = "-f";
    server->command[2] = server->main_file;
    server->settings[0] = (struct test_setting){.name = "command", .list = server->command};
    *job = (struct test_job){.plugin = &ecert_plugin, .settings = server->settings};
    for (size_t i = 0; i < ECERT_MATERIAL_COUNT; i++)
        job->paths[i] = server->paths[i];
    job->leaf.size = sizeof job->leaf;
    job->leaf.dns_names = names;
    job->leaf.key_type = "rsa";
}

bool test_server_accepts(const struct test_server *server)
{
    const char *const argv[] = {APACHE, "-f", server->main_file, "-t", NULL};

    return run(argv) == 0;
}
