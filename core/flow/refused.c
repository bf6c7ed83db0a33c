#include "core/flow/refused.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/flow/bundle.h"
#include "core/flow/decode.h"

#define REASON     ".reason.txt"
#define REASON_MAX ((size_t)1 << 20)

void ecert_refused_files_clear(struct ecert_refused_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        free(files->items[i].name);
        free(files->items[i].why);
    }
    free(files->items);
    *files = (struct ecert_refused_files){0};
}

/* ret_fd -1: there is no such folder yet. */
static enum ecert_status open_folder(const char *state_dir, char **ret_path, int *ret_fd,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_text_format(&path, err, "%s/inbox/rejected", state_dir));
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT)
        return ecert_error_errno(err, ECERT_E_IO, "open '%s'", path);
    *ret_fd = fd;
    *ret_path = path;
    path = NULL;
    return ECERT_OK;
}

/* "NAME: it is for x; it has ...\n": what stands behind the name, as far as the first semicolon. */
static enum ecert_status first_sentence(const struct ecert_bytes *text, const char *name,
                                        char **ret, struct ecert_error *err)
{
    struct ecert_view view = ecert_bytes_view(text);
    const size_t skip = strlen(name) + 2;

    if (view.len > skip && memcmp(view.ptr, name, skip - 2) == 0) {
        view.ptr += skip;
        view.len -= skip;
    }
    for (size_t i = 0; i < view.len; i++)
        if (view.ptr[i] == '\n' || view.ptr[i] == ';')
            view.len = i;
    return ecert_text_copy(view, ret, err);
}

/* What was removed meanwhile, or has no reason, is left out. */
static enum ecert_status add(int fd, const char *name, int64_t since,
                             struct ecert_refused_files *files, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *beside = NULL;
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};
    struct ecert_refused_file file = {0};
    struct ecert_error ignored = {0};
    struct stat st;

    ECERT_TRY(ecert_text_format(&beside, err, "%s" REASON, name));
    if (fstatat(fd, beside, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_mtim.tv_sec < since ||
        ecert_fs_read_at(fd, beside, REASON_MAX, &text, &ignored) != ECERT_OK)
        return ECERT_OK;
    struct ecert_refused_file *more = reallocarray(files->items, files->n + 1, sizeof *more);
    if (more == NULL)
        return ecert_error_nomem(err);
    files->items = more;
    file.when = st.st_mtim.tv_sec;
    ECERT_TRY(first_sentence(&text, name, &file.why, err));
    if (ecert_text_copy(ecert_view_of(name), &file.name, err) != ECERT_OK) {
        free(file.why);
        return err->status;
    }
    files->items[files->n++] = file;
    return ECERT_OK;
}

static bool is_reason(const char *name)
{
    const size_t len = strlen(name), end = strlen(REASON);

    return len > end && strcmp(name + len - end, REASON) == 0;
}

enum ecert_status ecert_refused_list(const char *state_dir, int64_t since,
                                     struct ecert_refused_files *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_refused_files_clear) struct ecert_refused_files files = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings names = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_close) int fd = -1;

    ECERT_TRY(open_folder(state_dir, &path, &fd, err));
    if (fd < 0)
        return ECERT_OK;
    ECERT_TRY(ecert_fs_list(path, &names, err));
    for (size_t i = 0; i < names.len; i++)
        if (!is_reason(names.items[i]))
            ECERT_TRY(add(fd, names.items[i], since, &files, err));
    *ret = files;
    files = (struct ecert_refused_files){0};
    return ECERT_OK;
}

enum ecert_status ecert_refused_leaf(const char *state_dir, const char *name, X509 **ret,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0}; /* it may hold a key */
    ECERT_AUTO(ecert_decoded_clear) struct ecert_decoded decoded = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    ECERT_AUTO(ecert_auto_free) char *file = NULL;
    ECERT_AUTO(ecert_auto_close) int fd = -1;
    X509 *leaf = NULL;

    ECERT_TRY(open_folder(state_dir, &path, &fd, err));
    if (fd < 0)
        return ecert_error_set(err, ECERT_E_IO, "there is no '%s'", path);
    ECERT_TRY(ecert_text_format(&file, err, "%s/%s", path, name));
    ECERT_TRY(ecert_fs_read_secret(file, ECERT_DECODE_MAX_INPUT, &bytes, err));
    ECERT_TRY(ecert_decode_certificates(ecert_secret_view(&bytes), (struct ecert_view){0}, &decoded,
                                        err));
    ECERT_TRY(ecert_bundle_find_leaf(decoded.certificates, &leaf, err));
    if (X509_up_ref(leaf) != 1)
        return ecert_error_openssl(err, ECERT_E_NOMEM, "keep the leaf");
    *ret = leaf;
    return ECERT_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

enum ecert_status ecert_refused_remember(const char *state_dir, struct ecert_request *request,
                                         const char *file, const char *why, struct ecert_error *err)
{
    struct ecert_request noted = *request; /* borrows what it does not change */
    ECERT_AUTO(ecert_auto_free) char *new_file = NULL;
    ECERT_AUTO(ecert_auto_free) char *new_why = NULL;

    /* a source hands out the same file at every run */
    if (same_text(request->refused.file, file) && same_text(request->refused.why, why))
        return ECERT_OK;
    ECERT_TRY(ecert_text_copy(ecert_view_of(file), &new_file, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(why), &new_why, err));
    noted.refused = (struct ecert_request_refusal){ecert_clock_now(), new_why, new_file};
    ECERT_TRY(ecert_requests_save(state_dir, &noted, err));
    free(request->refused.file);
    free(request->refused.why);
    *request = noted;
    new_file = new_why = NULL;
    return ECERT_OK;
}
