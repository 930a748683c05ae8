"""From evidence to conclusions: the first rule that applies, for each subject of which something is wrong.

One cause is told once: what follows from another fault is no fault of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from django.conf import settings

from diagnostics import webhook_check
from diagnostics.dependencies import SQLITE, TARGETS, CheckResult
from diagnostics.dns import is_on_this_machine
from diagnostics.enums import TIMEOUTS, Culprit, Finding, Verdict
from diagnostics.evidence import (
    BAD_CERTIFICATE,
    Condition,
    Evidence,
    all_certificates_are_rejected,
    clock_invalidates_certificates,
    clock_is_wrong,
    nothing_is_reached,
    page_is_from_network,
)
from diagnostics.probes import probe_timeout
from diagnostics.rules import RULES
from diagnostics.targets import Role, Target
from payment.checks import UNDOCUMENTED
from payment.phonepe.enums import ErrorCategory
from payment.phonepe.response_codes import SUPPORT
from payment.unused_settings import AUTHORITY_IGNORED, PROXY_IGNORED, UNKNOWN_NAME, UNUSED_SETTING

SLOW_NAMES = (
    "The name server is slow: {0.host} took it {0.milliseconds} ms ({0.source}). Each new connection waits for that: "
    "ask the hosting provider, or name another server in /etc/resolv.conf."
)
NO_TARGET = Target(Role.API, "")  # where the settings name no address of PhonePe
# Which warning about the settings may be the cause of what; of those that are not here, of nothing.
HELPED_BY = {
    f"payment.{UNUSED_SETTING}": frozenset(Verdict),
    f"payment.{UNKNOWN_NAME}": frozenset(Verdict),
    f"payment.{UNDOCUMENTED}": {Verdict.WRONG_BASE_URL, Verdict.DNS_FAILURE},
    f"payment.{PROXY_IGNORED}": {
        Verdict.DNS_FAILURE,
        Verdict.CONNECTION_REFUSED,
        Verdict.CONNECTION_TIMEOUT,
        Verdict.CONNECTION_RESET,
        Verdict.NETWORK_UNREACHABLE,
        Verdict.TLS_HANDSHAKE_FAILED,
    },
    f"payment.{AUTHORITY_IGNORED}": {Verdict.TLS_UNTRUSTED},
}
# Faults of our webhook that somebody on the way can cause, as opposed to our own server.
OF_THE_WAY = {"tls", "slow", "other", "redirect", "open"}


@dataclass(frozen=True)
class Conclusion:
    """What one rule says about the evidence."""

    about: str
    verdict: Verdict
    culprit: Culprit
    summary: str
    next_action: str

    @property
    def troubleshooting(self) -> str:
        return f"docs/troubleshooting.md#{self.verdict.value}"


def conclude(evidence: Evidence) -> tuple[Conclusion, ...]:
    """What is wrong, most urgent first; when nothing is, the one conclusion that says so."""
    evidence = without_consequences(evidence)
    applying = {rule.about: rule for rule in reversed(RULES) if rule.applies(evidence)}
    first = [rule for rule in RULES if applying.get(rule.about) is rule]
    wrong = [rule for rule in first if rule.about]
    fields = text_fields(evidence)
    conclusions = []
    for rule in wrong or first:
        verdict = rule.verdict or evidence.fault or Verdict.PHONEPE_DOWN
        culprit = rule.culprit or verdict.owner
        summary = rule.summary.format(**fields)
        hints = setting_hints(evidence, verdict) if rule.about == "phonepe" else ()
        next_action = ". ".join((rule.next_action.format(**fields), *hints))
        if rule.about in {"", "phonepe"} and fields["slow"]:
            next_action = f"{next_action} {fields['slow']}"
        conclusions.append(Conclusion(rule.about, verdict, culprit, summary, next_action))
    return tuple(conclusions)


def setting_hints(evidence: Evidence, verdict: Verdict) -> tuple[str, ...]:
    """Variables of the environment that are meant to open this way and do not, addresses that PhonePe does not name."""
    url = evidence.subject.target.url if evidence.subject else ""
    return tuple(
        f"{warning.msg}. {warning.hint}"
        for warning in evidence.warnings
        if verdict in HELPED_BY.get(str(warning.id), ())
        and (warning.id != f"payment.{UNDOCUMENTED}" or str(warning.msg).startswith(f"{url} "))
    )


def text_fields(evidence: Evidence) -> dict[str, str]:
    """What the texts of rules may contain. A public summary contains only name, what and finding."""
    subject = evidence.subject or probe_timeout(NO_TARGET)
    target, name_server = subject.target, subject.resolution.name_server
    clock, fault, failed = evidence.clock_ahead, evidence.fault, evidence.degraded
    degraded = ""
    if failed:
        why = failed.error or "it does not answer our status request well"
        degraded = f"Not usable is {failed.target.host_port}, {failed.target.route}: {why}"
    meaning, slow = evidence.meaning, evidence.slow_resolution
    certificates = [attempt.certificate for attempt in subject.attempts if attempt.certificate]
    checks = {name: evidence.dependencies.get(name, CheckResult(name, "")) for name in (*TARGETS, "load")}
    return {
        "problem": evidence.settings_problem,
        "what": str(fault.label) if fault else "",
        "finding": Finding(evidence.finding).label if evidence.finding else "",
        "status": evidence.status.detail if evidence.status else "",
        "control": evidence.control.target.host_port if evidence.control else "",
        "sibling": evidence.sibling.target.host_port if evidence.sibling else "",
        "interceptor": evidence.interceptor,
        "certificate": f"issued by {certificates[0].issuer}, SHA-256 {certificates[0].sha256}"
        if certificates
        else "",
        "cause": meaning.cause if meaning else "",
        "where": (meaning.where if meaning else "") or SUPPORT,
        "slow": SLOW_NAMES.format(slow) if slow and not evidence.load.is_heavy else "",
        "degraded": degraded,
        "failed_family": evidence.failed_family,
        "clock": f"{abs(clock) / 60:.0f} minutes {'fast' if clock > 0 else 'slow'}",
        "webhook_url": settings.PUBLIC_BASE_URL + webhook_check.PATH,
        "webhook_host": urlsplit(settings.PUBLIC_BASE_URL).hostname or "",
        "try_webhook": f"curl -sS -i -X POST {settings.PUBLIC_BASE_URL}{webhook_check.PATH} -d '{{}}'",
        "name": target.public_name,
        "host": target.host,
        "target": target.host_port,
        "route": target.route,
        "error": subject.error,
        "answer": subject.best.answer_summary,
        "addresses": ", ".join(name_server.addresses),
        "found": ", ".join(subject.resolution.all_addresses),
        "servers": ", ".join(name_server.servers) or "not known",
        **{name: check.detail for name, check in checks.items()},
        **{f"{name}_target": check.target for name, check in checks.items()},
    }


def without_consequences(evidence: Evidence) -> Evidence:
    """The evidence, where a check that failed because of something else says nothing."""
    silent = {
        name
        for name, follows in CONSEQUENCES.items()
        if evidence.dependency_failed(name) and follows(evidence)
    }
    checks = {
        name: replace(check, ok=None) if name in silent else check
        for name, check in evidence.dependencies.items()
    }
    return replace(evidence, dependencies=checks)


def _webhook_follows(evidence: Evidence) -> bool:
    """We call our public address by the network that the diagnosis finds broken; PhonePe comes by another one."""
    check = evidence.dependencies["webhook"]
    if check.fault not in OF_THE_WAY:
        return False
    if check.cause == "certificate":
        return _all_certificates_fail(evidence) or evidence.fault in BAD_CERTIFICATE
    if check.cause == "timeout" and _somebody_timed_out(evidence):
        return True
    is_broken = nothing_is_reached(evidence) or all_certificates_are_rejected(evidence)
    return is_broken or page_is_from_network(evidence)


def _all_certificates_fail(evidence: Evidence) -> bool:
    is_clock = clock_is_wrong(evidence) or clock_invalidates_certificates(evidence)
    return is_clock or all_certificates_are_rejected(evidence)


def _somebody_timed_out(evidence: Evidence) -> bool:
    """Another host outside, or another try: lost packets, or large ones that do not pass (MTU)."""
    probes = (*evidence.probes, *evidence.controls, *evidence.siblings)
    is_silent = any(attempt.finding in TIMEOUTS for probe in probes for attempt in probe.attempts)
    return is_silent or any(result.is_doubtful for result in evidence.status_results)


def _database_follows(evidence: Evidence) -> bool:
    """The file lies on the disk that is full, or the name of its host is not resolved, as no name is."""
    check = evidence.dependencies["database"]
    if check.cause == ErrorCategory.DNS_ERROR:
        return _fails_as_everybody("database")(evidence)
    return evidence.dependency_failed("disk", "full") and check.target.startswith(SQLITE)


def _cache_follows(evidence: Evidence) -> bool:
    """It is a table of the database that is in trouble, or has no room."""
    if not evidence.caches_in_database:
        return _fails_as_everybody("cache")(evidence)
    return evidence.dependency_failed("database") or evidence.dependency_failed("disk", "full")


def _fails_as_everybody(name: str) -> Condition:
    """Nothing outside is reached, and this server neither, in the same way; or no certificate is accepted."""

    def follows(evidence: Evidence) -> bool:
        check = evidence.dependencies[name]
        if check.cause == "certificate":
            return _all_certificates_fail(evidence)
        if check.is_timeout and nothing_is_reached(evidence) and evidence.finding in TIMEOUTS:
            return True
        host = check.target.rpartition(":")[0]
        if (
            not nothing_is_reached(evidence)
            or check.cause not in set(ErrorCategory)
            or is_on_this_machine(host)
        ):
            return False
        return Verdict.of(check.cause) is evidence.fault

    return follows


CONSEQUENCES: Mapping[str, Callable[[Evidence], bool]] = MappingProxyType(
    {
        "webhook": _webhook_follows,
        "database": _database_follows,
        "cache": _cache_follows,
        "mail": _fails_as_everybody("mail"),
        "broker": _fails_as_everybody("broker"),
    }
)
