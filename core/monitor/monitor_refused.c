/* What came back and was refused: told until something better was taken, a month at most. */
#include <string.h>

#include "core/flow/refused.h"
#include "core/monitor/monitor_parts.h"

#define TOLD_FOR (30 * (int64_t)86400)

static bool has_issued_for(const struct monitor *monitor,
                           const struct ecert_certificate_config *entry, const X509 *leaf,
                           int64_t when)
{
    struct ecert_requests *requests = NULL;
    struct ecert_error ignored = {0};
    uint8_t key_id[ECERT_SHA256_LEN];

    if (ecert_certificate_key_id(leaf, key_id, &ignored) != ECERT_OK ||
        ecert_context_requests(monitor->context, entry, &requests, &ignored) != ECERT_OK)
        return false;
    const struct ecert_request *request = ecert_requests_of_key(requests, key_id);
    return request != NULL && request->state == ECERT_REQUEST_ISSUED && request->closed >= when;
}

/*
 * Was a certificate taken since that it may have been meant for?  What is no certificate names
 * nobody: then any.
 */
static bool is_settled(const struct monitor *monitor, const X509 *leaf, int64_t when)
{
    const struct ecert_config *config = monitor->config;

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct ecert_certificate_config *entry = &config->certificates[i];
        const struct ecert_generation_facts *newest = &monitor->certificates[i].newest;

        if (newest->number > 0 && newest->imported >= when &&
            (leaf == NULL || ecert_certificate_covers(leaf, entry->name)))
            return true;
        if (leaf != NULL && has_issued_for(monitor, entry, leaf, when))
            return true;
    }
    return false;
}

static enum ecert_status tell(const struct monitor *monitor, const struct ecert_refused_file *file,
                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_auto_x509) X509 *leaf = NULL;
    struct ecert_error why = {0};

    if (ecert_refused_leaf(monitor->config->state_dir, file->name, &leaf, &why) == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    if (is_settled(monitor, leaf, file->when))
        return ECERT_OK;
    ECERT_TRY(monitor_begin(ECERT_WATCHED_INBOX, file->name, NULL, &finding, err,
                            "%s/inbox/rejected/%s", monitor->config->state_dir, file->name));
    finding.condition = ECERT_CONDITION_REFUSED;
    ECERT_TRY(monitor_detail(&finding, err, "%s", file->why));
    return monitor_tell(monitor, &finding, err);
}

enum ecert_status monitor_refused(const struct monitor *monitor, struct ecert_error *err)
{
    ECERT_AUTO(ecert_refused_files_clear) struct ecert_refused_files files = {0};
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    struct ecert_error why = {0};

    if (ecert_refused_list(monitor->config->state_dir, monitor->now - TOLD_FOR, &files, &why) !=
        ECERT_OK) {
        if (why.status == ECERT_E_NOMEM)
            return ecert_error_nomem(err);
        ECERT_TRY(monitor_begin(ECERT_WATCHED_INBOX, "inbox", NULL, &finding, err,
                                "%s/inbox/rejected", monitor->config->state_dir));
        finding.condition = ECERT_CONDITION_UNREADABLE;
        ECERT_TRY(monitor_detail(&finding, err, "%s", why.text));
        return monitor_tell(monitor, &finding, err);
    }
    for (size_t i = 0; i < files.n; i++)
        ECERT_TRY(tell(monitor, &files.items[i], err));
    return ECERT_OK;
}
