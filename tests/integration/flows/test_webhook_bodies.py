"""PhonePe's call over a real line: a body that drips, and a caller who hangs up in the middle of it."""

import hashlib
import json
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from tests.harness.installation import WEBHOOK, Installation
from tests.harness.processes import eventually

pytestmark = pytest.mark.sockets

PROOF = hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()
BODY = json.dumps(
    {"event": "checkout.order.completed", "payload": {"merchantOrderId": "NOT-OURS", "state": "COMPLETED"}}
).encode()
HEAD = (
    f"POST {WEBHOOK} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {PROOF}\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\nConnection: close\r\n\r\n"
).encode()


@pytest.fixture(scope="module")
def shop():
    with Installation() as shop:
        shop.serve()
        requests.get(f"{shop.url}/healthz", timeout=30)
        yield shop


@contextmanager
def calling(shop):
    """A line on which half of the call has been said."""
    address = urlsplit(shop.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(HEAD + BODY[:20])
        yield line


def kept(shop):
    return shop.query("SELECT deliveries FROM payment_webhookevent")


def test_a_body_that_drips_keeps_nobody_waiting_and_is_kept_whole(shop):
    with calling(shop) as line:
        assert requests.get(f"{shop.url}/api/puja/categories/", timeout=10).status_code == 200
        for byte in BODY[20:]:
            line.sendall(bytes([byte]))
        answer = line.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200")
    assert kept(shop) == [(1,)]


def test_a_caller_who_hangs_up_in_the_middle_leaves_nothing_and_breaks_nothing(shop):
    before = kept(shop)
    with calling(shop) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not a farewell

    eventually(lambda: requests.get(f"{shop.url}/readyz", timeout=10).ok, "the server goes on")
    assert kept(shop) == before
