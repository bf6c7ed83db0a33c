# The chain: built from what is believed, never with the revoked twin of the sub CA, and every check.
#
# covers: core/flow/authority_keys.h core/flow/chain_parts.h core/flow/checks_rows.h
# covers: core/flow/network_internal.h

load common

prepare() {
    write_config
}

chain_is() { # SERIAL...: of the newest generation
    local got
    got=$(serials "$(generation "$(generations)")/chain.pem" | xargs)
    echo "chain: $got"
    [ "$got" = "$*" ]
}

never_the_twin() { # nowhere below the generations
    local file
    while read -r file; do
        if serials "$file" | grep -qx "$REVOKED"; then return 1; fi
    done < <(find "$W/state/certificates" -path '*generations*' -name '*.pem' 2>/dev/null)
}

names_both() { # TEXT: the serial of the revoked one and of the current one
    [[ $1 == *"$REVOKED"* ]]
    [[ $1 == *"$SUB"* ]]
}

twin_at_the_address() {
    cp "$W/ca/sub-revoked.pem" "$W/ca/www/root/ecert_ssl_ca_3-17_pem.crt"
}

# Another certificate of the sub CA, same key, that the profile has never heard of: W/new.pem
reissued_sub() {
    openssl req -new -config "$W/ca/ca.cnf" -utf8 -key "$W/ca/sub.key" \
        -subj "/C=HK/ST=Hong Kong/L=Hong Kong/O=Test Post/CN=Test e-Cert SSL CA 3 - 17" \
        -out "$W/new.csr"
    echo 2026000000000007 >"$W/ca/books/root.serial"
    openssl ca -batch -notext -config "$W/ca/ca.cnf" -name root -extensions sub_certificate \
        -startdate 20260901000000Z -enddate 20420602000000Z -in "$W/new.csr" -out "$W/new.pem"
} 2>/dev/null

# ---- order, root, cross-certificate ----

@test "leaf, current sub CA, cross-certificate; never the root" {
    ca_up
    cat "$W/$NAME.cer" "$W/ca/root.pem" "$W/ca/sub.pem" "$W/ca/sub.pem" >"$W/all.pem"
    run_ecert import "$W/all.pem"
    [ "$status" -eq 0 ]
    chain_is $SUB $CROSS
    # a second opinion: OpenSSL builds the same from nothing but this chain and the root
    openssl verify -no-CAfile -no-CApath -no-CAstore -trusted "$W/ca/root.pem" \
        -untrusted "$(generation 1)/chain.pem" -purpose sslserver "$W/$NAME.cer"
    openssl verify -no-CAfile -no-CApath -no-CAstore -trusted "$W/ca/other.pem" \
        -untrusted "$(generation 1)/chain.pem" -purpose sslserver "$W/$NAME.cer"
}

@test "cross_certificate = false leaves it out" {
    ca_up
    write_config "" "cross_certificate = false;"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is $SUB
}

@test "an EV leaf gets the EV sub CA" {
    ca_up
    test_ca issue "$W/ca" "$NAME" --ev --key "$W/keys/$NAME.key" --out "$W/ev"
    run_ecert import "$W/ev.cer"
    [ "$status" -eq 0 ]
    chain_is 2025000000000002 $CROSS
}

@test "DER at the CA's address is as good as PEM" {
    openssl x509 -in "$W/ca/sub.pem" -outform DER -out "$W/ca/www/root/ecert_ssl_ca_3-17_pem.crt"
    ca_up
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is $SUB $CROSS
}

# ---- the revoked twin ----

@test "the twin by the CA's own address: refused, both serials named; taken when the address is right" {
    ca_up
    twin_at_the_address
    drop "$W/$NAME.cer"
    run_ecert fetch
    [ "$status" -eq 1 ]
    names_both "$stderr"
    [ "$(generations)" = 0 ]
    cp "$W/ca/sub.pem" "$W/ca/www/root/ecert_ssl_ca_3-17_pem.crt"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is $SUB $CROSS
}

@test "the twin by the CA's own address, the current one in chain_file: the current one" {
    ca_up
    twin_at_the_address
    write_config "" "chain_file = \"$W/ca/sub.pem\";"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is $SUB $CROSS
    never_the_twin
}

@test "the twin by the operator's chain file: replaced, and said" {
    ca_up
    write_config "" "chain_file = \"$W/ca/sub-revoked.pem\";"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is $SUB $CROSS
    never_the_twin
    names_both "$output"
}

@test "the twin by the operator's chain file, and the CA cannot be reached: refused, both named" {
    write_config "" "chain_file = \"$W/ca/sub-revoked.pem\";"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    names_both "$stderr"
    [ "$(generations)" = 0 ]
}

@test "the twin inside the issued file, PEM and PKCS#7: replaced, or refused when there is no other" {
    cat "$W/$NAME.cer" "$W/ca/sub-revoked.pem" >"$W/twin.pem"
    openssl crl2pkcs7 -nocrl -certfile "$W/twin.pem" -out "$W/twin.p7b"
    local file
    for file in twin.pem twin.p7b; do
        run_ecert import "$W/$file"
        [ "$status" -eq 1 ]
        names_both "$stderr"
        [ "$(generations)" = 0 ]
    done
    ca_up
    for file in twin.pem twin.p7b; do
        run_ecert import "$W/$file"
        [ "$status" -eq 0 ]
        chain_is $SUB $CROSS
        never_the_twin
        names_both "$output"
        rm -r "$W/state/certificates"
    done
}

@test "the twin beside the current one, in every order: the current one" {
    ca_up
    local order
    for order in "sub-revoked sub" "sub sub-revoked"; do
        cat "$W/$NAME.cer" "$W/ca/${order% *}.pem" "$W/ca/${order#* }.pem" >"$W/both.pem"
        run_ecert import "$W/both.pem"
        [ "$status" -eq 0 ]
        chain_is $SUB $CROSS
        rm -r "$W/state/certificates"
    done
}

@test "the twin is known by the root's CRL even where the profile does not list it" {
    ca_up
    twin_at_the_address
    sed -i 's/ *revoked = \[[^]]*\];//' "$W/ca/authorities/testpost.conf"
    run -1 grep revoked "$W/ca/authorities/testpost.conf"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    names_both "$stderr"
    [ "$(generations)" = 0 ]
    write_config "" "chain_file = \"$W/ca/sub-revoked.pem\";"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [ "$(generations)" = 0 ]
}

@test "the twin in the cache under its own name is not used" {
    ca_up
    run_ecert import "$W/$NAME.cer"
    cp "$W/ca/sub-revoked.pem" "$W/state/chains/$(sha256_of "$W/ca/sub-revoked.pem").pem"
    # and under the name of the current one
    cp "$W/ca/sub-revoked.pem" "$W/state/chains/$(sha256_of "$W/ca/sub.pem").pem"
    rm -r "$W/state/certificates"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is $SUB $CROSS
}

# ---- believing ----

@test "a sub CA that the profile does not know is believed by signature and CRL, and said" {
    ca_up
    reissued_sub
    cp "$W/new.pem" "$W/ca/www/root/ecert_ssl_ca_3-17_pem.crt"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is 2026000000000007 $CROSS
    [[ $output == *2026000000000007*CRL* ]]
}

@test "the same without a CRL to be had, or when the CRL lists it: refused" {
    reissued_sub
    cp "$W/new.pem" "$W/ca/www/root/ecert_ssl_ca_3-17_pem.crt"
    ca_up
    mv "$W/ca/www/crl/RootCA3ARL.crl" "$W/away.crl"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *CRL* ]]
    [ "$(generations)" = 0 ]
    rm -rf "$W/state"
    test_ca revoke "$W/ca" "$W/new.pem"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *2026000000000007* ]]
    [[ $stderr == *revoked* ]]
    [ "$(generations)" = 0 ]
}

@test "a CRL with a wrong signature counts as none" {
    reissued_sub
    cp "$W/new.pem" "$W/ca/www/root/ecert_ssl_ca_3-17_pem.crt"
    # somebody on the way serves an empty CRL of his own making in the root's name
    openssl ecparam -name prime256v1 -genkey -noout -out "$W/evil.key"
    openssl req -x509 -key "$W/evil.key" -days 30 -out "$W/evil.pem" \
        -subj "/C=HK/ST=Hong Kong/L=Hong Kong/O=Test Post/CN=Test Post Root CA 3"
    : >"$W/evil.index"
    printf '[ca]\ndefault_ca=e\n[e]\ndatabase=%s\ndefault_md=sha256\ndefault_crl_days=30\n' \
        "$W/evil.index" >"$W/evil.cnf"
    openssl ca -gencrl -config "$W/evil.cnf" -keyfile "$W/evil.key" -cert "$W/evil.pem" \
        -out "$W/evil.crl"
    openssl crl -in "$W/evil.crl" -outform DER -out "$W/ca/www/crl/RootCA3ARL.crl"
    ca_up
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [ "$(generations)" = 0 ]
}

@test "works off the cache when the CA cannot be reached" {
    ca_up
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    ca_down
    run_ecert import "$W/second.cer"
    [ "$status" -eq 0 ]
    [ "$(generations)" = 2 ]
    chain_is $SUB $CROSS
}

@test "nothing cached and nobody there: a sentence that says where it was looked for; it stays" {
    drop "$W/$NAME.cer"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [[ $stderr == *"Test e-Cert SSL CA 3 - 17"*"http://127.0.0.1:$CA_PORT/root/"* ]]
    [ -f "$W/state/inbox/$NAME.cer" ]
    ca_up
    run_ecert fetch
    [ "$status" -eq 0 ]
    chain_is $SUB $CROSS
}

@test "a leaf on the sub CA's CRL is refused" {
    test_ca revoke "$W/ca" "$W/$NAME.cer"
    ca_up
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *revoked* ]]
    [ "$(generations)" = 0 ]
    run_ecert import "$W/second.cer"
    [ "$status" -eq 0 ]
}

# The copies of the CRLs were fetched so many seconds before now.
copies_are_old() { # SECONDS
    sed -i -E "s/\"fetched\": [0-9]+/\"fetched\": $(($(date +%s) - $1))/" "$W/state/crls/"*.json
}

requests() { # [PATTERN]: how many the CA got, of those that match
    grep -c -- "${1:-}" "$W/ca-server/logs/access.log" || true
}

@test "revoked this morning: neither taken nor deployed, although the CRL of yesterday is in date" {
    ca_up
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    run_ecert import "$W/second.cer"
    [ "$status" -eq 0 ]
    test_ca issue "$W/ca" "$NAME" --alt myserver.com --key "$W/keys/$NAME.key" --out "$W/third"
    test_ca revoke "$W/ca" "$W/second.cer"
    test_ca revoke "$W/ca" "$W/third.cer"
    copies_are_old 660
    run_ecert import "$W/third.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *revoked* ]]
    [ "$(generations)" = 2 ]
    # asked anew for the import, it is young enough for the deployment
    run_ecert deploy
    [ "$status" -eq 1 ]
    [[ $stderr == *revoked* ]]
}

@test "a run that has nothing to do asks nobody; one that has, asks when its copies are old" {
    ca_up
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    run_ecert run
    [ "$status" -eq 0 ]
    before=$(requests)
    copies_are_old 660
    run_ecert run
    [ "$status" -eq 0 ]
    [ "$(requests)" = "$before" ]
    # the target has it: a copy of today will do
    run_ecert deploy
    [ "$status" -eq 0 ]
    [ "$(requests)" = "$before" ]
    # the same certificate again is no news
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    [ "$(requests)" = "$before" ]
    run_ecert import "$W/second.cer"
    [ "$status" -eq 0 ]
    [ "$(requests)" -gt "$before" ]
    copies_are_old 660
    before=$(requests) unchanged=$(requests '" 304 ')
    run_ecert run
    [ "$status" -eq 0 ]
    [ "$(requests)" -gt "$before" ]
    [ "$(requests '" 304 ')" -gt "$unchanged" ]
    [ $(($(requests) - before)) = $(($(requests '" 304 ') - unchanged)) ]
}

@test "authority \"system\" does not believe a CA that the system does not know" {
    AUTHORITY=system write_config
    cat "$W/$NAME.cer" "$W/ca/sub.pem" "$W/ca/root.pem" >"$W/all.pem"
    run_ecert import "$W/all.pem"
    [ "$status" -eq 1 ]
    [[ $stderr == *"no anchor of the authority 'system'"* ]]
    [ "$(generations)" = 0 ]
}

@test "a private CA: a profile with anchors only, the chain from chain_file or the issued file" {
    cat >"$W/ca/authorities/private.conf" <<CONF
name = "a CA of our own";
anchors = ( { file = "$W/ca/root.pem"; } );
CONF
    AUTHORITY=private write_config "" "chain_file = \"$W/ca/sub.pem\";"
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    chain_is $SUB
    rm -r "$W/state/certificates"
    AUTHORITY=private write_config
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    [[ $stderr == *"Test e-Cert SSL CA 3 - 17"* ]]
    cat "$W/$NAME.cer" "$W/ca/sub.pem" >"$W/both.pem"
    run_ecert import "$W/both.pem"
    [ "$status" -eq 0 ]
    chain_is $SUB
}

@test "an anchor that is not its pin is refused before anything else" {
    sed -i "s|file = \"$W/ca/root.pem\"|file = \"$W/ca/sub.pem\"|" "$W/ca/authorities/testpost.conf"
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"$W/ca/sub.pem"* ]]
}

# ---- the checks ----

failed_ids() { # of the output of verify --json
    json '" ".join(r["id"] for r in o["files"][0]["checks"] if r["outcome"] == "FAILED")' <<<"$output"
}

@test "verify prints every row; 0 for a good file, 1 for a bad one; takes nothing in" {
    ca_up
    ecert fetch --quiet
    run_ecert verify --json "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    [ "$(json 'o["files"][0]["certificate"]' <<<"$output")" = "$NAME" ]
    [ -z "$(failed_ids)" ]
    [ "$(json 'len(o["files"][0]["checks"]) >= 10' <<<"$output")" = True ]
    [ "$(json 'all(r["id"] and r["sentence"] for r in o["files"][0]["checks"])' <<<"$output")" = True ]
    local ids id
    ids=$(json '" ".join(r["id"] for r in o["files"][0]["checks"])' <<<"$output")
    run_ecert verify "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    for id in $ids; do
        [ "$(grep -cE "^ +(passed|skipped|unknown) +$id " <<<"$output")" -eq 1 ]
    done
    local before
    before=$(snapshot "$W/state" | grep -vE "$W/state/(crls|chains)")
    cat "$W/ec.cer" "$W/ca/sub-revoked.pem" >"$W/bad.pem"
    run_ecert verify "$W/bad.pem" "$W/$NAME.cer"
    [ "$status" -eq 1 ]
    same "$before" "$(snapshot "$W/state" | grep -vE "$W/state/(crls|chains)")"
    [ "$(generations)" = 0 ]
}

@test "verify tells each kind of fault by its row, in text and in JSON; import refuses it" {
    ca_up
    local start end key=$W/keys/$NAME.key
    start=$(date -u -d '-190 days' +%Y%m%d%H%M%SZ) end=$(date -u -d '-100 days' +%Y%m%d%H%M%SZ)
    test_ca issue "$W/ca" "$NAME" --key "$key" --not-before "$start" --not-after "$end" --out "$W/not-after"
    start=$(date -u -d '+1 day' +%Y%m%d%H%M%SZ) end=$(date -u -d '+90 days' +%Y%m%d%H%M%SZ)
    test_ca issue "$W/ca" "$NAME" --key "$key" --not-before "$start" --not-after "$end" --out "$W/not-before"
    test_ca issue "$W/ca" other.example --key "$key" --out "$W/names"
    test_ca issue "$W/ca" "$NAME" --key "$key" --policy 1.2.3.4 --out "$W/policy"
    test_ca revoke "$W/ca" "$W/$NAME.cer"
    cp "$W/$NAME.cer" "$W/leaf-revoked.cer"
    local row
    for row in not-after not-before names policy leaf-revoked; do
        run_ecert verify --json "$W/$row.cer"
        [ "$status" -eq 1 ]
        [ "$(failed_ids)" = $row ]
        [ -n "$(json '[r["why"] for r in o["files"][0]["checks"] if r["outcome"] == "FAILED"][0]' <<<"$output")" ]
        run_ecert verify "$W/$row.cer"
        [ "$status" -eq 1 ]
        grep -qE "^ +FAILED +$row " <<<"$output"
        run_ecert import "$W/$row.cer"
        [ "$status" -eq 1 ]
        [ "$(wc -l <<<"$stderr")" -eq 1 ]
        [[ $stderr == *"$row"* ]]
    done
    [ "$(generations)" = 0 ]
}

@test "a lifetime beyond the Baseline Requirements is a warning" {
    ca_up
    test_ca issue "$W/ca" "$NAME" --key "$W/keys/$NAME.key" --days 300 --out "$W/long"
    run_ecert verify "$W/long.cer"
    [ "$status" -eq 0 ]
    grep -qE '^ +warning +lifetime ' <<<"$output"
    run_ecert import "$W/long.cer"
    [ "$status" -eq 0 ]
    [[ $output == *lifetime* ]]
}

@test "allow lets exactly that check fail, for that certificate" {
    ca_up
    local key=$W/keys/$NAME.key names policy
    test_ca issue "$W/ca" other.example --key "$key" --policy 1.2.3.4 --out "$W/both"
    run_ecert verify --json "$W/both.cer"
    [ "$status" -eq 1 ]
    read -r names policy < <(failed_ids)
    [ -n "$policy" ]
    local one other
    for one in "$names" "$policy"; do
        other=$policy
        [ "$one" != "$policy" ] || other=$names
        write_config "" "allow = [ \"$one\" ];"
        run_ecert import "$W/both.cer"
        [ "$status" -eq 1 ]
        [[ $stderr == *"$other"* ]]
        [ "$(generations)" = 0 ]
    done
    write_config "" "allow = [ \"$names\", \"$policy\" ];"
    run_ecert import "$W/both.cer"
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
    [[ $output == *"$names"* && $output == *"$policy"* ]]
}

@test "older than the newest that was taken: refused" {
    ca_up
    run_ecert import "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    test_ca issue "$W/ca" "$NAME" --key "$W/keys/$NAME.key" \
        --not-before "$(date -u -d '-60 days' +%Y%m%d%H%M%SZ)" --out "$W/older"
    run_ecert import "$W/older.cer"
    [ "$status" -eq 1 ]
    [ "$(generations)" = 1 ]
}

@test "after a rollback the row 'newer' calls nothing deployed that is not" {
    ca_up
    ecert import --quiet "$W/$NAME.cer"
    ecert import --quiet "$W/second.cer"
    ecert deploy --quiet
    ecert rollback --quiet "$NAME"
    local row
    row='[(r["outcome"], r["sentence"], r["why"]) for r in o["files"][0]["checks"] if r["id"] == "newer"][0]'
    run_ecert verify --json "$W/second.cer"
    [ "$status" -eq 0 ]
    [ "$(json "$row" <<<"$output")" = "('passed', 'the certificate is not older than the newest one \
that was taken', 'it is the newest one that was taken')" ]
    test_ca issue "$W/ca" "$NAME" --key "$W/keys/$NAME.key" \
        --not-before "$(date -u -d '-60 days' +%Y%m%d%H%M%SZ)" --out "$W/older"
    run_ecert verify --json "$W/older.cer"
    [ "$status" -eq 1 ]
    [[ $(json "$row" <<<"$output") == "('FAILED', "*"before the newest one taken ("* ]]
}

@test "verify without a matching entry: by --authority" {
    ca_up
    run_ecert verify --authority testpost --json "$W/foreign.cer"
    [ "$status" -eq 0 ]
    [ "$(json 'o["files"][0]["certificate"]' <<<"$output")" = None ]
    run_ecert verify --json "$W/foreign.cer" # by "system"
    [ "$status" -eq 1 ]
    run_ecert verify --authority absent "$W/foreign.cer"
    [ "$status" -ne 0 ]
    [[ $stderr == *absent*testpost* ]]
}
