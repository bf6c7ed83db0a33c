#!/usr/bin/env python3
"""Speed and memory of a deployment, as ratios against named peers in the same run.

For nginx and Apache, with 1, 100 and 1,000 sites: the time of `ecert deploy` from its start to its
end, which includes its own handshake, against
  - the floor: the server's own test, its reload, and the first handshake that sees the new
    certificate, done by hand on the same tree;
  - `certbot install` on the same tree, where certbot's package is installed.
The runs alternate, so that a machine whose speed drifts does not favour one of them; medians are
printed. The memory is the high-water mark of the ecert process.

Usage: bench.py [--runs N] [--sites 1,100,1000] [--server nginx,apache]
"""
import argparse
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ECERT = os.path.join(ROOT, "build", "ecert")
TEST_CA = os.path.join(ROOT, "tests", "support", "test-ca.sh")
NAME = "site-0.bench.test"
BUDGET = {"nginx": 1.2, "apache": 1.3}
SLACK_1 = 0.030  # seconds over the floor that one site may cost
MEMORY_BUDGET = 15 * 1024


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*argv, **more):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


class Served:
    """What a server serves now, as DER; None if it does not answer."""

    def __init__(self, port):
        self.port = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def leaf(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
                with self.context.wrap_socket(plain, server_hostname=NAME) as tls:
                    return tls.getpeercert(binary_form=True)
        except OSError:
            return None

    def wait_for(self, der, limit=30):
        end = time.monotonic() + limit
        while self.leaf() != der:
            if time.monotonic() > end:
                sys.exit("bench: the server does not serve the new certificate")


class Server:
    def __init__(self, folder, sites):
        self.folder, self.sites, self.port = folder, sites, free_port()
        os.makedirs(os.path.join(folder, "conf.d"))
        os.makedirs(os.path.join(folder, "logs"))
        self.old = os.path.join(folder, "old")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
            self.old + ".key", "-out", self.old + ".pem", "-subj", "/CN=old", "-days", "20")
        self.write()
        self.start()

    def fresh(self):
        """The tree as it was before anybody deployed anything, and the server serving it."""
        shutil.rmtree(os.path.join(self.folder, "conf.d"))
        os.makedirs(os.path.join(self.folder, "conf.d"))
        self.write()
        self.reload()
        Served(self.port).wait_for(self.old_der())

    def old_der(self):
        return run("openssl", "x509", "-in", self.old + ".pem", "-outform", "DER").stdout

    def stop(self):
        try:
            with open(self.pid_file) as f:
                pid = int(f.read())
            os.kill(pid, signal.SIGTERM)
            for _ in range(200):
                os.kill(pid, 0)
                time.sleep(0.05)
        except (OSError, ValueError):
            pass


class Nginx(Server):
    kind = "nginx"

    def write(self):
        f = self.folder
        self.pid_file = f + "/nginx.pid"
        self.argv = ["/usr/sbin/nginx", "-p", f + "/", "-c", f + "/nginx.conf"]
        with open(f + "/nginx.conf", "w") as out:
            out.write(f"""user root;
worker_processes 1;
pid {self.pid_file};
error_log {f}/logs/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    include {f}/conf.d/*.conf;
}}
""")
        for i in range(self.sites):
            with open(f"{f}/conf.d/site-{i}.conf", "w") as out:
                out.write(f"""server {{
    listen 127.0.0.1:{self.port} ssl;
    server_name site-{i}.bench.test;
    ssl_certificate {self.old}.pem;
    ssl_certificate_key {self.old}.key;
    root {f};
}}
""")

    def start(self):
        run(*self.argv)

    def test(self):
        run(*self.argv, "-t")

    def reload(self):
        run(*self.argv, "-s", "reload")

    def point_at(self, pair):
        with open(f"{self.folder}/conf.d/site-0.conf") as f:
            text = f.read()
        text = re.sub(r"ssl_certificate [^;]*;", f"ssl_certificate {pair}.pem;", text)
        text = re.sub(r"ssl_certificate_key [^;]*;", f"ssl_certificate_key {pair}.key;", text)
        with open(f"{self.folder}/conf.d/site-0.conf", "w") as f:
            f.write(text)

    def certbot(self):
        return ["--nginx", "--nginx-server-root", self.folder]


class Apache(Server):
    kind = "apache"

    def write(self):
        f = self.folder
        m = "/usr/lib/apache2/modules"
        self.pid_file = f + "/httpd.pid"
        self.argv = ["/usr/sbin/apache2", "-d", f, "-f", f + "/httpd.conf"]
        with open(f + "/httpd.conf", "w") as out:
            out.write(f"""ServerRoot "{f}"
ServerName localhost
PidFile "{self.pid_file}"
ErrorLog "{f}/logs/error.log"
DefaultRuntimeDir "{f}"
LoadModule mpm_event_module {m}/mod_mpm_event.so
LoadModule authz_core_module {m}/mod_authz_core.so
LoadModule socache_shmcb_module {m}/mod_socache_shmcb.so
LoadModule ssl_module {m}/mod_ssl.so
User www-data
Group www-data
StartServers 1
Listen 127.0.0.1:{self.port}
IncludeOptional conf.d/*.conf
""")
        for i in range(self.sites):
            with open(f"{f}/conf.d/site-{i}.conf", "w") as out:
                out.write(f"""<VirtualHost 127.0.0.1:{self.port}>
    ServerName site-{i}.bench.test
    DocumentRoot "{f}"
    SSLEngine on
    SSLCertificateFile "{self.old}.pem"
    SSLCertificateKeyFile "{self.old}.key"
</VirtualHost>
""")

    def start(self):
        run(*self.argv, "-k", "start")
        for _ in range(200):
            if os.path.exists(self.pid_file):
                break
            time.sleep(0.05)

    def test(self):
        run(*self.argv, "-t")

    def reload(self):
        run(*self.argv, "-k", "graceful")

    def point_at(self, pair):
        with open(f"{self.folder}/conf.d/site-0.conf") as f:
            text = f.read()
        text = re.sub(r'CertificateFile "[^"]*"', f'CertificateFile "{pair}.pem"', text)
        text = re.sub(r'KeyFile "[^"]*"', f'KeyFile "{pair}.key"', text)
        with open(f"{self.folder}/conf.d/site-0.conf", "w") as f:
            f.write(text)

    def certbot(self):
        f = self.folder
        return ["--apache", "--apache-server-root", f, "--apache-vhost-root", f + "/conf.d",
                "--apache-ctl", f + "/ctl", "--apache-bin", "/usr/sbin/apache2",
                "--apache-handle-modules", "no", "--apache-handle-sites", "no"]


class Scene:
    """One server with its certificates and its configuration of ecert."""

    def __init__(self, folder, server):
        self.folder, self.server, self.n = folder, server, 0
        self.key = folder + "/key.pem"
        run("openssl", "genrsa", "-out", self.key, "2048")
        may_write = f'may_write = [ "{server.folder}" ];'
        command = ", ".join(f'"{word}"' for word in server.argv)
        with open(folder + "/ecert.conf", "w") as out:
            out.write(f"""state_dir = "{folder}/state";
authorities_dir = "{folder}/ca/authorities";
certificates = ( {{ name = "{NAME}"; authority = "testpost"; key = {{ file = "{self.key}"; }};
  targets = ( {{ plugin = "{server.kind}"; command = [ {command} ]; {may_write} }} ); }} );
""")
        self.ecert("fetch")

    def ecert(self, *argv):
        return run(ECERT, "--config", self.folder + "/ecert.conf", *argv)

    def issue(self):
        """A new certificate for the key: BASE.cer, with its chain and key as servers want them."""
        self.n += 1
        base = f"{self.folder}/issued-{self.n}"
        run(TEST_CA, "issue", self.folder + "/ca", NAME, "--key", self.key, "--out", base)
        with open(base + ".pem", "wb") as out:
            for part in (base + ".cer", self.folder + "/ca/sub.pem", self.folder + "/ca/cross.pem"):
                with open(part, "rb") as f:
                    out.write(f.read())
        shutil.copyfile(self.key, base + ".key")
        return base

    def der(self, base):
        with open(base + ".der", "rb") as f:
            return f.read()


def timed(argv):
    """Seconds of wall clock, and the high-water mark of the process itself in KiB."""
    begin = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        peak = max(peak, int(line.split()[1]))
        except OSError:
            pass
        try:
            process.wait(0.002)
        except subprocess.TimeoutExpired:
            pass
    seconds = time.monotonic() - begin
    if process.returncode != 0:
        sys.exit(f"bench: {' '.join(argv)}: {process.stderr.read().decode()}")
    return seconds, peak


def time_ecert(scene, first):
    """One deployment: the first (the server's file is edited) or a renewal (a link is switched)."""
    if first:
        scene.server.fresh()
        shutil.rmtree(scene.folder + "/state")
        scene.ecert("fetch")
    base = scene.issue()
    scene.ecert("import", base + ".cer")
    seconds, peak = timed([ECERT, "--config", scene.folder + "/ecert.conf", "deploy"])
    # nginx lets its old workers answer for another 100 ms beside the new ones
    Served(scene.server.port).wait_for(scene.der(base), 2)
    return seconds, peak


def time_floor(scene):
    base = scene.issue()
    served = Served(scene.server.port)
    scene.server.fresh()
    scene.server.point_at(base)
    begin = time.monotonic()
    scene.server.test()
    scene.server.reload()
    served.wait_for(scene.der(base))
    return time.monotonic() - begin


def time_certbot(scene):
    base = scene.issue()
    scene.server.fresh()
    with open(scene.server.folder + "/ctl", "w") as out:
        # apachectl's own words, which Apache itself does not know
        out.write(f"""#!/bin/sh
case "$1" in
configtest) set -- -t ;;
graceful | restart | start | stop) set -- -k "$1" ;;
esac
exec {' '.join(scene.server.argv)} "$@"
""")
    os.chmod(scene.server.folder + "/ctl", 0o755)
    folder = scene.folder + "/certbot"
    argv = ["certbot", "install", *scene.server.certbot(), "--non-interactive", "--no-redirect",
            "--config-dir", folder, "--work-dir", folder, "--logs-dir", folder,
            "--cert-path", base + ".cer", "--key-path", base + ".key",
            "--fullchain-path", base + ".pem", "-d", NAME]
    begin = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seconds = time.monotonic() - begin
    if done.returncode != 0:
        print("   certbot failed:", done.stdout.decode().strip().splitlines()[-1])
        return None
    return seconds


def median(values):
    return statistics.median(values)


def measure(kind, sites, runs):
    folder = tempfile.mkdtemp()
    missed = []
    ca_port = free_port()
    run(TEST_CA, "make", folder + "/ca", "--base-url", f"http://127.0.0.1:{ca_port}")
    web = subprocess.Popen([sys.executable, "-m", "http.server", str(ca_port), "--bind",
                            "127.0.0.1", "--directory", folder + "/ca/www"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = (Nginx if kind == "nginx" else Apache)(folder + "/server", sites)
    try:
        time.sleep(0.5)
        scene = Scene(folder, server)
        floor, first, renewal, memory = [], [], [], 0
        for _ in range(runs):
            floor.append(time_floor(scene))
            seconds, peak = time_ecert(scene, True)
            first.append(seconds)
            memory = max(memory, peak)
            seconds, peak = time_ecert(scene, False)
            renewal.append(seconds)
            memory = max(memory, peak)
        print(f"{kind}, {sites} site{'s' if sites > 1 else ''} ({runs} runs, medians)")
        print(f"   floor (test + reload + first new handshake)  {median(floor) * 1000:8.0f} ms")
        for what, values in (("first deployment", first), ("renewal", renewal)):
            ratio = median(values) / median(floor)
            over = median(values) - median(floor)
            fine = over <= SLACK_1 if sites == 1 else ratio <= BUDGET[kind]
            limit = "floor + 30 ms" if sites == 1 else f"{BUDGET[kind]} x floor"
            print(f"   ecert, {what:17}                     {median(values) * 1000:8.0f} ms = "
                  f"{ratio:.2f} x floor, {over * 1000:+.0f} ms (budget {limit}: "
                  f"{'met' if fine else 'MISSED'})")
            if not fine:
                missed.append(f"{kind} {sites} {what}")
        fine = memory <= MEMORY_BUDGET
        print(f"   ecert, peak memory                         {memory / 1024:8.1f} MiB "
              f"(budget 15 MiB: {'met' if fine else 'MISSED'})")
        if not fine:
            missed.append(f"{kind} {sites} memory")
        if shutil.which("certbot"):
            seconds = time_certbot(scene)
            if seconds is not None:
                print(f"   certbot install (one run)                  {seconds * 1000:8.0f} ms = "
                      f"{seconds / median(first):.1f} x ecert's first deployment")
        sys.stdout.flush()
    finally:
        server.stop()
        web.terminate()
        web.wait()
        shutil.rmtree(folder)
    return missed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--sites", default="1,100,1000")
    parser.add_argument("--server", default="nginx,apache")
    options = parser.parse_args()
    missed = []
    for kind in options.server.split(","):
        for sites in options.sites.split(","):
            missed += measure(kind, int(sites), options.runs)
    print("budgets missed: " + (", ".join(missed) if missed else "none"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
