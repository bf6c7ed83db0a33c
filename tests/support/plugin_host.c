#include "tests/support/plugin_host.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define RUN_SECONDS    60
#define MAX_STREAM_LEN ((size_t)16 << 20)

/* A test that has no memory left is of no use to anybody. */
static void *need(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

/* The host functions that take a const job still keep what they allocate in it. */
static struct test_job *of(const struct ecert_job *job)
{
    return (struct test_job *)(uintptr_t)job;
}

static void *own(struct test_job *job, void *memory)
{
    job->owned = need(realloc(job->owned, (job->n_owned + 1) * sizeof(void *)));
    job->owned[job->n_owned++] = need(memory);
    return memory;
}

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : need(strdup(text));
}

static char **copy_list(const char *const *list)
{
    size_t n = 0;

    if (list == NULL)
        return NULL;
    while (list[n] != NULL)
        n++;
    char **copy = need(calloc(n + 1, sizeof *copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = copy_text(list[i]);
    return copy;
}

static void free_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

static uint8_t *copy_view(struct ecert_view view)
{
    if (view.ptr == NULL)
        return NULL;
    uint8_t *copy = need(malloc(view.len + 1));
    memcpy(copy, view.ptr, view.len);
    copy[view.len] = 0; /* so that a test may use it as text */
    return copy;
}

static ECERT_PRINTF(3, 4) enum ecert_status
    host_fail(struct ecert_error *err, enum ecert_status status, const char *fmt, ...)
{
    va_list args;

    if (err != NULL) {
        *err = (struct ecert_error){.status = status};
        va_start(args, fmt);
        (void)vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
    }
    return status;
}

/* A record that the core would not take. */
static enum ecert_status refuse(struct ecert_error *err, const char *why)
{
    return host_fail(err, ECERT_E_PLUGIN, "%s", why);
}

/* ---- the target and its certificate --------------------------------------------------------- */

static const char *host_certificate(const struct ecert_job *job)
{
    return of(job)->certificate != NULL ? of(job)->certificate : "www.example.test";
}

static const char *host_target(const struct ecert_job *job)
{
    return of(job)->target != NULL ? of(job)->target : of(job)->plugin->name;
}

static const char *const *host_server_names(const struct ecert_job *job, bool *ret_explicit)
{
    static const char *const none[] = {NULL};
    const struct test_job *test = of(job);

    *ret_explicit = test->server_names != NULL;
    if (test->server_names != NULL)
        return test->server_names;
    return test->leaf.dns_names != NULL ? test->leaf.dns_names : none;
}

static bool host_covers(const struct ecert_job *job, const char *host_name)
{
    const char *const *names = of(job)->leaf.dns_names;
    const char *parent = strchr(host_name, '.');

    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (strcasecmp(names[i], host_name) == 0)
            return true;
        if (strncmp(names[i], "*.", 2) == 0 && parent != NULL && parent != host_name &&
            strcasecmp(names[i] + 1, parent) == 0)
            return true;
    }
    return false;
}

static const struct test_setting *find_setting(const struct test_job *job, const char *name)
{
    for (const struct test_setting *s = job->settings; s != NULL && s->name != NULL; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static const char *find_default(const struct test_job *job, const char *name)
{
    if (job->plugin == NULL)
        return NULL;
    for (const struct ecert_setting *s = job->plugin->settings; s != NULL && s->name != NULL; s++)
        if (strcmp(s->name, name) == 0)
            return s->default_value;
    return NULL;
}

static const char *host_setting(const struct ecert_job *job, const char *name)
{
    const struct test_setting *given = find_setting(of(job), name);

    return given != NULL ? given->value : find_default(of(job), name);
}

static const char *const *host_setting_list(const struct ecert_job *job, const char *name)
{
    struct test_job *test = of(job);
    const struct test_setting *given = find_setting(test, name);
    const char *words = find_default(test, name);
    size_t n = 0;

    if (given != NULL || words == NULL)
        return given != NULL ? given->list : NULL;
    char *copy = own(test, copy_text(words));
    const char **list = own(test, need(calloc(strlen(words) + 2, sizeof *list)));
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        list[n++] = word;
    return list;
}

static bool host_key_is_encrypted(const struct ecert_job *job)
{
    return of(job)->key_is_encrypted;
}

static const char *host_path(const struct ecert_job *job, enum ecert_material which)
{
    return of(job)->paths[which];
}

static struct ecert_view host_material(const struct ecert_job *job, enum ecert_material which)
{
    const struct test_job *test = of(job);

    if (which == ECERT_MATERIAL_KEY && (test->plugin->needs & ECERT_NEEDS_PRIVATE_KEY) == 0)
        return (struct ecert_view){0};
    return test->materials[which];
}

static const struct ecert_leaf_facts *host_leaf(const struct ecert_job *job)
{
    return &of(job)->leaf;
}

/* ---- looking at the server ------------------------------------------------------------------- */

static enum ecert_status read_all(struct test_job *job, int fd, const char *path, size_t len,
                                  struct ecert_view *ret, struct ecert_error *err)
{
    uint8_t *bytes = own(job, malloc(len + 1));
    size_t at = 0;

    while (at < len) {
        const ssize_t n = pread(fd, bytes + at, len - at, (off_t)at);
        if (n < 0)
            return host_fail(err, ECERT_E_IO, "read '%s': %s", path, strerror(errno));
        if (n == 0)
            break;
        at += (size_t)n;
    }
    bytes[at] = 0;
    *ret = (struct ecert_view){bytes, at};
    return ECERT_OK;
}

static enum ecert_status host_read_file(struct ecert_job *job, const char *path, size_t max_len,
                                        struct ecert_view *ret, struct ecert_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum ecert_status status = ECERT_OK;
    struct stat st;

    if (fd < 0)
        return host_fail(err, errno == ENOENT || errno == ENOTDIR ? ECERT_E_NOT_FOUND : ECERT_E_IO,
                         "open '%s': %s", path, strerror(errno));
    if (fstat(fd, &st) != 0)
        status = host_fail(err, ECERT_E_IO, "stat '%s': %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = host_fail(err, ECERT_E_REFUSED, "'%s' is not a regular file", path);
    else if ((uintmax_t)st.st_size > max_len)
        status = host_fail(err, ECERT_E_REFUSED, "'%s' is larger than %zu bytes", path, max_len);
    else
        status = read_all(of(job), fd, path, (size_t)st.st_size, ret, err);
    (void)close(fd);
    return status;
}

/* Gone at once: whoever looks again is seen by the sanitizer. */
static void host_forget(struct ecert_job *job, struct ecert_view bytes)
{
    struct test_job *test = of(job);

    for (size_t i = 0; bytes.ptr != NULL && i < test->n_owned; i++)
        if (test->owned[i] == bytes.ptr) {
            free(test->owned[i]);
            test->owned[i] = NULL;
            return;
        }
}

static enum ecert_status host_glob(struct ecert_job *job, const char *pattern,
                                   const char *const **ret, struct ecert_error *err)
{
    glob_t found = {0};
    const int rc = glob(pattern, 0, NULL, &found);

    if (rc != 0 && rc != GLOB_NOMATCH) {
        globfree(&found);
        return host_fail(err, ECERT_E_IO, "glob '%s' failed", pattern);
    }
    const char **list = own(of(job), calloc(found.gl_pathc + 1, sizeof *list));
    for (size_t i = 0; i < found.gl_pathc; i++)
        list[i] = own(of(job), copy_text(found.gl_pathv[i]));
    globfree(&found);
    *ret = list;
    return ECERT_OK;
}

static _Noreturn void become(const char *const *argv, int out, int err)
{
    static const char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static const char locale[] = "LC_ALL=C";
    char *const env[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)locale, NULL};
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(err, STDERR_FILENO) >= 0) {
        (void)alarm(RUN_SECONDS); /* outlives exec */
        (void)execve(argv[0], (char *const *)(uintptr_t)argv, env);
    }
    _exit(127);
}

static size_t stream_len(int fd)
{
    const off_t len = lseek(fd, 0, SEEK_END);

    return len < (off_t)MAX_STREAM_LEN ? (size_t)len : MAX_STREAM_LEN;
}

static enum ecert_status host_run(struct ecert_job *job, const char *const *argv,
                                  struct ecert_command_result *ret, struct ecert_error *err)
{
    struct ecert_command_result result = {0};
    enum ecert_status status = ECERT_OK;
    int wait_status = 0;

    if (argv[0] == NULL || argv[0][0] != '/')
        return refuse(err, "a command must start with an absolute path");
    if (access(argv[0], X_OK) != 0)
        return host_fail(err, ECERT_E_IO, "start '%s': %s", argv[0], strerror(errno));
    const int out = memfd_create("out", MFD_CLOEXEC);
    const int err_fd = memfd_create("err", MFD_CLOEXEC);
    if (out < 0 || err_fd < 0)
        abort();
    of(job)->n_runs++;
    const pid_t pid = fork();
    if (pid == 0)
        become(argv, out, err_fd);
    if (pid < 0)
        status = host_fail(err, ECERT_E_IO, "fork: %s", strerror(errno));
    else if (waitpid(pid, &wait_status, 0) != pid)
        status = host_fail(err, ECERT_E_IO, "wait for '%s': %s", argv[0], strerror(errno));
    else if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGALRM)
        status = host_fail(err, ECERT_E_TIMEOUT, "'%s' took too long", argv[0]);
    result.exit_code =
        WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    if (status == ECERT_OK)
        status = read_all(of(job), out, "its output", stream_len(out), &result.out, err);
    if (status == ECERT_OK)
        status = read_all(of(job), err_fd, "its errors", stream_len(err_fd), &result.err, err);
    if (status == ECERT_OK)
        *ret = result;
    (void)close(out);
    (void)close(err_fd);
    return status;
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* What the core refuses too: relative paths, "." and ".." parts. */
static bool is_clean_path(const char *path)
{
    if (path == NULL || path[0] != '/')
        return false;
    for (const char *p = path; p != NULL; p = strchr(p + 1, '/')) {
        const size_t len = strcspn(p + 1, "/");
        if ((len == 1 && p[1] == '.') || (len == 2 && p[1] == '.' && p[2] == '.'))
            return false;
    }
    return true;
}

static bool is_command(const char *const *argv)
{
    return argv != NULL && is_clean_path(argv[0]);
}

static enum ecert_status host_emit_file(struct ecert_job *job, const struct ecert_file_record *file,
                                        struct ecert_error *err)
{
    struct test_job *test = of(job);

    if (file->size != sizeof *file)
        return refuse(err, "a file record of the wrong size");
    if (!is_clean_path(file->path))
        return refuse(err, "a file record without a clean absolute path");
    if (file->content.ptr == NULL && file->content.len != 0)
        return refuse(err, "a file record without content");
    if (test_job_file(test, file->path) != NULL)
        return refuse(err, "two file records for one path");
    if (test->n_files == COUNT(test->files))
        return refuse(err, "too many file records");
    test->files[test->n_files++] = (struct test_file){
        .path = copy_text(file->path),
        .content = copy_view(file->content),
        .len = file->content.len,
        .expected = copy_view(file->expected),
        .expected_len = file->expected.len,
        .secret = file->secret,
        .uid = file->uid,
        .gid = file->gid,
        .mode = file->mode,
    };
    return ECERT_OK;
}

static enum ecert_status host_emit_test(struct ecert_job *job, const char *const *argv,
                                        const char *const *scratch, struct ecert_error *err)
{
    struct test_job *test = of(job);

    if (!is_command(argv))
        return refuse(err, "a test record without a command");
    for (size_t i = 0; scratch != NULL && scratch[i] != NULL; i++)
        if (!is_clean_path(scratch[i]))
            return refuse(err, "a scratch file without a clean absolute path");
    free_list(test->test_argv);
    free_list(test->test_scratch);
    test->test_argv = copy_list(argv);
    test->test_scratch = copy_list(scratch);
    test->n_tests++;
    return ECERT_OK;
}

static enum ecert_status host_emit_activate(struct ecert_job *job,
                                            const struct ecert_activate_record *activate,
                                            struct ecert_error *err)
{
    struct test_job *test = of(job);

    if (activate->size != sizeof *activate || test->n_activations != 0)
        return refuse(err, "an activate record of the wrong size, or a second one");
    if (activate->service == NULL || !is_command(activate->reload))
        return refuse(err, "an activate record without service or command");
    test->service = copy_text(activate->service);
    test->reload = copy_list(activate->reload);
    test->start = copy_list(activate->start);
    test->pid_file = copy_text(activate->pid_file);
    test->executable = copy_text(activate->executable);
    test->n_activations++;
    return ECERT_OK;
}

static enum ecert_status host_emit_probe(struct ecert_job *job,
                                         const struct ecert_probe_record *probe,
                                         struct ecert_error *err)
{
    struct test_job *test = of(job);

    if (probe->size != sizeof *probe || probe->address == NULL || probe->port == 0)
        return refuse(err, "a probe record of the wrong size, or without address or port");
    if (test->n_probes == COUNT(test->probes))
        return refuse(err, "too many probe records");
    test->probes[test->n_probes++] = (struct test_probe){
        .address = copy_text(probe->address),
        .port = probe->port,
        .server_name = copy_text(probe->server_name),
        .starttls = copy_text(probe->starttls),
    };
    return ECERT_OK;
}

static enum ecert_status host_emit_note(struct ecert_job *job, const char *text,
                                        struct ecert_error *err)
{
    struct test_job *test = of(job);

    if (test->n_notes == COUNT(test->notes))
        return refuse(err, "too many notes");
    test->notes[test->n_notes++] = copy_text(text);
    return ECERT_OK;
}

static void add_part(FILE *out, const char *before, const char *part)
{
    (void)fprintf(out, "%s%s", before, part == NULL || part[0] == '\0' ? "-" : part);
}

static enum ecert_status host_emit_site(struct ecert_job *job, const struct ecert_site_record *site,
                                        struct ecert_error *err)
{
    struct test_job *test = of(job);
    const struct ecert_probe_record *const *address = site->addresses;
    size_t len = 0;

    if (site->size != sizeof *site || site->kind == NULL)
        return refuse(err, "a site record of the wrong size, or without kind");
    if (site->why != NULL && site->why[0] == '\0')
        return refuse(err, "a site record with an empty reason");
    test->sites = need(realloc(test->sites, (test->n_sites + 1) * sizeof(char *)));
    test->verdicts = need(realloc(test->verdicts, (test->n_sites + 1) * sizeof(char *)));
    if (asprintf(&test->verdicts[test->n_sites], "%s: %s",
                 site->refused ? "refuses"
                 : site->taken ? "takes"
                               : "leaves",
                 site->why != NULL ? site->why : "-") < 0)
        abort();
    FILE *out = need(open_memstream(&test->sites[test->n_sites], &len));
    add_part(out, "", site->kind);
    for (size_t i = 0; site->names != NULL && site->names[i] != NULL; i++)
        add_part(out, i == 0 ? " " : ",", site->names[i]);
    add_part(out, " ", site->file);
    (void)fprintf(out, ":%u", (unsigned)site->line);
    add_part(out, " ", site->certificate);
    add_part(out, " ", site->key);
    add_part(out, " ", site->chain);
    add_part(out, " ", site->enabled ? "on" : site->tls ? "ready" : "off");
    for (; address != NULL && *address != NULL; address++)
        (void)fprintf(out, "%s%s:%u", address == site->addresses ? " " : ",", (*address)->address,
                      (unsigned)(*address)->port);
    if (fclose(out) != 0)
        abort();
    test->n_sites++;
    return ECERT_OK;
}

const struct ecert_host test_host = {
    .abi = ECERT_PLUGIN_ABI,
    .size = sizeof(struct ecert_host),
    .certificate = host_certificate,
    .target = host_target,
    .server_names = host_server_names,
    .covers = host_covers,
    .setting = host_setting,
    .setting_list = host_setting_list,
    .path = host_path,
    .material = host_material,
    .leaf = host_leaf,
    .read_file = host_read_file,
    .glob = host_glob,
    .run = host_run,
    .emit_file = host_emit_file,
    .emit_test = host_emit_test,
    .emit_activate = host_emit_activate,
    .emit_probe = host_emit_probe,
    .emit_note = host_emit_note,
    .fail = host_fail,
    .key_is_encrypted = host_key_is_encrypted,
    .emit_site = host_emit_site,
    .forget = host_forget,
};

/* ---- for the tests --------------------------------------------------------------------------- */

static void free_all(void *const *memory, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(memory[i]);
}

void test_job_clear(struct test_job *job)
{
    for (size_t i = 0; i < job->n_files; i++)
        free_all((void *[]){job->files[i].path, job->files[i].content, job->files[i].expected}, 3);
    for (size_t i = 0; i < job->n_probes; i++)
        free_all(
            (void *[]){job->probes[i].address, job->probes[i].server_name, job->probes[i].starttls},
            3);
    for (size_t i = 0; i < job->n_sites; i++)
        free_all((void *[]){job->sites[i], job->verdicts[i]}, 2);
    free(job->sites);
    free(job->verdicts);
    for (size_t i = 0; i < job->n_notes; i++)
        free(job->notes[i]);
    free_list(job->test_argv);
    free_list(job->test_scratch);
    free_list(job->reload);
    free_list(job->start);
    free_all((void *[]){job->service, job->pid_file, job->executable}, 3);
    free_all(job->owned, job->n_owned);
    free(job->owned);
    *job = (struct test_job){0};
}

const struct test_file *test_job_file(const struct test_job *job, const char *path)
{
    for (size_t i = 0; i < job->n_files; i++)
        if (strcmp(job->files[i].path, path) == 0)
            return &job->files[i];
    return NULL;
}

/* The number of the site with this first name, or n_sites. */
static size_t find_site(const struct test_job *job, const char *name)
{
    size_t i = 0;

    for (; i < job->n_sites; i++) {
        const char *at = strstr(job->sites[i], name);
        if (at != NULL && at > job->sites[i] && at[-1] == ' ' &&
            (at[strlen(name)] == ' ' || at[strlen(name)] == ','))
            break;
    }
    return i;
}

const char *test_job_site(const struct test_job *job, const char *name)
{
    const size_t i = find_site(job, name);

    return i < job->n_sites ? job->sites[i] : NULL;
}

const char *test_job_verdict(const struct test_job *job, const char *name)
{
    const size_t i = find_site(job, name);

    return i < job->n_sites ? job->verdicts[i] : NULL;
}

bool test_job_noted(const struct test_job *job, const char *words)
{
    for (size_t i = 0; i < job->n_notes; i++)
        if (strstr(job->notes[i], words) != NULL)
            return true;
    return false;
}
