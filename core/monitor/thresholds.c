#include "core/monitor/thresholds.h"

#include <string.h>

#define DAY           86400
#define LONG_LIFETIME (90LL * DAY)
#define CRITICAL_DAYS 3
#define WEEKLY        8 /* so many weeks what lasts is told every week */
#define SELDOM        4 /* then each so many */

static const int long_days[] = {30, 14, 7, 3, 1, 0};
static const int subscription_days[] = {60, 45, 30, 14, 7, 3, 1, 0};
static const int chain_days[] = {90, 60};
static const int last_days[] = {7, 3, 1, 0};

/* Keep the list falling; of more than fit, the farthest from the end goes. */
static void add(struct ecert_thresholds *list, int days)
{
    size_t at = 0;

    while (at < list->n && list->days[at] > days)
        at++;
    if (at < list->n && list->days[at] == days)
        return;
    if (list->n == ECERT_THRESHOLDS_MAX) {
        if (at == 0)
            return;
        memmove(&list->days[0], &list->days[1], (at - 1) * sizeof list->days[0]);
        list->days[at - 1] = days;
        return;
    }
    memmove(&list->days[at + 1], &list->days[at], (list->n - at) * sizeof list->days[0]);
    list->days[at] = days;
    list->n++;
}

static void add_all(struct ecert_thresholds *list, const int *days, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(list, days[i]);
}

static void add_short(struct ecert_thresholds *list, int64_t lifetime)
{
    const int third = (int)(lifetime / (3LL * DAY));

    add(list, (int)(2 * lifetime / (3LL * DAY)));
    add(list, third);
    for (size_t i = 0; i < ARRAY_SIZE(last_days); i++)
        if (last_days[i] < third || last_days[i] == 0)
            add(list, last_days[i]);
}

static void add_defaults(struct ecert_thresholds *list, enum ecert_watched watched,
                         int64_t lifetime)
{
    if (watched == ECERT_WATCHED_SUBSCRIPTION)
        add_all(list, subscription_days, ARRAY_SIZE(subscription_days));
    else if (lifetime <= 0 || lifetime > LONG_LIFETIME || watched == ECERT_WATCHED_CHAIN ||
             watched == ECERT_WATCHED_ANCHOR)
        add_all(list, long_days, ARRAY_SIZE(long_days));
    else
        add_short(list, lifetime);
}

void ecert_thresholds_for(const struct ecert_reminders_config *reminders,
                          const struct ecert_watch_settings *settings, enum ecert_watched watched,
                          int64_t lifetime, struct ecert_thresholds *ret)
{
    static const struct ecert_watch_settings none = {0};
    const bool is_subscription = watched == ECERT_WATCHED_SUBSCRIPTION;
    const struct ecert_days *of_kind =
        is_subscription ? &reminders->subscription_thresholds : &reminders->thresholds;
    const struct ecert_watch_settings *mine = settings == NULL ? &none : settings;
    const struct ecert_days *own =
        is_subscription ? &mine->subscription_thresholds : &mine->thresholds;
    struct ecert_thresholds list = {0};

    if (watched == ECERT_WATCHED_CRL) {
        *ret = list;
        return;
    }
    if (own->n > 0) {
        add_all(&list, own->items, own->n);
    } else {
        if (of_kind->n > 0)
            add_all(&list, of_kind->items, of_kind->n);
        else
            add_defaults(&list, watched, lifetime);
        if (watched == ECERT_WATCHED_CHAIN || watched == ECERT_WATCHED_ANCHOR)
            add_all(&list, chain_days, ARRAY_SIZE(chain_days));
    }
    add(&list, 0);
    *ret = list;
}

int ecert_thresholds_crossed(const struct ecert_thresholds *thresholds, int days)
{
    for (size_t i = thresholds->n; i > 0; i--)
        if (thresholds->days[i - 1] >= days)
            return thresholds->days[i - 1];
    return ECERT_NO_THRESHOLD;
}

int64_t ecert_week_told(int64_t week)
{
    return week <= WEEKLY ? week : week - (week - WEEKLY) % SELDOM;
}

int64_t ecert_week_told_next(int64_t week)
{
    const int64_t told = ecert_week_told(week);

    return told + (told < WEEKLY ? 1 : SELDOM);
}

int ecert_thresholds_past_end(int days)
{
    return days < 0 ? (int)(-7 * ecert_week_told(-(days / 7))) : 0;
}

static bool is_in_second_half(const struct ecert_thresholds *thresholds, int threshold)
{
    size_t at = 0;

    while (at < thresholds->n && thresholds->days[at] != threshold)
        at++;
    return at >= (thresholds->n + 1) / 2 && at < thresholds->n;
}

static void set(struct ecert_finding *finding, enum ecert_condition condition,
                enum ecert_urgency urgency)
{
    finding->condition = condition;
    finding->urgency = urgency;
}

/* Whoever connects meets it now. */
static bool is_served(enum ecert_watched watched)
{
    return watched == ECERT_WATCHED_TARGET || watched == ECERT_WATCHED_ENDPOINT;
}

void ecert_finding_judge_dates(struct ecert_finding *finding,
                               const struct ecert_reminders_config *reminders, int64_t now)
{
    const bool has_end = finding->not_after != 0;
    const int days = has_end ? ecert_finding_days(finding, now) : 0;
    struct ecert_thresholds thresholds;

    ecert_thresholds_for(reminders, finding->settings, finding->watched,
                         finding->not_after - finding->not_before, &thresholds);
    finding->threshold = !has_end   ? ECERT_NO_THRESHOLD
                         : days < 0 ? 0
                                    : ecert_thresholds_crossed(&thresholds, days);
    if (finding->condition != ECERT_CONDITION_FINE)
        return;
    if (has_end && days < 0)
        set(finding, ECERT_CONDITION_EXPIRED, ECERT_URGENCY_CRITICAL);
    else if (finding->not_before > now)
        set(finding, ECERT_CONDITION_NOT_YET_VALID,
            is_served(finding->watched) ? ECERT_URGENCY_CRITICAL : ECERT_URGENCY_DUE);
    else if (finding->threshold != ECERT_NO_THRESHOLD)
        set(finding, ECERT_CONDITION_EXPIRES,
            days <= CRITICAL_DAYS || is_in_second_half(&thresholds, finding->threshold)
                ? ECERT_URGENCY_CRITICAL
                : ECERT_URGENCY_DUE);
}
