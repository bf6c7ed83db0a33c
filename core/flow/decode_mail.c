#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/flow/decode_forms.h"

#define MOST_PARTS 200
#define MOST_DEPTH 8

/* ---- lines and fields ---- */

/* The next line with its end (LF or CR LF), cut off the text; false: there is none. */
static bool next_line(struct ecert_view *text, struct ecert_view *ret)
{
    if (text->len == 0)
        return false;
    const uint8_t *end = memchr(text->ptr, '\n', text->len);
    const size_t n = end == NULL ? text->len : (size_t)(end - text->ptr) + 1;
    *ret = (struct ecert_view){text->ptr, n};
    text->ptr += n;
    text->len -= n;
    return true;
}

static struct ecert_view without_end(struct ecert_view line)
{
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    return line;
}

/* One line end less, and no more: a binary body may end with further ones. */
static struct ecert_view without_last_end(struct ecert_view text)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool begins(struct ecert_view text, const char *word)
{
    const size_t n = strlen(word);

    return text.len >= n && strncasecmp((const char *)text.ptr, word, n) == 0;
}

/* The length of a field's name with its colon ("Subject:"); 0: this line is no field. */
static size_t field_name(struct ecert_view line)
{
    size_t n = 0;

    while (n < line.len && line.ptr[n] > 0x20 && line.ptr[n] < 0x7F && line.ptr[n] != ':')
        n++;
    return n > 0 && n < line.len && line.ptr[n] == ':' ? n + 1 : 0;
}

/* What counts in the header of a part. */
struct part {
    char *type;     /* the whole value of Content-Type, unfolded; NULL: none */
    char *encoding; /* of Content-Transfer-Encoding; NULL: none */
    bool is_mail;   /* a field was there that only mails have */
    struct ecert_view body;
};

static void part_clear(struct part *part)
{
    free(part->type);
    free(part->encoding);
    *part = (struct part){0};
}

static const char *const mail_fields[] = {
    "From:",
    "To:",
    "Cc:",
    "Date:",
    "Subject:",
    "Received:",
    "Return-Path:",
    "Reply-To:",
    "Delivered-To:",
    "Message-ID:",
    "MIME-Version:",
    "Sender:",
    "X-",
    "Thread-",
    "List-",
    "ARC-",
    "DKIM-Signature:",
    "Authentication-",
};

/* A field with its continuation lines, as one text; a second one of its kind does not count. */
static enum ecert_status keep_field(struct part *part, struct ecert_view field,
                                    struct ecert_error *err)
{
    static const char type[] = "Content-Type:", encoding[] = "Content-Transfer-Encoding:";
    char **ret = begins(field, type)       ? &part->type
                 : begins(field, encoding) ? &part->encoding
                                           : NULL;

    for (size_t i = 0; i < ARRAY_SIZE(mail_fields); i++)
        part->is_mail = part->is_mail || begins(field, mail_fields[i]);
    if (ret == NULL || *ret != NULL)
        return ECERT_OK;
    const size_t skip = ret == &part->type ? sizeof type - 1 : sizeof encoding - 1;
    *ret = strndup((const char *)field.ptr + skip, field.len - skip);
    if (*ret == NULL)
        return ecert_error_nomem(err);
    for (char *c = *ret; *c != '\0'; c++)
        if (*c == '\r' || *c == '\n' || *c == '\t')
            *c = ' ';
    memmove(*ret, *ret + strspn(*ret, " "), strlen(*ret + strspn(*ret, " ")) + 1);
    return ECERT_OK;
}

/* Fields, an empty line, the body.  *ret_good: the first lines are nothing but fields. */
static enum ecert_status read_part(struct ecert_view text, struct part *ret, bool *ret_good,
                                   struct ecert_error *err)
{
    ECERT_AUTO(part_clear) struct part part = {0};
    struct ecert_view line, field = {0};

    *ret_good = true;
    while (next_line(&text, &line) && without_end(line).len > 0) {
        if (field.len > 0 && is_blank(line.ptr[0])) {
            field.len += line.len;
            continue;
        }
        if (field.len > 0)
            ECERT_TRY(keep_field(&part, field, err));
        field = line;
        if (field_name(line) == 0) {
            *ret_good = false;
            return ECERT_OK;
        }
    }
    if (field.len > 0)
        ECERT_TRY(keep_field(&part, field, err));
    part.body = text;
    *ret = part;
    part = (struct part){0};
    return ECERT_OK;
}

/* Behind the line "From x Sat Nov 21 ...", with which a mail in an mbox begins. */
static struct ecert_view without_postmark(struct ecert_view text)
{
    struct ecert_view line;

    while (text.len > 0 && (text.ptr[0] == '\n' || text.ptr[0] == '\r'))
        text = (struct ecert_view){text.ptr + 1, text.len - 1};
    if (text.len > 5 && memcmp(text.ptr, "From ", 5) == 0)
        (void)next_line(&text, &line);
    return text;
}

bool ecert_decode_is_mail(struct ecert_view text)
{
    ECERT_AUTO(part_clear) struct part part = {0};
    struct ecert_error ignored = {0};
    bool good = false;

    return read_part(without_postmark(text), &part, &good, &ignored) == ECERT_OK && good &&
           part.is_mail;
}

/* ---- transfer encodings ---- */

/* MIME says: what is not of the alphabet is passed over (RFC 2045, 6.8). */
static enum ecert_status decode_base64(struct ecert_view body, struct ecert_buffer *ret,
                                       struct ecert_error *err)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer digits = {0};

    for (size_t i = 0; i < body.len && body.ptr[i] != '='; i++)
        if (body.ptr[i] != 0 && strchr(alphabet, body.ptr[i]) != NULL)
            ecert_buffer_add(&digits, (struct ecert_view){body.ptr + i, 1});
    const size_t padding = (4 - digits.len % 4) % 4;
    ecert_buffer_add(&digits, (struct ecert_view){(const uint8_t *)"===", padding});
    if (digits.failed)
        return ecert_error_nomem(err);
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0};
    ECERT_TRY(ecert_secret_copy(ecert_buffer_view(&digits), &bytes, err));
    const int n = digits.len == 0 ? 0 : EVP_DecodeBlock(bytes.ptr, digits.ptr, (int)digits.len);
    if (n > (int)padding)
        ecert_buffer_add(ret, (struct ecert_view){bytes.ptr, (size_t)n - padding});
    return ret->failed ? ecert_error_nomem(err) : ECERT_OK;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* RFC 2045, 6.7: "=" at the end of a line joins it with the next; "=3D" is a byte. */
static enum ecert_status decode_quoted(struct ecert_view body, struct ecert_buffer *ret,
                                       struct ecert_error *err)
{
    struct ecert_view line;

    while (next_line(&body, &line)) {
        const struct ecert_view text = without_end(line);
        struct ecert_view end = {line.ptr + text.len, line.len - text.len};
        size_t n = text.len;

        while (n > 0 && is_blank(text.ptr[n - 1])) /* added on the way */
            n--;
        if (n > 0 && text.ptr[n - 1] == '=') {
            n--;
            end.len = 0;
        }
        for (size_t i = 0; i < n; i++) {
            uint8_t byte = text.ptr[i];
            if (byte == '=' && i + 2 < n && hex_digit(text.ptr[i + 1]) >= 0 &&
                hex_digit(text.ptr[i + 2]) >= 0) {
                byte = (uint8_t)(hex_digit(text.ptr[i + 1]) << 4 | hex_digit(text.ptr[i + 2]));
                i += 2;
            }
            ecert_buffer_add(ret, (struct ecert_view){&byte, 1});
        }
        ecert_buffer_add(ret, end);
    }
    return ret->failed ? ecert_error_nomem(err) : ECERT_OK;
}

/* The bytes of a body; *ret points into it or into `storage`. */
static enum ecert_status decode_body(const struct part *part, struct ecert_buffer *storage,
                                     struct ecert_view *ret, struct ecert_error *err)
{
    const char *encoding = part->encoding == NULL ? "" : part->encoding;

    *ret = part->body;
    if (strncasecmp(encoding, "base64", 6) == 0)
        ECERT_TRY(decode_base64(part->body, storage, err));
    else if (strncasecmp(encoding, "quoted-printable", 16) == 0)
        ECERT_TRY(decode_quoted(part->body, storage, err));
    else
        return ECERT_OK;
    *ret = ecert_buffer_view(storage);
    return ECERT_OK;
}

/* ---- parts ---- */

struct mail {
    struct ecert_decoding *decoding;
    unsigned n_parts;
    bool too_much;                 /* of parts, or of their depth: nothing makes up for it */
    struct ecert_error text_error; /* of a text, which may only talk of certificates */
    struct ecert_error part_error; /* of any other part of several */
    struct ecert_error odd;        /* an attachment of another kind: a ZIP archive */
};

static enum ecert_status look_at_part(struct mail *mail, struct ecert_view text, unsigned depth,
                                      struct ecert_error *err);

static enum ecert_status look_at_mail(struct mail *mail, struct ecert_view text, unsigned depth,
                                      struct ecert_error *err)
{
    return look_at_part(mail, without_postmark(text), depth, err);
}

static bool is_type(const struct part *part, const char *type)
{
    return part->type != NULL && strncasecmp(part->type, type, strlen(type)) == 0;
}

/* Forget what a part brought that turned out to be damaged. */
static void take_back(struct ecert_decoding *decoding, size_t answer, int certificates, size_t keys)
{
    if (decoding->answer.len > answer)
        OPENSSL_cleanse(decoding->answer.ptr + answer, decoding->answer.len - answer);
    decoding->answer.len = answer;
    while (sk_X509_num(decoding->certificates) > certificates)
        X509_free(sk_X509_pop(decoding->certificates));
    decoding->n_keys = keys;
}

typedef enum ecert_status look_fn(struct mail *mail, struct ecert_view text, unsigned depth,
                                  struct ecert_error *err);

/*
 * Look at something of which a mail has several: what is wrong in one is remembered in *first, and
 * counts only if nothing better is found.
 */
static enum ecert_status attempt(struct mail *mail, look_fn *look, struct ecert_view text,
                                 unsigned depth, struct ecert_error *first, struct ecert_error *err)
{
    struct ecert_decoding *decoding = mail->decoding;
    const size_t answer = decoding->answer.len, keys = decoding->n_keys;
    const int certificates = sk_X509_num(decoding->certificates);
    struct ecert_error why = {0};

    if (look(mail, text, depth, &why) == ECERT_OK)
        return ECERT_OK;
    if (why.status == ECERT_E_NOMEM || mail->too_much) {
        *err = why;
        return err->status;
    }
    take_back(decoding, answer, certificates, keys);
    if (first->status == ECERT_OK)
        *first = why;
    return ECERT_OK;
}

static enum ecert_status look_at_pem(struct mail *mail, struct ecert_view text, unsigned depth,
                                     struct ecert_error *err)
{
    (void)depth;
    return ecert_decode_pem(mail->decoding, text, err);
}

static enum ecert_status look_at_attachment(struct mail *mail, const struct part *part,
                                            struct ecert_view file, unsigned depth,
                                            struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer storage = {0};
    struct ecert_view text = {0};

    ECERT_TRY(ecert_decode_plain_text(file, &storage, &text, err));
    const bool binary = text.len > 0 && memchr(text.ptr, 0, text.len) != NULL;
    if (!binary && ecert_decode_is_mail(text))
        return look_at_mail(mail, text, depth + 1, err);
    if (!binary && ecert_decode_has_pem(text))
        /* a text often talks of "-----BEGIN CERTIFICATE-----", or shows half of it */
        return part->type == NULL || is_type(part, "text/")
                   ? attempt(mail, look_at_pem, text, depth, &mail->text_error, err)
                   : ecert_decode_pem(mail->decoding, text, err);
    if (file.len > 1 && file.ptr[0] == 0x30 && (binary || (file.ptr[1] & 0x80) != 0))
        return ecert_decode_der(mail->decoding, file, err);
    if (part->type != NULL && !is_type(part, "text/") && !is_type(part, "image/") &&
        mail->odd.status == ECERT_OK)
        (void)ecert_decode_foreign(text, &mail->odd);
    return ECERT_OK;
}

static void auto_pkcs7(PKCS7 **pkcs7)
{
    PKCS7_free(*pkcs7);
}

/* A mail that is signed as a whole (S/MIME): what was signed.  len 0: it is something else. */
static struct ecert_view signed_content(const PKCS7 *pkcs7)
{
    if (pkcs7 == NULL || !PKCS7_type_is_signed(pkcs7) || pkcs7->d.sign == NULL ||
        pkcs7->d.sign->contents == NULL || !PKCS7_type_is_data(pkcs7->d.sign->contents) ||
        pkcs7->d.sign->contents->d.data == NULL)
        return (struct ecert_view){0};
    const ASN1_OCTET_STRING *data = pkcs7->d.sign->contents->d.data;
    return (struct ecert_view){ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data)};
}

static enum ecert_status look_at_leaf(struct mail *mail, const struct part *part, unsigned depth,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer storage = {0};
    struct ecert_view file = {0};

    /* it holds the certificates of whoever signed the mail, not what was sent */
    if (is_type(part, "application/pkcs7-signature") ||
        is_type(part, "application/x-pkcs7-signature"))
        return ECERT_OK;
    ECERT_TRY(decode_body(part, &storage, &file, err));
    if (is_type(part, "message/rfc822"))
        return look_at_mail(mail, file, depth + 1, err);
    if (is_type(part, "application/pkcs7-mime") || is_type(part, "application/x-pkcs7-mime")) {
        const unsigned char *p = file.ptr;
        ECERT_AUTO(auto_pkcs7) PKCS7 *pkcs7 = d2i_PKCS7(NULL, &p, (long)file.len);
        const struct ecert_view content = signed_content(pkcs7);
        if (content.len > 0)
            return look_at_mail(mail, content, depth + 1, err);
        if (pkcs7 != NULL && PKCS7_type_is_enveloped(pkcs7))
            return ecert_error_set(err, ECERT_E_CRYPTO,
                                   "the mail message is encrypted; save the attached certificate "
                                   "with a mail program and give that");
    }
    return look_at_attachment(mail, part, file, depth, err);
}

/* Is this line the delimiter of the parts ("--BOUNDARY"), or their end ("--BOUNDARY--")? */
static bool is_delimiter(struct ecert_view line, const char *boundary, bool *ret_end)
{
    const size_t n = strlen(boundary);

    line = without_end(line);
    while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
        line.len--;
    if (line.len < n + 2 || memcmp(line.ptr, "--", 2) != 0 ||
        memcmp(line.ptr + 2, boundary, n) != 0)
        return false;
    *ret_end = line.len == n + 4 && memcmp(line.ptr + n + 2, "--", 2) == 0;
    return *ret_end || line.len == n + 2;
}

static enum ecert_status look_at_multipart(struct mail *mail, const struct part *whole,
                                           unsigned depth, struct ecert_error *err)
{
    struct ecert_view rest = whole->body, line, part = {0};
    char boundary[ECERT_DECODE_PARAMETER_SIZE];
    bool end = false;

    ecert_decode_parameter(whole->type, "boundary", boundary);
    if (boundary[0] == '\0')
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the mail message is damaged: its parts have no boundary");
    while (!end && next_line(&rest, &line)) {
        if (!is_delimiter(line, boundary, &end)) {
            if (part.ptr != NULL)
                part.len += line.len;
            continue;
        }
        /* the line end before a delimiter belongs to it (RFC 2046, 5.1.1) */
        if (part.ptr != NULL)
            ECERT_TRY(attempt(mail, look_at_part, without_last_end(part), depth + 1,
                              &mail->part_error, err));
        part = (struct ecert_view){rest.ptr, 0};
    }
    /* without an end it was cut off: the last part shows whether that hurts */
    return end || part.ptr == NULL
               ? ECERT_OK
               : attempt(mail, look_at_part, part, depth + 1, &mail->part_error, err);
}

/* A mail, or a part of one: fields, an empty line, a body. */
static enum ecert_status look_at_part(struct mail *mail, struct ecert_view text, unsigned depth,
                                      struct ecert_error *err)
{
    ECERT_AUTO(part_clear) struct part part = {0};
    bool good = false;

    mail->too_much = ++mail->n_parts > MOST_PARTS || depth > MOST_DEPTH;
    if (mail->too_much)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the mail message has more than %d parts, or they are nested deeper "
                               "than %d; save the attached certificate and give that",
                               MOST_PARTS, MOST_DEPTH);
    ECERT_TRY(read_part(text, &part, &good, err));
    if (!good)
        return ECERT_OK;
    if (is_type(&part, "multipart/"))
        return look_at_multipart(mail, &part, depth, err);
    return look_at_leaf(mail, &part, depth, err);
}

enum ecert_status ecert_decode_mail(struct ecert_decoding *decoding, struct ecert_view text,
                                    struct ecert_error *err)
{
    struct mail mail = {.decoding = decoding};

    if (look_at_mail(&mail, text, 0, err) != ECERT_OK)
        return err->status == ECERT_E_NOMEM ? err->status
                                            : ecert_error_wrap(err, "in the mail message");
    if (sk_X509_num(decoding->certificates) > 0) {
        decoding->form = "mail";
        return ECERT_OK;
    }
    if (mail.part_error.status != ECERT_OK) {
        *err = mail.part_error;
        return ecert_error_wrap(err, "in the mail message");
    }
    if (mail.text_error.status != ECERT_OK || mail.odd.status != ECERT_OK) {
        *err = mail.odd.status != ECERT_OK ? mail.odd : mail.text_error;
        return ecert_error_wrap(err, "the mail message holds no certificate");
    }
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "the file is a mail message that holds no certificate%s%s; save the "
                           "certificate that came with it and give that",
                           decoding->instead == NULL ? "" : ", only ",
                           decoding->instead == NULL ? "" : decoding->instead);
}
