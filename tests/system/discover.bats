# What this host serves over TLS, told by a real nginx and a real Apache.
#
# covers: core/issue/inventory.h

load deploying

scene() {
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --out "$W/present"
    cat "$W/present.cer" "$W/ca/sub.pem" "$W/ca/cross.pem" >"$W/present.pem"
    OLD=present
    printf 'state_dir = "%s/state";\nauthorities_dir = "%s/ca/authorities";\n' "$W" "$W" \
        >"$W/base.conf"
    NGINX_WORDS="nginx=$NGINX -p $W/nginx/ -c $W/nginx/nginx.conf"
    APACHE_WORDS="apache=$APACHE -d $W/apache -f $W/apache/httpd.conf"
    # no server has to run for it
    NGINX_PORT=$(free_port)
    APACHE_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/present"
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/present"
}

# discover [OPTION...]: both servers
discover() {
    run --separate-stderr "$ECERT_BUILD/ecert" --config "${CONFIG:-$W/base.conf}" discover \
        --plugin nginx --plugin apache --command "$NGINX_WORDS" --command "$APACHE_WORDS" "$@"
    printf '$ ecert discover %s\n%s\n%s\nexit code %s\n' "$*" "$output" "$stderr" "$status"
}

# site N EXPRESSION: of the N-th site `s` of the JSON object `o`, and its certificate `c`
site() {
    json "(lambda s, c: $2)(o['sites'][$1], o['certificates'][o['sites'][$1]['certificate']])" \
        <<<"$output"
}

@test "both servers: names, addresses, certificate, end, key, chain, who shares the files" {
    discover
    [ "$status" -eq 0 ]
    says "RSA 2048" "complete" "127.0.0.1:$NGINX_PORT" "127.0.0.1:$APACHE_PORT" \
        "nginx server block at $W/nginx/conf.d/$NAME.conf:1, enabled" \
        "apache virtual host at $W/apache/sites/$NAME.conf:1, enabled" \
        "certificate $W/present.pem" "key $W/present.key: matches" "CN=$NAME" \
        "(authority testpost)" "these files are used by 1 more site:" "no target of ecert"
    no_key_in "$W/present.key" "$output$stderr"

    discover --json
    [ "$status" -eq 0 ]
    is "sites" 2 "$(json "len(o['sites'])" <<<"$output")"
    is "certificates" 1 "$(json "len(o['certificates'])" <<<"$output")"
    local n
    n=$(json "[s['plugin'] for s in o['sites']].index('nginx')" <<<"$output")
    is "names" "['$NAME']" "$(site "$n" "s['names']")"
    is "address" "('127.0.0.1', $NGINX_PORT)" \
        "$(site "$n" "(s['addresses'][0]['address'], s['addresses'][0]['port'])")"
    is "row" "(True, True, 'matches', None)" \
        "$(site "$n" "(s['tls'], s['enabled'], s['key'], s['target'])")"
    is "certificate" "('$W/present.pem', 'complete', 'testpost', 'rsa', 2048, [0, 1])" \
        "$(site "$n" "(c['file'], c['chain'], c['authority'], c['key_type'], c['key_bits'], c['sites'])")"
    is "hash" "$(sha256_of "$W/present.cer")" "$(site "$n" "c['sha256']")"
    no_key_in "$W/present.key" "$output$stderr"
}

@test "chains: incomplete, out of order, self-signed, of nobody known, unreadable" {
    cp "$W/present.cer" "$W/present.pem"
    discover --json
    is "chain" incomplete "$(site 0 "c['chain']")"
    is "authority" testpost "$(site 0 "c['authority']")"

    cat "$W/present.cer" "$W/ca/cross.pem" "$W/ca/sub.pem" >"$W/present.pem"
    discover --json
    is "chain" "out of order" "$(site 0 "c['chain']")"

    old_pair "$W/own" "$NAME"
    cp "$W/own.pem" "$W/present.pem"
    discover --json
    is "chain" self-signed "$(site 0 "c['chain']")"
    is "authority" None "$(site 0 "c['authority']")"
    is "key" "does not match" "$(site 0 "s['key']")"

    cat "$W/present.cer" "$W/ca/sub.pem" >"$W/present.pem"
    mkdir "$W/none"
    printf 'state_dir = "%s/state";\nauthorities_dir = "%s/none";\n' "$W" "$W" >"$W/none.conf"
    CONFIG=$W/none.conf discover --json
    is "chain" "authority not known" "$(site 0 "c['chain']")"
}

@test "two pairs of one site are two rows; a Chinese name is shown as people read it" {
    test_ca issue "$W/ca" xn--fiqs8s.myserver.com --ec --out "$W/twin"
    cat "$W/twin.cer" "$W/ca/sub.pem" >"$W/twin.pem"
    sed -i "s|^ *root|    ssl_certificate $W/twin.pem; ssl_certificate_key $W/twin.key;\n&|
        s|server_name .*|server_name $NAME xn--fiqs8s.myserver.com;|" "$W/nginx/conf.d/$NAME.conf"
    discover --json --plugin nginx
    is "pairs" "[('ec', 'matches'), ('rsa', 'matches')]" \
        "$(json "sorted((o['certificates'][s['certificate']]['key_type'], s['key']) for s in o['sites'] if s['plugin'] == 'nginx')" <<<"$output")"
    discover
    says "中国.myserver.com" "EC 256"
}

@test "the soonest end comes first, and files that several sites have are described once" {
    test_ca issue "$W/ca" soon.myserver.com --days 20 --out "$W/soon"
    cat "$W/soon.cer" "$W/ca/sub.pem" >"$W/soon.pem"
    local name
    for name in zz aa; do
        nginx_site "$W/nginx" "$NGINX_PORT" "$name.myserver.com" "$W/present"
    done
    nginx_site "$W/nginx" "$NGINX_PORT" soon.myserver.com "$W/soon"
    discover
    [ "$status" -eq 0 ]
    is "order" "soon aa zz" "$(grep -oE '^(aa|zz|soon)' <<<"$output" | xargs)"
    is "described" 2 "$(grep -c '^    certificate /' <<<"$output")"
    says "certificate and key of the site above"
    is "too wide" "" "$(grep -v "$W" <<<"$output" | awk 'length($0) > 120')"
}

@test "one server that cannot be asked is one complaint; the other is shown" {
    echo 'server {' >>"$W/nginx/nginx.conf"
    discover
    [ "$status" -eq 1 ]
    says "ecert: nginx: the server '$NGINX -p $W/nginx/ -c $W/nginx/nginx.conf' could not be asked:" \
        "apache virtual host at"
    discover --json
    [ "$status" -eq 1 ]
    is "sites" "['apache']" "$(json "[s['plugin'] for s in o['sites']]" <<<"$output")"
    is "errors" "[True, False]" \
        "$(json "[s['error'] is not None for s in sorted(o['servers'], key=lambda s: s['plugin'], reverse=True)]" <<<"$output")"
}

@test "what the configuration's targets are for is said; sites without TLS with --all" {
    write_config "$(nginx_target), $(apache_target)"
    cat >"$W/nginx/conf.d/plain.conf" <<CONF
server { listen 127.0.0.1:$(free_port); server_name plain.myserver.com; }
CONF
    run_ecert discover # the servers of its targets, without being named
    [ "$status" -eq 0 ]
    says "target $NAME: nginx" "target $NAME: apache"
    says_not "plain.myserver.com"
    run_ecert discover --all
    says "plain.myserver.com" "without TLS"
}

@test "without a configuration, and without a server: an empty list" {
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/nowhere.conf" discover --plugin iis-export
    [ "$status" -eq 0 ]
    says "no server found"
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/nowhere.conf" discover \
        --plugin iis-export --json
    [ "$status" -eq 0 ]
    is "sites" "[]" "$(json "o['sites']" <<<"$output")"
    CONFIG=$W/nowhere.conf discover
    [ "$status" -eq 0 ]
    says "nginx server block at"
    run_ecert discover --plugin ngnix
    [ "$status" -eq 2 ]
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/base.conf" discover --command ngnix=/x
    [ "$status" -eq 2 ]
    says "names no plugin"
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/base.conf" discover --command nginx=nginx
    [ "$status" -eq 2 ]
    says "the absolute path of its program first"
}

@test "a terminal obeys nothing that stands in a server's files; who is not root is told" {
    printf 'server { listen 127.0.0.1:%s ssl; server_name "a\033[31mb.myserver.com"; ssl_certificate %s; ssl_certificate_key %s; }\n' \
        "$NGINX_PORT" "$W/present.pem" "$W/present.key" >"$W/nginx/conf.d/odd.conf"
    discover
    [[ "$output$stderr" != *$'\033'* ]]

    public_folder
    cp "$W/present.pem" "$W/present.key" "$PUBLIC"
    chmod 644 "$PUBLIC/present.pem"
    chmod 600 "$PUBLIC/present.key"
    nginx_site "$PUBLIC/nginx" "$NGINX_PORT" "$NAME" "$PUBLIC/present"
    chmod -R a+rX "$PUBLIC/nginx"
    cp -r "$ECERT_BUILD/ecert" "$PUBLIC/"
    mkdir "$PUBLIC/plugins" && cp "$ECERT_BUILD"/plugins/nginx.so "$PUBLIC/plugins"
    printf 'plugin_dir = "%s";\nauthorities_dir = "%s";\n' "$PUBLIC/plugins" "$PUBLIC" >"$PUBLIC/c.conf"
    run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$PUBLIC/ecert" \
        --config "$PUBLIC/c.conf" discover \
        --command "nginx=$NGINX -p $PUBLIC/nginx/ -c $PUBLIC/nginx/nginx.conf"
    printf '%s\n%s\n' "$output" "$stderr"
    [ "$status" -eq 0 ]
    says "certificate $PUBLIC/present.pem" "key $PUBLIC/present.key: not readable" "root may read more"
}
