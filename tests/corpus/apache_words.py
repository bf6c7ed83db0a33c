"""Apache's own account of itself, and the lines of its files, read by the runner."""

import re

LITERAL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+")
CERTIFICATE = re.compile(
    rb"^\s*(?:#\s*)?[\"']?SSL(?:CertificateFile|CertificateKeyFile|CertificateChainFile|Engine)\b",
    re.IGNORECASE)
MACHINE = ("corpus.invalid", "corpus")


def account(dump):
    """The dump without line numbers."""
    return [re.sub(r":\d+\)", ")", line) for line in dump.splitlines() if line.strip()]


def hosts(dump):
    """(name, file) of each virtual host, for a dump to which one was added."""
    return sorted(re.findall(r"(\S+) \((/.*):\d+\)", dump))


def names(dump):
    found = set()
    for line in dump.splitlines():
        match = re.search(r"namevhost (\S+) \(|^\s+alias (\S+)|^\S+:\S+\s+(\S+) \(/", line)
        if match is not None:
            found.add((match[1] or match[2] or match[3]).lower())
    return {name for name in found if LITERAL.fullmatch(name) and name not in MACHINE
            and not re.fullmatch(r"[0-9.]+", name)}


def lines(data):
    """Lines with those that go on them, as bytes."""
    joined = []
    for line in data.split(b"\n"):
        if joined and joined[-1].rstrip(b"\r").endswith(b"\\"):
            joined[-1] += b"\n" + line
        else:
            joined.append(line)
    return joined


def rest_of_file(data):
    return [line for line in lines(data)
            if not CERTIFICATE.match(re.sub(rb"\\\r?\n", b"", line))]


def created(before, after):
    """Whether `after` is `before` with one block and Listen added; else why not."""
    old, new = rest_of_file(before), rest_of_file(after)
    at, added = 0, []
    for line in new:
        last = at == len(old) - 1  # a file without a final line end gets one behind this line
        if at < len(old) and (line == old[at] or last and line.rstrip(b"\r") == old[at]):
            at += 1
        else:
            added.append(line)
    if at < len(old):
        return "the line %r is gone" % old[at]
    added = [line for line in added if line.strip() and not re.match(rb"\s*Listen\s", line, re.I)]
    if not added:
        return None
    begins = re.match(rb"\s*(#|<VirtualHost\b|<IfModule\b)", added[0], re.I)
    ends = re.match(rb"\s*</(VirtualHost|IfModule)>", added[-1], re.I)
    inside = sum(re.match(rb"\s*<VirtualHost\b", line, re.I) is not None for line in added)
    return None if begins and ends and inside == 1 else "added: %r" % added
