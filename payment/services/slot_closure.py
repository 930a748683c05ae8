"""The temple closes a time: everybody who booked it is moved, or gets all of the money back."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Sum
from django.utils import timezone

from accounts.models import User
from booking.models import Booking, Slot, SlotHold
from booking.services import NoticeTooShort, SlotGone, call_off_time, close, earliest_move, move, nearby_slots
from payment.models import PAYING, LedgerEntry, Offer, Payment
from payment.services.notifications import notify_called_off, notify_moved
from payment.services.outcomes import choice_end
from payment.services.refunds.amounts import awaiting_refund_of_all
from payment.services.refunds.approval import called_off
from payment.services.refunds.requests import awaits_refund_of_all, cancel_booking, paid_attempt
from payment.services.transitions import lock_payment, record_booking

MOST_AT_ONCE = 100  # bookings of one call, which is one request: each has a transaction, a refund, a mail
MOST_TRIED = 10  # free times, the nearest first


class Outcome(Enum):
    MOVED = "moved"
    OFFERED = "offered"  # the free times are too near to move anybody unasked: the customer chooses
    REFUNDED = "refunded"
    AWAITING_APPROVAL = "awaiting_approval"  # as it was: a second person must approve its refund
    NO_ROOM = "no_room"  # unchanged: staff choose another time, or refund
    ENDED = "ended"  # it was moved, cancelled or completed meanwhile


@dataclass(frozen=True)
class ClearedBooking:
    booking: Booking
    outcome: Outcome


@dataclass(frozen=True)
class Closing:
    cleared: list[ClearedBooking]
    left: int  # bookings for the next call


def refund_all(
    slot: Slot, reason: str, by: User, most: int = MOST_AT_ONCE, batch: Collection[Slot] = ()
) -> Closing:
    """Closes the slot, cancels `most` of its bookings and refunds them in full, whatever the policy says.

    A second person must approve it when all bookings of the slots in `batch`, or of this one, are above the limit.
    Each booking is a transaction of its own. Call it again for those that are left.
    """
    close(slot)
    bookings = _bookings(slot)
    slots = batch or [slot]
    undecided = bookings.filter(awaits_approval=False).count()
    return _clear(bookings, undecided, most, lambda booking: _refund(booking, slot, reason, by, slots))


def move_all(slot: Slot, reason: str, by: User, to: Slot | None = None, most: int = MOST_AT_ONCE) -> Closing:
    """Closes the slot and moves `most` of its bookings to `to`, or each to the nearest free time. Can be called again.

    Nobody is moved to a start within MOVE_NOTICE_HOURS: they are offered the free times by a link. What goes back to
    those who choose none is a refund that `by` has caused.
    """
    close(slot)
    bookings = _bookings(slot)
    unasked = bookings.filter(choose_until=None, awaits_approval=False).count()
    return _clear(bookings, unasked, most, lambda booking: _move(booking, slot, reason, by, to))


def _confirmed(slots: Collection[Slot]) -> QuerySet[Booking]:
    holds = SlotHold.objects.filter(slot__in=slots, state=SlotHold.State.TAKEN)
    return Booking.objects.filter(checkout__hold__in=holds, status=Booking.Status.CONFIRMED)


def _bookings(slot: Slot) -> QuerySet[Any]:
    """Those that wait for nobody come first, so that each call handles others."""
    requests = awaiting_refund_of_all().filter(payment__checkout=OuterRef("checkout"))
    unasked_first = F("choose_until").asc(nulls_first=True)
    return (
        _confirmed([slot])
        .annotate(awaits_approval=Exists(requests))
        .select_related("user", "checkout__cart")
        .order_by("awaits_approval", unasked_first, "pk")
    )


def _clear(
    bookings: QuerySet[Booking], count: int, most: int, clear: Callable[[Booking], Outcome]
) -> Closing:
    first = list(bookings[:most])
    return Closing([ClearedBooking(booking, clear(booking)) for booking in first], max(count - len(first), 0))


def _lock(booking: Booking, slot: Slot | None) -> Payment | None:
    """Its locked payment; reloads the booking. None when it has left this slot since it was listed: it was moved by
    other staff, or cancelled by its customer. Without a slot, of a puja that has none, it must be where it was."""
    payment, starts_at = lock_payment(checkout=booking.checkout_id), booking.starts_at
    booking.refresh_from_db()
    if booking.status != Booking.Status.CONFIRMED:
        return None
    if slot is None:
        return payment if booking.starts_at == starts_at else None
    still_here = SlotHold.objects.filter(checkout=booking.checkout_id, slot=slot, state=SlotHold.State.TAKEN)
    return payment if still_here.exists() else None


def _refund(booking: Booking, slot: Slot, reason: str, by: User, batch: Collection[Slot]) -> Outcome:
    return refund_one(booking, slot, reason, by, lambda: _paid_paise(batch, booking, by))


@transaction.atomic
def refund_one(
    booking: Booking, slot: Slot | None, reason: str, by: User, batch_paise: Callable[[], int]
) -> Outcome:
    """Cancels a booking that is still in this slot, with all of its money back. `batch_paise`: read under the lock."""
    if _lock(booking, slot) is None:
        return Outcome.ENDED
    refund = cancel_booking(booking, reason, by=by, in_full=True, batch_paise=batch_paise(), message=reason)
    return Outcome.AWAITING_APPROVAL if refund and refund.is_requested else Outcome.REFUNDED


def _paid_paise(slots: Collection[Slot], booking: Booking, by: User) -> int:
    """What was paid for this booking and the others that these slots have now, less what `by` has offered other times
    for: that is added to every refund of theirs."""
    others = _confirmed(slots).exclude(checkout__payment__in=called_off(by).values("payment"))
    counted = (_confirmed(slots).filter(pk=booking.pk) | others).values("checkout")
    of_bookings = LedgerEntry.objects.filter(payment__checkout__in=counted)
    receipts = of_bookings.filter(kind__in=PAYING)
    return receipts.aggregate(sum=Sum("amount_paise"))["sum"] or 0


def _move(booking: Booking, slot: Slot, reason: str, by: User, to: Slot | None) -> Outcome:
    """To the chosen time, or to the nearest that is free. The last place of one may be taken meanwhile."""
    in_time = nearby_slots(booking.checkout, limit=MOST_TRIED, not_before=earliest_move())
    targets = [to] if to else in_time
    for each in targets:
        try:
            return move_one(booking, slot, each, reason)
        except NoticeTooShort:
            break
        except SlotGone:
            continue
    else:
        if targets:
            return Outcome.NO_ROOM
    return offer_times(booking, slot, reason, by)


@transaction.atomic
def move_one(booking: Booking, closed: Slot | None, slot: Slot, reason: str) -> Outcome:
    """To a free time, unless it has left the closed one, or waits for somebody. Raises SlotGone, NoticeTooShort."""
    payment = _lock(booking, closed)
    if payment is None:
        return Outcome.ENDED
    if outcome := _is_waiting(booking, payment):
        return outcome
    before = timezone.localtime(booking.starts_at)
    if not move(booking, slot, reason):
        return Outcome.ENDED
    booking.refresh_from_db()
    record_booking(payment, booking.status, "moved_by_temple", f"from {before:%Y-%m-%d %H:%M}: {reason}")
    notify_moved(booking, before, reason)
    return Outcome.MOVED


def _is_waiting(booking: Booking, payment: Payment) -> Outcome | None:
    """A customer who has been asked to choose, or is about to be refunded, is not moved."""
    if awaits_refund_of_all(paid_attempt(payment)):
        return Outcome.AWAITING_APPROVAL
    return Outcome.OFFERED if booking.choose_until else None


@transaction.atomic
def offer_times(booking: Booking, closed: Slot | None, reason: str, by: User | None) -> Outcome:
    """The customer chooses among the free times; everything is refunded if they decline or do not choose."""
    payment = _lock(booking, closed)
    if payment is None:
        return Outcome.ENDED
    if outcome := _is_waiting(booking, payment):
        return outcome
    free = nearby_slots(booking.checkout)
    if not free:
        return Outcome.NO_ROOM
    until = choice_end(booking.checkout)
    if not call_off_time(booking, until, reason):
        return Outcome.ENDED
    offer = Offer.objects.create(
        payment=payment, because=Offer.Because.CALLED_OFF, expires_at=until, called_off_by=by
    )
    record_booking(payment, booking.status, "called_off_by_temple", reason)
    notify_called_off(booking, offer, [slot.starts_at for slot in free], reason)
    return Outcome.OFFERED
