/* `ecert report`: one page that shows how everything stands. */

#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/cli/output.h"
#include "core/cli/progress.h"
#include "core/monitor/findings.h"
#include "core/monitor/monitor.h"
#include "core/monitor/page.h"
#include "core/monitor/words.h"

#define PAGE_MODE \
    0644 /* it holds what every visitor of the servers sees, and is meant to be shown */

static enum ecert_status collect(void *context, const struct ecert_finding *finding,
                                 struct ecert_error *err)
{
    return ecert_findings_add(context, finding, err);
}

static enum ecert_status write_page(struct ecert_app *app, const struct ecert_findings *findings,
                                    const char *language, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes html = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    const struct ecert_fs_owner owner = ecert_fs_own(PAGE_MODE);
    char host[256] = "";

    if (gethostname(host, sizeof host - 1) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "this machine's name");
    const struct ecert_page page = {.findings = findings->items,
                                    .n = findings->n,
                                    .reminders = &app->config.reminders,
                                    .host = host,
                                    .language = language,
                                    .now = ecert_clock_now()};
    ECERT_TRY(ecert_page_html(&page, &html, err));
    ECERT_TRY(ecert_fs_resolve_new(app->options.args[0], &path, err));
    ECERT_TRY(ecert_output_check(path, ECERT_PAGE_MARK, ECERT_OUTPUT_FRONT, err));
    return ecert_fs_replace(path, ecert_bytes_view(&html), &owner, err);
}

static enum ecert_status report(struct ecert_app *app, const char *language,
                                struct ecert_error *err)
{
    struct ecert_progress progress = ecert_progress_of(app, "handshakes");
    const struct ecert_monitor_options options = {.offline = app->options.offline,
                                                  .progress = ecert_progress_call(&progress),
                                                  .progress_context = &progress};
    ECERT_AUTO(ecert_findings_clear) struct ecert_findings findings = {.keep_fine = true};

    const enum ecert_status status =
        ecert_monitor_run(&app->context, &options, collect, &findings, err);
    ecert_progress_end(&progress);
    ECERT_TRY(status);
    ECERT_TRY(write_page(app, &findings, language, err));
    ecert_say(app, "'%s' shows %zu finding%s", app->options.args[0], findings.n,
              findings.n == 1 ? "" : "s");
    ecert_tell(app, "file", json_string(app->options.args[0]));
    ecert_tell(app, "findings", json_integer((json_int_t)findings.n));
    return ECERT_OK;
}

int ecert_cmd_report(struct ecert_app *app)
{
    const char *language =
        app->options.language == NULL ? app->config.reminders.language : app->options.language;
    struct ecert_error err = {0};

    if (!ecert_words_know(language)) {
        ecert_complain(app, "there is no language '%s': en or zh_HK", language);
        return ECERT_EXIT_USAGE;
    }
    if (report(app, language, &err) == ECERT_OK)
        return ECERT_EXIT_OK;
    ecert_complain(app, "%s", err.text);
    return ecert_exit_of(err.status);
}
