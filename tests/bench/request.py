#!/usr/bin/env python3
"""Speed of `ecert request --all`: every key and CSR of an organisation in an emergency.

1,000 RSA 2048 requests, each synced to disk and backed up to one recipient at one place before its
CSR is shown, against `openssl req -new -newkey` in a loop, which does neither. The loop is sampled
and extrapolated: its requests do not know of each other.  The command may take as long as the loop;
on a machine that is busy with other things the processor time says more than the clock.

Usage: request.py [--requests N] [--sample N]
"""
import argparse
import glob
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

from bench import ECERT, TEST_CA, run

SUBJECT = "/C=HK/ST=Hong Kong/L=Hong Kong/O=Bench Limited/CN="


def write_configuration(folder, names):
    with open(folder + "/ecert.conf", "w") as out:
        out.write(f'state_dir = "{folder}/state";\nauthorities_dir = "{folder}/ca/authorities";\n'
                  'organization = { country = "HK"; state = "Hong Kong"; locality = "Hong Kong";\n'
                  '  name = "Bench Limited"; };\n'
                  f'backup = {{ recipients = [ "{folder}/officer.cer" ]; '
                  f'places = [ "{folder}/place" ]; }};\n'
                  "certificates = (\n")
        out.write(",\n".join(
            f'{{ name = "{name}"; authority = "testpost";\n'
            f'  targets = ( {{ plugin = "iis-export"; directory = "{folder}/iis"; }} ); }}'
            for name in names))
        out.write(");\n")


def used():
    """Processor time of every child that has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(work):
    """Seconds by the clock and of processors."""
    begin, before = time.monotonic(), used()
    work()
    return time.monotonic() - begin, used() - before


def request_all(folder):
    run(ECERT, "--config", folder + "/ecert.conf", "--quiet", "request", "--all", "--no-caa",
        "--reason", "bench")


def look(folder, names):
    """As many as were asked for; a few of them are read by OpenSSL."""
    requests = glob.glob(f"{folder}/state/certificates/*/requests/*/request.csr")
    backups = os.listdir(folder + "/place")
    if len(requests) != len(names) or len(backups) != len(names):
        sys.exit(f"bench: {len(requests)} requests and {len(backups)} backups of {len(names)}")
    for csr in requests[::max(1, len(requests) // 10)]:
        run("openssl", "req", "-in", csr, "-noout", "-verify")


def loop(folder, names):
    for name in names:
        run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-sha256", "-subj",
            SUBJECT + name, "-keyout", f"{folder}/loop/{name}.key", "-out",
            f"{folder}/loop/{name}.csr")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=100)
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    names = [f"site-{i}.myserver.com" for i in range(options.requests)]
    sample = names[:options.sample]
    try:
        for name in ("place", "loop", "iis"):
            os.mkdir(f"{folder}/{name}", 0o700)
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
            "/CN=officer", "-keyout", folder + "/officer.key", "-out", folder + "/officer.cer")
        run(TEST_CA, "make", folder + "/ca")
        write_configuration(folder, names)
        ours, ours_used = timed(lambda: request_all(folder))
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        look(folder, names)
        more = len(names) / len(sample)
        theirs, theirs_used = (seconds * more for seconds in timed(lambda: loop(folder, sample)))
    finally:
        shutil.rmtree(folder)
    fine = ours <= theirs
    print(f"{len(names)} requests, RSA 2048, {os.cpu_count()} processors: ecert request --all "
          f"{ours:.1f} s, synced and backed up; openssl req in a loop {theirs:.1f} s "
          f"(extrapolated from {len(sample)}): {ours / theirs:.2f} x "
          f"({'met' if fine else 'MISSED'}: at most 1)\n"
          f"processor time {ours_used:.1f} s and {theirs_used:.1f} s: {ours_used / theirs_used:.2f} x; "
          f"peak memory {memory:.0f} MiB")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
