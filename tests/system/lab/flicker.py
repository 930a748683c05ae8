"""Rows about what breaks between the probe and our question, and about names that are resolved slowly."""

import socket
import threading
from collections.abc import Callable, Iterator

from diagnostics.enums import Finding, Verdict
from tests.integration.wire.endpoints import Request
from tests.system.lab import actors
from tests.system.lab.actors import Behaviour
from tests.system.lab.case import NONE, OK, Case
from tests.system.lab.faults import ALERT, HOSTING, PHONEPE
from tests.system.lab.testbed import Host, Testbed

V, F = Verdict, Finding
Arrange = Callable[[Testbed], None]


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for title, arrange, verdict, culprit in FLICKERS:
            yield Case(title, generation, "after the probe", arrange, verdict, culprit)
        for seconds in (1.2, 2.2, 3.0):
            yield Case(
                f"name server takes {seconds} s", generation, "all hosts", slow(seconds), OK, NONE,
                F.NAME_SERVER_SLOW, lambda testbed: testbed.endpoints, named="/etc/resolv.conf",
            )  # fmt: skip
        yield Case(
            "name server slow, secret wrong", generation, "all hosts", slow_and_refused, V.BAD_CREDENTIALS,
            "credentials", F.NAME_SERVER_SLOW, lambda testbed: testbed.endpoints, named="name server is slow",
        )  # fmt: skip


def slow(seconds: float) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        testbed.name_server_seconds = seconds

    return arrange


def slow_and_refused(testbed: Testbed) -> None:
    testbed.name_server_seconds = 1.5
    wrong = {"PHONEPE_SALT_KEY": "not-the-salt-key", "PHONEPE_CLIENT_SECRET": "not-the-client-secret"}
    testbed.settings.update({name: value for name, value in wrong.items() if testbed.settings[name]})


def names_then_say(said: object, *, of_all: bool = False) -> Arrange:
    """The name server changes its mind once both addresses have been probed."""

    def arrange(testbed: Testbed) -> None:
        probed = [when_probed(host) for host in testbed.endpoints]
        for host in testbed.everybody if of_all else testbed.endpoints:
            host.told = _then([host.address], said, probed)

    return arrange


def _then(before: object, after: object, probed: list[threading.Event]) -> Callable[[], object]:
    return lambda: after if all(event.is_set() for event in probed) else before


def when_probed(host: Host) -> threading.Event:
    """Set when the host has answered a probe; its certificate has been read soon after."""
    probed, answer = threading.Event(), host.answer

    def tell(request: Request) -> bytes:
        said = answer(request)
        probed.set()
        return said

    host.answer = tell
    return probed


def then_refuses(testbed: Testbed) -> None:
    for host in testbed.endpoints:
        host.answer = _closing(host, host.answer)


def _closing(host: Host, answer: actors.Answer) -> actors.Answer:
    def answer_and_close(request: Request) -> bytes:
        if host.listener:
            host.listener.shutdown(socket.SHUT_RDWR)
        return answer(request)

    return answer_and_close


def then_behaves(behaviour: Callable[[Testbed, Host], Behaviour]) -> Arrange:
    """Each address of payments, from the moment on when it has answered a probe."""

    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            probed = when_probed(host)
            assert host.certificate
            before = actors.secured(host.certificate, actors.answering(host.answer))
            host.behave = _either(before, behaviour(testbed, host), probed)

    return arrange


def _either(before: Behaviour, after: Behaviour, probed: threading.Event) -> Behaviour:
    return lambda connection: (after if probed.is_set() else before)(connection)


def strangely(testbed: Testbed, host: Host) -> Behaviour:
    return actors.secured(testbed.stranger.issue("router.example"), actors.answering(actors.phonepe))


FLICKERS: tuple[tuple[str, Arrange, Verdict, str], ...] = (
    ("name server then fails", names_then_say("SERVFAIL"), V.DNS_FAILURE, HOSTING),
    ("name then unknown", names_then_say("NXDOMAIN"), V.DNS_FAILURE, HOSTING),
    ("name server then silent", names_then_say("silence"), V.DNS_FAILURE, HOSTING),
    ("name server then fails for all", names_then_say("SERVFAIL", of_all=True), V.DNS_FAILURE, HOSTING),
    ("then refused", then_refuses, V.CONNECTION_REFUSED, PHONEPE),
    ("then cut as TLS begins", then_behaves(lambda *_: actors.cut), V.CONNECTION_RESET, PHONEPE),
    ("handshake then silent", then_behaves(lambda *_: actors.listen_only), V.TLS_HANDSHAKE_FAILED, PHONEPE),
    ("handshake then refused", then_behaves(lambda *_: actors.tell(ALERT)), V.TLS_HANDSHAKE_FAILED, PHONEPE),
    ("certificate then of an unknown authority", then_behaves(strangely), V.TLS_UNTRUSTED, HOSTING),
)
