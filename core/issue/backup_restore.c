/* A request comes back from its backup. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/certificate.h"
#include "core/flow/key.h"
#include "core/flow/requests_json.h"
#include "core/flow/store.h"
#include "core/issue/backup_parts.h"

#define MOST_KEPT 100
#define JSON_MAX  ((size_t)8 << 20)

/* One restoring; the files as they shall lie on disk. */
struct restoring {
    const struct ecert_config *config;
    const struct ecert_certificate_config *certificate;
    const struct ecert_backup_content *content;
    struct ecert_secret key;
    struct ecert_bytes json;
    char *folder;
};

static void restoring_clear(struct restoring *restoring)
{
    ecert_secret_clear(&restoring->key);
    ecert_bytes_clear(&restoring->json);
    free(restoring->folder);
}

/*
 * What has this name goes to NAME.kept-N, readable by us alone: it may be the only copy of a key
 * that somebody still needs.
 */
static enum ecert_status set_aside(const char *path, struct ecert_error *err)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? ECERT_OK : ecert_error_errno(err, ECERT_E_IO, "stat '%s'", path);
    for (unsigned i = 1; i < MOST_KEPT; i++) {
        ECERT_AUTO(ecert_auto_free) char *kept = NULL;

        ECERT_TRY(ecert_text_format(&kept, err, "%s.kept-%u", path, i));
        if (renameat2(AT_FDCWD, path, AT_FDCWD, kept, RENAME_NOREPLACE) == 0) {
            if (S_ISREG(st.st_mode) && chmod(kept, 0600) != 0)
                return ecert_error_errno(err, ECERT_E_IO, "chmod '%s'", kept);
            return ECERT_OK;
        }
        if (errno != EEXIST)
            return ecert_error_errno(err, ECERT_E_IO, "rename '%s' to '%s'", path, kept);
    }
    return ecert_error_set(err, ECERT_E_REFUSED, "'%s' was set aside %d times already", path,
                           MOST_KEPT - 1);
}

/* The new one is on disk before the present one gives up its name: a full disk changes nothing. */
enum ecert_status ecert_backup_put_back(const char *folder, const char *name,
                                        struct ecert_view bytes, bool *restored,
                                        struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_close) int fd = -1;
    char tmp[ECERT_FS_TEMPORARY_MAX];
    bool durable = false;

    ECERT_TRY(ecert_text_format(&path, err, "%s/%s", folder, name));
    ECERT_TRY(ecert_fs_temporary_name(name, tmp, err));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", folder);
    if (ecert_fs_stage(fd, tmp, bytes, &owner, -1, err) != ECERT_OK)
        return ecert_error_wrap(err, "put '%s' back", path);
    if (set_aside(path, err) != ECERT_OK ||
        ecert_fs_publish(fd, tmp, name, &durable, err) != ECERT_OK) {
        (void)unlinkat(fd, tmp, 0);
        return ecert_error_wrap(err, "put '%s' back", path);
    }
    if (!durable)
        return ecert_error_errno(err, ECERT_E_IO,
                                 "'%s' is in place, but its directory could not be synced", path);
    *restored = true;
    return ECERT_OK;
}

/* Is what is there good as it is?  An error is one that says nothing about it. */
static enum ecert_status key_is_there(const struct restoring *restoring, bool *ret,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret key = {0};
    struct ecert_error why = {0};
    const enum ecert_status status =
        ecert_requests_key(restoring->config->state_dir, &restoring->content->request,
                           &restoring->certificate->key, &key, &why);

    *ret = status == ECERT_OK;
    if (status == ECERT_OK || status == ECERT_E_NOT_FOUND || status == ECERT_E_REFUSED ||
        status == ECERT_E_CRYPTO || status == ECERT_E_CHANGED)
        return ECERT_OK;
    *err = why;
    return status;
}

static bool csr_is_there(const struct restoring *restoring)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes csr = {0};
    struct ecert_error ignored = {0};

    return ecert_requests_csr(restoring->config->state_dir, &restoring->content->request, &csr,
                              &ignored) == ECERT_OK &&
           ecert_view_equal(ecert_bytes_view(&csr), ecert_bytes_view(&restoring->content->csr_pem));
}

/* The one that is there is newer than the backup's, unless it is damaged or of another key. */
static bool json_is_there(const struct restoring *restoring)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error ignored = {0};
    const struct ecert_request *wanted = &restoring->content->request;

    return ecert_text_format(&path, &ignored, "%s/request.json", restoring->folder) == ECERT_OK &&
           ecert_fs_read(path, JSON_MAX, &text, &ignored) == ECERT_OK &&
           ecert_request_from_json(ecert_bytes_view(&text), path, &request, &ignored) == ECERT_OK &&
           strcmp(request.id, wanted->id) == 0 && strcmp(request.name, wanted->name) == 0 &&
           memcmp(request.key_id, wanted->key_id, sizeof request.key_id) == 0;
}

static enum ecert_status repair(const struct restoring *restoring, bool *restored,
                                struct ecert_error *err)
{
    bool there = false;

    ECERT_TRY(key_is_there(restoring, &there, err));
    if (!there)
        ECERT_TRY(ecert_backup_put_back(restoring->folder, "privkey.pem",
                                        ecert_secret_view(&restoring->key), restored, err));
    if (!csr_is_there(restoring))
        ECERT_TRY(ecert_backup_put_back(restoring->folder, "request.csr",
                                        ecert_bytes_view(&restoring->content->csr_pem), restored,
                                        err));
    if (!json_is_there(restoring))
        ECERT_TRY(ecert_backup_put_back(restoring->folder, "request.json",
                                        ecert_bytes_view(&restoring->json), restored, err));
    return ecert_fs_sync_directory(restoring->folder, err);
}

/* ---- what became of it since the backup was made ---- */

struct answer {
    unsigned generation; /* 0: none */
    int64_t imported;
};

/*
 * The newest generation with its key.  A key that is used again has generations of the requests
 * before, too: those that are older than this request are not its answer.
 */
static enum ecert_status find_answer(const struct ecert_config *config,
                                     const struct ecert_request *request, struct answer *ret,
                                     struct ecert_error *err)
{
    unsigned newest = 0;

    ECERT_TRY(ecert_store_newest(config->state_dir, request->name, &newest, err));
    for (unsigned i = newest; i > 0; i--) {
        ECERT_AUTO(ecert_bundle_clear) struct ecert_bundle bundle = {0};
        ECERT_AUTO(ecert_generation_facts_clear) struct ecert_generation_facts facts = {0};
        uint8_t key_id[ECERT_SHA256_LEN];
        struct ecert_error ignored = {0}; /* one that is damaged is no answer */

        if (ecert_store_load(config->state_dir, request->name, i, &bundle, &ignored) != ECERT_OK ||
            ecert_certificate_key_id(bundle.leaf, key_id, &ignored) != ECERT_OK ||
            ecert_store_facts(config->state_dir, request->name, i, &facts, &ignored) != ECERT_OK ||
            memcmp(key_id, request->key_id, sizeof key_id) != 0 ||
            (request->reused && facts.imported < request->created))
            continue;
        *ret = (struct answer){i, facts.imported};
        return ECERT_OK;
    }
    return ECERT_OK;
}

/*
 * A backup is made before the CSR is shown, and not again: what it says of the state is old.  The
 * CSR was shown, or may have been: it is never given up in silence as one that nobody has.
 */
static enum ecert_status bring_up_to_date(const struct ecert_config *config,
                                          struct ecert_request *request, struct ecert_error *err)
{
    struct answer answer = {0};

    ECERT_TRY(find_answer(config, request, &answer, err));
    request->generation = answer.generation;
    if (request->shown == 0)
        request->shown = request->created;
    if (answer.generation != 0) {
        request->state = ECERT_REQUEST_ISSUED;
        if (request->closed == 0)
            request->closed = answer.imported;
    } else if (request->state == ECERT_REQUEST_MADE) {
        request->state = ECERT_REQUEST_OPEN;
    }
    return ECERT_OK;
}

enum ecert_status ecert_backup_no_certificate(const char *name, struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_NOT_FOUND,
                           "the backup is of '%s', and no certificate of the configuration has "
                           "this name; write an entry with name = \"%s\" and restore again",
                           name, name);
}

enum ecert_status ecert_backup_restore(const struct ecert_config *config,
                                       const struct ecert_backup_content *content,
                                       bool *ret_restored, struct ecert_error *err)
{
    ECERT_AUTO(restoring_clear)
    struct restoring restoring = {.config = config,
                                  .certificate =
                                      ecert_config_certificate(config, content->request.name),
                                  .content = content};
    struct ecert_request request = content->request; /* borrowed: it has its id already */
    char sub[64];

    if (restoring.certificate == NULL)
        return ecert_backup_no_certificate(content->request.name, err);
    ECERT_TRY(ecert_key_for_disk(&restoring.certificate->key, ecert_secret_view(&content->key_pem),
                                 &restoring.key, err));
    ECERT_TRY(bring_up_to_date(config, &request, err));
    ECERT_TRY(ecert_request_to_json(&request, &restoring.json, err));
    (void)snprintf(sub, sizeof sub, "requests/%.40s", request.id);
    ECERT_TRY(ecert_store_path(config->state_dir, request.name, sub, &restoring.folder, err));
    bool restored = false;
    if (ecert_fs_exists(restoring.folder)) {
        ECERT_TRY(repair(&restoring, &restored, err));
    } else {
        ECERT_TRY(ecert_requests_add(config->state_dir, &request, ecert_secret_view(&restoring.key),
                                     ecert_bytes_view(&content->csr_pem), err));
        restored = true;
    }
    *ret_restored = restored;
    return ECERT_OK;
}
