/* A growing list of findings, and how many there are of each urgency. */
#ifndef ECERT_MONITOR_FINDINGS_H
#define ECERT_MONITOR_FINDINGS_H

#include "core/monitor/finding.h"

#define ECERT_URGENCIES 4

struct ecert_findings {
    bool keep_fine; /* set before the first: fine ones are kept too, not only counted */
    struct ecert_finding *items;
    size_t n, room;
    size_t count[ECERT_URGENCIES]; /* by enum ecert_urgency */
    int64_t soonest;               /* the earliest end of all; 0: none has one */
};
void ecert_findings_clear(struct ecert_findings *findings);

/* Copy one in.  Memory grows with what is kept only. */
ECERT_MUST_CHECK enum ecert_status ecert_findings_add(struct ecert_findings *findings,
                                                      const struct ecert_finding *finding,
                                                      struct ecert_error *err);

/* Most urgent first (ecert_finding_compare). */
void ecert_findings_sort(struct ecert_findings *findings);

/* The worst urgency of all, those that are only counted too; FINE for none. */
enum ecert_urgency ecert_findings_worst(const struct ecert_findings *findings);

#endif
