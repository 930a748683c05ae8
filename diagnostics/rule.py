"""One rule of a diagnosis, and the simplest conditions of rules."""

from collections.abc import Callable
from dataclasses import dataclass

from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence

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
