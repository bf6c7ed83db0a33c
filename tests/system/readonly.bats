# `ecert plan` and the other commands that only look change nothing.

load common

prepare() {
    ca_up
    PORT=$(free_port) APACHE_PORT=$(free_port)
    old_pair "$W/old" "$NAME"
    nginx_site "$W/nginx" "$PORT" "$NAME" "$W/old"
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/old"
    start_nginx "$W/nginx"
    start_apache "$W/apache"
    write_config "{ plugin = \"nginx\"; command = [ \"$NGINX\", \"-p\", \"$W/nginx/\", \"-c\", \"$W/nginx/nginx.conf\" ];
                    may_write = [ \"$W/nginx\" ]; },
                  { plugin = \"apache\"; command = [ \"$APACHE\", \"-d\", \"$W/apache\", \"-f\", \"$W/apache/httpd.conf\" ];
                    may_write = [ \"$W/apache\" ]; },
                  { plugin = \"iis-export\"; directory = \"$W/iis\"; }"
}

@test "plan shows a unified diff of every server file, and changes nothing" {
    drop "$W/$NAME.cer"
    run_ecert fetch
    [ "$status" -eq 0 ]
    local before old
    old=$(served "$PORT" "$NAME")
    before=$(snapshot "$W")
    run_ecert plan
    [ "$status" -eq 0 ]
    grep -qF -- "--- $W/nginx/conf.d/$NAME.conf" <<<"$output"
    grep -qF -- "+++ $W/nginx/conf.d/$NAME.conf" <<<"$output"
    grep -qE -- "^-    ssl_certificate     $W/old.pem;" <<<"$output"
    grep -qE -- "^\+    ssl_certificate .*$W/state/certificates/$NAME/live/nginx/fullchain.pem;" <<<"$output"
    grep -qF -- "--- $W/apache/sites/$NAME.conf" <<<"$output"
    grep -qE -- "^\+    SSLCertificateFile .*/live/apache/fullchain.pem" <<<"$output"
    grep -qE -- "$W/iis/.*\.pfx.*secret" <<<"$output"
    no_key_in "$W/keys/$NAME.key" "$output" "$stderr"
    run_ecert plan --exit-code
    [ "$status" -eq 10 ]
    run_ecert plan --json --exit-code
    [ "$status" -eq 10 ]
    [ "$(json 'o["exit"]' <<<"$output")" = 10 ]
    [ "$(json 'o["changes"] >= 4' <<<"$output")" = True ]
    [ "$(json '"@@" in o["diff"]' <<<"$output")" = True ]
    [ "$(json '[" ".join(str(t[k]) for k in ("certificate", "target", "plugin", "standing", "generation"))
        for t in o["targets"]]' <<<"$output")" = "['$NAME nginx nginx wanted 1', '$NAME apache apache wanted 1', \
'$NAME iis-export iis-export wanted 1']" ]
    no_key_in "$W/keys/$NAME.key" "$output"
    run_ecert plan --target nginx "$NAME"
    [ "$status" -eq 0 ]
    [[ $output != *"$W/apache"* ]]
    same "$before" "$(snapshot "$W")"
    [ "$(served "$PORT" "$NAME")" = "$old" ]
    [ "$(served "$APACHE_PORT" "$NAME")" = "$old" ]
}

@test "what plan showed is what deploy does; after it there is nothing to change" {
    drop "$W/$NAME.cer"
    ecert fetch --quiet
    local files file before after
    run_ecert plan
    files=$(sed -nE 's/^\+\+\+ ([^\t]+).*/\1/p' <<<"$output" | sort -u)
    before=$(snapshot "$W")
    run_ecert deploy
    [ "$status" -eq 0 ]
    after=$(snapshot "$W")
    # every file that was there, is no log or pid file and changed is in the diff
    while read -r file; do
        case $file in
        "$W"/state/* | */logs/* | *.pid | "$W"/iis/* | */ssl_scache*) continue ;;
        esac
        echo "changed: $file"
        grep -qxF "$file" <<<"$files"
    done < <(diff <(grep -E '^[0-9a-f]{64} ' <<<"$before") <(grep -E '^[0-9a-f]{64} ' <<<"$after") |
        sed -nE 's/^[<>] [0-9a-f]{64}  //p' | sort -u)
    [ "$(served "$PORT" "$NAME")" = "$(sha256_of "$W/$NAME.cer")" ]
    [ "$(served "$APACHE_PORT" "$NAME")" = "$(sha256_of "$W/$NAME.cer")" ]
    before=$(snapshot "$W")
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
    [[ $output == *"nothing to change in files; "*"\`ecert status\`"* ]]
    same "$before" "$(snapshot "$W")"
}

@test "plan of a server whose configuration is broken now claims nothing about it" {
    drop "$W/$NAME.cer"
    ecert run --quiet
    echo 'no_such_directive on;' >>"$W/nginx/nginx.conf"
    run_ecert plan --target nginx
    [ "$status" -eq 0 ]
    [[ $output == *"nothing to change in files; "* ]]
    run_ecert plan --help
    [[ $output == *"whether a server accepts its"* ]]
}

@test "plan with nothing taken yet says what to do" {
    ecert fetch --quiet
    local before
    before=$(snapshot "$W")
    run_ecert plan --exit-code
    [ "$status" -eq 0 ]
    [[ $output == *"no certificate has been taken yet"*"$W/state/inbox"* ]]
    run_ecert plan --json
    [ "$(json '[(t["standing"], t["generation"]) for t in o["targets"]]' <<<"$output")" = \
        "[('not-issued', 0), ('not-issued', 0), ('not-issued', 0)]" ]
    same "$before" "$(snapshot "$W")"
}

@test "plan of a server that cannot be planned fails, and shows the others" {
    drop "$W/$NAME.cer"
    ecert fetch --quiet
    sed -i "s/server_name $NAME/server_name other.example/" "$W/nginx/conf.d/$NAME.conf"
    local before
    before=$(snapshot "$W")
    run_ecert plan
    [ "$status" -eq 1 ]
    [ "$(grep -c "^ecert: $NAME: nginx: " <<<"$stderr")" -eq 1 ]
    grep -qF -- "+++ $W/apache/sites/$NAME.conf" <<<"$output"
    run_ecert plan --json
    [ "$status" -eq 1 ]
    [ "$(json '[(t["plugin"], t["standing"], "error" in t) for t in o["targets"]]' <<<"$output")" = \
        "[('nginx', 'unfit', True), ('apache', 'wanted', False), ('iis-export', 'wanted', False)]" ]
    same "$before" "$(snapshot "$W")"
}

@test "status leaves with 0 however the targets stand, and with 1 when it cannot tell" {
    drop "$W/$NAME.cer"
    sed -i "s/server_name $NAME/server_name other.example/" "$W/nginx/conf.d/$NAME.conf"
    run_ecert run
    [ "$status" -eq 1 ]
    run_ecert status
    [ "$status" -eq 0 ]
    [[ $output == *"nginx: never deployed: owed"*"failed 1 time"* ]]
    echo '{' >"$W/state/certificates/$NAME/targets/nginx.json"
    run_ecert status
    [ "$status" -eq 1 ]
    [[ $stderr == "ecert: $NAME: nginx: "*nginx.json* ]]
    [[ $output == *"apache: has generation 1"* ]]
    run_ecert status --json
    [ "$status" -eq 1 ]
    [ "$(json '(o["exit"], len(o["errors"]))' <<<"$output")" = "(1, 1)" ]
    run_ecert status --help
    [[ $output == *"does not change the exit code"* ]]
}

@test "status, config, plugins, --help and a repeated run change nothing" {
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    local before args
    before=$(snapshot "$W")
    for args in status "status --json" config "config --reference" plugins --help "run --help" run \
        fetch "verify $W/$NAME.cer"; do
        # shellcheck disable=SC2086
        run_ecert $args
        [ "$status" -eq 0 ]
    done
    same "$before" "$(snapshot "$W")"
}
