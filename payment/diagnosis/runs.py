"""When to look, and in what order: at most once in thirty seconds, whoever asks and in whichever process."""

import functools
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from okpuja.errors import Unavailable
from payment import merchants
from payment.diagnosis import hops, memory
from payment.diagnosis.doors import Door, controls, doors, is_in_process
from payment.diagnosis.facts import Facts
from payment.diagnosis.hops import Hop
from payment.diagnosis.knocks import Knock, knock, no_answer, session
from payment.diagnosis.parallel import begin, result, side_by_side
from payment.diagnosis.question import Reply, ask, no_reply
from payment.diagnosis.report import Wire, report
from payment.gateways import PhonePeGateway
from payment.merchants import Merchant, NotConfigured
from payment.states import Generation
from payment.transport import Deadline, Resolver

SECONDS = 10.0  # the longest that one diagnosis takes
SHARE_OF_KNOCKING = 0.5  # the rest is for the question that follows
SHARE_OF_ANSWERING = 0.9  # whoever knocks or asks stops a little before those who wait for it do
EVERY, KEPT = 30, 86_400  # seconds
PAUSE = 0.2
RUNNING, LAST = "diagnosis-running", "diagnosis-last"

HOPS: dict[str, Callable[[], Hop]] = {"database": hops.database, "worker": hops.worker, "cache": hops.cache}
LOGIN_IN_ADDRESS = re.compile(r"//[^/@\s]*@")


def latest(patience: float = SECONDS + 1) -> Wire:
    """The last diagnosis, or a new one if nobody made one in the last thirty seconds. Raises Unavailable.

    `patience`: seconds to wait for somebody else who is making the very first one.
    """
    if memory.add(RUNNING, True, EVERY):
        return fresh()
    return _last() or _awaited(Deadline(patience))


def fresh(*, ask_simulator: bool = False) -> Wire:
    """A new diagnosis, which is the last one from now on."""
    made = diagnose(ask_simulator=ask_simulator)
    memory.set(LAST, made, KEPT)
    memory.own.set(LAST, made, EVERY)
    return made


def diagnose(
    seconds: float = SECONDS, resolver: Resolver | None = None, *, ask_simulator: bool = False
) -> Wire:
    """Looks at every hop at once, then asks PhonePe one question. Takes `seconds` at most; needs no hop to work.

    `ask_simulator`: ask a PhonePe inside this process too; that takes a working database.
    """
    now, deadline = timezone.now(), Deadline(seconds)
    checks = {name: begin(functools.partial(hops.timed, check)) for name, check in HOPS.items()}
    merchant, problem = configured()
    network = _network(merchant, deadline, resolver or Resolver(), ask_simulator) if merchant else Facts()
    facts = Facts(
        problem=problem,
        knocks=network.knocks,
        controls=network.controls,
        reply=network.reply,
        hops={name: _hop(name, check, deadline) for name, check in checks.items()},
        is_simulated=settings.PHONEPE_SIMULATION_MODE,
    )
    return report(facts, merchant, now)


def configured() -> tuple[Merchant | None, str]:
    """The merchant that new payments are made for, or what the settings lack for one."""
    try:
        merchant = merchants.current()
    except NotConfigured:
        return (
            None,
            "set PHONEPE_CLIENT_ID and PHONEPE_CLIENT_SECRET, or PHONEPE_MERCHANT_ID and PHONEPE_SALT_KEY",
        )
    except ImproperlyConfigured as error:
        return None, LOGIN_IN_ADDRESS.sub("//", str(error))
    if merchant.identity.generation == Generation.V2 and not merchant.client_secret:
        return None, "PHONEPE_CLIENT_ID is set, PHONEPE_CLIENT_SECRET is not"
    return merchant, ""


def _network(merchant: Merchant, deadline: Deadline, resolver: Resolver, ask_simulator: bool) -> Facts:
    """Everything that is on the other side of a socket; inside this process there is none."""
    if is_in_process(merchant):
        return Facts(reply=_reply(PhonePeGateway(merchant), deadline) if ask_simulator else None)
    phonepe = doors(merchant)
    others = controls(phonepe)
    knocks = _knocks((*phonepe, *others), deadline.within(deadline.remaining() * SHARE_OF_KNOCKING), resolver)
    found = Facts(knocks=knocks[: len(phonepe)], controls=knocks[len(phonepe) :])
    if found.blocked:
        return found
    with session(resolver) as fresh_session:
        reply = _reply(PhonePeGateway(merchant, session=fresh_session), deadline)
    return Facts(knocks=found.knocks, controls=found.controls, reply=reply)


def _knocks(at: Iterable[Door], deadline: Deadline, resolver: Resolver) -> tuple[Knock, ...]:
    wanted = list(at)
    patience = _a_little_less(deadline)
    done = side_by_side([functools.partial(knock, door, patience, resolver) for door in wanted], deadline)
    return tuple(knocked or no_answer(door) for door, knocked in zip(wanted, done, strict=True))


def _reply(gateway: PhonePeGateway, deadline: Deadline) -> Reply:
    [reply] = side_by_side([functools.partial(ask, gateway, _a_little_less(deadline))], deadline)
    return reply or no_reply()


def _a_little_less(deadline: Deadline) -> Deadline:
    return deadline.within(deadline.remaining() * SHARE_OF_ANSWERING)


def _hop(name: str, check: "Future[Hop]", deadline: Deadline) -> Hop:
    try:
        return result(check, deadline)
    except TimeoutError:
        return hops.silent(name)


def _last() -> Wire | None:
    return memory.get(LAST) or memory.own.get(LAST)


def _awaited(deadline: Deadline) -> Wire:
    while not deadline.expired:
        time.sleep(PAUSE)
        if last := _last():
            return last
    if memory.own.add(RUNNING, True, EVERY):  # it died, or the shared cache can be read but not written
        return fresh()
    raise Unavailable(
        "A diagnosis is being made. Please ask again in a few seconds.", code="diagnosis_running"
    )
