#include <string.h>

#include "core/monitor/monitor_parts.h"
#include "core/monitor/scan.h"

/* What one watch is told of, while its files are read. */
struct watching {
    const struct monitor *monitor;
    const struct ecert_watch_config *watch;
    size_t told;
};

/* A CA beside the e-Cert (Organisational) opens nothing. */
static enum ecert_watched kind_of(const struct ecert_watch_config *watch,
                                  const struct ecert_scanned *scanned)
{
    return watch->use == ECERT_WATCH_ORGANISATIONAL && !scanned->is_ca
               ? ECERT_WATCHED_ORGANISATIONAL
               : ECERT_WATCHED_FILE;
}

static enum ecert_status describe(const struct ecert_scanned *scanned,
                                  struct ecert_finding *finding, struct ecert_error *err)
{
    if (scanned->status != ECERT_OK) {
        finding->condition = monitor_condition_of(scanned->status);
        return monitor_detail(finding, err, "%s", scanned->error);
    }
    memcpy(finding->serial, scanned->serial, sizeof finding->serial);
    memcpy(finding->sha256, scanned->sha256, sizeof finding->sha256);
    finding->not_before = scanned->not_before;
    finding->not_after = scanned->not_after;
    ECERT_TRY(monitor_check_dates(finding, err));
    if (scanned->title[0] == '\0')
        return ECERT_OK;
    return ecert_text_copy(ecert_view_of(scanned->title), &finding->title, err);
}

static enum ecert_status take(void *context, const struct ecert_scanned *scanned,
                              struct ecert_error *err)
{
    struct watching *watching = context;
    const struct ecert_watch_config *watch = watching->watch;
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

    watching->told++;
    if (scanned->n > 1)
        ECERT_TRY(monitor_begin(kind_of(watch, scanned), watch->name, &watch->settings, &finding,
                                err, "%s, certificate %zu", scanned->file, scanned->index + 1));
    else
        ECERT_TRY(monitor_begin(kind_of(watch, scanned), watch->name, &watch->settings, &finding,
                                err, "%s", scanned->file));
    ECERT_TRY(describe(scanned, &finding, err));
    return monitor_tell(watching->monitor, &finding, err);
}

static enum ecert_status scan(struct watching *watching, struct ecert_error *err)
{
    const struct ecert_watch_config *watch = watching->watch;
    ECERT_AUTO(ecert_scan_free) struct ecert_scan *scan = NULL;
    size_t matches = 0;

    ECERT_TRY(ecert_scan_open(watch->password_file, take, watching, &scan, err));
    if (watch->file != NULL)
        ECERT_TRY(ecert_scan_add(scan, watch->file, err));
    else if (watch->directory != NULL)
        ECERT_TRY(ecert_scan_add_directory(scan, watch->directory, err));
    else
        ECERT_TRY(ecert_scan_add_glob(scan, watch->glob, &matches, err));
    return ecert_scan_finish(scan, err);
}

static const char *place_of(const struct ecert_watch_config *watch)
{
    return watch->file != NULL        ? watch->file
           : watch->directory != NULL ? watch->directory
                                      : watch->glob;
}

/* Whoever watches a place expects something there. */
static enum ecert_status tell_nothing(const struct watching *watching, struct ecert_error *err)
{
    const struct ecert_watch_config *watch = watching->watch;
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    const struct ecert_scanned nothing = {0};

    ECERT_TRY(monitor_begin(kind_of(watch, &nothing), watch->name, &watch->settings, &finding, err,
                            "%s", place_of(watch)));
    finding.condition = ECERT_CONDITION_MISSING;
    ECERT_TRY(monitor_detail(&finding, err,
                             watch->glob != NULL ? "no file matches '%s'"
                                                 : "there is no certificate in '%s'",
                             place_of(watch)));
    return monitor_tell(watching->monitor, &finding, err);
}

enum ecert_status monitor_files(const struct monitor *monitor, struct ecert_error *err)
{
    for (size_t i = 0; i < monitor->config->n_watches; i++) {
        struct watching watching = {monitor, &monitor->config->watches[i], 0};

        if (place_of(watching.watch) == NULL || !monitor_wants(monitor, watching.watch->name))
            continue;
        ECERT_TRY(scan(&watching, err));
        if (watching.told == 0)
            ECERT_TRY(tell_nothing(&watching, err));
    }
    return ECERT_OK;
}
