# CAA before a request: `ecert request` asks a real name server on loopback, by `resolver` of the
# configuration and by /etc/resolv.conf.  It only says what it finds: a request is made all the same.
#
# covers: core/issue/caa.h core/net/caa.h

load common

prepare() {
    [ -x /usr/sbin/nsd ] || skip "nsd is missing (Debian: nsd)"
    ca_up
    echo 'caa = [ "ecert.gov.hk" ];' >>"$W/ca/authorities/testpost.conf"
    cat >"$W/com.zone" <<'ZONE'
$ORIGIN myserver.com.
$TTL 60
@ SOA ns root 1 60 60 60 60
@ NS ns
ns A 127.0.0.1
allowed CAA 0 issue "eCert.gov.hk"
forbidden CAA 0 issue "other-ca.example"
ZONE
    NSD_PORT=$(free_port)
    write_nsd "$NSD_PORT"
    configure "resolver = \"127.0.0.1:$NSD_PORT\";"
}

write_nsd() { # PORT
    mkdir -p "$W/nsd"
    cat >"$W/nsd.conf" <<CONF
server:
 ip-address: 127.0.0.1@$1
 server-count: 1
 username: ""
 zonesdir: "$W"
 pidfile: "$W/nsd/pid"
 logfile: "$W/nsd/log"
 xfrdfile: ""
 xfrdir: "$W/nsd"
 zonelistfile: "$W/nsd/zones"
 database: ""
remote-control:
 control-enable: no
zone:
 name: myserver.com
 zonefile: com.zone
CONF
}

configure() { # RESOLVER
    local name certificates=""
    for name in allowed forbidden; do
        certificates="$certificates${certificates:+, }{ name = \"$name.myserver.com\"; authority = \"testpost\"; }"
    done
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
$1
organization = { country = "HK"; state = "Hong Kong"; locality = "Hong Kong"; name = "Test Post"; };
certificates = ( $certificates );
CONF
}

# with_nsd COMMAND...: while the name server answers; it is ended by its pid
with_nsd() {
    local code=0 pid
    /usr/sbin/nsd -d -c "$W/nsd.conf" &
    pid=$!
    for _ in $(seq 100); do
        grep -q "nsd started" "$W/nsd/log" 2>/dev/null && break
        sleep 0.1
    done
    "$@" || code=$?
    kill "$pid"
    wait "$pid" || true
    return "$code"
}

ask() { # [OPTION...] NAME
    run_ecert request --no-backup "$@"
    [ "$status" -eq 0 ]
}

says() {
    [[ $output == *"$1"* ]] || {
        printf 'nobody says: %s\n%s\n' "$1" "$output"
        return 1
    }
}

says_not() {
    [[ $output != *"$1"* ]] || {
        printf 'says: %s\n%s\n' "$1" "$output"
        return 1
    }
}

# What a request says of CAA where the records are answered.
asked() {
    ask allowed.myserver.com && says_not "CAA records" &&
        ask forbidden.myserver.com && says "note" && says "CAA" && says "other-ca.example" &&
        says "-----BEGIN CERTIFICATE REQUEST-----"
}

@test "the resolver of the configuration: allowed says nothing, forbidden names the record" {
    with_nsd asked
}

@test "a resolver that is dead: a note, and the request is made" {
    ask allowed.myserver.com
    says "it is not known whether its CAA records let the CA issue"
    says "cannot be reached"
    says "-----BEGIN CERTIFICATE REQUEST-----"
    ask --no-caa forbidden.myserver.com
    says_not "CAA records"
}

@test "without a resolver that of /etc/resolv.conf is asked" {
    [ "$(id -u)" -eq 0 ] || skip "needs root for a resolv.conf of its own"
    unshare -m -n true 2>/dev/null || skip "no namespaces here"
    write_nsd 53
    configure ""
    echo 'nameserver 127.0.0.1' >"$W/resolv.conf"
    cat >"$W/scene" <<'SCENE'
set -eu
ip link set lo up
mount --bind "$W/resolv.conf" /etc/resolv.conf
ecert() { "$ECERT_BUILD/ecert" -c "$W/ecert.conf" "$@"; }
/usr/sbin/nsd -d -c "$W/nsd.conf" &
pid=$!
for _ in $(seq 100); do grep -q "nsd started" "$W/nsd/log" 2>/dev/null && break; sleep 0.1; done
ecert request --no-backup allowed.myserver.com >"$W/allowed" 2>&1
ecert request --no-backup forbidden.myserver.com >"$W/forbidden" 2>&1
kill "$pid"
wait "$pid" || true
ecert request --no-backup allowed.myserver.com >"$W/dead" 2>&1
SCENE
    W=$W ECERT_BUILD=$ECERT_BUILD unshare -m -n --propagation private bash "$W/scene"
    output=$(cat "$W/allowed")
    says "-----BEGIN CERTIFICATE REQUEST-----"
    says_not "CAA records"
    output=$(cat "$W/forbidden")
    says "other-ca.example"
    says "-----BEGIN CERTIFICATE REQUEST-----"
    output=$(cat "$W/dead")
    says "it is not known whether its CAA records let the CA issue"
    says "-----BEGIN CERTIFICATE REQUEST-----"
}
