/* The tables of commands and options: parsing, --help and the documents come from them. */
#ifndef ECERT_CLI_COMMAND_H
#define ECERT_CLI_COMMAND_H

#include "core/cli/app.h"

/* What is prepared before a command runs, so that no command does it differently. */
enum ecert_command_needs {
    ECERT_COMMAND_CONFIG = 1 << 0, /* the configuration is loaded; its mistakes end the command */
    ECERT_COMMAND_STATE = 1 << 1,  /* the state directory exists */
    ECERT_COMMAND_LOCK = 1 << 2,   /* the lock is held; ECERT_EXIT_BUSY otherwise */
    /* its exit codes are those of monitoring plugins: whatever goes wrong before it is 3 */
    ECERT_COMMAND_MONITORS = 1 << 3,
    /* a network half that cannot be used is told by what asks it; the rest is done */
    ECERT_COMMAND_GOES_ON = 1 << 4,
};

struct ecert_command {
    const char *name;
    const char *operands;
    const char *help;    /* one line */
    const char *details; /* paragraphs for its own --help */
    int (*run)(struct ecert_app *app);
    unsigned needs;
    int min_args, max_args;
    const char *options; /* its own, beside those of every command: " target to " */
};

/* The row of a name, or NULL; the table's end for `ecert --help`. */
const struct ecert_command *ecert_command_find(const char *name);
void ecert_command_names(struct ecert_strings *ret);

/* The whole help, and that of one command. */
void ecert_help(struct ecert_buffer *out);
void ecert_help_command(const struct ecert_command *command, struct ecert_buffer *out);

/*
 * argv to options and command.  ECERT_E_CONFIG: the sentence names the word and what to do;
 * `--help` and `--version` without a command leave *ret_command NULL.
 */
ECERT_MUST_CHECK enum ecert_status ecert_command_line(int argc, char *argv[],
                                                      struct ecert_options *ret,
                                                      const struct ecert_command **ret_command,
                                                      struct ecert_error *err);

/*
 * What can be told of a command line that ecert_command_line() refused: whether --json stands
 * anywhere on it, and its command, NULL if that is not known.
 */
void ecert_command_line_guess(int argc, char *argv[], bool *ret_json,
                              const struct ecert_command **ret_command);

#endif
