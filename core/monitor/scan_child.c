#include <errno.h>
#include <linux/futex.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/monitor/scan_parts.h"

unsigned scan_patience_ms = 10000;
/* far below what its CPU time is enough for, so that only a file that hangs ever reaches that */
size_t scan_child_life = (size_t)512 << 20;
void (*scan_before_file)(struct ecert_view file) = NULL;

/* ---- in the child ---- */

/* Where the findings of the files before `first` end: those of a child that was here before. */
static size_t used_records(const struct scan_slot *slot)
{
    size_t used = 0;

    for (uint32_t i = 0; i < slot->first; i++)
        if (slot->files[i].verdict == SCAN_CERTIFICATES)
            used = (size_t)slot->files[i].first_record + slot->files[i].n_records;
    return used < SCAN_RECORDS_MAX ? used : SCAN_RECORDS_MAX;
}

static void decode_slot(struct scan_decoder *decoder, struct scan_slot *slot)
{
    size_t used = used_records(slot);

    for (uint32_t i = slot->first; i < slot->n; i++) {
        struct scan_place *place = &slot->files[i];
        const struct ecert_view file = {slot->input + place->offset, place->len};
        size_t n = 0;

        atomic_store_explicit(&slot->at, i, memory_order_relaxed);
        if (scan_before_file != NULL)
            scan_before_file(file);
        place->verdict =
            scan_decode_file(decoder, file, slot->records + used, SCAN_RECORDS_MAX - used, &n);
        if (place->verdict != SCAN_CERTIFICATES)
            continue;
        place->first_record = (uint32_t)used;
        place->n_records = (uint32_t)n;
        used += n;
    }
}

static void sleep_until_submitted(struct scan_shared *shared, uint32_t done)
{
    while (atomic_load(&shared->submitted) == done)
        (void)syscall(SYS_futex, &shared->submitted, FUTEX_WAIT, done, NULL, NULL, 0);
}

static int child(void *context, int fd)
{
    const struct ecert_scan *scan = context;
    struct scan_decoder decoder;

    /* it sleeps in shared memory, where the end of its parent cannot be seen; after the change of
     * the user, which resets this */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !scan_decoder_init(&decoder))
        return 1;
    for (uint32_t done = scan->answered;; done++) {
        sleep_until_submitted(scan->shared, done);
        decode_slot(&decoder, &scan->shared->slots[done % SCAN_SLOTS]);
        if (write(fd, "", 1) != 1)
            return 1;
    }
}

/* ---- in the parent ---- */

enum ecert_status scan_child_start(struct ecert_scan *scan, struct ecert_error *err)
{
    const struct ecert_child_limits limits = {.timeout_ms = 10000,
                                              .cpu_seconds = 120,
                                              .address_space =
                                                  ((size_t)256 << 20) + sizeof *scan->shared,
                                              .max_output = 4096,
                                              .may_fork = false,
                                              .drop_root = true};

    if (scan->child.pid != 0)
        return ECERT_OK;
    scan->child_bytes = 0;
    if (ecert_child_start(child, scan, &limits, &scan->child, err) != ECERT_OK)
        return ecert_error_wrap(err, "the process that decodes certificates");
    return ECERT_OK;
}

/* What it was at is told as undecodable; the next child goes on behind it. */
static enum ecert_status blame(struct ecert_scan *scan, const char *why, struct ecert_error *err)
{
    struct scan_batch *batch = &scan->batches[scan->answered % SCAN_SLOTS];
    struct scan_slot *slot = &scan->shared->slots[scan->answered % SCAN_SLOTS];
    uint32_t at = atomic_load(&slot->at);

    if (at < batch->first || at >= batch->n) /* or a wrong number would keep us here for ever */
        at = batch->first;
    if (at < batch->n) {
        struct scan_item *item = &batch->items[at];
        if (item->status == ECERT_OK) {
            ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
            struct ecert_bytes sentence = {0};
            scan_add_path(&text, item->path);
            ecert_buffer_printf(&text, " cannot be decoded: the process that does it %s", why);
            ECERT_TRY(ecert_buffer_take(&text, &sentence, err));
            item->status = ECERT_E_CRYPTO;
            item->error = (char *)sentence.ptr;
        }
        batch->first = at + 1;
    }
    slot->n = batch->n;
    slot->first = batch->first;
    return scan_child_start(scan, err);
}

/* It closed its pipe: that is its end. */
static enum ecert_status replace_ended(struct ecert_scan *scan, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes rest = {0};
    struct ecert_error why = {0};

    if (ecert_child_finish(&scan->child, &rest, &why) == ECERT_OK)
        (void)ecert_error_set(&why, ECERT_E_REFUSED, "left early");
    if (why.status == ECERT_E_IO) { /* not the file's fault, and it would be so for every file */
        *err = why;
        return ecert_error_wrap(err, "the process that decodes certificates");
    }
    return blame(scan, why.text, err);
}

static enum ecert_status replace_hanging(struct ecert_scan *scan, struct ecert_error *err)
{
    struct ecert_error why = {0};

    ecert_child_clear(&scan->child);
    (void)ecert_error_set(&why, ECERT_E_TIMEOUT, "did not come to an end within %u.%u seconds",
                          scan_patience_ms / 1000, scan_patience_ms % 1000 / 100);
    return blame(scan, why.text, err);
}

/* The child works on the next unanswered batch: see whether it gets on. */
static enum ecert_status wait_for_more(struct ecert_scan *scan, struct ecert_error *err)
{
    const struct scan_slot *slot = &scan->shared->slots[scan->answered % SCAN_SLOTS];
    const uint32_t before = atomic_load(&slot->at);
    struct pollfd fds = {.fd = scan->child.pipes.fds[0], .events = POLLIN};

    const int n = poll(&fds, 1, (int)scan_patience_ms);
    if (n < 0 && errno != EINTR)
        return ecert_error_errno(err, ECERT_E_IO, "wait for the process that decodes certificates");
    if (n == 0 && atomic_load(&slot->at) == before)
        return replace_hanging(scan, err);
    return ECERT_OK;
}

static enum ecert_status wait_until_answered(struct ecert_scan *scan, uint32_t number,
                                             struct ecert_error *err)
{
    /* one read may take more answers than are asked for; the numbers may wrap around */
    while ((int32_t)(number - scan->answered) > 0) {
        uint8_t answers[SCAN_SLOTS];
        const ssize_t n = read(scan->child.pipes.fds[0], answers, scan->submitted - scan->answered);

        if (n > 0)
            scan->answered += (uint32_t)n;
        else if (n == 0)
            ECERT_TRY(replace_ended(scan, err));
        else if (errno == EAGAIN)
            ECERT_TRY(wait_for_more(scan, err));
        else if (errno != EINTR)
            return ecert_error_errno(err, ECERT_E_IO,
                                     "read from the process that decodes certificates");
    }
    return ECERT_OK;
}

enum ecert_status scan_child_wait(struct ecert_scan *scan, struct ecert_error *err)
{
    return wait_until_answered(scan, scan->delivered + 1, err);
}

enum ecert_status scan_child_submit(struct ecert_scan *scan, struct ecert_error *err)
{
    struct scan_batch *batch = &scan->batches[scan->submitted % SCAN_SLOTS];
    struct scan_slot *slot = &scan->shared->slots[scan->submitted % SCAN_SLOTS];

    if (scan->child_bytes > scan_child_life) {
        ECERT_TRY(wait_until_answered(scan, scan->submitted, err));
        ecert_child_clear(&scan->child);
    }
    ECERT_TRY(scan_child_start(scan, err));
    batch->first = 0;
    slot->n = batch->n;
    slot->first = 0;
    for (uint32_t i = 0; i < batch->n; i++)
        slot->files[i] = (struct scan_place){.offset = batch->items[i].offset,
                                             .len = batch->items[i].len,
                                             .verdict = SCAN_UNDECODED};
    atomic_store(&slot->at, 0);
    scan->child_bytes += batch->bytes;
    scan->submitted++;
    atomic_store(&scan->shared->submitted, scan->submitted);
    (void)syscall(SYS_futex, &scan->shared->submitted, FUTEX_WAKE, 1, NULL, NULL, 0);
    return ECERT_OK;
}
