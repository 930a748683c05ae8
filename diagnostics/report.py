"""The answer as it goes over the wire. The short form is a part of the full one: see `diagnostics.views`.

For everyone:

    success         verdict is ok or simulated
    verdict         diagnostics.enums.Verdict       culprit   diagnostics.enums.Culprit
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
    unknown_codes[] words of PhonePe that nobody has explained yet: code, times, last_seen

A rung: layer (dns, tcp, proxy, tls, http, credentials, contract), family ("ipv4", "ipv6" or ""), target, ok (null:
not looked at, or says nothing), ms, finding (diagnostics.enums.Finding, or "" when all is well), detail.
"""

import socket
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from diagnostics import configuration, history, layers
from diagnostics.dependencies import CheckResult
from diagnostics.evidence import Facts
from diagnostics.history import Past
from diagnostics.support_message import letter
from diagnostics.verdicts import Judgement, judge
from payment.phonepe.credentials import Merchant

Wire = dict[str, Any]


def report(facts: Facts, merchant: Merchant | None, past: Past, now: datetime) -> Wire:
    """`took_ms` is left to whoever has measured it."""
    first, *others = judge(facts)
    config = configuration.shown(merchant)
    endpoints = [layers.endpoint(probe, facts.replies) for probe in facts.probes]
    endpoints += [layers.inside(reply) for reply in facts.replies if reply.target is None]
    controls = [layers.endpoint(probe, ()) for probe in (*facts.controls, *facts.siblings)]
    return {
        "success": first.verdict.is_well,
        **_judged(first),
        "also": [_judged(other) for other in others],
        "checked_at": timezone.localtime(now).isoformat(timespec="seconds"),
        "endpoints": endpoints,
        "controls": controls,
        "checks": list(layers.all_rungs(facts, (*controls, *endpoints))),
        "dependencies": {name: _dependency(hop) for name, hop in facts.hops.items()},
        "server": _server(facts),
        "config": config,
        "support_message": letter(first, facts, now),
        "changed_since_last_ok": _changed(first, facts, config, past),
        "history": list(past.runs),
        "unknown_codes": list(past.unknown_codes),
    }


def _judged(judgement: Judgement) -> Wire:
    return {
        "verdict": judgement.verdict.value,
        "culprit": judgement.culprit.value,
        "summary": judgement.summary,
        "next_action": judgement.next_action,
        "troubleshooting": judgement.troubleshooting,
    }


def _dependency(hop: CheckResult) -> Wire:
    return {
        "target": hop.target,
        "ok": hop.ok,
        "ms": hop.milliseconds,
        "finding": hop.fault,
        "detail": hop.detail,
    }


def _server(facts: Facts) -> Wire:
    probes = (*facts.probes, *facts.controls)
    sources = dict.fromkeys(
        attempt.source_address for probe in probes for attempt in probe.attempts if attempt.source_address
    )
    servers = dict.fromkeys(server for probe in probes for server in probe.resolution.name_server.servers)
    return {
        "host": socket.gethostname(),
        "source_addresses": list(sources),
        "public_address": facts.public_address or None,
        "name_servers": list(servers),
        "build": settings.BUILD,
    }


def _changed(first: Judgement, facts: Facts, config: Wire, past: Past) -> Wire | None:
    if first.verdict.is_well:
        return None
    return history.changed(past, history.circumstances(facts, config))
