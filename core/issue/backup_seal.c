/* What is in a backup, and sealing it; several side by side, as PBKDF2 takes its time. */

#include <openssl/pem.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/flow/certificate.h"
#include "core/flow/kept_key.h"
#include "core/flow/requests_json.h"
#include "core/flow/store.h"
#include "core/issue/backup_parts.h"

/* ---- what is in a backup ---- */

static enum ecert_status add_json(struct ecert_buffer *ret, const char *block,
                                  const struct ecert_request *request, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes json = {0};
    ECERT_AUTO(ecert_auto_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    ECERT_TRY(ecert_request_to_json(request, &json, err));
    if (bio == NULL || PEM_write_bio(bio, block, "", json.ptr, (long)json.len) <= 0)
        return ecert_error_nomem(err);
    const long n = BIO_get_mem_data(bio, &text);
    ecert_buffer_add(ret, (struct ecert_view){(const uint8_t *)text, n > 0 ? (size_t)n : 0});
    return ret->failed ? ecert_error_nomem(err) : ECERT_OK;
}

/* The newest generation with this key, and its certificate, which may be a renewed one by now. */
static enum ecert_status make_key_content(const struct ecert_config *config,
                                          const struct ecert_request *entry,
                                          struct ecert_buffer *ret, struct ecert_error *err)
{
    const struct ecert_certificate_config *certificate =
        ecert_config_certificate(config, entry->name);
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
    struct ecert_request present = *entry; /* borrowed */

    if (certificate == NULL)
        return ecert_backup_no_certificate(entry->name, err);
    ECERT_TRY(ecert_kept_key_find(config->state_dir, certificate, entry->key_id, &key,
                                  &present.generation, err));
    ECERT_TRY(ecert_store_load(config->state_dir, entry->name, present.generation, &bundle, err));
    ecert_certificate_sha256(bundle.leaf, present.csr_sha256);
    ecert_buffer_add(ret, ecert_secret_view(&key));
    ECERT_TRY(ecert_certificate_pem(bundle.leaf, ret, err));
    return add_json(ret, ECERT_BACKUP_BLOCK_ECERT_KEY, &present, err);
}

static enum ecert_status make_content(const struct ecert_config *config,
                                      const struct ecert_request *request, struct ecert_buffer *ret,
                                      struct ecert_error *err)
{
    static const struct ecert_key_config no_passphrase = {0};
    const struct ecert_certificate_config *certificate =
        ecert_config_certificate(config, request->name);
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes csr = {0};

    if (ecert_backup_is_of_key(request))
        return make_key_content(config, request, ret, err);
    ECERT_TRY(ecert_requests_key(config->state_dir, request,
                                 certificate == NULL ? &no_passphrase : &certificate->key, &key,
                                 err));
    ECERT_TRY(ecert_requests_csr(config->state_dir, request, &csr, err));
    ecert_buffer_add(ret, ecert_secret_view(&key));
    ecert_buffer_add(ret, ecert_bytes_view(&csr));
    return add_json(ret, ECERT_BACKUP_BLOCK_REQUEST, request, err);
}

/* ---- sealing it ---- */

void ecert_backup_sealed_clear(struct ecert_backup_sealed *sealed)
{
    ecert_bytes_clear(&sealed->file);
}

/*
 * Whether it could be restored is asked of its text, as recipients alone cannot open it here; then
 * that the file names everybody, and, with a passphrase, that it opens to this very text.
 */
static enum ecert_status seal(const struct ecert_backup_kit *kit,
                              const struct ecert_request *request, struct ecert_view text,
                              struct ecert_backup_sealed *sealed, struct ecert_error *err)
{
    const struct ecert_view passphrase = ecert_secret_view(&kit->passphrase);

    if (ecert_backup_check_text(text, err) != ECERT_OK)
        return ecert_backup_is_of_key(request)
                   ? ecert_error_wrap(err, "%s cannot be backed up", request->id)
                   : ecert_error_wrap(
                         err,
                         "request %s is damaged and cannot be backed up (put it back with "
                         "'ecert restore', or give it up with 'ecert request --cancel')",
                         request->id);
    ECERT_TRY(ecert_backup_seal(kit->recipients, passphrase, text, &sealed->file, err));
    const struct ecert_view file = ecert_bytes_view(&sealed->file);
    ECERT_TRY(ecert_backup_names_all(file, kit->recipients, passphrase.len > 0, err));
    if (passphrase.len == 0)
        return ECERT_OK;
    ECERT_TRY(ecert_backup_opens_to(file, passphrase, text, err));
    sealed->opened = ecert_clock_now();
    return ECERT_OK;
}

/* ---- several at once ---- */

#define THREADS_MAX 64

struct sealing {
    const struct ecert_backup_kit *kit;
    struct ecert_backup_ahead *items;
    size_t n;
    atomic_size_t begun;
};

void ecert_backup_ahead_clear(struct ecert_backup_kit *kit)
{
    for (size_t i = 0; i < kit->n_ahead; i++) {
        ecert_buffer_clear(&kit->ahead[i].content);
        ecert_backup_sealed_clear(&kit->ahead[i].sealed);
    }
    free(kit->ahead);
    kit->ahead = NULL;
    kit->n_ahead = 0;
}

static bool take_ahead(const struct ecert_backup_kit *kit, const struct ecert_request *request,
                       struct ecert_backup_sealed *ret)
{
    for (size_t i = 0; i < kit->n_ahead; i++) {
        struct ecert_backup_sealed *sealed = &kit->ahead[i].sealed;

        if (kit->ahead[i].request != request || sealed->file.ptr == NULL)
            continue;
        ret->file = sealed->file;
        memcpy(ret->sha256, sealed->sha256, sizeof ret->sha256);
        ret->opened = sealed->opened;
        *sealed = (struct ecert_backup_sealed){0};
        return true;
    }
    return false;
}

static void *seal_some(void *context)
{
    struct sealing *sealing = context;
    size_t i;

    while ((i = atomic_fetch_add(&sealing->begun, 1)) < sealing->n) {
        struct ecert_backup_ahead *one = &sealing->items[i];
        struct ecert_error ignored = {0}; /* ecert_backup_write() tries again, and says why */

        if (one->content.len == 0)
            continue;
        if (seal(sealing->kit, one->request, ecert_buffer_view(&one->content), &one->sealed,
                 &ignored) != ECERT_OK)
            ecert_bytes_clear(&one->sealed.file);
        else
            ecert_sha256_hex(ecert_bytes_view(&one->sealed.file), one->sealed.sha256);
    }
    return NULL;
}

/* Signals are the caller's, as in new_keys.c.  Without threads everything is sealed in its turn. */
static void seal_on_all_processors(struct sealing *sealing)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t some = processors < 1 ? 1 : (size_t)processors;
    const size_t most = some < THREADS_MAX ? some : THREADS_MAX;
    const size_t wanted = sealing->n < most ? sealing->n : most;
    pthread_t threads[THREADS_MAX];
    sigset_t all, before;
    size_t n = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n < wanted && pthread_create(&threads[n], NULL, seal_some, sealing) == 0)
        n++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
}

void ecert_backup_seal_ahead(struct ecert_backup_kit *kit, const struct ecert_config *config,
                             const struct ecert_request *const *requests, size_t n)
{
    ecert_backup_ahead_clear(kit);
    kit->ahead = calloc(n + 1, sizeof *kit->ahead);
    if (kit->ahead == NULL) /* then each is sealed in its turn */
        return;
    kit->n_ahead = n;
    for (size_t i = 0; i < n; i++) {
        struct ecert_error ignored = {0};

        kit->ahead[i].request = requests[i];
        if (make_content(config, requests[i], &kit->ahead[i].content, &ignored) != ECERT_OK)
            ecert_buffer_clear(&kit->ahead[i].content);
    }
    struct sealing sealing = {.kit = kit, .items = kit->ahead, .n = n};
    seal_on_all_processors(&sealing);
    for (size_t i = 0; i < n; i++)
        ecert_buffer_clear(&kit->ahead[i].content);
}

/* ---- one ---- */

enum ecert_status ecert_backup_seal_once(struct ecert_backup_kit *kit,
                                         const struct ecert_config *config,
                                         const struct ecert_request *request,
                                         struct ecert_backup_sealed *sealed,
                                         struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer content = {0};

    if (sealed->file.ptr != NULL || take_ahead(kit, request, sealed))
        return ECERT_OK;
    ECERT_TRY(make_content(config, request, &content, err));
    if (seal(kit, request, ecert_buffer_view(&content), sealed, err) != ECERT_OK) {
        ecert_bytes_clear(&sealed->file);
        return ecert_error_wrap(err, "the new backup of '%s'", request->name);
    }
    ecert_sha256_hex(ecert_bytes_view(&sealed->file), sealed->sha256);
    return ECERT_OK;
}
