/*
 * ${NAME} in a configuration: what Define said, else the environment of the server.
 *
 * The server puts the value in while it reads, so that a name that is defined twice has its first
 * value in the lines between (tried with 2.4.71).  The answer to DUMP_RUN_CFG has the last values
 * only: first those of the command line, which are in force from the start; those of the files are
 * in force from the Define that is walked, and only supposed before it.
 *
 * The environment is what apachectl reads before it starts the server: the file "envvars", plain
 * assignments of it (Debian, and httpd's own apachectl).  A server that is called without apachectl
 * has none of it.
 *
 * Everything lives in the arena.
 */
#ifndef ECERT_APACHE_VARIABLES_H
#define ECERT_APACHE_VARIABLES_H

#include "plugins/apache/lexer.h"
#include "plugins/shared/arena.h"

#include <stdbool.h>

struct ecert_apache_variable;

struct ecert_apache_variables {
    struct ecert_arena *arena;
    struct ecert_apache_variable **buckets;
};

/* These are false, and the last three NULL, when there is no memory. */
ECERT_MUST_CHECK bool ecert_apache_define(struct ecert_apache_variables *variables,
                                          const char *name, const char *value);
ECERT_MUST_CHECK bool ecert_apache_undefine(struct ecert_apache_variables *variables,
                                            const char *name);
/* A value for ${NAME} where nothing else is known; NAME is not defined by it. */
ECERT_MUST_CHECK bool ecert_apache_suppose(struct ecert_apache_variables *variables,
                                           const char *name, const char *value);
/* What "envvars" holds. */
ECERT_MUST_CHECK bool ecert_apache_environment(struct ecert_apache_variables *variables,
                                               struct ecert_view text);

/* By Define or -D; what is in the environment alone is not. */
bool ecert_apache_is_defined(const struct ecert_apache_variables *variables, const char *name);

/* With ${NAME} replaced where NAME is known; others stay. */
const char *ecert_apache_expand(const struct ecert_apache_variables *variables, const char *value);

/* A word of a file as the server takes it: without quotes, and then expanded. */
const char *ecert_apache_word_value(const struct ecert_apache_variables *variables,
                                    struct ecert_view text, struct ecert_apache_word word);

#endif
