"""What one diagnosis found out, before anybody judges it."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from diagnostics.dependencies import DATABASE_CACHE, Hop
from diagnostics.enums import Finding, Verdict
from diagnostics.probes import Knock
from diagnostics.status_probe import Reply
from diagnostics.targets import Role
from diagnostics.tls import Certificate

CLOCK_TOLERANCE = 300  # seconds; PhonePe's tokens and everybody's certificates are about time


@dataclass(frozen=True)
class Facts:
    """`problem`: what the settings refuse. No `replies`: PhonePe was not asked anything.

    `siblings`: PhonePe's other environment, by the same ways out. `failing`: orders whose calls failed lately.
    """

    problem: str = ""
    knocks: tuple[Knock, ...] = ()
    controls: tuple[Knock, ...] = ()
    siblings: tuple[Knock, ...] = ()
    replies: tuple[Reply, ...] = ()
    hops: Mapping[str, Hop] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    is_simulated: bool = False

    @property
    def blocked(self) -> Knock | None:
        """The door that keeps payments from being made. One open door of each role is enough."""
        for role in (Role.API, Role.TOKEN):
            to_it = [knock for knock in self.knocks if knock.door.leads_to(role)]
            if to_it and not any(knock.is_reached for knock in to_it):
                return to_it[0]
        return None

    @property
    def reply(self) -> Reply | None:
        """The answer that payments would get: one address that honours us is enough."""
        good = (reply for reply in self.replies if reply.verdict is None)
        return next(good, next(iter(self.replies), None))

    @property
    def spare(self) -> Knock | None:
        """An address that the settings name for payments and that does not work, while another one does."""
        bad = {reply.door for reply in self.replies if reply.verdict is not None}
        useful = (knock for knock in self.knocks if knock.door.role is not Role.PAGE)
        return next((knock for knock in useful if not knock.is_reached or knock.door in bad), None)

    @property
    def subject(self) -> Knock | None:
        """What a judgement about PhonePe is about: the door that is shut, that does not answer well, or the first."""
        asked = (knock for knock in self.knocks if self.reply and knock.door == self.reply.door)
        return self.blocked or next(asked, next(iter(self.knocks), None))

    @property
    def compared(self) -> tuple[Knock, ...]:
        """The control hosts by the same way out as the subject."""
        return tuple(self._same_way(self.controls))

    @property
    def control(self) -> Knock | None:
        """One that works if any does."""
        return max(self.compared, key=lambda knock: knock.is_reached, default=None)

    @property
    def control_works(self) -> bool:
        return self.control is not None and self.control.is_reached

    @property
    def sibling(self) -> Knock | None:
        return max(self._same_way(self.siblings), key=lambda knock: knock.is_reached, default=None)

    @property
    def other_way(self) -> Knock | None:
        """The host of the shut spare address, reached through a proxy."""
        shut = self.spare
        return next((knock for knock in self.knocks if shut and _is_way_around(knock, shut)), None)

    @property
    def is_phonepe(self) -> bool:
        return self.subject is not None and self.subject.door.is_phonepe

    @property
    def is_local(self) -> bool:
        """PhonePe is played on this machine: no network is involved."""
        return self.subject is not None and _is_loopback(self.subject.door.host)

    @property
    def fault(self) -> Verdict | None:
        """What stops us on the way to PhonePe, or what PhonePe itself refuses."""
        if self.blocked is not None:
            return self._whose_clock(self.blocked.verdict)
        return self.reply.verdict if self.reply else None

    @property
    def finding(self) -> str:
        """The same, more exactly. A kind of answer counts only when PhonePe has not answered better elsewhere."""
        return self.subject.finding if self.subject and self.fault else ""

    @property
    def interceptor(self) -> str:
        """Who issues certificates for names of others, as the certificates say. "" when nobody does."""
        issuers = [
            visit.certificate.issuer
            for knock in (*self.knocks, *self.siblings, *self.controls)
            for visit in knock.visits
            if visit.certificate and visit.finding == Finding.INTERCEPTED
        ]
        return next(iter(issuers), "")

    @property
    def opens_everything(self) -> bool:
        """One issuer, no public authority, has made PhonePe's certificate and that of a host that is unrelated."""
        ours = set(_private_issuers((self.subject,) if self.subject else ()))
        return bool(ours & set(_private_issuers(self.compared)))

    @property
    def clock_ahead(self) -> float:
        """Seconds that our clock is ahead of the others' (behind: negative), by the one who differs least."""
        return min(self._clocks(), key=abs, default=0.0)

    @property
    def clock_is_confirmed(self) -> bool:
        """Somebody whom we reach tells the time as we do."""
        return any(abs(ahead) <= CLOCK_TOLERANCE for ahead in self._clocks())

    @property
    def seen_as(self) -> str:
        """Our public address, if a control host tells it."""
        visits = (visit for knock in self.controls for visit in knock.visits)
        return next((visit.seen_as for visit in visits if visit.seen_as), "")

    @property
    def caches_in_database(self) -> bool:
        return "cache" in self.hops and self.hops["cache"].target == DATABASE_CACHE

    def failed(self, hop: str, *faults: str) -> bool:
        """Without `faults`: whatever is wrong with it."""
        if hop not in self.hops or self.hops[hop].ok is not False:
            return False
        return not faults or self.hops[hop].fault in faults

    def _clocks(self) -> Iterator[float]:
        visits = (visit for knock in (*self.controls, *self.siblings, *self.knocks) for visit in knock.visits)
        return (visit.clock_ahead for visit in visits if visit.clock_ahead is not None)

    def _whose_clock(self, met: Verdict | None) -> Verdict | None:
        """A certificate from the future is a bad one when our clock is right."""
        is_theirs = met is Verdict.CLOCK_SKEW and self.clock_is_confirmed
        return Verdict.TLS_EXPIRED if is_theirs else met

    def _same_way(self, knocks: tuple[Knock, ...]) -> Iterator[Knock]:
        subject = self.subject
        return (knock for knock in knocks if subject and knock.door.proxy == subject.door.proxy)


def _private_issuers(knocks: tuple[Knock, ...]) -> Iterator[str]:
    shown: list[Certificate] = [
        visit.certificate for knock in knocks for visit in knock.visits if visit.certificate
    ]
    return (each.issuer for each in shown if not each.is_by_a_public_authority)


def _is_way_around(knock: Knock, shut: Knock) -> bool:
    return knock.is_reached and knock.door.host == shut.door.host and knock.door.proxy != shut.door.proxy


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
