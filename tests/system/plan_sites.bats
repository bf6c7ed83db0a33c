# `ecert plan` says of each site that a plugin looked at why it was taken or left, and of a plan that
# cannot be made because of which sites.
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
        "{'kind': 'server block', 'names': ['s1.example'], 'file': '/etc/sites.conf', 'line': 1, 'taken': False, 'refused': False, 'why': 'it has other names'}" ]
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

refusing() { # N [M]: a target whose plugin fails for N sites, and leaves M others
    write_config "{ plugin = \"sites\"; others = ${2:-1}; refused = $1; }" "" "plugin_dir = \"$W/plugins\";"
    ecert import --quiet "$W/$NAME.cer"
}

@test "a plan that fails because of sites lists every one of them, whatever the command" {
    refusing 60
    for command in run plan deploy "plan --verbose" "deploy --verbose"; do
        run_ecert $command
        echo "$command: $status"
        [ "$status" -ne 0 ]
        [ "$(grep -c "^  refuses /etc/sites.conf:[0-9]* 'u[0-9]*.example': it has another name\$" <<<"$stderr")" -eq 60 ]
        # behind what they explain
        grep -A 1 "there are 60 of them" <<<"$stderr" | grep -F "  refuses /etc/sites.conf:1 "
        # the others with --verbose
        [[ $command == *verbose && $output == *"would take 1 of 64 sites"* ||
            $command != *verbose && $output != *"/etc/mine.conf"* ]]
    done
    refusing 60
    run_ecert plan --quiet
    [ "$(grep -c "^  refuses" <<<"$stderr")" -eq 60 ]
}

@test "a plan that fails tells --json of the sites" {
    refusing 60
    run_ecert plan --json
    [ "$(json 'sum(s["refused"] for s in o["targets"][0]["sites"])' <<<"$output")" -eq 60 ]
    [ "$(json 'len(o["targets"][0]["sites"])' <<<"$output")" -eq 64 ]
    [ "$(json 'o["targets"][0]["error"]' <<<"$output")" = "there are 60 of them" ]
    [[ $output$stderr != *"  refuses"* ]]
    run_ecert deploy --json
    [ "$(json 'len(o["targets"][0]["sites"])' <<<"$output")" -eq 60 ]
}

everywhere_refuses() { # PLUGIN FOLDER TEXT: 60 sites with the old pair whose names are not covered
    run_ecert plan
    [ "$status" -ne 0 ]
    [[ $stderr == *"everywhere_it_was finds 60 $3 with names that '$NAME' does not cover: $2/"*" and others, which are listed below; "* ]]
    for i in $(seq 60); do
        grep -E "^  refuses $2/[a-z]+(\.d)?/many\.conf:[0-9]+ 'u$i\.other\.example( v$i\.other\.example)?': it uses .*, and the certificate does not cover 'u$i\.other\.example', 'v$i\.other\.example'\$" <<<"$stderr"
    done
    [ "$(grep -c "^  takes\|^  leaves" <<<"$output")" -eq 0 ]
    run_ecert deploy --json
    [ "$(json 'len([s for s in o["targets"][0]["sites"] if s["refused"]])' <<<"$output")" -eq 60 ]
}

@test "a real nginx: everywhere_it_was names each of 60 sites that the certificate does not cover" {
    old_pair "$W/old" "$NAME"
    local port i
    port=$(free_port)
    nginx_site "$W/nginx" "$port" "$NAME" "$W/old"
    for i in $(seq 60); do
        printf 'server {\n    listen 127.0.0.1:%s ssl;\n    server_name u%s.other.example v%s.other.example;\n    ssl_certificate %s.pem;\n    ssl_certificate_key %s.key;\n}\n' \
            "$port" "$i" "$i" "$W/old" "$W/old"
    done >"$W/nginx/conf.d/many.conf"
    write_config "{ plugin = \"nginx\"; may_write = [ \"$W/nginx\" ]; everywhere_it_was = true;
        command = [ \"$NGINX\", \"-p\", \"$W/nginx/\", \"-c\", \"$W/nginx/nginx.conf\" ]; }"
    ecert import --quiet "$W/$NAME.cer"
    everywhere_refuses nginx "$W/nginx" "server blocks"
}

@test "a real Apache: everywhere_it_was names each of 60 sites that the certificate does not cover" {
    old_pair "$W/old" "$NAME"
    local port i
    port=$(free_port)
    apache_site "$W/apache" "$port" "$NAME" "$W/old"
    for i in $(seq 60); do
        printf '<VirtualHost 127.0.0.1:%s>\n    ServerName u%s.other.example\n    ServerAlias v%s.other.example\n    SSLEngine on\n    SSLCertificateFile %s.pem\n    SSLCertificateKeyFile %s.key\n</VirtualHost>\n' \
            "$port" "$i" "$i" "$W/old" "$W/old"
    done >"$W/apache/sites/many.conf"
    write_config "{ plugin = \"apache\"; may_write = [ \"$W/apache\" ]; everywhere_it_was = true;
        command = [ \"$APACHE\", \"-f\", \"$W/apache/httpd.conf\" ]; }"
    ecert import --quiet "$W/$NAME.cer"
    everywhere_refuses apache "$W/apache" "virtual hosts"
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
