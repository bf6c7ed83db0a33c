"""Files: those that a case brings into its room, and what became of them."""

import difflib
import hashlib
import os
import pathlib
import re
import subprocess

# what servers write, and ecert itself
WRITTEN = ("/run", "/proc", "/dev", "/sys", "/tmp", "/ecert", "/kept", "/bin", "/sbin", "/etc/ecert",
           "/var/log", "/var/cache", "/var/tmp", "/var/lib/ecert", "/var/lib/nginx")
WRITTEN_NAMES = re.compile(r"logs|.*_temp|.*\.(pid|sock|log)")
# what Debian's packages enable
ENABLED = {
    "sites-enabled": ["000-default.conf", "default"],
    "conf-enabled": ["charset.conf", "localized-error-pages.conf", "other-vhosts-access-log.conf",
                     "security.conf", "serve-cgi-bin.conf"],
    "mods-enabled": [name + end for end in (".load", ".conf") for name in (
        "access_compat", "alias", "auth_basic", "authn_core", "authn_file", "authz_core",
        "authz_host", "authz_user", "autoindex", "deflate", "dir", "env", "filter", "mime",
        "mpm_event", "negotiation", "reqtimeout", "setenvif", "status")],
    "modules-enabled": [],
}


class Skip(Exception):
    pass


def layout(case):
    """What of the machine goes into the room, before it is entered: [(path, bytes or link)]."""
    for path in case.needs:
        if not os.path.exists(path):
            raise Skip("there is no %s" % path)
    program = case.command[0]
    if not os.path.exists(program) and not os.path.lexists(str(case.folder / "root") + program):
        raise Skip("there is no %s" % program)
    found = list(collect(case.folder / "root", pathlib.Path("/")))
    if case.layout == "debian":
        package, folder = (("nginx-common", "/etc/nginx") if case.server == "nginx" else
                           ("apache2", "/etc/apache2"))
        found = list(collect_package(package, pathlib.Path(folder))) + found
    return found


def collect_package(package, folder):
    """A package's folder; what an administrator changed in it makes the case impossible."""
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Conffiles}", package], capture_output=True,
                          timeout=20).stdout.decode()
    for line in said.splitlines():
        path, sum_ = line.split()[:2]
        if path.startswith(str(folder) + "/"):
            if not os.path.exists(path):
                raise Skip("%s is not there" % path)
            if hashlib.md5(pathlib.Path(path).read_bytes()).hexdigest() != sum_:
                raise Skip("%s is not the package's own" % path)
    for path, content, mode in collect(folder, folder):
        kind = pathlib.Path(path).parent.name
        if kind not in ENABLED or pathlib.Path(path).name in ENABLED[kind]:
            yield path, content, mode


def collect(source, target):
    """(path in the room, bytes of a file or text of a link or None for a folder, mode)"""
    if not source.is_dir():
        return
    for entry in sorted(source.iterdir()):
        path = target / entry.name
        if entry.is_symlink():
            yield str(path), os.readlink(entry), 0
        elif entry.is_dir():
            yield str(path), None, 0o755
            yield from collect(entry, path)
        else:
            yield str(path), entry.read_bytes(), 0o755 if entry.stat().st_mode & 0o100 else 0o644


def place(path, content, mode):
    """Links on the way to a place are followed, a link or file in the place is replaced."""
    if content is None:
        if not os.path.isdir(path):
            os.makedirs(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    if isinstance(content, str):
        os.symlink(content, path)
        return
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def snapshot():
    """Every file that is the operator's: type, mode, owner, contents."""
    found = {}
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if wanted(os.path.join(folder, name))]
        for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            path = os.path.join(folder, name)
            about = os.lstat(path)
            if os.path.islink(path):
                found[path] = ("link", 0, 0, 0, os.fsencode(os.readlink(path)))
            elif wanted(path) and os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = ("file", about.st_mode & 0o7777, about.st_uid, about.st_gid,
                                   file.read())
    return found


def wanted(path):
    if path.startswith("/usr"):
        return path == "/usr" or path == "/usr/local" or path.startswith("/usr/local/")
    return (path not in WRITTEN and not path.startswith("/lib") and
            not WRITTEN_NAMES.fullmatch(os.path.basename(path)))


def text(data):
    return data.decode(errors="backslashreplace")


def endings(data):
    return set(re.findall(rb"\r?\n", data))


def untouched(data):
    """The lines that say of themselves that nobody may change them."""
    return [line for line in data.splitlines() if b"untouched" in line]


def indentation(line):
    return line[:len(line) - len(line.lstrip(b" \t"))]


def misplaced(old, new):
    """A line that was added and stands neither as far to the right as one of its neighbours nor, in
    an empty block, farther; None if there is none."""
    before, after = old.split(b"\n"), new.split(b"\n")
    changes = difflib.SequenceMatcher(None, before, after, False).get_opcodes()
    for kind, _, _, first, last in changes:
        if kind != "insert" or not any(line.strip() for line in after[first:last]):
            continue
        above = next((line for line in reversed(after[:first]) if line.strip()), b"")
        below = next((line for line in after[last:] if line.strip()), b"")
        for line in after[first:last]:
            right = indentation(line)
            if line.strip() and right not in (indentation(above), indentation(below)) and not (
                    len(right) > len(indentation(above)) and
                    above.rstrip()[-1:] in (b"{", b">") and below.strip()[:1] in (b"}", b"<")):
                return text(line)
    return None


def about(entry):
    return "absent" if entry is None else "%s %o %d:%d" % entry[:4]


def difference(old, new):
    lines = difflib.unified_diff(text(old).split("\n"), text(new).split("\n"), "before", "after",
                                 lineterm="", n=1)
    return "\n".join(list(lines)[:60])


def compare_trees(before, after):
    for path in sorted(set(before) | set(after)):
        old, new = before.get(path), after.get(path)
        if old != new:
            yield "%s: was %s, is %s" % (path, about(old), about(new))
            if old is not None and new is not None:
                yield difference(old[4], new[4])
