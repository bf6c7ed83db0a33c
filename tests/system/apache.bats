# Deployments to a real Apache.

load deploying

apache_conf() { # the usual head, for a site that is written by hand
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/$OLD"
}

@test "the first deployment changes the two values and no other byte, and is served with its chain" {
    APACHE_PORT=$(free_port)
    apache_conf
    printf '# <VirtualHost nobody>\r\n  <VirtualHost 127.0.0.1:%s>\r\n\tServerName %s\r\n%s' \
        "$APACHE_PORT" "$NAME" \
        "      SSLEngine	On
 sslcertificatefile   \"$W/$OLD.pem\"
  SSLCertificateKeyFile \\
     $W/$OLD.key
    DocumentRoot $W/apache/html
    # SSLCertificateFile in a comment
  </VirtualHost>
<VirtualHost 127.0.0.1:$APACHE_PORT>
    ServerName other.example.org
    SSLEngine on
    SSLCertificateFile $W/$OLD.pem
    SSLCertificateKeyFile $W/$OLD.key
</VirtualHost>" >"$W/apache/sites/$NAME.conf"
    chmod 640 "$W/apache/sites/$NAME.conf"
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    cp -p "$W/apache/sites/$NAME.conf" "$W/before"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"

    run_ecert deploy
    [ "$status" -eq 0 ]
    says "deployed, and the server was seen to serve it" "changed: $W/apache/sites/$NAME.conf"
    sleep 0.3 # until the old children are gone
    sed "1,/<\/VirtualHost>/ { s|$W/$OLD.pem|$(live_dir apache)/fullchain.pem|
        s|$W/$OLD.key|$(live_dir apache)/privkey.pem|; }" "$W/before" >"$W/expected"
    cmp "$W/expected" "$W/apache/sites/$NAME.conf"
    is "mode" 640 "$(stat -c %a "$W/apache/sites/$NAME.conf")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    is "certificates sent" 3 "$(served_chain "$APACHE_PORT" "$NAME")"
    wait_served "$APACHE_PORT" other.example.org "$(sha256_of "$W/$OLD.pem")"
    no_leftovers
}

@test "missing directives are added, SSLEngine too, in the indentation of the block" {
    apache_up
    local port
    port=$(free_port)
    sed -i "/^IncludeOptional/i Listen 127.0.0.1:$port https" "$W/apache/httpd.conf"
    cat >"$W/apache/sites/new.conf" <<CONF
<VirtualHost 127.0.0.1:$port>
	ServerName myserver.com
	DocumentRoot "$W/apache/html"
	SSLEngine on
</VirtualHost>
CONF
    write_config "$(apache_target 'server_names = [ "myserver.com" ];')"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    cmp "$W/apache/sites/new.conf" - <<CONF
<VirtualHost 127.0.0.1:$port>
	ServerName myserver.com
	DocumentRoot "$W/apache/html"
	SSLEngine on
	SSLCertificateFile $(live_dir apache)/fullchain.pem
	SSLCertificateKeyFile $(live_dir apache)/privkey.pem
</VirtualHost>
CONF
    wait_served "$port" myserver.com "$(sha256_of "$W/$NAME.cer")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "SSLEngine is added where the certificates stand without it" {
    apache_up
    sed -i '/SSLEngine/d' "$W/apache/sites/$NAME.conf"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    cmp "$W/apache/sites/$NAME.conf" - <<CONF
<VirtualHost 127.0.0.1:$APACHE_PORT>
    ServerName $NAME
    DocumentRoot "$W/apache/html"
    SSLEngine on
    SSLCertificateFile    "$(live_dir apache)/fullchain.pem"
    SSLCertificateKeyFile "$(live_dir apache)/privkey.pem"
</VirtualHost>
CONF
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}

@test "a renewal switches the link, edits nothing and makes one graceful restart" {
    APACHE_PORT=$(free_port)
    apache_conf
    wrap apache
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    local tree
    tree=$(config_tree "$W/apache")
    : >"$W/calls"
    drop "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    same "$tree" "$(config_tree "$W/apache")"
    is "link" ../generations/0002 "$(live apache)"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
    sleep 0.3 # until the old children are gone
    is "graceful restarts" 1 "$(calls reload)"
    no_leftovers

    : >"$W/calls"
    run_ecert deploy
    [ "$status" -eq 0 ]
    says "nothing to change, and it is served"
    same "$tree" "$(config_tree "$W/apache")"
    is "graceful restarts" 0 "$(calls reload)"
    is "records" 2 "$(records | wc -l)"
}

@test "the CA guide's own layout: ssl.key, ssl.crt and hkpostca.crt with SSLCertificateChainFile" {
    APACHE_PORT=$(free_port)
    apache_conf
    mkdir -p "$W/apache/conf/ssl.key" "$W/apache/conf/ssl.crt"
    cp "$W/$OLD.pem" "$W/apache/conf/ssl.crt/server.crt"
    cp "$W/$OLD.key" "$W/apache/conf/ssl.key/server.key"
    chmod 400 "$W/apache/conf/ssl.key/server.key"
    cp "$W/ca/sub-revoked.pem" "$W/apache/conf/ssl.crt/hkpostca.crt" # as the guide of 2017 had it
    cat >"$W/apache/sites/$NAME.conf" <<CONF
<VirtualHost 127.0.0.1:$APACHE_PORT>
ServerName $NAME
SSLEngine on
SSLCertificateFile conf/ssl.crt/server.crt
SSLCertificateKeyFile conf/ssl.key/server.key
SSLCertificateChainFile conf/ssl.crt/hkpostca.crt
</VirtualHost>
CONF
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    write_config "$(apache_target "files = { key = \"$W/apache/conf/ssl.key/server.key\";
        certificate = \"$W/apache/conf/ssl.crt/server.crt\";
        chain = \"$W/apache/conf/ssl.crt/hkpostca.crt\"; };")"
    take "$W/$NAME.cer"
    local sites
    sites=$(snapshot "$W/apache/sites")

    run_ecert deploy
    [ "$status" -eq 0 ]
    same "$sites" "$(snapshot "$W/apache/sites")"
    cmp "$(generation 1)/cert.pem" "$W/apache/conf/ssl.crt/server.crt"
    cmp "$(generation 1)/privkey.pem" "$W/apache/conf/ssl.key/server.key"
    cmp "$(generation 1)/chain.pem" "$W/apache/conf/ssl.crt/hkpostca.crt"
    is "mode of the key" 400 "$(stat -c %a "$W/apache/conf/ssl.key/server.key")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    is "certificates sent" 3 "$(served_chain "$APACHE_PORT" "$NAME")"
    is "chain" "$SUB $CROSS" "$(serials "$W/apache/conf/ssl.crt/hkpostca.crt" | tr '\n' ' ' |
        sed 's/ $//')"
    no_leftovers

    take "$W/second.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    same "$sites" "$(snapshot "$W/apache/sites")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/second.cer")"
}

@test "a left-over SSLCertificateChainFile is neutralised in the same edit" {
    APACHE_PORT=$(free_port)
    apache_conf
    sed -i "/SSLCertificateKeyFile/a \\    SSLCertificateChainFile $W/ca/sub-revoked.pem # 2017" \
        "$W/apache/sites/$NAME.conf"
    sed -i 's/ # 2017//' "$W/apache/sites/$NAME.conf"
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    run_ecert deploy
    [ "$status" -eq 0 ]
    is "in force" 0 "$(grep -c '^ *SSLCertificateChainFile' "$W/apache/sites/$NAME.conf")"
    is "as a comment" 1 "$(grep -c "^ *# *SSLCertificateChainFile $W/ca/sub-revoked.pem" \
        "$W/apache/sites/$NAME.conf")"
    sleep 0.3
    # what is sent is the chain of this generation, and the revoked sub CA is not in it
    openssl s_client -connect "127.0.0.1:$APACHE_PORT" -servername "$NAME" -showcerts </dev/null \
        2>/dev/null >"$W/sent"
    is "sent" "$SUB $CROSS" "$(serials <(sed -n '/BEGIN CERT/,/END CERT/p' "$W/sent") |
        tail -n +2 | tr '\n' ' ' | sed 's/ $//')"
}

@test "Debian's layout: the file in sites-available is edited, the link in sites-enabled stays" {
    APACHE_PORT=$(free_port)
    cp -a /etc/apache2 "$W/apache"
    mkdir -p "$W/apache/logs"
    rm -f "$W"/apache/sites-enabled/*
    echo "Listen 127.0.0.1:$APACHE_PORT" >"$W/apache/ports.conf"
    ln -sf ../mods-available/ssl.load ../mods-available/ssl.conf ../mods-available/socache_shmcb.load \
        "$W/apache/mods-enabled/"
    # what Debian's apachectl sets
    cat >"$W/apache/httpd.conf" <<CONF
Define APACHE_RUN_USER www-data
Define APACHE_RUN_GROUP www-data
ServerName localhost
$(sed "s|\${APACHE_PID_FILE}|$W/apache/httpd.pid|; s|\${APACHE_RUN_DIR}|$W/apache|
       s|\${APACHE_LOCK_DIR}|$W/apache|; s|\${APACHE_LOG_DIR}|$W/apache/logs|" "$W/apache/apache2.conf")
CONF
    sed -i "s|\${APACHE_LOG_DIR}|$W/apache/logs|; s|\${APACHE_RUN_DIR}|$W/apache|" \
        "$W"/apache/*-available/*.conf
    sed "s|<VirtualHost .*>|<VirtualHost 127.0.0.1:$APACHE_PORT>|
         s|/etc/ssl/certs/ssl-cert-snakeoil.pem|$W/$OLD.pem|
         s|/etc/ssl/private/ssl-cert-snakeoil.key|$W/$OLD.key|
         s|ServerAdmin.*|&\n\t\tServerName $NAME|" "$W/apache/sites-available/default-ssl.conf" \
        >"$W/apache/sites-available/www.conf"
    grep -q "ServerName $NAME" "$W/apache/sites-available/www.conf"
    ln -s ../sites-available/www.conf "$W/apache/sites-enabled/www.conf"
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    cp "$W/apache/sites-available/www.conf" "$W/before"
    write_config "$(apache_target)"
    take "$W/$NAME.cer"

    run_ecert deploy
    [ "$status" -eq 0 ]
    sed "s|^\([^#]*\)$W/$OLD.pem|\1$(live_dir apache)/fullchain.pem|
         s|$W/$OLD.key|$(live_dir apache)/privkey.pem|" "$W/before" |
        cmp - "$W/apache/sites-available/www.conf"
    is "the link" ../sites-available/www.conf "$(readlink "$W/apache/sites-enabled/www.conf")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    no_leftovers
}

@test "an RSA and an ECDSA pair in one virtual host: each takes the place of its own kind" {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$W/old-rsa.key" -out "$W/old-rsa.pem" \
        -subj "/CN=$NAME" -days 20 2>/dev/null
    APACHE_PORT=$(free_port)
    apache_conf
    sed -i "/SSLCertificateKeyFile/a \\
    SSLCertificateFile $W/old-rsa.pem\\
    SSLCertificateKeyFile $W/old-rsa.key" "$W/apache/sites/$NAME.conf"
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    KEY="file = \"$W/ec.key\";" write_config "$(apache_target)"
    take "$W/ec.cer"

    run_ecert deploy
    [ "$status" -eq 0 ]
    sleep 0.3
    run openssl s_client -connect "127.0.0.1:$APACHE_PORT" -servername "$NAME" -tls1_2 \
        -cipher ECDHE-RSA-AES128-GCM-SHA256 </dev/null
    is "RSA" "$(sha256_of "$W/old-rsa.pem")" "$(sha256_of <(echo "$output"))"
    run openssl s_client -connect "127.0.0.1:$APACHE_PORT" -servername "$NAME" -tls1_2 \
        -cipher ECDHE-ECDSA-AES128-GCM-SHA256 </dev/null
    is "ECDSA" "$(sha256_of "$W/ec.cer")" "$(sha256_of <(echo "$output"))"
}

@test "two virtual hosts in one file, two certificates: one reload; a third host is left alone" {
    test_ca issue "$W/ca" a.myserver.com --ec --out "$W/a"
    test_ca issue "$W/ca" b.myserver.com --ec --out "$W/b"
    APACHE_PORT=$(free_port)
    apache_conf
    local name
    for name in a b; do
        cat >>"$W/apache/sites/both.conf" <<CONF
<VirtualHost 127.0.0.1:$APACHE_PORT>
    ServerName $name.myserver.com
    SSLEngine on
    SSLCertificateFile    "$W/$OLD.pem"
    SSLCertificateKeyFile "$W/$OLD.key"
</VirtualHost>
CONF
    done
    wrap apache
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
certificates = (
  { name = "a.myserver.com"; authority = "testpost"; key = { file = "$W/a.key"; };
    targets = ( $(apache_target) ); },
  { name = "b.myserver.com"; authority = "testpost"; key = { file = "$W/b.key"; };
    targets = ( $(apache_target) ); }
);
CONF
    take "$W/a.cer" "$W/b.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    is "graceful restarts" 1 "$(calls reload)"
    wait_served "$APACHE_PORT" a.myserver.com "$(sha256_of "$W/a.cer")"
    wait_served "$APACHE_PORT" b.myserver.com "$(sha256_of "$W/b.cer")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

@test "rollback, and status, and the record" {
    apache_up
    write_config "$(apache_target)"
    take "$W/$NAME.cer"
    ecert run --quiet
    take "$W/second.cer"
    ecert run --quiet
    run_ecert rollback "$NAME" --target apache
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    sleep 0.3
    run_ecert status
    [ "$status" -eq 0 ]
    says "apache: has generation 1" "127.0.0.1:$APACHE_PORT $NAME serves it" "held by a rollback"
    is "records" 3 "$(records | wc -l)"
    is "from, to" "2 1" "$(json '"%d %d" % (o["from"]["generation"], o["to"]["generation"])' \
        <"$(records | tail -n 1)")"
}

@test "Apache and nginx of one certificate: one fails, the other is deployed" {
    nginx_up
    apache_up
    echo 'SSLNonsense on' >>"$W/apache/httpd.conf" # broken since it was started
    write_config "$(apache_target), $(nginx_target)"
    take "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 1 ]
    says "SSLNonsense"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
    sed -i '/SSLNonsense/d' "$W/apache/httpd.conf"
    run_ecert deploy
    [ "$status" -eq 0 ]
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$NAME.cer")"
}
