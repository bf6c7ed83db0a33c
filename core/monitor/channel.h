/*
 * Channels: the ways out.  Accepted means accepted: by the SMTP server for this recipient, with a
 * 2xx status, with exit code 0, by the journal's socket.
 *
 *   email     one message per recipient, in his language
 *   webhook   POST; with a secret, X-Ecert-Signature: sha256=HEX is the HMAC-SHA256 of the body,
 *             in lower case, as receivers of such hooks expect it
 *   command   argv, the JSON on standard input
 *   journal   one entry per finding, with fields of its own (channel_internal.h); where no journal
 *             is, syslog(3); where that is not either, this channel is none
 */
#ifndef ECERT_MONITOR_CHANNEL_H
#define ECERT_MONITOR_CHANNEL_H

#include "core/flow/context.h"
#include "core/monitor/findings.h"
#include "core/monitor/notice.h"

/*
 * Is this channel configured?  The journal is only where one is (ecert_journal_is_here()), so that
 * nothing is owed to a journal that a machine does not have.  What is owed to it already stays owed
 * as long as the configuration wants it: who restarts it, or syslog, takes its socket away for a
 * moment, and it is tried again.
 */
bool ecert_channel_is_configured(const struct ecert_config *config, enum ecert_channel channel);

/* How many of the notice's findings one message over this channel holds; see notice.h. */
size_t ecert_channel_fits(const struct ecert_config *config, enum ecert_channel channel,
                          const struct ecert_notice *notice);

/*
 * Hand one notice over.  ECERT_E_NETWORK, ECERT_E_TIMEOUT, ECERT_E_COMMAND, ECERT_E_IO: not
 * accepted, with the server's or command's words; no password, no webhook address in them.
 * ECERT_E_NOT_FOUND, ECERT_E_REFUSED: a file or program that the channel needs is not there, or not
 * trusted.
 */
ECERT_MUST_CHECK enum ecert_status ecert_channel_tell(struct ecert_context *context,
                                                      enum ecert_channel channel,
                                                      const struct ecert_notice *notice,
                                                      struct ecert_error *err);

/* How the sending of everything that is owed went. */
struct ecert_telling {
    size_t told, failed, waiting;  /* recipients: accepted, refused now, not to be tried yet */
    size_t unread;                 /* files of what is owed, as in the list; told in errors */
    struct ecert_strings accepted; /* "email to a@x.hk", "webhook": who accepted now */
    struct ecert_strings errors;   /* one sentence per channel and recipient, that names them */
};
void ecert_telling_clear(struct ecert_telling *telling);

/*
 * Tell everybody what is owed to him: what is owed is grouped by channel and recipient, rendered in
 * the recipient's language, and written down when it was accepted.  What one message does not hold
 * goes out in the next, at once: only what was in a message that was accepted is told, and the
 * first that is not accepted is the last that is tried.  Who is told of one thing now is told
 * everything; `force`: also those for whom all waits for its next try.  Of a channel, who has the
 * fewest tries is asked first; when it let us wait until the time was over for two recipients in a
 * row, the others are not asked: they have failed now, but no try is counted.
 *
 * What is not accepted is no error here.  ECERT_E_IO, ECERT_E_NOMEM: what is owed cannot be read,
 * or how it went cannot be written down (then the others were told all the same); *ret is filled
 * in either case.
 */
ECERT_MUST_CHECK enum ecert_status ecert_reminders_send(struct ecert_context *context, int64_t now,
                                                        bool force, struct ecert_telling *ret,
                                                        struct ecert_error *err);

/*
 * Tell findings that could not be written down to those whom they would be owed to, once and at
 * once: nothing is owed afterwards, also where it was not accepted.  *ret as above.
 */
ECERT_MUST_CHECK enum ecert_status ecert_findings_tell(struct ecert_context *context,
                                                       const struct ecert_findings *findings,
                                                       int64_t now, struct ecert_telling *ret,
                                                       struct ecert_error *err);

/*
 * The weekly digest to the fall-back contacts and channels, whatever was found.  It is written down
 * as sent (ecert_digest_sent) when every recipient took it: else it stays due, and a later check
 * sends it, as things stand then, to those who have not had it, on the same day under the same key;
 * when, ecert_digest_is_owed() says.
 * When its weekday comes again it is a new one, for everybody.  *ret as above.
 */
ECERT_MUST_CHECK enum ecert_status ecert_digest_send(struct ecert_context *context,
                                                     const struct ecert_finding *const *findings,
                                                     size_t n, size_t fine, int64_t now,
                                                     struct ecert_telling *ret,
                                                     struct ecert_error *err);

/*
 * Was this week's digest begun, and not accepted by all?  *ret_is_time: its next try has come; it
 * has the pauses of a reminder.
 */
bool ecert_digest_is_owed(const struct ecert_config *config, int64_t now, bool *ret_is_time);

/* A test notice over every configured channel and to every contact.  *ret as above. */
ECERT_MUST_CHECK enum ecert_status ecert_channels_test(struct ecert_context *context, int64_t now,
                                                       struct ecert_telling *ret,
                                                       struct ecert_error *err);

#endif
