/*
 * The origin of a target: its server's files as they were before ecert.
 *
 *   STATE/certificates/FOLDER/before/TARGET    one file, 0600, replaced whole and synced
 *
 * It is written in every transaction that changes files for the target, after the server was seen
 * to serve the new certificate and before the journal's mark "done": until that mark everything is
 * put back by the journal, from then on by this.  For each file it has what the file would hold if
 * the target had never been deployed, and what was written instead: the way back is the line
 * changes from the one to the other, taken out of whatever the file holds then
 * (core/base/diff.h).  A file that is changed again keeps its origin, with the edits that somebody
 * else made in between; where several targets change one file, the origin of each has the changes
 * of the others.  Secrets (keys, PKCS#12) have no lines: what was there before the first change
 * stays, and of what was written only the SHA-256.
 *
 * Beside the files there is how the server is tested, reloaded and looked at, so that the way back
 * needs no plugin; and what was served at each address before.
 */
#ifndef ECERT_FLOW_ORIGIN_H
#define ECERT_FLOW_ORIGIN_H

#include "core/flow/items.h"

struct ecert_origin_file {
    char *path;
    bool existed, secret;
    bool whole; /* ecert writes all of it (`files`, PKCS#12): its lines are never merged */
    struct ecert_fs_owner owner; /* if it existed */
    struct ecert_secret before;  /* empty if it did not exist */
    struct ecert_secret written; /* empty if it is secret */
    uint8_t written_sha256[ECERT_SHA256_LEN];
    /*
     * What the file held when `written` took its place, as far as it was ours: after a crash before
     * the journal's mark "done" that is there again.
     */
    bool has_previous;
    uint8_t previous_sha256[ECERT_SHA256_LEN];
};

struct ecert_origin {
    struct ecert_origin_file *files;
    size_t n_files;
    struct ecert_plan plan;      /* tests, activation and probes of the last deployment */
    struct ecert_strings served; /* SHA-256 for each probe, "" if nothing answered */
};
void ecert_origin_clear(struct ecert_origin *origin); /* wipes */

/* ECERT_E_NOT_FOUND: no file was ever changed for it; ECERT_E_REFUSED: damaged; ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_origin_load(const char *state_dir, const char *name,
                                                     const char *target, struct ecert_origin *ret,
                                                     struct ecert_error *err);

/* Is this what ecert left there: what it wrote, or, after a crash, what it wrote before that? */
bool ecert_origin_wrote(const struct ecert_origin_file *file,
                        const uint8_t sha256[ECERT_SHA256_LEN]);

/* Is there one? */
ECERT_MUST_CHECK enum ecert_status ecert_origin_exists(const char *state_dir, const char *name,
                                                       const char *target, bool *ret,
                                                       struct ecert_error *err);

/* Absent is fine.  ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_origin_remove(const char *state_dir, const char *name,
                                                       const char *target, struct ecert_error *err);

/*
 * What the transaction does with `items` for one of its members becomes part of its origin, on
 * disk; where no file is the member's, an origin that there is takes over tests, activation and
 * probes.  A probe that comes later has nothing of before ecert: what it serves then may be ours.
 * Neither has one whose name is in lines that somebody changed.  ECERT_E_IO, ECERT_E_REFUSED.
 */
ECERT_MUST_CHECK enum ecert_status ecert_origin_keep(const char *state_dir,
                                                     const struct ecert_items *items, size_t member,
                                                     const struct ecert_member *who,
                                                     struct ecert_error *err);

/*
 * The lines that are in one of the two and not in the other, appended: what somebody changed.
 * `to` that is empty: the file is gone.  ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_origin_changed_lines(struct ecert_view from,
                                                              struct ecert_view to,
                                                              struct ecert_buffer *out,
                                                              struct ecert_error *err);

/* Is one of the lines that ecert added, which were nowhere in `before`, still there?  Blanks at
 * their ends do not count.  True, too, if it added none.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_origin_has_ours(struct ecert_view before,
                                                         struct ecert_view written,
                                                         struct ecert_view now, bool *ret,
                                                         struct ecert_error *err);

/* Is this host name among the words of the text, in whatever case?  NULL never is. */
bool ecert_origin_names(struct ecert_view text, const char *name);

#endif
