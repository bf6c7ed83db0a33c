#include "core/flow/items.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/diff.h"

static void item_clear(struct ecert_item *item)
{
    free(item->path);
    free(item->directory);
    ecert_secret_clear(&item->before);
    ecert_secret_clear(&item->after);
    for (size_t i = 0; i < item->n_versions; i++)
        ecert_secret_clear(&item->versions[i].owned);
    free(item->versions);
    *item = (struct ecert_item){0};
}

void ecert_items_clear(struct ecert_items *items)
{
    for (size_t i = 0; i < items->n; i++)
        item_clear(&items->list[i]);
    free(items->list);
    free(items->by_path);
    *items = (struct ecert_items){0};
}

enum ecert_status ecert_items_add(struct ecert_items *items, struct ecert_item **ret,
                                  struct ecert_error *err)
{
    if (items->n == items->room) {
        const size_t room = items->room == 0 ? 8 : 2 * items->room;
        struct ecert_item *more = realloc(items->list, room * sizeof *more);

        if (more == NULL)
            return ecert_error_nomem(err);
        items->list = more;
        items->room = room;
    }
    items->list[items->n] = (struct ecert_item){0};
    *ret = &items->list[items->n++];
    return ECERT_OK;
}

bool ecert_item_is_of(const struct ecert_item *item, size_t member)
{
    for (size_t i = 0; i < item->n_versions; i++)
        if (item->versions[i].member == member)
            return true;
    return false;
}

/* ---- what is on disk ---- */

/* The value of the link, or the bytes of the file; *ret_exists false: there is nothing. */
static enum ecert_status read_now(const struct ecert_item *item, bool *ret_exists,
                                  struct ecert_secret *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *value = NULL;
    enum ecert_status status = ECERT_OK;

    if (item->is_link) {
        status = ecert_fs_read_link(AT_FDCWD, item->path, &value, err);
        if (status == ECERT_OK)
            status = ecert_secret_copy(ecert_view_of(value), ret, err);
    } else {
        status = ecert_fs_read_secret(item->path, ECERT_TRANSACTION_FILE_MAX, ret, err);
    }
    *ret_exists = status == ECERT_OK;
    return status == ECERT_E_NOT_FOUND ? ECERT_OK : status;
}

enum ecert_status ecert_item_look(const struct ecert_item *item, enum ecert_item_state *ret,
                                  struct ecert_secret *ret_now, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret now = {0};
    uint8_t sha256[ECERT_SHA256_LEN];
    bool exists = false;

    const enum ecert_status status = read_now(item, &exists, &now, err);
    if (status != ECERT_OK && status != ECERT_E_REFUSED) /* refused: not of its kind any more */
        return status;
    ecert_sha256(ecert_secret_view(&now), sha256);
    *ret = ECERT_ITEM_OTHER;
    if (exists && memcmp(sha256, item->after_sha256, sizeof sha256) == 0)
        *ret = ECERT_ITEM_AFTER;
    else if (status == ECERT_OK && exists == item->existed &&
             (!exists || memcmp(sha256, item->before_sha256, sizeof sha256) == 0))
        *ret = ECERT_ITEM_BEFORE;
    if (ret_now != NULL) {
        *ret_now = now;
        now = (struct ecert_secret){0};
    }
    return ECERT_OK;
}

/* ---- finding or making the item of a path ---- */

static enum ecert_status split_path(struct ecert_item *item, struct ecert_error *err)
{
    const char *base = ecert_path_base(item->path);
    const size_t len = (size_t)(base - item->path);

    item->name = base;
    return ecert_text_copy(
        (struct ecert_view){(const uint8_t *)item->path, len <= 1 ? len : len - 1},
        &item->directory, err);
}

/* Who owns it now, and whom what replaces it shall belong to if nobody wishes for another. */
static enum ecert_status find_owners(struct ecert_item *item, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int directory = -1;
    struct stat st;

    ECERT_TRY(ecert_fs_open_trusted_directory(item->directory, &directory, err));
    if (fstat(directory, &st) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", item->directory);
    item->default_owner = (struct ecert_fs_owner){st.st_uid, st.st_gid, 0644};
    if (!item->existed)
        return ECERT_OK;
    if (fstatat(directory, item->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "stat '%s'", item->path);
    if (!item->is_link && !S_ISREG(st.st_mode))
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s' is not a regular file", item->path);
    item->before_owner = (struct ecert_fs_owner){st.st_uid, st.st_gid, st.st_mode & 07777};
    item->default_owner = item->before_owner;
    return ECERT_OK;
}

/* Where a path stands in the table, which has room, or where it would. */
static uint32_t *place_of(const struct ecert_items *items, const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (const char *p = path; *p != '\0'; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    for (size_t i = hash;; i++) {
        uint32_t *place = &items->by_path[i & (items->n_by_path - 1)];

        if (*place == 0 || strcmp(items->list[*place - 1].path, path) == 0)
            return place;
    }
}

/* Room for one more: at most half of the table is taken. */
static enum ecert_status grow_table(struct ecert_items *items, struct ecert_error *err)
{
    if (items->n * 2 < items->n_by_path)
        return ECERT_OK;
    const size_t room = items->n_by_path == 0 ? 16 : 2 * items->n_by_path;
    uint32_t *larger = calloc(room, sizeof *larger);

    if (larger == NULL)
        return ecert_error_nomem(err);
    free(items->by_path);
    items->by_path = larger;
    items->n_by_path = room;
    for (size_t i = 0; i < items->n; i++)
        *place_of(items, items->list[i].path) = (uint32_t)i + 1;
    return ECERT_OK;
}

static enum ecert_status find_item(struct ecert_items *items, const char *path, bool is_link,
                                   struct ecert_item **ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
    struct ecert_item *item = NULL;

    if (is_link)
        ECERT_TRY(ecert_text_copy(ecert_view_of(path), &resolved, err));
    else
        ECERT_TRY(ecert_fs_resolve_new(path, &resolved, err));
    if (strcmp(path, resolved) != 0) /* a stranger's link would choose which file we replace */
        ECERT_TRY(ecert_fs_check_links(path, err));
    ECERT_TRY(grow_table(items, err));
    uint32_t *place = place_of(items, resolved);
    if (*place != 0) {
        *ret = &items->list[*place - 1];
        return ECERT_OK;
    }
    ECERT_TRY(ecert_items_add(items, &item, err));
    item->is_link = is_link;
    item->path = resolved;
    resolved = NULL;
    if (split_path(item, err) != ECERT_OK ||
        read_now(item, &item->existed, &item->before, err) != ECERT_OK ||
        find_owners(item, err) != ECERT_OK) {
        item_clear(item);
        items->n--;
        return err->status;
    }
    ecert_sha256(ecert_secret_view(&item->before), item->before_sha256);
    *place = (uint32_t)items->n;
    *ret = item;
    return ECERT_OK;
}

/* Owner, mode and kind, anew out of what the versions that are left wish; the last one counts. */
static void settle(struct ecert_item *item)
{
    item->secret = item->whole = false;
    for (size_t i = 0; i < item->n_versions; i++) {
        item->secret = item->secret || item->versions[i].secret;
        item->whole = item->whole || item->versions[i].whole;
    }
    item->after_owner = item->default_owner;
    if (item->secret && !item->existed)
        item->after_owner.mode = 0600;
    for (size_t i = 0; i < item->n_versions; i++) {
        const struct ecert_version *version = &item->versions[i];

        if (version->uid >= 0)
            item->after_owner.uid = (uid_t)version->uid;
        if (version->gid >= 0)
            item->after_owner.gid = (gid_t)version->gid;
        if (version->mode >= 0)
            item->after_owner.mode = (mode_t)version->mode;
    }
    if (item->secret)
        item->after_owner.mode &= 0640;
}

/* `owned`, if not NULL, is taken over. */
static enum ecert_status add_version(struct ecert_item *item, struct ecert_version version,
                                     struct ecert_secret *owned, struct ecert_error *err)
{
    struct ecert_version *more = realloc(item->versions, (item->n_versions + 1) * sizeof *more);

    if (more == NULL)
        return ecert_error_nomem(err);
    item->versions = more;
    more[item->n_versions] = version;
    if (owned != NULL) {
        more[item->n_versions].owned = *owned;
        *owned = (struct ecert_secret){0};
    }
    item->n_versions++;
    settle(item);
    return ECERT_OK;
}

/* ---- the three kinds of wishes ---- */

static enum ecert_status add_plan_file(struct ecert_items *items, size_t member,
                                       const struct ecert_plan_file *file, struct ecert_error *err)
{
    struct ecert_item *item = NULL;

    ECERT_TRY(find_item(items, file->path, false, &item, err));
    if (item->existed != file->exists ||
        (file->exists && memcmp(item->before_sha256, file->expected, ECERT_SHA256_LEN) != 0))
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "'%s' was changed since the plan was made; run the command again",
                               file->path);
    const struct ecert_version version = {.member = member,
                                          .content = ecert_secret_view(&file->content),
                                          .secret = file->secret,
                                          .whole = file->secret,
                                          .uid = file->uid,
                                          .gid = file->gid,
                                          .mode = file->mode < 0 ? -1 : file->mode & 07777};
    return add_version(item, version, NULL, err);
}

/* `files` that name something else, /etc/passwd say, are a mistake of the configuration. */
static enum ecert_status check_replaceable(const struct ecert_item *item, struct ecert_error *err)
{
    static const char pem[] = "-----BEGIN ";

    if (!item->existed || item->before.len == 0 ||
        memmem(item->before.ptr, item->before.len, pem, sizeof pem - 1) != NULL)
        return ECERT_OK;
    return ecert_error_set(err, ECERT_E_REFUSED,
                           "'%s' holds no PEM text and is not replaced; is it the right path in "
                           "`files`? If it is, remove the file first",
                           item->path);
}

static enum ecert_status add_copy(struct ecert_items *items, size_t member,
                                  const struct ecert_change_copy *copy, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret content = {0};
    struct ecert_item *item = NULL;

    if (copy->content.len > 0)
        ECERT_TRY(ecert_secret_copy(copy->content, &content, err));
    else
        ECERT_TRY(ecert_fs_read_secret(copy->from, ECERT_TRANSACTION_FILE_MAX, &content, err));
    ECERT_TRY(find_item(items, copy->to, false, &item, err));
    ECERT_TRY(check_replaceable(item, err));
    const struct ecert_version version = {.member = member,
                                          .content = ecert_secret_view(&content),
                                          .secret = copy->secret,
                                          .whole = true,
                                          .uid = -1,
                                          .gid = -1,
                                          .mode = -1};
    return add_version(item, version, &content, err);
}

/* Its name must be on disk before a server's configuration names what is in it. */
static enum ecert_status make_live_dir(const char *live_dir, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *parent = NULL;

    ECERT_TRY(ecert_fs_make_directories(live_dir, 0700, err));
    ECERT_TRY(ecert_text_copy(ecert_view_of(live_dir), &parent, err));
    *strrchr(parent, '/') = '\0';
    return ecert_fs_sync_directory(parent, err);
}

static enum ecert_status add_link(struct ecert_items *items, size_t member,
                                  const struct ecert_change *change, bool make_places,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *directory = NULL;
    ECERT_AUTO(ecert_auto_free) char *path = NULL;
    struct ecert_item *item = NULL;

    if (make_places && !ecert_fs_exists(change->live_dir))
        ECERT_TRY(make_live_dir(change->live_dir, err));
    if (ecert_fs_resolve(change->live_dir, &directory, err) == ECERT_E_NOT_FOUND && !make_places)
        ECERT_TRY(ecert_text_copy(ecert_view_of(change->live_dir), &directory, err));
    if (directory == NULL)
        return err->status;
    ECERT_TRY(ecert_text_format(&path, err, "%s/%s", directory, change->live_link));
    if (!make_places && !ecert_fs_exists(directory)) { /* looking only: it would be new */
        ECERT_TRY(ecert_items_add(items, &item, err));
        item->is_link = true;
        item->path = path;
        path = NULL;
        ECERT_TRY(split_path(item, err));
    } else {
        ECERT_TRY(find_item(items, path, true, &item, err));
    }
    const struct ecert_version version = {.member = member,
                                          .content = ecert_view_of(change->live_value),
                                          .whole = true,
                                          .uid = -1,
                                          .gid = -1,
                                          .mode = -1};
    return add_version(item, version, NULL, err);
}

static enum ecert_status add_member(struct ecert_items *items, size_t at,
                                    const struct ecert_change *change, bool make_places,
                                    struct ecert_error *err)
{
    for (size_t i = 0; i < change->plan->n_files; i++)
        ECERT_TRY(add_plan_file(items, at, &change->plan->files[i], err));
    for (size_t i = 0; i < change->n_copies; i++)
        ECERT_TRY(add_copy(items, at, &change->copies[i], err));
    if (change->live_dir != NULL)
        ECERT_TRY(add_link(items, at, change, make_places, err));
    return ECERT_OK;
}

/* ---- merging ---- */

/* Take a member's wishes out again. */
static void drop_member(struct ecert_items *items, size_t member)
{
    for (size_t i = 0; i < items->n; i++) {
        struct ecert_item *item = &items->list[i];
        size_t kept = 0;

        for (size_t v = 0; v < item->n_versions; v++) {
            if (item->versions[v].member == member)
                ecert_secret_clear(&item->versions[v].owned);
            else
                item->versions[kept++] = item->versions[v];
        }
        item->n_versions = kept;
        settle(item);
    }
}

/* *ret_conflict: index of the version that cannot be had. */
static enum ecert_status merge(const struct ecert_item *item, struct ecert_secret *ret,
                               size_t *ret_conflict, struct ecert_error *err)
{
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes merged = {0};
    size_t other = 1;

    while (other < item->n_versions &&
           ecert_view_equal(item->versions[other].content, item->versions[0].content))
        other++;
    if (other >= item->n_versions)
        return ecert_secret_copy(item->versions[0].content, ret, err);
    if (item->whole) {
        *ret_conflict = other;
        return ecert_error_set(err, ECERT_E_CHANGED, "two targets want different contents");
    }
    struct ecert_view *views = calloc(item->n_versions, sizeof *views);
    if (views == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < item->n_versions; i++)
        views[i] = item->versions[i].content;
    const enum ecert_status status = ecert_diff_merge(ecert_secret_view(&item->before), views,
                                                      item->n_versions, &merged, ret_conflict, err);
    free(views);
    ECERT_TRY(status);
    return ecert_secret_copy(ecert_bytes_view(&merged), ret, err);
}

/* Merge every item; on a conflict the later member goes, and everything is merged anew. */
static enum ecert_status merge_all(struct ecert_items *items, struct ecert_member *members,
                                   struct ecert_error *err)
{
    for (size_t i = 0; i < items->n; i++) {
        struct ecert_item *item = &items->list[i];
        size_t conflict = 0;

        ecert_secret_clear(&item->after);
        if (item->n_versions == 0)
            continue;
        const enum ecert_status status = merge(item, &item->after, &conflict, err);
        if (status == ECERT_E_CHANGED) {
            const size_t late = item->versions[conflict].member;
            const struct ecert_change *first = members[item->versions[0].member].change;

            (void)ecert_error_wrap(err, "'%s' is changed by target '%s' of '%s' as well",
                                   item->path, first->target, first->certificate);
            ecert_member_verdict(&members[late], ECERT_OUTCOME_REFUSED, err);
            drop_member(items, late);
            return merge_all(items, members, err);
        }
        ECERT_TRY(status);
        ecert_sha256(ecert_secret_view(&item->after), item->after_sha256);
    }
    return ECERT_OK;
}

static bool is_in_place(const struct ecert_item *item)
{
    if (item->n_versions == 0)
        return true;
    return item->existed &&
           memcmp(item->before_sha256, item->after_sha256, ECERT_SHA256_LEN) == 0 &&
           (item->is_link || (item->before_owner.uid == item->after_owner.uid &&
                              item->before_owner.gid == item->after_owner.gid &&
                              item->before_owner.mode == item->after_owner.mode));
}

/* Take out what is there already, and say what will be different besides the bytes. */
static void keep_changes(struct ecert_items *items, struct ecert_member *members)
{
    size_t kept = 0;

    for (size_t i = 0; i < items->n; i++) {
        struct ecert_item *item = &items->list[i];

        if (is_in_place(item)) {
            item_clear(item);
            continue;
        }
        if (item->secret && item->existed && (item->before_owner.mode & 0137) != 0)
            ecert_member_note(&members[item->versions[0].member],
                              "'%s' had mode %04o, which others can read; it becomes %04o",
                              item->path, (unsigned)item->before_owner.mode,
                              (unsigned)item->after_owner.mode);
        items->list[kept++] = *item;
    }
    items->n = kept;
    free(items->by_path); /* the indices are others now */
    items->by_path = NULL;
    items->n_by_path = 0;
}

enum ecert_status ecert_items_collect(struct ecert_member *members, size_t n, bool make_places,
                                      struct ecert_items *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_items_clear) struct ecert_items items = {0};

    for (size_t i = 0; i < n; i++) {
        if (!members[i].waiting)
            continue;
        if (add_member(&items, i, members[i].change, make_places, err) == ECERT_OK)
            continue;
        if (err->status == ECERT_E_NOMEM)
            return err->status;
        ecert_member_verdict(&members[i], ECERT_OUTCOME_REFUSED, err);
        drop_member(&items, i);
    }
    ECERT_TRY(merge_all(&items, members, err));
    keep_changes(&items, members);
    *ret = items;
    items = (struct ecert_items){0};
    return ECERT_OK;
}
