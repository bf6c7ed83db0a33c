"""The process outside that a wrapped server command asks; see tests/system/deploying.bash.

control.py DIR: listens on a free port of loopback (DIR/control.port), notes each verb in DIR/calls,
runs DIR/hook, if there is one, and answers with the last line that it printed.
"""

import os
import socketserver
import subprocess
import sys

DIR = sys.argv[1]


class Call(socketserver.StreamRequestHandler):
    def handle(self):
        verb, parent = self.rfile.readline().decode().split()
        with open(DIR + "/calls", "a") as calls:
            calls.write(verb + "\n")
        answer = "go"
        if os.path.exists(DIR + "/hook"):
            said = subprocess.run(
                ["bash", DIR + "/hook", verb, parent],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=open(DIR + "/hook.log", "a"),
                text=True,
            ).stdout.split("\n")
            answer = ([line for line in said if line] or ["go"])[-1]
        try:
            self.wfile.write((answer + "\n").encode())
        except OSError:
            pass  # whoever asked is dead: some hooks kill


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


with Server(("127.0.0.1", 0), Call) as server:
    with open(DIR + "/control.port.new", "w") as port:
        port.write(str(server.server_address[1]))
    os.rename(DIR + "/control.port.new", DIR + "/control.port")
    server.serve_forever()
