#include "core/monitor/page_timeline.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/html.h"
#include "core/monitor/thresholds.h"
#include "core/monitor/words.h"

#define DAY      86400
#define ROWS_MAX 2000

/* Things that a person renews or replaces; what a server serves is one of them seen again. */
static bool is_shown(const struct ecert_finding *finding)
{
    return finding->not_after != 0 && finding->watched != ECERT_WATCHED_TARGET &&
           finding->watched != ECERT_WATCHED_CRL;
}

static int by_end(const void *a, const void *b)
{
    const struct ecert_finding *const *x = a;
    const struct ecert_finding *const *y = b;

    if ((*x)->not_after != (*y)->not_after)
        return (*x)->not_after < (*y)->not_after ? -1 : 1;
    return ecert_finding_compare(*x, *y);
}

/* Place on the line, in tenths of a percent; what is past stands at the front. */
static int place(int days)
{
    if (days < 0)
        return 0;
    return days >= ECERT_PAGE_DAYS ? 1000 : days * 1000 / ECERT_PAGE_DAYS;
}

static void add_percent(struct ecert_buffer *out, const char *attribute, int tenths)
{
    ecert_buffer_printf(out, " %s=\"%d.%d%%\"", attribute, tenths / 10, tenths % 10);
}

/* A tick at the first of each month, its name at every second one. */
static void add_axis(const struct ecert_page *page, struct ecert_buffer *out)
{
    const time_t now = (time_t)page->now;
    struct tm month;

    if (gmtime_r(&now, &month) == NULL)
        return;
    month.tm_mday = 1;
    month.tm_hour = month.tm_min = month.tm_sec = 0;
    ecert_buffer_add_text(out, "<svg aria-hidden=\"true\" focusable=\"false\">");
    for (int i = 0; i < 14; i++) {
        month.tm_mon++;
        const time_t first = timegm(&month); /* carries December over */
        const int days = (int)((first - now) / DAY);

        if (days >= ECERT_PAGE_DAYS - 12)
            break;
        ecert_buffer_add_text(out, "<line class=\"axis\"");
        add_percent(out, "x1", place(days));
        add_percent(out, "x2", place(days));
        ecert_buffer_add_text(out, " y1=\"70%\" y2=\"100%\"/>");
        if (i % 2 == 0) {
            ecert_buffer_add_text(out, "<text");
            add_percent(out, "x", place(days));
            ecert_buffer_printf(out, " y=\"60%%\">%04d-%02d</text>", month.tm_year + 1900,
                                month.tm_mon + 1);
        }
    }
    ecert_buffer_add_text(out, "</svg>");
}

static void date_before(const struct ecert_finding *finding, int days,
                        char ret[ECERT_TIME_TEXT_LEN])
{
    ecert_clock_date(finding->not_after - (int64_t)days * DAY, ret);
}

/* What the picture says, in words: the end is in the next cell already. */
static void add_label(const struct ecert_finding *finding,
                      const struct ecert_thresholds *thresholds, int days, struct ecert_buffer *out)
{
    char date[ECERT_TIME_TEXT_LEN];
    bool first = true;

    ecert_html_text(out, ecert_words("Reminders"));
    ecert_buffer_add_text(out, ":");
    for (size_t i = 0; i < thresholds->n; i++) {
        if (thresholds->days[i] >= days)
            continue;
        date_before(finding, thresholds->days[i], date);
        ecert_buffer_printf(out, "%s %s", first ? "" : ",", date);
        first = false;
    }
    if (first)
        ecert_buffer_add_text(out, " –");
}

static void add_line(const struct ecert_page *page, const struct ecert_finding *finding,
                     struct ecert_buffer *out)
{
    struct ecert_thresholds thresholds = {0};
    const int days = ecert_finding_days(finding, page->now);

    ecert_thresholds_for(page->reminders, finding->settings, finding->watched,
                         finding->not_after - finding->not_before, &thresholds);
    ecert_buffer_add_text(out, "<svg role=\"img\" aria-label=\"");
    add_label(finding, &thresholds, days, out);
    ecert_buffer_printf(out, "\"><line class=\"life %s\" x1=\"0\" y1=\"50%%\" y2=\"50%%\"",
                        ecert_urgency_word(finding->urgency));
    add_percent(out, "x2", place(days));
    ecert_buffer_add_text(out, "/>");
    for (size_t i = 0; i < thresholds.n; i++) {
        if (thresholds.days[i] == 0 || thresholds.days[i] >= days)
            continue;
        ecert_buffer_add_text(out, "<circle class=\"reminder\" r=\"3.5\" cy=\"50%\"");
        add_percent(out, "cx", place(days - thresholds.days[i]));
        ecert_buffer_add_text(out, "/>");
    }
    ecert_buffer_add_text(out, "<rect class=\"end\" width=\"4\" height=\"70%\" y=\"15%\"");
    add_percent(out, "x", place(days) > 994 ? 994 : place(days));
    ecert_buffer_add_text(out, "/></svg>");
}

static void add_row(const struct ecert_page *page, const struct ecert_finding *finding,
                    struct ecert_buffer *out)
{
    char date[ECERT_TIME_TEXT_LEN];

    ecert_clock_date(finding->not_after, date);
    ecert_buffer_add_text(out, "<tr><th scope=\"row\">");
    ecert_html_text(out, finding->name);
    ecert_buffer_add_text(out, "<br><small>");
    ecert_html_text(out, ecert_words_watched(finding->watched));
    if (finding->title != NULL && strcmp(finding->title, finding->name) != 0) {
        ecert_buffer_add_text(out, " · ");
        ecert_html_text(out, finding->title);
    }
    ecert_buffer_printf(out, "</small></th><td><time datetime=\"%s\">%s</time></td><td>%d</td><td>",
                        date, date, ecert_finding_days(finding, page->now));
    add_line(page, finding, out);
    ecert_buffer_add_text(out, "</td></tr>\n");
}

static void add_table(const struct ecert_page *page, const struct ecert_finding *const *list,
                      size_t n, struct ecert_buffer *out)
{
    ecert_buffer_add_text(out, "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"");
    ecert_html_text(out, ecert_words("The next 400 days"));
    ecert_buffer_add_text(out, "\">\n<table>\n<thead><tr><th scope=\"col\">");
    ecert_html_text(out, ecert_words("What"));
    ecert_buffer_add_text(out, "</th><th scope=\"col\">");
    ecert_html_text(out, ecert_words("Ends"));
    ecert_buffer_add_text(out, "</th><th scope=\"col\">");
    ecert_html_text(out, ecert_words("Days left"));
    ecert_buffer_add_text(out, "</th><th scope=\"col\" style=\"width:55%\">");
    ecert_html_text(out, ecert_words("Until its end; circles are reminders"));
    add_axis(page, out);
    ecert_buffer_add_text(out, "</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < n; i++)
        add_row(page, list[i], out);
    ecert_buffer_add_text(out, "</tbody>\n</table>\n</div>\n");
}

void ecert_page_timeline(const struct ecert_page *page, struct ecert_buffer *out)
{
    const struct ecert_finding **list = calloc(page->n + 1, sizeof *list);
    size_t n = 0, later = 0;

    if (list == NULL) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < page->n; i++) {
        if (!is_shown(&page->findings[i]))
            continue;
        if (ecert_finding_days(&page->findings[i], page->now) < ECERT_PAGE_DAYS)
            list[n++] = &page->findings[i];
        else
            later++;
    }
    qsort(list, n, sizeof *list, by_end);
    if (n > ROWS_MAX) {
        later += n - ROWS_MAX;
        n = ROWS_MAX;
    }
    if (n > 0)
        add_table(page, list, n, out);
    ecert_buffer_add_text(out, "<p>");
    ecert_buffer_printf(out, ecert_words_n("%zu more ends later.", "%zu more end later.", later),
                        later);
    ecert_buffer_add_text(out, "</p>\n");
    free(list);
}
