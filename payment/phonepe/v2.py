"""How a V2 message is written, signed and read: plain JSON under an OAuth token, spelt `O-Bearer`."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlencode

from payment.phonepe import webhook_events
from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import Channel, Operation, ProviderStatus
from payment.phonepe.schemas import (
    CheckoutPage,
    DisputeClaim,
    Json,
    Order,
    OrderStatus,
    RefundOrder,
    RefundStatus,
    Request,
    RequestOutcome,
    Unreadable,
    WebhookClaim,
    code,
    compact,
    fine_moment,
    first,
    identifier,
    is_same,
    json_object,
    member,
    moment,
    paise,
    provider_status,
    unread_amount,
    unread_identifier,
    words,
)
from payment.phonepe.webhook_events import Family

JSON = {"Content-Type": "application/json"}
SHORTEST_EXPIRY, LONGEST_EXPIRY = 300, 3600

# The root `state` of an order decides. It stays PENDING while the customer tries to pay again on the page.
ORDER_STATES = {
    "CREATED": ProviderStatus.PENDING,
    "PENDING": ProviderStatus.PENDING,
    "COMPLETED": ProviderStatus.COMPLETED,
    "FAILED": ProviderStatus.FAILED,
    "EXPIRED": ProviderStatus.FAILED,
}
REFUND_STATES = {
    "CREATED": ProviderStatus.PENDING,
    "PENDING": ProviderStatus.PENDING,
    "CONFIRMED": ProviderStatus.CONFIRMED,
    "COMPLETED": ProviderStatus.COMPLETED,
    "FAILED": ProviderStatus.FAILED,
}
NOTICE_STATES = ("NOTIFIED",)  # of a subscription's notice before a debit
DISPUTE_STATES = ("CREATED", "UNDER_REVIEW", "ACTION_REQUIRED", "WON", "LOST")
DISPUTE_ID = re.compile(r"[A-Za-z0-9._-]{1,63}")
PHONEPE_BEGAN = datetime(2016, 1, 1, tzinfo=timezone.utc)  # no event of PhonePe is older
NOT_FOUND_CODES = {
    *("INVALID_MERCHANT_ORDER_ID", "ORDER_NOT_FOUND", "MERCHANT_ORDER_MAPPING_NOT_FOUND"),
    *("INVALID_MERCHANT_REFUND_ID", "REFUND_NOT_FOUND"),
}
DUPLICATE_ID_CODES = {
    "INVALID_TRANSACTION_ID",
    "INVALID_MERCHANT_ORDER_ID",
    "ORDER_ALREADY_EXISTS",
    "DUPLICATE_TXN_REQUEST",
}


@dataclass(frozen=True)
class AccessToken:
    """An access token with the seconds since 1970 between which PhonePe honours it."""

    value: str
    issued_at: int
    expires_at: int

    def __repr__(self) -> str:
        return f"AccessToken(until {self.expires_at})"


def token_request(merchant: Merchant) -> Request:
    form = {
        "client_id": merchant.client_id,
        "client_version": merchant.client_version,
        "client_secret": merchant.client_secret,
        "grant_type": "client_credentials",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request(Operation.TOKEN, "POST", "/v1/oauth/token", urlencode(form).encode(), headers)


def read_access_token(answer: Json) -> AccessToken:
    granted = answer.get("access_token")
    issued, expires = moment(answer.get("issued_at")), moment(answer.get("expires_at"))
    if not isinstance(granted, str) or not granted.isascii() or not granted.isprintable():
        raise Unreadable("no access token in the answer")
    if issued is None or expires is None or not issued < expires:
        raise Unreadable("a token without a lifetime")
    return AccessToken(granted, int(issued.timestamp()), int(expires.timestamp()))


def authorization(token: AccessToken) -> Mapping[str, str]:
    return {"Authorization": f"O-Bearer {token.value}"}


def pay(merchant: Merchant, order: Order) -> Request:
    """Opens an order for PhonePe's page, or for PhonePe's SDK in an app.

    The merchant is known from the token; the body names none. Only the page takes a phone number to fill in.
    """
    is_page = order.channel is Channel.PAGE
    payload: Json = {
        "merchantOrderId": order.merchant_order_id,
        "amount": order.amount_paise,
        "expireAfter": min(max(order.expire_after, SHORTEST_EXPIRY), LONGEST_EXPIRY),
    }
    if order.udf:
        payload["metaInfo"] = dict(order.udf)
    payload["paymentFlow"] = {"type": "PG_CHECKOUT"}
    if order.message:
        payload["paymentFlow"]["message"] = order.message
    payload["paymentFlow"]["merchantUrls"] = {"redirectUrl": order.redirect_url}
    payload["disablePaymentRetry"] = False
    if is_page and order.ten_digits:
        payload["prefillUserLoginDetails"] = {"phoneNumber": order.ten_digits}
    path = "/checkout/v2/pay" if is_page else "/checkout/v2/sdk/order"
    return Request(Operation.PAY, "POST", path, compact(payload), JSON)


def order_status(merchant: Merchant, merchant_order_id: str) -> Request:
    path = f"/checkout/v2/order/{merchant_order_id}/status?details=false&errorContext=true"
    return Request(Operation.STATUS, "GET", path, headers=JSON)


def refund(merchant: Merchant, order: RefundOrder) -> Request:
    payload: Json = {
        "merchantRefundId": order.merchant_refund_id,
        "originalMerchantOrderId": order.merchant_order_id,
        "amount": order.amount_paise,
    }
    return Request(Operation.REFUND, "POST", "/payments/v2/refund", compact(payload), JSON)


def refund_status(merchant: Merchant, merchant_refund_id: str) -> Request:
    path = f"/payments/v2/refund/{merchant_refund_id}/status"
    return Request(Operation.REFUND_STATUS, "GET", path, headers=JSON)


def classify_answer(operation: Operation, http_status: int, answer: Json) -> RequestOutcome | None:
    """What an answer below 500 means for a retry; None: it can be read."""
    word = code(answer)
    if http_status < 300:
        return None
    if operation.idempotent:
        return None if word in NOT_FOUND_CODES else RequestOutcome.REJECTED
    is_duplicate = http_status == 417 or (operation is Operation.PAY and word in DUPLICATE_ID_CODES)
    return RequestOutcome.DUPLICATE_ID if is_duplicate else RequestOutcome.REJECTED


def read_page(channel: Channel, answer: Json) -> CheckoutPage:
    order_id, expires_at = identifier(answer.get("orderId")), moment(answer.get("expireAt"))
    if channel is Channel.SDK:
        token = words(answer.get("token"), 4000)
        if not token or not order_id:  # the SDK needs both
            raise Unreadable("no order token in the answer to a V2 SDK order")
        return CheckoutPage("", order_id, expires_at, order_token=token)
    url = words(answer.get("redirectUrl"), 4000)
    if not url:
        raise Unreadable("no page in the answer to a V2 payment")
    return CheckoutPage(url, order_id, expires_at)


def read_order_status(answer: Json) -> OrderStatus:
    details = answer.get("paymentDetails")
    tries = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    completed = next((each for each in tries if each.get("state") == "COMPLETED"), None)
    # Without a paid one, the first: with `details=false` PhonePe lists the newest one only.
    attempt = completed or first(details)
    state = _provider_status(answer, ORDER_STATES)
    # In an open order only a try that is open too counts: after a wrong PIN no bank is deciding about it.
    is_over = state is ProviderStatus.PENDING and attempt.get("state") == "FAILED"
    return OrderStatus(
        state=state,
        amount_paise=paise(answer.get("amount")),
        merchant_id=identifier(answer.get("merchantId")) or None,
        merchant_order_id=identifier(answer.get("merchantOrderId")) or None,
        provider_order_id=identifier(answer.get("orderId")),
        provider_transaction_id="" if is_over else identifier(attempt.get("transactionId")),
        utr=_bank_reference(attempt),
        code=words(answer.get("detailedErrorCode"), 64) or code(answer),
        message=words(member(answer, "errorContext").get("description")) or words(answer.get("message")),
        expires_at=moment(answer.get("expireAt")),
        # PhonePe gives the beginning of the try that was paid. V1 gives no time.
        paid_at=moment(completed.get("timestamp")) if completed else None,
    )


def read_refund_status(answer: Json) -> RefundStatus:
    return RefundStatus(
        state=_provider_status(answer, REFUND_STATES),
        amount_paise=paise(answer.get("amount")),
        merchant_id=identifier(answer.get("merchantId")) or None,
        merchant_refund_id=identifier(answer.get("merchantRefundId")) or None,
        merchant_order_id=identifier(answer.get("originalMerchantOrderId")) or None,
        provider_refund_id=identifier(answer.get("refundId")),
        utr=_bank_reference(answer),
        code=words(answer.get("detailedErrorCode"), 64) or code(answer),
        message=words(answer.get("message")),
    )


def webhook_scheme(merchant: Merchant, headers: Mapping[str, str], raw_body: bytes) -> str:
    """The scheme by which this call proves to come from PhonePe, "" for none. `headers` by lower-case name.

    `Authorization` is made of the webhook's login and covers no body; the HMAC covers every byte.
    """
    if merchant.webhook_secret and (signature := headers.get("x-phonepe-checksum-signature", "")):
        proof = hmac.new(merchant.webhook_secret.encode(), raw_body, hashlib.sha256).hexdigest()
        if is_same(signature, proof):
            return "hmac"
    if merchant.webhook_authorization and is_same(
        headers.get("authorization", ""), merchant.webhook_authorization
    ):
        return "authorization"
    return ""


def read_webhook(merchant: Merchant, scheme: str, raw_body: bytes) -> WebhookClaim:
    """Raises Unreadable."""
    body = json_object(raw_body)
    payload = member(body, "payload")
    if not body or not payload:
        raise Unreadable("a webhook without a payload")
    event = _event_name(body)
    is_refund = (
        webhook_events.family_of(event) is Family.REFUND or payload.get("merchantRefundId") is not None
    )
    refund_id = identifier(payload.get("merchantRefundId"))
    order = "originalMerchantOrderId" if is_refund else "merchantOrderId"
    states = REFUND_STATES if is_refund else ORDER_STATES
    return WebhookClaim(
        identity=merchant.identity,
        scheme=scheme,
        event=event,
        state=_provider_status(payload, states),
        merchant_order_id=identifier(payload.get(order)),
        merchant_refund_id=refund_id,
        amount_paise=paise(payload.get("amount")),
        merchant_id=identifier(payload.get("merchantId")) or None,
        unclear=_unclear(event, raw_body, payload, states),
    )


def read_dispute(raw_body: bytes) -> DisputeClaim:
    """What an event about a dispute says; `unclear` names whatever cannot be read."""
    body = json_object(raw_body) or {}
    payload, event = member(body, "payload"), _event_name(body)
    word, status = webhook_events.dispute_word(event), payload.get("status")
    # PhonePe does not document the form of the id: whole numbers and dots are accepted, too.
    given = payload.get("disputeId")
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        given = str(given)
    dispute_id = given if isinstance(given, str) and DISPUTE_ID.fullmatch(given) else ""
    amount = paise(payload.get("disputeAmount")) or None  # 0 is no amount of a dispute
    # The time of creation dates the creation only, no later change.
    told_at = fine_moment(payload.get("updatedAt"))
    if told_at is None and word == "CREATED":
        told_at = fine_moment(payload.get("createdAt"))
    if told_at and told_at < PHONEPE_BEGAN:
        told_at = None
    contradiction = status in DISPUTE_STATES and webhook_events.is_known(event) and status != word
    unclear = (
        "" if dispute_id else "its dispute id cannot be read",
        unread_identifier(payload, "merchantOrderId", "order"),
        "" if word in DISPUTE_STATES else f"the word {word} is not known",
        f"the event is called {word} and its status {status}" if contradiction else "",
        "its amount cannot be read" if payload.get("disputeAmount") is not None and not amount else "",
        "" if told_at else "its time cannot be read",
    )
    return DisputeClaim(
        dispute_id=dispute_id,
        word="" if contradiction or word not in DISPUTE_STATES else word,
        amount_paise=amount,
        told_at=told_at,
        due_at=moment(payload.get("dueDate")),
        merchant_order_id=identifier(payload.get("merchantOrderId")),
        unclear="; ".join(filter(None, unclear)),
    )


def _event_name(body: Json) -> str:
    """The older `type` is read where there is no `event`."""
    return words(body.get("event"), 64) or words(body.get("type"), 64) or "unnamed"


def _unclear(event: str, raw_body: bytes, payload: Json, states: Mapping[str, ProviderStatus]) -> str:
    family = webhook_events.family_of(event)
    if family is Family.DISPUTE:
        return read_dispute(raw_body).unclear
    if family is Family.NO_MONEY:
        return ""
    unclear = ["" if webhook_events.is_known(event) else "this kind of event is not known"]
    if states is REFUND_STATES:
        unclear.append(unread_identifier(payload, "merchantRefundId", "refund"))
        unclear.append(unread_identifier(payload, "originalMerchantOrderId", "order"))
    else:
        unclear.append(unread_identifier(payload, "merchantOrderId", "order"))
    state = payload.get("state")  # without one the event is still a reason to poll
    is_read = state is None or (isinstance(state, str) and state in (*states, *NOTICE_STATES))
    unclear.append("" if is_read else "its state is not known")
    unclear.append(unread_amount(payload))
    return "; ".join(filter(None, unclear))


def _provider_status(answer: Json, states: Mapping[str, ProviderStatus]) -> ProviderStatus:
    if "state" not in answer and code(answer) in NOT_FOUND_CODES:
        return ProviderStatus.NOT_FOUND
    return provider_status(answer.get("state"), states)


def _bank_reference(holder: Json) -> str:
    """UPI's UTR is in the rail, the ARN of cards and net banking in the instrument.

    Both on the attempt itself, else on its first source of money.
    """
    sources = (holder, first(holder.get("splitInstruments")))
    references = [member(source, "rail").get("utr") for source in sources]
    references += [member(source, "instrument").get("arn") for source in sources]
    return next(filter(None, (words(reference, 64) for reference in references)), "")
