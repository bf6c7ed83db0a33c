/*
 * Changes of files, collected first and applied together: every byte that no edit names stays.
 *
 * Two edits of one place with the same text are one edit (two virtual hosts may share an included
 * file); insertions at one place keep the order in which they were added.
 */
#ifndef ECERT_APACHE_EDITS_H
#define ECERT_APACHE_EDITS_H

#include "plugins/shared/arena.h"

#include <ecert/plugin.h>

struct ecert_apache_edit {
    const char *path;
    struct ecert_view text; /* the whole file as it was read */
    size_t begin, end;      /* what is replaced; equal: an insertion */
    const char *with;
    size_t order;
};

struct ecert_apache_edits {
    struct ecert_apache_edit *edits;
    size_t n;
};

/* False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_edits_add(struct ecert_arena *arena,
                                             struct ecert_apache_edits *edits,
                                             const struct ecert_apache_edit *edit);

/*
 * One file record for each file with edits.  Sorts the edits.  ECERT_E_NOMEM, or what the host says
 * of the record.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_edits_emit(const struct ecert_host *host,
                                                           struct ecert_job *job,
                                                           struct ecert_apache_edits *edits,
                                                           struct ecert_error *err);

#endif
