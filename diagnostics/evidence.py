"""Everything that one diagnosis has found out, before the rules judge it."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from django.core.checks import CheckMessage

from diagnostics.dependencies import DATABASE_CACHE, CheckResult
from diagnostics.dns import Resolution
from diagnostics.enums import TIMEOUTS, Finding, Verdict
from diagnostics.load import Load
from diagnostics.probes import ConnectionAttempt, ProbeResult
from diagnostics.status_probe import StatusProbeResult
from diagnostics.targets import Role
from diagnostics.tls import Certificate
from payment.phonepe.enums import Stage
from payment.phonepe.response_codes import MEANINGS, Meaning

FAMILY_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6", "": ""}
CLOCK_TOLERANCE = 300  # seconds; PhonePe's tokens and all certificates depend on the time


@dataclass(frozen=True)
class Evidence:
    """`settings_problem`: why the settings cannot be used. No `status_results`: no status request was sent.

    `siblings`: PhonePe's other environment, by the same routes. `failed_calls`: orders whose calls failed lately.
    `warnings`: what `manage.py check` warns of; they change no verdict.
    `load`: what this process lacked of CPU time meanwhile.
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
    load: Load = field(default_factory=Load)

    @property
    def unreachable(self) -> ProbeResult | None:
        """The target without which no payment can be made. One reached target of each role is enough.

        A status request that failed on the way is judged as a probe that failed there, though the probe before it did
        not: the way may have broken since.
        """
        for role in (Role.API, Role.TOKEN):
            serving = [probe for probe in self.probes if probe.target.serves(role)]
            if serving and not any(probe.is_reached for probe in serving):
                return serving[0]
        return self._broken_since

    @property
    def _broken_since(self) -> ProbeResult | None:
        failure = self.status.failure if self.status else None
        if failure is None:
            return None
        found = (probe.resolution for probe in self.probes if probe.target == failure.target)
        return ProbeResult(failure.target, (failure,), replace(next(found, Resolution("")), finding=""))

    @property
    def status(self) -> StatusProbeResult | None:
        """The answer that payments would get: one address that accepts us is enough."""
        good = (result for result in self.status_results if result.verdict is None)
        asked = (result for result in self.status_results if not result.is_late)
        return next(good, next(asked, next(iter(self.status_results), None)))

    @property
    def degraded(self) -> ProbeResult | None:
        """A payment address in the settings that does not work, while another one does."""
        failed = {result.target for result in self.status_results if result.verdict and not result.is_late}
        used = (probe for probe in self.probes if probe.target.role is not Role.PAGE)
        return next((probe for probe in used if not probe.is_reached or probe.target in failed), None)

    @property
    def subject(self) -> ProbeResult | None:
        """What a conclusion about PhonePe is about: the unreachable target, the one that answers, or the first."""
        answering = (probe for probe in self.probes if self.status and probe.target == self.status.target)
        return self.unreachable or next(answering, next(iter(self.probes), None))

    @property
    def is_from_hosts_file(self) -> bool:
        return self.subject is not None and self.subject.resolution.is_from_file

    @property
    def failed_family(self) -> str:
        """IPv4 or IPv6: the status request failed, and of the probes before it only those by this family did."""
        failure = self.status.failure if self.status else None
        probes = (probe for probe in self.probes if failure and probe.target == failure.target)
        attempts = [attempt for probe in probes for attempt in probe.attempts]
        reached = {attempt.family for attempt in attempts if attempt.is_reached}
        failed = {attempt.family for attempt in attempts} - reached
        return FAMILY_NAMES[failed.pop()] if reached and len(failed) == 1 else ""

    @property
    def is_network_open(self) -> bool:
        """Some other host is reached by the same route as the subject: a control host, or one of PhonePe's."""
        others = (*self.controls, *self.siblings, *self.probes)
        subject = self.subject
        return any(
            probe.is_reached and subject is not None and probe.target.host_port != subject.target.host_port
            for probe in self._by_same_route(others)
        )

    @property
    def is_too_busy_to_tell(self) -> bool:
        """This process ran so late that time-outs prove nothing, and there is nothing but time-outs.

        Without open files or threads no failure proves anything.
        """
        if self.status and self.status.is_late:
            # A database or a cache that hangs explains it, and is told by itself.
            return not self.dependency_failed("database") and not self.dependency_failed("cache")
        if self.load.exhausted:
            return bool(self.fault or self.degraded or self.dependency_failed("load"))
        is_timeout = self.finding in TIMEOUTS or bool(self.fault and self.status and self.status.timed_out)
        # Without an answer from others nobody can say whose fault it is.
        compared = (*self.comparable_controls, *self._by_same_route(self.siblings))
        is_timeout |= self.unreachable is not None and any(each.finding in TIMEOUTS for each in compared)
        is_doubted = self.fault is None and self.dependency_failed("load")
        return self.load.is_heavy and (is_timeout or is_doubted)

    @property
    def meaning(self) -> Meaning | None:
        """What our table knows about the code that PhonePe answered to the status request."""
        return MEANINGS.get(self.status.code) if self.status and self.fault else None

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
            return self.status.verdict if self.status and not self.status.is_late else None
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
        private = (each.issuer for each in self._certificates(self.subject) if self._is_private(each))
        return next(issuers, next(private, ""))

    @property
    def intercepts_all_tls(self) -> bool:
        """One issuer, no public authority, has issued PhonePe's certificate and that of an unrelated host."""
        ours, others = ({each.issuer for each in found if self._is_private(each)} for found in self._compared)
        return bool(ours & others)

    @property
    def intercepts_phonepe_only(self) -> bool:
        """A public authority has issued the certificate of an unrelated host, and none has issued PhonePe's."""
        ours, others = self._compared
        is_private = bool(ours) and all(map(self._is_private, ours))
        return is_private and any(each.is_public for each in others)

    @property
    def one_box_answers_for_all(self) -> bool:
        """PhonePe and an unrelated host present what only one box can: a captive portal, or interception.

        The same certificate, one private issuer, or self-signed ones: no public host has such. Issuers that differ are
        those of the hosts themselves.
        """
        ours, others = self._compared
        same = {each.sha256 for each in ours} & {each.sha256 for each in others}
        self_signed = any(each.is_self_signed for each in ours) and any(
            each.is_self_signed for each in others
        )
        return bool(same) or self_signed or self.intercepts_all_tls

    @property
    def issuer_is_genuine(self) -> bool:
        """Of PhonePe's certificate without its issuer's: public logs know it, or a trusted host has the same issuer."""
        ours = self._certificates(self.subject)
        trusted = {
            attempt.certificate.issuer
            for attempt in _attempts((*self.probes, *self.siblings, *self.controls))
            if attempt.certificate and attempt.stage >= Stage.TLS
        }
        return any(each.is_logged or each.issuer in trusted for each in ours)

    @property
    def slow_resolution(self) -> Resolution | None:
        """The slowest look-up that succeeded, if a name server took too long for it."""
        resolutions = (probe.resolution for probe in (*self.probes, *self.controls, *self.siblings))
        return max(
            (each for each in resolutions if each.is_slow), key=lambda each: each.milliseconds, default=None
        )

    @property
    def clock_ahead(self) -> float:
        """Seconds that our clock is ahead (negative: behind), by the host whose clock differs least."""
        return min(self._clocks(), key=abs, default=0.0)

    @property
    def is_clock_confirmed(self) -> bool:
        """Some host that we reach has the same time as we do."""
        return any(abs(ahead) <= CLOCK_TOLERANCE for ahead in self._clocks())

    @property
    def source_address(self) -> str:
        """Ours on the route of the subject (by the family that fails), "" where no connection has shown it."""
        subject, family = (self.subject,) if self.subject else (), self.failed_family
        attempts = _attempts((*subject, *self._by_same_route((*self.probes, *self.controls))))
        fitting = (each for each in attempts if not family or FAMILY_NAMES[each.family] == family)
        return next((attempt.source_address for attempt in fitting if attempt.source_address), "")

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

    @property
    def _compared(self) -> tuple[list[Certificate], list[Certificate]]:
        """PhonePe's certificates, and those of the control hosts by the same route."""
        return self._certificates(self.subject), self._certificates(*self.comparable_controls)

    def _certificates(self, *probes: ProbeResult | None) -> list[Certificate]:
        attempts = _attempts(filter(None, probes))
        return [attempt.certificate for attempt in attempts if attempt.certificate]

    def _is_private(self, certificate: Certificate) -> bool:
        """No public authority has issued it.

        Where our list of public authorities confirms no host at all, it may be too old: then the name of one is taken
        for its word.
        """
        if certificate.is_public:
            return False
        probes = (*self.probes, *self.siblings, *self.controls)
        is_list_usable = any(each.is_public for each in self._certificates(*probes))
        return is_list_usable or not certificate.bears_public_name

    def _clocks(self) -> Iterator[float]:
        attempts = _attempts((*self.controls, *self.siblings, *self.probes))
        return (attempt.clock_ahead for attempt in attempts if attempt.clock_ahead is not None)

    def _by_same_route(self, probes: Iterable[ProbeResult]) -> Iterator[ProbeResult]:
        subject = self.subject
        return (probe for probe in probes if subject and probe.target.proxy == subject.target.proxy)


def _attempts(probes: Iterable[ProbeResult]) -> Iterator[ConnectionAttempt]:
    return (attempt for probe in probes for attempt in probe.attempts)
