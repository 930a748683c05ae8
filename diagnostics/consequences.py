"""One cause is told once: what follows from another fault is no fault of its own."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from diagnostics.dependency_rules import SQLITE
from diagnostics.dns import is_on_this_machine
from diagnostics.enums import TIMEOUTS, Verdict
from diagnostics.evidence import Evidence
from diagnostics.rule import Condition
from diagnostics.rules import (
    BAD_CERTIFICATE,
    all_certificates_are_rejected,
    clock_invalidates_certificates,
    clock_is_wrong,
    nothing_is_reached,
    page_is_from_network,
)
from payment.phonepe.enums import ErrorCategory

# Faults of our webhook that somebody on the way can cause, as opposed to our own server.
OF_THE_WAY = {"tls", "slow", "other", "redirect", "open"}


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
