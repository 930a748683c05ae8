"""What one diagnosis found out, before anybody judges it."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from diagnostics.dependencies import DATABASE_CACHE, CheckResult
from diagnostics.enums import Finding, Verdict
from diagnostics.probes import ProbeResult
from diagnostics.status_probe import StatusProbeResult
from diagnostics.targets import Role
from diagnostics.tls import Certificate

CLOCK_TOLERANCE = 300  # seconds; PhonePe's tokens and everybody's certificates are about time


@dataclass(frozen=True)
class Facts:
    """`problem`: what the settings refuse. No `replies`: PhonePe was not asked anything.

    `siblings`: PhonePe's other environment, by the same ways out. `failing`: orders whose calls failed lately.
    """

    problem: str = ""
    probes: tuple[ProbeResult, ...] = ()
    controls: tuple[ProbeResult, ...] = ()
    siblings: tuple[ProbeResult, ...] = ()
    replies: tuple[StatusProbeResult, ...] = ()
    hops: Mapping[str, CheckResult] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    is_simulated: bool = False

    @property
    def blocked(self) -> ProbeResult | None:
        """The target that keeps payments from being made. One open target of each role is enough."""
        for role in (Role.API, Role.TOKEN):
            to_it = [probe for probe in self.probes if probe.target.serves(role)]
            if to_it and not any(probe.is_reached for probe in to_it):
                return to_it[0]
        return None

    @property
    def reply(self) -> StatusProbeResult | None:
        """The answer that payments would get: one address that honours us is enough."""
        good = (reply for reply in self.replies if reply.verdict is None)
        return next(good, next(iter(self.replies), None))

    @property
    def spare(self) -> ProbeResult | None:
        """An address that the settings name for payments and that does not work, while another one does."""
        bad = {reply.target for reply in self.replies if reply.verdict is not None}
        useful = (probe for probe in self.probes if probe.target.role is not Role.PAGE)
        return next((probe for probe in useful if not probe.is_reached or probe.target in bad), None)

    @property
    def subject(self) -> ProbeResult | None:
        """What a judgement about PhonePe is about: the target that is shut, that does not answer well, or the first."""
        asked = (probe for probe in self.probes if self.reply and probe.target == self.reply.target)
        return self.blocked or next(asked, next(iter(self.probes), None))

    @property
    def compared(self) -> tuple[ProbeResult, ...]:
        """The control hosts by the same way out as the subject."""
        return tuple(self._same_way(self.controls))

    @property
    def control(self) -> ProbeResult | None:
        """One that works if any does."""
        return max(self.compared, key=lambda probe: probe.is_reached, default=None)

    @property
    def control_works(self) -> bool:
        return self.control is not None and self.control.is_reached

    @property
    def sibling(self) -> ProbeResult | None:
        return max(self._same_way(self.siblings), key=lambda probe: probe.is_reached, default=None)

    @property
    def other_way(self) -> ProbeResult | None:
        """The host of the shut spare address, reached through a proxy."""
        shut = self.spare
        return next((probe for probe in self.probes if shut and _is_way_around(probe, shut)), None)

    @property
    def is_phonepe(self) -> bool:
        return self.subject is not None and self.subject.target.is_phonepe

    @property
    def is_local(self) -> bool:
        """PhonePe is played on this machine: no network is involved."""
        return self.subject is not None and _is_loopback(self.subject.target.host)

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
            attempt.certificate.issuer
            for probe in (*self.probes, *self.siblings, *self.controls)
            for attempt in probe.attempts
            if attempt.certificate and attempt.finding == Finding.INTERCEPTED
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
    def public_address(self) -> str:
        """Our public address, if a control host tells it."""
        attempts = (attempt for probe in self.controls for attempt in probe.attempts)
        return next((attempt.public_address for attempt in attempts if attempt.public_address), "")

    @property
    def caches_in_database(self) -> bool:
        return "cache" in self.hops and self.hops["cache"].target == DATABASE_CACHE

    def failed(self, hop: str, *faults: str) -> bool:
        """Without `faults`: whatever is wrong with it."""
        if hop not in self.hops or self.hops[hop].ok is not False:
            return False
        return not faults or self.hops[hop].fault in faults

    def _clocks(self) -> Iterator[float]:
        attempts = (
            attempt for probe in (*self.controls, *self.siblings, *self.probes) for attempt in probe.attempts
        )
        return (attempt.clock_ahead for attempt in attempts if attempt.clock_ahead is not None)

    def _whose_clock(self, met: Verdict | None) -> Verdict | None:
        """A certificate from the future is a bad one when our clock is right."""
        is_theirs = met is Verdict.CLOCK_SKEW and self.clock_is_confirmed
        return Verdict.TLS_EXPIRED if is_theirs else met

    def _same_way(self, probes: tuple[ProbeResult, ...]) -> Iterator[ProbeResult]:
        subject = self.subject
        return (probe for probe in probes if subject and probe.target.proxy == subject.target.proxy)


def _private_issuers(probes: tuple[ProbeResult, ...]) -> Iterator[str]:
    shown: list[Certificate] = [
        attempt.certificate for probe in probes for attempt in probe.attempts if attempt.certificate
    ]
    return (each.issuer for each in shown if not each.is_by_a_public_authority)


def _is_way_around(probe: ProbeResult, shut: ProbeResult) -> bool:
    return (
        probe.is_reached and probe.target.host == shut.target.host and probe.target.proxy != shut.target.proxy
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
