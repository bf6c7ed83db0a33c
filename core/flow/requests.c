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
#include "core/flow/decode.h"
#include "core/flow/key.h"
#include "core/flow/requests_json.h"
#include "core/flow/store.h"

#define JSON_MAX  ((size_t)8 << 20)
#define CSR_MAX   ((size_t)1 << 20)
#define MOMENT    16 /* "20261121T084200Z" */
#define MOST_IDS  10000
#define KEY_NAME  "privkey.pem"
#define CSR_NAME  "request.csr"
#define JSON_NAME "request.json"

/* ---- names ---- */

/* The number behind the moment, 1 where there is none; 0: this is no id. */
static unsigned number_of(const char *id)
{
    static const char shape[] = "00000000T000000Z";

    if (strlen(id) < MOMENT)
        return 0;
    for (size_t i = 0; i < MOMENT; i++)
        if (shape[i] == '0' ? id[i] < '0' || id[i] > '9' : id[i] != shape[i])
            return 0;
    const char *rest = id + MOMENT;
    if (rest[0] == '\0')
        return 1;
    if (rest[0] != '-' || rest[1] < '1' || rest[1] > '9' || strlen(rest) > 6 ||
        rest[1 + strspn(rest + 1, "0123456789")] != '\0')
        return 0;
    const unsigned number = (unsigned)strtoul(rest + 1, NULL, 10);
    return number > 1 ? number : 0;
}

/* By moment, then by number: "-10" comes after "-2". */
static int by_age(const void *a, const void *b)
{
    const char *x = *(char *const *)a;
    const char *y = *(char *const *)b;
    const int moments = strncmp(x, y, MOMENT);

    if (moments != 0)
        return moments;
    return (number_of(x) > number_of(y)) - (number_of(x) < number_of(y));
}

/* STATE/certificates/FOLDER/requests/ID/FILE */
static enum ecert_status path_in(const char *state_dir, const struct ecert_request *request,
                                 const char *file, char **ret, struct ecert_error *err)
{
    char sub[64];

    if (request->id == NULL || number_of(request->id) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' cannot be the id of a request",
                               request->id == NULL ? "" : request->id);
    (void)snprintf(sub, sizeof sub, "requests/%s/%s", request->id, file);
    return ecert_store_path(state_dir, request->name, sub, ret, err);
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

/*
 * Is the key there, and ours alone?  Only its owner could have changed the mode, so that this is a
 * copy that was put back with care for nothing; a key that others could read is not to be used.
 */
static enum ecert_status check_key(const char *path, const struct stat *st, struct ecert_error *err)
{
    if (!S_ISREG(st->st_mode))
        return ecert_error_set(err, ECERT_E_REFUSED, "the private key '%s' is no regular file",
                               path);
    if (st->st_uid != geteuid())
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the private key '%s' belongs to user %u, and ecert runs as user "
                               "%u; chown it",
                               path, (unsigned)st->st_uid, (unsigned)geteuid());
    if ((st->st_mode & 077) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED,
                               "the private key '%s' may be touched by others (mode %04o); chmod "
                               "0600 '%s' if nobody did, else ask for another certificate",
                               path, (unsigned)(st->st_mode & 07777), path);
    return ECERT_OK;
}

static enum ecert_status key_is_lost(const char *path, struct ecert_error *err)
{
    return ecert_error_set(err, ECERT_E_NOT_FOUND,
                           "the private key '%s' is lost; put it back from a backup with 'ecert "
                           "restore'",
                           path);
}

static enum ecert_status look_at_key(const char *state_dir, struct ecert_request *request,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_error why = {0};
    struct stat st;

    ECERT_TRY(path_in(state_dir, request, KEY_NAME, &path, err));
    if (lstat(path, &st) == 0)
        (void)(check_key(path, &st, &why) == ECERT_OK);
    else if (errno == ENOENT)
        (void)key_is_lost(path, &why);
    else
        (void)ecert_error_errno(&why, ECERT_E_IO, "stat '%s'", path);
    return why.status == ECERT_OK ? ECERT_OK : trouble(request, why.text, err);
}

static enum ecert_status look_at_csr(const char *state_dir, struct ecert_request *request,
                                     bool without_json, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes pem = {0};
    struct ecert_error why = {0};

    ECERT_TRY(path_in(state_dir, request, CSR_NAME, &path, err));
    if (!without_json) {
        if (!ecert_fs_exists(path))
            (void)ecert_error_set(&why, ECERT_E_NOT_FOUND, "the CSR '%s' is lost", path);
    } else if (ecert_fs_read(path, CSR_MAX, &pem, &why) == ECERT_OK) {
        (void)key_id_of_csr(ecert_bytes_view(&pem), request->key_id);
    }
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
    ECERT_TRY(path_in(state_dir, &request, JSON_NAME, &path, err));
    if (read_json(path, &request, &read, &why) == ECERT_OK) {
        ecert_request_clear(&request);
        request = read;
        read = (struct ecert_request){0};
    } else if (why.status == ECERT_E_NOMEM) {
        return ecert_error_nomem(err);
    } else {
        ECERT_TRY(trouble(&request, why.text, err));
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
        if (number_of(names.items[i]) > 0)
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

    if (given && number_of(request->id) == 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' cannot be the id of a request",
                               request->id);
    ECERT_TRY(open_folder(state_dir, request->name, &parent, err));
    if (request->created == 0)
        request->created = ecert_clock_now();
    if (!given)
        ECERT_TRY(choose_id(parent, request, err));
    if (ecert_request_to_json(request, &json, err) == ECERT_OK) {
        const struct ecert_fs_file files[] = {
            {KEY_NAME, key_pem}, {CSR_NAME, csr_pem}, {JSON_NAME, ecert_bytes_view(&json)}};

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

    ECERT_TRY(path_in(state_dir, request, JSON_NAME, &path, err));
    if (request->authority == NULL) /* what stands there is not replaced by nothing */
        return ecert_error_set(err, ECERT_E_REFUSED, "%s",
                               request->problem != NULL ? request->problem
                                                        : "a request without an authority");
    ECERT_TRY(ecert_request_to_json(request, &json, err));
    return ecert_fs_replace(path, ecert_bytes_view(&json), &owner, err);
}

/* ---- keys and CSRs ---- */

enum ecert_status ecert_requests_key_file(const char *state_dir,
                                          const struct ecert_request *request,
                                          struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct stat st;

    ECERT_TRY(path_in(state_dir, request, KEY_NAME, &path, err));
    const enum ecert_status status =
        ecert_fs_read_secret_stat(path, ECERT_DECODE_MAX_INPUT, &file, &st, err);
    if (status == ECERT_E_NOT_FOUND)
        return key_is_lost(path, err);
    ECERT_TRY(status);
    ECERT_TRY(check_key(path, &st, err));
    *ret = file;
    file = (struct ecert_secret){0};
    return ECERT_OK;
}

/* PKCS#8, or the traditional form with its DEK-Info: keys of `policy = "reuse"` may have that. */
static bool is_encrypted(const struct ecert_secret *pem)
{
    return memmem(pem->ptr, pem->len, "ENCRYPTED", strlen("ENCRYPTED")) != NULL;
}

enum ecert_status ecert_requests_key(const char *state_dir, const struct ecert_request *request,
                                     const struct ecert_key_config *config,
                                     struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret file = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret passphrase = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret pem = {0};
    uint8_t key_id[ECERT_SHA256_LEN];

    ECERT_TRY(ecert_requests_key_file(state_dir, request, &file, err));
    if ((is_encrypted(&file) && ecert_key_passphrase(config, &passphrase, err) != ECERT_OK) ||
        ecert_decode_key(ecert_secret_view(&file), ecert_secret_view(&passphrase), &pem, key_id,
                         err) != ECERT_OK)
        return ecert_error_wrap(err, "the private key of request %s", request->id);
    if (memcmp(key_id, request->key_id, sizeof key_id) != 0)
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "the private key of request %s is another one than the CSR was made "
                               "with; put the right one back with 'ecert restore'",
                               request->id);
    *ret = pem;
    pem = (struct ecert_secret){0};
    return ECERT_OK;
}

enum ecert_status ecert_requests_csr(const char *state_dir, const struct ecert_request *request,
                                     struct ecert_bytes *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_in(state_dir, request, CSR_NAME, &path, err));
    return ecert_fs_read(path, CSR_MAX, ret, err);
}
