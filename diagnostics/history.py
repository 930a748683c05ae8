"""Earlier runs, and what has changed since the last one in which all was well.

The newest few hundred are kept in the database. Without a database nothing is kept or compared, and the diagnosis takes
no longer.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from diagnostics import config
from diagnostics.dependencies import DATABASE_ERRORS
from diagnostics.evidence import Evidence
from payment.models import DiagnosisRun, GatewayCall
from payment.services.timeline import unknown_codes

Json = dict[str, Any]
# What may change between two runs: kind -> name -> value.
Circumstances = Mapping[str, Mapping[str, Any]]

RUNS_KEPT = 500
RUNS_SHOWN = 10
FAILED_CALLS_SINCE, FAILED_CALLS_SHOWN = timedelta(hours=1), 3


@dataclass(frozen=True)
class RunSummary:
    checked_at: str
    verdict: str
    culprit: str
    summary: str
    asked_by: str


@dataclass(frozen=True)
class UnknownCode:
    code: str
    times: int
    last_seen: str


@dataclass(frozen=True)
class Change:
    what: str
    before: str
    now: str


@dataclass(frozen=True)
class Changes:
    since: str
    changes: list[Change]


@dataclass(frozen=True)
class PastRuns:
    """`ok_since`, `circumstances`: of the last good run; None when there was none or the database fails."""

    ok_since: datetime | None = None
    circumstances: Circumstances | None = None
    runs: tuple[RunSummary, ...] = ()
    failed_calls: tuple[str, ...] = ()
    unknown_codes: tuple[UnknownCode, ...] = ()


def load_past_runs() -> PastRuns:
    try:
        good = DiagnosisRun.objects.filter(success=True).defer("answer").order_by("-pk").first()
        finished = DiagnosisRun.objects.exclude(finished_at=None).order_by("-started_at", "-pk")
        runs = [
            RunSummary(_local_time(run.started_at), run.verdict, run.culprit, run.summary, run.asked_by)
            for run in finished.defer("answer", "circumstances")[:RUNS_SHOWN]
        ]
        codes = [
            UnknownCode(row["code"], row["times"], _local_time(row["last_seen"])) for row in unknown_codes()
        ]
        past = PastRuns(runs=tuple(runs), failed_calls=tuple(_failed_calls()), unknown_codes=tuple(codes))
    except DATABASE_ERRORS:
        return PastRuns()
    return replace(past, ok_since=good.started_at, circumstances=good.circumstances) if good else past


def save_run(run: DiagnosisRun, answer: Json, circumstances: Circumstances) -> None:
    """Saves the run and deletes the oldest ones. `answer`: the report as JSON. Raises DATABASE_ERRORS."""
    run.finished_at = timezone.now()
    run.success, run.verdict, run.culprit = answer["success"], answer["verdict"], answer["culprit"]
    run.summary, run.took_ms = answer["summary"][:300], answer["took_ms"]
    run.answer = {name: value for name, value in answer.items() if name != "history"}
    run.circumstances = circumstances
    run.save()
    too_old = DiagnosisRun.objects.order_by("-pk").values_list("pk", flat=True)[RUNS_KEPT : RUNS_KEPT + 100]
    DiagnosisRun.objects.filter(pk__in=list(too_old)).delete()


def circumstances(evidence: Evidence, configured: Json) -> Circumstances:
    """No secret is in it: `configured` is masked."""
    fingerprints = config.hidden_fingerprints()
    probes = [*evidence.probes, *evidence.controls]
    attempts = [attempt for probe in probes for attempt in probe.attempts]
    public = {"public": evidence.public_address} if evidence.public_address else {}
    # Of the masked settings and the fingerprints of the hidden ones.
    everything = json.dumps(configured | fingerprints, sort_keys=True, default=str)
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
        | public,
        "setting": {name: str(value) for name, value in configured.items()}
        | {"fingerprint": hashlib.sha256(everything.encode()).hexdigest()[:12]},
        "hidden setting": fingerprints,
        "build": {"": settings.BUILD},
    }


def changes_since_ok(past: PastRuns, now: Circumstances) -> Changes | None:
    """Of names that occur in both; address lists only when they have nothing in common (DNS rotates them).

    None when there is nothing to compare with.
    """
    if past.ok_since is None or past.circumstances is None:
        return None
    changes = []
    for kind, values in now.items():
        before = past.circumstances.get(kind, {})
        for name, new in values.items():
            old = before.get(name, new)
            if old != new and not (isinstance(old, list) and set(old) & set(new)):
                changes.append(Change(f"{kind} {name}".strip(), _text(old), _text(new)))
    return Changes(_local_time(past.ok_since), changes)


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _local_time(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")


def _failed_calls() -> Iterator[str]:
    """The last orders whose calls failed, for PhonePe's support."""
    failed = GatewayCall.objects.exclude(error_category="").filter(
        started_at__gte=timezone.now() - FAILED_CALLS_SINCE
    )
    for call in failed.select_related("attempt").order_by("-started_at", "-pk")[:FAILED_CALLS_SHOWN]:
        what = f"HTTP {call.http_status} {call.code}".strip() if call.http_status else call.error_category
        about = f"order {call.attempt}" if call.attempt else "no order"
        yield f"{call.started_at:%Y-%m-%d %H:%M:%S} UTC, {call.operation} of {about}: {what}"
