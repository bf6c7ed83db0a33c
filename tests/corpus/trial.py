"""One case in its room: the six steps of README.md. Everything here runs as the room's first
process; the machine's own files cannot be seen any more."""

import difflib
import hashlib
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import traceback

import apache_words
import files
import nginx_words
import pki
from case import STARTTLS

COMMAND_SECONDS, HANDSHAKE_SECONDS, SETTLE_SECONDS = 20, 3, 5
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "LC_ALL": "C", "HOME": "/root"}
NOTHING = "nothing"
PLUGIN_PLACES = {"nginx": ["/etc/nginx", "/usr/local/nginx/conf", "/usr/local/etc/nginx"],
                 "apache": ["/etc/apache2", "/etc/httpd", "/usr/local/apache/conf",
                            "/usr/local/apache2/conf", "/usr/local/etc/apache24"]}
class Wrong(Exception):
    """A step failed; the lines say how."""


def workers():
    """Processes whose parent is a server's, and not we."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] not in ("0", "1", str(os.getpid())) and fields[0] != "Z":
                found.add((name, fields[19]))
    return found


def run(argv):
    """(exit code, output, errors); through files, as a server that has started may keep its end of a
    pipe open."""
    with open("/dev/null", "rb") as nothing, tempfile.TemporaryFile() as out, \
            tempfile.TemporaryFile() as err:
        try:
            code = subprocess.run(argv, stdin=nothing, stdout=out, stderr=err, env=ENVIRONMENT,
                                  cwd="/", timeout=COMMAND_SECONDS).returncode
        except subprocess.TimeoutExpired:
            return 124, b"", b"not done in %d s: %s" % (COMMAND_SECONDS, " ".join(argv).encode())
        except OSError as error:
            return 127, b"", ("%s: %s" % (argv[0], error)).encode()
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


# ---- handshakes -----------------------------------------------------------------------------------


def starttls(sock, kind):
    def line():
        said = b""
        while not said.endswith(b"\n"):
            more = sock.recv(1)
            if not more:
                raise OSError("the server closed")
            said += more
        return said

    line()
    if kind == "smtp":
        sock.sendall(b"EHLO corpus.invalid\r\n")
        while line()[3:4] == b"-":
            pass
    sock.sendall({"smtp": b"STARTTLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n"}[kind])
    line()


def handshake(name, kind):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers({"rsa": "aRSA:@SECLEVEL=0", "ec": "aECDSA:@SECLEVEL=0"}.get(
        kind, "ALL:@SECLEVEL=0"))
    if kind in ("rsa", "ec"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((name.address, name.port), HANDSHAKE_SECONDS) as sock:
        if kind in STARTTLS:
            starttls(sock, kind)
        with context.wrap_socket(sock, server_hostname=name.name) as secure:
            return hashlib.sha256(secure.getpeercert(True)).hexdigest()


def served(name, kind):
    """The thumbprint of what a name shows. Where no kind was asked for, and the server has none of
    the new key's kind (or TLS 1.3 alone), whatever it shows."""
    for attempt in [name.kind] if name.kind else [kind, None]:
        try:
            return handshake(name, attempt)
        except (OSError, ValueError):
            continue
    return NOTHING


# ---- the steps ------------------------------------------------------------------------------------


class Trial:
    def __init__(self, case, brought, made, accept_only, keep):
        self.case, self.files, self.pki = case, brought, made
        self.accept_only, self.keep = accept_only, keep
        self.argv = case.command + case.arguments
        self.said, self.labels, self.fell_back = [], {}, False

    def report(self, report):
        step = "preparing"
        try:
            self.prepare()
            for step, what in ((("step 1: the server accepts the files", self.accept),) +
                               (() if self.accept_only else self.steps())):
                what()
            report(fell_back=self.fell_back)
        except Wrong as wrong:
            self.keep_files()
            report(failed=step, said=[str(wrong)] + self.said[-40:])
        except Exception:  # a mistake of the runner's own must not look like silence
            self.keep_files()
            report(failed=step, said=traceback.format_exc().splitlines() + self.said[-40:])

    def steps(self):
        first = (("preparing ecert", self.prepare_ecert),
                 ("step 1: every name is asked", self.ask_before))
        if self.case.refused is not None:
            return first + (("the refusal", self.refuse),)
        return first + (("step 2: ecert deploy", self.deploy),
                        ("step 3: the server's account of itself", self.compare),
                        ("step 4: handshakes", self.ask_after),
                        ("step 5: a second plan is empty", self.plan_again),
                        ("step 6: rollback", self.roll_back))

    def keep_files(self):
        if not self.keep:
            return
        for name in ("etc", "usr/local", "var", "srv", "opt", "home", "root"):
            shutil.copytree("/" + name, "/kept/" + name, symlinks=True, dirs_exist_ok=True,
                            ignore_dangling_symlinks=True)
        for path, _, _ in self.files:  # folders of the case's own below "/"
            top = "/" + path.split("/")[1]
            if os.path.isdir(top) and not os.path.exists("/kept" + top):
                shutil.copytree(top, "/kept" + top, symlinks=True)
        with open("/kept/said", "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(self.said) + "\n")

    # ---- preparing ----

    def prepare(self):
        for entry in self.files:
            files.place(*entry)
        arguments = self.case.arguments
        for option, value in zip(arguments, arguments[1:]):
            if option == "-p":
                os.makedirs(os.path.join(value, "logs"), exist_ok=True)
        made = {}
        for certificate, key, which in self.case.certificates:
            if which not in made:
                made[which] = self.pki.leaf(self.case.leaf, which, 30 * 24)
                self.labels[pki.thumbprint(made[which])] = which
            chain, secret = made[which] + self.pki.chain, self.pki.key_pem(which)
            if certificate == key:
                files.place(key, secret + chain, 0o600)
            else:
                files.place(certificate, chain, 0o644)
                files.place(key, secret, 0o600)

    def prepare_ecert(self):
        case, which = self.case, "new-" + self.case.key
        os.makedirs("/etc/ecert", 0o755)
        for path, content in self.pki.files:
            files.place(path, content, 0o600)
        new = self.pki.leaf(case.leaf, which, 1)
        self.new = pki.thumbprint(new)
        self.labels[self.new] = "the new certificate"
        files.place("/etc/ecert/new.cer", new, 0o644)
        files.place("/etc/ecert/new.key", self.pki.key_pem(which), 0o600)
        files.place("/etc/ecert/ecert.conf", self.configuration().encode(), 0o600)

    def configuration(self):
        case = self.case

        def listed(words):
            return "[ %s ]" % ", ".join('"%s"' % re.sub(r'(["\\])', r"\\\1", w) for w in words)

        settings = ['plugin = "%s";' % case.server]
        if case.says_command and not re.search(r"\bcommand\s*=", case.target):
            settings.append("command = %s;" % listed(self.argv))
        places = self.places()
        if places and "may_write" not in case.target:
            settings.append("may_write = %s;" % listed(places))
        names = "names = %s;" % listed(case.leaf[1:]) if case.leaf[1:] else ""
        return """authorities_dir = "/etc/ecert/authorities";
plugin_dir = "/ecert/plugins";
certificates = (
  { name = "%s"; %s
    authority = "testpost";
    key = { file = "/etc/ecert/new.key"; };
    targets = ( { %s
      %s } ); } );
""" % (case.leaf[0], names, " ".join(settings), case.target)

    def places(self):
        """Where the case has files that the plugin's own places do not cover."""
        found = set()
        for path, content, _ in self.files:
            covered = any(path.startswith(p + "/") for p in PLUGIN_PLACES[self.case.server])
            if isinstance(content, bytes) and not covered and path.count("/") > 2:
                found.add("/".join(path.split("/")[:3]))
        return sorted(found)

    # ---- the server and ecert ----

    def test(self):
        code, out, err = run(self.argv + ["-t"])
        if code != 0:
            raise Wrong("%s -t fails:\n%s" % (" ".join(self.argv), files.text(out + err)))

    def accept(self):
        self.test()
        code, out, err = run(self.argv + ([] if self.case.server == "nginx" else ["-k", "start"]))
        if code != 0:
            raise Wrong("it does not start:\n%s" % files.text(out + err + logs()))
        self.dump_before = self.dump()
        self.before = files.snapshot()
        words = nginx_words if self.case.server == "nginx" else apache_words
        listed = {name.name for name in self.case.new + self.case.old}
        missing = words.names(self.dump_before) - listed
        if missing:
            raise Wrong("the files have names that stand neither in 'new' nor in 'old': %s"
                        % " ".join(sorted(missing)))
        if self.accept_only:
            self.ask_before()

    def dump(self):
        more = ["-T"] if self.case.server == "nginx" else ["-t", "-D", "DUMP_VHOSTS"]
        code, out, err = run(self.argv + more)
        if code != 0:
            raise Wrong("%s fails:\n%s" % (" ".join(self.argv + more), files.text(out + err)))
        return out if self.case.server == "nginx" else out.decode(errors="surrogateescape")

    def ecert(self, *arguments):
        code, out, err = run(["/ecert/ecert", *arguments])
        said = files.text(out + err)
        self.said.append("$ ecert %s   (%d)" % (" ".join(arguments), code))
        self.said += said.splitlines()
        self.fell_back |= "no private view" in said
        return code, said

    def must(self, *arguments):
        code, said = self.ecert(*arguments)
        if code != 0:
            raise Wrong("`ecert %s` ends with %d" % (" ".join(arguments), code))
        return said

    # ---- 1 ----

    def ask_before(self):
        self.shown = {}
        until = time.monotonic() + SETTLE_SECONDS
        for name in self.case.new + self.case.old:
            while not listens(name) and not self.case.creates and time.monotonic() < until:
                time.sleep(0.02)
            self.shown[name] = served(name, self.case.key)
            # an address that was written down may be one without TLS, a new key's kind may be missing
            mended = name in self.case.new and (self.case.creates or name.kind is not None)
            if self.shown[name] == NOTHING and not name.chosen and not mended:
                raise Wrong("%s shows no certificate, and no address was given" % name.text)
        self.old_workers = workers()

    # ---- 2 ----

    def take(self):
        if self.case.adopt:
            self.must("adopt", self.case.leaf[0])
        self.must("import", "/etc/ecert/new.cer")

    def refuse(self):
        self.take()
        code, said = self.ecert("deploy", "--verbose")
        if code == 0:
            raise Wrong("`ecert deploy` must refuse: %s" % "; ".join(self.case.refused))
        for words in self.case.refused:
            if " ".join(words.split()) not in " ".join(said.split()):
                raise Wrong("`ecert deploy` does not say '%s'" % words)
        self.unchanged("refused, but")
        for name, shown in self.shown.items():
            self.expect(name, shown)

    def deploy(self):
        self.take()
        self.must("deploy", "--verbose")
        self.test()

    def unchanged(self, what):
        differences = list(files.compare_trees(self.before, files.snapshot()))
        if differences:
            raise Wrong("%s files changed:\n%s" % (what, "\n".join(differences)))

    # ---- 3 ----

    def compare(self):
        after, now = files.snapshot(), self.dump()
        self.compare_dumps(now)
        words = nginx_words if self.case.server == "nginx" else apache_words
        read = {os.path.realpath(path) for path in nginx_words.files(self.dump_before)} \
            if self.case.server == "nginx" else None
        for path in sorted(set(self.before) | set(after)):
            old, new = self.before.get(path), after.get(path)
            if old == new or ('"%s"' % path) in self.case.target:
                continue
            if old is None or new is None or old[:4] != new[:4] or old[0] == "link":
                raise Wrong("%s: was %s, is %s" % (path, files.about(old), files.about(new)))
            if read is not None and os.path.realpath(path) not in read:
                raise Wrong("%s was changed, and nginx does not read it" % path)
            if files.endings(old[4]) == {b"\r\n"} and files.endings(new[4]) != {b"\r\n"}:
                raise Wrong("%s: a line ends with LF, and all others with CR LF" % path)
            if files.untouched(old[4]) != files.untouched(new[4]):
                raise Wrong("%s: what must stay untouched was changed:\n%s"
                            % (path, files.difference(old[4], new[4])))
            # a virtual host that was added has indentations of its own
            line = None if self.case.creates else files.misplaced(old[4], new[4])
            if line is not None:
                raise Wrong("%s: added, and not in the block's indentation: '%s'" % (path, line))
            if self.case.creates and self.case.server == "apache":
                why = apache_words.created(old[4], new[4])
                if why is not None:
                    raise Wrong("%s: %s" % (path, why))
            elif words.rest_of_file(old[4]) != words.rest_of_file(new[4]):
                raise Wrong("%s: more than the certificate differs:\n%s"
                            % (path, files.difference(old[4], new[4])))

    def compare_dumps(self, now):
        if self.case.server == "nginx":
            old, new = nginx_words.account(self.dump_before), nginx_words.account(now)
            old, new = ([files.text(word) for word in words] for words in (old, new))
        else:
            old, new = apache_words.account(self.dump_before), apache_words.account(now)
            if self.case.creates:
                gone = [host for host in apache_words.hosts(self.dump_before)
                        if host not in apache_words.hosts(now)]
                if gone:
                    raise Wrong("virtual hosts are gone: %s" % gone)
                return
        if old != new:
            raise Wrong("the dumps differ:\n%s" % "\n".join(
                list(difflib.unified_diff(old, new, "before", "after", lineterm="", n=3))[:60]))

    # ---- 4 ----

    def ask_after(self):
        until = time.monotonic() + SETTLE_SECONDS
        while workers() & self.old_workers and time.monotonic() < until:
            time.sleep(0.02)
        for name in self.case.new:
            self.expect(name, self.new)
        for name in self.case.old:
            self.expect(name, self.shown[name])

    def expect(self, name, thumbprint):
        until = time.monotonic() + 2
        shown = served(name, self.case.key)
        while shown != thumbprint and time.monotonic() < until:
            time.sleep(0.05)
            shown = served(name, self.case.key)
        if shown != thumbprint:
            raise Wrong("%s shows %s, and not %s" % (
                name.text, self.labels.get(shown, shown), self.labels.get(thumbprint, thumbprint)))

    # ---- 5 and 6 ----

    def plan_again(self):
        code, _ = self.ecert("plan", "--exit-code")
        if code != 0:
            raise Wrong("`ecert plan --exit-code` ends with %d" % code)

    def roll_back(self):
        self.must("rollback", self.case.leaf[0], "--to", "0")
        self.unchanged("after the rollback")


def listens(name):
    try:
        with socket.create_connection((name.address, name.port), HANDSHAKE_SECONDS):
            return True
    except OSError:
        return False


def logs():
    said = b""
    for path in sorted(pathlib.Path("/var/log").glob("*/error*")):
        said += path.read_bytes()[-2000:]
    return said
