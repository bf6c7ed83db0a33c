#include "core/flow/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

#define CHECKSUM    8
#define JOURNAL_MAX (64u << 20)

enum record { RECORD_BEGIN = 1, RECORD_ITEM, RECORD_SERVICE, RECORD_READY, RECORD_MARK };

/* ---- writing ---- */

/* The boot that this is; "" where /proc does not tell. */
static void boot_id(char ret[64])
{
    ECERT_AUTO(ecert_auto_close)
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, ret, 63);

    ret[n < 0 ? 0 : n] = '\0';
}

static void add_record(struct ecert_buffer *buffer, const struct ecert_message *message)
{
    uint8_t sha256[ECERT_SHA256_LEN];
    const size_t start = buffer->len;

    ecert_message_encode(message, buffer);
    if (buffer->failed)
        return;
    ecert_sha256((struct ecert_view){buffer->ptr + start, buffer->len - start}, sha256);
    ecert_buffer_add(buffer, (struct ecert_view){sha256, CHECKSUM});
}

static void add_begin(struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = RECORD_BEGIN};
    uint8_t number[8];
    char boot[64];

    boot_id(boot);
    ecert_message_add_number(&message, ecert_clock_now(), number);
    ecert_message_add_text(&message, boot);
    add_record(buffer, &message);
}

enum item_field {
    FIELD_PATH,
    FIELD_TEMPORARY,
    FIELD_BACKUP,
    FIELD_IS_LINK,
    FIELD_SECRET,
    FIELD_EXISTED,
    FIELD_UID,
    FIELD_GID,
    FIELD_MODE,
    FIELD_BEFORE,
    FIELD_AFTER,
};

static void add_item(struct ecert_buffer *buffer, const struct ecert_item *item)
{
    struct ecert_message message = {.kind = RECORD_ITEM};
    const int64_t numbers[] = {item->is_link,          item->secret,
                               item->existed,          item->before_owner.uid,
                               item->before_owner.gid, item->before_owner.mode};
    uint8_t storage[ARRAY_SIZE(numbers)][8];

    ecert_message_add_text(&message, item->path);
    ecert_message_add_text(&message, item->temporary);
    ecert_message_add_text(&message, item->backup);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        ecert_message_add_number(&message, numbers[i], storage[i]);
    ecert_message_add(&message, (struct ecert_view){item->before_sha256, ECERT_SHA256_LEN});
    ecert_message_add(&message, (struct ecert_view){item->after_sha256, ECERT_SHA256_LEN});
    add_record(buffer, &message);
}

/* An argv as one field: each word with its NUL. */
static void pack_argv(struct ecert_buffer *buffer, const struct ecert_strings *argv)
{
    for (size_t i = 0; i < argv->len; i++)
        ecert_buffer_add(buffer, (struct ecert_view){(const uint8_t *)argv->items[i],
                                                     strlen(argv->items[i]) + 1});
}

static void add_service(struct ecert_buffer *buffer, const struct ecert_plan_activation *activation)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer reload = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer start = {0};
    struct ecert_message message = {.kind = RECORD_SERVICE};

    pack_argv(&reload, &activation->reload);
    pack_argv(&start, &activation->start);
    buffer->failed = buffer->failed || reload.failed || start.failed;
    ecert_message_add_text(&message, activation->service);
    ecert_message_add_text(&message, activation->pid_file);
    ecert_message_add_text(&message, activation->executable);
    ecert_message_add(&message, ecert_buffer_view(&reload));
    ecert_message_add(&message, ecert_buffer_view(&start));
    add_record(buffer, &message);
}

static enum ecert_status name_items(struct ecert_items *items, struct ecert_error *err)
{
    for (size_t i = 0; i < items->n; i++) {
        struct ecert_item *item = &items->list[i];

        ECERT_TRY(ecert_fs_temporary_name(item->name, item->temporary, err));
        if (item->existed)
            ECERT_TRY(ecert_fs_temporary_name(item->name, item->backup, err));
    }
    return ECERT_OK;
}

/* transactions/, transactions/ID and ID/backup; each name synced where it stands. */
static enum ecert_status make_folder(const char *state_dir, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *transactions = NULL;
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_auto_free) char *backup = NULL;
    char name[ECERT_FS_TEMPORARY_MAX], when[ECERT_TIME_TEXT_LEN];

    ecert_clock_text(ecert_clock_now(), when);
    ECERT_TRY(ecert_fs_temporary_name(when, name, err));
    ECERT_TRY(ecert_text_format(&transactions, err, "%s/transactions", state_dir));
    ECERT_TRY(ecert_text_format(&folder, err, "%s/%s", transactions, name + 1));
    ECERT_TRY(ecert_text_format(&backup, err, "%s/backup", folder));
    ECERT_TRY(ecert_fs_make_directories(backup, 0700, err));
    *ret = folder;
    folder = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_journal_open(const char *folder, struct ecert_journal *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *name = NULL;
    ECERT_AUTO(ecert_auto_close)
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    ECERT_TRY(ecert_text_copy(ecert_view_of(folder), &name, err));
    if (directory < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", folder);
    ECERT_AUTO(ecert_auto_close)
    int backup = openat(directory, "backup", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    ECERT_AUTO(ecert_auto_close)
    int fd =
        openat(directory, "journal", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (backup < 0 || fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s/%s'", folder,
                                 backup < 0 ? "backup" : "journal");
    *ret = (struct ecert_journal){name, ecert_fd_take(&fd), ecert_fd_take(&backup)};
    name = NULL;
    return ECERT_OK;
}

static enum ecert_status write_journal(struct ecert_journal *journal, const char *state_dir,
                                       struct ecert_view records, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *transactions = NULL;

    ECERT_TRY(ecert_text_format(&transactions, err, "%s/transactions", state_dir));
    /* room for the marks as well, so that no full disk can stop them; not every disk can */
    (void)fallocate(journal->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)records.len + 4096);
    ECERT_TRY(ecert_write_all(journal->fd, records, err));
    if (fsync(journal->fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "fsync");
    ECERT_TRY(ecert_fs_sync_directory(journal->folder, err));
    return ecert_fs_sync_directory(transactions, err);
}

enum ecert_status ecert_journal_begin(const char *state_dir, struct ecert_items *items,
                                      const struct ecert_plan_activation *activation,
                                      struct ecert_journal *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer records = {0};
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_journal_clear) struct ecert_journal journal = {0};
    const struct ecert_message ready = {.kind = RECORD_READY};
    struct ecert_error ignored = {0};

    ECERT_TRY(name_items(items, err));
    add_begin(&records);
    for (size_t i = 0; i < items->n; i++)
        add_item(&records, &items->list[i]);
    if (activation != NULL)
        add_service(&records, activation);
    add_record(&records, &ready);
    if (records.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(make_folder(state_dir, &folder, err));
    if (ecert_journal_open(folder, &journal, err) != ECERT_OK ||
        write_journal(&journal, state_dir, ecert_buffer_view(&records), err) != ECERT_OK) {
        if (ecert_fs_remove_tree(AT_FDCWD, folder, &ignored) != ECERT_OK)
            return ecert_error_wrap(err, "%s; and", ignored.text);
        return ecert_error_wrap(err, "write the journal '%s/journal'", folder);
    }
    *ret = journal;
    journal = (struct ecert_journal){0};
    return ECERT_OK;
}

enum ecert_status ecert_journal_add_mark(struct ecert_journal *journal,
                                         enum ecert_journal_mark mark, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer record = {0};
    struct ecert_message message = {.kind = RECORD_MARK};
    uint8_t number[8];

    ecert_message_add_number(&message, mark, number);
    add_record(&record, &message);
    if (record.failed)
        return ecert_error_nomem(err);
    if (ecert_write_all(journal->fd, ecert_buffer_view(&record), err) != ECERT_OK)
        return ecert_error_wrap(err, "journal '%s'", journal->folder);
    /* the folder first: its sync takes the mark along on file systems with a journal of their own
     */
    if (mark == ECERT_MARK_COMMIT && fsync(journal->backup) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "fsync '%s/backup'", journal->folder);
    if (mark != ECERT_MARK_ACTIVATE && fdatasync(journal->fd) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "fsync the journal '%s'", journal->folder);
    return ECERT_OK;
}

enum ecert_status ecert_journal_end(struct ecert_journal *journal, struct ecert_error *err)
{
    enum ecert_status status = ECERT_OK;

    if (journal->folder != NULL)
        status = ecert_fs_remove_tree(AT_FDCWD, journal->folder, err);
    ecert_journal_clear(journal);
    return status;
}

void ecert_journal_clear(struct ecert_journal *journal)
{
    if (journal->folder != NULL) {
        ecert_auto_close(&journal->fd);
        ecert_auto_close(&journal->backup);
    }
    free(journal->folder);
    *journal = (struct ecert_journal){0};
}

/* ---- reading ---- */

void ecert_journal_content_clear(struct ecert_journal_content *content)
{
    ecert_items_clear(&content->items);
    ecert_plan_clear(&content->plan);
    *content = (struct ecert_journal_content){0};
}

static enum ecert_status read_name(const struct ecert_message *message, size_t field,
                                   char ret[ECERT_FS_TEMPORARY_MAX], struct ecert_error *err)
{
    const struct ecert_view name =
        field < message->n ? message->fields[field] : (struct ecert_view){0};

    /* a name, not a path: what is removed or renamed stays in its directory */
    if (name.len >= ECERT_FS_TEMPORARY_MAX ||
        (name.len > 0 && memchr(name.ptr, '/', name.len) != NULL))
        return ecert_error_set(err, ECERT_E_REFUSED, "a name of the journal is not one");
    if (name.len > 0)
        memcpy(ret, name.ptr, name.len);
    ret[name.len] = '\0';
    return ECERT_OK;
}

static enum ecert_status read_sha256(const struct ecert_message *message, size_t field,
                                     uint8_t ret[ECERT_SHA256_LEN], struct ecert_error *err)
{
    if (field >= message->n || message->fields[field].len != ECERT_SHA256_LEN)
        return ecert_error_set(err, ECERT_E_REFUSED, "a hash of the journal is not one");
    memcpy(ret, message->fields[field].ptr, ECERT_SHA256_LEN);
    return ECERT_OK;
}

static enum ecert_status read_item(struct ecert_journal_content *content,
                                   const struct ecert_message *message, struct ecert_error *err)
{
    struct ecert_item *item = NULL;
    int64_t numbers[FIELD_BEFORE - FIELD_IS_LINK];

    ECERT_TRY(ecert_items_add(&content->items, &item, err));
    ECERT_TRY(ecert_message_text(message, FIELD_PATH, &item->path, err));
    if (!ecert_path_is_plain(item->path))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not a plain path", item->path);
    item->name = ecert_path_base(item->path);
    const size_t len = (size_t)(item->name - item->path);
    ECERT_TRY(
        ecert_text_copy((struct ecert_view){(const uint8_t *)item->path, len <= 1 ? len : len - 1},
                        &item->directory, err));
    ECERT_TRY(read_name(message, FIELD_TEMPORARY, item->temporary, err));
    ECERT_TRY(read_name(message, FIELD_BACKUP, item->backup, err));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        ECERT_TRY(ecert_message_number(message, FIELD_IS_LINK + i, &numbers[i], err));
    item->is_link = numbers[FIELD_IS_LINK - FIELD_IS_LINK] != 0;
    item->secret = numbers[FIELD_SECRET - FIELD_IS_LINK] != 0;
    item->existed = numbers[FIELD_EXISTED - FIELD_IS_LINK] != 0;
    item->before_owner = (struct ecert_fs_owner){(uid_t)numbers[FIELD_UID - FIELD_IS_LINK],
                                                 (gid_t)numbers[FIELD_GID - FIELD_IS_LINK],
                                                 (mode_t)numbers[FIELD_MODE - FIELD_IS_LINK]};
    ECERT_TRY(read_sha256(message, FIELD_BEFORE, item->before_sha256, err));
    return read_sha256(message, FIELD_AFTER, item->after_sha256, err);
}

static enum ecert_status unpack_argv(struct ecert_view packed, struct ecert_strings *ret,
                                     struct ecert_error *err)
{
    while (packed.len > 0) {
        const uint8_t *end = memchr(packed.ptr, 0, packed.len);

        if (end == NULL)
            return ecert_error_set(err, ECERT_E_REFUSED, "a command of the journal is not one");
        ECERT_TRY(ecert_strings_add(ret, (const char *)packed.ptr, err));
        packed.len -= (size_t)(end - packed.ptr) + 1;
        packed.ptr = end + 1;
    }
    return ECERT_OK;
}

static enum ecert_status read_service(struct ecert_journal_content *content,
                                      const struct ecert_message *message, struct ecert_error *err)
{
    struct ecert_plan_activation *to = &content->plan.activation;
    char **const texts[] = {&to->service, &to->pid_file, &to->executable};

    content->plan.has_activation = true;
    if (message->n != 5)
        return ecert_error_set(err, ECERT_E_REFUSED, "the journal's service is not one");
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (i == 0 || message->fields[i].len > 0)
            ECERT_TRY(ecert_message_text(message, i, texts[i], err));
    ECERT_TRY(unpack_argv(message->fields[3], &to->reload, err));
    return unpack_argv(message->fields[4], &to->start, err);
}

static enum ecert_status read_begin(struct ecert_journal_content *content,
                                    const struct ecert_message *message, struct ecert_error *err)
{
    char boot[64];

    boot_id(boot);
    ECERT_TRY(ecert_message_number(message, 0, &content->begun, err));
    content->same_boot = message->n > 1 && boot[0] != '\0' &&
                         ecert_view_equal(message->fields[1], ecert_view_of(boot));
    return ECERT_OK;
}

static enum ecert_status read_mark(struct ecert_journal_content *content,
                                   const struct ecert_message *message, struct ecert_error *err)
{
    int64_t mark = 0;

    ECERT_TRY(ecert_message_number(message, 0, &mark, err));
    content->commit = content->commit || mark == ECERT_MARK_COMMIT;
    content->activate = content->activate || mark == ECERT_MARK_ACTIVATE;
    content->done = content->done || mark == ECERT_MARK_DONE;
    return ECERT_OK;
}

static enum ecert_status read_record(struct ecert_journal_content *content,
                                     const struct ecert_message *message, struct ecert_error *err)
{
    switch (message->kind) {
    case RECORD_BEGIN:
        return read_begin(content, message, err);
    case RECORD_ITEM:
        return read_item(content, message, err);
    case RECORD_SERVICE:
        return read_service(content, message, err);
    case RECORD_READY:
        content->ready = true;
        return ECERT_OK;
    case RECORD_MARK:
        return read_mark(content, message, err);
    default:
        return ecert_error_set(err, ECERT_E_REFUSED, "record %u is not known to this version",
                               (unsigned)message->kind);
    }
}

/* The next whole record; false at the end or at a torn tail. */
static bool next_record(struct ecert_view *stream, struct ecert_message *ret)
{
    struct ecert_view rest = *stream;
    struct ecert_error ignored = {0};
    uint8_t sha256[ECERT_SHA256_LEN];

    if (ecert_message_decode(&rest, JOURNAL_MAX, ret, &ignored) != ECERT_OK || rest.len < CHECKSUM)
        return false;
    ecert_sha256((struct ecert_view){stream->ptr, (size_t)(rest.ptr - stream->ptr)}, sha256);
    if (memcmp(sha256, rest.ptr, CHECKSUM) != 0)
        return false;
    *stream = (struct ecert_view){rest.ptr + CHECKSUM, rest.len - CHECKSUM};
    return true;
}

enum ecert_status ecert_journal_read(const char *folder, struct ecert_journal_content *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_journal_content_clear) struct ecert_journal_content content = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_message message = {0};

    ECERT_TRY(ecert_text_format(&path, err, "%s/journal", folder));
    const enum ecert_status status = ecert_fs_read(path, JOURNAL_MAX, &bytes, err);
    if (status != ECERT_OK && status != ECERT_E_NOT_FOUND)
        return status;
    struct ecert_view stream = ecert_bytes_view(&bytes);
    while (next_record(&stream, &message))
        if (read_record(&content, &message, err) != ECERT_OK)
            return ecert_error_wrap(err, "'%s'", path);
    *ret = content;
    content = (struct ecert_journal_content){0};
    return ECERT_OK;
}
