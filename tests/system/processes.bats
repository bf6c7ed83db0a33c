# Which process is what: the root process links and maps a closed list of libraries, the environment
# has no say, ecert-net reads what everybody may read, and no key is ever in sight of others.

load common

# What the root process may map. A new line here is a decision (design: its list is closed).
LIBRARIES='ld-linux libc.so libconfig.so libcrypto.so libidn2.so libjansson.so libssl.so libunistring.so'

prepare() {
    ca_up
}

# The names without version and place: "libssl.so".
bare() {
    sed -E 's#.*/##; s/(\.so)[.0-9]*$/\1/; s/^ld-linux.*/ld-linux/; s/^ld-[0-9.]+\.so$/ld-linux/' | sort -u
}

# A target whose reload command tells what it sees of ecert, which is its parent: W/seen/*.
spying_config() {
    mkdir -p "$W/seen" "$W/out"
    cat >"$W/spy" <<SPY
#!/bin/sh
cat /proc/\$PPID/maps >$W/seen/maps
cat /proc/\$PPID/environ >$W/seen/environ
for p in /proc/[0-9]*; do
    tr '\\0' ' ' <\$p/cmdline >>$W/seen/cmdlines 2>/dev/null
    echo >>$W/seen/cmdlines
done
grep -l '^PPid:[[:space:]]*'\$PPID'\$' /proc/[0-9]*/status | while read -r s; do
    p=\${s%/status}
    echo "\$(readlink \$p/exe) \$(grep '^Uid:' \$s | tr '\\t' ' ')" >>$W/seen/children
    cat \$p/environ >>$W/seen/environ
done
tr '\\0' '\\n' </proc/self/environ >$W/seen/own-environ
ls -l /proc/self/fd >$W/seen/own-fds
exit 0
SPY
    chmod 755 "$W/spy"
    SESAME=open-sesame-$RANDOM$RANDOM$RANDOM
    echo "$SESAME" >"$W/pass"
    printf '#!/bin/sh\ncat %s\n' "$W/pass" >"$W/askpass"
    chmod 600 "$W/pass"
    chmod 700 "$W/askpass"
    openssl rsa -in "$W/keys/$NAME.key" -des3 -traditional -passout "file:$W/pass" \
        -out "$W/keys/encrypted.key" 2>/dev/null
    chmod 600 "$W/keys/encrypted.key"
    KEY="file = \"$W/keys/encrypted.key\"; passphrase_command = [ \"$W/askpass\" ];" write_config \
        "{ plugin = \"example\"; directory = \"$W/out\"; file = \"site.pem\";
           test = [ \"/bin/true\" ]; reload = [ \"$W/spy\" ]; service = \"spy.service\";
           probe = false; }"
}

@test "the root process links a closed list of libraries, no libcurl among them" {
    local got
    got=$(ldd "$ECERT_BUILD/ecert" | awk '{ print $1 }' | grep -v '^linux-vdso' | bare | xargs)
    echo "$got"
    [ "$got" = "$LIBRARIES" ]
}

@test "while it deploys it has mapped these libraries and nothing else that can be executed" {
    spying_config
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    local got
    got=$(awk '$2 ~ /x/ && $6 ~ /^\// { print $6 }' "$W/seen/maps" | grep -v "^$ECERT_BUILD/ecert\$" | bare | xargs)
    echo "$got"
    [ "$got" = "$LIBRARIES" ]
    # nor as data: no plugin, no libcurl, nothing that was deleted since
    run -1 grep -E 'plugins/|libcurl|deleted' "$W/seen/maps"
    # and nothing is both writable and executable
    run -1 grep -E '^[^ ]+ .wx' "$W/seen/maps"
}

@test "keys and passphrases are in no argv and no environment; a command inherits nothing" {
    spying_config
    drop "$W/$NAME.cer"
    OF_THE_CALLER=visible run_ecert run --json --verbose
    [ "$status" -eq 0 ]
    local told=$output$stderr
    [ -s "$W/seen/cmdlines" ]
    [ -s "$W/seen/own-environ" ]
    grep -q "ecert --config" "$W/seen/cmdlines"
    local seen
    for seen in cmdlines environ own-environ; do
        run -1 grep -aE "$SESAME|PRIVATE KEY" "$W/seen/$seen"
        no_key_in "$W/keys/$NAME.key" "$(tr '\0' '\n' <"$W/seen/$seen")"
    done
    no_key_in "$W/keys/$NAME.key" "$told"
    [[ "$told" != *"$SESAME"* ]]
    # minimal: PATH, LANG, LC_ALL, and what the shell adds by itself
    run -1 grep -vE '^(PATH|LANG|LC_ALL|PWD|OLDPWD|SHLVL|_)=' "$W/seen/own-environ"
    # descriptors 0, 1 (this list), 2, and the folder that `ls` reads
    [ "$(grep -c -- '->' "$W/seen/own-fds")" -eq 4 ]
    run -1 grep -E "$W/(state|keys|ca)" "$W/seen/own-fds"
    # no key in the state but where it belongs
    run grep -rlE 'PRIVATE KEY' "$W/state"
    [ "$output" = "$(generation 1)/privkey.pem" ]
    [ "$(stat -c %a "$(generation 1)/privkey.pem")" = 600 ]
    run -1 grep -rlF "$SESAME" "$W/state" "$W/out"
}

@test "ecert-net runs beside it, without root" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to see it given up"
    spying_config
    drop "$W/$NAME.cer"
    run_ecert run
    [ "$status" -eq 0 ]
    cat "$W/seen/children"
    grep -q "^$ECERT_BUILD/ecert-net Uid: [1-9]" "$W/seen/children"
    run -1 grep -E 'ecert-net Uid:.* 0( |$)' "$W/seen/children"
}

# ---- the environment ----

# W/trap.so leaves W/trapped when it is loaded; W/openssl.cnf makes OpenSSL load it.
openssl_trap() {
    mkdir "$W/trap"
    chmod 777 "$W/trap"
    cat >"$W/trap.c" <<CODE
#include <fcntl.h>
__attribute__((constructor)) static void trap(void)
{
    (void)open("$W/trap/sprung", O_CREAT | O_WRONLY, 0666);
}
CODE
    gcc -shared -fPIC -o "$W/trap.so" "$W/trap.c"
    cat >"$W/openssl.cnf" <<CONF
openssl_conf = init
[init]
providers = providers
engines = engines
[providers]
default = on
trap = trap
[on]
activate = 1
[trap]
module = $W/trap.so
activate = 1
[engines]
trap = engine
[engine]
engine_id = trap
dynamic_path = $W/trap.so
init = 0
CONF
}

@test "OPENSSL_CONF changes nothing: the trap that catches openssl itself is not sprung" {
    openssl_trap
    OPENSSL_CONF=$W/openssl.cnf openssl list -providers >/dev/null 2>&1 || true
    [ -e "$W/trap/sprung" ] # the trap works
    rm "$W/trap/sprung"
    spying_config
    drop "$W/$NAME.cer"
    local variable
    export OPENSSL_CONF=$W/openssl.cnf OPENSSL_MODULES=$W OPENSSL_ENGINES=$W
    run_ecert run
    [ "$status" -eq 0 ]
    [ ! -e "$W/trap/sprung" ]
    run_ecert verify "$W/$NAME.cer"
    [ "$status" -eq 0 ]
    run_ecert status
    [ "$status" -eq 0 ]
    [ ! -e "$W/trap/sprung" ]
}

# A listener on $TRAP_PORT that writes down who comes, W/trap.log.
port_trap() {
    TRAP_PORT=$(free_port)
    python3 - "$TRAP_PORT" "$W/trap.log" 3>&- <<'PY' &
import socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
open(sys.argv[2], "w").close()
while True:
    c, _ = s.accept()
    with open(sys.argv[2], "a") as log:
        log.write("somebody\n")
    c.close()
PY
    PIDS+=($!)
    local i
    for i in $(seq 100); do
        [ -e "$W/trap.log" ] && return 0
        sleep 0.05
    done
    return 1
}

@test "http_proxy, https_proxy and ALL_PROXY change nothing: nobody comes to the trap" {
    port_trap
    local trap=http://127.0.0.1:$TRAP_PORT
    http_proxy=$trap run curl -s -m 5 -o /dev/null "http://127.0.0.1:$CA_PORT/root/"
    [ -s "$W/trap.log" ] # the trap works
    : >"$W/trap.log"
    cp "$W/$NAME.cer" "$W/ca/www/www.cer"
    write_config "" "source = { type = \"url\"; url = \"http://127.0.0.1:$CA_PORT/www.cer\"; };"
    http_proxy=$trap https_proxy=$trap HTTP_PROXY=$trap HTTPS_PROXY=$trap ALL_PROXY=$trap \
        all_proxy=$trap run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
    [ ! -s "$W/trap.log" ]
}

@test "the proxy of the configuration is used, and only that" {
    port_trap
    cp "$W/$NAME.cer" "$W/ca/www/www.cer"
    write_config "" "source = { type = \"url\"; url = \"http://127.0.0.1:$CA_PORT/www.cer\"; };" \
        "proxy = \"http://127.0.0.1:$TRAP_PORT\";"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [ -s "$W/trap.log" ]
}

@test "SSLKEYLOGFILE, SSL_CERT_FILE and CURL_CA_BUNDLE are ignored" {
    local port log
    port=$(free_port)
    public_folder
    mkdir "$PUBLIC/log" "$W/files"
    chmod 777 "$PUBLIC/log"
    old_pair "$W/tls" localhost
    install -m 644 "$W/tls.pem" "$PUBLIC/anchors.pem"
    cp "$W/$NAME.cer" "$W/files/www.cer"
    nginx_site "$W/tls-server" "$port" localhost "$W/tls"
    sed -i "s|root .*;|root $W/files;|" "$W/tls-server/conf.d/localhost.conf"
    start_nginx "$W/tls-server"
    write_config "" "source = { type = \"url\"; url = \"https://localhost:$port/www.cer\"; };"
    log=$PUBLIC/log/keys
    SSLKEYLOGFILE=$log curl -s -o /dev/null --cacert "$W/tls.pem" "https://localhost:$port/www.cer"
    [ -s "$log" ] # others do write it
    rm "$log"
    # without an anchor in the configuration it is not believed, whatever the environment says
    export SSLKEYLOGFILE=$log SSL_CERT_FILE=$PUBLIC/anchors.pem CURL_CA_BUNDLE=$PUBLIC/anchors.pem \
        SSL_CERT_DIR=$PUBLIC
    run_ecert fetch
    [ "$status" -eq 1 ]
    write_config "" "source = { type = \"url\"; url = \"https://localhost:$port/www.cer\";
        ca_file = \"$PUBLIC/anchors.pem\"; };"
    run_ecert fetch
    [ "$status" -eq 0 ]
    [ "$(generations)" = 1 ]
    [ ! -e "$log" ]
}

# ---- ecert-net ----

@test "ecert-net cannot read what only root may read" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to see it given up"
    public_folder
    cp "$W/$NAME.cer" "$PUBLIC/secret.cer"
    chmod 600 "$PUBLIC/secret.cer"
    write_config "" "source = { type = \"url\"; url = \"file://$PUBLIC/secret.cer\"; };"
    run_ecert fetch
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$stderr")" -eq 1 ]
    [[ $stderr == *"$PUBLIC/secret.cer"* ]]
    [ "$(generations)" = 0 ]
    chmod 644 "$PUBLIC/secret.cer" # and this was the only reason
    run_ecert fetch
    [ "$status" -eq 0 ]
}

@test "ecert-net started by hand leaves at once with a sentence" {
    run --separate-stderr timeout 5 "$ECERT_BUILD/ecert-net" </dev/null
    echo "$output$stderr ($status)"
    [ "$status" -ne 124 ]
    [ "$status" -ne 0 ]
    [[ $stderr == *ecert* ]]
}

@test "ecert-net is not left behind, however ecert ends" {
    # a slow command, and ecert is killed while it runs
    spying_config
    printf '#!/bin/sh\necho $$ >%s/own\necho $PPID >%s/pid\nexec sleep 10\n' "$W" "$W" >"$W/spy"
    drop "$W/$NAME.cer"
    "$ECERT_BUILD/ecert" --config "$W/ecert.conf" run >/dev/null 2>&1 3>&- &
    PIDS+=($!)
    local i net
    for i in $(seq 200); do
        [ -s "$W/pid" ] && break
        sleep 0.05
    done
    PIDS+=("$(cat "$W/own")")
    net=$(pgrep -P "$(cat "$W/pid")" ecert-net)
    [ -n "$net" ]
    kill -KILL "$(cat "$W/pid")"
    for i in $(seq 60); do
        kill -0 "$net" 2>/dev/null || break
        sleep 0.05
    done
    run -1 kill -0 "$net"
}
