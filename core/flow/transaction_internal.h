/*
 * What the files of the transaction share.
 *
 *   items.c         which files and links a group of targets changes, merged
 *   preload.c       key and chain as a server would load them
 *   journal.c       what a later run must know to put everything back
 *   staging.c       temporaries and backups, the renames, the way back
 *   private_view.c  a view of the file system in which the changes are in place
 *   prove.c         the server's own test in that view; who is to blame when it says no
 *   service.c       is it running, reload it, start it again
 *   look.c          handshakes before and after
 *   attempt.c       the steps, in order, for one group
 *   transaction.c   groups
 *   recover.c       the way back after a crash
 *
 * A member is one target of a group.  It waits until it has a verdict: then its outcome is final.
 */
#ifndef ECERT_FLOW_TRANSACTION_INTERNAL_H
#define ECERT_FLOW_TRANSACTION_INTERNAL_H

#include "core/base/fs.h"
#include "core/flow/transaction.h"

#define ECERT_TRANSACTION_FILE_MAX (64u << 20)

struct ecert_member {
    const struct ecert_change *change;
    struct ecert_outcome *outcome;
    bool waiting;
};

/* Final; `why` is NULL for a good outcome.  Does nothing to a member that has its verdict. */
void ecert_member_verdict(struct ecert_member *member, enum ecert_outcome_kind kind,
                          const struct ecert_error *why);

/* A note of one member; running out of memory loses the note, never the deployment. */
void ecert_member_note(struct ecert_member *member, const char *fmt, ...) ECERT_PRINTF(2, 3);

/* A verdict, or a note, for every member that waits. */
void ecert_members_verdict(struct ecert_member *members, size_t n, enum ecert_outcome_kind kind,
                           const struct ecert_error *why);
void ecert_members_note(struct ecert_member *members, size_t n, const char *text);

size_t ecert_members_waiting(const struct ecert_member *members, size_t n);

/* Release what was seen; the rest of the outcome stays. */
void ecert_outcome_forget_observations(struct ecert_outcome *outcome);

/* Call the test's hook, if there is one. */
void ecert_transaction_at(const struct ecert_transaction_env *env, const char *point);

/* One group from its pre-load to its record or undo; every member has its verdict afterwards. */
ECERT_MUST_CHECK enum ecert_status ecert_attempt_group(const struct ecert_transaction_env *env,
                                                       struct ecert_member *members, size_t n,
                                                       struct ecert_error *err);

#endif
