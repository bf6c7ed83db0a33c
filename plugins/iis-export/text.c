#include "plugins/iis-export/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

void ecert_iis_text_clear(struct ecert_iis_text *text)
{
    free(text->ptr);
    *text = (struct ecert_iis_text){0};
}

/* ---- names --------------------------------------------------------------------------------- */

static bool is_file_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

enum ecert_status ecert_iis_stem(const struct ecert_host *host, const char *certificate, char **ret,
                                 struct ecert_error *err)
{
    const bool wildcard = strncmp(certificate, "*.", 2) == 0;
    const char *rest = wildcard ? certificate + 1 : certificate;
    char *stem = NULL;

    /* a leading "." would hide the file, a leading "-" look like an option */
    if (*rest == '\0' || (!wildcard && (*rest == '.' || *rest == '-')) ||
        (wildcard && rest[1] == '\0'))
        return host->fail(err, ECERT_E_CONFIG,
                          "the certificate's name '%s' cannot be part of a file name", certificate);
    for (const char *c = rest; *c != '\0'; c++)
        if (!is_file_name_character(*c))
            return host->fail(err, ECERT_E_CONFIG,
                              "the certificate's name '%s' cannot be part of a file name; "
                              "write it with letters, digits, '.', '-' and '_' (a Chinese domain "
                              "name in its xn-- form)",
                              certificate);
    if (asprintf(&stem, "%s%s", wildcard ? "_wildcard" : "", rest) < 0)
        return host->fail(err, ECERT_E_NOMEM, "out of memory");
    *ret = stem;
    return ECERT_OK;
}

/* ---- the operator's text ------------------------------------------------------------------- */

static const char *const steps_with_key[] = {
    "1. Copy these three files into one new folder of the Windows server, over a safe",
    "   way. Whoever has the first two has your private key: never mail them together.",
};

static const char *const steps_without_key[] = {
    "1. Copy these two files into one new folder of the Windows server on which the",
    "   request was made in IIS: the private key is there and nowhere else.",
};

static const char *const by_hand_without_key[] = {
    "   By hand instead: IIS Manager, the server's node, Server Certificates,",
    "   \"Complete Certificate Request\", and choose the .p7b file. Then bind it.",
};

static const char *const after_with_key[] = {
    "   Then delete the folder of step 1: the script no longer needs it.",
};

static const char *const after_both[] = {
    "   The old certificate is still in the store, bound nowhere any more. It may be",
    "   removed with certlm.msc once you are content. The script removes nothing.",
};

#define LINES(array) array, sizeof(array) / sizeof *(array)

static void put_lines(FILE *out, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s\r\n", lines[i]);
}

/* A value in the middle of a line: whatever could end the line or steer a terminal is masked. */
static void put_value(FILE *out, const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, out);
}

static void put_files(FILE *out, const struct ecert_iis_export *export)
{
    fprintf(out, "The files\r\n---------\r\n");
    if (export->has_key) {
        fprintf(out, "%s\r\n    certificate, private key and chain (PKCS#12), for %s\r\n",
                export->container, export->profile_readers);
        fprintf(out, "%s\r\n    the password of that file, on its first line\r\n",
                export->password_name);
    } else {
        fprintf(out, "%s\r\n    certificate and chain, without a private key (PKCS#7)\r\n",
                export->container);
    }
    fprintf(out, "Install-%s.ps1\r\n    PowerShell: imports, binds, checks\r\n", export->stem);
    fprintf(out,
            "%s-SHA256SUMS\r\n    to compare the files after copying (the password is not in it)"
            "\r\n\r\n",
            export->stem);
}

static void put_binding(FILE *out, const struct ecert_iis_export *export)
{
    if (*export->site == '\0') {
        fprintf(out, "   It puts the new certificate wherever an older one of this name is bound. "
                     "No site\r\n   is named in the configuration (setting 'site'), so it adds no "
                     "binding.\r\n");
        return;
    }
    fprintf(out, "   It puts the new certificate wherever an older one of this name is bound, and"
                 "\r\n   binds it to the site '");
    put_value(out, export->site);
    fprintf(out, "', port %u", export->port);
    if (*export->host_header != '\0') {
        fprintf(out, ", host name '");
        put_value(out, export->host_header);
        fprintf(out, "'");
    }
    fprintf(out, ".\r\n");
}

static void put_steps(FILE *out, const struct ecert_iis_export *export)
{
    fprintf(out, "The three steps\r\n---------------\r\n");
    if (export->has_key)
        put_lines(out, LINES(steps_with_key));
    else
        put_lines(out, LINES(steps_without_key));
    fprintf(out, "   Compare: Get-FileHash %s\r\n   must give %s\r\n\r\n", export->container,
            export->sha256);

    fprintf(out,
            "2. In a PowerShell opened with \"Run as administrator\", in that folder:\r\n"
            "   powershell -ExecutionPolicy Bypass -File .\\Install-%s.ps1\r\n",
            export->stem);
    put_binding(out, export);
    if (!export->has_key)
        put_lines(out, LINES(by_hand_without_key));

    fprintf(out,
            "\r\n3. Open the site in a browser and look at its certificate: it must end on"
            "\r\n   %s and have the thumbprint\r\n   %s.\r\n",
            export->end_date, export->thumbprint);
    if (export->has_key)
        put_lines(out, LINES(after_with_key));
    put_lines(out, LINES(after_both));
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > 0x7e)
            return false;
    return true;
}

enum ecert_status ecert_iis_readme(const struct ecert_host *host,
                                   const struct ecert_iis_export *export,
                                   struct ecert_iis_text *ret, struct ecert_error *err)
{
    struct ecert_iis_text text = {0};
    FILE *out = open_memstream(&text.ptr, &text.len);

    if (out == NULL)
        return host->fail(err, ECERT_E_NOMEM, "out of memory");
    /* without the mark, Notepad of old Windows versions takes UTF-8 for the local code page */
    if (!is_ascii(export->site) || !is_ascii(export->host_header))
        fprintf(out, "\xEF\xBB\xBF");
    fprintf(out, "The certificate '%s' for IIS\r\n\r\nIts name in IIS Manager: %s\r\n\r\n",
            export->certificate, export->friendly_name);
    put_files(out, export);
    put_steps(out, export);

    const bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        ecert_iis_text_clear(&text);
        return host->fail(err, ECERT_E_NOMEM, "out of memory");
    }
    *ret = text;
    return ECERT_OK;
}

/* ---- sums --------------------------------------------------------------------------------------
 */

enum ecert_status ecert_iis_sha256(const struct ecert_host *host, struct ecert_view content,
                                   char *ret, struct ecert_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (EVP_Digest(content.ptr, content.len, digest, &len, EVP_sha256(), NULL) != 1)
        return host->fail(err, ECERT_E_CRYPTO, "SHA-256 is not available");
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(ret + 2 * (size_t)i, 3, "%02x", digest[i]);
    return ECERT_OK;
}

enum ecert_status ecert_iis_sums(const struct ecert_host *host,
                                 const struct ecert_iis_summed *files, size_t n_files,
                                 struct ecert_iis_text *ret, struct ecert_error *err)
{
    struct ecert_iis_text text = {0};
    enum ecert_status status = ECERT_OK;
    FILE *out = open_memstream(&text.ptr, &text.len);
    char hash[65];

    if (out == NULL)
        return host->fail(err, ECERT_E_NOMEM, "out of memory");
    for (size_t i = 0; status == ECERT_OK && i < n_files; i++) {
        status = ecert_iis_sha256(host, files[i].content, hash, err);
        if (status == ECERT_OK)
            fprintf(out, "%s  %s\n", hash, files[i].name);
    }
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
