/* Reading the files that anchors stand in. */

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/authority_keys.h"
#include "core/flow/certificate.h"

#define ANCHORS_MAX ((size_t)4 << 20) /* bytes; the bundle of a system has some 200 KiB */

static enum ecert_status add_anchor(struct ecert_authority *authority, X509 *certificate,
                                    struct ecert_error *err)
{
    if (authority->anchors == NULL)
        authority->anchors = sk_X509_new_null();
    if (authority->anchors == NULL || sk_X509_push(authority->anchors, certificate) <= 0)
        return ecert_error_nomem(err);
    (void)X509_up_ref(certificate);
    return ECERT_OK;
}

/*
 * An anchor's file is trusted as the configuration is, so it is read in this process: a decode
 * child per root would be most of what loading a profile costs.  PEM (one or many) or DER.
 */
static enum ecert_status parse_trusted(struct ecert_view bytes, STACK_OF(X509) *ret,
                                       struct ecert_error *err)
{
    BIO *bio = BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
    X509 *certificate = NULL;
    bool failed = bio == NULL;

    while (!failed && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        failed = sk_X509_push(ret, certificate) <= 0;
    const unsigned long why = ERR_peek_last_error();
    BIO_free(bio);
    if (failed)
        return ecert_error_nomem(err);
    const bool end = ERR_GET_LIB(why) == ERR_LIB_PEM && ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
    if (!end)
        return ecert_error_openssl(err, ECERT_E_CRYPTO, "certificate %d", sk_X509_num(ret) + 1);
    ERR_clear_error();
    if (sk_X509_num(ret) > 0)
        return ECERT_OK;
    ECERT_TRY(ecert_certificate_parse(bytes, &certificate, err));
    return sk_X509_push(ret, certificate) > 0 ? ECERT_OK : ecert_error_nomem(err);
}

/* Debian's package makes the links below /etc/ssl/certs/, one per root, and the bundle. */
static enum ecert_status absent(const char *file, struct ecert_error *err)
{
    static const char packaged[] = "/etc/ssl/certs/";

    return ecert_error_set(err, ECERT_E_NOT_FOUND, "'%s' does not exist; %s", file,
                           strncmp(file, packaged, strlen(packaged)) == 0
                               ? "install the package ca-certificates, or correct the path"
                               : "correct the path");
}

enum ecert_status ecert_authority_load_anchors(struct ecert_authority *authority, const char *file,
                                               const char *pin, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes bytes = {0};
    ECERT_AUTO(ecert_auto_x509_stack) STACK_OF(X509) *certificates = sk_X509_new_null();
    char sha256[ECERT_SHA256_HEX_LEN] = "";
    bool found = false;

    if (certificates == NULL)
        return ecert_error_nomem(err);
    if (ecert_fs_check_trusted(file, err) != ECERT_OK)
        return err->status == ECERT_E_NOT_FOUND ? absent(file, err) : err->status;
    ECERT_TRY(ecert_fs_read(file, ANCHORS_MAX, &bytes, err));
    if (parse_trusted(ecert_bytes_view(&bytes), certificates, err) != ECERT_OK)
        return ecert_error_wrap(err, "'%s'", file);
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        X509 *certificate = sk_X509_value(certificates, i);

        ecert_certificate_sha256(certificate, sha256);
        if (pin != NULL && strcmp(pin, sha256) != 0)
            continue;
        if (!ecert_certificate_is_ca(certificate)) /* a bundle may hold other things too */
            continue;
        found = true;
        ECERT_TRY(add_anchor(authority, certificate, err));
    }
    if (found)
        return ECERT_OK;
    if (pin == NULL)
        return ecert_error_set(err, ECERT_E_CRYPTO, "'%s' holds no CA certificate", file);
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "'%s' does not hold a CA certificate with SHA-256 %s; the last one in "
                           "it has %s",
                           file, pin, sha256);
}
