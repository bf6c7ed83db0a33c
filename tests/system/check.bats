# `ecert check`: what is told, to people and to programs, and the exit codes of monitoring.
#
# covers: core/monitor/monitor.h core/monitor/findings.h core/monitor/finding.h core/monitor/finding_json.h

load deploying

prepare() {
    local day
    for day in 300 20 2; do # of a year
        test_ca issue "$W/ca" "d$day.myserver.com" --ec --out "$W/d$day" \
            --not-before "$(date -u -d "$((day - 365)) days" +%Y%m%d%H%M%SZ)" \
            --not-after "$(date -u -d "$day days 12 hours" +%Y%m%d%H%M%SZ)"
    done
    test_ca issue "$W/ca" old.myserver.com --ec --not-before 20250101000000Z \
        --not-after 20250701000000Z --out "$W/old"
    printf 'no certificate\n' >"$W/broken.cer"
}

# watching NAME=FILE...: nothing is managed, these files are watched
watching() {
    local pair
    {
        printf 'state_dir = "%s/state";\nauthorities_dir = "%s/ca/authorities";\n' "$W" "$W"
        printf 'certificates = ( );\nwatch = ( '
        for pair; do
            [ "$pair" = "$1" ] || printf ', '
            printf '{ name = "%s"; file = "%s"; }' "${pair%%=*}" "${pair#*=}"
        done
        printf ' );\n'
    } >"$W/ecert.conf"
}

everything() {
    watching fine="$W/d300.cer" month="$W/d20.cer" now="$W/d2.cer" past="$W/old.cer" \
        broken="$W/broken.cer" gone="$W/gone.cer"
}

@test "a table: worse first, then the earlier end; what to do below; fine ones counted" {
    everything
    run_ecert check
    [ "$status" -eq 2 ]
    is "first line" "STATE     DAYS  NAME    WHERE" "${lines[0]}"
    is "order" "past now month broken gone" \
        "$(awk '/^(critical|due|unknown|fine)/ { print $3 }' <<<"$output" | xargs)"
    says "expired" "expires in 2 days" "not there: " "$W/gone.cer" "2 critical, 1 due, 2 unknown, 1 fine"
    says_not $'\033' "d300.cer"
    # state and advice, indented
    [ "$(grep -c '^         [^ ]' <<<"$output")" -ge 10 ]
    run_ecert check --verbose
    is "listed too" "past now month broken gone fine" \
        "$(awk '/^(critical|due|unknown|fine)/ { print $3 }' <<<"$output" | xargs)"
    run_ecert check --quiet
    [ "$status" -eq 2 ]
    [ -z "$output$stderr" ]
}

@test "below each: how it stands, why that matters, what to do, within 80 columns" {
    everything
    run_ecert check past broken
    local words
    words=$(tr -s ' \n' ' ' <<<"$output")
    [[ $words == *" past "*" expired "*" Why: "*" To do: "*" broken "*" understood "*" Why: "*" To do: "* ]]
    is "too wide" "" "$(grep -v "$W/" <<<"$output" | grep -E '.{81}' || true)"
    # the same three texts as the JSON has
    local part
    for part in state why what_to_do; do
        [[ $words == *"$(ecert check past --json | jq -r ".findings[0].$part")"* ]]
    done
}

@test "exit codes: 0 fine, 1 due, 2 critical, 3 could not tell; due is worse than that" {
    local row code pairs
    while read -r code pairs; do
        # shellcheck disable=SC2086 # words
        watching $pairs
        run_ecert check
        is "$pairs" "$code" "$status"
    done <<ROWS
0 a=$W/d300.cer
1 a=$W/d300.cer b=$W/d20.cer
2 a=$W/d2.cer b=$W/d20.cer
3 a=$W/d300.cer b=$W/gone.cer
3 a=$W/broken.cer
1 a=$W/broken.cer b=$W/d20.cer
2 a=$W/broken.cer b=$W/old.cer
ROWS
}

@test "what cannot be prepared is 3 too, and a monitoring plugin gets its line" {
    run --separate-stderr "$ECERT_BUILD/ecert" --config "$W/absent.conf" check --nagios
    [ "$status" -eq 3 ]
    [[ $output == "ECERT UNKNOWN - "*"$W/absent.conf"* ]]
    everything
    run_ecert check --bogus
    [ "$status" -eq 3 ]
    run_ecert check moth
    [ "$status" -eq 3 ]
    says "did you mean 'month'" '`ecert check --verbose` lists them'
    echo 'bogus = 1;' >>"$W/ecert.conf"
    run_ecert check --json
    [ "$status" -eq 3 ]
    is "exit in the JSON" 3 "$(json 'o["exit"]' <<<"$output")"
}

@test "by name: only these" {
    everything
    run_ecert check fine
    [ "$status" -eq 0 ]
    is "all of it" "1 fine" "$output"
    run_ecert check fine month
    [ "$status" -eq 1 ]
    says "month" "1 due, 1 fine"
}

@test "--json: every finding, fine ones too, each with all its keys" {
    everything
    run_ecert check --json
    [ "$status" -eq 2 ]
    is "names" "past now month broken gone fine" \
        "$(json '" ".join(f["name"] for f in o["findings"])' <<<"$output")"
    is "urgencies" "critical critical due unknown unknown fine" \
        "$(json '" ".join(f["urgency"] for f in o["findings"])' <<<"$output")"
    is "conditions" "expired expires expires undecodable missing fine" \
        "$(json '" ".join(f["condition"] for f in o["findings"])' <<<"$output")"
    is "counts" "2 1 2 1 critical" "$(json '" ".join(str(o["counts"][k]) for k in
        ("critical", "due", "unknown", "fine")) + " " + o["worst"]' <<<"$output")"
    is "keys" "acknowledged_until condition days detail name not_after not_before note serial \
sha256 state threshold title urgency watched what_to_do where why" \
        "$(json '" ".join(sorted(set.intersection(*(set(f) for f in o["findings"]))))' <<<"$output")"
    is "why and what to do of what is not fine only" "True True True True True False" \
        "$(json '" ".join(str(f["why"] is not None and f["what_to_do"] is not None)
            for f in o["findings"])' <<<"$output")"
    is "serial" "$(openssl x509 -in "$W/d2.cer" -noout -serial | cut -d= -f2)" \
        "$(json 'o["findings"][1]["serial"]' <<<"$output")"
    is "days" "(2, 20)" "$(json 'tuple(o["findings"][i]["days"] for i in (1, 2))' <<<"$output")"
}

@test "a finding is the same object for programs that ask and for those that are told" {
    cat >"$W/told" <<'SH'
#!/bin/sh
cat >>"$(dirname "$0")/heard"
SH
    chmod 755 "$W/told"
    watching now="$W/d2.cer" gone="$W/gone.cer"
    sed -i 's|file = "\([^"]*d2.cer\)";|& note = "the 中文 shop";|' "$W/ecert.conf"
    printf 'reminders = { command = [ "%s" ]; };\n' "$W/told" >>"$W/ecert.conf"
    run_ecert remind --json
    local asked heard
    asked=$(ecert check --json | jq -S '[.findings[] | del(.acknowledged_until)] | sort_by(.name)')
    heard=$(jq -S -s '[.[] | select(.kind == "reminder").findings[]] | sort_by(.name)' "$W/heard")
    is "note" "the 中文 shop" "$(jq -r '.[1].note' <<<"$asked")"
    # `told` is told of the threshold only
    is "findings" "$asked" "$heard"
}

@test "--nagios: one status line with figures, then a line for each that is not fine" {
    everything
    run_ecert check --nagios
    [ "$status" -eq 2 ]
    [[ ${lines[0]} =~ ^ECERT\ CRITICAL\ -\ 2\ critical,\ 1\ due,\ 2\ unknown,\ 1\ fine\;\ past:\  ]]
    [[ ${lines[0]} =~ \|\ critical=2\;\;0\ due=1\;0\ unknown=2\ fine=1\ soonest=-[0-9]+$ ]]
    is "lines" 6 "${#lines[@]}"
    is "one bar" 1 "$(tr -cd '|' <<<"$output" | wc -c)"
    watching 'a|b'="$W/d20.cer"
    run_ecert check --nagios
    [ "$status" -eq 1 ]
    is "one bar" 1 "$(tr -cd '|' <<<"$output" | wc -c)"
    watching a="$W/d300.cer"
    run_ecert check --nagios
    [ "$status" -eq 0 ]
    [[ $output =~ ^ECERT\ OK\ -\ 1\ fine\ \| ]]
}

@test "--prometheus: a file for node_exporter, whole or not at all" {
    everything
    mkdir "$W/textfiles"
    run_ecert check --prometheus "$W/textfiles/ecert.prom"
    [ "$status" -eq 2 ]
    is "mode" 644 "$(stat -c %a "$W/textfiles/ecert.prom")"
    is "nothing beside it" ecert.prom "$(ls -A "$W/textfiles")"
    local end
    end=$(date -d "$(openssl x509 -in "$W/d20.cer" -noout -enddate | cut -d= -f2)" +%s)
    grep -qE "^ecert_certificate_not_after_seconds\{name=\"month\",.*\} $end\$" "$W/textfiles/ecert.prom"
    grep -q '^ecert_findings{urgency="critical"} 2$' "$W/textfiles/ecert.prom"
    is "each series once" "" "$(grep -v '^#' "$W/textfiles/ecert.prom" | sed 's/ [0-9]*$//' | sort | uniq -d)"
    # the table is as without it
    says_not "d300.cer"
    local before
    before=$(snapshot "$W/textfiles")
    run_ecert check --prometheus "$W/textfiles/absent/ecert.prom"
    [ "$status" -eq 2 ]
    says "$W/textfiles/absent"
    run_ecert check moth --prometheus "$W/textfiles/ecert.prom"
    [ "$status" -eq 3 ]
    same "$before" "$(snapshot "$W/textfiles")"
    # where nobody was ever reminded nothing is owed, which is no failure
    watching a="$W/d300.cer"
    run_ecert check --prometheus "$W/textfiles/ecert.prom"
    [ "$status" -eq 0 ]
    is "all of it" "1 fine" "$output$stderr"
}

@test "promtool finds nothing wrong with the metrics" {
    command -v promtool >/dev/null || skip "promtool (package prometheus) is not installed"
    watching fine="$W/d300.cer" '中文 \"quoted\"'="$W/d20.cer" gone="$W/gone.cer"
    run_ecert check --prometheus "$W/ecert.prom"
    run promtool check metrics <"$W/ecert.prom"
    echo "$output"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "promtool finds nothing wrong with the alerts" {
    command -v promtool >/dev/null || skip "promtool (package prometheus) is not installed"
    run promtool check rules "$ROOT/etc/prometheus/ecert-alerts.yml"
    echo "$output"
    [ "$status" -eq 0 ]
    # every metric that they name is one that is written
    watching month="$W/d20.cer"
    ecert check --quiet --prometheus "$W/ecert.prom" || true
    local metric
    for metric in $(grep -oE 'ecert_[a-z_]+' "$ROOT/etc/prometheus/ecert-alerts.yml" | sort -u); do
        grep -q "^$metric[{ ]" "$W/ecert.prom"
    done
}

@test "on a terminal: colours; else none" {
    command -v script >/dev/null || skip "script (package bsdutils) is not installed"
    everything
    run script -qec "$ECERT_BUILD/ecert --config $W/ecert.conf check" /dev/null
    [ "$status" -eq 2 ]
    [[ $output == *$'\033[1;31mcritical\033[0m'* ]]
    [[ $output == *$'\033[33mdue     \033[0m'* ]]
}

@test "hostile names, of a certificate and of a file, reach neither a terminal nor the metrics" {
    mkdir "$W/found"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/evil.key" \
        -subj $'/CN=\e]0;owned\a\n# HELP x' -days 1 -out "$W/found/"$'\e[31m\n# HELP x|y".cer' 2>/dev/null
    printf 'state_dir = "%s/state";\ncertificates = ( );\nwatch = ( { name = "evil"; directory = "%s"; } );\n' \
        "$W" "$W/found" >"$W/ecert.conf"
    local form
    for form in --verbose --nagios --json; do
        run_ecert check "$form" --prometheus "$W/ecert.prom"
        [ "$status" -ne 3 ]
        says_not $'\033' $'\a'
        is "a line of its own" "" "$(grep '^# HELP x' <<<"$output")"
    done
    is "in the metrics" "" "$(grep $'\033\|^# HELP x' "$W/ecert.prom")"
    ! command -v promtool >/dev/null || promtool check metrics <"$W/ecert.prom"
}

@test "what was found is told, whatever fails behind it" {
    everything
    printf 'not ours\n' >"$W/taken"
    run_ecert check --prometheus "$W/taken"
    [ "$status" -eq 2 ]
    says "past" "2 critical, 1 due, 3 unknown, 1 fine"
    [[ $stderr == *"$W/taken"* ]]
    is "kept" "not ours" "$(cat "$W/taken")"
    run_ecert check --prometheus "$W/taken" --nagios
    [ "$status" -eq 2 ]
    [[ ${lines[0]} == "ECERT CRITICAL - 2 critical, 1 due, 3 unknown"*"unknown=3"* ]]
    [[ ${lines[-1]} == "UNKNOWN: not all of it: "*"$W/taken"* ]]
    watching a="$W/d300.cer"
    run_ecert check --prometheus "$W/taken" --nagios
    [ "$status" -eq 3 ]
    [[ ${lines[0]} == "ECERT UNKNOWN - 1 unknown, 1 fine; "*"$W/taken"*"| "* ]]
    run_ecert check --prometheus "$W/taken" --json
    [ "$status" -eq 3 ]
    is "finding and error" "fine 1" "$(jq -r '"\(.findings[0].urgency) \(.errors | length)"' <<<"$output")"
}

@test "what was found is told when the machinery fails in the middle" {
    write_config
    printf 'watch = ( { name = "f"; file = "%s"; } );\n' "$W/d2.cer" >>"$W/ecert.conf"
    # no descriptor is left for the process that decodes
    run --separate-stderr prlimit --nofile=4 "$ECERT_BUILD/ecert" --config "$W/ecert.conf" \
        check --offline 3>&-
    echo "$output$stderr"
    [ "$status" -eq 1 ]
    says "$NAME" "no issued certificate has been taken yet" "1 due, 4 unknown" # with three CRLs
    [[ $stderr == *"the process that decodes certificates: "*"oo many open files"* ]]
}

@test "a network half that cannot be used hides nothing of what is on disk" {
    watching a="$W/d2.cer"
    sed -i 's|watch = (|& { name = "e"; endpoint = "127.0.0.1:9"; },|' "$W/ecert.conf"
    printf 'reminders = { command = [ "%s/told" ]; };\n' "$W" >>"$W/ecert.conf"
    printf '#!/bin/sh\ncat >>%s/heard\n' "$W" >"$W/told"
    mkdir "$W/bin"
    cp "$ECERT_BUILD/ecert" "$W/told" "$W/bin"
    cp "$W/told" "$W/bin/ecert-net"
    chmod 755 "$W/told"
    chmod 777 "$W/bin/ecert-net"
    run --separate-stderr "$W/bin/ecert" --config "$W/ecert.conf" check
    echo "$output$stderr"
    [ "$status" -eq 2 ]
    says "expires in 2 days" "does not answer: the network half: " "1 critical, 1 unknown"
    tr -s ' \n' ' ' <<<"$output" | grep -q "/ecert-net' can be written by others"
    "$W/bin/ecert" --config "$W/ecert.conf" remind --quiet
    is "told without it" a "$(jq -rs '.[0].findings[0].name' "$W/heard")"
    # what changes servers is not begun without it
    run --separate-stderr "$W/bin/ecert" --config "$W/ecert.conf" run
    [ "$status" -eq 1 ]
    [[ $stderr == *"the network half: "* ]]
}

@test "--offline: how many servers were not looked at is said" {
    printf '127.0.0.1:9\n127.0.0.1:10 www.x.hk\nnonsense\n' >"$W/list"
    watching a="$W/d300.cer"
    local more="{ name = \"l\"; endpoints_file = \"$W/list\"; }, { name = \"e\"; endpoint = \"127.0.0.1:11\"; },"
    sed -i "s|watch = (|& $more|" "$W/ecert.conf"
    run_ecert check --offline
    [ "$status" -eq 3 ]
    says "not looked at (--offline): 0 live servers, 3 watched endpoints"
    run_ecert check --offline e a
    [ "$status" -eq 0 ]
    says "0 live servers, 1 watched endpoint"
    is "JSON" "0 3" "$(ecert check --offline --json | jq -r '.not_looked_at | "\(.live) \(.watched)"')"
    run_ecert check --offline a
    says_not "not looked at"
    run_ecert check a
    says_not "not looked at"
}

@test "a check changes nothing" {
    everything
    ecert check --quiet || true
    local before
    before=$(snapshot "$W")
    run_ecert check --offline
    [ "$status" -eq 2 ]
    same "$before" "$(snapshot "$W")"
}

@test "dates that cannot be read are no end for ever; 1970 is long past" {
    openssl x509 -in "$W/d300.cer" -outform DER -out "$W/d300.der"
    python3 - "$W/d300.der" "$W" <<'PY'
import re, sys
der = open(sys.argv[1], "rb").read()
times = list(re.finditer(rb"\x17\x0d\d{12}Z", der))
for at, text, name in ((1, b"\x17\x0dXX0101000000Z", "after"), (0, b"\x17\x0dXX0101000000Z", "before"),
                       (1, b"\x17\x0d700101000000Z", "epoch")):
    start, end = times[at].span()
    open(f"{sys.argv[2]}/{name}.der", "wb").write(der[:start] + text + der[end:])
PY
    local name
    for name in after before; do
        watching a="$W/$name.der"
        run_ecert check --nagios
        is "$name" 3 "$status"
        says "its dates cannot be read"
    done
    watching a="$W/epoch.der"
    run_ecert check --json
    [ "$status" -eq 2 ]
    is "condition" expired "$(json 'o["findings"][0]["condition"]' <<<"$output")"
}

@test "nothing watched, nothing looked at: no good news" {
    printf 'state_dir = "%s/state";\ncertificates = ( );\n' "$W" >"$W/ecert.conf"
    run_ecert check
    [ "$status" -eq 3 ]
    says "nothing is watched"
    run_ecert check --nagios
    [ "$status" -eq 3 ]
    [[ $output == "ECERT UNKNOWN - nothing is watched"* ]]
    printf 'watch = ( { name = "far"; endpoint = "127.0.0.1:9"; } );\n' >>"$W/ecert.conf"
    run_ecert check --offline far
    [ "$status" -eq 3 ]
    says "nothing was looked at"
}

@test "a directory: what is called a certificate and is none; keys, requests and CRLs are fine" {
    mkdir "$W/found"
    cp "$W/d300.cer" "$W/found/good.crt"
    cp "$W/d300.key" "$W/found/key.pem" 2>/dev/null ||
        openssl genpkey -algorithm ed25519 -out "$W/found/key.pem"
    printf 'just words\n' >"$W/found/README"
    printf 'state_dir = "%s/state";\ncertificates = ( );\nwatch = ( { name = "d"; directory = "%s"; } );\n' \
        "$W" "$W/found" >"$W/ecert.conf"
    run_ecert check
    [ "$status" -eq 0 ]
    printf 'just words\n' >"$W/found/words.crt"
    : >"$W/found/empty.PEM"
    mkfifo "$W/found/pipe.cer" "$W/found/pipe"
    run_ecert check --json
    [ "$status" -eq 3 ]
    is "conditions" "fine undecodable undecodable unreadable" \
        "$(json '" ".join(sorted(f["condition"] for f in o["findings"]))' <<<"$output")"
    says "words.crt" "empty.PEM" "pipe.cer"
}

@test "nobody is told, or somebody cannot be: said once, where there is something to tell" {
    local nobody="\`reminders\` has no 'email', 'webhook' or 'command'"
    local base
    base=$(printf 'state_dir = "%s/state";\ncertificates = ( );\nwatch = ( { file = "%s"; } );\n' "$W" "$W/absent.pem")
    echo "$base" >"$W/ecert.conf"
    run_ecert check
    [ "$status" -eq 3 ]
    [ "$(grep -cF "$nobody" <<<"$output")" = 1 ]
    run_ecert check --json
    [ "$(json 'len(o["warnings"])' <<<"$output")" = 1 ]
    run_ecert check --nagios
    [[ $output != *"$nobody"* ]]
    run_ecert run
    [ "$status" -eq 0 ]
    [ "$(grep -cF "$nobody" <<<"$output")" = 1 ]
    run_ecert remind --owed
    [[ $output != *"$nobody"* ]]
    # a channel that does not reach the addresses
    printf '%s\nreminders = { command = "/bin/true"; escalation = [ "boss@example.com" ]; };\n' "$base" \
        >"$W/ecert.conf"
    run_ecert check
    says "1 address (boss@example.com) cannot be told: reminders has no 'email'"
    [[ $output != *"$nobody"* ]]
    # nothing is wrong: nothing is said
    cp "$W/ca/root.pem" "$W/absent.pem" 2>/dev/null || openssl req -x509 -newkey ec -nodes -days 900 \
        -pkeyopt ec_paramgen_curve:P-256 -keyout "$W/a.key" -out "$W/absent.pem" -subj /CN=a 2>/dev/null
    echo "$base" >"$W/ecert.conf"
    run_ecert check
    [ "$status" -eq 0 ]
    [[ $output != *"$nobody"* ]]
}

@test "a pattern: a directory that cannot be listed is told" {
    mkdir "$W/found"
    ln -s loop "$W/found/loop"
    printf 'state_dir = "%s/state";\ncertificates = ( );\nwatch = ( { name = "g"; glob = "%s"; } );\n' \
        "$W" "$W/found/loop/*.pem" >"$W/ecert.conf"
    run_ecert check --nagios
    [ "$status" -eq 3 ]
    says "the directory '$W/found/loop' cannot be listed: " "1 unknown, 0 fine"
}
