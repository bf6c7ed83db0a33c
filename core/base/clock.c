#include "core/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int64_t pretended;

int64_t ecert_clock_now(void)
{
    return pretended != 0 ? pretended : (int64_t)time(NULL);
}

void ecert_clock_pretend(int64_t now)
{
    pretended = now;
}

int64_t ecert_clock_monotonic_ms(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ecert_clock_sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

static const struct tm *utc(int64_t seconds, struct tm *tm)
{
    const time_t t = (time_t)seconds;

    return gmtime_r(&t, tm);
}

void ecert_clock_text(int64_t seconds, char ret[ECERT_TIME_TEXT_LEN])
{
    struct tm tm;

    /* a year of more than four digits does not fit */
    if (utc(seconds, &tm) == NULL ||
        strftime(ret, ECERT_TIME_TEXT_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(ret, ECERT_TIME_TEXT_LEN, "?");
}

void ecert_clock_date(int64_t seconds, char ret[ECERT_TIME_TEXT_LEN])
{
    struct tm tm;

    if (utc(seconds, &tm) == NULL || strftime(ret, ECERT_TIME_TEXT_LEN, "%Y-%m-%d", &tm) == 0)
        (void)snprintf(ret, ECERT_TIME_TEXT_LEN, "?");
}

void ecert_clock_local(int64_t seconds, char ret[ECERT_LOCAL_TEXT_LEN])
{
    const time_t t = (time_t)seconds;
    char moment[24], zone[16], offset[8];
    struct tm tm;

    tzset();
    if (localtime_r(&t, &tm) == NULL ||
        strftime(moment, sizeof moment, "%Y-%m-%d %H:%M", &tm) == 0 ||
        strftime(offset, sizeof offset, "%z", &tm) != 5) {
        (void)snprintf(ret, ECERT_LOCAL_TEXT_LEN, "?");
        return;
    }
    if (strftime(zone, sizeof zone, "%Z", &tm) == 0 || zone[0] == '+' || zone[0] == '-')
        (void)snprintf(ret, ECERT_LOCAL_TEXT_LEN, "%s %.3s:%s", moment, offset, offset + 3);
    else
        (void)snprintf(ret, ECERT_LOCAL_TEXT_LEN, "%s %s (%.3s:%s)", moment, zone, offset,
                       offset + 3);
}
