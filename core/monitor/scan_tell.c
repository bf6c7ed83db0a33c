#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/monitor/scan_parts.h"

/* ---- words ---- */

void scan_add_path(struct ecert_buffer *buffer, const char *path)
{
    ecert_buffer_add_text(buffer, "'");
    ecert_buffer_add_escaped(buffer, ecert_view_of(path), false);
    ecert_buffer_add_text(buffer, "'");
}

static enum ecert_status call(const struct ecert_scan *scan, const struct ecert_scanned *scanned,
                              struct ecert_error *err)
{
    const enum ecert_status status = scan->call(scan->context, scanned, err);

    err->status = status; /* one who returned without a word */
    return status;
}

static enum ecert_status tell_error(const struct ecert_scan *scan, const struct scan_item *item,
                                    enum ecert_status status, const char *sentence,
                                    struct ecert_error *err)
{
    return call(scan,
                &(struct ecert_scanned){
                    .file = item->path, .title = "", .status = status, .error = sentence},
                err);
}

/* `why` begins with what is wrong; the file's name goes before it. */
static enum ecert_status tell_why(const struct ecert_scan *scan, const struct scan_item *item,
                                  const char *why, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes sentence = {0};

    scan_add_path(&text, item->path);
    ecert_buffer_add_text(&text, ": ");
    ecert_buffer_add_text(&text, why);
    ECERT_TRY(ecert_buffer_take(&text, &sentence, err));
    return tell_error(scan, item, ECERT_E_CRYPTO, (const char *)sentence.ptr, err);
}

/* ---- one certificate ---- */

#define TITLE_ROOM (4 * SCAN_TITLE_MAX + 1) /* every byte as \xNN */

static bool is_printable_ascii(struct ecert_view text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7E)
            return false;
    return true;
}

static void escape_title(const struct scan_record *record, char ret[TITLE_ROOM])
{
    const struct ecert_view title = {(const uint8_t *)record->title, record->title_len};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};

    ret[0] = '\0';
    if (is_printable_ascii(title)) { /* as nearly all are: nothing to allocate */
        memcpy(ret, title.ptr, title.len);
        ret[title.len] = '\0';
        return;
    }
    ecert_buffer_add_escaped(&escaped, title, false);
    if (!escaped.failed && escaped.len < TITLE_ROOM)
        memcpy(ret, escaped.ptr, escaped.len + 1);
}

/* The record is of one who has read strangers' bytes, and ours already. */
static bool is_sound(const struct scan_record *record)
{
    const size_t len = strnlen(record->serial, sizeof record->serial);

    return record->title_len <= SCAN_TITLE_MAX && len > 0 && len < sizeof record->serial &&
           strspn(record->serial, "-.0123456789ABCDEF") == len;
}

static enum ecert_status tell_record(const struct ecert_scan *scan, const struct scan_item *item,
                                     const struct scan_record *record, size_t index, size_t n,
                                     struct ecert_error *err)
{
    char title[TITLE_ROOM];
    struct ecert_scanned scanned = {.file = item->path,
                                    .index = index,
                                    .n = n,
                                    .title = title,
                                    .not_before = record->not_before,
                                    .not_after = record->not_after,
                                    .is_ca = record->is_ca != 0,
                                    .is_self_issued = record->is_self_issued != 0,
                                    .status = ECERT_OK,
                                    .error = ""};

    escape_title(record, title);
    memcpy(scanned.serial, record->serial, sizeof scanned.serial);
    ecert_hex((struct ecert_view){record->sha256, sizeof record->sha256}, scanned.sha256);
    return call(scan, &scanned, err);
}

static enum ecert_status tell_certificates(const struct ecert_scan *scan,
                                           const struct scan_slot *slot,
                                           const struct scan_item *item,
                                           const struct scan_place *place, struct ecert_error *err)
{
    if (place->n_records == 0 || place->first_record > SCAN_RECORDS_MAX ||
        place->n_records > SCAN_RECORDS_MAX - place->first_record)
        return tell_why(scan, item, "the process that decodes it gave a wrong answer", err);
    for (uint32_t i = 0; i < place->n_records; i++) {
        const struct scan_record record = slot->records[place->first_record + i];

        if (!is_sound(&record))
            return tell_why(scan, item, "the process that decodes it gave a wrong answer", err);
        ECERT_TRY(tell_record(scan, item, &record, i, place->n_records, err));
    }
    return ECERT_OK;
}

/* ---- rare forms ---- */

static bool encode_again(struct scan_decoder *decoder, const X509 *certificate,
                         struct scan_record *ret)
{
    unsigned char *der = NULL;
    const int len = i2d_X509(certificate, &der);
    const bool good =
        len > 0 && scan_decode_der(decoder, (struct ecert_view){der, (size_t)len}, ret);

    OPENSSL_free(der);
    return good;
}

/* They have passed the full decoder and its child: the templates may read them here. */
static enum ecert_status tell_decoded(const struct ecert_scan *scan, const struct scan_item *item,
                                      const struct ecert_decoded *decoded, struct ecert_error *err)
{
    ECERT_AUTO(scan_decoder_clear) struct scan_decoder decoder = {0};
    const int n = sk_X509_num(decoded->certificates);

    if (!scan_decoder_init(&decoder))
        return ecert_error_openssl(err, ECERT_E_NOMEM, "prepare SHA-256");
    for (int i = 0; i < n; i++) {
        struct scan_record record = {0};

        if (!encode_again(&decoder, sk_X509_value(decoded->certificates, i), &record))
            return tell_why(scan, item, "a name or an extension in it is not DER", err);
        ECERT_TRY(tell_record(scan, item, &record, (size_t)i, (size_t)n, err));
    }
    return ECERT_OK;
}

static enum ecert_status tell_rare(const struct ecert_scan *scan, const struct scan_item *item,
                                   struct ecert_view file, bool with_password,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret password = {0};
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    struct ecert_error why = {0};

    /* read for each that needs it: what is not there cannot be inherited by the next child */
    enum ecert_status status = with_password && scan->password_file != NULL
                                   ? ecert_password_read(scan->password_file, &password, &why)
                                   : ECERT_OK;
    if (status == ECERT_OK)
        status = ecert_decode_certificates(file, ecert_secret_view(&password), &decoded, &why);
    if (status == ECERT_E_NOMEM) {
        *err = why;
        return status;
    }
    if (status != ECERT_OK)
        return tell_why(scan, item, why.text, err);
    return tell_decoded(scan, item, &decoded, err);
}

/* ---- a batch ---- */

/* A key, a request or a CRL: in PEM any block, in DER a SEQUENCE. */
static bool is_something_else(struct ecert_view file)
{
    static const char begin[] = "-----BEGIN ";

    return (file.len > 1 && file.ptr[0] == 0x30 && memchr(file.ptr, 0, file.len) != NULL) ||
           memmem(file.ptr, file.len, begin, sizeof begin - 1) != NULL;
}

static enum ecert_status tell_item(const struct ecert_scan *scan, const struct scan_slot *slot,
                                   const struct scan_item *item, const struct scan_place *place,
                                   struct ecert_error *err)
{
    const struct ecert_view file = {slot->input + item->offset, item->len};

    if (item->status != ECERT_OK)
        return tell_error(scan, item, item->status, item->error, err);
    switch (place->verdict) {
    case SCAN_CERTIFICATES:
        return tell_certificates(scan, slot, item, place, err);
    case SCAN_NOTHING:
        return item->quiet && (!scan_is_named_certificate(item->path) || is_something_else(file))
                   ? ECERT_OK
                   : tell_rare(scan, item, file, false, err);
    case SCAN_RARE:
        return tell_rare(scan, item, file, false, err);
    case SCAN_PKCS12:
        return tell_rare(scan, item, file, true, err);
    case SCAN_TOO_MANY:
        return tell_why(scan, item, "it holds more certificates than are looked at", err);
    default: /* a number from the child: anything may stand here */
        return tell_why(scan, item, "the process that decodes it gave no answer", err);
    }
}

void scan_batch_clear(struct scan_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        free(batch->items[i].path);
        free(batch->items[i].error);
    }
    batch->n = 0;
    batch->bytes = 0;
}

/* Keys may be among the files; and what one large file needed is given back. */
static void empty_slot(struct scan_slot *slot, const struct scan_batch *batch)
{
    explicit_bzero(slot->input, batch->bytes);
    if (batch->bytes <= 2 * SCAN_BATCH_BYTES)
        return;
    (void)madvise(slot->input, sizeof slot->input / SCAN_PAGE * SCAN_PAGE, MADV_REMOVE);
    (void)madvise(slot->records, sizeof slot->records / SCAN_PAGE * SCAN_PAGE, MADV_REMOVE);
}

enum ecert_status scan_tell(struct ecert_scan *scan, struct ecert_error *err)
{
    struct scan_slot *slot = &scan->shared->slots[scan->delivered % SCAN_SLOTS];
    struct scan_batch *batch = &scan->batches[scan->delivered % SCAN_SLOTS];
    enum ecert_status status = ECERT_OK;

    for (size_t i = 0; i < batch->n && status == ECERT_OK; i++) {
        const struct scan_place place = slot->files[i];

        status = tell_item(scan, slot, &batch->items[i], &place, err);
    }
    empty_slot(slot, batch);
    scan_batch_clear(batch);
    scan->delivered++;
    return status;
}
