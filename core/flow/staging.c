#include "core/flow/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/diff.h"

/* ---- staging ---- */

/* Another name for what will be replaced; `to` is the folder the name goes into. */
static int link_backup(int directory, const struct ecert_item *item, int to)
{
    return linkat(directory, item->name, to, item->backup, 0);
}

static enum ecert_status copy_backup(int directory, const struct ecert_item *item, int labels_from,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *value = NULL;

    if (!item->is_link)
        return ecert_fs_stage(directory, item->backup, ecert_secret_view(&item->before),
                              &item->before_owner, labels_from, err);
    ECERT_TRY(ecert_text_copy(ecert_secret_view(&item->before), &value, err));
    if (symlinkat(value, directory, item->backup) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "make the link '%s'", item->backup);
    return ECERT_OK;
}

static enum ecert_status write_backup(int directory, const struct ecert_item *item,
                                      const struct ecert_journal *journal, int labels_from,
                                      struct ecert_error *err)
{
    if (link_backup(directory, item, journal->backup) == 0)
        return ECERT_OK; /* synced with the mark "commit" */
    if (link_backup(directory, item, directory) != 0)
        ECERT_TRY(copy_backup(directory, item, labels_from, err));
    if (fsync(directory) != 0) /* its name must be on disk before the file is renamed over */
        return ecert_error_errno(err, ECERT_E_IO, "fsync the directory '%s'", item->directory);
    return ECERT_OK;
}

static enum ecert_status write_temporary(int directory, const struct ecert_item *item,
                                         int labels_from, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *value = NULL;

    if (!item->is_link)
        return ecert_fs_stage(directory, item->temporary, ecert_secret_view(&item->after),
                              &item->after_owner, labels_from, err);
    ECERT_TRY(ecert_text_copy(ecert_secret_view(&item->after), &value, err));
    if (symlinkat(value, directory, item->temporary) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "make the link '%s'", item->temporary);
    return ECERT_OK;
}

static enum ecert_status stage(const struct ecert_item *item, const struct ecert_journal *journal,
                               struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int directory = -1;
    ECERT_AUTO(ecert_auto_close) int old = -1;

    ECERT_TRY(ecert_fs_open_trusted_directory(item->directory, &directory, err));
    if (item->existed && !item->is_link) {
        old = openat(directory, item->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (old < 0)
            return ecert_error_errno(err, ECERT_E_IO, "open '%s'", item->path);
    }
    ECERT_TRY(write_temporary(directory, item, old, err));
    return item->existed ? write_backup(directory, item, journal, old, err) : ECERT_OK;
}

enum ecert_status ecert_staging_write(const struct ecert_items *items,
                                      const struct ecert_journal *journal, size_t *ret_failed,
                                      struct ecert_error *err)
{
    for (size_t i = 0; i < items->n; i++)
        if (stage(&items->list[i], journal, err) != ECERT_OK) {
            *ret_failed = i;
            return ecert_error_wrap(err, "'%s' cannot be prepared", items->list[i].path);
        }
    return ECERT_OK;
}

/* ---- directories ---- */

/* Sync the directory of every item, each once. */
static bool sync_directories(const struct ecert_items *items)
{
    struct ecert_error ignored = {0};
    bool durable = true;

    for (size_t i = 0; i < items->n; i++) {
        bool seen = false;

        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(items->list[i].directory, items->list[j].directory) == 0;
        if (!seen && ecert_fs_sync_directory(items->list[i].directory, &ignored) != ECERT_OK)
            durable = false;
    }
    return durable;
}

/* ---- commit ---- */

static enum ecert_status commit(const struct ecert_item *item, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int directory = -1;
    enum ecert_item_state state = ECERT_ITEM_OTHER;

    ECERT_TRY(ecert_fs_open_trusted_directory(item->directory, &directory, err));
    ECERT_TRY(ecert_item_look(item, &state, NULL, err));
    /* equal hashes where only owner or mode change: AFTER is what it is before, too */
    if (state == ECERT_ITEM_OTHER ||
        (state == ECERT_ITEM_AFTER &&
         memcmp(item->before_sha256, item->after_sha256, ECERT_SHA256_LEN) != 0))
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "'%s' was changed since it was read; run the command again",
                               item->path);
    if (renameat(directory, item->temporary, directory, item->name) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "rename '%s' to '%s'", item->temporary,
                                 item->path);
    return ECERT_OK;
}

enum ecert_status ecert_staging_commit(const struct ecert_transaction_env *env,
                                       const struct ecert_items *items, bool *ret_durable,
                                       struct ecert_error *err)
{
    for (size_t i = 0; i < items->n; i++) {
        ECERT_TRY(commit(&items->list[i], err));
        if (i == 0)
            ecert_transaction_at(env, "commit-1");
    }
    *ret_durable = sync_directories(items);
    return ECERT_OK;
}

/* ---- undo ---- */

/* Where the backup is: the transaction's folder, beside the file, or nowhere (-1). */
static int find_backup(int directory, const struct ecert_item *item,
                       const struct ecert_journal *journal)
{
    struct stat st;

    if (item->backup[0] == '\0')
        return -1;
    if (fstatat(journal->backup, item->backup, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return journal->backup;
    return fstatat(directory, item->backup, &st, AT_SYMLINK_NOFOLLOW) == 0 ? directory : -1;
}

static enum ecert_status put_back(int directory, const struct ecert_item *item,
                                  const struct ecert_journal *journal, struct ecert_error *err)
{
    if (!item->existed) {
        if (unlinkat(directory, item->name, 0) != 0 && errno != ENOENT)
            return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", item->path);
        return ECERT_OK;
    }
    if (renameat(find_backup(directory, item, journal), item->backup, directory, item->name) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "put '%s' back", item->path);
    return ECERT_OK;
}

/* The bytes of the backup: in memory, or (after a crash) on disk. */
static enum ecert_status read_before(int from, const struct ecert_item *item,
                                     struct ecert_bytes *ret, struct ecert_error *err)
{
    if (item->before.ptr != NULL || from < 0)
        return ecert_bytes_copy(ecert_secret_view(&item->before), ret, err);
    return ecert_fs_read_at(from, item->backup, ECERT_TRANSACTION_FILE_MAX, ret, err);
}

/* What we had changed, and what somebody made of it. */
static enum ecert_status tell_both(int from, const struct ecert_item *item, struct ecert_view now,
                                   struct ecert_buffer *out, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes before = {0};

    if (item->secret || item->is_link)
        return ECERT_OK;
    ECERT_TRY(read_before(from, item, &before, err));
    if (item->after.ptr == NULL) { /* after a crash: only the whole way is known */
        ecert_buffer_add_text(out, "\nfrom before to now:\n");
        return ecert_diff_unified(item->path, ecert_bytes_view(&before), item->path, now, out, err);
    }
    ecert_buffer_add_text(out, "\nour change:\n");
    ECERT_TRY(ecert_diff_unified(item->path, ecert_bytes_view(&before), item->path,
                                 ecert_secret_view(&item->after), out, err));
    ecert_buffer_add_text(out, "the change since:\n");
    return ecert_diff_unified(item->path, ecert_secret_view(&item->after), item->path, now, out,
                              err);
}

/* Leave a file that is somebody's by now; keep what it was before us beside it. */
static enum ecert_status leave(int directory, const struct ecert_item *item,
                               const struct ecert_journal *journal, struct ecert_view now,
                               struct ecert_strings *notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes note = {0};
    const int from = find_backup(directory, item, journal);
    char kept[ECERT_FS_TEMPORARY_MAX] = "";

    ecert_buffer_printf(&text, "'%s' was changed by somebody after us and was left as it is",
                        item->path);
    if (from >= 0) {
        ECERT_TRY(ecert_fs_temporary_name(item->name, kept, err));
        ecert_buffer_printf(&text, "; what it was before is kept as '%s/%s'", item->directory,
                            kept);
    }
    ECERT_TRY(tell_both(from, item, now, &text, err));
    if (from >= 0 && renameat(from, item->backup, directory, kept) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "keep '%s'", kept);
    ECERT_TRY(ecert_buffer_take(&text, &note, err));
    ECERT_TRY(ecert_strings_add(notes, (const char *)note.ptr, err));
    return ecert_error_set(err, ECERT_E_CHANGED, "'%s' was changed by somebody after us",
                           item->path);
}

/* Did this transaction rename the item?  Its temporary is gone then. */
static bool was_renamed(int directory, const struct ecert_item *item)
{
    struct stat st;

    return fstatat(directory, item->temporary, &st, AT_SYMLINK_NOFOLLOW) != 0;
}

static bool share_member(const struct ecert_item *a, const struct ecert_item *b)
{
    if (a->n_versions == 0 || b->n_versions == 0) /* after a crash nobody knows */
        return true;
    for (size_t i = 0; i < a->n_versions; i++)
        if (ecert_item_is_of(b, a->versions[i].member))
            return true;
    return false;
}

/* Did somebody change it after we had renamed it into place? */
static bool is_somebodys(const struct ecert_item *item, const struct ecert_journal *journal)
{
    ECERT_AUTO(ecert_auto_close)
    int directory = open(item->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    enum ecert_item_state state = ECERT_ITEM_OTHER;
    struct ecert_error ignored = {0};

    return directory >= 0 && was_renamed(directory, item) &&
           (!item->existed || find_backup(directory, item, journal) >= 0) &&
           ecert_item_look(item, &state, NULL, &ignored) == ECERT_OK && state == ECERT_ITEM_OTHER;
}

/*
 * The file that stays because somebody changed it, and that may name this new one: without it the
 * server could not even start.  NULL: there is none, and the new one goes.
 */
static const struct ecert_item *needed_by(const struct ecert_items *items,
                                          const struct ecert_item *item,
                                          const struct ecert_journal *journal)
{
    for (size_t i = 0; i < items->n && !item->existed; i++)
        if (&items->list[i] != item && !items->list[i].is_link &&
            share_member(item, &items->list[i]) && is_somebodys(&items->list[i], journal))
            return &items->list[i];
    return NULL;
}

static enum ecert_status undo(const struct ecert_items *items, const struct ecert_item *item,
                              const struct ecert_journal *journal, size_t *restored,
                              struct ecert_strings *notes, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int directory = -1;
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret now = {0};
    enum ecert_item_state state = ECERT_ITEM_OTHER;
    struct stat st;

    if (lstat(item->directory, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return ecert_strings_printf(notes, err,
                                    "'%s' was removed by somebody after us and was not put back",
                                    item->directory);
    ECERT_TRY(ecert_fs_open_trusted_directory(item->directory, &directory, err));
    if (!was_renamed(directory, item))
        return ECERT_OK;
    ECERT_TRY(ecert_item_look(item, &state, &now, err));
    if (state == ECERT_ITEM_BEFORE)
        return ECERT_OK; /* never staged, or put back already */
    if (item->existed && find_backup(directory, item, journal) < 0)
        return ECERT_OK; /* likewise, and somebody changed it: not our business */
    if (state == ECERT_ITEM_AFTER) {
        const struct ecert_item *user = needed_by(items, item, journal);

        if (user != NULL)
            return ecert_strings_printf(notes, err,
                                        "'%s' is new and was left, because '%s' may name it",
                                        item->path, user->path);
        ECERT_TRY(put_back(directory, item, journal, err));
        ++*restored;
        return ECERT_OK;
    }
    return leave(directory, item, journal, ecert_secret_view(&now), notes, err);
}

enum ecert_status ecert_staging_undo(const struct ecert_items *items,
                                     const struct ecert_journal *journal, size_t *ret_restored,
                                     struct ecert_strings *notes, struct ecert_error *err)
{
    size_t restored = 0;
    bool failed = false;

    /* the last rename first, all the way back whatever happens on it */
    for (size_t i = items->n; i-- > 0;) {
        struct ecert_error one = {0};

        if (undo(items, &items->list[i], journal, &restored, notes, &one) == ECERT_OK)
            continue;
        if (!failed || err->status == ECERT_E_CHANGED)
            *err = one;
        failed = true;
    }
    (void)sync_directories(items);
    *ret_restored = restored;
    return failed ? err->status : ECERT_OK;
}

/* ---- cleaning up ---- */

static enum ecert_status remove_name(int directory, const char *name, struct ecert_error *err)
{
    if (name[0] != '\0' && unlinkat(directory, name, 0) != 0 && errno != ENOENT)
        return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", name);
    return ECERT_OK;
}

enum ecert_status ecert_staging_clean(const struct ecert_items *items,
                                      const struct ecert_journal *journal, struct ecert_error *err)
{
    for (size_t i = 0; i < items->n; i++) {
        const struct ecert_item *item = &items->list[i];
        ECERT_AUTO(ecert_auto_close)
        int directory = open(item->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        ECERT_TRY(remove_name(journal->backup, item->backup, err));
        if (directory < 0 && errno == ENOENT)
            continue;
        if (directory < 0)
            return ecert_error_errno(err, ECERT_E_IO, "open '%s'", item->directory);
        ECERT_TRY(remove_name(directory, item->temporary, err));
        ECERT_TRY(remove_name(directory, item->backup, err));
    }
    return ECERT_OK;
}
