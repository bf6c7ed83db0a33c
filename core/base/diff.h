/*
 * Line differences: what `ecert plan` shows, and how the changes of several targets to one file
 * are merged.  Lines end after "\n"; a last line without one is a line too; bytes are bytes.
 */
#ifndef ECERT_BASE_DIFF_H
#define ECERT_BASE_DIFF_H

#include "core/base/bytes.h"

/* a[a_start .. a_start + a_len) becomes b[b_start .. b_start + b_len); lines counted from 0. */
struct ecert_hunk {
    size_t a_start, a_len;
    size_t b_start, b_len;
};

struct ecert_diff {
    struct ecert_hunk *hunks; /* in order, not touching one another */
    size_t n;
};
void ecert_diff_clear(struct ecert_diff *diff);

/* The shortest edit (Myers 1986) on lines.  ECERT_E_NOMEM. */
ECERT_MUST_CHECK enum ecert_status ecert_diff_lines(struct ecert_view a, struct ecert_view b,
                                                    struct ecert_diff *ret,
                                                    struct ecert_error *err);

/*
 * Append a unified diff with three lines of context, as `diff -u` and `patch` know it, including
 * "\ No newline at end of file".  Nothing if equal.  Control bytes of the content are escaped.
 * `a_label`, `b_label`: file names, "/dev/null" for a file that is new.
 */
ECERT_MUST_CHECK enum ecert_status ecert_diff_unified(const char *a_label, struct ecert_view a,
                                                      const char *b_label, struct ecert_view b,
                                                      struct ecert_buffer *out,
                                                      struct ecert_error *err);

/*
 * Apply to `base` every change that turns base into versions[i], for all i.  The same change made
 * twice counts once.  ECERT_E_CHANGED: two versions change the same lines differently;
 * *ret_conflict is the index of the later one (written then only).
 */
ECERT_MUST_CHECK enum ecert_status ecert_diff_merge(struct ecert_view base,
                                                    const struct ecert_view *versions, size_t n,
                                                    struct ecert_bytes *ret, size_t *ret_conflict,
                                                    struct ecert_error *err);

#endif
