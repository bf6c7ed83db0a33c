# What every system test needs. A bats file says `load common` and gets:
#
#   once per file  $F     a private folder with a test CA (F/ca) and certificates issued by it
#   per test       $W     a private folder of its own: W/ca a copy of that CA, W/keys/$NAME.key,
#                         W/$NAME.cer and .der (issued for it), W/second.cer (issued later for the
#                         same key), W/ec.key and W/ec.cer, W/foreign.cer (for a key that no
#                         configuration of the tests names)
#   $CA_PORT              where the CA's addresses are served once ca_up was called
#   $PUBLIC               a folder that everybody may read (made by public_folder)
#
# ecert runs with $W/ecert.conf and its state in $W/state. Servers are ended by pid at the end.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd -P)
: "${ECERT_BUILD:=$ROOT/build/gcc}"
NAME=www.myserver.com
# the serial numbers that test-ca.sh gives
SUB=2025000000000001 REVOKED=2017000000000001 CROSS=2022000000000301
PATH=$PATH:/usr/sbin:/sbin

# shellcheck source=tests/support/servers.sh
. "$ROOT/tests/support/servers.sh"

test_ca() {
    "$ROOT/tests/support/test-ca.sh" "$@"
}

setup_file() {
    F=$(mktemp -d -p /tmp)
    CA_PORT=$(free_port)
    export F CA_PORT
    test_ca make "$F/ca" --base-url "http://127.0.0.1:$CA_PORT"
    test_ca issue "$F/ca" "$NAME" --alt myserver.com --out "$F/$NAME"
    test_ca issue "$F/ca" "$NAME" --alt myserver.com --key "$F/$NAME.key" --out "$F/second"
    test_ca issue "$F/ca" "$NAME" --ec --out "$F/ec"
    test_ca issue "$F/ca" foreign.myserver.com --ec --out "$F/foreign"
}

teardown_file() {
    rm -rf "$F"
}

setup() {
    W=$(mktemp -d -p /tmp)
    PUBLIC="" PIDS=()
    cp -a "$F/ca" "$W/ca"
    # the CA's books and its profile know their folder
    sed -i "s|$F/ca|$W/ca|g" "$W/ca/ca.cnf" "$W/ca/authorities/testpost.conf"
    cp -p "$F/$NAME.cer" "$F/$NAME.der" "$F/second.cer" "$F/ec.key" "$F/ec.cer" "$F/foreign.cer" "$W"
    mkdir "$W/keys" "$W/iis"
    cp -p "$F/$NAME.key" "$W/keys/"
    if declare -F prepare >/dev/null; then prepare; fi
}

teardown() {
    local file pid
    for file in "$W"/*/nginx.pid "$W"/*/httpd.pid; do
        stop_pid "$file"
    done
    for pid in "${PIDS[@]}"; do
        end_process "$pid"
    done
    rm -rf "$W"
    [ -z "$PUBLIC" ] || rm -rf "$PUBLIC"
}

ecert() {
    "$ECERT_BUILD/ecert" --config "$W/ecert.conf" "$@"
}

# `run` with standard error apart: $status, $output, $stderr. All is shown should the test fail.
run_ecert() {
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/ecert.conf" "$@"
    printf '$ ecert %s\n%s\n%s\nexit code %s\n' "$*" "$output" "$stderr" "$status"
}

# write_config [TARGETS [LINES-OF-THE-CERTIFICATE [LINES-AT-THE-TOP]]]
# One certificate, $NAME; without targets an export into W/iis. $KEY and $AUTHORITY, if set, replace
# the key and the authority; KEY=none leaves the key out.
write_config() {
    local key="key = { file = \"$W/keys/$NAME.key\"; };"
    [ -z "${KEY:-}" ] || key="key = { $KEY };"
    [ "${KEY:-}" != none ] || key=""
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
${3:-}
certificates = (
  { name = "$NAME";
    authority = "${AUTHORITY:-testpost}";
    $key
    ${2:-}
    targets = ( ${1:-{ plugin = \"iis-export\"; directory = \"$W/iis\"; \}} ); }
);
CONF
}

# The CA's download addresses, out of W/ca/www.
ca_up() {
    ca_server "$W" "$CA_PORT"
}

ca_down() {
    stop_pid "$W/ca-server/nginx.pid"
}

# A folder that ecert-net, which has no rights, can read: $PUBLIC.
public_folder() {
    PUBLIC=$(mktemp -d -p /tmp)
    chmod 755 "$PUBLIC"
}

# drop FILE [NAME]: into the inbox, as if it had been lying there for a while. (What does not decode
# is looked at again when it is two seconds old, because it may still be being copied.)
drop() {
    local to=$W/state/inbox/${2:-$(basename "$1")}
    [ -d "$W/state/inbox" ] || ecert fetch --quiet
    cp "$1" "$to"
    touch -d '-1 minute' "$to"
}

generation() { # N: its folder
    printf '%s/state/certificates/%s/generations/%04d' "$W" "$NAME" "$1"
}

generations() { # how many there are
    find "$W/state/certificates/$NAME/generations" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}

serials() { # FILE: the serial number of each certificate, in order
    local pem="" line
    while IFS= read -r line; do
        pem+=$line$'\n'
        [ "$line" = "-----END CERTIFICATE-----" ] || continue
        openssl x509 -noout -serial <<<"$pem" | sed 's/serial=//'
        pem=""
    done <"$1"
}

# snapshot DIR: every file with type, mode, owner, time of change, link and contents; but for the
# lock, which is taken, and state.json of the reminders, where each run notes when it checked
snapshot() {
    local passing=(-path "$W/state/lock" -o -path "$W/state/reminders/state.json")
    find "$1" \( "${passing[@]}" \) -prune -o -path "$W/state/reminders" -printf '%y %m %U:%G %p\n' \
        -o -printf '%y %m %U:%G %T@ %p %l\n' | sort
    find "$1" \( "${passing[@]}" \) -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum
}

same() { # BEFORE AFTER, two snapshots
    diff <(printf '%s\n' "$1") <(printf '%s\n' "$2")
}

# json EXPRESSION, of the object `o` on standard input; fails if that is not one JSON object
json() {
    python3 -I -S -c '
import json, sys
o = json.load(sys.stdin)
assert isinstance(o, dict)
print(eval(sys.argv[1]))' "$1"
}

# no_key_in KEY TEXT...: none of the lines of the key's PEM, and no private key at all
no_key_in() {
    local key=$1 text
    shift
    for text in "$@"; do
        ! grep -q 'PRIVATE KEY' <<<"$text" || return 1
        ! grep -qF -f <(grep -v -e '-----' "$key" | cut -c 2-40) <<<"$text" || return 1
    done
}
