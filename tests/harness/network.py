"""Faults of the network, over real sockets on loopback: ports and servers that each do one thing wrong."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n" + b'{"fine":true}'
RESET = struct.pack("ii", 1, 0)  # linger for 0 s: closing sends RST instead of FIN
Behaviour = Callable[["Server", socket.socket], None]


class Server:
    """Does `behave` with every connection, each in a thread of its own, until the test is over."""

    def __init__(self, behave: Behaviour, certificate: Path | None = None) -> None:
        self.behave = behave
        self.connections = 0
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self._context = _context(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._taken: list[socket.socket] = []

    def __enter__(self) -> "Server":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in list(self._taken):  # else each waits for its caller to hang up
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with contextlib.suppress(OSError), connection:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._taken.append(connection)
            with connection:
                self.behave(self, connection)


def _context(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def read_request(server: Server, connection: socket.socket) -> bytes:
    """Head and body of one request; b"" when the caller has hung up."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65_536)
        if not received:
            return b""
        head += received
    server.requests.append(head)
    return head


def answers(body: bytes = ANSWER) -> Behaviour:
    """Everything is fine, request after request."""

    def behave(server: Server, connection: socket.socket) -> None:
        while read_request(server, connection):
            connection.sendall(body)

    return behave


def is_silent(server: Server, connection: socket.socket) -> None:
    server.over.wait()


def reads_and_is_silent(server: Server, connection: socket.socket) -> None:
    read_request(server, connection)
    server.over.wait()


def resets(server: Server, connection: socket.socket) -> None:
    """As soon as the first byte has come, so that the connection stands on both sides."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def reads_and_resets(server: Server, connection: socket.socket) -> None:
    read_request(server, connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def reads_and_hangs_up(server: Server, connection: socket.socket) -> None:
    read_request(server, connection)


def drips(after: bytes) -> Behaviour:
    """Sends `after`, then a byte now and then, for as long as anybody listens."""

    def behave(server: Server, connection: socket.socket) -> None:
        read_request(server, connection)
        connection.sendall(after)
        while not server.over.wait(0.02):
            connection.sendall(b"x")

    return behave


def floods(server: Server, connection: socket.socket) -> None:
    """20 MB, without saying beforehand how much it will be."""
    read_request(server, connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(20):
        connection.sendall(b" " * 1_048_576)


def tunnels(to: int) -> Behaviour:
    """A proxy: CONNECT, then bytes to and fro."""

    def behave(server: Server, connection: socket.socket) -> None:
        read_request(server, connection)
        with socket.create_connection(("127.0.0.1", to)) as target:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(target, connection))
            back.start()
            _pump(connection, target)
            back.join()

    return behave


def wants_a_login(server: Server, connection: socket.socket) -> None:
    read_request(server, connection)
    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65_536):
            target.sendall(received)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def refusing_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def unanswered_port() -> Iterator[int]:
    """A port whose queue is full: the kernel lets further connects wait for ever, as a silent firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
        for _ in range(4):
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect(listener.getsockname())
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port where connections are accepted by the kernel and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def resetting_port(after: int = 1) -> Iterator[int]:
    """A port where connections are accepted, `after` bytes read, and the connection is reset."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        thread = threading.Thread(target=_reset_every_connection, args=(sock, after))
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def _reset_every_connection(sock: socket.socket, after: int) -> None:
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with connection:
            connection.recv(after)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@contextlib.contextmanager
def scripted_port(*lines: bytes) -> Iterator[int]:
    """A port where whoever connects is sent `lines`, each after one line of theirs, the first at once."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        thread = threading.Thread(target=_say_lines, args=(sock, lines))
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            sock.shutdown(socket.SHUT_RDWR)
            thread.join()


def _say_lines(sock: socket.socket, lines: tuple[bytes, ...]) -> None:
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            for line in lines:
                connection.sendall(line)
                connection.recv(1024)
