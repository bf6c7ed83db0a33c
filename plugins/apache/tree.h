/*
 * The configuration files as the server read them: each reading is a node of the tree that
 * DUMP_INCLUDES tells; a file that is read many times has one text.
 *
 * Everything lives in the arena; the bytes of the files belong to the host.
 */
#ifndef ECERT_APACHE_TREE_H
#define ECERT_APACHE_TREE_H

#include "plugins/apache/dump.h"

#include <ecert/plugin.h>

#define ECERT_APACHE_FILE_MAX_LEN ((size_t)64 << 20)

#define ECERT_APACHE_NO_NODE SIZE_MAX

struct ecert_apache_file {
    const char *path;
    struct ecert_view text;
    bool is_read;
    bool shared;   /* read by somebody who is not changed; see sharing.h */
    bool compared; /* with the files of other paths */
};

struct ecert_apache_tree {
    struct ecert_apache_node *nodes; /* the dump's */
    size_t n_nodes;
    size_t *parents;                 /* of each node; a node without one is its own */
    size_t *next;                    /* the next node with the same parent */
    size_t *by_line;                 /* nodes, sorted by parent, line and position */
    size_t *files_of;                /* for each node its file */
    struct ecert_apache_file *files; /* sorted by path */
    size_t n_files;
};

/* False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_tree_make(struct ecert_arena *arena,
                                             const struct ecert_apache_dump *dump,
                                             struct ecert_apache_tree *ret);

/*
 * The first file, at `from` or behind it, that the Include in this line of `node` brought in;
 * ECERT_APACHE_NO_NODE: none.  Searched for by the line, because files that a macro includes stand
 * among them, with lines of the macro.
 */
size_t ecert_apache_tree_child(const struct ecert_apache_tree *tree, size_t node, size_t line,
                               size_t from);

/* The one that the same Include brought in after `child`; ECERT_APACHE_NO_NODE: none. */
size_t ecert_apache_tree_next(const struct ecert_apache_tree *tree, size_t child);

/* NULL: the server did not read it. */
struct ecert_apache_file *ecert_apache_tree_find(const struct ecert_apache_tree *tree,
                                                 const char *path);

/* The text of a file; what the host says if it cannot be read.  /dev/null is empty. */
ECERT_MUST_CHECK enum ecert_status ecert_apache_tree_read(const struct ecert_host *host,
                                                          struct ecert_job *job,
                                                          struct ecert_apache_file *file,
                                                          struct ecert_error *err);

#endif
