#include "core/flow/inbox.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/flow/store.h"

/* A file that does not decode may still be being copied: it is looked at again when this old. */
#define SETTLE_MS     2000
#define SETTLE_ROUNDS 5 /* who writes longer is waited for by the next run, not by this one */

enum entry {
    ENTRY_FILE,   /* to be taken: anything that is no folder, a link or a pipe is refused later */
    ENTRY_FOLDER, /* what somebody unpacked */
    ENTRY_HIDDEN, /* a partial upload */
    ENTRY_NONE,   /* our own folders, or what has gone meanwhile */
};

static enum entry entry_of(int dir_fd, const char *name)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return ENTRY_NONE;
    if (name[0] == '.')
        return ENTRY_HIDDEN;
    if (!S_ISDIR(st.st_mode))
        return ENTRY_FILE;
    return strcmp(name, "taken") == 0 || strcmp(name, "rejected") == 0 ? ENTRY_NONE : ENTRY_FOLDER;
}

enum ecert_status ecert_source_waiting(const char *state_dir, struct ecert_strings *ret,
                                       struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings waiting = {0};

    ECERT_TRY(ecert_text_format(&path, err, "%s/inbox", state_dir));
    ECERT_AUTO(ecert_auto_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open the inbox '%s'", path);
    ECERT_TRY(ecert_fs_list(path, &names, err));
    for (size_t i = 0; i < names.len; i++)
        if (entry_of(fd, names.items[i]) == ENTRY_FILE)
            ECERT_TRY(ecert_strings_add(&waiting, names.items[i], err));
    *ret = waiting;
    waiting = (struct ecert_strings){0};
    return ECERT_OK;
}

/*
 * taken/ or rejected/, opened.  Whoever may write into the inbox can put a link or a folder of his
 * own in its place: what we write must not go there.
 */
static enum ecert_status open_folder(int dir_fd, const char *folder, int *ret,
                                     struct ecert_error *err)
{
    struct stat st;

    ECERT_AUTO(ecert_auto_close)
    int fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "open 'inbox/%s'", folder);
    if (st.st_uid != geteuid() || (st.st_mode & 022) != 0)
        return ecert_error_set(err, ECERT_E_IO,
                               "'inbox/%s' belongs to user %u with mode %04o; it must be ours and "
                               "not writable by others",
                               folder, (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
    *ret = ecert_fd_take(&fd);
    return ECERT_OK;
}

/* A name in `folder` that is not taken yet: NAME, NAME.2, NAME.3, ... */
static enum ecert_status free_name(int folder_fd, const char *folder, const char *name, char **ret,
                                   struct ecert_error *err)
{
    for (unsigned i = 1; i < 10000; i++) {
        ECERT_AUTO(ecert_auto_free) char *free_one = NULL;
        struct stat st;

        if (i == 1)
            ECERT_TRY(ecert_text_copy(ecert_view_of(name), &free_one, err));
        else
            ECERT_TRY(ecert_text_format(&free_one, err, "%s.%u", name, i));
        if (fstatat(folder_fd, free_one, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
            *ret = free_one;
            free_one = NULL;
            return ECERT_OK;
        }
    }
    return ecert_error_set(err, ECERT_E_IO, "'inbox/%s' holds too many files named '%s'", folder,
                           name);
}

/* Why it was rejected. */
struct reason {
    const char *sentence;                /* NULL: it was not */
    const struct ecert_strings *missing; /* every name that it lacks */
};

static void add_missing(struct ecert_buffer *text, const struct ecert_strings *missing)
{
    if (missing->len == 0)
        return;
    ecert_buffer_add_text(text, "\nnames that were asked for and are missing:\n");
    for (size_t i = 0; i < missing->len; i++)
        ecert_buffer_printf(text, "  %s\n", missing->items[i]);
}

/* Why it was rejected, beside it. */
static enum ecert_status write_reason(int folder_fd, const char *name, const struct reason *reason,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *beside = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    char tmp[ECERT_FS_TEMPORARY_MAX];
    bool durable = false;

    ECERT_TRY(ecert_text_format(&beside, err, "%s.reason.txt", name));
    ecert_buffer_printf(&text, "%s: %s\n", name, reason->sentence);
    add_missing(&text, reason->missing);
    if (text.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_fs_temporary_name(beside, tmp, err));
    ECERT_TRY(ecert_fs_stage(folder_fd, tmp, ecert_buffer_view(&text), &owner, -1, err));
    if (ecert_fs_publish(folder_fd, tmp, beside, &durable, err) != ECERT_OK) {
        (void)unlinkat(folder_fd, tmp, 0);
        return err->status;
    }
    return ECERT_OK;
}

static enum ecert_status move(int dir_fd, const char *inbox, const char *name, const char *folder,
                              const struct reason *reason, char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int folder_fd = -1;
    ECERT_AUTO(ecert_auto_free) char *to = NULL;
    ECERT_AUTO(ecert_auto_free) char *full = NULL;

    ECERT_TRY(open_folder(dir_fd, folder, &folder_fd, err));
    ECERT_TRY(free_name(folder_fd, folder, name, &to, err));
    ECERT_TRY(ecert_text_format(&full, err, "%s/%s/%s", inbox, folder, to));
    if (reason->sentence !=
        NULL) /* first the reason: a rejected file never lies there without it */
        ECERT_TRY(write_reason(folder_fd, to, reason, err));
    if (renameat(dir_fd, name, folder_fd, to) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "move '%s' to '%s'", name, full);
    /* a move that a power cut loses is made again by the next run */
    (void)fsync(folder_fd);
    (void)fsync(dir_fd);
    *ret = full;
    full = NULL;
    return ECERT_OK;
}

/*
 * The passwords that may open a PKCS#12 of the inbox: one per certificate that names a
 * password_file; which certificate a file is for is known only once it is open.
 */
static enum ecert_status try_with_passwords(struct ecert_context *context,
                                            const struct ecert_intake_file *file,
                                            struct ecert_intake_result *result,
                                            struct ecert_error *err)
{
    const struct ecert_config *config = context->config;
    enum ecert_status status = ecert_intake(context, file, result, err);
    struct ecert_error unread = {0};

    for (size_t i = 0; status == ECERT_E_CRYPTO && i < config->n_certificates; i++) {
        const char *path = config->certificates[i].source.password_file;
        ECERT_AUTO(ecert_secret_clear) struct ecert_secret password = {0};
        struct ecert_error again = {0};

        if (path == NULL)
            continue;
        if (ecert_password_read(path, &password, &again) != ECERT_OK) {
            if (unread.status == ECERT_OK)
                unread = again;
            continue; /* it may be another certificate's: the file may open without it */
        }
        struct ecert_intake_file opened = *file;
        opened.passphrase = ecert_secret_view(&password);
        status = ecert_intake(context, &opened, result, &again);
        if (status != ECERT_E_CRYPTO)
            *err = again;
    }
    if (status == ECERT_E_CRYPTO && unread.status != ECERT_OK) {
        *err = unread;
        err->status = ECERT_E_CONFIG; /* the file may be fine: it stays */
        return err->status;
    }
    return status;
}

/* Milliseconds since the file was last written; large when the clock of its host is off. */
static int64_t age_ms(int dir_fd, const char *name)
{
    struct timespec now;
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0 || st.st_mtim.tv_sec > now.tv_sec)
        return INT64_MAX;
    return (int64_t)(now.tv_sec - st.st_mtim.tv_sec) * 1000 +
           (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
}

/* It may hold a private key. */
static void wipe_bytes(struct ecert_bytes *bytes)
{
    if (bytes->ptr != NULL)
        OPENSSL_cleanse(bytes->ptr, bytes->len);
    ecert_bytes_clear(bytes);
}

enum ecert_status ecert_source_valid_from(const char *state_dir, const char *name, int64_t *ret,
                                          struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(wipe_bytes) struct ecert_bytes bytes = {0};
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    X509 *leaf = NULL;

    ECERT_TRY(ecert_text_format(&path, err, "%s/inbox", state_dir));
    ECERT_AUTO(ecert_auto_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open the inbox '%s'", path);
    ECERT_TRY(ecert_fs_read_at(fd, name, ECERT_DECODE_MAX_INPUT, &bytes, err));
    ECERT_TRY(
        ecert_decode_certificates(ecert_bytes_view(&bytes), (struct ecert_view){0}, &decoded, err));
    ECERT_TRY(ecert_bundle_find_leaf(decoded.certificates, &leaf, err));
    *ret = ecert_certificate_not_before(leaf);
    return ECERT_OK;
}

static enum ecert_status read_and_take(struct ecert_context *context, int dir_fd, const char *name,
                                       const char *origin, struct ecert_strings *missing,
                                       struct ecert_intake_result *result, struct ecert_error *err)
{
    for (unsigned round = 0; round < SETTLE_ROUNDS; round++) {
        ECERT_AUTO(wipe_bytes) struct ecert_bytes bytes = {0};
        ECERT_AUTO(wipe_bytes) struct ecert_bytes later = {0};
        struct ecert_error ignored = {0};

        ECERT_TRY(ecert_fs_read_at(dir_fd, name, ECERT_DECODE_MAX_INPUT, &bytes, err));
        const struct ecert_intake_file file = {
            .bytes = ecert_bytes_view(&bytes), .origin = origin, .missing = missing};
        const enum ecert_status status = try_with_passwords(context, &file, result, err);
        if (status != ECERT_E_CRYPTO)
            return status;
        const int64_t age = age_ms(dir_fd, name);
        if (age < SETTLE_MS)
            ecert_clock_sleep_ms((unsigned)(SETTLE_MS - age));
        if (age >= SETTLE_MS ||
            (ecert_fs_read_at(dir_fd, name, ECERT_DECODE_MAX_INPUT, &later, &ignored) == ECERT_OK &&
             ecert_view_equal(ecert_bytes_view(&bytes), ecert_bytes_view(&later))))
            return status; /* it has settled, and it is still wrong */
    }
    return ecert_error_set(err, ECERT_E_IO, "it is still being written");
}

/* What is not taken, and why, is told. */
static enum ecert_status pass_over(const char *name, enum ecert_arrival_kind kind,
                                   struct ecert_arrivals *arrivals, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *origin = NULL;
    struct ecert_arrival *arrival = NULL;

    ECERT_TRY(ecert_text_format(&origin, err, "inbox: %s", name));
    ECERT_TRY(ecert_arrivals_add(arrivals, origin, &arrival, err));
    arrival->kind = kind;
    return ECERT_OK;
}

static enum ecert_status take_one(struct ecert_context *context, int dir_fd, const char *inbox,
                                  const char *name, struct ecert_arrivals *arrivals,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *origin = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings missing = {0};
    struct ecert_arrival *arrival = NULL;
    struct ecert_error moving = {0};
    struct reason reason = {.missing = &missing};

    ECERT_TRY(ecert_text_format(&origin, err, "inbox: %s", name));
    ECERT_TRY(ecert_arrivals_add(arrivals, origin, &arrival, err));
    const enum ecert_status status =
        read_and_take(context, dir_fd, name, origin, &missing, &arrival->result, &arrival->error);
    if (status == ECERT_OK)
        arrival->kind = ecert_arrival_of(&arrival->result);
    else
        arrival->kind =
            ecert_intake_is_final(status) ? ECERT_ARRIVAL_REJECTED : ECERT_ARRIVAL_FAILED;
    if (arrival->kind == ECERT_ARRIVAL_FAILED || arrival->kind == ECERT_ARRIVAL_EARLY)
        return ECERT_OK;
    reason.sentence = status == ECERT_OK ? NULL : arrival->error.text;
    if (move(dir_fd, inbox, name, status == ECERT_OK ? "taken" : "rejected", &reason,
             &arrival->moved_to, &moving) != ECERT_OK) {
        arrival->kind = ECERT_ARRIVAL_FAILED;
        arrival->error = moving;
    }
    return ECERT_OK;
}

enum ecert_status ecert_inbox_take(struct ecert_context *context, struct ecert_arrivals *arrivals,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *inbox = NULL;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};

    ECERT_TRY(ecert_text_format(&inbox, err, "%s/inbox", context->config->state_dir));
    ECERT_AUTO(ecert_auto_close) int fd = open(inbox, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open the inbox '%s'", inbox);
    ECERT_TRY(ecert_fs_list(inbox, &names, err));
    for (size_t i = 0; i < names.len; i++) {
        const char *name = names.items[i];

        switch (entry_of(fd, name)) {
        case ENTRY_FILE:
            ECERT_TRY(take_one(context, fd, inbox, name, arrivals, err));
            break;
        case ENTRY_FOLDER:
            ECERT_TRY(pass_over(name, ECERT_ARRIVAL_FOLDER, arrivals, err));
            break;
        case ENTRY_HIDDEN:
            ECERT_TRY(pass_over(name, ECERT_ARRIVAL_HIDDEN, arrivals, err));
            break;
        case ENTRY_NONE:
            break;
        }
    }
    return ECERT_OK;
}
