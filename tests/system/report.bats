# `ecert report`: the page as a real browser shows it.
# covers: core/monitor/page.h core/monitor/page_timeline.h core/cli/output.h

load deploying

# axe-core comes from npm; where its registry cannot be reached, the tests that need it say so.
axe() {
    AXE=$ECERT_BUILD/axe-core/package/axe.min.js
    [ ! -e "$AXE" ] || return 0
    mkdir -p "$ECERT_BUILD/axe-core"
    (cd "$ECERT_BUILD/axe-core" && npm pack --silent axe-core@4.10.3 && tar xzf axe-core-*.tgz) \
        >/dev/null 2>&1 || skip "axe-core cannot be fetched from npm"
}

# A watched certificate with so many days left.
watched() { # NAME DAYS
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
        -out "$W/$1.pem" -subj "/CN=$1" -days "$2" 2>/dev/null
}

scene() {
    nginx_up
    watched soon.example 2
    watched later.example 90
    write_config "$(nginx_target)" 'subscription_ends = "2036-06-30";' "
        watch = ( { file = \"$W/soon.example.pem\"; name = \"soon\"; thresholds = [ 5 ]; note = \"a <b>note</b>\"; },
                  { file = \"$W/later.example.pem\"; name = \"later\"; },
                  { file = \"$W/absent.pem\"; name = \"absent\"; } );"
    take "$W/$NAME.cer"
    ecert deploy
    settled
}

look() { # PAGE SELECTOR
    # Debian's own python3: it has Debian's python3-websocket
    /usr/bin/python3 "$ROOT/tests/support/look_at_page.py" "$1" "$AXE" "$2" >"$W/seen.json"
    cat "$W/seen.json"
}

# The value of an expression over what was seen.
seen() {
    /usr/bin/python3 -c "import json, sys; s = json.load(open('$W/seen.json')); print($1)"
}

@test "a browser shows the page without an error, fetches nothing, and axe-core finds nothing" {
    local language
    axe
    for language in en zh_HK; do
        ecert report "$W/page.html" --language "$language"
        look "$W/page.html" "#action ~ .wide .badge.critical"
        is "console ($language)" "[]" "$(seen "s['console']")"
        is "requests ($language)" "[]" "$(seen "s['requests']")"
        is "axe-core ($language)" "[]" "$(seen "s['violations']")"
        is "the urgent one is in the first screenful ($language)" True "$(seen "s['visible']")"
        is "wider than a telephone ($language)" False "$(seen "s['overflow']")"
        is "the certificate that ends soon ($language)" True "$(seen "'soon' in s['text']")"
        is "the served name ($language)" True "$(seen "'$NAME' in s['text']")"
        is "a note is text ($language)" True "$(seen "'<b>note</b>' in s['text']")"
    done
    is "Chinese" True "$(seen "'證書' in s['text'] and 'Needs action' not in s['text']")"
}

@test "the looker sees what a bad page does" {
    axe
    printf '<!DOCTYPE html><title>x</title><img src="x.png"><script>throw 1</script>' >"$W/bad.html"
    look "$W/bad.html" ".badge"
    is "console" True "$(seen "len(s['console']) > 0")"
    is "requests" True "$(seen "len(s['requests']) > 0")"
    is "violations" True "$(seen "any('image-alt' in v for v in s['violations'])")"
    is "visible" False "$(seen "s['visible']")"
}

@test "the page replaces an older one whole, and can be read by others" {
    ecert report "$W/page.html" --offline
    echo rest >>"$W/page.html"
    ecert report "$W/page.html" --offline
    head -c 15 "$W/page.html" | grep -qx '<!DOCTYPE html>'
    tail -n 1 "$W/page.html" | grep -qx '</html>'
    is "mode" 644 "$(stat -c %a "$W/page.html")"
    run -1 ecert report "$W/no/such/folder/page.html" --offline
    says "$W/no/such/folder"
    run -2 ecert report "$W/page.html" --language klingon
    says "klingon"
    no_leftovers
}

@test "only a page of its own is replaced: a configuration, a key, a folder stay as they are" {
    local file before
    cp "$W/ecert.conf" "$W/other.conf"
    printf '<!DOCTYPE html><title>somebody else'"'"'s</title>' >"$W/other.html"
    { head -c 400 /dev/zero | tr '\0' ' '; echo '<meta name="generator" content="ecert">'; } >"$W/late.html"
    mkdir "$W/folder"
    before=$(sha256sum "$W/other.conf" "$W/other.html" "$W/late.html")
    for file in other.conf other.html late.html folder; do
        run -1 ecert report "$W/$file" --offline
        says "'$W/$file'"
        says "not"
    done
    ln -s other.conf "$W/link.html"
    run -1 ecert report "$W/link.html" --offline
    is "the others" "$before" "$(sha256sum "$W/other.conf" "$W/other.html" "$W/late.html")"
    : >"$W/empty.html"
    ecert report "$W/empty.html" --offline
    grep -q '<meta name="generator" content="ecert">' "$W/empty.html"
    no_leftovers
}

@test "check --prometheus replaces only metrics of its own" {
    echo 'a = "b";' >"$W/other.conf"
    echo '# HELP node_load1 1m load average.' >"$W/node.prom"
    local file before
    before=$(sha256sum "$W/other.conf" "$W/node.prom")
    for file in other.conf node.prom; do
        run -2 ecert check --offline --prometheus "$W/$file"
        says "'$W/$file' exists and was not written by this command"
    done
    is "the others" "$before" "$(sha256sum "$W/other.conf" "$W/node.prom")"
    : >"$W/ecert.prom"
    ecert check --offline --quiet --prometheus "$W/ecert.prom" || true
    is "an empty file" "# HELP ecert_" "$(head -c 13 "$W/ecert.prom")"
    ecert check --offline --quiet --prometheus "$W/ecert.prom" || true
    no_leftovers
}
