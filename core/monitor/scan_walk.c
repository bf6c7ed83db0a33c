#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/monitor/scan_parts.h"

#define DEPTH_MAX 64

/* ---- where symbolic links have led to ---- */

struct target {
    dev_t device;
    ino_t inode; /* 0: a free place */
};

/* A hash table with a power of two of places, at most half of them taken. */
struct targets {
    struct target *places;
    size_t n, room;
};

static void targets_clear(struct targets *targets)
{
    free(targets->places);
    *targets = (struct targets){0};
}

static struct target *place_of(const struct targets *targets, const struct target *target)
{
    const uint64_t mixed =
        ((uint64_t)target->inode ^ (uint64_t)target->device << 32) * UINT64_C(0x9E3779B97F4A7C15);

    for (size_t i = (size_t)(mixed >> 32);; i++) {
        struct target *place = &targets->places[i & (targets->room - 1)];
        if (place->inode == 0 || (place->inode == target->inode && place->device == target->device))
            return place;
    }
}

static enum ecert_status make_room(struct targets *targets, struct ecert_error *err)
{
    struct targets larger = {.n = targets->n, .room = targets->room == 0 ? 64 : 2 * targets->room};

    if (2 * targets->n < targets->room)
        return ECERT_OK;
    larger.places = calloc(larger.room, sizeof *larger.places);
    if (larger.places == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < targets->room; i++)
        if (targets->places[i].inode != 0)
            *place_of(&larger, &targets->places[i]) = targets->places[i];
    targets_clear(targets);
    *targets = larger;
    return ECERT_OK;
}

static enum ecert_status add_target(struct targets *targets, const struct stat *st, bool *ret_new,
                                    struct ecert_error *err)
{
    const struct target target = {st->st_dev, st->st_ino};

    ECERT_TRY(make_room(targets, err));
    struct target *place = place_of(targets, &target);
    *ret_new = place->inode == 0;
    if (*ret_new)
        targets->n++;
    *place = target;
    return ECERT_OK;
}

/* ---- the names in one directory ---- */

/* Packed: each a letter for its kind, the name, a NUL.  100,000 names are some 2 MiB. */
struct names {
    struct ecert_buffer text;
    uint32_t *starts;
    size_t n, room;
};

enum { DIRECTORY = 'd', REGULAR = 'f', LINK = 'l', UNKNOWN = '?' };

static void names_clear(struct names *names)
{
    ecert_buffer_clear(&names->text);
    free(names->starts);
    *names = (struct names){0};
}

static void auto_closedir(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

static uint8_t kind_of(unsigned char type)
{
    return type == DT_DIR ? DIRECTORY : type == DT_REG ? REGULAR : type == DT_LNK ? LINK : UNKNOWN;
}

static enum ecert_status add_name(struct names *names, const struct dirent *entry,
                                  struct ecert_error *err)
{
    const uint8_t kind = kind_of(entry->d_type);

    if (names->n == names->room) {
        const size_t room = names->room == 0 ? 64 : 2 * names->room;
        uint32_t *starts = reallocarray(names->starts, room, sizeof *starts);
        if (starts == NULL)
            return ecert_error_nomem(err);
        names->starts = starts;
        names->room = room;
    }
    names->starts[names->n++] = (uint32_t)names->text.len;
    ecert_buffer_add(&names->text, (struct ecert_view){&kind, 1});
    ecert_buffer_add(&names->text, (struct ecert_view){(const uint8_t *)entry->d_name,
                                                       strlen(entry->d_name) + 1});
    if (names->text.failed || names->text.len > UINT32_MAX)
        return ecert_error_nomem(err);
    return ECERT_OK;
}

static int by_name(const void *a, const void *b, void *text)
{
    const char *names = text;

    return strcmp(names + *(const uint32_t *)a + 1, names + *(const uint32_t *)b + 1);
}

/* Sorted; without hidden ones, and without sockets, devices and FIFOs of other names. */
static enum ecert_status list(const char *directory, struct names *ret, struct ecert_error *err)
{
    ECERT_AUTO(names_clear) struct names names = {0};
    ECERT_AUTO(auto_closedir) DIR *dir = opendir(directory);

    if (dir == NULL)
        return ecert_error_errno(err, errno == ENOENT ? ECERT_E_NOT_FOUND : ECERT_E_IO, "%s", "");
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL && errno != 0)
            return ecert_error_errno(err, ECERT_E_IO, "%s", "");
        if (entry == NULL)
            break;
        const bool special = entry->d_type == DT_FIFO || entry->d_type == DT_SOCK ||
                             entry->d_type == DT_CHR || entry->d_type == DT_BLK;
        if (entry->d_name[0] != '.' && (!special || scan_is_named_certificate(entry->d_name)))
            ECERT_TRY(add_name(&names, entry, err));
    }
    if (names.n > 1)
        qsort_r(names.starts, names.n, sizeof *names.starts, by_name, names.text.ptr);
    *ret = names;
    names = (struct names){0};
    return ECERT_OK;
}

/* ---- the walk ---- */

struct walk {
    struct ecert_scan *scan;
    struct targets targets;
    unsigned depth;
};

static void walk_clear(struct walk *walk)
{
    targets_clear(&walk->targets);
}

static enum ecert_status walk_directory(struct walk *walk, const char *directory,
                                        struct ecert_error *err);

/* A link to a file is read under the name of the first link that leads there. */
static enum ecert_status walk_link(struct walk *walk, const char *path, struct ecert_error *err)
{
    struct stat st;
    bool is_new = true;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode) || (!S_ISREG(st.st_mode) && !scan_is_named_certificate(path)))
            return ECERT_OK;
        ECERT_TRY(add_target(&walk->targets, &st, &is_new, err));
    }
    return is_new ? scan_enqueue(walk->scan, path, true, NULL, err) : ECERT_OK;
}

static enum ecert_status walk_entry(struct walk *walk, const char *path, uint8_t kind,
                                    struct ecert_error *err)
{
    struct stat st;

    if (kind == UNKNOWN) { /* the file system does not say */
        if (lstat(path, &st) != 0)
            return ECERT_OK; /* gone */
        kind = S_ISDIR(st.st_mode) ? DIRECTORY : S_ISLNK(st.st_mode) ? LINK : REGULAR;
    }
    if (kind == DIRECTORY)
        return walk_directory(walk, path, err);
    if (kind == LINK)
        return walk_link(walk, path, err);
    return scan_enqueue(walk->scan, path, true, NULL, err);
}

/* "the directory 'PATH' cannot be listed: reason" as the error of the directory itself. */
static enum ecert_status tell_unlisted(struct walk *walk, const char *directory,
                                       const struct ecert_error *reason, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer text = {0};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes sentence = {0};
    struct ecert_error why = {0};

    ecert_buffer_add_text(&text, "the directory ");
    scan_add_path(&text, directory);
    ecert_buffer_add_text(&text, " cannot be listed");
    ecert_buffer_add_text(&text, reason->text);
    ECERT_TRY(ecert_buffer_take(&text, &sentence, err));
    (void)ecert_error_set(&why, reason->status, "%s", (const char *)sentence.ptr);
    return scan_enqueue(walk->scan, directory, true, &why, err);
}

static enum ecert_status walk_directory(struct walk *walk, const char *directory,
                                        struct ecert_error *err)
{
    ECERT_AUTO(names_clear) struct names names = {0};
    const size_t len = strlen(directory);
    const char *slash = len > 0 && directory[len - 1] == '/' ? "" : "/";
    struct ecert_error reason = {0};
    enum ecert_status status = ECERT_OK;

    if (walk->depth == DEPTH_MAX)
        status = ecert_error_set(&reason, ECERT_E_IO, ": more than %d directories deep", DEPTH_MAX);
    else
        status = list(directory, &names, &reason);
    if (status == ECERT_E_NOMEM) {
        *err = reason;
        return status;
    }
    if (status != ECERT_OK)
        return tell_unlisted(walk, directory, &reason, err);

    walk->depth++;
    for (size_t i = 0; i < names.n && status == ECERT_OK; i++) {
        ECERT_AUTO(ecert_auto_free) char *path = NULL;
        const char *name = (const char *)names.text.ptr + names.starts[i];
        status = ecert_text_format(&path, err, "%s%s%s", directory, slash, name + 1);
        if (status == ECERT_OK)
            status = walk_entry(walk, path, (uint8_t)name[0], err);
    }
    walk->depth--;
    return status;
}

enum ecert_status ecert_scan_add_directory(struct ecert_scan *scan, const char *directory,
                                           struct ecert_error *err)
{
    ECERT_AUTO(walk_clear) struct walk walk = {.scan = scan};

    return walk_directory(&walk, directory, err);
}

/* glob(3) gives its callback no context. */
static _Thread_local struct {
    struct ecert_strings directories;
    int errnos[16]; /* of the first ones; the others are told with the last of these */
    bool failed;
} unlisted;

static int note_unlisted(const char *directory, int why)
{
    struct ecert_error ignored = {0};

    if (why == ENOENT || why == ENOTDIR || unlisted.failed ||
        ecert_strings_contain(&unlisted.directories, directory))
        return 0;
    if (unlisted.directories.len < ARRAY_SIZE(unlisted.errnos))
        unlisted.errnos[unlisted.directories.len] = why;
    unlisted.failed = ecert_strings_add(&unlisted.directories, directory, &ignored) != ECERT_OK;
    return 0;
}

static enum ecert_status tell_all_unlisted(struct ecert_scan *scan, struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings directories = unlisted.directories;
    struct walk walk = {.scan = scan};

    unlisted.directories = (struct ecert_strings){0};
    if (unlisted.failed)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < directories.len; i++) {
        const size_t last = ARRAY_SIZE(unlisted.errnos) - 1;
        struct ecert_error reason = {0};

        errno = unlisted.errnos[i < last ? i : last];
        (void)ecert_error_errno(&reason, ECERT_E_IO, "%s", "");
        ECERT_TRY(tell_unlisted(&walk, directories.items[i], &reason, err));
    }
    return ECERT_OK;
}

enum ecert_status ecert_scan_add_glob(struct ecert_scan *scan, const char *pattern,
                                      size_t *ret_matches, struct ecert_error *err)
{
    glob_t matches = {0};

    unlisted.failed = false;
    const int how = glob(pattern, 0, note_unlisted, &matches);
    enum ecert_status status = tell_all_unlisted(scan, err);

    if (how != 0 && how != GLOB_NOMATCH) {
        globfree(&matches);
        return how == GLOB_NOSPACE ? ecert_error_nomem(err)
                                   : ecert_error_set(err, ECERT_E_IO,
                                                     "the files of '%s' cannot be listed", pattern);
    }
    for (size_t i = 0; i < matches.gl_pathc && status == ECERT_OK; i++)
        status = scan_enqueue(scan, matches.gl_pathv[i], true, NULL, err);
    if (status == ECERT_OK)
        *ret_matches = matches.gl_pathc;
    globfree(&matches);
    return status;
}
