/*
 * A place to play reminders through: a state directory, a configuration, checks and a recipient
 * whose post is kept.  Time is what the caller says it is.
 */
#ifndef ECERT_TEST_REMINDERS_BENCH_H
#define ECERT_TEST_REMINDERS_BENCH_H

#include "core/monitor/reminders.h"
#include "core/monitor/thresholds.h"

#define DAY  ((int64_t)86400)
#define HOUR ((int64_t)3600)
#define NOW  INT64_C(1795219200) /* 2026-11-21T00:00:00Z, a Saturday */

/* One letter that arrived. */
struct bench_letter {
    char key[33], name[64], to[64];
    enum ecert_condition condition;
    int threshold;
    int64_t at, not_after;
};

enum bench_post {
    BENCH_ACCEPTS,
    BENCH_REFUSES,
    BENCH_KILLED, /* the letter arrives, and nobody is left to write that down */
};

struct bench {
    char *folder;
    struct ecert_config config; /* only the webhook is told, until a test says otherwise */
    struct ecert_strings notes;
    struct bench_letter *letters;
    size_t n_letters;
};

void bench_begin(struct bench *bench);
void bench_end(struct bench *bench);

/* A finding that is fine so far; the texts are borrowed. */
struct ecert_finding bench_certificate(const char *name, const char *sha256, int64_t not_before,
                                       int64_t not_after);
struct ecert_finding bench_problem(const char *name, enum ecert_condition condition);

/* One whole check (or half a one) of these; what is fine is judged.  How many became owed. */
size_t bench_check(struct bench *bench, const struct ecert_finding *findings, size_t n, int64_t now,
                   bool complete);

/* The same, but the process dies before the end. */
size_t bench_check_and_die(struct bench *bench, const struct ecert_finding *findings, size_t n,
                           int64_t now);

/* Deliver what is due.  How many letters arrived. */
size_t bench_send(struct bench *bench, int64_t now, enum bench_post post);

/* One thing, one day: check, then deliver. */
size_t bench_day(struct bench *bench, const struct ecert_finding *finding, int64_t now);

/* How many .json files are in a folder of the reminders. */
size_t bench_files(const struct bench *bench, const char *folder);

/* The path of the first of them; the caller frees. */
char *bench_first_file(const struct bench *bench, const char *folder);
void bench_write(const char *path, const char *text);

#endif
