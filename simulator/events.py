"""Builds any V2 webhook event on demand, also events that nothing in the database has caused.

Events of orders and refunds use the stored rows, with the state that the event names. The others use sample data with
the members that PhonePe documents. The caller may replace any member.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from simulator import identifiers, v2_messages
from simulator.clock import milliseconds, seconds
from simulator.models import Merchant, Order, Refund
from simulator.wire import Json

SAMPLE_PAISE, SAMPLE_MAX_PAISE = 110_000, 500_000
PAY_LINK = "https://phon.pe/simulated"
ONE_YEAR, ONE_DAY = timedelta(days=365), timedelta(days=1)


class SubjectMissing(Exception):
    """The event needs an order or refund, and the merchant has no such one."""


class EventSubject:
    """The merchant of an event, and its order or refund: the one with the given id, else the newest."""

    def __init__(self, event: str, merchant: Merchant, reference: str, moment: datetime) -> None:
        self.event, self.merchant, self.reference, self.moment = event, merchant, reference, moment
        self.state = STATES.get(event.rpartition(".")[2], event.rpartition(".")[2].upper())

    @property
    def order(self) -> Order:
        known = self.merchant.orders.select_related("merchant").prefetch_related("attempts")
        chosen = known.filter(merchant_order_id=self.reference) if self.reference else known
        order: Order | None = chosen.order_by("-pk").first()
        if order is None:
            raise SubjectMissing(f"{self.merchant.merchant_id} has no such order.")
        return order

    @property
    def refund(self) -> Refund:
        known = self.merchant.refunds.select_related("merchant", "order")
        chosen = known.filter(merchant_refund_id=self.reference) if self.reference else known
        refund: Refund | None = chosen.order_by("-pk").first()
        if refund is None:
            raise SubjectMissing(f"{self.merchant.merchant_id} has no such refund.")
        return refund

    def new_id(self, prefix: str) -> str:
        return identifiers.provider_id(prefix, self.moment)


# The state that the last word of an event stands for, where it is not that word itself.
STATES = {"accepted": "CONFIRMED", "started": "STARTED"}


def build_event(event: str, merchant: Merchant, reference: str, moment: datetime, given: Json) -> Json:
    """The body of the webhook. `given` members replace ours. Raises KeyError for an unknown event, SubjectMissing."""
    target = EventSubject(event, merchant, reference, moment)
    payload = EVENTS[event](target) | given
    message = v2_messages.event(event, payload)
    return message if event.partition(".")[0] in WITH_TYPE else {"event": event, "payload": payload}


def find_reference(payload: Json) -> str:
    """The merchant's id in the payload, for the delivery log."""
    for name in ("merchantRefundId", "merchantOrderId", "merchantSubscriptionId", "settlementId", "id"):
        if name in payload:
            return str(payload[name])[:63]
    return ""


def _order_payload(target: EventSubject) -> Json:
    """With `paymentDetails` of the last attempt; a failure event carries its stored error codes."""
    order = target.order
    outcome = target.event.partition(".")[2]
    tries = sorted(order.attempts.all(), key=lambda attempt: attempt.pk)[-1:]
    message = v2_messages.order_payload(outcome, order, tries)
    return message if "attempt" in outcome else message | {"state": target.state}


def _refund_payload(target: EventSubject) -> Json:
    refund = target.refund
    paid = refund.order.attempts.filter(state="COMPLETED").first()
    outcome = target.event.rpartition(".")[2]
    message: Json = v2_messages.refund_event(outcome, refund, paid.mode if paid else "UPI_QR")["payload"]
    return message | {"state": target.state}


def _sample_order(target: EventSubject, prefix: str, flow: Json) -> Json:
    paid = target.state == "COMPLETED"
    attempt = {
        "paymentMode": "UPI_AUTO_PAY" if "redemption" in target.event else "UPI_INTENT",
        "transactionId": target.new_id("OM"),
        "timestamp": milliseconds(target.moment),
        "amount": SAMPLE_PAISE,
        "state": target.state,
    }
    error = {} if paid else {"errorCode": "AUTHORIZATION_ERROR", "detailedErrorCode": "ZM"}
    return {
        "orderId": target.new_id("OMO"),
        "merchantId": target.merchant.merchant_id,
        "merchantOrderId": target.reference or target.new_id(prefix),
        "state": target.state,
        "amount": SAMPLE_PAISE,
        "expireAt": milliseconds(target.moment + ONE_DAY),
        "paymentFlow": flow,
        "paymentDetails": [attempt | error],
    }


def _mandate(target: EventSubject) -> Json:
    return {
        "merchantSubscriptionId": target.new_id("SUBSCRIPTION"),
        "subscriptionId": target.new_id("OMS"),
        "authWorkflowType": "TRANSACTION",
        "amountType": "FIXED",
        "maxAmount": SAMPLE_MAX_PAISE,
        "frequency": "MONTHLY",
        "expireAt": milliseconds(target.moment + ONE_YEAR),
    }


def _redemption_flow(target: EventSubject) -> Json:
    mandate = _mandate(target)
    return {
        "type": "SUBSCRIPTION_REDEMPTION",
        "merchantSubscriptionId": mandate["merchantSubscriptionId"],
        "redemptionRetryStrategy": "STANDARD",
        "autoDebit": True,
        "validAfter": milliseconds(target.moment),
        "validUpto": milliseconds(target.moment + 2 * ONE_DAY),
        "notifiedAt": milliseconds(target.moment),
    }


def _notification_payload(target: EventSubject) -> Json:
    message = _sample_order(target, "REDEMPTION", _redemption_flow(target))
    del message["paymentDetails"]
    return message | {"state": "NOTIFIED" if target.state == "COMPLETED" else "FAILED"}


def _redemption_payload(target: EventSubject) -> Json:
    return _sample_order(target, "REDEMPTION", _redemption_flow(target))


def _subscription_payload(target: EventSubject) -> Json:
    """Changed by the customer or the merchant; PAUSED carries its start and end."""
    message = _mandate(target)
    state = {"UNPAUSED": "ACTIVE"}.get(target.state, target.state)
    paused = {
        "pauseStartDate": milliseconds(target.moment),
        "pauseEndDate": milliseconds(target.moment + 30 * ONE_DAY),
    }
    return message | {"state": state} | (paused if state == "PAUSED" else {})


def _settlement_payload(target: EventSubject) -> Json:
    failed = target.state == "FAILED"
    return {
        "settlementId": target.new_id("SETTLEMENT"),
        "state": "ATTEMPT_FAILED" if failed else target.state,
        "utr": identifiers.utr(target.moment),
        "amount": SAMPLE_PAISE,
        "merchantId": target.merchant.merchant_id,
        "accountId": "ACCOUNT-1",
        "lastAttemptErrorCode": "BANK_TECHNICAL_ISSUE" if failed else None,
        "lastAttemptErrorDescription": "The bank is unavailable" if failed else None,
        "lastUpdatedAt": milliseconds(target.moment),
    }


def _split_settlement_payload(target: EventSubject) -> Json:
    message = _order_payload(target)
    split = {
        "type": "AMOUNT",
        "accountsSplit": [{"value": message["amount"], "accountId": "ACCOUNT-1"}],
        "state": "ACCEPTED" if target.state == "CONFIRMED" else "FAILED",
    }
    return message | {"state": "COMPLETED", "splitSettlementInfo": split}


def _dispute_payload(target: EventSubject) -> Json:
    """A customer disputes a stored order."""
    order = target.order
    paid = max(order.attempts.all(), key=lambda attempt: attempt.pk, default=None)
    return {
        "merchantId": target.merchant.merchant_id,
        "disputeId": target.new_id("DISPUTE"),
        "merchantOrderId": order.merchant_order_id,
        "orderId": order.provider_id,
        "transactionId": paid.provider_id if paid else None,
        "transactionCompletedAt": milliseconds(paid.created_at) if paid else None,
        "transactionAmount": order.amount_paise,
        "disputeAmount": order.amount_paise,
        "refundAmount": 0,
        "contestAmount": 0,
        "status": target.state,
        "stage": "CHARGEBACK",
        "dueDate": milliseconds(target.moment + 7 * ONE_DAY),
        "createdAt": milliseconds(target.moment),
        "updatedAt": milliseconds(target.moment),
        "evidences": [],
    }


def _downtime_payload(target: EventSubject) -> Json:
    """Seconds here, as in PhonePe's samples."""
    over = target.state == "RESOLVED"
    return {
        "id": target.new_id("DOWNTIME"),
        "flow": "SUBSCRIPTION_SETUP" if "subscription" in target.event else "UPI",
        "bankId": "SBIN" if ".bank." in target.event else None,
        "status": target.state,
        "startTime": seconds(target.moment),
        "endTime": seconds(target.moment) if over else None,
    }


def _family(
    family: str, words: str, payload: Callable[[EventSubject], Json]
) -> dict[str, Callable[[EventSubject], Json]]:
    return {f"{family}.{word}": payload for word in words.split()}


EVENTS: dict[str, Callable[[EventSubject], Any]] = {
    **_family("checkout", "order.completed order.failed transaction.attempt.failed", _order_payload),
    **_family("pg", "order.completed order.failed transaction.attempt.failed", _order_payload),
    **_family("pg.refund", "accepted completed failed", _refund_payload),
    **_family(
        "paylink.order",
        "completed failed",
        lambda target: _sample_order(target, "PAYLINK", {"type": "PAYLINK", "paylinkUrl": PAY_LINK}),
    ),
    **_family(
        "subscription.setup.order",
        "completed failed",
        lambda target: _sample_order(target, "SETUP", {"type": "SUBSCRIPTION_SETUP", **_mandate(target)}),
    ),
    **_family("subscription.notification", "completed failed", _notification_payload),
    **_family("subscription.redemption.order", "completed failed", _redemption_payload),
    **_family("subscription.redemption.transaction", "completed failed", _redemption_payload),
    **_family("subscription", "paused unpaused cancelled revoked", _subscription_payload),
    **_family("settlement", "initiated processed attempt.failed", _settlement_payload),
    **_family("order.split.settlement", "accepted failed", _split_settlement_payload),
    **_family("payment.dispute", "created under_review action_required won lost", _dispute_payload),
    **_family("downtime.upi", "started resolved bank.started bank.resolved", _downtime_payload),
    **_family("downtime.subscription.setup", "started resolved", _downtime_payload),
}
# Only the older families still have a `type` beside their `event`.
WITH_TYPE = {"checkout", "pg", "subscription"}
