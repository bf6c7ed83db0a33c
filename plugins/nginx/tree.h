/*
 * One configuration file as a tree of the directives that matter here.
 *
 * Kept: blocks in which a server block or a log can stand (http, stream, mail, server, location,
 * if, limit_except) and the directives of ECERT_NGINX_* below.  Everything else is passed over:
 * the inside of map, types, upstream, of blocks of modules that nobody here has heard of and of
 * what is nested more than 100 deep is not even looked at, only its braces counted.
 * A directive knows where it stands in the file, to the byte, so that an edit can leave all other
 * bytes alone.
 *
 * Reading is linear in the length of the file.
 */
#ifndef ECERT_NGINX_TREE_H
#define ECERT_NGINX_TREE_H

#include "plugins/shared/arena.h"
#include "plugins/shared/pem.h"

#include <ecert/plugin.h>

#include <stdbool.h>

/* Leave the function when a call did not succeed. */
#define ECERT_NGINX_TRY(call)                        \
    do {                                             \
        const enum ecert_status try_status = (call); \
        if (try_status != ECERT_OK)                  \
            return try_status;                       \
    } while (0)

/* What every step of the plan needs.  `host` and `job` are borrowed. */
struct ecert_nginx {
    const struct ecert_host *host;
    struct ecert_job *job;
    struct ecert_arena arena;
    struct ecert_pem_shelf shelf; /* the certificates that server blocks use */

    /* for the next file to be parsed, and the next value to be written */
    struct ecert_nginx_word *words;
    size_t n_words;
    struct {
        const char *path, *word;
        char quote;
    } encoded[4];
    size_t n_encoded;
};

enum ecert_nginx_kind {
    ECERT_NGINX_NONE = 0, /* not kept */
    ECERT_NGINX_HTTP,
    ECERT_NGINX_STREAM,
    ECERT_NGINX_MAIL,
    ECERT_NGINX_SERVER,
    ECERT_NGINX_LOCATION, /* location, if, limit_except */
    ECERT_NGINX_INCLUDE,
    ECERT_NGINX_LISTEN,
    ECERT_NGINX_SERVER_NAME,
    ECERT_NGINX_SSL,
    ECERT_NGINX_CERTIFICATE,
    ECERT_NGINX_CERTIFICATE_KEY,
    ECERT_NGINX_PASSWORD_FILE,
    ECERT_NGINX_REJECT_HANDSHAKE,
    ECERT_NGINX_STARTTLS,
    ECERT_NGINX_PROTOCOL,
    ECERT_NGINX_PID,
    ECERT_NGINX_ERROR_LOG,
    ECERT_NGINX_ACCESS_LOG,
};

struct ecert_nginx_file;
struct ecert_nginx_server;

/* A word as it stands in the file, quotes included. */
struct ecert_nginx_word {
    uint32_t start;
    uint32_t len;
};

struct ecert_nginx_directive {
    struct ecert_nginx_file *file;
    struct ecert_nginx_directive *parent; /* NULL: the file itself */
    struct ecert_nginx_directive *next;
    union {
        struct { /* of a block */
            struct ecert_nginx_directive *first, *last;
        };
        struct {                                   /* of a certificate or key */
            const char *path;                      /* NULL: not a plain file */
            const struct ecert_nginx_server *user; /* the chosen block for which `ours` was set */
        };
    };
    struct ecert_nginx_word *words; /* the arguments, without the name */
    uint32_t n_words;
    uint32_t start; /* of the name */
    uint32_t open;  /* behind "{"; 0: not a block */
    uint32_t end;   /* behind ";" or "}" */
    uint32_t line;
    uint32_t open_line; /* of "{" */
    enum ecert_nginx_kind kind;
    bool resolved;                             /* `path` is what it will be */
    bool ours;                                 /* it names the target's file, or will */
    const struct ecert_nginx_server *outsider; /* a block that uses it and that the certificate
                                                  is not for; NULL: none */
};

/* Bytes to be replaced: [start, end) by `text`; start == end inserts. */
struct ecert_nginx_edit {
    uint32_t start, end;
    const char *text;
};

struct ecert_nginx_file {
    const char *path;
    struct ecert_view text; /* belongs to the host */
    struct ecert_nginx_directive *first, *last;
    struct ecert_nginx_edit *edits;
    size_t n_edits;
    struct ecert_nginx_file *next_in_bucket, *next;
};

/*
 * Fills in first and last from path and text.  ECERT_E_CONFIG, naming file and line: braces that
 * do not match, a directive without its end: nginx refuses such a file, too.  ECERT_E_NOMEM.
 */
enum ecert_status ecert_nginx_parse(struct ecert_nginx *env, struct ecert_nginx_file *file,
                                    struct ecert_error *err);

/* Argument `i` as nginx understands it; NULL: no memory. */
char *ecert_nginx_argument(struct ecert_nginx *env, const struct ecert_nginx_directive *directive,
                           uint32_t i);

/* True if argument `i` exists and is exactly this text. */
bool ecert_nginx_argument_is(const struct ecert_nginx_directive *directive, uint32_t i,
                             const char *text);

/* The failure that all of the plugin reports in the same way. */
enum ecert_status ecert_nginx_no_memory(const struct ecert_nginx *env, struct ecert_error *err);

#endif
