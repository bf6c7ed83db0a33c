#include "core/issue/new_key.h"

void ecert_auto_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}
