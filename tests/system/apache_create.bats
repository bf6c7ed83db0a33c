# `create = true`: the virtual host for port 443 that is missing, in a real Apache. The ports are those
# that the plugin looks for, 80 and 443, at a loopback address of the test's own.
#
# covers: plugins/apache/create.h plugins/apache/copy.h plugins/apache/module.h

load deploying

prepare_create() { # [LISTEN...]: the server of W/apache with the one site of W/site
    A=127.$((RANDOM % 200 + 20)).$((RANDOM % 256)).$((RANDOM % 254 + 1))
    [ "$(id -u)" = 0 ] || skip "ports below 1024 are root's"
    apache_site "$W/apache" 80 "$NAME" "$W/$OLD"
    sed -i -e "s/^Listen 127.0.0.1:80\$/  listen $A:80 http/" \
        -e "/^LoadModule ssl_module/a LoadModule alias_module $APACHE_MODULES/mod_alias.so" \
        "$W/apache/httpd.conf"
    mkdir "$W/apache/available"
    cat >"$W/apache/available/site.conf" <<CONF
# the site
<VirtualHost $A:80>
	ServerName $NAME
	ServerAlias myserver.com intranet.example.net
	DocumentRoot "$W/apache/html"
	Redirect /shop https://$NAME/shop
</VirtualHost>
# end
CONF
    rm "$W/apache/sites/$NAME.conf"
    ln -s ../available/site.conf "$W/apache/sites/site.conf"
}

shown() { # ADDRESS NAME
    openssl s_client -connect "$1:443" -servername "$2" </dev/null 2>/dev/null |
        openssl x509 -noout -fingerprint -sha256 2>/dev/null | sed 's/.*=//; s/://g' | grep . ||
        echo nothing
}

answer() { # SCHEME PORT: what the site says, as a status (its folder is not the server's to read)
    local code
    for _ in $(seq 60); do
        code=$(curl -sk --noproxy '*' -o /dev/null -w '%{http_code}' --resolve "$NAME:$2:$A" "$1://$NAME/") || true
        [ "$code" = 000 ] || break
        sleep 0.05
    done
    echo "$code"
}

@test "the virtual host is added behind the one for port 80, with its Listen, served, and taken back" {
    prepare_create
    start_apache "$W/apache"
    is "before" nothing "$(shown "$A" "$NAME")"
    cp -a "$W/apache/httpd.conf" "$W/httpd.before"
    cp -a "$W/apache/available/site.conf" "$W/site.before"
    write_config "$(apache_target "create = true;")"
    take "$W/$NAME.cer"

    run_ecert plan
    says "takes $W/apache/sites/site.conf '$NAME myserver.com': added beside the one for port 80 (line 2)" \
        "+  listen $A:443" "+<VirtualHost $A:443>" "+	SSLEngine on"
    run_ecert deploy --verbose
    [ "$status" -eq 0 ]
    says "deployed, and the server was seen to serve it" "does not get the names 'intranet.example.net'" \
        "is without 'Redirect /shop https://$NAME/shop' (line 6)"
    [ -L "$W/apache/sites/site.conf" ]
    cmp "$W/apache/available/site.conf" - <<CONF
$(sed '$d' "$W/site.before")

<VirtualHost $A:443>
	ServerName $NAME
	ServerAlias myserver.com
	DocumentRoot "$W/apache/html"
	SSLEngine on
	SSLCertificateFile $(live_dir apache)/fullchain.pem
	SSLCertificateKeyFile $(live_dir apache)/privkey.pem
</VirtualHost>
# end
CONF
    cmp "$W/apache/httpd.conf" <(sed "/^  listen /a\\  listen $A:443" "$W/httpd.before")
    is "served" "$(sha256_of "$W/$NAME.cer")" "$(shown "$A" "$NAME")"
    is "answer" "$(answer http 80)" "$(answer https 443)"
    no_leftovers

    run_ecert deploy
    [ "$status" -eq 0 ]
    says "nothing to change, and it is served"
    run_ecert rollback "$NAME" --to 0
    [ "$status" -eq 0 ]
    cmp "$W/site.before" "$W/apache/available/site.conf"
    cmp "$W/httpd.before" "$W/apache/httpd.conf"
}

@test "a port that another program has is refused, and the server goes on" {
    prepare_create
    start_apache "$W/apache"
    openssl s_server -accept "$A:443" -cert "$W/$OLD.pem" -key "$W/$OLD.key" -quiet \
        </dev/null >/dev/null 2>&1 &
    PIDS+=("$!")
    for _ in $(seq 60); do
        [ "$(shown "$A" "$NAME")" = nothing ] || break
        sleep 0.05
    done
    local tree before
    tree=$(config_tree "$W/apache")
    before=$(answer http 80)
    write_config "$(apache_target "create = true;")"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -ne 0 ]
    says "another program listens at port 443 of '$A'"
    same "$tree" "$(config_tree "$W/apache")"
    is "answer for port 80" "$before" "$(answer http 80)"
}

@test "where the handshake does not show it the virtual host is taken away again, byte for byte" {
    prepare_create
    start_apache "$W/apache"
    # a reload that does nothing
    cp -a "$W/apache/available/site.conf" "$W/site.before"
    cp -a "$W/apache/httpd.conf" "$W/httpd.before"
    before=$(answer http 80)
    wrapper="$W/apache/apache2"
    printf '#!/bin/sh\ncase "$*" in *graceful*) exit 0 ;; esac\nexec %s "$@"\n' "$APACHE" >"$wrapper"
    chmod 755 "$wrapper"
    write_config "$(APACHE_COMMAND=$wrapper apache_target "create = true;")"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -ne 0 ]
    says "everything was put back"
    cmp "$W/site.before" "$W/apache/available/site.conf"
    cmp "$W/httpd.before" "$W/apache/httpd.conf"
    is "answer for port 80" "$before" "$(answer http 80)"
    no_leftovers
}

@test "off by default, and what fails mentions it" {
    prepare_create
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -ne 0 ]
    says "it is plain HTTP (port 80, no SSLEngine); with \"create = true\" in the target one for port 443 is added"
}

@test "mod_ssl is not loaded: said, with what to do" {
    prepare_create
    sed -i '/ssl_module/d' "$W/apache/httpd.conf"
    printf '<IfModule mod_ssl.c>\n<VirtualHost *:443>\nServerName %s\nSSLEngine on\n</VirtualHost>\n</IfModule>\n' \
        "$NAME" >"$W/apache/sites/tls.conf"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    run_ecert plan
    [ "$status" -ne 0 ]
    says "mod_ssl is not loaded: write \"LoadModule ssl_module " "into '$W/apache/httpd.conf'"
    printf 'SSLEngine on\n' >"$W/apache/sites/tls.conf"
    run_ecert plan
    [ "$status" -ne 0 ]
    says "Invalid command 'SSLEngine'" "mod_ssl is not loaded: write \"LoadModule ssl_module "
}
