"""One knock: how far do we get at this door, at which addresses, in which time, and what stopped us.

Knocks travel on the connections that payments travel on (`payment.transport`), each on fresh ones of its own.
"""

import functools
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from okpuja.logging import redact
from payment import transport
from payment.diagnosis.doors import PROOF, Door
from payment.diagnosis.parallel import side_by_side
from payment.diagnosis.words import VERDICT_OF, Verdict
from payment.failures import WIRE_ERRORS, category
from payment.states import Stage
from payment.transport import Address, Deadline, Resolver, Session, Trip

# OpenSSL's X509_V_ERR_*: not yet valid, expired, other host name, other IP address.
CERTIFICATE = {
    9: Verdict.CLOCK_SKEW,
    10: Verdict.TLS_EXPIRED,
    62: Verdict.TLS_HOSTNAME_MISMATCH,
    64: Verdict.TLS_HOSTNAME_MISMATCH,
}
# A walk ends a little before those who wait for it stop waiting, so that it can tell how far it came.
SHARE = 0.9


@dataclass(frozen=True)
class Visit:
    """One try at one address. `milliseconds` per layer; `clock_ahead`: seconds our clock is ahead of theirs."""

    door: Door
    address: str
    stage: Stage
    milliseconds: Mapping[str, int] = field(default_factory=dict)
    category: str = ""
    verdict: Verdict | None = None
    error: str = ""
    http_status: int | None = None
    clock_ahead: float | None = None

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
    """All visits at one door: IPv4 and IPv6 where it has both."""

    door: Door
    visits: tuple[Visit, ...]

    @property
    def best(self) -> Visit:
        return max(self.visits, key=lambda visit: visit.stage)

    @property
    def is_reached(self) -> bool:
        return self.best.is_reached


class Walk(Trip):
    """A trip to one address, which notes when it reached each stage. The name was resolved before it began."""

    def __init__(self, deadline: Deadline, address: Address) -> None:
        super().__init__(deadline, Known(address))
        self.address = str(address[4][0])
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


def knock(door: Door, deadline: Deadline, resolver: Resolver) -> Knock:
    """Never raises: what went wrong stands in the visits."""
    started = time.monotonic()
    host, port = door.first_hop
    try:
        addresses = resolver.addresses(host, port, deadline.remaining())
    except OSError as error:
        took = {"dns": _milliseconds_since(started)}
        return Knock(door, (_stopped(door, "", Stage.STARTED, took, error),))
    dns = {"dns": _milliseconds_since(started)}
    chosen = {address[0]: address for address in reversed(addresses)}.values()
    walks = [Walk(deadline.within(deadline.remaining() * SHARE), address) for address in chosen]
    visits = side_by_side([functools.partial(_visit, door, walk, dns) for walk in walks], deadline)
    return Knock(
        door, tuple(visit or _late(door, walk, dns) for walk, visit in zip(walks, visits, strict=True))
    )


def no_answer(door: Door) -> Knock:
    """For a door whose knock did not come back at all."""
    verdict, error = Verdict.CONNECTION_TIMEOUT, "the knock did not come back in time"
    return Knock(door, (Visit(door, "", Stage.STARTED, {}, verdict.name, verdict, error),))


def _visit(door: Door, walk: Walk, dns: Mapping[str, int]) -> Visit:
    with session(walk.resolver) as fresh:
        try:
            answer = fresh.exchange(walk, "GET", door.url, proxy=door.proxy)
        except WIRE_ERRORS as error:
            return _stopped(door, walk.address, walk.furthest, _took(door, walk, dns), error)
    return Visit(
        door,
        walk.address,
        Stage.BODY,
        _took(door, walk, dns),
        http_status=answer.http_status,
        clock_ahead=_clock_ahead(answer.headers.get("Date", "")),
    )


def _late(door: Door, walk: Walk, dns: Mapping[str, int]) -> Visit:
    """The walk has not come back, yet it has noted how far it came."""
    error = TimeoutError("not back in time")
    return _stopped(door, walk.address, walk.furthest, _took(door, walk, dns), error)


def _stopped(
    door: Door, address: str, stage: Stage, milliseconds: Mapping[str, int], error: BaseException
) -> Visit:
    kind, inner = category(error, stage), _innermost(error)
    verdict = VERDICT_OF[kind]
    if isinstance(inner, ssl.SSLCertVerificationError):
        verdict = CERTIFICATE.get(inner.verify_code, Verdict.TLS_UNTRUSTED)
    exact = redact(f"{type(inner).__name__}: {inner}"[:300])
    return Visit(door, address, stage, milliseconds, kind.value, verdict, exact)


def _innermost(error: BaseException) -> BaseException:
    """What the operating system or OpenSSL said: `requests` and urllib3 wrap it, each in its own way."""
    around = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    inner = next((cause for cause in around if isinstance(cause, BaseException)), None)
    return error if inner is None else _innermost(inner)


def _took(door: Door, walk: Walk, dns: Mapping[str, int]) -> dict[str, int]:
    """Milliseconds for each layer that was passed."""
    took, before = dict(dns), 0
    for layer in door.layers:
        if layer != "dns" and PROOF[layer] in walk.reached:
            took[layer] = walk.reached[PROOF[layer]] - before
            before = walk.reached[PROOF[layer]]
    return took


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _clock_ahead(date: str) -> float | None:
    """Seconds from a `Date` header; None if there is none to compare with."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        return None
    return (datetime.now(timezone.utc) - theirs).total_seconds()
