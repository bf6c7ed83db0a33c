"""nginx's own account of itself, read by the runner: independent of plugins/nginx on purpose."""

import re

CERTIFICATE = (b"ssl_certificate", b"ssl_certificate_key")
BLANK = b" \t\r\n"
NOT_SERVERS = (b"map", b"geo", b"types", b"split_clients", b"charset_map")
LITERAL = re.compile(r"(?![0-9.]+$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+")


def tokens(data):
    """(kind, start, end); kind is "word", "comment", or one of the bytes ; { } as text."""
    at, end, first = 0, len(data), None
    while at < end:
        byte = data[at:at + 1]
        if byte in BLANK:
            at += 1
            continue
        start = at
        if byte == b"#":
            newline = data.find(b"\n", at)
            at = end if newline < 0 else newline
            yield "comment", start, at
        elif byte in (b";", b"}"):
            at += 1
            first = None
            yield byte.decode(), start, at
        elif byte == b"{":
            at += 1
            yield "{", start, at
            if first is not None and first.endswith(b"_by_lua_block"):
                at = end_of_lua(data, at)
                yield "word", start + 1, at
            first = None
        else:
            at = end_of_word(data, at)
            if first is None:
                first = data[start:at]
            yield "word", start, at


def end_of_word(data, at):
    quote = data[at:at + 1] if data[at:at + 1] in (b'"', b"'") else b""
    at += len(quote)
    while at < len(data):
        byte = data[at:at + 1]
        if byte == b"\\":
            at += 2
        elif quote:
            at += 1
            if byte == quote:
                return at
        elif byte == b"$" and data[at + 1:at + 2] == b"{":
            at += 2
        elif byte in BLANK or byte in (b";", b"{"):
            return at
        else:
            at += 1
    return len(data)


LUA = re.compile(rb"--\[(=*)\[.*?\]\1\]|--[^\n]*|\[(=*)\[.*?\]\2\]|\"(?:\\.|[^\"\\])*\""
                 rb"|'(?:\\.|[^'\\])*'|[{}]", re.DOTALL)


def end_of_lua(data, at):
    depth = 1
    for match in LUA.finditer(data, at):
        depth += {b"{": 1, b"}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return len(data)


def value(word):
    if word[:1] in (b'"', b"'") and word[-1:] == word[:1]:
        word = word[1:-1]
    return re.sub(rb"\\([\"'\\ ])", rb"\1", word)


def statements(data):
    """Spans (first word's value, start, end behind the ";" or "{" or "}", words)."""
    words, start = [], None
    for kind, begin, end in tokens(data):
        if kind == "comment":
            continue
        if start is None:
            start = begin
        if kind == "word":
            words.append(value(data[begin:end]))
            continue
        yield words, start, end, kind
        words, start = [], None


def without_certificates(data):
    """The bytes without directives of certificates: with their line where it has nothing else, with
    the blanks before them otherwise."""
    kept, at = bytearray(), 0
    for words, start, end, kind in statements(data):
        if kind == ";" and words and words[0] in CERTIFICATE:
            kept += data[at:start].rstrip(b" \t")
            at = end
            rest = re.compile(rb"[ \t]*\r?\n").match(data, at)
            if rest is not None and (not kept or kept.endswith(b"\n")):
                at = rest.end()
    return bytes(kept + data[at:])


def account(dump):
    """What must not change: every token with its kind, but for directives of certificates."""
    data = without_certificates(dump)
    return [data[start:end].rstrip(b"\r") for _, start, end in tokens(data)]


def rest_of_file(data):
    """What an edit of the file must leave as it is, byte for byte."""
    return without_certificates(data)


def files(dump):
    return {path.decode(errors="surrogateescape")
            for path in re.findall(rb"^# configuration file (.*):$", dump, re.MULTILINE)}


def names(dump):
    """Every literal server name."""
    found, blocks = set(), []
    for words, _, _, kind in statements(dump):
        if kind == "{":
            blocks.append(words[0] if words else b"")
        elif kind == "}":
            blocks = blocks[:-1]
        elif words and words[0] == b"server_name" and not (blocks and blocks[-1] in NOT_SERVERS):
            found.update(word.decode(errors="replace").lower() for word in words[1:])
    return {name for name in found if LITERAL.fullmatch(name)}
