"""A mail server over a real socket that keeps what it is sent."""

import socketserver
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy


class Dialogue(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs that neither logs in nor encrypts."""

    def handle(self):
        self.say("220 mail.example")
        for line in self.rfile:
            word = line.split()[0].upper().decode() if line.split() else ""
            if word == "QUIT":
                self.say("221 bye")
                return
            if word == "DATA":
                self.say("354 go on")
                self.server.take(self.body())
            self.say(self.server.answers.get(word, "250 ok"))

    def body(self):
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.mails, self.answers = [], {}

    def take(self, raw):
        self.mails.append(message_from_bytes(raw, policy=policy.default))

    @property
    def port(self):
        return self.server_address[1]


@contextmanager
def mail_server():
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
