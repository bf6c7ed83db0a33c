/* The weekly digest: when it is due. */
#include <string.h>
#include <time.h>

#include "core/monitor/reminders_internal.h"

/* Days since 1970-01-01 by the calendar on the wall, where no hour is missing or comes twice. */
static bool local_day(int64_t seconds, int64_t *ret_day, int *ret_weekday)
{
    const time_t t = (time_t)seconds;
    struct tm tm;

    tzset(); /* localtime_r() need not */
    if (localtime_r(&t, &tm) == NULL)
        return false;
    *ret_weekday = tm.tm_wday;
    struct tm date = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday};
    *ret_day = (int64_t)timegm(&date) / ECERT_DAY;
    return true;
}

/* As tm_wday: 0 is Sunday; -1: never. */
static int weekday_of(const char *digest)
{
    static const char *const names[] = {"sunday",   "monday", "tuesday", "wednesday",
                                        "thursday", "friday", "saturday"};

    for (size_t i = 0; digest != NULL && i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], digest) == 0)
            return (int)i;
    return -1;
}

enum ecert_status ecert_digest_day_came(const struct ecert_config *config, int64_t last,
                                        int64_t now, bool *ret, struct ecert_error *err)
{
    const int wanted = weekday_of(config->reminders.digest);
    int64_t today = 0, last_day = 0;
    int weekday = 0, ignored = 0;

    if (wanted < 0) {
        *ret = false;
        return ECERT_OK;
    }
    if (last == 0 || last > now + ECERT_CLOCK_SLACK) {
        *ret = true;
        return ECERT_OK;
    }
    if (!local_day(now, &today, &weekday) || !local_day(last, &last_day, &ignored))
        return ecert_error_set(err, ECERT_E_IO, "the clock shows a year that has no calendar");
    *ret = last_day < today - (weekday - wanted + 7) % 7;
    return ECERT_OK;
}

enum ecert_status ecert_digest_is_due(const struct ecert_config *config, int64_t now, bool *ret,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminders_state_clear) struct ecert_reminders_state state = {0};

    ECERT_TRY(ecert_reminders_state_read(config, &state, NULL, err));
    return ecert_digest_day_came(config, state.last_digest, now, ret, err);
}

enum ecert_status ecert_digest_sent(const struct ecert_config *config, int64_t now,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_reminders_state_clear) struct ecert_reminders_state state = {0};

    ECERT_TRY(ecert_reminders_state_read(config, &state, NULL, err));
    state.last_digest = now;
    return ecert_reminders_state_write(config, &state, err);
}
