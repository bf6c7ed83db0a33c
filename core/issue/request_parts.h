/* What the files of ecert_request_make() share. */
#ifndef ECERT_ISSUE_REQUEST_PARTS_H
#define ECERT_ISSUE_REQUEST_PARTS_H

#include <openssl/evp.h>

#include "core/issue/backup.h"
#include "core/issue/request.h"

/* What is left to do for one name. */
enum request_step {
    REQUEST_NOTHING, /* its CSR is only shown again, or outcome->error says why not */
    REQUEST_FINISH,  /* key and CSR are there: back up, open */
    REQUEST_NEW,     /* from the key on */
};

struct request_work {
    struct ecert_request_outcome *outcome;
    enum request_step step;
    struct ecert_request stale; /* never shown, and other things are configured now: given up */
    EVP_PKEY *present;          /* NEW: the key that is taken again; NULL: a new one is made */
};

struct request_run {
    struct ecert_context *context; /* borrowed, like the wish */
    const struct ecert_request_wish *wish;
    struct request_work *works; /* one per outcome */
    size_t n, done;
    char *batch;                  /* NULL: these requests are none */
    struct ecert_backup_kit *kit; /* NULL: nothing is backed up */
    char *weak_backups;           /* what is to be said of the places; NULL: nothing */
    unsigned silent;              /* names in a row without an answer about CAA */
};

/* ---- request_prepare.c: nothing is written ---- */

/* Decide what is to be done for one name; what is wrong with it is outcome->error.  Only
 * ECERT_E_NOMEM is an error here. */
ECERT_MUST_CHECK enum ecert_status request_prepare(struct request_run *run,
                                                   struct request_work *work,
                                                   struct ecert_error *err);

/* The names of a certificate as they are asked for, the CN first. */
ECERT_MUST_CHECK enum ecert_status request_names(const struct ecert_certificate_config *certificate,
                                                 struct ecert_strings *ret,
                                                 struct ecert_error *err);

/* ---- request_cancel.c ---- */

/* The one with this id; NULL: `err` lists those that are there (ECERT_E_NOT_FOUND). */
struct ecert_request *request_find(struct ecert_requests *requests, const char *name,
                                   const char *id, struct ecert_error *err);

/* ---- request_served.c ---- */

/*
 * Where nothing was ever taken for a name, and its server serves a certificate nevertheless: note
 * until when, and that it can be adopted.  One look at all of them; what does not answer soon, or
 * cannot be found, is no matter.  Only ECERT_E_NOMEM is an error.
 */
ECERT_MUST_CHECK enum ecert_status request_note_served(struct request_run *run,
                                                       struct ecert_error *err);

/* ---- request_key.c ---- */

/*
 * The key that the policy "reuse" takes again: of the newest generation, else key.file.  *ret stays
 * NULL where there is neither.  It runs a child (a key is decoded), so not beside other threads.
 */
ECERT_MUST_CHECK enum ecert_status request_present_key(
    struct ecert_context *context, const struct ecert_certificate_config *certificate,
    EVP_PKEY **ret, struct ecert_strings *notes, struct ecert_error *err);

/* Make the CSR of this key, and keep both: state "made".  `reused`: it is not a new one. */
ECERT_MUST_CHECK enum ecert_status request_keep(struct request_run *run, struct request_work *work,
                                                EVP_PKEY *key, bool reused,
                                                struct ecert_error *err);

#endif
