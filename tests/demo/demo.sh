#!/usr/bin/env bash
# The main job, start to end, for somebody who has never heard of the project. Everything happens in a
# folder of its own and on free loopback ports; the host's own servers are not touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/servers.sh

ECERT=$PWD/build/ecert
NAME=www.myserver.com
W=$(mktemp -d)
end() {
    stop_pid "$W/nginx/nginx.pid"
    stop_pid "$W/apache/httpd.pid"
    stop_pid "$W/ca-server/nginx.pid"
    rm -rf "$W"
}
trap end EXIT
# a folder below /tmp that others own would not be trusted, and rightly so
chmod 700 "$W"

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || title() { printf '\n== %s\n' "$*"; }
say() { printf '   %s\n' "$*"; }
show() { sed 's/^/   | /'; }
short() { cut -c1-16 <<<"$1"; }
run() { # shows the command, runs it, shows what it says
    printf '   $ %s\n' "$(sed "s|$ECERT --config $W/ecert.conf|ecert|; s|$W/|…/|g" <<<"$*")"
    "$@" 2>&1 | sed "s|$W/|…/|g" | show
}

title "1. A certificate authority like Hongkong Post's, for this demonstration only"
CA_PORT=$(free_port)
tests/support/test-ca.sh make "$W/ca" --base-url "http://127.0.0.1:$CA_PORT" >/dev/null
ca_server "$W" "$CA_PORT"
say "It has a root, a sub CA, and - as in real life since 2025 - a REVOKED sub CA with the same name"
say "and the same key. Its download address is served by a real nginx on port $CA_PORT."

title "2. Two web servers that still serve an old certificate"
NGINX_PORT=$(free_port) APACHE_PORT=$(free_port)
old_pair "$W/old" "$NAME"
nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/old"
apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/old"
start_nginx "$W/nginx"
start_apache "$W/apache"
OLD_N=$(served "$NGINX_PORT" "$NAME") OLD_A=$(served "$APACHE_PORT" "$NAME")
say "nginx  on port $NGINX_PORT serves certificate $(short "$OLD_N")…"
say "Apache on port $APACHE_PORT serves certificate $(short "$OLD_A")…"
say "A third server, IIS on Windows, gets its certificate as a file to carry over."

title "3. What the administrator writes once: the configuration"
mkdir -p "$W/iis" "$W/keys"
openssl genrsa -out "$W/keys/$NAME.key" 2048 2>/dev/null
cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
certificates = (
  { name = "$NAME";
    authority = "testpost";                       # in real life: "hongkongpost"
    key = { file = "$W/keys/$NAME.key"; };
    targets = (
      { plugin = "nginx";
        command = [ "$NGINX", "-p", "$W/nginx/", "-c", "$W/nginx/nginx.conf" ];
        may_write = [ "$W/nginx" ]; },
      { plugin = "apache";
        command = [ "$APACHE", "-d", "$W/apache", "-f", "$W/apache/httpd.conf" ];
        may_write = [ "$W/apache" ]; },
      { plugin = "iis-export"; directory = "$W/iis"; } ); } );
CONF
sed "s|$W/|…/|g" "$W/ecert.conf" | show
say "(An Apache or nginx in its usual place needs neither command nor may_write.)"
run "$ECERT" --config "$W/ecert.conf" config

title "4. The CA has issued the certificate; the administrator drops the file into the inbox"
tests/support/test-ca.sh issue "$W/ca" "$NAME" --key "$W/keys/$NAME.key" --out "$W/cert0000812104" \
    >/dev/null
run "$ECERT" --config "$W/ecert.conf" fetch # makes the folders, finds nothing
cp "$W/cert0000812104.cer" "$W/state/inbox/"
say "$ cp cert0000812104.cer …/state/inbox/"

title "5. One command does the rest (cron or a timer calls it by itself)"
run "$ECERT" --config "$W/ecert.conf" run --verbose

title "6. What the servers serve now"
NEW=$(sha256_of "$W/cert0000812104.cer")
NEW_N=$(served "$NGINX_PORT" "$NAME") NEW_A=$(served "$APACHE_PORT" "$NAME")
say "nginx  before: $(short "$OLD_N")…   now: $(short "$NEW_N")…   with $(served_chain "$NGINX_PORT" "$NAME") certificates in all"
say "Apache before: $(short "$OLD_A")…   now: $(short "$NEW_A")…   with $(served_chain "$APACHE_PORT" "$NAME") certificates in all"
say "issued by the CA:           $(short "$NEW")…"
[ "$NEW_N" = "$NEW" ] && [ "$NEW_A" = "$NEW" ] || {
    say "SOMETHING IS WRONG: the servers do not serve the issued certificate"
    exit 1
}
say "A chain from the revoked sub CA would not have been installed: each copy is known by its SHA-256"
say "and checked against the root's list of revoked certificates."

title "7. For the Windows server"
ls -l "$W/iis" | awk 'NR > 1 { print $1, $5, $9 }' | show
say "The .pfx holds key, certificate and chain; the script imports it and binds it to the site:"
openssl pkcs12 -in "$W/iis/$NAME.pfx" -passin "file:$W/iis/$NAME.password.txt" -nokeys -info 2>&1 |
    grep -E 'friendlyName|subject=|MAC:' | sort -u | show

title "8. At any time: how things stand"
run "$ECERT" --config "$W/ecert.conf" status
title "Done. The demonstration's servers are stopped and its folder is removed."
