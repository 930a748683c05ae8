"""The answer of a diagnosis. The field names of these dataclasses are the JSON keys.

For everyone (`diagnostics.serializers` cuts the short form out of the full one):

    success         verdict is ok or simulated
    verdict         diagnostics.enums.Verdict       culprit   diagnostics.enums.Culprit
    summary         one sentence                    checked_at   ISO 8601, with offset
    endpoints[]     endpoint, reachable, stage      how far each address of PhonePe was reached

For operators, in addition:

    next_action     what to do first                      troubleshooting   "docs/troubleshooting.md#<verdict>"
    also[]          further faults, most urgent first: verdict, culprit, summary, next_action, troubleshooting
    endpoints[]     role, target (host:port), way ("directly" or the proxy), ladder[] of layers
    controls[]      hosts that tell a closed network from a PhonePe that is down, in the shape of endpoints[]
    checks[]        all layers of all ladders and all dependencies, in one list
    dependencies    name -> target, ok, ms, finding, detail: what we depend on ourselves
    server          host, source_addresses[], public_address or null, name_servers[], build
    config          what is configured, masked            took_ms   the whole diagnosis
    support_message to, subject, body; null when nobody has to act
    changed_since_last_ok   since, changes[] of what, before, now (text); null when all is well or never was
    history[]       the runs before this one, newest first: checked_at, verdict, culprit, summary, asked_by
    warnings[]      settings to look at, as `manage.py check` names them: id, text, remedy; they change no verdict
    unknown_codes[] codes of PhonePe that are not in our table: code, times, last_seen

A layer: layer (dns, tcp, proxy, tls, http, credentials, contract), family ("ipv4", "ipv6" or ""), target, ok (null:
not checked, or says nothing), ms, finding (diagnostics.enums.Finding, or "" when all is well), detail.
"""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from django.conf import settings
from django.utils import timezone

from core.logging import redact
from diagnostics import config, history
from diagnostics.dns import is_address
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.history import Changes, PastRuns, RunSummary, UnknownCode
from diagnostics.probes import ConnectionAttempt, ProbeResult, StatusProbeResult
from diagnostics.support_message import SupportMessage, write_support_message
from diagnostics.verdicts import conclude
from payment.phonepe.credentials import Merchant

Json = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    layer: str
    family: str
    target: str
    ok: bool | None
    ms: int
    finding: str
    detail: str


@dataclass(frozen=True)
class Endpoint:
    """`endpoint`, `reachable` and `stage` are public: no addresses, no errors, nothing about our network."""

    endpoint: str
    reachable: bool
    stage: str
    role: str
    target: str
    way: str
    ladder: list[Layer]


@dataclass(frozen=True)
class Dependency:
    target: str
    ok: bool | None
    ms: int
    finding: str
    detail: str


@dataclass(frozen=True)
class Fault:
    verdict: Verdict
    culprit: Culprit
    summary: str
    next_action: str
    troubleshooting: str


@dataclass(frozen=True)
class SettingWarning:
    id: str
    text: str
    remedy: str


@dataclass(frozen=True)
class Server:
    host: str
    source_addresses: list[str]
    public_address: str | None
    name_servers: list[str]
    build: str


@dataclass(frozen=True)
class Report:
    success: bool
    verdict: Verdict
    culprit: Culprit
    summary: str
    next_action: str
    troubleshooting: str
    also: list[Fault]
    checked_at: str
    endpoints: list[Endpoint]
    controls: list[Endpoint]
    checks: list[Layer]
    dependencies: dict[str, Dependency]
    server: Server
    config: Json
    support_message: SupportMessage | None
    changed_since_last_ok: Changes | None
    history: list[RunSummary]
    unknown_codes: list[UnknownCode]
    warnings: list[SettingWarning]
    took_ms: int = 0

    def as_json(self) -> Json:
        """What is cached, stored and sent: plain types only."""
        return asdict(
            self,
            dict_factory=lambda items: {
                name: value.value if isinstance(value, Enum) else value for name, value in items
            },
        )


def build_report(evidence: Evidence, merchant: Merchant | None, past: PastRuns, now: datetime) -> Report:
    """`took_ms` is set by the caller, who measures it."""
    first, *others = conclude(evidence)
    configured = config.masked(merchant)
    endpoints = _endpoints(evidence)
    controls = [_endpoint(probe, ()) for probe in (*evidence.controls, *evidence.siblings)]
    dependencies = {
        name: Dependency(check.target, check.ok, check.milliseconds, check.fault, check.detail)
        for name, check in evidence.dependencies.items()
    }
    checks = [
        Layer(name, "", each.target, each.ok, each.ms, each.finding, each.detail)
        for name, each in dependencies.items()
    ]
    checks += [layer for each in (*controls, *endpoints) for layer in each.ladder]
    is_well = first.verdict.is_well
    circumstances = history.circumstances(evidence, configured)
    return Report(
        success=is_well,
        verdict=first.verdict,
        culprit=first.culprit,
        summary=first.summary,
        next_action=first.next_action,
        troubleshooting=first.troubleshooting,
        also=[
            Fault(each.verdict, each.culprit, each.summary, each.next_action, each.troubleshooting)
            for each in others
        ],
        checked_at=timezone.localtime(now).isoformat(timespec="seconds"),
        endpoints=endpoints,
        controls=controls,
        checks=checks,
        dependencies=dependencies,
        server=_server(evidence),
        config=configured,
        support_message=write_support_message(first, evidence, now),
        changed_since_last_ok=None if is_well else history.changes_since_ok(past, circumstances),
        history=list(past.runs),
        unknown_codes=list(past.unknown_codes),
        warnings=[
            SettingWarning(str(each.id), redact(str(each.msg)), each.hint or "") for each in evidence.warnings
        ],
    )


def _endpoints(evidence: Evidence) -> list[Endpoint]:
    """Of PhonePe: those that were probed, or the one inside this process."""
    endpoints = [_endpoint(probe, evidence.status_results) for probe in evidence.probes]
    for result in evidence.status_results:
        if result.target is None:  # PhonePe simulated in this process: there is no network, only an answer
            ladder = list(_status_layers(result))
            where = ("simulated PhonePe", True, "HTTP", "payments", result.host_port, "inside this process")
            endpoints.append(Endpoint(*where, ladder))
    return endpoints


def _server(evidence: Evidence) -> Server:
    probes = (*evidence.probes, *evidence.controls)
    sources = (attempt.source_address for probe in probes for attempt in probe.attempts)
    name_servers = (server for probe in probes for server in probe.resolution.name_server.servers)
    return Server(
        host=socket.gethostname(),
        source_addresses=list(dict.fromkeys(filter(None, sources))),
        public_address=evidence.public_address or None,
        name_servers=list(dict.fromkeys(name_servers)),
        build=settings.BUILD,
    )


def _endpoint(probe: ProbeResult, status_results: Iterable[StatusProbeResult]) -> Endpoint:
    passed = probe.passed_layers
    results = [result for result in status_results if result.target == probe.target]
    is_answered = any(result.verdict is None for result in results)
    # In the order in which a payment passes them.
    ladder = [
        *_dns_layers(probe),
        *(layer for attempt in probe.attempts for layer in _attempt_layers(attempt, is_answered)),
        *(layer for result in results for layer in _status_layers(result)),
    ]
    return Endpoint(
        endpoint=probe.target.public_name,
        reachable=probe.is_reached,
        stage=passed[-1].upper() if passed else "NONE",
        role=probe.target.role.value,
        target=probe.target.host_port,
        way=probe.target.route,
        ladder=ladder,
    )


def _dns_layers(probe: ProbeResult) -> Iterator[Layer]:
    resolution, host = probe.resolution, probe.target.peer[0]
    took = resolution.milliseconds
    if not resolution.addresses:
        error = f"{resolution.error} ({resolution.source})" if resolution.error else probe.best.error
        finding = str(probe.finding or resolution.finding)
        yield Layer("dns", "", host, False, took, finding, error)
        return
    for family in ("ipv4", "ipv6"):
        if addresses := resolution.of_family(family):
            detail = f"{', '.join(addresses)} ({resolution.source})"
            finding = str(resolution.finding) if probe.is_misresolved else ""
            if resolution.is_slow and not finding:
                finding = Finding.NAME_SERVER_SLOW.value
            yield Layer("dns", family, host, not probe.is_misresolved, took, finding, detail)
        elif not is_address(host):
            absent = Finding.NO_ADDRESS
            yield Layer("dns", family, host, None, 0, absent.value, absent.label)


def _attempt_layers(attempt: ConnectionAttempt, is_answered: bool) -> Iterator[Layer]:
    """One for each layer that was passed, and one for the layer that failed. DNS has its own."""
    target = f"{attempt.target.host_port} ({attempt.target.role.value}, {attempt.target.route})"
    finding, certificate = str(attempt.finding), attempt.certificate
    for layer in attempt.passed_layers:
        took = attempt.milliseconds.get(layer, 0)
        if layer == "http":
            # A strange answer to a probe means nothing where PhonePe answers our status request well.
            ok = True if not finding else (None if is_answered else False)
            detail = attempt.answer_summary or f"the answer broke off: {attempt.error}"
            yield Layer(layer, attempt.family, target, ok, took, finding, detail)
        elif layer != "dns":
            detail = attempt.address
            if layer == "tls" and certificate:
                detail = f"certificate by {certificate.issuer}, until {certificate.valid_until:%Y-%m-%d}"
            yield Layer(layer, attempt.family, target, True, took, "", detail)
    if (layer := attempt.failed_layer) and attempt.address:
        issuer = f"; issued by {certificate.issuer}" if certificate else ""
        detail = f"{attempt.address} {attempt.category}: {attempt.error}{issuer}"
        took = attempt.milliseconds.get(layer, 0)
        yield Layer(layer, attempt.family, target, False, took, finding, detail)


def _status_layers(result: StatusProbeResult) -> Iterator[Layer]:
    target, accepted = result.host_port, result.credentials_accepted
    is_refused = accepted is False
    finding = Finding.CREDENTIALS_REFUSED.value if is_refused else ""
    detail = result.detail if is_refused else {True: "accepted", None: "not known"}[accepted]
    yield Layer("credentials", "", target, accepted, 0, finding, detail)
    ok = None if is_refused or result.is_late else result.verdict is None
    finding = Finding.NOT_AS_EXPECTED.value if ok is False else ""
    yield Layer("contract", "", target, ok, result.milliseconds, finding, result.detail)
