"""A case as it is written: the file `case` of its folder (README.md has the keys)."""

import re

ONCE = ("difficulty", "layout", "command", "arguments", "leaf", "key", "adopt", "target", "new",
        "old")
OFTEN = ("needs", "certificate", "refused")
SERVERS = {"nginx": "/usr/sbin/nginx", "apache": "/usr/sbin/apachectl"}
STARTTLS = ("smtp", "imap", "pop3")


class Mistake(Exception):
    pass


class Name:
    """`name@address:port/kind`"""

    PATTERN = re.compile(r"([^@/\s]+)(?:@(\[[^]]+\]|[^:\s/]+):([0-9]+))?(?:/(\w+))?")

    def __init__(self, text):
        match = self.PATTERN.fullmatch(text)
        if match is None or match[4] not in (None, "rsa", "ec") + STARTTLS:
            raise Mistake("'%s' is not name@address:port/kind" % text)
        self.text = text
        self.name = None if match[1] == "-" else match[1].lower()
        self.address = (match[2] or "127.0.0.1").strip("[]")
        self.port = int(match[3] or 443)
        self.chosen = match[2] is not None
        self.kind = match[4]


class Case:
    def __init__(self, folder):
        self.folder, self.name = folder, folder.name
        self.server = folder.parent.name
        values = {}
        key = None
        for line in (folder / "case").read_text(encoding="utf-8").splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                if key is None:
                    raise Mistake("the first line goes on with nothing")
                values[key][-1] += "\n" + line.strip()
                continue
            key, colon, value = line.partition(":")
            if not colon or key not in ONCE + OFTEN:
                raise Mistake("'%s' is no key of a case" % key)
            if key in values and key in ONCE:
                raise Mistake("'%s' stands there twice" % key)
            values.setdefault(key, []).append(value.strip())
        self._take(values)

    def _take(self, values):
        def once(key, default=""):
            return values.get(key, [default])[0]

        self.difficulty = once("difficulty")
        self.layout = once("layout", "plain")
        self.command = once("command", SERVERS[self.server]).split()
        self.arguments = once("arguments").split()
        self.says_command = "command" in values or "arguments" in values
        self.needs = " ".join(values.get("needs", [])).split()
        self.certificates = [line.split() for line in values.get("certificate", [])]
        self.leaf = once("leaf").split()
        self.key = once("key", "rsa")
        self.adopt = once("adopt") == "yes"
        self.target = once("target")
        self.new = [Name(text) for text in once("new").split()]
        self.old = [Name(text) for text in once("old").split()]
        self.refused = values.get("refused")
        if not self.difficulty or not self.leaf:
            raise Mistake("a case needs 'difficulty' and 'leaf'")
        if not self.new and self.refused is None:
            raise Mistake("a case needs names in 'new', or 'refused'")
        if self.new and self.refused is not None:
            raise Mistake("where ecert refuses, nothing is new: list the names in 'old'")
        if self.layout not in ("plain", "debian"):
            raise Mistake("no layout '%s'" % self.layout)
        if self.key not in ("rsa", "ec"):
            raise Mistake("no kind of key '%s'" % self.key)
        for line in self.certificates:
            if len(line) != 3 or not re.fullmatch("(rsa|ec)[1-4]", line[2]):
                raise Mistake("'certificate: %s' is not CERTIFICATE KEY NUMBER" % " ".join(line))

    @property
    def creates(self):
        return re.search(r"\bcreate\s*=\s*true", self.target) is not None
