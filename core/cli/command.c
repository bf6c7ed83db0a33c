#include "core/cli/command.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/flow/nearest.h"

#define ALL   64 /* operands: as many as fit a command line */
#define STORE (ECERT_COMMAND_CONFIG | ECERT_COMMAND_STATE)

/* clang-format off */
static const struct ecert_command commands[] = {
    {"run", "", "the timer's job: recover, fetch, deploy what needs it, remind",
     "Asks every source for issued certificates, checks them, and deploys to every target that does\n"
     "not have what it shall have. A target that failed is tried again, with growing pauses up to a\n"
     "day. Nothing to do is done in a moment. --verbose shows the differences in the files.\n"
     "Then everything is checked, and people are told what is due (see `ecert remind`), and once a\n"
     "week how it all stands; what a channel does not accept is still owed: it is said, shown by\n"
     "`ecert status` and tried again, and does not change the exit code.",
     ecert_cmd_run, STORE | ECERT_COMMAND_LOCK, 0, 0, ""},
    {"discover", "", "every TLS site of this host: names, addresses, certificate, end, key, chain",
     "Asks each installed plugin for the sites of its servers: those of the configuration's targets,\n"
     "else each program of its list that is here (`ecert plugins` shows it). Works without a\n"
     "configuration; what a user who is not root cannot read is said. --all shows the sites without\n"
     "TLS, too. --command names a server that is somewhere else, and may be repeated.",
     ecert_cmd_discover, 0, 0, 0, " all plugin command "},
    {"init", "", "write a first configuration out of what this host has",
     "Looks as `ecert discover` does, and writes an entry for each certificate that is in use, with the\n"
     "servers and files that use it: then `ecert adopt` takes them over, and `ecert plan` is empty. What\n"
     "cannot be taken over stands there as a comment that says why. Writes the file of --config, or\n"
     "--output (\"-\": standard output); a file that is there is never written over.",
     ecert_cmd_init, 0, 0, 0, " output plugin command "},
    {"adopt", "[NAME...]", "take over the key and certificate that a server uses already",
     "Asks each target's plugin which site it is and which files that uses, reads them, and keeps them\n"
     "as the first generation; the target counts as having it. The server and its files are not\n"
     "touched: `ecert run` has nothing to do until a renewal comes, which is deployed like any other,\n"
     "and `ecert rollback` leads back. What an issued file would be refused for is told. `ecert deploy`\n"
     "points the server at ecert's files at once. A target that has a generation is left alone.",
     ecert_cmd_adopt, STORE | ECERT_COMMAND_LOCK, 0, ALL, " target "},
    {"import", "FILE...", "take issued files in any form, match them to their keys",
     "PEM, DER, PKCS#7 or PKCS#12, told apart by content. Each file is matched to a configured key by\n"
     "its public key, its chain is built and every check is run; only then a new generation is kept.\n"
     "The files stay where they are. Deploy with `ecert deploy` or `ecert run`.",
     ecert_cmd_import, STORE | ECERT_COMMAND_LOCK, 1, ALL, " name password-file "},
    {"fetch", "[NAME...]", "ask every source, get the chain",
     "Takes the files of the inbox and asks the URL sources. A file that is not usable is moved to\n"
     "inbox/rejected/ with the reason beside it; the others are still taken. Deploys nothing.",
     ecert_cmd_fetch, STORE | ECERT_COMMAND_LOCK, 0, ALL, ""},
    {"plan", "[NAME...]", "what deploy would do, as a unified diff; changes nothing",
     "Shows every change that `ecert deploy` would make to a server's files, and which links would be\n"
     "switched. Says of each site that was looked at why it is taken or left; more than 20 left for one\n"
     "reason are counted, and --verbose shows each. Keys are never shown. Files are compared, nothing\n"
     "else: whether a server accepts its configuration is tested by `ecert deploy` before it changes\n"
     "something. With --exit-code the exit code is 10 if there is something to change.",
     ecert_cmd_plan, STORE | ECERT_COMMAND_LOCK, 0, ALL, " target exit-code "},
    {"deploy", "[NAME...]", "do it, prove it by a handshake, or put everything back",
     "Installs the newest generation on every target (or the one that a rollback chose), also on those\n"
     "that failed lately. The server tests the new configuration before anything is changed; after\n"
     "the reload a handshake must show the new certificate and its chain.",
     ecert_cmd_deploy, STORE | ECERT_COMMAND_LOCK, 0, ALL, " target "},
    {"rollback", "NAME", "an earlier generation",
     "Deploys an earlier generation in the same way, and keeps it until a newer certificate is taken\n"
     "or `ecert rollback NAME --to N` chooses another. --to 0 puts the server's files back as they were\n"
     "before ecert changed them first (what others changed since stays), and `ecert run` leaves them so\n"
     "until a newer certificate is taken, or `ecert deploy` or `--to N` says otherwise.",
     ecert_cmd_rollback, STORE | ECERT_COMMAND_LOCK, 1, 1, " target to "},
    {"status", "[NAME...]", "certificate by target: generation, end, what is served now, what is owed",
     "Asks each live server what it serves at this moment. It reports, so that a target that failed, is\n"
     "owed or serves another certificate does not change the exit code: 0 if everything could be told,\n"
     "1 if something in the state directory could not be read.",
     ecert_cmd_status, STORE, 0, ALL, ""},
    {"verify", "FILE...", "every check on an issued file, one row each; takes nothing in",
     "Runs the checks that a certificate must pass before it is installed. Without a matching entry of\n"
     "the configuration, --authority says by which profile (default: system). Chain files and CRLs\n"
     "that are fetched for it are kept in the cache.",
     ecert_cmd_verify, STORE, 1, ALL, " name password-file authority "},
    {"check", "[NAME...]", "how everything stands whose expiry is followed, by urgency",
     "Looks at every certificate, what its live servers serve, every watch, chains, anchors, CRLs,\n"
     "subscriptions and the inbox; what cannot be read is told like any other finding. Changes nothing\n"
     "and reminds nobody. Fine ones are counted, and listed with --verbose.\n"
     "\n"
     "It leaves with the codes of monitoring plugins: 0 fine, 1 due, 2 critical, 3 could not tell.",
     ecert_cmd_check, STORE | ECERT_COMMAND_MONITORS | ECERT_COMMAND_GOES_ON, 0, ALL, " offline nagios prometheus "},
    {"remind", "", "check, and tell people what is due; what is owed until it is accepted",
     "Checks everything, writes down what crossed a threshold, and sends it over the channels of\n"
     "`reminders`, also what waits for its next try; `ecert run` does the same at the end, but leaves\n"
     "to wait what waits. --owed checks nothing and sends only what is owed and need not wait. --test\n"
     "sends a test over each channel and to every contact, and says who accepted it. --failed tells\n"
     "that a systemd unit failed.",
     ecert_cmd_remind, STORE | ECERT_COMMAND_LOCK | ECERT_COMMAND_GOES_ON, 0, 0, " test owed failed offline "},
    {"ack", "NAME", "quiet the reminders of a certificate or watch until a day",
     "No reminder of it goes out until the end of that day; `ecert check` shows it as before. An\n"
     "earlier one of the same name is replaced. Each is recorded with who, when and the note.",
     ecert_cmd_ack, STORE | ECERT_COMMAND_LOCK, 1, 1, " until note "},
    {"report", "FILE.html", "the picture: one page with a timeline, to look at, print or send",
     "Checks everything and writes one HTML file that needs nothing but itself: what needs action, the\n"
     "next 400 days with the reminders on them, what each live server serves, what is waiting. An older\n"
     "file is replaced whole. --language en or zh_HK (default: that of `reminders`).",
     ecert_cmd_report, STORE | ECERT_COMMAND_GOES_ON, 1, 1, " offline language "},
    {"request", "[NAME...]", "key, backup and CSR, and what the people do until the certificate is back",
     "Makes a key and a certificate signing request as the CA's guide wants it. Both are on disk and\n"
     "the key is backed up before the request is shown, with the steps for the people in between. A\n"
     "name whose request is pending gets no second one: its request is shown again (the newest, or that\n"
     "of --id). What comes back is matched by public key, whichever request it is for. The PIN of the\n"
     "CA is never asked for.\n"
     "\n"
     "--all --reason TEXT asks for every certificate of the configuration at once, in an emergency.\n"
     "--list shows what is pending and what is awaited from whom (with --all: every request), and\n"
     "--list --sheet makes their sheet again. --cancel NAME gives a request up; its key and CSR stay.",
     ecert_cmd_request, STORE | ECERT_COMMAND_LOCK, 0, ALL,
     " all reason another no-backup no-caa new-header sheet language cancel id list "},
    {"backup", "[NAME...]", "write what is missing of the keys' backups; --check opens them",
     "Every key that `ecert request` made is backed up at every place of the group `backup`, before\n"
     "its request is shown; this writes what is missing, because a place was away or is new. A backup\n"
     "is never replaced. --check looks at each: are the bytes the ones that were written, and do they\n"
     "open, with the passphrase of the configuration or --password-file, or a recipient's --key (whose\n"
     "own password is in --password-file then)? It leaves with 1 if one is not in order or a configured\n"
     "place has none; what lies elsewhere is only named. `openssl cms -decrypt -inform DER` opens a\n"
     "backup without ecert.",
     ecert_cmd_backup, STORE | ECERT_COMMAND_LOCK, 0, ALL, " check key password-file "},
    {"restore", "FILE", "put a lost key and its request back from a backup",
     "Opens the backup as `ecert backup --check` does, and puts back what is lost or damaged: the whole\n"
     "request, or its key alone. What is there and differs is kept beside it. A request that comes back\n"
     "is issued if a certificate for its key was taken already, else open: the certificate that the CA\n"
     "issues for it is then taken like any other.",
     ecert_cmd_restore, STORE | ECERT_COMMAND_LOCK, 1, 1, " key password-file "},
    {"plugins", "", "what is installed, its ABI, its settings", "",
     ecert_cmd_plugins, ECERT_COMMAND_CONFIG, 0, 0, ""},
    {"config", "", "check the configuration; --reference prints every key",
     "Reports every mistake at once, each with file, line and the nearest known key.",
     ecert_cmd_config, 0, 0, 0, " reference "},
};

/* `argument` NULL: a switch.  `offset` says where it is kept. */
static const struct option_row {
    const char *name;
    char letter;
    const char *argument;
    size_t offset;
    bool everywhere;
    const char *help;
} options[] = {
    {"config", 'c', "FILE", offsetof(struct ecert_options, config), true,
     "the configuration (default " ECERT_CONFIG_DEFAULT ")"},
    {"json", 'j', NULL, offsetof(struct ecert_options, json), true,
     "print one JSON object instead of text"},
    {"quiet", 'q', NULL, offsetof(struct ecert_options, quiet), true, "print errors only"},
    {"verbose", 'v', NULL, offsetof(struct ecert_options, verbose), true,
     "print what was looked at and left alone, too"},
    {"help", 'h', NULL, offsetof(struct ecert_options, help), true, "show this"},
    {"version", 'V', NULL, offsetof(struct ecert_options, version), true, "show the version"},
    {"target", 't', "ID", offsetof(struct ecert_options, target), false, "only this target"},
    {"to", 'T', "N", offsetof(struct ecert_options, to), false,
     "the generation to go back to (default: the one before; 0: as it was before ecert)"},
    {"name", 'n', "NAME", offsetof(struct ecert_options, name), false,
     "the file belongs to this certificate"},
    {"password-file", 'p', "FILE", offsetof(struct ecert_options, password_file), false,
     "the password (of a PKCS#12 file, of --key, of backups), on its first line"},
    {"check", 'Y', NULL, offsetof(struct ecert_options, check), false,
     "write nothing: are they whole, and do they open?"},
    {"key", 'k', "FILE", offsetof(struct ecert_options, key), false,
     "the private key of a recipient"},
    {"authority", 'a', "ID", offsetof(struct ecert_options, authority), false,
     "check by this profile"},
    {"exit-code", 'x', NULL, offsetof(struct ecert_options, exit_code), false,
     "leave with 10 if there is something to change"},
    {"reference", 'r', NULL, offsetof(struct ecert_options, reference), false,
     "print every key of the configuration"},
    {"offline", 'o', NULL, offsetof(struct ecert_options, offline), false,
     "no handshakes, no fetches: only what is on disk"},
    {"nagios", 'N', NULL, offsetof(struct ecert_options, nagios), false,
     "print as a monitoring plugin: one line, perfdata, long output"},
    {"prometheus", 'P', "FILE", offsetof(struct ecert_options, prometheus), false,
     "write metrics to this file, for node_exporter's textfile collector"},
    {"test", 'e', NULL, offsetof(struct ecert_options, test), false,
     "send a test over each channel, and say who accepted it"},
    {"owed", 'w', NULL, offsetof(struct ecert_options, owed), false,
     "check nothing; send what is owed and whose time has come"},
    {"failed", 'f', "UNIT", offsetof(struct ecert_options, failed), false,
     "tell that this unit of systemd failed"},
    {"language", 'l', "LANG", offsetof(struct ecert_options, language), false,
     "en or zh_HK"},
    {"until", 'u', "DATE", offsetof(struct ecert_options, until), false,
     "the last day of quiet, as 2026-12-31"},
    {"note", 'm', "TEXT", offsetof(struct ecert_options, note), false,
     "why, for those who come after"},
    {"all", 'A', NULL, offsetof(struct ecert_options, all), false,
     "every certificate of the configuration; with --list: every request; of discover: sites "
     "without TLS, too"},
    {"reason", 'R', "TEXT", offsetof(struct ecert_options, reason), false,
     "why, for an emergency; kept with the requests"},
    {"another", 'M', NULL, offsetof(struct ecert_options, another), false,
     "one more request, also where one is pending"},
    {"no-backup", 'B', NULL, offsetof(struct ecert_options, no_backup), false,
     "without a backup of the key: if it is lost, the certificate is of no use"},
    {"no-caa", 'C', NULL, offsetof(struct ecert_options, no_caa), false,
     "do not look CAA records up"},
    {"new-header", 'H', NULL, offsetof(struct ecert_options, new_header), false,
     "show the request as BEGIN NEW CERTIFICATE REQUEST"},
    {"sheet", 's', "FILE.html", offsetof(struct ecert_options, sheet), false,
     "write a page to print or send, with the requests ready to copy and the steps"},
    {"cancel", 'X', NULL, offsetof(struct ecert_options, cancel), false,
     "give up the pending request of NAME"},
    {"id", 'i', "ID", offsetof(struct ecert_options, id), false,
     "which request to show or to cancel, where several are pending"},
    {"list", 'L', NULL, offsetof(struct ecert_options, list), false,
     "show requests; makes none"},
    {"plugin", 'g', "P", offsetof(struct ecert_options, plugins), false,
     "only the servers of this plugin; may be repeated"},
    {"command", 'd', "P=PROGRAM...", offsetof(struct ecert_options, commands), false,
     "how plugin P calls its server, in one word: \"nginx=/opt/nginx/sbin/nginx -c /x.conf\""},
    {"output", 'O', "FILE", offsetof(struct ecert_options, output), false,
     "write this file (\"-\": standard output)"},
};
/* clang-format on */

const struct ecert_command *ecert_command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

void ecert_command_names(struct ecert_strings *ret)
{
    struct ecert_error ignored = {0};

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (ecert_strings_add(ret, commands[i].name, &ignored) != ECERT_OK)
            return;
}

/* ---- help ---- */

static bool is_option_of(const struct ecert_command *command, const struct option_row *row)
{
    char word[32];

    if (row->everywhere)
        return true;
    (void)snprintf(word, sizeof word, " %s ", row->name);
    return strstr(command->options, word) != NULL;
}

static void help_option(const struct option_row *row, struct ecert_buffer *out)
{
    char left[40];

    (void)snprintf(left, sizeof left, "--%s%s%s", row->name, row->argument == NULL ? "" : " ",
                   row->argument == NULL ? "" : row->argument);
    ecert_buffer_printf(out, "  -%c, %-22s %s\n", row->letter, left, row->help);
}

static void help_exit_codes(const struct ecert_command *command, struct ecert_buffer *out)
{
    if (command != NULL && (command->needs & ECERT_COMMAND_MONITORS) != 0) {
        ecert_buffer_add_text(out, "\nExit codes: 0 fine, 1 due, 2 critical, 3 could not tell.\n");
        return;
    }
    ecert_buffer_add_text(out, "\nExit codes: 0 done or nothing to do, 1 something failed, 2 usage "
                               "or configuration,\n4 another run is at work.\n");
}

void ecert_help(struct ecert_buffer *out)
{
    ecert_buffer_add_text(
        out, "Usage: ecert COMMAND [OPTION...] [ARGUMENT...]\n"
             "\n"
             "Deploys issued certificates to servers, and proves that they are served.\n"
             "\n"
             "Commands (`ecert COMMAND --help` tells more):\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        char left[40];
        (void)snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].operands);
        ecert_buffer_printf(out, "  %-20s %s\n", left, commands[i].help);
    }
    ecert_buffer_add_text(out, "\nOptions of every command:\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i].everywhere)
            help_option(&options[i], out);
    help_exit_codes(NULL, out);
}

void ecert_help_command(const struct ecert_command *command, struct ecert_buffer *out)
{
    ecert_buffer_printf(out, "Usage: ecert %s [OPTION...]%s%s\n\n%s\n%s%s%s\nOptions:\n",
                        command->name, command->operands[0] == '\0' ? "" : " ", command->operands,
                        command->help, command->details[0] == '\0' ? "" : "\n", command->details,
                        command->details[0] == '\0' ? "" : "\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (is_option_of(command, &options[i]))
            help_option(&options[i], out);
    help_exit_codes(command, out);
}

/* ---- parsing ---- */

/* Its place is a NULL-ended array of ECERT_OPTION_REPEATS. */
static bool repeats(const struct option_row *row)
{
    return row->offset == offsetof(struct ecert_options, plugins) ||
           row->offset == offsetof(struct ecert_options, commands);
}

/* Behind those that were given already; false: they are too many. */
static bool append(char *at, const char *argument)
{
    const char *there = NULL;

    for (size_t i = 0; i < ECERT_OPTION_REPEATS; i++, at += sizeof there) {
        memcpy(&there, at, sizeof there);
        if (there == NULL) {
            memcpy(at, &argument, sizeof argument);
            return true;
        }
    }
    return false;
}

static enum ecert_status store(struct ecert_options *ret, const struct option_row *row,
                               const char *argument, struct ecert_error *err)
{
    char *at = (char *)ret + row->offset;
    const bool yes = true;

    if (row->argument == NULL)
        memcpy(at, &yes, sizeof yes);
    else if (!repeats(row))
        memcpy(at, &argument, sizeof argument);
    else if (!append(at, argument))
        return ecert_error_set(err, ECERT_E_CONFIG, "option '--%s' is given more than %d times",
                               row->name, ECERT_OPTION_REPEATS);
    return ECERT_OK;
}

static enum ecert_status unknown(struct ecert_error *err, const char *what, const char *word,
                                 const struct ecert_strings *known, const char *help)
{
    const char *nearest = ecert_nearest_word(word, ecert_strings_array(known));

    if (nearest != NULL)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "unknown %s '%s' (did you mean '%s'?); see `%s`", what, word,
                               nearest, help);
    return ecert_error_set(err, ECERT_E_CONFIG, "unknown %s '%s'; see `%s`", what, word, help);
}

static enum ecert_status unknown_option(const char *word, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings known = {0};

    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        ECERT_TRY(ecert_strings_printf(&known, err, "--%s", options[i].name));
    return unknown(err, "option", word, &known, "ecert --help");
}

/* The table as getopt_long() wants it; letters begin with ':' so that it tells what is wrong. */
struct getopt_table {
    struct option longs[ARRAY_SIZE(options) + 1];
    char letters[3 * ARRAY_SIZE(options) + 2];
};

static void getopt_table_make(struct getopt_table *table)
{
    *table = (struct getopt_table){.letters = ":"};
    for (size_t i = 0, at = 1; i < ARRAY_SIZE(options); i++) {
        table->longs[i] = (struct option){
            options[i].name, options[i].argument == NULL ? no_argument : required_argument, NULL,
            options[i].letter};
        table->letters[at++] = options[i].letter;
        if (options[i].argument != NULL)
            table->letters[at++] = ':';
    }
}

static enum ecert_status parse_options(int argc, char *argv[], struct ecert_options *ret,
                                       bool given[], struct ecert_error *err)
{
    struct getopt_table table;
    int c;

    getopt_table_make(&table);
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1) {
        if (c == ':')
            return ecert_error_set(err, ECERT_E_CONFIG, "option '%s' needs an argument",
                                   argv[optind - 1]);
        if (c == '?')
            return unknown_option(argv[optind - 1], err);
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
            if (options[i].letter == c) {
                ECERT_TRY(store(ret, &options[i], optarg, err));
                given[i] = true;
            }
        }
    }
    return ECERT_OK;
}

static enum ecert_status check_options(const struct ecert_command *command, const bool given[],
                                       struct ecert_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (given[i] && !is_option_of(command, &options[i]))
            return ecert_error_set(err, ECERT_E_CONFIG,
                                   "`ecert %s` has no option '--%s'; see `ecert %s --help`",
                                   command->name, options[i].name, command->name);
    return ECERT_OK;
}

enum ecert_status ecert_command_line(int argc, char *argv[], struct ecert_options *ret,
                                     const struct ecert_command **ret_command,
                                     struct ecert_error *err)
{
    struct ecert_options parsed = {.config = ECERT_CONFIG_DEFAULT};
    const struct ecert_command *command = NULL;
    bool given[ARRAY_SIZE(options)] = {0};

    ECERT_TRY(parse_options(argc, argv, &parsed, given, err));
    int operands = argc - optind;
    parsed.args = (const char *const *)&argv[optind];
    if (operands > 0) {
        command = ecert_command_find(argv[optind]);
        if (command == NULL) {
            ECERT_AUTO(ecert_strings_clear) struct ecert_strings known = {0};
            ecert_command_names(&known);
            return unknown(err, "command", argv[optind], &known, "ecert --help");
        }
        parsed.args++;
        operands--;
    } else if (!parsed.help && !parsed.version) {
        return ecert_error_set(err, ECERT_E_CONFIG, "no command given; see `ecert --help`");
    }
    if (command != NULL && !parsed.help && !parsed.version) {
        ECERT_TRY(check_options(command, given, err));
        if (operands > command->max_args)
            return ecert_error_set(err, ECERT_E_CONFIG,
                                   "'%s' is not understood here; usage: ecert %s [OPTION...]%s%s",
                                   parsed.args[command->max_args], command->name,
                                   command->operands[0] == '\0' ? "" : " ", command->operands);
        if (operands < command->min_args)
            return ecert_error_set(err, ECERT_E_CONFIG, "usage: ecert %s [OPTION...]%s%s",
                                   command->name, command->operands[0] == '\0' ? "" : " ",
                                   command->operands);
    }
    *ret = parsed;
    *ret_command = command;
    return ECERT_OK;
}

void ecert_command_line_guess(int argc, char *argv[], bool *ret_json,
                              const struct ecert_command **ret_command)
{
    struct getopt_table table;
    bool json = false;
    int c;

    getopt_table_make(&table);
    opterr = 0;
    optind = 0; /* anew, also where the first reading ended in the middle of a word (getopt(3)) */
    while ((c = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1)
        json = json || c == 'j';
    *ret_json = json;
    *ret_command = optind < argc ? ecert_command_find(argv[optind]) : NULL;
}
