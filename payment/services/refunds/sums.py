"""Two sums of the money that is to go back, and what is left beside each. Under the payment's lock.

*Owed* is what a rule says, or what two people have said. It decides about the booking, and it is cut last.
*Requested* is what still waits for a second person. It only limits further requests, and ends first.
"""

from django.db.models import F, Q, QuerySet, Sum

from payment.models import Dispute, LedgerEntry, PaymentAttempt, Refund, WebhookEvent
from payment.phonepe import webhook_events
from payment.services.refunds.policy import LEAST_PAISE
from payment.states import RefundState

REQUESTED = Q(state=RefundState.WAITING, held_because=Refund.Hold.SECOND_PERSON)


def requested(attempt: PaymentAttempt) -> QuerySet[Refund]:
    """Asked for by staff and not approved yet. The buyer has not heard of it."""
    return attempt.refunds.filter(REQUESTED)


def owed(attempt: PaymentAttempt) -> QuerySet[Refund]:
    """What goes back, or went: each row that has neither failed nor waits for a second person."""
    return attempt.refunds.exclude(state=RefundState.FAILED).exclude(REQUESTED)


def left_beside(attempt: PaymentAttempt, refunds: QuerySet[Refund]) -> int:
    """In paise: what this attempt brought, less these refunds and what the buyer's bank has taken."""
    going = refunds.aggregate(sum=Sum("amount_paise"))["sum"] or 0
    return max((attempt.received_paise or 0) - going - taken_paise(attempt), 0)


def left_beside_owed(attempt: PaymentAttempt) -> int:
    """What can still become owed: requests hold nothing back."""
    return left_beside(attempt, owed(attempt))


def sendable_paise(attempt: PaymentAttempt) -> int:
    """As `left_beside_owed`; 0 for less than a rupee, which PhonePe does not send."""
    left = left_beside_owed(attempt)
    return left if left >= LEAST_PAISE else 0


def refundable_paise(attempt: PaymentAttempt) -> int:
    """What can still be requested: beside all that is owed, and all that is requested already."""
    return left_beside(attempt, attempt.refunds.exclude(state=RefundState.FAILED))


def taken_paise(attempt: PaymentAttempt) -> int:
    """What the buyer's bank holds by our books."""
    entries = attempt.ledger.filter(kind=LedgerEntry.Kind.CHARGEBACK)
    return -(entries.aggregate(sum=Sum("amount_paise"))["sum"] or 0)


def cut_paise(attempt: PaymentAttempt) -> int:
    """What was owed and could not be sent, because the money had gone another way."""
    return attempt.refunds.aggregate(sum=Sum("cut_paise"))["sum"] or 0


def has_gone_twice(attempt: PaymentAttempt) -> bool:
    """The bank has taken what was on its way back already: no row of ours can stop that any more."""
    going = owed(attempt).aggregate(sum=Sum("amount_paise"))["sum"] or 0
    return going + taken_paise(attempt) > (attempt.received_paise or 0)


def is_disputed_without_amount(attempt: PaymentAttempt) -> bool:
    """A dispute that does not say how much, or news of one that nobody has understood: nothing of this order is
    sent back until staff or later news say how much the bank wants."""
    unknown = Q(amount_paise=None) | Q(status=Dispute.Status.UNKNOWN)
    if attempt.disputes.filter(unknown).exclude(status=Dispute.Status.WON).exists():
        return True
    in_review = attempt.events.filter(
        event__startswith=webhook_events.DISPUTE, state=WebhookEvent.State.NEEDS_REVIEW
    )
    not_read = Q(dispute_update=None) | Q(dispute_update__told_at=None)
    not_overtaken = Q(
        dispute_update__status=Dispute.Status.UNKNOWN,
        dispute_update__told_at__gte=F("dispute_update__dispute__told_at"),
    )
    return in_review.filter(not_read | not_overtaken).exists()
