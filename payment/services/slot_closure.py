"""The temple closes a time: everybody who booked it is moved, or gets all of the money back."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts.models import User
from booking.models import Booking, Slot, SlotHold
from booking.services import NoticeTooShort, SlotGone, call_off_time, close, earliest_move, move, nearby_slots
from payment.models import Offer, Payment
from payment.services.notifications import notify_called_off, notify_moved
from payment.services.outcomes import choice_end
from payment.services.refunds.requests import cancel_booking
from payment.services.transitions import lock_payment, record_booking

MOST_AT_ONCE = 100  # bookings of one call, which is one request: each has a transaction, a refund, a mail
MOST_TRIED = 10  # free times, the nearest first


class Outcome(Enum):
    MOVED = "moved"
    OFFERED = "offered"  # the free times are too near to move anybody unasked: the customer chooses
    REFUNDED = "refunded"
    NO_ROOM = "no_room"  # unchanged: staff choose another time, or refund
    ENDED = "ended"  # it was moved, cancelled or completed meanwhile


@dataclass(frozen=True)
class Cleared:
    booking: Booking
    outcome: Outcome


@dataclass(frozen=True)
class Closing:
    cleared: list[Cleared]
    left: int  # bookings for the next call


def refund_all(slot: Slot, reason: str, by: User, most: int = MOST_AT_ONCE) -> Closing:
    """Closes the slot, cancels `most` of its bookings and refunds them in full, whatever the policy says.

    Each booking is a transaction of its own. Call it again for those that are left.
    """
    close(slot)
    bookings = _bookings(slot)
    return _clear(bookings, bookings.count(), most, lambda booking: _refund(booking, slot, reason, by))


def move_all(slot: Slot, reason: str, to: Slot | None = None, most: int = MOST_AT_ONCE) -> Closing:
    """Closes the slot and moves `most` of its bookings to `to`, or each to the nearest free time. Can be called again.

    Nobody is moved to a start within MOVE_NOTICE_HOURS: they are offered the free times by a link.
    """
    close(slot)
    bookings = _bookings(slot)
    unasked = bookings.filter(choose_until=None).count()
    return _clear(bookings, unasked, most, lambda booking: _move(booking, slot, reason, to))


def _bookings(slot: Slot) -> QuerySet[Booking]:
    """Those without an offer come first, so that each call handles others."""
    taken = SlotHold.objects.filter(slot=slot, state=SlotHold.State.TAKEN)
    confirmed = Booking.objects.filter(checkout__hold__in=taken, status=Booking.Status.CONFIRMED)
    unasked_first = F("choose_until").asc(nulls_first=True)
    return confirmed.select_related("user", "checkout__cart").order_by(unasked_first, "pk")


def _clear(
    bookings: QuerySet[Booking], count: int, most: int, clear: Callable[[Booking], Outcome]
) -> Closing:
    first = list(bookings[:most])
    return Closing([Cleared(booking, clear(booking)) for booking in first], max(count - len(first), 0))


def _lock(booking: Booking, slot: Slot) -> Payment | None:
    """Its locked payment; reloads the booking. None when it has left this slot since it was listed: it was moved by
    other staff, or cancelled by its customer."""
    payment = lock_payment(checkout=booking.checkout_id)
    booking.refresh_from_db()
    still_here = SlotHold.objects.filter(checkout=booking.checkout_id, slot=slot, state=SlotHold.State.TAKEN)
    is_here = booking.status == Booking.Status.CONFIRMED and still_here.exists()
    return payment if is_here else None


@transaction.atomic
def _refund(booking: Booking, slot: Slot, reason: str, by: User) -> Outcome:
    if _lock(booking, slot) is None:
        return Outcome.ENDED
    cancel_booking(booking, reason, by=by, in_full=True)
    return Outcome.REFUNDED


def _move(booking: Booking, slot: Slot, reason: str, to: Slot | None) -> Outcome:
    """To the chosen time, or to the nearest that is free. The last place of one may be taken meanwhile."""
    in_time = nearby_slots(booking.checkout, limit=MOST_TRIED, not_before=earliest_move())
    wanted = [to] if to else in_time
    for each in wanted:
        try:
            return _move_to(booking, slot, each, reason)
        except NoticeTooShort:
            break
        except SlotGone:
            continue
    else:
        if wanted:
            return Outcome.NO_ROOM
    return _offer_times(booking, slot, reason)


@transaction.atomic
def _move_to(booking: Booking, closed: Slot, slot: Slot, reason: str) -> Outcome:
    payment = _lock(booking, closed)
    if payment is None:
        return Outcome.ENDED
    if booking.choose_until:
        return Outcome.OFFERED
    before = timezone.localtime(booking.starts_at)
    if not move(booking, slot, reason):
        return Outcome.ENDED
    booking.refresh_from_db()
    record_booking(payment, booking.status, "moved_by_temple", f"from {before:%Y-%m-%d %H:%M}: {reason}")
    notify_moved(booking, before)
    return Outcome.MOVED


@transaction.atomic
def _offer_times(booking: Booking, closed: Slot, reason: str) -> Outcome:
    """The customer chooses among the free times; everything is refunded if they decline or do not choose."""
    payment = _lock(booking, closed)
    if payment is None:
        return Outcome.ENDED
    if booking.choose_until:
        return Outcome.OFFERED
    free = nearby_slots(booking.checkout)
    if not free:
        return Outcome.NO_ROOM
    until = choice_end(booking.checkout)
    if not call_off_time(booking, until, reason):
        return Outcome.ENDED
    offer = Offer.objects.create(payment=payment, because=Offer.Because.CALLED_OFF, expires_at=until)
    record_booking(payment, booking.status, "called_off_by_temple", reason)
    notify_called_off(booking, offer, [slot.starts_at for slot in free])
    return Outcome.OFFERED
