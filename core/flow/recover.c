/* The way back after a crash: what an earlier run began and did not end. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/flow/service.h"
#include "core/flow/staging.h"

#define COMMAND_MS 120000u
#define STAYS_MS   500  /* a server that cannot bear what it was given is dead before */
#define COMES_MS   3000 /* a start returns before the server has written its pid file */

/*
 * Does it run, and go on running?  Where neither a pid file nor a unit tells, and where nobody
 * could look, it counts as running, as everywhere else.
 */
static bool stays(const struct ecert_plan_activation *activation)
{
    const int64_t until = ecert_clock_monotonic_ms() + COMES_MS;

    for (int64_t since = -1;; ecert_clock_sleep_ms(50)) {
        ECERT_AUTO(ecert_strings_clear) struct ecert_strings said_before = {0};
        struct ecert_service service = {0};
        struct ecert_error ignored = {0};

        if (ecert_service_find(activation, &service, &said_before, &ignored) != ECERT_OK ||
            (service.running && service.pid == 0 && !service.by_unit))
            return true;
        const int64_t now = ecert_clock_monotonic_ms();
        if (!service.running)
            since = -1;
        else if (since < 0)
            since = now;
        if ((since >= 0 && now - since >= STAYS_MS) || now >= until)
            return service.running;
    }
}

/* It was reloaded or started, or that failed; this is what came of it. */
static enum ecert_status look_at(const char *name, const struct ecert_plan_activation *activation,
                                 struct ecert_strings *dead, struct ecert_buffer *sentence,
                                 struct ecert_error *err)
{
    if (stays(activation))
        return ECERT_OK;
    ecert_buffer_add_text(sentence, ", and is not running now");
    return ecert_strings_printf(dead, err,
                                "recovered, but '%s' is not running: what an unfinished "
                                "transaction had changed was put back; the server's log says why "
                                "it left, start it when that is mended",
                                name);
}

/* Reload what was put back; start what our reload killed.  Appends to the sentence. */
static enum ecert_status reactivate(const struct ecert_journal_content *content, size_t restored,
                                    struct ecert_strings *notes, struct ecert_strings *dead,
                                    struct ecert_buffer *sentence, struct ecert_error *err)
{
    const struct ecert_plan_activation *activation = &content->plan.activation;
    struct ecert_service service = {0};
    struct ecert_error why = {0};

    if (!content->plan.has_activation || (restored == 0 && !content->activate))
        return ECERT_OK;
    const char *name = activation->service;
    if (ecert_service_find(activation, &service, notes, &why) != ECERT_OK) {
        ecert_buffer_printf(sentence, "; %s", why.text);
        return ECERT_OK;
    }
    if (service.running) {
        if (ecert_service_reload(&service, false, COMMAND_MS, NULL, &why) == ECERT_OK)
            ecert_buffer_printf(sentence, "; %s was reloaded", name);
        else
            ecert_buffer_printf(sentence, "; %s could not be reloaded: %s", name, why.text);
    } else if (content->activate && content->same_boot) {
        /* it ran when we reloaded it, and no restart of the machine ended it */
        if (ecert_service_start(&service, COMMAND_MS, &why) == ECERT_OK)
            ecert_buffer_printf(sentence, "; %s was started again", name);
        else
            ecert_buffer_printf(sentence, "; %s could not be started again: %s", name, why.text);
    } else { /* perhaps it never ran: that is for its owner to know */
        ecert_buffer_printf(sentence, "; %s is not running", name);
        return ECERT_OK;
    }
    return look_at(name, activation, dead, sentence, err);
}

static enum ecert_status add_sentence(struct ecert_buffer *sentence, struct ecert_strings *notes,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};

    ECERT_TRY(ecert_buffer_take(sentence, &text, err));
    return ecert_strings_add(notes, (const char *)text.ptr, err);
}

static enum ecert_status put_back(const struct ecert_transaction_env *env,
                                  const struct ecert_journal_content *content,
                                  const struct ecert_journal *journal, struct ecert_strings *notes,
                                  struct ecert_strings *dead, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer sentence = {0};
    char when[ECERT_TIME_TEXT_LEN];
    size_t restored = 0;

    const enum ecert_status status =
        ecert_staging_undo(&content->items, journal, &restored, notes, err);
    if (status != ECERT_OK && status != ECERT_E_CHANGED)
        return status;
    ecert_transaction_at(env, "undo");
    ecert_clock_text(content->begun, when);
    ecert_buffer_printf(&sentence, "the unfinished transaction of %s was undone: ", when);
    if (restored == 0)
        ecert_buffer_add_text(&sentence, "nothing had been changed yet");
    else
        ecert_buffer_printf(&sentence, "%zu file%s put back", restored, restored == 1 ? "" : "s");
    if (status == ECERT_E_CHANGED)
        ecert_buffer_add_text(&sentence, ", and what somebody changed since was left");
    ECERT_TRY(reactivate(content, restored, notes, dead, &sentence, err));
    return add_sentence(&sentence, notes, err);
}

/* A journal that ends early belongs to a run that had staged nothing; it has no backups then. */
static enum ecert_status forget(const char *folder, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *backup = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings kept = {0};

    ECERT_TRY(ecert_text_format(&backup, err, "%s/backup", folder));
    if (ecert_fs_list(backup, &kept, err) == ECERT_OK && kept.len > 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "its journal is damaged, but '%s' holds copies of files as they "
                               "were; compare them by hand, then remove '%s'",
                               backup, folder);
    return ecert_fs_remove_tree(AT_FDCWD, folder, err);
}

/* The files of a transaction that cannot be undone now: nobody else may touch them before. */
static enum ecert_status tell_stuck(const struct ecert_journal_content *content,
                                    const struct ecert_error *why, const char *folder,
                                    struct ecert_strings *notes, struct ecert_strings *stuck,
                                    struct ecert_error *err)
{
    for (size_t i = 0; i < content->items.n; i++)
        ECERT_TRY(ecert_strings_add(stuck, content->items.list[i].path, err));
    return ecert_strings_printf(notes, err,
                                "the unfinished transaction '%s' cannot be undone yet: %s; its "
                                "files are left alone until it can",
                                folder, why->text);
}

static enum ecert_status recover_one(const struct ecert_transaction_env *env, const char *folder,
                                     struct ecert_strings *notes, struct ecert_strings *stuck,
                                     struct ecert_strings *dead, struct ecert_error *err)
{
    ECERT_AUTO(ecert_journal_content_clear) struct ecert_journal_content content = {0};
    ECERT_AUTO(ecert_journal_clear) struct ecert_journal journal = {0};
    struct ecert_error why = {0};

    ECERT_TRY(ecert_journal_read(folder, &content, err));
    if (!content.ready)
        return forget(folder, err);
    ECERT_TRY(ecert_journal_open(folder, &journal, err));
    if (!content.done && put_back(env, &content, &journal, notes, dead, &why) != ECERT_OK)
        return tell_stuck(&content, &why, folder, notes, stuck, err);
    ECERT_TRY(ecert_staging_clean(&content.items, &journal, err));
    return ecert_journal_end(&journal, err);
}

enum ecert_status ecert_transaction_recover(const struct ecert_transaction_env *env,
                                            struct ecert_strings *ret_notes,
                                            struct ecert_strings *ret_stuck,
                                            struct ecert_strings *ret_dead, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free) char *transactions = NULL;
    enum ecert_status worst = ECERT_OK;

    ECERT_TRY(ecert_text_format(&transactions, err, "%s/transactions", env->state_dir));
    const enum ecert_status status = ecert_fs_list(transactions, &names, err);
    if (status != ECERT_OK)
        return status == ECERT_E_NOT_FOUND ? ECERT_OK : status;
    for (size_t i = names.len; i-- > 0;) { /* names begin with the time: the newest first */
        ECERT_AUTO(ecert_auto_free) char *folder = NULL;
        struct ecert_error one = {0};

        ECERT_TRY(ecert_text_format(&folder, err, "%s/%s", transactions, names.items[i]));
        if (recover_one(env, folder, ret_notes, ret_stuck, ret_dead, &one) == ECERT_OK ||
            worst != ECERT_OK)
            continue;
        (void)ecert_error_wrap(&one, "the unfinished transaction '%s' could not be undone",
                               names.items[i]);
        *err = one;
        worst = one.status;
    }
    return worst;
}
