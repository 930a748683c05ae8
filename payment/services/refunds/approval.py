"""Whether a refund waits for a second person. Every refund that a member of the staff causes is decided here.

What a rule owes (paid twice, no slot left, the customer's own cancellation) is decided by nobody, and does not wait.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils import timezone

from accounts.api_keys import lock_family
from accounts.models import ApiKey, User
from accounts.services import lock_user
from payment.models import PAYING, LedgerEntry, Offer, PaymentAttempt, Refund
from payment.services.refunds.amounts import REQUESTED, refundable_paise
from payment.states import RefundState

RIGHT = "payment.change_refund"
# What one person sends back within this time is one sum: a batch that is split stays a batch.
COUNTED_TOGETHER = timedelta(hours=24)


def needs_second_person(by: User, attempt: PaymentAttempt, amount_paise: int, batch_paise: int = 0) -> bool:
    """Always for who may do something else that sends money back and not refund; else above the limit."""
    return not by.holds(RIGHT) or is_above_limit(by, attempt, amount_paise, batch_paise)


def is_above_limit(
    by: User | ApiKey, attempt: PaymentAttempt, amount_paise: int, batch_paise: int = 0
) -> bool:
    """One of two sums is above REFUND_SECOND_PERSON_ABOVE, this refund included: the refunds of this order, or what
    this person sends back alone within 24 hours with all of the batch and what goes back of the bookings that they
    have called off, should their customers choose no other time.

    Under the payment's lock. Locks the person, so that refunds that they start at the same time are added up, together
    with the customer: each may be the other's customer. A key counts as a person, with all that it was rotated from.
    """
    if isinstance(by, ApiKey):
        lock_family(by)
        alone = _alone(Refund.objects.filter(asked_by_key__family=by.family))
    else:
        lock_user(by.pk, attempt.payment.user_id)
        alone = sent_back_alone(by, beside=attempt.payment_id)
    of_order = (attempt.received_paise or 0) - refundable_paise(attempt) + amount_paise
    return max(of_order, alone + max(batch_paise, amount_paise)) > settings.REFUND_SECOND_PERSON_ABOVE * 100


def sent_back_alone(by: User, beside: int | None = None) -> int:
    """In paise: what this person has sent back alone within 24 hours, and what goes back of the bookings that they
    have called off, should their customers choose no other time. `beside`: not of this payment."""
    others = called_off(by).exclude(payment=beside).values("payment")
    receipts = LedgerEntry.objects.filter(payment__in=others, kind__in=PAYING)
    of_offers = receipts.aggregate(sum=Sum("amount_paise"))["sum"] or 0
    return _alone(Refund.objects.filter(asked_by=by)) + of_offers


def _alone(refunds: QuerySet[Refund]) -> int:
    lately = refunds.filter(approved_by=None, created_at__gte=timezone.now() - COUNTED_TOGETHER)
    lately = lately.exclude(state=RefundState.FAILED).exclude(REQUESTED)
    return lately.aggregate(sum=Sum("amount_paise"))["sum"] or 0


def called_off(by: User) -> QuerySet[Offer]:
    """Times that this person closed, and whose customers have not chosen another one yet."""
    return Offer.objects.filter(called_off_by=by, state=Offer.State.OPEN)
