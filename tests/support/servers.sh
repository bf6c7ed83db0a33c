# Real servers of our own, for the demo and the system tests: on 127.0.0.1, on free ports, with their
# own configuration, ended by pid. Sourced by bash; nothing of the host's own servers is touched.
#
#   free_port                        a port that nobody listens on
#   world DIR                        the folder of one scene: DIR/ca, DIR/nginx, DIR/apache, ...
#   nginx_site DIR PORT NAME PAIR    an nginx that serves NAME on PORT with PAIR.pem and PAIR.key
#   apache_site DIR PORT NAME PAIR   likewise Apache
#   start_nginx DIR / start_apache DIR / stop_pid FILE / end_process PID
#   ca_server DIR PORT               the CA's download addresses, out of DIR/ca/www
#   served PORT NAME                 SHA-256 of the leaf that is served there now, or "nothing"
#   served_chain PORT NAME           how many certificates are sent
#   sha256_of FILE                   the same of the first certificate of a file

NGINX=/usr/sbin/nginx
APACHE=/usr/sbin/apache2
APACHE_MODULES=/usr/lib/apache2/modules

# Below the range that the kernel gives to outgoing connections, so that none of them takes it before
# the server has started.
free_port() {
    local port
    while :; do
        port=$((10240 + (RANDOM * 32768 + RANDOM) % 22528))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break # refused: nobody listens
    done
    echo "$port"
}

# A self-signed certificate that stands for "what was there before": PAIR.pem, PAIR.key
old_pair() { # BASE NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" \
        -out "$1.pem" -subj "/CN=$2" -addext "subjectAltName=DNS:$2" -days 20 2>/dev/null
    chmod 600 "$1.key"
}

nginx_head() { # DIR
    mkdir -p "$1/conf.d" "$1/logs" "$1/temp" "$1/html"
    echo "served by nginx" >"$1/html/index.html"
    cat >"$1/nginx.conf" <<CONF
# an ordinary configuration
daemon on;
user root;
worker_processes 1;
pid $1/nginx.pid;
error_log $1/logs/error.log;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path $1/temp;
    proxy_temp_path $1/temp;
    fastcgi_temp_path $1/temp;
    uwsgi_temp_path $1/temp;
    scgi_temp_path $1/temp;
    include $1/conf.d/*.conf;
}
CONF
}

nginx_site() { # DIR PORT NAME PAIR
    [ -e "$1/nginx.conf" ] || nginx_head "$1"
    cat >"$1/conf.d/$3.conf" <<CONF
server {
    listen 127.0.0.1:$2 ssl;
    server_name $3;                       # the name that is on the certificate
    ssl_certificate     $4.pem;
    ssl_certificate_key $4.key;
    root $1/html;
}
CONF
}

apache_site() { # DIR PORT NAME PAIR
    if [ ! -e "$1/httpd.conf" ]; then
        mkdir -p "$1/sites" "$1/logs" "$1/html"
        echo "served by Apache" >"$1/html/index.html"
        cat >"$1/httpd.conf" <<CONF
ServerRoot "$1"
ServerName localhost
PidFile "$1/httpd.pid"
ErrorLog "$1/logs/error.log"
DefaultRuntimeDir "$1"
LoadModule mpm_event_module $APACHE_MODULES/mod_mpm_event.so
LoadModule authz_core_module $APACHE_MODULES/mod_authz_core.so
LoadModule socache_shmcb_module $APACHE_MODULES/mod_socache_shmcb.so
LoadModule ssl_module $APACHE_MODULES/mod_ssl.so
User www-data
Group www-data
StartServers 1
IncludeOptional sites/*.conf
CONF
    fi
    grep -qs "^Listen 127.0.0.1:$2\$" "$1/httpd.conf" ||
        sed -i "/^IncludeOptional/i Listen 127.0.0.1:$2" "$1/httpd.conf"
    cat >"$1/sites/$3.conf" <<CONF
<VirtualHost 127.0.0.1:$2>
    ServerName $3
    DocumentRoot "$1/html"
    SSLEngine on
    SSLCertificateFile    "$4.pem"
    SSLCertificateKeyFile "$4.key"
</VirtualHost>
CONF
}

start_nginx() { # DIR
    "$NGINX" -p "$1/" -c "$1/nginx.conf" 2>>"$1/logs/start.log"
}

start_apache() { # DIR
    "$APACHE" -d "$1" -f "$1/httpd.conf" -k start 2>>"$1/logs/start.log"
    local i
    for i in $(seq 100); do
        [ -s "$1/httpd.pid" ] && return 0
        sleep 0.05
    done
    cat "$1/logs/"* >&2
    return 1
}

# End the process of a pid file, and only that, if it is still there; wait until it has ended.
stop_pid() { # FILE
    end_process "$(cat "$1" 2>/dev/null)"
}

end_process() { # PID
    local i
    [ -n "$1" ] && kill -TERM "$1" 2>/dev/null || return 0
    for i in $(seq 100); do
        # a zombie that nobody reaps yet has ended, too
        grep -qs '^State:[^Z]*$' "/proc/$1/status" || return 0
        sleep 0.05
    done
    kill -KILL "$1" 2>/dev/null || true
}

ca_server() { # DIR PORT: serves DIR/ca/www out of DIR/ca-server
    local at=$1/ca-server
    nginx_head "$at"
    cat >"$at/conf.d/ca.conf" <<CONF
server {
    listen 127.0.0.1:$2;
    root $1/ca/www;
    access_log $at/logs/access.log;
}
CONF
    start_nginx "$at"
}

served() { # PORT NAME
    local pem
    pem=$(openssl s_client -connect "127.0.0.1:$1" -servername "$2" </dev/null 2>/dev/null) || true
    openssl x509 -noout -fingerprint -sha256 <<<"$pem" 2>/dev/null |
        sed 's/.*=//; s/://g' | grep . || echo nothing
}

served_chain() { # PORT NAME
    openssl s_client -connect "127.0.0.1:$1" -servername "$2" -showcerts </dev/null 2>/dev/null |
        grep -c 'BEGIN CERTIFICATE' || true
}

sha256_of() { # FILE
    openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g'
}
