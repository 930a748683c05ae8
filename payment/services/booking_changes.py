"""What a customer may still change about a booking, and what they would get back now.

A move costs nothing and gives nothing back: the price that was paid is that of the package, whatever it costs now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.calendar_files import place_of
from booking.devotees import DEVOTEE_FIELDS
from booking.models import ON_SALE, Booking, Cart, Checkout, PujaService, Slot
from booking.services import free_slots, lead_time, move, move_by_customer, require_open_start
from booking.services.carts import add_free_times
from core.errors import Conflict, InvalidField, Refusal
from core.language import ENGLISH
from payment.models import Offer, Payment
from payment.services.links import ChangeLink
from payment.services.notifications import notify_moved, notify_moved_by_customer
from payment.services.offers import NoSuchTime, choose
from payment.services.refunds.amounts import policy_share, sendable_paise, share_ends_at
from payment.services.refunds.requests import NotConfirmed, awaits_refund_of_all, cancel_booking, paid_attempt
from payment.services.rehearsal import ChangedMeanwhile
from payment.services.transitions import lock_payment, record_booking, record_decision

MOST_TIMES = 60


class NotMovable(Conflict):
    """`code` says why: `moves_used_up`, `move_too_late`, `choose_first`, `refund_requested`."""

    default_code = "not_movable"
    default_detail = _("This booking cannot be moved. You can cancel it.")


class LinkUsed(Conflict):
    default_code = "link_used"
    default_detail = _("This link has been used. The newest message about your booking has a new one.")


@dataclass(frozen=True)
class Cancellation:
    """What a cancellation gives back now, of what is left of the payment; in paise.

    `until`: after it a cancellation gives back less; None: it does not change before the puja begins.
    """

    refund_paise: int
    paid_paise: int
    until: datetime | None


def cancellation_now(booking: Booking) -> Cancellation | None:
    """None when the booking cannot be cancelled any more."""
    now = timezone.now()
    is_over = booking.starts_at <= now and booking.choose_until is None
    if booking.status != Booking.Status.CONFIRMED or is_over:
        return None
    left = sendable_paise(paid_attempt(booking.checkout.payment))
    return Cancellation(policy_share(booking, left, now), left, share_ends_at(booking, left, now))


def latest_move(booking: Booking) -> datetime:
    return booking.starts_at - timedelta(hours=settings.CUSTOMER_MOVE_HOURS)


def moves_left(booking: Booking) -> int:
    return max(settings.CUSTOMER_MOVES - booking.own_moves, 0)


def map_url(booking: Booking) -> str:
    """A search on a map; empty for a puja that takes place online."""
    if booking.checkout.puja_type == PujaService.Type.ONLINE:
        return ""
    return f"https://www.google.com/maps/search/?{urlencode({'api': 1, 'query': place_of(booking, ENGLISH)})}"


def find_move_problem(booking: Booking) -> Refusal | None:
    """Why its customer cannot move it now; None when they can."""
    if booking.status != Booking.Status.CONFIRMED:
        return NotConfirmed()
    if booking.choose_until is not None:
        return NotMovable(
            _("The temple called your time off. Please choose another one by the link that we sent you."),
            code="choose_first",
        )
    if not moves_left(booking):
        return NotMovable(code="moves_used_up")
    if timezone.now() > latest_move(booking):
        sentence = _("A booking can be moved until {hours} hours before its start. You can still cancel it.")
        return NotMovable(format_lazy(sentence, hours=settings.CUSTOMER_MOVE_HOURS), code="move_too_late")
    if awaits_refund_of_all(paid_attempt(booking.checkout.payment)):
        return NotMovable(_("Our staff are refunding this booking."), code="refund_requested")
    return None


def times_to_move(booking: Booking, most: int = MOST_TIMES, since: datetime | None = None) -> list[Slot]:
    """Free times of the same puja, the earliest first. A puja without slots has none: any time when we are open."""
    soonest = timezone.now() + lead_time()
    free = free_slots(booking.checkout.puja_service_id, max(soonest, since) if since else soonest)
    return list(free.exclude(starts_at=booking.starts_at)[:most])


def has_any_time(booking: Booking) -> bool:
    """A puja without slots starts whenever we are open."""
    return not Slot.objects.filter(service_id=booking.checkout.puja_service_id).exists()


@transaction.atomic
def cancel_by_link(link: ChangeLink, reason: str) -> None:
    """Raises LinkUsed, and what `cancel_booking` raises."""
    lock_payment(checkout=link.booking.checkout_id)
    cancel_booking(require_fresh(link), reason)


@transaction.atomic
def move_by_link(link: ChangeLink, slot: int | None = None, starts_at: datetime | None = None) -> Booking:
    """As `move_booking`. A click that arrives twice is one move, though the link ends with it. Raises LinkUsed."""
    lock_payment(checkout=link.booking.checkout_id)
    link.booking.refresh_from_db()
    if link.is_used and start_of(_find_time(link.booking, slot, starts_at)) == link.booking.starts_at:
        return link.booking
    return move_booking(require_fresh(link), slot, starts_at)


@transaction.atomic
def move_booking(booking: Booking, slot: int | None = None, starts_at: datetime | None = None) -> Booking:
    """To a slot by its id, or to a start where the puja has no slots. The same choice twice is one move.

    The new place is taken before the old one is given back. Raises NoSuchTime, SlotGone, NotMovable, NotConfirmed;
    InvalidField on a start that nobody could buy. Nothing is changed then.
    """
    payment = lock_payment(checkout=booking.checkout_id)
    booking.refresh_from_db()
    to = _find_time(booking, slot, starts_at)
    if start_of(to) == booking.starts_at and booking.status == Booking.Status.CONFIRMED:
        return booking
    if problem := find_move_problem(booking):
        raise problem
    if not isinstance(to, Slot):
        require_open_start(booking.checkout.puja_service, to)
    before = timezone.localtime(booking.starts_at)
    if not move_by_customer(booking, to):
        raise NotConfirmed
    booking.refresh_from_db()
    record_booking(payment, booking.status, "moved_by_customer", f"from {before:%Y-%m-%d %H:%M}")
    notify_moved_by_customer(booking, before)
    return booking


@transaction.atomic
def move_by_staff(
    booking: Booking, to: Slot | datetime, reason: str, by: User, *, for_customer: bool = False
) -> Booking:
    """To a slot, or to a start where the puja has no slots. The same time twice is one move.

    `for_customer`: they asked for it on the phone: no notice is needed, and their terms stay those of the first time.
    Else the temple moves them, and they may cancel for nothing. Raises NoSuchTime, SlotGone, NoticeTooShort,
    NotConfirmed, NotMovable; InvalidField on a start that nobody could buy. Nothing is changed then.
    """
    payment = lock_payment(checkout=booking.checkout_id)
    booking.refresh_from_db()
    start, before = start_of(to), timezone.localtime(booking.starts_at)
    if booking.status != Booking.Status.CONFIRMED:
        raise NotConfirmed
    if booking.choose_until is None and start == booking.starts_at:
        return booking
    if awaits_refund_of_all(paid_attempt(payment)):
        raise NotMovable(_("A refund of this booking waits for a second person."), code="refund_requested")
    if not isinstance(to, Slot):
        if not has_any_time(booking):
            raise NoSuchTime
        require_open_start(booking.checkout.puja_service, to)
    chooses = for_customer and booking.choose_until is not None and isinstance(to, Slot)
    if chooses:
        choose(payment, cast(Slot, to).pk)  # what they would do by their link, with its message
    elif not (move_by_customer(booking, to) if for_customer else move(booking, to, reason)):
        raise NotConfirmed
    _end_choice(payment)
    booking.refresh_from_db()
    rule = "moved_for_customer" if for_customer else "moved_by_temple"
    detail = f"by user {by.pk}: from {before:%Y-%m-%d %H:%M}: {reason}"
    record_booking(payment, booking.status, rule, detail, by=by.pk)
    if for_customer and not chooses:
        notify_moved_by_customer(booking, before)
    elif not chooses:
        notify_moved(booking, before, reason)
    return booking


def details_of(booking: Booking) -> dict[str, Any]:
    """For whom the puja is performed: what the priest reads out."""
    return dict(Checkout.objects.values(*DEVOTEE_FIELDS).get(pk=booking.checkout_id))


@transaction.atomic
def correct_details(
    booking: Booking, details: Mapping[str, Any], reason: str, by: User, *, seen: Mapping[str, Any]
) -> None:
    """Writes `details` in place of those that staff have `seen`; the timeline says who and why, not what.

    Nobody is told: the customer has asked for it, and priests read it on the day. Raises NotConfirmed,
    ChangedMeanwhile.
    """
    payment = lock_payment(checkout=booking.checkout_id)
    booking.refresh_from_db()
    if booking.status != Booking.Status.CONFIRMED:
        raise NotConfirmed
    if details_of(booking) != seen:
        raise ChangedMeanwhile
    if details != seen:
        Checkout.objects.filter(pk=booking.checkout_id).update(**details)
        record_decision(payment, "details_corrected", by, reason)


def find_start(booking: Booking, starts_at: datetime) -> Slot | datetime:
    """The slot of this start, or the start itself where the puja has no slots. Raises InvalidField."""
    slots = Slot.objects.filter(service_id=booking.checkout.puja_service_id)
    if slot := slots.filter(ON_SALE, starts_at=starts_at).first():
        return slot
    if slots.exists():
        start = timezone.localtime(starts_at)
        draft = Cart(
            puja_service_id=booking.checkout.puja_service_id,
            selected_date=start.date(),
            selected_time=start.time(),
        )
        problem = _("This puja does not start at that time. Choose one of its slots.")
        raise InvalidField("selected_time", add_free_times(problem, draft))
    require_open_start(booking.checkout.puja_service, starts_at)
    return starts_at


def _end_choice(payment: Payment) -> None:
    """Its time had been called off: nothing is to be chosen any more."""
    called_off = Offer.objects.filter(
        payment=payment, state=Offer.State.OPEN, because=Offer.Because.CALLED_OFF
    )
    called_off.update(state=Offer.State.CLOSED, decided_at=timezone.now())


def require_fresh(link: ChangeLink) -> Booking:
    """The booking behind a link that was not used, as it is now. Raises LinkUsed."""
    link.booking.refresh_from_db()
    if link.is_used:
        raise LinkUsed
    return link.booking


def start_of(to: Slot | datetime) -> datetime:
    return to.starts_at if isinstance(to, Slot) else to


def _find_time(booking: Booking, slot_id: int | None, starts_at: datetime | None) -> Slot | datetime:
    slots = Slot.objects.filter(service_id=booking.checkout.puja_service_id)
    if slot_id is not None:
        slot = slots.filter(pk=slot_id).first()
        if slot is None:
            raise NoSuchTime
        return slot
    if starts_at is None or slots.exists():
        raise NoSuchTime
    return starts_at
