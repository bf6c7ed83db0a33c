/* Requests as `ecert request` and `ecert status` show them. */
#ifndef ECERT_CLI_REQUESTING_H
#define ECERT_CLI_REQUESTING_H

#include "core/cli/app.h"
#include "core/flow/requests.h"
#include "core/issue/sheet.h"

/* Requests that are shown together; borrowed. */
struct ecert_shown_request {
    const struct ecert_certificate_config *certificate; /* NULL: it has no entry any more */
    const struct ecert_request *request;
    bool again;                        /* it was pending before this run */
    bool several;                      /* others of its name are pending, too */
    const struct ecert_strings *notes; /* NULL: none */
};

/* The language of steps and sheet: --language, else that of the reminders. */
const char *ecert_request_language(const struct ecert_app *app);

/* STATE/inbox; the caller frees. */
ECERT_MUST_CHECK enum ecert_status ecert_request_inbox(const struct ecert_app *app, char **ret,
                                                       struct ecert_error *err);

/* Its CSR as the options want it: --new-header. */
ECERT_MUST_CHECK enum ecert_status ecert_request_pem(const struct ecert_app *app,
                                                     const struct ecert_request *request,
                                                     struct ecert_bytes *ret,
                                                     struct ecert_error *err);

/*
 * One request with everything: what was asked for, where key and backups are, CSR, steps.  In text,
 * or as one more element of the list with --json; `brief`: without CSR and steps, in text.
 * What could not be read (the CSR) is the error; the rest is shown.
 */
ECERT_MUST_CHECK enum ecert_status ecert_request_show(struct ecert_app *app,
                                                      const struct ecert_shown_request *shown,
                                                      bool brief, json_t *list,
                                                      struct ecert_error *err);

/* Its backups: [{"path", "sha256", "written", "opened"}], moments in RFC 3339, or null: never. */
json_t *ecert_request_backups_json(const struct ecert_request *request);

/*
 * {"certificate", "name", "unicode_name", "id", "state", "kind", "since", "awaited", "from",
 * "next", "reason", "batch", "generation", "problem", "configured"} of a request, as `--list` and
 * `status` have it. `several`: others of its name are pending, too.
 */
ECERT_MUST_CHECK enum ecert_status ecert_request_row(struct ecert_app *app,
                                                     const struct ecert_request *request,
                                                     bool several, json_t **ret,
                                                     struct ecert_error *err);

/* The pending requests of a certificate, and those that are damaged, below its line of `ecert
 * status`.  How many need repair. */
size_t ecert_request_status(struct ecert_app *app, const char *name, json_t *list);

/* The pending requests of certificates that have no entry any more, likewise. */
size_t ecert_request_status_left(struct ecert_app *app, json_t *list);

/* May --sheet be written?  Asked before anything is made. */
ECERT_MUST_CHECK enum ecert_status ecert_request_sheet_check(const struct ecert_app *app,
                                                             struct ecert_error *err);

/* Write it.  `failures` (may be none) are listed in front.  Requests that cannot be read are
 * complained of and left out; those of them that need repair, or could not be shown, are counted.
 */
ECERT_MUST_CHECK enum ecert_status ecert_request_sheet(struct ecert_app *app,
                                                       const struct ecert_shown_request *shown,
                                                       size_t n,
                                                       const struct ecert_sheet_failure *failures,
                                                       size_t n_failures, size_t *ret_left_out,
                                                       struct ecert_error *err);

/* `ecert request --list`. */
int ecert_request_list(struct ecert_app *app);

#endif
