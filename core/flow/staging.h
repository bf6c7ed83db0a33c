/*
 * Temporaries and backups, the renames, and the way back.
 *
 * Every item is staged as a finished temporary beside its place.  What it replaces is kept as a
 * second name of the same file (a hard link, so that no disk can be too full for it) in the
 * transaction's backup/, or beside the file where that is another file system, or as a copy where
 * there are no hard links.  So the commit and the undo are renames, and need no space.
 */
#ifndef ECERT_FLOW_STAGING_H
#define ECERT_FLOW_STAGING_H

#include "core/flow/journal.h"

/*
 * Write the temporaries and the backups.  *ret_failed: the item that could not be staged (written
 * on failure only).  Nothing that is live is touched.  ECERT_E_IO, ECERT_E_REFUSED.
 */
ECERT_MUST_CHECK enum ecert_status ecert_staging_write(const struct ecert_items *items,
                                                       const struct ecert_journal *journal,
                                                       size_t *ret_failed, struct ecert_error *err);

/*
 * Rename everything into place, in order, and sync the directories.  ECERT_E_CHANGED: somebody
 * changed a file since it was read.  *ret_durable is false when a directory's sync failed: what
 * was renamed is in place, but may not survive a power cut.
 */
ECERT_MUST_CHECK enum ecert_status ecert_staging_commit(const struct ecert_transaction_env *env,
                                                        const struct ecert_items *items,
                                                        bool *ret_durable, struct ecert_error *err);

/*
 * Put back what holds our new content; *ret_restored counts it.  A file that somebody changed
 * since is left, and a note tells both changes; its backup stays beside it, and the new files and
 * links of the same target stay too, because it may name them.  ECERT_E_CHANGED: there was such a
 * file; ECERT_E_IO.  All items are tried in every case.
 */
ECERT_MUST_CHECK enum ecert_status ecert_staging_undo(const struct ecert_items *items,
                                                      const struct ecert_journal *journal,
                                                      size_t *ret_restored,
                                                      struct ecert_strings *notes,
                                                      struct ecert_error *err);

/* Remove temporaries and backups. */
ECERT_MUST_CHECK enum ecert_status ecert_staging_clean(const struct ecert_items *items,
                                                       const struct ecert_journal *journal,
                                                       struct ecert_error *err);

#endif
