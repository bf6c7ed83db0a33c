#include "core/cli/day.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum ecert_status ecert_day_end(const char *text, int64_t *ret, struct ecert_error *err)
{
    struct tm day = {.tm_hour = 23, .tm_min = 59, .tm_sec = 59, .tm_isdst = -1};
    char again[ECERT_TIME_TEXT_LEN];
    int len = 0;

    if (sscanf(text, "%4d-%2d-%2d%n", &day.tm_year, &day.tm_mon, &day.tm_mday, &len) == 3 &&
        len == 10 && text[len] == '\0') {
        day.tm_year -= 1900;
        day.tm_mon -= 1;
        const int64_t seconds = (int64_t)mktime(&day);
        ecert_day_text(seconds,
                       again); /* mktime() makes the 2nd of March of the 30th of February */
        if (strcmp(again, text) == 0) {
            *ret = seconds;
            return ECERT_OK;
        }
    }
    return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is not a day: write it as 2026-12-31", text);
}

void ecert_day_text(int64_t seconds, char ret[ECERT_TIME_TEXT_LEN])
{
    const time_t t = (time_t)seconds;
    struct tm tm;

    if (localtime_r(&t, &tm) == NULL || strftime(ret, ECERT_TIME_TEXT_LEN, "%Y-%m-%d", &tm) == 0)
        (void)snprintf(ret, ECERT_TIME_TEXT_LEN, "?");
}
