/*
 * Where nginx looks for things, as ngx_process_options() and the build decide it.
 *
 * The file of `-c`, else the built-in one, relative to the prefix; the prefix of `-p`, else the
 * built-in one.  Includes and certificates are relative to the folder of the configuration file
 * ("conf prefix"), everything else (pid file, logs) to the prefix.  The built-in values are what
 * `nginx -V` prints.
 */
#ifndef ECERT_NGINX_LAYOUT_H
#define ECERT_NGINX_LAYOUT_H

#include "plugins/nginx/tree.h"

/* All absolute and without "." and ".." parts, or NULL where nginx uses none.  In the arena. */
struct ecert_nginx_layout {
    const char *prefix;
    const char *conf_path;
    const char *conf_prefix;
    const char *pid_path;
    const char *error_log;  /* NULL: standard error */
    const char *access_log; /* of an http block that names none */
    const char *directives; /* of -g; NULL: none */
};

/*
 * From the argv of the setting `command`; runs `argv[0] -V`.  ECERT_E_CONFIG: an option of the
 * command that is not nginx's or lacks its value, a relative -p.  ECERT_E_COMMAND: -V failed or
 * did not print its configure arguments.  ECERT_E_IO, ECERT_E_TIMEOUT, ECERT_E_NOMEM.
 */
enum ecert_status ecert_nginx_layout_find(struct ecert_nginx *env, const char *const *argv,
                                          struct ecert_nginx_layout *ret, struct ecert_error *err);

/*
 * `name` as an absolute path: relative ones from `base`.  Repeated slashes and "." go; ".." takes
 * the part before it with it, by text alone.  NULL: no memory.
 */
char *ecert_nginx_resolve(struct ecert_nginx *env, const char *base, const char *name);

/* The folder of a path, without a slash at the end ("/" for "/x").  NULL: no memory. */
char *ecert_nginx_folder(struct ecert_nginx *env, const char *path);

#endif
