"""Looking at a certificate gives nothing away, and a certificate tells who is in between."""

import socket

import pytest

from diagnostics.targets import Role, Target
from diagnostics.tls import fetch_certificate
from payment.phonepe.transport import Deadline
from tests.harness.fake_phonepe import FakePhonePe

pytestmark = pytest.mark.sockets
URL = "https://api.phonepe.com/apis/pg"


def at(port):
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))


def test_a_certificate_is_read_without_being_trusted(authority):
    with FakePhonePe(certificate=authority.issue("api.phonepe.com")) as server:
        shown = fetch_certificate(Target(Role.API, URL), at(server.port), Deadline(5))
    assert shown.is_for("api.phonepe.com")


def test_the_login_of_an_https_proxy_is_never_sent_in_clear_text():
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        target = Target(Role.API, URL, f"https://user:pass-word-of-proxy@127.0.0.1:{port}")
        assert fetch_certificate(target, at(port), Deadline(0.5)) is None
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            proxy.accept()
