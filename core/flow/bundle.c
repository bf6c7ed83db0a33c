#include "core/flow/bundle.h"

#include "core/flow/certificate.h"

void ecert_bundle_clear(struct ecert_bundle *bundle)
{
    X509_free(bundle->leaf);
    sk_X509_pop_free(bundle->chain, X509_free);
    ecert_secret_clear(&bundle->key_pem);
    *bundle = (struct ecert_bundle){0};
}

static enum ecert_status two_leaves(const X509 *a, const X509 *b, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *name_a = NULL;
    ECERT_AUTO(ecert_auto_free) char *name_b = NULL;
    char serial_a[ECERT_SERIAL_HEX_LEN], serial_b[ECERT_SERIAL_HEX_LEN];

    ECERT_TRY(ecert_certificate_title(a, &name_a, err));
    ECERT_TRY(ecert_certificate_title(b, &name_b, err));
    ecert_certificate_serial(a, serial_a);
    ecert_certificate_serial(b, serial_b);
    return ecert_error_set(err, ECERT_E_CRYPTO,
                           "it holds two leaf certificates, '%s' (serial %s) and '%s' (serial %s); "
                           "put each into a file of its own",
                           name_a, serial_a, name_b, serial_b);
}

enum ecert_status ecert_bundle_find_leaf(STACK_OF(X509) *certificates, X509 **ret,
                                         struct ecert_error *err)
{
    X509 *leaf = NULL;

    for (int i = 0; i < sk_X509_num(certificates); i++) {
        X509 *certificate = sk_X509_value(certificates, i);
        if (ecert_certificate_is_ca(certificate))
            continue;
        if (leaf == NULL)
            leaf = certificate;
        else if (!ecert_certificate_equal(leaf, certificate))
            return two_leaves(leaf, certificate, err);
    }
    if (leaf == NULL && sk_X509_num(certificates) > 0)
        return ecert_error_set(err, ECERT_E_CRYPTO,
                               "it holds CA certificates only, and not the server's own");
    if (leaf == NULL)
        return ecert_error_set(err, ECERT_E_CRYPTO, "it holds no certificate");
    *ret = leaf;
    return ECERT_OK;
}

enum ecert_status ecert_bundle_pem(const struct ecert_bundle *bundle, enum ecert_material which,
                                   struct ecert_bytes *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};

    if (which != ECERT_MATERIAL_CERTIFICATE && which != ECERT_MATERIAL_CHAIN &&
        which != ECERT_MATERIAL_FULLCHAIN)
        return ecert_error_set(err, ECERT_E_REFUSED, "material %d is not made of certificates",
                               (int)which);
    if (which != ECERT_MATERIAL_CHAIN)
        ECERT_TRY(ecert_certificate_pem(bundle->leaf, &buffer, err));
    if (which != ECERT_MATERIAL_CERTIFICATE)
        for (int i = 0; i < sk_X509_num(bundle->chain); i++)
            ECERT_TRY(ecert_certificate_pem(sk_X509_value(bundle->chain, i), &buffer, err));
    return ecert_buffer_take(&buffer, ret, err);
}
