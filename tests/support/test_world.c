#include "tests/support/test_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/process.h"
#include "core/flow/certificate.h"
#include "tests/support/test_pki.h"

#define NGINX "/usr/sbin/nginx"

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "test world: %s: %s\n", what, strerror(errno));
    abort();
}

static char *format(const char *fmt, ...) ECERT_PRINTF(1, 2);
static char *format(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, fmt);
    must(vasprintf(&text, fmt, args) >= 0, "vasprintf");
    va_end(args);
    return text;
}

char *test_world_read(const char *path)
{
    struct ecert_bytes bytes = {0};
    struct ecert_error err = {0};

    return ecert_fs_read(path, 1u << 20, &bytes, &err) == ECERT_OK ? (char *)bytes.ptr : NULL;
}

static void write_bytes(const char *path, struct ecert_view bytes, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    struct ecert_error err = {0};

    must(fd >= 0 && ecert_write_all(fd, bytes, &err) == ECERT_OK && fchmod(fd, mode) == 0, path);
    (void)close(fd);
}

void test_world_write(const char *path, const char *text)
{
    write_bytes(path, ecert_view_of(text), 0644);
}

static void make_directory(const char *path)
{
    struct ecert_error err = {0};

    must(ecert_fs_make_directories(path, 0700, &err) == ECERT_OK, path);
}

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    must(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
             getsockname(fd, (struct sockaddr *)&at, &len) == 0,
         "a free port");
    (void)close(fd);
    return ntohs(at.sin_port);
}

/* ---- certificates ---- */

static X509 *make_leaf(struct test_world *world, const char *name, const char *serial)
{
    const char *const names[] = {name, NULL};

    return test_certificate_make(&(struct test_certificate){.key = world->key,
                                                            .issuer = world->sub,
                                                            .issuer_key = world->ca_key,
                                                            .common_name = name,
                                                            .names = names,
                                                            .serial = serial,
                                                            .leaf_constraints = true});
}

static void write_pair(const struct test_world *world, const X509 *leaf, const char *fullchain,
                       const char *key)
{
    struct ecert_bytes a = test_certificate_pem(leaf), b = test_certificate_pem(world->sub);
    struct ecert_bytes both = test_join(ecert_bytes_view(&a), ecert_bytes_view(&b));
    struct ecert_bytes private = test_key_pem(world->key, NULL, NULL);

    write_bytes(fullchain, ecert_bytes_view(&both), 0644);
    write_bytes(key, ecert_bytes_view(&private), 0600);
    ecert_bytes_clear(&a);
    ecert_bytes_clear(&b);
    ecert_bytes_clear(&both);
    ecert_bytes_clear(&private);
}

static void make_ca(struct test_world *world)
{
    world->ca_key = test_key_ec("P-256");
    world->key = test_key_ec("P-256");
    world->root = test_root_make("Test Root", world->ca_key);
    world->sub = test_sub_ca_make("Test Sub CA", world->ca_key, "77", world->root, world->ca_key);
    world->chain = sk_X509_new_null();
    must(world->chain != NULL && sk_X509_push(world->chain, world->sub) == 1, "chain");
}

/* ---- sites ---- */

static char *server_block(const struct test_world *world, size_t i, const char *fullchain,
                          const char *key)
{
    return format("# %s\nserver {\n    listen 127.0.0.1:%u ssl;\n    server_name %s;\n"
                  "    ssl_certificate %s;\n    ssl_certificate_key %s;\n"
                  "    location / { return 200 'x'; }\n}\n",
                  world->sites[i].name, world->port, world->sites[i].name, fullchain, key);
}

static void make_site(struct test_world *world, size_t i)
{
    struct test_site *site = &world->sites[i];
    char *generation = format("%s/certificates/site%zu/generations/0001", world->state, i);
    char *old = format("%s/old/site%zu.pem", world->folder, i);
    char *old_key = format("%s/old/site%zu.key", world->folder, i);
    char *serial = format("A%zu", i), *old_serial = format("B%zu", i);

    site->name = format("site%zu.example.test", i);
    site->conf = format("%s/nginx/conf.d/site%zu.conf", world->folder, i);
    site->live_dir = format("%s/certificates/site%zu/live", world->state, i);
    site->key_file = format("%s/privkey.pem", generation);
    site->fullchain_file = format("%s/fullchain.pem", generation);
    make_directory(generation);
    site->old_leaf = make_leaf(world, site->name, old_serial);
    site->new_leaf = make_leaf(world, site->name, serial);
    write_pair(world, site->old_leaf, old, old_key);
    write_pair(world, site->new_leaf, site->fullchain_file, site->key_file);
    char *block = server_block(world, i, old, old_key);
    test_world_write(site->conf, block);
    char *full = format("%s/nginx/fullchain.pem", site->live_dir);
    char *key = format("%s/nginx/privkey.pem", site->live_dir);
    site->new_conf = server_block(world, i, full, key);
    char *const done[] = {generation, old, old_key, serial, old_serial, block, full, key};
    for (size_t k = 0; k < ARRAY_SIZE(done); k++)
        free(done[k]);
}

static void plan_site(struct test_world *world, size_t i)
{
    struct test_site *site = &world->sites[i];
    const char *const test[] = {NGINX, "-t", "-c", world->conf, NULL};
    const char *const reload[] = {NGINX, "-c", world->conf, "-s", "reload", NULL};
    const char *const start[] = {NGINX, "-c", world->conf, NULL};
    const char *const scratch[] = {world->log, NULL};
    struct ecert_error err = {0};
    char *now = test_world_read(site->conf);
    const struct ecert_file_record file = {.size = sizeof file,
                                           .path = site->conf,
                                           .content = ecert_view_of(site->new_conf),
                                           .expected = ecert_view_of(now),
                                           .uid = -1,
                                           .gid = -1,
                                           .mode = -1};
    const struct ecert_activate_record activate = {.size = sizeof activate,
                                                   .service = "nginx.service",
                                                   .reload = reload,
                                                   .start = start,
                                                   .pid_file = world->pid_file,
                                                   .executable = NGINX};
    const struct ecert_probe_record probe = {.size = sizeof probe,
                                             .address = "127.0.0.1",
                                             .port = world->port,
                                             .server_name = site->name};

    ecert_plan_clear(&site->plan);
    must(ecert_plan_add_file(&site->plan, &file, &err) == ECERT_OK &&
             ecert_plan_add_test(&site->plan, test, scratch, &err) == ECERT_OK &&
             ecert_plan_set_activation(&site->plan, &activate, &err) == ECERT_OK &&
             ecert_plan_add_probe(&site->plan, &probe, &err) == ECERT_OK,
         err.text);
    free(now);
    world->changes[i] = (struct ecert_change){.certificate = site->name,
                                              .target = "nginx",
                                              .plan = &site->plan,
                                              .live_dir = site->live_dir,
                                              .live_link = "nginx",
                                              .live_value = "../generations/0001",
                                              .key_file = site->key_file,
                                              .fullchain_file = site->fullchain_file,
                                              .leaf = site->new_leaf,
                                              .chain = world->chain,
                                              .key_type = "ec",
                                              .look = true};
    ecert_outcome_clear(&world->outcomes[i]);
}

void test_world_plan(struct test_world *world)
{
    for (size_t i = 0; i < world->n; i++)
        plan_site(world, i);
}

/* ---- the world ---- */

struct test_world *test_world_make(size_t sites)
{
    struct test_world *world = calloc(1, sizeof *world);

    must(world != NULL && sites <= WORLD_SITES_MAX, "memory");
    if (access(NGINX, X_OK) != 0) {
        free(world);
        return NULL;
    }
    world->n = sites;
    world->folder = test_folder_make();
    world->state = format("%s/state", world->folder);
    world->conf = format("%s/nginx/nginx.conf", world->folder);
    world->pid_file = format("%s/nginx/nginx.pid", world->folder);
    world->log = format("%s/nginx/error.log", world->folder);
    world->port = free_port();
    char *conf_d = format("%s/nginx/conf.d", world->folder);
    char *old = format("%s/old", world->folder);
    make_directory(conf_d);
    make_directory(old);
    make_ca(world);
    for (size_t i = 0; i < sites; i++)
        make_site(world, i);
    char *main_conf = format("user root;\nworker_processes 1;\npid %s;\nerror_log %s notice;\n"
                             "events {}\nhttp {\n    access_log off;\n    include %s/*.conf;\n}\n",
                             world->pid_file, world->log, conf_d);
    test_world_write(world->conf, geteuid() == 0 ? main_conf : strchr(main_conf, '\n') + 1);
    free(main_conf);
    free(conf_d);
    free(old);
    struct ecert_error err = {0};
    must(ecert_network_init(&world->network, ECERT_NET_PROGRAM, NULL, &err) == ECERT_OK &&
             ecert_network_init(&world->watch, ECERT_NET_PROGRAM, NULL, &err) == ECERT_OK,
         err.text);
    world->env = (struct ecert_transaction_env){.state_dir = world->state,
                                                .network = &world->network,
                                                .look_timeout_ms = 2000,
                                                .command_timeout_ms = 20000};
    test_world_plan(world);
    return world;
}

void test_world_start(struct test_world *world)
{
    const char *const argv[] = {NGINX, "-c", world->conf, NULL};
    const struct ecert_run_spec spec = {
        .argv = argv, .timeout_ms = 10000, .max_output = 65536, .leaves_daemon = true};
    struct ecert_run_result result = {0};
    struct ecert_error err = {0};

    must(ecert_run(&spec, &result, &err) == ECERT_OK, err.text);
    if (result.exit_code != 0)
        (void)fprintf(stderr, "%s\n", (const char *)result.err.ptr);
    must(result.exit_code == 0, "nginx does not start");
    ecert_run_result_clear(&result);
    for (int i = 0; i < 200 && access(world->pid_file, F_OK) != 0; i++)
        ecert_clock_sleep_ms(10);
}

void test_world_stop(struct test_world *world)
{
    char *text = test_world_read(world->pid_file);
    const int pid = text == NULL ? 0 : atoi(text);

    free(text);
    if (pid <= 1)
        return;
    (void)kill(pid, SIGTERM);
    for (int i = 0; i < 300 && access(world->pid_file, F_OK) == 0; i++)
        ecert_clock_sleep_ms(10);
}

void test_world_free(struct test_world *world)
{
    test_world_stop(world);
    for (size_t i = 0; i < world->n; i++) {
        struct test_site *site = &world->sites[i];
        char *const texts[] = {site->name,     site->conf,           site->live_dir,
                               site->key_file, site->fullchain_file, site->new_conf};

        for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
            free(texts[k]);
        X509_free(site->old_leaf);
        X509_free(site->new_leaf);
        ecert_plan_clear(&site->plan);
        ecert_outcome_clear(&world->outcomes[i]);
    }
    ecert_network_clear(&world->network);
    ecert_network_clear(&world->watch);
    sk_X509_free(world->chain);
    X509_free(world->root);
    X509_free(world->sub);
    EVP_PKEY_free(world->ca_key);
    EVP_PKEY_free(world->key);
    free(world->state);
    free(world->conf);
    free(world->pid_file);
    free(world->log);
    test_folder_remove(world->folder);
    free(world);
}

static bool serves_now(struct test_world *world, size_t site, const X509 *leaf)
{
    struct ecert_probe probe = {.address = (char *)(uintptr_t) "127.0.0.1",
                                .port = world->port,
                                .server_name = world->sites[site].name};
    struct ecert_seen seen = {0};
    struct ecert_error err = {0};

    must(ecert_network_probe(&world->watch, &probe, 1, NULL, 3000, &seen, &err) == ECERT_OK,
         "probe");
    const bool same = seen.answered && sk_X509_num(seen.certificates) > 0 &&
                      ecert_certificate_equal(sk_X509_value(seen.certificates, 0), leaf);
    ecert_seen_clear(&seen);
    return same;
}

bool test_world_serves(struct test_world *world, size_t site, const X509 *leaf)
{
    unsigned good = 0;

    for (int i = 0; i < 100 && good < 8; i++, ecert_clock_sleep_ms(20))
        good = serves_now(world, site, leaf) ? good + 1 : 0;
    return good == 8;
}

bool test_world_conf_is(const struct test_world *world, size_t site, const char *text)
{
    char *now = test_world_read(world->sites[site].conf);
    const bool same = now != NULL && strcmp(now, text) == 0;

    free(now);
    return same;
}

static char *found; /* nftw has no context */

static int look_for(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type;
    const char *name = path + at->base;
    const char *parent = strstr(path, "/transactions/");

    if (found == NULL && (strstr(name, ".ecert-") != NULL || parent != NULL))
        found = strdup(path);
    return 0;
}

char *test_world_leftover(const struct test_world *world)
{
    found = NULL;
    (void)nftw(world->folder, look_for, 16, FTW_PHYS);
    return found;
}
