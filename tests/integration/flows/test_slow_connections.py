"""Clients that send slowly, never, or never hang up: threads of the server are for complete requests."""

import json
import socket
import time
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest
import requests

from tests.harness.databases import ON_POSTGRESQL, PASSWORD
from tests.harness.installation import Installation
from tests.harness.processes import eventually

pytestmark = [pytest.mark.sockets, pytest.mark.proof(every=2)]

CONNECTIONS = 200
LOGIN = json.dumps({"email": "devotee@example.com", "password": PASSWORD}).encode()
HALF_HEAD = b"POST /api/auth/login/ HTTP/1.1\r\nHost: {host}\r\n"
HEAD = HALF_HEAD + b"Content-Type: application/json\r\n"
STARTS = {
    "nothing": b"",
    "half a head": HALF_HEAD,
    "half a body": HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(LOGIN), LOGIN[:9]),
    "half a large body": HEAD + b"Content-Length: 900000\r\n\r\n%s" % LOGIN[:9],
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n%s" % LOGIN[:4],
    "waits for 100": HEAD + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(LOGIN),
}
# One byte more, which leaves the request unfinished.
DRIPS = {"half a head": b"x", "half a body": b" ", "half a large body": b" ", "half a chunk": b" "}


@pytest.fixture(scope="module", params=["server", pytest.param("embedded default", marks=pytest.mark.proof)])
def installation(request):
    if request.param == "embedded default" and ON_POSTGRESQL:
        pytest.skip("the embedded default is SQLite")
    with Installation(REQUEST_BODY_SECONDS=30) as installation:
        installation.serve() if request.param == "server" else installation.serve_and_work()
        eventually(lambda: answers(installation), "the server answers")
        yield installation


def answers(installation):
    try:
        return requests.get(f"{installation.url}/healthz", timeout=30).ok
    except requests.RequestException:
        return False


def connect(installation, start, receive_buffer=None):
    address = urlsplit(installation.url)
    connection = socket.socket()
    connection.settimeout(60)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect((address.hostname, address.port))
    connection.sendall(start.replace(b"{host}", address.netloc.encode()))
    return connection


@pytest.mark.proof(every=5)
@pytest.mark.parametrize("kind", STARTS)
def test_two_hundred_unfinished_requests_delay_nobody(installation, kind):
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(installation, STARTS[kind])) for _ in range(CONNECTIONS)]
        for _ in range(5):
            for connection in connections:
                with suppress(OSError):
                    connection.sendall(DRIPS.get(kind, b""))
            assert answers(installation)


@pytest.mark.parametrize("start", [STARTS["half a body"], STARTS["half a chunk"]])
def test_an_unfinished_body_can_still_be_finished(installation, start):
    rest = b"%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (LOGIN[4:9], len(LOGIN) - 9, LOGIN[9:])
    with connect(installation, start) as connection:
        answers(installation)
        connection.sendall(rest if b"chunked" in start else LOGIN[9:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_client_that_waits_for_100_continue_is_served(installation):
    with connect(installation, STARTS["waits for 100"]) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        connection.sendall(LOGIN)
        # gunicorn says it once more. Clients have to read any number of them (RFC 9110 section 15.2).
        eventually(lambda: b"HTTP/1.1 200" in connection.recv(4096), "the login is answered")


def test_a_client_that_waits_for_100_continue_behind_another_request_is_served(installation):
    ask = b"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"
    with connect(installation, ask + STARTS["waits for 100"]) as connection:
        said = connection.recv(4096)
        while b"HTTP/1.1 100" not in said and b"HTTP/1.1 408" not in said:
            said += connection.recv(4096)
        assert b"HTTP/1.1 408" not in said
        connection.sendall(LOGIN)
        eventually(lambda: b"HTTP/1.1 200" in connection.recv(4096), "the login is answered")


def test_a_head_that_drips_for_ever_is_answered_408(installation):
    with connect(installation, HALF_HEAD) as connection:
        connection.settimeout(0.5)
        answer = eventually(lambda: drip(connection), "the server answers a head that never ends")

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (error["code"], error["retryable"], error["error"]) == (
        "body_too_slow",
        True,
        error["user_message"],
    )


def drip(connection):
    with suppress(TimeoutError):
        connection.sendall(b"x")
        return connection.recv(4096)
    return b""


def test_a_head_without_an_end_is_answered_431(installation):
    with connect(installation, HALF_HEAD) as connection:
        connection.sendall(b"x" * 70_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431")


MALFORMED = {
    400: b"GET / HTTP/1.1\r\nHost : {host}\r\n\r\n",
    414: b"GET /%s HTTP/1.1\r\nHost: {host}\r\n\r\n" % (b"x" * 5_000),
    431: b"GET / HTTP/1.1\r\nHost: {host}\r\nX-Long: %s\r\n\r\n" % (b"<script>" * 2_000),
    501: HALF_HEAD + b"Transfer-Encoding: unheard-of, chunked\r\n\r\n",
}


@pytest.mark.parametrize("status", MALFORMED)
def test_what_is_no_request_is_answered_as_every_error_is(installation, status):
    with connect(installation, MALFORMED[status]) as connection:
        answer = HTTPResponse(connection)
        answer.begin()
        error = json.loads(answer.read())

    assert (answer.status, error["user_message"], error["retryable"]) == (status, error["error"], False)
    assert "script" not in error["error"]
    check_headers(answer)


def test_an_answer_of_the_server_itself_has_the_headers_of_the_others(installation):
    with connect(installation, HALF_HEAD) as connection:
        connection.sendall(b"x" * 70_000)
        answer = HTTPResponse(connection)
        answer.begin()

    assert answer.status == 431
    check_headers(answer)


def check_headers(answer):
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["Connection"] == "close"
    assert answer.headers["Date"]
    assert "Server" not in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/nothing-here", "/static/storefront/none.css"])
def test_no_answer_names_the_server(installation, path):
    answer = requests.get(f"{installation.url}{path}", timeout=30)

    assert "Server" not in answer.headers
    assert answer.headers["Date"]


def test_clients_that_never_hang_up_delay_nobody(installation):
    """The server closes after the answer, and may not wait in its main loop for the client to do the same."""
    ask = b"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        started = time.monotonic()
        for _ in range(20):
            connection = stack.enter_context(connect(installation, ask))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")

        assert time.monotonic() - started < 20  # two seconds each, when the main loop waits


def test_clients_that_read_nothing_delay_nobody(installation):
    """Four answers of 1.5 MB are more than the kernel keeps for a client."""
    path = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    size = len(requests.get(f"{installation.url}{path}", timeout=60).content)
    ask = f"GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n".encode()
    with ExitStack() as stack:
        readers = [
            stack.enter_context(connect(installation, 4 * ask, receive_buffer=4096)) for _ in range(20)
        ]

        assert answers(installation)
        assert len(readers[0].makefile("rb").read(4 * size)) == 4 * size > 6_000_000


def test_requests_that_arrive_together_are_answered_in_order(installation):
    ask = b"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"
    last = b"GET /nothing-here HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with connect(installation, ask + ask + last[:30]) as connection:
        connection.sendall(last[30:].replace(b"{host}", urlsplit(installation.url).netloc.encode()))
        said = connection.makefile("rb").read()

    assert (said.count(b"HTTP/1.1 200"), said.count(b"HTTP/1.1 404")) == (2, 1)


def test_a_request_on_its_way_to_a_process_that_ends_is_answered(installation):
    """A proxy has connected, and sends its POST a moment after SIGTERM. This one is last: it ends the server."""
    if not installation.servers:
        pytest.skip("the embedded default has no proxy in front")
    ask = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(LOGIN), LOGIN)
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(installation, b"")) for _ in range(5)]
        assert answers(installation)  # connections are accepted in their order: all of them are
        installation.servers[0].ask_to_end()
        eventually(lambda: "signal: term" in installation.servers[0].output, "it has heard that it shall end")
        for connection in opened:
            connection.sendall(ask.replace(b"{host}", urlsplit(installation.url).netloc.encode()))
        said = [connection.makefile("rb").readline() for connection in opened]

    assert said == [b"HTTP/1.1 200 OK\r\n"] * 5
