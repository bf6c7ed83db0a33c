# Keys that are kept and deployed encrypted (key.encrypted), with a real nginx and a real Apache.
# covers: core/flow/kept_key.h

load deploying

scene() {
    printf 'tiger in the tea\n' >"$W/passphrase"
    printf '#!/bin/sh\necho "$@" >>"%s/asked"\ncat "%s/passphrase"\n' "$W" "$W" >"$W/say"
    chmod 0600 "$W/passphrase"
    chmod 0700 "$W/say"
    KEY="file = \"$W/keys/$NAME.key\"; encrypted = true; passphrase_file = \"$W/passphrase\";"
}

generation_key() { # N
    printf '%s/state/certificates/%s/generations/%04d/privkey.pem' "$W" "$NAME" "$1"
}

kept_encrypted() { # N
    head -n 1 "$(generation_key "$1")" | grep -qx -- '-----BEGIN ENCRYPTED PRIVATE KEY-----' || {
        echo "the key of generation $1 is not encrypted"
        return 1
    }
    openssl pkey -in "$(generation_key "$1")" -passin "file:$W/passphrase" -pubout |
        cmp - <(openssl pkey -in "$W/keys/$NAME.key" -pubout)
}

# Nowhere below the state directory or a server's folder does a key lie in the clear.
no_plain_key() {
    local found
    found=$(grep -rlE -- '-----BEGIN (RSA |EC )?PRIVATE KEY-----' "$W/state" "$@" || true)
    is "keys in the clear" "" "$found"
}

@test "nginx: deployed, renewed and rolled back with ssl_password_file" {
    nginx_up
    sed -i "/listen/a ssl_password_file $W/passphrase;" "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    kept_encrypted 1
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    take "$W/second.cer"
    kept_encrypted 2
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    run_ecert rollback "$NAME"
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    no_plain_key
    no_leftovers
}

@test "Apache: deployed, renewed and rolled back with SSLPassPhraseDialog exec:" {
    apache_up
    sed -i "/^LoadModule ssl/a SSLPassPhraseDialog exec:$W/say" "$W/apache/httpd.conf"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    [ -s "$W/asked" ]
    take "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    run_ecert rollback "$NAME"
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    no_plain_key
    no_leftovers
}

@test "nginx without ssl_password_file: refused with the directive, nothing is changed" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    before=$(config_tree "$W/nginx")
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "$W/nginx/conf.d/$NAME.conf:1: the key of '$NAME' is encrypted" \
        'write "ssl_password_file FILE;" into this server block'
    is "configuration" "$before" "$(config_tree "$W/nginx")"
    is "served" "$(sha256_of "$W/$OLD.pem")" "$(served "$NGINX_PORT" "$NAME")"
    no_leftovers
}

@test "Apache without SSLPassPhraseDialog: refused with the directive, nothing is changed" {
    apache_up
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    before=$(config_tree "$W/apache")
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "the key of '$NAME' is encrypted" 'write "SSLPassPhraseDialog exec:PROGRAM"'
    is "configuration" "$before" "$(config_tree "$W/apache")"
    is "served" "$(sha256_of "$W/$OLD.pem")" "$(served "$APACHE_PORT" "$NAME")"
}

@test "nginx with another passphrase: its own test says no, nothing is changed" {
    nginx_up
    printf 'wrong\n' >"$W/other"
    sed -i "/listen/a ssl_password_file $W/other;" "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    before=$(config_tree "$W/nginx")
    run_ecert deploy
    [ "$status" -eq 1 ]
    is "configuration" "$before" "$(config_tree "$W/nginx")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "deployed into files of the server: encrypted there, too" {
    nginx_up
    sed -i "/listen/a ssl_password_file $W/passphrase;" "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target "files = { key = \"$W/nginx/site.key\"; fullchain = \"$W/nginx/site.pem\"; };")"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$W/nginx/site.key"
    is "mode" 600 "$(stat -c %a "$W/nginx/site.key")"
    no_plain_key "$W/nginx"
}

@test "the same certificate again is no other generation; a passphrase command is asked once a run" {
    write_config
    take "$W/$NAME.cer"
    take "$W/$NAME.cer"
    is "generations" "0001" "$(ls "$W/state/certificates/$NAME/generations")"
    KEY="file = \"$W/locked.key\"; encrypted = true; passphrase_command = [ \"$W/say\" ];"
    openssl pkey -in "$W/keys/$NAME.key" -aes256 -passout "file:$W/passphrase" -out "$W/locked.key"
    write_config "$(nginx_target) $(printf ', { plugin = "iis-export"; directory = "%s"; }' "$W/iis")"
    nginx_up
    sed -i "/listen/a ssl_password_file $W/passphrase;" "$W/nginx/conf.d/$NAME.conf"
    rm -f "$W/asked"
    cp "$W/second.cer" "$W/state/inbox/"
    touch -d '-1 minute' "$W/state/inbox/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    is "asked" 1 "$(wc -l <"$W/asked")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
}

@test "iis-export gets the opened key: its PFX has its own password" {
    write_config
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    openssl pkcs12 -in "$W/iis/$NAME.pfx" -nocerts -nodes \
        -passin "file:$W/iis/$NAME.password.txt" -out "$W/out.key"
    openssl pkey -in "$W/out.key" -pubout | cmp - <(openssl pkey -in "$W/keys/$NAME.key" -pubout)
}

@test "the passphrase is lost: refused, and said of which key" {
    nginx_up
    sed -i "/listen/a ssl_password_file $W/passphrase;" "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    rm "$W/passphrase"
    printf 'wrong\n' >"$W/passphrase"
    chmod 0600 "$W/passphrase"
    before=$(config_tree "$W/nginx")
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "$(generation_key 1)"
    says_not "wrong" "tiger"
    is "configuration" "$before" "$(config_tree "$W/nginx")"
}

# From now on the passphrase is another one; nginx knows both.
change_passphrase() {
    printf 'a tiger no more\n' >"$W/passphrase"
    cat "$W/passphrase" >>"$W/both"
}

two_generations() {
    nginx_up
    cp -p "$W/passphrase" "$W/both"
    sed -i "/listen/a ssl_password_file $W/both;" "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    take "$W/second.cer"
    ecert run --quiet
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
}

@test "a rollback is not undone by the same certificate, taken again under another passphrase" {
    two_generations
    run_ecert rollback "$NAME"
    [ "$status" -eq 0 ]
    change_passphrase
    take "$W/second.cer"
    kept_encrypted 3
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    run_ecert status
    says "held by a rollback"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$W/keys/$NAME.key" --out "$W/third"
    take "$W/third.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/third.cer")"
    take "$W/second.cer" || true # an old one that comes once more brings no hold back
    run_ecert status
    says_not "held by a rollback"
}

@test "a rollback that is refused decides nothing: the next run has nothing to do" {
    two_generations
    change_passphrase
    take "$W/second.cer"
    ecert run --quiet
    run_ecert rollback "$NAME" --to 1
    [ "$status" -eq 1 ]
    says "$(generation_key 1)" "was it kept under an earlier passphrase? put that one back"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    run_ecert status
    says_not "held by a rollback" "failed"
    run_ecert run
    [ "$status" -eq 0 ]
    is "link" ../generations/0003 "$(live)"
    printf 'tiger in the tea\n' >"$W/passphrase" # the way out
    run_ecert rollback "$NAME" --to 1
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    no_leftovers
}

@test "no passphrase is configured any more: refused, and said which settings are missing" {
    nginx_up
    sed -i "/listen/a ssl_password_file $W/passphrase;" "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    KEY="" write_config "$(nginx_target)"
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "$(generation_key 1)" "names neither key.passphrase_file nor key.passphrase_command"
    is "served" "$(sha256_of "$W/$OLD.pem")" "$(served "$NGINX_PORT" "$NAME")"
}

@test "a key that was put back later is opened and compared by check" {
    write_config
    take "$W/$NAME.cer"
    touch -d '-2 hours' "$(generation_key 1)"
    run_ecert check --offline
    says_not "is not the private key"
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 \
        -pass "file:$W/passphrase" -out "$W/foreign.key"
    cat "$W/foreign.key" >"$(generation_key 1)"
    touch -d '-2 hours' "$(generation_key 1)"
    run_ecert check --offline
    says "is not the private key"
}

@test "what was taken before key.encrypted was set stays as it is, and is still deployed" {
    nginx_up
    KEY="" write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    write_config "$(nginx_target)"
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    take "$W/second.cer"
    kept_encrypted 2
    run_ecert deploy # nginx has no ssl_password_file
    [ "$status" -eq 1 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}
