# A file that the configuration names and that is not there: what needs it fails, and nothing else.
#
# covers: core/flow/config.h

load reminding

OTHER=other.myserver.com

prepare() { # by setup
    ca_up
    test_ca issue "$W/ca" "$OTHER" --out "$W/$OTHER"
    printf 'open sesame and more\n' >"$W/passphrase"
    chmod 600 "$W/passphrase"
    mkdir -m 700 "$W/backups"
    printf '#!/bin/sh\ncat >>%s/paged\n' "$W" >"$W/page"
    chmod 700 "$W/page"
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
organization = { country = "HK"; state = "Hong Kong"; locality = "Hong Kong"; name = "Test Post"; };
backup = { passphrase_file = "$W/passphrase"; places = [ "$W/backups" ]; };
certificates = (
    { name = "$NAME"; authority = "testpost"; key = { file = "$W/keys/$NAME.key"; }; },
    { name = "$OTHER"; authority = "testpost"; key = { file = "$W/$OTHER.key"; }; } );
reminders: { journal = false; digest = "never"; command = [ "$W/page" ]; };
CONF
}

findings() { # KIND: condition, name and place of each
    json '"\n".join(f["condition"] + " " + f["name"] + " " + f["where"] for f in o["findings"] if f["watched"] == "'"$1"'")' <<<"$output"
}

@test "a key's file: the certificate that needs it, not the other one, and config says so" {
    rm "$W/$OTHER.key"
    run_ecert config
    [ "$status" -eq 2 ]
    says "$W/ecert.conf:7: 'file': '$W/$OTHER.key': No such file or directory"
    says "has 1 mistake"
    drop "$W/$NAME.cer"
    drop "$W/$OTHER.cer"
    run_ecert run
    [ "$status" -eq 1 ]
    says "$W/$OTHER.key"
    [ -d "$W/state/certificates/$NAME/generations/0001" ]
    [ ! -e "$W/state/certificates/$OTHER/generations" ]
    [ -f "$W/state/inbox/$OTHER.cer" ]
    run_ecert check --offline --json
    is "findings" "missing $OTHER $W/$OTHER.key" "$(findings certificate | grep -F "$W/")"
    run_ecert check --offline
    says "\`ecert config\` names"
}

@test "the passphrase of the backups: request and backup refuse, the rest goes on" {
    rm "$W/passphrase"
    run_ecert config
    [ "$status" -eq 2 ]
    says "'passphrase_file': '$W/passphrase' cannot be found"
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    [ -d "$W/state/certificates/$NAME/generations/0001" ]
    run_ecert request --no-caa "$NAME"
    [ "$status" -ne 0 ]
    says "'$W/passphrase' cannot be found"
    [ -z "$(ls -A "$W/state/certificates/$NAME/requests" 2>/dev/null)" ]
    run_ecert check --offline --json
    # and the key that was taken meanwhile has no copy
    grep -qxF "missing backup $W/passphrase" <(findings backup)
    grep -qF "missing $NAME $W/backups/$NAME-key-" <(findings backup)
    is "findings" 2 "$(findings backup | wc -l)"
    run_ecert remind --failed ecert.service
    [ "$status" -eq 0 ]
    grep -q ecert.service "$W/paged"
}

@test "the password of a PKCS#12 that is another certificate's" {
    printf 'word\n' >"$W/word"
    chmod 600 "$W/word"
    openssl pkcs12 -export -in "$W/$NAME.cer" -inkey "$W/keys/$NAME.key" -passout pass:word \
        -out "$W/locked.p12"
    sed -i -e "6s|{ name|{ source = { password_file = \"$W/none\"; }; name|" \
        -e "7s|{ name|{ source = { password_file = \"$W/word\"; }; name|" "$W/ecert.conf"
    drop "$W/locked.p12"
    run_ecert run
    [ "$status" -eq 0 ]
    [ -d "$W/state/certificates/$NAME/generations/0001" ]
    rm "$W/word"
    drop "$W/locked.p12"
    run_ecert run
    [ "$status" -eq 1 ]
    [ -f "$W/state/inbox/locked.p12" ]
}

@test "the program of passphrase_command: the certificate that needs it, not the other one" {
    sed -i -e "7s|key = {|key = { passphrase_command = [ \"$W/say\", \"it\" ];|" "$W/ecert.conf"
    openssl rsa -in "$W/$OTHER.key" -aes256 -passout pass:word -out "$W/locked.key" 2>/dev/null
    mv "$W/locked.key" "$W/$OTHER.key"
    chmod 600 "$W/$OTHER.key"
    run_ecert config
    [ "$status" -eq 2 ]
    says "$W/ecert.conf:7: 'passphrase_command': '$W/say' cannot be found"
    run_ecert status
    [ "$status" -eq 0 ]
    drop "$W/$NAME.cer"
    drop "$W/$OTHER.cer"
    run_ecert run
    [ "$status" -eq 1 ]
    says "'$W/say' cannot be found"
    [ -d "$W/state/certificates/$NAME/generations/0001" ]
    [ ! -e "$W/state/certificates/$OTHER/generations" ]
    run_ecert check --offline --json
    findings certificate | grep -qx "missing $OTHER $W/say"
    printf '#!/bin/sh\necho word\n' >"$W/say" # there by now, so looked at when it is run
    chmod 777 "$W/say"
    run_ecert status
    [ "$status" -eq 2 ]
    says "'passphrase_command': '$W/say' can be written by others"
    chmod 700 "$W/say"
    run_ecert run
    [ "$status" -eq 0 ]
    [ -d "$W/state/certificates/$OTHER/generations/0001" ]
}

@test "what reminders name: that channel fails and is told of, everything else goes on" {
    sed -i -e 's|^reminders:.*|reminders: { journal = false; digest = "never"; '"command = [ \"$W/page\" ];"' |' \
        "$W/ecert.conf"
    cat >>"$W/ecert.conf" <<CONF
    webhook = { url_file = "$W/address"; ca_file = "$W/anchors"; };
    email = { server = "smtp://127.0.0.1:1"; from = "a@b.test"; to = [ "c@d.test" ];
              user = "me"; password_file = "$W/none"; }; };
CONF
    printf 'https://127.0.0.1:1/secret\n' >"$W/address"
    chmod 600 "$W/address"
    run_ecert config
    [ "$status" -eq 2 ]
    says "$W/ecert.conf:9: 'ca_file': '$W/anchors' cannot be found"
    says "$W/ecert.conf:11: 'password_file': '$W/none' cannot be found"
    run_ecert status
    [ "$status" -eq 0 ]
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    [ -d "$W/state/certificates/$NAME/generations/0001" ]
    run_ecert check --offline
    says "$W/none"
    run_ecert check --offline --json
    is "findings" "$(printf 'missing reminders %s\n' "$W/anchors" "$W/none")" "$(findings channel)"
    [ "$(json 'o["exit"]' <<<"$output")" -ne 0 ]
    run_ecert remind --test
    [ "$status" -eq 1 ]
    says "email to c@d.test: '$W/none' cannot be found"
    says "webhook: '$W/anchors' cannot be found"
    [ -s "$W/paged" ]
    rm "$W/page"
    run_ecert remind --test
    [ "$status" -eq 1 ]
    says "command: '$W/page' cannot be found"
}

@test "a file that is there and not trusted ends every command" {
    chmod 666 "$W/passphrase"
    run_ecert check --offline
    [ "$status" -eq 3 ]
    says "'passphrase_file': '$W/passphrase'"
}
