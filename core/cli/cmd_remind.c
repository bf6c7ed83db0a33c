/* `ecert remind` and `ecert ack`. */

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/cli/check_machines.h"
#include "core/cli/day.h"
#include "core/cli/progress.h"
#include "core/cli/reminding.h"
#include "core/flow/nearest.h"
#include "core/flow/outcome_json.h"

/* ---- remind ---- */

static int usage(struct ecert_app *app, const struct ecert_error *err)
{
    ecert_complain(app, "%s", err->text);
    return ecert_exit_of(err->status);
}

static int test_channels(struct ecert_app *app)
{
    ECERT_AUTO(ecert_telling_clear) struct ecert_telling telling = {0};
    struct ecert_error err = {0};

    if (ecert_channels_test(&app->context, ecert_clock_now(), &telling, &err) != ECERT_OK)
        return usage(app, &err);
    for (size_t i = 0; i < telling.accepted.len; i++)
        ecert_say(app, "accepted: %s", telling.accepted.items[i]);
    for (size_t i = 0; i < telling.errors.len; i++)
        ecert_complain(app, "not accepted: %s", telling.errors.items[i]);
    if (app->config.reminders.journal &&
        !ecert_channel_is_configured(&app->config, ECERT_CHANNEL_JOURNAL))
        ecert_say(app, "no journal here: neither '/run/systemd/journal' nor '/dev/log' is "
                       "there, so `journal` reminds nobody");
    if (telling.told + telling.failed == 0)
        ecert_complain(app, "no channel is configured: nobody can be reminded; see `reminders` in "
                            "`ecert config --reference`");
    ecert_tell(app, "accepted", json_integer((json_int_t)telling.told));
    ecert_tell(app, "failed", json_integer((json_int_t)telling.failed));
    return telling.failed == 0 && telling.told > 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}

/* systemd.unit(5): what a unit's name may consist of. */
static enum ecert_status check_unit(const char *unit, struct ecert_error *err)
{
    const size_t len = strlen(unit);

    if (len == 0 || len > 255 ||
        strspn(unit, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@") !=
            len)
        return ecert_error_set(err, ECERT_E_CONFIG, "--failed '%s' is not the name of a unit",
                               unit);
    return ECERT_OK;
}

/* That a unit failed becomes owed like any other finding, so that a dead network loses nothing. */
static enum ecert_status failed_unit(const char *unit, struct ecert_finding *ret,
                                     struct ecert_error *err)
{
    ECERT_TRY(check_unit(unit, err));
    struct ecert_finding finding = {.watched = ECERT_WATCHED_UNIT,
                                    .condition = ECERT_CONDITION_FAILED,
                                    .urgency = ecert_condition_urgency(ECERT_CONDITION_FAILED),
                                    .threshold = ECERT_NO_THRESHOLD};
    if (ecert_text_format(&finding.name, err, "%s", unit) != ECERT_OK ||
        ecert_text_format(&finding.where, err, "systemd") != ECERT_OK ||
        ecert_text_format(&finding.detail, err, "see `journalctl -u %s`", unit) != ECERT_OK) {
        ecert_finding_clear(&finding);
        return err->status;
    }
    *ret = finding;
    return ECERT_OK;
}

/* More than one of --test, --owed, --failed has no meaning. */
static enum ecert_status check_modes(const struct ecert_options *options, struct ecert_error *err)
{
    if (options->test + options->owed + (options->failed != NULL) > 1)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "--test, --owed and --failed exclude each other: give one of them");
    return ECERT_OK;
}

int ecert_cmd_remind(struct ecert_app *app)
{
    struct ecert_progress progress = ecert_progress_of(app, "handshakes");
    ECERT_AUTO(ecert_remind_report_clear) struct ecert_remind_report report = {0};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding failed = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer counts = {0};
    struct ecert_remind_options options = {
        .check = !app->options.owed && app->options.failed == NULL,
        .digest = true,
        .force = !app->options.owed, /* who types it wants it now; a timer waits */
        .monitor = {.offline = app->options.offline,
                    .progress = ecert_progress_call(&progress),
                    .progress_context = &progress}};
    struct ecert_error err = {0};
    bool is_time = false;

    if (check_modes(&app->options, &err) != ECERT_OK ||
        (app->options.failed != NULL &&
         failed_unit(app->options.failed, &failed, &err) != ECERT_OK))
        return usage(app, &err);
    if (app->options.test)
        return test_channels(app);
    if (app->options.failed != NULL)
        options.also = &failed;
    /* a digest says how things stand: one that is owed is made anew */
    if (app->options.owed && ecert_digest_is_owed(&app->config, ecert_clock_now(), &is_time))
        options.check = is_time;
    const enum ecert_status status =
        ecert_remind(&app->context, &options, ecert_clock_now(), &report, &err);
    ecert_progress_end(&progress);
    if (status != ECERT_OK)
        return usage(app, &err);
    if (options.check) {
        ecert_counts_text(&report.findings, &counts);
        ecert_say(app, "checked: %s", counts.ptr == NULL ? "" : (const char *)counts.ptr);
    }
    const size_t failures = ecert_report_reminding(app, &report);
    if (report.telling.told + report.telling.failed + report.telling.waiting +
            report.unspooled.told + report.unspooled.failed ==
        0)
        ecert_say(app, "nothing is owed to anybody");
    return failures == 0 ? ECERT_EXIT_OK : ECERT_EXIT_FAILED;
}

/* ---- ack ---- */

#define ACK_MAX_DAYS 400

/* Who is at the keyboard: the one who logged in, also behind sudo. */
static enum ecert_status acting_person(char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes login = {0};
    struct ecert_error ignored = {0};
    uid_t uid = getuid();

    if (ecert_fs_read_proc("/proc/self/loginuid", &login, &ignored) == ECERT_OK) {
        char *end = NULL;
        const unsigned long number = strtoul((const char *)login.ptr, &end, 10);
        if (end != (const char *)login.ptr && number < (uid_t)-1) /* -1: nobody logged in */
            uid = (uid_t)number;
    }
    const struct passwd *person = getpwuid(uid);
    if (person == NULL)
        return ecert_text_format(ret, err, "user %u", (unsigned)uid);
    return ecert_text_format(ret, err, "%s", person->pw_name);
}

/* A certificate, a watch, an authority, or whatever was ever reminded of. */
static enum ecert_status check_known(const struct ecert_app *app, const char *name,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings known = {0};

    ECERT_TRY(ecert_remind_names(&app->config, &known, err));
    if (ecert_strings_contain(&known, name))
        return ECERT_OK;
    const char *nearest = ecert_nearest_word(name, ecert_strings_array(&known));
    return ecert_error_set(err, ECERT_E_CONFIG,
                           "nothing that is followed is called '%s'%s%s%s; `ecert check "
                           "--verbose` lists the names",
                           name, nearest == NULL ? "" : " (did you mean '",
                           nearest == NULL ? "" : nearest, nearest == NULL ? "" : "'?)");
}

static enum ecert_status make_ack(const struct ecert_app *app, const char *name, int64_t now,
                                  struct ecert_ack *ret, struct ecert_error *err)
{
    ECERT_TRY(check_known(app, name, err));
    if (app->options.until == NULL)
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "until when? give the last day of quiet: --until 2026-12-31");
    ECERT_TRY(ecert_day_end(app->options.until, &ret->until, err));
    if (ret->until < now)
        return ecert_error_set(err, ECERT_E_CONFIG, "--until '%s' is over already",
                               app->options.until);
    if (ret->until > now + ACK_MAX_DAYS * INT64_C(86400))
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "--until '%s' is more than %d days ahead, longer than any "
                               "certificate lives: give a nearer day, and acknowledge again then",
                               app->options.until, ACK_MAX_DAYS);
    ret->when = now;
    ECERT_TRY(ecert_text_format(&ret->name, err, "%s", name));
    if (app->options.note != NULL)
        ECERT_TRY(ecert_text_format(&ret->note, err, "%s", app->options.note));
    return acting_person(&ret->by, err);
}

int ecert_cmd_ack(struct ecert_app *app)
{
    ECERT_AUTO(ecert_ack_clear) struct ecert_ack ack = {0};
    const int64_t now = ecert_clock_now();
    struct ecert_error err = {0};
    char until[ECERT_TIME_TEXT_LEN];

    if (make_ack(app, app->options.args[0], now, &ack, &err) != ECERT_OK ||
        ecert_ack_write(&app->config, &ack, &err) != ECERT_OK)
        return usage(app, &err);
    ecert_say(app, "%s: no reminders until the end of %s", ack.name, app->options.until);
    ecert_clock_text(ack.until, until);
    ecert_tell(app, "name", ecert_text_json(ack.name));
    ecert_tell(app, "until", json_string(until));
    ecert_tell(app, "by", ecert_text_json(ack.by));
    ecert_tell(app, "note", ecert_text_json(ack.note));
    return ECERT_EXIT_OK;
}
