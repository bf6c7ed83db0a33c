# A program that is killed while it reminds: whoever is to be told is told, once or twice, and never
# not at all.
#
# covers: core/monitor/reminders.h core/monitor/channel.h

load reminding

# A webhook with a real HTTP server, and a command.
both() {
    # shellcheck disable=SC2059 # the format is ours
    reminding "webhook = { url = \"http://127.0.0.1:$HTTP_PORT/hook\"; }; $(printf "$PAGE" "$W")"
}

posted() { # how many notices the webhook took
    find "$W/got" -name 'post-*' ! -name '*.new' | wc -l
}

# The id of each notice that came over the webhook and the command, each once.
ids() {
    local file
    for file in "$W"/got/post-*; do
        sed '1,/^$/d' "$file" | json '"webhook " + o["id"]'
    done | sort -u
    for file in "$W"/paged-*; do
        json '"command " + o["id"]' <"$file"
    done | sort -u
}

# Killed before the N-th change of the file system, for each N, until it lives: $lived. $between counts
# those who were told twice.
die_everywhere() { # first: without a state directory; later: with one
    local code
    for lived in $(seq 100); do
        rm -rf "$W/state" "$W"/paged-* "$W"/got/post-*
        [ "$1" = first ] || ecert status >/dev/null
        code=0
        { # the shell's own word about the death goes into the file, too
            ECERT_DIE_AT=$lived LD_PRELOAD=$W/die_at.so ecert --quiet remind || code=$?
        } >"$W/out" 2>&1
        [ "$code" -ne 0 ] || return 0
        is "killed at $lived" 137 "$code"
        run_ecert remind
        [ "$status" -eq 0 ]
        echo "killed before change $lived: told $(posted) times over webhook, $(paged) over command"
        [ "$(posted)" -ge 1 ] && [ "$(posted)" -le 2 ] || return 1
        [ "$(paged)" -ge 1 ] && [ "$(paged)" -le 2 ] || return 1
        is "ids" 2 "$(ids | wc -l)"
        [ "$(posted)$(paged)" = 11 ] || between=$((between + 1))
        is "owed" 0 "$(owed)"
        run_ecert remind
        says "nothing is owed to anybody"
    done
    return 1
}

@test "killed before any change of the file system: each is told, once or twice, under one id" {
    receiver_up
    both
    preload die_at
    local when lived between
    for when in first later; do
        between=0
        die_everywhere "$when"
        echo "$when: $lived places to die in, $between between sent and recorded"
        [ "$lived" -gt 10 ]
        [ "$between" -gt 0 ]
    done
}

@test "killed by the receiver that has the message: it is owed, and comes again under its id" {
    by_page
    # the first time, whoever called it dies before he hears that it was accepted
    printf '[ -e %s/killed ] || { : >%s/killed; kill -9 "$PPID"; }\n' "$W" "$W" >>"$W/page"
    run_ecert remind
    [ "$status" -eq 137 ]
    is "told" 1 "$(paged)"
    is "owed" 1 "$(owed)"
    run_ecert status
    says "owed: a reminder of shop (expires): command, 0 tries"
    run_ecert remind --owed
    [ "$status" -eq 0 ]
    is "told" 2 "$(paged)"
    is "id" "$(json 'o["id"]' <"$W/paged-1")" "$(json 'o["id"]' <"$W/paged-2")"
    is "owed" 0 "$(owed)"
    run_ecert remind
    is "told" 2 "$(paged)"
}

@test "killed while the receiver does not answer: nothing was told, all is owed" {
    by_page
    printf '#!/bin/sh\n: >%s/called\nexec sleep 20\n' "$W" >"$W/slow"
    chmod 700 "$W/slow"
    sed -i "s|$W/page|$W/slow|" "$W/ecert.conf"
    "$ECERT_BUILD/ecert" --config "$W/ecert.conf" remind 3>&- &
    local pid=$!
    await_file "$W/called"
    is "owed" 1 "$(owed)"
    kill -9 "$pid"
    wait "$pid" || true
    is "owed" 1 "$(owed)"
    sed -i "s|$W/slow|$W/page|" "$W/ecert.conf"
    run_ecert remind --owed
    [ "$status" -eq 0 ]
    is "told" 1 "$(paged)"
    is "owed" 0 "$(owed)"
}
