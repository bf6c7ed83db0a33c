#!/usr/bin/env python3
"""Speed and descriptors of ecert-net with 1,000 endpoints that are 100 ms away.

The servers are real: one nginx with TLS on as many ports, in a network namespace whose packets all
take 50 ms each way. That is netem's work where the kernel has it, else that of a TUN device whose
other end is this script: it gives every packet back 50 ms later with its two addresses exchanged,
so that 10.99.0.2 is this machine itself, seen from far away. The namespace, and all that is in it,
ends with the processes.

Per row: seconds from the request until the last answer, the ratio to the budget of 3 s, and the
most descriptors that ecert-net had open. "near" is the same without the delay: what the handshakes
themselves cost here, where the server shares the processors. "one leaf": every port serves the same
chain of three; "own leaves": each a leaf of its own, below the same two.

Below, the whole `ecert check` over the same endpoints: there each leaf is decoded in a limited child,
one that was seen before is not, and each chain is judged.

Usage: probes.py [--endpoints N] [--runs N] [--net PROGRAM] [--ecert PROGRAM]
"""
import argparse
import collections
import concurrent.futures
import fcntl
import json
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
    """On n ports one leaf, on n more a leaf each; one key, so that only what is sent differs."""

    def __init__(self, folder, n):
        self.folder = folder
        self.issue(n)
        blocks = self.block("leaf-0", range(FIRST_PORT, FIRST_PORT + n))
        for i in range(n):
            blocks += self.block("leaf-%d" % i, [FIRST_PORT + n + i])
        with open(os.path.join(folder, "nginx.conf"), "w") as conf:
            conf.write("daemon off; master_process off; pid nginx.pid; error_log error.log crit;\n"
                       "worker_rlimit_nofile 8192; events { worker_connections 8000; }\n"
                       "http { access_log off; ssl_session_cache off; ssl_session_tickets off;\n"
                       "ssl_certificate_key leaf.key;\n%s}\n" % blocks)
        self.start(FIRST_PORT + 2 * n - 1)

    @staticmethod
    def block(chain, ports):
        listen = "".join("listen 0.0.0.0:%d ssl backlog=64; " % port for port in ports)
        return "server { %s ssl_certificate %s.pem; }\n" % (listen, chain)

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, n):
        """A root, a sub CA and n leaves, as chains of three."""
        for name in ("root", "sub", "leaf"):
            run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                self.path(name + ".key"))
            run("openssl", "req", "-new", "-key", self.path(name + ".key"), "-subj",
                "/CN=%s.bench.test" % name, "-out", self.path(name + ".csr"))
        with open(self.path("ca.ext"), "w") as out:
            out.write("basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n")
        with open(self.path("leaf.ext"), "w") as out:
            out.write("subjectAltName=DNS:bench.test\nsubjectKeyIdentifier=hash\n")
        run("openssl", "x509", "-req", "-in", self.path("root.csr"), "-signkey",
            self.path("root.key"), "-days", "400", "-extfile", self.path("ca.ext"), "-out",
            self.path("root.pem"))
        self.sign("sub", "ca.ext", "root", 1, "sub.pem")
        with open(self.path("sub.pem")) as sub, open(self.path("root.pem")) as root:
            above = sub.read() + root.read()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda i: self.sign("leaf", "leaf.ext", "sub", 1000 + i, "leaf-%d.pem" % i),
                          range(n)))
        for i in range(n):
            with open(self.path("leaf-%d.pem" % i), "a") as chain:
                chain.write(above)

    def sign(self, name, extensions, by, serial, to):
        run("openssl", "x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path(by + ".pem"),
            "-CAkey", self.path(by + ".key"), "-set_serial", str(serial), "-days", "199", "-extfile",
            self.path(extensions), "-out", self.path(to))

    def start(self, last_port):
        self.nginx = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", self.folder, "-c", "nginx.conf", "-e", "error.log"],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192)))
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((NEAR, last_port), timeout=1).close()
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


def tell(name, n, seconds, more):
    print("%-32s %5d endpoints  %6.2f s  (%.2f of %.0f s)%s" %
          (name, n, seconds, seconds / BUDGET, BUDGET, more), flush=True)


def measure(name, program, endpoints, runs):
    times = []
    net = Net(program)
    for _ in range(runs):
        times.append(net.probe(endpoints))
    net.end()
    median = statistics.median(times)
    tell(name, len(endpoints), median, "  %4d of %d descriptors" % (net.most, DESCRIPTORS))
    return median <= BUDGET and net.most < DESCRIPTORS


def measure_check(name, program, folder, endpoints, runs):
    """The command itself; every endpoint has to have answered."""
    with open(os.path.join(folder, "endpoints"), "w") as out:
        out.writelines("%s:%d bench.test\n" % endpoint for endpoint in endpoints)
    os.makedirs(os.path.join(folder, "none"), exist_ok=True)
    with open(os.path.join(folder, "ecert.conf"), "w") as out:
        out.write('state_dir = "%s/state"; authorities_dir = "%s/none"; certificates = ( );\n'
                  'watch = ( { endpoints_file = "%s/endpoints"; name = "far"; } );\n' %
                  (folder, folder, folder))
    times = []
    for _ in range(runs):
        start = time.monotonic()
        done = subprocess.run([program, "--config", os.path.join(folder, "ecert.conf"), "check",
                               "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        times.append(time.monotonic() - start)
        if b'"no-answer"' in done.stdout or not json.loads(done.stdout)["counts"]["fine"]:
            sys.exit("probes: not all answered `ecert check`: %s" % done.stdout[:2000].decode())
    tell(name, len(endpoints), statistics.median(times), "")


def inside(options):
    """In the namespace: it and what runs in it are ours alone."""
    run("ip", "link", "set", "lo", "up")
    reflector = servers = None
    n = options.endpoints
    ports = {"one leaf": range(FIRST_PORT, FIRST_PORT + n),
             "own leaves": range(FIRST_PORT + n, FIRST_PORT + 2 * n)}
    good = True
    with tempfile.TemporaryDirectory(prefix="ecert-probes-") as folder:
        os.chmod(folder, 0o755)
        try:
            if options.netem:
                run("ip", "addr", "add", NEAR + "/32", "dev", "lo")
                far, by = NEAR, "netem"
            else:
                reflector = Reflector()
                far, by = FAR, "tun"
            servers = Servers(folder, n)
            for what in ports:
                measure("near, " + what, options.net, [(NEAR, port) for port in ports[what]],
                        options.runs)
            if options.netem and not have_netem():
                sys.exit("probes: netem is gone")
            for what in ports:
                good &= measure("100 ms (%s), %s" % (by, what), options.net,
                                [(far, port) for port in ports[what]], options.runs)
            for what in ports:
                measure_check("ecert check, 100 ms, " + what, options.ecert, folder,
                              [(far, port) for port in ports[what]], options.runs)
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
    parser.add_argument("--ecert", default=os.path.join(ROOT, "build", "ecert"))
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
             "--runs", str(options.runs), "--net", os.path.abspath(options.net),
             "--ecert", os.path.abspath(options.ecert)]
    netem = subprocess.run(["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem",
                            "delay", "1ms"], stderr=subprocess.DEVNULL).returncode == 0
    if not netem and not os.path.exists("/dev/net/tun"):
        skip("the kernel has neither netem nor /dev/net/tun: nothing can be made distant")
    sys.exit(subprocess.run(again + (["--netem"] if netem else [])).returncode)


if __name__ == "__main__":
    main()
