# A request whose folder is damaged: never shown as if it were whole, always with a way out, and no
# trouble to anybody once it is issued or cancelled.
#
# covers: core/flow/requests.h core/flow/requests_parts.h core/flow/intake_key.h

load common
load making_requests

ID=20261001T080000Z

prepare() {
    KEY=none write_config
    ca_up
    ecert fetch --quiet
    FOLDER=$W/state/certificates/$NAME/requests/$ID
}

# answered: a request whose certificate is taken, W/issued.cer
answered() {
    make_request $ID
    test_ca issue "$W/ca" "$NAME" --csr "$FOLDER/request.csr" --out "$W/issued"
    drop "$W/issued.cer"
    ecert fetch --quiet
    [ "$(jq -r .state "$FOLDER/request.json")" = issued ]
}

# told STATUS TEXT: by `ecert status` and `ecert request --list --all`
told() {
    run_ecert status
    [ "$status" -eq "$1" ]
    [[ $output$stderr == *"$2"* ]]
    run_ecert request --list --all
    [ "$status" -eq "$1" ]
    [[ $output$stderr == *"$2"* ]]
}

@test "a CSR that is empty, or another key's, is not shown as the one that was made" {
    make_request $ID
    run_ecert request "$NAME" --no-backup
    [ "$status" -eq 0 ]
    [[ $output == *"BEGIN CERTIFICATE REQUEST"* ]]
    : >"$FOLDER/request.csr"
    run_ecert request "$NAME" --no-backup
    [ "$status" -eq 1 ]
    [[ $stderr == *"request.csr' is not the one that was made for request $ID; put it back with 'ecert restore'"* ]]
    openssl req -new -key "$W/ec.key" -subj "/CN=$NAME" -out "$FOLDER/request.csr"
    run_ecert request "$NAME" --no-backup
    [ "$status" -eq 1 ]
    same "" "$output"
    run_ecert request --list --sheet "$W/sheet.html"
    [ "$status" -eq 1 ]
    run_ecert request --json "$NAME" --no-backup
    same null "$(jq .requests[0].csr <<<"$output")"
    # without a backup it is given up, and another one made
    ecert request --cancel "$NAME" --id $ID
    told 0 "request.csr' is not the one that was made"
}

@test "the key of an issued request is lost: its certificate is known all the same, and nothing fails" {
    answered
    rm "$FOLDER/privkey.pem"
    drop "$W/issued.cer" again.cer
    run_ecert fetch
    [ "$status" -eq 0 ]
    [[ $output == *"already known: generation 1"* ]]
    [[ $output == *"privkey.pem' is lost"*"that of generation 1, which is the same, is used"* ]]
    told 0 "privkey.pem' is lost"
    run_ecert check
    [[ $output$stderr != *"request $ID"* ]]
}

@test "the key of a pending request is lost: key.file or the issued file itself may have it" {
    make_request $ID
    test_ca issue "$W/ca" "$NAME" --csr "$FOLDER/request.csr" --out "$W/issued"
    mv "$FOLDER/privkey.pem" "$W/found.key"
    drop "$W/issued.cer"
    run_ecert fetch
    [ "$status" -eq 1 ]
    told 1 "privkey.pem' is lost"
    # another key in key.file does not help
    KEY="file = \"$W/ec.key\"" write_config
    run_ecert fetch
    [ "$status" -eq 1 ]
    [[ $stderr == *"privkey.pem' is lost"* ]]
    KEY="file = \"$W/found.key\"" write_config
    run_ecert fetch
    [ "$status" -eq 0 ]
    [[ $output == *"that in '$W/found.key', which is the same, is used"* ]]
    same "$(openssl pkey -in "$W/found.key")" "$(openssl pkey -in "$(generation 1)/privkey.pem")"
    [ "$(jq -r .state "$FOLDER/request.json")" = issued ]
}

@test "the issued file carries the key that its request has lost" {
    make_request $ID
    test_ca issue "$W/ca" "$NAME" --csr "$FOLDER/request.csr" --out "$W/issued"
    cat "$W/issued.cer" "$FOLDER/privkey.pem" >"$W/both.pem"
    # what lies there is another key
    cp "$W/ec.key" "$FOLDER/privkey.pem"
    drop "$W/both.pem"
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(generations)" -eq 1 ]
    # one that others may touch is not used, wherever else it is
    chmod 644 "$FOLDER/privkey.pem"
    drop "$W/both.pem"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [[ $stderr == *"may be touched by others"* ]]
}

@test "a damaged request.json without a backup: the folder to move is named, and then all is quiet" {
    make_request $ID
    printf '{' >"$FOLDER/request.json"
    told 1 "move '$FOLDER' out of the state directory"
    run_ecert request --cancel "$NAME" --id $ID
    [ "$status" -eq 1 ]
    [[ $stderr == *"move '$FOLDER' out of the state directory: it has the private key"* ]]
    mv "$FOLDER" "$W/aside"
    run_ecert status
    [ "$status" -eq 0 ]
    run_ecert request --list --all
    [ "$status" -eq 0 ]
    run_ecert check
    [[ $output$stderr != *"request $ID"* ]]
}

@test "a finished request that is damaged is told by ecert backup, and fails it no more" {
    local command
    mkdir -m 0700 "$W/place"
    (umask 077 && printf 'open sesame, at once\n' >"$W/passphrase")
    KEY=none write_config "" "" \
        "backup = { places = [ \"$W/place\" ]; passphrase_file = \"$W/passphrase\"; };"
    make_request $ID
    ecert backup --quiet
    for command in "backup" "backup --check"; do
        rm -f "$FOLDER/request.csr"
        # shellcheck disable=SC2086 # two words
        run_ecert $command
        [ "$status" -eq 1 ] # while it is pending
    done
    jq '.state = "cancelled" | .closed = 1795250521' "$FOLDER/request.json" >"$W/json"
    cat "$W/json" >"$FOLDER/request.json"
    for command in "backup" "backup --check"; do
        # shellcheck disable=SC2086 # two words
        run_ecert $command
        [ "$status" -eq 0 ]
        [[ $output == *"$NAME: "*"request.csr' is lost"* ]]
    done
}
