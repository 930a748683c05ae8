"""One cause is told once: what follows from another fault is no fault of its own."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from diagnostics.dependency_rules import SQLITE
from diagnostics.enums import TIMEOUTS
from diagnostics.evidence import Evidence
from diagnostics.rules import (
    BAD_CERTIFICATE,
    all_certificates_are_rejected,
    clock_invalidates_certificates,
    clock_is_wrong,
    nothing_is_reached,
    page_is_from_network,
)

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
        is_clock = clock_is_wrong(evidence) or clock_invalidates_certificates(evidence)
        return is_clock or evidence.fault in BAD_CERTIFICATE
    if check.cause == "timeout" and _somebody_timed_out(evidence):
        return True
    is_broken = nothing_is_reached(evidence) or all_certificates_are_rejected(evidence)
    return is_broken or page_is_from_network(evidence)


def _somebody_timed_out(evidence: Evidence) -> bool:
    """Another host outside, or another try: lost packets, or large ones that do not pass (MTU)."""
    probes = (*evidence.probes, *evidence.controls, *evidence.siblings)
    is_silent = any(attempt.finding in TIMEOUTS for probe in probes for attempt in probe.attempts)
    return is_silent or any(result.is_doubtful for result in evidence.status_results)


def _database_follows(evidence: Evidence) -> bool:
    """The file lies on the disk that is full."""
    return evidence.dependency_failed("disk", "full") and evidence.dependencies["database"].target.startswith(
        SQLITE
    )


def _cache_follows(evidence: Evidence) -> bool:
    """It is a table of the database that is in trouble, or has no room."""
    if not evidence.caches_in_database:
        return False
    return evidence.dependency_failed("database") or evidence.dependency_failed("disk", "full")


CONSEQUENCES: Mapping[str, Callable[[Evidence], bool]] = MappingProxyType(
    {"webhook": _webhook_follows, "database": _database_follows, "cache": _cache_follows}
)
