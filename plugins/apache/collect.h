/* Where the walk through one file stands, and what a directive that it meets adds to a scope. */
#ifndef ECERT_APACHE_COLLECT_H
#define ECERT_APACHE_COLLECT_H

#include "plugins/apache/parameters.h"
#include "plugins/apache/scan.h"

/* The virtual hosts of a file that the server does not read. */
struct ecert_apache_unread {
    const char *path;
    struct ecert_apache_block *blocks;
    size_t n;
};

struct ecert_apache_walk {
    struct ecert_apache_scan *scan;
    size_t node; /* ECERT_APACHE_NO_NODE: a macro, or a file that the server does not read */
    struct ecert_apache_lexer lexer;
    size_t child;                     /* the next included file that was not walked yet */
    struct ecert_apache_scope *scope; /* NULL: a virtual host that is not looked at */
    struct ecert_apache_scope *outer; /* of what stands outside of virtual hosts */
    struct ecert_apache_block *block; /* whose scope it is; NULL: the server's */
    const struct ecert_apache_parameters *parameters; /* of the macro; NULL: it is none */
    struct ecert_apache_unread *unread;               /* NULL: the server reads this */
    bool in_block;                                    /* within a <VirtualHost> of this file */
    size_t depth;                                     /* of sections within it */
};

/*
 * A directive that bears on TLS becomes a use of the scope; LoadModule, Define and UnDefine take
 * effect; others are passed over.  False: no memory.
 */
ECERT_MUST_CHECK bool ecert_apache_collect(struct ecert_apache_walk *walk,
                                           const struct ecert_apache_piece *piece);

#endif
