"""How a V1 message is written, signed and read: salt key, X-VERIFY, base64 inside JSON.

X-VERIFY is `sha256hex(signed text + salt key)###salt index`. The signed text is the base64 body and the path
for a POST, the path alone for a GET, the base64 text alone for a callback (paths without the base URL).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import Channel, Operation, ProviderStatus
from payment.phonepe.schemas import (
    CheckoutPage,
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
    identifier,
    is_same,
    json_object,
    member,
    paise,
    provider_status,
    unread_amount,
    unread_identifier,
    words,
)

PAY_PATH = "/pg/v1/pay"
REFUND_PATH = "/pg/v1/refund"
SCHEME = "x-verify"
# `upi://pay?…`, or the scheme of one app. Never a web address: the phone would open it in a browser.
INTENT_URL = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://[!-~]+", re.IGNORECASE)

# PhonePe's `code` in a status answer. INTERNAL_SERVER_ERROR means "not known yet", as does any word not here.
STATUS_CODES = {
    "PAYMENT_SUCCESS": ProviderStatus.COMPLETED,
    "PAYMENT_PENDING": ProviderStatus.PENDING,
    "PAYMENT_INITIATED": ProviderStatus.PENDING,
    "PAYMENT_ERROR": ProviderStatus.FAILED,
    "PAYMENT_DECLINED": ProviderStatus.FAILED,
    "PAYMENT_CANCELLED": ProviderStatus.FAILED,
    "TIMED_OUT": ProviderStatus.FAILED,
    "TRANSACTION_NOT_FOUND": ProviderStatus.NOT_FOUND,
}
# `data.state` says it a second time; where the two disagree, the status is UNKNOWN.
STATES = {
    "COMPLETED": ProviderStatus.COMPLETED,
    "PENDING": ProviderStatus.PENDING,
    "FAILED": ProviderStatus.FAILED,
}
DUPLICATE_ID_CODES = {"INVALID_TRANSACTION_ID", "DUPLICATE_TXN_REQUEST"}
# About the request, not about a payment, with any HTTP status. The bare numbers come from PhonePe's API gateway.
REJECTED_CODES = {"BAD_REQUEST", "AUTHORIZATION_FAILED", "KEY_NOT_CONFIGURED", "400", "401", "404"}
PAGE_REJECTED_CODES = {
    *("PAYMENT_ERROR", "PAYMENT_DECLINED", "USER_BLOCKED", "INTERNAL_SECURITY_BLOCK"),
    *(f"INTERNAL_SECURITY_BLOCK_{number}" for number in range(1, 7)),
}


def checksum(text: str, salt_key: str, index: int) -> str:
    return f"{hashlib.sha256((text + salt_key).encode()).hexdigest()}###{index}"


def pay(merchant: Merchant, order: Order) -> Request:
    payload: Json = {
        "merchantId": merchant.merchant_id,
        "merchantTransactionId": order.merchant_order_id,
        "merchantUserId": order.user_reference,
        "amount": order.amount_paise,
    }
    if order.channel is Channel.PAGE:
        payload |= {"redirectUrl": order.redirect_url, "redirectMode": "REDIRECT"}
    payload["callbackUrl"] = order.callback_url
    if order.ten_digits:
        payload["mobileNumber"] = order.ten_digits
    if order.channel is Channel.PAGE:
        payload["paymentInstrument"] = {"type": "PAY_PAGE"}
    else:
        payload["paymentInstrument"] = {"type": "UPI_INTENT", "targetApp": order.target_app}
        payload["deviceContext"] = {"deviceOS": order.device_os}
        if order.callback_scheme:
            payload["deviceContext"]["merchantCallBackScheme"] = order.callback_scheme
    return _post(merchant, Operation.PAY, PAY_PATH, payload)


def refund(merchant: Merchant, order: RefundOrder) -> Request:
    payload: Json = {
        "merchantId": merchant.merchant_id,
        "merchantUserId": order.user_reference,
        "originalTransactionId": order.merchant_order_id,
        "merchantTransactionId": order.merchant_refund_id,
        "amount": order.amount_paise,
        "callbackUrl": order.callback_url,
    }
    return _post(merchant, Operation.REFUND, REFUND_PATH, payload)


def order_status(merchant: Merchant, merchant_order_id: str) -> Request:
    return _status(merchant, Operation.STATUS, merchant_order_id)


def refund_status(merchant: Merchant, merchant_refund_id: str) -> Request:
    """V1 has the status of payments and refunds at the same address, by their own ids."""
    return _status(merchant, Operation.REFUND_STATUS, merchant_refund_id)


def classify_answer(operation: Operation, http_status: int, answer: Json) -> RequestOutcome | None:
    """What an answer below 500 means for a retry; None: it can be read."""
    word = code(answer)
    if word in REJECTED_CODES:
        return RequestOutcome.REJECTED
    if operation.idempotent:
        return None if http_status < 300 or word in STATUS_CODES else RequestOutcome.REJECTED
    if http_status == 417 or word in DUPLICATE_ID_CODES:
        return RequestOutcome.DUPLICATE_ID
    if http_status >= 300 or (operation is Operation.PAY and word in PAGE_REJECTED_CODES):
        return RequestOutcome.REJECTED
    return RequestOutcome.AMBIGUOUS if word == "INTERNAL_SERVER_ERROR" else None


def read_page(channel: Channel, answer: Json) -> CheckoutPage:
    data = member(answer, "data")
    instrument, transaction_id = member(data, "instrumentResponse"), identifier(data.get("transactionId"))
    if channel is Channel.UPI_INTENT:
        link = words(instrument.get("intentUrl"), 4000)
        if answer.get("success") is not True or not INTENT_URL.fullmatch(link):
            raise Unreadable("no UPI link in the answer to a V1 payment")
        return CheckoutPage("", transaction_id, intent_url=link)
    url = words(member(instrument, "redirectInfo").get("url"), 4000)
    if answer.get("success") is not True or not url:
        raise Unreadable("no page in the answer to a V1 payment")
    return CheckoutPage(url, transaction_id)


def read_order_status(answer: Json) -> OrderStatus:
    data = member(answer, "data")
    return OrderStatus(
        state=_provider_status(answer),
        amount_paise=paise(data.get("amount")),
        merchant_id=identifier(data.get("merchantId")) or None,
        merchant_order_id=identifier(data.get("merchantTransactionId")) or None,
        provider_order_id=identifier(data.get("transactionId")),
        provider_transaction_id=identifier(data.get("transactionId")),
        utr=_bank_reference(member(data, "paymentInstrument")),
        code=words(data.get("responseCode"), 64) or code(answer),
        message=words(answer.get("message")),
    )


def read_refund_status(answer: Json) -> RefundStatus:
    data = member(answer, "data")
    return RefundStatus(
        state=_provider_status(answer),
        amount_paise=paise(data.get("amount")),
        merchant_id=identifier(data.get("merchantId")) or None,
        merchant_refund_id=identifier(data.get("merchantTransactionId")) or None,
        provider_refund_id=identifier(data.get("transactionId")),
        utr=_bank_reference(member(data, "paymentInstrument")),
        code=words(data.get("responseCode"), 64) or code(answer),
        message=words(answer.get("message")),
    )


def callback_is_authentic(merchant: Merchant, headers: Mapping[str, str], raw_body: bytes) -> bool:
    """Checks X-VERIFY with the salt its index names. `headers` by lower-case name."""
    signed = (json_object(raw_body) or {}).get("response")
    checksum, _, index = headers.get("x-verify", "").strip().partition("###")
    if not isinstance(signed, str) or not (index.isascii() and index.isdigit() and len(index) < 4):
        return False
    salt_key = merchant.salt_keys.get(int(index))
    if not salt_key:
        return False
    expected = hashlib.sha256((signed + salt_key).encode("utf-8", "replace")).hexdigest()
    return is_same(checksum, expected)


def read_callback(merchant: Merchant, raw_body: bytes) -> WebhookClaim:
    """Raises Unreadable."""
    signed = (json_object(raw_body) or {}).get("response")
    try:
        answer = json_object(base64.b64decode(str(signed), validate=True))
    except (binascii.Error, ValueError):
        answer = None
    if answer is None:
        raise Unreadable("a V1 callback without a base64 JSON object")
    status = read_order_status(answer)
    transaction = status.merchant_order_id or ""
    return WebhookClaim(
        identity=merchant.identity,
        scheme=SCHEME,
        event=code(answer) or "unnamed",
        state=status.state,
        merchant_order_id=transaction,
        merchant_refund_id=transaction,
        amount_paise=paise(member(answer, "data").get("amount")),  # 0 differs from the order's: staff see it
        merchant_id=status.merchant_id,
        unclear=_unclear(answer),
    )


def _unclear(answer: Json) -> str:
    """What of a callback we do not understand; "" if it is clear."""
    data, word = member(answer, "data"), answer.get("code")
    is_known = isinstance(word, str) and (word in STATUS_CODES or word == "INTERNAL_SERVER_ERROR")
    state = data.get("state", data.get("paymentState"))
    contradiction = (
        is_known
        and word in STATUS_CODES
        and state is not None
        and _provider_status(answer) is ProviderStatus.UNKNOWN
    )
    unclear = (
        "" if is_known else "its code is not known",
        "its code and its state contradict each other" if contradiction else "",
        unread_identifier(data, "merchantTransactionId", "order or refund"),
        unread_amount(data),
    )
    return "; ".join(filter(None, unclear))


def _provider_status(answer: Json) -> ProviderStatus:
    status = provider_status(answer.get("code"), STATUS_CODES)
    data = member(answer, "data")
    state = data.get("state", data.get("paymentState"))
    if state is None or status is ProviderStatus.NOT_FOUND:
        return status
    return status if provider_status(state, STATES) is status else ProviderStatus.UNKNOWN


def _bank_reference(instrument: Json) -> str:
    """UPI has an UTR, cards and net banking an ARN."""
    return words(instrument.get("utr"), 64) or words(instrument.get("arn"), 64)


def _post(merchant: Merchant, operation: Operation, path: str, payload: Json) -> Request:
    encoded = base64.b64encode(compact(payload)).decode()
    return Request(operation, "POST", path, compact({"request": encoded}), _headers(merchant, encoded + path))


def _status(merchant: Merchant, operation: Operation, merchant_transaction_id: str) -> Request:
    path = f"/pg/v1/status/{merchant.merchant_id}/{merchant_transaction_id}"
    return Request(operation, "GET", path, headers=_headers(merchant, path))


def _headers(merchant: Merchant, signed: str) -> Mapping[str, str]:
    return {
        "Content-Type": "application/json",
        "X-VERIFY": checksum(signed, merchant.salt_keys[merchant.salt_index], merchant.salt_index),
        "X-MERCHANT-ID": merchant.merchant_id,
    }
