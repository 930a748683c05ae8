"""What must be so: at every moment, and once nobody is at work any more."""

from typing import Any

from booking.models import Booking, Slot
from notifications.models import Notification
from payment.models import LedgerEntry, Payment
from tests.harness import invariants
from tests.system.torture.audit import AT_THE_END, UNDECIDED

# PhonePe's account may be ahead of our ledger, never behind it.
NOTHING_INVENTED = {
    "nothing came that PhonePe has not received": """
        SELECT entry.reference FROM payment_ledgerentry entry
        JOIN payment_paymentattempt attempt ON attempt.id = entry.attempt_id
        WHERE entry.kind IN ('RECEIPT', 'SURPLUS', 'SUSPENSE') AND entry.amount_paise > 0 AND NOT EXISTS (
            SELECT 1 FROM simulator_order told JOIN simulator_attempt paid ON paid.order_id = told.id
            WHERE told.merchant_order_id = attempt.merchant_order_id AND paid.state = 'COMPLETED'
            AND paid.amount_paise = entry.amount_paise)
    """,
    "nothing went back that PhonePe has not sent": """
        SELECT entry.reference FROM payment_ledgerentry entry
        WHERE entry.kind = 'REFUND' AND NOT EXISTS (
            SELECT 1 FROM simulator_refund gone
            WHERE gone.merchant_refund_id = entry.reference AND gone.state = 'COMPLETED'
            AND gone.amount_paise = -entry.amount_paise)
    """,
}
A_PLACE_FOR_EACH_BOOKING = {
    "who has a booking has a place, and who has cancelled has none": """
        SELECT booking.id FROM booking_booking booking
        JOIN booking_slothold place ON place.checkout_id = booking.checkout_id
        WHERE (booking.status = 'CANCELLED') = (place.state = 'TAKEN')
    """,
}
NOTHING_LOST = {
    "what PhonePe received is in the ledger": """
        SELECT told.merchant_order_id FROM simulator_order told
        JOIN simulator_attempt paid ON paid.order_id = told.id AND paid.state = 'COMPLETED'
        JOIN payment_paymentattempt attempt ON attempt.merchant_order_id = told.merchant_order_id
        WHERE attempt.state <> 'COMPLETED' OR attempt.received_paise <> paid.amount_paise
    """,
    "what PhonePe received is for an order of ours": """
        SELECT told.merchant_order_id FROM simulator_order told
        LEFT JOIN payment_paymentattempt attempt ON attempt.merchant_order_id = told.merchant_order_id
        WHERE attempt.id IS NULL
    """,
    "what PhonePe has sent back is in the ledger": """
        SELECT gone.merchant_refund_id FROM simulator_refund gone
        LEFT JOIN payment_ledgerentry entry ON entry.reference = gone.merchant_refund_id
        WHERE gone.state = 'COMPLETED' AND entry.id IS NULL
    """,
    "who has got everything back has no booking": """
        SELECT booking.id FROM booking_booking booking JOIN payment_payment payment USING (checkout_id)
        JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind = 'RECEIPT'
        WHERE booking.status <> 'CANCELLED' AND entry.amount_paise <= (
            SELECT coalesce(sum(amount_paise), 0) FROM payment_refund
            WHERE attempt_id = entry.attempt_id AND state = 'COMPLETED')
    """,
}
ALWAYS = invariants.LAWS | NOTHING_INVENTED | A_PLACE_FOR_EACH_BOOKING
STILL = {f"not decided: {what}": statement for what, statement in UNDECIDED.items()}
AT_REST = ALWAYS | invariants.AT_REST | AT_THE_END | NOTHING_LOST | STILL


def always() -> dict[str, list[Any]]:
    """What is broken of what must be so at every moment."""
    return invariants.violations(invariants.query, ALWAYS)


def at_rest() -> dict[str, list[Any]]:
    """What is broken, or not over yet."""
    return invariants.violations(invariants.query, AT_REST)


def ending() -> dict[str, list[Any]]:
    """How a story ended, whichever of its orders and tries were used for it."""
    return {
        "outcomes": sorted(Payment.objects.values_list("state", "fulfilment")),
        "ledger": sorted(LedgerEntry.objects.values_list("kind", "amount_paise")),
        "bookings": sorted(Booking.objects.values_list("status", flat=True)),
        "places": list(Slot.objects.order_by("starts_at").values_list("held", "booked")),
        "told": sorted(
            (kind, _sent_or_over(state)) for kind, state in Notification.objects.values_list("kind", "state")
        ),
    }


def _sent_or_over(state: str) -> str:
    """Whether a message was still true when it was sent depends on when our process died."""
    return Notification.State.SENT if state == Notification.State.DROPPED else state
