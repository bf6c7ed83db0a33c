# Requests, from the wish to the served certificate: `ecert request`, its sheet, what the test CA
# makes of the CSR, and what comes back.
#
# covers: core/issue/request.h core/issue/foresee.h core/issue/sheet.h core/issue/awaited.h core/cli/requesting.h

load deploying

AXE_FROM=axe-core@4.10.3

prepare() {
    request_profile
    printf 'open sesame and more\n' >"$W/passphrase"
    chmod 600 "$W/passphrase"
    mkdir -m 700 "$W/backups"
    ca_up
    with
}

# What the CA wants of a request, in its profile.
request_profile() {
    cat >>"$W/ca/authorities/testpost.conf" <<'CONF'
request = {
  country = "HK"; state = "Hong Kong"; locality = "Hong Kong";
  keys = [ "rsa-2048" ]; names_in_request = false; max_names = 3; wildcard_among_names = false;
  steps = (
    { kinds = [ "first" ]; who = "the Officer"; who_zh = "主任"; text = "Apply for %NAMES%.";
      text_zh = "申請 %NAMES%。"; },
    { kinds = [ "renewal" ]; text = "Renew %NAME%."; },
    { who = "the Officer"; text = "Paste %CSR% of %ORGANIZATION%."; },
    { text = "Drop it into %INBOX%."; }
  );
};
CONF
}

# with [ORGANISATION [BACKUP [CERTIFICATES [TARGETS]]]]: a configuration; the defaults are right
with() {
    local certificates=${3:-"{ name = \"$NAME\"; names = [ \"myserver.com\" ]; @ }"}
    local rest="authority = \"testpost\"; targets = ( ${4:-{ plugin = \"iis-export\"; directory = \"$W/iis\"; \}} );"
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
organization = { ${1:-country = \"HK\"; state = \"Hong Kong\"; locality = \"Hong Kong\"; name = \"Test Post\";} };
${2-backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; \};}
certificates = ( ${certificates//@/$rest} );
CONF
}

ask() { # as a person without a name server does
    run_ecert request --no-caa "$@"
}

requests_of() { # [NAME]: the folders of its requests, oldest first
    find "$W/state/certificates/${1:-$NAME}/requests" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | sort
}

count() { # [NAME]
    requests_of "$@" | wc -l
}

nothing_written() {
    is "requests" "" "$(find "$W/state/certificates" -path '*/requests/*' 2>/dev/null)"
    is "backups" "" "$(ls "$W/backups" 2>/dev/null)"
}

# no_secret_in KEY TEXT...: none of the lines of its PEM behind the modulus, which is in every CSR.
no_secret_in() {
    local key=$1 text
    shift
    for text in "$@"; do
        ! grep -q 'PRIVATE KEY' <<<"$text" || return 1
        ! grep -qF -f <(grep -v -e '-----' "$key" | tail -n +9 | cut -c 2-40) <<<"$text" || return 1
    done
}

# The CSR as the terminal shows it.
shown_csr() {
    sed -n '/^-----BEGIN/,/^-----END/p' <<<"$output"
}

axe() {
    AXE=$ECERT_BUILD/axe-core/package/axe.min.js
    [ ! -e "$AXE" ] || return 0
    mkdir -p "$ECERT_BUILD/axe-core"
    (cd "$ECERT_BUILD/axe-core" && npm pack --silent "$AXE_FROM" && tar xzf axe-core-*.tgz) \
        >/dev/null 2>&1 || skip "axe-core cannot be fetched from npm"
}

look() { # PAGE SELECTOR EXPRESSION
    /usr/bin/python3 "$ROOT/tests/support/look_at_page.py" "$1" "$AXE" "$2" "$3" >"$W/seen.json"
    cat "$W/seen.json"
}

seen() {
    /usr/bin/python3 -c "import json, sys; s = json.load(open('$W/seen.json')); print($1)"
}

# ---- the way there and back ----

@test "from the request to the deployed certificate, with nothing but the CSR handed out" {
    local g
    ask "$NAME"
    is "code" 0 "$status"
    says "was made (first certificate" "  1. the Officer: Apply for $NAME, myserver.com." \
        "the server's administrator: Drop it into $W/state/inbox." \
        "  backup        '$W/backups/$NAME-" "RSA 2048, new"
    says_not "Renew"
    shown_csr >"$W/out.csr"
    openssl req -in "$W/out.csr" -noout -verify
    is "subject" "subject=C = HK, ST = Hong Kong, L = Hong Kong, O = Test Post, CN = $NAME" \
        "$(openssl req -in "$W/out.csr" -noout -subject)"
    says "its SHA-256   $(openssl req -in "$W/out.csr" -outform DER | sha256sum | cut -c 1-64 | tr a-f A-F)"
    is "files" "600 privkey.pem 600 request.csr 600 request.json" \
        "$(cd "$(requests_of)" && stat -c '%a %n' -- * | xargs)"
    no_secret_in "$(requests_of)/privkey.pem" "$output" "$stderr"

    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$W/out.csr" --out "$W/back"
    drop "$W/back.cer"
    run_ecert run
    is "code of run" 0 "$status"
    g=$(generation 1)
    cmp <(openssl pkey -in "$g/privkey.pem") <(openssl pkey -in "$(requests_of)/privkey.pem")
    is "exported" 1 "$(find "$W/iis" -name '*.pfx' | wc -l)"
    run_ecert request --list --all --json
    is "state" "[('issued', 1, None)]" \
        "$(json '[(r["state"], r["generation"], r["awaited"]) for r in o["requests"]]' <<<"$output")"
    run_ecert request --list
    says "no request is pending"
    no_leftovers
}

@test "the same command shows the same CSR; --another makes one more; the late one is taken too" {
    ask "$NAME"
    shown_csr >"$W/first.csr"
    ask "$NAME"
    is "code" 0 "$status"
    says "is pending"
    is "the CSR" "$(cat "$W/first.csr")" "$(shown_csr)"
    is "requests" 1 "$(count)"
    ask "$NAME" --new-header
    says "-----BEGIN NEW CERTIFICATE REQUEST-----" "-----END NEW CERTIFICATE REQUEST-----"
    is "the same bytes" "$(sed 's/ NEW / /' <<<"$(shown_csr)")" "$(cat "$W/first.csr")"
    ask "$NAME" --another
    says "was made"
    is "requests" 2 "$(count)"
    shown_csr | openssl req -noout -verify
    [ "$(shown_csr)" != "$(cat "$W/first.csr")" ]

    run -1 ecert request --cancel "$NAME"
    says "$(basename "$(requests_of | head -n 1)")" "$(basename "$(requests_of | tail -n 1)")"
    ecert request --cancel "$NAME" --id "$(basename "$(requests_of | head -n 1)")"
    is "requests after --cancel" 2 "$(count)"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$W/first.csr" --out "$W/late"
    drop "$W/late.cer"
    run_ecert run
    is "what came for the cancelled one is deployed" 0 "$status"
    is "generations" 1 "$(generations)"
}

@test "on the day its certificate came nothing new is made unless that is said" {
    ask "$NAME"
    shown_csr >"$W/out.csr"
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --csr "$W/out.csr" --out "$W/back"
    drop "$W/back.cer"
    ecert run --quiet
    ask "$NAME" --sheet "$W/sheet.html"
    is "code" 0 "$status"
    says "the certificate of request $(basename "$(requests_of)") came back on $(date -u +%F)" \
        "(generation 1); --another makes one more request"
    says_not "-----BEGIN"
    is "requests" 1 "$(count)"
    [ ! -e "$W/sheet.html" ]
    ask "$NAME" --json
    is "JSON" "[('issued', 1, False)]" \
        "$(json '[(r["state"], r["generation"], "csr" in r) for r in o["requests"]]' <<<"$output")"
    is "requests" 1 "$(count)"
    ask "$NAME" --reason "the key leaked"
    says "was made"
    ecert request --cancel "$NAME" --quiet
    sed -i 's/"myserver.com"/"other.myserver.com"/' "$W/ecert.conf"
    ask "$NAME" # for other names: it is meant
    says "was made"
    ecert request --cancel "$NAME" --quiet
    with
    ask "$NAME" --another
    says "was made"
    is "requests" 4 "$(count)"
}

@test "of several requests --id shows the one that is meant, and showing one tells of the others" {
    local first second
    ask "$NAME"
    says_not "more is pending"
    shown_csr >"$W/first.csr"
    first=$(basename "$(requests_of)")
    ask "$NAME" --another
    second=$(basename "$(requests_of | tail -n 1)")
    ask "$NAME"
    says "request $second is pending" \
        "1 more is pending: $first; \`ecert request $NAME --id ID\` shows it"
    ask "$NAME" --id "$first"
    is "code" 0 "$status"
    says "request $first is pending" "1 more is pending: $second"
    is "the CSR" "$(cat "$W/first.csr")" "$(shown_csr)"
    run_ecert request --list
    says "\`ecert request $NAME --id $first\` shows" "\`ecert request $NAME --id $second\` shows"
    run_ecert status
    says "\`ecert request $NAME --id $first\` shows"
    ask "$NAME" --id 1
    is "code" 1 "$status"
    says "'$NAME' has no request '1'; there are: $first (open), $second (open)"
    ecert request --cancel "$NAME" --id "$first" --quiet
    ask "$NAME" --id "$first"
    is "code" 1 "$status"
    says "request $first is not pending: it is cancelled"
    run_ecert request --list
    says "\`ecert request $NAME\` shows"
    is "requests" 2 "$(count)"
}

@test "what status says: since when, what is awaited, from whom, what to do next" {
    ask "$NAME"
    run_ecert status
    is "code" 0 "$status"
    says "the certificate is awaited from Test Post e-Cert (Server) since $(date -u +%F) (0 days)" \
        "next: the Officer hands the request to the CA"
    run_ecert status --json
    is "JSON" "[('$NAME', 'open', 'first', 'the certificate', 'Test Post e-Cert (Server)')]" \
        "$(json '[(r["certificate"], r["state"], r["kind"], r["awaited"], r["from"]) for r in o["requests"]]' <<<"$output")"
    echo '{' >"$(requests_of)/request.json"
    run_ecert status
    is "a damaged request cannot be told" 1 "$status"
    says "request.json"
}

@test "--json has everything: names, key, backups, CSR, steps" {
    ask "$NAME" --json
    is "code" 0 "$status"
    is "a request" "$NAME first open False ['$NAME', 'myserver.com'] RSA 2048 Test Post" \
        "$(json '" ".join(str(o["requests"][0][k]) for k in ("certificate", "kind", "state", "again", "names", "key", "organization"))' <<<"$output")"
    is "backups" "1 True" "$(json 'str(len(o["requests"][0]["backups"])) + " " + str(o["requests"][0]["backups"][0]["opened"] is not None)' <<<"$output")"
    is "steps" 3 "$(json 'len(o["requests"][0]["steps"])' <<<"$output")"
    json 'o["requests"][0]["csr"]' <<<"$output" | openssl req -noout -verify
    is "the file" "$(requests_of)/request.csr" "$(json 'o["requests"][0]["csr_file"]' <<<"$output")"
    no_secret_in "$(requests_of)/privkey.pem" "$output" "$stderr"
}

# ---- refused ----

@test "what breaks a rule of the CA is refused with the rule, and nothing is written" {
    local name good='country = "HK"; state = "Hong Kong"; locality = "Hong Kong";'
    with 'country = "CN"; state = "Hong Kong"; locality = "Hong Kong"; name = "Test Post";'
    ask "$NAME"
    is "another country" 2 "$status"
    says "\"CN\"" "wants C = \"HK\""
    with "$good"
    ask "$NAME"
    is "no organisation" 2 "$status"
    says "organi"
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"*.myserver.com\"; names = [ \"a.example.com\" ]; @ }"
    ask '*.myserver.com'
    is "a wildcard among names" 2 "$status"
    says "wildcard"
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; names = [ \"a.myserver.com\", \"b.myserver.com\", \"c.myserver.com\" ]; @ }"
    ask "$NAME"
    is "too many names" 2 "$status"
    says "3"
    for name in bad_name.myserver.com localhost 192.0.2.7 'www.*.myserver.com' -x.myserver.com; do
        with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
            "{ name = \"$name\"; @ }"
        ask --all --reason test
        is "the name '$name'" 2 "$status"
        says "$name"
    done
    nothing_written
}

@test "of two places one is full: the copy in the other stays, the CSR is not shown; the command goes on" {
    local first
    [ "$(id -u)" -eq 0 ] || skip "mounting needs root"
    mkdir -m 700 "$W/full"
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/full\", \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; key = { bits = 3072; }; @ }"
    mount -t tmpfs -o size=64k,mode=0700 tmpfs "$W/full" || skip "no tmpfs can be mounted here"
    head -c 60k /dev/zero >"$W/full/ballast" # one page is left, which a copy is larger than
    ask "$NAME"
    [ "$status" -eq 1 ] || { umount "$W/full" && return 1; }
    first=$(requests_of)
    says "request ${first##*/} is made, but its CSR is not shown yet (the same command goes on from there): " \
        "'$W/full' has none: " "No space left on device"
    [[ $output$stderr != *"BEGIN CERTIFICATE REQUEST"* ]]
    is "state, copies" "made $W/backups" \
        "$(jq -r '.state + " " + (.backups[].path | sub("/[^/]*$"; ""))' "$first/request.json")"
    ls -A "$W/full" >"$W/left"
    rm "$W/full/ballast"
    ask "$NAME"
    [ "$(jq -r '.backups | length' "$first/request.json")" = 2 ] && ls "$W/full" >"$W/now"
    umount "$W/full"
    is "code" 0 "$status"
    is "nothing half" "ballast" "$(cat "$W/left")"
    is "then" "${NAME}-${first##*/}.p7m" "$(cat "$W/now")"
    is "requests" 1 "$(count)"
    [[ $output == *"BEGIN CERTIFICATE REQUEST"* ]]
}

@test "a place that is not there: nothing is made" {
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\", \"$W/gone\" ]; };"
    ask "$NAME"
    is "code" 1 "$status"
    says "'$W/gone' is not there; is the share mounted?"
    nothing_written
}

@test "a Chinese name is asked for as A-labels" {
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"www.我的伺服器.com\"; @ }"
    ask www.我的伺服器.com
    is "code" 0 "$status"
    says "www.我的伺服器.com (www.xn--3pqw8o2pk43espw.com): request"
    is "subject" "CN = www.xn--3pqw8o2pk43espw.com" \
        "$(shown_csr | openssl req -noout -subject | sed 's/.*\(CN = \)/\1/')"
    run_ecert request --list www.我的伺服器.com
    says "www.xn--3pqw8o2pk43espw.com"
    ecert request --cancel www.我的伺服器.com
}

@test "a progress bar on a terminal, and nothing of it elsewhere" {
    command -v script >/dev/null || skip "no script(1)"
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; @ }, { name = \"b.myserver.com\"; @ }"
    script -qec "'$ECERT_BUILD/ecert' -c '$W/ecert.conf' request --no-caa --all --reason x" /dev/null >"$W/said"
    grep -qF '2 of 2 requests' "$W/said"
    rm -r "$W/state/certificates"
    ask --all --reason x
    says_not "2 of 2 requests"
}

@test "an unknown name, and options that contradict each other, are refused" {
    ask www.myserver.co
    is "code" 2 "$status"
    says "did you mean '$NAME'?"
    local -a wrong=("" "--all" "--all --reason x $NAME" "--list --cancel" "--cancel" "--id 1"
        "--cancel --all" "--id 1 --another $NAME" "--list --id 1" "--list --another" "--sheet")
    local words
    for words in "${wrong[@]}"; do
        # shellcheck disable=SC2086 # words on purpose
        ask $words
        is "code of '$words'" 2 "$status"
    done
    ask "$NAME" --language klingon
    is "code" 2 "$status"
    says "klingon"
    run -1 ecert request --cancel "$NAME"
    says "$NAME"
    nothing_written
}

@test "without a backup nothing is asked for: none configured, the place missing" {
    with "" ""
    ask "$NAME"
    is "none configured" 2 "$status"
    says "backup" "--no-backup"
    nothing_written
    ask "$NAME" --no-backup
    is "as the operator says" 0 "$status"
    says "none, as you said"
    rm -r "$W/state/certificates"
    with
    rmdir "$W/backups"
    ask "$NAME"
    [ "$status" -ne 0 ]
    says "$W/backups"
    nothing_written
}

@test "killed between key and backup: the same command goes on, with the same key" {
    ask "$NAME"
    local folder key
    folder=$(requests_of)
    key=$(sha256sum <"$folder/privkey.pem")
    # as it stands when the program is killed there
    sed -i -e 's/"state": *"open"/"state": "made"/' -e 's/"shown": *[0-9]*/"shown": 0/' "$folder/request.json"
    python3 -I -S - "$folder/request.json" <<'PY'
import json, sys
o = json.load(open(sys.argv[1]))
assert o["state"] == "made", o
o["backups"] = []
json.dump(o, open(sys.argv[1], "w"))
PY
    rm "$W/backups/"*
    run_ecert status
    says "the backup of its key is awaited from the server's administrator" "run \`ecert request $NAME\` again"
    ask "$NAME"
    is "code" 0 "$status"
    is "requests" 1 "$(count)"
    is "the key" "$key" "$(sha256sum <"$folder/privkey.pem")"
    is "backups" 1 "$(find "$W/backups" -type f | wc -l)"
    says "-----BEGIN CERTIFICATE REQUEST-----"
}

@test "killed anywhere: no CSR is shown before its backup, and the same command goes on" {
    gcc -shared -fPIC -o "$W/die_at.so" "$ROOT/tests/support/die_at.c" -ldl
    local at code died=0 folder
    for at in $(seq 60); do
        rm -rf "$W/state" "$W/backups/"*
        ecert fetch --quiet
        code=0
        ECERT_DIE_AT=$at LD_PRELOAD=$W/die_at.so ecert request --no-caa "$NAME" >"$W/said" 2>&1 ||
            code=$?
        [ "$code" -ne 0 ] || break
        is "killed at $at" 137 "$code"
        died=$at
        ! grep -q 'BEGIN CERTIFICATE REQUEST' "$W/said" || return 1
        ask "$NAME"
        is "again after $at" 0 "$status"
        is "requests after $at" 1 "$(count)"
        folder=$(requests_of)
        is "state after $at" open "$(json 'o["state"]' <"$folder/request.json")"
        is "the key of the CSR after $at" "$(openssl pkey -in "$folder/privkey.pem" -pubout)" \
            "$(shown_csr | openssl req -noout -pubkey)"
        is "backups after $at" 1 "$(find "$W/backups" -name "*-$(basename "$folder").p7m" | wc -l)"
        is "left over after $at" "" "$(find "$W/state" -name '.*ecert-*')"
    done
    is "it ends by itself at last" 0 "$code"
    [ "$died" -ge 5 ]
}

@test "a pending request: every difference, the kind it would be of by now, and its reason are said" {
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; key = { file = \"$W/keys/$NAME.key\"; }; @ }"
    ask "$NAME" --reason "the first"
    is "code" 0 "$status"
    says "(first certificate: "
    says_not "by now it would be"
    drop "$W/$NAME.cer"
    run_ecert fetch
    is "code of fetch" 0 "$status"
    with "country = \"HK\"; state = \"Hong Kong\"; locality = \"Hong Kong\"; name = \"Other Post\";" \
        "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; names = [ \"b.com\" ]; key = { file = \"$W/keys/$NAME.key\"; }; @ }"
    ask --all --reason "another one"
    says "by now it would be a re-issue" \
        "ecert request --cancel $NAME --id $(basename "$(requests_of)")"
    says "asks for other names, another organisation than the configuration does now"
    says "its reason stays the one that it was made for: the first"
    is "requests" 1 "$(count)"
}

@test "the present key is taken again: what it is, and that the configured kind does not count" {
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; key = { file = \"$W/keys/$NAME.key\"; policy = \"reuse\"; bits = 4096; }; @ }"
    ask "$NAME"
    is "code" 0 "$status"
    says "RSA 2048, the present one" "the key is the present one, RSA 2048" "does not count"
}

# ---- an emergency ----

@test "--all in an emergency: a sheet with all, and a table of what is back" {
    axe
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; names = [ \"myserver.com\" ]; @ }, { name = \"b.myserver.com\"; @ },
         { name = \"www.xn--3pqw8o2pk43espw.com\"; @ }"
    echo 'somebody else' >"$W/other.html"
    ask --all --reason "the CA's key" --sheet "$W/other.html"
    is "a file of somebody else is not replaced" 1 "$status"
    nothing_written
    ask --all --reason "the CA's key" --sheet "$W/sheet.html"
    is "code" 0 "$status"
    says "3 made, 0 pending before, 0 failed" "'$W/sheet.html' shows 3 requests"
    says_not "-----BEGIN"
    is "mode" 644 "$(stat -c %a "$W/sheet.html")"
    no_secret_in "$(requests_of)/privkey.pem" "$output" "$(cat "$W/sheet.html")"

    test_ca issue "$W/ca" b.myserver.com --csr "$(requests_of b.myserver.com)/request.csr" --out "$W/b"
    drop "$W/b.cer"
    run_ecert run
    is "code of run" 0 "$status"
    run_ecert request --list --sheet "$W/sheet.html"
    says "1 of 3 are back, 2 are missing" "the CA's key" "'$W/sheet.html' shows 3 requests"
    run_ecert request --list --json
    is "batch" "['b.myserver.com'] ['$NAME', 'www.xn--3pqw8o2pk43espw.com']" \
        "$(json 'str(o["batches"][0]["back"]) + " " + str(o["batches"][0]["missing"])' <<<"$output")"
    no_leftovers
}

@test "the sheet of --all tells of names without a request, why in Chinese, and the time here" {
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; @ }, { name = \"*.myserver.com\"; names = [ \"a.hk.com\" ]; @ }"
    gcc -shared -fPIC -o "$W/clock_at.so" "$ROOT/tests/support/clock_at.c" -ldl
    export ECERT_ZONE=HKT-8 ECERT_LATER=0 LD_PRELOAD=$W/clock_at.so
    ask --all --reason drill --language zh_HK --sheet "$W/sheet.html"
    is "code" 2 "$status"
    says "1 made, 0 pending before, 1 failed"
    grep -q '下列名稱未能製作簽署要求</h2>' "$W/sheet.html"
    grep -q '<dt>\*.myserver.com</dt><dd lang="en">.*wildcard' "$W/sheet.html"
    grep -q '<dd>此名稱尚未有證書</dd>' "$W/sheet.html"
    is "as of" 1 "$(grep -cE '<p>.*:..Z">[-0-9]{10} [0-9:]{5} HKT \(\+08:00\)</time></p>' "$W/sheet.html")"
    run_ecert request --list
    unset LD_PRELOAD
    says "HKT (+08:00)  the certificate, from "
}

@test "--all leaves out no name silently: key in IIS, a name that is refused; nobody is told to request" {
    local iis="{ name = \"iis.com\"; authority = \"testpost\"; key = { where = \"iis\"; };
        targets = ( { plugin = \"iis-export\"; directory = \"$W/iis\"; } ); }"
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; @ }, { name = \"*.bad.com\"; names = [ \"bad.com\", \"x.com\" ]; @ }, $iis"
    run_ecert plan
    says_not "ecert request iis.com" "ecert request '*.bad.com'"
    says "its key is made in IIS"
    run_ecert check --offline --json
    says_not "ecert request iis.com"
    is "advice" True "$(json 'any(f["name"] == "iis.com" and "IIS Manager" in f["what_to_do"] for f in o["findings"])' <<<"$output")"
    is "advice" True "$(json 'any(f["name"] == "*.bad.com" and "Correct the entry" in f["what_to_do"] for f in o["findings"])' <<<"$output")"

    ask --all --reason x --sheet "$W/sheet.html"
    is "code" 2 "$status"
    says "1 made, 0 pending before, 2 failed" "iis.com: its key is made in IIS" "*.bad.com: "
    grep -q '<dt>iis.com</dt>' "$W/sheet.html"
    grep -q '<dt>\*.bad.com</dt>' "$W/sheet.html"
    run_ecert request --list --sheet "$W/sheet.html"
    says "0 of 3 are back, 1 is missing, 2 have no request" "iis.com has no request: its key is made in IIS"
    says "*.bad.com has no request: "
    grep -q '<dt>iis.com</dt>' "$W/sheet.html"
    run_ecert request --list --json
    is "left out" "['*.bad.com', 'iis.com']" \
        "$(json 'str([r["certificate"] for r in o["batches"][0]["left_out"]])' <<<"$output")"
}

@test "a browser shows the sheet: no error, nothing fetched, axe-core finds nothing, one sheet each" {
    local language copy
    axe
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; names = [ \"myserver.com\" ]; @ }, { name = \"b.myserver.com\"; @ },
         { name = \"www.xn--3pqw8o2pk43espw.com\"; @ }"
    ask --all --reason "<b>urgent</b>"
    ecert request --no-caa --another "$NAME" >/dev/null
    copy="(async () => { const b = document.querySelector('button[data-copy]'); b.click();
        await new Promise(r => setTimeout(r, 500));
        return [document.getElementById('c1').textContent, b.nextElementSibling.textContent,
                String(getSelection()).trim(), document.querySelectorAll('input').length]; })()"
    for language in en zh_HK; do
        ecert request --list --sheet "$W/sheet.html" --language "$language"
        look "$W/sheet.html" h1 "$copy"
        is "console ($language)" "[]" "$(seen "s['console']")"
        is "requests ($language)" "[]" "$(seen "s['requests']")"
        is "axe-core ($language)" "[]" "$(seen "s['violations']")"
        is "wider than a telephone ($language)" False "$(seen "s['overflow']")"
        is "sheets of paper: all, and one for each ($language)" 5 "$(seen "s['sheets']")"
        is "boxes ($language)" 4 "$(seen "s['value'][3]")"
        is "the CSR ($language)" "$(cat "$(requests_of | head -n 1)/request.csr")" "$(seen "s['value'][0].rstrip()")"
        is "what is selected ($language)" "$(cat "$(requests_of | head -n 1)/request.csr")" "$(seen "s['value'][2]")"
        is "a reason is text ($language)" True "$(seen "'<b>urgent</b>' in s['text']")"
        is "the name in Chinese ($language)" True "$(seen "'www.我的伺服器.com' in s['text']")"
    done
    is "Chinese" True "$(seen "'申請 $NAME' in s['text'] and '步驟' in s['text'] and 'Steps' not in s['text']")"
    ask "$NAME" --sheet "$W/one.html"
    look "$W/one.html" h1 1
    is "one request is one sheet" 1 "$(seen "s['sheets']")"
}

@test "the installed profile prints on one sheet, too, and never asks for the PIN" {
    axe
    if [ ! -e /etc/ssl/certs/Hongkong_Post_Root_CA_3.pem ]; then skip "no package ca-certificates"; fi
    cp "$ROOT/etc/authorities/hongkongpost.conf" "$W/ca/authorities/"
    with
    sed -i 's/"testpost"/"hongkongpost"/' "$W/ecert.conf"
    local language
    for language in en zh_HK; do
        ask "$NAME" --sheet "$W/sheet.html" --language "$language"
        is "code" 0 "$status"
        look "$W/sheet.html" h1 1
        is "sheets ($language)" 1 "$(seen "s['sheets']")"
        is "violations ($language)" "[]" "$(seen "s['violations']")"
    done
    is "fields for a PIN" 0 "$(grep -ci '<input[^>]*pin' "$W/sheet.html" || true)"
}

# ---- what `ecert config` tells of it ----

@test "config remarks what every request will refuse, each rule once, and leaves with 0" {
    local two="{ name = \"$NAME\"; @ }, { name = \"two.myserver.com\"; @ }"
    with 'country = "GB"; state = "Hong Kong"; name = " ";' \
        "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" "$two"
    rmdir "$W/backups"
    run_ecert config --json
    [ "$status" -eq 0 ]
    json '"\n".join(o["warnings"])' <<<"$output" >"$W/warnings"
    cat "$W/warnings"
    is "country" 1 "$(grep -c "will refuse: 'organization.country' is \"GB\"" "$W/warnings")"
    is "name" 1 "$(grep -c "will refuse: 'organization.name' is missing" "$W/warnings")"
    grep -q "certificate '$NAME' and 1 more: .*organization.country" "$W/warnings"
    is "place" 1 "$(grep -c "will refuse: place of backups '$W/backups' is not there" "$W/warnings")"
}

@test "config remarks names that a CSR cannot have, and an empty passphrase" {
    with "" "backup = { passphrase_file = \"$W/passphrase\"; places = [ \"$W/backups\" ]; };" \
        "{ name = \"$NAME\"; names = [ \"*.$NAME\", \"localhost\" ]; @ }"
    : >"$W/passphrase"
    run_ecert config
    [ "$status" -eq 0 ]
    says "'localhost'"
    says "'*.$NAME'"
    says "passphrase of backups: '$W/passphrase' must hold the password in its first line"
}

@test "config has no remark where a request would be made" {
    run_ecert config --json
    [ "$status" -eq 0 ]
    is "warnings" "[]" "$(json 'o.get("warnings", [])' <<<"$output")"
}
