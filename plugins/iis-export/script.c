#include "plugins/iis-export/script.h"

#include "plugins/iis-export/script_body.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define NEW_LINE_START "$NewThumbprint = '"
#define OLD_LINE_START "$OldThumbprints = @("

/* ---- quoting ------------------------------------------------------------------------------- */

/* One code point of UTF-8 and its length; 0 if there is none (overlong, surrogate, cut off). */
static size_t decode(const unsigned char *at, uint32_t *ret)
{
    static const struct {
        unsigned char mask, lead;
        size_t len;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 1, 0},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};

    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        uint32_t code = at[0] & (unsigned char)~forms[f].mask;

        if ((at[0] & forms[f].mask) != forms[f].lead)
            continue;
        for (size_t i = 1; i < forms[f].len; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (at[i] & 0x3f);
        }
        if (code < forms[f].least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return 0;
        *ret = code;
        return forms[f].len;
    }
    return 0;
}

static void put_char(FILE *out, unsigned unit)
{
    fprintf(out, "' + [char]0x%04X + '", unit);
}

/* [char] is one UTF-16 unit. */
static void put_code_point(FILE *out, uint32_t code)
{
    if (code == '\'')
        fputs("''", out);
    else if (code >= 0x20 && code <= 0x7e)
        fputc((int)code, out);
    else if (code < 0x10000)
        put_char(out, code);
    else {
        put_char(out, 0xd800 + ((code - 0x10000) >> 10));
        put_char(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
}

bool ecert_iis_script_quote(FILE *out, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;

    fputs("('", out);
    while (*at != '\0') {
        uint32_t code = 0;
        const size_t len = decode(at, &code);

        if (len == 0)
            return false;
        put_code_point(out, code);
        at += len;
    }
    fputs("')", out);
    return true;
}

/* ---- old certificates ------------------------------------------------------------------------ */

/* 40 hexadecimal digits, made upper case; false: they are not. */
static bool read_thumbprint(const char *at, size_t left, char *ret)
{
    if (left < ECERT_IIS_THUMBPRINT_LEN)
        return false;
    for (size_t i = 0; i < ECERT_IIS_THUMBPRINT_LEN; i++) {
        if (!isxdigit((unsigned char)at[i]))
            return false;
        ret[i] = (char)toupper((unsigned char)at[i]);
    }
    ret[ECERT_IIS_THUMBPRINT_LEN] = '\0';
    return true;
}

/* Remember it once; when there is no room the oldest goes. */
static void remember(struct ecert_iis_old *old, const char *thumbprint, const char *current)
{
    if (strcmp(thumbprint, current) == 0)
        return;
    for (size_t i = 0; i < old->count; i++)
        if (strcmp(old->thumbprints[i], thumbprint) == 0)
            return;
    if (old->count == ECERT_IIS_OLD_MAX) {
        memmove(old->thumbprints[0], old->thumbprints[1],
                sizeof old->thumbprints - sizeof old->thumbprints[0]);
        old->count--;
    }
    memcpy(old->thumbprints[old->count++], thumbprint, ECERT_IIS_THUMBPRINT_LEN + 1);
}

/* Every thumbprint of the line that starts so. */
static void remember_line(struct ecert_view script, const char *start, const char *current,
                          struct ecert_iis_old *old)
{
    const char *line = memmem(script.ptr, script.len, start, strlen(start));
    const char *end = (const char *)script.ptr + script.len;
    char thumbprint[ECERT_IIS_THUMBPRINT_LEN + 1];

    for (const char *at = line; at != NULL && at < end && *at != '\n'; at++) {
        if (*at != '\'' || !read_thumbprint(at + 1, (size_t)(end - at - 1), thumbprint))
            continue;
        remember(old, thumbprint, current);
        at += ECERT_IIS_THUMBPRINT_LEN;
    }
}

void ecert_iis_script_old(struct ecert_view present, const char *replaced, const char *current,
                          struct ecert_iis_old *ret)
{
    struct ecert_iis_old old = {0};
    char thumbprint[ECERT_IIS_THUMBPRINT_LEN + 1];

    if (present.ptr != NULL) {
        remember_line(present, OLD_LINE_START, current, &old);
        remember_line(present, NEW_LINE_START, current, &old);
    }
    if (replaced != NULL && read_thumbprint(replaced, strlen(replaced), thumbprint))
        remember(&old, thumbprint, current);
    *ret = old;
}

/* ---- the script ------------------------------------------------------------------------------ */

static bool put_assignment(FILE *out, const char *variable, const char *value)
{
    fprintf(out, "$%s = ", variable);
    if (!ecert_iis_script_quote(out, value))
        return false;
    fputs("\r\n", out);
    return true;
}

static void put_old(FILE *out, const struct ecert_iis_old *old)
{
    fputs(OLD_LINE_START, out);
    for (size_t i = 0; i < old->count; i++)
        fprintf(out, "%s'%s'", i == 0 ? "" : ", ", old->thumbprints[i]);
    fputs(")\r\n", out);
}

/* One certificate as Base64 in lines of 76 characters, inside @( ... -join ''). */
static bool put_certificate(FILE *out, X509 *certificate, bool last)
{
    unsigned char *der = NULL;
    unsigned char line[80];
    const int len = i2d_X509(certificate, &der);

    if (len <= 0)
        return false;
    fputs("    (@(\r\n", out);
    for (int at = 0; at < len; at += 57) {
        const int n = len - at < 57 ? len - at : 57;

        (void)EVP_EncodeBlock(line, der + at, n);
        fprintf(out, "        '%s'%s\r\n", (const char *)line, at + n < len ? "," : "");
    }
    fprintf(out, "    ) -join '')%s\r\n", last ? "" : ",");
    OPENSSL_free(der);
    return true;
}

static bool put_intermediates(FILE *out, const STACK_OF(X509) *chain)
{
    const int n = sk_X509_num(chain);

    fputs("$Intermediates = @(\r\n", out);
    for (int i = 0; i < n; i++)
        if (!put_certificate(out, sk_X509_value(chain, i), i + 1 == n))
            return false;
    fputs(")\r\n", out);
    return true;
}

static void put_lines(FILE *out, const char *const *lines)
{
    for (; *lines != NULL; lines++)
        fprintf(out, "%s\r\n", *lines);
}

static bool put_names(FILE *out, const char *const *names)
{
    fputs("$Names = @(", out);
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        fputs(i == 0 ? "" : ", ", out);
        if (!ecert_iis_script_quote(out, names[i]))
            return false;
    }
    fputs(")\r\n", out);
    return true;
}

/* The values, each as a literal: nothing of the configuration stands anywhere else. */
static bool put_values(FILE *out, const struct ecert_iis_export *export)
{
    bool good = put_assignment(out, "ContainerFile", export->container) &&
                put_assignment(out, "ContainerSha256", export->sha256) &&
                put_assignment(out, "FriendlyName", export->friendly_name) &&
                put_assignment(out, "DefaultPasswordFile", export->password_name);

    fprintf(out, "$HasKey = $%s\r\n", export->has_key ? "true" : "false");
    fprintf(out, NEW_LINE_START "%s'\r\n", export->thumbprint);
    put_old(out, export->old);
    good = good && put_names(out, export->dns_names) &&
           put_assignment(out, "SiteName", export->site) &&
           put_assignment(out, "HostHeader", export->host_header);
    fprintf(out, "$Port = %u\r\n", export->port);
    return good;
}

static enum ecert_status write_script(const struct ecert_host *host,
                                      const struct ecert_iis_export *export, FILE *out,
                                      struct ecert_error *err)
{
    put_lines(out, ecert_iis_script_head);
    if (!put_values(out, export))
        return host->fail(err, ECERT_E_CONFIG,
                          "a name for the PowerShell script is not UTF-8; "
                          "look at the settings 'site' and 'host_header'");
    if (!put_intermediates(out, export->intermediates))
        return host->fail(err, ECERT_E_CRYPTO, "a certificate of the chain cannot be encoded");
    put_lines(out, ecert_iis_script_functions);
    put_lines(out, ecert_iis_script_main);
    return ECERT_OK;
}

enum ecert_status ecert_iis_script(const struct ecert_host *host,
                                   const struct ecert_iis_export *export,
                                   struct ecert_iis_text *ret, struct ecert_error *err)
{
    struct ecert_iis_text text = {0};
    FILE *out = open_memstream(&text.ptr, &text.len);
    enum ecert_status status = ECERT_OK;

    if (out == NULL)
        return host->fail(err, ECERT_E_NOMEM, "out of memory");
    status = write_script(host, export, out, err);

    const bool failed = ferror(out) != 0;
    if ((fclose(out) != 0 || failed) && status == ECERT_OK)
        status = host->fail(err, ECERT_E_NOMEM, "out of memory");
    if (status != ECERT_OK) {
        ecert_iis_text_clear(&text);
        return status;
    }
    *ret = text;
    return ECERT_OK;
}
