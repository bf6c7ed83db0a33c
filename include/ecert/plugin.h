/*
 * The plugin contract of ecert.
 *
 * A plugin is a planner for one kind of server.  Given a validated certificate and the settings of
 * one target it looks at the server and says what should change: files, the command that tests
 * them, the command that activates them, what must be alive afterwards, and where the new
 * certificate must then be served.  It changes nothing itself.  The core carries the plan out, all
 * or nothing, proves it by a handshake, or puts everything back.
 *
 * A plugin is a shared object that exports exactly one symbol, the constant `ecert_plugin`, and
 * has no undefined symbol of the core (link with -Wl,-z,defs).  Everything that it needs comes
 * through the table `struct ecert_host` handed to plan() and discover().  plugins/example is the
 * smallest complete one.
 *
 * Where it runs: the core loads the plugin and calls plan() or discover() in a forked worker
 * process with a time limit (120 seconds) and bounded output (64 MiB of records).  A plugin that
 * crashes, hangs or babbles fails its own target only.  Every record is validated again by the
 * core.
 *
 * Memory: whatever the host returns lives until that function returns and belongs to the host; what
 * read_file and run gave can be given back before (`forget`).
 * Whatever the plugin passes to the host is copied before the call returns.
 *
 * Versions: `abi` changes when the contract breaks; `size` grows when something is added at the
 * end of a structure.  Both are read before anything else.
 */
#ifndef ECERT_PLUGIN_H
#define ECERT_PLUGIN_H

#include <ecert/status.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECERT_PLUGIN_ABI 1u

#define ECERT_EXPORT __attribute__((visibility("default")))

/* ---- settings ---------------------------------------------------------------------------- */

enum ecert_setting_type {
    ECERT_SETTING_STRING = 1,
    ECERT_SETTING_INTEGER = 2,
    ECERT_SETTING_BOOLEAN = 3,
    ECERT_SETTING_PATH = 4,             /* an absolute path without "." or ".." */
    ECERT_SETTING_LIST = 5,             /* an array of strings */
    ECERT_SETTING_COMMAND = 6,          /* an argv: array of strings, the first an absolute path */
    ECERT_SETTING_OUTPUT_DIRECTORY = 7, /* a path; the plan may write files below it */
};

/*
 * One setting of a target.  The core checks the configuration with this table and prints the
 * reference from it.  The table ends with a row whose name is NULL.
 */
struct ecert_setting {
    const char *name; /* as in the configuration: lower case, "_" between words */
    enum ecert_setting_type type;
    bool required;
    const char *default_value; /* NULL: none.  Lists and commands: words separated by blanks */
    const char *help;          /* one sentence, no full stop */
};

/* ---- what the core knows of the certificate ------------------------------------------------ */

/* The four files of a certificate, as servers name them. */
enum ecert_material {
    ECERT_MATERIAL_KEY = 0,         /* private key, PEM (PKCS#8) */
    ECERT_MATERIAL_CERTIFICATE = 1, /* the leaf alone, PEM */
    ECERT_MATERIAL_CHAIN = 2,       /* issuers from the leaf's upwards, no root, PEM */
    ECERT_MATERIAL_FULLCHAIN = 3,   /* leaf, then chain, PEM */
};
#define ECERT_MATERIAL_COUNT 4

/* Facts of the leaf.  Times are seconds since 1970-01-01 UTC; hexadecimal is upper case. */
struct ecert_leaf_facts {
    uint32_t size;                /* sizeof the structure that the core filled in */
    const char *common_name;      /* subject CN, UTF-8, "" if absent */
    const char *const *dns_names; /* subject alternative names of type dNSName, NULL-ended */
    const char *key_type;         /* "rsa" or "ec" */
    int64_t not_before;
    int64_t not_after;
    const char *serial;        /* hexadecimal */
    const char *sha256;        /* fingerprint, hexadecimal */
    const char *sha1;          /* Windows calls it the thumbprint */
    const char *replaced_sha1; /* thumbprint of what this target had before; NULL: nothing */
};

/* ---- the plan's records -------------------------------------------------------------------- */

/*
 * This path shall hold these bytes.
 *
 * `path` is absolute, without "." or ".." parts; where it is a symbolic link, the file behind it
 * is replaced and the link stays.  It must lie below a directory that the target may write: the
 * descriptor's `may_write`, the target's `may_write` of the configuration, or a setting of type
 * ECERT_SETTING_OUTPUT_DIRECTORY.
 *
 * `expected` are the bytes that the plugin saw there: the core voids the plan if the file holds
 * something else when it is carried out.  expected.ptr == NULL: the file does not exist yet.
 * Several targets may change different lines of one file: the core merges them.
 */
struct ecert_file_record {
    uint32_t size; /* sizeof(struct ecert_file_record) */
    const char *path;
    struct ecert_view content;
    struct ecert_view expected;
    bool secret;      /* contents are never shown, mode is never wider than 0640 */
    int64_t uid, gid; /* -1: as the file that is replaced, else as its directory */
    int32_t mode;     /* -1: as the file that is replaced, else 0644 (secret: 0600) */
};

/* Reload a service so that it takes the new files. */
struct ecert_activate_record {
    uint32_t size;             /* sizeof(struct ecert_activate_record) */
    const char *service;       /* its unit, "nginx.service": one service, one reload per run */
    const char *const *reload; /* argv of the server's own command, NULL-ended */
    const char *const *start;  /* argv that starts it again should the reload kill it */
    const char *pid_file;      /* NULL: not known; then the service counts as running */
    const char *executable;    /* /proc/PID/exe of the server, e.g. /usr/sbin/nginx */
    int32_t reload_signal;     /* SIGHUP, SIGUSR1 or SIGUSR2: what the server's own command sends to
                                  PID, after reading the configuration once more; 0: none.  It is
                                  sent instead of running `reload` where the configuration has just
                                  been tested and reload[0] is the program that runs */
};

/* Here the new leaf and a complete chain must be served. */
struct ecert_probe_record {
    uint32_t size;       /* sizeof(struct ecert_probe_record) */
    const char *address; /* numeric IPv4 or IPv6 address, never a wildcard address */
    uint16_t port;
    const char *server_name; /* sent as SNI; NULL: none */
    const char *starttls;    /* NULL (TLS at once), "smtp", "imap", "pop3" or "ftp" */
};

/*
 * A site that the server has at present: which names, where that stands, and which key and
 * certificate it uses.  Paths are absolute; the core reads them, and judges what it finds there.
 *
 * discover() emits one for each site, for `ecert discover`, `init` and `adopt`; those that stand
 * ready but are not read by the server (Debian's sites-available without a link) too.
 * plan() emits one for each site that it looked at, and says by `taken` and `why` what becomes of
 * it: `ecert plan` shows them.  Those that it emitted before it failed are shown with the failure:
 * an error's text is short, so the sites that it is about are emitted with `refused`, however many
 * they are, and the text counts them.
 */
struct ecert_site_record {
    uint32_t size;            /* sizeof(struct ecert_site_record) */
    const char *kind;         /* in the server's words: "server block", "virtual host" */
    const char *const *names; /* NULL-ended, as the configuration has them: wild ones too; what
                                 stands for names that are not known (a regular expression) not */
    const char *file;         /* where it stands; NULL: in no file, or in one that makes several */
    uint32_t line;            /* 0: not known */
    const struct ecert_probe_record *const *addresses; /* where this machine reaches it; NULL-ended,
                                                          may be NULL */
    const char *certificate; /* the leaf, with or without its chain; NULL: none, or not a file */
    const char *key;         /* NULL: none of its own, or not a file.  Of several pairs the one of
                                leaf(job)->key_type, else the first */
    const char *chain;       /* a file for the issuers alone, as Apache has it; NULL: none */
    bool enabled;            /* it speaks TLS, so that the three are in use */

    /* -- members of later versions: read if `size` reaches behind the last of them -- */
    bool tls;        /* it speaks TLS, or would if the server read it; at least `enabled` */
    bool taken;      /* plan(): it gets, or has already, the target's certificate */
    bool refused;    /* plan(): because of it the plan fails; never with `taken` */
    const char *why; /* one clause without a full stop.  plan(): why it was taken or left ("it has
                        the name 'www.example.com'", "it listens without ssl"); discover(): what
                        there is to say of it ("not enabled: nothing in sites-enabled leads to
                        it"); NULL: nothing */
};

/* What version 1 of the contract knew of a site. */
#define ECERT_SITE_RECORD_SIZE_V1 offsetof(struct ecert_site_record, tls)

/* What a command said.  Each stream is cut at 16 MiB. */
struct ecert_command_result {
    int exit_code; /* 128 + N when signal N ended it */
    struct ecert_view out;
    struct ecert_view err;
};

/* ---- what the core lends -------------------------------------------------------------------- */

struct ecert_job; /* one target being planned; opaque */

struct ecert_host {
    uint32_t abi;
    uint32_t size;

    /* -- the target and its certificate; none of these fails -- */

    /* The managed certificate's name, and the target's id: for sentences. */
    const char *(*certificate)(const struct ecert_job *job);
    const char *(*target)(const struct ecert_job *job);

    /*
     * The names whose sites this target is for, lower case, A-labels, NULL-ended: the target's
     * `server_names`, or every dNSName of the leaf.  In the first case *ret_explicit is true and
     * each of them must be found; in the second one found is enough.
     */
    const char *const *(*server_names)(const struct ecert_job *job, bool *ret_explicit);

    /* Is this host name covered by the leaf (RFC 9525: exact, or "*" as the whole left label)? */
    bool (*covers)(const struct ecert_job *job, const char *host_name);

    /*
     * A setting as text: the configuration's value, else the default; NULL if there is neither.
     * Booleans are "true" or "false", integers decimal.  `setting_list` for lists and commands.
     */
    const char *(*setting)(const struct ecert_job *job, const char *name);
    const char *const *(*setting_list)(const struct ecert_job *job, const char *name);

    /*
     * Where the server will find a material once the plan is carried out; NULL if this target does
     * not get it.  Without `files` in the configuration all four exist (a key only where there is
     * one on this host); with `files`, those which it names.
     */
    const char *(*path)(const struct ecert_job *job, enum ecert_material which);

    /*
     * The PEM text of a material.  The key only for plugins with ECERT_NEEDS_PRIVATE_KEY; ptr is
     * NULL where there is none or it is not permitted.
     */
    struct ecert_view (*material)(const struct ecert_job *job, enum ecert_material which);

    const struct ecert_leaf_facts *(*leaf)(const struct ecert_job *job);

    /* -- looking at the server -- */

    /*
     * The bytes of a regular file (symbolic links are followed); ret->ptr is not NULL, even if
     * the file is empty.  ECERT_E_NOT_FOUND: no such file.  ECERT_E_REFUSED: not a regular file, or
     * more than max_len bytes.  ECERT_E_IO.
     */
    enum ecert_status (*read_file)(struct ecert_job *job, const char *path, size_t max_len,
                                   struct ecert_view *ret, struct ecert_error *err);

    /* Paths that match a glob(7) pattern, sorted, NULL-ended; none is not an error. */
    enum ecert_status (*glob)(struct ecert_job *job, const char *pattern, const char *const **ret,
                              struct ecert_error *err);

    /*
     * Run a command that only reads: no shell, a fixed minimal environment, standard input empty,
     * 60 seconds.  argv[0] is an absolute path.  A non-zero exit is not an error here: see
     * exit_code.  ECERT_E_IO: cannot be started.  ECERT_E_TIMEOUT.
     */
    enum ecert_status (*run)(struct ecert_job *job, const char *const *argv,
                             struct ecert_command_result *ret, struct ecert_error *err);

    /* -- the plan; all copy what they are given.  ECERT_E_PLUGIN: the record is not valid -- */

    enum ecert_status (*emit_file)(struct ecert_job *job, const struct ecert_file_record *file,
                                   struct ecert_error *err);

    /*
     * A command that judges the new files: exit 0 means that the server would accept them.  It
     * runs in a private view of the file system in which the new files are in place and whatever
     * it writes is thrown away.  `scratch` (may be NULL, NULL-ended): files that it opens for
     * writing, such as logs; it sees them empty.
     */
    enum ecert_status (*emit_test)(struct ecert_job *job, const char *const *argv,
                                   const char *const *scratch, struct ecert_error *err);

    /* At most one per plan; none: the files alone are the deployment. */
    enum ecert_status (*emit_activate)(struct ecert_job *job,
                                       const struct ecert_activate_record *activate,
                                       struct ecert_error *err);

    enum ecert_status (*emit_probe)(struct ecert_job *job, const struct ecert_probe_record *probe,
                                    struct ecert_error *err);

    /*
     * A sentence for the operator: what was found, what was left alone and why.  Shown with
     * --verbose; one with "next, by hand: " always, when files of the plan were written.
     */
    enum ecert_status (*emit_note)(struct ecert_job *job, const char *text,
                                   struct ecert_error *err);

    /*
     * Say why the plan cannot be made: fills in `err` and returns `status`, so that
     * `return host->fail(err, ECERT_E_CONFIG, "...", ...)` reads well.
     */
    enum ecert_status (*fail)(struct ecert_error *err, enum ecert_status status, const char *fmt,
                              ...) ECERT_PRINTF(3, 4);

    /* -- members of later versions: there if `size` reaches behind them (ECERT_HOST_HAS) -- */

    /*
     * Is the key at path(ECERT_MATERIAL_KEY) encrypted (PKCS#8)?  The server must then get the
     * passphrase by its own means; a plan for one that cannot is refused with the directive to
     * write.  material(ECERT_MATERIAL_KEY) is never encrypted.
     */
    bool (*key_is_encrypted)(const struct ecert_job *job);

    /*
     * A site that discover() found or plan() looked at; copied.  ECERT_E_PLUGIN: the record is not
     * valid.
     */
    enum ecert_status (*emit_site)(struct ecert_job *job, const struct ecert_site_record *site,
                                   struct ecert_error *err);

    /*
     * These bytes, exactly as read_file or run gave them, are not looked at any more: who reads
     * thousands of files does not keep them all.  Anything else is passed over.
     */
    void (*forget)(struct ecert_job *job, struct ecert_view bytes);
};

/* ---- the descriptor -------------------------------------------------------------------------- */

/* Make the plan of one target.  On any other status than ECERT_OK, `err` says why. */
/* Does this host have a member that was added at the end of the table later? */
#define ECERT_HOST_HAS(host, member) \
    ((host)->size >= offsetof(struct ecert_host, member) + sizeof((host)->member))

typedef enum ecert_status ecert_plan_fn(const struct ecert_host *host, struct ecert_job *job,
                                        struct ecert_error *err);

/*
 * Say which sites the server has, with a name or without, by emit_site; emit_note is the only other
 * record.  Which of them the target is for, the core decides.
 *
 * The target's settings are there as in plan(); what is known of a certificate is not, because
 * there is none yet: leaf() has the key type that is looked for and no names, covers() is false,
 * path() NULL, material() empty.  server_names() are those that are looked for.  A core that calls
 * this has `emit_site`.
 */
typedef enum ecert_status ecert_discover_fn(const struct ecert_host *host, struct ecert_job *job,
                                            struct ecert_error *err);

/* `needs` bits */
#define ECERT_NEEDS_PRIVATE_KEY 0x1u /* material(ECERT_MATERIAL_KEY) answers */

struct ecert_plugin {
    uint32_t abi;     /* ECERT_PLUGIN_ABI */
    uint32_t size;    /* sizeof(struct ecert_plugin) */
    const char *name; /* as in the configuration; the file is NAME.so */
    const char *version;
    const char *summary;                  /* one line, no full stop */
    const struct ecert_setting *settings; /* ends with a row whose name is NULL; may be NULL */
    uint32_t needs;
    ecert_plan_fn *plan;
    ecert_discover_fn *discover;  /* NULL: it cannot tell */
    const char *const *may_write; /* directories the plan may write below; NULL-ended,
                                     may be NULL.  At least two parts: "/etc/nginx" */

    /* -- members of later versions: read if `size` reaches behind them -- */
    const char *const *programs; /* where the program of the setting `command` lies on the systems
                                    that are known, the most usual first; NULL-ended, may be NULL.
                                    `ecert discover` and `ecert init` take each that is there, and
                                    say that they looked for these where there is none */
};

/* What version 1 of the contract promises; a descriptor may be larger, never smaller. */
#define ECERT_PLUGIN_SIZE_V1 offsetof(struct ecert_plugin, programs)

/* Declared here so that a plugin's definition is checked against it. */
extern ECERT_EXPORT const struct ecert_plugin ecert_plugin;

#ifdef __cplusplus
}
#endif

#endif
