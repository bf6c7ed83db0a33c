#!/usr/bin/env python3
"""Speed of `ecert check --offline` with 1,000 managed certificates and nothing due.

Each certificate is issued by a small CA, with a key of its own, and taken by `ecert import`; each has
one target. The budget is 0.1 s for the whole command, and the time of a second command that only
reads the configuration (`ecert plugins`) stands beside it.

Usage: check.py [--certificates N] [--runs N]
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench import ECERT, TEST_CA, free_port, run

BUDGET = 0.1


def take_all(folder, names):
    """Issue and import, as many files to a command as it takes."""
    for name in names:
        run(TEST_CA, "issue", folder + "/ca", name, "--ec", "--out", f"{folder}/{name}")
    for at in range(0, len(names), 50):
        run(ECERT, "--config", folder + "/ecert.conf", "import",
            *(f"{folder}/{name}.cer" for name in names[at:at + 50]))


def write_configuration(folder, names):
    with open(folder + "/ecert.conf", "w") as out:
        out.write(f'state_dir = "{folder}/state";\nauthorities_dir = "{folder}/ca/authorities";\n'
                  "certificates = (\n")
        out.write(",\n".join(
            f'{{ name = "{name}"; authority = "testpost"; key = {{ file = "{folder}/{name}.key"; }};\n'
            f'  targets = ( {{ plugin = "iis-export"; directory = "{folder}/iis/{name}"; }} ); }}'
            for name in names))
        out.write(");\n")


def median_time(argv, runs):
    seconds = []
    for _ in range(runs):
        begin = time.monotonic()
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        seconds.append(time.monotonic() - begin)
    return statistics.median(seconds), done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificates", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=11)
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    names = [f"site-{i}.bench.test" for i in range(options.certificates)]
    ca_port = free_port()
    run(TEST_CA, "make", folder + "/ca", "--base-url", f"http://127.0.0.1:{ca_port}")
    web = subprocess.Popen([sys.executable, "-m", "http.server", str(ca_port), "--bind",
                            "127.0.0.1", "--directory", folder + "/ca/www"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        for name in names:
            os.makedirs(f"{folder}/iis/{name}")
        write_configuration(folder, names)
        take_all(folder, names)
        base = [ECERT, "--config", folder + "/ecert.conf"]
        run(*base, "deploy")
        config, _ = median_time([*base, "plugins"], options.runs)
        check, done = median_time([*base, "check", "--offline"], options.runs)
        if done.returncode != 0:
            sys.exit("bench: check: " + done.stdout + done.stderr)
        print(done.stdout.strip().splitlines()[-1])
        fine = check <= BUDGET
        print(f"{options.certificates} certificates: check {check:.3f} s ({check / BUDGET:.2f} x the "
              f"budget of {BUDGET} s: {'met' if fine else 'MISSED'}), of which reading the "
              f"configuration {config:.3f} s")
    finally:
        web.terminate()
        web.wait()
        shutil.rmtree(folder)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
