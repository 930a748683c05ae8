"""When to look, and in what order: at most once in thirty seconds, whoever asks and in whichever process."""

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from core.errors import Unavailable
from core.logging import redact
from core.waiting import wait_for
from diagnostics import dependencies, history, result_cache
from diagnostics.dependencies import DATABASE_ERRORS, CheckResult
from diagnostics.dns import DnsClients
from diagnostics.evidence import Facts
from diagnostics.history import Past
from diagnostics.parallel import begin, result, side_by_side
from diagnostics.probes import ProbeResult, fresh_session, probe
from diagnostics.probes import timeout_result as probe_timeout
from diagnostics.report import Wire, report
from diagnostics.status_probe import StatusProbeResult, probe_status
from diagnostics.status_probe import timeout_result as status_timeout
from diagnostics.targets import Role, Target, control_targets, is_in_process, phonepe_targets, sibling_targets
from diagnostics.webhook_check import check_webhook
from payment.checks import address_problems
from payment.gateways import PhonePeGateway
from payment.models import DiagnosisRun
from payment.phonepe import credentials
from payment.phonepe.credentials import Endpoint, Merchant, NotConfigured
from payment.phonepe.enums import Generation
from payment.phonepe.oauth import TokenStore
from payment.phonepe.transport import Deadline

logger = logging.getLogger(__name__)

SECONDS = 10.0  # the longest that one diagnosis takes, writing it down included
SHARE_OF_LOOKING = 0.9
SHARE_OF_KNOCKING = 0.5  # the rest is for the questions that follow
SHARE_OF_ANSWERING = 0.9  # whoever probes or asks stops a little before those who wait for it do
EVERY, KEPT = 30, 86_400  # seconds
RUNNING, LAST = "diagnosis-running", "diagnosis-last"


def latest(patience: float = SECONDS + 1) -> Wire:
    """The last diagnosis, or a new one if nobody made one in the last thirty seconds. Raises Unavailable.

    `patience`: seconds to wait for somebody else who is making the very first one.
    """
    deadline = Deadline(SECONDS)
    if _is_our_turn():
        return fresh(deadline)
    return _last() or _awaited(Deadline(patience))


def fresh(
    deadline: Deadline | None = None,
    *,
    ask_simulator: bool = False,
    asked_by: str = DiagnosisRun.AskedBy.WEB,
) -> Wire:
    """A new diagnosis, which is the last one from now on, and is written down if the database is there."""
    deadline, started_at = deadline or Deadline(SECONDS), timezone.now()
    made, circumstances = look(deadline.remaining() * SHARE_OF_LOOKING, ask_simulator=ask_simulator)
    keeping = [functools.partial(remember, made)]
    if made["dependencies"]["database"]["finding"] not in ("down", "readonly"):
        keeping.append(functools.partial(_kept, made, circumstances, asked_by, started_at))
    side_by_side(keeping, deadline)
    return made


def remember(made: Wire) -> None:
    """For everyone who asks from now on, and in the next half minute nobody looks again."""
    result_cache.own.set(LAST, made, EVERY)
    result_cache.set(RUNNING, time.time(), EVERY)
    result_cache.set(LAST, made, KEPT)


def _is_our_turn() -> bool:
    """Nobody has looked in the last thirty seconds. A mark of the future is of a clock that has been set back since:
    the cache, which goes by the same clock, would keep it for as long."""
    now = time.time()
    if result_cache.add(RUNNING, now, EVERY):
        return True
    begun = result_cache.get(RUNNING)
    if not isinstance(begun, float) or begun <= now + EVERY:
        return False
    result_cache.delete(RUNNING)
    return result_cache.add(RUNNING, now, EVERY)


def diagnose(
    seconds: float = SECONDS, clients: DnsClients | None = None, *, ask_simulator: bool = False
) -> Wire:
    """What `report` describes. Needs no hop to work, takes `seconds` at most and keeps nothing.

    `clients`: whom to ask for names, in the place of this system. `ask_simulator`: ask a PhonePe inside this process
    too; that takes a working database.
    """
    return look(seconds, clients, ask_simulator=ask_simulator)[0]


def look(
    seconds: float, clients: DnsClients | None = None, *, ask_simulator: bool = False
) -> tuple[Wire, Wire]:
    """Looks at every hop at once, then asks PhonePe: the answer, and the circumstances to compare it by."""
    now, started, deadline = timezone.now(), time.monotonic(), Deadline(seconds)
    clients = clients or DnsClients(servers=settings.DIAGNOSIS_NAME_SERVERS)
    merchant, problem = configured()
    past = begin(history.recall)
    checks = {name: begin(check) for name, check in _hops(merchant, clients)}
    network = _network(merchant, deadline, clients, ask_simulator) if merchant else Facts()
    met = {name: _hop(name, check, deadline) for name, check in checks.items()}
    before = _past(past, deadline)
    facts = replace(
        network,
        problem=problem,
        hops={name: hop for name, hop in met.items() if hop},
        failing=before.failing,
        is_simulated=settings.PHONEPE_SIMULATION_MODE,
    )
    made = report(facts, merchant, before, now)
    took = {"took_ms": round((time.monotonic() - started) * 1000)}
    return made | took, history.circumstances(facts, made["config"])


def configured() -> tuple[Merchant | None, str]:
    """The merchant that new payments are made for, or what the settings lack for one."""
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
    if gone := address_problems():  # a file of certificates may go while we run
        return None, redact(gone[0].text)
    return merchant, ""


def _hops(
    merchant: Merchant | None, clients: DnsClients
) -> Iterator[tuple[str, Callable[[], CheckResult | None]]]:
    checks: dict[str, Callable[[], CheckResult | None]] = {
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


def _network(merchant: Merchant, deadline: Deadline, clients: DnsClients, ask_simulator: bool) -> Facts:
    """Everything that is on the other side of a socket; inside this process there is none."""
    if is_in_process(merchant):
        return Facts(replies=(_reply(merchant, None, deadline, clients),) if ask_simulator else ())
    groups = (
        phonepe_targets(merchant),
        control_targets(phonepe_targets(merchant)),
        sibling_targets(phonepe_targets(merchant)),
    )
    knocking = deadline.within(deadline.remaining() * SHARE_OF_KNOCKING)
    probes = iter(_knocks([target for group in groups for target in group], knocking, clients))
    phonepe, others, elsewhere = (tuple(next(probes) for _ in group) for group in groups)
    found = Facts(probes=phonepe, controls=others, siblings=elsewhere)
    if found.blocked:
        return found
    return replace(found, replies=tuple(_replies(merchant, found, deadline, clients)))


def _knocks(wanted: list[Target], deadline: Deadline, clients: DnsClients) -> Iterable[ProbeResult]:
    patience = _a_little_less(deadline)
    done = side_by_side([functools.partial(probe, target, patience, clients) for target in wanted], deadline)
    return (probed or probe_timeout(target) for target, probed in zip(wanted, done, strict=True))


def _replies(
    merchant: Merchant, found: Facts, deadline: Deadline, clients: DnsClients
) -> Iterator[StatusProbeResult]:
    """One address after the other: two that ask for a token at once would end each other's."""
    open_doors = {probed.target for probed in found.probes if probed.is_reached}
    pairs = [
        (endpoint, Target(Role.API, endpoint.base_url, endpoint.proxy)) for endpoint in merchant.endpoints
    ]
    askable = [(endpoint, target) for endpoint, target in pairs if endpoint.signs and target in open_doors]
    for left, (endpoint, target) in zip(range(len(askable), 0, -1), askable, strict=True):
        yield _reply(_at(merchant, endpoint), target, deadline.within(deadline.remaining() / left), clients)


def _at(merchant: Merchant, endpoint: Endpoint) -> Merchant:
    return replace(merchant, endpoints=(endpoint,))


def _reply(
    merchant: Merchant, target: Target | None, deadline: Deadline, clients: DnsClients
) -> StatusProbeResult:
    question = functools.partial(_asked, merchant, target, _a_little_less(deadline), clients)
    [reply] = side_by_side([question], deadline)
    return reply or status_timeout(target)


def _asked(
    merchant: Merchant, target: Target | None, deadline: Deadline, clients: DnsClients
) -> StatusProbeResult:
    if target is None:
        return probe_status(PhonePeGateway(merchant), deadline)
    with fresh_session(clients.system) as session:
        gateway = PhonePeGateway(merchant, session=session, tokens=TokenStore(merchant, store=result_cache))
        return probe_status(gateway, deadline, target)


def _a_little_less(deadline: Deadline) -> Deadline:
    return deadline.within(deadline.remaining() * SHARE_OF_ANSWERING)


def _hop(name: str, check: "Future[CheckResult | None]", deadline: Deadline) -> CheckResult | None:
    try:
        return result(check, deadline)
    except TimeoutError:
        return dependencies.timeout_result(name)


def _past(past: "Future[Past]", deadline: Deadline) -> Past:
    try:
        return result(past, deadline)
    except TimeoutError:
        return Past()


def _kept(made: Wire, circumstances: Wire, asked_by: str, started_at: datetime) -> None:
    try:
        history.keep(made, circumstances, asked_by, started_at)
    except DATABASE_ERRORS:
        logger.warning("this run of the diagnosis could not be kept")


def _last() -> Wire | None:
    return result_cache.get(LAST) or result_cache.own.get(LAST)


def _awaited(deadline: Deadline) -> Wire:
    if last := wait_for(_last, deadline.remaining()):
        return last
    if deadline.expired and result_cache.own.add(RUNNING, True, EVERY):
        return fresh()  # it died, or the shared cache can be read but not written
    raise DiagnosisRunning


class DiagnosisRunning(Unavailable):
    default_code = "diagnosis_running"
    default_detail = "A diagnosis is being made. Please ask again in a few seconds."
