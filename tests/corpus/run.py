#!/usr/bin/env python3
"""Configurations as they are in the wild, with the real servers: see README.md.

    tests/corpus/run.py [--keep] [--accept-only] [--workers N] nginx|apache [CASE...]

prints TAP. ecert is that of $ECERT_BUILD (default build/gcc). Needs root: each case has namespaces
of its own (room.py). --accept-only does step 1 alone and needs no ecert for it; --keep leaves the
files of failing cases and says where.
"""

import argparse
import encodings.idna  # noqa: F401  (nothing can be imported once a room is entered)
import json
import os
import pathlib
import select
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import files  # noqa: E402
import pki  # noqa: E402
import room  # noqa: E402
import trial  # noqa: E402
from case import SERVERS, Case, Mistake  # noqa: E402

CASE_SECONDS = 60


def copy_ecert(build, folder):
    """Owned by root and by nobody else writable, which ecert demands of its plugins."""
    target = folder / "ecert"
    (target / "plugins").mkdir(parents=True)
    for name in "ecert", "ecert-net":
        shutil.copy(build / name, target / name)
    for plugin in (build / "plugins").glob("*.so"):
        shutil.copy(plugin, target / "plugins" / plugin.name)
    return target


class Run:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        build = pathlib.Path(os.environ.get("ECERT_BUILD", pki.ROOT / "build/gcc")).resolve()
        self.ecert = copy_ecert(build, folder)
        self.pki = pki.Pki(folder, self.ecert)
        self.running, self.results = {}, {}

    def start(self, number, folder):
        """One case in a process of its own, whose report comes through a pipe."""
        place, kept = self.folder / ("room-%d" % number), None
        place.mkdir()
        if self.options.keep:
            kept = self.folder / "kept" / folder.name
            kept.mkdir(parents=True)
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(receive)
            code = 1
            try:
                code = self.one(folder, place, kept, send)
            finally:
                os._exit(code)
        os.close(send)
        self.running[receive] = [number, folder, pid, time.monotonic() + CASE_SECONDS, b""]

    def one(self, folder, place, kept, send):
        def report(**values):
            os.write(send, json.dumps(values).encode())

        try:
            case = Case(folder)
            brought = files.layout(case)
        except (Mistake, OSError, UnicodeDecodeError) as error:
            report(failed="the case is wrong: %s" % error, said=[])
            return 0
        except files.Skip as why:
            report(skipped=str(why))
            return 0

        def work():
            trial.Trial(case, brought, self.pki, self.options.accept_only,
                        kept is not None).report(report)

        return room.inside(work, str(place), str(self.ecert), None if kept is None else str(kept))

    def wait(self):
        soonest = min(entry[3] for entry in self.running.values())
        ready = select.select(list(self.running), [], [], max(0, soonest - time.monotonic()))[0]
        for receive in list(self.running):
            number, folder, pid, until, said = self.running[receive]
            if receive in ready:
                chunk = os.read(receive, 1 << 16)
                if chunk:
                    self.running[receive][4] = said + chunk
                    continue
            elif time.monotonic() < until:
                continue
            else:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(receive)
            del self.running[receive]
            try:
                self.results[number] = json.loads(said)
            except ValueError:
                what = "no report" if receive in ready else "not done in %d s" % CASE_SECONDS
                self.results[number] = {"failed": what, "said": []}
            (self.folder / ("room-%d" % number)).rmdir()

    def all(self, folders):
        """True if none failed; printed in order."""
        right, printed, waiting = True, 0, list(enumerate(folders))
        print("1..%d" % len(folders))
        while waiting or self.running:
            while waiting and len(self.running) < self.options.workers:
                self.start(*waiting.pop(0))
            self.wait()
            while printed in self.results:
                right &= self.show(printed, folders[printed].name, self.results[printed])
                printed += 1
        return right

    def show(self, number, name, result):
        number += 1
        if "skipped" in result:
            print("ok %d - %s # SKIP %s" % (number, name, result["skipped"]))
        elif "failed" in result:
            print("not ok %d - %s" % (number, name))
            lines = [result["failed"]] + result["said"]
            if self.options.keep:
                lines.append("kept: %s" % (self.folder / "kept" / name))
            for line in "\n".join(lines).splitlines():
                print("# " + line.encode(errors="backslashreplace").decode())
        else:
            print("ok %d - %s" % (number, name))
            if result["fell_back"]:
                print("# ecert had no private view of the file system here")
            if self.options.keep:
                shutil.rmtree(self.folder / "kept" / name, ignore_errors=True)
        sys.stdout.flush()
        return "failed" not in result


def why_no_room():
    """None, or why there can be no room here: not root, or a container that permits none. (What goes
    wrong later in making one is a failure.)"""
    if os.geteuid() != 0:
        return "namespaces need root"
    pid = os.fork()
    if pid == 0:
        try:
            room.unshare()
        except OSError:
            os._exit(1)
        os._exit(0)
    return None if os.waitpid(pid, 0)[1] == 0 else "namespaces are not permitted here"


def arguments():
    parser = argparse.ArgumentParser(description="the corpus with the real servers; prints TAP")
    parser.add_argument("--keep", action="store_true", help="leave the files of failing cases")
    parser.add_argument("--accept-only", action="store_true", help="step 1 alone")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="cases at a time")
    parser.add_argument("server", choices=sorted(SERVERS))
    parser.add_argument("case", nargs="*", help="names of cases; default: all")
    return parser.parse_args()


def main():
    options = arguments()
    corpus = pathlib.Path(__file__).resolve().parent / options.server
    folders = sorted(path.parent for path in corpus.glob("*/case"))
    if options.case:
        wanted = {pathlib.Path(name).name for name in options.case}
        folders = [folder for folder in folders if folder.name in wanted]
        for name in sorted(wanted - {folder.name for folder in folders}):
            sys.exit("run.py: there is no case '%s' in %s" % (name, corpus))
    if not folders:
        sys.exit("run.py: there is no case in %s" % corpus)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ecert-corpus-"))
    os.umask(0o022)
    try:
        why = why_no_room()
        if why is not None:
            print("1..%d" % len(folders))
            for number, skipped in enumerate(folders, 1):
                print("ok %d - %s # SKIP %s" % (number, skipped.name, why))
            return 0
        return 0 if Run(options, folder).all(folders) else 1
    finally:
        if not (options.keep and any((folder / "kept").glob("*"))):
            shutil.rmtree(folder, ignore_errors=True)


sys.exit(main())
