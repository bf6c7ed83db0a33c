/* Files that the configuration names and that are not there: what needs them will fail. */
#include "core/monitor/monitor_parts.h"

static enum ecert_status begin(const struct monitor *monitor,
                               const struct ecert_absent_file *absent, struct ecert_finding *ret,
                               struct ecert_error *err)
{
    if (absent->certificate == ECERT_ABSENT_OF_BACKUP)
        return monitor_begin(ECERT_WATCHED_BACKUP, "backup", NULL, ret, err, "%s", absent->path);
    if (absent->certificate == ECERT_ABSENT_OF_REMINDERS)
        return monitor_begin(ECERT_WATCHED_CHANNEL, "reminders", NULL, ret, err, "%s",
                             absent->path);
    const struct ecert_certificate_config *entry =
        &monitor->config->certificates[absent->certificate];
    return monitor_begin(ECERT_WATCHED_CERTIFICATE, entry->name, &entry->settings, ret, err, "%s",
                         absent->path);
}

/* What is for all certificates is told where all of them are looked at. */
static bool is_wanted(const struct monitor *monitor, const struct ecert_absent_file *absent)
{
    const char *const *names = monitor->options->names;

    if (absent->certificate == ECERT_ABSENT_OF_BACKUP ||
        absent->certificate == ECERT_ABSENT_OF_REMINDERS)
        return names == NULL || names[0] == NULL;
    return monitor->certificates[absent->certificate].wanted;
}

enum ecert_status monitor_absent(const struct monitor *monitor, struct ecert_error *err)
{
    for (size_t i = 0; i < monitor->config->n_absent; i++) {
        const struct ecert_absent_file *absent = &monitor->config->absent[i];
        ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};

        if (!is_wanted(monitor, absent))
            continue;
        ECERT_TRY(begin(monitor, absent, &finding, err));
        finding.condition = absent->missing ? ECERT_CONDITION_MISSING : ECERT_CONDITION_UNREADABLE;
        ECERT_TRY(monitor_detail(&finding, err, "named in the configuration: %s", absent->mistake));
        ECERT_TRY(monitor_tell(monitor, &finding, err));
    }
    return ECERT_OK;
}
