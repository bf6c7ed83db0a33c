#include "core/net/jail.h"

#include <errno.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/fs.h"
#include "core/base/pipes.h"

#define NOBODY          65534
#define MAX_DESCRIPTORS 1024

/* ---- who we are ---- */

static void close_file(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

/*
 * Read from the file itself: asking the name service would load its modules, foreign code, while we
 * are root; and the user of a package is always in the file.
 */
static void find_user(uid_t *ret_uid, gid_t *ret_gid)
{
    ECERT_AUTO(close_file) FILE *file = fopen("/etc/passwd", "re");
    const struct passwd *user;

    *ret_uid = NOBODY;
    *ret_gid = NOBODY;
    while (file != NULL && (user = fgetpwent(file)) != NULL)
        if (strcmp(user->pw_name, "ecert-net") == 0 && user->pw_uid != 0 && user->pw_gid != 0) {
            *ret_uid = user->pw_uid;
            *ret_gid = user->pw_gid;
            return;
        }
}

static enum ecert_status drop_privileges(struct ecert_error *err)
{
    uid_t uid;
    gid_t gid;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return ecert_error_errno(err, ECERT_E_REFUSED, "no_new_privs");
    find_user(&uid, &gid);
    if (geteuid() == 0 && ecert_drop_root(uid, gid) != 0)
        return ecert_error_errno(err, ECERT_E_REFUSED, "become user %u", (unsigned)uid);
    /* both are reset by the kernel when the user changes, therefore after it */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return ecert_error_errno(err, ECERT_E_REFUSED, "not dumpable");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return ecert_error_errno(err, ECERT_E_REFUSED, "end with the parent");
    return ECERT_OK;
}

static enum ecert_status set_limits(struct ecert_error *err)
{
    const struct rlimit none = {0, 0};
    struct rlimit files;

    /* not RLIMIT_NPROC: it counts every process of the user, and the resolver needs a thread */
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return ecert_error_errno(err, ECERT_E_REFUSED, "read the limit of descriptors");
    if (files.rlim_max > MAX_DESCRIPTORS)
        files.rlim_max = MAX_DESCRIPTORS;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
        setrlimit(RLIMIT_FSIZE, &none) != 0)
        return ecert_error_errno(err, ECERT_E_REFUSED, "set limits");
    return ECERT_OK;
}

/* ---- what we may ask the kernel ---- */

#define CALL(name)            \
    {                         \
#name, SCMP_SYS(name) \
    }

static const struct {
    const char *name;
    int number; /* negative where the architecture lacks it; libseccomp accepts that */
} denied[] = {
    /* programs and processes; clone is below */
    CALL(execve), CALL(execveat), CALL(fork), CALL(vfork),
    /* other processes; tgkill is below */
    CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(process_madvise),
    CALL(kcmp), CALL(pidfd_open), CALL(pidfd_getfd), CALL(pidfd_send_signal), CALL(kill),
    CALL(tkill), CALL(rt_sigqueueinfo), CALL(rt_tgsigqueueinfo),
    /* mounts and namespaces */
    CALL(mount), CALL(umount), CALL(umount2), CALL(pivot_root), CALL(chroot), CALL(move_mount),
    CALL(open_tree), CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(mount_setattr),
    CALL(unshare), CALL(setns), CALL(open_by_handle_at), CALL(name_to_handle_at),
    /* parts of the kernel that only widen what can be attacked */
    CALL(bpf), CALL(perf_event_open), CALL(userfaultfd), CALL(io_uring_setup), CALL(io_uring_enter),
    CALL(io_uring_register), CALL(personality), CALL(modify_ldt), CALL(add_key), CALL(request_key),
    CALL(keyctl),
    /* the machine */
    CALL(kexec_load), CALL(kexec_file_load), CALL(init_module), CALL(finit_module),
    CALL(delete_module), CALL(reboot), CALL(swapon), CALL(swapoff), CALL(acct), CALL(quotactl),
    CALL(syslog), CALL(sethostname), CALL(setdomainname), CALL(settimeofday), CALL(clock_settime),
    CALL(clock_adjtime), CALL(adjtimex), CALL(iopl), CALL(ioperm),
    /* we call, nobody calls us */
    CALL(listen), CALL(accept), CALL(accept4)};

#ifdef __s390x__
#define CLONE_FLAGS SCMP_A1 /* the new stack comes first there */
#else
#define CLONE_FLAGS SCMP_A0
#endif

/* Calls that are denied with certain arguments only; 0 or a negative errno. */
static int deny_by_argument(scmp_filter_ctx filter)
{
    const scmp_datum_t self = (scmp_datum_t)getpid();
    int failed = 0;

    /* threads, yes (the resolver); processes, no.  clone3's flags are behind a pointer: with
     * ENOSYS the C library falls back to clone */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                               CLONE_FLAGS(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* abort() signals ourselves */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
                               SCMP_A0(SCMP_CMP_NE, self, 0));
    /* typing into a terminal */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                               SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
    /* local sockets and IP; netlink tells the resolver which addresses we have */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));
    for (unsigned family = 0; family < AF_NETLINK && failed == 0; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                       SCMP_A0(SCMP_CMP_EQ, family, 0));
    return failed;
}

static void release_filter(scmp_filter_ctx *filter)
{
    if (*filter != NULL)
        seccomp_release(*filter);
}

static enum ecert_status filter_calls(struct ecert_error *err)
{
    ECERT_AUTO(release_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (filter == NULL)
        return ecert_error_nomem(err);
    for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
        const int failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), denied[i].number, 0);

        if (failed != 0) {
            errno = -failed;
            return ecert_error_errno(err, ECERT_E_REFUSED, "seccomp: deny %s", denied[i].name);
        }
    }
    if (deny_by_argument(filter) != 0)
        return ecert_error_set(err, ECERT_E_REFUSED, "seccomp: a rule was not accepted");
    const int failed = seccomp_load(filter);
    if (failed != 0) {
        errno = -failed;
        return ecert_error_errno(err, ECERT_E_UNSUPPORTED, "seccomp: load the filter");
    }
    return ECERT_OK;
}

/* ---- which files we may change: none ---- */

#ifndef LANDLOCK_ACCESS_FS_REFER /* since Linux 5.19 */
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE /* since Linux 6.2 */
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

static enum ecert_status forbid_writing(struct ecert_error *err)
{
    struct landlock_ruleset_attr rules = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM};
    const long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
        return ECERT_OK;
    if (version >= 2)
        rules.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        rules.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;

    /* no rule is added: what is handled is allowed nowhere */
    ECERT_AUTO(ecert_auto_close)
    int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        return ecert_error_errno(err, ECERT_E_REFUSED, "landlock");
    return ECERT_OK;
}

/* Landlock before seccomp: the later allow-list need not know its calls. */
enum ecert_status ecert_jail_enter(struct ecert_error *err)
{
    ECERT_TRY(drop_privileges(err));
    ECERT_TRY(set_limits(err));
    ECERT_TRY(forbid_writing(err));
    return filter_calls(err);
}
