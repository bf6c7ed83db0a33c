# The whole life of a certificate with the real program, a CA that issues from CSRs, a real nginx and
# a real Apache: first certificate, re-issue, renewal of the subscription, an emergency; and what goes
# wrong between a request and its certificate, seen from the server that must go on serving.
#
# ecert and the CA live on day N at a given hour; the servers do not know what day it is, and what
# they serve is verified as a visitor of that day does.
#
# covers: core/issue/request.h core/flow/match.h core/issue/backup.h core/monitor/reminders.h
#
# shellcheck disable=SC2016,SC2153 # the script of the page is not ours to expand; NAME is of common.bash
# shellcheck disable=SC2030,SC2031,SC2154 # status and stderr are of bats

load reminding

prepare() {
    old_pair "$W/$OLD" "$NAME"
    ca_up
    sed -n '/^request = {/,/^};/p' "$ROOT/etc/authorities/hongkongpost.conf" >>"$W/ca/authorities/testpost.conf"
    printf 'open sesame and more\n' >"$W/passphrase"
    chmod 600 "$W/passphrase"
    mkdir -m 700 "$W/backups"
    printf '#!/bin/sh\nn=$(ls %s/paged-* 2>/dev/null | wc -l)\ncat >%s/paged-$((n + 1))\n' "$W" "$W" >"$W/page"
    chmod 700 "$W/page"
    OPENS="passphrase_file = \"$W/passphrase\";"
    MIDNIGHT=$(date -u -d "$(date -u +%F)" +%s)
}

# sites NAME...: each on both servers, and what is configured for them: until $PAID (a date) the
# subscription goes on
sites() {
    local name certificates=""
    for name; do
        certificates+="${certificates:+, }{ name = \"$name\"; authority = \"testpost\"; @
            subscription_ends = \"$PAID\";
            targets = ( $(nginx_target), $(apache_target) ); }"
    done
    certificates=${certificates/@/names = [ \"myserver.com\" ];}
    write_down "${certificates//@/}"
}

write_down() { # CERTIFICATES
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
organization = { country = "HK"; state = "Hong Kong"; locality = "Hong Kong"; name = "Test Post"; };
backup = { $OPENS places = [ "$W/backups" ]; };
reminders: { journal = false; digest = "never"; thresholds = [ 45, 30, 14, 7, 3, 1 ];
               command = [ "$W/page" ]; };
certificates = ( $1 );
CONF
}

# One site on nginx, and no time that passes.
one_site() {
    nginx_up
    write_down "{ name = \"$NAME\"; names = [ \"myserver.com\" ]; authority = \"testpost\";
        targets = ( $(nginx_target) ); }"
}

# ---- time ----

moment() { # DAY HOUR, from the day of the test on, UTC: in seconds
    echo $((MIDNIGHT + $1 * 86400 + $2 * 3600))
}

day() { # DAY: its date
    date -u -d "@$(moment "$1" 0)" +%F
}

# Requests are made at nine, the CA is at work at ten, the timer calls `ecert run` at noon.
ask() { # DAY [OPTION...]
    DAY=$1
    shift
    run --separate-stderr later "@$(moment "$DAY" 9)" request --no-caa "$@"
    printf '$ on day %s: ecert request %s\n%s\n%s\n' "$DAY" "$*" "$output" "$stderr"
    is "code of ecert request on day $DAY" 0 "$status"
}

ca_at() { # DAY VERB...: what test-ca.sh does on that day
    TZ=UTC0 faketime "$(date -u -d "@$(moment "$1" 10)" '+%F %T')" "$ROOT/tests/support/test-ca.sh" "${@:2}"
}

at_noon() { # DAY COMMAND...
    DAY=$1
    shift
    run --separate-stderr later "@$(moment "$DAY" 12)" "$@"
    printf '$ on day %s: ecert %s\n%s\n%s\nexit code %s\n' "$DAY" "$*" "$output" "$stderr" "$status"
}

timer() { # DAY...: `ecert run`, which has nothing to complain about
    local each
    for each; do
        at_noon "$each" run
        is "code of ecert run on day $each" 0 "$status"
    done
}

# ---- people ----

shown_csr() { # what a person marks on the terminal
    sed -n '/^-----BEGIN/,/^-----END/p' <<<"$output"
}

requests_of() { # [NAME]: the folders of its requests, oldest first
    find "$W/state/certificates/${1:-$NAME}/requests" -mindepth 1 -maxdepth 1 -type d | sort
}

state_of() { # FOLDER: of a request, "issued 2"
    json 'o["state"] + " " + str(o["generation"])' <"$1/request.json"
}

# What the CA's guide says of a request: these five fields, no other, and nothing besides.
as_the_guide_says() { # FILE
    local text
    text=$(openssl req -in "$1" -noout -text -verify 2>&1)
    is "subject" "C = HK, ST = Hong Kong, L = Hong Kong, O = Test Post, CN = $NAME" \
        "$(sed -n 's/^ *Subject: //p' <<<"$text")"
    is "what it is signed with" "Certificate request self-signature verify OK
Public-Key: (2048 bit)
Signature Algorithm: sha256WithRSAEncryption" \
        "$(grep -oE 'Certificate request self.*|Public-Key:.*|Signature Algorithm:.*' <<<"$text")"
    is "attributes (extensions, challenge): empty" "hl=2 l= 0 cons: cont [ 0 ]" \
        "$(openssl req -in "$1" -outform DER | openssl asn1parse -inform DER | grep 'd=2 .*cont \[ 0' | grep -o 'hl=.*' | xargs)"
}

pkcs7() { # BASE: the certificate and its sub CA, as Windows exports it
    openssl crl2pkcs7 -nocrl -certfile "$1.cer" -certfile "$W/ca/sub.pem" -outform DER -out "$1.p7b"
}

mail() { # BASE: the CA's mail with the certificate attached
    {
        printf '%s\n' 'From: ca@example.com' 'Subject: Your e-Cert' 'MIME-Version: 1.0' \
            'Content-Type: multipart/mixed; boundary="part"' '' '--part' 'Content-Type: text/plain' '' \
            'Dear customer, your e-Cert (Server) is attached.' '--part' \
            'Content-Type: application/x-x509-ca-cert; name="e-cert.cer"' \
            'Content-Transfer-Encoding: base64' '' "$(base64 "$1.der")" '--part--'
    } >"$1.eml"
}

# ---- visitors ----

# What a visitor of $DAY gets who trusts the CA's root, and looks at name, chain and dates.
visit() { # PORT NAME
    local pem
    pem=$(openssl s_client -connect "127.0.0.1:$1" -servername "$2" -verify_hostname "$2" \
        -CAfile "$W/ca/root.pem" -verify_return_error -attime "$(moment "$DAY" 12)" </dev/null 2>/dev/null) ||
        true
    openssl x509 -noout -fingerprint -sha256 <<<"$pem" 2>/dev/null | sed 's/.*=//; s/://g' | grep . || echo nothing
}

visitors_get() { # CERTIFICATE [NAME]: at both servers, by every process of them
    settled
    wait_served "$APACHE_PORT" "${2:-$NAME}" "$(sha256_of "$1")"
    is "at nginx on day $DAY, ${2:-$NAME}" "$(sha256_of "$1")" "$(visit "$NGINX_PORT" "${2:-$NAME}")"
    is "at Apache on day $DAY, ${2:-$NAME}" "$(sha256_of "$1")" "$(visit "$APACHE_PORT" "${2:-$NAME}")"
}

# ---- the life ----

# Who was told what by the command: day, name, what, how, the threshold; each line once.
told() {
    python3 -I -S -c '
import datetime, json, sys
for name in sys.argv[2:]:
    o = json.load(open(name))
    at = datetime.datetime.fromisoformat(o["time"].replace("Z", "+00:00")).timestamp()
    for f in o["findings"]:
        print("%3d %s %s %s %s" % ((at - int(sys.argv[1])) // 86400, f["name"], f["watched"],
                                    f["condition"], f["threshold"]))' "$MIDNIGHT" "$W"/paged-* | sort -n
}

first_certificate() {
    ask 1 "$NAME"
    says "was made (first certificate: there is no certificate of this name yet)" \
        "for an e-Cert (Server) with all of its names: $NAME, myserver.com" "Wait for the PIN envelope"
    says_not "at no additional charge" "Apply for the renewal"
    shown_csr >"$W/shown.csr"
    as_the_guide_says "$W/shown.csr"
    ask 1 "$NAME" --new-header
    shown_csr >"$W/new.csr"
    is "first line" "-----BEGIN NEW CERTIFICATE REQUEST-----" "$(head -n 1 "$W/new.csr")"
    as_the_guide_says "$W/new.csr"
    is "the same request" "$(cat "$W/shown.csr")" "$(sed 's/ NEW / /' "$W/new.csr")"
    # the letter takes its time
    ca_at 1 crls "$W/ca"
    timer 1 7 8 9 12
    is "old" "$(sha256_of "$W/$OLD.pem")" "$(served "$NGINX_PORT" "$NAME")"

    ca_at 12 issue "$W/ca" "$NAME" --alt myserver.com --csr "$W/new.csr" --days 199 --out "$W/one"
    rm "$W"/*.csr
    drop "$W/one.cer" cert0000812104.cer
    timer 12
    says "deployed, and the server was seen to serve it"
    visitors_get "$W/one.cer"
    at_noon 12 request --list
    says "no request is pending"
}

reissue() {
    at_noon 13 check
    is "everything is fine on day 13" 0 "$status"
    ca_at 164 crls "$W/ca"
    timer 164 165 166 171 172
    at_noon 172 check
    is "due, 160 days later" 1 "$status"
    says "expires in 38 days ($(day 211))"
    visitors_get "$W/one.cer"

    ask 172 "$NAME"
    says "was made (re-issue within the subscription: the subscription goes on until $PAID, and the present certificate ends on $(day 211))" \
        "Within the subscription the CA issues the next certificate at no additional charge"
    says_not "for an e-Cert (Server) with all of its names" "Apply for the renewal" "Wait for the PIN envelope"
    shown_csr >"$W/two.csr"
    ca_at 175 issue "$W/ca" "$NAME" --alt myserver.com --csr "$W/two.csr" --days 199 --out "$W/two"
    drop "$W/two.der"
    timer 175
    visitors_get "$W/two.cer"
    is "generations" 2 "$(generations)"
    is "keys" 2 "$(sha256sum "$W/state/certificates/$NAME"/generations/*/privkey.pem | cut -c -64 | sort -u | wc -l)"
    DAY=212 # on which the first one would not do any more
    visitors_get "$W/two.cer"
    at_noon 176 check
    is "everything is fine on day 176" 0 "$status"
}

renewal() {
    ca_at 318 crls "$W/ca"
    timer 319 320 321 327 328 329 334 335 336
    ask 336 "$NAME"
    says "was made (renewal of the subscription: the subscription ends on $PAID, within 60 days of the present certificate's end on $(day 374))" \
        "Apply for the renewal of the subscription at least one month before the expiry" \
        "an unchanged Authorised Representative" "Wait for the PIN envelope"
    says_not "at no additional charge" "for an e-Cert (Server) with all of its names"
    ca_at 342 crls "$W/ca"
    timer 342 343 344
    ca_at 345 issue "$W/ca" "$NAME" --alt myserver.com --csr "$(requests_of | tail -n 1)/request.csr" \
        --days 199 --out "$W/three"
    drop "$W/three.cer"
    PAID=$(day 745)
    sites "$NAME"
    timer 345
    visitors_get "$W/three.cer"
    at_noon 346 check
    is "everything is fine on day 346" 0 "$status"
}

# What the command was told in these years; at first of what the servers had before ecert.
expected() {
    cat <<TABLE
  1 $NAME target expires 30
  7 $NAME target expires 14
  8 $NAME request pending None
165 $NAME certificate expires 45
320 $NAME subscription expires 60
328 $NAME certificate expires 45
335 $NAME subscription expires 45
343 $NAME certificate expires 30
343 $NAME request pending None
TABLE
}

expected_in_the_emergency() { # what is not back after a day
    cat <<TABLE
401 a.myserver.com request pending None
401 c.myserver.com request pending None
TABLE
}

OTHERS="a.myserver.com b.myserver.com c.myserver.com d.myserver.com"

# answers DAY PREFIX NAME...: the CA issues for the newest request of each, $W/PREFIX-NAME.cer and .der
answers() {
    local when=$1 prefix=$2 name
    for name in "${@:3}"; do
        ca_at "$when" issue "$W/ca" "$name" --csr "$(requests_of "$name" | tail -n 1)/request.csr" \
            --days 199 --out "$W/$prefix-$name" --alt "${name/#www./}"
    done
}

more_sites() {
    local name
    for name in $OTHERS; do
        nginx_site "$W/nginx" "$NGINX_PORT" "$name" "$W/$OLD"
        apache_site "$W/apache" "$APACHE_PORT" "$name" "$W/$OLD"
    done
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload 2>>"$W/nginx/logs/start.log"
    "$APACHE" -d "$W/apache" -f "$W/apache/httpd.conf" -k graceful 2>>"$W/apache/logs/start.log"
    # shellcheck disable=SC2086 # names
    sites "$NAME" $OTHERS
    ca_at 385 crls "$W/ca"
    # shellcheck disable=SC2086
    ask 386 $OTHERS
    # shellcheck disable=SC2086
    answers 390 former $OTHERS
    cp "$W/three.cer" "$W/former-$NAME.cer"
    for name in $OTHERS; do drop "$W/former-$name.cer"; done
    timer 390
    for name in $OTHERS; do visitors_get "$W/former-$name.cer" "$name"; done
}

batch() { # EXPRESSION of the batch `b`, in the list of $DAY
    run --separate-stderr later "@$(moment "$DAY" 12)" request --list --json
    json "[$1 for b in o['batches']]" <<<"$output"
}

emergency() {
    local name
    ask 400 --all --reason "the CA revokes everything" --sheet "$W/sheet.html"
    says "5 made, 0 pending before, 0 failed"
    is "CSRs on the sheet" 5 "$(grep -c 'BEGIN CERTIFICATE REQUEST' "$W/sheet.html")"
    # shellcheck disable=SC2086
    answers 401 fresh d.myserver.com "$NAME" b.myserver.com
    pkcs7 "$W/fresh-$NAME"
    mail "$W/fresh-b.myserver.com"
    drop "$W/fresh-d.myserver.com.cer"
    drop "$W/fresh-$NAME.p7b"
    drop "$W/fresh-b.myserver.com.eml"
    timer 401
    for name in d.myserver.com "$NAME" b.myserver.com; do
        visitors_get "$W/fresh-$name.cer" "$name"
    done
    for name in a.myserver.com c.myserver.com; do
        visitors_get "$W/former-$name.cer" "$name"
    done
    is "the table" "[('the CA revokes everything', ['b.myserver.com', 'd.myserver.com', '$NAME'], ['a.myserver.com', 'c.myserver.com'])]" \
        "$(batch "(b['reason'], sorted(b['back']), sorted(b['missing']))")"
    at_noon 401 request --list
    says "3 of 5 are back, 2 are missing"

    answers 402 fresh c.myserver.com a.myserver.com
    for name in c.myserver.com a.myserver.com; do drop "$W/fresh-$name.der"; done
    timer 402
    for name in "$NAME" $OTHERS; do
        visitors_get "$W/fresh-$name.cer" "$name"
    done
    is "the table" "[]" "$(batch 1)"
    at_noon 402 request --list
    says "no request is pending"
    at_noon 402 status --json
    is "what is served, and owed" "current 10, failed none" \
        "$(json "'current %d, failed %s' % (sum(t['standing'] == 'current' for t in o['targets']), [t for t in o['targets'] if t['standing'] != 'current'] or 'none')" <<<"$output")"
    # and so it did; nobody uses one of them any more
    for name in "$NAME" $OTHERS; do
        ca_at 403 revoke "$W/ca" "$W/former-$name.cer"
    done
    at_noon 404 check
    is "everything is fine at the end" 0 "$status"
    no_leftovers
}

@test "a life: first certificate, re-issue, renewal of the subscription, an emergency" {
    # who can open the backups keeps the key in a safe (and no check spends time on a passphrase)
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/officer.key" -out "$W/officer.cer" \
        -subj "/CN=Key Officer" -days 1000 2>/dev/null
    OPENS="recipients = [ \"$W/officer.cer\" ];"
    PAID=$(day 380)
    nginx_up
    apache_up
    sites "$NAME"
    first_certificate
    reissue
    renewal
    diff <(expected) <(told)
    more_sites
    emergency
    diff <(expected && expected_in_the_emergency) <(told)
    is "requests of all these years" "issued 1, issued 2, issued 3, issued 4" \
        "$(for each in $(requests_of); do state_of "$each"; done | paste -sd, | sed 's/,/, /g')"
    is "keys that were backed up" 12 "$(find "$W/backups" -name '*.p7m' | wc -l)"
    run_ecert backup --check --key "$W/officer.key"
    says "12 opened, 0 unchanged, 0 not in order"
}

# ---- what goes wrong in between ----

# wrong NAME REASON: W/NAME is dropped; the file is refused with this reason, the request goes on
# waiting, and the server goes on serving $SERVED
wrong() {
    drop "$W/$1"
    run_ecert run
    is "code after $1" 1 "$status"
    grep -qF -- "$2" "$W/state/inbox/rejected/$1.reason.txt" || {
        cat "$W/state/inbox/rejected/$1.reason.txt"
        return 1
    }
    is "served after $1" "$SERVED" "$(served "$NGINX_PORT" "$NAME")"
    is "the request after $1" "open 0" "$(state_of "$(requests_of | tail -n 1)")"
}

# right FILE: is dropped, deployed and served
right() {
    drop "$1"
    run_ecert run
    is "code after $1" 0 "$status"
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "${1%.*}.cer")"
}

@test "the key is lost before the certificate comes: it waits, and the backup brings both to the server" {
    local folder backup
    one_site
    ecert request --no-caa --quiet "$NAME"
    folder=$(requests_of) backup=$(echo "$W"/backups/*)
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$folder/request.csr" --out "$W/issued"
    openssl pkey -in "$folder/privkey.pem" -pubout -out "$W/public.pem"
    rm "$folder/privkey.pem"
    drop "$W/issued.cer"
    run_ecert run
    is "code without the key" 1 "$status"
    says "privkey.pem' is lost" "ecert restore" "$backup"
    [ -f "$W/state/inbox/issued.cer" ]
    is "served without the key" "$(sha256_of "$W/$OLD.pem")" "$(served "$NGINX_PORT" "$NAME")"

    run_ecert restore "$backup"
    is "code of restore" 0 "$status"
    cmp "$W/public.pem" <(openssl pkey -in "$folder/privkey.pem" -pubout)
    run_ecert run
    is "code of run" 0 "$status"
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/issued.cer")"
    is "the request" "issued 1" "$(state_of "$folder")"
}

@test "the whole request is lost before the certificate comes: refused, restored, dropped again" {
    local folder
    one_site
    ecert request --no-caa --quiet "$NAME"
    folder=$(requests_of)
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$folder/request.csr" --out "$W/issued"
    rm -r "$W/state"
    drop "$W/issued.cer"
    run_ecert run
    is "code without the request" 1 "$status"
    says "matches no configured key" "if its request was lost, put it back from the backup with 'ecert restore'"
    run_ecert restore "$W"/backups/*
    is "code of restore" 0 "$status"
    is "the request" "open 0" "$(state_of "$folder")"
    right "$W/issued.cer"
    is "the request" "issued 1" "$(state_of "$folder")"
}

@test "everything wrong that can be dropped for a request: refused, and the server serves on" {
    local folder
    one_site
    # there is a certificate, which is to be replaced
    ecert request --no-caa --quiet "$NAME"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$(requests_of)/request.csr" --out "$W/present"
    right "$W/present.cer"
    SERVED=$(sha256_of "$W/present.cer")
    ecert request --no-caa --quiet --another "$NAME"
    folder=$(requests_of | tail -n 1)

    test_ca issue "$W/ca" "$NAME" --alt myserver.com --ec --out "$W/other-key"
    wrong other-key.cer "issued for another key than that of request $(basename "$folder")"
    cp "$folder/request.csr" "$W/request.cer"
    wrong request.cer "this is the request $(basename "$folder") of '$NAME' itself (a CSR)"
    printf 'PK\003\004\024\0\0\0word/document.xml' >"$W/letter.docx"
    wrong letter.docx "a Word document (.docx); the certificate itself is wanted"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$folder/request.csr" \
        --organization "Test Post Office" --out "$W/other-organisation"
    wrong other-organisation.cer "another organisation"
    test_ca issue "$W/ca" "$NAME" --csr "$folder/request.csr" --out "$W/without"
    wrong without.cer "does not cover 'myserver.com'"
    is "generations" 1 "$(generations)"

    # the CA issues twice: each is served when it comes, and the earlier one does not come back
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$folder/request.csr" --out "$W/once" \
        --not-before "$(date -u -d '-30 minutes' +%Y%m%d%H%M%SZ)"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$folder/request.csr" --out "$W/twice" \
        --not-before "$(date -u -d '-10 minutes' +%Y%m%d%H%M%SZ)"
    right "$W/once.cer"
    is "the request" "issued 2" "$(state_of "$folder")"
    right "$W/twice.der"
    is "the request" "issued 3" "$(state_of "$folder")"
    cp "$W/once.cer" "$W/again.cer"
    drop "$W/again.cer"
    run_ecert run
    is "code after the earlier one, which is known" 0 "$status"
    is "served" "$(sha256_of "$W/twice.cer")" "$(served "$NGINX_PORT" "$NAME")"
    is "generations" 3 "$(generations)"
}

@test "two open requests of one name, the older one is issued last: each finds its own key" {
    local older newer
    one_site
    ecert request --no-caa --quiet "$NAME"
    older=$(requests_of)
    ecert request --no-caa --quiet --another "$NAME"
    newer=$(requests_of | grep -vxF "$older")
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$newer/request.csr" --out "$W/first" \
        --not-before "$(date -u -d '-3 days' +%Y%m%d%H%M%SZ)"
    right "$W/first.cer"
    is "the older request" "open 0" "$(state_of "$older")"
    is "the newer request" "issued 1" "$(state_of "$newer")"
    run_ecert request --list
    says "$(basename "$older")"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$older/request.csr" --out "$W/last"
    right "$W/last.cer"
    is "the older request" "issued 2" "$(state_of "$older")"
    is "the newer request" "issued 1" "$(state_of "$newer")"
    cmp "$older/privkey.pem" "$(generation 2)/privkey.pem"
    cmp "$newer/privkey.pem" "$(generation 1)/privkey.pem"
    run_ecert request --list
    says "no request is pending"
    # and back to the other key
    ecert rollback --quiet "$NAME"
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/first.cer")"
}
