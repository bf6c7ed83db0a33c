/*
 * Which certificates are in these bytes: PEM without frills and DER certificates.  Everything
 * else, and everything that is damaged, is left to core/flow/decode.h, which knows all forms and
 * has the sentences.
 */
#include <stdlib.h>
#include <string.h>

#include "core/monitor/scan_parts.h"

#define BEGIN     "-----BEGIN "
#define END       "-----END "
#define DASHES    "-----"
#define BEGIN_LEN (sizeof BEGIN - 1)
#define END_LEN   (sizeof END - 1)

/* ---- DER that is no certificate ---- */

/* The first bytes of the content of the SEQUENCE at p; NULL if there is none. */
static const uint8_t *content_of_sequence(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 2 || p[0] != 0x30)
        return NULL;
    const size_t head = p[1] < 0x80 ? 2 : 2 + (size_t)(p[1] & 0x7F);
    return (size_t)(end - p) <= head ? NULL : p + head;
}

/* By the first element inside; keys, requests and lists of revoked certificates are nothing. */
static enum scan_verdict judge_other_der(struct ecert_view file)
{
    static const uint8_t version_3[] = {0x02, 0x01, 0x03};            /* PKCS#12 */
    static const uint8_t tagged_version[] = {0xA0, 0x03, 0x02, 0x01}; /* a damaged certificate */
    const uint8_t *end = file.ptr + file.len;
    const uint8_t *outer = content_of_sequence(file.ptr, end);

    if (outer == NULL)
        return SCAN_NOTHING;
    if ((size_t)(end - outer) >= sizeof version_3 &&
        memcmp(outer, version_3, sizeof version_3) == 0)
        return SCAN_PKCS12;
    if (*outer == 0x06) /* an OBJECT IDENTIFIER: PKCS#7 */
        return SCAN_RARE;
    const uint8_t *inner = content_of_sequence(outer, end);
    if (inner != NULL && (size_t)(end - inner) >= sizeof tagged_version &&
        memcmp(inner, tagged_version, sizeof tagged_version) == 0)
        return SCAN_RARE;
    return SCAN_NOTHING;
}

/* ---- base64 ---- */

enum { BLANK = 0x40, PAD = 0x41, OTHER = 0x80 };

/* What each byte is worth, and what it is worth at each place of a group of four; filled once. */
static uint8_t worth[256];
static uint32_t worth_at[4][256];

#define NO_DIGIT (UINT32_C(1) << 31)

static void fill_worth(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    memset(worth, OTHER, sizeof worth);
    for (uint8_t i = 0; i < 64; i++)
        worth[(uint8_t)digits[i]] = i;
    for (const char *blank = " \t\r\n\f\v"; *blank != '\0'; blank++)
        worth[(uint8_t)*blank] = BLANK;
    worth['='] = PAD;
    for (unsigned c = 0; c < 256; c++)
        for (unsigned place = 0; place < 4; place++)
            worth_at[place][c] = worth[c] < 64 ? (uint32_t)worth[c] << (18 - 6 * place) : NO_DIGIT;
}

/* As many groups of four digits as follow each other; three bytes at `out` for each. */
static size_t decode_groups(const uint8_t *p, const uint8_t *end, uint8_t *out)
{
    size_t n = 0;

    for (; end - p >= 4; p += 4, n++) {
        const uint32_t bits =
            worth_at[0][p[0]] | worth_at[1][p[1]] | worth_at[2][p[2]] | worth_at[3][p[3]];

        if ((bits & NO_DIGIT) != 0)
            break;
        *out++ = (uint8_t)(bits >> 16);
        *out++ = (uint8_t)(bits >> 8);
        *out++ = (uint8_t)bits;
    }
    return n;
}

struct base64 {
    uint32_t bits;
    unsigned digits, pads; /* of the group of four in hand, or of the last one */
    size_t len;            /* bytes decoded */
};

/* One character; false: it does not belong here. */
static bool take_character(struct base64 *state, uint8_t value, uint8_t *out)
{
    if (value == BLANK)
        return true;
    if (value == PAD) {
        state->pads++;
        return state->digits >= 2 && state->digits + state->pads <= 4;
    }
    if (value >= BLANK || state->pads > 0)
        return false;
    state->bits = state->bits << 6 | value;
    if (++state->digits < 4)
        return true;
    out[state->len++] = (uint8_t)(state->bits >> 16);
    out[state->len++] = (uint8_t)(state->bits >> 8);
    out[state->len++] = (uint8_t)state->bits;
    state->digits = 0;
    return true;
}

/* The last group: with two digits one byte, with three two. */
static bool finish_base64(struct base64 *state, uint8_t *out)
{
    if (state->digits == 0)
        return state->pads == 0 && state->len > 0;
    if (state->digits + state->pads != 4)
        return false;
    state->bits <<= 6 * state->pads;
    out[state->len++] = (uint8_t)(state->bits >> 16);
    if (state->pads == 1)
        out[state->len++] = (uint8_t)(state->bits >> 8);
    return true;
}

/*
 * From *p to the first "-", which begins a line; *p is moved there.  False: something else than
 * base64, or the end of the file.
 */
static bool decode_base64(const uint8_t **p, const uint8_t *end, uint8_t *out, size_t *ret_len)
{
    struct base64 state = {0};
    const uint8_t *at = *p;

    while (at < end && *at != '-') {
        if (state.digits == 0 && state.pads == 0) {
            const size_t n = decode_groups(at, end, out + state.len);
            at += 4 * n;
            state.len += 3 * n;
        }
        if (at < end && *at != '-' && !take_character(&state, worth[*at++], out))
            return false;
    }
    if (at == end || (at[-1] != '\n' && at[-1] != '\r') || !finish_base64(&state, out))
        return false;
    *p = at;
    *ret_len = state.len;
    return true;
}

/* ---- blocks ---- */

static bool starts_with(const uint8_t *p, const uint8_t *end, const char *text, size_t len)
{
    return (size_t)(end - p) >= len && memcmp(p, text, len) == 0;
}

/* Only blanks between the start of the line and p. */
static bool begins_line(const uint8_t *start, const uint8_t *p)
{
    while (p > start && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    return p == start || p[-1] == '\n' || p[-1] == '\r';
}

/* The next line with "-----BEGIN " or "-----END " from p on; NULL: none. */
static const uint8_t *next_mark(struct ecert_view file, const uint8_t *p)
{
    const uint8_t *end = file.ptr + file.len;

    while (p < end && (p = memmem(p, (size_t)(end - p), DASHES, 5)) != NULL) {
        if (begins_line(file.ptr, p) &&
            (starts_with(p, end, BEGIN, BEGIN_LEN) || starts_with(p, end, END, END_LEN)))
            return p;
        p += 5;
    }
    return NULL;
}

/* The label of "-----BEGIN LABEL-----" from behind the first blank; p is moved behind the line's
 * last dash. */
static bool read_label(const uint8_t **p, const uint8_t *end, struct ecert_view *ret)
{
    const size_t left = (size_t)(end - *p);
    const uint8_t *dash = memchr(*p, '-', left < 64 ? left : 64);

    if (dash == NULL || !starts_with(dash, end, DASHES, 5))
        return false;
    *ret = (struct ecert_view){*p, (size_t)(dash - *p)};
    *p = dash + 5;
    return *p == end || **p == '\n' || **p == '\r' || **p == ' ' || **p == '\t';
}

static bool label_is(struct ecert_view label, const char *text)
{
    return ecert_view_equal(label, ecert_view_of(text));
}

static bool reserve(struct scan_decoder *decoder, size_t room)
{
    if (room <= decoder->room)
        return true;
    free(decoder->der);
    decoder->der = malloc(room);
    decoder->room = decoder->der == NULL ? 0 : room;
    return decoder->der != NULL;
}

/* From behind the BEGIN line to behind the END line.  False: not by the book. */
static bool decode_block(struct scan_decoder *decoder, const uint8_t **p, const uint8_t *end,
                         struct ecert_view label, struct scan_record *ret)
{
    struct ecert_view end_label;
    size_t len = 0;

    if (!decode_base64(p, end, decoder->der, &len) || !starts_with(*p, end, END, END_LEN))
        return false;
    *p += END_LEN;
    return read_label(p, end, &end_label) && ecert_view_equal(label, end_label) &&
           scan_decode_der(decoder, (struct ecert_view){decoder->der, len}, ret);
}

/* Behind the END line of a block that is not ours; NULL: it has none. */
static const uint8_t *pass_over(struct ecert_view file, const uint8_t *p, struct ecert_view label)
{
    const uint8_t *end = file.ptr + file.len;
    struct ecert_view end_label;

    p = next_mark(file, p);
    if (p == NULL || !starts_with(p, end, END, END_LEN))
        return NULL;
    p += END_LEN;
    return read_label(&p, end, &end_label) && ecert_view_equal(label, end_label) ? p : NULL;
}

static enum scan_verdict decode_pem(struct scan_decoder *decoder, struct ecert_view file,
                                    const uint8_t *mark, struct scan_record *records, size_t max,
                                    size_t *ret_n)
{
    const uint8_t *end = file.ptr + file.len;
    bool damaged = false; /* only keys and the like so far: it counts if a certificate follows */
    struct ecert_view label;
    size_t n = 0;

    for (; mark != NULL; mark = next_mark(file, mark)) {
        const bool begins = starts_with(mark, end, BEGIN, BEGIN_LEN);

        mark += begins ? BEGIN_LEN : END_LEN;
        if (!read_label(&mark, end, &label)) {
            damaged = true;
            continue;
        }
        if (!begins && label_is(label, "CERTIFICATE"))
            return SCAN_RARE; /* an END without BEGIN: the front is cut off */
        if (!begins) {
            damaged = true;
            continue;
        }
        if (label_is(label, "CERTIFICATE") || label_is(label, "X509 CERTIFICATE")) {
            if (n == max)
                return SCAN_TOO_MANY;
            if (damaged || !decode_block(decoder, &mark, end, label, &records[n++]))
                return SCAN_RARE;
            continue;
        }
        if (label_is(label, "TRUSTED CERTIFICATE") || label_is(label, "PKCS7") ||
            label_is(label, "CMS"))
            return SCAN_RARE;
        const uint8_t *next = pass_over(file, mark, label);
        damaged = damaged || next == NULL;
        mark = next == NULL ? mark : next;
    }
    *ret_n = n;
    return n == 0 ? SCAN_NOTHING : damaged ? SCAN_RARE : SCAN_CERTIFICATES;
}

/* ---- a file ---- */

/* "BEGIN" in the letters of UTF-16, whichever end comes first. */
static bool is_utf16(struct ecert_view file)
{
    return memmem(file.ptr, file.len, "B\0E\0G\0I\0N", 9) != NULL;
}

enum scan_verdict scan_decode_file(struct scan_decoder *decoder, struct ecert_view file,
                                   struct scan_record *records, size_t max, size_t *ret_n)
{
    if (worth['='] != PAD)
        fill_worth();
    if (file.len == 0)
        return SCAN_NOTHING;
    /* a NUL is in every DER certificate and in no text: it tells "0" (0x30) from a SEQUENCE */
    if (file.ptr[0] == 0x30 && memchr(file.ptr, 0, file.len) != NULL) {
        if (max == 0)
            return SCAN_TOO_MANY;
        *ret_n = 1;
        return scan_decode_der(decoder, file, records) ? SCAN_CERTIFICATES : judge_other_der(file);
    }
    if (memcmp(file.ptr, "\xEF\xBB\xBF", file.len < 3 ? file.len : 3) == 0 && file.len > 3)
        file = (struct ecert_view){file.ptr + 3, file.len - 3};
    const uint8_t *mark = next_mark(file, file.ptr);
    if (mark == NULL)
        return is_utf16(file) ? SCAN_RARE : SCAN_NOTHING;
    if (!reserve(decoder, file.len / 4 * 3 + 4))
        return SCAN_RARE;
    return decode_pem(decoder, file, mark, records, max, ret_n);
}
