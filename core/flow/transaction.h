/*
 * The transaction: carrying out plans, all or nothing per target, journalled, proved.
 *
 * Steps, a table in transaction.c: pre-load, stage, prove, commit, activate, look; then record or
 * undo.  From `commit` on a failure leads to undo, and a failed undo is part of the message.
 * Targets that reload the same service are one group: one test, one reload for all of them.  A
 * member that fails is put back and left out, and the rest of its group is done without it.
 *
 * Several targets may change different lines of the same file: each plan was made against the
 * bytes on disk; their line changes are merged, a real conflict fails the later target.
 */
#ifndef ECERT_FLOW_TRANSACTION_H
#define ECERT_FLOW_TRANSACTION_H

#include "core/flow/network.h"
#include "core/host/plan.h"

/* X(value, word, sentence) */
#define ECERT_OUTCOME_LIST(X)                                                                    \
    X(ECERT_OUTCOME_UNCHANGED, "unchanged", "nothing to change")                                 \
    X(ECERT_OUTCOME_DEPLOYED, "deployed", "deployed, and the server was seen to serve it")       \
    X(ECERT_OUTCOME_PLACED, "placed", "files are in place; there is nothing to look at")         \
    X(ECERT_OUTCOME_NOT_RUNNING, "not-running", "files are in place; the server is not running") \
    X(ECERT_OUTCOME_REFUSED, "refused", "refused before anything was changed")                   \
    X(ECERT_OUTCOME_UNDONE, "undone", "it failed, and everything was put back")                  \
    X(ECERT_OUTCOME_UNDO_FAILED, "undo-failed", "it failed, and not everything could be put back")

enum ecert_outcome_kind {
#define ECERT_OUTCOME_ENUM(value, word, sentence) value,
    ECERT_OUTCOME_LIST(ECERT_OUTCOME_ENUM)
#undef ECERT_OUTCOME_ENUM
};
const char *ecert_outcome_word(enum ecert_outcome_kind kind);
const char *ecert_outcome_sentence(enum ecert_outcome_kind kind);

/* A file that the core itself places, copied from a generation (`files` of a target). */
struct ecert_change_copy {
    const char *from; /* generations/NNNN/privkey.pem ... */
    const char *to;
    bool secret;
    struct ecert_view content; /* not empty: this instead of what is in `from` */
};

/* One target's change; everything is borrowed and must outlive the call. */
struct ecert_change {
    const char *certificate;
    const char *target;
    const struct ecert_plan *plan;

    /* the live link: NULL live_dir where the target has none */
    const char *live_dir;   /* STATE/certificates/FOLDER/live */
    const char *live_link;  /* the target's id */
    const char *live_value; /* "../generations/0003" */

    const struct ecert_change_copy *copies;
    size_t n_copies;

    /* what a server will load, for the pre-load; key NULL: none on this host */
    const char *key_file, *fullchain_file;
    const struct ecert_key_config *key; /* whose passphrase opens key_file; NULL: it has none */

    const X509 *leaf;      /* what must be served afterwards */
    STACK_OF(X509) *chain; /* and its chain, as far as it must be sent */
    const char *key_type;  /* "rsa" or "ec" */
    /*
     * Not NULL: the way back to what was before ecert.  The SHA-256 of the leaf that each probe
     * must see again; leaf, chain and the files of a pair are NULL then, and no origin is kept.
     */
    const struct ecert_strings *served_before;
    const char *deployed; /* with it: SHA-256 of the leaf that the target has; NULL: not known */
    bool look;            /* false: `probe = false` in the configuration */
};

/* What one handshake after the activation saw; kept in the deployment's record. */
struct ecert_observation {
    struct ecert_probe probe;
    char before[ECERT_SHA256_HEX_LEN]; /* leaf served before, "" if it did not answer */
    char after[ECERT_SHA256_HEX_LEN];
    char *after_title; /* CN of what was served at the end; NULL: no answer */
    int64_t before_not_after, after_not_after;
    size_t chain_sent; /* certificates sent beside the leaf */
    bool foreign;      /* on the way back: it did not serve the target's leaf any more */
    char *problem;     /* NULL: the new leaf and a complete chain were served */
};

struct ecert_changed_file {
    char *path;
    char before[ECERT_SHA256_HEX_LEN]; /* "" if it did not exist */
    char after[ECERT_SHA256_HEX_LEN];
};

struct ecert_outcome {
    enum ecert_outcome_kind kind;
    struct ecert_error error;   /* for REFUSED, UNDONE and UNDO_FAILED */
    struct ecert_strings notes; /* which proof could not be made, labels, durability, ... */
    struct ecert_observation *observations;
    size_t n_observations;
    struct ecert_changed_file *files;
    size_t n_files;
    bool proved;    /* the server's test accepted the new configuration before anything changed */
    bool activated; /* the service was reloaded */
};
void ecert_outcome_clear(struct ecert_outcome *outcome);

/* What the transaction needs of the world; borrowed. */
struct ecert_transaction_env {
    const char *state_dir; /* the caller holds its lock */
    struct ecert_network *network;
    unsigned look_timeout_ms;    /* how long the new certificate may take to appear; 0: 10 s */
    unsigned command_timeout_ms; /* of tests and reloads; 0: 120 s */
    bool no_private_view;        /* behave as if namespaces were not permitted (tests) */
    /*
     * For tests of what a crash leaves: called at the named points of the transaction
     * ("journal", "stage", "prove", "commit", "commit-1", "activate", "look", "record", "undo").
     */
    void (*at)(const char *point);
};

/*
 * Carry the changes out; outcomes[i] tells of changes[i] and is filled in whatever happens.
 * ECERT_OK: every change was dealt with (look at the outcomes); anything else: the transaction
 * machinery itself failed (state directory not writable, ...), and what was begun is undone or
 * will be by ecert_transaction_recover().
 */
ECERT_MUST_CHECK enum ecert_status ecert_transaction_run(const struct ecert_transaction_env *env,
                                                         const struct ecert_change *changes,
                                                         size_t n, struct ecert_outcome *outcomes,
                                                         struct ecert_error *err);

/*
 * Finish what an earlier run began and did not end: everything that its journal names is put back
 * (guarded: a file that somebody changed since is left and reported), the service is activated
 * again if it had been, left-over temporary files are removed.  One sentence per transaction in
 * ret_notes.  The caller holds the lock.
 *
 * A transaction that cannot be undone yet (its directory is not writable, ...) stays; the paths of
 * its files are added to ret_stuck, and nothing may be deployed to them.  ECERT_E_REFUSED: a
 * damaged journal, whose files are not known.
 *
 * What was reloaded or started is looked at once more: it must run, and go on running for half a
 * second, within three; else ret_dead gets a sentence.  There is no handshake, because the journal
 * does not know where it serves; a target that was not finished is still owed, and is proved by
 * handshake when the run that recovered deploys it.  A service that was not running when it was to
 * be reloaded, and that no reload of ours can have ended, is mentioned in its note only.
 */
ECERT_MUST_CHECK enum ecert_status ecert_transaction_recover(
    const struct ecert_transaction_env *env, struct ecert_strings *ret_notes,
    struct ecert_strings *ret_stuck, struct ecert_strings *ret_dead, struct ecert_error *err);

/*
 * The unified diff of what the plans would do to the files, merged; secret files are one line
 * ("FILE: new, secret, 2471 bytes"), and so are long new ones.  Also the live links that would
 * change.  *ret_changes counts the files and links that differ.  A change that would be refused is
 * a sentence in ret_refused and left out of the diff.
 */
ECERT_MUST_CHECK enum ecert_status ecert_transaction_diff(const struct ecert_change *changes,
                                                          size_t n, struct ecert_buffer *out,
                                                          size_t *ret_changes,
                                                          struct ecert_strings *ret_refused,
                                                          struct ecert_error *err);

#endif
