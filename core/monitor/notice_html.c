/*
 * The HTML half of a mail: no network, no script, every style inline, because mail readers drop the
 * rest.  Neither ground nor ink is set but on the badges, which set both: so a dark reader stays
 * readable.
 */
#include "core/base/html.h"
#include "core/monitor/notice_parts.h"
#include "core/monitor/words.h"

#define CELL                                                             \
    "style=\"text-align:left;vertical-align:top;padding:6px 12px 6px 0;" \
    "border-bottom:1px solid #888888\""

/* What was written into `words`, as text of the page. */
static void add_escaped(struct ecert_buffer *out, struct ecert_buffer *words)
{
    out->failed = out->failed || words->failed;
    ecert_html_text(out, (const char *)words->ptr);
    ecert_buffer_clear(words);
}

static void add_outside(struct ecert_buffer *out, const char *text)
{
    struct ecert_buffer words = {0};

    ecert_notice_add(&words, text);
    add_escaped(out, &words);
}

static const char *ground_of(enum ecert_urgency urgency)
{
    switch (urgency) {
    case ECERT_URGENCY_CRITICAL:
        return "#b00020";
    case ECERT_URGENCY_DUE:
        return "#8a5a00";
    case ECERT_URGENCY_UNKNOWN:
        return "#4a4f99";
    case ECERT_URGENCY_FINE:
        break;
    }
    return "#1b6e37";
}

static void add_badge(struct ecert_buffer *out, enum ecert_urgency urgency)
{
    ecert_buffer_printf(out,
                        "<span style=\"display:inline-block;padding:1px 8px;border-radius:4px;"
                        "background-color:%s;color:#ffffff;font-weight:bold;white-space:nowrap\">",
                        ground_of(urgency));
    ecert_html_text(out, ecert_words_urgency(urgency));
    ecert_buffer_add_text(out, "</span>");
}

static void add_small(struct ecert_buffer *out, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    ecert_buffer_add_text(out, "<br><small>");
    if (label != NULL) {
        ecert_html_text(out, label);
        ecert_html_text(out, ecert_words(": "));
    }
    add_outside(out, text);
    ecert_buffer_add_text(out, "</small>");
}

/* A finding's `where` or `detail`. */
static void add_small_sentence(struct ecert_buffer *out, const char *label, const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};

    ecert_words_sentence(&words, text == NULL ? "" : text);
    out->failed = out->failed || words.failed;
    add_small(out, label, words.len > 0 ? (const char *)words.ptr : "");
}

static void add_kind(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    const char *place = finding->where == NULL ? finding->title : finding->where;

    if (place != NULL && place[0] != '\0')
        add_small_sentence(out, ecert_words_watched(finding->watched), place);
    else
        add_small(out, NULL, ecert_words_watched(finding->watched));
}

static void add_row(const struct ecert_notice *notice, const struct ecert_finding *finding,
                    struct ecert_buffer *out)
{
    struct ecert_buffer words = {0};

    ecert_buffer_add_text(out, "<tr><td " CELL ">");
    add_badge(out, finding->urgency);
    ecert_buffer_add_text(out, "</td><th scope=\"row\" " CELL ">");
    add_outside(out, finding->name);
    ecert_buffer_add_text(out, "<span style=\"font-weight:normal\">");
    add_kind(out, finding);
    add_small(out, ecert_words("Serial"), finding->serial);
    ecert_buffer_add_text(out, "</span></th><td " CELL ">");
    ecert_words_state(&words, finding, notice->now);
    add_escaped(out, &words);
    add_small_sentence(out, NULL, finding->detail);
    add_small(out, ecert_words("Note"), ecert_notice_note(finding));
    ecert_buffer_add_text(out, "</td></tr>\n");
}

static void add_table(const struct ecert_notice *notice, size_t rows, struct ecert_buffer *out)
{
    const char *const columns[] = {ecert_words("How urgent"), ecert_words("What"),
                                   ecert_words("State")};

    ecert_buffer_add_text(out, "<table style=\"border-collapse:collapse\">\n<tr>");
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ecert_buffer_add_text(out, "<th scope=\"col\" " CELL ">");
        ecert_html_text(out, columns[i]);
        ecert_buffer_add_text(out, "</th>");
    }
    ecert_buffer_add_text(out, "</tr>\n");
    for (size_t i = 0; i < rows; i++)
        add_row(notice, notice->findings[i], out);
    ecert_buffer_add_text(out, "</table>\n");
    if (notice->n == rows)
        return;
    ecert_buffer_add_text(out, "<p>");
    ecert_buffer_printf(out,
                        ecert_words("%zu more are not shown; `ecert check --verbose` lists them."),
                        notice->n - rows);
    ecert_buffer_add_text(out, "</p>\n");
}

static void add_explanation(const struct ecert_notice *notice, size_t which,
                            struct ecert_buffer *out)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer names = {0};
    const struct ecert_finding *finding = notice->findings[which];
    struct ecert_buffer words = {0};
    size_t n = 0;

    if (!ecert_notice_explains(notice, which, &n, &names))
        return;
    ecert_buffer_add_text(out, "<h2 style=\"font-size:16px;margin:20px 0 4px\">");
    ecert_html_text(out, ecert_words_watched(finding->watched));
    ecert_html_text(out, ecert_words(": "));
    add_escaped(out, &names);
    ecert_buffer_add_text(out, "</h2>\n<p style=\"margin:4px 0\"><strong>");
    ecert_html_text(out, ecert_words("Why it matters"));
    ecert_buffer_printf(out, "%s</strong>", ecert_words(": "));
    ecert_words_why(&words, finding);
    add_escaped(out, &words);
    ecert_buffer_add_text(out, "</p>\n<p style=\"margin:4px 0\"><strong>");
    ecert_html_text(out, ecert_words("What to do"));
    ecert_buffer_printf(out, "%s</strong>", ecert_words(": "));
    ecert_notice_what_to_do(&words, finding, n);
    add_escaped(out, &words);
    ecert_buffer_add_text(out, "</p>\n");
}

void ecert_notice_html(const struct ecert_notice *notice, struct ecert_buffer *out)
{
    const size_t rows = ecert_notice_rows(notice);
    struct ecert_buffer words = {0};

    ecert_buffer_printf(out,
                        "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n"
                        "<meta name=\"supported-color-schemes\" content=\"light dark\">\n<title>",
                        ecert_words_tag());
    ecert_notice_subject(notice, &words);
    add_escaped(out, &words);
    ecert_buffer_add_text(out, "</title>\n</head>\n<body style=\"font-family:sans-serif;"
                               "font-size:15px;line-height:1.5\">\n<p>");
    ecert_notice_intro(notice, &words);
    add_escaped(out, &words);
    ecert_buffer_add_text(out, "</p>\n");
    if (rows > 0)
        add_table(notice, rows, out);
    for (size_t i = 0; i < rows; i++)
        add_explanation(notice, i, out);
    ecert_buffer_add_text(out, "<p style=\"margin-top:24px\"><small>");
    ecert_notice_closing(notice, &words);
    add_escaped(out, &words);
    ecert_buffer_add_text(out, "</small></p>\n</body>\n</html>\n");
}
