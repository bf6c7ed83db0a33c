/* The timeline of the page: every end within ECERT_PAGE_DAYS, with the reminders before it. */
#ifndef ECERT_MONITOR_PAGE_TIMELINE_H
#define ECERT_MONITOR_PAGE_TIMELINE_H

#include "core/monitor/page.h"

/* A table, the earliest end first; what ends later, or never, is counted below it. */
void ecert_page_timeline(const struct ecert_page *page, struct ecert_buffer *out);

#endif
