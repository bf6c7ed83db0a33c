#!/usr/bin/env python3
"""Speed and memory of reading the dates of many certificate files, as ratios in one run.

10,000 PEM files (leafs of a small CA with the extensions that public leafs have, each with a serial
of its own) are scanned by core/monitor/scan.h and compared with
  - the floor: the same files opened, read and closed;
  - Python's cryptography package on the same files, where it is installed.
The runs alternate and medians are printed. Then the peak memory at 1,000 and at 100,000 files.

Usage: scan.py --driver PATH/scan_bench [--files 10000] [--many 100000] [--runs 7]
"""
import argparse
import base64
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUDGET_FLOOR = 3.0     # times the floor
BUDGET_SECONDS = 0.13  # for 10,000 files
BUDGET_KIB = 12 * 1024
SERIAL = bytes.fromhex("5A" * 16)  # what is replaced in each copy

EXTENSIONS = """
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
authorityInfoAccess = OCSP;URI:http://ocsp.bench.test/, caIssuers;URI:http://ca.bench.test/ca.crt
crlDistributionPoints = URI:http://crl.bench.test/ca.crl
certificatePolicies = 2.23.140.1.2.2, 1.3.6.1.4.1.16030.1.7.16
subjectAltName = DNS:www.{0}, DNS:{0}
1.3.6.1.4.1.11129.2.4.2 = DER:0481F2{1}
"""


def openssl(folder, *args):
    subprocess.run(("openssl",) + args, cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def make_leafs(folder):
    """The DER of some leafs, RSA and EC, whose serial is SERIAL."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out",
            "ca.pem", "-subj", "/C=HK/O=Bench/CN=Bench CA", "-days", "30")
    leafs = []
    for i, key in enumerate((("rsa:2048",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")) * 3):
        name = "site-%d.bench.test" % i
        with open(os.path.join(folder, "ext"), "w", encoding="ascii") as file:
            file.write(EXTENSIONS.format(name, "A5" * 242))
        openssl(folder, "req", "-newkey", *key, "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr",
                "-subj", "/C=HK/O=Bench Company Limited/CN=www." + name)
        openssl(folder, "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-set_serial", "0x" + SERIAL.hex(), "-days", str(10 + i), "-extfile", "ext",
                "-outform", "DER", "-out", "leaf.der")
        with open(os.path.join(folder, "leaf.der"), "rb") as file:
            leafs.append(file.read())
        if leafs[-1].count(SERIAL) != 1:
            sys.exit("scan bench: the serial is not where it is expected")
    return leafs


def path_of(folder, i):
    return "%s/%03d/%06d.pem" % (folder, i // 1000, i)


def write_files(folder, leafs, n):
    for i in range(n):
        if i % 1000 == 0:
            os.makedirs("%s/%03d" % (folder, i // 1000))
        serial = (0x5A << 120 | random.getrandbits(119)).to_bytes(16, "big")
        der = leafs[i % len(leafs)].replace(SERIAL, serial)
        text = base64.b64encode(der)
        lines = b"\n".join(text[k:k + 64] for k in range(0, len(text), 64))
        with open(path_of(folder, i), "wb") as file:
            file.write(b"-----BEGIN CERTIFICATE-----\n" + lines + b"\n-----END CERTIFICATE-----\n")


def peer(folder, n):
    """The same with Python's cryptography: serial, dates, fingerprint. None: not installed."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
    except ImportError:
        return None
    start = time.monotonic()
    for i in range(n):
        with open(path_of(folder, i), "rb") as file:
            certificate = x509.load_pem_x509_certificate(file.read())
        _ = (certificate.serial_number, certificate.not_valid_after_utc,
             certificate.not_valid_before_utc, certificate.fingerprint(hashes.SHA256()))
    return time.monotonic() - start


def driver(program, mode, folder, n):
    out = subprocess.run((program, mode, folder, str(n)), check=True, stdout=subprocess.PIPE,
                         timeout=120)
    answer = json.loads(out.stdout)
    if answer["found"] != n:
        sys.exit("scan bench: %s found %d of %d certificates" % (mode, answer["found"], n))
    return answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", required=True)
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--many", type=int, default=100000)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="ecert-scan-bench-")
    broken = []

    def judge(good, text):
        print("%s  %s" % ("ok  " if good else "MISS", text))
        if not good:
            broken.append(text)

    try:
        with tempfile.TemporaryDirectory(prefix="ecert-scan-bench-ca-") as ca:
            leafs = make_leafs(ca)
        write_files(folder, leafs, args.many)
        n, times = args.files, {"read": [], "scan": [], "walk": [], "peer": []}
        peak = 0
        for _ in range(args.runs):
            for mode in ("read", "scan", "walk"):
                # a walk takes the whole folder: the ratio is per file
                count = args.many if mode == "walk" else n
                answer = driver(args.driver, mode, folder, count)
                times[mode].append(answer["seconds"] * n / count)
                if mode == "scan":
                    peak = max(peak, answer["own_kib"] + answer["child_kib"])
            python = peer(folder, n)
            if python is not None:
                times["peer"].append(python)
        middle = {mode: statistics.median(t) for mode, t in times.items() if t}
        scale = n / 10000
        print("%d files: reading %.4f s, scanning %.4f s (a directory tree: %.4f s)"
              % (n, middle["read"], middle["scan"], middle["walk"]))
        judge(middle["scan"] <= BUDGET_FLOOR * middle["read"],
              "%.2f x reading (budget %.1f)" % (middle["scan"] / middle["read"], BUDGET_FLOOR))
        judge(middle["scan"] <= BUDGET_SECONDS * scale,
              "%.4f s (budget %.2f)" % (middle["scan"], BUDGET_SECONDS * scale))
        if "peer" in middle:
            judge(middle["scan"] < middle["peer"], "%.2f x faster than Python's cryptography (%.4f s)"
                  % (middle["peer"] / middle["scan"], middle["peer"]))
        else:
            print("skip  Python's cryptography is not installed")
        judge(peak <= BUDGET_KIB, "%.1f MiB at most, both processes together (budget %d)"
              % (peak / 1024, BUDGET_KIB // 1024))
        for mode in ("scan", "walk"):
            few_folder = folder if mode == "scan" else folder + "/000"
            few = driver(args.driver, mode, few_folder, min(1000, args.many))
            many = driver(args.driver, mode, folder, args.many)
            a, b = (r["own_kib"] + r["child_kib"] for r in (few, many))
            judge(b <= a * 1.05 + 256, "%s: %.1f MiB at 1,000 files, %.1f MiB at %s"
                  % (mode, a / 1024, b / 1024, format(args.many, ",")))
    finally:
        shutil.rmtree(folder)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
