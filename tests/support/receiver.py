#!/usr/bin/env python3
"""Whoever is reminded: an SMTP server and an HTTP server on loopback.

    receiver.py DIR

Writes DIR/smtp.port and DIR/http.port when it listens. Each accepted message becomes DIR/mail-N,
each accepted request DIR/post-N (headers, an empty line, the body). What it answers is in DIR/smtp
and DIR/http, read anew for each: "ok" (also when absent), "refuse" (550 to the recipient, 500),
"refuse ADDRESS" (550 to this one only), "N refuse" (that many times, then ok).
"""
import http.server
import os
import socketserver
import sys
import threading

FOLDER = sys.argv[1]
LOCK = threading.Lock()
COUNT = {"mail": 0, "post": 0}


def refuses(kind, address=""):
    """What is to be answered now; counts down."""
    path = os.path.join(FOLDER, kind)
    with LOCK:
        try:
            with open(path) as file:
                words = file.read().split()
        except FileNotFoundError:
            return False
        if not words or words == ["ok"]:
            return False
        if words[0].isdigit():
            left = int(words[0]) - 1
            with open(path, "w") as file:
                file.write(f"{left} refuse" if left > 0 else "ok")
            return True
        return len(words) < 2 or words[1] == address


def keep(kind, content):
    with LOCK:
        COUNT[kind] += 1
        name = os.path.join(FOLDER, f"{kind}-{COUNT[kind]}")
    with open(name + ".new", "wb") as file:
        file.write(content)
    os.rename(name + ".new", name)


class Mail(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        recipient = ""
        self.say("220 receiver")
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb in (b"EHLO", b"HELO"):
                self.say("250 receiver")
            elif verb == b"RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
                self.say("550 5.1.1 nobody here has this name"
                         if refuses("smtp", recipient) else "250 ok")
            elif verb == b"DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b".") else line)
                keep("mail", b"X-Envelope-To: " + recipient.encode() + b"\r\n" + b"".join(lines))
                self.say("250 accepted")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if refuses("http"):
            self.send_error(500, "out of order")
            return
        head = f"{self.path}\n".encode() + str(self.headers).replace("\r\n", "\n").encode()
        keep("post", head.rstrip(b"\n") + b"\n\n" + body)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def serve(server, name):
    with open(os.path.join(FOLDER, name + ".port.new"), "w") as file:
        file.write(str(server.server_address[1]))
    threading.Thread(target=server.serve_forever).start()
    os.rename(os.path.join(FOLDER, name + ".port.new"), os.path.join(FOLDER, name + ".port"))


socketserver.ThreadingTCPServer.daemon_threads = True
serve(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail), "smtp")
serve(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook), "http")
