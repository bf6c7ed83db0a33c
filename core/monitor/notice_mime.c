#include "core/monitor/notice_mime.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_LEN 76 /* RFC 2045, 6.7 and 6.8; RFC 2047, 2 */

/* ---- headers ---- */

/* Printable ASCII that fits the rest of the line and does not look like an encoded word. */
static bool is_plain(struct ecert_view text, size_t room)
{
    if (text.len > room)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7E)
            return false;
    return text.len == 0 || (memmem(text.ptr, text.len, "=?", 2) == NULL && text.ptr[0] != ' ' &&
                             text.ptr[text.len - 1] != ' ');
}

/* The longest part of at most `max` bytes that does not end within a character. */
static size_t whole_characters(struct ecert_view text, size_t max)
{
    size_t len = text.len < max ? text.len : max;

    while (len > 0 && len < text.len && (text.ptr[len] & 0xC0) == 0x80)
        len--;
    return len;
}

static void add_base64_line(struct ecert_buffer *out, struct ecert_view bytes)
{
    unsigned char line[LINE_MAX_LEN + 4]; /* 57 bytes give 76 characters */

    const int n = EVP_EncodeBlock(line, bytes.ptr, (int)bytes.len);
    ecert_buffer_add(out, (struct ecert_view){line, (size_t)n});
}

/* Encoded words; `used`: characters that the line has already. */
static void add_encoded(struct ecert_buffer *out, struct ecert_view text, size_t used)
{
    static const char open[] = "=?UTF-8?B?", close[] = "?=";
    const size_t frame = sizeof open - 1 + sizeof close - 1;

    while (text.len > 0) {
        const size_t max = (LINE_MAX_LEN - used - frame) / 4 * 3;
        const size_t len = whole_characters(text, max);

        ecert_buffer_add_text(out, open);
        add_base64_line(out, (struct ecert_view){text.ptr, len});
        ecert_buffer_add_text(out, close);
        text = (struct ecert_view){text.ptr + len, text.len - len};
        if (text.len > 0)
            ecert_buffer_add_text(out, "\r\n ");
        used = 1;
    }
}

void ecert_mime_text(struct ecert_buffer *out, const char *header, const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    const size_t used = strlen(header) + 2;

    ecert_buffer_add_escaped(&escaped, ecert_view_of(text), false);
    ecert_buffer_printf(out, "%s: ", header);
    if (is_plain(ecert_buffer_view(&escaped), LINE_MAX_LEN - used))
        ecert_buffer_add(out, ecert_buffer_view(&escaped));
    else
        add_encoded(out, ecert_buffer_view(&escaped), used);
    ecert_buffer_add_text(out, "\r\n");
    out->failed = out->failed || escaped.failed;
}

/* As core/flow/config_check.c has it, without its sentences. */
static bool is_address(const char *address)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "!#$%&'*+-/=?^_`{|}~.@";
    const char *at = strchr(address, '@');

    return at != NULL && at != address && at[1] != '\0' && strchr(at + 1, '@') == NULL &&
           strlen(address) <= 254 && address[strspn(address, plain)] == '\0';
}

/* A quoted string, RFC 5322, 3.2.4. */
static void add_quoted(struct ecert_buffer *out, struct ecert_view text)
{
    ecert_buffer_add_text(out, "\"");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            ecert_buffer_add_text(out, "\\");
        ecert_buffer_add(out, (struct ecert_view){text.ptr + i, 1});
    }
    ecert_buffer_add_text(out, "\"");
}

enum ecert_status ecert_mime_mailbox(struct ecert_buffer *out, const char *header, const char *name,
                                     const char *address, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer escaped = {0};
    const size_t used = strlen(header) + 2;

    if (!is_address(address))
        return ecert_error_set(err, ECERT_E_CONFIG, "'%s' is no mail address: write \"user@host\"",
                               address);
    ecert_buffer_add_escaped(&escaped, ecert_view_of(name), false);
    const struct ecert_view words = ecert_buffer_view(&escaped);
    ecert_buffer_printf(out, "%s: ", header);
    if (words.len == 0) {
        ecert_buffer_printf(out, "%s\r\n", address);
        return ECERT_OK;
    }
    if (is_plain(words, (LINE_MAX_LEN - used) / 2 - 2)) /* each character may need a backslash */
        add_quoted(out, words);
    else
        add_encoded(out, words, used);
    ecert_buffer_printf(out, "\r\n <%s>\r\n", address);
    out->failed = out->failed || escaped.failed;
    return ECERT_OK;
}

enum ecert_status ecert_mime_sender(struct ecert_buffer *out, const char *header,
                                    const char *sender, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *name = NULL;
    ECERT_AUTO(ecert_auto_free) char *address = NULL;
    const char *open = strrchr(sender, '<');
    const size_t len = strlen(sender);

    if (open == NULL)
        return ecert_mime_mailbox(out, header, NULL, sender, err);
    if (sender[len - 1] != '>')
        return ecert_error_set(err, ECERT_E_CONFIG,
                               "'%s' is no sender: write \"user@host\" or \"Name <user@host>\"",
                               sender);
    size_t name_len = (size_t)(open - sender);
    while (name_len > 0 && sender[name_len - 1] == ' ')
        name_len--;
    const size_t quote = name_len > 1 && sender[0] == '"' && sender[name_len - 1] == '"' ? 1 : 0;
    ECERT_TRY(ecert_text_copy(
        (struct ecert_view){(const uint8_t *)sender + quote, name_len - 2 * quote}, &name, err));
    ECERT_TRY(ecert_text_copy(
        (struct ecert_view){(const uint8_t *)open + 1, len - (size_t)(open - sender) - 2}, &address,
        err));
    return ecert_mime_mailbox(out, header, name, address, err);
}

void ecert_mime_date(struct ecert_buffer *out, int64_t seconds)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t at = (time_t)seconds;
    struct tm tm = {0};

    if (gmtime_r(&at, &tm) == NULL)
        tm = (struct tm){.tm_year = 70, .tm_mday = 1, .tm_wday = 4};
    ecert_buffer_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday],
                        tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                        tm.tm_sec);
}

/* ---- bodies ---- */

/* Is what stands at `i` written as it is?  A blank only where no line end follows. */
static bool stays(struct ecert_view text, size_t i)
{
    const uint8_t c = text.ptr[i];

    if (c == ' ' || c == '\t')
        return i + 1 < text.len && text.ptr[i + 1] != '\n';
    return c > 0x20 && c < 0x7F && c != '=';
}

void ecert_mime_quoted_printable(struct ecert_buffer *out, struct ecert_view text)
{
    size_t column = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            ecert_buffer_add_text(out, "\r\n");
            column = 0;
            continue;
        }
        const bool plain = stays(text, i);
        if (column + (plain ? 1 : 3) >= LINE_MAX_LEN) {
            ecert_buffer_add_text(out, "=\r\n");
            column = 0;
        }
        if (plain)
            ecert_buffer_add(out, (struct ecert_view){text.ptr + i, 1});
        else
            ecert_buffer_printf(out, "=%02X", text.ptr[i]);
        column += plain ? 1 : 3;
    }
    if (column > 0)
        ecert_buffer_add_text(out, "\r\n");
}

void ecert_mime_base64(struct ecert_buffer *out, struct ecert_view bytes)
{
    for (size_t i = 0; i < bytes.len; i += 57) {
        const size_t left = bytes.len - i;

        add_base64_line(out, (struct ecert_view){bytes.ptr + i, left < 57 ? left : 57});
        ecert_buffer_add_text(out, "\r\n");
    }
}
