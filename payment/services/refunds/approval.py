"""Whether a refund waits for a second person. Every refund that a member of the staff causes is decided here.

What a rule owes (paid twice, no slot left, the customer's own cancellation) is decided by nobody, and does not wait.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from accounts.services import lock_user
from payment.models import PaymentAttempt, Refund
from payment.services.refunds.amounts import REQUESTED, refundable_paise
from payment.states import RefundState

RIGHT = "payment.change_refund"
# What one person sends back within this time is one sum: a batch that is split stays a batch.
COUNTED_TOGETHER = timedelta(hours=24)


def needs_second_person(by: User, attempt: PaymentAttempt, amount_paise: int, batch_paise: int = 0) -> bool:
    """Always for who may do something else that sends money back and not refund; else above the limit."""
    return not by.holds(RIGHT) or is_above_limit(by, attempt, amount_paise, batch_paise)


def is_above_limit(by: User, attempt: PaymentAttempt, amount_paise: int, batch_paise: int = 0) -> bool:
    """One of two sums is above REFUND_SECOND_PERSON_ABOVE, this refund included: the refunds of this payment, or what
    this person sends back alone within 24 hours with all of the batch.

    Under the payment's lock. Locks the person, so that refunds that they start at the same time are added up.
    """
    lock_user(by.pk)
    alone = Refund.objects.filter(
        asked_by=by, approved_by=None, created_at__gte=timezone.now() - COUNTED_TOGETHER
    )
    alone = alone.exclude(state=RefundState.FAILED).exclude(REQUESTED)
    of_person = alone.aggregate(sum=Sum("amount_paise"))["sum"] or 0
    of_payment = (attempt.received_paise or 0) - refundable_paise(attempt) + amount_paise
    together = of_person + max(batch_paise, amount_paise)
    return max(of_payment, together) > settings.REFUND_SECOND_PERSON_ABOVE * 100
