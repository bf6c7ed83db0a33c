# Deployments to a real nginx.
#
# covers: core/flow/deploy.h core/flow/pipeline.h core/flow/look.h core/flow/outcome_json.h
# covers: core/flow/store_json.h

load deploying

setup_names() { # two more certificates, for tests with several: issue NAME...
    local name
    for name; do
        test_ca issue "$W/ca" "$name" --ec --out "$W/$name"
    done
}

@test "the first deployment changes the two values and no other byte, and is served with its chain" {
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/$OLD"
    # comments, odd indentation, tabs, no end of line at the end: all of it is somebody's
    printf '# the site\n   server {\n\tlisten 127.0.0.1:%s   ssl ; # tls\n\t server_name   %s;\n%s' \
        "$NGINX_PORT" "$NAME" \
        "  ssl_certificate	$W/$OLD.pem; # ours
      ssl_certificate_key \"$W/$OLD.key\";
  root $W/nginx/html; }
# } ssl_certificate not_me;" >"$W/nginx/conf.d/$NAME.conf"
    chmod 640 "$W/nginx/conf.d/$NAME.conf"
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    cp -p "$W/nginx/conf.d/$NAME.conf" "$W/before"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"

    run_ecert deploy
    [ "$status" -eq 0 ]
    says "deployed, and the server was seen to serve it" "changed: $W/nginx/conf.d/$NAME.conf"
    settled
    sed "s|$W/$OLD.pem|$(live_dir)/fullchain.pem|; s|$W/$OLD.key|$(live_dir)/privkey.pem|" \
        "$W/before" >"$W/expected"
    cmp "$W/expected" "$W/nginx/conf.d/$NAME.conf"
    is "mode" 640 "$(stat -c %a "$W/nginx/conf.d/$NAME.conf")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    is "link" ../generations/0001 "$(live)"
    # leaf, sub CA, cross-certificate: exactly what the full chain holds
    is "certificates sent" 3 "$(served_chain "$NGINX_PORT" "$NAME")"
    is "chain" "$SUB $CROSS" "$(serials "$(live_dir)/fullchain.pem" | tail -n +2 | tr '\n' ' ' |
        sed 's/ $//')"
    no_leftovers
}

@test "the served chain verifies against either root" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    settled
    local root
    for root in root other; do
        run openssl s_client -connect "127.0.0.1:$NGINX_PORT" -servername "$NAME" -no-CApath \
            -no-CAstore -CAfile "$W/ca/$root.pem" -verify_return_error </dev/null
        [ "$status" -eq 0 ]
    done
}

@test "missing directives are added, in the indentation of the block" {
    nginx_up
    local port
    port=$(free_port)
    cat >"$W/nginx/conf.d/new.conf" <<CONF
server {
      listen 127.0.0.1:$port ssl;
      server_name myserver.com;
      root $W/nginx/html;
}
CONF
    # nginx does not start with a block like this, and keeps what it has
    write_config "$(nginx_target 'server_names = [ "myserver.com" ];')"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    is "certificate" 1 "$(grep -c "^      ssl_certificate $(live_dir)/fullchain.pem;$" \
        "$W/nginx/conf.d/new.conf")"
    is "key" 1 "$(grep -c "^      ssl_certificate_key $(live_dir)/privkey.pem;$" \
        "$W/nginx/conf.d/new.conf")"
    is "other lines" 0 "$(diff <(grep -v ssl_certificate "$W/nginx/conf.d/new.conf") - <<CONF | wc -l
server {
      listen 127.0.0.1:$port ssl;
      server_name myserver.com;
      root $W/nginx/html;
}
CONF
    )"
    wait_served "$port" myserver.com "$(sha256_of "$W/$NAME.cer")"
    # server_names named the other block only
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "a renewal switches the link, edits nothing and reloads once" {
    nginx_site "$W/nginx" "${NGINX_PORT:=$(free_port)}" "$NAME" "$W/$OLD"
    wrap nginx
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    local tree
    tree=$(config_tree "$W/nginx")
    : >"$W/calls"

    drop "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    says "generation 2" "before $(sha256_of "$W/$NAME.cer" | cut -c 1-16)" \
        "now $(sha256_of "$W/second.cer" | cut -c 1-16)"
    same "$tree" "$(config_tree "$W/nginx")"
    is "link" ../generations/0002 "$(live)"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    is "reloads" 1 "$(calls reload)"
    is "tests" 1 "$(calls test)"
    no_leftovers
}

@test "a second deployment changes nothing, reloads nothing and says so" {
    nginx_site "$W/nginx" "${NGINX_PORT:=$(free_port)}" "$NAME" "$W/$OLD"
    wrap nginx
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    settled
    is "records" 1 "$(records | wc -l)"
    local tree generations
    tree=$(config_tree "$W/nginx") generations=$(snapshot "$W/state/certificates/$NAME/generations")
    : >"$W/calls"

    run_ecert deploy
    [ "$status" -eq 0 ]
    says "nothing to change, and it is served"
    same "$tree" "$(config_tree "$W/nginx")"
    same "$generations" "$(snapshot "$W/state/certificates/$NAME/generations")"
    is "reloads" 0 "$(calls reload)"
    is "records" 1 "$(records | wc -l)"

    run_ecert plan
    [ "$status" -eq 0 ]
    says "nothing to change"
    run_ecert run
    [ "$status" -eq 0 ]
    is "output" "" "$output"
}

@test "plan shows the change as a diff and changes nothing at all" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    local before
    before=$(snapshot "$W/nginx/conf.d"; snapshot "$W/state")

    run_ecert plan
    [ "$status" -eq 0 ]
    says "--- $W/nginx/conf.d/$NAME.conf" "-    ssl_certificate     $W/$OLD.pem;" \
        "+    ssl_certificate     $(live_dir)/fullchain.pem;" "$(live_dir): link to"
    # the first call makes the folder that the links will stand in; the second nothing
    run_ecert plan --exit-code
    [ "$status" -eq 10 ]
    before=$(snapshot "$W/nginx/conf.d"; snapshot "$W/state")
    run_ecert plan --json
    [ "$status" -eq 0 ]
    same "$before" "$(snapshot "$W/nginx/conf.d"; snapshot "$W/state")"
    is "changes" 2 "$(json 'o["changes"]' <<<"$output")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "files of its own: the paths stay, their contents are replaced, the key is narrowed" {
    mkdir -p "$W/nginx/tls"
    cp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
    cp "$W/$OLD.key" "$W/nginx/tls/site.key"
    chmod 644 "$W/nginx/tls/site.key"
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/nginx/tls/site"
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    write_config "$(nginx_target "files = { key = \"$W/nginx/tls/site.key\";
                                            fullchain = \"$W/nginx/tls/site.pem\"; };")"
    take "$W/$NAME.cer"
    local conf
    conf=$(snapshot "$W/nginx/conf.d")

    run_ecert deploy
    [ "$status" -eq 0 ]
    same "$conf" "$(snapshot "$W/nginx/conf.d")"
    cmp "$(generation 1)/fullchain.pem" "$W/nginx/tls/site.pem"
    cmp "$(generation 1)/privkey.pem" "$W/nginx/tls/site.key"
    is "mode of the key" 640 "$(stat -c %a "$W/nginx/tls/site.key")"
    says "'$W/nginx/tls/site.key' had mode 0644"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    [ ! -e "$(live_dir)" ]

    take "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    same "$conf" "$(snapshot "$W/nginx/conf.d")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    is "mode of the key" 640 "$(stat -c %a "$W/nginx/tls/site.key")"
    no_leftovers
}

@test "Debian's layout: the file behind the link in sites-enabled is edited, the link stays" {
    nginx_head "$W/nginx"
    NGINX_PORT=$(free_port)
    mkdir "$W/nginx/sites-available" "$W/nginx/sites-enabled" "$W/nginx/snippets"
    sed -i "s|include $W/nginx/conf.d/\*.conf;|include sites-enabled/*;|" "$W/nginx/nginx.conf"
    cat >"$W/nginx/snippets/tls.conf" <<CONF
ssl_certificate $W/$OLD.pem;
ssl_certificate_key $W/$OLD.key;
CONF
    cat >"$W/nginx/sites-available/www" <<CONF
server {
	listen 127.0.0.1:$NGINX_PORT ssl default_server;
	server_name $NAME myserver.com;
	include snippets/tls.conf;
}
CONF
    ln -s ../sites-available/www "$W/nginx/sites-enabled/www"
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    local site
    site=$(snapshot "$W/nginx/sites-available")

    run_ecert deploy
    [ "$status" -eq 0 ]
    same "$site" "$(snapshot "$W/nginx/sites-available")"
    is "the link" ../sites-available/www "$(readlink "$W/nginx/sites-enabled/www")"
    is "the snippet" "ssl_certificate $(live_dir)/fullchain.pem;
ssl_certificate_key $(live_dir)/privkey.pem;" "$(cat "$W/nginx/snippets/tls.conf")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    wait_served "$NGINX_PORT" myserver.com "$(sha256_of "$W/$NAME.cer")"
    no_leftovers
}

@test "an RSA and an ECDSA pair in one block: each certificate takes the place of its own kind" {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/old-rsa.key" -out "$W/old-rsa.pem" \
        -subj "/CN=$NAME" -days 20 2>/dev/null
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/$OLD"
    sed -i "/ssl_certificate_key/a \\
    ssl_certificate $W/old-rsa.pem;\\
    ssl_certificate_key $W/old-rsa.key;" "$W/nginx/conf.d/$NAME.conf"
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer" # RSA

    run_ecert deploy
    [ "$status" -eq 0 ]
    settled
    is "first pair" 1 "$(grep -c "ssl_certificate     $W/$OLD.pem;" "$W/nginx/conf.d/$NAME.conf")"
    is "second pair" 1 "$(grep -c "^    ssl_certificate $(live_dir)/fullchain.pem;" \
        "$W/nginx/conf.d/$NAME.conf")"
    run openssl s_client -connect "127.0.0.1:$NGINX_PORT" -servername "$NAME" -tls1_2 \
        -cipher ECDHE-RSA-AES128-GCM-SHA256 </dev/null
    is "RSA" "$(sha256_of "$W/$NAME.cer")" "$(sha256_of <(echo "$output"))"
    run openssl s_client -connect "127.0.0.1:$NGINX_PORT" -servername "$NAME" -tls1_2 \
        -cipher ECDHE-ECDSA-AES128-GCM-SHA256 </dev/null
    is "ECDSA" "$(sha256_of "$W/$OLD.pem")" "$(sha256_of <(echo "$output"))"
}

@test "two sites in one file, two certificates: both are edited, one test, one reload" {
    setup_names a.myserver.com b.myserver.com
    NGINX_PORT=$(free_port)
    nginx_head "$W/nginx"
    local name
    for name in a b; do
        old_pair "$W/old-$name" "$name.myserver.com"
        cat >>"$W/nginx/conf.d/both.conf" <<CONF
server { # $name
    listen 127.0.0.1:$NGINX_PORT ssl;
    server_name $name.myserver.com;
    ssl_certificate $W/old-$name.pem;
    ssl_certificate_key $W/old-$name.key;
}
CONF
    done
    wrap nginx
    cp "$W/nginx/conf.d/both.conf" "$W/before"
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
certificates = (
  { name = "a.myserver.com"; authority = "testpost"; key = { file = "$W/a.myserver.com.key"; };
    targets = ( $(nginx_target) ); },
  { name = "b.myserver.com"; authority = "testpost"; key = { file = "$W/b.myserver.com.key"; };
    targets = ( $(nginx_target) ); }
);
CONF
    take "$W/a.myserver.com.cer" "$W/b.myserver.com.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    is "tests" 1 "$(calls test)"
    is "reloads" 1 "$(calls reload)"
    sed "s|$W/old-a.pem|$(live_dir nginx a.myserver.com)/fullchain.pem|
         s|$W/old-a.key|$(live_dir nginx a.myserver.com)/privkey.pem|
         s|$W/old-b.pem|$(live_dir nginx b.myserver.com)/fullchain.pem|
         s|$W/old-b.key|$(live_dir nginx b.myserver.com)/privkey.pem|" "$W/before" |
        cmp - "$W/nginx/conf.d/both.conf"
    for name in a b; do
        wait_served "$NGINX_PORT" "$name.myserver.com" "$(sha256_of "$W/$name.myserver.com.cer")"
    done
    no_leftovers
}

@test "a block with a name that the certificate does not cover is left alone and serves on" {
    nginx_up
    local port
    port=$(free_port)
    cat >"$W/nginx/conf.d/mixed.conf" <<CONF
server {
    listen 127.0.0.1:$port ssl;
    server_name myserver.com other.example.org;
    ssl_certificate     $W/$OLD.pem;
    ssl_certificate_key $W/$OLD.key;
}
CONF
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload
    wait_served "$port" myserver.com "$(sha256_of "$W/$OLD.pem")"
    local mixed
    mixed=$(snapshot "$W/nginx/conf.d/mixed.conf")
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"

    run_ecert deploy --verbose
    [ "$status" -eq 0 ]
    says other.example.org
    same "$mixed" "$(snapshot "$W/nginx/conf.d/mixed.conf")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    wait_served "$port" myserver.com "$(sha256_of "$W/$OLD.pem")"

    # asked for by name it is a mistake, and nothing changes
    write_config "$(nginx_target 'server_names = [ "myserver.com" ]; id = "second";')"
    run_ecert deploy
    [ "$status" -eq 1 ]
    says other.example.org
    same "$mixed" "$(snapshot "$W/nginx/conf.d/mixed.conf")"
}

@test "rollback goes back and stays there until a newer certificate comes; --to chooses" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    take "$W/second.cer"
    ecert run --quiet
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"

    run_ecert rollback "$NAME"
    [ "$status" -eq 0 ]
    says "generation 1: deployed, and the server was seen to serve it"
    is "link" ../generations/0001 "$(live)"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    # the timer does not undo what a person decided
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    run_ecert status
    says "held by a rollback"

    run_ecert rollback "$NAME"
    [ "$status" -eq 1 ]
    says "no generation before 1"
    run_ecert rollback "$NAME" --to 7
    [ "$status" -eq 1 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    run_ecert rollback "$NAME" --to 2
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"

    ecert rollback --quiet "$NAME" --to 1
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$W/keys/$NAME.key" --out "$W/third"
    drop "$W/third.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/third.cer")"
}

@test "probe = false: files are placed, the server is reloaded, nothing is claimed" {
    nginx_up
    write_config "$(nginx_target 'probe = false;')"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    says "files are in place; there is nothing to look at"
    says_not "was seen to serve"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

@test "probe addresses take the place of those that the configuration names" {
    nginx_up
    local wrong
    wrong=$(free_port)
    old_pair "$W/elsewhere" "$NAME"
    nginx_site "$W/elsewhere-nginx" "$wrong" "$NAME" "$W/elsewhere"
    start_nginx "$W/elsewhere-nginx"
    write_config "$(nginx_target "probe = [ \"127.0.0.1:$NGINX_PORT/$NAME\" ];")"
    take "$W/$NAME.cer"
    run_ecert deploy --json
    [ "$status" -eq 0 ]
    is "probed" "[$NGINX_PORT]" "$(json '[s["port"] for s in o["targets"][0]["seen"]]' <<<"$output")"

    # an address where another server answers: the deployment is not believed
    write_config "$(nginx_target "probe = [ \"127.0.0.1:$wrong/$NAME\" ];")"
    take "$W/second.cer"
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "127.0.0.1:$wrong" "still serves" "everything was put back"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

@test "run notices settings that were changed, once, and not an edit of the server's own file" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    before=$(cat "$W/state/certificates/$NAME/targets/nginx.json")

    # the same settings in another order are the same settings; and a hand's edit is not looked for
    write_config "{ command = [ \"$NGINX\", \"-p\", \"$W/nginx/\", \"-c\", \"$W/nginx/nginx.conf\" ];
        may_write = [ \"$W/nginx\" ]; plugin = \"nginx\"; }"
    sed -i "s|ssl_certificate .*|ssl_certificate $W/$OLD.pem;|" "$W/nginx/conf.d/$NAME.conf"
    run_ecert run --verbose
    [ "$status" -eq 0 ]
    says "nothing to do"
    is "state" "$before" "$(cat "$W/state/certificates/$NAME/targets/nginx.json")"
    run_ecert plan
    says "ssl_certificate $W/$OLD.pem"

    # an own path for each file: the link is not what the server reads any more
    mkdir -p "$W/nginx/own"
    write_config "$(nginx_target "files = { key = \"$W/nginx/own/key.pem\";
        fullchain = \"$W/nginx/own/chain.pem\"; };")"
    run_ecert status
    says "its settings were changed since"
    run_ecert run
    [ "$status" -eq 0 ]
    says "was seen to serve"
    grep -qF "$W/nginx/own/chain.pem" "$W/nginx/conf.d/$NAME.conf"
    run_ecert run --verbose
    says "nothing to do"
    run_ecert status
    says_not "changed since"
}

@test "settings that failed are waited for; others are tried at once" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    write_config "$(nginx_target 'server_names = [ "nobody.example.test" ];')"
    run_ecert run
    [ "$status" -eq 1 ]
    run_ecert run
    [ "$status" -eq 1 ]
    says "next try at"
    write_config "$(nginx_target "server_names = [ \"$NAME\" ];")"
    run_ecert run
    [ "$status" -eq 0 ]
    says_not "next try at"
}

@test "status says what is served at this moment, as text and as JSON" {
    nginx_up
    write_config "$(nginx_target)"
    run_ecert status
    [ "$status" -eq 0 ]
    says "no certificate has been taken yet"
    run_ecert status --json
    is "nothing yet" "0 None None None" "$(json '"%d %s %s %s" % (o["certificates"][0]["generation"],
        o["certificates"][0]["not_after"], o["targets"][0]["serial"],
        o["targets"][0]["not_after"])' <<<"$output")"
    take "$W/$NAME.cer"
    run_ecert status
    says "never deployed: owed"
    ecert run --quiet
    settled
    run_ecert status
    [ "$status" -eq 0 ]
    says "nginx: has generation 1" "127.0.0.1:$NGINX_PORT $NAME serves it" "2 more in the chain"
    run_ecert status --json
    is "standing" "current 1 True" "$(json '"%s %d %s" % (o["targets"][0]["standing"],
        o["targets"][0]["generation"], o["targets"][0]["live"][0]["answered"])' <<<"$output")"
    local end serial
    end=$(date -u -d "$(openssl x509 -in "$W/$NAME.cer" -noout -enddate | cut -d= -f2)" +%FT%TZ)
    serial=$(openssl x509 -in "$W/$NAME.cer" -noout -serial | cut -d= -f2)
    is "the newest generation" "1 ${serial,,} $end" "$(json '"%d %s %s" % (
        o["certificates"][0]["generation"], o["certificates"][0]["serial"].lower(),
        o["certificates"][0]["not_after"])' <<<"$output")"
    is "the deployed generation" "nginx ${serial,,} $end $end" "$(json '"%s %s %s %s" % (
        o["targets"][0]["plugin"], o["targets"][0]["serial"].lower(), o["targets"][0]["not_after"],
        o["targets"][0]["live"][0]["not_after"])' <<<"$output")"
    is "sha256" "$(sha256_of "$W/$NAME.cer")" \
        "$(json 'o["targets"][0]["live"][0]["sha256"].upper()' <<<"$output")"

    # somebody points the server back at the old files: only a look at it can know
    sed -i "s|$(live_dir)/fullchain.pem|$W/$OLD.pem|; s|$(live_dir)/privkey.pem|$W/$OLD.key|" \
        "$W/nginx/conf.d/$NAME.conf"
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    settled
    run_ecert status
    [ "$status" -eq 0 ]
    says "SERVES ANOTHER certificate"
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"

    stop_pid "$W/nginx/nginx.pid"
    run_ecert status
    says "does not answer"
}

@test "the record of a deployment tells what, when, by whom, from which to which, and what was seen" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    settled
    take "$W/second.cer"
    ecert run --quiet
    is "records" 2 "$(records | wc -l)"
    local first second
    first=$(records | head -n 1) second=$(records | tail -n 1)
    is "mode" 600 "$(stat -c %a "$first")"
    is "names" "$NAME nginx nginx deployed" "$(json '" ".join((o["certificate"], o["target"],
        o["plugin"], o["outcome"]))' <"$first")"
    is "by" "0 root" "$(json '"%d %s" % (o["by"]["uid"], o["by"]["user"])' <"$first")"
    is "from, to" "0  1 $(sha256_of "$W/$NAME.cer")" "$(json '"%d %s %d %s" % (
        o["from"]["generation"], o["from"]["sha256"], o["to"]["generation"],
        o["to"]["sha256"].upper())' <"$first")"
    is "from, to" "1 $(sha256_of "$W/$NAME.cer") 2 $(sha256_of "$W/second.cer")" \
        "$(json '"%d %s %d %s" % (o["from"]["generation"], o["from"]["sha256"].upper(),
        o["to"]["generation"], o["to"]["sha256"].upper())' <"$second")"
    is "seen" "127.0.0.1 $NGINX_PORT $NAME $(sha256_of "$W/$OLD.pem") $(sha256_of "$W/$NAME.cer") 2" \
        "$(json '"%s %d %s %s %s %d" % (lambda s: (s["address"], s["port"], s["server_name"],
        s["before"].upper(), s["after"].upper(), s["chain_sent"]))(o["seen"][0])' <"$first")"
    is "proved, activated" "True True" "$(json '"%s %s" % (o["proved"], o["activated"])' <"$first")"
    is "file and its hash" "$W/nginx/conf.d/$NAME.conf $(sha256sum <"$W/nginx/conf.d/$NAME.conf" |
        cut -d ' ' -f 1)" "$(json '[f["path"] + " " + f["after"].lower() for f in o["files"]
        if f["path"].endswith(".conf")][0]' <"$first")"
    is "when" 1 "$(json 'o["when"]' <"$first" | grep -cE '^20[0-9]{2}-?[0-9]{2}-?[0-9]{2}T')"
    no_key_in "$W/keys/$NAME.key" "$(cat "$first" "$second")"
}

@test "a target without its site says so, and other targets of the run are deployed" {
    nginx_up
    write_config "$(nginx_target 'server_names = [ "nobody.myserver.com" ];'), $(nginx_target)"
    take "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 1 ]
    says "nobody.myserver.com"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    # it is not forgotten, and not tried at every turn either
    run_ecert run
    says "next try at"
}

# For 100 ms after a reload old workers answer too: with the right leaf, and the chain of before.
@test "a server that serves the leaf already, but alone, gets its chain" {
    local i
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    cp "$W/$NAME.cer" "$W/alone.pem"
    cp "$W/keys/$NAME.key" "$W/alone.key"
    for i in 1 2 3 4 5 6; do
        nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/alone"
        "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload
        wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
        settled
        is "sent before, time $i" 1 "$(served_chain "$NGINX_PORT" "$NAME")"
        run_ecert deploy
        [ "$status" -eq 0 ]
        settled
        is "sent after, time $i" 3 "$(served_chain "$NGINX_PORT" "$NAME")"
    done
}
