"""Late money for what the same person has booked meanwhile: it is refunded as paid twice, and they are told why.

Two carts that were both paid in time are two bookings: many people book the same puja for their parents, too.
"""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.services import lock_user
from booking.models import Booking, Checkout, EarlierStart, Slot
from booking.services import nearby_slots
from core.errors import Conflict
from payment.models import Payment
from payment.services.notifications import VALID_BOOKING, notify_paid_twice
from payment.services.refunds.requests import refund_without_booking

MAX_OFFERED_SLOTS = 3
PAID_TWICE = "the same puja at the same time was booked meanwhile"


class BookedMeanwhile(Conflict):
    default_code = "booked_meanwhile"
    default_detail = _(
        "You have booked this puja for this time already. The money of this payment goes back to you."
    )


def refuse_if_booked_meanwhile(payment: Payment, checkout: Checkout, chosen: Slot | None = None) -> None:
    """Raises BookedMeanwhile. Locks the person, so that nothing of theirs is booked until the caller commits.

    `chosen` is another time that they took because theirs was gone.
    """
    lock_user(checkout.user_id)
    same = _bookings(checkout, chosen.starts_at) if chosen else _bookings_of_its_time(checkout)
    if not payment.came_late and chosen is None:
        # Only what the late money of an earlier cart booked while this one was being paid.
        same = same.filter(checkout__payment__came_late=True, created_at__gt=checkout.created_at)
    if same.exists():
        raise BookedMeanwhile(payment_id=payment.pk)


def refund_as_paid_twice(
    payment: Payment, rule: str, reason: str = PAID_TWICE, chosen: Slot | None = None
) -> None:
    """All of it, with the booking that stands named to the buyer. Under the payment's lock."""
    refund_without_booking(payment, rule, reason)
    if (checkout := payment.checkout) is None:
        return
    same = _bookings(checkout, chosen.starts_at) if chosen else _bookings_of_its_time(checkout)
    of_this_cart = _of_person(checkout).filter(checkout__cart=checkout.cart_id)
    notify_paid_twice(payment, of_this_cart.first() or same.first())


def slots_to_offer(checkout: Checkout) -> list[Slot]:
    """Free times near the one that was paid for, without those that the person has booked anyway."""
    theirs = set(_of_person(checkout).values_list("starts_at", flat=True))
    near = nearby_slots(checkout, limit=MAX_OFFERED_SLOTS + len(theirs))
    return [slot for slot in near if slot.starts_at not in theirs][:MAX_OFFERED_SLOTS]


def _of_person(checkout: Checkout) -> QuerySet[Booking]:
    """Their other bookings of the same puja."""
    service = checkout.cart.puja_service_id
    booking = Booking.objects.filter(
        user=checkout.user_id, checkout__cart__puja_service=service, status__in=VALID_BOOKING
    )
    return booking.exclude(checkout=checkout.pk)


def _bookings(checkout: Checkout, starts_at: datetime) -> QuerySet[Booking]:
    return _of_person(checkout).filter(starts_at=starts_at)


def _bookings_of_its_time(checkout: Checkout) -> QuerySet[Booking]:
    """At that time now, or at any time of their life: the temple may have moved them more than once.

    One whose own time was gone when it was paid never had that time: its owner chose another one from the offer.
    """
    had_it = EarlierStart.objects.filter(booking=OuterRef("pk"), starts_at=checkout.starts_at)
    return _of_person(checkout).filter(Q(starts_at=checkout.starts_at) | Q(Exists(had_it)))
