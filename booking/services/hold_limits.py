"""How many places may be held that nobody has paid for.

A new customer has no booking that stands. Their unpaid holds are bounded for each network (an IPv4 address, the /64 of
an IPv6 address), and as shares of one slot; three times wider for those with a confirmed e-mail address. A network
whose places are paid for may hold more: so does a mobile carrier, whose customers share an address. Whoever lets places
expire unpaid has to wait before they hold the next one. docs/decisions.md has the reasons for the figures.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Count, DurationField, F, Max, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from booking.models import Booking, HoldNetwork, SlotHold, WaitingEntry
from core.clocks import SKEW, is_running
from core.compiled import CompiledValues
from core.databases import Query, read_together
from core.dates import spell_time
from core.errors import Conflict
from core.language import Text

WINDOW = timedelta(days=1)  # what was paid and what was held for nothing counts for so long
KEPT = 2 * WINDOW  # then the network of a hold is forgotten
HOLD_OUTLASTS_PAYMENT = timedelta(
    minutes=5
)  # money that was paid in the last second must still find its place
LONGEST_COOL_DOWN = timedelta(hours=1)
# In lives of a hold, in each window: an account may hold two places twice for nothing.
FREE_OF_ACCOUNT = 4
LEAST_OF_NETWORK = 2  # places that new customers of a network may hold whatever happened there
OUTWEIGHED = 4  # lives in a network, by each place that was paid from there: four of five people may leave
CONFIRMED_FACTOR = 3  # a confirmed e-mail address costs little, but more than none
LEAST_OF_SLOT = 3  # whatever the percentage: a family, or the visitors of a small temple, share an address
State = SlotHold.State


class HoldRefused(Conflict):
    """`case` names what was counted, and `facts` say how much, for an alert to staff."""

    retryable = True

    def __init__(self, detail: Text, case: str, wait: timedelta = timedelta(minutes=1), **facts: Any) -> None:
        self.case, self.facts = case, facts
        self.retry_after = max(int(wait.total_seconds()), 1)
        super().__init__(detail)


class TooManyHolds(HoldRefused):
    default_code = "too_many_holds"


class CoolDown(HoldRefused):
    default_code = "hold_cool_down"


@dataclass(frozen=True)
class History:
    """Of one account or network. `wasted`: held for nothing, in lives of a hold, less what was outweighed."""

    held: int
    paid: int
    wasted: int
    last_end: datetime | None

    def refuse_while_cooling_down(self, free: int, now: datetime, detail: Text, case: str) -> None:
        """`free` wasted lives cost nothing; each further one doubles the wait after the last one. Raises CoolDown."""
        excess = self.wasted - free
        if excess <= 0 or self.last_end is None:
            return
        longest = LONGEST_COOL_DOWN / settings.PAYMENT_TIME_SCALE
        first = timedelta(minutes=settings.HOLD_COOL_DOWN_MINUTES) / settings.PAYMENT_TIME_SCALE
        until = self.last_end + min(first * 2 ** min(excess - 1, 10), longest)
        if is_running(until, now, longest):
            time = lazy(spell_time, str)(until + timedelta(minutes=1))  # the next full minute
            raise CoolDown(format_lazy(detail, time=time), case, until - now, wasted=self.wasted)


def bookings_that_stand(user_id: Any) -> QuerySet[Booking]:
    """Without one, a person is a new customer. `user_id` may be an OuterRef."""
    return Booking.objects.filter(user=user_id).exclude(status=Booking.Status.CANCELLED)


def network_digest(network: str) -> str:
    """What is stored in place of the network: a keyed hash, so that the table tells nobody who was where."""
    return salted_hmac("booking.hold", network, algorithm="sha256").hexdigest()[:32] if network else ""


def counting_holds(user_id: int) -> Query[History]:
    """Reads what this account holds and has held, for `refuse_excess`."""
    return _history(_holds_of_account, user_id, timezone.now(), 1)


def refuse_excess(hold: SlotHold, of_account: History) -> None:
    """Raises HoldRefused when this hold, which is not written yet, would be one too many of its account or network.

    In the transaction that takes the place: it has locked the account before `of_account` was counted, and locks the
    network here. So the next one to count includes this hold. `refuse_excess_of_slot` follows.
    """
    now = timezone.now()
    user_id = hold.checkout.user_id
    of_account.refuse_while_cooling_down(
        FREE_OF_ACCOUNT,
        now,
        _(
            "You have held places several times without paying for them. "
            "Your cart is kept. Please try again after {time}."
        ),
        case=f"user:{user_id}",
    )
    if hold.new_customer:
        _refuse_excess_of_network(hold, now)


def lock_network(digest: str, now: datetime) -> None:
    """Until the end of the transaction: one statement makes the row or finds it."""
    HoldNetwork.objects.bulk_create(
        [HoldNetwork(digest=digest, seen_at=now)],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["seen_at"],
    )


def forget_networks(now: datetime) -> None:
    """Deletes which network held a place as soon as nothing is counted by it any more."""
    networks, holds, entries = outdated_networks(now)
    networks.delete()
    holds.update(network="")
    entries.update(network="")


def outdated_networks(
    now: datetime,
) -> "tuple[QuerySet[HoldNetwork], QuerySet[SlotHold], QuerySet[WaitingEntry]]":
    """What `forget_networks` would delete, and the holds and the ended waiting entries in which it would."""
    networks = HoldNetwork.objects.filter(Q(seen_at__lt=now - KEPT) | Q(seen_at__gt=now + KEPT))
    known = SlotHold.objects.exclude(network="")
    ended = WaitingEntry.objects.exclude(network="").exclude(state__in=("WAITING", "OFFERED"))
    return networks, known.filter(Q(created_at__lt=now - KEPT) | Q(created_at__gt=now + KEPT)), ended


def _alike(hold: SlotHold) -> tuple[bool, int]:
    """Whether it counts among new customers with a confirmed address; how much wider their bounds are."""
    is_confirmed = hold.checkout.user.email_verified
    return is_confirmed, CONFIRMED_FACTOR if is_confirmed else 1


def _of_new_customers(is_confirmed: bool) -> Q:
    return Q(new_customer=True, checkout__user__email_confirmed_at__isnull=not is_confirmed)


def _refuse_excess_of_network(hold: SlotHold, now: datetime) -> None:
    if not hold.network:
        return
    is_confirmed, factor = _alike(hold)
    lock_network(hold.network, now)
    history: History
    [history] = read_together(_history(_holds_of_network(is_confirmed), hold.network, now, OUTWEIGHED))
    bound = factor * settings.HOLDS_PER_NETWORK
    case = f"network:{hold.network[:12]}"
    history.refuse_while_cooling_down(
        bound // 2,
        now,
        _(
            "Places were held from your internet connection and not paid for. "
            "Your cart is kept. Please try again after {time}."
        ),
        case=case,
    )
    most = max(bound + history.paid - history.wasted, LEAST_OF_NETWORK)
    if history.held >= most:
        raise TooManyHolds(
            _(
                "Several people are just paying over your internet connection. "
                "Your cart is kept. Please try again in a minute."
            ),
            case,
            held=history.held,
            most=most,
        )


def refuse_excess_of_slot(hold: SlotHold) -> None:
    """Raises HoldRefused when this hold, which has just been written, is one too many of its slot, which is locked."""
    if not hold.new_customer:
        return
    is_confirmed, factor = _alike(hold)
    of_all, of_network = _holds_of_slot(is_confirmed).first(hold.slot_id, hold.network) or (0, 0)
    held = {"all": of_all, "network": of_network}
    shares = {"network": settings.HOLD_NETWORK_PERCENT, "all": settings.HOLD_NEW_PERCENT}
    for group, percent in shares.items():
        most = max(-(-hold.slot.capacity * min(factor * percent, 100) // 100), LEAST_OF_SLOT)
        if held[group] > most:
            raise TooManyHolds(
                _(
                    "Several people are just paying for this time. "
                    "Your cart is kept. Please try again in a minute, or choose another time."
                ),
                f"slot:{hold.slot_id}",
                held=held[group] - 1,
                most=most,
            )


@cache
def _holds_of_slot(is_confirmed: bool) -> CompiledValues[[int, str]]:
    """How many new customers hold a place of this slot, and how many of them in this network."""

    def counts(slot_id: int, network: str) -> QuerySet[SlotHold, Any]:
        holds = SlotHold.objects.filter(_of_new_customers(is_confirmed), slot=slot_id, state=State.HELD)
        of_network = Count("pk", filter=~Q(network="") & Q(network=network))
        return (
            holds.values("slot")
            .annotate(all=Count("pk"), of_network=of_network)
            .values_list("all", "of_network")
        )

    return CompiledValues(counts)


@CompiledValues
def _holds_of_account(user_id: int, since: datetime, until: datetime) -> QuerySet[SlotHold, Any]:
    holds = SlotHold.objects.filter(checkout__user=user_id).values("checkout__user")
    return _counted(holds, Q(), since, until)


@cache
def _holds_of_network(is_confirmed: bool) -> CompiledValues[[str, datetime, datetime]]:
    def counts(network: str, since: datetime, until: datetime) -> QuerySet[SlotHold, Any]:
        holds = SlotHold.objects.filter(network=network).values("network")
        return _counted(holds, _of_new_customers(is_confirmed), since, until)

    return CompiledValues(counts)


def _counted(holds: Any, alike: Q, since: datetime, until: datetime) -> QuerySet[SlotHold, Any]:
    """`alike`: whose holds count; who paid counts for all."""
    wasted = alike & Q(state=State.RELEASED, released_at__gt=since, released_at__lte=until)
    wasted &= ~Q(checkout__state="BOOKED")
    return holds.annotate(
        held=Count("pk", filter=alike & Q(state=State.HELD)),
        paid=Count("pk", filter=Q(state=State.TAKEN, created_at__gt=since)),
        wasted=Sum(F("released_at") - F("created_at"), filter=wasted, output_field=DurationField()),
        last_end=Max("released_at", filter=wasted),
    ).values_list("held", "paid", "wasted", "last_end")


def _history(
    counts: CompiledValues[[Any, datetime, datetime]], subject: Any, now: datetime, outweighed: int
) -> Query[History]:
    window = WINDOW / settings.PAYMENT_TIME_SCALE
    query = counts.query(subject, now - window, now + SKEW)

    def read(rows: list[tuple[Any, ...]]) -> History:
        held, paid, wasted, last_end = query.read(rows) or (0, 0, None, None)
        life = timedelta(seconds=settings.PHONEPE_EXPIRE_AFTER) + HOLD_OUTLASTS_PAYMENT
        lives = round((wasted or timedelta()) / (life / settings.PAYMENT_TIME_SCALE))
        return History(held, paid, max(lives - outweighed * paid, 0), last_end)

    return Query(query.sql, query.parameters, read)
