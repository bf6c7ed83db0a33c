/*
 * Files that a command writes because the user named them: the page of `ecert report`, the metrics
 * of `ecert check --prometheus`.
 *
 * They are replaced whole, and ecert often runs as root: a slip of the fingers must not cost the
 * file of somebody else.  So each kind begins with a mark, and only what bears it is replaced.
 */
#ifndef ECERT_CLI_OUTPUT_H
#define ECERT_CLI_OUTPUT_H

#include "core/base/bytes.h"

/* Within so many bytes from the front the mark is looked for. */
#define ECERT_OUTPUT_FRONT 400

/*
 * May `path` (no link) be replaced by what has `mark` at byte `furthest` at the latest, 0: right
 * at the front?  Yes where nothing is there, where the file is empty, or where it has the mark
 * itself.
 *
 * ECERT_E_REFUSED: a file of somebody else, or no regular file.  ECERT_E_IO: it cannot be read.
 */
ECERT_MUST_CHECK enum ecert_status ecert_output_check(const char *path, const char *mark,
                                                      size_t furthest, struct ecert_error *err);

#endif
