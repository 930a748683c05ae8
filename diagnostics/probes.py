"""One knock: how far do we get at this door, at which addresses, in which time, and what stopped us.

Knocks travel on the connections that payments travel on (`payment.phonepe.transport`), each on fresh ones of its own.
"""

import functools
import ipaddress
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from itertools import islice

from core.logging import redact
from diagnostics import findings, tls
from diagnostics.dns import FAMILY, Asking, Names, look_up
from diagnostics.enums import VERDICT_OF_FINDING, Finding, Verdict
from diagnostics.parallel import side_by_side
from diagnostics.targets import PROOF, Door, Role
from diagnostics.tls import Certificate
from payment.phonepe import transport
from payment.phonepe.enums import ErrorCategory, Stage
from payment.phonepe.errors import WIRE_ERRORS, categorize
from payment.phonepe.transport import Address, Answer, Deadline, InFlightRequest, Resolver, Session

# A walk ends a little before those who wait for it stop waiting, so that it can tell how far it came.
SHARE = 0.9
AT_MOST = 3  # addresses of one family
SEEN_AS = re.compile(
    rb"^ip=([0-9a-fA-F.:]{3,45})$", re.MULTILINE
)  # how Cloudflare's hosts tell our own address


@dataclass(frozen=True)
class Visit:
    """One try at one address. `milliseconds` per layer, the one that stopped us included.

    `clock_ahead`: seconds our clock is ahead of theirs.
    `finding` says what stopped us, or what kind of answer was met. `source`: our own address on this way.
    """

    door: Door
    address: str
    stage: Stage
    milliseconds: Mapping[str, int] = field(default_factory=dict)
    category: str = ""
    verdict: Verdict | None = None
    finding: str = ""
    error: str = ""
    http_status: int | None = None
    said: str = ""
    clock_ahead: float | None = None
    source: str = ""
    seen_as: str = ""
    certificate: Certificate | None = None

    @property
    def family(self) -> str:
        if not self.address:
            return ""
        return "ipv6" if ":" in self.address else "ipv4"

    @property
    def passed(self) -> tuple[str, ...]:
        return tuple(layer for layer in self.door.layers if self.stage >= PROOF[layer])

    @property
    def is_reached(self) -> bool:
        """Any HTTP answer proves that the way is open, whatever it says."""
        return self.stage >= Stage.HEADERS

    @property
    def stopped_at(self) -> str:
        """The first layer that did not work; "" when all did."""
        return next((layer for layer in self.door.layers if self.stage < PROOF[layer]), "")


@dataclass(frozen=True)
class Knock:
    """All visits at one door: a few addresses of each family that it has. `names`: of whom we connect to."""

    door: Door
    visits: tuple[Visit, ...]
    names: Names = field(default_factory=lambda: Names(""))

    @property
    def best(self) -> Visit:
        return max(self.visits, key=lambda visit: visit.stage)

    @property
    def is_reached(self) -> bool:
        return self.best.is_reached

    @property
    def is_misled(self) -> bool:
        """The name leads somewhere where PhonePe cannot be. If it answers there all the same, it is all right."""
        return bool(self.names.addresses and self.names.finding) and not self.is_reached

    @property
    def finding(self) -> str:
        return self.names.finding if self.is_misled else self.best.finding

    @property
    def verdict(self) -> Verdict | None:
        return Verdict.DNS_FAILURE if self.is_misled else self.best.verdict

    @property
    def passed(self) -> tuple[str, ...]:
        return () if self.is_misled else self.best.passed

    @property
    def error(self) -> str:
        if not self.is_misled:
            return self.best.error
        return f"{Finding(self.names.finding).label}: {', '.join(self.names.all)} ({self.names.source})"


class Walk(InFlightRequest):
    """A request to one address, which notes when it reached each stage. The name was resolved before it began."""

    def __init__(self, deadline: Deadline, address: Address) -> None:
        super().__init__(deadline, Known(address))
        self.target, self.address = address, str(address[4][0])
        self.source = source_of(address)
        self.furthest = Stage.RESOLVED
        self.started = time.monotonic()
        self.reached: dict[Stage, int] = {}

    def reach(self, stage: Stage) -> None:
        super().reach(stage)
        self.furthest = max(self.furthest, stage)
        self.reached.setdefault(stage, _milliseconds_since(self.started))


class Known(Resolver):
    """Resolves every name to the one address this walk is about."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address

    def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        return [self._address]


def session(resolver: Resolver) -> Session:
    """Trusts whom payments trust, and has no connection yet: an old one would tell nothing about a new one."""
    return Session(transport.session().verify or False, resolver)


def source_of(address: Address) -> str:
    """The address of ours from which this one is reached; "" without a route. Sends nothing."""
    try:
        with socket.socket(address[0], socket.SOCK_DGRAM) as sock:
            sock.connect(address[4])
            return str(sock.getsockname()[0])
    except OSError:
        return ""


def knock(door: Door, deadline: Deadline, asking: Asking) -> Knock:
    """Never raises: what went wrong stands in the visits."""
    is_public = door.is_phonepe and door.proxy is None
    asked = look_up(*door.first_hop, deadline, asking, is_public=is_public)
    if not asked.addresses:
        names = asked.names(deadline)
        return Knock(door, (_unnamed(door, names),), names)
    walks = [Walk(deadline.within(deadline.remaining() * SHARE), each) for each in _tried(asked.addresses)]
    tasks = [functools.partial(_visit, door, walk, asked.milliseconds) for walk in walks]
    done = zip(walks, side_by_side(tasks, deadline), strict=True)
    visits = tuple(visit or _late(door, walk, asked.milliseconds) for walk, visit in done)
    return Knock(door, visits, asked.names(deadline))


def _tried(addresses: Iterable[Address]) -> Iterator[Address]:
    """A few of each family, side by side: payments go on to the next when one is dead."""
    known = dict.fromkeys(addresses)
    for family in FAMILY:
        yield from islice((address for address in known if address[0] == family), AT_MOST)


def no_answer(door: Door) -> Knock:
    """For a door whose knock did not come back at all."""
    verdict, error = Verdict.CONNECTION_TIMEOUT, "the knock did not come back in time"
    return Knock(door, (Visit(door, "", Stage.STARTED, {}, verdict.name, verdict, Finding.SILENT, error),))


def _unnamed(door: Door, names: Names) -> Visit:
    finding = names.finding
    if door.proxy and finding == Finding.NAME_UNKNOWN:
        finding = Finding.PROXY_NAME_UNKNOWN
    verdict = VERDICT_OF_FINDING.get(Finding(finding), Verdict.DNS_FAILURE)
    kind = ErrorCategory.DNS_ERROR.value
    took = {"dns": names.milliseconds}
    return Visit(door, "", Stage.STARTED, took, kind, verdict, finding, names.error)


def _visit(door: Door, walk: Walk, dns: int) -> Visit:
    visit = _walked(door, walk, dns)
    if not door.is_tls or visit.stage < (Stage.PROXIED if door.proxy else Stage.CONNECTED):
        return visit
    shown = tls.presented(door, walk.target, walk.deadline)
    is_forged = shown and visit.finding == Finding.UNTRUSTED and shown.is_forged_for(door.host)
    return replace(visit, certificate=shown, finding=Finding.INTERCEPTED if is_forged else visit.finding)


def _walked(door: Door, walk: Walk, dns: int) -> Visit:
    with session(walk.resolver) as fresh:
        try:
            answer = fresh.send_request(walk, "GET", door.url, proxy=door.proxy)
        except WIRE_ERRORS as error:
            return _stopped(door, walk, dns, error)
    return Visit(
        door,
        walk.address,
        Stage.BODY,
        _took(door, walk, dns),
        finding=""
        if door.role is Role.CONTROL and not _sends_elsewhere(answer)
        else findings.of_answer(answer),
        http_status=answer.http_status,
        said=redact(findings.told(answer)),
        clock_ahead=_clock_ahead(answer.headers.get("Date", "")),
        source=walk.source,
        seen_as=_seen_as(answer.body) if door.role is Role.CONTROL else "",
    )


def _late(door: Door, walk: Walk, dns: int) -> Visit:
    """The walk has not come back, yet it has noted how far it came."""
    return _stopped(door, walk, dns, TimeoutError("not back in time"))


def _stopped(door: Door, walk: Walk, dns: int, error: BaseException) -> Visit:
    inner = findings.innermost(error)
    finding, verdict = findings.met(door, error, walk.furthest)
    took = _took(door, walk, dns)
    waited = _milliseconds_since(walk.started) - sum(took.values()) + dns
    return Visit(
        door,
        walk.address,
        walk.furthest,
        took | dict.fromkeys(_next_layer(door, walk.furthest), waited),
        category=categorize(error, walk.furthest).value,
        verdict=verdict,
        finding=finding,
        error=redact(f"{type(inner).__name__}: {inner}"[:300]),
        source=walk.source,
    )


def _took(door: Door, walk: Walk, dns: int) -> dict[str, int]:
    """Milliseconds for each layer that was passed."""
    took, before = {"dns": dns}, 0
    for layer in door.layers:
        if layer != "dns" and PROOF[layer] in walk.reached:
            took[layer] = walk.reached[PROOF[layer]] - before
            before = walk.reached[PROOF[layer]]
    return took


def _next_layer(door: Door, stage: Stage) -> list[str]:
    """The one that was being climbed; none after the last."""
    return [layer for layer in door.layers if stage < PROOF[layer]][:1]


def _sends_elsewhere(answer: Answer) -> bool:
    return 300 <= answer.http_status < 400


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _seen_as(body: bytes) -> str:
    found = SEEN_AS.search(body)
    try:
        return str(ipaddress.ip_address(found[1].decode())) if found else ""
    except ValueError:
        return ""


def _clock_ahead(date: str) -> float | None:
    """Seconds from a `Date` header; None if there is none to compare with."""
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, OverflowError):  # the latter for an absurd offset
        return None
    if theirs.tzinfo is None:
        return None
    return (datetime.now(timezone.utc) - theirs).total_seconds()
