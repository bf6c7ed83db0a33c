#include "core/monitor/findings.h"

#include <stdlib.h>

void ecert_findings_clear(struct ecert_findings *findings)
{
    for (size_t i = 0; i < findings->n; i++)
        ecert_finding_clear(&findings->items[i]);
    free(findings->items);
    *findings = (struct ecert_findings){0};
}

static enum ecert_status make_room(struct ecert_findings *findings, struct ecert_error *err)
{
    const size_t room = findings->room == 0 ? 16 : 2 * findings->room;
    struct ecert_finding *items;

    if (findings->n < findings->room)
        return ECERT_OK;
    items = reallocarray(findings->items, room, sizeof *items);
    if (items == NULL)
        return ecert_error_nomem(err);
    findings->items = items;
    findings->room = room;
    return ECERT_OK;
}

enum ecert_status ecert_findings_add(struct ecert_findings *findings,
                                     const struct ecert_finding *finding, struct ecert_error *err)
{
    if (finding->urgency != ECERT_URGENCY_FINE || findings->keep_fine) {
        ECERT_TRY(make_room(findings, err));
        ECERT_TRY(ecert_finding_copy(finding, &findings->items[findings->n], err));
        findings->n++;
    }
    findings->count[finding->urgency]++;
    /* a CRL ends every day and is replaced by the next */
    if (finding->not_after != 0 && finding->watched != ECERT_WATCHED_CRL &&
        (findings->soonest == 0 || finding->not_after < findings->soonest))
        findings->soonest = finding->not_after;
    return ECERT_OK;
}

void ecert_findings_sort(struct ecert_findings *findings)
{
    if (findings->n > 1)
        qsort(findings->items, findings->n, sizeof *findings->items, ecert_finding_compare);
}

enum ecert_urgency ecert_findings_worst(const struct ecert_findings *findings)
{
    enum ecert_urgency worst = ECERT_URGENCY_FINE;

    for (unsigned u = 0; u < ECERT_URGENCIES; u++)
        if (findings->count[u] > 0 && ecert_urgency_compare((enum ecert_urgency)u, worst) > 0)
            worst = (enum ecert_urgency)u;
    return worst;
}
