#include "core/monitor/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/monitor/scan_parts.h"

/* ---- one file into the slot ---- */

/* The item gets the status and "verb 'PATH': reason". */
static enum ecert_status set_error(struct scan_item *item, enum ecert_status status,
                                   const char *before, const char *behind, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    struct ecert_bytes sentence = {0};

    ecert_buffer_add_text(&text, before);
    scan_add_path(&text, item->path);
    ecert_buffer_add_text(&text, behind);
    ECERT_TRY(ecert_buffer_take(&text, &sentence, err));
    free(item->error);
    item->error = (char *)sentence.ptr;
    item->status = status;
    return ECERT_OK;
}

/* That it is not there, or cannot be opened, is what the finding's condition says. */
static enum ecert_status set_errno(struct scan_item *item, struct ecert_error *err)
{
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    struct ecert_error reason = {0};

    (void)ecert_error_errno(&reason, ECERT_E_IO, "%s", "");
    return set_error(item, absent ? ECERT_E_NOT_FOUND : ECERT_E_IO, "", reason.text, err);
}

static ssize_t read_all(int fd, uint8_t *into, size_t len)
{
    size_t have = 0;

    while (have < len) {
        const ssize_t n = read(fd, into + have, len - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break; /* it became shorter meanwhile */
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* Might a file that is too large hold a certificate?  By how it begins. */
static bool begins_like_certificate(int fd, uint8_t *room)
{
    const ssize_t n = read_all(fd, room, 4096);

    if (n < 2)
        return false;
    return (room[0] == 0x30 && (room[1] & 0x80) != 0) ||
           memmem(room, (size_t)n, "-----BEGIN ", 11) != NULL;
}

bool scan_is_named_certificate(const char *path)
{
    static const char *const suffixes[] = {".crt", ".cer", ".pem", ".der", ".p12", ".pfx", ".p7b"};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < ARRAY_SIZE(suffixes); i++)
        if (strcasecmp(dot, suffixes[i]) == 0)
            return true;
    return false;
}

/*
 * Its bytes into the slot.  *ret_dropped: with `quiet` there is nothing to say about it.  Nothing
 * blocks: O_NONBLOCK for a FIFO, O_NOCTTY for a terminal.
 */
static enum ecert_status read_item(struct scan_slot *slot, struct scan_item *item,
                                   bool *ret_dropped, struct ecert_error *err)
{
    uint8_t *into = slot->input + item->offset;
    struct stat st;
    ECERT_AUTO(ecert_auto_close)
    int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 && item->quiet && errno == ENOENT && !ecert_fs_exists(item->path)) {
        *ret_dropped = true; /* removed since the directory was listed; a dangling link is told */
        return ECERT_OK;
    }
    if (fd < 0)
        return set_errno(item, err);
    if (fstat(fd, &st) != 0)
        return set_errno(item, err);
    if (!S_ISREG(st.st_mode)) {
        *ret_dropped =
            item->quiet && (S_ISDIR(st.st_mode) || !scan_is_named_certificate(item->path));
        return set_error(item, ECERT_E_IO, "",
                         S_ISDIR(st.st_mode) ? " is a directory" : " is not a regular file", err);
    }
    if (st.st_size > (off_t)SCAN_FILE_MAX) {
        *ret_dropped = item->quiet && !begins_like_certificate(fd, into);
        return set_error(item, ECERT_E_IO, "", " is larger than 16 MiB; it is not looked at", err);
    }
    const ssize_t n = read_all(fd, into, (size_t)st.st_size);
    if (n < 0)
        return set_errno(item, err);
    item->len = (uint32_t)n;
    return ECERT_OK;
}

/* ---- the queue ---- */

static enum ecert_status submit(struct ecert_scan *scan, struct ecert_error *err)
{
    ECERT_TRY(scan_child_submit(scan, err));
    while (scan->submitted - scan->delivered >= SCAN_SLOTS) { /* the next one to fill */
        ECERT_TRY(scan_child_wait(scan, err));
        ECERT_TRY(scan_tell(scan, err));
    }
    return ECERT_OK;
}

static enum ecert_status add(struct ecert_scan *scan, const char *path, bool quiet,
                             const struct ecert_error *why, struct ecert_error *err)
{
    struct scan_batch *batch = &scan->batches[scan->submitted % SCAN_SLOTS];
    struct scan_slot *slot = &scan->shared->slots[scan->submitted % SCAN_SLOTS];
    struct scan_item *item = &batch->items[batch->n];
    bool dropped = false;

    ECERT_TRY(scan_child_start(scan, err)); /* it gets ready while the first batch is read */
    *item =
        (struct scan_item){.path = strdup(path), .quiet = quiet, .offset = (uint32_t)batch->bytes};
    if (item->path == NULL)
        return ecert_error_nomem(err);
    batch->n++;
    if (why == NULL)
        ECERT_TRY(read_item(slot, item, &dropped, err));
    else {
        item->status = why->status;
        ECERT_TRY(ecert_text_copy(ecert_view_of(why->text), &item->error, err));
    }
    if (dropped) {
        batch->n--;
        free(item->path);
        free(item->error);
        *item = (struct scan_item){0};
        return ECERT_OK;
    }
    batch->bytes += item->len;
    if (batch->n < SCAN_BATCH_FILES && batch->bytes < SCAN_BATCH_BYTES)
        return ECERT_OK;
    return submit(scan, err);
}

static enum ecert_status ended(struct ecert_scan *scan, enum ecert_status status,
                               const struct ecert_error *err)
{
    if (status != ECERT_OK) {
        scan->ended = *err;
        scan->ended.status = status;
    }
    return status;
}

enum ecert_status scan_enqueue(struct ecert_scan *scan, const char *path, bool quiet,
                               const struct ecert_error *why, struct ecert_error *err)
{
    if (scan->ended.status != ECERT_OK) {
        *err = scan->ended;
        return err->status;
    }
    return ended(scan, add(scan, path, quiet, why, err), err);
}

/* ---- the contract ---- */

enum ecert_status ecert_scan_add(struct ecert_scan *scan, const char *file, struct ecert_error *err)
{
    return scan_enqueue(scan, file, false, NULL, err);
}

static enum ecert_status finish(struct ecert_scan *scan, struct ecert_error *err)
{
    if (scan->batches[scan->submitted % SCAN_SLOTS].n > 0)
        ECERT_TRY(submit(scan, err));
    while (scan->delivered != scan->submitted) {
        ECERT_TRY(scan_child_wait(scan, err));
        ECERT_TRY(scan_tell(scan, err));
    }
    ecert_child_clear(&scan->child);
    return ECERT_OK;
}

enum ecert_status ecert_scan_finish(struct ecert_scan *scan, struct ecert_error *err)
{
    if (scan->ended.status != ECERT_OK) {
        *err = scan->ended;
        return err->status;
    }
    return ended(scan, finish(scan, err), err);
}

enum ecert_status ecert_scan_open(const char *password_file, ecert_scanned_fn *call, void *context,
                                  struct ecert_scan **ret, struct ecert_error *err)
{
    /* before OpenSSL is used for the first time: a configuration may load foreign code */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "start OpenSSL");
    struct ecert_scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL)
        return ecert_error_nomem(err);
    scan->call = call;
    scan->context = context;
    scan->child = (struct ecert_child)ECERT_CHILD_NONE;
    if (password_file != NULL && (scan->password_file = strdup(password_file)) == NULL) {
        ecert_scan_free(&scan);
        return ecert_error_nomem(err);
    }
    void *shared = mmap(NULL, sizeof *scan->shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED) {
        ecert_scan_free(&scan);
        return ecert_error_errno(err, ECERT_E_NOMEM, "reserve memory for files");
    }
    scan->shared = shared;
    *ret = scan;
    return ECERT_OK;
}

void ecert_scan_free(struct ecert_scan **scan)
{
    struct ecert_scan *s = *scan;

    if (s == NULL)
        return;
    ecert_child_clear(&s->child);
    for (size_t i = 0; i < SCAN_SLOTS; i++) {
        if (s->shared != NULL) /* keys may be among the files */
            explicit_bzero(s->shared->slots[i].input, s->batches[i].bytes);
        scan_batch_clear(&s->batches[i]);
    }
    if (s->shared != NULL)
        (void)munmap(s->shared, sizeof *s->shared);
    free(s->password_file);
    free(s);
    *scan = NULL;
}
