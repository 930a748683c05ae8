"""V1 responses and callbacks, and their checksum (SHA-256 with the salt key, `###`, salt index)."""

import base64
import hashlib

from simulator.models import Attempt, Merchant, Order, Refund, State
from simulator.wire import Json, error_body, to_json

SUCCEEDED = "PAYMENT_SUCCESS"
PENDING = "PAYMENT_PENDING"
FAILED = "PAYMENT_ERROR"
TIMED_OUT = "TIMED_OUT"
# Codes of an unpaid payment, besides FAILED and the codes of banks.
REASONS = {"PAYMENT_DECLINED", "PAYMENT_CANCELLED", TIMED_OUT, "USER_BLOCKED", "DUPLICATE_TXN_REQUEST"}
BANKS = {"SBIN": "State Bank of India", "HDFC": "HDFC Bank", "ICIC": "ICICI Bank", "UTIB": "Axis Bank"}
POPULAR = ("SBIN", "HDFC")

MESSAGES = {
    SUCCEEDED: "Your payment is successful.",
    PENDING: "Your request is in pending state.",
}


def checksum(text: str, merchant: Merchant) -> str:
    """For a POST `text` is base64 + path, for a GET the path, for a callback the base64 alone."""
    digest = hashlib.sha256((text + merchant.salt_key).encode()).hexdigest()
    return f"{digest}###{merchant.salt_index}"


def payment_initiated(order: Order, instrument_response: Json) -> Json:
    return {
        "success": True,
        "code": "PAYMENT_INITIATED",
        "message": "Payment initiated",
        "data": {
            "merchantId": order.merchant.merchant_id,
            "merchantTransactionId": order.merchant_order_id,
            "instrumentResponse": instrument_response,
        },
    }


def payment(order: Order, attempt: Attempt | None) -> Json:
    """Status and callback of a payment. The instrument is that of the last attempt."""
    paid = order.state == State.COMPLETED and attempt is not None
    code = get_code(order)
    return _header(code) | {
        "data": {
            "merchantId": order.merchant.merchant_id,
            "merchantTransactionId": order.merchant_order_id,
            "transactionId": attempt.provider_id if attempt else None,
            "amount": attempt.amount_paise if paid and attempt else order.amount_paise,
            "state": order.state,
            "responseCode": "SUCCESS" if paid else order.detailed_error_code or code,
            "paymentInstrument": _instrument(attempt) if paid and attempt else None,
        }
    }


def refund(refund: Refund) -> Json:
    """The response to a refund request, and its status until it is settled."""
    return _header(get_code(refund)) | {
        "data": {
            "merchantId": refund.merchant.merchant_id,
            "merchantTransactionId": refund.merchant_refund_id,
            "transactionId": refund.provider_id,
            "amount": refund.amount_paise,
            "state": State.PENDING if refund.state == State.CONFIRMED else refund.state,
            "responseCode": refund.detailed_error_code or None,
        }
    }


def refund_status(row: Refund, attempt: Attempt | None) -> Json:
    body = refund(row)
    if row.state == State.COMPLETED and attempt:
        body["data"] |= {"responseCode": "SUCCESS", "paymentInstrument": _instrument(attempt)}
    return body


def callback(body: Json) -> Json:
    return {"response": base64.b64encode(to_json(body)).decode()}


def build_return_form(order: Order, attempt: Attempt | None) -> dict[str, str]:
    """The form fields that the browser posts to the merchant. `transactionId` is the merchant's id."""
    fields = {
        "code": get_code(order),
        "merchantId": order.merchant.merchant_id,
        "transactionId": order.merchant_order_id,
        "amount": str(order.amount_paise),
        "providerReferenceId": attempt.provider_id if attempt else "",
    }
    return fields | {"checksum": checksum("".join(fields.values()), order.merchant)}


def get_code(row: Order | Refund) -> str:
    if row.state == State.COMPLETED:
        return SUCCEEDED
    if row.state == State.FAILED:
        return row.error_code or FAILED
    return PENDING


def key_not_configured() -> Json:
    return {"success": False, "code": "KEY_NOT_CONFIGURED", "message": "Key not found for the merchant"}


def duplicate_id() -> Json:
    message = "The transaction id you have entered seems to be invalid."
    return error_body("INVALID_TRANSACTION_ID", message)


def bad_request(message: str = "Please check the inputs you have provided.") -> Json:
    return error_body("BAD_REQUEST", message)


def valid_vpa(address: str) -> Json:
    return {
        "success": True,
        "code": "SUCCESS",
        "message": "Your request has been successfully completed.",
        "data": {"name": "Simulated Devotee", "vpa": address},
    }


def options(every_bank: bool) -> Json:
    """In the format of PhonePe's SDK; no captured response is known."""
    banks = {"popularBanks": [_bank_option(bank) for bank in POPULAR]}
    if every_bank:
        banks["allBanks"] = [_bank_option(bank) for bank in BANKS]
    on = {"enabled": True}
    return {
        "success": True,
        "code": "SUCCESS",
        "message": "Your request has been successfully completed.",
        "data": {"upiCollect": on, "intent": on, "cards": on, "netBanking": {**on, **banks}},
    }


def invalid_vpa() -> Json:
    return error_body("INVALID_VPA", "Incorrect UPI details. Please check the UPI ID entered.")


def not_found() -> Json:
    return error_body("TRANSACTION_NOT_FOUND", "No transaction found for the given id")


def code_only(status: int) -> Json:
    """An error of the gateway in front of the API: a number and nothing else."""
    return {"success": False, "code": str(status)}


def _header(code: str) -> Json:
    return {
        "success": code in {SUCCEEDED, PENDING},
        "code": code,
        "message": MESSAGES.get(code, "Payment Failed"),
    }


def _instrument(attempt: Attempt) -> Json:
    if attempt.mode == "CARD":
        return {
            "type": "CARD",
            "cardType": attempt.instrument,
            **_bank_references(attempt),
            "brn": attempt.utr,
        }
    if attempt.mode == "NET_BANKING":
        return {
            "type": "NETBANKING",
            **_bank_references(attempt),
            "pgServiceTransactionId": f"PGS{attempt.utr}",
        }
    return {
        "type": "UPI",
        "utr": attempt.utr,
        "upiTransactionId": attempt.upi_transaction_id,
        "cardNetwork": None,
        "accountType": "SAVINGS",
    }


def _bank_option(bank_id: str) -> Json:
    return {"bankId": bank_id, "bankName": BANKS[bank_id], "available": True}


def _bank_references(attempt: Attempt) -> Json:
    return {
        "pgTransactionId": f"PG{attempt.utr}",
        "bankTransactionId": attempt.utr,
        "pgAuthorizationCode": attempt.utr[-6:],
        "arn": attempt.utr,
        "bankId": "SBIN",
    }
