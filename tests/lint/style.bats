# What the tree promises about itself: format, layers, headers, names, documents.

setup() {
    cd "$BATS_TEST_DIRNAME/../.." || exit 1
    mapfile -t C_FILES < <(find core include plugins tests -name '*.c' -o -name '*.h' | sort)
}

@test "every C file is formatted as .clang-format says" {
    [ "${#C_FILES[@]}" -gt 50 ]
    clang-format --dry-run -Werror "${C_FILES[@]}"
}

@test "every header compiles alone, as C11" {
    local header bad=0
    for header in $(printf '%s\n' "${C_FILES[@]}" | grep '\.h$'); do
        gcc -std=c11 -D_GNU_SOURCE -I. -Iinclude -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
            -x c "$header" || { echo "$header"; bad=1; }
    done
    [ "$bad" -eq 0 ]
}

@test "the plugin contract compiles as C++17 and as strict C11" {
    local header
    for header in include/ecert/*.h; do
        g++ -std=c++17 -Iinclude -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ "$header"
        gcc -std=c11 -Iinclude -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c "$header"
    done
}

@test "includes point downwards only" {
    run grep -rnE '#include "core/(host|flow|issue|monitor|cli|net)/' core/base
    echo "$output"
    [ "$status" -eq 1 ]
    run grep -rnE '#include "core/(flow|issue|monitor|cli|net)/' core/host
    echo "$output"
    [ "$status" -eq 1 ]
    run grep -rnE '#include "core/(issue|monitor|cli)/' core/flow core/net
    echo "$output"
    [ "$status" -eq 1 ]
    run grep -rnE '#include "core/(monitor|cli)/' core/issue
    echo "$output"
    [ "$status" -eq 1 ]
    run grep -rnE '#include "core/cli/' core/monitor
    echo "$output"
    [ "$status" -eq 1 ]
    run grep -rn '#include "core/' plugins
    echo "$output"
    [ "$status" -eq 1 ]
}

@test "only the command line prints" {
    run grep -rnE '\b(printf|puts|fputs|fprintf|perror)\(' core/base core/host core/flow core/issue core/monitor
    echo "$output"
    [ "$status" -eq 1 ]
}

@test "nothing runs through a shell" {
    run grep -rnE '\b(system|popen|execlp|execvp|execvpe|wordexp)\(' core plugins
    echo "$output"
    [ "$status" -eq 1 ]
}

@test "no file is called util, helper, manager or data, and no C file passes 600 lines" {
    run bash -c "git ls-files | grep -iE '(^|[/_-])(utils?|helpers?|manager|data)([._-]|\$)'"
    echo "$output"
    [ "$status" -eq 1 ]
    local file long=0
    for file in "${C_FILES[@]}"; do
        if [ "$(wc -l <"$file")" -gt 600 ]; then echo "$file"; long=1; fi
    done
    [ "$long" -eq 0 ]
}

@test "no sentence of unfinished work" {
    run grep -rnE '\b(TODO|FIXME|XXX)\b|not implemented|unimplemented' core include plugins etc tests/unit tests/system tests/support run.sh README.md docs
    echo "$output"
    [ "$status" -eq 1 ]
}

@test "no assertion begins with '!': bats passes over a failure of it" {
    run grep -nE '^ +! ([^|]|[|][^|])*$' tests/*/*.bats
    echo "$output"
    [ "$status" -eq 1 ]
}

@test "every header of the core is included by a unit test or covered by a named system test" {
    local header missing=0
    for header in core/base/*.h core/host/*.h core/flow/*.h core/issue/*.h core/monitor/*.h; do
        grep -rqF "\"$header\"" tests/unit tests/support && continue
        [ "$header" != core/base/error.h ] || continue # in every header, bytes.h first
        # "# covers: core/flow/intake.h" at the top of a system test that runs it for real
        grep -rqE "^# covers:.*\b$header\b" tests/system && continue
        echo "no test names $header"
        missing=1
    done
    [ "$missing" -eq 0 ]
}

@test "the sentences that are known again in Chinese are those of the code" {
    python3 - core/monitor/words_sentence.c <<'END'
import glob, re, sys

def texts(path):
    """Every string of the file; those that stand side by side are one."""
    source = re.sub(r'/\*.*?\*/', '', open(path).read(), flags=re.S)
    for run in re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', source):
        yield ''.join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', run))

def pieces(text):
    """What stands between arguments, and between the parts that the code puts together."""
    parts = re.split(r"%(?:\.\*)?[a-z]+|[';:(),]| is | has | no | only ", text)
    return [part.strip() for part in parts if len(part.strip()) > 3]

code = '\n'.join('\n'.join(pieces(text)) for path in glob.glob('core/*/*.c')
                 if path != sys.argv[1] for text in texts(path))
source = re.search(r'sentences\[\] = \{(.*?)\n\};', open(sys.argv[1]).read(), flags=re.S).group(1)
lost = [sentence for run in re.findall(r'_\(("(?:.|\n)*?")\)', source)
        for sentence in [''.join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', run))]
        for piece in pieces(sentence) if piece not in code]
for sentence in lost:
    print('no such sentence in the code:', sentence)
sys.exit(1 if lost or len(source) < 1000 else 0)
END
}

@test "each plugin exports exactly ecert_plugin and needs no symbol of the core" {
    local plugin count=0
    for plugin in build/gcc/plugins/*.so build/plugins/*.so; do
        [ -e "$plugin" ] || continue
        count=$((count + 1))
        run nm -D --defined-only "$plugin"
        echo "$plugin: $output"
        [ "$(grep -c . <<<"$output")" -eq 1 ]
        grep -q ' ecert_plugin$' <<<"$output"
        run bash -c "nm -D --undefined-only '$plugin' | grep ' ecert_'"
        [ "$status" -eq 1 ]
    done
    [ "$count" -ge 4 ]
}
