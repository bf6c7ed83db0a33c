# Plugins that are wrong: each fails its own target with a sentence, the others are deployed.
#
# covers: core/host/worker.h

load common

GOOD='"example"; directory = "@W/out"; file = "site.pem"; test = [ "/bin/true" ];
      reload = [ "/bin/true" ]; service = "example.service"; probe = false;'

prepare() {
    ca_up
    mkdir "$W/out" "$W/plugins" "$W/elsewhere"
    cp "$ECERT_BUILD"/plugins/*.so "$W/plugins"
    chmod 755 "$W/plugins"
}

wrong() { # NAME...: copied beside the good ones
    local name
    for name in "$@"; do
        cp "$ECERT_BUILD/tests/plugins/$name.so" "$W/plugins"
    done
}

config_with() { # TARGETS: a good target, then these
    write_config "{ plugin = ${GOOD//@W/$W} }${1:+, $1}" "" "plugin_dir = \"$W/plugins\";"
}

take() {
    drop "$W/$NAME.cer"
}

good_is_deployed() {
    [ "$(sha256_of "$W/out/site.pem")" = "$(sha256_of "$W/$NAME.cer")" ]
}

target_of() { # NAME EXPRESSION over its row `t`, of run --json
    json "[$2 for t in o['targets'] if t['target'] == '$1'][0]" <<<"$output"
}

@test "ecert plugins tells of every plugin, in text and in JSON" {
    config_with
    run_ecert plugins
    [ "$status" -eq 0 ]
    local name
    for name in apache example iis-export nginx; do
        grep -qE "^$name [0-9.]+: " <<<"$output"
    done
    run_ecert plugins --json
    [ "$status" -eq 0 ]
    [ "$(json 'sorted(p["name"] for p in o["plugins"])' <<<"$output")" = \
        "['apache', 'example', 'iis-export', 'nginx']" ]
    [ "$(json '[(p["abi"], p["sees_the_key"], p["file"], p["programs"]) for p in o["plugins"] if p["name"] == "example"][0]' <<<"$output")" = \
        "(1, True, '$W/plugins/example.so', [])" ]
    [ "$(json '[p["sees_the_key"] for p in o["plugins"] if p["name"] in ("nginx", "apache")]' <<<"$output")" = \
        "[False, False]" ]
    [ "$(json '[s["required"] for p in o["plugins"] if p["name"] == "example" for s in p["settings"] if s["name"] == "directory"]' <<<"$output")" = "[True]" ]
}

@test "ecert plugins tells of wrong ones, and of the others still" {
    config_with
    wrong abi truncated no_symbol no_plan plain_library
    echo 'not a library' >"$W/plugins/noise.so"
    run_ecert plugins --json
    [ "$status" -eq 1 ]
    [ "$(json 'len(o["plugins"])' <<<"$output")" = 4 ]
    local name
    for name in abi truncated no_symbol no_plan plain_library noise; do
        [ "$(grep -c "$W/plugins/$name.so' " <<<"$stderr")" -eq 1 ]
    done
}

@test "wrong while planning: each target fails with its own sentence, the good one is deployed" {
    local name targets=""
    for name in crash abort exits closes garbage babble forks relative two_activations; do
        wrong $name
        targets+="${targets:+, }{ plugin = \"$name\"; }"
    done
    wrong outside dotdot right
    targets+=", { plugin = \"outside\"; directory = \"$W/out\"; path = \"$W/elsewhere/file\"; }"
    targets+=", { plugin = \"dotdot\"; directory = \"$W/out\"; }"
    targets+=", { plugin = \"right\"; word = \"fail\"; }"
    targets+=", { plugin = \"right\"; id = \"silent\"; word = \"silent\"; }"
    targets+=", { plugin = \"right\"; id = \"status\"; word = \"status\"; }"
    targets+=", { plugin = \"right\"; id = \"ignore\"; word = \"ignore\"; }"
    targets+=", { plugin = \"right\"; id = \"placed\"; directory = \"$W/elsewhere\"; }"
    config_with "$targets"
    take
    run_ecert run --json
    [ "$status" -eq 1 ]
    good_is_deployed
    [ "$(target_of example 't["standing"]')" = wanted ]
    cmp "$W/elsewhere/right.txt" <(openssl x509 -in "$W/$NAME.cer")
    while read -r name words; do
        echo "$name: $(target_of "$name" 't["error"]')"
        [ "$(target_of "$name" 't["standing"]')" = unfit ]
        target_of "$name" 't["error"]' | grep -qE "$words"
        # one sentence, also on standard error
        [ "$(grep -c "$NAME: $name: " <<<"$stderr")" -eq 1 ]
    done <<'ROWS'
crash signal 11
abort signal 6
exits .
closes .
garbage .
babble .
forks process|child
relative etc/ecert-test-relative
two_activations activat
outside elsewhere/file
dotdot \.\.
right no site of 'right'
silent .
status .
ignore .
ROWS
    # the terminal is not played with
    [[ $stderr != *$'\033'* ]]
    # and nothing was written, nobody is left
    [ ! -e "$W/elsewhere/file" ]
    [ ! -e "$W/ecert-test-dotdot" ]
    [ "$(ls "$W/out")" = site.pem ]
    run -1 pgrep -f "$W/ecert.conf"
    # the next run leaves the good one alone, and waits a while with the others
    run_ecert run --json
    [ "$(target_of example 't["standing"]')" = current ]
    [ "$(target_of crash 't["standing"]')" = waiting ]
}

# The rest is wrong before plan() is called.
fails_alone() { # NAME WORDS [settings]
    config_with "{ plugin = \"$1\"; ${3:-} }"
    rm -rf "$W/state" "$W/out/site.pem"
    take
    run_ecert run --json
    [ "$status" -eq 1 ]
    good_is_deployed
    [ "$(target_of "$1" 't["standing"]')" = unfit ]
    target_of "$1" 't["error"]' | grep -qE "$2"
    [ "$(grep -c "$NAME: $1: " <<<"$stderr")" -eq 1 ]
}

@test "another version of the contract fails its own target" {
    wrong abi
    fails_alone abi '99.*1|1.*99'
}

@test "a truncated descriptor fails its own target" {
    wrong truncated
    fails_alone truncated '8'
}

@test "no symbol, a plain library, no plan, half a file, no library: each fails its own target" {
    wrong no_symbol plain_library no_plan
    head -c 5000 "$ECERT_BUILD/tests/plugins/right.so" >"$W/plugins/half.so"
    echo 'not a library' >"$W/plugins/noise.so"
    fails_alone no_symbol ecert_plugin
    fails_alone plain_library ecert_plugin
    fails_alone no_plan plan
    fails_alone half 'half'
    fails_alone noise 'noise'
}

@test "a plugin that others can write fails its own target, and is not even loaded" {
    wrong right
    chmod 666 "$W/plugins/right.so"
    fails_alone right 'written by others'
    chmod 755 "$W/plugins/right.so"
    [ "$(id -u)" -eq 0 ] || return 0
    chown 65534 "$W/plugins/right.so"
    fails_alone right 'belongs to'
}

@test "plugins in a folder that others can write: none is loaded, nothing is deployed" {
    config_with
    take
    # a plugin that would leave a trace as soon as it is loaded
    cat >"$W/trace.c" <<CODE
#include <fcntl.h>
__attribute__((constructor)) static void trace(void) { (void)open("$W/loaded", O_CREAT, 0600); }
CODE
    gcc -shared -fPIC -o "$W/plugins/example.so" "$W/trace.c"
    chmod 777 "$W/plugins"
    run_ecert run
    [ "$status" -ne 0 ]
    [[ $stderr == *"$W/plugins"*"written by others"* ]]
    [ ! -e "$W/loaded" ]
    [ ! -e "$W/out/site.pem" ]
    run_ecert plugins
    [ "$status" -ne 0 ]
    [ ! -e "$W/loaded" ]
    # the trace works: in a folder that is private it is loaded (and is no plugin)
    chmod 755 "$W/plugins"
    run_ecert plugins
    [ "$status" -ne 0 ]
    [ -e "$W/loaded" ]
}

@test "a plugin that is not there is a mistake of the configuration, with those that are" {
    config_with "{ plugin = \"absent\"; }"
    run_ecert config
    [ "$status" -eq 2 ]
    [[ $stderr == *"'absent'"*"'nginx'"* ]]
}
