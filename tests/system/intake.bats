# Certificates in: every form, by inbox, import and URL; what is no use is told in one sentence and
# changes nothing; keys in every form.
#
# covers: core/flow/intake.h core/flow/source.h core/flow/inbox.h core/flow/url_source.h
# covers: core/flow/context.h core/flow/decode_forms.h

load common

prepare() {
    write_config
    ca_up
}

# ---- forms ----

# Every form of the same certificate, FORMS/NAME. Suffixes lie on purpose.
make_forms() {
    local leaf=$W/$NAME.cer sub=$W/ca/sub.pem to=$W/forms
    mkdir "$to"
    cp "$leaf" "$to/pem.cer"
    cp "$W/$NAME.der" "$to/der-called.pem"
    sed 's/$/\r/' "$leaf" >"$to/crlf.cer"
    { printf '\xef\xbb\xbf' && cat "$leaf"; } >"$to/bom.cer"
    {
        printf 'Dear subscriber,\n\nplease find your e-Cert below.\n'
        openssl x509 -in "$leaf" -text
        printf '\n-- \nThe CA\n'
    } >"$to/text-around.txt"
    cat "$W/ca/root.pem" "$sub" "$leaf" >"$to/wrong-order.cer"
    cat "$W/keys/$NAME.key" "$sub" "$leaf" >"$to/key-among-them.pem"
    openssl crl2pkcs7 -nocrl -certfile "$sub" -certfile "$leaf" -out "$to/pkcs7-pem.der"
    openssl crl2pkcs7 -nocrl -certfile "$leaf" -certfile "$sub" -outform DER -out "$to/pkcs7-der.pem"
    openssl pkcs12 -export -in "$leaf" -inkey "$W/keys/$NAME.key" -certfile "$sub" \
        -passout pass:'open sesame' -out "$to/pkcs12.cer"
    printf 'open sesame\n' >"$W/password"
    chmod 600 "$W/password"
}

# Generation 1 is the issued leaf with the chain that belongs to it, and the key.
is_taken() {
    local g
    g=$(generation 1)
    [ "$(generations)" = 1 ]
    [ "$(sha256_of "$g/cert.pem")" = "$(sha256_of "$W/$NAME.cer")" ]
    [ "$(serials "$g/chain.pem" | xargs)" = "$SUB $CROSS" ]
    cat "$g/cert.pem" "$g/chain.pem" | cmp - "$g/fullchain.pem"
    cmp <(openssl pkey -in "$g/privkey.pem") <(openssl pkey -in "$W/keys/$NAME.key")
    [ "$(stat -c %a "$g/privkey.pem")" = 600 ]
}

@test "the inbox takes every form, told apart by content" {
    make_forms
    write_config "" "source = { password_file = \"$W/password\"; };"
    local form
    for form in "$W"/forms/*; do
        drop "$form"
        run_ecert fetch
        [ "$status" -eq 0 ]
        is_taken
        [ -f "$W/state/inbox/taken/$(basename "$form")" ]
        [ ! -e "$W/state/inbox/$(basename "$form")" ]
        no_key_in "$W/keys/$NAME.key" "$output" "$stderr"
        rm -r "$W/state/certificates"
    done
}

@test "import takes every form, and leaves the file where it is" {
    make_forms
    local form
    for form in "$W"/forms/*; do
        run_ecert import --json --password-file "$W/password" "$form"
        [ "$status" -eq 0 ]
        [ "$(json '[(s["outcome"], s["certificate"]) for s in o["sources"]]' <<<"$output")" = \
            "[('taken', '$NAME')]" ]
        no_key_in "$W/keys/$NAME.key" "$output" "$stderr"
        is_taken
        [ -f "$form" ]
        rm -r "$W/state/certificates"
    done
}

@test "the same certificate in another form is known, not a new generation" {
    make_forms
    run_ecert import "$W/forms/pem.cer"
    [ "$status" -eq 0 ]
    run_ecert import --json "$W/forms/pkcs7-der.pem"
    [ "$status" -eq 0 ]
    [ "$(json 'o["sources"][0]["outcome"]' <<<"$output")" = known ]
    [ "$(generations)" = 1 ]
}

@test "without a configured key, the issued file brings it" {
    make_forms
    KEY=none write_config
    for form in pkcs12.cer key-among-them.pem; do
        run_ecert import --password-file "$W/password" "$W/forms/$form"
        [ "$status" -eq 0 ]
        is_taken
        no_key_in "$W/keys/$NAME.key" "$output" "$stderr" \
            "$(cat "$(generation 1)/generation.json")"
        rm -r "$W/state/certificates"
    done
    run_ecert import "$W/forms/pem.cer"
    [ "$status" -eq 1 ]
    [ "$(generations)" = 0 ]
}

@test "PKCS#12: a wrong or missing password is a sentence, and the password is not in it" {
    make_forms
    printf 'not this one\n' >"$W/wrong"
    chmod 600 "$W/wrong"
    local before
    ecert fetch --quiet
    before=$(snapshot "$W")
    run_ecert import --password-file "$W/wrong" "$W/forms/pkcs12.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *password* || $stderr == *passphrase* ]]
    [[ $stderr != *"not this one"* ]]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
    run_ecert import "$W/forms/pkcs12.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *password* || $stderr == *passphrase* ]]
    same "$before" "$(snapshot "$W")"
}

# ---- what is no use ----

# BAD/NAME, and in $SENTENCES what must be said of each
make_bad() {
    local leaf=$W/$NAME.cer to=$W/bad
    mkdir "$to"
    declare -gA SENTENCES=(
        [empty.cer]='empty' [noise.cer]='no form' [page.html]='HTML'
        [request.csr]='request|CSR' [half.pem]='truncated|END' [half.der]='truncated|DER'
        [two-leaves.pem]='two' [foreign.cer]='matches no configured key' [ca-only.pem]='CA'
        [crossed.pem]='truncated|END|block')
    : >"$to/empty.cer"
    printf '\xde\xad\xbe\xef%.0s' {1..700} >"$to/noise.cer"
    printf '<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n' >"$to/page.html"
    openssl req -new -key "$W/keys/$NAME.key" -subj "/CN=$NAME" -out "$to/request.csr"
    head -c 700 "$leaf" >"$to/half.pem"
    head -c 700 "$W/$NAME.der" >"$to/half.der"
    cat "$leaf" "$W/ec.cer" >"$to/two-leaves.pem"
    cp "$W/foreign.cer" "$to/foreign.cer"
    cat "$W/ca/sub.pem" "$W/ca/root.pem" >"$to/ca-only.pem"
    { cat "$W/ca/sub.pem" && head -c 700 "$leaf"; } >"$to/crossed.pem"
}

@test "wrong files: one sentence each, moved with the reason beside them; the good one is taken" {
    make_bad
    local name said
    for name in "${!SENTENCES[@]}"; do
        drop "$W/bad/$name"
    done
    drop "$W/$NAME.cer"
    run_ecert fetch
    [ "$status" -eq 1 ]
    is_taken
    for name in "${!SENTENCES[@]}"; do
        echo "looking at $name"
        [ ! -e "$W/state/inbox/$name" ]
        cmp "$W/bad/$name" "$W/state/inbox/rejected/$name"
        said=$(cat "$W/state/inbox/rejected/$name.reason.txt")
        echo "$said"
        [ "$(wc -l <<<"$said")" -eq 1 ]
        grep -qE "${SENTENCES[$name]}" <<<"$said"
        [ "$(grep -cF "inbox: $name:" <<<"$stderr")" -eq 1 ]
    done
    [ "$(wc -l <<<"$stderr")" -eq "${#SENTENCES[@]}" ]
    # dealt with: the next run has nothing to say
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
}

@test "wrong files of the inbox change nothing else, not even where a certificate is deployed" {
    make_bad
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    local name before after
    before=$(snapshot "$W" | grep -vE "$W/state(/inbox.*|) ")
    for name in "${!SENTENCES[@]}"; do
        drop "$W/bad/$name"
    done
    run_ecert run
    [ "$status" -eq 1 ]
    after=$(snapshot "$W" | grep -vE "$W/state(/inbox.*|) ")
    same "$(grep -v inbox <<<"$before")" "$(grep -v inbox <<<"$after")"
}

@test "import of wrong files: one sentence each, exit 1, the whole tree is as before" {
    make_bad
    ecert fetch --quiet
    local name before
    before=$(snapshot "$W")
    for name in "${!SENTENCES[@]}"; do
        run_ecert import "$W/bad/$name"
        [ "$status" -eq 1 ]
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
        grep -qE "${SENTENCES[$name]}" <<<"$stderr"
        [[ $stderr == *"$W/bad/$name"* ]]
        run_ecert import --json "$W/bad/$name"
        [ "$status" -eq 1 ]
        json '(o["exit"], o["sources"][0]["error"])' <<<"$output" |
            grep -qE "^\(1, .*(${SENTENCES[$name]})"
    done
    same "$before" "$(snapshot "$W")"
    # one good file among them is still taken
    run_ecert import "$W/bad/half.pem" "$W/$NAME.cer" "$W/bad/foreign.cer"
    [ "$status" -eq 1 ]
    is_taken
}

@test "a file that is too large, a link, a pipe and a folder in the inbox: nothing hangs" {
    ecert fetch --quiet
    local inbox=$W/state/inbox
    head -c $((5 << 20)) /dev/zero >"$inbox/large.cer"
    # a link is not followed, not even to what would be taken
    ln -s "$W/second.cer" "$inbox/link.cer"
    mkfifo "$inbox/pipe.cer"
    mkdir "$inbox/folder"
    touch -h -d '-1 minute' "$inbox"/*
    drop "$W/$NAME.cer"
    run --separate-stderr timeout 10 "$ECERT_BUILD/ecert" --config "$W/ecert.conf" fetch
    echo "$output$stderr"
    [ "$status" -eq 1 ]
    is_taken
    [[ $stderr == *large.cer*bytes* ]]
    [[ $stderr == *link.cer* ]]
    [[ $stderr == *pipe.cer* ]]
    [ "$(sha256_of "$W/second.cer")" = "$(sha256_of "$F/second.cer")" ]
}

@test "a folder in the inbox is told, a hidden file with --verbose; neither fails a run" {
    ecert fetch --quiet
    mkdir "$W/state/inbox/unpacked"
    cp "$W/$NAME.cer" "$W/state/inbox/unpacked"
    cp "$W/$NAME.cer" "$W/state/inbox/.upload.part"
    run_ecert run
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "inbox: unpacked: is a folder: put the certificate file itself into the inbox" ]
    run_ecert run --verbose
    [ "$status" -eq 0 ]
    [[ $output == *"inbox: .upload.part: is hidden, and passed over"* ]]
    [ "$(grep -c 'unpacked: is a folder' <<<"$output")" -eq 1 ]
    [[ $output != *taken:* && $output != *rejected:* ]]
    run_ecert run --quiet
    [ -z "$output$stderr" ]
    run_ecert run --json
    [ "$(json '[(s["origin"], s["outcome"]) for s in o["sources"]]' <<<"$output")" = \
        "[('inbox: .upload.part', 'hidden'), ('inbox: unpacked', 'folder')]" ]
    rm -r "$W/state/inbox/unpacked"
    run_ecert fetch
    [[ $output == "nothing new"* ]]
    [ -e "$W/state/inbox/.upload.part" ]
}

# early SECONDS: W/early.cer, valid in so many seconds only; tells from when on
early() {
    local start
    start=$(date -u -d "+$1 seconds" +%Y%m%d%H%M%SZ)
    test_ca issue "$W/ca" "$NAME" --key "$W/keys/$NAME.key" --not-before "$start" \
        --not-after "$(date -u -d '+90 days' +%Y%m%d%H%M%SZ)" --out "$W/early" >/dev/null
    date -u -d "$(openssl x509 -in "$W/early.cer" -noout -startdate | cut -d= -f2)" +%FT%TZ
}

@test "a certificate that is not valid yet waits in the inbox, which is no failure" {
    local from
    from=$(early 864000)
    drop "$W/early.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    [[ $output == *"early.cer: for $NAME, valid from $from; \`ecert run\` takes it then"* ]]
    run_ecert run --quiet
    [ "$status" -eq 0 ]
    [ -z "$output$stderr" ]
    run_ecert fetch --json
    [ "$status" -eq 0 ]
    [ "$(json '(o["sources"][0]["outcome"], o["sources"][0]["valid_from"])' <<<"$output")" = \
        "('early', '$from')" ]
    run_ecert status
    [[ $output == *"waiting in the inbox: early.cer (valid from $from; \`ecert run\` takes it then)"* ]]
    run_ecert status --json
    [ "$(json 'o["inbox"]' <<<"$output")" = "[{'file': 'early.cer', 'valid_from': '$from'}]" ]
    [ -e "$W/state/inbox/early.cer" ]
    [ "$(generations)" = 0 ]
    # by hand it was asked for now
    run_ecert import "$W/early.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"valid from $from"*"$W/state/inbox"* ]]
    # with another fault it does not wait
    test_ca issue "$W/ca" other.example --key "$W/keys/$NAME.key" --out "$W/other" \
        --not-before "$(date -u -d '+1 day' +%Y%m%d%H%M%SZ)" \
        --not-after "$(date -u -d '+90 days' +%Y%m%d%H%M%SZ)"
    drop "$W/other.cer"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [ -e "$W/state/inbox/rejected/other.cer" ]
    # what can be taken already is said to be taken
    cp "$W/$NAME.cer" "$W/state/inbox"
    run_ecert status
    [[ $output == *"waiting in the inbox: $NAME.cer (\`ecert run\` takes it)"* ]]
}

@test "when its time has come, the certificate that waited is taken" {
    local i
    early 6
    drop "$W/early.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    for i in $(seq 12); do
        [ "$(generations)" = 0 ] || break
        sleep 1
        run_ecert run
        [ "$status" -eq 0 ]
    done
    [ "$(generations)" = 1 ]
    [ -e "$W/state/inbox/taken/early.cer" ]
}

@test "a second wrong file of the same name does not replace the first" {
    local i
    for i in 1 2; do
        echo "wrong $i" >"$W/wrong.cer"
        drop "$W/wrong.cer"
        run_ecert fetch
        [ "$status" -eq 1 ]
    done
    [ "$(cat "$W/state/inbox/rejected/wrong.cer")" = "wrong 1" ]
    [ "$(cat "$W/state/inbox/rejected/wrong.cer.2")" = "wrong 2" ]
    [ -s "$W/state/inbox/rejected/wrong.cer.2.reason.txt" ]
}

@test "a file that is still being copied is waited for" {
    ecert fetch --quiet
    head -c 500 "$W/$NAME.cer" >"$W/state/inbox/slow.cer"
    (sleep 0.7 && cat "$W/$NAME.cer" >"$W/state/inbox/slow.cer") &
    PIDS+=($!)
    run_ecert fetch
    [ "$status" -eq 0 ]
    is_taken
}

@test "a key that cannot be read is not the file's fault: it stays in the inbox" {
    drop "$W/$NAME.cer"
    mv "$W/keys/$NAME.key" "$W/keys/away"
    echo 'not a key' >"$W/keys/$NAME.key"
    chmod 600 "$W/keys/$NAME.key"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [ -f "$W/state/inbox/$NAME.cer" ]
    mv "$W/keys/away" "$W/keys/$NAME.key"
    run_ecert fetch
    [ "$status" -eq 0 ]
    is_taken
}

# ---- sources of type url ----

# An nginx that serves W/files on $PORT, and with TLS (a certificate of its own) on $TLS_PORT.
files_up() {
    PORT=$(free_port) TLS_PORT=$(free_port)
    mkdir "$W/files"
    old_pair "$W/tls" localhost
    nginx_head "$W/files-server"
    cat >"$W/files-server/conf.d/files.conf" <<CONF
log_format short '\$request_method \$request_uri \$status';
server {
    listen 127.0.0.1:$PORT;
    listen 127.0.0.1:$TLS_PORT ssl;
    ssl_certificate $W/tls.pem;
    ssl_certificate_key $W/tls.key;
    root $W/files;
    access_log $W/files-server/logs/access.log short;
    location = /moved.cer { return 302 http://localhost:$CA_PORT/www.cer; }
}
CONF
    start_nginx "$W/files-server"
}

answers() { # the status of each request so far
    awk '{ print $3 }' "$W/files-server/logs/access.log" | xargs
}

url_config() { # URL [more]
    write_config "" "source = { type = \"url\"; url = \"$1\"; ${2:-} };"
}

@test "url: fetched once, then a conditional request costs a 304; a new file is a new generation" {
    files_up
    cp "$W/$NAME.cer" "$W/files/www.cer"
    touch -d '-2 hours' "$W/files/www.cer"
    url_config "http://127.0.0.1:$PORT/www.cer"
    run_ecert fetch
    [ "$status" -eq 0 ]
    is_taken
    run_ecert fetch --json
    [ "$status" -eq 0 ]
    [ "$(json 'o["sources"][0]["outcome"]' <<<"$output")" = unchanged ]
    [ "$(answers)" = "200 304" ]
    cp "$W/second.cer" "$W/files/www.cer"
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(answers)" = "200 304 200" ]
    [ "$(generations)" = 2 ]
    [ "$(sha256_of "$(generation 2)/cert.pem")" = "$(sha256_of "$W/second.cer")" ]
}

@test "url: a wrong file is told, changes nothing, and is not taken for unchanged" {
    files_up
    head -c 700 "$W/$NAME.cer" >"$W/files/www.cer"
    url_config "http://127.0.0.1:$PORT/www.cer"
    local before
    ecert fetch --quiet || true
    before=$(snapshot "$W/state")
    run_ecert fetch
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
    [[ $stderr == *"http://127.0.0.1:$PORT/www.cer"* ]]
    same "$before" "$(snapshot "$W/state")"
    cp "$W/$NAME.cer" "$W/files/www.cer"
    run_ecert fetch
    [ "$status" -eq 0 ]
    is_taken
}

@test "url: too large, not found, redirected elsewhere, nobody there: a sentence with the address" {
    files_up
    head -c $((5 << 20)) /dev/zero >"$W/files/large.cer"
    local path
    for path in large.cer absent.cer moved.cer; do
        url_config "http://127.0.0.1:$PORT/$path"
        run_ecert fetch
        [ "$status" -eq 1 ]
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
        [[ $stderr == *"http://127.0.0.1:$PORT/$path"* ]]
        case $path in
        large.cer) [[ $stderr == *large* || $stderr == *bytes* ]] ;;
        absent.cer) [[ $stderr == *404* ]] ;;
        moved.cer) [[ $stderr == *redirect* ]] ;;
        esac
    done
    stop_pid "$W/files-server/nginx.pid"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [[ $stderr == *refused* ]]
    [ "$(generations)" = 0 ]
}

@test "url: https is believed with its ca_file only" {
    files_up
    public_folder
    cp "$W/tls.pem" "$PUBLIC/anchors.pem"
    chmod 644 "$PUBLIC/anchors.pem"
    cp "$W/$NAME.cer" "$W/files/www.cer"
    url_config "https://localhost:$TLS_PORT/www.cer"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
    [[ $stderr == *"https://localhost:$TLS_PORT/www.cer"*certificate* ]]
    [ "$(generations)" = 0 ]
    url_config "https://localhost:$TLS_PORT/www.cer" "ca_file = \"$PUBLIC/anchors.pem\";"
    run_ecert fetch
    [ "$status" -eq 0 ]
    is_taken
    # the certificate is for localhost: another name is refused
    url_config "https://127.0.0.1:$TLS_PORT/www.cer" "ca_file = \"$PUBLIC/anchors.pem\";"
    run_ecert fetch
    [ "$status" -eq 1 ]
}

@test "url: a file:// address, where everybody may read it" {
    public_folder
    cp "$W/$NAME.cer" "$PUBLIC/www.cer"
    chmod 644 "$PUBLIC/www.cer"
    url_config "file://$PUBLIC/www.cer"
    run_ecert fetch
    [ "$status" -eq 0 ]
    is_taken
}

@test "url: a certificate that is not valid yet is no failure, and is asked for again" {
    local i
    early 6
    public_folder
    cp "$W/early.cer" "$PUBLIC/www.cer"
    chmod 644 "$PUBLIC/www.cer"
    url_config "file://$PUBLIC/www.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    [[ $output == *"www.cer: for $NAME, valid from "* ]]
    for i in $(seq 12); do
        [ "$(generations)" = 0 ] || break
        sleep 1
        run_ecert run
        [ "$status" -eq 0 ]
    done
    [ "$(generations)" = 1 ]
}

@test "url: one source that fails does not stop the others" {
    files_up
    cp "$W/ec.cer" "$W/files/ec.cer"
    url_config "http://127.0.0.1:$PORT/absent.cer"
    sed -i 's/^);$//' "$W/ecert.conf"
    cat >>"$W/ecert.conf" <<CONF
  , { name = "$NAME-2.example"; authority = "testpost"; key = { file = "$W/ec.key"; };
      names = [ "$NAME" ]; allow = [ "names" ];
      source = { type = "url"; url = "http://127.0.0.1:$PORT/ec.cer"; }; } );
CONF
    run_ecert fetch --json
    [ "$status" -eq 1 ]
    [ "$(json '[s["outcome"] for s in o["sources"]]' <<<"$output")" = "['failed', 'taken']" ]
}

# ---- keys ----

# A key in this form; the same issued file must be matched to it, and kept as PKCS#8.
takes_key() { # FILE CERTIFICATE [line of the configuration]
    KEY="file = \"$1\"; ${3:-}" write_config
    chmod 600 "$1"
    run_ecert import "$2"
    [ "$status" -eq 0 ]
    local g
    g=$(generation 1)
    [ "$(stat -c '%a %U' "$g/privkey.pem")" = "600 $(id -un)" ]
    head -n 1 "$g/privkey.pem" | grep -q -- '^-----BEGIN PRIVATE KEY-----$'
    cmp <(openssl x509 -in "$2" -noout -pubkey) <(openssl pkey -in "$g/privkey.pem" -pubout)
    no_key_in "$g/privkey.pem" "$output" "$stderr" "$(cat "$g/generation.json")"
    [[ "$output$stderr" != *"open sesame"* ]]
    rm -r "$W/state/certificates"
}

make_keys() {
    local rsa=$W/keys/$NAME.key ec=$W/ec.key to=$W/keys
    printf 'open sesame\n' >"$W/pass"
    printf '#!/bin/sh\necho "open sesame"\n' >"$W/askpass"
    chmod 600 "$W/pass"
    chmod 700 "$W/askpass"
    openssl rsa -in "$rsa" -traditional -out "$to/rsa-traditional"
    # as the CA's guide makes it: genrsa -des3
    openssl rsa -in "$rsa" -des3 -traditional -passout "file:$W/pass" -out "$to/rsa-des3"
    openssl pkcs8 -topk8 -in "$rsa" -passout "file:$W/pass" -out "$to/rsa-pkcs8-encrypted"
    openssl pkey -in "$rsa" -outform DER -out "$to/rsa-der"
    openssl ec -in "$ec" -out "$to/ec-traditional"
    openssl ec -in "$ec" -aes256 -passout "file:$W/pass" -out "$to/ec-encrypted"
    { openssl ecparam -name prime256v1 && cat "$to/ec-traditional"; } >"$to/ec-with-parameters"
} 2>/dev/null

@test "keys: RSA and ECDSA, PKCS#8, traditional, encrypted, by file and by command" {
    make_keys
    grep -q 'DEK-Info: DES-EDE3-CBC' "$W/keys/rsa-des3"
    takes_key "$W/keys/rsa-traditional" "$W/$NAME.cer"
    takes_key "$W/keys/rsa-der" "$W/$NAME.cer"
    takes_key "$W/keys/rsa-des3" "$W/$NAME.cer" "passphrase_file = \"$W/pass\";"
    takes_key "$W/keys/rsa-des3" "$W/$NAME.cer" "passphrase_command = [ \"$W/askpass\" ];"
    takes_key "$W/keys/rsa-pkcs8-encrypted" "$W/$NAME.cer" "passphrase_file = \"$W/pass\";"
    takes_key "$W/ec.key" "$W/ec.cer"
    takes_key "$W/keys/ec-traditional" "$W/ec.cer"
    takes_key "$W/keys/ec-with-parameters" "$W/ec.cer"
    takes_key "$W/keys/ec-encrypted" "$W/ec.cer" "passphrase_command = [ \"$W/askpass\" ];"
}

@test "keys: without, or with a wrong passphrase: a sentence that names the file, and no secret" {
    make_keys
    local line before
    printf 'not this one\n' >"$W/wrong"
    chmod 600 "$W/wrong"
    printf '#!/bin/sh\necho "open sesame"\nexit 3\n' >"$W/fails"
    chmod 700 "$W/fails"
    for line in "" "passphrase_file = \"$W/wrong\";" "passphrase_command = [ \"$W/fails\" ];"; do
        KEY="file = \"$W/keys/rsa-des3\"; $line" write_config
        run_ecert import "$W/$NAME.cer"
        [ "$status" -eq 1 ]
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
        [[ $stderr == *"$W/keys/rsa-des3"* || $stderr == *"$W/fails"* ]]
        [[ $stderr != *"open sesame"* && $stderr != *"not this one"* ]]
    done
    [ "$(generations)" = 0 ]
}

@test "keys: the configured file stays as it was; one that others can read is reported" {
    local before
    before=$(snapshot "$W/keys")
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    same "$before" "$(snapshot "$W/keys")"
    [[ "$output$stderr" != *"$W/keys/$NAME.key"* ]]
    rm -r "$W/state/certificates"
    chmod 644 "$W/keys/$NAME.key"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    [[ "$output$stderr" == *"$W/keys/$NAME.key"* ]]
    [ "$(stat -c %a "$(generation 1)/privkey.pem")" = 600 ]
    rm -r "$W/state/certificates"
    chmod 666 "$W/keys/$NAME.key"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -ne 0 ]
    [ "$(generations)" = 0 ]
}

@test "matched by public key: two certificates of one name go to the key that each was issued for" {
    sed -i 's/^);$//' "$W/ecert.conf"
    cat >>"$W/ecert.conf" <<CONF
  , { name = "myserver.com"; authority = "testpost"; key = { file = "$W/ec.key"; };
      allow = [ "names" ]; } );
CONF
    run_ecert import --json "$W/ec.cer" "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    [ "$(json '[s["certificate"] for s in o["sources"]]' <<<"$output")" = \
        "['myserver.com', '$NAME']" ]
    # --name insists
    run_ecert import --name "$NAME" "$W/ec.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"matches no configured key"* || $stderr == *"$NAME"* ]]
    run_ecert import --name absent.example "$W/ec.cer"
    [ "$status" -eq 2 ]
}
