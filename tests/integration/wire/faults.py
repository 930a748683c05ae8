"""Everything that can go wrong between us and PhonePe: one row each, with its effect.

A fault breaks a `Name` (where it leads to), a `Proxy` (the way out), or an `Exchange` (one request that had come).
"""

import contextlib
import enum
import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness import network as servers
from tests.harness.certificates import YEAR, Authority
from tests.harness.network import RESET, Behaviour, Server

Port = tuple[str, int]
PassOn = Callable[[], bytes]
# Money on its way back: sending it, asking about it, and both at once.
RETURNS = ("refund", "refund_status", "refund and refund_status")
voids = itertools.count()


class Effect(enum.Enum):
    """What a fault does to one message: all that `expectations.py` knows of a fault."""

    NONE = "no effect: the transport recovers by itself"
    NOT_SENT = "not a byte of it was sent"
    AMBIGUOUS_LOST = "it may have arrived; in fact it did not"
    AMBIGUOUS_DONE = "it may have arrived; in fact PhonePe has carried it out"
    THROTTLED = "rejected unread (rate limit), for a time that the caller can wait"
    THROTTLED_LONG = "rejected unread (rate limit), for longer than the caller can wait"
    REJECTED = "read and rejected"
    REJECTED_OR_DUPLICATE = (
        "read and rejected; but a refund that PhonePe already has is rejected in the same way"
    )
    TOKEN_REJECTED = "read and rejected because of the token"
    BLOCKED = (
        "it may have arrived; in fact a firewall or proxy answered with a page, and the token is renewed"
    )
    UNKNOWN_STATUS = "answered with a status that we do not know"


@dataclass(frozen=True)
class FaultContext:
    """What a fault may need to be built: servers end with `stack`, `certificate` is good for both hosts.

    `restored` is set when the wire is whole again.
    """

    stack: ExitStack
    authority: Authority
    stranger: Authority
    certificate: Path
    host: str
    good_port: int
    restored: threading.Event


Name = Callable[[FaultContext], Callable[[], list[Port]]]
Proxy = Behaviour | None
Exchange = Callable[[Server, socket.socket, PassOn], None]


@dataclass(frozen=True)
class Fault:
    """`category`: what each broken try is called. `silent`: nobody says anything until our patience ends.

    `otherwise`: its effect on another operation, by "operation" or "operation v2"; `called` likewise.
    `kept`: it meets a connection that was left open by an earlier call; `farewell` is what PhonePe says on it, before
    it hangs up, while nobody asks.
    """

    title: str
    effect: Effect
    category: str
    name: Name | None = None
    proxy: Proxy = None
    exchange: Exchange | None = None
    silent: bool = False
    by_proxy: bool = False
    kept: bool = False
    farewell: bytes | None = None
    wait: float = 0.0
    otherwise: dict[str, Effect] = field(default_factory=dict, hash=False)
    called: dict[str, str] = field(default_factory=dict, hash=False)

    def effect_on(self, operation: str, generation: str) -> Effect:
        by_generation = self.otherwise.get(f"{operation} {generation}")
        return by_generation or self.otherwise.get(operation, self.effect)

    def category_of(self, operation: str) -> str:
        return self.called.get(operation, self.category)

    @property
    def slug(self) -> str:
        return self.title.replace(",", "").replace(" ", "-")


# --- where a name leads to ---


def leads_to(*ports: Port) -> Callable[[], list[Port]]:
    return lambda: list(ports)


def nobody(context: FaultContext) -> Callable[[], list[Port]]:
    return leads_to(("127.0.0.1", servers.refusing_port()))


def full_queue(context: FaultContext) -> Callable[[], list[Port]]:
    return leads_to(("127.0.0.1", context.stack.enter_context(servers.unanswered_port())))


def dropped_packets(context: FaultContext) -> Callable[[], list[Port]]:
    return leads_to((context.stack.enter_context(void()), 443))


def no_way_there(context: FaultContext) -> Callable[[], list[Port]]:
    return leads_to(("255.255.255.255", 443))


def unknown_name(context: FaultContext) -> Callable[[], list[Port]]:
    def lookup() -> list[Port]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    return lookup


def silent_resolver(context: FaultContext) -> Callable[[], list[Port]]:
    def lookup() -> list[Port]:
        context.restored.wait(30)
        return []

    return lookup


def dead_first_address(context: FaultContext) -> Callable[[], list[Port]]:
    return leads_to(("127.0.0.1", servers.refusing_port()), ("127.0.0.1", context.good_port))


def silent_first_address(context: FaultContext) -> Callable[[], list[Port]]:
    silent = context.stack.enter_context(servers.unanswered_port())
    return leads_to(("127.0.0.1", silent), ("127.0.0.1", context.good_port))


def somebody(behave: Behaviour) -> Name:
    """The name leads to a server that does this with every connection, before any TLS."""

    def build(context: FaultContext) -> Callable[[], list[Port]]:
        return leads_to(("127.0.0.1", context.stack.enter_context(Server(behave)).port))

    return build


def behind(issue: Callable[[FaultContext], Path]) -> Name:
    """The name leads to a server with this certificate."""

    def build(context: FaultContext) -> Callable[[], list[Port]]:
        server = context.stack.enter_context(Server(servers.answers(), issue(context)))
        return leads_to(("127.0.0.1", server.port))

    return build


@contextlib.contextmanager
def void() -> Iterator[str]:
    """An address whose packets vanish, as behind a firewall that drops them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("dropping packets needs root and `ip netns`")
    number = os.getpid() % 120 * 2 + next(voids) % 2
    name, here, there = f"okpuja-{number}", f"okpuja{number}", f"198.18.{number}.2"
    made = _ip(f"netns add {name}")
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
    try:
        for step in (
            f"link add {here} type veth peer name far netns {name}",
            f"addr add 198.18.{number}.1/30 dev {here}",
            f"link set {here} up",
            f"neigh add {there} lladdr 02:00:00:00:00:02 dev {here} nud permanent",
        ):
            done = _ip(step)
            assert done.returncode == 0, f"ip {step}: {done.stderr}"
        yield there
    finally:
        _ip(f"netns del {name}")
        _ip(f"link del {here}")


def _ip(arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)


def greets(server: Server, connection: socket.socket) -> None:
    """Speaks first, as no TLS does."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    server.over.wait()


# --- the way out ---


def says_no(status: str) -> Behaviour:
    def behave(server: Server, connection: socket.socket) -> None:
        servers.read_request(server, connection)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    return behave


# --- one request ---


def message(status: int, body: bytes, content_type: str = "application/json", *headers: str) -> bytes:
    head = [
        f"HTTP/1.1 {status} Said",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def says(
    status: int, body: bytes, content_type: str = "application/json", *headers: str, carried_out: bool = False
) -> Exchange:
    said = message(status, body, content_type, *headers)

    def break_it(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
        if carried_out:
            pass_on()
        connection.sendall(said)

    return break_it


def keeps_silent(carried_out: bool) -> Exchange:
    def break_it(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
        if carried_out:
            pass_on()
        server.over.wait()

    return break_it


def resets(carried_out: bool) -> Exchange:
    def break_it(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
        if carried_out:
            pass_on()
        reset(connection)

    return break_it


def hangs_up(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
    connection.close()


def resets_in_the_middle(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
    answer = pass_on()
    connection.sendall(answer[: len(answer) - 20])
    reset(connection)


def drips(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
    """A byte a second."""
    for position, byte in enumerate(pass_on()):
        connection.sendall(bytes([byte]))
        if position > 150 and server.over.wait(1):
            return


def cuts_the_json(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
    """A whole HTTP message around half of an object."""
    body = pass_on().partition(b"\r\n\r\n")[2]
    connection.sendall(message(200, body[: len(body) // 2]))


def floods(server: Server, connection: socket.socket, pass_on: PassOn) -> None:
    """20 MB, without saying beforehand how much it will be."""
    pass_on()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(20):
        connection.sendall(b" " * 1_048_576)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


# --- the rows ---

HTML = b"<html><body>Access denied</body></html>"
UNAUTHORIZED = b'{"success": false, "code": "401", "message": "Unauthorized"}'
BAD_REQUEST = b'{"success": false, "code": "BAD_REQUEST", "message": "Please check the inputs."}'
TOO_MANY = b'{"success": false, "code": "TOO_MANY_REQUESTS"}'
WRONG_TYPES = b'{"success": "yes", "code": 17, "state": [], "redirectUrl": {}, "access_token": 5, "data": []}'
UNKNOWN_WORDS = b'{"success": true, "code": "A_WORD_OF_NEXT_YEAR", "state": "NAPPING", "data": {}}'

BESIDES_TOKEN = ("pay", "status", "everything", *RETURNS)
# What was answered in strange words was answered, unless a page was to come; nothing else said twice helps.
ANSWERED = {operation: Effect.UNKNOWN_STATUS for operation in BESIDES_TOKEN if operation != "pay"}


def in_v2(effect: Effect) -> dict[str, Effect]:
    return {f"{operation} v2": effect for operation in BESIDES_TOKEN}


NAMES = (
    Fault("refuses the connection", Effect.NOT_SENT, "CONNECTION_REFUSED", name=nobody),
    Fault(
        "never accepts, its queue is full",
        Effect.NOT_SENT,
        "CONNECTION_TIMEOUT",
        name=full_queue,
        silent=True,
    ),
    Fault("drops every packet", Effect.NOT_SENT, "CONNECTION_TIMEOUT", name=dropped_packets, silent=True),
    Fault("no route", Effect.NOT_SENT, "NETWORK_UNREACHABLE", name=no_way_there),
    Fault("unknown name", Effect.NOT_SENT, "DNS_ERROR", name=unknown_name),
    Fault("name server never answers", Effect.NOT_SENT, "DNS_ERROR", name=silent_resolver, silent=True),
    Fault("first of two addresses refuses", Effect.NONE, "", name=dead_first_address),
    Fault("first of two addresses is silent", Effect.NONE, "", name=silent_first_address, silent=True),
    Fault(
        "TLS handshake never ends",
        Effect.NOT_SENT,
        "TLS_ERROR",
        name=somebody(servers.is_silent),
        silent=True,
    ),
    Fault("resets in the TLS handshake", Effect.NOT_SENT, "CONNECTION_RESET", name=somebody(servers.resets)),
    Fault(
        "speaks no TLS",
        Effect.NOT_SENT,
        "TLS_ERROR",
        name=somebody(greets),
    ),
    Fault(
        "untrusted certificate",
        Effect.NOT_SENT,
        "TLS_ERROR",
        name=behind(lambda context: context.stranger.issue(context.host)),
    ),
    Fault(
        "expired certificate",
        Effect.NOT_SENT,
        "TLS_ERROR",
        name=behind(lambda context: context.authority.issue(context.host, ends=-YEAR / 12)),
    ),
    Fault(
        "certificate for another host",
        Effect.NOT_SENT,
        "TLS_ERROR",
        name=behind(lambda context: context.authority.issue("other.test")),
    ),
)
PROXIES = (
    Fault("proxy refuses", Effect.NOT_SENT, "PROXY_ERROR", name=nobody, by_proxy=True),
    Fault("proxy of an unknown name", Effect.NOT_SENT, "PROXY_ERROR", name=unknown_name, by_proxy=True),
    Fault(
        "proxy's queue is full", Effect.NOT_SENT, "PROXY_ERROR", name=full_queue, by_proxy=True, silent=True
    ),
    Fault(
        "proxy wants a login",
        Effect.NOT_SENT,
        "PROXY_ERROR",
        proxy=says_no("407 Proxy Authentication Required"),
        by_proxy=True,
    ),
    Fault(
        "proxy forbids CONNECT", Effect.NOT_SENT, "PROXY_ERROR", proxy=says_no("403 Forbidden"), by_proxy=True
    ),
    Fault("proxy hangs up", Effect.NOT_SENT, "PROXY_ERROR", proxy=servers.reads_and_hangs_up, by_proxy=True),
    Fault(
        "proxy never answers",
        Effect.NOT_SENT,
        "PROXY_ERROR",
        proxy=servers.reads_and_is_silent,
        by_proxy=True,
        silent=True,
    ),
)
EXCHANGES = (
    Fault(
        "takes it and never answers",
        Effect.AMBIGUOUS_DONE,
        "READ_TIMEOUT",
        exchange=keeps_silent(True),
        silent=True,
    ),
    Fault(
        "loses it and never answers",
        Effect.AMBIGUOUS_LOST,
        "READ_TIMEOUT",
        exchange=keeps_silent(False),
        silent=True,
    ),
    Fault("answers a byte a second", Effect.AMBIGUOUS_DONE, "READ_TIMEOUT", exchange=drips, silent=True),
    Fault("resets before reading it", Effect.AMBIGUOUS_LOST, "CONNECTION_RESET", exchange=resets(False)),
    Fault("resets after reading it", Effect.AMBIGUOUS_DONE, "CONNECTION_RESET", exchange=resets(True)),
    Fault(
        "resets in the middle of its answer",
        Effect.AMBIGUOUS_DONE,
        "CONNECTION_RESET",
        exchange=resets_in_the_middle,
    ),
    Fault("closes without an answer", Effect.AMBIGUOUS_LOST, "CONNECTION_RESET", exchange=hangs_up),
    Fault(
        "500", Effect.AMBIGUOUS_LOST, "GATEWAY_5XX", exchange=says(500, b'{"code": "INTERNAL_SERVER_ERROR"}')
    ),
    Fault(
        "500 after carrying it out",
        Effect.AMBIGUOUS_DONE,
        "GATEWAY_5XX",
        exchange=says(500, b"{}", carried_out=True),
    ),
    Fault("502 HTML", Effect.AMBIGUOUS_LOST, "GATEWAY_5XX", exchange=says(502, HTML, "text/html")),
    Fault("503", Effect.AMBIGUOUS_LOST, "GATEWAY_5XX", exchange=says(503, b"")),
    Fault("429", Effect.THROTTLED, "RATE_LIMITED", exchange=says(429, TOO_MANY)),
    Fault(
        "429, Retry-After 1",
        Effect.THROTTLED,
        "RATE_LIMITED",
        exchange=says(429, TOO_MANY, "application/json", "Retry-After: 1"),
        wait=1.0,
    ),
    Fault(
        "429, Retry-After 60",
        Effect.THROTTLED_LONG,
        "RATE_LIMITED",
        exchange=says(429, TOO_MANY, "application/json", "Retry-After: 60"),
    ),
    Fault(
        "400",
        Effect.REJECTED,
        "REJECTED",
        exchange=says(400, BAD_REQUEST),
        otherwise={
            "refund": Effect.REJECTED_OR_DUPLICATE,
            "refund and refund_status": Effect.REJECTED_OR_DUPLICATE,
        },
        called={"token": "AUTHENTICATION"},
    ),
    Fault("408", Effect.AMBIGUOUS_LOST, "GATEWAY_5XX", exchange=says(408, b"")),
    Fault(
        "401",
        Effect.REJECTED,
        "AUTHENTICATION",
        exchange=says(401, UNAUTHORIZED),
        otherwise=in_v2(Effect.TOKEN_REJECTED),
    ),
    Fault(
        "401 HTML",
        Effect.AMBIGUOUS_LOST,
        "BLOCKED_RESPONSE",
        exchange=says(401, HTML, "text/html"),
        otherwise=in_v2(Effect.BLOCKED),
    ),
    Fault("403 HTML", Effect.AMBIGUOUS_LOST, "BLOCKED_RESPONSE", exchange=says(403, HTML, "text/html")),
    Fault(
        "302",
        Effect.AMBIGUOUS_LOST,
        "BLOCKED_RESPONSE",
        exchange=says(302, b"", "text/html", "Location: https://login.test/"),
    ),
    Fault("200 HTML", Effect.AMBIGUOUS_LOST, "BLOCKED_RESPONSE", exchange=says(200, HTML, "text/html")),
    Fault(
        "200 HTML after carrying it out",
        Effect.AMBIGUOUS_DONE,
        "BLOCKED_RESPONSE",
        exchange=says(200, HTML, "text/html", carried_out=True),
    ),
    Fault("cut JSON", Effect.AMBIGUOUS_DONE, "BAD_RESPONSE", exchange=cuts_the_json),
    Fault(
        "wrong types",
        Effect.AMBIGUOUS_DONE,
        "BAD_RESPONSE",
        exchange=says(200, WRONG_TYPES, carried_out=True),
        otherwise=ANSWERED,
    ),
    Fault(
        "unknown state and code",
        Effect.AMBIGUOUS_DONE,
        "BAD_RESPONSE",
        exchange=says(200, UNKNOWN_WORDS, carried_out=True),
        otherwise=ANSWERED,
    ),
    Fault("20 MB", Effect.AMBIGUOUS_DONE, "BAD_RESPONSE", exchange=floods),
)
# On a connection that an earlier call has left open.
KEPT = (
    Fault("hung up while idle", Effect.NONE, "", kept=True, farewell=b""),
    Fault("408 while idle, then hung up", Effect.NONE, "", kept=True, farewell=message(408, b"")),
    Fault(
        "kept, hangs up as the message comes",
        Effect.AMBIGUOUS_LOST,
        "CONNECTION_RESET",
        exchange=hangs_up,
        kept=True,
    ),
)
