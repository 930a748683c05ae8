"""The temple closes a time: everybody who booked it is moved, or gets all of the money back."""

from dataclasses import dataclass
from enum import Enum

from django.db import transaction

from accounts.models import User
from booking.models import Booking, Slot, SlotHold
from booking.services import SlotGone, close, move, nearby_slots
from okpuja.errors import Conflict
from payment.services.changes import lock_payment, write_down_booking
from payment.services.refunds.promises import cancel_booking
from payment.services.telling import tell_moved


class Outcome(Enum):
    MOVED = "moved"
    REFUNDED = "refunded"
    NO_ROOM = "no_room"  # left as it was: choose another time, or refund
    ENDED = "ended"  # somebody else has cancelled or completed it meanwhile


@dataclass(frozen=True)
class Cleared:
    booking: Booking
    outcome: Outcome


def refund_all(slot: Slot, reason: str, by: User) -> list[Cleared]:
    """Close the slot, cancel its bookings and send everything back, whatever the policy says of cancellations.

    Each booking is a transaction of its own: called again, it goes on with those that are left.
    """
    close(slot)
    return [Cleared(booking, _refund(booking, reason, by)) for booking in _bookings(slot)]


def move_all(slot: Slot, reason: str, to: Slot | None = None) -> list[Cleared]:
    """Close the slot and move its bookings to `to`, or each to the nearest free time. Can be called again."""
    close(slot)
    return [Cleared(booking, _move(booking, reason, to)) for booking in _bookings(slot)]


def _bookings(slot: Slot) -> list[Booking]:
    taken = SlotHold.objects.filter(slot=slot, state=SlotHold.State.TAKEN)
    confirmed = Booking.objects.filter(checkout__hold__in=taken, status=Booking.Status.CONFIRMED)
    return list(confirmed.select_related("user", "checkout__cart").order_by("pk"))


def _refund(booking: Booking, reason: str, by: User) -> Outcome:
    try:
        cancel_booking(booking, reason, by=by, in_full=True)
    except Conflict:
        return Outcome.ENDED
    return Outcome.REFUNDED


def _move(booking: Booking, reason: str, to: Slot | None) -> Outcome:
    slot = to or next(iter(nearby_slots(booking.checkout, limit=1)), None)
    if slot is None:
        return Outcome.NO_ROOM
    try:
        return _move_to(booking, slot, reason)
    except SlotGone:
        return Outcome.NO_ROOM


@transaction.atomic
def _move_to(booking: Booking, slot: Slot, reason: str) -> Outcome:
    payment = lock_payment(checkout=booking.checkout_id)
    before = booking.starts_at
    if not move(booking, slot, reason):
        return Outcome.ENDED
    booking.refresh_from_db()
    write_down_booking(payment, booking.status, "moved_by_temple", f"from {before:%Y-%m-%d %H:%M}: {reason}")
    tell_moved(booking, before)
    return Outcome.MOVED
