/*
 * A plan: what one plugin wants changed for one target, as data.  Made in the worker process
 * (worker.h), encoded as messages, decoded and validated again by the core, carried out by the
 * transaction (core/flow/transaction.h).
 *
 * Invariants of a plan that ecert_plan_decode() returned: every path is plain
 * (ecert_path_is_plain), every argv has an absolute first word, every probe address is numeric and
 * no wildcard, texts hold no control bytes, no path occurs twice, there is at most one activation,
 * and no list is longer than ECERT_PLAN_MAX, that of the files than ECERT_PLAN_FILES_MAX, that of
 * the sites than ECERT_SITES_MAX.  What all files together may hold, the worker's answer limits
 * (ECERT_WORKER_MAX_OUTPUT).
 */
#ifndef ECERT_HOST_PLAN_H
#define ECERT_HOST_PLAN_H

#include <ecert/plugin.h>

#include "core/base/bytes.h"
#include "core/base/message.h"

#define ECERT_PLAN_MAX       8192
#define ECERT_PLAN_FILES_MAX 65536 /* as many as a host has sites, a file for each */

struct ecert_plan_file {
    char *path;
    struct ecert_secret content;        /* a secret type, because a PKCS#12 is one */
    bool exists;                        /* the plugin saw a file there ... */
    uint8_t expected[ECERT_SHA256_LEN]; /* ... with this SHA-256 */
    bool secret;
    int64_t uid, gid; /* -1: inherit */
    int32_t mode;     /* -1: inherit */
};

struct ecert_plan_test {
    struct ecert_strings argv;
    struct ecert_strings scratch;
};

struct ecert_plan_activation {
    char *service;
    struct ecert_strings reload;
    struct ecert_strings start; /* empty: cannot be started again */
    char *pid_file;             /* NULL: not known */
    char *executable;           /* NULL: not known */
    int32_t reload_signal;      /* 0: none */
};

struct ecert_probe {
    char *address;
    uint16_t port;
    char *server_name; /* NULL: none */
    char *starttls;    /* NULL: TLS at once */
};

struct ecert_site; /* site.h */

struct ecert_plan {
    struct ecert_plan_file *files;
    size_t n_files;
    uint32_t *by_path; /* 1 + the index of a file, by its path's hash; 0: none (plan.c) */
    size_t n_by_path;  /* a power of two; 0: not made */
    struct ecert_plan_test *tests;
    size_t n_tests;
    bool has_activation;
    struct ecert_plan_activation activation;
    struct ecert_probe *probes;
    size_t n_probes;
    struct ecert_site *sites; /* that were looked at (ecert_sites_add); none unless asked for */
    size_t n_sites;
    struct ecert_strings notes;
};

void ecert_plan_clear(struct ecert_plan *plan); /* wipes */

/* Without this file after all. */
void ecert_plan_drop_file(struct ecert_plan *plan, size_t at);
void ecert_probe_clear(struct ecert_probe *probe);

/*
 * Append copies; used by the worker's side, by the core for `files` and `probe`, and by tests.
 * ECERT_E_PLUGIN: the record breaks an invariant above; the text names its kind and value.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plan_add_file(struct ecert_plan *plan,
                                                       const struct ecert_file_record *record,
                                                       struct ecert_error *err);
/*
 * The same with the SHA-256 of what is there instead of the bytes; record->expected is not looked
 * at.  `expected` may be NULL where `exists` is false.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plan_add_file_expecting(
    struct ecert_plan *plan, const struct ecert_file_record *record, bool exists,
    const uint8_t expected[ECERT_SHA256_LEN], struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_plan_add_test(struct ecert_plan *plan,
                                                       const char *const *argv,
                                                       const char *const *scratch,
                                                       struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_plan_set_activation(
    struct ecert_plan *plan, const struct ecert_activate_record *record, struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_plan_add_probe(struct ecert_plan *plan,
                                                        const struct ecert_probe_record *record,
                                                        struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_plan_add_note(struct ecert_plan *plan, const char *text,
                                                       struct ecert_error *err);

/* One message per record and an end record that counts them, appended. */
void ecert_plan_encode(const struct ecert_plan *plan, struct ecert_buffer *buffer);

/*
 * Read the records back and validate each.  ECERT_E_PLUGIN: a record is not valid, or the stream is
 * damaged, cut short, or goes on after its end record; the text names the record's kind and value.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plan_decode(struct ecert_view stream,
                                                     struct ecert_plan *ret,
                                                     struct ecert_error *err);

/*
 * Every file of the plan lies, links followed on both sides, below one of these directories
 * (NULL-ended, may be NULL).  A directory that is not there is passed over.  ECERT_E_REFUSED names
 * the path and the key to set (`may_write`); also for a directory of fewer than two parts.
 * ECERT_E_NOT_FOUND: the directory of a file is not there.
 */
ECERT_MUST_CHECK enum ecert_status ecert_plan_check_places(const struct ecert_plan *plan,
                                                           const char *const *may_write,
                                                           struct ecert_error *err);

/* The same for one file. */
ECERT_MUST_CHECK enum ecert_status ecert_plan_check_place(const char *path,
                                                          const char *const *may_write,
                                                          struct ecert_error *err);

#endif
