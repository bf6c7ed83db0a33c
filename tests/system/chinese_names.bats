# Names in Chinese: written so in the configuration and on the command line, A-labels inside and in
# certificates, both for people to read.
#
# covers: core/flow/host_name.h

load common

CHINESE=www.我的伺服器.com
ASCII=www.xn--3pqw8o2pk43espw.com

prepare() {
    NAME=$CHINESE KEY="file = \"$W/ec.key\"" write_config \
        "{ plugin = \"iis-export\"; directory = \"$W/iis\"; server_names = [ \"WWW.我的伺服器.com\" ]; }"
    test_ca issue "$W/ca" "$ASCII" --key "$W/ec.key" --out "$W/chinese"
    ca_up
}

@test "a certificate with a Chinese name is taken, deployed and shown by both of its names" {
    run_ecert status
    [ "$status" -eq 0 ]
    [[ $output == *"$CHINESE ($ASCII): no certificate has been taken yet"* ]]

    run_ecert import --name "$CHINESE" "$W/chinese.cer"
    [ "$status" -eq 0 ]
    [ -e "$W/state/certificates/$ASCII/generations/0001/cert.pem" ]

    run_ecert deploy "$CHINESE"
    [ "$status" -eq 0 ]
    run_ecert deploy "WWW.XN--3PQW8O2PK43ESPW.COM"
    [ "$status" -eq 0 ]

    run_ecert status "$CHINESE"
    [ "$status" -eq 0 ]
    [[ $output == *"$CHINESE ($ASCII): newest generation 1"* ]]
    [[ $output != *"never deployed"* ]]
    run_ecert --json status "$ASCII"
    [ "$(jq -r '.certificates[0].certificate' <<<"$output")" = "$ASCII" ]

    run_ecert check --offline --verbose "$CHINESE"
    [[ $output == *"$CHINESE ($ASCII)"* ]]
}

@test "run and request show both names, aligned, and JSON has each" {
    local both="$CHINESE ($ASCII)"
    sed -i 's|^certificates = (|&\n    { name = "b.myserver.com"; authority = "testpost"; },|' "$W/ecert.conf"
    printf 'organization = { country = "HK"; state = "HK"; locality = "HK"; name = "Test Post"; };\n' \
        >>"$W/ecert.conf"
    run_ecert request --no-caa --no-backup b.myserver.com
    [ "$status" -eq 0 ]
    run_ecert request --no-caa --no-backup --json "$CHINESE"
    [ "$status" -eq 0 ]
    [ "$ASCII" = "$(jq -r '.requests[0].name' <<<"$output")" ]
    [ "$CHINESE" = "$(jq -r '.requests[0].unicode_name' <<<"$output")" ]

    run_ecert request --list
    [ "$status" -eq 0 ]
    [[ $output == *"$both  2"* ]]
    # columns on a screen: the five characters take ten
    [ "$(printf '%-48s' b.myserver.com)  2" = "$(grep -oE '^b\.myserver\.com +2' <<<"$output")" ]
    run_ecert request --list --json
    [ "b.myserver.com null $ASCII $CHINESE" = \
        "$(jq -r '[.requests[] | .name, .unicode_name | tostring] | join(" ")' <<<"$output")" ]

    drop "$W/chinese.cer"
    run_ecert run
    [[ $output == *"taken for $both as generation 1"* && $output == *"$both: iis-export: "* ]]
    drop "$W/chinese.cer"
    run_ecert run --json
    [ "$ASCII $CHINESE" = "$(jq -r '.sources[0] | .name + " " + .unicode_name' <<<"$output")" ]
    [ "$ASCII $CHINESE" = "$(jq -r '.targets[0] | .name + " " + .unicode_name' <<<"$output")" ]
    run_ecert status --json
    [ "$ASCII $CHINESE" = \
        "$(jq -r '.certificates[] | select(.unicode_name) | .name + " " + .unicode_name' <<<"$output")" ]
    run_ecert request --cancel b.myserver.com
    [[ $output == *"b.myserver.com: request"* ]]
}

@test "steps are wrapped to the terminal, or to 80 columns, and file names are not" {
    local step='  1. the server'"'"'s administrator: Hand the request to the CA, whole,' shown
    printf 'organization = { country = "HK"; state = "HK"; locality = "HK"; name = "Test Post"; };\n' \
        >>"$W/ecert.conf"
    run_ecert request --no-caa --no-backup "$CHINESE"
    [ "$status" -eq 0 ]
    [[ $output == *"$step with its"$'\n'"     first and last line: the file"$'\n'"     $W/state/"* ]]
    shown=$(python3 - "$ECERT_BUILD/ecert" --config "$W/ecert.conf" request --no-caa --language zh_HK "$CHINESE" <<'PY'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
out = b""
try:
    while data := os.read(fd, 65536):
        out += data
except OSError:
    pass
os.waitpid(pid, 0)
print(out.decode().replace("\r\n", "\n"))
PY
    )
    python3 - "$shown" <<'PY'
import re, sys, unicodedata
width = lambda s: sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in s)
steps = re.search(r"\n  1\. .*", sys.argv[1], re.S).group(0).strip("\n").split("\n")
assert len(steps) > 4, steps
for line in steps:
    assert re.match(r"  \d\. |     \S", line), line
    assert width(line) <= 40 or " " not in line.strip(), line
PY
}

@test "a Chinese name that is none is refused with the rule, and an unknown one with the nearest" {
    run_ecert deploy ww.我的伺服器.com
    [ "$status" -eq 2 ]
    [[ $stderr == *"did you mean '$ASCII'"* ]]

    NAME=www.😀.com write_config
    run_ecert status
    [ "$status" -eq 2 ]
    [[ $stderr == *"IDNA2008 does not permit"* ]]
}
