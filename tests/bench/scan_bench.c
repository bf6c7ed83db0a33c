/*
 * One measurement of tests/bench/scan.py, in a process of its own so that memory is that of one
 * thing:
 *
 *   scan_bench read FOLDER N    open, fstat, read and close every file: the floor
 *   scan_bench scan FOLDER N    core/monitor/scan.h over the same names
 *   scan_bench walk FOLDER N    the same by ecert_scan_add_directory()
 *
 * The files are FOLDER/ddd/dddddd.pem, a thousand to a folder.  One line of JSON: seconds, what was
 * found, and the high-water marks of this process and of its children in KiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/monitor/scan.h"

#define ROOM 65536

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void name_of(char *ret, size_t size, const char *folder, unsigned i)
{
    (void)snprintf(ret, size, "%s/%03u/%06u.pem", folder, i / 1000, i);
}

/* VmHWM: what getrusage() says of this process includes whoever started it. */
static long own_peak_kib(void)
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

static enum ecert_status count(void *context, const struct ecert_scanned *scanned,
                               struct ecert_error *err)
{
    size_t *found = context;

    if (scanned->status != ECERT_OK)
        return ecert_error_set(err, scanned->status, "%s", scanned->error);
    if (scanned->not_after > scanned->not_before)
        ++*found;
    return ECERT_OK;
}

static size_t read_all(const char *folder, unsigned n)
{
    static uint8_t room[ROOM];
    size_t found = 0;
    char name[512];
    struct stat st;

    for (unsigned i = 0; i < n; i++) {
        name_of(name, sizeof name, folder, i);
        const int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size <= ROOM &&
            read(fd, room, (size_t)st.st_size) == st.st_size)
            found++;
        if (fd >= 0)
            (void)close(fd);
    }
    return found;
}

static enum ecert_status scan_all(const char *folder, unsigned n, bool walk, size_t *found,
                                  struct ecert_error *err)
{
    struct ecert_scan *scan = NULL;
    enum ecert_status status = ecert_scan_open(NULL, count, found, &scan, err);
    char name[512];

    if (status == ECERT_OK && walk)
        status = ecert_scan_add_directory(scan, folder, err);
    for (unsigned i = 0; i < n && status == ECERT_OK && !walk; i++) {
        name_of(name, sizeof name, folder, i);
        status = ecert_scan_add(scan, name, err);
    }
    if (status == ECERT_OK)
        status = ecert_scan_finish(scan, err);
    ecert_scan_free(&scan);
    return status;
}

int main(int argc, char **argv)
{
    struct ecert_error err = {0};
    struct rusage children;
    size_t found = 0;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: scan_bench read|scan|walk FOLDER N\n");
        return 2;
    }
    const unsigned n = (unsigned)strtoul(argv[3], NULL, 10);
    const double start = seconds();
    if (strcmp(argv[1], "read") == 0)
        found = read_all(argv[2], n);
    else if (scan_all(argv[2], n, strcmp(argv[1], "walk") == 0, &found, &err) != ECERT_OK) {
        (void)fprintf(stderr, "scan_bench: %s\n", err.text);
        return 1;
    }
    const double took = seconds() - start;
    if (getrusage(RUSAGE_CHILDREN, &children) != 0)
        return 1;
    (void)printf("{\"seconds\": %.6f, \"found\": %zu, \"own_kib\": %ld, \"child_kib\": %ld}\n",
                 took, found, own_peak_kib(), children.ru_maxrss);
    return 0;
}
