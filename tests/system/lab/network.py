"""Rows about the network to PhonePe: every fault at the first address, the second, both, all of PhonePe, everybody."""

from collections.abc import Callable, Iterator

from diagnostics.enums import Finding, Verdict
from tests.integration.wire.faults import message
from tests.system.lab import actors
from tests.system.lab.actors import Behaviour
from tests.system.lab.case import NONE, OK, Case, nothing
from tests.system.lab.faults import (
    CONFIGURATION,
    FAULTS,
    PHONEPE,
    THIS_SERVER,
    Fault,
    is_resolved_only_by_the_name_server,
)
from tests.system.lab.testbed import LOGIN, PROXY, SANDBOX, Host, Testbed

GENERATIONS = ("v1", "v2")
TOKENS = "identity.phonepe.com"
Hosts = Callable[[Testbed], tuple[Host, ...]]
ONE: dict[str, Hosts] = {
    "first": lambda testbed: (testbed.first,),
    "second": lambda testbed: (testbed.second,),
}
MORE: dict[str, tuple[Hosts, str]] = {
    "both": (lambda testbed: testbed.endpoints, "culprit"),
    "all of PhonePe": (lambda testbed: testbed.phonepes, "of_phonepe"),
    "all hosts": (lambda testbed: testbed.everybody, "of_all"),
}


def rows() -> Iterator[Case]:
    for generation in GENERATIONS:
        yield Case("all is well", generation, "", nothing, OK, NONE)
        for fault in FAULTS:
            yield from _at_one(fault, generation)
            yield from _at_many(fault, generation)
        yield from _proxies(generation)
        yield _only_the_name_server_knows(generation)
    yield from _tokens()


def _at_one(fault: Fault, generation: str) -> Iterator[Case]:
    """Payments take the other address, and what is broken is told. A pause that PhonePe asks for is kept for all."""
    for where, hosts in ONE.items():
        arrange = _breaking(fault, hosts)
        named = {"first": "api-preprod.phonepe.com", "second": "api-preprod-2.phonepe.com"}[where]
        is_for_all = (
            where == "first" and fault.verdict is Verdict.RATE_LIMITED
        )  # PhonePe counts a merchant's requests
        if is_for_all:
            yield Case(
                fault.title, generation, where, arrange, fault.verdict, fault.culprit, fault.finding, hosts
            )
        else:
            yield Case(fault.title, generation, where, arrange, OK, NONE, fault.finding, hosts, named=named)


def _at_many(fault: Fault, generation: str) -> Iterator[Case]:
    for where, (hosts, said) in MORE.items():
        if culprit := getattr(fault, said):
            verdict = (said == "of_all" and fault.of_all_verdict) or fault.verdict
            arrange = _breaking(fault, hosts)
            endpoints = MORE["both"][0]
            yield Case(fault.title, generation, where, arrange, verdict, culprit, fault.finding, endpoints)


def _breaking(fault: Fault, hosts: Hosts) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        for host in hosts(testbed):
            fault.breaks(testbed, host)

    return arrange


def _only_the_name_server_knows(generation: str) -> Case:
    def arrange(testbed: Testbed) -> None:
        is_resolved_only_by_the_name_server(testbed, testbed.first)

    return Case(
        "this system asks no name server", generation, "all hosts", arrange, Verdict.DNS_FAILURE, THIS_SERVER,
        Finding.SYSTEM_RESOLVER_FAILED, lambda testbed: testbed.endpoints,
    )  # fmt: skip


def _tokens() -> Iterator[Case]:
    """V2 may fetch its tokens from another host: that is a target of its own."""
    for title, change, verdict, culprit, finding in (
        ("tokens from another host", {}, OK, NONE, ""),
        ("token host refused", {"listens": False}, Verdict.CONNECTION_REFUSED, PHONEPE, Finding.REFUSED),
        ("token host drops packets", {"is_deaf": True}, Verdict.CONNECTION_TIMEOUT, PHONEPE, Finding.SILENT),
    ):
        yield Case(title, "v2", "tokens", _fetching_tokens(change), verdict, culprit, finding, _token_host)


def _fetching_tokens(change: dict[str, object]) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        testbed.settings["PHONEPE_FALLBACK_BASE_URLS"] = []
        testbed.settings["PHONEPE_BASE_URL"] = f"https://{testbed.first.name}{SANDBOX}"
        testbed.settings["PHONEPE_AUTH_BASE_URL"] = f"https://{TOKENS}{SANDBOX}"
        vars(testbed.add_host(TOKENS, "198.51.100.4", 443, None)).update(change)

    return arrange


def _token_host(testbed: Testbed) -> tuple[Host, ...]:
    return (testbed.hosts[TOKENS],)


def _proxies(generation: str) -> Iterator[Case]:
    well = actors.proxy(LOGIN)
    yield Case("a proxy that works", generation, "both", lambda testbed: testbed.uses_proxy(well), OK, NONE)
    slow = actors.proxy(LOGIN, thinks=1.0)
    yield Case("a proxy that takes a second", generation, "both", _behind(slow, _set()), OK, NONE)
    for title, behave, change, finding in PROXY_FAULTS:
        arrange = _behind(behave, change)
        yield Case(
            title, generation, "both", arrange, Verdict.PROXY_FAILURE, CONFIGURATION, finding,
            lambda testbed: testbed.endpoints, named=f"{PROXY}:3128",
        )  # fmt: skip
    yield _around(generation)
    yield _beside(generation)


def _behind(behave: Behaviour, change: Callable[[Host], object]) -> Callable[[Testbed], None]:
    return lambda testbed: _changed(testbed.uses_proxy(behave), change)


def _changed(host: Host, change: Callable[[Host], object]) -> None:
    change(host)


def _set(**told: object) -> Callable[[Host], None]:
    return lambda host: vars(host).update(told)


PROXY_FAULTS = (
    ("proxy refused", actors.listen_only, _set(listens=False), Finding.PROXY_REFUSED),
    ("proxy drops packets", actors.listen_only, _set(is_deaf=True), Finding.PROXY_SILENT),
    ("proxy silent", actors.listen_only, _set(), Finding.PROXY_SILENT),
    ("proxy without a route", actors.listen_only, _set(lives_here=False), Finding.PROXY_UNREACHABLE),
    ("proxy's name unknown", actors.listen_only, _set(told="NXDOMAIN"), Finding.PROXY_NAME_UNKNOWN),
    ("proxy knows another login", actors.proxy("other:login"), _set(), Finding.PROXY_WANTS_LOGIN),
    ("proxy forbids CONNECT", actors.proxy(LOGIN, 403), _set(), Finding.PROXY_FORBIDS),
    ("proxy gets nowhere", actors.proxy(LOGIN, 502), _set(), Finding.PROXY_GETS_NOWHERE),
    ("proxy hangs up", actors.cut, _set(), Finding.PROXY_FORBIDS),
    ("proxy answers 400", actors.proxy(LOGIN, 400), _set(), Finding.PROXY_FORBIDS),
    ("proxy knows no CONNECT (405)", actors.proxy(LOGIN, 405), _set(), Finding.PROXY_FORBIDS),
    ("proxy finds nothing (404)", actors.proxy(LOGIN, 404), _set(), Finding.PROXY_FORBIDS),
    ("proxy fails (500)", actors.proxy(LOGIN, 500), _set(), Finding.PROXY_GETS_NOWHERE),
    ("proxy is full (503)", actors.proxy(LOGIN, 503), _set(), Finding.PROXY_GETS_NOWHERE),
    ("proxy times out (504)", actors.proxy(LOGIN, 504), _set(), Finding.PROXY_GETS_NOWHERE),
    ("proxy asks everybody for a login", actors.proxy(LOGIN, 407), _set(), Finding.PROXY_WANTS_LOGIN),
    (
        "proxy sends to a login page (302)",
        actors.tell(message(302, b"", "text/html", "Location: http://login.hosting.example/")),
        _set(),
        Finding.PROXY_FORBIDS,
    ),
    ("proxy speaks something else", actors.tell(b"SSH-2.0-OpenSSH_9.2\r\n"), _set(), Finding.PROXY_FORBIDS),
    (
        "proxy opens and says nothing",
        actors.tell_and_wait(b"HTTP/1.1 200 Connection established\r\n\r\n"),
        _set(),
        Finding.HANDSHAKE_SILENT,
    ),
    (
        "proxy opens and hangs up",
        actors.tell_and_hang_up(b"HTTP/1.1 200 Connection established\r\n\r\n"),
        _set(),
        Finding.HANDSHAKE_REFUSED,
    ),
    ("proxy's name server fails", actors.listen_only, _set(told="SERVFAIL"), Finding.PROXY_NAME_UNKNOWN),
)


def _through_proxy(testbed: Testbed) -> Host:
    """The second way to the same host."""
    address = f"https://{testbed.first.name}{SANDBOX}"
    host = testbed.uses_proxy(actors.proxy(LOGIN))
    testbed.settings["PHONEPE_FALLBACK_BASE_URLS"] = [f"{address}|proxy=http://{LOGIN}@{PROXY}:3128"]
    del testbed.settings["PHONEPE_PROXY_URL"]
    return host


def _around(generation: str) -> Case:
    """This server's way ends in nothing, the proxy has another one."""

    def arrange(testbed: Testbed) -> None:
        testbed.first.told = ["198.51.100.66"]
        way = {testbed.first.name: testbed.first.address}
        _through_proxy(testbed).behave = actors.proxy(LOGIN, leads_to=way)

    return Case(
        "shut directly, open by the proxy", generation, "first", arrange, OK, NONE, named="hosting provider"
    )


def _beside(generation: str) -> Case:
    def arrange(testbed: Testbed) -> None:
        _through_proxy(testbed).listens = False

    return Case("the second way's proxy refused", generation, "second", arrange, OK, NONE, named=PROXY)
