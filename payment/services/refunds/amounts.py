"""How much of a payment can be refunded. The sums are read under the payment's lock.

*Owed*: refunds that a rule has made, or that were approved. They decide about the booking and are cut last.
*Requested*: refunds that await approval. They only limit further requests, and are superseded first.

Also the cancellation policy: the percentage that goes back, by the hours before the start.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from booking.models import Booking
from payment.models import PAYING, Dispute, LedgerEntry, PaymentAttempt, Refund, WebhookEvent
from payment.phonepe import webhook_events
from payment.states import RefundState

MIN_REFUND_PAISE = 100  # PhonePe's minimum is one rupee; what stays must be refundable later, too
REQUESTED = Q(state=RefundState.WAITING, held_because=Refund.Hold.SECOND_PERSON)


def requested_refunds(attempt: PaymentAttempt) -> QuerySet[Refund]:
    """Requested by staff and not approved yet. The buyer was not notified."""
    return attempt.refunds.filter(REQUESTED)


def owed_refunds(attempt: PaymentAttempt) -> QuerySet[Refund]:
    """Refunds that are or will be sent: all that have neither failed nor await approval."""
    return attempt.refunds.exclude(state=RefundState.FAILED).exclude(REQUESTED)


def remaining_beside(attempt: PaymentAttempt, refunds: QuerySet[Refund]) -> int:
    """In paise: what this attempt brought, less these refunds and what the buyer's bank has taken."""
    refunded = refunds.aggregate(sum=Sum("amount_paise"))["sum"] or 0
    return max((attempt.received_paise or 0) - refunded - charged_back_paise(attempt), 0)


def remaining_paise(attempt: PaymentAttempt) -> int:
    """What can still become owed: requests are not subtracted."""
    return remaining_beside(attempt, owed_refunds(attempt))


def sendable_paise(attempt: PaymentAttempt) -> int:
    """As `remaining_paise`; 0 for less than a rupee, which PhonePe does not refund."""
    left = remaining_paise(attempt)
    return left if left >= MIN_REFUND_PAISE else 0


def refundable_paise(attempt: PaymentAttempt) -> int:
    """What can still be requested: less all that is owed, and all that is requested already."""
    return remaining_beside(attempt, attempt.refunds.exclude(state=RefundState.FAILED))


def awaiting_refund_of_all() -> QuerySet[PaymentAttempt]:
    """Of what these orders brought as a payment, a second person must approve the refund of all that is left."""

    def total(rows: QuerySet[Any]) -> Coalesce:
        by_order = rows.order_by().values("attempt").annotate(sum=Sum("amount_paise"))
        return Coalesce(Subquery(by_order.values("sum")), 0)

    refunds = Refund.objects.filter(attempt=OuterRef("pk")).exclude(state=RefundState.FAILED)
    entries = LedgerEntry.objects.filter(attempt=OuterRef("pk"))
    pays = Exists(entries.filter(kind__in=PAYING))
    charged_back = total(entries.filter(kind=LedgerEntry.Kind.CHARGEBACK))  # below zero
    left = Coalesce(F("received_paise"), 0) - total(refunds) + charged_back
    requested = PaymentAttempt.objects.filter(pays, Exists(refunds.filter(REQUESTED)))
    return requested.alias(left_paise=left).filter(left_paise__lt=MIN_REFUND_PAISE)


def charged_back_paise(attempt: PaymentAttempt) -> int:
    """What the buyer's bank has taken, by the ledger."""
    entries = attempt.ledger.filter(kind=LedgerEntry.Kind.CHARGEBACK)
    return -(entries.aggregate(sum=Sum("amount_paise"))["sum"] or 0)


def cut_paise(attempt: PaymentAttempt) -> int:
    """What was owed and could not be sent, because the money had gone another way (dashboard, bank)."""
    return attempt.refunds.aggregate(sum=Sum("cut_paise"))["sum"] or 0


def is_returned_twice(attempt: PaymentAttempt) -> bool:
    """The bank has taken money that was refunded, too, and that refund can no longer be stopped."""
    owed = owed_refunds(attempt).aggregate(sum=Sum("amount_paise"))["sum"] or 0
    return owed + charged_back_paise(attempt) > (attempt.received_paise or 0)


def is_disputed_without_amount(attempt: PaymentAttempt) -> bool:
    """A dispute without an amount, or an event about one that is not understood: nothing of this order is refunded
    until staff or a later event say how much the bank wants."""
    unknown = Q(amount_paise=None) | Q(status=Dispute.Status.UNKNOWN)
    if attempt.disputes.filter(unknown).exclude(status=Dispute.Status.WON).exists():
        return True
    in_review = attempt.events.filter(
        event__startswith=webhook_events.DISPUTE, state=WebhookEvent.State.NEEDS_REVIEW
    )
    is_unreadable = Q(dispute_update=None) | Q(dispute_update__told_at=None)
    is_newest = Q(
        dispute_update__status=Dispute.Status.UNKNOWN,
        dispute_update__told_at__gte=F("dispute_update__dispute__told_at"),
    )
    return in_review.filter(is_unreadable | is_newest).exists()


def policy_share(booking: Booking, left_paise: int, now: datetime) -> int:
    """What a customer who cancels now gets back of `left_paise`. The mails quote it, too."""
    until = free_until(booking)
    if booking.choose_until or (until is not None and now <= until):
        return left_paise
    return share_paise(left_paise, booking.policy_start - now)


def share_ends_at(booking: Booking, left_paise: int, now: datetime) -> datetime | None:
    """Until when a cancellation gives back as much as it does now. None: until the puja begins."""
    share = policy_share(booking, left_paise, now)
    steps = [booking.policy_start - timedelta(hours=hours) for hours, _ in settings.REFUND_POLICY]
    later = sorted(step for step in [*steps, booking.free_until] if step and step >= now)
    after = timedelta(microseconds=1)
    return next((step for step in later if policy_share(booking, left_paise, step + after) < share), None)


def free_until(booking: Booking) -> datetime | None:
    """Until when a cancellation is refunded in full: after a move by the temple, else by the policy."""
    hours = [hours for hours, percent in settings.REFUND_POLICY if percent == 100]
    by_policy = booking.policy_start - timedelta(hours=min(hours)) if hours else None
    return max(filter(None, (by_policy, booking.free_until)), default=None)


def share_paise(left_paise: int, ahead: timedelta) -> int:
    """What goes back of `left_paise` when the puja starts `ahead` of now. Whole paise, in the shop's favour."""
    percent = next((share for hours, share in settings.REFUND_POLICY if ahead >= timedelta(hours=hours)), 0)
    share = left_paise * percent // 100
    if share < MIN_REFUND_PAISE:
        return 0
    return left_paise if left_paise - share < MIN_REFUND_PAISE else share
