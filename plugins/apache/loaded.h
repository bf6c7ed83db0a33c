/*
 * Which modules the server has at a place of its configuration.
 *
 * <IfModule> is decided where it stands: a module that a LoadModule further down loads is not there
 * yet (tried with 2.4.71).  The server's own list is that of the end, so LoadModule is followed as
 * the walk comes to it.  A module that is compiled in is there from the start, and so is one that
 * no file loads: the command line did (-C).
 *
 * Everything lives in the arena.
 */
#ifndef ECERT_APACHE_LOADED_H
#define ECERT_APACHE_LOADED_H

#include "plugins/apache/lexer.h"
#include "plugins/apache/tree.h"
#include "plugins/apache/variables.h"

#include <ecert/plugin.h>

struct ecert_apache_loaded {
    const struct ecert_host *host;
    struct ecert_job *job;
    struct ecert_arena *arena;
    const struct ecert_apache_dump *dump;
    struct ecert_apache_tree *tree;
    const struct ecert_apache_variables *variables;
    const char **names; /* by the LoadModule lines so far */
    size_t n_names;
    const char **named; /* in any LoadModule line; asked for when the first module is missing */
    size_t n_named;
    bool named_asked;
};

/* LoadModule: the module is there from here on.  False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_loaded_add(struct ecert_apache_loaded *loaded,
                                              struct ecert_view text,
                                              const struct ecert_apache_piece *piece);

/* Is this module ("ssl_module") there by now? */
bool ecert_apache_loaded_has(struct ecert_apache_loaded *loaded, const char *name, size_t len);

#endif
