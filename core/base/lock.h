/*
 * One run at a time: flock on a file of the state directory, released when the process ends.  While
 * it is held the file names the process; one that still does so afterwards tells of a crash.
 */
#ifndef ECERT_BASE_LOCK_H
#define ECERT_BASE_LOCK_H

#include <stdbool.h>

#include "core/base/error.h"

/*
 * Take the lock and keep it in *ret_fd.  Waits up to wait_ms; ECERT_E_BUSY then, with the process
 * that holds it in the text.  ECERT_E_IO.  That the process cannot be written into it (a full disk,
 * read-only) is no error.
 */
ECERT_MUST_CHECK enum ecert_status ecert_lock_take(const char *path, unsigned wait_ms, int *ret_fd,
                                                   struct ecert_error *err);

/* Did the run before this one end without giving the lock back (kill -9, a power cut)? */
bool ecert_lock_is_after_crash(int fd);

/* Give it back; what is not taken (-1) needs nothing. */
void ecert_lock_release(int *fd);

#endif
