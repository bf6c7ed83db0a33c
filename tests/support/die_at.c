/*
 * Preloaded into a program, it kills it (SIGKILL) just before the N-th call that changes the file
 * system: ECERT_DIE_AT=N.  Only the process that was started counts and dies, none of its children.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long left;
static pid_t own;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("ECERT_DIE_AT");

    left = at == NULL ? 0 : strtol(at, NULL, 10);
    own = getpid();
}

static void step(void)
{
    if (left > 0 && getpid() == own && --left == 0)
        (void)kill(own, SIGKILL);
}

static int exists(int directory, const char *name)
{
    struct stat st;

    return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int renameat(int a, const char *from, int b, const char *to)
{
    step();
    return NEXT(renameat)(a, from, b, to);
}

int rename(const char *from, const char *to)
{
    step();
    return NEXT(rename)(from, to);
}

int unlink(const char *name)
{
    if (exists(AT_FDCWD, name))
        step();
    return NEXT(unlink)(name);
}

int linkat(int a, const char *from, int b, const char *to, int flags)
{
    step();
    return NEXT(linkat)(a, from, b, to, flags);
}

int symlinkat(const char *value, int a, const char *name)
{
    step();
    return NEXT(symlinkat)(value, a, name);
}

int unlinkat(int a, const char *name, int flags)
{
    if (exists(a, name))
        step();
    return NEXT(unlinkat)(a, name, flags);
}

int mkdirat(int a, const char *name, mode_t mode)
{
    if (!exists(a, name))
        step();
    return NEXT(mkdirat)(a, name, mode);
}

int mkdir(const char *name, mode_t mode)
{
    if (!exists(AT_FDCWD, name))
        step();
    return NEXT(mkdir)(name, mode);
}

int fsync(int fd)
{
    step();
    return NEXT(fsync)(fd);
}

int openat(int a, const char *name, int flags, ...)
{
    va_list args;
    mode_t mode = 0;

    va_start(args, flags);
    if ((flags & (O_CREAT | O_TMPFILE)) != 0)
        mode = va_arg(args, mode_t);
    va_end(args);
    if ((flags & O_CREAT) != 0 && !exists(a, name))
        step();
    return NEXT(openat)(a, name, flags, mode);
}
