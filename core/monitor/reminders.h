/*
 * Reminders that cannot be lost.
 *
 * A reminder is owed when a finding crosses a threshold, when a problem appears, and for as long as
 * the thing is past its end or the problem stays: every week for eight weeks, then every four weeks
 * (ecert_week_told() in thresholds.h).  It has a key and is a file of its own:
 *
 *   STATE_DIR/reminders/owed/KEY.json    written before anybody is told; who is still to be told
 *   STATE_DIR/reminders/sent/KEY.json    everybody was told: this key fires no more
 *   STATE_DIR/reminders/acks/NAME.json   a person said: I know
 *   STATE_DIR/reminders/state.json       when the last check was; what did not answer in it; which
 *                                        problems are not there since when; when the last digest
 *                                        went out
 *
 * So a crash between "sent" and "recorded" tells once more, never not at all; a machine that slept
 * a week fires the one threshold that counts now; a skipped run loses nothing, because what counts
 * is what is owed or sent, not when somebody looked.  A clock that was put back makes a threshold
 * count again once the time left is more than two days above it: summer time and a correction by an
 * hour repeat nothing.  A threshold that is still owed when the next smaller one is crossed is
 * superseded by it: it would say the same with an older number.
 *
 * The key.  The first half names the thing, the second what is told of it, each 16 digits of a
 * SHA-256 over length-prefixed fields, the second over those of the thing too.  So the keys of one
 * thing stand together in a sorted listing.
 *
 *   an end      name and SHA-256 of the certificate, or, of what has none, name, kind, serial and
 *               end, and of a CRL its place; then the threshold.  First digit 0 to 7.  The same
 *               certificate in a folder and on a server: one thing where they have one name
 *   a problem   kind, name, condition, place (but of an issuer in a chain) and SHA-256 of the
 *               certificate; then the week since it was first seen.  First digit 8 to f.
 *
 * A finding with a problem and with an end that is near is both.
 *
 * What lasts does not pile up in sent/: of a problem the last two reminders are kept, each of which
 * knows since when it is there; of what is past its end those of its thresholds and of the last two
 * weeks that count.  The others say nothing that these do not, unless the clock goes back by weeks:
 * then one may be told once more.
 *
 * Whoever calls holds the lock of the state directory (core/base/lock.h), but for
 * ecert_reminders_owed(), which only looks: without it nothing is lost, but something may be told
 * twice.
 */
#ifndef ECERT_MONITOR_REMINDERS_H
#define ECERT_MONITOR_REMINDERS_H

#include "core/monitor/finding.h"

/* X(value, word) */
#define ECERT_CHANNEL_LIST(X)           \
    X(ECERT_CHANNEL_EMAIL, "email")     \
    X(ECERT_CHANNEL_WEBHOOK, "webhook") \
    X(ECERT_CHANNEL_COMMAND, "command") \
    X(ECERT_CHANNEL_JOURNAL, "journal")

enum ecert_channel {
#define ECERT_CHANNEL_ENUM(value, word) value,
    ECERT_CHANNEL_LIST(ECERT_CHANNEL_ENUM)
#undef ECERT_CHANNEL_ENUM
        ECERT_CHANNEL_COUNT
};
const char *ecert_channel_word(enum ecert_channel channel);

/* Somebody who is to be told of one reminder. */
struct ecert_owed {
    enum ecert_channel channel;
    char *to;  /* EMAIL: the address; else NULL: the channel as configured */
    bool told; /* the channel accepted it */
    int64_t told_at;
    unsigned tries;
    int64_t next_try; /* 0: at once */
    char *last_error; /* NULL: none */
};

/*
 * Is it to be tried now?  Not what is told; and a next try that lies farther ahead than one can be
 * was written before the clock was put back, and is due.
 */
bool ecert_owed_is_due(const struct ecert_owed *owed, int64_t now);

struct ecert_reminder {
    char *key; /* file name without .json: [0-9a-f]{32} */
    int64_t created;
    int64_t since;                /* of a problem: when it was first seen; else 0 */
    struct ecert_finding finding; /* as it was, threshold the one that is told; settings is NULL */
    bool escalated;               /* the escalation list is among those who are told */
    struct ecert_owed *owed;
    size_t n_owed;
};
void ecert_reminder_clear(struct ecert_reminder *reminder);

struct ecert_reminder_list {
    struct ecert_reminder *items;
    size_t n;
    size_t unread; /* files that could not be read, or written; each is told in the notes */
};
void ecert_reminder_list_clear(struct ecert_reminder_list *list);

/* ---- noticing: one pass per check ---- */

struct ecert_noticing;

/*
 * Reads the state, the names of what is owed and sent, and the acks.  ECERT_E_IO: with the file's
 * name; a damaged file is moved aside (NAME.damaged) and told in ret_notes: reminders go on.
 * `config` must outlive it.
 */
ECERT_MUST_CHECK enum ecert_status ecert_noticing_begin(const struct ecert_config *config,
                                                        int64_t now, struct ecert_noticing **ret,
                                                        struct ecert_strings *ret_notes,
                                                        struct ecert_error *err);

/*
 * A finding of this check: what it crosses becomes owed, on disk and synced when this returns, to
 *
 *   EMAIL     each address of settings->contacts, or of reminders.email.to; and of
 *             settings->escalation, or of reminders.escalation, from the threshold
 *             reminders.escalate_from on and for what is CRITICAL; each address once
 *   WEBHOOK, COMMAND, JOURNAL     where they are configured
 *
 * With nobody to tell nothing is written.  An ack quiets ends, and the problems that were first
 * seen before it was given; what is new is told.  NO_ANSWER owes from the second check in a row on
 * that is ten minutes or more after the first: a server that is restarted wakes nobody. *ret_new:
 * something became owed.  A fine finding writes nothing and is not kept.
 */
ECERT_MUST_CHECK enum ecert_status ecert_noticing_add(struct ecert_noticing *noticing,
                                                      const struct ecert_finding *finding,
                                                      bool *ret_new, struct ecert_error *err);

/*
 * The check is over.  `complete`: it looked at everything, with the network.  Then problems that no
 * check saw for 48 hours since a complete one missed them are forgotten, so that they are told at
 * once when they come back (a handshake that failed half-way misses them too, hence the 48 hours);
 * those of units, which no check sees, 48 hours after they were last told of.  Where a check could
 * not look (ecert_condition_hides()) it misses nothing.  And once a week the sent keys of things
 * that were not seen and were told of more than 400 days ago.  Frees in every case.
 */
ECERT_MUST_CHECK enum ecert_status ecert_noticing_end(struct ecert_noticing **noticing,
                                                      bool complete, struct ecert_error *err);
void ecert_noticing_free(struct ecert_noticing **noticing);

/* ---- what is owed ---- */

/*
 * Everything that is still owed to somebody, oldest first.  Who that is goes by the configuration
 * of today: who is not named for it any more is left out (told in ret_notes), who is new is added.
 * A file that is damaged or cannot be read is told in ret_notes, counted in `unread` and hides no
 * other.  Nothing is written: this is for whoever shows it, and needs no lock.
 */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_owed(const struct ecert_config *config,
                                                        struct ecert_reminder_list *ret,
                                                        struct ecert_strings *ret_notes,
                                                        struct ecert_error *err);

/*
 * The same for the one who sends, and holds the lock: what it comes to is written down.  Who is
 * left out is off the record, who is new is on it, what nobody is owed any more counts as sent, and
 * a damaged file is moved aside as above; what it was of is told of again by the next check.
 */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_settle(const struct ecert_config *config,
                                                          struct ecert_reminder_list *ret,
                                                          struct ecert_strings *ret_notes,
                                                          struct ecert_error *err);

/*
 * Write down how telling somebody went: `outcome` with ECERT_OK, or the error; then the next try is
 * after 5, 15, 60 minutes, then every 4 hours, for ever.  When all are told the file moves from
 * owed/ to sent/.  The reminder is changed too, even if it could not be written down.
 */
ECERT_MUST_CHECK enum ecert_status ecert_reminder_told(const struct ecert_config *config,
                                                       struct ecert_reminder *reminder,
                                                       size_t which, int64_t now,
                                                       const struct ecert_error *outcome,
                                                       struct ecert_error *err);

/* ---- acknowledging ---- */

struct ecert_ack {
    char *name;
    int64_t until; /* seconds: the end of the named day, local time */
    char *note, *by;
    int64_t when;
};
void ecert_ack_clear(struct ecert_ack *ack);

/*
 * Quiet a certificate or watch until a day: its ends, and the problems that were known at `when`.
 * An earlier ack of the name is replaced; every one is kept as a line of acks/history.jsonl,
 * written first.  What is owed already stays owed.
 */
ECERT_MUST_CHECK enum ecert_status ecert_ack_write(const struct ecert_config *config,
                                                   const struct ecert_ack *ack,
                                                   struct ecert_error *err);
/* ECERT_E_NOT_FOUND: none that still holds.  ECERT_E_REFUSED: it is damaged.  ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_ack_read(const struct ecert_config *config,
                                                  const char *name, int64_t now,
                                                  struct ecert_ack *ret, struct ecert_error *err);

/*
 * For whoever shows findings: which of them does an ack keep quiet, as ecert_noticing_add() would?
 * Nothing is written, so it needs no lock.  A problem of which no reminder is known is new.
 */
struct ecert_quiet;
ECERT_MUST_CHECK enum ecert_status ecert_quiet_new(const struct ecert_config *config, int64_t now,
                                                   struct ecert_quiet **ret,
                                                   struct ecert_error *err);
void ecert_quiet_free(struct ecert_quiet **quiet);

/* The ack that does.  ECERT_E_NOT_FOUND: none.  ECERT_E_REFUSED: it is damaged.  ECERT_E_IO. */
ECERT_MUST_CHECK enum ecert_status ecert_quiet_find(struct ecert_quiet *quiet,
                                                    const struct ecert_finding *finding,
                                                    struct ecert_ack *ret, struct ecert_error *err);

/* ---- the weekly digest ---- */

/*
 * Is one due?  When the configured weekday came since the last one, by the calendar of local time,
 * or when there was none yet; never with digest = "never".  A last one that lies more than two days
 * ahead was written before the clock was put back, and does not count.  A damaged state counts as
 * none: an extra digest hurts nobody, a missing one says "it died".
 */
ECERT_MUST_CHECK enum ecert_status ecert_digest_is_due(const struct ecert_config *config,
                                                       int64_t now, bool *ret,
                                                       struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_digest_sent(const struct ecert_config *config, int64_t now,
                                                     struct ecert_error *err);

#endif
