/*
 * One measurement of tests/bench/sites.py, in a process of its own so that memory is that of one
 * thing:
 *
 *   sites_bench plan PLUGIN.so FOLDER COMMAND
 *                                     what the planning worker does: the plugin's plan() with the
 *                                     host table of the core, and its records encoded
 *   sites_bench read FOLDER           open, fstat, read and close every file that the others read:
 *                                     the floor
 *
 * COMMAND stands for the server's own program and says what that would say, quickly.  FOLDER/names
 * has the names of the leaf, a line each, and FOLDER/files the paths of the files.  The target is
 * for everywhere_it_was.  One line of JSON: seconds by the wall and of CPU, without the command's
 * own; sites, those taken, files changed, bytes of the answer; high-water mark in KiB.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/host/lent.h"
#include "core/host/site.h"

#define MAX_LEN ((size_t)64 << 20)

static double seconds(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* VmHWM: what getrusage() says of this process includes whoever started it. */
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

static _Noreturn void give_up(const char *text)
{
    (void)fprintf(stderr, "sites_bench: %s\n", text);
    exit(1);
}

/* The lines of FOLDER/name. */
static void read_lines(const char *folder, const char *name, struct ecert_strings *ret)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    if (ecert_text_format(&path, &err, "%s/%s", folder, name) != ECERT_OK ||
        ecert_fs_read(path, MAX_LEN, &bytes, &err) != ECERT_OK)
        give_up(err.text);
    for (char *line = (char *)bytes.ptr, *end = line + bytes.len; line < end;) {
        char *feed = memchr(line, '\n', (size_t)(end - line));

        if (feed == NULL)
            give_up("a list without its last line feed");
        *feed = '\0';
        if (ecert_strings_add(ret, line, &err) != ECERT_OK)
            give_up(err.text);
        line = feed + 1;
    }
}

static int read_all(const char *folder)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings files = {0};
    static uint8_t room[MAX_LEN];
    struct stat st;
    size_t bytes = 0;

    read_lines(folder, "files", &files);
    const double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < files.len; i++) {
        const int fd = open(files.items[i], O_RDONLY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) != 0 || (size_t)st.st_size > sizeof room ||
            read(fd, room, (size_t)st.st_size) != st.st_size)
            give_up(files.items[i]);
        (void)close(fd);
        bytes += (size_t)st.st_size;
    }
    (void)printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"bytes\": %zu}\n",
                 seconds(CLOCK_MONOTONIC) - start, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, bytes);
    return 0;
}

/* The command's own time, which a real server's test would need as well. */
static double time_of_command(const char *command)
{
    char *const argv[] = {(char *)(uintptr_t)command, NULL};
    const struct ecert_run_spec spec = {
        .argv = (const char *const *)argv, .timeout_ms = 60000, .max_output = MAX_LEN};
    ECERT_AUTO(ecert_run_result_clear) struct ecert_run_result result = {0};
    struct ecert_error err = {0};
    const double start = seconds(CLOCK_MONOTONIC);

    if (ecert_run(&spec, &result, &err) != ECERT_OK)
        give_up(err.text);
    return seconds(CLOCK_MONOTONIC) - start;
}

static int plan(const char *plugin_file, const char *folder, const char *command)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings argv = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer answer = {0};
    ECERT_AUTO(ecert_job_clear) struct ecert_job job = {0};
    struct ecert_error err = {0};
    void *library = dlopen(plugin_file, RTLD_NOW | RTLD_LOCAL);
    const struct ecert_plugin *plugin = library == NULL ? NULL : dlsym(library, "ecert_plugin");

    if (plugin == NULL)
        give_up(dlerror());
    read_lines(folder, "names", &names);
    if (ecert_strings_add(&argv, command, &err) != ECERT_OK)
        give_up(err.text);
    const double of_command = time_of_command(command);
    const struct ecert_setting_value settings[] = {
        {.name = (char *)(uintptr_t) "command", .list = argv, .is_list = true},
        {.name = (char *)(uintptr_t) "everywhere_it_was", .text = (char *)(uintptr_t) "true"},
    };
    const struct ecert_job_spec spec = {
        .plugin = plugin->name,
        .certificate = "bench",
        .target = plugin->name,
        .server_names = ecert_strings_array(&names),
        .settings = settings,
        .n_settings = 2,
        .paths = {"/var/lib/ecert/bench/privkey.pem", "/var/lib/ecert/bench/cert.pem",
                  "/var/lib/ecert/bench/chain.pem", "/var/lib/ecert/bench/fullchain.pem"},
        .leaf = {.size = sizeof spec.leaf,
                 .dns_names = ecert_strings_array(&names),
                 .key_type = "ec"},
    };
    const double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    ecert_job_init(&job, &spec, plugin);
    if (plugin->plan(&ecert_lent_host, &job, &err) != ECERT_OK)
        give_up(err.text);
    if (job.n_refused > 0)
        give_up(job.refused.text);
    const double planned = seconds(CLOCK_MONOTONIC),
                 planned_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    const size_t n_files = job.plan.n_files;
    ecert_plan_encode(&job.plan, &answer);
    (void)printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"with_answer\": %.6f, \"files\": %zu, "
                 "\"probes\": %zu, \"answer\": %zu, \"kib\": %ld}\n",
                 planned - start - of_command, planned_cpu - cpu,
                 seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, n_files, job.plan.n_probes, answer.len,
                 peak_kib());
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_all(argv[2]);
    if (argc == 5 && strcmp(argv[1], "plan") == 0)
        return plan(argv[2], argv[3], argv[4]);
    (void)fprintf(stderr, "usage: sites_bench plan PLUGIN.so FOLDER COMMAND\n"
                          "       sites_bench read FOLDER\n");
    return 2;
}
