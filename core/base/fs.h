/*
 * Files: read once, trusted by owner and mode, replaced never in place.
 *
 * Writing is: same directory, O_EXCL, a random name, 0600 until complete, space asked for first,
 * content, owner, mode, labels, fsync, rename, fsync of the directory.  fsync is tried once: after
 * a failure the kernel may report success with the data lost, so a file whose fsync failed is
 * thrown away and written anew, once.
 *
 * Trust: "root's or the invoking user's, not writable by others" — the rule for configurations,
 * plugins, password files and for every directory that we create files in.
 */
#ifndef ECERT_BASE_FS_H
#define ECERT_BASE_FS_H

#include <sys/stat.h>
#include <sys/types.h>

#include "core/base/bytes.h"

/* ECERT_AUTO(ecert_auto_close) int fd = -1;  Keeps errno. */
void ecert_auto_close(int *fd);

/* Read the descriptor out and leave -1: the visible act of handing over. */
int ecert_fd_take(int *fd);

/* ---- names ---- */

/* Absolute, no empty, "." or ".." part, no trailing slash, no control byte. */
bool ecert_path_is_plain(const char *path);

/* `path` is `directory` or below it; both plain. */
bool ecert_path_is_below(const char *path, const char *directory);

/* The last part of a path; points into it. */
const char *ecert_path_base(const char *path);

/* The path with every symbolic link followed (the last part too).  ECERT_E_NOT_FOUND, ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_resolve(const char *path, char **ret,
                                                    struct ecert_error *err);

/*
 * The same for a file that need not exist: its directory is resolved, the last part kept (and
 * followed while it is a link).
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_resolve_new(const char *path, char **ret,
                                                        struct ecert_error *err);

/* ---- reading ---- */

/*
 * Read a regular file whole.  Links are followed.  ECERT_E_NOT_FOUND; ECERT_E_REFUSED: not a
 * regular file, or more than max_len bytes; ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_read(const char *path, size_t max_len,
                                                 struct ecert_bytes *ret, struct ecert_error *err);
ECERT_MUST_CHECK enum ecert_status ecert_fs_read_secret(const char *path, size_t max_len,
                                                        struct ecert_secret *ret,
                                                        struct ecert_error *err);

/*
 * The same, and whose it is and who may touch it: *ret_st is of the file that was read, whatever
 * has that name by now.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_read_secret_stat(const char *path, size_t max_len,
                                                             struct ecert_secret *ret,
                                                             struct stat *ret_st,
                                                             struct ecert_error *err);

/* Read a name of a directory that strangers may write: no link is followed, nothing blocks. */
ECERT_MUST_CHECK enum ecert_status ecert_fs_read_at(int dir_fd, const char *name, size_t max_len,
                                                    struct ecert_bytes *ret,
                                                    struct ecert_error *err);

/* A file of /proc or /sys, whose size is not known before: at most 1 MiB. */
ECERT_MUST_CHECK enum ecert_status ecert_fs_read_proc(const char *path, struct ecert_bytes *ret,
                                                      struct ecert_error *err);

/* Names in a directory, sorted, without "." and "..". */
ECERT_MUST_CHECK enum ecert_status ecert_fs_list(const char *path, struct ecert_strings *ret,
                                                 struct ecert_error *err);

bool ecert_fs_exists(const char *path);

/* ---- trust ---- */

/*
 * The file is regular, it and every directory above it belong to root or to the invoking user and
 * cannot be written by anybody else (a sticky directory such as /tmp may be above, not directly
 * around it).  Links are followed, and must be trusted like the rest: who may replace one chooses
 * what is read after this check.  ECERT_E_REFUSED names the part that is not trusted and
 * its owner or mode; ECERT_E_NOT_FOUND; ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_check_trusted(const char *path,
                                                          struct ecert_error *err);

/*
 * Every directory and every symbolic link on the way to `path`, which need not exist: whoever may
 * write one of them decides where the path leads.  What is at the end is not looked at.
 * ECERT_E_REFUSED, ECERT_E_IO.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_check_links(const char *path, struct ecert_error *err);

/*
 * Open a directory to create files in: reached without following any link (openat2), and trusted
 * as above, itself included.  `path` must be plain and resolved.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_open_trusted_directory(const char *path, int *ret_fd,
                                                                   struct ecert_error *err);

/* ---- writing ---- */

/* Whom a new file belongs to.  {0} is root's 0000: fill it in. */
struct ecert_fs_owner {
    uid_t uid;
    gid_t gid;
    mode_t mode;
};

/* The owner for a new file of the invoking user. */
struct ecert_fs_owner ecert_fs_own(mode_t mode);

#define ECERT_FS_TEMPORARY_MAX 288

/* A name for a temporary file beside `name`: ".<name>.ecert-<16 random hex digits>". */
ECERT_MUST_CHECK enum ecert_status ecert_fs_temporary_name(const char *name,
                                                           char ret[ECERT_FS_TEMPORARY_MAX],
                                                           struct ecert_error *err);

/*
 * Write a complete, synced file under the (temporary) name `tmp`, which must not exist.
 * `labels_from` (may be -1): ACLs and security labels are copied from this descriptor.
 * On failure nothing is left.  ECERT_E_IO; sys_errno ENOSPC when the disk is full.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_stage(int dir_fd, const char *tmp,
                                                  struct ecert_view content,
                                                  const struct ecert_fs_owner *owner,
                                                  int labels_from, struct ecert_error *err);

/*
 * Give a staged file its name and sync the directory.  *ret_durable is false when only that last
 * sync failed: the file is in place, whether it survives a power cut is not known.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_publish(int dir_fd, const char *tmp, const char *name,
                                                    bool *ret_durable, struct ecert_error *err);

/*
 * Stage and publish in one: for our own state files.  A directory whose sync failed after the
 * rename is ECERT_E_IO here, with a text that says that the file is in place.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_replace(const char *path, struct ecert_view content,
                                                    const struct ecert_fs_owner *owner,
                                                    struct ecert_error *err);

/* The same for a file that must not be there yet, not as a link either.  ECERT_E_REFUSED: it is. */
ECERT_MUST_CHECK enum ecert_status ecert_fs_create(const char *path, struct ecert_view content,
                                                   const struct ecert_fs_owner *owner,
                                                   struct ecert_error *err);

/* Make `name` a symbolic link to `value`, replacing a link that is there, by rename; synced. */
ECERT_MUST_CHECK enum ecert_status ecert_fs_replace_link(int dir_fd, const char *value,
                                                         const char *name, struct ecert_error *err);

/* The value of a link; ECERT_E_NOT_FOUND if absent, ECERT_E_REFUSED if not a link. */
ECERT_MUST_CHECK enum ecert_status ecert_fs_read_link(int dir_fd, const char *name, char **ret,
                                                      struct ecert_error *err);

/* Make a directory and those above it that are missing, each with `mode`; existing is fine. */
ECERT_MUST_CHECK enum ecert_status ecert_fs_make_directories(const char *path, mode_t mode,
                                                             struct ecert_error *err);

ECERT_MUST_CHECK enum ecert_status ecert_fs_sync_directory(const char *path,
                                                           struct ecert_error *err);

/* A file of a new folder. */
struct ecert_fs_file {
    const char *name;
    struct ecert_view content;
};

/*
 * Make a folder of the invoking user (0700, its files 0600) in `dir_fd`.  It is made under a
 * temporary name and synced; `name` appears when all is there.  `what` says in errors what the
 * folder is ("request").  On failure nothing is left, but after a failure of the very last sync it
 * is in place, and the text says so.  ECERT_E_IO; ECERT_E_REFUSED: the name is taken.
 */
ECERT_MUST_CHECK enum ecert_status ecert_fs_add_folder(int dir_fd, const char *name,
                                                       const char *what,
                                                       const struct ecert_fs_file *files, size_t n,
                                                       struct ecert_error *err);

/* Remove a file or a whole folder of ours; absent is fine; no link is followed. */
ECERT_MUST_CHECK enum ecert_status ecert_fs_remove_tree(int dir_fd, const char *name,
                                                        struct ecert_error *err);

#endif
