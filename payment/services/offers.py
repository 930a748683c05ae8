"""Free slots for a customer whose slot is gone: they choose one, or the money is refunded.

Either it was a late payment (late money: the payment is OFFERED), or the temple has called a booked slot off.
"""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import Booking, Slot
from booking.services import CartConverted, move
from core.clocks import database_now
from core.errors import Refusal
from payment.models import Offer, Payment
from payment.services.duplicates import BookedMeanwhile, refund_as_paid_twice, slots_to_offer
from payment.services.notifications import notify_moved, notify_offer_closed
from payment.services.outcomes import OfferClosed, fulfil_with_slot, is_same_choice
from payment.services.queue import offers_due
from payment.services.refunds.requests import cancel_booking, end_requests_of_all, refund_without_booking
from payment.services.transitions import lock_payment, record_booking
from payment.states import Fulfilment

NOT_CHOSEN = "The temple called the time off, and no other one was chosen."


class NoSuchTime(Refusal):
    status_code = 404
    default_code = "no_such_time"
    default_detail = _("There is no such time for this puja.")


def can_choose(payment: Payment) -> bool:
    """Another slot can be chosen for this payment now."""
    if payment.fulfilment != Fulfilment.BOOKED:
        return payment.fulfilment == Fulfilment.OFFERED
    return payment.booking is not None and payment.booking.choose_until is not None


def slots_to_choose(payment: Payment) -> list[Slot]:
    """The free slots; none when the choice is over."""
    if payment.checkout is None or not can_choose(payment):
        return []
    return slots_to_offer(payment.checkout)


def choose(payment: Payment, slot_id: int) -> Payment:
    """Raises NoSuchTime for a slot of another puja, SlotGone, OfferClosed, AlreadyChosen; CartConverted or
    BookedMeanwhile when the cart, or this puja at this time, was booked with other money: then this money goes back."""
    service_id = payment.checkout.cart.puja_service_id if payment.checkout else None
    slot = Slot.objects.filter(pk=slot_id, service_id=service_id).first()
    if slot is None:
        raise NoSuchTime
    offer = Offer.objects.filter(payment=payment).first()
    if offer is not None and offer.because == Offer.Because.CALLED_OFF:
        return _move_to_chosen(payment.pk, slot)
    try:
        return fulfil_with_slot(payment.pk, slot)
    except (CartConverted, BookedMeanwhile) as refusal:
        _end_as_paid_twice(payment.pk, refusal.code, slot)
        raise


@transaction.atomic
def decline(payment_id: int, rule: str, by: User | None) -> Payment:
    """The customer, or staff (`by`), want the money back instead of another slot. Twice is once.

    Raises AlreadyChosen.
    """
    payment = lock_payment(pk=payment_id)
    if offer := Offer.objects.filter(payment=payment).first():
        is_same_choice(offer, None)
    return close_offer(payment_id, rule, by)


@transaction.atomic
def close_offer(payment_id: int, rule: str, by: User | None) -> Payment:
    """Declined, or not chosen in time: the money goes back. Twice is once; a chosen slot stays.

    The offer stays open while a refund that staff decided waits for a second person. `by` is None where a rule or
    the customer decides.
    """
    payment = lock_payment(pk=payment_id)
    offer = Offer.objects.filter(payment=payment, state=Offer.State.OPEN).first()
    if offer is None:
        return payment
    if offer.because == Offer.Because.CALLED_OFF:
        refund = cancel_booking(
            Booking.objects.get(checkout__payment=payment), NOT_CHOSEN, by=by, in_full=True
        )
        if refund and refund.is_requested:
            offer.requested_refund = refund
            offer.save(update_fields=["requested_refund"])
        return payment
    if payment.fulfilment != Fulfilment.OFFERED:
        return payment
    if refund_without_booking(payment, rule, "the time was gone when the money came", by=by):
        notify_offer_closed(payment)
    return payment


@transaction.atomic
def _end_as_paid_twice(payment_id: int, rule: str, chosen: Slot) -> None:
    payment = lock_payment(pk=payment_id)
    if payment.fulfilment == Fulfilment.OFFERED:
        refund_as_paid_twice(payment, rule, chosen=chosen)


@transaction.atomic
def expire_offer(offer_id: int) -> None:
    """Nothing was chosen in time. Checked again under the lock: the choice may have been made, or extended.

    Whoever called the time off has caused the refund.
    """
    lock_payment(offers=offer_id)
    if ended := offers_due(database_now()).filter(pk=offer_id).first():
        close_offer(ended.payment_id, "offer_expired", by=ended.called_off_by)


@transaction.atomic
def _move_to_chosen(payment_id: int, slot: Slot) -> Payment:
    """The same choice twice is one move."""
    payment = lock_payment(pk=payment_id)
    offer = Offer.objects.select_for_update(of=("self",)).filter(payment=payment).first()
    if offer is None:
        raise OfferClosed(payment_id=payment.pk)
    if is_same_choice(offer, slot):
        return payment
    booking = Booking.objects.select_related("checkout__cart").get(checkout__payment=payment)
    before = timezone.localtime(booking.starts_at)
    if offer.state != Offer.State.OPEN or not move(booking, slot, booking.moved_because, chosen=True):
        raise OfferClosed(payment_id=payment.pk)
    end_requests_of_all(payment)
    offer.state, offer.slot, offer.decided_at = Offer.State.TAKEN, slot, timezone.now()
    offer.save(update_fields=["state", "slot", "decided_at"])
    booking.refresh_from_db()
    record_booking(payment, booking.status, "other_place_chosen", f"from {before:%Y-%m-%d %H:%M}")
    notify_moved(booking, before)
    return payment
