"""Everything that one diagnosis has found out, before the rules judge it."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.core.checks import CheckMessage

from diagnostics.dependencies import DATABASE_CACHE, CheckResult
from diagnostics.enums import Finding, Verdict
from diagnostics.probes import ConnectionAttempt, ProbeResult, StatusProbeResult
from diagnostics.targets import Role

CLOCK_TOLERANCE = 300  # seconds; PhonePe's tokens and all certificates depend on the time


@dataclass(frozen=True)
class Evidence:
    """`settings_problem`: why the settings cannot be used. No `status_results`: no status request was sent.

    `siblings`: PhonePe's other environment, by the same routes. `failed_calls`: orders whose calls failed lately.
    `warnings`: what `manage.py check` warns of; they change no verdict.
    """

    settings_problem: str = ""
    probes: tuple[ProbeResult, ...] = ()
    controls: tuple[ProbeResult, ...] = ()
    siblings: tuple[ProbeResult, ...] = ()
    status_results: tuple[StatusProbeResult, ...] = ()
    dependencies: Mapping[str, CheckResult] = field(default_factory=dict)
    failed_calls: tuple[str, ...] = ()
    is_simulated: bool = False
    warnings: tuple[CheckMessage, ...] = ()

    @property
    def unreachable(self) -> ProbeResult | None:
        """The target without which no payment can be made. One reached target of each role is enough."""
        for role in (Role.API, Role.TOKEN):
            serving = [probe for probe in self.probes if probe.target.serves(role)]
            if serving and not any(probe.is_reached for probe in serving):
                return serving[0]
        return None

    @property
    def status(self) -> StatusProbeResult | None:
        """The answer that payments would get: one address that accepts us is enough."""
        good = (result for result in self.status_results if result.verdict is None)
        return next(good, next(iter(self.status_results), None))

    @property
    def degraded(self) -> ProbeResult | None:
        """A payment address in the settings that does not work, while another one does."""
        failed = {result.target for result in self.status_results if result.verdict is not None}
        used = (probe for probe in self.probes if probe.target.role is not Role.PAGE)
        return next((probe for probe in used if not probe.is_reached or probe.target in failed), None)

    @property
    def subject(self) -> ProbeResult | None:
        """What a conclusion about PhonePe is about: the unreachable target, the one that answers, or the first."""
        answering = (probe for probe in self.probes if self.status and probe.target == self.status.target)
        return self.unreachable or next(answering, next(iter(self.probes), None))

    @property
    def comparable_controls(self) -> tuple[ProbeResult, ...]:
        """The control hosts by the same route as the subject."""
        return tuple(self._by_same_route(self.controls))

    @property
    def control(self) -> ProbeResult | None:
        """A reached one, if there is any."""
        return max(self.comparable_controls, key=lambda probe: probe.is_reached, default=None)

    @property
    def sibling(self) -> ProbeResult | None:
        return max(self._by_same_route(self.siblings), key=lambda probe: probe.is_reached, default=None)

    @property
    def proxied_alternative(self) -> ProbeResult | None:
        """The host of the degraded address, reached by another route."""
        if not (failed := self.degraded):
            return None
        same_host = (probe for probe in self.probes if probe.target.host == failed.target.host)
        return next(
            (probe for probe in same_host if probe.is_reached and probe.target.proxy != failed.target.proxy),
            None,
        )

    @property
    def is_phonepe(self) -> bool:
        return self.subject is not None and self.subject.target.is_phonepe

    @property
    def is_local(self) -> bool:
        """PhonePe is simulated on this machine: no network is involved."""
        if self.subject is None:
            return False
        host = self.subject.target.host
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def fault(self) -> Verdict | None:
        """What stops us before PhonePe, or what PhonePe itself refuses."""
        if self.unreachable is None:
            return self.status.verdict if self.status else None
        verdict = self.unreachable.verdict
        # A certificate that is not valid yet is PhonePe's fault when our clock is right.
        is_theirs = verdict is Verdict.CLOCK_SKEW and self.is_clock_confirmed
        return Verdict.TLS_EXPIRED if is_theirs else verdict

    @property
    def finding(self) -> str:
        """The fault in detail. A kind of answer counts only when PhonePe has not answered better elsewhere."""
        return self.subject.finding if self.subject and self.fault else ""

    @property
    def interceptor(self) -> str:
        """Who issues certificates for names of others, as the certificates state. "" when there are none."""
        issuers = (
            attempt.certificate.issuer
            for attempt in _attempts((*self.probes, *self.siblings, *self.controls))
            if attempt.certificate and attempt.finding == Finding.INTERCEPTED
        )
        return next(issuers, "")

    @property
    def intercepts_all_tls(self) -> bool:
        """One issuer, no public authority, has issued PhonePe's certificate and that of an unrelated host."""
        ours = _private_issuers((self.subject,) if self.subject else ())
        return bool(ours & _private_issuers(self.comparable_controls))

    @property
    def clock_ahead(self) -> float:
        """Seconds that our clock is ahead (negative: behind), by the host whose clock differs least."""
        return min(self._clocks(), key=abs, default=0.0)

    @property
    def is_clock_confirmed(self) -> bool:
        """Some host that we reach has the same time as we do."""
        return any(abs(ahead) <= CLOCK_TOLERANCE for ahead in self._clocks())

    @property
    def public_address(self) -> str:
        """Our public address, if a control host reports it."""
        addresses = (attempt.public_address for attempt in _attempts(self.controls))
        return next(filter(None, addresses), "")

    @property
    def webhook_fault(self) -> str:
        """Also where the check could not tell."""
        check = self.dependencies.get("webhook")
        return check.fault if check else ""

    @property
    def caches_in_database(self) -> bool:
        return "cache" in self.dependencies and self.dependencies["cache"].target == DATABASE_CACHE

    def dependency_failed(self, name: str, *faults: str) -> bool:
        """Without `faults`: by any fault. A word is a fault, or one of its causes."""
        if name not in self.dependencies or self.dependencies[name].ok is not False:
            return False
        check = self.dependencies[name]
        return not faults or check.fault in faults or check.cause in faults

    def _clocks(self) -> Iterator[float]:
        attempts = _attempts((*self.controls, *self.siblings, *self.probes))
        return (attempt.clock_ahead for attempt in attempts if attempt.clock_ahead is not None)

    def _by_same_route(self, probes: Iterable[ProbeResult]) -> Iterator[ProbeResult]:
        subject = self.subject
        return (probe for probe in probes if subject and probe.target.proxy == subject.target.proxy)


def _attempts(probes: Iterable[ProbeResult]) -> Iterator[ConnectionAttempt]:
    return (attempt for probe in probes for attempt in probe.attempts)


def _private_issuers(probes: Iterable[ProbeResult]) -> set[str]:
    certificates = (attempt.certificate for attempt in _attempts(probes) if attempt.certificate)
    return {each.issuer for each in certificates if not each.is_by_a_public_authority}
