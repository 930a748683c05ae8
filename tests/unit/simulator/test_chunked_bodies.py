"""Chunked bodies, as the process of the simulator reads them."""

import io
import json
import socket
from email.message import Message
from urllib.parse import urlsplit

import pytest

from simulator import chunked_bodies
from tests.unit.simulator.test_process import simulator

FAULT = {"operation": "pay", "fault": "status_503"}


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"2\r\n{}\r\n0\r\n\r\n", b"{}"),
        (b"1\r\n{\r\n1;name=value\r\n}\r\n0\r\n\r\n", b"{}"),
        (b"A \r\n0123456789\r\n0\r\nDigest: x\r\n\r\n", b"0123456789"),
    ],
)
def test_chunks_are_joined(raw, body):
    line = io.BytesIO(raw + b"GET / HTTP/1.1")

    assert chunked_bodies.read(line) == body
    assert line.read() == b"GET / HTTP/1.1"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"zz\r\n",
        b"-1\r\n",
        b"2\r\n{",
        b"2\r\n{}xx",
        b"2\n{}\n0\n\n",
        b"0\r\n",
        b"9" * 9_000,
        b"0\r\n" + b"a: b\r\n" * 200,
    ],
)
def test_malformed_chunks_are_refused(raw):
    with pytest.raises(chunked_bodies.InvalidBody) as refused:
        chunked_bodies.read(io.BytesIO(raw))
    assert refused.value.status == 400


def test_a_body_above_the_limit_is_not_read():
    line = io.BytesIO(b"100001\r\n" + b"x" * 2_000_000)

    with pytest.raises(chunked_bodies.InvalidBody) as refused:
        chunked_bodies.read(line)

    assert refused.value.status == 413
    assert line.tell() == 8


@pytest.mark.parametrize(
    "told", [{"Transfer-Encoding": "gzip"}, {"Transfer-Encoding": "chunked", "Content-Length": "1"}]
)
def test_a_body_with_an_ambiguous_length_is_refused(told):
    headers = Message()
    for name, value in told.items():
        headers[name] = value

    with pytest.raises(chunked_bodies.InvalidBody):
        chunked_bodies.is_chunked(headers)


@pytest.mark.sockets
def test_the_process_reads_chunked_bodies_and_refuses_malformed_ones():
    body = json.dumps(FAULT).encode()
    with simulator() as (_, address):
        taken = said_to(address, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        refused = said_to(address, b"zz\r\n")

    assert taken.startswith(b"HTTP/1.1 200")
    assert b"status_503" in taken
    assert refused.startswith(b"HTTP/1.1 400")


def said_to(address, raw):
    host = urlsplit(address)
    head = f"POST /simulator/control/faults/ HTTP/1.1\r\nHost: {host.netloc}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host.hostname, host.port), timeout=30) as line:
        line.sendall(head.encode() + raw)
        return line.makefile("rb").read()
