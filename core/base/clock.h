/*
 * Time.  `now` is what decisions about certificates are made with; it can be replaced in tests.
 * `monotonic` is for time limits only.
 */
#ifndef ECERT_BASE_CLOCK_H
#define ECERT_BASE_CLOCK_H

#include <stdint.h>

/* Seconds since 1970-01-01 UTC. */
int64_t ecert_clock_now(void);

/* Replace the answer of ecert_clock_now() in unit tests; 0 gives the real clock back. */
void ecert_clock_pretend(int64_t now);

/* Milliseconds since some moment; never goes back. */
int64_t ecert_clock_monotonic_ms(void);

void ecert_clock_sleep_ms(unsigned ms);

#define ECERT_TIME_TEXT_LEN 21

/* "2026-11-21T08:42:00Z" (RFC 3339), and the date alone, "2026-11-21"; both UTC. */
void ecert_clock_text(int64_t seconds, char ret[ECERT_TIME_TEXT_LEN]);
void ecert_clock_date(int64_t seconds, char ret[ECERT_TIME_TEXT_LEN]);

#define ECERT_LOCAL_TEXT_LEN 64

/*
 * For people on paper and in lists: "2026-11-21 16:42 HKT (+08:00)", in the zone of this host
 * (/etc/localtime: a TZ of the caller's does not get this far, ecert_process_harden()); without the
 * abbreviation where the zone has none but its offset.
 */
void ecert_clock_local(int64_t seconds, char ret[ECERT_LOCAL_TEXT_LEN]);

#endif
