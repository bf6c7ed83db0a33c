#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/flow/decode_forms.h"

/* ---- text ---- */

/* Where the bytes of UTF-16 without a byte order mark give themselves away. */
static bool is_utf16(struct ecert_view file, bool *ret_big, size_t *ret_skip)
{
    static const char dashes[] = "\0-\0-\0-\0-\0-\0B\0E\0G\0I\0N"; /* big-endian; +1: little */
    const size_t n = sizeof dashes - 1;

    *ret_skip = 0;
    if (file.len >= 2 && ((file.ptr[0] == 0xFF && file.ptr[1] == 0xFE) ||
                          (file.ptr[0] == 0xFE && file.ptr[1] == 0xFF))) {
        *ret_big = file.ptr[0] == 0xFE;
        *ret_skip = 2;
        return true;
    }
    if (file.len < 2 * n || file.ptr[0] == 0x30)
        return false;
    const uint8_t *at = memmem(file.ptr, file.len, dashes + 1, n - 1);
    if (at == NULL)
        return false;
    /* the "-" is the low byte: at an even place in little-endian text */
    *ret_big = (at - file.ptr) % 2 != 0;
    return true;
}

enum ecert_status ecert_decode_plain_text(struct ecert_view file, struct ecert_buffer *storage,
                                          struct ecert_view *ret, struct ecert_error *err)
{
    bool big = false;
    size_t skip = 0;

    if (file.len >= 3 && memcmp(file.ptr, "\xEF\xBB\xBF", 3) == 0) {
        *ret = (struct ecert_view){file.ptr + 3, file.len - 3};
        return ECERT_OK;
    }
    if (!is_utf16(file, &big, &skip)) {
        *ret = file;
        return ECERT_OK;
    }
    for (size_t i = skip; i + 1 < file.len; i += 2) {
        const uint8_t high = file.ptr[big ? i : i + 1];
        const uint8_t low = file.ptr[big ? i + 1 : i];
        const uint8_t byte = high == 0 && low < 0x80 && low != 0 ? low : '?';
        ecert_buffer_add(storage, (struct ecert_view){&byte, 1});
    }
    *ret = ecert_buffer_view(storage);
    return storage->failed ? ecert_error_nomem(err) : ECERT_OK;
}

/* ---- what it looks like ---- */

static struct ecert_view trimmed(struct ecert_view text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL && text.ptr[0] != 0) {
        text.ptr++;
        text.len--;
    }
    return text;
}

static bool starts_with(struct ecert_view text, const char *prefix, size_t len)
{
    return text.len >= len && strncasecmp((const char *)text.ptr, prefix, len) == 0;
}

/* Bytes that a file begins with, compared without case.  More than one row may say the same. */
static const struct signature {
    const char *bytes;
    size_t len;
    const char *is;
} signatures[] = {
/* clang-format off */
#define SIGNATURE(bytes, is) {bytes, sizeof(bytes) - 1, is}
    SIGNATURE("PK\x03\x04", "the file is a ZIP archive; unpack it and give the certificate that is in it"),
    SIGNATURE("\xD0\xCF\x11\xE0", "the file is an old Office document; the certificate itself is wanted, saved as plain text"),
    SIGNATURE("{\\rtf", "the file is a word processor's document (RTF); save the certificate as plain text"),
    SIGNATURE("%PDF", "the file is a PDF document; the certificate itself is wanted"),
    SIGNATURE("\x1F\x8B", "the file is compressed (gzip); unpack it first"),
    SIGNATURE("7z\xBC\xAF", "the file is a 7-Zip archive; unpack it first"),
    SIGNATURE("\xFE\xED\xFE\xED", "the file is a Java keystore (JKS); export it as PKCS#12 first"),
    SIGNATURE("<!doctype html", "the file is an HTML page, perhaps an error or login page that was saved in place of the certificate"),
    SIGNATURE("<html", "the file is an HTML page, perhaps an error or login page that was saved in place of the certificate"),
    SIGNATURE("Return-Path:", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("Received:", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("Delivered-To:", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("MIME-Version:", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("Message-ID:", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("From:", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("From ", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("Subject:", "the file is a mail message; save its attachment and give that"),
    SIGNATURE("MII", "the file is base64 without its BEGIN and END lines; add '-----BEGIN CERTIFICATE-----' before and '-----END CERTIFICATE-----' behind it"),
#undef SIGNATURE
    /* clang-format on */
};

/* What the containers of several programs hold tells them apart; OLE2's names are in UTF-16. */
static const struct container {
    const char *bytes;
    const char *inside;
    size_t len;
    const char *is;
} containers[] = {
/* clang-format off */
#define CONTAINER(bytes, inside, is) {bytes, inside, sizeof(inside) - 1, is}
    CONTAINER("PK\x03\x04", "word/", "the file is a Word document (.docx); the certificate itself is wanted, saved as plain text"),
    CONTAINER("PK\x03\x04", "xl/", "the file is an Excel workbook (.xlsx); the certificate itself is wanted, saved as plain text"),
    CONTAINER("\xD0\xCF\x11\xE0", "_\0_\0s\0u\0b\0s\0t\0g\0", "the file is an Outlook message (.msg); open it and save the attached certificate, or save the message as .eml, and give that"),
    CONTAINER("\xD0\xCF\x11\xE0", "W\0o\0r\0d\0D\0o\0c\0", "the file is an old Word document (.doc); the certificate itself is wanted, saved as plain text"),
#undef CONTAINER
    /* clang-format on */
};

enum ecert_status ecert_decode_foreign(struct ecert_view file, struct ecert_error *err)
{
    const struct ecert_view text = trimmed(file);

    if (file.len == 0)
        return ecert_error_set(err, ECERT_E_CRYPTO, "the file is empty");
    if (text.len == 0)
        return ecert_error_set(err, ECERT_E_CRYPTO, "the file holds nothing but blanks");
    for (size_t i = 0; i < ARRAY_SIZE(containers); i++)
        if (starts_with(text, containers[i].bytes, 4) &&
            memmem(text.ptr, text.len, containers[i].inside, containers[i].len) != NULL)
            return ecert_error_set(err, ECERT_E_CRYPTO, "%s", containers[i].is);
    for (size_t i = 0; i < ARRAY_SIZE(signatures); i++)
        if (starts_with(text, signatures[i].bytes, signatures[i].len))
            return ecert_error_set(err, ECERT_E_CRYPTO, "%s", signatures[i].is);
    /* a page may begin with a comment or an XML declaration */
    if (memmem(text.ptr, text.len < 1024 ? text.len : 1024, "<html", 5) != NULL)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "the file is an HTML page; the certificate itself is wanted");
    /* not a byte of it is shown: it may be a file with a passphrase or a PIN, given by mistake */
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "the file is in no form that is known (PEM, DER, PKCS#7, PKCS#12)");
}
