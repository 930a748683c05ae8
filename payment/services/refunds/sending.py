"""One step of a refund towards PhonePe: it is sent once, and then polled until PhonePe has decided.

The rule of retries: a refund that was never sent is sent again under the same id. One that may have arrived is polled
first. Another id is used only after PhonePe's status has said FAILED.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.errors import Refusal
from payment.gateways import GatewayError, OutcomeUnknown, PhonePeGateway, RefundOrder, Rejected
from payment.models import OPEN_REFUND, PaymentAttempt, Refund
from payment.phonepe.credentials import NotConfigured
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.transport import Deadline
from payment.services.gateway_calls import NO_ANSWER, call_gateway
from payment.services.links import webhook_url
from payment.services.notifications import alert_staff
from payment.services.refunds.amounts import is_disputed_without_amount
from payment.services.refunds.outcomes import adopt_refund, apply_refund_status, cut_unsent_refunds
from payment.services.refunds.requests import lock_refund
from payment.services.schedule import HOUR, scaled
from payment.services.transitions import move_refund
from payment.states import RefundState

logger = logging.getLogger(__name__)

SENDABLE = (RefundState.WAITING, RefundState.CREATED, RefundState.UNKNOWN)
ENDED = (RefundState.COMPLETED, RefundState.FAILED)
SOONEST, LATEST = 10, 6 * HOUR


def send_or_poll(refund: Refund, deadline: Deadline) -> None:
    """Polls it if PhonePe may have it, else sends it if it is its turn. Never raises for a silent PhonePe."""
    if not refund.is_with_phonepe:
        claimed = _claim(refund.pk)
        if claimed is not None:
            _send(claimed, deadline)
        return
    try:
        poll_refund(refund, deadline, "worker")
    except NO_ANSWER as error:
        logger.warning(
            "PhonePe did not answer about a refund",
            extra={"refund": str(refund), "category": error.error_category},
        )


def poll_refund(refund: Refund, deadline: Deadline, source: str) -> Refund:
    """One status request, with the credentials of the order's merchant. Raises NO_ANSWER."""
    answer = call_gateway(refund.attempt, PhonePeGateway.refund_status, refund.merchant_refund_id, deadline)
    return apply_refund_status(refund.pk, answer, source)


def find_unknown_refund(
    attempt: PaymentAttempt,
    merchant_refund_id: str,
    claimed_paise: int | None,
    deadline: Deadline,
    source: str = "webhook",
) -> Refund | None:
    """A refund that we did not make, if PhonePe says that there is one for this order. Raises NO_ANSWER."""
    answer = call_gateway(attempt, PhonePeGateway.refund_status, merchant_refund_id, deadline)
    paise = claimed_paise if answer.amount_paise is None else answer.amount_paise
    of_this_order = answer.merchant_order_id in (None, attempt.merchant_order_id)
    if answer.state in (ProviderStatus.NOT_FOUND, ProviderStatus.UNKNOWN) or not of_this_order or not paise:
        return None
    return adopt_refund(attempt, merchant_refund_id, paise, answer, source)


def next_check_time(refund: Refund, now: datetime) -> datetime | None:
    """The older a refund, the rarer it is polled: after a quarter of its age, 10 s to 6 h. Banks take days."""
    if refund.state in ENDED or refund.held_because:
        return None
    age = (now - (refund.sent_at or refund.created_at)) / 4
    return now + min(max(age, scaled(SOONEST)), scaled(LATEST))


@transaction.atomic
def _claim(refund_id: int) -> Refund | None:
    """The refund, stored as sent, if it is its turn: the intent is committed before the request is sent."""
    refund = lock_refund(refund_id)
    if (
        refund.state not in SENDABLE
        or refund.is_with_phonepe
        or refund.held_because
        or refund.attempt.by_hand
    ):
        return None
    if is_disputed_without_amount(refund.attempt):
        return None  # checked again later, or at once when the amount of the dispute is known
    if refund.state == RefundState.WAITING:
        # Our refunds of an order are sent one at a time, in the order of their creation.
        ours = refund.attempt.refunds.filter(origin=Refund.Origin.SHOP)
        earlier = Q(state=RefundState.WAITING, held_because="", replaces=None, pk__lt=refund.pk)
        if ours.filter(Q(state__in=OPEN_REFUND) | earlier).exists():
            return None
        if not move_refund(refund, RefundState.CREATED, "refund_sent"):
            return None
    refund.sent_at = timezone.now()
    refund.save(update_fields=["sent_at"])
    return refund


def _send(refund: Refund, deadline: Deadline) -> None:
    payment = refund.payment
    order = RefundOrder(
        merchant_refund_id=refund.merchant_refund_id,
        merchant_order_id=refund.attempt.merchant_order_id,
        amount_paise=refund.amount_paise,
        user_reference=f"U{payment.user_id}" if payment.user_id else f"G{payment.pk}",
        callback_url=webhook_url(),
    )
    try:
        answer = call_gateway(refund.attempt, PhonePeGateway.refund, order, deadline)
    except OutcomeUnknown as error:
        with transaction.atomic():
            move_refund(
                lock_refund(refund.pk), RefundState.UNKNOWN, "refund_unanswered", error.error_category
            )
    except NO_ANSWER as error:
        _mark_unsent(refund, error)
    else:
        apply_refund_status(refund.pk, answer, "refund call")


@transaction.atomic
def _mark_unsent(claimed: Refund, error: Refusal) -> None:
    """It did not arrive, or PhonePe rejected it and does not know its id: the same id is sent again later.

    Unless another worker has sent it since, or its state is known: then its `sent_at` stays, so that it is polled.
    """
    refund = lock_refund(claimed.pk)
    if refund.state not in SENDABLE or refund.sent_at != claimed.sent_at:
        return
    http_attempts = error.http_attempts if isinstance(error, GatewayError) else ()
    code = next((each.code for each in reversed(http_attempts) if each.code), error.code)
    refund.sent_at, refund.code = None, code[:64]
    refund.save(update_fields=["sent_at", "code"])
    if isinstance(error, Rejected):
        cut_unsent_refunds(refund.attempt)
    if isinstance(error, (Rejected, NotConfigured)):
        alert_staff("refund_not_sent", refund.payment, refund_id=refund.merchant_refund_id, code=refund.code)
