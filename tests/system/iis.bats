# Exports for IIS, with second opinions on the PKCS#12 from OpenSSL, GnuTLS and NSS.

load deploying

pfx() { printf '%s/iis/%s.pfx' "$W" "$NAME"; }
password_file() { printf '%s/iis/%s.password.txt' "$W" "$NAME"; }

# Everything out of the .pfx by OpenSSL.
opened() {
    openssl pkcs12 -in "$(pfx)" -passin "file:$(password_file)" -nodes "$@" 2>/dev/null
}

sums_hold() { # [NAME]
    (cd "$W/iis" && sha256sum --quiet --strict -c "${1:-$NAME}-SHA256SUMS")
}

@test "run writes the .pfx, its password, the script, the text and the sums, readable by nobody else" {
    write_config
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    says "files are in place; there is nothing to look at" \
        "the files for IIS are in '$W/iis'; next, by hand: copy $NAME.pfx"
    is "files" "Install-$NAME.ps1 $NAME-README.txt $NAME-SHA256SUMS $NAME.password.txt $NAME.pfx" \
        "$(cd "$W/iis" && find . -type f -printf '%P\n' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"
    is "mode of the .pfx" 600 "$(stat -c %a "$(pfx)")"
    is "mode of the password" 600 "$(stat -c %a "$(password_file)")"
    [ "$(head -n 1 "$(password_file)" | tr -d '\r\n' | wc -c)" -ge 20 ]
    sums_hold
    # neither key nor password in what was printed, nor in the records
    no_key_in "$W/keys/$NAME.key" "$output" "$stderr" "$(cat "$(records)")"
    if grep -rqF -f "$(password_file)" "$W/state" || grep -qF -f "$(password_file)" <<<"$output$stderr"; then
        return 1
    fi
    no_leftovers
}

@test "the .pfx holds leaf, key and chain: OpenSSL" {
    write_config
    take "$W/$NAME.cer"
    ecert deploy --quiet
    is "leaf" "$(sha256_of "$W/$NAME.cer")" "$(sha256_of <(opened -clcerts -nokeys))"
    is "key" "$(openssl pkey -in "$W/keys/$NAME.key" -outform DER | sha256sum)" \
        "$(opened -nocerts | openssl pkey -outform DER | sha256sum)"
    opened -cacerts -nokeys | sed -n '/BEGIN/,/END/p' >"$W/chain"
    is "chain" "$(printf '%s\n' "$SUB" "$CROSS" | sort)" "$(serials "$W/chain" | sort)"
    is "friendly name" 1 "$(opened -clcerts -nokeys | grep -c "friendlyName: $NAME until $(
        date -u -d "$(openssl x509 -in "$W/$NAME.cer" -noout -enddate | cut -d = -f 2)" +%F)")"
    run openssl pkcs12 -in "$(pfx)" -passin "file:$(password_file)" -noout -info
    says "AES-256-CBC" "MAC: sha256"
    run ! openssl pkcs12 -in "$(pfx)" -passin pass:wrong -noout
}

@test "second opinions on the modern profile: certtool and pk12util" {
    write_config
    take "$W/$NAME.cer"
    ecert deploy --quiet
    run certtool --p12-info --inder --password "$(cat "$(password_file)")" --infile "$(pfx)"
    [ "$status" -eq 0 ]
    is "certificates" 3 "$(grep -c 'BEGIN CERTIFICATE' <<<"$output")"
    is "keys" 1 "$(grep -c 'BEGIN.*PRIVATE KEY' <<<"$output")"
    run pk12util -l "$(pfx)" -w "$(password_file)"
    [ "$status" -eq 0 ]
    says "$NAME until" "Test e-Cert SSL CA 3 - 17"
    mkdir "$W/nss"
    certutil -N -d "sql:$W/nss" --empty-password
    run pk12util -i "$(pfx)" -d "sql:$W/nss" -w "$(password_file)" -K ""
    [ "$status" -eq 0 ]
    says "PKCS12 IMPORT SUCCESSFUL"
    is "keys in NSS" 1 "$(certutil -K -d "sql:$W/nss" | grep -c rsa)"
}

@test "the profile windows-2016: 3DES and SHA-1, and the same second opinions" {
    write_config "{ plugin = \"iis-export\"; directory = \"$W/iis\"; profile = \"windows-2016\"; }"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    run openssl pkcs12 -in "$(pfx)" -passin "file:$(password_file)" -noout -info
    says "pbeWithSHA1And3-KeyTripleDES-CBC" "MAC: sha1"
    says_not AES "RC2"
    run certtool --p12-info --inder --password "$(cat "$(password_file)")" --infile "$(pfx)"
    [ "$status" -eq 0 ]
    run pk12util -l "$(pfx)" -w "$(password_file)"
    [ "$status" -eq 0 ]
    sums_hold

    # another profile for the same certificate is a change
    write_config "{ plugin = \"iis-export\"; directory = \"$W/iis\"; profile = \"modern\"; }"
    run_ecert deploy
    [ "$status" -eq 0 ]
    run openssl pkcs12 -in "$(pfx)" -passin "file:$(password_file)" -noout -info
    says "MAC: sha256"
    write_config "{ plugin = \"iis-export\"; directory = \"$W/iis\"; profile = \"windows-95\"; }"
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "windows-95" "windows-2016"
}

@test "the password file of the operator is used, and not copied" {
    printf 'correct horse battery staple\n' >"$W/pfx.password"
    chmod 600 "$W/pfx.password"
    write_config "{ plugin = \"iis-export\"; directory = \"$W/iis\";
                    password_file = \"$W/pfx.password\"; }"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    [ ! -e "$(password_file)" ]
    openssl pkcs12 -in "$(pfx)" -passin "pass:correct horse battery staple" -noout
    if grep -rqF 'correct horse' "$W/iis" "$W/state"; then return 1; fi
}

@test "a key made in IIS: the export is a .p7b, and there is no key anywhere" {
    KEY='where = "iis"' write_config "{ plugin = \"iis-export\"; directory = \"$W/iis\"; }"
    sed -i 's/where = "iis" }/where = "iis"; }/' "$W/ecert.conf"
    rm "$W/keys/$NAME.key"
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    [ ! -e "$(pfx)" ]
    [ ! -e "$(password_file)" ]
    openssl pkcs7 -in "$W/iis/$NAME.p7b" -print_certs 2>/dev/null ||
        openssl pkcs7 -inform DER -in "$W/iis/$NAME.p7b" -print_certs >"$W/p7"
    openssl pkcs7 -in "$W/iis/$NAME.p7b" -print_certs 2>/dev/null >>"$W/p7" || true
    sed -n '/BEGIN/,/END/p' "$W/p7" >"$W/p7.pem"
    is "certificates" "$( (serials "$W/$NAME.cer"; printf '%s\n' "$SUB" "$CROSS") | sort)" \
        "$(serials "$W/p7.pem" | sort)"
    run certtool --p7-info --infile "$W/iis/$NAME.p7b"
    [ "$status" -eq 0 ] || run certtool --p7-info --inder --infile "$W/iis/$NAME.p7b"
    [ "$status" -eq 0 ]
    sums_hold
    if grep -rq 'PRIVATE KEY' "$W/iis" "$W/state"; then return 1; fi
}

@test "a second run changes nothing, although a .pfx is random in every build" {
    write_config
    take "$W/$NAME.cer"
    ecert deploy --quiet
    local files
    files=$(snapshot "$W/iis")
    run_ecert deploy
    [ "$status" -eq 0 ]
    says "nothing to change"
    says_not "next, by hand"
    same "$files" "$(snapshot "$W/iis")"
    run_ecert run
    [ "$status" -eq 0 ]
    is "output" "" "$output"
    same "$files" "$(snapshot "$W/iis")"
    is "records" 1 "$(records | wc -l)"
}

@test "a renewal replaces the .pfx, keeps the password, and the script knows the old thumbprint" {
    write_config "{ plugin = \"iis-export\"; directory = \"$W/iis\"; site = \"Default Web Site\"; }"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    cp "$(password_file)" "$W/password"
    take "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    cmp "$W/password" "$(password_file)"
    is "leaf" "$(sha256_of "$W/second.cer")" "$(sha256_of <(opened -clcerts -nokeys))"
    local old new
    old=$(openssl x509 -in "$W/$NAME.cer" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g')
    new=$(openssl x509 -in "$W/second.cer" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g')
    is "new thumbprint" 1 "$(grep -c "^\$NewThumbprint = '$new'" "$W/iis/Install-$NAME.ps1")"
    is "old thumbprint" 1 "$(grep -c "^\$OldThumbprints = @('$old')" "$W/iis/Install-$NAME.ps1")"
    is "site" 1 "$(grep -c "^\$SiteName = .*Default Web Site" "$W/iis/Install-$NAME.ps1")"
    sums_hold
    is "mode of the .pfx" 600 "$(stat -c %a "$(pfx)")"
    no_leftovers
}

@test "what somebody did to the files is put right by the next deployment" {
    write_config
    take "$W/$NAME.cer"
    ecert deploy --quiet
    truncate -s 100 "$(pfx)"
    echo '# mine' >>"$W/iis/Install-$NAME.ps1"
    run_ecert deploy
    [ "$status" -eq 0 ]
    opened -noout
    is "changed script" 0 "$(grep -c '^# mine' "$W/iis/Install-$NAME.ps1")"
    sums_hold
}

@test "two certificates into one folder in one run: neither voids the other's files" {
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
certificates = (
  { name = "$NAME"; authority = "testpost"; key = { file = "$W/keys/$NAME.key"; };
    targets = ( { plugin = "iis-export"; id = "one"; directory = "$W/iis"; } ); },
  { name = "ec.myserver.com"; authority = "testpost"; key = { file = "$W/ec.myserver.com.key"; };
    targets = ( { plugin = "iis-export"; id = "two"; directory = "$W/iis"; } ); }
);
CONF
    test_ca issue "$W/ca" ec.myserver.com --ec --out "$W/ec.myserver.com"
    chmod 600 "$W/ec.myserver.com.key"
    take "$W/$NAME.cer" "$W/ec.myserver.com.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    sums_hold "$NAME"
    sums_hold ec.myserver.com
    is "files" 10 "$(find "$W/iis" -type f | wc -l)"
    run_ecert deploy
    [ "$status" -eq 0 ]
    says_not "changed:"
}

@test "a folder that does not exist or that others may write is refused, and nothing is written" {
    write_config "{ plugin = \"iis-export\"; directory = \"$W/nowhere\"; }"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "$W/nowhere" "does not exist"
    mkdir -m 777 "$W/open"
    chmod 777 "$W/open"
    write_config "{ plugin = \"iis-export\"; directory = \"$W/open\"; }"
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "$W/open" "can be written by others"
    is "files" "" "$(ls -A "$W/open")"
}
