/* The mail as a whole; why no library writes it: docs/decisions/0012-mail-by-hand.md. */
#include <ctype.h>
#include <string.h>

#include "core/monitor/notice_mime.h"
#include "core/monitor/notice_parts.h"
#include "core/monitor/words.h"

/* Longer than any key or host name of ours; a line of a header has an end (RFC 5322, 2.1.1). */
#define ID_PART_MAX 120

/* A Message-ID's two halves: nothing but what RFC 5322, 3.2.3, lets stand there. */
static void add_id_part(struct ecert_buffer *out, const char *text, const char *fallback)
{
    const size_t before = out->len;

    for (const char *p = text == NULL ? "" : text; *p != '\0' && out->len - before < ID_PART_MAX;
         p++)
        if (isalnum((unsigned char)*p) || *p == '-' || *p == '_' ||
            (*p == '.' && out->len > before && p[1] != '\0' && p[1] != '.'))
            ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)p, 1});
    if (out->len == before)
        ecert_buffer_add_text(out, fallback);
}

static void add_message_id(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    ecert_buffer_add_text(out, "Message-ID: <");
    add_id_part(out, notice->key, "notice");
    ecert_buffer_add_text(out, "@");
    add_id_part(out, notice->host, "localhost");
    ecert_buffer_add_text(out, ">\r\n");
}

static enum ecert_status add_headers(const struct ecert_notice *notice, struct ecert_buffer *out,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer subject = {0};

    ecert_mime_date(out, notice->now);
    ECERT_TRY(ecert_mime_sender(out, "From", notice->from == NULL ? "" : notice->from, err));
    ECERT_TRY(
        ecert_mime_mailbox(out, "To", notice->to_name, notice->to == NULL ? "" : notice->to, err));
    ecert_notice_subject(notice, &subject);
    if (subject.failed)
        return ecert_error_nomem(err);
    ecert_mime_text(out, "Subject", (const char *)subject.ptr);
    add_message_id(notice, out);
    /* RFC 3834, and what Microsoft's servers look at: no "out of office" to a machine */
    ecert_buffer_add_text(out, "Auto-Submitted: auto-generated\r\n"
                               "X-Auto-Response-Suppress: All\r\n"
                               "MIME-Version: 1.0\r\n");
    ecert_buffer_printf(out, "Content-Language: %s\r\n", ecert_words_tag());
    return ECERT_OK;
}

/*
 * "=_" stands in no quoted-printable and no base64 line, so that no body can hold a boundary (RFC
 * 2045, 6.7, says the same).
 */
static void add_multipart(struct ecert_buffer *out, const char *subtype, const char *boundary)
{
    ecert_buffer_printf(out, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\n", subtype,
                        boundary);
}

static void add_text_part(struct ecert_buffer *out, const char *boundary, const char *type,
                          struct ecert_buffer *body)
{
    ecert_buffer_printf(out,
                        "--%s\r\nContent-Type: %s; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
                        boundary, type);
    ecert_mime_quoted_printable(out, ecert_buffer_view(body));
    ecert_buffer_add_text(out, "\r\n");
    out->failed = out->failed || body->failed;
}

static void add_calendar(struct ecert_buffer *out, const char *boundary, struct ecert_buffer *ics)
{
    ecert_buffer_printf(out,
                        "--%s\r\nContent-Type: text/calendar; charset=utf-8;\r\n"
                        " name=\"deadlines.ics\"\r\n"
                        "Content-Disposition: attachment; filename=\"deadlines.ics\"\r\n"
                        "Content-Transfer-Encoding: base64\r\n\r\n",
                        boundary);
    ecert_mime_base64(out, ecert_buffer_view(ics));
    ecert_buffer_add_text(out, "\r\n");
    out->failed = out->failed || ics->failed;
}

static void add_body(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    static const char outer[] = "=_ecert_mixed", inner[] = "=_ecert_alternative";
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer html = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer ics = {0};

    ecert_notice_text(notice, &text);
    ecert_notice_html(notice, &html);
    add_multipart(out, "mixed", outer);
    ecert_buffer_printf(out, "--%s\r\n", outer);
    add_multipart(out, "alternative", inner);
    add_text_part(out, inner, "text/plain", &text);
    add_text_part(out, inner, "text/html", &html);
    ecert_buffer_printf(out, "--%s--\r\n\r\n", inner);
    if (ecert_notice_ics(notice, &ics))
        add_calendar(out, outer, &ics);
    ecert_buffer_printf(out, "--%s--\r\n", outer);
}

/* For the headers. */
#define ROOM_BESIDE ((size_t)64 << 10)

static size_t size_with(const struct ecert_notice *notice, size_t rows)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer body = {0};
    struct ecert_notice part = *notice;

    part.rows_max = rows;
    if (part.kind == ECERT_NOTICE_REMINDER) /* the others are told by a mail of their own */
        part.n = rows;
    add_body(&part, &body);
    return body.len + ROOM_BESIDE;
}

static size_t length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

/* Text and HTML hold each word of a finding: what cannot fit is not rendered to find that out. */
static size_t rows_at_most(const struct ecert_notice *notice)
{
    size_t rows = ecert_notice_rows(notice), bytes = 0;

    for (size_t i = 0; i < rows; i++) {
        const struct ecert_finding *finding = notice->findings[i];

        bytes += 2 * (length(finding->name) + length(finding->where) + length(finding->detail));
        if (i > 0 && bytes > ECERT_NOTICE_MAIL_MAX)
            return i;
    }
    return rows;
}

/* Between `fits`, which does, and `rows`, which may not: most often they do. */
size_t ecert_notice_mail_fits(const struct ecert_notice *notice)
{
    const char *before = ecert_words_use(notice->language);
    size_t rows = rows_at_most(notice);

    if (rows > 1 && size_with(notice, rows) > ECERT_NOTICE_MAIL_MAX) {
        size_t fits = 1;

        while (fits + 1 < rows) {
            const size_t middle = fits + (rows - fits) / 2;

            if (size_with(notice, middle) > ECERT_NOTICE_MAIL_MAX)
                rows = middle;
            else
                fits = middle;
        }
        rows = fits;
    }
    (void)ecert_words_use(before);
    return rows;
}

static enum ecert_status write_mail(const struct ecert_notice *notice, struct ecert_bytes *ret,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

    ECERT_TRY(add_headers(notice, &out, err));
    add_body(notice, &out);
    return ecert_buffer_take(&out, ret, err);
}

enum ecert_status ecert_notice_mail(const struct ecert_notice *notice, struct ecert_bytes *ret,
                                    struct ecert_error *err)
{
    const char *before = ecert_words_use(notice->language);
    struct ecert_notice part = *notice;

    part.rows_max = ecert_notice_mail_fits(notice);
    const enum ecert_status status = write_mail(&part, ret, err);

    (void)ecert_words_use(before);
    return status;
}
