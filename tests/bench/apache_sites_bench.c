/*
 * The apache plugin's own part for very many virtual hosts, without the server's own dump:
 *
 *   apache_sites_bench FOLDER N one|many|shared|everywhere|discover
 *
 * Makes the configuration below FOLDER (one file, or a file for each host; `shared`: each host
 * includes one snippet too, `everywhere`: each has a certificate file of its own and all are
 * taken), and the answer that the server would give.  Then one process plans or discovers, with a
 * host table that reads the real files.  One line of JSON: seconds, sites, edited files, and what
 * this process needed more than before, in KiB.
 */
#include <ecert/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the host ------------------------------------------------------------------------------- */

struct file {
    struct file *next;
    size_t len;
    char bytes[];
};

struct run {
    const char *folder;
    const char *dump;
    bool everywhere;
    struct file *files; /* what was read, until the end of the plan */
    size_t n_sites, n_taken, n_files;
    struct ecert_leaf_facts leaf;
};

static struct run run;

static const char *certificate(const struct ecert_job *job)
{
    (void)job;
    return "www.example.test";
}

static const char *const *server_names(const struct ecert_job *job, bool *ret_explicit)
{
    static const char *const one[] = {"h7.example.test", NULL};
    static const char *const wild[] = {"*.example.test", "h7.example.test", NULL};

    (void)job;
    *ret_explicit = false;
    return run.everywhere ? wild : one;
}

static bool covers(const struct ecert_job *job, const char *name)
{
    const char *dot = strchr(name, '.');

    (void)job;
    return run.everywhere ? dot != NULL && strcmp(dot, ".example.test") == 0
                          : strcmp(name, "h7.example.test") == 0;
}

static const char *setting(const struct ecert_job *job, const char *name)
{
    (void)job;
    return strcmp(name, "everywhere_it_was") == 0 && run.everywhere ? "true" : NULL;
}

static const char *const *setting_list(const struct ecert_job *job, const char *name)
{
    static const char *const command[] = {"/usr/sbin/apache2", NULL};

    (void)job;
    (void)name;
    return command;
}

static const char *path(const struct ecert_job *job, enum ecert_material which)
{
    (void)job;
    return which == ECERT_MATERIAL_KEY         ? "/var/lib/ecert/privkey.pem"
           : which == ECERT_MATERIAL_FULLCHAIN ? "/var/lib/ecert/fullchain.pem"
                                               : NULL;
}

static bool key_is_encrypted(const struct ecert_job *job)
{
    (void)job;
    return false;
}

static const struct ecert_leaf_facts *leaf(const struct ecert_job *job)
{
    (void)job;
    return &run.leaf;
}

static ECERT_PRINTF(3, 4) enum ecert_status
    host_fail(struct ecert_error *err, enum ecert_status status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    err->status = status;
    return status;
}

static enum ecert_status read_file(struct ecert_job *job, const char *name, size_t max,
                                   struct ecert_view *ret, struct ecert_error *err)
{
    struct stat st;
    const int fd = open(name, O_RDONLY | O_CLOEXEC);

    (void)job;
    if (fd < 0)
        return host_fail(err, ECERT_E_NOT_FOUND, "open '%s': %s", name, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > max) {
        (void)close(fd);
        return host_fail(err, ECERT_E_REFUSED, "'%s' is refused", name);
    }
    struct file *file = malloc(sizeof *file + (size_t)st.st_size + 1);
    if (file == NULL)
        abort();
    file->len = (size_t)st.st_size;
    if (read(fd, file->bytes, file->len) != (ssize_t)file->len)
        abort();
    (void)close(fd);
    file->next = run.files;
    run.files = file;
    *ret = (struct ecert_view){(const uint8_t *)file->bytes, file->len};
    return ECERT_OK;
}

static enum ecert_status find(struct ecert_job *job, const char *pattern, const char *const **ret,
                              struct ecert_error *err)
{
    static const char *const none[] = {NULL};

    (void)job;
    (void)pattern;
    (void)err;
    *ret = none;
    return ECERT_OK;
}

static enum ecert_status command(struct ecert_job *job, const char *const *argv,
                                 struct ecert_command_result *ret, struct ecert_error *err)
{
    (void)argv;
    *ret = (struct ecert_command_result){0};
    return read_file(job, run.dump, SIZE_MAX, &ret->out, err);
}

static enum ecert_status emit_file(struct ecert_job *job, const struct ecert_file_record *file,
                                   struct ecert_error *err)
{
    (void)job;
    (void)file;
    (void)err;
    run.n_files++;
    return ECERT_OK;
}

static enum ecert_status emit_test(struct ecert_job *job, const char *const *argv,
                                   const char *const *scratch, struct ecert_error *err)
{
    (void)job;
    (void)argv;
    (void)scratch;
    (void)err;
    return ECERT_OK;
}

static enum ecert_status emit_activate(struct ecert_job *job,
                                       const struct ecert_activate_record *activate,
                                       struct ecert_error *err)
{
    (void)job;
    (void)activate;
    (void)err;
    return ECERT_OK;
}

static enum ecert_status emit_probe(struct ecert_job *job, const struct ecert_probe_record *probe,
                                    struct ecert_error *err)
{
    (void)job;
    (void)probe;
    (void)err;
    return ECERT_OK;
}

static enum ecert_status emit_note(struct ecert_job *job, const char *text, struct ecert_error *err)
{
    (void)job;
    (void)text;
    (void)err;
    return ECERT_OK;
}

static enum ecert_status emit_site(struct ecert_job *job, const struct ecert_site_record *site,
                                   struct ecert_error *err)
{
    (void)job;
    (void)err;
    run.n_sites++;
    run.n_taken += site->taken;
    return ECERT_OK;
}

static const struct ecert_host host = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof host,
    .certificate = certificate,
    .target = certificate,
    .server_names = server_names,
    .covers = covers,
    .setting = setting,
    .setting_list = setting_list,
    .path = path,
    .leaf = leaf,
    .read_file = read_file,
    .glob = find,
    .run = command,
    .emit_file = emit_file,
    .emit_test = emit_test,
    .emit_activate = emit_activate,
    .emit_probe = emit_probe,
    .emit_note = emit_note,
    .fail = host_fail,
    .key_is_encrypted = key_is_encrypted,
    .emit_site = emit_site,
};

/* ---- the configuration ---------------------------------------------------------------------- */

static FILE *create(const char *name)
{
    FILE *file = fopen(name, "we");

    if (file == NULL) {
        perror(name);
        exit(2);
    }
    return file;
}

static void finish(FILE *file)
{
    if (fclose(file) != 0) {
        perror("write");
        exit(2);
    }
}

static void put_host(FILE *file, unsigned i, bool shared, bool own)
{
    char pem[512];

    (void)snprintf(pem, sizeof pem, "%s/%s", run.folder, "now.pem");
    if (own)
        (void)snprintf(pem, sizeof pem, "%s/pem/%u.pem", run.folder, i);
    (void)fprintf(file,
                  "<VirtualHost *:443>\n    ServerName h%u.example.test\n"
                  "    DocumentRoot \"/srv/www/h%u\"\n    # ServerAdmin webmaster@example.test\n"
                  "    ErrorLog ${APACHE_LOG_DIR}/h%u.log\n    SSLEngine on\n"
                  "    SSLCertificateFile %s\n    SSLCertificateKeyFile /etc/ssl/h%u.key\n"
                  "    <Directory \"/srv/www/h%u\">\n        Require all granted\n"
                  "        AllowOverride None\n    </Directory>\n%s%s%s</VirtualHost>\n",
                  i, i, i, pem, i, i, shared ? "    Include " : "", shared ? run.folder : "",
                  shared ? "/snippet.conf\n" : "");
}

static void copy(const char *from, const char *to)
{
    static char bytes[8192];
    FILE *in = fopen(from, "re");

    if (in == NULL) {
        perror(from);
        exit(2);
    }
    const size_t len = fread(bytes, 1, sizeof bytes, in);
    (void)fclose(in);
    FILE *out = create(to);
    (void)fwrite(bytes, 1, len, out);
    finish(out);
}

#define HOST_LINES 13u

static void make(unsigned n, bool many, bool shared, bool own, const char *dump_name)
{
    char name[600];
    char now[600];
    FILE *dump = create(dump_name);
    FILE *all = NULL;

    (void)snprintf(now, sizeof now, "%s/now.pem", run.folder);
    (void)snprintf(name, sizeof name, "%s/httpd.conf", run.folder);
    all = create(name);
    (void)fprintf(all, "Listen 443\n");
    (void)fprintf(dump, "Included configuration files:\n  (*) %s/httpd.conf\n", run.folder);
    for (unsigned i = 0; i < n; i++) {
        FILE *file = all;
        (void)snprintf(name, sizeof name, "%s/h%u.conf", run.folder, i);
        if (many) {
            file = create(name);
            (void)fprintf(dump, "    (2) %s\n", name);
        }
        put_host(file, i, shared, own);
        if (shared)
            (void)fprintf(dump, "%s(%u) %s/snippet.conf\n", many ? "      " : "    ",
                          many ? HOST_LINES : (HOST_LINES + 1) * i + 1 + HOST_LINES, run.folder);
        if (many)
            finish(file);
        (void)snprintf(name, sizeof name, "%s/pem/%u.pem", run.folder, i);
        if (own)
            copy(now, name);
    }
    if (many)
        (void)fprintf(all, "IncludeOptional %s/h*.conf\n", run.folder);
    finish(all);
    (void)snprintf(name, sizeof name, "%s/snippet.conf", run.folder);
    all = create(name);
    (void)fprintf(all, "Header set X-Frame-Options DENY\n");
    finish(all);
    (void)fprintf(dump,
                  "VirtualHost configuration:\n*:443                  is a NameVirtualHost\n");
    for (unsigned i = 0; i < n; i++) {
        if (many)
            (void)snprintf(name, sizeof name, "%s/h%u.conf:1", run.folder, i);
        else
            (void)snprintf(name, sizeof name, "%s/httpd.conf:%u", run.folder,
                           (HOST_LINES + (shared ? 1 : 0)) * i + 2);
        (void)fprintf(dump, "         port 443 namevhost h%u.example.test (%s)\n", i, name);
    }
    (void)fprintf(dump, "ServerRoot: \"%s\"\nLoaded Modules:\n ssl_module (shared)\n", run.folder);
    finish(dump);
}

/* ---- the measurement ------------------------------------------------------------------------ */

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long peak_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (file != NULL)
        (void)fclose(file);
    return kib;
}

int main(int argc, char **argv)
{
    struct ecert_error err = {0};
    char dump[600];

    if (argc != 4) {
        (void)fprintf(stderr,
                      "usage: apache_sites_bench FOLDER N one|many|shared|everywhere|discover\n");
        return 2;
    }
    const bool discover = strcmp(argv[3], "discover") == 0;
    const unsigned n = (unsigned)strtoul(argv[2], NULL, 10);
    run = (struct run){.folder = argv[1],
                       .dump = dump,
                       .everywhere = strcmp(argv[3], "everywhere") == 0,
                       .leaf = {.size = sizeof run.leaf, .key_type = "ec"}};
    (void)snprintf(dump, sizeof dump, "%s/dump", run.folder);

    const pid_t pid = fork(); /* making it shall not count */
    if (pid == 0) {
        make(n, strcmp(argv[3], "one") != 0 && strcmp(argv[3], "shared") != 0,
             strcmp(argv[3], "shared") == 0, run.everywhere || discover, dump);
        _exit(0);
    }
    int state = 1;
    if (waitpid(pid, &state, 0) != pid || state != 0)
        return 1;
    const long before = peak_kib();
    const double start = seconds();
    const enum ecert_status status =
        discover ? ecert_plugin.discover(&host, NULL, &err) : ecert_plugin.plan(&host, NULL, &err);
    const double took = seconds() - start;
    if (status != ECERT_OK) {
        (void)fprintf(stderr, "apache_sites_bench: %s\n", err.text);
        return 1;
    }
    (void)printf("{\"seconds\": %.6f, \"sites\": %zu, \"taken\": %zu, \"files\": %zu, "
                 "\"more_kib\": %ld}\n",
                 took, run.n_sites, run.n_taken, run.n_files, peak_kib() - before);
    while (run.files != NULL) {
        struct file *next = run.files->next;
        free(run.files);
        run.files = next;
    }
    return 0;
}
