"""Money that has to go back. A Refund row is a promise; it is never dropped."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from booking.models import Booking
from booking.services import cancel
from okpuja.errors import Conflict, Refusal
from payment.models import LedgerEntry, PaymentAttempt, Refund
from payment.services.changes import lock_payment
from payment.states import RefundState


def owe_refund(attempt: PaymentAttempt, amount_paise: int, reason: str, *, asked_by: User | None) -> Refund:
    """Promise to send back `amount_paise` of what this attempt brought. Under the payment's lock."""
    number = attempt.refunds.count() + 1
    return Refund.objects.create(
        payment_id=attempt.payment_id,
        attempt=attempt,
        merchant_refund_id=f"R{number}-{attempt.merchant_order_id}",
        amount_paise=amount_paise,
        reason=reason,
        asked_by=asked_by,
    )


@transaction.atomic
def cancel_booking(booking: Booking, reason: str) -> Refund | None:
    """Cancel a booking, free its place, and promise the refund that the policy gives: all or nothing.

    Raises Refusal once the puja has begun, Conflict when the booking is not CONFIRMED any more.
    """
    payment = lock_payment(checkout=booking.checkout_id)
    if booking.checkout.starts_at <= timezone.now():
        raise Refusal("This puja has already begun; it can't be cancelled any more.", code="too_late")
    if not cancel(booking, reason):
        raise Conflict("This booking is no longer confirmed.", code="not_confirmed")
    if not _refunded_in_full(booking):
        return None
    receipt = payment.ledger.get(kind=LedgerEntry.Kind.RECEIPT)
    left = refundable_paise(receipt.attempt)
    return (
        owe_refund(receipt.attempt, left, f"cancelled: {reason}"[:200], asked_by=booking.user)
        if left
        else None
    )


def refundable_paise(attempt: PaymentAttempt) -> int:
    """What this attempt brought, less what was sent back or promised."""
    promised = attempt.refunds.exclude(state=RefundState.FAILED).aggregate(sum=Sum("amount_paise"))["sum"]
    return (attempt.received_paise or 0) - (promised or 0)


def _refunded_in_full(booking: Booking) -> bool:
    return booking.checkout.starts_at - timezone.now() >= timedelta(hours=settings.REFUND_FULL_HOURS)
