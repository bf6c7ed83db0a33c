/*
 * A site for the monitor's tests: a state directory, a profile and a configuration in memory, the
 * chain fixture's certificates, servers and responders that are tables.  It stands in the place of
 * core/flow/network_probe.c and ocsp.c at link time, beside fake_network.c.
 */
#ifndef ECERT_UNIT_MONITOR_SITE_H
#define ECERT_UNIT_MONITOR_SITE_H

#include "core/flow/ocsp.h"
#include "core/monitor/monitor.h"
#include "tests/unit/flow/chain_fixture.h"
#include "tests/unit/flow/fake_network.h"

#define DAY  ((int64_t)86400)
#define NAME "www.test.hk"

#define ENTRIES_MAX 3
#define SERVERS_MAX 8

struct site_server {
    const char *address;
    const char *key_type; /* answers to this question only; NULL: to any */
    X509 *leaf, *issuer;  /* issuer NULL: it sends the leaf alone */
};

struct site {
    struct fixture *f;
    struct ecert_config config;
    struct ecert_certificate_config certificates[ENTRIES_MAX];
    struct ecert_watch_config watches[ENTRIES_MAX];
    struct ecert_target_config target;
    char *folder;

    /* the network */
    struct site_server servers[SERVERS_MAX];
    size_t n_servers;
    X509 *old_leaf; /* is served by every server in the first n_old_looks looks */
    size_t n_old_looks;
    bool network_is_broken;
    size_t n_looks, n_probed; /* calls, and endpoints in all of them */
    enum ecert_status ocsp_status;
    enum ecert_revocation ocsp;
    size_t n_ocsp; /* questions */

    /* what the last run told */
    struct ecert_finding *found;
    size_t n;
    size_t progress_of;
    struct ecert_error err;
};

int site_setup(void **state);
int site_teardown(void **state);

char *site_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void site_write_text(struct site *s, const char *name, const char *content);
void site_write_pem(struct site *s, const char *name, const X509 *certificate);
/* The profile "test"; `more` is added to it. */
void site_write_profile(struct site *s, const char *more);

struct ecert_certificate_config *site_add_certificate(struct site *s, const char *name);
struct ecert_watch_config *site_add_watch(struct site *s, const char *name);
void site_serve(struct site *s, const char *address, const char *key_type, X509 *leaf,
                X509 *issuer);
void site_serve_sub_crl(struct site *s, const char *const *serials);

/* A leaf of the fixture's sub CA that is good for so many days more. */
X509 *site_make_leaf(struct site *s, EVP_PKEY *key, const char *serial, int64_t days);

/* The next generation; how it is numbered. */
unsigned site_issue(struct site *s, const char *name, X509 *leaf, X509 *issuer);

/* The first certificate has a target with files, which has this generation, at this address. */
void site_deploy(struct site *s, unsigned generation, const X509 *leaf, const char *address);

struct ecert_context site_context(const struct site *s);
enum ecert_status site_run_with(struct site *s, bool offline, const char *const *names);
void site_run(struct site *s, bool offline);

size_t site_count(const struct site *s, enum ecert_watched watched, enum ecert_condition condition);
/* The only one of this kind and condition. */
const struct ecert_finding *site_only(const struct site *s, enum ecert_watched watched,
                                      enum ecert_condition condition);
/* The place is this, and the detail has this in it (NULL: there is none). */
void site_says(const struct ecert_finding *finding, const char *where, const char *detail);

#endif
