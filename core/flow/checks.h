/*
 * The table of checks: nothing is installed that did not pass it.
 *
 * Each check has an id (stable, used in `allow` of the configuration), a sentence, and a severity.
 * One file, one table, one small function per row.  `ecert verify` prints every row.
 */
#ifndef ECERT_FLOW_CHECKS_H
#define ECERT_FLOW_CHECKS_H

#include "core/flow/bundle.h"
#include "core/flow/chain.h"

enum ecert_check_outcome {
    ECERT_CHECK_PASSED,
    ECERT_CHECK_FAILED,
    ECERT_CHECK_UNKNOWN, /* could not tell, e.g. no CRL to be had: a warning */
    ECERT_CHECK_SKIPPED, /* does not apply: no key on this host, no policy in the profile, ... */
};

struct ecert_check_result {
    const char *id;
    const char *sentence;
    bool fatal;   /* severity: a failure stops the deployment, unless allowed */
    bool allowed; /* the configuration allows it to fail */
    enum ecert_check_outcome outcome;
    bool said;     /* PASSED, and its facts are worth a note nevertheless */
    char why[512]; /* for FAILED, UNKNOWN and SKIPPED; may add facts for PASSED */
};

struct ecert_order; /* compare.h */

struct ecert_check_input {
    const struct ecert_authority *authority;
    const X509 *leaf;
    STACK_OF(X509) *chain;
    X509 *anchor;                    /* NULL: the chain ends nowhere */
    const uint8_t *key_id;           /* of the configured key; NULL: not on this host */
    const char *const *names;        /* that must be covered, NULL-ended; may be NULL */
    bool requested;                  /* they are those of a request: what the CA added is said */
    const struct ecert_order *order; /* may be NULL: nothing is known */
    const X509 *newest;              /* the leaf that was taken last; may be NULL */
    const struct ecert_crls *crls;   /* may be NULL */
    const char *const *allow;        /* ids; may be NULL */
    int64_t now;
};

/* Number of rows, and row `i`'s id, sentence and severity (outcome is not set). */
size_t ecert_checks_count(void);
void ecert_checks_describe(size_t i, struct ecert_check_result *ret);

/* Is this the id of a check?  For the configuration. */
bool ecert_check_exists(const char *id);

/* Run every row; `results` has room for ecert_checks_count(). */
void ecert_checks_run(const struct ecert_check_input *input, struct ecert_check_result *results);

/*
 * ECERT_E_REFUSED if a fatal row failed that is not allowed; the text joins the reasons, each with
 * its id.  Rows that are UNKNOWN, or failed but not fatal or allowed, and facts of passed ones that
 * are worth it go to ret_notes.
 */
ECERT_MUST_CHECK enum ecert_status ecert_checks_verdict(const struct ecert_check_result *results,
                                                        size_t n, struct ecert_strings *ret_notes,
                                                        struct ecert_error *err);

#endif
