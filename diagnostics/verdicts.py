"""From evidence to conclusions: the first rule that applies, for each subject of which something is wrong."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from diagnostics import webhook_check
from diagnostics.consequences import without_consequences
from diagnostics.dependencies import CheckResult
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.probes import probe_timeout
from diagnostics.rules import RULES
from diagnostics.targets import Role, Target
from payment.checks import UNDOCUMENTED
from payment.phonepe.response_codes import SUPPORT
from payment.unused_settings import AUTHORITY_IGNORED, PROXY_IGNORED, UNKNOWN_NAME, UNUSED_SETTING

SLOW_NAMES = (
    "The name server is slow: {0.host} took it {0.milliseconds} ms ({0.source}). Each new connection waits for that: "
    "ask the hosting provider, or name another server in /etc/resolv.conf."
)
NO_TARGET = Target(Role.API, "")  # where the settings name no address of PhonePe
DEPENDENCIES = ("database", "cache", "disk", "worker", "webhook", "webhook_silence", "mail", "broker", "load")
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
    checks = {name: evidence.dependencies.get(name, CheckResult(name, "")) for name in DEPENDENCIES}
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
