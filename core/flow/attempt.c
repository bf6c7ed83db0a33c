/* The steps for one group, and its verdicts.  See transaction_internal.h for who does what. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/flow/attempt.h"
#include "core/flow/look.h"
#include "core/flow/origin.h"
#include "core/flow/prove.h"

static void attempt_clear(struct ecert_attempt *attempt)
{
    ecert_items_clear(&attempt->items);
    ecert_journal_clear(&attempt->journal);
    ecert_buffer_clear(&attempt->reload_words);
}

static bool owns_items(const struct ecert_attempt *attempt, size_t member)
{
    for (size_t i = 0; i < attempt->items.n; i++)
        if (ecert_item_is_of(&attempt->items.list[i], member))
            return true;
    return false;
}

/* ---- the steps ---- */

static enum ecert_status find_items(struct ecert_attempt *attempt, struct ecert_error *err)
{
    return ecert_items_collect(attempt->members, attempt->n, true, &attempt->items, err);
}

/* The service and what is served now; also where there is nothing to change. */
static enum ecert_status look_before(struct ecert_attempt *attempt, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings notes = {0};

    if (attempt->activation != NULL) {
        ECERT_TRY(ecert_service_find(attempt->activation, &attempt->service, &notes, err));
        for (size_t i = 0; i < notes.len; i++)
            ecert_members_note(attempt->members, attempt->n, notes.items[i]);
        if (!attempt->service.running)
            return ECERT_OK;
    }
    return ecert_look_before(attempt->env, attempt->members, attempt->n, err);
}

static enum ecert_status stage_files(struct ecert_attempt *attempt, struct ecert_error *err)
{
    size_t failed = 0;

    if (attempt->items.n == 0)
        return ECERT_OK;
    if (ecert_journal_begin(attempt->env->state_dir, &attempt->items, attempt->activation,
                            &attempt->journal, err) != ECERT_OK) {
        attempt->broken_machine = true;
        return err->status;
    }
    ecert_transaction_at(attempt->env, "journal");
    if (ecert_staging_write(&attempt->items, &attempt->journal, &failed, err) != ECERT_OK) {
        for (size_t i = 0; i < attempt->n; i++)
            if (attempt->members[i].waiting && ecert_item_is_of(&attempt->items.list[failed], i))
                ecert_member_verdict(&attempt->members[i], ECERT_OUTCOME_REFUSED, err);
        attempt->told = true;
        return err->status;
    }
    ecert_transaction_at(attempt->env, "stage");
    return ECERT_OK;
}

/* What needs no server's word is done while the server tests. */
struct aside {
    struct ecert_attempt *attempt;
    bool called;
    struct ecert_error err;
};

static void load_and_look(void *context)
{
    struct aside *aside = context;

    aside->called = true;
    if (ecert_attempt_preload(aside->attempt, &aside->err) == ECERT_OK && !aside->attempt->told)
        (void)!look_before(aside->attempt, &aside->err);
}

static void note_unproved(struct ecert_attempt *attempt, const struct ecert_error *why)
{
    struct ecert_error note = *why;

    (void)ecert_error_wrap(&note, "the new configuration could not be tested before the change, so "
                                  "the live files were tested after it (no private view of the "
                                  "file system here");
    for (size_t i = 0; i < attempt->n; i++)
        if (attempt->members[i].waiting)
            ecert_member_note(&attempt->members[i], "%s)", note.text);
    attempt->unproved = true;
}

/* The server's test refused the new configuration: whose? */
static enum ecert_status find_guilty(struct ecert_attempt *attempt, struct ecert_error *err)
{
    const struct ecert_error words = *err;

    ECERT_TRY(ecert_staging_clean(&attempt->items, &attempt->journal, err));
    ecert_prove_blame(attempt->env, attempt->members, attempt->n, attempt->journal.folder, &words);
    attempt->told = true;
    *err = words;
    return words.status;
}

/*
 * The server's test, with the pre-load and the look before beside it.  The pre-load is heard first:
 * its reason is the clearer one, and what a server said about the same files does not count then.
 */
static enum ecert_status run_tests(struct ecert_attempt *attempt, struct ecert_error *err)
{
    struct aside aside = {.attempt = attempt};
    const struct ecert_meanwhile meanwhile = {load_and_look, &aside};
    struct ecert_error words = {0};

    if (attempt->items.n > 0)
        (void)!ecert_prove(attempt->env, attempt->members, attempt->n, &attempt->items,
                           attempt->journal.folder, ECERT_PROVE_IN_VIEW, &meanwhile,
                           &attempt->proved, &words);
    if (!aside.called)
        load_and_look(&aside);
    if (attempt->told)
        return ecert_error_set(err, ECERT_E_CRYPTO, "a pair of key and certificate is not usable");
    if (words.status == ECERT_E_COMMAND) {
        *err = words;
        return find_guilty(attempt, err);
    }
    if (aside.err.status != ECERT_OK) {
        *err = aside.err;
        return err->status;
    }
    if (words.status == ECERT_E_UNSUPPORTED) {
        note_unproved(attempt, &words);
    } else if (words.status != ECERT_OK) {
        *err = words;
        return words.status;
    }
    if (attempt->items.n == 0)
        return ECERT_OK;
    attempt->tested = attempt->proved;
    ecert_transaction_at(attempt->env, "prove");
    return ECERT_OK;
}

static enum ecert_status mark_commit(struct ecert_attempt *attempt, struct ecert_error *err)
{
    return attempt->items.n == 0
               ? ECERT_OK
               : ecert_journal_add_mark(&attempt->journal, ECERT_MARK_COMMIT, err);
}

static enum ecert_status rename_all(struct ecert_attempt *attempt, struct ecert_error *err)
{
    bool durable = true, tested = false;

    if (attempt->items.n == 0)
        return ECERT_OK;
    ecert_transaction_at(attempt->env, "commit");
    ECERT_TRY(ecert_staging_commit(attempt->env, &attempt->items, &durable, err));
    if (!durable)
        ecert_members_note(attempt->members, attempt->n,
                           "the files are in place, but a directory could not be synced: whether "
                           "they survive a power cut is not known");
    if (attempt->unproved && ecert_prove(attempt->env, attempt->members, attempt->n, NULL, NULL,
                                         ECERT_PROVE_LIVE, NULL, &tested, err) != ECERT_OK)
        return ecert_error_wrap(err, "the server refuses the new configuration");
    attempt->tested = attempt->tested || tested;
    return ECERT_OK;
}

/* Reload, where there is something to reload for. */
static enum ecert_status activate(struct ecert_attempt *attempt, struct ecert_error *err)
{
    struct ecert_error ignored = {0};
    bool wanted = attempt->items.n > 0;

    for (size_t i = 0; i < attempt->n; i++)
        wanted =
            wanted || (attempt->members[i].waiting && !ecert_look_is_good(&attempt->members[i]));
    if (attempt->activation == NULL || !attempt->service.running || !wanted)
        return ECERT_OK;
    /* the mark helps a later run, which can do without: its failure stops nothing */
    if (attempt->items.n > 0)
        (void)!ecert_journal_add_mark(&attempt->journal, ECERT_MARK_ACTIVATE, &ignored);
    attempt->activated = true;
    ECERT_TRY(ecert_service_reload(&attempt->service, attempt->tested,
                                   attempt->env->command_timeout_ms, &attempt->reload_words, err));
    ecert_transaction_at(attempt->env, "activate");
    return ECERT_OK;
}

/* Say what the reload said, because the problem by itself sounds as if nobody had reloaded. */
static enum ecert_status add_reload_words(const struct ecert_attempt *attempt,
                                          struct ecert_error *err)
{
    const struct ecert_error inner = *err;

    if (!attempt->activated)
        return inner.status;
    if (attempt->reload_words.len > 0)
        return ecert_error_set(
            err, inner.status, "%s, although the reload had reported success (it said: %.*s)",
            inner.text, (int)attempt->reload_words.len, (const char *)attempt->reload_words.ptr);
    return ecert_error_set(err, inner.status, "%s, although the reload had reported success",
                           inner.text);
}

static enum ecert_status look_after(struct ecert_attempt *attempt, struct ecert_error *err)
{
    const bool watched = attempt->activation != NULL && attempt->service.running;

    if ((attempt->activation != NULL && !watched) || (attempt->items.n == 0 && !attempt->activated))
        return ECERT_OK;
    ECERT_TRY(ecert_look_after(attempt->env, attempt->members, attempt->n,
                               watched ? &attempt->service : NULL, attempt->env->look_timeout_ms,
                               &attempt->died, err));
    if (attempt->died)
        return ecert_error_set(err, ECERT_E_COMMAND, "'%s' died after its reload",
                               attempt->activation->service);
    for (size_t i = 0; i < attempt->n; i++)
        if (attempt->members[i].waiting && !ecert_look_is_good(&attempt->members[i])) {
            (void)ecert_look_problem(&attempt->members[i], err);
            return add_reload_words(attempt, err);
        }
    ecert_transaction_at(attempt->env, "look");
    return ECERT_OK;
}

/*
 * What was there before ecert, for `rollback --to 0`: the last thing before everything is final,
 * because until then the journal knows it.
 */
static enum ecert_status keep_origins(struct ecert_attempt *attempt, struct ecert_error *err)
{
    for (size_t i = 0; i < attempt->n; i++) {
        const struct ecert_member *member = &attempt->members[i];

        if (!member->waiting || member->change->served_before != NULL)
            continue;
        if (ecert_origin_keep(attempt->env->state_dir, &attempt->items, i, member, err) == ECERT_OK)
            continue;
        (void)ecert_error_wrap(err, "what was there before cannot be kept");
        if (attempt->items.n > 0)
            return err->status;
        ecert_member_note(&attempt->members[i], "%s", err->text); /* there is nothing to undo */
        *err = (struct ecert_error){0};
    }
    return ECERT_OK;
}

static const struct step {
    const char *name;
    enum ecert_status (*run)(struct ecert_attempt *attempt, struct ecert_error *err);
    bool live; /* from the first live row on, any failure leads to undo */
} steps[] = {
    {"compare", find_items, false}, {"stage", stage_files, false}, {"prove", run_tests, false},
    {"commit", mark_commit, false}, {"commit", rename_all, true},  {"activate", activate, true},
    {"look", look_after, true},     {"keep", keep_origins, true},
};

/* ---- the good end ---- */

static void tell_files(const struct ecert_attempt *attempt, size_t member)
{
    struct ecert_outcome *outcome = attempt->members[member].outcome;
    struct ecert_error ignored = {0};
    size_t own = 0;

    for (size_t i = 0; i < attempt->items.n; i++)
        own += ecert_item_is_of(&attempt->items.list[i], member);
    outcome->files = calloc(own + 1, sizeof *outcome->files);
    for (size_t i = 0; outcome->files != NULL && i < attempt->items.n; i++) {
        const struct ecert_item *item = &attempt->items.list[i];
        struct ecert_changed_file *file = &outcome->files[outcome->n_files];

        if (!ecert_item_is_of(item, member) ||
            ecert_text_copy(ecert_view_of(item->path), &file->path, &ignored) != ECERT_OK)
            continue;
        if (item->existed)
            ecert_hex((struct ecert_view){item->before_sha256, ECERT_SHA256_LEN}, file->before);
        ecert_hex((struct ecert_view){item->after_sha256, ECERT_SHA256_LEN}, file->after);
        outcome->n_files++;
    }
}

static enum ecert_outcome_kind good_kind(const struct ecert_attempt *attempt, size_t member)
{
    const struct ecert_member *who = &attempt->members[member];
    const bool own = owns_items(attempt, member);

    if (attempt->activation != NULL && !attempt->service.running)
        return ECERT_OUTCOME_NOT_RUNNING;
    if (!ecert_look_is_wanted(who))
        return own ? ECERT_OUTCOME_PLACED : ECERT_OUTCOME_UNCHANGED;
    return own || !ecert_look_was_good(who) ? ECERT_OUTCOME_DEPLOYED : ECERT_OUTCOME_UNCHANGED;
}

/* Done is done: what cannot be tidied up is a note. */
static void finish(struct ecert_attempt *attempt)
{
    struct ecert_error err = {0};

    if (attempt->items.n > 0 &&
        (ecert_journal_add_mark(&attempt->journal, ECERT_MARK_DONE, &err) != ECERT_OK ||
         (ecert_transaction_at(attempt->env, "record"),
          ecert_staging_clean(&attempt->items, &attempt->journal, &err)) != ECERT_OK ||
         ecert_journal_end(&attempt->journal, &err) != ECERT_OK))
        ecert_members_note(attempt->members, attempt->n, err.text);
    for (size_t i = 0; i < attempt->n; i++) {
        if (!attempt->members[i].waiting)
            continue;
        attempt->members[i].outcome->proved = attempt->proved;
        attempt->members[i].outcome->activated = attempt->activated;
        tell_files(attempt, i);
        ecert_member_verdict(&attempt->members[i], good_kind(attempt, i), NULL);
    }
}

/* ---- the way back ---- */

/*
 * Whose fault?  Those whose own look failed, when others' did not; else everybody's.  After an
 * undo that failed nobody is tried again.
 */
static void give_undone(struct ecert_attempt *attempt, enum ecert_outcome_kind kind,
                        const struct ecert_error *why, bool looked)
{
    bool some_good = false;

    for (size_t i = 0; looked && i < attempt->n; i++)
        some_good =
            some_good || (attempt->members[i].waiting && ecert_look_is_good(&attempt->members[i]));
    for (size_t i = 0; i < attempt->n; i++) {
        struct ecert_member *member = &attempt->members[i];

        if (member->waiting &&
            (kind == ECERT_OUTCOME_UNDO_FAILED || !some_good || !ecert_look_is_good(member))) {
            member->outcome->activated = attempt->activated;
            member->outcome->proved = attempt->proved;
            ecert_member_verdict(member, kind, why);
        }
    }
}

/* Nothing had to change, but it is not served: there is nothing to put back. */
static void give_not_served(struct ecert_attempt *attempt, struct ecert_error *why)
{
    struct ecert_error again = {0};

    if (attempt->died && ecert_attempt_reactivate(attempt, &again) != ECERT_OK)
        (void)ecert_error_wrap(why, "%s, and", again.text);
    (void)ecert_error_wrap(why, "everything is in place, but the server does not serve it");
    for (size_t i = 0; i < attempt->n; i++) {
        struct ecert_member *member = &attempt->members[i];

        if (!member->waiting)
            continue;
        member->outcome->activated = attempt->activated;
        if (!attempt->died && ecert_look_is_good(member))
            ecert_member_verdict(member, good_kind(attempt, i), NULL);
        else
            ecert_member_verdict(member, ECERT_OUTCOME_REFUSED, why);
    }
}

/* The live files are back as they were: was the server's test content with them? */
static void tell_broken_before(struct ecert_attempt *attempt, struct ecert_error *why)
{
    struct ecert_error before = {0};
    bool tested = false;

    if (ecert_prove(attempt->env, attempt->members, attempt->n, NULL, NULL, ECERT_PROVE_LIVE, NULL,
                    &tested, &before) == ECERT_E_COMMAND)
        (void)ecert_error_set(why, ECERT_E_COMMAND,
                              "the configuration was already broken before: %s", before.text);
}

/* Undo, and say whose fault it was. */
static void fail_live(struct ecert_attempt *attempt, const struct step *step,
                      struct ecert_error *why)
{
    const bool tested =
        step->run == rename_all && attempt->unproved && why->status == ECERT_E_COMMAND;
    const enum ecert_outcome_kind kind = ecert_attempt_put_back(attempt, why);

    if (tested && kind == ECERT_OUTCOME_UNDONE) {
        attempt->unclear = ecert_members_waiting(attempt->members, attempt->n) > 1;
        if (attempt->unclear)
            return;
        tell_broken_before(attempt, why);
    }
    give_undone(attempt, kind, why, step->run == look_after && !attempt->died);
}

/*
 * A step failed.  Everything is as before afterwards, and somebody has a verdict, unless `unclear`
 * or the machine is to blame.
 */
static void fail(struct ecert_attempt *attempt, const struct step *step, struct ecert_error *why)
{
    struct ecert_error err = {0};

    if (attempt->items.n == 0 && step->live) {
        give_not_served(attempt, why);
        return;
    }
    if (step->live)
        fail_live(attempt, step, why);
    else if (!attempt->told)
        ecert_members_verdict(attempt->members, attempt->n, ECERT_OUTCOME_REFUSED, why);
    if (attempt->stuck) {
        for (size_t i = 0; i < attempt->n; i++)
            ecert_member_note(&attempt->members[i],
                              "the copies of what was there are kept in '%s'; the next run puts "
                              "them back when it can",
                              attempt->journal.folder);
        return;
    }
    if (attempt->journal.folder != NULL &&
        (ecert_staging_clean(&attempt->items, &attempt->journal, &err) != ECERT_OK ||
         ecert_journal_end(&attempt->journal, &err) != ECERT_OK))
        ecert_members_note(attempt->members, attempt->n, err.text);
}

/* ---- one attempt, and all that it takes ---- */

static enum ecert_status attempt_once(const struct ecert_transaction_env *env,
                                      struct ecert_member *members, size_t n, bool *ret_unclear,
                                      struct ecert_error *err)
{
    ECERT_AUTO(attempt_clear)
    struct ecert_attempt attempt = {.env = env, .members = members, .n = n};

    *ret_unclear = false;
    if (members[0].change->plan->has_activation) /* a group shares it */
        attempt.activation = &members[0].change->plan->activation;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct ecert_error why = {0};

        if (ecert_members_waiting(members, n) == 0)
            break;
        if (steps[i].run(&attempt, &why) == ECERT_OK)
            continue;
        fail(&attempt, &steps[i], &why);
        *ret_unclear = attempt.unclear;
        if (!attempt.broken_machine)
            return ECERT_OK;
        *err = why;
        return err->status;
    }
    finish(&attempt);
    return ECERT_OK;
}

enum ecert_status ecert_attempt_group(const struct ecert_transaction_env *env,
                                      struct ecert_member *members, size_t n,
                                      struct ecert_error *err)
{
    bool unclear = false;

    while (ecert_members_waiting(members, n) > 0) {
        ECERT_TRY(attempt_once(env, members, n, &unclear, err));
        for (size_t i = 0; unclear && i < n; i++)
            if (members[i].waiting)
                ECERT_TRY(ecert_attempt_group(env, &members[i], 1, err));
    }
    return ECERT_OK;
}
