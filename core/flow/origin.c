#include "core/flow/origin.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/diff.h"
#include "core/flow/store.h"

#define ORIGIN_MAX ((size_t)512 << 20) /* of the file; what it has of each file is bounded */

enum record { RECORD_FILE = 1, RECORD_PLAN, RECORD_SERVED, RECORD_END };

static void file_clear(struct ecert_origin_file *file)
{
    free(file->path);
    ecert_secret_clear(&file->before);
    ecert_secret_clear(&file->written);
    *file = (struct ecert_origin_file){0};
}

void ecert_origin_clear(struct ecert_origin *origin)
{
    for (size_t i = 0; i < origin->n_files; i++)
        file_clear(&origin->files[i]);
    free(origin->files);
    ecert_plan_clear(&origin->plan);
    ecert_strings_clear(&origin->served);
    *origin = (struct ecert_origin){0};
}

static enum ecert_status path_of(const char *state_dir, const char *name, const char *target,
                                 char **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *below = NULL;

    ECERT_TRY(ecert_text_format(&below, err, "before/%s", target));
    return ecert_store_path(state_dir, name, below, ret, err);
}

/* ---- on disk ---- */

static void encode_file(const struct ecert_origin_file *file, struct ecert_buffer *buffer)
{
    struct ecert_message message = {.kind = RECORD_FILE};
    uint8_t storage[6][8];

    ecert_message_add_text(&message, file->path);
    ecert_message_add_number(&message, file->existed, storage[0]);
    ecert_message_add_number(&message, file->secret, storage[1]);
    ecert_message_add_number(&message, file->owner.uid, storage[2]);
    ecert_message_add_number(&message, file->owner.gid, storage[3]);
    ecert_message_add_number(&message, file->owner.mode, storage[4]);
    ecert_message_add_number(&message, file->whole, storage[5]);
    ecert_message_add(&message, ecert_secret_view(&file->before));
    ecert_message_add(&message, ecert_secret_view(&file->written));
    ecert_message_add(&message, (struct ecert_view){file->written_sha256, ECERT_SHA256_LEN});
    ecert_message_add(&message, (struct ecert_view){file->previous_sha256,
                                                    file->has_previous ? ECERT_SHA256_LEN : 0});
    ecert_message_encode(&message, buffer);
}

static void encode(const struct ecert_origin *origin, struct ecert_buffer *buffer)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer plan = {0};
    struct ecert_message message = {.kind = RECORD_PLAN};
    uint8_t storage[8];

    for (size_t i = 0; i < origin->n_files; i++)
        encode_file(&origin->files[i], buffer);
    ecert_plan_encode(&origin->plan, &plan);
    ecert_message_add(&message, ecert_buffer_view(&plan));
    ecert_message_encode(&message, buffer);
    for (size_t i = 0; i < origin->served.len; i++) {
        message = (struct ecert_message){.kind = RECORD_SERVED};
        ecert_message_add_text(&message, origin->served.items[i]);
        ecert_message_encode(&message, buffer);
    }
    message = (struct ecert_message){.kind = RECORD_END};
    ecert_message_add_number(&message, (int64_t)(origin->n_files + origin->served.len), storage);
    ecert_message_encode(&message, buffer);
    buffer->failed = buffer->failed || plan.failed;
}

static enum ecert_status add_file(struct ecert_origin *origin, struct ecert_origin_file **ret,
                                  struct ecert_error *err)
{
    struct ecert_origin_file *more = reallocarray(origin->files, origin->n_files + 1, sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    origin->files = more;
    *ret = &more[origin->n_files++];
    **ret = (struct ecert_origin_file){0};
    return ECERT_OK;
}

static enum ecert_status decode_file(const struct ecert_message *message,
                                     struct ecert_origin *origin, struct ecert_error *err)
{
    struct ecert_origin_file *file = NULL;
    int64_t numbers[6] = {0};

    if (message->n != 11 || message->fields[9].len != ECERT_SHA256_LEN ||
        (message->fields[10].len != 0 && message->fields[10].len != ECERT_SHA256_LEN))
        return ecert_error_set(err, ECERT_E_REFUSED, "a file of %zu fields", message->n);
    ECERT_TRY(add_file(origin, &file, err));
    ECERT_TRY(ecert_message_text(message, 0, &file->path, err));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        ECERT_TRY(ecert_message_number(message, i + 1, &numbers[i], err));
    file->existed = numbers[0] != 0;
    file->secret = numbers[1] != 0;
    file->owner =
        (struct ecert_fs_owner){(uid_t)numbers[2], (gid_t)numbers[3], (mode_t)numbers[4] & 07777};
    file->whole = numbers[5] != 0;
    ECERT_TRY(ecert_secret_copy(message->fields[7], &file->before, err));
    ECERT_TRY(ecert_secret_copy(message->fields[8], &file->written, err));
    memcpy(file->written_sha256, message->fields[9].ptr, ECERT_SHA256_LEN);
    file->has_previous = message->fields[10].len > 0;
    if (file->has_previous)
        memcpy(file->previous_sha256, message->fields[10].ptr, ECERT_SHA256_LEN);
    return ECERT_OK;
}

static enum ecert_status decode_one(const struct ecert_message *message,
                                    struct ecert_origin *origin, bool *ret_end,
                                    struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *text = NULL;
    int64_t n = 0;

    switch (message->kind) {
    case RECORD_FILE:
        return decode_file(message, origin, err);
    case RECORD_PLAN:
        ecert_plan_clear(&origin->plan);
        return message->n == 1 ? ecert_plan_decode(message->fields[0], &origin->plan, err)
                               : ecert_error_set(err, ECERT_E_REFUSED, "no plan");
    case RECORD_SERVED:
        ECERT_TRY(ecert_message_text(message, 0, &text, err));
        return ecert_strings_add(&origin->served, text, err);
    case RECORD_END:
        *ret_end = true;
        ECERT_TRY(ecert_message_number(message, 0, &n, err));
        if (n == (int64_t)(origin->n_files + origin->served.len) &&
            origin->served.len == origin->plan.n_probes)
            return ECERT_OK;
        return ecert_error_set(err, ECERT_E_REFUSED, "records are missing");
    default:
        return ecert_error_set(err, ECERT_E_REFUSED, "a record of kind %u",
                               (unsigned)message->kind);
    }
}

static enum ecert_status decode(struct ecert_view stream, struct ecert_origin *ret,
                                struct ecert_error *err)
{
    struct ecert_message message = {0};
    bool end = false;

    while (!end) {
        ECERT_TRY(ecert_message_decode(&stream, stream.len, &message, err));
        ECERT_TRY(decode_one(&message, ret, &end, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_origin_load(const char *state_dir, const char *name, const char *target,
                                    struct ecert_origin *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_origin_clear) struct ecert_origin origin = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_of(state_dir, name, target, &path, err));
    ECERT_TRY(ecert_fs_read_secret(path, ORIGIN_MAX, &bytes, err));
    if (decode(ecert_secret_view(&bytes), &origin, err) != ECERT_OK) {
        if (err->status == ECERT_E_NOMEM)
            return err->status;
        err->status = ECERT_E_REFUSED;
        return ecert_error_wrap(err, "'%s' is damaged", path);
    }
    *ret = origin;
    origin = (struct ecert_origin){0};
    return ECERT_OK;
}

bool ecert_origin_wrote(const struct ecert_origin_file *file,
                        const uint8_t sha256[ECERT_SHA256_LEN])
{
    return memcmp(sha256, file->written_sha256, ECERT_SHA256_LEN) == 0 ||
           (file->has_previous && memcmp(sha256, file->previous_sha256, ECERT_SHA256_LEN) == 0);
}

enum ecert_status ecert_origin_exists(const char *state_dir, const char *name, const char *target,
                                      bool *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_of(state_dir, name, target, &path, err));
    *ret = ecert_fs_exists(path);
    return ECERT_OK;
}

enum ecert_status ecert_origin_remove(const char *state_dir, const char *name, const char *target,
                                      struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_of(state_dir, name, target, &path, err));
    return ecert_fs_remove_tree(AT_FDCWD, path, err);
}

static enum ecert_status save(const char *state_dir, const char *name, const char *target,
                              const struct ecert_origin *origin, struct ecert_error *err)
{
    const struct ecert_fs_owner owner = ecert_fs_own(0600);
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};
    ECERT_AUTO(ecert_auto_free) char *folder = NULL;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(ecert_store_path(state_dir, name, "before", &folder, err));
    ECERT_TRY(ecert_store_make_folder(state_dir, name, folder, err));
    ECERT_TRY(path_of(state_dir, name, target, &path, err));
    encode(origin, &buffer);
    const enum ecert_status status =
        buffer.failed ? ecert_error_nomem(err)
                      : ecert_fs_replace(path, ecert_buffer_view(&buffer), &owner, err);
    if (buffer.ptr != NULL)
        explicit_bzero(buffer.ptr, buffer.len);
    return status;
}

/* ---- keeping ---- */

static struct ecert_origin_file *find_file(struct ecert_origin *origin, const char *path)
{
    for (size_t i = 0; i < origin->n_files; i++)
        if (strcmp(origin->files[i].path, path) == 0)
            return &origin->files[i];
    return NULL;
}

/* What the item would become if this member wanted nothing of it. */
static enum ecert_status without(const struct ecert_item *item, size_t member,
                                 struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes merged = {0};
    ECERT_AUTO(ecert_auto_free)
    struct ecert_view *views = calloc(item->n_versions + 1, sizeof *views);
    size_t n = 0, conflict = 0;

    if (views == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < item->n_versions; i++)
        if (item->versions[i].member != member)
            views[n++] = item->versions[i].content;
    if (n == 0 || item->whole)
        return ecert_secret_copy(ecert_secret_view(&item->before), ret, err);
    ECERT_TRY(
        ecert_diff_merge(ecert_secret_view(&item->before), views, n, &merged, &conflict, err));
    return ecert_secret_copy(ecert_bytes_view(&merged), ret, err);
}

/*
 * The origin goes on with what others did to the file since we wrote it: from what we left, `ours`,
 * to `now`.  False: that touches our lines, so that the two cannot be told apart; the file's
 * record stays as it is.
 */
static enum ecert_status carry_on(struct ecert_origin_file *file, struct ecert_view ours,
                                  struct ecert_view now, bool *ret_done, struct ecert_error *err)
{
    const struct ecert_view versions[] = {ecert_secret_view(&file->before), now};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes merged = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret before = {0};
    size_t conflict = 0;

    *ret_done = false;
    const enum ecert_status status = ecert_diff_merge(ours, versions, 2, &merged, &conflict, err);
    if (status == ECERT_E_CHANGED) {
        *err = (struct ecert_error){0};
        return ECERT_OK;
    }
    ECERT_TRY(status);
    ECERT_TRY(ecert_secret_copy(ecert_bytes_view(&merged), &before, err));
    ecert_secret_clear(&file->before);
    file->before = before;
    before = (struct ecert_secret){0};
    *ret_done = true;
    return ECERT_OK;
}

/* What the new one took the place of counts as ours, too, until the next one. */
static void set_written(struct ecert_origin_file *file, const struct ecert_item *item, bool is_new)
{
    const bool same = memcmp(file->written_sha256, item->after_sha256, ECERT_SHA256_LEN) == 0;
    /* lines of others are carried on into `before`; of a whole file only what we wrote is ours */
    const bool ours = !file->whole || ecert_origin_wrote(file, item->before_sha256);

    if (!is_new && (ours || !same)) {
        memcpy(file->previous_sha256, ours ? item->before_sha256 : file->written_sha256,
               ECERT_SHA256_LEN);
        file->has_previous = true;
    }
    memcpy(file->written_sha256, item->after_sha256, ECERT_SHA256_LEN);
}

/* `strange` gets the lines that somebody changed since. */
static enum ecert_status keep_item(struct ecert_origin *origin, const struct ecert_item *item,
                                   size_t member, struct ecert_buffer *strange,
                                   struct ecert_error *err)
{
    struct ecert_origin_file *file = find_file(origin, item->path);
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret rest = {0};
    bool follows = true;
    const bool is_new = file == NULL;

    ECERT_TRY(without(item, member, &rest, err));
    if (file == NULL) {
        ECERT_TRY(add_file(origin, &file, err));
        ECERT_TRY(ecert_text_copy(ecert_view_of(item->path), &file->path, err));
        file->existed = item->existed;
        file->owner = item->before_owner;
        file->before = rest;
        rest = (struct ecert_secret){0};
    } else if (!file->whole && !item->whole) {
        const bool ours = ecert_origin_wrote(file, item->before_sha256);

        if (!ours)
            ECERT_TRY(ecert_origin_changed_lines(ecert_secret_view(&file->written),
                                                 ecert_secret_view(&item->before), strange, err));
        ECERT_TRY(carry_on(file, ecert_secret_view(ours ? &item->before : &file->written),
                           ecert_secret_view(&rest), &follows, err));
    }
    if (!follows) /* it is told when it matters: the way back will show both differences */
        return ECERT_OK;
    file->secret = file->secret || item->secret;
    file->whole = file->whole || item->whole;
    ecert_secret_clear(&file->written);
    set_written(file, item, is_new);
    return file->secret ? ECERT_OK
                        : ecert_secret_copy(ecert_secret_view(&item->after), &file->written, err);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What was served there before ecert, if that is known from an earlier deployment. */
static const char *known_before(const struct ecert_origin *origin, const struct ecert_probe *probe)
{
    for (size_t i = 0; i < origin->plan.n_probes; i++) {
        const struct ecert_probe *old = &origin->plan.probes[i];

        if (old->port == probe->port && strcmp(old->address, probe->address) == 0 &&
            same_text(old->server_name, probe->server_name) &&
            same_text(old->starttls, probe->starttls))
            return origin->served.items[i];
    }
    return NULL;
}

/* Tests, activation and probes of this deployment, and what was served at each before the first. */
static enum ecert_status keep_plan(struct ecert_origin *origin, const struct ecert_member *who,
                                   bool is_new, struct ecert_view strange, struct ecert_error *err)
{
    const struct ecert_outcome *outcome = who->outcome;
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings served = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer wire = {0};
    ECERT_AUTO(ecert_plan_clear) struct ecert_plan copy = {0};
    struct ecert_plan bare = *who->change->plan; /* borrows */

    bare.files = NULL;
    bare.sites = NULL;
    bare.n_files = bare.n_sites = 0;
    bare.notes = (struct ecert_strings){0};
    ecert_plan_encode(&bare, &wire);
    if (wire.failed)
        return ecert_error_nomem(err);
    ECERT_TRY(ecert_plan_decode(ecert_buffer_view(&wire), &copy, err));
    for (size_t i = 0; i < copy.n_probes; i++) {
        const char *before = known_before(origin, &copy.probes[i]);

        if (ecert_origin_names(strange, copy.probes[i].server_name) || (before == NULL && !is_new))
            before = "";
        else if (before == NULL)
            before = i < outcome->n_observations ? outcome->observations[i].before : "";
        ECERT_TRY(ecert_strings_add(&served, before, err));
    }
    ecert_plan_clear(&origin->plan);
    ecert_strings_clear(&origin->served);
    origin->plan = copy;
    origin->served = served;
    copy = (struct ecert_plan){0};
    served = (struct ecert_strings){0};
    return ECERT_OK;
}

/* Is it on disk as it is? */
static enum ecert_status is_saved(const char *state_dir, const struct ecert_change *change,
                                  const struct ecert_origin *origin, bool *ret,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret bytes = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer buffer = {0};
    ECERT_AUTO(ecert_auto_free) char *path = NULL;

    ECERT_TRY(path_of(state_dir, change->certificate, change->target, &path, err));
    ECERT_TRY(ecert_fs_read_secret(path, ORIGIN_MAX, &bytes, err));
    encode(origin, &buffer);
    *ret =
        !buffer.failed && ecert_view_equal(ecert_buffer_view(&buffer), ecert_secret_view(&bytes));
    if (buffer.ptr != NULL)
        explicit_bzero(buffer.ptr, buffer.len);
    return ECERT_OK;
}

enum ecert_status ecert_origin_keep(const char *state_dir, const struct ecert_items *items,
                                    size_t member, const struct ecert_member *who,
                                    struct ecert_error *err)
{
    const struct ecert_change *change = who->change;
    ECERT_AUTO(ecert_origin_clear) struct ecert_origin origin = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer strange = {0};
    bool any = false, same = false;

    for (size_t i = 0; i < items->n; i++)
        any = any || (!items->list[i].is_link && ecert_item_is_of(&items->list[i], member));
    const enum ecert_status status =
        ecert_origin_load(state_dir, change->certificate, change->target, &origin, err);
    if (status != ECERT_OK && status != ECERT_E_NOT_FOUND)
        return status;
    const bool is_new = status == ECERT_E_NOT_FOUND;
    *err = (struct ecert_error){0};
    if (is_new && !any)
        return ECERT_OK;
    for (size_t i = 0; i < items->n; i++)
        if (!items->list[i].is_link && ecert_item_is_of(&items->list[i], member))
            ECERT_TRY(keep_item(&origin, &items->list[i], member, &strange, err));
    ECERT_TRY(keep_plan(&origin, who, is_new, ecert_buffer_view(&strange), err));
    if (!any)
        ECERT_TRY(is_saved(state_dir, change, &origin, &same, err));
    return same ? ECERT_OK : save(state_dir, change->certificate, change->target, &origin, err);
}
