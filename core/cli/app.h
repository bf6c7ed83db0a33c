/*
 * The command line: the only layer that prints.  A command is a row of the table in command.c; it
 * gets an app that is prepared as its row asks for, and returns an exit code.
 */
#ifndef ECERT_CLI_APP_H
#define ECERT_CLI_APP_H

#include <jansson.h>

#include "core/flow/context.h"

/*
 * Exit codes, documented in --help and README.  `ecert check` alone has the convention of
 * monitoring plugins, enum ecert_urgency: 0 fine, 1 due, 2 critical, 3 could not tell.
 */
enum ecert_exit {
    ECERT_EXIT_OK = 0,       /* done, or nothing to do */
    ECERT_EXIT_FAILED = 1,   /* something failed */
    ECERT_EXIT_USAGE = 2,    /* usage or configuration */
    ECERT_EXIT_BUSY = 4,     /* another run holds the lock */
    ECERT_EXIT_CHANGES = 10, /* `plan --exit-code`: there is something to change */
};

/* How often an option that may be repeated is taken. */
#define ECERT_OPTION_REPEATS 32

/* What the options said; texts point into argv. */
struct ecert_options {
    const char *config;
    bool json, quiet, verbose, help, version;
    const char *target;
    const char *to;
    const char *name;
    const char *password_file;
    const char *authority;
    bool exit_code;
    bool reference;
    bool offline, nagios;
    const char *prometheus;
    bool test, owed;
    const char *failed;
    const char *until, *note;
    const char *language;
    bool all, another, no_backup, no_caa, new_header, cancel, list;
    const char *reason, *sheet, *id;
    bool check;
    const char *key;
    const char *plugins[ECERT_OPTION_REPEATS + 1]; /* NULL-ended, as those below */
    const char *commands[ECERT_OPTION_REPEATS + 1];
    const char *output;
    const char *const *args; /* operands, NULL-ended */
};

struct ecert_app {
    struct ecert_options options;
    struct ecert_config config;
    struct ecert_context context;
    int lock_fd;
    struct ecert_strings operands; /* of options.args, where they name certificates */
    json_t *json;                  /* the object that --json prints; NULL without it */
};

/* The exit code that goes with a status. */
int ecert_exit_of(enum ecert_status status);

/* ---- printing (say.c); texts from outside are escaped for a terminal ---- */

/* A line on standard output; nothing with --json or --quiet. */
void ecert_say(const struct ecert_app *app, const char *fmt, ...) ECERT_PRINTF(2, 3);

/* As ecert_say(), only with --verbose. */
void ecert_say_more(const struct ecert_app *app, const char *fmt, ...) ECERT_PRINTF(2, 3);

/* Text with line ends of its own, as it stands but for control bytes. */
void ecert_say_text(const struct ecert_app *app, struct ecert_view text);

/*
 * As ecert_say(), with `prefix` in front as it stands (colours): ours, never a text from outside.
 */
void ecert_say_behind(const struct ecert_app *app, const char *prefix, const char *fmt, ...)
    ECERT_PRINTF(3, 4);

/*
 * A name as people read it: Chinese, with the A-labels behind it where they differ
 * (core/flow/host_name.h).  `*buffer` owns the text if there is a need for one.
 */
const char *ecert_name_shown(const char *name, char **buffer);

/*
 * The host name of a JSON object that is about one certificate: "name", its A-labels, and
 * "unicode_name", what they stand for, null where that is the same or cannot be shown.
 */
void ecert_tell_names(json_t *row, const char *name);

/*
 * As ecert_say(), in lines that fit the terminal (80 columns where there is none), `first` before
 * the first (core/base/paragraph.h).
 */
void ecert_say_paragraph(const struct ecert_app *app, const char *first, const char *text,
                         const char *const *whole);

/* "ecert: ..." on standard error, and into "errors" of the JSON. */
void ecert_complain(struct ecert_app *app, const char *fmt, ...) ECERT_PRINTF(2, 3);

/* A line that belongs to the complaint before it, as it is; the JSON has it elsewhere. */
void ecert_complain_behind(const struct ecert_app *app, const char *fmt, ...) ECERT_PRINTF(2, 3);

/* What is no error, but worth a word: a line on standard output, and in "warnings" of the JSON. */
void ecert_remark(struct ecert_app *app, const char *fmt, ...) ECERT_PRINTF(2, 3);

/* Add to the JSON object; does nothing without --json.  Takes the reference over. */
void ecert_tell(struct ecert_app *app, const char *key, json_t *value);

/* ---- the commands, one file for those that belong together ---- */

int ecert_cmd_adopt(struct ecert_app *app);
int ecert_cmd_discover(struct ecert_app *app);
int ecert_cmd_init(struct ecert_app *app);
int ecert_cmd_import(struct ecert_app *app);
int ecert_cmd_backup(struct ecert_app *app);
int ecert_cmd_restore(struct ecert_app *app);
int ecert_cmd_fetch(struct ecert_app *app);
int ecert_cmd_plan(struct ecert_app *app);
int ecert_cmd_deploy(struct ecert_app *app);
int ecert_cmd_rollback(struct ecert_app *app);
int ecert_cmd_run(struct ecert_app *app);
int ecert_cmd_status(struct ecert_app *app);
int ecert_cmd_verify(struct ecert_app *app);
int ecert_cmd_check(struct ecert_app *app);
int ecert_cmd_remind(struct ecert_app *app);
int ecert_cmd_ack(struct ecert_app *app);
int ecert_cmd_report(struct ecert_app *app);
int ecert_cmd_request(struct ecert_app *app);
int ecert_cmd_plugins(struct ecert_app *app);
int ecert_cmd_config(struct ecert_app *app);

#endif
