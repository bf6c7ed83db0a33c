/*
 * Preloaded into a program, it lets the program live later: ECERT_LATER=SECONDS. (faketime asks the
 * environment again when the time is asked for; ecert has emptied it by then.) Only time() is
 * shifted, which decisions about certificates are made with; time limits run on another clock.
 * ECERT_ZONE=TZ is the time zone that the program lives in, also after it has emptied its
 * environment: on a real machine that is /etc/localtime.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static time_t later;
static char zone[100];

__attribute__((constructor)) static void begin(void)
{
    const char *seconds = getenv("ECERT_LATER");

    const char *place = getenv("ECERT_ZONE");

    later = seconds == NULL ? 0 : (time_t)strtol(seconds, NULL, 10);
    if (place != NULL && strlen(place) < sizeof zone)
        (void)strcpy(zone, place);
}

int clearenv(void)
{
    const int result = ((__typeof__(&clearenv))dlsym(RTLD_NEXT, "clearenv"))();

    if (zone[0] != '\0')
        (void)setenv("TZ", zone, 1);
    return result;
}

time_t time(time_t *ret)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec + later;
    return now.tv_sec + later;
}
