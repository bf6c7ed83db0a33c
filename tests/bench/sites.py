#!/usr/bin/env python3
"""The two editors with thousands of sites: time and memory of the planning worker, without the
server's own test.

For nginx and Apache, with 4,000, 10,000 and 40,000 sites in one file and in as many files, all of
which are read, searched and changed:
  - the CPU time and the time by the wall of plan(), and the time until the records are encoded;
  - the high-water mark of the worker, the core's half and the plan included;
  - the same as a ratio to the floor: open, fstat, read and close of the same files;
  - the growth from 4,000 to 40,000;
and with a certificate file for each site too. All sites use one certificate, which is replaced by a
wildcard everywhere_it_was: every certificate file has to be looked into, and every site changed.
Named peers, in the same run: crossplane, the parsers of certbot and augeas'
lenses, where they are installed.

CPU time is what is judged, because other work on the machine does not count there.

Usage: sites.py --driver build/sites_bench --plugins build/plugins [--runs N] [--sites 4000,...]
"""
import argparse

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

BUDGET_SECONDS = 0.1  # of 4,000 sites
BUDGET_KIB = 20 * 1024
LINEAR = 1.3  # how much more than its share a site of 40,000 may cost

NGINX = """server {
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name s%d.bench.test;
    root /srv/www/s%d;
    # the certificate of this site
    ssl_certificate %s.pem;
    ssl_certificate_key %s.key;
    access_log off;
    location / {
        try_files $uri $uri/ =404;
    }
}
"""

APACHE = """<VirtualHost *:443>
    ServerName s%d.bench.test
    DocumentRoot "/srv/www/s%d"
    # the certificate of this site
    SSLEngine on
    SSLCertificateFile %s.pem
    SSLCertificateKeyFile %s.key
    <Directory "/srv/www/s%d">
        Require all granted
        AllowOverride None
    </Directory>
</VirtualHost>
"""


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def command(folder, stream, text):
    """A program that says the text: what the server's own would say, without its time."""
    write(os.path.join(folder, "said"), text)
    path = os.path.join(folder, "command")
    write(path, "#!/bin/sh\nexec /bin/cat %s/said >&%d\n" % (folder, stream))
    os.chmod(path, 0o755)


def finish(folder, files):
    write(os.path.join(folder, "names"), "*.bench.test\ns0.bench.test\n")
    write(os.path.join(folder, "files"), "".join(path + "\n" for path in files))


def old_pairs(folder, n, each):
    """What the sites use now: one certificate, in one file or in a file for each. Its path without
    the end, for each site, and the files."""
    subprocess.run(("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                    "/CN=s0.bench.test", "-days", "30", "-keyout", "old.key", "-out", "old.pem"),
                   cwd=folder, check=True, stderr=subprocess.DEVNULL)
    old = os.path.join(folder, "old")
    if not each:
        return [old] * n, [old + ".pem"]
    with open(old + ".pem", encoding="ascii") as file:
        text = file.read()
    os.mkdir(os.path.join(folder, "pem"))
    paths = [os.path.join(folder, "pem", str(i)) for i in range(n)]
    for path in paths:
        write(path + ".pem", text)
    return paths, [path + ".pem" for path in paths]


def nginx_tree(folder, n, many, each=False):
    main = os.path.join(folder, "nginx.conf")
    old, files = old_pairs(folder, n, each)
    files.append(main)
    blocks = []
    os.mkdir(os.path.join(folder, "sites"))
    for i in range(n):
        block = NGINX % (i, i, old[i], old[i])
        if many:
            files.append(os.path.join(folder, "sites", "%05d.conf" % i))
            write(files[-1], block)
        else:
            blocks.append(block)
    blocks.append("include %s/sites/*.conf;\n" % folder if many else "")
    write(main, "events {}\nhttp {\n%s}\n" % "".join(blocks))
    command(folder, 2, "configure arguments: --prefix=%s --conf-path=%s --error-log-path=stderr "
            "--http-log-path=%s/access.log --pid-path=%s/nginx.pid\n" % (folder, main, folder, folder))
    finish(folder, files)


def apache_tree(folder, n, many, each=False):
    main = os.path.join(folder, "httpd.conf")
    old, files = old_pairs(folder, n, each)
    files.append(main)
    lines = APACHE.count("\n")
    blocks = ["Listen 443\n"]
    includes = ["Included configuration files:\n  (*) %s\n" % main]
    hosts = ["VirtualHost configuration:\n*:443                  is a NameVirtualHost\n"]
    os.mkdir(os.path.join(folder, "sites"))
    for i in range(n):
        block = APACHE % (i, i, old[i], old[i], i)
        place = "%s:%d" % (main, 2 + i * lines)
        if many:
            files.append(os.path.join(folder, "sites", "%05d.conf" % i))
            write(files[-1], block)
            includes.append("    (2) %s\n" % files[-1])
            place = files[-1] + ":1"
        else:
            blocks.append(block)
        hosts.append("         port 443 namevhost s%d.bench.test (%s)\n" % (i, place))
    blocks.append("IncludeOptional %s/sites/*.conf\n" % folder if many else "")
    write(main, "".join(blocks))
    command(folder, 1, "%s%sServerRoot: \"%s\"\nLoaded Modules:\n ssl_module (shared)\n"
            % ("".join(includes), "".join(hosts), folder))
    finish(folder, files)


# ---- the peers


PEERS = {
    "crossplane": """
import crossplane
crossplane.parse(path)""",
    "certbot's nginxparser": """
from certbot_nginx._internal import nginxparser
with open(path) as file:
    nginxparser.load(file)""",
    "augeas' Nginx lens": """
import augeas
a = augeas.Augeas(root="/", flags=augeas.Augeas.NO_MODL_AUTOLOAD)
a.set("/augeas/load/x/lens", "Nginx.lns"); a.set("/augeas/load/x/incl", path); a.load()
assert len(a.match("/files" + path + "//server")) > 0""",
    "augeas' Httpd lens": """
import augeas
a = augeas.Augeas(root="/", flags=augeas.Augeas.NO_MODL_AUTOLOAD)
a.set("/augeas/load/x/lens", "Httpd.lns"); a.set("/augeas/load/x/incl", path); a.load()
assert len(a.match("/files" + path + "/VirtualHost")) > 0""",
}

PEER_MODULES = {
    "crossplane": "crossplane",
    "certbot's nginxparser": "certbot_nginx",
    "augeas' Nginx lens": "augeas",
    "augeas' Httpd lens": "augeas",
}

PEERS_OF = {
    "nginx": ("crossplane", "certbot's nginxparser", "augeas' Nginx lens"),
    "apache": ("augeas' Httpd lens",),
}

# Debian's own Python has Debian's packages, whatever python3 is.
PYTHONS = [p for p in (sys.executable, "/usr/bin/python3") if p and os.path.exists(p)]


def python_with(module):
    for python in PYTHONS:
        probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('%s') is None)" % module
        if subprocess.run((python, "-c", probe), check=False).returncode == 0:
            return python
    return None


def measure_peer(name, path):
    """Seconds of CPU of the parsing alone; None: not installed."""
    python = python_with(PEER_MODULES[name])
    if python is None:
        return None
    imports = "\n".join(line for line in PEERS[name].splitlines() if "import" in line)
    work = "\n".join("    " + line for line in PEERS[name].splitlines() if "import" not in line)
    program = ("import sys, time\npath = sys.argv[1]\n%s\ndef work():\n%s\n"
               "start = time.process_time()\nwork()\nprint(time.process_time() - start)\n"
               % (imports, work))
    done = subprocess.run((python, "-c", program, path), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (name, done.stderr.decode()[-300:]))
    return float(done.stdout)


# ---- the measurement


def drive(args, *more):
    done = subprocess.run((args.driver,) + more, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=300, check=False)
    if done.returncode != 0:
        sys.exit("sites bench: %s" % done.stderr.decode())
    return json.loads(done.stdout)


class Bench:
    def __init__(self, args):
        self.args = args
        self.broken = 0
        self.one_file = {}

    def judge(self, good, text):
        print("%s  %s" % ("ok  " if good else "MISS", text))
        self.broken += not good

    def measure(self, server, folder):
        """Medians of several runs, in turns with the floor."""
        plugin = os.path.join(self.args.plugins, server + ".so")
        plans, reads = [], []
        for _ in range(self.args.runs):
            reads.append(drive(self.args, "read", folder))
            plans.append(drive(self.args, "plan", plugin, folder, os.path.join(folder, "command")))
        middle = {key: statistics.median(p[key] for p in plans) for key in plans[0]}
        middle["floor"] = statistics.median(r["cpu"] for r in reads)
        return middle

    def tell(self, title, n, m):
        print("%s: CPU %.4f s (with the answer %.4f s), wall %.4f s, %.1f MiB; %.1f x reading "
              "(%.4f s); %s files changed" % (title, m["cpu"], m["with_answer"], m["seconds"],
                                              m["kib"] / 1024, m["cpu"] / m["floor"], m["floor"],
                                              format(int(m["files"]), ",")))
        if n == 4000:
            self.judge(m["cpu"] <= BUDGET_SECONDS, "  %.4f s of CPU (budget %.1f)"
                       % (m["cpu"], BUDGET_SECONDS))
            self.judge(m["kib"] <= BUDGET_KIB, "  %.1f MiB (budget %d)"
                       % (m["kib"] / 1024, BUDGET_KIB // 1024))

    def shape(self, server, title, tree, many, each):
        times = {}
        for n in self.args.sites:
            folder = tempfile.mkdtemp(prefix="ecert-sites-bench-")
            try:
                tree(folder, n, many, each)
                times[n] = self.measure(server, folder)
                self.tell("%s, %s, %s" % (server, format(n, ","), title), n, times[n])
            finally:
                shutil.rmtree(folder)
        least, most = min(times), max(times)
        if most > least:
            growth = times[most]["cpu"] / times[least]["cpu"] * least / most
            self.judge(growth <= LINEAR, "  a site of %s costs %.2f x one of %s (budget %.1f)"
                       % (format(most, ","), growth, format(least, ","), LINEAR))
        if not many:
            self.one_file[server] = times[least]["cpu"] * 4000 / least

    def peers(self, server):
        own_cpu = self.one_file[server]
        for name in PEERS_OF[server]:
            if python_with(PEER_MODULES[name]) is None:
                print("skip  %s is not installed%s" % (
                    name, "; 0.63 s for 4,000 server blocks when this was designed, not measured "
                    "here" if name == "crossplane" else ""))
                continue
            n = self.args.peer_sites if name != "crossplane" else 4000
            with tempfile.TemporaryDirectory(prefix="ecert-sites-bench-") as folder:
                if server == "nginx":
                    nginx_tree(folder, n, False)
                    path = os.path.join(folder, "nginx.conf")
                else:
                    apache_tree(folder, n, False)
                    path = os.path.join(folder, "httpd.conf")
                took = measure_peer(name, path) * 4000 / n
            scaled = "" if n == 4000 else ", %d measured and scaled" % n
            self.judge(own_cpu < took, "%.0f x faster than %s (%.2f s for 4,000%s)"
                       % (took / own_cpu, name, took, scaled))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", required=True)
    parser.add_argument("--plugins", required=True)
    parser.add_argument("--server", default="nginx,apache")
    parser.add_argument("--sites", default="4000,10000,40000")
    parser.add_argument("--peer-sites", type=int, default=400)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    args.sites = [int(n) for n in args.sites.split(",")]
    bench = Bench(args)

    trees = {"nginx": nginx_tree, "apache": apache_tree}
    for server in args.server.split(","):
        for title, many, each in (("one file", False, False), ("a file each", True, False),
                                  ("a file and a certificate each", True, True)):
            bench.shape(server, title, trees[server], many, each)
        bench.peers(server)
    return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
