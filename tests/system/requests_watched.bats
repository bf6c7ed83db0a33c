# Requests that wait too long, and copies of keys that do not bring a key back: told, and reminded of.
#
# covers: core/issue/backup.h

load reminding

prepare() { # by setup
    ca_up
    printf 'open sesame and more\n' >"$W/passphrase"
    chmod 600 "$W/passphrase"
    mkdir -m 700 "$W/backups"
    printf '#!/bin/sh\nn=$(ls %s/paged-* 2>/dev/null | wc -l)\ncat >%s/paged-$((n + 1))\n' "$W" "$W" >"$W/page"
    chmod 700 "$W/page"
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
organization = { country = "HK"; state = "Hong Kong"; locality = "Hong Kong"; name = "Test Post"; };
backup = { passphrase_file = "$W/passphrase"; places = [ "$W/backups" ]; };
certificates = ( { name = "$NAME"; authority = "testpost"; } );
reminders: { journal = false; digest = "never"; command = [ "$W/page" ]; };
CONF
}

# asked [OPTION...]: one request, and one copy of its key
asked() {
    run_ecert request --no-caa "$NAME" "$@"
    [ "$status" -eq 0 ]
    REQUEST=$(echo "$W/state/certificates/$NAME/requests"/*)
    BACKUP=$(echo "$W/backups"/*)
}

# findings KIND: condition and place of each, from `ecert check`
findings() {
    json '"\n".join(f["condition"] + " " + f["where"] for f in o["findings"] if f["watched"] == "'"$1"'")' <<<"$output"
}

checked() { # [WHEN]
    if [ $# -gt 0 ]; then run later "$1" check --offline --json; else run_ecert check --offline --json; fi
}

@test "a young request is fine, and takes the place of 'nothing was issued'; an old one is due" {
    asked
    checked
    is "requests" "fine request ${REQUEST##*/}" "$(findings request)"
    is "certificates" "" "$(findings certificate)"
    is "backups" "fine $BACKUP" "$(findings backup)"
    checked '6 days 23 hours'
    is "within a week" "fine request ${REQUEST##*/}" "$(findings request)"
    checked '7 days 1 minute'
    [ "$status" -eq 1 ]
    is "after a week" "pending request ${REQUEST##*/}" "$(findings request)"
    run later '8 days' check --offline
    says "the certificate has not come back from the CA yet"
    says "ecert request --list"
}

@test "of an emergency everything is waited for with less patience" {
    asked --reason "the CA asks for it"
    checked '23 hours'
    is "within a day" "fine request ${REQUEST##*/}" "$(findings request)"
    checked '25 hours'
    is "after a day" "pending request ${REQUEST##*/}" "$(findings request)"
}

@test "requests_after of the configuration counts" {
    asked
    sed -i 's/digest = "never";/digest = "never"; requests_after = 21;/' "$W/ecert.conf"
    checked '20 days'
    is "in time" "fine request ${REQUEST##*/}" "$(findings request)"
    checked '22 days'
    is "too late" "pending request ${REQUEST##*/}" "$(findings request)"
}

# pages: how many told of a request that waits too long
pages() {
    cat "$W"/paged-* 2>/dev/null | { grep -o '"condition": *"pending"' || true; } | wc -l
}

@test "somebody is reminded of it, once, and again after a week; not of one that was given up" {
    asked
    later '2 days' remind --offline || true # the CRLs cannot be told offline
    is "too early" 0 "$(pages)"
    later '8 days' remind --offline || true
    is "after a week" 1 "$(pages)"
    later '9 days' remind --offline || true
    is "the day after" 1 "$(pages)"
    later '16 days' remind --offline || true
    is "after another week" 2 "$(pages)"
    run_ecert request --cancel "$NAME"
    [ "$status" -eq 0 ]
    later '30 days' remind --offline || true
    is "given up" 2 "$(pages)"
}

@test "a request whose key is gone, is everybody's, or whose files are damaged" {
    asked
    chmod 644 "$REQUEST/privkey.pem"
    checked
    is "shown to all" "unreadable request ${REQUEST##*/}" "$(findings request)"
    chmod 600 "$REQUEST/privkey.pem"
    mv "$REQUEST/privkey.pem" "$W/away"
    checked
    [ "$status" -eq 2 ]
    is "gone" "missing request ${REQUEST##*/}" "$(findings request)"
    run_ecert check --offline
    says "its key is not there any more"
    says "ecert restore FILE"
    mv "$W/away" "$REQUEST/privkey.pem"
    echo "{" >"$REQUEST/request.json"
    checked
    is "damaged" "undecodable request ${REQUEST##*/}" "$(findings request)"
}

@test "a copy that is gone, changed, or does not open any more" {
    asked
    mv "$BACKUP" "$W/away"
    checked
    is "gone" "missing $BACKUP" "$(findings backup)"
    [ "$status" -eq 1 ]
    { head -c 200 "$W/away" && printf x && tail -c +202 "$W/away"; } >"$BACKUP"
    checked
    is "changed" "undecodable $BACKUP" "$(findings backup)"
    cp "$W/away" "$BACKUP"
    checked
    is "good again" "fine $BACKUP" "$(findings backup)"
    echo "another word" >"$W/passphrase"
    checked
    # the note beside the copy tells a former passphrase; without one it is found out by opening
    is "former" "fine $BACKUP
missing copies for the present recipients" "$(findings backup | sort)"
    run_ecert check --offline
    says "one copy is readable only by the former recipients"
    ecert report --offline --language zh_HK "$W/page.html"
    grep -q "有一份備份只有以前的收件人" "$W/page.html"
    run_ecert config
    says "one copy of a key is readable only by the former recipients"
    jq 'del(.backups[].under)' "$REQUEST/request.json" >"$W/json"
    cat "$W/json" >"$REQUEST/request.json"
    checked
    is "shut" "undecodable $BACKUP" "$(findings backup)"
    rm "$W/passphrase"
    run_ecert check --offline
    [ "$status" -ne 0 ]
}

@test "a place without a copy is told; one that left the configuration is not asked any more" {
    mkdir -m 700 "$W/new"
    asked
    sed -i "s|places = .*\]|places = [ \"$W/new\" ]|" "$W/ecert.conf"
    rm "$BACKUP"
    checked
    [ "$status" -eq 1 ]
    is "no copy" "missing $W/new/${BACKUP##*/}" "$(findings backup)"
    run_ecert check --offline
    says "this place has no copy of the key"
    ecert backup --quiet
    checked
    is "written" "fine $W/new/${BACKUP##*/}" "$(findings backup)"
    ln -s new "$W/old"
    sed -i "s|places = .*\]|places = [ \"$W/old\", \"$W/new\" ]|" "$W/ecert.conf"
    run_ecert check --offline
    says "are one directory, which is one copy"
}

@test "a place that is not there is told once, with commands that are understood" {
    asked
    mv "$W/backups" "$W/away"
    checked
    is "place" "missing $W/backups" "$(findings backup)"
    is "advice" "\`ecert backup\` writes what is missing, and \`ecert backup --check\` opens every copy." \
        "$(json 'o["findings"][0]["what_to_do"].partition("ecert. ")[2]' <<<"$output")"
    mkdir -m 700 "$W/backups"
    ecert backup --quiet
    ecert backup --check --quiet
    checked
    is "written" "fine $BACKUP" "$(findings backup)"
}

@test "the report shows what waits, and since when" {
    asked
    run_ecert report --offline "$W/page.html"
    [ "$status" -eq 0 ]
    grep -q "request ${REQUEST##*/}" "$W/page.html"
    grep -q "asked for on $(date -u +%F)" "$W/page.html"
    run_ecert report --offline --language zh_HK "$W/page.html"
    grep -q "申請 ${REQUEST##*/}" "$W/page.html"
}

@test "of a certificate that ends: what is asked for already; without a request, how to ask" {
    asked
    write_targets() {
        sed -i "s|{ name = \"$NAME\"; authority = \"testpost\"; }|{ name = \"$NAME\"; authority = \"testpost\"; key = { file = \"$W/keys/$NAME.key\"; }; targets = ( { plugin = \"iis-export\"; directory = \"$W\"; } ); }|" "$W/ecert.conf"
    }
    write_targets
    run_ecert plan
    says "request ${REQUEST##*/} is pending since $(date -u +%F)"
    drop "$W/$NAME.cer"
    run_ecert fetch
    [ "$status" -eq 0 ]
    end=$(openssl x509 -in "$W/$NAME.cer" -noout -enddate | cut -d= -f2)
    run later "$end -5 days" check --offline --json
    is "detail" "request ${REQUEST##*/} is pending since $(date -u +%F)" \
        "$(json '"".join(f["detail"] or "" for f in o["findings"] if f["watched"] == "certificate")' <<<"$output")"
    checked
    is "long before" "None" \
        "$(json '"".join(str(f["detail"]) for f in o["findings"] if f["watched"] == "certificate")' <<<"$output")"
    rm -r "$REQUEST"
    run later "$end -5 days" check --offline
    says_not "is pending since"
    says "ecert request $NAME"
}

@test "a place of backups that is not there is told once, not for every copy" {
    sed -i "s|^certificates = .*|certificates = ( { name = \"$NAME\"; authority = \"testpost\"; }, { name = \"two.myserver.com\"; authority = \"testpost\"; } );|" "$W/ecert.conf"
    run_ecert request --no-caa "$NAME" two.myserver.com
    [ "$status" -eq 0 ]
    mv "$W/backups" "$W/away"
    checked
    [ "$status" -eq 1 ]
    is "the place" "missing $W/backups" "$(findings backup)"
    run_ecert check --offline
    says "the place of backups is not there"
}
