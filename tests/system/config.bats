# The configuration and the command line: every mistake at once, nothing done before it is right.

load common

# The line of the configuration with this text.
line_of() {
    grep -nF -- "$1" "$W/ecert.conf" | cut -d: -f1 | head -n 1
}

commands() {
    ecert --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'
}

refusal() { # COMMAND: the exit code for what is wrong before it runs; check speaks to monitoring
    if [ "$1" = check ]; then echo 3; else echo 2; fi
}

options_of() { # COMMAND: "--name" or "--name ARGUMENT", one per line
    ecert "$1" --help | sed -nE 's/^  -., (--[a-z-]+( [A-Z]+)?) .*/\1/p'
}

said() { # TEXT
    grep -qF -- "$1" <<<"$output$stderr"
}

# ---- mistakes ----

many_mistakes() {
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dri = "$W/ca/authorities";
proxy = "gopher://proxy.example";
certificates = (
  { name = "$NAME"; authority = "testpost";
    subscripton_ends = "2027-06-30";
    key = { file = "$W/keys/absent.key"; };
    cross_certificate = "yes";
    allow = [ "name" ];
    subscription_ends = "2027-02-30";
    source = { type = "ldap"; };
    targets = (
      { plugin = "ngnix"; },
      { plugin = "nginx"; comand = [ "/usr/sbin/nginx" ]; },
      { id = "third"; } ); },
  { name = "$NAME"; authority = "testpost"; },
  { name = "not a host"; authority = "testpost"; },
  { name = 5; authority = "testpost"; }
);
watch = (
  { file = "/etc/ssl/partner.pem"; starttls = "smtp"; },
  { endpoint = "mail.example"; thresholds = [ 30, 4000 ]; }
);
reminders = { digets = "monday"; email = { server = "smtp://mx.example"; user = "ecert";
  from = "ecert@example.com"; to = [ "nobody" ]; }; };
CONF
}

@test "more than ten mistakes are told at once, with file, line and the nearest key; exit 2" {
    many_mistakes
    run_ecert config
    [ "$status" -eq 2 ]
    local text
    while IFS='|' read -r text words; do
        echo "looking for line $(line_of "$text"): $words"
        grep -qE "$W/ecert.conf:$(line_of "$text"): .*$words" <<<"$stderr"
    done <<'ROWS'
authorities_dri|authorities_dri.*did you mean 'authorities_dir'
gopher|proxy.*gopher://proxy.example
subscripton_ends|subscripton_ends.*did you mean 'subscription_ends'
absent.key|absent.key
"yes"|cross_certificate.*true or false
allow|'name'.*did you mean 'names'
2027-02-30|2027-02-30
ldap|a source of type "ldap" lacks the key 'url'
ngnix|'ngnix'.*'nginx'
comand|comand.*did you mean 'command'
third|plugin
not a host|not a host
name = 5|must be a string
partner.pem|'starttls' does not apply here
mail.example|'mail.example' is not host:port
mail.example|4000 is not a number of days
digets|digets.*did you mean 'digest'
digets|'user' needs the key 'password_file'
nobody|'nobody' is not an e-mail address
ROWS
    # the second certificate of one name
    grep -qE "ecert.conf:16: .*$NAME" <<<"$stderr"
    # each on one line, in the order of the lines
    [ "$(grep -c "ecert.conf:[0-9]*: " <<<"$stderr")" -ge 14 ]
    [ "$(grep -oE 'ecert.conf:[0-9]+:' <<<"$stderr")" = \
        "$(grep -oE 'ecert.conf:[0-9]+:' <<<"$stderr" | sort -t: -k2 -n)" ]
    [ ! -e "$W/state" ]
}

@test "with mistakes no command does anything: exit 2 (check: 3), the tree is as before" {
    many_mistakes
    local command before operand
    before=$(snapshot "$W")
    for command in $(commands); do
        operand=""
        case $command in
        import | verify | restore) operand=$W/$NAME.cer ;;
        rollback | ack) operand=$NAME ;;
        report) operand=$W/report.html ;;
        init) operand="--output $W/first.conf" ;; # the other one is there
        esac
        # shellcheck disable=SC2086 # none, one, or an option with its argument
        run_ecert "$command" $operand
        [ "$status" -eq "$(refusal "$command")" ]
        grep -q 'ecert.conf:2: ' <<<"$stderr"
    done
    same "$before" "$(snapshot "$W")"
}

@test "a syntax error names its line" {
    write_config
    echo 'state_dir = = ;' >>"$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/ecert.conf:$(wc -l <"$W/ecert.conf"): "* ]]
}

@test "a configuration that is not there: exit 2, its name, nothing created" {
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/absent.conf" run
    echo "$stderr"
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/absent.conf"* ]]
    [ ! -e "$W/state" ]
}

@test "mistakes of an authority's profile are told by ecert config, with file and line" {
    write_config
    sed -i '1a anchorz = ( );' "$W/ca/authorities/testpost.conf"
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"testpost.conf:2:"*"anchorz"*"anchors"* ]]
    AUTHORITY=absent write_config
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"ecert.conf:$(line_of authority\ )"*"'absent'"* ]]
}

@test "a good configuration is fine, in text and in JSON" {
    write_config
    run_ecert config
    [ "$status" -eq 0 ]
    [[ $output == *"1 certificate, 1 target"* ]]
    run_ecert config --json
    [ "$status" -eq 0 ]
    [ "$(json '(o["certificates"], o["targets"])' <<<"$output")" = "(1, 1)" ]
}

@test "a configuration without certificates: a warning, exit 0" {
    printf 'state_dir = "%s/state";\ncertificates = ( );\n' "$W" >"$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
    [ "$output" = "$W/ecert.conf: no certificate is configured: nothing will be deployed" ]
    run_ecert config --json
    [ "$status" -eq 0 ]
    [ "$(json '(o["certificates"], o["warnings"])' <<<"$output")" = \
        "(0, ['$W/ecert.conf: no certificate is configured: nothing will be deployed'])" ]
}

@test "what there is is counted: certificates, targets, watches, contacts" {
    printf 'state_dir = "%s/state";\ncertificates = ( );\nwatch = ( { file = "/a"; }, { file = "/b"; } );\n' \
        "$W" >"$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
    [ "$output" = "$W/ecert.conf: fine: nothing is deployed, 2 watches are followed, 0 contacts" ]
    write_config "" "" "watch = ( { file = \"/a\"; } );
        contacts = ( { email = \"a@example.com\"; language = \"zh_HK\"; } );"
    run_ecert config
    [ "$status" -eq 0 ]
    said "$W/ecert.conf: fine: 1 certificate, "
    said ", 1 watch, 1 contact"
    run_ecert config --json
    [ "$(json '(o["certificates"], o["watches"], o["contacts"])' <<<"$output")" = "(1, 1, 1)" ]
}

@test "people who cannot be told, because there is no mail: a warning for each, once" {
    local people='watch = ( { file = "/a"; contacts = [ "a@example.com", "b@example.com" ]; },
        { file = "/b"; escalation = [ "A@example.com" ]; } );'
    printf 'state_dir = "%s/state";\ncertificates = ( );\n%s\nreminders = { escalation = [ "boss@example.com" ]; };\n' \
        "$W" "$people" >"$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
    said "a@example.com cannot be told: reminders has no 'email'"
    said "b@example.com cannot be told: reminders has no 'email'"
    said "boss@example.com cannot be told: reminders has no 'email'"
    [ "$(grep -ci 'a@example.com' <<<"$output")" = 1 ]
    # nor who is only a contact
    printf 'contacts = ( { email = "c@example.com"; }, { email = "B@example.com"; } );\n' >>"$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
    said "c@example.com cannot be told: reminders has no 'email'"
    [ "$(grep -ci 'b@example.com' <<<"$output")" = 1 ]
    printf 'state_dir = "%s/state";\ncertificates = ( );\n%s\nreminders = { email = { server = "smtp://mx.example";
        from = "e@example.com"; to = [ "t@example.com" ]; }; };\n' "$W" "$people" >"$W/ecert.conf"
    run_ecert config
    [ "$status" -eq 0 ]
    if said "cannot be told"; then false; fi
}

@test "a password file of one watch that is not there stops nothing: check tells of it" {
    printf 'state_dir = "%s/state";\ncertificates = ( );\nwatch = ( { name = "locked"; file = "%s/a.p12"; password_file = "%s/absent"; } );\n' \
        "$W" "$W" "$W" >"$W/ecert.conf"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/a.key" \
        -out "$W/a.pem" -subj "/CN=a" -days 300 2>/dev/null
    openssl pkcs12 -export -inkey "$W/a.key" -in "$W/a.pem" -passout pass:x -out "$W/a.p12"
    run_ecert config
    [ "$status" -eq 0 ]
    run_ecert check
    [ "$status" -eq 3 ]
    said "locked"
    said "$W/absent"
    said "password_file"
    printf 'x\n' >"$W/absent"
    chmod 666 "$W/absent"
    run_ecert config
    [ "$status" -eq 2 ]
    said "password_file"
}

@test "files in a directory that does not exist: told with the line by ecert config; a run leaves that target out" {
    ca_up
    write_config "{ plugin = \"iis-export\"; directory = \"$W/iis\"; },
        { plugin = \"nginx\"; may_write = [ \"$W\" ];
          files = { key = \"$W/absent/www.key\"; fullchain = \"$W/iis/www.pem\"; }; }"
    run_ecert config
    [ "$status" -eq 2 ]
    [ "$stderr" = "ecert: $W/ecert.conf:$(line_of '"nginx"'): target 'nginx': files: \
'$W/absent/www.key': its directory does not exist; make it, or correct the path" ]
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 1 ]
    [[ $output == *"iis-export: generation 1: files are in place"* ]]
    mkdir "$W/absent"
    run_ecert config
    [ "$status" -eq 0 ]
    ln -s "$W/nowhere/www.key" "$W/absent/www.key"
    run_ecert config
    [ "$status" -eq 2 ]
}

@test "include_dir: certificates of other files, and their mistakes with their file" {
    write_config "" "" "include_dir = \"$W/more\";"
    mkdir "$W/more"
    cat >"$W/more/two.conf" <<CONF
name = "two.example"; authority = "testpost"; key = { file = "$W/ec.key"; };
CONF
    run_ecert config --json
    [ "$status" -eq 0 ]
    [ "$(json 'o["certificates"]' <<<"$output")" = 2 ]
    echo 'authrity = "x";' >>"$W/more/two.conf"
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/more/two.conf:2:"*"did you mean 'authority'"* ]]
}

# ---- trust ----

@test "a configuration that others can write is not read" {
    write_config
    local before
    chmod 666 "$W/ecert.conf"
    before=$(snapshot "$W")
    run_ecert run
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/ecert.conf"*"written by others"* ]]
    same "$before" "$(snapshot "$W")"
    chmod 644 "$W/ecert.conf"
    if [ "$(id -u)" -eq 0 ]; then
        chown 65534 "$W/ecert.conf"
        run_ecert run
        [ "$status" -eq 2 ]
        [[ $stderr == *"$W/ecert.conf"*"belongs to"* ]]
        chown 0 "$W/ecert.conf"
    fi
    chmod 777 "$W"
    run_ecert run
    chmod 700 "$W"
    [ "$status" -eq 2 ]
    [[ $stderr == *"'$W'"*"written by others"* ]]
    run_ecert config
    [ "$status" -eq 0 ]
}

@test "an included file, a profile, a password file that others can write: the same" {
    write_config "" "" "include_dir = \"$W/more\";"
    mkdir "$W/more"
    echo "name = \"two.example\"; authority = \"testpost\"; key = { file = \"$W/ec.key\"; };" \
        >"$W/more/two.conf"
    chmod 666 "$W/more/two.conf"
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/more/two.conf"*"written by others"* ]]
    write_config
    chmod 666 "$W/ca/authorities/testpost.conf"
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *testpost.conf*"written by others"* ]]
    chmod 600 "$W/ca/authorities/testpost.conf"
    echo secret >"$W/pass"
    chmod 666 "$W/pass"
    KEY="file = \"$W/keys/$NAME.key\"; passphrase_file = \"$W/pass\";" write_config
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/pass"*"written by others"* ]]
}

@test "somebody else than root who may not look is told to run it as root" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    public_folder
    local as="setpriv --reuid=65534 --regid=65534 --clear-groups"
    # shellcheck disable=SC2086 # words
    $as test -r "$ECERT_BUILD/CMakeCache.txt" || skip "others may not enter $ECERT_BUILD"
    mkdir -m 700 "$PUBLIC/closed"
    printf 'state_dir = "%s/closed/state";\ncertificates = ( );\n' "$PUBLIC" >"$PUBLIC/ecert.conf"
    chmod 644 "$PUBLIC/ecert.conf"
    # shellcheck disable=SC2086 # words
    run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$PUBLIC/ecert.conf" status
    echo "$stderr"
    [ "$status" -eq 1 ]
    [[ $stderr == *"$PUBLIC/closed"*"Permission denied; run ecert as root" ]]
    chmod 600 "$PUBLIC/ecert.conf"
    # shellcheck disable=SC2086 # words
    run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$PUBLIC/ecert.conf" status
    echo "$stderr"
    [ "$status" -eq 2 ]
    [[ $stderr == *"$PUBLIC/ecert.conf"*"Permission denied; run ecert as root" ]]
    # a state directory of somebody else says so itself
    chmod 644 "$PUBLIC/ecert.conf"
    sed -i "s#closed/state#state#" "$PUBLIC/ecert.conf"
    mkdir -m 755 "$PUBLIC/state"
    # shellcheck disable=SC2086 # words
    run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$PUBLIC/ecert.conf" status
    echo "$stderr"
    [[ $stderr == *"belongs to user 0"*"run it as that user"* ]]
}

@test "an authority that somebody else than root may not see is not said to be absent" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    public_folder
    local as="setpriv --reuid=65534 --regid=65534 --clear-groups"
    # shellcheck disable=SC2086 # words
    $as test -r "$ECERT_BUILD/CMakeCache.txt" || skip "others may not enter $ECERT_BUILD"
    cp -r "$W/ca/authorities" "$PUBLIC/authorities"
    mkdir -m 700 "$PUBLIC/state"
    chown 65534:65534 "$PUBLIC/state"
    printf 'state_dir = "%s/state";\nauthorities_dir = "%s/authorities";\n%s\n' "$PUBLIC" "$PUBLIC" \
        'certificates = ( { name = "www.example.test"; authority = "testpost"; },
                          { name = "two.example.test"; authority = "testpost"; } );' >"$PUBLIC/ecert.conf"
    chmod 644 "$PUBLIC/ecert.conf"
    chmod 700 "$PUBLIC/authorities"
    # shellcheck disable=SC2086 # words
    run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$PUBLIC/ecert.conf" check --offline
    echo "$stderr"
    [ "$status" -eq 3 ]
    [[ $stderr == *"may not enter '$PUBLIC/authorities'; run ecert as root, or "* ]]
    [ "$(grep -c "may not enter" <<<"$stderr")" = 1 ]
    [[ $stderr != *"there is no authority"* ]]
    # the profile alone: everything else is still looked at
    chmod 755 "$PUBLIC/authorities"
    chmod 600 "$PUBLIC/authorities/testpost.conf"
    # shellcheck disable=SC2086 # words
    run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$PUBLIC/ecert.conf" check --offline
    echo "$output$stderr"
    [ "$status" -eq 1 ]
    [[ $output == *"$PUBLIC/authorities/testpost.conf"*"Permission denied"*"as root"*"group"* ]]
    # shellcheck disable=SC2086 # words
    run --separate-stderr $as "$ECERT_BUILD/ecert" --config "$PUBLIC/ecert.conf" config
    [ "$status" -eq 2 ]
    [ "$(grep -c "testpost.conf.*Permission denied" <<<"$stderr")" = 1 ]
}

@test "a command that others can write is not run" {
    printf '#!/bin/sh\ntouch %s/was-run\necho secret\n' "$W" >"$W/askpass"
    chmod 777 "$W/askpass"
    KEY="file = \"$W/keys/$NAME.key\"; passphrase_command = [ \"$W/askpass\" ];" write_config
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/askpass"*"written by others"* ]]
    [ ! -e "$W/was-run" ]
    chmod 755 "$W/askpass"
    KEY="file = \"$W/keys/$NAME.key\"; passphrase_command = [ \"askpass\" ];" write_config
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *askpass*absolute* ]]
}

# ---- the command line ----

@test "an unknown command, option, operand: one sentence with the nearest; exit 2" {
    write_config
    run_ecert depoly
    [ "$status" -eq 2 ]
    [[ $stderr == *"'depoly'"*"did you mean 'deploy'"* ]]
    run_ecert run --verbos
    [ "$status" -eq 0 ] || [[ $stderr == *verbos* ]]
    run_ecert run --qiuet
    [ "$status" -eq 2 ]
    [[ $stderr == *"'--qiuet'"*"did you mean '--quiet'"* ]]
    run_ecert plan --to 3
    [ "$status" -eq 2 ]
    [[ $stderr == *"\`ecert plan\` has no option '--to'"* ]]
    run_ecert import
    [ "$status" -eq 2 ]
    [[ $stderr == *"usage: ecert import"* ]]
    run_ecert run now
    [ "$status" -eq 2 ]
    [[ $stderr == *"'now' is not understood here; usage: ecert run [OPTION...]"* ]]
    run_ecert
    [ "$status" -eq 2 ]
    [[ $stderr == *"no command"* ]]
    run_ecert deploy --target
    [ "$status" -eq 2 ]
    [[ $stderr == *"'--target' needs an argument"* ]]
    run_ecert rollback "$NAME" --to minus
    [ "$status" -eq 2 ]
    [[ $stderr == *"--to 'minus' is not the number of a generation"* ]]
    local word
    for word in deploy plan fetch status rollback; do
        run_ecert "$word" www.myserver.con
        [ "$status" -eq 2 ]
        [[ $stderr == *"'www.myserver.con' (did you mean '$NAME'?)"* ]]
    done
    run_ecert import --name www.myserver.con "$W/$NAME.cer"
    [ "$status" -eq 2 ]
    [[ $stderr == *"'www.myserver.con' (did you mean '$NAME'?)"* ]]
    run_ecert fetch nothing.like.it
    [ "$status" -eq 2 ]
    [[ $stderr == *"'nothing.like.it'; "* ]]
}

@test "--help and --version" {
    run_ecert --help
    [ "$status" -eq 0 ]
    [ "$(commands | wc -l)" -ge 10 ]
    run_ecert --version
    [ "$status" -eq 0 ]
    [[ $output =~ ^ecert\ [0-9]+\.[0-9]+ ]]
}

@test "each command's --help lists the options that it takes, and no others are taken" {
    local command option all taken
    all=$(for command in $(commands); do options_of "$command"; done | sort -u)
    [ "$(wc -l <<<"$all")" -ge 12 ]
    for command in $(commands); do
        run_ecert "$command" --help
        [ "$status" -eq 0 ]
        [[ $output == "Usage: ecert $command"* ]]
        taken=$(options_of "$command")
        while read -r option; do
            [ "$option" != --help ] && [ "$option" != --version ] || continue
            # shellcheck disable=SC2086 # an option and its argument
            run --separate-stderr "$ECERT_BUILD/ecert" "$command" ${option/[A-Z]*/1} \
                --config "$W/absent.conf" x
            if grep -qxF -- "$option" <<<"$taken"; then
                [[ $stderr != *"has no option"* ]]
            else
                echo "$command $option: $stderr"
                [ "$status" -eq "$(refusal "$command")" ]
                [[ $stderr == *"has no option '${option%% *}'"* ]]
            fi
        done <<<"$all"
    done
}

@test "--json: one valid object from every command, when all is well and when it is not" {
    write_config
    ca_up
    local command operand config
    drop "$W/$NAME.cer"
    for config in good bad; do
        [ $config = good ] || echo 'unknown_key = 1;' >>"$W/ecert.conf"
        for command in $(commands); do
            operand=""
            case $command in
            import | verify) operand=$W/$NAME.cer ;;
            rollback | ack) operand=$NAME ;;
            report) operand=$W/report.html ;;
            esac
            # shellcheck disable=SC2086
            run_ecert "$command" --json $operand
            if [ $config = good ]; then
                [ "$(json '(o["command"], o["exit"])' <<<"$output")" = "('$command', $status)" ]
            else
                [ "$(json '(o["command"], o["exit"], len(o["errors"]) > 0)' <<<"$output")" = \
                    "('$command', $(refusal "$command"), True)" ]
                [ "$status" -eq "$(refusal "$command")" ]
            fi
        done
    done
}

@test "--json: a command line that is not understood is one object too, wherever --json stands" {
    write_config
    local args command
    while IFS='|' read -r command args; do
        # shellcheck disable=SC2086
        run_ecert $args
        [ "$status" -eq 2 ]
        [ "$(json '(o["command"], o["exit"], len(o["errors"]))' <<<"$output")" = "($command, 2, 1)" ]
        # the same sentence for a person
        [ "ecert: $(json 'o["errors"][0]' <<<"$output")" = "$stderr" ]
    done <<'ROWS'
None|--json depoly
None|depoly --json
None|--json
None|-qj
'run'|--json run now
'run'|run now --json
'run'|run --qiuet --json
'run'|run -zj
'import'|import -j
'plan'|plan --to 3 --json
'deploy'|deploy --json --target
'rollback'|rollback www.myserver.com --to minus --json
'fetch'|fetch www.myserver.con --json
'import'|import --name www.myserver.con --json x.cer
ROWS
    # behind -- it is an operand; without it nothing is printed
    run_ecert run -- --json
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    run_ecert depoly
    [ -z "$output" ]
}

@test "--json: a configuration that is absent, broken or not trusted is an error in the object" {
    run_ecert run --json
    [ "$status" -eq 2 ]
    [ "$(json '(o["command"], o["exit"], len(o["errors"]))' <<<"$output")" = "('run', 2, 1)" ]
    [[ $(json 'o["errors"][0]' <<<"$output") == *"$W/ecert.conf"* ]]
    echo 'state_dir = = ;' >"$W/ecert.conf"
    run_ecert config --json
    [ "$(json '(o["command"], o["exit"], len(o["errors"]) > 0)' <<<"$output")" = \
        "('config', 2, True)" ]
    write_config
    chmod 666 "$W/ecert.conf"
    run_ecert deploy --json
    [ "$(json '(o["command"], o["exit"], len(o["errors"]))' <<<"$output")" = "('deploy', 2, 1)" ]
}

@test "--json: failures of the work itself are in the object" {
    write_config
    ca_up
    local args
    for args in "import $W/absent" "import $W/foreign.cer" "verify $W/foreign.cer" "verify $W/absent" \
        "deploy absent.example" "rollback $NAME --to 7" "fetch absent.example"; do
        # shellcheck disable=SC2086
        run_ecert $args --json
        [ "$status" -ne 0 ]
        [ "$(json '(o["exit"], len(o["errors"]) > 0)' <<<"$output")" = "($status, True)" ]
    done
}

@test "rollback to a generation that there is not lists those that there are" {
    write_config
    ca_up
    run_ecert rollback "$NAME" --to 2
    [ "$status" -eq 1 ]
    [[ $stderr == *"'$NAME' has no generation yet"* ]]
    ecert import --quiet "$W/$NAME.cer"
    ecert import --quiet "$W/second.cer"
    run_ecert rollback "$NAME" --to 7
    [ "$status" -eq 1 ]
    [[ $stderr == *"'$NAME' has no generation 7; there are: 1, 2" ]]
}

@test "--quiet prints errors only" {
    write_config
    ca_up
    run_ecert import --quiet "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    [ -z "$output$stderr" ]
    run_ecert import --quiet "$W/foreign.cer"
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [ -n "$stderr" ]
}

@test "--reference prints every key of the configuration, of plugins and of profiles" {
    write_config "{ plugin = \"nginx\"; }"
    run_ecert config --reference
    [ "$status" -eq 0 ]
    local key
    for key in state_dir plugin_dir authorities_dir include_dir proxy certificates name names \
        authority passphrase_file passphrase_command where url ca_file password_file chain_file \
        cross_certificate allow subscription_ends targets server_names files fullchain probe \
        may_write watch directory glob endpoint endpoints_file server_name starttls use contacts \
        escalation thresholds note email language reminders server user from to webhook url_file \
        template secret_file command journal escalate_from subscription_thresholds digest \
        anchors intermediates cross_certificates sha256 revoked crls ocsp hosts policies; do
        grep -qE "(^|[^a-z_])$key([^a-z_]|\$)" <<<"$output" || { echo "no $key"; false; }
    done
    run_ecert config --reference --json
    [ "$status" -eq 0 ]
    [ "$(json '"passphrase_file" in o["reference"]' <<<"$output")" = True ]
    # without a configuration the keys alone
    run --separate-stderr "$ECERT_BUILD/ecert" config --reference --config "$W/absent.conf"
    [ "$status" -eq 0 ]
    [[ $output == *passphrase_file* ]]
}

@test "README mentions every command" {
    local command
    for command in $(commands); do
        grep -q "\`ecert $command" "$ROOT/README.md" || { echo "no $command"; false; }
    done
}

@test "a second run while another one holds the lock: exit 4" {
    write_config
    ecert fetch --quiet
    exec {held}>"$W/state/lock"
    flock "$held"
    run_ecert fetch
    exec {held}>&-
    [ "$status" -eq 4 ]
    [[ $stderr == *"another"* ]]
}

@test "standard output that cannot be written is an error, not a crash" {
    write_config
    local args
    for args in --help --version "config --config $W/ecert.conf" "run --help" \
        "config --reference --config $W/ecert.conf" "plugins --json --config $W/ecert.conf"; do
        run bash -c "'$ECERT_BUILD/ecert' $args >/dev/full"
        echo "$args: $output ($status)"
        [ "$status" -eq 1 ]
        [[ $output == *"standard output"* ]]
    done
}
