"""Error responses that PhonePe is known to send, word for word. The fault `says` sends one, chosen by its code."""

from simulator.wire import Json, Response, error_body, json_response

SERVER_ERROR = (
    "There is an error trying to process your transaction at the moment. Please try again in a while."
)
INPUTS = "Please check the inputs you have provided."
TOKEN = "Authorization failed [message = Please check the authorization token and try again]"  # noqa: S105
CLIENT = "Client authentication failure"


def _code_only(code: str) -> Json:
    """The gateway in front of the API sends a number and nothing else."""
    return {"success": False, "code": code}


def _invalid_client(error_code: str, reason: str) -> Json:
    return {
        "code": "INVALID_CLIENT",
        "errorCode": error_code,
        "message": f"{reason}: Invalid Client, trackingId: 00ab12cd34ef5678",
        "context": {"error_description": CLIENT},
    }


def _security_block(code: str, **found: list[str] | str) -> Json:
    """The risk rules: what the merchant registered, and what they found instead."""
    return {"errorCode": code, "detailedErrorCode": None, "isRetryEnabled": False, "data": found}


ERRORS: dict[str, tuple[int, Json]] = {
    "400": (400, _code_only("400")),
    "401": (401, _code_only("401")),
    "404": (404, _code_only("404")),
    "API_MAPPING_NOT_FOUND": (400, {"message": "Bad Request - Api Mapping Not Found"}),
    "BAD_REQUEST": (400, error_body("BAD_REQUEST", INPUTS)),
    "AUTHORIZATION_FAILED": (401, error_body("AUTHORIZATION_FAILED", TOKEN)),
    "FORBIDDEN": (403, error_body("FORBIDDEN", "Forbidden")),
    "PAYMENT_DECLINED": (200, error_body("PAYMENT_DECLINED", "Payment declined")),
    "PAYMENT_CANCELLED": (200, error_body("PAYMENT_CANCELLED", "Payment cancelled")),
    "KEY_NOT_CONFIGURED": (
        404,
        {"success": False, "code": "KEY_NOT_CONFIGURED", "message": "Key not found for the merchant"},
    ),
    "TRANSACTION_NOT_FOUND": (
        404,
        error_body("TRANSACTION_NOT_FOUND", "No transaction found for the given id"),
    ),
    "INVALID_TRANSACTION_ID": (
        417,
        error_body("INVALID_TRANSACTION_ID", "The transaction id you have entered seems to be invalid."),
    ),
    "INVALID_MERCHANT_ORDER_ID": (
        400,
        {"code": "INVALID_MERCHANT_ORDER_ID", "message": "No entry found for given merchant order id"},
    ),
    "ORDER_NOT_FOUND": (404, error_body("ORDER_NOT_FOUND", "No entry found for the merchant")),
    "MERCHANT_ORDER_MAPPING_NOT_FOUND": (
        400,
        error_body("MERCHANT_ORDER_MAPPING_NOT_FOUND", "No entry found for Merchant"),
    ),
    # Other reported answers to a V2 id that was used before. No capture of them is known.
    "417_INVALID_TRANSACTION_ID": (
        417,
        {"success": False, "code": "INVALID_TRANSACTION_ID", "message": "Order ID has already been used"},
    ),
    "417_INVALID_MERCHANT_ORDER_ID": (
        417,
        error_body("INVALID_MERCHANT_ORDER_ID", "Order ID has already been used"),
    ),
    "DUPLICATE_REQUEST_ID": (400, error_body("DUPLICATE_REQUEST_ID", "Request ID has already been used")),
    "DUPLICATE_TXN_REQUEST": (400, error_body("DUPLICATE_TXN_REQUEST", "Duplicate transaction request")),
    "USER_BLOCKED": (400, error_body("USER_BLOCKED", "The user is blocked")),
    "REFUND_AMOUNT_EXCEEDS_ORIGINAL": (
        400,
        error_body("REFUND_AMOUNT_EXCEEDS_ORIGINAL", "The refund is more than was paid"),
    ),
    "ORDER_ALREADY_EXISTS": (400, error_body("ORDER_ALREADY_EXISTS", "Order already exists")),
    "TRANSACTION_LIMIT_EXCEEDED": (417, error_body("TRANSACTION_LIMIT_EXCEEDED", "Limit exceeded")),
    "INVALID_VPA": (
        417,
        error_body("INVALID_VPA", "Incorrect UPI details. Please check the UPI ID entered."),
    ),
    "TOO_MANY_REQUESTS": (429, error_body("TOO_MANY_REQUESTS", "Too many requests. Please try again.")),
    "INTERNAL_SERVER_ERROR": (500, error_body("INTERNAL_SERVER_ERROR", SERVER_ERROR)),
    "APPLICATION_VALIDATION": (
        500,
        error_body("INTERNAL_SERVER_ERROR", f"{SERVER_ERROR} [message = Error in application validation]"),
    ),
    "SCENARIO_NOT_FOUND": (
        500,
        {"message": "Scenario with name null not found for api customCheckoutPayApi"},
    ),
    "OIM000": (400, _invalid_client("OIM000", "Bad Request")),
    "OIM004": (401, _invalid_client("OIM004", "Unauthorized")),
    "CLIENT_NOT_FOUND": (404, {"message": "Not Found: Client Not Found, trackingId: 00ab12cd34ef5678"}),
    "PR004": (401, {"errorCode": "PR004", "message": "Unauthorized"}),
    "INTERNAL_SECURITY_BLOCK": (400, error_body("INTERNAL_SECURITY_BLOCK", "Internal Security Block")),
    "INTERNAL_SECURITY_BLOCK_1": (
        400,
        _security_block(
            "INTERNAL_SECURITY_BLOCK_1",
            Onboarding_URL=["www.shop.example"],
            Transacting_URL="https://dev.shop.example/",
        ),
    ),
    "INTERNAL_SECURITY_BLOCK_2": (
        400,
        _security_block(
            "INTERNAL_SECURITY_BLOCK_2",
            Onboarding_IP_Address=["198.51.100.7"],
            Transacting_IP_Address="203.0.113.9",
        ),
    ),
    "INTERNAL_SECURITY_BLOCK_3": (400, _security_block("INTERNAL_SECURITY_BLOCK_3")),
    "INTERNAL_SECURITY_BLOCK_4": (
        400,
        _security_block(
            "INTERNAL_SECURITY_BLOCK_4",
            Onboarding_Package_Name=["example.shop"],
            Transacting_Package_Name="example.shop.dev",
        ),
    ),
    "INTERNAL_SECURITY_BLOCK_5": (400, _security_block("INTERNAL_SECURITY_BLOCK_5")),
    "INTERNAL_SECURITY_BLOCK_6": (400, _security_block("INTERNAL_SECURITY_BLOCK_6")),
}


def build_response(code: str) -> Response:
    """Raises KeyError for an unknown code."""
    status, body = ERRORS[code]
    return json_response(body, status)
