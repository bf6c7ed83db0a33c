#!/usr/bin/env python3
"""Read a mail from standard input as strictly as its standards are written, and print as JSON what it
says: for tests/unit/monitor/test_notice.c.  Whatever is wrong ends it with a sentence."""
import datetime
import email
import email.header
import email.policy
import email.utils
import json
import re
import sys
from html.parser import HTMLParser

HEADERS = ["Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted",
           "X-Auto-Response-Suppress", "MIME-Version", "Content-Language", "Content-Type"]


def need(condition, sentence):
    if not condition:
        sys.exit("read_mail: " + sentence)


# ---- RFC 5322, 2045, 2046 ----

def check_lines(raw):
    need(raw.endswith(b"\r\n"), "the mail does not end with CRLF")
    need(b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b""),
         "a bare CR or LF")
    for line in raw.split(b"\r\n"):
        need(len(line) <= 998, "a line of %d octets" % len(line))
        need(all(0x20 <= c < 0x7F or c == 9 for c in line), "not ASCII: %r" % line)
    for line in raw.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
        limit = 76 if b"=?" in line else 300
        need(len(line) <= limit, "a header line of %d: %r" % (len(line), line))
        need(line.strip() != b"", "a header line of blanks")


def check_parts(message):
    for part in message.walk():
        need(not part.defects, "defects of a part: %r" % part.defects)
        for name, value in part.items():
            need(not value.defects, "defects of %s: %r" % (name, value.defects))


def body(part, kind):
    need(part.get_content_type() == kind, "%s instead of %s" % (part.get_content_type(), kind))
    need(part.get_content_charset() == "utf-8", "another character set")
    payload = part.get_payload(decode=True)
    for line in part.get_payload().split("\n"):
        line = line.rstrip("\r")
        need(len(line) <= 76, "an encoded line of more than 76")
        need(line == line.rstrip(), "a blank at the end of a line, which a server may take away")
    return payload.decode("utf-8", "strict")


def mailbox(raw, header, address):
    """The name as RFC 2047 says: the blank between two encoded words is none, which the structured
    reader of Python 3.11 does not know in a name."""
    plain = email.message_from_bytes(raw, policy=email.policy.compat32)[header]
    name, same = email.utils.parseaddr(re.sub(r"\r\n(?=[ \t])", "", plain))
    need(same == address, "%s: %r" % (header, same))
    return {"name": str(email.header.make_header(email.header.decode_header(name))),
            "address": address}


# ---- HTML: well-formed enough for a strict reader, and fetches nothing ----

class Page(HTMLParser):
    VOID = {"meta", "br"}
    KNOWN = {"html", "head", "meta", "title", "body", "p", "table", "tr", "th", "td", "span", "br",
             "small", "h2", "strong"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.rows = [], [], 0

    def handle_starttag(self, tag, attrs):
        need(tag in self.KNOWN, "<%s> in a mail" % tag)
        need(all(name in ("style", "lang", "charset", "name", "content", "scope")
                 for name, _ in attrs), "attributes %r" % attrs)
        self.rows += tag == "tr"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        need(self.open and self.open.pop() == tag, "</%s> closes nothing" % tag)

    def handle_data(self, data):
        self.text.append(data)


def read_html(html):
    page = Page()
    page.feed(html)
    page.close()
    need(not page.open, "left open: %r" % page.open)
    need("http:" not in html and "https:" not in html and "url(" not in html, "it fetches")
    return {"source": html, "text": "".join(page.text), "rows": page.rows}


# ---- RFC 5545 ----

def content_lines(raw):
    need(raw.endswith(b"\r\n"), "the calendar does not end with CRLF")
    lines = []
    for line in raw[:-2].split(b"\r\n"):
        need(b"\r" not in line and b"\n" not in line, "a bare CR or LF in the calendar")
        need(0 < len(line) <= 75, "a calendar line of %d octets" % len(line))
        text = line.decode("utf-8", "strict")  # folded between characters
        if text[0] == " ":
            need(lines, "a fold at the start")
            lines[-1] += text[1:]
        else:
            lines.append(text)
    return lines


def text_value(value):
    need(re.fullmatch(r'(?:[^\\;,\x00-\x08\x0a-\x1f\x7f]|\\[\\;,nN])*', value),
         "no TEXT: %r" % value)
    return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) in "nN" else m.group(1), value)


def take(lines, wanted):
    need(lines, "the calendar ends before %s" % wanted)
    name, _, value = lines.pop(0).partition(":")
    need(name == wanted, "%s instead of %s" % (name, wanted))
    return value


def day(value):
    need(re.fullmatch(r"\d{8}", value), "no DATE: %r" % value)
    return datetime.datetime.strptime(value, "%Y%m%d").date()


def read_event(lines):
    event = {"uid": take(lines, "UID")}
    need(re.fullmatch(r"[0-9A-F]{40}@ecert", event["uid"]), "UID %r" % event["uid"])
    need(re.fullmatch(r"\d{8}T\d{6}Z", take(lines, "DTSTAMP")), "DTSTAMP")
    start, end = day(take(lines, "DTSTART;VALUE=DATE")), day(take(lines, "DTEND;VALUE=DATE"))
    need(end - start == datetime.timedelta(days=1), "not one day")
    event["day"] = start.isoformat()
    event["summary"] = text_value(take(lines, "SUMMARY"))
    event["description"] = text_value(take(lines, "DESCRIPTION"))
    need(take(lines, "TRANSP") == "TRANSPARENT", "it blocks the day")
    event["alarm"] = None
    if lines[0] == "BEGIN:VALARM":
        lines.pop(0)
        need(take(lines, "ACTION") == "DISPLAY", "ACTION")
        event["alarm"] = take(lines, "TRIGGER")
        need(re.fullmatch(r"-P\d+D", event["alarm"]), "TRIGGER")
        text_value(take(lines, "DESCRIPTION"))
        need(lines.pop(0) == "END:VALARM", "END:VALARM")
    need(lines.pop(0) == "END:VEVENT", "END:VEVENT")
    return event


def read_calendar(raw):
    lines, events = content_lines(raw), []
    need(lines.pop(0) == "BEGIN:VCALENDAR", "BEGIN:VCALENDAR")
    need(take(lines, "VERSION") == "2.0", "VERSION")
    need(take(lines, "PRODID").startswith("-//"), "PRODID")
    need(take(lines, "CALSCALE") == "GREGORIAN", "CALSCALE")
    while lines and lines[0] == "BEGIN:VEVENT":
        lines.pop(0)
        events.append(read_event(lines))
    need(lines == ["END:VCALENDAR"], "behind the events: %r" % lines)
    need(len({e["uid"] for e in events}) == len(events), "a UID twice")
    return events


# ---- the whole ----

def main():
    raw = sys.stdin.buffer.read()
    check_lines(raw)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    need(message.keys() == HEADERS, "headers %r" % message.keys())
    check_parts(message)
    need(message.get_content_type() == "multipart/mixed", "not mixed")
    need(not message.preamble and not message.epilogue, "text around the parts")
    parts = list(message.iter_parts())
    need(parts[0].get_content_type() == "multipart/alternative", "not alternative")
    plain, html = list(parts[0].iter_parts())
    need(len(parts) <= 2, "too many parts")
    events = []
    if len(parts) == 2:
        need(parts[1].get_content_type() == "text/calendar", "no calendar")
        need(parts[1].get_filename() == "deadlines.ics", "its name")
        need(parts[1].get_content_disposition() == "attachment", "no attachment")
        events = read_calendar(parts[1].get_payload(decode=True))
    need(re.fullmatch(r"<[A-Za-z0-9._-]+@[A-Za-z0-9._-]+>", message["Message-ID"]), "Message-ID")
    need(message["Auto-Submitted"] == "auto-generated", "Auto-Submitted")
    people = {}
    for header in ("From", "To"):
        need(len(message[header].addresses) == 1, "%s: %r" % (header, message[header].addresses))
        people[header.lower()] = mailbox(raw, header, message[header].addresses[0].addr_spec)
    json.dump({"subject": str(message["Subject"]),
               "message_id": str(message["Message-ID"]),
               "language": str(message["Content-Language"]),
               "date": email.utils.parsedate_to_datetime(message["Date"]).isoformat(),
               **people, "text": body(plain, "text/plain"),
               "html": read_html(body(html, "text/html")), "events": events}, sys.stdout)


main()
