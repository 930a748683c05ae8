"""The runs before this one, and what has changed since the last one in which all was well.

Kept in the database, the newest few hundred. Without a database nothing is kept and nothing compared, and the
diagnosis is none the slower for it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from diagnostics import configuration
from diagnostics.dependencies import DATABASE_ERRORS
from diagnostics.evidence import Facts
from payment.models import DiagnosisRun, GatewayCall
from payment.services.timeline import unknown_codes

Wire = dict[str, Any]

KEPT = 500
SHOWN = 10
FAILING, FAILING_SHOWN = timedelta(hours=1), 3


@dataclass(frozen=True)
class Past:
    """`circumstances` of the last good run; None when there was none or the database does not tell."""

    since: datetime | None = None
    circumstances: Mapping[str, Mapping[str, Any]] | None = None
    runs: tuple[Wire, ...] = ()
    failing: tuple[str, ...] = ()
    unknown_codes: tuple[Wire, ...] = ()


def recall() -> Past:
    try:
        good = DiagnosisRun.objects.filter(success=True).defer("answer").order_by("-pk").first()
        finished = DiagnosisRun.objects.exclude(finished_at=None).order_by("-pk")
        lines = map(_line, finished.defer("answer", "circumstances")[:SHOWN])
        found = Past(runs=tuple(lines), failing=tuple(_failing()), unknown_codes=tuple(_unknown()))
    except DATABASE_ERRORS:
        return Past()
    return replace(found, since=good.started_at, circumstances=good.circumstances) if good else found


def keep(answer: Wire, circumstances: Wire, asked_by: str, started_at: datetime) -> None:
    """Writes down one run that nobody has announced. Raises what a database raises."""
    run = DiagnosisRun(asked_by=asked_by, started_at=started_at)
    finish(run, answer, circumstances)


def finish(run: DiagnosisRun, answer: Wire, circumstances: Wire) -> None:
    run.finished_at = timezone.now()
    run.success, run.verdict, run.culprit = answer["success"], answer["verdict"], answer["culprit"]
    run.summary, run.took_ms = answer["summary"][:300], answer["took_ms"]
    run.answer = {name: value for name, value in answer.items() if name != "history"}
    run.circumstances = circumstances
    run.save()
    too_old = DiagnosisRun.objects.order_by("-pk").values_list("pk", flat=True)[KEPT : KEPT + 100]
    DiagnosisRun.objects.filter(pk__in=list(too_old)).delete()


def circumstances(facts: Facts, config: Wire) -> Wire:
    """What may change between two runs, by what and where. No secret: `config` is masked."""
    marks = configuration.marks()
    probes = [*facts.probes, *facts.controls]
    attempts = [attempt for probe in probes for attempt in probe.attempts]
    return {
        "dns answer": {
            probe.target.peer[0]: sorted(probe.resolution.all_addresses)
            for probe in probes
            if probe.resolution.all_addresses
        },
        "certificate": {
            attempt.target.host: f"{attempt.certificate.sha256[:16]} by {attempt.certificate.issuer}"
            for attempt in attempts
            if attempt.certificate
        },
        "source address": {
            attempt.family: attempt.source_address for attempt in attempts if attempt.source_address
        }
        | ({"public": facts.public_address} if facts.public_address else {}),
        "setting": {name: str(value) for name, value in config.items()}
        | {"fingerprint": fingerprint(config | marks)},
        "hidden setting": marks,
        "build": {"": settings.BUILD},
    }


def fingerprint(config: Wire) -> str:
    """Of the settings, masked, and the marks of those that are hidden."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:12]


def changed(past: Past, now: Wire) -> Wire | None:
    """`since` and `changes[]` of `what`, `before`, `now`; None when there is nothing to compare with."""
    if past.since is None or past.circumstances is None:
        return None
    since = timezone.localtime(past.since).isoformat(timespec="seconds")
    return {"since": since, "changes": list(_changes(past.circumstances, now))}


def _changes(before: Mapping[str, Mapping[str, Any]], now: Wire) -> Iterator[Wire]:
    """Of names that were seen both times; address lists only when they have nothing in common (they rotate)."""
    for kind in now:
        for name in before.get(kind, {}).keys() & now[kind].keys():
            was, is_now = before[kind][name], now[kind][name]
            if was != is_now and not (isinstance(was, list) and set(was) & set(is_now)):
                yield {"what": f"{kind} {name}".strip(), "before": _text(was), "now": _text(is_now)}


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _line(run: DiagnosisRun) -> Wire:
    return {
        "checked_at": timezone.localtime(run.started_at).isoformat(timespec="seconds"),
        "verdict": run.verdict,
        "culprit": run.culprit,
        "summary": run.summary,
        "asked_by": run.asked_by,
    }


def _unknown() -> Iterator[Wire]:
    for row in unknown_codes():
        yield {**row, "last_seen": timezone.localtime(row["last_seen"]).isoformat(timespec="seconds")}


def _failing() -> Iterator[str]:
    """The last orders that a call failed about, for whoever looks them up."""
    failed = GatewayCall.objects.exclude(error_category="").filter(started_at__gte=timezone.now() - FAILING)
    for call in failed.select_related("attempt").order_by("-pk")[:FAILING_SHOWN]:
        what = f"HTTP {call.http_status} {call.code}".strip() if call.http_status else call.error_category
        about = f"order {call.attempt}" if call.attempt else "no order"
        yield f"{call.started_at:%Y-%m-%d %H:%M:%S} UTC, {call.operation} of {about}: {what}"
