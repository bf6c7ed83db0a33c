/*
 * A private view of the file system in which the changes are in place, for the server's own test.
 *
 * The new process gets a mount namespace of its own.  "/" and every other disk in it is an overlay
 * whose upper layer is a small tmpfs, so whatever is written there is thrown away: pid files, logs,
 * temporary folders.  proc, sys, dev and the like are bound as they are.  Then the items are
 * written at their places, scratch files are replaced by empty ones (a log of gigabytes is never
 * copied up), and what is not needed for a test is given up: capabilities but a few, and new
 * privileges.  The real disks are not touched.
 *
 * A file system that cannot be the lower layer of an overlay is bound read-only; an item on such a
 * one makes the view impossible.  Only root can have a view: in a user namespace the mounts below
 * "/" are locked, and the kernel refuses "/" as a lower layer then (clone_private_mount, EINVAL).
 */
#ifndef ECERT_FLOW_PRIVATE_VIEW_H
#define ECERT_FLOW_PRIVATE_VIEW_H

#include "core/base/process.h"
#include "core/flow/items.h"

struct ecert_view_spec {
    const struct ecert_items *items; /* NULL: only look, nothing is changed in the view */
    const char *workspace;           /* an existing directory of ours to mount the tmpfs on */
    const char *const *scratch;      /* NULL-ended */
    const char *const *argv;
    unsigned timeout_ms;
    const struct ecert_meanwhile *meanwhile; /* see process.h; NULL: none */
};

/*
 * Run argv in a view.  ECERT_E_UNSUPPORTED: the view could not be made; the text says what was not
 * permitted.  Else as ecert_run().
 */
ECERT_MUST_CHECK enum ecert_status ecert_private_view_run(const struct ecert_view_spec *spec,
                                                          struct ecert_run_result *ret,
                                                          struct ecert_error *err);

#endif
