#include "core/flow/private_view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MOUNTINFO_MAX (16u << 20)
#define UPPER_OPTIONS "size=64m,mode=0755"

/* What the new process tells us about its view, in shared memory. */
struct report {
    bool made;
    struct ecert_error err;
};

struct context {
    const struct ecert_view_spec *spec;
    struct report *report;
};

/* ---- the namespace ---- */

static enum ecert_status leave_namespace(struct ecert_error *err)
{
    if (unshare(CLONE_NEWNS) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "private mounts");
    return ECERT_OK;
}

/* ---- mounts ---- */

/* One field of mountinfo, ended by a blank, with its octal escapes undone; moves *at behind it. */
static char *take_field(char **at)
{
    char *start = *at, *to = start, *from = start;

    while (*from != ' ' && *from != '\0') {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *at = *from == '\0' ? from : from + 1;
    *to = '\0';
    return start;
}

/* How a kind of file system gets into the view. */
enum way { WAY_OVERLAY, WAY_READ_ONLY, WAY_WITH_ALL_BELOW, WAY_LEAVE_OUT };

static enum way way_of(const char *type)
{
    static const struct {
        const char *type;
        enum way way;
    } rows[] = {
        {"proc", WAY_WITH_ALL_BELOW},
        {"sysfs", WAY_WITH_ALL_BELOW},
        {"devtmpfs", WAY_WITH_ALL_BELOW},
        {"devpts", WAY_WITH_ALL_BELOW},
        {"cgroup", WAY_WITH_ALL_BELOW},
        {"cgroup2", WAY_WITH_ALL_BELOW},
        {"mqueue", WAY_WITH_ALL_BELOW},
        {"hugetlbfs", WAY_WITH_ALL_BELOW},
        {"securityfs", WAY_WITH_ALL_BELOW},
        {"debugfs", WAY_WITH_ALL_BELOW},
        {"tracefs", WAY_WITH_ALL_BELOW},
        {"pstore", WAY_WITH_ALL_BELOW},
        {"bpf", WAY_WITH_ALL_BELOW},
        {"configfs", WAY_WITH_ALL_BELOW},
        {"efivarfs", WAY_WITH_ALL_BELOW},
        {"fusectl", WAY_WITH_ALL_BELOW},
        {"binfmt_misc", WAY_LEAVE_OUT},
        {"rpc_pipefs", WAY_LEAVE_OUT},
        {"nsfs", WAY_LEAVE_OUT},
        {"autofs", WAY_LEAVE_OUT},  /* a look would mount it */
        {"overlay", WAY_READ_ONLY}, /* a container's: overlays do not stack far */
        {"squashfs", WAY_READ_ONLY},
        {"iso9660", WAY_READ_ONLY},
        {"ramfs", WAY_READ_ONLY},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].type, type) == 0)
            return rows[i].way;
    return strncmp(type, "fuse", 4) == 0 ? WAY_READ_ONLY : WAY_OVERLAY;
}

/* Overlay options separate with "," and ":", and a backslash escapes. */
static void add_option_path(struct ecert_buffer *buffer, const char *path)
{
    for (; *path != '\0'; path++)
        ecert_buffer_printf(buffer, "%s%c", strchr(",:\\", *path) != NULL ? "\\" : "", *path);
}

/* A directory of the upper layer looks like the one below it, or others could not pass it. */
static int make_upper(const char *path, const struct stat *like)
{
    if (mkdir(path, 0755) != 0)
        return -1;
    if (chown(path, like->st_uid, like->st_gid) != 0)
        return -1;
    return chmod(path, like->st_mode & 07777);
}

/* An overlay of `where` at ROOT/where; -1 with errno. */
static int mount_overlay(const char *where, const char *target, const struct stat *like,
                         unsigned number)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer options = {0};
    char upper[64], work[64];

    (void)snprintf(upper, sizeof upper, "up/%u", number);
    (void)snprintf(work, sizeof work, "work/%u", number);
    if (make_upper(upper, like) != 0 || mkdir(work, 0700) != 0)
        return -1;
    ecert_buffer_add_text(&options, "lowerdir=");
    add_option_path(&options, where);
    ecert_buffer_printf(&options, ",upperdir=%s,workdir=%s", upper, work);
    if (options.failed) {
        errno = ENOMEM;
        return -1;
    }
    return mount("overlay", target, "overlay", 0, (const char *)options.ptr);
}

static int bind_mount(const char *where, const char *target, bool all_below)
{
    if (mount(where, target, NULL, MS_BIND | (all_below ? MS_REC : 0), NULL) != 0)
        return -1;
    return all_below ? 0 : mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

static bool is_below_any(const char *path, const struct ecert_strings *directories)
{
    for (size_t i = 0; i < directories->len; i++)
        if (ecert_path_is_below(path, directories->items[i]))
            return true;
    return false;
}

/* One line of mountinfo: "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw". */
static enum ecert_status add_mount(char *line, unsigned number, struct ecert_strings *done,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *target = NULL;
    char *at = line, *where = NULL;
    struct stat like;

    for (int i = 0; i < 5; i++)
        where = take_field(&at);
    while (*at != '\0' && strcmp(take_field(&at), "-") != 0)
        continue;
    const enum way way = way_of(take_field(&at));

    if (strcmp(where, "/") == 0 || way == WAY_LEAVE_OUT || is_below_any(where, done))
        return ECERT_OK;
    ECERT_TRY(ecert_text_format(&target, err, "root%s", where));
    if (stat(where, &like) != 0 || access(target, F_OK) != 0)
        return ECERT_OK; /* covered by another mount, or not for us to see */
    if (way == WAY_OVERLAY && S_ISDIR(like.st_mode) &&
        mount_overlay(where, target, &like, number) == 0)
        return ECERT_OK;
    const bool all_below = way == WAY_WITH_ALL_BELOW;
    if (bind_mount(where, target, all_below) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "bind '%s'", where);
    return all_below ? ecert_strings_add(done, where, err) : ECERT_OK;
}

static enum ecert_status read_mounts(struct ecert_buffer *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_close) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    uint8_t chunk[16384];
    ssize_t n = 0;

    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "open '/proc/self/mountinfo'");
    while (ret->len < MOUNTINFO_MAX && (n = read(fd, chunk, sizeof chunk)) > 0)
        ecert_buffer_add(ret, (struct ecert_view){chunk, (size_t)n});
    if (n < 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "read '/proc/self/mountinfo'");
    return ret->failed ? ecert_error_nomem(err) : ECERT_OK;
}

/* The tmpfs with root/ in it: an overlay of everything; the working directory is the tmpfs. */
static enum ecert_status build_root(const struct context *context, struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer mounts = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings done = {0};
    const char *workspace = context->spec->workspace;
    struct stat like;
    unsigned number = 1;
    char *rest = NULL;

    ECERT_TRY(read_mounts(&mounts, err));
    if (stat("/", &like) != 0 || mount("tmpfs", workspace, "tmpfs", 0, UPPER_OPTIONS) != 0 ||
        chdir(workspace) != 0 || mkdir("up", 0755) != 0 || mkdir("work", 0755) != 0 ||
        mkdir("root", 0755) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "a tmpfs on '%s'", workspace);
    if (mount_overlay("/", "root", &like, 0) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "an overlay of '/'");
    for (char *line = strtok_r((char *)mounts.ptr, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        ECERT_TRY(add_mount(line, number++, &done, err));
    return ECERT_OK;
}

static enum ecert_status enter_root(struct ecert_error *err)
{
    /* the old root goes on top of the new one, and away: no directory is needed for it */
    if (chdir("root") != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
        umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "enter the view");
    return ECERT_OK;
}

/* ---- the changes ---- */

/*
 * Remove what stands at a path of the view, so that nothing is copied up.  Only on an overlay: this
 * is the last guard between the view and a real disk.
 */
static enum ecert_status make_room(const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free)
    char *directory = strndup(path, (size_t)(strrchr(path, '/') - path));
    struct statfs fs;

    if (directory == NULL)
        return ecert_error_nomem(err);
    if (statfs(directory[0] == '\0' ? "/" : directory, &fs) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "look at '%s' in the view", directory);
    if (fs.f_type != OVERLAYFS_SUPER_MAGIC)
        return ecert_error_set(err, ECERT_E_UNSUPPORTED,
                               "'%s' lies on a file system that cannot be overlaid", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "replace '%s' in the view", path);
    return ECERT_OK;
}

static enum ecert_status place_file(const char *path, struct ecert_view content,
                                    struct ecert_fs_owner owner, struct ecert_error *err)
{
    ECERT_TRY(make_room(path, err));
    ECERT_AUTO(ecert_auto_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "place '%s' in the view", path);
    ECERT_TRY(ecert_write_all(fd, content, err));
    if (fchown(fd, owner.uid, owner.gid) != 0 || fchmod(fd, owner.mode) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "place '%s' in the view", path);
    return ECERT_OK;
}

static enum ecert_status place_link(const struct ecert_item *item, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *value = NULL;

    ECERT_TRY(ecert_text_copy(ecert_secret_view(&item->after), &value, err));
    ECERT_TRY(make_room(item->path, err));
    if (symlink(value, item->path) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "place '%s' in the view", item->path);
    return ECERT_OK;
}

/* Temporaries beside the files would be read by a server that includes a whole directory. */
static void hide_temporaries(const struct ecert_item *item)
{
    const char *const names[] = {item->temporary, item->backup};
    const int directory = open(item->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < ARRAY_SIZE(names) && directory >= 0; i++)
        if (names[i][0] != '\0')
            (void)unlinkat(directory, names[i], 0);
    if (directory >= 0)
        (void)close(directory);
}

static enum ecert_status place_items(const struct context *context, struct ecert_error *err)
{
    const struct ecert_items *items = context->spec->items;

    for (size_t i = 0; items != NULL && i < items->n; i++) {
        const struct ecert_item *item = &items->list[i];

        hide_temporaries(item);
        if (item->is_link)
            ECERT_TRY(place_link(item, err));
        else
            ECERT_TRY(
                place_file(item->path, ecert_secret_view(&item->after), item->after_owner, err));
    }
    return ECERT_OK;
}

/* An empty file with the same owner and mode in the place of each that is there. */
static enum ecert_status empty_scratch(const struct context *context, struct ecert_error *err)
{
    for (const char *const *path = context->spec->scratch; path != NULL && *path != NULL; path++) {
        ECERT_AUTO(ecert_auto_free) char *resolved = realpath(*path, NULL);
        struct stat st;

        if (resolved == NULL || stat(resolved, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
            continue;
        ECERT_TRY(place_file(resolved, (struct ecert_view){0},
                             (struct ecert_fs_owner){st.st_uid, st.st_gid, st.st_mode & 07777},
                             err));
    }
    return ECERT_OK;
}

/* ---- privileges ---- */

static enum ecert_status give_up_privileges(struct ecert_error *err)
{
    static const unsigned kept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                                    CAP_SETUID, CAP_SETGID,       CAP_NET_BIND_SERVICE};

    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        bool keep = false;

        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
            keep = keep || kept[i] == cap;
        if (!keep && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "give up capability %lu", cap);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "give up new privileges");
    return ECERT_OK;
}

/* ---- the whole ---- */

static enum ecert_status make_view(struct context *context, struct ecert_error *err)
{
    ECERT_TRY(leave_namespace(err));
    ECERT_TRY(build_root(context, err));
    ECERT_TRY(enter_root(err));
    ECERT_TRY(place_items(context, err));
    ECERT_TRY(empty_scratch(context, err));
    return give_up_privileges(err);
}

/* In the new process, before exec. */
static int enter(void *pointer)
{
    struct context *context = pointer;

    context->report->made = make_view(context, &context->report->err) == ECERT_OK;
    return context->report->made ? 0 : -1;
}

enum ecert_status ecert_private_view_run(const struct ecert_view_spec *spec,
                                         struct ecert_run_result *ret, struct ecert_error *err)
{
    ECERT_AUTO(ecert_run_result_clear) struct ecert_run_result result = {0};
    struct context context = {.spec = spec};
    const struct ecert_run_spec run = {.argv = spec->argv,
                                       .timeout_ms = spec->timeout_ms,
                                       .max_output = 1u << 20,
                                       .enter = enter,
                                       .context = &context,
                                       .meanwhile = spec->meanwhile};

    context.report = mmap(NULL, sizeof *context.report, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (context.report == MAP_FAILED)
        return ecert_error_errno(err, ECERT_E_IO, "shared memory");
    enum ecert_status status = ecert_run(&run, &result, err);
    if (!context.report->made && context.report->err.status != ECERT_OK) {
        *err = context.report->err;
        err->status = ECERT_E_UNSUPPORTED;
        status = err->status;
    }
    (void)munmap(context.report, sizeof *context.report);
    if (status != ECERT_OK)
        return status;
    *ret = result;
    result = (struct ecert_run_result){0};
    return ECERT_OK;
}
