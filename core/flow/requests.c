#include "core/flow/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/requests_json.h"
#include "core/flow/requests_parts.h"
#include "core/flow/store.h"

#define JSON_MAX ((size_t)8 << 20)
#define MOST_IDS 10000

/* ---- names ---- */

/* By moment, then by number: "-10" comes after "-2". */
static int by_age(const void *a, const void *b)
{
    const char *x = *(char *const *)a;
    const char *y = *(char *const *)b;
    const int moments = strncmp(x, y, REQUEST_MOMENT);

    if (moments != 0)
        return moments;
    return (request_id_number(x) > request_id_number(y)) -
           (request_id_number(x) < request_id_number(y));
}

/* ---- reading ---- */

static void auto_bio(BIO **bio)
{
    (void)BIO_free(*bio);
}

static void auto_csr(X509_REQ **csr)
{
    X509_REQ_free(*csr);
}

/*
 * Whose CSR this is, where request.json cannot say it: what the CA sends still finds its key.  It
 * is a file that we wrote ourselves.
 */
static bool key_id_of_csr(struct ecert_view pem, uint8_t ret[ECERT_SHA256_LEN])
{
    ECERT_AUTO(auto_bio) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    ECERT_AUTO(auto_csr) X509_REQ *csr = NULL;
    unsigned char *der = NULL;

    if (bio != NULL)
        csr = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    const int len = csr == NULL ? 0 : i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(csr), &der);
    if (len > 0)
        ecert_sha256((struct ecert_view){der, (size_t)len}, ret);
    OPENSSL_free(der);
    return len > 0;
}

/* The first trouble is the one that is told. */
static enum ecert_status trouble(struct ecert_request *request, const char *text,
                                 struct ecert_error *err)
{
    if (request->problem != NULL)
        return ECERT_OK;
    return ecert_text_copy(ecert_view_of(text), &request->problem, err);
}

static enum ecert_status look_at_key(const char *state_dir, struct ecert_request *request,
                                     struct ecert_error *err)
{
    struct ecert_error why = {0};

    if (request_key_is_there(state_dir, request, &why) == ECERT_OK)
        return ECERT_OK;
    return why.status == ECERT_E_NOMEM ? ecert_error_nomem(err) : trouble(request, why.text, err);
}

static enum ecert_status look_at_csr(const char *state_dir, struct ecert_request *request,
                                     bool without_json, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes pem = {0};
    struct ecert_error why = {0};

    if (without_json) {
        ECERT_TRY(request_path(state_dir, request, REQUEST_CSR_NAME, &path, err));
        if (ecert_fs_read(path, REQUEST_CSR_MAX, &pem, &why) == ECERT_OK)
            (void)key_id_of_csr(ecert_bytes_view(&pem), request->key_id);
    } else {
        (void)(ecert_requests_csr(state_dir, request, &pem, &why) == ECERT_OK);
    }
    if (why.status == ECERT_E_NOMEM)
        return ecert_error_nomem(err);
    return why.status == ECERT_OK ? ECERT_OK : trouble(request, why.text, err);
}

static enum ecert_status read_json(const char *path, const struct ecert_request *place,
                                   struct ecert_request *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};

    ECERT_TRY(ecert_fs_read(path, JSON_MAX, &text, err));
    ECERT_TRY(ecert_request_from_json(ecert_bytes_view(&text), path, &request, err));
    if (strcmp(request.id, place->id) != 0 || strcmp(request.name, place->name) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "'%s' is damaged: it says that it is request %s of '%s'", path,
                               request.id, request.name);
    *ret = request;
    request = (struct ecert_request){0};
    return ECERT_OK;
}

/* What the folder of a damaged request.json is still good for decides what is done with it. */
static enum ecert_status no_json(const char *state_dir, struct ecert_request *request,
                                 const char *why, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};

    ECERT_TRY(request_path(state_dir, request, NULL, &folder, err));
    ecert_buffer_printf(&text,
                        "%s; put it back with 'ecert restore', or, without a backup, move '%s' out "
                        "of the state directory: it has the private key, without which a "
                        "certificate for this request is of no use",
                        why, folder);
    return text.failed ? ecert_error_nomem(err) : trouble(request, (const char *)text.ptr, err);
}

/* One folder; what is wrong with it is its `problem`. */
static enum ecert_status load_one(const char *state_dir, const char *name, const char *id,
                                  struct ecert_request *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_request_clear) struct ecert_request request = {0};
    ECERT_AUTO(ecert_request_clear) struct ecert_request read = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error why = {0};

    ECERT_TRY(ecert_text_copy(ecert_view_of(id), &request.id, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(name), &request.name, err));
    ECERT_TRY(request_path(state_dir, &request, REQUEST_JSON_NAME, &path, err));
    if (read_json(path, &request, &read, &why) == ECERT_OK) {
        ecert_request_clear(&request);
        request = read;
        read = (struct ecert_request){0};
    } else if (why.status == ECERT_E_NOMEM) {
        return ecert_error_nomem(err);
    } else {
        ECERT_TRY(no_json(state_dir, &request, why.text, err));
    }
    ECERT_TRY(look_at_key(state_dir, &request, err));
    ECERT_TRY(look_at_csr(state_dir, &request, why.status != ECERT_OK, err));
    *ret = request;
    request = (struct ecert_request){0};
    return ECERT_OK;
}

static enum ecert_status list_ids(const char *state_dir, const char *name,
                                  struct ecert_strings *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings ids = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_store_path(state_dir, name, "requests", &path, err));
    const enum ecert_status status = ecert_fs_list(path, &names, err);
    if (status == ECERT_E_NOT_FOUND) {
        *err = (struct ecert_error){0};
        return ECERT_OK;
    }
    if (status != ECERT_OK)
        return ecert_error_wrap(err, "requests of '%s'", name);
    for (size_t i = 0; i < names.len; i++)
        if (request_id_number(names.items[i]) > 0)
            ECERT_TRY(ecert_strings_add(&ids, names.items[i], err));
    if (ids.len > 1)
        qsort(ids.items, ids.len, sizeof *ids.items, by_age);
    *ret = ids;
    ids = (struct ecert_strings){0};
    return ECERT_OK;
}

enum ecert_status ecert_requests_load(const char *state_dir, const char *name,
                                      struct ecert_requests *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_requests_clear) struct ecert_requests requests = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings ids = {0};

    ECERT_TRY(list_ids(state_dir, name, &ids, err));
    if (ids.len > 0) {
        requests.items = calloc(ids.len, sizeof *requests.items);
        if (requests.items == NULL)
            return ecert_error_nomem(err);
    }
    for (size_t i = 0; i < ids.len; i++) {
        ECERT_TRY(load_one(state_dir, name, ids.items[i], &requests.items[i], err));
        requests.n++;
    }
    *ret = requests;
    requests = (struct ecert_requests){0};
    return ECERT_OK;
}

/* ---- writing ---- */

static enum ecert_status choose_id(int parent, struct ecert_request *request,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *id = NULL;
    const time_t t = (time_t)request->created;
    char moment[32];
    struct stat st;
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(moment, sizeof moment, "%Y%m%dT%H%M%SZ", &tm) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "%lld is no time",
                               (long long)request->created);
    for (unsigned i = 1; i < MOST_IDS; i++) {
        ecert_auto_free(&id);
        if (i == 1)
            ECERT_TRY(ecert_text_copy(ecert_view_of(moment), &id, err));
        else
            ECERT_TRY(ecert_text_format(&id, err, "%s-%u", moment, i));
        if (fstatat(parent, id, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
            request->id = id;
            id = NULL;
            return ECERT_OK;
        }
    }
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "there are %d requests of '%s' for the same second already",
                           MOST_IDS - 1, request->name);
}

/* STATE/certificates/FOLDER/requests, made and synced up to the state directory. */
static enum ecert_status open_folder(const char *state_dir, const char *name, int *ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;

    ECERT_TRY(ecert_store_path(state_dir, name, "requests", &path, err));
    ECERT_TRY(ecert_store_make_folder(state_dir, name, path, err));
    ECERT_TRY(ecert_fs_resolve(path, &resolved, err));
    return ecert_fs_open_trusted_directory(resolved, ret, err);
}

enum ecert_status ecert_requests_add(const char *state_dir, struct ecert_request *request,
                                     struct ecert_view key_pem, struct ecert_view csr_pem,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes json = {0};
    ECERT_AUTO(ecert_auto_close) int parent = -1;
    const bool given = request->id != NULL;

    if (given && request_id_number(request->id) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' cannot be the id of a request",
                               request->id);
    ECERT_TRY(open_folder(state_dir, request->name, &parent, err));
    if (request->created == 0)
        request->created = ecert_clock_now();
    if (!given)
        ECERT_TRY(choose_id(parent, request, err));
    if (ecert_request_to_json(request, &json, err) == ECERT_OK) {
        const struct ecert_fs_file files[] = {{REQUEST_KEY_NAME, key_pem},
                                              {REQUEST_CSR_NAME, csr_pem},
                                              {REQUEST_JSON_NAME, ecert_bytes_view(&json)}};

        if (ecert_fs_add_folder(parent, request->id, "request", files, ARRAY_SIZE(files), err) ==
            ECERT_OK)
            return ECERT_OK;
    }
    if (!given) {
        free(request->id);
        request->id = NULL;
    }
    return err->status;
}

enum ecert_status ecert_requests_save(const char *state_dir, const struct ecert_request *request,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes json = {0};
    const struct ecert_fs_owner owner = ecert_fs_own(0600);

    ECERT_TRY(request_path(state_dir, request, REQUEST_JSON_NAME, &path, err));
    if (request->authority == NULL) /* what stands there is not replaced by nothing */
        return ecert_error_set(err, ECERT_E_REFUSED, "%s",
                               request->problem != NULL ? request->problem
                                                        : "a request without an authority");
    ECERT_TRY(ecert_request_to_json(request, &json, err));
    return ecert_fs_replace(path, ecert_bytes_view(&json), &owner, err);
}
