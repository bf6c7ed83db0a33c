/*
 * PEM (RFC 7468, and RFC 1421 headers for old encrypted keys), read here and not by OpenSSL's own
 * reader, because that one passes over what it cannot read: here a damaged block spoils the file,
 * and the sentence says which block it was.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow/decode_forms.h"

/* ---- lines ---- */

struct lines {
    struct ecert_view rest;
    unsigned number; /* of the line read last, from 1 */
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

/* The next line without blanks around it; LF, CR LF and CR alone end one. */
static bool next_line(struct lines *lines, struct ecert_view *ret)
{
    struct ecert_view line = {lines->rest.ptr, 0};

    if (lines->rest.len == 0)
        return false;
    while (line.len < lines->rest.len && line.ptr[line.len] != '\n' && line.ptr[line.len] != '\r')
        line.len++;
    size_t used = line.len;
    if (used < lines->rest.len) {
        const bool crlf =
            line.ptr[used] == '\r' && used + 1 < lines->rest.len && line.ptr[used + 1] == '\n';
        used += crlf ? 2 : 1;
    }
    lines->rest.ptr += used;
    lines->rest.len -= used;
    lines->number++;
    while (line.len > 0 && is_blank(line.ptr[0])) {
        line.ptr++;
        line.len--;
    }
    while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
        line.len--;
    *ret = line;
    return true;
}

static bool starts_with(struct ecert_view line, const char *prefix)
{
    const size_t n = strlen(prefix);

    return line.len >= n && memcmp(line.ptr, prefix, n) == 0;
}

#define LABEL_MAX 64

/* "-----BEGIN X-----" with `prefix` "-----BEGIN ": the X.  False: the line is damaged. */
static bool read_label(struct ecert_view line, const char *prefix, char ret[LABEL_MAX])
{
    const size_t n = strlen(prefix);

    if (!starts_with(line, prefix) || line.len < n + 6 || line.len - n - 5 >= LABEL_MAX ||
        memcmp(line.ptr + line.len - 5, "-----", 5) != 0)
        return false;
    const size_t len = line.len - n - 5;
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = line.ptr[n + i];
        if (c < 0x20 || c > 0x7E || c == '-')
            return false;
        ret[i] = (char)c;
    }
    ret[len] = '\0';
    return true;
}

bool ecert_decode_has_pem(struct ecert_view text)
{
    struct lines lines = {.rest = text};
    struct ecert_view line;

    while (next_line(&lines, &line))
        if (starts_with(line, "-----BEGIN") || starts_with(line, "-----END"))
            return true;
    return false;
}

/* ---- one block ---- */

struct block {
    char label[LABEL_MAX];
    char what[LABEL_MAX + 64]; /* "PEM block 2 (CERTIFICATE, line 31)" */
    struct ecert_buffer headers;
    struct ecert_buffer base64; /* without blanks and line ends */
};

static void block_clear(struct block *block)
{
    ecert_buffer_clear(&block->headers);
    ecert_buffer_clear(&block->base64);
}

static bool is_base64(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
}

static enum ecert_status truncated(const struct block *block, struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "%s is truncated: it has no END line; get the file again", block->what);
}

static enum ecert_status add_base64(struct block *block, struct ecert_view line, unsigned number,
                                    struct ecert_error *err)
{
    for (size_t i = 0; i < line.len; i++) {
        const uint8_t c = line.ptr[i];
        if (is_blank(c))
            continue;
        if (c == '-' && line.len - i >= 10 && memcmp(line.ptr + i, "-----BEGIN", 10) == 0)
            return truncated(block, err); /* two files were put together, the first cut short */
        if (!is_base64(c))
            return ecert_error_set(err, ECERT_E_CRYPTO,
                                   "%s is damaged: line %u holds a character (0x%02X) that is not "
                                   "base64; get the file again",
                                   block->what, number, c);
        ecert_buffer_add(&block->base64, (struct ecert_view){&c, 1});
    }
    return ECERT_OK;
}

/* Headers ("DEK-Info: ...") come before the first line of base64; a blank line ends them. */
static bool is_header(const struct block *block, struct ecert_view line)
{
    return block->base64.len == 0 && memchr(line.ptr, ':', line.len) != NULL;
}

/* From behind the BEGIN line to the END line. */
static enum ecert_status read_block(struct lines *lines, struct block *block,
                                    struct ecert_error *err)
{
    struct ecert_view line;
    char end[LABEL_MAX];

    while (next_line(lines, &line)) {
        if (starts_with(line, "-----BEGIN"))
            break;
        if (starts_with(line, "-----END")) {
            if (!read_label(line, "-----END ", end))
                return ecert_error_set(err, ECERT_E_CRYPTO,
                                       "%s is damaged: its END line (line %u) is not complete",
                                       block->what, lines->number);
            if (strcmp(end, block->label) != 0)
                return ecert_error_set(err, ECERT_E_CRYPTO, "%s is damaged: it ends as '%s'",
                                       block->what, end);
            return ECERT_OK;
        }
        if (line.len > 0 && is_header(block, line)) {
            ecert_buffer_add(&block->headers, line);
            ecert_buffer_add_text(&block->headers, "\n");
            continue;
        }
        ECERT_TRY(add_base64(block, line, lines->number, err));
    }
    return truncated(block, err);
}

/* Strict: whole groups of four, "=" at the end only (EVP_DecodeBlock alone would take more). */
static enum ecert_status decode_base64(const struct block *block, struct ecert_secret *ret,
                                       struct ecert_error *err)
{
    const struct ecert_view text = ecert_buffer_view(&block->base64);
    size_t padding = 0;

    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    const bool whole =
        text.len > 0 && text.len % 4 == 0 && memchr(text.ptr, '=', text.len - padding) == NULL;
    if (!whole)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "%s is damaged: %zu characters of base64 are not whole; get the "
                               "file again",
                               block->what, text.len - padding);
    struct ecert_secret bytes = {.ptr = malloc(text.len / 4 * 3 + 1), .len = text.len / 4 * 3};
    if (bytes.ptr == NULL)
        return ecert_error_nomem(err);
    bytes.ptr[0] = 0;
    if (EVP_DecodeBlock(bytes.ptr, text.ptr, (int)text.len) < 0) {
        ecert_secret_clear(&bytes);
        return ecert_error_set(err, ECERT_E_CRYPTO, "%s is damaged: not base64", block->what);
    }
    bytes.len -= padding;
    bytes.ptr[bytes.len] = 0;
    *ret = bytes;
    return ECERT_OK;
}

/* ---- keys that are encrypted as PEM used to do it ---- */

static int give_passphrase(char *ret, int size, int writing, void *context)
{
    const struct ecert_view *passphrase = context;

    (void)writing;
    if (size < 0 || passphrase->len > (size_t)size)
        return -1;
    memcpy(ret, passphrase->ptr, passphrase->len);
    return (int)passphrase->len;
}

/* Decrypts in place (DEK-Info of RFC 1423). */
static enum ecert_status open_traditional(const struct ecert_decoding *decoding,
                                          struct block *block, struct ecert_secret *der,
                                          struct ecert_error *err)
{
    struct ecert_view passphrase = decoding->passphrase;
    EVP_CIPHER_INFO cipher = {0};
    long len = (long)der->len;

    ecert_buffer_add_text(&block->headers, "\n");
    if (block->headers.failed)
        return ecert_error_nomem(err);
    if (strstr((const char *)block->headers.ptr, "ENCRYPTED") == NULL)
        return ECERT_OK;
    if (PEM_get_EVP_CIPHER_INFO((char *)block->headers.ptr, &cipher) != 1)
        return ecert_error_openssl(err, ECERT_E_CRYPTO,
                                   "%s is encrypted in a way that is not known", block->what);
    if (passphrase.len == 0 ||
        PEM_do_header(&cipher, der->ptr, &len, give_passphrase, &passphrase) != 1)
        return ecert_decode_locked(decoding, block->what, err);
    der->len = (size_t)len;
    return ECERT_OK;
}

/* ---- what the labels mean ---- */

enum meaning { CERTIFICATE, TRUSTED, PKCS7_, KEY, CRL, PASSED_OVER };

static const struct label {
    const char *name;
    enum meaning meaning;
    const char *instead; /* for a file in which there is nothing else */
} labels[] = {
    /* clang-format off */
    {"CERTIFICATE",             CERTIFICATE, "certificates"},
    {"X509 CERTIFICATE",        CERTIFICATE, "certificates"},
    {"TRUSTED CERTIFICATE",     TRUSTED,     "certificates"},
    {"PKCS7",                   PKCS7_,      "certificates (PKCS#7)"},
    {"CMS",                     PKCS7_,      "certificates (PKCS#7)"},
    {"PRIVATE KEY",             KEY,         "a private key"},
    {"ENCRYPTED PRIVATE KEY",   KEY,         "a private key"},
    {"RSA PRIVATE KEY",         KEY,         "a private key"},
    {"EC PRIVATE KEY",          KEY,         "a private key"},
    {"X509 CRL",                CRL,         "a certificate revocation list (CRL)"},
    {"CERTIFICATE REQUEST",     PASSED_OVER, "a certificate request (CSR), which is what the CA gets; the issued certificate is wanted"},
    {"NEW CERTIFICATE REQUEST", PASSED_OVER, "a certificate request (CSR), which is what the CA gets; the issued certificate is wanted"},
    {"PUBLIC KEY",              PASSED_OVER, "a public key"},
    {"RSA PUBLIC KEY",          PASSED_OVER, "a public key"},
    {"EC PARAMETERS",           PASSED_OVER, "the parameters of an EC key"},
    {"DH PARAMETERS",           PASSED_OVER, "Diffie-Hellman parameters"},
    {"OPENSSH PRIVATE KEY",     PASSED_OVER, "a private key of OpenSSH (ssh-keygen -p -m PEM -f FILE converts a copy)"},
    /* clang-format on */
};

static const struct label *meaning_of(const char *label)
{
    static const struct label other = {"", PASSED_OVER, "PEM blocks of another kind"};

    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (strcmp(label, labels[i].name) == 0)
            return &labels[i];
    return &other;
}

static bool is_wanted(enum ecert_decode_wanted wanted, enum meaning meaning)
{
    switch (meaning) {
    case CERTIFICATE:
    case TRUSTED:
    case PKCS7_:
        return wanted == ECERT_DECODE_WANT_CERTIFICATES;
    case KEY:
        return wanted != ECERT_DECODE_WANT_CRL;
    case CRL:
        return wanted == ECERT_DECODE_WANT_CRL;
    case PASSED_OVER:
        break;
    }
    return false;
}

static enum ecert_status use_block(struct ecert_decoding *decoding, struct block *block,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret der = {0};
    const struct label *label = meaning_of(block->label);

    if (!is_wanted(decoding->wanted, label->meaning)) {
        if (decoding->instead == NULL)
            decoding->instead = label->instead;
        return ECERT_OK;
    }
    ECERT_TRY(decode_base64(block, &der, err));
    switch (label->meaning) {
    case CERTIFICATE:
    case TRUSTED:
        decoding->form = "PEM";
        return ecert_decode_certificate_der(decoding, ecert_secret_view(&der),
                                            label->meaning == TRUSTED, block->what, err);
    case PKCS7_:
        if (decoding->form == NULL)
            decoding->form = "PKCS#7";
        return ecert_decode_pkcs7_der(decoding, ecert_secret_view(&der), block->what, err);
    case KEY:
        ECERT_TRY(open_traditional(decoding, block, &der, err));
        if (decoding->instead == NULL)
            decoding->instead = label->instead;
        return ecert_decode_key_der(decoding, ecert_secret_view(&der), block->what, err);
    case CRL:
        decoding->form = "PEM";
        return ecert_decode_crl_der(decoding, ecert_secret_view(&der), block->what, err);
    case PASSED_OVER:
        break;
    }
    return ECERT_OK;
}

enum ecert_status ecert_decode_pem(struct ecert_decoding *decoding, struct ecert_view text,
                                   struct ecert_error *err)
{
    struct lines lines = {.rest = text};
    struct ecert_view line;
    unsigned n = 0;

    while (next_line(&lines, &line)) {
        ECERT_AUTO(block_clear) struct block block = {0};

        if (starts_with(line, "-----END"))
            return ecert_error_set(err, ECERT_E_CRYPTO,
                                   "the END line in line %u has no BEGIN line before it; get the "
                                   "file again",
                                   lines.number);
        if (!starts_with(line, "-----BEGIN"))
            continue;
        if (!read_label(line, "-----BEGIN ", block.label))
            return ecert_error_set(err, ECERT_E_CRYPTO,
                                   "the BEGIN line in line %u is not complete; get the file again",
                                   lines.number);
        (void)snprintf(block.what, sizeof block.what, "PEM block %u (%s, line %u)", ++n,
                       block.label, lines.number);
        ECERT_TRY(read_block(&lines, &block, err));
        if (block.base64.failed || block.headers.failed)
            return ecert_error_nomem(err);
        ECERT_TRY(use_block(decoding, &block, err));
    }
    return ECERT_OK;
}
