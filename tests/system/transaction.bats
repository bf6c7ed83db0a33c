# All or nothing: what may go wrong between the first byte and the handshake.
#
# covers: core/flow/attempt.h core/flow/items.h core/flow/prove.h core/flow/transaction_internal.h

load deploying

# ten certificates N.myserver.com and an nginx that serves an old one for each: ten_sites
ten_sites() {
    local i
    NGINX_PORT=$(free_port)
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$W/ten.key"
    chmod 600 "$W/ten.key"
    TEN="" # the configuration's list
    for i in $(seq 0 9); do
        test_ca issue "$W/ca" "n$i.myserver.com" --key "$W/ten.key" --out "$W/n$i"
        nginx_site "$W/nginx" "$NGINX_PORT" "n$i.myserver.com" "$W/$OLD"
    done
}

ten_config() { # writes ecert.conf; $BAD: settings of the target of n3
    local i
    {
        printf 'state_dir = "%s/state"; authorities_dir = "%s/ca/authorities";\ncertificates = (' \
            "$W" "$W"
        for i in $(seq 0 9); do
            [ "$i" -eq 0 ] || printf ','
            printf '{ name = "n%s.myserver.com"; authority = "testpost"; key = { file = "%s"; };\n' \
                "$i" "$W/ten.key"
            if [ "$i" -eq 3 ]; then
                printf 'targets = ( %s ); }\n' "$(nginx_target "${BAD:-}")"
            else
                printf 'targets = ( %s ); }\n' "$(nginx_target)"
            fi
        done
        printf ');\n'
    } >"$W/ecert.conf"
}

nginx_serves() { wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$1")"; }
apache_serves() { wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$1")"; }

# An nginx with a wrapped command that has generation 1, and $NAME.cer on top: the usual renewal.
renewal() {
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/$OLD"
    wrap nginx
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    nginx_serves "$W/$NAME.cer"
    settled
    take "$W/second.cer"
    : >"$W/calls"
}

# As above, without generation 1: the configuration file will be edited.
first_deployment() {
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/$OLD"
    wrap nginx
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
}

# ---- before anything is changed ----------------------------------------------------------------

bad_material() { # DAMAGE: a command on the folder of generation 1
    nginx_up
    apache_up
    write_config "$(nginx_target), $(apache_target)"
    take "$W/$NAME.cer"
    "$1" "$(generation 1)"
    local tree_n tree_a
    tree_n=$(config_tree "$W/nginx") tree_a=$(config_tree "$W/apache")

    run_ecert deploy
    [ "$status" -eq 1 ]
    same "$tree_n" "$(config_tree "$W/nginx")"
    same "$tree_a" "$(config_tree "$W/apache")"
    nginx_serves "$W/$OLD.pem"
    apache_serves "$W/$OLD.pem"
    [ ! -L "$(live_dir)" ]
    [ ! -L "$(live_dir apache)" ]
    kill -0 "$(cat "$W/nginx/nginx.pid")"
    kill -0 "$(cat "$W/apache/httpd.pid")"
    no_leftovers
}

other_key() { cp "$W/ec.key" "$1/privkey.pem"; }
half_fullchain() { truncate -s 900 "$1/fullchain.pem"; }
half_last_block() { truncate -s -100 "$1/fullchain.pem"; }
half_key() { truncate -s 300 "$1/privkey.pem"; }

@test "a key that does not belong to the certificate is refused before anything is changed" {
    # Apache's own test accepts it, and the server dies of it at the next graceful restart
    bad_material other_key
    says "nginx: refused before anything was changed" "apache: refused before anything was changed" \
        "$(generation 1)/privkey.pem"
}

@test "a truncated PEM is refused before anything is changed" {
    bad_material half_fullchain
    says "nginx: refused before anything was changed" "apache: refused before anything was changed" \
        "$(generation 1)/fullchain.pem"
}

@test "a chain whose last certificate is cut off is refused before anything is changed" {
    bad_material half_last_block
    says "refused before anything was changed" "$(generation 1)/fullchain.pem"
}

@test "a truncated key is refused before anything is changed" {
    bad_material half_key
    says "refused before anything was changed" "$(generation 1)/privkey.pem"
}

@test "a configuration that was broken before we came: said so, nothing changed (nginx)" {
    nginx_up
    echo 'nonsense on;' >"$W/nginx/conf.d/zz.conf"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    local tree
    tree=$(config_tree "$W/nginx")
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "refused before anything was changed" "already broken before" "nonsense"
    same "$tree" "$(config_tree "$W/nginx")"
    nginx_serves "$W/$OLD.pem"
    no_leftovers
    rm "$W/nginx/conf.d/zz.conf"
    run_ecert deploy
    [ "$status" -eq 0 ]
    nginx_serves "$W/$NAME.cer"
}

@test "a configuration that was broken before we came: said so, nothing changed (Apache)" {
    apache_up
    echo 'Nonsense on' >"$W/apache/sites/zz.conf"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    local tree
    tree=$(config_tree "$W/apache")
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "configuration is broken" "Nonsense"
    same "$tree" "$(config_tree "$W/apache")"
    apache_serves "$W/$OLD.pem"
    no_leftovers
}

@test "what only the new configuration would break is found by the test, with the disk untouched" {
    # this site takes no RSA key of 2048 bits, which nothing but the server's own test can know
    NGINX_PORT=$(free_port)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -keyout "$W/strong.key" \
        -out "$W/strong.pem" -subj "/CN=$NAME" -sha512 -days 20 2>/dev/null
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/strong"
    sed -i '/server_name/a ssl_ciphers DEFAULT:@SECLEVEL=4;' "$W/nginx/conf.d/$NAME.conf"
    wrap nginx
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/strong.pem")"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    # while the test runs, the real files are looked at from outside
    local tree
    tree=$(config_tree "$W/nginx")
    hook <<'HOOK'
[ "$verb" = test ] && cp "$W/nginx/conf.d/www.myserver.com.conf" "$W/during"
HOOK
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "refused before anything was changed" "the server refuses the new configuration" "too small"
    cmp "$W/during" "$W/nginx/conf.d/$NAME.conf"
    same "$tree" "$(config_tree "$W/nginx")"
    is "reloads" 0 "$(calls reload)"
    nginx_serves "$W/strong.pem"
    no_leftovers
}

@test "without the right to make namespaces: commit, test, undo, and it is said" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    run --separate-stderr setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
        "$ECERT_BUILD/ecert" --config "$W/ecert.conf" deploy
    printf '%s\n%s\n' "$output" "$stderr"
    [ "$status" -eq 0 ]
    says "the new configuration could not be tested before the change" "no private view"
    nginx_serves "$W/$NAME.cer"
    is "proved" False "$(json 'o["proved"]' <"$(records)")"

    # a configuration that the server refuses: everything goes back
    take "$W/second.cer"
    sed -i "s|$(live_dir)/fullchain.pem|$W/$OLD.pem|; s|$(live_dir)/privkey.pem|$W/$OLD.key|" \
        "$W/nginx/conf.d/$NAME.conf"
    echo 'nonsense on;' >"$W/nginx/conf.d/zz.conf"
    local tree
    tree=$(config_tree "$W/nginx")
    run --separate-stderr setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \
        "$ECERT_BUILD/ecert" --config "$W/ecert.conf" deploy
    printf '%s\n%s\n' "$output" "$stderr"
    [ "$status" -eq 1 ]
    says "everything was put back" "already broken before" "nonsense"
    is "link" ../generations/0001 "$(live)"
    diff <(grep -o '[0-9a-f]\{64\} .*' <<<"$tree") \
        <(config_tree "$W/nginx" | grep -o '[0-9a-f]\{64\} .*')
    nginx_serves "$W/$NAME.cer"
    no_leftovers
}

@test "somebody who is not root deploys to an nginx of his own" {
    public_folder
    local own=$PUBLIC/own port as="setpriv --reuid=65534 --regid=65534 --clear-groups"
    # shellcheck disable=SC2086 # words
    $as test -r "$ECERT_BUILD/CMakeCache.txt" || skip "others may not enter $ECERT_BUILD"
    port=$(free_port)
    mkdir "$own"
    W=$own nginx_site "$own/nginx" "$port" "$NAME" "$own/old"
    cp "$W/$OLD.pem" "$W/$OLD.key" "$own"
    cp -r "$W/ca/authorities" "$own/authorities"
    cp "$W"/ca/{root,other}.pem "$own"
    sed -i "s#$W/ca/#$own/#" "$own/authorities/testpost.conf"
    cp "$W/keys/$NAME.key" "$W/$NAME.cer" "$W/second.cer" "$own"
    sed -i '/^user /d' "$own/nginx/nginx.conf"
    chown -R 65534:65534 "$own"
    chmod 700 "$own"
    # shellcheck disable=SC2086 # words
    $as "$NGINX" -p "$own/nginx/" -c "$own/nginx/nginx.conf" 2>>"$own/nginx/logs/start.log"
    ln -s "$own/nginx" "$W/own" # ended with the others
    wait_served "$port" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    cat >"$own/ecert.conf" <<CONF
state_dir = "$own/state";
authorities_dir = "$own/authorities";
certificates = ( { name = "$NAME"; authority = "testpost"; key = { file = "$own/$NAME.key"; };
    targets = ( { plugin = "nginx"; may_write = [ "$own/nginx" ];
        command = [ "$NGINX", "-p", "$own/nginx/", "-c", "$own/nginx/nginx.conf" ]; } ); } );
CONF
    chown 65534:65534 "$own/ecert.conf"
    local round file
    for round in first second; do
        file=$own/$NAME.cer
        [ "$round" = first ] || file=$own/second.cer
        # shellcheck disable=SC2086
        run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$own/ecert.conf" import "$file"
        printf '%s\n%s\n' "$output" "$stderr"
        [ "$status" -eq 0 ]
        # shellcheck disable=SC2086
        run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$own/ecert.conf" run
        printf '%s\n%s\n' "$output" "$stderr"
        [ "$status" -eq 0 ]
        says "deployed, and the server was seen to serve it"
        wait_served "$port" "$NAME" "$(sha256_of "$file")"
    done
    is "owner" 65534 "$(stat -c %u "$own/state/certificates/$NAME/generations/0001/privkey.pem")"
    is "left over" "" "$(find "$own" -name '.*.ecert-*')"
}

# ---- the reload --------------------------------------------------------------------------------

@test "a reload that reports success and does nothing: undone, and what is served is named" {
    nginx_up
    # a listen for a port that somebody else has: nginx -t and -s reload both return 0
    local taken
    taken=$(free_port)
    python3 -c "
import socket, time
s = socket.socket(); s.bind(('127.0.0.1', $taken)); s.listen(); time.sleep(120)" 3>&- &
    PIDS+=($!)
    sleep 0.3
    printf 'server { listen 127.0.0.1:%s; server_name plain.example.org; }\n' "$taken" \
        >"$W/nginx/conf.d/plain.conf"
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -t # it is content with it
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    local tree
    tree=$(config_tree "$W/nginx")

    run_ecert deploy
    [ "$status" -eq 1 ]
    says "it failed, and everything was put back" "still serves '$NAME'" \
        "serial $(openssl x509 -in "$W/$OLD.pem" -noout -serial | sed 's/serial=//')" \
        "although the reload had reported success"
    same "$tree" "$(config_tree "$W/nginx")"
    [ ! -L "$(live_dir)" ]
    nginx_serves "$W/$OLD.pem"
    no_leftovers
}

@test "a reload that fails: undone, with its words" {
    renewal
    hook <<'HOOK'
[ "$verb" = reload ] && [ ! -e "$W/once" ] && touch "$W/once" && echo exit 7
HOOK
    run_ecert run
    [ "$status" -eq 1 ]
    says "it failed, and everything was put back" "exit code 7"
    is "link" ../generations/0001 "$(live)"
    nginx_serves "$W/$NAME.cer"
    no_leftovers
    # not forgotten, and not at every turn
    run_ecert run
    says "next try at"
    run_ecert deploy
    [ "$status" -eq 0 ]
    nginx_serves "$W/second.cer"
}

@test "the server is not running: files in place, said so, and the next run sees it when it is" {
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/$OLD"
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    says "files are in place; the server is not running"
    [ ! -e "$W/nginx/nginx.pid" ] # nobody started it
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    run_ecert run --verbose
    [ "$status" -eq 0 ]
    says "it is served"
    run_ecert run
    [ "$status" -eq 0 ]
    is "output" "" "$output"
}

@test "Apache is not running: likewise" {
    APACHE_PORT=$(free_port)
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/$OLD"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    says "files are in place; the server is not running"
    [ ! -e "$W/apache/httpd.pid" ]
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

@test "an nginx that the reload kills is started again, with the old certificate" {
    renewal
    hook <<'HOOK'
[ "$verb" = reload ] || exit 0
pid=$(cat "$W/nginx/nginx.pid")
workers=$(pgrep -P "$pid")
kill -KILL "$pid" # first, or it would make new ones
kill -KILL $workers
echo exit 0
HOOK
    run_ecert run
    [ "$status" -eq 1 ]
    says "died after its reload" "everything was put back, and the server was started again"
    is "starts" 1 "$(calls start)"
    is "link" ../generations/0001 "$(live)"
    nginx_serves "$W/$NAME.cer"
    no_leftovers
}

@test "an Apache that the reload kills is started again, with the old certificate" {
    APACHE_PORT=$(free_port)
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/$OLD"
    wrap apache
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    local tree
    tree=$(config_tree "$W/apache")
    hook <<'HOOK'
[ "$verb" = reload ] || exit 0
kill -TERM "$(cat "$W/apache/httpd.pid")"
while [ -e "$W/apache/httpd.pid" ]; do sleep 0.05; done
echo exit 0
HOOK
    run_ecert run
    [ "$status" -eq 1 ]
    says "died after its reload" "and the server was started again"
    apache_serves "$W/$OLD.pem"
    same "$tree" "$(config_tree "$W/apache")"
    no_leftovers
}

# ---- other people ------------------------------------------------------------------------------

@test "an edit between plan and commit: it stays, and nothing of ours is done" {
    first_deployment
    hook <<'HOOK'
[ "$verb" = test ] && echo '# mine' >>"$W/nginx/conf.d/www.myserver.com.conf"
HOOK
    cp "$W/nginx/conf.d/$NAME.conf" "$W/expected"
    echo '# mine' >>"$W/expected"
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "$W/nginx/conf.d/$NAME.conf' was changed since it was read"
    cmp "$W/expected" "$W/nginx/conf.d/$NAME.conf"
    [ ! -L "$(live_dir)" ]
    is "reloads" 0 "$(calls reload)"
    nginx_serves "$W/$OLD.pem"
    no_leftovers
    rm "$W/hook"
    run_ecert deploy
    [ "$status" -eq 0 ]
    is "his line" 1 "$(grep -c '^# mine' "$W/nginx/conf.d/$NAME.conf")"
    nginx_serves "$W/$NAME.cer"
}

@test "an edit after the commit, before the way back: it stays, and both changes are shown" {
    first_deployment
    hook <<'HOOK'
[ "$verb" = reload ] && [ ! -e "$W/once" ] && touch "$W/once" || exit 0
echo '# mine' >>"$W/nginx/conf.d/www.myserver.com.conf"
echo exit 1
HOOK
    local before
    before=$(cat "$W/nginx/conf.d/$NAME.conf")
    run_ecert deploy
    [ "$status" -eq 1 ]
    is "his line" 1 "$(grep -c '^# mine' "$W/nginx/conf.d/$NAME.conf")"
    says "not everything could be put back" \
        "'$W/nginx/conf.d/$NAME.conf' was changed by somebody after us and was left as it is" \
        "our change:" "-    ssl_certificate     $W/$OLD.pem;" \
        "+    ssl_certificate     $(live_dir)/fullchain.pem;" "the change since:" "+# mine"
    # what it was before is kept beside it, under the name that is said
    local kept
    kept=$(grep -o "kept as '[^']*'" <<<"$output$stderr" | head -n 1 | cut -d "'" -f 2)
    is "kept" "$before" "$(cat "$kept")"
    kill -0 "$(cat "$W/nginx/nginx.pid")"
    # whatever is left there, the server must still be able to read it
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -t
    is "unfinished" "" "$(ls "$W/state/transactions")"
}

@test "a way back that is barred: the copies are kept, others go on, and the next run finishes it" {
    first_deployment
    hook <<'HOOK'
[ "$verb" = reload ] && [ ! -e "$W/once" ] && touch "$W/once" || exit 0
chmod 777 "$W/nginx/conf.d"
echo exit 1
HOOK
    local before kept
    before=$(cat "$W/nginx/conf.d/$NAME.conf")
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "not everything could be put back" "the copies of what was there are kept in '"
    kept=$(ls "$W/state/transactions")
    [ -n "$kept" ]
    # barred still: said, nothing is deployed to these files, nothing is lost
    run_ecert run
    [ "$status" -eq 1 ]
    says "cannot be undone yet" "'$W/nginx/conf.d'"
    is "kept" "$kept" "$(ls "$W/state/transactions")"
    chmod 755 "$W/nginx/conf.d"
    run_ecert run # the target itself waits for its next try
    says "1 file put back"
    is "what was there" "$before" "$(cat "$W/nginx/conf.d/$NAME.conf")"
    no_leftovers
    ecert deploy --quiet
    nginx_serves "$W/$NAME.cer"
}

@test "SIGTERM in the middle of a deployment: it is finished, and told" {
    first_deployment
    hook <<'HOOK'
[ "$verb" != reload ] || kill -TERM "$parent"
HOOK
    run_ecert deploy
    says "deployed, and the server was seen to serve it"
    nginx_serves "$W/$NAME.cer"
    no_leftovers
}

@test "a second run at the same time leaves with code 4 and names the first" {
    renewal
    hook <<'HOOK'
[ "$verb" = test ] && { echo "$parent" >"$W/first"; sleep 5; }
HOOK
    ecert run >"$W/first.out" 2>&1 3>&- &
    local first=$!
    until [ -s "$W/first" ]; do sleep 0.05; done
    run_ecert deploy
    [ "$status" -eq 4 ]
    says "another run holds '$W/state/lock' (process $(cat "$W/first"))"
    # status needs no lock
    run_ecert status
    [ "$status" -eq 0 ]
    wait "$first"
    nginx_serves "$W/second.cer"
    is "reloads" 1 "$(calls reload)"
}

# ---- ten at once -------------------------------------------------------------------------------

@test "ten certificates on one nginx: one test, one reload" {
    ten_sites
    wrap nginx
    ten_config
    take "$W"/n[0-9].cer
    local i
    run_ecert run
    [ "$status" -eq 0 ]
    is "tests" 1 "$(calls test)"
    is "reloads" 1 "$(calls reload)"
    for i in $(seq 0 9); do
        wait_served "$NGINX_PORT" "n$i.myserver.com" "$(sha256_of "$W/n$i.cer")"
    done
    no_leftovers
}

@test "ten certificates, one of them refused by the server: nine are deployed with one reload" {
    ten_sites
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -keyout "$W/strong.key" \
        -out "$W/strong.pem" -subj "/CN=n3" -sha512 -days 20 2>/dev/null
    sed -i "s|$W/$OLD|$W/strong|; /server_name/a ssl_ciphers DEFAULT:@SECLEVEL=5;" \
        "$W/nginx/conf.d/n3.myserver.com.conf"
    # such ciphers count for the whole socket: it gets one of its own
    local port i
    port=$(free_port)
    sed -i "s|:$NGINX_PORT|:$port|" "$W/nginx/conf.d/n3.myserver.com.conf"
    wrap nginx
    ten_config
    take "$W"/n[0-9].cer
    cp -p "$W/nginx/conf.d/n3.myserver.com.conf" "$W/before"
    run_ecert run
    [ "$status" -eq 1 ]
    says "n3.myserver.com: nginx: refused before anything was changed"
    is "reloads" 1 "$(calls reload)"
    cmp "$W/before" "$W/nginx/conf.d/n3.myserver.com.conf"
    wait_served "$port" n3.myserver.com "$(sha256_of "$W/strong.pem")"
    for i in 0 1 2 4 5 6 7 8 9; do
        wait_served "$NGINX_PORT" "n$i.myserver.com" "$(sha256_of "$W/n$i.cer")"
    done
    no_leftovers
}

@test "ten certificates, one of them not seen at its address: it is put back, nine are deployed" {
    ten_sites
    old_pair "$W/elsewhere" n3.myserver.com
    local port i
    port=$(free_port)
    nginx_site "$W/elsewhere-nginx" "$port" n3.myserver.com "$W/elsewhere"
    start_nginx "$W/elsewhere-nginx"
    wrap nginx
    BAD="probe = [ \"127.0.0.1:$port/n3.myserver.com\" ];" ten_config
    take "$W"/n[0-9].cer
    cp "$W/nginx/conf.d/n3.myserver.com.conf" "$W/before"
    run_ecert run
    [ "$status" -eq 1 ]
    says "n3.myserver.com: nginx: it failed, and everything was put back" "127.0.0.1:$port"
    cmp "$W/before" "$W/nginx/conf.d/n3.myserver.com.conf"
    wait_served "$NGINX_PORT" n3.myserver.com "$(sha256_of "$W/$OLD.pem")"
    for i in 0 1 2 4 5 6 7 8 9; do
        wait_served "$NGINX_PORT" "n$i.myserver.com" "$(sha256_of "$W/n$i.cer")"
    done
    no_leftovers
}

# ---- kill -9 -----------------------------------------------------------------------------------

# The hook kills ecert at one of its commands; what was half done is undone by the next run, which
# then does the whole. BEFORE or AFTER the real command.
killed_at() { # VERB before|after
    local verb=$1 when=$2
    first_deployment
    cp "$W/nginx/conf.d/$NAME.conf" "$W/before"
    hook <<HOOK
[ "\$verb" = $verb ] && [ ! -e "\$W/once" ] && touch "\$W/once" || exit 0
[ $when = before ] || { $NGINX -p "\$W/nginx/" -c "\$W/nginx/nginx.conf" -s reload; sleep 0.2; }
kill -KILL "\$parent"
echo exit 0
HOOK
    run_ecert deploy
    [ "$status" -eq 137 ]
    [ -e "$W/once" ]
    [ -n "$(ls "$W/state/transactions")" ]
}

@test "kill -9 while the server tests: nothing was changed, and the next run cleans up and deploys" {
    killed_at test before
    cmp "$W/before" "$W/nginx/conf.d/$NAME.conf"
    nginx_serves "$W/$OLD.pem"
    run_ecert run
    [ "$status" -eq 0 ]
    says "the unfinished transaction of" "nothing had been changed yet"
    nginx_serves "$W/$NAME.cer"
    no_leftovers
}

@test "kill -9 before the reload: the next run puts back, and deploys anew" {
    killed_at reload before
    nginx_serves "$W/$OLD.pem"
    run_ecert run
    [ "$status" -eq 0 ]
    says "the unfinished transaction of" "put back"
    nginx_serves "$W/$NAME.cer"
    no_leftovers
}

@test "kill -9 before the reload: adopt puts back, and looks at what was there" {
    killed_at reload before
    run_ecert adopt
    [ "$status" -eq 1 ]
    says "the unfinished transaction of" "put back" "uses '$W/$OLD.pem', which would be refused"
    cmp "$W/before" "$W/nginx/conf.d/$NAME.conf"
    no_leftovers
}

@test "kill -9 after the reload: the next run puts back, reloads, and deploys anew" {
    killed_at reload after
    nginx_serves "$W/$NAME.cer"
    # something else must fail in the next run, to see the recovery by itself
    cp "$(generation 1)/privkey.pem" "$W/privkey"
    cp "$W/ec.key" "$(generation 1)/privkey.pem"
    run_ecert deploy
    [ "$status" -ne 0 ]
    says "the unfinished transaction of" "was reloaded"
    cmp "$W/before" "$W/nginx/conf.d/$NAME.conf"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    no_leftovers
    cp "$W/privkey" "$(generation 1)/privkey.pem"
    run_ecert deploy
    [ "$status" -eq 0 ]
    nginx_serves "$W/$NAME.cer"
}

# How the server answers VERB when the next run, the recovery, calls it.
afterwards() { # VERB WORDS
    hook <<HOOK
[ "\$verb" = $1 ] || exit 0
$2
HOOK
}

@test "the recovery's reload kills the server: said, although the command reported success" {
    killed_at reload after
    afterwards reload "kill -TERM \$(cat \$W/nginx/nginx.pid); echo exit 0"
    run_ecert run --quiet
    [ "$status" -eq 1 ]
    says "recovered, but 'nginx.service' is not running"
    no_leftovers
    # it is not said for ever
    run_ecert run --quiet
    says_not "recovered, but"
}

@test "the recovery's start starts nothing: said, although the command reported success" {
    killed_at reload after
    stop_pid "$W/nginx/nginx.pid"
    afterwards start "echo exit 0"
    run_ecert run
    [ "$status" -eq 1 ]
    says "was started again, and is not running now" "recovered, but 'nginx.service' is not running"
    no_leftovers
}

@test "the recovery starts a server that was killed with us" {
    killed_at reload after
    stop_pid "$W/nginx/nginx.pid"
    run_ecert run
    [ "$status" -eq 0 ]
    says "was started again"
    says_not "is not running"
    nginx_serves "$W/$NAME.cer"
}

# Two generations in a layout of four files, so that a commit has four renames.
four_files() {
    NGINX_PORT=$(free_port)
    mkdir -p "$W/nginx/tls"
    cp "$W/$OLD.key" "$W/nginx/tls/site.key"
    cp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/nginx/tls/site"
    start_nginx "$W/nginx"
    write_config "$(nginx_target "files = { key = \"$W/nginx/tls/site.key\";
        certificate = \"$W/nginx/tls/cert.pem\"; chain = \"$W/nginx/tls/chain.pem\";
        fullchain = \"$W/nginx/tls/site.pem\"; };")"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    # another key too: a mixture would not even load
    KEY="file = \"$W/ec.key\";" write_config "$(nginx_target "files = {
        key = \"$W/nginx/tls/site.key\"; certificate = \"$W/nginx/tls/cert.pem\";
        chain = \"$W/nginx/tls/chain.pem\"; fullchain = \"$W/nginx/tls/site.pem\"; };")"
    take "$W/ec.cer"
    ecert deploy --quiet
    is "files" 2 "$(files_are)"
}

# Of which generation the four files are; "mixed" if they are of several.
files_are() {
    local n=2
    cmp -s "$W/nginx/tls/site.key" "$(generation 1)/privkey.pem" && n=1
    if cmp -s "$W/nginx/tls/site.key" "$(generation $n)/privkey.pem" &&
        cmp -s "$W/nginx/tls/cert.pem" "$(generation $n)/cert.pem" &&
        cmp -s "$W/nginx/tls/chain.pem" "$(generation $n)/chain.pem" &&
        cmp -s "$W/nginx/tls/site.pem" "$(generation $n)/fullchain.pem"; then
        echo $n
    else
        echo mixed
    fi
}

# One generation on disk, the same served. (Called with `||`, where -e does not count: each line says
# for itself.)
one_generation() {
    local n
    n=$(files_are)
    [ "$n" != mixed ] || { echo "the files are of several generations" && return 1; }
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$(generation "$n")/cert.pem")"
}

# After a death: recovery alone makes it whole; the next run then has nothing to put right, knows
# which generation it is, and nothing is left over.
whole_again() {
    local n code=0 said
    said=$(ecert rollback "$NAME" --to 99 2>&1) || code=$? # recovers, and then refuses
    [ "$code" -eq 1 ] || { echo "the recovery: code $code: $said" && return 1; }
    one_generation || { echo "after the recovery: $said" && return 1; }
    said=$(ecert run 2>&1) || { echo "the next run: $said" && return 1; }
    one_generation || { echo "after the next run: $said" && return 1; }
    n=$(files_are)
    is "what ecert believes" "$n $(sha256_of "$(generation "$n")/cert.pem")" "$(ecert status --json |
        json '"%d %s" % (o["targets"][0]["generation"], o["targets"][0]["sha256"].upper())')" ||
        return 1
    no_leftovers
}

@test "kill -9 before each single change of the file system: wholly old or wholly new afterwards" {
    gcc -shared -fPIC -o "$W/die_at.so" "$ROOT/tests/support/die_at.c" -ldl
    four_files
    local at to=1 died=0
    for at in $(seq 400); do
        status=0
        { # the shell's own word about the death goes into the file, too
            ECERT_DIE_AT=$at LD_PRELOAD=$W/die_at.so ecert --quiet rollback "$NAME" --to "$to" ||
                status=$?
        } >"$W/out" 2>&1
        if [ "$status" -eq 0 ]; then break; fi
        [ "$status" -eq 137 ] || { echo "at $at: code $status" && cat "$W/out" && return 1; }
        died=$((died + 1))
        whole_again || { echo "killed before change $at" && return 1; }
        [ "$(files_are)" != "$to" ] || to=$((3 - to)) # the other way, that there is work to do
    done
    echo "$died places to die in"
    [ "$died" -ge 20 ]
    is "the end" 0 "$status"
}

@test "kill -9 at thirty random moments: wholly old or wholly new afterwards" {
    four_files
    local round to=1
    for round in $(seq 30); do
        "$ECERT_BUILD/ecert" --config "$W/ecert.conf" rollback "$NAME" --to "$to" --quiet \
            >/dev/null 2>&1 3>&- &
        local pid=$!
        sleep "0.0$((RANDOM % 9))$((RANDOM % 10))"
        { kill -KILL "$pid" || true; wait "$pid" || true; } 2>/dev/null
        whole_again || { echo "in round $round" && return 1; }
        [ "$(files_are)" != "$to" ] || to=$((3 - to))
    done
}

# ---- a full disk -------------------------------------------------------------------------------

# In a mount namespace of its own: `full DIR` mounts a small file system there and fills it.
@test "the disk of the server's files is full: refused, nothing changed, the file is named" {
    nginx_up
    mkdir "$W/nginx/tls"
    NGINX_PORT=$NGINX_PORT write_config "$(nginx_target "files = {
        key = \"$W/nginx/tls/site.key\"; fullchain = \"$W/nginx/tls/site.pem\"; };")"
    take "$W/$NAME.cer"
    cat >"$W/scene" <<SCENE
set -e
mount -t tmpfs -o size=64k,mode=0755 tmpfs "$W/nginx/tls"
cp "$W/$OLD.key" "$W/nginx/tls/site.key"
cp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
dd if=/dev/zero of="$W/nginx/tls/filler" bs=4096 2>/dev/null || true
ls -lA --time-style=full-iso "$W/nginx/tls" >"$W/tls.before"
code=0
"$ECERT_BUILD/ecert" --config "$W/ecert.conf" deploy >"$W/out" 2>&1 || code=\$?
ls -lA --time-style=full-iso "$W/nginx/tls" >"$W/tls.after"
cmp "$W/$OLD.key" "$W/nginx/tls/site.key"
cmp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
echo "\$code" >"$W/code"
SCENE
    local tree
    tree=$(config_tree "$W/nginx/conf.d")
    unshare -m --propagation private bash "$W/scene"
    cat "$W/out"
    is "code" 1 "$(cat "$W/code")"
    output=$(cat "$W/out") stderr=""
    says "refused before anything was changed" "$W/nginx/tls/site." "No space left on device"
    # a folder's own line may differ in time, no file's
    diff <(grep -v '^total' "$W/tls.before") <(grep -v '^total' "$W/tls.after")
    same "$tree" "$(config_tree "$W/nginx/conf.d")"
    nginx_serves "$W/$OLD.pem"
    no_leftovers
}

@test "the disk of the state directory is full: nothing changed, and it is said" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    cat >"$W/scene" <<SCENE
set -e
mv "$W/state" "$W/state.disk"
mkdir -m 700 "$W/state"
mount -t tmpfs -o size=256k,mode=0700 tmpfs "$W/state"
cp -a "$W/state.disk/." "$W/state/"
dd if=/dev/zero of="$W/state/filler" bs=4096 2>/dev/null || true
code=0
"$ECERT_BUILD/ecert" --config "$W/ecert.conf" deploy >"$W/out" 2>&1 || code=\$?
find "$W/state/transactions" -mindepth 1 >"$W/left"
echo "\$code" >"$W/code"
SCENE
    local tree
    tree=$(config_tree "$W/nginx")
    unshare -m --propagation private bash "$W/scene"
    cat "$W/out"
    is "code" 1 "$(cat "$W/code")"
    output=$(cat "$W/out") stderr=""
    says "No space left on device" "$W/state"
    is "left" "" "$(cat "$W/left")"
    same "$tree" "$(config_tree "$W/nginx")"
    nginx_serves "$W/$OLD.pem"
    # with room again it is simply done
    rmdir "$W/state"
    mv "$W/state.disk" "$W/state"
    run_ecert deploy
    [ "$status" -eq 0 ]
    nginx_serves "$W/$NAME.cer"
}
