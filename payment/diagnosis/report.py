"""The answer as it goes over the wire. The short form is a part of the full one: see `payment.views.diagnosis`.

For everyone:

    success         verdict is ok or simulated
    verdict         payment.diagnosis.words.Verdict       culprit   payment.diagnosis.words.Culprit
    summary         one sentence                          checked_at   ISO 8601, with offset
    endpoints[]     endpoint, reachable, stage            how far each address of PhonePe was reached

For whoever operates this server, in addition:

    next_action     what to do first                      troubleshooting   "docs/troubleshooting.md#<verdict>"
    also[]          further faults, most urgent first: verdict, culprit, summary, next_action, troubleshooting
    endpoints[]     role, target (host:port), way ("directly" or the proxy), ladder[] of rungs
    controls[]      hosts that tell a closed network from a closed PhonePe, in the shape of endpoints[]
    checks[]        all rungs of all ladders and all dependencies, in one list
    dependencies    name -> target, ok, ms, finding, detail: our own hops
    server          host, source_addresses[], public_address or null, name_servers[], build
    config          what is configured, masked            took_ms   the whole diagnosis
    support_message to, subject, body; null when nobody has to act
    changed_since_last_ok   since, changes[] of what, before, now (text); null when all is well or never was
    history[]       the runs before this one, newest first: checked_at, verdict, culprit, summary, asked_by

A rung: layer (dns, tcp, proxy, tls, http, credentials, contract), family ("ipv4", "ipv6" or ""), target, ok (null:
not looked at, or says nothing), ms, finding (payment.diagnosis.words.Finding, or "" when all is well), detail.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone

from payment.diagnosis import configuration
from payment.diagnosis.facts import Facts
from payment.diagnosis.hops import Hop
from payment.diagnosis.knocks import Knock, Visit
from payment.diagnosis.letters import letter
from payment.diagnosis.question import Reply
from payment.diagnosis.rules import judge
from payment.merchants import Merchant

Wire = dict[str, Any]


def report(facts: Facts, merchant: Merchant | None, now: datetime) -> Wire:
    judgement = judge(facts)
    return {
        "success": judgement.verdict.is_well,
        "verdict": judgement.verdict.value,
        "culprit": judgement.culprit.value,
        "summary": judgement.summary,
        "checked_at": timezone.localtime(now).isoformat(timespec="seconds"),
        "endpoints": [_endpoint(knock) for knock in facts.knocks],
        "next_action": judgement.next_action,
        "checks": list(_checks(facts)),
        "dependencies": {name: _dependency(hop) for name, hop in facts.hops.items()},
        "config": configuration.shown(merchant),
        "support_message": letter(judgement, facts, now),
    }


def _endpoint(knock: Knock) -> Wire:
    """For everyone: no addresses, no errors, nothing about our network."""
    passed = knock.best.passed
    return {
        "endpoint": knock.door.name,
        "reachable": knock.is_reached,
        "stage": passed[-1].upper() if passed else "NONE",
    }


def _checks(facts: Facts) -> Iterator[Wire]:
    for hop in facts.hops.values():
        yield _check(hop.layer, hop.target, hop.ok, hop.milliseconds, hop.detail)
    for knock in (*facts.controls, *facts.knocks):
        for visit in knock.visits:
            yield from _visit_checks(visit)
    if facts.reply:
        yield _reply_check(facts.reply)


def _visit_checks(visit: Visit) -> Iterator[Wire]:
    """One line for each layer that was passed, and one for the layer that stopped us."""
    target = f"{visit.door.target} ({visit.door.role.value}, {visit.door.way})"
    for layer in visit.passed:
        yield _check(layer, target, True, visit.milliseconds.get(layer, 0), _passed_detail(layer, visit))
    if layer := visit.stopped_at:
        yield _check(layer, target, False, 0, f"{visit.category}: {visit.error}", visit.address)


def _passed_detail(layer: str, visit: Visit) -> str:
    if layer == "http":
        return f"HTTP {visit.http_status}" if visit.http_status else f"the answer broke off: {visit.error}"
    return visit.address


def _reply_check(reply: Reply) -> Wire:
    return _check("contract", reply.target, reply.verdict is None, reply.milliseconds, reply.detail)


def _check(layer: str, target: str, ok: bool | None, ms: int, detail: str, address: str = "") -> Wire:
    return {"layer": layer, "target": target, "ok": ok, "ms": ms, "detail": f"{address} {detail}".strip()}


def _dependency(hop: Hop) -> Wire:
    return {"ok": hop.ok, "detail": hop.detail}
