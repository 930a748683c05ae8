"""Name resolution: by the system's resolver, which connections use, and by the name server itself.

The system's error says little ("Name or service not known") and not which name server was asked. So the name server is
queried directly as well: this distinguishes an unknown name from a server that fails or does not answer.
"""

import functools
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from core.logging import redact
from diagnostics.deadlines import begin, result, side_by_side
from diagnostics.enums import Finding
from okpuja.environment import name_server
from payment.phonepe.transport import Address, Deadline, Resolver

HOSTS_FILE = Path("/etc/hosts")
TIMEOUT = 3.0  # seconds for the name server; connections do not wait for it
SLOW_MS = 1000  # a healthy name server answers in less than a tenth
SINKHOLES = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128")))
PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            *("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
            *("fc00::/7", "fe80::/10"),
        ),
    )
)
FAMILY = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
# What the system's error means when no name server could be queried.
FINDING_OF_SYSTEM_ERROR = {
    socket.EAI_NONAME: Finding.NAME_UNKNOWN,
    socket.EAI_AGAIN: Finding.NAME_SERVER_FAILED,
}


class LookedUpResolver(Resolver):
    """Has looked all names up at the same time before requests need them: a slow name server costs one wait.

    A failure is kept as well, and raised to every request for that name.
    """

    def __init__(self, system: Resolver, peers: Iterable[tuple[str, int]], deadline: Deadline) -> None:
        super().__init__()
        self._system = system
        self._known: dict[tuple[str, int], list[Address] | OSError] = {}
        names = list(dict.fromkeys(peers))
        tasks = [functools.partial(self._find, *name, deadline) for name in names]
        self._known = {
            name: found for name, found in zip(names, side_by_side(tasks, deadline), strict=True) if found
        }

    def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        resolution = self._known.get((host, port))
        if isinstance(resolution, OSError):
            raise type(resolution)(*resolution.args)  # one object raised twice would be its own cause
        return resolution or self._system.addresses(host, port, seconds)

    def _find(self, host: str, port: int, deadline: Deadline) -> list[Address] | OSError | None:
        try:
            return self._system.addresses(host, port, deadline.remaining())
        except TimeoutError:
            return None  # its look-up goes on, and may end in the time of the request
        except OSError as error:
            return error


@dataclass(frozen=True)
class DnsClients:
    """`servers`: "address" or "address:port" to query; () those of this system; None: query none."""

    system: Resolver = field(default_factory=Resolver)
    servers: Sequence[str] | None = ()


@dataclass(frozen=True)
class NameServerAnswer:
    """`finding` is "" when the name server has answered with addresses. `silent`: those that were tried before it."""

    addresses: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    finding: str = ""
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolution:
    """`addresses` come from the system's resolver. `error` is its exact message when it has none."""

    host: str
    addresses: tuple[Address, ...] = ()
    error: str = ""
    name_server: NameServerAnswer = field(default_factory=NameServerAnswer)
    finding: str = ""
    milliseconds: int = 0

    def of_family(self, family: str) -> tuple[str, ...]:
        """`family` is "ipv4" or "ipv6"."""
        addresses = (str(address[4][0]) for address in self.addresses if FAMILY.get(address[0]) == family)
        return tuple(dict.fromkeys(addresses))

    @property
    def all_addresses(self) -> tuple[str, ...]:
        return (*self.of_family("ipv4"), *self.of_family("ipv6"))

    @property
    def is_slow(self) -> bool:
        return bool(self.addresses) and self.milliseconds > SLOW_MS and not is_address(self.host)

    @property
    def source(self) -> str:
        """Who has answered, for people."""
        if is_address(self.host):
            return "given as an address"
        if self.is_from_file:
            return str(HOSTS_FILE)
        servers, silent = self.name_server.servers, self.name_server.silent
        unheard = f"; {', '.join(silent)} does not answer" if silent else ""
        return f"name server {', '.join(servers)}{unheard}" if servers else "system's resolver"

    @property
    def is_from_file(self) -> bool:
        """Somebody has written the name into the file of hosts, which the system reads first."""
        return self.host.lower() in _names_in_hosts_file()


@dataclass(frozen=True)
class PendingResolution:
    """The system has answered, with `addresses` or an `error`; the name server's answer may still be missing."""

    host: str
    addresses: tuple[Address, ...]
    error: OSError | None
    milliseconds: int
    query: "futures.Future[NameServerAnswer] | None"
    is_public: bool

    def finish(self, deadline: Deadline) -> Resolution:
        """Waits for the name server, no longer than `deadline`."""
        answer = NameServerAnswer()
        try:
            if self.query:
                answer = result(self.query, deadline)
        except TimeoutError:
            answer = NameServerAnswer(finding=Finding.NAME_SERVER_SILENT)
        error = redact(f"{type(self.error).__name__}: {self.error}") if self.error else ""
        finding = ""
        if self.addresses and self.is_public:
            findings = (_address_finding(str(address[4][0])) for address in self.addresses)
            finding = next(filter(None, findings), "")
        elif answer.silent and isinstance(self.error, TimeoutError):
            # The system waits five seconds for each server that is silent before it asks the next one.
            finding = Finding.NAME_SERVER_SILENT
            answer = NameServerAnswer(servers=answer.silent, finding=finding)
        elif answer.addresses and not self.addresses:
            finding = Finding.SYSTEM_RESOLVER_FAILED
        elif not self.addresses:
            errno = getattr(self.error, "errno", None) or 0
            by_system = FINDING_OF_SYSTEM_ERROR.get(errno, Finding.NAME_SERVER_SILENT)
            finding = answer.finding or by_system
        return Resolution(self.host, self.addresses, error, answer, finding, self.milliseconds)


def resolve(
    host: str, port: int, deadline: Deadline, clients: DnsClients, *, is_public: bool = False
) -> PendingResolution:
    """Never raises. `is_public`: an address in a private network would be wrong for this name."""
    started = time.monotonic()
    query = None
    if clients.servers is not None and not is_address(host) and host != "localhost":
        seconds = min(TIMEOUT, deadline.remaining() * 0.9)
        query = begin(functools.partial(query_name_servers, host, clients.servers, seconds), deadline)
    addresses: list[Address] = []
    error = None
    try:
        addresses = clients.system.addresses(host, port, deadline.remaining())
    except OSError as refusal:
        error = refusal
    took = round((time.monotonic() - started) * 1000)
    return PendingResolution(host, tuple(addresses), error, took, query, is_public)


_import_lock = threading.Lock()


def query_name_servers(host: str, servers: Sequence[str], seconds: float) -> NameServerAnswer:
    """Queries A and AAAA records."""
    # A fifth of the time that a process takes to start, for what only a diagnosis needs. One thread at a time: these
    # modules import each other, and a second thread would get them half loaded.
    with _import_lock:
        import dns.exception  # noqa: PLC0415
        import dns.nameserver  # noqa: PLC0415
        import dns.resolver  # noqa: PLC0415

    try:
        client = dns.resolver.Resolver(configure=not servers)
        if servers:
            parsed = [name_server(each) for each in servers]
            client.nameservers = [
                dns.nameserver.Do53Nameserver(str(address), port) for address, port in parsed
            ]
    except (dns.exception.DNSException, ValueError):
        return NameServerAnswer(finding=Finding.NAME_SERVER_SILENT)  # this system has no name server
    client.lifetime, client.timeout = seconds, seconds / 2
    nameservers = tuple(str(getattr(server, "address", server)) for server in client.nameservers)
    try:
        answers = [
            client.resolve(host, kind, raise_on_no_answer=False, search=False) for kind in ("A", "AAAA")
        ]
    except dns.resolver.NXDOMAIN:
        return NameServerAnswer((), nameservers, Finding.NAME_UNKNOWN)
    except dns.resolver.NoNameservers as error:
        responses = [response for *_, response in error.kwargs.get("errors", ())]
        has_response = any(responses)  # else no server could be reached at all
        finding = Finding.NAME_SERVER_FAILED if has_response else Finding.NAME_SERVER_SILENT
        return NameServerAnswer((), nameservers, finding)
    except (dns.exception.DNSException, OSError):
        return NameServerAnswer((), nameservers, Finding.NAME_SERVER_SILENT)
    addresses = tuple(record.address for answer in answers for record in answer.rrset or ())
    responders = tuple(dict.fromkeys(str(answer.nameserver) for answer in answers if answer.nameserver))
    silent = (
        nameservers[: nameservers.index(responders[0])] if responders and responders[0] in nameservers else ()
    )
    return NameServerAnswer(
        addresses, responders or nameservers, "" if addresses else Finding.NAME_UNKNOWN, silent
    )


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_on_this_machine(host: str) -> bool:
    """A name without a dot belongs to this machine, or to a network of containers."""
    return ipaddress.ip_address(host).is_loopback if is_address(host) else "." not in host


def is_private(address: str) -> bool:
    """Also an address of this machine alone."""
    return bool(_address_finding(address))


def _names_in_hosts_file() -> set[str]:
    try:
        lines = HOSTS_FILE.read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {name.lower() for line in lines for name in line.partition("#")[0].split()[1:]}


def _address_finding(address: str) -> str:
    """ "" for an address where PhonePe can be."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in ipaddress.ip_network(network) for network in settings.DIAGNOSIS_TRUSTED_NETWORKS):
        return ""
    if any(ip in network for network in SINKHOLES):
        return Finding.SINKHOLE_ANSWER
    return Finding.PRIVATE_ANSWER if any(ip in network for network in PRIVATE) else ""
