#include "core/flow/outdated.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/store.h"

/* The generation that has this leaf; 0: none. */
static unsigned generation_of(const struct ecert_config *config, const char *name, unsigned newest,
                              const char *sha256)
{
    for (unsigned number = newest; number > 0; number--) {
        ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
        struct ecert_error ignored = {0}; /* one that is gone or damaged is not this one */

        if (ecert_store_facts(config->state_dir, name, number, &facts, &ignored) == ECERT_OK &&
            strcmp(facts.sha256, sha256) == 0)
            return number;
    }
    return 0;
}

static enum ecert_status close_request(const struct ecert_config *config,
                                       struct ecert_request *request, unsigned generation,
                                       struct ecert_error *err)
{
    struct ecert_request answered = *request; /* borrows what it does not change */

    answered.state = ECERT_REQUEST_ISSUED;
    answered.closed = ecert_clock_now();
    answered.generation = generation;
    ECERT_TRY(ecert_requests_save(config->state_dir, &answered, err));
    *request = answered;
    return ECERT_OK;
}

enum ecert_status ecert_outdated_take(const struct ecert_config *config, const X509 *leaf,
                                      const struct ecert_match *match,
                                      struct ecert_intake_result *result, bool *ret,
                                      struct ecert_error *err)
{
    const char *name = match->certificate->name;
    const bool awaited = match->answers && ecert_request_is_pending(match->request) &&
                         match->request->authority != NULL; /* else it is damaged */
    char sha256[ECERT_SHA256_HEX_LEN];
    unsigned newest = 0;

    ecert_certificate_sha256(leaf, sha256);
    ECERT_TRY(ecert_store_newest(config->state_dir, name, &newest, err));
    /* the same file once more */
    const bool closed = match->request != NULL && match->request->state == ECERT_REQUEST_ISSUED &&
                        match->request->generation == 0;
    const unsigned known = generation_of(config, name, newest, sha256);
    *ret = known > 0 || awaited || closed;
    if (!*ret)
        return ECERT_OK;
    if (awaited)
        ECERT_TRY(close_request(config, match->request, known, err));
    if (known == 0)
        ECERT_TRY(ecert_strings_printf(&result->notes, err,
                                       "request %s is closed; generation %u is newer and stays",
                                       match->request->id, newest));
    result->outdated = known == 0;
    result->generation = known > 0 ? known : newest;
    result->not_after = ecert_certificate_not_after(leaf);
    memcpy(result->sha256, sha256, sizeof result->sha256);
    return ECERT_OK;
}

enum ecert_status ecert_outdated_take_tied(const struct ecert_config *config, const X509 *leaf,
                                           const struct ecert_match *match,
                                           struct ecert_intake_result *result, bool *ret,
                                           struct ecert_error *err)
{
    ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
    const char *name = match->certificate->name;
    char sha256[ECERT_SHA256_HEX_LEN];
    struct ecert_error ignored = {0}; /* a damaged generation is no reason to refuse a good file */
    unsigned newest = 0;

    *ret = false;
    ecert_certificate_sha256(leaf, sha256);
    ECERT_TRY(ecert_store_newest(config->state_dir, name, &newest, err));
    if (newest == 0 ||
        ecert_store_facts(config->state_dir, name, newest, &facts, &ignored) != ECERT_OK ||
        facts.not_before != ecert_certificate_not_before(leaf) ||
        strcmp(facts.sha256, sha256) == 0 || generation_of(config, name, newest, sha256) == 0)
        return ECERT_OK;
    return ecert_outdated_take(config, leaf, match, result, ret, err);
}
