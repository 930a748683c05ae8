"""What must be so: at every moment, and once nobody is at work any more."""

from typing import Any

from booking.models import Booking, Slot
from notifications.models import Notification
from payment.models import LedgerEntry, Payment
from tests.harness import invariants

# PhonePe's account may be ahead of our ledger, never behind it.
ALWAYS = invariants.LAWS | invariants.NOTHING_INVENTED
AT_REST = ALWAYS | invariants.AT_REST | invariants.NOTHING_LOST


def always() -> dict[str, list[Any]]:
    """What is broken of what must be so at every moment."""
    return invariants.violations(invariants.query, ALWAYS)


def at_rest() -> dict[str, list[Any]]:
    """What is broken, or not over yet."""
    return invariants.violations(invariants.query, AT_REST)


def ending() -> dict[str, list[Any]]:
    """How a scenario ended, whichever of its orders and tries were used for it."""
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
