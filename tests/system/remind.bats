# `ecert remind`, `ecert ack`, and what `ecert run` reminds of: with a real SMTP server, a real HTTP
# receiver and a real command.
#
# covers: core/monitor/remind.h core/monitor/channel.h core/monitor/reminders.h

load reminding

@test "what is due is told once, with what, why and what to do" {
    by_page
    run_ecert remind
    [ "$status" -eq 0 ]
    says "checked: 1 due, 0 fine" "reminder: accepted: command"
    is "called" 1 "$(paged)"
    is "told" "reminder 1 shop expires 20 30 the shop's" "$(json '" ".join(str(x) for x in (o["kind"],
        len(o["findings"]), *(o["findings"][0][k] for k in
        ("name", "condition", "days", "threshold", "note"))))' <"$W/paged-1")"
    run_ecert remind
    [ "$status" -eq 0 ]
    says "nothing is owed to anybody"
    is "called" 1 "$(paged)"
}

@test "what is not accepted stays owed: status tells it, and the next try brings it under one id" {
    by_page
    touch "$W/off"
    run_ecert remind --json
    [ "$status" -eq 1 ]
    is "failed" "(0, 1, 1)" "$(json '(o["reminders"]["told"], o["reminders"]["failed"],
        o["reminders"]["noticed"])' <<<"$output")"
    [[ $(json 'o["errors"][0]' <<<"$output") == *"left with exit code 3: nobody is on call"* ]]
    is "owed" 1 "$(owed)"
    run_ecert status
    [ "$status" -eq 0 ]
    says "owed: a reminder of shop (expires): command, 1 try, next at " "nobody is on call"
    # the timer's try waits for its time
    rm "$W/off"
    run_ecert remind --owed
    [ "$status" -eq 0 ]
    says "1 recipient is waiting"
    is "called" 0 "$(paged)"
    run_ecert remind
    [ "$status" -eq 0 ]
    is "called" 1 "$(paged)"
    is "owed" 0 "$(owed)"
    run_ecert status --json
    is "owed" "[]" "$(json 'o["owed"]' <<<"$output")"
}

@test "status and check look at what is owed, whatever there is to be settled, and write nothing" {
    by_page
    touch "$W/off"
    run_ecert remind
    [ "$status" -eq 1 ]
    echo '{' >"$W/state/reminders/owed/0123456789abcdef0123456789abcdef.json"
    sed -i 's|command = [^;]*;|webhook = { url = "http://127.0.0.1:9/"; };|' "$W/ecert.conf"
    picture() { find "$W/state/reminders" -printf '%p %i %T@\n' -type f -exec md5sum {} + | sort; }
    local before
    before=$(picture)
    run_ecert status
    says "any more: the configuration does not" "is damaged"
    is "the files" "$before" "$(picture)"
    run_ecert check --prometheus "$W/ecert.prom"
    is "the files" "$before" "$(picture)"
    grep -qx 'ecert_reminders_owed 1' "$W/ecert.prom"
    # whoever sends settles it
    run_ecert remind --owed
    [ "$status" -eq 1 ]
    run_ecert status
    says "owed: a reminder of shop (expires): webhook, 1 try"
    says_not "any more" "is damaged"
}

@test "run: a channel that does not accept is said, and neither hinders deploying nor fails the run" {
    ca_up
    # shellcheck disable=SC2059 # the format is ours
    write_config "" "" "watch = ( { name = \"shop\"; file = \"$W/due.cer\"; } );
        reminders: { journal = false; digest = \"never\"; $(printf "$PAGE" "$W") };"
    touch "$W/off"
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    says "iis-export: generation 1" "nobody is on call" "is still owed"
    [ -e "$W/iis/$NAME.pfx" ] || [ -n "$(ls "$W/iis")" ]
    is "owed" 1 "$(owed)"
    # not before its time
    rm "$W/off"
    run_ecert run
    [ "$status" -eq 0 ]
    is "called" 0 "$(paged)"
    run_ecert remind
    [ "$status" -eq 0 ]
    is "called" 1 "$(paged)"
}

@test "each threshold reminds once, however often and late somebody looks" {
    by_page
    local row days calls
    while read -r days calls; do
        later "$days days" remind --quiet
        is "called until day $days" "$calls" "$(paged)"
    done <<'ROWS'
0 1
0 1
4 1
7 2
7 2
15 3
18 4
18 4
19 5
20 6
20 6
ROWS
}

@test "ack: no reminders until the end of that day, with a record; then again" {
    by_page
    run_ecert ack shop --until "$(date -d '3 days' +%F)" --note "applied for: 陳"
    [ "$status" -eq 0 ]
    says "shop: no reminders until the end of $(date -d '3 days' +%F)"
    run_ecert remind
    [ "$status" -eq 0 ]
    is "called" 0 "$(paged)"
    run_ecert check
    [ "$status" -eq 1 ]
    says "no reminders until $(date -d '3 days' +%F): " "applied for: 陳"
    later "5 days" remind --quiet
    is "called" 1 "$(paged)"
    run_ecert ack shop --until "$(date -d '9 days' +%F)" --json
    [ "$status" -eq 0 ]
    is "name" shop "$(json 'o["name"]' <<<"$output")"
    is "records" 2 "$(grep -c . "$W/state/reminders/acks/history.jsonl")"
}

@test "ack: ecert check shows as acknowledged what nobody is told, and nothing that is new" {
    by_page
    ecert remind --quiet
    ecert ack shop --until "$(date -d '9 days' +%F)" --note "ordered" --quiet
    run_ecert check
    is "code" 1 "$status"
    says "due " "no reminders until" ": ordered"
    # the file is gone, which nobody knew in the second of the ack
    rm "$W/due.cer"
    sleep 1
    run_ecert check
    is "code" 3 "$status"
    says "unknown "
    says_not "no reminders until" "ordered"
    is "in the JSON" null "$(ecert check --json | jq -r '.findings[0].acknowledged_until')"
    ecert remind --quiet
    is "told" 2 "$(paged)"
    # now it is known, and whoever says so again is left alone
    ecert ack shop --until "$(date -d '9 days' +%F)" --note "removed" --quiet
    run_ecert check
    says "no reminders until" ": removed"
}

@test "ack: what is wrong is told, and quiets nothing" {
    by_page
    local words say
    while IFS='|' read -r words say; do
        # shellcheck disable=SC2086 # words
        run_ecert ack $words
        [ "$status" -eq 2 ]
        says "$say"
    done <<'ROWS'
shopp --until 2099-01-01|did you mean 'shop'
shop|until when?
shop --until 2099-02-30|'2099-02-30' is not a day
shop --until tomorrow|'tomorrow' is not a day
shop --until 2020-01-01|is over already
shop --until 2099-01-01|more than 400 days ahead
ROWS
    run_ecert remind
    is "called" 1 "$(paged)"
}

@test "remind --test: each channel and contact; which accepted is said" {
    by_page
    run_ecert remind --test
    [ "$status" -eq 0 ]
    is "told" "accepted: command" "$output"
    is "kind" test "$(json 'o["kind"]' <"$W/paged-1")"
    receiver_up
    # shellcheck disable=SC2059 # the format is ours
    reminding "$(printf "$PAGE" "$W") email = { server = \"smtp://127.0.0.1:$SMTP_PORT\";
        starttls = \"opportunistic\"; from = \"ecert@myserver.com\"; to = [ \"a@myserver.com\" ]; };" \
        'contacts = [ "b@myserver.com", "gone@myserver.com" ];'
    echo "refuse gone@myserver.com" >"$W/got/smtp"
    run_ecert remind --test
    [ "$status" -eq 1 ]
    says "accepted: email to a@myserver.com" "accepted: email to b@myserver.com" \
        "not accepted: email to gone@myserver.com: " "nobody here has this name" "accepted: command"
    is "mails" 2 "$(find "$W/got" -name 'mail-*' | wc -l)"
    # nothing of it is owed
    run_ecert status --json
    is "owed" "[]" "$(json 'o["owed"]' <<<"$output")"
}

@test "email: each in his language, the name encoded, the deadlines attached" {
    receiver_up
    reminding "email = { server = \"smtp://127.0.0.1:$SMTP_PORT\"; starttls = \"opportunistic\";
        from = \"Certificates <ecert@myserver.com>\"; to = [ \"a@myserver.com\" ]; };" \
        'contacts = [ "chan@myserver.com", "b@myserver.com" ];'
    echo 'contacts = ( { email = "chan@myserver.com"; name = "陳大文"; language = "zh_HK"; } );' \
        >>"$W/ecert.conf"
    run_ecert remind
    [ "$status" -eq 0 ]
    is "mails" 2 "$(find "$W/got" -name 'mail-*' | wc -l)"
    run python3 -I -S -c '
import email, email.policy, sys
for name in sorted(sys.argv[1:]):
    m = email.message_from_binary_file(open(name, "rb"), policy=email.policy.default)
    text = m.get_body(("plain",)).get_content()
    kinds = [p.get_content_type() for p in m.walk()]
    print(m["X-Envelope-To"], "|", m["To"], "|", "shop" in text, "text/html" in kinds,
          "text/calendar" in kinds, "until" in text, "證書" in text)' "$W"/got/mail-*
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"chan@myserver.com | 陳大文 <chan@myserver.com> | True True True "*" True"* ]]
    [[ $output == *"b@myserver.com | b@myserver.com | True True True "*" False"* ]]
}

@test "webhook: signed; 500 twice, then accepted; its address is a secret" {
    receiver_up
    printf 'http://127.0.0.1:%s/hook/s3cret\n' "$HTTP_PORT" >"$W/url"
    printf 'key of the hook\n' >"$W/secret"
    chmod 600 "$W/url" "$W/secret"
    reminding "webhook = { url_file = \"$W/url\"; secret_file = \"$W/secret\"; };"
    echo "2 refuse" >"$W/got/http"
    run_ecert remind
    [ "$status" -eq 1 ]
    says "webhook: " "500"
    says_not "s3cret"
    run_ecert remind
    [ "$status" -eq 1 ]
    is "posts" 0 "$(find "$W/got" -name 'post-*' | wc -l)"
    is "the secret, written down" "" "$(grep -rF s3cret "$W/state")"
    later "1 hour" remind --owed --quiet
    is "posts" 1 "$(find "$W/got" -name 'post-*' | wc -l)"
    is "address" "/hook/s3cret" "$(head -n 1 "$W/got/post-1")"
    sed '1,/^$/d' "$W/got/post-1" >"$W/body"
    is "signature" "sha256=$(openssl dgst -sha256 -hmac "key of the hook" -r "$W/body" | cut -d' ' -f1)" \
        "$(sed -n 's/^X-Ecert-Signature: //pI' "$W/got/post-1")"
    is "body" shop "$(json 'o["findings"][0]["name"]' <"$W/body")"
    is "owed" 0 "$(owed)"
}

@test "1,200 reminders at once: each is told once by mail and in the chat, whatever one message holds" {
    receiver_up
    local i
    reminding "email = { server = \"smtp://127.0.0.1:$SMTP_PORT\"; starttls = \"opportunistic\";
        from = \"ecert@myserver.com\"; to = [ \"a@myserver.com\" ]; };
        webhook = { url = \"http://127.0.0.1:$HTTP_PORT/chat\"; template = \"slack\"; };"
    sed -i '/^watch = /d' "$W/ecert.conf"
    {
        echo 'watch = ('
        for i in $(seq 1000 2198); do
            echo "{ name = \"host-$i\"; file = \"$W/absent/$i.pem\"; },"
        done
        echo "{ name = \"host-2199\"; file = \"$W/absent/2199.pem\"; } );"
    } >>"$W/ecert.conf"
    run_ecert remind --json
    [ "$status" -eq 0 ]
    is "told" "(2, 0, 1200)" "$(json '(o["reminders"]["told"], o["reminders"]["failed"],
        o["reminders"]["noticed"])' <<<"$output")"
    is "owed" 0 "$(owed)"
    is "mails" 3 "$(find "$W/got" -name 'mail-*' | wc -l)"
    [ "$(find "$W/got" -name 'post-*' | wc -l)" -gt 10 ]
    run python3 -I -S -c '
import collections, email, email.policy, glob, json, re, sys
told = {"mail": collections.Counter(), "post": collections.Counter()}
for name in glob.glob(sys.argv[1] + "/mail-*"):
    m = email.message_from_binary_file(open(name, "rb"), policy=email.policy.default)
    text = m.get_body(("plain",)).get_content()
    told["mail"].update(re.findall(r"^[0-9]+\. \[[^]]*\] (host-[0-9]+):", text, re.M))
    assert "are not shown" not in text, name
for name in glob.glob(sys.argv[1] + "/post-*"):
    text = json.loads(open(name).read().partition("\n\n")[2])["text"]
    told["post"].update(re.findall(r"^\[[^]]*\] (host-[0-9]+):", text, re.M))
    assert "are not shown" not in text and len(text) <= 17000, name
for kind, names in told.items():
    print(kind, len(names), set(names.values()))' "$W/got"
    echo "$output"
    [ "$output" = "mail 1200 {1}"$'\n'"post 1200 {1}" ]
    run_ecert remind
    [ "$status" -eq 0 ]
    says "nothing is owed to anybody"
    is "mails" 3 "$(find "$W/got" -name 'mail-*' | wc -l)"
}

@test "the weekly digest: also that all is well; once a week" {
    test_ca issue "$W/ca" fine.myserver.com --ec --days 199 --out "$W/due"
    # shellcheck disable=SC2059 # the format is ours
    reminding "$(printf "$PAGE" "$W")"
    sed -i 's/digest = "never"; //' "$W/ecert.conf"
    local monday
    monday=$(date -d 'next monday' +%F)
    later "$monday 10:00" run --quiet
    rm -f "$W"/paged-*
    later "$monday 12:00" run --quiet
    later "$(date -d "$monday 6 days" +%F) 12:00" run --quiet
    is "called" 0 "$(paged)"
    later "$(date -d "$monday 7 days" +%F) 10:00" run --quiet
    is "called" 1 "$(paged)"
    is "told" "digest 1 0" "$(json '"%s %s %d" % (o["kind"], o["fine"], len(o["findings"]))' <"$W/paged-1")"
}

@test "a digest that was not accepted is tried again with pauses, by remind --owed too" {
    test_ca issue "$W/ca" fine.myserver.com --ec --days 199 --out "$W/due"
    by_page
    sed -i 's/digest = "never"; //' "$W/ecert.conf"
    local monday
    monday=$(date -d 'next monday' +%F)
    touch "$W/off"
    later "$monday 10:00" run --quiet || true
    rm "$W/off"
    later "$monday 10:04" remind --owed
    is "called" 0 "$(paged)"
    later "$monday 10:06" remind --owed
    is "called" 1 "$(paged)"
    is "told" "digest 1 0" "$(json '"%s %s %d" % (o["kind"], o["fine"], len(o["findings"]))' <"$W/paged-1")"
    later "$monday 11:30" remind --owed
    is "called" 1 "$(paged)"
}

@test "remind --failed: that a unit failed is told like anything else, and owed until it is" {
    by_page
    touch "$W/off"
    run_ecert remind --failed ecert-run.service
    [ "$status" -eq 1 ]
    is "owed" 1 "$(owed)"
    rm "$W/off"
    run_ecert remind --failed ecert-run.service
    [ "$status" -eq 0 ]
    is "called" 1 "$(paged)"
    is "told" "ecert-run.service failed" \
        "$(json '" ".join(o["findings"][0][k] for k in ("name", "condition"))' <"$W/paged-1")"
    run_ecert remind --failed 'x; reboot'
    [ "$status" -eq 2 ]
    run_ecert remind --failed x.service --test
    [ "$status" -eq 2 ]
}

@test "ack: also what a reminder was sent of, though it is no certificate and no watch" {
    by_page
    run_ecert ack x.service --until "$(date -d '3 days' +%F)"
    [ "$status" -eq 2 ]
    run_ecert remind --failed x.service
    [ "$status" -eq 0 ]
    run_ecert ack x.service --until "$(date -d '3 days' +%F)"
    [ "$status" -eq 0 ]
}

@test "what cannot be written down is told all the same, and leaves with 1" {
    by_page
    run_ecert status
    mkdir -p "$W/state/reminders"
    ln -s "$W/absent/there" "$W/state/reminders/owed"
    run_ecert remind
    [ "$status" -eq 1 ]
    is "called" 1 "$(paged)"
    rm "$W/state/reminders/owed"
    rm -r "$W/state/reminders"
    touch "$W/state/reminders"
    run_ecert remind --failed ecert-run.service
    [ "$status" -eq 1 ]
    is "called" 2 "$(paged)"
}

@test "a damaged reminder leaves with 1, also with --owed" {
    by_page
    touch "$W/off"
    run_ecert remind
    echo '{' >"$(echo "$W"/state/reminders/owed/*.json)"
    run_ecert remind --owed
    [ "$status" -eq 1 ]
    says "was damaged"
}

@test "run waits for one that holds the lock" {
    by_page
    run_ecert status
    flock "$W/state/lock" sleep 5 3>&- &
    sleep 0.5
    run_ecert run
    [ "$status" -eq 0 ]
    wait
}

@test "remind --failed needs no state directory that can be written; nothing else does without" {
    by_page
    sed -i "s|^state_dir = .*|state_dir = \"$W/due.cer/state\";|" "$W/ecert.conf"
    run_ecert remind --failed ecert-run.service
    [ "$status" -eq 1 ]
    is "called" 1 "$(paged)"
    run_ecert remind
    [ "$status" -eq 1 ]
    is "called" 1 "$(paged)"
}

@test "remind --test: a journal that is not there is said, and is no failure" {
    [ ! -e /run/systemd/journal/socket ] && [ ! -e /dev/log ] || skip "there is one"
    by_page
    sed -i 's/journal = false/journal = true/' "$W/ecert.conf"
    run_ecert remind --test
    [ "$status" -eq 0 ]
    says "no journal here"
}
