# A first configuration out of what a real nginx and a real Apache have: it passes `ecert config`, and
# after `ecert adopt` the first `ecert plan` is empty.
#
# covers: core/issue/draft.h core/issue/draft_parts.h core/flow/holds.h core/flow/shared_chain.h

load deploying

# $W/present.pem and .key: what the servers use, with its chain
scene() {
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --out "$W/present"
    cat "$W/present.cer" "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.pem"
    OLD=present
    printf 'state_dir = "%s/state";\nauthorities_dir = "%s/ca/authorities";\n' "$W" "$W" \
        >"$W/base.conf"
}

nginx_words() {
    printf 'nginx=%s -p %s/ -c %s/nginx.conf' "$NGINX" "$W/nginx" "$W/nginx"
}

apache_words() {
    printf 'apache=%s -d %s -f %s/httpd.conf' "$APACHE" "$W/apache" "$W/apache"
}

# init WHICH...: nginx, apache
init() {
    local which words=()
    for which; do
        words+=(--plugin "$which" --command "$("${which}_words")")
    done
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/base.conf" init \
        --output "$W/ecert.conf" "${words[@]}"
    printf '$ ecert init %s\n%s\n%s\nexit code %s\n' "${words[*]}" "$output" "$stderr" "$status"
    [ ! -e "$W/ecert.conf" ] || cat "$W/ecert.conf"
}

# The whole way: the servers' files are what they were, and there is nothing to do.
first_steps() { # WHICH...
    local which before after
    before=$(for which; do config_tree "$W/$which"; done; stat -c '%n %i %y %s' "$W"/*.pem "$W"/*.key)
    init "$@"
    [ "$status" -eq 0 ]
    is "mode" 644 "$(stat -c %a "$W/ecert.conf")"
    run_ecert config
    [ "$status" -eq 0 ]
    run_ecert adopt
    [ "$status" -eq 0 ]
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
    run_ecert run
    [ "$status" -eq 0 ]
    after=$(for which; do config_tree "$W/$which"; done; stat -c '%n %i %y %s' "$W"/*.pem "$W"/*.key)
    same "$before" "$after"
}

@test "nginx with the chain in one file: nothing to change, and the renewal goes into the same files" {
    nginx_up
    first_steps nginx
    grep -qF "name = \"$NAME\";" "$W/ecert.conf"
    grep -qF 'names = [ "myserver.com" ];' "$W/ecert.conf"
    grep -qF 'authority = "testpost";' "$W/ecert.conf"
    is "generations" 1 "$(generations)"

    local tree
    tree=$(config_tree "$W/nginx")
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --out "$W/renewed"
    cat "$W/renewed.cer" "$W/renewed.key" >"$W/renewed.pem" # brings its own key
    run_ecert import "$W/renewed.pem"
    [ "$status" -eq 0 ]
    run_ecert deploy
    [ "$status" -eq 0 ]
    same "$tree" "$(config_tree "$W/nginx")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/renewed.cer")"
    cmp "$W/present.pem" "$(generation 2)/fullchain.pem"
    run_ecert rollback "$NAME"
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
}

@test "nginx with CRLF, comments, the root in the file, a key in the traditional form, open to all" {
    {
        printf 'the certificate of the shop\r\n'
        sed 's/$/\r/' "$W/present.cer"
        printf '# issuers\r\n'
        sed 's/$/\r/' "$W/ca/cross.pem" "$W/ca/sub.pem" "$W/ca/root.pem"
    } >"$W/present.pem"
    openssl pkey -in "$W/present.key" -traditional -out "$W/old-form.key"
    cat "$W/old-form.key" >"$W/present.key"
    rm "$W/old-form.key"
    chmod 644 "$W/present.key"
    nginx_up
    first_steps nginx
}

@test "Apache with the chain in a file of its own, and with all in one" {
    cat "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.chain"
    test_ca issue "$W/ca" shop.myserver.com --out "$W/shop"
    cat "$W/shop.cer" "$W/ca/sub.pem" >"$W/shop.pem"
    APACHE_PORT=$(free_port)
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/present"
    apache_site "$W/apache" "$APACHE_PORT" shop.myserver.com "$W/shop"
    cp "$W/present.cer" "$W/present.pem"
    sed -i "s|^ *SSLCertificateKeyFile.*|&\n    SSLCertificateChainFile $W/present.chain|" \
        "$W/apache/sites/$NAME.conf"
    start_apache "$W/apache"
    first_steps apache
    grep -qF "chain = \"$W/present.chain\";" "$W/ecert.conf"
    grep -qF "certificate = \"$W/present.pem\";" "$W/ecert.conf"
    grep -qF "fullchain = \"$W/shop.pem\";" "$W/ecert.conf"
    is "generations" 1 "$(generations)"
}

# chains LEAF...: each of them leads to the root through the file that all sites send
chains() {
    local leaf
    for leaf; do
        openssl verify -CAfile "$W/ca/root.pem" -untrusted "$W/all.chain" "$leaf"
    done
}

@test "Apache with one chain file for several certificates: taken over, and it holds what all need" {
    cat "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/all.chain"
    cp "$W/present.cer" "$W/present.pem"
    local name
    APACHE_PORT=$(free_port)
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/present"
    for name in mail shop; do
        test_ca issue "$W/ca" "$name.myserver.com" --out "$W/$name"
        cp "$W/$name.cer" "$W/$name.pem"
        apache_site "$W/apache" "$APACHE_PORT" "$name.myserver.com" "$W/$name"
    done
    sed -i "s|^ *SSLCertificateKeyFile.*|&\n    SSLCertificateChainFile $W/all.chain|" \
        "$W"/apache/sites/*.conf
    start_apache "$W/apache"
    first_steps apache
    is "targets" 3 "$(grep -c "chain = \"$W/all.chain\";" "$W/ecert.conf")"

    # by the same sub CA: leaf and key alone
    local before
    before=$(stat -c '%i %y' "$W/all.chain")
    test_ca issue "$W/ca" mail.myserver.com --out "$W/next"
    cat "$W/next.cer" "$W/next.key" >"$W/next.pem"
    run_ecert import "$W/next.pem"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" mail.myserver.com "$(sha256_of "$W/next.cer")"
    is "chain file" "$before" "$(stat -c '%i %y' "$W/all.chain")"

    # by another sub CA: the file holds both
    test_ca issue "$W/ca" shop.myserver.com --ev --out "$W/ev"
    cat "$W/ev.cer" "$W/ev.key" >"$W/ev.pem"
    run_ecert import "$W/ev.pem"
    run_ecert plan
    says "+++ $W/all.chain" "'$W/all.chain' is the chain file of 'mail.myserver.com' (apache), '$NAME' (apache), too"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" shop.myserver.com "$(sha256_of "$W/ev.cer")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
    is "certificates" 3 "$(grep -c BEGIN "$W/all.chain")"
    chains "$W/present.cer" "$W/next.cer" "$W/ev.cer"
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]

    # the way back takes nothing from the others
    run_ecert rollback shop.myserver.com --to 0
    [ "$status" -eq 0 ]
    says "'$W/all.chain' stays as it is"
    wait_served "$APACHE_PORT" shop.myserver.com "$(sha256_of "$W/shop.cer")"
    chains "$W/present.cer" "$W/next.cer" "$W/shop.cer"
}

@test "a site without a name is found by its file, and its renewal is put there" {
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/present"
    sed -i '/server_name/d' "$W/nginx/conf.d/$NAME.conf"
    start_nginx "$W/nginx"
    first_steps nginx
    grep -qF "these sites have no name" "$W/ecert.conf"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --out "$W/next"
    cat "$W/next.cer" "$W/next.key" >"$W/again.pem"
    run_ecert import "$W/again.pem"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" any.example.org "$(sha256_of "$W/next.cer")"
}

@test "a wildcard on several sites: one entry, one target; a site of another name is told" {
    test_ca issue "$W/ca" '*.myserver.com' --alt myserver.com --out "$W/wild"
    cat "$W/wild.cer" "$W/ca/sub.pem" >"$W/wild.pem"
    NGINX_PORT=$(free_port)
    local name
    for name in a b c; do
        nginx_site "$W/nginx" "$NGINX_PORT" "$name.myserver.com" "$W/wild"
    done
    nginx_site "$W/nginx" "$NGINX_PORT" other.example.org "$W/wild"
    start_nginx "$W/nginx"
    first_steps nginx
    is "targets" 1 "$(grep -c 'plugin = ' "$W/ecert.conf")"
    grep -qF 'server_names = [ "a.myserver.com", "b.myserver.com", "c.myserver.com" ];' "$W/ecert.conf"
    grep -qF "other.example.org.conf:1, which uses these" "$W/ecert.conf"
}

@test "a wildcard that is only on sites which it covers: everywhere_it_was, and the plan is empty" {
    test_ca issue "$W/ca" '*.myserver.com' --alt myserver.com --out "$W/wild"
    cat "$W/wild.cer" "$W/ca/sub.pem" >"$W/wild.pem"
    NGINX_PORT=$(free_port)
    local name
    for name in a b c; do
        nginx_site "$W/nginx" "$NGINX_PORT" "$name.myserver.com" "$W/wild"
    done
    start_nginx "$W/nginx"
    first_steps nginx
    grep -qF 'everywhere_it_was = true;' "$W/ecert.conf"
    grep -qF 'name = "*.myserver.com";' "$W/ecert.conf"
    test_ca issue "$W/ca" '*.myserver.com' --alt myserver.com --out "$W/next"
    cat "$W/next.cer" "$W/next.key" >"$W/again.pem"
    run_ecert import "$W/again.pem"
    [ "$status" -eq 0 ]
    run_ecert deploy
    [ "$status" -eq 0 ]
    for name in a b c; do
        wait_served "$NGINX_PORT" "$name.myserver.com" "$(sha256_of "$W/next.cer")"
    done
}

@test "a pair that the http block gives to its sites, by relative paths: nothing to change" {
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/present"
    nginx_site "$W/nginx" "$NGINX_PORT" myserver.com "$W/present"
    sed -i '/ssl_certificate/d' "$W"/nginx/conf.d/*.conf
    sed -i "s|^    include|    ssl_certificate ../present.pem; ssl_certificate_key \"../present.key\";\n&|" \
        "$W/nginx/nginx.conf"
    start_nginx "$W/nginx"
    first_steps nginx
    is "generations" 1 "$(generations)"
}

@test "two pairs, RSA and EC: an entry for each" {
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --ec --out "$W/twin"
    cat "$W/twin.cer" "$W/ca/sub.pem" >"$W/twin.pem"
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/present"
    sed -i "s|^ *root|    ssl_certificate $W/twin.pem; ssl_certificate_key $W/twin.key;\n&|" \
        "$W/nginx/conf.d/$NAME.conf"
    start_nginx "$W/nginx"
    first_steps nginx
    grep -qF 'name = "myserver.com";' "$W/ecert.conf"
    grep -qF "fullchain = \"$W/twin.pem\";" "$W/ecert.conf"
    grep -qF 'curve = "P-256";' "$W/ecert.conf"
    cmp <(openssl x509 -in "$W/twin.cer") "$W/state/certificates/myserver.com/generations/0001/cert.pem"
}

@test "nginx and Apache with the same files: one entry, two targets" {
    nginx_up
    apache_up
    first_steps nginx apache
    is "entries" 1 "$(grep -c '^    name = ' "$W/ecert.conf")"
    is "targets" 2 "$(grep -c 'plugin = ' <(grep -v '#' "$W/ecert.conf"))"
    is "generations" 1 "$(generations)"
}

@test "a combined file and a shared key: written as comments, with what to do" {
    NGINX_PORT=$(free_port)
    cat "$W/present.key" >>"$W/present.pem"
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/present"
    sed -i "s|ssl_certificate_key.*|ssl_certificate_key $W/present.pem;|" "$W/nginx/conf.d/$NAME.conf"
    test_ca issue "$W/ca" a.myserver.com --key "$W/ec.key" --out "$W/a"
    test_ca issue "$W/ca" b.myserver.com --key "$W/ec.key" --out "$W/b"
    cp "$W/a.cer" "$W/a.pem"
    cp "$W/b.cer" "$W/b.pem"
    nginx_site "$W/nginx" "$NGINX_PORT" a.myserver.com "$W/a"
    nginx_site "$W/nginx" "$NGINX_PORT" b.myserver.com "$W/b"
    sed -i "s|ssl_certificate_key.*|ssl_certificate_key $W/ec.key;|" "$W"/nginx/conf.d/[ab].*.conf
    start_nginx "$W/nginx"
    first_steps nginx
    is "targets" 0 "$(grep -v '#' "$W/ecert.conf" | grep -c 'plugin = ')"
    grep -q "holds key and" "$W/ecert.conf"
    grep -q "is used with another" "$W/ecert.conf"
    grep -qF '#{ plugin = "nginx";' "$W/ecert.conf"
    # what is commented out is right as soon as the "#" is away
    sed -i 's/^      #\([^ ].*\)$/      \1/; s/^      #\(  .*\)$/      \1/' "$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
}

@test "a self-signed certificate: an entry that replaces it; adopted, and the plan is empty" {
    old_pair "$W/own" "$NAME"
    OLD=own
    nginx_up
    init nginx
    [ "$status" -eq 0 ]
    grep -q "self-signed, valid until" "$W/ecert.conf"
    grep -qF 'authority = "testpost";' "$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
    run_ecert adopt
    [ "$status" -eq 0 ]
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
    says "stays as it was adopted"
    # what is wanted in its place is deployed like any other
    cat "$W/present.cer" "$W/present.key" >"$W/wanted.pem"
    run_ecert import "$W/wanted.pem"
    [ "$status" -eq 0 ]
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
}

@test "a file that is there is never written over; '-' prints" {
    nginx_up
    echo mine >"$W/ecert.conf"
    init nginx
    [ "$status" -eq 2 ]
    says "is there already and is not written over"
    is "file" mine "$(cat "$W/ecert.conf")"
    rm "$W/ecert.conf"
    ln -s "$W/nowhere" "$W/ecert.conf"
    init nginx
    [ "$status" -eq 2 ]
    [ ! -e "$W/nowhere" ]
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/base.conf" init --output - \
        --plugin nginx --command "$(nginx_words)"
    [ "$status" -eq 0 ]
    rm "$W/ecert.conf"
    printf '%s\n' "$output" >"$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
}

@test "no server: says what it looked for and writes nothing; --output writes a skeleton" {
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/ecert.conf" init --plugin iis-export
    [ "$status" -eq 0 ]
    says "no server found" "nothing is written"
    [ ! -e "$W/ecert.conf" ]
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/base.conf" init --plugin iis-export \
        --output "$W/ecert.conf"
    [ "$status" -eq 0 ]
    says "a skeleton"
    run_ecert config
    [ "$status" -eq 0 ]
    says "no certificate is configured"
}

@test "an EC twin without a name of its own is watched; an encrypted key is told; --json counts" {
    test_ca issue "$W/ca" shop.myserver.com --out "$W/shop"
    test_ca issue "$W/ca" shop.myserver.com --ec --out "$W/twin"
    printf 'a secret\n' >"$W/pass"
    openssl pkcs8 -topk8 -v2 aes-256-cbc -in "$W/shop.key" -passout "file:$W/pass" -out "$W/shop.locked"
    mv "$W/shop.locked" "$W/shop.key"
    cat "$W/shop.cer" "$W/ca/sub.pem" >"$W/shop.pem"
    cat "$W/twin.cer" "$W/ca/sub.pem" >"$W/twin.pem"
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" shop.myserver.com "$W/shop"
    sed -i "s|^ *root|    ssl_certificate $W/twin.pem; ssl_certificate_key $W/twin.key;\n&|
        s|^ *ssl_certificate  |    ssl_password_file $W/pass;\n&|" "$W/nginx/conf.d/shop.myserver.com.conf"
    start_nginx "$W/nginx"
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/base.conf" init --json \
        --output "$W/ecert.conf" --plugin nginx --command "$(nginx_words)"
    [ "$status" -eq 0 ]
    is "counts" "(1, 1, 1, 1, '$W/ecert.conf')" \
        "$(json "tuple(o[k] for k in ('certificates', 'targets', 'watches', 'commented', 'file'))" <<<"$output")"
    no_key_in "$W/present.key" "$output" "$(cat "$W/ecert.conf")"
    grep -qF "{ file = \"$W/twin.pem\"; }" "$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
    run_ecert adopt # says what it needs
    [ "$status" -eq 1 ]
    says "key.passphrase_file"
    chmod 600 "$W/pass"
    sed -i "s|#passphrase_file = .*|passphrase_file = \"$W/pass\";|; s|#encrypted|encrypted|" "$W/ecert.conf"
    run_ecert adopt
    [ "$status" -eq 0 ]
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
}
