# Reminders by mail, with a real mail server and with receivers that misbehave: who is told, who
# stays owed, and where the password goes.
#
# covers: core/monitor/channel.h core/net/send.h

load reminding

# shellcheck source=tests/support/exim.sh
. "$ROOT/tests/support/exim.sh"

WRONG="quite another word"

# $PUBLIC: what ecert-net, which has no rights, may read; the server's certificate is its own anchor
mail_up() {
    public_folder
    mkdir "$PUBLIC/exim"
    chmod 755 "$PUBLIC/exim"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/mail.key" \
        -out "$PUBLIC/mail.pem" -subj /CN=mail.example -addext subjectAltName=IP:127.0.0.1 \
        -days 20 2>/dev/null
    chmod 644 "$PUBLIC/mail.pem"
    cat "$PUBLIC/mail.pem" "$W/mail.key" >"$W/both.pem"
    exim_start "$PUBLIC/exim" "$W/both.pem"
    PIDS+=("$EXIM_PID")
    printf '%s\n' "$EXIM_PASSWORD" >"$W/right"
    printf '%s\n' "$WRONG" >"$W/wrong"
    chmod 600 "$W/right" "$W/wrong"
}

misbehaving_up() { # their ports by name: misbehaving NAME
    mkdir "$W/mis"
    python3 "$ROOT/tests/support/receivers.py" "$W/mis" "$W/both.pem" 3>&- &
    PIDS+=($!)
    await_file "$W/mis/ports"
}

misbehaving() {
    sed -n "s/^$1 //p" "$W/mis/ports"
}

# by_mail SERVER [LINES]: `ca` and `login` are what most servers need
by_mail() {
    reminding "email = { server = \"$1\"; from = \"ecert@myserver.com\";
        to = [ ${TO:-\"a@myserver.com\"} ]; ${2:-} }; ${3:-}"
}

ca() {
    echo "ca_file = \"$PUBLIC/mail.pem\";"
}

login() { # PASSWORD-FILE
    echo "user = \"$EXIM_USER\"; password_file = \"$W/$1\";"
}

taken() { # how many mails exim took
    exim_accepted "$PUBLIC/exim"
}

# In nothing that is printed or kept: neither password, nor as AUTH sends it.
no_password() { # TEXT...
    local word
    for word in "$EXIM_PASSWORD" "$WRONG"; do
        printf '%s\n' "$word" "$(printf '%s' "$word" | base64)" \
            "$(printf '\0%s\0%s' "$EXIM_USER" "$word" | base64 -w 0)"
    done >"$W/secrets"
    ! printf '%s\n' "$@" | grep -qF -f "$W/secrets" || return 1
    ! grep -rqF -f "$W/secrets" "$W/state" || return 1
    [ ! -e "$PUBLIC/exim/log" ] || ! grep -rqF -f "$W/secrets" "$PUBLIC/exim/log"
}

@test "mail: STARTTLS and smtps, with the password of a file: told once" {
    mail_up
    local server n=0
    for server in "smtp://127.0.0.1:$EXIM_STARTTLS" "smtps://127.0.0.1:$EXIM_SMTPS"; do
        rm -rf "$W/state" "$PUBLIC"/exim/mail/*
        by_mail "$server" "$(ca) $(login right)"
        run_ecert remind
        [ "$status" -eq 0 ]
        says "accepted: email to a@myserver.com"
        no_password "$output" "$stderr"
        is "mails" $((++n)) "$(taken)"
        exim_mail "$PUBLIC/exim" a@myserver.com >"$W/mail"
        grep -q "with esmtpsa " "$W/mail" # under TLS, by a user who was let in
        grep -q "^Subject: .*shop: expires in 20 days" "$W/mail"
        run_ecert remind
        [ "$status" -eq 0 ]
        is "mails" "$n" "$(taken)"
        is "owed" 0 "$(owed)"
    done
}

@test "mail: a wrong password: said, in no log, and owed until it is right" {
    mail_up
    by_mail "smtp://127.0.0.1:$EXIM_STARTTLS" "$(ca) $(login wrong)"
    run_ecert remind --verbose
    [ "$status" -eq 1 ]
    says "email to a@myserver.com: 'smtp://127.0.0.1:$EXIM_STARTTLS/' refuses the user '$EXIM_USER': 535"
    no_password "$output" "$stderr"
    is "owed" 1 "$(owed)"
    run_ecert status
    says "owed: a reminder of shop (expires): email to a@myserver.com, 1 try"
    no_password "$output" "$stderr"
    is "mails" 0 "$(taken)"
    by_mail "smtp://127.0.0.1:$EXIM_STARTTLS" "$(ca) $(login right)"
    run_ecert remind
    [ "$status" -eq 0 ]
    is "mails" 1 "$(taken)"
    is "owed" 0 "$(owed)"
}

@test "mail: a server without TLS gets neither user nor password nor mail" {
    mail_up
    misbehaving_up
    local row
    for row in "$EXIM_PLAIN" "$(misbehaving no-tls)"; do
        by_mail "smtp://127.0.0.1:$row" "$(ca) $(login right)"
        run_ecert remind
        [ "$status" -eq 1 ]
        says "does not offer TLS (STARTTLS), and a user and password are only sent under TLS"
        by_mail "smtp://127.0.0.1:$row" "$(ca)"
        run_ecert remind
        [ "$status" -eq 1 ]
        says "does not offer TLS (STARTTLS), which is required"
        is "owed" 1 "$(owed)"
    done
    is "mails" 0 "$(taken)"
    # it would have taken both; it heard of neither
    grep -q '^EHLO' "$W/mis/no-tls.lines"
    is "commands that it heard" "" "$(grep -E '^(AUTH|MAIL|RCPT|DATA)' "$W/mis/no-tls.lines" || true)"
    no_password "$(cat "$W/mis/no-tls.lines")"
}

@test "mail: a server whose certificate is not trusted, or is of another name, gets nothing" {
    mail_up
    local server lines
    while IFS='|' read -r server lines; do
        by_mail "$server" "$lines $(login right)"
        run_ecert remind
        [ "$status" -eq 1 ]
        says "email to a@myserver.com: '$server/'" "certificate"
        no_password "$output" "$stderr"
        is "owed" 1 "$(owed)"
    done <<ROWS
smtp://127.0.0.1:$EXIM_STARTTLS|
smtps://127.0.0.1:$EXIM_SMTPS|
smtps://localhost:$EXIM_SMTPS|$(ca)
ROWS
    is "mails" 0 "$(taken)"
}

@test "mail: of two recipients one is refused: the other is told once, he stays owed" {
    mail_up
    TO='"a@myserver.com", "nobody@myserver.com"' by_mail "smtp://127.0.0.1:$EXIM_STARTTLS" "$(ca)"
    local i
    for i in 1 2 3; do
        run_ecert remind
        [ "$status" -eq 1 ]
        says "refuses the mail to 'nobody@myserver.com': 550 no such user here"
        is "mails" 1 "$(taken)"
        is "owed" 1 "$(owed)"
    done
    exim_mail "$PUBLIC/exim" a@myserver.com | grep -q '^Subject: .*shop'
    run_ecert status --json
    is "who" "['nobody@myserver.com']" "$(json '[x["to"] for x in o["owed"] if x["to"]]' <<<"$output")"
}

@test "mail: a server that hangs costs a minute, tells nobody the password, and hinders no other" {
    mail_up
    misbehaving_up
    receiver_up
    # shellcheck disable=SC2059 # the format is ours
    by_mail "smtp://127.0.0.1:$(misbehaving silent)" "$(ca) $(login right)" \
        "webhook = { url = \"http://127.0.0.1:$HTTP_PORT/hook\"; }; $(printf "$PAGE" "$W")"
    "$ECERT_BUILD/ecert" --config "$W/ecert.conf" remind >"$W/said" 2>&1 3>&- &
    local pid=$! i code=0 process begin=$SECONDS
    # while it waits: in nobody's arguments and environment
    sleep 3
    for process in "$pid" $(pgrep -P "$pid"); do
        tr '\0' '\n' <"/proc/$process/cmdline" >>"$W/seen"
        tr '\0' '\n' <"/proc/$process/environ" >>"$W/seen"
    done
    grep -q ecert-net "$W/seen"
    no_password "$(cat "$W/seen")"
    wait "$pid" || code=$?
    cat "$W/said"
    is "exit code" 1 "$code"
    [ $((SECONDS - begin)) -lt 75 ]
    grep -q "did not accept the mail to 'a@myserver.com' within 60.0 seconds" "$W/said"
    is "paged" 1 "$(paged)"
    is "posts" 1 "$(find "$W/got" -name 'post-*' | wc -l)"
    run_ecert status --json
    is "who" "['a@myserver.com']" "$(json '[x["to"] for x in o["owed"]]' <<<"$output")"
    no_password "$(cat "$W/said")" "$output"
}
