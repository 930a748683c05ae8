"""Rungs of ladders, as they are drawn: one ladder for each target, in the order in which a payment climbs it."""

from collections.abc import Iterable, Iterator
from typing import Any

from diagnostics.dependencies import CheckResult
from diagnostics.dns import is_address
from diagnostics.enums import Finding
from diagnostics.evidence import Facts
from diagnostics.probes import ConnectionAttempt, ProbeResult
from diagnostics.status_probe import StatusProbeResult

Wire = dict[str, Any]


def endpoint(probe: ProbeResult, replies: Iterable[StatusProbeResult]) -> Wire:
    """`endpoint`, `reachable` and `stage` are for everyone: no addresses, no errors, nothing about our network."""
    passed = probe.passed_layers
    return {
        "endpoint": probe.target.public_name,
        "reachable": probe.is_reached,
        "stage": passed[-1].upper() if passed else "NONE",
        "role": probe.target.role.value,
        "target": probe.target.host_port,
        "way": probe.target.route,
        "ladder": list(_ladder(probe, [reply for reply in replies if reply.target == probe.target])),
    }


def inside(reply: StatusProbeResult) -> Wire:
    """PhonePe simulated in this process: there is no way to it, only its answer."""
    return {
        "endpoint": "simulated PhonePe",
        "reachable": True,
        "stage": "HTTP",
        "role": "payments",
        "target": reply.host_port,
        "way": "inside this process",
        "ladder": list(_answered(reply)),
    }


def all_rungs(facts: Facts, ladders: Iterable[Wire]) -> Iterator[Wire]:
    """Every check there was, in one list."""
    yield from map(of_hop, facts.hops.values())
    for each in ladders:
        yield from each["ladder"]


def of_hop(hop: CheckResult) -> Wire:
    return _rung(hop.name, "", hop.target, hop.ok, hop.milliseconds, hop.fault, hop.detail)


def _ladder(probe: ProbeResult, replies: list[StatusProbeResult]) -> Iterator[Wire]:
    yield from _names(probe)
    is_answered = any(reply.verdict is None for reply in replies)
    for attempt in probe.attempts:
        yield from _visited(attempt, is_answered)
    for reply in replies:
        yield from _answered(reply)


def _names(probe: ProbeResult) -> Iterator[Wire]:
    resolution, host = probe.resolution, probe.target.peer[0]
    if not resolution.addresses:
        detail = f"{resolution.error} ({resolution.source})" if resolution.error else probe.best.error
        yield _rung(
            "dns", "", host, False, resolution.milliseconds, probe.finding or resolution.finding, detail
        )
        return
    for family in ("ipv4", "ipv6"):
        if addresses := resolution.of_family(family):
            detail = f"{', '.join(addresses)} ({resolution.source})"
            finding = resolution.finding if probe.is_misresolved else ""
            yield _rung(
                "dns", family, host, not probe.is_misresolved, resolution.milliseconds, finding, detail
            )
        elif not is_address(host):
            yield _rung("dns", family, host, None, 0, Finding.NO_ADDRESS, Finding.NO_ADDRESS.label)


def _visited(attempt: ConnectionAttempt, is_answered: bool) -> Iterator[Wire]:
    """One rung for each layer that was passed, and one for the layer that stopped us. Names have their own."""
    target = f"{attempt.target.host_port} ({attempt.target.role.value}, {attempt.target.route})"
    for layer in attempt.passed_layers:
        took = attempt.milliseconds.get(layer, 0)
        if layer == "http":
            yield _http(attempt, target, took, is_answered)
        elif layer != "dns":
            yield _rung(layer, attempt.family, target, True, took, "", _passed(layer, attempt))
    if (layer := attempt.failed_layer) and attempt.address:
        detail = f"{attempt.address} {attempt.category}: {attempt.error}{_whose(attempt)}"
        waited = attempt.milliseconds.get(layer, 0)
        yield _rung(layer, attempt.family, target, False, waited, attempt.finding, detail)


def _http(attempt: ConnectionAttempt, target: str, took: int, is_answered: bool) -> Wire:
    """A strange answer to a probe means nothing where PhonePe answers our question well."""
    ok = True if not attempt.finding else (None if is_answered else False)
    detail = attempt.answer_summary or f"the answer broke off: {attempt.error}"
    return _rung("http", attempt.family, target, ok, took, attempt.finding, detail)


def _passed(layer: str, attempt: ConnectionAttempt) -> str:
    if layer == "tls" and (shown := attempt.certificate):
        return f"certificate by {shown.issuer}, until {shown.valid_until:%Y-%m-%d}"
    return attempt.address


def _whose(attempt: ConnectionAttempt) -> str:
    return f"; issued by {attempt.certificate.issuer}" if attempt.certificate else ""


def _answered(reply: StatusProbeResult) -> Iterator[Wire]:
    refused = reply.credentials_accepted is False
    known = Finding.CREDENTIALS_REFUSED if refused else ""
    detail = reply.detail if refused else {True: "accepted", None: "not known"}[reply.credentials_accepted]
    yield _rung("credentials", "", reply.host_port, reply.credentials_accepted, 0, known, detail)
    ok = None if refused else reply.verdict is None
    found = Finding.NOT_AS_EXPECTED if ok is False else ""
    yield _rung("contract", "", reply.host_port, ok, reply.milliseconds, found, reply.detail)


def _rung(layer: str, family: str, target: str, ok: bool | None, ms: int, finding: str, detail: str) -> Wire:
    return {
        "layer": layer,
        "family": family,
        "target": target,
        "ok": ok,
        "ms": ms,
        "finding": str(finding),
        "detail": detail,
    }
