#!/usr/bin/env bash
# A CA shaped like Hongkong Post's, made at run time: the roots, the sub CAs, the revoked twin with
# the same name, key and key identifier, the cross-certificate, the CRLs, the download folder, and
# an authority profile for it.  Needs bash, openssl and coreutils only.
#
#   test-ca.sh make DIR [--base-url http://127.0.0.1:PORT]
#   test-ca.sh profile DIR --base-url URL          write authorities/testpost.conf anew
#   test-ca.sh issue DIR NAME [option...]
#       --alt NAME            one more subject alternative name (repeatable)
#       --key FILE            for this key; else one is made: --rsa (default) or --ec
#       --csr FILE            for the key of this CSR, of which nothing else is taken
#       --organization NAME   its O (default "Test Post"); UTF-8
#       --days N              validity (default 199), or
#       --not-before T, --not-after T                 each YYYYMMDDHHMMSSZ
#       --policy OID          the CA's policy (default 1.3.6.1.4.1.16030.1.7.16)
#       --ev                  by the EV sub CA
#       --out BASE            writes BASE.key (PKCS#8, 0600; not with --key), BASE.cer (PEM),
#                             BASE.der; default DIR/issued/NAME ("*" becomes "_")
#   test-ca.sh revoke DIR CERTIFICATE              put it on the CRL of its sub CA
#   test-ca.sh crls DIR                            publish the CRLs anew: each is good for 30 days
#
# make writes, in DIR (0700):
#   root.pem root.key             Test Post Root CA 3
#   other.pem other.key           Other Root R3, issuer of the cross-certificate
#   sub.pem sub.key               Test e-Cert SSL CA 3 - 17, current (2025)
#   sub-revoked.pem               its twin of 2017: same subject, key, SubjectKeyIdentifier; revoked
#   ev.pem ev.key ev-revoked.pem  the same for Test e-Cert EV SSL CA 3 - 17
#   cross.pem                     the root's name and key, issued by Other Root R3
#   root.crl[.pem] sub.crl[.pem] ev.crl[.pem]     DER and PEM
#   authorities/testpost.conf     the profile
#   www/root/ www/crl/            what the CA's download host serves (world-readable files; DIR
#                                 itself is private, so a web server must run as DIR's owner)
# To make the CA's own address serve the revoked twin:
#   cp DIR/sub-revoked.pem DIR/www/root/ecert_ssl_ca_3-17_pem.crt
set -euo pipefail
export LC_ALL=C
unset OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR
umask 077

readonly ARC=1.3.6.1.4.1.16030.1.7
readonly PLACE="/C=HK/ST=Hong Kong/L=Hong Kong"
readonly ORGANISATION="$PLACE/O=Test Post"
readonly END=20420602000000Z # far away: an expired CA is a matter for unit tests

fail() {
    printf 'test-ca.sh: %s\n' "$*" >&2
    exit 2
}

# openssl talks a lot on success; show it only when it fails
quietly() {
    local said
    said=$("$@" 2>&1) || {
        printf 'test-ca.sh: failed: %s\n%s\n' "$*" "$said" >&2
        return 1
    }
}

# `openssl ca` keeps its books in files: one at a time
lock() {
    local tries=0
    until mkdir "$1/lock" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "'$1/lock' is still there after a minute; remove it"
        sleep 0.1
    done
    # shellcheck disable=SC2064 # the folder of now, not of then
    trap "rmdir '$1/lock'" EXIT
}

write_settings() { # DIR BASE_URL
    local dir=$1 base=$2 ca
    mkdir -p "$dir/books"
    for ca in root other sub ev; do
        : >"$dir/books/$ca.index"
        printf 'unique_subject = no\n' >"$dir/books/$ca.index.attr"
        printf '01\n' >"$dir/books/$ca.crlnumber"
        cat <<EOF
[ $ca ]
database = $dir/books/$ca.index
serial = $dir/books/$ca.serial
crlnumber = $dir/books/$ca.crlnumber
new_certs_dir = $dir/books
certificate = $dir/$ca.pem
private_key = $dir/$ca.key
default_md = sha256
default_crl_days = 30
policy = any
unique_subject = no
email_in_dn = no
crl_extensions = crl
EOF
    done >"$dir/ca.cnf"
    cat >>"$dir/ca.cnf" <<EOF
[ any ]
countryName = optional
stateOrProvinceName = optional
localityName = optional
organizationName = optional
commonName = supplied
[ crl ]
authorityKeyIdentifier = keyid
[ req ]
distinguished_name = empty
[ empty ]
[ root_certificate ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ sub_certificate ]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = 2.5.29.32.0
crlDistributionPoints = URI:$base/crl/RootCA3ARL.crl
authorityInfoAccess = caIssuers;URI:$base/root/root_ca_3.crt
[ cross_certificate ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = 2.23.140.1.1, 2.23.140.1.2.2
EOF
}

# DIR CA(section that signs) EXTENSIONS KEY COMMON_NAME SERIAL START FILE [option of openssl ca...]
certify() {
    local dir=$1 ca=$2 extensions=$3 key=$4 name=$5 serial=$6 start=$7 file=$8
    shift 8
    quietly openssl req -new -config "$dir/ca.cnf" -utf8 -key "$key" -subj "$ORGANISATION/CN=$name" \
        -out "$dir/books/request"
    printf '%s\n' "$serial" >"$dir/books/$ca.serial"
    quietly openssl ca -batch -notext -config "$dir/ca.cnf" -name "$ca" -extensions "$extensions" \
        -startdate "$start" -enddate "$END" -in "$dir/books/request" -out "$file" "$@"
}

publish_crl() { # DIR CA FILE_BELOW_WWW
    quietly openssl ca -gencrl -config "$1/ca.cnf" -name "$2" -out "$1/$2.crl.pem"
    openssl crl -in "$1/$2.crl.pem" -outform DER -out "$1/$2.crl"
    install -m 0644 "$1/$2.crl" "$1/www/crl/$3"
}

publish_crls() { # DIR
    publish_crl "$1" root RootCA3ARL.crl
    publish_crl "$1" sub eCertSCA3-17CRL1.crl
    publish_crl "$1" ev eCertESCA3-17CRL1.crl
}

publish() { # DIR CERTIFICATE NAME_PEM NAME_DER
    install -m 0644 "$1/$2" "$1/www/root/$3"
    openssl x509 -in "$1/$2" -outform DER -out "$1/www/root/$4"
    chmod 0644 "$1/www/root/$4"
}

sha256() {
    local line
    line=$(openssl x509 -in "$1" -noout -fingerprint -sha256)
    line=${line#*=}
    printf '%s' "${line//:/}"
}

profile() { # DIR BASE_URL
    local dir=$1 base=$2 host
    host=${base#*://}
    host=${host%%/*}
    host=${host%:*}
    mkdir -p "$dir/authorities"
    cat >"$dir/authorities/testpost.conf" <<EOF
name = "Test Post e-Cert (Server)";
anchors = (
  { sha256 = "$(sha256 "$dir/root.pem")"; file = "$dir/root.pem"; },
  { sha256 = "$(sha256 "$dir/other.pem")"; file = "$dir/other.pem"; }
);
intermediates = (
  { subject = "Test e-Cert SSL CA 3 - 17"; validation = "ov";
    url = "$base/root/ecert_ssl_ca_3-17_pem.crt";
    sha256 = "$(sha256 "$dir/sub.pem")"; serial = "2025000000000001";
    revoked = [ "$(sha256 "$dir/sub-revoked.pem")" ]; },
  { subject = "Test e-Cert EV SSL CA 3 - 17"; validation = "ev";
    url = "$base/root/ecert_ev_ssl_ca_3-17_pem.crt";
    sha256 = "$(sha256 "$dir/ev.pem")"; serial = "2025000000000002";
    revoked = [ "$(sha256 "$dir/ev-revoked.pem")" ]; }
);
cross_certificates = (
  { url = "$base/root/root_ca_3_x_gsca_r3_pem.crt"; sha256 = "$(sha256 "$dir/cross.pem")"; }
);
crls = [ "$base/crl/RootCA3ARL.crl", "$base/crl/eCertSCA3-17CRL1.crl",
         "$base/crl/eCertESCA3-17CRL1.crl" ];
hosts = [ "$host" ];
policies = [ "$ARC" ];
EOF
}

make_keys() { # DIR
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1/root.key"
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1/other.key"
    openssl genrsa -out "$1/sub.key" 2048 2>/dev/null &
    openssl genrsa -out "$1/ev.key" 2048 2>/dev/null
    wait $!
}

make() {
    local dir=${1:-} base=http://127.0.0.1:8080
    [ -n "$dir" ] || fail "make needs a folder"
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --base-url) base=${2:?"--base-url needs an address"} && shift 2 ;;
        *) fail "make: unknown option '$1'" ;;
        esac
    done
    mkdir -p "$dir"
    chmod 0700 "$dir"
    dir=$(cd "$dir" && pwd -P)
    [ ! -e "$dir/root.pem" ] || fail "'$dir' has a CA already"
    (umask 022 && mkdir -p "$dir/www/root" "$dir/www/crl")
    printf '%s\n' "$base" >"$dir/base-url"
    write_settings "$dir" "$base"
    make_keys "$dir"

    local root_start=20170603024600Z twin_start=20170603063000Z sub_start=20250320020000Z
    certify "$dir" root root_certificate "$dir/root.key" "Test Post Root CA 3" 0301 "$root_start" \
        "$dir/root.pem" -selfsign
    certify "$dir" other root_certificate "$dir/other.key" "Other Root R3" 0901 20090318100000Z \
        "$dir/other.pem" -selfsign
    certify "$dir" other cross_certificate "$dir/root.key" "Test Post Root CA 3" 2022000000000301 \
        20221116000000Z "$dir/cross.pem"
    local ca name
    for ca in sub ev; do
        name="Test e-Cert SSL CA 3 - 17"
        [ $ca = sub ] || name="Test e-Cert EV SSL CA 3 - 17"
        local number=0001
        [ $ca = sub ] || number=0002
        certify "$dir" root sub_certificate "$dir/$ca.key" "$name" "201700000000$number" \
            "$twin_start" "$dir/$ca-revoked.pem"
        certify "$dir" root sub_certificate "$dir/$ca.key" "$name" "202500000000$number" \
            "$sub_start" "$dir/$ca.pem"
        quietly openssl ca -config "$dir/ca.cnf" -name root -revoke "$dir/$ca-revoked.pem" \
            -crl_reason superseded
    done
    publish_crls "$dir"
    publish "$dir" sub.pem ecert_ssl_ca_3-17_pem.crt ecert_ssl_ca_3-17.crt
    publish "$dir" ev.pem ecert_ev_ssl_ca_3-17_pem.crt ecert_ev_ssl_ca_3-17.crt
    publish "$dir" cross.pem root_ca_3_x_gsca_r3_pem.crt root_ca_3_x_gsca_r3.crt
    publish "$dir" root.pem root_ca_3_pem.crt root_ca_3.crt
    profile "$dir" "$base"
}

leaf_extensions() { # CA BASE_URL POLICY NAME...
    local ca=$1 base=$2 policy=$3 kind=2.23.140.1.2.2 file=ecert_ssl_ca_3-17.crt
    local crl=eCertSCA3-17CRL1.crl names="" name
    shift 3
    if [ "$ca" = ev ]; then
        kind=2.23.140.1.1 file=ecert_ev_ssl_ca_3-17.crt crl=eCertESCA3-17CRL1.crl
    fi
    for name in "$@"; do
        names="$names${names:+,}DNS:$name"
    done
    cat <<EOF
[ leaf ]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $names
certificatePolicies = $policy, $kind
crlDistributionPoints = URI:$base/crl/$crl
authorityInfoAccess = caIssuers;URI:$base/root/$file
EOF
}

make_leaf_key() { # TYPE FILE
    if [ "$1" = ec ]; then
        openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$2"
    else
        openssl genrsa -out "$2" 2048 2>/dev/null
    fi
    chmod 0600 "$2"
}

issue() {
    local dir=${1:-} name=${2:-}
    [[ -n $dir && -n $name ]] || fail "issue needs a folder and a name"
    shift 2
    [ -f "$dir/sub.pem" ] || fail "'$dir' has no CA; make it first"
    dir=$(cd "$dir" && pwd -P)
    local names=("$name") key="" csr="" organization="Test Post" type=rsa days=199 from="" until=""
    local policy=$ARC.16 ca=sub out=""
    while [ $# -gt 0 ]; do
        case $1 in
        --rsa) type=rsa && shift && continue ;;
        --ec) type=ec && shift && continue ;;
        --ev) ca=ev && shift && continue ;;
        esac
        [ $# -ge 2 ] || fail "issue: '$1' needs a value"
        case $1 in
        --alt) names+=("$2") ;;
        --key) key=$2 ;;
        --csr) csr=$2 ;;
        --organization) organization=$2 ;;
        --days) days=$2 ;;
        --not-before) from=$2 ;;
        --not-after) until=$2 ;;
        --policy) policy=$2 ;;
        --out) out=$2 ;;
        *) fail "issue: unknown option '$1'" ;;
        esac
        shift 2
    done
    if [ -z "$out" ]; then
        mkdir -p "$dir/issued"
        out=$dir/issued/${name//\*/_}
    fi
    # valid from an hour ago, so that a clock which is a little behind takes it too
    [ -n "$from" ] || from=$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ)
    if [ -z "$until" ]; then
        local start=${from:0:8}
        start+=" ${from:8:2}:${from:10:2}:${from:12:2} UTC"
        # notAfter is the last second of the period (RFC 5280, 4.1.2.5)
        until=$(date -u -d "@$(($(date -u -d "$start" +%s) + days * 86400 - 1))" +%Y%m%d%H%M%SZ)
    fi
    if [[ -z $key && -z $csr ]]; then
        key=$out.key
        make_leaf_key "$type" "$key"
    fi

    lock "$dir"
    leaf_extensions "$ca" "$(cat "$dir/base-url")" "$policy" "${names[@]}" >"$dir/books/extensions"
    openssl rand -hex 16 | sed 's/^./4/' >"$dir/books/$ca.serial" # positive, 128 bits
    local subject="$PLACE/O=$organization/CN=$name"
    if [ -n "$csr" ]; then
        cp "$csr" "$dir/books/request"
    else
        quietly openssl req -new -config "$dir/ca.cnf" -utf8 -key "$key" -subj "$subject" \
            -out "$dir/books/request"
    fi
    quietly openssl ca -batch -notext -config "$dir/ca.cnf" -name "$ca" \
        -extfile "$dir/books/extensions" -extensions leaf -startdate "$from" -enddate "$until" \
        -utf8 -subj "$subject" -in "$dir/books/request" -out "$dir/books/issued.cer"
    mv "$dir/books/issued.cer" "$out.cer"
    openssl x509 -in "$out.cer" -outform DER -out "$out.der"
}

revoke() {
    local dir=${1:-} certificate=${2:-} ca=sub
    [[ -n $dir && -n $certificate ]] || fail "revoke needs a folder and a certificate"
    dir=$(cd "$dir" && pwd -P)
    lock "$dir"
    case $(openssl x509 -in "$certificate" -noout -issuer) in
    *"EV SSL CA"*) ca=ev ;;
    *"Root CA 3"*) ca=root ;;
    *"Other Root"*) ca=other ;;
    esac
    quietly openssl ca -config "$dir/ca.cnf" -name "$ca" -revoke "$certificate"
    publish_crls "$dir"
}

crls() {
    local dir=${1:-}
    [ -n "$dir" ] || fail "crls needs a folder"
    dir=$(cd "$dir" && pwd -P)
    lock "$dir"
    publish_crls "$dir"
}

main() {
    local verb=${1:-}
    [ $# -eq 0 ] || shift
    case $verb in
    make) make "$@" ;;
    profile)
        [[ ${2:-} = --base-url && $# -eq 3 ]] || fail "usage: profile DIR --base-url URL"
        printf '%s\n' "$3" >"$1/base-url"
        profile "$(cd "$1" && pwd -P)" "$3"
        ;;
    issue) issue "$@" ;;
    revoke) revoke "$@" ;;
    crls) crls "$@" ;;
    *) fail "usage: test-ca.sh make|profile|issue|revoke|crls DIR ... (see the top of the script)" ;;
    esac
}
main "$@"
