# Backups of keys with the real program: written, checked, lost, restored; opened by openssl alone.
# covers: core/issue/backup.h core/cli/app.h core/cli/opening.h core/cli/backing.h

load common
load making_requests

ID=20261121T084200Z

prepare() {
    mkdir -m 0700 "$W/place" "$W/second"
    printf 'open sesame, at once\n' >"$W/passphrase"
    chmod 0600 "$W/passphrase"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/officer.key" -out "$W/officer.cer" \
        -subj "/CN=Key Officer" -days 300 2>/dev/null
    chmod 0644 "$W/officer.cer"
    KEY=none backups "recipients = [ \"$W/officer.cer\" ]; passphrase_file = \"$W/passphrase\";"
    ecert fetch --quiet
    make_request $ID
    REQUEST=$W/state/certificates/$NAME/requests/$ID
    FILE=$W/place/$NAME-$ID.p7m
}

# backups LINES: the configuration, with these lines in its group 'backup'.
backups() {
    write_config "" "" "backup = { places = [ \"$W/place\", \"$W/second\" ]; $1 };"
}

@test "what is missing is written, once, and noted with the request" {
    run_ecert backup
    [ "$status" -eq 0 ]
    [[ $output == *"$NAME $ID: $FILE"* ]]
    [ -f "$FILE" ] && [ -f "$W/second/$NAME-$ID.p7m" ]
    [ "$(stat -c %a "$FILE")" = 600 ]
    [ "$(jq -r '.backups | length' "$REQUEST/request.json")" = 2 ]
    [ "$(jq -r '.backups[0].opened > 0' "$REQUEST/request.json")" = true ]
    before=$(sha256sum "$W"/place/* "$W"/second/*)
    run_ecert backup
    [ "$status" -eq 0 ]
    [[ $output == *"every place has its backups"* ]]
    [ "$(sha256sum "$W"/place/* "$W"/second/*)" = "$before" ]
    rm "$FILE"
    run_ecert backup --json
    [ "$status" -eq 0 ]
    [ "$(jq -r '.requests[0].backups | length' <<<"$output")" = 2 ]
    [ "$(jq -c '.requests[0] | [.certificate, .name, .unicode_name, .id]' <<<"$output")" = \
        "[\"$NAME\",\"$NAME\",null,\"$ID\"]" ]
    jq -e '.requests[0].backups | all(.[] | .written, .opened; test("^2[0-9-]{9}T[0-9:]{8}Z$"))' \
        <<<"$output"
    [ -f "$FILE" ]
}

# noted_sums: what request.json says of the copies, as sha256sum prints it.
noted_sums() {
    jq -r '.backups[] | (.sha256 | ascii_downcase) + "  " + .path' "$REQUEST/request.json"
}

@test "a copy that was lost is written again under its name, said, and its new sum noted" {
    local opener
    for opener in "passphrase_file = \"$W/passphrase\";" ""; do
        backups "recipients = [ \"$W/officer.cer\" ]; $opener"
        ecert backup --quiet
        before=$(noted_sums)
        sha256sum --check --quiet <<<"$before"
        rm "$W"/place/*
        run_ecert backup
        [ "$status" -eq 0 ]
        [[ $output == *"$W/place/"*".p7m, in the place of the one that was noted"* ]]
        [[ $output != *"$W/second/"* ]]
        [[ $output != *"every place has its backups"* ]]
        [ "$(noted_sums)" != "$before" ]
        noted_sums | sha256sum --check --quiet
        run_ecert backup --check
        [ "$status" -eq 0 ]
        run_ecert backup
        [[ $output == *"every place has its backups"* ]]
        noted_sums | sha256sum --check --quiet
    done
}

@test "a copy whose sum a run could not note before it was killed is taken if the passphrase proves it" {
    ecert backup --quiet
    jq --arg sum "$(printf '0%.0s' {1..64})" '.backups[0].sha256 = $sum' \
        "$REQUEST/request.json" >"$W/json"
    cat "$W/json" >"$REQUEST/request.json"
    before=$(sha256sum "$W"/place/* "$W"/second/*)
    run_ecert backup
    [ "$status" -eq 0 ]
    [ "$(sha256sum "$W"/place/* "$W"/second/*)" = "$before" ]
    noted_sums | sha256sum --check --quiet
}

@test "openssl alone opens a backup, by the recipient's key and by the passphrase" {
    ecert backup --quiet
    openssl cms -decrypt -inform DER -in "$FILE" -inkey "$W/officer.key" -recip "$W/officer.cer" \
        -out "$W/by-key"
    openssl cms -decrypt -inform DER -in "$FILE" -pwri_password "open sesame, at once" -out "$W/by-words"
    cmp "$W/by-key" "$W/by-words"
    openssl pkey -in "$W/by-key" | cmp - <(openssl pkey -in "$REQUEST/privkey.pem")
    openssl req -in "$W/by-key" -verify -noout
    sed -n '/BEGIN ECERT REQUEST/,/END ECERT REQUEST/p' "$W/by-key" | grep -v -- ----- |
        base64 -d | jq -e --arg id $ID '.id == $id'
}

@test "a recipient with an EC key: the key of the key is derived with SHA-256; openssl opens it" {
    local curve
    for curve in P-256 P-384; do
        rm -f "$W"/place/* "$W"/second/*
        openssl req -x509 -newkey ec -pkeyopt "ec_paramgen_curve:$curve" -nodes -days 300 \
            -keyout "$W/ec.key" -out "$W/ec.cer" -subj "/CN=Key Officer" 2>/dev/null
        chmod 0644 "$W/ec.cer"
        backups "recipients = [ \"$W/ec.cer\" ];"
        ecert backup --quiet
        openssl cms -cmsout -print -inform DER -in "$FILE" -noout >"$W/printed"
        grep -q 'dhSinglePass-stdDH-sha256kdf-scheme' "$W/printed"
        grep -q 'id-aes256-wrap' "$W/printed" # named, or as bytes in the parameter
        [ -z "$(grep sha1kdf "$W/printed")" ]
        openssl cms -decrypt -inform DER -in "$FILE" -inkey "$W/ec.key" -recip "$W/ec.cer" |
            openssl pkey | cmp - <(openssl pkey -in "$REQUEST/privkey.pem")
        run_ecert backup --check --key "$W/ec.key"
        [ "$status" -eq 0 ]
        [[ $output == *"2 opened"* ]]
    done
}

@test "--check opens each, says which are not in order, and leaves with 1" {
    ecert backup --quiet
    run_ecert backup --check
    [ "$status" -eq 0 ]
    [[ $output == *"opens "*"$NAME  $ID  $FILE"* ]]
    [[ $output == *"2 opened, 0 unchanged, 0 not in order"* ]]
    printf 'x' >>"$FILE"
    rm "$W/second/$NAME-$ID.p7m"
    run_ecert backup --check --json
    [ "$status" -eq 1 ]
    [ "$(jq -rc '[.backups[].state]' <<<"$output")" = '["changed","missing"]' ]
    [ "$(jq -c '.backups[0] | [.certificate, .name, .unicode_name, .id]' <<<"$output")" = \
        "[\"$NAME\",\"$NAME\",null,\"$ID\"]" ]
    [[ $(jq -r '.backups[1].why' <<<"$output") == *"is the share mounted?"* ]]
    run_ecert backup
    [ "$status" -eq 0 ]
    [ -f "$W/place/$NAME-$ID-2.p7m" ] # beside the changed one, which stays
    tail -c 1 "$FILE" | grep -q x
    run_ecert backup --check
    [ "$status" -eq 0 ]
}

@test "--check --key opens what nothing here can" {
    backups "recipients = [ \"$W/officer.cer\" ];"
    ecert backup --quiet
    run_ecert backup --check
    [ "$status" -eq 0 ]
    [[ $output == *"0 opened, 2 unchanged"*"--key FILE"* ]]
    run_ecert backup --check --key "$W/officer.key"
    [ "$status" -eq 0 ]
    [[ $output == *"2 opened, 0 unchanged"* ]]
    run_ecert backup --check --key "$W/keys/$NAME.key"
    [ "$status" -eq 1 ]
    [[ $output == *"shut "*"this key does not open it; who can open it: serial "*"Key Officer"* ]]
    openssl pkey -in "$W/officer.key" -aes256 -passout pass:card -out "$W/locked.key"
    printf 'card\n' >"$W/card"
    chmod 0600 "$W/card"
    run_ecert backup --check --key "$W/locked.key" --password-file "$W/card"
    [ "$status" -eq 0 ]
    [[ $output == *"2 opened"* ]]
}

@test "a key that opens nothing, and nothing to open with, are mistakes of the command line" {
    local command
    backups "recipients = [ \"$W/officer.cer\" ];"
    ecert backup --quiet
    run_ecert restore "$FILE"
    [ "$status" -eq 2 ]
    [[ $stderr == *"--key FILE (the private key of a recipient) or --password-file FILE"* ]]
    openssl pkey -in "$W/officer.key" -aes256 -passout pass:card -out "$W/locked.key"
    (umask 077 && printf 'stack\n' >"$W/card")
    for command in "backup --check" "restore $FILE"; do
        # shellcheck disable=SC2086 # words
        run_ecert $command --key "$W/locked.key"
        [ "$status" -eq 2 ]
        [[ $stderr == "ecert: the key '$W/locked.key' is encrypted; name the file with its password with --password-file FILE" ]]
        [[ $output != *$ID* ]] # no verdict on any backup
        # shellcheck disable=SC2086 # words
        run_ecert $command --key "$W/locked.key" --password-file "$W/card"
        [ "$status" -eq 2 ]
        [[ $stderr == *"the password of --password-file '$W/card' does not open the key '$W/locked.key'" ]]
        # shellcheck disable=SC2086 # words
        run_ecert $command --key "$W/officer.cer"
        [ "$status" -eq 2 ]
        [[ $stderr == *"--key '$W/officer.cer' is no private key: "* ]]
        [[ $output != *$ID* ]]
    done
}

@test "a request without a backup is not in order" {
    run_ecert backup --check
    [ "$status" -eq 1 ]
    [[ $output == *"none "*": there is none in '$W/place', '$W/second'; 'ecert backup' writes what is missing"* ]]
}

@test "--check asks for each configured place, and for no other" {
    mkdir -m 0700 "$W/third"
    ecert backup --quiet
    sed -i "s|\"$W/second\"|\"$W/third\"|" "$W/ecert.conf"
    rm "$W/second/$NAME-$ID.p7m" # a place that was given up
    run_ecert backup --check --json
    [ "$status" -eq 1 ]
    [ "$(jq -rc '[.backups[].state]' <<<"$output")" = '["opens","elsewhere","missing"]' ]
    [ "$(jq -r '.backups[2].path' <<<"$output")" = "$W/third" ]
    [[ $(jq -r '.backups[2].why' <<<"$output") == "there is none in '$W/third'; 'ecert backup' "* ]]
    run_ecert backup --check
    [[ $output == *"1 opened, 0 unchanged, 1 not in order"* ]]
    ecert backup --quiet
    run_ecert backup --check
    [ "$status" -eq 0 ]
    [[ $output == *"2 opened, 0 unchanged, 0 not in order"* ]]
    ln -s third "$W/link"
    sed -i "s|\"$W/place\"|\"$W/link\"|" "$W/ecert.conf"
    for command in "backup" "backup --check"; do
        # shellcheck disable=SC2086 # two words
        run_ecert $command
        [ "$status" -eq 2 ]
        [[ $stderr == *"'$W/link' and '$W/third' are one directory"* ]]
    done
}

@test "a place that is not mounted: nothing is written anywhere" {
    rmdir "$W/second"
    run_ecert backup
    [ "$status" -ne 0 ]
    [[ $stderr == *"'$W/second' is not there; is the share mounted?"* ]]
    [ -z "$(ls "$W/place")" ]
}

@test "a passphrase that is soon tried out is refused with the rule; what is there opens as before" {
    local words
    backups "passphrase_file = \"$W/passphrase\";"
    ecert backup --quiet
    for words in "x" "fifteen letters" "十五個字的密碼還是太短了一點點"; do
        printf '%s\n' "$words" >"$W/passphrase"
        run_ecert backup
        [ "$status" -eq 2 ]
        [[ $stderr == *"passphrase of backups '$W/passphrase': it has "*", and at least 16 are wanted: whoever gets hold of a copy can try"* ]]
        [[ $stderr != *"$words "* ]]
    done
    [[ $stderr == *"it has 15 characters,"* ]]
    run_ecert config
    [[ $output$stderr == *"\`ecert request\` will refuse: passphrase of backups "* ]]
    run_ecert request --no-caa
    [ "$status" -eq 2 ]
    [ "$(find "$W/place" "$W/second" -name '*.p7m' | wc -l)" -eq 2 ]
    printf 'open sesame, at once\n' >"$W/words"
    chmod 0600 "$W/words"
    run_ecert backup --check --password-file "$W/words"
    [[ $output == *"$FILE"* ]]
    ecert restore --quiet "$FILE" --password-file "$W/words"
    printf 'sixteen letters.\n' >"$W/passphrase"
    run_ecert backup
    [ "$status" -eq 0 ]
}

@test "a place in the state directory is refused with its line, also behind a link" {
    local place
    mkdir -m 0700 "$W/state/backups"
    ln -s state/backups "$W/link"
    for place in "$W/state/backups" "$W/state" "$W/state/not-there" "$W/link"; do
        write_config "" "" "backup = {
            recipients = [ \"$W/officer.cer\" ];
            places = [ \"$W/place\", \"$place\" ]; };"
        run_ecert config
        [ "$status" -eq 2 ]
        [[ $stderr == *"$W/ecert.conf:$(grep -n 'places = ' "$W/ecert.conf" | cut -d: -f1): "*"'$place' is in the state directory '$W/state', and lost together with the keys there"* ]]
    done
    write_config "" "" "backup = { recipients = [ \"$W/officer.cer\" ]; places = [ \"$W/state-too\" ]; };"
    run_ecert config
    [[ $stderr != *"is in the state directory"* ]]
}

@test "a full disk: said, nothing half is left, the other place has its backup" {
    [ "$(id -u)" -eq 0 ] || skip "mounting needs root"
    mount -t tmpfs -o size=64k,mode=0700 tmpfs "$W/place" || skip "no tmpfs can be mounted here"
    dd if=/dev/zero of="$W/place/ballast" bs=1k count=56 status=none
    dd if=/dev/zero of="$W/place/more" bs=1 count=4096 status=none 2>/dev/null || true
    dd if=/dev/zero of="$W/place/last" bs=4k count=1 status=none 2>/dev/null || true
    run_ecert backup
    umount "$W/place"
    [ "$status" -eq 1 ]
    [[ $stderr == *"No space left on device"* ]]
}

@test "a key lost before the certificate came is restored, and the certificate is taken" {
    ecert backup --quiet
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$REQUEST/privkey.pem" --out "$W/late"
    rm -r "$REQUEST"
    run_ecert restore "$FILE"
    [ "$status" -eq 0 ]
    [[ $output == *"$NAME: request $ID is back, with its key"* ]]
    ca_up
    run_ecert import "$W/late.cer"
    [ "$status" -eq 0 ]
    cmp "$REQUEST/privkey.pem" "$W/state/certificates/$NAME/generations/0001/privkey.pem"
    [ "$(jq -r '.state + " " + (.generation | tostring)' "$REQUEST/request.json")" = "issued 1" ]
    run_ecert restore "$FILE"
    [ "$status" -eq 0 ]
    [[ $output == *"were there already"* ]]
    rm -r "$REQUEST"
    ecert restore --quiet "$FILE"
    [ "$(jq -r '.state + " " + (.generation | tostring)' "$REQUEST/request.json")" = "issued 1" ]
    run_ecert backup # knows the files that are there, and writes none
    [ "$status" -eq 0 ]
    [ "$(ls "$W/place" "$W/second" | grep -c p7m)" -eq 2 ]
    run_ecert backup --check
    [ "$status" -eq 0 ]
}

@test "a key that is kept encrypted: its backup opens with one secret, and it comes back encrypted" {
    printf 'tiger\n' >"$W/key-passphrase"
    chmod 0600 "$W/key-passphrase"
    cp "$REQUEST/privkey.pem" "$W/plain"
    openssl pkey -in "$W/plain" -aes256 -passout "file:$W/key-passphrase" -out "$REQUEST/privkey.pem"
    KEY="encrypted = true; passphrase_file = \"$W/key-passphrase\";" \
        backups "passphrase_file = \"$W/passphrase\";"
    run_ecert backup
    [ "$status" -eq 0 ]
    openssl cms -decrypt -inform DER -in "$FILE" -pwri_password "open sesame, at once" | openssl pkey |
        cmp - <(openssl pkey -in "$W/plain")
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$W/plain" --out "$W/late"
    rm "$REQUEST/privkey.pem"
    run_ecert restore "$FILE"
    [ "$status" -eq 0 ]
    grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$REQUEST/privkey.pem"
    ca_up
    run_ecert import "$W/late.cer"
    [ "$status" -eq 0 ]
    grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$W/state/certificates/$NAME/generations/0001/privkey.pem"
    run grep -rlE -- '-----BEGIN (RSA |EC )?PRIVATE KEY-----' "$W/state" "$W/place" "$W/second"
    [ "$status" -eq 1 ]
}

@test "a damaged key is kept beside the one that is restored" {
    ecert backup --quiet
    cp "$REQUEST/privkey.pem" "$W/right"
    printf 'damaged\n' >"$REQUEST/privkey.pem"
    run_ecert restore "$FILE" --key "$W/officer.key" --json
    [ "$status" -eq 0 ]
    [ "$(jq -r '.restored' <<<"$output")" = true ]
    cmp "$REQUEST/privkey.pem" "$W/right"
    [ "$(cat "$REQUEST/privkey.pem.kept-1")" = damaged ]
}

@test "what is not a backup, or not ours to open, restores nothing" {
    ecert backup --quiet
    rm -r "$REQUEST"
    run_ecert restore "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"not a backup of ecert"* ]]
    printf 'wrong\n' >"$W/passphrase"
    run_ecert restore "$FILE"
    [ "$status" -eq 1 ]
    [[ $stderr == *"this passphrase does not open it; who can open it:"* ]]
    [[ $stderr != *wrong* ]]
    printf 'open sesame, at once\n' >"$W/passphrase"
    sed -i "s/name = \"$NAME\"/name = \"other.myserver.com\"/" "$W/ecert.conf"
    run_ecert restore "$FILE"
    [ "$status" -eq 1 ]
    [[ $stderr == *"write an entry with name = \"$NAME\""* ]]
    [ ! -e "$REQUEST" ]
}

# key_file: certificates are taken for the key of key.file, which no request made; $KEY_COPY is its
# copy in the first place
key_file() {
    local id
    rm -r "$REQUEST"
    KEY="" backups "passphrase_file = \"$W/passphrase\";"
    ca_up
    id=$(openssl pkey -in "$W/keys/$NAME.key" -pubout -outform DER | sha256sum | cut -c-16)
    KEY_COPY=$W/place/$NAME-key-${id^^}.p7m
}

@test "a key that no request made is backed up when it is imported, and not again with its renewal" {
    key_file
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    [ -f "$KEY_COPY" ]
    [ -f "$W/second/$(basename "$KEY_COPY")" ]
    openssl cms -decrypt -inform DER -in "$KEY_COPY" -pwri_password "open sesame, at once" -out "$W/opened"
    openssl pkey -in "$W/opened" | cmp - <(openssl pkey -in "$W/keys/$NAME.key")
    openssl x509 -in "$W/opened" | cmp - "$W/state/certificates/$NAME/generations/0001/cert.pem"
    run_ecert backup
    [ "$status" -eq 0 ]
    [[ $output == *"1 key: every place has its backups"* ]]
    run_ecert backup --check
    [ "$status" -eq 0 ]
    [[ $output == *"opens "*"$KEY_COPY"*"2 opened, 0 unchanged, 0 not in order"* ]]
    before=$(sha256sum "$W"/place/* "$W"/second/*)
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$W/keys/$NAME.key" --out "$W/renewed"
    run_ecert import "$W/renewed.cer"
    [ "$status" -eq 0 ]
    [ "$(find "$W/state/certificates/$NAME/generations" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]
    [ "$(sha256sum "$W"/place/* "$W"/second/*)" = "$before" ]
    run_ecert backup --check
    [ "$status" -eq 0 ]
    rm "$KEY_COPY"
    run_ecert check --offline
    [[ $output == *"$KEY_COPY"* ]]
    run_ecert backup
    [ "$status" -eq 0 ]
    [ "$(find "$W/place" -name '*.p7m' | wc -l)" -eq 1 ]
}

@test "a key that no request made is restored into its generations" {
    key_file
    ecert import --quiet "$W/$NAME.cer"
    generation=$W/state/certificates/$NAME/generations/0001
    run_ecert restore "$KEY_COPY"
    [ "$status" -eq 0 ]
    [[ $output == "$NAME: the key was there already" ]]
    cp "$generation/privkey.pem" "$W/right"
    rm "$generation/privkey.pem"
    run_ecert restore "$KEY_COPY"
    [ "$status" -eq 0 ]
    [[ $output == *"the private key of generation 1 is back"* ]]
    cmp "$generation/privkey.pem" "$W/right"
    [ ! -d "$W/state/certificates/$NAME/requests" ] ||
        [ -z "$(ls "$W/state/certificates/$NAME/requests")" ]
    # without a generation there is nothing to put it into, and the backup itself has all of it
    rm -r "$W/state/certificates/$NAME/generations"
    run_ecert restore "$KEY_COPY"
    [ "$status" -eq 1 ]
    [[ $stderr == *"no generation has a certificate of this key"*"for 'ecert import'"* ]]
    openssl cms -decrypt -inform DER -in "$KEY_COPY" -pwri_password "open sesame, at once" -out "$W/opened"
    run_ecert import "$W/opened"
    [ "$status" -eq 0 ]
    cmp "$generation/privkey.pem" "$W/right"
}

@test "a key that cannot be backed up is imported, with a note, and told by check until it is" {
    key_file
    mv "$W/second" "$W/away"
    run_ecert import "$W/$NAME.cer" --json
    [ "$status" -eq 0 ]
    [[ $(jq -r '.sources[0].notes[]' <<<"$output") == *"its key could not be backed up ("*"$W/second"*"'ecert backup' tries again"* ]]
    mv "$W/away" "$W/second"
    run_ecert check --offline
    [[ $output == *"$W/second/$(basename "$KEY_COPY")"* ]]
    ecert backup --quiet
    run_ecert check --offline
    [[ $output != *"$W/second/$(basename "$KEY_COPY")"* ]]
}

# taken: the request's certificate is generation 1, and deployed to iis-export
taken() {
    ecert backup --quiet
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$REQUEST/privkey.pem" --out "$W/late"
    ca_up
    ecert import --quiet "$W/late.cer"
    GENERATION=$W/state/certificates/$NAME/generations/0001
}

@test "a generation whose key is lost, damaged or another one gets it back; a good one is not touched" {
    local before
    taken
    before=$(stat -c '%i %y' "$GENERATION/privkey.pem")
    run_ecert restore "$FILE" --json
    [ "$status" -eq 0 ]
    [ "$(jq -c '[.restored, .generations, .certificate, .name, .unicode_name, .id]' <<<"$output")" = \
        "[false,[],\"$NAME\",\"$NAME\",null,\"$ID\"]" ]
    [ "$(stat -c '%i %y' "$GENERATION/privkey.pem")" = "$before" ]
    cp "$GENERATION/privkey.pem" "$W/right"
    rm "$GENERATION/privkey.pem"
    run_ecert restore "$FILE"
    [ "$status" -eq 0 ]
    [[ $output == *"$NAME: the private key of generation 1 is back; 'ecert deploy' is next"* ]]
    cmp "$GENERATION/privkey.pem" "$W/right"
    [ "$(stat -c '%a %u' "$GENERATION/privkey.pem")" = "600 $(id -u)" ]
    printf 'damaged\n' >"$GENERATION/privkey.pem"
    run_ecert restore "$FILE" --json
    [ "$status" -eq 0 ]
    [ "$(jq -c '.generations[0] | [.generation, .restored, .live, .next]' <<<"$output")" = \
        '[1,true,[],"deploy"]' ]
    cmp "$GENERATION/privkey.pem" "$W/right"
    [ "$(cat "$GENERATION/privkey.pem.kept-1")" = damaged ]
    cp "$W/officer.key" "$GENERATION/privkey.pem"
    ecert restore --quiet "$FILE"
    cmp "$GENERATION/privkey.pem" "$W/right"
}

@test "a live link is whole again, and nothing else is to be done" {
    taken
    mkdir -p "$W/state/certificates/$NAME/live" "$W/state/certificates/$NAME/targets"
    chmod 0700 "$W/state/certificates/$NAME"/{live,targets}
    ecert deploy --quiet
    target=$(basename "$(ls "$W/state/certificates/$NAME/targets")" .json)
    ln -sfn ../generations/0001 "$W/state/certificates/$NAME/live/$target"
    rm "$GENERATION/privkey.pem"
    run_ecert restore "$FILE"
    [ "$status" -eq 0 ]
    [[ $output == *"generation 1, which is live for $target, is back; nothing else is to be done"* ]]
    openssl pkey -in "$W/state/certificates/$NAME/live/$target/privkey.pem" -noout
}

@test "the key of a generation comes back encrypted, and one under an earlier passphrase is left" {
    printf 'tiger\n' >"$W/key-passphrase"
    chmod 0600 "$W/key-passphrase"
    KEY="encrypted = true; passphrase_file = \"$W/key-passphrase\";" \
        backups "passphrase_file = \"$W/passphrase\";"
    taken
    rm "$GENERATION/privkey.pem"
    ecert restore --quiet "$FILE"
    grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$GENERATION/privkey.pem"
    openssl pkey -in "$GENERATION/privkey.pem" -passin pass:tiger | cmp - <(openssl pkey -in "$REQUEST/privkey.pem")
    before=$(sha256sum "$GENERATION/privkey.pem")
    printf 'lion\n' >"$W/key-passphrase"
    run_ecert restore "$FILE" --json
    [ "$status" -eq 1 ]
    [ "$(jq -c '.generations[0].restored' <<<"$output")" = false ]
    [[ $(jq -r '.errors[0]' <<<"$output") == *"the key of generation 1 was left as it is: "*"move it away and restore again"* ]]
    [ "$(sha256sum "$GENERATION/privkey.pem")" = "$before" ]
    # its outside is damaged: nothing can open it any more
    head -c 300 "$GENERATION/privkey.pem" >"$W/half"
    cat "$W/half" >"$GENERATION/privkey.pem"
    ecert restore --quiet "$FILE"
    openssl pkey -in "$GENERATION/privkey.pem" -passin pass:lion -noout
}

# openers FILE: how many recipients can open it
openers() {
    openssl cms -cmsout -print -inform DER -in "$1" -noout | grep -c 'd\.ktri\|d\.pwri'
}

@test "after a change of the recipients new copies are written beside the old ones, which stay" {
    backups "recipients = [ \"$W/officer.cer\" ];"
    ecert backup --quiet
    before=$(sha256sum "$W"/place/* "$W"/second/*)
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/deputy.key" -out "$W/deputy.cer" \
        -subj "/CN=Deputy" -days 300 2>/dev/null
    chmod 0644 "$W/deputy.cer"
    run_ecert config
    [[ $output$stderr != *"former"* ]]
    backups "recipients = [ \"$W/deputy.cer\" ];"
    run_ecert config
    [[ $output$stderr == *"2 copies of keys are readable only by the former recipients"* ]]
    run_ecert check --offline
    [[ $output == *"2 copies are readable only by the former recipients"* ]]
    [[ $output == *"Run \`ecert backup\`: it writes a new copy beside each."* ]]
    run_ecert backup --check
    [ "$status" -eq 1 ]
    [[ $output == *"former "*"$NAME  $ID  $FILE: readable only by the former recipients"*"'ecert backup' writes a new one beside it"* ]]
    [[ $output == *"0 opened, 0 unchanged, 2 not in order"* ]]
    run_ecert backup
    [ "$status" -eq 0 ]
    [[ $output == *"$NAME $ID: $W/place/$NAME-$ID-2.p7m"* ]]
    [[ $output == *"2 copies are readable only by the former recipients"*"the old ones stay"* ]]
    sha256sum --check --quiet <<<"$before"
    run_ecert backup --check --key "$W/deputy.key"
    [ "$status" -eq 0 ]
    [[ $output == *"2 opened"* ]]
    run_ecert config
    [[ $output$stderr != *"former"* ]]
    run_ecert check --offline
    [[ $output != *"former"* ]]
    run_ecert backup --json
    [ "$(jq .renewed <<<"$output")" = 0 ]
    [ "$(find "$W/place" "$W/second" -name '*.p7m' | wc -l)" -eq 4 ]
}

@test "a recipient who left still opens the old copies; one more recipient gets new ones" {
    backups "recipients = [ \"$W/officer.cer\" ]; passphrase_file = \"$W/passphrase\";"
    ecert backup --quiet
    backups "passphrase_file = \"$W/passphrase\";"
    run_ecert backup --json
    [ "$(jq .renewed <<<"$output")" = 0 ]
    [ "$(openers "$FILE")" -eq 2 ]
}

@test "after a change of the passphrase, too; also of copies of which it was not noted" {
    local noted
    backups "passphrase_file = \"$W/passphrase\";"
    for noted in yes no; do
        printf 'open sesame, at once\n' >"$W/passphrase"
        rm -f "$W"/place/* "$W"/second/*
        ecert backup --quiet
        [[ $(jq -r '.backups[0].under' "$REQUEST/request.json") =~ ^[0-9A-F]{16}:[0-9A-F]{32}$ ]]
        if [ "$noted" = no ]; then
            jq 'del(.backups[].under)' "$REQUEST/request.json" >"$W/json"
            cat "$W/json" >"$REQUEST/request.json"
            ecert backup --quiet # notes it
            [ "$(jq -r '.backups[1].under' "$REQUEST/request.json" | wc -c)" -eq 50 ]
            jq 'del(.backups[].under)' "$REQUEST/request.json" >"$W/json"
            cat "$W/json" >"$REQUEST/request.json"
        fi
        printf 'close sesame, at once\n' >"$W/passphrase"
        if [ "$noted" = yes ]; then
            run_ecert config
            [[ $output$stderr == *"2 copies of keys are readable only by the former recipients or under the former passphrase"* ]]
            run_ecert check --offline
            [[ $output == *"2 copies are readable only by"* ]]
            [[ $output != *"does not open it"* ]]
            run_ecert backup --check --json
            [ "$status" -eq 1 ]
            [ "$(jq -rc '[.backups[].state]' <<<"$output")" = '["former","former"]' ]
        fi
        run_ecert backup --json
        [ "$status" -eq 0 ]
        [ "$(jq .renewed <<<"$output")" = 2 ]
        [ "$(find "$W/place" "$W/second" -name '*.p7m' | wc -l)" -eq 4 ]
        run_ecert backup --check
        [ "$status" -eq 0 ]
        [[ $output == *"2 opened, 0 unchanged, 0 not in order"* ]]
        run_ecert config
        [[ $output$stderr != *"former"* ]]
        run_ecert check --offline
        [[ $output != *"former"* && $output != *"$W/place"* && $output != *"$W/second"* ]]
        run_ecert backup
        [ "$status" -eq 0 ]
        [[ $output == *"every place has its backups"* ]]
    done
}
