"""The temple closes a time: everybody who booked it is moved, or gets all of the money back."""

from dataclasses import dataclass
from enum import Enum

from django.db import transaction

from accounts.models import User
from booking.models import Booking, Slot, SlotHold
from booking.services import NoticeTooShort, SlotGone, call_off_time, close, earliest_move, move, nearby_slots
from payment.models import Offer, Payment
from payment.services.changes import lock_payment, write_down_booking
from payment.services.refunds.promises import cancel_booking
from payment.services.settling import choice_end
from payment.services.telling import tell_called_off, tell_moved

MOST_TRIED = 10  # free times, the nearest first


class Outcome(Enum):
    MOVED = "moved"
    OFFERED = "offered"  # the free times are too near to move anybody without asking: its customer chooses
    REFUNDED = "refunded"
    NO_ROOM = "no_room"  # left as it was: choose another time, or refund
    ENDED = "ended"  # somebody else has moved, cancelled or completed it meanwhile


@dataclass(frozen=True)
class Cleared:
    booking: Booking
    outcome: Outcome


def refund_all(slot: Slot, reason: str, by: User) -> list[Cleared]:
    """Close the slot, cancel its bookings and send everything back, whatever the policy says of cancellations.

    Each booking is a transaction of its own: called again, it goes on with those that are left.
    """
    close(slot)
    return [Cleared(booking, _refund(booking, slot, reason, by)) for booking in _bookings(slot)]


def move_all(slot: Slot, reason: str, to: Slot | None = None) -> list[Cleared]:
    """Close the slot and move its bookings to `to`, or each to the nearest free time. Can be called again.

    To a start within MOVE_NOTICE_HOURS nobody is moved: they are offered the free times by a link.
    """
    close(slot)
    return [Cleared(booking, _move(booking, slot, reason, to)) for booking in _bookings(slot)]


def _bookings(slot: Slot) -> list[Booking]:
    taken = SlotHold.objects.filter(slot=slot, state=SlotHold.State.TAKEN)
    confirmed = Booking.objects.filter(checkout__hold__in=taken, status=Booking.Status.CONFIRMED)
    return list(confirmed.select_related("user", "checkout__cart").order_by("pk"))


def _lock(booking: Booking, slot: Slot) -> Payment | None:
    """Its payment, locked, and the booking as it is now. None when it has left this slot since it was listed: another
    of the staff has moved it, or its customer has cancelled."""
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
    """To the chosen time, or to the nearest that is free: others may take the last place of one meanwhile."""
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
    before = booking.starts_at
    if not move(booking, slot, reason):
        return Outcome.ENDED
    booking.refresh_from_db()
    write_down_booking(payment, booking.status, "moved_by_temple", f"from {before:%Y-%m-%d %H:%M}: {reason}")
    tell_moved(booking, before)
    return Outcome.MOVED


@transaction.atomic
def _offer_times(booking: Booking, closed: Slot, reason: str) -> Outcome:
    """Its customer chooses among the free times, or gets everything back; also when they choose nothing."""
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
    write_down_booking(payment, booking.status, "called_off_by_temple", reason)
    tell_called_off(booking, offer, [slot.starts_at for slot in free])
    return Outcome.OFFERED
