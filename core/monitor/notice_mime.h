/*
 * The pieces of a mail's syntax: RFC 5322 (lines, mailboxes), RFC 2045 (encodings of bodies) and
 * RFC 2047 (what is not ASCII in headers).
 *
 * Whatever is given, no call here writes a line end that it does not mean, nor a line of more than
 * 76 characters (a mailbox's address has a line of its own, of up to 256).  Texts are UTF-8; other
 * bytes and control characters are escaped as \xNN.
 */
#ifndef ECERT_MONITOR_NOTICE_MIME_H
#define ECERT_MONITOR_NOTICE_MIME_H

#include "core/base/bytes.h"

/* "NAME: text", encoded if it has to be. */
void ecert_mime_text(struct ecert_buffer *out, const char *header, const char *text);

/*
 * "HEADER: "name" <address>"; `name` may be NULL.  ECERT_E_CONFIG: that is no address; it is
 * checked again here, because whatever stands there could add recipients and headers.
 */
ECERT_MUST_CHECK enum ecert_status ecert_mime_mailbox(struct ecert_buffer *out, const char *header,
                                                      const char *name, const char *address,
                                                      struct ecert_error *err);

/* As above of "address" or "Name <address>". */
ECERT_MUST_CHECK enum ecert_status ecert_mime_sender(struct ecert_buffer *out, const char *header,
                                                     const char *sender, struct ecert_error *err);

/* "Date: Sat, 21 Nov 2026 08:42:00 +0000" */
void ecert_mime_date(struct ecert_buffer *out, int64_t seconds);

/* Bodies: "\n" becomes CRLF in the former, the latter keeps every byte. */
void ecert_mime_quoted_printable(struct ecert_buffer *out, struct ecert_view text);
void ecert_mime_base64(struct ecert_buffer *out, struct ecert_view bytes);

#endif
