/*
 * The parameters of a macro, and what a Use gave for them: so that the paths of a virtual host that
 * a macro makes are known.  Known for a Use in a file; not for one within another macro.
 */
#ifndef ECERT_APACHE_PARAMETERS_H
#define ECERT_APACHE_PARAMETERS_H

#include "plugins/apache/scan.h"

struct ecert_apache_parameters {
    const char **names, **values;
    size_t n;
    bool has_any; /* the macro has parameters, known or not */
};

/* `head` is the <Macro> in `text` that made the host.  False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_parameters_of(struct ecert_apache_scan *scan,
                                                 const struct ecert_apache_host *host,
                                                 struct ecert_view text,
                                                 const struct ecert_apache_piece *head,
                                                 struct ecert_apache_parameters *ret);

/* The value with the parameters in it replaced, the longest name first; NULL: no memory. */
const char *ecert_apache_parameters_fill(struct ecert_arena *arena,
                                         const struct ecert_apache_parameters *parameters,
                                         const char *value);

#endif
