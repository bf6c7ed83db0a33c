/*
 * Notices: what goes out over a channel, rendered.  One notice tells one recipient everything that
 * is owed to him at this moment: 300 certificates that expire on one day are one mail.
 */
#ifndef ECERT_MONITOR_NOTICE_H
#define ECERT_MONITOR_NOTICE_H

#include "core/monitor/reminders.h"

enum ecert_notice_kind {
    ECERT_NOTICE_REMINDER,
    ECERT_NOTICE_DIGEST, /* weekly: everything that is not fine, and that all else is */
    ECERT_NOTICE_TEST,   /* `ecert remind --test` */
};

struct ecert_notice {
    enum ecert_notice_kind kind;
    const struct ecert_finding *const *findings; /* borrowed, most urgent first */
    size_t n;
    size_t fine;      /* DIGEST: how many things are fine */
    const char *host; /* this machine's name */
    const char *key;  /* identifies the notice: Message-ID, JSON "id" */
    int64_t now;
    const char *language;
    const char *to, *to_name; /* EMAIL; to_name may be NULL */
    const char *from;         /* EMAIL: address, or "Name <address>" */
    size_t rows_max;          /* findings that a mail lists; 0: ECERT_NOTICE_ROWS_MAX */
};

/*
 * Findings of a mail, and the bytes up to which it holds more than one; what is more is counted.
 * Servers refuse mails of more than 10 MB, some of less, and always will: they would never be told.
 */
#define ECERT_NOTICE_ROWS_MAX 500
#define ECERT_NOTICE_MAIL_MAX ((size_t)2 << 20)

/*
 * How many of the notice's findings, from the first on, the message of this template shows (NULL: a
 * mail); at least one, where there is one.  A notice of that many leaves nothing out.
 */
size_t ecert_notice_fits(const struct ecert_notice *notice, const char *template_name);

/*
 * A whole message (RFC 5322, CRLF): multipart/mixed with multipart/alternative (text/plain and
 * text/html, UTF-8, quoted-printable), and deadlines.ics (RFC 5545: one all-day VEVENT per finding
 * with an end, with a VALARM while it lies ahead) where there is one.  An event's UID is the
 * finding's: the next reminder of the same end replaces it in a calendar.  Subject and names are
 * encoded by RFC 2047.  No text of a certificate can add a header: CR and LF never get in.
 *
 * ECERT_E_CONFIG: `from` or `to` is no address; ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_notice_mail(const struct ecert_notice *notice,
                                                     struct ecert_bytes *ret,
                                                     struct ecert_error *err);

/*
 * JSON of the documented shape (docs/reminders.md), for `webhook` with template "json" and for
 * `command`; "slack": {"text": ...}; "teams": a message with an adaptive card inside.  The latter
 * two stay below what those services take: the most urgent findings (ecert_notice_fits()), and how
 * many more there are.
 *
 * ECERT_E_UNSUPPORTED: another template; ECERT_E_NOMEM.
 */
ECERT_MUST_CHECK enum ecert_status ecert_notice_json(const struct ecert_notice *notice,
                                                     const char *template_name,
                                                     struct ecert_bytes *ret,
                                                     struct ecert_error *err);

/*
 * One line for a log, in the language in use: "www.myserver.com: expires in 12 days (2026-12-03)",
 * and behind it, as far as they are known, ": " and the place, ": " and the detail.
 */
void ecert_notice_line(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now);

#endif
