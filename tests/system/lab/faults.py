"""What can be wrong on the way to one host: the name, the connection, TLS, the answer.

Each row says what a diagnosis makes of it when it befalls both addresses of PhonePe and nobody else (`culprit`),
all that is PhonePe's (`of_phonepe`), or everybody (`of_all`). "" where that is no case of its own.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from diagnostics.enums import Culprit, Finding, Verdict
from tests.harness.certificates import YEAR
from tests.integration.wire.faults import message
from tests.system.lab import actors
from tests.system.lab.actors import Answer, Behaviour
from tests.system.lab.testbed import Host, Testbed

Break = Callable[[Testbed, Host], None]

PAGE = b"<html><title>Web Page Blocked</title></html>"
PORTAL = b"<html><title>Welcome, please log in</title></html>"
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # TLS: fatal, handshake failure
HTML = "text/html"


@dataclass(frozen=True)
class Fault:
    """`finding`: at the layer that failed. `generations`: where PhonePe has such a thing."""

    title: str
    breaks: Break
    verdict: Verdict
    finding: str
    culprit: str
    of_phonepe: str = ""
    of_all: str = ""
    of_all_verdict: Verdict | None = None
    generations: tuple[str, ...] = ("v1", "v2")


def named(said: object, address: str = "") -> Break:
    """The name server says so; what leads elsewhere leads to `address`."""

    def breaks(testbed: Testbed, host: Host) -> None:
        host.told = [address] if address else said

    return breaks


def refused(testbed: Testbed, host: Host) -> None:
    host.listens = False


def dropped(testbed: Testbed, host: Host) -> None:
    host.is_deaf = True


def has_no_route(testbed: Testbed, host: Host) -> None:
    host.lives_here = False


def routed(kind: str) -> Break:
    def breaks(testbed: Testbed, host: Host) -> None:
        host.lives_here = False
        testbed.commands.append(f"ip route add {kind} {host.address}")

    return breaks


def behaves(behaviour: Behaviour) -> Break:
    def breaks(testbed: Testbed, host: Host) -> None:
        host.behave = behaviour

    return breaks


def answers(answer: Answer) -> Break:
    def breaks(testbed: Testbed, host: Host) -> None:
        host.answer = answer

    return breaks


def shows(*names: str, by: str = "public", starts: timedelta = -2 * YEAR, ends: timedelta = YEAR) -> Break:
    """A certificate by one of the testbed's authorities; without `names` for the host's own."""

    def breaks(testbed: Testbed, host: Host) -> None:
        authority = getattr(testbed, by)
        host.certificate = authority.issue(*(names or (host.name,)), starts=starts, ends=ends)

    return breaks


def speaks_old_tls(testbed: Testbed, host: Host) -> None:
    assert host.certificate
    behave = actors.answering(host.answer)
    host.behave = actors.secured(host.certificate, behave, ssl.TLSVersion.TLSv1_1)


def is_replaced_by_a_portal(testbed: Testbed, host: Host) -> None:
    """By a network whose authority this server was made to trust."""
    shows(by="trusted")(testbed, host)
    answers(actors.says(200, PORTAL, HTML))(testbed, host)


def is_resolved_only_by_the_name_server(testbed: Testbed, host: Host) -> None:
    testbed.files["/etc/nsswitch.conf"] = "hosts: files\n"


HOSTING, PHONEPE = Culprit.HOSTING, Culprit.PHONEPE
CONFIGURATION, THIS_SERVER = Culprit.CONFIGURATION, Culprit.THIS_SERVER
SHUT = (PHONEPE, HOSTING, HOSTING)  # at both of its addresses, at all of PhonePe's, at everybody's
MISLED = (HOSTING, HOSTING)
CLOCK = timedelta(minutes=12)

NAMES = (
    Fault("name unknown", named("NXDOMAIN"), Verdict.DNS_FAILURE, Finding.NAME_UNKNOWN, HOSTING, HOSTING, HOSTING),
    Fault(
        "name server fails", named("SERVFAIL"), Verdict.DNS_FAILURE, Finding.NAME_SERVER_FAILED,
        HOSTING, HOSTING, HOSTING,
    ),
    Fault(
        "name server silent", named("silence"), Verdict.DNS_FAILURE, Finding.NAME_SERVER_SILENT,
        HOSTING, HOSTING, HOSTING,
    ),
    Fault(
        "name leads into a private network", named(None, "10.66.0.1"), Verdict.DNS_FAILURE,
        Finding.PRIVATE_ANSWER, *MISLED,
    ),
    Fault(
        "name leads into a sinkhole", named(None, "127.0.0.66"), Verdict.DNS_FAILURE, Finding.SINKHOLE_ANSWER,
        *MISLED,
    ),
)  # fmt: skip
CONNECTIONS = (
    Fault("refused", refused, Verdict.CONNECTION_REFUSED, Finding.REFUSED, *SHUT),
    Fault("packets dropped", dropped, Verdict.CONNECTION_TIMEOUT, Finding.SILENT, *SHUT),
    Fault("no route", has_no_route, Verdict.NETWORK_UNREACHABLE, Finding.UNREACHABLE, *SHUT),
    Fault("rejected by a route", routed("unreachable"), Verdict.NETWORK_UNREACHABLE, Finding.UNREACHABLE, *SHUT),
    Fault("prohibited by a route", routed("prohibit"), Verdict.NETWORK_UNREACHABLE, Finding.UNREACHABLE, *SHUT),
    Fault("a route into nothing", routed("blackhole"), Verdict.NETWORK_UNREACHABLE, Finding.UNREACHABLE, *SHUT),
    Fault("cut as TLS begins", behaves(actors.cut), Verdict.CONNECTION_RESET, Finding.RESET, *SHUT),
)  # fmt: skip
TLS = (
    Fault("certificate of an unknown authority", shows("router.example", by="stranger"), Verdict.TLS_UNTRUSTED,
          Finding.UNTRUSTED, HOSTING, of_all=HOSTING),
    Fault("certificate without its issuer", shows(by="stranger"), Verdict.TLS_UNTRUSTED, Finding.CHAIN_INCOMPLETE,
          HOSTING, of_all=HOSTING),
    Fault("certificate expired", shows(ends=-timedelta(days=1)), Verdict.TLS_EXPIRED, Finding.EXPIRED,
          PHONEPE, of_all=THIS_SERVER, of_all_verdict=Verdict.CLOCK_SKEW),
    Fault("certificate not yet valid", shows(starts=timedelta(days=1)), Verdict.TLS_EXPIRED, Finding.NOT_YET_VALID,
          PHONEPE, of_all=THIS_SERVER, of_all_verdict=Verdict.CLOCK_SKEW),
    Fault("certificate of another name", shows("shop.example"), Verdict.TLS_HOSTNAME_MISMATCH, Finding.WRONG_HOST,
          HOSTING),
    Fault("TLS too old", speaks_old_tls, Verdict.TLS_HANDSHAKE_FAILED, Finding.PROTOCOL_TOO_OLD, *SHUT),
    Fault("no TLS", behaves(actors.tell(message(400, b""))), Verdict.TLS_HANDSHAKE_FAILED, Finding.NOT_TLS,
          *SHUT[:2]),
    Fault("handshake refused", behaves(actors.tell(ALERT)), Verdict.TLS_HANDSHAKE_FAILED,
          Finding.HANDSHAKE_REFUSED, *SHUT[:2]),
    Fault("handshake silent", behaves(actors.listen_only), Verdict.TLS_HANDSHAKE_FAILED,
          Finding.HANDSHAKE_SILENT, *SHUT),
)  # fmt: skip
ANSWERS = (
    Fault("firewall's page", answers(actors.says(403, PAGE, HTML)), Verdict.HTTP_BLOCKED, Finding.FIREWALL_PAGE,
          PHONEPE, of_all=HOSTING),
    Fault("captive portal", is_replaced_by_a_portal, Verdict.HTTP_BLOCKED, Finding.CAPTIVE_PORTAL,
          "", of_all=HOSTING),
    Fault("sent elsewhere", answers(actors.says(302, b"", "text/plain", "Location: https://elsewhere.example/")),
          Verdict.HTTP_BLOCKED, Finding.REDIRECT, CONFIGURATION),
    Fault("too many requests", answers(actors.says(429, b'{"code": "TOO_MANY_REQUESTS"}')), Verdict.RATE_LIMITED,
          Finding.TOO_MANY, PHONEPE),
    Fault("error 500", answers(actors.says(500, b'{"code": "INTERNAL_SERVER_ERROR"}')), Verdict.PHONEPE_DOWN,
          Finding.SERVER_ERROR, PHONEPE),
    Fault("502 with a page", answers(actors.says(502, PAGE, HTML)), Verdict.PHONEPE_DOWN, Finding.SERVER_ERROR,
          PHONEPE),
    Fault("broken JSON", answers(actors.only_questions(actors.says(200, b'{"success": tr'))),
          Verdict.PHONEPE_DOWN, Finding.NOT_AS_EXPECTED, PHONEPE),
    Fault("silent to every request", answers(actors.wait_for_ever), Verdict.PHONEPE_DOWN, Finding.NO_ANSWER,
          PHONEPE),
    Fault("silent to our status request", answers(actors.only_questions(actors.wait_for_ever)), Verdict.PHONEPE_DOWN,
          Finding.NOT_AS_EXPECTED, PHONEPE),
    Fault("cut after the request", answers(actors.hang_up), Verdict.CONNECTION_RESET, Finding.CUT, *SHUT[:2]),
)  # fmt: skip
FAULTS = (*NAMES, *CONNECTIONS, *TLS, *ANSWERS)
