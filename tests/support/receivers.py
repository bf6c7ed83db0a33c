"""Receivers that misbehave on demand, for tests of sending; a good mail server is a real one.

receivers.py DIR PEM: listens on free ports of loopback, one per name below, and writes "name port"
lines to DIR/ports.  What arrives is kept in DIR: `NAME.lines` (commands of a mail client),
`NAME.mail` (the mail), `headers` and `body` (the last POST), `proxied` (the last CONNECT).
"""

import http.server
import os
import socket
import socketserver
import ssl
import sys
import threading
import time

DIR, PEM = sys.argv[1:3]
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
TLS.load_cert_chain(PEM)


def keep(name, content, mode="wb"):
    with open(os.path.join(DIR, name), mode) as file:
        file.write(content)


class Mail(socketserver.StreamRequestHandler):
    """A mail server without TLS that takes everything, but for what its name says."""

    def say(self, words):
        self.wfile.write(words.encode() + b"\r\n")

    def handle(self):
        name = self.server.name
        if name == "silent":
            time.sleep(600)
        self.say("220 test ESMTP")
        for line in self.rfile:
            keep(name + ".lines", line, "ab")
            verb = line.decode().split()[0].upper()
            if verb == "EHLO":
                offers = {
                    "no-tls": "AUTH PLAIN LOGIN",
                    "tls-not-now": "STARTTLS",
                    "echo": "AUTH PLAIN",
                }.get(name, "8BITMIME")
                self.say("250-test\r\n250 " + offers)
            elif verb == "STARTTLS":
                self.say("454 not now")
            elif verb == "AUTH":
                self.auth(line)
            elif verb == "RCPT" and name == "refuses":
                self.say("550-5.1.1 nobody of that\r\n550 5.1.1 name here")
            elif verb == "DATA":
                self.say("354 go")
                if not self.data(name):
                    return
            elif verb == "QUIT":
                if name == "stays":
                    time.sleep(60)
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def auth(self, line):
        said = line.split()[2:]
        if not said:
            self.say("334 ")
            said = self.rfile.readline().split()
        self.say("535-5.7.8 wrong\r\n535 5.7.8 you said " + said[0].decode())

    def data(self, name):
        mail = b""
        if name == "half":
            self.rfile.read(20000)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        for line in self.rfile:
            if line == b".\r\n":
                break
            mail += line[1:] if line.startswith(b".") else line
        keep(name + ".mail", mail)
        if name == "hangs":
            time.sleep(60)
        self.say("250 taken")
        return True


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    troubles = 2  # answers of /twice that are still to be 500

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"ok", *headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        keep("headers", str(self.headers).encode())
        keep("body", body)
        path = "/" + self.path.split("?")[0].split("/")[1]
        if path == "/twice" and Web.troubles > 0:
            Web.troubles -= 1
            self.answer(500, b"trouble " + self.path.encode())
        elif path == "/moved":
            self.answer(301, b"", ("Location", "/elsewhere?token=hidden"))
        elif path == "/slow":
            time.sleep(60)
        elif path == "/long":
            self.send_response(200)
            self.send_header("Content-Length", "1000000000")
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65536)
        elif path == "/stalls":
            self.send_response(202)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            time.sleep(60)
        elif path == "/empty":
            self.send_response(204)
            self.end_headers()
        elif path == "/refused":
            self.answer(404, b"not found: " + self.path.encode())
        else:
            self.answer(200)

    def do_CONNECT(self):
        keep("proxied", self.path.encode())
        host, port = self.path.rsplit(":", 1)
        self.send_response(200)
        self.end_headers()
        there = socket.create_connection((host, int(port)))
        threading.Thread(target=pump, args=(there, self.connection), daemon=True).start()
        pump(self.connection, there)
        self.close_connection = True


def pump(source, target):
    while chunk := source.recv(65536):
        target.sendall(chunk)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, name, handler, tls):
        super().__init__(("127.0.0.1", 0), handler)
        self.name = name
        if tls:
            self.socket = TLS.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request, client_address):
        pass  # clients that give up are what is tested


NAMES = {
    "silent": (Mail, False),
    "refuses": (Mail, False),
    "hangs": (Mail, False),
    "half": (Mail, False),
    "stays": (Mail, False),
    "no-tls": (Mail, False),
    "tls-not-now": (Mail, False),
    "echo": (Mail, True),
    "https": (Web, True),
    "http": (Web, False),
}
ports = ""
for name, (handler, tls) in NAMES.items():
    server = Server(name, handler, tls)
    ports += "%s %d\n" % (name, server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
keep("ports.new", ports.encode())
os.rename(os.path.join(DIR, "ports.new"), os.path.join(DIR, "ports"))
threading.Event().wait()
