# Requests of a certificate that was renamed or taken out of the configuration: they are still there,
# with a key that a person at the CA may be working for, and every command tells of them.
#
# covers: core/flow/requests_left.h core/issue/awaited.h

load reminding

prepare() { # by setup
    ca_up
    printf 'open sesame and more\n' >"$W/passphrase"
    chmod 600 "$W/passphrase"
    mkdir -m 700 "$W/backups"
    configure "name = \"$NAME\""
}

configure() { # KEYS-OF-THE-ENTRY
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
organization = { country = "HK"; state = "Hong Kong"; locality = "Hong Kong"; name = "Test Post"; };
backup = { passphrase_file = "$W/passphrase"; places = [ "$W/backups" ]; };
certificates = ( { $1; authority = "testpost"; } );
reminders: { journal = true; digest = "never"; };
CONF
}

# One request; then name and another name of its entry are swapped.
asked_and_renamed() {
    configure "name = \"$NAME\"; names = [ \"api.myserver.com\" ]"
    run_ecert request --no-caa "$NAME"
    [ "$status" -eq 0 ]
    REQUEST=$(echo "$W/state/certificates/$NAME/requests"/*)
    ID=${REQUEST##*/}
    configure "name = \"api.myserver.com\"; names = [ \"$NAME\" ]"
}

@test "it is listed, in text and JSON, and is no part of a sheet" {
    asked_and_renamed
    run_ecert request --list
    [ "$status" -eq 0 ]
    says "$ID"
    says "its entry in the configuration, from the server's administrator"
    says "no entry in the configuration any more"
    says "ecert request --cancel $NAME --id $ID"
    run_ecert request --list --json
    is "configured" "False" "$(json 'o["requests"][0]["configured"]' <<<"$output")"
    is "name" "$NAME" "$(json 'o["requests"][0]["name"]' <<<"$output")"
    run_ecert request --list "$NAME"
    [ "$status" -eq 0 ]
    says "$ID"
    run_ecert request --list --sheet "$W/sheet.html"
    [ "$status" -eq 0 ]
    says "shows 0 requests"
}

@test "status and check tell of it, however young it is; not of one that was given up" {
    asked_and_renamed
    run_ecert status
    says "$NAME: no entry in the configuration any more"
    says "request $ID: its entry in the configuration is awaited"
    run_ecert status --json
    is "status" "$ID False" "$(json '"%s %s" % (o["requests"][0]["id"], o["requests"][0]["configured"])' <<<"$output")"
    run_ecert check --offline --json
    [ "$status" -eq 1 ]
    is "check" "pending request $ID" \
        "$(json '"\n".join(f["condition"] + " " + f["where"] for f in o["findings"] if f["watched"] == "request")' <<<"$output")"
    run_ecert check --offline
    says "configuration any more; asked for on $(date -u +%F)"
    says "Its certificate was renamed or taken out of the configuration"
    run_ecert request --cancel "$NAME" --id "$ID"
    [ "$status" -eq 0 ]
    run_ecert check --offline
    says_not "no entry in the configuration"
    run_ecert status
    says_not "no entry in the configuration"
    run_ecert request --list
    says_not "$ID"
}

@test "what comes back names the request and its folder, waits, and is taken when the entry is back" {
    asked_and_renamed
    test_ca issue "$W/ca" "$NAME" --alt api.myserver.com --csr "$REQUEST/request.csr" \
        --out "$W/issued"
    drop "$W/issued.cer"
    run_ecert fetch
    [ "$status" -ne 0 ]
    says "answers request $ID of '$NAME' ('$REQUEST')"
    says "write its entry (name = \"$NAME\") into '$W/ecert.conf' again"
    [ -e "$W/state/inbox/issued.cer" ]
    drop "$REQUEST/request.csr"
    run_ecert fetch
    says "this is the request $ID of '$NAME' itself"
    configure "name = \"$NAME\""
    run_ecert fetch
    [ "$status" -eq 0 ]
    is "issued" "issued" "$(jq -r .state "$REQUEST/request.json")"
}

@test "a name without requests is unknown as before" {
    asked_and_renamed
    run_ecert request --list other.myserver.com
    [ "$status" -eq 2 ]
    says "has no certificate named 'other.myserver.com'"
    run_ecert request "$NAME"
    [ "$status" -eq 2 ]
}
