/*
 * A small world for tests of the transaction: a state directory, a CA, a few sites of one real
 * nginx on 127.0.0.1, each with an old certificate in service and a new generation to deploy.
 *
 *   FOLDER/state/certificates/siteN/{generations/0001/,live/}
 *   FOLDER/nginx/{nginx.conf,conf.d/siteN.conf,nginx.pid,logs/}
 *   FOLDER/old/siteN.{pem,key}
 */
#ifndef ECERT_SUPPORT_TEST_WORLD_H
#define ECERT_SUPPORT_TEST_WORLD_H

#include "core/flow/transaction.h"

#define WORLD_SITES_MAX 10

struct test_site {
    char *name;     /* "site0.example.test" */
    char *conf;     /* its file in conf.d */
    char *live_dir; /* and what the change borrows */
    char *key_file, *fullchain_file;
    char *new_conf; /* what the plan makes of it */
    X509 *old_leaf, *new_leaf;
    struct ecert_plan plan;
};

struct test_world {
    char *folder, *state, *conf, *pid_file, *log;
    uint16_t port;
    size_t n;
    EVP_PKEY *ca_key, *key;
    X509 *root, *sub;
    STACK_OF(X509) *chain;
    struct test_site sites[WORLD_SITES_MAX];
    struct ecert_change changes[WORLD_SITES_MAX];
    struct ecert_outcome outcomes[WORLD_SITES_MAX];
    struct ecert_transaction_env env;
    struct ecert_network network; /* the transaction's */
    struct ecert_network watch;   /* the test's own: a fork must not share a co-process */
};

/* NULL where there is no nginx. */
struct test_world *test_world_make(size_t sites);
void test_world_free(struct test_world *world); /* ends nginx by its pid */

void test_world_start(struct test_world *world);
void test_world_stop(struct test_world *world);

/* Make the plans anew against the files as they are. */
void test_world_plan(struct test_world *world);

/*
 * Does the site come to serve this leaf, and nothing else for 160 ms?  (The workers that a reload
 * of nginx replaces go on accepting for 100 ms.)
 */
bool test_world_serves(struct test_world *world, size_t site, const X509 *leaf);

/* The site's configuration file holds exactly this. */
bool test_world_conf_is(const struct test_world *world, size_t site, const char *text);
char *test_world_read(const char *path);
void test_world_write(const char *path, const char *text);

/* Every name below FOLDER that a transaction should have removed; NULL if there is none. */
char *test_world_leftover(const struct test_world *world);

#endif
