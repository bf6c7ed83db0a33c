# Which virtual hosts of a real Apache a target takes, and what it says of the others.
#
# covers: plugins/apache/choose.h

load deploying

sites_up() { # NAME...: hosts that all use W/old, and one of another certificate
    local name
    old_pair "$W/foreign" other.example.org
    APACHE_PORT=$(free_port)
    for name; do
        apache_site "$W/apache" "$APACHE_PORT" "$name" "$W/$OLD"
    done
    apache_site "$W/apache" "$APACHE_PORT" other.example.org "$W/foreign"
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

wildcard() { # FILE: issued for the key of $NAME
    test_ca issue "$W/ca" "$NAME" --alt "*.myserver.com" --key "$W/keys/$NAME.key" --out "$W/$1"
}

all_serve() { # FILE NAME...
    local file=$1 name
    shift
    for name; do
        wait_served "$APACHE_PORT" "$name" "$(sha256_of "$file")"
    done
}

@test "everywhere_it_was: a wildcard on many hosts is one act, and its renewal touches no file" {
    local names=("$NAME" shop.myserver.com wiki.myserver.com mail.myserver.com)
    sites_up "${names[@]}"
    wildcard wild
    wildcard wild2
    write_config "$(apache_target "everywhere_it_was = true;")" 'names = [ "*.myserver.com" ];'
    take "$W/wild.cer"

    run_ecert plan
    [ "$status" -eq 0 ]
    says "apache: takes 4 of 5 sites" \
        "takes $W/apache/sites/$NAME.conf:1 '$NAME': it has the name '$NAME'" \
        "takes $W/apache/sites/wiki.myserver.com.conf:1 'wiki.myserver.com': it uses the same certificate as a virtual host with the target's names" \
        "leaves $W/apache/sites/other.example.org.conf:1 'other.example.org': it has none of the target's names"
    ecert deploy --quiet
    all_serve "$W/wild.cer" "${names[@]}"
    all_serve "$W/foreign.pem" other.example.org

    local before
    before=$(config_tree "$W/apache")
    take "$W/wild2.cer"
    run_ecert run --verbose
    [ "$status" -eq 0 ]
    says "wiki.myserver.com.conf:1 'wiki.myserver.com': it uses the target's own file"
    all_serve "$W/wild2.cer" "${names[@]}"
    is "files" "$before" "$(config_tree "$W/apache")"
    no_leftovers
}

@test "everywhere_it_was: names that the certificate does not cover are refused, all of them listed" {
    sites_up "$NAME" shop.myserver.com shop.example.net mail.example.net
    wildcard wild
    write_config "$(apache_target "everywhere_it_was = true;")" 'names = [ "*.myserver.com" ];'
    take "$W/wild.cer"
    local before
    before=$(config_tree "$W/apache")
    run_ecert deploy
    [ "$status" -eq 1 ]
    says "everywhere_it_was finds 2 virtual hosts with names that '$NAME' does not cover" \
        "refuses $W/apache/sites/shop.example.net.conf:1 'shop.example.net': " \
        "refuses $W/apache/sites/mail.example.net.conf:1 'mail.example.net': "
    says_not "refuses $W/apache/sites/shop.myserver.com"
    is "files" "$before" "$(config_tree "$W/apache")"
    all_serve "$W/$OLD.pem" "$NAME" shop.myserver.com shop.example.net

    # without it the others stay, and the plan says how to have them
    write_config "$(apache_target)" 'names = [ "*.myserver.com" ];'
    run_ecert deploy --verbose
    [ "$status" -eq 0 ]
    all_serve "$W/wild.cer" "$NAME"
    all_serve "$W/$OLD.pem" shop.myserver.com mail.example.net
}

@test "without everywhere_it_was a host that has the replaced certificate is left, and the plan names the setting" {
    sites_up "$NAME" shop.myserver.com
    wildcard wild
    wildcard wild2
    write_config "$(apache_target "server_names = [ \"$NAME\" ];")" 'names = [ "*.myserver.com" ];'
    take "$W/wild.cer"
    ecert deploy --quiet
    sed -i "s|$W/$OLD.pem|$(live_dir apache)/fullchain.pem|; s|$W/$OLD.key|$(live_dir apache)/privkey.pem|" \
        "$W/apache/sites/shop.myserver.com.conf"
    take "$W/wild2.cer"
    run_ecert plan
    [ "$status" -eq 0 ]
    says "leaves $W/apache/sites/shop.myserver.com.conf:1 'shop.myserver.com': it has none of the target's names, but it uses the target's own file: with \"everywhere_it_was = true\" it is taken too"
}

@test "conditions are decided where they stand: what the server passes over is not edited" {
    sites_up "$NAME"
    sed -i "/^IncludeOptional/i Define LIVE" "$W/apache/httpd.conf"
    {
        printf '<IfModule !ssl_module>\n<VirtualHost *:%s>\n    ServerName %s\n</VirtualHost>\n</IfModule>\n' \
            "$APACHE_PORT" "$NAME"
        printf '<VirtualHost 127.0.0.1:%s>\n    ServerName %s\n    SSLEngine on\n' "$APACHE_PORT" "$NAME"
        printf '    <IfModule mod_headers.c>\n        SSLCertificateFile /none/a.pem\n    </IfModule>\n'
        printf '    <IfDefine !LIVE>\n        SSLCertificateFile /none/b.pem\n    </IfDefine>\n'
        printf '    <IfVersion < 2.2>\n        SSLEngine off\n    </IfVersion>\n'
        printf '    <IfDefine LIVE>\n        SSLCertificateFile %s.pem\n        SSLCertificateKeyFile %s.key\n    </IfDefine>\n' \
            "$W/$OLD" "$W/$OLD"
        printf '</VirtualHost>\nLoadModule headers_module %s/mod_headers.so\n' "$APACHE_MODULES"
    } >"$W/apache/sites/$NAME.conf"
    "$APACHE" -d "$W/apache" -f "$W/apache/httpd.conf" -t
    "$APACHE" -d "$W/apache" -f "$W/apache/httpd.conf" -k graceful
    cp "$W/apache/sites/$NAME.conf" "$W/before"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    run_ecert deploy --verbose
    [ "$status" -eq 0 ]
    all_serve "$W/$NAME.cer" "$NAME"
    sed "s|$W/$OLD.pem|$(live_dir apache)/fullchain.pem|; s|$W/$OLD.key|$(live_dir apache)/privkey.pem|" \
        "$W/before" >"$W/expected"
    cmp "$W/expected" "$W/apache/sites/$NAME.conf"
}
