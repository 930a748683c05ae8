"""Looking at a certificate gives nothing away, and a certificate tells who is in between."""

import socket

import pytest

from diagnostics.targets import Role, Target
from diagnostics.tls import _chain, fetch_certificate
from payment.phonepe.transport import Deadline
from tests.harness.certificates import Authority
from tests.harness.fake_phonepe import FakePhonePe

pytestmark = pytest.mark.sockets
URL = "https://api.phonepe.com/apis/pg"


def at(port):
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))


def test_a_certificate_is_read_without_being_trusted(authority):
    with FakePhonePe(certificate=authority.issue("api.phonepe.com")) as server:
        shown = fetch_certificate(Target(Role.API, URL), at(server.port), Deadline(5))
    assert shown.is_for("api.phonepe.com")


def shown_by(path):
    with FakePhonePe(certificate=path) as server:
        return fetch_certificate(Target(Role.API, URL), at(server.port), Deadline(5))


def test_without_a_root_nobody_can_tell_whether_an_authority_is_private(tmp_path):
    """Companies inspect by an authority below their root; a public host may forget the upper of two intermediates."""
    root = Authority(tmp_path, "root")
    lower = Authority(tmp_path, "lower", above=Authority(tmp_path, "upper", above=root))
    found = shown_by(lower.issue("api.phonepe.com", with_issuer=True))
    assert found.is_incomplete_for("api.phonepe.com")
    assert not found.is_forged_for("api.phonepe.com")


def test_an_authority_that_was_sent_up_to_its_root_is_a_private_one(tmp_path):
    found = shown_by(Authority(tmp_path, "box").issue("api.phonepe.com", with_issuer=True))
    assert found.is_forged_for("api.phonepe.com")


def test_where_python_tells_no_chain_the_own_certificate_is_enough():
    """Before Python 3.13 the chain is read from a private object, which may be gone in any release."""

    class Secured:
        def getpeercert(self, binary_form):
            return b"der"

    assert _chain(Secured()) == [b"der"]


def test_the_login_of_an_https_proxy_is_never_sent_in_clear_text():
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        target = Target(Role.API, URL, f"https://user:pass-word-of-proxy@127.0.0.1:{port}")
        assert fetch_certificate(target, at(port), Deadline(0.5)) is None
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            proxy.accept()
