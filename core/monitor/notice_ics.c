/* deadlines.ics: RFC 5545. */
#include <string.h>

#include "core/base/clock.h"
#include "core/monitor/notice_parts.h"
#include "core/monitor/words.h"

#define DAY          86400
#define LINE_MAX_LEN 75 /* octets without the line end: RFC 5545, 3.1 */

/* A content line, folded between characters. */
static void add_line(struct ecert_buffer *out, struct ecert_view line)
{
    size_t room = LINE_MAX_LEN;

    while (line.len > room) {
        size_t len = room;

        while (len > 1 && (line.ptr[len] & 0xC0) == 0x80)
            len--;
        ecert_buffer_add(out, (struct ecert_view){line.ptr, len});
        ecert_buffer_add_text(out, "\r\n ");
        line = (struct ecert_view){line.ptr + len, line.len - len};
        room = LINE_MAX_LEN - 1;
    }
    ecert_buffer_add(out, line);
    ecert_buffer_add_text(out, "\r\n");
}

/* A property of type TEXT: RFC 5545, 3.3.11; the value has no control characters. */
static void add_text(struct ecert_buffer *out, const char *name, const struct ecert_buffer *value)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};

    ecert_buffer_printf(&line, "%s:", name);
    for (size_t i = 0; i < value->len; i++) {
        const uint8_t c = value->ptr[i];

        if (c == '\n') {
            ecert_buffer_add_text(&line, "\\n");
            continue;
        }
        if (c == '\\' || c == ';' || c == ',')
            ecert_buffer_add_text(&line, "\\");
        ecert_buffer_add(&line, (struct ecert_view){&value->ptr[i], 1});
    }
    add_line(out, ecert_buffer_view(&line));
    out->failed = out->failed || line.failed || value->failed;
}

/* 20261203, 20261203T154200Z */
static void add_moment(struct ecert_buffer *out, int64_t seconds, bool date_only)
{
    char text[ECERT_TIME_TEXT_LEN];

    ecert_clock_text(seconds, text);
    for (const char *p = text; *p != '\0' && !(date_only && *p == 'T'); p++)
        if (*p != '-' && *p != ':')
            ecert_buffer_add(out, (struct ecert_view){(const uint8_t *)p, 1});
    ecert_buffer_add_text(out, "\r\n");
}

/* The same for every reminder of the same end, so that a calendar has it once. */
static void add_uid(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer identity = {0};
    char hex[ECERT_SHA256_HEX_LEN];

    ecert_buffer_printf(&identity, "%s\n%s\n%s\n%s\n%lld", ecert_watched_word(finding->watched),
                        finding->name == NULL ? "" : finding->name,
                        finding->where == NULL ? "" : finding->where, finding->serial,
                        (long long)finding->not_after);
    ecert_sha256_hex(ecert_buffer_view(&identity), hex);
    hex[40] = '\0';
    ecert_buffer_printf(out, "UID:%s@ecert\r\n", hex);
    out->failed = out->failed || identity.failed;
}

static void add_alarm(struct ecert_buffer *out, int days, const struct ecert_buffer *summary)
{
    ecert_buffer_printf(out, "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-P%dD\r\n",
                        days > 7 ? 7 : 1);
    add_text(out, "DESCRIPTION", summary);
    ecert_buffer_add_text(out, "END:VALARM\r\n");
}

static void add_summary(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer name = {0};

    ecert_notice_add_cut(&name, finding->name, 200);
    const char *text = name.ptr == NULL ? "" : (const char *)name.ptr;
    if (finding->watched == ECERT_WATCHED_SUBSCRIPTION)
        ecert_buffer_printf(out, ecert_words("%s: the subscription ends"), text);
    else
        ecert_buffer_printf(out, ecert_words("%s: expires (%s)"), text,
                            ecert_words_watched(finding->watched));
}

static void add_event(const struct ecert_notice *notice, const struct ecert_finding *finding,
                      struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer summary = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer description = {0};
    const int days = ecert_finding_days(finding, notice->now);

    add_summary(&summary, finding);
    ecert_notice_line(&description, finding, notice->now);
    ecert_buffer_add_text(&description, "\n");
    ecert_notice_what_to_do(&description, finding, 1);
    ecert_buffer_add_text(out, "BEGIN:VEVENT\r\n");
    add_uid(out, finding);
    ecert_buffer_add_text(out, "DTSTAMP:");
    add_moment(out, notice->now, false);
    ecert_buffer_add_text(out, "DTSTART;VALUE=DATE:");
    add_moment(out, finding->not_after, true);
    ecert_buffer_add_text(out, "DTEND;VALUE=DATE:"); /* the first day that is not in it */
    add_moment(out, finding->not_after + DAY, true);
    add_text(out, "SUMMARY", &summary);
    add_text(out, "DESCRIPTION", &description);
    ecert_buffer_add_text(out, "TRANSP:TRANSPARENT\r\n");
    if (days > 0)
        add_alarm(out, days, &summary);
    ecert_buffer_add_text(out, "END:VEVENT\r\n");
}

bool ecert_notice_ics(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    size_t events = 0;

    for (size_t i = 0; i < ecert_notice_rows(notice); i++) {
        if (notice->findings[i]->not_after == 0)
            continue;
        if (events++ == 0)
            ecert_buffer_add_text(out, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"
                                       "PRODID:-//ecert-deploy//ecert " ECERT_VERSION "//EN\r\n"
                                       "CALSCALE:GREGORIAN\r\n");
        add_event(notice, notice->findings[i], out);
    }
    if (events > 0)
        ecert_buffer_add_text(out, "END:VCALENDAR\r\n");
    return events > 0;
}
