/*
 * Names of sites for a site record.  A configuration may hold any bytes there; the core takes no
 * name that a terminal could obey or that is not UTF-8, and one such name, of a site that is
 * nobody's concern, would keep all others from being told.  What clients ask for is ASCII (RFC
 * 5890: an A-label), so that other names are left out, and counted for a note.
 */
#ifndef ECERT_SHARED_NAMES_H
#define ECERT_SHARED_NAMES_H

#include <ecert/plugin.h>

struct ecert_left_out {
    size_t n;
    const char *file; /* where the first one stands; borrowed */
    unsigned long line;
};

/* Is it printable ASCII without blanks, and no longer than any name?  If not, it is counted. */
bool ecert_names_take(struct ecert_left_out *left_out, const char *name, const char *file,
                      unsigned long line);

/* The note, if any was left out. */
ECERT_MUST_CHECK enum ecert_status ecert_names_note(const struct ecert_left_out *left_out,
                                                    const struct ecert_host *host,
                                                    struct ecert_job *job, struct ecert_error *err);

#endif
