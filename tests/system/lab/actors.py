"""The actors of the testbed: what listens at an address, and what it does with connections."""

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from django.db import connections
from requests.structures import CaseInsensitiveDict

from simulator import router
from simulator.wire import Request as Question
from tests.harness.network import RESET
from tests.integration.wire.endpoints import Request, read_request
from tests.integration.wire.faults import message
from tests.system.lab import installation

Behaviour = Callable[[socket.socket], None]
Answer = Callable[[Request], bytes]
Place = tuple[str, int]


def listen(place: Place, behave: Behaviour, *, deaf: bool = False, lost: float = 0.0) -> socket.socket:
    """From now on, and until this process ends. `lost`: the share of packets that never arrive."""
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    listener = socket.create_server(place, family=family, backlog=64)
    if deaf:
        installation.deafen(listener)
    if lost:
        installation.lose_packets(listener, lost)
    threading.Thread(target=_accept, args=(listener, behave), daemon=True).start()
    return listener


def _accept(listener: socket.socket, behave: Behaviour) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # it was shut
            return
        threading.Thread(target=_serve, args=(connection, behave), daemon=True).start()


def _serve(connection: socket.socket, behave: Behaviour) -> None:
    with contextlib.suppress(OSError), connection:
        behave(connection)


def secured(certificate: Path, behave: Behaviour, newest: ssl.TLSVersion | None = None) -> Behaviour:
    """`newest`: no version of TLS after this one is spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = newest, newest

    def behaviour(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            behave(secure)

    return behaviour


def answering(answer: Answer) -> Behaviour:
    def behaviour(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(answer(request))

    return behaviour


def phonepe(request: Request) -> bytes:
    """As PhonePe answers it: every credential and every path is checked."""
    asked = urlsplit(request.path)
    headers = CaseInsensitiveDict(request.headers)
    question = Question(request.method, unquote(f"/simulator{asked.path}"), {}, headers, request.body)
    try:
        said = router.handle(question)
    finally:
        connections.close_all()
    return message(said.status, said.body, said.headers["Content-Type"], f"Date: {date()}")


def control(_: Request) -> bytes:
    return message(200, b"ip=203.0.113.200\n", "text/plain", f"Date: {date()}")


def says(status: int, body: bytes, kind: str = "application/json", *headers: str) -> Answer:
    return lambda _: message(status, body, kind, *headers)


def only_questions(answer: Answer) -> Answer:
    """A probe gets the answer that PhonePe gives it."""
    return lambda request: answer(request) if is_question(request) else phonepe(request)


def is_question(request: Request) -> bool:
    return "/status" in request.path or request.path.endswith("/oauth/token")


def wait_for_ever(_: object) -> bytes:
    threading.Event().wait()
    return b""


def hang_up(_: Request) -> bytes:
    raise ConnectionAbortedError


def listen_only(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def cut(connection: socket.socket) -> None:
    """After the first words, in the hardest way."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def tell_and_hang_up(words: bytes) -> Behaviour:
    """Once it has read what follows: bytes that nobody has read would make a reset of the end."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(words)
        connection.recv(65_536)

    return behaviour


def tell(words: bytes) -> Behaviour:
    """Says something else than what is expected, once they have been spoken to."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(words)

    return behaviour


def tell_and_wait(words: bytes) -> Behaviour:
    """Says this once they have been spoken to, and keeps the connection."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(words)
        listen_only(connection)

    return behaviour


def tell_at_once(words: bytes) -> Behaviour:
    """Says this before anybody has spoken, and hangs up."""
    return lambda connection: connection.sendall(words)


def greeting(connection: socket.socket) -> None:
    """A mail server: whatever it is told, it is content."""
    connection.sendall(b"220 mail\r\n")
    while said := connection.recv(65_536):
        connection.sendall(b"221 bye\r\n" if said.upper().startswith(b"QUIT") else b"250 mail\r\n")


def mail_server(
    *offers: str, login: bytes = b"535 5.7.8 Username and Password not accepted", answer: bytes = b""
) -> Behaviour:
    """Offers these extensions (AUTH PLAIN, STARTTLS) and answers a login. `answer`: to EHLO instead."""
    hello = b"".join(f"250-{offer}\r\n".encode() for offer in ("mail", *offers)) + b"250 OK\r\n"

    def behaviour(connection: socket.socket) -> None:
        connection.sendall(b"220 mail\r\n")
        while said := connection.recv(65_536).upper():
            assert not said.startswith((b"MAIL", b"RCPT", b"DATA")), "a diagnosis must send no mail"
            known = {b"EHLO": answer or hello, b"HELO": answer or b"250 mail\r\n", b"AUTH": login + b"\r\n"}
            connection.sendall(known.get(said[:4], b"221 bye\r\n"))

    return behaviour


def proxy(
    login: str, refusal: int = 0, leads_to: Mapping[str, str] = MappingProxyType({}), thinks: float = 0.0
) -> Behaviour:
    """Opens tunnels for whoever knows `login` ("user:password"); with `refusal` it says that to all who know it.

    `leads_to`: addresses that it knows better than the name server. `thinks`: seconds before it answers.
    """
    expected = f"Basic {base64.b64encode(login.encode()).decode()}"

    def behaviour(connection: socket.socket) -> None:
        asked = read_request(connection)
        time.sleep(thinks)
        knows = asked and CaseInsensitiveDict(asked.headers).get("Proxy-Authorization") == expected
        if refusal or not knows:
            connection.sendall(message(refusal if knows else 407, b"", "text/plain"))
            return
        host, _, port = asked.path.rpartition(":")
        _tunnel(connection, (leads_to.get(host, host), int(port)))

    return behaviour


def _tunnel(connection: socket.socket, place: Place) -> None:
    try:
        far = socket.create_connection(place, timeout=3)
    except OSError:
        connection.sendall(message(502, b"", "text/plain"))
        return
    far.settimeout(None)
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=_carry, args=(far, connection), daemon=True).start()
    _carry(connection, far)


def _carry(from_here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while carried := from_here.recv(65_536):
            there.sendall(carried)
        there.shutdown(socket.SHUT_WR)


def date(ahead: timedelta = timedelta()) -> str:
    return format_datetime(datetime.now(timezone.utc) + ahead, usegmt=True)
