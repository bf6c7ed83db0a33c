#!/usr/bin/env bash
# The one script: each verb installs the Debian packages that it needs, if they are missing, and does
# its work. As root on a bare Debian 12; as another user where the packages are there already.
set -euo pipefail
cd "$(dirname "$0")"

BUILD_PACKAGES=(gcc g++ cmake make pkg-config libssl-dev libcurl4-openssl-dev libconfig-dev
    libc-ares-dev libjansson-dev libidn2-dev libldap-dev libseccomp-dev ca-certificates gettext)
DEMO_PACKAGES=(nginx apache2 openssl procps diffutils iproute2)
TEST_PACKAGES=(clang clang-format libclang-rt-14-dev bats libcmocka-dev nginx apache2 openssl
    libnss3-tools gnutls-bin valgrind curl procps diffutils iproute2 git util-linux python3 ca-certificates exim4-daemon-light
    slapd nsd systemd chromium python3-websocket jq faketime python3-cryptography
    libnginx-mod-stream libnginx-mod-mail libnginx-mod-http-lua libnginx-mod-http-js
    libapache2-mod-perl2)
BENCH_PACKAGES=(nginx apache2 openssl time python3 certbot python3-certbot-nginx
    python3-certbot-apache python3-cryptography iproute2 util-linux)

usage() {
    cat <<'TEXT'
Usage: ./run.sh VERB

  setup   install what building and testing need
  build   build/ecert, build/ecert-net and build/plugins/*.so
  demo    the main job, start to end, with servers of its own on loopback
  test    every test; the last line is "N passed, N failed, N skipped"
  bench   speed and memory, as ratios; one of them: bench deploy|scan|probes|check|request
  fuzz    any bytes for the lexers and editors of server configurations: fuzz [SECONDS for each]
  lint    format, layers, headers, warnings (part of test)
TEXT
}

# npm brings axe-core for the tests of the page; some have it from elsewhere than Debian.
command -v npm >/dev/null || TEST_PACKAGES+=(npm)

# Install only what is missing, and start none of the servers that come with it. Nothing is removed: a
# mail server that is in use would have to give way to the tests' one.
need() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        echo "run.sh: these packages are missing: ${missing[*]} (run as root, or install them)" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    without_starting_services apt-get install -y -qq --no-install-recommends --no-remove \
        "${missing[@]}" >&2
}

# A package's server would take ports 80 and 443 of this host: Debian's own switch keeps it stopped.
without_starting_services() {
    local policy=/usr/sbin/policy-rc.d made=no status=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made=yes
    fi
    "$@" || status=$?
    if [ "$made" = yes ]; then rm -f "$policy"; fi
    return "$status"
}

build() { # [folder] [cmake option...]
    local folder=${1:-build}
    [ $# -gt 0 ] && shift
    cmake -S . -B "$folder" "$@" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; rm -f "$folder.log"; return 1; }
    rm -f "$folder.log"
    cmake --build "$folder" --parallel "$(nproc)" -- --no-print-directory
}

# All of them, or one with its own options: ./run.sh bench deploy --sites 1
bench() {
    local which=${1:-all} status=0
    [ $# -eq 0 ] || shift
    case "$which" in deploy | scan | probes | check | request | all) ;; *) usage >&2; return 2 ;; esac
    case "$which" in deploy | all) python3 tests/bench/bench.py "$@" || status=1 ;; esac
    case "$which" in scan | all) python3 tests/bench/scan.py --driver build/scan_bench "$@" || status=1 ;; esac
    case "$which" in probes | all) python3 tests/bench/probes.py "$@" || status=1 ;; esac
    case "$which" in check | all) python3 tests/bench/check.py "$@" || status=1 ;; esac
    case "$which" in request | all) python3 tests/bench/request.py "$@" || status=1 ;; esac
    return "$status"
}

case "${1:-}" in
setup)
    need "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    ;;
build)
    need "${BUILD_PACKAGES[@]}"
    build build -DECERT_TESTS=OFF
    ;;
demo)
    need "${BUILD_PACKAGES[@]}" "${DEMO_PACKAGES[@]}"
    build build -DECERT_TESTS=OFF >/dev/null
    exec tests/demo/demo.sh
    ;;
test)
    need "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    exec tests/run-all.sh
    ;;
fuzz)
    need "${BUILD_PACKAGES[@]}" clang libclang-rt-14-dev libcmocka-dev
    cmake -S . -B build/fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DECERT_FUZZ=ON -DECERT_SANITIZE=address,undefined >/dev/null
    cmake --build build/fuzz --parallel "$(nproc)" --target fuzzers >/dev/null
    exec tests/fuzz/run.sh build/fuzz seconds "${2:-60}"
    ;;
lint)
    need "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    exec bats tests/lint
    ;;
bench)
    need "${BUILD_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
    build build -DECERT_TESTS=OFF >/dev/null
    cmake --build build --target scan_bench >/dev/null
    bench "${@:2}"
    ;;
help | --help | -h)
    usage
    ;;
*)
    usage >&2
    exit 2
    ;;
esac
