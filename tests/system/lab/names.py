"""Rows about name servers and addresses that work by halves: for one kind of record, one name, one address family."""

from collections.abc import Callable, Iterator

from diagnostics.enums import Finding, Verdict
from tests.system.lab import actors
from tests.system.lab.actors import Behaviour
from tests.system.lab.case import NONE, OK, Case
from tests.system.lab.faults import HOSTING, THIS_SERVER
from tests.system.lab.installation import NAME_SERVER
from tests.system.lab.testbed import Host, Testbed

V, F = Verdict, Finding
Arrange = Callable[[Testbed], None]
DEAD_SERVER, SIXTH = "203.0.113.54", "2001:db8::66"


def rows() -> Iterator[Case]:
    for title, arrange, finding, named in SLOW:
        yield Case(title, "v2", "all hosts", arrange, OK, NONE, finding, _first, named=named)
    for title, arrange, verdict, culprit, finding, named in FAILING:
        yield Case(title, "v2", "all hosts", arrange, verdict, culprit, finding, _endpoints, named=named)
    for address in ("192.168.1.1", "172.31.0.9", "100.64.3.2", "169.254.169.254", "fd00::7", "fe80::1"):
        yield Case(
            f"name leads to {address}", "v2", "both", _leading_to(address), V.DNS_FAILURE, HOSTING, F.PRIVATE_ANSWER,
            _endpoints, named=address,
        )  # fmt: skip
    for address in ("0.0.0.0", "::", "::1", "127.0.0.2"):  # noqa: S104
        yield Case(
            f"name leads to {address}", "v2", "both", _leading_to(address), V.DNS_FAILURE, HOSTING, F.SINKHOLE_ANSWER,
            _endpoints, named=address,
        )  # fmt: skip
    for title, behave, change, verdict, named in SIXTHS:
        culprit = NONE if verdict is OK else HOSTING
        yield Case(f"IPv6 {title}", "v2", "both", _half(behave, change), verdict, culprit, named=named)


def _first(testbed: Testbed) -> tuple[Host, ...]:
    return (testbed.first,)


def _endpoints(testbed: Testbed) -> tuple[Host, ...]:
    return testbed.endpoints


def _slow(**seconds: float) -> Arrange:
    return lambda testbed: testbed.slow_names.update(seconds)


def _first_is_slow(testbed: Testbed) -> None:
    testbed.slow_names[testbed.first.name] = 1.7


def _resolver_file(*lines: str) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        testbed.files["/etc/resolv.conf"] = "".join(f"{line}\n" for line in lines)
        testbed.silent_name_servers = (DEAD_SERVER,)

    return arrange


def _search(otherwise: str) -> Arrange:
    """As in a cluster: each name is looked up below the search domains first."""

    def arrange(testbed: Testbed) -> None:
        lines = (
            "search shop.svc.hosting.example hosting.example",
            f"nameserver {NAME_SERVER}",
            "options ndots:5",
        )
        _resolver_file(*lines)(testbed)
        testbed.other_names = otherwise

    return arrange


def _everybody_told(said: object) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        for host in testbed.everybody:
            host.told = said

    return arrange


def _phonepe_told(said: object) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            host.told = said

    return arrange


def _in_hosts_file(testbed: Testbed) -> None:
    """Somebody has tried something once, and forgot it."""
    lines = "".join(f"198.51.100.99 {host.name}\n" for host in testbed.endpoints)
    testbed.files["/etc/hosts"] = f"127.0.0.1 localhost\n{lines}"


def _leading_to(address: str) -> Arrange:
    return _phonepe_told([address])


def _half(behave: Behaviour, change: dict[str, object]) -> Arrange:
    """Both addresses of payments have an IPv6 address besides, at which this listens."""

    def arrange(testbed: Testbed) -> None:
        sixth = testbed.add_host("sixth.hosting.example", SIXTH, 443, behave)
        vars(sixth).update(change)
        for host in testbed.endpoints:
            host.more = (SIXTH,)

    return arrange


SLOW: tuple[tuple[str, Arrange, str, str], ...] = (
    ("name server slow for AAAA only", _slow(AAAA=1.5), F.NAME_SERVER_SLOW, NAME_SERVER),
    ("name server slow for A only", _slow(A=2.1), F.NAME_SERVER_SLOW, NAME_SERVER),
    ("name server slow for PhonePe's first name", _first_is_slow, F.NAME_SERVER_SLOW, "api-preprod.phonepe.com took"),
    ("first name server dead, one second each",
     _resolver_file(f"nameserver {DEAD_SERVER}", f"nameserver {NAME_SERVER}", "options timeout:1"), F.NAME_SERVER_SLOW,
     f"{DEAD_SERVER} does not answer"),
    ("search domains that are unknown", _search("NXDOMAIN"), "", "Nothing"),
)  # fmt: skip
FAILING: tuple[tuple[str, Arrange, Verdict, str, str, str], ...] = (
    ("first name server dead, five seconds each",
     _resolver_file(f"nameserver {DEAD_SERVER}", f"nameserver {NAME_SERVER}"), V.DNS_FAILURE, HOSTING,
     F.NAME_SERVER_SILENT, DEAD_SERVER),
    ("search domains that get no answer", _search("silence"), V.DNS_FAILURE, THIS_SERVER, F.SYSTEM_RESOLVER_FAILED,
     "search"),
    ("name server refuses us", _everybody_told("REFUSED"), V.DNS_FAILURE, HOSTING, F.NAME_SERVER_FAILED, NAME_SERVER),
    ("name server refuses PhonePe", _phonepe_told("REFUSED"), V.DNS_FAILURE, HOSTING, F.NAME_SERVER_FAILED,
     "api-preprod.phonepe.com"),
    ("names without any address", _phonepe_told([]), V.DNS_FAILURE, HOSTING, F.NAME_UNKNOWN, "api-preprod.phonepe.com"),
    ("answers truncated, no TCP", _phonepe_told("TRUNCATED"), V.DNS_FAILURE, HOSTING, F.NAME_SERVER_SILENT,
     "api-preprod.phonepe.com"),
    ("the hosts file knows another address", _in_hosts_file, V.NETWORK_UNREACHABLE, THIS_SERVER, F.UNREACHABLE,
     "/etc/hosts"),
)  # fmt: skip
SIXTHS: tuple[tuple[str, Behaviour, dict[str, object], Verdict, str], ...] = (
    ("refused", actors.listen_only, {"listens": False}, OK, ""),
    ("drops packets", actors.listen_only, {"is_deaf": True}, OK, ""),
    ("connects and says nothing (MTU)", actors.listen_only, {}, V.TLS_HANDSHAKE_FAILED, "IPv6"),
    ("connects and is cut", actors.cut, {}, V.CONNECTION_RESET, "IPv6"),
)
