/*
 * What the server says about its own configuration: the answer of
 *
 *     apachectl -t -D DUMP_VHOSTS -D DUMP_INCLUDES -D DUMP_RUN_CFG -D DUMP_MODULES
 *
 * One run gives all four answers (tried with 2.4.71; `-V` beside them suppresses the virtual
 * hosts, so the version is not asked for).  The forms, from server/vhost.c and server/config.c:
 *
 *     *:443                  is a NameVirtualHost
 *              default server www.example.com (/etc/apache2/sites-enabled/x.conf:2)
 *              port 443 namevhost www.example.com (/etc/apache2/sites-enabled/x.conf:2)
 *                      alias example.com
 *                      wild alias *.example.com
 *     127.0.0.1:443          one.example.com (/etc/apache2/sites-enabled/y.conf:1)
 *
 * The second form names no aliases: those must be read from the block.  The line is the last
 * physical line of the <VirtualHost ...> head.  A block made by mod_macro has "(macro 'vh' (defined
 * on line 32 of "FILE") used on line 38 of "FILE":1)" instead of a file and a line; the last number
 * counts the logical lines of the macro from 1, without comments.  One that a <Perl> section made
 * has "(mod_perl:1)".
 *
 * Everything lives in the arena.
 */
#ifndef ECERT_APACHE_DUMP_H
#define ECERT_APACHE_DUMP_H

#include "plugins/shared/arena.h"

#include <stdbool.h>

struct ecert_apache_address {
    const char *text; /* "*", "_default_", "192.0.2.1", "::1" (without brackets) */
    uint16_t port;    /* 0: "*" */
};

/* One virtual host, with every address that it is listed at. */
struct ecert_apache_host {
    const char *place; /* as the server says it: FILE:LINE, or how a macro made it */
    const char *file;  /* of the head, or of the macro's definition */
    size_t line;
    bool macro;
    size_t macro_line;    /* of a macro: the head, counted in its logical lines */
    bool aliases_unknown; /* listed in the short form at one of its addresses only */
    const char **names;   /* ServerName first, then aliases, wild ones too */
    size_t n_names;
    struct ecert_apache_address *addresses;
    size_t n_addresses;
};

/* A configuration file as it was read; an included one follows its parent, one level deeper. */
struct ecert_apache_node {
    const char *path;
    size_t line;  /* of the Include in the parent; 0: the main file */
    size_t level; /* 0: the main file */
};

struct ecert_apache_dump {
    struct ecert_apache_host *hosts; /* sorted by file, then line */
    size_t n_hosts;
    struct ecert_apache_node *nodes;
    size_t n_nodes;
    const char *server_root; /* NULL: not said */
    const char *pid_file;    /* NULL: not said */
    const char **defines;    /* "NAME" or "NAME=value" */
    size_t n_defines;
    const char **modules; /* "ssl_module" */
    size_t n_modules;
    const char **built_in; /* those of them that no LoadModule loads */
    size_t n_built_in;
};

/* Lines that are none of these forms are passed over.  False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_dump_parse(struct ecert_arena *arena, struct ecert_view out,
                                              struct ecert_apache_dump *ret);

/*
 * Add a name to a host unless it has it (case does not matter; of hosts with very many names it is
 * not asked).  False: no memory.
 */
ECERT_MUST_CHECK bool ecert_apache_host_add_name(struct ecert_arena *arena,
                                                 struct ecert_apache_host *host, const char *name);

/* Add "*:443", "[::1]:443", "_default_:*"; what has no port is passed over.  False: no memory. */
ECERT_MUST_CHECK bool ecert_apache_host_add_address(struct ecert_arena *arena,
                                                    struct ecert_apache_host *host,
                                                    const char *text, size_t len);

/* The name in a ServerName: "https://www.example.com:443" has more.  NULL: no memory. */
const char *ecert_apache_bare_name(struct ecert_arena *arena, const char *value);

/* Does the server have this module ("ssl_module")? */
bool ecert_apache_has_module(const struct ecert_apache_dump *dump, const char *name, size_t len);

/* Is mod_ssl not there?  False too where the server did not list its modules. */
bool ecert_apache_lacks_ssl(const struct ecert_apache_dump *dump);

/*
 * A file name as the server takes it: below the server root if it is relative, without "." and ".."
 * parts.  NULL: no memory.
 */
const char *ecert_apache_resolve(struct ecert_arena *arena, const struct ecert_apache_dump *dump,
                                 const char *value);

#endif
