"""Whoever may listen, or not listen, where a probe goes: real sockets on loopback."""

import contextlib
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

ORDER_UNKNOWN = (404, {"success": False, "code": "TRANSACTION_NOT_FOUND", "message": "none", "data": {}})
NOT_MAPPED = (400, {"message": "Bad Request - Api Mapping Not Found"})


class Server:
    """An HTTP server. Questions that need credentials get `answer`; what it was asked stands in `asked`."""

    def __init__(self, answer: tuple[int, Any] = ORDER_UNKNOWN, certificate: Path | None = None) -> None:
        self.answer = answer
        self.date: str | None = None
        self.is_mute = False  # to questions
        self.over = threading.Event()
        self.asked: list[tuple[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.handle_error = lambda *_: None  # a caller who hangs up is what some tests are about
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake belongs to the thread of the connection, not to the one that accepts.
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def probes(self) -> int:
        return len([path for _, path in self.asked if not _is_question(path)])

    @property
    def questions(self) -> int:
        return len(self.asked) - self.probes


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.command, self.path))
            if server.is_mute and _is_question(self.path):
                server.over.wait(30)
            status, said = server.answer if _is_question(self.path) else NOT_MAPPED
            is_json = not isinstance(said, str)
            body = json.dumps(said).encode() if is_json else said.encode()
            self.send_response_only(status)
            if server.date:
                self.send_header("Date", server.date)
            self.send_header("Content-Type", "application/json" if is_json else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # a token is asked for by POST

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _is_question(path: str) -> bool:
    return "/status" in path or path.endswith("/oauth/token")


def refusing_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def silence() -> Iterator[int]:
    """A port where connections are accepted and nothing is ever said."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


@contextlib.contextmanager
def hanging_up(after: int = 1) -> Iterator[int]:
    """A port where connections are accepted, `after` bytes read, and the connection is reset."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        thread = threading.Thread(target=_reset_everyone, args=(sock, after))
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def _reset_everyone(sock: socket.socket, after: int) -> None:
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with connection:
            connection.recv(after)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class NameServer:
    """Answers over UDP. `known`: addresses by name, or "NXDOMAIN", "SERVFAIL", "silence"; else NXDOMAIN."""

    def __init__(self, place: tuple[str, int] = ("127.0.0.1", 0), **known: Any) -> None:
        self.known = {name.replace("_", "."): said for name, said in known.items()}
        self.may_speak = threading.Event()
        self.may_speak.set()
        self._server = socketserver.ThreadingUDPServer(place, self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.address = "{}:{}".format(*self._server.server_address)

    def __enter__(self) -> "NameServer":
        self.start()
        return self

    def start(self) -> None:
        self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        name_server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                asked = dns.message.from_wire(data)
                said = name_server.known.get(asked.question[0].name.to_text(omit_final_dot=True), "NXDOMAIN")
                name_server.may_speak.wait(30)
                if said != "silence":
                    sock.sendto(_told(asked, said).to_wire(), self.client_address)

        return Handler


def _told(asked: dns.message.Message, said: Any) -> dns.message.Message:
    told, question = dns.message.make_response(asked), asked.question[0]
    if isinstance(said, str):
        told.set_rcode(dns.rcode.from_text(said))
        return told
    kind = {dns.rdatatype.A: ".", dns.rdatatype.AAAA: ":"}[question.rdtype]
    if fitting := [address for address in said if kind in address]:
        told.answer.append(dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *fitting))
    return told


@contextlib.contextmanager
def scripted(*said: bytes) -> Iterator[int]:
    """A port where whoever connects is told `said`, each after one line of theirs, first of all the first."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        thread = threading.Thread(target=_tell_everyone, args=(sock, said))
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def _tell_everyone(sock: socket.socket, said: tuple[bytes, ...]) -> None:
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            for line in said:
                connection.sendall(line)
                connection.recv(1024)
