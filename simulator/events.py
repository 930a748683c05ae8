"""Every event that V2 may tell a shop of, also those that nothing in these books has caused.

About orders and refunds it says what is in the books, but for the state, which is what the event says. For the others
the payload is made up, with the members that PhonePe documents; any member can be given instead.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from simulator import identifiers, v2_messages
from simulator.clock import milliseconds, seconds
from simulator.models import Merchant, Order, Refund
from simulator.wire import Json

AMOUNT, MOST = 110_000, 500_000
A_YEAR, A_DAY = timedelta(days=365), timedelta(days=1)


class NothingToSay(Exception):
    """The event is about an order or refund, and the merchant has none."""


class Subject:
    """Whom an event is for, and the row it is about: the one with the id given, else the newest."""

    def __init__(self, event: str, merchant: Merchant, reference: str, moment: datetime) -> None:
        self.event, self.merchant, self.reference, self.moment = event, merchant, reference, moment
        self.state = STATES.get(event.rpartition(".")[2], event.rpartition(".")[2].upper())

    @property
    def order(self) -> Order:
        known = self.merchant.orders.select_related("merchant").prefetch_related("attempts")
        chosen = known.filter(merchant_order_id=self.reference) if self.reference else known
        order: Order | None = chosen.order_by("-pk").first()
        if order is None:
            raise NothingToSay(f"{self.merchant.merchant_id} has no such order.")
        return order

    @property
    def refund(self) -> Refund:
        known = self.merchant.refunds.select_related("merchant", "order")
        chosen = known.filter(merchant_refund_id=self.reference) if self.reference else known
        refund: Refund | None = chosen.order_by("-pk").first()
        if refund is None:
            raise NothingToSay(f"{self.merchant.merchant_id} has no such refund.")
        return refund

    def new_id(self, prefix: str) -> str:
        return identifiers.provider_id(prefix, self.moment)


# What the last word of an event says of the state, where it is not the word itself.
STATES = {"accepted": "CONFIRMED", "started": "STARTED"}


def announced(event: str, merchant: Merchant, reference: str, moment: datetime, given: Json) -> Json:
    """The body of the webhook. `given` members replace ours. Raises KeyError for an unknown event, NothingToSay."""
    subject = Subject(event, merchant, reference, moment)
    payload = EVENTS[event](subject) | given
    said = v2_messages.event(event, payload)
    return said if event.partition(".")[0] in WITH_TYPE else {"event": event, "payload": payload}


def about(payload: Json) -> str:
    """The merchant's own id in it, for the delivery log."""
    for name in ("merchantRefundId", "merchantOrderId", "merchantSubscriptionId", "settlementId", "id"):
        if name in payload:
            return str(payload[name])[:63]
    return ""


def _order(subject: Subject) -> Json:
    """`paymentDetails` of the last try; an event of a failure names what the books know of it."""
    order = subject.order
    outcome = subject.event.partition(".")[2]
    tries = sorted(order.attempts.all(), key=lambda attempt: attempt.pk)[-1:]
    said = v2_messages.order_payload(outcome, order, tries)
    return said if "attempt" in outcome else said | {"state": subject.state}


def _refund(subject: Subject) -> Json:
    refund = subject.refund
    paid = refund.order.attempts.filter(state="COMPLETED").first()
    outcome = subject.event.rpartition(".")[2]
    said: Json = v2_messages.refund_event(outcome, refund, paid.mode if paid else "UPI_QR")["payload"]
    return said | {"state": subject.state}


def _made_up_order(subject: Subject, prefix: str, flow: Json) -> Json:
    paid = subject.state == "COMPLETED"
    tried = {
        "paymentMode": "UPI_AUTO_PAY" if "redemption" in subject.event else "UPI_INTENT",
        "transactionId": subject.new_id("OM"),
        "timestamp": milliseconds(subject.moment),
        "amount": AMOUNT,
        "state": subject.state,
    }
    error = {} if paid else {"errorCode": "AUTHORIZATION_ERROR", "detailedErrorCode": "ZM"}
    return {
        "orderId": subject.new_id("OMO"),
        "merchantId": subject.merchant.merchant_id,
        "merchantOrderId": subject.reference or subject.new_id(prefix),
        "state": subject.state,
        "amount": AMOUNT,
        "expireAt": milliseconds(subject.moment + A_DAY),
        "paymentFlow": flow,
        "paymentDetails": [tried | error],
    }


def _pay_link(subject: Subject) -> Json:
    flow = {"type": "PAYLINK", "paylinkUrl": "https://phon.pe/simulated"}
    return _made_up_order(subject, "PAYLINK", flow)


def _mandate(subject: Subject) -> Json:
    return {
        "merchantSubscriptionId": subject.new_id("SUBSCRIPTION"),
        "subscriptionId": subject.new_id("OMS"),
        "authWorkflowType": "TRANSACTION",
        "amountType": "FIXED",
        "maxAmount": MOST,
        "frequency": "MONTHLY",
        "expireAt": milliseconds(subject.moment + A_YEAR),
    }


def _subscription_setup(subject: Subject) -> Json:
    return _made_up_order(subject, "SETUP", {"type": "SUBSCRIPTION_SETUP", **_mandate(subject)})


def _redemption_flow(subject: Subject) -> Json:
    mandate = _mandate(subject)
    return {
        "type": "SUBSCRIPTION_REDEMPTION",
        "merchantSubscriptionId": mandate["merchantSubscriptionId"],
        "redemptionRetryStrategy": "STANDARD",
        "autoDebit": True,
        "validAfter": milliseconds(subject.moment),
        "validUpto": milliseconds(subject.moment + 2 * A_DAY),
        "notifiedAt": milliseconds(subject.moment),
    }


def _notice(subject: Subject) -> Json:
    said = _made_up_order(subject, "REDEMPTION", _redemption_flow(subject))
    del said["paymentDetails"]
    return said | {"state": "NOTIFIED" if subject.state == "COMPLETED" else "FAILED"}


def _redemption(subject: Subject) -> Json:
    return _made_up_order(subject, "REDEMPTION", _redemption_flow(subject))


def _subscription(subject: Subject) -> Json:
    """Moved by the customer or the shop; a paused one says from when to when."""
    said = _mandate(subject)
    state = {"UNPAUSED": "ACTIVE"}.get(subject.state, subject.state)
    paused = {
        "pauseStartDate": milliseconds(subject.moment),
        "pauseEndDate": milliseconds(subject.moment + 30 * A_DAY),
    }
    return said | {"state": state} | (paused if state == "PAUSED" else {})


def _settlement(subject: Subject) -> Json:
    failed = subject.state == "FAILED"
    return {
        "settlementId": subject.new_id("SETTLEMENT"),
        "state": "ATTEMPT_FAILED" if failed else subject.state,
        "utr": identifiers.utr(subject.moment),
        "amount": AMOUNT,
        "merchantId": subject.merchant.merchant_id,
        "accountId": "ACCOUNT-1",
        "lastAttemptErrorCode": "BANK_TECHNICAL_ISSUE" if failed else None,
        "lastAttemptErrorDescription": "The bank is unavailable" if failed else None,
        "lastUpdatedAt": milliseconds(subject.moment),
    }


def _split(subject: Subject) -> Json:
    said = _order(subject)
    split = {
        "type": "AMOUNT",
        "accountsSplit": [{"value": said["amount"], "accountId": "ACCOUNT-1"}],
        "state": "ACCEPTED" if subject.state == "CONFIRMED" else "FAILED",
    }
    return said | {"state": "COMPLETED", "splitSettlementInfo": split}


def _dispute(subject: Subject) -> Json:
    """About an order of these books: a customer disputes what they have paid."""
    order = subject.order
    paid = max(order.attempts.all(), key=lambda attempt: attempt.pk, default=None)
    return {
        "merchantId": subject.merchant.merchant_id,
        "disputeId": subject.new_id("DISPUTE"),
        "merchantOrderId": order.merchant_order_id,
        "orderId": order.provider_id,
        "transactionId": paid.provider_id if paid else None,
        "transactionCompletedAt": milliseconds(paid.created_at) if paid else None,
        "transactionAmount": order.amount_paise,
        "disputeAmount": order.amount_paise,
        "refundAmount": 0,
        "contestAmount": 0,
        "status": subject.state,
        "stage": "CHARGEBACK",
        "dueDate": milliseconds(subject.moment + 7 * A_DAY),
        "createdAt": milliseconds(subject.moment),
        "updatedAt": milliseconds(subject.moment),
        "evidences": [],
    }


def _downtime(subject: Subject) -> Json:
    """Seconds here, as in PhonePe's samples."""
    over = subject.state == "RESOLVED"
    return {
        "id": subject.new_id("DOWNTIME"),
        "flow": "SUBSCRIPTION_SETUP" if "subscription" in subject.event else "UPI",
        "bankId": "SBIN" if ".bank." in subject.event else None,
        "status": subject.state,
        "startTime": seconds(subject.moment),
        "endTime": seconds(subject.moment) if over else None,
    }


def _named(
    family: str, words: str, payload: Callable[[Subject], Json]
) -> dict[str, Callable[[Subject], Json]]:
    return {f"{family}.{word}": payload for word in words.split()}


EVENTS: dict[str, Callable[[Subject], Any]] = {
    **_named("checkout", "order.completed order.failed transaction.attempt.failed", _order),
    **_named("pg", "order.completed order.failed transaction.attempt.failed", _order),
    **_named("pg.refund", "accepted completed failed", _refund),
    **_named("paylink.order", "completed failed", _pay_link),
    **_named("subscription.setup.order", "completed failed", _subscription_setup),
    **_named("subscription.notification", "completed failed", _notice),
    **_named("subscription.redemption.order", "completed failed", _redemption),
    **_named("subscription.redemption.transaction", "completed failed", _redemption),
    **_named("subscription", "paused unpaused cancelled revoked", _subscription),
    **_named("settlement", "initiated processed attempt.failed", _settlement),
    **_named("order.split.settlement", "accepted failed", _split),
    **_named("payment.dispute", "created under_review action_required won lost", _dispute),
    **_named("downtime.upi", "started resolved bank.started bank.resolved", _downtime),
    **_named("downtime.subscription.setup", "started resolved", _downtime),
}
# Only the older families still have a `type` beside their `event`.
WITH_TYPE = {"checkout", "pg", "subscription"}
