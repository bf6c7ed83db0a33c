/*
 * The state directory.
 *
 *   STATE/lock
 *   STATE/inbox/                          issued files are dropped here
 *   STATE/inbox/rejected/, inbox/taken/   and end here
 *   STATE/certificates/FOLDER/
 *       generations/0001/{privkey.pem,cert.pem,chain.pem,fullchain.pem,generation.json}
 *       live/TARGET -> ../generations/0001
 *       keys/ID.json                      copies of keys that no request made (core/issue/backup.h)
 *       requests/ID/                      keys and CSRs that wait for the CA (requests.h)
 *       targets/TARGET.json               desired and actual state, tries, back-off
 *       before/TARGET                     its server's files before ecert (origin.h)
 *       deployments/TIME-TARGET.json      one record per deployment
 *   STATE/copies.json                     when copies of keys were last opened by a check
 *   STATE/transactions/ID/{journal,backup/}
 *   STATE/chains/SHA256.pem  STATE/crls/  STATE/fetched/    caches
 *
 * Everything is 0700/0600 and belongs to the invoking user.  A generation is immutable: it is built
 * under a temporary name, synced, and renamed.  Files are replaced, never written in place.
 */
#ifndef ECERT_FLOW_STORE_H
#define ECERT_FLOW_STORE_H

#include "core/flow/bundle.h"
#include "core/host/plan.h"

/*
 * Make what is missing of the state directory.  ECERT_E_REFUSED: it exists and is not private to
 * the invoking user; ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_store_prepare(const char *state_dir,
                                                       struct ecert_error *err);

/*
 * Remove the temporary files of a run that was killed while it wrote state or records.  (What a
 * transaction left is another matter: its journal knows.)  The caller holds the lock.  ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_store_tidy(const char *state_dir, struct ecert_error *err);

/* The folder name of a certificate: "*.x" becomes "_wildcard.x"; the rest is a host name. */
void ecert_store_folder(const char *name, char *ret, size_t size);

/*
 * STATE/certificates/FOLDER[/sub] as an allocated path.  ECERT_E_REFUSED: the name, or a part of
 * `sub`, is none that a folder may have (so that nothing leads out of the state directory).
 */
ECERT_MUST_CHECK enum ecert_status ecert_store_path(const char *state_dir, const char *name,
                                                    const char *sub, char **ret,
                                                    struct ecert_error *err);

/*
 * Make such a place and what is missing above it: 0700, and synced up to the state directory.
 * Nothing is done if it is there.  ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_store_make_folder(const char *state_dir, const char *name,
                                                           const char *path,
                                                           struct ecert_error *err);

/* ---- generations ---- */

/* What a generation remembers beside its files (generation.json). */
struct ecert_generation_facts {
    unsigned number;
    char *origin; /* "inbox: cert0000812104.cer", "import: /root/x.p7b", a URL */
    char *authority;
    int64_t imported;                  /* seconds */
    char sha256[ECERT_SHA256_HEX_LEN]; /* of the leaf */
    char serial[64];
    int64_t not_before, not_after;
    struct ecert_strings notes; /* e.g. "the revoked sub CA ... was replaced" */
    char *unfit; /* it was adopted, and this is why an issued file would have been refused: it sets
                    no limit to the age of what is taken after it.  NULL: it passed the checks */
};
void ecert_generation_facts_clear(struct ecert_generation_facts *facts);

/*
 * Add the bundle as the next generation; facts->number is set, and from the leaf sha256, serial and
 * both dates.  The caller holds the lock: what an interrupted call left behind is removed.  The key
 * is 0600 from its first byte.  If the newest generation already has this leaf, this chain and key,
 * nothing is added, its number is set and *ret_added is false.
 */
ECERT_MUST_CHECK enum ecert_status ecert_store_add(const char *state_dir, const char *name,
                                                   const struct ecert_bundle *bundle,
                                                   struct ecert_generation_facts *facts,
                                                   bool *ret_added, struct ecert_error *err);

/* Newest number, 0 if there is none. */
ECERT_MUST_CHECK enum ecert_status ecert_store_newest(const char *state_dir, const char *name,
                                                      unsigned *ret, struct ecert_error *err);

/* ECERT_E_NOT_FOUND: no such generation (the text lists those which are there). */
ECERT_MUST_CHECK enum ecert_status ecert_store_facts(const char *state_dir, const char *name,
                                                     unsigned number,
                                                     struct ecert_generation_facts *ret,
                                                     struct ecert_error *err);

/* Leaf and chain of a generation, without the key. */
ECERT_MUST_CHECK enum ecert_status ecert_store_load(const char *state_dir, const char *name,
                                                    unsigned number, struct ecert_bundle *ret,
                                                    struct ecert_error *err);

/* Its key as it is kept, encrypted or not.  ECERT_E_NOT_FOUND: it has none. */
ECERT_MUST_CHECK enum ecert_status ecert_store_key(const char *state_dir, const char *name,
                                                   unsigned number, struct ecert_secret *ret,
                                                   struct ecert_error *err);

/* Which generation live/TARGET points at; 0: there is no link. */
ECERT_MUST_CHECK enum ecert_status ecert_store_live(const char *state_dir, const char *name,
                                                    const char *target, unsigned *ret,
                                                    struct ecert_error *err);

/* ---- targets: desired and actual, separate and persistent ---- */

struct ecert_target_state {
    unsigned desired; /* generation that shall be served; 0: the newest */
    bool nothing;     /* `rollback --to 0`: its server's files shall be as they were before ecert,
                         instead of `desired`; held_at as for that */
    unsigned held_at; /* after a rollback: a newer generation with another leaf than this one's ends
                         the hold; 0: none */
    unsigned actual;  /* generation that was last proved or placed; 0: none */
    char actual_sha256[ECERT_SHA256_HEX_LEN]; /* of the leaf last deployed, "" if none */
    char actual_sha1[41];
    /* of the target's settings (settings.h) with the actual one and with the last try; "": not
       known, as in what an older version wrote */
    char actual_settings[ECERT_SHA256_HEX_LEN], tried_settings[ECERT_SHA256_HEX_LEN];
    int64_t deployed;           /* seconds; 0: never */
    unsigned failures;          /* in a row */
    unsigned tried_generation;  /* what the last try was for: another one is tried at once */
    int64_t last_try;           /* seconds; 0: never */
    int64_t next_try;           /* not before this moment; 0: at once */
    char *last_error;           /* NULL: the last try went well */
    char *outcome;              /* word of the last try's outcome, see transaction.h; NULL: none */
    struct ecert_probe *probes; /* where the last plan said it is served: for `ecert status` */
    size_t n_probes;
};
void ecert_target_state_clear(struct ecert_target_state *state);

/* A target never seen is {0}, ECERT_OK.  A damaged file is ECERT_E_REFUSED and names it. */
ECERT_MUST_CHECK enum ecert_status ecert_store_load_target(const char *state_dir, const char *name,
                                                           const char *target,
                                                           struct ecert_target_state *ret,
                                                           struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_store_save_target(const char *state_dir, const char *name,
                                                           const char *target,
                                                           const struct ecert_target_state *state,
                                                           struct ecert_error *err);

/*
 * deployments/TIME-TARGET.json with this text (JSON, made by the caller); TIME as 20261121T084200Z,
 * and TIME-TARGET-2.json, -3 ... where that is there already.
 */
ECERT_MUST_CHECK enum ecert_status ecert_store_record(const char *state_dir, const char *name,
                                                      const char *target, int64_t when,
                                                      struct ecert_view json,
                                                      struct ecert_error *err);

#endif
