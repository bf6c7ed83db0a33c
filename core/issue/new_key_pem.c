/* New keys as PEM: as every key of ours (core/flow/key.h). */

#include "core/flow/key.h"
#include "core/issue/new_key.h"

enum ecert_status ecert_new_key_pem(EVP_PKEY *key, struct ecert_view passphrase,
                                    struct ecert_secret *ret, struct ecert_error *err)
{
    return ecert_key_pem(key, passphrase, ret, err);
}
