/* The way back of an attempt. */

#include "core/flow/attempt.h"
#include "core/flow/look.h"
#include "core/flow/prove.h"

/* A reload with files that the server's own test refuses would kill a server that still lives. */
static enum ecert_status test_what_is_back(struct ecert_attempt *attempt, struct ecert_error *err)
{
    bool tested = false;

    if (ecert_prove(attempt->env, attempt->members, attempt->n, NULL, NULL, ECERT_PROVE_LIVE, NULL,
                    &tested, err) != ECERT_E_COMMAND)
        return ECERT_OK;
    return ecert_error_wrap(err, "the server was not reloaded, because its test refuses the files "
                                 "that are there now");
}

/* Make the server take again what it had before. */
enum ecert_status ecert_attempt_reactivate(struct ecert_attempt *attempt, struct ecert_error *err)
{
    const unsigned timeout = attempt->env->command_timeout_ms;

    if (!attempt->activated)
        return ECERT_OK;
    if (attempt->died || !ecert_service_is_alive(&attempt->service))
        return ecert_service_start(&attempt->service, timeout, err);
    ECERT_TRY(test_what_is_back(attempt, err));
    return ecert_service_reload(&attempt->service, false, timeout, NULL, err);
}

/* Does it serve again what it served before?  That nobody could look is a note, not a failure. */
static enum ecert_status look_restored(struct ecert_attempt *attempt, struct ecert_error *err)
{
    if (!attempt->activated)
        return ECERT_OK;
    const enum ecert_status status = ecert_look_restored(attempt->env, attempt->members, attempt->n,
                                                         attempt->env->look_timeout_ms, err);
    if (status == ECERT_OK || status == ECERT_E_TIMEOUT)
        return status;
    ecert_members_note(attempt->members, attempt->n,
                       "what is served after putting everything back could not be looked at");
    return ECERT_OK;
}

/* Put everything back; *why, the reason, gets the words about how that went. */
enum ecert_outcome_kind ecert_attempt_put_back(struct ecert_attempt *attempt,
                                               struct ecert_error *why)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};
    struct ecert_error files = {0}, service = {0};
    const struct ecert_error reason = *why;
    size_t restored = 0;

    const enum ecert_status back =
        ecert_staging_undo(&attempt->items, &attempt->journal, &restored, &notes, &files);
    for (size_t i = 0; i < notes.len; i++)
        ecert_members_note(attempt->members, attempt->n, notes.items[i]);
    ecert_transaction_at(attempt->env, "undo");
    enum ecert_status running = ecert_attempt_reactivate(attempt, &service);
    if (running == ECERT_OK)
        running = look_restored(attempt, &service);
    /* what somebody else changed is his; anything else is still ours to put back */
    attempt->stuck = back != ECERT_OK && back != ECERT_E_CHANGED;
    if (back == ECERT_OK && running == ECERT_OK) {
        (void)ecert_error_set(why, reason.status, "%s; everything was put back%s", reason.text,
                              !attempt->activated ? ""
                              : attempt->died     ? ", and the server was started again"
                                                  : ", and the server was reloaded");
        return ECERT_OUTCOME_UNDONE;
    }
    (void)ecert_error_set(why, reason.status, "%s; putting it back failed too: %s%s%s", reason.text,
                          files.text, back != ECERT_OK && running != ECERT_OK ? "; " : "",
                          service.text);
    return ECERT_OUTCOME_UNDO_FAILED;
}
