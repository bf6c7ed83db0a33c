/*
 * Changes to a configuration file that leave every other byte as it is: comments, order,
 * indentation, quoting and line endings.
 *
 * Edits are collected in the file and carried out once, in order of their place; the same edit
 * twice (a file that is included in two places) is one.
 */
#ifndef ECERT_NGINX_EDIT_H
#define ECERT_NGINX_EDIT_H

#include "plugins/nginx/tree.h"

/*
 * Replaces the first argument of a directive by a path, in the quotes that are there; adds quotes
 * where the path needs them.  The path lives as long as `env`.  ECERT_E_CONFIG: the path contains
 * "$", which nginx would expand.
 */
enum ecert_status ecert_nginx_edit_value(struct ecert_nginx *env,
                                         const struct ecert_nginx_directive *directive,
                                         const char *path, struct ecert_error *err);

/* "ssl_certificate PATH;", quoted as needed.  ECERT_E_CONFIG as above. */
enum ecert_status ecert_nginx_edit_directive(struct ecert_nginx *env, const char *name,
                                             const char *path, const char **ret,
                                             struct ecert_error *err);

/*
 * Adds directives to a server block: as lines of their own in its indentation and line ending,
 * after `after`, one of the block's own directives, or without one after the last listen or
 * server_name that stands on its own line; where none does, in the line, after the last one of
 * these or after "{".
 */
enum ecert_status ecert_nginx_edit_insert(struct ecert_nginx *env,
                                          const struct ecert_nginx_directive *block,
                                          const struct ecert_nginx_directive *after,
                                          const char *const *directives, size_t n,
                                          struct ecert_error *err);

/* The new bytes of a file, in the arena.  Without edits: those of the file itself. */
enum ecert_status ecert_nginx_edit_apply(struct ecert_nginx *env, struct ecert_nginx_file *file,
                                         struct ecert_view *ret, struct ecert_error *err);

#endif
