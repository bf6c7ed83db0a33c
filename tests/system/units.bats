# The units for systemd, as far as they can be judged without one that runs.

load deploying

prepare() {
    :
}

units() {
    command -v systemd-analyze >/dev/null || skip "systemd-analyze (package systemd) is not installed"
    mkdir "$W/units"
    local file
    for file in "$ROOT"/etc/systemd/*; do
        # the program is where it was built, not where it would be installed
        sed "s|/usr/bin/ecert|$ECERT_BUILD/ecert|" "$file" >"$W/units/${file##*/}"
    done
    # a template is judged by an instance of it
    mv "$W/units/ecert-failed@.service" "$W/units/ecert-failed@ecert-run.service.service"
    cd "$W/units"
}

@test "systemd-analyze verify has nothing to say" {
    units
    is "units" 6 "$(find . -type f | wc -l)"
    run systemd-analyze verify ./*
    echo "$output"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "how much the services are exposed does not grow" {
    units
    # 10 is everything. Deploying needs CAP_SYS_ADMIN for its mount namespaces; the others are root
    # because the state directory is root's.
    systemd-analyze security --offline=yes --threshold=40 --no-pager ./ecert-run.service >/dev/null
    systemd-analyze security --offline=yes --threshold=22 --no-pager ./ecert-remind.service >/dev/null
    systemd-analyze security --offline=yes --threshold=22 --no-pager \
        ./ecert-failed@ecert-run.service.service >/dev/null
}

@test "every command of a unit is one that ecert knows, with its options" {
    local line
    write_config
    while read -r line; do
        # shellcheck disable=SC2086 # words
        run_ecert ${line//%i/x.service} --help
        [ "$status" -eq 0 ]
        local option
        for option in $(grep -oE -- '--[a-z-]+' <<<"$line"); do
            says "$option"
        done
    done < <(sed -n 's|^ExecStart=/usr/bin/ecert ||p' "$ROOT"/etc/systemd/*.service)
}

@test "with the capabilities of the unit, and no others, a deployment is proved and served" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    local caps
    caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$ROOT/etc/systemd/ecert-run.service" | xargs |
        sed 's/CAP_/+/g; s/ /,/g' | tr 'A-Z' 'a-z')
    old_pair "$W/$OLD" "$NAME"
    ca_up
    nginx_up
    write_config "$(nginx_target)"
    take "$W/$NAME.cer"
    run --separate-stderr setpriv --bounding-set="-all,$caps" --inh-caps=-all --no-new-privs \
        "$ECERT_BUILD/ecert" --config "$W/ecert.conf" deploy
    echo "$output$stderr"
    [ "$status" -eq 0 ]
    settled
    is "served" "$(sha256_of "$W/$NAME.cer")" "$(served "$NGINX_PORT" "$NAME")"
    says_not "not permitted" "without"
}
