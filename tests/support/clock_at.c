/*
 * Preloaded into a program, it lets the program live later: ECERT_LATER=SECONDS. (faketime asks the
 * environment again when the time is asked for; ecert has emptied it by then.) Only time() is
 * shifted, which decisions about certificates are made with; time limits run on another clock.
 */
#include <stdlib.h>
#include <time.h>

static time_t later;

__attribute__((constructor)) static void begin(void)
{
    const char *seconds = getenv("ECERT_LATER");

    later = seconds == NULL ? 0 : (time_t)strtol(seconds, NULL, 10);
}

time_t time(time_t *ret)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec + later;
    return now.tv_sec + later;
}
