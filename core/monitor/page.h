/*
 * The page: one HTML file that shows how everything stands.
 *
 * It needs nothing but itself: no network (its own Content-Security-Policy forbids it), no script,
 * no font.  It is read on a screen, light or dark, on paper, and aloud: every picture has its words
 * beside it, and colour never says anything alone.
 */
#ifndef ECERT_MONITOR_PAGE_H
#define ECERT_MONITOR_PAGE_H

#include "core/monitor/finding.h"

/* Days from today on that the timeline shows. */
#define ECERT_PAGE_DAYS 400

/* Stands near the top of every page: by it a page is known again before it is replaced. */
#define ECERT_PAGE_MARK "<meta name=\"generator\" content=\"ecert\">"

struct ecert_page {
    const struct ecert_finding *findings; /* all, fine ones too, in any order */
    size_t n;
    const struct ecert_reminders_config *reminders; /* for the reminders on the timeline */
    const char *host;
    const char *language; /* see words.h */
    int64_t now;
};

/* The whole page, UTF-8.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_page_html(const struct ecert_page *page,
                                                   struct ecert_bytes *ret,
                                                   struct ecert_error *err);

#endif
