/* One run at a time: flock on a file of the state directory, released when the process ends. */
#ifndef ECERT_BASE_LOCK_H
#define ECERT_BASE_LOCK_H

#include "core/base/error.h"

/*
 * Take the lock and keep it in *ret_fd.  Waits up to wait_ms; ECERT_E_BUSY then, with the process
 * that holds it in the text.  ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_lock_take(const char *path, unsigned wait_ms, int *ret_fd,
                                                   struct ecert_error *err);

#endif
