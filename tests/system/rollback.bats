# `ecert rollback NAME --to 0`: as it was before ecert.
#
# covers: core/flow/origin.h

load deploying

conf() { # the site's own file
    printf '%s/%s/conf.d/%s.conf' "$W" "${1:-nginx}" "$NAME"
}

present() { # FILE: owner, mode and bytes
    stat -c '%a %u:%g' "$1"
    sha256sum <"$1"
}

deployed_once() {
    nginx_up
    chmod 640 "$(conf)"
    BEFORE=$(present "$(conf)")
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

to_nothing() { # ARGUMENT...: it goes well
    run_ecert rollback "$NAME" --to 0 "$@"
    [ "$status" -eq 0 ] || { echo "$output$stderr" && return 1; }
}

@test "nginx: the bytes, the mode and the certificate of before, also after renewals" {
    deployed_once
    take "$W/second.cer"
    ecert run --quiet
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    to_nothing
    says "as it was before ecert: put back, and the server was seen to serve what it served then" \
        "\`ecert run\` leaves it so until a newer certificate comes" "changed: $(conf)"
    same "$BEFORE" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    [ ! -e "$W/state/certificates/$NAME/before/nginx" ]
    no_leftovers

    # it is held there, and said so
    run_ecert run --verbose
    [ "$status" -eq 0 ]
    says "held as it was before ecert"
    same "$BEFORE" "$(present "$(conf)")"
    run_ecert status --json
    is "standing" "held 0" "$(json '"%s %d" % (o["targets"][0]["standing"], o["targets"][0]["generation"])' <<<"$output")"
    run_ecert status
    says "serves, as before ecert, $(sha256_of "$W/$OLD.pem" | cut -c 1-16) until"
    says_not "SERVES ANOTHER"
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
    says "held as it was before ecert until a newer certificate comes"
    run_ecert check --offline
    says_not "owed"
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "there is nothing to put back for target 'nginx'"

    # until somebody says otherwise
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    to_nothing --json
    is "json" "True deployed 0" "$(json '"%s %s %d" % (o["targets"][0]["restores"], o["targets"][0]["outcome"], o["targets"][0]["generation"])' <<<"$output")"
    same "$BEFORE" "$(present "$(conf)")"
    ecert rollback --quiet "$NAME" --to 1
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

@test "a newer certificate ends it" {
    deployed_once
    to_nothing
    drop "$W/$NAME.cer" # the same one is none
    run_ecert run
    [ "$status" -eq 0 ]
    same "$BEFORE" "$(present "$(conf)")"
    drop "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
}

@test "Apache: the bytes and the certificate of before" {
    apache_up
    local before
    before=$(find "$W/apache" -name '*.conf' -exec sha256sum {} + | sort)
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    [ "$before" != "$(find "$W/apache" -name '*.conf' -exec sha256sum {} + | sort)" ]
    to_nothing
    same "$before" "$(find "$W/apache" -name '*.conf' -exec sha256sum {} + | sort)"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

two_in_one_file() { # one file, a server block for each of two targets
    nginx_up
    PORT2=$(free_port)
    {
        cat "$(conf)"
        printf '\n\n# the other one\n'
        sed "s/$NAME/myserver.com/; s/:$NGINX_PORT/:$PORT2/" "$(conf)"
    } >"$W/both"
    cat "$W/both" >"$(conf)"
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$OLD.pem")"
    BEFORE=$(present "$(conf)")
    write_config "$(nginx_target "id = \"one\"; server_names = [ \"$NAME\" ];"),
        $(nginx_target 'id = "two"; server_names = [ "myserver.com" ];')"
    take "$W/$NAME.cer"
}

@test "two targets share a file: each goes back alone, and the other stays" {
    two_in_one_file
    ecert deploy --quiet
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$NAME.cer")"
    to_nothing --target one
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$NAME.cer")"
    to_nothing --target two
    same "$BEFORE" "$(present "$(conf)")"
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$OLD.pem")"
}

@test "two targets share a file, deployed one after the other and put back together" {
    two_in_one_file
    ecert deploy --quiet --target one
    ecert deploy --quiet --target two
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$NAME.cer")"
    to_nothing
    same "$BEFORE" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$OLD.pem")"
}

@test "what somebody changed since stays, also when ecert changed the file again after it" {
    deployed_once
    cp "$(conf)" "$W/expected"
    sed -i "s|$(live_dir)/fullchain.pem|$W/$OLD.pem|; s|$(live_dir)/privkey.pem|$W/$OLD.key|" "$W/expected"
    sed -i '1i # mine' "$(conf)" "$W/expected"
    to_nothing
    says "'$(conf)' was changed since ecert wrote it; those changes stay"
    cmp "$W/expected" "$(conf)"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"

    ecert deploy --quiet
    sed -i '1i # and mine' "$(conf)" "$W/expected"
    sed -i "s|$(live_dir)/privkey.pem|$W/$OLD.key|; s|$(live_dir)/fullchain.pem|$W/$OLD.pem|" "$(conf)"
    ecert deploy --quiet
    sed -i '1i # at the end' "$(conf)" "$W/expected"
    to_nothing
    cmp "$W/expected" "$(conf)"
}

@test "changed in the same lines: refused, with both differences, and nothing is changed" {
    deployed_once
    sed -i "s|ssl_certificate .*|ssl_certificate $(live_dir)/fullchain.pem; # mine|" "$(conf)"
    local now
    now=$(present "$(conf)")
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "in the lines that are to be put back" "what the rollback would do" \
        "what somebody did to it since" "# mine" "+    ssl_certificate     $W/$OLD.pem;"
    same "$now" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    # it decided nothing
    drop "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
}

@test "files: the key and the certificates that were replaced go back, and new ones go" {
    NGINX_PORT=$(free_port)
    mkdir -p "$W/nginx/tls"
    cp "$W/$OLD.key" "$W/nginx/tls/site.key"
    cp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
    chmod 600 "$W/nginx/tls/site.key"
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/nginx/tls/site"
    start_nginx "$W/nginx"
    write_config "$(nginx_target "files = { key = \"$W/nginx/tls/site.key\";
        chain = \"$W/nginx/tls/chain.pem\"; fullchain = \"$W/nginx/tls/site.pem\"; };")"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    take "$W/second.cer"
    ecert deploy --quiet
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    [ -e "$W/nginx/tls/chain.pem" ]
    to_nothing --verbose
    says_not PRIVATE
    cmp "$W/$OLD.key" "$W/nginx/tls/site.key"
    cmp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
    is "mode" 600 "$(stat -c %a "$W/nginx/tls/site.key")"
    [ ! -e "$W/nginx/tls/chain.pem" ]
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    is "its keeper" 700 "$(stat -c %a "$W/state/certificates/$NAME/before")"
}

@test "what the server's test refuses is refused, and decides nothing" {
    deployed_once
    rm "$W/$OLD.key"
    local now
    now=$(present "$(conf)")
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "refused before anything was changed" "$OLD.key"
    same "$now" "$(present "$(conf)")"
    is "standing" current "$(ecert status --json | json 'o["targets"][0]["standing"]')"
}

@test "a target that was never changed has nothing to put back" {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "there is nothing to put back for target 'nginx' of '$NAME'"
    # a deployment that was undone changed nothing either
    write_config "$(nginx_target "probe = [ \"127.0.0.1:$(free_port)/$NAME\" ];")"
    run_ecert deploy
    [ "$status" -eq 1 ]
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "there is nothing to put back"
}

@test "kill -9 before each change of the file system: the next run makes it whole" {
    gcc -shared -fPIC -o "$W/die_at.so" "$ROOT/tests/support/die_at.c" -ldl
    deployed_once
    local at died=0
    for at in $(seq 200); do
        status=0
        {
            ECERT_DIE_AT=$at LD_PRELOAD=$W/die_at.so ecert --quiet rollback "$NAME" --to 0 ||
                status=$?
        } >"$W/out" 2>&1
        if [ "$status" -eq 0 ]; then break; fi
        [ "$status" -eq 137 ] || { echo "at $at: code $status" && cat "$W/out" && return 1; }
        died=$((died + 1))
        ecert run --quiet || { echo "the run after change $at" && return 1; }
        no_leftovers
        case $(ecert status --json | json 'o["targets"][0]["standing"]') in
        held)
            same "$BEFORE" "$(present "$(conf)")"
            wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
            [ ! -e "$W/state/certificates/$NAME/before/nginx" ]
            ecert deploy --quiet
            ;;
        current)
            wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
            ;;
        *) ecert status && return 1 ;;
        esac
    done
    echo "$died places to die in"
    [ "$died" -ge 10 ]
    is "the end" 0 "$status"
    same "$BEFORE" "$(present "$(conf)")"
}

@test "of two pairs the one that was replaced is asked for by its kind, whichever the server prefers" {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/rsa.key" -out "$W/rsa.pem" \
        -subj "/CN=$NAME" -addext "subjectAltName=DNS:$NAME" -days 20 2>/dev/null
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/$OLD"
    sed -i "s|^ *root|    ssl_certificate $W/rsa.pem;\n    ssl_certificate_key $W/rsa.key;\n&|" "$(conf)"
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    BEFORE=$(present "$(conf)")
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    to_nothing
    says "was seen to serve what it served then"
    same "$BEFORE" "$(present "$(conf)")"
}

@test "a link that somebody put in a file's place does not lead out of may_write" {
    deployed_once
    mkdir "$W/elsewhere"
    mv "$(conf)" "$W/kept"
    ln -s "$W/elsewhere/made.conf" "$(conf)"
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "'$(conf)' is a link to '$W/elsewhere/made.conf' now, where nothing is"
    [ ! -e "$W/elsewhere/made.conf" ]

    cp "$W/kept" "$W/elsewhere/made.conf"
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "outside of what this target may touch"
    cmp "$W/kept" "$W/elsewhere/made.conf"

    # within it, as a plan would
    ln -sf "$W/nginx/moved" "$(conf)"
    mv "$W/kept" "$W/nginx/moved"
    to_nothing
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    [ -L "$(conf)" ]
}

with_files() { # key and certificates are copied to the server's own places
    NGINX_PORT=$(free_port)
    mkdir -p "$W/nginx/tls"
    cp "$W/$OLD.key" "$W/nginx/tls/site.key"
    cp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
    chmod 600 "$W/nginx/tls/site.key"
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/nginx/tls/site"
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    write_config "$(nginx_target "files = { key = \"$W/nginx/tls/site.key\";
        fullchain = \"$W/nginx/tls/site.pem\"; };")"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

@test "files: key and certificate that lie behind links now, elsewhere, are not written" {
    with_files
    mkdir -m 700 "$W/elsewhere"
    local file
    for file in site.key site.pem; do
        mv "$W/nginx/tls/$file" "$W/elsewhere/$file"
        ln -s "$W/elsewhere/$file" "$W/nginx/tls/$file"
    done
    local now
    now=$(sha256sum "$W/elsewhere/"*)
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "outside of what this target may touch"
    same "$now" "$(sha256sum "$W/elsewhere/"*)"
}

two_sites() { # a server block for c.example in a file of its own, beside that of the name
    nginx_up
    PORT2=$(free_port)
    sed "s/$NAME/myserver.com/; s/:$NGINX_PORT/:$PORT2/" "$(conf)" >"$W/nginx/conf.d/c.conf"
    reload
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$OLD.pem")"
    BEFORE=$(present "$(conf)")
    write_config "$(nginx_target "server_names = [ \"$NAME\", \"myserver.com\" ];")"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$NAME.cer")"
}

reload() {
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload
    settled
}

@test "a site file that somebody deleted since stays deleted, and its name is not asked for" {
    two_sites
    rm "$W/nginx/conf.d/c.conf"
    reload
    to_nothing
    says "'$W/nginx/conf.d/c.conf' was deleted since, and is not made again" \
        "what 'myserver.com' serves on port $PORT2 is not judged"
    [ ! -e "$W/nginx/conf.d/c.conf" ]
    same "$BEFORE" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "a missing key that the restored configuration needs is made again" {
    with_files
    rm "$W/nginx/tls/site.key"
    to_nothing
    cmp "$W/$OLD.key" "$W/nginx/tls/site.key"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "a name that went to another site since is told, and undoes nothing" {
    two_sites
    old_pair "$W/third" myserver.com
    # another block has the name now; ours has got another one
    sed "s|$(live_dir)/fullchain.pem|$W/third.pem|; s|$(live_dir)/privkey.pem|$W/third.key|" \
        "$W/nginx/conf.d/c.conf" >"$W/nginx/conf.d/d.conf"
    sed -i 's/server_name .*;/server_name d.example;/' "$W/nginx/conf.d/c.conf"
    reload
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/third.pem")"
    to_nothing
    says "what 'myserver.com' serves on port $PORT2 is not judged" "those changes stay"
    wait_served "$PORT2" d.example "$(sha256_of "$W/$OLD.pem")"
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/third.pem")"
    grep -q d.example "$W/nginx/conf.d/c.conf"
}

@test "files: kill -9 once the origin is saved, and what is back after it still has its way back" {
    gcc -shared -fPIC -o "$W/die_at.so" "$ROOT/tests/support/die_at.c" -ldl
    with_files
    take "$W/second.cer"
    local at before saved=0
    before=$(sha256sum <"$W/state/certificates/$NAME/before/nginx")
    for at in $(seq 200); do
        status=0
        {
            ECERT_DIE_AT=$at LD_PRELOAD=$W/die_at.so ecert --quiet rollback "$NAME" --to 2 || status=$?
        } >"$W/out" 2>&1
        [ "$status" -ne 0 ] || break
        [ "$before" != "$(sha256sum <"$W/state/certificates/$NAME/before/nginx")" ] || {
            ecert rollback --quiet "$NAME" --to 1
            continue
        }
        saved=$((saved + 1))
        to_nothing # which recovers first
        cmp "$W/$OLD.key" "$W/nginx/tls/site.key"
        cmp "$W/$OLD.pem" "$W/nginx/tls/site.pem"
        ecert rollback --quiet "$NAME" --to 1
        before=$(sha256sum <"$W/state/certificates/$NAME/before/nginx")
    done
    echo "$saved places to die in"
    [ "$saved" -ge 1 ]
}

@test "two blocks, one deleted since: refused until the other is put back by hand, then it is held" {
    two_in_one_file
    write_config "$(nginx_target "server_names = [ \"$NAME\", \"myserver.com\" ];")"
    ecert deploy --quiet
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$NAME.cer")"
    sed -i '/^# the other one/,$d' "$(conf)"
    reload
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "so that no line of ecert's is left, and run \`ecert rollback $NAME --to 0\` again"
    sed '/^# the other one/,$d' "$W/both" >"$(conf)"
    reload
    local by_hand
    by_hand=$(sha256sum "$(conf)")
    to_nothing
    says "has none of the lines that ecert wrote any more" "what 'myserver.com' serves"
    same "$by_hand" "$(sha256sum "$(conf)")"
    ecert run --quiet
    same "$by_hand" "$(sha256sum "$(conf)")"
    is "standing" held "$(ecert status --json | json 'o["targets"][0]["standing"]')"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "where somebody put another pair himself it stays, and the target is held" {
    deployed_once
    old_pair "$W/third" "$NAME"
    sed -i "s|$(live_dir)/fullchain.pem|$W/third.pem|; s|$(live_dir)/privkey.pem|$W/third.key|" "$(conf)"
    reload
    local now
    now=$(present "$(conf)")
    to_nothing
    says "has none of the lines that ecert wrote any more" "what '$NAME' serves"
    same "$now" "$(present "$(conf)")"
    ecert run --quiet
    same "$now" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/third.pem")"
}

@test "without --target: one that stands as before ecert already does not stop the others" {
    two_in_one_file
    ecert deploy --quiet --target one
    ecert deploy --quiet --target two
    to_nothing --target two
    to_nothing
    says "two: it is as it was before ecert already" "one: as it was before ecert: put back"
    same "$BEFORE" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 1 ]
    says "there is nothing to put back for target 'one'"

    # one that was never deployed is held as well
    ecert deploy --quiet --target one
    write_config "$(nginx_target "id = \"one\"; server_names = [ \"$NAME\" ];"),
        $(nginx_target 'id = "new"; server_names = [ "myserver.com" ];')"
    to_nothing
    says "new: it was never deployed, and stays so"
    ecert run --quiet
    same "$BEFORE" "$(present "$(conf)")"
}

@test "files: a site that joined later is not expected to serve what ecert had deployed by then" {
    with_files
    PORT2=$(free_port)
    sed "s/$NAME/myserver.com/; s/:$NGINX_PORT/:$PORT2/" "$(conf)" >"$W/nginx/conf.d/c.conf"
    reload
    take "$W/second.cer"
    ecert deploy --quiet
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/second.cer")"
    to_nothing
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$OLD.pem")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "the way back runs the command of the last deployment, also of one that changed no file" {
    mkdir -p "$W/nginx/bin"
    ln -s "$NGINX" "$W/nginx/bin/nginx"
    NGINX_COMMAND=$W/nginx/bin/nginx
    deployed_once
    NGINX_COMMAND=$NGINX
    write_config "$(nginx_target)"
    ecert run --quiet
    rm "$W/nginx/bin/nginx"
    to_nothing
    same "$BEFORE" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "names that changed places between two deployments or since are not expected to serve what they served" {
    two_sites
    old_pair "$W/third" d.example
    ecert rollback --quiet "$NAME" --to 0
    sed -i "s|$W/$OLD|$W/third|g" "$W/nginx/conf.d/c.conf"
    reload
    ecert deploy --quiet
    sed -i "s/server_name .*/server_name $NAME;/; s/127.0.0.1:$PORT2/127.0.0.1:1$PORT2/" "$W/nginx/conf.d/c.conf"
    sed -i "s/127.0.0.1:1$PORT2/127.0.0.1:$NGINX_PORT/" "$W/nginx/conf.d/c.conf"
    sed -i "s/server_name .*/server_name myserver.com;/; s/127.0.0.1:$NGINX_PORT/127.0.0.1:$PORT2/" "$(conf)"
    reload
    ecert deploy --quiet
    sed -i '1i # mine' "$W/nginx/conf.d/c.conf" "$(conf)"
    to_nothing
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/third.pem")"
    wait_served "$PORT2" myserver.com "$(sha256_of "$W/$OLD.pem")"
}

@test "a site that was disabled since is told, and undoes nothing" {
    two_sites
    # the file stays where it is, and is read no more
    sed -i "s|include .*conf.d/.*|include $(conf);|" "$W/nginx/nginx.conf"
    grep -qF "include $(conf);" "$W/nginx/nginx.conf"
    reload
    to_nothing
    says "127.0.0.1:$PORT2 (myserver.com) does not serve what it served before ecert; it served"
    same "$BEFORE" "$(present "$(conf)")"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}
