"""Refunds: accepted at once, settled after a delay, never more than was paid."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Sum

from simulator import clock, faults, identifiers, webhook_deliveries
from simulator.models import Merchant, Order, Refund, State
from simulator.transitions import NotAllowed
from simulator.validation import MIN_PAISE

SETTLEMENT_DELAY, SLOW_SETTLEMENT_DELAY = timedelta(seconds=3), timedelta(hours=6)
EXCESS_AMOUNT = "EXCESS_REFUND_AMOUNT"
OPEN = (State.PENDING, State.CONFIRMED)

# outcome: from, to
TRANSITIONS = {
    "confirm": ((State.PENDING,), State.CONFIRMED),
    "success": (OPEN, State.COMPLETED),
    "failure": (OPEN, State.FAILED),
}


class DuplicateId(Exception):
    """The merchant has used this id before."""


class ExcessAmount(Exception):
    """More than is left of what was paid."""


def accept(order: Order, merchant_refund_id: str, amount_paise: int, callback_url: str = "") -> Refund:
    """Raises DuplicateId, and in V2 ExcessAmount; V1 stores an excess refund as FAILED."""
    try:
        with transaction.atomic():
            return _accept(order, merchant_refund_id, amount_paise, callback_url)
    except IntegrityError as error:
        raise DuplicateId(merchant_refund_id) from error


def refund_from_dashboard(order: Order, amount_paise: int | None = None) -> Refund:
    """A refund made by hand in PhonePe's dashboard; PhonePe assigns its id.

    Without an amount, all that is left. Raises NotAllowed.
    """
    amount_paise = amount_paise or refundable_paise(order)
    if order.state != State.COMPLETED or amount_paise < MIN_PAISE:
        raise NotAllowed("There is nothing to be refunded.")
    merchant_refund_id = identifiers.provider_id("DASHBOARD", clock.now())
    try:
        with transaction.atomic():
            return _accept(order, merchant_refund_id, amount_paise, by_dashboard=True)
    except ExcessAmount as too_much:
        raise NotAllowed("So much is not left to be refunded.") from too_much


def refundable_paise(order: Order) -> int:
    paid = order.attempts.filter(state=State.COMPLETED).aggregate(paise=Sum("amount_paise"))["paise"] or 0
    returned = order.refunds.exclude(state=State.FAILED).aggregate(paise=Sum("amount_paise"))["paise"] or 0
    return paid - returned


def decide(refund: Refund, outcome: str, error_code: str = "PAYMENT_ERROR", detailed: str = "U28") -> None:
    """`confirm` `success` `failure`. Raises NotAllowed."""
    if outcome not in TRANSITIONS:
        raise NotAllowed(f"A refund cannot end as {outcome!r}.")
    allowed, to = TRANSITIONS[outcome]
    changes: dict[str, str] = {"state": to}
    if to == State.FAILED:
        changes |= {"error_code": error_code, "detailed_error_code": detailed}
    with transaction.atomic():
        if not Refund.objects.filter(pk=refund.pk, state__in=allowed).update(**changes):
            raise NotAllowed(f"The refund is {refund.state}.")
        refund.refresh_from_db()
        webhook_deliveries.enqueue_refund_event(refund)


def settle_if_due(refund: Refund) -> None:
    if refund.state not in OPEN or refund.settles_at > clock.now():
        return
    try:
        decide(refund, "failure" if refund.settles_as == State.FAILED else "success")
    except NotAllowed:
        refund.refresh_from_db()


def settle_due(limit: int = 100) -> None:
    due = Refund.objects.filter(state__in=OPEN, settles_at__lte=clock.now())
    for refund in due.select_related("merchant", "order__merchant").order_by("settles_at", "pk")[:limit]:
        settle_if_due(refund)


def _accept(
    order: Order,
    merchant_refund_id: str,
    amount_paise: int,
    callback_url: str = "",
    *,
    by_dashboard: bool = False,
) -> Refund:
    # Serializes the refunds of one order, so that two of them never refund the same money.
    order = Order.objects.select_for_update(of=("self",)).select_related("merchant").get(pk=order.pk)
    merchant, v1 = order.merchant, order.merchant.generation == Merchant.Generation.V1
    is_used = merchant.refunds.filter(merchant_refund_id=merchant_refund_id).exists()
    # In V1 payments and refunds share one namespace of ids.
    if is_used or (v1 and merchant.orders.filter(merchant_order_id=merchant_refund_id).exists()):
        raise DuplicateId(merchant_refund_id)
    too_much = amount_paise > refundable_paise(order)
    if too_much and (by_dashboard or not v1):
        raise ExcessAmount(merchant_refund_id)
    moment = clock.now()
    fault = None if too_much else faults.take("money_back", merchant_refund_id, order.merchant_order_id)
    delay = SETTLEMENT_DELAY
    if fault and fault.kind == "slow":
        delay = timedelta(seconds=int(fault.argument)) if fault.argument else SLOW_SETTLEMENT_DELAY
    refund: Refund = Refund.objects.create(
        merchant=order.merchant,
        order=order,
        merchant_refund_id=merchant_refund_id,
        provider_id=identifiers.provider_id("P" if v1 else "OMR", moment),
        amount_paise=amount_paise,
        state=State.FAILED if too_much else State.PENDING,
        error_code="PAYMENT_ERROR" if too_much else "",
        detailed_error_code=EXCESS_AMOUNT if too_much else "",
        callback_url=callback_url,
        created_at=moment,
        settles_at=moment + delay,
        settles_as=State.FAILED if fault and fault.kind == "fails" else State.COMPLETED,
        by_dashboard=by_dashboard,
    )
    return refund
