#!/usr/bin/env bash
# The fuzz targets over the corpus as seeds, as TAP: one test each. What one finds is told, and left
# in BUILD/findings: mended, it goes to tests/fuzz/found with a name that says what it was.
#   tests/fuzz/run.sh BUILD runs N        the same inputs in every run: for the suite
#   tests/fuzz/run.sh BUILD seconds N     as long as one likes, for each target
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

build=$1 kind=$2 much=$3
findings=$build/findings
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case "$kind" in
runs) options=("-runs=$much" -seed=5) ;;
seconds) options=("-max_total_time=$much") ;;
*) echo "usage: $0 BUILD runs|seconds N" >&2; exit 2 ;;
esac

# Every file of the corpus, and what was found before, unless it is long; the same bytes once.
for server in nginx apache; do
    mkdir -p "$work/seeds-$server"
    find "tests/corpus/$server" "tests/fuzz/found/$server" -type f ! -name case -size -9 -print0 |
        while IFS= read -r -d '' file; do
            cp "$file" "$work/seeds-$server/$(sha256sum <"$file" | cut -c1-32)"
        done
done

targets=(nginx_lexer nginx_edit apache_lexer apache_edit)
echo "1..${#targets[@]}"
status=0 number=0
for target in "${targets[@]}"; do
    number=$((number + 1))
    mkdir -p "$work/$target" "$findings"
    # what it learns goes to a folder of its own, the seeds are only read
    if "$build/fuzz_$target" "${options[@]}" -max_len=4096 -timeout=20 -rss_limit_mb=2048 \
        -artifact_prefix="$findings/$target-" -print_final_stats=1 "$work/$target" \
        "$work/seeds-${target%_*}" >"$work/said" 2>&1; then
        echo "ok $number - $target, $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/said") inputs"
    else
        echo "not ok $number - $target"
        grep -vE '^#[0-9]+' "$work/said" | tail -n 40 | sed 's/^/# /'
        status=1
    fi
done
exit "$status"
