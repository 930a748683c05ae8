"""What exactly was met: each finding once, over real sockets."""

import contextlib
import socket
import ssl
import threading
from datetime import timedelta

import pytest

from diagnostics.dns import DnsClients
from diagnostics.enums import Finding, Verdict
from diagnostics.probes import probe
from diagnostics.targets import Role, Target
from payment.phonepe.enums import Stage
from payment.phonepe.transport import Deadline, Resolver
from tests.harness.certificates import YEAR, Authority
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.network import refusing_port, resetting_port, scripted_port, silent_port

pytestmark = pytest.mark.sockets
PHONEPE = "https://api.phonepe.com/apis/pg"
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


def probed(url, seconds=5.0, port=None, proxy=None, role=Role.API):
    def lookup(host, asked, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port or asked))]

    return probe(Target(role, url, proxy), Deadline(seconds), DnsClients(Resolver(lookup), None)).best


def proxied(port, seconds=5.0):
    return probed(PHONEPE, seconds, proxy=f"http://127.0.0.1:{port}")


@pytest.fixture
def stranger(tmp_path):
    """An authority that nobody trusts."""
    (tmp_path / "stranger").mkdir()
    return Authority(tmp_path / "stranger", "a firewall")


@contextlib.contextmanager
def full():
    """A port whose queue is full: what comes next is not answered, as behind a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_refused():
    attempt = probed(PHONEPE, port=refusing_port())
    assert (attempt.finding, attempt.verdict) == (Finding.REFUSED, Verdict.CONNECTION_REFUSED)
    assert attempt.failed_layer == "tcp"


def test_dropped():
    with full() as port:
        attempt = probed(PHONEPE, seconds=1.0, port=port)
    assert (attempt.finding, attempt.verdict) == (Finding.SILENT, Verdict.CONNECTION_TIMEOUT)
    assert attempt.milliseconds["tcp"] > 500
    assert attempt.failed_layer == "tcp"


def test_cut_as_soon_as_tls_begins():
    """As boxes do that read the name in the first message."""
    with resetting_port() as port:
        attempt = probed(PHONEPE, port=port)
    assert (attempt.finding, attempt.verdict) == (Finding.RESET, Verdict.CONNECTION_RESET)
    assert attempt.failed_layer == "tls"


def test_a_proxy_that_refuses():
    assert proxied(refusing_port()).finding == Finding.PROXY_REFUSED


def test_a_silent_proxy():
    with silent_port() as port:
        attempt = proxied(port, seconds=1.0)
    assert (attempt.finding, attempt.verdict) == (Finding.PROXY_SILENT, Verdict.PROXY_FAILURE)


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        (b"407 Proxy Authentication Required", Finding.PROXY_WANTS_LOGIN),
        (b"403 Forbidden", Finding.PROXY_FORBIDS),
        (b"405 Method Not Allowed", Finding.PROXY_FORBIDS),
        (b"502 Bad Gateway", Finding.PROXY_GETS_NOWHERE),
        (b"504 Gateway Timeout", Finding.PROXY_GETS_NOWHERE),
    ],
)
def test_the_reason_of_a_refused_tunnel_is_reported(said, finding):
    with scripted_port(b"", b"HTTP/1.1 " + said + b"\r\n\r\n") as port:
        attempt = proxied(port)
    assert (attempt.finding, attempt.verdict, attempt.failed_layer) == (
        finding,
        Verdict.PROXY_FAILURE,
        "proxy",
    )


def test_a_certificate_for_phonepes_name_without_its_issuer_may_be_incomplete_or_forged(authority, stranger):
    with FakePhonePe(certificate=stranger.issue("api.phonepe.com")) as server:
        attempt = probed(PHONEPE, port=server.port)
    assert (attempt.finding, attempt.verdict) == (Finding.CHAIN_INCOMPLETE, Verdict.TLS_UNTRUSTED)


def test_a_private_certificate_for_phonepes_name_is_an_interception(authority, stranger):
    with FakePhonePe(certificate=stranger.issue("api.phonepe.com", with_issuer=True)) as server:
        attempt = probed(PHONEPE, port=server.port)
    assert (attempt.finding, attempt.verdict) == (Finding.INTERCEPTED, Verdict.TLS_UNTRUSTED)
    assert attempt.certificate.issuer == "CN=a firewall"


def test_an_untrusted_certificate_for_another_name_is_no_interception(authority, stranger):
    with FakePhonePe(certificate=stranger.issue("router.example")) as server:
        attempt = probed(PHONEPE, port=server.port)
    assert (attempt.finding, attempt.verdict) == (Finding.UNTRUSTED, Verdict.TLS_UNTRUSTED)
    assert attempt.certificate.names == ("router.example",)


@pytest.mark.parametrize(
    ("names", "dates", "finding", "verdict"),
    [
        (
            ["api.phonepe.com"],
            {"starts": -2 * YEAR, "ends": -timedelta(days=1)},
            Finding.EXPIRED,
            "tls_expired",
        ),
        (["api.phonepe.com"], {"starts": timedelta(days=1)}, Finding.NOT_YET_VALID, "clock_skew"),
        (["shop.example"], {}, Finding.WRONG_HOST, "tls_hostname_mismatch"),
    ],
)
def test_a_certificate_of_the_wrong_time_or_name(authority, names, dates, finding, verdict):
    with FakePhonePe(certificate=authority.issue(*names, **dates)) as server:
        attempt = probed(PHONEPE, port=server.port)
    assert (attempt.finding, attempt.verdict) == (finding, verdict)


def test_a_trusted_certificate_is_reported_with_its_issuer(authority):
    with FakePhonePe(certificate=authority.issue("api.phonepe.com")) as server:
        attempt = probed(PHONEPE, port=server.port)
    assert (attempt.finding, attempt.stage) == ("", Stage.BODY)
    assert len(attempt.certificate.sha256) == 64


@contextlib.contextmanager
def only_old_tls(certificate):
    """Speaks TLS 1.1 and nothing newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _shake_hands(listener, context):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
            pass
        connection.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_protocol_too_old(authority):
    with only_old_tls(authority.issue("api.phonepe.com")) as port:
        attempt = probed(PHONEPE, port=port)
    assert (attempt.finding, attempt.verdict) == (Finding.PROTOCOL_TOO_OLD, Verdict.TLS_HANDSHAKE_FAILED)


def test_no_tls_at_all(phonepe_server):
    assert probed(PHONEPE, port=phonepe_server.port).finding == Finding.NOT_TLS


def test_a_refused_handshake():
    refusal = b"\x15\x03\x03\x00\x02\x02\x28"  # alert: handshake failure
    with scripted_port(b"", refusal) as port:
        attempt = probed(PHONEPE, port=port)
    assert (attempt.finding, attempt.verdict) == (Finding.HANDSHAKE_REFUSED, Verdict.TLS_HANDSHAKE_FAILED)


def test_a_silent_handshake():
    with silent_port() as port:
        assert probed(PHONEPE, seconds=1.0, port=port).finding == Finding.HANDSHAKE_SILENT


PAGE = b"<html><title>Web Page\n Blocked</title></html>"


@pytest.mark.parametrize(
    ("head", "body", "finding"),
    [
        (b"404 Not Found\r\nContent-Type: application/json", b"{}", ""),
        (b"400 Bad Request\r\nContent-Type: application/json", b'{"message": "Api Mapping Not Found"}', ""),
        (b"403 Forbidden\r\nContent-Type: application/json", b"{}", Finding.FORBIDDEN),
        (b"403 Forbidden\r\nContent-Type: text/html", PAGE, Finding.FIREWALL_PAGE),
        (b"200 OK\r\nContent-Type: text/html", PAGE, Finding.CAPTIVE_PORTAL),
        (b"511 Network Authentication Required\r\nContent-Type: text/html", PAGE, Finding.CAPTIVE_PORTAL),
        (b"302 Found\r\nLocation: https://portal.example/login?token=1", b"", Finding.REDIRECT),
        (b"429 Too Many Requests\r\nContent-Type: application/json", b"{}", Finding.TOO_MANY),
        (b"502 Bad Gateway\r\nContent-Type: text/html", PAGE, Finding.SERVER_ERROR),
    ],
)
def test_the_kind_of_answer(head, body, finding):
    answer = b"HTTP/1.1 " + head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with scripted_port(b"", answer) as port:
        attempt = probed(f"http://127.0.0.1:{port}/apis/pg")
    assert (attempt.finding, attempt.is_reached) == (finding, True)


def test_a_page_is_described_by_its_title_and_a_redirect_by_its_host():
    head = b"HTTP/1.1 403 Forbidden\r\nServer: Squid\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
    page = head % len(PAGE) + PAGE
    with scripted_port(b"", page) as port:
        assert (
            probed(f"http://127.0.0.1:{port}").answer_summary
            == "HTTP 403, page 'Web Page Blocked', Server: Squid"
        )
    moved = b"HTTP/1.1 302 Found\r\nLocation: https://portal.example/?token=1\r\nContent-Length: 0\r\n\r\n"
    with scripted_port(b"", moved) as port:
        assert probed(f"http://127.0.0.1:{port}").answer_summary == "HTTP 302, to portal.example"


def test_a_control_host_may_answer_pages_and_reports_our_address():
    told = b"fl=1\nip=203.0.113.9\nts=1\n"
    said = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(told) + told
    with scripted_port(b"", said) as port:
        attempt = probed(f"http://127.0.0.1:{port}", role=Role.CONTROL)
    assert (attempt.finding, attempt.public_address) == ("", "203.0.113.9")
    assert attempt.source_address == "127.0.0.1"
