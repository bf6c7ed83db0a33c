/* Days as people write them: in the local time of this machine, to its last second. */
#ifndef ECERT_CLI_DAY_H
#define ECERT_CLI_DAY_H

#include "core/base/bytes.h"
#include "core/base/clock.h"

/* "2026-12-31" to its end.  ECERT_E_CONFIG: not a day; the sentence quotes it. */
ECERT_MUST_CHECK enum ecert_status ecert_day_end(const char *text, int64_t *ret,
                                                 struct ecert_error *err);

/* The local day of a moment. */
void ecert_day_text(int64_t seconds, char ret[ECERT_TIME_TEXT_LEN]);

#endif
