"""What a host name leads to: by the system's resolver, which connections use, and by the name server itself.

The system says little when it fails ("Name or service not known") and nothing about whom it has asked. So the name
server is asked beside it, directly: that tells a name that does not exist from a server that fails or is silent.
"""

import functools
import ipaddress
import socket
import time
from collections.abc import Sequence
from concurrent import futures
from dataclasses import dataclass, field

import dns.exception
import dns.nameserver
import dns.resolver
from django.conf import settings

from core.logging import redact
from diagnostics.enums import Finding
from diagnostics.parallel import begin, result
from okpuja.environment import name_server
from payment.phonepe.transport import Address, Deadline, Resolver

PATIENCE = 3.0  # seconds for the name server; connections do not depend on what it says
SINKHOLES = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128")))
PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    )
)
FAMILY = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
# What the system's resolver means, for want of a name server that could be asked.
OF_SYSTEM = {socket.EAI_NONAME: Finding.NAME_UNKNOWN, socket.EAI_AGAIN: Finding.NAME_SERVER_FAILED}


@dataclass(frozen=True)
class Asking:
    """Whom to ask for names. `servers`: "address" or "address:port"; () those of this system; None: nobody."""

    system: Resolver = field(default_factory=Resolver)
    servers: Sequence[str] | None = ()


@dataclass(frozen=True)
class Told:
    """What a name server itself says. `finding` "": it has answered."""

    answers: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    finding: str = ""


@dataclass(frozen=True)
class Names:
    """`addresses` are the system's. `error`: its exact words when it has none."""

    host: str
    addresses: tuple[Address, ...] = ()
    error: str = ""
    told: Told = field(default_factory=Told)
    finding: str = ""
    milliseconds: int = 0

    def of(self, family: str) -> tuple[str, ...]:
        """ "ipv4" or "ipv6"."""
        found = (str(address[4][0]) for address in self.addresses if FAMILY.get(address[0]) == family)
        return tuple(dict.fromkeys(found))

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.of("ipv4"), *self.of("ipv6"))

    @property
    def source(self) -> str:
        """Whose answer this is, for people."""
        if is_address(self.host):
            return "given as an address"
        return f"name server {', '.join(self.told.servers)}" if self.told.servers else "system's resolver"


@dataclass(frozen=True)
class Asked:
    """The system has answered, with `addresses` or an `error`; what the name server says (`direct`) may still come."""

    host: str
    addresses: tuple[Address, ...]
    error: OSError | None
    milliseconds: int
    direct: "futures.Future[Told] | None"
    is_public: bool

    def names(self, deadline: Deadline) -> Names:
        """Waits for the name server, no longer than `deadline`."""
        told = self._told(deadline)
        exact = redact(f"{type(self.error).__name__}: {self.error}") if self.error else ""
        finding = _finding(self.addresses, self.error, told, self.is_public)
        return Names(self.host, self.addresses, exact, told, finding, self.milliseconds)

    def _told(self, deadline: Deadline) -> Told:
        try:
            return result(self.direct, deadline) if self.direct else Told()
        except TimeoutError:
            return Told(finding=Finding.NAME_SERVER_SILENT)


def look_up(host: str, port: int, deadline: Deadline, asking: Asking, *, is_public: bool = False) -> Asked:
    """Never raises. `is_public`: an address in a private network would be wrong for this name."""
    started = time.monotonic()
    direct = None
    if asking.servers is not None and not is_address(host) and host != "localhost":
        seconds = min(PATIENCE, deadline.remaining() * 0.9)
        direct = begin(functools.partial(ask, host, asking.servers, seconds))
    addresses, error = _of_system(host, port, deadline, asking.system)
    took = round((time.monotonic() - started) * 1000)
    return Asked(host, tuple(addresses), error, took, direct, is_public)


def ask(host: str, servers: Sequence[str], seconds: float) -> Told:
    """Asks the name server for both families of addresses."""
    try:
        asking = _client(servers, seconds)
    except (dns.exception.DNSException, ValueError):
        return Told(finding=Finding.NAME_SERVER_SILENT)  # there is none to ask
    whom = tuple(str(getattr(server, "address", server)) for server in asking.nameservers)
    try:
        found = [asking.resolve(host, kind, raise_on_no_answer=False, search=False) for kind in ("A", "AAAA")]
    except dns.resolver.NXDOMAIN:
        return Told((), whom, Finding.NAME_UNKNOWN)
    except dns.resolver.NoNameservers as error:
        return Told((), whom, _why_none(error))
    except (dns.exception.DNSException, OSError):
        return Told((), whom, Finding.NAME_SERVER_SILENT)
    answers = tuple(record.address for answer in found for record in answer.rrset or ())
    who = tuple(dict.fromkeys(str(answer.nameserver) for answer in found if answer.nameserver))
    return Told(answers, who or whom, "" if answers else Finding.NAME_UNKNOWN)


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _client(servers: Sequence[str], seconds: float) -> dns.resolver.Resolver:
    asking = dns.resolver.Resolver(configure=not servers)
    if servers:
        asking.nameservers = [_server(each) for each in servers]
    asking.lifetime, asking.timeout = seconds, seconds / 2
    return asking


def _server(text: str) -> dns.nameserver.Nameserver:
    address, port = name_server(text)
    return dns.nameserver.Do53Nameserver(str(address), port)


def _why_none(error: dns.resolver.NoNameservers) -> Finding:
    """A server that says that it fails, or none that could be reached at all."""
    responses = [response for *_, response in error.kwargs.get("errors", ())]
    return Finding.NAME_SERVER_FAILED if any(responses) else Finding.NAME_SERVER_SILENT


def _of_system(
    host: str, port: int, deadline: Deadline, resolver: Resolver
) -> tuple[list[Address], OSError | None]:
    try:
        return resolver.addresses(host, port, deadline.remaining()), None
    except OSError as error:
        return [], error


def _finding(addresses: Sequence[Address], error: OSError | None, told: Told, is_public: bool) -> str:
    if addresses:
        return next(filter(None, map(_misleading, addresses)), "") if is_public else ""
    if told.answers:
        return Finding.SYSTEM_RESOLVER_FAILED
    if told.finding:
        return told.finding
    return OF_SYSTEM.get(getattr(error, "errno", None) or 0, Finding.NAME_SERVER_SILENT)


def _misleading(address: Address) -> str:
    ip = ipaddress.ip_address(str(address[4][0]).partition("%")[0])
    if any(ip in ipaddress.ip_network(network) for network in settings.DIAGNOSIS_TRUSTED_NETWORKS):
        return ""
    if any(ip in network for network in SINKHOLES):
        return Finding.SINKHOLE_ANSWER
    return Finding.PRIVATE_ANSWER if any(ip in network for network in PRIVATE) else ""
