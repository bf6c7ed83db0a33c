# What the tests of reminders need beside `deploying`: one watched file that expires in twenty days
# ($W/due.cer), the configuration around it, its recipients, and another time.

load deploying

prepare() {
    test_ca issue "$W/ca" due.myserver.com --ec --out "$W/due" \
        --not-before "$(date -u -d '-345 days' +%Y%m%d%H%M%SZ)" \
        --not-after "$(date -u -d '20 days 12 hours' +%Y%m%d%H%M%SZ)"
    printf '#!/bin/sh\n[ ! -e %s/off ] || { echo "nobody is on call" >&2; exit 3; }\n' "$W" >"$W/page"
    printf 'n=$(ls %s/paged-* 2>/dev/null | wc -l)\ncat >%s/paged-$((n + 1))\n' "$W" "$W" >>"$W/page"
    chmod 700 "$W/page"
}

PAGE='command = [ "%s/page" ];'

# reminding REMINDERS [MORE]: one file is watched; the lines are those of `reminders`
reminding() {
    cat >"$W/ecert.conf" <<CONF
state_dir = "$W/state";
authorities_dir = "$W/ca/authorities";
certificates = ( );
watch = ( { name = "shop"; file = "$W/due.cer"; note = "the shop's"; ${2:-} } );
reminders: { journal = false; digest = "never"; $1 };
CONF
}

by_page() {
    # shellcheck disable=SC2059 # the format is ours
    reminding "$(printf "$PAGE" "$W")" "$@"
}

await_file() { # FILE: written by a program that was started just now
    local i
    for i in $(seq 200); do
        [ ! -e "$1" ] || return 0
        sleep 0.05
    done
    echo "$1 is not there" >&2
    return 1
}

receiver_up() {
    mkdir "$W/got"
    python3 "$ROOT/tests/support/receiver.py" "$W/got" 3>&- &
    PIDS+=($!)
    await_file "$W/got/http.port"
    SMTP_PORT=$(cat "$W/got/smtp.port") HTTP_PORT=$(cat "$W/got/http.port")
}

# preload NAME: tests/support/NAME.c as $W/NAME.so
preload() {
    [ -e "$W/$1.so" ] || gcc -shared -fPIC -o "$W/$1.so" "$ROOT/tests/support/$1.c" -ldl
}

# later WHEN COMMAND...: ecert, at that time (for date(1), in words or as a moment)
later() {
    local seconds=$(($(date -d "$1" +%s) - $(date +%s)))
    shift
    preload clock_at
    ECERT_LATER=$seconds LD_PRELOAD=$W/clock_at.so "$ECERT_BUILD/ecert" --config "$W/ecert.conf" "$@"
}

paged() { # how often the command was called
    find "$W" -maxdepth 1 -name 'paged-*' | wc -l
}

owed() { # how many reminders are owed
    find "$W/state/reminders/owed" -name '*.json' | wc -l
}
