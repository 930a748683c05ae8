"""What PhonePe says in V2. Key order, null or absent, seconds or milliseconds: as on the real wire."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from simulator.clock import milliseconds, seconds
from simulator.models import Attempt, Merchant, Order, Refund, State, Token
from simulator.wire import Json, refusal

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
# Codes that have been seen without the one they belong to.
UNMAPPED = {
    *("AUTHORIZATION_ERROR", "UPI_BACKBONE_ERROR", "PG_BACKBONE_ERROR", "INVALID_OTP_TOKEN"),
    *("INVALID_SPLIT_DETAILS", "SPLIT_SETTLEMENT_NOT_ENABLED", "NOTIFICATION_ATTEMPTS_BREACHED"),
    *("INVALID_EXPIRY", "ORDER_EXPIRED", "ORDER_CANCELLED_BY_USER", "TXN_STATUS_AWAITED", "OTHERS"),
}
# Nobody's bank account is credited here: to settle is never begun.
SETTLEMENT = {"state": "NOT_INITIATED", "splitSettlementDetails": [], "accountsSettlementDetails": []}
UNEXPLAINED = ("", "AUTHORIZATION", "CUSTOMER", "The payment failed")


def token(row: Token) -> Json:
    """Seconds here, unlike everywhere else."""
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


def opened(order: Order, way: Json) -> Json:
    """`way` to pay: `redirectUrl`, an app's `token`, or what a custom checkout gets."""
    expire_at = milliseconds(order.expires_at)
    return {"orderId": order.provider_id, "state": order.state, "expireAt": expire_at, **way}


def order_status(
    order: Order, attempts: Sequence[Attempt], *, explain: bool = False, settled: bool = False
) -> Json:
    """`attempts` oldest first; the caller has chosen all of them or the latest."""
    said: Json = {"orderId": order.provider_id, "state": order.state, "amount": amount(order, attempts)}
    if order.state == State.COMPLETED:
        said |= {"payableAmount": said["amount"], "feeAmount": 0}
    said["expireAt"] = milliseconds(order.expires_at)
    said |= _error(order)
    said["paymentDetails"] = [_attempt(attempt) for attempt in attempts]
    if explain and order.state == State.FAILED:
        said["errorContext"] = _explained(order)
    if settled:
        said["settlementDetails"] = dict(SETTLEMENT)
    return said | _meta_info(order)


def amount(order: Order, attempts: Sequence[Attempt]) -> int:
    """What was paid; until then, what is asked for."""
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
    """`outcome`: order.completed, order.failed, transaction.attempt.failed. Custom checkouts have their own names."""
    family = "pg" if order.flow == Order.Flow.CUSTOM else "checkout"
    return event(f"{family}.{outcome}", order_payload(outcome, order, attempts))


def order_payload(outcome: str, order: Order, attempts: Sequence[Attempt]) -> Json:
    details = _paid_in_event if outcome == "order.completed" else _failed_in_event
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
    """One constant for every webhook of the merchant, or a signature of this very body."""
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
    return refusal("BAD_REQUEST", "Please check the inputs you have provided.")


def unauthorized() -> Json:
    message = "Authorization failed [message = Please check the authorization token and try again]"
    return refusal("AUTHORIZATION_FAILED", message)


def duplicate() -> Json:
    return {"success": False, "code": "INVALID_TRANSACTION_ID", "message": "Order ID has already been used"}


def order_unknown() -> Json:
    return {"code": "INVALID_MERCHANT_ORDER_ID", "message": "No entry found for given merchant order id"}


def entry_unknown(merchant: Merchant, reference: str) -> Json:
    """How the `/payments/v2` family says it; for refunds and attempts no captured answer is known."""
    return refusal("ORDER_NOT_FOUND", f"No entry found for {merchant.merchant_id}, {reference}")


def client_refused(error_code: str, reason: str, tracking_id: str | None = None) -> Json:
    return {
        "code": "INVALID_CLIENT",
        "errorCode": error_code,
        "message": f"{reason}: Invalid Client, trackingId: {tracking_id or secrets.token_hex(8)}",
        "context": {"error_description": "Client authentication failure"},
    }


def client_unknown() -> Json:
    """Of this answer only the sentence is known."""
    return {"message": f"Not Found: Client Not Found, trackingId: {secrets.token_hex(8)}"}


def event(name: str, payload: Json) -> Json:
    return {"type": name.upper().replace(".", "_"), "event": name, "payload": payload}


def _paid_in_event(attempt: Attempt) -> Json:
    return {
        "paymentMode": attempt.mode,
        "transactionId": attempt.provider_id,
        "timestamp": milliseconds(attempt.created_at),
        "amount": attempt.amount_paise,
        "state": attempt.state,
    }


def _failed_in_event(attempt: Attempt) -> Json:
    return {
        "paymentMode": attempt.mode,
        "timestamp": milliseconds(attempt.created_at),
        "amount": attempt.amount_paise,
        "transactionId": attempt.provider_id,
        "state": attempt.state,
        **_error(attempt),
    }


def _attempt(attempt: Attempt) -> Json:
    said = {
        "transactionId": attempt.provider_id,
        "paymentMode": attempt.mode,
        "timestamp": milliseconds(attempt.created_at),
        "amount": attempt.amount_paise,
        "payableAmount": attempt.amount_paise,
        "feeAmount": 0,
        "state": attempt.state,
    }
    if attempt.state != State.COMPLETED:
        return said | _error(attempt)
    source = {**_instrument(attempt), **_rail(attempt), "amount": attempt.amount_paise}
    return said | _rail(attempt) | _instrument(attempt) | {"splitInstruments": [source]}


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


def _explained(order: Order) -> Json:
    _, stage, source, description = REASONS.get(order.detailed_error_code, UNEXPLAINED)
    return {**_error(order), "source": source, "stage": stage, "description": description}


def _meta_info(order: Order) -> Json:
    return {"metaInfo": order.meta_info} if order.meta_info else {}
