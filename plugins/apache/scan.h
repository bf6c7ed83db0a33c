/*
 * Walk the configuration files in the order in which the server read them, and find what bears on
 * TLS: the directives of the virtual hosts that are wanted, and those of the server level.
 *
 * Includes are followed as DUMP_INCLUDES tells them, so no pattern is matched a second time, and an
 * Include in a section that is not active has no files.  Nested sections (<IfModule>, <Directory>,
 * <If>) are walked.  <IfDefine> is decided by the server's own list of Defines, and
 * <IfModule !ssl_module> is never active in a server that answers for TLS hosts; every other
 * <IfModule>, <IfVersion> and <IfFile> counts as active.  What <Perl>, <Macro> and <Lua...>
 * sections hold is not looked at, except the one macro that made a wanted host.
 *
 * Everything lives in the arena; the bytes of the files belong to the host.
 */
#ifndef ECERT_APACHE_SCAN_H
#define ECERT_APACHE_SCAN_H

#include "plugins/apache/dump.h"
#include "plugins/apache/lexer.h"
#include "plugins/apache/try.h"

#include <ecert/plugin.h>

#define ECERT_APACHE_FILE_MAX_LEN ((size_t)64 << 20)

enum ecert_apache_directive {
    ECERT_APACHE_ENGINE = 0,  /* SSLEngine */
    ECERT_APACHE_CERTIFICATE, /* SSLCertificateFile */
    ECERT_APACHE_KEY,         /* SSLCertificateKeyFile */
    ECERT_APACHE_CHAIN,       /* SSLCertificateChainFile */
    ECERT_APACHE_ALIAS,       /* ServerAlias, one use for each name */
    ECERT_APACHE_LISTEN,
    ECERT_APACHE_DIALOG, /* SSLPassPhraseDialog */
};
#define ECERT_APACHE_DIRECTIVE_COUNT 7

/* One directive as it stands in a file. */
struct ecert_apache_use {
    enum ecert_apache_directive directive;
    size_t node; /* the file as it was read */
    struct ecert_view text;
    struct ecert_apache_piece piece;
    struct ecert_apache_word word; /* the first argument, or the alias */
    const char *value;             /* the word without quotes */
};

/* The directives of a virtual host with its included files, or of the server level. */
struct ecert_apache_scope {
    struct ecert_apache_use *uses; /* in the server's order */
    size_t n_uses;
};

/* The block of a wanted virtual host. */
struct ecert_apache_block {
    struct ecert_apache_host *host;
    bool found; /* its head stands where the server says; otherwise the rest is empty */
    size_t node;
    struct ecert_view text;
    struct ecert_apache_piece head, close;
    struct ecert_apache_piece last; /* the last directive directly in the block, or the head */
    struct ecert_apache_scope scope;
};

struct ecert_apache_scan {
    const struct ecert_host *host;
    struct ecert_job *job;
    struct ecert_arena *arena;
    const struct ecert_apache_dump *dump;
    struct ecert_apache_block *blocks; /* of the wanted hosts, in the order of dump->hosts */
    size_t n_blocks;
    struct ecert_apache_scope server;
    size_t *owners; /* for each node: 1 + the block that included it; 0: none of the blocks */
};

/*
 * Fill in `scan->server` and the blocks.  host, job, arena and dump are set, and in each of the
 * blocks `host`, sorted as the dump's hosts are.
 *
 * A file that cannot be read is the host's error; an included one that is gone meanwhile too.
 * ECERT_E_CONFIG: a virtual host does not end in the file where it begins.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_scan_run(struct ecert_apache_scan *scan,
                                                         struct ecert_error *err);

/* The n-th use of a directive in a scope; NULL when there are no more. */
const struct ecert_apache_use *ecert_apache_use_at(const struct ecert_apache_scope *scope,
                                                   enum ecert_apache_directive directive, size_t n);
size_t ecert_apache_use_count(const struct ecert_apache_scope *scope,
                              enum ecert_apache_directive directive);
/* The one that the server takes where only one counts: the last; NULL: none. */
const struct ecert_apache_use *ecert_apache_use_last(const struct ecert_apache_scope *scope,
                                                     enum ecert_apache_directive directive);

#endif
