/* argv to exit code. */

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/lock.h"
#include "core/base/process.h"
#include "core/cli/command.h"
#include "core/flow/key.h"
#include "core/flow/store.h"
#include "core/monitor/finding.h"

/*
 * `ecert run` of a timer waits for one that sends reminders to servers that hang; a person who
 * looks on does not want to.
 */
#define LOCK_WAIT_MS       3000
#define LOCK_WAIT_ALONE_MS 600000

static unsigned lock_wait_ms(const struct ecert_command *command)
{
    if (command->run == ecert_cmd_run && isatty(STDERR_FILENO) == 0)
        return LOCK_WAIT_ALONE_MS;
    return LOCK_WAIT_MS;
}

static void load_mistakes(struct ecert_app *app, const struct ecert_strings *mistakes)
{
    for (size_t i = 0; i < mistakes->len; i++)
        ecert_complain(app, "%s", mistakes->items[i]);
}

static enum ecert_status prepare_state(struct ecert_app *app, const struct ecert_command *command,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *lock = NULL;

    if ((command->needs & ECERT_COMMAND_STATE) != 0)
        ECERT_TRY(ecert_store_prepare(app->config.state_dir, err));
    /* `request --list` only looks, and need not wait for a run */
    if ((command->needs & ECERT_COMMAND_LOCK) != 0 && !app->options.list) {
        ECERT_TRY(ecert_text_format(&lock, err, "%s/lock", app->config.state_dir));
        ECERT_TRY(ecert_lock_take(lock, lock_wait_ms(command), &app->lock_fd, err));
        if (ecert_lock_is_after_crash(app->lock_fd))
            ECERT_TRY(ecert_store_tidy(app->config.state_dir, err));
    }
    return ECERT_OK;
}

/* The name that the configuration has for what a person wrote, Chinese or in capitals. */
static const char *known_name(const struct ecert_config *config, const char *name)
{
    const struct ecert_certificate_config *certificate = ecert_config_certificate(config, name);

    return certificate == NULL ? name : certificate->name;
}

/* From here on operands and --name are as the configuration has them, where it has them. */
static enum ecert_status find_names(struct ecert_app *app, const struct ecert_command *command,
                                    struct ecert_error *err)
{
    struct ecert_options *options = &app->options;

    if (options->name != NULL)
        options->name = known_name(&app->config, options->name);
    if (strstr(command->operands, "NAME") == NULL || options->args == NULL)
        return ECERT_OK;
    for (const char *const *arg = options->args; *arg != NULL; arg++)
        ECERT_TRY(ecert_strings_add(&app->operands, known_name(&app->config, *arg), err));
    options->args = ecert_strings_array(&app->operands);
    return ECERT_OK;
}

static enum ecert_status prepare(struct ecert_app *app, const struct ecert_command *command,
                                 struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings mistakes = {0};

    if ((command->needs & ECERT_COMMAND_CONFIG) != 0) {
        const enum ecert_status status =
            ecert_config_load(app->options.config, &app->config, &mistakes, err);
        load_mistakes(app, &mistakes);
        ECERT_TRY(status);
        ECERT_TRY(ecert_context_init(&app->context, &app->config, err));
    }
    ECERT_TRY(find_names(app, command, err));
    struct ecert_error state = {0};
    if (prepare_state(app, command, &state) == ECERT_OK)
        return ECERT_OK;
    /* `remind --failed`: that state cannot be written may be the very reason why the unit failed */
    if (app->options.failed != NULL && state.status == ECERT_E_IO) {
        ecert_complain(app, "%s", state.text);
        return ECERT_OK;
    }
    *err = state;
    return state.status;
}

/* The code for what is wrong before a command runs. */
static int code_before(const struct ecert_command *command, int code)
{
    if (command != NULL && (command->needs & ECERT_COMMAND_MONITORS) != 0)
        return ECERT_URGENCY_UNKNOWN;
    return code;
}

/* `command` NULL: none is known. */
static void begin_json(struct ecert_app *app, const struct ecert_command *command)
{
    app->json = json_pack("{s:s?}", "command", command == NULL ? NULL : command->name);
}

/* The object that --json asks for, with the code that the program leaves with, which is returned.
 */
static int print_json(struct ecert_app *app, int code)
{
    if (app->json == NULL)
        return code;
    (void)json_object_set_new(app->json, "exit", json_integer(code));
    if (json_dumpf(app->json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0 && code == 0)
        code = ECERT_EXIT_FAILED;
    (void)fputc('\n', stdout);
    return code;
}

/* What is wrong before the work begins; most of it belongs to root, and others may not look. */
static void say_unprepared(struct ecert_app *app, const struct ecert_error *err)
{
    if ((err->sys_errno == EACCES || err->sys_errno == EPERM) && geteuid() != 0)
        ecert_complain(app, "%s; run ecert as root", err->text);
    else
        ecert_complain(app, "%s", err->text);
}

static int run_command(struct ecert_app *app, const struct ecert_command *command)
{
    struct ecert_error err = {0};
    int code;

    if (app->options.json)
        begin_json(app, command);
    if (prepare(app, command, &err) != ECERT_OK) {
        say_unprepared(app, &err);
        /* a configuration that is absent or not trusted is a matter of configuration too */
        code = app->config.file == NULL && err.status != ECERT_E_NOMEM ? ECERT_EXIT_USAGE
                                                                       : ecert_exit_of(err.status);
        code = code_before(command, code);
        if (app->options.nagios)
            ecert_say(app, "ECERT UNKNOWN - %s", err.text);
    } else {
        code = command->run(app);
    }
    return print_json(app, code);
}

static void show(struct ecert_buffer *text)
{
    if (!text->failed && text->len > 0)
        (void)fwrite(text->ptr, 1, text->len, stdout);
    ecert_buffer_clear(text);
}

/* What was printed must have arrived, or the code says so. */
static int end(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    (void)fputs("ecert: cannot write to standard output\n", stderr);
    return code == ECERT_EXIT_OK ? ECERT_EXIT_FAILED : code;
}

static int help(const struct ecert_command *command)
{
    struct ecert_buffer text = {0};

    if (command == NULL)
        ecert_help(&text);
    else
        ecert_help_command(command, &text);
    show(&text);
    return end(ECERT_EXIT_OK);
}

/* A program that asked for an object gets one, whatever else is wrong with its command line. */
static int wrong_usage(struct ecert_app *app, int argc, char *argv[], const char *sentence)
{
    const struct ecert_command *command = NULL;
    bool json = false;

    ecert_command_line_guess(argc, argv, &json, &command);
    if (json)
        begin_json(app, command);
    ecert_complain(app, "%s", sentence);
    const int code = print_json(app, code_before(command, ECERT_EXIT_USAGE));
    json_decref(app->json);
    return end(code);
}

int main(int argc, char *argv[])
{
    struct ecert_app app = {.lock_fd = -1};
    const struct ecert_command *command = NULL;
    struct ecert_error err = {0};
    int code;

    /* before anything else: OPENSSL_CONF would load foreign code, http_proxy divert connections */
    if (ecert_process_harden(&err) != ECERT_OK ||
        OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1) {
        (void)fprintf(stderr, "ecert: %s\n", err.text);
        return ECERT_EXIT_FAILED;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a co-process that died is an error of write(), not ours */
    if (ecert_command_line(argc, argv, &app.options, &command, &err) != ECERT_OK)
        return wrong_usage(&app, argc, argv, err.text);
    if (app.options.help)
        return help(command);
    if (app.options.version) {
        (void)puts("ecert " ECERT_VERSION);
        return end(ECERT_EXIT_OK);
    }
    code = run_command(&app, command);
    json_decref(app.json);
    ecert_context_clear(&app.context);
    ecert_config_clear(&app.config);
    ecert_passphrases_forget();
    ecert_strings_clear(&app.operands);
    ecert_lock_release(&app.lock_fd);
    return end(code);
}
