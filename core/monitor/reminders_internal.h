/* What the files of the reminders share: keys, and the files below STATE_DIR/reminders. */
#ifndef ECERT_MONITOR_REMINDERS_INTERNAL_H
#define ECERT_MONITOR_REMINDERS_INTERNAL_H

#include <jansson.h>

#include "core/monitor/reminders.h"

#define ECERT_DAY  ((int64_t)86400)
#define ECERT_WEEK (7 * ECERT_DAY)

/* What is written less far ahead than this was written by a clock that was corrected a little. */
#define ECERT_CLOCK_SLACK_DAYS 2
#define ECERT_CLOCK_SLACK      (ECERT_CLOCK_SLACK_DAYS * ECERT_DAY)

/* ---- keys (reminders_key.c); how they are made is told in reminders.h ---- */

#define ECERT_THING_LEN 16 /* digits of a key that name its thing */
#define ECERT_KEY_LEN   32

struct ecert_thing {
    uint8_t digest[ECERT_SHA256_LEN];
    char prefix[ECERT_THING_LEN + 1];
};

ECERT_MUST_CHECK enum ecert_status ecert_thing_of_end(const struct ecert_finding *finding,
                                                      struct ecert_thing *ret,
                                                      struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_thing_of_problem(const struct ecert_finding *finding,
                                                          struct ecert_thing *ret,
                                                          struct ecert_error *err);

/* Where a problem is, whatever it is; no key is made of it. */
ECERT_MUST_CHECK enum ecert_status ecert_thing_of_place(const struct ecert_finding *finding,
                                                        struct ecert_thing *ret,
                                                        struct ecert_error *err);

/* `number`: the threshold, or the week. */
void ecert_thing_key(const struct ecert_thing *thing, int64_t number, char ret[ECERT_KEY_LEN + 1]);

bool ecert_key_is_problem(const char *key);

/* The key of a file's name; false: it is none of ours. */
bool ecert_key_of_name(const char *name, char ret[ECERT_KEY_LEN + 1]);

/* ---- files (reminders_file.c) ---- */

#define ECERT_FOLDER_OWED "owed"
#define ECERT_FOLDER_SENT "sent"
#define ECERT_FOLDER_ACKS "acks"

/* STATE_DIR/reminders/FOLDER, and FOLDER/NAME.json. */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_folder(const struct ecert_config *config,
                                                          const char *folder, char **ret,
                                                          struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_reminders_path(const struct ecert_config *config,
                                                        const char *folder, const char *name,
                                                        char **ret, struct ecert_error *err);

/* Make a folder of the reminders, its name synced. */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_make_folder(const struct ecert_config *config,
                                                               const char *folder,
                                                               struct ecert_error *err);

/*
 * When what was not accepted is tried again, after so many tries before this one; and has that
 * moment come?  One further ahead than the longest pause was written before the clock was put back.
 */
int64_t ecert_next_try(unsigned tries, int64_t now);
bool ecert_try_is_due(int64_t next_try, int64_t now);

/* Remove FOLDER/KEY.json; absent is fine. */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_remove(const struct ecert_config *config,
                                                          const char *folder, const char *key,
                                                          struct ecert_error *err);

/* Remove what a run that was killed left half written in a folder ("." is that of state.json). */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_remove_temporaries(
    const struct ecert_config *config, const char *folder, struct ecert_error *err);

/* The names in a folder; none where there is no folder. */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_list(const struct ecert_config *config,
                                                        const char *folder,
                                                        struct ecert_strings *ret,
                                                        struct ecert_error *err);

/* Rename a damaged file to PATH.damaged; a sentence is added to `notes` (NULL: not wanted). */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_set_aside(const char *path,
                                                             struct ecert_strings *notes,
                                                             struct ecert_error *err);

/* ECERT_E_NOT_FOUND, ECERT_E_REFUSED: damaged, ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_reminder_read(const char *path, const char *key,
                                                       struct ecert_reminder *ret,
                                                       struct ecert_error *err);

/* Write owed/KEY.json, synced; folders are made. */
ECERT_MUST_CHECK enum ecert_status ecert_reminder_write(const struct ecert_config *config,
                                                        const struct ecert_reminder *reminder,
                                                        struct ecert_error *err);

/* ---- the keys that are owed or sent, in memory and sorted (reminders_known.c) ---- */

struct ecert_known_key {
    char key[ECERT_KEY_LEN + 1];
    bool owed, sent; /* neither: dropped */
    bool seen;       /* its thing was seen in this check */
};

struct ecert_known {
    struct ecert_known_key *items;
    size_t n, room;
};
void ecert_known_clear(struct ecert_known *known);

/* Two directory listings: what a fine finding costs is then one look into memory. */
ECERT_MUST_CHECK enum ecert_status ecert_known_load(const struct ecert_config *config,
                                                    struct ecert_known *ret,
                                                    struct ecert_error *err);

/* The keys of one thing: *ret_n items from *ret_first on; dropped ones too. */
void ecert_known_of(const struct ecert_known *known, const struct ecert_thing *thing,
                    size_t *ret_first, size_t *ret_n);

/* NULL: not known, or dropped. */
struct ecert_known_key *ecert_known_find(const struct ecert_known *known, const char *key);

/* A key that is owed from now on; pointers into the list are not valid any more. */
ECERT_MUST_CHECK enum ecert_status ecert_known_add_owed(struct ecert_known *known, const char *key,
                                                        struct ecert_error *err);

/* Forget that something is owed, or all of it: the file too. */
ECERT_MUST_CHECK enum ecert_status ecert_known_drop_owed(const struct ecert_config *config,
                                                         struct ecert_known_key *key,
                                                         struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_known_drop(const struct ecert_config *config,
                                                    struct ecert_known_key *key,
                                                    struct ecert_error *err);

/* ---- the state (reminders_state.c) ---- */

/* Things and since when they are in some state. */
struct ecert_thing_since {
    char thing[ECERT_THING_LEN + 1];
    int64_t since;
};
struct ecert_things_since {
    struct ecert_thing_since *items;
    size_t n;
};
void ecert_things_since_clear(struct ecert_things_since *things);
ECERT_MUST_CHECK enum ecert_status ecert_things_since_add(struct ecert_things_since *things,
                                                          const char *thing, int64_t since,
                                                          struct ecert_error *err);

/* As ecert_reminders_state_read() gave them, which is sorted; NULL: not among them. */
const struct ecert_thing_since *ecert_things_since_find(const struct ecert_things_since *things,
                                                        const char *thing);

struct ecert_reminders_state {
    int64_t last_check;  /* a complete one; 0: never */
    int64_t last_forget; /* when old keys were looked for; 0: never */
    int64_t last_digest; /* 0: never */
    struct ecert_things_since no_answer;
    struct ecert_things_since absent; /* problems that are remembered, and not there any more */
};
void ecert_reminders_state_clear(struct ecert_reminders_state *state);

/* {0} where there is none.  A damaged one is set aside, and is none. */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_state_read(const struct ecert_config *config,
                                                              struct ecert_reminders_state *ret,
                                                              struct ecert_strings *notes,
                                                              struct ecert_error *err);
/* The same without writing: a damaged one is none, and stays where it is. */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_state_look(const struct ecert_config *config,
                                                              struct ecert_reminders_state *ret,
                                                              struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_reminders_state_write(
    const struct ecert_config *config, const struct ecert_reminders_state *state,
    struct ecert_error *err);

/* ---- who is told (reminders_recipients.c) ---- */

/* Whom this finding is owed to; *ret_n 0: nobody.  The caller frees by ecert_owed_free(). */
ECERT_MUST_CHECK enum ecert_status ecert_recipients(const struct ecert_config *config,
                                                    const struct ecert_finding *finding,
                                                    struct ecert_owed **ret, size_t *ret_n,
                                                    bool *ret_escalated, struct ecert_error *err);
void ecert_owed_free(struct ecert_owed *owed, size_t n);

/* Order of recipients: by channel, then by address; 0: the same one. */
int ecert_owed_compare(const struct ecert_owed *a, const struct ecert_owed *b);

/* ---- the digest (reminders_digest.c) ---- */

/*
 * Did the configured weekday come since the last one, by the calendar?  As ecert_digest_is_due():
 * `last` 0 is none yet, and none is told of a clock that was put back since.
 */
ECERT_MUST_CHECK enum ecert_status ecert_digest_day_came(const struct ecert_config *config,
                                                         int64_t last, int64_t now, bool *ret,
                                                         struct ecert_error *err);

/* ---- acks (reminders_acks.c) ---- */

struct ecert_acks {
    struct ecert_ack *items;
    size_t n;
};
void ecert_acks_clear(struct ecert_acks *acks);

/* Those that hold at `now`; damaged files are set aside. */
ECERT_MUST_CHECK enum ecert_status ecert_acks_list(const struct ecert_config *config, int64_t now,
                                                   struct ecert_acks *ret,
                                                   struct ecert_strings *notes,
                                                   struct ecert_error *err);

/* ---- one pass of noticing (reminders_noticing.c), and its end (reminders_forgetting.c) ---- */

struct ecert_noticing {
    const struct ecert_config *config;
    int64_t now;
    struct ecert_known known;
    struct ecert_acks acks;
    struct ecert_reminders_state before; /* as the last check left it */
    struct ecert_things_since no_answer; /* of this check */
    struct ecert_things_since hidden;    /* places where this check could not look */
};

/* Does it keep a check from seeing what else may be wrong there? */
bool ecert_condition_hides(enum ecert_condition condition);

#endif
