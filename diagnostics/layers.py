"""Rungs of ladders, as they are drawn: one ladder for each door, in the order in which a payment climbs it."""

from collections.abc import Iterable, Iterator
from typing import Any

from diagnostics.dependencies import Hop
from diagnostics.dns import is_address
from diagnostics.enums import Finding
from diagnostics.evidence import Facts
from diagnostics.probes import Knock, Visit
from diagnostics.status_probe import Reply

Wire = dict[str, Any]


def endpoint(knock: Knock, replies: Iterable[Reply]) -> Wire:
    """`endpoint`, `reachable` and `stage` are for everyone: no addresses, no errors, nothing about our network."""
    passed = knock.passed
    return {
        "endpoint": knock.door.name,
        "reachable": knock.is_reached,
        "stage": passed[-1].upper() if passed else "NONE",
        "role": knock.door.role.value,
        "target": knock.door.target,
        "way": knock.door.way,
        "ladder": list(_ladder(knock, [reply for reply in replies if reply.door == knock.door])),
    }


def inside(reply: Reply) -> Wire:
    """PhonePe simulated in this process: there is no way to it, only its answer."""
    return {
        "endpoint": "simulated PhonePe",
        "reachable": True,
        "stage": "HTTP",
        "role": "payments",
        "target": reply.target,
        "way": "inside this process",
        "ladder": list(_answered(reply)),
    }


def all_rungs(facts: Facts, ladders: Iterable[Wire]) -> Iterator[Wire]:
    """Every check there was, in one list."""
    yield from map(of_hop, facts.hops.values())
    for each in ladders:
        yield from each["ladder"]


def of_hop(hop: Hop) -> Wire:
    return _rung(hop.layer, "", hop.target, hop.ok, hop.milliseconds, hop.fault, hop.detail)


def _ladder(knock: Knock, replies: list[Reply]) -> Iterator[Wire]:
    yield from _names(knock)
    is_answered = any(reply.verdict is None for reply in replies)
    for visit in knock.visits:
        yield from _visited(visit, is_answered)
    for reply in replies:
        yield from _answered(reply)


def _names(knock: Knock) -> Iterator[Wire]:
    names, host = knock.names, knock.door.first_hop[0]
    if not names.addresses:
        detail = f"{names.error} ({names.source})" if names.error else knock.best.error
        yield _rung("dns", "", host, False, names.milliseconds, knock.finding or names.finding, detail)
        return
    for family in ("ipv4", "ipv6"):
        if addresses := names.of(family):
            detail = f"{', '.join(addresses)} ({names.source})"
            finding = names.finding if knock.is_misled else ""
            yield _rung("dns", family, host, not knock.is_misled, names.milliseconds, finding, detail)
        elif not is_address(host):
            yield _rung("dns", family, host, None, 0, Finding.NO_ADDRESS, Finding.NO_ADDRESS.label)


def _visited(visit: Visit, is_answered: bool) -> Iterator[Wire]:
    """One rung for each layer that was passed, and one for the layer that stopped us. Names have their own."""
    target = f"{visit.door.target} ({visit.door.role.value}, {visit.door.way})"
    for layer in visit.passed:
        took = visit.milliseconds.get(layer, 0)
        if layer == "http":
            yield _http(visit, target, took, is_answered)
        elif layer != "dns":
            yield _rung(layer, visit.family, target, True, took, "", _passed(layer, visit))
    if (layer := visit.stopped_at) and visit.address:
        detail = f"{visit.address} {visit.category}: {visit.error}{_whose(visit)}"
        waited = visit.milliseconds.get(layer, 0)
        yield _rung(layer, visit.family, target, False, waited, visit.finding, detail)


def _http(visit: Visit, target: str, took: int, is_answered: bool) -> Wire:
    """A strange answer to a knock means nothing where PhonePe answers our question well."""
    ok = True if not visit.finding else (None if is_answered else False)
    detail = visit.said or f"the answer broke off: {visit.error}"
    return _rung("http", visit.family, target, ok, took, visit.finding, detail)


def _passed(layer: str, visit: Visit) -> str:
    if layer == "tls" and (shown := visit.certificate):
        return f"certificate by {shown.issuer}, until {shown.valid_until:%Y-%m-%d}"
    return visit.address


def _whose(visit: Visit) -> str:
    return f"; issued by {visit.certificate.issuer}" if visit.certificate else ""


def _answered(reply: Reply) -> Iterator[Wire]:
    refused = reply.honoured is False
    known = Finding.CREDENTIALS_REFUSED if refused else ""
    detail = reply.detail if refused else {True: "accepted", None: "not known"}[reply.honoured]
    yield _rung("credentials", "", reply.target, reply.honoured, 0, known, detail)
    ok = None if refused else reply.verdict is None
    found = Finding.NOT_AS_EXPECTED if ok is False else ""
    yield _rung("contract", "", reply.target, ok, reply.milliseconds, found, reply.detail)


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
