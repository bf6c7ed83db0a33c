#include "tests/unit/flow/mail_server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"

#define EXIM "/usr/sbin/exim4"

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "test receivers: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- files ---- */

/* The whole file; empty if there is none. */
static void read_whole(const char *path, struct ecert_bytes *ret)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};
    struct ecert_error err = {0};
    FILE *file = fopen(path, "re");
    uint8_t chunk[65536];
    size_t n;

    while (file != NULL && (n = fread(chunk, 1, sizeof chunk, file)) > 0)
        ecert_buffer_add(&buffer, (struct ecert_view){chunk, n});
    if (file != NULL)
        (void)fclose(file);
    need(ecert_buffer_take(&buffer, ret, &err) == ECERT_OK, path);
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes content = {0};

    read_whole(from, &content);
    FILE *file = fopen(to, "we");
    need(content.len > 0 && file != NULL &&
             fwrite(content.ptr, 1, content.len, file) == content.len && fclose(file) == 0 &&
             chmod(to, mode) == 0,
         from);
}

static void make_folder(const char *folder, const char *name, char ret[400])
{
    need(snprintf(ret, 400, "%s/%s", folder, name) < 400 && mkdir(ret, 0755) == 0, name);
}

/* ---- ports ---- */

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    need(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
             getsockname(fd, (struct sockaddr *)&address, &len) == 0,
         "find a free port");
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void await_port(unsigned port, pid_t pid, const char *what)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};

    for (int i = 0; i < 1000; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const bool ok = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;

        (void)close(fd);
        if (ok)
            return;
        need(waitpid(pid, NULL, WNOHANG) == 0, what);
        ecert_clock_sleep_ms(10);
    }
    need(false, what);
}

/* ---- exim ---- */

/* "@d", the folder, and the other letters of fill_in(). */
static const char configuration[] = "exim_path = @d/exim\n"
                                    "spool_directory = @d/spool\n"
                                    "log_file_path = @d/log/%slog\n"
                                    "pid_file_path = @d/exim.pid\n"
                                    "primary_hostname = mail.example\n"
                                    "local_interfaces = <; 127.0.0.1\n"
                                    "daemon_smtp_ports = @t : @s : @p\n"
                                    "tls_on_connect_ports = @s\n"
                                    "tls_advertise_hosts = ${if ={$received_port}{@p}{}{*}}\n"
                                    "auth_advertise_hosts = ${if def:tls_in_cipher{*}{}}\n"
                                    "tls_certificate = @d/server.pem\n"
                                    "tls_privatekey = @d/server.pem\n"
                                    "exim_user = @u\n"
                                    "exim_group = @g\n"
                                    "deliver_drop_privilege\n"
                                    "keep_environment =\n"
                                    "host_lookup =\n"
                                    "rfc1413_query_timeout = 0s\n"
                                    "acl_smtp_rcpt = recipient\n"
                                    "begin acl\n"
                                    "recipient:\n"
                                    "  deny local_parts = nobody\n"
                                    "       message = no such user here\n"
                                    "  accept\n"
                                    "begin routers\n"
                                    "all:\n"
                                    "  driver = accept\n"
                                    "  transport = files\n"
                                    "begin transports\n"
                                    "files:\n"
                                    "  driver = appendfile\n"
                                    "  directory = @d/mail\n"
                                    "  maildir_format\n"
                                    "  user = @u\n"
                                    "  group = @g\n"
                                    "  envelope_to_add\n"
                                    "  return_path_add\n"
                                    "begin authenticators\n"
                                    "plain:\n"
                                    "  driver = plaintext\n"
                                    "  public_name = PLAIN\n"
                                    "  server_prompts = :\n"
                                    "  server_condition = ${if and{{eq{$auth2}{" MAIL_SERVER_USER
                                    "}}{eq{$auth3}{" MAIL_SERVER_PASSWORD "}}}}\n"
                                    "login:\n"
                                    "  driver = plaintext\n"
                                    "  public_name = LOGIN\n"
                                    "  server_prompts = Username:: : Password::\n"
                                    "  server_condition = ${if and{{eq{$auth1}{" MAIL_SERVER_USER
                                    "}}{eq{$auth2}{" MAIL_SERVER_PASSWORD "}}}}\n";

/* Never root: exim would do as its own user does, and not write where it may not. */
static void find_user(uid_t *ret_uid, gid_t *ret_gid)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("Debian-exim") : NULL;

    need(geteuid() != 0 || user != NULL, "the user Debian-exim (install exim4-daemon-light)");
    *ret_uid = user == NULL ? geteuid() : user->pw_uid;
    *ret_gid = user == NULL ? getegid() : user->pw_gid;
}

static void fill_in(const struct mail_server *server, uid_t uid, gid_t gid, FILE *file)
{
    for (const char *p = configuration; *p != '\0'; p++) {
        if (*p != '@') {
            (void)fputc(*p, file);
            continue;
        }
        p++;
        if (*p == 'd')
            (void)fputs(server->folder, file);
        else
            (void)fprintf(file, "%u",
                          *p == 't'   ? server->starttls
                          : *p == 's' ? server->smtps
                          : *p == 'p' ? server->plain
                          : *p == 'u' ? (unsigned)uid
                                      : (unsigned)gid);
    }
}

static void prepare(struct mail_server *server, const char *pem, uid_t uid, gid_t gid)
{
    static const char *const folders[] = {"mail", "spool", "log"};
    char path[500];

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        char made[400];

        make_folder(server->folder, folders[i], made);
        need(chown(made, uid, gid) == 0, made);
    }
    need(chown(server->folder, uid, gid) == 0, server->folder);
    (void)snprintf(path, sizeof path, "%s/server.pem", server->folder);
    copy_file(pem, path, 0600);
    need(chown(path, uid, gid) == 0, path);
    (void)snprintf(path, sizeof path, "%s/exim", server->folder);
    copy_file(EXIM, path, 0755);
    (void)snprintf(path, sizeof path, "%s/exim.conf", server->folder);
    FILE *file = fopen(path, "we");
    need(file != NULL, path);
    fill_in(server, uid, gid, file);
    need(fclose(file) == 0 && chmod(path, 0644) == 0, path);
}

static void become_exim(const struct mail_server *server, uid_t uid, gid_t gid)
{
    char program[500], conf[500];

    (void)snprintf(program, sizeof program, "%s/exim", server->folder);
    (void)snprintf(conf, sizeof conf, "%s/exim.conf", server->folder);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0))
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* after setuid, which resets it */
    (void)execl(program, program, "-C", conf, "-bdf", (char *)NULL);
    _exit(127);
}

void mail_server_start(struct mail_server *server, const char *folder, const char *pem)
{
    uid_t uid;
    gid_t gid;

    *server = (struct mail_server){0};
    make_folder(folder, "exim", server->folder);
    server->starttls = free_port();
    server->smtps = free_port();
    server->plain = free_port();
    find_user(&uid, &gid);
    prepare(server, pem, uid, gid);
    server->exim = fork();
    need(server->exim >= 0, "fork");
    if (server->exim == 0)
        become_exim(server, uid, gid);
    await_port(server->starttls, server->exim, "exim does not answer");
}

void mail_server_end(struct mail_server *server)
{
    (void)kill(server->exim, SIGTERM);
    (void)waitpid(server->exim, NULL, 0);
}

void mail_server_take(const struct mail_server *server, struct ecert_bytes *ret)
{
    char folder[500], path[1000] = "";

    (void)snprintf(folder, sizeof folder, "%s/mail/new", server->folder);
    for (int i = 0; i < 1000 && path[0] == '\0'; i++) {
        DIR *directory = opendir(folder);
        const struct dirent *entry;

        while (directory != NULL && (entry = readdir(directory)) != NULL)
            if (entry->d_name[0] != '.')
                (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (directory != NULL)
            (void)closedir(directory);
        if (path[0] == '\0')
            ecert_clock_sleep_ms(10);
    }
    read_whole(path, ret);
    (void)unlink(path);
}

/* ---- those that misbehave ---- */

void receivers_start(struct receivers *receivers, const char *folder, const char *pem)
{
    char ports[500];

    *receivers = (struct receivers){0};
    make_folder(folder, "receivers", receivers->folder);
    receivers->pid = fork();
    need(receivers->pid >= 0, "fork");
    if (receivers->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execl("/usr/bin/python3", "python3", ECERT_RECEIVERS, receivers->folder, pem,
                    (char *)NULL);
        _exit(127);
    }
    (void)snprintf(ports, sizeof ports, "%s/ports", receivers->folder);
    for (int i = 0; i < 1000 && access(ports, R_OK) != 0; i++) {
        need(waitpid(receivers->pid, NULL, WNOHANG) == 0, ECERT_RECEIVERS);
        ecert_clock_sleep_ms(10);
    }
}

void receivers_end(struct receivers *receivers)
{
    (void)kill(receivers->pid, SIGKILL);
    (void)waitpid(receivers->pid, NULL, 0);
}

void receivers_read(const struct receivers *receivers, const char *name, struct ecert_bytes *ret)
{
    char path[500];

    (void)snprintf(path, sizeof path, "%s/%s", receivers->folder, name);
    read_whole(path, ret);
}

unsigned receivers_port(const struct receivers *receivers, const char *name)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes ports = {0};
    const size_t len = strlen(name);

    receivers_read(receivers, "ports", &ports);
    for (char *line = strtok((char *)ports.ptr, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            return (unsigned)strtoul(line + len, NULL, 10);
    need(false, name);
    return 0;
}
