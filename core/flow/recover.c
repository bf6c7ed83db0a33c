/* The way back after a crash: what an earlier run began and did not end. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/flow/service.h"
#include "core/flow/staging.h"

/* Reload what was put back; start what our reload killed.  Appends to the sentence. */
static void reactivate(const struct ecert_journal_content *content, size_t restored,
                       struct ecert_strings *notes, struct ecert_buffer *sentence)
{
    const unsigned timeout = 120000;
    struct ecert_service service = {0};
    struct ecert_error err = {0};

    if (!content->plan.has_activation || (restored == 0 && !content->activate))
        return;
    const char *name = content->plan.activation.service;
    if (ecert_service_find(&content->plan.activation, &service, notes, &err) != ECERT_OK) {
        ecert_buffer_printf(sentence, "; %s", err.text);
    } else if (service.running) {
        if (ecert_service_reload(&service, false, timeout, NULL, &err) == ECERT_OK)
            ecert_buffer_printf(sentence, "; %s was reloaded", name);
        else
            ecert_buffer_printf(sentence, "; %s could not be reloaded: %s", name, err.text);
    } else if (content->activate && content->same_boot) {
        /* it ran when we reloaded it, and no restart of the machine ended it */
        if (ecert_service_start(&service, timeout, &err) == ECERT_OK)
            ecert_buffer_printf(sentence, "; %s was started again", name);
        else
            ecert_buffer_printf(sentence, "; %s could not be started again: %s", name, err.text);
    }
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
                                  struct ecert_error *err)
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
    reactivate(content, restored, notes, &sentence);
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
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_journal_content_clear) struct ecert_journal_content content = {0};
    ECERT_AUTO(ecert_journal_clear) struct ecert_journal journal = {0};
    struct ecert_error why = {0};

    ECERT_TRY(ecert_journal_read(folder, &content, err));
    if (!content.ready)
        return forget(folder, err);
    ECERT_TRY(ecert_journal_open(folder, &journal, err));
    if (!content.done && put_back(env, &content, &journal, notes, &why) != ECERT_OK)
        return tell_stuck(&content, &why, folder, notes, stuck, err);
    ECERT_TRY(ecert_staging_clean(&content.items, &journal, err));
    return ecert_journal_end(&journal, err);
}

enum ecert_status ecert_transaction_recover(const struct ecert_transaction_env *env,
                                            struct ecert_strings *ret_notes,
                                            struct ecert_strings *ret_stuck,
                                            struct ecert_error *err)
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
        if (recover_one(env, folder, ret_notes, ret_stuck, &one) == ECERT_OK || worst != ECERT_OK)
            continue;
        (void)ecert_error_wrap(&one, "the unfinished transaction '%s' could not be undone",
                               names.items[i]);
        *err = one;
        worst = one.status;
    }
    return worst;
}
