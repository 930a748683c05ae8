import itertools
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from django.db import connection, transaction

from core.databases import InTransaction
from payment.phonepe import transport
from payment.phonepe.enums import ErrorCategory, Stage
from payment.phonepe.errors import WIRE_ERRORS, classify_error
from payment.phonepe.schemas import RequestOutcome
from payment.phonepe.transport import Deadline, InFlightRequest, Resolver, Session
from tests.harness import ROOT
from tests.harness import network as faults
from tests.harness.certificates import YEAR, Authority
from tests.harness.network import Server
from tests.unit.payment.wire import Clock

pytestmark = pytest.mark.sockets

SOON = 0.3
NEVER_MORE_THAN = 2.0
PROXY = "http://proxy.test:3128"


class Attempt:
    """One real attempt: its answer, or the failure it was understood as; how far it came; how long it took."""

    def __init__(self, url, seconds=SOON, session=None, keep=False, **how):
        session = session or Session()
        in_flight = session.start_request(Deadline(seconds))
        self.answer, self.failure, began = None, None, time.monotonic()
        try:
            self.answer = session.send_request(in_flight, how.pop("method", "POST"), url, body=b"{}", **how)
        except WIRE_ERRORS as error:
            self.failure = classify_error(error, in_flight.stage)
        self.stage, self.seconds = in_flight.stage, time.monotonic() - began
        if not keep:
            session.close()

    @property
    def outcome(self):
        return self.failure.category, self.failure.outcome, self.stage


def address_of(*ports):
    """A name server that answers every question with these ports of this machine."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    return Resolver(lambda *_, **__: found)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusting(authority):
    """A session that trusts our authority and finds phonepe.test at a port of this machine."""

    def made(port, verify=True):
        return Session(str(authority.bundle) if verify else True, address_of(port))

    return made


# --- when all is well ---


def test_a_whole_answer_comes_back():
    with Server(faults.answers()) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", 5, headers={"X-VERIFY": "abc"})
    assert (attempt.answer.http_status, attempt.answer.body, attempt.stage) == (
        200,
        b'{"fine":true}',
        Stage.BODY,
    )
    assert b"X-VERIFY: abc" in server.requests[0]


def test_connections_are_kept_for_the_next_call():
    session = Session()
    with Server(faults.answers()) as server:
        for _ in range(3):
            assert Attempt(f"http://127.0.0.1:{server.port}/pay", 5, session, keep=True).answer
        session.close()
    assert (server.connections, len(server.requests)) == (1, 3)


def test_a_second_call_over_a_kept_connection_has_a_deadline_of_its_own():
    session = Session()

    def behave(server, sock):
        faults.read_request(server, sock)
        sock.sendall(faults.ANSWER)
        faults.reads_and_is_silent(server, sock)

    with Server(behave) as server:
        assert Attempt(f"http://127.0.0.1:{server.port}/pay", 5, session, keep=True).answer
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", SOON, session)
    assert attempt.outcome == (ErrorCategory.READ_TIMEOUT, RequestOutcome.AMBIGUOUS, Stage.SENT)
    assert attempt.seconds < NEVER_MORE_THAN


def test_tls_is_verified_against_the_authority_of_the_settings(authority, trusting):
    with Server(faults.answers(), authority.issue("phonepe.test")) as server:
        attempt = Attempt("https://phonepe.test/pay", 5, trusting(server.port))
    assert (attempt.answer.http_status, attempt.stage) == (200, Stage.BODY)


def test_the_way_out_may_be_a_proxy(authority, trusting):
    with (
        Server(faults.answers(), authority.issue("phonepe.test")) as server,
        Server(faults.tunnels(server.port)) as proxy,
    ):
        proxy_with_login = "http://me:secret@proxy.test:3128"
        attempt = Attempt("https://phonepe.test/pay", 5, trusting(proxy.port), proxy=proxy_with_login)
    assert (attempt.answer.http_status, attempt.stage) == (200, Stage.BODY)
    assert proxy.requests[0].startswith(b"CONNECT phonepe.test:443")
    assert b"Proxy-Authorization: Basic" in proxy.requests[0]
    assert b"Proxy-Authorization" not in server.requests[0]


def test_the_second_address_is_tried_when_the_first_is_dead():
    with Server(faults.answers()) as server:
        session = Session(resolver=address_of(faults.refusing_port(), server.port))
        assert Attempt("http://phonepe.test/pay", 5, session).answer


def test_a_silent_first_address_leaves_time_for_the_second():
    with Server(faults.answers()) as server, faults.unanswered_port() as silent:
        session = Session(resolver=address_of(silent, server.port))
        assert Attempt("http://phonepe.test/pay", 2 * SOON, session).answer


def test_the_environment_of_the_process_does_not_reroute_us(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{faults.refusing_port()}")
    with Server(faults.answers()) as server:
        assert Attempt(f"http://127.0.0.1:{server.port}/pay", 5).answer


def test_a_redirect_is_not_followed():
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with Server(faults.answers(moved)) as server:
        assert Attempt(f"http://127.0.0.1:{server.port}/pay", 5).answer.http_status == 302


def test_no_cookie_is_taken_along():
    set_cookie = faults.ANSWER.replace(b"\r\n\r\n", b"\r\nSet-Cookie: wall=1; Path=/\r\n\r\n", 1)
    session = Session()
    with Server(faults.answers(set_cookie)) as server:
        Attempt(f"http://127.0.0.1:{server.port}/pay", 5, session, keep=True)
        Attempt(f"http://127.0.0.1:{server.port}/pay", 5, session)
    assert b"ookie" not in server.requests[1]


class Walk(InFlightRequest):
    """Remembers every stage it came through."""

    stages = ()

    def reach(self, stage):
        super().reach(stage)
        self.stages = (*self.stages, stage)


def test_every_stage_is_written_on_the_way(authority, trusting):
    with (
        Server(faults.answers(), authority.issue("phonepe.test")) as server,
        Server(faults.tunnels(server.port)) as proxy,
        trusting(proxy.port) as session,
    ):
        walk = Walk(Deadline(5), session.resolver)
        session.send_request(walk, "GET", "https://phonepe.test/", proxy=PROXY)
    assert list(dict.fromkeys(walk.stages)) == list(Stage)


# --- nothing was sent ---


def test_a_refused_connection_sent_nothing():
    attempt = Attempt(f"http://127.0.0.1:{faults.refusing_port()}/pay", 5)
    assert attempt.outcome == (ErrorCategory.CONNECTION_REFUSED, RequestOutcome.NOT_SENT, Stage.RESOLVED)


def test_a_connection_that_nobody_takes_sent_nothing():
    with faults.unanswered_port() as port:
        attempt = Attempt(f"http://127.0.0.1:{port}/pay")
    assert attempt.outcome == (ErrorCategory.CONNECTION_TIMEOUT, RequestOutcome.NOT_SENT, Stage.RESOLVED)
    assert attempt.seconds < NEVER_MORE_THAN


def test_an_unknown_name_sent_nothing():
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    attempt = Attempt("http://phonepe.test/pay", 5, Session(resolver=Resolver(unknown)))
    assert attempt.outcome == (ErrorCategory.DNS_ERROR, RequestOutcome.NOT_SENT, Stage.STARTED)


def test_a_silent_name_server_costs_no_more_than_the_deadline():
    answer = threading.Event()
    attempt = Attempt(
        "http://phonepe.test/pay", SOON, Session(resolver=Resolver(lambda *_, **__: answer.wait(10)))
    )
    answer.set()
    assert attempt.outcome == (ErrorCategory.DNS_ERROR, RequestOutcome.NOT_SENT, Stage.STARTED)
    assert attempt.seconds < NEVER_MORE_THAN


def test_a_name_without_an_address_sent_nothing():
    attempt = Attempt("http://phonepe.test/pay", 5, Session(resolver=address_of()))
    assert attempt.outcome == (ErrorCategory.DNS_ERROR, RequestOutcome.NOT_SENT, Stage.RESOLVED)


def test_a_network_without_a_way_there_sent_nothing():
    nowhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("255.255.255.255", 9))]
    attempt = Attempt("http://phonepe.test/pay", 5, Session(resolver=Resolver(lambda *_, **__: nowhere)))
    assert attempt.failure.outcome is RequestOutcome.NOT_SENT
    assert attempt.failure.category is ErrorCategory.NETWORK_UNREACHABLE


def test_a_silent_tls_handshake_sent_nothing(trusting):
    with Server(faults.is_silent) as server:
        attempt = Attempt("https://phonepe.test/pay", SOON, trusting(server.port))
    assert attempt.outcome == (ErrorCategory.TLS_ERROR, RequestOutcome.NOT_SENT, Stage.CONNECTED)
    assert attempt.seconds < NEVER_MORE_THAN


def test_a_tls_handshake_cut_short_sent_nothing(trusting):
    with Server(faults.resets) as server:
        attempt = Attempt("https://phonepe.test/pay", 5, trusting(server.port))
    assert attempt.outcome == (ErrorCategory.CONNECTION_RESET, RequestOutcome.NOT_SENT, Stage.CONNECTED)


def test_something_that_speaks_no_tls_sent_nothing(trusting):
    with Server(faults.answers(b"SSH-2.0-OpenSSH\r\n")) as server:
        attempt = Attempt("https://phonepe.test/pay", SOON, trusting(server.port))
    assert (attempt.failure.category, attempt.failure.outcome) == (
        ErrorCategory.TLS_ERROR,
        RequestOutcome.NOT_SENT,
    )


BAD_CERTIFICATES = {
    "another host": {"names": ["other.test"]},
    "expired": {"names": ["phonepe.test"], "ends": -YEAR / 12},
    "not yet valid": {"names": ["phonepe.test"], "starts": YEAR / 12},
}


@pytest.mark.parametrize("bad", BAD_CERTIFICATES.values(), ids=BAD_CERTIFICATES.keys())
def test_a_bad_certificate_gets_nothing_from_us(authority, trusting, bad):
    times = {name: value for name, value in bad.items() if name != "names"}
    with Server(faults.answers(), authority.issue(*bad["names"], **times)) as server:
        attempt = Attempt("https://phonepe.test/pay", 5, trusting(server.port))
    assert attempt.outcome == (ErrorCategory.TLS_ERROR, RequestOutcome.NOT_SENT, Stage.CONNECTED)
    assert server.requests == []


def test_a_certificate_of_a_stranger_gets_nothing_from_us(authority, trusting):
    with Server(faults.answers(), authority.issue("phonepe.test")) as server:
        attempt = Attempt("https://phonepe.test/pay", 5, trusting(server.port, verify=False))
    assert attempt.outcome == (ErrorCategory.TLS_ERROR, RequestOutcome.NOT_SENT, Stage.CONNECTED)
    assert server.requests == []


def test_without_the_file_of_whom_to_trust_nothing_is_sent(tmp_path):
    with Server(faults.answers()) as server:
        session = Session(str(tmp_path / "gone.pem"), address_of(server.port))
        attempt = Attempt("https://phonepe.test/pay", 5, session)
    assert (attempt.failure.outcome, attempt.stage) == (RequestOutcome.NOT_SENT, Stage.STARTED)
    assert server.connections == 0


def test_a_proxy_that_refuses_is_named(trusting):
    attempt = Attempt("https://phonepe.test/pay", 5, trusting(faults.refusing_port()), proxy=PROXY)
    assert (attempt.failure.category, attempt.failure.outcome) == (
        ErrorCategory.PROXY_ERROR,
        RequestOutcome.NOT_SENT,
    )


@pytest.mark.parametrize("behave", [faults.wants_a_login, faults.reads_and_resets, faults.reads_and_hangs_up])
def test_a_proxy_that_opens_no_tunnel_is_named(trusting, behave):
    with Server(behave) as proxy:
        attempt = Attempt("https://phonepe.test/pay", 5, trusting(proxy.port), proxy=PROXY)
    assert attempt.outcome == (ErrorCategory.PROXY_ERROR, RequestOutcome.NOT_SENT, Stage.CONNECTED)


@pytest.mark.parametrize("behave", [faults.reads_and_is_silent, faults.drips(b"HTTP/1.1 200 OK\r\nX: ")])
def test_a_silent_proxy_is_named_within_the_deadline(trusting, behave):
    with Server(behave) as proxy:
        attempt = Attempt("https://phonepe.test/pay", SOON, trusting(proxy.port), proxy=PROXY)
    assert attempt.outcome == (ErrorCategory.PROXY_ERROR, RequestOutcome.NOT_SENT, Stage.CONNECTED)
    assert attempt.seconds < NEVER_MORE_THAN


# --- it may have arrived ---


@pytest.mark.parametrize(
    "behave",
    [faults.resets, faults.reads_and_resets, faults.reads_and_hangs_up],
    ids=lambda each: each.__name__,
)
def test_a_connection_that_breaks_after_sending_may_have_delivered(behave):
    with Server(behave) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", 5)
    assert attempt.outcome == (ErrorCategory.CONNECTION_RESET, RequestOutcome.AMBIGUOUS, Stage.SENT)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SLOW = {
    "silence": (faults.reads_and_is_silent, Stage.SENT),
    "dripping headers": (faults.drips(HEAD + b"X-Slow: "), Stage.SENT),
    "dripping body": (faults.drips(HEAD + b"Content-Length: 100000\r\n\r\n"), Stage.HEADERS),
}


@pytest.mark.parametrize(("behave", "stage"), SLOW.values(), ids=SLOW.keys())
def test_however_slowly_it_comes_the_deadline_holds(behave, stage):
    with Server(behave) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay")
    assert attempt.outcome == (ErrorCategory.READ_TIMEOUT, RequestOutcome.AMBIGUOUS, stage)
    assert SOON / 2 < attempt.seconds < NEVER_MORE_THAN


@pytest.mark.parametrize(("behave", "stage"), SLOW.values(), ids=SLOW.keys())
def test_the_deadline_holds_behind_tls_too(authority, trusting, behave, stage):
    with Server(behave, authority.issue("phonepe.test")) as server:
        attempt = Attempt("https://phonepe.test/pay", 2 * SOON, trusting(server.port))
    assert attempt.outcome == (ErrorCategory.READ_TIMEOUT, RequestOutcome.AMBIGUOUS, stage)
    assert attempt.seconds < NEVER_MORE_THAN


def test_an_answer_of_twenty_megabytes_is_not_read_to_its_end():
    with Server(faults.floods) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", 5)
    assert attempt.outcome == (ErrorCategory.BAD_RESPONSE, RequestOutcome.AMBIGUOUS, Stage.HEADERS)


def test_a_head_without_end_is_not_read_to_its_end():
    with Server(faults.answers(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000)) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", 5)
    assert (attempt.failure.category, attempt.failure.outcome) == (
        ErrorCategory.BAD_RESPONSE,
        RequestOutcome.AMBIGUOUS,
    )


def test_half_an_answer_is_none():
    half = HEAD + b"Content-Length: 100\r\n\r\n{"

    def behave(server, sock):
        faults.read_request(server, sock)
        sock.sendall(half)

    with Server(behave) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", 5)
    assert attempt.outcome == (ErrorCategory.CONNECTION_RESET, RequestOutcome.AMBIGUOUS, Stage.HEADERS)


# --- the settings' caps ---


def test_connecting_never_takes_longer_than_its_cap(settings):
    settings.PHONEPE_CONNECT_TIMEOUT = SOON
    with faults.unanswered_port() as port:
        attempt = Attempt(f"http://127.0.0.1:{port}/pay", 60)
    assert attempt.failure.category is ErrorCategory.CONNECTION_TIMEOUT
    assert attempt.seconds < NEVER_MORE_THAN


def test_answering_never_takes_longer_than_its_cap(settings):
    settings.PHONEPE_READ_TIMEOUT = SOON
    with Server(faults.reads_and_is_silent) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", 60)
    assert attempt.failure.category is ErrorCategory.READ_TIMEOUT
    assert attempt.seconds < NEVER_MORE_THAN


def test_a_try_without_any_time_left_sends_nothing():
    with Server(faults.answers()) as server:
        attempt = Attempt(f"http://127.0.0.1:{server.port}/pay", 0)
    assert attempt.failure.outcome is RequestOutcome.NOT_SENT
    assert server.connections == 0


# --- deadline and resolver ---


def test_a_deadline_within_a_deadline_is_never_later():
    clock = Clock()
    deadline = Deadline(10, clock)
    clock.now += 4
    assert deadline.remaining() == deadline.within(60).remaining() == 6
    assert deadline.within(2).remaining() == 2
    clock.now += 7
    assert deadline.expired
    assert deadline.remaining() == 0


def test_many_who_ask_for_one_name_wait_for_one_look_up():
    asked, answer = [], threading.Event()

    def lookup(host, *_, **__):
        asked.append(host)
        answer.wait(10)
        return []

    resolver, got = Resolver(lookup), []
    threads = [
        threading.Thread(target=lambda: got.append(resolver.addresses("a.test", 443, 5))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    while not asked:
        time.sleep(0.001)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            resolver.addresses("a.test", 443, 0)
    assert asked == ["a.test"]
    answer.set()
    for thread in threads:
        thread.join()
    assert got == [[]] * 5
    before = len(asked)  # a thread that was late has asked by itself
    resolver.addresses("a.test", 443, 5)
    assert len(asked) == before + 1


def test_who_asks_again_after_an_answer_gets_a_new_one():
    numbers = itertools.count()
    resolver = Resolver(lambda *_, **__: [next(numbers)])
    heard = [resolver.addresses("a.test", 443, 5) for _ in range(2_000)]
    assert heard == [[number] for number in range(2_000)]


def test_a_look_up_that_could_not_begin_sent_nothing_and_is_begun_anew(monkeypatch):
    def no_thread(thread):
        raise RuntimeError("can't start new thread")

    with Server(faults.answers()) as server:
        session = Session(resolver=address_of(server.port))
        with monkeypatch.context() as machine:
            machine.setattr(threading.Thread, "start", no_thread)
            attempt = Attempt("http://phonepe.test/pay", 5, session)
        again = Attempt("http://phonepe.test/pay", 5, session)
    assert (attempt.failure.outcome, attempt.stage) == (RequestOutcome.NOT_SENT, Stage.STARTED)
    assert again.answer.http_status == 200


def run(program):
    """What a Python process of its own prints."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "okpuja.settings"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


def test_a_silent_name_server_does_not_keep_the_process_from_ending():
    program = """
import threading
from payment.phonepe.transport import Resolver
try:
    Resolver(lambda *_, **__: threading.Event().wait()).addresses("a.test", 443, 0.05)
except TimeoutError:
    print("gave up")
"""
    assert run(program) == "gave up"


# --- the session of the process ---


def test_a_process_has_one_session_until_its_settings_change(settings):
    settings.PHONEPE_SIMULATION_MODE = False
    first = transport.session()
    assert transport.session() is first
    settings.PHONEPE_CA_BUNDLE = "/etc/our-authority.pem"
    assert transport.session() is not first
    assert transport.session().verify == "/etc/our-authority.pem"
    settings.PHONEPE_SSL_VERIFY = False
    assert transport.session().verify is False


def test_a_forked_process_makes_a_session_of_its_own():
    program = """
import os
import django
django.setup()
from payment.phonepe import transport
before = transport.session()
if os.fork() == 0:
    print("another" if transport.session() is not before else "the same", flush=True)
    os._exit(0)
os.wait()
"""
    assert run(program) == "another"


@pytest.mark.only_postgresql  # SQLite has no pool that others wait for
@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_phonepe_with_a_connection_in_hand():
    connection.ensure_connection()
    with Server(faults.answers()) as server:
        assert Attempt(f"http://127.0.0.1:{server.port}/pay", 5).answer
    assert connection.connection is None


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_not_even_a_connection_is_opened():
    with Server(faults.answers()) as server, transaction.atomic(), pytest.raises(InTransaction):
        Attempt(f"http://127.0.0.1:{server.port}/pay", 5)
    assert server.connections == 0
