#!/usr/bin/env bash
# Every test, in the order in which a failure is cheapest to see. All of them speak TAP; what fails or
# is skipped is shown as it happens, and the last line counts: "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")/.."

LOG=$(mktemp -d)
trap 'rm -rf "$LOG"' EXIT
passed=0 failed=0 skipped=0

# Count the TAP of a file; a program that dies, or prints no plan, is one more failure.
count() { # name file exit-code
    local ok bad skip planned
    # cmocka writes a skipped test as "not ok N # SKIP name", bats as "ok N name # skip why"
    sed -E 's/^not (ok [0-9]+ # SKIP)/\1/' "$2" >"$2.counted"
    skip=$(grep -cE '^ok [0-9]+.*# (SKIP|skip)' "$2.counted")
    ok=$(($(grep -cE '^ok [0-9]+' "$2.counted") - skip))
    bad=$(grep -cE '^not ok [0-9]+' "$2.counted")
    planned=$(sed -nE 's/^1\.\.([0-9]+)$/\1/p' "$2" | awk '{ n += $1 } END { print n + 0 }')
    if [ $((ok + bad + skip)) -lt "$planned" ] || [ "$planned" -eq 0 ] ||
        { [ "$3" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
        bad=$((bad + 1))
        echo "FAILED $1: ended with code $3 after $((ok + skip)) of $planned tests"
        tail -n 30 "$2"
    elif [ "$bad" -gt 0 ]; then
        echo "FAILED $1"
        grep -vE '^(ok |1\.\.)' "$2" | head -n 120
    fi
    grep -E '^ok [0-9]+.*# (SKIP|skip)' "$2.counted" | sed "s|^|skipped: $1: |"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

step() {
    printf '== %s (after %d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

build() { # folder [--target name] cmake-options...
    local folder=$1 target=()
    shift
    if [ "$1" = --target ]; then
        target=(--target "$2")
        shift 2
    fi
    if ! { cmake -S . -B "$folder" "$@" &&
        cmake --build "$folder" --parallel "$(nproc)" "${target[@]}"; } >"$LOG/build" 2>&1; then
        grep -E 'error|warning|Error' "$LOG/build" | head -n 40
        echo "FAILED build of $folder"
        failed=$((failed + 1))
        return 1
    fi
    passed=$((passed + 1))
}

# Each unit test is one program; what stands before "--" is put before it (valgrind ...). They wait as
# much as they work: several run at a time, something else may go on beside them, and they are
# counted afterwards, in their order.
run_units() { # at-a-time folder kind [prefix...] -- name...
    local many=$1 folder=$2 kind=$3 program prefix=() running=0
    shift 3
    while [ "$1" != -- ]; do
        prefix+=("$1")
        shift
    done
    shift
    for program in "$@"; do
        if [ "$running" -ge "$many" ]; then
            wait -n
            running=$((running - 1))
        fi
        {
            CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "${prefix[@]}" "$folder/tests/unit/test_$program" \
                >"$LOG/$kind-$program.tap" 2>&1 </dev/null
            echo $? >"$LOG/$kind-$program.code"
        } &
        running=$((running + 1))
    done
    wait
}

count_units() { # kind name...
    local kind=$1 program
    shift
    for program in "$@"; do
        count "$kind $program" "$LOG/$kind-$program.tap" "$(cat "$LOG/$kind-$program.code")"
    done
}

all_units() { # folder
    basename -a "$1"/tests/unit/test_* | sed 's/^test_//'
}

# What runs under valgrind: everything that parses or builds in memory. Left to the sanitizers, which
# see the same code: tests of large RSA keys and key derivation (minutes under valgrind), and those
# whose children are part of the test (a child that leaves early is a leak to valgrind) or use system
# calls that valgrind 3.19 does not know (openat2, pidfd).
VALGRIND=(apache_dump apache_lexer authority bundle bytes chain_cross config config_keys diff
    example iis_export_text journal lent message nearest nginx_edit nginx_lexer
    nginx_plan plan store)

# The CA's real certificates, where they lie beside the checkout; without them five tests say that
# they skip.
if [ -z "${ECERT_REAL_CERTIFICATES:-}" ] && [ -d ../shared/hongkongpost/certificates ]; then
    ECERT_REAL_CERTIFICATES=$(realpath ../shared/hongkongpost/certificates)
fi
export ECERT_REAL_CERTIFICATES
# a plugin that crashes must look crashed to its parent
export ASAN_OPTIONS=handle_segv=0:handle_abort=0:handle_sigfpe=0

step "build with gcc, warnings are errors"
build build/gcc -DCMAKE_C_COMPILER=gcc -DECERT_WERROR=ON || exit 1
step "build with clang, warnings are errors"
build build/clang -DCMAKE_C_COMPILER=clang -DECERT_WERROR=ON -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_FLAGS_DEBUG=-O0 # for its warnings: nothing of it is run
step "format, layers, headers, documents"
bats --formatter tap tests/lint >"$LOG/tap" 2>&1 </dev/null
count lint "$LOG/tap" $?
step "unit tests, and beside them the build with sanitizers"
mapfile -t programs < <(all_units build/gcc)
run_units "$(nproc)" build/gcc unit -- "${programs[@]}" &
beside=$!
sanitized=yes
build build/sanitize -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Debug \
    -DECERT_SANITIZE=address,undefined -DECERT_WERROR=OFF || sanitized=no
wait "$beside"
count_units unit "${programs[@]}"
step "unit tests with address and undefined-behaviour sanitizers, and beside them the fuzz targets"
[ "$sanitized" = no ] || run_units $((2 * $(nproc))) build/sanitize sanitized -- "${programs[@]}" &
beside=$!
# the targets alone: the rest of this build is that of the step with sanitizers, by gcc
fuzzers=yes
build build/fuzz --target fuzzers -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DECERT_FUZZ=ON -DECERT_SANITIZE=address,undefined || fuzzers=no
wait "$beside"
[ "$sanitized" = no ] || count_units sanitized "${programs[@]}"
step "unit tests with valgrind"
run_units "$(nproc)" build/gcc valgrind valgrind -q --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite,indirect --child-silent-after-fork=yes -- "${VALGRIND[@]}"
count_units valgrind "${VALGRIND[@]}"
step "any bytes for the lexers and editors"
if [ "$fuzzers" = yes ]; then
    timeout 600 tests/fuzz/run.sh build/fuzz runs 5000 >"$LOG/tap" 2>&1 </dev/null
    count fuzz "$LOG/tap" $?
fi
step "system tests: real servers"
# Three files at a time, because they wait as much as they work, the longest first; each has its own
# folders and ports. The load alone, at last.
system() { # file...
    local file name running=0
    for file in "$@"; do
        if [ "$running" -ge 3 ]; then
            wait -n
            running=$((running - 1))
        fi
        name=$(basename "$file" .bats)
        {
            ECERT_BUILD="$PWD/build/gcc" timeout 600 bats --formatter tap "$file" \
                >"$LOG/$name.tap" 2>&1 </dev/null
            echo $? >"$LOG/$name.code"
        } &
        running=$((running + 1))
    done
    wait
    for file in "$@"; do
        name=$(basename "$file" .bats)
        count "$name" "$LOG/$name.tap" "$(cat "$LOG/$name.code")"
    done
}
long=(tests/system/transaction.bats tests/system/apache.bats tests/system/nginx.bats)
others=()
for file in tests/system/*.bats; do
    case " ${long[*]} tests/system/load.bats " in *" $file "*) ;; *) others+=("$file") ;; esac
done
# Beside them the configurations; what was left out of all cases is said once.
for server in nginx apache; do
    ECERT_BUILD="$PWD/build/gcc" timeout 800 tests/corpus/run.py "$server" \
        >"$LOG/corpus-$server.tap" 2>"$LOG/words-$server" </dev/null
    echo $? >"$LOG/corpus-$server.code"
done &
system "${long[@]}" "${others[@]}" # waits for both
step "configurations as they are in the wild: nginx, apache"
for server in nginx apache; do
    cat "$LOG/words-$server" >>"$LOG/corpus-$server.tap"
    count "corpus of $server" "$LOG/corpus-$server.tap" "$(cat "$LOG/corpus-$server.code")"
    grep '^# ecert had no private view' "$LOG/corpus-$server.tap" | sort | uniq -c
done
step "deployments under load"
system tests/system/load.bats
step "done"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
