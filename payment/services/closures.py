"""Staff close a time or a day: what becomes of each booking is shown first, stored as one decision, and carried out by
the worker, each booking once. `payment.services.slot_closure` does what is decided about one booking.
"""

import hashlib
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import ON_SALE, Booking, ClosedPeriod, Slot, SlotHold
from booking.services import NoticeTooShort, SlotGone, earliest_move, free_slots_of, lead_time
from booking.services.openings import Period, close_periods
from core.errors import Refusal, translated
from core.language import ENGLISH
from payment.models import PAYING, Closure, ClosureItem, LedgerEntry, Payment, Refund
from payment.services.leases import process_row
from payment.services.refunds.amounts import awaiting_refund_of_all
from payment.services.refunds.approval import RIGHT, sent_back_alone
from payment.services.refunds.requests import approve_refund, cancel_booking
from payment.services.rehearsal import ChangedMeanwhile, MessagePreview, rehearse
from payment.services.slot_closure import Outcome, move_one, offer_times, refund_one
from payment.services.transitions import lock_payment, record_decision
from payment.states import RefundState

Then = ClosureItem.Then
MOST_BOOKINGS = 200  # of one closure: more than a day has
MOST_SLOTS = 2_000  # free times that are looked at
MOST_PERIODS = 50  # closed ones that a page names
FREE_AHEAD = timedelta(days=60)  # a booking is moved at most so far
OPEN_REASON = "…"  # in the samples of the mails, until staff have written it
SECONDS_AT_ONCE = 3  # then the worker does the rest


class TooMany(Refusal):
    default_code = "too_many"
    default_detail = _(
        "These are more bookings than can be decided at once: choose a shorter time, or one puja."
    )


@dataclass(frozen=True)
class Span:
    """What is closed: starts from `starts_from` on, before `starts_before`; of all pujas, of one, or one slot."""

    starts_from: datetime
    starts_before: datetime
    service_id: int | None = None

    @property
    def condition(self) -> Q:
        return Q(starts_at__gte=self.starts_from, starts_at__lt=self.starts_before)

    def bookings(self) -> QuerySet[Booking]:
        found = Booking.objects.filter(self.condition, status=Booking.Status.CONFIRMED)
        return found.filter(checkout__puja_service=self.service_id) if self.service_id else found

    def slots(self) -> QuerySet[Slot]:
        found = Slot.objects.filter(self.condition)
        return found.filter(service=self.service_id) if self.service_id else found

    def closed_periods(self) -> QuerySet[ClosedPeriod]:
        """In which a part of it is closed already, the oldest first."""
        found = ClosedPeriod.objects.filter(begins__lt=self.starts_before, ends__gt=self.starts_from)
        return (found.of(self.service_id) if self.service_id else found).order_by("pk")


@dataclass(frozen=True)
class PlannedBooking:
    """A booking of the time. `move_to`: its nearest free time, kept apart from those of the others; None: there is
    none far enough ahead. `can_choose`: a free time is left to offer. `waits_because`: it is left as it is."""

    booking: Booking
    left_paise: int
    move_to: Slot | None
    can_choose: bool
    waits_because: str = ""

    @property
    def options(self) -> list[str]:
        if self.waits_because:
            return []
        return [
            *([Then.MOVE.value] if self.move_to else []),
            *([Then.OFFER.value] if self.can_choose else []),
            Then.REFUND.value,
        ]


@dataclass(frozen=True)
class Plan:
    """`alone_paise`: what this person may still send back alone; 0 without the right to refund.

    `closed`: whoever closed a part of it before, or decided about its bookings.
    """

    items: list[PlannedBooking]
    open_slots: int
    alone_paise: int
    closed: list[ClosedPeriod]
    span: Span
    by_id: int

    @property
    def is_done(self) -> bool:
        """All of it is closed, and no booking of it is left to decide about."""
        is_closed = any(
            each.begins <= self.span.starts_from
            and each.ends >= self.span.starts_before
            and each.service_id in (None, self.span.service_id)
            for each in self.closed
        )
        return is_closed and not any(item.options for item in self.items)

    @property
    def left_paise(self) -> int:
        return sum(item.left_paise for item in self.items if item.options)

    @property
    def seen(self) -> str:
        """The same as long as nothing of what is shown has changed, and nobody else has closed any of it.

        What the same person has closed may be of the first of two clicks.
        """
        by_others = [each.pk for each in self.closed if each.created_by_id != self.by_id]
        return f"{self.seen_bookings}.{_digest(by_others)}"

    @property
    def seen_bookings(self) -> str:
        return _digest(
            [
                (
                    item.booking.pk,
                    item.booking.starts_at,
                    item.left_paise,
                    item.move_to and item.move_to.pk,
                    item.options,
                )
                for item in self.items
            ]
        )


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:24]


def plan_closure(span: Span, by: User, made: Collection[ClosedPeriod] = ()) -> Plan:
    """What can become of each booking of this time. Reads only; the same number of queries for any number of bookings.

    `made`: periods of the caller; of what is closed, only what was there before them is told. Raises TooMany.
    """
    closed = span.closed_periods().select_related("service", "created_by")
    if made:
        closed = closed.filter(pk__lt=min(each.pk for each in made))
    requests = awaiting_refund_of_all().filter(payment__checkout=OuterRef("checkout"))
    decided = ClosureItem.objects.filter(booking=OuterRef("pk"), outcome=ClosureItem.Outcome.WAITING)
    found = span.bookings().annotate(awaits_approval=Exists(requests), is_decided=Exists(decided))
    found = found.order_by("starts_at", "pk")
    bookings = [*found.select_related("user", "checkout__payment")[: MOST_BOOKINGS + 1]]
    if len(bookings) > MOST_BOOKINGS:
        raise TooMany
    left = _left_paise([booking.checkout.payment.pk for booking in bookings])
    free, nearest = _free_times(bookings, span), earliest_move()
    places = {slot.pk: slot.available for slot in free}
    moved: dict[int, Slot] = {}
    for booking in bookings:
        far_enough = [slot for slot in free if slot.starts_at >= nearest and places[slot.pk] > 0]
        of_puja = [slot for slot in far_enough if slot.service_id == booking.checkout.puja_service_id]
        if of_puja and not _waits_because(booking):
            moved[booking.pk] = min(of_puja, key=lambda slot: abs(slot.starts_at - booking.starts_at))
            places[moved[booking.pk].pk] -= 1
    left_over = {
        slot.service_id for slot in free if places[slot.pk] > 0
    }  # pujas with a place that nobody is moved to
    items = [
        PlannedBooking(
            booking,
            left.get(booking.checkout.payment.pk, 0),
            moved.get(booking.pk),
            booking.pk in moved or booking.checkout.puja_service_id in left_over,
            _waits_because(booking),
        )
        for booking in bookings
    ]
    alone = max(settings.REFUND_SECOND_PERSON_ABOVE * 100 - sent_back_alone(by), 0) if by.holds(RIGHT) else 0
    return Plan(items, span.slots().filter(ON_SALE).count(), alone, [*closed[:MOST_PERIODS]], span, by.pk)


def sample_messages(plan: Plan) -> list[MessagePreview]:
    """What one customer of each kind is told: at most three, whose actions are rehearsed. The reason is left open."""
    previews: list[MessagePreview] = []
    for then in Then.values:
        item = next((each for each in plan.items if then in each.options), None)
        if item is not None:
            previews += rehearse(
                item.booking.checkout.payment.pk, partial(_rehearsed, item, then)
            ).message_previews[:1]
    return previews


def _rehearsed(item: PlannedBooking, then: str, payment: Payment) -> object:
    booking = Booking.objects.select_related("user", "checkout__cart").get(pk=item.booking.pk)
    slot = _slot_of(booking)
    if then == Then.REFUND:
        return cancel_booking(booking, OPEN_REASON, in_full=True, message=OPEN_REASON)
    if then == Then.OFFER or item.move_to is None:
        return offer_times(booking, slot, OPEN_REASON, None)
    return move_one(booking, slot, item.move_to, OPEN_REASON)


def _waits_because(booking: Any) -> str:
    """Why it is left as it is; "" if staff decide about it."""
    if booking.is_decided:
        return str(_("somebody has decided about it, and it is done in a moment"))
    if booking.awaits_approval:
        return str(_("its refund waits for a second person"))
    return (
        "" if booking.choose_until is None else str(_("its customer has been asked to choose another time"))
    )


def start_closure(
    span: Span, choices: Mapping[int, str], reason: str, by: User, *, form: UUID, seen: str
) -> Closure:
    """Closes the time for all pujas or one, also those without slots, and stores what becomes of each booking.

    `choices` by the primary key of a booking; without one the first option of the plan, "" to leave it. The same form
    twice is one closure. Raises ChangedMeanwhile when the bookings are not those that were shown, or somebody else has
    closed the time since; TooMany.
    """
    plan = plan_closure(span, by)
    if existing := Closure.objects.filter(
        form=form
    ).first():  # after the plan, which the first click may have changed
        return existing
    if plan.seen_bookings != seen.partition(".")[0]:
        raise ChangedMeanwhile
    period = Period(span.starts_from, span.starts_before, span.service_id, reason)
    made = close_periods([period], by).made  # no payment under way becomes a booking there any more
    with transaction.atomic():
        closure, is_new = Closure.objects.get_or_create(
            form=form,
            defaults={
                "by": by,
                "starts_from": span.starts_from,
                "starts_before": span.starts_before,
                "reason": reason,
            },
        )
        if not is_new:
            return closure
        plan = plan_closure(span, by, made)
        if plan.seen_bookings != seen.partition(".")[0]:
            raise ChangedMeanwhile(
                _(
                    "A booking has changed meanwhile. The times are closed, and nobody was told anything: look again."
                )
            )
        if plan.seen != seen and made:
            raise ChangedMeanwhile(
                _(
                    "Somebody else has closed a part of this time since you looked. Now all of it is closed, and nobody"
                    " was told anything by you: look again."
                )
            )
        if plan.seen != seen:
            raise ChangedMeanwhile(
                _(
                    "Somebody else has closed this time since you looked, so nothing was done by you: look again."
                )
            )
        ClosureItem.objects.bulk_create(_items(closure, plan, choices))
    return closure


def closures_of(periods: Collection[ClosedPeriod]) -> dict[int, Closure]:
    """The newest decision about the bookings of each closed period, by its key; without those that had none."""
    found = Closure.objects.filter(starts_from__in=[each.begins for each in periods]).order_by("pk")
    newest: dict[tuple[int | None, datetime, datetime], Closure] = {
        (each.by_id, each.starts_from, each.starts_before): each for each in found
    }
    keys = [(each.pk, (each.created_by_id, each.begins, each.ends)) for each in periods]
    return {pk: newest[key] for pk, key in keys if key in newest}


def carry_out_at_once(closure: Closure) -> None:
    """What fits into a few seconds, under the leases of the worker, which does the rest."""
    ends_at = time.monotonic() + SECONDS_AT_ONCE
    waiting = closure.items.filter(outcome=ClosureItem.Outcome.WAITING).order_by("pk")
    for item_id in list(waiting.values_list("pk", flat=True)):
        if time.monotonic() > ends_at:
            return
        process_row("closures", item_id, carry_out)


def carry_out(item_id: int) -> None:
    """What was decided about one booking, and its outcome, in one transaction. Twice is once."""
    item = ClosureItem.objects.select_related("closure__by", "slot").get(pk=item_id)
    try:
        with transaction.atomic():
            lock_payment(pk=item.payment_id)
            if _is_waiting(item):
                _finish(item, ClosureItem.Outcome(_carry_out(item).value))
    except Refusal as refusal:
        with transaction.atomic():
            lock_payment(pk=item.payment_id)
            if _is_waiting(item):
                _finish(item, ClosureItem.Outcome.REFUSED, translated(refusal, ENGLISH))


def approve_closure(closure: Closure, by: User) -> int:
    """A second person approves all refunds of it that wait. Returns their number. Raises SamePerson, Disputed: those
    before it stay approved."""
    waiting = [*requests_of(closure).order_by("pk").values_list("pk", flat=True)]
    for refund_id in waiting:
        approve_refund(refund_id, by)
    return len(waiting)


def requests_of(closure: Closure) -> QuerySet[Refund]:
    """Its refunds that wait for a second person."""
    items = closure.items.filter(outcome=ClosureItem.Outcome.AWAITING_APPROVAL)
    return Refund.objects.filter(
        payment__in=items.values("payment"),
        asked_by=closure.by_id,
        state=RefundState.WAITING,
        held_because=Refund.Hold.SECOND_PERSON,
    )


def _items(closure: Closure, plan: Plan, choices: Mapping[int, str]) -> list[ClosureItem]:
    """What cannot be done any more was refused by `seen`: an unknown choice is the first option."""
    items = []
    for planned in plan.items:
        choice = choices.get(planned.booking.pk)
        if not planned.options or choice == "":
            continue
        then = choice if choice in planned.options else planned.options[0]
        items.append(
            ClosureItem(
                closure=closure,
                booking=planned.booking,
                payment=planned.booking.checkout.payment,
                starts_at=planned.booking.starts_at,
                then=then,
                slot=planned.move_to if then == Then.MOVE else None,
            )
        )
    return items


def _carry_out(item: ClosureItem) -> Outcome:
    booking = Booking.objects.select_related("user", "checkout__cart").get(pk=item.booking_id)
    if booking.status != Booking.Status.CONFIRMED or booking.starts_at != item.starts_at:
        return Outcome.ENDED
    reason, by = item.closure.reason, item.closure.by
    slot = _slot_of(booking)
    record_decision(Payment.objects.get(pk=item.payment_id), "closed_by_temple", by, reason)
    if item.then == Then.REFUND:
        return refund_one(booking, slot, reason, by, lambda: _batch_paise(item.closure))
    if item.then == Then.OFFER or item.slot is None:
        return offer_times(booking, slot, reason, by)
    try:
        return move_one(booking, slot, item.slot, reason)
    except (SlotGone, NoticeTooShort):
        return Outcome.NO_ROOM


def _slot_of(booking: Booking) -> Slot | None:
    taken = SlotHold.objects.select_related("slot").filter(
        checkout=booking.checkout_id, state=SlotHold.State.TAKEN
    )
    return next((hold.slot for hold in taken), None)


def _batch_paise(closure: Closure) -> int:
    """What the closure sends back: also what waits for a second person, and what its customers may still choose. What
    was sent or offered is counted with the person who did it."""
    waiting = Q(outcome=ClosureItem.Outcome.WAITING, then__in=(Then.REFUND, Then.OFFER))
    counted = closure.items.filter(waiting | Q(outcome=ClosureItem.Outcome.AWAITING_APPROVAL))
    receipts = LedgerEntry.objects.filter(payment__in=counted.values("payment"), kind__in=PAYING)
    return receipts.aggregate(sum=Sum("amount_paise"))["sum"] or 0


def _is_waiting(item: ClosureItem) -> bool:
    """Under the payment's lock: another worker may have been faster."""
    return ClosureItem.objects.filter(pk=item.pk, outcome=ClosureItem.Outcome.WAITING).exists()


def _finish(item: ClosureItem, outcome: ClosureItem.Outcome, detail: str = "") -> None:
    done = {"outcome": outcome, "detail": detail[:200], "done_at": timezone.now()}
    ClosureItem.objects.filter(pk=item.pk).update(**done)


def _left_paise(payment_ids: Collection[int]) -> dict[int, int]:
    """By payment: what a refund of all would send back now, as `sendable_paise` says for one."""
    paid = LedgerEntry.objects.filter(payment__in=payment_ids, kind__in=PAYING)
    left = {entry.payment_id: entry.amount_paise for entry in paid}
    of_receipts = Q(attempt__in=paid.values("attempt"))
    owed = Refund.objects.filter(of_receipts).exclude(state=RefundState.FAILED)
    owed = owed.exclude(state=RefundState.WAITING, held_because=Refund.Hold.SECOND_PERSON)
    taken = LedgerEntry.objects.filter(of_receipts, kind=LedgerEntry.Kind.CHARGEBACK)
    for rows, sign in ((owed, -1), (taken, 1)):
        for payment_id, paise in rows.order_by().values_list("payment").annotate(sum=Sum("amount_paise")):
            left[payment_id] = max(left[payment_id] + sign * paise, 0)
    return left


def _free_times(bookings: Collection[Booking], span: Span) -> list[Slot]:
    """Free times of their pujas outside the closed time, the earliest first."""
    services = {booking.checkout.puja_service_id for booking in bookings}
    soonest = timezone.now() + lead_time()
    free = free_slots_of(services, soonest).filter(starts_at__lt=span.starts_before + FREE_AHEAD)
    return [*free.exclude(span.condition).order_by("starts_at", "pk")[:MOST_SLOTS]]
