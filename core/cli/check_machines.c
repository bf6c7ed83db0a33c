#include "core/cli/check_machines.h"

#include <stdlib.h>
#include <string.h>

#include "core/monitor/finding_json.h"
#include "core/monitor/words.h"

/* ---- JSON ---- */

json_t *ecert_check_finding_json(const struct ecert_finding *finding, int64_t now,
                                 int64_t ack_until)
{
    json_t *json = ecert_finding_json(finding, now);

    (void)json_object_set_new(json, "acknowledged_until", ecert_moment_json(ack_until));
    return json;
}

void ecert_finding_text(const struct ecert_finding *finding, int64_t now, struct ecert_buffer *out)
{
    ecert_words_state(out, finding, now);
    if (finding->detail != NULL && finding->detail[0] != '\0')
        ecert_buffer_printf(out, ": %s", finding->detail);
}

static const enum ecert_urgency by_severity[] = {ECERT_URGENCY_CRITICAL, ECERT_URGENCY_DUE,
                                                 ECERT_URGENCY_UNKNOWN, ECERT_URGENCY_FINE};

json_t *ecert_counts_json(const struct ecert_findings *findings)
{
    json_t *json = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(by_severity); i++)
        (void)json_object_set_new(json, ecert_urgency_word(by_severity[i]),
                                  json_integer((json_int_t)findings->count[by_severity[i]]));
    return json;
}

void ecert_counts_text(const struct ecert_findings *findings, struct ecert_buffer *out)
{
    const char *comma = "";

    for (size_t i = 0; i < ARRAY_SIZE(by_severity); i++) {
        const size_t n = findings->count[by_severity[i]];
        if (n == 0 && by_severity[i] != ECERT_URGENCY_FINE)
            continue;
        ecert_buffer_printf(out, "%s%zu %s", comma, n, ecert_urgency_word(by_severity[i]));
        comma = ", ";
    }
}

/* ---- monitoring plugins ---- */

static const char *nagios_word(enum ecert_urgency urgency)
{
    switch (urgency) {
    case ECERT_URGENCY_FINE:
        return "OK";
    case ECERT_URGENCY_DUE:
        return "WARNING";
    case ECERT_URGENCY_CRITICAL:
        return "CRITICAL";
    case ECERT_URGENCY_UNKNOWN:
        break;
    }
    return "UNKNOWN";
}

/* "|" begins the performance figures, wherever it stands. */
static const char *without_bars(struct ecert_buffer *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (text->ptr[i] == '|')
            text->ptr[i] = '/';
    return text->ptr == NULL ? "" : (const char *)text->ptr;
}

static void nagios_line(const struct ecert_app *app, const struct ecert_finding *finding,
                        int64_t now)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};

    ecert_buffer_printf(&line, "%s: %s%s%s%s: ", nagios_word(finding->urgency), finding->name,
                        finding->where == NULL ? "" : " (",
                        finding->where == NULL ? "" : finding->where,
                        finding->where == NULL ? "" : ")");
    ecert_finding_text(finding, now, &line);
    ecert_say(app, "%s", without_bars(&line));
}

void ecert_check_nagios(const struct ecert_app *app, const struct ecert_findings *findings,
                        const char *failed, int64_t now)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer status = {0};
    const size_t *count = findings->count;

    ecert_buffer_printf(&status, "ECERT %s - ", nagios_word(ecert_findings_worst(findings)));
    ecert_counts_text(findings, &status);
    if (findings->n > 0 && findings->items[0].urgency != ECERT_URGENCY_FINE) {
        ecert_buffer_printf(&status, "; %s: ", findings->items[0].name);
        ecert_finding_text(&findings->items[0], now, &status);
    } else if (failed != NULL) {
        ecert_buffer_printf(&status, "; %s", failed);
    }
    (void)without_bars(&status);
    ecert_buffer_printf(&status, " | critical=%zu;;0 due=%zu;0 unknown=%zu fine=%zu",
                        count[ECERT_URGENCY_CRITICAL], count[ECERT_URGENCY_DUE],
                        count[ECERT_URGENCY_UNKNOWN], count[ECERT_URGENCY_FINE]);
    if (findings->soonest != 0) {
        const struct ecert_finding end = {.not_after = findings->soonest};
        ecert_buffer_printf(&status, " soonest=%d", ecert_finding_days(&end, now));
    }
    ecert_say(app, "%s", status.ptr == NULL ? "" : (const char *)status.ptr);
    for (size_t i = 0; i < findings->n; i++)
        if (findings->items[i].urgency != ECERT_URGENCY_FINE)
            nagios_line(app, &findings->items[i], now);
    if (failed == NULL)
        return;
    ecert_buffer_clear(&status);
    ecert_buffer_printf(&status, "%s: not all of it: %s", nagios_word(ECERT_URGENCY_UNKNOWN),
                        failed);
    ecert_say(app, "%s", without_bars(&status));
}

/* ---- Prometheus ---- */

/* A label's value: backslash, quote and line feed are escaped; what is no text, as for a screen. */
static void add_label(struct ecert_buffer *out, const char *name, const char *value)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    const struct ecert_view text = ecert_view_of(value);

    ecert_buffer_printf(out, "%s=\"", name);
    ecert_buffer_add_escaped(&escaped, text, true);
    for (size_t i = 0; i < escaped.len; i++) {
        const char c = (char)escaped.ptr[i];
        if (c == '\n')
            ecert_buffer_add_text(out, "\\n");
        else if (c == '\\' || c == '"')
            ecert_buffer_printf(out, "\\%c", c);
        else
            ecert_buffer_add(out, (struct ecert_view){&escaped.ptr[i], 1});
    }
    ecert_buffer_add_text(out, "\"");
}

static void add_labels(struct ecert_buffer *out, const struct ecert_finding *finding)
{
    add_label(out, "name", finding->name);
    ecert_buffer_add_text(out, ",");
    add_label(out, "watched", ecert_watched_word(finding->watched));
    ecert_buffer_add_text(out, ",");
    add_label(out, "where", finding->where);
    ecert_buffer_add_text(out, ",");
    add_label(out, "serial", finding->serial);
}

typedef bool series_fn(const struct ecert_finding *finding, struct ecert_buffer *out);

static bool not_after(const struct ecert_finding *finding, struct ecert_buffer *out)
{
    if (finding->not_after == 0 || finding->watched == ECERT_WATCHED_CRL)
        return false;
    ecert_buffer_add_text(out, "ecert_certificate_not_after_seconds{");
    add_labels(out, finding);
    ecert_buffer_printf(out, "} %lld\n", (long long)finding->not_after);
    return true;
}

static bool not_before(const struct ecert_finding *finding, struct ecert_buffer *out)
{
    if (finding->not_before == 0 || finding->watched == ECERT_WATCHED_CRL) /* its thisUpdate */
        return false;
    ecert_buffer_add_text(out, "ecert_certificate_not_before_seconds{");
    add_labels(out, finding);
    ecert_buffer_printf(out, "} %lld\n", (long long)finding->not_before);
    return true;
}

static bool condition(const struct ecert_finding *finding, struct ecert_buffer *out)
{
    if (finding->urgency == ECERT_URGENCY_FINE)
        return false;
    ecert_buffer_add_text(out, "ecert_certificate_condition{");
    add_labels(out, finding);
    ecert_buffer_printf(out, ",condition=\"%s\",urgency=\"%s\"} 1\n",
                        ecert_condition_word(finding->condition),
                        ecert_urgency_word(finding->urgency));
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* How many bytes of a line are the series' name and labels. */
static size_t series_len(const char *line)
{
    return (size_t)(strrchr(line, ' ') - line);
}

/*
 * One metric of every finding.  Two findings of one thing (it expires, and its chain is wrong) give
 * one series: node_exporter throws a whole file away in which one comes twice.
 */
static enum ecert_status add_series(const struct ecert_findings *findings, const char *header,
                                    series_fn *series, struct ecert_buffer *out,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings lines = {0};

    for (size_t i = 0; i < findings->n; i++) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer line = {0};
        if (!series(&findings->items[i], &line))
            continue;
        if (line.failed)
            return ecert_error_nomem(err);
        ECERT_TRY(ecert_strings_add(&lines, (const char *)line.ptr, err));
    }
    if (lines.len == 0)
        return ECERT_OK;
    qsort(lines.items, lines.len, sizeof *lines.items, compare_texts);
    ecert_buffer_add_text(out, header);
    for (size_t i = 0; i < lines.len; i++) {
        const size_t len = series_len(lines.items[i]);
        if (i > 0 && series_len(lines.items[i - 1]) == len &&
            memcmp(lines.items[i - 1], lines.items[i], len) == 0)
            continue;
        ecert_buffer_add_text(out, lines.items[i]);
    }
    return ECERT_OK;
}

enum ecert_status ecert_check_metrics(const struct ecert_findings *findings, size_t owed,
                                      int64_t now, struct ecert_bytes *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};

    ECERT_TRY(add_series(findings,
                         "# HELP ecert_certificate_not_after_seconds End of validity, in seconds "
                         "since 1970.\n"
                         "# TYPE ecert_certificate_not_after_seconds gauge\n",
                         not_after, &out, err));
    ECERT_TRY(add_series(findings,
                         "# HELP ecert_certificate_not_before_seconds Begin of validity, in "
                         "seconds since 1970.\n"
                         "# TYPE ecert_certificate_not_before_seconds gauge\n",
                         not_before, &out, err));
    ECERT_TRY(add_series(findings,
                         "# HELP ecert_certificate_condition What is not fine; always 1.\n"
                         "# TYPE ecert_certificate_condition gauge\n",
                         condition, &out, err));
    ecert_buffer_add_text(&out, "# HELP ecert_findings How many findings there are.\n"
                                "# TYPE ecert_findings gauge\n");
    for (size_t i = 0; i < ARRAY_SIZE(by_severity); i++)
        ecert_buffer_printf(&out, "ecert_findings{urgency=\"%s\"} %zu\n",
                            ecert_urgency_word(by_severity[i]), findings->count[by_severity[i]]);
    ecert_buffer_printf(&out,
                        "# HELP ecert_reminders_owed Recipients that no channel reached yet.\n"
                        "# TYPE ecert_reminders_owed gauge\n"
                        "ecert_reminders_owed %zu\n"
                        "# HELP ecert_check_timestamp_seconds When this was written.\n"
                        "# TYPE ecert_check_timestamp_seconds gauge\n"
                        "ecert_check_timestamp_seconds %lld\n",
                        owed, (long long)now);
    return ecert_buffer_take(&out, ret, err);
}
