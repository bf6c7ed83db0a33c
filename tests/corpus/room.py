"""A room: namespaces of mounts, processes, network and host name, and a root of its own.

"/" is a tmpfs. /usr is the machine's, read-only, with an empty /usr/local; /dev is the machine's;
everything else (/etc, /var, /run, /opt, /srv, /home, ...) begins empty but for what programs need
to run. Nothing of the machine's own servers can be seen, and ports 80 and 443 are free. ecert's own
private views (core/flow/private_view.h) work in it: every mount can be the lower layer of an
overlay. The processes end with the room.
"""

import ctypes
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_HOST_NAME, NEW_PROCESSES, NEW_NETWORK = 0x20000, 0x4000000, 0x20000000, 0x40000000
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
DETACH = 2
PARENT_DEATH_SIGNAL = 1

# what a program of the machine looks for below /etc
NEEDED = ["alternatives", "ca-certificates.conf", "gai.conf", "group", "host.conf", "ld.so.cache",
          "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "passwd",
          "protocols", "services", "ssl/openssl.cnf"]
FOLDERS = ["etc", "var/log/nginx", "var/log/apache2", "var/log/httpd", "var/lib/nginx",
           "var/cache/nginx", "var/cache/apache2", "var/www/html", "run/lock/apache2", "run/nginx",
           "run/apache2", "run/httpd", "srv", "opt", "home", "root", "mnt", "dev", "proc", "ecert"]
# the users that other distributions run their servers as
USERS = ["nginx", "apache", "http", "www", "wwwrun", "httpd", "nobody"]


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))


def mount(source, target, kind, flags=0, options=None):
    def text(value):
        return None if value is None else os.fsencode(value)

    check(LIBC.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(options)),
          "mount '%s'" % target)


def die_with_parent():
    LIBC.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def copy(source, target):
    """A file, link or folder, owned by root; nothing is ignored, links are kept as they are."""
    if source.is_symlink():
        if target.is_symlink() or target.exists():
            target.unlink()
        target.symlink_to(os.readlink(source))
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for entry in source.iterdir():
            copy(entry, target / entry.name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def fill(root):
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir()
        (root / name).chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    (root / "var/lock").symlink_to("/run/lock")
    for name in NEEDED:
        source = pathlib.Path("/etc") / name
        if source.exists():
            copy(source.resolve() if source.is_file() else source, root / "etc" / name)
    for name in "passwd", "group":
        add_users(root / "etc" / name, name == "group")
    (root / "etc/hosts").write_text("127.0.0.1 localhost corpus.invalid corpus\n::1 localhost\n")
    (root / "etc/hostname").write_text("corpus\n")
    (root / "etc/resolv.conf").write_text("")


def add_users(path, group):
    lines = path.read_text().splitlines()
    there = {line.split(":")[0] for line in lines}
    wanted = USERS + ["wheel", "nogroup"] if group else USERS
    for number, name in enumerate(wanted, 64000):
        if name not in there:
            lines.append("%s:x:%d:" % (name, number) if group else
                         "%s:x:%d:65534::/nonexistent:/usr/sbin/nologin" % (name, number))
    path.write_text("\n".join(lines) + "\n")


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        up = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(sock, 0x8914, up)  # SIOCSIFFLAGS


def enter(place, ecert, kept):
    """In the first process of the new namespaces. `ecert` becomes /ecert, `kept` (or None) /kept."""
    root = pathlib.Path(place)
    mount(None, "/", None, RECURSIVE | PRIVATE)
    mount("tmpfs", place, "tmpfs", 0, "mode=755")
    fill(root)
    for entry in pathlib.Path("/").iterdir():
        if entry.name in ("bin", "sbin") or entry.name.startswith("lib"):
            if entry.is_symlink():
                (root / entry.name).symlink_to(os.readlink(entry))
            else:
                bind(entry, root / entry.name)
    bind("/usr", root / "usr")
    if (root / "usr/local").is_dir():
        mount("tmpfs", root / "usr/local", "tmpfs", 0, "mode=755")
    bind(ecert, root / "ecert")
    if kept is not None:
        (root / "kept").mkdir()
        mount(kept, root / "kept", None, BIND)
    mount("/dev", root / "dev", None, BIND | RECURSIVE)
    mount("proc", root / "proc", "proc")
    os.chdir(root)
    check(LIBC.pivot_root(b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", DETACH), "leave the machine's root")
    os.chdir("/")
    socket.sethostname("corpus")
    loopback_up()


def bind(source, target):
    target.mkdir(exist_ok=True)
    mount(source, target, None, BIND)
    mount(None, target, None, BIND | REMOUNT | READ_ONLY)


def unshare():
    check(LIBC.unshare(NEW_MOUNTS | NEW_HOST_NAME | NEW_PROCESSES | NEW_NETWORK), "unshare")


def inside(work, place, ecert, kept):
    """Run work() in a room; its exit code is that of this process."""
    die_with_parent()
    unshare()
    first = os.fork()
    if first == 0:
        try:
            die_with_parent()
            enter(place, ecert, kept)
        except OSError as error:
            os.write(2, ("%s\n" % error).encode())
            os._exit(1)
        os._exit(attend(work))
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def attend(work):
    """What a system's first process does: a server that has died must not stay there as a zombie,
    which to its own control program still runs."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)
