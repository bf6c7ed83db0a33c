# Several certificates of one key (policy = "reuse"): whose certificate it is, and which of them
# answers a request.
#
# covers: core/flow/match.h

load common
load making_requests

ID=20261001T080000Z
OTHER=other.myserver.com

# Two entries with one key file; W/shared.key is the key.
prepare() {
    cp "$W/ec.key" "$W/shared.key"
    chmod 600 "$W/shared.key"
    KEY="file = \"$W/shared.key\"; policy = \"reuse\"" write_config
    sed -i 's/^);$//' "$W/ecert.conf"
    cat >>"$W/ecert.conf" <<CONF
, { name = "$OTHER"; authority = "testpost";
    key = { file = "$W/shared.key"; policy = "reuse"; }; } );
CONF
    ca_up
    ecert fetch --quiet
    FOLDER=$W/state/certificates/$NAME/requests/$ID
}

# pending CREATED: a request of $NAME for the key, made at that moment (for `date -d`)
pending() {
    make_request $ID "$W/shared.key"
    jq --argjson created "$(date -d "$1" +%s)" \
        '.reused = true | .created = $created | .shown = $created' "$FOLDER/request.json" >"$W/r.json"
    cp "$W/r.json" "$FOLDER/request.json"
}

# issue NAME OUT [option...]: for the key
issue() {
    local name=$1 out=$W/$2
    shift 2
    test_ca issue "$W/ca" "$name" --key "$W/shared.key" --out "$out" "$@"
}

ago() { # WHEN: as --not-before wants it
    date -u -d "$1" +%Y%m%d%H%M%SZ
}

state_is() {
    [ "$(jq -r .state "$FOLDER/request.json")" = "$1" ]
}

# taken FILE [STATUS]
taken() {
    drop "$1"
    run_ecert fetch
    [ "$status" -eq "${2:-0}" ]
}

@test "a certificate goes to the entry whose name it carries, though another with its key waits" {
    pending '-1 hour'
    issue "$OTHER" other
    taken "$W/other.cer"
    [ "$(sha256_of "$W/state/certificates/$OTHER/generations/0001/cert.pem")" = \
        "$(sha256_of "$W/other.cer")" ]
    [ "$(generations)" -eq 0 ]
    state_is open
    # one that carries neither name is the request's, which tells what is wrong with it
    issue third.myserver.com third
    taken "$W/third.cer" 1
    [[ $stderr == *"$NAME: "* ]]
    state_is open
    issue "$NAME" own
    taken "$W/own.cer"
    [ "$(generations)" -eq 1 ]
    state_is issued
}

@test "a certificate that came before the request does not answer it as another generation either" {
    issue "$NAME" old
    taken "$W/old.cer"
    pending '-1 hour'
    # taken in the very second of the request, and again after it with another chain: a later
    # generation of the same leaf
    jq --argjson created "$(jq .created "$FOLDER/request.json")" '.imported = $created' \
        "$(generation 1)/generation.json" >"$W/g.json"
    cp "$W/g.json" "$(generation 1)/generation.json"
    cp -a "$(generation 1)" "$(generation 2)"
    jq '.number = 2 | .imported += 60' "$W/g.json" >"$(generation 2)/generation.json"
    taken "$W/old.cer"
    state_is open
    issue "$NAME" new
    taken "$W/new.cer"
    state_is issued
}

@test "an old certificate that was never taken here does not answer a request for its key" {
    pending '-1 hour'
    issue "$NAME" old --not-before "$(ago '-3 days')"
    taken "$W/old.cer"
    [ "$(generations)" -eq 1 ]
    state_is open
    # dated back by a day, as a CA may do
    issue "$NAME" new --not-before "$(ago '-1 day')"
    taken "$W/new.cer"
    [ "$(generations)" -eq 2 ]
    state_is issued
}
