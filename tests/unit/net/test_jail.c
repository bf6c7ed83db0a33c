/*
 * Each row is tried twice in a process of its own: outside the jail it must work (or the row would
 * prove nothing), inside it must fail with the errno of the row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/net/jail.h"

static char folder[256], key_file[300], open_file[300];

/* Each answers 0 or an errno. */
static int result(long value)
{
    return value < 0 ? errno : 0;
}

static int read_key(void)
{
    return result(open(key_file, O_RDONLY | O_CLOEXEC));
}

static int read_public_file(void)
{
    return result(open(open_file, O_RDONLY | O_CLOEXEC));
}

/* writable by everybody: only the jail stands before it */
static int write_public_file(void)
{
    return result(open(open_file, O_WRONLY | O_CLOEXEC));
}

static int make_file(void)
{
    char path[400];

    (void)snprintf(path, sizeof path, "%s/open/%d", folder, (int)getpid());
    return result(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static int execute(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    char *const envp[] = {NULL};

    (void)execve("/bin/true", argv, envp); /* outside: exit code 0 of true itself */
    return errno;
}

static int execute_at(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    char *const envp[] = {NULL};

    (void)syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, envp, 0);
    return errno;
}

static int fork_one(void)
{
    const pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return result(pid);
}

static void *nothing(void *context)
{
    return context;
}

static int start_thread(void)
{
    pthread_t thread;
    const int failed = pthread_create(&thread, NULL, nothing, NULL);

    if (failed == 0)
        (void)pthread_join(thread, NULL);
    return failed;
}

static int become_root(void)
{
    return result(setresuid(0, 0, 0));
}

static int become_root_group(void)
{
    return result(setresgid(0, 0, 0));
}

static int signal_parent(void)
{
    return result(kill(getppid(), 0));
}

static int be_traced(void)
{
    return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int new_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int serve(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return result(fd < 0 ? fd : listen(fd, 1));
}

static int open_packet_socket(void)
{
    return result(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int open_inet_socket(void)
{
    return result(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int read_key_ring(void)
{
    return result(syscall(SYS_keyctl, 0 /* get id */, -3 /* session */, 1));
}

static int have_core_dumps(void)
{
    struct rlimit core;

    (void)getrlimit(RLIMIT_CORE, &core);
    return prctl(PR_GET_DUMPABLE) == 0 && core.rlim_max == 0 ? EPERM : 0;
}

static int gain_privileges(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

static int outlive_parent(void)
{
    int at_death = 0;

    (void)prctl(PR_GET_PDEATHSIG, &at_death);
    return at_death == SIGKILL ? EPERM : 0;
}

static const struct row {
    const char *name;
    int (*attempt)(void);
    int inside;
    bool by_landlock;
} rows[] = {
    {"a key of root cannot be read", read_key, EACCES, false},
    {"a file of everybody can be read", read_public_file, 0, false},
    {"a file of everybody cannot be written", write_public_file, EACCES, true},
    {"no file can be made", make_file, EACCES, true},
    {"no program can be executed", execute, EPERM, false},
    {"no program can be executed by execveat", execute_at, EPERM, false},
    {"no process can be made", fork_one, EPERM, false},
    {"a thread can be started", start_thread, 0, false},
    {"root cannot be regained", become_root, EPERM, false},
    {"root's group cannot be regained", become_root_group, EPERM, false},
    {"others cannot be signalled", signal_parent, EPERM, false},
    {"nothing can be traced", be_traced, EPERM, false},
    {"no namespace can be made", new_namespace, EPERM, false},
    {"nobody can be served", serve, EPERM, false},
    {"packets cannot be listened to", open_packet_socket, EAFNOSUPPORT, false},
    {"a connection can be made", open_inet_socket, 0, false},
    {"no keyring can be read", read_key_ring, EPERM, false},
    {"no core dump is written", have_core_dumps, EPERM, false},
    {"no privilege can be gained", gain_privileges, EPERM, false},
    {"it does not outlive its parent", outlive_parent, EPERM, false},
};

#define JAIL_FAILED 250

static int try_in_child(const struct row *row, bool jailed)
{
    const pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct ecert_error err = {0};

        if (jailed && ecert_jail_enter(&err) != ECERT_OK) {
            (void)dprintf(2, "jail: %s\n", err.text);
            _exit(JAIL_FAILED);
        }
        _exit(row->attempt());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* version */) > 0;
}

static void check_row(void **state)
{
    const struct row *row = *state;

    if (geteuid() != 0 || (row->by_landlock && !has_landlock()))
        skip(); /* the rows are about what root loses */
    assert_int_equal(try_in_child(row, false), 0);
    assert_int_equal(try_in_child(row, true), row->inside);
}

static int make_files(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char path[400];

    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/ecert-jail-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s/open", folder);
    if (mkdir(path, 0777) != 0 || chmod(path, 0777) != 0)
        return -1;
    (void)snprintf(key_file, sizeof key_file, "%s/key.pem", folder);
    (void)snprintf(open_file, sizeof open_file, "%s/open/file", folder);
    const int key = open(key_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const int file = open(open_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    const bool ok = key >= 0 && file >= 0 && fchmod(file, 0666) == 0;
    (void)close(key);
    (void)close(file);
    return ok ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_files(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_SIZE(rows)] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i] = (struct CMUnitTest){.name = rows[i].name,
                                       .test_func = check_row,
                                       .initial_state = (void *)(uintptr_t)&rows[i]};
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
