/* A configuration of some certificates whose keys are made here, and an authority that says how. */
#ifndef ECERT_TEST_REQUEST_FIXTURE_H
#define ECERT_TEST_REQUEST_FIXTURE_H

#include "core/issue/caa.h"
#include "core/issue/request.h"

#define REQUEST_NOW INT64_C(1795250520) /* 2026-11-21T08:42:00Z */
#define REQUEST_DAY INT64_C(86400)

/* What ecert_caa_check() says of every name here (linked with --wrap), and how often. */
extern struct request_caa {
    enum ecert_caa_verdict verdict;
    unsigned calls;
} request_caa;

struct request_fixture {
    char *folder, *place, *second_place;
    struct ecert_config config;
    struct ecert_context context;
    struct ecert_request_wish wish; /* now, and all names */
    struct ecert_request_outcomes outcomes;
    struct ecert_error err;
};

/*
 * ecert_backup_write() here (linked with --wrap): it can be made to fail at the n-th call, or to
 * end the process, and looks at what is on disk when it is asked for.
 */
extern struct request_backups {
    const struct request_fixture *fixture; /* NULL: nothing is looked at */
    unsigned calls;
    unsigned fail_at, die_at; /* 0: none */
} request_backups;

/* n certificates w0.myserver.com, w1... with EC keys; backups to one recipient at both places. */
void request_fixture_make(struct request_fixture *f, size_t n);
void request_fixture_clear(struct request_fixture *f);

/* Make them; the outcomes of before are forgotten. */
enum ecert_status request_go(struct request_fixture *f);
enum ecert_status request_go_for(struct request_fixture *f, const char *name);

/* The requests of the i-th certificate as they are on disk; the caller clears. */
struct ecert_requests request_stored(const struct request_fixture *f, size_t i);

/* The i-th outcome is this error, with these words. */
void request_failed(const struct request_fixture *f, size_t i, enum ecert_status status,
                    const char *words);
bool request_notes(const struct request_fixture *f, size_t i, const char *words);

/* Every outcome is ECERT_OK; so many requests of the i-th are on disk; the CSR of the i-th outcome
 * is of the key on disk. */
void request_check_ok(const struct request_fixture *f);
void request_check_stored(const struct request_fixture *f, size_t i, size_t want);
void request_check_pair(const struct request_fixture *f, size_t i);

/* Give the i-th certificate a generation that ends at `not_after`, with this key (NULL: any). */
void request_add_generation(struct request_fixture *f, size_t i, int64_t not_after, EVP_PKEY *key);

#endif
