#include "plugins/iis-export/password.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

/* Without 0 O o, 1 I l, 2 Z, 5 S, 8 B: a person may have to read it from a screen. */
static const char alphabet[] = "ACDEFGHJKLMNPQRTUVWXYabcdefghijkmnpqrstuvwxyz34679";

void ecert_iis_password_clear(struct ecert_iis_password *password)
{
    OPENSSL_cleanse(password, sizeof *password);
}

static size_t skip_byte_order_mark(struct ecert_view file)
{
    return file.len >= 3 && memcmp(file.ptr, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

enum ecert_status ecert_iis_password_parse(const struct ecert_host *host, struct ecert_view file,
                                           const char *path, struct ecert_iis_password *ret,
                                           struct ecert_error *err)
{
    const size_t start = skip_byte_order_mark(file);
    size_t end = start;

    while (end < file.len && file.ptr[end] != '\n' && file.ptr[end] != '\r')
        end++;
    if (end == start)
        return host->fail(err, ECERT_E_REFUSED,
                          "the first line of the password file '%s' is empty; "
                          "write a password there, or remove the file to have one made",
                          path);
    if (end - start < ECERT_IIS_PASSWORD_MIN || end - start > ECERT_IIS_PASSWORD_MAX)
        return host->fail(err, ECERT_E_REFUSED,
                          "the password in '%s' has %zu characters; %u to %u are accepted", path,
                          end - start, ECERT_IIS_PASSWORD_MIN, ECERT_IIS_PASSWORD_MAX);
    for (size_t i = start; i < end; i++)
        if (file.ptr[i] < 0x20 || file.ptr[i] > 0x7e)
            return host->fail(err, ECERT_E_REFUSED,
                              "the password in '%s' contains something else than printable ASCII, "
                              "which not every reader of PKCS#12 understands",
                              path);
    ecert_iis_password_clear(ret);
    memcpy(ret->text, file.ptr + start, end - start);
    return ECERT_OK;
}

enum ecert_status ecert_iis_password_generate(const struct ecert_host *host,
                                              struct ecert_iis_password *ret,
                                              struct ecert_error *err)
{
    const unsigned letters = sizeof alphabet - 1;
    const unsigned fair = 256 - 256 % letters; /* a byte from here on would favour some letters */
    struct ecert_iis_password made = {0};
    unsigned char byte = 0;

    for (size_t n = 0; n < ECERT_IIS_PASSWORD_GENERATED;) {
        if (RAND_priv_bytes(&byte, 1) != 1) {
            ecert_iis_password_clear(&made);
            return host->fail(err, ECERT_E_CRYPTO, "no random bytes for a password");
        }
        if (byte < fair)
            made.text[n++] = alphabet[byte % letters];
    }
    *ret = made;
    ecert_iis_password_clear(&made);
    OPENSSL_cleanse(&byte, sizeof byte);
    return ECERT_OK;
}
