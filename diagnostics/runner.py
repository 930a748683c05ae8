"""Runs diagnoses: at most one in thirty seconds for all callers in all processes, and those of the worker.

The worker makes one every few minutes, and one at once when payments start to fail; one for all workers. A diagnosis
probes all targets at once, then sends the status requests; what lost packets explain is tried a second time.
"""

import functools
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent import futures
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.expressions import Combinable
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.clocks import SKEW, database_now
from core.errors import Unavailable
from core.logging import redact
from core.waiting import wait_for
from diagnostics import dependencies, history
from diagnostics.deadlines import begin, result, result_cache, side_by_side
from diagnostics.dependencies import DATABASE_ERRORS, CheckResult
from diagnostics.dns import DnsClients, LookedUpResolver
from diagnostics.enums import TIMEOUTS, Verdict
from diagnostics.evidence import Evidence
from diagnostics.history import Circumstances, PastRuns
from diagnostics.load import LoadMeter
from diagnostics.probes import (
    SHORTEST_WAIT,
    ProbeResult,
    StatusProbeResult,
    fresh_session,
    probe,
    probe_status,
    probe_timeout,
    status_timeout,
)
from diagnostics.report import Report, build_report
from diagnostics.targets import (
    Role,
    Target,
    control_targets,
    is_in_process,
    phonepe_targets,
    sibling_targets,
)
from diagnostics.webhook_check import check_webhook, check_webhook_silence
from payment.checks import address_problems
from payment.gateways import PhonePeGateway
from payment.models import DiagnosisRun, GatewayCall
from payment.phonepe import credentials
from payment.phonepe.credentials import Merchant, NotConfigured
from payment.phonepe.enums import Generation
from payment.phonepe.oauth import TokenStore
from payment.phonepe.rate_limit import RateLimit
from payment.phonepe.transport import Deadline, Resolver
from payment.services.leases import WHOLE_KIND
from payment.unused_settings import setting_warnings

logger = logging.getLogger(__name__)

Json = dict[str, Any]

SECONDS = 10.0  # the longest that one diagnosis takes, saving it included
WORKER_SECONDS = 8.0  # of a diagnosis of the worker, without saving it
SHARE_OF_CHECKS = 0.9
INTERVAL, KEPT = 30, 86_400  # seconds
RUNNING, LAST = "diagnosis-running", "diagnosis-last"
# The worker diagnoses at once when so many of the last calls have failed lately.
REGULAR = "regular "  # the occasion of each interval begins with it
MANY_FAILURES, CALLS_CHECKED, RECENT = 3, 20, timedelta(minutes=2)
SHARE_OF_PROBES = 0.5  # of the time; the rest is for the status requests that follow
SHARE_OF_SECOND_PROBES = 0.6  # of the rest: without an address that is reached there is no status request
SHARE_OF_NAMES = 0.5  # of what is left for the status requests
SHARE_OF_TASK = 0.9  # a probe or status request ends a little before its caller stops waiting


class DiagnosisRunning(Unavailable):
    default_code = "diagnosis_running"
    default_detail = _("A diagnosis is being made. Please ask again in a few seconds.")


def latest_report(patience: float = SECONDS, deadline: Deadline | None = None) -> Json:
    """The last report, or a new one if the last is older than thirty seconds. Raises DiagnosisRunning.

    `patience`: seconds to wait for another caller who makes the very first one. `deadline`: for waiting or making one.
    """
    deadline = deadline or Deadline(SECONDS)
    if _claim_interval():
        return diagnose(deadline).as_json()
    if last := _last_report():
        return last
    waiting = deadline.within(patience)
    if last := wait_for(_last_report, waiting.remaining()):
        return last
    # That caller's thread died, or the shared cache can be read but not written.
    if waiting.expired and result_cache.own.add(RUNNING, True, INTERVAL):
        if not deadline.expired:
            return diagnose(deadline).as_json()
        begin(diagnose, Deadline(SECONDS))  # for whoever asks again
    raise DiagnosisRunning


def diagnose(
    deadline: Deadline | None = None,
    *,
    ask_simulator: bool = False,
    asked_by: str = DiagnosisRun.AskedBy.WEB,
) -> Report:
    """Makes a new report, caches it, and saves it if the database works."""
    deadline = deadline or Deadline(SECONDS)
    run = DiagnosisRun(asked_by=asked_by, started_at=timezone.now())
    report, circumstances = make_report(deadline.remaining() * SHARE_OF_CHECKS, ask_simulator=ask_simulator)
    tasks = [functools.partial(cache_report, report)]
    if report.dependencies["database"].finding in ("", "migrations"):  # else saving waits in vain
        tasks.append(functools.partial(_save, run, report, circumstances))
    side_by_side(tasks, deadline)
    return report


def cache_report(report: Report) -> None:
    """For all callers from now on; no other diagnosis is made for thirty seconds."""
    answer = report.as_json()
    result_cache.own.set(LAST, answer, INTERVAL)
    result_cache.set(RUNNING, time.time(), INTERVAL)
    result_cache.set(LAST, answer, KEPT)


def diagnosis_due(now: datetime) -> list[int]:
    """For the worker: row 0, the diagnosis as a whole, when one is due."""
    return [WHOLE_KIND] if _due_occasion(now) else []


def run_diagnosis(_: int) -> None:
    """For the worker: takes ten seconds at most. Of several callers on one occasion only one diagnoses."""
    now, lease = database_now(), uuid.uuid4()
    occasion = _due_occasion(now)
    if not occasion:
        return
    worker = DiagnosisRun.AskedBy.WORKER
    mine = DiagnosisRun(asked_by=worker, occasion=occasion, lease=lease, started_at=now)
    DiagnosisRun.objects.bulk_create([mine], ignore_conflicts=True)
    run = DiagnosisRun.objects.filter(occasion=occasion, lease=lease).first()
    if run is None:
        return
    report, circumstances = make_report(WORKER_SECONDS, ask_simulator=True)
    cache_report(report)
    side_by_side([functools.partial(_save, run, report, circumstances)], Deadline(SECONDS - WORKER_SECONDS))
    if not report.success:
        words = {name: str(getattr(report, name)) for name in ("verdict", "culprit", "summary")}
        # A server that is too busy says nothing about anybody else, and may be well a minute later.
        level = logging.WARNING if report.verdict is Verdict.SERVER_OVERLOADED else logging.ERROR
        logger.log(level, "diagnosis", extra=words)


def make_report(
    seconds: float, clients: DnsClients | None = None, *, ask_simulator: bool = False
) -> tuple[Report, Circumstances]:
    """Checks everything at once, then sends status requests. Needs no dependency to work, and saves nothing.

    `clients`: to resolve names with, instead of this system's. `ask_simulator`: send a status request to a PhonePe
    inside this process too, which takes a working database.
    """
    now, started, deadline = timezone.now(), time.monotonic(), Deadline(seconds)
    clients = clients or DnsClients(servers=settings.DIAGNOSIS_NAME_SERVERS)
    meter = LoadMeter()
    merchant, problem = usable_merchant()
    past_runs = begin(history.load_past_runs, deadline)
    pending = _begin_checks(merchant, clients, deadline)
    network = probe_network(merchant, deadline, clients, ask_simulator) if merchant else Evidence()
    checked = {}
    for name, check in pending.items():
        try:
            outcome = result(check, deadline)
        except TimeoutError:
            outcome = dependencies.timeout_result(name)
        if outcome:
            checked[name] = outcome
    try:
        past = result(past_runs, deadline)
    except TimeoutError:
        past = PastRuns()
    load = meter.read()
    meter.stop()
    evidence = replace(
        network,
        settings_problem=problem,
        dependencies=dependencies.judge_under_load(checked, load),
        load=load,
        failed_calls=past.failed_calls,
        is_simulated=settings.PHONEPE_SIMULATION_MODE,
        warnings=tuple(setting_warnings()),
    )
    report = build_report(evidence, merchant, past, now)
    took = round((time.monotonic() - started) * 1000)
    return replace(report, took_ms=took), history.circumstances(evidence, report.config)


def _begin_checks(
    merchant: Merchant | None, clients: DnsClients, deadline: Deadline
) -> "dict[str, futures.Future[CheckResult | None]]":
    """Checks all dependencies of our own, side by side."""
    checks: dict[str, Callable[[], CheckResult | None]] = {
        "database": dependencies.check_database_writes,
        "worker": dependencies.check_worker,
        "cache": dependencies.check_cache,
        "disk": dependencies.check_disk,
        "mail": dependencies.check_mail,
        "broker": dependencies.check_broker,
        "webhook": functools.partial(check_webhook, merchant, clients.system),
        "webhook_silence": check_webhook_silence,
    }
    return {
        name: begin(functools.partial(dependencies.run_timed, check), deadline)
        for name, check in checks.items()
    }


def usable_merchant() -> tuple[Merchant | None, str]:
    """The merchant that new payments are made for, and what is wrong with the settings."""
    try:
        merchant = credentials.current()
    except NotConfigured:
        return (
            None,
            "set PHONEPE_CLIENT_ID and PHONEPE_CLIENT_SECRET, or PHONEPE_MERCHANT_ID and PHONEPE_SALT_KEY",
        )
    except ImproperlyConfigured as error:
        return None, redact(str(error))
    if merchant.identity.generation == Generation.V2 and not merchant.client_secret:
        return None, "PHONEPE_CLIENT_ID is set, PHONEPE_CLIENT_SECRET is not"
    if problems := address_problems():  # a CA bundle may be deleted while we run
        return None, redact(problems[0].text)
    return merchant, ""


def _claim_interval() -> bool:
    """True when nobody has made a diagnosis in the last thirty seconds, for one caller.

    A mark of the future stems from a clock that has been set back since; the cache would keep it for as long.
    """
    now = time.time()
    if result_cache.add(RUNNING, now, INTERVAL):
        return True
    begun = result_cache.get(RUNNING)
    if not isinstance(begun, float) or begun <= now + INTERVAL:
        return False
    result_cache.delete(RUNNING)
    return result_cache.add(RUNNING, now, INTERVAL)


def _save(run: DiagnosisRun, report: Report, circumstances: Circumstances) -> None:
    try:
        history.save_run(run, report.as_json(), circumstances)
    except DATABASE_ERRORS:
        logger.warning("this run of the diagnosis could not be saved")


def _last_report() -> Json | None:
    return result_cache.get(LAST) or result_cache.own.get(LAST)


def _due_occasion(now: datetime) -> str:
    """Why the worker diagnoses now, the same for all callers of the same minutes; "" when none has to."""
    if not settings.DIAGNOSIS_EVERY_MINUTES:
        return ""
    occasion = f"{REGULAR}{_interval_number(now, settings.DIAGNOSIS_EVERY_MINUTES)}"
    if not DiagnosisRun.objects.filter(occasion=occasion).exists():  # this run looks at failing calls, too
        return occasion
    if not failing_since(now).exists():
        return ""
    occasion = f"failing {_interval_number(now, 2)}"
    return "" if DiagnosisRun.objects.filter(occasion=occasion).exists() else occasion


def failing_since(now: datetime | Combinable) -> "QuerySet[GatewayCall]":
    """The call with which failed ones became many, when no diagnosis has been made since; else none."""
    checked = GatewayCall.objects.order_by("-pk").values("pk")[:CALLS_CHECKED]
    failed = GatewayCall.objects.filter(pk__in=checked, started_at__gte=now - RECENT).exclude(
        error_category=""
    )
    became_many = failed.order_by("started_at").values("pk")[MANY_FAILURES - 1 : MANY_FAILURES]
    runs_since = DiagnosisRun.objects.filter(
        started_at__gte=OuterRef("started_at"), started_at__lte=now + SKEW
    )
    return GatewayCall.objects.filter(~Exists(runs_since), pk__in=became_many).order_by("pk")


def regular_runs() -> "QuerySet[DiagnosisRun]":
    """The runs of each interval, the last first."""
    return DiagnosisRun.objects.filter(occasion__startswith=REGULAR).order_by("-pk")


def next_regular_run(last_occasion: str | None, now: datetime) -> datetime | None:
    """When the next one is due, after the last one. None when there are none."""
    minutes = settings.DIAGNOSIS_EVERY_MINUTES
    if not minutes:
        return None
    number = _interval_number(now, minutes)
    if last_occasion != f"{REGULAR}{number}":
        return now
    return datetime.fromtimestamp((number + 1) * 60 * minutes, tz=UTC)


def _interval_number(now: datetime, minutes: int) -> int:
    """Counts intervals of so many minutes."""
    return int(now.timestamp()) // (60 * minutes)


def probe_network(
    merchant: Merchant, deadline: Deadline, clients: DnsClients, ask_simulator: bool
) -> Evidence:
    """Everything behind a socket; a PhonePe inside this process has none."""
    if is_in_process(merchant):
        if not ask_simulator:
            return Evidence()
        return Evidence(status_results=(_status_result(merchant, None, deadline, clients.system),))
    phonepe = phonepe_targets(merchant)
    groups = phonepe, control_targets(phonepe), sibling_targets(phonepe)
    targets = [target for group in groups for target in group]
    done = iter(_probe_all(targets, deadline.within(deadline.remaining() * SHARE_OF_PROBES), clients))
    probes, controls, siblings = (tuple(next(done) for _ in group) for group in groups)
    evidence = Evidence(probes=probes, controls=controls, siblings=siblings)
    if evidence.unreachable and evidence.unreachable.finding in TIMEOUTS and evidence.is_network_open:
        evidence = replace(evidence, probes=_probe_again(probes, deadline, clients))
    if evidence.unreachable:
        return evidence
    return replace(evidence, status_results=_status_results(merchant, evidence, deadline, clients))


def _probe_all(targets: Sequence[Target], deadline: Deadline, clients: DnsClients) -> list[ProbeResult]:
    shorter = deadline.within(deadline.remaining() * SHARE_OF_TASK)
    tasks = [functools.partial(probe, target, shorter, clients) for target in targets]
    done = side_by_side(tasks, deadline)
    return [found or probe_timeout(target) for target, found in zip(targets, done, strict=True)]


def _probe_again(
    probes: Iterable[ProbeResult], deadline: Deadline, clients: DnsClients
) -> tuple[ProbeResult, ...]:
    """Those that got no answer, though others did: on a bad line a single time-out proves nothing."""
    silent = [each.target for each in probes if each.finding in TIMEOUTS]
    again = _probe_all(silent, deadline.within(deadline.remaining() * SHARE_OF_SECOND_PROBES), clients)
    reached = {each.target: each for each in again if each.is_reached}
    return tuple(reached.get(each.target, each) for each in probes)


def _status_results(
    merchant: Merchant, evidence: Evidence, deadline: Deadline, clients: DnsClients
) -> tuple[StatusProbeResult, ...]:
    """One address after the other: of two token requests at the same time one would invalidate the other's token.

    A share of the time is kept for a second request where the first one got no answer.
    """
    reached = {probed.target for probed in evidence.probes if probed.is_reached}
    pairs = [(each, Target(Role.API, each.base_url, each.proxy)) for each in merchant.endpoints if each.signs]
    usable = [(endpoint, target) for endpoint, target in pairs if target in reached]
    peers = [each.target.peer for each in evidence.probes]
    names = LookedUpResolver(clients.system, peers, deadline.within(deadline.remaining() * SHARE_OF_NAMES))
    results = []
    for left, (endpoint, target) in zip(range(len(usable), 0, -1), usable, strict=True):
        only = replace(merchant, endpoints=(endpoint,))
        share = deadline.within(deadline.remaining() / (left + 1))
        results.append(_status_result(only, target, share, names))
    doubtful = next((each for each, result in enumerate(results) if result.is_doubtful), None)
    if doubtful is not None and deadline.remaining() > SHORTEST_WAIT:
        endpoint, target = usable[doubtful]
        only = replace(merchant, endpoints=(endpoint,))
        results[doubtful] = _status_result(only, target, deadline, clients.system)
    return tuple(results)


def _status_result(
    merchant: Merchant, target: Target | None, deadline: Deadline, resolver: Resolver
) -> StatusProbeResult:
    shorter = deadline.within(deadline.remaining() * SHARE_OF_TASK)

    def send() -> StatusProbeResult:
        # A database or cache of ours that hangs must not take the time of a question to PhonePe.
        tokens, limit = TokenStore(merchant, store=result_cache), RateLimit(merchant, store=result_cache)
        if target is None:
            return probe_status(PhonePeGateway(merchant, tokens=tokens, rate_limit=limit), shorter)
        with fresh_session(resolver) as session:
            gateway = PhonePeGateway(merchant, session=session, tokens=tokens, rate_limit=limit)
            return probe_status(gateway, shorter, target)

    [found] = side_by_side([send], deadline)
    return found or status_timeout(target)
