"""Everything that one diagnosis has found out, and the conditions about it that rules are made of."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from django.core.checks import CheckMessage

from diagnostics.dependencies import DATABASE_CACHE, SQLITE, CheckResult
from diagnostics.dns import Resolution
from diagnostics.enums import TIMEOUTS, Culprit, Finding, Verdict
from diagnostics.load import Load
from diagnostics.probes import ConnectionAttempt, ProbeResult, StatusProbeResult
from diagnostics.targets import Role
from diagnostics.tls import Certificate
from payment.phonepe.credentials import ENVIRONMENT_OF_HOST
from payment.phonepe.enums import Stage
from payment.phonepe.response_codes import MEANINGS, Meaning

FAMILY_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6", "": ""}
CLOCK_TOLERANCE = 300  # seconds; PhonePe's tokens and all certificates depend on the time
BAD_CERTIFICATE = {Verdict.TLS_UNTRUSTED, Verdict.TLS_EXPIRED, Verdict.TLS_HOSTNAME_MISMATCH}
PAGES = {Finding.REDIRECT, Finding.CAPTIVE_PORTAL, Finding.FIREWALL_PAGE}
# How a firewall rejects connections. A host that is down looks the same.
CONNECTION_FAULTS = {
    Verdict.CONNECTION_REFUSED,
    Verdict.CONNECTION_TIMEOUT,
    Verdict.CONNECTION_RESET,
    Verdict.NETWORK_UNREACHABLE,
    Verdict.TLS_HANDSHAKE_FAILED,
}


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
        results = (result for result in self.status_results if not result.is_late)
        return next(good, next(results, next(iter(self.status_results), None)))

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


Condition = Callable[[Evidence], bool]


@dataclass(frozen=True)
class Rule:
    """`about`: of several faults of one subject only the first is reported. `verdict` None: `Evidence.fault`.

    `culprit` None: the owner of the verdict. The texts may contain {fields} of `diagnostics.verdicts.text_fields`. The
    summary is public.
    """

    about: str
    verdict: Verdict | None
    applies: Condition
    summary: str
    next_action: str
    culprit: Culprit | None = None


def all_of(*conditions: Condition) -> Condition:
    return lambda evidence: all(condition(evidence) for condition in conditions)


def fault_is(*verdicts: Verdict) -> Condition:
    return lambda evidence: evidence.fault in verdicts


def finding_is(*findings: Finding) -> Condition:
    return lambda evidence: evidence.finding in findings


def dependency_failed(name: str, *faults: str) -> Condition:
    return lambda evidence: evidence.dependency_failed(name, *faults)


def is_unreachable(evidence: Evidence) -> bool:
    return evidence.unreachable is not None


def nothing_is_reached(evidence: Evidence) -> bool:
    return is_unreachable(evidence) and not evidence.is_network_open


def phonepe_is_unreachable(evidence: Evidence) -> bool:
    return is_unreachable(evidence) and evidence.is_phonepe


def local_phonepe_is_unreachable(evidence: Evidence) -> bool:
    return is_unreachable(evidence) and evidence.is_local


def all_of_phonepe_is_unreachable(evidence: Evidence) -> bool:
    """Both environments, every address family, by the same route, though their names are resolved."""
    sibling = evidence.sibling
    if not phonepe_is_unreachable(evidence) or evidence.fault not in CONNECTION_FAULTS or sibling is None:
        return False
    return not sibling.is_reached and sibling.verdict in CONNECTION_FAULTS


def other_environment_is_reached(evidence: Evidence) -> bool:
    sibling = evidence.sibling
    return phonepe_is_unreachable(evidence) and sibling is not None and sibling.is_reached


def clock_invalidates_certificates(evidence: Evidence) -> bool:
    """Not valid yet and no host has our time, or the control's has expired as well: then our clock is wrong."""
    if evidence.fault is Verdict.CLOCK_SKEW:
        return True
    return evidence.fault is Verdict.TLS_EXPIRED and control_fails_with(evidence, Verdict.TLS_EXPIRED)


def all_certificates_are_rejected(evidence: Evidence) -> bool:
    return evidence.fault in BAD_CERTIFICATE and control_fails_with(evidence, *BAD_CERTIFICATE)


def one_box_answers_for_all(evidence: Evidence) -> bool:
    """A name that fits nowhere shows it as well: the authority is trusted, so it is not our list that is too old."""
    if not all_certificates_are_rejected(evidence):
        return False
    is_misnamed = evidence.fault is Verdict.TLS_HOSTNAME_MISMATCH
    misnamed_too = is_misnamed and control_fails_with(evidence, Verdict.TLS_HOSTNAME_MISMATCH)
    return misnamed_too or evidence.one_box_answers_for_all


def is_answered_by_an_interceptor(evidence: Evidence) -> bool:
    """Of an authority that this server trusts: PhonePe itself has not been heard."""
    is_answer = evidence.fault in {Verdict.HTTP_BLOCKED, Verdict.PHONEPE_DOWN, Verdict.CONNECTION_RESET}
    return is_answer and evidence.is_phonepe and evidence.intercepts_phonepe_only


def chain_is_incomplete(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and evidence.finding == Finding.CHAIN_INCOMPLETE


def code_is_for(culprit: Culprit) -> Condition:
    """PhonePe's code is in our table, and the verdict is none that a code has of its own."""

    def applies(evidence: Evidence) -> bool:
        is_open = evidence.fault in {Verdict.MISCONFIGURED, Verdict.PHONEPE_DOWN}
        return is_open and evidence.meaning is not None and Culprit.of(evidence.meaning) is culprit

    return applies


def phonepe_certificate_is_rejected(evidence: Evidence) -> bool:
    return evidence.is_phonepe and evidence.fault in BAD_CERTIFICATE - {Verdict.TLS_EXPIRED}


def host_is_misspelt(evidence: Evidence) -> bool:
    """No name server knows it, and PhonePe has documented no such host either."""
    if not phonepe_is_unreachable(evidence) or evidence.finding != Finding.NAME_UNKNOWN:
        return False
    return evidence.subject is not None and evidence.subject.target.host not in ENVIRONMENT_OF_HOST


def phonepe_name_is_unresolved(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and evidence.fault is Verdict.DNS_FAILURE


def client_is_unknown_to_phonepe(evidence: Evidence) -> bool:
    """A host that is not PhonePe's and answers 404 to a token request is a wrong address."""
    return evidence.fault is Verdict.WRONG_ENVIRONMENT and (evidence.is_phonepe or evidence.is_local)


def page_is_from_network(evidence: Evidence) -> bool:
    """A page that cannot be PhonePe's: sent without TLS, through intercepted TLS, or sent for other hosts too."""
    if evidence.fault is not Verdict.HTTP_BLOCKED or evidence.subject is None or not evidence.is_phonepe:
        return False
    page = evidence.subject.best.answer_summary if evidence.finding in PAGES else ""
    controls = evidence.comparable_controls
    is_everywhere = bool(page) and any(probe.best.answer_summary == page for probe in controls)
    return is_everywhere or evidence.intercepts_all_tls or not evidence.subject.target.is_tls


def is_redirected(evidence: Evidence) -> bool:
    """The probe may be answered well, and the status request be sent elsewhere."""
    is_answer = evidence.status is not None and evidence.status.is_redirect
    return evidence.fault is Verdict.HTTP_BLOCKED and (is_answer or evidence.finding == Finding.REDIRECT)


def address_is_from_hosts_file(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and evidence.is_from_hosts_file


def tunnel_leads_nowhere(evidence: Evidence) -> bool:
    """The proxy says that it has opened the way, and for no host anything comes back."""
    is_tunnel = evidence.subject is not None and evidence.subject.target.has_tunnel
    is_dead = evidence.fault in {Verdict.TLS_HANDSHAKE_FAILED, Verdict.CONNECTION_RESET}
    return is_tunnel and is_dead and nothing_is_reached(evidence)


def one_family_fails(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and bool(evidence.failed_family)


def clock_is_wrong(evidence: Evidence) -> bool:
    return abs(evidence.clock_ahead) > CLOCK_TOLERANCE


def control_fails_with(evidence: Evidence, *verdicts: Verdict) -> bool:
    return evidence.control is not None and evidence.control.verdict in verdicts


def cache_table_is_missing(evidence: Evidence) -> bool:
    """A cache in the database fails with the database: then this rule must not add advice of its own."""
    is_failed = evidence.caches_in_database and evidence.dependency_failed("cache", "down")
    return is_failed and not evidence.dependency_failed("database", "down", "locked", "readonly", "full")


def cache_server_failed(*faults: str) -> Condition:
    return lambda evidence: not evidence.caches_in_database and evidence.dependency_failed("cache", *faults)


def sqlite_failed(*faults: str) -> Condition:
    def applies(evidence: Evidence) -> bool:
        is_failed = evidence.dependency_failed("database", *faults)
        return is_failed and evidence.dependencies["database"].target.startswith(SQLITE)

    return applies


def webhook_is_unsure(evidence: Evidence) -> bool:
    """We do not reach our own address, and no webhook has come lately that would prove that PhonePe does."""
    silence = evidence.dependencies.get("webhook_silence")
    return evidence.webhook_fault == "unsure" and not (silence and silence.ok)
