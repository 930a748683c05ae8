"""Events for servers of the business, written in the transaction of their fact.

Every change of a payment, booking or refund that is recorded by `payment.services.transitions` writes its event there;
the usual payment writes the same rows in its one statement (`payment.services.at_once`).
"""

from datetime import datetime
from typing import Any

from django.utils import timezone

from booking.models import Booking
from core.money import rupees
from payment.models import Payment, Refund, ServerEvent
from payment.states import PaymentState, RefundState

VERSION = "1"  # of the shape of `data`: members may be added, none is taken out or changed
Type = ServerEvent.Type
PAYMENT_TYPES = {
    PaymentState.SUCCESS: Type.PAYMENT_PAID,
    PaymentState.FAILED: Type.PAYMENT_FAILED,
    PaymentState.CANCELLED: Type.PAYMENT_FAILED,
}
CALLED_OFF = "called_off_by_temple"
APPROVED = "refund_approved"


def payment_event(payment: Payment) -> ServerEvent:
    """Of a payment that is decided, not written yet."""
    more = {"status": str(payment.state), "amount": rupees(payment.amount_paise), "currency": "INR"}
    return _event(PAYMENT_TYPES[PaymentState(payment.state)], payment, more)


def booking_event(type_: ServerEvent.Type, payment: Payment, booking: Booking) -> ServerEvent:
    """Of the booking as it stands now, not written yet."""
    more = {"book_id": booking.book_id, "status": str(booking.status), "starts_at": _iso(booking.starts_at)}
    return _event(type_, payment, more)


def booking_type(status: str, rule: str) -> ServerEvent.Type:
    """Of a booking that was changed by this rule and has this status now."""
    if status == Booking.Status.COMPLETED:
        return Type.BOOKING_COMPLETED
    return Type.BOOKING_CALLED_OFF if rule == CALLED_OFF else Type.BOOKING_MOVED


def refund_event(type_: ServerEvent.Type, refund: Refund) -> ServerEvent:
    more = {"refund_id": refund.merchant_refund_id, "amount": rupees(refund.amount_paise), "currency": "INR"}
    replaces = refund.replaces.merchant_refund_id if refund.replaces else None
    return _event(type_, refund.payment, {**more, "status": str(refund.state), "replaces": replaces})


def write_booking_event(type_: ServerEvent.Type, payment: Payment) -> None:
    """Of the booking that this payment became, read again."""
    booking = Booking.objects.filter(checkout=payment.checkout_id).first()
    if booking is not None:
        booking_event(type_, payment, booking).save(force_insert=True)


def write_refund_event(refund: Refund, before: str, rule: str) -> None:
    """When it becomes owed, and when it is credited. A request that waits for a second person is not owed yet."""
    is_owed = (before == "" or rule == APPROVED) and not refund.held_because
    if refund.state == RefundState.COMPLETED != before:
        refund_event(Type.REFUND_COMPLETED, refund).save(force_insert=True)
    elif is_owed and refund.state == RefundState.WAITING:
        refund_event(Type.REFUND_CREATED, refund).save(force_insert=True)


def _event(type_: ServerEvent.Type, payment: Payment, more: dict[str, Any]) -> ServerEvent:
    about = {
        "payment_id": payment.pk,
        "transaction_id": payment.reference,
        "reference": payment.server_reference,
        "simulated": payment.simulated,
    }
    return ServerEvent(type=type_, payment=payment, data={**about, **more})


def _iso(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat()
