"""Runs diagnoses: at most one in thirty seconds, for all callers in all processes."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.errors import Unavailable
from core.logging import redact
from core.waiting import wait_for
from diagnostics import dependencies, history, result_cache, status_probe
from diagnostics.dependencies import DATABASE_ERRORS, CheckResult
from diagnostics.dns import DnsClients
from diagnostics.evidence import Evidence
from diagnostics.history import Circumstances, PastRuns
from diagnostics.parallel import begin, result, side_by_side
from diagnostics.probes import ProbeResult, fresh_session, probe, timeout_result
from diagnostics.report import Report, build_report
from diagnostics.status_probe import StatusProbeResult, probe_status
from diagnostics.targets import (
    Role,
    Target,
    control_targets,
    is_in_process,
    phonepe_targets,
    sibling_targets,
)
from diagnostics.webhook_check import check_webhook
from payment.checks import address_problems
from payment.gateways import PhonePeGateway
from payment.models import DiagnosisRun
from payment.phonepe import credentials
from payment.phonepe.credentials import Merchant, NotConfigured
from payment.phonepe.enums import Generation
from payment.phonepe.oauth import TokenStore
from payment.phonepe.transport import Deadline

logger = logging.getLogger(__name__)

Json = dict[str, Any]
Check = Callable[[], CheckResult | None]

SECONDS = 10.0  # the longest that one diagnosis takes, saving it included
SHARE_OF_CHECKS = 0.9
SHARE_OF_PROBES = 0.5  # the rest is for the status requests that follow
SHARE_OF_TASK = 0.9  # a probe or status request ends a little before its caller stops waiting
INTERVAL, KEPT = 30, 86_400  # seconds
RUNNING, LAST = "diagnosis-running", "diagnosis-last"


class DiagnosisRunning(Unavailable):
    default_code = "diagnosis_running"
    default_detail = _("A diagnosis is being made. Please ask again in a few seconds.")


def latest_report(patience: float = SECONDS + 1) -> Json:
    """The last report, or a new one if the last is older than thirty seconds. Raises DiagnosisRunning.

    `patience`: seconds to wait for another caller who makes the very first one.
    """
    deadline = Deadline(SECONDS)
    if _claim_run():
        return diagnose(deadline)
    return _last_report() or _wait_for_report(Deadline(patience))


def diagnose(
    deadline: Deadline | None = None,
    *,
    ask_simulator: bool = False,
    asked_by: str = DiagnosisRun.AskedBy.WEB,
) -> Json:
    """Makes a new report, caches it, and saves it if the database works."""
    deadline, started_at = deadline or Deadline(SECONDS), timezone.now()
    made, circumstances = make_report(deadline.remaining() * SHARE_OF_CHECKS, ask_simulator=ask_simulator)
    answer = made.as_json()
    tasks = [functools.partial(cache_report, answer)]
    if made.dependencies["database"].finding not in ("down", "readonly"):
        tasks.append(functools.partial(_save, answer, circumstances, asked_by, started_at))
    side_by_side(tasks, deadline)
    return answer


def cache_report(answer: Json) -> None:
    """For all callers from now on; no other diagnosis is made for thirty seconds."""
    result_cache.own.set(LAST, answer, INTERVAL)
    result_cache.set(RUNNING, time.time(), INTERVAL)
    result_cache.set(LAST, answer, KEPT)


def make_report(
    seconds: float, clients: DnsClients | None = None, *, ask_simulator: bool = False
) -> tuple[Report, Circumstances]:
    """Checks everything at once, then sends status requests. Needs no dependency to work, and saves nothing.

    `clients`: to resolve names with, instead of this system's. `ask_simulator`: send a status request to a PhonePe
    inside this process too, which takes a working database.
    """
    now, started, deadline = timezone.now(), time.monotonic(), Deadline(seconds)
    clients = clients or DnsClients(servers=settings.DIAGNOSIS_NAME_SERVERS)
    merchant, problem = usable_merchant()
    past_runs = begin(history.load_past_runs)
    checks = {name: begin(check) for name, check in _dependency_checks(merchant, clients)}
    network = _probe_network(merchant, deadline, clients, ask_simulator) if merchant else Evidence()
    checked = {name: _check_result(name, check, deadline) for name, check in checks.items()}
    try:
        past = result(past_runs, deadline)
    except TimeoutError:
        past = PastRuns()
    evidence = replace(
        network,
        settings_problem=problem,
        dependencies={name: check for name, check in checked.items() if check},
        failed_calls=past.failed_calls,
        is_simulated=settings.PHONEPE_SIMULATION_MODE,
    )
    made = build_report(evidence, merchant, past, now)
    took = round((time.monotonic() - started) * 1000)
    return replace(made, took_ms=took), history.circumstances(evidence, made.config)


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


def _claim_run() -> bool:
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


def _dependency_checks(merchant: Merchant | None, clients: DnsClients) -> Iterator[tuple[str, Check]]:
    checks: dict[str, Check] = {
        "database": dependencies.check_database_writes,
        "worker": dependencies.check_worker,
        "cache": dependencies.check_cache,
        "disk": dependencies.check_disk,
        "mail": dependencies.check_mail,
        "broker": dependencies.check_broker,
        "webhook": functools.partial(check_webhook, merchant, clients.system),
        "webhook_silence": dependencies.check_webhook_silence,
    }
    for name, check in checks.items():
        yield name, functools.partial(dependencies.run_timed, check)


def _check_result(name: str, check: "Future[CheckResult | None]", deadline: Deadline) -> CheckResult | None:
    try:
        return result(check, deadline)
    except TimeoutError:
        return dependencies.timeout_result(name)


def _probe_network(
    merchant: Merchant, deadline: Deadline, clients: DnsClients, ask_simulator: bool
) -> Evidence:
    """Everything behind a socket; a PhonePe inside this process has none."""
    if is_in_process(merchant):
        if not ask_simulator:
            return Evidence()
        return Evidence(status_results=(_status_result(merchant, None, deadline, clients),))
    phonepe = phonepe_targets(merchant)
    groups = phonepe, control_targets(phonepe), sibling_targets(phonepe)
    targets = [target for group in groups for target in group]
    remaining = iter(_probe_all(targets, deadline.within(deadline.remaining() * SHARE_OF_PROBES), clients))
    probes, controls, siblings = (tuple(next(remaining) for _ in group) for group in groups)
    found = Evidence(probes=probes, controls=controls, siblings=siblings)
    if found.unreachable:
        return found
    return replace(found, status_results=tuple(_status_results(merchant, found, deadline, clients)))


def _probe_all(targets: list[Target], deadline: Deadline, clients: DnsClients) -> list[ProbeResult]:
    shorter = deadline.within(deadline.remaining() * SHARE_OF_TASK)
    tasks = [functools.partial(probe, target, shorter, clients) for target in targets]
    done = zip(targets, side_by_side(tasks, deadline), strict=True)
    return [found or timeout_result(target) for target, found in done]


def _status_results(
    merchant: Merchant, found: Evidence, deadline: Deadline, clients: DnsClients
) -> Iterator[StatusProbeResult]:
    """One address after the other: of two token requests at the same time one would invalidate the other's token."""
    reached = {probed.target for probed in found.probes if probed.is_reached}
    pairs = [(each, Target(Role.API, each.base_url, each.proxy)) for each in merchant.endpoints if each.signs]
    usable = [(endpoint, target) for endpoint, target in pairs if target in reached]
    for left, (endpoint, target) in zip(range(len(usable), 0, -1), usable, strict=True):
        only = replace(merchant, endpoints=(endpoint,))
        yield _status_result(only, target, deadline.within(deadline.remaining() / left), clients)


def _status_result(
    merchant: Merchant, target: Target | None, deadline: Deadline, clients: DnsClients
) -> StatusProbeResult:
    shorter = deadline.within(deadline.remaining() * SHARE_OF_TASK)
    task = functools.partial(_send_status_request, merchant, target, shorter, clients)
    [found] = side_by_side([task], deadline)
    return found or status_probe.timeout_result(target)


def _send_status_request(
    merchant: Merchant, target: Target | None, deadline: Deadline, clients: DnsClients
) -> StatusProbeResult:
    if target is None:
        return probe_status(PhonePeGateway(merchant), deadline)
    with fresh_session(clients.system) as session:
        tokens = TokenStore(merchant, store=result_cache)
        return probe_status(PhonePeGateway(merchant, session=session, tokens=tokens), deadline, target)


def _save(answer: Json, circumstances: Circumstances, asked_by: str, started_at: datetime) -> None:
    try:
        history.save_run(answer, circumstances, asked_by, started_at)
    except DATABASE_ERRORS:
        logger.warning("this run of the diagnosis could not be kept")


def _last_report() -> Json | None:
    return result_cache.get(LAST) or result_cache.own.get(LAST)


def _wait_for_report(deadline: Deadline) -> Json:
    if last := wait_for(_last_report, deadline.remaining()):
        return last
    if deadline.expired and result_cache.own.add(RUNNING, True, INTERVAL):
        return diagnose()  # its thread died, or the shared cache can be read but not written
    raise DiagnosisRunning
