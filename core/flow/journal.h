/*
 * The journal: what a later run must know to put everything back.
 *
 *   STATE/transactions/ID/journal    append-only records
 *   STATE/transactions/ID/backup/    backups, named by the number of their item
 *
 * A record is a message (core/base/message.h) and the first eight bytes of its SHA-256.  BEGIN,
 * one ITEM each, SERVICE and READY are written and synced before anything is staged; then marks
 * follow.  Reading stops at the first record that is not whole: a torn tail is normal.  A journal
 * without READY belongs to a transaction that staged nothing.
 *
 * Which items were renamed is not in the journal: the SHA-256 of what is on disk tells.  So only
 * the marks that order matters for are synced: "commit", because the backups must be on disk
 * before the first rename is, and "done", because they are removed after it.
 */
#ifndef ECERT_FLOW_JOURNAL_H
#define ECERT_FLOW_JOURNAL_H

#include "core/flow/items.h"

enum ecert_journal_mark {
    ECERT_MARK_COMMIT = 1,
    ECERT_MARK_ACTIVATE = 2, /* the service was running and is about to be reloaded */
    ECERT_MARK_DONE = 3,
};

struct ecert_journal {
    char *folder; /* STATE/transactions/ID; NULL: none */
    int fd;       /* of the journal, valid while folder is set */
    int backup;   /* of the folder backup/ */
};

/*
 * Give every item its temporary and backup names and write it all down, synced.  `activation` may
 * be NULL.  On failure nothing is left.  ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_journal_begin(
    const char *state_dir, struct ecert_items *items,
    const struct ecert_plan_activation *activation, struct ecert_journal *ret,
    struct ecert_error *err);

ECERT_MUST_CHECK enum ecert_status ecert_journal_add_mark(struct ecert_journal *journal,
                                                          enum ecert_journal_mark mark,
                                                          struct ecert_error *err);

/* Remove the folder with all that is in it; the journal is empty afterwards. */
ECERT_MUST_CHECK enum ecert_status ecert_journal_end(struct ecert_journal *journal,
                                                     struct ecert_error *err);

/* Close it; the folder stays. */
void ecert_journal_clear(struct ecert_journal *journal);

/* ---- reading one back ---- */

struct ecert_journal_content {
    int64_t begun; /* seconds */
    bool same_boot;
    bool ready, commit, activate, done;
    struct ecert_items items; /* without contents */
    struct ecert_plan plan;   /* its activation only */
};
void ecert_journal_content_clear(struct ecert_journal_content *content);

/* STATE/transactions/ID.  A missing or torn journal is content without `ready`, not an error. */
ECERT_MUST_CHECK enum ecert_status ecert_journal_read(const char *folder,
                                                      struct ecert_journal_content *ret,
                                                      struct ecert_error *err);

/* Open the folder of a journal that was read, to put things back with it. */
ECERT_MUST_CHECK enum ecert_status ecert_journal_open(const char *folder, struct ecert_journal *ret,
                                                      struct ecert_error *err);

#endif
