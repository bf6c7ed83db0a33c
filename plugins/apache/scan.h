/*
 * Walk the configuration files in the order in which the server read them, and find what bears on
 * TLS: the directives of the virtual hosts, and those of the server level.
 *
 * Includes are followed as DUMP_INCLUDES tells them, so no pattern is matched a second time, and an
 * Include in a section that is not active has no files.  Nested sections are walked; those that are
 * not active or not Apache's are passed over, see conditions.h.
 *
 * A host that mod_macro made has the directives of its <VirtualHost> within the macro, with the
 * macro's parameters as they stand there; only the paths are those that its Use gave, see
 * parameters.h.  A host that no file has (a <Perl> section made it) is
 * not found; nor is one whose head is not where the server says, which is the answer to any text
 * that the server reads otherwise than this walk.
 *
 * Everything lives in the arena; the bytes of the files belong to the host.
 */
#ifndef ECERT_APACHE_SCAN_H
#define ECERT_APACHE_SCAN_H

#include "plugins/apache/conditions.h"
#include "plugins/apache/dump.h"
#include "plugins/apache/lexer.h"
#include "plugins/apache/tree.h"
#include "plugins/apache/try.h"
#include "plugins/apache/variables.h"
#include "plugins/shared/pem.h"

#include <ecert/plugin.h>

enum ecert_apache_directive {
    ECERT_APACHE_ENGINE = 0,  /* SSLEngine */
    ECERT_APACHE_CERTIFICATE, /* SSLCertificateFile */
    ECERT_APACHE_KEY,         /* SSLCertificateKeyFile */
    ECERT_APACHE_CHAIN,       /* SSLCertificateChainFile */
    ECERT_APACHE_NAME,        /* ServerName */
    ECERT_APACHE_ALIAS,       /* ServerAlias, one use for each name; only where it is asked for */
    ECERT_APACHE_LISTEN,
    ECERT_APACHE_DIALOG, /* SSLPassPhraseDialog */
    ECERT_APACHE_MACRO,  /* Use; its first word is the macro's name */
};
#define ECERT_APACHE_DIRECTIVE_COUNT 9

/* One directive as it stands in a file. */
struct ecert_apache_use {
    enum ecert_apache_directive directive;
    size_t node; /* the file as it was read; ECERT_APACHE_NO_NODE: a macro's, or not read */
    struct ecert_view text;
    struct ecert_apache_piece piece;
    struct ecert_apache_word word; /* the first argument, or the alias */
    const char *value;             /* the word without quotes, ${NAME} replaced */
    const char *path; /* the file that it names, absolute; NULL: none (a key in a token), or not
                         known (${NAME} of an unknown environment, a macro's parameter) */
};

struct ecert_apache_uses {
    struct ecert_apache_use *list; /* in the server's order */
    size_t n;
};

/* The directives of a virtual host with its included files, or of the server level. */
struct ecert_apache_scope {
    struct ecert_apache_uses of[ECERT_APACHE_DIRECTIVE_COUNT];
};

/* The block of a virtual host. */
struct ecert_apache_block {
    struct ecert_apache_host *host;
    size_t order; /* in which the server read it, from 1; 0: not known (a macro, or not found) */
    bool found;   /* its head stands where the server says; otherwise the rest is empty */
    bool left;    /* it is not changed; see sharing.h */
    bool of_parameters; /* a macro with parameters made it */
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
    struct ecert_apache_tree tree;
    struct ecert_apache_variables variables;
    struct ecert_apache_loaded loaded;
    struct ecert_apache_conditions conditions;
    struct ecert_apache_block *blocks; /* one for each of the dump's hosts, in their order */
    size_t n_blocks;
    size_t n_entered; /* blocks so far */
    struct ecert_apache_scope server;
    size_t *owners; /* for each node: 1 + the block that included it; 0: none of the blocks */
    struct ecert_pem_shelf shelf;
    size_t n_probes;      /* that were wanted so far */
    const char **listens; /* by port, where this machine reaches it; NULL: not asked for yet */
};

/*
 * Fill in the rest, where host, job, arena and dump are set.  The names of the hosts are complete
 * then: aliases that the server did not list are read from the blocks.
 *
 * A file that cannot be read is the host's error; an included one that is gone meanwhile too.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_scan_run(struct ecert_apache_scan *scan,
                                                         struct ecert_error *err);

/*
 * The virtual hosts of a file that the server does not read, after the run.  What it includes is
 * not looked at.
 */
ECERT_MUST_CHECK enum ecert_status ecert_apache_scan_unread(struct ecert_apache_scan *scan,
                                                            const char *path,
                                                            struct ecert_view text,
                                                            struct ecert_apache_block **ret_blocks,
                                                            size_t *ret_n, struct ecert_error *err);

/* ECERT_E_NOMEM. */
enum ecert_status ecert_apache_no_memory(const struct ecert_apache_scan *scan,
                                         struct ecert_error *err);

/* The file that a use stands in; of a macro, the one of its definition. */
const char *ecert_apache_use_file(const struct ecert_apache_scan *scan,
                                  const struct ecert_apache_block *block,
                                  const struct ecert_apache_use *use);

/* The n-th use of a directive in a scope; NULL when there are no more. */
const struct ecert_apache_use *ecert_apache_use_at(const struct ecert_apache_scope *scope,
                                                   enum ecert_apache_directive directive, size_t n);
size_t ecert_apache_use_count(const struct ecert_apache_scope *scope,
                              enum ecert_apache_directive directive);
/* The one that the server takes where only one counts: the last; NULL: none. */
const struct ecert_apache_use *ecert_apache_use_last(const struct ecert_apache_scope *scope,
                                                     enum ecert_apache_directive directive);

#endif
