"""Every code that PhonePe is known to answer with can be provoked, through the HTTP door of a real server.

Each row: what provokes it, the HTTP status, and what the body says.
"""

import pytest

from simulator.canned_errors import ERRORS
from tests.harness.installation import Installation
from tests.unit.simulator.shop import V1Shop, V2Shop

pytestmark = pytest.mark.sockets
INPUTS = "Please check the inputs you have provided."
TROUBLE = "There is an error trying to process your transaction at the moment. Please try again in a while."
TOKEN = "Authorization failed [message = Please check the authorization token and try again]"
BAD_INPUTS = {"success": False, "code": "BAD_REQUEST", "message": INPUTS, "data": {}}
PENDING = "Your request is in pending state."


class Shops:
    """A V1 and a V2 shop at one PhonePe, and short words for what they live through."""

    def __init__(self, url):
        self.v1, self.v2 = V1Shop(url), V2Shop(url)

    def begin_anew(self):
        self.v1.control("reset/", {})
        self.v2.token = ""

    def v1_ends(self, outcome, **more):
        self.v1.pay()
        self.v1.decide("V1-order-1", outcome, **more)
        return self.v1.status()

    def v2_ends(self, outcome, **more):
        self.v2.pay()
        self.v2.decide("V2-order-1", outcome, **more)
        return self.v2.status()

    def v1_refunds(self, amount):
        self.v1_ends("success")
        return self.v1.refund(amount=amount)

    def v2_refunds(self, **changes):
        self.v2_ends("success")
        return self.v2.refund(**changes)

    def twice(self, call):
        call()
        return call()

    def v2_without_token(self, header):
        return self.v2(
            "GET", "apis/pg/checkout/v2/order/x/status", headers={"Authorization": header} if header else {}
        )

    def v2_with_ended_token(self):
        self.v2.pay()
        self.v2.control("clock/", {"advance": 624_600})
        return self.v2.status()

    def told(self, operation, call, fault, **more):
        self.v1.arm(operation, fault, **more)
        return call()


V1_ROWS = {
    "PAYMENT_INITIATED": (lambda s: s.v1.pay(), 200, {"success": True, "message": "Payment initiated"}),
    "PAYMENT_SUCCESS": (lambda s: s.v1_ends("success"), 200, {"success": True}),
    "PAYMENT_PENDING": (lambda s: s.v1_ends("close"), 200, {"success": True, "message": PENDING}),
    "PAYMENT_PENDING, the bank is slow": (lambda s: s.v1_ends("slow"), 200, {"success": True}),
    "PAYMENT_ERROR": (lambda s: s.v1_ends("failure"), 200, {"success": False, "message": "Payment Failed"}),
    "PAYMENT_DECLINED": (
        lambda s: s.v1_ends("failure", reason="PAYMENT_DECLINED"),
        200,
        {"success": False},
    ),
    "PAYMENT_CANCELLED": (
        lambda s: s.v1_ends("failure", reason="PAYMENT_CANCELLED"),
        200,
        {"success": False},
    ),
    "TIMED_OUT": (lambda s: s.v1_ends("expire"), 200, {"success": False}),
    "USER_BLOCKED": (lambda s: s.v1_ends("failure", reason="USER_BLOCKED"), 200, {"success": False}),
    "DUPLICATE_TXN_REQUEST": (
        lambda s: s.v1_ends("failure", reason="DUPLICATE_TXN_REQUEST"),
        200,
        {"success": False},
    ),
    "TRANSACTION_NOT_FOUND": (lambda s: s.v1.status("nobody"), 404, {"success": False}),
    "BAD_REQUEST": (lambda s: s.v1.pay(amount=99), 400, BAD_INPUTS),
    "BAD_REQUEST, an id that is too long": (
        lambda s: s.v1.pay("x" * 39),
        400,
        {"message": "merchantTransactionId size must be between 1 and 38."},
    ),
    "400": (lambda s: s.v1("POST", "apis/hermes/pg/v1/pay", json={}), 400, {"success": False}),
    "401": (lambda s: s.v1.post("/pg/v1/pay", {"merchantId": "PGTESTPAYUAT"}, {}), 401, {"success": False}),
    "404": (
        lambda s: s.told("pay", s.v1.pay, "says", argument="404"),
        404,
        {"success": False},
    ),
    "KEY_NOT_CONFIGURED": (
        lambda s: s.v1.pay(merchantId="SIMMERCHANT"),
        404,
        {"success": False, "message": "Key not found for the merchant"},
    ),
    "INVALID_TRANSACTION_ID": (
        lambda s: s.twice(s.v1.pay),
        417,
        {"message": "The transaction id you have entered seems to be invalid.", "data": {}},
    ),
    "INVALID_VPA": (
        lambda s: s.v1.post("/pg/v1/vpa/validate", {"merchantId": "PGTESTPAYUAT", "vpa": "nobody"}),
        417,
        {"message": "Incorrect UPI details. Please check the UPI ID entered."},
    ),
    "SUCCESS": (
        lambda s: s.v1.post("/pg/v1/vpa/validate", {"merchantId": "PGTESTPAYUAT", "vpa": "a.b@ybl"}),
        200,
        {"success": True, "message": "Your request has been successfully completed."},
    ),
    "INTERNAL_SERVER_ERROR": (
        lambda s: s.told("status", s.v1.status, "status_500"),
        500,
        {"success": False, "message": TROUBLE},
    ),
    "INTERNAL_SERVER_ERROR, by the amount": (
        lambda s: s.v1.pay(amount=110_064),
        500,
        {"success": False, "message": TROUBLE},
    ),
    "TOO_MANY_REQUESTS": (
        lambda s: s.v1.pay(amount=110_068),
        429,
        {"message": "Too many requests. Please try again."},
    ),
    "PAYMENT_PENDING, a refund": (lambda s: s.v1_refunds(100), 200, {"success": True, "message": PENDING}),
    "PAYMENT_ERROR, a refund of too much": (lambda s: s.v1_refunds(110_001), 200, {"success": False}),
}
V2_ROWS = {
    "a token": (lambda s: s.v2.fetch_token(), 200, {"token_type": "O-Bearer", "expires_in": None}),
    "OIM000": (
        lambda s: s.v2.fetch_token(grant_type="password"),
        400,
        {"code": "INVALID_CLIENT", "errorCode": "OIM000"},
    ),
    "OIM004": (
        lambda s: s.v2.fetch_token(client_secret="guess"),
        401,
        {
            "code": "INVALID_CLIENT",
            "errorCode": "OIM004",
            "context": {"error_description": "Client authentication failure"},
        },
    ),
    "client not found": (lambda s: s.v2.fetch_token(client_id="SU1"), 404, {}),
    "AUTHORIZATION_FAILED, no token": (
        lambda s: s.v2_without_token(""),
        401,
        {"success": False, "code": "AUTHORIZATION_FAILED", "message": TOKEN, "data": {}},
    ),
    "AUTHORIZATION_FAILED, Bearer": (
        lambda s: s.v2_without_token(f"Bearer {s.v2.fetch_token().json()['access_token']}"),
        401,
        {"code": "AUTHORIZATION_FAILED"},
    ),
    "AUTHORIZATION_FAILED, ended": (
        lambda s: s.v2_with_ended_token(),
        401,
        {"code": "AUTHORIZATION_FAILED"},
    ),
    "BAD_REQUEST": (lambda s: s.v2.pay(amount="110000"), 400, BAD_INPUTS),
    "INVALID_MERCHANT_ORDER_ID": (
        lambda s: s.v2.status("nobody"),
        400,
        {"code": "INVALID_MERCHANT_ORDER_ID", "message": "No entry found for given merchant order id"},
    ),
    "ORDER_NOT_FOUND": (
        lambda s: s.v2.authorized("GET", "/payments/v2/order/nobody/status"),
        404,
        {"code": "ORDER_NOT_FOUND", "message": "No entry found for SIMMERCHANT, nobody"},
    ),
    "api mapping": (
        lambda s: s.v2("POST", "apis/identity-manager/oauth2/v2/token"),
        400,
        {"message": "Bad Request - Api Mapping Not Found"},
    ),
    "used twice": (
        lambda s: s.twice(s.v2.pay),
        417,
        {"code": "INVALID_TRANSACTION_ID", "message": "Order ID has already been used", "success": False},
    ),
    "a refund of too much": (lambda s: s.v2_refunds(amount=110_001), 400, BAD_INPUTS),
    "a refund of nothing paid": (lambda s: [s.v2.pay(), s.v2.refund()][1], 400, BAD_INPUTS),
    "a refund used twice": (
        lambda s: s.twice(lambda: s.v2_refunds(amount=100)),
        417,
        {"code": "INVALID_TRANSACTION_ID"},
    ),
    "INTERNAL_SERVER_ERROR": (
        lambda s: s.v2.pay(amount=110_064),
        500,
        {"code": "INTERNAL_SERVER_ERROR", "message": TROUBLE},
    ),
    "TOO_MANY_REQUESTS": (lambda s: s.v2.pay(amount=110_068), 429, {"code": "TOO_MANY_REQUESTS"}),
    "INVALID_MPIN": (
        lambda s: s.v2_ends("failure", reason="ZM"),
        200,
        {"state": "FAILED", "errorCode": "INVALID_MPIN", "detailedErrorCode": "ZM"},
    ),
    "INSUFFICIENT_BALANCE": (
        lambda s: s.v2_ends("failure", reason="Z9"),
        200,
        {"errorCode": "INSUFFICIENT_BALANCE", "detailedErrorCode": "Z9"},
    ),
    "TXN_NOT_COMPLETED": (
        lambda s: s.v2_ends("expire"),
        200,
        {"errorCode": "TXN_NOT_COMPLETED", "detailedErrorCode": "TXN_AUTO_FAILED"},
    ),
    "UPI_BACKBONE_ERROR": (
        lambda s: s.v2_ends("failure", reason="UPI_BACKBONE_ERROR"),
        200,
        {"errorCode": "UPI_BACKBONE_ERROR"},
    ),
    "PAYMENT_ERROR": (lambda s: s.v2_ends("failure", reason="K1"), 200, {"errorCode": "PAYMENT_ERROR"}),
    **{
        reason: (
            lambda s, reason=reason: s.v2_ends("failure", reason=reason),
            200,
            {"errorCode": "BANK_TECHNICAL_ISSUE", "detailedErrorCode": reason},
        )
        for reason in ("U90", "UT", "U28")
    },
}


@pytest.fixture(scope="module")
def url():
    with Installation(LOG_LEVEL="ERROR", SIMULATOR_DELIVERS="False") as shop:
        yield shop.serve().url


@pytest.fixture
def shops(url):
    shops = Shops(url)
    shops.begin_anew()
    return shops


def check(shops, row):
    provoke, status, body = row
    answer = provoke(shops)
    said = answer.json()
    assert (answer.status_code, {name: said.get(name) for name in body}) == (status, body), said
    return said


@pytest.mark.parametrize("code", V1_ROWS)
def test_v1_can_answer_each_code(shops, code):
    assert check(shops, V1_ROWS[code])["code"] == code.partition(",")[0]


@pytest.mark.parametrize("code", V2_ROWS)
def test_v2_can_answer_each_code(shops, code):
    check(shops, V2_ROWS[code])


@pytest.mark.parametrize("code", ERRORS)
def test_codes_of_other_merchants_can_be_requested(shops, code):
    status, body = ERRORS[code]
    check(shops, (lambda s: s.told("pay", s.v2.pay, "says", argument=code), status, body))


@pytest.mark.parametrize("status", [402, 403, 409, 410, 422, 504])
def test_a_bare_http_status_can_be_requested_too(shops, status):
    shops.v2.arm("pay", "html", argument=status)
    assert shops.v2.pay().status_code == status
