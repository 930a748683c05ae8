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
    """A trip that notes when it reached each stage."""

    def __init__(self, deadline: Deadline, address: Address) -> None:
        super().__init__(deadline, Known(address))
        self.stage = Stage.RESOLVED
        self.started = time.monotonic()
        self.reached: dict[Stage, int] = {Stage.RESOLVED: 0}

    def reach(self, stage: Stage) -> None:
        super().reach(max(stage, Stage.RESOLVED))  # the name was resolved before the walk began
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
    chosen = list({address[0]: address for address in reversed(addresses)}.values())
    walks = [functools.partial(_visit, door, address, dns, deadline) for address in chosen]
    visits = tuple(visit for visit in side_by_side(walks, deadline) if visit)
    return Knock(door, visits) if visits else no_answer(door)


def no_answer(door: Door) -> Knock:
    """For a door whose knock did not come back at all."""
    return Knock(door, (_stopped(door, "", Stage.STARTED, {}, TimeoutError("the knock did not come back")),))


def _visit(door: Door, address: Address, dns: Mapping[str, int], deadline: Deadline) -> Visit:
    walk = Walk(deadline.within(deadline.remaining() * SHARE), address)
    shown = str(address[4][0])
    with session(walk.resolver) as fresh:
        try:
            answer = fresh.exchange(walk, "GET", door.url, proxy=door.proxy)
        except WIRE_ERRORS as error:
            return _stopped(door, shown, walk.stage or Stage.RESOLVED, _took(door, walk, dns), error)
    return Visit(
        door,
        shown,
        Stage.BODY,
        _took(door, walk, dns),
        http_status=answer.http_status,
        clock_ahead=_clock_ahead(answer.headers.get("Date", "")),
    )


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
