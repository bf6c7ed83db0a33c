/*
 * What a text in a record of a plugin may be, and how one is refused; for plan.c and site.c.
 */
#ifndef ECERT_HOST_RECORD_H
#define ECERT_HOST_RECORD_H

#include "core/base/bytes.h"
#include "core/base/error.h"

#define ECERT_RECORD_TEXT_MAX 4096 /* of a path, an argument, a name, a note */

/*
 * ECERT_E_PLUGIN in the words "RECORD record: WHAT 'VALUE' WHY", the value escaped and cut at 200
 * bytes; `what` may be NULL where the kind of the record says it.  ECERT_E_NOMEM.
 */
enum ecert_status ecert_record_refuse(const char *record, const char *what, const char *value,
                                      const char *why, struct ecert_error *err);

/* UTF-8 without anything that a terminal could obey; otherwise as ecert_record_refuse(). */
ECERT_MUST_CHECK enum ecert_status ecert_record_check_text(const char *record, const char *what,
                                                           const char *text,
                                                           struct ecert_error *err);

#endif
