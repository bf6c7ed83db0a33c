# Taking over what a real nginx and a real Apache use already.
#
# covers: core/flow/holds.h core/issue/adopt.h core/issue/adopt_parts.h core/issue/served.h

load deploying

# $W/present.pem and .key: what the server uses, issued a month ago for a key of its own, with its
# chain. The renewal is $W/$NAME.cer, for the key that the configuration names.
scene() {
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --out "$W/present" \
        --not-before "$(date -u -d '-30 days' +%Y%m%d%H%M%SZ)"
    cat "$W/present.cer" "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.pem"
    OLD=present
}

children() { # PIDFILE: who answers; a reload replaces them
    pgrep -P "$(cat "$1")" | sort | tr '\n' ' '
}

# Nothing of the server was changed: its files, times, processes.
remember() { # DIR PIDFILE
    TREE=$(config_tree "$1") CHILDREN=$(children "$2") PID=$(cat "$2")
    FILES=$(stat -c '%n %i %y %z' "$W"/present.*)
}

untouched() { # DIR PIDFILE
    same "$TREE" "$(config_tree "$1")"
    is "files of the site" "$FILES" "$(stat -c '%n %i %y %z' "$W"/present.*)"
    is "pid" "$PID" "$(cat "$2")"
    local child # Apache may start further ones when it likes
    for child in $CHILDREN; do
        is "parent of process $child" "$PID" "$(ps -o ppid= -p "$child" | tr -d ' ')"
    done
}

nothing_adopted() {
    is "generations" 0 "$(generations)"
    [ ! -e "$W/state/certificates/$NAME/live" ]
    [ ! -e "$W/state/certificates/$NAME/targets" ]
}

@test "an adopted key is backed up at once; that it cannot be is a note" {
    nginx_up
    mkdir -m 0700 "$W/place"
    (umask 077 && printf 'open sesame, at once\n' >"$W/passphrase")
    write_config "$(nginx_target)" "" \
        "backup = { places = [ \"$W/place\", \"$W/gone\" ]; passphrase_file = \"$W/passphrase\"; };"
    run_ecert adopt
    [ "$status" -eq 0 ]
    says "its key could not be backed up (" "'ecert backup' tries again"
    mkdir -m 0700 "$W/gone"
    run_ecert adopt
    [ "$status" -eq 0 ]
    ecert backup --quiet
    is "copies" 2 "$(find "$W/place" "$W/gone" -name "$NAME-key-*.p7m" | wc -l)"
    openssl cms -decrypt -inform DER -in "$(find "$W/place" -name '*.p7m')" \
        -pwri_password "open sesame, at once" | openssl pkey | cmp - <(openssl pkey -in "$W/present.key")
}

@test "nginx: adopted without being touched, then renewed and rolled back" {
    nginx_up
    write_config "$(nginx_target)"
    remember "$W/nginx" "$W/nginx/nginx.pid"
    # a visitor who is connected stays so
    mkfifo "$W/ask"
    openssl s_client -quiet -connect "127.0.0.1:$NGINX_PORT" -servername "$NAME" <"$W/ask" \
        >"$W/answer" 2>/dev/null 3>&- &
    PIDS+=($!)
    exec 7>"$W/ask"

    run_ecert adopt --verbose
    [ "$status" -eq 0 ]
    says "adopted as generation 1: nginx server block at $W/nginx/conf.d/$NAME.conf:1" "nothing on the servers was changed" \
        "key '$W/present.key', certificate '$W/present.pem'"
    says_not "would be refused" "still serves"
    untouched "$W/nginx" "$W/nginx/nginx.pid"
    printf 'GET / HTTP/1.0\r\n\r\n' >&7
    for _ in $(seq 50); do
        ! grep -q "200 OK" "$W/answer" || break
        sleep 0.05
    done
    exec 7>&-
    grep -q "200 OK" "$W/answer"

    is "link" ../generations/0001 "$(live)"
    cmp "$W/present.key" "$(generation 1)/privkey.pem"
    cmp "$W/present.cer" "$(generation 1)/cert.pem"
    is "chain" "$SUB $CROSS" "$(serials "$(generation 1)/chain.pem" | tr '\n' ' ' | sed 's/ $//')"
    is "mode of the key" 600 "$(stat -c %a "$(generation 1)/privkey.pem")"
    is "origin" "adopted: nginx server block at $W/nginx/conf.d/$NAME.conf:1" \
        "$(json "o['origin']" <"$(generation 1)/generation.json")"
    is "record" adopted "$(json "o['outcome']" <"$(records)")"

    run_ecert run
    [ "$status" -eq 0 ]
    untouched "$W/nginx" "$W/nginx/nginx.pid"
    is "records" 1 "$(records | wc -l)"
    run_ecert status
    says "nginx: has generation 1 since" "127.0.0.1:$NGINX_PORT $NAME serves it"
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/ecert.conf" status --json
    is "standing" current "$(json "o['targets'][0]['standing']" <<<"$output")"

    # the first renewal is an ordinary deployment
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    says "deployed, and the server was seen to serve it"
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    is "link" ../generations/0002 "$(live)"
    grep -q "ssl_certificate_key $(live_dir)/privkey.pem" "$W/nginx/conf.d/$NAME.conf"

    run_ecert rollback "$NAME"
    [ "$status" -eq 0 ]
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
    is "certificates sent" 3 "$(served_chain "$NGINX_PORT" "$NAME")"
    is "link" ../generations/0001 "$(live)"
    no_leftovers
}

@test "Apache: adopted without being touched, then renewed and rolled back" {
    # the chain in a file of its own, as old installations have it
    cat "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.chain"
    apache_site "$W/apache" "${APACHE_PORT:=$(free_port)}" "$NAME" "$W/present"
    cp "$W/present.cer" "$W/present.pem"
    sed -i "s|^ *SSLCertificateKeyFile.*|&\n    SSLCertificateChainFile $W/present.chain|" \
        "$W/apache/sites/$NAME.conf"
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
    write_config "$(apache_target)"
    ca_down # the chain of the server is enough
    remember "$W/apache" "$W/apache/httpd.pid"

    run_ecert adopt "$NAME"
    [ "$status" -eq 0 ]
    says "adopted as generation 1: apache virtual host at $W/apache/sites/$NAME.conf:1"
    run_ecert run
    untouched "$W/apache" "$W/apache/httpd.pid"
    is "chain" "$SUB $CROSS" "$(serials "$(generation 1)/chain.pem" | tr '\n' ' ' | sed 's/ $//')"
    run_ecert status
    says "apache: has generation 1 since" "serves it"
    ca_up

    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    run_ecert rollback "$NAME"
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
    is "certificates sent" 3 "$(served_chain "$APACHE_PORT" "$NAME")"
}

@test "a second adopt changes nothing and says since when; plan shows what deploy would do" {
    nginx_up
    write_config "$(nginx_target)"
    ecert adopt --quiet
    local state
    state=$(snapshot "$W/state")
    run_ecert adopt
    [ "$status" -eq 0 ]
    says "has generation 1 since" "it is left alone"
    same "$state" "$(snapshot "$W/state")"
    run_ecert plan
    says "+    ssl_certificate_key $(live_dir)/privkey.pem"
    run_ecert deploy
    [ "$status" -eq 0 ]
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
}

@test "--json tells site, files, generation and notes" {
    nginx_up
    write_config "$(nginx_target)"
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/ecert.conf" adopt --json
    [ "$status" -eq 0 ]
    is "row" "('$NAME', '$NAME', None, 'adopted', 1, True, '$W/present.key', '$W/present.pem', None)" \
        "$(json "tuple(o['targets'][0][k] for k in ('certificate', 'name', 'unicode_name', 'outcome', 'generation', 'added', 'key_file', 'certificate_file', 'error'))" <<<"$output")"
    no_key_in "$W/present.key" "$output$stderr"
}

@test "copies of files: the target's own paths are not written until the renewal" {
    nginx_up
    write_config "$(nginx_target "files = { key = \"$W/present.key\"; fullchain = \"$W/present.pem\"; };
        may_write = [ \"$W\" ];" | sed "s|may_write = \[ \"$W/nginx\" \];||")"
    remember "$W/nginx" "$W/nginx/nginx.pid"
    run_ecert adopt
    [ "$status" -eq 0 ]
    run_ecert run
    [ "$status" -eq 0 ]
    untouched "$W/nginx" "$W/nginx/nginx.pid"
    [ ! -e "$W/state/certificates/$NAME/live/nginx" ]
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    same "$TREE" "$(config_tree "$W/nginx")"
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    run_ecert rollback "$NAME"
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
}

@test "copies of files: what holds the same in other bytes is left until the renewal" {
    nginx_up
    sed -i 's/$/\r/' "$W/present.pem"
    openssl pkey -in "$W/present.key" -traditional -out "$W/traditional.key"
    cat "$W/traditional.key" >"$W/present.key"
    chmod 644 "$W/present.key" # that others can read it is for the first deployment
    write_config "$(nginx_target "files = { key = \"$W/present.key\"; fullchain = \"$W/present.pem\"; };")"
    remember "$W/nginx" "$W/nginx/nginx.pid"
    run_ecert adopt
    [ "$status" -eq 0 ]
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
    untouched "$W/nginx" "$W/nginx/nginx.pid"
    # another certificate there is not the same
    cat "$W/foreign.cer" "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.pem"
    run_ecert plan --exit-code
    [ "$status" -eq 10 ]
    says "+++ $W/present.pem"
    says_not "present.key"
    # nor is one without its chain, nor another key
    cp "$W/present.cer" "$W/present.pem"
    cp "$W/ec.key" "$W/present.key"
    run_ecert plan --exit-code
    [ "$status" -eq 10 ]
    says "+++ $W/present.pem" "$W/present.key: replaced, secret"
}

@test "what was adopted and would be refused as an issued file: the plan leaves it, and says so" {
    old_pair "$W/own" "$NAME"
    OLD=own
    nginx_up
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 0 ]
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
    says "stays as it was adopted, until there is a certificate that can be deployed: "
    run_ecert deploy # asked for it is refused, as before
    [ "$status" -eq 1 ]
}

@test "a key that does not belong to the certificate is refused" {
    nginx_up
    write_config "$(nginx_target)"
    cp "$W/keys/$NAME.key" "$W/present.key" # the server does not know it yet
    remember "$W/nginx" "$W/nginx/nginx.pid"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "the key '$W/present.key' does not belong to the certificate '$W/present.pem'"
    untouched "$W/nginx" "$W/nginx/nginx.pid"
    nothing_adopted
}

@test "a key with a passphrase: refused without it, opened with it" {
    nginx_up
    printf 'a secret\n' >"$W/pass"
    chmod 600 "$W/pass"
    openssl pkcs8 -topk8 -v2 aes-256-cbc -in "$W/present.key" -passout "file:$W/pass" \
        -out "$W/present.locked"
    cp "$W/present.key" "$W/plain.key"
    cat "$W/present.locked" >"$W/present.key"
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "'$W/present.key'" "key.passphrase_file or key.passphrase_command of '$NAME'"
    says_not "a secret"
    nothing_adopted

    KEY="file = \"$W/keys/$NAME.key\"; passphrase_file = \"$W/pass\";" \
        write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 0 ]
    says "'$W/present.key' is encrypted, and what ecert keeps and deploys is not: set key.encrypted"
    says_not "a secret"
    cmp "$W/plain.key" "$(generation 1)/privkey.pem"
}

@test "key.encrypted: the generation's key is encrypted, and the same for a second target" {
    nginx_up
    printf 'a secret\n' >"$W/pass"
    chmod 600 "$W/pass"
    KEY="file = \"$W/keys/$NAME.key\"; passphrase_file = \"$W/pass\"; encrypted = true;" \
        write_config "$(nginx_target), $(nginx_target 'id = "second";')"
    run_ecert adopt
    [ "$status" -eq 0 ]
    grep -q "BEGIN ENCRYPTED PRIVATE KEY" "$(generation 1)/privkey.pem"
    says "'$W/present.key' is not encrypted, and what ecert deploys from now on is" "ssl_password_file"
    says "second: has, as was kept already, generation 1: nginx server block"
    is "generations" 1 "$(generations)"
    openssl pkey -in "$(generation 1)/privkey.pem" -passin "file:$W/pass" -out "$W/opened.key"
    cmp "$W/present.key" "$W/opened.key"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/present.cer")"
}

@test "a leaf without its chain is adopted with the chain that belongs to it" {
    cp "$W/present.cer" "$W/present.pem"
    nginx_up
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 0 ]
    is "chain" "$SUB $CROSS" "$(serials "$(generation 1)/chain.pem" | tr '\n' ' ' | sed 's/ $//')"
    is "certificates sent" 1 "$(served_chain "$NGINX_PORT" "$NAME")"
    says "the server has another chain than the one that was built" "ecert deploy $NAME"
}

@test "a good chain without the cross-certificate stays as it is, and check finds nothing wrong" {
    cat "$W/present.cer" "$W/ca/sub.pem" >"$W/present.pem"
    nginx_up
    write_config "$(nginx_target)"
    run_ecert adopt --verbose
    [ "$status" -eq 0 ]
    says_not "another chain" "would be refused"
    is "chain" "$SUB" "$(serials "$(generation 1)/chain.pem" | tr '\n' ' ' | sed 's/ $//')"
    run served_finding '.condition != "fine"'
    is "findings" "" "$output"
    # a generation whose chain is longer is served well by the shorter one
    cat "$W/ca/cross.pem" >>"$(generation 1)/chain.pem"
    cat "$W/ca/cross.pem" >>"$(generation 1)/fullchain.pem"
    run served_finding '.condition != "fine"'
    is "findings" "" "$output"
}

@test "what an issued file would be refused for is told: a certificate of nobody's CA" {
    old_pair "$W/present" "$NAME"
    nginx_up
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 0 ]
    says "no chain could be built" "an issued file would be refused" "adopted as generation 1"
    json "o['unfit']" <"$(generation 1)/generation.json" | grep -q "chain-anchor: "
    run_ecert check --offline
    [ "$status" -ne 0 ]
    says "adopted; an issued file would be refused: " "chain-anchor"
    run_ecert run
    is "link" ../generations/0001 "$(live)"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/present.pem")"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$W/keys/$NAME.key" --out "$W/renewal" \
        --not-before "$(date -u -d '-3 days' +%Y%m%d%H%M%SZ)"
    # it was issued before the placeholder was made, and is taken all the same
    drop "$W/renewal.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/renewal.cer")"
    # what would be refused as an issued file is refused as the way back, too
    run_ecert rollback "$NAME"
    [ "$status" -eq 1 ]
    says "chain-anchor"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/renewal.cer")"
}

@test "a certificate for another name is refused" {
    test_ca issue "$W/ca" shop.myserver.com --out "$W/present"
    cp "$W/present.cer" "$W/present.pem"
    nginx_site "$W/nginx" "${NGINX_PORT:=$(free_port)}" "$NAME" "$W/present"
    start_nginx "$W/nginx"
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "'$W/present.pem' is for shop.myserver.com, not for '$NAME'"
    nothing_adopted
}

@test "two sites with the name: the same pair is one site, two pairs are refused" {
    nginx_up
    local second
    second=$(free_port)
    nginx_site "$W/nginx" "$second" "$NAME.second" "$W/present"
    sed -i "s/server_name .*;/server_name $NAME;/" "$W/nginx/conf.d/$NAME.second.conf"
    write_config "$(nginx_target)"
    old_pair "$W/other" "$NAME"
    sed -i "s|$W/present|$W/other|" "$W/nginx/conf.d/$NAME.second.conf"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "two sites with different pairs are meant" "$W/nginx/conf.d/$NAME.second.conf:1" \
        "'$W/other.pem'" "'$W/present.pem'"
    nothing_adopted

    sed -i "s|$W/other|$W/present|" "$W/nginx/conf.d/$NAME.second.conf"
    run_ecert adopt
    [ "$status" -eq 0 ]
    # both are looked at
    run_ecert status
    says "127.0.0.1:$NGINX_PORT" "127.0.0.1:$second"
}

@test "no such site, a site without TLS, a plugin that cannot tell, an unknown name" {
    nginx_up
    write_config "$(nginx_target 'server_names = [ "nowhere.myserver.com" ];')"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "none of the 1 sites that plugin 'nginx' found has the name 'nowhere.myserver.com'" \
        "server_names"
    nothing_adopted

    sed -i 's/ ssl;/;/; /ssl_/d' "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "the server block at $W/nginx/conf.d/$NAME.conf:1 has the name '$NAME', but it speaks no TLS"

    write_config
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "plugin 'iis-export' cannot tell which key and certificate a site uses at present"

    run_ecert adopt ww.myserver.com
    [ "$status" -eq 2 ]
    says "did you mean '$NAME'"
    run_ecert adopt --target nowhere
    [ "$status" -eq 2 ]
    nothing_adopted
}

@test "one target of two: the other one is owed, and that is said; an older certificate is left" {
    nginx_up
    apache_up
    write_config "$(nginx_target), $(apache_target)"
    run_ecert adopt --target apache
    [ "$status" -eq 0 ]
    says "target 'nginx' does not have it: \`ecert run\` deploys it there"
    is "link" ../generations/0001 "$(live apache)"
    [ ! -L "$(live_dir nginx)" ]

    # nginx uses an older one by now: that must not become what Apache shall have
    test_ca issue "$W/ca" "$NAME" --out "$W/older" \
        --not-before "$(date -u -d '-60 days' +%Y%m%d%H%M%SZ)"
    cp "$W/older.cer" "$W/older.pem"
    sed -i "s|$W/present|$W/older|" "$W/nginx/conf.d/$NAME.conf"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "uses an older certificate, '$W/older.pem', than generation 1" "apache: has generation 1"
    is "generations" 1 "$(generations)"
    [ ! -L "$(live_dir nginx)" ]
}

served_finding() { # FILTER
    ecert check --json | jq -r ".findings[] | select(.watched == \"target\" and ($1))
        | [.condition, .urgency, .where, .name] | join(\"|\")"
}

@test "before it is adopted: check looks at what the server serves, and request says so" {
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --out "$W/present" --days 2
    cat "$W/present.cer" "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.pem"
    nginx_up
    KEY=none write_config "$(nginx_target)" "" \
        'organization = { name = "Example Limited"; country = "HK"; };'
    ecert fetch --quiet
    local where="target nginx (not deployed by ecert yet), 127.0.0.1:$NGINX_PORT ($NAME)"
    run served_finding true
    is "finding" "expires|critical|$where|$NAME" "$output"
    run_ecert check
    says "ecert adopt $NAME"
    run_ecert check --offline
    says_not "not deployed by ecert yet"

    run_ecert request "$NAME" --no-backup --no-caa
    [ "$status" -eq 0 ]
    says "nginx serves one until $(date -u -d "$(openssl x509 -in "$W/present.cer" -noout -enddate |
        cut -d = -f 2)" +%Y-%m-%d) that ecert did not deploy" "ecert adopt $NAME"

    ecert adopt --quiet
    # a new application for a name that ecert has deployed: nothing is to be adopted
    sed -i 's/authority = "testpost";/authority = "testpost"; subscription_ends = "2026-01-01";/' "$W/ecert.conf"
    run_ecert request "$NAME" --another --no-backup --no-caa
    [ "$status" -eq 0 ]
    says "first certificate: the subscription ended on 2026-01-01"
    says_not "did not deploy" "ecert adopt"
    sed -i 's/ subscription_ends = "2026-01-01";//' "$W/ecert.conf"
    run served_finding '.where | contains("yet")'
    is "finding" "" "$output"
}

@test "before it is adopted: another name and a missing issuer are told, a silent server is not" {
    cp "$W/present.cer" "$W/present.pem"
    nginx_up
    write_config "$(nginx_target "probe = [ \"127.0.0.1:$NGINX_PORT/$NAME\" ];")"
    ecert fetch --quiet
    run served_finding true
    says "incomplete-chain|critical|target nginx (not deployed by ecert yet), 127.0.0.1:$NGINX_PORT"
    test_ca issue "$W/ca" "elsewhere.hk" --out "$W/elsewhere"
    cat "$W/elsewhere.cer" "$W/ca/sub.pem" >"$W/present.pem"
    cp "$W/elsewhere.key" "$W/present.key"
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/elsewhere.cer")"
    settled
    run served_finding true
    says "wrong-name|critical|target nginx (not deployed by ecert yet)"
    stop_pid "$W/nginx/nginx.pid"
    run served_finding true
    is "finding" "" "$output"
}

certificate_finding() {
    ecert check --offline --json | jq -r '.findings[] | select(.watched == "certificate") |
        [.condition, .detail] | join("|")'
}

@test "adopted, and not as ordered: in its own words, and judged by the configuration of now" {
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --organization "測試郵政" --out "$W/present"
    cat "$W/present.cer" "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.pem"
    nginx_up
    KEY=none write_config "$(nginx_target)" "" 'organization = { name = "Test Post"; country = "HK"; };'
    sed -i 's/authority = "testpost";/authority = "testpost"; validation = "ev";/' "$W/ecert.conf"
    ecert fetch --quiet
    run_ecert adopt
    [ "$status" -eq 0 ]
    run certificate_finding
    [[ $output == "unfit|adopted; an issued file would be refused: organization: "*"write organization.chinese_name = \"測試郵政\""*"; validation: EV was ordered"* ]] || {
        echo "$output"
        return 1
    }
    run_ecert check --offline
    says "is not as it is ordered in the configuration"
    says_not "the chain is out of order"
    sed -i 's/ validation = "ev";//; s/name = "Test Post";/name = "Test Post"; chinese_name = "測試郵政";/' "$W/ecert.conf"
    run certificate_finding
    is "put right" "fine|" "$output"
}

@test "one target has a good pair, the other one's would be refused: it is not adopted" {
    nginx_up
    apache_up
    write_config "$(nginx_target), $(apache_target)"
    run_ecert adopt --target apache
    [ "$status" -eq 0 ]
    old_pair "$W/placeholder" "$NAME"
    sed -i "s|$W/present|$W/placeholder|" "$W/nginx/conf.d/$NAME.conf"
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "uses '$W/placeholder.pem', which would be refused as an issued file, and generation 1 is there already" \
        "chain-anchor"
    is "generations" 1 "$(generations)"
    [ ! -L "$(live_dir nginx)" ]
}

@test "a server that was not reloaded since its files were changed: said" {
    old_pair "$W/before" "$NAME"
    cp "$W/present.pem" "$W/new.pem"
    cp "$W/present.key" "$W/new.key"
    cp "$W/before.pem" "$W/present.pem"
    cp "$W/before.key" "$W/present.key"
    nginx_up
    cp "$W/new.pem" "$W/present.pem"
    cp "$W/new.key" "$W/present.key"
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 0 ]
    says "adopted as generation 1" \
        "the server still serves serial $(serials "$W/before.pem"): it was not reloaded since; \`ecert deploy\` reloads it"
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/new.pem")"
}

@test "a site of somebody else with a name that is none does not bar the others" {
    printf '    server { listen 127.0.0.1:%s; server_name odd\xff.test; return 204; }\n' "$(free_port)" >"$W/odd"
    nginx_site "$W/nginx" "$(free_port)" other.test "$W/present"
    cp "$W/odd" "$W/nginx/conf.d/odd.conf"
    nginx_up
    write_config "$(nginx_target)"
    run_ecert adopt
    [ "$status" -eq 0 ]
    says "adopted as generation 1" "1 name of a site is no host name" "left out"
}

@test "a pair that would be refused is not promised to the other target" {
    nginx_up
    apache_up
    old_pair "$W/placeholder" "$NAME"
    sed -i "s|$W/present|$W/placeholder|" "$W/nginx/conf.d/$NAME.conf"
    write_config "$(nginx_target), $(apache_target)"
    run_ecert adopt --target nginx
    [ "$status" -eq 0 ]
    says "target 'apache' does not have it, and \`ecert run\` refuses to deploy it there"
    run_ecert run
    [ "$status" -eq 1 ]
}
