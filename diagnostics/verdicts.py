"""From facts to one verdict: the first rule that applies, the most urgent and most specific ones first.

Of further faults each thing has its own: what is told first is to be mended first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from diagnostics import webhook_check
from diagnostics.dependencies import CheckResult
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Facts
from diagnostics.probes import ProbeResult
from diagnostics.probes import timeout_result as probe_timeout
from diagnostics.rules.answer import ANSWER, WELL
from diagnostics.rules.dependencies import BASIS, BESIDE, CLOCK
from diagnostics.rules.network import CERTIFICATES, PROXY, WAY
from diagnostics.rules.rule import Rule
from diagnostics.targets import Role, Target

RULES: tuple[Rule, ...] = (*BASIS, *PROXY, *CERTIFICATES, *WAY, *CLOCK, *ANSWER, *BESIDE, *WELL)
NOWHERE = Target(Role.API, "")  # where the settings name no PhonePe to probe at
HOPS = ("database", "cache", "disk", "worker", "webhook", "webhook_silence", "mail", "broker")
WHAT = {
    Verdict.DNS_FAILURE: "the name cannot be resolved",
    Verdict.CONNECTION_REFUSED: "the connection is refused",
    Verdict.CONNECTION_TIMEOUT: "the connection is not answered",
    Verdict.CONNECTION_RESET: "the connection is cut",
    Verdict.NETWORK_UNREACHABLE: "there is no route",
    Verdict.TLS_HANDSHAKE_FAILED: "no encrypted connection comes about",
    Verdict.TLS_UNTRUSTED: "the certificate is not trusted",
    Verdict.TLS_EXPIRED: "the certificate is not valid at this time",
    Verdict.TLS_HOSTNAME_MISMATCH: "the certificate belongs to another name",
    Verdict.PHONEPE_DOWN: "requests are not answered properly",
}


@dataclass(frozen=True)
class Judgement:
    about: str
    verdict: Verdict
    culprit: Culprit
    summary: str
    next_action: str

    @property
    def troubleshooting(self) -> str:
        return f"docs/troubleshooting.md#{self.verdict.value}"


def judge(facts: Facts) -> tuple[Judgement, ...]:
    """What is wrong, most urgent first; when nothing is, the one judgement that says so."""
    applying = {rule.about: rule for rule in reversed(RULES) if rule.applies(facts)}
    first = [rule for rule in RULES if applying.get(rule.about) is rule]
    wrong = [rule for rule in first if rule.about]
    return tuple(_judgement(rule, facts) for rule in wrong or first)


def _judgement(rule: Rule, facts: Facts) -> Judgement:
    said = words(facts)
    return Judgement(
        rule.about,
        rule.verdict or facts.fault or Verdict.PHONEPE_DOWN,
        rule.culprit,
        rule.summary.format(**said),
        rule.next_action.format(**said),
    )


def words(facts: Facts) -> dict[str, str]:
    """What the texts of rules may name. In a public summary only: name, what, found."""
    return {
        "problem": facts.problem,
        "what": WHAT.get(facts.fault, "it fails") if facts.fault else "",
        "found": Finding(facts.finding).label if facts.finding else "",
        "reply": facts.reply.detail if facts.reply else "",
        "control": facts.control.target.host_port if facts.control else "",
        "sibling": facts.sibling.target.host_port if facts.sibling else "",
        "interceptor": facts.interceptor,
        "spare": _shut(facts.spare) if facts.spare else "",
        "clock": f"{abs(facts.clock_ahead) / 60:.0f} minutes {'fast' if facts.clock_ahead > 0 else 'slow'}",
        "webhook_url": settings.PUBLIC_BASE_URL + webhook_check.PATH,
        **_of_door(facts.subject or probe_timeout(NOWHERE)),
        **dict(_of_hops(facts)),
    }


def _of_door(probe: ProbeResult) -> dict[str, str]:
    return {
        "name": probe.target.public_name,
        "host": probe.target.host,
        "target": probe.target.host_port,
        "way": probe.target.route,
        "error": probe.error,
        "page": probe.best.answer_summary,
        "told": ", ".join(probe.resolution.name_server.addresses),
        "servers": ", ".join(probe.resolution.name_server.servers) or "not known",
    }


def _of_hops(facts: Facts) -> Iterator[tuple[str, str]]:
    for name in HOPS:
        hop = facts.hops.get(name, CheckResult(name, ""))
        yield name, hop.detail
        yield f"{name}_target", hop.target


def _shut(probe: ProbeResult) -> str:
    why = probe.error or "it does not answer our question well"
    return f"Shut is {probe.target.host_port}, {probe.target.route}: {why}"
