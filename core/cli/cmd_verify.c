/* `ecert verify`: every row of the table of checks, for each file. */

#include <stdlib.h>

#include "core/base/fs.h"
#include "core/cli/app.h"
#include "core/flow/decode.h"
#include "core/flow/intake.h"
#include "core/flow/key.h"
#include "core/flow/outcome_json.h"

static const char *word_of(const struct ecert_check_result *row)
{
    switch (row->outcome) {
    case ECERT_CHECK_PASSED:
        return "passed";
    case ECERT_CHECK_FAILED:
        return row->allowed ? "allowed" : row->fatal ? "FAILED" : "warning";
    case ECERT_CHECK_UNKNOWN:
        return "unknown";
    case ECERT_CHECK_SKIPPED:
        return "skipped";
    }
    return "?";
}

static json_t *rows_json(const struct ecert_check_result *rows, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:o}", "id", rows[i].id,
                                                    "sentence", rows[i].sentence, "outcome",
                                                    word_of(&rows[i]), "fatal", rows[i].fatal,
                                                    "why", ecert_text_json(rows[i].why)));
    return list;
}

static void say_rows(struct ecert_app *app, const struct ecert_check_result *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ecert_say(app, "  %-8s %-18s %s%s%s%s", word_of(&rows[i]), rows[i].id, rows[i].sentence,
                  rows[i].why[0] == '\0' ? "" : " (", rows[i].why,
                  rows[i].why[0] == '\0' ? "" : ")");
}

static enum ecert_status verify_one(struct ecert_app *app, const char *path,
                                    struct ecert_view passphrase, json_t *list,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings warnings = {0};
    const size_t n = ecert_checks_count();
    ECERT_AUTO(ecert_auto_free) struct ecert_check_result *rows = calloc(n, sizeof *rows);
    const struct ecert_certificate_config *entry = NULL;

    if (rows == NULL)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_fs_read(path, ECERT_DECODE_MAX_INPUT, &bytes, err));
    const struct ecert_intake_file file = {.bytes = ecert_bytes_view(&bytes),
                                           .passphrase = passphrase,
                                           .origin = path,
                                           .only = app->options.name};
    ECERT_TRY(ecert_intake_verify(&app->context, &file, app->options.authority, rows, &entry,
                                  &notes, err));
    ecert_say(app, "%s: %s%s", path,
              entry == NULL ? "belongs to no certificate of the configuration" : "belongs to ",
              entry == NULL ? "" : entry->name);
    say_rows(app, rows, n);
    for (size_t i = 0; i < notes.len; i++)
        ecert_say(app, "  note: %s", notes.items[i]);
    (void)json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o}", "file", path, "certificate",
                                                ecert_text_json(entry == NULL ? NULL : entry->name),
                                                "checks", rows_json(rows, n), "notes",
                                                ecert_strings_json(&notes)));
    return ecert_checks_verdict(rows, n, &warnings, err);
}

int ecert_cmd_verify(struct ecert_app *app)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret password = {0};
    struct ecert_error err = {0};
    json_t *list = json_array();
    int code = ECERT_EXIT_OK;

    if (app->options.password_file != NULL &&
        ecert_password_read(app->options.password_file, &password, &err) != ECERT_OK) {
        ecert_complain(app, "%s", err.text);
        json_decref(list);
        return ECERT_EXIT_USAGE;
    }
    for (const char *const *path = app->options.args; *path != NULL; path++) {
        if (verify_one(app, *path, ecert_secret_view(&password), list, &err) == ECERT_OK)
            continue;
        ecert_complain(app, "%s: %s", *path, err.text);
        code = ECERT_EXIT_FAILED;
    }
    ecert_tell(app, "files", list);
    return code;
}
