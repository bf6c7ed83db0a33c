/*
 * What ecert-net may do: connect, read files that anybody may read, and answer.  Nothing else.
 *
 *   - identity: root becomes the user "ecert-net" if /etc/passwd has it, else 65534 (nobody);
 *   - no_new_privs, not dumpable, SIGKILL when the parent dies;
 *   - limits: no core, no file can grow, a bounded number of descriptors;
 *   - seccomp: everything but what is listed in jail.c, which fails with EPERM (programs and
 *     processes, debugging, mounts, kernel parts, keyrings, signals to others, serving sockets);
 *   - Landlock, where the kernel has it: no file can be written, made, removed or executed.
 *
 * Reading stays possible: file:// addresses, the resolver's files and the system's anchors need it.
 * There is no way out and no way to enter half of it: a step that fails is an error, and the caller
 * leaves.  Only a kernel without Landlock is accepted.
 */
#ifndef ECERT_NET_JAIL_H
#define ECERT_NET_JAIL_H

#include "core/base/error.h"

/*
 * Enter; one thread must be running.  ECERT_E_REFUSED names the step that failed;
 * ECERT_E_UNSUPPORTED: this kernel has no seccomp filters.
 */
ECERT_MUST_CHECK enum ecert_status ecert_jail_enter(struct ecert_error *err);

#endif
