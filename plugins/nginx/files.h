/* The files of a configuration: each is read and parsed once, however often it is included. */
#ifndef ECERT_NGINX_FILES_H
#define ECERT_NGINX_FILES_H

#include "plugins/nginx/sites.h"

/*
 * The path that a record may carry, absolute; `name` may be relative to `base`.  ".." is left to
 * the file system, because what stands before it may be a symbolic link.  NULL: no memory.
 */
const char *ecert_nginx_files_path(struct ecert_nginx *env, const char *base, const char *name);

/*
 * The file with this path, of those of `sites` or read now.  ECERT_E_NOT_FOUND, ECERT_E_IO,
 * ECERT_E_REFUSED: it cannot be read.  Else as ecert_nginx_parse().
 */
enum ecert_status ecert_nginx_files_load(struct ecert_nginx *env, struct ecert_nginx_sites *sites,
                                         const char *path, struct ecert_nginx_file **ret,
                                         struct ecert_error *err);

#endif
