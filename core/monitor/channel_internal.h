/* What the files of the channels share, and what their tests reach. */
#ifndef ECERT_MONITOR_CHANNEL_INTERNAL_H
#define ECERT_MONITOR_CHANNEL_INTERNAL_H

#include "core/monitor/channel.h"

/* systemd's native protocol: one datagram per entry. */
#define ECERT_JOURNAL_SOCKET "/run/systemd/journal/socket"
#define ECERT_JOURNAL_FOLDER "/run/systemd/journal"
#define ECERT_SYSLOG_SOCKET  "/dev/log"

/*
 * Has this machine a journal, whether or not it listens at this moment?  It has where there is the
 * journal's folder, which outlives its socket, or the name of syslog's socket, also where that is a
 * symbolic link to nothing now.
 */
bool ecert_journal_is_here(const char *folder, const char *syslog_socket);

/* `journalctl MESSAGE_ID=...`: all that the program ever told the journal this way. */
#define ECERT_JOURNAL_MESSAGE_ID "5c0f3ad1b0f94d6c9d3a4f0e8b6c2a71"

/*
 * Append one entry: of a finding, or (`finding` NULL) of the notice as a whole.
 *
 *   MESSAGE, PRIORITY (2 critical, 3 could not tell, 4 due, 6 all else), SYSLOG_IDENTIFIER=ecert,
 *   MESSAGE_ID, ECERT_KIND ("reminder", "digest", "test"), ECERT_KEY;
 *   of a finding ECERT_NAME, ECERT_WATCHED, ECERT_CONDITION, ECERT_URGENCY and, where they are
 *   known, ECERT_WHERE, ECERT_DETAIL, ECERT_DAYS, ECERT_NOT_AFTER (RFC 3339), ECERT_THRESHOLD,
 *   ECERT_SERIAL, ECERT_SHA256; of a digest ECERT_FINDINGS and ECERT_FINE, how many.
 */
void ecert_journal_entry(const struct ecert_notice *notice, const struct ecert_finding *finding,
                         struct ecert_buffer *out);

/*
 * Hand a notice to the journal that listens at `journal`.  Without one (no socket, nobody listens):
 * to syslog(3), whose socket is `syslog_socket`.  ECERT_E_IO: the journal did not take it, or
 * nobody listens at either.
 */
ECERT_MUST_CHECK enum ecert_status ecert_journal_tell(const char *journal,
                                                      const char *syslog_socket,
                                                      const struct ecert_notice *notice,
                                                      struct ecert_error *err);

/* ---- who had this week's digest (channel_digest.c) ---- */

/* This week's digest, as long as somebody has not taken it: STATE_DIR/reminders/digest.json. */
struct ecert_digest_memory {
    int64_t since;            /* when it was begun */
    unsigned tries;           /* that somebody did not accept */
    int64_t next_try;         /* as of a reminder */
    struct ecert_strings had; /* who took it, as `accepted` of a telling names him */
};
void ecert_digest_memory_clear(struct ecert_digest_memory *memory);

/*
 * Begun now, and nobody has it, where it was not begun, its weekday came again or the file cannot
 * be read: then he is told once more, which hurts nobody.
 */
void ecert_digest_recall(const struct ecert_config *config, int64_t now,
                         struct ecert_digest_memory *ret);

/* Not accepted by all now: write it down, with those who took it now, and its next try. */
ECERT_MUST_CHECK enum ecert_status ecert_digest_remember(const struct ecert_config *config,
                                                         const struct ecert_digest_memory *memory,
                                                         const struct ecert_strings *now_had,
                                                         int64_t now, struct ecert_error *err);

/* It went out to all: the next one is told to everybody. */
ECERT_MUST_CHECK enum ecert_status ecert_digest_forget(const struct ecert_config *config,
                                                       struct ecert_error *err);

/* ---- recipients (channel_people.c) ---- */

/*
 * Order of addresses, 0 for the same: the domain has no case; of the local part only its server
 * knows (RFC 5321, 2.4).
 */
int ecert_address_compare(const char *a, const char *b);

/* The `contacts` entry of an address; NULL: none. */
const struct ecert_contact_config *ecert_contact_of(const struct ecert_config *config,
                                                    const char *email);

/* The settings of the certificate or watch with this name; NULL: none has it. */
const struct ecert_watch_settings *ecert_watch_settings_of(const struct ecert_config *config,
                                                           const char *name);

/* Every address that the configuration names anywhere, each once. */
ECERT_MUST_CHECK enum ecert_status ecert_contacts_all(const struct ecert_config *config,
                                                      struct ecert_strings *ret,
                                                      struct ecert_error *err);

/*
 * The address alone of "Name <address>" or "address".  ECERT_E_CONFIG: it is neither.  The caller
 * frees.
 */
ECERT_MUST_CHECK enum ecert_status ecert_bare_address(const char *text, char **ret,
                                                      struct ecert_error *err);

/* Whom a notice goes to: fill in to, to_name, from and language. */
void ecert_notice_address(struct ecert_notice *notice, const struct ecert_config *config,
                          enum ecert_channel channel, const char *to);

#endif
