/*
 * A bench for the table of checks: a good input made of the chain fixture, cases that bend one
 * thing of it, and the row that must notice.
 */
#ifndef ECERT_UNIT_CHECKS_BENCH_H
#define ECERT_UNIT_CHECKS_BENCH_H

#include "core/flow/checks.h"
#include "tests/unit/flow/chain_fixture.h"

#define DAY       ((int64_t)86400)
#define ROWS_MAX  64
#define P_ALL     "1.3.6.1.4.1.16030.1.7.16"
#define NO_POLICY "1.3.6.1.4.1.16030.1.70"

/* What a case may bend; everything else is the good case. */
struct bench {
    struct fixture *f;
    struct ecert_check_input input;
    struct ecert_crls crls;
    uint8_t key_id[ECERT_SHA256_LEN];
    X509 *leaf;    /* of the case, instead of the fixture's; owned */
    X509 *newest;  /* owned */
    X509 *extra;   /* owned */
    EVP_PKEY *key; /* owned */
    struct test_certificate what;
    const char *names[4];
};

struct bench *bench_make(void);
void bench_free(struct bench *bench);

/* A leaf as the fixture's, changed in bench->what before. */
void bench_reissue(struct bench *bench);

void bench_push(struct bench *bench, X509 *certificate);
void bench_drop_chain(struct bench *bench);

/* Bends that more than one program uses. */
void bench_good(struct bench *b);
void bench_other_key(struct bench *b);
void bench_name_not_covered(struct bench *b);
void bench_expired_yesterday(struct bench *b);
void bench_for_clients(struct bench *b);
void bench_no_crls(struct bench *b);
void bench_profile_without_crls(struct bench *b);

/* One case: bend the good input, run the table, look at one row. */
struct check_case {
    const char *name;
    void (*bend)(struct bench *bench);
    const char *id;
    enum ecert_check_outcome want;
    const char *why; /* part of it; NULL: not looked at */
};

#define OK   ECERT_CHECK_PASSED
#define BAD  ECERT_CHECK_FAILED
#define UNK  ECERT_CHECK_UNKNOWN
#define SKIP ECERT_CHECK_SKIPPED

/* The result of the row with this id; the test fails if there is none. */
const struct ecert_check_result *bench_find(const struct ecert_check_result *results,
                                            const char *id);

/* A cmocka test whose state is a struct check_case. */
void check_case_run(void **state);

#endif
