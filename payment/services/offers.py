"""Late money whose place is gone: its owner chooses another place, or the money goes back."""

from django.db import transaction
from django.utils import timezone

from booking.models import Slot
from booking.services import CartConverted, nearby_slots
from okpuja.errors import Refusal
from payment.models import Offer, Payment
from payment.services.changes import lock_payment
from payment.services.refunds.promises import send_receipt_back
from payment.services.settling import fulfil_elsewhere
from payment.services.telling import tell_offer_closed
from payment.states import Fulfilment


class NoSuchTime(Refusal):
    status_code = 404
    default_code = "no_such_time"
    default_detail = "There is no such time for this puja."


def places(payment: Payment) -> list[Slot]:
    """What can be chosen now; none when the choice is over."""
    if payment.fulfilment != Fulfilment.OFFERED or payment.checkout is None:
        return []
    return nearby_slots(payment.checkout)


def choose(payment: Payment, slot_id: int) -> Payment:
    """Raises NoSuchTime for a place of another puja, SlotGone, OfferClosed; CartConverted when the cart was booked
    with other money meanwhile, and then this money goes back."""
    service_id = payment.checkout.cart.puja_service_id if payment.checkout else None
    slot = Slot.objects.filter(pk=slot_id, service_id=service_id).first()
    if slot is None:
        raise NoSuchTime
    try:
        return fulfil_elsewhere(payment.pk, slot)
    except CartConverted:
        close_offer(payment.pk, "cart_converted")
        raise


@transaction.atomic
def close_offer(payment_id: int, rule: str) -> Payment:
    """Declined, or not chosen in time: the money goes back. Twice is once; a place that was chosen stays."""
    payment = lock_payment(pk=payment_id)
    open_one = Offer.objects.filter(payment=payment, state=Offer.State.OPEN)
    if payment.fulfilment != Fulfilment.OFFERED or not open_one.update(
        state=Offer.State.CLOSED, decided_at=timezone.now()
    ):
        return payment
    send_receipt_back(payment, rule, "the time was gone when the money came")
    tell_offer_closed(payment)
    return payment
