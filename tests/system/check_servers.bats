# `ecert check`: what the live servers of targets, and watched servers, really serve.
#
# covers: core/monitor/monitor.h core/monitor/judge_served.h core/flow/endpoints.h

load deploying

scene() {
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    ecert deploy --quiet
    settled
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

found() { # FILTER: one line for each finding that jq's filter lets through
    ecert check --json |
        jq -r ".findings[] | select($1) | [.watched, .condition, .where, .detail // \"\"] | join(\"|\")"
}

# The site serves this pair from now on, behind ecert's back.
serve_instead() { # CERTIFICATE KEY
    sed -i "s|ssl_certificate .*;|ssl_certificate $1;|; s|ssl_certificate_key .*;|ssl_certificate_key $2;|" \
        "$W/nginx/conf.d/$NAME.conf"
    "$NGINX" -p "$W/nginx/" -c "$W/nginx/nginx.conf" -s reload
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$1")"
    settled
}

@test "a server that serves what was deployed is fine" {
    run found '.watched == "target"'
    is "target" "target|fine|target nginx, 127.0.0.1:$NGINX_PORT ($NAME)|" "$output"
}

@test "another certificate than the deployed one: drift, with both serial numbers" {
    serve_instead "$W/$OLD.pem" "$W/$OLD.key"
    run found '.watched == "target" and .condition == "other-leaf"'
    says "it serves serial $(serials "$W/$OLD.pem")" \
        "generation 1, which was deployed, has serial $(serials "$W/$NAME.cer")"
}

@test "the deployed leaf without its chain, and with the revoked sub CA" {
    serve_instead "$W/$NAME.cer" "$W/keys/$NAME.key"
    run found '.watched == "target"'
    says "target|incomplete-chain|" "the issuer of '$NAME' is missing"
    cat "$W/$NAME.cer" "$W/ca/sub-revoked.pem" >"$W/twin.pem"
    serve_instead "$W/twin.pem" "$W/keys/$NAME.key"
    run found '.watched == "target" and .condition == "revoked-issuer"'
    says "serial $REVOKED is known to be revoked; the current one has serial $SUB"
}

@test "a server that is gone does not answer, and hides nothing else" {
    stop_pid "$W/nginx/nginx.pid"
    run found '.watched == "target" or .watched == "certificate"'
    says "target|no-answer|" "certificate|fine|generation 1|"
}

@test "a newer generation that is not deployed yet" {
    take "$W/second.cer"
    run found '.watched == "target" and .condition == "not-deployed"'
    says "it has generation 1, and 2 is owed"
}

@test "a certificate on the CRL of its issuer" {
    test_ca revoke "$W/ca" "$W/$NAME.cer"
    rm -rf "$W/state/crls"
    run found '.condition == "revoked"'
    says "certificate|revoked|generation 1|"
}

@test "a watched server: the name that it is asked for, and the revoked sub CA by the profile" {
    cat "$W/$NAME.cer" "$W/ca/sub-revoked.pem" >"$W/twin.pem"
    serve_instead "$W/twin.pem" "$W/keys/$NAME.key"
    printf '127.0.0.1:%s %s\n127.0.0.1:%s mail.myserver.com\nnonsense\n' "$NGINX_PORT" "$NAME" \
        "$NGINX_PORT" >"$W/list"
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/other";
authorities_dir = "$W/ca/authorities";
certificates = ( );
watch = ( { name = "servers"; endpoints_file = "$W/list"; } );
CONF
    run found '.watched == "endpoint"'
    says "endpoint|revoked-issuer|127.0.0.1:$NGINX_PORT ($NAME)|" "serial $REVOKED" \
        "endpoint|wrong-name|127.0.0.1:$NGINX_PORT (mail.myserver.com)|" \
        "endpoint|undecodable|$W/list:3|$W/list:3: 'nonsense' is not host:port"
}

@test "a watched server whose chain has a gap in the middle, though nobody knows its root" {
    local name issuer=root
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/root.key" \
        -subj "/CN=Far Root" -days 9 -out "$W/root.pem" 2>/dev/null
    for name in upper lower leaf; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/$name.key" \
            -subj "/CN=far $name" -days 99 -out "$W/$name.pem" -CA "$W/$issuer.pem" \
            -CAkey "$W/$issuer.key" -addext "subjectAltName=DNS:$NAME" \
            -addext "basicConstraints=critical,CA:$([ $name = leaf ] && echo FALSE || echo TRUE)" 2>/dev/null
        issuer=$name
    done
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/other";
authorities_dir = "$W/ca/authorities";
certificates = ( );
watch = ( { name = "far"; endpoint = "127.0.0.1:$NGINX_PORT"; server_name = "$NAME"; } );
CONF
    cat "$W"/{leaf,lower,upper}.pem >"$W/whole.pem"
    serve_instead "$W/whole.pem" "$W/leaf.key"
    run found '.condition | test("chain")'
    is "whole" "" "$output"
    cat "$W"/{leaf,lower,root}.pem >"$W/gap.pem"
    serve_instead "$W/gap.pem" "$W/leaf.key"
    run found '.condition | test("chain")'
    says "endpoint|incomplete-chain|" "the issuer of 'far lower' is missing"
}

@test "the private key of the newest generation: gone, another one, readable by others" {
    local key="$W/state/certificates/$NAME/generations/0001/privkey.pem"
    run found '.watched == "certificate" and .condition != "fine"'
    is "good" "" "$output"
    cp -p "$key" "$W/kept.pem"
    rm -f "$key"
    run found '.watched == "certificate" and .condition != "fine"'
    says "certificate|missing|" "$key"
    install -m 600 "$W/$OLD.key" "$key"
    touch -d '1 day ago' "$key"
    run found '.watched == "certificate" and .condition != "fine"'
    says "certificate|undecodable|" "is not the private key of the certificate beside it"
    cp -p "$W/kept.pem" "$key"
    chmod 644 "$key"
    run found '.watched == "certificate" and .condition != "fine"'
    says "certificate|unreadable|" "0644"
}

@test "CRLs are in neither the figures nor the metrics of validity" {
    run_ecert check --prometheus "$W/ecert.prom" --nagios
    is "of CRLs" "" "$(grep -E '^ecert_certificate_not_(after|before)_.*watched="crl"' "$W/ecert.prom")"
    grep -q 'ecert_certificate_not_before_seconds{.*watched="certificate"' "$W/ecert.prom"
    grep -q 'ecert_certificate_not_after_seconds{.*watched="certificate"' "$W/ecert.prom"
    local soonest
    soonest=$(sed -n 's/.*soonest=\(-\?[0-9]*\).*/\1/p' <<<"$output")
    is "soonest" "$(jq '[.findings[] | select(.watched != "crl" and .days != null) | .days] | min' \
        <<<"$(ecert check --json)")" "$soonest"
}

@test "right after a reload: the old worker of nginx is not believed" {
    take "$W/second.cer"
    ecert deploy --quiet
    run found '.condition == "other-leaf"'
    is "drift" "" "$output"
}

@test "right after a reload: nor by ecert status" {
    take "$W/second.cer"
    ecert deploy --quiet
    run_ecert status
    says "serves it"
    says_not "SERVES ANOTHER"
}
