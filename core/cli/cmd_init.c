/* `ecert init`: a first configuration out of what this host has. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/cli/looking.h"
#include "core/flow/outcome_json.h"
#include "core/issue/draft.h"

#define CONFIG_MODE 0644 /* it names files with secrets, and holds none */

static enum ecert_status check_absent(const char *path, struct ecert_error *err)
{
    struct stat st;

    if (lstat(path, &st) == 0)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is there already and is not written over; --output names "
                               "another file, \"--output -\" prints the text",
                               path);
    return errno == ENOENT ? ECERT_OK : ecert_error_errno(err, ECERT_E_IO, "'%s'", path);
}

static enum ecert_status check_directory(const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;

    if (ecert_fs_resolve_new(path, &resolved, err) == ECERT_OK)
        return ECERT_OK;
    if (err->status == ECERT_E_NOT_FOUND)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s': its directory does not exist; make it, or name another file "
                               "with --output",
                               path);
    return err->status;
}

static void say_sum(struct ecert_app *app, const struct ecert_draft_sum *sum, const char *path)
{
    ecert_say(app, "'%s' is written: %zu certificate%s, %zu target%s, %zu watch%s%s", path,
              sum->certificates, sum->certificates == 1 ? "" : "s", sum->targets,
              sum->targets == 1 ? "" : "s", sum->watches, sum->watches == 1 ? "" : "es",
              sum->certificates == 0 ? ": a skeleton, to be filled in" : "");
    if (sum->commented > 0)
        ecert_say(app, "%zu could not be taken over and %s a comment that says why", sum->commented,
                  sum->commented == 1 ? "is" : "are");
    if (sum->certificates > 0)
        ecert_say(app, "next: read it, then `ecert config`, `ecert adopt` and `ecert plan`");
}

static void tell_sum(struct ecert_app *app, const struct ecert_draft_sum *sum)
{
    ecert_tell(app, "certificates", json_integer((json_int_t)sum->certificates));
    ecert_tell(app, "targets", json_integer((json_int_t)sum->targets));
    ecert_tell(app, "watches", json_integer((json_int_t)sum->watches));
    ecert_tell(app, "commented", json_integer((json_int_t)sum->commented));
}

static enum ecert_status put_out(struct ecert_app *app, const char *path,
                                 const struct ecert_bytes *text, const struct ecert_draft_sum *sum,
                                 struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(CONFIG_MODE);

    tell_sum(app, sum);
    if (strcmp(path, "-") == 0) { /* also with --quiet: it is what was asked for */
        ecert_tell(app, "text", ecert_text_json((const char *)text->ptr));
        if (app->json == NULL)
            (void)fwrite(text->ptr, 1, text->len, stdout);
        return ECERT_OK;
    }
    ECERT_TRY(ecert_fs_create(path, ecert_bytes_view(text), &owner, err));
    ecert_tell(app, "file", ecert_text_json(path));
    say_sum(app, sum, path);
    return ECERT_OK;
}

static enum ecert_status write_draft(struct ecert_app *app, const struct ecert_inventory *found,
                                     const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_draft_clear) struct ecert_draft draft = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    struct ecert_draft_sum sum = {0};

    ECERT_TRY(ecert_draft_make(found, &app->config, &draft, err));
    ECERT_TRY(ecert_draft_text(&draft, &text, &sum, err));
    return put_out(app, path, &text, &sum, err);
}

/* What is printed must be the file alone: the words about it go to standard error. */
static size_t tell_servers(struct ecert_app *app, const struct ecert_inventory *found,
                           bool to_output)
{
    const bool quiet = app->options.quiet;

    app->options.quiet = quiet || to_output;
    const size_t failed = ecert_looking_tell(app, found);
    app->options.quiet = quiet;
    return failed;
}

int ecert_cmd_init(struct ecert_app *app)
{
    ECERT_AUTO(ecert_inventory_clear) struct ecert_inventory found = {0};
    const char *path = app->options.output != NULL ? app->options.output : app->options.config;
    const bool to_output = strcmp(path, "-") == 0;
    struct ecert_error err = {0};
    int code = ECERT_EXIT_OK;

    if (!to_output && check_absent(path, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ECERT_EXIT_USAGE;
    }
    if (!ecert_looking(app, &found, &code))
        return code;
    const size_t failed = tell_servers(app, &found, to_output);
    if (found.n_servers == 0)
        ecert_tell(app, "looked_for", ecert_strings_json(&found.looked_for));
    if (found.n_servers == 0 && app->options.output == NULL) {
        ecert_say(app, "nothing is written; --output FILE writes a skeleton");
        return failed > 0 ? ECERT_EXIT_FAILED : ECERT_EXIT_OK;
    }
    if ((!to_output && check_directory(path, &err) != ECERT_OK) ||
        write_draft(app, &found, path, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        return ecert_exit_of(err.status);
    }
    return failed > 0 ? ECERT_EXIT_FAILED : ECERT_EXIT_OK;
}
