import functools
import socket
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from diagnostics import dns, probes
from diagnostics.deadlines import begin, result
from diagnostics.dns import DnsClients
from diagnostics.enums import Verdict
from diagnostics.probes import probe
from diagnostics.targets import Role, Target
from payment.phonepe.transport import Deadline, Resolver
from tests.harness.certificates import YEAR, Authority
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.name_server import NameServer
from tests.harness.network import refusing_port, resetting_port, silent_port

pytestmark = pytest.mark.sockets
SECONDS = 5.0


def probed(url, seconds=SECONDS, lookup=None, proxy=None):
    return probe(Target(Role.API, url, proxy), Deadline(seconds), DnsClients(Resolver(lookup), None)).best


def at_loopback(*ports):
    """A name server that knows one address for each of these ports, whatever it is asked."""
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    return lambda *_, **__: addresses


def test_any_http_answer_proves_that_the_route_is_open(phonepe_server):
    attempt = probed(f"http://127.0.0.1:{phonepe_server.port}/apis/pg-sandbox")
    assert attempt.is_reached
    assert attempt.passed_layers == ("dns", "tcp", "http")
    assert attempt.http_status == 400
    assert set(attempt.milliseconds) == {"dns", "tcp", "http"}
    assert attempt.address == "127.0.0.1"


def test_a_probe_carries_no_credentials(phonepe_server):
    probed(f"http://127.0.0.1:{phonepe_server.port}/apis/pg-sandbox")
    assert phonepe_server.asked == [("GET", "/apis/pg-sandbox")]


def test_a_refused_connection_keeps_the_error_of_the_system():
    attempt = probed(f"http://127.0.0.1:{refusing_port()}")
    assert attempt.verdict is Verdict.CONNECTION_REFUSED
    assert attempt.failed_layer == "tcp"
    assert attempt.error == "ConnectionRefusedError: [Errno 111] Connection refused"


def test_an_unknown_name_fails_at_dns():
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    attempt = probed("https://api.phonepe.com/apis/pg", lookup=unknown)
    assert attempt.verdict is Verdict.DNS_FAILURE
    assert attempt.failed_layer == "dns"
    assert attempt.passed_layers == ()
    assert "Name or service not known" in attempt.error


def test_errors_of_the_system_contain_no_secret(settings):
    settings.PHONEPE_SALT_KEY = "a-salt-key-that-nobody-may-see"

    def talkative(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "unknown: a-salt-key-that-nobody-may-see")

    assert "unknown: [secret]" in probed("https://api.phonepe.com/apis/pg", lookup=talkative).error


def test_a_silent_name_server_does_not_exceed_the_deadline():
    never = threading.Event()
    deadline = Deadline(30)
    attempt = probed("https://api.phonepe.com/apis/pg", seconds=1.0, lookup=lambda *_, **__: never.wait(30))
    never.set()
    assert attempt.verdict is Verdict.DNS_FAILURE
    assert deadline.remaining() > 28


def test_connections_do_not_wait_for_the_name_server(monkeypatch):
    monkeypatch.setattr(dns, "TIMEOUT", 20)
    with NameServer(api_phonepe_com=["192.0.2.7"]) as server, socket.create_server(("127.0.0.1", 0)) as host:
        server.may_speak.clear()
        port = host.getsockname()[1]
        target, clients = (
            Target(Role.API, "http://api.phonepe.com"),
            DnsClients(Resolver(at_loopback(port)), [server.address]),
        )
        found = begin(functools.partial(probe, target, Deadline(30), clients), Deadline(30))
        host.settimeout(10)
        host.accept()[0].close()
        server.may_speak.set()
        assert result(found, Deadline(30)).resolution.name_server.addresses == ("192.0.2.7",)


def test_a_silent_listener_differs_from_a_refusal():
    with silent_port() as port:
        attempt = probed(f"http://127.0.0.1:{port}", seconds=1.0)
    assert attempt.category == "READ_TIMEOUT"
    assert attempt.failed_layer == "http"
    assert attempt.passed_layers == ("dns", "tcp")


def test_a_silent_handshake_fails_at_tls():
    with silent_port() as port:
        attempt = probed(f"https://127.0.0.1:{port}", seconds=1.0)
    assert attempt.verdict is Verdict.TLS_HANDSHAKE_FAILED
    assert attempt.failed_layer == "tls"


def test_an_attempt_that_does_not_return_reports_its_last_stage(monkeypatch):
    monkeypatch.setattr(probes, "SHARE", 10)  # it would go on for longer than anybody waits
    with silent_port() as port:
        attempt = probed(f"https://127.0.0.1:{port}", seconds=1.0)
    assert attempt.passed_layers == ("dns", "tcp")
    assert attempt.verdict is Verdict.TLS_HANDSHAKE_FAILED


def test_a_reset_connection_is_reported_as_reset():
    with resetting_port() as port:
        attempt = probed(f"http://127.0.0.1:{port}")
    assert attempt.verdict is Verdict.CONNECTION_RESET
    assert attempt.failed_layer == "http"


def test_plain_http_where_tls_is_expected_is_a_failed_handshake(phonepe_server):
    attempt = probed(f"https://127.0.0.1:{phonepe_server.port}")
    assert attempt.verdict is Verdict.TLS_HANDSHAKE_FAILED


def test_a_trusted_certificate_is_accepted(authority):
    with FakePhonePe(certificate=authority.issue("127.0.0.1")) as server:
        attempt = probed(f"https://127.0.0.1:{server.port}")
    assert attempt.passed_layers == ("dns", "tcp", "tls", "http")


def test_a_certificate_of_an_unknown_authority_is_not_trusted(authority, tmp_path):
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    with FakePhonePe(certificate=stranger.issue("127.0.0.1")) as server:
        attempt = probed(f"https://127.0.0.1:{server.port}")
    assert attempt.verdict is Verdict.TLS_UNTRUSTED
    assert attempt.failed_layer == "tls"


def test_an_expired_certificate_is_reported_as_expired(authority):
    with FakePhonePe(
        certificate=authority.issue("127.0.0.1", starts=-2 * YEAR, ends=-timedelta(days=1))
    ) as server:
        assert probed(f"https://127.0.0.1:{server.port}").verdict is Verdict.TLS_EXPIRED


def test_a_certificate_that_is_not_valid_yet_suggests_a_slow_clock(authority):
    with FakePhonePe(certificate=authority.issue("127.0.0.1", starts=timedelta(days=1))) as server:
        assert probed(f"https://127.0.0.1:{server.port}").verdict is Verdict.CLOCK_SKEW


@pytest.mark.parametrize("asked", ["127.0.0.1", "localhost"])
def test_a_certificate_of_another_name_is_a_hostname_mismatch(authority, asked):
    with FakePhonePe(certificate=authority.issue("shop.example")) as server:
        attempt = probed(f"https://{asked}:{server.port}", lookup=at_loopback(server.port))
    assert attempt.verdict is Verdict.TLS_HOSTNAME_MISMATCH


def test_a_refusal_by_the_proxy_is_a_proxy_failure():
    proxy = f"http://user:pass-word-of-proxy@127.0.0.1:{refusing_port()}"
    attempt = probed("https://api.phonepe.com/apis/pg", proxy=proxy)
    assert attempt.verdict is Verdict.PROXY_FAILURE
    assert "pass-word-of-proxy" not in repr(attempt)


def test_a_proxy_without_a_tunnel_fails_at_the_proxy(phonepe_server):
    """An ordinary web server knows no CONNECT."""
    attempt = probed("https://api.phonepe.com/apis/pg", proxy=f"http://127.0.0.1:{phonepe_server.port}")
    assert attempt.verdict is Verdict.PROXY_FAILURE
    assert attempt.failed_layer == "proxy"
    assert attempt.passed_layers == ("dns", "tcp")


def test_the_better_address_family_counts(phonepe_server):
    """A machine without an IPv6 route reaches PhonePe by IPv4 all the same."""
    closed = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", refusing_port(), 0, 0))
    open_one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", phonepe_server.port))
    target = Target(Role.API, f"http://localhost:{phonepe_server.port}")
    found = probe(target, Deadline(SECONDS), DnsClients(Resolver(lambda *_, **__: [closed, open_one]), None))
    assert found.is_reached
    assert {attempt.address: attempt.is_reached for attempt in found.attempts} == {
        "::1": False,
        "127.0.0.1": True,
    }


def test_a_name_with_a_dead_first_address_is_reached_at_the_next(phonepe_server):
    """As a payment would reach it."""
    url, ports = f"http://localhost:{phonepe_server.port}", (refusing_port(), phonepe_server.port)
    found = probe(Target(Role.API, url), Deadline(SECONDS), DnsClients(Resolver(at_loopback(*ports)), None))
    assert found.is_reached
    assert [attempt.is_reached for attempt in found.attempts] == [False, True]


def test_a_few_of_many_addresses_are_tried_each_once(phonepe_server):
    ports = [phonepe_server.port] * 2 + [refusing_port() for _ in range(5)]
    url, clients = f"http://localhost:{phonepe_server.port}", DnsClients(Resolver(at_loopback(*ports)), None)
    assert len(probe(Target(Role.API, url), Deadline(SECONDS), clients).attempts) == 3
    assert phonepe_server.probes == 1


def test_the_date_header_is_compared_with_our_clock(phonepe_server):
    phonepe_server.date = format_datetime(datetime.now(timezone.utc) - timedelta(minutes=10), usegmt=True)
    attempt = probed(f"http://127.0.0.1:{phonepe_server.port}")
    assert attempt.clock_ahead == pytest.approx(600, abs=5)


@pytest.mark.parametrize(
    "date", [None, "yesterday", "Mon, 01 Jan 2024 00:00:00 -0000", f"Mon, 01 Jan 2024 00:00:00 +{'9' * 20}"]
)
def test_an_unreadable_date_header_is_not_compared(phonepe_server, date):
    phonepe_server.date = date
    assert probed(f"http://127.0.0.1:{phonepe_server.port}").clock_ahead is None
