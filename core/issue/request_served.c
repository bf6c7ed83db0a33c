/* A first request for a name whose server serves something already. */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/shell_word.h"
#include "core/flow/certificate.h"
#include "core/flow/store.h"
#include "core/issue/request_parts.h"
#include "core/issue/served.h"

#define LOOK_MS 2000u /* nobody waits longer for a note */

/* Every place that is looked at, all at the same time. */
struct look {
    struct ecert_served_sites sites;
    struct ecert_plan plan;
    struct place {
        struct request_work *work;
        const struct ecert_target_config *target;
    } * places; /* one for each probe of the plan */
    struct ecert_seen *seen;
};

static void look_clear(struct look *look)
{
    for (size_t i = 0; look->seen != NULL && i < look->plan.n_probes; i++)
        ecert_seen_clear(&look->seen[i]);
    free(look->seen);
    free(look->places);
    ecert_plan_clear(&look->plan);
    ecert_served_sites_clear(&look->sites);
    *look = (struct look){0};
}

static enum ecert_status add_target(const struct request_run *run, struct request_work *work,
                                    const struct ecert_target_config *target, struct look *look,
                                    struct ecert_error *err)
{
    const struct ecert_deployment deployment = {.certificate = work->outcome->certificate,
                                                .target = target};
    const size_t before = look->plan.n_probes;
    struct ecert_error why = {0};

    if (ecert_served_places(run->context->config, &deployment, &look->sites, &look->plan, &why) ==
        ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    if (look->plan.n_probes == before)
        return ECERT_OK;
    struct place *more = reallocarray(look->places, look->plan.n_probes, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    look->places = more;
    for (size_t i = before; i < look->plan.n_probes; i++)
        more[i] = (struct place){work, target};
    return ECERT_OK;
}

static enum ecert_status note(const struct place *place, const struct ecert_seen *seen,
                              struct ecert_error *err)
{
    struct ecert_request_outcome *outcome = place->work->outcome;
    const char *name = outcome->certificate->name;
    ECERT_AUTO(ecert_auto_free) char *word = NULL;
    char date[ECERT_TIME_TEXT_LEN];

    if (!seen->answered || sk_X509_num(seen->certificates) < 1)
        return ECERT_OK;
    const X509 *leaf = sk_X509_value(seen->certificates, 0);
    if (!ecert_certificate_covers(leaf, name)) /* what a server has before it has one */
        return ECERT_OK;
    ECERT_TRY(ecert_shell_word(name, &word, err));
    ecert_clock_date(ecert_certificate_not_after(leaf), date);
    return ecert_strings_printf(&outcome->notes, err,
                                "%s serves one until %s that ecert did not deploy; `ecert adopt "
                                "%s` takes it over",
                                place->target->id, date, word);
}

/* What is served then is most likely what ecert deployed, whatever kind the next request is of. */
static bool has_generation(const struct request_run *run,
                           const struct ecert_certificate_config *certificate)
{
    struct ecert_error ignored = {0};
    unsigned newest = 0;

    return ecert_store_newest(run->context->config->state_dir, certificate->name, &newest,
                              &ignored) != ECERT_OK ||
           newest > 0;
}

enum ecert_status request_note_served(struct request_run *run, struct ecert_error *err)
{
    ECERT_AUTO(look_clear) struct look look = {0};
    struct ecert_error ignored = {0};
    const struct request_work *said = NULL;

    for (size_t i = 0; i < run->n; i++) {
        struct request_work *work = &run->works[i];
        const struct ecert_certificate_config *certificate = work->outcome->certificate;

        if (work->step != REQUEST_NEW || work->outcome->request.kind != ECERT_REQUEST_FIRST ||
            has_generation(run, certificate))
            continue;
        for (size_t k = 0; k < certificate->n_targets; k++)
            ECERT_TRY(add_target(run, work, &certificate->targets[k], &look, err));
    }
    if (look.plan.n_probes == 0)
        return ECERT_OK;
    look.seen = calloc(look.plan.n_probes, sizeof *look.seen);
    if (look.seen == NULL)
        return ecert_error_nomem(err);
    if (ecert_network_probe(&run->context->network, look.plan.probes, look.plan.n_probes, NULL,
                            LOOK_MS, look.seen, &ignored) != ECERT_OK)
        return ECERT_OK;
    for (size_t i = 0; i < look.plan.n_probes; i++) {
        const struct request_work *work = look.places[i].work;
        const size_t before = work->outcome->notes.len;

        if (work == said) /* once for a name is enough */
            continue;
        ECERT_TRY(note(&look.places[i], &look.seen[i], err));
        if (work->outcome->notes.len > before)
            said = work;
    }
    return ECERT_OK;
}
