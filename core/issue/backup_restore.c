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

static enum ecert_status put_back(const struct restoring *restoring, const char *name,
                                  struct ecert_view bytes, bool *restored, struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_text_format(&path, err, "%s/%s", restoring->folder, name));
    ECERT_TRY(set_aside(path, err));
    ECERT_TRY(ecert_fs_replace(path, bytes, &owner, err));
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
        ECERT_TRY(
            put_back(restoring, "privkey.pem", ecert_secret_view(&restoring->key), restored, err));
    if (!csr_is_there(restoring))
        ECERT_TRY(put_back(restoring, "request.csr", ecert_bytes_view(&restoring->content->csr_pem),
                           restored, err));
    if (!json_is_there(restoring))
        ECERT_TRY(
            put_back(restoring, "request.json", ecert_bytes_view(&restoring->json), restored, err));
    return ecert_fs_sync_directory(restoring->folder, err);
}

/*
 * The copy was written before the CSR was shown, and nobody can tell any more whether it was: the
 * CA may be at work.
 */
static void count_as_shown(struct ecert_request *request)
{
    if (request->state != ECERT_REQUEST_MADE)
        return;
    request->state = ECERT_REQUEST_OPEN;
    request->shown = request->created;
}

static enum ecert_status no_certificate(const char *name, struct ecert_error *err)
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
        return no_certificate(content->request.name, err);
    ECERT_TRY(ecert_key_for_disk(&restoring.certificate->key, ecert_secret_view(&content->key_pem),
                                 &restoring.key, err));
    count_as_shown(&request);
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
