# What comes back for a request: it finds its key, is compared with what was asked for, and every
# mistake of people on the way is told with the way out.
#
# covers: core/flow/match.h core/flow/refused.h core/flow/outdated.h core/flow/earlier.h

load common

ID=20261001T080000Z
ORGANIZATION="Test Post"

prepare() {
    KEY=none write_config
    ca_up
    ecert fetch --quiet
    REQUESTS=$W/state/certificates/$NAME/requests
}

# make_request ID STATE [PYTHON]: as `ecert request` leaves it; PYTHON may change `r`
make_request() {
    local to=$REQUESTS/$1
    mkdir -m 700 -p "$W/state/certificates/$NAME" "$REQUESTS" "$to"
    openssl ecparam -name prime256v1 -genkey -noout |
        openssl pkcs8 -topk8 -nocrypt -out "$to/privkey.pem"
    openssl req -new -key "$to/privkey.pem" -utf8 -out "$to/request.csr" \
        -subj "/C=HK/ST=Hong Kong/L=Hong Kong/O=$ORGANIZATION/CN=$NAME"
    python3 -I -S - "$to" "$1" "$2" "$NAME" "$ORGANIZATION" "${3:-}" <<'PY'
import hashlib, json, subprocess, sys
to, id, state, name, organization, change = sys.argv[1:]
def digest(*command):
    der = subprocess.run(command, check=True, capture_output=True).stdout
    return hashlib.sha256(der).hexdigest().upper()
r = {"id": id, "name": name, "state": state, "kind": "first", "reason": None, "batch": None,
     "created": 1790841600, "shown": 1790841601, "closed": 0, "authority": "testpost",
     "names": [name], "organization": organization, "chinese_organization": None,
     "validation": "any", "key": "EC P-256", "reused": False,
     "key_id": digest("openssl", "pkey", "-in", to + "/privkey.pem", "-pubout", "-outform", "DER"),
     "csr_sha256": digest("openssl", "req", "-in", to + "/request.csr", "-outform", "DER"),
     "backups": [], "without_backup": True, "generation": 0}
exec(change)
json.dump(r, open(to + "/request.json", "w"))
PY
    chmod 600 "$to"/*
}

# answer ID OUT [option of `test-ca.sh issue`...]: the CA's certificate for the CSR, W/OUT.cer
answer() {
    local csr=$REQUESTS/$1/request.csr out=$W/$2
    shift 2
    test_ca issue "$W/ca" "$NAME" --csr "$csr" --out "$out" "$@"
}

of_request() { # ID KEY: a member of its request.json
    json "o['$2']" <"$REQUESTS/$1/request.json"
}

# Generation N has this certificate and the key of this request.
has_generation() { # N CERTIFICATE ID
    local g
    g=$(generation "$1")
    [ "$(sha256_of "$g/cert.pem")" = "$(sha256_of "$2")" ]
    cmp <(openssl pkey -in "$g/privkey.pem") <(openssl pkey -in "$REQUESTS/$3/privkey.pem")
    [ "$(stat -c %a "$g/privkey.pem")" = 600 ]
}

# fetch STATUS: what is in the inbox; the words of standard error and output are in $said
fetch() {
    run_ecert fetch
    [ "$status" -eq "$1" ]
    said=$output$stderr
}

says() {
    local text
    for text in "$@"; do
        [[ $said == *"$text"* ]] || {
            printf 'nobody says: %s\n' "$text"
            return 1
        }
    done
}

@test "a certificate finds the key of its request, and the request is answered" {
    make_request $ID open
    answer $ID issued
    drop "$W/issued.cer"
    fetch 0
    says "request $ID"
    has_generation 1 "$W/issued.cer" $ID
    [ "$(of_request $ID state)" = issued ]
    [ "$(of_request $ID generation)" = 1 ]
    [ "$(of_request $ID closed)" -gt 1790841601 ]
    no_key_in "$REQUESTS/$ID/privkey.pem" "$output" "$stderr"
    [ "$(stat -c %a "$REQUESTS/$ID/request.json")" = 600 ]
    # the same file again is known, and changes nothing
    local before
    before=$(snapshot "$REQUESTS")
    drop "$W/issued.cer"
    fetch 0
    [ "$(generations)" = 1 ]
    same "$before" "$(snapshot "$REQUESTS")"
}

@test "issued twice for one key: the later one is a new generation, the earlier one is known then" {
    make_request $ID open
    answer $ID first --not-before "$(date -u -d '-3 days' +%Y%m%d%H%M%SZ)"
    answer $ID second
    drop "$W/first.cer"
    fetch 0
    drop "$W/second.cer"
    fetch 0
    has_generation 2 "$W/second.cer" $ID
    [ "$(of_request $ID generation)" = 2 ]
    drop "$W/first.cer" again.cer
    fetch 0
    says "already known: generation 1 of $NAME"
    [ "$(generations)" = 2 ]
    [ "$(of_request $ID generation)" = 2 ]
}

@test "issued twice in one second: a file that is dropped again takes no place back" {
    local then file
    then=$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ)
    make_request $ID open
    answer $ID first --not-before "$then"
    answer $ID second --not-before "$then"
    for file in first second; do
        drop "$W/$file.cer"
        fetch 0
    done
    [ "$(generations)" = 2 ]
    drop "$W/first.cer" again.cer
    fetch 0
    says "already known: generation 1 of $NAME"
    [ "$(generations)" = 2 ]
    drop "$W/second.cer" again.cer
    fetch 0
    says "already known: generation 2 of $NAME"
    [ "$(generations)" = 2 ]
}

@test "of two requests the one that was issued earlier comes back last: closed, not in use" {
    make_request $ID open
    make_request 20261102T080000Z open
    answer $ID early --not-before "$(date -u -d '-3 days' +%Y%m%d%H%M%SZ)"
    answer 20261102T080000Z late
    drop "$W/late.cer"
    fetch 0
    drop "$W/early.cer"
    fetch 0
    says "for $NAME, older than generation 1, kept out of use" "request $ID is closed"
    [ -e "$W/state/inbox/taken/early.cer" ]
    [ "$(generations)" = 1 ]
    has_generation 1 "$W/late.cer" 20261102T080000Z
    [ "$(of_request $ID state)" = issued ]
    [ "$(of_request $ID generation)" = 0 ]
    [ "$(of_request 20261102T080000Z generation)" = 1 ]
    # one that nobody waits for is refused as ever
    drop "$W/early.cer"
    fetch 0
    answer 20261102T080000Z older --not-before "$(date -u -d '-4 days' +%Y%m%d%H%M%SZ)"
    drop "$W/older.cer"
    fetch 1
    says "newer: "
}

@test "several requests of one name: by public key to the right one, a cancelled one too" {
    make_request $ID cancelled
    make_request 20261102T080000Z open
    make_request 20261102T080000Z-2 made
    answer 20261102T080000Z-2 middle --not-before "$(date -u -d '-3 days' +%Y%m%d%H%M%SZ)"
    answer $ID late
    drop "$W/middle.cer"
    fetch 0
    has_generation 1 "$W/middle.cer" 20261102T080000Z-2
    [ "$(of_request 20261102T080000Z-2 state)" = issued ]
    [ "$(of_request 20261102T080000Z state)" = open ]
    drop "$W/late.cer"
    fetch 0
    says "request $ID, which was cancelled; it is taken nevertheless"
    has_generation 2 "$W/late.cer" $ID
    [ "$(of_request $ID state)" = issued ]
    [ "$(of_request 20261102T080000Z state)" = open ]
}

@test "a key that is used again: the certificate that is here does not answer the later request" {
    make_request $ID open
    answer $ID issued
    drop "$W/issued.cer"
    fetch 0
    cp -a "$REQUESTS/$ID" "$W/earlier"
    make_request 20261102T080000Z open 'import time
r["created"] = int(time.time()) + 60
r["reused"] = True
r.update({k: json.load(open(to + "/../'$ID'/request.json"))[k] for k in ("key_id", "csr_sha256")})'
    cp "$REQUESTS/$ID/privkey.pem" "$REQUESTS/$ID/request.csr" "$REQUESTS/20261102T080000Z/"
    drop "$W/issued.cer"
    fetch 0
    [ "$(generations)" = 1 ]
    [ "$(of_request 20261102T080000Z state)" = open ]
    same "$(snapshot "$W/earlier" | grep -o '^[0-9a-f]\{64\}')" \
        "$(snapshot "$REQUESTS/$ID" | grep -o '^[0-9a-f]\{64\}')"
    answer $ID later
    drop "$W/later.cer"
    fetch 0
    [ "$(generations)" = 2 ]
    [ "$(of_request 20261102T080000Z state)" = issued ]
    [ "$(of_request 20261102T080000Z generation)" = 2 ]
    [ "$(of_request $ID generation)" = 1 ]
}

@test "a run that ended before the request was marked: the next one marks it" {
    make_request $ID open
    answer $ID issued
    cp "$REQUESTS/$ID/request.json" "$W/before.json"
    drop "$W/issued.cer"
    fetch 0
    # as if it had been killed between the two, with the file still in the inbox
    cp "$W/before.json" "$REQUESTS/$ID/request.json"
    mv "$W/state/inbox/taken/issued.cer" "$W/state/inbox/"
    fetch 0
    [ "$(generations)" = 1 ]
    [ "$(of_request $ID state)" = issued ]
    [ "$(of_request $ID generation)" = 1 ]
}

@test "kill -9 before each single change of the file system: the next run ends what was begun" {
    gcc -shared -fPIC -o "$W/die_at.so" "$ROOT/tests/support/die_at.c" -ldl
    make_request $ID open
    answer $ID issued
    drop "$W/issued.cer"
    cp -a "$W/state" "$W/before"
    local at died=0
    for at in $(seq 100); do
        rm -rf "$W/state"
        cp -a "$W/before" "$W/state"
        status=0
        { # the shell's own word about the death goes into the file, too
            ECERT_DIE_AT=$at LD_PRELOAD=$W/die_at.so ecert --quiet fetch || status=$?
        } >"$W/out" 2>&1
        if [ "$status" -eq 0 ]; then break; fi
        [ "$status" -eq 137 ] || { echo "at $at: code $status" && cat "$W/out" && return 1; }
        died=$((died + 1))
        echo "killed before change $at"
        fetch 0
        has_generation 1 "$W/issued.cer" $ID
        [ "$(generations)" = 1 ]
        [ "$(of_request $ID state)" = issued ]
        [ "$(of_request $ID generation)" = 1 ]
        [ ! -e "$W/state/inbox/issued.cer" ]
        [ -z "$(find "$W/state/certificates" -name '.*.ecert-*')" ]
    done
    echo "$died places to die in"
    [ "$died" -ge 10 ]
    [ "$status" -eq 0 ]
}

@test "issued for a key that nobody has: its names, and the requests that still wait" {
    make_request $ID open
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --ec --out "$W/wrong"
    drop "$W/wrong.cer"
    fetch 1
    says "matches no configured key" "its names: $NAME, myserver.com" \
        "issued for another key than that of request $ID of '$NAME'" "ecert restore" "CSR"
    [ -f "$W/state/inbox/rejected/wrong.cer" ]
    [ "$(of_request $ID state)" = open ]
    [ "$(generations)" = 0 ]
}

@test "nothing waits for a certificate of ours, and there are backups: its request may be lost" {
    local way="if its request was lost, put it back from the backup with 'ecert restore'"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"matches no configured key"* && $stderr != *restore* ]]
    mkdir -m 700 "$W/place"
    printf 'open sesame, at once\n' >"$W/passphrase"
    chmod 600 "$W/passphrase"
    KEY=none write_config "" "" \
        "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/place\" ]; };"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"$way"* ]]
    run_ecert import "$W/foreign.cer" # of a name that is not ours
    [ "$status" -eq 1 ]
    [[ $stderr == *"matches no configured key"* && $stderr != *restore* ]]
}

@test "the key of the request is lost, or anybody's: the file waits until it is back" {
    make_request $ID open 'r["backups"] = [{"path": "/mnt/safe/a.p7m", "sha256": "A" * 64,
        "written": 1790841600, "opened": 0}]'
    answer $ID issued
    mv "$REQUESTS/$ID/privkey.pem" "$W/lost.pem"
    drop "$W/issued.cer"
    fetch 1
    says "request $ID" "privkey.pem' is lost" "ecert restore" "'/mnt/safe/a.p7m'"
    [ -f "$W/state/inbox/issued.cer" ]
    cp "$W/lost.pem" "$REQUESTS/$ID/privkey.pem"
    chmod 644 "$REQUESTS/$ID/privkey.pem"
    fetch 1
    says "may be touched by others (mode 0644)"
    [ "$(generations)" = 0 ]
    cp "$W/ec.key" "$REQUESTS/$ID/privkey.pem"
    chmod 600 "$REQUESTS/$ID/privkey.pem"
    fetch 1
    says "is another one than the CSR was made with"
    [ -f "$W/state/inbox/issued.cer" ]
    cp "$W/lost.pem" "$REQUESTS/$ID/privkey.pem"
    fetch 0
    has_generation 1 "$W/issued.cer" $ID
}

@test "an encrypted key is opened with the passphrase of the configuration" {
    make_request $ID open
    answer $ID issued
    cp "$REQUESTS/$ID/privkey.pem" "$W/plain.pem"
    openssl pkcs8 -topk8 -in "$W/plain.pem" -passout pass:'correct horse' \
        -out "$REQUESTS/$ID/privkey.pem"
    drop "$W/issued.cer"
    fetch 1
    says "request $ID" "is encrypted and no passphrase is given"
    [ -f "$W/state/inbox/issued.cer" ]
    printf 'correct horse\n' >"$W/passphrase"
    chmod 600 "$W/passphrase"
    KEY="passphrase_file = \"$W/passphrase\"" write_config
    fetch 0
    cmp <(openssl pkey -in "$(generation 1)/privkey.pem") <(openssl pkey -in "$W/plain.pem")
    [ "$(of_request $ID state)" = issued ]
}

@test "a damaged request.json: its certificate still finds the key; the other requests are untouched" {
    make_request $ID open
    make_request 20261102T080000Z open
    answer $ID issued
    printf '{"id": ' >"$REQUESTS/$ID/request.json"
    drop "$W/issued.cer"
    fetch 0
    says "request $ID cannot be marked as issued" "request.json' is damaged"
    has_generation 1 "$W/issued.cer" $ID
    [ "$(cat "$REQUESTS/$ID/request.json")" = '{"id": ' ]
    [ "$(of_request 20261102T080000Z state)" = open ]
}

@test "what is in the configured key file does not matter to a request's certificate" {
    echo "no key" >"$W/other.key"
    chmod 600 "$W/other.key"
    KEY="file = \"$W/other.key\"" write_config
    make_request $ID open
    answer $ID issued
    drop "$W/issued.cer"
    fetch 0
    has_generation 1 "$W/issued.cer" $ID
    run_ecert check
    [[ $output$stderr != *other.key* ]]
}

@test "--name insists on the certificate of a request" {
    sed -i 's/^);$//' "$W/ecert.conf"
    printf ', { name = "other.myserver.com"; authority = "testpost"; } );\n' >>"$W/ecert.conf"
    make_request $ID open
    answer $ID issued
    run_ecert import --name other.myserver.com "$W/issued.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"matches no configured key"* ]]
    [ "$(of_request $ID state)" = open ]
    run_ecert import --name "$NAME" "$W/issued.cer"
    [ "$status" -eq 0 ]
    [ "$(of_request $ID state)" = issued ]
}

# ---- what was asked for ----

# compared STATUS [option of issue...]: a new request (changed by $CHANGE) and its answer
compared() {
    local want=$1
    shift
    rm -rf "$W/state/certificates/$NAME"
    make_request $ID open "${CHANGE:-}"
    answer $ID issued "$@"
    drop "$W/issued.cer"
    fetch "$want"
    [ "$(generations)" = "$((1 - want))" ]
    [ "$(of_request $ID state)" = "$( ((want)) && echo open || echo issued)" ]
}

refused_findings() {
    ecert check --json | jq -r '.findings[] | select(.condition == "refused")
        | [.watched, .urgency, .where, .detail] | join("|")'
}

@test "what was refused is told by check, list and status until another one is taken" {
    make_request $ID open
    answer $ID issued --organization "Test Post Office"
    drop "$W/issued.cer"
    fetch 1
    local day
    day=$(date -u +%Y-%m-%d)
    [ "$(of_request $ID "refused']['file")" = "inbox: issued.cer" ]
    [ "$(of_request $ID state)" = open ]
    run refused_findings
    said=$output
    says "inbox|due|$W/state/inbox/rejected/issued.cer|$NAME: organization: the certificate is of another"
    [ "${#lines[@]}" -eq 1 ]
    for command in "request --list" status; do
        run_ecert $command
        said=$output
        says "came back on $day, refused: " "'Test Post Office'"
    done
    [ "$(ecert request --list --json | json "o['requests'][0]['refused']['file']")" = "inbox: issued.cer" ]
    # a month later nobody needs to hear of it any more
    touch -d '-31 days' "$W/state/inbox/rejected/issued.cer.reason.txt"
    [ -z "$(refused_findings)" ]
    touch -d '-1 hour' "$W/state/inbox/rejected/issued.cer.reason.txt"
    [ -n "$(refused_findings)" ]
    # what is no certificate is told likewise
    echo "Dear customer" >"$W/letter.txt"
    drop "$W/letter.txt"
    fetch 1
    run refused_findings
    said=$output
    says "inbox|due|$W/state/inbox/rejected/letter.txt|"
    answer $ID right
    drop "$W/right.cer"
    fetch 0
    [ -z "$(refused_findings)" ]
}

@test "another organisation is refused, in Chinese it must be known to be ours" {
    compared 1 --organization "Test Post Office"
    says "organization: the certificate is of another organisation: it says 'Test Post Office'" \
        "ordered for 'Test Post'"
    compared 1 --organization "測試郵政"
    says "'測試郵政', which cannot be compared with 'Test Post'" \
        'write organization.chinese_name = "測試郵政" into the configuration'
    # the line that the sentence says is enough, for this request too
    cp "$W/ecert.conf" "$W/before.conf"
    echo 'organization = { chinese_name = "測試郵政"; };' >>"$W/ecert.conf"
    compared 1 --organization "惡意有限公司"
    says "another organisation"
    compared 0 --organization "測試郵政"
    says "names the organisation in Chinese: '測試郵政'"
    # from then on the generation that is there vouches for it
    cp "$W/before.conf" "$W/ecert.conf"
    make_request 20261002T080000Z open
    answer 20261002T080000Z next --organization "測試郵政"
    drop "$W/next.cer"
    fetch 0
    has_generation 2 "$W/next.cer" 20261002T080000Z
    make_request 20261003T080000Z open
    answer 20261003T080000Z evil --organization "惡意有限公司"
    drop "$W/evil.cer"
    fetch 1
    says "'惡意有限公司', which cannot be compared"
    CHANGE='r["chinese_organization"] = "測試郵政"'
    compared 0 --organization "測試郵政"
    says "names the organisation in Chinese: '測試郵政'"
    compared 1 --organization "試測郵政"
    says "another organisation" "ordered for 'Test Post' or '測試郵政'"
    compared 0 --organization "TEST  POST"
    says "another case or other blanks"
}

@test "OV where EV was ordered is refused, EV where OV was is said" {
    CHANGE='r["validation"] = "ev"'
    compared 1
    says "validation: EV was ordered, and the certificate is OV"
    compared 0 --ev
    CHANGE='r["validation"] = "ov"'
    compared 0 --ev
    says "more than ordered"
}

@test "a missing name is refused, one that nobody asked for is said" {
    CHANGE='r["names"] = [r["name"], "shop.myserver.com"]'
    compared 1 --alt myserver.com
    says "names: the certificate does not cover 'shop.myserver.com'"
    CHANGE='r["names"] = [r["name"]] + ["n%d.%s" % (i, "very-long-name." * 8 + "myserver.com") for i in range(2, 22)]'
    compared 1 --alt "n21.$(printf 'very-long-name.%.0s' {1..8})myserver.com"
    says "names: 19 of 21 names are missing: 'n2." "', and 17 more;"
    [ "$(grep -c '^  n[0-9]*\.very-long' "$W"/state/inbox/rejected/issued.cer.2.reason.txt)" = 19 ]
    CHANGE='r["names"] = [r["name"]] + ["n%d.myserver.com" % i for i in range(2, 22)]'
    compared 1 --alt n21.myserver.com
    says "19 of 21 names are missing: 'n2.myserver.com', 'n3.myserver.com', 'n4.myserver.com', and 16 more;"
    CHANGE='r["names"] = [r["name"], "shop.myserver.com"]'
    compared 0 --alt shop.myserver.com --alt myserver.com
    says "also covers 'myserver.com', which the request did not ask for"
    CHANGE='r["names"] = [r["name"], "*.myserver.com"]'
    compared 0 --alt '*.myserver.com' --alt myserver.com
    [[ $said != *"also covers"* ]]
}

@test "without a request the configuration says what was ordered" {
    write_config "" 'validation = "ev";' \
        'organization = { country = "HK"; name = "My Company Limited"; };'
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"'Test Post', ordered for 'My Company Limited'"* ]]
    [[ $stderr == *"EV was ordered"* ]]
    [ "$(generations)" = 0 ]
    run_ecert verify "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    grep -q 'FAILED *organization ' <<<"$output"
    grep -q 'FAILED *validation ' <<<"$output"
    write_config "" 'validation = "ev"; allow = [ "organization", "validation" ];' \
        'organization = { country = "HK"; name = "My Company Limited"; };'
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
}

# ---- what people drop ----

# mail TEXT CERTIFICATE: with the certificate attached
mail() {
    python3 -I -S - "$@" <<'PY'
import sys
from email.message import EmailMessage
m = EmailMessage()
m["From"] = "證書 <ca@example.com>"
m["To"] = "rep@myserver.com"
m["Subject"] = "閣下的電子證書已備妥"
m.set_content(sys.argv[1])
m.add_alternative("<html><body>-----BEGIN CERTIFICATE-----<br>...</body></html>", subtype="html")
m.add_attachment(open(sys.argv[2], "rb").read(), maintype="application", subtype="x-x509-ca-cert",
                 filename="證書.cer")
sys.stdout.buffer.write(m.as_bytes())
PY
}

@test "the CA's mail with the certificate attached is taken, forwarded too" {
    local form
    make_request $ID open
    answer $ID issued
    for form in cer der; do
        mail "Paste the lines from
-----BEGIN CERTIFICATE----- to the end." "$W/issued.$form" >"$W/$form.eml"
        drop "$W/$form.eml"
    done
    printf 'From: a@myserver.com\nSubject: Fwd\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n' |
        cat - "$W/der.eml" >"$W/forwarded.eml"
    drop "$W/forwarded.eml"
    fetch 0
    has_generation 1 "$W/issued.cer" $ID
    [ "$(generations)" = 1 ]
    [ -f "$W/state/inbox/taken/cer.eml" ]
    [ -f "$W/state/inbox/taken/der.eml" ]
    [ -f "$W/state/inbox/taken/forwarded.eml" ]
}

@test "the CSR itself: which request it is, and where it belongs" {
    local csr=$REQUESTS/$ID/request.csr form
    make_request $ID open
    mkdir "$W/csrs"
    cp "$csr" "$W/csrs/plain.csr"
    openssl req -in "$csr" -outform DER -out "$W/csrs/der.csr"
    sed 's/ CERTIFICATE REQUEST/ NEW CERTIFICATE REQUEST/; s/$/\r/' "$csr" >"$W/csrs/new.csr"
    for form in "$W"/csrs/*; do
        drop "$form"
    done
    fetch 1
    for form in "$W"/csrs/*; do
        grep -qF "this is the request $ID of '$NAME' itself (a CSR): paste it on the CA's page" \
            "$W/state/inbox/rejected/$(basename "$form").reason.txt"
    done
    # somebody else's is a CSR all the same
    openssl req -new -key "$W/ec.key" -subj "/CN=$NAME" -out "$W/other.csr"
    drop "$W/other.csr"
    fetch 1
    says "only a certificate request (CSR)"
    [ "$(of_request $ID state)" = open ]
}

@test "a Word file, an Outlook message, a ZIP archive: what it is, and what to do" {
    printf 'PK\003\004\024\0\0\0word/document.xml' >"$W/letter.cer"
    printf 'PK\003\004\024\0\0\0cert.cer' >"$W/zip.cer"
    printf '\320\317\021\340\241\261\032\341\0\0_\0_\0s\0u\0b\0s\0t\0g\0001\0' >"$W/mail.msg"
    drop "$W/letter.cer"
    drop "$W/zip.cer"
    drop "$W/mail.msg"
    fetch 1
    says "a Word document (.docx); the certificate itself is wanted" "a ZIP archive; unpack it" \
        "an Outlook message (.msg); open it and save the attached certificate"
}
