/* The key of a backup comes back into the generations whose certificate it belongs to. */

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/key.h"
#include "core/flow/store.h"
#include "core/issue/backup_parts.h"

#define KEY_NAME "privkey.pem"

void ecert_backup_generations_clear(struct ecert_backup_generations *generations)
{
    for (size_t i = 0; i < generations->n; i++) {
        ecert_strings_clear(&generations->items[i].live);
        free(generations->items[i].left);
    }
    free(generations->items);
    *generations = (struct ecert_backup_generations){0};
}

/* ---- what is there ---- */

/* An encrypted key whose outside is whole: that today's passphrase does not open it is no damage.
 */
static bool is_whole_encrypted(struct ecert_view pem)
{
    ECERT_AUTO(ecert_auto_bio) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509_SIG *outside = bio == NULL || !ecert_key_is_encrypted(pem)
                            ? NULL
                            : PEM_read_bio_PKCS8(bio, NULL, NULL, NULL);
    const bool whole = outside != NULL;

    X509_SIG_free(outside);
    ERR_clear_error();
    return whole;
}

/*
 * What has a generation where its key should be?  `left` is a sentence where nobody can say here
 * whether it is good: a server may be reading that very file, with a passphrase of before.
 */
static enum ecert_status look(const struct ecert_config *config,
                              const struct ecert_certificate_config *entry, unsigned number,
                              const uint8_t key_id[ECERT_SHA256_LEN], bool *ret_good, char **left,
                              struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret kept = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret opened = {0};
    uint8_t id[ECERT_SHA256_LEN];
    struct ecert_error why = {0};

    *ret_good = false;
    enum ecert_status status = ecert_store_key(config->state_dir, entry->name, number, &kept, &why);
    if (status == ECERT_E_NOT_FOUND || status == ECERT_E_REFUSED)
        return ECERT_OK; /* missing; a directory, or larger than any key */
    if (status == ECERT_OK)
        status = ecert_key_open(&entry->key, ecert_secret_view(&kept), &opened, id, &why);
    if (status == ECERT_OK) {
        *ret_good = memcmp(id, key_id, sizeof id) == 0;
        return ECERT_OK;
    }
    if (status == ECERT_E_NOMEM || status == ECERT_E_IO) {
        *err = why;
        return status;
    }
    if (!is_whole_encrypted(ecert_secret_view(&kept)))
        return ECERT_OK;
    return ecert_text_format(left, err, "%s", why.text);
}

/* ---- what follows ---- */

static enum ecert_status look_at_targets(const struct ecert_config *config,
                                         const struct ecert_certificate_config *entry,
                                         unsigned newest,
                                         struct ecert_backup_generation *generation,
                                         struct ecert_error *err)
{
    for (size_t i = 0; i < entry->n_targets; i++) {
        ECERT_AUTO(ecert_target_state_clear) struct ecert_target_state state = {0};
        struct ecert_error ignored = {0}; /* what is damaged there is told by `ecert status` */
        const char *id = entry->targets[i].id;
        unsigned live = 0;

        if (ecert_store_live(config->state_dir, entry->name, id, &live, &ignored) == ECERT_OK &&
            live == generation->number)
            ECERT_TRY(ecert_strings_add(&generation->live, id, err));
        if (ecert_store_load_target(config->state_dir, entry->name, id, &state, &ignored) ==
                ECERT_OK &&
            (state.desired != 0 ? state.desired : newest) == generation->number &&
            state.actual != generation->number)
            generation->to_deploy = true;
    }
    return ECERT_OK;
}

/* ---- all of them ---- */

/* One that has a leaf of this key.  A generation that cannot be read is told elsewhere. */
static bool is_of_key(const struct ecert_config *config, const char *name, unsigned number,
                      const uint8_t key_id[ECERT_SHA256_LEN])
{
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct ecert_error ignored = {0};
    uint8_t id[ECERT_SHA256_LEN];

    return ecert_store_load(config->state_dir, name, number, &bundle, &ignored) == ECERT_OK &&
           ecert_certificate_key_id(bundle.leaf, id, &ignored) == ECERT_OK &&
           memcmp(id, key_id, sizeof id) == 0;
}

static enum ecert_status put_key_back(const struct ecert_config *config,
                                      const struct ecert_certificate_config *entry, unsigned number,
                                      struct ecert_view pem, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    char sub[64];
    bool restored = false;

    ECERT_TRY(ecert_key_for_disk(&entry->key, pem, &key, err));
    (void)snprintf(sub, sizeof sub, "generations/%04u", number);
    ECERT_TRY(ecert_store_path(config->state_dir, entry->name, sub, &folder, err));
    return ecert_backup_put_back(folder, KEY_NAME, ecert_secret_view(&key), &restored, err);
}

static enum ecert_status add(struct ecert_backup_generations *generations,
                             const struct ecert_backup_generation *generation,
                             struct ecert_error *err)
{
    struct ecert_backup_generation *more =
        reallocarray(generations->items, generations->n + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    generations->items = more;
    more[generations->n++] = *generation;
    return ECERT_OK;
}

static enum ecert_status do_one(const struct ecert_config *config,
                                const struct ecert_certificate_config *entry, unsigned number,
                                unsigned newest, const struct ecert_backup_content *content,
                                struct ecert_backup_generations *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *left = NULL;
    bool good = false;

    ECERT_TRY(look(config, entry, number, content->key_id, &good, &left, err));
    if (good)
        return ECERT_OK;
    if (left == NULL)
        ECERT_TRY(put_key_back(config, entry, number, ecert_secret_view(&content->key_pem), err));
    ECERT_TRY(add(ret, &(struct ecert_backup_generation){.number = number, .left = left}, err));
    left = NULL;
    return look_at_targets(config, entry, newest, &ret->items[ret->n - 1], err);
}

enum ecert_status ecert_backup_restore_generations(const struct ecert_config *config,
                                                   const struct ecert_backup_content *content,
                                                   struct ecert_backup_generations *ret,
                                                   struct ecert_error *err)
{
    const struct ecert_certificate_config *entry =
        ecert_config_certificate(config, content->request.name);
    unsigned newest = 0;

    if (entry == NULL)
        return ecert_backup_no_certificate(content->request.name, err);
    ECERT_TRY(ecert_store_newest(config->state_dir, entry->name, &newest, err));
    for (unsigned number = 1; number <= newest; number++) {
        if (!is_of_key(config, entry->name, number, content->key_id))
            continue;
        ret->of_key++;
        if (do_one(config, entry, number, newest, content, ret, err) != ECERT_OK)
            return ecert_error_wrap(err, "generation %u", number);
    }
    return ECERT_OK;
}
