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
    """Ask about it if it may be with PhonePe, else send it if it is its turn. Never raises for a silent PhonePe."""
    if not refund.is_with_phonepe:
        said = _claim(refund.pk)
        if said is not None:
            _send(said, deadline)
        return
    try:
        poll_refund(refund, deadline, "worker")
    except NO_ANSWER as error:
        logger.warning("no answer", extra={"refund": str(refund), "category": error.error_category})


def poll_refund(refund: Refund, deadline: Deadline, source: str) -> Refund:
    """One question, to the merchant whose order it was. Raises NO_ANSWER."""
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
    """The older a refund, the rarer the question: after a quarter of its age, 10 s to 6 h. Banks take days."""
    if refund.state in ENDED or refund.held_because:
        return None
    age = (now - (refund.sent_at or refund.created_at)) / 4
    return now + min(max(age, scaled(SOONEST)), scaled(LATEST))


@transaction.atomic
def _claim(refund_id: int) -> Refund | None:
    """The refund, written down as sent, if it is its turn: the intent is committed before PhonePe hears of it."""
    refund = lock_refund(refund_id)
    if refund.state not in SENDABLE or refund.is_with_phonepe or refund.held_because:
        return None
    if is_disputed_without_amount(refund.attempt):
        return None  # looked at again; the news that says how much, or staff, call it at once
    if refund.state == RefundState.WAITING and not _take_turn(refund):
        return None
    refund.sent_at = timezone.now()
    refund.save(update_fields=["sent_at"])
    return refund


def _take_turn(refund: Refund) -> bool:
    """Ours go one at a time for each order, in the order in which they were promised."""
    ours = refund.attempt.refunds.filter(origin=Refund.Origin.SHOP)
    under_way = Q(state__in=OPEN_REFUND)
    before_it = Q(state=RefundState.WAITING, held_because="", replaces=None, pk__lt=refund.pk)
    if ours.filter(under_way | before_it).exists():
        return False
    return move_refund(refund, RefundState.CREATED, "refund_sent")


def _send(refund: Refund, deadline: Deadline) -> None:
    try:
        answer = call_gateway(refund.attempt, PhonePeGateway.refund, _order(refund), deadline)
    except OutcomeUnknown as error:
        with transaction.atomic():
            move_refund(
                lock_refund(refund.pk), RefundState.UNKNOWN, "refund_unanswered", error.error_category
            )
    except NO_ANSWER as error:
        _mark_unsent(refund, error)
    else:
        apply_refund_status(refund.pk, answer, "refund call")


def _order(refund: Refund) -> RefundOrder:
    payment = refund.payment
    return RefundOrder(
        merchant_refund_id=refund.merchant_refund_id,
        merchant_order_id=refund.attempt.merchant_order_id,
        amount_paise=refund.amount_paise,
        user_reference=f"U{payment.user_id}" if payment.user_id else f"G{payment.pk}",
        callback_url=webhook_url(),
    )


@transaction.atomic
def _mark_unsent(said: Refund, error: Refusal) -> None:
    """It did not arrive, or PhonePe refused it and does not know its id: the same id is said again later.

    Unless somebody has said it since, or knows more: their `sent_at` is what makes us ask about it.
    """
    refund = lock_refund(said.pk)
    if refund.state not in SENDABLE or refund.sent_at != said.sent_at:
        return
    refund.sent_at, refund.code = None, _reason(error)
    refund.save(update_fields=["sent_at", "code"])
    if isinstance(error, Rejected):
        cut_unsent_refunds(refund.attempt)
    if isinstance(error, (Rejected, NotConfigured)):
        alert_staff("refund_not_sent", refund.payment, refund_id=refund.merchant_refund_id, code=refund.code)


def _reason(error: Refusal) -> str:
    """PhonePe's own word where it said one."""
    http_attempts = error.http_attempts if isinstance(error, GatewayError) else ()
    return next((each.code for each in reversed(http_attempts) if each.code), error.code)[:64]
