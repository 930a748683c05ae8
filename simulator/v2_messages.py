"""V2 responses and events. Key order, null or absent, seconds or milliseconds: as PhonePe sends them."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from simulator.clock import milliseconds, seconds
from simulator.models import Attempt, Merchant, Order, Refund, State, Token
from simulator.wire import Json, error_body

BANK_TROUBLE = ("BANK_TECHNICAL_ISSUE", "AUTHORIZATION", "ISSUING_BANK", "The bank is unavailable")
# detailedErrorCode: errorCode, stage, source, description
REASONS = {
    "ZM": ("INVALID_MPIN", "AUTHENTICATION", "CUSTOMER", "Wrong MPIN was entered"),
    "Z9": ("INSUFFICIENT_BALANCE", "AUTHORIZATION", "CUSTOMER", "The account has not enough balance"),
    "U28": BANK_TROUBLE,
    "U90": BANK_TROUBLE,
    "UT": BANK_TROUBLE,
    "TXN_AUTO_FAILED": (
        "TXN_NOT_COMPLETED",
        "PRE_AUTHENTICATION",
        "CUSTOMER",
        "The payment was not completed",
    ),
}
# Error codes that were captured without their detailed code.
UNMAPPED = {
    *("AUTHORIZATION_ERROR", "UPI_BACKBONE_ERROR", "PG_BACKBONE_ERROR", "INVALID_OTP_TOKEN"),
    *("INVALID_SPLIT_DETAILS", "SPLIT_SETTLEMENT_NOT_ENABLED", "NOTIFICATION_ATTEMPTS_BREACHED"),
    *("INVALID_EXPIRY", "ORDER_EXPIRED", "ORDER_CANCELLED_BY_USER", "TXN_STATUS_AWAITED", "OTHERS"),
}
# The simulator never settles to a bank account.
SETTLEMENT = {"state": "NOT_INITIATED", "splitSettlementDetails": [], "accountsSettlementDetails": []}
UNEXPLAINED = ("", "AUTHORIZATION", "CUSTOMER", "The payment failed")


def token(row: Token) -> Json:
    """Times in seconds, only here."""
    expires_at = seconds(row.expires_at)
    return {
        "access_token": row.value,
        "encrypted_access_token": row.value,
        "expires_in": None,
        "issued_at": seconds(row.issued_at),
        "expires_at": expires_at,
        "session_expires_at": expires_at,
        "token_type": "O-Bearer",
    }


def order_created(order: Order, instructions: Json) -> Json:
    """`instructions`: `redirectUrl`, an app's `token`, or the members of a custom checkout."""
    expire_at = milliseconds(order.expires_at)
    return {"orderId": order.provider_id, "state": order.state, "expireAt": expire_at, **instructions}


def order_status(
    order: Order, attempts: Sequence[Attempt], *, explain: bool = False, settled: bool = False
) -> Json:
    """`attempts`: oldest first; all of them or the latest."""
    body: Json = {"orderId": order.provider_id, "state": order.state, "amount": amount(order, attempts)}
    if order.state == State.COMPLETED:
        body |= {"payableAmount": body["amount"], "feeAmount": 0}
    body["expireAt"] = milliseconds(order.expires_at)
    body |= _error(order)
    body["paymentDetails"] = [_attempt(attempt) for attempt in attempts]
    if explain and order.state == State.FAILED:
        _, stage, source, description = REASONS.get(order.detailed_error_code, UNEXPLAINED)
        body["errorContext"] = {**_error(order), "source": source, "stage": stage, "description": description}
    if settled:
        body["settlementDetails"] = dict(SETTLEMENT)
    return body | _meta_info(order)


def amount(order: Order, attempts: Sequence[Attempt]) -> int:
    """What was paid; before that, the amount of the order."""
    paid = [attempt.amount_paise for attempt in attempts if attempt.state == State.COMPLETED]
    return paid[0] if paid else order.amount_paise


def refund_accepted(refund: Refund) -> Json:
    return {"refundId": refund.provider_id, "amount": refund.amount_paise, "state": refund.state}


def refund_status(refund: Refund, attempt: Attempt) -> Json:
    return {
        "originalMerchantOrderId": refund.order.merchant_order_id,
        "amount": refund.amount_paise,
        "state": refund.state,
        "timestamp": milliseconds(refund.created_at),
        "refundId": refund.provider_id,
        **_error(refund),
        "splitInstruments": [{"amount": refund.amount_paise, **_rail(attempt), **_instrument(attempt)}],
    }


def order_event(outcome: str, order: Order, attempts: Sequence[Attempt]) -> Json:
    """`outcome`: order.completed, order.failed, transaction.attempt.failed. Custom checkouts have the prefix `pg`."""
    family = "pg" if order.flow == Order.Flow.CUSTOM else "checkout"
    return event(f"{family}.{outcome}", order_payload(outcome, order, attempts))


def order_payload(outcome: str, order: Order, attempts: Sequence[Attempt]) -> Json:
    details = _completed_detail if outcome == "order.completed" else _failed_detail
    return {
        "orderId": order.provider_id,
        "merchantId": order.merchant.merchant_id,
        "merchantOrderId": order.merchant_order_id,
        "state": order.state,
        "amount": amount(order, attempts),
        "expireAt": milliseconds(order.expires_at),
        **_meta_info(order),
        "paymentDetails": [details(attempt) for attempt in attempts],
    }


def refund_event(outcome: str, refund: Refund, mode: str) -> Json:
    """`outcome`: accepted, completed, failed."""
    moved = {"amount": refund.amount_paise, "transactionId": refund.provider_id, "state": refund.state}
    moment = milliseconds(refund.created_at)
    payload = {
        "merchantId": refund.merchant.merchant_id,
        "merchantRefundId": refund.merchant_refund_id,
        "originalMerchantOrderId": refund.order.merchant_order_id,
        "amount": refund.amount_paise,
        "state": refund.state,
        "timestamp": moment,
        "refundId": refund.provider_id,
        **_error(refund),
        "paymentDetails": [{"paymentMode": mode, "timestamp": moment, **moved, **_error(refund)}],
    }
    return event(f"pg.refund.{outcome}", payload)


def webhook_headers(
    merchant: Merchant, body: bytes, scheme: str = "", *, other_scheme: bool = False
) -> dict[str, str]:
    """A constant header per merchant, or an HMAC of this body."""
    if ((scheme or merchant.webhook_scheme) == Merchant.Scheme.HMAC) != other_scheme:
        return signature(merchant.webhook_secret, merchant.webhook_key_id, body)
    return {"Authorization": shared_secret(merchant.webhook_username, merchant.webhook_password)}


def signature(secret: str, key_id: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-phonepe-checksum-key-id": key_id, "x-phonepe-checksum-signature": digest}


def shared_secret(username: str, password: str) -> str:
    return hashlib.sha256(f"{username}:{password}".encode()).hexdigest()


def address(valid: bool) -> Json:
    return {"valid": valid, "name": "Simulated Devotee"} if valid else {"valid": False}


def bad_request() -> Json:
    return error_body("BAD_REQUEST", "Please check the inputs you have provided.")


def unauthorized() -> Json:
    message = "Authorization failed [message = Please check the authorization token and try again]"
    return error_body("AUTHORIZATION_FAILED", message)


def duplicate_id() -> Json:
    return {"success": False, "code": "INVALID_TRANSACTION_ID", "message": "Order ID has already been used"}


def order_not_found() -> Json:
    return {"code": "INVALID_MERCHANT_ORDER_ID", "message": "No entry found for given merchant order id"}


def entry_not_found(merchant: Merchant, reference: str) -> Json:
    """As `/payments/v2` responds for orders; for refunds and attempts no captured response is known."""
    return error_body("ORDER_NOT_FOUND", f"No entry found for {merchant.merchant_id}, {reference}")


def invalid_client(error_code: str, reason: str, tracking_id: str | None = None) -> Json:
    return {
        "code": "INVALID_CLIENT",
        "errorCode": error_code,
        "message": f"{reason}: Invalid Client, trackingId: {tracking_id or secrets.token_hex(8)}",
        "context": {"error_description": "Client authentication failure"},
    }


def client_not_found() -> Json:
    """Only the message of this response is known."""
    return {"message": f"Not Found: Client Not Found, trackingId: {secrets.token_hex(8)}"}


def event(name: str, payload: Json) -> Json:
    return {"type": name.upper().replace(".", "_"), "event": name, "payload": payload}


def _completed_detail(attempt: Attempt) -> Json:
    return {
        "paymentMode": attempt.mode,
        "transactionId": attempt.provider_id,
        "timestamp": milliseconds(attempt.created_at),
        "amount": attempt.amount_paise,
        "state": attempt.state,
    }


def _failed_detail(attempt: Attempt) -> Json:
    return {
        "paymentMode": attempt.mode,
        "timestamp": milliseconds(attempt.created_at),
        "amount": attempt.amount_paise,
        "transactionId": attempt.provider_id,
        "state": attempt.state,
        **_error(attempt),
    }


def _attempt(attempt: Attempt) -> Json:
    body = {
        "transactionId": attempt.provider_id,
        "paymentMode": attempt.mode,
        "timestamp": milliseconds(attempt.created_at),
        "amount": attempt.amount_paise,
        "payableAmount": attempt.amount_paise,
        "feeAmount": 0,
        "state": attempt.state,
    }
    if attempt.state != State.COMPLETED:
        return body | _error(attempt)
    source = {**_instrument(attempt), **_rail(attempt), "amount": attempt.amount_paise}
    return body | _rail(attempt) | _instrument(attempt) | {"splitInstruments": [source]}


def _rail(attempt: Attempt) -> Json:
    if attempt.instrument != "ACCOUNT":
        gateway = {"transactionId": f"PG{attempt.utr}", "authorizationCode": attempt.utr[-6:]}
        return {"rail": {"type": "PG", **gateway, "serviceTransactionId": f"PGS{attempt.utr}"}}
    return {
        "rail": {
            "type": "UPI",
            "utr": attempt.utr,
            "upiTransactionId": attempt.upi_transaction_id,
            "vpa": attempt.vpa,
        }
    }


def _instrument(attempt: Attempt) -> Json:
    if attempt.instrument != "ACCOUNT":
        bank = {"bankTransactionId": attempt.utr, "bankId": "SBIN", "arn": attempt.utr, "brn": attempt.utr}
        return {"instrument": {"type": attempt.instrument, **bank}}
    account = {"maskedAccountNumber": "******1234", "accountType": "SAVINGS"}
    return {"instrument": {"type": "ACCOUNT", **account}}


def _error(row: Order | Attempt | Refund) -> Json:
    if row.state != State.FAILED:
        return {}
    return {"errorCode": row.error_code, "detailedErrorCode": row.detailed_error_code}


def _meta_info(order: Order) -> Json:
    return {"metaInfo": order.meta_info} if order.meta_info else {}
