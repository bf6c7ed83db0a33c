# What the tests of deployments need besides common.bash (which this loads).
#
#   nginx_target [SETTINGS] / apache_target [SETTINGS]
#                          a target of the server in W/nginx or W/apache; $NGINX_COMMAND and
#                          $APACHE_COMMAND, if set, are its program instead of the real one
#   take FILE...           into the state directory, as generations; deploys nothing
#   is WHAT EXPECTED ACTUAL, says TEXT..., says_not TEXT...     assertions that tell what is wrong
#   no_leftovers           no temporary file below W, no folder of a transaction
#   wrap nginx|apache      the server of W/nginx or W/apache is called through a wrapper from now on,
#                          and is started; see below

load common

OLD=old # W/old.pem and W/old.key: what was there before

prepare() {
    old_pair "$W/$OLD" "$NAME"
    ca_up
    if declare -F scene >/dev/null; then scene; fi
}

nginx_target() {
    printf '{ plugin = "nginx"; may_write = [ "%s" ]; %s
        command = [ "%s", "-p", "%s/", "-c", "%s/nginx.conf" ]; }' "$W/nginx" "${1:-}" \
        "${NGINX_COMMAND:-$NGINX}" "$W/nginx" "$W/nginx"
}

apache_target() {
    printf '{ plugin = "apache"; may_write = [ "%s" ]; %s
        command = [ "%s", "-d", "%s", "-f", "%s/httpd.conf" ]; }' "$W/apache" "${1:-}" \
        "${APACHE_COMMAND:-$APACHE}" "$W/apache" "$W/apache"
}

# An nginx and an Apache with one site, which serve W/old.
nginx_up() {
    NGINX_PORT=$(free_port)
    nginx_site "$W/nginx" "$NGINX_PORT" "$NAME" "$W/$OLD"
    start_nginx "$W/nginx"
    wait_served "$NGINX_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

apache_up() {
    APACHE_PORT=$(free_port)
    apache_site "$W/apache" "$APACHE_PORT" "$NAME" "$W/$OLD"
    start_apache "$W/apache"
    wait_served "$APACHE_PORT" "$NAME" "$(sha256_of "$W/$OLD.pem")"
}

# A server's start takes a moment before the first handshake; and for 100 ms after a reload nginx's
# old workers answer beside the new ones.
wait_served() { # PORT NAME SHA256
    local i
    for i in $(seq 60); do
        [ "$(served "$1" "$2")" != "$3" ] || return 0
        sleep 0.05
    done
    is "served on port $1 as $2" "$3" "$(served "$1" "$2")"
}

# Until nginx has one worker: those of before the reload are gone.
settled() {
    local i
    for i in $(seq 100); do
        [ "$(pgrep -c -P "$(cat "$W/nginx/nginx.pid")")" -ne 1 ] || return 0
        sleep 0.05
    done
    return 1
}

take() {
    ecert import --quiet "$@"
}

live() { # [TARGET [NAME]]: where the live link leads
    readlink "$W/state/certificates/${2:-$NAME}/live/${1:-nginx}"
}

live_dir() { # [TARGET [NAME]]
    printf '%s/state/certificates/%s/live/%s' "$W" "${2:-$NAME}" "${1:-nginx}"
}

records() { # [NAME]: the records of deployments, oldest first
    find "$W/state/certificates/${1:-$NAME}/deployments" -name '*.json' -printf '%T@ %p\n' \
        2>/dev/null | sort -n | cut -d ' ' -f 2-
}

is() {
    [ "$2" = "$3" ] || {
        printf '%s: expected\n  %s\nbut it is\n  %s\n' "$1" "$2" "$3"
        return 1
    }
}

# Steps for a person are wrapped: blanks and line ends count as one blank.
says() {
    local text said
    said=$(tr -s ' \n' '  ' <<<"$output"$'\n'"${stderr:-}")
    for text; do
        grep -qF -- "$text" <<<"$output"$'\n'"${stderr:-}"$'\n'"$said" || {
            printf 'ecert does not say "%s"\n' "$text"
            return 1
        }
    done
}

says_not() {
    local text
    for text; do
        if grep -qF -- "$text" <<<"$output"$'\n'"${stderr:-}"; then
            printf 'ecert says "%s"\n' "$text"
            return 1
        fi
    done
}

no_leftovers() {
    local left
    left=$(find "$W" -name '.*.ecert-*'
        find "$W/state/transactions" -mindepth 1 2>/dev/null)
    is "left over" "" "$left"
}

# Every configuration file, with owner, mode and time of change, but not what the server itself
# writes, nor the times of folders, in which temporary files have come and gone.
config_tree() { # DIR
    find "$1" \( -name logs -o -name temp -o -name '*.pid' -o -name bin \) -prune -o -type d \
        -printf '%y %m %U:%G %p\n' -o -printf '%y %m %U:%G %T@ %p %l\n' | sort
    find "$1" \( -name logs -o -name temp -o -name '*.pid' -o -name bin \) -prune -o -type f -print0 |
        sort -z | xargs -0 -r sha256sum
}

# ---- wrappers --------------------------------------------------------------------------------
#
# `wrap nginx` starts the server from W/nginx/bin/nginx and then puts a wrapper in that place: to
# /proc/PID/exe this is the program that was upgraded while it ran. For each call the wrapper asks a
# process outside (the test of a new configuration runs in a private view of the file system, where
# nothing that it writes is real), which notes it in W/calls and runs W/hook, if there is one:
#
#   bash W/hook VERB PARENT     VERB: test, ask, reload, start; PARENT: the process that called
#
# What the hook prints last is the answer: "go" (or nothing) runs the real program, "exit N" ends
# the wrapper with this code and runs nothing.

wrap() {
    local what=$1 program=$NGINX
    [ "$what" = nginx ] || program=$APACHE
    local place=$W/$what/bin/${program##*/}
    [ -n "${CONTROL_PORT:-}" ] || control_up
    mkdir -p "$W/$what/bin"
    cp "$program" "$place"
    if [ "$what" = nginx ]; then
        "$place" -p "$W/nginx/" -c "$W/nginx/nginx.conf" 2>>"$W/nginx/logs/start.log"
        NGINX_COMMAND=$place
    else
        APACHE=$place start_apache "$W/apache"
        APACHE_COMMAND=$place
    fi
    cat >"$place.new" <<WRAPPER
#!/bin/bash
case " \$* " in
*" -s reload "* | *" -k graceful "*) verb=reload ;;
*" DUMP_"* | *" -V "*) verb=ask ;;
*" -t "*) verb=test ;;
*) verb=start ;;
esac
exec 3<>/dev/tcp/127.0.0.1/$CONTROL_PORT
echo "\$verb \$PPID" >&3
read -r answer number <&3
exec 3>&-
[ "\$answer" != exit ] || exit "\$number"
exec $program "\$@"
WRAPPER
    chmod 755 "$place.new"
    mv "$place.new" "$place"
}

control_up() {
    python3 "$ROOT/tests/support/control.py" "$W" 3>&- &
    PIDS+=($!)
    local i
    for i in $(seq 100); do
        CONTROL_PORT=$(cat "$W/control.port" 2>/dev/null) && [ -n "$CONTROL_PORT" ] && return 0
        sleep 0.02
    done
    return 1
}

calls() { # VERB: how often it was called
    grep -c "^$1\$" "$W/calls" || true
}

# hook <<'HOOK': the hook's script, which finds $W, $verb and $parent
hook() {
    {
        printf 'W=%q verb=$1 parent=$2\n' "$W"
        cat
    } >"$W/hook.new"
    mv "$W/hook.new" "$W/hook"
}
