/*
 * An nginx configuration in a folder of its own, and the plan that the plugin makes of it.
 *
 * Only for the test_nginx_* programs.  Everything in the folder is removed by site_remove().
 */
#ifndef ECERT_TESTS_NGINX_SITE_H
#define ECERT_TESTS_NGINX_SITE_H

#include "tests/support/plugin_host.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define FULL_CHAIN "/live/full.pem"
#define KEY        "/live/key.pem"

struct site {
    char dir[64];
    char conf[96]; /* DIR/nginx.conf */
    const char *command[6];
    struct test_setting settings[3];
    struct test_job job;
    struct ecert_error err;
};

static inline void site_make(struct site *site)
{
    const char *base = getenv("TMPDIR");

    *site = (struct site){0};
    (void)snprintf(site->dir, sizeof site->dir, "%.30s/ecert-nginx-XXXXXX",
                   base != NULL && strlen(base) <= 30 ? base : "/tmp");
    assert_non_null(mkdtemp(site->dir));
    (void)snprintf(site->conf, sizeof site->conf, "%s/nginx.conf", site->dir);
    site->command[0] = "/usr/sbin/nginx";
    site->command[1] = "-p";
    site->command[2] = site->dir;
    site->command[3] = "-c";
    site->command[4] = "nginx.conf";
    site->settings[0] = (struct test_setting){.name = "command", .list = site->command};
}

static inline const char *site_path(const struct site *site, const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", site->dir, name);
    return path;
}

static inline void site_write(const struct site *site, const char *name, const void *bytes,
                              size_t len)
{
    FILE *file = fopen(site_path(site, name), "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void site_text(const struct site *site, const char *name, const char *text)
{
    site_write(site, name, text, strlen(text));
}

/* `names`: explicit ones, or NULL.  The job is filled in with defaults where it is empty. */
static inline enum ecert_status site_plan(struct site *site, const char *const *names)
{
    static const char *const dns_names[] = {"www.example.test", "example.test", NULL};
    struct test_job *job = &site->job;

    job->plugin = &ecert_plugin;
    job->server_names = names;
    job->settings = site->settings;
    job->leaf.size = sizeof job->leaf;
    if (job->leaf.dns_names == NULL)
        job->leaf.dns_names = dns_names;
    if (job->leaf.key_type == NULL)
        job->leaf.key_type = "rsa";
    if (job->paths[ECERT_MATERIAL_FULLCHAIN] == NULL &&
        job->paths[ECERT_MATERIAL_CERTIFICATE] == NULL)
        job->paths[ECERT_MATERIAL_FULLCHAIN] = FULL_CHAIN;
    if (job->paths[ECERT_MATERIAL_KEY] == NULL)
        job->paths[ECERT_MATERIAL_KEY] = KEY;
    return ecert_plugin.plan(&test_host, (struct ecert_job *)job, &site->err);
}

static inline int site_remove_one(const char *path, const struct stat *st, int type,
                                  struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void site_remove(struct site *site)
{
    test_job_clear(&site->job);
    assert_int_equal(nftw(site->dir, site_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
