/*
 * Errors collect context on the way up, and reporting never allocates.
 *
 * The leaf knows the file, the caller the step, the command the certificate: each adds its words in
 * front.  A text that does not fit is cut with "..." and never overruns.  All setters return the
 * status, so that `return ecert_error_set(...)` reads well.  `err` is required, never NULL.
 */
#ifndef ECERT_BASE_ERROR_H
#define ECERT_BASE_ERROR_H

#include <ecert/status.h>

enum ecert_status ecert_error_set(struct ecert_error *err, enum ecert_status status,
                                  const char *fmt, ...) ECERT_PRINTF(3, 4);

/* As ecert_error_set(), with ": " and the text of errno behind it; keeps errno in sys_errno. */
enum ecert_status ecert_error_errno(struct ecert_error *err, enum ecert_status status,
                                    const char *fmt, ...) ECERT_PRINTF(3, 4);

/*
 * As ecert_error_set(), with ": " and OpenSSL's own reason behind it; empties OpenSSL's error
 * queue of this thread.
 */
enum ecert_status ecert_error_openssl(struct ecert_error *err, enum ecert_status status,
                                      const char *fmt, ...) ECERT_PRINTF(3, 4);

/* Put words and ": " in front of what is there. */
enum ecert_status ecert_error_wrap(struct ecert_error *err, const char *fmt, ...)
    ECERT_PRINTF(2, 3);

enum ecert_status ecert_error_nomem(struct ecert_error *err);

/* The name of a status for JSON and logs: "io", "refused", ... */
const char *ecert_status_words(enum ecert_status status);

/* The one macro in the tree that returns: leave at the first failure. */
#define ECERT_TRY(expr)                               \
    do {                                              \
        enum ecert_status ecert_try_status_ = (expr); \
        if (ecert_try_status_ != ECERT_OK)            \
            return ecert_try_status_;                 \
    } while (0)

#endif
