# `ecert plan` says of each site that a plugin looked at why it was taken or left.
#
# covers: core/cli/sites.h

load common

prepare() {
    ca_up
    mkdir "$W/plugins"
    cp "$ECERT_BUILD"/plugins/*.so "$ECERT_BUILD/tests/plugins/sites.so" "$W/plugins"
    chmod 755 "$W/plugins"
}

sites_of() { # N: a target whose plugin leaves N sites for one reason
    write_config "{ plugin = \"sites\"; others = $1; }" "" "plugin_dir = \"$W/plugins\";"
    ecert import --quiet "$W/$NAME.cer"
}

@test "each site has a line: what is taken first, and what is left with its reason" {
    sites_of 2
    run_ecert plan
    [ "$status" -eq 0 ]
    [ "$(sed -n 1,6p <<<"$output")" = "$NAME: sites: takes 1 of 5 sites
  takes /etc/mine.conf:7 'www.myserver.com': it has the name 'www.myserver.com'
  leaves a server block: the plugin gives no reason
  leaves /etc/sites.conf:1 's1.example': it has other names
  leaves /etc/sites.conf:2 's2.example': it has other names
  leaves /etc/\\x1B[1msites.conf 'odd\\xFF': it is \\x0Aodd" ]
    run_ecert plan --quiet
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "more than 20 left for one reason are counted, and shown with --verbose" {
    sites_of 20
    run_ecert plan
    [ "$(grep -c 'it has other names$' <<<"$output")" -eq 20 ]
    sites_of 21
    run_ecert plan
    [ "$(grep -c 'it has other names' <<<"$output")" -eq 1 ]
    grep -Fx "  leaves 21 sites: it has other names (--verbose shows each)" <<<"$output"
    run_ecert plan --verbose
    [ "$(grep -c 'it has other names$' <<<"$output")" -eq 21 ]
}

@test "--json has every site" {
    sites_of 4000
    run_ecert plan --json
    [ "$status" -eq 0 ]
    [ "$(json 'len(o["targets"][0]["sites"])' <<<"$output")" -eq 4003 ]
    [ "$(json 'o["targets"][0]["sites"][1]' <<<"$output")" = \
        "{'kind': 'server block', 'names': ['s1.example'], 'file': '/etc/sites.conf', 'line': 1, 'taken': False, 'why': 'it has other names'}" ]
    [ "$(json '[s["line"] for s in o["targets"][0]["sites"] if s["taken"]]' <<<"$output")" = "[7]" ]
    [ "$(json 'o["targets"][0]["sites"][0]["why"]' <<<"$output")" = None ]
}

@test "a deployment asks for the sites with --verbose only" {
    sites_of 2
    run_ecert deploy --json
    [ "$(json '"sites" in o["targets"][0]' <<<"$output")" = False ]
    run_ecert deploy
    [ "$status" -eq 0 ]
    [[ $output != *"takes /etc/mine.conf"* ]]
    run_ecert deploy --verbose
    [[ $output == *"  takes /etc/mine.conf:7 'www.myserver.com': it has"* ]]
    drop "$W/$NAME.cer"
    run_ecert run --verbose
    [ "$status" -eq 0 ]
}

@test "a real nginx: the block with the name is taken, the others are left and said why" {
    old_pair "$W/old" "$NAME"
    local port
    port=$(free_port)
    nginx_site "$W/nginx" "$port" "$NAME" "$W/old"
    printf 'server { listen 127.0.0.1:%s; server_name plain.example; }\n' "$(free_port)" \
        >"$W/nginx/conf.d/plain.conf"
    write_config "{ plugin = \"nginx\"; may_write = [ \"$W/nginx\" ];
        command = [ \"$NGINX\", \"-p\", \"$W/nginx/\", \"-c\", \"$W/nginx/nginx.conf\" ]; }"
    ecert import --quiet "$W/$NAME.cer"
    run_ecert plan
    [ "$status" -eq 0 ]
    grep -F "  takes $W/nginx/conf.d/$NAME.conf:1 '$NAME': " <<<"$output"
    grep -F "  leaves $W/nginx/conf.d/plain.conf:1 'plain.example': " <<<"$output"
    # before the diff
    [ "$(grep -nF "  takes " <<<"$output" | cut -d : -f 1)" -lt \
        "$(grep -n '^--- ' <<<"$output" | cut -d : -f 1)" ]
}
