# Certificates out of a directory: a real slapd, in which lies more than what we want.
#
# covers: core/flow/ldap_source.h core/flow/source.h

load common

BASE="o=Test Post,c=HK"
SLAPD_PID=""

prepare() {
    [ -x /usr/sbin/slapd ] || skip "slapd is not installed"
    LDAP=$(free_port) LDAPS=$(free_port)
    : >"$W/entries"
    public_folder
    cp "$W/ca/root.pem" "$PUBLIC/ca.pem"
    chmod 644 "$PUBLIC/ca.pem"
    # SERVER: whose certificate it shows
    test_ca issue "$W/ca" localhost --ec --out "$W/server"
    cat "$W/server.cer" "$W/ca/sub.pem" >"$W/server.pem"
    printf 'open sesame\n' >"$W/word"
    chmod 600 "$W/word"
    ca_up
}

# entry CN FILE...: an entry with these certificates
ENTRIES=0
entry() {
    ENTRIES=$((ENTRIES + 1))
    {
        printf '\ndn: uid=%s,%s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: x\n' \
            "$ENTRIES" "$BASE" "$ENTRIES" "$1"
        shift
        local file
        for file in "$@"; do
            printf 'userCertificate;binary:: %s\n' "$(openssl x509 -in "$file" -outform DER | base64 -w0)"
        done
    } >>"$W/entries"
}

directory_down() {
    [ -z "$SLAPD_PID" ] || end_process "$SLAPD_PID"
    SLAPD_PID=""
}

directory_up() {
    directory_down
    rm -rf "$W/data"
    mkdir "$W/data"
    { printf 'dn: %s\nobjectClass: organization\no: Test Post\n' "$BASE" && cat "$W/entries"; } >"$W/all.ldif"
    cat >"$W/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile $W/slapd.pid
TLSCertificateFile $W/server.pem
TLSCertificateKeyFile $W/server.key
database ldif
suffix "$BASE"
directory $W/data
rootdn "cn=reader,$BASE"
rootpw "open sesame"
CONF
    slapadd -f "$W/slapd.conf" -l "$W/all.ldif"
    slapd -d 0 -h "ldap://127.0.0.1:$LDAP ldaps://127.0.0.1:$LDAPS" -f "$W/slapd.conf" 3>&- &
    SLAPD_PID=$!
    PIDS+=("$SLAPD_PID")
    local i
    for i in {1..100}; do
        ! (exec 5<>"/dev/tcp/127.0.0.1/$LDAPS") 2>/dev/null || return 0
        sleep 0.05
    done
    echo "slapd does not answer" >&2
    return 1
}

# source_of [URL [LINES]]
source_of() {
    write_config "" "source = { type = \"ldap\"; url = \"${1:-ldap://127.0.0.1:$LDAP}\";
      base = \"$BASE\"; ${2:-} };"
}

issued() { # NAME FROM UNTIL [option...]: W/NAME.cer, for our key unless told otherwise
    local name=$1 from=$2 until=$3
    shift 3
    [ $# -gt 0 ] || set -- --key "$W/keys/$NAME.key"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com "$@" --not-before "$from" --not-after "$until" \
        --out "$W/$name"
}

ago() { # DAYS: a time in the form of a certificate
    date -u -d "$1 days" +%Y%m%d%H%M%SZ
}

# What a directory looks like after some years.
years() {
    issued expired "$(ago -400)" "$(ago -5)"
    issued older "$(ago -60)" "$(ago +100)"
    issued newer "$(ago -10)" "$(ago +150)"
    issued foreigner "$(ago -1)" "$(ago +190)" --ec
    entry "$NAME" "$W/expired.cer" "$W/newer.cer"
    entry "$NAME" "$W/older.cer" "$W/foreigner.cer"
    entry www.other.com "$W/foreign.cer"
}

@test "the newest certificate for a key of ours is taken, once" {
    years
    directory_up
    source_of
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
    [ "$(sha256_of "$(generation 1)/cert.pem")" = "$(sha256_of "$W/newer.cer")" ]
    grep -q "passed over in the directory: 1 expired, serial $(serials "$W/expired.cer")" <<<"$output"
    grep -q "passed over in the directory: 1 for another key, serial $(serials "$W/foreigner.cer")" <<<"$output"
    # of another name: not even asked for
    [ "$(grep -c "$(serials "$W/foreign.cer")" <<<"$output" || true)" -eq 0 ]
    grep -rq "ldap://127.0.0.1:$LDAP: uid=1,$BASE" "$(generation 1)" # where it is from is kept

    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$output" = "" ] || ! grep -q taken <<<"$output"
    run_ecert fetch --verbose
    grep -q "ldap://127.0.0.1:$LDAP: nothing new" <<<"$output$stderr"
    grep -q "1 older than the newest one taken, serial $(serials "$W/older.cer")" <<<"$output$stderr"
    run_ecert fetch --json
    [ "$(json '[(s["outcome"], s["certificate"], s["generation"]) for s in o["sources"]]' <<<"$output")" = \
        "[('unchanged', '$NAME', 1)]" ]
    [ "$(generations)" = 1 ]
}

@test "what is published later is deployed by the next run" {
    issued first "$(ago -60)" "$(ago +100)"
    entry "$NAME" "$W/first.cer"
    directory_up
    source_of
    run_ecert run
    [ "$status" -eq 0 ]
    [ "$(sha256_of "$(generation 1)/cert.pem")" = "$(sha256_of "$W/first.cer")" ]
    issued renewed "$(ago -1)" "$(ago +190)"
    entry "$NAME" "$W/renewed.cer"
    directory_up
    run_ecert run
    [ "$status" -eq 0 ]
    [ "$(sha256_of "$(generation 2)/cert.pem")" = "$(sha256_of "$W/renewed.cer")" ]
    [ -n "$(ls "$W/iis")" ]
}

@test "a directory that is behind takes nothing back" {
    issued older "$(ago -60)" "$(ago +100)"
    entry "$NAME" "$W/older.cer"
    directory_up
    source_of
    ecert import "$W/$NAME.cer"
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
}

@test "a certificate of tomorrow waits" {
    issued tomorrow "$(ago +1)" "$(ago +200)"
    entry "$NAME" "$W/tomorrow.cer"
    directory_up
    source_of
    run_ecert fetch
    [ "$status" -eq 0 ]
    grep -q "valid from" <<<"$output"
    [ "$(generations)" = 0 ]
}

@test "nothing but others' certificates is nothing new" {
    issued foreigner "$(ago -1)" "$(ago +190)" --ec
    entry "$NAME" "$W/foreigner.cer"
    directory_up
    source_of
    run_ecert fetch --verbose
    [ "$status" -eq 0 ]
    grep -q "1 for another key, serial $(serials "$W/foreigner.cer")" <<<"$output$stderr"
    [ "$(generations)" = 0 ]
}

@test "a key that cannot be read is told, not passed over" {
    entry "$NAME" "$W/$NAME.cer"
    directory_up
    source_of
    echo nonsense >"$W/keys/$NAME.key"
    run_ecert fetch
    [ "$status" -eq 1 ]
    grep -q "keys/$NAME.key" <<<"$stderr"
    [ "$(generations)" = 0 ]
}

@test "ldaps with our anchors and a password" {
    entry "$NAME" "$W/$NAME.cer"
    directory_up
    source_of "ldaps://localhost:$LDAPS" "ca_file = \"$PUBLIC/ca.pem\";
        bind_dn = \"cn=reader,$BASE\"; bind_password_file = \"$W/word\";"
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
}

@test "a wrong password, a stranger, a place that is not there, nobody at all" {
    entry "$NAME" "$W/$NAME.cer"
    directory_up
    printf 'close sesame\n' >"$W/word"
    source_of "ldaps://localhost:$LDAPS" "ca_file = \"$PUBLIC/ca.pem\";
        bind_dn = \"cn=reader,$BASE\"; bind_password_file = \"$W/word\";"
    run_ecert fetch
    [ "$status" -eq 1 ]
    grep -q "bind as 'cn=reader,$BASE': Invalid credentials (49)" <<<"$stderr"
    [[ $stderr != *sesame* ]]

    source_of "ldaps://localhost:$LDAPS"
    run_ecert fetch
    [ "$status" -eq 1 ]
    grep -q "its certificate is not believed" <<<"$stderr"

    BASE="o=Nowhere,c=HK" source_of
    run_ecert fetch
    [ "$status" -eq 1 ]
    grep -q "search in 'o=Nowhere,c=HK'" <<<"$stderr"

    directory_down
    source_of
    run_ecert fetch
    [ "$status" -eq 1 ]
    grep -q "$NAME: 'ldap://127.0.0.1:$LDAP': connect: Connection refused; it will be tried again" <<<"$stderr"
    [ "$(generations)" = 0 ]
}

@test "a referral is said and not followed" {
    entry "$NAME" "$W/$NAME.cer"
    printf '\ndn: ou=moved,%s\nobjectClass: referral\nobjectClass: extensibleObject\nou: moved\nref: ldap://elsewhere.example/ou=moved\n' \
        "$BASE" >>"$W/entries"
    directory_up
    source_of
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
    grep -q "the directory refers to 'ldap://elsewhere.example/ou=moved??sub', which is not followed" <<<"$output"
}

@test "the certificate of a request is found by the request's key" {
    local id=20261001T080000Z to
    to=$W/state/certificates/$NAME/requests/$id
    directory_up
    KEY=none source_of
    ecert fetch --quiet
    mkdir -m 700 -p "$W/state/certificates/$NAME" "$W/state/certificates/$NAME/requests" "$to"
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$to/privkey.pem"
    openssl req -new -key "$to/privkey.pem" -subj "/O=Test Post/CN=$NAME" -out "$to/request.csr"
    cat >"$to/request.json" <<JSON
{"id": "$id", "name": "$NAME", "state": "open", "kind": "first", "reason": null, "batch": null,
 "created": 1790841600, "shown": 1790841601, "closed": 0, "authority": "testpost",
 "names": ["$NAME"], "organization": "Test Post", "chinese_organization": null,
 "validation": "any", "key": "EC P-256", "reused": false,
 "key_id": "$(openssl pkey -in "$to/privkey.pem" -pubout -outform DER | sha256sum | cut -c 1-64 | tr a-f A-F)",
 "csr_sha256": "$(openssl req -in "$to/request.csr" -outform DER | sha256sum | cut -c 1-64 | tr a-f A-F)",
 "backups": [], "without_backup": true, "generation": 0}
JSON
    chmod 600 "$to"/*
    issued foreigner "$(ago -1)" "$(ago +190)" --ec
    issued answer "$(ago -2)" "$(ago +190)" --csr "$to/request.csr"
    entry "$NAME" "$W/foreigner.cer" "$W/answer.cer"
    directory_up
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(sha256_of "$(generation 1)/cert.pem")" = "$(sha256_of "$W/answer.cer")" ]
    cmp <(openssl pkey -in "$(generation 1)/privkey.pem") <(openssl pkey -in "$to/privkey.pem")
    [ "$(json 'o["state"], o["generation"]' <"$to/request.json")" = "('issued', 1)" ]
}
