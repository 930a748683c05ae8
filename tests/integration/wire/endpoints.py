"""PhonePe's endpoints: two hosts behind TLS, before one simulator, that break what they are told to break."""

import functools
import http.client
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness.network import Server
from tests.harness.processes import eventually
from tests.integration.wire.faults import Exchange, Port, message

HOSTS = ("first.phonepe.test", "second.phonepe.test")
PROXIES = ("first.proxy.test", "second.proxy.test")
API = "/simulator/apis/pg-sandbox"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """V1 has one URL for the status of orders and refunds: there the id says which (`RefundScenario`)."""
        if self.path.endswith("/oauth/token"):
            return "token"
        if "refund" in self.path.lower():
            return "refund" if self.method == "POST" else "refund_status"
        return "pay" if self.method == "POST" else "status"


class FaultyEndpoint(Server):
    """Passes on every request to the simulator, but for the operations that `inject_fault` was told to break."""

    def __init__(self, simulator: str, certificate: Path) -> None:
        super().__init__(FaultyEndpoint._serve_requests, certificate)
        self._simulator = urlsplit(simulator).netloc
        self._exchange: Exchange | None = None
        self._operations: tuple[str, ...] = ()
        self._times = 0
        self._last_words: bytes | None = None

    def inject_fault(self, exchange: Exchange, operations: tuple[str, ...], times: int) -> None:
        self._exchange, self._operations, self._times = exchange, operations, times

    def restore(self) -> None:
        self._times = 0

    def hangs_up(self, last_words: bytes) -> None:
        """On everybody who has kept a connection and says nothing at the moment.

        Only the thread of a connection writes to it: TLS does not allow two at once.
        """
        kept = [connection for connection in self._taken if connection.fileno() != -1]
        assert kept, "nobody has kept a connection"
        self._last_words = last_words
        eventually(
            lambda: all(connection.fileno() == -1 for connection in kept), "every kept connection is closed"
        )
        self._last_words = None

    def pass_on(self, request: Request) -> bytes:
        connection = http.client.HTTPConnection(self._simulator, timeout=10)
        try:
            connection.request(request.method, request.path, request.body or None, request.headers)
            answer = connection.getresponse()
            return message(answer.status, answer.read(), answer.headers["Content-Type"])
        finally:
            connection.close()

    def _serve_requests(self, connection: ssl.SSLSocket) -> None:
        while self._is_asked(connection) and (request := read_request(connection)):
            pass_on = functools.partial(self.pass_on, request)
            if request.operation in self._operations and self._times:
                self._times -= 1
                self._exchange(self, connection, pass_on)
            else:
                connection.sendall(pass_on())

    def _is_asked(self, connection: ssl.SSLSocket) -> bool:
        """Waits for the next request. False: this side hangs up instead, or has done so."""
        if connection.fileno() == -1:
            return False
        while not (connection.pending() or select.select([connection], [], [], 0.05)[0]):
            if self._last_words is not None:
                connection.sendall(self._last_words)
                connection.shutdown(socket.SHUT_RDWR)
                return False
        return True


class NameService:
    """The name server: what each name leads to now."""

    def __init__(self) -> None:
        self._names: dict[str, Callable[[], list[Port]]] = {}
        self._spoilt: dict[str, tuple[Callable[[], list[Port]], int]] = {}

    def knows(self, name: str, leads_to: Callable[[], list[Port]]) -> None:
        self._names[name] = leads_to

    def spoil(self, name: str, leads_to: Callable[[], list[Port]], times: int) -> None:
        """The next `times` questions after `name` are answered so."""
        self._spoilt[name] = (leads_to, times)

    def restore(self) -> None:
        self._spoilt.clear()

    def __call__(self, name: str, port: int, **how: object) -> list[object]:
        leads_to, times = self._spoilt.get(name, (None, 0))
        if times:
            self._spoilt[name] = (leads_to, times - 1)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", place)
            for place in (leads_to if times else self._names[name])()
        ]


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        length, _, body = body.partition(b"\r\n")
        size = int(length, 16)
        yield body[:size]
        body = body[size + 2 :]


def read_request(connection: socket.socket) -> Request | None:
    """One whole request; None when the caller has hung up."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (more := connection.recv(65_536)):
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if not line.lower().startswith("host:"))
    if headers.get("Transfer-Encoding") == "chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65_536)
        body = b"".join(_chunks(body))
    while len(body) < int(headers.get("Content-Length", 0)):
        body += connection.recv(65_536)
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)
