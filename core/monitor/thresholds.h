/*
 * Thresholds: how many days before its end somebody is told of a thing.
 *
 * A month is the CA's minimum for a subscription, because the PIN envelope comes by registered
 * mail. A certificate's thresholds follow its lifetime: "30 days before" fires on day 17 of a
 * 47-day certificate (Baseline Requirements 6.3.2 shorten lifetimes in steps).
 */
#ifndef ECERT_MONITOR_THRESHOLDS_H
#define ECERT_MONITOR_THRESHOLDS_H

#include "core/monitor/finding.h"

#define ECERT_THRESHOLDS_MAX 16

/* Days, falling, none twice, ending with 0: the last day itself.  Empty for a CRL. */
struct ecert_thresholds {
    int days[ECERT_THRESHOLDS_MAX];
    size_t n;
};

/*
 * Those that apply.  What is configured for the thing wins (settings->thresholds; of a subscription
 * settings->subscription_thresholds, so that a certificate's own days do not shorten it), then what
 * `reminders` says for its kind, then the defaults:
 *   a subscription                         60, 45, 30, 14, 7, 3, 1, 0
 *   valid for more than 90 days            30, 14, 7, 3, 1, 0
 *   shorter                                two thirds and one third of the lifetime left (whole
 *                                          days, rounded down), then 7, 3, 1, 0 as far as they are
 *                                          smaller
 *   a chain or an anchor                   90, 60 and those of a long certificate, whatever its
 *                                          lifetime: a new chain has to reach every server
 *   a CRL                                  none: its authority renews it, so that only one that has
 *                                          run out is worth a word, whatever is configured
 * `lifetime` is not_after - not_before in seconds; 0 or less: not known, taken for a long one.  0
 * is added to what is configured; of more than fit, those farthest from the end are left out.
 */
void ecert_thresholds_for(const struct ecert_reminders_config *reminders,
                          const struct ecert_watch_settings *settings, enum ecert_watched watched,
                          int64_t lifetime, struct ecert_thresholds *ret);

/*
 * The smallest threshold that is not below the whole days left (ecert_finding_days(): rounded down,
 * so that 0 is crossed on the last day and stays crossed past the end); ECERT_NO_THRESHOLD while
 * none is crossed.
 */
int ecert_thresholds_crossed(const struct ecert_thresholds *thresholds, int days);

/*
 * What lasts is told of every week for eight weeks, and every four weeks after them, for as long as
 * it lasts: in the weeks 0, 1, 2, ... 8, 12, 16, ... since it began.  The last of them that is not
 * later than `week`, and the one that follows it.
 */
int64_t ecert_week_told(int64_t week);
int64_t ecert_week_told_next(int64_t week);

/*
 * So a thing is told of past its end, whose whole days left (below 0) have come that far: 0 in the
 * first week, then -7, -14, ... -56, -84, -112, ...
 */
int ecert_thresholds_past_end(int days);

/*
 * Set condition, urgency and threshold of a finding that is FINE so far from its dates: EXPIRES
 * (DUE; CRITICAL once at most 3 days are left, or the second half of its thresholds is reached),
 * EXPIRED, NOT_YET_VALID.  A finding with another condition keeps it, and gets the threshold only.
 * The threshold of an expired thing is 0.
 */
void ecert_finding_judge_dates(struct ecert_finding *finding,
                               const struct ecert_reminders_config *reminders, int64_t now);

#endif
