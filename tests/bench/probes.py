#!/usr/bin/env python3
"""Speed and descriptors of ecert-net with 1,000 endpoints that are 100 ms away.

The servers are real: one nginx with TLS on as many ports, in a network namespace whose packets all
take 50 ms each way. That is netem's work where the kernel has it, else that of a TUN device whose
other end is this script: it gives every packet back 50 ms later with its two addresses exchanged,
so that 10.99.0.2 is this machine itself, seen from far away. The namespace, and all that is in it,
ends with the processes.

Per row: seconds from the request until the last answer, the ratio to the budget of 3 s, and the
most descriptors that ecert-net had open. "near" is the same without the delay: what the handshakes
themselves cost here, where the server shares the processors.

Usage: probes.py [--endpoints N] [--runs N] [--net PROGRAM]
"""
import argparse
import collections
import fcntl
import os
import resource
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUDGET = 3.0
DELAY = 0.050  # each way
DESCRIPTORS = 1024  # what jail.c allows
FIRST_PORT = 20000
NEAR = "10.99.0.1"
FAR = "10.99.0.2"
PROBE, ENDPOINT, SEEN, FAILED = 3, 4, 5, 6  # core/net/protocol.h


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def skip(why):
    print("probes: skipped: " + why)
    sys.exit(0)


# ---- distance ----

def have_netem():
    return subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay",
                           "%dms" % (DELAY * 1000), "limit", "100000"],
                          stderr=subprocess.DEVNULL).returncode == 0


class Reflector(threading.Thread):
    """The far end of a TUN device, in a process of its own so that it is never late."""

    def __init__(self):
        super().__init__(daemon=True)
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        # TUNSETIFF with IFF_TUN | IFF_NO_PI
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH14s", b"far0", 0x1001, b""))
        run("ip", "addr", "add", NEAR, "peer", FAR, "dev", "far0")
        run("ip", "link", "set", "far0", "txqueuelen", "100000", "up")
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.reflect()
            finally:
                os._exit(1)
        os.close(self.tun)

    def reflect(self):
        waiting = collections.deque()
        while True:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                os.write(self.tun, waiting.popleft()[1])
            left = waiting[0][0] - now if waiting else None
            if not select.select([self.tun], [], [], left)[0]:
                continue
            until = time.monotonic() + DELAY
            try:
                while True:
                    packet = os.read(self.tun, 65536)
                    if packet[0] >> 4 == 4:  # exchanged addresses leave every checksum as it is
                        waiting.append((until, packet[:12] + packet[16:20] + packet[12:16] +
                                        packet[20:]))
            except BlockingIOError:
                pass

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


# ---- servers ----

class Servers:
    def __init__(self, folder, n):
        self.n = n
        pair = os.path.join(folder, "pair")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pair + ".key",
            "-out", pair + ".pem", "-subj", "/CN=bench.test", "-days", "20")
        with open(pair + ".pem") as leaf:  # a chain of three, as the CA's are
            text = leaf.read()
        with open(pair + ".pem", "w") as chain:
            chain.write(text * 3)
        listen = "".join("listen 0.0.0.0:%d ssl backlog=64;\n" % (FIRST_PORT + i) for i in range(n))
        with open(os.path.join(folder, "nginx.conf"), "w") as conf:
            conf.write("daemon off; master_process off; pid nginx.pid; error_log error.log crit;\n"
                       "worker_rlimit_nofile 8192; events { worker_connections 4096; }\n"
                       "http { access_log off; ssl_session_cache off; ssl_session_tickets off;\n"
                       "server { %s ssl_certificate pair.pem; ssl_certificate_key pair.key; } }\n"
                       % listen)
        self.nginx = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192)))
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((NEAR, FIRST_PORT + n - 1), timeout=1).close()
                return
            except OSError:
                if self.nginx.poll() is not None or time.monotonic() > end:
                    sys.exit("probes: nginx does not start")
                time.sleep(0.05)

    def end(self):
        self.nginx.terminate()
        self.nginx.wait()


# ---- ecert-net, asked as core/flow/network_probe.c does ----

def message(kind, *fields):
    body = b""
    for field in fields:
        octets = struct.pack("<q", field) if isinstance(field, int) else field.encode()
        body += struct.pack("<I", len(octets)) + octets
    return struct.pack("<II", len(body) + 4, kind) + body


class Net:
    def __init__(self, program):
        self.ours, theirs = socket.socketpair()
        self.process = subprocess.Popen([program], stdin=theirs)
        theirs.close()
        self.answers = self.ours.makefile("rb")
        self.most = 0

    def count_descriptors(self, over):
        while not over.wait(0.01):
            self.most = max(self.most, len(os.listdir("/proc/%d/fd" % self.process.pid)))

    def receive(self):
        kind, fields, body = None, [], self.answers.read(4)
        if len(body) < 4:
            sys.exit("probes: ecert-net ended")
        body = self.answers.read(struct.unpack("<I", body)[0])
        kind, at = struct.unpack_from("<I", body)[0], 4
        while at < len(body):
            length = struct.unpack_from("<I", body, at)[0]
            fields.append(body[at + 4:at + 4 + length])
            at += 4 + length
        return kind, fields

    def probe(self, endpoints):
        request = message(PROBE, "", 10000, len(endpoints))
        request += b"".join(message(ENDPOINT, address, port, "bench.test", "")
                            for address, port in endpoints)
        over = threading.Event()
        counter = threading.Thread(target=self.count_descriptors, args=(over,))
        counter.start()
        start = time.monotonic()
        self.ours.sendall(request)
        for _ in endpoints:
            kind, fields = self.receive()
            if kind != SEEN or fields[1] or len(fields) != 5:
                over.set()
                sys.exit("probes: not seen: %s" % fields[1].decode(errors="replace"))
        seconds = time.monotonic() - start
        over.set()
        counter.join()
        return seconds

    def end(self):
        self.answers.close()
        self.ours.close()
        self.process.wait()


def measure(name, program, endpoints, runs):
    times = []
    net = Net(program)
    for _ in range(runs):
        times.append(net.probe(endpoints))
    net.end()
    median = statistics.median(times)
    print("%-14s %5d endpoints  %6.2f s  (%.2f of %.0f s)  %4d of %d descriptors" %
          (name, len(endpoints), median, median / BUDGET, BUDGET, net.most, DESCRIPTORS),
          flush=True)
    return median <= BUDGET and net.most < DESCRIPTORS


def inside(options):
    """In the namespace: it and what runs in it are ours alone."""
    run("ip", "link", "set", "lo", "up")
    reflector = servers = None
    ports = range(FIRST_PORT, FIRST_PORT + options.endpoints)
    with tempfile.TemporaryDirectory(prefix="ecert-probes-") as folder:
        os.chmod(folder, 0o755)
        try:
            if options.netem:
                run("ip", "addr", "add", NEAR + "/32", "dev", "lo")
                far, by = NEAR, "netem"
            else:
                reflector = Reflector()
                far, by = FAR, "tun"
            servers = Servers(folder, options.endpoints)
            measure("near", options.net, [(NEAR, port) for port in ports], options.runs)
            if options.netem and not have_netem():
                sys.exit("probes: netem is gone")
            good = measure("100 ms, " + by, options.net, [(far, port) for port in ports],
                           options.runs)
        finally:
            if servers:
                servers.end()
            if reflector:
                reflector.end()
    print("within the budget" if good else "OVER THE BUDGET")
    sys.exit(0 if good else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--net", default=os.path.join(ROOT, "build", "ecert-net"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--netem", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options)
    if os.geteuid() != 0:
        skip("a network namespace needs root")
    if subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        skip("no network namespace can be made here")
    again = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
             os.path.abspath(__file__), "--inside", "--endpoints", str(options.endpoints),
             "--runs", str(options.runs), "--net", os.path.abspath(options.net)]
    netem = subprocess.run(["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem",
                            "delay", "1ms"], stderr=subprocess.DEVNULL).returncode == 0
    if not netem and not os.path.exists("/dev/net/tun"):
        skip("the kernel has neither netem nor /dev/net/tun: nothing can be made distant")
    sys.exit(subprocess.run(again + (["--netem"] if netem else [])).returncode)


if __name__ == "__main__":
    main()
