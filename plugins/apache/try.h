/* The one macro that returns: leave at the first failure. */
#ifndef ECERT_APACHE_TRY_H
#define ECERT_APACHE_TRY_H

#include <ecert/status.h>

#define ECERT_APACHE_TRY(expr)                        \
    do {                                              \
        const enum ecert_status try_status_ = (expr); \
        if (try_status_ != ECERT_OK)                  \
            return try_status_;                       \
    } while (0)

#endif
