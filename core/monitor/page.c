#include "core/monitor/page.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/html.h"
#include "core/monitor/page_timeline.h"
#include "core/monitor/thresholds.h"
#include "core/monitor/words.h"

/* A page is for people: more rows than this nobody reads, and the table of `ecert check` has all.
 */
#define ROWS_MAX 2000

/* ---- pieces ---- */

/* What a function of words.h says, as text of the page. */
static void add_words(struct ecert_buffer *out, struct ecert_buffer *words)
{
    ecert_buffer_add(words, (struct ecert_view){(const uint8_t *)"", 1});
    if (words->failed)
        out->failed = true;
    else
        ecert_html_text(out, (const char *)words->ptr);
    ecert_buffer_clear(words);
}

static void add_state(struct ecert_buffer *out, const struct ecert_finding *finding, int64_t now)
{
    struct ecert_buffer words = {0};

    ecert_words_state(&words, finding, now);
    add_words(out, &words);
}

static void add_why(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    struct ecert_buffer words = {0};

    ecert_words_why(&words, finding);
    add_words(out, &words);
}

static void add_what_to_do(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    struct ecert_buffer words = {0};

    ecert_words_what_to_do(&words, finding);
    add_words(out, &words);
}

static void add_cell(struct ecert_buffer *out, const char *text)
{
    ecert_buffer_add_text(out, "<td>");
    ecert_html_text(out, text);
    ecert_buffer_add_text(out, "</td>");
}

/* A table's head; the words end with NULL. */
static void open_table(struct ecert_buffer *out, const char *caption, const char *const *columns)
{
    ecert_buffer_add_text(out, "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"");
    ecert_html_text(out, caption);
    ecert_buffer_add_text(out, "\">\n<table>\n<thead><tr>");
    for (size_t i = 0; columns[i] != NULL; i++) {
        ecert_buffer_add_text(out, "<th scope=\"col\">");
        ecert_html_text(out, columns[i]);
        ecert_buffer_add_text(out, "</th>");
    }
    ecert_buffer_add_text(out, "</tr></thead>\n<tbody>\n");
}

static void close_table(struct ecert_buffer *out)
{
    ecert_buffer_add_text(out, "</tbody>\n</table>\n</div>\n");
}

static void add_heading(struct ecert_buffer *out, const char *id, const char *text)
{
    ecert_buffer_printf(out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">", id, id);
    ecert_html_text(out, text);
    ecert_buffer_add_text(out, "</h2>\n");
}

static void add_paragraph(struct ecert_buffer *out, const char *text)
{
    ecert_buffer_add_text(out, "<p>");
    ecert_html_text(out, text);
    ecert_buffer_add_text(out, "</p>\n");
}

/* "3: revoked" as a badge that says it in words. */
static void add_badge(struct ecert_buffer *out, enum ecert_urgency urgency)
{
    ecert_buffer_printf(out, "<span class=\"badge %s\">", ecert_urgency_word(urgency));
    ecert_html_text(out, ecert_words_urgency(urgency));
    ecert_buffer_add_text(out, "</span>");
}

/* ---- sections ---- */

struct sorted {
    const struct ecert_page *page;
    const struct ecert_finding **list; /* worse first */
    size_t n;
};

static int by_urgency(const void *a, const void *b)
{
    const struct ecert_finding *const *x = a;
    const struct ecert_finding *const *y = b;

    return ecert_finding_compare(*x, *y);
}

static bool needs_action(const struct ecert_finding *finding)
{
    return finding->urgency != ECERT_URGENCY_FINE;
}

/* A finding's `where` or `detail`, in the page's language. */
static void add_sentence(struct ecert_buffer *out, const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer words = {0};

    ecert_words_sentence(&words, text);
    out->failed = out->failed || words.failed;
    ecert_html_text(out, words.len > 0 ? (const char *)words.ptr : "");
}

static void add_name_cell(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    ecert_buffer_add_text(out, "<th scope=\"row\">");
    ecert_html_text(out, finding->name);
    ecert_buffer_add_text(out, "<br><small>");
    ecert_html_text(out, ecert_words_watched(finding->watched));
    if (finding->where != NULL) {
        ecert_buffer_add_text(out, " · ");
        add_sentence(out, finding->where);
    }
    ecert_buffer_add_text(out, "</small></th>");
}

static void add_action_row(struct ecert_buffer *out, const struct ecert_finding *finding,
                           int64_t now)
{
    ecert_buffer_add_text(out, "<tr><td>");
    add_badge(out, finding->urgency);
    ecert_buffer_add_text(out, "</td>");
    add_name_cell(out, finding);
    ecert_buffer_add_text(out, "<td>");
    add_state(out, finding, now);
    if (finding->detail != NULL) {
        ecert_buffer_add_text(out, "<br><small>");
        add_sentence(out, finding->detail);
        ecert_buffer_add_text(out, "</small>");
    }
    ecert_buffer_add_text(out, "</td><td>");
    add_why(out, finding);
    ecert_buffer_add_text(out, "</td><td>");
    add_what_to_do(out, finding);
    if (finding->settings != NULL && finding->settings->note != NULL) {
        ecert_buffer_add_text(out, "<br><small>");
        ecert_html_text(out, finding->settings->note);
        ecert_buffer_add_text(out, "</small>");
    }
    ecert_buffer_add_text(out, "</td></tr>\n");
}

/* Rows of a section, at most ROWS_MAX; says how many it left out. */
static void add_left_out(struct ecert_buffer *out, size_t rows)
{
    if (rows <= ROWS_MAX)
        return;
    ecert_buffer_add_text(out, "<p>");
    ecert_buffer_printf(out,
                        ecert_words("%zu more are not shown; `ecert check --verbose` lists them."),
                        rows - ROWS_MAX);
    ecert_buffer_add_text(out, "</p>\n");
}

static void add_actions(struct ecert_buffer *out, const struct sorted *sorted)
{
    const char *const columns[] = {ecert_words("How urgent"), ecert_words("What"),
                                   ecert_words("State"),      ecert_words("Why it matters"),
                                   ecert_words("What to do"), NULL};
    size_t rows = 0;

    add_heading(out, "action", ecert_words("Needs action"));
    for (size_t i = 0; i < sorted->n; i++) {
        if (!needs_action(sorted->list[i]))
            continue;
        if (rows == 0)
            open_table(out, ecert_words("Needs action"), columns);
        if (rows++ < ROWS_MAX)
            add_action_row(out, sorted->list[i], sorted->page->now);
    }
    if (rows > 0)
        close_table(out);
    else
        add_paragraph(out, ecert_words("Nothing: everything that is watched is fine."));
    add_left_out(out, rows);
    ecert_buffer_add_text(out, "</section>\n");
}

static bool is_served(const struct ecert_finding *finding)
{
    return finding->watched == ECERT_WATCHED_TARGET || finding->watched == ECERT_WATCHED_ENDPOINT;
}

static void add_served_row(struct ecert_buffer *out, const struct ecert_finding *finding,
                           int64_t now)
{
    char date[ECERT_TIME_TEXT_LEN] = "";

    ecert_buffer_add_text(out, "<tr>");
    add_name_cell(out, finding);
    add_cell(out, finding->title);
    add_cell(out, finding->serial);
    if (finding->not_after != 0)
        ecert_clock_date(finding->not_after, date);
    add_cell(out, date);
    ecert_buffer_add_text(out, "<td>");
    add_badge(out, finding->urgency);
    ecert_buffer_add_text(out, " ");
    add_state(out, finding, now);
    ecert_buffer_add_text(out, "</td></tr>\n");
}

static void add_served(struct ecert_buffer *out, const struct sorted *sorted)
{
    const char *const columns[] = {ecert_words("Server"), ecert_words("Certificate served"),
                                   ecert_words("Serial"), ecert_words("Ends"),
                                   ecert_words("State"),  NULL};
    size_t rows = 0;

    add_heading(out, "served", ecert_words("What each live server serves"));
    for (size_t i = 0; i < sorted->n; i++) {
        if (!is_served(sorted->list[i]))
            continue;
        if (rows == 0)
            open_table(out, ecert_words("What each live server serves"), columns);
        if (rows++ < ROWS_MAX)
            add_served_row(out, sorted->list[i], sorted->page->now);
    }
    if (rows > 0)
        close_table(out);
    else
        add_paragraph(out, ecert_words("No live server was looked at."));
    add_left_out(out, rows);
    ecert_buffer_add_text(out, "</section>\n");
}

static bool is_pending(const struct ecert_finding *finding)
{
    return finding->watched == ECERT_WATCHED_REQUEST ||
           finding->condition == ECERT_CONDITION_NOT_ISSUED ||
           finding->condition == ECERT_CONDITION_NOT_DEPLOYED ||
           finding->condition == ECERT_CONDITION_WAITING ||
           finding->condition == ECERT_CONDITION_REFUSED;
}

/* Of a request: since when, which "fine" does not say. */
static void add_pending_words(struct ecert_buffer *out, const struct ecert_finding *finding,
                              int64_t now)
{
    add_state(out, finding, now);
    if (finding->watched != ECERT_WATCHED_REQUEST)
        return;
    ecert_buffer_add_text(out, " · ");
    add_sentence(out, finding->where);
    if (finding->detail == NULL)
        return;
    ecert_buffer_add_text(out, " · ");
    add_sentence(out, finding->detail);
}

static void add_pending(struct ecert_buffer *out, const struct sorted *sorted)
{
    size_t rows = 0;

    add_heading(out, "pending", ecert_words("Waiting"));
    for (size_t i = 0; i < sorted->n; i++) {
        if (!is_pending(sorted->list[i]))
            continue;
        ecert_buffer_add_text(out, rows++ == 0 ? "<ul>\n<li>" : "<li>");
        ecert_html_text(out, sorted->list[i]->name);
        ecert_buffer_add_text(out, ": ");
        add_pending_words(out, sorted->list[i], sorted->page->now);
        ecert_buffer_add_text(out, "</li>\n");
    }
    if (rows > 0)
        ecert_buffer_add_text(out, "</ul>\n");
    else
        add_paragraph(out, ecert_words("No certificate is awaited or waits to be deployed."));
    ecert_buffer_add_text(out, "</section>\n");
}

/* ---- the page ---- */

/* What breaks anywhere has a least width: then only what is longer than that breaks. */
static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1b1b;--paper:#fff;--line:#767676;--soft:#f1f3f5;"
    "--fine:#1b6e37;--due:#8a5a00;--critical:#b00020;--unknown:#4a4f99}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#ececec;--paper:#17191c;--line:#9a9a9a;"
    "--soft:#24282d;--fine:#7bd99a;--due:#f0c060;--critical:#ff8a96;--unknown:#b3b8ff}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "margin:0 auto;padding:1rem;max-width:80rem}\n"
    "h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;"
    "padding:.4rem .6rem;border-bottom:1px solid var(--line)}thead th{background:var(--soft)}"
    "th[scope=row]{font-weight:600;min-width:14rem;overflow-wrap:anywhere}"
    "small{font-weight:400}"
    "#action~.wide th+td,#action~.wide td+td{min-width:13rem;overflow-wrap:anywhere}\n"
    ".wide{overflow-x:auto}.counts{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;padding:0}"
    ".counts li{padding:.3rem .8rem;border:1px solid var(--line);border-radius:.4rem}\n"
    ".badge{display:inline-block;padding:0 .5rem;border:2px solid;border-radius:.4rem;"
    "font-weight:600;white-space:nowrap}\n"
    ".badge.fine{color:var(--fine)}.badge.due{color:var(--due)}.badge.critical{color:var(--"
    "critical)}"
    ".badge.unknown{color:var(--unknown)}\n"
    "svg{display:block;width:100%;min-width:24rem;height:1.6rem}svg text{fill:var(--ink);"
    "font-size:.7rem}svg .axis{stroke:var(--line);stroke-width:1}svg .life{stroke-width:6;"
    "stroke:var(--fine)}svg .life.due{stroke:var(--due);stroke-dasharray:10 3}svg .life.critical"
    "{stroke:var(--critical);stroke-dasharray:4 3}svg .life.unknown{stroke:var(--unknown);"
    "stroke-dasharray:2 6}svg .reminder{fill:var(--paper);stroke:var(--ink);stroke-width:1.5}"
    "svg .end{fill:var(--ink)}\n"
    "@media print{body{max-width:none;padding:0;font-size:11px}th[scope=row]{min-width:8rem}"
    "#action~.wide th+td,#action~.wide td+td{min-width:0}tr,section>h2{break-inside:avoid}"
    ".wide{overflow:visible}svg{min-width:0;print-color-adjust:exact}}\n";

static void add_head(struct ecert_buffer *out, const struct ecert_page *page)
{
    char moment[ECERT_TIME_TEXT_LEN];

    ecert_buffer_printf(
        out,
        "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n" ECERT_PAGE_MARK
        "\n",
        strcmp(page->language, "zh_HK") == 0 ? "zh-Hant-HK" : "en");
    ecert_buffer_add_text(
        out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
             "style-src 'unsafe-inline'; img-src data:\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<link rel=\"icon\" href=\"data:,\">\n<title>");
    ecert_html_text(out, ecert_words("Certificates"));
    ecert_buffer_add_text(out, " · ");
    ecert_html_text(out, page->host);
    ecert_buffer_add_text(out, "</title>\n<style>\n");
    ecert_buffer_add_text(out, style);
    ecert_buffer_add_text(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
    ecert_html_text(out, ecert_words("Certificates"));
    ecert_buffer_add_text(out, " · ");
    ecert_html_text(out, page->host);
    ecert_buffer_add_text(out, "</h1>\n<p>");
    ecert_html_text(out, ecert_words("as of"));
    ecert_clock_text(page->now, moment);
    ecert_buffer_printf(out, " <time datetime=\"%s\">%s</time></p>\n", moment, moment);
}

static void add_counts(struct ecert_buffer *out, const struct ecert_page *page)
{
    static const enum ecert_urgency order[] = {ECERT_URGENCY_CRITICAL, ECERT_URGENCY_DUE,
                                               ECERT_URGENCY_UNKNOWN, ECERT_URGENCY_FINE};

    ecert_buffer_add_text(out, "<ul class=\"counts\">\n");
    for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
        size_t count = 0;

        for (size_t i = 0; i < page->n; i++)
            count += page->findings[i].urgency == order[k] ? 1 : 0;
        ecert_buffer_add_text(out, "<li>");
        add_badge(out, order[k]);
        ecert_buffer_printf(out, " %zu</li>\n", count);
    }
    ecert_buffer_add_text(out, "</ul>\n</header>\n<main>\n");
}

enum ecert_status ecert_page_html(const struct ecert_page *page, struct ecert_bytes *ret,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    struct sorted sorted = {page, calloc(page->n + 1, sizeof *sorted.list), page->n};

    if (sorted.list == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < page->n; i++)
        sorted.list[i] = &page->findings[i];
    qsort(sorted.list, sorted.n, sizeof *sorted.list, by_urgency);
    const char *before = ecert_words_use(page->language);
    add_head(&out, page);
    add_counts(&out, page);
    add_actions(&out, &sorted);
    add_heading(&out, "timeline", ecert_words("The next 400 days"));
    ecert_page_timeline(page, &out);
    ecert_buffer_add_text(&out, "</section>\n");
    add_served(&out, &sorted);
    add_pending(&out, &sorted);
    ecert_buffer_add_text(&out, "</main>\n</body>\n</html>\n");
    free(sorted.list);
    (void)ecert_words_use(before);
    return ecert_buffer_take(&out, ret, err);
}
